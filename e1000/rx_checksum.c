/* SPDX-License-Identifier: MIT */
/*
 * What the chip says of a received frame's checksums (3.2.9, 13.5.5). It never sets an error bit that it does not mean:
 * drivers look at those without looking at the status bits.
 */
#include "e1000/internal.h"

enum {
	TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17,
	ETHERNET_BYTES = 14, SNAP_BYTES = 8, IPV6_BYTES = 40,
};

struct packet {			/* all in the head */
	uint32_t ip;		/* offset of the IP header */
	uint32_t transport;	/* … and of what follows it */
	uint32_t transport_bytes;
	uint8_t protocol;
	bool v4, fragment;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Where IP begins: behind Ethernet II, one tag, or SNAP. 0: it is not IP. */
static uint32_t find_ip(const struct e1000_core *c, const struct e1000_rx_frame *f, uint16_t *type)
{
	uint32_t at = 12;

	if (f->head_bytes < ETHERNET_BYTES + 4 + SNAP_BYTES)
		return 0;
	*type = be16(f->head + at);
	if (*type == TYPE_VLAN || *type == e1000_reg(c, E1000_VET)) {
		at += 4;
		*type = be16(f->head + at);
	}
	if (*type <= 1500) {
		static const uint8_t snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };

		if (memcmp(f->head + at + 2, snap, 6))
			return 0;
		at += SNAP_BYTES;
		*type = be16(f->head + at);
	}
	return at + 2;
}

static bool parse_v4(const struct e1000_rx_frame *f, struct packet *p)
{
	const uint8_t *ip = f->head + p->ip;
	uint32_t header, total;

	if (f->head_bytes < p->ip + 20 || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	total = be16(ip + 2);
	if (header < 20 || f->head_bytes < p->ip + header || total < header || total > f->len - p->ip)
		return false;
	p->v4 = true;
	p->fragment = be16(ip + 6) & 0x3fff;
	p->protocol = ip[9];
	p->transport = p->ip + header;
	p->transport_bytes = total - header;
	return true;
}

/* Extension headers are too much for the chip. */
static bool parse_v6(const struct e1000_rx_frame *f, struct packet *p)
{
	const uint8_t *ip = f->head + p->ip;

	if (f->head_bytes < p->ip + IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	p->protocol = ip[6];
	p->transport = p->ip + IPV6_BYTES;
	p->transport_bytes = be16(ip + 4);
	return p->transport_bytes <= f->len - p->transport &&
	       (p->protocol == PROTOCOL_TCP || p->protocol == PROTOCOL_UDP);
}

static bool parse(const struct e1000_core *c, const struct e1000_rx_frame *f, struct packet *p)
{
	uint16_t type = 0;

	*p = (struct packet){ .ip = find_ip(c, f, &type) };
	if (!p->ip)
		return false;
	if (type == TYPE_IPV4)
		return parse_v4(f, p);
	return type == TYPE_IPV6 && parse_v6(f, p);
}

static uint64_t sum_range(const struct e1000_rx_frame *f, uint32_t from, uint32_t n)
{
	bool odd = false;
	uint64_t sum = 0;

	for (unsigned i = 0; i <= f->nsegs && n; i++) {
		const uint8_t *base = i ? f->segs[i - 1].iov_base : f->head;
		const uint32_t len = i ? (uint32_t)f->segs[i - 1].iov_len : f->head_bytes;
		uint32_t part;

		if (from >= len) {
			from -= len;
			continue;
		}
		part = n < len - from ? n : len - from;
		sum = hv_sum_add(sum, base + from, part, odd);
		odd ^= part & 1;
		n -= part;
		from = 0;
	}
	return sum;
}

static bool transport_good(const struct e1000_rx_frame *f, const struct packet *p)
{
	const uint8_t pseudo[4] = { 0, p->protocol, (uint8_t)(p->transport_bytes >> 8), (uint8_t)p->transport_bytes };
	uint64_t sum = sum_range(f, p->transport, p->transport_bytes);

	if (p->v4)
		sum = hv_sum_add(sum, f->head + p->ip + 12, 8, false);
	else
		sum = hv_sum_add(sum, f->head + p->ip + 8, 32, false);
	return hv_sum_fold(hv_sum_add(sum, pseudo, sizeof(pseudo), false)) == 0xffff;
}

/* Whether there is a transport checksum to look at. */
static bool has_checksum(const struct e1000_rx_frame *f, const struct packet *p)
{
	const uint8_t *transport = f->head + p->transport;

	if (p->fragment)
		return false;
	if (p->protocol == PROTOCOL_TCP)
		return p->transport_bytes >= 20 && f->head_bytes >= p->transport + 20;
	return p->protocol == PROTOCOL_UDP && p->transport_bytes >= 8 && f->head_bytes >= p->transport + 8 &&
	       be16(transport + 6);
}

void e1000_rx_checksum(const struct e1000_core *c, const struct e1000_rx_frame *f, uint8_t *status, uint8_t *errors)
{
	const uint32_t rxcsum = e1000_reg(c, E1000_RXCSUM);
	struct packet p;

	*errors = 0;
	*status = E1000_RXD_IXSM;
	if (!(rxcsum & (E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL)) || !parse(c, f, &p))
		return;
	if (!p.v4 && (c->model == E1000_82544GC || !(rxcsum & E1000_RXCSUM_TUOFL) || !(rxcsum & E1000_RXCSUM_IPV6OFL)))
		return;
	*status = 0;
	if (p.v4 && rxcsum & E1000_RXCSUM_IPOFL) {
		*status |= E1000_RXD_IPCS;
		if (hv_sum_fold(hv_sum_add(0, f->head + p.ip, p.transport - p.ip, false)) != 0xffff)
			*errors |= E1000_RXD_IPE;
	}
	if (rxcsum & E1000_RXCSUM_TUOFL && has_checksum(f, &p)) {
		*status |= E1000_RXD_TCPCS;
		if (!(f->flags & E1000_RX_CSUM_VALID) && !transport_good(f, &p))
			*errors |= E1000_RXD_TCPE;
	}
}
