/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The guest's side of NetVSP without any I/O: what a synthetic NIC's driver says and how it reads
 * what it is told. Bytes in, bytes out; compiled unchanged for the kernel (netvsc/linux/) and for
 * user space (softguest/).
 *
 * Left to the caller: the VMBus channel and its rings, memory, GPADLs, locks, timers, the network
 * stack. The core allocates nothing, waits for nothing and calls nobody back.
 *
 * Control: the caller states goals (netvsc_start(), netvsc_set_filter(), netvsc_request_*(), netvsc_stop()) and runs
 *	while ((what = netvsc_next(n, &out)) != NETVSC_DO_NOTHING) do what it says;
 * after each goal and after each answer that it handed in (netvsc_completed(), netvsc_control()).
 *
 * Data: netvsc_rx_*() takes a receive packet apart into frames, struct netvsc_tx and
 * netvsc_batch_*() build transmit packets.
 *
 * The host is not trusted either: whatever lies in memory that it can write is copied once, the copy
 * is checked and only then acted upon. What it gets wrong is counted (netvsc_stat_name()).
 *
 * Threads: control calls are serialised by the caller. netvsc_rx_*() reads only the buffers'
 * geometry, which is fixed from the answer to their registration until netvsc_start() comes again,
 * and writes only the given netvsc_stats, so it needs no lock. A struct netvsc_tx belongs to its
 * queue's transmit lock or thread.
 */
#ifndef HVNET_NETVSC_NETVSC_H
#define HVNET_NETVSC_NETVSC_H

#include "base/le.h"
#include "base/rd.h"
#include "netvsp/nvsp_wire.h"
#include "netvsp/rndis_wire.h"

enum {
	NETVSC_MESSAGE_BYTES = 40,	/* every NVSP message of ours, as Linux' driver sends them (NVSP 6.1's size) */
	NETVSC_CONTROL_BYTES = 256,	/* our longest RNDIS control message: a query with an NDIS_OFFLOAD inside */
	NETVSC_ANSWER_BYTES = 640,	/* the longest answer that is read: 24 + a friendly name of 512, and then some */
	NETVSC_HEADER_MAX_BYTES = 44 + 3 * 16,	/* RNDIS PACKET with VLAN, checksum and large-send elements */
	NETVSC_RANGES_MAX = 562,	/* ranges in one receive packet, NVSP's own limit (with RSC) */
	NETVSC_MTU_MIN = 68,		/* RFC 791 */
	NETVSC_MTU_DEFAULT = 1500,
	NETVSC_MTU_MAX = 9202,		/* NVSP's limit of 9216, less the Ethernet header */
	NETVSC_MESSAGES_MAX = 8,	/* frames in one message; hosts say 8 and may not say more to us */
};

/* What a completion's transaction id means. Hyper-V does not answer id 0, so that is none. */
enum {
	NETVSC_ID_REQUEST = 1,		/* an NVSP request: netvsc_completed() */
	NETVSC_ID_CONTROL = 2,		/* an RNDIS control message was taken: netvsc_control_sent() */
	NETVSC_ID_TX = 16,		/* and above: slot id - NETVSC_ID_TX, netvsc_tx_completed() */
};

/* What the hardware, so the host, computes for us; in both directions */
enum netvsc_offload {
	NETVSC_OFF_TX_IP4 = 1 << 0, NETVSC_OFF_TX_TCP4 = 1 << 1, NETVSC_OFF_TX_UDP4 = 1 << 2,
	NETVSC_OFF_TX_TCP6 = 1 << 3, NETVSC_OFF_TX_UDP6 = 1 << 4,
	NETVSC_OFF_LSO4 = 1 << 5, NETVSC_OFF_LSO6 = 1 << 6,
	NETVSC_OFF_RX_IP4 = 1 << 8, NETVSC_OFF_RX_TCP4 = 1 << 9, NETVSC_OFF_RX_UDP4 = 1 << 10,
	NETVSC_OFF_RX_TCP6 = 1 << 11, NETVSC_OFF_RX_UDP6 = 1 << 12,
};

/*
 * CLOSED --start--> VERSION --accepted--> CONFIG --> NDIS_VERSION --> RECEIVE_MAP --GPADL--> RECEIVE --answer-->
 *   SEND_MAP --GPADL--> SEND --answer--> INITIALIZE --answer--> QUERIES --last answer--> RUNNING
 * VERSION --refused--> VERSION with the next older one
 * RUNNING --stop--> CLOSING_FILTER --answer--> DRAIN --drained--> HALT --> REVOKE_RECEIVE --> REVOKE_SEND --> CLOSED
 * any state from VERSION to QUERIES --stop--> the part of the way back that is left (REVOKE_* or CLOSED)
 * any state --the host's mistake, or its refusal of what we need--> FAILED --start--> VERSION
 */
enum netvsc_state {
	NETVSC_CLOSED,
	NETVSC_VERSION,
	NETVSC_CONFIG,
	NETVSC_NDIS_VERSION,
	NETVSC_RECEIVE_MAP,
	NETVSC_RECEIVE,
	NETVSC_SEND_MAP,
	NETVSC_SEND,
	NETVSC_INITIALIZE,
	NETVSC_QUERIES,
	NETVSC_RUNNING,
	NETVSC_CLOSING_FILTER,
	NETVSC_DRAIN,
	NETVSC_HALT,
	NETVSC_REVOKE_RECEIVE,
	NETVSC_REVOKE_SEND,
	NETVSC_FAILED,
};

/* Why NETVSC_FAILED */
enum netvsc_error {
	NETVSC_OK,
	NETVSC_ERR_VERSION,		/* the host takes none of our versions */
	NETVSC_ERR_SHORT,		/* an answer is too short */
	NETVSC_ERR_UNEXPECTED,		/* an answer to something that was not asked */
	NETVSC_ERR_RECEIVE_REFUSED,	/* the receive buffer: refused … */
	NETVSC_ERR_RECEIVE_LAYOUT,	/* … or divided in a way that does not fit into it */
	NETVSC_ERR_SEND_REFUSED,
	NETVSC_ERR_SEND_LAYOUT,
	NETVSC_ERR_INITIALIZE,		/* RNDIS INITIALIZE refused or nonsense */
	NETVSC_ERR_MAC,			/* no usable MAC address */
	NETVSC_ERR_CONTROL_REFUSED,	/* a control message of ours was completed with a failure */
	NETVSC_ERRORS
};

enum netvsc_stat {
	NETVSC_RX_FRAMES, NETVSC_RX_BYTES,
	NETVSC_RX_CONTROL,		/* control messages and indications */
	NETVSC_RX_BAD_PACKET,		/* receive packet: wrong NVSP message, set id or range count */
	NETVSC_RX_BAD_RANGE,		/* a range outside the receive buffer, or longer than a sub-allocation */
	NETVSC_RX_BAD_MESSAGE,		/* RNDIS lengths or offsets do not fit, or an unknown type */
	NETVSC_RX_BAD_INFO,		/* per-packet info */
	NETVSC_RX_BAD_SIZE,		/* frame shorter than 14 or longer than the MTU allows */
	NETVSC_TX_FRAMES, NETVSC_TX_BYTES, NETVSC_TX_MESSAGES,
	NETVSC_TX_FAILED,		/* messages that the host completed with a failure */
	NETVSC_TX_BAD_COMPLETION,	/* unknown or repeated transaction id, or not a completion of a message */
	NETVSC_BAD_ANSWER,		/* control: malformed or not asked for */
	NETVSC_LINK_CHANGES,
	NETVSC_STATS
};
struct netvsc_stats { uint64_t n[NETVSC_STATS]; };
const char *netvsc_stat_name(enum netvsc_stat s);	/* "rx_bad_range" */
const char *netvsc_error_name(enum netvsc_error e);
const char *netvsc_state_name(enum netvsc_state s);

/* ---- control ---- */

struct netvsc_config {
	uint32_t max_version;		/* newest NVSP version to ask for; 0: 6.1 */
	uint32_t mtu;			/* without the Ethernet header; 0: 1500 */
	uint32_t offload;		/* enum netvsc_offload: what the caller can make use of */
	bool no_send_buffer;		/* do not register one */
};

/* Whose answer is outstanding. */
enum netvsc_await {
	NETVSC_AWAIT_NOTHING,
	NETVSC_AWAIT_NVSP,		/* completion of the NVSP request that belongs to state */
	NETVSC_AWAIT_RNDIS,		/* answer to the RNDIS request that belongs to state */
	NETVSC_AWAIT_FILTER,		/* answer to a packet filter */
	NETVSC_AWAIT_CALLER,		/* answer to the caller's own request */
	NETVSC_AWAIT_HALT,		/* completion of the control packet with HALT, which has no other answer */
};

/* A request of the caller's own, one at a time. */
enum netvsc_request_state { NETVSC_REQUEST_IDLE, NETVSC_REQUEST_QUEUED, NETVSC_REQUEST_SENT, NETVSC_REQUEST_DONE };

struct netvsc {
	enum netvsc_state state;
	enum netvsc_error error;
	struct netvsc_config config;

	/* agreed with the host; 0 before */
	uint32_t version;		/* enum nvsp_version */
	uint32_t mtu;			/* without the Ethernet header */
	uint8_t mac[6];
	bool link_up;
	uint64_t link_bps;		/* 0: unknown */
	uint32_t offload;		/* enum netvsc_offload, switched on */
	uint32_t lso_max_bytes[2];	/* longest large send, IPv4 and IPv6 */
	uint32_t rss_queues, rss_entries;	/* what the host could serve; 0 below version 5 */
	uint32_t max_messages;		/* RNDIS messages in one packet, 1 … NETVSC_MESSAGES_MAX */
	uint32_t align;			/* of all but the first of them, bytes, power of two */
	uint8_t name[128];		/* the host's name for the NIC, ASCII of it, NUL-terminated */
	uint32_t vf_serial;		/* of the virtual function that goes with this NIC … */
	bool vf_present;		/* … while it is there */
	uint32_t indirection[16];	/* the host's send table: channel of a hash value (place for more channels) */
	bool indirection_valid;

	/* buffers */
	const uint8_t *receive;		/* borrowed: registered memory outlives the session */
	uint32_t receive_bytes, receive_handle;
	uint32_t sub_bytes, sub_count;	/* sub-allocations of the receive buffer */
	uint32_t send_bytes, send_handle;
	uint32_t section_bytes, section_count;
	uint32_t frame_max_bytes;	/* longest frame that is received, Ethernet header and a tag included */

	/* goals */
	uint32_t filter;		/* wanted … */
	uint32_t filter_set;		/* … and what the host has; ~0: unknown */

	/* the one request under way */
	enum netvsc_await awaited;
	bool control_busy;		/* the control message's memory is still the host's */
	uint32_t request_id;		/* of the last RNDIS request */
	uint32_t query;			/* index into the table of start-up queries */
	uint32_t filter_sent;		/* the value that the outstanding answer is about */

	/* request of the caller's */
	enum netvsc_request_state req_state;
	uint32_t req_oid, req_status, req_bytes;	/* NDIS status; bytes of input, then of answer */
	bool req_set;
	uint8_t req_data[NETVSC_ANSWER_BYTES];

	uint8_t answer[NETVSC_ANSWER_BYTES];	/* private copy of what is being read */
	struct netvsc_stats stats;	/* of the control path */
};

enum netvsc_do {
	NETVSC_DO_NOTHING,		/* an answer is awaited, all goals are reached, or it has failed */
	NETVSC_DO_SEND,			/* send message as in-band data */
	NETVSC_DO_CONTROL,		/* copy rndis to where the host can read it, send message with its range */
	NETVSC_DO_MAP_RECEIVE,		/* make a GPADL of the receive buffer, then netvsc_receive_mapped() */
	NETVSC_DO_MAP_SEND,		/* the same for the send buffer, netvsc_send_mapped() */
	NETVSC_DO_DRAIN,		/* when rings are empty and no transmit is outstanding: netvsc_drained() */
};
struct netvsc_out {
	/* Of DO_SEND, with transaction id NETVSC_ID_REQUEST. DO_CONTROL: always, NETVSC_ID_CONTROL. */
	bool wants_completion;
	uint32_t message_bytes, rndis_bytes;
	uint8_t message[NETVSC_MESSAGE_BYTES];
	uint8_t rndis[NETVSC_CONTROL_BYTES];
};

/*
 * A channel has been opened: forgets all about an earlier session and begins the handshake. filter
 * and the caller's request are kept idle.
 */
void netvsc_start(struct netvsc *n, const struct netvsc_config *config);
/* What is to be done next for the goals; see the enum. *out is valid for DO_SEND and DO_CONTROL. */
enum netvsc_do netvsc_next(struct netvsc *n, struct netvsc_out *out);
/* The GPADL exists; receive is the buffer as we read it. */
void netvsc_receive_mapped(struct netvsc *n, uint32_t handle, const void *receive, uint32_t bytes);
void netvsc_send_mapped(struct netvsc *n, uint32_t handle, uint32_t bytes);
void netvsc_drained(struct netvsc *n);
/* Goal: this packet filter (NDIS bits; 0 stops reception). */
void netvsc_set_filter(struct netvsc *n, uint32_t filter);
/* Goal: CLOSED, politely. Already there if state is CLOSED or FAILED after the call. */
void netvsc_stop(struct netvsc *n);
/* Gives up at once: the channel is gone. */
void netvsc_abort(struct netvsc *n);

/* Completion of an NVSP request (NETVSC_ID_REQUEST). */
void netvsc_completed(struct netvsc *n, const void *payload, uint32_t bytes);
/*
 * Completion of a control packet (NETVSC_ID_CONTROL): its memory is ours again, so netvsc_next()
 * may have more to say. The answer comes by netvsc_control().
 */
void netvsc_control_sent(struct netvsc *n, const void *payload, uint32_t bytes);
/* An in-band packet from the host (VF association, data path, indirection table). */
void netvsc_inband(struct netvsc *n, const void *payload, uint32_t bytes);

/* What netvsc_control() brought; more than one may hold. */
enum netvsc_event {
	NETVSC_EVENT_PROGRESS = 1,	/* an answer came: netvsc_next() may have more to say */
	NETVSC_EVENT_LINK = 2,		/* link_up or link_bps changed */
	NETVSC_EVENT_RENEW = 4,		/* another network: the stack should see the link go down and up */
};
/*
 * An RNDIS control message in the receive buffer, as netvsc_rx_next() found it: a bit set of enum
 * netvsc_event. It is copied first.
 */
uint32_t netvsc_control(struct netvsc *n, const uint8_t *data, uint32_t bytes);

/*
 * Queues a request of the caller's own; it is sent while RUNNING. false: one is under way, not
 * running, or too long. When req_state is DONE, req_status, req_data and req_bytes hold the answer;
 * netvsc_request_done() takes note of them.
 */
bool netvsc_request_query(struct netvsc *n, uint32_t oid);
bool netvsc_request_set(struct netvsc *n, uint32_t oid, const void *data, uint32_t bytes);
/*
 * The request that asks the host for another MAC address ("NetworkAddress"); mac stays as it is
 * until the caller sets it.
 */
bool netvsc_request_mac(struct netvsc *n, const uint8_t mac[6]);
void netvsc_request_done(struct netvsc *n);

/* ---- receiving ---- */

enum netvsc_rx_flags {
	NETVSC_RX_VLAN = 1,		/* vlan_tci is valid */
	NETVSC_RX_HASH = 2,		/* hash is valid */
	NETVSC_RX_CSUM_OK = 4,		/* the host vouches for the TCP or UDP checksum */
	NETVSC_RX_CSUM_BAD = 8,		/* … or says that it is wrong */
};

/* A frame in the receive buffer. The host can still write to it: copy, then look. */
struct netvsc_frame {
	const uint8_t *data;
	uint32_t bytes;
	uint32_t flags;			/* enum netvsc_rx_flags */
	uint32_t hash;
	uint16_t vlan_tci;		/* priority 15-13, DEI 12, id 11-0 */
};

/* A walk over the ranges of one receive packet. */
struct netvsc_rx {
	const uint8_t *ranges;		/* borrowed: the caller's private copy of the packet */
	uint32_t left;			/* ranges not yet seen */
};

enum netvsc_rx_kind {
	NETVSC_RX_END,			/* no further range */
	NETVSC_RX_IS_FRAME,
	NETVSC_RX_IS_CONTROL,		/* frame->data and bytes: for netvsc_control() */
	NETVSC_RX_IS_BAD,		/* counted; go on */
};

/*
 * Begins with a transfer-page packet: extra is what lies between descriptor and payload. false: not
 * one for us (counted); it is completed all the same, if that was asked for.
 */
bool netvsc_rx_begin(const struct netvsc *n, struct netvsc_stats *stats, const void *extra, uint32_t extra_bytes,
		     const void *payload, uint32_t payload_bytes, struct netvsc_rx *rx);
enum netvsc_rx_kind netvsc_rx_next(const struct netvsc *n, struct netvsc_stats *stats, struct netvsc_rx *rx,
				   struct netvsc_frame *frame);
/* The payload that gives a receive packet's ranges back; always success. */
void netvsc_rx_complete(struct nvsp_rndis_packet_complete *message);

/* ---- transmitting ---- */

enum netvsc_tx_flags {
	NETVSC_META_VLAN = 1,		/* tag with vlan_tci */
	NETVSC_META_IP4 = 2,		/* is IPv4 … */
	NETVSC_META_IP6 = 4,		/* … or IPv6; needed by the ones below */
	NETVSC_META_TCP = 8,		/* complete the TCP checksum */
	NETVSC_META_UDP = 16,		/* complete the UDP checksum */
	NETVSC_META_IP_CSUM = 32,	/* complete the IPv4 header's checksum */
	NETVSC_META_LSO = 64,		/* large send: TCP, in segments of mss */
};
struct netvsc_meta {
	uint16_t flags;			/* enum netvsc_tx_flags */
	uint16_t vlan_tci;
	uint16_t transport_offset;	/* of the TCP or UDP header, from the frame's first byte */
	uint32_t mss;
};

/*
 * Writes the RNDIS PACKET header of a frame of frame_bytes, with what meta asks for (may be NULL),
 * to dst. Returns its bytes, at most NETVSC_HEADER_MAX_BYTES, multiple of 4; the frame follows.
 */
uint32_t netvsc_tx_header(void *dst, const struct netvsc_meta *meta, uint32_t frame_bytes);

/*
 * Slots: one for each transmit packet that may be outstanding. The first section_count are
 * send-buffer sections, the others are for packets without one. A slot's transaction id is its
 * index + NETVSC_ID_TX.
 */
struct netvsc_slot {
	void *owner;			/* the caller's, e.g. the packet; NULL in sections */
	uint32_t bytes;			/* frame bytes in the packet, as given to netvsc_tx_sent() */
	uint16_t next;			/* in the free list */
	uint8_t frames;			/* 0: not sent, so nothing that could be completed */
};
enum { NETVSC_NO_SLOT = 0xffff };

struct netvsc_tx {
	struct netvsc_slot *slots;	/* borrowed */
	uint16_t nslots, nsections;
	uint16_t free_section, free_plain;	/* heads of the free lists */
	uint16_t busy;			/* slots in use */
	struct netvsc_stats *stats;	/* borrowed */
};

/*
 * All slots free. nsections ≤ nslots < NETVSC_NO_SLOT; of them, nsections are sections 0 …
 * nsections - 1.
 */
void netvsc_tx_init(struct netvsc_tx *tx, struct netvsc_slot *slots, uint32_t nsections, uint32_t nslots,
		    struct netvsc_stats *stats);
/* A free section, or a free slot without one; NETVSC_NO_SLOT. */
uint16_t netvsc_tx_get_section(struct netvsc_tx *tx);
uint16_t netvsc_tx_get_plain(struct netvsc_tx *tx);
/* Gives a slot back that was not sent. */
void netvsc_tx_put(struct netvsc_tx *tx, uint16_t slot);
/* The slot's packet, of frames > 0, is in the ring: counts. Before anybody looks at completions. */
void netvsc_tx_sent(struct netvsc_tx *tx, uint16_t slot, uint32_t frames, uint32_t bytes);
/*
 * A completion with a transaction id ≥ NETVSC_ID_TX: frees its slot. false: no such packet is
 * outstanding (counted). *done is a copy of the slot. *ok: the host sent it.
 */
bool netvsc_tx_completed(struct netvsc_tx *tx, uint64_t transaction_id, const void *payload, uint32_t payload_bytes,
			 struct netvsc_slot *done, bool *ok);

/* Several frames in one section. */
struct netvsc_batch {
	uint8_t *section;		/* borrowed; the host reads it, we only write */
	uint32_t capacity;		/* bytes of the section */
	uint32_t align;
	uint32_t used;			/* bytes, without the padding behind the last message */
	uint32_t last, last_bytes;	/* where the last message begins, and its length */
	uint32_t frames, max_frames;
	uint32_t frame_bytes;		/* sum of the frames */
	bool closed;			/* its last message lies partly outside: nothing can follow */
};

void netvsc_batch_begin(struct netvsc_batch *b, const struct netvsc *n, void *section);
/* Adds a frame: where its frame_bytes go, or NULL if the section has no room for it. */
uint8_t *netvsc_batch_add(struct netvsc_batch *b, const struct netvsc_meta *meta, uint32_t frame_bytes);
/* Adds only the header of a frame, whose bytes follow in GPA ranges: the last one. false: no room. */
bool netvsc_batch_add_header(struct netvsc_batch *b, const struct netvsc_meta *meta, uint32_t frame_bytes);

/*
 * The NVSP message of a data packet: of a section and its bytes, or NVSP_NO_SECTION and 0.
 * NETVSC_MESSAGE_BYTES long.
 */
void netvsc_tx_message(uint8_t message[NETVSC_MESSAGE_BYTES], uint32_t section, uint32_t bytes);

#endif
