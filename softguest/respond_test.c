/* SPDX-License-Identifier: MIT */
/*
 * The responder: questions as a guest asks them, answers checked to the checksum; and what is not
 * for us or does not fit.
 */
#include <string.h>

#include "base/test.h"
#include "softguest/softguest.h"

static const uint8_t asker[6] = { 2, 0, 0, 0, 0, 1 };

static struct softguest_responder us(void)
{
	return (struct softguest_responder){
		.mac = { 2, 0, 0, 0, 0, 9 }, .ip = { 10, 0, 0, 9 }, .ip6 = { 0xfd, [15] = 9 },
	};
}

static uint16_t checksum(uint32_t s, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static uint32_t eth(uint8_t *f, const uint8_t *to, uint16_t type)
{
	memset(f, 0, 128);
	memcpy(f, to, 6);
	memcpy(f + 6, asker, 6);
	f[12] = (uint8_t)(type >> 8);
	f[13] = (uint8_t)type;
	return 14;
}

static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };

static void test_arp(void)
{
	struct softguest_responder r = us();
	uint8_t f[128], a[128];
	static const uint8_t request[] = { 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1,
					   0, 0, 0, 0, 0, 0, 10, 0, 0, 9 };

	eth(f, all, 0x0806);
	memcpy(f + 14, request, sizeof(request));
	CU_ASSERT_EQUAL(softguest_respond(&r, f, 42, a, sizeof(a)), 42);
	CU_ASSERT_EQUAL(memcmp(a, asker, 6), 0);
	CU_ASSERT_EQUAL(memcmp(a + 6, r.mac, 6), 0);
	CU_ASSERT_EQUAL(a[21], 2);
	CU_ASSERT_EQUAL(memcmp(a + 22, r.mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(a + 28, r.ip, 4), 0);
	CU_ASSERT_EQUAL(memcmp(a + 32, asker, 6), 0);
	CU_ASSERT_EQUAL(memcmp(a + 38, request + 14, 4), 0);
	CU_ASSERT_EQUAL(r.answered, 1);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, 41, a, sizeof(a)), 0);
	f[41] = 8;	/* somebody else's address */
	CU_ASSERT_EQUAL(softguest_respond(&r, f, 42, a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(r.answered, 1);
}

/* An echo request with n bytes of data; returns the frame's bytes. */
static uint32_t ping4(uint8_t *f, const uint8_t *to, uint32_t n)
{
	eth(f, to, 0x0800);
	f[14] = 0x45;
	f[17] = (uint8_t)(28 + n);
	f[22] = 64;
	f[23] = 1;
	memcpy(f + 26, "\x0a\0\0\1\x0a\0\0\x09", 8);
	f[34] = 8;
	memset(f + 42, 0xa5, n);
	return 42 + n;
}

static void test_ping4(void)
{
	struct softguest_responder r = us();
	uint8_t f[128], a[128];
	uint32_t n = ping4(f, r.mac, 33);

	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), n);
	CU_ASSERT_EQUAL(a[34], 0);
	CU_ASSERT_EQUAL(memcmp(a + 26, "\x0a\0\0\x09\x0a\0\0\1", 8), 0);
	CU_ASSERT_EQUAL(checksum(0, a + 14, 20), 0xffff);
	CU_ASSERT_EQUAL(checksum(0, a + 34, n - 34), 0xffff);
	CU_ASSERT_EQUAL(memcmp(a + 42, f + 42, 33), 0);
	/* padded to Ethernet's minimum: the padding is not part of the answer */
	n = ping4(f, r.mac, 0);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, 60, a, sizeof(a)), 42);
}

static void test_not_answered(void)
{
	static const struct { const char *what; unsigned at; uint8_t value; } t[] = {
		{ "version", 14, 0x65 }, { "header shorter than a header", 14, 0x44 },
		{ "header longer than the packet", 14, 0x4f }, { "longer than the frame", 16, 1 },
		{ "shorter than its headers", 17, 27 }, { "a fragment", 20, 0x20 }, { "a later fragment", 21, 1 },
		{ "another protocol", 23, 17 }, { "another address", 33, 8 }, { "not an echo", 34, 0 },
		{ "another station", 5, 8 }, { "another type", 12, 9 },
	};
	struct softguest_responder r = us();
	uint8_t f[128], a[128];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint32_t n = ping4(f, r.mac, 8);

		f[t[i].at] = t[i].value;
		CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
	}
	for (uint32_t n = 0; n < 50; n++) {
		ping4(f, r.mac, 8);
		CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
	}
	CU_ASSERT_EQUAL(r.answered, 0);
}

static uint32_t ip6(uint8_t *f, uint32_t payload, uint8_t type)
{
	f[14] = 0x60;
	f[19] = (uint8_t)payload;
	f[20] = 58;
	f[21] = 255;
	f[22] = 0xfd;
	f[37] = 1;
	f[38] = 0xfd;
	f[53] = 9;
	f[54] = type;
	return 54 + payload;
}

static bool sum6_good(const uint8_t *f, uint32_t payload)
{
	return checksum(payload + 58 + checksum(0, f + 22, 32), f + 54, payload) == 0xffff;
}

static void test_ping6(void)
{
	struct softguest_responder r = us();
	uint8_t f[128], a[128];
	uint32_t n;

	eth(f, r.mac, 0x86dd);
	n = ip6(f, 20, 128);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), n);
	CU_ASSERT_EQUAL(a[54], 129);
	CU_ASSERT_EQUAL(a[37], 9);
	CU_ASSERT_EQUAL(a[53], 1);
	CU_ASSERT_TRUE(sum6_good(a, 20));
	f[19] = 21;
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
}

static void test_neighbour(void)
{
	static const uint8_t group[6] = { 0x33, 0x33, 0xff, 0, 0, 9 };
	struct softguest_responder r = us();
	uint8_t f[128], a[128];
	uint32_t n;

	eth(f, group, 0x86dd);
	n = ip6(f, 24, 135);
	memcpy(f + 62, r.ip6, 16);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 86);
	CU_ASSERT_EQUAL(a[54], 136);
	CU_ASSERT_EQUAL(a[58], 0x60);
	CU_ASSERT_EQUAL(memcmp(a + 80, r.mac, 6), 0);
	CU_ASSERT_TRUE(sum6_good(a, 32));
	memset(f + 22, 0, 16);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 86);
	CU_ASSERT_EQUAL(a[38], 0xff);
	CU_ASSERT_EQUAL(a[58], 0x20);
	f[19] = 23;
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
	f[19] = 24;
	f[77] = 8;
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
	memset(r.ip6, 0, 16);
	memset(f + 62, 0, 16);
	CU_ASSERT_EQUAL(softguest_respond(&r, f, n, a, sizeof(a)), 0);
}

static const struct hv_test tests[] = {
	{ "answers ARP", test_arp },
	{ "answers an IPv4 echo", test_ping4 },
	{ "answers nothing that is not for it or does not fit", test_not_answered },
	{ "answers an IPv6 echo", test_ping6 },
	{ "advertises itself as a neighbour", test_neighbour },
};
HV_TEST_MAIN("softguest_respond", tests)
