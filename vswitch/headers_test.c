/* SPDX-License-Identifier: MIT */
/*
 * Where headers are found, how far each reader goes, and that nothing is read that was not given.
 */
#include "vswitch/headers.h"
#include "vswitch/test_attack.h"

static const uint8_t source[16] = { 0xfe, 0x80, [15] = 1 }, from[6] = { 2, 0, 0, 0, 0, 1 };
static struct packet packet;
static struct test_frame *frame;

static enum headers_result look_at(uint32_t have, enum headers_reader reader, struct headers *h)
{
	uint8_t *copy = malloc(have ? have : 1);	/* so that a sanitizer sees what is read beyond it */
	enum headers_result r;

	memcpy(copy, frame->bytes, have);
	r = headers_of_frame(copy, have, frame->f.len, reader, h);
	free(copy);
	return r;
}

static enum headers_result look(enum headers_reader reader, struct headers *h)
{
	return look_at(frame->f.len, reader, h);
}

static void put_in_frame(uint16_t type, enum way way)
{
	packet_frame(frame, &packet, type, from, way);
}

static void udp6(void)
{
	packet_begin(&packet, 10);
	packet_udp(&packet, 5, 6);
}

/* ---- what is around a packet ---- */

static void unwraps_all_ways(void)
{
	static const uint8_t wraps[WAYS] = { 0, 1, 0, 2, 3, 1, 1, 2 };
	struct headers h;

	for (unsigned way = 0; way < WAYS; way++) {
		udp6();
		packet_ipv6(&packet, 17, source);
		put_in_frame(HEADERS_TYPE_IPV6, (enum way)way);
		CU_ASSERT_EQUAL(look(HEADERS_SOBER, &h), HEADERS_FOUND);
		CU_ASSERT_EQUAL(h.type, HEADERS_TYPE_IPV6);
		CU_ASSERT_EQUAL(h.wraps, wraps[way]);
		CU_ASSERT_EQUAL(h.network + 40, h.transport);
		CU_ASSERT_EQUAL(get_be16(frame->bytes + h.transport + 2), 6);
		CU_ASSERT_EQUAL(h.end, h.transport + 18);
	}
}

static void knows_when_it_is_enough(void)
{
	struct headers h;

	udp6();
	packet_ipv6(&packet, 17, source);
	put_in_frame(HEADERS_TYPE_IPV6, WAY_PLAIN);
	for (unsigned n = 1; n < 7; n++) {
		test_tag_bytes(frame, n % 2 ? 0x9200 : 0x8100, 7);
		CU_ASSERT_EQUAL(look(HEADERS_SOBER, &h), n <= HEADERS_WRAPS_MAX ? HEADERS_FOUND : HEADERS_TOO_WRAPPED);
		CU_ASSERT_EQUAL(h.wraps, n <= HEADERS_WRAPS_MAX ? n : HEADERS_WRAPS_MAX);
	}
}

static void finds_nothing_where_nobody_would(void)
{
	static const struct {
		const char *what;
		uint8_t bytes[14];
		uint32_t n;
		uint16_t type;
	} rows[] = {
		{ "a type of nobody", { 0x88, 0xb5 }, 14, 0x88b5 },
		{ "LLC that is no SNAP", { 0, 60, 0x42, 0x42, 3 }, 14, 0 },
		{ "a tag that is cut off", { 0x81, 0, 0 }, 3, 0 },
		{ "SNAP that is cut off", { 0, 60, 0xaa, 0xaa, 3, 0, 0 }, 7, 0 },
		{ "ARP", { 0x08, 0x06 }, 14, HEADERS_TYPE_ARP },
	};
	struct headers h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(frame->bytes, 0, 64);
		memcpy(frame->bytes + 12, rows[i].bytes, rows[i].n);
		test_frame_set(frame, 12 + rows[i].n);
		if (look(HEADERS_CREDULOUS, &h) != HEADERS_FOUND || h.version || h.type != rows[i].type) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("IP is found in it");
		}
	}
	test_frame_set(frame, 13);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &h), HEADERS_FOUND);
	CU_ASSERT_EQUAL(h.type, 0);
}

/* ---- what leads to the transport header ---- */

static void ipv4(uint8_t protocol, uint16_t fragment)
{
	packet_ipv4(&packet, protocol, 1, fragment, 8);
	put_in_frame(HEADERS_TYPE_IPV4, WAY_PLAIN);
}

static void ipv6(uint8_t next)
{
	packet_ipv6(&packet, next, source);
	put_in_frame(HEADERS_TYPE_IPV6, WAY_PLAIN);
}

/* Authentication headers count in four bytes, and more: of this one of 24, sober readers see the beginning only in IPv4. */
static void authentication(void)
{
	uint8_t *h;

	udp6();
	h = packet_push(&packet, 24);
	h[0] = 17;
	h[1] = 4;
}

static void sober_and_credulous_readers_differ(void)
{
	struct headers s, c;

	authentication();
	ipv4(51, 0);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &s), HEADERS_FOUND);
	CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &c), HEADERS_FOUND);
	CU_ASSERT(s.protocol == 51 && c.protocol == 17 && c.transport == s.transport + 24);
	authentication();
	ipv6(51);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &s), HEADERS_FOUND);
	CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &c), HEADERS_FOUND);
	CU_ASSERT(s.protocol == 17 && c.protocol == 17 && c.transport == s.transport);
	udp6();				/* a fragment of a fragment */
	packet_fragment6(&packet, 17, 0, true);
	packet_fragment6(&packet, 44, 0, true);
	ipv6(44);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &s), HEADERS_BAD_CHAIN);
	CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &c), HEADERS_FOUND);
	CU_ASSERT_EQUAL(c.protocol, 17);
	udp6();				/* a jumbogram */
	packet_extension(&packet, 17, 0);
	ipv6(0);
	put_be16(frame->bytes + 14 + 4, 0);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &s), HEADERS_BAD_CHAIN);
	CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &c), HEADERS_FOUND);
	CU_ASSERT(c.protocol == 17 && c.end == frame->f.len);
}

static void stops_at_later_fragments(void)
{
	struct headers h;

	udp6();
	ipv4(17, 0x2003);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &h), HEADERS_FOUND);
	CU_ASSERT(h.fragment_offset == 24 && h.more_fragments && h.protocol == 17);
	udp6();
	packet_fragment6(&packet, 60, 3, false);
	ipv6(44);
	CU_ASSERT_EQUAL(look(HEADERS_SOBER, &h), HEADERS_FOUND);
	CU_ASSERT(h.fragment_offset == 24 && !h.more_fragments && h.protocol == 60);
	CU_ASSERT_EQUAL(h.transport, 14 + 40 + 8);
}

static void chains_end(void)
{
	struct headers h;

	for (unsigned n = HEADERS_EXTENSIONS_MAX; n <= HEADERS_EXTENSIONS_MAX + 1; n++) {
		udp6();
		for (unsigned i = 0; i < n; i++)
			packet_extension(&packet, i ? 60 : 17, 0);
		ipv6(60);
		CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &h), n == HEADERS_EXTENSIONS_MAX ? HEADERS_FOUND : HEADERS_LONG_CHAIN);
	}
	udp6();
	packet_extension(&packet, 17, 0);
	packet.room[packet.at + 1] = 3;	/* longer than the packet is */
	ipv6(60);
	CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &h), HEADERS_BAD_CHAIN);
}

static void believes_no_impossible_length(void)
{
	static const struct {
		const char *what;
		bool v6;
		unsigned at;			/* of this byte of the packet … */
		uint8_t value;			/* … this is what it is */
	} rows[] = {
		{ "IPv4: version 5", false, 0, 0x57 },
		{ "IPv4: header of 16 bytes", false, 0, 0x44 },
		{ "IPv4: longer than the frame", false, 3, 28 + 18 + 1 },
		{ "IPv4: shorter than its header", false, 3, 27 },
		{ "IPv6: version 4", true, 0, 0x40 },
		{ "IPv6: longer than the frame", true, 5, 19 },
	};
	struct headers h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		udp6();
		if (rows[i].v6)
			ipv6(17);
		else
			ipv4(17, 0);
		test_frame_set(frame, rows[i].v6 ? 14 + 40 + 18 : 14 + 28 + 18);	/* without padding */
		CU_ASSERT_EQUAL(look(HEADERS_CREDULOUS, &h), HEADERS_FOUND);
		frame->bytes[14 + rows[i].at] = rows[i].value;
		if (look(HEADERS_CREDULOUS, &h) != HEADERS_BAD_NETWORK || h.version) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("it is believed");
		}
	}
}

static void asks_for_what_it_needs(void)
{
	struct headers h;

	udp6();
	packet_extension(&packet, 17, 24);
	packet_extension(&packet, 60, 8);
	ipv6(60);
	test_tag_bytes(frame, 0x8100, 3);
	for (uint32_t have = 0; have < 18 + 40 + 48; have++)
		CU_ASSERT_EQUAL(look_at(have, HEADERS_SOBER, &h), HEADERS_MORE);
	CU_ASSERT_EQUAL(look_at(18 + 40 + 48, HEADERS_SOBER, &h), HEADERS_FOUND);
	CU_ASSERT_EQUAL(h.transport, 18 + 40 + 48);
	CU_ASSERT_EQUAL(headers_reach(&h, 18 + 40 + 48, h.transport, 8), HEADERS_UNSEEN);
	CU_ASSERT_EQUAL(headers_reach(&h, frame->f.len, h.transport, 18), HEADERS_THERE);
	CU_ASSERT_EQUAL(headers_reach(&h, frame->f.len, h.transport, 19), HEADERS_BEYOND);
	CU_ASSERT_EQUAL(headers_reach(&h, frame->f.len, UINT32_MAX, 1), HEADERS_BEYOND);
}

/* ---- quotations ---- */

static void a_quotation_ends_where_it_ends(void)
{
	struct headers h;

	udp6();
	ipv4(17, 0);
	/* Of 28 + 18 bytes, 28 + 8 are there. */
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 36, 14 + 36, 4, &h), HEADERS_FOUND);
	CU_ASSERT(h.version == 4 && h.network == 14 && h.transport == 14 + 28 && h.end == 14 + 36);
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 27, 14 + 27, 4, &h), HEADERS_BAD_NETWORK);
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 27, 14 + 36, 4, &h), HEADERS_MORE);
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 46, 14 + 46, 6, &h), HEADERS_BAD_NETWORK);
	/* What follows the packet is no part of it. */
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 50, 14 + 50, 4, &h), HEADERS_FOUND);
	CU_ASSERT_EQUAL(h.end, 14 + 46);
	udp6();
	packet_extension(&packet, 17, 0);
	ipv6(60);
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 52, 14 + 52, 6, &h), HEADERS_FOUND);
	CU_ASSERT(h.version == 6 && h.transport == 14 + 48 && h.end == 14 + 52);
	CU_ASSERT_EQUAL(headers_of_quotation(frame->bytes, 14, 14 + 47, 14 + 47, 6, &h), HEADERS_BAD_CHAIN);
}

static const struct hv_test tests[] = {
	{ "unwraps all ways in which a packet comes", unwraps_all_ways },
	{ "knows when it is enough", knows_when_it_is_enough },
	{ "finds nothing where nobody would", finds_nothing_where_nobody_would },
	{ "sober and credulous readers differ", sober_and_credulous_readers_differ },
	{ "stops at later fragments", stops_at_later_fragments },
	{ "chains end", chains_end },
	{ "believes no impossible length", believes_no_impossible_length },
	{ "asks for the bytes that it needs", asks_for_what_it_needs },
	{ "a quotation ends where it ends", a_quotation_ends_where_it_ends },
};

int main(void)
{
	int ret;

	frame = test_frame_new();
	ret = hv_test_main("vswitch/headers", tests, sizeof(tests) / sizeof(tests[0]));
	free(frame);
	return ret;
}
