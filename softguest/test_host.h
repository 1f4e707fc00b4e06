/* SPDX-License-Identifier: MIT */
/*
 * For the tests: a host in this process, on a thread of its own, with one switch and a bridge with one NIC for each guest; and guests
 * that send numbered frames and check what they get to the byte.
 */
#ifndef HVNET_SOFTGUEST_TEST_HOST_H
#define HVNET_SOFTGUEST_TEST_HOST_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/test.h"
#include "netvsp/netvsp.h"
#include "softguest/softguest.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

enum { GUESTS = 3, FRAME_MAX = 9216, TEST_TYPE = 0x88b5 };

struct host {
	struct hv_loop *loop;
	pthread_t thread;
	char dir[64], socket[GUESTS][96];
	struct vswitch *sw;
	struct vswitch_port *port[GUESTS];
	struct vmbus_bridge *bridge[GUESTS];
	struct netvsp *nic[GUESTS];
	unsigned guests;
};

/* Runs fn on the host's thread and waits for it. */
struct host_call {
	struct hv_work work;
	void (*fn)(struct host *h, void *arg);
	struct host *h;
	void *arg;
	sem_t done;
};

static inline void host_call_run(struct hv_work *w)
{
	struct host_call *c = (struct host_call *)((char *)w - offsetof(struct host_call, work));

	c->fn(c->h, c->arg);
	sem_post(&c->done);
}

static inline void host_do(struct host *h, void (*fn)(struct host *h, void *arg), void *arg)
{
	struct host_call c = { .work = { .run = host_call_run }, .fn = fn, .h = h, .arg = arg };

	sem_init(&c.done, 0, 0);
	hv_loop_post(h->loop, &c.work);
	while (sem_wait(&c.done))
		;
	sem_destroy(&c.done);
}

static inline void *host_thread(void *arg)
{
	struct host *h = arg;

	if (hv_loop_run(h->loop))
		abort();
	return NULL;
}

static inline void host_add_nic(struct host *h, void *arg)
{
	unsigned i = *(unsigned *)arg;
	char name[32];
	struct netvsp_desc desc = { .name = name, .mac = { 2, 0, 0, 0, 1, (uint8_t)i }, .instance = { 1, (uint8_t)i } };

	snprintf(name, sizeof(name), "vm%u/nic0", i);
	if (netvsp_create(h->loop, vmbus_bridge_bus(h->bridge[i]), h->port[i], &desc, &h->nic[i]))
		abort();
}

static inline void host_remove_nic(struct host *h, void *arg)
{
	unsigned i = *(unsigned *)arg;

	netvsp_destroy(h->nic[i]);
	h->nic[i] = NULL;
}

static inline void host_start(struct host *h, unsigned guests)
{
	struct vswitch_config config = { .name = "test" };
	const char *tmp = getenv("TMPDIR");

	*h = (struct host){ .guests = guests };
	hv_log_set_level(HV_LOG_WARNING);
	snprintf(h->dir, sizeof(h->dir), "%s/softguestXXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	if (!mkdtemp(h->dir) || hv_loop_create(&h->loop) || vswitch_create(h->loop, &config, &h->sw))
		abort();
	for (unsigned i = 0; i < guests; i++) {
		char name[32];

		snprintf(h->socket[i], sizeof(h->socket[i]), "%s/vm%u", h->dir, i);
		snprintf(name, sizeof(name), "vm%u", i);
		if (vswitch_port_create(h->sw, name, &h->port[i]) ||
		    vmbus_bridge_create(h->loop, name, h->socket[i], 0600, 2, &h->bridge[i]))
			abort();
		host_add_nic(h, &i);
	}
	if (pthread_create(&h->thread, NULL, host_thread, h))
		abort();
}

static inline void host_stop(struct host *h)
{
	hv_loop_stop(h->loop);
	pthread_join(h->thread, NULL);
	for (unsigned i = 0; i < h->guests; i++) {
		netvsp_destroy(h->nic[i]);
		vmbus_bridge_destroy(h->bridge[i]);
		vswitch_port_destroy(h->port[i]);
	}
	vswitch_destroy(h->sw);
	hv_loop_destroy(h->loop);
	rmdir(h->dir);
}

struct host_stats { unsigned port; struct vswitch_port_stats stats; };

static inline void host_get_stats(struct host *h, void *arg)
{
	struct host_stats *s = arg;

	vswitch_port_stats(h->port[s->port], &s->stats);
}

/* Frames for guest i that the switch or its NIC dropped, for any reason. */
static inline uint64_t host_dropped(struct host *h, unsigned i)
{
	struct host_stats s = { .port = i };
	uint64_t n = 0;

	host_do(h, host_get_stats, &s);
	for (unsigned r = 0; r < VSWITCH_DROPS; r++)
		n += s.stats.out_dropped[r];
	return n;
}

/* ---- guests ---- */

struct guest {
	struct softguest *g;
	struct softguest_nic *nic;
	uint32_t next;			/* number of the next frame that is sent */
	uint64_t sent, received, bad, missed;
	uint32_t expected;		/* number of the next frame that should come */
	uint32_t last_bytes;
	uint8_t frame[FRAME_MAX];
};

/* Byte i of frame number seq. */
static inline uint8_t frame_byte(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 7 + i * 13 + (i >> 8));
}

static inline void fill_frame(uint8_t *f, uint32_t bytes, const uint8_t *to, const uint8_t *from, uint32_t seq)
{
	uint8_t head[18] = { [12] = TEST_TYPE >> 8, [13] = TEST_TYPE & 0xff };

	memcpy(head, to, 6);
	memcpy(head + 6, from, 6);
	memcpy(head + 14, &seq, 4);
	memcpy(f, head, bytes < 18 ? bytes : 18);
	for (uint32_t i = 18; i < bytes; i++)
		f[i] = frame_byte(seq, i);
}

static inline void guest_rx(void *opaque, struct softguest_nic *nic, const struct netvsc_frame *f)
{
	struct guest *t = opaque;
	uint32_t seq;

	(void)nic;
	if (f->bytes < 14 || f->data[12] != TEST_TYPE >> 8 || f->data[13] != (TEST_TYPE & 0xff))
		return;
	t->received++;
	t->last_bytes = f->bytes;
	if (f->bytes < 18)
		return;
	memcpy(&seq, f->data + 14, 4);
	t->missed += seq - t->expected;
	t->expected = seq + 1;
	for (uint32_t i = 18; i < f->bytes; i++) {
		if (f->data[i] != frame_byte(seq, i)) {
			t->bad++;
			break;
		}
	}
}

static inline void guest_attach(struct guest *t, struct host *h, unsigned i, uint32_t vmbus_version)
{
	struct softguest_opts o = { .vmbus_version = vmbus_version, .ram_bytes = 64 << 20, .vps = 1 + i % 2 };

	memset(t, 0, sizeof(*t));
	CU_ASSERT_EQUAL_FATAL(softguest_create(h->socket[i], &o, &t->g), 0);
	CU_ASSERT_EQUAL_FATAL(softguest_wait_nics(t->g, 1), 0);
	t->nic = softguest_nic(t->g, 0);
}

static inline int guest_try_open(struct guest *t, const struct softguest_nic_opts *opts)
{
	struct softguest_nic_opts o = opts ? *opts : (struct softguest_nic_opts){ 0 };
	int ret;

	o.rx = guest_rx;
	o.opaque = t;
	ret = softguest_nic_open(t->nic, &o);
	return ret ? ret : softguest_nic_set_filter(t->nic, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST);
}

static inline void guest_open(struct guest *t, const struct softguest_nic_opts *opts)
{
	CU_ASSERT_EQUAL_FATAL(guest_try_open(t, opts), 0);
}

static inline void guest_up(struct guest *t, struct host *h, unsigned i)
{
	guest_attach(t, h, i, 0);
	guest_open(t, NULL);
}

static inline void guest_down(struct guest *t)
{
	softguest_destroy(t->g);
	t->g = NULL;
}

/* Sends one numbered frame if there is room. */
static inline bool guest_send(struct guest *t, const uint8_t *to, uint32_t bytes)
{
	uint8_t *at = softguest_tx(t->nic, NULL, bytes);

	if (!at)
		return false;
	fill_frame(at, bytes, to, softguest_nic_mac(t->nic), t->next++);
	t->sent++;
	return true;
}

static inline bool guest_send_form(struct guest *t, enum softguest_form form, const uint8_t *to, uint32_t bytes)
{
	fill_frame(t->frame, bytes, to, softguest_nic_mac(t->nic), t->next);
	if (softguest_tx_form(t->nic, form, NULL, t->frame, bytes))
		return false;
	t->next++;
	t->sent++;
	return true;
}

/* Polls both (b may be NULL) until guest a has received n frames, or nothing has come for timeout_ms. */
static inline bool wait_received(struct guest *a, struct guest *b, uint64_t n, unsigned timeout_ms)
{
	uint64_t last = a->received, mark = hv_now_ns();

	while (a->received < n) {
		bool work = softguest_poll(a->g);

		if (b) {
			softguest_flush(b->nic);
			work |= softguest_poll(b->g);
		}
		if (a->received != last) {
			last = a->received;
			mark = hv_now_ns();
		} else if (hv_now_ns() - mark > timeout_ms * UINT64_C(1000000)) {
			return false;
		}
		if (!work)
			softguest_wait(a->g, 1);
	}
	return true;
}

/* A guest that sends to another on a thread of its own until told to stop. */
struct sender {
	struct guest *t;
	uint8_t to[6];
	pthread_t thread;
	atomic_bool stop;
};

static inline void *sender_thread(void *arg)
{
	struct sender *s = arg;

	while (!atomic_load(&s->stop)) {
		for (unsigned i = 0; i < 16 && guest_send(s->t, s->to, 100); i++)
			;
		softguest_flush(s->t->nic);
		if (!softguest_poll(s->t->g))
			softguest_wait(s->t->g, 1);
	}
	return NULL;
}

static inline void sender_start(struct sender *s, struct guest *t, const uint8_t *to)
{
	s->t = t;
	memcpy(s->to, to, 6);
	atomic_init(&s->stop, false);
	if (pthread_create(&s->thread, NULL, sender_thread, s))
		abort();
}

static inline void sender_stop(struct sender *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
}

#endif
