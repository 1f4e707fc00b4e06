/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * NVSP: what the two ends of a synthetic NIC say in the payload of VMBus packets. Only constants and structs; shared by
 * the back end, the guest's driver, tests and fuzzers, and compiled unchanged for the kernel.
 *
 * Every message starts with its type. A receiver asks for the bytes of the fields it reads, and no more: senders pad (to
 * NVSP_MESSAGE_BYTES or NVSP_MESSAGE_BYTES_6_1) or, as iPXE does, send the bare structure.
 */
#ifndef HVNET_NETVSP_NVSP_WIRE_H
#define HVNET_NETVSP_NVSP_WIRE_H

#include "base/le.h"

/* The device class of a synthetic NIC, f8615163-df3e-46c5-913f-f2d2f965ed0e, as in an offer. */
#define NVSP_INTERFACE_TYPE { 0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46, \
			      0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e }

enum nvsp_version {
	NVSP_VERSION_1 = 0x00000002,
	NVSP_VERSION_2 = 0x00030002,
	NVSP_VERSION_4 = 0x00040000,	/* there is no 3 */
	NVSP_VERSION_5 = 0x00050000,
	NVSP_VERSION_6 = 0x00060000,
	NVSP_VERSION_6_1 = 0x00060001,
};

enum nvsp_type {
	NVSP_INIT = 1,
	NVSP_INIT_COMPLETE = 2,

	/* since 1 */
	NVSP_SEND_NDIS_VERSION = 100,
	NVSP_SEND_RECEIVE_BUFFER = 101,
	NVSP_SEND_RECEIVE_BUFFER_COMPLETE = 102,
	NVSP_REVOKE_RECEIVE_BUFFER = 103,
	NVSP_SEND_SEND_BUFFER = 104,
	NVSP_SEND_SEND_BUFFER_COMPLETE = 105,
	NVSP_REVOKE_SEND_BUFFER = 106,
	NVSP_SEND_RNDIS_PACKET = 107,
	NVSP_SEND_RNDIS_PACKET_COMPLETE = 108,

	/* since 2; 109 … 124, 126 and 127 (chimney, VMQ) are used by nobody */
	NVSP_SEND_NDIS_CONFIG = 125,

	/* since 4; 130 is deprecated and never sent */
	NVSP_SEND_VF_ASSOCIATION = 128,
	NVSP_SWITCH_DATA_PATH = 129,

	/* since 5 */
	NVSP_OID_QUERY_EX = 131,
	NVSP_OID_QUERY_EX_COMPLETE = 132,
	NVSP_SUBCHANNEL = 133,		/* request and its completion */
	NVSP_SEND_INDIRECTION_TABLE = 134,

	/* since 6.1, in the specification only */
	NVSP_PD_API = 135,
	NVSP_PD_POST_BATCH = 136,
};

enum nvsp_status {
	NVSP_STATUS_NONE = 0,
	NVSP_STATUS_SUCCESS = 1,
	NVSP_STATUS_FAILURE = 2,
	NVSP_STATUS_PROTOCOL_TOO_NEW = 3,
	NVSP_STATUS_PROTOCOL_TOO_OLD = 4,
	NVSP_STATUS_INVALID_RNDIS_PACKET = 5,
	NVSP_STATUS_BUSY = 6,
	NVSP_STATUS_PROTOCOL_UNSUPPORTED = 7,
};

enum {
	NVSP_MESSAGE_BYTES = 28,	/* fixed size of a message up to version 6 */
	NVSP_MESSAGE_BYTES_6_1 = 40,

	NVSP_INIT_MDL_CHAIN = 34,	/* INIT_COMPLETE's maximum MDL chain length */
	NVSP_RECEIVE_BUFFER_ID = 0xcafe,	/* Linux, DPDK, FreeBSD; iPXE: 0xbead */
	NVSP_SEND_BUFFER_ID = 0,		/* Linux; DPDK, FreeBSD: 0xface */
	NVSP_SEND_SECTION_BYTES = 6144,		/* section size of Hyper-V */
	NVSP_INDIRECTION_ENTRIES = 16,

	NVSP_FRAME_MIN_BYTES = 1514,	/* NDIS_CONFIG: a smaller or larger value means 1514 */
	NVSP_FRAME_MAX_BYTES = 9216,

	/* Channel type in SEND_RNDIS_PACKET. */
	NVSP_CHANNEL_DATA = 0,
	NVSP_CHANNEL_CONTROL = 1,

	/* SWITCH_DATA_PATH */
	NVSP_DATA_PATH_SYNTHETIC = 0,
	NVSP_DATA_PATH_VF = 1,

	NVSP_SUBCHANNEL_ALLOCATE = 1,
};

#define NVSP_INIT_COMPLETE_VERSION 0xffffffffu	/* INIT_COMPLETE's deprecated version, except for version 1 */
#define NVSP_NO_SECTION 0xffffffffu		/* SEND_RNDIS_PACKET without a send-buffer section */
#define NVSP_VF_ASSOCIATION_ID 0x8000000000000000ull	/* transaction id of the host's VF_ASSOCIATION */
#define NVSP_SWITCH_DATA_PATH_ID 0x8000000000000001ull	/* … and of the host's SWITCH_DATA_PATH */

/* Capabilities in SEND_NDIS_CONFIG. */
enum nvsp_capability {
	NVSP_CAP_VMQ = 1 << 0,
	NVSP_CAP_CHIMNEY = 1 << 1,
	NVSP_CAP_SRIOV = 1 << 2,
	NVSP_CAP_8021Q = 1 << 3,
	NVSP_CAP_CORRELATION_ID = 1 << 4,
	NVSP_CAP_TEAMING = 1 << 5,	/* also asks for link-speed updates */
	NVSP_CAP_VIRTUAL_SUBNET = 1 << 6,
	NVSP_CAP_RSC = 1 << 7,		/* receive coalescing over VMBus, 6.1 */
};

struct nvsp_header {
	le32 type;		/* enum nvsp_type */
};
static_assert(sizeof(struct nvsp_header) == 4, "as on the wire");

struct nvsp_init {		/* NVSP_INIT, guest to host */
	le32 type;
	le32 version;		/* enum nvsp_version: the one that is proposed */
	le32 version2;		/* the same again; not looked at */
};
static_assert(sizeof(struct nvsp_init) == 12, "as on the wire");

struct nvsp_init_complete {	/* completion of NVSP_INIT */
	le32 type;
	le32 deprecated_version;	/* NVSP_INIT_COMPLETE_VERSION, or 2 for version 1 */
	le32 max_mdl_chain;	/* NVSP_INIT_MDL_CHAIN */
	le32 status;		/* enum nvsp_status */
};
static_assert(sizeof(struct nvsp_init_complete) == 16, "as on the wire");
static_assert(offsetof(struct nvsp_init_complete, status) == 12, "as on the wire");

struct nvsp_ndis_version {	/* NVSP_SEND_NDIS_VERSION, guest to host */
	le32 type;
	le32 major;		/* 6 */
	le32 minor;		/* 1, or 30 from version 5 */
};
static_assert(sizeof(struct nvsp_ndis_version) == 12, "as on the wire");

struct nvsp_send_buffer {	/* NVSP_SEND_RECEIVE_BUFFER, NVSP_SEND_SEND_BUFFER, guest to host */
	le32 type;
	le32 gpadl;		/* handle */
	le16 id;		/* of the receive buffer: the set id of transfer-page packets */
	le16 reserved;
};
static_assert(sizeof(struct nvsp_send_buffer) == 12, "as on the wire");
static_assert(offsetof(struct nvsp_send_buffer, id) == 8, "as on the wire");

struct nvsp_receive_section {
	le32 offset;		/* 0 */
	le32 sub_allocation_bytes;
	le32 sub_allocations;
	le32 end_offset;	/* sub_allocation_bytes × sub_allocations */
};
static_assert(sizeof(struct nvsp_receive_section) == 16, "as on the wire");

struct nvsp_receive_buffer_complete {	/* completion of NVSP_SEND_RECEIVE_BUFFER */
	le32 type;
	le32 status;
	le32 sections;		/* 1 */
	struct nvsp_receive_section section;
};
static_assert(sizeof(struct nvsp_receive_buffer_complete) == 28, "as on the wire");
static_assert(offsetof(struct nvsp_receive_buffer_complete, section) == 12, "as on the wire");

struct nvsp_revoke_buffer {	/* NVSP_REVOKE_RECEIVE_BUFFER, NVSP_REVOKE_SEND_BUFFER, guest to host */
	le32 type;
	le16 id;
};
static_assert(sizeof(struct nvsp_revoke_buffer) == 6, "as on the wire");

struct nvsp_send_buffer_complete {	/* completion of NVSP_SEND_SEND_BUFFER */
	le32 type;
	le32 status;
	le32 section_bytes;	/* NVSP_SEND_SECTION_BYTES */
};
static_assert(sizeof(struct nvsp_send_buffer_complete) == 12, "as on the wire");

struct nvsp_rndis_packet {	/* NVSP_SEND_RNDIS_PACKET, both ways */
	le32 type;
	le32 channel_type;	/* NVSP_CHANNEL_DATA, NVSP_CHANNEL_CONTROL */
	le32 section;		/* of the send buffer, or NVSP_NO_SECTION */
	le32 section_bytes;	/* bytes used in it */
};
static_assert(sizeof(struct nvsp_rndis_packet) == 16, "as on the wire");
static_assert(offsetof(struct nvsp_rndis_packet, section) == 8, "as on the wire");

struct nvsp_rndis_packet_complete {	/* completion of NVSP_SEND_RNDIS_PACKET, both ways */
	le32 type;
	le32 status;
};
static_assert(sizeof(struct nvsp_rndis_packet_complete) == 8, "as on the wire");

struct nvsp_ndis_config {	/* NVSP_SEND_NDIS_CONFIG, guest to host */
	le32 type;
	le32 frame_bytes;	/* "mtu": longest frame, Ethernet header included */
	le32 reserved;
	le64 capabilities;	/* enum nvsp_capability */
};
static_assert(sizeof(struct nvsp_ndis_config) == 20, "as on the wire");
static_assert(offsetof(struct nvsp_ndis_config, capabilities) == 12, "as on the wire");

struct nvsp_vf_association {	/* NVSP_SEND_VF_ASSOCIATION, host to guest */
	le32 type;
	le32 allocated;		/* 1: there is a VF; 0: not any more */
	le32 serial;
};
static_assert(sizeof(struct nvsp_vf_association) == 12, "as on the wire");

struct nvsp_switch_data_path {	/* NVSP_SWITCH_DATA_PATH; its completion is empty */
	le32 type;
	le32 data_path;		/* NVSP_DATA_PATH_SYNTHETIC, NVSP_DATA_PATH_VF */
};
static_assert(sizeof(struct nvsp_switch_data_path) == 8, "as on the wire");

struct nvsp_oid_query_ex {	/* NVSP_OID_QUERY_EX, guest to host */
	le32 type;
	uint8_t header[4];	/* NDIS object header */
	le32 oid;
};
static_assert(sizeof(struct nvsp_oid_query_ex) == 12, "as on the wire");

struct nvsp_oid_query_ex_complete {	/* completion of NVSP_OID_QUERY_EX */
	le32 type;
	le32 status;		/* an NDIS status, not an NVSP one */
	le32 bytes;
};
static_assert(sizeof(struct nvsp_oid_query_ex_complete) == 12, "as on the wire");

struct nvsp_subchannel_request {	/* NVSP_SUBCHANNEL, guest to host */
	le32 type;
	le32 operation;		/* NVSP_SUBCHANNEL_ALLOCATE */
	le32 count;		/* sub-channels that the guest wants */
};
static_assert(sizeof(struct nvsp_subchannel_request) == 12, "as on the wire");

struct nvsp_subchannel_complete {	/* completion of NVSP_SUBCHANNEL: the same type */
	le32 type;
	le32 status;
	le32 count;		/* granted */
};
static_assert(sizeof(struct nvsp_subchannel_complete) == 12, "as on the wire");

struct nvsp_indirection_table {	/* NVSP_SEND_INDIRECTION_TABLE, host to guest; le32 entry[count] at offset */
	le32 type;
	le32 count;		/* NVSP_INDIRECTION_ENTRIES */
	le32 offset;		/* from the message's type field */
};
static_assert(sizeof(struct nvsp_indirection_table) == 12, "as on the wire");

#endif
