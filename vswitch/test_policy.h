/* SPDX-License-Identifier: MIT */
/*
 * For the tests of policies: frames with tags, and who got a frame with which tag, as text.
 */
#ifndef HVNET_VSWITCH_TEST_POLICY_H
#define HVNET_VSWITCH_TEST_POLICY_H

#include <stdarg.h>

#include "vswitch/test_nic.h"

static const uint8_t test_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

enum { NO_TAG = -1 };

static inline struct vswitch_vlan_set test_vlans(int first, ...)
{
	struct vswitch_vlan_set set = { .bits = { 0 } };
	va_list args;

	va_start(args, first);
	for (int id = first; id > 0; id = va_arg(args, int))
		vswitch_vlan_set_add(&set, (unsigned)id);
	va_end(args);
	return set;
}

static inline void test_policy(struct test_nic *t, const struct vswitch_port_policy *policy)
{
	struct vswitch_why why = { .field = "" };
	int ret = vswitch_port_set_policy(t->port, policy, &why);

	if (ret) {
		fprintf(stderr, "%s: %d, %s: %s\n", vswitch_port_name(t->port), ret, why.field, why.text);
		CU_FAIL_FATAL("a policy that should be taken is refused");
	}
}

/* A tag in front of what the frame has behind its addresses: in the bytes. */
static inline void test_tag_bytes(struct test_frame *t, uint16_t type, uint16_t tci)
{
	uint32_t len = t->f.len;

	memmove(t->bytes + 16, t->bytes + 12, len - 12);
	put_be16(t->bytes + 12, type);
	put_be16(t->bytes + 14, tci);
	test_frame_set(t, len + 4);
}

/* The same in the metadata, or in the bytes. tci NO_TAG: none. */
static inline void test_tag(struct test_frame *t, int tci, bool in_bytes)
{
	if (tci == NO_TAG)
		return;
	if (in_bytes) {
		test_tag_bytes(t, 0x8100, (uint16_t)tci);
		return;
	}
	t->f.offload.flags |= VSWITCH_VLAN;
	t->f.offload.vlan_tci = (uint16_t)tci;
}

/* The outer tag that a NIC got, wherever it is; NO_TAG. */
static inline int test_tag_of(const struct got_frame *g)
{
	if (g->offload.flags & VSWITCH_VLAN)
		return g->offload.vlan_tci;
	return get_be16(g->bytes + 12) == 0x8100 ? get_be16(g->bytes + 14) : NO_TAG;
}

/* "A B+7": A got the frame without a tag, B with VLAN 7; "B+7p3": with priority 3; "A A" twice. Forgets what was got. */
static inline const char *test_receivers(struct test_nic *nics, unsigned n)
{
	static char text[512];
	char *at = text;

	*at = '\0';
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < nics[i].num_got; k++) {
			int tag = test_tag_of(&nics[i].got[k]);

			at += sprintf(at, "%s%s", at == text ? "" : " ", vswitch_port_name(nics[i].port));
			if (tag != NO_TAG)
				at += sprintf(at, "+%d", tag & VLAN_ID_MASK);
			if (tag != NO_TAG && tag >> 13)
				at += sprintf(at, "p%d", tag >> 13);
		}
		test_nic_clear(&nics[i]);
	}
	return text;
}

/* As test_nic_plug(), with a name. */
static inline void test_plug_as(struct vswitch *sw, struct test_nic *t, const char *name, enum vswitch_nic_kind kind,
				unsigned number, uint32_t caps)
{
	test_nic_init(t, kind, number, caps);
	if (vswitch_port_create(sw, name, &t->port) || vswitch_port_connect(t->port, &t->nic))
		abort();
}

#endif
