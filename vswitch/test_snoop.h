/* SPDX-License-Identifier: MIT */
/*
 * For the tests of snooping: messages of IGMP, MLD and PIM in Ethernet frames, good ones unless they are told otherwise.
 */
#ifndef HVNET_VSWITCH_TEST_SNOOP_H
#define HVNET_VSWITCH_TEST_SNOOP_H

#include "vswitch/test_nic.h"

enum { TEST_ALL_HOSTS = 1, TEST_ALL_ROUTERS = 2, TEST_PIM_ROUTERS = 13, TEST_REPORTS = 22 };

struct test_message {
	uint8_t version;		/* of IP */
	uint8_t to[16], from[16];
	uint8_t protocol;
	uint8_t hops;
	bool alert;
	uint8_t bad_sum, bad_header_sum;	/* what is added to a byte of them */
	uint16_t fragment;		/* IPv4's field */
	uint32_t cut;			/* so many bytes of the message are not there, nor in its sum */
	uint32_t n;
	uint8_t bytes[3000];
};

/* 239.x, or ff1e::x. */
static inline void test_group(uint8_t *out, uint8_t version, uint32_t x)
{
	memset(out, 0, 16);
	if (version == 4) {
		put_be32(out, 0xef000000u + x);
		return;
	}
	out[0] = 0xff;
	out[1] = 0x1e;
	put_be32(out + 12, x);
}

/* 224.0.0.x, or ff02::x. */
static inline void test_local(uint8_t *out, uint8_t version, uint8_t x)
{
	memset(out, 0, 16);
	out[0] = version == 4 ? 224 : 0xff;
	out[1] = version == 4 ? 0 : 2;
	out[version == 4 ? 3 : 15] = x;
}

/* 10.0.0.x, or fe80::x; 0: the unspecified one. */
static inline void test_source(uint8_t *out, uint8_t version, uint8_t x)
{
	memset(out, 0, 16);
	if (!x)
		return;
	out[0] = version == 4 ? 10 : 0xfe;
	out[1] = version == 4 ? 0 : 0x80;
	out[version == 4 ? 3 : 15] = x;
}

static inline struct test_message test_message(uint8_t version, uint8_t type, uint32_t n)
{
	struct test_message m = {
		.version = version, .protocol = version == 4 ? 2 : 58, .hops = 1, .alert = true, .n = n, .bytes = { type },
	};

	test_source(m.from, version, 7);
	return m;
}

static inline uint8_t *test_message_group(struct test_message *m)
{
	return m->bytes + (m->version == 4 ? 4 : 8);
}

/* generation: of IGMP 1 … 3, of MLD 1 or 2. group 0: a general one. Answers within a second, unless that cannot be said. */
static inline struct test_message test_query(uint8_t version, unsigned generation, uint32_t group, uint8_t from)
{
	const bool last = generation == (version == 4 ? 3 : 2);
	struct test_message m = test_message(version, version == 4 ? 0x11 : 130, version == 4 ? 8 : 24);

	test_source(m.from, version, from);
	test_local(m.to, version, TEST_ALL_HOSTS);
	if (group) {
		test_group(test_message_group(&m), version, group);
		test_group(m.to, version, group);
	}
	if (version == 6)
		put_be16(m.bytes + 4, 1000);
	else if (generation > 1)
		m.bytes[1] = 10;
	m.alert = version == 6 || generation > 1;
	if (last) {
		m.bytes[m.n] = 2;		/* robustness */
		m.bytes[m.n + 1] = 20;		/* seconds between queries */
		m.n += 4;
	}
	return m;
}

static inline struct test_message test_report(uint8_t version, uint8_t type, uint32_t group)
{
	struct test_message m = test_message(version, type, version == 4 ? 8 : 24);

	test_group(test_message_group(&m), version, group);
	test_group(m.to, version, group);
	return m;
}

/* IGMPv2, MLDv1. */
static inline struct test_message test_join(uint8_t version, uint32_t group)
{
	return test_report(version, version == 4 ? 0x16 : 131, group);
}

static inline struct test_message test_leave(uint8_t version, uint32_t group)
{
	struct test_message m = test_report(version, version == 4 ? 0x17 : 132, group);

	test_local(m.to, version, TEST_ALL_ROUTERS);
	return m;
}

/* IGMPv3, MLDv2, so far without records. */
static inline struct test_message test_records(uint8_t version)
{
	struct test_message m = test_message(version, version == 4 ? 0x22 : 143, 8);

	test_local(m.to, version, TEST_REPORTS);
	return m;
}

static inline void test_add_record(struct test_message *m, uint8_t type, uint32_t group, uint16_t sources)
{
	const uint32_t address = m->version == 4 ? 4 : 16;
	uint8_t *p = m->bytes + m->n;

	p[0] = type;
	put_be16(p + 2, sources);
	test_group(p + 4, m->version, group);
	m->n += 4 + address + sources * address;
	put_be16(m->bytes + 6, get_be16(m->bytes + 6) + 1u);
}

static inline struct test_message test_hello(uint8_t version, uint16_t hold_s)
{
	struct test_message m = test_message(version, 0x20, 10);

	m.protocol = 103;
	m.alert = false;
	test_local(m.to, version, TEST_PIM_ROUTERS);
	put_be16(m.bytes + 4, 1);
	put_be16(m.bytes + 6, 2);
	put_be16(m.bytes + 8, hold_s);
	return m;
}

static inline uint32_t test_write_ipv4(uint8_t *ip, const struct test_message *m, uint32_t n)
{
	const uint32_t header = m->alert ? 24 : 20;

	ip[0] = (uint8_t)(0x40 | header / 4);
	put_be16(ip + 2, header + n);
	put_be16(ip + 6, m->fragment);
	ip[8] = m->hops;
	ip[9] = m->protocol;
	memcpy(ip + 12, m->from, 4);
	memcpy(ip + 16, m->to, 4);
	if (m->alert)
		put_be32(ip + 20, 0x94040000);
	checksum_ipv4_header(ip);
	ip[10] = (uint8_t)(ip[10] + m->bad_header_sum);
	return header;
}

static inline uint32_t test_write_ipv6(uint8_t *ip, const struct test_message *m, uint32_t n)
{
	const uint32_t header = m->alert ? 48 : 40;

	ip[0] = 0x60;
	put_be16(ip + 4, header - 40 + n);
	ip[6] = m->alert ? 0 : m->protocol;
	ip[7] = m->hops;
	memcpy(ip + 8, m->from, 16);
	memcpy(ip + 24, m->to, 16);
	if (m->alert) {
		ip[40] = m->protocol;
		put_be32(ip + 42, 0x05020000);
		put_be16(ip + 46, 0x0100);
	}
	return header;
}

/* Behind an Ethernet header whose source the caller has written; the frame's length. */
static inline uint32_t test_message_write(uint8_t *p, const struct test_message *m)
{
	const uint32_t n = m->n - m->cut;
	uint8_t *ip = p + 14, *at;
	uint64_t sum;
	uint16_t folded;

	memset(p + 12, 0, n + 80);
	if (m->version == 4) {
		memcpy(p, (const uint8_t[]){ 0x01, 0x00, 0x5e, m->to[1] & 0x7f, m->to[2], m->to[3] }, 6);
		put_be16(p + 12, 0x0800);
		at = ip + test_write_ipv4(ip, m, n);
	} else {
		memcpy(p, (const uint8_t[]){ 0x33, 0x33, m->to[12], m->to[13], m->to[14], m->to[15] }, 6);
		put_be16(p + 12, 0x86dd);
		at = ip + test_write_ipv6(ip, m, n);
	}
	memcpy(at, m->bytes, n);
	sum = m->version == 6 ? checksum_pseudo(ip, m->protocol, n) : 0;
	folded = (uint16_t)~hv_sum_fold(hv_sum_add(sum, at, n, false));
	if (n >= 4)
		memcpy(at + 2, &folded, 2);
	at[3] = (uint8_t)(at[3] + m->bad_sum);
	return (uint32_t)(at - p) + n;
}

static inline void test_message_set(struct test_frame *f, unsigned station, const struct test_message *m)
{
	test_mac(station, f->bytes + 6);
	test_frame_set(f, test_message_write(f->bytes, m));
}

#endif
