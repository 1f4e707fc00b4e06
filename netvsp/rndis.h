/* SPDX-License-Identifier: MIT */
/*
 * RNDIS messages of a guest, taken apart. Pure: bytes that were copied out of guest memory come in, host structs or the
 * reason for a refusal come out; results are untouched on refusal. Private to netvsp/.
 */
#ifndef HVNET_NETVSP_RNDIS_H
#define HVNET_NETVSP_RNDIS_H

#include "base/rd.h"
#include "netvsp/rndis_wire.h"

/* Why a message was refused: X(name, counter). The rules' numbers are those of the comment in rndis.c. */
#define RNDIS_REFUSALS(X) \
	X(RNDIS_SHORT_HEADER, "rndis-short-header") \
	X(RNDIS_BAD_LENGTH, "rndis-bad-length") \
	X(RNDIS_BAD_TYPE, "rndis-bad-type") \
	X(RNDIS_OOB_DATA, "rndis-oob-data") \
	X(RNDIS_BAD_DATA_RANGE, "rndis-bad-data-range") \
	X(RNDIS_FRAME_TOO_SHORT, "rndis-frame-too-short") \
	X(RNDIS_FRAME_TOO_LONG, "rndis-frame-too-long") \
	X(RNDIS_BAD_PPI_RANGE, "rndis-bad-ppi-range") \
	X(RNDIS_BAD_PPI_ELEMENT, "rndis-bad-ppi-element") \
	X(RNDIS_TOO_MANY_PPIS, "rndis-too-many-ppis") \
	X(RNDIS_CHECKSUM_NOT_OFFERED, "rndis-checksum-not-offered") \
	X(RNDIS_LSO_NOT_OFFERED, "rndis-lso-not-offered") \
	X(RNDIS_BAD_REQUEST_LENGTH, "rndis-bad-request-length") \
	X(RNDIS_BAD_INFO_RANGE, "rndis-bad-info-range")

enum rndis_refusal {
	RNDIS_OK,
#define RNDIS_NAME(name, counter) name,
	RNDIS_REFUSALS(RNDIS_NAME)
#undef RNDIS_NAME
	RNDIS_NUM_REFUSALS
};

enum {
	RNDIS_PPI_AREA_MAX_BYTES = 512,	/* our policy: Linux sends at most 80, all known elements make 200 */
	RNDIS_PPI_MAX_ELEMENTS = 16,	/* our policy: there are 13 types */
};

/* A PACKET; offsets from the message's first byte. */
struct rndis_frame {
	uint32_t message_bytes;
	uint32_t data_offset, data_bytes;	/* the Ethernet frame */
	uint32_t ppi_offset, ppi_bytes;		/* ppi_bytes 0: none */
};

/*
 * header: the copied 44 bytes; available: bytes of the stream from the message's first byte on, at least 44;
 * frame_max_bytes: longest frame that is let through. The type has been looked at by the caller.
 */
enum rndis_refusal rndis_parse_packet(const struct rndis_packet *header, uint32_t available, uint32_t frame_max_bytes,
				      struct rndis_frame *out);

/* What the elements say. */
struct rndis_ppis {
	bool has_vlan;
	uint16_t vlan_tci;
};

/* area: the copied elements of one PACKET. */
enum rndis_refusal rndis_parse_ppis(struct rd area, struct rndis_ppis *out);

/* A control message of any type but PACKET; info points into the given bytes. */
struct rndis_control {
	uint32_t type;
	uint32_t request_id;	/* RESET: 0 */
	uint32_t oid;		/* QUERY, SET */
	struct rd info;		/* QUERY, SET: the input */
};

/* message: the copied message; bytes behind its own length are not looked at. */
enum rndis_refusal rndis_parse_control(struct rd message, struct rndis_control *out);

const char *rndis_refusal_name(enum rndis_refusal why);

#endif
