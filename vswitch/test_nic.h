/* SPDX-License-Identifier: MIT */
/*
 * For the switch's tests: NICs that keep a copy of all that they get, and frames to send.
 */
#ifndef HVNET_VSWITCH_TEST_NIC_H
#define HVNET_VSWITCH_TEST_NIC_H

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "vswitch/internal.h"

struct got_frame {
	uint8_t *bytes;		/* owned */
	uint32_t len;
	uint16_t head_bytes;
	uint8_t member;
	struct vswitch_offload offload;
};

struct test_nic {
	struct vswitch_nic nic;
	struct vswitch_port *port;
	struct got_frame *got;	/* owned */
	unsigned num_got, delivers, flushes, resumes, ups, downs;
	unsigned room;		/* frames that it still takes; then it drops with reason */
	enum vswitch_drop reason;
	void (*on_deliver)(struct test_nic *t);
};

static inline void test_nic_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct test_nic *t = opaque;
	struct got_frame *g;

	CU_ASSERT(n >= 1 && n <= VSWITCH_BATCH);
	t->delivers++;
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT(frames[i]->head_bytes <= VSWITCH_HEAD_BYTES);
		CU_ASSERT(frames[i]->len > VSWITCH_HEAD_BYTES ||
			  frames[i]->head_bytes == frames[i]->len);
		if (!t->room) {
			vswitch_port_drop_frames(t->port, t->reason, frames + i, 1);
			continue;
		}
		t->room--;
		t->got = realloc(t->got, (t->num_got + 1) * sizeof(*t->got));
		g = &t->got[t->num_got++];
		g->len = frames[i]->len;
		g->head_bytes = frames[i]->head_bytes;
		g->member = frames[i]->member;
		g->offload = frames[i]->offload;
		g->bytes = malloc(g->len);
		vswitch_frame_copy(frames[i], 0, g->bytes, g->len);
	}
	if (t->on_deliver)
		t->on_deliver(t);
}

static inline void test_nic_flush(void *opaque)
{
	((struct test_nic *)opaque)->flushes++;
}

static inline void test_nic_resume(void *opaque)
{
	((struct test_nic *)opaque)->resumes++;
}

static inline void test_nic_link(void *opaque, bool up)
{
	struct test_nic *t = opaque;

	if (up)
		t->ups++;
	else
		t->downs++;
}

static const struct vswitch_nic_ops test_nic_ops = {
	.deliver = test_nic_deliver,
	.flush = test_nic_flush,
	.resume = test_nic_resume,
	.link = test_nic_link,
};

/* The number-th station's address; group addresses and zero are not among them. */
static inline void test_mac(unsigned number, uint8_t mac[6])
{
	mac[0] = 0x02;
	mac[1] = 0;
	put_be32(mac + 2, number);
}

static inline void test_nic_init(struct test_nic *t, enum vswitch_nic_kind kind, unsigned number,
				 uint32_t caps)
{
	*t = (struct test_nic){
		.nic = {
			.kind = kind,
			.caps = caps,
			.max_frame_bytes = 1514,
			.ops = &test_nic_ops,
			.opaque = t,
		},
		.room = UINT32_MAX,
		.reason = VSWITCH_DROP_NO_BUFFER,
	};
	if (kind != VSWITCH_NIC_EXTERNAL)
		test_mac(number, t->nic.mac);
}

static inline void test_nic_clear(struct test_nic *t)
{
	for (unsigned i = 0; i < t->num_got; i++)
		free(t->got[i].bytes);
	free(t->got);
	t->got = NULL;
	t->num_got = t->delivers = t->flushes = t->resumes = 0;
}

static inline void test_nic_plug(struct vswitch *sw, struct test_nic *t, enum vswitch_nic_kind kind,
				 unsigned number, uint32_t caps)
{
	char name[16];

	test_nic_init(t, kind, number, caps);
	snprintf(name, sizeof(name), "p%u", number);
	if (vswitch_port_create(sw, name, &t->port) || vswitch_port_connect(t->port, &t->nic))
		abort();
}

static inline void test_nic_unplug(struct test_nic *t)
{
	vswitch_port_destroy(t->port);
	t->port = NULL;
	test_nic_clear(t);
}

static inline struct vswitch *test_switch(void)
{
	struct vswitch_config config = { .name = "test" };
	struct vswitch *sw;

	if (vswitch_create(NULL, &config, &sw))
		abort();
	vswitch_tick(sw, 1000000000000);
	return sw;
}

/* A frame whose bytes beyond the head lie in a buffer of its own. */
struct test_frame {
	struct vswitch_frame f;
	struct iovec seg;
	uint8_t bytes[65536 + 64];
};

static inline struct test_frame *test_frame_new(void)
{
	struct test_frame *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	return t;
}

/* Makes f a fresh frame of the first len of bytes, without offload. */
static inline void test_frame_set(struct test_frame *t, uint32_t len)
{
	t->f = (struct vswitch_frame){ .len = len };
	t->f.head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	memcpy(t->f.head, t->bytes, t->f.head_bytes);
	t->seg = (struct iovec){ t->bytes + t->f.head_bytes, len - t->f.head_bytes };
	t->f.segs = &t->seg;
	t->f.nsegs = len > t->f.head_bytes;
}

/* Addresses, a type that nobody interprets, and a pattern. */
static inline void test_frame_plain(struct test_frame *t, const uint8_t to[6], const uint8_t from[6],
				    uint32_t len)
{
	memcpy(t->bytes, to, 6);
	memcpy(t->bytes + 6, from, 6);
	put_be16(t->bytes + 12, 0x88b5);	/* IEEE: for local experiments */
	for (uint32_t i = 14; i < len; i++)
		t->bytes[i] = (uint8_t)(i * 7);
	test_frame_set(t, len);
}

static inline bool test_send(struct test_nic *from, struct test_frame *t)
{
	struct vswitch_frame *f = &t->f;

	return vswitch_port_input(from->port, &f, 1);
}

static inline uint64_t test_sum(const uint64_t dropped[VSWITCH_DROPS])
{
	uint64_t sum = 0;

	for (int i = 0; i < VSWITCH_DROPS; i++)
		sum += dropped[i];
	return sum;
}

/* What struct vswitch_port_stats promises, over ports that all still exist. */
static inline bool test_balanced(struct vswitch *sw)
{
	uint64_t copies, offered = 0;
	struct vswitch_port_stats s;
	struct vswitch_port *p = NULL;
	bool ok;

	vswitch_originated_stats(sw, &s);
	ok = s.injected == s.forwarded + test_sum(s.in_dropped) + s.held;
	copies = s.copies;

	while ((p = vswitch_next_port(sw, p))) {
		vswitch_port_stats(p, &s);
		ok &= s.in_frames + s.injected == s.forwarded + test_sum(s.in_dropped) + s.held;
		ok &= s.offered + s.segments == s.out_frames + test_sum(s.out_dropped);
		copies += s.copies;
		offered += s.offered;
	}
	return ok && copies == offered;
}

static inline uint64_t test_in_dropped(const struct test_nic *t, enum vswitch_drop reason)
{
	return t->port->stats.in_dropped[reason];
}

static inline uint64_t test_out_dropped(const struct test_nic *t, enum vswitch_drop reason)
{
	return t->port->stats.out_dropped[reason];
}

#endif
