/* SPDX-License-Identifier: MIT */
/*
 * For the tests of what extensions do with frames: a switch with two guests and a wire, frames between them, and who may be on the
 * stack.
 */
#ifndef HVNET_VSWITCH_TEST_EXTENSION_FRAMES_H
#define HVNET_VSWITCH_TEST_EXTENSION_FRAMES_H

#include "vswitch/test_extension.h"

#define MS 1000000ull

enum { A, B, WIRE, NICS };

static struct vswitch *sw;
static struct recorder cap, top, low, fwd;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static uint64_t now_ns;

static inline void begin(void)
{
	hv_log_set_level(HV_LOG_ERROR);
	sw = test_switch();
	now_ns = 1000000000000;
	frame = test_frame_new();
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_plug(sw, &nics[WIRE], VSWITCH_NIC_EXTERNAL, 3, 0);
	record_clear();
}

static inline void end(void)
{
	CU_ASSERT(test_balanced(sw));
	for (unsigned i = 0; i < NICS; i++)
		if (nics[i].port)
			test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	free(frame);
}

static inline void with_three(void)
{
	begin();
	recorder_put(sw, &low, "low", VSWITCH_EXT_FILTER);
	recorder_put(sw, &top, "top", VSWITCH_EXT_FILTER);
	recorder_put(sw, &cap, "cap", VSWITCH_EXT_CAPTURE);
	record_clear();
}

static inline void with_forwarder(void)
{
	begin();
	recorder_put(sw, &fwd, "fwd", VSWITCH_EXT_FORWARD);
	recorder_put(sw, &top, "top", VSWITCH_EXT_FILTER);
	record_clear();
}

static inline uint32_t port_of(unsigned i)
{
	return vswitch_port_id(nics[i].port);
}

static inline void make(unsigned from, unsigned to, uint32_t len)
{
	uint8_t mac[6];

	test_mac(to == WIRE ? 77 : to + 1, mac);
	test_frame_plain(frame, mac, nics[from].nic.mac, len);
}

static inline void send(unsigned from, unsigned to)
{
	make(from, to, 200);
	test_send(&nics[from], frame);
	memset(frame->bytes, 0xee, 200);	/* the sender's memory is its own again */
}

/* Its last frame is the one that send() makes. */
static inline void has(unsigned i, unsigned n)
{
	CU_ASSERT_EQUAL(nics[i].num_got, n);
	if (!n || nics[i].num_got != n)
		return;
	CU_ASSERT_EQUAL(nics[i].got[n - 1].len, 200);
	for (uint32_t k = 14; k < 200; k++)
		CU_ASSERT_EQUAL(nics[i].got[n - 1].bytes[k], (uint8_t)(k * 7));
}

static inline void later(uint64_t ns)
{
	now_ns += ns;
	vswitch_tick(sw, now_ns);
}

static inline void hold_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			    struct vswitch_ext_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->present & 1u << i && r->num_held < 64 && !r->s->hold(v, i, &r->held[r->num_held]))
			r->num_held++;
}

static inline void release_all(struct recorder *r)
{
	while (r->num_held)
		CU_ASSERT_EQUAL(r->s->release(r->e, r->held[--r->num_held]), 0);
}

#endif
