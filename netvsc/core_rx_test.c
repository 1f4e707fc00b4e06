/* SPDX-License-Identifier: MIT */
/* Receiving: what a host may say about ranges, messages and per-packet info, one lie per row. */
#include "netvsc/netvsc.h"

#include "base/test.h"

enum { SUB = 1806, COUNT = 4 };

static uint8_t buffer[SUB * COUNT];

static void init(struct netvsc *n)
{
	memset(n, 0, sizeof(*n));
	n->receive = buffer;
	n->receive_bytes = sizeof(buffer);
	n->sub_bytes = SUB;
	n->sub_count = COUNT;
	n->frame_max_bytes = 1518;
}

struct packet {
	le16 set_id;
	uint8_t owner, reserved;
	le32 count;
	struct { le32 bytes, offset; } range[3];
};
static const struct nvsp_rndis_packet payload = {
	.type = { { NVSP_SEND_RNDIS_PACKET } }, .section = { { 255, 255, 255, 255 } },
};

static void test_packets(void)
{
	static const struct { const char *what; uint16_t set; uint32_t count, extra, type, payload; bool ok; } t[] = {
		{ "another set", 0xbead, 1, 16, 107, 16, false },
		{ "no room for the count", 0xcafe, 1, 7, 107, 16, false },
		{ "a range beyond the packet", 0xcafe, 2, 16, 107, 16, false },
		{ "a count that wraps", 0xcafe, 0x20000001, 16, 107, 16, false },
		{ "another message", 0xcafe, 1, 16, 108, 16, false },
		{ "no message", 0xcafe, 1, 16, 107, 3, false },
		{ "no ranges, no harm", 0xcafe, 0, 8, 107, 16, true },
		{ "one range", 0xcafe, 1, 16, 107, 4, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct packet p = { .set_id = to_le16(t[i].set), .count = to_le32(t[i].count) };
		struct nvsp_rndis_packet m = payload;
		struct netvsc_stats stats = { 0 };
		struct netvsc_rx rx;
		struct netvsc n;

		init(&n);
		m.type = to_le32(t[i].type);
		CU_ASSERT_EQUAL(netvsc_rx_begin(&n, &stats, &p, t[i].extra, &m, t[i].payload, &rx), t[i].ok);
		CU_ASSERT_EQUAL(stats.n[NETVSC_RX_BAD_PACKET], !t[i].ok);
	}
}

static enum netvsc_rx_kind one_range(struct netvsc_stats *stats, uint32_t bytes, uint32_t offset, struct netvsc_frame *f)
{
	struct packet p = { .set_id = to_le16(0xcafe), .count = to_le32(1),
			    .range = { { to_le32(bytes), to_le32(offset) } } };
	enum netvsc_rx_kind kind;
	struct netvsc_rx rx;
	struct netvsc n;

	init(&n);
	CU_ASSERT_TRUE_FATAL(netvsc_rx_begin(&n, stats, &p, 16, &payload, sizeof(payload), &rx));
	kind = netvsc_rx_next(&n, stats, &rx, f);
	CU_ASSERT_EQUAL(netvsc_rx_next(&n, stats, &rx, f), NETVSC_RX_END);
	return kind;
}

/* A packet as OpenVMM's host lays it out: elements at 44, data at 256. */
static void put_packet(uint8_t *at, uint32_t length, uint32_t data_offset, uint32_t data_length, uint32_t ppi_offset,
		       uint32_t ppi_length)
{
	struct rndis_packet m = {
		.type = to_le32(RNDIS_PACKET), .length = to_le32(length),
		.data_offset = to_le32(data_offset), .data_length = to_le32(data_length),
		.ppi_offset = to_le32(ppi_offset), .ppi_length = to_le32(ppi_length),
	};

	memcpy(at, &m, sizeof(m));
}

static void test_ranges(void)
{
	static const struct { const char *what; uint32_t bytes, offset; bool ok; } t[] = {
		{ "longer than a sub-allocation", SUB + 1, 0, false },
		{ "starts past the buffer", 8, SUB * COUNT + 1, false },
		{ "ends past the buffer", SUB, SUB * (COUNT - 1) + 1, false },
		{ "wraps", SUB, 0xffffff00, false },
		{ "shorter than a header", 7, 0, false },
		{ "the last one", SUB, SUB * (COUNT - 1), true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct netvsc_stats stats = { 0 };
		struct netvsc_frame f;

		put_packet(buffer + SUB * (COUNT - 1), SUB, 248, 60, 0, 0);
		CU_ASSERT_EQUAL(one_range(&stats, t[i].bytes, t[i].offset, &f),
				t[i].ok ? NETVSC_RX_IS_FRAME : NETVSC_RX_IS_BAD);
		CU_ASSERT_EQUAL(stats.n[NETVSC_RX_BAD_RANGE], !t[i].ok);
		if (t[i].ok) {
			CU_ASSERT_PTR_EQUAL(f.data, buffer + SUB * (COUNT - 1) + 256);
			CU_ASSERT_EQUAL(f.bytes, 60);
			CU_ASSERT_EQUAL(stats.n[NETVSC_RX_BYTES], 60);
		}
	}
}

static void test_messages(void)
{
	static const struct {
		const char *what;
		uint32_t range, length, data_offset, data_length;
		int stat;
	} t[] = {
		{ "length below the header", 200, 43, 36, 14, NETVSC_RX_BAD_MESSAGE },
		{ "length beyond the range", 200, 201, 36, 14, NETVSC_RX_BAD_MESSAGE },
		{ "data in the header", 200, 200, 35, 14, NETVSC_RX_BAD_MESSAGE },
		{ "data past the message", 200, 100, 36, 57, NETVSC_RX_BAD_MESSAGE },
		{ "data offset past the message", 200, 100, 93, 14, NETVSC_RX_BAD_MESSAGE },
		{ "data offset that wraps", 200, 100, 0xfffffff8, 14, NETVSC_RX_BAD_MESSAGE },
		{ "data length that wraps", 200, 100, 36, 0xfffffff0, NETVSC_RX_BAD_MESSAGE },
		{ "shorter than Ethernet", 200, 200, 36, 13, NETVSC_RX_BAD_SIZE },
		{ "longer than the MTU", SUB, SUB, 36, 1519, NETVSC_RX_BAD_SIZE },
		{ "the smallest", 58, 58, 36, 14, NETVSC_RX_FRAMES },
		{ "the longest", SUB, SUB, 248, 1518, NETVSC_RX_FRAMES },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct netvsc_stats stats = { 0 };
		struct netvsc_frame f;

		put_packet(buffer, t[i].length, t[i].data_offset, t[i].data_length, 0, 0);
		CU_ASSERT_EQUAL(one_range(&stats, t[i].range, 0, &f),
				t[i].stat == NETVSC_RX_FRAMES ? NETVSC_RX_IS_FRAME : NETVSC_RX_IS_BAD);
		CU_ASSERT_EQUAL(stats.n[t[i].stat], 1);
	}
}

static void put_element(uint8_t *at, uint32_t size, uint32_t type, uint32_t data_offset, uint32_t value)
{
	struct rndis_ppi_u32 e = { { to_le32(size), to_le32(type), to_le32(data_offset) }, to_le32(value) };

	memcpy(at, &e, sizeof(e));
}

static void test_info(void)
{
	static const struct {
		const char *what;
		uint32_t ppi_offset, ppi_length, size, type, data_offset;
		bool ok;
	} t[] = {
		{ "in the header", 35, 16, 16, 6, 12, false },
		{ "past the message", 248 + 60, 16, 16, 6, 12, false },
		{ "offset that wraps", 0xfffffff8, 16, 16, 6, 12, false },
		{ "longer than the message", 36, 273, 16, 6, 12, false },
		{ "length that wraps", 36, 0xfffffff8, 16, 6, 12, false },
		{ "element of size 0", 36, 16, 0, 6, 12, false },
		{ "element shorter than its header", 36, 16, 11, 6, 0, false },
		{ "element longer than the rest", 36, 16, 17, 6, 12, false },
		{ "data in the element's header", 36, 16, 16, 6, 11, false },
		{ "data past the element", 36, 16, 16, 6, 13, false },
		{ "data offset that wraps", 36, 16, 16, 6, 0xfffffffc, false },
		{ "checksum without a value", 36, 15, 15, 0, 12, false },
		{ "hash without a value", 36, 15, 15, 8, 12, false },
		{ "rest shorter than an element", 36, 20, 16, 6, 12, false },
		{ "unknown, so passed over", 36, 16, 16, 99, 16, true },
		{ "a tag", 36, 16, 16, 6, 12, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct netvsc_stats stats = { 0 };
		struct netvsc_frame f;

		memset(buffer, 0, SUB);
		put_packet(buffer, 256 + 60, 248, 60, t[i].ppi_offset, t[i].ppi_length);
		put_element(buffer + 44, t[i].size, t[i].type, t[i].data_offset, 0);
		CU_ASSERT_EQUAL(one_range(&stats, SUB, 0, &f), t[i].ok ? NETVSC_RX_IS_FRAME : NETVSC_RX_IS_BAD);
		CU_ASSERT_EQUAL(stats.n[NETVSC_RX_BAD_INFO], !t[i].ok);
	}
}

static void test_metadata(void)
{
	static const struct { uint32_t csum, flags; } t[] = {
		{ 0, 0 }, { 8, NETVSC_RX_CSUM_OK }, { 16, NETVSC_RX_CSUM_OK }, { 0x20, 0 },
		{ 1, NETVSC_RX_CSUM_BAD }, { 2 | 16, NETVSC_RX_CSUM_BAD }, { 0x88, NETVSC_RX_CSUM_OK },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct netvsc_stats stats = { 0 };
		struct netvsc_frame f;

		put_packet(buffer, 256 + 60, 248, 60, 36, 48);
		put_element(buffer + 44, 16, RNDIS_PPI_CHECKSUM, 12, t[i].csum);
		put_element(buffer + 60, 16, RNDIS_PPI_VLAN, 12, 5 | 8 | 0xabc << 4);
		put_element(buffer + 76, 16, RNDIS_PPI_HASH_VALUE, 12, 0xdeadbeef);
		CU_ASSERT_EQUAL(one_range(&stats, SUB, 0, &f), NETVSC_RX_IS_FRAME);
		CU_ASSERT_EQUAL(f.flags, t[i].flags | NETVSC_RX_VLAN | NETVSC_RX_HASH);
		CU_ASSERT_EQUAL(f.vlan_tci, 5 << 13 | 1 << 12 | 0xabc);
		CU_ASSERT_EQUAL(f.hash, 0xdeadbeef);
	}
}

/* A bad range costs itself, not its neighbours; a control message is told apart. */
static void test_mixed(void)
{
	struct packet p = {
		.set_id = to_le16(0xcafe), .count = to_le32(3),
		.range = { { to_le32(SUB), to_le32(0) }, { to_le32(SUB), to_le32(SUB * COUNT) },
			   { to_le32(52), to_le32(SUB) } },
	};
	struct rndis_header control = { to_le32(RNDIS_INITIALIZE_COMPLETE), to_le32(52) };
	struct netvsc_stats stats = { 0 };
	struct netvsc_frame f;
	struct netvsc_rx rx;
	struct netvsc n;

	init(&n);
	put_packet(buffer, SUB, 248, 60, 0, 0);
	memcpy(buffer + SUB, &control, sizeof(control));
	CU_ASSERT_TRUE(netvsc_rx_begin(&n, &stats, &p, sizeof(p), &payload, sizeof(payload), &rx));
	CU_ASSERT_EQUAL(netvsc_rx_next(&n, &stats, &rx, &f), NETVSC_RX_IS_FRAME);
	CU_ASSERT_EQUAL(netvsc_rx_next(&n, &stats, &rx, &f), NETVSC_RX_IS_BAD);
	CU_ASSERT_EQUAL(netvsc_rx_next(&n, &stats, &rx, &f), NETVSC_RX_IS_CONTROL);
	CU_ASSERT_PTR_EQUAL(f.data, buffer + SUB);
	CU_ASSERT_EQUAL(f.bytes, 52);
	CU_ASSERT_EQUAL(netvsc_rx_next(&n, &stats, &rx, &f), NETVSC_RX_END);
}

static void test_before_registration(void)
{
	struct packet p = { .set_id = to_le16(0xcafe), .count = to_le32(1) };
	struct netvsc_stats stats = { 0 };
	struct netvsc n = { 0 };
	struct netvsc_rx rx;

	CU_ASSERT_FALSE(netvsc_rx_begin(&n, &stats, &p, sizeof(p), &payload, sizeof(payload), &rx));
}

static void test_complete(void)
{
	struct nvsp_rndis_packet_complete m;

	netvsc_rx_complete(&m);
	CU_ASSERT_EQUAL(le32_get(m.type), 108);
	CU_ASSERT_EQUAL(le32_get(m.status), 1);
}

static const struct hv_test tests[] = {
	{ "refuses packets that are not ours", test_packets },
	{ "refuses ranges outside the buffer", test_ranges },
	{ "refuses messages that do not fit", test_messages },
	{ "refuses bad per-packet info", test_info },
	{ "reads tag, hash and checksum verdict", test_metadata },
	{ "goes on behind a bad range", test_mixed },
	{ "receives nothing before a buffer is registered", test_before_registration },
	{ "gives ranges back with success", test_complete },
};
HV_TEST_MAIN("netvsc/rx", tests)
