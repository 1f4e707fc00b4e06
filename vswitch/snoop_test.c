/* SPDX-License-Identifier: MIT */
/*
 * Who gets which multicast while the switch snoops, and what it does not dare.
 */
#include "vswitch/test_snoop.h"

#define NS_PER_S 1000000000ull

enum who { A, B, C, NET, NICS };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static uint64_t now_s;

/* ---- a switch with three guests and an uplink ---- */

static void snoop(bool on)
{
	struct vswitch_options options;

	vswitch_options(sw, &options);
	options.multicast_snooping = on;
	CU_ASSERT_EQUAL(vswitch_set_options(sw, &options), 0);
}

static void wait_s(unsigned seconds)
{
	now_s += seconds;
	vswitch_tick(sw, now_s * NS_PER_S);
}

static void begin(void)
{
	sw = test_switch();
	now_s = 1000;
	for (unsigned i = 0; i < NICS; i++)
		test_nic_plug(sw, &nics[i], i == NET ? VSWITCH_NIC_EXTERNAL : VSWITCH_NIC_SYNTHETIC, i + 1, 0);
	frame = test_frame_new();
	snoop(true);
}

static unsigned receivers(void)
{
	unsigned bits = 0;

	for (int i = 0; i < NICS; i++) {
		bits |= nics[i].num_got ? 1u << i : 0;
		test_nic_clear(&nics[i]);
	}
	return bits;
}

static void end(void)
{
	receivers();
	CU_ASSERT(test_balanced(sw));
	for (int i = 0; i < NICS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	free(frame);
}

/* Who got it. */
static unsigned send(enum who from, const struct test_message *m)
{
	test_message_set(frame, from + 1, m);
	test_send(&nics[from], frame);
	return receivers();
}

static unsigned send_in(enum who from, uint16_t vlan, const struct test_message *m)
{
	test_message_set(frame, from + 1, m);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = vlan;
	test_send(&nics[from], frame);
	return receivers();
}

static struct test_message data_to(uint8_t version, const uint8_t *group)
{
	struct test_message m = test_message(version, 0, 40);

	m.protocol = 17;
	m.hops = 16;
	m.alert = false;
	memcpy(m.to, group, 16);
	return m;
}

static struct test_message data(uint8_t version, uint32_t group)
{
	uint8_t to[16];

	test_group(to, version, group);
	return data_to(version, to);
}

#define TO(x) (1u << (x))
#define ALL_BUT(x) ((TO(NICS) - 1) & ~TO(x))

static unsigned send_data(enum who from, uint8_t version, uint32_t group)
{
	const struct test_message m = data(version, group);

	return send(from, &m);
}

static unsigned send_query(enum who from, uint8_t version, uint8_t address)
{
	const struct test_message m = test_query(version, version == 4 ? 3 : 2, 0, address);

	return send(from, &m);
}

static unsigned ask(enum who from, uint8_t version, uint32_t group)
{
	const struct test_message m = test_query(version, version == 4 ? 3 : 2, group, 9);

	return send(from, &m);
}

static unsigned join(enum who from, uint8_t version, uint32_t group)
{
	const struct test_message m = test_join(version, group);

	return send(from, &m);
}

static unsigned leave(enum who from, uint8_t version, uint32_t group)
{
	const struct test_message m = test_leave(version, group);

	return send(from, &m);
}

/* The uplink has a querier, and all had the time to answer. */
static void with_querier(uint8_t version)
{
	CU_ASSERT_EQUAL(send_query(NET, version, 9), ALL_BUT(NET));
	wait_s(2);
}

static struct vswitch_snoop_stats stats(void)
{
	struct vswitch_snoop_stats s;

	vswitch_snoop_stats(sw, &s);
	return s;
}

/* A test of both families. */
static void both(void (*test)(uint8_t version))
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		begin();
		test(version);
		end();
	}
}

/* ---- where data goes ---- */

static void off_unless_asked_for(void)
{
	struct vswitch_options options;

	begin();
	snoop(false);
	vswitch_options(sw, &options);
	CU_ASSERT_FALSE(options.multicast_snooping);
	with_querier(4);
	CU_ASSERT_EQUAL(join(A, 4, 1), ALL_BUT(A));
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), ALL_BUT(NET));
	CU_ASSERT_EQUAL(stats().queries, 0);
	end();
}

static void to_listeners_and_routers_of(uint8_t version)
{
	with_querier(version);
	join(A, version, 1);
	CU_ASSERT_EQUAL(send_data(C, version, 1), TO(A) | TO(NET));
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(A));
	join(B, version, 1);
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(A) | TO(B));
	CU_ASSERT_EQUAL(send_data(A, version, 1), TO(B) | TO(NET));
	/* By IP group: this one has the same MAC address (RFC 1112, 6.4; RFC 2464, 7). */
	if (version == 4)
		CU_ASSERT_EQUAL(send_data(C, 4, 1u << 23 | 1), TO(NET));
	CU_ASSERT_EQUAL(stats().groups, 1);
	CU_ASSERT_EQUAL(stats().members, 2);
	CU_ASSERT_EQUAL(stats().routers, 1);
	CU_ASSERT_EQUAL(stats().queriers, 1);
	CU_ASSERT_EQUAL(stats().joined, 2);
}

static void to_listeners_and_routers(void)
{
	both(to_listeners_and_routers_of);
}

static void unknown_groups_of(uint8_t version)
{
	CU_ASSERT_EQUAL(send_data(C, version, 7), ALL_BUT(C));
	join(A, version, 1);
	CU_ASSERT_EQUAL(send_data(C, version, 1), ALL_BUT(C));	/* who else listened before we did? */
	with_querier(version);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(NET));
	CU_ASSERT_EQUAL(send_data(NET, version, 7), 0);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[NET], VSWITCH_DROP_NO_DESTINATION), 1);
	/* The other family has no querier. */
	CU_ASSERT_EQUAL(send_data(C, (uint8_t)(10 - version), 7), ALL_BUT(C));
}

static void unknown_groups(void)
{
	both(unknown_groups_of);
}

/* Not before the first query has had its answers; and not when queries have ceased. */
static void only_with_a_querier_of(uint8_t version)
{
	struct test_message m;

	send_query(NET, version, 9);
	CU_ASSERT_EQUAL(send_data(C, version, 7), ALL_BUT(C));
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(NET));
	wait_s(39);			/* 2 * 20 s + 1 s / 2 */
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(NET));
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(C, version, 7), ALL_BUT(C));
	CU_ASSERT_EQUAL(stats().routers, 0);
	/* The router is there, but asks no more. */
	m = test_hello(version, 500);
	send(NET, &m);
	with_querier(version);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(NET));
	wait_s(100);
	CU_ASSERT_EQUAL(send_data(C, version, 7), ALL_BUT(C));
	CU_ASSERT_EQUAL(stats().routers, 1);
	CU_ASSERT_EQUAL(stats().queriers, 0);
}

static void only_with_a_querier(void)
{
	both(only_with_a_querier_of);
}

static void local_groups_of(uint8_t version)
{
	static const uint8_t names[3] = { 1, 2, 251 };
	struct test_message m;
	uint8_t to[16];

	with_querier(version);
	for (unsigned i = 0; i < 3; i++) {
		test_local(to, version, names[i]);
		m = data_to(version, to);
		CU_ASSERT_EQUAL(send(C, &m), ALL_BUT(C));
	}
	/* Not even if somebody says that he alone listens. */
	m = test_join(version, 0);
	memcpy(m.to, to, 16);
	memcpy(test_message_group(&m), to, version == 4 ? 4 : 16);
	CU_ASSERT_EQUAL(send(A, &m), TO(NET));
	m = data_to(version, to);
	CU_ASSERT_EQUAL(send(C, &m), ALL_BUT(C));
	CU_ASSERT_EQUAL(stats().members, 0);
}

static void local_groups(void)
{
	both(local_groups_of);
}

static void what_is_no_ip(void)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, group[6] = { 0x01, 0, 0x5e, 0, 0, 7 },
			     other[6] = { 0x03, 0, 0, 0, 0, 1 };
	uint8_t from[6];

	begin();
	with_querier(4);
	test_mac(C + 1, from);
	test_frame_plain(frame, broadcast, from, 60);
	test_send(&nics[C], frame);
	CU_ASSERT_EQUAL(receivers(), ALL_BUT(C));
	test_frame_plain(frame, group, from, 60);
	test_send(&nics[C], frame);
	CU_ASSERT_EQUAL(receivers(), ALL_BUT(C));
	test_frame_plain(frame, other, from, 60);
	test_send(&nics[C], frame);
	CU_ASSERT_EQUAL(receivers(), ALL_BUT(C));
	end();
}

/* ---- where messages go ---- */

static void reports_go_to_routers_of(uint8_t version)
{
	struct test_message m;

	CU_ASSERT_EQUAL(join(A, version, 1), ALL_BUT(A));	/* there is no router that we know */
	send_query(NET, version, 9);
	/* At once: the answers to the first query must not silence each other. */
	CU_ASSERT_EQUAL(join(A, version, 1), TO(NET));
	CU_ASSERT_EQUAL(join(B, version, 1), TO(NET));
	CU_ASSERT_EQUAL(leave(A, version, 1), TO(NET));
	m = test_records(version);
	test_add_record(&m, 4, 2, 0);
	CU_ASSERT_EQUAL(send(A, &m), TO(NET));
	/* Queries go to all, of a group, too. */
	CU_ASSERT_EQUAL(ask(NET, version, 1), ALL_BUT(NET));
	CU_ASSERT_EQUAL(send_query(C, version, 8), ALL_BUT(C));
	CU_ASSERT_EQUAL(join(A, version, 1), TO(C) | TO(NET));
	CU_ASSERT_EQUAL(stats().reports, 6);
	CU_ASSERT_EQUAL(stats().queries, 3);
}

static void reports_go_to_routers(void)
{
	both(reports_go_to_routers_of);
}

/* RFC 4541, 2.1.1: a proxy asks from 0.0.0.0; it is no router. */
static void proxies_are_no_routers(void)
{
	begin();
	CU_ASSERT_EQUAL(send_query(NET, 4, 0), ALL_BUT(NET));
	wait_s(2);
	CU_ASSERT_EQUAL(join(A, 4, 1), ALL_BUT(A));
	CU_ASSERT_EQUAL(send_data(C, 4, 7), ALL_BUT(C));
	CU_ASSERT_EQUAL(stats().routers, 0);
	end();
}

static void pim_makes_routers_of(uint8_t version)
{
	struct test_message m = test_hello(version, 30);

	CU_ASSERT_EQUAL(send(B, &m), ALL_BUT(B));
	CU_ASSERT_EQUAL(join(A, version, 1), TO(B));
	CU_ASSERT_EQUAL(send_data(C, version, 7), ALL_BUT(C));	/* it does not ask who listens */
	with_querier(version);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(B) | TO(NET));
	/* Another router behind the port may have said goodbye. */
	m = test_hello(version, 0);
	send(B, &m);
	send(A, &m);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(B) | TO(NET));
	wait_s(28);
	CU_ASSERT_EQUAL(send_data(C, version, 7), TO(NET));
	m = test_hello(version, 0xffff);
	send(B, &m);
	wait_s(100000);
	CU_ASSERT_EQUAL(join(A, version, 1), TO(B));
	CU_ASSERT_EQUAL(stats().hellos, 4);
}

static void pim_makes_routers(void)
{
	both(pim_makes_routers_of);
}

static void guarded_ports_have_no_routers(void)
{
	struct vswitch_port_policy policy = { .router_guard = true };
	struct test_message m = test_hello(4, 30);
	struct vswitch_why why;

	begin();
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[B].port, &policy, &why), 0);
	CU_ASSERT_EQUAL(send_query(B, 4, 1), ALL_BUT(B));
	CU_ASSERT_EQUAL(send(B, &m), ALL_BUT(B));
	CU_ASSERT_EQUAL(stats().routers, 0);
	CU_ASSERT_EQUAL(stats().faults[VSWITCH_SNOOP_GUARDED], 2);
	with_querier(4);
	CU_ASSERT_EQUAL(join(B, 4, 1), TO(NET));		/* listen it may */
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), TO(B));
	end();
}

/* ---- time ---- */

static void listeners_age_of(uint8_t version)
{
	with_querier(version);
	join(A, version, 1);
	join(B, version, 1);
	wait_s(20);
	send_query(NET, version, 9);
	join(B, version, 1);
	wait_s(20);			/* 2 * 20 s + 1 s */
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(A) | TO(B));
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(B));
	CU_ASSERT_EQUAL(stats().expired, 1);
	CU_ASSERT_EQUAL(stats().left, 0);
}

static void listeners_age(void)
{
	both(listeners_age_of);
}

/* RFC 3376, 8.4, with the values of a querier that says none of them. */
static void default_times(void)
{
	struct test_message m = test_query(4, 1, 0, 9);

	begin();
	send(NET, &m);
	wait_s(10);
	join(A, 4, 1);
	wait_s(240);
	send(NET, &m);
	wait_s(19);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), TO(A));
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), 0);
	end();
}

/* Two routers: who has the lower address asks, and says how often (RFC 3376, 6.6.2). */
static void the_lowest_address_is_the_querier(void)
{
	struct test_message fast = test_query(4, 3, 0, 9), slow = test_query(4, 3, 0, 5);

	begin();
	slow.bytes[9] = 100;
	send(NET, &fast);
	send(B, &slow);
	send(NET, &fast);		/* does not count any more */
	wait_s(2);
	join(A, 4, 1);
	wait_s(190);
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(A) | TO(B));
	wait_s(20);			/* the querier is gone; the other one begins to ask */
	CU_ASSERT_EQUAL(send_data(C, 4, 1), ALL_BUT(C));
	send(NET, &fast);
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(NET));
	end();
}

static void leaves_take_a_query_of(uint8_t version)
{
	struct test_message m;

	with_querier(version);
	join(A, version, 1);
	join(B, version, 1);
	leave(A, version, 1);
	leave(B, version, 1);
	leave(C, version, 1);		/* which never was a listener */
	wait_s(10);
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(A) | TO(B));	/* somebody else behind the port may listen */
	ask(NET, version, 1);
	join(B, version, 1);
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(A) | TO(B));
	wait_s(1);			/* 2 * 1 s */
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(B));
	CU_ASSERT_EQUAL(stats().left, 1);
	CU_ASSERT_EQUAL(stats().expired, 0);
	/* Of another group, of sources, and with the S flag it says nothing about B. */
	ask(NET, version, 2);
	m = test_query(version, version == 4 ? 3 : 2, 1, 9);
	m.bytes[m.n - 4] |= 8;
	send(NET, &m);
	m = test_query(version, version == 4 ? 3 : 2, 1, 9);
	put_be16(m.bytes + m.n - 2, 1);
	m.n += version == 4 ? 4 : 16;
	send(NET, &m);
	wait_s(5);
	CU_ASSERT_EQUAL(send_data(NET, version, 1), TO(B));
}

static void leaves_take_a_query(void)
{
	both(leaves_take_a_query_of);
}

/* A tenth of a second for an answer would be too short for a busy guest. */
static void answers_have_a_second(void)
{
	struct test_message m = test_query(4, 3, 1, 9);

	begin();
	with_querier(4);
	join(A, 4, 1);
	m.bytes[1] = 1;
	send(NET, &m);
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), TO(A));
	wait_s(1);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), 0);
	end();
}

/* ---- ports ---- */

static void vlans_have_their_own(void)
{
	struct test_message q = test_query(4, 3, 0, 9), j = test_join(4, 1), d = data(4, 1);
	struct vswitch_port_policy policy = { .vlan = { .mode = VSWITCH_VLAN_TRUNK } };
	struct vswitch_why why;

	begin();
	vswitch_vlan_set_add(&policy.vlan.allowed, 5);
	vswitch_vlan_set_add(&policy.vlan.allowed, 6);
	vswitch_vlan_set_add(&policy.vlan.allowed, 7);
	for (int i = 0; i < NICS; i++)
		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[i].port, &policy, &why), 0);
	send_in(NET, 5, &q);
	send_in(NET, 6, &q);
	wait_s(2);
	send_in(A, 5, &j);
	send_in(B, 6, &j);
	CU_ASSERT_EQUAL(send_in(C, 5, &d), TO(A) | TO(NET));
	CU_ASSERT_EQUAL(send_in(C, 6, &d), TO(B) | TO(NET));
	CU_ASSERT_EQUAL(send_in(C, 7, &d), ALL_BUT(C));
	end();
}

/* A listener in a secondary VLAN is one to the primary's senders. */
static void private_vlans_are_one(void)
{
	struct vswitch_port_policy community = { .vlan = { .mode = VSWITCH_VLAN_COMMUNITY, .primary = 5, .secondary = 6 } };
	struct vswitch_port_policy promiscuous = { .vlan = { .mode = VSWITCH_VLAN_PROMISCUOUS, .primary = 5 } };
	struct vswitch_why why;

	begin();
	vswitch_vlan_set_add(&promiscuous.vlan.secondaries, 6);
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[NET].port, &promiscuous, &why), 0);
	for (int i = A; i <= C; i++)
		CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[i].port, &community, &why), 0);
	with_querier(4);
	CU_ASSERT_EQUAL(join(A, 4, 1), TO(NET));
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), TO(A));
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(A) | TO(NET));
	end();
}

static void a_port_that_leaves_is_forgotten(void)
{
	struct test_message hello = test_hello(4, 500);

	begin();
	with_querier(4);
	join(A, 4, 1);
	vswitch_port_set_link(nics[A].port, false);
	vswitch_port_set_link(nics[A].port, true);
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(A) | TO(NET));	/* nobody would tell us again */
	vswitch_port_disconnect(nics[A].port);
	CU_ASSERT_EQUAL(stats().groups, 0);
	CU_ASSERT_EQUAL(vswitch_port_connect(nics[A].port, &nics[A].nic), 0);
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(NET));
	join(B, 4, 1);
	send(B, &hello);		/* a router is left */
	vswitch_port_disconnect(nics[NET].port);
	CU_ASSERT_EQUAL(stats().queriers, 0);
	CU_ASSERT_EQUAL(send_data(C, 4, 1), TO(A) | TO(B));	/* nobody asks any more */
	end();
}

static void off_and_on_again(void)
{
	begin();
	with_querier(4);
	join(A, 4, 1);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), TO(A));
	snoop(false);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), ALL_BUT(NET));
	snoop(true);
	CU_ASSERT_EQUAL(stats().groups, 0);
	with_querier(4);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), 0);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), 0);	/* nor by what is left of a choice with this number */
	end();
}

/* ---- bounds ---- */

/* Who has more groups than there is room for gets everything, and nobody else does. */
static void too_many_groups(void)
{
	unsigned n = VSWITCH_SNOOP_PORT_MEMBERS;

	begin();
	with_querier(4);
	for (unsigned i = 0; i < n; i++)
		join(A, 4, 1000 + i);
	CU_ASSERT_EQUAL(stats().full, 0);
	CU_ASSERT_EQUAL(send_data(NET, 4, 999), 0);
	join(A, 4, 1000);
	CU_ASSERT_EQUAL(stats().full, 0);
	join(A, 4, 1000 + n);
	CU_ASSERT_EQUAL(stats().full, 1);
	CU_ASSERT_EQUAL(stats().groups, n);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1000 + n), TO(A));
	CU_ASSERT_EQUAL(send_data(NET, 4, 999), TO(A));
	join(B, 4, 999);
	CU_ASSERT_EQUAL(send_data(NET, 4, 999), TO(A) | TO(B));
	CU_ASSERT_EQUAL(send_data(NET, 4, 998), TO(A));
	/* Until it has fewer. */
	for (unsigned s = 0; s < 260; s += 20) {
		send_query(NET, 4, 9);
		wait_s(20);
	}
	CU_ASSERT_EQUAL(stats().members, 0);
	CU_ASSERT_EQUAL(send_data(NET, 4, 999), 0);
	end();
}

static void no_groups_left(void)
{
	begin();
	with_querier(4);
	for (unsigned i = 0; i < VSWITCH_SNOOP_GROUPS - 1; i++)
		join(i % 2 ? A : B, 4, i);
	CU_ASSERT_EQUAL(stats().full, 0);
	join(C, 4, 100000);
	CU_ASSERT_EQUAL(stats().full, 1);
	CU_ASSERT_EQUAL(send_data(NET, 4, 100000), TO(C));
	join(C, 4, 1);			/* there is room in a group that is there */
	CU_ASSERT_EQUAL(stats().full, 1);
	end();
}

/* A report beyond what is copied of it: we do not know what it has. */
static void too_long(void)
{
	struct test_message m = test_records(4);

	begin();
	with_querier(4);
	for (unsigned i = 0; i < 250; i++)
		test_add_record(&m, 4, 500 + i, 0);
	nics[NET].nic.max_frame_bytes = 9000;
	CU_ASSERT_EQUAL(send(A, &m), TO(NET));
	CU_ASSERT_EQUAL(stats().groups, 250);
	test_add_record(&m, 4, 900, 0);
	test_add_record(&m, 4, 901, 0);
	CU_ASSERT_EQUAL(send(B, &m) & TO(NET), TO(NET));
	CU_ASSERT_EQUAL(stats().faults[VSWITCH_SNOOP_TOO_LONG], 1);
	CU_ASSERT_EQUAL(stats().groups, 250);
	CU_ASSERT_EQUAL(send_data(NET, 4, 7), TO(B));
	end();
}

/* Each refusal is counted, goes everywhere and leaves nothing behind. */
static void faulty_messages(void)
{
	struct test_message m;

	begin();
	with_querier(4);
#define REFUSED(fault_, change) do { \
		m = test_join(4, 1); \
		change; \
		CU_ASSERT_EQUAL(send(A, &m), ALL_BUT(A)); \
		CU_ASSERT_EQUAL(stats().faults[fault_], 1); \
	} while (0)
	REFUSED(VSWITCH_SNOOP_CHECKSUM, m.bad_sum = 1);
	REFUSED(VSWITCH_SNOOP_HOP_LIMIT, m.hops = 64);
	REFUSED(VSWITCH_SNOOP_ROUTER_ALERT, m.alert = false);
	REFUSED(VSWITCH_SNOOP_LENGTH, m.cut = 2);
	REFUSED(VSWITCH_SNOOP_ADDRESS, test_group(m.to, 4, 2));
	REFUSED(VSWITCH_SNOOP_HEADERS, m.fragment = 0x2000);
#undef REFUSED
	CU_ASSERT_EQUAL(stats().members, 0);
	CU_ASSERT_EQUAL(stats().reports, 0);
	CU_ASSERT_EQUAL(send_data(NET, 4, 1), 0);
	end();
}

/* ---- what is shown ---- */

static unsigned seen, listeners, queriers;

static void look(void *cookie, const struct vswitch_snoop_entry *e)
{
	uint8_t group[16], address[16];

	(void)cookie;
	seen++;
	test_group(group, e->version, 1);
	test_source(address, e->version, 9);
	listeners += !e->is_router && e->port == nics[A].port && !memcmp(e->group, group, 16) && e->left_s == 41;
	queriers += e->is_router && e->is_querier && e->port == nics[NET].port && !memcmp(e->address, address, 16) && e->left_s == 38;
	CU_ASSERT_EQUAL(e->vlan, 0);
}

static void is_shown_of(uint8_t version)
{
	with_querier(version);
	join(A, version, 1);
	seen = listeners = queriers = 0;
	vswitch_snoop_visit(sw, look, NULL);
	CU_ASSERT_TRUE(seen == 2 && listeners == 1 && queriers == 1);
	snoop(false);
	vswitch_snoop_visit(sw, look, NULL);
	CU_ASSERT_EQUAL(seen, 2);
}

static void is_shown(void)
{
	both(is_shown_of);
}

static const struct hv_test tests[] = {
	{ "is off unless it is asked for", off_unless_asked_for },
	{ "data goes to listeners and routers, by IP group", to_listeners_and_routers },
	{ "unknown groups go to routers, without a querier everywhere", unknown_groups },
	{ "narrows only while there is a querier, once it was answered", only_with_a_querier },
	{ "local groups go everywhere, whoever says what", local_groups },
	{ "what is no IP goes everywhere", what_is_no_ip },
	{ "reports and leaves go to routers alone, queries to all", reports_go_to_routers },
	{ "a query from 0.0.0.0 makes no router", proxies_are_no_routers },
	{ "PIM hellos make routers, for their holdtime", pim_makes_routers },
	{ "there are no routers behind the router guard", guarded_ports_have_no_routers },
	{ "listeners age by the querier's values", listeners_age },
	{ "… or by the defaults", default_times },
	{ "the lowest address is the querier", the_lowest_address_is_the_querier },
	{ "who leaves is forgotten when nobody answers a query of the group", leaves_take_a_query },
	{ "answers have a second at least", answers_have_a_second },
	{ "each VLAN has its own groups and routers", vlans_have_their_own },
	{ "a private VLAN's listeners are the primary's", private_vlans_are_one },
	{ "a port that leaves is forgotten, and its querier", a_port_that_leaves_is_forgotten },
	{ "off and on again begins anew", off_and_on_again },
	{ "a port with too many groups gets everything", too_many_groups },
	{ "… as does one that comes when all groups are taken", no_groups_left },
	{ "… and one with a report that is too long", too_long },
	{ "faulty messages are counted, pass and teach nothing", faulty_messages },
	{ "all of it can be seen", is_shown },
};

int main(void)
{
	return hv_test_main("vswitch/snoop", tests, sizeof(tests) / sizeof(tests[0]));
}
