/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * RNDIS control: the requests that bring a session up, in the order in which Linux' driver makes
 * them, the requests of the caller, answers and indications. The start-up requests are one table;
 * adding one is adding a row.
 */
#include "netvsc/core.h"

/* ---- requests ---- */

static void put_header(struct netvsc_out *out, uint32_t type, uint32_t bytes)
{
	struct rndis_header h = { .type = to_le32(type), .length = to_le32(bytes) };

	memcpy(out->rndis, &h, sizeof(h));
	out->rndis_bytes = bytes;
}

void netvsc_build_initialize(struct netvsc *n, struct netvsc_out *out)
{
	struct rndis_initialize m = {
		.request_id = to_le32(++n->request_id),
		.major_version = to_le32(RNDIS_MAJOR_VERSION),
		.minor_version = to_le32(RNDIS_MINOR_VERSION),
		.max_transfer = to_le32(0x4000),	/* as Linux and DPDK; hosts do not look */
	};

	memcpy(out->rndis, &m, sizeof(m));
	put_header(out, RNDIS_INITIALIZE, sizeof(m));
}

void netvsc_build_halt(struct netvsc *n, struct netvsc_out *out)
{
	struct rndis_halt m = { .request_id = to_le32(++n->request_id) };

	memcpy(out->rndis, &m, sizeof(m));
	put_header(out, RNDIS_HALT, sizeof(m));
}

/* A query or set of oid whose input is in place already, behind the request. */
static void put_request(struct netvsc *n, struct netvsc_out *out, uint32_t type, uint32_t oid, uint32_t input_bytes)
{
	struct rndis_request m = {
		.request_id = to_le32(++n->request_id),
		.oid = to_le32(oid),
		.info_length = to_le32(input_bytes),
		.info_offset = to_le32(RNDIS_REQUEST_INFO_OFFSET),	/* also without input: Hyper-V refuses 0 */
	};

	memcpy(out->rndis, &m, sizeof(m));
	put_header(out, type, sizeof(m) + input_bytes);
}

static uint8_t *request_input(struct netvsc_out *out)
{
	return out->rndis + sizeof(struct rndis_request);
}

void netvsc_build_filter(struct netvsc *n, struct netvsc_out *out, uint32_t filter)
{
	le32 v = to_le32(filter);

	n->filter_sent = filter;
	memcpy(request_input(out), &v, sizeof(v));
	put_request(n, out, RNDIS_SET, OID_GEN_CURRENT_PACKET_FILTER, sizeof(v));
}

void netvsc_build_request(struct netvsc *n, struct netvsc_out *out)
{
	memcpy(request_input(out), n->req_data, n->req_bytes);
	put_request(n, out, n->req_set ? RNDIS_SET : RNDIS_QUERY, n->req_oid, n->req_bytes);
}

/* ---- the start-up table ---- */

/* What the host answered: status, and the information bytes if it is success. */
struct answer {
	uint32_t status;
	struct rd info;
};

static bool get_u32(const struct answer *a, uint32_t *out)
{
	struct rd r = a->info;
	le32 v;

	if (a->status != RNDIS_STATUS_SUCCESS || !rd_copy(&r, &v, sizeof(v)))
		return false;
	*out = le32_get(v);
	return true;
}

/*
 * The host may offer less than was asked for in NDIS_CONFIG; what is below IPv4's minimum is not
 * believed.
 */
static void frame_size_answered(struct netvsc *n, const struct answer *a)
{
	uint32_t v;

	if (get_u32(a, &v) && v < n->mtu && v >= NETVSC_MTU_MIN)
		n->mtu = v;
}

static void mac_answered(struct netvsc *n, const struct answer *a)
{
	struct rd r = a->info;
	uint8_t mac[6], any = 0;

	if (a->status != RNDIS_STATUS_SUCCESS || !rd_copy(&r, mac, sizeof(mac)))
		return netvsc_fail(n, NETVSC_ERR_MAC);
	for (unsigned i = 0; i < sizeof(mac); i++)
		any |= mac[i];
	if (!any || mac[0] & 1)
		return netvsc_fail(n, NETVSC_ERR_MAC);
	memcpy(n->mac, mac, sizeof(mac));
}

/* UTF-16LE; what is not printable ASCII becomes a question mark. */
static void name_answered(struct netvsc *n, const struct answer *a)
{
	struct rd r = a->info;
	size_t len = 0;
	le16 c;

	if (a->status != RNDIS_STATUS_SUCCESS)
		return;
	while (len < sizeof(n->name) - 1 && rd_copy(&r, &c, sizeof(c)) && le16_get(c)) {
		uint16_t v = le16_get(c);

		n->name[len++] = v >= 0x20 && v < 0x7f ? (uint8_t)v : '?';
	}
	n->name[len] = 0;
}

static uint32_t offload_caps_input(struct netvsc *n, uint8_t *dst)
{
	struct ndis_offload o = { .header = {
		NDIS_OBJECT_OFFLOAD, NDIS_OFFLOAD_REVISION_3, to_le16(NDIS_OFFLOAD_BYTES_3)
	} };

	(void)n;
	memcpy(dst, &o, sizeof(o));
	return sizeof(o);
}

static bool all_set(le32 flags, uint32_t wanted)
{
	return (le32_get(flags) & wanted) == wanted;
}

/*
 * A family's checksums count only with TCP and its options (IPv6: and extension headers); UDP only
 * beside TCP.
 */
static uint32_t checksum_caps(const struct ndis_offload *o)
{
	const uint32_t tcp4 = NDIS_CSUM4_TCP | NDIS_CSUM4_TCP_OPTIONS;
	const uint32_t tcp6 = NDIS_CSUM6_TCP | NDIS_CSUM6_TCP_OPTIONS | NDIS_CSUM6_EXTENSIONS;
	uint32_t caps = 0;

	if (all_set(o->ipv4_transmit.flags, tcp4))
		caps |= NETVSC_OFF_TX_TCP4 |
			(all_set(o->ipv4_transmit.flags, NDIS_CSUM4_UDP) ? NETVSC_OFF_TX_UDP4 : 0) |
			(all_set(o->ipv4_transmit.flags, NDIS_CSUM4_IP_HEADER) ? NETVSC_OFF_TX_IP4 : 0);
	if (all_set(o->ipv6_transmit.flags, tcp6))
		caps |= NETVSC_OFF_TX_TCP6 |
			(all_set(o->ipv6_transmit.flags, NDIS_CSUM6_UDP) ? NETVSC_OFF_TX_UDP6 : 0);
	if (all_set(o->ipv4_receive.flags, NDIS_CSUM4_TCP))
		caps |= NETVSC_OFF_RX_TCP4 |
			(all_set(o->ipv4_receive.flags, NDIS_CSUM4_UDP) ? NETVSC_OFF_RX_UDP4 : 0) |
			(all_set(o->ipv4_receive.flags, NDIS_CSUM4_IP_HEADER) ? NETVSC_OFF_RX_IP4 : 0);
	if (all_set(o->ipv6_receive.flags, NDIS_CSUM6_TCP))
		caps |= NETVSC_OFF_RX_TCP6 |
			(all_set(o->ipv6_receive.flags, NDIS_CSUM6_UDP) ? NETVSC_OFF_RX_UDP6 : 0);
	return caps;
}

/* Large sends need the family's checksum; the host completes both at once. */
static uint32_t lso_caps(struct netvsc *n, const struct ndis_offload *o, uint32_t caps)
{
	uint32_t lso = 0;

	n->lso_max_bytes[0] = le32_get(o->lso_v2_ipv4.max_bytes);
	n->lso_max_bytes[1] = le32_get(o->lso_v2_ipv6.max_bytes);
	if (caps & NETVSC_OFF_TX_TCP4 && all_set(o->lso_v2_ipv4.encapsulation, NDIS_ENCAPSULATION_802_3) &&
	    n->lso_max_bytes[0])
		lso |= NETVSC_OFF_LSO4;
	if (caps & NETVSC_OFF_TX_TCP6 && all_set(o->lso_v2_ipv6.encapsulation, NDIS_ENCAPSULATION_802_3) &&
	    all_set(o->lso_v2_ipv6_options, NDIS_LSO6_EXTENSIONS | NDIS_LSO6_TCP_OPTIONS) && n->lso_max_bytes[1])
		lso |= NETVSC_OFF_LSO6;
	return lso;
}

/* A host without offloads, or with an answer that makes no sense, gets complete frames. */
static void offload_caps_answered(struct netvsc *n, const struct answer *a)
{
	struct ndis_offload o;
	struct ndis_object h;
	struct rd r = a->info, copy = r;
	uint32_t caps;

	n->offload = 0;
	if (a->status != RNDIS_STATUS_SUCCESS || !rd_copy(&copy, &h, sizeof(h)) || h.type != NDIS_OBJECT_OFFLOAD ||
	    h.revision < NDIS_OFFLOAD_REVISION_1 || le16_get(h.size) < NDIS_OFFLOAD_BYTES_1 ||
	    le16_get(h.size) > r.left)
		return;
	memset(&o, 0, sizeof(o));
	rd_copy(&r, &o, le16_get(h.size) < sizeof(o) ? le16_get(h.size) : sizeof(o));
	caps = checksum_caps(&o);
	caps |= lso_caps(n, &o, caps);
	if (n->version < NVSP_VERSION_5)
		caps &= ~(uint32_t)(NETVSC_OFF_TX_UDP4 | NETVSC_OFF_TX_UDP6 | NETVSC_OFF_RX_UDP4 | NETVSC_OFF_RX_UDP6);
	n->offload = caps & n->config.offload;
}

/* NDIS_OFFLOAD_PARAMETERS' word for one checksum. */
static uint8_t checksum_word(uint32_t offload, uint32_t transmit, uint32_t receive)
{
	if (offload & transmit)
		return offload & receive ? NDIS_OFFLOAD_CSUM_BOTH : NDIS_OFFLOAD_CSUM_TRANSMIT;
	return offload & receive ? NDIS_OFFLOAD_CSUM_RECEIVE : NDIS_OFFLOAD_CSUM_OFF;
}

static uint32_t offload_set_input(struct netvsc *n, uint8_t *dst)
{
	uint32_t o = n->offload;
	bool v5 = n->version >= NVSP_VERSION_5;
	uint32_t bytes = v5 ? NDIS_OFFLOAD_PARAMETERS_BYTES_3 : NDIS_OFFLOAD_PARAMETERS_BYTES_2;
	struct ndis_offload_parameters p = {
		.header = { NDIS_OBJECT_DEFAULT, v5 ? 3 : 2, to_le16((uint16_t)bytes) },
		.ipv4_checksum = checksum_word(o, NETVSC_OFF_TX_IP4, NETVSC_OFF_RX_IP4),
		.tcp4_checksum = checksum_word(o, NETVSC_OFF_TX_TCP4, NETVSC_OFF_RX_TCP4),
		.tcp6_checksum = checksum_word(o, NETVSC_OFF_TX_TCP6, NETVSC_OFF_RX_TCP6),
		.lso_v2_ipv4 = o & NETVSC_OFF_LSO4 ? NDIS_OFFLOAD_ON : NDIS_OFFLOAD_OFF,
		.lso_v2_ipv6 = o & NETVSC_OFF_LSO6 ? NDIS_OFFLOAD_ON : NDIS_OFFLOAD_OFF,
	};

	if (v5) {
		p.udp4_checksum = checksum_word(o, NETVSC_OFF_TX_UDP4, NETVSC_OFF_RX_UDP4);
		p.udp6_checksum = checksum_word(o, NETVSC_OFF_TX_UDP6, NETVSC_OFF_RX_UDP6);
	}
	memcpy(dst, &p, bytes);
	return bytes;
}

static void offload_set_answered(struct netvsc *n, const struct answer *a)
{
	if (a->status != RNDIS_STATUS_SUCCESS)
		n->offload = 0;
}

static void media_answered(struct netvsc *n, const struct answer *a)
{
	uint32_t v;

	n->link_up = !get_u32(a, &v) || v == NDIS_MEDIA_CONNECTED;
}

static void speed_answered(struct netvsc *n, const struct answer *a)
{
	uint32_t v;

	if (get_u32(a, &v))
		n->link_bps = (uint64_t)v * RNDIS_LINK_SPEED_UNIT_BPS;
}

static uint32_t rss_caps_input(struct netvsc *n, uint8_t *dst)
{
	struct ndis_rss_capabilities c = { .header = {
		NDIS_OBJECT_RSS_CAPABILITIES, 2, to_le16(sizeof(c))
	} };

	(void)n;
	memcpy(dst, &c, sizeof(c));
	return sizeof(c);
}

static void rss_caps_answered(struct netvsc *n, const struct answer *a)
{
	struct ndis_rss_capabilities c;
	struct rd r = a->info;
	uint16_t entries;

	if (a->status != RNDIS_STATUS_SUCCESS || !rd_copy(&r, &c, sizeof(c)) ||
	    c.header.type != NDIS_OBJECT_RSS_CAPABILITIES)
		return;
	entries = le16_get(c.indirection_entries);
	n->rss_queues = le32_get(c.receive_queues);
	n->rss_entries = entries >= 1 && entries <= 256 ? entries : NDIS_RSS_TABLE_ENTRIES;
}

static const struct start_request {
	uint32_t oid;
	uint32_t since;		/* enum nvsp_version */
	bool set;
	uint32_t (*input)(struct netvsc *n, uint8_t *dst);	/* writes it, returns its bytes; NULL: none */
	void (*answered)(struct netvsc *n, const struct answer *a);
} start_requests[] = {
	{ OID_GEN_MAXIMUM_FRAME_SIZE, NVSP_VERSION_1, false, NULL, frame_size_answered },
	{ OID_802_3_PERMANENT_ADDRESS, NVSP_VERSION_1, false, NULL, mac_answered },
	{ OID_GEN_FRIENDLY_NAME, NVSP_VERSION_1, false, NULL, name_answered },
	{ OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, NVSP_VERSION_1, false, offload_caps_input, offload_caps_answered },
	{ OID_TCP_OFFLOAD_PARAMETERS, NVSP_VERSION_1, true, offload_set_input, offload_set_answered },
	{ OID_GEN_MEDIA_CONNECT_STATUS, NVSP_VERSION_1, false, NULL, media_answered },
	{ OID_GEN_LINK_SPEED, NVSP_VERSION_5, false, NULL, speed_answered },
	{ OID_GEN_RECEIVE_SCALE_CAPABILITIES, NVSP_VERSION_5, false, rss_caps_input, rss_caps_answered },
};

bool netvsc_more_queries(struct netvsc *n)
{
	const size_t count = sizeof(start_requests) / sizeof(start_requests[0]);

	while (n->query < count && start_requests[n->query].since > n->version)
		n->query++;
	return n->query < count;
}

void netvsc_build_start_query(struct netvsc *n, struct netvsc_out *out)
{
	const struct start_request *s = &start_requests[n->query];
	uint32_t bytes = s->input ? s->input(n, request_input(out)) : 0;

	put_request(n, out, s->set ? RNDIS_SET : RNDIS_QUERY, s->oid, bytes);
}

/* ---- answers ---- */

static void initialize_answered(struct netvsc *n, struct rd all)
{
	struct rndis_initialize_complete m;
	uint32_t v;

	if (!rd_copy(&all, &m, sizeof(m)) || le32_get(m.status) != RNDIS_STATUS_SUCCESS ||
	    le32_get(m.major_version) != RNDIS_MAJOR_VERSION)
		return netvsc_fail(n, NETVSC_ERR_INITIALIZE);
	v = le32_get(m.max_packets);
	n->max_messages = v < 1 ? 1 : v > NETVSC_MESSAGES_MAX ? NETVSC_MESSAGES_MAX : v;
	v = le32_get(m.alignment_log2);
	n->align = v < 3 ? 8 : v > 7 ? 128 : 1u << v;	/* more than was asked for is allowed: it is padding */
	netvsc_set_state(n, NETVSC_QUERIES);
	n->query = 0;
	if (!netvsc_more_queries(n))
		netvsc_set_state(n, NETVSC_RUNNING);
}

static void start_answered(struct netvsc *n, const struct answer *a)
{
	n->awaited = NETVSC_AWAIT_NOTHING;
	start_requests[n->query].answered(n, a);
	if (n->state != NETVSC_QUERIES)
		return;		/* it was one that we cannot do without */
	n->query++;
	if (!netvsc_more_queries(n))
		netvsc_set_state(n, NETVSC_RUNNING);
}

static void caller_answered(struct netvsc *n, const struct answer *a)
{
	struct rd r = a->info;

	n->awaited = NETVSC_AWAIT_NOTHING;
	n->req_status = a->status;
	n->req_bytes = (uint32_t)r.left;
	if (r.left)
		rd_copy(&r, n->req_data, r.left);
	n->req_state = NETVSC_REQUEST_DONE;
}

/*
 * Status and information of a query's answer. Nothing but the private copy is looked at. A failure
 * has no information, whatever its lengths say.
 */
static bool parse_answer(struct rd all, uint32_t type, struct answer *a)
{
	struct rd r = all, body = all;
	struct rndis_set_complete set;
	struct rndis_query_complete query;

	*a = (struct answer){ 0 };
	if (type == RNDIS_SET_COMPLETE) {
		if (!rd_copy(&r, &set, sizeof(set)))
			return false;
		a->status = le32_get(set.status);
		return true;
	}
	if (!rd_copy(&r, &query, sizeof(query)) || !rd_skip(&body, RNDIS_OFFSET_BASE))
		return false;
	a->status = le32_get(query.status);
	if (a->status != RNDIS_STATUS_SUCCESS || !le32_get(query.info_length))
		return true;
	return le32_get(query.info_offset) >= RNDIS_QUERY_INFO_OFFSET &&
	       rd_slice(&body, le32_get(query.info_offset), le32_get(query.info_length), &a->info);
}

/* The type that answers what is outstanding; 0: nothing is. */
static uint32_t awaited_type(const struct netvsc *n)
{
	switch (n->awaited) {
	case NETVSC_AWAIT_RNDIS:
		if (n->state == NETVSC_INITIALIZE)
			return RNDIS_INITIALIZE_COMPLETE;
		return start_requests[n->query].set ? RNDIS_SET_COMPLETE : RNDIS_QUERY_COMPLETE;
	case NETVSC_AWAIT_FILTER:
		return RNDIS_SET_COMPLETE;
	case NETVSC_AWAIT_CALLER:
		return n->req_set ? RNDIS_SET_COMPLETE : RNDIS_QUERY_COMPLETE;
	case NETVSC_AWAIT_NOTHING:
	case NETVSC_AWAIT_NVSP:
	case NETVSC_AWAIT_HALT:
		break;
	}
	return 0;
}

/*
 * An answer to the request that is outstanding, recognised by type and id; another one is counted
 * and forgotten. One that is ours but malformed is taken for a failure, so that nobody waits for
 * ever.
 */
static uint32_t answered(struct netvsc *n, uint32_t type, struct rd all)
{
	struct rndis_set_complete h;	/* the start that all answers have in common */
	struct rd r = all;
	struct answer a;

	if (type != awaited_type(n) || !rd_copy(&r, &h, sizeof(h)) || le32_get(h.request_id) != n->request_id) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return 0;
	}
	if (type == RNDIS_INITIALIZE_COMPLETE) {
		initialize_answered(n, all);
		return NETVSC_EVENT_PROGRESS;
	}
	if (!parse_answer(all, type, &a)) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		a = (struct answer){ .status = RNDIS_STATUS_FAILURE };
	}
	if (n->awaited == NETVSC_AWAIT_RNDIS) {
		start_answered(n, &a);
	} else if (n->awaited == NETVSC_AWAIT_CALLER) {
		caller_answered(n, &a);
	} else {
		/* A refused filter is not asked for again and again. */
		n->awaited = NETVSC_AWAIT_NOTHING;
		n->filter_set = n->filter_sent;
	}
	return NETVSC_EVENT_PROGRESS;
}

static uint32_t indicated(struct netvsc *n, struct rd all)
{
	struct rndis_indicate_status m;
	struct rd r = all, body = all, buffer;
	le32 speed;

	if (!rd_copy(&r, &m, sizeof(m)) || !rd_skip(&body, RNDIS_OFFSET_BASE)) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return 0;
	}
	switch (le32_get(m.status)) {
	case RNDIS_STATUS_MEDIA_CONNECT:
	case RNDIS_STATUS_MEDIA_DISCONNECT:
		n->link_up = le32_get(m.status) == RNDIS_STATUS_MEDIA_CONNECT;
		n->stats.n[NETVSC_LINK_CHANGES]++;
		return NETVSC_EVENT_LINK;
	case RNDIS_STATUS_LINK_SPEED_CHANGE:
		if (!rd_slice(&body, le32_get(m.buffer_offset), le32_get(m.buffer_length), &buffer) ||
		    !rd_copy(&buffer, &speed, sizeof(speed)))
			break;
		n->link_bps = (uint64_t)le32_get(speed) * RNDIS_LINK_SPEED_UNIT_BPS;
		return NETVSC_EVENT_LINK;
	case RNDIS_STATUS_NETWORK_CHANGE:
		n->stats.n[NETVSC_LINK_CHANGES]++;
		return NETVSC_EVENT_RENEW;
	case RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG:
		return 0;	/* repeats what we have just set */
	default:
		return 0;
	}
	n->stats.n[NETVSC_BAD_ANSWER]++;
	return 0;
}

uint32_t netvsc_control(struct netvsc *n, const uint8_t *data, uint32_t bytes)
{
	struct rd all = { n->answer, bytes < sizeof(n->answer) ? bytes : sizeof(n->answer) }, r = all;
	struct rndis_header h;

	memcpy(n->answer, data, all.left);
	rd_fetched();
	if (!rd_copy(&r, &h, sizeof(h)) || le32_get(h.length) < sizeof(h) || le32_get(h.length) > all.left) {
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return 0;
	}
	all.left = le32_get(h.length);
	switch (le32_get(h.type)) {
	case RNDIS_INITIALIZE_COMPLETE:
	case RNDIS_QUERY_COMPLETE:
	case RNDIS_SET_COMPLETE:
		return answered(n, le32_get(h.type), all);
	case RNDIS_INDICATE_STATUS:
		return indicated(n, all);
	default:
		n->stats.n[NETVSC_BAD_ANSWER]++;
		return 0;
	}
}

/* ---- requests of the caller ---- */

static bool queue_request(struct netvsc *n, bool set, uint32_t oid, const void *data, uint32_t bytes)
{
	if (n->state != NETVSC_RUNNING || n->req_state != NETVSC_REQUEST_IDLE ||
	    bytes > NETVSC_CONTROL_BYTES - sizeof(struct rndis_request))
		return false;
	n->req_set = set;
	n->req_oid = oid;
	n->req_bytes = bytes;
	if (bytes)
		memcpy(n->req_data, data, bytes);
	n->req_state = NETVSC_REQUEST_QUEUED;
	return true;
}

bool netvsc_request_query(struct netvsc *n, uint32_t oid)
{
	return queue_request(n, false, oid, NULL, 0);
}

bool netvsc_request_set(struct netvsc *n, uint32_t oid, const void *data, uint32_t bytes)
{
	return queue_request(n, true, oid, data, bytes);
}

/* An answer to one that was given up comes under an old id, or finds nobody waiting. */
void netvsc_request_done(struct netvsc *n)
{
	if (n->awaited == NETVSC_AWAIT_CALLER)
		n->awaited = NETVSC_AWAIT_NOTHING;
	n->req_state = NETVSC_REQUEST_IDLE;
}

static le16 hex_digit(uint8_t v)
{
	return to_le16((uint16_t)(v < 10 ? '0' + v : 'A' + v - 10));
}

bool netvsc_request_mac(struct netvsc *n, const uint8_t mac[6])
{
	static const char name[] = { 'N', 'e', 't', 'w', 'o', 'r', 'k', 'A', 'd', 'd', 'r', 'e', 's', 's' };
	struct {
		struct rndis_config_parameter p;
		le16 name[sizeof(name)];
		le16 value[12];
	} set = { .p = {
		.name_offset = to_le32(sizeof(struct rndis_config_parameter)),
		.name_length = to_le32(sizeof(set.name)),
		.type = to_le32(RNDIS_CONFIG_STRING),
		.value_offset = to_le32(sizeof(struct rndis_config_parameter) + sizeof(set.name)),
		.value_length = to_le32(sizeof(set.value)),
	} };

	for (unsigned i = 0; i < sizeof(name); i++)
		set.name[i] = to_le16((uint16_t)name[i]);
	for (unsigned i = 0; i < 6; i++) {
		set.value[2 * i] = hex_digit(mac[i] >> 4);
		set.value[2 * i + 1] = hex_digit(mac[i] & 15);
	}
	return queue_request(n, true, OID_GEN_RNDIS_CONFIG_PARAMETER, &set, sizeof(set));
}
