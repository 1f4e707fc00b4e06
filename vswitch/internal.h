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
	DEFAULT_PAUSE_MS = 10,		/* our policy, as the header says */
	DEFAULT_LEARNED = 8192,		/* … as well */
	LEARNED_MAX = 1048576,
	DEFAULT_AGEING_S = 300,
	MIN_AGEING_S = 10,		/* 802.1D's range */
	MAX_AGEING_S = 1000000,
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

/* What a forwarding extension chose for a frame at one destination. */
struct pending_choice {
	uint8_t member, preserve;
};

/* What waits to be deleted until nothing refers to it; on a list of the switch. nic.c */
struct drain {
	bool (*idle)(struct drain *d);	/* nothing refers to it any more */
	void (*flush)(struct drain *d);	/* … take away what does */
	void (*end)(struct drain *d);	/* and delete it; calls deleted() */
	void (*deleted)(void *cookie);
	void *cookie;
	uint64_t deadline_ns;		/* 0: does not wait */
	TAILQ_ENTRY(drain) link;
};
TAILQ_HEAD(drains, drain);

/* A NIC's life on its port. The device of index 0 is the port's nic while this is CONNECTED. */
struct nic {
	struct vswitch_nic_info info;
	struct vswitch_port *port;	/* borrowed: the port outlives its NICs */
	const struct vswitch_nic *device;	/* borrowed until deleted; NULL: a member */
	struct drain drain;
	TAILQ_ENTRY(nic) link;
};
TAILQ_HEAD(nics, nic);

/* What an extension refers to: a port, or a NIC on it. */
struct reference {
	struct vswitch_extension *by;	/* borrowed: its references go before it does */
	int index;			/* of the NIC; REFERENCE_PORT: the port itself */
	uint32_t count;
	TAILQ_ENTRY(reference) link;
};
TAILQ_HEAD(references, reference);
enum { REFERENCE_PORT = -1 };

struct property;			/* extension_property.c */
TAILQ_HEAD(properties, property);

/* snoop.c: what the switch knows of a port's listeners and routers. */
struct snoop_port {
	uint64_t mark;			/* the last choice that it was part of */
	uint64_t all_until_ns;		/* it gets everything until then */
	LIST_ENTRY(vswitch_port) all_link;	/* … while on the list of such */
	LIST_HEAD(, snoop_member) members;
	uint32_t num_members;
};

/* bandwidth_share.c: of a receiver that is an uplink. Tags: bytes by weight, so much that one had. */
struct uplink_share {
	uint64_t virtual_time;		/* tag of who was let go on last */
	uint64_t last_tag;		/* the highest there was */
	uint64_t default_tag;		/* of all senders without a setting */
	uint64_t contended_ns;		/* when somebody began to wait, or went on, last */
	uint64_t grace_ns;		/* when one more goes on if there is room */
	struct hv_timer timer;
};

/* bandwidth.c */
struct switch_bandwidth {
	struct vswitch_bandwidth setting;	/* mode is never DEFAULT */
	uint64_t uplink_bits;		/* of all ports that know */
	uint64_t reserved_bits;		/* by ports */
	uint32_t weights;		/* … */
};

struct vswitch_port {
	/* Looked at per frame. */
	struct vswitch *sw;		/* borrowed: outlives its ports */
	const struct vswitch_nic *nic;	/* borrowed until disconnect; NULL: none */
	uint64_t mac;			/* the NIC's, as fdb_mac(); 0: none, or lent (policy_team.c) */
	struct port_rules *rules;	/* owned; NULL: no policy */
	bool live;			/* up, and has a NIC */
	bool external;
	bool congested, stalled;	/* as a receiver */
	bool pending_unicast;		/* of the current batch, some frame is for this port alone */
	bool involved;			/* in the current batch */
	uint8_t watch;			/* enum vswitch_capture_point: where captures want this port's frames */
	uint8_t num_pending;
	struct vswitch_port *next_involved;
	uint32_t directed;		/* of pending: a bit for each that has choices */
	struct vswitch_frame *pending[VSWITCH_BATCH];	/* of the current batch, in order */
	struct pending_choice choices[VSWITCH_BATCH];
	struct cached_destination destinations[CACHE_WAYS];
	struct cached_source sources[CACHE_WAYS];
	struct vswitch_port_stats stats;
	enum vswitch_drop last_drop;

	struct fdb_owner learned;	/* .learns: the port learns, and gets unknown unicast */
	struct fdb_node self;		/* the NIC's static entry; without owner: none */

	/* Congestion: as a receiver, who waits; as a sender, for whom. */
	TAILQ_HEAD(waiting_ports, vswitch_port) waiting;
	TAILQ_ENTRY(vswitch_port) waiting_link;
	struct vswitch_port *waits_for;	/* NULL: not paused */
	struct hv_timer pause_timer;
	uint64_t pause_deadline_ns;	/* 0: nobody waits in this congestion */

	/* Bandwidth: as a receiver; as a sender to an uplink. */
	struct uplink_share share;
	uint32_t tag_at;		/* id of the uplink that tag is about */
	uint64_t tag, wait_tag;		/* while it waits, its place */
	uint64_t uplink_bytes;
	uint64_t capacity_bits;		/* as an uplink; 0: not known, or none */
	struct port_bandwidth *bandwidth;	/* owned; NULL: never had a setting */

	struct port_acl *acl;		/* owned; NULL: never had ACL entries */
	struct snoop_port snoop;	/* zero while the switch does not snoop */
	SLIST_HEAD(, capture_tap) taps;	/* of the captures that include this port */
	/* Life cycle. */
	enum vswitch_port_state state;
	enum vswitch_port_type type;
	bool validation;
	struct nics nics;		/* owned; by index */
	struct references references;	/* owned */
	struct properties properties;	/* owned */
	struct drain drain;
	struct vswitch_port *next_by_id;
	char friendly_name[VSWITCH_NAME_BYTES];

	TAILQ_ENTRY(vswitch_port) link;
	uint32_t id;
	bool up;			/* as the administrator wants it */
	bool no_carrier;		/* as its NIC sees it */
	bool spoofing;
	char name[VSWITCH_PORT_NAME_BYTES];
};

struct scratch;				/* egress.c */
struct capture_tap;			/* capture.c */
struct stack;				/* extension_internal.h */
struct acl_table;			/* acl_internal.h */
struct port_acl;
struct port_bandwidth;			/* bandwidth_internal.h */
struct snoop;				/* snoop.c */

struct vswitch {
	struct fdb fdb;
	uint64_t pause_ns;		/* the longest congestion that senders wait for */
	TAILQ_HEAD(vswitch_ports, vswitch_port) ports;	/* by id */
	struct vswitch_port *ports_by_id[256];	/* lists by id modulo their number */
	TAILQ_HEAD(, vswitch_capture) captures;
	/* Of the extension stack, what is looked at per batch. */
	unsigned num_enabled;
	bool forwarder;			/* the last one enabled is one */
	bool deferred;			/* frames that extensions released or injected wait for the batch's end */
	uint32_t directed;		/* of the current batch: frames with destinations by the forwarder */
	struct stack *stack;		/* owned */
	struct vswitch_port *involved;	/* receivers of the current batch */
	struct vswitch_port **involved_tail;
	struct scratch *scratch;	/* owned */
	struct switch_bandwidth bandwidth;
	struct acl_table *acl;		/* owned; NULL: no port ever had ACL entries */
	struct policies *policies;	/* owned */
	const uint16_t *primary_of;	/* what of private VLANs is learned under; NULL: there are none */
	struct vswitch_port *lldp;	/* who listens to it; NULL: nobody */
	struct snoop *snoop;		/* owned; NULL: does not snoop */
	bool mirrors;			/* some port is a mirror's destination */
	bool hub;
	bool busy;			/* inside vswitch_port_input() */

	uint32_t now_s;			/* coarse clock; right to a second while the table has learned entries */
	uint64_t manual_now_ns;		/* without a loop: what vswitch_tick() said last */
	struct hv_loop *loop;		/* borrowed; NULL: time comes by vswitch_tick() */
	struct hv_timer tick;		/* armed while the table has learned entries, or snooping has some */
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

/* acl_save.c */
uint32_t acl_flows_count(const struct vswitch_port *port);
/* Of a blob of vswitch_acl_save_flows() with so many. */
size_t acl_flows_blob_bytes(uint32_t flows);
/* Such a blob of a part of the port's flows, counted from the one that is the first to be forgotten. */
void acl_flows_write(struct vswitch_port *port, uint32_t first, uint32_t flows, void *blob);
/* What vswitch_acl_restore_flows() would say. */
int acl_flows_check(const void *blob, size_t size) __attribute__((warn_unused_result));

/* forward.c */
/*
 * n frames that extensions released or injected go on from a position in the order of extensions (behind the forwarder: with the
 * switch's directed); the bits of learn are those whose sources may be learned. Gives the bits that were sent somewhere.
 */
uint32_t vswitch_run_from(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n, unsigned position,
			  uint32_t learn);
/* Which port an address is behind; NULL: unknown. */
struct vswitch_port *vswitch_look_up(struct vswitch_port *from, const struct vswitch_frame *f);
/* Hands n frames over, converting those that the NIC does not take as they are. */
void vswitch_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n);
/* Hands n frames that the NIC takes as they are to it. */
void vswitch_hand_over(struct vswitch_port *to, const struct vswitch_frame *const *frames, unsigned n);

/* policy.c: the policies' steps, for ports that have some (port->rules). They clear the bits of what they drop. */
int policies_create(struct vswitch *sw) __attribute__((warn_unused_result));
void policies_destroy(struct vswitch *sw);
/* After any change of the port's NIC, link or policy. */
void policy_update(struct vswitch_port *p);
void policy_port_gone(struct vswitch_port *p);
/* Sets the VLAN. VSWITCH_DROPS: it may pass. */
enum vswitch_drop policy_admit(struct vswitch_port *p, struct vswitch_frame *f);
/* A link-local group, of any port. VSWITCH_DROPS: it goes to who listens to LLDP. */
enum vswitch_drop policy_link_local(struct vswitch_port *p, const struct vswitch_frame *f);
/* Before the ACL: storm limit and guards. After it: addresses, mirror. */
uint32_t policy_guard(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);
uint32_t policy_accept(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);
/* Whether a frame that is flooded goes to the port. */
bool policy_reaches(const struct vswitch_port *from, const struct vswitch_port *to, const struct vswitch_frame *f);
/* Whether the port is in the frames' VLANs, and may have them. */
uint32_t policy_leave(struct vswitch_port *to, struct vswitch_frame *const *frames, uint32_t keep);
/* vswitch_deliver() with the tags that this port shall see. */
void policy_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n);
/* The uplinks' capacity is another. */
void policy_capacity(struct vswitch *sw);
/* An address moves too often, and stays where its entry says. */
void policy_flapping(struct vswitch_port *p, const struct fdb_node *n);
/* After all others have got theirs: the copies for mirrors' destinations. */
void mirror_deliver(struct vswitch_port *from);

/* policy_team.c: an address that several ports may use. */
/* Whether p may send from the address of a NIC's entry, its own included; the entry follows if it may move now. */
bool team_borrow(struct vswitch_port *p, struct fdb_node *n);
/* The port's own address is behind it again, if another one has it. */
void team_return(struct vswitch_port *home);
/* After any change of who may: what is lent without right goes back. */
void team_settle(struct vswitch *sw);

/* snoop.c */
struct snoop *snoop_create(void);
/* Forgets everything. Without any it does nothing. */
void snoop_destroy(struct vswitch *sw);
/*
 * A frame for a group, in a switch that snoops: learns from it, and says who is to get it: ports with this mark, 0: all.
 */
uint64_t snoop_choose(struct vswitch_port *from, const struct vswitch_frame *f);
/* Forgets what is due. True: there is more to come. */
bool snoop_age(struct vswitch *sw, uint64_t now_ns);
/* The port's NIC has left. */
void snoop_leave(struct vswitch_port *port);

/* congestion.c */
void congestion_init(struct vswitch_port *port);
/* The sender has just sent to the receiver's address: true if it has to pause. */
bool congestion_pause(struct vswitch_port *sender, struct vswitch_port *receiver);
/* The bound has passed, if it has: the receiver is stalled from now on. */
void congestion_expire(struct vswitch_port *receiver, uint64_t now_ns);
/* The port's NIC leaves: nobody waits for it, and it waits for nobody. */
void congestion_leave(struct vswitch_port *port);
/* All who wait for the receiver go on. */
void congestion_resume_all(struct vswitch_port *receiver);
/* The sender goes on, unless there is another reason for it to pause. */
void congestion_go_on(struct vswitch_port *sender);

/* bandwidth.c */
void bandwidth_init(struct vswitch *sw);
void bandwidth_port_gone(struct vswitch_port *port);

/* bandwidth_limit.c: of ports with a setting, but for bandwidth_holds() and bandwidth_tick(). */
/* The bits of keep that the port's limit leaves; the others' drops are counted. */
uint32_t bandwidth_ingress(struct vswitch_port *from, struct vswitch_frame *const *frames, uint32_t keep);
/* After a batch: whether the sender has to pause for its limit. */
bool bandwidth_pause(struct vswitch_port *from);
/* Whether it pauses for its limit. */
bool bandwidth_holds(const struct vswitch_port *sender);
void bandwidth_tick(struct vswitch_port *port, uint64_t now_ns);
/* The port's NIC leaves. */
void bandwidth_leave(struct vswitch_port *port);

/* bandwidth_share.c */
void share_init(struct vswitch_port *port);
/* Whether senders to the port go on by their weights. */
bool share_applies(const struct vswitch_port *uplink);
/* So much of a batch went to an external port. */
void share_sent(struct vswitch_port *sender, struct vswitch_port *uplink, uint64_t bytes);
/* Whether another one that waits for the uplink has had less. */
bool share_is_ahead(struct vswitch_port *sender, struct vswitch_port *uplink);
/* The sender waits for the uplink from now on, in its place. */
void share_wait(struct vswitch_port *sender, struct vswitch_port *uplink);
/* The uplink has room: one of those that wait goes on. */
void share_go_on(struct vswitch_port *uplink);
void share_tick(struct vswitch_port *uplink, uint64_t now_ns);
/* The port's NIC leaves. */
void share_leave(struct vswitch_port *port);

/* port.c */
struct vswitch_port *port_find(const struct vswitch *sw, uint32_t id);
/* A port that nobody can see, id 0: the source of what extensions originate. */
struct vswitch_port *port_new_hidden(struct vswitch *sw);
void port_free(struct vswitch_port *port);
/* After any change of the NIC, up or spoofing: what follows from them. */
void port_update(struct vswitch_port *p);
/* The address of the port's NIC, in the table. Errors of vswitch_nic_create(). */
int port_add_self(struct vswitch_port *p, const uint8_t mac[6], enum vswitch_nic_kind kind);

/* nic.c */
struct nic *nic_find(const struct vswitch_port *port, uint8_t index);
/* Disconnects and deletes all NICs of the port at once. */
void nics_away(struct vswitch_port *port);
/* Waits until d is idle, or for VSWITCH_DRAIN_MS: 0: it has ended already. */
int drain_begin(struct vswitch *sw, struct drain *d, void (*deleted)(void *cookie), void *cookie);
/* Ends it now, whether it waits or not, flushing. */
void drain_now(struct vswitch *sw, struct drain *d);
/* Something is not referred to any more: look at those that wait, soon. */
void drain_kick(struct vswitch *sw);
void drains_tick(struct vswitch *sw, uint64_t now_ns);
void drains_stop(struct vswitch *sw);

/* extension*.c; theory of operation: extension.c */
struct stack *stack_create(struct vswitch *sw);
/* Detaches all extensions. NULL is fine. */
void stack_destroy(struct vswitch *sw);
void stack_tick(struct vswitch *sw, uint64_t now_ns);
/* The bits of keep that the extensions from position on (in their order) leave, the forwarder excepted. */
uint32_t extensions_ingress(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep, unsigned position);
/* The same of the forwarder; it may direct frames: their bits are in the switch's directed. */
uint32_t extensions_forward(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep);
/* The destinations of the i-th frame, one by one, until NULL; cursor starts at 0. */
struct vswitch_port *extensions_destination(struct vswitch *sw, unsigned i, uint32_t *cursor,
					    struct pending_choice *choice);
const char *extensions_forwarder_name(const struct vswitch *sw);
/* Egress is in two steps, since the port's policies lie between the forwarder and the others. */
uint32_t extensions_egress_forward(struct vswitch_port *destination, struct vswitch_frame *const *frames, unsigned n,
				   uint32_t keep);
uint32_t extensions_egress(struct vswitch_port *destination, struct vswitch_frame *const *frames, unsigned n,
			   uint32_t keep);
/* The batch is done: tells those that let frames pass. */
void extensions_complete(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			 uint32_t delivered);
/* Sends what was released and injected meanwhile on its way. */
void extensions_run_deferred(struct vswitch *sw);
/* Life cycle: -ECANCELED or what an extension said is in the switch's refusal. */
int extensions_port_create(struct vswitch_port *port);
void extensions_port_updated(struct vswitch_port *port);
void extensions_port_teardown(struct vswitch_port *port);
void extensions_port_delete(struct vswitch_port *port);
int extensions_nic_create(struct nic *nic);
void extensions_nic_connect(struct nic *nic);
void extensions_nic_updated(struct nic *nic);
void extensions_nic_disconnect(struct nic *nic);
void extensions_nic_delete(struct nic *nic);
void extensions_nic_status(struct nic *nic, uint32_t code, const void *data, uint32_t bytes);
/* Whether extensions hold frames of the port, or refer to it (index: REFERENCE_PORT) or to one of its NICs. */
bool extensions_refer(const struct vswitch_port *port, int index);
/* Takes those away from them. */
void extensions_flush(struct vswitch_port *port, int index);
void properties_free(struct properties *list);

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

/* A frame of so many bytes: what goes into its head, and the others, from rest on, as its one segment, seg. */
static inline void frame_divide(struct vswitch_frame *f, uint32_t len, uint8_t *rest, struct iovec *seg)
{
	f->len = len;
	f->head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	*seg = (struct iovec){ rest, len - f->head_bytes };
	f->segs = seg;
	f->nsegs = len > f->head_bytes;
}

/* The same of a frame that lies somewhere: its head is copied, the rest stays. */
static inline void frame_from_bytes(struct vswitch_frame *f, const uint8_t *bytes, uint32_t len, struct iovec *seg)
{
	frame_divide(f, len, NULL, seg);
	memcpy(f->head, bytes, f->head_bytes);
	seg->iov_base = (void *)(uintptr_t)(bytes + f->head_bytes);
}
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
