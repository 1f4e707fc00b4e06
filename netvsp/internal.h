/* SPDX-License-Identifier: MIT */
/*
 * What the files of netvsp/ share. netvsp.c has the theory of operation.
 */
#ifndef HVNET_NETVSP_INTERNAL_H
#define HVNET_NETVSP_INTERNAL_H

#include <sys/queue.h>

#include "base/log.h"
#include "base/rd.h"
#include "netvsp/netvsp.h"
#include "netvsp/nvsp_wire.h"
#include "netvsp/rndis.h"
#include "vmbus/vmbus_wire.h"

enum {
	NETVSP_QUEUES = 1,		/* channels of a device; more come with sub-channels */
	NETVSP_PAGE_BYTES = 4096,

	/* to the guest */
	NETVSP_CONTROL_SLOTS = 16,	/* sub-allocations that are kept for control answers, as Hyper-V */
	NETVSP_RX_DATA_OFFSET = 256,	/* of the frame in its sub-allocation, as Hyper-V */
	NETVSP_RX_TAIL_BYTES = 36,	/* never used: some Windows guests take them for something else */
	NETVSP_RX_TAG_BYTES = 4,	/* room for a tag in the frame, for guests without VLAN elements */
	NETVSP_RX_RANGES = 32,		/* per packet: keeps it below iPXE's 512 bytes */
	NETVSP_RX_MAX_SLOTS = 1 << 16,	/* bounds our own table */

	/* to the host; our policy unless said otherwise */
	NETVSP_TX_MESSAGES = 32,	/* RNDIS messages per VMBus packet; we say 8 in INITIALIZE_COMPLETE */
	NETVSP_TX_FRAMES = VSWITCH_BATCH + NETVSP_TX_MESSAGES,
	NETVSP_TX_PIECES = 128,		/* contiguous pieces of memory per VMBus packet */
	NETVSP_TX_PACKET_SEGS = NETVSP_TX_PIECES + NETVSP_TX_MESSAGES,	/* a message may begin inside a piece */
	NETVSP_TX_SEGS = 512,
	NETVSP_TX_STREAM_BYTES = 128 * 1024,	/* per VMBus packet: a 64 KiB frame, its headers, a batch */
	NETVSP_TX_DONE = 64,		/* completions of one batch */
	NETVSP_PACKET_BYTES = 16384,	/* longest packet that a guest may put into its ring */
	NETVSP_POLL_PACKETS = 256,	/* per poll */
	NETVSP_PARK_BYTES = 128 * 1024,

	NETVSP_CONTROL_BYTES = 100 * 1024,	/* queued control requests, as Hyper-V */
	NETVSP_CONTROL_MESSAGE_BYTES = 8192,	/* the longest known is an RSS table of some 600 bytes */
	NETVSP_CONTROL_PER_RUN = 32,
	NETVSP_ANSWER_BYTES = 1024,		/* longest control answer; a friendly name takes 536 */
	NETVSP_MULTICAST_MAX = 32,

	NETVSP_DEFAULT_LINK_MBPS = 10000,
	NETVSP_MAX_MTU = NVSP_FRAME_MAX_BYTES - 14,
};

#define NETVSP_NO_SLOT UINT32_MAX

/* ---- counters ---- */

/* Beside those of enum rndis_refusal and the traffic's. */
#define NETVSP_COUNTERS(X) \
	X(NETVSP_C_OPENS, "opens") \
	X(NETVSP_C_TX_PACKETS, "to-host-packets") \
	X(NETVSP_C_RX_PACKETS, "to-guest-packets") \
	X(NETVSP_C_TX_REFUSED, "to-host-packets-refused") \
	X(NETVSP_C_TX_PARKED, "to-host-packets-parked") \
	X(NETVSP_C_TX_LOST_AT_CLOSE, "to-host-packets-lost-at-close") \
	X(NETVSP_C_TX_PAUSES, "to-host-pauses") \
	X(NETVSP_C_TX_NO_PORT, "to-host-no-port") \
	X(NETVSP_C_TX_VLAN, "to-host-vlan") \
	X(NETVSP_C_RX_VLAN, "to-guest-vlan") \
	X(NETVSP_C_RX_NOT_READY, "to-guest-not-ready") \
	X(NETVSP_C_RX_FILTERED, "to-guest-filtered") \
	X(NETVSP_C_RX_TOO_BIG, "to-guest-too-big") \
	X(NETVSP_C_RX_NO_BUFFER, "to-guest-no-buffer") \
	X(NETVSP_C_RX_RING_FULL, "to-guest-ring-full") \
	X(NETVSP_C_RX_CONGESTED, "to-guest-congested") \
	X(NETVSP_C_SPACE_WAITS, "to-guest-ring-waits") \
	X(NETVSP_C_DOORBELLS_MISSED, "doorbells-missed") \
	X(NETVSP_C_DOORBELLS_REPEATED, "doorbells-repeated") \
	X(NETVSP_C_CONTROL_REQUESTS, "control-requests") \
	X(NETVSP_C_CONTROL_ANSWERS, "control-answers") \
	X(NETVSP_C_INDICATIONS, "indications") \
	X(NETVSP_C_RING_CORRUPT, "ring-corrupt") \
	X(NETVSP_C_BAD_PACKET_TYPE, "ring-bad-packet-type") \
	X(NETVSP_C_CANCELS, "ring-cancels") \
	X(NETVSP_C_NVSP_SHORT, "nvsp-short") \
	X(NETVSP_C_NVSP_UNKNOWN_TYPE, "nvsp-unknown-type") \
	X(NETVSP_C_NVSP_ABOVE_VERSION, "nvsp-above-version") \
	X(NETVSP_C_NVSP_BAD_VERSION, "nvsp-bad-version") \
	X(NETVSP_C_NVSP_WRONG_STATE, "nvsp-wrong-state") \
	X(NETVSP_C_NVSP_AFTER_REVOKE, "nvsp-after-revoke") \
	X(NETVSP_C_UNANSWERABLE, "nvsp-unanswerable") \
	X(NETVSP_C_COMPLETION_BAD_TYPE, "completion-bad-type") \
	X(NETVSP_C_COMPLETION_BAD_ID, "completion-bad-id") \
	X(NETVSP_C_BUFFER_BAD_GPADL, "buffer-bad-gpadl") \
	X(NETVSP_C_BUFFER_TOO_SMALL, "buffer-too-small") \
	X(NETVSP_C_BUFFER_NO_MEMORY, "buffer-no-memory") \
	X(NETVSP_C_REVOKE_BAD_ID, "revoke-bad-id") \
	X(NETVSP_C_BUFFER_TAKEN_BACK, "buffer-taken-back") \
	X(NETVSP_C_SECTION_BAD, "section-bad") \
	X(NETVSP_C_NO_DATA, "packet-no-data") \
	X(NETVSP_C_RANGES_BAD, "ranges-bad") \
	X(NETVSP_C_RANGES_NO_MEMORY, "ranges-no-memory") \
	X(NETVSP_C_STREAM_TOO_LONG, "packet-too-long") \
	X(NETVSP_C_CHANNEL_TYPE, "packet-bad-channel-type") \
	X(NETVSP_C_BATCH_MIXED, "batch-mixed") \
	X(NETVSP_C_BATCH_TOO_LONG, "batch-too-long") \
	X(NETVSP_C_CONTROL_FULL, "control-queue-full") \
	X(NETVSP_C_CONTROL_TOO_LONG, "control-too-long") \
	X(NETVSP_C_CONTROL_NOT_SUPPORTED, "control-not-supported") \
	X(NETVSP_C_INITIALIZE_TWICE, "initialize-twice") \
	X(NETVSP_C_INITIALIZE_VERSION, "initialize-bad-version") \
	X(NETVSP_C_OID_UNKNOWN, "oid-unknown") \
	X(NETVSP_C_OID_BAD_INPUT, "oid-bad-input") \
	X(NETVSP_C_SUBCHANNEL_REFUSED, "subchannel-refused")

enum netvsp_counter_id {
#define NETVSP_NAME(name, text) name,
	NETVSP_COUNTERS(NETVSP_NAME)
#undef NETVSP_NAME
	NETVSP_NUM_COUNTERS
};

/* Frames of one direction; directed ones are the rest. */
struct netvsp_traffic {
	uint64_t frames, bytes;
	uint64_t multicast_frames, multicast_bytes;
	uint64_t broadcast_frames, broadcast_bytes;
};

/* ---- buffers in guest memory ---- */

/* A GPADL that the guest lends us; no gpadl: none. */
struct netvsp_buffer {
	struct vmbus_gpadl *gpadl;	/* a reference is ours until revoke or close */
	uint8_t *const *pages;		/* borrowed from gpadl; stale while the channel is paused */
	uint8_t *flat;			/* all of it, if its pages lie back to back in our address space */
	uint32_t bytes;
	uint16_t id;
};

/* 0, or the errors of vmbus_gpadl_get(). */
int netvsp_buffer_get(struct netvsp_buffer *b, struct vmbus_channel *ch, uint32_t handle, uint16_t id)
	__attribute__((warn_unused_result));
void netvsp_buffer_put(struct netvsp_buffer *b);
/* The pages may lie elsewhere after a pause. */
void netvsp_buffer_moved(struct netvsp_buffer *b);

/* Where byte off is, and how many bytes follow it there; off < b->bytes. */
static inline uint8_t *netvsp_buffer_at(const struct netvsp_buffer *b, uint32_t off, uint32_t *contiguous)
{
	if (b->flat) {
		*contiguous = b->bytes - off;
		return b->flat + off;
	}
	*contiguous = NETVSP_PAGE_BYTES - off % NETVSP_PAGE_BYTES;
	return b->pages[off / NETVSP_PAGE_BYTES] + off % NETVSP_PAGE_BYTES;
}

/* Copies into the buffer; the range lies inside it. */
void netvsp_buffer_write(const struct netvsp_buffer *b, uint32_t off, const void *src, uint32_t n);

/* ---- the receive buffer's sub-allocations ---- */

/*
 * FREE, in one of two lists --take--> OURS, being filled --sent--> the GUEST's --its completion--> FREE
 * The slots of one VMBus packet are a chain behind the first, whose index is the packet's transaction id.
 */
struct netvsp_slot {
	uint32_t next;			/* in the free list or in the chain; NETVSP_NO_SLOT: last */
	uint32_t chain_last;		/* of a chain that the guest holds, in its first slot */
	uint32_t chain_slots;		/* > 0: a chain that the guest holds begins here */
};

enum netvsp_pool {
	NETVSP_POOL_CONTROL,		/* slots 0 … 15 */
	NETVSP_POOL_DATA,
	NETVSP_POOLS
};

struct netvsp_slots {
	struct netvsp_slot *slot;	/* owned; count of them */
	uint32_t count;
	uint32_t slot_bytes;		/* multiple of 64, so a slot's first 64 bytes are one cache line in one page */
	uint32_t first_free[NETVSP_POOLS], free[NETVSP_POOLS];
};

/* Bytes of a sub-allocation for frames of frame_bytes. */
uint32_t netvsp_slot_bytes(uint32_t frame_bytes);
/* -ENOSPC: the buffer is too small to be of use; -ENOMEM. */
int netvsp_slots_create(struct netvsp_slots *s, uint32_t buffer_bytes, uint32_t frame_bytes)
	__attribute__((warn_unused_result));
void netvsp_slots_destroy(struct netvsp_slots *s);
/* NETVSP_NO_SLOT if there is none. */
uint32_t netvsp_slots_take(struct netvsp_slots *s, enum netvsp_pool pool);
/* The chain first … last of n slots was sent to the guest. */
void netvsp_slots_sent(struct netvsp_slots *s, uint32_t first, uint32_t last, uint32_t n);
/* The guest completed a packet. false: no such packet is out. */
bool netvsp_slots_complete(struct netvsp_slots *s, uint64_t transaction_id) __attribute__((warn_unused_result));
/* Takes a chain back that was not sent. */
void netvsp_slots_give_back(struct netvsp_slots *s, uint32_t first, uint32_t last, uint32_t n);

/* ---- NVSP ---- */

/*
 *            INIT, good         all of CONFIG (≥ 2), NDIS, RECEIVE and SEND_BUFFER
 * CLOSED --open--> VERSION ------> INIT ------------------------------------------> READY
 *                                   |    or the first RNDIS packet without SEND_BUFFER   |
 *                                   +-- REVOKE, GPADL teardown --> REVOKED <-- REVOKE, ... --+
 * VERSION, INIT, READY, REVOKED --protocol error--> FAILED
 * any state --close--> CLOSED
 */
enum netvsp_state {
	NETVSP_CLOSED,		/* no channel */
	NETVSP_VERSION,		/* INIT is awaited, once or several times */
	NETVSP_INIT,		/* a version is agreed */
	NETVSP_READY,		/* frames may flow */
	NETVSP_REVOKED,		/* no buffer is touched; what asks for a completion gets one */
	NETVSP_FAILED,		/* the ring is not looked at again */
};

/* ---- one queue: a channel and what is under way on it ---- */

struct netvsp_done {		/* a completion of a SEND_RNDIS_PACKET that is owed */
	uint64_t transaction_id;
	uint32_t status;
};

struct netvsp_job {		/* a form A packet, checked and about to be parsed */
	uint64_t transaction_id;
	uint32_t offset, bytes;	/* in the send buffer */
	bool wants_completion;
};

/* The bytes of a VMBus packet's RNDIS messages, in order. */
struct netvsp_stream {
	unsigned n;
	uint32_t bytes;
	struct iovec piece[NETVSP_TX_PIECES];	/* adjacent ones are one */
};

struct netvsp_tx {
	unsigned num_frames, num_segs, num_done;
	unsigned job_at, num_jobs;	/* jobs before job_at are parsed */
	unsigned inputs;		/* calls to the switch so far, wraps */
	bool stuck;			/* completions are owed that found no room */
	struct netvsp_job job[VSWITCH_BATCH];
	struct netvsp_done done[NETVSP_TX_DONE + VSWITCH_BATCH];
	struct vswitch_frame *frame_at[NETVSP_TX_FRAMES];	/* frame[], as the switch wants it */
	struct netvsp_stream stream;
	struct iovec seg[NETVSP_TX_SEGS];
	struct vswitch_frame frame[NETVSP_TX_FRAMES];
};

/* Packets that were taken out of the ring and can't be worked on yet. */
struct netvsp_park {
	uint8_t *bytes;		/* owned, NETVSP_PARK_BYTES */
	uint32_t head, tail;
};

/* The packet to the guest that is being filled between deliver() and flush(). */
struct netvsp_rx {
	unsigned n;
	uint32_t first, last;	/* the chain of slots */
	struct vmbus_pkt_transfer_range range[NETVSP_RX_RANGES];
};

struct netvsp_reply {		/* an NVSP completion that found no room */
	uint64_t transaction_id;
	uint32_t bytes;
	bool pending;
	uint8_t payload[NVSP_MESSAGE_BYTES_6_1];
};

#define NETVSP_NO_INDEX UINT32_MAX

struct netvsp_channel {
	struct netvsp *nic;		/* borrowed: it owns us */
	struct vmbus_channel *ch;	/* borrowed; NULL: closed */
	struct vmbus_ring_in *in;	/* borrowed, with ch */
	struct vmbus_ring_out *out;
	struct hv_poller poller;
	struct hv_timer look;		/* whether a doorbell was lost */
	uint64_t look_after_ns;
	uint32_t look_read;		/* the guest's read index at the last look; NETVSP_NO_INDEX: none yet */
	bool paused;			/* guest memory is gone for now */
	bool held;			/* the switch said pause */
	bool masked;			/* the guest does not signal */
	bool waiting;			/* pending send size is set */
	struct netvsp_rx rx;
	struct netvsp_reply reply;
	struct netvsp_park park;
	struct netvsp_tx tx;
	uint8_t packet[NETVSP_PACKET_BYTES];
};

/* ---- RNDIS control ---- */

struct netvsp_request {
	STAILQ_ENTRY(netvsp_request) link;
	uint32_t bytes;
	uint8_t message[];
};

struct netvsp_control {
	STAILQ_HEAD(, netvsp_request) queue;
	uint32_t queued_bytes;		/* with each request's overhead */
	bool operational;		/* after INITIALIZE, until HALT */
	bool indicate_offload;		/* the guest is to hear of the offloads in force */
};

/* OID state of a session. */
struct netvsp_rss {			/* kept for when there are sub-channels */
	bool enabled;
	uint32_t hash_info;
	uint16_t entries;
	uint8_t queue[NDIS_RSS_TABLE_ENTRIES];
	uint8_t key[NDIS_RSS_KEY_BYTES];
};

struct netvsp_filter {
	uint32_t bits;			/* enum ndis_packet_filter; 0: closed */
	bool has_list;			/* the guest named its multicast addresses */
	unsigned n;
	uint8_t multicast[NETVSP_MULTICAST_MAX][6];
};

struct netvsp_link {
	bool admin_up, port_up;
	bool reported_up;		/* what the guest was told last */
	bool toggle;			/* the guest is to see a change even if there is none */
	uint64_t next_ns;		/* no indication before */
	struct hv_timer timer;
};

/* What lives from open to close; plain, so that it can be handed over. */
struct netvsp_session {
	enum netvsp_state state;
	uint32_t version;		/* enum nvsp_version */
	uint32_t ndis_major, ndis_minor;
	uint64_t capabilities;		/* enum nvsp_capability */
	uint32_t frame_bytes;		/* longest frame, Ethernet header included, tag not */
	bool have_version, have_config, have_receive, have_send;
	struct netvsp_filter filter;
	struct netvsp_rss rss;
};

struct netvsp {
	char *name;			/* owned */
	uint8_t mac[6];
	uint64_t link_bps;
	uint32_t max_frame_bytes;	/* the configuration's limit */
	struct hv_loop *loop;		/* borrowed: outlives us */
	struct vmbus_device *dev;	/* owned */
	struct vswitch_port *port;	/* borrowed; NULL: none */
	struct vswitch_nic nic;		/* what the port has plugged in */
	bool connected;			/* on its port */
	bool created;			/* it was on a port before */
	char *vm_name, *vm_id;		/* owned; or NULL */
	void (*changed)(void *cookie);	/* or NULL */
	void *cookie;
	bool congested;			/* what the port was told */
	struct netvsp_session session;
	struct netvsp_buffer receive, send;
	struct netvsp_slots slots;
	struct netvsp_control control;
	struct netvsp_link link;
	struct netvsp_traffic to_guest, to_host;
	uint64_t counter[NETVSP_NUM_COUNTERS];
	uint64_t refused[RNDIS_NUM_REFUSALS];
	struct hv_log_limit log_limit;
	struct netvsp_channel primary;
};

static inline void netvsp_count(struct netvsp *nic, enum netvsp_counter_id c)
{
	nic->counter[c]++;
}

/* ---- netvsp.c ---- */

/* The only writer of the state; checks and logs the move. */
void netvsp_set_state(struct netvsp *nic, enum netvsp_state state);
/* After anything that makes the guest's driver ready: from here on its NIC is connected. */
void netvsp_driver_up(struct netvsp *nic);
/* A protocol error: the channel is dead until it is opened again. */
void netvsp_fail(struct netvsp *nic, enum netvsp_counter_id c, const char *what);
/* Gives a buffer back and never touches it again; its GPADL's reference is put. */
void netvsp_revoke_receive(struct netvsp *nic);
void netvsp_revoke_send(struct netvsp *nic);
/* Has the channel polled soon. */
void netvsp_kick(struct netvsp *nic);
/* ---- channel.c: the ring's traffic ---- */

/* -ENOMEM. */
int netvsp_channel_create(struct netvsp_channel *c, struct netvsp *nic) __attribute__((warn_unused_result));
void netvsp_channel_destroy(struct netvsp_channel *c);
void netvsp_channel_open(struct netvsp_channel *c, struct vmbus_channel *ch);
void netvsp_channel_close(struct netvsp_channel *c);
void netvsp_channel_pause(struct netvsp_channel *c, bool paused);
/* Whether the guest's memory may be touched. */
static inline bool netvsp_channel_live(const struct netvsp_channel *c)
{
	return c->ch && !c->paused && c->nic->session.state != NETVSP_FAILED;
}
/* Sends a completion now, or as soon as there is room; at most one at a time (netvsp_channel_blocked()). */
void netvsp_channel_reply(struct netvsp_channel *c, uint64_t transaction_id, const void *payload, uint32_t bytes);
/* Whether something owed to the guest has to go first, or the switch asked for a pause: only completions are handled. */
static inline bool netvsp_channel_blocked(const struct netvsp_channel *c)
{
	return c->held || c->tx.stuck || c->reply.pending;
}
/* Free bytes in the ring to the guest are at least need; looks at the guest's index only if it must. */
bool netvsp_channel_has_room(struct netvsp_channel *c, uint32_t need);
/* Bytes that frames leave free in the ring to the guest for completions and control answers. */
uint32_t netvsp_channel_reserve(const struct netvsp_channel *c);
/* Makes what was written visible, and rings if need be. */
void netvsp_channel_publish(struct netvsp_channel *c);
/* Bytes of the payload that an NVSP message to the guest has. */
uint32_t netvsp_message_bytes(const struct netvsp *nic);
/*
 * Writes a SEND_RNDIS_PACKET with n ranges of the receive buffer. false, nothing written: the ring is full or
 * corrupt; not after netvsp_channel_has_room() for it.
 */
bool netvsp_channel_send_rndis(struct netvsp_channel *c, uint32_t channel_type, uint32_t transaction_id,
			       const struct vmbus_pkt_transfer_range *range, unsigned n)
	__attribute__((warn_unused_result));

/* ---- nvsp.c ---- */

/* A message other than SEND_RNDIS_PACKET. The channel is not blocked. */
void netvsp_nvsp_message(struct netvsp_channel *c, const struct vmbus_packet *pkt);
/*
 * Whether a SEND_RNDIS_PACKET may be worked on: makes the move from INIT to READY. false: it has been dealt
 * with, because the state has no use for it. The channel is not blocked unless the state is READY.
 */
bool netvsp_nvsp_packet_allowed(struct netvsp_channel *c, const struct vmbus_packet *pkt);

/* ---- tx.c: guest to host ---- */

void netvsp_tx_init(struct netvsp_tx *tx);
/*
 * A SEND_RNDIS_PACKET in READY: its frames are collected until netvsp_tx_flush(). false: not taken, because those
 * before it have to wait (netvsp_channel_blocked()).
 */
bool netvsp_tx_packet(struct netvsp_channel *c, const struct vmbus_packet *pkt) __attribute__((warn_unused_result));
/* Hands the frames to the switch and completes their packets, until there are none or the channel is blocked. */
void netvsp_tx_flush(struct netvsp_channel *c);
/* Forgets all that is under way; how many packets these were. */
unsigned netvsp_tx_reset(struct netvsp_tx *tx);
/* Writes the completions that are owed; true: none is left. */
bool netvsp_tx_send_done(struct netvsp_channel *c);

/* ---- rx.c: host to guest ---- */

extern const struct vswitch_nic_ops netvsp_nic_ops;
/* Whether the guest takes frames. */
bool netvsp_rx_open(const struct netvsp *nic);
/* Tells the port when the guest is short of room, and when it no longer is. */
void netvsp_rx_update_congestion(struct netvsp *nic);
/* Ring space at which a congested receiver is well again. */
uint32_t netvsp_rx_good_room(const struct netvsp_channel *c);

/* ---- control.c ---- */

void netvsp_control_init(struct netvsp *nic);
void netvsp_control_reset(struct netvsp *nic);
/* Queues a copied message; false: refused (counted). */
bool netvsp_control_request(struct netvsp *nic, struct rd message) __attribute__((warn_unused_result));
/* Answers what can be answered. */
void netvsp_control_run(struct netvsp *nic);
/* Something waits for room in the ring. */
bool netvsp_control_waits(const struct netvsp *nic);
/* Sends an INDICATE_STATUS; false: no room now. */
bool netvsp_control_indicate(struct netvsp *nic, uint32_t status, const void *buffer, uint32_t bytes)
	__attribute__((warn_unused_result));

/* ---- oid.c, offload.c ---- */

struct netvsp_oid_answer {
	uint32_t bytes;
	uint8_t data[NETVSP_ANSWER_BYTES - sizeof(struct rndis_query_complete)];
};

/* Both return an enum rndis_status or RNDIS_STATUS_…. */
uint32_t netvsp_oid_query(struct netvsp *nic, uint32_t oid, struct netvsp_oid_answer *out);
uint32_t netvsp_oid_set(struct netvsp *nic, uint32_t oid, struct rd info);

void netvsp_offload_current(const struct netvsp *nic, struct ndis_offload *out);
uint32_t netvsp_offload_query(struct netvsp *nic, uint32_t oid, struct netvsp_oid_answer *out);
uint32_t netvsp_offload_set(struct netvsp *nic, uint32_t oid, struct rd info);

/* ---- link.c ---- */

void netvsp_link_init(struct netvsp *nic);
bool netvsp_link_up(const struct netvsp *nic);
/* The guest (re)starts: what it asks from here on is the truth. */
void netvsp_link_told(struct netvsp *nic);
/* Says what is to be said, now or later. */
void netvsp_link_run(struct netvsp *nic);
/* The guest is to see the link go away and come back. */
void netvsp_link_toggle(struct netvsp *nic);
void netvsp_link_stop(struct netvsp *nic);
/* An indication waits for room, not for its time. */
bool netvsp_link_waits(const struct netvsp *nic);

#endif
