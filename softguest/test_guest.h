/* SPDX-License-Identifier: MIT */
/* For the tests: guests that send numbered frames and check what they get to the byte. */
#ifndef HVNET_SOFTGUEST_TEST_GUEST_H
#define HVNET_SOFTGUEST_TEST_GUEST_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/test.h"
#include "softguest/softguest.h"

enum { FRAME_MAX = 9216, TEST_TYPE = 0x88b5 };

struct guest {
	struct softguest *g;
	struct softguest_nic *nic;
	uint32_t next;			/* number of the next frame that is sent */
	uint64_t sent, received, bad, missed;
	uint32_t expected;		/* number of the next frame that should come */
	uint32_t last_bytes, last_flags;
	uint16_t last_tci;
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
	t->last_flags = f->flags;
	t->last_tci = f->vlan_tci;
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

static inline void guest_attach_socket(struct guest *t, const char *socket, uint32_t vps, uint32_t vmbus_version)
{
	struct softguest_opts o = { .vmbus_version = vmbus_version, .ram_bytes = 64 << 20, .vps = vps };

	memset(t, 0, sizeof(*t));
	CU_ASSERT_EQUAL_FATAL(softguest_create(socket, &o, &t->g), 0);
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

/*
 * Polls both (b may be NULL) until guest a has received n frames, or nothing has come for
 * timeout_ms.
 */
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
