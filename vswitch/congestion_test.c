/* SPDX-License-Identifier: MIT */
#include "vswitch/test_nic.h"

#define MS 1000000ull
#define T0 1000000000000ull

static struct vswitch *sw;
static struct test_nic a, b, slow, other;
static struct test_frame *frame;

static void begin(void)
{
	sw = test_switch();
	test_nic_plug(sw, &a, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &b, VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_plug(sw, &slow, VSWITCH_NIC_SYNTHETIC, 3, 0);
	test_nic_plug(sw, &other, VSWITCH_NIC_SYNTHETIC, 4, 0);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&a);
	test_nic_unplug(&b);
	test_nic_unplug(&slow);
	test_nic_unplug(&other);
	vswitch_destroy(sw);
	free(frame);
}

static bool send(struct test_nic *from, const struct test_nic *to)
{
	test_frame_plain(frame, to->nic.mac, from->nic.mac, 60);
	return test_send(from, frame);
}

static void pauses_until_there_is_room(void)
{
	begin();
	CU_ASSERT_FALSE(send(&a, &slow));
	vswitch_port_set_congested(slow.port, true);
	CU_ASSERT_TRUE(send(&a, &slow));
	CU_ASSERT_TRUE(send(&b, &slow));
	CU_ASSERT_TRUE(send(&a, &slow));		/* it may; it is told again */
	CU_ASSERT_FALSE(send(&other, &b));		/* has nothing to do with it */
	CU_ASSERT_EQUAL(slow.num_got, 4);		/* what is sent is delivered */
	CU_ASSERT_EQUAL(slow.port->stats.pauses, 2);
	CU_ASSERT_EQUAL(a.resumes + b.resumes + other.resumes, 0);
	vswitch_port_set_congested(slow.port, false);
	CU_ASSERT_EQUAL(a.resumes, 1);
	CU_ASSERT_EQUAL(b.resumes, 1);
	CU_ASSERT_EQUAL(other.resumes, 0);
	CU_ASSERT_FALSE(send(&a, &slow));
	vswitch_port_set_congested(slow.port, false);
	CU_ASSERT_EQUAL(a.resumes, 1);
	CU_ASSERT_EQUAL(slow.port->stats.stalls, 0);
	end();
}

static void stalls_after_the_bound(void)
{
	begin();
	slow.room = 2;
	vswitch_port_set_congested(slow.port, true);
	vswitch_tick(sw, T0 + 100 * MS);		/* congested for long, but nobody waited */
	CU_ASSERT_TRUE(send(&a, &slow));
	vswitch_tick(sw, T0 + 109 * MS);
	CU_ASSERT_TRUE(send(&b, &slow));
	CU_ASSERT_EQUAL(a.resumes, 0);
	vswitch_tick(sw, T0 + 110 * MS);		/* 10 ms after the first, also for the second */
	CU_ASSERT_EQUAL(a.resumes, 1);
	CU_ASSERT_EQUAL(b.resumes, 1);
	CU_ASSERT_EQUAL(slow.port->stats.stalls, 1);
	/* Nobody waits for it now; what it cannot take is lost. */
	CU_ASSERT_FALSE(send(&a, &slow));
	CU_ASSERT_EQUAL(test_out_dropped(&slow, VSWITCH_DROP_NO_BUFFER), 1);
	vswitch_port_set_congested(slow.port, true);	/* it says nothing new */
	CU_ASSERT_FALSE(send(&a, &slow));
	/* With room again it may pause again, for as long again. */
	vswitch_port_set_congested(slow.port, false);
	vswitch_port_set_congested(slow.port, true);
	CU_ASSERT_TRUE(send(&a, &slow));
	vswitch_tick(sw, T0 + 119 * MS);
	CU_ASSERT_EQUAL(a.resumes, 1);
	vswitch_tick(sw, T0 + 120 * MS);
	CU_ASSERT_EQUAL(a.resumes, 2);
	end();
}

static void floods_pause_nobody(void)
{
	uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	begin();
	send(&a, &slow);
	vswitch_port_set_congested(slow.port, true);
	test_frame_plain(frame, broadcast, a.nic.mac, 60);
	CU_ASSERT_FALSE(test_send(&a, frame));
	CU_ASSERT_EQUAL(slow.num_got, 2);
	end();
}

static void waits_for_one_at_a_time(void)
{
	begin();
	vswitch_port_set_congested(slow.port, true);
	vswitch_port_set_congested(other.port, true);
	CU_ASSERT_TRUE(send(&a, &slow));
	CU_ASSERT_TRUE(send(&a, &other));
	vswitch_port_set_congested(slow.port, false);
	CU_ASSERT_EQUAL(a.resumes, 0);
	vswitch_port_set_congested(other.port, false);
	CU_ASSERT_EQUAL(a.resumes, 1);
	end();
}

static void congest(struct test_nic *t)
{
	vswitch_port_set_congested(t->port, true);
}

static void congest_and_recover(struct test_nic *t)
{
	vswitch_port_set_congested(t->port, true);
	vswitch_port_set_congested(t->port, false);
}

static void counts_what_holds_at_the_batchs_end(void)
{
	begin();
	slow.on_deliver = congest;
	CU_ASSERT_TRUE(send(&a, &slow));
	vswitch_port_set_congested(slow.port, false);
	slow.on_deliver = congest_and_recover;
	CU_ASSERT_FALSE(send(&a, &slow));
	CU_ASSERT_EQUAL(a.resumes, 1);
	end();
}

static void who_leaves_lets_go(void)
{
	begin();
	vswitch_port_set_congested(slow.port, true);
	CU_ASSERT_TRUE(send(&a, &slow));
	CU_ASSERT_TRUE(send(&b, &slow));
	vswitch_port_disconnect(a.port);		/* a sender: it is not called any more */
	CU_ASSERT_EQUAL(vswitch_port_connect(a.port, &a.nic), 0);
	vswitch_port_set_link(slow.port, false);	/* the receiver */
	CU_ASSERT_EQUAL(a.resumes, 0);
	CU_ASSERT_EQUAL(b.resumes, 1);
	vswitch_port_set_congested(slow.port, true);	/* without effect while it is down */
	vswitch_port_set_link(slow.port, true);
	CU_ASSERT_FALSE(send(&b, &slow));
	/* And in the middle of a pause, everything goes. */
	vswitch_port_set_congested(slow.port, true);
	CU_ASSERT_TRUE(send(&b, &slow));
	end();
}

/* The same with a loop and its clock. */
static void bound_holds_in_real_time(void)
{
	struct vswitch_config config = { .name = "real" };
	struct hv_loop *loop;
	uint64_t start;

	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	test_nic_plug(sw, &a, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &slow, VSWITCH_NIC_SYNTHETIC, 3, 0);
	frame = test_frame_new();
	vswitch_port_set_congested(slow.port, true);
	start = hv_now_ns();
	CU_ASSERT_TRUE(send(&a, &slow));
	while (!a.resumes && hv_now_ns() - start < 2000 * MS)
		hv_loop_run_once(loop, 5 * MS);
	CU_ASSERT_EQUAL(a.resumes, 1);
	CU_ASSERT(hv_now_ns() - start >= 10 * MS);
	CU_ASSERT_FALSE(send(&a, &slow));
	/* Leaving with the bound still running takes the timer along. */
	vswitch_port_set_congested(slow.port, false);
	vswitch_port_set_congested(slow.port, true);
	CU_ASSERT_TRUE(send(&a, &slow));
	test_nic_unplug(&slow);
	test_nic_unplug(&a);
	vswitch_destroy(sw);
	hv_loop_run_once(loop, 20 * MS);
	hv_loop_destroy(loop);
	free(frame);
}

static const struct hv_test tests[] = {
	{ "pauses until there is room", pauses_until_there_is_room },
	{ "stalls after the bound", stalls_after_the_bound },
	{ "floods pause nobody", floods_pause_nobody },
	{ "waits for one at a time", waits_for_one_at_a_time },
	{ "counts what holds at the batch's end", counts_what_holds_at_the_batchs_end },
	{ "who leaves lets go", who_leaves_lets_go },
	{ "the bound holds in real time", bound_holds_in_real_time },
};

HV_TEST_MAIN("vswitch/congestion", tests)
