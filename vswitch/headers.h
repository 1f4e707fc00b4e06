/* SPDX-License-Identifier: MIT */
/*
 * Where a frame's headers are, from Ethernet to the transport: through VLAN tags, LLC/SNAP, IPv4 options and extension headers.
 * Guards and ACLs both look at a frame through this, so that neither sees a packet where the other sees none. Pure: bytes in, a
 * struct out.
 *
 * Lengths in the headers count, not the frame's: what lies behind a packet's end is no header of it, however it looks.
 */
#ifndef HVNET_VSWITCH_HEADERS_H
#define HVNET_VSWITCH_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HEADERS_WRAPS_MAX = 4,		/* our policy: tags and SNAP headers in a row */
	HEADERS_EXTENSIONS_MAX = 8,	/* our policy; RFC 8200 recommends each kind at most once */

	HEADERS_TYPE_IPV4 = 0x0800,
	HEADERS_TYPE_ARP = 0x0806,
	HEADERS_TYPE_RARP = 0x8035,
	HEADERS_TYPE_IPV6 = 0x86dd,
};

enum headers_result {
	HEADERS_FOUND,			/* all of the struct is valid; version 0: there is no IP */
	HEADERS_MORE,			/* it takes more bytes than were given to say */
	HEADERS_TOO_WRAPPED,		/* more tags and SNAP headers than we follow */
	HEADERS_BAD_NETWORK,		/* the IP header is not whole, or contradicts the frame's length */
	HEADERS_BAD_CHAIN,		/* the extension headers lead out of the packet */
	HEADERS_LONG_CHAIN,		/* more of them than we follow */
};

/* How far a reader believes what is unusual. */
enum headers_reader {
	HEADERS_SOBER,			/* a fragment of a fragment and a jumbogram: BAD_CHAIN; AH in IPv4 is a transport */
	HEADERS_CREDULOUS,		/* reads on behind all of these, as some receiver may */
};

/* Offsets are from the first byte given. After a result other than FOUND, what was not reached is zero. */
struct headers {
	uint16_t type;			/* Ethernet's, of the network header; 0: none that anybody would follow */
	uint8_t wraps;			/* tags and SNAP headers */
	uint8_t version;		/* 4, 6; 0: no IP */
	uint8_t protocol;		/* at transport; of a later fragment the one that its header names */
	bool more_fragments;
	uint16_t fragment_offset;	/* bytes; above 0: there is no transport header in this packet */
	uint32_t fragment_id;
	uint32_t network, transport, end;	/* end: of the packet; behind it is padding */
};

/* bytes: the first have of a frame of len bytes. MORE only if have is less than len. */
enum headers_result headers_of_frame(const uint8_t *bytes, uint32_t have, uint32_t len, enum headers_reader reader,
				     struct headers *out);
/*
 * The same of the beginning of an IP packet, as errors quote it: the first have bytes at bytes + off, of a frame that ends at len.
 * The packet may be longer than the quotation, whose end is the struct's end. type and wraps are 0.
 */
enum headers_result headers_of_quotation(const uint8_t *bytes, uint32_t off, uint32_t have, uint32_t len, uint8_t version,
					 struct headers *out);

enum headers_reach { HEADERS_THERE, HEADERS_BEYOND, HEADERS_UNSEEN };

/* Whether n bytes from off on are in the packet, and among the first have. */
static inline enum headers_reach headers_reach(const struct headers *h, uint32_t have, uint32_t off, uint32_t n)
{
	if (off > h->end || h->end - off < n)
		return HEADERS_BEYOND;
	return off <= have && have - off >= n ? HEADERS_THERE : HEADERS_UNSEEN;
}

/* Whether this header leads to another one of its kind's chain, in IPv6. */
bool headers_is_extension(uint8_t header);

#endif
