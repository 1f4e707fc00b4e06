/* SPDX-License-Identifier: MIT */
/*
 * What happens to guests while traffic runs: close, reopen, crash, reset, rescind, link changes,
 * death; the others go on.
 */
#include "softguest/test_host.h"

static const uint8_t mac1[6] = { 2, 0, 0, 0, 1, 1 }, mac2[6] = { 2, 0, 0, 0, 1, 2 };

/*
 * Guest 0 sends to guest 1, and guest 2 is the bystander that the test disturbs; or guest 1 itself
 * is.
 */
struct scene {
	struct host h;
	struct guest sender, peer, other;
	struct sender thread;
};

static void scene_start(struct scene *s, const uint8_t *to)
{
	host_start(&s->h, 3);
	guest_up(&s->sender, &s->h, 0);
	guest_up(&s->peer, &s->h, 1);
	guest_up(&s->other, &s->h, 2);
	sender_start(&s->thread, &s->sender, to);
}

static void scene_end(struct scene *s)
{
	sender_stop(&s->thread);
	guest_down(&s->sender);
	guest_down(&s->peer);
	guest_down(&s->other);
	host_stop(&s->h);
}

/* Frames arrive at t, whole. */
static void check_flows(struct guest *t)
{
	CU_ASSERT_TRUE(wait_received(t, NULL, t->received + 200, 3000));
	CU_ASSERT_EQUAL(t->bad, 0);
}

static void test_reopen(void)
{
	static struct scene s;

	scene_start(&s, mac1);
	for (unsigned i = 0; i < 25; i++) {
		check_flows(&s.peer);
		CU_ASSERT_EQUAL(softguest_nic_close(s.peer.nic), 0);
		guest_open(&s.peer, NULL);
	}
	check_flows(&s.peer);
	scene_end(&s);
}

/* The sender itself is closed with packets under way. */
static void test_reopen_sender(void)
{
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_up(&b, &h, 1);
	for (unsigned i = 0; i < 25; i++) {
		for (unsigned n = 0; n < 500 && guest_send(&a, mac1, 1000); n++)
			;
		softguest_flush(a.nic);
		CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
		CU_ASSERT_EQUAL(softguest_tx_outstanding(a.nic), 0);
		wait_received(&b, NULL, b.received + 1000, 5);
		guest_open(&a, NULL);
	}
	CU_ASSERT_EQUAL(b.bad, 0);
	CU_ASSERT_TRUE(b.received > 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static void test_filter(void)
{
	static struct scene s;
	uint64_t seen;

	scene_start(&s, mac1);
	for (unsigned i = 0; i < 10; i++) {
		check_flows(&s.peer);
		CU_ASSERT_EQUAL(softguest_nic_set_filter(s.peer.nic, 0), 0);
		/*
		 * what the host had put into the ring before it took the filter is still there;
		 * nothing comes after it
		 */
		while (softguest_poll(s.peer.g))
			;
		seen = s.peer.received;
		CU_ASSERT_FALSE(wait_received(&s.peer, NULL, seen + 1, 20));
		CU_ASSERT_EQUAL(softguest_nic_set_filter(s.peer.nic, NDIS_FILTER_DIRECTED), 0);
	}
	check_flows(&s.peer);
	scene_end(&s);
}

static void test_reconnect(void)
{
	static struct scene s;

	scene_start(&s, mac1);
	for (unsigned i = 0; i < 10; i++) {
		check_flows(&s.peer);
		if (i % 3 == 2)
			CU_ASSERT_EQUAL_FATAL(softguest_reset(s.peer.g), 0);
		if (i % 3 == 1) {
			CU_ASSERT_EQUAL_FATAL(softguest_unload(s.peer.g), 0);
		}
		if (i % 3 != 2)
			CU_ASSERT_EQUAL_FATAL(softguest_reconnect(s.peer.g), 0);
		s.peer.nic = softguest_nic(s.peer.g, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s.peer.nic);
		guest_open(&s.peer, NULL);
	}
	check_flows(&s.peer);
	scene_end(&s);
}

static bool is_rescinded(void *cookie)
{
	return softguest_nic_is_rescinded(cookie);
}

/*
 * The NIC is taken away from a guest that receives, then given back; the flow to another guest goes
 * on.
 */
static void test_rescind(void)
{
	unsigned one = 1;
	struct guest bystander;
	static struct scene s;

	scene_start(&s, mac1);
	for (unsigned i = 0; i < 10; i++) {
		check_flows(&s.peer);
		host_do(&s.h, host_remove_nic, &one);
		CU_ASSERT_EQUAL(softguest_run_until(s.peer.g, is_rescinded, s.peer.nic, 3000), 0);
		CU_ASSERT_NOT_EQUAL(softguest_nic_close(s.peer.nic), 0);
		softguest_nic_release(s.peer.nic);
		CU_ASSERT_PTR_NULL(softguest_nic(s.peer.g, 0));
		host_do(&s.h, host_add_nic, &one);
		CU_ASSERT_EQUAL_FATAL(softguest_wait_nics(s.peer.g, 1), 0);
		s.peer.nic = softguest_nic(s.peer.g, 0);
		guest_open(&s.peer, NULL);
	}
	check_flows(&s.peer);
	bystander = s.other;
	CU_ASSERT_TRUE(softguest_nic_is_open(bystander.nic));
	scene_end(&s);
}

struct link { unsigned nic; bool up; };

static void set_link(struct host *h, void *arg)
{
	const struct link *l = arg;

	netvsp_set_link(h->nic[l->nic], l->up);
}

static bool is_up(void *cookie)
{
	return softguest_nic_core(cookie)->link_up;
}

static bool is_down(void *cookie)
{
	return !softguest_nic_core(cookie)->link_up;
}

static void test_link(void)
{
	struct link down = { 1, false }, up = { 1, true };
	static struct scene s;

	scene_start(&s, mac1);
	check_flows(&s.peer);
	host_do(&s.h, set_link, &down);
	/* Hosts space opposite changes by 5 s, for Linux' sake. */
	CU_ASSERT_EQUAL(softguest_run_until(s.peer.g, is_down, s.peer.nic, 12000), 0);
	while (softguest_poll(s.peer.g))
		;
	CU_ASSERT_FALSE(wait_received(&s.peer, NULL, s.peer.received + 1, 50));
	host_do(&s.h, set_link, &up);
	CU_ASSERT_EQUAL(softguest_run_until(s.peer.g, is_up, s.peer.nic, 12000), 0);
	check_flows(&s.peer);
	scene_end(&s);
}

/* A QEMU dies in the middle of everything; the flow between the others is not disturbed. */
static void test_killed(void)
{
	static struct scene s;

	scene_start(&s, mac1);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned n = 0; n < 100 && guest_send(&s.other, mac1, 200); n++)
			;
		softguest_flush(s.other.nic);
		guest_down(&s.other);
		check_flows(&s.peer);
		guest_up(&s.other, &s.h, 2);
	}
	s.peer.received = 0;
	scene_end(&s);
}

/* The receiver dies; the sender is not disturbed and later serves another. */
static void test_receiver_killed(void)
{
	static struct scene s;

	scene_start(&s, mac2);
	for (unsigned i = 0; i < 10; i++) {
		check_flows(&s.other);
		guest_down(&s.other);
		guest_up(&s.other, &s.h, 2);
	}
	check_flows(&s.other);
	scene_end(&s);
}

static const struct hv_test tests[] = {
	{ "closes and reopens under traffic", test_reopen },
	{ "closes a sender with packets under way", test_reopen_sender },
	{ "delivers nothing while the filter is closed", test_filter },
	{ "reconnects, unloads and resets under traffic", test_reconnect },
	{ "is rescinded under traffic", test_rescind },
	{ "follows the link", test_link },
	{ "dies without disturbing others", test_killed },
	{ "dies as the receiver of a flow", test_receiver_killed },
};
HV_TEST_MAIN("softguest_reconfigure", tests)
