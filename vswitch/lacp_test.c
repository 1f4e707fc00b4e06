/* SPDX-License-Identifier: MIT */
/*
 * LACP: both ends in one process, cables with delay and loss between them, and a clock that jumps
 * from event to event.
 */
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "vswitch/internal.h"
#include "vswitch/lacp.h"

#define S 1000000000ull
#define MS 1000000ull

enum { LINKS = 4, FLYING = 256 };

struct flying {
	struct lacp_port *to;
	uint64_t at_ns;
	struct lacpdu pdu;
};

static struct end {
	struct lacp lacp;
	struct lacp_port ports[LINKS];
} ends[3];
static struct lacp_port *far_end[3][LINKS];	/* whose PDUs go where */
static struct flying flying[FLYING];
static unsigned num_flying;
static uint64_t now, delay_ns;
static unsigned loss_percent, lottery;
static uint64_t window_ns[3][LINKS][4];		/* when the last four PDUs left */

static bool lost(void)
{
	lottery = lottery * 1103515245 + 12345;
	return lottery >> 16 & 0x7fff && (lottery >> 16) % 100 < loss_percent;
}

static void transmit(struct lacp_port *p, const struct lacpdu *pdu)
{
	for (unsigned e = 0; e < 3; e++)
		for (unsigned i = 0; i < LINKS; i++) {
			uint64_t *w = window_ns[e][i];

			if (p != &ends[e].ports[i])
				continue;
			/* Never four in a second. */
			CU_ASSERT(!w[1] || now - w[1] >= S);
			memmove(w, w + 1, 3 * sizeof(*w));
			w[3] = now;
			CU_ASSERT_FATAL(num_flying < FLYING);
			if (far_end[e][i] && !lost())
				flying[num_flying++] = (struct flying){ far_end[e][i], now + delay_ns, *pdu };
		}
}

static struct lacp *group_of(const struct lacp_port *p)
{
	for (unsigned e = 0; e < 3; e++)
		if (p >= ends[e].ports && p < ends[e].ports + LINKS)
			return &ends[e].lacp;
	return NULL;
}

static void land(void)
{
	for (unsigned i = 0; i < num_flying; i++)
		if (flying[i].at_ns <= now) {
			struct flying f = flying[i];

			flying[i--] = flying[--num_flying];
			CU_ASSERT(lacp_receive(group_of(f.to), f.to, (const uint8_t *)&f.pdu, sizeof(f.pdu), now));
		}
}

/* Lets so much time pass. */
static void pass(uint64_t ns)
{
	uint64_t end = now + ns, next, at;

	for (unsigned rounds = 0; rounds < 100000; rounds++) {
		land();
		next = end;
		for (unsigned e = 0; e < 3; e++) {
			at = lacp_run(&ends[e].lacp, now);
			CU_ASSERT(at > now);
			if (at < next)
				next = at;
		}
		for (unsigned i = 0; i < num_flying; i++)
			if (flying[i].at_ns < next)
				next = flying[i].at_ns;
		if (now >= end)
			return;
		now = next > now ? next : now;
	}
	CU_FAIL("time stands still");
}

static const uint8_t systems[3][6] = { { 2, 0, 0, 0, 0, 0xa }, { 2, 0, 0, 0, 0, 0xb }, { 2, 0, 0, 0, 0, 0xc } };

static void begin(bool fast)
{
	memset(ends, 0, sizeof(ends));
	memset(far_end, 0, sizeof(far_end));
	memset(window_ns, 0, sizeof(window_ns));
	num_flying = 0;
	now = 1000 * S;
	delay_ns = MS;
	loss_percent = 0;
	lottery = 1;
	for (unsigned e = 0; e < 3; e++) {
		lacp_init(&ends[e].lacp, transmit);
		lacp_configure(&ends[e].lacp, fast, false, 32768, systems[e]);
	}
}

static void plug(unsigned e, unsigned i)
{
	lacp_add(&ends[e].lacp, &ends[e].ports[i], (uint16_t)(i + 1));
}

static void set_link(unsigned e, unsigned i, bool up, uint32_t speed)
{
	lacp_set_link(&ends[e].lacp, &ends[e].ports[i], up, speed, true, now);
}

/* A cable from port i of end a to port j of end b. */
static void cable(unsigned a, unsigned i, unsigned b, unsigned j, uint32_t speed)
{
	plug(a, i);
	plug(b, j);
	far_end[a][i] = &ends[b].ports[j];
	far_end[b][j] = &ends[a].ports[i];
	set_link(a, i, true, speed);
	set_link(b, j, true, speed);
}

static unsigned distributing(unsigned e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LINKS; i++)
		n += lacp_distributes(&ends[e].ports[i]);
	return n;
}

static void both_ends_agree_after_the_wait(void)
{
	begin(true);
	for (unsigned i = 0; i < LINKS; i++)
		cable(0, i, 1, i, 10000);
	pass(1900 * MS);
	CU_ASSERT_EQUAL(distributing(0), 0);
	pass(500 * MS);
	CU_ASSERT_EQUAL(distributing(0), LINKS);
	CU_ASSERT_EQUAL(distributing(1), LINKS);
	pass(1 * S);				/* the last news may have had to wait for the limit */
	CU_ASSERT_EQUAL(ends[0].ports[2].actor.state, 0x3f);
	CU_ASSERT_EQUAL(ends[0].ports[2].partner.state, 0x3f);
	CU_ASSERT_EQUAL(ends[0].ports[2].partner.port, 3);
	CU_ASSERT(!memcmp(ends[0].ports[2].partner.system, systems[1], 6));
	pass(600 * S);
	CU_ASSERT_EQUAL(distributing(0), LINKS);
	/* One a second, and a few at the beginning. */
	CU_ASSERT(ends[0].ports[0].out >= 600 && ends[0].ports[0].out <= 615);
}

static void slow_partners_are_asked_each_half_minute(void)
{
	begin(false);
	cable(0, 0, 1, 0, 10000);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT_FALSE(ends[0].ports[0].actor.state & LACP_TIMEOUT);
	uint64_t before = ends[0].ports[0].out;

	pass(300 * S);
	CU_ASSERT_EQUAL(ends[0].ports[0].out - before, 10);
	/* One side is fast: the other sends each second. */
	lacp_configure(&ends[0].lacp, true, false, 32768, systems[0]);
	pass(5 * S);
	before = ends[1].ports[0].out;
	pass(60 * S);
	CU_ASSERT_EQUAL(ends[1].ports[0].out - before, 60);
	CU_ASSERT_EQUAL(distributing(0) + distributing(1), 2);
}

static void silence_ends_it(void)
{
	for (unsigned fast = 0; fast < 2; fast++) {
		begin(fast);
		cable(0, 0, 1, 0, 10000);
		cable(0, 1, 1, 1, 10000);
		pass(60 * S);
		CU_ASSERT_EQUAL(distributing(0), 2);
		far_end[1][0] = NULL;		/* one way only: the other end still hears us */
		/* The last PDU was up to one period ago. */
		pass(fast ? 1900 * MS : 59 * S);
		CU_ASSERT_EQUAL(distributing(0), 2);
		pass(fast ? 1200 * MS : 32 * S);
		CU_ASSERT_EQUAL(distributing(0), 1);
		if (fast)
			CU_ASSERT(ends[0].ports[0].actor.state & LACP_EXPIRED);
		pass(1 * S);
		CU_ASSERT_EQUAL(distributing(1), 1);	/* for we told it */
		pass(4 * S);
		CU_ASSERT_EQUAL(ends[0].ports[0].receive, LACP_RECEIVE_DEFAULTED);
		CU_ASSERT(ends[0].ports[0].actor.state & LACP_DEFAULTED);
		far_end[1][0] = &ends[0].ports[0];
		pass(fast ? 4 * S : 40 * S);
		CU_ASSERT_EQUAL(distributing(0) + distributing(1), 4);
	}
}

static void lost_link_stops_at_once(void)
{
	begin(false);
	cable(0, 0, 1, 0, 10000);
	cable(0, 1, 1, 1, 10000);
	pass(10 * S);
	set_link(0, 1, false, 0);
	lacp_run(&ends[0].lacp, now);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT_FALSE(lacp_collects(&ends[0].ports[1]));
	set_link(1, 1, false, 0);
	pass(1 * S);
	CU_ASSERT_EQUAL(distributing(1), 1);
	set_link(0, 1, true, 10000);
	set_link(1, 1, true, 10000);
	pass(4 * S);
	CU_ASSERT_EQUAL(distributing(0) + distributing(1), 4);
	lacp_remove(&ends[0].lacp, &ends[0].ports[1]);
	far_end[0][1] = far_end[1][1] = NULL;
	pass(100 * S);
	CU_ASSERT_EQUAL(distributing(1), 1);
}

static void losses_and_delay_do_not_matter(void)
{
	begin(true);
	loss_percent = 30;
	delay_ns = 80 * MS;
	for (unsigned i = 0; i < LINKS; i++)
		cable(0, i, 1, i, 10000);
	pass(30 * S);
	loss_percent = 0;
	pass(6 * S);
	CU_ASSERT_EQUAL(distributing(0) + distributing(1), 2 * LINKS);
	/* Slow timeouts bear them while they last: three in a row are needed. */
	begin(false);
	cable(0, 0, 1, 0, 10000);
	pass(10 * S);
	loss_percent = 10;
	for (unsigned i = 0; i < 20; i++) {
		pass(30 * S);
		CU_ASSERT_EQUAL(distributing(0), 1);
	}
}

static void one_partner_only(void)
{
	begin(true);
	cable(0, 0, 1, 0, 10000);
	cable(0, 1, 2, 1, 10000);
	cable(0, 2, 2, 2, 10000);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0), 2);
	CU_ASSERT_FALSE(lacp_distributes(&ends[0].ports[0]));
	CU_ASSERT_EQUAL(distributing(1), 0);
	CU_ASSERT_EQUAL(distributing(2), 2);
	set_link(0, 1, false, 0);		/* a tie stays as it is */
	set_link(2, 1, false, 0);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(2), 1);
	CU_ASSERT_EQUAL(distributing(1), 0);
	set_link(0, 2, false, 0);
	set_link(2, 2, false, 0);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(1), 1);
}

static void one_speed_only(void)
{
	begin(true);
	cable(0, 0, 1, 0, 1000);
	cable(0, 1, 1, 1, 1000);
	cable(0, 2, 1, 2, 10000);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(lacp_distributes(&ends[0].ports[2]));
	CU_ASSERT_NOT_EQUAL(ends[0].ports[0].actor.key, ends[0].ports[2].actor.key);
	set_link(0, 2, true, 1000);		/* it negotiates another speed */
	set_link(1, 2, true, 1000);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0) + distributing(1), 6);
}

static void one_speed_only_whatever_the_partner_says(void)
{
	begin(true);
	cable(0, 0, 1, 0, 1000);
	cable(0, 1, 1, 1, 10000);
	ends[1].ports[0].actor.key = ends[1].ports[1].actor.key = 7;	/* as Open vSwitch: one for all */
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(lacp_distributes(&ends[0].ports[1]));
	CU_ASSERT_FALSE(ends[0].ports[0].selected);
}

static void partner_that_means_somebody_else_is_not_in_sync(void)
{
	struct vswitch_lacp_side them = { .system = { 2, 9 }, .key = 1, .port = 1, .state = 0x3f }, us;
	struct lacp_port *p = &ends[0].ports[0];
	struct lacpdu pdu;

	begin(true);
	plug(0, 0);
	set_link(0, 0, true, 10000);
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		us = p->actor;
		us.port = (uint16_t)(us.port + wrong);
		for (unsigned i = 0; i < 8; i++) {
			lacp_build(&them, &us, &pdu);
			CU_ASSERT(lacp_receive(&ends[0].lacp, p, (const uint8_t *)&pdu, sizeof(pdu), now));
			pass(500 * MS);
		}
		CU_ASSERT_EQUAL(lacp_collects(p), !wrong);
	}
}

static void cable_moved_to_another_partner(void)
{
	begin(false);
	cable(0, 0, 1, 0, 10000);
	cable(0, 1, 1, 1, 10000);
	pass(10 * S);
	CU_ASSERT_EQUAL(distributing(0), 2);
	/* Without loss of link, as behind a media converter. */
	plug(2, 1);
	far_end[0][1] = &ends[2].ports[1];
	far_end[2][1] = &ends[0].ports[1];
	far_end[1][1] = NULL;
	set_link(2, 1, true, 10000);
	pass(3 * MS);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(lacp_distributes(&ends[0].ports[0]));
}

static void who_is_passive_waits_to_be_spoken_to(void)
{
	begin(true);
	lacp_configure(&ends[0].lacp, true, true, 32768, systems[0]);
	lacp_configure(&ends[1].lacp, true, true, 32768, systems[1]);
	cable(0, 0, 1, 0, 10000);
	pass(100 * S);
	CU_ASSERT_EQUAL(ends[0].ports[0].out + ends[1].ports[0].out, 0);
	CU_ASSERT_EQUAL(distributing(0), 0);
	lacp_configure(&ends[1].lacp, true, false, 32768, systems[1]);
	pass(5 * S);
	CU_ASSERT_EQUAL(distributing(0) + distributing(1), 2);
}

static void own_voice_is_no_partner(void)
{
	begin(true);
	plug(0, 0);
	plug(0, 1);
	far_end[0][0] = &ends[0].ports[1];
	far_end[0][1] = &ends[0].ports[0];
	set_link(0, 0, true, 10000);
	set_link(0, 1, true, 10000);
	pass(60 * S);
	CU_ASSERT_EQUAL(distributing(0), 0);
}

static void nobody_there_carries_nothing(void)
{
	begin(true);
	plug(0, 0);
	set_link(0, 0, true, 10000);
	pass(60 * S);
	CU_ASSERT_EQUAL(ends[0].ports[0].receive, LACP_RECEIVE_DEFAULTED);
	CU_ASSERT_EQUAL(distributing(0), 0);
	CU_ASSERT(ends[0].ports[0].out >= 55);	/* it goes on asking */
}

static void expect_churn(const struct lacp_port *p, enum vswitch_lacp_churn actor, enum vswitch_lacp_churn partner, unsigned count)
{
	CU_ASSERT_EQUAL(p->actor_churn.state, actor);
	CU_ASSERT_EQUAL(p->partner_churn.state, partner);
	CU_ASSERT_EQUAL(p->actor_churn.count, count);
	CU_ASSERT_EQUAL(p->partner_churn.count, count);
}

static void churn_is_a_minute_out_of_sync(void)
{
	struct lacp_port *p = &ends[0].ports[0];

	begin(true);
	plug(0, 0);
	pass(200 * S);
	expect_churn(p, VSWITCH_CHURN_MONITOR, VSWITCH_CHURN_MONITOR, 0);	/* without link nothing is expected */
	set_link(0, 0, true, 10000);
	pass(59 * S);
	expect_churn(p, VSWITCH_CHURN_MONITOR, VSWITCH_CHURN_MONITOR, 0);
	pass(2 * S);
	expect_churn(p, VSWITCH_CHURN, VSWITCH_CHURN, 1);
	pass(200 * S);
	expect_churn(p, VSWITCH_CHURN, VSWITCH_CHURN, 1);
	far_end[0][0] = &ends[1].ports[0];
	plug(1, 0);
	far_end[1][0] = p;
	set_link(1, 0, true, 10000);
	pass(5 * S);
	expect_churn(p, VSWITCH_CHURN_NONE, VSWITCH_CHURN_NONE, 1);
	far_end[1][0] = NULL;
	pass(10 * S);
	expect_churn(p, VSWITCH_CHURN_MONITOR, VSWITCH_CHURN_MONITOR, 1);
	pass(60 * S);
	expect_churn(p, VSWITCH_CHURN, VSWITCH_CHURN, 2);
	set_link(0, 0, false, 0);
	pass(200 * S);
	expect_churn(p, VSWITCH_CHURN_MONITOR, VSWITCH_CHURN_MONITOR, 2);
}

/* Here it is this end that cannot: another LAG has the aggregator. */
static void churn_says_which_end_it_is(void)
{
	begin(true);
	cable(0, 0, 1, 0, 1000);
	cable(0, 1, 2, 1, 10000);
	pass(70 * S);
	CU_ASSERT_EQUAL(ends[0].ports[0].actor_churn.state, VSWITCH_CHURN);
	CU_ASSERT_EQUAL(ends[0].ports[0].partner_churn.state, VSWITCH_CHURN_NONE);
	CU_ASSERT_EQUAL(ends[1].ports[0].actor_churn.state, VSWITCH_CHURN_NONE);
	CU_ASSERT_EQUAL(ends[1].ports[0].partner_churn.state, VSWITCH_CHURN);
	expect_churn(&ends[0].ports[1], VSWITCH_CHURN_NONE, VSWITCH_CHURN_NONE, 0);
}

static void begin_fallback(void)
{
	begin(true);
	ends[0].lacp.fallback = true;
	plug(0, 0);
	plug(0, 1);
	set_link(0, 0, true, 10000);
	set_link(0, 1, true, 10000);
	pass(2900 * MS);
	CU_ASSERT_EQUAL(distributing(0), 0);	/* somebody may answer yet */
	pass(200 * MS);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(ends[0].ports[0].alone && lacp_distributes(&ends[0].ports[0]) && lacp_collects(&ends[0].ports[0]));
}

static void fallback_is_one_port_until_its_link_goes(void)
{
	begin_fallback();
	pass(100 * S);
	CU_ASSERT_EQUAL(distributing(0), 1);
	expect_churn(&ends[0].ports[0], VSWITCH_CHURN_NONE, VSWITCH_CHURN_NONE, 0);
	expect_churn(&ends[0].ports[1], VSWITCH_CHURN, VSWITCH_CHURN, 1);
	set_link(0, 0, false, 0);
	lacp_run(&ends[0].lacp, now);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(lacp_distributes(&ends[0].ports[1]));
	set_link(0, 0, true, 10000);
	pass(100 * S);
	CU_ASSERT_EQUAL(distributing(0), 1);
	CU_ASSERT(lacp_distributes(&ends[0].ports[1]));		/* no move without need */
	ends[0].lacp.fallback = false;
	lacp_run(&ends[0].lacp, now);
	CU_ASSERT_EQUAL(distributing(0), 0);
}

static void fallback_ends_with_the_first_word_of_a_partner(void)
{
	for (unsigned at = 0; at < 2; at++) {
		begin_fallback();
		plug(1, at);
		far_end[0][at] = &ends[1].ports[at];
		far_end[1][at] = &ends[0].ports[at];
		set_link(1, at, true, 10000);
		pass(2 * MS);
		CU_ASSERT_EQUAL(distributing(0), 0);
		pass(5 * S);
		CU_ASSERT_EQUAL(distributing(0) + distributing(1), 2);
		CU_ASSERT(lacp_distributes(&ends[0].ports[at]) && !ends[0].ports[0].alone);
		far_end[1][at] = NULL;
		pass(5 * S);
		CU_ASSERT_EQUAL(distributing(0), 0);		/* expired, not yet given up */
		pass(2 * S);
		CU_ASSERT_EQUAL(distributing(0), 1);
	}
}

static void fallback_does_not_make_a_loop(void)
{
	begin_fallback();
	far_end[0][0] = &ends[0].ports[1];
	far_end[0][1] = &ends[0].ports[0];
	pass(60 * S);
	CU_ASSERT_EQUAL(distributing(0), 0);
}

static void pdu_is_as_the_standard_says(void)
{
	static const uint8_t expected[] = {
		1, 1,
		1, 20, 0x80, 0x00, 2, 0, 0, 0, 0, 0xa, 0x00, 0x0d, 0x80, 0x01, 0x00, 0x03, 0x3d, 0, 0, 0,
		2, 20, 0x12, 0x34, 2, 0, 0, 0, 0, 0xb, 0xab, 0xcd, 0x00, 0xff, 0x01, 0x02, 0x07, 0, 0, 0,
		3, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct vswitch_lacp_side a = { .system_priority = 0x8000, .key = 13, .port_priority = 0x8001, .port = 3,
				       .system = { 2, 0, 0, 0, 0, 0xa }, .state = 0x3d };
	struct vswitch_lacp_side b = { .system_priority = 0x1234, .key = 0xabcd, .port_priority = 0xff, .port = 0x102,
				       .system = { 2, 0, 0, 0, 0, 0xb }, .state = 7 };
	struct vswitch_lacp_side a2, b2;
	struct lacpdu pdu, again;
	const uint8_t *bytes = (const uint8_t *)&pdu;

	lacp_build(&a, &b, &pdu);
	CU_ASSERT(!memcmp(bytes, expected, sizeof(expected)));
	for (size_t i = sizeof(expected); i < sizeof(pdu); i++)
		CU_ASSERT_EQUAL(bytes[i], 0);
	CU_ASSERT_FATAL(lacp_parse(bytes, sizeof(pdu), &a2, &b2));
	lacp_build(&a2, &b2, &again);
	CU_ASSERT(!memcmp(&pdu, &again, sizeof(pdu)));
}

static void lies_are_refused(void)
{
	static const struct {
		const char *what;
		size_t at, n;
		uint8_t value;
		bool good;
	} cases[] = {
		{ "empty", 0, 0, 1, false },
		{ "ends within the partner", 0, 41, 1, false },
		{ "another subtype", 0, 110, 2, false },
		{ "version 0", 1, 110, 0, false },
		{ "no actor first", 2, 110, 2, false },
		{ "a short actor", 3, 110, 19, false },
		{ "no partner next", 22, 110, 3, false },
		{ "a long partner", 23, 110, 21, false },
		{ "a later version", 1, 110, 2, true },
		{ "the shortest that says all", 0, 42, 1, true },
	};
	struct vswitch_lacp_side a = { .key = 1 }, b = { .key = 2 };
	uint8_t bytes[110];
	struct lacpdu pdu;

	begin(true);
	cable(0, 0, 1, 0, 10000);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bad = ends[0].ports[0].bad;

		lacp_build(&a, &b, &pdu);
		memcpy(bytes, &pdu, sizeof(bytes));
		bytes[cases[i].at] = cases[i].value;
		if (lacp_receive(&ends[0].lacp, &ends[0].ports[0], bytes, cases[i].n, now) != cases[i].good)
			CU_FAIL(cases[i].what);
		CU_ASSERT_EQUAL(ends[0].ports[0].bad, bad + !cases[i].good);
	}
}

static void markers_are_answered(void)
{
	uint8_t bytes[110] = { 2, 1, 1, 16, 0, 7, 2, 0, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef, 0x55, 0x55 };
	struct marker_pdu out;

	CU_ASSERT_FATAL(lacp_marker_response(bytes, sizeof(bytes), &out));
	CU_ASSERT_EQUAL(out.type, MARKER_TLV_RESPONSE);
	CU_ASSERT(!memcmp((const uint8_t *)&out + 4, bytes + 4, 12));
	CU_ASSERT_EQUAL(out.pad[0], 0);		/* nothing of the stranger's beyond its fields */
	CU_ASSERT_FALSE(lacp_marker_response(bytes, 15, &out));
	bytes[2] = MARKER_TLV_RESPONSE;		/* or two would go on for ever */
	CU_ASSERT_FALSE(lacp_marker_response(bytes, sizeof(bytes), &out));
}

static const struct hv_test tests[] = {
	{ "both ends agree after the wait", both_ends_agree_after_the_wait },
	{ "slow partners are asked each half minute", slow_partners_are_asked_each_half_minute },
	{ "silence ends it", silence_ends_it },
	{ "a lost link stops at once", lost_link_stops_at_once },
	{ "losses and delay do not matter", losses_and_delay_do_not_matter },
	{ "one partner only", one_partner_only },
	{ "one speed only", one_speed_only },
	{ "one speed only, whatever the partner says", one_speed_only_whatever_the_partner_says },
	{ "a partner that means somebody else is not in sync", partner_that_means_somebody_else_is_not_in_sync },
	{ "a cable that was moved to another partner", cable_moved_to_another_partner },
	{ "who is passive waits to be spoken to", who_is_passive_waits_to_be_spoken_to },
	{ "one's own voice is no partner", own_voice_is_no_partner },
	{ "nobody there carries nothing", nobody_there_carries_nothing },
	{ "churn is a minute out of sync", churn_is_a_minute_out_of_sync },
	{ "churn says which end it is", churn_says_which_end_it_is },
	{ "fallback is one port, until its link goes", fallback_is_one_port_until_its_link_goes },
	{ "fallback ends with the first word of a partner", fallback_ends_with_the_first_word_of_a_partner },
	{ "fallback does not make a loop", fallback_does_not_make_a_loop },
	{ "a PDU is as the standard says", pdu_is_as_the_standard_says },
	{ "lies are refused", lies_are_refused },
	{ "markers are answered", markers_are_answered },
};

HV_TEST_MAIN("vswitch/lacp", tests)
