/* SPDX-License-Identifier: MIT */
/* The frames of reachability tests: what is no station's address, and what a parser says of frames that are cut, damaged or lies. */
#include "hvnetd/diag_frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/test.h"
#include "vswitch/vswitch.h"

enum { RANDOM_FRAMES = 20000, ROOM = 256 };

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 };

static void addresses(void)
{
	static const struct {
		const char *text;
		int family;		/* 0: refused */
	} rows[] = {
		{ "", 0 }, { "host", 0 }, { "10.0.0", 0 }, { "10.0.0.1/24", 0 }, { "fd00::1%eth0", 0 }, { " 10.0.0.1", 0 },
		{ "0.1.2.3", 0 }, { "127.0.0.1", 0 }, { "224.0.0.1", 0 }, { "239.255.255.255", 0 }, { "240.0.0.1", 0 },
		{ "255.255.255.255", 0 }, { "::", 0 }, { "::1", 0 }, { "ff02::1", 0 }, { "::ffff:10.0.0.1", 0 },
		{ "1.0.0.1", AF_INET }, { "223.255.255.254", AF_INET }, { "fe80::1", AF_INET6 }, { "2001:db8::1", AF_INET6 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = NULL;
		uint8_t bytes[16];
		int family = 0;
		const bool good = diag_parse_address(rows[i].text, &family, bytes, &why);

		CU_ASSERT_EQUAL(good ? family : 0, rows[i].family);
		CU_ASSERT_EQUAL(why == NULL, good);
	}
}

/* In a block of its own, so that a byte behind it is an error. */
static struct diag_seen look_at(const uint8_t *frame, size_t n)
{
	uint8_t *block = malloc(n ? n : 1);
	struct diag_seen s;

	if (!block)
		abort();
	memcpy(block, frame, n);
	s = diag_look_at(block, n);
	free(block);
	return s;
}

static struct diag_question question(int family, bool with_source, uint16_t vlan)
{
	struct diag_question q = { .family = family, .has_source = with_source, .vlan = vlan, .id = 77, .mac = { 2, [5] = 1 } };

	memset(q.target, 9, 16);
	if (with_source)
		memset(q.source, 8, 16);
	return q;
}

/* With its tag in the bytes. */
static size_t bytes_of(const struct vswitch_frame *f, uint8_t out[ROOM])
{
	const size_t tag = f->offload.flags & VSWITCH_VLAN ? 4 : 0;

	memcpy(out, f->head, 12);
	if (tag) {
		out[12] = 0x81;
		out[13] = 0;
		out[14] = (uint8_t)(f->offload.vlan_tci >> 8);
		out[15] = (uint8_t)f->offload.vlan_tci;
	}
	memcpy(out + 12 + tag, f->head + 12, f->len - 12);
	return f->len + tag;
}

/* What was made is known for what it is; what is cut is that or nothing. */
static void try_all(const struct diag_question *q)
{
	struct vswitch_frame f;
	uint8_t bytes[ROOM];
	size_t n;

	diag_make_solicitation(q, &f);
	CU_ASSERT_EQUAL(f.len, f.head_bytes);
	n = bytes_of(&f, bytes);
	CU_ASSERT_EQUAL(look_at(bytes, n).kind, DIAG_SOLICITATION);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT(look_at(bytes, i).kind == DIAG_OTHER || look_at(bytes, i).kind == DIAG_SOLICITATION);
	diag_make_echo(q, mac, 0x1234, &f);
	n = bytes_of(&f, bytes);
	CU_ASSERT_EQUAL(look_at(bytes, n).kind, DIAG_ECHO);
	CU_ASSERT_EQUAL(look_at(bytes, n).sequence, 0x1234);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT(look_at(bytes, i).kind == DIAG_OTHER || look_at(bytes, i).kind == DIAG_ECHO);
}

static void own_frames(void)
{
	for (unsigned i = 0; i < 8; i++) {
		const struct diag_question q = question(i & 1 ? AF_INET6 : AF_INET, i & 2, i & 4 ? 5 : 0);

		try_all(&q);
	}
}

/* Its options are the sender's to write: of length 0, longer than the message, several. */
static void advertisements(void)
{
	static const struct {
		const char *what;
		uint8_t options[24];
		size_t bytes;
		bool in_option;		/* else the frame's source counts */
	} rows[] = {
		{ "none", { 0 }, 0, false },
		{ "of length 0", { 2, 0, 6, 6, 6, 6, 6, 6 }, 8, false },
		{ "cut", { 2, 1, 6, 6, 6, 6, 6 }, 7, false },
		{ "another", { 1, 1, 6, 6, 6, 6, 6, 6 }, 8, false },
		{ "behind one that is too long", { 1, 9, 0, 0, 0, 0, 0, 0, 2, 1, 6, 6, 6, 6, 6, 6 }, 16, false },
		{ "behind another", { 14, 1, 0, 0, 0, 0, 0, 0, 2, 1, 6, 6, 6, 6, 6, 6 }, 16, true },
		{ "alone", { 2, 1, 6, 6, 6, 6, 6, 6 }, 8, true },
	};
	static const uint8_t six[6] = { 6, 6, 6, 6, 6, 6 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t f[ROOM] = { [12] = 0x86, [13] = 0xdd, [20] = 58, [54] = 136 };
		struct diag_seen s;

		memcpy(f + 6, mac, 6);
		memcpy(f + 78, rows[i].options, rows[i].bytes);
		s = look_at(f, 78 + rows[i].bytes);
		CU_ASSERT_EQUAL(s.kind, DIAG_ADVERTISEMENT);
		if (memcmp(s.mac, rows[i].in_option ? six : mac, 6) != 0)
			CU_FAIL(rows[i].what);
	}
}

static void damaged(void)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < RANDOM_FRAMES; i++) {
		const struct diag_question q = question(i & 1 ? AF_INET6 : AF_INET, i & 2, i & 4 ? 5 : 0);
		struct vswitch_frame f;
		uint8_t bytes[ROOM];
		size_t n;

		if (i & 8)
			diag_make_echo(&q, mac, 1, &f);
		else
			diag_make_solicitation(&q, &f);
		n = bytes_of(&f, bytes);
		for (unsigned k = 0; k < 3; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			bytes[12 + (seed >> 33) % (n - 12)] = (uint8_t)(seed >> 56);
		}
		CU_ASSERT(look_at(bytes, (seed >> 20) % (n + 1)).kind <= DIAG_ECHO_REPLY);
	}
}

static const struct hv_test tests[] = {
	{ "only one station's address is one", addresses },
	{ "frames of our own, whole and cut", own_frames },
	{ "options of advertisements", advertisements },
	{ "damaged frames", damaged },
};

int main(void)
{
	return hv_test_main("hvnetd/diag_frame", tests, sizeof(tests) / sizeof(tests[0]));
}
