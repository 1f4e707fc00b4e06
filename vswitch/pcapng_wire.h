/* SPDX-License-Identifier: MIT */
/*
 * pcapng as we write it: constants, structs and asserts. After draft-ietf-opsawg-pcapng ("PCAP Next Generation Capture
 * File Format"); the sections below are its own. Always little-endian, which a section header says.
 *
 * A block: type, length of the whole block, body, the length again. Options in a body: code, length of the value, value, and
 * zeros up to a multiple of 4; the last is PCAPNG_OPT_END.
 */
#ifndef HVNET_VSWITCH_PCAPNG_WIRE_H
#define HVNET_VSWITCH_PCAPNG_WIRE_H

#include "base/le.h"

enum pcapng_block_type {
	PCAPNG_SECTION = 0x0a0d0d0a,	/* 4.1 */
	PCAPNG_INTERFACE = 1,		/* 4.2 */
	PCAPNG_STATISTICS = 5,		/* 4.5 */
	PCAPNG_PACKET = 6,		/* 4.3, "enhanced" */
};

enum {
	PCAPNG_BYTE_ORDER = 0x1a2b3c4d,
	PCAPNG_LINKTYPE_ETHERNET = 1,
	PCAPNG_TRAILER_BYTES = 4,	/* a block's length, again */

	PCAPNG_OPT_END = 0,		/* in every block, 3.5 */
	PCAPNG_OPT_COMMENT = 1,
	PCAPNG_OPT_CUSTOM = 2989,	/* binary, may be copied: PEN, then data */

	PCAPNG_SHB_OS = 3,
	PCAPNG_SHB_APPLICATION = 4,

	PCAPNG_IF_NAME = 2,
	PCAPNG_IF_DESCRIPTION = 3,
	PCAPNG_IF_TSRESOL = 9,
	PCAPNG_TSRESOL_NS = 9,		/* 10^-9 */

	PCAPNG_EPB_FLAGS = 2,
	PCAPNG_EPB_DROPCOUNT = 4,

	PCAPNG_ISB_STARTTIME = 2,
	PCAPNG_ISB_ENDTIME = 3,
	PCAPNG_ISB_IFRECV = 4,
	PCAPNG_ISB_IFDROP = 5,
	PCAPNG_ISB_FILTERACCEPT = 6,

	PCAPNG_FLAG_INBOUND = 1,	/* of epb_flags, bits 0-1 */
	PCAPNG_FLAG_OUTBOUND = 2,

	/*
	 * A custom option carries an IANA Private Enterprise Number. hvnet has none; this is RFC 5612's for documentation, so
	 * the value begins with PCAPNG_OFFLOAD_MAGIC too.
	 */
	PCAPNG_PEN = 32473,
	PCAPNG_OFFLOAD_MAGIC = 0x766e7668,	/* "hvnv" */
};

struct pcapng_block {			/* head of each block */
	le32 type;
	le32 length;			/* bytes, whole block, a multiple of 4 */
};

struct pcapng_section {
	struct pcapng_block block;
	le32 byte_order;		/* PCAPNG_BYTE_ORDER */
	le16 major, minor;		/* 1.0 */
	le64 section_length;		/* all ones: not known */
};
static_assert(sizeof(struct pcapng_section) == 24, "as in the file");

struct pcapng_interface {
	struct pcapng_block block;
	le16 link_type;
	le16 reserved;
	le32 snap_bytes;		/* 0: no limit */
};
static_assert(sizeof(struct pcapng_interface) == 16, "as in the file");

struct pcapng_packet {
	struct pcapng_block block;
	le32 interface;			/* by order of the interface blocks, from 0 */
	le32 time_high, time_low;	/* since 1970, in the interface's units */
	le32 captured_bytes;		/* that follow, and zeros up to a multiple of 4 */
	le32 bytes;			/* of the packet on the wire */
};
static_assert(sizeof(struct pcapng_packet) == 28, "as in the file");

struct pcapng_statistics {
	struct pcapng_block block;
	le32 interface;
	le32 time_high, time_low;
};
static_assert(sizeof(struct pcapng_statistics) == 20, "as in the file");

struct pcapng_option {
	le16 code;
	le16 length;			/* of the value */
};
static_assert(sizeof(struct pcapng_option) == 4, "as in the file");

/* The value of a PCAPNG_OPT_CUSTOM of ours: what of struct vswitch_offload is not 0 without it. */
struct pcapng_offload {
	le32 pen;			/* PCAPNG_PEN */
	le32 magic;			/* PCAPNG_OFFLOAD_MAGIC */
	uint8_t flags;			/* enum vswitch_offload_flags */
	uint8_t gso;			/* enum vswitch_gso */
	le16 gso_size;			/* payload bytes per segment */
	le16 csum_start;		/* in the captured bytes, tag included */
	le16 csum_offset;		/* from csum_start */
	le16 header_bytes;		/* as captured, tag included */
	le16 vlan;			/* that the switch has it in; 0: none */
	le32 hash;
};
static_assert(sizeof(struct pcapng_offload) == 24, "as in the file");

#endif
