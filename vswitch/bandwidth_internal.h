/* SPDX-License-Identifier: MIT */
/*
 * What the files of bandwidth share. bandwidth.c: settings and status. bandwidth_limit.c: the maximum. bandwidth_share.c: who
 * goes on next towards an uplink.
 */
#ifndef HVNET_VSWITCH_BANDWIDTH_INTERNAL_H
#define HVNET_VSWITCH_BANDWIDTH_INTERNAL_H

#include "vswitch/internal.h"

#define BANDWIDTH_NS_PER_S 1000000000ull

/* A bucket, as the time at which it is neither full of debt nor of tokens: later than now is debt, earlier is tokens. */
struct bucket {
	uint64_t rate_bytes;		/* per second; 0: no bucket */
	uint64_t depth_ns;		/* of tokens */
	uint64_t debt_ns;		/* that a sender who does not pause may have */
	uint64_t even_ns;
	uint64_t remainder;		/* of the division by the rate, carried on */
};

/* Of a port that was ever given a setting. */
struct port_bandwidth {
	struct vswitch_port *port;	/* borrowed: owns this */
	struct vswitch_port_bandwidth setting;
	struct bucket mean, peak;
	bool told;			/* to pause, and not yet to go on */
	struct hv_timer timer;
	uint64_t pauses;
};

/* bandwidth.c: its part of the uplink, in a unit that depends on the mode; never 0. in_default: shared with others. */
uint64_t bandwidth_weight(const struct vswitch_port *sender, bool *in_default);
/* bandwidth_limit.c: a new setting is in force. */
void bandwidth_limit_changed(struct port_bandwidth *b);

#endif
