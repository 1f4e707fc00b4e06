/* SPDX-License-Identifier: MIT */
/*
 * A virtual Ethernet switch: ports, the NICs that are plugged into them, (VLAN, MAC) learning, flooding, counters with a
 * reason for each drop; and the uplinks (tap, stream socket, existing interface, teams of these). Devices
 * (netvsp, e1000) are NICs; they do not know each other.
 *
 * Threads: a switch, its ports and the NICs on them belong to one thread (a worker's); all calls and callbacks
 * happen on it. Frames are run to completion: when vswitch_port_input() returns, each frame has
 * been copied by its receivers or dropped and counted, and the sender's memory is its own again.
 * Nothing is allocated, locked or asked of the kernel per frame.
 *
 * At any time in = out + dropped(by reason); struct vswitch_port_stats says what that means with copies and segments.
 */
#ifndef HVNET_VSWITCH_H
#define HVNET_VSWITCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/loop.h"
#include "vswitch/acl.h"
#include "vswitch/bandwidth.h"
#include "vswitch/capture.h"
#include "vswitch/extension.h"
#include "vswitch/policy.h"
#include "vswitch/snoop.h"
#include "vswitch/stack.h"

struct vswitch;
struct vswitch_port;

/* ---- frames (extension.h) ---- */

/* Copies the frame's bytes [off, off + n) to dst; the range lies inside the frame. */
void vswitch_frame_copy(const struct vswitch_frame *f, uint32_t off, void *dst, uint32_t n);

/* ---- NICs: what is plugged into a port ---- */

/* What a NIC takes as it is; for the rest the switch computes checksums and segments before it delivers. */
enum vswitch_nic_caps {
	VSWITCH_CAN_CSUM = 1,		/* frames with VSWITCH_CSUM_PARTIAL */
	VSWITCH_CAN_TSO4 = 2,
	VSWITCH_CAN_TSO6 = 4,
	VSWITCH_CAN_VLAN = 8,		/* tags in metadata; else the switch puts them into the bytes */
};

struct vswitch_nic_ops {
	/*
	 * Takes 1 … VSWITCH_BATCH frames; what it cannot take it drops with vswitch_port_drop_frames(). Frames and their
	 * memory are the caller's again when this returns. Must not call vswitch_port_input() nor destroy a port; it may
	 * set congestion and links, and disconnect itself.
	 */
	void (*deliver)(void *opaque, const struct vswitch_frame *const *frames, unsigned n);
	/* After the last deliver() of a sender's batch: ring the doorbell, once. May be NULL. */
	void (*flush)(void *opaque);
	/* After an input that said "pause": go on. May be called from within another NIC's call: only kick a poller. May be NULL. */
	void (*resume)(void *opaque);
	/*
	 * The port's link changed: by vswitch_port_set_link(), at connect (true, if the port is up) and at disconnect or the
	 * port's end (false, if it was up; the NIC is off the port by then). Called from within these functions. May be NULL.
	 */
	void (*link)(void *opaque, bool up);
	/* A request from the switch or an extension; what it does not know it answers with -EOPNOTSUPP. May be NULL. */
	int (*request)(void *opaque, struct vswitch_request *r);
};

struct vswitch_nic {
	enum vswitch_nic_kind kind;
	uint8_t mac[6];			/* permanent address; zero for external ones */
	/* These two may change while the NIC is plugged in, between calls: a guest's driver negotiates them. */
	uint32_t caps;			/* enum vswitch_nic_caps */
	uint32_t max_frame_bytes;	/* longest frame it takes without segmentation, not counting a tag: e.g. 1514 */
	const struct vswitch_nic_ops *ops;
	void *opaque;
};

/* ---- switches and ports ---- */

struct vswitch_config {
	const char *name;		/* unique name; copied */
	uint32_t max_learned;		/* 0: 8192 (our policy, as Open vSwitch) */
	uint32_t ageing_s;		/* 0: 300 (802.1D) */
	uint32_t pause_ms;		/* how long senders wait for a receiver that is short of room; 0: 10 (our policy) */
};

/*
 * loop (borrowed: it outlives the switch) runs the timers of ageing and congestion. NULL: no timers, for tests and fuzzers
 * that bring the time themselves. -EINVAL: ageing_s is not 10 … 1 000 000.
 */
int vswitch_create(struct hv_loop *loop, const struct vswitch_config *config, struct vswitch **out)
	__attribute__((warn_unused_result));
/* Ports must be gone. NULL is fine. */
void vswitch_destroy(struct vswitch *sw);
const char *vswitch_name(const struct vswitch *sw);
/* Another name (copied) from now on; nothing else changes. -EINVAL: it is too long. */
int vswitch_rename(struct vswitch *sw, const char *name) __attribute__((warn_unused_result));

/* vswitch_port_create_as() with nothing but a name. */
int vswitch_port_create(struct vswitch *sw, const char *name, struct vswitch_port **out)
	__attribute__((warn_unused_result));
/* The whole way back at once, whatever state it is in; flushes. NULL is fine. */
void vswitch_port_destroy(struct vswitch_port *port);
uint32_t vswitch_port_id(const struct vswitch_port *port);
const char *vswitch_port_name(const struct vswitch_port *port);
struct vswitch *vswitch_port_switch(struct vswitch_port *port);
/* The connected NIC, or NULL. */
const struct vswitch_nic *vswitch_port_nic(const struct vswitch_port *port);
/* Ports in order of id: first with prev NULL; NULL after the last. */
struct vswitch_port *vswitch_next_port(struct vswitch *sw, struct vswitch_port *prev);

/* ---- life cycle: enum vswitch_port_state and enum vswitch_nic_state in extension.h ---- */

/*
 * The whole way of a NIC, each step told to the enabled extensions in their order:
 *	vswitch_port_create_as() -> policies -> vswitch_nic_create() -> vswitch_nic_connect() -> frames ->
 *	vswitch_nic_disconnect() -> vswitch_nic_delete() -> vswitch_port_delete()
 * Creating may be refused by an extension: -ECANCELED, nothing is left, vswitch_refusal() says who and why. Everything else
 * cannot. -EINVAL: not in this state. None of this from within deliver(), except vswitch_port_disconnect().
 *
 * Deleting waits until nothing refers to the NIC or port any more (frames that extensions hold, references that they took),
 * for VSWITCH_DRAIN_MS at most; then what is left is flushed, counted (VSWITCH_DROP_FLUSHED, struct vswitch_extension_stats).
 */
enum { VSWITCH_DRAIN_MS = 1000 };	/* our policy */

struct vswitch_port_config {
	const char *name;		/* unique in the switch; copied, as all these */
	const char *friendly_name;	/* NULL: as name */
	enum vswitch_port_type type;
	bool validation;		/* only checks a configuration: no NIC, nothing reserved */
};
/* A port without a NIC. -EEXIST: the name. -ECANCELED: an extension refuses. id > 0, unique in the switch, never reused. */
int vswitch_port_create_as(struct vswitch *sw, const struct vswitch_port_config *config, struct vswitch_port **out)
	__attribute__((warn_unused_result));
/* Another friendly name (PORT_UPDATED). */
int vswitch_port_updated(struct vswitch_port *port, const char *friendly_name) __attribute__((warn_unused_result));
/*
 * Tears the port down, then deletes it; its NICs must have been deleted (-EBUSY). 0: it is gone already. -EINPROGRESS: it is
 * not for the caller any more; deleted() (may be NULL) comes from the loop when it is gone.
 */
int vswitch_port_delete(struct vswitch_port *port, void (*deleted)(void *cookie), void *cookie);
void vswitch_port_info(const struct vswitch_port *port, struct vswitch_port_info *out);

/* What extensions are told about a NIC beside the device; texts may be NULL, all copied. */
struct vswitch_nic_config {
	const char *name, *friendly_name, *vm_name, *vm_id;
	uint32_t mtu;			/* 0: from the device, or 1500 */
	uint32_t interface;
	uint16_t numa_node;
	bool initializing;		/* extensions may lower the MTU: see vswitch_nic_info() */
	enum vswitch_nic_kind kind;	/* of members; index 0 has the device's */
	uint8_t mac[6];			/* … as well */
};
/*
 * index 0: the port's NIC, with its device (borrowed until it is deleted). index 1 … VSWITCH_MEMBERS: a member of the team that an
 * external port's NIC is, without a device of its own (NULL): nobody may refuse it. config may be NULL.
 * -EBUSY: there is one. -EADDRINUSE: the MAC is on another port. -EINVAL: the MAC is a group address, or zero on a NIC that is
 * not external; index or state.
 */
int vswitch_nic_create(struct vswitch_port *port, uint8_t index, const struct vswitch_nic *device,
		       const struct vswitch_nic_config *config) __attribute__((warn_unused_result));
/* From here on frames pass. -EADDRINUSE as above: somebody else took the address meanwhile. */
int vswitch_nic_connect(struct vswitch_port *port, uint8_t index) __attribute__((warn_unused_result));
/* From here on the device is not called any more, and nothing new is taken. */
int vswitch_nic_disconnect(struct vswitch_port *port, uint8_t index);
/* NIC created or disconnected. 0: gone already. -EINPROGRESS: deleted() comes from the loop. */
int vswitch_nic_delete(struct vswitch_port *port, uint8_t index, void (*deleted)(void *cookie), void *cookie);
/* What changed of a connected NIC (NIC_UPDATED): those of config that are set; current_mac only by vswitch_port_set_mac(). */
int vswitch_nic_updated(struct vswitch_port *port, uint8_t index, const struct vswitch_nic_config *config, bool vf_assigned)
	__attribute__((warn_unused_result));
/* Something to tell the extensions that is no step of the NIC's life; the switch itself reports links: */
enum { VSWITCH_STATUS_LINK = 1 };	/* data: one byte, 1: up */
void vswitch_nic_status(struct vswitch_port *port, uint8_t index, uint32_t code, const void *data, uint32_t bytes);
/* False: there is no such NIC. */
bool vswitch_nic_info(const struct vswitch_port *port, uint8_t index, struct vswitch_nic_info *out);

/* Who refused last, and why. */
struct vswitch_refusal {
	char extension[VSWITCH_NAME_BYTES];
	char reason[VSWITCH_REFUSAL_BYTES];	/* may be empty */
};
const struct vswitch_refusal *vswitch_refusal(const struct vswitch *sw);

/*
 * The convenient pair for index 0: create and connect; disconnect and delete, at once: extensions are asked to give up what they hold,
 * and what they do not is flushed. Errors as of the steps. Disconnect without a NIC is fine.
 */
int vswitch_port_connect(struct vswitch_port *port, const struct vswitch_nic *nic) __attribute__((warn_unused_result));
void vswitch_port_disconnect(struct vswitch_port *port);
/* The connected NIC has another address from now on; the nic's own field stays as it is. -ENOTCONN, else as connect. */
int vswitch_port_set_mac(struct vswitch_port *port, const uint8_t mac[6]) __attribute__((warn_unused_result));
/* Whether source addresses other than the NIC's own are accepted and learned (default: only on external NICs). */
void vswitch_port_allow_mac_spoofing(struct vswitch_port *port, bool allow);
/* Administrative link of the port; a port that is down neither takes nor gives frames. */
void vswitch_port_set_link(struct vswitch_port *port, bool up);
/* Whether frames could pass: administratively up, and its NIC, if it has one, does not say that its wire is dead. */
bool vswitch_port_link(const struct vswitch_port *port);

/*
 * n ≤ VSWITCH_BATCH frames from the port's NIC. The switch may change head[], offload and segs of the frames. true: a
 * receiver is short of room, or the port has reached its bandwidth limit; the sender should pause until resume() (which comes in
 * bounded time whatever the receiver does).
 */
bool vswitch_port_input(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n);

/*
 * A NIC that has room for less than a few batches says so, and says when it has room again. Who sends to its address
 * meanwhile is told to pause (floods pause nobody), for a bounded time (pause_ms from the first sender's pause).
 * After that the NIC is stalled: nobody pauses for it any more, and what it cannot take its deliver() drops,
 * until it says that it has room.
 */
void vswitch_port_set_congested(struct vswitch_port *port, bool congested);

/* ---- counters ---- */

enum vswitch_drop {
	VSWITCH_DROP_BAD_FRAME,		/* too short, too long, bad offload fields */
	VSWITCH_DROP_SPOOFED_SOURCE,
	VSWITCH_DROP_GROUP_SOURCE,	/* source address is a group address or zero */
	VSWITCH_DROP_SAME_PORT,		/* destination is behind the port it came from */
	VSWITCH_DROP_NO_DESTINATION,	/* nowhere to go */
	VSWITCH_DROP_LINK_LOCAL,	/* 01:80:c2:00:00:0x is not forwarded */
	VSWITCH_DROP_PORT_DOWN,
	VSWITCH_DROP_OWN_SOURCE,	/* our own address came back on the uplink */
	VSWITCH_DROP_TOO_BIG,		/* longer than the receiver's maximum and not segmentable */
	VSWITCH_DROP_NOT_READY,		/* the receiving NIC is not open, or its filter is closed */
	VSWITCH_DROP_FILTERED,		/* the receiving NIC's packet filter */
	VSWITCH_DROP_NO_BUFFER,		/* the receiving NIC has no receive buffer left */
	VSWITCH_DROP_RING_FULL,		/* … or no room in its ring */
	VSWITCH_DROP_UPLINK_FULL,	/* the tap or socket takes no more */
	VSWITCH_DROP_EXTENSION,		/* an extension dropped it */
	VSWITCH_DROP_FLUSHED,		/* an extension held it for too long, or when it had to give it up */
	VSWITCH_DROP_VLAN_IN,		/* the source port may not send in the frame's VLAN */
	VSWITCH_DROP_VLAN_OUT,		/* the receiving port is not in it */
	VSWITCH_DROP_ISOLATION,		/* both ports are isolated */
	VSWITCH_DROP_STORM,		/* beyond the storm limit */
	VSWITCH_DROP_BPDU_GUARD,	/* a spanning tree frame, or the port is blocked for one */
	VSWITCH_DROP_ROUTER_GUARD,
	VSWITCH_DROP_DHCP_GUARD,
	VSWITCH_DROP_ACL_IN,
	VSWITCH_DROP_ACL_OUT,
	VSWITCH_DROP_IP_SPOOFED,
	VSWITCH_DROP_IP_LIMIT,		/* one IP address more than the port may have */
	VSWITCH_DROP_MIRROR,		/* a copy for a mirror's destination that has no room to spare */
	VSWITCH_DROP_RATE_LIMIT,
	VSWITCH_DROP_FRAGMENT,		/* an IP fragment without ports, or one that would overwrite them, where an ACL needs them */
	VSWITCH_DROP_BAD_HEADERS,	/* IP headers that an ACL cannot follow */
	VSWITCH_DROP_TEAM_DUPLICATE,	/* a copy of a group frame that another member of the team takes in, or one of our own */
	VSWITCH_DROP_TEAM_INACTIVE,	/* the member of the team that it came by, or was to leave by, carries nothing */
	VSWITCH_DROPS			/* how many there are */
};
const char *vswitch_drop_name(enum vswitch_drop reason);	/* "no-buffer" */

/* A NIC drops n frames that were delivered to it, now or earlier: they do not count as out any more. */
void vswitch_port_drop(struct vswitch_port *port, enum vswitch_drop reason, unsigned n);
/* The same while the frames are still there to be shown by a capture, as they are from within deliver(). frames NULL: they are not. */
void vswitch_port_drop_frames(struct vswitch_port *port, enum vswitch_drop reason,
			      const struct vswitch_frame *const *frames, unsigned n);

/*
 * What was sent by the port's NIC ends in one of two ways, what is handed to it in one of two as well:
 *	in_frames + injected = forwarded + sum(in_dropped) + held
 *	offered + segments = out_frames + sum(out_dropped)
 * and over all ports that a switch ever had, sum(copies) = sum(offered). Hence, for a switch,
 *	in + injected + (copies - forwarded) + segments = out + dropped + held
 * where copies - forwarded is what flooding added and segments what segmentation added.
 */
struct vswitch_port_stats {
	uint64_t in_frames, in_bytes;	/* from the NIC into the switch */
	uint64_t out_frames;		/* delivered to the NIC and taken */
	uint64_t out_bytes;		/* of all delivered frames, also of those that the NIC then dropped */
	uint64_t in_dropped[VSWITCH_DROPS];	/* frames of this port that went nowhere */
	uint64_t out_dropped[VSWITCH_DROPS];	/* frames for this port that it did not take */
	uint64_t injected;		/* by extensions, on behalf of this port */
	uint64_t held;			/* frames of this port that extensions hold now */
	uint64_t forwarded;		/* frames of this port that were sent to at least one port */
	uint64_t copies;		/* … and to how many ports, added up */
	uint64_t flooded;		/* frames of this port that were sent to several */
	uint64_t offered;		/* frames that the switch chose this port for */
	uint64_t segments;		/* frames that came into being when one for this port was segmented: each n - 1 */
	uint64_t pauses;		/* times that this port as a receiver made senders pause */
	uint64_t stalls;		/* times that it did so for longer than the bound */
};
void vswitch_port_stats(const struct vswitch_port *port, struct vswitch_port_stats *out);
/* … of port 0: what extensions originated. */
void vswitch_originated_stats(const struct vswitch *sw, struct vswitch_port_stats *out);

/* The forwarding table; visit() for each entry. age_s of static ones is 0. */
enum vswitch_fdb_kind {
	VSWITCH_FDB_STATIC,		/* a guest's NIC, on any VLAN of its port */
	VSWITCH_FDB_LEARNED,
	VSWITCH_FDB_SELF,		/* the host's */
	VSWITCH_FDB_MGMT,		/* an administrator's */
	VSWITCH_FDB_KINDS
};
struct vswitch_fdb_entry {
	uint8_t mac[6];
	uint16_t vlan;
	enum vswitch_fdb_kind kind;
	struct vswitch_port *port;
	uint32_t age_s;
};
struct vswitch_fdb_stats {
	uint32_t entries, max_learned;	/* learned ones */
	uint64_t learned;		/* entries made */
	uint64_t aged, evicted, purged;	/* … and removed: by time, for another one's sake, with their port */
	uint64_t moved;			/* an address turned up on another port */
	uint64_t flapping;		/* … too often, and was then held for 10 s */
	uint64_t full;			/* not learned for lack of room */
};
void vswitch_fdb_stats(const struct vswitch *sw, struct vswitch_fdb_stats *out);
/* Forgets all learned addresses. */
void vswitch_fdb_flush(struct vswitch *sw);
void vswitch_fdb_visit(struct vswitch *sw, void (*visit)(void *cookie, const struct vswitch_fdb_entry *e), void *cookie);
/*
 * The same in pieces, in no order: from cursor on (0: the beginning) through so many places of the table, each of which has a few
 * addresses or none. Returns where to go on, 0 at the end. What is there all the time is visited once, unless the table is
 * given another size meanwhile.
 */
uint32_t vswitch_fdb_walk(struct vswitch *sw, uint32_t cursor, uint32_t places,
			  void (*visit)(void *cookie, const struct vswitch_fdb_entry *e), void *cookie);

/* ---- uplinks and teams: a chapter of their own ---- */

#include "vswitch/uplink.h"

#endif
