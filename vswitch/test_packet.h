/* SPDX-License-Identifier: MIT */
/*
 * For the switch's tests: IP packets in Ethernet frames, as short as they can be.
 */
#ifndef HVNET_VSWITCH_TEST_PACKET_H
#define HVNET_VSWITCH_TEST_PACKET_H

#include "vswitch/flow.h"
#include "vswitch/test_nic.h"

struct test_packet {
	uint8_t version;		/* 0: 4 */
	uint8_t protocol;		/* 0: FLOW_UDP */
	uint32_t from, to;		/* IPv4, or the last four bytes of fd00:: */
	uint16_t from_port, to_port;	/* ICMP: type, identifier */
	uint8_t tcp_flags;
	uint16_t offset;		/* of a fragment, bytes */
	bool more;
	uint32_t id;
	unsigned extensions;		/* IPv6: destination options of 8 bytes, in front of all */
	uint16_t payload;		/* behind the transport header */
	uint16_t cut;			/* so many bytes of the packet are not sent */
};

static inline uint32_t test_transport(uint8_t *p, const struct test_packet *t, uint8_t protocol)
{
	if (t->offset)
		return 0;
	switch (protocol) {
	case FLOW_TCP:
		p[12] = 5 << 4;
		p[13] = t->tcp_flags;
		/* fall through */
	case FLOW_UDP:
		put_be16(p, t->from_port);
		put_be16(p + 2, t->to_port);
		return protocol == FLOW_TCP ? 20 : 8;
	case FLOW_ICMP:
	case FLOW_ICMPV6:
		p[0] = (uint8_t)t->from_port;
		put_be16(p + 4, t->to_port);
		return 8;
	}
	return 0;
}

static inline uint32_t test_ipv4(uint8_t *p, const struct test_packet *t, uint8_t protocol)
{
	uint32_t n = 20 + test_transport(p + 20, t, protocol) + t->payload - t->cut;

	p[0] = 0x45;
	put_be16(p + 2, n);
	put_be16(p + 4, t->id);
	put_be16(p + 6, (uint32_t)t->offset / 8 | (t->more ? 0x2000 : 0));
	p[8] = 64;
	p[9] = protocol;
	put_be32(p + 12, t->from);
	put_be32(p + 16, t->to);
	checksum_ipv4_header(p);
	return n;
}

static inline uint32_t test_ipv6(uint8_t *p, const struct test_packet *t, uint8_t protocol)
{
	bool fragment = t->offset || t->more;
	uint8_t *next = p + 6;
	uint32_t n = 40;

	p[0] = 0x60;
	p[7] = 64;
	p[8] = p[24] = 0xfd;
	put_be32(p + 20, t->from);
	put_be32(p + 36, t->to);
	for (unsigned i = 0; i < t->extensions; i++, n += 8) {
		*next = 60;
		next = p + n;
		put_be32(p + n + 2, 0x01040000);	/* PadN */
	}
	if (fragment) {
		*next = 44;
		next = p + n;
		put_be16(p + n + 2, t->offset | t->more);
		put_be32(p + n + 4, t->id);
		n += 8;
	}
	*next = protocol;
	n += test_transport(p + n, t, protocol) + t->payload - t->cut;
	put_be16(p + 4, n - 40);
	return n;
}

/* Writes it behind an Ethernet header, whose addresses stay as they are; the frame's length. p holds zeroes from byte 14 on. */
static inline uint32_t test_packet_write(uint8_t *p, const struct test_packet *t)
{
	uint8_t protocol = t->protocol ? t->protocol : FLOW_UDP;

	put_be16(p + 12, t->version == 6 ? 0x86dd : 0x0800);
	return 14 + (t->version == 6 ? test_ipv6 : test_ipv4)(p + 14, t, protocol);
}

/* A whole frame of it. */
static inline void test_packet_set(struct test_frame *f, const uint8_t to[6], const uint8_t from[6],
				   const struct test_packet *t)
{
	memset(f->bytes, 0, 2048);
	memcpy(f->bytes, to, 6);
	memcpy(f->bytes + 6, from, 6);
	test_frame_set(f, test_packet_write(f->bytes, t));
}

#endif
