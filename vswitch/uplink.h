/* SPDX-License-Identifier: MIT */
/*
 * The uplink chapter of vswitch.h, which includes it: ports of a switch whose NIC is no guest's.
 *
 * What moves frames in and out is a wire: a tap, an existing interface (packet socket) or a stream socket. A plain uplink is one
 * wire on a port. A team is a port with up to 32 wires of any kind below it, its members; it chooses by which one a frame leaves.
 *
 * Threads: as the switch's; the loop must be the one that runs on this thread. Callbacks come from the loop, never from inside
 * another call into the switch, and may destroy the uplink that they are about.
 *
 * Network namespaces: an interface is looked up in the namespace of the calling thread, and stays bound if that moves on. A tap
 * stays, too, if the interface itself moves to another one (as a container's NIC).
 */
#ifndef HVNET_VSWITCH_UPLINK_H
#define HVNET_VSWITCH_UPLINK_H

#include "vswitch/vswitch.h"

struct vswitch_uplink;

enum {
	VSWITCH_TEAM_MEMBERS = 32,	/* at most; NIC indices are 1 … 32 */
	VSWITCH_WIRE_NAME_BYTES = 64,
};

/* ---- plain uplinks ---- */

/*
 * A port whose NIC is a Linux tap interface (created if it does not exist, and gone with the uplink then; -EPERM without
 * CAP_NET_ADMIN; -EBUSY: another process has it). kind INTERNAL: the host's own NIC on the switch; EXTERNAL: what is
 * behind is a network. Addresses and the interface's being up are left to others. If the interface is deleted, the port's
 * link goes down for good.
 */
int vswitch_uplink_tap(struct vswitch *sw, struct hv_loop *loop, const char *interface, enum vswitch_nic_kind kind,
		       struct vswitch_uplink **out) __attribute__((warn_unused_result));
/*
 * A port whose NIC is a connected stream socket with QEMU's `-netdev stream` framing (length as 4 bytes big-endian,
 * then the frame). Takes the descriptor over, also on failure. gone() is called once, from the loop and never inside
 * another call, if the peer closes or breaks the framing; the port's link is down then. It may destroy the uplink.
 * May be NULL.
 */
int vswitch_uplink_stream(struct vswitch *sw, struct hv_loop *loop, const char *name, int fd, enum vswitch_nic_kind kind,
			  void (*gone)(void *cookie), void *cookie, struct vswitch_uplink **out)
	__attribute__((warn_unused_result));
/*
 * An external port, named as the interface, whose NIC is an existing Ethernet interface of the host. Frames keep their offloads
 * both ways; the interface is promiscuous for as long as it is bound; the port's link and largest frame follow the interface's.
 * The interface's own addresses stay: what the host's stack does with them is vswitch_host_share()'s matter.
 *
 *	-ENODEV		no such interface in this namespace
 *	-EINVAL		not an Ethernet interface that can be bound: a loopback, a bridge, a tunnel …
 *	-EBUSY		member of a bridge, bond or another master; or bound by a switch of this process (also as a team's member)
 *	-ENETDOWN	it is not up (administratively; without carrier is fine: the link is down then)
 *	-EPERM		no CAP_NET_RAW
 *	-EEXIST		the switch has a port of this name
 *
 * If the interface is deleted, the port's link goes down and gone() is called, as for a stream.
 */
int vswitch_uplink_packet(struct vswitch *sw, struct hv_loop *loop, const char *interface, void (*gone)(void *cookie),
			  void *cookie, struct vswitch_uplink **out) __attribute__((warn_unused_result));

/* Removes the port too; for a team, its members. NULL is fine. */
void vswitch_uplink_destroy(struct vswitch_uplink *uplink);
struct vswitch_port *vswitch_uplink_port(struct vswitch_uplink *uplink);
/* Frames that reached the host for the uplink but never the switch: the kernel's socket buffer was full, or it had no words for them. */
uint64_t vswitch_uplink_lost(struct vswitch_uplink *uplink);

/* What could be bound, and why not; reasons as for vswitch_uplink_packet(). 0: it could be. */
int vswitch_uplink_check(const char *interface) __attribute__((warn_unused_result));

/* ---- teams ---- */

enum vswitch_team_mode {
	VSWITCH_TEAM_INDEPENDENT,	/* the physical switches know nothing of the team; members may go to several of them */
	VSWITCH_TEAM_STATIC,		/* the other end has a static aggregation group */
	VSWITCH_TEAM_LACP,		/* the other end speaks LACP, 802.1AX */
};

enum vswitch_team_algorithm {		/* by which member a frame leaves */
	VSWITCH_TEAM_DYNAMIC,		/* flowlets: as TRANSPORT, but a flow that paused may move to a member with less load */
	VSWITCH_TEAM_TRANSPORT,		/* hash of IP addresses and TCP or UDP ports; what is not IP by MAC */
	VSWITCH_TEAM_IP,		/* hash of IP addresses */
	VSWITCH_TEAM_MAC,		/* hash of MAC addresses */
	VSWITCH_TEAM_PORT,		/* by the switch port that the frame came from (HyperVPort) */
};

struct vswitch_team_event;

struct vswitch_team_config {
	enum vswitch_team_mode mode;
	enum vswitch_team_algorithm algorithm;
	uint32_t updelay_ms, downdelay_ms;	/* 0 … 60 000: a member's link must be up, or down, for so long before it counts */
	/* LACP */
	bool lacp_fast;			/* ask the partner for a PDU each second (timeout 3 s) instead of each 30 s (90 s) */
	bool lacp_passive;		/* speak only when spoken to */
	/*
	 * While no partner answers at any member, one carries traffic as if there were no LACP: a neighbour that is yet to be
	 * configured, or one that boots, can be reached. Without it none does, as Open vSwitch's default has it: a team
	 * at a switch that knows nothing of it could be a loop or lose what comes in.
	 */
	bool lacp_fallback;
	uint16_t lacp_system_priority;	/* 0: 32768 */
	uint8_t lacp_system[6];		/* zero: the first member's address */
	/* From the loop; may change and destroy the team. May be NULL. */
	void (*event)(void *cookie, const struct vswitch_team_event *event);
	void *cookie;
};

enum vswitch_wire_kind { VSWITCH_WIRE_TAP, VSWITCH_WIRE_PACKET, VSWITCH_WIRE_STREAM };

struct vswitch_member_config {
	enum vswitch_wire_kind kind;
	const char *name;		/* tap, packet: the interface; stream: what it is called; unique in the team; copied */
	int fd;				/* stream: connected; taken over, also on failure */
	bool standby;			/* unused until an active member fails; one member of a team at most; only in INDEPENDENT mode */
};

/*
 * An external port that is a team, without members yet: its link is down until the first one is usable. config is copied.
 * -EINVAL: a value out of its range. The port is what vswitch_uplink_port() says, and the uplink is destroyed as every uplink.
 *
 * An extensible-switch team is the same: struct vswitch_frame's member tells a forwarding extension where a frame came from, and
 * lets it choose where it leaves (0: the algorithm's choice; a member that is not usable: dropped). Each member is a NIC of the port, of
 * its index, created and connected when it is added; VSWITCH_STATUS_LINK says whether it is usable.
 */
int vswitch_uplink_team(struct vswitch *sw, struct hv_loop *loop, const char *name, const struct vswitch_team_config *config,
			struct vswitch_uplink **out) __attribute__((warn_unused_result));
/* Changes the settings of a team in place. -EINVAL, and nothing is changed: a bad value, or a standby member and a mode that has none. */
int vswitch_team_set(struct vswitch_uplink *team, const struct vswitch_team_config *config) __attribute__((warn_unused_result));
void vswitch_team_config(const struct vswitch_uplink *team, struct vswitch_team_config *out);

/*
 * Adds a member; index (may be NULL): 1 … 32, the lowest that is free. Errors as for the plain uplink of its kind, and -EEXIST: the
 * name is taken; -ENOSPC: 32 members; -EINVAL: a second standby, or a standby outside INDEPENDENT mode. A member whose peer or interface
 * goes away stays, with its link down, until it is removed; event() says GONE.
 */
int vswitch_team_add(struct vswitch_uplink *team, const struct vswitch_member_config *member, unsigned *index)
	__attribute__((warn_unused_result));
/* -ENOENT. Frames that it holds are dropped and counted. */
int vswitch_team_remove(struct vswitch_uplink *team, unsigned index) __attribute__((warn_unused_result));
int vswitch_team_set_standby(struct vswitch_uplink *team, unsigned index, bool standby) __attribute__((warn_unused_result));
/*
 * Frames from the switch's port of this id leave by this member while it is usable (team mapping); index 0: no longer so.
 * -ENOENT: no such member. -ENOSPC: 1024 mappings of ports that are there.
 */
int vswitch_team_map(struct vswitch_uplink *team, uint32_t port_id, unsigned index) __attribute__((warn_unused_result));

enum vswitch_member_state {
	VSWITCH_MEMBER_DOWN,		/* no link, or not for long enough */
	VSWITCH_MEMBER_STANDBY,		/* link, and waits for a failure */
	VSWITCH_MEMBER_NEGOTIATING,	/* link, but LACP has not agreed (yet) */
	VSWITCH_MEMBER_ACTIVE,		/* carries traffic */
	VSWITCH_MEMBER_GONE,		/* its interface or peer went away */
};
const char *vswitch_member_state_name(enum vswitch_member_state state);	/* "down", "standby", … */

struct vswitch_lacp_side {		/* of an LACPDU: actor or partner */
	uint16_t system_priority, key, port_priority, port;
	uint8_t system[6];
	uint8_t state;			/* 802.1AX: 1 activity, 2 short timeout, 4 aggregation, 8 synchronization, 16 collecting,
					   32 distributing, 64 defaulted, 128 expired */
};

enum vswitch_lacp_churn {		/* 802.1AX-2014 6.4.17: whether an end gets into sync with the other */
	VSWITCH_CHURN_MONITOR,		/* it is not, for less than 60 s */
	VSWITCH_CHURN_NONE,		/* it is */
	VSWITCH_CHURN,			/* not within 60 s: two ends whose settings do not go together, or no end at all */
};
const char *vswitch_lacp_churn_name(enum vswitch_lacp_churn churn);	/* "monitor", "none", "churn" */

struct vswitch_member_stats {
	uint64_t in_frames, in_bytes;	/* passed on to the switch */
	uint64_t out_frames, out_bytes;	/* given to the wire; what it then drops is also in out_dropped */
	uint64_t out_dropped;
	uint64_t in_duplicates;		/* group frames that another member is to take in, and our own that came back */
	uint64_t in_inactive;		/* frames that came while the member took none in */
	uint64_t in_lost;		/* as vswitch_uplink_lost() */
	uint64_t rewritten;		/* left with the member's own source address */
	uint64_t failures;		/* times that it stopped being usable */
	uint64_t lacp_in, lacp_out, lacp_bad;	/* PDUs; bad: not understood */
	uint64_t marker_in, marker_out;
	uint64_t actor_churns, partner_churns;	/* times that they became VSWITCH_CHURN */
};

struct vswitch_member_status {
	unsigned index;
	enum vswitch_wire_kind kind;
	char name[VSWITCH_WIRE_NAME_BYTES];
	enum vswitch_member_state state;
	bool link;			/* of the wire, now */
	bool standby;			/* as configured */
	bool primary;			/* INDEPENDENT: the one that group frames come in by, and whose address is the team's */
	uint32_t speed_mbps;		/* 0: not known */
	uint8_t mac[6];
	struct vswitch_lacp_side actor, partner;	/* LACP mode only, else zero */
	enum vswitch_lacp_churn actor_churn, partner_churn;	/* … else MONITOR */
	struct vswitch_member_stats stats;
};

/* The member of the lowest index that is greater than `after` (0: the first). -ENOENT: there is none. */
int vswitch_team_next(const struct vswitch_uplink *team, unsigned after, struct vswitch_member_status *out)
	__attribute__((warn_unused_result));

/* A member's state has changed; one that was added comes from DOWN. */
struct vswitch_team_event {
	struct vswitch_uplink *team;
	unsigned index;
	const char *name;		/* for the call */
	enum vswitch_member_state state;
};

/* ---- sharing an interface with the host ---- */

/*
 * The host keeps its network through a host adapter: what the host has on `interface` (addresses, routes, MAC, MTU; not IPv6
 * link-local ones) goes to `adapter`, an internal tap uplink of the same switch, and from now on the host's stack hears nothing
 * from the interface itself.
 * Needs CAP_NET_ADMIN. Before anything is changed, `record` is written (a file, replaced atomically; its folder exists): what there was.
 * All or nothing: a failure puts everything back. These do blocking netlink requests, a few milliseconds.
 *
 *	-ENODEV		one of the two is not there
 *	-EINVAL		they are the same, or the adapter is not an Ethernet one
 *	-EEXIST		there is a record: undo that first
 *	-EOPNOTSUPP	the kernel has no nf_tables, so its stack could not be kept from hearing everything twice
 */
int vswitch_host_share(const char *interface, const char *adapter, const char *record) __attribute__((warn_unused_result));
/*
 * Puts all back and removes the record: from the adapter's present settings if it is still there, else (the process had died, and its tap
 * with it) from the record. To be called before the adapter is destroyed, and at start-up for each record found.
 *
 *	-ENOENT		no record: nothing is shared
 *	-EBADMSG	the record is damaged; nothing is changed
 *	-ENODEV		the interface is not there (now); the record stays
 */
int vswitch_host_unshare(const char *record) __attribute__((warn_unused_result));

#endif
