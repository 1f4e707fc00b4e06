/* SPDX-License-Identifier: MIT */
/*
 * The ring between a capture and its reader: room, order, wake-ups, readers that lie.
 */
#include <pthread.h>
#include <sched.h>

#include "vswitch/test_capture.h"

static void full_ring(void)
{
	const unsigned total = 2000;
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	unsigned before, after = 0;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned i = 0; i < total; i++)
		send_plain(A, 1, 2, 1514);
	vswitch_capture_stats(t.capture, &st);
	before = (unsigned)st.captured;
	CU_ASSERT(st.captured > VSWITCH_CAPTURE_RING_MIN / 1600 && st.captured < VSWITCH_CAPTURE_RING_MIN / 1514);
	CU_ASSERT_EQUAL(st.captured + st.dropped, total);
	CU_ASSERT_EQUAL(nics[B].num_got, total);
	tap_drain(&t);
	for (; after < 10; after++)
		send_plain(A, 1, 2, 100);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, before + after);
	CU_ASSERT_EQUAL(shown->packets[before - 1].dropped, 0);
	CU_ASSERT_EQUAL(shown->packets[before].dropped, total - before);
	CU_ASSERT_EQUAL(shown->packets[before + 1].dropped, 0);
	CU_ASSERT_EQUAL(shown->interfaces[0].dropped, total - before);
	tap_free(&t);
	end();
}

/* A port that comes when there is no room to announce it. */
static void late_announcement(void)
{
	struct vswitch_capture_config c = all();
	struct test_nic late;
	struct tap t;
	int i;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned k = 0; k < 20000; k++)	/* more than fit */
		send_plain(A, 1, 2, 60);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 61);
	test_send(&late, frame);
	tap_drain(&t);
	make(5, 2, 62);
	test_send(&late, frame);
	tap_stop(&t);
	i = test_find_interface(shown, "p5");
	CU_ASSERT_FATAL(i > 0);
	CU_ASSERT_EQUAL(shown->interfaces[i].received, 2);
	CU_ASSERT_EQUAL(shown->interfaces[i].packets, 1);
	expect(shown->num_packets - 1, "p5", 1, 62, "");
	CU_ASSERT_EQUAL(shown->packets[shown->num_packets - 1].dropped, 1);
	tap_free(&t);
	test_nic_unplug(&late);
	end_anyhow();
}

/* A reader that is always a little behind, over many times the ring's length: nothing is lost, torn or out of order. */
static void round_and_round(void)
{
	struct vswitch_capture_config c = all();
	unsigned n = 0;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	while (t.ring->head < 5 * VSWITCH_CAPTURE_RING_MIN) {
		make(1, 2, 60 + n % 1455);
		put_be32(frame->f.head + 14, n);
		test_send(&nics[A], frame);
		test_nic_clear(&nics[B]);
		if (++n % 100 == 0)
			tap_drain(&t);
	}
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, n);
	CU_ASSERT_EQUAL(shown->interfaces[0].dropped, 0);
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(get_be32(shown->packets[i].data + 14), i);
		CU_ASSERT_EQUAL(shown->packets[i].len, 60 + i % 1455);
		CU_ASSERT(!i || shown->packets[i].time_ns >= shown->packets[i - 1].time_ns);
	}
	tap_free(&t);
	end();
}

static void *read_all(void *opaque)
{
	struct tap *t = opaque;
	bool ended;

	do {
		ended = atomic_load(&t->ring->ended);
		tap_drain(t);
		sched_yield();
	} while (!ended);
	return NULL;
}

/* As it is in truth: the reader runs by itself (ThreadSanitizer watches the order of memory). */
static void reader_of_its_own(void)
{
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	uint32_t last = 0, n = 0;
	pthread_t thread;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_all, &t), 0);
	for (; n < 10000; n++) {
		make(1, 2, 60 + n % 1455);
		put_be32(frame->f.head + 14, n + 1);
		test_send(&nics[A], frame);
		test_nic_clear(&nics[B]);
	}
	vswitch_capture_end(t.capture);
	pthread_join(thread, NULL);
	vswitch_capture_stats(t.capture, &st);
	vswitch_capture_stop(t.capture);
	shown = test_read_file(t.file, t.used);
	CU_ASSERT_EQUAL(shown->num_packets, st.captured);
	CU_ASSERT_EQUAL(st.captured + st.dropped, n);
	for (unsigned i = 0; i < shown->num_packets; i++) {
		uint32_t number = get_be32(shown->packets[i].data + 14);

		CU_ASSERT_EQUAL(number, last + 1 + shown->packets[i].dropped);
		CU_ASSERT_EQUAL(shown->packets[i].len, 60 + (number - 1) % 1455);
		last = number;
	}
	free(t.ring);
	tap_free(&t);
	end();
}

/* Lies in the reader's field cost frames, and nothing is written outside of the ring (a sanitizer would say). */
static void lying_reader(void)
{
	static const uint64_t lies[] = { UINT64_MAX, 1ull << 63, 1 << 20, 3, 0 };
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	struct tap t;

	begin();
	tap_start(&t, &c);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		atomic_store(&t.ring->tail, lies[i]);
		t.ring->bytes = 12;
		for (unsigned k = 0; k < 500; k++)
			send_plain(A, 1, 2, 1514);
		test_nic_clear(&nics[B]);
	}
	vswitch_capture_stats(t.capture, &st);
	CU_ASSERT(st.dropped > 0);
	CU_ASSERT(st.captured <= VSWITCH_CAPTURE_RING_MIN / 1514);
	vswitch_capture_stop(t.capture);
	free(t.ring);
	end();
}

/* On a loop the reader is woken once for many frames. */
static void wakes_on_the_loop(void)
{
	struct vswitch_config config = { .name = "timed" };
	struct vswitch_capture_config c = all();
	struct hv_loop *loop;
	struct tap t;
	uint32_t n;

	CU_ASSERT_EQUAL_FATAL(hv_loop_create(&loop), 0);
	CU_ASSERT_EQUAL_FATAL(vswitch_create(loop, &config, &sw), 0);
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_plug(sw, &nics[NET], VSWITCH_NIC_EXTERNAL, 9, 0);
	frame = test_frame_new();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned i = 0; i < 5; i++)
		send_plain(A, 1, 2, 60);
	CU_ASSERT_EQUAL(t.wakes, 0);
	for (unsigned i = 0; i < 100 && !t.wakes; i++)
		CU_ASSERT_EQUAL(hv_loop_run_once(loop, 10000000), 0);
	CU_ASSERT_EQUAL(t.wakes, 1);
	for (uint64_t until = hv_now_ns() + 10000000000ull; t.wakes < 2 && hv_now_ns() < until;) {
		send_plain(A, 1, 2, 60);	/* traffic that never ends does not put it off */
		test_nic_clear(&nics[B]);
		while (vswitch_capture_next(t.ring, &t.position, &n))
			;
		vswitch_capture_release(t.ring, t.position);
		CU_ASSERT_EQUAL(hv_loop_run_once(loop, 0), 0);
	}
	CU_ASSERT_EQUAL(t.wakes, 2);
	send_plain(A, 1, 2, 60);		/* armed again; stop takes it away */
	vswitch_capture_stop(t.capture);
	free(t.ring);
	tap_free(&t);
	end();
	hv_loop_destroy(loop);
}

static const struct hv_test tests[] = {
	{ "what finds no room is counted and said", full_ring },
	{ "a port that comes when the ring is full is announced later", late_announcement },
	{ "blocks are whole and in order, round and round", round_and_round },
	{ "a reader in another thread", reader_of_its_own },
	{ "a reader that lies hurts nobody", lying_reader },
	{ "the reader is woken by the loop, once for many frames", wakes_on_the_loop },
};

HV_TEST_MAIN("vswitch/capture_ring", tests)
