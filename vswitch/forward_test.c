/* SPDX-License-Identifier: MIT */
/*
 * Who gets which frame, and how each is counted.
 */
#include <errno.h>

#include "vswitch/test_nic.h"

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t multicast[6] = { 0x33, 0x33, 0, 0, 0, 1 };

/* Stations: guests 1 and 2, the host 3, a network with stations 10 and 11, a guest 4 that may spoof. */
enum who { A, B, HOST, NET, SPOOF, NICS };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;

static void begin(void)
{
	sw = test_switch();
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_EMULATED, 2, 0);
	test_nic_plug(sw, &nics[HOST], VSWITCH_NIC_INTERNAL, 3, 0);
	test_nic_plug(sw, &nics[NET], VSWITCH_NIC_EXTERNAL, 9, 0);
	test_nic_plug(sw, &nics[SPOOF], VSWITCH_NIC_SYNTHETIC, 4, 0);
	vswitch_port_allow_mac_spoofing(nics[SPOOF].port, true);
	frame = test_frame_new();
}

static void clear(void)
{
	for (int i = 0; i < NICS; i++)
		test_nic_clear(&nics[i]);
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	for (int i = 0; i < NICS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	free(frame);
}

static bool send(enum who through, unsigned from, unsigned to)
{
	uint8_t source[6], destination[6];

	test_mac(from, source);
	test_mac(to, destination);
	test_frame_plain(frame, destination, source, 60);
	return test_send(&nics[through], frame);
}

/* Bits of who got a frame since the last time. */
static unsigned receivers(void)
{
	unsigned bits = 0;

	for (int i = 0; i < NICS; i++)
		bits |= nics[i].num_got ? 1u << i : 0;
	clear();
	return bits;
}

#define TO(x) (1u << (x))

static void decides_by_the_rules(void)
{
	static const struct {
		const char *what;
		enum who through;
		unsigned from, to, receivers;
		int dropped;			/* reason at the source, or -1 */
	} rows[] = {
		{ "guest to guest", A, 1, 2, TO(B), -1 },
		{ "guest to host", A, 1, 3, TO(HOST), -1 },
		{ "network to guest", NET, 10, 2, TO(B), -1 },
		{ "to itself", A, 1, 1, 0, VSWITCH_DROP_SAME_PORT },
		{ "guest to the unknown: to who learns", A, 1, 77, TO(NET) | TO(SPOOF), -1 },
		{ "host to the unknown", HOST, 3, 77, TO(NET) | TO(SPOOF), -1 },
		{ "network to the unknown: to who may spoof", NET, 10, 77, TO(SPOOF), -1 },
		{ "spoofer to the unknown", SPOOF, 4, 77, TO(NET), -1 },
		{ "guest to a learned station", A, 1, 10, TO(NET), -1 },
		{ "network to a station on the network", NET, 11, 10, 0, VSWITCH_DROP_SAME_PORT },
		{ "spoofed", A, 2, 3, 0, VSWITCH_DROP_SPOOFED_SOURCE },
		{ "spoofed, unknown", A, 78, 3, 0, VSWITCH_DROP_SPOOFED_SOURCE },
		{ "spoofed by the host", HOST, 78, 1, 0, VSWITCH_DROP_SPOOFED_SOURCE },
		{ "spoofed where it is allowed", SPOOF, 79, 1, TO(A), -1 },
		{ "… and learned", A, 1, 79, TO(SPOOF), -1 },
		{ "a neighbour's address, even there", SPOOF, 1, 2, 0, VSWITCH_DROP_SPOOFED_SOURCE },
		{ "our own from outside", NET, 1, 2, 0, VSWITCH_DROP_OWN_SOURCE },
		{ "the spoofer's own from outside", NET, 4, 2, 0, VSWITCH_DROP_OWN_SOURCE },
	};
	uint64_t before;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned got, d = rows[i].dropped < 0 ? 0 : (unsigned)rows[i].dropped;

		before = nics[rows[i].through].port->stats.in_dropped[d];
		send(rows[i].through, rows[i].from, rows[i].to);
		got = receivers();
		before += rows[i].dropped >= 0;
		if (got != rows[i].receivers || nics[rows[i].through].port->stats.in_dropped[d] != before) {
			fprintf(stderr, "%s: receivers %#x\n", rows[i].what, got);
			CU_FAIL("a rule is not kept");
		}
	}
	end();
}

static void floods_groups_to_all_but_the_source(void)
{
	const uint8_t *groups[2] = { broadcast, multicast };

	begin();
	for (int g = 0; g < 2; g++) {
		test_frame_plain(frame, groups[g], nics[A].nic.mac, 200);
		test_send(&nics[A], frame);
		CU_ASSERT_EQUAL(nics[B].num_got, 1);
		if (nics[B].num_got)
			CU_ASSERT(!memcmp(nics[B].got[0].bytes, frame->bytes, 200));
		CU_ASSERT_EQUAL(receivers(), TO(B) | TO(HOST) | TO(NET) | TO(SPOOF));
	}
	CU_ASSERT_EQUAL(nics[A].port->stats.flooded, 2);
	CU_ASSERT_EQUAL(nics[A].port->stats.copies, 8);
	CU_ASSERT_EQUAL(nics[A].port->stats.forwarded, 2);
	end();
}

static void keeps_link_local_groups_to_itself(void)
{
	uint8_t group[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };

	begin();
	for (int i = 0; i <= 0x10; i++) {
		group[5] = (uint8_t)i;
		test_frame_plain(frame, group, nics[A].nic.mac, 60);
		test_send(&nics[A], frame);
		CU_ASSERT_EQUAL(receivers() != 0, i == 0x10);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_LINK_LOCAL), 16);
	end();
}

static void refuses_impossible_sources_and_sizes(void)
{
	uint8_t zero[6] = { 0 };

	begin();
	test_frame_plain(frame, nics[B].nic.mac, multicast, 60);
	test_send(&nics[NET], frame);
	test_frame_plain(frame, nics[B].nic.mac, zero, 60);
	test_send(&nics[NET], frame);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[NET], VSWITCH_DROP_GROUP_SOURCE), 2);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_GROUP_SOURCE), 1);
	for (uint32_t len = 0; len < 14; len++) {
		test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 60);
		frame->f.len = len;
		frame->f.head_bytes = (uint16_t)len;
		test_send(&nics[A], frame);
	}
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 1000);
	frame->f.len = VSWITCH_FRAME_MAX_BYTES + 1;
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_BAD_FRAME), 15);
	CU_ASSERT_EQUAL(receivers(), 0);
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 14);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(B));
	/* Longer than the receiver takes. */
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 1514);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(B));
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 1515);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), 0);
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_TOO_BIG), 1);
	/* A guest's driver agrees on more with its NIC, which stays plugged in. */
	nics[B].nic.max_frame_bytes = 9014;
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(B));
	nics[B].nic.max_frame_bytes = 1514;
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), 0);
	end();
}

static void one_deliver_and_one_flush_per_receiver(void)
{
	static struct test_frame *frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];

	begin();
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		frames[i] = test_frame_new();
		test_frame_plain(frames[i], i % 4 == 3 ? broadcast : i % 2 ? nics[B].nic.mac :
				 nics[HOST].nic.mac, nics[A].nic.mac, 60);
		frames[i]->f.head[20] = (uint8_t)i;
		batch[i] = &frames[i]->f;
	}
	vswitch_port_input(nics[A].port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(nics[B].delivers, 1);
	CU_ASSERT_EQUAL(nics[B].flushes, 1);
	CU_ASSERT_EQUAL(nics[HOST].delivers, 1);
	CU_ASSERT_EQUAL(nics[HOST].flushes, 1);
	CU_ASSERT_EQUAL(nics[NET].flushes, 1);
	CU_ASSERT_EQUAL(nics[B].num_got, 16);
	CU_ASSERT_EQUAL(nics[HOST].num_got, 24);
	CU_ASSERT_EQUAL(nics[NET].num_got, 8);
	for (unsigned i = 1; i < nics[HOST].num_got; i++)
		CU_ASSERT(nics[HOST].got[i].bytes[20] > nics[HOST].got[i - 1].bytes[20]);
	clear();
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 60);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(nics[HOST].flushes, 0);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
	end();
}

static void ports_that_are_down_take_no_part(void)
{
	begin();
	vswitch_port_set_link(nics[B].port, false);
	CU_ASSERT_EQUAL(nics[B].downs, 1);
	send(A, 1, 2);
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_PORT_DOWN), 1);
	send(B, 2, 1);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[B], VSWITCH_DROP_PORT_DOWN), 1);
	test_frame_plain(frame, broadcast, nics[A].nic.mac, 60);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(HOST) | TO(NET) | TO(SPOOF));
	vswitch_port_set_link(nics[B].port, true);
	CU_ASSERT_EQUAL(nics[B].ups, 2);
	send(A, 1, 2);
	CU_ASSERT_EQUAL(receivers(), TO(B));
	/* Without its NIC the address is unknown, and cached answers are not. */
	vswitch_port_disconnect(nics[B].port);
	CU_ASSERT_EQUAL(nics[B].downs, 2);
	send(A, 1, 2);
	CU_ASSERT_EQUAL(receivers(), TO(NET) | TO(SPOOF));
	CU_ASSERT_EQUAL(vswitch_port_connect(nics[B].port, &nics[B].nic), 0);
	send(A, 1, 2);
	CU_ASSERT_EQUAL(receivers(), TO(B));
	end();
}

static void nowhere_to_go_is_counted(void)
{
	begin();
	for (int i = 1; i < NICS; i++)
		vswitch_port_set_link(nics[i].port, false);
	test_frame_plain(frame, broadcast, nics[A].nic.mac, 60);
	test_send(&nics[A], frame);
	send(A, 1, 77);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_NO_DESTINATION), 2);
	end();
}

static void learns_ages_and_forgets(void)
{
	uint64_t now_ns = 1000000000000, aged;

	begin();
	send(NET, 10, 1);
	send(A, 1, 10);
	clear();
	send(SPOOF, 4, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET));
	vswitch_tick(sw, now_ns + 299000000000);
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET));
	vswitch_tick(sw, now_ns + 300000000000);
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET) | TO(SPOOF));
	/* In use, it does not age: the refresh is coarse but there. */
	send(NET, 10, 1);
	aged = sw->fdb.counters.aged;
	for (unsigned i = 0; i < 100; i++) {
		vswitch_tick(sw, now_ns + (300 + 10 * i) * 1000000000ull);
		send(NET, 10, 1);
	}
	CU_ASSERT_EQUAL(sw->fdb.counters.aged, aged);
	clear();
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET));
	vswitch_port_set_link(nics[NET].port, false);
	vswitch_port_set_link(nics[NET].port, true);
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET) | TO(SPOOF));
	end();
}

static void learned_station_moves(void)
{
	begin();
	send(NET, 10, 1);
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(A) | TO(NET));
	send(SPOOF, 10, 1);
	clear();
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(SPOOF));
	end();
}

static void vlans_are_worlds_of_their_own(void)
{
	uint8_t station[6];

	begin();
	test_mac(10, station);
	test_frame_plain(frame, nics[A].nic.mac, station, 64);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 7;
	test_send(&nics[NET], frame);		/* station 10 is behind NET in VLAN 7 */
	clear();
	send(A, 1, 10);
	CU_ASSERT_EQUAL(receivers(), TO(NET) | TO(SPOOF));
	test_frame_plain(frame, station, nics[A].nic.mac, 64);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 0xe007;	/* the priority is no part of it */
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(NET));
	end();
}

static void addresses_are_unique(void)
{
	struct test_nic twin;
	struct vswitch_port *p;
	uint8_t group[6] = { 1, 2, 3, 4, 5, 6 }, other[6];

	begin();
	test_nic_init(&twin, VSWITCH_NIC_SYNTHETIC, 1, 0);
	CU_ASSERT_EQUAL(vswitch_port_create(sw, "p1", &p), -EEXIST);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_create(sw, "twin", &p), 0);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &twin.nic), -EADDRINUSE);
	memcpy(twin.nic.mac, group, 6);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &twin.nic), -EINVAL);
	memset(twin.nic.mac, 0, 6);
	CU_ASSERT_EQUAL(vswitch_port_connect(p, &twin.nic), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_port_connect(nics[A].port, &twin.nic), -EBUSY);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(p, group), -ENOTCONN);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(nics[A].port, nics[B].nic.mac), -EADDRINUSE);
	send(B, 2, 1);
	CU_ASSERT_EQUAL(receivers(), TO(A));
	test_mac(50, other);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(nics[A].port, other), 0);
	send(B, 2, 1);
	CU_ASSERT_EQUAL(receivers(), TO(NET) | TO(SPOOF));
	send(A, 50, 2);
	send(B, 2, 50);
	CU_ASSERT_EQUAL(receivers(), TO(A) | TO(B));
	vswitch_port_destroy(p);
	end();
}

static void what_a_nic_drops_is_not_out(void)
{
	begin();
	nics[B].room = 1;
	send(A, 1, 2);
	send(A, 1, 2);
	CU_ASSERT_EQUAL(nics[B].port->stats.out_frames, 1);
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_NO_BUFFER), 1);
	/* It may also find out later. */
	vswitch_port_drop(nics[B].port, VSWITCH_DROP_RING_FULL, 1);
	CU_ASSERT_EQUAL(nics[B].port->stats.out_frames, 0);
	end();
}

static void disconnect_in_deliver(struct test_nic *t)
{
	vswitch_port_disconnect(t->port);
}

static void nic_may_leave_while_it_is_served(void)
{
	begin();
	nics[B].on_deliver = disconnect_in_deliver;
	send(A, 1, 2);
	CU_ASSERT_EQUAL(nics[B].flushes, 0);
	CU_ASSERT_EQUAL(nics[B].downs, 1);
	end();
}

static void disconnect_the_host(struct test_nic *t)
{
	(void)t;
	vswitch_port_disconnect(nics[HOST].port);
}

static void nic_may_leave_before_it_is_served(void)
{
	begin();
	nics[B].on_deliver = disconnect_the_host;
	test_frame_plain(frame, broadcast, nics[A].nic.mac, 60);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(receivers(), TO(B) | TO(NET) | TO(SPOOF));
	CU_ASSERT_EQUAL(test_out_dropped(&nics[HOST], VSWITCH_DROP_PORT_DOWN), 1);
	end();
}

static void count_entry(void *cookie, const struct vswitch_fdb_entry *e)
{
	unsigned *counts = cookie;

	counts[e->kind]++;
	if (e->kind == VSWITCH_FDB_LEARNED) {
		CU_ASSERT_EQUAL(e->mac[5], 10);
		CU_ASSERT_EQUAL(e->age_s, 5);
		CU_ASSERT_PTR_EQUAL(e->port, nics[NET].port);
	}
}

/* Piece by piece it is the same; what was flushed is in no piece. */
static void walk_by_places(unsigned counts[VSWITCH_FDB_KINDS], uint32_t places)
{
	unsigned pieces = 0;
	uint32_t at = 0;

	memset(counts, 0, VSWITCH_FDB_KINDS * sizeof(*counts));
	do
		at = vswitch_fdb_walk(sw, at, places, count_entry, counts);
	while (at && ++pieces < 100000);
	CU_ASSERT_EQUAL(at, 0);
	CU_ASSERT_TRUE(pieces > 2);
}

static void table_can_be_seen(void)
{
	unsigned counts[VSWITCH_FDB_KINDS] = { 0 }, walked[VSWITCH_FDB_KINDS];
	struct vswitch_fdb_stats s;

	begin();
	send(NET, 10, 1);
	vswitch_tick(sw, 1005000000000);
	vswitch_fdb_visit(sw, count_entry, counts);
	CU_ASSERT_EQUAL(counts[VSWITCH_FDB_STATIC], 3);
	CU_ASSERT_EQUAL(counts[VSWITCH_FDB_SELF], 1);
	CU_ASSERT_EQUAL(counts[VSWITCH_FDB_LEARNED], 1);
	walk_by_places(walked, 1);
	CU_ASSERT_FALSE(memcmp(walked, counts, sizeof(counts)));
	walk_by_places(walked, 777);
	CU_ASSERT_FALSE(memcmp(walked, counts, sizeof(counts)));
	vswitch_fdb_flush(sw);
	walk_by_places(walked, 100);
	CU_ASSERT_EQUAL(walked[VSWITCH_FDB_LEARNED], 0);
	CU_ASSERT_EQUAL(walked[VSWITCH_FDB_STATIC], 3);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 0);
	CU_ASSERT_EQUAL(s.max_learned, 8192);
	CU_ASSERT_EQUAL(s.learned, 1);
	CU_ASSERT_EQUAL(s.purged, 1);
	for (unsigned i = 0; i < VSWITCH_DROPS; i++)
		CU_ASSERT(vswitch_drop_name(i)[0] != '?');
	end();
}

static const struct hv_test tests[] = {
	{ "decides by the rules", decides_by_the_rules },
	{ "floods groups to all but the source", floods_groups_to_all_but_the_source },
	{ "keeps link-local groups to itself", keeps_link_local_groups_to_itself },
	{ "refuses impossible sources and sizes", refuses_impossible_sources_and_sizes },
	{ "one deliver and one flush per receiver", one_deliver_and_one_flush_per_receiver },
	{ "ports that are down take no part", ports_that_are_down_take_no_part },
	{ "nowhere to go is counted", nowhere_to_go_is_counted },
	{ "learns, ages and forgets", learns_ages_and_forgets },
	{ "a learned station moves", learned_station_moves },
	{ "VLANs are worlds of their own", vlans_are_worlds_of_their_own },
	{ "addresses are unique", addresses_are_unique },
	{ "what a NIC drops is not out", what_a_nic_drops_is_not_out },
	{ "a NIC may leave while it is served", nic_may_leave_while_it_is_served },
	{ "a NIC may leave before it is served", nic_may_leave_before_it_is_served },
	{ "the table can be seen", table_can_be_seen },
};

HV_TEST_MAIN("vswitch/forward", tests)
