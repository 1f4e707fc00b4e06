/* SPDX-License-Identifier: MIT */
/*
 * Transmitting: headers as on the wire, batches read back as a host reads them, slots against a
 * lying host.
 */
#include "netvsc/netvsc.h"

#include "base/test.h"

static uint32_t get32(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof(v));
	return le32_get(v);
}

static void test_plain_header(void)
{
	/* netvsp.md §11: the first data packet, a 60-byte frame without elements */
	static const uint32_t want[11] = { 1, 104, 36, 60, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t b[NETVSC_HEADER_MAX_BYTES];

	CU_ASSERT_EQUAL(netvsc_tx_header(b, NULL, 60), 44);
	for (unsigned i = 0; i < 11; i++)
		CU_ASSERT_EQUAL(get32(b + 4 * i), want[i]);
}

static void test_elements(void)
{
	struct netvsc_meta meta = {
		.flags = NETVSC_META_VLAN | NETVSC_META_IP4 | NETVSC_META_TCP | NETVSC_META_IP_CSUM,
		.vlan_tci = 5 << 13 | 1 << 12 | 0xabc, .transport_offset = 34, .mss = 1448,
	};
	uint8_t b[NETVSC_HEADER_MAX_BYTES];

	CU_ASSERT_EQUAL(netvsc_tx_header(b, &meta, 100), 76);
	CU_ASSERT_EQUAL(get32(b + 4), 176);
	CU_ASSERT_EQUAL(get32(b + 8), 68);
	CU_ASSERT_EQUAL(get32(b + 28), 36);
	CU_ASSERT_EQUAL(get32(b + 32), 32);
	CU_ASSERT_EQUAL(get32(b + 44), 16);
	CU_ASSERT_EQUAL(get32(b + 48), RNDIS_PPI_VLAN);
	CU_ASSERT_EQUAL(get32(b + 52), 12);
	CU_ASSERT_EQUAL(get32(b + 56), 5 | 8 | 0xabc << 4);
	CU_ASSERT_EQUAL(get32(b + 64), RNDIS_PPI_CHECKSUM);
	CU_ASSERT_EQUAL(get32(b + 72), 1 | 4 | 16 | 34 << 16);

	meta.flags = NETVSC_META_IP6 | NETVSC_META_TCP | NETVSC_META_LSO;
	meta.transport_offset = 54;
	CU_ASSERT_EQUAL(netvsc_tx_header(b, &meta, 3000), 60);
	CU_ASSERT_EQUAL(get32(b + 48), RNDIS_PPI_LSO);
	CU_ASSERT_EQUAL(get32(b + 56), 1448 | 54 << 20 | RNDIS_LSO_V2 | RNDIS_LSO_IPV6);

	meta.flags = NETVSC_META_IP6 | NETVSC_META_UDP;
	CU_ASSERT_EQUAL(netvsc_tx_header(b, &meta, 100), 60);
	CU_ASSERT_EQUAL(get32(b + 56), 2 | 8 | 54 << 16);
}

static void test_message(void)
{
	uint8_t m[NETVSC_MESSAGE_BYTES];

	memset(m, 0xff, sizeof(m));
	netvsc_tx_message(m, 5, 104);
	CU_ASSERT_EQUAL(get32(m), 107);
	CU_ASSERT_EQUAL(get32(m + 4), 0);
	CU_ASSERT_EQUAL(get32(m + 8), 5);
	CU_ASSERT_EQUAL(get32(m + 12), 104);
	for (unsigned i = 16; i < sizeof(m); i++)
		CU_ASSERT_EQUAL(m[i], 0);
}

static const struct netvsc agreed = { .section_bytes = 6144, .max_messages = 8, .align = 8 };

/* Reads a section as a host does: messages one after another; the frames' fill bytes name them. */
static unsigned walk(const uint8_t *section, uint32_t used, const uint32_t *sizes, uint32_t outside)
{
	unsigned count = 0;
	uint32_t at = 0;

	while (at < used) {
		uint32_t length = get32(section + at + 4), off = get32(section + at + 8) + 8;

		CU_ASSERT_EQUAL(at % 8, 0);
		CU_ASSERT_EQUAL(get32(section + at), RNDIS_PACKET);
		CU_ASSERT_EQUAL(get32(section + at + 12), sizes[count]);
		if (at + off < used)
			CU_ASSERT_EQUAL(section[at + off], (uint8_t)(count + 1));
		at += length;
		count++;
	}
	CU_ASSERT_EQUAL(at, used + outside);
	return count;
}

static void test_batch(void)
{
	static const uint32_t sizes[9] = { 14, 15, 60, 61, 62, 63, 64, 1514, 14 };
	uint8_t section[6144];
	struct netvsc_batch b;
	uint8_t *p;

	memset(section, 0xee, sizeof(section));
	netvsc_batch_begin(&b, &agreed, section);
	for (unsigned i = 0; i < 8; i++) {
		p = netvsc_batch_add(&b, NULL, sizes[i]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		memset(p, (int)i + 1, sizes[i]);
	}
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, sizes[8]));
	CU_ASSERT_EQUAL(b.frames, 8);
	CU_ASSERT_EQUAL(b.frame_bytes, 14 + 15 + 60 + 61 + 62 + 63 + 64 + 1514);
	CU_ASSERT_EQUAL(walk(section, b.used, sizes, 0), 8);
	/* the last message is not padded */
	CU_ASSERT_EQUAL(get32(section + b.last + 4), 44 + 1514);
}

static void test_batch_room(void)
{
	static const uint32_t size = 3028;	/* 44 + 3028 = 3072: two fill a section to the byte */
	uint8_t section[6144 + 8];
	struct netvsc_batch b;

	memset(section, 0xee, sizeof(section));
	netvsc_batch_begin(&b, &agreed, section);
	CU_ASSERT_PTR_NOT_NULL(netvsc_batch_add(&b, NULL, size));
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, size + 1));
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, 0xffffffff));
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, 0xffffffd4));	/* with the header: 0 */
	/* what had no room left no trace */
	CU_ASSERT_EQUAL(get32(section + 4), 3072);
	CU_ASSERT_PTR_NOT_NULL(netvsc_batch_add(&b, NULL, size));
	CU_ASSERT_EQUAL(b.used, 6144);
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, 0));
	CU_ASSERT_EQUAL(section[6144], 0xee);
	netvsc_batch_begin(&b, &agreed, section);
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, 6101));
	CU_ASSERT_PTR_NOT_NULL(netvsc_batch_add(&b, NULL, 6100));
}

static void test_partial(void)
{
	static const uint32_t sizes[2] = { 61, 5000 };
	uint8_t section[6144] = { 0 };
	struct netvsc_batch b;
	uint8_t *p;

	netvsc_batch_begin(&b, &agreed, section);
	p = netvsc_batch_add(&b, NULL, sizes[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p, 1, sizes[0]);
	CU_ASSERT_TRUE(netvsc_batch_add_header(&b, NULL, sizes[1]));
	CU_ASSERT_EQUAL(b.used, 112 + 44);
	CU_ASSERT_EQUAL(walk(section, b.used, sizes, sizes[1]), 2);
	CU_ASSERT_PTR_NULL(netvsc_batch_add(&b, NULL, 14));
	CU_ASSERT_FALSE(netvsc_batch_add_header(&b, NULL, 14));
}

static void test_slots(void)
{
	struct nvsp_rndis_packet_complete c = { to_le32(108), to_le32(1) };
	struct netvsc_slot slots[5], done;
	struct netvsc_stats stats = { 0 };
	struct netvsc_tx tx;
	bool ok;

	netvsc_tx_init(&tx, slots, 3, 5, &stats);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), 0);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), 1);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), 2);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), NETVSC_NO_SLOT);
	CU_ASSERT_EQUAL(netvsc_tx_get_plain(&tx), 3);
	slots[3].owner = &tx;
	netvsc_tx_sent(&tx, 3, 1, 1514);
	CU_ASSERT_EQUAL(netvsc_tx_get_plain(&tx), 4);
	CU_ASSERT_EQUAL(netvsc_tx_get_plain(&tx), NETVSC_NO_SLOT);
	netvsc_tx_sent(&tx, 1, 8, 480);
	CU_ASSERT_EQUAL(tx.busy, 5);
	CU_ASSERT_EQUAL(stats.n[NETVSC_TX_FRAMES], 9);
	CU_ASSERT_EQUAL(stats.n[NETVSC_TX_MESSAGES], 2);

	/* lies */
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, 0, &c, 8, &done, &ok));
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, NETVSC_ID_TX - 1, &c, 8, &done, &ok));
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 5, &c, 8, &done, &ok));
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, ~0ull, &c, 8, &done, &ok));
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 0, &c, 8, &done, &ok));	/* taken, not sent */
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 1, &c, 7, &done, &ok));
	CU_ASSERT_EQUAL(stats.n[NETVSC_TX_BAD_COMPLETION], 6);

	CU_ASSERT_TRUE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 1, &c, 8, &done, &ok));
	CU_ASSERT_TRUE(ok);
	CU_ASSERT_EQUAL(done.frames, 8);
	CU_ASSERT_FALSE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 1, &c, 8, &done, &ok));
	c.status = to_le32(2);
	CU_ASSERT_TRUE(netvsc_tx_completed(&tx, NETVSC_ID_TX + 3, &c, 8, &done, &ok));
	CU_ASSERT_FALSE(ok);
	CU_ASSERT_PTR_EQUAL(done.owner, &tx);
	CU_ASSERT_EQUAL(done.bytes, 1514);
	CU_ASSERT_EQUAL(stats.n[NETVSC_TX_FAILED], 1);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), 1);
	CU_ASSERT_EQUAL(netvsc_tx_get_plain(&tx), 3);
	netvsc_tx_put(&tx, 0);
	CU_ASSERT_EQUAL(tx.busy, 4);
	CU_ASSERT_EQUAL(netvsc_tx_get_section(&tx), 0);
}

static const struct hv_test tests[] = {
	{ "writes a header as Linux does", test_plain_header },
	{ "writes tag, checksum and large-send elements", test_elements },
	{ "writes the NVSP message", test_message },
	{ "packs eight frames into a section", test_batch },
	{ "fills a section to its last byte and no further", test_batch_room },
	{ "ends a section with a header alone", test_partial },
	{ "believes no completion that it does not owe", test_slots },
};
HV_TEST_MAIN("netvsc/tx", tests)
