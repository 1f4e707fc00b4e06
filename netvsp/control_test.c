/* SPDX-License-Identifier: MIT */
/* RNDIS control: requests in order, their queue, each OID's answer, what is set, the link. */
#include "netvsp/test_world.h"

#include "base/test.h"

static struct world *up(uint32_t ring_pages)
{
	struct world *w = world_create();

	CU_ASSERT_FATAL(guest_up(w, ring_pages));
	return w;
}

/* ---- messages ---- */

static void initialize_is_answered_after_its_packet(void)
{
	struct world *w = world_create();
	struct rndis_initialize_complete a;

	world_open(w, 16);
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_5, 1514, true));
	guest_rndis_initialize(w, 0, 0xabcd0000);		/* DPDK's id 0, FreeBSD's high request ids */
	CU_ASSERT_EQUAL(guest_sent_status(w, 0), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), sizeof(a));
	CU_ASSERT_EQUAL(le32_get(a.type), 0x80000002);
	CU_ASSERT_EQUAL(le32_get(a.length), 52);
	CU_ASSERT_EQUAL(le32_get(a.request_id), 0xabcd0000);
	CU_ASSERT_EQUAL(le32_get(a.status), 0);
	CU_ASSERT_EQUAL(le32_get(a.major_version), 1);
	CU_ASSERT_EQUAL(le32_get(a.minor_version), 0);
	CU_ASSERT_EQUAL(le32_get(a.device_flags), 1);
	CU_ASSERT_EQUAL(le32_get(a.medium), 0);
	CU_ASSERT_EQUAL(le32_get(a.max_packets), 8);
	CU_ASSERT_EQUAL(le32_get(a.max_transfer), 0xefffffff);
	CU_ASSERT_EQUAL(le32_get(a.alignment_log2), 3);
	CU_ASSERT_EQUAL(le32_get(a.af_offset) | le32_get(a.af_length), 0);

	guest_rndis_initialize(w, 1, 2);			/* again: refused, and nothing breaks */
	CU_ASSERT_EQUAL(guest_sent_status(w, 1), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), sizeof(a));
	CU_ASSERT_EQUAL(le32_get(a.status), RNDIS_STATUS_FAILURE);
	CU_ASSERT_EQUAL(world_counter(w, "initialize-twice"), 1);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	world_destroy(w);
}

static void a_wrong_rndis_version_is_refused(void)
{
	const struct rndis_initialize m = {
		.type = to_le32(RNDIS_INITIALIZE), .length = to_le32(sizeof(m)), .major_version = to_le32(2),
	};
	struct world *w = world_create();
	struct rndis_initialize_complete a;

	world_open(w, 16);
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_5, 1514, true));
	guest_control(w, 1, &m, sizeof(m));
	CU_ASSERT_EQUAL(guest_sent_status(w, 1), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), sizeof(a));
	CU_ASSERT_EQUAL(le32_get(a.status), RNDIS_STATUS_BAD_VERSION);
	CU_ASSERT_EQUAL(world_counter(w, "initialize-bad-version"), 1);
	CU_ASSERT_FALSE(w->nic->control.operational);
	world_destroy(w);
}

static void keepalive_and_reset_are_answered_and_halt_is_not(void)
{
	const struct rndis_keepalive keepalive = { to_le32(RNDIS_KEEPALIVE), to_le32(12), to_le32(77) };
	const struct rndis_reset reset = { to_le32(RNDIS_RESET), to_le32(12), to_le32(0) };
	const struct rndis_halt halt = { to_le32(RNDIS_HALT), to_le32(12), to_le32(79) };
	struct world *w = up(16);
	struct vmbus_packet pkt;
	struct rndis_set_complete a;

	guest_control(w, 1, &keepalive, 12);
	CU_ASSERT_EQUAL(guest_sent_status(w, 1), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), 16);
	CU_ASSERT_EQUAL(le32_get(a.type), 0x80000008);
	CU_ASSERT_EQUAL(le32_get(a.request_id), 77);
	CU_ASSERT_EQUAL(le32_get(a.status), 0);
	guest_control(w, 2, &reset, 12);
	CU_ASSERT_EQUAL(guest_sent_status(w, 2), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), 16);
	CU_ASSERT_EQUAL(le32_get(a.type), 0x80000006);
	CU_ASSERT_EQUAL(le32_get(a.request_id), 0);	/* the status, there */
	CU_ASSERT_EQUAL(le32_get(a.status), 0);		/* no addressing reset */
	CU_ASSERT_TRUE(netvsp_rx_open(w->nic));
	guest_control(w, 3, &halt, 12);
	CU_ASSERT_EQUAL(guest_sent_status(w, 3), NVSP_STATUS_SUCCESS);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_FALSE(netvsp_rx_open(w->nic));
	guest_rndis_initialize(w, 4, 5);		/* and it can start again */
	guest_sent_status(w, 4);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), 52);
	CU_ASSERT_EQUAL(le32_get(a.status), 0);
	world_destroy(w);
}

static void what_a_guest_may_not_say_is_completed_with_a_failure(void)
{
	static const struct {
		uint32_t type, length, sent, info, info_offset;
		const char *counter;
	} rows[] = {
		{ RNDIS_INDICATE_STATUS, 28, 28, 0, 20, "control-not-supported" },
		{ RNDIS_SET_EX, 28, 28, 0, 20, "control-not-supported" },
		{ RNDIS_QUERY_COMPLETE, 28, 28, 0, 20, "control-not-supported" },
		{ 0xff000001, 28, 28, 0, 20, "control-not-supported" },
		{ RNDIS_QUERY, 29, 28, 0, 20, "rndis-bad-length" },
		{ RNDIS_QUERY, 7, 28, 0, 20, "rndis-bad-length" },
		{ RNDIS_QUERY, 27, 28, 0, 20, "rndis-bad-request-length" },
		{ RNDIS_SET, 32, 32, 5, 20, "rndis-bad-info-range" },
		{ RNDIS_QUERY, 28, 7, 0, 20, "rndis-short-header" },
		{ RNDIS_SET, 9000, 9000, 0, 20, "control-too-long" },
	};
	struct world *w = up(16);
	static union {
		struct rndis_request q;
		uint8_t bytes[9000];
	} m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = world_counter(w, rows[i].counter);
		struct vmbus_packet pkt;

		m.q = (struct rndis_request){
			.type = to_le32(rows[i].type), .length = to_le32(rows[i].length),
			.info_length = to_le32(rows[i].info), .info_offset = to_le32(rows[i].info_offset),
		};
		guest_control(w, 5, &m, rows[i].sent);
		CU_ASSERT_EQUAL(guest_sent_status(w, 5), NVSP_STATUS_FAILURE);
		CU_ASSERT_FALSE(guest_next(w, &pkt));
		if (world_counter(w, rows[i].counter) != before + 1)
			printf("row %zu\n", i);
		CU_ASSERT_EQUAL(world_counter(w, rows[i].counter), before + 1);
	}
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	world_destroy(w);
}

/* Windows may put a request into a section. */
static void a_request_may_lie_in_a_section(void)
{
	const struct rndis_keepalive m = { to_le32(RNDIS_KEEPALIVE), to_le32(12), to_le32(7) };
	const struct nvsp_rndis_packet nvsp = { to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(1), to_le32(3), to_le32(12) };
	struct world *w = up(16);
	struct rndis_set_complete a;

	world_write(w, 1, 3 * 6144, &m, sizeof(m));
	guest_send(w, true, 4, &nvsp, sizeof(nvsp));
	CU_ASSERT_EQUAL(guest_sent_status(w, 4), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_answer(w, &a, sizeof(a)), 16);
	CU_ASSERT_EQUAL(le32_get(a.request_id), 7);
	world_destroy(w);
}

/* ---- the queue ---- */

static void put_keepalive(struct world *w, uint32_t i)
{
	const struct rndis_keepalive m = { to_le32(RNDIS_KEEPALIVE), to_le32(12), to_le32(i) };
	const uint32_t at = WORLD_FREE_AT + i * 16;

	memcpy(w->bus.ram + at, &m, sizeof(m));
	CU_ASSERT_TRUE(guest_put_direct(w, i, NVSP_CHANNEL_CONTROL, guest_gpa(at), sizeof(m)));
}

static void answers_wait_for_their_buffers_and_keep_their_order(void)
{
	struct world *w = up(64);
	struct vmbus_packet pkt;
	uint64_t id[16];
	uint32_t next = 0, expected = 0;

	for (uint32_t i = 0; i < 100; i++)
		put_keepalive(w, i);
	guest_go(w);
	while (expected < 100) {
		unsigned n = 0;

		while (n < 16 && guest_next(w, &pkt)) {
			struct guest_rx rx;
			uint8_t a[16];

			if (pkt.type == VMBUS_PKT_COMPLETION) {
				CU_ASSERT_EQUAL(pkt.transaction_id, next);
				next++;
				continue;
			}
			CU_ASSERT_TRUE_FATAL(guest_parse_rx(w, &pkt, &rx));
			CU_ASSERT_TRUE(rx.id < NETVSP_CONTROL_SLOTS);
			world_read(w, 0, rx.offset[0], a, sizeof(a));
			CU_ASSERT_EQUAL(u32_at(a, 8), expected);
			expected++;
			id[n++] = rx.id;
		}
		CU_ASSERT_FATAL(n > 0);
		CU_ASSERT_TRUE(n == 16 || expected == 100);
		CU_ASSERT_FALSE(guest_next(w, &pkt));	/* no 17th */
		while (n)
			guest_complete(w, id[--n]);
	}
	CU_ASSERT_EQUAL(next, 100);
	CU_ASSERT_EQUAL(w->nic->control.queued_bytes, 0);
	world_destroy(w);
}

/* The guest makes room at a moment when the request's own completion still waits for it. */
static void an_answer_never_overtakes_its_packets_completion(void)
{
	struct world *w = up(2);
	struct vmbus_packet pkt;
	unsigned n = 0;

	for (uint32_t i = 0; i < 60 && !w->nic->primary.tx.stuck; i++) {
		put_keepalive(w, i);
		guest_go(w);
	}
	CU_ASSERT_TRUE(w->nic->primary.tx.stuck);
	while (vmbus_ring_next(&w->bus.to_guest, w->bus.packet, sizeof(w->bus.packet), &pkt) == 1) {
		if (pkt.type != VMBUS_PKT_COMPLETION)
			CU_ASSERT_TRUE(netvsp_slots_complete(&w->nic->slots, pkt.transaction_id));
		n++;
	}
	CU_ASSERT_TRUE(n > 0);
	(void)!vmbus_ring_release(&w->bus.to_guest);
	netvsp_control_run(w->nic);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	guest_ring_bell(w);
	world_run(w);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && pkt.type == VMBUS_PKT_COMPLETION);
	world_destroy(w);
}

static void the_queue_holds_100_kib(void)
{
	struct world *w = up(64);
	unsigned good = 0, bad = 0;
	struct rndis_request *q = (struct rndis_request *)(w->bus.ram + WORLD_FREE_AT);

	memset(q, 0, 8192);
	*q = (struct rndis_request){
		.type = to_le32(RNDIS_SET), .length = to_le32(8000), .oid = to_le32(1),
		.info_length = to_le32(7000), .info_offset = to_le32(20),
	};
	for (unsigned i = 0; i < 60; i++) {	/* 16 are answered, then nobody gives buffers back */
		struct vmbus_packet pkt;

		CU_ASSERT_TRUE(guest_put_direct(w, i, 1, guest_gpa(WORLD_FREE_AT), 8000));
		guest_go(w);
		while (guest_next(w, &pkt))
			if (pkt.type == VMBUS_PKT_COMPLETION) {
				good += u32_at(pkt.payload, 4) == NVSP_STATUS_SUCCESS;
				bad += u32_at(pkt.payload, 4) == NVSP_STATUS_FAILURE;
			}
	}
	CU_ASSERT_EQUAL(good, 16 + 100 * 1024 / 8024);
	CU_ASSERT_EQUAL(good + bad, 60);
	CU_ASSERT_EQUAL(world_counter(w, "control-queue-full"), bad);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	world_close(w);		/* frees what waits */
	CU_ASSERT_EQUAL(w->nic->control.queued_bytes, 0);
	world_destroy(w);
}

/* ---- OIDs ---- */

static void numbers_are_answered(void)
{
	static const struct {
		uint32_t oid, bytes;
		uint64_t value;
	} rows[] = {
		{ OID_GEN_HARDWARE_STATUS, 4, 0 },
		{ OID_GEN_MEDIA_SUPPORTED, 4, 0 },
		{ OID_GEN_MEDIA_IN_USE, 4, 0 },
		{ OID_GEN_MAXIMUM_LOOKAHEAD, 4, 1500 },
		{ OID_GEN_CURRENT_LOOKAHEAD, 4, 1500 },
		{ OID_GEN_MAXIMUM_FRAME_SIZE, 4, 1500 },
		{ OID_GEN_MAXIMUM_TOTAL_SIZE, 4, 1514 },
		{ OID_GEN_TRANSMIT_BLOCK_SIZE, 4, 1514 },
		{ OID_GEN_RECEIVE_BLOCK_SIZE, 4, 1514 },
		{ OID_GEN_LINK_SPEED, 4, 100000000 },
		{ OID_GEN_TRANSMIT_BUFFER_SPACE, 4, 262144 },
		{ OID_GEN_RECEIVE_BUFFER_SPACE, 4, 262144 },
		{ OID_GEN_VENDOR_ID, 4, 0x155d },
		{ OID_GEN_CURRENT_PACKET_FILTER, 4, 0xd },
		{ OID_GEN_DRIVER_VERSION, 2, 0x100 },
		{ OID_GEN_VENDOR_DRIVER_VERSION, 2, 0x100 },
		{ OID_GEN_MAC_OPTIONS, 4, 0x24d },
		{ OID_GEN_MEDIA_CONNECT_STATUS, 4, 0 },
		{ OID_GEN_MAXIMUM_SEND_PACKETS, 4, 0xffffffff },
		{ OID_802_3_MAXIMUM_LIST_SIZE, 4, 32 },
		{ OID_802_3_RCV_ERROR_ALIGNMENT, 4, 0 },
		{ OID_802_3_XMIT_ONE_COLLISION, 4, 0 },
		{ OID_802_3_XMIT_MORE_COLLISIONS, 4, 0 },
		{ OID_GEN_BYTES_RCV, 8, 64 + 100 },
		{ OID_GEN_BYTES_XMIT, 8, 60 },
		{ OID_GEN_RCV_OK, 8, 2 },
		{ OID_GEN_XMIT_OK, 8, 1 },
		{ OID_GEN_RCV_ERROR, 8, 0 },
		{ OID_GEN_XMIT_ERROR, 8, 0 },
		{ OID_GEN_RCV_NO_BUFFER, 8, 0 },
		{ OID_GEN_DIRECTED_FRAMES_RCV, 8, 1 },
		{ OID_GEN_DIRECTED_BYTES_RCV, 8, 100 },
		{ OID_GEN_BROADCAST_FRAMES_RCV, 8, 1 },
		{ OID_GEN_BROADCAST_BYTES_RCV, 8, 64 },
		{ OID_GEN_MULTICAST_FRAMES_RCV, 8, 0 },
		{ OID_GEN_MULTICAST_BYTES_RCV, 8, 0 },
		{ OID_GEN_DIRECTED_FRAMES_XMIT, 8, 0 },
		{ OID_GEN_DIRECTED_BYTES_XMIT, 8, 0 },
		{ OID_GEN_MULTICAST_FRAMES_XMIT, 8, 1 },
		{ OID_GEN_MULTICAST_BYTES_XMIT, 8, 60 },
		{ OID_GEN_BROADCAST_FRAMES_XMIT, 8, 0 },
		{ OID_GEN_BROADCAST_BYTES_XMIT, 8, 0 },
	};
	static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 0, 0, 1 };
	struct world *w = up(16);
	struct vswitch_frame f = { .len = 64, .head_bytes = 64 };
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint8_t frame[60], m[200], a[1024];
	uint32_t n;

	make_frame(frame, 60, multicast, world_mac, 0);
	n = make_packet(m, NULL, 0, frame, 60, 0);
	world_write(w, 1, 0, m, n);
	guest_put_section(w, 1, 0, n);
	guest_go(w);
	guest_sent_status(w, 1);
	make_frame(f.head, 64, world_broadcast, world_peer, 0);
	world_deliver(w, &f, 1);
	make_frame(f.head, 100, world_mac, world_peer, 0);
	f.len = f.head_bytes = 100;
	world_deliver(w, &f, 1);
	while (guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx))
		guest_complete(w, rx.id);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 0;

		CU_ASSERT_EQUAL(guest_query(w, rows[i].oid, a, &n), 0);
		memcpy(&v, a, n < 8 ? n : 8);
		if (n != rows[i].bytes || v != rows[i].value)
			printf("OID %#x: %u bytes, %#llx\n", rows[i].oid, n, (unsigned long long)v);
		CU_ASSERT_EQUAL(n, rows[i].bytes);
		CU_ASSERT_EQUAL(v, rows[i].value);
	}
	world_destroy(w);
}

static void addresses_names_and_structures_are_answered(void)
{
	static const char name[] = "vm3/nic0";
	const struct ndis_object ask = { NDIS_OBJECT_OFFLOAD, 3, to_le16(156) };
	struct world *w = up(16);
	uint8_t a[1024];
	uint32_t n;

	CU_ASSERT_EQUAL(guest_query(w, OID_802_3_PERMANENT_ADDRESS, a, &n), 0);
	CU_ASSERT(n == 6 && !memcmp(a, world_mac, 6));
	CU_ASSERT_EQUAL(guest_query(w, OID_802_3_CURRENT_ADDRESS, a, &n), 0);
	CU_ASSERT(n == 6 && !memcmp(a, world_mac, 6));
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_VENDOR_DESCRIPTION, a, &n), 0);
	CU_ASSERT_EQUAL(n, 21);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_FRIENDLY_NAME, a, &n), 0);
	CU_ASSERT_EQUAL(n, 512);
	for (unsigned i = 0; i < 256; i++)
		CU_ASSERT_EQUAL(a[2 * i] | a[2 * i + 1] << 8, i < sizeof(name) ? name[i] : 0);

	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_LINK_STATE, a, &n), 0);
	CU_ASSERT_EQUAL(n, 40);
	CU_ASSERT_EQUAL(u32_at(a, 0), 0x80 | 1 << 8 | 40 << 16);
	CU_ASSERT_EQUAL(u32_at(a, 4), 1);
	CU_ASSERT_EQUAL(u32_at(a, 16), 10000000000 & 0xffffffff);
	CU_ASSERT_EQUAL(u32_at(a, 20), 10000000000 >> 32);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_MAX_LINK_SPEED, a, &n), 0);
	CU_ASSERT_EQUAL(n, 16);
	CU_ASSERT_EQUAL(u32_at(a, 12), 10000000000 >> 32);

	CU_ASSERT_EQUAL(guest_query_with(w, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &ask, sizeof(ask), a, &n), 0);
	CU_ASSERT_EQUAL(n, 156);
	CU_ASSERT_EQUAL(u32_at(a, 0), 0xa7 | 3 << 8 | 156 << 16);
	for (unsigned i = 4; i < 156; i++)
		CU_ASSERT_EQUAL(a[i], 0);
	CU_ASSERT_EQUAL(guest_query(w, OID_TCP_OFFLOAD_CURRENT_CONFIG, a, &n), 0);
	CU_ASSERT_EQUAL(n, 156);
	CU_ASSERT_EQUAL(guest_query(w, OID_OFFLOAD_ENCAPSULATION, a, &n), 0);
	CU_ASSERT_EQUAL(n, 28);
	CU_ASSERT_EQUAL(u32_at(a, 0), 0xa8 | 1 << 8 | 28 << 16);
	CU_ASSERT(u32_at(a, 4) == 1 && u32_at(a, 8) == 2 && u32_at(a, 12) == 14 && u32_at(a, 24) == 14);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_RECEIVE_SCALE_CAPABILITIES, a, &n), 0);
	CU_ASSERT_EQUAL(n, 18);
	CU_ASSERT_EQUAL(u32_at(a, 0), 0x88 | 2 << 8 | 18 << 16);
	CU_ASSERT_EQUAL(u32_at(a, 4), 0x301);
	CU_ASSERT_EQUAL(u32_at(a, 12), 1);
	CU_ASSERT_EQUAL(a[16] | a[17] << 8, 128);
	world_destroy(w);
}

static void an_oid_that_there_is_not_is_not_supported(void)
{
	static const uint32_t oids[] = {
		0, 1, 0x00010100, OID_GEN_PROTOCOL_OPTIONS, OID_GEN_LINK_PARAMETERS, OID_GEN_INTERRUPT_MODERATION,
		OID_GEN_MACHINE_NAME, OID_TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG, 0xfc01020f, 0x00010117, 0xffffffff,
		OID_TCP_OFFLOAD_PARAMETERS, OID_GEN_RNDIS_CONFIG_PARAMETER,
	};
	struct world *w = up(16);
	uint8_t a[1024];
	uint32_t n;

	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++) {
		CU_ASSERT_EQUAL(guest_query(w, oids[i], a, &n), RNDIS_STATUS_NOT_SUPPORTED);
		CU_ASSERT_EQUAL(n, 0);
	}
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_LOOKAHEAD, 100), RNDIS_STATUS_NOT_SUPPORTED);
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_MACHINE_NAME, 100), RNDIS_STATUS_NOT_SUPPORTED);
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_802_3_PERMANENT_ADDRESS, 100), RNDIS_STATUS_NOT_SUPPORTED);
	CU_ASSERT_EQUAL(world_counter(w, "oid-unknown"), sizeof(oids) / sizeof(oids[0]) + 3);
	world_destroy(w);
}

static void the_supported_list_grows_with_ndis(void)
{
	static const struct {
		uint32_t major, minor, count;
	} rows[] = { { 5, 0, 32 }, { 5, 1, 32 }, { 6, 1, 41 }, { 6, 30, 43 }, { 7, 0, 0 }, { 0, 0, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = world_create();
		uint8_t a[1024];
		uint32_t n;

		world_open(w, 16);
		guest_init(w, NVSP_VERSION_1, 1);
		guest_completion(w, 1, a, sizeof(a));
		guest_ndis_version(w, rows[i].major, rows[i].minor, false);
		guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, WORLD_RECEIVE_HANDLE, 0xcafe);
		guest_completion(w, 79, a, sizeof(a));
		w->version = NVSP_VERSION_1;
		w->slot_bytes = u32_at(a, 16);
		w->slots = u32_at(a, 20);
		CU_ASSERT_EQUAL(guest_query(w, OID_GEN_SUPPORTED_LIST, a, &n),
				rows[i].count ? 0 : RNDIS_STATUS_BAD_VERSION);
		CU_ASSERT_EQUAL(n, 4 * rows[i].count);
		if (rows[i].count) {
			CU_ASSERT_EQUAL(u32_at(a, 0), OID_GEN_SUPPORTED_LIST);
			/* NDIS 5 reads statistics as 32 bits */
			CU_ASSERT_EQUAL(guest_query(w, OID_GEN_XMIT_OK, a, &n), 0);
			CU_ASSERT_EQUAL(n, rows[i].major == 5 ? 4 : 8);
		}
		world_destroy(w);
	}
}

static void a_set_is_checked(void)
{
	static const uint8_t many[33 * 6];
	struct world *w = up(16);
	uint8_t a[1024];
	uint32_t n;

	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_CURRENT_PACKET_FILTER, many, 3), RNDIS_STATUS_INVALID_LENGTH);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_CURRENT_PACKET_FILTER, a, &n), 0);
	CU_ASSERT_EQUAL(u32_at(a, 0), 0xd);
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_CURRENT_PACKET_FILTER, NULL, 0), RNDIS_STATUS_INVALID_LENGTH);
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_NETWORK_LAYER_ADDRESSES, many, 10), 0);
	CU_ASSERT_EQUAL(guest_set(w, OID_802_3_MULTICAST_LIST, many, 7), RNDIS_STATUS_INVALID_LENGTH);
	CU_ASSERT_EQUAL(guest_set(w, OID_802_3_MULTICAST_LIST, many, sizeof(many)), RNDIS_STATUS_RESOURCES);
	CU_ASSERT_EQUAL(guest_set(w, OID_802_3_MULTICAST_LIST, many, 32 * 6), 0);
	CU_ASSERT_EQUAL(guest_query(w, OID_802_3_MULTICAST_LIST, a, &n), 0);
	CU_ASSERT_EQUAL(n, 32 * 6);
	CU_ASSERT_EQUAL(world_counter(w, "oid-bad-input"), 4);
	world_destroy(w);
}

static void put_text(uint8_t *dst, const char *text)
{
	for (size_t i = 0; text[i]; i++) {
		dst[2 * i] = (uint8_t)text[i];
		dst[2 * i + 1] = 0;
	}
}

static void a_mac_address_is_the_configurations(void)
{
	static const struct {
		const char *name, *value;
		uint32_t type, status;
	} rows[] = {
		{ "NetworkAddress", "00155D010203", 2, RNDIS_STATUS_SUCCESS },
		{ "NetworkAddress", "00155d010203", 2, RNDIS_STATUS_SUCCESS },
		{ "NetworkAddress", "00155d010204", 2, RNDIS_STATUS_NOT_SUPPORTED },
		{ "NetworkAddress", "a2155d010204", 2, RNDIS_STATUS_NOT_SUPPORTED },
		{ "NetworkAddress", "000000000000", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "01155d010203", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "ffffffffffff", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "00155d01020g", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "00155d01020", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "00155d0102033", 2, RNDIS_STATUS_INVALID_DATA },
		{ "NetworkAddress", "00155d010203", 0, RNDIS_STATUS_INVALID_DATA },
		{ "*IPChecksumOffloadIPv4", "3", 2, RNDIS_STATUS_SUCCESS },
		{ "Whatever", "1", 2, RNDIS_STATUS_SUCCESS },
	};
	struct world *w = up(16);
	uint8_t m[300] = { 0 };
	struct rndis_config_parameter *p = (struct rndis_config_parameter *)m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t name = (uint32_t)(2 * strlen(rows[i].name)), value = (uint32_t)(2 * strlen(rows[i].value));

		*p = (struct rndis_config_parameter){
			to_le32(20), to_le32(name), to_le32(rows[i].type), to_le32(20 + name), to_le32(value),
		};
		put_text(m + 20, rows[i].name);
		put_text(m + 20 + name, rows[i].value);
		CU_ASSERT_EQUAL(guest_set(w, OID_GEN_RNDIS_CONFIG_PARAMETER, m, 20 + name + value), rows[i].status);
		if (!i)
			CU_ASSERT_EQUAL(20 + name + value, 72);		/* as Linux sends it */
	}
	/* the structure's own lies */
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_RNDIS_CONFIG_PARAMETER, m, 19), RNDIS_STATUS_INVALID_LENGTH);
	p->name_length = to_le32(256);
	p->value_length = to_le32(2);
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_RNDIS_CONFIG_PARAMETER, m, 290), RNDIS_STATUS_INVALID_DATA);
	p->name_length = to_le32(2);
	p->value_offset = to_le32(300);
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_RNDIS_CONFIG_PARAMETER, m, 290), RNDIS_STATUS_INVALID_DATA);
	p->value_offset = to_le32(20);
	p->name_offset = to_le32(~0u);
	CU_ASSERT_EQUAL(guest_set(w, OID_GEN_RNDIS_CONFIG_PARAMETER, m, 290), RNDIS_STATUS_INVALID_DATA);
	world_destroy(w);
}

/* ---- offloads ---- */

static void offloads_are_taken_masked_and_indicated(void)
{
	static const struct {
		uint32_t size, sent;
		uint8_t type, revision, lso_v1;
		uint32_t status;
	} rows[] = {
		{ 28, 28, NDIS_OBJECT_DEFAULT, 3, 0, 0 },
		{ 22, 22, NDIS_OBJECT_DEFAULT, 2, 0, 0 },	/* Linux, NVSP ≤ 4 */
		{ 20, 20, NDIS_OBJECT_DEFAULT, 1, 1, 0 },
		{ 28, 28, NDIS_OBJECT_DEFAULT, 3, 2, RNDIS_STATUS_NOT_SUPPORTED },
		{ 19, 28, NDIS_OBJECT_DEFAULT, 3, 0, RNDIS_STATUS_INVALID_DATA },
		{ 28, 27, NDIS_OBJECT_DEFAULT, 3, 0, RNDIS_STATUS_INVALID_DATA },
		{ 28, 28, NDIS_OBJECT_OFFLOAD, 3, 0, RNDIS_STATUS_INVALID_DATA },
		{ 28, 28, NDIS_OBJECT_DEFAULT, 0, 0, RNDIS_STATUS_INVALID_DATA },
		{ 28, 3, NDIS_OBJECT_DEFAULT, 3, 0, RNDIS_STATUS_INVALID_DATA },
	};
	struct world *w = up(16);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ndis_offload_parameters p = {
			.header = { rows[i].type, rows[i].revision, to_le16((uint16_t)rows[i].size) },
			.ipv4_checksum = 1, .tcp4_checksum = 4, .tcp6_checksum = 4, .lso_v1 = rows[i].lso_v1,
			.lso_v2_ipv4 = 2, .lso_v2_ipv6 = 2,
		};
		struct vmbus_packet pkt;
		uint8_t a[300];

		CU_ASSERT_EQUAL(guest_set(w, OID_TCP_OFFLOAD_PARAMETERS, &p, rows[i].sent), rows[i].status);
		if (rows[i].status) {
			CU_ASSERT_FALSE(guest_next(w, &pkt));
			continue;
		}
		CU_ASSERT_EQUAL(guest_answer(w, a, sizeof(a)), 20 + 156);	/* behind the SET's answer */
		CU_ASSERT_EQUAL(u32_at(a, 0), RNDIS_INDICATE_STATUS);
		CU_ASSERT_EQUAL(u32_at(a, 4), 20 + 156);
		CU_ASSERT_EQUAL(u32_at(a, 8), RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG);
		CU_ASSERT_EQUAL(u32_at(a, 12), 156);
		CU_ASSERT_EQUAL(u32_at(a, 16), 12);
		CU_ASSERT_EQUAL(u32_at(a, 20), 0xa7 | 3 << 8 | 156 << 16);
	}
	world_destroy(w);
}

static void an_encapsulation_other_than_ethernet_is_refused(void)
{
	struct ndis_offload_encapsulation e = {
		.header = { NDIS_OBJECT_OFFLOAD_ENCAPSULATION, 1, to_le16(28) },
		.ipv4_enabled = to_le32(1), .ipv4_type = to_le32(2), .ipv4_header_bytes = to_le32(14),
		.ipv6_enabled = to_le32(2),
	};
	struct world *w = up(16);

	CU_ASSERT_EQUAL(guest_set(w, OID_OFFLOAD_ENCAPSULATION, &e, 28), 0);
	CU_ASSERT_EQUAL(guest_set(w, OID_OFFLOAD_ENCAPSULATION, &e, 27), RNDIS_STATUS_INVALID_DATA);
	e.ipv4_header_bytes = to_le32(18);
	CU_ASSERT_EQUAL(guest_set(w, OID_OFFLOAD_ENCAPSULATION, &e, 28), RNDIS_STATUS_NOT_SUPPORTED);
	e.ipv4_enabled = to_le32(2);
	CU_ASSERT_EQUAL(guest_set(w, OID_OFFLOAD_ENCAPSULATION, &e, 28), 0);
	e.ipv6_enabled = to_le32(1);
	CU_ASSERT_EQUAL(guest_set(w, OID_OFFLOAD_ENCAPSULATION, &e, 28), RNDIS_STATUS_NOT_SUPPORTED);
	world_destroy(w);
}

static void receive_scaling_is_checked_by_its_offsets(void)
{
	static const struct {
		const char *what;
		uint16_t flags;
		uint32_t hash, table, table_bytes, key, key_bytes, entry, sent, status;
	} rows[] = {
		{ "disable", 0x10, 1, 0, 0, 0, 0, 0, 40, 0 },
		{ "disable again", 0x10, 1, 0, 0, 0, 0, 0, 40, 0 },
		{ "no hash function", 0, 0x200, 0, 0, 0, 0, 0, 40, 0 },
		{ "too short", 0x10, 1, 0, 0, 0, 0, 0, 39, RNDIS_STATUS_INVALID_LENGTH },
		{ "table then key, as Linux", 0, 0x201, 40, 512, 552, 40, 0, 592, 0 },
		{ "key then table, as FreeBSD", 0, 0x201, 80, 512, 40, 40, 0, 592, 0 },
		{ "a short table", 0, 0x201, 80, 4, 40, 40, 0, 84, 0 },
		{ "a table longer than ours", 0, 0x201, 80, 1024, 40, 40, 0, 1104, 0 },
		{ "no table", 0, 0x201, 80, 0, 40, 40, 0, 592, RNDIS_STATUS_INVALID_DATA },
		{ "odd table", 0, 0x201, 80, 510, 40, 40, 0, 592, RNDIS_STATUS_INVALID_DATA },
		{ "short key", 0, 0x201, 80, 512, 40, 39, 0, 592, RNDIS_STATUS_INVALID_DATA },
		{ "a queue that there is not", 0, 0x201, 80, 512, 40, 40, 1, 592, RNDIS_STATUS_INVALID_DATA },
		{ "table outside", 0, 0x201, 81, 512, 40, 40, 0, 592, RNDIS_STATUS_FAILURE },
		{ "key outside", 0, 0x201, 80, 512, 553, 40, 0, 592, RNDIS_STATUS_FAILURE },
		{ "offset all ones", 0, 0x201, ~0u, 512, 40, 40, 0, 592, RNDIS_STATUS_FAILURE },
	};
	struct world *w = up(16);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union {
			struct ndis_rss_parameters p;
			uint8_t bytes[1200];
		} m = { .p = {
			.header = { NDIS_OBJECT_RSS_PARAMETERS, 2, to_le16(40) }, .flags = to_le16(rows[i].flags),
			.hash_info = to_le32(rows[i].hash), .table_bytes = to_le16((uint16_t)rows[i].table_bytes),
			.table_offset = to_le32(rows[i].table), .key_bytes = to_le16((uint16_t)rows[i].key_bytes),
			.key_offset = to_le32(rows[i].key),
		} };
		uint32_t status;

		if (rows[i].entry)
			m.bytes[80 + 100] = 1;
		status = guest_set(w, OID_GEN_RECEIVE_SCALE_PARAMETERS, m.bytes, rows[i].sent);
		if (status != rows[i].status)
			printf("row: %s: %#x\n", rows[i].what, status);
		CU_ASSERT_EQUAL(status, rows[i].status);
		if (!rows[i].status)
			CU_ASSERT_EQUAL(w->nic->session.rss.enabled, rows[i].table_bytes > 0);
	}
	world_destroy(w);
}

/* ---- link ---- */

#define SECOND 1000000000ull

/* The next indication: 1 up, 0 down, -1 none. */
static int indicated(struct world *w)
{
	uint8_t a[64];

	if (guest_answer(w, a, sizeof(a)) != 20 || u32_at(a, 0) != RNDIS_INDICATE_STATUS || u32_at(a, 4) != 20 ||
	    u32_at(a, 12) || u32_at(a, 16))
		return -1;
	return u32_at(a, 8) == RNDIS_STATUS_MEDIA_CONNECT ? 1 : u32_at(a, 8) == RNDIS_STATUS_MEDIA_DISCONNECT ? 0 : -2;
}

static void link_changes_are_indicated_with_distance(void)
{
	struct world *w = up(16);
	struct netvsp_status s;
	uint8_t a[64];
	uint32_t n;

	netvsp_set_link(w->nic, true);			/* no news */
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), -1);
	netvsp_set_link(w->nic, false);
	world_run(w);
	CU_ASSERT_TRUE(w->port->down);
	CU_ASSERT_EQUAL(indicated(w), 0);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_MEDIA_CONNECT_STATUS, a, &n), 0);
	CU_ASSERT_EQUAL(u32_at(a, 0), 1);
	CU_ASSERT_EQUAL(guest_query(w, OID_GEN_LINK_STATE, a, &n), 0);
	CU_ASSERT_EQUAL(u32_at(a, 4), 2);
	netvsp_set_link(w->nic, true);
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), -1);		/* too soon for Linux */
	world_advance(w, 2 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), -1);
	world_advance(w, SECOND);
	CU_ASSERT_EQUAL(indicated(w), 1);
	netvsp_status(w->nic, &s);
	CU_ASSERT_TRUE(s.link_up);
	/* many changes at once: what counts is the last */
	for (unsigned i = 0; i < 7; i++)
		netvsp_set_link(w->nic, i & 1);
	world_advance(w, 10 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), 0);
	CU_ASSERT_EQUAL(indicated(w), -1);
	world_advance(w, 10 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), -1);
	world_destroy(w);
}

static void a_move_to_another_port_is_seen_as_down_and_up(void)
{
	struct world *w = up(16);

	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->port), 0);		/* where it is */
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), -1);
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->other_port), 0);
	CU_ASSERT_EQUAL(w->port->nic, NULL);
	CU_ASSERT_NOT_EQUAL(w->other_port->nic, NULL);
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), 0);
	CU_ASSERT_EQUAL(indicated(w), -1);
	world_advance(w, 3 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), 1);
	world_advance(w, 10 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), -1);
	/* none, then one */
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, NULL), 0);
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), 0);
	world_advance(w, 3 * SECOND);
	CU_ASSERT_EQUAL(indicated(w), -1);
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->port), 0);
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), 1);
	/* taken */
	w->other_port->nic = w->port->nic;
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->other_port), -EBUSY);
	CU_ASSERT_EQUAL(w->port->nic, NULL);
	w->other_port->nic = NULL;
	world_destroy(w);
}

static void an_indication_waits_for_a_buffer(void)
{
	struct world *w = up(64);
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint64_t first = 0;
	unsigned n = 0;

	for (uint32_t i = 0; i < 16; i++)
		put_keepalive(w, i);
	guest_go(w);
	while (guest_next(w, &pkt))
		if (pkt.type != VMBUS_PKT_COMPLETION && guest_parse_rx(w, &pkt, &rx) && !n++)
			first = rx.id;
	CU_ASSERT_EQUAL(n, 16);
	netvsp_set_link(w->nic, false);
	CU_ASSERT_TRUE(world_run(w));
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	guest_complete(w, first);
	CU_ASSERT_EQUAL(indicated(w), 0);
	world_destroy(w);
}

static void a_guest_that_is_not_up_hears_nothing(void)
{
	struct world *w = world_create();
	struct vmbus_packet pkt;
	uint8_t a[64];

	netvsp_set_link(w->nic, false);
	world_open(w, 16);
	netvsp_set_link(w->nic, true);
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_5, 1514, true));
	netvsp_set_link(w->nic, false);
	world_advance(w, 10 * SECOND);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	guest_rndis_initialize(w, 2, 1);
	guest_sent_status(w, 2);
	guest_answer(w, a, sizeof(a));
	CU_ASSERT_FALSE(guest_next(w, &pkt));	/* it will ask */
	netvsp_set_link(w->nic, true);
	world_run(w);
	CU_ASSERT_EQUAL(indicated(w), 1);
	netvsp_set_link(w->nic, false);		/* the timer runs when the channel goes */
	world_close(w);
	CU_ASSERT_EQUAL(w->nic->link.timer.loop, NULL);
	world_destroy(w);
}

static const struct hv_test tests[] = {
	{ "INITIALIZE is answered after its packet", initialize_is_answered_after_its_packet },
	{ "a wrong RNDIS version is refused", a_wrong_rndis_version_is_refused },
	{ "KEEPALIVE and RESET are answered and HALT is not", keepalive_and_reset_are_answered_and_halt_is_not },
	{ "what a guest may not say is completed with a failure",
	  what_a_guest_may_not_say_is_completed_with_a_failure },
	{ "a request may lie in a section", a_request_may_lie_in_a_section },
	{ "answers wait for their buffers and keep their order", answers_wait_for_their_buffers_and_keep_their_order },
	{ "an answer never overtakes its packet's completion", an_answer_never_overtakes_its_packets_completion },
	{ "the queue holds 100 KiB", the_queue_holds_100_kib },
	{ "numbers are answered", numbers_are_answered },
	{ "addresses, names and structures are answered", addresses_names_and_structures_are_answered },
	{ "an OID that there is not is not supported", an_oid_that_there_is_not_is_not_supported },
	{ "the supported list grows with NDIS", the_supported_list_grows_with_ndis },
	{ "a SET is checked", a_set_is_checked },
	{ "a MAC address is the configuration's", a_mac_address_is_the_configurations },
	{ "offloads are taken, masked and indicated", offloads_are_taken_masked_and_indicated },
	{ "an encapsulation other than Ethernet is refused", an_encapsulation_other_than_ethernet_is_refused },
	{ "receive scaling is checked by its offsets", receive_scaling_is_checked_by_its_offsets },
	{ "link changes are indicated with distance", link_changes_are_indicated_with_distance },
	{ "a move to another port is seen as down and up", a_move_to_another_port_is_seen_as_down_and_up },
	{ "an indication waits for a buffer", an_indication_waits_for_a_buffer },
	{ "a guest that is not up hears nothing", a_guest_that_is_not_up_hears_nothing },
};

int main(void)
{
	world_unused();
	return hv_test_main("netvsp/control", tests, sizeof(tests) / sizeof(tests[0]));
}
