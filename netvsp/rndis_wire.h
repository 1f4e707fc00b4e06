/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * RNDIS and the NDIS structures that it carries, as a synthetic NIC uses them ([MS-RNDIS] and Windows' ntddndis.h). Only
 * constants and structs; shared by the back end, the guest's driver, tests and fuzzers, and compiled
 * unchanged for the kernel.
 *
 * A message lies in a send-buffer section or GPA ranges (guest to host) or in a receive-buffer sub-allocation (host to guest).
 * Offset fields inside a message count from RNDIS_OFFSET_BASE, not from the message's first byte.
 */
#ifndef HVNET_NETVSP_RNDIS_WIRE_H
#define HVNET_NETVSP_RNDIS_WIRE_H

#include "base/le.h"

/* ---- messages ---- */

#define RNDIS_COMPLETION 0x80000000u	/* set in the type of an answer */

enum rndis_type {
	RNDIS_PACKET = 1,
	RNDIS_INITIALIZE = 2,
	RNDIS_HALT = 3,
	RNDIS_QUERY = 4,
	RNDIS_SET = 5,
	RNDIS_RESET = 6,
	RNDIS_INDICATE_STATUS = 7,
	RNDIS_KEEPALIVE = 8,
	RNDIS_SET_EX = 9,
};
#define RNDIS_INITIALIZE_COMPLETE	(RNDIS_COMPLETION | RNDIS_INITIALIZE)
#define RNDIS_QUERY_COMPLETE		(RNDIS_COMPLETION | RNDIS_QUERY)
#define RNDIS_SET_COMPLETE		(RNDIS_COMPLETION | RNDIS_SET)
#define RNDIS_RESET_COMPLETE		(RNDIS_COMPLETION | RNDIS_RESET)
#define RNDIS_KEEPALIVE_COMPLETE	(RNDIS_COMPLETION | RNDIS_KEEPALIVE)
#define RNDIS_SET_EX_COMPLETE		(RNDIS_COMPLETION | RNDIS_SET_EX)

enum {
	RNDIS_HEADER_BYTES = 8,
	RNDIS_OFFSET_BASE = 8,		/* offset fields count from here */
	RNDIS_MAJOR_VERSION = 1,
	RNDIS_MINOR_VERSION = 0,
	RNDIS_DEVICE_CONNECTIONLESS = 1,
	RNDIS_MEDIUM_802_3 = 0,
	RNDIS_MAX_PACKETS = 8,		/* INITIALIZE_COMPLETE: PACKETs in one VMBus packet */
	RNDIS_ALIGNMENT_LOG2 = 3,	/* … each padded to 2³ bytes except the last */
};
#define RNDIS_MAX_TRANSFER 0xefffffffu	/* INITIALIZE_COMPLETE's, as Hyper-V's */

enum rndis_status {
	RNDIS_STATUS_SUCCESS = 0,
	RNDIS_STATUS_PENDING = 0x00000103,
	RNDIS_STATUS_ONLINE = 0x40010003,
	RNDIS_STATUS_RESET_START = 0x40010004,
	RNDIS_STATUS_RESET_END = 0x40010005,
	RNDIS_STATUS_MEDIA_CONNECT = 0x4001000b,
	RNDIS_STATUS_MEDIA_DISCONNECT = 0x4001000c,
	RNDIS_STATUS_LINK_SPEED_CHANGE = 0x40010013,
	RNDIS_STATUS_NETWORK_CHANGE = 0x40010018,
	RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG = 0x40020006,
};
/* Errors: above INT_MAX, so no enum (it would change its type). */
#define RNDIS_STATUS_BUFFER_OVERFLOW	0x80000005u
#define RNDIS_STATUS_FAILURE		0xc0000001u
#define RNDIS_STATUS_RESOURCES		0xc000009au
#define RNDIS_STATUS_NOT_SUPPORTED	0xc00000bbu
#define RNDIS_STATUS_BAD_VERSION	0xc0010004u
#define RNDIS_STATUS_INVALID_PACKET	0xc001000fu
#define RNDIS_STATUS_INVALID_LENGTH	0xc0010014u
#define RNDIS_STATUS_INVALID_DATA	0xc0010015u
#define RNDIS_STATUS_BUFFER_TOO_SHORT	0xc0010016u
#define RNDIS_STATUS_INVALID_OID	0xc0010017u

struct rndis_header {		/* of every message */
	le32 type;		/* enum rndis_type, or with RNDIS_COMPLETION */
	le32 length;		/* bytes, whole message */
};
static_assert(sizeof(struct rndis_header) == 8, "as on the wire");

struct rndis_packet {		/* REMOTE_NDIS_PACKET_MSG, both ways */
	le32 type;		/* RNDIS_PACKET */
	le32 length;
	le32 data_offset;
	le32 data_length;	/* of the Ethernet frame, without FCS */
	le32 oob_offset, oob_length, oob_count;	/* 0 */
	le32 ppi_offset;	/* 36 directly behind this header, 0: none */
	le32 ppi_length;
	le32 vc_handle;		/* 0 */
	le32 reserved;
};
static_assert(sizeof(struct rndis_packet) == 44, "as on the wire");
static_assert(offsetof(struct rndis_packet, ppi_offset) == 28, "as on the wire");

struct rndis_initialize {	/* REMOTE_NDIS_INITIALIZE_MSG, guest to host */
	le32 type;		/* RNDIS_INITIALIZE */
	le32 length;
	le32 request_id;	/* echoed in the completion */
	le32 major_version, minor_version;
	le32 max_transfer;	/* bytes the guest accepts in one message */
};
static_assert(sizeof(struct rndis_initialize) == 24, "as on the wire");
static_assert(offsetof(struct rndis_initialize, max_transfer) == 20, "as on the wire");

struct rndis_initialize_complete {	/* REMOTE_NDIS_INITIALIZE_CMPLT, host to guest */
	le32 type;
	le32 length;
	le32 request_id;
	le32 status;		/* enum rndis_status */
	le32 major_version, minor_version;
	le32 device_flags;	/* RNDIS_DEVICE_CONNECTIONLESS */
	le32 medium;		/* RNDIS_MEDIUM_802_3 */
	le32 max_packets;	/* per VMBus packet */
	le32 max_transfer;	/* bytes the host accepts in one message */
	le32 alignment_log2;
	le32 af_offset, af_length;	/* 0 */
};
static_assert(sizeof(struct rndis_initialize_complete) == 52, "as on the wire");
static_assert(offsetof(struct rndis_initialize_complete, max_packets) == 32, "as on the wire");

struct rndis_halt {		/* REMOTE_NDIS_HALT_MSG, guest to host; no answer */
	le32 type;
	le32 length;
	le32 request_id;
};
static_assert(sizeof(struct rndis_halt) == 12, "as on the wire");

struct rndis_request {		/* REMOTE_NDIS_QUERY_MSG, _SET_MSG; guest to host */
	le32 type;		/* RNDIS_QUERY, RNDIS_SET */
	le32 length;
	le32 request_id;
	le32 oid;		/* enum rndis_oid, OID_… */
	le32 info_length;
	le32 info_offset;	/* 20: directly behind this struct */
	le32 vc_handle;		/* 0 */
};
static_assert(sizeof(struct rndis_request) == 28, "as on the wire");
static_assert(offsetof(struct rndis_request, info_offset) == 20, "as on the wire");

struct rndis_query_complete {	/* REMOTE_NDIS_QUERY_CMPLT, host to guest */
	le32 type;
	le32 length;
	le32 request_id;
	le32 status;
	le32 info_length;
	le32 info_offset;	/* 16, also when empty: Linux checks it */
};
static_assert(sizeof(struct rndis_query_complete) == 24, "as on the wire");

struct rndis_set_complete {	/* REMOTE_NDIS_SET_CMPLT, REMOTE_NDIS_KEEPALIVE_CMPLT; host to guest */
	le32 type;
	le32 length;
	le32 request_id;
	le32 status;
};
static_assert(sizeof(struct rndis_set_complete) == 16, "as on the wire");

struct rndis_reset {		/* REMOTE_NDIS_RESET_MSG, guest to host */
	le32 type;
	le32 length;
	le32 reserved;
};
static_assert(sizeof(struct rndis_reset) == 12, "as on the wire");

struct rndis_reset_complete {	/* REMOTE_NDIS_RESET_CMPLT, host to guest */
	le32 type;
	le32 length;
	le32 status;
	le32 addressing_reset;	/* 1: packet filter and addresses must be set again */
};
static_assert(sizeof(struct rndis_reset_complete) == 16, "as on the wire");

struct rndis_indicate_status {	/* REMOTE_NDIS_INDICATE_STATUS_MSG, host to guest; the buffer follows */
	le32 type;
	le32 length;
	le32 status;
	le32 buffer_length;
	le32 buffer_offset;	/* 12, or 0 if empty */
};
static_assert(sizeof(struct rndis_indicate_status) == 20, "as on the wire");

struct rndis_keepalive {	/* REMOTE_NDIS_KEEPALIVE_MSG; answered by struct rndis_set_complete */
	le32 type;
	le32 length;
	le32 request_id;
};
static_assert(sizeof(struct rndis_keepalive) == 12, "as on the wire");

enum {
	RNDIS_REQUEST_INFO_OFFSET = sizeof(struct rndis_request) - RNDIS_OFFSET_BASE,		/* 20 */
	RNDIS_QUERY_INFO_OFFSET = sizeof(struct rndis_query_complete) - RNDIS_OFFSET_BASE,	/* 16 */
	RNDIS_PPI_MIN_OFFSET = sizeof(struct rndis_packet) - RNDIS_OFFSET_BASE,			/* 36 */
	RNDIS_INDICATE_BUFFER_OFFSET = sizeof(struct rndis_indicate_status) - RNDIS_OFFSET_BASE, /* 12 */
};

/* ---- per-packet information ---- */

#define RNDIS_PPI_INTERNAL 0x80000000u	/* in the type: the internal numbers */

enum rndis_ppi_type {
	RNDIS_PPI_CHECKSUM = 0,
	RNDIS_PPI_IPSEC = 1,
	RNDIS_PPI_LSO = 2,
	RNDIS_PPI_CLASSIFICATION = 3,
	RNDIS_PPI_SG_LIST = 5,
	RNDIS_PPI_VLAN = 6,
	RNDIS_PPI_ORIGINAL_PACKET = 7,
	RNDIS_PPI_HASH_VALUE = 8,
	RNDIS_PPI_HASH_INFO = 9,
	RNDIS_PPI_CACHED_BUFFERS = 10,
	RNDIS_PPI_SHORT_PAD = 11,
};
#define RNDIS_PPI_PACKET_ID (RNDIS_PPI_INTERNAL | 1)

struct rndis_ppi {		/* an element; the next one follows after size bytes */
	le32 size;		/* bytes, this header and the data */
	le32 type;		/* enum rndis_ppi_type */
	le32 data_offset;	/* from this struct's first byte: 12 */
};
static_assert(sizeof(struct rndis_ppi) == 12, "as on the wire");

struct rndis_ppi_u32 {		/* every element that we use: one number */
	struct rndis_ppi header;
	le32 value;
};
static_assert(sizeof(struct rndis_ppi_u32) == 16, "as on the wire");

struct rndis_packet_id {	/* data of RNDIS_PPI_PACKET_ID */
	uint8_t version;	/* 1 */
	uint8_t flags;		/* enum rndis_packet_id_flags */
	le16 packet_id;
};
static_assert(sizeof(struct rndis_packet_id) == 4, "as on the wire");
enum rndis_packet_id_flags {
	RNDIS_PACKET_ID_MULTI = 1,
	RNDIS_PACKET_ID_FIRST = 2,
	RNDIS_PACKET_ID_LAST = 4,
};

/* RNDIS_PPI_CHECKSUM, guest to host. */
enum rndis_checksum_to_host {
	RNDIS_CSUM_IPV4 = 1 << 0,
	RNDIS_CSUM_IPV6 = 1 << 1,
	RNDIS_CSUM_TCP = 1 << 2,
	RNDIS_CSUM_UDP = 1 << 3,
	RNDIS_CSUM_IP_HEADER = 1 << 4,
	RNDIS_CSUM_OFFSET_SHIFT = 16,	/* transport header, from the frame's first byte */
	RNDIS_CSUM_OFFSET_MASK = 0x3ff,
};

/* RNDIS_PPI_CHECKSUM, host to guest. */
enum rndis_checksum_to_guest {
	RNDIS_CSUM_TCP_FAILED = 1 << 0,
	RNDIS_CSUM_UDP_FAILED = 1 << 1,
	RNDIS_CSUM_IP_FAILED = 1 << 2,
	RNDIS_CSUM_TCP_OK = 1 << 3,
	RNDIS_CSUM_UDP_OK = 1 << 4,
	RNDIS_CSUM_IP_OK = 1 << 5,
	RNDIS_CSUM_LOOPBACK = 1 << 6,
	RNDIS_CSUM_TRANSPORT_INVALID = 1 << 7,	/* verified, but the field does not hold the sum */
	RNDIS_CSUM_IP_INVALID = 1 << 8,
};

/* RNDIS_PPI_LSO */
#define RNDIS_LSO_MSS_MASK	0x000fffffu
#define RNDIS_LSO_OFFSET_SHIFT	20	/* TCP header, from the frame's first byte */
#define RNDIS_LSO_OFFSET_MASK	0x3ffu
#define RNDIS_LSO_V2		0x40000000u
#define RNDIS_LSO_IPV6		0x80000000u

/* RNDIS_PPI_VLAN: not the order of the tag on the wire. */
enum rndis_vlan {
	RNDIS_VLAN_PRIORITY_MASK = 7,
	RNDIS_VLAN_DEI = 8,
	RNDIS_VLAN_ID_SHIFT = 4,
	RNDIS_VLAN_ID_MASK = 0xfff,
};

static inline uint32_t rndis_vlan_from_tci(uint16_t tci)
{
	return (uint32_t)tci >> 13 | (tci >> 12 & 1u) << 3 | (tci & 0xfffu) << RNDIS_VLAN_ID_SHIFT;
}

static inline uint16_t rndis_vlan_to_tci(uint32_t v)
{
	return (uint16_t)((v & RNDIS_VLAN_PRIORITY_MASK) << 13 | (v >> 3 & 1u) << 12 |
			  (v >> RNDIS_VLAN_ID_SHIFT & RNDIS_VLAN_ID_MASK));
}

/* ---- OIDs ---- */

enum rndis_oid {
	OID_GEN_SUPPORTED_LIST = 0x00010101,
	OID_GEN_HARDWARE_STATUS = 0x00010102,
	OID_GEN_MEDIA_SUPPORTED = 0x00010103,
	OID_GEN_MEDIA_IN_USE = 0x00010104,
	OID_GEN_MAXIMUM_LOOKAHEAD = 0x00010105,
	OID_GEN_MAXIMUM_FRAME_SIZE = 0x00010106,
	OID_GEN_LINK_SPEED = 0x00010107,
	OID_GEN_TRANSMIT_BUFFER_SPACE = 0x00010108,
	OID_GEN_RECEIVE_BUFFER_SPACE = 0x00010109,
	OID_GEN_TRANSMIT_BLOCK_SIZE = 0x0001010a,
	OID_GEN_RECEIVE_BLOCK_SIZE = 0x0001010b,
	OID_GEN_VENDOR_ID = 0x0001010c,
	OID_GEN_VENDOR_DESCRIPTION = 0x0001010d,
	OID_GEN_CURRENT_PACKET_FILTER = 0x0001010e,
	OID_GEN_CURRENT_LOOKAHEAD = 0x0001010f,
	OID_GEN_DRIVER_VERSION = 0x00010110,
	OID_GEN_MAXIMUM_TOTAL_SIZE = 0x00010111,
	OID_GEN_PROTOCOL_OPTIONS = 0x00010112,
	OID_GEN_MAC_OPTIONS = 0x00010113,
	OID_GEN_MEDIA_CONNECT_STATUS = 0x00010114,
	OID_GEN_MAXIMUM_SEND_PACKETS = 0x00010115,
	OID_GEN_VENDOR_DRIVER_VERSION = 0x00010116,
	OID_GEN_NETWORK_LAYER_ADDRESSES = 0x00010118,
	OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x00010203,
	OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x00010204,
	OID_GEN_MAX_LINK_SPEED = 0x00010206,
	OID_GEN_LINK_STATE = 0x00010207,
	OID_GEN_LINK_PARAMETERS = 0x00010208,
	OID_GEN_INTERRUPT_MODERATION = 0x00010209,
	OID_GEN_MACHINE_NAME = 0x0001021a,
	OID_GEN_RNDIS_CONFIG_PARAMETER = 0x0001021b,
	OID_GEN_XMIT_OK = 0x00020101,
	OID_GEN_RCV_OK = 0x00020102,
	OID_GEN_XMIT_ERROR = 0x00020103,
	OID_GEN_RCV_ERROR = 0x00020104,
	OID_GEN_RCV_NO_BUFFER = 0x00020105,
	OID_GEN_DIRECTED_BYTES_XMIT = 0x00020201,
	OID_GEN_DIRECTED_FRAMES_XMIT = 0x00020202,
	OID_GEN_MULTICAST_BYTES_XMIT = 0x00020203,
	OID_GEN_MULTICAST_FRAMES_XMIT = 0x00020204,
	OID_GEN_BROADCAST_BYTES_XMIT = 0x00020205,
	OID_GEN_BROADCAST_FRAMES_XMIT = 0x00020206,
	OID_GEN_DIRECTED_BYTES_RCV = 0x00020207,
	OID_GEN_DIRECTED_FRAMES_RCV = 0x00020208,
	OID_GEN_MULTICAST_BYTES_RCV = 0x00020209,
	OID_GEN_MULTICAST_FRAMES_RCV = 0x0002020a,
	OID_GEN_BROADCAST_BYTES_RCV = 0x0002020b,
	OID_GEN_BROADCAST_FRAMES_RCV = 0x0002020c,
	OID_GEN_FRIENDLY_NAME = 0x00020216,
	OID_GEN_BYTES_RCV = 0x00020219,
	OID_GEN_BYTES_XMIT = 0x0002021a,
	OID_802_3_PERMANENT_ADDRESS = 0x01010101,
	OID_802_3_CURRENT_ADDRESS = 0x01010102,
	OID_802_3_MULTICAST_LIST = 0x01010103,
	OID_802_3_MAXIMUM_LIST_SIZE = 0x01010104,
	OID_OFFLOAD_ENCAPSULATION = 0x0101010a,
	OID_802_3_RCV_ERROR_ALIGNMENT = 0x01020101,
	OID_802_3_XMIT_ONE_COLLISION = 0x01020102,
	OID_802_3_XMIT_MORE_COLLISIONS = 0x01020103,
};
#define OID_TCP_OFFLOAD_CURRENT_CONFIG			0xfc01020bu
#define OID_TCP_OFFLOAD_PARAMETERS			0xfc01020cu
#define OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES		0xfc01020du
#define OID_TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG	0xfc01020eu
#define OID_TCP_CONNECTION_OFFLOAD_HW_CAPABILITIES	0xfc01020fu

/* OID_GEN_CURRENT_PACKET_FILTER; 0 closes the receive path. */
enum ndis_packet_filter {
	NDIS_FILTER_DIRECTED = 0x01,
	NDIS_FILTER_MULTICAST = 0x02,
	NDIS_FILTER_ALL_MULTICAST = 0x04,
	NDIS_FILTER_BROADCAST = 0x08,
	NDIS_FILTER_SOURCE_ROUTING = 0x10,
	NDIS_FILTER_PROMISCUOUS = 0x20,
};

enum ndis_media_state {		/* OID_GEN_MEDIA_CONNECT_STATUS */
	NDIS_MEDIA_CONNECTED = 0,
	NDIS_MEDIA_DISCONNECTED = 1,
};

enum ndis_mac_options {		/* OID_GEN_MAC_OPTIONS */
	NDIS_MAC_COPY_LOOKAHEAD = 0x001,
	NDIS_MAC_TRANSFERS_NOT_PEND = 0x004,
	NDIS_MAC_NO_LOOPBACK = 0x008,
	NDIS_MAC_8021P_PRIORITY = 0x040,
	NDIS_MAC_8021Q_VLAN = 0x200,
};

enum {
	RNDIS_FRIENDLY_NAME_BYTES = 512,	/* UTF-16LE, padded with zeros */
	RNDIS_LINK_SPEED_UNIT_BPS = 100,	/* OID_GEN_LINK_SPEED, RNDIS_STATUS_LINK_SPEED_CHANGE */
};

/* OID_GEN_RNDIS_CONFIG_PARAMETER; offsets from this struct's first byte, name and strings in UTF-16LE. */
struct rndis_config_parameter {
	le32 name_offset, name_length;	/* bytes */
	le32 type;		/* enum rndis_config_type */
	le32 value_offset, value_length;
};
static_assert(sizeof(struct rndis_config_parameter) == 20, "as on the wire");
enum rndis_config_type {
	RNDIS_CONFIG_INTEGER = 0,
	RNDIS_CONFIG_HEX_INTEGER = 1,
	RNDIS_CONFIG_STRING = 2,
	RNDIS_CONFIG_MULTI_STRING = 3,
	RNDIS_CONFIG_BINARY = 4,
};

/* ---- NDIS structures ---- */

enum ndis_object_type {
	NDIS_OBJECT_DEFAULT = 0x80,
	NDIS_OBJECT_RSS_CAPABILITIES = 0x88,
	NDIS_OBJECT_RSS_PARAMETERS = 0x89,
	NDIS_OBJECT_OID_REQUEST = 0x96,
	NDIS_OBJECT_OFFLOAD = 0xa7,
	NDIS_OBJECT_OFFLOAD_ENCAPSULATION = 0xa8,
};

struct ndis_object {		/* NDIS_OBJECT_HEADER */
	uint8_t type;		/* enum ndis_object_type */
	uint8_t revision;
	le16 size;		/* bytes, this header included */
};
static_assert(sizeof(struct ndis_object) == 4, "as on the wire");

struct ndis_link_state {	/* OID_GEN_LINK_STATE */
	struct ndis_object header;	/* NDIS_OBJECT_DEFAULT, revision 1 */
	le32 connect_state;	/* enum ndis_link_connect */
	le32 duplex;		/* 0 unknown, 1 half, 2 full */
	le32 padding;
	le64 transmit_bps, receive_bps;
	le32 pause;		/* 0: no flow control */
	le32 auto_negotiation;
};
static_assert(sizeof(struct ndis_link_state) == 40, "as on the wire");
static_assert(offsetof(struct ndis_link_state, transmit_bps) == 16, "as on the wire");
enum ndis_link_connect {
	NDIS_LINK_UNKNOWN = 0,
	NDIS_LINK_CONNECTED = 1,
	NDIS_LINK_DISCONNECTED = 2,
};

enum ndis_encapsulation {
	NDIS_ENCAPSULATION_NULL = 1,
	NDIS_ENCAPSULATION_802_3 = 2,
};

/* Checksum flags are two-bit fields; 1 in a field: supported. */
enum ndis_checksum_ipv4 {
	NDIS_CSUM4_IP_OPTIONS = 0x001,
	NDIS_CSUM4_TCP_OPTIONS = 0x004,
	NDIS_CSUM4_TCP = 0x010,
	NDIS_CSUM4_UDP = 0x040,
	NDIS_CSUM4_IP_HEADER = 0x100,
};
enum ndis_checksum_ipv6 {
	NDIS_CSUM6_EXTENSIONS = 0x001,
	NDIS_CSUM6_TCP_OPTIONS = 0x004,
	NDIS_CSUM6_TCP = 0x010,
	NDIS_CSUM6_UDP = 0x040,
};

struct ndis_checksum_offload {
	le32 encapsulation;	/* enum ndis_encapsulation */
	le32 flags;
};

struct ndis_lso_v2 {
	le32 encapsulation;
	le32 max_bytes;
	le32 min_segments;
};

struct ndis_offload {		/* NDIS_OFFLOAD, revision 3 */
	struct ndis_object header;	/* NDIS_OBJECT_OFFLOAD */
	struct ndis_checksum_offload ipv4_transmit, ipv4_receive;
	struct ndis_checksum_offload ipv6_transmit, ipv6_receive;
	le32 lso_v1[4];		/* encapsulation, max bytes, min segments, options */
	le32 ipsec_v1[7];
	struct ndis_lso_v2 lso_v2_ipv4, lso_v2_ipv6;
	le32 lso_v2_ipv6_options;	/* NDIS_LSO6_… */
	le32 flags;
	uint8_t ipsec_v2[32];	/* revision 2 on */
	uint8_t rsc_ipv4, rsc_ipv6;	/* revision 3 on */
	uint8_t padding[2];
	le32 nvgre[2];
};
static_assert(sizeof(struct ndis_offload) == 156, "as on the wire");
static_assert(offsetof(struct ndis_offload, lso_v1) == 36, "as on the wire");
static_assert(offsetof(struct ndis_offload, lso_v2_ipv4) == 80, "as on the wire");
static_assert(offsetof(struct ndis_offload, lso_v2_ipv6_options) == 104, "as on the wire");
static_assert(offsetof(struct ndis_offload, rsc_ipv4) == 144, "as on the wire");
enum {
	NDIS_OFFLOAD_REVISION_1 = 1,
	NDIS_OFFLOAD_REVISION_2 = 2,
	NDIS_OFFLOAD_REVISION_3 = 3,
	NDIS_OFFLOAD_BYTES_1 = 112,
	NDIS_OFFLOAD_BYTES_2 = 144,
	NDIS_OFFLOAD_BYTES_3 = 156,
	NDIS_LSO6_EXTENSIONS = 0x1,
	NDIS_LSO6_TCP_OPTIONS = 0x4,
};

struct ndis_offload_parameters {	/* OID_TCP_OFFLOAD_PARAMETERS */
	struct ndis_object header;	/* NDIS_OBJECT_DEFAULT */
	uint8_t ipv4_checksum;	/* enum ndis_offload_checksum */
	uint8_t tcp4_checksum, udp4_checksum;
	uint8_t tcp6_checksum, udp6_checksum;
	uint8_t lso_v1;		/* enum ndis_offload_switch */
	uint8_t ipsec_v1;
	uint8_t lso_v2_ipv4, lso_v2_ipv6;
	uint8_t tcp_connection_ipv4, tcp_connection_ipv6;
	uint8_t reserved;
	le32 flags;
	uint8_t ipsec_v2, ipsec_v2_ipv4;	/* revision 2 on */
	uint8_t rsc_ipv4, rsc_ipv6;	/* revision 3 on */
	uint8_t encapsulated, encapsulated_types;
	uint8_t padding[2];
};
static_assert(sizeof(struct ndis_offload_parameters) == 28, "as on the wire");
static_assert(offsetof(struct ndis_offload_parameters, lso_v2_ipv4) == 11, "as on the wire");
static_assert(offsetof(struct ndis_offload_parameters, rsc_ipv4) == 22, "as on the wire");
enum {
	NDIS_OFFLOAD_PARAMETERS_MIN_BYTES = 20,
	NDIS_OFFLOAD_PARAMETERS_BYTES_2 = 22,	/* Linux, up to NVSP version 4 */
	NDIS_OFFLOAD_PARAMETERS_BYTES_3 = 28,
};
enum ndis_offload_checksum {
	NDIS_OFFLOAD_NO_CHANGE = 0,
	NDIS_OFFLOAD_CSUM_OFF = 1,
	NDIS_OFFLOAD_CSUM_TRANSMIT = 2,
	NDIS_OFFLOAD_CSUM_RECEIVE = 3,
	NDIS_OFFLOAD_CSUM_BOTH = 4,
};
enum ndis_offload_switch {
	NDIS_OFFLOAD_OFF = 1,
	NDIS_OFFLOAD_ON = 2,
};

struct ndis_offload_encapsulation {	/* OID_OFFLOAD_ENCAPSULATION */
	struct ndis_object header;	/* NDIS_OBJECT_OFFLOAD_ENCAPSULATION, revision 1 */
	le32 ipv4_enabled;	/* SET: NDIS_OFFLOAD_SET_ON, 2 off; QUERY: 1 supported */
	le32 ipv4_type;		/* NDIS_ENCAPSULATION_802_3 */
	le32 ipv4_header_bytes;	/* 14 */
	le32 ipv6_enabled, ipv6_type, ipv6_header_bytes;
};
static_assert(sizeof(struct ndis_offload_encapsulation) == 28, "as on the wire");
enum ndis_offload_set {
	NDIS_OFFLOAD_SET_NO_CHANGE = 0,
	NDIS_OFFLOAD_SET_ON = 1,
	NDIS_OFFLOAD_SET_OFF = 2,
};

struct ndis_rss_capabilities {	/* OID_GEN_RECEIVE_SCALE_CAPABILITIES */
	struct ndis_object header;	/* NDIS_OBJECT_RSS_CAPABILITIES, revision 2 */
	le32 flags;		/* enum ndis_rss_capability_flags, hash functions in the low byte */
	le32 interrupt_messages;
	le32 receive_queues;
	le16 indirection_entries;
};
static_assert(sizeof(struct ndis_rss_capabilities) == 18, "as on the wire");
enum ndis_rss_capability_flags {
	NDIS_RSS_CAP_TOEPLITZ = 0x001,
	NDIS_RSS_CAP_TCP_IPV4 = 0x100,
	NDIS_RSS_CAP_TCP_IPV6 = 0x200,
	NDIS_RSS_CAP_TCP_IPV6_EX = 0x400,
	NDIS_RSS_CAP_UDP_IPV4 = 0x800,
	NDIS_RSS_CAP_UDP_IPV6 = 0x1000,
	NDIS_RSS_CAP_UDP_IPV6_EX = 0x2000,
};

struct ndis_rss_parameters {	/* OID_GEN_RECEIVE_SCALE_PARAMETERS; table and key in either order behind it */
	struct ndis_object header;	/* NDIS_OBJECT_RSS_PARAMETERS */
	le16 flags;		/* enum ndis_rss_flags */
	le16 base_cpu;
	le32 hash_info;		/* enum ndis_hash */
	le16 table_bytes;
	le16 padding1;
	le32 table_offset;	/* from this struct's first byte; le32 queue each */
	le16 key_bytes;
	le16 padding2;
	le32 key_offset;
	le32 processor_masks_offset, processor_masks, processor_masks_entry_bytes;
};
static_assert(sizeof(struct ndis_rss_parameters) == 40, "as on the wire");
static_assert(offsetof(struct ndis_rss_parameters, table_offset) == 16, "as on the wire");
static_assert(offsetof(struct ndis_rss_parameters, key_offset) == 24, "as on the wire");
enum ndis_rss_flags {
	NDIS_RSS_BASE_CPU_UNCHANGED = 0x01,
	NDIS_RSS_HASH_INFO_UNCHANGED = 0x02,
	NDIS_RSS_TABLE_UNCHANGED = 0x04,
	NDIS_RSS_KEY_UNCHANGED = 0x08,
	NDIS_RSS_DISABLE = 0x10,
	NDIS_RSS_DEFAULT_PROCESSOR_UNCHANGED = 0x20,
};
enum ndis_hash {
	NDIS_HASH_FUNCTION_MASK = 0xff,
	NDIS_HASH_TOEPLITZ = 1,
	NDIS_HASH_IPV4 = 0x100,
	NDIS_HASH_TCP_IPV4 = 0x200,
	NDIS_HASH_IPV6 = 0x400,
	NDIS_HASH_IPV6_EX = 0x800,
	NDIS_HASH_TCP_IPV6 = 0x1000,
	NDIS_HASH_TCP_IPV6_EX = 0x2000,
	NDIS_HASH_UDP_IPV4 = 0x4000,
	NDIS_HASH_UDP_IPV6 = 0x8000,
	NDIS_HASH_UDP_IPV6_EX = 0x10000,
};
enum {
	NDIS_RSS_KEY_BYTES = 40,
	NDIS_RSS_TABLE_ENTRIES = 128,
};

#endif
