/* SPDX-License-Identifier: MIT */
#include "base/rd.h"

#include "base/test.h"

static const uint8_t bytes[8] = { 0x01, 0x02, 0x03, 0x04, 0x85, 0x06, 0x07, 0x88 };

static void copies_in_order(void)
{
	struct rd r = { bytes, sizeof(bytes) };
	uint8_t out[8] = { 0 };

	CU_ASSERT_TRUE(rd_copy(&r, out, 3));
	CU_ASSERT_EQUAL(memcmp(out, bytes, 3), 0);
	CU_ASSERT_TRUE(rd_skip(&r, 2));
	CU_ASSERT_TRUE(rd_copy(&r, out, 3));
	CU_ASSERT_EQUAL(memcmp(out, bytes + 5, 3), 0);
	CU_ASSERT_EQUAL(r.left, 0);
	CU_ASSERT_TRUE(rd_copy(&r, out, 0));
}

static void refused_takes_nothing(void)
{
	struct rd r = { bytes, 4 };
	uint8_t out[8] = { 0xee, 0xee, 0xee, 0xee, 0xee };

	CU_ASSERT_FALSE(rd_copy(&r, out, 5));
	CU_ASSERT_FALSE(rd_skip(&r, 5));
	CU_ASSERT_FALSE(rd_skip(&r, SIZE_MAX));
	CU_ASSERT_EQUAL(out[0], 0xee);
	CU_ASSERT_EQUAL(r.left, 4);
	CU_ASSERT_PTR_EQUAL(r.p, bytes);
}

static void slices(void)
{
	static const struct {
		const char *lie;
		uint32_t off, len;
		bool ok;
	} rows[] = {
		{ "offset behind the end", 9, 0, false },
		{ "length behind the end", 0, 9, false },
		{ "one too long at the end", 8, 1, false },
		{ "sum beyond the end", 4, 5, false },
		{ "sum that wraps to 0", 8, UINT32_MAX - 7, false },
		{ "sum that wraps to a small number", 0xfffffffc, 8, false },
		{ "both largest", UINT32_MAX, UINT32_MAX, false },
		{ "empty at the end", 8, 0, true },
		{ "empty at the start", 0, 0, true },
		{ "the last byte", 7, 1, true },
		{ "all", 0, 8, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rd r = { bytes, sizeof(bytes) }, out = { NULL, 77 };

		if (rd_slice(&r, rows[i].off, rows[i].len, &out) != rows[i].ok)
			CU_FAIL(rows[i].lie);
		CU_ASSERT_EQUAL(r.left, sizeof(bytes));
		if (!rows[i].ok) {
			CU_ASSERT_EQUAL(out.left, 77);
			continue;
		}
		CU_ASSERT_PTR_EQUAL(out.p, bytes + rows[i].off);
		CU_ASSERT_EQUAL(out.left, rows[i].len);
	}
}

static void little_endian(void)
{
	le16 a;
	le32 b;
	le64 c;

	memcpy(&a, bytes + 4, 2);
	memcpy(&b, bytes + 1, 4);
	memcpy(&c, bytes, 8);
	CU_ASSERT_EQUAL(le16_get(a), 0x0685);
	CU_ASSERT_EQUAL(le32_get(b), 0x85040302);
	CU_ASSERT_EQUAL(le64_get(c), 0x8807068504030201);
	a = to_le16(0x0685);
	b = to_le32(0x85040302);
	c = to_le64(0x8807068504030201);
	CU_ASSERT_EQUAL(memcmp(&a, bytes + 4, 2), 0);
	CU_ASSERT_EQUAL(memcmp(&b, bytes + 1, 4), 0);
	CU_ASSERT_EQUAL(memcmp(&c, bytes, 8), 0);
}

static const struct hv_test tests[] = {
	{ "a cursor copies in order", copies_in_order },
	{ "what is refused takes nothing", refused_takes_nothing },
	{ "a slice lies inside", slices },
	{ "little-endian types keep the wire's order", little_endian },
};

HV_TEST_MAIN("base/rd", tests)
