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
#include "vswitch/capture.h"
#include "vswitch/policy.h"

struct vswitch;
struct vswitch_port;

enum {
	VSWITCH_BATCH = 32,		/* frames per call, at most (measured: VPP and DPDK use 32 … 256; our policy) */
	VSWITCH_HEAD_BYTES = 128,	/* Ethernet 14 + IPv6 40 + TCP 60 and then some */
	VSWITCH_FRAME_MAX_BYTES = 65535 + 18,
	VSWITCH_PORT_NAME_BYTES = 64,
};

/* ---- frames ---- */

enum vswitch_offload_flags {
	VSWITCH_CSUM_PARTIAL = 1,	/* checksum from csum_start to the end is still to be stored at csum_offset;
					   the field holds the pseudo-header's sum, length included (virtio_net_hdr's NEEDS_CSUM) */
	VSWITCH_CSUM_VALID = 2,		/* transport checksum known to be good */
	VSWITCH_IP_CSUM_NEEDED = 4,	/* the IPv4 header's checksum is still to be computed */
	VSWITCH_VLAN = 8,		/* vlan_tci is valid; the frame's bytes hold no tag */
	VSWITCH_HASH = 16,		/* hash is valid */
};

enum vswitch_gso {
	VSWITCH_GSO_NONE,
	VSWITCH_GSO_TCPV4,
	VSWITCH_GSO_TCPV6,
	VSWITCH_GSO_UDP,		/* each segment a datagram of its own (USO), IPv4 or IPv6; no receiver takes it as it is */
};

struct vswitch_offload {
	uint8_t flags;			/* enum vswitch_offload_flags */
	uint8_t gso;			/* enum vswitch_gso */
	uint16_t gso_size;		/* payload bytes per segment (MSS) */
	uint16_t header_bytes;		/* Ethernet + IP + transport, for segmentation */
	uint16_t csum_start;		/* from the frame's first byte */
	uint16_t csum_offset;		/* from csum_start */
	uint16_t vlan_tci;		/* priority 15-13, DEI 12, VLAN id 11-0 */
	uint32_t hash;
};

/*
 * A frame on its way: the first bytes in head[], copied out of the sender's memory, the rest where it lies. Only head[] is
 * ever interpreted; segs may point into guest memory that changes while it is read. No FCS.
 * head_bytes is at least min(len, 18) (Ethernet and a tag), at least all headers of a frame with an offload, and the
 * whole frame if it fits.
 *
 * What the switch makes of it at ingress: an 802.1Q tag in the bytes moves to offload.vlan_tci; VSWITCH_IP_CSUM_NEEDED
 * is done; of a frame with gso, csum_start, csum_offset, header_bytes, the IP length and the partial checksum are
 * derived anew from its headers (which must be Ethernet II, IPv4 or IPv6 and TCP or UDP), so a sender need only set gso
 * and gso_size.
 */
struct vswitch_frame {
	uint32_t len;			/* bytes of the whole frame, 14 … VSWITCH_FRAME_MAX_BYTES */
	uint16_t head_bytes;
	uint16_t nsegs;
	uint32_t source;		/* the switch's: id of the port that it came from, set at ingress; 0: of none */
	uint16_t vlan;			/* the switch's: the VLAN that it is in, 0: none, set at ingress */
	uint8_t member;			/* of an external NIC that is a team: 1 … 32, at input the member that it came from,
					   at deliver() the one to leave by; 0: none, or the team chooses */
	const struct iovec *segs;	/* borrowed for the call */
	struct vswitch_offload offload;
	uint8_t head[VSWITCH_HEAD_BYTES];
};

/* Copies the frame's bytes [off, off + n) to dst; the range lies inside the frame. */
void vswitch_frame_copy(const struct vswitch_frame *f, uint32_t off, void *dst, uint32_t n);

/* ---- NICs: what is plugged into a port ---- */

enum vswitch_nic_kind {
	VSWITCH_NIC_SYNTHETIC,		/* guest, NetVSP */
	VSWITCH_NIC_EMULATED,		/* guest, 8254x */
	VSWITCH_NIC_INTERNAL,		/* the host's own */
	VSWITCH_NIC_EXTERNAL,		/* the wire, NAT, a neighbour switch */
};

/* What a NIC takes as it is; for the rest the switch computes checksums and segments before it delivers. */
enum vswitch_nic_caps {
	VSWITCH_CAN_CSUM = 1,		/* frames with VSWITCH_CSUM_PARTIAL */
	VSWITCH_CAN_TSO4 = 2,
	VSWITCH_CAN_TSO6 = 4,
	VSWITCH_CAN_VLAN = 8,		/* tags in metadata; else the switch puts them into the bytes */
};

struct vswitch_nic_ops {
	/*
	 * Takes 1 … VSWITCH_BATCH frames; what it cannot take it drops and counts with vswitch_port_drop(). Frames and their
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

/* A port without a NIC. name is unique in the switch (-EEXIST); copied. id > 0, unique in the switch, never reused. */
int vswitch_port_create(struct vswitch *sw, const char *name, struct vswitch_port **out)
	__attribute__((warn_unused_result));
/* Disconnects first if need be. NULL is fine. */
void vswitch_port_destroy(struct vswitch_port *port);
uint32_t vswitch_port_id(const struct vswitch_port *port);
const char *vswitch_port_name(const struct vswitch_port *port);
struct vswitch *vswitch_port_switch(struct vswitch_port *port);
/* The connected NIC, or NULL. */
const struct vswitch_nic *vswitch_port_nic(const struct vswitch_port *port);
/* Ports in order of id: first with prev NULL; NULL after the last. */
struct vswitch_port *vswitch_next_port(struct vswitch *sw, struct vswitch_port *prev);

/*
 * Plugs a NIC in (borrowed until disconnect). -EBUSY: the port has one. -EADDRINUSE: the MAC is on another port.
 * -EINVAL: the MAC is a group address, or zero on a NIC that is not external.
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
 * receiver is short of room; the sender should pause until resume() (which comes in bounded time whatever the receiver does).
 */
bool vswitch_port_input(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n);

/*
 * A NIC that has room for less than a few batches says so, and says when it has room again. Who sends to its address
 * meanwhile is told to pause (floods pause nobody), for a bounded time (our policy: 10 ms from the first sender's
 * pause). After that the NIC is stalled: nobody pauses for it any more, and what it cannot take its deliver() drops,
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
	VSWITCH_DROP_QUEUE_FULL,	/* the bandwidth policy's queue */
	VSWITCH_DROPS			/* how many there are */
};
const char *vswitch_drop_name(enum vswitch_drop reason);	/* "no-buffer" */

/* A NIC drops n frames that were delivered to it, now or earlier: they do not count as out any more. */
void vswitch_port_drop(struct vswitch_port *port, enum vswitch_drop reason, unsigned n);

/*
 * What was sent by the port's NIC ends in one of two ways, what is handed to it in one of two as well:
 *	in_frames = forwarded + sum(in_dropped)
 *	offered + segments = out_frames + sum(out_dropped)
 * and over all ports that a switch ever had, sum(copies) = sum(offered). Hence, for a switch,
 *	in + (copies - forwarded) + segments = out + dropped
 * where copies - forwarded is what flooding added and segments what segmentation added.
 */
struct vswitch_port_stats {
	uint64_t in_frames, in_bytes;	/* from the NIC into the switch */
	uint64_t out_frames;		/* delivered to the NIC and taken */
	uint64_t out_bytes;		/* of all delivered frames, also of those that the NIC then dropped */
	uint64_t in_dropped[VSWITCH_DROPS];	/* frames of this port that went nowhere */
	uint64_t out_dropped[VSWITCH_DROPS];	/* frames for this port that it did not take */
	uint64_t forwarded;		/* frames of this port that were sent to at least one port */
	uint64_t copies;		/* … and to how many ports, added up */
	uint64_t flooded;		/* frames of this port that were sent to several */
	uint64_t offered;		/* frames that the switch chose this port for */
	uint64_t segments;		/* frames that came into being when one for this port was segmented: each n - 1 */
	uint64_t pauses;		/* times that this port as a receiver made senders pause */
	uint64_t stalls;		/* times that it did so for longer than the bound */
};
void vswitch_port_stats(const struct vswitch_port *port, struct vswitch_port_stats *out);

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

/* ---- extensions (their places: the full stack is built on these) ---- */

/*
 * Called for each batch of one port, in order of attachment at ingress (after the port's own checks, before learning) and in
 * reverse order at egress (before delivery). keep is a bit per frame; clearing a bit drops the frame, and a frame whose bit is
 * clear already was dropped by another: leave it alone. Callbacks must not call into the switch. Either may be NULL.
 */
struct vswitch_extension_ops {
	const char *name;
	void (*ingress)(void *opaque, struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			uint32_t *keep);
	void (*egress)(void *opaque, struct vswitch_port *destination, const struct vswitch_frame *const *frames,
		       unsigned n, uint32_t *keep);
};
/* ops is borrowed until detach. -EEXIST: attached already, with this opaque. */
int vswitch_extension_attach(struct vswitch *sw, const struct vswitch_extension_ops *ops, void *opaque)
	__attribute__((warn_unused_result));
/* Both as attached. Not from within a callback. */
void vswitch_extension_detach(struct vswitch *sw, const struct vswitch_extension_ops *ops, void *opaque);

/* ---- uplinks and teams: a chapter of their own ---- */

#include "vswitch/uplink.h"

#endif
