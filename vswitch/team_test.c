/* SPDX-License-Identifier: MIT */
/*
 * Teams over stream sockets, whose far ends are in the test's hands. (Links that come back, and time: team_peers_test.c.)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vswitch/stream.h"
#include "vswitch/test_nic.h"

#define MS 1000000ull

enum { LINES = 4, GUESTS = 3, IN_BYTES = 8 << 20 };

static struct hv_loop *loop;
static struct vswitch *sw, *other_switch;
static struct vswitch_uplink *team, *other;
static struct test_nic guests[GUESTS];
static struct test_frame *frame;
static int line[LINES];			/* our ends; -1: closed */
static uint8_t *in[LINES];
static size_t have[LINES], taken[LINES];
static unsigned events, partly;
static struct vswitch_team_event last_event;

static const uint8_t outside[6] = { 0x02, 0xee, 0, 0, 0, 1 };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static void on_event(void *cookie, const struct vswitch_team_event *e)
{
	(void)cookie;
	events++;
	last_event = *e;
}

static void rounds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hv_loop_run_once(loop, MS / 4);
}

/* The next frame at the far end of a member, 1 … LINES; NULL: none comes. LACPDUs are not shown. */
static const uint8_t *next_at(unsigned member, uint32_t *n)
{
	unsigned i = member - 1;
	const uint8_t *bytes;
	ssize_t got;

	for (unsigned tries = 0; tries < 8; tries++) {
		while (stream_next(in[i], have[i], 2000, &taken[i], &bytes, n) == STREAM_FRAME)
			if (get_be16(bytes + 12) != 0x8809)
				return bytes;
		got = recv(line[i], in[i] + have[i], IN_BYTES - have[i], MSG_DONTWAIT);
		if (got > 0)
			have[i] += (size_t)got;
		else
			hv_loop_run_once(loop, 0);
	}
	return NULL;
}

static unsigned count_at(unsigned member)
{
	unsigned n = 0;
	uint32_t length;

	while (next_at(member, &length))
		n++;
	return n;
}

/* Takes what has come so far away. */
static void forget(void)
{
	for (unsigned m = 1; m <= LINES; m++)
		if (line[m - 1] >= 0)
			count_at(m);
	for (unsigned i = 0; i < GUESTS; i++)
		test_nic_clear(&guests[i]);
}

static void say_at(unsigned member, const struct test_frame *t, uint32_t n)
{
	uint8_t prefix[4];

	put_be32(prefix, n);
	CU_ASSERT_EQUAL(send(line[member - 1], prefix, 4, 0), 4);
	CU_ASSERT_EQUAL(send(line[member - 1], t->bytes, n, 0), (ssize_t)n);
	rounds(4);
}

static int add(unsigned i, bool standby)
{
	struct vswitch_member_config config = { .kind = VSWITCH_WIRE_STREAM, .standby = standby };
	char name[8];
	int fd[2];

	snprintf(name, sizeof(name), "m%u", i + 1);
	config.name = name;
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	config.fd = fd[0];
	line[i] = fd[1];
	have[i] = taken[i] = 0;
	return vswitch_team_add(team, &config, NULL);
}

static void begin(enum vswitch_team_mode mode, enum vswitch_team_algorithm algorithm, unsigned members)
{
	struct vswitch_config config = { .name = "t" };
	struct vswitch_team_config t = { .mode = mode, .algorithm = algorithm, .lacp_fast = true, .event = on_event };

	events = 0;
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	CU_ASSERT_FATAL(!vswitch_uplink_team(sw, loop, "team", &t, &team));
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	for (unsigned i = 0; i < LINES; i++) {
		line[i] = -1;
		in[i] = malloc(IN_BYTES);
		if (i < members)
			CU_ASSERT_FATAL(!add(i, false));
	}
	for (unsigned i = 0; i < GUESTS; i++)
		test_nic_plug(sw, &guests[i], VSWITCH_NIC_SYNTHETIC, i + 1, 0);
	frame = test_frame_new();
	rounds(4);
	CU_ASSERT_EQUAL(vswitch_port_link(vswitch_uplink_port(team)), members > 0 && mode != VSWITCH_TEAM_LACP);
	forget();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_uplink_destroy(team);
	for (unsigned i = 0; i < GUESTS; i++)
		test_nic_unplug(&guests[i]);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	for (unsigned i = 0; i < LINES; i++) {
		if (line[i] >= 0)
			close(line[i]);
		free(in[i]);
	}
	free(frame);
}

static struct vswitch_member_status status(unsigned index)
{
	struct vswitch_member_status s = { .index = 0 };

	CU_ASSERT(!vswitch_team_next(team, index - 1, &s) && s.index == index);
	return s;
}

static void hang_up(unsigned member)
{
	close(line[member - 1]);
	line[member - 1] = -1;
	rounds(6);
}

/* A datagram of the i-th guest. */
static void make_udp(unsigned i, uint16_t port)
{
	test_frame_plain(frame, outside, guests[i].nic.mac, 60);
	memset(frame->bytes + 12, 0, 48);
	put_be16(frame->bytes + 12, ETH_P_IP);
	frame->bytes[14] = 0x45;
	frame->bytes[17] = 46;
	frame->bytes[23] = 17;
	put_be32(frame->bytes + 26, 0x0a000001 + i);
	put_be32(frame->bytes + 30, 0x0a0000ff);
	put_be16(frame->bytes + 34, port);
	put_be16(frame->bytes + 36, 53);
	test_frame_set(frame, 60);
}

static void make_arp(const uint8_t from[6], uint32_t sender, uint32_t target)
{
	test_frame_plain(frame, broadcast, from, 60);
	memset(frame->bytes + 12, 0, 48);
	put_be16(frame->bytes + 12, ETH_P_ARP);
	put_be32(frame->bytes + 28, sender);
	put_be32(frame->bytes + 38, target);
	test_frame_set(frame, 60);
}

static void static_team_spreads_flows(void)
{
	unsigned at[3] = { 0 };
	const uint8_t *b;
	uint32_t n;

	begin(VSWITCH_TEAM_STATIC, VSWITCH_TEAM_TRANSPORT, 3);
	for (uint16_t port = 0; port < 60; port++) {
		unsigned where = 0;

		for (unsigned again = 0; again < 3; again++) {
			make_udp(0, port);
			test_send(&guests[0], frame);
		}
		for (unsigned m = 1; m <= 3; m++)
			while ((b = next_at(m, &n))) {
				CU_ASSERT(!where || where == m);	/* a flow has one member */
				where = m;
				at[m - 1]++;
				CU_ASSERT(!memcmp(b, frame->bytes, 60));	/* and its own address */
			}
	}
	CU_ASSERT_EQUAL(at[0] + at[1] + at[2], 180);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT(at[i] > 20);
		CU_ASSERT_EQUAL(status(i + 1).stats.out_frames, at[i]);
		CU_ASSERT_EQUAL(status(i + 1).stats.out_bytes, 60 * at[i]);
	}
	/* All members are one link to the switch out there: whatever comes is taken. */
	test_frame_plain(frame, broadcast, outside, 60);
	for (unsigned m = 1; m <= 3; m++)
		say_at(m, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 3);
	end();
}

/* Not to where it came from, nor by another member: the switch out there would learn its neighbours at our end. */
static void what_came_in_does_not_go_out_again(void)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 9 }, unknown[6] = { 2, 0xdd, 0, 0, 0, 9 };
	const uint8_t *const to[] = { broadcast, group, unknown, outside };

	for (enum vswitch_team_mode mode = VSWITCH_TEAM_INDEPENDENT; mode <= VSWITCH_TEAM_STATIC; mode++) {
		begin(mode, VSWITCH_TEAM_TRANSPORT, 2);
		vswitch_port_allow_mac_spoofing(guests[1].port, true);	/* it gets what is unknown */
		for (unsigned i = 0; i < 8; i++) {
			test_frame_plain(frame, to[i / 2], outside, 60);
			say_at(i % 2 + 1, frame, 60);
			CU_ASSERT_EQUAL(count_at(1) + count_at(2), 0);
		}
		CU_ASSERT(guests[1].num_got >= 4);
		end();
	}
}

static void mappings_of_ports_that_are_gone_take_no_room(void)
{
	struct vswitch_port *p;
	unsigned refused = 0;

	begin(VSWITCH_TEAM_STATIC, VSWITCH_TEAM_TRANSPORT, 1);
	for (unsigned i = 0; i < 1100; i++) {
		CU_ASSERT_EQUAL_FATAL(vswitch_port_create(sw, "p", &p), 0);
		refused += vswitch_team_map(team, vswitch_port_id(p), 1) != 0;
		vswitch_port_destroy(p);
	}
	CU_ASSERT_EQUAL(refused, 0);
	end();
}

static void independent_hashes_leave_under_the_members_address(void)
{
	unsigned at[2] = { 0 };
	const uint8_t *b;
	uint32_t n;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 2);
	CU_ASSERT(status(1).primary && !status(2).primary);
	for (uint16_t port = 0; port < 40; port++) {
		make_udp(0, port);
		test_send(&guests[0], frame);
	}
	for (unsigned m = 1; m <= 2; m++)
		while ((b = next_at(m, &n))) {
			const uint8_t *source = m == 1 ? guests[0].nic.mac : status(2).mac;

			CU_ASSERT(!memcmp(b + 6, source, 6));
			CU_ASSERT(!memcmp(b + 12, frame->bytes + 12, 20));
			at[m - 1]++;
		}
	CU_ASSERT(at[0] + at[1] == 40 && at[0] > 5 && at[1] > 5);
	CU_ASSERT_EQUAL(status(2).stats.rewritten, at[1]);
	CU_ASSERT_EQUAL(status(1).stats.rewritten, 0);
	make_arp(guests[0].nic.mac, 1, 2);
	for (unsigned i = 0; i < 3; i++)
		test_send(&guests[i], frame);
	CU_ASSERT_EQUAL(count_at(1), 1);	/* two of them have the wrong address */
	CU_ASSERT_EQUAL(count_at(2), 0);
	end();
}

static void port_keeps_each_nic_on_one_member(void)
{
	unsigned where[GUESTS] = { 0 };
	const uint8_t *b;
	uint32_t n;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_PORT, 3);
	for (unsigned i = 0; i < GUESTS; i++)
		for (uint16_t port = 0; port < 10; port++) {
			make_udp(i, port);
			test_send(&guests[i], frame);
			for (unsigned m = 1; m <= 3; m++)
				while ((b = next_at(m, &n))) {
					CU_ASSERT(!where[i] || where[i] == m);
					CU_ASSERT(!memcmp(b + 6, guests[i].nic.mac, 6));
					where[i] = m;
				}
		}
	/* Neighbours are spread. */
	CU_ASSERT(where[0] != where[1] && where[1] != where[2] && where[0] != where[2]);
	CU_ASSERT(where[0] && where[1] && where[2]);
	/* A mapping has a NIC elsewhere, while that member is there. */
	unsigned wanted = where[1];

	CU_ASSERT_EQUAL(vswitch_team_map(team, vswitch_port_id(guests[0].port), 9), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_team_map(team, vswitch_port_id(guests[0].port), wanted), 0);
	rounds(4);
	b = next_at(wanted, &n);		/* it is announced there */
	CU_ASSERT(b && get_be16(b + 12) == ETH_P_RARP && !memcmp(b + 6, guests[0].nic.mac, 6));
	CU_ASSERT(b && !memcmp(b + 22, guests[0].nic.mac, 6) && b[21] == 3 && !memcmp(b, broadcast, 6));
	make_udp(0, 1);
	test_send(&guests[0], frame);
	CU_ASSERT_EQUAL(count_at(wanted), 1);
	hang_up(wanted);
	forget();
	test_send(&guests[0], frame);
	CU_ASSERT_EQUAL(count_at(wanted % 3 + 1) + count_at((wanted + 1) % 3 + 1), 1);
	end();
}

static void group_frames_come_in_once(void)
{
	struct vswitch_port *port;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_DYNAMIC, 3);
	port = vswitch_uplink_port(team);
	test_frame_plain(frame, broadcast, outside, 60);
	for (unsigned m = 1; m <= 3; m++)
		say_at(m, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 1);
	CU_ASSERT_EQUAL(guests[0].got[0].member, 1);
	CU_ASSERT_EQUAL(port->stats.in_dropped[VSWITCH_DROP_TEAM_DUPLICATE], 2);
	CU_ASSERT_EQUAL(status(2).stats.in_duplicates, 1);
	/* Unicast: by any. */
	test_frame_plain(frame, guests[0].nic.mac, outside, 60);
	say_at(3, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 2);
	CU_ASSERT_EQUAL(guests[0].got[1].member, 3);
	/* Another member takes the office over. */
	hang_up(1);
	test_frame_plain(frame, broadcast, outside, 60);
	say_at(2, frame, 60);
	say_at(3, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 3);
	CU_ASSERT_EQUAL(port->stats.in_dropped[VSWITCH_DROP_TEAM_DUPLICATE], 3);
	end();
}

static void own_group_frames_that_come_back_are_dropped(void)
{
	static const uint8_t nested[6] = { 2, 0x11, 0, 0, 0, 5 };
	struct vswitch_port *port;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_PORT, 2);
	port = vswitch_uplink_port(team);
	vswitch_port_allow_mac_spoofing(guests[1].port, true);
	test_frame_plain(frame, broadcast, nested, 60);
	test_send(&guests[1], frame);			/* learned behind a guest */
	test_nic_clear(&guests[0]);
	say_at(1, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 0);
	CU_ASSERT_EQUAL(port->stats.in_dropped[VSWITCH_DROP_TEAM_DUPLICATE], 1);
	memcpy(frame->bytes + 6, status(2).mac, 6);	/* rewritten on the way out */
	say_at(1, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 0);
	memcpy(frame->bytes + 6, guests[2].nic.mac, 6);	/* a NIC's own */
	say_at(1, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 0);
	make_arp(nested, 7, 7);				/* it has moved, and says so */
	say_at(1, frame, 60);
	CU_ASSERT_EQUAL(guests[0].num_got, 1);
	end();
}

static void failover_moves_and_announces(void)
{
	static const uint8_t nested[6] = { 2, 0x11, 0, 0, 0, 5 };
	unsigned rarps = 0, tagged = 0;
	const uint8_t *b;
	uint32_t n;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 2);
	vswitch_port_allow_mac_spoofing(guests[1].port, true);
	test_frame_plain(frame, outside, nested, 60);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 7;
	test_send(&guests[1], frame);
	forget();
	events = 0;
	hang_up(1);
	CU_ASSERT_EQUAL(events, 1);
	CU_ASSERT(last_event.index == 1 && last_event.state == VSWITCH_MEMBER_GONE);
	CU_ASSERT_EQUAL(status(1).state, VSWITCH_MEMBER_GONE);
	CU_ASSERT_EQUAL(status(1).stats.failures, 1);
	CU_ASSERT(status(2).primary);
	CU_ASSERT(vswitch_port_link(vswitch_uplink_port(team)));
	while ((b = next_at(2, &n))) {
		rarps += get_be16(b + 12) == ETH_P_RARP && n == 60;
		tagged += get_be16(b + 12) == ETH_P_8021Q && get_be16(b + 14) == 7 && get_be16(b + 16) == ETH_P_RARP &&
			!memcmp(b + 6, nested, 6) && !memcmp(b + 26, nested, 6) && n == 64;
	}
	CU_ASSERT_EQUAL(rarps, GUESTS);
	CU_ASSERT_EQUAL(tagged, 1);
	for (uint16_t port = 0; port < 40; port++) {
		make_udp(0, port);
		test_send(&guests[0], frame);
	}
	CU_ASSERT_EQUAL(count_at(2), 40);
	CU_ASSERT_EQUAL(status(2).stats.rewritten, 0);
	hang_up(2);
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	end();
}

static void announcements_are_in_the_vlans_of_the_port(void)
{
	struct vswitch_port_policy policy = { .vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = 9 } };
	unsigned seen[GUESTS] = { 0 };
	const uint8_t *b;
	uint32_t n;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 2);
	CU_ASSERT_EQUAL(vswitch_port_set_policy(guests[0].port, &policy, NULL), 0);
	memset(&policy.vlan, 0, sizeof(policy.vlan));
	policy.vlan.mode = VSWITCH_VLAN_TRUNK;
	policy.vlan.native = 3;
	vswitch_vlan_set_add(&policy.vlan.allowed, 5);
	vswitch_vlan_set_add(&policy.vlan.allowed, 6);
	vswitch_vlan_set_add(&policy.vlan.pruned, 6);
	CU_ASSERT_EQUAL(vswitch_port_set_policy(guests[1].port, &policy, NULL), 0);
	rounds(4);
	forget();
	hang_up(1);
	while ((b = next_at(2, &n))) {
		bool tagged = get_be16(b + 12) == ETH_P_8021Q;
		unsigned vlan = tagged ? get_be16(b + 14) : 0;

		CU_ASSERT_EQUAL(get_be16(b + (tagged ? 16 : 12)), ETH_P_RARP);
		for (unsigned i = 0; i < GUESTS; i++)
			if (!memcmp(b + 6, guests[i].nic.mac, 6))
				seen[i] = seen[i] * 10 + vlan;
	}
	CU_ASSERT_EQUAL(seen[0], 9);
	CU_ASSERT_EQUAL(seen[1], 35);
	CU_ASSERT_EQUAL(seen[2], 0);
	end();
}

static void standby_waits_for_a_failure(void)
{
	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 1);
	CU_ASSERT_EQUAL(add(1, true), 0);
	CU_ASSERT_EQUAL(add(2, true), -EINVAL);		/* one at most */
	close(line[2]);
	line[2] = -1;
	rounds(4);
	forget();
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_STANDBY);
	for (uint16_t port = 0; port < 40; port++) {
		make_udp(0, port);
		test_send(&guests[0], frame);
	}
	CU_ASSERT_EQUAL(count_at(1), 40);
	CU_ASSERT_EQUAL(count_at(2), 0);
	hang_up(1);
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_ACTIVE);
	forget();
	test_send(&guests[0], frame);
	CU_ASSERT_EQUAL(count_at(2), 1);
	/* The failed one is replaced: it goes back. */
	CU_ASSERT_EQUAL(vswitch_team_remove(team, 1), 0);
	CU_ASSERT_EQUAL(add(0, false), 0);
	rounds(4);
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_STANDBY);
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 1, true), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 2, false), 0);
	rounds(4);
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_ACTIVE);
	end();
}

static void chosen_member_is_obeyed(void)
{
	const struct vswitch_frame *f;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 3);
	for (uint8_t m = 0; m <= 4; m++) {
		make_udp(0, 1);
		frame->f.source = vswitch_port_id(guests[0].port);
		frame->f.member = m;
		f = &frame->f;
		vswitch_uplink_port(team)->stats.offered++;	/* what the switch would have counted */
		guests[0].port->stats.in_frames++;
		guests[0].port->stats.forwarded++;
		guests[0].port->stats.copies++;
		vswitch_hand_over(vswitch_uplink_port(team), &f, 1);
		for (uint8_t i = 1; m && i <= 3; i++)
			CU_ASSERT_EQUAL(count_at(i), i == m);
		if (!m)
			CU_ASSERT_EQUAL(count_at(1) + count_at(2) + count_at(3), 1);
	}
	CU_ASSERT_EQUAL(vswitch_uplink_port(team)->stats.out_dropped[VSWITCH_DROP_TEAM_INACTIVE], 1);
	CU_ASSERT_EQUAL(vswitch_uplink_port(team)->stats.out_frames, 4);
	end();
}

/* Frames of this length, until no more fit, and the end of it. */
static void fill_and_remove(uint32_t length)
{
	static struct vswitch_frame copies[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct vswitch_port_stats before, after;

	begin(VSWITCH_TEAM_STATIC, VSWITCH_TEAM_TRANSPORT, 1);
	/* Nobody reads at the far end: the socket fills, then the buffer, then frames are dropped. */
	test_frame_plain(frame, outside, guests[0].nic.mac, length);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		copies[i] = frame->f;
		batch[i] = &copies[i];
	}
	for (unsigned i = 0; i < 200; i++)
		vswitch_port_input(guests[0].port, batch, VSWITCH_BATCH);
	vswitch_port_stats(vswitch_uplink_port(team), &before);
	CU_ASSERT(before.out_dropped[VSWITCH_DROP_UPLINK_FULL] > 0);
	CU_ASSERT_EQUAL(status(1).stats.out_dropped, before.out_dropped[VSWITCH_DROP_UPLINK_FULL]);
	CU_ASSERT_EQUAL(vswitch_team_remove(team, 1), 0);
	vswitch_port_stats(vswitch_uplink_port(team), &after);
	CU_ASSERT(after.out_dropped[VSWITCH_DROP_PORT_DOWN] > 100);
	rounds(2);
	/* What was counted as out did go out; of a frame that went in part, all is lost. */
	CU_ASSERT_EQUAL(count_at(1), after.out_frames);
	partly += have[0] > taken[0];
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	CU_ASSERT_EQUAL(vswitch_team_remove(team, 1), -ENOENT);
	end();
}

static void what_a_member_holds_is_counted(void)
{
	partly = 0;
	for (uint32_t length = 1514; length > 1000; length -= 37)
		fill_and_remove(length);
	CU_ASSERT(partly > 0);
}

static void bad_settings_are_refused(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_STATIC }, now;
	struct vswitch_uplink *u;

	begin(VSWITCH_TEAM_INDEPENDENT, VSWITCH_TEAM_TRANSPORT, 2);
	CU_ASSERT_EQUAL(add(0, false), -EEXIST);
	close(line[0]);
	c.mode = 3;
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_uplink_team(sw, loop, "x", &c, &u), -EINVAL);
	c = (struct vswitch_team_config){ .algorithm = 5 };
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), -EINVAL);
	c = (struct vswitch_team_config){ .downdelay_ms = 60001 };
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), -EINVAL);
	vswitch_team_config(team, &now);
	CU_ASSERT_EQUAL(now.algorithm, VSWITCH_TEAM_TRANSPORT);
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 2, true), 0);
	c = (struct vswitch_team_config){ .mode = VSWITCH_TEAM_STATIC };
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), -EINVAL);	/* there is a standby member */
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 2, false), 0);
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), 0);
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 2, true), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_team_set_standby(team, 7, true), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_uplink_team(sw, loop, "team", &c, &u), -EEXIST);
	line[0] = -1;
	end();
}

static void thirty_two_members_and_no_more(void)
{
	struct vswitch_member_config config = { .kind = VSWITCH_WIRE_STREAM };
	int fd[2], far[VSWITCH_TEAM_MEMBERS + 1], ret;
	unsigned index = 0;
	char name[8];

	begin(VSWITCH_TEAM_STATIC, VSWITCH_TEAM_TRANSPORT, 0);
	config.name = name;
	for (unsigned i = 0; i <= VSWITCH_TEAM_MEMBERS; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
		config.fd = fd[0];
		far[i] = fd[1];
		ret = vswitch_team_add(team, &config, &index);
		CU_ASSERT_EQUAL(ret, i < VSWITCH_TEAM_MEMBERS ? 0 : -ENOSPC);
	}
	CU_ASSERT_EQUAL(index, VSWITCH_TEAM_MEMBERS);
	CU_ASSERT_EQUAL(fcntl(fd[0], F_GETFD), -1);	/* taken over, also when refused */
	rounds(4);
	for (uint16_t port = 0; port < 500; port++) {
		make_udp(0, port);
		test_send(&guests[0], frame);
	}
	for (unsigned i = 1; i <= VSWITCH_TEAM_MEMBERS; i++)
		CU_ASSERT(status(i).stats.out_frames > 0);
	/* The lowest index that is free is the next. */
	CU_ASSERT_EQUAL(vswitch_team_remove(team, 5), 0);
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	config.fd = fd[0];
	strcpy(name, "new");
	CU_ASSERT_EQUAL(vswitch_team_add(team, &config, &index), 0);
	CU_ASSERT_EQUAL(index, 5);
	close(fd[1]);
	for (unsigned i = 0; i <= VSWITCH_TEAM_MEMBERS; i++)
		close(far[i]);
	end();
}

static void destroy_it(void *cookie, const struct vswitch_team_event *e)
{
	(void)cookie;
	(void)e;
	events++;
	vswitch_uplink_destroy(team);
	team = NULL;
}

static void an_event_may_destroy_the_team(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_STATIC, .event = destroy_it };

	begin(VSWITCH_TEAM_STATIC, VSWITCH_TEAM_TRANSPORT, 3);
	CU_ASSERT_EQUAL(vswitch_team_set(team, &c), 0);
	events = 0;
	close(line[0]);
	close(line[1]);
	line[0] = line[1] = -1;
	rounds(6);
	CU_ASSERT_EQUAL(events, 1);
	CU_ASSERT_PTR_NULL(team);
	end();
}

/* Two teams with their members cabled to each other. */
static void lacp_begin(unsigned cables)
{
	struct vswitch_config config = { .name = "o" };
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_LACP, .algorithm = VSWITCH_TEAM_TRANSPORT,
					 .lacp_fast = true };
	struct vswitch_member_config m = { .kind = VSWITCH_WIRE_STREAM };
	char name[8];

	begin(VSWITCH_TEAM_LACP, VSWITCH_TEAM_TRANSPORT, cables);
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &other_switch));
	CU_ASSERT_FATAL(!vswitch_uplink_team(other_switch, loop, "other", &c, &other));
	m.name = name;
	for (unsigned i = 0; i < cables; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		m.fd = line[i];
		line[i] = -1;
		CU_ASSERT_FATAL(!vswitch_team_add(other, &m, NULL));
	}
}

static unsigned active_members(const struct vswitch_uplink *u)
{
	struct vswitch_member_status s;
	unsigned n = 0, at = 0;

	while (!vswitch_team_next(u, at, &s)) {
		n += s.state == VSWITCH_MEMBER_ACTIVE;
		at = s.index;
	}
	return n;
}

/* From the first guest, of so many kinds that each member has some. */
static void send_flows(const struct test_nic *to)
{
	for (uint16_t port = 0; port < 20; port++) {
		make_udp(0, port);
		memcpy(frame->bytes, to->nic.mac, 6);
		test_frame_set(frame, 60);
		test_send(&guests[0], frame);
	}
	rounds(10);
}

static bool wait_active(unsigned wanted)
{
	for (uint64_t end_ns = hv_now_ns() + 20000 * MS; hv_now_ns() < end_ns;) {
		if (active_members(team) == wanted && active_members(other) == wanted)
			return true;
		hv_loop_run_once(loop, MS);
	}
	return false;
}

static void lacp_teams_agree_and_lose_a_member(void)
{
	struct test_nic far;

	lacp_begin(2);
	test_nic_plug(other_switch, &far, VSWITCH_NIC_SYNTHETIC, 50, 0);
	rounds(20);
	CU_ASSERT_EQUAL(status(1).state, VSWITCH_MEMBER_NEGOTIATING);
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	CU_ASSERT_FATAL(wait_active(2));
	CU_ASSERT(vswitch_port_link(vswitch_uplink_port(team)) && vswitch_port_link(vswitch_uplink_port(other)));
	CU_ASSERT_EQUAL(status(1).actor.state & 0x3f, 0x3f);
	CU_ASSERT(!memcmp(status(1).actor.system, status(1).mac, 6));
	CU_ASSERT_EQUAL(status(2).partner.port, 2);
	send_flows(&far);
	CU_ASSERT_EQUAL(far.num_got, 20);
	CU_ASSERT(status(1).stats.out_frames && status(2).stats.out_frames);
	CU_ASSERT(status(1).stats.lacp_in && status(1).stats.lacp_out);
	CU_ASSERT_EQUAL(vswitch_team_remove(other, 1), 0);
	CU_ASSERT(wait_active(1));
	send_flows(&far);
	CU_ASSERT_EQUAL(far.num_got, 40);
	CU_ASSERT(test_balanced(other_switch));
	vswitch_uplink_destroy(other);
	test_nic_unplug(&far);
	vswitch_destroy(other_switch);
	end();
}

static void without_lacp_nothing_passes(void)
{
	begin(VSWITCH_TEAM_LACP, VSWITCH_TEAM_TRANSPORT, 1);
	test_frame_plain(frame, broadcast, outside, 60);
	say_at(1, frame, 60);
	rounds(4);
	CU_ASSERT_EQUAL(guests[0].num_got, 0);
	CU_ASSERT_EQUAL(status(1).stats.in_inactive, 1);
	/* A broken PDU and a marker. */
	memset(frame->bytes, 0, 124);
	memcpy(frame->bytes, (const uint8_t[]){ 1, 0x80, 0xc2, 0, 0, 2, 2, 0xee, 0, 0, 0, 1, 0x88, 9, 1, 1, 9 }, 17);
	say_at(1, frame, 124);
	CU_ASSERT_EQUAL(status(1).stats.lacp_bad, 1);
	memcpy(frame->bytes + 14, (const uint8_t[]){ 2, 1, 1, 16, 0, 1 }, 6);
	say_at(1, frame, 124);
	CU_ASSERT_EQUAL(status(1).stats.marker_in, 1);
	CU_ASSERT_EQUAL(status(1).stats.marker_out, 1);
	end();
}

static const struct hv_test tests[] = {
	{ "a static team spreads flows", static_team_spreads_flows },
	{ "what came in does not go out again", what_came_in_does_not_go_out_again },
	{ "mappings of ports that are gone take no room", mappings_of_ports_that_are_gone_take_no_room },
	{ "hashes of an independent team leave under the member's address", independent_hashes_leave_under_the_members_address },
	{ "by port, each NIC keeps to one member", port_keeps_each_nic_on_one_member },
	{ "group frames come in once", group_frames_come_in_once },
	{ "own group frames that come back are dropped", own_group_frames_that_come_back_are_dropped },
	{ "failover moves and announces", failover_moves_and_announces },
	{ "announcements are in the VLANs of the port", announcements_are_in_the_vlans_of_the_port },
	{ "standby waits for a failure", standby_waits_for_a_failure },
	{ "a chosen member is obeyed", chosen_member_is_obeyed },
	{ "what a member holds is counted", what_a_member_holds_is_counted },
	{ "bad settings are refused", bad_settings_are_refused },
	{ "thirty-two members and no more", thirty_two_members_and_no_more },
	{ "an event may destroy the team", an_event_may_destroy_the_team },
	{ "LACP teams agree and lose a member", lacp_teams_agree_and_lose_a_member },
	{ "without LACP nothing passes", without_lacp_nothing_passes },
};

HV_TEST_MAIN("vswitch/team", tests)
