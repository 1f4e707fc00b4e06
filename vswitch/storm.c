/* SPDX-License-Identifier: MIT */
/*
 * The storm limit: so many frames that go to many in each second, the rest of it nothing. What will be segmented counts
 * as its segments, or a guest could multiply what it is allowed by sending large.
 */
#include "vswitch/rules.h"

#define NS_PER_S 1000000000ull

static const char *storm_rule(struct vswitch_port *p, const struct vswitch_frame *f)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (f->head[0] & 1)
		return memcmp(f->head, broadcast, 6) ? "multicast" : "broadcast";
	return vswitch_look_up(p, f) ? NULL : "unknown unicast";
}

static uint32_t frames_of(const struct vswitch_frame *f)
{
	const struct vswitch_offload *o = &f->offload;

	return o->gso ? (f->len - o->header_bytes + o->gso_size - 1) / o->gso_size : 1;
}

uint32_t storm_ingress(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	struct port_rules *r = p->rules;

	for (uint32_t left = keep; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const char *rule = storm_rule(p, frames[i]);
		uint64_t now_ns;

		if (!rule)
			continue;
		now_ns = policy_now_ns(p->sw);
		if (!r->storm_since_ns || now_ns - r->storm_since_ns >= NS_PER_S) {
			r->storm_since_ns = now_ns;
			r->storm_used = 0;
		}
		if (frames_of(frames[i]) <= r->policy.storm_limit - r->storm_used) {
			r->storm_used += frames_of(frames[i]);
			continue;
		}
		drop_in(p, frames[i], VSWITCH_DROP_STORM, rule);
		keep &= ~(1u << i);
	}
	return keep;
}
