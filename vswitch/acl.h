/* SPDX-License-Identifier: MIT */
/*
 * The ACL chapter of vswitch.h, which includes it: which IP and Ethernet traffic a port may send and receive, and how much it was.
 *
 * Directions are the guest's: OUT is what the port's NIC sends, checked when it comes into the switch; IN is what it is to get,
 * checked before it is delivered. "Local" is the NIC's side: the source of OUT, the destination of IN.
 *
 * A frame passes three lists, and what any of them denies is dropped (VSWITCH_DROP_ACL_OUT, VSWITCH_DROP_ACL_IN; the rule
 * is "acl ID"). A list in which nothing matches lets it pass; without entries everything passes:
 *
 *	1. simple MAC entries: the longest prefix decides. All frames.
 *	2. simple IP entries: the longest prefix decides. IPv4 and IPv6.
 *	3. extended entries: the highest weight decides. IPv4 and IPv6.
 *
 * Among simple entries of the same length (one local, one remote), deny wins. Then the frame is metered: of the meter entries
 * that match, those with the longest prefix count it (one local and one remote of the same length: both).
 *
 * What is IP: also behind further VLAN tags in the bytes (three at most) and in 802.2 SNAP, as some receivers see it. What is not,
 * ARP included, is only seen by the MAC entries. Neighbour discovery is IPv6 and needs to be allowed where the rest is denied.
 * A frame to be segmented later is checked once, as a whole. An IP frame whose headers cannot be followed (malformed, more than
 * 8 extension headers or 512 bytes) is dropped where there are IP entries: VSWITCH_DROP_BAD_HEADERS.
 *
 * Stateful: a frame that an extended allow entry with this flag lets pass opens a flow; from then on frames of the flow pass list 3
 * in both directions, until it ends. A flow is VLAN, protocol, addresses and ports (of ICMP: the echo's identifier).
 *	TCP: opened by a SYN; such an entry lets no other segment without a flow pass. Ends 10 s after FINs both ways, with an
 *	RST, or when idle. UDP, ICMP echo and other protocols: end when idle. Other ICMP messages open nothing.
 *	Errors (ICMP and ICMPv6: unreachable, too big, time exceeded, parameter problem) that quote a packet of a flow pass list 3 as
 *	frames of the flow do, if they go to the sender of that packet, and the flow had packets in its direction. They change no
 *	flow. Of others the entries decide. What is quoted must show the ports; fragments are never such errors, nor quoted errors.
 * Where VLANs are private, a flow belongs to the primary one, and ends when that is another one.
 * A flow without an answer ends when idle for 30 s at most. Each time the port's extended entries have changed, a flow lives on only
 * if what opened it would still be let pass by a stateful entry. A port keeps vswitch_acl_set_flow_limit() flows; then the one
 * that was idle longest makes room, those without an answer first.
 *
 * Fragments: the first has the ports, and decides for the later ones of its datagram. A later one that comes before it, or
 * without it, passes only if entries without ports let it pass, and no deny entry with ports could match it. First fragments that
 * do not hold the whole transport header, and later ones that would overwrite it, are dropped: VSWITCH_DROP_FRAGMENT.
 *
 * Cost: neither a lookup nor a change depends on the number of entries (acl_match.c says why). Threads: as the switch's; nothing is
 * allocated per frame.
 */
#ifndef HVNET_VSWITCH_ACL_H
#define HVNET_VSWITCH_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/policy.h"	/* struct vswitch_why */

enum {
	VSWITCH_ACL_MAX = 65536,	/* entries of a switch (our policy) */
	VSWITCH_ACL_PROTOCOL_ANY = 256,
	VSWITCH_ACL_IDLE_DEFAULT_S = 255,
	VSWITCH_ACL_IDLE_MAX_S = 604800,	/* a week (our policy) */
	VSWITCH_ACL_FLOWS_DEFAULT = 4096,	/* of a port (our policy) */
	VSWITCH_ACL_FLOWS_MIN = 16,
	VSWITCH_ACL_FLOWS_MAX = 1048576,
};

/* The numbers of these enums are those of the seeds' classes. */
enum vswitch_acl_direction { VSWITCH_ACL_IN = 1, VSWITCH_ACL_OUT = 2 };
enum vswitch_acl_action { VSWITCH_ACL_ALLOW = 1, VSWITCH_ACL_DENY = 2, VSWITCH_ACL_METER = 3 };
enum vswitch_acl_side { VSWITCH_ACL_LOCAL = 1, VSWITCH_ACL_REMOTE = 2 };
enum vswitch_acl_family {
	VSWITCH_ACL_ANY,		/* any IP address, version 4 or 6 */
	VSWITCH_ACL_MAC,
	VSWITCH_ACL_IPV4,
	VSWITCH_ACL_IPV6,
};

struct vswitch_acl_address {
	enum vswitch_acl_family family;
	uint8_t prefix_bits;		/* 0 … 48, 32 or 128; of ANY 0 */
	uint8_t bytes[16];		/* as in the frame; what lies behind the prefix is ignored, and read back as zero */
};

struct vswitch_acl_simple {
	enum vswitch_acl_direction direction;
	enum vswitch_acl_action action;	/* METER: with IP addresses only */
	enum vswitch_acl_side side;	/* whose address */
	struct vswitch_acl_address address;
};

struct vswitch_acl_ports {
	uint16_t first, last;		/* 0 and 65535, or both 0: any, also frames without ports */
};

struct vswitch_acl_extended {
	enum vswitch_acl_direction direction;
	enum vswitch_acl_action action;	/* ALLOW or DENY */
	struct vswitch_acl_address local, remote;	/* ANY, IPV4 or IPV6; not one of each version */
	struct vswitch_acl_ports local_ports, remote_ports;	/* of TCP, UDP, DCCP, SCTP and UDP-Lite */
	uint16_t protocol;		/* 0 … 255 or VSWITCH_ACL_PROTOCOL_ANY */
	uint16_t weight;		/* 1 … 65535, the highest first; of the same weight the older entry first */
	bool stateful;			/* only with ALLOW */
	uint32_t idle_timeout_s;	/* 1 … VSWITCH_ACL_IDLE_MAX_S; 0: the default */
	uint16_t isolation_id;		/* only frames in this VLAN, 1 … 4094; 0: in any */
};

struct vswitch_acl_entry {
	uint32_t id;			/* unique in the switch, never 0; new ones are higher than any before */
	bool is_extended;
	union {
		struct vswitch_acl_simple simple;
		struct vswitch_acl_extended extended;
	};
	uint64_t frames, bytes;		/* that it decided, denied ones included; of METER: that it metered */
	uint32_t flows;			/* stateful: open now that it let in (those of before a change count when used again) */
};

/*
 * Adds an entry, in force from the next batch on. *id: the one that it is to have (after a restart, say); 0: a new one.
 *	-EINVAL		why says which field and what is wrong with it
 *	-EEXIST		a simple entry that decides (or meters) the same exists: why names it; or *id is in use
 *	-ENOSPC		VSWITCH_ACL_MAX		-ENOMEM
 * Nothing has changed then. *why (may be NULL) is set on -EINVAL, -EEXIST and -ENOSPC.
 */
int vswitch_acl_add_simple(struct vswitch_port *port, const struct vswitch_acl_simple *entry, uint32_t *id,
			   struct vswitch_why *why)
	__attribute__((warn_unused_result));
int vswitch_acl_add_extended(struct vswitch_port *port, const struct vswitch_acl_extended *entry, uint32_t *id,
			   struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* What adding would say, without a port. */
int vswitch_acl_check_simple(const struct vswitch_acl_simple *entry, struct vswitch_why *why)
	__attribute__((warn_unused_result));
int vswitch_acl_check_extended(const struct vswitch_acl_extended *entry, struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* -ENOENT: the port has no such entry. Its counters are gone with it. */
int vswitch_acl_delete(struct vswitch_port *port, uint32_t id) __attribute__((warn_unused_result));
/* -ENOENT */
int vswitch_acl_get(const struct vswitch_port *port, uint32_t id, struct vswitch_acl_entry *out)
	__attribute__((warn_unused_result));
/* The port's entries in the order in which they were added: first with NULL; NULL after the last. Valid until the next change. */
const struct vswitch_acl_entry *vswitch_acl_next(const struct vswitch_port *port, const struct vswitch_acl_entry *prev);
/* Removes all entries and flows of the port. */
void vswitch_acl_clear(struct vswitch_port *port);

struct vswitch_acl_stats {
	uint32_t entries;
	uint32_t flows, flow_limit;
	uint64_t flows_opened, flows_closed;	/* closed: by FIN or RST */
	uint64_t flows_expired, flows_evicted;	/* idle; for another one's sake */
	uint64_t flows_revoked;			/* not allowed any more after a change of entries, or cleared */
	uint64_t errors_related;		/* that passed with the flow of what they quote */
	uint64_t errors_unrelated;		/* … that quote nothing of a flow, and were left to the entries */
};
void vswitch_acl_stats(const struct vswitch_port *port, struct vswitch_acl_stats *out);
/* FLOWS_MIN … FLOWS_MAX, else -EINVAL. -EBUSY: the port has flows. -ENOMEM. */
int vswitch_acl_set_flow_limit(struct vswitch_port *port, uint32_t limit) __attribute__((warn_unused_result));

/*
 * What the flows of a port are now, for the save of its NIC: a blob with version and checksum. *size: bytes of buf, then of the blob.
 * -ENOSPC: *size says how many it takes.
 */
int vswitch_acl_save_flows(struct vswitch_port *port, void *buf, size_t *size) __attribute__((warn_unused_result));
/*
 * Flows as saved, for a port that has its entries already. The blob need not be trusted. A flow that the entries would not open, or
 * for which there is no room, is left out (counted as revoked or evicted); times that passed in between do not count.
 * -EBADMSG: not a blob of save_flows(), or damaged. -EOPNOTSUPP: of another version. -ENOMEM. Nothing has changed then.
 */
int vswitch_acl_restore_flows(struct vswitch_port *port, const void *blob, size_t size) __attribute__((warn_unused_result));

#endif
