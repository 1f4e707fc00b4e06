/* SPDX-License-Identifier: MIT */
/*
 * IGMP and MLD snooping (RFC 4541): multicast of a group goes to the ports behind which somebody has asked for it and to those behind
 * which there are routers, per VLAN, IPv4 and IPv6 alike, by IP group. Off unless vswitch_set_options() says otherwise. Theory of
 * operation: snoop.c.
 *
 * On the switch's thread, as all of vswitch.h.
 */
#ifndef HVNET_VSWITCH_SNOOP_H
#define HVNET_VSWITCH_SNOOP_H

#include <stdbool.h>
#include <stdint.h>

struct vswitch;
struct vswitch_port;

enum {
	VSWITCH_SNOOP_GROUPS = 2048,	/* our policy: groups, and VLANs with routers, of a switch … */
	VSWITCH_SNOOP_MEMBERS = 8192,	/* … ports of all of these, added up … */
	VSWITCH_SNOOP_PORT_MEMBERS = 1024,	/* … of which one port has so many at most; beyond it the port gets everything */
};

/* Why nothing was learned from a message, which was forwarded all the same. */
enum vswitch_snoop_fault {
	VSWITCH_SNOOP_HEADERS,		/* IP headers that cannot be followed; a fragment of a message */
	VSWITCH_SNOOP_LENGTH,		/* shorter than its kind, or than what it says of itself */
	VSWITCH_SNOOP_CHECKSUM,		/* of IPv4 or of the message */
	VSWITCH_SNOOP_HOP_LIMIT,	/* TTL or hop limit is not 1 */
	VSWITCH_SNOOP_ROUTER_ALERT,	/* the option is missing; all but IGMPv1 and PIM have it */
	VSWITCH_SNOOP_ADDRESS,		/* a source, destination or group that its kind cannot have */
	VSWITCH_SNOOP_TOO_LONG,		/* longer than what we copy to look at it: the port gets everything for a while */
	VSWITCH_SNOOP_GUARDED,		/* a router's word from a port with the router guard */
	VSWITCH_SNOOP_FAULTS
};
const char *vswitch_snoop_fault_name(enum vswitch_snoop_fault fault);	/* "checksum" */

struct vswitch_snoop_stats {
	uint32_t groups, members;	/* now: of groups; routers are not among them */
	uint32_t routers;		/* now: ports behind which there are some, per VLAN and IP version */
	uint32_t queriers;		/* now: VLANs with a querier, per IP version */
	uint64_t queries, reports, hellos;	/* good ones; leaves are among the reports */
	uint64_t joined, left, expired;	/* members made; gone after a query that nobody answered, or for lack of reports */
	uint64_t full;			/* not learned for lack of room: the port gets everything for a while */
	uint64_t narrowed;		/* frames that did not go everywhere */
	uint64_t faults[VSWITCH_SNOOP_FAULTS];
};
/* All zero while it is off. */
void vswitch_snoop_stats(const struct vswitch *sw, struct vswitch_snoop_stats *out);

struct vswitch_snoop_entry {
	uint16_t vlan;			/* of private VLANs the primary */
	uint8_t version;		/* of IP: 4, 6 */
	bool is_router;			/* there is a router behind the port; else a listener to group */
	bool is_querier;		/* … which is the querier of the VLAN, with address */
	uint8_t group[16], address[16];	/* IPv4: the first four */
	const struct vswitch_port *port;
	uint32_t left_s;		/* until it is forgotten; UINT32_MAX: with the port */
};
/* All that was learned, port by port. */
void vswitch_snoop_visit(const struct vswitch *sw, void (*visit)(void *cookie, const struct vswitch_snoop_entry *e), void *cookie);

#endif
