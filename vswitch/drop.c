/* SPDX-License-Identifier: MIT */
/*
 * The ends of frames that reach nobody. Everything in the switch that gives a frame up calls one of
 * these two, with the frame and the reason, so that counters, captures and reports agree. (What a
 * NIC was handed and then dropped it says itself, without the frame: vswitch_port_drop().)
 */
#include "vswitch/internal.h"

void drop_in(struct vswitch_port *from, const struct vswitch_frame *f, enum vswitch_drop reason, const char *rule)
{
	from->stats.in_dropped[reason]++;
	if (from->watch & VSWITCH_CAPTURE_DROPPED)
		capture_drop(from, VSWITCH_CAPTURE_IN, f, 1, reason, rule);
}

void drop_out(struct vswitch_port *to, const struct vswitch_frame *f, unsigned n, enum vswitch_drop reason,
	      const char *rule)
{
	to->stats.out_dropped[reason] += n;
	to->last_drop = reason;
	if (to->watch & VSWITCH_CAPTURE_DROPPED)
		capture_drop(to, VSWITCH_CAPTURE_OUT, f, n, reason, rule);
}
