/* SPDX-License-Identifier: MIT */
/*
 * What the files of the switch share. Theory of operation: switch.c.
 */
#ifndef HVNET_VSWITCH_INTERNAL_H
#define HVNET_VSWITCH_INTERNAL_H

#include <string.h>
#include <sys/queue.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/loop.h"
#include "vswitch/fdb.h"
#include "vswitch/vswitch.h"

enum {
	ETHERNET_BYTES = 14,
	VLAN_TAG_BYTES = 4,
	VLAN_ID_MASK = 0xfff,
	VLAN_ID_RESERVED = 0xfff,	/* 802.1Q: not to be used */
	CACHE_WAYS = 8,			/* our policy: a port's peers with neighbouring addresses, one line each */
	PAUSE_NS = 10000000,		/* our policy, as the header says */
};

/* Hot addresses of one port. An entry holds while the table's generation is the same. */
struct cached_destination {
	uint64_t key, generation;
	struct vswitch_port *port;	/* NULL: unknown */
};

struct cached_source {
	uint64_t key, generation;
	struct fdb_node *node;		/* NULL: may pass, but is not in the table */
};

struct vswitch_port {
	/* Looked at per frame. */
	struct vswitch *sw;		/* borrowed: outlives its ports */
	const struct vswitch_nic *nic;	/* borrowed until disconnect; NULL: none */
	uint64_t mac;			/* the NIC's, as fdb_mac(); 0: none */
	bool live;			/* up, and has a NIC */
	bool external;
	bool congested, stalled;	/* as a receiver */
	bool pending_unicast;		/* of the current batch, some frame is for this port alone */
	bool involved;			/* in the current batch */
	uint8_t watch;			/* enum vswitch_capture_point: where captures want this port's frames */
	uint8_t num_pending;
	struct vswitch_port *next_involved;
	struct vswitch_frame *pending[VSWITCH_BATCH];	/* of the current batch, in order */
	struct cached_destination destinations[CACHE_WAYS];
	struct cached_source sources[CACHE_WAYS];
	struct vswitch_port_stats stats;
	enum vswitch_drop last_drop;

	struct fdb_owner learned;	/* .learns: the port learns, and gets unknown unicast */
	struct fdb_node self;		/* the NIC's static entry; without owner: none */

	/* Congestion: as a receiver, who waits; as a sender, for whom. */
	TAILQ_HEAD(, vswitch_port) waiting;
	TAILQ_ENTRY(vswitch_port) waiting_link;
	struct vswitch_port *waits_for;	/* NULL: not paused */
	struct hv_timer pause_timer;
	uint64_t pause_deadline_ns;	/* 0: nobody waits in this congestion */

	struct port_acl *acl;		/* owned; NULL: never had ACL entries */
	SLIST_HEAD(, capture_tap) taps;	/* of the captures that include this port */
	TAILQ_ENTRY(vswitch_port) link;
	uint32_t id;
	bool up;			/* as the administrator wants it */
	bool no_carrier;		/* as its NIC sees it */
	bool spoofing;
	char name[VSWITCH_PORT_NAME_BYTES];
};

struct extension {
	const struct vswitch_extension_ops *ops;	/* borrowed until detach */
	void *opaque;
	TAILQ_ENTRY(extension) link;
};
TAILQ_HEAD(extensions, extension);

struct scratch;				/* egress.c */
struct capture_tap;			/* capture.c */
struct acl_table;			/* acl_internal.h */
struct port_acl;

struct vswitch {
	struct fdb fdb;
	TAILQ_HEAD(vswitch_ports, vswitch_port) ports;	/* by id */
	struct extensions extensions;	/* in order of attachment */
	TAILQ_HEAD(, vswitch_capture) captures;
	struct vswitch_port *involved;	/* receivers of the current batch */
	struct vswitch_port **involved_tail;
	struct scratch *scratch;	/* owned */
	struct acl_table *acl;		/* owned; NULL: no port ever had ACL entries */
	bool busy;			/* inside vswitch_port_input() */

	uint32_t now_s;			/* coarse clock; right to a second while the table has learned entries */
	uint64_t manual_now_ns;		/* without a loop: what vswitch_tick() said last */
	struct hv_loop *loop;		/* borrowed; NULL: time comes by vswitch_tick() */
	struct hv_timer tick;		/* armed while the table has learned entries */
	uint32_t last_port_id;
	struct hv_log_limit flapping_log;
	char name[VSWITCH_PORT_NAME_BYTES];
};

/* switch.c */
uint64_t vswitch_now_ns(const struct vswitch *sw);
/* Without a loop: the time is now_ns; ages, and ends pauses that are due. */
void vswitch_tick(struct vswitch *sw, uint64_t now_ns);
/* After something was learned: keeps the coarse clock going. */
void vswitch_start_clock(struct vswitch *sw);

/* drop.c: where a frame ends; the only places that count drops of the switch's own. */
/* What the port's NIC sent goes nowhere. rule: which entry or extension within the reason did it; NULL: the reason says all. */
void drop_in(struct vswitch_port *from, const struct vswitch_frame *f, enum vswitch_drop reason, const char *rule);
/* The port does not get a frame that was offered to it, or n segments of one. */
void drop_out(struct vswitch_port *to, const struct vswitch_frame *f, unsigned n, enum vswitch_drop reason,
	      const char *rule);

/* port.c: the NIC itself has a link from now on, or none; true when it is plugged in. Whatever the administrator wants. */
void vswitch_port_set_carrier(struct vswitch_port *port, bool carrier);

/* capture.c: called where a port's watch has the point's bit. */
/* The frames whose bits are in which pass the point. */
void capture_frames(struct vswitch_port *port, enum vswitch_capture_point point,
		    const struct vswitch_frame *const *frames, uint32_t which);
/* A frame, or n segments of it, ends at the port. */
void capture_drop(struct vswitch_port *port, enum vswitch_capture_direction direction, const struct vswitch_frame *f,
		  unsigned n, enum vswitch_drop reason, const char *rule);
/* Of each port, at its beginning and its end. */
void capture_port_created(struct vswitch_port *port);
void capture_port_gone(struct vswitch_port *port);

/* acl_step.c, acl.c */
/* The bits of keep that the port's ACLs leave, of what its NIC sent and of what it is to get; the others' drops are counted. */
uint32_t acl_ingress(struct vswitch_port *from, struct vswitch_frame *const *frames, uint32_t keep);
uint32_t acl_egress(struct vswitch_port *to, struct vswitch_frame *const *frames, uint32_t keep);
/* A batch begins in a switch with an ACL table. */
void acl_batch_begins(struct vswitch *sw);
void acl_port_gone(struct vswitch_port *port);
/* NULL is fine. */
void acl_table_destroy(struct acl_table *t);

/* forward.c */
/* Hands n frames that the NIC takes as they are to it. */
void vswitch_hand_over(struct vswitch_port *to, const struct vswitch_frame *const *frames, unsigned n);

/* congestion.c */
void congestion_init(struct vswitch_port *port);
/* The sender has just sent to the receiver's address: true if it has to pause. */
bool congestion_pause(struct vswitch_port *sender, struct vswitch_port *receiver);
/* The bound has passed, if it has: the receiver is stalled from now on. */
void congestion_expire(struct vswitch_port *receiver, uint64_t now_ns);
/* The port's NIC leaves: nobody waits for it, and it waits for nobody. */
void congestion_leave(struct vswitch_port *port);

/* extension.c: the bits of keep that the extensions leave; the drops of the others are counted. */
uint32_t extensions_ingress(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep);
uint32_t extensions_egress(struct vswitch_port *destination, const struct vswitch_frame *const *frames, unsigned n,
			   uint32_t keep);

/* offload.c */
/* Whether offload_ingress() has to look at the frame. */
static inline bool offload_wants_ingress(const struct vswitch_frame *f)
{
	return (f->offload.flags & (VSWITCH_CSUM_PARTIAL | VSWITCH_IP_CSUM_NEEDED | VSWITCH_VLAN)) ||
	       f->offload.gso || (f->head[12] == 0x81 && f->head[13] == 0x00);
}
/* Checks and normalises a frame as the header says. False: a bad frame. */
bool offload_ingress(struct vswitch_frame *f);
/* The offload flags that the NIC does not take: asked each time, a guest negotiates them while it is plugged in. */
static inline uint8_t offload_converts(const struct vswitch_nic *nic)
{
	return (uint8_t)((nic->caps & VSWITCH_CAN_CSUM ? 0 : VSWITCH_CSUM_PARTIAL) |
			 (nic->caps & VSWITCH_CAN_VLAN ? 0 : VSWITCH_VLAN));
}
/* Whether the NIC does not take the frame as it is. */
static inline bool offload_wants_egress(const struct vswitch_port *to, const struct vswitch_frame *f)
{
	return (f->offload.flags && f->offload.flags & offload_converts(to->nic)) || f->offload.gso ||
	       f->len > to->nic->max_frame_bytes;
}
/* The lengths and the partial checksum in the headers of a frame or a segment, from its length. */
void offload_set_lengths(struct vswitch_frame *f);

/* egress.c */
struct scratch *scratch_create(void);
void scratch_destroy(struct scratch *s);
/* Hands n frames over, converting those that the NIC does not take as they are. */
void offload_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n);

/* checksum.c */
uint64_t checksum_frame(const struct vswitch_frame *f, uint32_t from);
/* The sum of the pseudo-header of the IP header at ip (version 4 or 6), transport length included. */
uint64_t checksum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t transport_bytes);
void checksum_ipv4_header(uint8_t *ip);

/* frame.c */
struct frame_cursor {
	const struct vswitch_frame *f;
	uint32_t seg;			/* which piece: 0 the head, 1 + i the i-th seg */
	size_t off;			/* in it */
};
struct frame_cursor frame_cursor_at(const struct vswitch_frame *f, uint32_t off);
/* Describes the next bytes, at most *n, in at most max pieces; *n: how many those are. */
unsigned frame_cursor_take(struct frame_cursor *c, uint32_t *n, struct iovec *iov, unsigned max);
void frame_cursor_copy(struct frame_cursor *c, void *dst, uint32_t n);

/* uplink.c */
struct vswitch_uplink {
	struct vswitch_port *port;	/* owned */
	uint64_t (*lost)(struct vswitch_uplink *u);
	void (*destroy)(struct vswitch_uplink *u);	/* all of it; the port's NIC is unplugged already */
};

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

#endif
