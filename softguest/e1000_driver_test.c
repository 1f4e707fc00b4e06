/* SPDX-License-Identifier: MIT */
/* Two soft drivers on two real functions of one switch: what one sends, the other gets, whole. */
#include "softguest/e1000_driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/test.h"
#include "e1000/e1000.h"
#include "e1000/e1000_hw.h"
#include "vswitch/vswitch.h"

enum { NICS = 2, PATIENCE_MS = 10000, FRAME_MAX = 16384, TYPE = 0x88b5, PAYLOAD_MAX = 60000 };

struct host {
	struct hv_loop *loop;
	pthread_t thread;
	char dir[64], socket[NICS][96];
	struct vswitch *sw;
	struct vswitch_port *port[NICS];
	struct e1000 *nic[NICS];
};

struct guest {
	struct soft_e1000 *n;
	uint64_t frames, bad, tagged, checked;
	uint32_t expected;		/* number of the next frame */
	uint16_t tci;
	uint32_t payload_bytes;		/* of TCP, put together */
	uint8_t payload[PAYLOAD_MAX];
	uint8_t last[FRAME_MAX];
	uint32_t last_bytes;
};

static void *run_loop(void *arg)
{
	if (hv_loop_run(((struct host *)arg)->loop))
		abort();
	return NULL;
}

static void host_start(struct host *h)
{
	static const enum e1000_model models[NICS] = { E1000_82540EM, E1000_82545EM };
	struct vswitch_config config = { .name = "test" };
	const char *tmp = getenv("TMPDIR");

	*h = (struct host){ 0 };
	hv_log_set_level(HV_LOG_WARNING);
	snprintf(h->dir, sizeof(h->dir), "%s/softe1000XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	if (!mkdtemp(h->dir) || hv_loop_create(&h->loop) || vswitch_create(h->loop, &config, &h->sw))
		abort();
	for (unsigned i = 0; i < NICS; i++) {
		char name[32];
		struct e1000_desc desc = { .name = name, .socket_path = h->socket[i], .mac = { 2, 0, 0, 0, 1, (uint8_t)i },
					   .model = models[i] };

		snprintf(h->socket[i], sizeof(h->socket[i]), "%s/nic%u", h->dir, i);
		snprintf(name, sizeof(name), "nic%u", i);
		if (vswitch_port_create(h->sw, name, &h->port[i]) || e1000_create(h->loop, h->port[i], &desc, &h->nic[i]))
			abort();
	}
	if (pthread_create(&h->thread, NULL, run_loop, h))
		abort();
}

static void host_stop(struct host *h)
{
	hv_loop_stop(h->loop);
	pthread_join(h->thread, NULL);
	for (unsigned i = 0; i < NICS; i++) {
		e1000_destroy(h->nic[i]);
		vswitch_port_destroy(h->port[i]);
	}
	vswitch_destroy(h->sw);
	hv_loop_destroy(h->loop);
	rmdir(h->dir);
}

/* ---- frames: a number and bytes that follow from it ---- */

static void fill(uint8_t *f, uint32_t bytes, const uint8_t *to, const uint8_t *from, uint32_t number)
{
	memcpy(f, to, 6);
	memcpy(f + 6, from, 6);
	f[12] = TYPE >> 8;
	f[13] = TYPE & 0xff;
	memcpy(f + 14, &number, 4);
	for (uint32_t i = 18; i < bytes; i++)
		f[i] = (uint8_t)(number * 7 + i * 13 + (i >> 8));
}

static bool is_tcp(const uint8_t *f, uint32_t bytes)
{
	return bytes > 54 && f[12] == 8 && f[23] == 6;
}

static void got(void *opaque, const struct soft_e1000_frame *f)
{
	struct guest *g = opaque;
	uint32_t number;

	g->frames++;
	g->tagged += !!(f->status & E1000_RXD_VP);
	g->tci = f->vlan_tci;
	g->checked += f->status & E1000_RXD_TCPCS && !(f->status & E1000_RXD_IXSM) && !f->errors;
	g->last_bytes = f->bytes;
	memcpy(g->last, f->data, f->bytes);
	if (is_tcp(f->data, f->bytes) && g->payload_bytes + f->bytes - 54 <= PAYLOAD_MAX) {
		memcpy(g->payload + g->payload_bytes, f->data + 54, f->bytes - 54);
		g->payload_bytes += f->bytes - 54;
		return;
	}
	memcpy(&number, f->data + 14, 4);
	g->bad += number != g->expected;
	g->expected = number + 1;
	for (uint32_t i = 18; i < f->bytes; i++)
		if (f->data[i] != (uint8_t)(number * 7 + i * 13 + (i >> 8))) {
			g->bad++;
			break;
		}
}

static void guest_up(struct guest *g, struct host *h, unsigned i, struct soft_e1000_opts o)
{
	memset(g, 0, sizeof(*g));
	o.rx = got;
	o.opaque = g;
	CU_ASSERT_EQUAL_FATAL(soft_e1000_create(h->socket[i], &o, &g->n), 0);
}

static bool poll_until(struct guest *g, struct guest *other, uint64_t frames)
{
	const uint64_t end = hv_now_ns() + PATIENCE_MS * 1000000ull;

	while (g->frames < frames && hv_now_ns() < end) {
		soft_e1000_poll(other->n);
		if (!soft_e1000_poll(g->n))
			usleep(50);
	}
	return g->frames >= frames;
}

static bool send_one(struct guest *g, const struct guest *to, uint32_t bytes, uint32_t number)
{
	uint8_t *at = soft_e1000_tx(g->n, bytes);

	if (at)
		fill(at, bytes, soft_e1000_mac(to->n), soft_e1000_mac(g->n), number);
	return at;
}

static struct host host;
static struct guest a, b;

static void both_up(struct soft_e1000_opts o)
{
	host_start(&host);
	guest_up(&a, &host, 0, o);
	guest_up(&b, &host, 1, o);
}

static void both_down(void)
{
	soft_e1000_destroy(a.n);
	soft_e1000_destroy(b.n);
	host_stop(&host);
}

/* All sizes, and far more frames than descriptors, both ways. */
static void batches(void)
{
	static const uint8_t mac_a[6] = { 2, 0, 0, 0, 1, 0 };
	struct soft_e1000_stats st;
	uint32_t sent = 0;

	both_up((struct soft_e1000_opts){ .ring = 64 });
	CU_ASSERT_EQUAL(memcmp(soft_e1000_mac(a.n), mac_a, 6), 0);
	for (uint32_t bytes = 60; bytes <= 1514; bytes += 2) {
		while (!send_one(&a, &b, bytes, sent))
			soft_e1000_poll(b.n);
		sent++;
		if (sent % 24)
			continue;
		soft_e1000_flush(a.n);
		CU_ASSERT_TRUE_FATAL(poll_until(&b, &a, sent));
	}
	soft_e1000_flush(a.n);
	CU_ASSERT_TRUE(poll_until(&b, &a, sent));
	CU_ASSERT_EQUAL(b.bad, 0);
	soft_e1000_stats(a.n, &st);
	CU_ASSERT_TRUE(st.doorbells <= sent / 24 + 1);
	CU_ASSERT_TRUE(send_one(&b, &a, 100, 0));
	soft_e1000_flush(b.n);
	CU_ASSERT_TRUE(poll_until(&a, &b, 1));
	CU_ASSERT_EQUAL(a.bad, 0);
	both_down();
}

static void jumbo(void)
{
	both_up((struct soft_e1000_opts){ .ring = 32, .max_frame_bytes = 16384 });
	for (uint32_t i = 0; i < 20; i++) {
		CU_ASSERT_TRUE(send_one(&a, &b, 16000 - 13 * i, i));
		soft_e1000_flush(a.n);
		CU_ASSERT_TRUE_FATAL(poll_until(&b, &a, i + 1));
		CU_ASSERT_EQUAL(b.last_bytes, 16000 - 13 * i);
	}
	CU_ASSERT_EQUAL(b.bad, 0);
	both_down();
}

static void interrupts(void)
{
	both_up((struct soft_e1000_opts){ 0 });
	soft_e1000_read(b.n, E1000_ICR);
	CU_ASSERT_EQUAL(soft_e1000_wait(b.n, 20), 0);
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t causes;

		CU_ASSERT_TRUE(send_one(&a, &b, 60, i));
		soft_e1000_flush(a.n);
		causes = soft_e1000_wait(b.n, PATIENCE_MS);
		CU_ASSERT_TRUE(causes & E1000_INT_RXT0);
		CU_ASSERT_EQUAL(soft_e1000_poll(b.n), 1);	/* it was in memory before */
	}
	CU_ASSERT_EQUAL(soft_e1000_wait(b.n, 20), 0);	/* one each */
	CU_ASSERT_TRUE(soft_e1000_wait(a.n, PATIENCE_MS) & E1000_INT_TXDW);
	both_down();
}

/* ---- offloads ---- */

static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t s)
{
	for (uint32_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* TCP over IPv4; the checksum field holds the pseudo-header's sum, with the length if there is no TSO. */
static void make_tcp(uint8_t *f, uint32_t bytes, bool tso)
{
	const uint32_t length = bytes - 34;
	uint8_t pseudo[12] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 0 };
	uint32_t s;

	fill(f, bytes, soft_e1000_mac(b.n), soft_e1000_mac(a.n), 3);
	memset(f + 14, 0, 40);
	f[12] = 8;
	f[13] = 0;
	f[14] = 0x45;
	f[16] = tso ? 0 : (uint8_t)((bytes - 14) >> 8);
	f[17] = tso ? 0 : (uint8_t)(bytes - 14);
	f[22] = 64;
	f[23] = 6;
	memcpy(f + 26, pseudo, 8);
	f[46] = 5 << 4;
	f[47] = 0x18;		/* PSH, ACK */
	if (!tso) {
		s = sum(f + 14, 20, 0) ^ 0xffff;
		f[24] = (uint8_t)(s >> 8);
		f[25] = (uint8_t)s;
		pseudo[10] = (uint8_t)(length >> 8);
		pseudo[11] = (uint8_t)length;
	}
	s = sum(pseudo, 12, 0);
	f[50] = (uint8_t)(s >> 8);
	f[51] = (uint8_t)s;
}

/* Both sums of the last frame are right. */
static bool sums_good(const struct guest *g)
{
	const uint32_t length = g->last_bytes - 34;
	uint8_t pseudo[12] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 6, (uint8_t)(length >> 8), (uint8_t)length };

	return sum(g->last + 14, 20, 0) == 0xffff && sum(g->last + 34, length, sum(pseudo, 12, 0)) == 0xffff;
}

static void checksums(void)
{
	const struct soft_e1000_offload o = { .csum_start = 34, .csum_offset = 16 };
	uint8_t frame[1000];

	both_up((struct soft_e1000_opts){ 0 });
	make_tcp(frame, sizeof(frame), false);
	CU_ASSERT_EQUAL(soft_e1000_tx_offload(a.n, frame, sizeof(frame), &o), 0);
	soft_e1000_flush(a.n);
	CU_ASSERT_TRUE(poll_until(&b, &a, 1));
	CU_ASSERT_EQUAL(b.last_bytes, sizeof(frame));
	CU_ASSERT_TRUE(sums_good(&b));
	both_down();
	/* A receiver that asks gets to know that they are. */
	both_up((struct soft_e1000_opts){ .rx_checksum = true });
	CU_ASSERT_EQUAL(soft_e1000_tx_offload(a.n, frame, sizeof(frame), &o), 0);
	soft_e1000_flush(a.n);
	CU_ASSERT_TRUE(poll_until(&b, &a, 1));
	CU_ASSERT_EQUAL(b.checked, 1);
	both_down();
}

static void large_sends(void)
{
	const struct soft_e1000_offload o = { .csum_start = 34, .csum_offset = 16, .mss = 1460, .header_bytes = 54 };
	const uint32_t payload = 50000, segments = (payload + 1459) / 1460;
	uint8_t *frame = malloc(54 + payload);
	int ret;

	both_up((struct soft_e1000_opts){ .rx_checksum = true });
	CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
	make_tcp(frame, 54 + payload, true);
	for (unsigned i = 0; i < 40; i++) {
		b.payload_bytes = 0;
		while ((ret = soft_e1000_tx_offload(a.n, frame, 54 + payload, &o)) == -EAGAIN)
			soft_e1000_poll(a.n);
		CU_ASSERT_EQUAL_FATAL(ret, 0);
		soft_e1000_flush(a.n);
		CU_ASSERT_TRUE_FATAL(poll_until(&b, &a, (uint64_t)segments * (i + 1)));
		CU_ASSERT_EQUAL(b.payload_bytes, payload);
		CU_ASSERT_EQUAL(memcmp(b.payload, frame + 54, payload), 0);
	}
	CU_ASSERT_EQUAL(b.checked, 40 * segments);
	both_down();
	free(frame);
}

static void tags(void)
{
	const struct soft_e1000_offload o = { .tagged = true, .vlan_tci = 0x6064 };
	uint8_t frame[200];

	both_up((struct soft_e1000_opts){ .vlan = true });
	fill(frame, sizeof(frame), soft_e1000_mac(b.n), soft_e1000_mac(a.n), 0);
	CU_ASSERT_EQUAL(soft_e1000_tx_offload(a.n, frame, sizeof(frame), &o), 0);
	soft_e1000_flush(a.n);
	CU_ASSERT_TRUE(poll_until(&b, &a, 1));
	CU_ASSERT_EQUAL(b.tagged, 1);
	CU_ASSERT_EQUAL(b.tci, 0x6064);
	CU_ASSERT_EQUAL(b.last_bytes, sizeof(frame));
	CU_ASSERT_EQUAL(b.bad, 0);
	both_down();
}

/* A guest that is killed and comes back, while the other one sends. */
static void comes_back(void)
{
	both_up((struct soft_e1000_opts){ .ring = 32 });
	for (unsigned i = 0; i < 5; i++) {
		for (uint32_t k = 0; k < 20 && send_one(&a, &b, 600, k); k++)
			;
		soft_e1000_flush(a.n);
		soft_e1000_destroy(b.n);
		guest_up(&b, &host, 1, (struct soft_e1000_opts){ .ring = 32 });
		soft_e1000_poll(a.n);
	}
	b.frames = b.bad = 0;
	while (!send_one(&a, &b, 600, b.expected))
		soft_e1000_poll(a.n);
	soft_e1000_flush(a.n);
	CU_ASSERT_TRUE(poll_until(&b, &a, 1));
	CU_ASSERT_EQUAL(b.bad, 0);
	both_down();
}

static const struct hv_test tests[] = {
	{ "batches of all sizes arrive whole and in order", batches },
	{ "jumbo frames", jumbo },
	{ "an interrupt for what has come, and none without", interrupts },
	{ "checksums are filled in, and vouched for", checksums },
	{ "large sends arrive in segments that add up", large_sends },
	{ "tags in descriptors, on both sides", tags },
	{ "a guest that comes back", comes_back },
};

HV_TEST_MAIN("softguest/e1000_driver", tests)
