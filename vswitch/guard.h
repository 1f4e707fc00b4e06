/* SPDX-License-Identifier: MIT */
/*
 * What the guards share: the frames of a batch with their headers parsed, in memory that nobody else changes.
 */
#ifndef HVNET_VSWITCH_GUARD_H
#define HVNET_VSWITCH_GUARD_H

#include "vswitch/guard_parse.h"
#include "vswitch/rules.h"

enum { GUARD_PIECES = 72 };	/* our policy: more than a 64 KiB frame in pages has, and a few */

struct guard_frame {
	const uint8_t *bytes;	/* from the Ethernet header on, as far as the view says */
	struct guard_view view;
	struct iovec segs[GUARD_PIECES];
	uint8_t copy[VSWITCH_GUARD_BYTES];
};

struct guard_scratch {
	struct guard_frame frames[VSWITCH_BATCH];
};

/* The transport header, if at least n bytes of it are in the frame; else NULL. */
static inline const uint8_t *guard_transport(const struct guard_frame *g, uint32_t n)
{
	const struct guard_view *v = &g->view;

	if (v->opaque || v->malformed || v->hidden || v->later_fragment || v->end - v->transport_offset < n)
		return NULL;
	return g->bytes + v->transport_offset;
}

/* Router advertisements and redirects. NULL: none; else what it is. */
const char *guard_router_rule(const struct guard_frame *g);

#endif
