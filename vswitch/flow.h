/* SPDX-License-Identifier: MIT */
/*
 * What a frame's headers say about the flow that it belongs to. Pure: bytes in, struct out.
 */
#ifndef HVNET_VSWITCH_FLOW_H
#define HVNET_VSWITCH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FLOW_BYTES_MAX = 512,		/* our policy: of headers, from the frame's first byte */
	FLOW_WRAPS_MAX = 3,		/* our policy: VLAN tags and SNAP headers in the bytes */

	FLOW_ICMP = 1,			/* IANA's protocol numbers */
	FLOW_TCP = 6,
	FLOW_UDP = 17,
	FLOW_DCCP = 33,
	FLOW_ICMPV6 = 58,
	FLOW_SCTP = 132,
	FLOW_UDPLITE = 136,

	FLOW_FIN = 0x01,
	FLOW_SYN = 0x02,
	FLOW_RST = 0x04,
	FLOW_ACK = 0x10,
};

enum flow_result {
	FLOW_NOT_IP,			/* no IPv4 or IPv6 packet, as far as any receiver would find one */
	FLOW_IP,			/* all of struct flow is valid */
	FLOW_SHORT,			/* more bytes of the frame are needed */
	FLOW_BAD,			/* headers that contradict themselves, or more of them than we follow */
	FLOW_BAD_FRAGMENT,		/* a first fragment without the whole transport header, or one that would overwrite it */
};

enum flow_fragment {
	FLOW_WHOLE,			/* no fragment, or the only one */
	FLOW_FIRST,
	FLOW_LATER,
};

struct flow {
	uint8_t version;		/* 4 or 6 */
	uint8_t protocol;		/* of the transport header, if there is no extension header before it that we cannot see: */
	bool protocol_hidden;		/* LATER, IPv6 */
	uint8_t fragment;		/* enum flow_fragment */
	uint8_t tcp_flags;		/* TCP but LATER */
	bool has_ports;			/* source_port and destination_port are valid */
	bool is_echo_request, is_echo_reply;	/* ICMP, ICMPv6: then echo_id is valid */
	bool is_error;			/* ICMP, ICMPv6, WHOLE: a packet did not arrive, and is quoted */
	uint16_t source_port, destination_port;
	uint16_t echo_id;
	uint16_t fragment_offset;	/* bytes; LATER */
	uint16_t payload_bytes;		/* behind the IP headers, in this fragment */
	uint16_t header_bytes;		/* of the frame that were looked at */
	uint32_t fragment_id;
	uint8_t source[16], destination[16];	/* IPv4: the first four bytes, the others zero */
};

typedef enum flow_result flow_parser(const uint8_t *bytes, uint32_t have, uint32_t len, struct flow *out);

/* Whether the first bytes of this protocol's header are two ports. */
static inline bool flow_has_ports(uint8_t protocol)
{
	return protocol == FLOW_TCP || protocol == FLOW_UDP || protocol == FLOW_DCCP || protocol == FLOW_SCTP ||
	       protocol == FLOW_UDPLITE;
}

/*
 * bytes: the first have of a frame of len. SHORT only if have is less than both len and FLOW_BYTES_MAX. *out: valid if the result is
 * IP; version, addresses and fragment_id also if it is BAD_FRAGMENT.
 */
flow_parser flow_parse;

/*
 * Of a frame that is_error: the packet that it quotes, as far as it tells the flow: addresses, protocol, ports, echo_id; no TCP flags.
 * payload_bytes are those that are quoted. BAD: what is quoted is no packet, or its flow cannot be told from it. NOT_IP: the
 * frame is no error. SHORT as above.
 */
flow_parser flow_parse_quotation;

struct vswitch;
struct vswitch_frame;

struct flow_pins;
/*
 * As flow_parse(), of a frame on its way; never SHORT. What is looked at behind the head is copied once, and the copy takes
 * the place of the sender's bytes in the frame: what was checked is what is delivered. BAD also if the frame is in too many
 * pieces for that.
 */
enum flow_result flow_of_frame(struct flow_pins *pins, struct vswitch_frame *f, struct flow *out);
/* The same with flow_parse_quotation(). */
enum flow_result flow_quoted_by_frame(struct flow_pins *pins, struct vswitch_frame *f, struct flow *out);
/* Room for those copies, for one batch at a time. */
struct flow_pins *flow_pins_create(void);
void flow_pins_destroy(struct flow_pins *pins);
/* A new batch begins: no frame with copies is left. */
void flow_pins_reset(struct flow_pins *pins);

#endif
