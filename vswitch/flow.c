/* SPDX-License-Identifier: MIT */
/*
 * From Ethernet to the transport header. A receiver may see more in a frame than its type field says, so we look where
 * any known one does: behind stacked tags and in SNAP. All headers are read from one private copy.
 */
#include "vswitch/flow.h"

#include <string.h>

#include "vswitch/internal.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
	ETHERTYPE_OLD_QINQ = 0x9100,
	LENGTH_MAX = 1500,		/* 802.3: up to here it is a length, LLC follows */
	SNAP_BYTES = 8,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,

	NEXT_HOP_BY_HOP = 0,		/* IANA's numbers of extension headers */
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AUTHENTICATION = 51,
	NEXT_DESTINATION = 60,
	NEXT_MOBILITY = 135,
	NEXT_HIP = 139,
	NEXT_SHIM6 = 140,
};

struct walk {
	const uint8_t *bytes;
	uint32_t have;			/* of bytes */
	uint32_t end;			/* of what is the frame's, later the packet's */
	uint32_t off;			/* of the next header */
	uint8_t next;			/* its protocol */
	bool fragment_seen;		/* a fragment header of IPv6 */
};

/* The next n bytes are there: IP. */
static enum flow_result need(const struct walk *w, uint32_t n)
{
	if (w->end < w->off || w->end - w->off < n)
		return FLOW_BAD;
	if (w->off + n > FLOW_BYTES_MAX)
		return FLOW_BAD;
	return w->off + n <= w->have ? FLOW_IP : FLOW_SHORT;
}

static bool is_tag(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN || type == ETHERTYPE_OLD_QINQ;
}

/* Behind a SNAP header of encapsulated Ethernet (RFC 1042) or a bridge tunnel (802.1H) is a type again. */
static bool is_snap(const uint8_t *p)
{
	return p[0] == 0xaa && p[1] == 0xaa && p[2] == 0x03 && !p[3] && !p[4] && (!p[5] || p[5] == 0xf8);
}

/* To the network header; *type: its Ethernet type. */
static enum flow_result skip_ethernet(struct walk *w, uint16_t *type)
{
	enum flow_result r;

	*type = get_be16(w->bytes + 12);
	w->off = ETHERNET_BYTES;
	for (unsigned n = 0; is_tag(*type) || *type <= LENGTH_MAX; n++) {
		bool tag = is_tag(*type);

		r = need(w, tag ? VLAN_TAG_BYTES : SNAP_BYTES);
		if (r == FLOW_SHORT)
			return r;
		if (r == FLOW_BAD || (!tag && !is_snap(w->bytes + w->off)))
			return FLOW_NOT_IP;
		if (n == FLOW_TAGS_MAX)
			return FLOW_BAD;
		*type = get_be16(w->bytes + w->off + (tag ? 2 : 6));
		w->off += tag ? VLAN_TAG_BYTES : SNAP_BYTES;
	}
	return FLOW_IP;
}

static void set_fragment(struct flow *f, uint16_t offset, bool more)
{
	f->fragment_offset = offset;
	f->fragment = offset ? FLOW_LATER : more ? FLOW_FIRST : FLOW_WHOLE;
}

static enum flow_result parse_ipv4(struct walk *w, struct flow *f)
{
	const uint8_t *ip = w->bytes + w->off;
	enum flow_result r = need(w, IPV4_BYTES);
	uint32_t header, total;

	if (r != FLOW_IP)
		return r;
	header = (ip[0] & 15u) * 4;
	total = get_be16(ip + 2);
	if (ip[0] >> 4 != 4 || header < IPV4_BYTES || total < header || total > w->end - w->off)
		return FLOW_BAD;
	r = need(w, header);
	if (r != FLOW_IP)
		return r;
	f->version = 4;
	memcpy(f->source, ip + 12, 4);
	memcpy(f->destination, ip + 16, 4);
	f->fragment_id = get_be16(ip + 4);
	set_fragment(f, (uint16_t)(get_be16(ip + 6) << 3), ip[6] & 0x20);
	w->next = ip[9];
	w->end = w->off + total;
	w->off += header;
	return FLOW_IP;
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_FRAGMENT:
	case NEXT_AUTHENTICATION:
	case NEXT_DESTINATION:
	case NEXT_MOBILITY:
	case NEXT_HIP:
	case NEXT_SHIM6:
		return true;
	}
	return false;
}

static enum flow_result skip_extension(struct walk *w, struct flow *f)
{
	const uint8_t *p = w->bytes + w->off;
	enum flow_result r = need(w, 8);
	uint32_t n;

	if (r != FLOW_IP)
		return r;
	if (w->next == NEXT_FRAGMENT) {
		if (w->fragment_seen)	/* fragments of a fragment: nobody sends that */
			return FLOW_BAD;
		w->fragment_seen = true;
		n = 8;
		set_fragment(f, get_be16(p + 2) & 0xfff8, p[3] & 1);
		f->fragment_id = get_be32(p + 4);
	} else {
		n = w->next == NEXT_AUTHENTICATION ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
	}
	r = need(w, n);
	if (r != FLOW_IP)
		return r;
	w->next = p[0];
	w->off += n;
	return FLOW_IP;
}

static enum flow_result parse_ipv6(struct walk *w, struct flow *f)
{
	const uint8_t *ip = w->bytes + w->off;
	enum flow_result r = need(w, IPV6_BYTES);
	uint32_t payload;

	if (r != FLOW_IP)
		return r;
	payload = get_be16(ip + 4);
	if (ip[0] >> 4 != 6 || payload > w->end - w->off - IPV6_BYTES)
		return FLOW_BAD;
	f->version = 6;
	memcpy(f->source, ip + 8, 16);
	memcpy(f->destination, ip + 24, 16);
	w->next = ip[6];
	w->end = w->off + IPV6_BYTES + payload;
	w->off += IPV6_BYTES;
	for (unsigned n = 0; is_extension(w->next) && f->fragment != FLOW_LATER; n++) {
		if (n == FLOW_EXTENSIONS_MAX)
			return FLOW_BAD;
		r = skip_extension(w, f);
		/* RFC 7112: the first fragment holds all headers. */
		if (r == FLOW_BAD && f->fragment == FLOW_FIRST)
			return FLOW_BAD_FRAGMENT;
		if (r != FLOW_IP)
			return r;
	}
	return FLOW_IP;
}

/* What of a transport header we rely on; 0: nothing. */
static uint32_t transport_bytes(uint8_t version, uint8_t protocol)
{
	switch (protocol) {
	case FLOW_TCP:
		return 20;
	case FLOW_UDP:
	case FLOW_UDPLITE:
		return 8;
	case FLOW_DCCP:
	case FLOW_SCTP:
		return 12;
	case FLOW_ICMP:
		return version == 4 ? 8 : 0;
	case FLOW_ICMPV6:
		return version == 6 ? 8 : 0;
	}
	return 0;
}

static void read_icmp(const uint8_t *p, struct flow *f)
{
	bool v4 = f->protocol == FLOW_ICMP;

	f->is_echo_request = p[0] == (v4 ? 8 : 128);
	f->is_echo_reply = p[0] == (v4 ? 0 : 129);
	f->echo_id = get_be16(p + 4);
}

static void read_transport(const uint8_t *p, struct flow *f)
{
	f->has_ports = flow_has_ports(f->protocol);
	if (!f->has_ports) {
		read_icmp(p, f);
		return;
	}
	f->source_port = get_be16(p);
	f->destination_port = get_be16(p + 2);
	if (f->protocol == FLOW_TCP)
		f->tcp_flags = p[13];
}

static enum flow_result parse_transport(struct walk *w, struct flow *f)
{
	uint32_t n = transport_bytes(f->version, w->next);
	enum flow_result r;

	f->protocol = w->next;
	f->payload_bytes = (uint16_t)(w->end - w->off);
	f->header_bytes = (uint16_t)(w->off + n);
	if (f->fragment == FLOW_LATER) {
		f->header_bytes = (uint16_t)w->off;
		f->protocol_hidden = f->version == 6 && is_extension(w->next);
		return f->fragment_offset < n ? FLOW_BAD_FRAGMENT : FLOW_IP;
	}
	if (!n)
		return FLOW_IP;
	r = need(w, n);
	if (r == FLOW_BAD && f->fragment == FLOW_FIRST)
		return FLOW_BAD_FRAGMENT;
	if (r == FLOW_IP)
		read_transport(w->bytes + w->off, f);
	return r;
}

enum flow_result flow_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out)
{
	struct walk w = { .bytes = bytes, .have = have, .end = len };
	enum flow_result r;
	uint16_t type;

	memset(out, 0, sizeof(*out));
	if (len < ETHERNET_BYTES)
		return FLOW_NOT_IP;
	if (have < ETHERNET_BYTES)
		return FLOW_SHORT;
	r = skip_ethernet(&w, &type);
	if (r != FLOW_IP)
		return r;
	if (type == ETHERTYPE_IPV4)
		r = parse_ipv4(&w, out);
	else if (type == ETHERTYPE_IPV6)
		r = parse_ipv6(&w, out);
	else
		return FLOW_NOT_IP;
	return r == FLOW_IP ? parse_transport(&w, out) : r;
}
