/* SPDX-License-Identifier: MIT */
/*
 * From a frame's headers (headers.h) to its flow. All are read from one private copy.
 */
#include "vswitch/flow.h"

#include <string.h>

#include "vswitch/headers.h"
#include "vswitch/internal.h"

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

enum flow_result flow_parse(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out)
{
	uint32_t seen = have < FLOW_BYTES_MAX ? have : FLOW_BYTES_MAX;
	enum flow_result r;

	memset(out, 0, sizeof(*out));
	r = parse(bytes, seen, len, out);
	return r == FLOW_SHORT && seen == FLOW_BYTES_MAX ? bad(out) : r;
}
