/* SPDX-License-Identifier: MIT */
/*
 * What offload metadata means, checked and made uniform at ingress. Everything that reads it later
 * (egress.c, uplinks, NICs) relies on what is established here:
 *
 *   - no 802.1Q tag in the bytes unless there is one in the metadata, too;
 *   - CSUM_PARTIAL: the field lies in the head, behind the Ethernet header;
 *   - gso: the headers are in the head, consistent with the frame's length and type, there is more
 *     payload than one segment takes, and the number of segments is bounded.
 *
 * All in head[], which nobody else can change.
 */
#include "vswitch/internal.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	IPV4_FRAGMENT_MASK = 0x3fff,	/* more fragments, and the offset */
	IPV4_HEADER_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
	IP_LENGTH_MAX = 65535,
	TCP_HEADER_BYTES = 20,
	UDP_HEADER_BYTES = 8,
	EXTENSION_HEADERS_MAX = 4,	/* our policy: in front of TCP with segmentation */
	GSO_HEADERS_MAX = VSWITCH_HEAD_BYTES - VLAN_TAG_BYTES,	/* so that a tag fits in */
	GSO_SEGMENTS_MAX = 2048,	/* our policy: 64 KiB at an MSS of 32 */
};

/* After the head has become shorter: the whole frame is in it, if it fits. */
static void fill_head(struct vswitch_frame *f)
{
	struct frame_cursor c;

	if (f->head_bytes == f->len || f->len > VSWITCH_HEAD_BYTES)
		return;
	c = frame_cursor_at(f, f->head_bytes);
	frame_cursor_copy(&c, f->head + f->head_bytes, f->len - f->head_bytes);
	f->head_bytes = (uint16_t)f->len;
	f->nsegs = 0;
}

static bool take_tag_out(struct vswitch_frame *f)
{
	struct vswitch_offload *o = &f->offload;

	if (f->head_bytes < ETHERNET_BYTES + VLAN_TAG_BYTES)
		return false;
	if (o->flags & VSWITCH_CSUM_PARTIAL) {
		if (o->csum_start < ETHERNET_BYTES + VLAN_TAG_BYTES)
			return false;
		o->csum_start -= VLAN_TAG_BYTES;
	}
	o->vlan_tci = get_be16(f->head + 14);
	o->flags |= VSWITCH_VLAN;
	memmove(f->head + 12, f->head + 16, f->head_bytes - 16u);
	f->head_bytes -= VLAN_TAG_BYTES;
	f->len -= VLAN_TAG_BYTES;
	fill_head(f);
	return true;
}

/* Transport header and protocol of an IP frame that is no fragment. */
static bool find_transport(const struct vswitch_frame *f, uint32_t *offset, uint8_t *protocol)
{
	const uint8_t *ip = f->head + ETHERNET_BYTES;
	uint32_t off = ETHERNET_BYTES + IPV6_HEADER_BYTES;
	unsigned n;

	if (get_be16(f->head + 12) == ETHERTYPE_IPV4) {
		*offset = ETHERNET_BYTES + (ip[0] & 15u) * 4;
		*protocol = ip[9];
		return f->head_bytes >= *offset && ip[0] >= 0x45 && ip[0] <= 0x4f &&
		       !(get_be16(ip + 6) & IPV4_FRAGMENT_MASK);
	}
	if (get_be16(f->head + 12) != ETHERTYPE_IPV6 || f->head_bytes < off || ip[0] >> 4 != 6)
		return false;
	*protocol = ip[6];
	/* Hop-by-hop, routing and destination options; behind anything else is no segmentation. */
	for (n = 0; *protocol == 0 || *protocol == 43 || *protocol == 60; n++) {
		if (n == EXTENSION_HEADERS_MAX || f->head_bytes < off + 8)
			return false;
		*protocol = f->head[off];
		off += (f->head[off + 1] + 1u) * 8;
	}
	*offset = off;
	return f->head_bytes >= off;
}

static bool gso_fits_protocol(const struct vswitch_frame *f, uint8_t protocol)
{
	bool v4 = get_be16(f->head + 12) == ETHERTYPE_IPV4;

	switch (f->offload.gso) {
	case VSWITCH_GSO_TCPV4:
		return v4 && protocol == PROTOCOL_TCP;
	case VSWITCH_GSO_TCPV6:
		return !v4 && protocol == PROTOCOL_TCP;
	case VSWITCH_GSO_UDP:
		return protocol == PROTOCOL_UDP;
	}
	return false;
}

/* Length of the transport header at offset, 0 if it is none. */
static uint32_t transport_bytes(const struct vswitch_frame *f, uint32_t offset, uint8_t protocol)
{
	uint32_t n = UDP_HEADER_BYTES;

	if (protocol == PROTOCOL_TCP) {
		if (f->head_bytes < offset + TCP_HEADER_BYTES)
			return 0;
		n = (f->head[offset + 12] >> 4) * 4u;
		if (n < TCP_HEADER_BYTES)
			return 0;
	}
	return f->head_bytes < offset + n || offset + n > GSO_HEADERS_MAX ? 0 : n;
}

/* The lengths and the partial checksum in the headers of a frame or a segment, from its length. */
void offload_set_lengths(struct vswitch_frame *f)
{
	struct vswitch_offload *o = &f->offload;
	uint8_t *ip = f->head + ETHERNET_BYTES;
	uint32_t transport = f->len - o->csum_start;
	uint8_t protocol = o->csum_offset == 6 ? PROTOCOL_UDP : PROTOCOL_TCP;
	uint16_t sum;

	if (ip[0] >> 4 == 4) {
		put_be16(ip + 2, f->len - ETHERNET_BYTES);
		checksum_ipv4_header(ip);
	} else {
		put_be16(ip + 4, f->len - ETHERNET_BYTES - IPV6_HEADER_BYTES);
	}
	if (protocol == PROTOCOL_UDP)
		put_be16(f->head + o->csum_start + 4, transport);
	sum = hv_sum_fold(checksum_pseudo(ip, protocol, transport));
	memcpy(f->head + o->csum_start + o->csum_offset, &sum, 2);
}

static bool normalise_gso(struct vswitch_frame *f)
{
	struct vswitch_offload *o = &f->offload;
	uint32_t offset, n, payload;
	uint8_t protocol;

	if (!find_transport(f, &offset, &protocol) || !gso_fits_protocol(f, protocol))
		return false;
	n = transport_bytes(f, offset, protocol);
	if (!n || !o->gso_size || f->len - ETHERNET_BYTES > IP_LENGTH_MAX)
		return false;
	payload = f->len - offset - n;
	if ((payload + o->gso_size - 1) / o->gso_size > GSO_SEGMENTS_MAX)
		return false;
	o->csum_start = (uint16_t)offset;
	o->csum_offset = protocol == PROTOCOL_UDP ? 6 : 16;
	o->header_bytes = (uint16_t)(offset + n);
	o->flags = (uint8_t)((o->flags | VSWITCH_CSUM_PARTIAL) & ~VSWITCH_CSUM_VALID);
	offload_set_lengths(f);
	if (payload <= o->gso_size)
		o->gso = VSWITCH_GSO_NONE;
	return true;
}

static bool complete_ip_checksum(struct vswitch_frame *f)
{
	uint8_t *ip = f->head + ETHERNET_BYTES;
	unsigned n;

	if (f->head_bytes < ETHERNET_BYTES + IPV4_HEADER_BYTES ||
	    get_be16(f->head + 12) != ETHERTYPE_IPV4)
		return false;
	n = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || n < IPV4_HEADER_BYTES || f->head_bytes < ETHERNET_BYTES + n)
		return false;
	checksum_ipv4_header(ip);
	f->offload.flags &= (uint8_t)~VSWITCH_IP_CSUM_NEEDED;
	return true;
}

static bool partial_is_sane(const struct vswitch_frame *f)
{
	const struct vswitch_offload *o = &f->offload;

	return o->csum_start >= ETHERNET_BYTES && o->csum_start < f->head_bytes &&
	       f->head_bytes - o->csum_start - o->csum_offset >= 2;
}

bool offload_ingress(struct vswitch_frame *f)
{
	struct vswitch_offload *o = &f->offload;

	if (get_be16(f->head + 12) == ETHERTYPE_VLAN && !(o->flags & VSWITCH_VLAN) && !take_tag_out(f))
		return false;
	if (o->flags & VSWITCH_VLAN && (o->vlan_tci & VLAN_ID_MASK) == VLAN_ID_RESERVED)
		return false;
	if (o->flags & VSWITCH_IP_CSUM_NEEDED && !complete_ip_checksum(f))
		return false;
	if (o->gso)
		return normalise_gso(f);
	return !(o->flags & VSWITCH_CSUM_PARTIAL) || partial_is_sane(f);
}
