/* SPDX-License-Identifier: MIT */
#include "vswitch/headers.h"

#include "vswitch/internal.h"

enum {
	TYPE_MIN = 1536,		/* IEEE 802.3: a type from here on, below it a length, and LLC follows */
	SNAP_BYTES = 8,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	EXTENSION_BYTES = 8,		/* of the smallest one */

	NEXT_HOP_BY_HOP = 0,		/* IANA's numbers */
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
	uint32_t have;
	uint32_t off;			/* of the next header */
	enum headers_reader reader;
	bool quotation;
	bool fragment_seen;		/* a fragment header of IPv6 */
	struct headers *h;
};

static enum headers_reach reach(const struct walk *w, uint32_t n)
{
	return headers_reach(w->h, w->have, w->off, n);
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* A receiver may look behind any number of tags, and Windows takes IP in SNAP: so do we. */
static enum headers_result unwrap(struct walk *w)
{
	struct headers *h = w->h;
	uint16_t type = get_be16(w->bytes + 12);

	w->off = ETHERNET_BYTES;
	while (is_tag(type) || type < TYPE_MIN) {
		bool tag = is_tag(type);
		uint32_t n = tag ? VLAN_TAG_BYTES : SNAP_BYTES;
		enum headers_reach r = reach(w, n);

		if (h->wraps == HEADERS_WRAPS_MAX)
			return HEADERS_TOO_WRAPPED;
		if (r == HEADERS_UNSEEN)
			return HEADERS_MORE;
		if (r == HEADERS_BEYOND || (!tag && get_be16(w->bytes + w->off) != 0xaaaa))
			return HEADERS_FOUND;
		w->off += n;
		h->wraps++;
		type = get_be16(w->bytes + w->off - 2);
	}
	h->type = type;
	return HEADERS_FOUND;
}

bool headers_is_extension(uint8_t header)
{
	switch (header) {
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

static bool leads_on(const struct walk *w)
{
	if (w->h->fragment_offset)
		return false;
	if (w->h->version == 4)
		return w->h->protocol == NEXT_AUTHENTICATION && w->reader == HEADERS_CREDULOUS;
	return headers_is_extension(w->h->protocol);
}

/* Bytes of the extension header p, which is not a fragment header. */
static uint32_t extension_bytes(const uint8_t *p, uint8_t kind)
{
	return kind == NEXT_AUTHENTICATION ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
}

static enum headers_result skip_extension(struct walk *w)
{
	const uint8_t *p = w->bytes + w->off;
	struct headers *h = w->h;
	enum headers_reach r = reach(w, EXTENSION_BYTES);
	uint32_t n = EXTENSION_BYTES;

	if (r == HEADERS_THERE && h->protocol != NEXT_FRAGMENT) {
		n = extension_bytes(p, h->protocol);
		r = reach(w, n);
	}
	if (r != HEADERS_THERE)
		return r == HEADERS_UNSEEN ? HEADERS_MORE : HEADERS_BAD_CHAIN;
	if (h->protocol == NEXT_FRAGMENT) {
		if (w->fragment_seen && w->reader == HEADERS_SOBER)
			return HEADERS_BAD_CHAIN;
		w->fragment_seen = true;
		h->fragment_offset = get_be16(p + 2) & 0xfff8;
		h->more_fragments = p[3] & 1;
		h->fragment_id = get_be32(p + 4);
	}
	h->protocol = p[0];
	w->off += n;
	return HEADERS_FOUND;
}

static enum headers_result follow_chain(struct walk *w)
{
	enum headers_result r;

	for (unsigned n = 0; leads_on(w); n++) {
		if (n == HEADERS_EXTENSIONS_MAX)
			return HEADERS_LONG_CHAIN;
		r = skip_extension(w);
		if (r != HEADERS_FOUND)
			return r;
	}
	w->h->transport = w->off;
	return HEADERS_FOUND;
}

/* The packet's length, by its header, becomes the end of what is looked at. */
static bool set_end(struct walk *w, uint32_t header, uint32_t total)
{
	uint32_t there = w->h->end - w->off;

	if (total < header || (total > there && !w->quotation))
		return false;
	if (total < there)
		w->h->end = w->off + total;
	return true;
}

static enum headers_result walk_ipv4(struct walk *w)
{
	const uint8_t *ip = w->bytes + w->off;
	enum headers_reach r = reach(w, IPV4_BYTES);
	struct headers *h = w->h;
	uint32_t header;

	if (r != HEADERS_THERE)
		return r == HEADERS_UNSEEN ? HEADERS_MORE : HEADERS_BAD_NETWORK;
	header = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || header < IPV4_BYTES || !set_end(w, header, get_be16(ip + 2)))
		return HEADERS_BAD_NETWORK;
	r = reach(w, header);
	if (r != HEADERS_THERE)
		return r == HEADERS_UNSEEN ? HEADERS_MORE : HEADERS_BAD_NETWORK;
	h->version = 4;
	h->fragment_id = get_be16(ip + 4);
	h->fragment_offset = (uint16_t)(get_be16(ip + 6) << 3);
	h->more_fragments = ip[6] & 0x20;
	h->protocol = ip[9];
	w->off += header;
	return follow_chain(w);
}

static enum headers_result walk_ipv6(struct walk *w)
{
	const uint8_t *ip = w->bytes + w->off;
	enum headers_reach r = reach(w, IPV6_BYTES);
	uint32_t payload;

	if (r != HEADERS_THERE)
		return r == HEADERS_UNSEEN ? HEADERS_MORE : HEADERS_BAD_NETWORK;
	payload = get_be16(ip + 4);
	if (!payload && ip[6] == NEXT_HOP_BY_HOP && w->reader == HEADERS_CREDULOUS)
		payload = w->h->end - w->off - IPV6_BYTES;	/* RFC 2675: the length is in an option */
	if (ip[0] >> 4 != 6 || !set_end(w, IPV6_BYTES, IPV6_BYTES + payload))
		return HEADERS_BAD_NETWORK;
	w->h->version = 6;
	w->h->protocol = ip[6];
	w->off += IPV6_BYTES;
	return follow_chain(w);
}

enum headers_result headers_of_frame(const uint8_t *bytes, uint32_t have, uint32_t len, enum headers_reader reader,
				     struct headers *out)
{
	struct walk w = { .bytes = bytes, .have = have, .reader = reader, .h = out };
	enum headers_result r;

	*out = (struct headers){ .end = len };
	if (len < ETHERNET_BYTES)
		return HEADERS_FOUND;
	if (have < ETHERNET_BYTES)
		return HEADERS_MORE;
	r = unwrap(&w);
	out->network = w.off;
	if (r != HEADERS_FOUND)
		return r;
	if (out->type == HEADERS_TYPE_IPV4)
		return walk_ipv4(&w);
	return out->type == HEADERS_TYPE_IPV6 ? walk_ipv6(&w) : HEADERS_FOUND;
}

enum headers_result headers_of_quotation(const uint8_t *bytes, uint32_t off, uint32_t have, uint32_t len, uint8_t version,
					 struct headers *out)
{
	struct walk w = { .bytes = bytes, .have = have, .off = off, .reader = HEADERS_SOBER, .quotation = true, .h = out };

	*out = (struct headers){ .network = off, .end = len };
	return version == 4 ? walk_ipv4(&w) : walk_ipv6(&w);
}
