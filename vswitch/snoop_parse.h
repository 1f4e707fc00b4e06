/* SPDX-License-Identifier: MIT */
/*
 * What a multicast frame is to a switch that snoops: data for a group, a message of IGMPv1-3 or MLDv1/2 (RFC 1112, 2236, 3376, 2710,
 * 3810), a router's PIM hello (RFC 7761), or something that goes everywhere. Where the headers are, headers.h says. Pure: bytes
 * in, a struct out.
 */
#ifndef HVNET_VSWITCH_SNOOP_PARSE_H
#define HVNET_VSWITCH_SNOOP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "vswitch/snoop.h"

enum snoop_kind {
	SNOOP_ELSE,			/* goes everywhere: no IP, no group of our concern, messages that we do not know */
	SNOOP_DATA,			/* for the group */
	SNOOP_QUERY,
	SNOOP_REPORT,			/* joins and leaves: its records */
	SNOOP_HELLO,			/* from a router that speaks PIM */
	SNOOP_FAULTY,			/* a message that nothing may be learned from: fault */
};

enum snoop_change { SNOOP_STAYS, SNOOP_JOINS, SNOOP_LEAVES };

struct snoop_record {
	uint8_t group[16];		/* IPv4: the first four */
	enum snoop_change change;
};

struct snoop_message {
	enum snoop_kind kind;
	enum vswitch_snoop_fault fault;
	uint8_t version;		/* of IP */
	uint8_t group[16];		/* of data; what a query is about, zero: all groups */
	uint8_t source[16];		/* of a query; zero: from none that is a router (RFC 4541, 2.1.1) */
	/* Of a query. */
	bool keeps_timers;		/* its S flag */
	bool names_sources;
	uint8_t robustness;
	uint32_t response_ms;		/* hosts answer within it */
	uint32_t interval_s;		/* between general queries */
	uint32_t hold_s;		/* of a hello; UINT32_MAX: for good */
	/* Of a report: snoop_next_record(). */
	bool is_single;
	struct snoop_record single;
	uint16_t num_records;		/* of which all are whole */
	struct rd records;		/* borrowed: in the frame's bytes */
};

/*
 * bytes: the first have of a frame of len bytes to a group address, from the Ethernet header on. summed: the switch will fill in its
 * transport checksum. False: it takes more than these to say, and there are more.
 */
bool snoop_parse(const uint8_t *bytes, uint32_t have, uint32_t len, bool summed, struct snoop_message *m);

/* Takes the next record of a report; false after the last. */
bool snoop_next_record(struct snoop_message *m, struct snoop_record *out);

/* Whether messages and data of the group (of an IP version) stay out of all this: link-local ones, that hosts need not report. */
bool snoop_is_local(uint8_t version, const uint8_t *group);

#endif
