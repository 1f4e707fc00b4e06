/* SPDX-License-Identifier: MIT */
/*
 * What the author of a switch extension needs; this header stands on the C library alone. An extension sees what passes
 * through a virtual switch and, as its class allows, drops, delays, clones or directs frames and refuses ports, NICs and policies.
 * It is a shared object that exports one symbol, VSWITCH_EXT_SYMBOL, of type struct vswitch_ext_module, and needs none from the host:
 * all services come as a table. The same object also runs in a process of its own (extensions/remote.h).
 * hvnet-extension(7) tells it as a story; hvnet-extcheck(1) tries an extension out.
 *
 * The stack of a switch, where a frame goes down from its port and up to each of its destinations:
 *
 *	 ingress  |  admission (sane, not spoofed)                       to the NIC  ^  egress
 *	          |  capturing extensions, the latest attached first                 |
 *	          |  filtering extensions, the latest attached first                 |
 *	          |  built-in policies of the port                                   |
 *	          |  the forwarding extension, if one is enabled                     |
 *	          v  native forwarding of what it did not direct     ----------------+
 *
 * Completion goes the way of ingress in reverse: from the lowest extension to the highest.
 *
 * Threads: all callbacks of an instance come from the thread that owns the switch, never nested (but request_complete() in a
 * request() of its own). Services may be called from callbacks only (which includes timer()). A callback does a bounded amount of
 * work and does not block.
 *
 * Frames are the host's: those of a batch are borrowed for the callback, and may be looked at again only in the complete() that
 * names them. Only head[] may be interpreted; what lies in segs can change while it is read: copy first (frame_copy()).
 */
#ifndef HVNET_VSWITCH_EXTENSION_H
#define HVNET_VSWITCH_EXTENSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	VSWITCH_BATCH = 32,		/* frames per call, at most (measured: VPP and DPDK use 32 … 256; our policy) */
	VSWITCH_HEAD_BYTES = 128,	/* Ethernet 14 + IPv6 40 + TCP 60 and then some */
	VSWITCH_FRAME_MAX_BYTES = 65535 + 18,
	VSWITCH_PORT_NAME_BYTES = 64,
	VSWITCH_NAME_BYTES = 64,	/* other names, with their zero */
	VSWITCH_MEMBERS = 32,		/* of a team; NIC indices 1 … 32 */
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

/* What a forwarding extension wants kept of a frame at one destination. */
enum vswitch_preserve {
	VSWITCH_PRESERVE_VLAN = 1,	/* the tag stays, whatever the destination's VLAN mode says */
	VSWITCH_PRESERVE_PRIORITY = 2,
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
	uint8_t preserve;		/* the switch's: enum vswitch_preserve; 0 but on the way to a destination that a forwarder chose */
	const struct iovec *segs;	/* borrowed for the call */
	struct vswitch_offload offload;
	uint8_t head[VSWITCH_HEAD_BYTES];
};

/* ---- ports and NICs, as extensions see them ---- */

enum vswitch_nic_kind {
	VSWITCH_NIC_SYNTHETIC,		/* guest, NetVSP */
	VSWITCH_NIC_EMULATED,		/* guest, 8254x */
	VSWITCH_NIC_INTERNAL,		/* the host's own */
	VSWITCH_NIC_EXTERNAL,		/* the wire, NAT, a neighbour switch */
};

enum vswitch_port_type {
	VSWITCH_PORT_GENERIC,		/* made without a purpose */
	VSWITCH_PORT_EXTERNAL,
	VSWITCH_PORT_SYNTHETIC,
	VSWITCH_PORT_EMULATED,
	VSWITCH_PORT_INTERNAL,
};

/*
 * UNKNOWN --create, nobody refuses--> CREATED --teardown--> TEARDOWN --references 0--> DELETED
 * Only while it is CREATED may the port have NICs, and references be taken; a teardown begins when its NICs are deleted.
 */
enum vswitch_port_state {
	VSWITCH_PORT_UNKNOWN,		/* being created: extensions are asked */
	VSWITCH_PORT_CREATED,
	VSWITCH_PORT_TEARDOWN,		/* nothing new; references are awaited */
	VSWITCH_PORT_DELETED,		/* the extensions are being told */
};

/*
 * UNKNOWN --create, nobody refuses--> CREATED --connect--> CONNECTED --disconnect--> DISCONNECTED --references 0, delete--> DELETED
 * CREATED --delete--> DELETED (never connected); DISCONNECTED --connect--> CONNECTED (a guest that comes back on the same NIC)
 * DELETED --create--> … (the port takes another NIC)
 */
enum vswitch_nic_state {
	VSWITCH_NIC_UNKNOWN,		/* there is none, or extensions are being asked */
	VSWITCH_NIC_CREATED,		/* the link is not up; no frames */
	VSWITCH_NIC_CONNECTED,		/* frames flow; references may be taken */
	VSWITCH_NIC_DISCONNECTED,	/* nothing new; what extensions hold is awaited */
	VSWITCH_NIC_DELETED,
};

struct vswitch_port_info {
	uint32_t id;			/* unique in the switch, never reused; 0 is nobody's: "from an extension" */
	uint8_t type;			/* enum vswitch_port_type */
	uint8_t state;			/* enum vswitch_port_state */
	uint8_t validation;		/* 1: only checks a configuration, will never have a NIC */
	uint8_t reserved;
	char name[VSWITCH_PORT_NAME_BYTES];
	char friendly_name[VSWITCH_NAME_BYTES];
};

struct vswitch_nic_info {
	uint32_t port;			/* its id */
	uint8_t index;			/* 0: the port's NIC (of a team: the team); 1 … VSWITCH_MEMBERS: a member */
	uint8_t kind;			/* enum vswitch_nic_kind */
	uint8_t state;			/* enum vswitch_nic_state */
	uint8_t initializing;		/* 1: the first creation of a synthetic NIC; extensions may lower the MTU */
	uint8_t vf_assigned;
	uint8_t reserved;
	uint16_t numa_node;
	uint32_t mtu;			/* bytes of payload, without the Ethernet header */
	uint32_t interface;		/* host interface behind an internal or external NIC; 0: none */
	uint8_t permanent_mac[6], vm_mac[6], current_mac[6];
	char name[VSWITCH_NAME_BYTES], friendly_name[VSWITCH_NAME_BYTES];
	char vm_name[VSWITCH_NAME_BYTES], vm_id[VSWITCH_NAME_BYTES];
};

struct vswitch_switch_info {
	uint32_t ports;
	uint8_t active;			/* 0: the extension is disabled, or not activated yet */
	char name[VSWITCH_NAME_BYTES];
};

struct vswitch_guid {
	uint8_t b[16];			/* in the order of its text */
};

/* A policy of a port or of the whole switch. Standard ones are enforced by the switch or the forwarding extension. */
struct vswitch_property {
	struct vswitch_guid feature;	/* which kind */
	struct vswitch_guid instance;	/* which of its kind */
	uint32_t version;
	uint32_t standard;		/* 1: a standard policy (security, VLAN, profile, isolation); 0: somebody's own */
	uint32_t bytes;			/* of data, at most VSWITCH_PROPERTY_MAX_BYTES */
	const void *data;		/* borrowed for the call */
};

enum { VSWITCH_PROPERTY_MAX_BYTES = 65536 };	/* our policy */

/* An ordinary request to or from a NIC, in an envelope (OID_SWITCH_NIC_REQUEST). */
struct vswitch_request {
	uint32_t code;			/* an OID */
	uint32_t source_port, destination_port;	/* 0: the switch itself; the extensions */
	uint8_t source_nic, destination_nic;	/* indices */
	uint8_t set;			/* 1: in holds what to set; 0: a query, answered in out */
	uint8_t reserved;
	uint32_t in_bytes, out_max_bytes;
	uint32_t out_bytes;		/* of the answer */
	const void *in;			/* borrowed for the call */
	void *out;			/* borrowed for the call */
};

/* ---- what the host hands in ---- */

struct vswitch_extension;		/* one extension on one switch, the host's side */
struct vswitch_ext_verdicts;		/* a filter's and a forwarder's pen; for one callback */
struct vswitch_ext_writer;		/* only a forwarder's; for one callback */

enum vswitch_ext_class {
	VSWITCH_EXT_CAPTURE,		/* sees all, changes nothing, may originate reports */
	VSWITCH_EXT_FILTER,		/* may also drop, hold and clone, and refuse */
	VSWITCH_EXT_FORWARD,		/* may also direct; one per switch */
};

/* Frames of one port: at ingress the one that they came from, at egress the one that they go to. */
struct vswitch_ext_batch {
	uint32_t port;			/* 0: originated by an extension */
	uint32_t present;		/* a bit per frame: the others are not there any more, leave them alone */
	uint32_t delivered;		/* complete(): a bit per frame that was sent to at least one port */
	uint32_t n;			/* 1 … VSWITCH_BATCH */
	const struct vswitch_frame *const *frames;
};

struct vswitch_ext_destination {
	uint32_t port;
	uint8_t index;			/* member of a team by which to leave; 0: the team chooses */
	uint8_t preserve;		/* enum vswitch_preserve */
	uint8_t excluded;		/* 1: takes the same destination, added before, out again; final */
	uint8_t reserved;
};

/*
 * Services return 0 or -errno; a call that the state or the class does not allow does nothing, returns -EPERM (class) or
 * -EINVAL (state, handle, number) and is counted as the extension's misuse. self is what attach() got.
 */
struct vswitch_ext_services {
	uint32_t abi, size;		/* of the host */

	/* Queries. False: there is no such thing. next_port() begins with 0 and ends with 0. */
	void (*switch_info)(struct vswitch_extension *self, struct vswitch_switch_info *out);
	uint32_t (*next_port)(struct vswitch_extension *self, uint32_t after);
	bool (*port_info)(struct vswitch_extension *self, uint32_t port, struct vswitch_port_info *out);
	bool (*nic_info)(struct vswitch_extension *self, uint32_t port, uint8_t index, struct vswitch_nic_info *out);
	/* The i-th policy of the port (0: of the switch); data is valid until the callback ends. */
	bool (*property)(struct vswitch_extension *self, uint32_t port, uint32_t i, struct vswitch_property *out);

	/*
	 * References: the port (from CREATED to TEARDOWN) or the NIC (while CONNECTED) is not deleted before they are returned,
	 * for a bounded time. To be returned before port_teardown() or nic_disconnect() returns, or soon after.
	 */
	int (*port_ref)(struct vswitch_extension *self, uint32_t port);
	int (*port_unref)(struct vswitch_extension *self, uint32_t port);
	int (*nic_ref)(struct vswitch_extension *self, uint32_t port, uint8_t index);
	int (*nic_unref)(struct vswitch_extension *self, uint32_t port, uint8_t index);

	/* Copies bytes [off, off + n) of a frame, which has them. */
	void (*frame_copy)(const struct vswitch_frame *f, uint32_t off, void *to, uint32_t n);
	/* The i-th frame of the batch ends here: at ingress altogether, at egress for this destination. reason: copied; NULL: none. */
	int (*drop)(struct vswitch_ext_verdicts *v, uint32_t i, const char *reason);
	/*
	 * Ingress only: the switch keeps a copy of the i-th frame for the extension, until release, release_to or discard.
	 * -ENOBUFS: the extension holds as much as it may; the frame is where it was.
	 */
	int (*hold)(struct vswitch_ext_verdicts *v, uint32_t i, uint64_t *held);
	const struct vswitch_frame *(*held_frame)(struct vswitch_extension *self, uint64_t held);
	/* It goes on below the extension; from a frame callback: after the present batch. */
	int (*release)(struct vswitch_extension *self, uint64_t held);
	int (*discard)(struct vswitch_extension *self, uint64_t held, const char *reason);
	/* A forwarder's: it goes on with these destinations (committed). */
	int (*release_to)(struct vswitch_extension *self, uint64_t held, const struct vswitch_ext_destination *to, uint32_t n);
	/*
	 * Forwarder, ingress: adds a destination of the i-th frame. What has none when ingress() returns is forwarded natively.
	 * -ENOENT: no such port, or not connected. -ELOOP: the port that it came from. -ENOBUFS: too many.
	 */
	int (*direct)(struct vswitch_ext_writer *w, uint32_t i, const struct vswitch_ext_destination *to);
	/*
	 * A new frame, copied, at ingress just below the extension, in the VLAN that its field says (a clone's is right already;
	 * 0: that of its tag). source_port 0: originated, subject to no port's policies; else on behalf of that port (a clone), whose
	 * NIC is connected (-ENOTCONN); captures may only originate. From a frame callback: after the present batch, so in another
	 * order. -ENOBUFS: too much under way. -ELOOP: injected because of what was injected, too often. -EBADMSG: not a frame that a
	 * NIC might send.
	 */
	int (*inject)(struct vswitch_extension *self, const struct vswitch_frame *f, uint32_t source_port);
	/* A request from just below the extension to a connected NIC. Not from frame callbacks. Errors of the answering side. */
	int (*request)(struct vswitch_extension *self, struct vswitch_request *r);

	/* CLOCK_MONOTONIC as of the batch or event; one timer per extension, for timer(); 0 stops it. Not before deadline_ns. */
	uint64_t (*now_ns)(struct vswitch_extension *self);
	int (*set_timer)(struct vswitch_extension *self, uint64_t deadline_ns);
	/* level as in syslog(3); rate-limited. */
	void (*log)(struct vswitch_extension *self, int level, const char *text);
};

/* ---- what the extension provides ---- */

/* Answers of callbacks that may refuse: 0 passes the request on, a negative -errno refuses it. */
enum {
	VSWITCH_EXT_PASS = 0,
	VSWITCH_EXT_DONE = 1,		/* property_*, request, feature_status: it is mine, and done */
};

struct vswitch_ext_writer_out {		/* save(): where a record of what the extension knows about a NIC goes */
	void *data;
	uint32_t max_bytes;
	uint32_t bytes;			/* of the record; with -ENOBUFS: how many it needs */
	struct vswitch_guid feature;	/* the extension's own sorting; may stay zero */
};

/*
 * Any may be NULL. instance is what attach() made. refusal: where a callback that refuses may put the reason, VSWITCH_REFUSAL_BYTES.
 * A capture never refuses. What a lower one refuses is taken back from those above that let it pass, by the delete of the same thing.
 */
enum { VSWITCH_REFUSAL_BYTES = 128 };

struct vswitch_ext_ops {
	/*
	 * Makes an instance for one switch; config is the user's text, may be empty. The extension is disabled still: it keeps quiet.
	 * -errno: it cannot; the reason goes to refusal.
	 */
	int (*attach)(struct vswitch_extension *self, const struct vswitch_ext_services *services, const char *config,
		      char *refusal, void **instance);
	void (*detach)(void *instance);
	/* Enabled: asks for what is there (switch_info, next_port, …); what happens from now on comes as callbacks. */
	void (*activate)(void *instance);
	/* The last call before it is enabled again or detached; references are returned and held frames given up in it. */
	void (*deactivate)(void *instance);

	int (*port_create)(void *instance, const struct vswitch_port_info *port, char *refusal);
	void (*port_updated)(void *instance, const struct vswitch_port_info *port);
	void (*port_teardown)(void *instance, const struct vswitch_port_info *port);
	void (*port_delete)(void *instance, const struct vswitch_port_info *port);

	/* Refusals count for index 0 only. *mtu may be lowered if nic->initializing. */
	int (*nic_create)(void *instance, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal);
	void (*nic_connect)(void *instance, const struct vswitch_nic_info *nic);
	void (*nic_updated)(void *instance, const struct vswitch_nic_info *nic);
	void (*nic_disconnect)(void *instance, const struct vswitch_nic_info *nic);
	void (*nic_delete)(void *instance, const struct vswitch_nic_info *nic);
	/* Something about a NIC changed that is no step of its life; code says what. */
	void (*nic_status)(void *instance, const struct vswitch_nic_info *nic, uint32_t code, const void *data, uint32_t bytes);

	/* port 0: of the switch. DONE: the extension's own kind. A standard policy that it cannot do a forwarder refuses. */
	int (*property_add)(void *instance, uint32_t port, const struct vswitch_property *p, char *refusal);
	int (*property_update)(void *instance, uint32_t port, const struct vswitch_property *p, char *refusal);
	void (*property_delete)(void *instance, uint32_t port, const struct vswitch_property *p);
	/* Counters and the like of a feature of its own: DONE and *bytes, PASS (not mine), or -ENOBUFS and the need in *bytes. */
	int (*feature_status)(void *instance, uint32_t port, const struct vswitch_guid *feature, void *out, uint32_t max_bytes,
			      uint32_t *bytes);

	/* A request on its way down: PASS, DONE or -errno. complete: the final result, to those that let it pass, in reverse order. */
	int (*request)(void *instance, struct vswitch_request *r);
	void (*request_complete)(void *instance, const struct vswitch_request *r, int result);

	/*
	 * Run-time state of a NIC. save(): DONE: one record was written, call again; PASS: nothing (more); -ENOBUFS.
	 * restore(): what save() once wrote, perhaps damaged or forged; 0 or -errno, which makes the whole restore fail.
	 */
	int (*save)(void *instance, const struct vswitch_nic_info *nic, struct vswitch_ext_writer_out *out);
	void (*save_complete)(void *instance, const struct vswitch_nic_info *nic);
	int (*restore)(void *instance, const struct vswitch_nic_info *nic, const struct vswitch_guid *feature, const void *data,
		       uint32_t bytes);
	void (*restore_complete)(void *instance, const struct vswitch_nic_info *nic);

	void (*timer)(void *instance);
};

/*
 * Frame callbacks, one table per class: the types say what the class may do. complete() tells of frames that the
 * extension let pass at ingress, once for each: they are done.
 */
struct vswitch_ext_capture_ops {
	void (*ingress)(void *instance, const struct vswitch_ext_batch *b);
	void (*egress)(void *instance, const struct vswitch_ext_batch *b);
	void (*complete)(void *instance, const struct vswitch_ext_batch *b);
};

struct vswitch_ext_filter_ops {
	void (*ingress)(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v);
	void (*egress)(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v);
	void (*complete)(void *instance, const struct vswitch_ext_batch *b);
};

struct vswitch_ext_forward_ops {
	void (*ingress)(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			struct vswitch_ext_writer *w);
	void (*egress)(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v);
	void (*complete)(void *instance, const struct vswitch_ext_batch *b);
};

enum { VSWITCH_EXT_ABI = 1 };
#define VSWITCH_EXT_SYMBOL "vswitch_ext_module"

/* What a shared object exports, as vswitch_ext_module. */
struct vswitch_ext_module {
	uint32_t abi;			/* VSWITCH_EXT_ABI */
	uint32_t size;			/* sizeof(struct vswitch_ext_module) */
	uint32_t ops_size;		/* sizeof(struct vswitch_ext_ops) */
	uint32_t class;			/* enum vswitch_ext_class */
	struct vswitch_guid id;		/* whose saved state is whose */
	const char *name;		/* short, unique on a switch unless the user gives another: "pcapng" */
	const char *version, *vendor;
	const struct vswitch_ext_ops *ops;
	/* The one of its class; the other two are NULL. */
	const struct vswitch_ext_capture_ops *capture;
	const struct vswitch_ext_filter_ops *filter;
	const struct vswitch_ext_forward_ops *forward;
};

/* For the object that defines it. */
extern __attribute__((visibility("default"))) const struct vswitch_ext_module vswitch_ext_module;

#endif
