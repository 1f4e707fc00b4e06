/* SPDX-License-Identifier: MIT */
/*
 * Mirrors: one copy of each frame that a source sends or gets, for each destination of its session, and none of others.
 */
#include "vswitch/test_policy.h"

enum who { A, B, M, N, NET, NICS };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;

#define EXPECT(got, wanted) CU_ASSERT_STRING_EQUAL(got, wanted)
#define SET(who, ...) test_policy(&nics[who], &(struct vswitch_port_policy){ __VA_ARGS__ })
#define SOURCE .monitor_mode = VSWITCH_MONITOR_SOURCE
#define DESTINATION .monitor_mode = VSWITCH_MONITOR_DESTINATION
#define ACCESS(id) .vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = (id) }

static void begin(void)
{
	static const char *const names[NICS] = { "A", "B", "M", "N", "NET" };

	sw = test_switch();
	for (unsigned i = 0; i < NICS; i++)
		test_plug_as(sw, &nics[i], names[i], i == NET ? VSWITCH_NIC_EXTERNAL : VSWITCH_NIC_SYNTHETIC, i + 1,
			     VSWITCH_CAN_VLAN);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	for (int i = 0; i < NICS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	free(frame);
}

static const char *say(enum who from, unsigned to)
{
	uint8_t source[6], destination[6];

	test_mac(from == NET ? 50 : from + 1, source);
	test_mac(to, destination);
	test_frame_plain(frame, to ? destination : test_broadcast, source, 60);
	test_send(&nics[from], frame);
	return test_receivers(nics, NICS);
}

static void both_directions_once(void)
{
	begin();
	SET(A, SOURCE);
	EXPECT(say(A, B + 1), "B");		/* nobody looks */
	SET(M, DESTINATION);
	EXPECT(say(A, B + 1), "B M");
	EXPECT(say(B, A + 1), "A M");
	EXPECT(say(NET, A + 1), "A M");
	EXPECT(say(B, 77), "NET");
	EXPECT(say(A, 77), "M NET");
	EXPECT(say(NET, B + 1), "B");
	SET(B, SOURCE);
	EXPECT(say(A, B + 1), "B M");		/* sent by one, got by another */
	SET(N, DESTINATION);
	EXPECT(say(A, B + 1), "B M N");
	end();
}

static void what_it_gets_anyway_it_gets_once(void)
{
	begin();
	SET(A, SOURCE);
	SET(M, DESTINATION);
	EXPECT(say(A, 0), "B M N NET");
	EXPECT(say(NET, 0), "A B M N");
	EXPECT(say(A, M + 1), "M");
	EXPECT(say(M, A + 1), "A");		/* its own */
	EXPECT(say(M, 0), "A B N NET");
	end();
}

static void copies_are_not_mirrored(void)
{
	begin();
	SET(A, SOURCE);
	SET(M, DESTINATION);
	SET(N, SOURCE);
	EXPECT(say(A, B + 1), "B M");
	/* A source that gets copies would need to be a destination, which no port can be at once; of two sessions neither. */
	SET(N, DESTINATION, .monitor_session = 1);
	SET(B, SOURCE, .monitor_session = 1);
	EXPECT(say(A, B + 1), "B M N");
	EXPECT(say(A, 77), "M NET");
	EXPECT(say(NET, B + 1), "B N");
	end();
}

static void sessions_are_apart(void)
{
	begin();
	SET(A, SOURCE, .monitor_session = 200);
	SET(M, DESTINATION, .monitor_session = 200);
	SET(N, DESTINATION, .monitor_session = 201);
	EXPECT(say(A, B + 1), "B M");
	SET(A, SOURCE, .monitor_session = 201);
	EXPECT(say(A, B + 1), "B N");
	SET(A, .num_addresses = 0);
	EXPECT(say(A, B + 1), "B");
	end();
}

static void one_direction_if_wanted(void)
{
	begin();
	SET(M, DESTINATION);
	SET(A, SOURCE, .monitor_direction = VSWITCH_MONITOR_FROM_NIC);
	EXPECT(say(A, B + 1), "B M");
	EXPECT(say(B, A + 1), "A");
	SET(A, SOURCE, .monitor_direction = VSWITCH_MONITOR_TO_NIC);
	EXPECT(say(A, B + 1), "B");
	EXPECT(say(B, A + 1), "A M");
	end();
}

/* The destination's VLAN does not matter; the copy says which one it was. */
static void copies_show_their_vlan(void)
{
	for (int in_bytes = 0; in_bytes < 2; in_bytes++) {
		begin();
		nics[M].nic.caps = in_bytes ? 0 : VSWITCH_CAN_VLAN;
		SET(A, SOURCE, ACCESS(7));
		SET(B, ACCESS(7));
		SET(M, DESTINATION, ACCESS(9));
		EXPECT(say(A, B + 1), "B M+7");
		EXPECT(say(B, A + 1), "A M+7");
		EXPECT(say(A, 0), "B M+7 N+7 NET+7");
		SET(A, SOURCE);
		EXPECT(say(A, 77), "M NET");
		/* What it gets as a member of the VLAN, it gets as such. */
		SET(A, SOURCE, ACCESS(9));
		EXPECT(say(A, 0), "M N+9 NET+9");
		end();
	}
}

/* What a source does not get, and what it may not send, is not shown. */
static void only_what_passes(void)
{
	begin();
	SET(A, SOURCE, ACCESS(7), .storm_limit = 1);
	SET(M, DESTINATION);
	EXPECT(say(B, A + 1), "");
	CU_ASSERT_EQUAL(test_out_dropped(&nics[A], VSWITCH_DROP_VLAN_OUT), 1);
	EXPECT(say(A, 77), "M+7 NET+7");
	EXPECT(say(A, 77), "");
	/* Sent, but nowhere to go. */
	SET(A, SOURCE, ACCESS(7));
	vswitch_port_set_link(nics[NET].port, false);
	EXPECT(say(A, 77), "M+7");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_NO_DESTINATION), 1);
	EXPECT(say(A, A + 1), "M+7");
	end();
}

static void the_network_may_be_a_source(void)
{
	begin();
	SET(NET, SOURCE);
	SET(M, DESTINATION);
	EXPECT(say(NET, A + 1), "A M");
	EXPECT(say(A, 77), "M NET");
	EXPECT(say(A, B + 1), "B");
	end();
}

static void pressure_costs_the_copies_first(void)
{
	begin();
	SET(A, SOURCE);
	SET(M, DESTINATION);
	vswitch_port_set_congested(nics[M].port, true);
	EXPECT(say(A, B + 1), "B");
	CU_ASSERT_EQUAL(test_out_dropped(&nics[M], VSWITCH_DROP_MIRROR), 1);
	EXPECT(say(B, M + 1), "M");		/* its own traffic goes on */
	vswitch_port_set_congested(nics[M].port, false);
	EXPECT(say(A, B + 1), "B M");
	vswitch_port_set_link(nics[M].port, false);
	EXPECT(say(A, B + 1), "B");
	vswitch_port_set_link(nics[M].port, true);
	vswitch_port_disconnect(nics[M].port);
	EXPECT(say(A, B + 1), "B");
	end();
}

/* Nobody waits for a mirror. */
static void congested_mirrors_pause_nobody(void)
{
	begin();
	SET(A, SOURCE);
	SET(M, DESTINATION);
	vswitch_port_set_congested(nics[M].port, true);
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 60);
	CU_ASSERT(!test_send(&nics[A], frame));
	test_receivers(nics, NICS);
	end();
}

/* A batch for many: each copy once, in order, and one flush. */
static void whole_batches(void)
{
	static struct test_frame *frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];

	begin();
	SET(A, SOURCE);
	SET(B, SOURCE);
	SET(M, DESTINATION);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		const uint8_t *const to[4] = { nics[B].nic.mac, nics[M].nic.mac, test_broadcast, nics[N].nic.mac };

		frames[i] = test_frame_new();
		test_frame_plain(frames[i], to[i % 4], nics[A].nic.mac, 60);
		frames[i]->f.head[20] = (uint8_t)i;
		batch[i] = &frames[i]->f;
	}
	vswitch_port_input(nics[A].port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(nics[M].num_got, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(nics[M].flushes, 1);
	for (unsigned seen = 0, i = 0; i < nics[M].num_got; i++) {
		unsigned number = nics[M].got[i].bytes[20];

		CU_ASSERT(!(seen & 1u << number));
		seen |= 1u << number;
	}
	test_receivers(nics, NICS);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		test_frame_plain(frames[i], nics[B].nic.mac, nics[A].nic.mac, 60);
		frames[i]->f.head[20] = (uint8_t)i;
	}
	vswitch_port_input(nics[A].port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(nics[M].delivers, 1);
	CU_ASSERT_EQUAL(nics[M].flushes, 1);
	for (unsigned i = 0; i < nics[M].num_got; i++)
		CU_ASSERT_EQUAL(nics[M].got[i].bytes[20], i);
	test_receivers(nics, NICS);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
	end();
}

static void large_frames(void)
{
	begin();
	SET(A, SOURCE);
	SET(M, DESTINATION);
	nics[B].nic.caps = VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4;
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 60);
	put_be16(frame->bytes + 12, 0x0800);
	memset(frame->bytes + 14, 0, 40);
	frame->bytes[14] = 0x45;
	frame->bytes[23] = 6;
	frame->bytes[46] = 0x50;
	test_frame_set(frame, 54 + 3000);
	frame->f.offload.gso = VSWITCH_GSO_TCPV4;
	frame->f.offload.gso_size = 1000;
	test_send(&nics[A], frame);
	EXPECT(test_receivers(nics, NICS), "B M M M");
	end();
}

static const struct hv_test tests[] = {
	{ "both directions, once", both_directions_once },
	{ "what it gets anyway it gets once", what_it_gets_anyway_it_gets_once },
	{ "copies are not mirrored", copies_are_not_mirrored },
	{ "sessions are apart", sessions_are_apart },
	{ "one direction if wanted", one_direction_if_wanted },
	{ "copies show their VLAN", copies_show_their_vlan },
	{ "only what passes", only_what_passes },
	{ "the network may be a source", the_network_may_be_a_source },
	{ "pressure costs the copies first", pressure_costs_the_copies_first },
	{ "congested mirrors pause nobody", congested_mirrors_pause_nobody },
	{ "whole batches", whole_batches },
	{ "large frames", large_frames },
};

HV_TEST_MAIN("vswitch/mirror", tests)
