/* SPDX-License-Identifier: MIT */
/*
 * The policy chapter of vswitch.h, which includes it: what a port's NIC may send and gets to see. ACLs and bandwidth have
 * chapters of their own.
 *
 * A port that was given no policy is as open as can be: a trunk of all VLANs with native VLAN 0 that keeps priorities, no guards;
 * sources are checked as always. That is not the same as a policy of zeroes, which is what a VM's NIC has by default:
 * untagged frames only, priorities cleared.
 *
 * Order of the checks. From a NIC: length and addresses -> source MAC -> VLAN -> extensions -> storm limit -> BPDU guard, router
 * guard, DHCP guard -> ACL -> address guard, IP limit -> mirror -> bandwidth -> learning, lookup. To a NIC: VLAN, isolation -> ACL ->
 * extensions -> tag -> conversion -> delivery. The first that refuses a frame counts it, with its own reason.
 *
 * Guards look through VLAN tags, LLC/SNAP and up to VSWITCH_GUARD_EXTENSIONS IPv6 extension headers within the first
 * VSWITCH_GUARD_BYTES of a frame. A frame that hides its transport header from a guard that has to see it (further down, or in
 * a later fragment) is dropped by that guard. What they looked at is what is delivered: bytes that the guest could still
 * change are replaced by the copy that was checked.
 */
#ifndef HVNET_VSWITCH_POLICY_H
#define HVNET_VSWITCH_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct vswitch;
struct vswitch_frame;
struct vswitch_port;

enum {
	VSWITCH_VLAN_MAX = 4094,		/* 802.1Q: 1 … 4094; 0 stands for "untagged" here, 4095 is reserved */
	VSWITCH_POLICY_ADDRESSES = 32,		/* our policy: of an address guard */
	VSWITCH_POLICY_IP_LIMIT = 1024,		/* our policy: the highest that may be set */
	VSWITCH_GUARD_EXTENSIONS = 8,		/* our policy; RFC 8200 recommends each kind at most once */
	VSWITCH_GUARD_BYTES = 512,		/* our policy */
	/* Our policy: an expression and its end. libpcap's optimizer takes 4 ms for the worst of this length, 22 ms for twice as much. */
	VSWITCH_MONITOR_FILTER_BYTES = 256,
};

/* ---- VLAN ---- */

enum vswitch_vlan_mode {
	VSWITCH_VLAN_UNTAGGED,		/* VLAN 0 only. An external NIC's port: a trunk of all VLANs, native 0 */
	VSWITCH_VLAN_ACCESS,
	VSWITCH_VLAN_TRUNK,
	VSWITCH_VLAN_ISOLATED,		/* private VLAN: speaks to promiscuous ports only */
	VSWITCH_VLAN_COMMUNITY,		/* … also to its own community */
	VSWITCH_VLAN_PROMISCUOUS,	/* … to all of the primary VLAN and the listed secondaries */
};

struct vswitch_vlan_set { uint64_t bits[64]; };	/* VLAN v: bit v % 64 of bits[v / 64]; 1 … 4094 */

static inline void vswitch_vlan_set_add(struct vswitch_vlan_set *set, unsigned vlan)
{
	set->bits[vlan / 64 % 64] |= 1ull << vlan % 64;
}

static inline bool vswitch_vlan_set_has(const struct vswitch_vlan_set *set, unsigned vlan)
{
	return set->bits[vlan / 64 % 64] >> vlan % 64 & 1;
}

/*
 * Fields of other modes are to be zero or empty. A frame with a service tag (802.1ad, 0x88a8), or with a second tag below a
 * priority tag or a native VLAN's, would be in a VLAN of the guest's choice for whoever takes tags off: it is dropped,
 * except that an external port and a trunk carry service tags as payload of the native VLAN.
 * All ports of a switch must agree on which primary a secondary belongs to; nothing is both primary and secondary.
 */
struct vswitch_vlan_policy {
	enum vswitch_vlan_mode mode;
	uint16_t access;		/* ACCESS: 1 … 4094 */
	uint16_t native;		/* TRUNK: VLAN of frames without a tag, 0 … 4094; not in pruned */
	struct vswitch_vlan_set allowed;	/* TRUNK: not empty */
	struct vswitch_vlan_set pruned;	/* TRUNK: not allowed after all */
	uint16_t primary, secondary;	/* private modes; secondary not of PROMISCUOUS */
	struct vswitch_vlan_set secondaries;	/* PROMISCUOUS; may be empty */
};

/* ---- the policy of a port ---- */

enum vswitch_bpdu_guard {
	VSWITCH_BPDU_PASS,		/* no guard: spanning tree of 802.1D ends at the switch anyway, PVST+ is flooded */
	VSWITCH_BPDU_DROP,
	VSWITCH_BPDU_BLOCK,		/* … and the port carries nothing any more until its link goes down, or a new policy */
};

enum vswitch_monitor_mode {		/* MonitorMode's numbers */
	VSWITCH_MONITOR_NONE,
	VSWITCH_MONITOR_DESTINATION,	/* gets copies of what all source ports of the session send and receive */
	VSWITCH_MONITOR_SOURCE,
};

enum vswitch_monitor_direction {
	VSWITCH_MONITOR_BOTH,
	VSWITCH_MONITOR_FROM_NIC,
	VSWITCH_MONITOR_TO_NIC,
};

struct vswitch_address {
	uint8_t version;		/* 4 or 6 */
	uint8_t bytes[16];		/* the first 4, or all; in network order */
};

struct vswitch_port_policy {
	struct vswitch_vlan_policy vlan;
	bool allow_mac_spoofing;	/* AllowMacSpoofing; on an external port it has no effect */
	bool allow_teaming;		/* AllowTeaming: may use the address of another NIC of its VM (by vm_id) that
					   allows it, too; unicast to the address then goes to who used it last */
	bool allow_priority_tag;	/* AllowIeeePriorityTag; without it priority and DEI become 0, from and to the NIC
					   (an external port keeps them in any case) */
	bool dhcp_guard;		/* drops DHCP (UDP source port 67 over IPv4) and DHCPv6 (547 over IPv6) server messages */
	bool router_guard;		/* drops ICMPv6 134, 137; ICMP 5, 9 */
	enum vswitch_bpdu_guard bpdu_guard;
	bool isolated;			/* no frames to or from other ports that are isolated */
	uint32_t storm_limit;		/* StormLimit: broadcasts, multicasts and unknown unicasts per second, segments counted; 0: none */
	uint32_t dynamic_ip_limit;	/* DynamicIPAddressLimit: source addresses (IPv4, ARP, IPv6, ND) within the ageing time of
					   the switch; the frame of one more is dropped; 0: none */
	/*
	 * PreventIPSpoofing, AllowedIPv4Addresses, AllowedIPv6Addresses: the only addresses that the NIC may use as source of IP,
	 * as sender in ARP and as target of neighbour advertisements; what it says in these about link-layer addresses must be the
	 * frame's source. Addresses not yet had (0.0.0.0 in DHCP and ARP, :: in duplicate address detection of a listed address and
	 * in router solicitation and MLD) pass. Router advertisements and redirects are dropped.
	 */
	bool prevent_ip_spoofing;
	uint8_t num_addresses;
	struct vswitch_address addresses[VSWITCH_POLICY_ADDRESSES];

	enum vswitch_monitor_mode monitor_mode;
	enum vswitch_monitor_direction monitor_direction;	/* of a source */
	uint8_t monitor_session;
	/*
	 * Of a source: which of its frames are copied; of a destination: which copies it gets. An expression as
	 * vswitch_capture_compile() takes it, about the frame as the copy shows it; empty: all.
	 */
	char monitor_filter[VSWITCH_MONITOR_FILTER_BYTES];
	bool lldp;			/* gets the LLDP frames (type 0x88cc to a link-local group) of the external port; one
					   port of a switch at most */
};

/* Why a policy was refused. */
struct vswitch_why {
	const char *field;		/* as in the struct: "vlan.native" */
	char text[200];			/* "4095 is reserved"; of a filter: libpcap's words */
	uint32_t entry;			/* of an ACL, -EEXIST: the entry that is in the way */
};

/*
 * The port has this policy (copied) from now on: all of it, or on failure what it had before. policy NULL: none, as in the
 * beginning. The port may have a NIC and be in use. *why (may be NULL) is set on -EINVAL and -EBUSY.
 *	-EINVAL		a value outside its range, or two that exclude each other
 *	-EBUSY		another port's policy forbids it: private VLANs that disagree, a second lldp
 *	-ENOMEM
 * Addresses that were learned on the port are forgotten if its VLAN settings changed.
 */
int vswitch_port_set_policy(struct vswitch_port *port, const struct vswitch_port_policy *policy, struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* The same checks, for a port that would be new; nothing changes. */
int vswitch_policy_check(const struct vswitch *sw, const struct vswitch_port_policy *policy, struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* False: the port has none (*out is that of zeroes, but for allow_mac_spoofing). */
bool vswitch_port_policy(const struct vswitch_port *port, struct vswitch_port_policy *out);
/* Whether the BPDU guard has blocked the port. */
bool vswitch_port_blocked(const struct vswitch_port *port);

/* ---- the whole switch ---- */

struct vswitch_options {
	bool hub;			/* unknown unicast goes to all ports of its VLAN, as on the product of 2008;
					   else only to the external port and those that may spoof */
	uint32_t ageing_s;		/* as in struct vswitch_config */
	uint32_t max_learned;		/* as in struct vswitch_config. A change forgets what was learned */
	bool multicast_snooping;	/* snoop.h. Switching it off forgets what it has learned */
};
/* All or nothing. -EINVAL: ageing_s, max_learned (at most 1 048 576). -ENOMEM. */
int vswitch_set_options(struct vswitch *sw, const struct vswitch_options *options) __attribute__((warn_unused_result));
void vswitch_options(const struct vswitch *sw, struct vswitch_options *out);

/* Called on the switch's thread, mostly from within vswitch_port_input(): take a note, change nothing of the switch. Any may be NULL. */
struct vswitch_event_ops {
	/* The address moves between ports more than 5 times a second, and now stays where it is (port) for 10 s. */
	void (*flapping)(void *opaque, struct vswitch_port *port, struct vswitch_port *other, const uint8_t mac[6],
			 uint16_t vlan);
	/* The BPDU guard has blocked the port. */
	void (*blocked)(void *opaque, struct vswitch_port *port);
	/* What the uplinks take, all in all, is another: vswitch_bandwidth_status(). Not while frames pass. */
	void (*capacity)(void *opaque);
	/* A frame to a link-local group came in by the port: a team's LACP, for example. It is not forwarded. */
	void (*link_local)(void *opaque, struct vswitch_port *port, const struct vswitch_frame *f);
};
/* ops is borrowed until the next call; NULL: none. */
void vswitch_set_events(struct vswitch *sw, const struct vswitch_event_ops *ops, void *opaque);

/*
 * An administrator's entry in the forwarding table: (vlan, mac) is behind the port, until it is deleted or the port is; it neither
 * ages nor moves, and a frame from it by another port is dropped as spoofed. For a private VLAN, vlan is the primary.
 * -EINVAL: a group address or zero, or vlan beyond 4094. -EADDRINUSE: there is such an entry, or it is a NIC's. -ENOMEM.
 */
int vswitch_fdb_add(struct vswitch_port *port, const uint8_t mac[6], uint16_t vlan) __attribute__((warn_unused_result));
/* -ENOENT: there is none. */
int vswitch_fdb_del(struct vswitch_port *port, const uint8_t mac[6], uint16_t vlan) __attribute__((warn_unused_result));
/* Forgets what was learned on the port. */
void vswitch_port_fdb_flush(struct vswitch_port *port);

#endif
