/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * VMBus on the wire: SynIC pages, hypercall inputs, control messages, the ring's control page and packets.
 * Constants, structs and asserts only, shared by host, guest drivers, tests and fuzzers; compiled unchanged for
 * the kernel beside <linux/hyperv.h>, so no name here is one of that header's.
 *
 * Names of the specifications: [TLFS] is the Hyper-V Top Level Functional Specification, the control messages
 * carry the names that the guests' drivers use for them. "G→H" is guest to host, "H→G" host to guest.
 */
#ifndef HVNET_VMBUS_WIRE_H
#define HVNET_VMBUS_WIRE_H

#include "base/le.h"

enum {
	VMBUS_PAGE_BYTES = 4096,	/* the protocol's page, whatever the guest's own is */
	VMBUS_SINT = 2,			/* the interrupt source of everything VMBus */
	VMBUS_RELIDS = 2048,		/* event flags of one SINT; flag 0 is never a channel */
	VMBUS_MESSAGE_BYTES = 240,	/* longest control message */
};

/* ---- SynIC pages and hypercalls [TLFS 11] ---- */

enum {
	VMBUS_SYNIC_MESSAGE_TYPE = 1,		/* message type of every VMBus message */
	VMBUS_SYNIC_SLOT_BYTES = 256,
	VMBUS_SYNIC_FLAGS_BYTES = 256,		/* event flags of one SINT */
	VMBUS_SYNIC_MESSAGE_PENDING = 1,	/* flags bit: more is queued, write EOM */
};

/*
 * A slot of the message page (SIMP), one per SINT. type is a native aligned 32-bit atomic: the host stores it
 * last (release), the guest clears it by compare-and-swap, so the word is the hand-over of the whole slot. payload_bytes,
 * flags and 16 reserved bits make up the next word; the host ORs flags into it while the slot is occupied.
 */
struct vmbus_synic_slot {
	uint32_t type;			/* 0: empty */
	uint8_t payload_bytes;
	uint8_t flags;			/* VMBUS_SYNIC_MESSAGE_PENDING; atomic */
	le16 reserved;
	le64 origin;			/* sender; guests ignore it */
	uint8_t payload[VMBUS_MESSAGE_BYTES];
};
static_assert(sizeof(struct vmbus_synic_slot) == VMBUS_SYNIC_SLOT_BYTES, "as on the wire");
static_assert(offsetof(struct vmbus_synic_slot, payload) == 16, "as on the wire");

struct vmbus_synic_message_page {
	struct vmbus_synic_slot sint[16];
};
static_assert(sizeof(struct vmbus_synic_message_page) == VMBUS_PAGE_BYTES, "one page");

/* The event-flags page (SIEFP): words are native 32-bit atomics; flag n is bit n % 32 of word n / 32. */
struct vmbus_synic_event_page {
	uint32_t sint[16][VMBUS_RELIDS / 32];
};
static_assert(sizeof(struct vmbus_synic_event_page) == VMBUS_PAGE_BYTES, "one page");

/* Versions before 2.4: one page that the guest names in INITIATE_CONTACT, bit n of each half is relid n; atomics. */
struct vmbus_interrupt_page {
	uint32_t to_guest[VMBUS_PAGE_BYTES / 8];
	uint32_t to_host[VMBUS_PAGE_BYTES / 8];
};
static_assert(sizeof(struct vmbus_interrupt_page) == VMBUS_PAGE_BYTES, "one page");

/* HvPostMessage's input block: 8-byte aligned, inside one page. */
struct vmbus_post_input {
	le32 connection_id;		/* 24 bits used */
	le32 reserved;
	le32 message_type;		/* VMBUS_SYNIC_MESSAGE_TYPE */
	le32 payload_bytes;		/* ≤ 240 */
	uint8_t payload[VMBUS_MESSAGE_BYTES];
};
static_assert(sizeof(struct vmbus_post_input) == 256, "as on the wire");

/* HV_STATUS of the two hypercalls; TLFS names with our prefix. */
enum {
	VMBUS_HV_SUCCESS = 0,
	VMBUS_HV_INVALID_HYPERCALL_CODE = 2,
	VMBUS_HV_INVALID_HYPERCALL_INPUT = 3,
	VMBUS_HV_INVALID_ALIGNMENT = 4,
	VMBUS_HV_INVALID_PARAMETER = 5,
	VMBUS_HV_ACCESS_DENIED = 6,
	VMBUS_HV_INSUFFICIENT_MEMORY = 11,
	VMBUS_HV_INVALID_PORT_ID = 17,
	VMBUS_HV_INVALID_CONNECTION_ID = 18,
	VMBUS_HV_INSUFFICIENT_BUFFERS = 19,
};

enum {
	VMBUS_CONNECTION_MESSAGE = 1,		/* control messages */
	VMBUS_CONNECTION_EVENT = 2,		/* shared doorbell: which channel is in the interrupt page */
	VMBUS_CONNECTION_MULTICLIENT = 4,	/* INITIATE_CONTACT of versions ≥ 5.0 */
};

/* ---- versions ---- */

enum {
	VMBUS_VERSION_0_13 = 0x0000000d,
	VMBUS_VERSION_1_1 = 0x00010001,
	VMBUS_VERSION_2_4 = 0x00020004,
	VMBUS_VERSION_3_0 = 0x00030000,
	VMBUS_VERSION_4_0 = 0x00040000,
	VMBUS_VERSION_4_1 = 0x00040001,
	VMBUS_VERSION_5_0 = 0x00050000,
	VMBUS_VERSION_5_1 = 0x00050001,
	VMBUS_VERSION_5_2 = 0x00050002,
	VMBUS_VERSION_5_3 = 0x00050003,
	VMBUS_VERSION_6_0 = 0x00060000,
};

/* Feature flags of version 6.0: asked for in INITIATE_CONTACT, granted in VERSION_RESPONSE. */
enum {
	VMBUS_FEATURE_GUEST_SIGNAL_PARAMETERS = 0x01,
	VMBUS_FEATURE_INTERRUPT_REDIRECTION = 0x02,
	VMBUS_FEATURE_MODIFY_CONNECTION = 0x04,
	VMBUS_FEATURE_CLIENT_ID = 0x08,
	VMBUS_FEATURE_CONFIDENTIAL_CHANNELS = 0x10,
	VMBUS_FEATURE_PAUSE_RESUME = 0x20,
	VMBUS_FEATURE_SERVER_MONITOR_PAGES = 0x40,
	VMBUS_FEATURE_GPA_PINNING = 0x80,
};

/* ---- control messages ---- */

enum vmbus_msg_type {
	VMBUS_MSG_OFFERCHANNEL = 1,		/* H→G */
	VMBUS_MSG_RESCIND_CHANNELOFFER = 2,	/* H→G */
	VMBUS_MSG_REQUESTOFFERS = 3,
	VMBUS_MSG_ALLOFFERS_DELIVERED = 4,	/* H→G */
	VMBUS_MSG_OPENCHANNEL = 5,
	VMBUS_MSG_OPENCHANNEL_RESULT = 6,	/* H→G */
	VMBUS_MSG_CLOSECHANNEL = 7,
	VMBUS_MSG_GPADL_HEADER = 8,
	VMBUS_MSG_GPADL_BODY = 9,
	VMBUS_MSG_GPADL_CREATED = 10,		/* H→G */
	VMBUS_MSG_GPADL_TEARDOWN = 11,
	VMBUS_MSG_GPADL_TORNDOWN = 12,		/* H→G */
	VMBUS_MSG_RELID_RELEASED = 13,
	VMBUS_MSG_INITIATE_CONTACT = 14,
	VMBUS_MSG_VERSION_RESPONSE = 15,	/* H→G */
	VMBUS_MSG_UNLOAD = 16,
	VMBUS_MSG_UNLOAD_RESPONSE = 17,		/* H→G */
	VMBUS_MSG_OPEN_RESERVED_CHANNEL = 18,
	VMBUS_MSG_CLOSE_RESERVED_CHANNEL = 19,
	VMBUS_MSG_CLOSE_RESERVED_RESPONSE = 20,	/* H→G */
	VMBUS_MSG_TL_CONNECT_REQUEST = 21,
	VMBUS_MSG_MODIFYCHANNEL = 22,
	VMBUS_MSG_TL_CONNECT_RESULT = 23,	/* H→G */
	VMBUS_MSG_MODIFYCHANNEL_RESPONSE = 24,	/* H→G */
	VMBUS_MSG_MODIFY_CONNECTION = 25,
	VMBUS_MSG_MODIFY_CONNECTION_RESPONSE = 26, /* H→G */
	VMBUS_MSG_PAUSE = 27,
	VMBUS_MSG_PAUSE_RESPONSE = 28,		/* H→G */
	VMBUS_MSG_RESUME = 29,
	VMBUS_MSG_TYPES = 30,
};

/* Macros, not enumerators: beyond the range of int. */
#define VMBUS_STATUS_SUCCESS	0u
#define VMBUS_STATUS_FAILED	0x8000ffffu	/* any failure of an open, a GPADL or a modify */
#define VMBUS_STATUS_REFUSED	0xc0000236u	/* of a TL_CONNECT_RESULT */
#define VMBUS_VP_NO_INTERRUPT	0xffffffffu	/* target VP: the host must not interrupt */

/*
 * Header of every control message, and the whole of REQUESTOFFERS, UNLOAD, PAUSE, RESUME (G→H),
 * ALLOFFERS_DELIVERED, UNLOAD_RESPONSE, PAUSE_RESPONSE (H→G).
 */
struct vmbus_msg_header {
	le32 type;			/* enum vmbus_msg_type */
	le32 padding;			/* send 0, ignore */
};

struct vmbus_msg_initiate_contact {	/* INITIATE_CONTACT, G→H */
	struct vmbus_msg_header h;
	le32 version;
	le32 target_vp;			/* of all H→G messages; honoured from 3.0 */
	union {
		le64 interrupt_page;	/* version < 2.4: GPA */
		struct {
			uint8_t sint;	/* ≥ 5.0: 2 */
			uint8_t vtl;	/* ≥ 5.1: 0 */
			le16 padding;
			le32 features;	/* ≥ 6.0: VMBUS_FEATURE_* */
		} multiclient;
	} u;
	le64 monitor_page_to_guest;	/* GPA; both or none */
	le64 monitor_page_to_host;
};
static_assert(sizeof(struct vmbus_msg_initiate_contact) == 40, "as on the wire");
static_assert(offsetof(struct vmbus_msg_initiate_contact, u.multiclient.features) == 20, "as on the wire");

enum { VMBUS_INITIATE_CONTACT_CLIENT_ID_BYTES = 56 };	/* with VMBUS_FEATURE_CLIENT_ID: GUID at 40 */

enum {	/* connection state in VERSION_RESPONSE */
	VMBUS_CONNECTION_OK = 0,
	VMBUS_CONNECTION_LOW_RESOURCES = 1,
	VMBUS_CONNECTION_FAILED = 2,
};

struct vmbus_msg_version_response {	/* VERSION_RESPONSE, H→G; 16 bytes before 6.0 and for a refusal */
	struct vmbus_msg_header h;
	uint8_t supported;
	uint8_t connection_state;
	le16 padding;
	le32 version_or_connection;	/* < 5.0: the version; ≥ 5.0: connection id of further messages */
	le32 features;			/* 6.0: granted */
};
static_assert(sizeof(struct vmbus_msg_version_response) == 20, "as on the wire");
enum { VMBUS_VERSION_RESPONSE_SHORT_BYTES = 16 };

enum {
	VMBUS_OFFER_NO_MONITOR = 0xff,
	VMBUS_OFFER_MONITOR_ALLOCATED = 1,	/* bit of monitor_allocated */
	VMBUS_OFFER_DEDICATED_INTERRUPT = 1,	/* bit of interrupt_flags */
};

struct vmbus_msg_offer {		/* OFFERCHANNEL, H→G */
	struct vmbus_msg_header h;
	uint8_t interface_type[16];	/* GUID */
	uint8_t instance[16];		/* GUID */
	uint8_t reserved[16];
	le16 flags;
	le16 mmio_megabytes;
	uint8_t user_data[120];
	le16 sub_channel_index;		/* 0 primary */
	le16 mmio_megabytes_optional;
	le32 relid;
	uint8_t monitor_id;
	uint8_t monitor_allocated;
	le16 interrupt_flags;		/* from 1.1 */
	le32 connection_id;		/* from 1.1: HvSignalEvent's */
};
static_assert(sizeof(struct vmbus_msg_offer) == 196, "as on the wire");
static_assert(offsetof(struct vmbus_msg_offer, relid) == 0xb8, "as on the wire");

struct vmbus_msg_relid {		/* RESCIND_CHANNELOFFER (H→G), CLOSECHANNEL, RELID_RELEASED (G→H) */
	struct vmbus_msg_header h;
	le32 relid;
};
static_assert(sizeof(struct vmbus_msg_relid) == 12, "as on the wire");

struct vmbus_msg_open {			/* OPENCHANNEL, G→H */
	struct vmbus_msg_header h;
	le32 relid;
	le32 open_id;			/* echoed */
	le32 ring_gpadl;
	le32 target_vp;			/* of the channel's interrupts, or VMBUS_VP_NO_INTERRUPT */
	le32 to_guest_ring_page;	/* where the host-to-guest ring begins in the GPADL */
	uint8_t user_data[120];
};
static_assert(sizeof(struct vmbus_msg_open) == 148, "as on the wire");

struct vmbus_msg_open_result {		/* OPENCHANNEL_RESULT, H→G */
	struct vmbus_msg_header h;
	le32 relid;
	le32 open_id;
	le32 status;
};
static_assert(sizeof(struct vmbus_msg_open_result) == 20, "as on the wire");

struct vmbus_msg_gpadl_header {		/* GPADL_HEADER, G→H; the range buffer's first part follows */
	struct vmbus_msg_header h;
	le32 relid;
	le32 handle;
	le16 range_bytes;		/* of the whole range buffer */
	le16 range_count;
};
static_assert(sizeof(struct vmbus_msg_gpadl_header) == 20, "as on the wire");

struct vmbus_msg_gpadl_body {		/* GPADL_BODY, G→H; more of the range buffer follows */
	struct vmbus_msg_header h;
	le32 number;			/* guests disagree about it: ignored */
	le32 handle;
};
static_assert(sizeof(struct vmbus_msg_gpadl_body) == 16, "as on the wire");

enum {
	VMBUS_GPADL_HEADER_WORDS = 27,	/* u64s that fit behind the header … */
	VMBUS_GPADL_BODY_WORDS = 28,	/* … and behind a body message */
};

struct vmbus_gpa_range_header {		/* of a range buffer and of a GPA-direct packet; le64 page frames follow */
	le32 bytes;
	le32 offset;			/* into the first page */
};
static_assert(sizeof(struct vmbus_gpa_range_header) == 8, "as on the wire");

struct vmbus_msg_gpadl_created {	/* GPADL_CREATED, H→G */
	struct vmbus_msg_header h;
	le32 relid;
	le32 handle;
	le32 status;
};
static_assert(sizeof(struct vmbus_msg_gpadl_created) == 20, "as on the wire");

struct vmbus_msg_gpadl_teardown {	/* GPADL_TEARDOWN, G→H */
	struct vmbus_msg_header h;
	le32 relid;
	le32 handle;
};
static_assert(sizeof(struct vmbus_msg_gpadl_teardown) == 16, "as on the wire");

struct vmbus_msg_gpadl_torndown {	/* GPADL_TORNDOWN, H→G */
	struct vmbus_msg_header h;
	le32 handle;
};
static_assert(sizeof(struct vmbus_msg_gpadl_torndown) == 12, "as on the wire");

struct vmbus_msg_modify {		/* MODIFYCHANNEL, G→H */
	struct vmbus_msg_header h;
	le32 relid;
	le32 target_vp;
};
static_assert(sizeof(struct vmbus_msg_modify) == 16, "as on the wire");

struct vmbus_msg_modify_response {	/* MODIFYCHANNEL_RESPONSE, H→G */
	struct vmbus_msg_header h;
	le32 relid;
	le32 status;
};
static_assert(sizeof(struct vmbus_msg_modify_response) == 16, "as on the wire");

struct vmbus_msg_tl_connect {		/* TL_CONNECT_REQUEST, G→H; from 5.2 a silo GUID may follow */
	struct vmbus_msg_header h;
	uint8_t endpoint[16];
	uint8_t service[16];
};
static_assert(sizeof(struct vmbus_msg_tl_connect) == 40, "as on the wire");

struct vmbus_msg_tl_result {		/* TL_CONNECT_RESULT, H→G */
	struct vmbus_msg_header h;
	uint8_t endpoint[16];
	uint8_t service[16];
	le32 status;
};
static_assert(sizeof(struct vmbus_msg_tl_result) == 44, "as on the wire");

struct vmbus_msg_open_reserved {	/* OPEN_RESERVED_CHANNEL, G→H */
	struct vmbus_msg_header h;
	le32 relid;
	le32 target_vp;
	le32 target_sint;
	le32 ring_gpadl;
	le32 to_guest_ring_page;
};
static_assert(sizeof(struct vmbus_msg_open_reserved) == 28, "as on the wire");

struct vmbus_msg_close_reserved {	/* CLOSE_RESERVED_CHANNEL, G→H; the response is a struct vmbus_msg_relid */
	struct vmbus_msg_header h;
	le32 relid;
	le32 target_vp;
	le32 target_sint;
};
static_assert(sizeof(struct vmbus_msg_close_reserved) == 20, "as on the wire");

struct vmbus_msg_modify_connection {	/* MODIFY_CONNECTION, G→H */
	struct vmbus_msg_header h;
	le64 monitor_page_to_guest;
	le64 monitor_page_to_host;
};
static_assert(sizeof(struct vmbus_msg_modify_connection) == 24, "as on the wire");

struct vmbus_msg_modify_connection_response {	/* MODIFY_CONNECTION_RESPONSE, H→G */
	struct vmbus_msg_header h;
	uint8_t connection_state;
};
static_assert(sizeof(struct vmbus_msg_modify_connection_response) == 9, "as on the wire");

/* ---- rings ---- */

enum {
	VMBUS_RING_PENDING_SEND = 1,	/* feature bit: the producer uses pending_send_bytes */
};

/*
 * A ring's control page; the data area follows. The words are accessed as native aligned 32-bit atomics, so
 * they are plain uint32_t (little-endian machines only, as the protocol's hosts and guests are).
 */
struct vmbus_ring_ctl {
	uint32_t write_index;		/* the producer's: byte offset in the data area */
	uint32_t read_index;		/* the consumer's */
	uint32_t interrupt_mask;	/* the consumer's: 1, do not signal new data */
	uint32_t pending_send_bytes;	/* the producer's: waits for so many free bytes; 0, does not wait */
	uint32_t reserved1[12];
	uint32_t features;		/* the producer's: VMBUS_RING_PENDING_SEND */
	uint32_t reserved2[1007];
};
static_assert(sizeof(struct vmbus_ring_ctl) == VMBUS_PAGE_BYTES, "one page");
static_assert(offsetof(struct vmbus_ring_ctl, features) == 0x40, "as on the wire");

struct vmbus_pkt_desc {			/* at the start of every packet; lengths in units of 8 bytes */
	le16 type;			/* enum vmbus_packet_type */
	le16 data_offset8;		/* from the packet's start to its payload */
	le16 length8;			/* whole packet without the footer */
	le16 flags;			/* bit 0: completion requested */
	le64 transaction_id;
};
static_assert(sizeof(struct vmbus_pkt_desc) == 16, "as on the wire");

struct vmbus_pkt_transfer_pages {	/* behind the descriptor of type 7; ranges follow */
	le16 set_id;
	uint8_t sender_owns_set;
	uint8_t reserved;		/* may be garbage */
	le32 range_count;
};
static_assert(sizeof(struct vmbus_pkt_transfer_pages) == 8, "as on the wire");

struct vmbus_pkt_transfer_range {
	le32 bytes;
	le32 offset;			/* from the start of the buffer */
};
static_assert(sizeof(struct vmbus_pkt_transfer_range) == 8, "as on the wire");

struct vmbus_pkt_gpa_direct {		/* behind the descriptor of type 9; vmbus_gpa_range_header … follow */
	le32 reserved;			/* may be garbage */
	le32 range_count;
};
static_assert(sizeof(struct vmbus_pkt_gpa_direct) == 8, "as on the wire");

struct vmbus_pkt_footer {
	le32 reserved;
	le32 packet_offset;		/* ring offset of the packet's first byte */
};
static_assert(sizeof(struct vmbus_pkt_footer) == 8, "as on the wire");

#endif
