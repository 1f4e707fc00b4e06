/* SPDX-License-Identifier: MIT */
/* GPADLs: assembly from any messages, every answer, quotas, references. */
#include "vmbus/test_guest.h"

struct stage {
	struct guest g;
	struct test_device d, other;
};

/* Two devices, relids 1 and 2, the first one open. */
static void stage_begin(struct stage *s)
{
	uint32_t relid;

	guest_boot(&s->g);
	device_add(&s->d, &s->g, 1);
	device_add(&s->other, &s->g, 2);
	guest_connect(&s->g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_offers(&s->g, &relid), 2);
	guest_open(&s->g, 1, 0);
}

static void stage_end(struct stage *s)
{
	vmbus_device_destroy(s->d.dev);
	vmbus_device_destroy(s->other.dev);
	guest_end(&s->g);
}

static void post_header(struct guest *g, uint32_t relid, uint32_t handle, uint32_t range_bytes, uint32_t ranges,
			const uint64_t *words, uint32_t n, uint32_t bytes)
{
	struct vmbus_msg_gpadl_header h = {
		.h.type = to_le32(VMBUS_MSG_GPADL_HEADER), .relid = to_le32(relid), .handle = to_le32(handle),
		.range_bytes = to_le16((uint16_t)range_bytes), .range_count = to_le16((uint16_t)ranges),
	};
	uint8_t msg[VMBUS_MESSAGE_BYTES];

	memset(msg, 0xcc, sizeof(msg));
	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), words, n * 8);
	guest_post(g, msg, bytes ? bytes : (uint32_t)sizeof(h) + n * 8);
}

static void post_body(struct guest *g, uint32_t number, uint32_t handle, const uint64_t *words, uint32_t n, uint32_t bytes)
{
	struct vmbus_msg_gpadl_body b = { .h.type = to_le32(VMBUS_MSG_GPADL_BODY), .number = to_le32(number),
					  .handle = to_le32(handle) };
	uint8_t msg[VMBUS_MESSAGE_BYTES];

	memset(msg, 0xcc, sizeof(msg));
	memcpy(msg, &b, sizeof(b));
	memcpy(msg + sizeof(b), words, n * 8);
	guest_post(g, msg, bytes ? bytes : (uint32_t)sizeof(b) + n * 8);
}

/* The answer to a header or body: 1 created, 0 failed, -1 none. */
static int created(struct guest *g, uint32_t relid, uint32_t handle)
{
	union any_message m;

	if (!guest_next(g, &m))
		return -1;
	CU_ASSERT_EQUAL(le32_get(m.h.type), VMBUS_MSG_GPADL_CREATED);
	CU_ASSERT_EQUAL(le32_get(m.created.relid), relid);
	CU_ASSERT_EQUAL(le32_get(m.created.handle), handle);
	CU_ASSERT_TRUE(le32_get(m.created.status) == 0 || le32_get(m.created.status) == VMBUS_STATUS_FAILED);
	return le32_get(m.created.status) == 0;
}

static int torndown(struct guest *g, uint32_t handle)
{
	union any_message m;

	if (!guest_next(g, &m))
		return -1;
	CU_ASSERT_EQUAL(le32_get(m.h.type), VMBUS_MSG_GPADL_TORNDOWN);
	CU_ASSERT_EQUAL(le32_get(m.torndown.handle), handle);
	return 1;
}

#define RANGE(bytes, offset) ((uint64_t)(bytes) | (uint64_t)(offset) << 32)

/* One message each; usable: as a buffer, which takes one range of whole pages in memory. */
static void ranges_are_checked(void)
{
	static const struct { const char *what; uint32_t ranges, n; uint64_t words[6]; int created; int get; } rows[] = {
		{ "no bytes", 1, 2, { RANGE(0, 0), 5 }, 0, 0 },
		{ "offset past the page", 1, 2, { RANGE(1, 4096), 5 }, 0, 0 },
		{ "a page short", 1, 2, { RANGE(4097, 0), 5 }, 0, 0 },
		{ "a page short by the offset", 1, 2, { RANGE(4096, 1), 5 }, 0, 0 },
		{ "count that wraps", 1, 2, { RANGE(0xffffffff, 0xfff), 5 }, 0, 0 },
		{ "count + 4095 that wraps", 1, 2, { RANGE(0xfffff001, 0), 5 }, 0, 0 },
		{ "second range missing", 2, 2, { RANGE(4096, 0), 5 }, 0, 0 },
		{ "second range a page short", 2, 3, { RANGE(4096, 0), 5, RANGE(1, 0) }, 0, 0 },
		{ "a range but no words", 1, 0, { 0 }, 0, 0 },
		{ "empty, of no range", 0, 0, { 0 }, 1, -EINVAL },
		{ "words of no range", 0, 1, { 7 }, 1, -EINVAL },
		{ "two ranges", 2, 4, { RANGE(4096, 0), 5, RANGE(1, 4095), 6 }, 1, -EINVAL },
		{ "begins in a page", 1, 3, { RANGE(4096, 8), 5, 6 }, 1, -EINVAL },
		{ "ends in a page", 1, 3, { RANGE(4097, 0), 5, 6 }, 1, -EINVAL },
		{ "surplus words", 1, 4, { RANGE(4096, 0), 5, 6, 7 }, 1, 0 },
		{ "not in memory", 1, 2, { RANGE(4096, 0), GUEST_PAGES }, 1, -EFAULT },
		{ "a frame that wraps", 1, 2, { RANGE(4096, 0), 1ull << 52 }, 1, -EFAULT },
		{ "the same page twice", 1, 3, { RANGE(8192, 0), 5, 5 }, 1, 0 },
		{ "smallest", 1, 2, { RANGE(4096, 0), 5 }, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_gpadl *g = NULL;
		struct stage s;

		stage_begin(&s);
		for (int again = 0; again < 2; again++) {	/* after a failure the handle is free again */
			post_header(&s.g, 1, 7, rows[i].n * 8, rows[i].ranges, rows[i].words, rows[i].n, 0);
			int ret = created(&s.g, 1, 7);
			if (ret != rows[i].created)
				printf("%s: %d\n", rows[i].what, ret);
			CU_ASSERT_EQUAL(ret, rows[i].created);
			if (rows[i].created)
				break;
		}
		if (rows[i].created) {
			CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &g), rows[i].get);
			if (!rows[i].get) {
				CU_ASSERT_EQUAL(vmbus_gpadl_size(g), (uint32_t)rows[i].words[0]);
				CU_ASSERT_PTR_EQUAL(vmbus_gpadl_pages(g)[0], s.g.ram + rows[i].words[1] * 4096);
				vmbus_gpadl_put(g);
			}
		}
		guest_quiet(&s.g);
		stage_end(&s);
	}
}

/* What guests really send: bodies without numbers, padded messages, odd tails, other GPADLs in between. */
static void assembly_takes_what_guests_send(void)
{
	uint64_t a[70], b[70];
	struct stage s;

	a[0] = b[0] = RANGE(60 * 4096, 0);
	for (unsigned i = 1; i < 70; i++) {
		a[i] = 100 + i;
		b[i] = 300 + i;
	}
	stage_begin(&s);
	post_header(&s.g, 1, 7, 61 * 8, 1, a, 27, 0);
	post_header(&s.g, 2, 8, 61 * 8 + 5, 1, b, 10, 0);		/* not a whole word: cut */
	post_body(&s.g, 0, 7, a + 27, 20, 0);
	guest_post_gpadl(&s.g, 2, 9, 900, 2);				/* a whole one in between */
	CU_ASSERT_EQUAL(created(&s.g, 2, 9), 1);
	post_body(&s.g, 5, 8, b + 10, 1, 16 + 8 + 7);			/* an odd tail is dropped */
	post_body(&s.g, 5, 8, b + 11, 0, 0);				/* an empty one changes nothing */
	post_body(&s.g, 0, 8, b + 11, 28, 0);
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), -1);
	post_body(&s.g, 0, 7, a + 47, 14, 240);				/* UEFI: padded to the full size */
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), 1);
	post_body(&s.g, 0, 8, b + 39, 28, 0);				/* more than was declared */
	CU_ASSERT_EQUAL(created(&s.g, 2, 8), 1);
	guest_open(&s.g, 2, 0);
	for (int n = 0; n < 2; n++) {
		struct vmbus_gpadl *g = NULL;

		CU_ASSERT_EQUAL_FATAL(vmbus_gpadl_get(device_channel(n ? &s.other : &s.d), 7 + (uint32_t)n, &g), 0);
		CU_ASSERT_EQUAL(vmbus_gpadl_size(g), 60 * 4096);
		for (uint32_t i = 0; i < 60; i++)
			CU_ASSERT_PTR_EQUAL(vmbus_gpadl_pages(g)[i], s.g.ram + (101 + 200 * n + i) * 4096);
		vmbus_gpadl_put(g);
	}
	/* a padded header alone; its padding is not taken for frames */
	post_header(&s.g, 1, 10, 16, 1, (uint64_t[]){ RANGE(4096, 0), 5 }, 2, 240);
	CU_ASSERT_EQUAL(created(&s.g, 1, 10), 1);
	guest_quiet(&s.g);
	stage_end(&s);
}

static void largest_gpadl(void)
{
	struct vmbus_gpadl *g = NULL;
	struct stage s;

	stage_begin(&s);
	guest_gpadl(&s.g, 1, 7, 100, 8190);
	CU_ASSERT_EQUAL_FATAL(vmbus_gpadl_get(device_channel(&s.d), 7, &g), 0);
	CU_ASSERT_EQUAL(vmbus_gpadl_size(g), 8190 * 4096);
	CU_ASSERT_PTR_EQUAL(vmbus_gpadl_pages(g)[8189], s.g.ram + (100 + 8189) * 4096);
	vmbus_gpadl_put(g);
	stage_end(&s);
}

static void headers_are_refused_for_a_reason(void)
{
	static const uint64_t words[] = { RANGE(4096, 0), 5 };
	struct stage s;

	stage_begin(&s);
	static const uint32_t relids[] = { 0, 3, 2048, 0xffffffff };
	for (size_t i = 0; i < 4; i++) {
		post_header(&s.g, relids[i], 7, 16, 1, words, 2, 0);
		CU_ASSERT_EQUAL(created(&s.g, relids[i], 7), 0);
	}
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_unknown_channel"), 4);
	post_header(&s.g, 1, 7, 16, 1, words, 2, 0);
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), 1);
	post_header(&s.g, 1, 7, 16, 1, words, 2, 0);		/* exists; the first one is unaffected */
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), 0);
	post_header(&s.g, 2, 7, 16, 1, words, 2, 0);		/* another channel's handles are its own */
	CU_ASSERT_EQUAL(created(&s.g, 2, 7), 1);
	post_header(&s.g, 1, 8, 16, 1, words, 1, 0);		/* in assembly … */
	post_header(&s.g, 2, 8, 16, 1, words, 1, 0);		/* … where bodies have no relid */
	CU_ASSERT_EQUAL(created(&s.g, 2, 8), 0);
	post_body(&s.g, 0, 8, words + 1, 1, 0);
	CU_ASSERT_EQUAL(created(&s.g, 1, 8), 1);
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_duplicate"), 2);
	post_body(&s.g, 0, 8, words + 1, 1, 0);			/* nothing is in assembly now */
	post_body(&s.g, 0, 99, words + 1, 1, 0);
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_body_unknown"), 2);
	guest_quiet(&s.g);
	/* a body that completes bad ranges is answered with the header's relid */
	post_header(&s.g, 2, 9, 24, 1, words, 1, 0);
	post_body(&s.g, 0, 9, words, 1, 0);
	post_header(&s.g, 2, 10, 24, 2, words, 1, 0);
	post_body(&s.g, 0, 10, words, 2, 0);
	CU_ASSERT_EQUAL(created(&s.g, 2, 10), 0);
	stage_end(&s);
}

static void quotas_hold(void)
{
	static const uint64_t words[] = { RANGE(4096, 0), 5 };
	unsigned good = 0, assembling = 0;
	struct stage s;

	stage_begin(&s);
	for (uint32_t i = 0; i < 100; i++) {
		post_header(&s.g, 1, 1000 + i, 16, 1, words, 2, 0);
		good += created(&s.g, 1, 1000 + i) == 1;
	}
	CU_ASSERT_EQUAL(good, 63);		/* and the rings' */
	guest_post_teardown(&s.g, 1, 1000);
	CU_ASSERT_EQUAL(torndown(&s.g, 1000), 1);
	post_header(&s.g, 1, 2000, 16, 1, words, 2, 0);
	CU_ASSERT_EQUAL(created(&s.g, 1, 2000), 1);
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	for (uint32_t i = 0; i < 64; i++) {
		post_header(&s.g, 2, 3000 + i, 16, 1, words, 1, 0);
		assembling += created(&s.g, 2, 3000 + i) == -1;
	}
	CU_ASSERT_EQUAL(assembling, 64);
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_quota"), 37);
	/* a reset frees them all, and the handles */
	guest_connect(&s.g, VMBUS_VERSION_5_3);
	uint32_t relid;
	CU_ASSERT_EQUAL(guest_offers(&s.g, &relid), 2);
	post_body(&s.g, 0, 3000, words + 1, 1, 0);
	CU_ASSERT_EQUAL(created(&s.g, 2, 3000), -1);
	for (uint32_t i = 0; i < 60; i++) {
		post_header(&s.g, 2, 3000 + i, 16, 1, words, 2, 0);
		CU_ASSERT_EQUAL(created(&s.g, 2, 3000 + i), 1);
	}
	stage_end(&s);
}

/* Words of all GPADLs: 128 full ones of 8191 words fill 2^20. */
static void words_in_all_are_bounded(void)
{
	static const uint64_t words[] = { RANGE(8190 * 4096, 0) };
	struct test_device d[3];
	unsigned taken = 0;
	struct guest g;
	uint32_t relid;

	guest_boot(&g);
	for (unsigned i = 0; i < 3; i++)
		device_add(&d[i], &g, (uint8_t)(i + 1));
	guest_connect(&g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 3);
	for (uint32_t i = 0; i < 3 * 64; i++) {
		uint64_t frames[28] = { 0 };

		post_header(&g, 1 + i / 64, i, 0xfff8, 1, words, 1, 0);
		int ret = -1;
		for (unsigned n = 0; n < 293 && ret < 0; n++) {
			post_body(&g, 0, i, frames, 28, 0);
			ret = created(&g, 1 + i / 64, i);
		}
		taken += ret == 1;
	}
	CU_ASSERT_EQUAL(taken, 128);		/* 2^20 / 8191 */
	for (unsigned i = 0; i < 3; i++)
		vmbus_device_destroy(d[i].dev);
	guest_end(&g);
}

static void teardown_waits_for_the_last_user(void)
{
	struct vmbus_gpadl *again = NULL;
	struct stage s;

	stage_begin(&s);
	guest_gpadl(&s.g, 1, 7, 0x300, 4);
	/* unused: at once */
	guest_post_teardown(&s.g, 1, 7);
	CU_ASSERT_EQUAL(torndown(&s.g, 7), 1);
	CU_ASSERT_EQUAL(s.d.teardowns, 0);
	/* used: the device puts at once … */
	guest_gpadl(&s.g, 1, 7, 0x300, 4);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &s.d.held), 0);
	guest_post_teardown(&s.g, 1, 7);
	CU_ASSERT_EQUAL(torndown(&s.g, 7), 1);
	CU_ASSERT_EQUAL(s.d.teardowns, 1);
	/* … or later, and has it twice */
	guest_gpadl(&s.g, 1, 7, 0x300, 4);
	s.d.keep_gpadl = true;
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &s.d.held), 0);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &again), 0);
	CU_ASSERT_PTR_EQUAL(again, s.d.held);
	guest_post_teardown(&s.g, 1, 7);
	CU_ASSERT_EQUAL(torndown(&s.g, 7), -1);
	guest_post_teardown(&s.g, 1, 7);		/* twice is an error without an answer */
	CU_ASSERT_EQUAL(torndown(&s.g, 7), -1);
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_teardown_refused"), 1);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &again), -ENOENT);
	guest_post_gpadl(&s.g, 1, 7, 0x300, 1);		/* the handle is not free yet */
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), 0);
	vmbus_gpadl_put(again);
	CU_ASSERT_EQUAL(torndown(&s.g, 7), -1);
	CU_ASSERT_PTR_NOT_NULL(vmbus_gpadl_pages(s.d.held));
	device_put(&s.d);
	CU_ASSERT_EQUAL(torndown(&s.g, 7), 1);
	guest_quiet(&s.g);
	stage_end(&s);
}

/* Guests before 4.0 tear down before they close, a hostile one while the ring is in use. */
static void ring_is_torn_down_after_its_mapping(void)
{
	struct stage s;

	stage_begin(&s);
	s.d.late_close = true;
	guest_post_teardown(&s.g, 1, 0x101);
	CU_ASSERT_EQUAL(torndown(&s.g, 0x101), -1);
	CU_ASSERT_EQUAL(s.d.teardowns, 0);		/* the bus's own matter */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	CU_ASSERT_EQUAL(torndown(&s.g, 0x101), -1);
	CU_ASSERT_EQUAL(s.g.mapped, 2);
	vmbus_channel_closed(device_channel(&s.d));
	CU_ASSERT_EQUAL(s.g.mapped, 0);
	CU_ASSERT_EQUAL(torndown(&s.g, 0x101), 1);
	s.d.late_close = false;
	guest_post_open(&s.g, 1, 0x101, 4, 0);		/* is no more */
	CU_ASSERT_EQUAL(guest_open_result(&s.g, 1), VMBUS_STATUS_FAILED);
	/* close, then teardown, as Linux does */
	guest_open(&s.g, 1, 0);
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	guest_post_teardown(&s.g, 1, 0x101);
	CU_ASSERT_EQUAL(torndown(&s.g, 0x101), 1);
	guest_quiet(&s.g);
	stage_end(&s);
}

/* iPXE names its receive buffer before it opens the channel. */
static void buffers_may_come_before_the_open(void)
{
	struct vmbus_gpadl *g = NULL;
	struct stage s;

	stage_begin(&s);
	guest_gpadl(&s.g, 2, 7, 0x300, 16);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.other), 7, &g), -ENOENT);	/* not in session */
	guest_open(&s.g, 2, 0);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.other), 7, &g), 0);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 7, &g), -ENOENT);		/* another's channel */
	vmbus_gpadl_put(g);
	stage_end(&s);
}

static void teardowns_that_get_no_answer(void)
{
	static const uint64_t words[] = { RANGE(4096, 0), 5 };
	struct stage s;

	stage_begin(&s);
	post_header(&s.g, 1, 7, 16, 1, words, 1, 0);
	guest_gpadl(&s.g, 1, 8, 0x300, 1);
	guest_post_teardown(&s.g, 1, 7);		/* in assembly */
	guest_post_teardown(&s.g, 1, 9);		/* no such handle */
	guest_post_teardown(&s.g, 2, 8);		/* on another channel */
	guest_post_teardown(&s.g, 3, 8);		/* no such channel */
	guest_post_teardown(&s.g, 0xffffffff, 8);
	CU_ASSERT_EQUAL(guest_count(&s.g, "gpadl_teardown_refused"), 5);
	guest_quiet(&s.g);
	post_body(&s.g, 0, 7, words + 1, 1, 0);		/* the one in assembly is unaffected */
	CU_ASSERT_EQUAL(created(&s.g, 1, 7), 1);
	stage_end(&s);
}

static const struct hv_test tests[] = {
	{ "ranges are checked", ranges_are_checked },
	{ "assembly takes what guests send", assembly_takes_what_guests_send },
	{ "largest GPADL", largest_gpadl },
	{ "headers are refused for a reason", headers_are_refused_for_a_reason },
	{ "quotas hold", quotas_hold },
	{ "words in all are bounded", words_in_all_are_bounded },
	{ "teardown waits for the last user", teardown_waits_for_the_last_user },
	{ "a ring is torn down after its mapping", ring_is_torn_down_after_its_mapping },
	{ "buffers may come before the open", buffers_may_come_before_the_open },
	{ "teardowns that get no answer", teardowns_that_get_no_answer },
};

HV_TEST_MAIN("vmbus/gpadl", tests)
