/* SPDX-License-Identifier: MIT */
/*
 * The policies that need no parser: spoofing, teams, storms, isolation, mirrors of none of these; how they are set; and
 * what is set for a switch as a whole.
 */
#include <errno.h>

#include "vswitch/rules.h"
#include "vswitch/test_policy.h"

enum who { A, B, C, D, NET, HOST, NICS };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static uint64_t now_ns;

static void plug(enum who i, const char *name, enum vswitch_nic_kind kind, const char *vm)
{
	struct vswitch_nic_config config = { .name = name, .vm_id = vm };

	test_nic_init(&nics[i], kind, i + 1, VSWITCH_CAN_VLAN | VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4);
	if (vswitch_port_create(sw, name, &nics[i].port) || vswitch_nic_create(nics[i].port, 0, &nics[i].nic, &config) ||
	    vswitch_nic_connect(nics[i].port, 0))
		abort();
}

static void begin(void)
{
	sw = test_switch();
	now_ns = 1000000000000;
	plug(A, "A", VSWITCH_NIC_SYNTHETIC, "vm1");
	plug(B, "B", VSWITCH_NIC_EMULATED, "vm1");
	plug(C, "C", VSWITCH_NIC_SYNTHETIC, "vm2");
	plug(D, "D", VSWITCH_NIC_SYNTHETIC, "");
	plug(NET, "NET", VSWITCH_NIC_EXTERNAL, NULL);
	plug(HOST, "HOST", VSWITCH_NIC_INTERNAL, NULL);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	for (int i = 0; i < NICS; i++)
		test_nic_unplug(&nics[i]);
	CU_ASSERT_EQUAL(sw->policies->lent, 0);
	vswitch_destroy(sw);
	free(frame);
}

static void pass_time(uint64_t ns)
{
	now_ns += ns;
	vswitch_tick(sw, now_ns);
}

/* to 0: all. */
static const char *say(enum who through, unsigned from, unsigned to)
{
	uint8_t source[6], destination[6];

	test_mac(from, source);
	test_mac(to, destination);
	test_frame_plain(frame, to ? destination : test_broadcast, source, 60);
	test_send(&nics[through], frame);
	return test_receivers(nics, NICS);
}

#define EXPECT(got, wanted) CU_ASSERT_STRING_EQUAL(got, wanted)

static void set(enum who i, struct vswitch_port_policy policy)
{
	test_policy(&nics[i], &policy);
}

#define POLICY(...) ((struct vswitch_port_policy){ __VA_ARGS__ })

/* Spoofing. */

static void spoofing_as_the_port_says(void)
{
	begin();
	set(A, POLICY(.num_addresses = 0));
	EXPECT(say(A, 50, C + 1), "");
	EXPECT(say(A, C + 1, D + 1), "");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_SPOOFED_SOURCE), 2);
	EXPECT(say(C, C + 1, 50), "NET");
	set(A, POLICY(.allow_mac_spoofing = true));
	EXPECT(say(C, C + 1, 50), "A NET");
	EXPECT(say(A, 50, C + 1), "C");
	EXPECT(say(C, C + 1, 50), "A");
	EXPECT(say(A, C + 1, D + 1), "");	/* an address of a port that may not spoof */
	/* It moves to another port that may, and outside. */
	set(B, POLICY(.allow_mac_spoofing = true));
	EXPECT(say(B, 50, C + 1), "C");
	EXPECT(say(C, C + 1, 50), "B");
	EXPECT(say(NET, 50, C + 1), "C");
	EXPECT(say(C, C + 1, 50), "NET");
	/* Off again: what was learned there is gone. */
	EXPECT(say(B, 51, C + 1), "C");
	set(B, POLICY(.num_addresses = 0));
	EXPECT(say(C, C + 1, 51), "A NET");
	EXPECT(say(B, 51, C + 1), "");
	end();
}

/* The NICs' own addresses move among ports that may spoof, and nowhere else. */
static void own_addresses_move_among_spoofers(void)
{
	begin();
	set(A, POLICY(.allow_mac_spoofing = true));
	set(B, POLICY(.allow_mac_spoofing = true));
	EXPECT(say(B, A + 1, C + 1), "C");
	EXPECT(say(C, C + 1, A + 1), "B");
	EXPECT(say(C, A + 1, D + 1), "");
	EXPECT(say(NET, A + 1, D + 1), "");
	CU_ASSERT_EQUAL(test_in_dropped(&nics[NET], VSWITCH_DROP_OWN_SOURCE), 1);
	EXPECT(say(A, A + 1, C + 1), "C");	/* it comes home with its own NIC */
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(B, A + 1, C + 1), "C");
	set(B, POLICY(.num_addresses = 0));	/* … and when the other may not have it any more */
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(B, A + 1, C + 1), "");
	end();
}

static void teams_of_one_vm(void)
{
	begin();
	for (int i = A; i <= D; i++)
		set((enum who)i, POLICY(.allow_teaming = true));
	EXPECT(say(C, A + 1, D + 1), "");	/* of another VM */
	EXPECT(say(D, A + 1, C + 1), "");	/* of none */
	set(HOST, POLICY(.allow_teaming = true));
	EXPECT(say(HOST, D + 1, C + 1), "");	/* two of none */
	EXPECT(say(B, C + 1, D + 1), "");
	EXPECT(say(B, 50, D + 1), "");		/* nobody's */
	EXPECT(say(B, A + 1, C + 1), "C");	/* A has failed */
	EXPECT(say(C, C + 1, A + 1), "B");
	EXPECT(say(C, C + 1, B + 1), "B");
	EXPECT(say(B, B + 1, C + 1), "C");
	EXPECT(say(A, A + 1, C + 1), "C");	/* … and comes back */
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(B, A + 1, C + 1), "C");
	vswitch_port_set_link(nics[B].port, false);
	EXPECT(say(C, C + 1, A + 1), "A");
	vswitch_port_set_link(nics[B].port, true);
	EXPECT(say(B, A + 1, C + 1), "C");
	vswitch_port_disconnect(nics[B].port);
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(A, A + 1, C + 1), "C");
	end();
}

static void teams_end_in_any_order(void)
{
	struct vswitch_nic_config config = { .vm_id = "vm1" };
	uint8_t mac[6];

	begin();
	set(A, POLICY(.allow_teaming = true));
	EXPECT(say(B, A + 1, C + 1), "");	/* both must allow it */
	set(B, POLICY(.allow_teaming = true));
	EXPECT(say(B, A + 1, C + 1), "C");
	set(A, POLICY(.num_addresses = 0));
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(B, A + 1, C + 1), "");
	set(A, POLICY(.allow_teaming = true));
	EXPECT(say(B, A + 1, C + 1), "C");
	/* A gets another address, or leaves, while B has its own. */
	test_mac(60, mac);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(nics[A].port, mac), 0);
	EXPECT(say(B, A + 1, C + 1), "");
	EXPECT(say(B, 60, C + 1), "C");
	EXPECT(say(C, C + 1, 60), "B");
	test_mac(B + 1, mac);
	CU_ASSERT_EQUAL(vswitch_port_set_mac(nics[A].port, mac), -EADDRINUSE);
	EXPECT(say(C, C + 1, 60), "A");
	EXPECT(say(B, 60, C + 1), "C");
	vswitch_port_disconnect(nics[A].port);
	EXPECT(say(B, 60, C + 1), "");
	EXPECT(say(C, C + 1, 60), "NET");
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[A].port, 0, &nics[A].nic, &config), 0);
	CU_ASSERT_EQUAL(vswitch_nic_connect(nics[A].port, 0), 0);
	EXPECT(say(B, A + 1, C + 1), "C");
	EXPECT(say(A, A + 1, C + 1), "C");
	end();
}

/* Moving an address to and fro costs all ports their cached answers: no more often than a few times a second. */
static struct vswitch_port *flapping_at, *flapping_other;
static unsigned flappings;

static void flapping(void *opaque, struct vswitch_port *port, struct vswitch_port *other, const uint8_t mac[6], uint16_t vlan)
{
	CU_ASSERT_PTR_EQUAL(opaque, &flappings);
	CU_ASSERT_EQUAL(vlan, 0);
	CU_ASSERT_EQUAL(mac[0], 2);
	flapping_at = port;
	flapping_other = other;
	flappings++;
}

static const struct vswitch_event_ops events = { .flapping = flapping };

static void flapping_addresses_are_held(void)
{
	uint64_t generation;

	begin();
	vswitch_set_events(sw, &events, &flappings);
	set(A, POLICY(.allow_teaming = true));
	set(B, POLICY(.allow_teaming = true));
	flappings = 0;
	for (unsigned i = 0; i < 20; i++) {
		EXPECT(say(B, A + 1, C + 1), "C");	/* it may be used in any case */
		EXPECT(say(A, A + 1, C + 1), "C");
	}
	CU_ASSERT_EQUAL(flappings, 1);
	CU_ASSERT_PTR_EQUAL(flapping_at, nics[B].port);
	CU_ASSERT_PTR_EQUAL(flapping_other, nics[A].port);
	generation = sw->fdb.generation;
	say(A, A + 1, C + 1);
	say(B, A + 1, C + 1);
	CU_ASSERT_EQUAL(sw->fdb.generation, generation);
	EXPECT(say(C, C + 1, A + 1), "B");
	pass_time(10000000000);
	EXPECT(say(A, A + 1, C + 1), "C");
	EXPECT(say(C, C + 1, A + 1), "A");
	/* Learned ones as well. */
	set(A, POLICY(.allow_mac_spoofing = true));
	set(B, POLICY(.allow_mac_spoofing = true));
	for (unsigned i = 0; i < 8; i++)
		say(i % 2 ? A : B, 50, C + 1);
	CU_ASSERT_EQUAL(flappings, 2);
	vswitch_set_events(sw, NULL, NULL);
	pass_time(10000000000);
	for (unsigned i = 0; i < 8; i++)
		say(i % 2 ? A : B, 50, C + 1);
	CU_ASSERT_EQUAL(flappings, 2);
	end();
}

/* Two NICs of a guest, bridged: every flood comes back by the other one. It ends at the source check, or at the storm limit. */
static bool bridging;
static struct { enum who to; unsigned from; } echoes[64];
static unsigned num_echoes;

static void bridge(struct test_nic *t)
{
	for (unsigned i = 0; i < t->num_got && bridging && num_echoes < 64; i++) {
		echoes[num_echoes].to = t == &nics[A] ? B : A;
		echoes[num_echoes++].from = t->got[i].bytes[11];
	}
}

static unsigned bridged_frames(void)
{
	unsigned sent = 0;

	num_echoes = 0;
	bridging = true;
	say(C, C + 1, 0);
	while (num_echoes && sent < 1000) {
		num_echoes--;
		sent++;
		say(echoes[num_echoes].to, echoes[num_echoes].from, 0);
	}
	bridging = false;
	return sent;
}

static void a_bridge_in_a_guest_does_not_melt_the_switch(void)
{
	begin();
	nics[A].on_deliver = nics[B].on_deliver = bridge;
	set(A, POLICY(.num_addresses = 0));
	set(B, POLICY(.num_addresses = 0));
	CU_ASSERT_EQUAL(bridged_frames(), 2);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_SPOOFED_SOURCE), 1);
	set(A, POLICY(.allow_mac_spoofing = true, .storm_limit = 10));
	set(B, POLICY(.allow_mac_spoofing = true, .storm_limit = 10));
	/* C is a guest that may not spoof: its address is its own. */
	CU_ASSERT_EQUAL(bridged_frames(), 2);
	/* From outside there is no such protection. */
	num_echoes = 0;
	bridging = true;
	say(NET, 50, 0);
	{
		unsigned sent = 0;

		while (num_echoes && sent < 1000) {
			num_echoes--;
			sent++;
			say(echoes[num_echoes].to, echoes[num_echoes].from, 0);
		}
		CU_ASSERT(sent <= 2 + 20 + 20);
		CU_ASSERT(test_in_dropped(&nics[A], VSWITCH_DROP_STORM) + test_in_dropped(&nics[B], VSWITCH_DROP_STORM) >= 1);
	}
	bridging = false;
	nics[A].on_deliver = nics[B].on_deliver = NULL;
	end();
}

/* Storms. */

static void storms_end(void)
{
	static const unsigned kinds[] = { 0, 0, 77, 77, 78 };	/* broadcast; unknown unicast */
	unsigned sent = 0;

	begin();
	set(A, POLICY(.storm_limit = 4));
	for (unsigned second = 0; second < 3; second++) {
		for (unsigned i = 0; i < 5; i++)
			sent += !!*say(A, A + 1, kinds[i]);
		CU_ASSERT_EQUAL(sent, 4);
		for (unsigned i = 0; i < 10; i++)	/* known unicast is no storm */
			EXPECT(say(A, A + 1, C + 1), "C");
		sent = 0;
		pass_time(999999999);
		EXPECT(say(A, A + 1, 0), "");
		pass_time(1);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_STORM), 6);
	EXPECT(say(NET, 50, C + 1), "C");
	EXPECT(say(A, A + 1, 50), "NET");
	EXPECT(say(A, A + 1, 0), "B C D NET HOST");
	EXPECT(say(C, C + 1, 0), "A B D NET HOST");	/* of this port alone */
	end();
}

static void what_will_be_segments_counts_as_such(void)
{
	begin();
	set(A, POLICY(.storm_limit = 10));
	for (unsigned i = 0; i < 3; i++) {
		test_frame_plain(frame, test_broadcast, nics[A].nic.mac, 60);
		put_be16(frame->bytes + 12, 0x0800);
		memset(frame->bytes + 14, 0, 40);
		frame->bytes[14] = 0x45;
		frame->bytes[23] = 17;
		test_frame_set(frame, 42 + 401);
		frame->f.offload.gso = VSWITCH_GSO_UDP;
		frame->f.offload.gso_size = 100;
		test_send(&nics[A], frame);
		CU_ASSERT_EQUAL(nics[C].num_got, i < 2 ? 5 : 0);
		test_receivers(nics, NICS);
	}
	end();
}

static void multicast_is_a_storm_too(void)
{
	static const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };

	begin();
	set(A, POLICY(.storm_limit = 1));
	for (unsigned i = 0; i < 3; i++) {
		test_frame_plain(frame, group, nics[A].nic.mac, 60);
		test_send(&nics[A], frame);
	}
	EXPECT(test_receivers(nics, NICS), "B C D NET HOST");
	end();
}

/* Isolation, hub, LLDP. */

static void isolated_ports_do_not_meet(void)
{
	begin();
	set(A, POLICY(.isolated = true));
	set(B, POLICY(.isolated = true));
	EXPECT(say(A, A + 1, 0), "C D NET HOST");
	EXPECT(say(C, C + 1, 0), "A B D NET HOST");
	EXPECT(say(A, A + 1, B + 1), "");
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_ISOLATION), 1);
	EXPECT(say(A, A + 1, C + 1), "C");
	EXPECT(say(C, C + 1, A + 1), "A");
	EXPECT(say(NET, 50, A + 1), "A");
	EXPECT(say(HOST, HOST + 1, B + 1), "B");
	set(B, POLICY(.num_addresses = 0));
	EXPECT(say(A, A + 1, B + 1), "B");
	end();
}

static void a_hub_if_wanted(void)
{
	struct vswitch_options options = { .hub = true };

	begin();
	EXPECT(say(A, A + 1, 77), "NET");
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), 0);
	EXPECT(say(A, A + 1, 77), "B C D NET HOST");
	EXPECT(say(NET, 50, 77), "A B C D HOST");
	EXPECT(say(A, A + 1, 50), "NET");		/* what is known is known */
	EXPECT(say(A, A + 1, B + 1), "B");
	set(B, POLICY(.vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = 3 }));
	EXPECT(say(A, A + 1, 77), "C D NET HOST");
	end();
}

static const char *lldp(enum who from, uint8_t last, uint16_t type)
{
	uint8_t group[6] = { 0x01, 0x80, 0xc2, 0, 0, last };
	uint8_t mac[6];

	test_mac(from == NET ? 50 : from + 1, mac);
	test_frame_plain(frame, group, mac, 60);
	put_be16(frame->bytes + 12, type);
	test_frame_set(frame, 60);
	test_send(&nics[from], frame);
	return test_receivers(nics, NICS);
}

static void lldp_goes_to_who_listens(void)
{
	struct vswitch_port_policy policy = { .lldp = true };
	struct vswitch_why why;

	begin();
	EXPECT(lldp(NET, 0x0e, 0x88cc), "");
	set(HOST, POLICY(.lldp = true, .vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = 3 }));
	EXPECT(lldp(NET, 0x0e, 0x88cc), "HOST");
	EXPECT(lldp(NET, 0x03, 0x88cc), "HOST");
	EXPECT(lldp(NET, 0x0e, 0x88cd), "");
	EXPECT(lldp(NET, 0x02, 0x8809), "");
	EXPECT(lldp(A, 0x0e, 0x88cc), "");	/* guests do not tell the host about the network */
	EXPECT(lldp(HOST, 0x0e, 0x88cc), "");
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, &policy, &why), -EBUSY);
	CU_ASSERT_STRING_EQUAL(why.field, "lldp");
	vswitch_port_set_link(nics[HOST].port, false);
	EXPECT(lldp(NET, 0x0e, 0x88cc), "");
	vswitch_port_set_link(nics[HOST].port, true);
	set(HOST, POLICY(.num_addresses = 0));
	EXPECT(lldp(NET, 0x0e, 0x88cc), "");
	set(A, policy);
	EXPECT(lldp(NET, 0x0e, 0x88cc), "A");
	end();
}

/* The types of a switch: who is there hears it, and nobody else could. */
static void each_type_reaches_its_own(void)
{
	static const struct { bool net, host; const char *broadcast, *unknown, *to_host; } rows[] = {
		{ true, true, "B C D NET HOST", "NET", "HOST" },
		{ true, false, "B C D NET", "NET", "NET" },
		{ false, true, "B C D HOST", "", "HOST" },
		{ false, false, "B C D", "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_port_stats s;

		begin();
		if (!rows[i].net)
			vswitch_port_disconnect(nics[NET].port);
		if (!rows[i].host)
			vswitch_port_disconnect(nics[HOST].port);
		EXPECT(say(A, A + 1, 0), rows[i].broadcast);
		EXPECT(say(A, A + 1, 77), rows[i].unknown);
		EXPECT(say(A, A + 1, HOST + 1), rows[i].to_host);
		EXPECT(say(A, A + 1, B + 1), "B");
		vswitch_port_stats(nics[NET].port, &s);
		CU_ASSERT_EQUAL(s.offered, (rows[i].net ? 2u : 0) + (rows[i].net && !rows[i].host));
		vswitch_port_stats(nics[HOST].port, &s);
		CU_ASSERT_EQUAL(s.offered, rows[i].host ? 2 : 0);
		end();
	}
}

/* The table. */

static const struct vswitch_fdb_entry *found;
static struct vswitch_fdb_entry entry;

static void find(void *cookie, const struct vswitch_fdb_entry *e)
{
	if (e->mac[5] != *(const uint8_t *)cookie)
		return;
	entry = *e;
	found = &entry;
}

static const struct vswitch_fdb_entry *shown(uint8_t number)
{
	found = NULL;
	vswitch_fdb_visit(sw, find, &number);
	return found;
}

static void entries_by_hand(void)
{
	uint8_t mac[6], group[6] = { 1 }, zero[6] = { 0 };

	begin();
	test_mac(50, mac);
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, group, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, zero, 0), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, mac, 4095), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, nics[A].nic.mac, 0), -EADDRINUSE);
	set(A, POLICY(.allow_mac_spoofing = true));
	EXPECT(say(A, 50, C + 1), "C");
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, mac, 0), 0);
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[A].port, mac, 0), -EADDRINUSE);
	EXPECT(say(C, C + 1, 50), "NET");
	EXPECT(say(A, 50, C + 1), "");		/* it is another's */
	EXPECT(say(NET, 50, C + 1), "C");
	CU_ASSERT_PTR_NOT_NULL_FATAL(shown(50));
	CU_ASSERT_EQUAL(entry.kind, VSWITCH_FDB_MGMT);
	CU_ASSERT_PTR_EQUAL(entry.port, nics[NET].port);
	pass_time(1000000000000);
	vswitch_fdb_flush(sw);
	EXPECT(say(C, C + 1, 50), "NET");
	/* In its VLAN only. */
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[NET].port, mac, 7), 0);
	CU_ASSERT_EQUAL(vswitch_fdb_del(nics[NET].port, mac, 8), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_fdb_del(nics[A].port, mac, 7), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_fdb_del(nics[NET].port, mac, 0), 0);
	EXPECT(say(C, C + 1, 50), "A NET");
	EXPECT(say(A, 50, C + 1), "C");
	CU_ASSERT_PTR_NOT_NULL(shown(HOST + 1));
	CU_ASSERT_EQUAL(entry.kind, VSWITCH_FDB_SELF);
	/* Goes with its port. */
	CU_ASSERT_EQUAL(vswitch_fdb_add(nics[D].port, mac, 9), 0);
	end();
}

static void options_at_run_time(void)
{
	struct vswitch_options options = { .ageing_s = 10, .max_learned = 2 }, out;
	struct vswitch_fdb_stats s;

	begin();
	for (unsigned i = 50; i < 60; i++)
		say(NET, i, C + 1);
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), 0);
	vswitch_options(sw, &out);
	CU_ASSERT_EQUAL(out.ageing_s, 10);
	CU_ASSERT_EQUAL(out.max_learned, 2);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 0);
	EXPECT(say(A, A + 1, B + 1), "B");	/* NICs stay known */
	for (unsigned i = 50; i < 60; i++)
		say(NET, i, C + 1);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 2);
	pass_time(10000000000);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 0);
	options = (struct vswitch_options){ .ageing_s = 9 };
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), -EINVAL);
	options = (struct vswitch_options){ .max_learned = 1048577 };
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), -EINVAL);
	options = (struct vswitch_options){ .max_learned = 100000 };
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), 0);
	for (unsigned i = 0; i < 5000; i++)
		say(NET, 1000 + i, C + 1);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 5000);
	EXPECT(say(A, A + 1, 3000), "NET");
	vswitch_port_fdb_flush(nics[NET].port);
	vswitch_fdb_stats(sw, &s);
	CU_ASSERT_EQUAL(s.entries, 0);
	end();
}

/* Setting. */

static void all_or_nothing(void)
{
	static const struct { const char *field; struct vswitch_port_policy policy; } rows[] = {
		{ "bpdu_guard", { .bpdu_guard = (enum vswitch_bpdu_guard)3 } },
		{ "num_addresses", { .prevent_ip_spoofing = true, .num_addresses = 33 } },
		{ "addresses", { .num_addresses = 1, .addresses = { { 4, { 10 } } } } },
		{ "addresses", { .prevent_ip_spoofing = true, .num_addresses = 1, .addresses = { { 5, { 10 } } } } },
		{ "addresses", { .prevent_ip_spoofing = true, .num_addresses = 1, .addresses = { { 4, { 0 } } } } },
		{ "addresses", { .prevent_ip_spoofing = true, .num_addresses = 1, .addresses = { { 4, { 224 } } } } },
		{ "addresses", { .prevent_ip_spoofing = true, .num_addresses = 1, .addresses = { { 6, { 0xff } } } } },
		{ "monitor_mode", { .monitor_mode = (enum vswitch_monitor_mode)3 } },
		{ "monitor_session", { .monitor_session = 1 } },
		{ "monitor_direction", { .monitor_direction = VSWITCH_MONITOR_TO_NIC } },
		{ "monitor_direction", { .monitor_mode = VSWITCH_MONITOR_DESTINATION,
					 .monitor_direction = VSWITCH_MONITOR_TO_NIC } },
		{ "monitor_direction", { .monitor_mode = VSWITCH_MONITOR_SOURCE,
					 .monitor_direction = (enum vswitch_monitor_direction)3 } },
	};
	struct vswitch_port_policy policy = { .storm_limit = 3, .allow_mac_spoofing = true }, out;
	struct vswitch_why why;

	begin();
	CU_ASSERT(!vswitch_port_policy(nics[A].port, &out));
	set(A, policy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, &rows[i].policy, &why), -EINVAL);
		CU_ASSERT_STRING_EQUAL(why.field, rows[i].field);
		CU_ASSERT(strlen(why.text) > 3);
		CU_ASSERT(vswitch_port_policy(nics[A].port, &out));
		CU_ASSERT_EQUAL(out.storm_limit, policy.storm_limit);
		CU_ASSERT(out.allow_mac_spoofing && !out.prevent_ip_spoofing && !out.monitor_mode && !out.bpdu_guard);
	}
	EXPECT(say(A, 50, C + 1), "C");
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, NULL, &why), 0);
	CU_ASSERT(!vswitch_port_policy(nics[A].port, &out));
	EXPECT(say(A, 50, C + 1), "");
	end();
}

static const struct hv_test tests[] = {
	{ "spoofing as the port says", spoofing_as_the_port_says },
	{ "own addresses move among spoofers", own_addresses_move_among_spoofers },
	{ "teams of one VM", teams_of_one_vm },
	{ "teams end in any order", teams_end_in_any_order },
	{ "flapping addresses are held", flapping_addresses_are_held },
	{ "a bridge in a guest does not melt the switch", a_bridge_in_a_guest_does_not_melt_the_switch },
	{ "storms end", storms_end },
	{ "what will be segments counts as such", what_will_be_segments_counts_as_such },
	{ "multicast is a storm, too", multicast_is_a_storm_too },
	{ "isolated ports do not meet", isolated_ports_do_not_meet },
	{ "a hub if wanted", a_hub_if_wanted },
	{ "LLDP goes to who listens", lldp_goes_to_who_listens },
	{ "each type reaches its own", each_type_reaches_its_own },
	{ "entries by hand", entries_by_hand },
	{ "options at run time", options_at_run_time },
	{ "all or nothing", all_or_nothing },
};

HV_TEST_MAIN("vswitch/policy", tests)
