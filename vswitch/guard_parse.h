/* SPDX-License-Identifier: MIT */
/*
 * What a guard has to know of a frame's headers, as the most credulous receiver would read them: headers.h. Pure: bytes in, a
 * struct out.
 */
#ifndef HVNET_VSWITCH_GUARD_PARSE_H
#define HVNET_VSWITCH_GUARD_PARSE_H

#include <stdbool.h>
#include <stdint.h>

enum guard_network { GUARD_OTHER, GUARD_ARP, GUARD_RARP, GUARD_IPV4, GUARD_IPV6 };

enum {
	GUARD_ICMP = 1,
	GUARD_UDP = 17,
	GUARD_ICMPV6 = 58,
	GUARD_ROUTER_SOLICITATION = 133,
	GUARD_ROUTER_ADVERTISEMENT,
	GUARD_NEIGHBOUR_SOLICITATION,
	GUARD_NEIGHBOUR_ADVERTISEMENT,
	GUARD_REDIRECT,
	GUARD_ND_FIRST = GUARD_ROUTER_SOLICITATION,
	GUARD_ND_LAST = GUARD_REDIRECT,
};

struct guard_view {
	enum guard_network network;	/* behind all tags and LLC/SNAP */
	bool opaque;			/* more tags than anybody sends: it may be anything */
	bool malformed;			/* the network header is not whole, or contradicts the frame's length */
	bool hidden;			/* the headers up to the transport header cannot be followed */
	bool later_fragment;		/* there is no transport header in this one */
	uint8_t protocol;		/* of the transport header; unless opaque, malformed, hidden, a later fragment's */
	uint32_t network_offset, transport_offset;
	uint32_t end;			/* of the packet: behind it is padding */
};

/*
 * bytes: the first have of a frame of len bytes, from the Ethernet header on. False: it takes more than these to say, and
 * there are more.
 */
bool guard_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct guard_view *v);

#endif
