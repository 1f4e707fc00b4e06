/* SPDX-License-Identifier: MIT */
/*
 * What rtnetlink says about an interface of the host, once and from then on.
 */
#ifndef HVNET_VSWITCH_UPLINK_LINK_H
#define HVNET_VSWITCH_UPLINK_LINK_H

#include <net/if.h>

#include "base/loop.h"

struct link_state {
	unsigned ifindex;
	unsigned type;			/* ARPHRD_… */
	unsigned flags;			/* IFF_… */
	unsigned master;		/* ifindex; 0: none */
	uint32_t mtu;
	uint8_t mac[6];			/* zero if it has no address of six bytes */
	char name[IFNAMSIZ];
	char kind[16];			/* "bridge", "veth", …; empty: hardware, mostly */
};

/* Up, with carrier and operational. */
bool link_runs(const struct link_state *s);
/* The interface of this name in the namespace of the calling thread. -ENODEV. */
int link_query(const char *name, struct link_state *out) __attribute__((warn_unused_result));
/* Whether it could carry an external port: 0, or as vswitch_uplink_packet() says. */
int link_check(const struct link_state *s) __attribute__((warn_unused_result));
/* Full duplex unless the interface says otherwise; speed 0: not known. */
void link_speed(const char *name, uint32_t *mbps, bool *full_duplex);

struct link_monitor {
	/* The interface is as state says; NULL: it is deleted, or has left the namespace. From the loop. */
	void (*changed)(struct link_monitor *m, const struct link_state *state);
	struct hv_watch watch;
	struct mnl_socket *nl;		/* owned; NULL: stopped */
	unsigned ifindex;
};

/* m is zeroed but for changed. Calls changed() once soon, then whenever something has changed. */
int link_monitor_start(struct hv_loop *loop, struct link_monitor *m, unsigned ifindex) __attribute__((warn_unused_result));
void link_monitor_stop(struct link_monitor *m);

#endif
