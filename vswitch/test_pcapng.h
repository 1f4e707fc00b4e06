/* SPDX-License-Identifier: MIT */
/*
 * For tests: reads pcapng, from the draft's text and not from our headers, with offsets and codes of its own. What it does not expect
 * fails the test.
 */
#ifndef HVNET_VSWITCH_TEST_PCAPNG_H
#define HVNET_VSWITCH_TEST_PCAPNG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

struct read_packet {
	uint32_t interface, captured, len, flags;
	uint64_t time_ns, dropped;
	const uint8_t *data;		/* borrowed from the block */
	char comment[640];
	bool has_custom;
	uint8_t custom[64];
	uint32_t custom_bytes;
};

struct read_interface {
	char name[128], description[320];
	uint32_t snap, packets;
	bool has_statistics;
	uint64_t start_ns, end_ns, received, accepted, dropped;
};

struct read_capture {
	unsigned sections, num_interfaces, num_packets;
	char application[640];
	struct read_interface interfaces[64];
	struct read_packet packets[16384];
};

static inline uint32_t test_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint16_t test_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint64_t test_u64(const uint8_t *p)
{
	return test_u32(p) | (uint64_t)test_u32(p + 4) << 32;
}

static inline uint64_t test_time(const uint8_t *p)
{
	return (uint64_t)test_u32(p) << 32 | test_u32(p + 4);
}

static inline void test_text(char *to, size_t room, const uint8_t *p, uint16_t n)
{
	CU_ASSERT_FATAL(n > 0 && n < room);
	memcpy(to, p, n);
	to[n] = '\0';
}

/* Each option once, the end last, zeros between; n bytes in all. */
static inline void test_options(const uint8_t *p, uint32_t n,
				void (*option)(void *cookie, uint16_t code, const uint8_t *value, uint16_t len), void *cookie)
{
	uint16_t code, len;

	for (;;) {
		CU_ASSERT_FATAL(n >= 4);
		code = test_u16(p);
		len = test_u16(p + 2);
		if (!code)
			break;
		CU_ASSERT_FATAL((len + 3u) / 4 * 4 <= n - 4);
		option(cookie, code, p + 4, len);
		for (uint32_t i = len; i % 4; i++)
			CU_ASSERT_EQUAL(p[4 + i], 0);
		n -= 4 + (len + 3u) / 4 * 4;
		p += 4 + (len + 3u) / 4 * 4;
	}
	CU_ASSERT_EQUAL(len, 0);
	CU_ASSERT_EQUAL(n, 4);
}

static inline void test_section_option(void *cookie, uint16_t code, const uint8_t *v, uint16_t len)
{
	struct read_capture *r = cookie;
	char os[32];

	if (code == 4)
		test_text(r->application, sizeof(r->application), v, len);
	else if (code == 3)
		test_text(os, sizeof(os), v, len);
	else
		CU_FAIL_FATAL("an option that a section does not have");
}

static inline void test_interface_option(void *cookie, uint16_t code, const uint8_t *v, uint16_t len)
{
	struct read_interface *i = cookie;

	if (code == 2) {
		test_text(i->name, sizeof(i->name), v, len);
	} else if (code == 3) {
		test_text(i->description, sizeof(i->description), v, len);
	} else {
		CU_ASSERT_EQUAL_FATAL(code, 9);
		CU_ASSERT_EQUAL(len, 1);
		CU_ASSERT_EQUAL(*v, 9);
	}
}

static inline void test_packet_option(void *cookie, uint16_t code, const uint8_t *v, uint16_t len)
{
	struct read_packet *p = cookie;

	switch (code) {
	case 1:
		test_text(p->comment, sizeof(p->comment), v, len);
		break;
	case 2:
		CU_ASSERT_EQUAL(len, 4);
		p->flags = test_u32(v);
		break;
	case 4:
		CU_ASSERT_EQUAL(len, 8);
		p->dropped = test_u64(v);
		break;
	case 2989:
		CU_ASSERT_FATAL(len >= 4 && len <= sizeof(p->custom));
		p->has_custom = true;
		p->custom_bytes = len;
		memcpy(p->custom, v, len);
		break;
	default:
		CU_FAIL_FATAL("an option that a packet does not have");
	}
}

static inline void test_statistics_option(void *cookie, uint16_t code, const uint8_t *v, uint16_t len)
{
	struct read_interface *i = cookie;

	CU_ASSERT_EQUAL_FATAL(len, 8);
	switch (code) {
	case 2:
		i->start_ns = test_time(v);
		break;
	case 3:
		i->end_ns = test_time(v);
		break;
	case 4:
		i->received = test_u64(v);
		break;
	case 5:
		i->dropped = test_u64(v);
		break;
	case 6:
		i->accepted = test_u64(v);
		break;
	default:
		CU_FAIL_FATAL("an option that statistics do not have");
	}
}

static inline void test_read_section(struct read_capture *r, const uint8_t *b, uint32_t n)
{
	CU_ASSERT_EQUAL(r->num_packets, 0);
	CU_ASSERT_FATAL(n >= 28);
	CU_ASSERT_EQUAL(test_u32(b + 8), 0x1a2b3c4d);
	CU_ASSERT_EQUAL(test_u16(b + 12), 1);
	CU_ASSERT_EQUAL(test_u16(b + 14), 0);
	CU_ASSERT_EQUAL(test_u64(b + 16), UINT64_MAX);
	r->sections++;
	test_options(b + 24, n - 28, test_section_option, r);
}

static inline void test_read_interface(struct read_capture *r, const uint8_t *b, uint32_t n)
{
	struct read_interface *i = &r->interfaces[r->num_interfaces];

	CU_ASSERT_FATAL(n >= 20 && r->num_interfaces < sizeof(r->interfaces) / sizeof(r->interfaces[0]));
	r->num_interfaces++;
	CU_ASSERT_EQUAL(test_u16(b + 8), 1);
	CU_ASSERT_EQUAL(test_u16(b + 10), 0);
	i->snap = test_u32(b + 12);
	test_options(b + 16, n - 20, test_interface_option, i);
}

static inline void test_read_packet(struct read_capture *r, const uint8_t *b, uint32_t n)
{
	struct read_packet *p = &r->packets[r->num_packets];
	uint32_t padded;

	CU_ASSERT_FATAL(n >= 32 && r->num_packets < sizeof(r->packets) / sizeof(r->packets[0]));
	*p = (struct read_packet){ .interface = test_u32(b + 8), .time_ns = test_time(b + 12), .captured = test_u32(b + 20),
				   .len = test_u32(b + 24), .data = b + 28 };
	r->num_packets++;
	CU_ASSERT_FATAL(p->interface < r->num_interfaces);
	CU_ASSERT(p->captured <= p->len);
	r->interfaces[p->interface].packets++;
	padded = (p->captured + 3) / 4 * 4;
	CU_ASSERT_FATAL(padded <= n - 32);
	for (uint32_t i = p->captured; i < padded; i++)
		CU_ASSERT_EQUAL(p->data[i], 0);
	test_options(b + 28 + padded, n - 32 - padded, test_packet_option, p);
}

static inline void test_read_statistics(struct read_capture *r, const uint8_t *b, uint32_t n)
{
	struct read_interface *i;

	CU_ASSERT_FATAL(n >= 24 && test_u32(b + 8) < r->num_interfaces);
	i = &r->interfaces[test_u32(b + 8)];
	CU_ASSERT_FALSE(i->has_statistics);
	i->has_statistics = true;
	test_options(b + 20, n - 24, test_statistics_option, i);
	CU_ASSERT_EQUAL(test_time(b + 12), i->end_ns);
}

static inline void test_read_block(struct read_capture *r, const uint8_t *b, uint32_t n)
{
	CU_ASSERT_FATAL(n >= 12 && n % 4 == 0);
	CU_ASSERT_EQUAL_FATAL(test_u32(b + 4), n);
	CU_ASSERT_EQUAL_FATAL(test_u32(b + n - 4), n);
	CU_ASSERT(r->sections == 1 || test_u32(b) == 0x0a0d0d0a);
	switch (test_u32(b)) {
	case 0x0a0d0d0a:
		test_read_section(r, b, n);
		break;
	case 1:
		test_read_interface(r, b, n);
		break;
	case 5:
		test_read_statistics(r, b, n);
		break;
	case 6:
		test_read_packet(r, b, n);
		break;
	default:
		CU_FAIL_FATAL("an unknown block");
	}
}

static inline struct read_capture *test_read_new(void)
{
	struct read_capture *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	return r;
}

/* A whole file. */
static inline struct read_capture *test_read_file(const uint8_t *bytes, size_t n)
{
	struct read_capture *r = test_read_new();
	size_t off = 0;
	uint32_t len;

	while (off < n) {
		CU_ASSERT_FATAL(n - off >= 12);
		len = test_u32(bytes + off + 4);
		CU_ASSERT_FATAL(len <= n - off);
		test_read_block(r, bytes + off, len);
		off += len;
	}
	return r;
}

static inline int test_find_interface(const struct read_capture *r, const char *name)
{
	for (unsigned i = 0; i < r->num_interfaces; i++)
		if (!strcmp(r->interfaces[i].name, name))
			return (int)i;
	return -1;
}

#endif
