/* SPDX-License-Identifier: MIT */
/*
 * What the wires on interfaces of the host have in common, a tap's and a packet socket's: the claim to the interface, what
 * rtnetlink says of it, a descriptor on the loop, and when that is read or waited for. On the loop's thread.
 */
#ifndef HVNET_VSWITCH_UPLINK_INTERFACE_H
#define HVNET_VSWITCH_UPLINK_INTERFACE_H

#include "vswitch/uplink_link.h"
#include "vswitch/uplink_wire.h"

struct interface_wire {
	struct wire wire;
	void (*receive)(struct interface_wire *i);	/* reads frames, a bounded number, until it is paused */
	struct hv_watch watch;
	struct link_monitor monitor;
	struct wire_claim claim;
	int fd;				/* owned */
	bool paused;			/* by the user */
	bool full;			/* the descriptor takes no more; set by send() */
};

/* Zeroed but for wire, receive and monitor.changed; the name is shorter than IFNAMSIZ. */
void interface_init(struct interface_wire *i, const char *name);
/* With a descriptor: the loop calls from now on. */
int interface_start(struct interface_wire *i, unsigned ifindex) __attribute__((warn_unused_result));
/* Half-built is fine, too; the rest of the struct stays. */
void interface_close(struct interface_wire *i);

/* A wire_ops.resume. */
void interface_resume(struct wire *w);
/* n may be 0. */
void interface_input(struct interface_wire *i, struct vswitch_frame *const *frames, unsigned n);
/* The end of a send(). */
void interface_sent(struct interface_wire *i);
/* The interface is no more: nothing comes or goes any longer. Not twice. */
void interface_gone(struct interface_wire *i);

#endif
