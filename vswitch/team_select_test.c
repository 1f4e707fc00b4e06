/* SPDX-License-Identifier: MIT */
/*
 * By which member frames leave: the algorithms alone.
 */
#include "vswitch/team_select.h"

#include <linux/if_ether.h>

#include "vswitch/test_nic.h"

#define MS 1000000ull

static struct vswitch_frame udp4(uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port)
{
	struct vswitch_frame f = { .len = 60, .head_bytes = 60 };

	f.head[5] = 1;
	f.head[11] = 2;
	put_be16(f.head + 12, ETH_P_IP);
	f.head[14] = 0x45;
	f.head[23] = 17;
	put_be32(f.head + 26, from);
	put_be32(f.head + 30, to);
	put_be16(f.head + 34, from_port);
	put_be16(f.head + 36, to_port);
	return f;
}

static struct vswitch_frame ip6(uint8_t next, uint8_t last, uint8_t first_transport_byte)
{
	struct vswitch_frame f = { .len = 80, .head_bytes = 80 };

	put_be16(f.head + 12, ETH_P_IPV6);
	f.head[14] = 0x60;
	f.head[20] = next;
	f.head[14 + 23] = 9;
	f.head[14 + 39] = last;
	f.head[54] = first_transport_byte;
	return f;
}

static void hashes_see_what_they_should(void)
{
	struct vswitch_frame a = udp4(1, 2, 10, 20), port = udp4(1, 2, 11, 20), ip = udp4(1, 3, 10, 20), mac = a;
	struct vswitch_frame arp = a, arp2;

	mac.head[5] = 7;
#define SAME(x, y, algorithm) (team_hash(&(x), VSWITCH_TEAM_##algorithm) == team_hash(&(y), VSWITCH_TEAM_##algorithm))
	CU_ASSERT(!SAME(a, port, TRANSPORT) && !SAME(a, ip, TRANSPORT) && SAME(a, mac, TRANSPORT));
	CU_ASSERT(!SAME(a, port, DYNAMIC));
	CU_ASSERT(SAME(a, port, IP) && !SAME(a, ip, IP) && SAME(a, mac, IP));
	CU_ASSERT(SAME(a, port, MAC) && SAME(a, ip, MAC) && !SAME(a, mac, MAC));
	put_be16(arp.head + 12, ETH_P_ARP);	/* not IP: by MAC */
	arp2 = arp;
	arp2.head[30] ^= 1;
	CU_ASSERT(SAME(arp, arp2, TRANSPORT));
	arp2.head[5] ^= 8;
	CU_ASSERT(!SAME(arp, arp2, TRANSPORT));
}

static void fragments_of_a_datagram_stay_together(void)
{
	struct vswitch_frame first = udp4(1, 2, 10, 20), later = udp4(1, 2, 0x1234, 0x5678);

	put_be16(first.head + 20, 0x2000);
	put_be16(later.head + 20, 185);
	CU_ASSERT(SAME(first, later, TRANSPORT));
	put_be16(first.head + 20, 0x4000);	/* "don't fragment" makes none of it */
	CU_ASSERT(!SAME(first, later, TRANSPORT));
}

static void ipv6_goes_by_addresses_and_ports(void)
{
	struct vswitch_frame a = ip6(6, 1, 5), address = ip6(6, 2, 5), port = ip6(6, 1, 6), fragment = ip6(44, 1, 5),
		later = ip6(44, 1, 6);

	CU_ASSERT(!SAME(a, address, TRANSPORT) && !SAME(a, port, TRANSPORT) && SAME(a, port, IP));
	CU_ASSERT(SAME(fragment, later, TRANSPORT));
}

static void short_frames_are_read_to_their_end_only(void)
{
	struct vswitch_frame a = udp4(1, 2, 10, 20), b = udp4(1, 2, 30, 40), options;

	for (a.head_bytes = 14; a.head_bytes < 38; a.head_bytes++) {
		b.head_bytes = a.head_bytes;
		CU_ASSERT(SAME(a, b, TRANSPORT));
	}
	options = udp4(1, 2, 10, 20);
	options.head[14] = 0x4f;		/* its ports would lie behind what there is */
	options.head_bytes = 60;
	CU_ASSERT(SAME(options, options, TRANSPORT));
	a = ip6(58, 1, 135);
	a.head_bytes = 54;
	CU_ASSERT_FALSE(team_may_spread(&a));
}

static void what_tells_addresses_stays_at_home(void)
{
	struct vswitch_frame f = udp4(1, 2, 3, 4);

	CU_ASSERT(team_may_spread(&f));
	f.head[0] = 1;
	CU_ASSERT_FALSE(team_may_spread(&f));
	f.head[0] = 0;
	put_be16(f.head + 12, ETH_P_ARP);
	CU_ASSERT_FALSE(team_may_spread(&f));
	for (unsigned type = 128; type < 140; type++) {
		f = ip6(58, 1, (uint8_t)type);
		CU_ASSERT_EQUAL(team_may_spread(&f), type < 133 || type > 137);
	}
	f = ip6(6, 1, 1);
	CU_ASSERT(team_may_spread(&f));
	f = ip6(0, 1, 58);			/* hop-by-hop options first */
	CU_ASSERT_FALSE(team_may_spread(&f));
}

static unsigned count(const struct team_buckets *b, unsigned member)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TEAM_BUCKETS; i++)
		n += b->member[i] == member;
	return n;
}

static unsigned differ(const struct team_buckets *a, const struct team_buckets *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TEAM_BUCKETS; i++)
		n += a->member[i] != b->member[i];
	return n;
}

static void buckets_move_no_more_than_they_must(void)
{
	struct team_buckets b = { { 0 } }, before;

	team_buckets_spread(&b, 0x7);
	for (unsigned m = 1; m <= 3; m++)
		CU_ASSERT(count(&b, m) == 85 || count(&b, m) == 86);
	CU_ASSERT_NOT_EQUAL(b.member[0], b.member[1]);	/* neighbouring switch ports */
	before = b;
	team_buckets_spread(&b, 0x5);			/* the second one fails */
	CU_ASSERT_EQUAL(differ(&b, &before), count(&before, 2));
	CU_ASSERT(count(&b, 1) == 128 && count(&b, 3) == 128);
	before = b;
	team_buckets_spread(&b, 0x80000005);		/* the 32nd comes */
	CU_ASSERT(count(&b, 32) == 85);
	CU_ASSERT_EQUAL(differ(&b, &before), 85);
	team_buckets_spread(&b, 0);
	CU_ASSERT_EQUAL(count(&b, 0), TEAM_BUCKETS);
}

static void flows_move_only_after_a_pause(void)
{
	struct team_flows *f = calloc(1, sizeof(*f));
	uint64_t now = 1000000 * MS;
	unsigned small, big;

	big = team_flow_member(f, 1, 1500, 3, now);
	small = team_flow_member(f, 2, 100, 3, now);
	CU_ASSERT_NOT_EQUAL(big, small);		/* the one with less load */
	for (unsigned i = 0; i < 3000; i++, now += MS) {
		CU_ASSERT_EQUAL(team_flow_member(f, 1, 1500, 3, now), big);
		CU_ASSERT_EQUAL(team_flow_member(f, 2, 100, 3, now), small);
	}
	/* A second big flow that shares the member, pauses, and then moves: once. */
	f->flow[3].member = (uint8_t)big;
	f->flow[3].last_ns = f->flow[3].moved_ns = now;
	for (unsigned i = 0; i < 1100; i++, now += MS) {
		team_flow_member(f, 1, 1500, 3, now);
		CU_ASSERT_EQUAL(team_flow_member(f, 3, 1500, 3, now), big);	/* no pause, no move */
	}
	for (unsigned i = 0; i < 60; i++, now += MS)
		team_flow_member(f, 1, 1500, 3, now);
	CU_ASSERT_EQUAL(team_flow_member(f, 3, 1500, 3, now), small);
	for (unsigned i = 0; i < 9; i++) {		/* pauses, but within a second */
		for (unsigned j = 0; j < 60; j++, now += MS)
			team_flow_member(f, 2, 9000, 3, now);
		CU_ASSERT_EQUAL(team_flow_member(f, 3, 1500, 3, now), small);
	}
	/* A member fails: at once. */
	CU_ASSERT_EQUAL(team_flow_member(f, 3, 1500, team_bit(big), now), big);
	CU_ASSERT_EQUAL(team_flow_member(f, 2, 1500, team_bit(big), now), big);
	free(f);
}

static const struct hv_test tests[] = {
	{ "hashes see what they should", hashes_see_what_they_should },
	{ "fragments of a datagram stay together", fragments_of_a_datagram_stay_together },
	{ "IPv6 goes by addresses and ports", ipv6_goes_by_addresses_and_ports },
	{ "short frames are read to their end only", short_frames_are_read_to_their_end_only },
	{ "what tells addresses stays at home", what_tells_addresses_stays_at_home },
	{ "buckets move no more than they must", buckets_move_no_more_than_they_must },
	{ "flows move only after a pause", flows_move_only_after_a_pause },
};

HV_TEST_MAIN("vswitch/team_select", tests)
