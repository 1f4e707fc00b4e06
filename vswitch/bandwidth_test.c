/* SPDX-License-Identifier: MIT */
/*
 * Maximum and minimum bandwidth, in a time that the tests make: guests that send all they may, with and without pausing when they are
 * told to, and an uplink that drains a queue at a fixed rate.
 */
#include <errno.h>

#include "vswitch/bandwidth_internal.h"
#include "vswitch/test_nic.h"

#define T0 1000000000000ull
#define STEP_NS 20000ull			/* of the tests' time */
#define S BANDWIDTH_NS_PER_S

enum { GUESTS = 4, BATCH = 8 };

/* A guest with an endless supply of frames. */
struct sender {
	struct test_nic nic;			/* first: what its callbacks get is this */
	bool greedy, deaf;			/* deaf: does not pause */
	bool paused;
	uint32_t frame_bytes;
	unsigned batch;				/* frames of one call; 0: BATCH */
	uint64_t sent_bytes;
};

/* What is behind the external port: a queue that a wire drains. */
struct wire {
	struct test_nic nic;
	uint64_t bits;				/* per second; 0: takes everything */
	uint64_t queued, room;			/* bytes */
	uint64_t drained_to_ns;
	uint64_t from[GUESTS];			/* bytes that went out, by the last byte of their source */
};

static struct vswitch *sw;
static struct sender guests[GUESTS];
static struct wire wire;
static uint64_t now_ns, told_bits;
static struct vswitch_why why;

static void wire_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct wire *w = opaque;

	for (unsigned i = 0; i < n; i++) {
		if (w->bits && w->queued + frames[i]->len > w->room) {
			vswitch_port_drop(w->nic.port, VSWITCH_DROP_UPLINK_FULL, 1);
			continue;
		}
		w->queued += w->bits ? frames[i]->len : 0;
		w->from[frames[i]->head[11] - 1] += frames[i]->len;
	}
	if (w->bits && w->queued > w->room / 2)
		vswitch_port_set_congested(w->nic.port, true);
}

static void drain(struct wire *w)
{
	uint64_t bytes = (now_ns - w->drained_to_ns) * w->bits / 8 / S;

	if (!w->bits || !bytes)
		return;
	w->drained_to_ns += bytes * 8 * S / w->bits;
	w->queued -= bytes < w->queued ? bytes : w->queued;
	if (w->queued < w->room / 4)
		vswitch_port_set_congested(w->nic.port, false);
}

static void sender_resume(void *opaque)
{
	((struct sender *)opaque)->paused = false;
}

static const struct vswitch_nic_ops wire_ops = { .deliver = wire_deliver };
static const struct vswitch_nic_ops sender_ops = { .deliver = test_nic_deliver, .resume = sender_resume };

static void plug(struct vswitch *s, struct test_nic *t, unsigned number, enum vswitch_nic_kind kind,
		 const struct vswitch_nic_ops *ops)
{
	char name[8];

	test_nic_init(t, kind, number, 0);
	t->nic.ops = ops;
	t->nic.max_frame_bytes = 65536;
	snprintf(name, sizeof(name), "p%u", number);
	CU_ASSERT_FATAL(!vswitch_port_create(s, name, &t->port) && !vswitch_port_connect(t->port, &t->nic));
}

static void begin_in(enum vswitch_bandwidth_mode mode, uint64_t capacity_bits)
{
	struct vswitch_bandwidth setting = { .mode = mode, .capacity_bits = capacity_bits };

	sw = test_switch();
	now_ns = T0;
	CU_ASSERT_EQUAL_FATAL(vswitch_set_bandwidth(sw, &setting, &why), 0);
	for (unsigned i = 0; i < GUESTS; i++) {
		guests[i] = (struct sender){ .frame_bytes = 1500 };
		plug(sw, &guests[i].nic, i + 1, VSWITCH_NIC_SYNTHETIC, &sender_ops);
	}
	wire = (struct wire){ .drained_to_ns = now_ns, .room = 256 * 1024 };
	plug(sw, &wire.nic, 100, VSWITCH_NIC_EXTERNAL, &wire_ops);
}

static void begin(void)
{
	begin_in(VSWITCH_BANDWIDTH_DEFAULT, 0);
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	for (unsigned i = 0; i < GUESTS; i++)
		test_nic_unplug(&guests[i].nic);
	test_nic_unplug(&wire.nic);
	vswitch_destroy(sw);
}

static int set(unsigned guest, const struct vswitch_port_bandwidth *setting)
{
	return vswitch_port_set_bandwidth(guests[guest].nic.port, setting, &why);
}

static struct vswitch_port_bandwidth_status status_of(unsigned guest)
{
	struct vswitch_port_bandwidth_status s;

	vswitch_port_bandwidth_status(guests[guest].nic.port, &s);
	return s;
}

/* One batch to a station outside, whose address was learned. */
static void send(struct sender *g)
{
	static struct test_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	unsigned n = g->batch ? g->batch : BATCH;
	uint8_t outside[6];

	test_mac(77, outside);
	for (unsigned i = 0; i < n; i++) {
		test_frame_plain(&frames[i], outside, g->nic.nic.mac, g->frame_bytes);
		batch[i] = &frames[i].f;
		g->sent_bytes += g->frame_bytes;
	}
	g->paused = vswitch_port_input(g->nic.port, batch, n) && !g->deaf;
}

static void station_outside(void)
{
	static struct test_frame f;
	uint8_t from[6];

	test_mac(77, from);
	test_frame_plain(&f, guests[0].nic.nic.mac, from, 60);
	test_send(&wire.nic, &f);
}

/* Guests that may send do, each some batches in turn; then it is later. */
static void run(uint64_t duration_ns)
{
	for (uint64_t end_ns = now_ns + duration_ns; now_ns < end_ns;) {
		for (unsigned round = 0; round < 4; round++)
			for (unsigned i = 0; i < GUESTS; i++)
				if (guests[i].greedy && !guests[i].paused)
					send(&guests[i]);
		now_ns += STEP_NS;
		vswitch_tick(sw, now_ns);
		drain(&wire);
	}
}

static void start_counting(void)
{
	memset(wire.from, 0, sizeof(wire.from));
	for (unsigned i = 0; i < GUESTS; i++)
		guests[i].sent_bytes = 0;
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

static bool near(double is, double should, double off)
{
	bool ok = is > should * (1 - off) && is < should * (1 + off);

	if (!ok)
		fprintf(stderr, "%g instead of %g\n", is, should);
	return ok;
}

/* ---- maximum ---- */

static void keeps_the_limit_without_a_loss(void)
{
	static const uint64_t limits[] = { 1000000, 10000000, 1000000000, 20000000000 };
	struct vswitch_port_bandwidth b = { 0 };
	uint64_t bits;

	for (unsigned i = 0; i < 4; i++) {
		begin();
		station_outside();
		b.limit_bits = limits[i];
		b.burst_bytes = 0;
		CU_ASSERT_EQUAL(set(0, &b), 0);
		guests[0].greedy = true;
		guests[0].frame_bytes = 1200;
		guests[0].batch = limits[i] > S ? 32 : BATCH;
		run(S / 4);			/* the burst is over */
		start_counting();
		run(limits[i] > 100000000 ? S / 10 : S);
		bits = wire.from[0] * (limits[i] > 100000000 ? 80 : 8);
		CU_ASSERT(near((double)bits, (double)limits[i], 0.05));
		CU_ASSERT_EQUAL(test_in_dropped(&guests[0].nic, VSWITCH_DROP_RATE_LIMIT), 0);
		CU_ASSERT(status_of(0).limit_pauses > 0);
		end();
	}
}

static void keeps_the_limit_of_who_does_not_pause(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 100000000 };

	begin();
	station_outside();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	guests[0].greedy = guests[0].deaf = true;
	run(S / 4);
	start_counting();
	run(S);
	CU_ASSERT(near((double)wire.from[0] * 8, 100e6, 0.05));
	CU_ASSERT(test_in_dropped(&guests[0].nic, VSWITCH_DROP_RATE_LIMIT) > 1000);
	end();
}

static void a_burst_is_as_large_as_it_says(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 8000000, .burst_bytes = 300000 };

	begin();
	station_outside();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	guests[0].frame_bytes = 1000;
	guests[0].batch = 1;
	guests[0].greedy = true;
	while (!guests[0].paused && guests[0].sent_bytes < 10000000)
		send(&guests[0]);
	CU_ASSERT(near((double)guests[0].sent_bytes, 300000, 0.01));
	CU_ASSERT_TRUE(status_of(0).paused);
	/* 1 byte per µs: after 50 ms 50 000 bytes, if nothing was sent meanwhile. */
	guests[0].greedy = false;
	run(50000000);
	CU_ASSERT_FALSE(guests[0].paused);
	start_counting();
	while (!guests[0].paused && guests[0].sent_bytes < 10000000)
		send(&guests[0]);
	CU_ASSERT(near((double)guests[0].sent_bytes, 50000, 0.05));
	/* However long it rests, it has no more than the burst. */
	run(2 * S);
	start_counting();
	while (!guests[0].paused && guests[0].sent_bytes < 10000000)
		send(&guests[0]);
	CU_ASSERT(near((double)guests[0].sent_bytes, 300000, 0.01));
	end();
}

static void a_burst_has_its_own_limit(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 80000000, .burst_limit_bits = 800000000, .burst_bytes = 10000000 };

	begin();
	station_outside();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	guests[0].greedy = true;
	run(S / 20);			/* 50 ms of 800 Mbit/s: 5 MB, half of the burst */
	CU_ASSERT(near((double)wire.from[0], 5000000, 0.05));
	run(S);
	start_counting();
	run(S);
	CU_ASSERT(near((double)wire.from[0] * 8, 80e6, 0.05));
	end();
}

static void a_limit_holds_towards_all_and_only_outward(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 1000000 };
	static struct test_frame f;

	begin();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	guests[0].deaf = true;
	test_frame_plain(&f, guests[1].nic.nic.mac, guests[0].nic.nic.mac, 60000);
	for (unsigned i = 0; i < 100; i++) {
		test_frame_set(&f, 60000);
		test_send(&guests[0].nic, &f);
	}
	CU_ASSERT(test_in_dropped(&guests[0].nic, VSWITCH_DROP_RATE_LIMIT) > 90);
	test_nic_clear(&guests[0].nic);
	test_frame_plain(&f, guests[0].nic.nic.mac, guests[1].nic.nic.mac, 60000);
	for (unsigned i = 0; i < 100; i++) {
		test_frame_set(&f, 60000);
		CU_ASSERT_FALSE(test_send(&guests[1].nic, &f));
	}
	CU_ASSERT_EQUAL(guests[0].nic.num_got, 100);
	end();
}

static void another_limit_is_in_force_at_once(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 8000 };	/* 1500 bytes are 1.5 s */

	begin();
	station_outside();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	guests[0].greedy = true;
	run(S);
	CU_ASSERT_TRUE(guests[0].paused);
	b.limit_bits = 0;
	CU_ASSERT_EQUAL(set(0, &b), 0);
	CU_ASSERT_FALSE(guests[0].paused);	/* nobody else would tell it */
	start_counting();
	run(STEP_NS);
	CU_ASSERT_EQUAL(wire.from[0], 4 * BATCH * 1500);
	end();
}

/* A sender that waits for two things goes on when both are over. */
static void limit_and_congestion_wait_for_each_other(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 8000000, .burst_bytes = 1 };
	static struct test_frame f;

	begin();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	test_frame_plain(&f, guests[1].nic.nic.mac, guests[0].nic.nic.mac, 1000);
	vswitch_port_set_congested(guests[1].nic.port, true);
	guests[0].paused = test_send(&guests[0].nic, &f);	/* 1 ms by the limit */
	CU_ASSERT_TRUE(guests[0].paused);
	vswitch_tick(sw, T0 + 2000000);
	CU_ASSERT_TRUE(guests[0].paused);
	vswitch_port_set_congested(guests[1].nic.port, false);
	CU_ASSERT_FALSE(guests[0].paused);
	/* The other way round. */
	test_frame_set(&f, 1000);
	vswitch_port_set_congested(guests[1].nic.port, true);
	guests[0].paused = test_send(&guests[0].nic, &f);
	vswitch_port_set_congested(guests[1].nic.port, false);
	CU_ASSERT_TRUE(guests[0].paused);
	vswitch_tick(sw, T0 + 4000000);
	CU_ASSERT_FALSE(guests[0].paused);
	/* Who leaves is not called. */
	test_frame_set(&f, 1000);
	guests[0].paused = test_send(&guests[0].nic, &f);
	CU_ASSERT_TRUE(guests[0].paused);
	vswitch_port_disconnect(guests[0].nic.port);
	vswitch_tick(sw, T0 + S);
	CU_ASSERT_TRUE(guests[0].paused);
	end();
}

static void limits_end_in_real_time(void)
{
	struct vswitch_config config = { .name = "real" };
	struct vswitch_port_bandwidth b = { .limit_bits = 8000000, .burst_bytes = 1 };
	static struct test_frame f;
	struct hv_loop *loop;

	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	for (unsigned i = 0; i < 2; i++) {
		guests[i] = (struct sender){ .frame_bytes = 1500 };
		plug(sw, &guests[i].nic, i + 1, VSWITCH_NIC_SYNTHETIC, &sender_ops);
	}
	CU_ASSERT_EQUAL(set(0, &b), 0);
	test_frame_plain(&f, guests[1].nic.nic.mac, guests[0].nic.nic.mac, 1000);
	guests[0].paused = test_send(&guests[0].nic, &f);
	CU_ASSERT_TRUE(guests[0].paused);
	for (unsigned i = 0; i < 1000 && guests[0].paused; i++)
		hv_loop_run_once(loop, 5000000);
	CU_ASSERT_FALSE(guests[0].paused);
	test_frame_set(&f, 1000);
	CU_ASSERT_TRUE(test_send(&guests[0].nic, &f));
	test_nic_unplug(&guests[0].nic);	/* takes its timer along */
	test_nic_unplug(&guests[1].nic);
	vswitch_destroy(sw);
	hv_loop_run_once(loop, 2000000);
	hv_loop_destroy(loop);
}

/* ---- minimum ---- */

static void contend(uint64_t bits)
{
	wire.bits = bits;
	wire.drained_to_ns = now_ns;
	station_outside();
	for (unsigned i = 0; i < GUESTS; i++)
		guests[i].greedy = true;
	run(S / 20);
	start_counting();
}

static uint64_t total(void)
{
	return wire.from[0] + wire.from[1] + wire.from[2] + wire.from[3];
}

static void weights_share_the_uplink(void)
{
	static const uint32_t weights[GUESTS] = { 10, 20, 30, 40 };

	for (uint64_t bits = 100000000; bits <= 10000000000; bits *= 10) {
		begin();
		for (unsigned i = 0; i < GUESTS; i++)
			CU_ASSERT_EQUAL(set(i, &(struct vswitch_port_bandwidth){ .weight = weights[i] }), 0);
		contend(bits);
		run(S / 2);
		CU_ASSERT(near((double)total() * 16, (double)bits, 0.05));	/* nothing is left unused */
		for (unsigned i = 0; i < GUESTS; i++)
			CU_ASSERT(near(ratio(wire.from[i], total()), weights[i] / 100., 0.10));
		CU_ASSERT_EQUAL(test_out_dropped(&wire.nic, VSWITCH_DROP_UPLINK_FULL), 0);
		end();
	}
}

static void frames_of_any_size_count_by_bytes(void)
{
	static const uint32_t sizes[GUESTS] = { 64, 1500, 9000, 300 };

	begin();
	for (unsigned i = 0; i < GUESTS; i++) {
		CU_ASSERT_EQUAL(set(i, &(struct vswitch_port_bandwidth){ .weight = 25 }), 0);
		guests[i].frame_bytes = sizes[i];
	}
	contend(1000000000);
	run(S / 2);
	for (unsigned i = 0; i < GUESTS; i++)
		CU_ASSERT(near(ratio(wire.from[i], total()), 0.25, 0.10));
	end();
}

static void what_one_does_not_use_the_others_get(void)
{
	begin();
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 80 }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .weight = 10 }), 0);
	CU_ASSERT_EQUAL(set(2, &(struct vswitch_port_bandwidth){ .weight = 5 }), 0);
	contend(1000000000);
	guests[0].greedy = guests[3].greedy = false;
	start_counting();
	run(S / 2);
	CU_ASSERT(near((double)total() * 16, 1e9, 0.05));
	CU_ASSERT(near(ratio(wire.from[1], wire.from[2]), 2, 0.10));
	/* Who comes back has no claim for the time when it sent nothing. */
	guests[0].greedy = true;
	start_counting();
	run(S / 10);
	CU_ASSERT(near(ratio(wire.from[0], wire.from[1]), 8, 0.20));
	end();
}

/* What somebody sent while nobody else wanted to is not held against it. */
static void only_contention_counts(void)
{
	begin();
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 50 }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .weight = 50 }), 0);
	station_outside();
	guests[0].greedy = true;
	run(S / 10);
	CU_ASSERT(wire.from[0] > 100000000);
	wire.bits = 1000000000;
	wire.drained_to_ns = now_ns;
	guests[1].greedy = true;
	run(S / 50);
	start_counting();
	run(S / 10);
	CU_ASSERT(near(ratio(wire.from[0], total()), 0.5, 0.10));
	end();
}

/* One that sends little, but regularly, gets that through at once; the greedy one gets the rest. */
static void a_modest_sender_costs_nothing(void)
{
	unsigned owed = 0, most = 0;

	begin();
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 90 }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .weight = 10 }), 0);
	contend(1000000000);
	guests[0].greedy = guests[2].greedy = guests[3].greedy = false;
	guests[0].batch = 2;
	start_counting();
	for (unsigned step = 0; step < S / STEP_NS; step++) {
		owed += step % 12 == 0;			/* 3000 bytes each 240 µs: 100 Mbit/s */
		most = owed > most ? owed : most;
		for (; owed && !guests[0].paused; owed--)
			send(&guests[0]);
		run(STEP_NS);
	}
	CU_ASSERT(near((double)wire.from[0] * 8, 100e6, 0.05));
	CU_ASSERT(near((double)total() * 8, 1e9, 0.05));
	CU_ASSERT(most < 10);				/* 64 KiB of the wire's queue are 0.5 ms */
	end();
}

static void ports_without_a_setting_share_one_weight(void)
{
	begin();
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 30 }), 0);
	contend(1000000000);
	run(S / 2);
	CU_ASSERT(near(ratio(wire.from[0], total()), 0.75, 0.10));		/* 30 against 10 of the default flow */
	for (unsigned i = 1; i < GUESTS; i++)
		CU_ASSERT(near(ratio(wire.from[i], total()), 0.25 / 3, 0.10));
	end();
}

static void reservations_share_it_in_proportion(void)
{
	begin_in(VSWITCH_BANDWIDTH_ABSOLUTE, 1000000000);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 600000000 }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .reservation_bits = 300000000 }), 0);
	contend(1000000000);
	run(S / 2);
	CU_ASSERT(near((double)wire.from[0] * 16, 600e6, 0.10));
	CU_ASSERT(near((double)wire.from[1] * 16, 300e6, 0.10));
	CU_ASSERT(near((double)(wire.from[2] + wire.from[3]) * 16, 100e6, 0.10));
	end();
}

static void without_a_minimum_all_go_on_together(void)
{
	begin_in(VSWITCH_BANDWIDTH_NONE, 0);
	contend(1000000000);
	vswitch_port_set_congested(wire.nic.port, true);
	for (unsigned i = 0; i < GUESTS; i++)
		send(&guests[i]);
	CU_ASSERT(guests[0].paused && guests[1].paused && guests[2].paused && guests[3].paused);
	vswitch_port_set_congested(wire.nic.port, false);
	CU_ASSERT_FALSE(guests[0].paused || guests[1].paused || guests[2].paused || guests[3].paused);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 1 }), -EINVAL);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 800 }), -EINVAL);
	CU_ASSERT_EQUAL(status_of(0).share_percent, 0);
	end();
}

static void nobody_waits_for_ever(void)
{
	begin();
	station_outside();
	vswitch_port_set_congested(wire.nic.port, true);
	for (unsigned i = 0; i < GUESTS; i++)
		send(&guests[i]);
	vswitch_port_set_congested(wire.nic.port, false);
	/* One goes on, and turns out to have nothing; the others follow. */
	for (unsigned i = 0; i < GUESTS; i++)
		vswitch_tick(sw, now_ns += 100000);
	CU_ASSERT_FALSE(guests[0].paused || guests[1].paused || guests[2].paused || guests[3].paused);
	/* An uplink that takes nothing for longer than the bound holds up nobody. */
	vswitch_port_set_congested(wire.nic.port, true);
	for (unsigned i = 0; i < GUESTS; i++)
		send(&guests[i]);
	vswitch_tick(sw, now_ns += 10000000);
	CU_ASSERT_FALSE(guests[0].paused || guests[1].paused || guests[2].paused || guests[3].paused);
	/* Nor does one that leaves. */
	vswitch_port_set_congested(wire.nic.port, false);
	vswitch_port_set_congested(wire.nic.port, true);
	for (unsigned i = 0; i < GUESTS; i++)
		send(&guests[i]);
	CU_ASSERT_TRUE(guests[0].paused);
	vswitch_port_disconnect(guests[1].nic.port);
	vswitch_port_disconnect(wire.nic.port);
	CU_ASSERT_FALSE(guests[0].paused || guests[2].paused || guests[3].paused);
	CU_ASSERT_TRUE(guests[1].paused);
	end();
}

/* ---- settings ---- */

static void says_what_is_wrong(void)
{
	static const struct {
		enum vswitch_bandwidth_mode mode;
		struct vswitch_port_bandwidth b;
		const char *field;
	} rows[] = {
		{ VSWITCH_BANDWIDTH_WEIGHT, { .limit_bits = 7 }, "limit_bits" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .limit_bits = 1000000000001 }, "limit_bits" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .burst_limit_bits = 8 }, "burst_limit_bits" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .limit_bits = 16, .burst_limit_bits = 8 }, "burst_limit_bits" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .limit_bits = 16, .burst_limit_bits = 1000000000001 }, "burst_limit_bits" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .burst_bytes = 8 }, "burst_bytes" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .limit_bits = 16, .burst_bytes = (1u << 30) + 1 }, "burst_bytes" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .weight = 101 }, "weight" },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .reservation_bits = 1000 }, "reservation_bits" },
		{ VSWITCH_BANDWIDTH_ABSOLUTE, { .weight = 1 }, "weight" },
		{ VSWITCH_BANDWIDTH_ABSOLUTE, { .reservation_bits = 7 }, "reservation_bits" },
		{ VSWITCH_BANDWIDTH_ABSOLUTE, { .reservation_bits = 1000 }, NULL },
		{ VSWITCH_BANDWIDTH_WEIGHT, { .weight = 100, .limit_bits = 1000000000000, .burst_bytes = 1u << 30 }, NULL },
		{ VSWITCH_BANDWIDTH_WEIGHT, { 0 }, NULL },
	};
	struct vswitch_port_bandwidth got;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_in(rows[i].mode, 0);
		why.field = NULL;
		CU_ASSERT_EQUAL(set(0, &rows[i].b), rows[i].field ? -EINVAL : 0);
		CU_ASSERT(rows[i].field ? why.field && !strcmp(why.field, rows[i].field) : !why.field);
		vswitch_port_bandwidth(guests[0].nic.port, &got);
		CU_ASSERT_EQUAL(got.limit_bits, rows[i].field ? 0 : rows[i].b.limit_bits);
		CU_ASSERT_EQUAL(got.weight, rows[i].field ? 0 : rows[i].b.weight);
		CU_ASSERT_EQUAL(got.reservation_bits, rows[i].field ? 0 : rows[i].b.reservation_bits);
		end();
	}
}

static void rates_are_multiples_of_8(void)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 1001, .burst_limit_bits = 2047 };

	begin();
	CU_ASSERT_EQUAL(set(0, &b), 0);
	vswitch_port_bandwidth(guests[0].nic.port, &b);
	CU_ASSERT(b.limit_bits == 1000 && b.burst_limit_bits == 2040);
	vswitch_port_bandwidth(guests[1].nic.port, &b);
	CU_ASSERT(!b.limit_bits && !b.weight);
	end();
}

static void no_more_is_reserved_than_there_is(void)
{
	struct vswitch_bandwidth s = { .mode = VSWITCH_BANDWIDTH_ABSOLUTE };
	struct vswitch_bandwidth_status st;

	begin_in(VSWITCH_BANDWIDTH_ABSOLUTE, 1000000000);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 800000000 }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .reservation_bits = 100000008 }), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "100000000 bit/s are left of the uplink's 1000000000");
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .reservation_bits = 100000000 }), 0);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 800000008 }), -ENOSPC);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.reserved_bits == 1000000000 && st.reserved_percent == 100 && !st.overcommitted);
	CU_ASSERT_EQUAL(status_of(0).share_percent, 80);
	CU_ASSERT_EQUAL(status_of(0).share_bits, 800000000);
	CU_ASSERT_EQUAL(status_of(3).share_percent, 10);
	/* What a port had is free when the port is gone, or sets less. */
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 500000000 }), 0);
	CU_ASSERT_EQUAL(set(2, &(struct vswitch_port_bandwidth){ .reservation_bits = 300000000 }), 0);
	test_nic_unplug(&guests[2].nic);
	plug(sw, &guests[2].nic, 3, VSWITCH_NIC_SYNTHETIC, &sender_ops);
	CU_ASSERT_EQUAL(set(3, &(struct vswitch_port_bandwidth){ .reservation_bits = 300000000 }), 0);
	/* The default flow's part is one of the sum. */
	s.capacity_bits = 1000000000;
	s.default_reservation_bits = 200000000;
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), -ENOSPC);
	s.default_reservation_bits = 50000000;
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	/* A slower link cannot be refused. */
	s.capacity_bits = 100000000;
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.overcommitted && st.reserved_percent == 950);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .reservation_bits = 400000000 }), 0);	/* less is fine */
	end();
}

static void told(void *opaque)
{
	struct vswitch_bandwidth_status st;

	CU_ASSERT_PTR_EQUAL(opaque, &wire);
	vswitch_bandwidth_status(sw, &st);
	told_bits = st.capacity_bits;
}

/* What an uplink says of itself, until an administrator knows better. */
static void the_uplinks_say_what_there_is(void)
{
	static const struct vswitch_event_ops ops = { .capacity = told };
	const struct vswitch_port_bandwidth more = { .reservation_bits = 600000000 }, much = { .reservation_bits = 900000008 },
					    all = { .reservation_bits = 900000000 };
	struct vswitch_bandwidth s = { .mode = VSWITCH_BANDWIDTH_ABSOLUTE };
	struct vswitch_bandwidth_status st;

	begin_in(VSWITCH_BANDWIDTH_ABSOLUTE, 0);
	vswitch_set_events(sw, &ops, &wire);
	told_bits = 1;
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(!st.capacity_bits && !st.overcommitted);
	CU_ASSERT_EQUAL(vswitch_bandwidth_check(sw, &much, &why), 0);	/* not known: nothing is too much */
	vswitch_port_set_capacity(wire.nic.port, 1000000000);
	CU_ASSERT_EQUAL(told_bits, 1000000000);
	CU_ASSERT_EQUAL(vswitch_bandwidth_check(sw, &much, &why), -ENOSPC);
	CU_ASSERT_EQUAL(set(0, &much), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "900000000 bit/s are left of the uplink's 1000000000");
	CU_ASSERT_EQUAL(set(0, &more), 0);
	CU_ASSERT_EQUAL(status_of(0).share_bits, 857142857);	/* 600 of 700, in proportion */
	/* A second uplink adds to it, and goes again; one that does not know adds nothing. */
	vswitch_port_set_capacity(guests[3].nic.port, 500000000);
	CU_ASSERT_EQUAL(told_bits, 1500000000);
	CU_ASSERT_EQUAL(set(1, &more), 0);
	test_nic_unplug(&guests[3].nic);
	CU_ASSERT_EQUAL(told_bits, 1000000000);
	plug(sw, &guests[3].nic, 4, VSWITCH_NIC_SYNTHETIC, &sender_ops);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.capacity_bits == 1000000000 && st.reserved_bits == 1300000000 && st.reserved_percent == 130 && st.overcommitted);
	/* Who has something keeps it, or has less; nobody gets more unless told to. */
	CU_ASSERT_EQUAL(set(1, &more), 0);
	CU_ASSERT_EQUAL(set(2, &(struct vswitch_port_bandwidth){ .reservation_bits = 8 }), -ENOSPC);
	CU_ASSERT_EQUAL(set(2, &(struct vswitch_port_bandwidth){ .reservation_bits = 8, .overcommit = true }), 0);
	CU_ASSERT_EQUAL(set(1, &(struct vswitch_port_bandwidth){ .reservation_bits = 0 }), 0);
	CU_ASSERT_EQUAL(set(2, &(struct vswitch_port_bandwidth){ .reservation_bits = 0 }), 0);
	/* An administrator's word counts instead; without it, the uplink's again. */
	s.capacity_bits = 2000000000;
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	CU_ASSERT_EQUAL(set(1, &all), 0);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.capacity_bits == 2000000000 && st.uplink_bits == 1000000000 && st.reserved_percent == 85 && !st.overcommitted);
	s.capacity_bits = 0;
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.capacity_bits == 1000000000 && st.overcommitted);
	vswitch_port_set_capacity(wire.nic.port, 0);
	CU_ASSERT_EQUAL(told_bits, 0);
	vswitch_set_events(sw, NULL, NULL);
	end();
}

static void the_mode_is_fixed_with_the_first_port(void)
{
	struct vswitch_bandwidth s = { .mode = VSWITCH_BANDWIDTH_ABSOLUTE };
	struct vswitch_bandwidth_status st;

	begin();
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), -EBUSY);
	CU_ASSERT_STRING_EQUAL(why.field, "mode");
	s = (struct vswitch_bandwidth){ .default_weight = 20 };
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	CU_ASSERT_EQUAL(set(0, &(struct vswitch_port_bandwidth){ .weight = 60 }), 0);
	CU_ASSERT_EQUAL(status_of(0).share_percent, 75);
	CU_ASSERT_EQUAL(status_of(1).share_percent, 25);
	vswitch_bandwidth(sw, &s);
	CU_ASSERT(s.mode == VSWITCH_BANDWIDTH_WEIGHT && s.default_weight == 20);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT(st.weights == 80 && st.reserved_percent == 100 && !st.reserved_bits);
	s = (struct vswitch_bandwidth){ .default_weight = 101 };
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), -EINVAL);
	s = (struct vswitch_bandwidth){ .default_reservation_bits = 1000 };
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), -EINVAL);
	s = (struct vswitch_bandwidth){ .mode = 4 };
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), -EINVAL);
	s = (struct vswitch_bandwidth){ 0 };
	CU_ASSERT_EQUAL(vswitch_set_bandwidth(sw, &s, &why), 0);
	vswitch_bandwidth(sw, &s);
	CU_ASSERT_EQUAL(s.default_weight, 10);
	end();
}

static const struct hv_test tests[] = {
	{ "keeps the limit without a loss", keeps_the_limit_without_a_loss },
	{ "keeps the limit of who does not pause", keeps_the_limit_of_who_does_not_pause },
	{ "a burst is as large as it says", a_burst_is_as_large_as_it_says },
	{ "a burst has its own limit", a_burst_has_its_own_limit },
	{ "a limit holds towards all, and only outward", a_limit_holds_towards_all_and_only_outward },
	{ "another limit is in force at once", another_limit_is_in_force_at_once },
	{ "limit and congestion wait for each other", limit_and_congestion_wait_for_each_other },
	{ "limits end in real time", limits_end_in_real_time },
	{ "weights share the uplink", weights_share_the_uplink },
	{ "frames of any size count by bytes", frames_of_any_size_count_by_bytes },
	{ "what one does not use the others get", what_one_does_not_use_the_others_get },
	{ "only contention counts", only_contention_counts },
	{ "a modest sender costs nothing", a_modest_sender_costs_nothing },
	{ "ports without a setting share one weight", ports_without_a_setting_share_one_weight },
	{ "reservations share it in proportion", reservations_share_it_in_proportion },
	{ "without a minimum all go on together", without_a_minimum_all_go_on_together },
	{ "nobody waits for ever", nobody_waits_for_ever },
	{ "says what is wrong", says_what_is_wrong },
	{ "rates are multiples of 8", rates_are_multiples_of_8 },
	{ "no more is reserved than there is", no_more_is_reserved_than_there_is },
	{ "the uplinks say what there is", the_uplinks_say_what_there_is },
	{ "the mode is fixed with the first port", the_mode_is_fixed_with_the_first_port },
};

HV_TEST_MAIN("vswitch/bandwidth", tests)
