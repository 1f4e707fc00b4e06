/* SPDX-License-Identifier: MIT */
/*
 * The VLAN policies: who hears whom, with which tag; and what may be set.
 */
#include <errno.h>

#include "vswitch/test_policy.h"

/* Two of each kind, as far as they differ in whom they hear. X is outside, O has no policy, H is the host's. */
enum who { U, V, A, B, T, W, I, J, C, D, E, P, X, O, H, NICS };

static const char *const names[NICS] = { "U", "V", "A", "B", "T", "W", "I", "J", "C", "D", "E", "P", "X", "O", "H" };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static struct vswitch_port_policy policies[NICS];

static void make_policies(void)
{
	for (int i = 0; i < NICS; i++)
		policies[i] = (struct vswitch_port_policy){ .num_addresses = 0 };
	policies[A].vlan = policies[B].vlan = policies[H].vlan =
		(struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_ACCESS, .access = 7 };
	policies[T].vlan = (struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_TRUNK, .native = 5,
		.allowed = test_vlans(7, 8, 9, 0), .pruned = test_vlans(9, 0) };
	policies[W].vlan = (struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_TRUNK, .native = 7,
		.allowed = test_vlans(7, 8, 100, 101, 0) };
	policies[I].vlan = policies[J].vlan =
		(struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_ISOLATED, .primary = 100, .secondary = 101 };
	policies[C].vlan = policies[D].vlan =
		(struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_COMMUNITY, .primary = 100, .secondary = 102 };
	policies[E].vlan =
		(struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_COMMUNITY, .primary = 100, .secondary = 103 };
	policies[P].vlan = (struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 100,
		.secondaries = test_vlans(101, 102, 103, 0) };
}

static void begin(uint32_t caps)
{
	sw = test_switch();
	make_policies();
	for (unsigned i = 0; i < NICS; i++) {
		test_plug_as(sw, &nics[i], names[i], i == X ? VSWITCH_NIC_EXTERNAL :
			     i == H ? VSWITCH_NIC_INTERNAL : VSWITCH_NIC_SYNTHETIC, i + 1, caps);
		if (i != O)
			test_policy(&nics[i], &policies[i]);
	}
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

static void make(enum who through, const uint8_t to[6], int tci, bool in_bytes)
{
	uint8_t from[6];

	test_mac(through + 1, from);
	test_frame_plain(frame, to, from, 200);
	test_tag(frame, tci, in_bytes);
}

static const char *broadcast(enum who through, int tci, bool in_bytes)
{
	make(through, test_broadcast, tci, in_bytes);
	test_send(&nics[through], frame);
	return test_receivers(nics, NICS);
}

static const char *unicast(enum who through, unsigned to, int tci)
{
	uint8_t mac[6];

	test_mac(to, mac);
	make(through, mac, tci, true);
	test_send(&nics[through], frame);
	return test_receivers(nics, NICS);
}

static void expect(const char *what, const char *got, const char *wanted)
{
	if (strcmp(got, wanted)) {
		fprintf(stderr, "%s: \"%s\" instead of \"%s\"\n", what, got, wanted);
		CU_FAIL("a frame went elsewhere");
	}
}

/* What each port says to all, with each tag that matters. "": dropped as vlan-in. */
static const struct {
	enum who from;
	int tci;
	const char *receivers;
} broadcasts[] = {
	/* VLAN 0 */
	{ U, NO_TAG, "V X O" }, { U, 0, "V X O" }, { U, 7, "" }, { U, 1, "" }, { U, 4094, "" },
	{ O, NO_TAG, "U V X" }, { O, 0, "U V X" },
	{ X, NO_TAG, "U V O" }, { X, 0, "U V O" },
	/* VLAN 7: access ports, T's tag, W's native, the host */
	{ A, NO_TAG, "B T+7 W X+7 O+7 H" }, { A, 0, "B T+7 W X+7 O+7 H" }, { A, 7, "B T+7 W X+7 O+7 H" },
	{ A, 8, "" }, { A, 100, "" },
	{ T, 7, "A B W X+7 O+7 H" }, { W, NO_TAG, "A B T+7 X+7 O+7 H" }, { W, 7, "A B T+7 X+7 O+7 H" },
	{ X, 7, "A B T+7 W O+7 H" }, { O, 7, "A B T+7 W X+7 H" }, { H, NO_TAG, "A B T+7 W X+7 O+7" },
	/* other VLANs of the trunks: 5 is native only, 9 pruned */
	{ T, NO_TAG, "X+5 O+5" }, { T, 5, "" }, { T, 8, "W+8 X+8 O+8" }, { T, 9, "" }, { T, 10, "" },
	{ W, 8, "T+8 X+8 O+8" }, { W, 9, "" }, { X, 5, "T O+5" }, { X, 9, "O+9" }, { X, 4094, "O+4094" },
	/* private VLANs; W carries 100 and 101 */
	{ I, NO_TAG, "W+101 P X+101 O+101" }, { J, 101, "W+101 P X+101 O+101" }, { I, 100, "" }, { I, 102, "" },
	{ C, NO_TAG, "D P X+102 O+102" }, { D, 102, "C P X+102 O+102" }, { C, 100, "" }, { C, 103, "" },
	{ E, NO_TAG, "P X+103 O+103" },
	{ P, NO_TAG, "W+100 I J C D E X+100 O+100" }, { P, 100, "W+100 I J C D E X+100 O+100" }, { P, 101, "" },
	{ X, 100, "W+100 I J C D E P O+100" }, { X, 101, "W+101 P O+101" }, { X, 102, "C D P O+102" },
	{ X, 103, "E P O+103" }, { W, 101, "P X+101 O+101" }, { W, 100, "I J C D E P X+100 O+100" },
};

static void who_hears_whom(void)
{
	char what[64];

	for (unsigned round = 0; round < 4; round++) {
		begin(round & 1 ? VSWITCH_CAN_VLAN : 0);
		for (size_t i = 0; i < sizeof(broadcasts) / sizeof(broadcasts[0]); i++) {
			struct test_nic *from = &nics[broadcasts[i].from];
			uint64_t before = test_in_dropped(from, VSWITCH_DROP_VLAN_IN);

			snprintf(what, sizeof(what), "%s with tag %d", names[broadcasts[i].from], broadcasts[i].tci);
			expect(what, broadcast(broadcasts[i].from, broadcasts[i].tci, round & 2), broadcasts[i].receivers);
			CU_ASSERT_EQUAL(test_in_dropped(from, VSWITCH_DROP_VLAN_IN) - before, !broadcasts[i].receivers[0]);
		}
		end();
	}
}

static void nowhere_in_a_vlan_is_counted(void)
{
	begin(0);
	vswitch_port_set_link(nics[X].port, false);
	vswitch_port_set_link(nics[O].port, false);
	expect("alone", broadcast(T, NO_TAG, false), "");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[T], VSWITCH_DROP_NO_DESTINATION), 1);
	end();
}

static void known_receivers_must_be_members(void)
{
	static const struct {
		enum who from;
		int tci;
		enum who to;
		const char *receivers;
	} rows[] = {
		{ A, NO_TAG, B, "B" }, { A, NO_TAG, H, "H" }, { A, NO_TAG, T, "T+7" }, { A, NO_TAG, W, "W" },
		{ A, NO_TAG, U, "" }, { A, NO_TAG, I, "" }, { A, NO_TAG, P, "" }, { A, NO_TAG, O, "O+7" },
		{ U, NO_TAG, V, "V" }, { U, NO_TAG, A, "" }, { U, NO_TAG, T, "" }, { U, NO_TAG, I, "" },
		{ I, NO_TAG, J, "" }, { I, NO_TAG, P, "P" }, { I, NO_TAG, C, "" }, { P, NO_TAG, I, "I" },
		{ C, NO_TAG, D, "D" }, { C, NO_TAG, E, "" }, { C, NO_TAG, P, "P" }, { P, NO_TAG, E, "E" },
		{ X, 7, A, "A" }, { X, NO_TAG, A, "" }, { X, 100, J, "J" }, { X, 101, J, "" }, { X, 102, C, "C" },
		{ O, 8, T, "T+8" }, { O, 9, T, "" }, { O, 5, T, "T" },
	};
	char what[64];

	begin(0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_nic *to = &nics[rows[i].to];
		uint64_t before = test_out_dropped(to, VSWITCH_DROP_VLAN_OUT);

		snprintf(what, sizeof(what), "%s to %s", names[rows[i].from], names[rows[i].to]);
		expect(what, unicast(rows[i].from, rows[i].to + 1, rows[i].tci), rows[i].receivers);
		CU_ASSERT_EQUAL(test_out_dropped(to, VSWITCH_DROP_VLAN_OUT) - before, !rows[i].receivers[0]);
	}
	end();
}

/* A station outside that was heard in any VLAN of a private one is known in all of them. */
static void private_vlans_share_what_is_learned(void)
{
	static const int heard_in[] = { 100, 101, 102 };
	uint8_t station[6];

	for (unsigned i = 0; i < 3; i++) {
		begin(0);
		vswitch_port_allow_mac_spoofing(nics[D].port, true);	/* gets what is unknown */
		vswitch_port_allow_mac_spoofing(nics[P].port, true);
		expect("unknown", unicast(C, 77, NO_TAG), "D P X+102");
		test_mac(77, station);
		test_frame_plain(frame, test_broadcast, station, 60);
		test_tag(frame, heard_in[i], true);
		test_send(&nics[X], frame);
		test_receivers(nics, NICS);
		expect("from isolated", unicast(I, 77, NO_TAG), "X+101");
		expect("from community", unicast(C, 77, NO_TAG), "X+102");
		expect("from promiscuous", unicast(P, 77, NO_TAG), "X+100");
		expect("elsewhere", unicast(A, 77, NO_TAG), "X+7");
		end();
	}
}

static void map_changes_forget_what_was_learned(void)
{
	uint8_t station[6];
	struct vswitch_fdb_stats s;

	begin(0);
	test_mac(77, station);
	test_frame_plain(frame, test_broadcast, station, 60);
	test_tag(frame, 103, true);
	test_send(&nics[X], frame);
	test_mac(78, station);
	test_frame_plain(frame, test_broadcast, station, 60);
	test_tag(frame, 7, true);
	test_send(&nics[X], frame);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 2);
	/* 103 is nobody's secondary any more. */
	policies[P].vlan.secondaries = test_vlans(101, 102, 0);
	test_policy(&nics[P], &policies[P]);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 2);
	test_policy(&nics[E], NULL);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 1);
	test_receivers(nics, NICS);
	end();
}

static void ports_forget_when_their_vlan_changes(void)
{
	uint8_t station[6];

	begin(0);
	policies[A].allow_mac_spoofing = true;
	test_policy(&nics[A], &policies[A]);
	test_mac(77, station);
	test_frame_plain(frame, test_broadcast, station, 60);
	test_send(&nics[A], frame);
	test_receivers(nics, NICS);
	expect("learned", unicast(B, 77, NO_TAG), "A");
	policies[A].dhcp_guard = true;
	test_policy(&nics[A], &policies[A]);
	expect("kept", unicast(B, 77, NO_TAG), "A");
	policies[A].vlan.access = 8;
	test_policy(&nics[A], &policies[A]);
	expect("forgotten", unicast(B, 77, NO_TAG), "X+7");
	end();
}

static void priorities_pass_only_where_they_may(void)
{
	begin(VSWITCH_CAN_VLAN);
	expect("cleared from the VM", broadcast(A, 5 << 13 | 1 << 12 | 7, true), "B T+7 W X+7 O+7 H");
	expect("cleared to the VM", broadcast(O, 5 << 13 | 7, true), "A B T+7 W X+7p5 H");
	expect("untagged", broadcast(U, 3 << 13, true), "V X O");
	policies[A].allow_priority_tag = policies[B].allow_priority_tag = policies[T].allow_priority_tag = true;
	for (int i = A; i <= T; i++)
		test_policy(&nics[i], &policies[i]);
	expect("kept", broadcast(A, 5 << 13 | 7, true), "B+0p5 T+7p5 W X+7p5 O+7p5 H");
	expect("from a priority tag", broadcast(A, 5 << 13, false), "B+0p5 T+7p5 W X+7p5 O+7p5 H");
	expect("native", broadcast(X, 2 << 13 | 5, false), "T+0p2 O+5p2");
	expect("the wire's", broadcast(X, 6 << 13, false), "U V O+0p6");
	make(A, test_broadcast, 1 << 12 | 7, true);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL_FATAL(nics[X].num_got, 1);
	CU_ASSERT_EQUAL(nics[X].got[0].offload.vlan_tci, 1 << 12 | 7);
	test_receivers(nics, NICS);
	end();
}

/* Tags below the one that counts: who takes that one off must not find another. */
static void second_tags_do_not_come_to_light(void)
{
	static const struct {
		enum who from;
		int outer;
		uint16_t inner_type;
		const char *receivers;
		enum vswitch_drop reason;	/* at the source, if nobody gets it */
	} rows[] = {
		{ U, 0, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ A, 0, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ A, 7, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ I, 101, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ X, 0, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ T, 0, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ W, 7, 0x8100, "", VSWITCH_DROP_VLAN_IN },
		{ T, 8, 0x8100, "W+8 X+8 O+8", VSWITCH_DROPS },
		{ T, 7, 0x8100, "X+7 O+7", VSWITCH_DROPS },	/* neither access ports nor where 7 is native */
		{ X, 7, 0x8100, "T+7 O+7", VSWITCH_DROPS },
		{ U, NO_TAG, 0x88a8, "", VSWITCH_DROP_VLAN_IN },
		{ A, NO_TAG, 0x88a8, "", VSWITCH_DROP_VLAN_IN },
		{ A, 7, 0x88a8, "", VSWITCH_DROP_VLAN_IN },
		{ C, NO_TAG, 0x9100, "", VSWITCH_DROP_VLAN_IN },
		{ T, NO_TAG, 0x88a8, "X+5 O+5", VSWITCH_DROPS },
		{ T, 7, 0x88a8, "W X+7 O+7", VSWITCH_DROPS },
		{ X, NO_TAG, 0x88a8, "O", VSWITCH_DROPS },
		{ O, NO_TAG, 0x88a8, "X", VSWITCH_DROPS },
		{ O, 0, 0x8100, "", VSWITCH_DROP_NO_DESTINATION },
	};
	char what[64];

	begin(0);
	policies[O].vlan.mode = VSWITCH_VLAN_UNTAGGED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_nic *from = &nics[rows[i].from];
		uint64_t before = rows[i].reason == VSWITCH_DROPS ? 0 : test_in_dropped(from, rows[i].reason);

		make(rows[i].from, test_broadcast, NO_TAG, false);
		test_tag_bytes(frame, rows[i].inner_type, 9);
		test_tag(frame, rows[i].outer, true);
		test_send(from, frame);
		snprintf(what, sizeof(what), "%s %d over %#x", names[rows[i].from], rows[i].outer, rows[i].inner_type);
		expect(what, test_receivers(nics, NICS), rows[i].receivers);
		if (rows[i].reason != VSWITCH_DROPS)
			CU_ASSERT_EQUAL(test_in_dropped(from, rows[i].reason), before + 1);
	}
	/* In the metadata and in the bytes at once. */
	make(A, test_broadcast, 9, true);
	test_tag(frame, 7, false);
	test_send(&nics[A], frame);
	expect("both", test_receivers(nics, NICS), "");
	end();
}

static void reserved_ids_are_bad_frames(void)
{
	begin(0);
	for (int i = 0; i < NICS; i++) {
		expect("in bytes", broadcast((enum who)i, 4095, true), "");
		expect("in metadata", broadcast((enum who)i, 4095 | 7 << 13, false), "");
		CU_ASSERT_EQUAL(test_in_dropped(&nics[i], VSWITCH_DROP_BAD_FRAME), 2);
	}
	end();
}

/* Checksums and segmentation are the receivers' matter, whatever the tag. */
static void offloads_survive(void)
{
	begin(VSWITCH_CAN_VLAN | VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4);
	for (int in_bytes = 0; in_bytes < 2; in_bytes++) {
		make(T, test_broadcast, NO_TAG, false);
		put_be16(frame->bytes + 12, 0x0800);
		memset(frame->bytes + 14, 0, 40);
		frame->bytes[14] = 0x45;
		frame->bytes[23] = 6;
		frame->bytes[46] = 0x50;
		test_frame_set(frame, 3000);
		test_tag(frame, 7, in_bytes);
		frame->f.offload.gso = VSWITCH_GSO_TCPV4;
		frame->f.offload.gso_size = 1000;
		test_send(&nics[T], frame);
		CU_ASSERT_EQUAL_FATAL(nics[A].num_got, 1);
		CU_ASSERT_EQUAL(nics[A].got[0].offload.gso, VSWITCH_GSO_TCPV4);
		CU_ASSERT_EQUAL(nics[A].got[0].offload.csum_start, 34);
		CU_ASSERT(nics[A].got[0].offload.flags & VSWITCH_CSUM_PARTIAL);
		CU_ASSERT_EQUAL(nics[A].got[0].len, 3000);
		CU_ASSERT_EQUAL(nics[X].got[0].offload.gso, VSWITCH_GSO_TCPV4);
		expect("with gso", test_receivers(nics, NICS), "A B W X+7 O+7 H");
		/* One of them cannot: its segments have the tag that it shall see. */
		nics[X].nic.caps = 0;
		test_frame_set(frame, frame->f.len);
		if (!in_bytes)
			test_tag(frame, 7, false);
		frame->f.offload.gso = VSWITCH_GSO_TCPV4;
		frame->f.offload.gso_size = 1000;
		test_send(&nics[T], frame);
		expect("segmented", test_receivers(nics, NICS), "A B W X+7 X+7 X+7 O+7 H");
		nics[X].nic.caps = nics[A].nic.caps;
	}
	end();
}

/* A port's policy outlives its NICs; an external one makes another thing of it. */
static void default_depends_on_the_nic(void)
{
	struct test_nic *p = &nics[U];

	begin(0);
	vswitch_port_disconnect(p->port);
	p->nic.kind = VSWITCH_NIC_EXTERNAL;
	memset(p->nic.mac, 0, 6);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_connect(p->port, &p->nic), 0);
	expect("to an external one", broadcast(A, NO_TAG, false), "U+7 B T+7 W X+7 O+7 H");
	vswitch_port_disconnect(p->port);
	p->nic.kind = VSWITCH_NIC_EMULATED;
	test_mac(1, p->nic.mac);
	CU_ASSERT_EQUAL_FATAL(vswitch_port_connect(p->port, &p->nic), 0);
	expect("to a guest's", broadcast(A, NO_TAG, false), "B T+7 W X+7 O+7 H");
	end();
}

static const struct vswitch_vlan_policy good[] = {
	{ .mode = VSWITCH_VLAN_UNTAGGED },
	{ .mode = VSWITCH_VLAN_ACCESS, .access = 1 },
	{ .mode = VSWITCH_VLAN_ACCESS, .access = 4094 },
	{ .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 2 } },
	{ .mode = VSWITCH_VLAN_TRUNK, .native = 4094, .allowed.bits = { 4 }, .pruned.bits = { 4 } },
	{ .mode = VSWITCH_VLAN_ISOLATED, .primary = 20, .secondary = 21 },
	{ .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 20 },
};

static const struct {
	const char *field;
	struct vswitch_vlan_policy vlan;
} bad[] = {
	{ "vlan.mode", { .mode = (enum vswitch_vlan_mode)6 } },
	{ "vlan.access", { .mode = VSWITCH_VLAN_UNTAGGED, .access = 1 } },
	{ "vlan.access", { .mode = VSWITCH_VLAN_ACCESS } },
	{ "vlan.access", { .mode = VSWITCH_VLAN_ACCESS, .access = 4095 } },
	{ "vlan.native", { .mode = VSWITCH_VLAN_ACCESS, .access = 1, .native = 1 } },
	{ "vlan.allowed", { .mode = VSWITCH_VLAN_ACCESS, .access = 1, .allowed.bits = { 2 } } },
	{ "vlan.pruned", { .mode = VSWITCH_VLAN_ISOLATED, .primary = 1, .secondary = 2, .pruned.bits = { 2 } } },
	{ "vlan.allowed", { .mode = VSWITCH_VLAN_TRUNK } },
	{ "vlan.allowed", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 3 } } },
	{ "vlan.allowed", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { [63] = 1ull << 63 } } },
	{ "vlan.pruned", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 2 }, .pruned.bits = { 1 } } },
	{ "vlan.native", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 2 }, .native = 4095 } },
	{ "vlan.native", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 2 }, .pruned.bits = { 4 }, .native = 2 } },
	{ "vlan.primary", { .mode = VSWITCH_VLAN_TRUNK, .allowed.bits = { 2 }, .primary = 1 } },
	{ "vlan.secondary", { .mode = VSWITCH_VLAN_UNTAGGED, .secondary = 1 } },
	{ "vlan.secondaries", { .mode = VSWITCH_VLAN_UNTAGGED, .secondaries.bits = { 2 } } },
	{ "vlan.primary", { .mode = VSWITCH_VLAN_ISOLATED, .secondary = 1 } },
	{ "vlan.secondary", { .mode = VSWITCH_VLAN_COMMUNITY, .primary = 1 } },
	{ "vlan.secondary", { .mode = VSWITCH_VLAN_ISOLATED, .primary = 1, .secondary = 1 } },
	{ "vlan.primary", { .mode = VSWITCH_VLAN_COMMUNITY, .primary = 4095, .secondary = 1 } },
	{ "vlan.secondary", { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 1, .secondary = 2 } },
	{ "vlan.secondaries", { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 1, .secondaries.bits = { 2 } } },
	{ "vlan.secondaries", { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 2, .secondaries.bits = { 1 } } },
	{ "vlan.secondaries", { .mode = VSWITCH_VLAN_ISOLATED, .primary = 1, .secondary = 3, .secondaries.bits = { 4 } } },
};

static void refuses_what_makes_no_sense(void)
{
	struct vswitch_port_policy policy = { .num_addresses = 0 }, before, after;
	struct vswitch_why why;

	begin(0);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		policy.vlan = good[i];
		CU_ASSERT_EQUAL(vswitch_policy_check(sw, &policy, &why), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		policy.vlan = bad[i].vlan;
		why = (struct vswitch_why){ .field = "" };
		CU_ASSERT_EQUAL(vswitch_policy_check(sw, &policy, &why), -EINVAL);
		expect("field", why.field, bad[i].field);
		CU_ASSERT(vswitch_port_policy(nics[T].port, &before));
		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[T].port, &policy, NULL), -EINVAL);
		CU_ASSERT(vswitch_port_policy(nics[T].port, &after));
		CU_ASSERT_EQUAL(before.vlan.mode, after.vlan.mode);
		CU_ASSERT_EQUAL(before.vlan.native, after.vlan.native);
		CU_ASSERT(!memcmp(before.vlan.allowed.bits, after.vlan.allowed.bits, sizeof(before.vlan.allowed.bits)));
	}
	expect("still", broadcast(T, 8, false), "W+8 X+8 O+8");
	end();
}

static void private_vlans_must_agree(void)
{
	static const struct {
		const char *field;
		struct vswitch_vlan_policy vlan;
	} rows[] = {
		{ "vlan.secondary", { .mode = VSWITCH_VLAN_ISOLATED, .primary = 200, .secondary = 101 } },
		{ "vlan.secondary", { .mode = VSWITCH_VLAN_COMMUNITY, .primary = 200, .secondary = 100 } },
		{ "vlan.primary", { .mode = VSWITCH_VLAN_ISOLATED, .primary = 101, .secondary = 200 } },
		{ "vlan.secondary", { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 200,
				      .secondaries.bits = { [1] = 1ull << (103 - 64) } } },
	};
	struct vswitch_port_policy policy = { .num_addresses = 0 };
	struct vswitch_why why;

	begin(0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		policy.vlan = rows[i].vlan;
		CU_ASSERT_EQUAL(vswitch_policy_check(sw, &policy, &why), -EBUSY);
		expect("field", why.field, rows[i].field);
		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[U].port, &policy, &why), -EBUSY);
	}
	/* A port does not disagree with what it was. */
	policies[E].vlan.primary = 300;
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[E].port, &policies[E], &why), -EBUSY);	/* with P */
	policies[P].vlan.secondaries = test_vlans(101, 102, 0);
	test_policy(&nics[P], &policies[P]);
	test_policy(&nics[E], &policies[E]);
	expect("moved", broadcast(E, NO_TAG, false), "X+103 O+103");
	expect("alone", broadcast(P, NO_TAG, false), "W+100 I J C D X+100 O+100");
	end();
}

static const struct hv_test tests[] = {
	{ "who hears whom", who_hears_whom },
	{ "nowhere in a VLAN is counted", nowhere_in_a_vlan_is_counted },
	{ "known receivers must be members", known_receivers_must_be_members },
	{ "private VLANs share what is learned", private_vlans_share_what_is_learned },
	{ "map changes forget what was learned", map_changes_forget_what_was_learned },
	{ "ports forget when their VLAN changes", ports_forget_when_their_vlan_changes },
	{ "priorities pass only where they may", priorities_pass_only_where_they_may },
	{ "second tags do not come to light", second_tags_do_not_come_to_light },
	{ "reserved ids are bad frames", reserved_ids_are_bad_frames },
	{ "offloads survive", offloads_survive },
	{ "the default depends on the NIC", default_depends_on_the_nic },
	{ "refuses what makes no sense", refuses_what_makes_no_sense },
	{ "private VLANs must agree", private_vlans_must_agree },
};

HV_TEST_MAIN("vswitch/vlan", tests)
