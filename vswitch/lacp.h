/* SPDX-License-Identifier: MIT */
/*
 * LACP, IEEE 802.1AX-2014 6.4: the actor of one aggregation group. No I/O and no clock: PDUs and the time come in, PDUs go out.
 *
 * After any call that says "then run", lacp_run() does what follows from it.
 */
#ifndef HVNET_VSWITCH_LACP_H
#define HVNET_VSWITCH_LACP_H

#include <stdbool.h>
#include <sys/queue.h>

#include "vswitch/lacp_wire.h"
#include "vswitch/uplink.h"

#define LACP_NEVER UINT64_MAX

enum lacp_receive_state {	/* 6.4.12, without LACP_DISABLED */
	LACP_RECEIVE_PORT_DISABLED,	/* no link */
	LACP_RECEIVE_EXPIRED,		/* nothing heard for the timeout, or not yet: asks for fast PDUs */
	LACP_RECEIVE_DEFAULTED,		/* there is no partner */
	LACP_RECEIVE_CURRENT,
};

enum lacp_mux_state {		/* 6.4.15, independent control */
	LACP_MUX_DETACHED,
	LACP_MUX_WAITING,		/* for others that may want to join, 2 s */
	LACP_MUX_ATTACHED,		/* in sync, as far as we are concerned */
	LACP_MUX_COLLECTING,
	LACP_MUX_DISTRIBUTING,
};

struct lacp_churn {			/* 6.4.17, of the actor and of the partner alike */
	enum vswitch_lacp_churn state;
	uint64_t due_ns;		/* VSWITCH_CHURN_MONITOR: when it is churn; LACP_NEVER: there is no link */
	uint64_t count;			/* times that it was */
};

enum { LACP_TRANSMITS = 3 };	/* at most, per second: 6.4.16 */

struct lacp_port {
	struct vswitch_lacp_side actor, partner;	/* state: enum lacp_state */
	enum lacp_receive_state receive;
	enum lacp_mux_state mux;
	bool link;
	bool selected;			/* its LAG is the one that is used */
	bool alone;			/* … and has it alone, without a partner: the fallback */
	bool ntt;			/* need to transmit */
	uint32_t speed_mbps;
	uint64_t current_while_ns;	/* deadlines; LACP_NEVER: off */
	uint64_t wait_while_ns;
	uint64_t periodic_ns;
	uint64_t period_ns;		/* that periodic_ns was set with; 0: no periodic transmission */
	uint64_t sent_ns[LACP_TRANSMITS];	/* when the last ones went out */
	unsigned sent;			/* how many, ever */
	struct lacp_churn actor_churn, partner_churn;
	uint64_t in, out, bad;		/* PDUs */
	TAILQ_ENTRY(lacp_port) link_in_group;
	void *opaque;			/* the user's */
};

struct lacp {
	bool fast, passive;
	bool fallback;			/* the user's; then run: where nobody speaks LACP, one port carries traffic without */
	uint16_t system_priority;
	uint8_t system[6];
	TAILQ_HEAD(, lacp_port) ports;
	/* A PDU leaves; called from lacp_run(). */
	void (*transmit)(struct lacp_port *p, const struct lacpdu *pdu);
};

void lacp_init(struct lacp *l, void (*transmit)(struct lacp_port *p, const struct lacpdu *pdu));
/* Changes what the group says of itself. Then run. */
void lacp_configure(struct lacp *l, bool fast, bool passive, uint16_t system_priority, const uint8_t system[6]);
/* number: 1 … 65535, unique in the group. The port is zeroed but for opaque. */
void lacp_add(struct lacp *l, struct lacp_port *p, uint16_t number);
void lacp_remove(struct lacp *l, struct lacp_port *p);
/* Then run. */
void lacp_set_link(struct lacp *l, struct lacp_port *p, bool link, uint32_t speed_mbps, bool full_duplex, uint64_t now_ns);
/* A slow-protocol frame's n bytes after the Ethernet header, subtype LACP. False: not understood, nothing has changed. Then run. */
bool lacp_receive(struct lacp *l, struct lacp_port *p, const uint8_t *bytes, size_t n, uint64_t now_ns);
/* Does all that is due; when it wants to be called again at the latest. */
uint64_t lacp_run(struct lacp *l, uint64_t now_ns);

static inline bool lacp_collects(const struct lacp_port *p)
{
	return p->mux >= LACP_MUX_COLLECTING;
}

static inline bool lacp_distributes(const struct lacp_port *p)
{
	return p->mux == LACP_MUX_DISTRIBUTING;
}

/* lacp_pdu.c: between wire and host; false: not a good one. */
bool lacp_parse(const uint8_t *bytes, size_t n, struct vswitch_lacp_side *actor, struct vswitch_lacp_side *partner);
void lacp_build(const struct vswitch_lacp_side *actor, const struct vswitch_lacp_side *partner, struct lacpdu *out);
/* The answer to a Marker; false: it is none. */
bool lacp_marker_response(const uint8_t *bytes, size_t n, struct marker_pdu *out);

#endif
