/* SPDX-License-Identifier: MIT */
/*
 * The ends of frames that reach nobody. Everything in the switch that gives a frame up calls one of
 * the first two, with the frame and the reason, so that counters, captures and reports agree. What a
 * NIC was handed and then dropped it says itself, with the frame as long as it has it.
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

void vswitch_port_drop_frames(struct vswitch_port *port, enum vswitch_drop reason,
			      const struct vswitch_frame *const *frames, unsigned n)
{
	vswitch_port_drop(port, reason, n);
	if (!frames || !(port->watch & VSWITCH_CAPTURE_DROPPED))
		return;
	for (unsigned i = 0; i < n; i++)
		capture_drop(port, VSWITCH_CAPTURE_OUT, frames[i], 1, reason, NULL);
}
