/* SPDX-License-Identifier: MIT */
/*
 * The session: the handshake with each version, refusals and lies of the host, indications,
 * requests, the way back.
 */
#include "netvsc/netvsc.h"

#include "base/test.h"

/* A host in a few lines: answers what the core says, as told by its fields. */
struct host {
	struct netvsc n;
	struct netvsc_out out;
	struct netvsc_config config;
	uint32_t newest;		/* version it takes */
	uint32_t sub_bytes, sub_count, section_bytes;
	uint32_t nvsp_log[32], nvsp_len;	/* types of the in-band messages that it saw */
	uint32_t oid_log[32], oid_len;		/* OIDs, or message types below 16 */
	uint8_t offload_set[64];	/* what OFFLOAD_PARAMETERS said */
	uint32_t offload_set_bytes;
	uint32_t fail_oid;		/* answered with "not supported" */
	uint32_t silent_oid;		/* not answered */
	uint8_t mac[6];
	uint32_t frame_size;
	bool drained;
	uint32_t frame_bytes, ndis_minor;
	uint64_t capabilities;
	uint32_t filter;
	uint8_t param[128];		/* input of the last config parameter */
	uint32_t param_bytes;
	uint32_t control_status;	/* status of the control packets' completions */
};

static uint8_t receive_memory[65536];

static void host_init(struct host *h)
{
	*h = (struct host){
		.newest = NVSP_VERSION_6_1,
		.sub_bytes = 1806, .sub_count = 36, .section_bytes = NVSP_SEND_SECTION_BYTES,
		.mac = { 0x02, 1, 2, 3, 4, 5 }, .frame_size = 1500, .control_status = NVSP_STATUS_SUCCESS,
	};
}

static uint32_t control_answer(struct host *h, const void *message, uint32_t bytes)
{
	return netvsc_control(&h->n, message, bytes);
}

static void answer_query(struct host *h, uint32_t id, uint32_t status, const void *info, uint32_t bytes)
{
	struct { struct rndis_query_complete q; uint8_t info[600]; } a = { .q = {
		.type = to_le32(RNDIS_QUERY_COMPLETE),
		.length = to_le32((uint32_t)sizeof(a.q) + bytes),
		.request_id = to_le32(id),
		.status = to_le32(status),
		.info_length = to_le32(bytes),
		.info_offset = to_le32(RNDIS_QUERY_INFO_OFFSET),
	} };

	if (bytes)
		memcpy(a.info, info, bytes);
	control_answer(h, &a, (uint32_t)sizeof(a.q) + bytes);
}

static void answer_set(struct host *h, uint32_t id, uint32_t status)
{
	struct rndis_set_complete a = {
		.type = to_le32(RNDIS_SET_COMPLETE), .length = to_le32(sizeof(a)),
		.request_id = to_le32(id), .status = to_le32(status),
	};

	control_answer(h, &a, sizeof(a));
}

static struct ndis_offload all_offloads(void)
{
	return (struct ndis_offload){
		.header = { NDIS_OBJECT_OFFLOAD, 3, to_le16(156) },
		.ipv4_transmit = { to_le32(2), to_le32(0x155) }, .ipv4_receive = { to_le32(2), to_le32(0x155) },
		.ipv6_transmit = { to_le32(2), to_le32(0x55) }, .ipv6_receive = { to_le32(2), to_le32(0x55) },
		.lso_v2_ipv4 = { to_le32(2), to_le32(62780), to_le32(2) },
		.lso_v2_ipv6 = { to_le32(2), to_le32(62780), to_le32(2) },
		.lso_v2_ipv6_options = to_le32(5),
	};
}

static void host_query(struct host *h, uint32_t oid, uint32_t id)
{
	struct ndis_offload offload = all_offloads();
	struct ndis_rss_capabilities rss = {
		.header = { NDIS_OBJECT_RSS_CAPABILITIES, 2, to_le16(18) }, .flags = to_le32(0x301),
		.receive_queues = to_le32(8), .indirection_entries = to_le16(128),
	};
	le32 v;

	switch (oid) {
	case OID_GEN_MAXIMUM_FRAME_SIZE:
		v = to_le32(h->frame_size);
		return answer_query(h, id, 0, &v, sizeof(v));
	case OID_802_3_PERMANENT_ADDRESS:
		return answer_query(h, id, 0, h->mac, 6);
	case OID_GEN_FRIENDLY_NAME:
		return answer_query(h, id, 0, "N\0e\0t\0\xe9\0\0\0x", 12);
	case OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		return answer_query(h, id, 0, &offload, sizeof(offload));
	case OID_GEN_MEDIA_CONNECT_STATUS:
		v = to_le32(NDIS_MEDIA_CONNECTED);
		return answer_query(h, id, 0, &v, sizeof(v));
	case OID_GEN_LINK_SPEED:
		v = to_le32(100000000);
		return answer_query(h, id, 0, &v, sizeof(v));
	case OID_GEN_RECEIVE_SCALE_CAPABILITIES:
		return answer_query(h, id, 0, &rss, sizeof(rss));
	default:
		return answer_query(h, id, RNDIS_STATUS_NOT_SUPPORTED, NULL, 0);
	}
}

static void host_set(struct host *h, uint32_t oid, uint32_t id, const uint8_t *input, uint32_t bytes)
{
	le32 v;

	if (oid == OID_TCP_OFFLOAD_PARAMETERS) {
		memcpy(h->offload_set, input, bytes);
		h->offload_set_bytes = bytes;
	} else if (oid == OID_GEN_CURRENT_PACKET_FILTER) {
		memcpy(&v, input, sizeof(v));
		h->filter = le32_get(v);
	} else if (oid == OID_GEN_RNDIS_CONFIG_PARAMETER) {
		memcpy(h->param, input, bytes);
		h->param_bytes = bytes;
	}
	answer_set(h, id, 0);
}

static void host_control(struct host *h)
{
	struct nvsp_rndis_packet_complete sent = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE), .status = to_le32(h->control_status),
	};
	struct rndis_request q;
	uint32_t type, oid, id;

	memcpy(&q, h->out.rndis, sizeof(q));
	type = le32_get(q.type);
	id = le32_get(q.request_id);
	oid = type == RNDIS_QUERY || type == RNDIS_SET ? le32_get(q.oid) : type;
	CU_ASSERT_EQUAL(le32_get(q.length), h->out.rndis_bytes);
	h->oid_log[h->oid_len++ % 32] = oid;
	netvsc_control_sent(&h->n, &sent, sizeof(sent));
	if (oid == h->silent_oid || h->control_status != NVSP_STATUS_SUCCESS)
		return;
	if (oid == h->fail_oid && type == RNDIS_QUERY)
		return answer_query(h, id, RNDIS_STATUS_NOT_SUPPORTED, NULL, 0);
	if (oid == h->fail_oid)
		return answer_set(h, id, RNDIS_STATUS_NOT_SUPPORTED);
	if (type == RNDIS_INITIALIZE) {
		struct rndis_initialize_complete c = {
			.type = to_le32(RNDIS_INITIALIZE_COMPLETE), .length = to_le32(sizeof(c)),
			.request_id = to_le32(id), .major_version = to_le32(1),
			.max_packets = to_le32(8), .alignment_log2 = to_le32(3),
		};
		control_answer(h, &c, sizeof(c));
	} else if (type == RNDIS_QUERY) {
		host_query(h, oid, id);
	} else if (type == RNDIS_SET) {
		CU_ASSERT_EQUAL(le32_get(q.info_offset), RNDIS_REQUEST_INFO_OFFSET);
		host_set(h, oid, id, h->out.rndis + sizeof(q), le32_get(q.info_length));
	}
}

static void complete(struct host *h, const void *message, uint32_t bytes)
{
	netvsc_completed(&h->n, message, bytes);
}

static void host_nvsp(struct host *h)
{
	struct nvsp_init init;
	struct nvsp_ndis_config config;
	struct nvsp_ndis_version ndis;
	uint32_t type;

	memcpy(&init, h->out.message, sizeof(init));
	memcpy(&config, h->out.message, sizeof(config));
	memcpy(&ndis, h->out.message, sizeof(ndis));
	type = le32_get(init.type);
	h->nvsp_log[h->nvsp_len++ % 32] = type;
	if (type == NVSP_INIT) {
		struct nvsp_init_complete c = {
			.type = to_le32(NVSP_INIT_COMPLETE),
			.status = to_le32(le32_get(init.version) <= h->newest ? NVSP_STATUS_SUCCESS : 0),
		};
		complete(h, &c, sizeof(c));
	} else if (type == NVSP_SEND_NDIS_CONFIG) {
		h->frame_bytes = le32_get(config.frame_bytes);
		h->capabilities = le64_get(config.capabilities);
	} else if (type == NVSP_SEND_NDIS_VERSION) {
		h->ndis_minor = le32_get(ndis.minor);
	} else if (type == NVSP_SEND_RECEIVE_BUFFER) {
		struct nvsp_receive_buffer_complete c = {
			.type = to_le32(NVSP_SEND_RECEIVE_BUFFER_COMPLETE), .status = to_le32(1),
			.sections = to_le32(1),
			.section = { .sub_allocation_bytes = to_le32(h->sub_bytes),
				     .sub_allocations = to_le32(h->sub_count) },
		};
		complete(h, &c, sizeof(c));
	} else if (type == NVSP_SEND_SEND_BUFFER) {
		struct nvsp_send_buffer_complete c = {
			.type = to_le32(NVSP_SEND_SEND_BUFFER_COMPLETE), .status = to_le32(1),
			.section_bytes = to_le32(h->section_bytes),
		};
		complete(h, &c, sizeof(c));
	}
}

static void drive(struct host *h)
{
	for (int i = 0; i < 100; i++) {
		switch (netvsc_next(&h->n, &h->out)) {
		case NETVSC_DO_NOTHING:
			return;
		case NETVSC_DO_SEND:
			host_nvsp(h);
			break;
		case NETVSC_DO_CONTROL:
			host_control(h);
			break;
		case NETVSC_DO_MAP_RECEIVE:
			netvsc_receive_mapped(&h->n, 0xe1e10, receive_memory, sizeof(receive_memory));
			break;
		case NETVSC_DO_MAP_SEND:
			netvsc_send_mapped(&h->n, 0xe1e11, 10 * NVSP_SEND_SECTION_BYTES);
			break;
		case NETVSC_DO_DRAIN:
			h->drained = true;
			netvsc_drained(&h->n);
			break;
		}
	}
	CU_FAIL("the core does not come to rest");
}

static void bring_up(struct host *h)
{
	netvsc_start(&h->n, &h->config);
	drive(h);
}

static void test_versions(void)
{
	static const struct { uint32_t newest, proposals; bool config; uint32_t minor; uint64_t caps; } t[] = {
		{ NVSP_VERSION_6_1, 1, true, 30, 0x28 }, { NVSP_VERSION_6, 2, true, 30, 0x28 },
		{ NVSP_VERSION_5, 3, true, 30, 0x28 }, { NVSP_VERSION_4, 4, true, 1, 0x08 },
		{ NVSP_VERSION_2, 5, true, 1, 0x08 }, { NVSP_VERSION_1, 6, false, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct host h;
		uint32_t k = t[i].proposals;

		host_init(&h);
		h.newest = t[i].newest;
		bring_up(&h);
		CU_ASSERT_EQUAL(h.n.state, NETVSC_RUNNING);
		CU_ASSERT_EQUAL(h.n.version, t[i].newest);
		for (uint32_t j = 0; j < k; j++)
			CU_ASSERT_EQUAL(h.nvsp_log[j], NVSP_INIT);
		if (t[i].config)
			CU_ASSERT_EQUAL(h.nvsp_log[k++], NVSP_SEND_NDIS_CONFIG);
		CU_ASSERT_EQUAL(h.nvsp_log[k++], NVSP_SEND_NDIS_VERSION);
		CU_ASSERT_EQUAL(h.nvsp_log[k++], NVSP_SEND_RECEIVE_BUFFER);
		CU_ASSERT_EQUAL(h.nvsp_log[k++], NVSP_SEND_SEND_BUFFER);
		CU_ASSERT_EQUAL(h.nvsp_len, k);
		CU_ASSERT_EQUAL(h.ndis_minor, t[i].minor);
		CU_ASSERT_EQUAL(h.capabilities, t[i].caps);
		CU_ASSERT_EQUAL(h.n.link_bps, t[i].newest >= NVSP_VERSION_5 ? 10000000000 : 0);
	}
}

static void test_agreed(void)
{
	struct host h;

	host_init(&h);
	h.config.mtu = 9000;
	h.frame_size = 8000;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.frame_bytes, 9014);
	CU_ASSERT_EQUAL(h.n.mtu, 8000);
	CU_ASSERT_EQUAL(h.n.frame_max_bytes, 9018);
	CU_ASSERT_EQUAL(memcmp(h.n.mac, h.mac, 6), 0);
	CU_ASSERT_STRING_EQUAL((char *)h.n.name, "Net?");
	CU_ASSERT_TRUE(h.n.link_up);
	CU_ASSERT_EQUAL(h.n.sub_bytes, 1806);
	CU_ASSERT_EQUAL(h.n.section_count, 10);
	CU_ASSERT_EQUAL(h.n.max_messages, 8);
	CU_ASSERT_EQUAL(h.n.rss_queues, 8);
	CU_ASSERT_EQUAL(h.n.rss_entries, 128);
	CU_ASSERT_EQUAL(h.n.stats.n[NETVSC_BAD_ANSWER], 0);
}

static void test_offloads(void)
{
	static const uint8_t off[] = { 0x80, 3, 28, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1 };
	static const uint8_t some[] = { 0x80, 3, 28, 0, 1, 4, 3, 1, 1, 0, 0, 2, 1 };
	struct host h;

	host_init(&h);
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.offload, 0);
	CU_ASSERT_EQUAL(h.offload_set_bytes, 28);
	CU_ASSERT_EQUAL(memcmp(h.offload_set, off, sizeof(off)), 0);

	host_init(&h);
	h.config.offload = NETVSC_OFF_TX_TCP4 | NETVSC_OFF_RX_TCP4 | NETVSC_OFF_RX_UDP4 | NETVSC_OFF_LSO4;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.offload, h.config.offload);
	CU_ASSERT_EQUAL(memcmp(h.offload_set, some, sizeof(some)), 0);

	host_init(&h);
	h.config.offload = NETVSC_OFF_TX_TCP4;
	h.fail_oid = OID_TCP_OFFLOAD_PARAMETERS;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.state, NETVSC_RUNNING);
	CU_ASSERT_EQUAL(h.n.offload, 0);

	host_init(&h);
	h.newest = NVSP_VERSION_4;
	h.config.offload = ~0u;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.offload_set_bytes, 22);
	CU_ASSERT_FALSE(h.n.offload & (NETVSC_OFF_TX_UDP4 | NETVSC_OFF_RX_UDP6));
	CU_ASSERT_TRUE(h.n.offload & NETVSC_OFF_TX_TCP6);
}

static void test_refusals(void)
{
	static const struct { uint32_t oid; enum netvsc_state state; } t[] = {
		{ OID_GEN_MAXIMUM_FRAME_SIZE, NETVSC_RUNNING }, { OID_802_3_PERMANENT_ADDRESS, NETVSC_FAILED },
		{ OID_GEN_FRIENDLY_NAME, NETVSC_RUNNING }, { OID_GEN_LINK_SPEED, NETVSC_RUNNING },
		{ OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, NETVSC_RUNNING },
		{ OID_GEN_MEDIA_CONNECT_STATUS, NETVSC_RUNNING },
		{ OID_GEN_RECEIVE_SCALE_CAPABILITIES, NETVSC_RUNNING },
	};
	struct host h;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		host_init(&h);
		h.fail_oid = t[i].oid;
		bring_up(&h);
		CU_ASSERT_EQUAL(h.n.state, t[i].state);
	}
	host_init(&h);
	h.newest = 1;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.error, NETVSC_ERR_VERSION);
	host_init(&h);
	h.mac[0] = 1;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.error, NETVSC_ERR_MAC);
	host_init(&h);
	memset(h.mac, 0, 6);
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.error, NETVSC_ERR_MAC);
	host_init(&h);
	h.control_status = NVSP_STATUS_FAILURE;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.error, NETVSC_ERR_CONTROL_REFUSED);
}

/* How the host may divide the buffers: each row is one lie, the last one the largest that fits. */
static void test_layouts(void)
{
	static const struct { uint32_t sub_bytes, sub_count, section_bytes; enum netvsc_error error; } t[] = {
		{ 67, 1, 6144, NETVSC_ERR_RECEIVE_LAYOUT },
		{ 1806, 0, 6144, NETVSC_ERR_RECEIVE_LAYOUT },
		{ 65536, 2, 6144, NETVSC_ERR_RECEIVE_LAYOUT },
		{ 0x10000, 0x10000, 6144, NETVSC_ERR_RECEIVE_LAYOUT },	/* the product wraps to 0 in 32 bits */
		{ 1806, 36, 67, NETVSC_ERR_SEND_LAYOUT },
		{ 1806, 36, 61441, NETVSC_ERR_SEND_LAYOUT },
		{ 65536, 1, 61440, NETVSC_OK },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct host h;

		host_init(&h);
		h.sub_bytes = t[i].sub_bytes;
		h.sub_count = t[i].sub_count;
		h.section_bytes = t[i].section_bytes;
		bring_up(&h);
		CU_ASSERT_EQUAL(h.n.error, t[i].error);
		CU_ASSERT_EQUAL(h.n.state == NETVSC_RUNNING, t[i].error == NETVSC_OK);
	}
}

static void test_short_answers(void)
{
	struct nvsp_init_complete c = { .type = to_le32(NVSP_INIT_COMPLETE), .status = to_le32(1) };
	struct nvsp_header wrong = { to_le32(NVSP_SEND_SEND_BUFFER_COMPLETE) };
	struct host h;

	for (uint32_t bytes = 0; bytes <= sizeof(c); bytes++) {
		host_init(&h);
		netvsc_start(&h.n, &h.config);
		CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_SEND);
		CU_ASSERT_TRUE(h.out.wants_completion);
		CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_NOTHING);
		netvsc_completed(&h.n, &c, bytes);
		CU_ASSERT_EQUAL(h.n.state, bytes < 4 ? NETVSC_VERSION :
				bytes < sizeof(c) ? NETVSC_FAILED : NETVSC_CONFIG);
	}
	netvsc_start(&h.n, &h.config);
	CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_SEND);
	netvsc_completed(&h.n, &wrong, sizeof(wrong));
	CU_ASSERT_EQUAL(h.n.error, NETVSC_ERR_UNEXPECTED);
	/* nothing was asked: counted, no harm */
	netvsc_start(&h.n, &h.config);
	netvsc_completed(&h.n, &c, sizeof(c));
	CU_ASSERT_EQUAL(h.n.state, NETVSC_VERSION);
	CU_ASSERT_TRUE(h.n.stats.n[NETVSC_BAD_ANSWER] > 0);
}

/* Answers to a query of the caller's, one lie per row. */
static void test_lying_answers(void)
{
	static const struct {
		const char *what;
		uint32_t type, length, id_delta, status, info_length, info_offset, sent;
		bool done, ok;
	} t[] = {
		{ "another type", RNDIS_SET_COMPLETE, 28, 0, 0, 4, 16, 28, false, false },
		{ "another id", RNDIS_QUERY_COMPLETE, 28, 1, 0, 4, 16, 28, false, false },
		{ "shorter than a header", RNDIS_QUERY_COMPLETE, 28, 0, 0, 4, 16, 7, false, false },
		{ "length below a header", RNDIS_QUERY_COMPLETE, 7, 0, 0, 4, 16, 28, false, false },
		{ "length beyond what was sent", RNDIS_QUERY_COMPLETE, 29, 0, 0, 4, 16, 28, false, false },
		{ "no room for the fields", RNDIS_QUERY_COMPLETE, 23, 0, 0, 0, 16, 28, true, false },
		{ "information past the end", RNDIS_QUERY_COMPLETE, 28, 0, 0, 5, 16, 28, true, false },
		{ "offset past the end", RNDIS_QUERY_COMPLETE, 28, 0, 0, 4, 17, 28, true, false },
		{ "offset that wraps", RNDIS_QUERY_COMPLETE, 28, 0, 0, 4, 0xfffffff8, 28, true, false },
		{ "length that wraps", RNDIS_QUERY_COMPLETE, 28, 0, 0, 0xfffffff8, 16, 28, true, false },
		{ "information in the fields", RNDIS_QUERY_COMPLETE, 28, 0, 0, 4, 12, 28, true, false },
		{ "a failure with nonsense", RNDIS_QUERY_COMPLETE, 24, 0, 1, 9, 99, 28, true, false },
		{ "the smallest good one", RNDIS_QUERY_COMPLETE, 28, 0, 0, 4, 16, 28, true, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct { struct rndis_query_complete q; le32 value; } a;
		struct host h;

		host_init(&h);
		bring_up(&h);
		h.silent_oid = OID_GEN_VENDOR_ID;
		CU_ASSERT_TRUE(netvsc_request_query(&h.n, OID_GEN_VENDOR_ID));
		CU_ASSERT_FALSE(netvsc_request_query(&h.n, OID_GEN_VENDOR_ID));
		drive(&h);
		CU_ASSERT_EQUAL(h.n.req_state, NETVSC_REQUEST_SENT);
		a.q = (struct rndis_query_complete){
			to_le32(t[i].type), to_le32(t[i].length), to_le32(h.n.request_id + t[i].id_delta),
			to_le32(t[i].status), to_le32(t[i].info_length), to_le32(t[i].info_offset)
		};
		a.value = to_le32(0x155d);
		control_answer(&h, &a, t[i].sent);
		CU_ASSERT_EQUAL(h.n.req_state == NETVSC_REQUEST_DONE, t[i].done);
		CU_ASSERT_EQUAL(h.n.req_state == NETVSC_REQUEST_DONE && !h.n.req_status, t[i].ok);
		if (t[i].ok)
			CU_ASSERT_EQUAL(memcmp(h.n.req_data, &a.value, 4), 0);
		netvsc_request_done(&h.n);
		CU_ASSERT_TRUE(netvsc_request_query(&h.n, OID_GEN_VENDOR_ID));
	}
}

static uint32_t indicate(struct host *h, uint32_t status, uint32_t len, uint32_t off, uint32_t value)
{
	struct { struct rndis_indicate_status i; le32 value; } a = {
		.i = { .type = to_le32(RNDIS_INDICATE_STATUS), .length = to_le32(sizeof(a)),
		       .status = to_le32(status), .buffer_length = to_le32(len), .buffer_offset = to_le32(off) },
		.value = to_le32(value),
	};

	return control_answer(h, &a, sizeof(a));
}

static void test_indications(void)
{
	struct host h;

	host_init(&h);
	bring_up(&h);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_MEDIA_DISCONNECT, 0, 0, 0), NETVSC_EVENT_LINK);
	CU_ASSERT_FALSE(h.n.link_up);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_MEDIA_CONNECT, 0, 0, 0), NETVSC_EVENT_LINK);
	CU_ASSERT_TRUE(h.n.link_up);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_LINK_SPEED_CHANGE, 4, 12, 10000000), NETVSC_EVENT_LINK);
	CU_ASSERT_EQUAL(h.n.link_bps, 1000000000);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_LINK_SPEED_CHANGE, 4, 13, 1), 0);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_LINK_SPEED_CHANGE, 3, 12, 1), 0);
	CU_ASSERT_EQUAL(h.n.link_bps, 1000000000);
	CU_ASSERT_EQUAL(h.n.stats.n[NETVSC_BAD_ANSWER], 2);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_NETWORK_CHANGE, 0, 0, 0), NETVSC_EVENT_RENEW);
	CU_ASSERT_EQUAL(indicate(&h, RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG, 0, 0, 0), 0);
}

static void test_filter(void)
{
	struct host h;

	host_init(&h);
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.filter_set, 0);
	netvsc_set_filter(&h.n, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST);
	drive(&h);
	CU_ASSERT_EQUAL(h.filter, 9);
	CU_ASSERT_EQUAL(h.n.filter_set, 9);
	/*
	 * a change while the answer is outstanding is sent afterwards; the answer is not taken for
	 * its
	 */
	netvsc_set_filter(&h.n, NDIS_FILTER_PROMISCUOUS);
	CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_CONTROL);
	netvsc_set_filter(&h.n, 0x0d);
	host_control(&h);
	CU_ASSERT_EQUAL(h.n.filter_set, 0x20);
	drive(&h);
	CU_ASSERT_EQUAL(h.filter, 0x0d);
	/* a new session tells it anew */
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.filter_set, 0x0d);
}

static void test_control_memory(void)
{
	struct nvsp_rndis_packet_complete sent = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE), .status = to_le32(1),
	};
	struct host h;

	host_init(&h);
	bring_up(&h);
	netvsc_set_filter(&h.n, 9);
	CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_CONTROL);
	answer_set(&h, h.n.request_id, 0);
	netvsc_set_filter(&h.n, 0x20);
	/* answered, but the host has not given the message's memory back */
	CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_NOTHING);
	netvsc_control_sent(&h.n, &sent, sizeof(sent));
	CU_ASSERT_EQUAL(netvsc_next(&h.n, &h.out), NETVSC_DO_CONTROL);
	CU_ASSERT_EQUAL(h.n.stats.n[NETVSC_BAD_ANSWER], 0);
	netvsc_control_sent(&h.n, &sent, sizeof(sent));
	netvsc_control_sent(&h.n, &sent, sizeof(sent));
	CU_ASSERT_EQUAL(h.n.stats.n[NETVSC_BAD_ANSWER], 1);
}

static void test_mac_request(void)
{
	static const uint8_t mac[6] = { 0x02, 0xab, 0xcd, 0xef, 0x12, 0x39 };
	struct rndis_config_parameter p;
	struct host h;

	host_init(&h);
	bring_up(&h);
	CU_ASSERT_TRUE(netvsc_request_mac(&h.n, mac));
	drive(&h);
	CU_ASSERT_EQUAL(h.n.req_state, NETVSC_REQUEST_DONE);
	CU_ASSERT_EQUAL(h.param_bytes, 72);
	memcpy(&p, h.param, sizeof(p));
	CU_ASSERT_EQUAL(le32_get(p.name_offset), 20);
	CU_ASSERT_EQUAL(le32_get(p.name_length), 28);
	CU_ASSERT_EQUAL(le32_get(p.type), RNDIS_CONFIG_STRING);
	CU_ASSERT_EQUAL(le32_get(p.value_offset), 48);
	CU_ASSERT_EQUAL(le32_get(p.value_length), 24);
	CU_ASSERT_EQUAL(memcmp(h.param + 48, "0\0002\0A\0B\0C\0D\0E\0F\0001\0002\0003\0009\0", 24), 0);
}

static void test_close(void)
{
	struct host h;
	uint32_t at;

	host_init(&h);
	bring_up(&h);
	netvsc_set_filter(&h.n, 9);
	drive(&h);
	at = h.nvsp_len;
	netvsc_stop(&h.n);
	drive(&h);
	CU_ASSERT_EQUAL(h.n.state, NETVSC_CLOSED);
	CU_ASSERT_EQUAL(h.filter, 0);
	CU_ASSERT_TRUE(h.drained);
	CU_ASSERT_EQUAL(h.oid_log[(h.oid_len - 1) % 32], RNDIS_HALT);
	CU_ASSERT_EQUAL(h.nvsp_log[at], NVSP_REVOKE_RECEIVE_BUFFER);
	CU_ASSERT_EQUAL(h.nvsp_log[at + 1], NVSP_REVOKE_SEND_BUFFER);
	CU_ASSERT_EQUAL(h.nvsp_len, at + 2);
	/* and again: the packet filter is still wanted */
	h.nvsp_len = h.oid_len = 0;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.state, NETVSC_RUNNING);
	CU_ASSERT_EQUAL(h.filter, 9);
}

/*
 * netvsc_stop() after every number of steps ends in CLOSED, and nothing of a later answer disturbs
 * it.
 */
static void test_stop_anywhere(void)
{
	for (unsigned steps = 0; steps < 20; steps++) {
		struct host h;

		host_init(&h);
		netvsc_start(&h.n, &h.config);
		for (unsigned i = 0; i < steps; i++) {
			switch (netvsc_next(&h.n, &h.out)) {
			case NETVSC_DO_SEND:
				host_nvsp(&h);
				break;
			case NETVSC_DO_CONTROL:
				if (i + 1 < steps)
					host_control(&h);
				break;
			case NETVSC_DO_MAP_RECEIVE:
				netvsc_receive_mapped(&h.n, 1, receive_memory, sizeof(receive_memory));
				break;
			case NETVSC_DO_MAP_SEND:
				netvsc_send_mapped(&h.n, 2, 61440);
				break;
			case NETVSC_DO_DRAIN:
			case NETVSC_DO_NOTHING:
				break;
			}
		}
		netvsc_stop(&h.n);
		if (h.n.control_busy)
			host_control(&h);	/* completion and answer come late */
		drive(&h);
		CU_ASSERT_EQUAL(h.n.state, NETVSC_CLOSED);
	}
}

static void test_no_send_buffer(void)
{
	struct host h;

	host_init(&h);
	h.config.no_send_buffer = true;
	bring_up(&h);
	CU_ASSERT_EQUAL(h.n.state, NETVSC_RUNNING);
	CU_ASSERT_EQUAL(h.n.section_count, 0);
	netvsc_stop(&h.n);
	drive(&h);
	CU_ASSERT_EQUAL(h.n.state, NETVSC_CLOSED);
	CU_ASSERT_EQUAL(h.nvsp_log[h.nvsp_len - 1], NVSP_REVOKE_RECEIVE_BUFFER);
}

static void test_inband(void)
{
	struct { struct nvsp_indirection_table t; le32 entry[16]; } m = {
		.t = { to_le32(NVSP_SEND_INDIRECTION_TABLE), to_le32(16), to_le32(12) },
	};
	struct nvsp_vf_association vf = { to_le32(NVSP_SEND_VF_ASSOCIATION), to_le32(1), to_le32(77) };
	struct host h;

	host_init(&h);
	bring_up(&h);
	for (unsigned i = 0; i < 16; i++)
		m.entry[i] = to_le32(i % 3);
	netvsc_inband(&h.n, &m, sizeof(m) - 1);
	CU_ASSERT_FALSE(h.n.indirection_valid);
	m.t.offset = to_le32(0xfffffff0);
	netvsc_inband(&h.n, &m, sizeof(m));
	CU_ASSERT_FALSE(h.n.indirection_valid);
	m.t.offset = to_le32(12);
	netvsc_inband(&h.n, &m, sizeof(m));
	CU_ASSERT_TRUE(h.n.indirection_valid);
	CU_ASSERT_EQUAL(h.n.indirection[5], 2);
	netvsc_inband(&h.n, &vf, sizeof(vf) - 1);
	CU_ASSERT_FALSE(h.n.vf_present);
	netvsc_inband(&h.n, &vf, sizeof(vf));
	CU_ASSERT_EQUAL(h.n.vf_serial, 77);
	netvsc_inband(&h.n, &vf, 3);
	CU_ASSERT_EQUAL(h.n.stats.n[NETVSC_BAD_ANSWER], 4);
}

static void test_names(void)
{
	for (unsigned i = 0; i < NETVSC_STATS; i++)
		CU_ASSERT_PTR_NOT_NULL(netvsc_stat_name(i));
	for (unsigned i = 0; i < NETVSC_ERRORS; i++)
		CU_ASSERT_PTR_NOT_NULL(netvsc_error_name(i));
	for (unsigned i = 0; i <= NETVSC_FAILED; i++)
		CU_ASSERT_PTR_NOT_NULL(netvsc_state_name(i));
}

static const struct hv_test tests[] = {
	{ "comes up with every NVSP version, newest first", test_versions },
	{ "takes over what the host answers", test_agreed },
	{ "switches on the offloads that both sides have", test_offloads },
	{ "does without what can be done without", test_refusals },
	{ "refuses buffers divided impossibly", test_layouts },
	{ "refuses short and unexpected answers", test_short_answers },
	{ "sees through lying answers", test_lying_answers },
	{ "reads indications", test_indications },
	{ "keeps the packet filter as wanted", test_filter },
	{ "leaves a control message alone until the host gave it back", test_control_memory },
	{ "asks for a MAC address as Linux does", test_mac_request },
	{ "goes the way back in order", test_close },
	{ "stops from anywhere", test_stop_anywhere },
	{ "works without a send buffer", test_no_send_buffer },
	{ "reads in-band messages", test_inband },
	{ "has a name for everything", test_names },
};
HV_TEST_MAIN("netvsc/core", tests)
