/* SPDX-License-Identifier: MIT */
/*
 * Mirrors: one copy of each frame that a source sends or gets, for each destination of its session, and none of others.
 */
#include <errno.h>

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

/* A datagram from one of the NICs to another. */
static const char *say_udp(enum who from, unsigned to, uint16_t port)
{
	uint8_t *b = frame->bytes;

	test_frame_plain(frame, nics[to].nic.mac, nics[from].nic.mac, 60);
	put_be16(b + 12, 0x0800);
	memset(b + 14, 0, 46);
	b[14] = 0x45;
	put_be16(b + 16, 46);
	b[22] = 64;
	b[23] = 17;
	put_be16(b + 34, port);
	put_be16(b + 36, port);
	put_be16(b + 38, 26);
	test_frame_set(frame, 60);
	test_send(&nics[from], frame);
	return test_receivers(nics, NICS);
}

static void a_source_shows_what_its_filter_says(void)
{
	begin();
	SET(A, SOURCE, .monitor_filter = "udp port 53");
	SET(M, DESTINATION);
	SET(N, DESTINATION);
	EXPECT(say_udp(A, B, 53), "B M N");
	EXPECT(say_udp(B, A, 53), "A M N");
	EXPECT(say_udp(A, B, 67), "B");
	EXPECT(say(A, B + 1), "B");
	SET(A, SOURCE, .monitor_filter = "udp port 53", .monitor_direction = VSWITCH_MONITOR_TO_NIC);
	EXPECT(say_udp(A, B, 53), "B");
	EXPECT(say_udp(B, A, 53), "A M N");
	EXPECT(say_udp(B, A, 67), "A");
	/* Something else changes; the filter stays. */
	SET(A, SOURCE, .monitor_filter = "udp port 53", .dhcp_guard = true);
	EXPECT(say_udp(A, B, 53), "B M N");
	EXPECT(say_udp(B, A, 67), "A");
	SET(A, SOURCE);
	EXPECT(say_udp(A, B, 68), "B M N");
	end();
}

static void a_destination_gets_what_its_filter_says(void)
{
	begin();
	SET(A, SOURCE, .monitor_filter = "udp");
	SET(M, DESTINATION, .monitor_filter = "port 53 or port 68");
	SET(N, DESTINATION, .monitor_filter = "not port 53");
	EXPECT(say_udp(A, B, 53), "B M");
	EXPECT(say_udp(B, A, 67), "A N");
	EXPECT(say_udp(A, B, 68), "B M N");
	EXPECT(say(A, B + 1), "B");
	EXPECT(say(NET, M + 1), "M");		/* its own traffic is another matter */
	EXPECT(say_udp(A, M, 67), "M N");
	end();
}

/* In the frame that a filter sees is what the copy shows: the VLAN of a port that knows of none. */
static void filters_know_the_vlan(void)
{
	begin();
	SET(A, SOURCE, ACCESS(7));
	SET(B, ACCESS(7));
	SET(M, DESTINATION, .monitor_filter = "vlan 7 and udp port 53");
	SET(N, DESTINATION, .monitor_filter = "udp and not vlan 7");
	EXPECT(say_udp(A, B, 53), "B M+7");
	EXPECT(say_udp(B, A, 53), "A M+7");
	EXPECT(say_udp(A, B, 67), "B");
	SET(A, SOURCE);
	SET(B, .num_addresses = 0);
	EXPECT(say_udp(A, B, 53), "B N");
	end();
}

static void wrong_filters_are_refused(void)
{
	static const struct { struct vswitch_port_policy policy; const char *text; } rows[] = {
		{ { SOURCE, .monitor_filter = "udp prt 53" }, "syntax error" },
		{ { DESTINATION, .monitor_filter = "port 65536" }, "illegal port number 65536 > 65535" },
		{ { SOURCE, .monitor_filter = "ip protochain 6" }, "could loop" },
		{ { .monitor_filter = "udp" }, "only a source and a destination" },
	};
	struct vswitch_port_policy endless = { SOURCE }, now;

	begin();
	SET(A, SOURCE, .monitor_filter = "udp port 53");
	SET(M, DESTINATION);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_why why = { .field = "" };

		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, &rows[i].policy, &why), -EINVAL);
		CU_ASSERT_STRING_EQUAL(why.field, "monitor_filter");
		if (!strstr(why.text, rows[i].text)) {
			printf("%s: %s\n", rows[i].policy.monitor_filter, why.text);
			CU_FAIL("another reason");
		}
	}
	memset(endless.monitor_filter, ' ', sizeof(endless.monitor_filter));
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, &endless, NULL), -EINVAL);
	CU_ASSERT_TRUE(vswitch_port_policy(nics[A].port, &now));
	CU_ASSERT_STRING_EQUAL(now.monitor_filter, "udp port 53");
	EXPECT(say_udp(A, B, 53), "B M");
	EXPECT(say_udp(A, B, 67), "B");
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
	{ "a source shows what its filter says", a_source_shows_what_its_filter_says },
	{ "a destination gets what its filter says", a_destination_gets_what_its_filter_says },
	{ "filters know the VLAN", filters_know_the_vlan },
	{ "wrong filters are refused", wrong_filters_are_refused },
};

HV_TEST_MAIN("vswitch/mirror", tests)
