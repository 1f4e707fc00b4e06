/* SPDX-License-Identifier: MIT */
#include "vswitch/guard_parse.h"

#include <assert.h>

#include "vswitch/headers.h"
#include "vswitch/policy.h"

static_assert((int)HEADERS_EXTENSIONS_MAX == (int)VSWITCH_GUARD_EXTENSIONS, "as policy.h promises");

enum {
	ARP_BYTES = 28,			/* for Ethernet and IPv4; RARP has the same layout */
	TRANSPORT_BYTES = 8,		/* ports, a type: what guards look at, if the packet has so much */
};

static enum guard_network network_of(uint16_t type)
{
	switch (type) {
	case HEADERS_TYPE_IPV4:
		return GUARD_IPV4;
	case HEADERS_TYPE_IPV6:
		return GUARD_IPV6;
	case HEADERS_TYPE_ARP:
		return GUARD_ARP;
	case HEADERS_TYPE_RARP:
		return GUARD_RARP;
	}
	return GUARD_OTHER;
}

/* What guards look at is there, as far as the packet has it: all of a message of neighbour discovery. */
static bool transport_is_there(const uint8_t *bytes, uint32_t have, const struct headers *h)
{
	uint32_t left = h->end - h->transport, n = left < TRANSPORT_BYTES ? left : TRANSPORT_BYTES;
	uint8_t type;

	if (h->fragment_offset)
		return true;
	if (headers_reach(h, have, h->transport, n) != HEADERS_THERE)
		return false;
	if (n < TRANSPORT_BYTES || h->protocol != GUARD_ICMPV6)
		return true;
	type = bytes[h->transport];
	if (type < GUARD_ND_FIRST || type > GUARD_ND_LAST)
		return true;
	return headers_reach(h, have, h->transport, left) == HEADERS_THERE;
}

/* Behind Ethernet there is what the guards know, or something else. */
static bool look_at_network(const uint8_t *bytes, uint32_t have, const struct headers *h, struct guard_view *v)
{
	enum headers_reach r = headers_reach(h, have, h->network, ARP_BYTES);

	switch (v->network) {
	case GUARD_OTHER:
		return true;
	case GUARD_ARP:
	case GUARD_RARP:
		v->malformed = r == HEADERS_BEYOND;
		return r != HEADERS_UNSEEN;
	case GUARD_IPV4:
	case GUARD_IPV6:
		break;
	}
	return transport_is_there(bytes, have, h);
}

bool guard_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct guard_view *v)
{
	struct headers h;
	enum headers_result r = headers_of_frame(bytes, have, len, HEADERS_CREDULOUS, &h);

	*v = (struct guard_view){
		.network = network_of(h.type),
		.opaque = r == HEADERS_TOO_WRAPPED,
		.malformed = r == HEADERS_BAD_NETWORK,
		.hidden = r == HEADERS_BAD_CHAIN || r == HEADERS_LONG_CHAIN,
		.later_fragment = h.fragment_offset,
		.protocol = h.protocol,
		.network_offset = h.network,
		.transport_offset = h.transport,
		.end = h.end,
	};
	if (r != HEADERS_FOUND)
		return r != HEADERS_MORE;
	return look_at_network(bytes, have, &h, v);
}
