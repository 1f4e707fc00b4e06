/* SPDX-License-Identifier: MIT */
/*
 * For the tests of guards: packets, built from the transport header down, and the ways in which a frame may carry them.
 */
#ifndef HVNET_VSWITCH_TEST_ATTACK_H
#define HVNET_VSWITCH_TEST_ATTACK_H

#include "vswitch/test_policy.h"

/* Grows towards the front: each layer is put before what is there. */
struct packet {
	uint8_t room[2048];
	uint32_t at;			/* the first byte */
	uint32_t len;
};

enum { PACKET_END = 1900 };

static inline void packet_begin(struct packet *p, uint32_t payload)
{
	memset(p->room, 0x5a, sizeof(p->room));
	p->at = PACKET_END - payload;
	p->len = payload;
}

/* n zeroed bytes in front. */
static inline uint8_t *packet_push(struct packet *p, uint32_t n)
{
	p->at -= n;
	p->len += n;
	memset(p->room + p->at, 0, n);
	return p->room + p->at;
}

/* Bytes behind the end, which no header knows of. */
static inline void packet_pad(struct packet *p, const void *bytes, uint32_t n)
{
	memcpy(p->room + p->at + p->len, bytes, n);
	p->len += n;
}

static inline void packet_udp(struct packet *p, uint16_t from, uint16_t to)
{
	uint8_t *u = packet_push(p, 8);

	put_be16(u, from);
	put_be16(u + 2, to);
	put_be16(u + 4, p->len);
}

static inline void packet_icmp(struct packet *p, uint8_t type)
{
	packet_push(p, 8)[0] = type;
}

/* An IPv6 extension header of 8 + more bytes. */
static inline void packet_extension(struct packet *p, uint8_t next, uint32_t more)
{
	uint8_t *h = packet_push(p, 8 + more);

	h[0] = next;
	h[1] = (uint8_t)(more / 8);
	h[2] = 1;			/* PadN, of all that follows: a legal option */
	h[3] = 4;
}

/* offset in units of 8 bytes. */
static inline void packet_fragment6(struct packet *p, uint8_t next, uint16_t offset, bool more)
{
	uint8_t *h = packet_push(p, 8);

	h[0] = next;
	put_be16(h + 2, (uint32_t)offset << 3 | more);
}

static inline void packet_ipv6(struct packet *p, uint8_t next, const uint8_t source[16])
{
	uint32_t payload = p->len;
	uint8_t *ip = packet_push(p, 40);

	ip[0] = 0x60;
	put_be16(ip + 4, payload);
	ip[6] = next;
	ip[7] = 255;
	memcpy(ip + 8, source, 16);
	ip[24] = 0xff;
	ip[25] = 0x02;
	ip[39] = 1;
}

static inline void packet_ipv4(struct packet *p, uint8_t protocol, uint32_t source, uint16_t fragment, unsigned options)
{
	uint8_t *ip = packet_push(p, 20 + options);

	ip[0] = (uint8_t)(0x45 + options / 4);
	put_be16(ip + 2, p->len);
	put_be16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = protocol;
	put_be32(ip + 12, source);
	put_be32(ip + 16, 0xffffffff);
}

/* Opens a packet in Ethernet, with type; then as the way says. */
enum way {
	WAY_PLAIN,
	WAY_TAG,			/* VLAN 8, in the bytes */
	WAY_METADATA,			/* … in the metadata */
	WAY_TWO_TAGS,
	WAY_THREE_TAGS,			/* the innermost is a service tag */
	WAY_SNAP,
	WAY_BRIDGE_SNAP,		/* 802.1H's OUI */
	WAY_TAG_AND_SNAP,
	WAYS
};

static inline void packet_frame(struct test_frame *t, const struct packet *p, uint16_t type, const uint8_t from[6],
				enum way way)
{
	static const uint8_t snap[2][6] = { { 0xaa, 0xaa, 3, 0, 0, 0 }, { 0xaa, 0xaa, 3, 0, 0, 0xf8 } };
	uint32_t off = 12;

	memcpy(t->bytes, test_broadcast, 6);
	memcpy(t->bytes + 6, from, 6);
	if (way == WAY_SNAP || way == WAY_BRIDGE_SNAP || way == WAY_TAG_AND_SNAP) {
		put_be16(t->bytes + off, p->len + 8);
		memcpy(t->bytes + off + 2, snap[way == WAY_BRIDGE_SNAP], 6);
		off += 8;
	}
	put_be16(t->bytes + off, type);
	off += 2;
	memcpy(t->bytes + off, p->room + p->at, p->len);
	off += p->len;
	test_frame_set(t, off < 60 ? 60 : off);
	if (way == WAY_THREE_TAGS)
		test_tag_bytes(t, 0x88a8, 3);
	if (way == WAY_TWO_TAGS || way == WAY_THREE_TAGS)
		test_tag_bytes(t, 0x8100, 9);
	if (way == WAY_TAG || way == WAY_TWO_TAGS || way == WAY_THREE_TAGS || way == WAY_TAG_AND_SNAP)
		test_tag_bytes(t, 0x8100, 8);
	if (way == WAY_METADATA)
		test_tag(t, 8, false);
}

/* Only the first head bytes are in the head; the rest is in pieces of size bytes. */
struct test_pieces { struct iovec iov[512]; };

static inline void packet_scatter(struct test_frame *t, struct test_pieces *s, uint16_t head, uint32_t size)
{
	uint32_t off = head;
	unsigned n = 0;

	if (t->f.len <= VSWITCH_HEAD_BYTES)
		return;
	for (; off < t->f.len && n < 512; n++) {
		uint32_t got = t->f.len - off < size ? t->f.len - off : size;

		s->iov[n] = (struct iovec){ t->bytes + off, got };
		off += got;
	}
	memset(t->f.head + head, 0xee, sizeof(t->f.head) - head);
	t->f.head_bytes = head;
	t->f.segs = s->iov;
	t->f.nsegs = (uint16_t)n;
}

#endif
