/* SPDX-License-Identifier: MIT */
/*
 * For the tests of captures: a switch with three NICs, a capture with a reader, and what that has read.
 */
#ifndef HVNET_VSWITCH_TEST_CAPTURE_H
#define HVNET_VSWITCH_TEST_CAPTURE_H

#include "vswitch/test_nic.h"
#include "vswitch/test_pcapng.h"

enum who { A, B, NET, NICS };			/* ports p1, p2, p9 */

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static struct read_capture *shown;

/* A capture with a reader that takes all it can get, as blocks one after the other. */
struct tap {
	struct vswitch_capture_ring *ring;
	struct vswitch_capture *capture;
	uint64_t position;
	uint8_t *file;
	size_t used, room;
	unsigned wakes;
};

static inline void on_wake(void *cookie)
{
	((struct tap *)cookie)->wakes++;
}

static inline struct vswitch_capture_config all(void)
{
	return (struct vswitch_capture_config){
		.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED | VSWITCH_CAPTURE_EGRESS | VSWITCH_CAPTURE_DROPPED,
		.directions = VSWITCH_CAPTURE_IN | VSWITCH_CAPTURE_OUT,
		.vlan = VSWITCH_CAPTURE_VLAN_ANY,
	};
}

static inline int tap_start_bytes(struct tap *t, const struct vswitch_capture_config *config, uint32_t bytes)
{
	struct vswitch_capture_config c = *config;
	int ret;

	*t = (struct tap){ .ring = aligned_alloc(64, vswitch_capture_ring_size(bytes)) };
	memset(t->ring, 0, vswitch_capture_ring_size(bytes));
	t->ring->bytes = bytes;
	c.ring = t->ring;
	c.wake = on_wake;
	c.cookie = t;
	ret = vswitch_capture_start(sw, &c, &t->capture);
	if (ret)
		free(t->ring);
	return ret;
}

static inline void tap_start(struct tap *t, const struct vswitch_capture_config *config)
{
	CU_ASSERT_EQUAL_FATAL(tap_start_bytes(t, config, VSWITCH_CAPTURE_RING_MIN), 0);
}

static inline void tap_drain(struct tap *t)
{
	const uint8_t *block;
	uint32_t n;

	while ((block = vswitch_capture_next(t->ring, &t->position, &n))) {
		if (t->room - t->used < n) {
			t->room = 2 * t->room + n;
			t->file = realloc(t->file, t->room);
		}
		memcpy(t->file + t->used, block, n);
		t->used += n;
	}
	vswitch_capture_release(t->ring, t->position);
}

/* Ends it; what it saw is in shown. */
static inline void tap_stop(struct tap *t)
{
	struct vswitch_capture_stats st;

	vswitch_capture_end(t->capture);
	vswitch_capture_stats(t->capture, &st);
	tap_drain(t);
	CU_ASSERT_EQUAL(t->ring->ended, 1);
	vswitch_capture_stop(t->capture);
	free(shown);
	shown = test_read_file(t->file, t->used);
	CU_ASSERT_EQUAL(shown->sections, 1);
	CU_ASSERT_EQUAL(shown->num_packets, st.captured);
	for (unsigned i = 0; i < shown->num_interfaces; i++) {
		CU_ASSERT(shown->interfaces[i].has_statistics);
		CU_ASSERT_EQUAL(shown->interfaces[i].packets + shown->interfaces[i].dropped, shown->interfaces[i].accepted);
		st.seen -= shown->interfaces[i].received;
		st.dropped -= shown->interfaces[i].dropped;
	}
	CU_ASSERT_EQUAL(st.seen, 0);
	CU_ASSERT_EQUAL(st.dropped, 0);
	free(t->ring);
}

/* The bytes that shown points into. */
static inline void tap_free(struct tap *t)
{
	free(t->file);
	free(shown);
	shown = NULL;
}

static inline void begin(void)
{
	sw = test_switch();
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_EMULATED, 2, 0);
	test_nic_plug(sw, &nics[NET], VSWITCH_NIC_EXTERNAL, 9, 0);
	frame = test_frame_new();
}

static inline void end_anyhow(void)
{
	for (int i = 0; i < NICS; i++) {
		CU_ASSERT_EQUAL(nics[i].port->watch, 0);
		test_nic_unplug(&nics[i]);
	}
	vswitch_destroy(sw);
	free(frame);
}

static inline void end(void)
{
	CU_ASSERT(test_balanced(sw));
	end_anyhow();
}

static inline void make(unsigned from, unsigned to, uint32_t len)
{
	uint8_t source[6], destination[6];

	test_mac(from, source);
	test_mac(to, destination);
	test_frame_plain(frame, destination, source, len);
}

static inline void send_plain(enum who through, unsigned from, unsigned to, uint32_t len)
{
	make(from, to, len);
	test_send(&nics[through], frame);
}

/* A UDP datagram for port; the test NICs look at nothing but addresses. */
static inline void make_udp(unsigned from, unsigned to, uint16_t port, uint32_t len)
{
	make(from, to, len);
	memset(frame->bytes + 12, 0, 30);
	put_be16(frame->bytes + 12, 0x0800);
	frame->bytes[14] = 0x45;
	put_be16(frame->bytes + 16, len - 14);
	frame->bytes[22] = 64;
	frame->bytes[23] = 17;
	put_be32(frame->bytes + 26, 0x0a000001);
	put_be32(frame->bytes + 30, 0x0a000002);
	put_be16(frame->bytes + 36, port);
	put_be16(frame->bytes + 38, len - 34);
	test_frame_set(frame, len);
}

static inline void make_tagged(uint16_t tci)
{
	make_udp(1, 2, 53, 80);
	frame->f.offload.flags |= VSWITCH_VLAN;
	frame->f.offload.vlan_tci = tci;
}

static inline void expect(unsigned n, const char *name, uint32_t flags, uint32_t len, const char *comment)
{
	const struct read_packet *p = &shown->packets[n];

	CU_ASSERT_FATAL(n < shown->num_packets);
	CU_ASSERT_STRING_EQUAL(shown->interfaces[p->interface].name, name);
	CU_ASSERT_EQUAL(p->flags, flags);
	CU_ASSERT_EQUAL(p->len, len);
	CU_ASSERT_STRING_EQUAL(p->comment, comment);
}

#endif
