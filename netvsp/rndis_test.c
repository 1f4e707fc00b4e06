/* SPDX-License-Identifier: MIT */
/* The parser by tables of lies: each row changes one thing of a good message; the last row of a table is the smallest good one. */
#include "netvsp/rndis.h"

#include "base/test.h"

#define FRAME_MAX 1514

/* ---- PACKET ---- */

static void a_packet_is_believed_only_inside_its_message(void)
{
	static const struct {
		const char *lie;
		uint32_t available, frame_max;
		uint32_t length, data, data_bytes, oob[3], ppi, ppi_bytes, vc;
		enum rndis_refusal why;
	} rows[] = {
		{ "length below the header", 104, FRAME_MAX, 43, 36, 60, {}, 0, 0, 0, RNDIS_BAD_LENGTH },
		{ "length 0", 104, FRAME_MAX, 0, 36, 60, {}, 0, 0, 0, RNDIS_BAD_LENGTH },
		{ "length beyond what was sent", 103, FRAME_MAX, 104, 36, 60, {}, 0, 0, 0, RNDIS_BAD_LENGTH },
		{ "length all ones", 104, FRAME_MAX, ~0u, 36, 60, {}, 0, 0, 0, RNDIS_BAD_LENGTH },
		{ "out-of-band offset", 104, FRAME_MAX, 104, 36, 60, { 4 }, 0, 0, 0, RNDIS_OOB_DATA },
		{ "out-of-band length", 104, FRAME_MAX, 104, 36, 60, { 0, 4 }, 0, 0, 0, RNDIS_OOB_DATA },
		{ "out-of-band count", 104, FRAME_MAX, 104, 36, 60, { 0, 0, 1 }, 0, 0, 0, RNDIS_OOB_DATA },
		{ "a VC handle", 104, FRAME_MAX, 104, 36, 60, {}, 0, 0, 1, RNDIS_OOB_DATA },
		{ "data begins in the header", 104, FRAME_MAX, 104, 35, 60, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "data offset counts from byte 0", 104, FRAME_MAX, 104, 44, 60, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "data ends behind the message", 104, FRAME_MAX, 104, 36, 61, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "data offset behind the message", 104, FRAME_MAX, 104, 97, 60, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "sum of offset and length wraps", 104, FRAME_MAX, 104, 36, ~0u - 35, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "offset wraps with 8", 104, FRAME_MAX, 104, ~0u - 7, 8, {}, 0, 0, 0, RNDIS_BAD_DATA_RANGE },
		{ "13 bytes of frame", 104, FRAME_MAX, 104, 36, 13, {}, 0, 0, 0, RNDIS_FRAME_TOO_SHORT },
		{ "no frame", 104, FRAME_MAX, 104, 36, 0, {}, 0, 0, 0, RNDIS_FRAME_TOO_SHORT },
		{ "a byte more than agreed", 2000, FRAME_MAX, 1559, 36, 1515, {}, 0, 0, 0, RNDIS_FRAME_TOO_LONG },
		{ "elements in the header", 120, FRAME_MAX, 120, 52, 60, {}, 35, 16, 0, RNDIS_BAD_PPI_RANGE },
		{ "elements end behind the message", 120, FRAME_MAX, 120, 52, 60, {}, 36, 77, 0, RNDIS_BAD_PPI_RANGE },
		{ "elements begin behind the message", 120, FRAME_MAX, 120, 52, 60, {}, 113, 16, 0, RNDIS_BAD_PPI_RANGE },
		{ "elements' sum wraps", 120, FRAME_MAX, 120, 52, 60, {}, 40, ~0u - 20, 0, RNDIS_BAD_PPI_RANGE },
		{ "more elements than we copy", 2000, FRAME_MAX, 2000, 600, 60, {}, 36, 513, 0, RNDIS_BAD_PPI_RANGE },
		{ "elements", 120, FRAME_MAX, 120, 52, 60, {}, 36, 16, 0, RNDIS_OK },
		{ "element offset without elements", 104, FRAME_MAX, 104, 36, 60, {}, 4000, 0, 0, RNDIS_OK },
		{ "the longest frame", 1558, FRAME_MAX, 1558, 36, 1514, {}, 0, 0, 0, RNDIS_OK },
		{ "padding behind the frame, more messages", 500, FRAME_MAX, 112, 36, 60, {}, 0, 0, 0, RNDIS_OK },
		{ "the smallest", 58, FRAME_MAX, 58, 36, 14, {}, 0, 0, 0, RNDIS_OK },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct rndis_packet h = {
			.type = to_le32(RNDIS_PACKET), .length = to_le32(rows[i].length),
			.data_offset = to_le32(rows[i].data), .data_length = to_le32(rows[i].data_bytes),
			.oob_offset = to_le32(rows[i].oob[0]), .oob_length = to_le32(rows[i].oob[1]),
			.oob_count = to_le32(rows[i].oob[2]), .ppi_offset = to_le32(rows[i].ppi),
			.ppi_length = to_le32(rows[i].ppi_bytes), .vc_handle = to_le32(rows[i].vc),
		};
		struct rndis_frame f = { .message_bytes = 12345 };
		enum rndis_refusal why = rndis_parse_packet(&h, rows[i].available, rows[i].frame_max, &f);

		CU_ASSERT_EQUAL(why, rows[i].why);
		if (why != rows[i].why)
			printf("row: %s: %s\n", rows[i].lie, rndis_refusal_name(why));
		if (why) {
			CU_ASSERT_EQUAL(f.message_bytes, 12345);	/* untouched */
		} else {
			CU_ASSERT_EQUAL(f.message_bytes, rows[i].length);
			CU_ASSERT_EQUAL(f.data_offset, rows[i].data + 8);
			CU_ASSERT_EQUAL(f.data_bytes, rows[i].data_bytes);
			CU_ASSERT_EQUAL(f.ppi_bytes, rows[i].ppi_bytes);
		}
	}
}

/* ---- elements ---- */

struct element {
	uint32_t size, type, offset, value;
};

static struct rd area_of(uint8_t *bytes, const struct element *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct rndis_ppi_u32 p = {
			.header = { to_le32(e[i].size), to_le32(e[i].type), to_le32(e[i].offset) },
			.value = to_le32(e[i].value),
		};

		memcpy(bytes + 16 * i, &p, sizeof(p));
	}
	return (struct rd){ bytes, 16 * n };
}

static void an_element_is_believed_only_inside_the_rest(void)
{
	static const struct {
		const char *lie;
		struct element e[2];
		unsigned n;
		size_t cut;		/* bytes missing at the end */
		enum rndis_refusal why;
	} rows[] = {
		{ "size 0", { { 0, RNDIS_PPI_VLAN, 12, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "size 11", { { 11, RNDIS_PPI_VLAN, 12, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "size beyond the rest", { { 17, RNDIS_PPI_VLAN, 12, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "size all ones", { { ~0u, RNDIS_PPI_VLAN, 12, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "data in the header", { { 16, RNDIS_PPI_VLAN, 11, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "data behind the element", { { 16, RNDIS_PPI_VLAN, 17, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "data cut off", { { 16, RNDIS_PPI_VLAN, 13, 0 } }, 1, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "no data", { { 12, RNDIS_PPI_VLAN, 12, 0 } }, 1, 4, RNDIS_BAD_PPI_ELEMENT },
		{ "checksum without data", { { 12, RNDIS_PPI_CHECKSUM, 12, 0 } }, 1, 4, RNDIS_BAD_PPI_ELEMENT },
		{ "half a header at the end", { { 16, RNDIS_PPI_VLAN, 12, 0 }, { 16, 0, 12, 0 } }, 2, 5,
		  RNDIS_BAD_PPI_ELEMENT },
		{ "second one lies", { { 16, RNDIS_PPI_VLAN, 12, 0 }, { 0, 0, 12, 0 } }, 2, 0, RNDIS_BAD_PPI_ELEMENT },
		{ "TCP checksum", { { 16, RNDIS_PPI_CHECKSUM, 12, RNDIS_CSUM_IPV4 | RNDIS_CSUM_TCP } }, 1, 0,
		  RNDIS_CHECKSUM_NOT_OFFERED },
		{ "UDP checksum", { { 16, RNDIS_PPI_CHECKSUM, 12, RNDIS_CSUM_UDP } }, 1, 0, RNDIS_CHECKSUM_NOT_OFFERED },
		{ "IP checksum", { { 16, RNDIS_PPI_CHECKSUM, 12, RNDIS_CSUM_IP_HEADER } }, 1, 0,
		  RNDIS_CHECKSUM_NOT_OFFERED },
		{ "large send", { { 16, RNDIS_PPI_LSO, 12, 1460 | RNDIS_LSO_V2 } }, 1, 0, RNDIS_LSO_NOT_OFFERED },
		{ "a checksum element that asks for nothing", { { 16, RNDIS_PPI_CHECKSUM, 12, RNDIS_CSUM_IPV4 } }, 1, 0,
		  RNDIS_OK },
		{ "unknown ones", { { 16, 77, 12, 1 }, { 12, 0x80000009, 12, 0 } }, 2, 4, RNDIS_OK },
		{ "a tag", { { 16, RNDIS_PPI_VLAN, 12, 5 | 1 << 3 | 0x123 << 4 } }, 1, 0, RNDIS_OK },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[64];
		struct rd area = area_of(bytes, rows[i].e, rows[i].n);
		struct rndis_ppis p = { .vlan_tci = 0x7777 };
		enum rndis_refusal why;

		area.left -= rows[i].cut;
		why = rndis_parse_ppis(area, &p);
		CU_ASSERT_EQUAL(why, rows[i].why);
		if (why != rows[i].why)
			printf("row: %s: %s\n", rows[i].lie, rndis_refusal_name(why));
		if (why)
			CU_ASSERT_EQUAL(p.vlan_tci, 0x7777);
		if (!why && rows[i].e[0].type == RNDIS_PPI_VLAN) {
			CU_ASSERT_TRUE(p.has_vlan);
			CU_ASSERT_EQUAL(p.vlan_tci, 5 << 13 | 1 << 12 | 0x123);
		}
	}
}

static void the_number_of_elements_is_bounded(void)
{
	uint8_t bytes[16 * (RNDIS_PPI_MAX_ELEMENTS + 1)];
	struct element e[RNDIS_PPI_MAX_ELEMENTS + 1];
	struct rndis_ppis p;

	for (unsigned i = 0; i <= RNDIS_PPI_MAX_ELEMENTS; i++)
		e[i] = (struct element){ 16, RNDIS_PPI_HASH_VALUE, 12, i };
	CU_ASSERT_EQUAL(rndis_parse_ppis(area_of(bytes, e, RNDIS_PPI_MAX_ELEMENTS), &p), RNDIS_OK);
	CU_ASSERT_EQUAL(rndis_parse_ppis(area_of(bytes, e, RNDIS_PPI_MAX_ELEMENTS + 1), &p), RNDIS_TOO_MANY_PPIS);
	CU_ASSERT_EQUAL(rndis_parse_ppis((struct rd){ bytes, 0 }, &p), RNDIS_OK);
}

static void a_tag_survives_both_orders_of_its_bits(void)
{
	for (uint32_t tci = 0; tci < 0x10000; tci++)
		if (rndis_vlan_to_tci(rndis_vlan_from_tci((uint16_t)tci)) != tci) {
			CU_FAIL("a tag is garbled");
			return;
		}
	CU_ASSERT_EQUAL(rndis_vlan_from_tci(3 << 13 | 100), 3 | 100 << 4);
}

/* ---- control ---- */

static void a_control_message_is_believed_only_inside_what_was_sent(void)
{
	static const struct {
		const char *lie;
		uint32_t type, length;
		size_t sent;
		uint32_t info_bytes, info_offset;
		enum rndis_refusal why;
	} rows[] = {
		{ "7 bytes", RNDIS_KEEPALIVE, 12, 7, 0, 0, RNDIS_SHORT_HEADER },
		{ "nothing", RNDIS_KEEPALIVE, 12, 0, 0, 0, RNDIS_SHORT_HEADER },
		{ "length below its header", RNDIS_KEEPALIVE, 7, 12, 0, 0, RNDIS_BAD_LENGTH },
		{ "length beyond what was sent", RNDIS_KEEPALIVE, 13, 12, 0, 0, RNDIS_BAD_LENGTH },
		{ "length all ones", RNDIS_QUERY, ~0u, 28, 0, 0, RNDIS_BAD_LENGTH },
		{ "a keepalive without id", RNDIS_KEEPALIVE, 11, 12, 0, 0, RNDIS_BAD_REQUEST_LENGTH },
		{ "a halt without id", RNDIS_HALT, 8, 12, 0, 0, RNDIS_BAD_REQUEST_LENGTH },
		{ "an initialize cut short", RNDIS_INITIALIZE, 23, 24, 0, 0, RNDIS_BAD_REQUEST_LENGTH },
		{ "a query cut short", RNDIS_QUERY, 27, 28, 0, 0, RNDIS_BAD_REQUEST_LENGTH },
		{ "a set cut short", RNDIS_SET, 12, 28, 0, 0, RNDIS_BAD_REQUEST_LENGTH },
		{ "a packet", RNDIS_PACKET, 44, 44, 0, 0, RNDIS_BAD_TYPE },
		{ "an indication", RNDIS_INDICATE_STATUS, 20, 28, 0, 0, RNDIS_BAD_TYPE },
		{ "SET_EX", RNDIS_SET_EX, 28, 28, 0, 0, RNDIS_BAD_TYPE },
		{ "an answer", RNDIS_QUERY_COMPLETE, 28, 28, 0, 0, RNDIS_BAD_TYPE },
		{ "type 0", 0, 28, 28, 0, 0, RNDIS_BAD_TYPE },
		{ "input in the header", RNDIS_SET, 32, 32, 4, 19, RNDIS_BAD_INFO_RANGE },
		{ "input behind the message", RNDIS_SET, 32, 40, 4, 21, RNDIS_BAD_INFO_RANGE },
		{ "input far behind", RNDIS_SET, 32, 40, 4, 40, RNDIS_BAD_INFO_RANGE },
		{ "input longer than the message", RNDIS_SET, 32, 32, 5, 20, RNDIS_BAD_INFO_RANGE },
		{ "input's sum wraps", RNDIS_QUERY, 32, 32, ~0u - 10, 24, RNDIS_BAD_INFO_RANGE },
		{ "input", RNDIS_SET, 32, 32, 4, 20, RNDIS_OK },
		{ "no input, offset 0, as iPXE says", RNDIS_QUERY, 28, 28, 0, 0, RNDIS_OK },
		{ "bytes behind the message", RNDIS_QUERY, 28, 64, 0, 20, RNDIS_OK },
		{ "reset", RNDIS_RESET, 12, 12, 0, 0, RNDIS_OK },
		{ "keepalive", RNDIS_KEEPALIVE, 12, 12, 0, 0, RNDIS_OK },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union {
			struct rndis_request q;
			uint8_t bytes[64];
		} m = { .q = {
			.type = to_le32(rows[i].type), .length = to_le32(rows[i].length), .request_id = to_le32(0x1234),
			.oid = to_le32(OID_GEN_LINK_SPEED), .info_length = to_le32(rows[i].info_bytes),
			.info_offset = to_le32(rows[i].info_offset),
		} };
		struct rndis_control c = { .type = 99 };
		enum rndis_refusal why = rndis_parse_control((struct rd){ m.bytes, rows[i].sent }, &c);

		CU_ASSERT_EQUAL(why, rows[i].why);
		if (why != rows[i].why)
			printf("row: %s: %s\n", rows[i].lie, rndis_refusal_name(why));
		if (why) {
			CU_ASSERT_EQUAL(c.type, 99);
			continue;
		}
		CU_ASSERT_EQUAL(c.type, rows[i].type);
		CU_ASSERT_EQUAL(c.request_id, rows[i].type == RNDIS_RESET ? 0 : 0x1234);
		CU_ASSERT_EQUAL(c.info.left, rows[i].info_bytes);
		if (rows[i].info_bytes)
			CU_ASSERT_PTR_EQUAL(c.info.p, m.bytes + 8 + rows[i].info_offset);
	}
}

static void every_refusal_has_a_name_of_its_own(void)
{
	for (unsigned i = 0; i < RNDIS_NUM_REFUSALS; i++)
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(rndis_refusal_name(i), rndis_refusal_name(k));
}

static const struct hv_test tests[] = {
	{ "a packet is believed only inside its message", a_packet_is_believed_only_inside_its_message },
	{ "an element is believed only inside the rest", an_element_is_believed_only_inside_the_rest },
	{ "the number of elements is bounded", the_number_of_elements_is_bounded },
	{ "a tag survives both orders of its bits", a_tag_survives_both_orders_of_its_bits },
	{ "a control message is believed only inside what was sent",
	  a_control_message_is_believed_only_inside_what_was_sent },
	{ "every refusal has a name of its own", every_refusal_has_a_name_of_its_own },
};

HV_TEST_MAIN("netvsp/rndis", tests)
