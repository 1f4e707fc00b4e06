/* SPDX-License-Identifier: MIT */
/*
 * From the Ethernet header to the transport header: through tags, LLC/SNAP (Windows takes IP in it), IPv4 options, IPv6 extension
 * headers. Lengths in the headers count, not the frame's: what lies behind a packet's end is no header of it, however it looks.
 */
#include "vswitch/guard_parse.h"

#include "vswitch/internal.h"

enum {
	TAGS_MAX = 4,			/* our policy: tags and SNAP headers in a row */
	LENGTH_MAX = 1535,		/* IEEE 802.3: a type from 1536 on, else a length */
	HEADER_HOP_BY_HOP = 0,
	HEADER_ROUTING = 43,
	HEADER_FRAGMENT = 44,
	HEADER_AUTHENTICATION = 51,
	HEADER_OPTIONS = 60,
	HEADER_MOBILITY = 135,
	HEADER_HIP = 139,
	HEADER_SHIM6 = 140,
	FRAGMENT_OFFSET_MASK = 0x1fff,	/* IPv4 */
	FRAGMENT6_OFFSET_MASK = 0xfff8,
};

struct parser {
	const uint8_t *bytes;
	uint32_t have, len, off;
};

enum reach { VISIBLE, BEYOND, NEED_MORE };

/* Whether the n bytes at off are there. */
static enum reach reach(const struct parser *p, uint32_t end, uint32_t n)
{
	if (p->off > end || end - p->off < n)
		return BEYOND;
	return p->off + n <= p->have ? VISIBLE : NEED_MORE;
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* The type behind tags and SNAP; 0: none that matters. False: more bytes. */
static bool find_type(struct parser *p, struct guard_view *v, uint16_t *type)
{
	enum reach r;

	*type = get_be16(p->bytes + 12);
	p->off = ETHERNET_BYTES;
	for (unsigned n = 0;; n++) {
		bool tag = is_tag(*type);
		uint32_t need = tag ? 4 : 8;

		if (!tag && *type > LENGTH_MAX)
			return true;
		if (n == TAGS_MAX) {
			v->opaque = true;
			return true;
		}
		r = reach(p, p->len, need);
		if (r == NEED_MORE)
			return false;
		if (r == BEYOND || (!tag && (p->bytes[p->off] != 0xaa || p->bytes[p->off + 1] != 0xaa))) {
			*type = 0;
			return true;
		}
		*type = get_be16(p->bytes + p->off + need - 2);
		p->off += need;
		if (!tag && *type <= LENGTH_MAX) {	/* no type: Cisco's and other vendors' own numbers */
			*type = 0;
			return true;
		}
	}
}

/* Behind one extension header; *next: what follows. */
static enum reach skip_header(struct parser *p, struct guard_view *v, uint8_t *next)
{
	enum reach r = reach(p, v->end, 8);
	const uint8_t *h = p->bytes + p->off;
	uint32_t bytes;

	if (r != VISIBLE)
		return r;
	switch (*next) {
	case HEADER_FRAGMENT:
		bytes = 8;
		v->later_fragment = get_be16(h + 2) & FRAGMENT6_OFFSET_MASK;
		break;
	case HEADER_AUTHENTICATION:
		bytes = (h[1] + 2u) * 4;
		break;
	default:
		bytes = (h[1] + 1u) * 8;
		break;
	}
	*next = h[0];
	p->off += bytes;
	return VISIBLE;
}

static bool is_extension(uint8_t header, bool v6)
{
	switch (header) {
	case HEADER_AUTHENTICATION:
		return true;
	case HEADER_HOP_BY_HOP:
	case HEADER_ROUTING:
	case HEADER_FRAGMENT:
	case HEADER_OPTIONS:
	case HEADER_MOBILITY:
	case HEADER_HIP:
	case HEADER_SHIM6:
		return v6;
	}
	return false;
}

/* What guards look at: the ports, a type, all of a message of neighbour discovery. */
static bool transport_in_reach(const struct parser *p, const struct guard_view *v)
{
	uint8_t type;

	if (reach(p, v->end, 8) != VISIBLE)
		return reach(p, v->end, 8) == BEYOND;
	type = p->bytes[p->off];
	if (v->protocol != GUARD_ICMPV6 || type < GUARD_ND_FIRST || type > GUARD_ND_LAST)
		return true;
	return reach(p, v->end, v->end - p->off) == VISIBLE;
}

static bool find_transport(struct parser *p, struct guard_view *v, uint8_t next)
{
	bool v6 = v->network == GUARD_IPV6;
	enum reach r;

	for (unsigned n = 0; is_extension(next, v6) && !v->later_fragment; n++) {
		r = n == VSWITCH_GUARD_EXTENSIONS ? BEYOND : skip_header(p, v, &next);
		if (r == NEED_MORE)
			return false;
		v->hidden = r == BEYOND || p->off > v->end;
		if (v->hidden)
			return true;
	}
	v->protocol = next;
	v->transport_offset = p->off;
	return v->later_fragment || transport_in_reach(p, v);
}

static bool parse_ipv4(struct parser *p, struct guard_view *v)
{
	enum reach r = reach(p, p->len, 20);
	const uint8_t *ip = p->bytes + p->off;
	uint32_t header, total;

	if (r == NEED_MORE)
		return false;
	if (r == BEYOND) {
		v->malformed = true;
		return true;
	}
	header = (ip[0] & 15u) * 4;
	total = get_be16(ip + 2);
	v->malformed = ip[0] >> 4 != 4 || header < 20 || total < header || total > p->len - p->off;
	if (v->malformed)
		return true;
	v->end = p->off + total;
	v->later_fragment = get_be16(ip + 6) & FRAGMENT_OFFSET_MASK;
	p->off += header;
	return find_transport(p, v, ip[9]);
}

static bool parse_ipv6(struct parser *p, struct guard_view *v)
{
	enum reach r = reach(p, p->len, 40);
	const uint8_t *ip = p->bytes + p->off;
	uint32_t payload;

	if (r == NEED_MORE)
		return false;
	if (r == BEYOND) {
		v->malformed = true;
		return true;
	}
	payload = get_be16(ip + 4);
	p->off += 40;
	if (!payload && ip[6] == HEADER_HOP_BY_HOP)	/* RFC 2675: the length is in an option */
		payload = p->len - p->off;
	v->malformed = ip[0] >> 4 != 6 || payload > p->len - p->off;
	if (v->malformed)
		return true;
	v->end = p->off + payload;
	return find_transport(p, v, ip[6]);
}

/* ARP for Ethernet and IPv4: all of it, and both kinds have the same layout. */
static bool parse_arp(struct parser *p, struct guard_view *v)
{
	enum reach r = reach(p, p->len, 28);

	v->malformed = r == BEYOND;
	v->end = p->len;
	return r != NEED_MORE;
}

bool guard_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct guard_view *v)
{
	struct parser p = { bytes, have, len, 0 };
	uint16_t type;

	*v = (struct guard_view){ .network = GUARD_OTHER };
	if (!find_type(&p, v, &type))
		return false;
	v->network_offset = p.off;
	if (v->opaque)
		return true;
	switch (type) {
	case 0x0800:
		v->network = GUARD_IPV4;
		return parse_ipv4(&p, v);
	case 0x86dd:
		v->network = GUARD_IPV6;
		return parse_ipv6(&p, v);
	case 0x0806:
		v->network = GUARD_ARP;
		return parse_arp(&p, v);
	case 0x8035:
		v->network = GUARD_RARP;
		return parse_arp(&p, v);
	}
	return true;
}
