/* SPDX-License-Identifier: MIT */
/*
 * A team at the kernel's bridge, which knows nothing of teams. Where namespaces are not permitted the tests are skipped.
 */
#include "vswitch/test_team.h"

static void start_bridge(void)
{
	TEST_RUN("nsenter -t %d -n sh -c 'ip link add br0 type bridge && ip link set far1 master br0 && ip link set far2 master br0 && "
		 "ip addr add 10.66.0.2/24 dev br0 && ip link set br0 up'", there);
}

static void independent_team_at_a_bridge(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT };
	unsigned lost;

	for (c.algorithm = VSWITCH_TEAM_DYNAMIC; c.algorithm <= VSWITCH_TEAM_PORT; c.algorithm++) {
		if (!begin(&c, 0))
			return;
		start_bridge();
		CU_ASSERT(TEST_UNTIL(loop, active() == 2));
		CU_ASSERT_EQUAL(lost_pings(20, 56, NULL), 0);
		CU_ASSERT_EQUAL(lost_pings(20, 4000, NULL), 0);
		victim = c.algorithm == VSWITCH_TEAM_PORT && !status(1).stats.out_frames ? 2 : 1;
		lost = lost_pings(200, 56, cut);
		CU_ASSERT(lost < MOST_LOST);
		CU_ASSERT_EQUAL(active(), 1);
		TEST_RUN("ip link set tm%u up", victim);
		CU_ASSERT(TEST_UNTIL(loop, active() == 2));
		CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
		end();
	}
}

static void standby_at_a_bridge(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT, .algorithm = VSWITCH_TEAM_TRANSPORT };
	unsigned lost;

	if (!begin(&c, 2))
		return;
	start_bridge();
	CU_ASSERT(TEST_UNTIL(loop, active() == 1 && status(2).state == VSWITCH_MEMBER_STANDBY));
	victim = 1;
	lost = lost_pings(200, 56, cut);
	CU_ASSERT(lost < MOST_LOST);
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_ACTIVE);
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, status(2).state == VSWITCH_MEMBER_STANDBY && status(1).state == VSWITCH_MEMBER_ACTIVE));
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
	end();
}

static void delays_are_kept(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT, .updelay_ms = 300, .downdelay_ms = 200 };
	uint64_t since;

	if (!begin(&c, 0))
		return;
	since = hv_now_ns();
	CU_ASSERT(TEST_UNTIL(loop, active() == 2));
	CU_ASSERT(hv_now_ns() - since >= 250 * TEST_MS);
	since = hv_now_ns();
	TEST_RUN("ip link set tm1 down");
	CU_ASSERT(TEST_UNTIL(loop, active() == 1));
	CU_ASSERT(hv_now_ns() - since >= 200 * TEST_MS);
	since = hv_now_ns();
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, active() == 2));
	CU_ASSERT(hv_now_ns() - since >= 300 * TEST_MS);
	/* Shorter than the delay: nothing happens. */
	TEST_RUN("ip link set tm1 down");
	CU_ASSERT(TEST_UNTIL(loop, !status(1).link));
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, status(1).link));
	for (unsigned i = 0; i < 300; i++)
		hv_loop_run_once(loop, TEST_MS);
	CU_ASSERT_EQUAL(status(1).stats.failures, 1);
	end();
}

static const struct hv_test tests[] = {
	{ "an independent team at a bridge", independent_team_at_a_bridge },
	{ "standby at a bridge", standby_at_a_bridge },
	{ "delays are kept", delays_are_kept },
};

int main(void)
{
	permitted = test_net_enter();
	return hv_test_main("vswitch/team_peers", tests, sizeof(tests) / sizeof(tests[0]));
}
