/* SPDX-License-Identifier: MIT */
/* The session: versions, configuration, buffers, their end; what guests of every kind say, and what they must not say. */
#include "netvsp/test_world.h"

#include "base/test.h"

static const uint32_t versions[] = {
	NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4, NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_6_1,
};
#define NUM_VERSIONS (sizeof(versions) / sizeof(versions[0]))

static bool ring_empty(struct world *w)
{
	struct vmbus_packet pkt;

	return !guest_next(w, &pkt);
}

static void the_offer_is_a_network_adapter(void)
{
	static const uint8_t class[16] = {
		0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46, 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e,
	};
	struct world *w = world_create();
	uint8_t instance[16] = { 1, 2, 3, 4 };

	CU_ASSERT(!memcmp(w->bus.offer.interface_type, class, 16));
	CU_ASSERT(!memcmp(w->bus.offer.instance, instance, 16));
	CU_ASSERT_EQUAL(w->bus.offer.flags, 0);
	world_destroy(w);
}

static void every_version_is_accepted_and_no_other(void)
{
	static const uint32_t unknown[] = { 0, 1, 3, 0x00010000, 0x00030000, 0x00030003, 0x00060002, 0x00070000, ~0u };
	struct world *w = world_create();
	struct nvsp_init_complete a;

	for (size_t i = 0; i < NUM_VERSIONS; i++) {
		world_open(w, 8);
		for (size_t k = 0; k < sizeof(unknown) / sizeof(unknown[0]); k++) {
			guest_init(w, unknown[k], 5);
			CU_ASSERT_EQUAL(guest_completion(w, 5, &a, sizeof(a)), 32);
			CU_ASSERT_NOT_EQUAL(le32_get(a.status), NVSP_STATUS_SUCCESS);
			CU_ASSERT_EQUAL(world_state(w), NETVSP_VERSION);
		}
		guest_init(w, versions[i], 0x1122334455667788);
		/* 28 bytes, 32 on the ring: Linux waits for ever for less; the size of no version yet */
		CU_ASSERT_EQUAL(guest_completion(w, 0x1122334455667788, &a, sizeof(a)), 32);
		CU_ASSERT_EQUAL(le32_get(a.type), NVSP_INIT_COMPLETE);
		CU_ASSERT_EQUAL(le32_get(a.status), NVSP_STATUS_SUCCESS);
		CU_ASSERT_EQUAL(le32_get(a.max_mdl_chain), 34);
		CU_ASSERT_EQUAL(le32_get(a.deprecated_version), versions[i] == NVSP_VERSION_1 ? 2 : 0xffffffff);
		CU_ASSERT_EQUAL(world_state(w), NETVSP_INIT);
		world_close(w);
	}
	CU_ASSERT_EQUAL(world_counter(w, "nvsp-bad-version"), 9 * NUM_VERSIONS);
	world_destroy(w);
}

static void frames_may_flow_after_every_versions_handshake(void)
{
	struct world *w = world_create();
	struct netvsp_status s;

	for (size_t i = 0; i < NUM_VERSIONS; i++) {
		const uint32_t frame_bytes = versions[i] == NVSP_VERSION_1 ? 1514 : 9014;

		world_open(w, 8);
		CU_ASSERT_TRUE(guest_handshake(w, versions[i], frame_bytes, true));
		CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
		CU_ASSERT_TRUE(ring_empty(w));	/* CONFIG and NDIS_VERSION asked for no answer */
		CU_ASSERT_EQUAL(w->slot_bytes, (256 + frame_bytes + 4 + 36 + 63) / 64 * 64);
		CU_ASSERT_EQUAL(w->slots, 1024 * 4096 / w->slot_bytes);
		netvsp_status(w->nic, &s);
		CU_ASSERT_EQUAL(s.nvsp_version, versions[i]);
		CU_ASSERT_EQUAL(s.mtu, frame_bytes - 14);
		CU_ASSERT_EQUAL(s.receive_buffers, w->slots);
		CU_ASSERT_EQUAL(s.receive_buffers_free, w->slots);
		CU_ASSERT_EQUAL(w->port->nic->max_frame_bytes, frame_bytes);
		CU_ASSERT_EQUAL(w->port->nic->caps, versions[i] == NVSP_VERSION_1 ? 0 : VSWITCH_CAN_VLAN);
		world_close(w);
		CU_ASSERT_EQUAL(world_state(w), NETVSP_CLOSED);
	}
	world_destroy(w);
}

static void a_mtu_out_of_bounds_is_the_usual_one(void)
{
	static const struct {
		uint32_t said, agreed;
	} rows[] = {
		{ 0, 1514 }, { 1500, 1514 } /* FreeBSD */, { 1513, 1514 }, { 1514, 1514 }, { 1515, 1515 },
		{ 9216, 9216 }, { 9217, 1514 }, { ~0u, 1514 },
	};
	struct world *w = world_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_open(w, 8);
		CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_5, rows[i].said, false));
		CU_ASSERT_EQUAL(w->nic->session.frame_bytes, rows[i].agreed);
		world_close(w);
	}
	world_destroy(w);
}

/* UEFI and iPXE ask for answers that others must not get. */
static void an_answer_goes_to_whom_asks_for_it(void)
{
	struct world *w = world_create();
	uint8_t empty[64];

	world_open(w, 8);
	guest_init(w, NVSP_VERSION_5, 1);
	guest_completion(w, 1, empty, sizeof(empty));
	guest_config(w, 1514, 0, true);
	CU_ASSERT_EQUAL(guest_completion(w, 77, empty, sizeof(empty)), 0);
	guest_ndis_version(w, 6, 30, true);
	CU_ASSERT_EQUAL(guest_completion(w, 78, empty, sizeof(empty)), 0);
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, WORLD_RECEIVE_HANDLE, 0xbead);
	guest_completion(w, 79, empty, sizeof(empty));
	guest_buffer(w, NVSP_SEND_SEND_BUFFER, WORLD_SEND_HANDLE, 0xface);
	CU_ASSERT_EQUAL(guest_completion(w, 79, empty, sizeof(empty)), 32);
	CU_ASSERT_EQUAL(u32_at(empty, 0), NVSP_SEND_SEND_BUFFER_COMPLETE);
	CU_ASSERT_EQUAL(u32_at(empty, 8), 6144);
	guest_revoke(w, NVSP_REVOKE_RECEIVE_BUFFER, 0xbead, true);
	CU_ASSERT_EQUAL(guest_completion(w, 80, empty, sizeof(empty)), 0);
	guest_revoke(w, NVSP_REVOKE_SEND_BUFFER, 0xface, false);
	CU_ASSERT_TRUE(ring_empty(w));
	CU_ASSERT_EQUAL(world_counter(w, "revoke-bad-id"), 0);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_REVOKED);
	CU_ASSERT_EQUAL(w->bus.gpadl[0].refs + w->bus.gpadl[1].refs, 0);
	world_destroy(w);
}

static void messages_grow_to_40_bytes_with_6_1(void)
{
	struct world *w = world_create();
	uint8_t a[64];

	for (size_t i = 0; i < NUM_VERSIONS; i++) {
		const int bytes = versions[i] == NVSP_VERSION_6_1 ? 40 : 32;

		world_open(w, 8);
		guest_handshake(w, versions[i], 1514, false);
		guest_buffer(w, NVSP_SEND_SEND_BUFFER, WORLD_SEND_HANDLE, 0);
		CU_ASSERT_EQUAL(guest_completion(w, 79, a, sizeof(a)), bytes);
		guest_rndis_initialize(w, 6, 1);
		CU_ASSERT_EQUAL(guest_completion(w, 6, a, sizeof(a)), bytes);
		CU_ASSERT_EQUAL(guest_answer(w, a, sizeof(a)), 52);	/* checks the size of its packet */
		world_close(w);
	}
	world_destroy(w);
}

/* ---- order ---- */

enum step { INIT, CONFIG, NDIS, RECEIVE, SEND, RNDIS, QUERY_EX, SUBCHANNEL, SWITCH, REVOKE_R, REVOKE_S, END };

static void take_step(struct world *w, enum step s)
{
	const struct nvsp_oid_query_ex query = { .type = to_le32(NVSP_OID_QUERY_EX), .oid = to_le32(0x10101) };
	const struct nvsp_subchannel_request sub = { to_le32(NVSP_SUBCHANNEL), to_le32(1), to_le32(0) };
	const struct nvsp_switch_data_path path = { to_le32(NVSP_SWITCH_DATA_PATH), to_le32(1) };

	switch (s) {
	case INIT:
		guest_init(w, NVSP_VERSION_5, 1);
		break;
	case CONFIG:
		guest_config(w, 1514, 0, false);
		break;
	case NDIS:
		guest_ndis_version(w, 6, 30, false);
		break;
	case RECEIVE:
		guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, WORLD_RECEIVE_HANDLE, 0xcafe);
		break;
	case SEND:
		guest_buffer(w, NVSP_SEND_SEND_BUFFER, WORLD_SEND_HANDLE, 0);
		break;
	case RNDIS:
		guest_rndis_initialize(w, 2, 1);
		break;
	case QUERY_EX:
		guest_send(w, true, 3, &query, sizeof(query));
		break;
	case SUBCHANNEL:
		guest_send(w, true, 3, &sub, sizeof(sub));
		break;
	case SWITCH:
		guest_send(w, true, 3, &path, sizeof(path));
		break;
	case REVOKE_R:
		guest_revoke(w, NVSP_REVOKE_RECEIVE_BUFFER, 0xcafe, false);
		break;
	case REVOKE_S:
		guest_revoke(w, NVSP_REVOKE_SEND_BUFFER, 0, false);
		break;
	case END:
		break;
	}
}

static void each_state_takes_its_messages_only(void)
{
	static const struct {
		const char *what;
		enum step step[10];
		enum netvsp_state state;
	} rows[] = {
		{ "config first", { CONFIG, END }, NETVSP_FAILED },
		{ "receive buffer first", { RECEIVE, END }, NETVSP_FAILED },
		{ "rndis first", { RNDIS, END }, NETVSP_FAILED },
		{ "revoke first", { REVOKE_R, END }, NETVSP_FAILED },
		{ "sub-channels first", { SUBCHANNEL, END }, NETVSP_FAILED },
		{ "init twice", { INIT, INIT, END }, NETVSP_FAILED },
		{ "config twice", { INIT, CONFIG, CONFIG, END }, NETVSP_FAILED },
		{ "version twice", { INIT, NDIS, NDIS, END }, NETVSP_FAILED },
		{ "receive buffer before config", { INIT, RECEIVE, END }, NETVSP_FAILED },
		{ "receive buffer twice", { INIT, CONFIG, RECEIVE, RECEIVE, END }, NETVSP_FAILED },
		{ "send buffer twice", { INIT, SEND, SEND, END }, NETVSP_FAILED },
		{ "rndis without receive buffer", { INIT, CONFIG, NDIS, RNDIS, END }, NETVSP_FAILED },
		{ "rndis without receive but send buffer", { INIT, CONFIG, NDIS, SEND, RNDIS, END }, NETVSP_FAILED },
		{ "rndis without version", { INIT, CONFIG, RECEIVE, SEND, RNDIS, END }, NETVSP_FAILED },
		{ "sub-channels too early", { INIT, SUBCHANNEL, END }, NETVSP_FAILED },
		{ "query too early", { INIT, QUERY_EX, END }, NETVSP_FAILED },
		{ "switch too early", { INIT, SWITCH, END }, NETVSP_FAILED },
		{ "send buffer after the first packet", { INIT, CONFIG, NDIS, RECEIVE, RNDIS, SEND, END }, NETVSP_FAILED },
		{ "init when ready", { INIT, CONFIG, NDIS, RECEIVE, SEND, INIT, END }, NETVSP_FAILED },
		{ "config when ready", { INIT, CONFIG, NDIS, RECEIVE, SEND, CONFIG, END }, NETVSP_FAILED },
		{ "given up half-way", { INIT, CONFIG, RECEIVE, REVOKE_R, END }, NETVSP_REVOKED },
		{ "anything after a revoke", { INIT, CONFIG, NDIS, RECEIVE, SEND, REVOKE_R, RNDIS, INIT, QUERY_EX, END },
		  NETVSP_REVOKED },
		{ "the other order", { INIT, SEND, NDIS, CONFIG, RECEIVE, RNDIS, END }, NETVSP_READY },
		{ "no send buffer", { INIT, CONFIG, NDIS, RECEIVE, RNDIS, END }, NETVSP_READY },
		{ "all", { INIT, CONFIG, NDIS, RECEIVE, SEND, SWITCH, QUERY_EX, SUBCHANNEL, END }, NETVSP_READY },
	};
	struct world *w = world_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = world_counter(w, "nvsp-wrong-state");

		world_open(w, 8);
		w->version = NVSP_VERSION_5;
		for (unsigned k = 0; rows[i].step[k] != END; k++)
			take_step(w, rows[i].step[k]);
		if (world_state(w) != rows[i].state)
			printf("row: %s: state %d\n", rows[i].what, world_state(w));
		CU_ASSERT_EQUAL(world_state(w), rows[i].state);
		CU_ASSERT_EQUAL(world_counter(w, "nvsp-wrong-state") - before, rows[i].state == NETVSP_FAILED);
		CU_ASSERT_EQUAL(w->bus.ch.errors, rows[i].state == NETVSP_FAILED);
		world_close(w);		/* checks that no GPADL is held any more */
	}
	world_destroy(w);
}

static void a_dead_channel_answers_nothing_until_it_is_reopened(void)
{
	struct world *w = world_create();
	struct vmbus_packet pkt;

	CU_ASSERT_TRUE(guest_up(w, 8));
	guest_init(w, NVSP_VERSION_5, 1);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	guest_rndis_initialize(w, 2, 1);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(w->bus.ch.errors, 1);
	world_close(w);
	CU_ASSERT_TRUE(guest_up(w, 8));
	world_destroy(w);
}

/* ---- lies ---- */

static void a_message_is_as_long_as_its_fields(void)
{
	static const struct {
		uint32_t type, bytes;	/* one less than the fields that are read; all within a multiple of 8 */
		uint32_t version;
		const char *counter;
	} rows[] = {
		{ NVSP_INIT, 0, 0, "nvsp-short" },
		{ NVSP_SEND_RECEIVE_BUFFER, 8, NVSP_VERSION_1, "nvsp-short" },
		{ NVSP_SEND_NDIS_VERSION, 8, NVSP_VERSION_1, "nvsp-short" },
		{ NVSP_SEND_NDIS_CONFIG, 16, NVSP_VERSION_2, "nvsp-short" },
		{ NVSP_SUBCHANNEL, 8, NVSP_VERSION_5, "nvsp-short" },
		{ NVSP_OID_QUERY_EX, 8, NVSP_VERSION_5, "nvsp-short" },
		{ NVSP_SEND_NDIS_CONFIG, 40, NVSP_VERSION_1, "nvsp-above-version" },
		{ NVSP_SWITCH_DATA_PATH, 40, NVSP_VERSION_2, "nvsp-above-version" },
		{ NVSP_SUBCHANNEL, 40, NVSP_VERSION_4, "nvsp-above-version" },
		{ NVSP_OID_QUERY_EX, 40, NVSP_VERSION_4, "nvsp-above-version" },
		{ NVSP_INIT_COMPLETE, 40, NVSP_VERSION_5, "nvsp-unknown-type" },
		{ NVSP_SEND_VF_ASSOCIATION, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ NVSP_SEND_INDIRECTION_TABLE, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ NVSP_PD_API, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ NVSP_PD_POST_BATCH, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ 109, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ 0, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ ~0u, 40, NVSP_VERSION_6_1, "nvsp-unknown-type" },
		{ NVSP_SEND_RNDIS_PACKET, 8, NVSP_VERSION_1, "nvsp-short" },
	};
	struct world *w = world_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = world_counter(w, rows[i].counter);
		uint8_t message[40] = { 0 };
		const le32 type = to_le32(rows[i].type);

		world_open(w, 8);
		if (rows[i].version)
			guest_handshake(w, rows[i].version, 1514, false);
		memcpy(message, &type, sizeof(type));
		guest_send(w, true, 9, message, rows[i].bytes);
		if (world_counter(w, rows[i].counter) != before + 1)
			printf("row: type %u, %u bytes\n", rows[i].type, rows[i].bytes);
		CU_ASSERT_EQUAL(world_counter(w, rows[i].counter), before + 1);
		CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
		CU_ASSERT_TRUE(ring_empty(w));
		world_close(w);
	}
	world_destroy(w);
}

static void a_bad_buffer_is_refused_and_a_good_one_taken_afterwards(void)
{
	struct world *w = world_create();
	uint8_t a[64];

	world_open(w, 8);
	guest_init(w, NVSP_VERSION_5, 1);
	guest_completion(w, 1, a, sizeof(a));
	guest_config(w, 1514, 0, false);
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, 0x1234, 0xcafe);
	CU_ASSERT_EQUAL(guest_completion(w, 79, a, sizeof(a)), 32);
	CU_ASSERT_EQUAL(u32_at(a, 4), NVSP_STATUS_FAILURE);
	CU_ASSERT_EQUAL(world_counter(w, "buffer-bad-gpadl"), 1);

	world_gpadl(w, 2, 0x77, WORLD_FREE_AT, 7, false);	/* 15 sub-allocations; 16 are for control */
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, 0x77, 0xcafe);
	CU_ASSERT_EQUAL(guest_completion(w, 79, a, sizeof(a)), 32);
	CU_ASSERT_EQUAL(u32_at(a, 4), NVSP_STATUS_FAILURE);
	world_gpadl(w, 3, 0x88, WORLD_FREE_AT, 1, false);	/* less than a section */
	guest_buffer(w, NVSP_SEND_SEND_BUFFER, 0x88, 0);
	guest_completion(w, 79, a, sizeof(a));
	CU_ASSERT_EQUAL(u32_at(a, 4), NVSP_STATUS_FAILURE);
	CU_ASSERT_EQUAL(world_counter(w, "buffer-too-small"), 2);
	CU_ASSERT_EQUAL(w->bus.gpadl[2].refs + w->bus.gpadl[3].refs, 0);

	world_gpadl(w, 2, 0x77, WORLD_FREE_AT, 8, false);	/* 17 */
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, 0x77, 0xcafe);
	guest_completion(w, 79, a, sizeof(a));
	CU_ASSERT_EQUAL(u32_at(a, 4), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(u32_at(a, 20), 17);
	CU_ASSERT_EQUAL(u32_at(a, 24), 17 * u32_at(a, 16));
	world_destroy(w);
}

static void sub_channels_are_refused_while_there_is_one_queue(void)
{
	static const struct {
		uint32_t operation, wanted, status;
	} rows[] = {
		{ 1, 1, NVSP_STATUS_FAILURE }, { 1, 2, NVSP_STATUS_FAILURE }, { 1, ~0u, NVSP_STATUS_FAILURE },
		{ 0, 0, NVSP_STATUS_FAILURE }, { 2, 0, NVSP_STATUS_FAILURE }, { 1, 0, NVSP_STATUS_SUCCESS },
	};
	struct world *w = world_create();
	struct nvsp_subchannel_complete a;

	CU_ASSERT_TRUE(guest_up(w, 8));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct nvsp_subchannel_request m = {
			to_le32(NVSP_SUBCHANNEL), to_le32(rows[i].operation), to_le32(rows[i].wanted),
		};

		guest_send(w, true, 4, &m, sizeof(m));
		CU_ASSERT_EQUAL(guest_completion(w, 4, &a, sizeof(a)), 40);
		CU_ASSERT_EQUAL(le32_get(a.type), NVSP_SUBCHANNEL);
		CU_ASSERT_EQUAL(le32_get(a.status), rows[i].status);
		CU_ASSERT_EQUAL(le32_get(a.count), 0);
	}
	CU_ASSERT_EQUAL(world_counter(w, "subchannel-refused"), 5);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	world_destroy(w);
}

static void a_data_path_switch_is_completed_with_nothing_in_it(void)
{
	struct world *w = world_create();
	uint8_t a[64];

	CU_ASSERT_TRUE(guest_up(w, 8));
	take_step(w, SWITCH);
	CU_ASSERT_EQUAL(guest_completion(w, 3, a, sizeof(a)), 0);
	take_step(w, QUERY_EX);
	CU_ASSERT_EQUAL(guest_completion(w, 3, a, sizeof(a)), 40);
	CU_ASSERT_EQUAL(u32_at(a, 0), NVSP_OID_QUERY_EX_COMPLETE);
	CU_ASSERT_EQUAL(u32_at(a, 4), RNDIS_STATUS_NOT_SUPPORTED);
	world_destroy(w);
}

static void packets_that_are_no_data_are_dealt_with(void)
{
	struct world *w = world_create();
	const uint64_t nothing = 0;

	CU_ASSERT_TRUE(guest_up(w, 8));
	guest_put(w, VMBUS_PKT_CANCEL, false, 0, NULL, 0, &nothing, 8);	/* iPXE, at close */
	guest_go(w);
	CU_ASSERT_EQUAL(world_counter(w, "ring-cancels"), 1);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	guest_put(w, 8, false, 0, NULL, 0, &nothing, 8);
	guest_go(w);
	CU_ASSERT_EQUAL(world_counter(w, "ring-bad-packet-type"), 1);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	world_destroy(w);
}

static void a_corrupt_ring_stops_the_channel(void)
{
	struct world *w = world_create();
	struct vmbus_ring_ctl *ctl;

	CU_ASSERT_TRUE(guest_up(w, 8));
	ctl = (struct vmbus_ring_ctl *)w->bus.to_host_base;
	ctl->write_index = 12;
	guest_ring_bell(w);
	CU_ASSERT_TRUE(world_run(w));
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	CU_ASSERT_EQUAL(world_counter(w, "ring-corrupt"), 1);
	world_close(w);

	/* the other ring: found out when something is to be written */
	CU_ASSERT_TRUE(guest_up(w, 2));
	ctl = (struct vmbus_ring_ctl *)w->bus.to_guest_base;
	ctl->read_index = 4097;
	for (unsigned i = 0; i < 100 && world_state(w) == NETVSP_READY; i++)
		take_step(w, QUERY_EX);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	CU_ASSERT_EQUAL(world_counter(w, "ring-corrupt"), 2);
	world_destroy(w);
}

/* ---- the end ---- */

static void a_buffer_that_was_taken_back_is_not_held(void)
{
	struct world *w = world_create();

	CU_ASSERT_TRUE(guest_up(w, 8));
	CU_ASSERT_EQUAL(w->bus.gpadl[0].refs, 1);
	w->bus.ops->gpadl_teardown(w->bus.opaque, &w->bus.ch, &w->bus.gpadl[2]);	/* none of ours */
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	w->bus.ops->gpadl_teardown(w->bus.opaque, &w->bus.ch, &w->bus.gpadl[0]);
	CU_ASSERT_EQUAL(w->bus.gpadl[0].refs, 0);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_REVOKED);
	w->bus.ops->gpadl_teardown(w->bus.opaque, &w->bus.ch, &w->bus.gpadl[1]);
	CU_ASSERT_EQUAL(w->bus.gpadl[1].refs, 0);
	world_destroy(w);
}

static void close_and_reopen_start_afresh_from_everywhere(void)
{
	static const enum step steps[] = { INIT, CONFIG, NDIS, RECEIVE, SEND, RNDIS, REVOKE_R, REVOKE_S };
	const size_t n = sizeof(steps) / sizeof(steps[0]);
	struct world *w = world_create();
	struct netvsp_status s;

	for (size_t upto = 0; upto <= n; upto++) {
		world_open(w, 8);
		for (size_t i = 0; i < upto; i++)
			take_step(w, steps[i]);
		world_close(w);
		netvsp_status(w->nic, &s);
		CU_ASSERT_FALSE(s.open);
		CU_ASSERT_FALSE(s.operational);
		CU_ASSERT_EQUAL(s.packet_filter + s.nvsp_version + s.receive_buffers, 0);
		CU_ASSERT_TRUE(guest_up(w, 8));
		world_close(w);
	}
	CU_ASSERT_EQUAL(world_counter(w, "opens"), 2 * (n + 1));
	world_destroy(w);
}

/* Linux' way down: filter 0, HALT, both buffers, close. */
static void a_guest_leaves_in_order(void)
{
	const struct rndis_halt halt = { to_le32(RNDIS_HALT), to_le32(sizeof(halt)), to_le32(99) };
	struct world *w = world_create();
	struct vmbus_packet pkt;
	struct netvsp_status s;

	CU_ASSERT_TRUE(guest_up(w, 8));
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 0), 0);
	guest_control(w, 50, &halt, sizeof(halt));
	CU_ASSERT_EQUAL(guest_sent_status(w, 50), NVSP_STATUS_SUCCESS);	/* FreeBSD waits for it */
	CU_ASSERT_FALSE(guest_next(w, &pkt));				/* and there is no other answer */
	netvsp_status(w->nic, &s);
	CU_ASSERT_FALSE(s.operational);
	guest_revoke(w, NVSP_REVOKE_RECEIVE_BUFFER, 0xcafe, false);
	guest_revoke(w, NVSP_REVOKE_SEND_BUFFER, 0, false);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	/* what still asks for an answer gets one, but nothing is sent */
	guest_put_section(w, 51, 0, 100);
	guest_go(w);
	CU_ASSERT_EQUAL(guest_sent_status(w, 51), NVSP_STATUS_FAILURE);
	CU_ASSERT_EQUAL(world_counter(w, "nvsp-after-revoke"), 1);
	CU_ASSERT_EQUAL(w->port->n, 0);
	world_destroy(w);
}

static void nothing_is_touched_while_memory_is_gone(void)
{
	struct vswitch_frame f = { .len = 60, .head_bytes = 60 };
	struct world *w = world_create();
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint8_t *ram, m[200];
	uint32_t n;

	CU_ASSERT_TRUE(guest_up(w, 8));
	w->bus.ops->pause(w->bus.opaque, &w->bus.ch, true);
	make_frame(f.head, 60, world_peer, world_mac, 0);
	n = make_packet(m, NULL, 0, f.head, 60, 0);
	world_write(w, 1, 0, m, n);
	guest_put_section(w, 40, 0, n);
	guest_init(w, NVSP_VERSION_5, 1);	/* an error, if anybody looked */
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	CU_ASSERT_FALSE(netvsp_rx_open(w->nic));
	/* the memory comes back elsewhere */
	if (posix_memalign((void **)&ram, 4096, WORLD_RAM_BYTES))
		abort();
	memcpy(ram, w->bus.ram, WORLD_RAM_BYTES);
	memset(w->bus.ram, 0xee, WORLD_RAM_BYTES);
	for (unsigned i = 0; i < 2; i++)
		for (uint32_t k = 0; k < w->bus.gpadl[i].pages; k++)
			w->bus.gpadl[i].page[k] += ram - w->bus.ram;
	free(w->bus.ram);
	w->bus.ram = ram;
	w->bus.ops->pause(w->bus.opaque, &w->bus.ch, false);
	CU_ASSERT_TRUE(netvsp_rx_open(w->nic));
	make_frame(f.head, 60, world_mac, world_peer, 7);
	world_deliver(w, &f, 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
	world_read(w, 0, rx.offset[0] + 256, m, 60);
	CU_ASSERT(!memcmp(m, f.head, 60));
	world_run(w);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);	/* now it was seen */
	CU_ASSERT_EQUAL(w->port->n, 1);
	CU_ASSERT(!memcmp(w->port->frame[0].bytes, world_peer, 6));
	CU_ASSERT_EQUAL(guest_sent_status(w, 40), NVSP_STATUS_SUCCESS);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	world_close(w);

	CU_ASSERT_TRUE(guest_up(w, 8));
	w->bus.ops->pause(w->bus.opaque, &w->bus.ch, true);
	world_close(w);
	world_destroy(w);
}

/* iPXE: one page of ring each way, version 1, bare structures, no send buffer, empty completions, 64 KiB to receive. */
static void ipxe_gets_along_with_us(void)
{
	struct world *w = world_create();
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint8_t a[600];
	uint32_t n;

	world_open(w, 2);
	world_gpadl(w, 0, WORLD_RECEIVE_HANDLE, WORLD_RECEIVE_AT, 16, false);
	guest_init(w, NVSP_VERSION_1, 0x18ae0000);
	CU_ASSERT_EQUAL(guest_completion(w, 0x18ae0000, a, sizeof(a)), 32);
	guest_ndis_version(w, 6, 1, true);
	CU_ASSERT_EQUAL(guest_completion(w, 78, a, sizeof(a)), 0);
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, WORLD_RECEIVE_HANDLE, 0xbead);
	CU_ASSERT_EQUAL(guest_completion(w, 79, a, sizeof(a)), 32);
	w->slot_bytes = u32_at(a, 16);
	w->slots = u32_at(a, 20);
	w->version = NVSP_VERSION_1;
	CU_ASSERT_EQUAL(w->slots, 65536 / 1856);
	guest_rndis_initialize(w, 5, 5);
	CU_ASSERT_EQUAL(guest_sent_status(w, 5), NVSP_STATUS_SUCCESS);
	CU_ASSERT_TRUE(guest_next(w, &pkt));
	CU_ASSERT_TRUE(guest_parse_rx(w, &pkt, &rx));
	guest_put(w, VMBUS_PKT_COMPLETION, false, rx.id, NULL, 0, NULL, 0);
	guest_go(w);
	CU_ASSERT_EQUAL(w->nic->slots.free[NETVSP_POOL_CONTROL], NETVSP_CONTROL_SLOTS);
	CU_ASSERT_EQUAL(guest_query(w, OID_802_3_CURRENT_ADDRESS, a, &n), 0);
	CU_ASSERT_EQUAL(n, 6);
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 0x2d), 0);

	struct vswitch_frame f[VSWITCH_BATCH] = { 0 };

	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		f[i].len = f[i].head_bytes = 60;
		make_frame(f[i].head, 60, world_broadcast, world_peer, (uint8_t)i);
	}
	for (unsigned round = 0; round < 50; round++) {
		world_deliver(w, f, 16);
		while (guest_next(w, &pkt)) {
			CU_ASSERT_TRUE(16 + pkt.extra_bytes + pkt.payload_bytes + 8 <= 512);
			CU_ASSERT_TRUE(guest_parse_rx(w, &pkt, &rx));
			guest_put(w, VMBUS_PKT_COMPLETION, false, rx.id, NULL, 0, NULL, 0);
			guest_go(w);
		}
	}
	CU_ASSERT_EQUAL(w->nic->to_guest.frames, 50 * 16);
	world_destroy(w);
}

static const struct hv_test tests[] = {
	{ "the offer is a network adapter", the_offer_is_a_network_adapter },
	{ "every version is accepted and no other", every_version_is_accepted_and_no_other },
	{ "frames may flow after every version's handshake", frames_may_flow_after_every_versions_handshake },
	{ "an MTU out of bounds is the usual one", a_mtu_out_of_bounds_is_the_usual_one },
	{ "an answer goes to whom asks for it", an_answer_goes_to_whom_asks_for_it },
	{ "messages grow to 40 bytes with 6.1", messages_grow_to_40_bytes_with_6_1 },
	{ "each state takes its messages only", each_state_takes_its_messages_only },
	{ "a dead channel answers nothing until it is reopened", a_dead_channel_answers_nothing_until_it_is_reopened },
	{ "a message is as long as its fields", a_message_is_as_long_as_its_fields },
	{ "a bad buffer is refused and a good one taken afterwards",
	  a_bad_buffer_is_refused_and_a_good_one_taken_afterwards },
	{ "sub-channels are refused while there is one queue", sub_channels_are_refused_while_there_is_one_queue },
	{ "a data path switch is completed with nothing in it", a_data_path_switch_is_completed_with_nothing_in_it },
	{ "packets that are no data are dealt with", packets_that_are_no_data_are_dealt_with },
	{ "a corrupt ring stops the channel", a_corrupt_ring_stops_the_channel },
	{ "a buffer that was taken back is not held", a_buffer_that_was_taken_back_is_not_held },
	{ "close and reopen start afresh from everywhere", close_and_reopen_start_afresh_from_everywhere },
	{ "a guest leaves in order", a_guest_leaves_in_order },
	{ "nothing is touched while memory is gone", nothing_is_touched_while_memory_is_gone },
	{ "iPXE gets along with us", ipxe_gets_along_with_us },
};

int main(void)
{
	world_unused();
	return hv_test_main("netvsp/nvsp", tests, sizeof(tests) / sizeof(tests[0]));
}
