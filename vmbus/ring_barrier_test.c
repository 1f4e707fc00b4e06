/* SPDX-License-Identifier: MIT */
/*
 * The four store→load barriers of ring.c, tested on the processor: ring.c is compiled five times, as it is and
 * without each barrier, and two threads run the racing halves of a handshake against each other until a wake-up
 * is lost: both would sleep. The complete one must never lose one in as many rounds as the others had at most;
 * each incomplete one must lose one within LIMIT_S seconds, or the barrier is not tested.
 *
 * The window is made wide: before its half each thread stores to cache lines that the other one has just had, so
 * the store that matters waits behind them in the store buffer while the load that matters runs.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/test.h"
#include "vmbus/ring_impl.h"
#include "vmbus/test_ring.h"

struct variant {
	bool (*publish)(struct vmbus_ring_out *r);
	bool (*unmask)(struct vmbus_ring_in *r);
	bool (*wait_for_space)(struct vmbus_ring_out *r, uint32_t need);
	bool (*release)(struct vmbus_ring_in *r);
};

/* The copies have no prototypes but the table above. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define RING_VARIANT complete
#include "vmbus/ring_variant.h"

#define VMBUS_NO_FENCE_PUBLISH
#define RING_VARIANT without_publish
#include "vmbus/ring_variant.h"
#undef VMBUS_NO_FENCE_PUBLISH

#define VMBUS_NO_FENCE_UNMASK
#define RING_VARIANT without_unmask
#include "vmbus/ring_variant.h"
#undef VMBUS_NO_FENCE_UNMASK

#define VMBUS_NO_FENCE_WAIT_SPACE
#define RING_VARIANT without_wait_space
#include "vmbus/ring_variant.h"
#undef VMBUS_NO_FENCE_WAIT_SPACE

#define VMBUS_NO_FENCE_RELEASE
#define RING_VARIANT without_release
#include "vmbus/ring_variant.h"
#undef VMBUS_NO_FENCE_RELEASE

enum {
	PAGES = 2,
	SIZE = VMBUS_PAGE_BYTES,
	LIMIT_S = 20,			/* for an incomplete ring to fail; milliseconds are usual */
	COMPLETE_S = 2,			/* for the complete one not to */
	FILL_LINES = 12,		/* less than a store buffer's entries, so that it never blocks */
};

/* Both halves of a round, and the place where the threads meet before it. */
struct race {
	const struct variant *v;
	bool space;			/* wait_for_space against release; otherwise publish against unmask */
	struct vmbus_ring_ctl *ctl;
	struct vmbus_ring_out out;
	struct vmbus_ring_in in;
	bool producer_signals, consumer_sleeps;		/* publish | unmask */
	bool producer_sleeps, consumer_signals;		/* wait_for_space | release */
	_Alignas(64) uint32_t filler[FILL_LINES * 16];
	_Alignas(64) uint32_t begun;	/* rounds that the main thread has prepared; UINT32_MAX: end */
	_Alignas(64) uint32_t there;	/* rounds that the second thread has come to */
	_Alignas(64) uint32_t done;	/* rounds that the second thread has finished */
};

static void spin_until(const uint32_t *word, uint32_t value)
{
	for (unsigned n = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; n++)
		if (n > 2000) {		/* the other one may not be running */
			sched_yield();
			n = 0;
		}
}

static void fill_store_buffer(struct race *r)
{
	for (unsigned i = 0; i < FILL_LINES; i++)
		__atomic_store_n(&r->filler[i * 16], i, __ATOMIC_RELAXED);
}

/*
 * Starting together matters to some tens of cycles, and how long the news that a round has begun travels is the
 * machine's: each round delays both threads by other amounts, of 0 to some hundred cycles.
 */
static void stagger(uint32_t round, uint32_t salt)
{
	uint32_t hash = (round ^ salt) * 2654435761u;

	for (volatile uint32_t n = (hash >> 16) & ((1u << (hash >> 8) % 8) - 1); n; n--)
		;
}

static void producer_half(struct race *r)
{
	fill_store_buffer(r);
	if (r->space)
		r->producer_sleeps = !r->v->wait_for_space(&r->out, 1024);
	else
		r->producer_signals = r->v->publish(&r->out);
}

static void consumer_half(struct race *r)
{
	fill_store_buffer(r);
	if (r->space)
		r->consumer_signals = r->v->release(&r->in);
	else
		r->consumer_sleeps = r->v->unmask(&r->in);
}

/* The n-th processor that we may run on: on one and the same the threads would take turns, not race. */
static void run_on(int nth)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof(may), &may))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && nth-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
			return;
		}
}

static void *second_thread(void *arg)
{
	struct race *r = arg;

	run_on(1);
	for (uint32_t round = 1;; round++) {
		uint32_t begun;

		for (unsigned n = 0; (begun = __atomic_load_n(&r->begun, __ATOMIC_ACQUIRE)) < round; n++)
			if (n > 2000) {
				sched_yield();
				n = 0;
			}
		if (begun == UINT32_MAX)
			return NULL;
		__atomic_store_n(&r->there, round, __ATOMIC_RELEASE);
		stagger(round, 0x5bd1e995);
		consumer_half(r);
		__atomic_store_n(&r->done, round, __ATOMIC_RELEASE);
	}
}

/* publish | unmask: one packet is committed, the consumer has emptied the ring and is about to sleep. */
static void prepare_data(struct race *r)
{
	static const uint8_t payload[40];
	_Alignas(8) static uint8_t buf[SIZE];
	struct vmbus_packet pkt;

	if (r->out.write != r->in.read && complete.publish(&r->out))
		abort();		/* published by the last round */
	while (complete_next(&r->in, buf, sizeof(buf), &pkt) == 1)
		;
	if (complete.release(&r->in) || complete_write(&r->out, VMBUS_PKT_DATA_INBAND, false, 0, payload, sizeof(payload)))
		abort();
	ring_store(&r->ctl->interrupt_mask, 1);
}

/* wait_for_space | release: the ring is full, one packet has been taken and is about to be released. */
static void prepare_space(struct race *r)
{
	static const uint8_t payload[1024 - 24];
	_Alignas(8) static uint8_t buf[SIZE];
	struct vmbus_packet pkt;

	ring_store(&r->ctl->pending_send_bytes, 0);
	while (complete_write(&r->out, VMBUS_PKT_DATA_INBAND, false, 0, payload, sizeof(payload)) == 0)
		;
	if (complete.publish(&r->out) && r->ctl->interrupt_mask)
		abort();
	if (complete_next(&r->in, buf, sizeof(buf), &pkt) != 1)
		abort();
}

static bool lost(const struct race *r)
{
	return r->space ? r->producer_sleeps && !r->consumer_signals : r->consumer_sleeps && !r->producer_signals;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs rounds until a wake-up is lost or the time is over; the number of rounds, negative if one was lost. */
static long race(const struct variant *v, bool space, double limit_s)
{
	static struct race r;
	double until = seconds() + limit_s;
	pthread_t thread;
	uint32_t round;
	bool failed = false;
	cpu_set_t may;

	memset(&r, 0, sizeof(r));
	r.v = v;
	r.space = space;
	r.ctl = test_ring_map(PAGES);
	if (complete_out_init(&r.out, r.ctl, PAGES) || complete_in_init(&r.in, r.ctl, PAGES) ||
	    sched_getaffinity(0, sizeof(may), &may) || pthread_create(&thread, NULL, second_thread, &r))
		abort();
	run_on(0);
	for (round = 1; !failed && (round % 256 || seconds() < until); round++) {
		if (space)
			prepare_space(&r);
		else
			prepare_data(&r);
		/* Both have the control words' line now, shared: whose store comes first is open. */
		__atomic_store_n(&r.begun, round, __ATOMIC_RELEASE);
		spin_until(&r.there, round);
		stagger(round, 0x1b873593);
		producer_half(&r);
		spin_until(&r.done, round);
		failed = lost(&r);
	}
	__atomic_store_n(&r.begun, UINT32_MAX, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	pthread_setaffinity_np(pthread_self(), sizeof(may), &may);
	test_ring_unmap(r.ctl, PAGES);
	return failed ? -(long)round : (long)round;
}

static bool one_processor(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) >= 2)
		return false;
	hv_test_skip("store buffers need two processors, this machine has one");
	return true;
}

/* The thread sanitizer's atomics are calls that lock: they order more than the processor does. */
static bool atomics_are_calls(void)
{
#if defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	return false;
}

static void expect_lost(const struct variant *v, bool space)
{
	long rounds;

	if (one_processor())
		return;
	if (atomics_are_calls()) {
		hv_test_skip("not with the thread sanitizer, whose atomics are barriers themselves");
		return;
	}
	rounds = race(v, space, LIMIT_S);
	printf("%s after %ld rounds ", rounds < 0 ? "lost" : "NOT lost", rounds < 0 ? -rounds : rounds);
	CU_ASSERT_TRUE(rounds < 0);
}

static void complete_loses_no_data_signal(void)
{
	if (!one_processor())
		CU_ASSERT_TRUE(race(&complete, false, COMPLETE_S) > 0);
}

static void complete_loses_no_space_signal(void)
{
	if (!one_processor())
		CU_ASSERT_TRUE(race(&complete, true, COMPLETE_S) > 0);
}

static void publish_needs_its_barrier(void)
{
	expect_lost(&without_publish, false);
}

static void unmask_needs_its_barrier(void)
{
	expect_lost(&without_unmask, false);
}

static void wait_space_needs_its_barrier(void)
{
	expect_lost(&without_wait_space, true);
}

static void release_needs_its_barrier(void)
{
	expect_lost(&without_release, true);
}

static const struct hv_test tests[] = {
	{ "without the publisher's barrier a wake-up is lost", publish_needs_its_barrier },
	{ "without the unmasking consumer's barrier a wake-up is lost", unmask_needs_its_barrier },
	{ "without the waiting producer's barrier a wake-up is lost", wait_space_needs_its_barrier },
	{ "without the releasing consumer's barrier a wake-up is lost", release_needs_its_barrier },
	{ "with all barriers no wake-up for data is lost", complete_loses_no_data_signal },
	{ "with all barriers no wake-up for space is lost", complete_loses_no_space_signal },
};

HV_TEST_MAIN("vmbus/ring-barriers", tests)
