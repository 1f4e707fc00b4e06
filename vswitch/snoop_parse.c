/* SPDX-License-Identifier: MIT */
#include "vswitch/snoop_parse.h"

#include "vswitch/headers.h"
#include "vswitch/internal.h"

enum {
	PROTOCOL_IGMP = 2,		/* IANA's numbers */
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_PIM = 103,

	IGMP_QUERY = 0x11,
	IGMP_V1_REPORT = 0x12,
	IGMP_V2_REPORT = 0x16,
	IGMP_V2_LEAVE = 0x17,
	IGMP_V3_REPORT = 0x22,
	IGMP_BYTES = 8,
	IGMP_V3_QUERY_BYTES = 12,

	MLD_QUERY = 130,
	MLD_V1_REPORT = 131,
	MLD_V1_DONE = 132,
	MLD_V2_REPORT = 143,
	MLD_BYTES = 24,
	MLD_V2_QUERY_BYTES = 28,

	REPORT_BYTES = 8,		/* in front of the records, in both */

	PIM_HELLO = 0x20,		/* version 2, type 0 */
	PIM_BYTES = 4,
	PIM_HOLDTIME = 1,
	PIM_HOLD_FOREVER = 0xffff,
	PIM_HOLD_S = 105,		/* RFC 7761, 4.11: 3.5 times the default period */

	DEFAULT_ROBUSTNESS = 2,		/* RFC 3376, 8 and RFC 3810, 9, for what a message does not say */
	DEFAULT_INTERVAL_S = 125,
	DEFAULT_RESPONSE_MS = 10000,	/* of IGMPv1 */
};

/* A message, where it is. */
struct view {
	const uint8_t *ip, *p;		/* its IP header, and itself */
	uint32_t n;			/* bytes of it */
	const struct headers *h;
	bool summed;
};

static const uint8_t zero[16];

static uint32_t address_bytes(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static bool is_group(uint8_t version, const uint8_t *address)
{
	return version == 4 ? address[0] >> 4 == 14 : address[0] == 0xff;
}

/*
 * IPv4: 224.0.0.x, which RFC 4541, 2.1.2 wants everywhere. IPv6: up to link-local scope, which has neighbour discovery: it must also
 * reach stations that do not report, and nobody is to come between by a report of the same address.
 */
bool snoop_is_local(uint8_t version, const uint8_t *group)
{
	if (version == 4)
		return !group[1] && !group[2] && group[0] == 224;
	return (group[1] & 15) <= 2;
}

static bool fault(struct snoop_message *m, enum vswitch_snoop_fault why)
{
	m->kind = SNOOP_FAULTY;
	m->fault = why;
	return true;
}

/* Sums and header fields. */

static bool sum_is_good(const struct view *v, bool pseudo, uint8_t protocol)
{
	uint64_t sum = pseudo ? checksum_pseudo(v->ip, protocol, v->n) : 0;

	return v->summed || hv_sum_fold(hv_sum_add(sum, v->p, v->n, false)) == 0xffff;
}

static uint32_t ipv4_header_bytes(const struct view *v)
{
	return (v->ip[0] & 15u) * 4;
}

static bool ipv4_sum_is_good(const struct view *v)
{
	return hv_sum_fold(hv_sum_add(0, v->ip, ipv4_header_bytes(v), false)) == 0xffff;
}

/* RFC 2113, RFC 2711: among options of n bytes, which end, or are padded, as each version has it. */
static bool has_alert(const uint8_t *p, uint32_t n, uint8_t version)
{
	const uint8_t alert = version == 4 ? 148 : 5;
	const uint32_t around = version == 4 ? 0 : 2;	/* what an option's length does not count */
	struct rd r = { p, n };
	uint8_t option[2];

	while (r.left) {
		if ((version == 4 && *r.p <= 1) || (version == 6 && !*r.p)) {
			if (version == 4 && !*r.p)
				return false;
			r.p++;
			r.left--;
			continue;
		}
		if (!rd_copy(&r, option, 2) || option[1] + around < 2 || option[1] + around - 2 > r.left)
			return false;
		if (option[0] == alert)
			return option[1] + around == 4;
		r.p += option[1] + around - 2;
		r.left -= option[1] + around - 2;
	}
	return false;
}

static bool is_alert(const struct view *v)
{
	const uint8_t *hop_by_hop = v->ip + 40;

	if (v->h->version == 4)
		return has_alert(v->ip + 20, ipv4_header_bytes(v) - 20, 4);
	/* The walk over the headers has seen that it is there. */
	return !v->ip[6] && has_alert(hop_by_hop + 2, (hop_by_hop[1] + 1u) * 8 - 2, 6);
}

static uint8_t hop_limit(const struct view *v)
{
	return v->ip[v->h->version == 4 ? 8 : 7];
}

static const uint8_t *source_of(const struct view *v)
{
	return v->ip + (v->h->version == 4 ? 12 : 8);
}

static const uint8_t *destination_of(const struct view *v)
{
	return v->ip + (v->h->version == 4 ? 16 : 24);
}

static bool is_link_local(const uint8_t *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static bool is_all_hosts(const struct view *v)
{
	static const uint8_t ipv4[4] = { 224, 0, 0, 1 }, ipv6[16] = { 0xff, 2, [15] = 1 };

	return v->h->version == 4 ? !memcmp(destination_of(v), ipv4, 4) : !memcmp(destination_of(v), ipv6, 16);
}

/* Queries. */

/* RFC 3376, 4.1.1 and 4.1.7, RFC 3810, 5.1.3 and 5.1.9: from the sign bit on an exponent of 3 bits and a mantissa. */
static uint32_t decode(uint32_t code, unsigned mantissa_bits)
{
	uint32_t one = 1u << mantissa_bits;

	if (code < one << 3)
		return code;
	return ((code & (one - 1)) | one) << ((code >> mantissa_bits & 7) + 3);
}

/* What a query of the last version adds: four bytes, then so many sources. */
static bool take_additions(struct snoop_message *m, const struct view *v, uint32_t at)
{
	const uint8_t *p = v->p + at;
	uint32_t sources = get_be16(p + 2);

	if (sources > (v->n - at - 4) / address_bytes(m->version))
		return fault(m, VSWITCH_SNOOP_LENGTH);
	m->keeps_timers = p[0] & 8;
	m->names_sources = sources;
	if (p[0] & 7)
		m->robustness = p[0] & 7;
	if (p[1])
		m->interval_s = decode(p[1], 4);
	return true;
}

static bool take_query(struct snoop_message *m, const struct view *v, const uint8_t *group)
{
	const bool general = !memcmp(group, zero, address_bytes(m->version));

	m->kind = SNOOP_QUERY;
	m->robustness = DEFAULT_ROBUSTNESS;
	m->interval_s = DEFAULT_INTERVAL_S;
	memset(m->group, 0, sizeof(m->group));
	memcpy(m->group, group, address_bytes(m->version));
	memcpy(m->source, source_of(v), address_bytes(m->version));
	if (general ? !is_all_hosts(v) : !is_group(m->version, group))
		return fault(m, VSWITCH_SNOOP_ADDRESS);
	if (m->version == 6 && !is_link_local(m->source))
		return fault(m, VSWITCH_SNOOP_ADDRESS);
	return true;
}

static bool igmp_query(struct snoop_message *m, const struct view *v)
{
	/* RFC 3376, 7.1: by their lengths. */
	if (v->n > IGMP_BYTES && v->n < IGMP_V3_QUERY_BYTES)
		return fault(m, VSWITCH_SNOOP_LENGTH);
	take_query(m, v, v->p + 4);
	if (m->kind != SNOOP_QUERY)
		return true;
	if (v->n >= IGMP_V3_QUERY_BYTES) {
		m->response_ms = decode(v->p[1], 4) * 100;
		return take_additions(m, v, IGMP_BYTES);
	}
	m->response_ms = v->p[1] ? v->p[1] * 100u : DEFAULT_RESPONSE_MS;
	return true;
}

static bool mld_query(struct snoop_message *m, const struct view *v)
{
	if (v->n < MLD_BYTES || (v->n > MLD_BYTES && v->n < MLD_V2_QUERY_BYTES))
		return fault(m, VSWITCH_SNOOP_LENGTH);
	take_query(m, v, v->p + 8);
	if (m->kind != SNOOP_QUERY)
		return true;
	m->response_ms = get_be16(v->p + 4);
	if (v->n == MLD_BYTES)
		return true;
	m->response_ms = decode(m->response_ms, 12);
	return take_additions(m, v, MLD_BYTES);
}

/* Reports. */

static bool take_single(struct snoop_message *m, const struct view *v, const uint8_t *group, enum snoop_change change)
{
	const uint32_t n = address_bytes(m->version);

	m->kind = SNOOP_REPORT;
	m->is_single = true;
	m->single.change = change;
	memcpy(m->single.group, group, n);
	/* Leaves go to all routers. */
	if (!is_group(m->version, group) || (change == SNOOP_JOINS && memcmp(group, destination_of(v), n) != 0))
		return fault(m, VSWITCH_SNOOP_ADDRESS);
	return true;
}

/*
 * RFC 3376, 4.2.12: by group, not by source, since a frame for a port that does not want its source is no harm (RFC 4541, 2.1.1).
 * Leaving is what leaves no source.
 */
static enum snoop_change change_of(uint8_t type, uint16_t sources)
{
	switch (type) {
	case 1:				/* MODE_IS_INCLUDE */
	case 5:				/* ALLOW_NEW_SOURCES */
		return sources ? SNOOP_JOINS : SNOOP_STAYS;
	case 2:				/* MODE_IS_EXCLUDE */
	case 4:				/* CHANGE_TO_EXCLUDE_MODE */
		return SNOOP_JOINS;
	case 3:				/* CHANGE_TO_INCLUDE_MODE */
		return sources ? SNOOP_JOINS : SNOOP_LEAVES;
	}
	return SNOOP_STAYS;		/* BLOCK_OLD_SOURCES, and what others may add (4.2.12: ignored) */
}

/* False: it is not whole. */
static bool take_record(struct rd *r, uint8_t version, struct snoop_record *out)
{
	uint8_t head[4];
	uint16_t sources;

	*out = (struct snoop_record){ .change = SNOOP_STAYS };
	if (!rd_copy(r, head, sizeof(head)) || !rd_copy(r, out->group, address_bytes(version)))
		return false;
	sources = get_be16(head + 2);
	out->change = change_of(head[0], sources);
	return rd_skip(r, (size_t)sources * address_bytes(version) + head[1] * 4u);
}

/* IGMPv3's and MLDv2's have the same layout. */
static bool take_records(struct snoop_message *m, const struct view *v)
{
	struct rd r = { v->p + REPORT_BYTES, v->n - REPORT_BYTES };
	struct snoop_record record;

	m->kind = SNOOP_REPORT;
	m->num_records = get_be16(v->p + 6);
	m->records = r;
	for (unsigned i = 0; i < m->num_records; i++) {
		if (!take_record(&r, m->version, &record))
			return fault(m, VSWITCH_SNOOP_LENGTH);
		if (!is_group(m->version, record.group))
			return fault(m, VSWITCH_SNOOP_ADDRESS);
	}
	return true;
}

bool snoop_next_record(struct snoop_message *m, struct snoop_record *out)
{
	if (m->is_single) {
		m->is_single = false;
		*out = m->single;
		return true;
	}
	if (!m->num_records)
		return false;
	m->num_records--;
	return take_record(&m->records, m->version, out);
}

/* Protocols. */

static bool is_igmp_v1(const struct view *v)
{
	return v->p[0] == IGMP_V1_REPORT || (v->p[0] == IGMP_QUERY && v->n == IGMP_BYTES && !v->p[1]);
}

static bool is_igmp_type(uint8_t type)
{
	return type == IGMP_QUERY || type == IGMP_V1_REPORT || type == IGMP_V2_REPORT || type == IGMP_V2_LEAVE ||
	       type == IGMP_V3_REPORT;
}

static bool is_mld_type(uint8_t type)
{
	return (type >= MLD_QUERY && type <= MLD_V1_DONE) || type == MLD_V2_REPORT;
}

static bool igmp(struct snoop_message *m, const struct view *v)
{
	if (v->n < IGMP_BYTES)
		return fault(m, VSWITCH_SNOOP_LENGTH);
	if (!ipv4_sum_is_good(v) || !sum_is_good(v, false, PROTOCOL_IGMP))
		return fault(m, VSWITCH_SNOOP_CHECKSUM);
	if (hop_limit(v) != 1)
		return fault(m, VSWITCH_SNOOP_HOP_LIMIT);
	if (!is_igmp_v1(v) && !is_alert(v))
		return fault(m, VSWITCH_SNOOP_ROUTER_ALERT);
	switch (v->p[0]) {
	case IGMP_QUERY:
		return igmp_query(m, v);
	case IGMP_V3_REPORT:
		return take_records(m, v);
	}
	return take_single(m, v, v->p + 4, v->p[0] == IGMP_V2_LEAVE ? SNOOP_LEAVES : SNOOP_JOINS);
}

static bool mld(struct snoop_message *m, const struct view *v)
{
	const bool many = v->p[0] == MLD_V2_REPORT;

	if (v->n < (many ? REPORT_BYTES : MLD_BYTES))
		return fault(m, VSWITCH_SNOOP_LENGTH);
	if (!sum_is_good(v, true, PROTOCOL_ICMPV6))
		return fault(m, VSWITCH_SNOOP_CHECKSUM);
	if (hop_limit(v) != 1)
		return fault(m, VSWITCH_SNOOP_HOP_LIMIT);
	if (!is_alert(v))
		return fault(m, VSWITCH_SNOOP_ROUTER_ALERT);
	if (v->p[0] == MLD_QUERY)
		return mld_query(m, v);
	/* RFC 3590: a station that has no address yet reports from the unspecified one, for switches like us. */
	if (!is_link_local(source_of(v)) && memcmp(source_of(v), zero, 16) != 0)
		return fault(m, VSWITCH_SNOOP_ADDRESS);
	if (many)
		return take_records(m, v);
	return take_single(m, v, v->p + 8, v->p[0] == MLD_V1_DONE ? SNOOP_LEAVES : SNOOP_JOINS);
}

static bool take_hold_time(struct snoop_message *m, const struct view *v)
{
	struct rd r = { v->p + PIM_BYTES, v->n - PIM_BYTES };
	uint8_t option[4], value[2];
	uint16_t length;

	m->hold_s = PIM_HOLD_S;
	while (r.left) {
		if (!rd_copy(&r, option, sizeof(option)) || (length = get_be16(option + 2)) > r.left)
			return false;
		if (get_be16(option) == PIM_HOLDTIME && length == sizeof(value)) {
			rd_copy(&r, value, sizeof(value));
			m->hold_s = get_be16(value) == PIM_HOLD_FOREVER ? UINT32_MAX : get_be16(value);
		} else {
			rd_skip(&r, length);
		}
	}
	return true;
}

/* All that PIM says to its group but hellos is not for us. */
static bool pim(struct snoop_message *m, const struct view *v)
{
	static const uint8_t all_ipv4[4] = { 224, 0, 0, 13 }, all_ipv6[16] = { 0xff, 2, [15] = 13 };
	const bool v4 = m->version == 4;

	if (v->n < PIM_BYTES)
		return fault(m, VSWITCH_SNOOP_LENGTH);
	if (v->p[0] != PIM_HELLO)
		return true;
	if ((v4 && !ipv4_sum_is_good(v)) || !sum_is_good(v, !v4, PROTOCOL_PIM))
		return fault(m, VSWITCH_SNOOP_CHECKSUM);
	if (hop_limit(v) != 1)
		return fault(m, VSWITCH_SNOOP_HOP_LIMIT);
	if (memcmp(destination_of(v), v4 ? all_ipv4 : all_ipv6, address_bytes(m->version)) != 0 ||
	    (v4 ? !memcmp(source_of(v), zero, 4) : !is_link_local(source_of(v))))
		return fault(m, VSWITCH_SNOOP_ADDRESS);
	if (!take_hold_time(m, v))
		return fault(m, VSWITCH_SNOOP_LENGTH);
	m->kind = SNOOP_HELLO;
	return true;
}

/* The frame. */

/* RFC 1112, 6.4; RFC 2464, 7. A group in another frame is none that its listeners would see. */
static bool is_mapped(const uint8_t *mac, uint8_t version, const uint8_t *group)
{
	if (version == 6)
		return mac[0] == 0x33 && mac[1] == 0x33 && !memcmp(mac + 2, group + 12, 4);
	return mac[0] == 1 && !mac[1] && mac[2] == 0x5e && mac[3] == (group[1] & 0x7f) && !memcmp(mac + 4, group + 2, 2);
}

static bool is_message(const uint8_t *bytes, const struct headers *h)
{
	if (h->fragment_offset || h->transport >= h->end)
		return false;
	if (h->version == 4)
		return h->protocol == PROTOCOL_PIM || (h->protocol == PROTOCOL_IGMP && is_igmp_type(bytes[h->transport]));
	return h->protocol == PROTOCOL_PIM || (h->protocol == PROTOCOL_ICMPV6 && is_mld_type(bytes[h->transport]));
}

static bool take_message(struct snoop_message *m, const uint8_t *bytes, uint32_t have, const struct headers *h, bool summed)
{
	const struct view v = {
		.ip = bytes + h->network, .p = bytes + h->transport, .n = h->end - h->transport, .h = h, .summed = summed,
	};

	m->kind = SNOOP_ELSE;
	if (h->more_fragments)
		return fault(m, VSWITCH_SNOOP_HEADERS);
	if (headers_reach(h, have, h->transport, v.n) != HEADERS_THERE)
		return false;
	if (h->protocol == PROTOCOL_PIM)
		return pim(m, &v);
	return h->version == 4 ? igmp(m, &v) : mld(m, &v);
}

bool snoop_parse(const uint8_t *bytes, uint32_t have, uint32_t len, bool summed, struct snoop_message *m)
{
	struct headers h;
	enum headers_result r = headers_of_frame(bytes, have, len, HEADERS_SOBER, &h);
	const uint8_t *group;

	*m = (struct snoop_message){ .kind = SNOOP_ELSE };
	if (r == HEADERS_MORE)
		return false;
	if (r == HEADERS_TOO_WRAPPED || h.wraps || !h.type)
		return true;
	if (r != HEADERS_FOUND)
		return fault(m, VSWITCH_SNOOP_HEADERS);
	if (!h.version)
		return true;
	group = bytes + h.network + (h.version == 4 ? 16 : 24);
	if (!is_group(h.version, group) || !is_mapped(bytes, h.version, group))
		return true;
	m->version = h.version;
	if (!h.fragment_offset && h.transport < h.end && h.transport >= have)
		return false;
	if (is_message(bytes, &h))
		return take_message(m, bytes, have, &h, summed);
	if (!snoop_is_local(h.version, group) && (h.version == 6 || h.protocol != PROTOCOL_IGMP)) {
		m->kind = SNOOP_DATA;
		memcpy(m->group, group, address_bytes(h.version));
	}
	return true;
}
