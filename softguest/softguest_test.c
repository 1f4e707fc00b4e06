/* SPDX-License-Identifier: MIT */
/* Sessions and frames end to end: two soft guests on one host, over real vfio-user sockets. */
#include "softguest/test_host.h"

static const uint8_t mac0[6] = { 2, 0, 0, 0, 1, 0 }, mac1[6] = { 2, 0, 0, 0, 1, 1 };

/* n frames of each size both ways arrive whole and in order. */
static void exchange(struct guest *a, struct guest *b, const uint32_t *sizes, unsigned n)
{
	a->expected = b->next;
	b->expected = a->next;
	a->received = b->received = a->bad = b->bad = a->missed = b->missed = 0;
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_TRUE(guest_send(a, softguest_nic_mac(b->nic), sizes[i]));
		CU_ASSERT_TRUE(guest_send(b, softguest_nic_mac(a->nic), sizes[i]));
	}
	softguest_flush(a->nic);
	softguest_flush(b->nic);
	CU_ASSERT_TRUE(wait_received(a, b, n, 2000));
	CU_ASSERT_TRUE(wait_received(b, a, n, 2000));
	CU_ASSERT_EQUAL(a->bad + b->bad + a->missed + b->missed, 0);
}

static const uint32_t some_sizes[] = { 60, 61, 1514, 64, 1000, 18 };
enum { SOME = sizeof(some_sizes) / sizeof(some_sizes[0]) };

static void test_nvsp_versions(void)
{
	static const uint32_t versions[] = { NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4, NVSP_VERSION_5,
					     NVSP_VERSION_6, NVSP_VERSION_6_1 };
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&b, &h, 1);
	guest_attach(&a, &h, 0, 0);
	for (unsigned i = 0; i < 6; i++) {
		struct softguest_nic_opts o = { .config = { .max_version = versions[i] } };

		guest_open(&a, &o);
		CU_ASSERT_EQUAL(softguest_nic_core(a.nic)->version, versions[i]);
		CU_ASSERT_EQUAL(softguest_nic_core(a.nic)->mtu, 1500);
		CU_ASSERT_TRUE(softguest_nic_core(a.nic)->link_up);
		CU_ASSERT_EQUAL(memcmp(softguest_nic_mac(a.nic), mac0, 6), 0);
		CU_ASSERT_EQUAL(softguest_nic_core(a.nic)->stats.n[NETVSC_BAD_ANSWER], 0);
		exchange(&a, &b, some_sizes, SOME);
		CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
	}
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static void test_vmbus_versions(void)
{
	static const uint32_t versions[] = { 0x20004, 0x30000, 0x40000, 0x40001, 0x50000, 0x50001, 0x50002, 0x50003,
					     0x60000 };
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&b, &h, 1);
	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		guest_attach(&a, &h, 0, versions[i]);
		CU_ASSERT_EQUAL(softguest_vmbus_version(a.g), versions[i]);
		guest_open(&a, NULL);
		exchange(&a, &b, some_sizes, SOME);
		CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
		CU_ASSERT_EQUAL(softguest_unload(a.g), 0);
		guest_down(&a);
	}
	guest_down(&b);
	host_stop(&h);
}

static void test_sizes(void)
{
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_up(&b, &h, 1);
	for (uint32_t bytes = 14; bytes <= 1514; bytes++) {
		while (!guest_send(&a, mac1, bytes))
			softguest_poll(a.g);
		softguest_flush(a.nic);
		if (!wait_received(&b, &a, bytes - 13, 2000) || b.last_bytes != bytes)
			break;
	}
	CU_ASSERT_EQUAL(b.received, 1501);
	CU_ASSERT_EQUAL(b.bad + b.missed, 4);	/* 14 … 17 bytes hold no number: the first one that does is 4 */
	CU_ASSERT_EQUAL(b.bad, 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static void test_forms(void)
{
	static const uint32_t sizes[] = { 18, 60, 127, 128, 129, 1000, 1513, 1514 };
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_up(&b, &h, 1);
	for (unsigned round = 0; round < 40; round++) {
		for (int form = SOFTGUEST_DIRECT; form <= SOFTGUEST_PARTIAL; form++) {
			uint32_t bytes = sizes[(round + (unsigned)form) % 8];

			/* some frames in the section before, so that a partial copy ends a batch */
			for (unsigned i = 0; i < round % 4; i++)
				CU_ASSERT_TRUE(guest_send(&a, mac1, 60 + i));
			CU_ASSERT_TRUE(guest_send_form(&a, (enum softguest_form)form, mac1, bytes));
			softguest_flush(a.nic);
			CU_ASSERT_TRUE(wait_received(&b, &a, a.sent, 2000));
			CU_ASSERT_EQUAL(b.last_bytes, bytes);
		}
	}
	CU_ASSERT_EQUAL(b.bad + b.missed, 0);
	CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

/* Polls both until a's counter has grown by n. */
static bool wait_counted(struct guest *a, struct guest *b, enum netvsc_stat what, uint64_t n)
{
	struct softguest_stats s;
	uint64_t before;

	softguest_nic_stats(a->nic, &s);
	before = s.core.n[what];
	for (uint64_t begin = hv_now_ns(); s.core.n[what] - before < n && hv_now_ns() - begin < 2000000000;) {
		softguest_poll(a->g);
		softguest_poll(b->g);
		softguest_nic_stats(a->nic, &s);
	}
	return s.core.n[what] - before == n;
}

static void test_batches(void)
{
	struct softguest_stats before, after;
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_up(&b, &h, 1);
	for (unsigned batch = 1; batch <= 8; batch++) {
		softguest_set_batch(a.nic, batch);
		softguest_nic_stats(a.nic, &before);
		for (unsigned i = 0; i < 3 * batch; i++)
			CU_ASSERT_TRUE(guest_send(&a, mac1, 60 + i));
		softguest_flush(a.nic);
		CU_ASSERT_TRUE(wait_received(&b, &a, a.sent, 2000));
		softguest_nic_stats(a.nic, &after);
		CU_ASSERT_EQUAL(after.core.n[NETVSC_TX_MESSAGES] - before.core.n[NETVSC_TX_MESSAGES], 3);
	}
	CU_ASSERT_EQUAL(b.bad + b.missed, 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

/* A tag goes beside the frame on both sides; a guest of version 1 gets it in the bytes. */
static void test_tag(void)
{
	struct netvsc_meta meta = { .flags = NETVSC_META_VLAN, .vlan_tci = 5 << 13 | 7 };
	struct softguest_nic_opts old = { .config = { .max_version = NVSP_VERSION_1 } };
	struct guest a, b;
	struct host h;
	uint8_t *at;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_attach(&b, &h, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		guest_open(&b, i ? &old : NULL);
		at = softguest_tx(a.nic, &meta, 1514);
		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		fill_frame(at, 1514, mac1, mac0, a.next);
		softguest_flush(a.nic);
		if (!i) {
			CU_ASSERT_TRUE(wait_received(&b, &a, 1, 2000));
			CU_ASSERT_EQUAL(b.last_bytes, 1514);
			CU_ASSERT_EQUAL(b.last_flags & NETVSC_RX_VLAN, NETVSC_RX_VLAN);
			CU_ASSERT_EQUAL(b.last_tci, meta.vlan_tci);
		} else {
			CU_ASSERT_TRUE(wait_counted(&b, &a, NETVSC_RX_FRAMES, 1));
			CU_ASSERT_EQUAL(b.received, 1);		/* its type is that of a tag */
		}
		CU_ASSERT_EQUAL(softguest_nic_close(b.nic), 0);
	}
	CU_ASSERT_EQUAL(b.bad, 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static void test_mtu(void)
{
	static const uint32_t jumbo[] = { 9014, 5000, 1515, 60 };
	struct softguest_nic_opts big = { .config = { .mtu = 9000 }, .receive_bytes = 1 << 20 };
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_attach(&a, &h, 0, 0);
	guest_attach(&b, &h, 1, 0);
	for (unsigned round = 0; round < 3; round++) {
		guest_open(&a, &big);
		guest_open(&b, &big);
		CU_ASSERT_EQUAL(softguest_nic_core(a.nic)->mtu, 9000);
		b.expected = a.next;
		b.received = b.bad = b.missed = a.sent = 0;
		for (unsigned i = 0; i < 4; i++)
			CU_ASSERT_TRUE(guest_send_form(&a, SOFTGUEST_DIRECT, mac1, jumbo[i]));
		softguest_flush(a.nic);
		CU_ASSERT_TRUE(wait_received(&b, &a, 4, 2000));
		CU_ASSERT_EQUAL(b.bad + b.missed, 0);
		CU_ASSERT_EQUAL(softguest_nic_close(b.nic), 0);
		/* back to 1500: what is longer does not arrive, what fits does */
		guest_open(&b, NULL);
		CU_ASSERT_EQUAL(softguest_nic_core(b.nic)->mtu, 1500);
		b.expected = a.next;
		CU_ASSERT_TRUE(guest_send_form(&a, SOFTGUEST_DIRECT, mac1, 1515));
		CU_ASSERT_TRUE(guest_send_form(&a, SOFTGUEST_DIRECT, mac1, 1514));
		softguest_flush(a.nic);
		CU_ASSERT_TRUE(wait_received(&b, &a, 5, 2000));
		CU_ASSERT_EQUAL(b.last_bytes, 1514);
		CU_ASSERT_EQUAL(b.missed, 1);
		CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
		CU_ASSERT_EQUAL(softguest_nic_close(b.nic), 0);
	}
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static void get_status(struct host *h, void *arg)
{
	netvsp_status(h->nic[1], arg);
}

/*
 * A host that is short of nothing but the guest's receive buffers drops and counts; it goes on once
 * they are back.
 */
static void test_exhaustion(void)
{
	struct softguest_nic_opts small = { .receive_bytes = 128 << 10 };
	struct netvsp_status status;
	struct guest a, b;
	struct host h;
	uint64_t got;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_attach(&b, &h, 1, 0);
	guest_open(&b, &small);
	softguest_hold_completions(b.nic, true);
	for (unsigned i = 0; i < 1000; i++) {
		while (!guest_send(&a, mac1, 100)) {
			softguest_flush(a.nic);
			softguest_poll(a.g);
			softguest_poll(b.g);
		}
	}
	wait_received(&b, &a, 1000, 300);
	got = b.received;
	/* 16 are set aside for control */
	CU_ASSERT_EQUAL(got, softguest_nic_core(b.nic)->sub_count - 16);
	CU_ASSERT_EQUAL(got + host_dropped(&h, 1), 1000);
	/* everybody else goes on, and the control path too */
	CU_ASSERT_EQUAL(softguest_nic_set_filter(b.nic, NDIS_FILTER_DIRECTED), 0);
	while (softguest_tx_outstanding(a.nic))
		softguest_poll(a.g);
	softguest_hold_completions(b.nic, false);
	/* The host learns of the free buffers when it reads the ring. */
	for (unsigned i = 0; i < 2000; i++) {
		host_do(&h, get_status, &status);
		if (status.receive_buffers_free == status.receive_buffers)
			break;
		usleep(1000);
	}
	b.expected = a.next;
	b.missed = 0;
	for (unsigned i = 0; i < 100; i++) {
		CU_ASSERT_TRUE(guest_send(&a, mac1, 100));
		softguest_flush(a.nic);
		CU_ASSERT_TRUE(wait_received(&b, &a, got + i + 1, 2000));
	}
	CU_ASSERT_EQUAL(b.bad + b.missed, 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

/* Sends n frames into a guest with little room. */
static void flood(struct guest *a, struct guest *b, unsigned n)
{
	enum { PATIENCE_S = 30 };
	uint64_t now = hv_now_ns(), progress = now, seen = 0;
	unsigned turns = 0;

	while (b->received < n && now - progress < PATIENCE_S * UINT64_C(1000000000)) {
		for (unsigned i = 0; i < 64 && a->sent < n && guest_send(a, mac1, 60 + a->next % 1000); i++)
			;
		softguest_flush(a->nic);
		softguest_poll(a->g);
		if (++turns % 4 == 0)		/* the receiver is the slower one */
			softguest_poll(b->g);
		now = hv_now_ns();
		if (b->received != seen)
			progress = now;
		seen = b->received;
	}
}

/*
 * Sent = received, whatever runs out: sections, rings, receive buffers. The switch waits for the
 * receiver longer than it does by default, so that it is no loss if a thread does not run for a while.
 */
static void test_no_loss(void)
{
	enum { FRAMES = 50000 };
	struct softguest_nic_opts small = { .receive_bytes = 1 << 20, .ring_pages = 3 };
	struct softguest_nic_opts narrow = { .ring_pages = 2 };
	struct host_stats stats = { .port = 1 };
	struct guest a, b;
	struct host h;

	host_start_as(&h, 2, &(struct vswitch_config){ .name = "test", .pause_ms = 30000 });
	guest_attach(&a, &h, 0, 0);
	guest_attach(&b, &h, 1, 0);
	guest_open(&a, &narrow);
	guest_open(&b, &small);
	flood(&a, &b, FRAMES);
	CU_ASSERT_EQUAL(b.received, FRAMES);
	CU_ASSERT_EQUAL(host_dropped(&h, 1), 0);
	CU_ASSERT_EQUAL(b.bad, 0);
	CU_ASSERT_EQUAL(b.missed, 0);
	host_do(&h, host_get_stats, &stats);
	CU_ASSERT_TRUE(stats.stats.pauses > 0);		/* there was pressure */
	CU_ASSERT_EQUAL(softguest_nic_close(a.nic), 0);
	CU_ASSERT_EQUAL(softguest_nic_close(b.nic), 0);
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

/* Everybody asleep: each frame needs its doorbell and its interrupt. */
static void test_sleep(void)
{
	struct guest a, b;
	struct host h;

	host_start(&h, 2);
	guest_up(&a, &h, 0);
	guest_up(&b, &h, 1);
	for (unsigned i = 0; i < 50; i++) {
		/* the host goes to sleep within microseconds */
		usleep(2000);
		CU_ASSERT_TRUE(guest_send(&a, mac1, 60));
		softguest_flush(a.nic);
		for (unsigned n = 0; n < 100 && b.received <= i; n++) {
			softguest_wait(b.g, 1000);
			softguest_poll(b.g);
		}
		CU_ASSERT_EQUAL(b.received, i + 1);
		while (softguest_tx_outstanding(a.nic)) {
			softguest_wait(a.g, 1000);
			softguest_poll(a.g);
		}
	}
	guest_down(&a);
	guest_down(&b);
	host_stop(&h);
}

static const struct hv_test tests[] = {
	{ "comes up with every NVSP version", test_nvsp_versions },
	{ "comes up with every VMBus version", test_vmbus_versions },
	{ "moves frames of every size", test_sizes },
	{ "moves frames in every form", test_forms },
	{ "moves batches of every length", test_batches },
	{ "carries a VLAN tag", test_tag },
	{ "changes the MTU", test_mtu },
	{ "drops and counts without receive buffers, then recovers", test_exhaustion },
	{ "loses nothing under back-pressure", test_no_loss },
	{ "wakes and is woken", test_sleep },
};
HV_TEST_MAIN("softguest", tests)
