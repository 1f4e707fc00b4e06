/* SPDX-License-Identifier: MIT */
/*
 * A capture that the daemon reads itself: the frames that pass a filter at some points of a switch, each with its port, the moment
 * and, of a dropped one, reason and rule. The ring is the daemon's own memory. On the loop's thread.
 */
#ifndef HVNETD_DIAG_WATCH_H
#define HVNETD_DIAG_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vswitch;
struct vswitch_capture;
struct vswitch_capture_ring;

enum { DIAG_TEXT_BYTES = 160 };		/* of a rule, longer ones are cut */

struct diag_sight {
	const char *port;		/* its name; this and the frame are valid until the next call */
	const uint8_t *frame;		/* as on a wire */
	size_t bytes;
	uint64_t time_ns;		/* CLOCK_REALTIME */
	bool from_nic;			/* else on the way to it */
	char reason[32], rule[DIAG_TEXT_BYTES];	/* of the drop; empty: none */
};

struct diag_port_name {
	char s[64];
};

struct diag_watch {			/* zeroed: none */
	struct vswitch_capture *capture;	/* owned */
	struct vswitch_capture_ring *ring;	/* owned */
	size_t bytes;			/* of the ring's memory */
	uint64_t position;
	struct diag_port_name *names;	/* owned; of the capture's interfaces */
	uint32_t num_names;
	bool blind;			/* memory was short: it sees nothing any more */
};

struct diag_watch_desc {
	struct vswitch *sw;		/* borrowed: outlives the watch */
	const char *port;		/* NULL: all */
	unsigned points, directions;	/* of vswitch/capture.h */
	int vlan;			/* of there, too */
	const char *filter;		/* an expression of pcap-filter(7) without names */
	uint32_t ring_bytes;
	void (*wake)(void *cookie);	/* there is something; must only signal */
	void *cookie;
};

/* -ENOMEM, -EINVAL. What it has made is for diag_watch_end() in any case. */
int diag_watch_begin(struct diag_watch *w, const struct diag_watch_desc *desc) __attribute__((warn_unused_result));
/* The next frame, false: none now. */
bool diag_watch_next(struct diag_watch *w, struct diag_sight *out);
void diag_watch_end(struct diag_watch *w);

#endif
