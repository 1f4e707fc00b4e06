/* SPDX-License-Identifier: MIT */
/*
 * The bandwidth chapter of vswitch.h, which includes it: how fast a port may send, and what of the uplink it can count on.
 *
 * Maximum. A token bucket on what the port's NIC sends into the switch: rate limit_bits, depth burst_bytes. While there are tokens
 * it may go faster, though not beyond burst_limit_bits. A batch is never cut: it may leave the bucket in debt, then the
 * sender is told to pause (vswitch_port_input() returns true) until the debt is paid. So a sender that pauses loses nothing. Of one
 * that goes on, what comes while the debt is larger than burst_bytes and VSWITCH_BANDWIDTH_DEBT_BYTES is dropped:
 * VSWITCH_DROP_RATE_LIMIT. Both are held to limit_bits. Bytes are those of frames as they come in, without FCS; a frame to be
 * segmented later counts once.
 *
 * Minimum. It matters when senders want more of the uplink (the external port) than it takes, that is when its NIC says that it
 * is congested. No frame is queued in the switch: what waits are the senders, each with its own ring as its queue. When the uplink
 * has room, the waiting sender that had least of it in proportion to its weight goes on, alone until it has had its part or has
 * nothing to send; then the next one (start-time fair queueing: weighted deficit round robin with the deficits in order). That
 * costs no copy and no memory per frame, loses nothing, and the guests' own queues feel the back pressure; per-port queues in front of
 * the uplink would need copies of guest memory, and would drop. What it cannot do is hold back a sender that does not pause.
 *
 * Ports without a setting share one weight, the default flow's.
 *
 * Capacity. What the uplink takes is what vswitch_port_set_capacity() says of the switch's ports; the uplinks of uplink.h do so by the
 * speed of their links: an interface by its own, a team by the sum of the members that carry traffic. While nothing of them has a
 * link, what was known last holds. An administrator's capacity replaces all that.
 *
 * Threads: as the switch's.
 */
#ifndef HVNET_VSWITCH_BANDWIDTH_H
#define HVNET_VSWITCH_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/policy.h"	/* struct vswitch_why */

enum {
	VSWITCH_BANDWIDTH_WEIGHT_MAX = 100,
	VSWITCH_BANDWIDTH_DEFAULT_WEIGHT = 10,	/* the default flow's; in mode ABSOLUTE: percent of the capacity */
	VSWITCH_BANDWIDTH_DEBT_BYTES = 131072,	/* our policy: two frames of the largest size */
};

enum vswitch_bandwidth_mode {		/* numbers of the seeds' BandwidthReservationMode */
	VSWITCH_BANDWIDTH_DEFAULT,	/* WEIGHT */
	VSWITCH_BANDWIDTH_WEIGHT,
	VSWITCH_BANDWIDTH_ABSOLUTE,
	VSWITCH_BANDWIDTH_NONE,		/* no minimum: who waits for the uplink goes on together */
};

/* Rates in bit/s, rounded down to multiples of 8; a rate above 0 that would be rounded to 0 is refused. */
struct vswitch_port_bandwidth {
	uint64_t limit_bits;		/* 0: none; at most 1 Tbit/s */
	uint64_t burst_limit_bits;	/* 0: none; at least limit_bits; only with a limit */
	uint64_t burst_bytes;		/* 0: what limit_bits gives in 10 ms, at least 64 KiB; at most 1 GiB; only with a limit */
	uint32_t weight;		/* 1 … 100, mode WEIGHT; 0: in the default flow */
	uint64_t reservation_bits;	/* mode ABSOLUTE; 0: in the default flow */
	bool overcommit;		/* more than the capacity may be reserved; the status will say so */
};

/*
 * Replaces the port's setting; all zeros: none.
 *	-EINVAL		why says what is wrong: a value's range, a weight on an absolute switch or the reverse
 *	-ENOSPC		with it, more than the uplink's capacity would be reserved
 * The old setting stays then. *why (may be NULL) is set on -EINVAL, -EBUSY and -ENOSPC.
 */
int vswitch_port_set_bandwidth(struct vswitch_port *port, const struct vswitch_port_bandwidth *setting,
			       struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* What vswitch_port_set_bandwidth() would say. */
int vswitch_port_check_bandwidth(const struct vswitch_port *port, const struct vswitch_port_bandwidth *setting,
				 struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* … of a port that would be new. */
int vswitch_bandwidth_check(const struct vswitch *sw, const struct vswitch_port_bandwidth *setting, struct vswitch_why *why)
	__attribute__((warn_unused_result));
void vswitch_port_bandwidth(const struct vswitch_port *port, struct vswitch_port_bandwidth *out);

struct vswitch_bandwidth {
	enum vswitch_bandwidth_mode mode;	/* fixed once the switch has a port: -EBUSY */
	uint32_t default_weight;	/* 0 … 100; 0: VSWITCH_BANDWIDTH_DEFAULT_WEIGHT */
	uint64_t default_reservation_bits;	/* 0: 10 % of the capacity */
	uint64_t capacity_bits;		/* as the administrator says; 0: as the uplinks do */
};

/*
 * -EINVAL, -EBUSY and -ENOSPC with why as above. A capacity may become too small for what is reserved (a link came up slower, a
 * team lost a member): that is not refused, the status says so.
 */
int vswitch_set_bandwidth(struct vswitch *sw, const struct vswitch_bandwidth *setting, struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* mode is never DEFAULT, and nothing is 0 that has a default, here. */
void vswitch_bandwidth(const struct vswitch *sw, struct vswitch_bandwidth *out);

/*
 * What the network behind an external port takes; 0: not known. vswitch_event_ops' capacity() is told of changes. Ports that do
 * not know count as nothing beside one that does.
 */
void vswitch_port_set_capacity(struct vswitch_port *port, uint64_t bits);

struct vswitch_bandwidth_status {
	enum vswitch_bandwidth_mode mode;
	uint64_t capacity_bits;		/* the administrator's, or the uplinks'; 0: not known, then no sum is too large */
	uint64_t uplink_bits;		/* the uplinks'; 0: not known */
	uint64_t reserved_bits;		/* mode ABSOLUTE: of all ports and the default flow */
	uint32_t weights;		/* mode WEIGHT: the same sum */
	uint32_t reserved_percent;	/* of the capacity; mode WEIGHT: 100; 0: not known */
	bool overcommitted;		/* more is reserved than the capacity */
};
void vswitch_bandwidth_status(const struct vswitch *sw, struct vswitch_bandwidth_status *out);

struct vswitch_port_bandwidth_status {
	uint32_t share_percent;		/* of the uplink under contention, if all ports contend; rounded down */
	uint64_t share_bits;		/* … of the capacity; 0: not known */
	uint64_t limit_pauses;		/* times that the limit made the sender pause */
	uint64_t uplink_bytes;		/* sent to an external port */
	bool paused;			/* by the limit, now */
};
void vswitch_port_bandwidth_status(const struct vswitch_port *port, struct vswitch_port_bandwidth_status *out);

#endif
