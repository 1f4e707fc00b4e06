/* SPDX-License-Identifier: MIT */
/*
 * From a frame's headers (headers.h) to its flow. All are read from one private copy.
 */
#include "vswitch/flow.h"

#include <string.h>

#include "vswitch/headers.h"
#include "vswitch/internal.h"

enum {
	QUOTATION_AT = 8,		/* of ICMP's and ICMPv6's errors */
	QUOTED_BYTES = 8,		/* of the transport header: RFC 792 promises that many */
};

static enum flow_fragment fragment_of(const struct headers *h)
{
	if (h->fragment_offset)
		return FLOW_LATER;
	return h->more_fragments ? FLOW_FIRST : FLOW_WHOLE;
}

static void read_network(const uint8_t *ip, const struct headers *h, struct flow *f)
{
	bool v4 = h->version == 4;

	f->version = h->version;
	memcpy(f->source, ip + (v4 ? 12 : 8), v4 ? 4 : 16);
	memcpy(f->destination, ip + (v4 ? 16 : 24), v4 ? 4 : 16);
	f->fragment_id = h->fragment_id;
	f->fragment_offset = h->fragment_offset;
	f->fragment = fragment_of(h);
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

/* RFC 792: unreachable (and too big), time exceeded, parameter problem. RFC 4443: these, and too big. */
static bool is_error(uint8_t type, bool v4)
{
	return v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

static void read_icmp(const uint8_t *p, struct flow *f)
{
	bool v4 = f->protocol == FLOW_ICMP;

	f->is_echo_request = p[0] == (v4 ? 8 : 128);
	f->is_echo_reply = p[0] == (v4 ? 0 : 129);
	f->is_error = f->fragment == FLOW_WHOLE && is_error(p[0], v4);
	f->echo_id = get_be16(p + 4);
}

/* From its first 8 bytes. */
static void read_transport(const uint8_t *p, struct flow *f)
{
	f->has_ports = flow_has_ports(f->protocol);
	if (!f->has_ports) {
		read_icmp(p, f);
		return;
	}
	f->source_port = get_be16(p);
	f->destination_port = get_be16(p + 2);
}

/* RFC 7112: the first fragment holds all headers. */
static enum flow_result bad(const struct flow *f)
{
	return f->fragment == FLOW_FIRST ? FLOW_BAD_FRAGMENT : FLOW_BAD;
}

static enum flow_result parse_transport(const uint8_t *bytes, uint32_t have, const struct headers *h, struct flow *f)
{
	uint32_t n = transport_bytes(f->version, h->protocol);

	f->protocol = h->protocol;
	f->payload_bytes = (uint16_t)(h->end - h->transport);
	f->header_bytes = (uint16_t)(h->transport + n);
	if (f->fragment == FLOW_LATER) {
		f->header_bytes = (uint16_t)h->transport;
		f->protocol_hidden = f->version == 6 && headers_is_extension(h->protocol);
		return f->fragment_offset < n ? FLOW_BAD_FRAGMENT : FLOW_IP;
	}
	switch (headers_reach(h, have, h->transport, n)) {
	case HEADERS_UNSEEN:
		return FLOW_SHORT;
	case HEADERS_BEYOND:
		return bad(f);
	case HEADERS_THERE:
		break;
	}
	if (n)
		read_transport(bytes + h->transport, f);
	if (h->protocol == FLOW_TCP)
		f->tcp_flags = bytes[h->transport + 13];
	return FLOW_IP;
}

static enum flow_result parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *f)
{
	struct headers h;
	enum headers_result r = headers_of_frame(bytes, have, len, HEADERS_SOBER, &h);

	if (r == HEADERS_TOO_WRAPPED || h.wraps > FLOW_WRAPS_MAX)
		return FLOW_BAD;
	if (h.version)
		read_network(bytes + h.network, &h, f);
	switch (r) {
	case HEADERS_MORE:
		return FLOW_SHORT;
	case HEADERS_BAD_CHAIN:
		return bad(f);
	case HEADERS_BAD_NETWORK:
	case HEADERS_LONG_CHAIN:
	case HEADERS_TOO_WRAPPED:
		return FLOW_BAD;
	case HEADERS_FOUND:
		break;
	}
	return h.version ? parse_transport(bytes, have, &h, f) : FLOW_NOT_IP;
}

static enum flow_result quoted(const uint8_t *bytes, uint32_t have, const struct headers *around, struct flow *f)
{
	uint32_t from = around->transport + QUOTATION_AT, n;
	struct headers h;
	enum headers_result r = headers_of_quotation(bytes, from, have, around->end, around->version, &h);

	if (r == HEADERS_MORE)
		return FLOW_SHORT;
	if (r != HEADERS_FOUND || h.fragment_offset)
		return FLOW_BAD;
	read_network(bytes + h.network, &h, f);
	f->protocol = h.protocol;
	f->payload_bytes = (uint16_t)(h.end - h.transport);
	n = transport_bytes(h.version, h.protocol) ? QUOTED_BYTES : 0;
	f->header_bytes = (uint16_t)(h.transport + n);
	switch (headers_reach(&h, have, h.transport, n)) {
	case HEADERS_UNSEEN:
		return FLOW_SHORT;
	case HEADERS_BEYOND:
		return FLOW_BAD;
	case HEADERS_THERE:
		break;
	}
	if (n)
		read_transport(bytes + h.transport, f);
	return FLOW_IP;
}

static enum flow_result parse_quotation(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *f)
{
	struct flow error = { 0 };
	enum flow_result r = parse(bytes, have, len, &error);
	struct headers h;

	if (r == FLOW_SHORT)
		return r;
	if (r != FLOW_IP || !error.is_error || headers_of_frame(bytes, have, len, HEADERS_SOBER, &h) != HEADERS_FOUND)
		return FLOW_NOT_IP;
	return quoted(bytes, have, &h, f);
}

static enum flow_result within_bounds(flow_parser *parse_it, const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out)
{
	uint32_t seen = have < FLOW_BYTES_MAX ? have : FLOW_BYTES_MAX;
	enum flow_result r;

	memset(out, 0, sizeof(*out));
	r = parse_it(bytes, seen, len, out);
	return r == FLOW_SHORT && seen == FLOW_BYTES_MAX ? bad(out) : r;
}

enum flow_result flow_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out)
{
	return within_bounds(parse, bytes, have, len, out);
}

enum flow_result flow_parse_quotation(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out)
{
	enum flow_result r = within_bounds(parse_quotation, bytes, have, len, out);

	return r == FLOW_BAD_FRAGMENT ? FLOW_BAD : r;
}
