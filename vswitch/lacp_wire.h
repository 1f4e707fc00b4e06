/* SPDX-License-Identifier: MIT */
/*
 * Slow protocols on the wire, after the Ethernet header: LACP and Marker, IEEE 802.1AX-2014 6.4.2 and 6.5.3. All numbers are big-endian.
 */
#ifndef HVNET_VSWITCH_LACP_WIRE_H
#define HVNET_VSWITCH_LACP_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SLOW_ETHERTYPE = 0x8809,
	SLOW_LACP = 1,			/* subtypes */
	SLOW_MARKER = 2,
};

static const uint8_t slow_address[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x02 };

enum {
	LACP_VERSION = 1,
	LACP_TLV_ACTOR = 1,
	LACP_TLV_PARTNER = 2,
	LACP_TLV_COLLECTOR = 3,
	MARKER_TLV_INFORMATION = 1,
	MARKER_TLV_RESPONSE = 2,
};

enum lacp_state {
	LACP_ACTIVITY = 0x01,		/* speaks without being spoken to */
	LACP_TIMEOUT = 0x02,		/* short */
	LACP_AGGREGATION = 0x04,
	LACP_SYNCHRONIZATION = 0x08,
	LACP_COLLECTING = 0x10,
	LACP_DISTRIBUTING = 0x20,
	LACP_DEFAULTED = 0x40,
	LACP_EXPIRED = 0x80,
};

struct lacp_info {			/* the actor or the partner, as the sender sees them */
	uint8_t type, length;		/* LACP_TLV_…, 20 */
	uint8_t system_priority[2];
	uint8_t system[6];
	uint8_t key[2];
	uint8_t port_priority[2];
	uint8_t port[2];
	uint8_t state;			/* enum lacp_state */
	uint8_t reserved[3];
};
static_assert(sizeof(struct lacp_info) == 20, "as on the wire");

struct lacpdu {
	uint8_t subtype, version;
	struct lacp_info actor, partner;
	uint8_t collector_type, collector_length;	/* LACP_TLV_COLLECTOR, 16 */
	uint8_t collector_max_delay[2];			/* 10 µs */
	uint8_t collector_reserved[12];
	uint8_t terminator_type, terminator_length;	/* 0, 0 */
	uint8_t reserved[50];
};
static_assert(sizeof(struct lacpdu) == 110, "as on the wire");
static_assert(offsetof(struct lacpdu, partner) == 22, "as on the wire");

struct marker_pdu {
	uint8_t subtype, version;
	uint8_t type, length;		/* MARKER_TLV_…, 16 */
	uint8_t requester_port[2];
	uint8_t requester_system[6];
	uint8_t transaction[4];
	uint8_t pad[2];
	uint8_t terminator_type, terminator_length;
	uint8_t reserved[90];
};
static_assert(sizeof(struct marker_pdu) == 110, "as on the wire");

#endif
