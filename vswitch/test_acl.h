/* SPDX-License-Identifier: MIT */
/*
 * For the tests of ACLs: a guest whose port has the entries, another station, and packets between them.
 */
#ifndef HVNET_VSWITCH_TEST_ACL_H
#define HVNET_VSWITCH_TEST_ACL_H

#include "vswitch/acl_internal.h"
#include "vswitch/test_packet.h"

static struct vswitch *sw;
static struct test_nic guest, other;
static struct test_frame *frame;

static inline void begin(void)
{
	sw = test_switch();
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &other, VSWITCH_NIC_SYNTHETIC, 2, 0);
	frame = test_frame_new();
}

static inline void end(void)
{
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&guest);
	test_nic_unplug(&other);
	vswitch_destroy(sw);
	free(frame);
}

/* Whether the other side gets what one of the two sends. */
static inline bool frame_passes(struct test_nic *from)
{
	struct test_nic *to = from == &guest ? &other : &guest;
	unsigned before = to->num_got;

	test_send(from, frame);
	return to->num_got == before + 1;
}

static inline bool passes(struct test_nic *from, const struct test_packet *t)
{
	struct test_nic *to = from == &guest ? &other : &guest;

	test_packet_set(frame, to->nic.mac, from->nic.mac, t);
	return frame_passes(from);
}

static inline uint32_t extended(const struct vswitch_acl_extended *x)
{
	struct vswitch_why why;
	uint32_t id = 0;

	CU_ASSERT_EQUAL(vswitch_acl_add_extended(guest.port, x, &id, &why), 0);
	return id;
}

static inline struct vswitch_acl_entry entry(uint32_t id)
{
	struct vswitch_acl_entry e = { 0 };

	CU_ASSERT_EQUAL(vswitch_acl_get(guest.port, id, &e), 0);
	return e;
}

static inline struct vswitch_acl_stats stats(void)
{
	struct vswitch_acl_stats s;

	vswitch_acl_stats(guest.port, &s);
	return s;
}

#endif
