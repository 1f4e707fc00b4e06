/* SPDX-License-Identifier: MIT */
/* Channels: offers, every message in every state, rescinds, sub-channels, doorbells, memory that goes and comes. */
#include "vmbus/test_guest.h"

/* A connected guest with one device, offered. */
struct stage {
	struct guest g;
	struct test_device d;
	uint32_t relid;
};

static void stage_begin(struct stage *s, uint32_t version)
{
	guest_boot(&s->g);
	device_add(&s->d, &s->g, 1);
	guest_connect(&s->g, version);
	CU_ASSERT_EQUAL(guest_offers(&s->g, &s->relid), 1);
}

static void stage_open(struct stage *s, uint32_t version)
{
	stage_begin(s, version);
	guest_open(&s->g, s->relid, 1);
}

static void stage_end(struct stage *s)
{
	s->d.late_close = false;
	vmbus_device_destroy(s->d.dev);
	guest_end(&s->g);
}

/* ---- offers ---- */

static void offer_is_as_on_the_wire(void)
{
	static const struct { uint32_t version; uint16_t dedicated; bool connection; } rows[] = {
		{ VMBUS_VERSION_0_13, 0, false }, { VMBUS_VERSION_1_1, 1, true }, { VMBUS_VERSION_5_3, 1, true },
	};
	struct test_device d;
	struct guest g;

	guest_boot(&g);
	device_add(&d, &g, 0xab);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union any_message m;
		uint32_t bytes;

		guest_connect(&g, rows[i].version);
		guest_quiet(&g);				/* nothing before it is asked for */
		guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);
		CU_ASSERT_EQUAL(guest_take(&g, 0, &m, &bytes), VMBUS_MSG_OFFERCHANNEL);
		CU_ASSERT_EQUAL(bytes, 196);
		CU_ASSERT_EQUAL(m.bytes[0x08], 0x63);
		CU_ASSERT_EQUAL(m.bytes[0x18], 0xab);
		CU_ASSERT_EQUAL(m.bytes[0x3c], 0x5a);
		CU_ASSERT_EQUAL(le16_get(m.offer.sub_channel_index), 0);
		CU_ASSERT_EQUAL(m.bytes[0xb8], 1);		/* relid */
		CU_ASSERT_EQUAL(m.bytes[0xbc], 0xff);		/* no monitor, twice */
		CU_ASSERT_EQUAL(m.bytes[0xbd], 0);
		CU_ASSERT_EQUAL(le16_get(m.offer.interrupt_flags), rows[i].dedicated);
		CU_ASSERT_EQUAL(le32_get(m.offer.connection_id) == 0x2001, rows[i].connection);
		CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_ALLOFFERS_DELIVERED);
		guest_post_empty(&g, VMBUS_MSG_REQUESTOFFERS);	/* once per connection */
		CU_ASSERT_EQUAL(guest_count(&g, "offers_requested_twice"), i + 1);
		guest_quiet(&g);
	}
	vmbus_device_destroy(d.dev);
	guest_end(&g);
}

static void devices_come_hot(void)
{
	struct test_device before, between, after;
	struct vmbus_device *twin = NULL;
	struct vmbus_offer offer = { .instance = { 0 } };
	union any_message m;
	struct guest g;
	uint32_t relid;

	guest_boot(&g);
	device_add(&before, &g, 9);
	guest_connect(&g, VMBUS_VERSION_5_3);
	device_add(&between, &g, 5);
	guest_quiet(&g);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 2);
	device_add(&after, &g, 1);
	CU_ASSERT_EQUAL(guest_next(&g, &m), VMBUS_MSG_OFFERCHANNEL);
	CU_ASSERT_EQUAL(le32_get(m.offer.relid), 3);
	CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&between)), 1);
	CU_ASSERT_STRING_EQUAL(vmbus_channel_name(device_channel(&after)), "vm/ch3");
	memset(offer.instance, 5, sizeof(offer.instance));	/* unique over all types */
	CU_ASSERT_EQUAL(vmbus_device_create(g.bus, &offer, &device_ops, NULL, &twin), -EEXIST);
	CU_ASSERT_PTR_NULL(twin);
	/* the next connection sees them in order of their instances */
	guest_connect(&g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_offers(&g, &relid), 3);
	CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&after)), 1);
	CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&between)), 2);
	CU_ASSERT_EQUAL(vmbus_channel_id(device_channel(&before)), 3);
	vmbus_device_destroy(before.dev);
	vmbus_device_destroy(between.dev);
	vmbus_device_destroy(after.dev);
	vmbus_device_destroy(NULL);
	guest_end(&g);
}

/* ---- open ---- */

static void open_checks_what_it_is_given(void)
{
	/* GPADL 1 has 8 pages at `first`; handle, page and processor are the OPENCHANNEL's. */
	static const struct { const char *lie; uint64_t first; uint32_t pages, handle, page, vp; bool good; } rows[] = {
		{ "no such GPADL", 0x200, 8, 2, 4, 0, false },
		{ "second ring at 0", 0x200, 8, 1, 0, 0, false },
		{ "first ring without data", 0x200, 8, 1, 1, 0, false },
		{ "second ring without data", 0x200, 8, 1, 7, 0, false },
		{ "second ring at the end", 0x200, 8, 1, 8, 0, false },
		{ "second ring far out", 0x200, 8, 1, 0xfffffffe, 0, false },
		{ "too few pages", 0x200, 3, 1, 2, 0, false },
		{ "no such processor", 0x200, 8, 1, 4, GUEST_VPS, false },
		{ "not in memory", GUEST_PAGES - 7, 8, 1, 4, 0, false },
		{ "frame numbers that wrap", (1ull << 52) + 0x200, 8, 1, 4, 0, false },
		{ "the last processor", 0x200, 8, 1, 4, GUEST_VPS - 1, true },
		{ "without interrupts", 0x200, 8, 1, 4, VMBUS_VP_NO_INTERRUPT, true },
		{ "smallest, as iPXE", 0x200, 4, 1, 2, 0, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;

		stage_begin(&s, VMBUS_VERSION_5_3);
		guest_gpadl(&s.g, s.relid, 1, rows[i].first, rows[i].pages);
		guest_post_open(&s.g, s.relid, rows[i].handle, rows[i].page, rows[i].vp);
		uint32_t status = guest_open_result(&s.g, s.relid);
		if ((status == 0) != rows[i].good)
			printf("%s: 0x%x\n", rows[i].lie, status);
		CU_ASSERT_EQUAL(status, rows[i].good ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_FAILED);
		CU_ASSERT_EQUAL(s.d.opens, rows[i].good);
		CU_ASSERT_EQUAL(s.g.mapped, rows[i].good ? 2 : 0);
		CU_ASSERT_EQUAL(vmbus_channel_is_open(device_channel(&s.d)), rows[i].good);
		stage_end(&s);
	}
}

static void open_checks_the_indices(void)
{
	static const struct { bool to_guest; uint32_t write, read; bool good; } rows[] = {
		{ false, 3 * 4096, 0, false }, { false, 0, 4, false }, { true, 12, 0, false }, { true, 0, 0x80000000, false },
		{ true, 3 * 4096 - 8, 8, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_ring_ctl *ctl;
		struct stage s;

		stage_begin(&s, VMBUS_VERSION_5_3);
		ctl = guest_ring(&s.g, s.relid, rows[i].to_guest);
		ctl->write_index = rows[i].write;
		ctl->read_index = rows[i].read;
		guest_gpadl(&s.g, s.relid, 1, GUEST_RING / 4096 + s.relid * 8, 8);
		guest_post_open(&s.g, s.relid, 1, 4, 0);
		CU_ASSERT_EQUAL(guest_open_result(&s.g, s.relid) == 0, rows[i].good);
		CU_ASSERT_EQUAL(s.d.opens, rows[i].good);
		if (rows[i].good) {
			CU_ASSERT_EQUAL(guest_ring(&s.g, s.relid, true)->features & 1, 1);
			CU_ASSERT_EQUAL(guest_ring(&s.g, s.relid, false)->features & 1, 0);	/* not ours */
		}
		stage_end(&s);
	}
}

static void device_may_refuse_and_take_its_time(void)
{
	struct stage s;

	stage_begin(&s, VMBUS_VERSION_5_3);
	s.d.open_status = -EIO;
	guest_gpadl(&s.g, s.relid, 1, GUEST_RING / 4096, 8);
	guest_post_open(&s.g, s.relid, 1, 4, 0);
	CU_ASSERT_EQUAL(guest_open_result(&s.g, s.relid), VMBUS_STATUS_FAILED);
	CU_ASSERT_EQUAL(s.g.mapped, 0);
	s.d.open_status = 0;
	s.d.late_open = true;
	guest_post_open(&s.g, s.relid, 1, 4, 0);
	guest_quiet(&s.g);
	CU_ASSERT_FALSE(vmbus_channel_is_open(device_channel(&s.d)));
	vmbus_channel_opened(device_channel(&s.d), 0);
	CU_ASSERT_EQUAL(guest_open_result(&s.g, s.relid), VMBUS_STATUS_SUCCESS);
	vmbus_channel_opened(device_channel(&s.d), 0);	/* a second answer is none */
	guest_quiet(&s.g);
	stage_end(&s);
}

/* ---- every message in every state ---- */

enum scene { OFFERED, OPENING, OPEN, CLOSING, CLOSING_REOPEN, RESCINDED, RESCINDED_CLOSING, RELEASING, SCENES };

static const char *const scene_names[SCENES] = {
	"offered", "opening", "open", "closing", "closing-reopen", "rescinded", "rescinded-closing", "releasing",
};

/*
 * A second device keeps the bus busy; the first is brought to the state. For the rescinded ones a sub-channel is used,
 * since its device lives on. Returns the channel's relid.
 */
static uint32_t scene_begin(struct stage *s, enum scene scene)
{
	struct vmbus_channel *ch;
	union any_message m;

	stage_begin(s, VMBUS_VERSION_5_3);
	ch = device_channel(&s->d);
	if (scene == OFFERED)
		return s->relid;
	if (scene == OPENING)
		s->d.late_open = true;
	guest_gpadl(&s->g, s->relid, 0x100 + s->relid, GUEST_RING / 4096 + s->relid * 8, 8);
	guest_post_open(&s->g, s->relid, 0x100 + s->relid, 4, 0);
	if (scene == OPENING)
		return s->relid;
	CU_ASSERT_EQUAL(guest_open_result(&s->g, s->relid), 0);
	s->d.late_close = true;
	if (scene == CLOSING || scene == CLOSING_REOPEN || scene == RELEASING)
		guest_post_relid(&s->g, VMBUS_MSG_CLOSECHANNEL, s->relid);
	if (scene == CLOSING_REOPEN)
		guest_post_open(&s->g, s->relid, 0x100 + s->relid, 4, 0);
	if (scene == RELEASING)
		guest_post_relid(&s->g, VMBUS_MSG_RELID_RELEASED, s->relid);
	if (scene != RESCINDED && scene != RESCINDED_CLOSING)
		return s->relid;
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s->d.dev, 1), 0);
	CU_ASSERT_EQUAL(guest_next(&s->g, &m), VMBUS_MSG_OFFERCHANNEL);
	if (scene == RESCINDED_CLOSING)
		guest_open(&s->g, 2, 0);
	vmbus_device_rescind_subchannels(s->d.dev);
	CU_ASSERT_EQUAL(guest_next(&s->g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
	CU_ASSERT_EQUAL(le32_get(m.relid.relid), 2);
	(void)ch;
	return 2;
}

static uint64_t refusals(const struct guest *g)
{
	return guest_count(g, "open_wrong_state") + guest_count(g, "close_wrong_state") +
	       guest_count(g, "release_wrong_state") + guest_count(g, "relid_unknown") + guest_count(g, "modify_refused");
}

/* What the messages of a channel do: 'e' counted as an error, '-' nothing, '+' something; then what is answered. */
static void states_take_messages_as_the_table_says(void)
{
	static const struct { uint32_t type; const char *in[SCENES]; } rows[] = {
		/*                           offered opening open  closing reopen  rescinded resc-cl releasing */
		{ VMBUS_MSG_OPENCHANNEL,    { "+6",  "e",    "e",  "-",    "e",    "-",      "-",    "e" } },
		{ VMBUS_MSG_CLOSECHANNEL,   { "e",   "e",    "+",  "e",    "e",    "-",      "-",    "e" } },
		{ VMBUS_MSG_RELID_RELEASED, { "+",   "e",    "e",  "+",    "e",    "+",      "+",    "e" } },
		{ VMBUS_MSG_MODIFYCHANNEL,  { "e24", "e24",  "+24", "e24", "e24",  "e24",    "e24",  "e" } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (enum scene scene = OFFERED; scene < SCENES; scene++) {
			const char *want = rows[i].in[scene];
			struct stage s;
			union any_message m;
			uint32_t relid = scene_begin(&s, scene), answer = (uint32_t)atoi(want + 1);
			uint64_t before = refusals(&s.g);
			unsigned opens = s.d.opens, closes = s.d.closes;
			struct vmbus_msg_open msg = { .h.type = to_le32(rows[i].type), .relid = to_le32(relid) };

			if (rows[i].type == VMBUS_MSG_OPENCHANNEL) {
				if (scene == OFFERED)
					guest_gpadl(&s.g, relid, 0x100 + relid, GUEST_RING / 4096 + relid * 8, 8);
				guest_post_open(&s.g, relid, 0x100 + relid, 4, 0);
			} else {
				guest_post(&s.g, &msg, sizeof(msg));
			}
			bool error = refusals(&s.g) != before;
			uint32_t got = guest_next(&s.g, &m);
			if (error != (want[0] == 'e') || got != answer)
				printf("message %u while %s: %s, answer %u\n", rows[i].type, scene_names[scene],
				       error ? "error" : "taken", got);
			CU_ASSERT_EQUAL(error, want[0] == 'e');
			CU_ASSERT_EQUAL(got, answer);
			CU_ASSERT_EQUAL(s.d.opens - opens, rows[i].type == VMBUS_MSG_OPENCHANNEL && scene == OFFERED);
			CU_ASSERT_EQUAL(s.d.closes - closes, rows[i].type == VMBUS_MSG_CLOSECHANNEL && scene == OPEN);
			guest_quiet(&s.g);
			stage_end(&s);
		}
}

static void unknown_channels_get_no_answers(void)
{
	static const uint32_t relids[] = { 0, 2, 2047, 2048, 0xffffffff };
	struct stage s;

	stage_begin(&s, VMBUS_VERSION_5_3);
	for (size_t i = 0; i < sizeof(relids) / sizeof(relids[0]); i++) {
		guest_post_open(&s.g, relids[i], 1, 4, 0);
		guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, relids[i]);
		guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, relids[i]);
		CU_ASSERT_EQUAL(guest_count(&s.g, "relid_unknown"), 3 * (i + 1));
	}
	guest_quiet(&s.g);
	stage_end(&s);
}

/* A close has no answer, so guests open again at once. */
static void open_while_closing_is_remembered(void)
{
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	s.d.late_close = true;
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, s.relid);
	guest_post_open(&s.g, s.relid, 0x100 + s.relid, 4, 2);
	guest_quiet(&s.g);
	CU_ASSERT_EQUAL(s.d.opens, 1);
	vmbus_channel_closed(device_channel(&s.d));
	CU_ASSERT_EQUAL(guest_open_result(&s.g, s.relid), 0);
	CU_ASSERT_STRING_EQUAL(s.d.log, "o0c0o0");
	/* the remembered one is checked like any other */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, s.relid);
	guest_post_open(&s.g, s.relid, 0x999, 4, 2);
	vmbus_channel_closed(device_channel(&s.d));
	CU_ASSERT_EQUAL(guest_open_result(&s.g, s.relid), VMBUS_STATUS_FAILED);
	stage_end(&s);
}

static void close_in_the_middle_of_opening(void)
{
	struct stage s;
	union any_message m;

	stage_begin(&s, VMBUS_VERSION_5_3);
	s.d.late_open = true;
	guest_gpadl(&s.g, s.relid, 1, GUEST_RING / 4096, 8);
	guest_post_open(&s.g, s.relid, 1, 4, 0);
	guest_post_empty(&s.g, VMBUS_MSG_UNLOAD);
	CU_ASSERT_STRING_EQUAL(s.d.log, "o0c0");
	vmbus_channel_opened(device_channel(&s.d), 0);	/* crossed the close: no answer, no harm */
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	guest_quiet(&s.g);
	stage_end(&s);
}

static void modify_answers_from_5_3_on(void)
{
	static const struct { uint32_t version, vp, open_vp; int answer; } rows[] = {
		{ VMBUS_VERSION_4_1, 2, 1, -1 }, { VMBUS_VERSION_4_1, GUEST_VPS, 1, -1 }, { VMBUS_VERSION_5_2, 2, 1, -1 },
		{ VMBUS_VERSION_5_3, 2, 1, 1 }, { VMBUS_VERSION_5_3, GUEST_VPS, 1, 0 },
		{ VMBUS_VERSION_5_3, VMBUS_VP_NO_INTERRUPT, 1, 0 }, { VMBUS_VERSION_6_0, 0, VMBUS_VP_NO_INTERRUPT, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_msg_modify c = { .h.type = to_le32(VMBUS_MSG_MODIFYCHANNEL), .target_vp = to_le32(rows[i].vp) };
		union any_message m;
		struct stage s;

		stage_begin(&s, rows[i].version);
		guest_open(&s.g, s.relid, rows[i].open_vp);
		c.relid = to_le32(s.relid);
		guest_post(&s.g, &c, sizeof(c));
		if (rows[i].answer >= 0) {
			CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_MODIFYCHANNEL_RESPONSE);
			CU_ASSERT_EQUAL(le32_get(m.modified.relid), s.relid);
			CU_ASSERT_EQUAL(le32_get(m.modified.status) == 0, rows[i].answer);
		}
		guest_quiet(&s.g);
		vmbus_channel_signal(device_channel(&s.d));
		CU_ASSERT_EQUAL(guest_flag(&s.g, 2, s.relid), rows[i].vp == 2);
		CU_ASSERT_EQUAL(guest_flag(&s.g, 1, s.relid), rows[i].vp != 2 && rows[i].open_vp == 1);
		stage_end(&s);
	}
}

/* ---- doorbells ---- */

static void signals_interrupt_when_the_flag_was_clear(void)
{
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	memset(s.g.interrupts, 0, sizeof(s.g.interrupts));
	vmbus_channel_signal(device_channel(&s.d));
	vmbus_channel_signal(device_channel(&s.d));
	CU_ASSERT_EQUAL(s.g.interrupts[1], 1);
	CU_ASSERT_TRUE(guest_flag(&s.g, 1, s.relid));
	vmbus_channel_signal(device_channel(&s.d));
	CU_ASSERT_EQUAL(s.g.interrupts[1], 2);
	CU_ASSERT_TRUE(guest_flag(&s.g, 1, s.relid));
	/* masked: the flag, and the interrupt at the unmasking */
	vmbus_synic_set_sint2(s.g.bus, 1, 1 << 16);
	vmbus_channel_signal(device_channel(&s.d));
	CU_ASSERT_EQUAL(s.g.interrupts[1], 2);
	vmbus_synic_set_sint2(s.g.bus, 1, 0);
	CU_ASSERT_EQUAL(s.g.interrupts[1], 3);
	CU_ASSERT_TRUE(guest_flag(&s.g, 1, s.relid));
	vmbus_synic_set_sint2(s.g.bus, 1, 0);
	CU_ASSERT_EQUAL(s.g.interrupts[1], 3);
	CU_ASSERT_EQUAL(s.g.interrupts[0] + s.g.interrupts[2], 0);
	/* closed channels do not ring */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, s.relid);
	vmbus_channel_signal(device_channel(&s.d));
	CU_ASSERT_FALSE(guest_flag(&s.g, 1, s.relid));
	stage_end(&s);
}

static void signals_without_their_page_come_later(void)
{
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	guest_hole(&s.g, GUEST_SIEFP + 4096, 4096);
	vmbus_channel_signal(device_channel(&s.d));
	CU_ASSERT_EQUAL(guest_count(&s.g, "signals_postponed"), 1);
	CU_ASSERT_EQUAL(s.d.pauses, 0);			/* no page of the channel */
	CU_ASSERT_FALSE(guest_flag(&s.g, 1, s.relid));
	guest_fill(&s.g);
	CU_ASSERT_TRUE(guest_flag(&s.g, 1, s.relid));
	vmbus_synic_set_siefp(s.g.bus, 1, 0);
	vmbus_channel_signal(device_channel(&s.d));
	vmbus_synic_set_siefp(s.g.bus, 1, (GUEST_SIEFP + 4096) | 1);
	CU_ASSERT_TRUE(guest_flag(&s.g, 1, s.relid));
	vmbus_synic_set_siefp(s.g.bus, 1, (GUEST_SIEFP + 4096) | 1);
	CU_ASSERT_FALSE(guest_flag(&s.g, 1, s.relid));	/* once */
	stage_end(&s);
}

static void guest_rings_a_channel(void)
{
	struct stage s;

	stage_begin(&s, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, 0x2000 | s.relid, 0), VMBUS_HV_SUCCESS);
	CU_ASSERT_EQUAL(s.d.doorbells, 0);		/* offered is not open */
	guest_open(&s.g, s.relid, 0);
	CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, 0x2000 | s.relid, 0), VMBUS_HV_SUCCESS);
	CU_ASSERT_EQUAL(s.d.doorbells, 1);
	CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, VMBUS_CONNECTION_EVENT, 0), VMBUS_HV_SUCCESS);
	CU_ASSERT_EQUAL(s.d.doorbells, 2);		/* shared, with no page that says whose */
	stage_end(&s);
}

static void old_versions_ring_through_the_interrupt_page(void)
{
	static const uint32_t versions[] = { VMBUS_VERSION_0_13, VMBUS_VERSION_1_1 };

	for (size_t i = 0; i < 2; i++) {
		struct vmbus_interrupt_page *page;
		struct stage s;

		stage_begin(&s, versions[i]);
		guest_open(&s.g, s.relid, 77);		/* says nothing yet */
		page = (struct vmbus_interrupt_page *)(void *)(s.g.ram + GUEST_INTERRUPT_PAGE);
		vmbus_channel_signal(device_channel(&s.d));
		CU_ASSERT_EQUAL(page->to_guest[0], 1u << s.relid);
		CU_ASSERT_TRUE(guest_flag(&s.g, 0, 0));
		CU_ASSERT_FALSE(guest_flag(&s.g, 0, s.relid));
		CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, VMBUS_CONNECTION_EVENT, 0), VMBUS_HV_SUCCESS);
		CU_ASSERT_EQUAL(s.d.doorbells, 0);	/* its bit is not set */
		page->to_host[0] = 1u << s.relid | 1u << 20 | 1;
		page->to_host[63] = 1u << 31;
		CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, VMBUS_CONNECTION_EVENT, 0), VMBUS_HV_SUCCESS);
		CU_ASSERT_EQUAL(s.d.doorbells, 1);
		CU_ASSERT_EQUAL(page->to_host[0], 0);
		guest_hole(&s.g, GUEST_INTERRUPT_PAGE, 4096);
		CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, VMBUS_CONNECTION_EVENT, 0), VMBUS_HV_SUCCESS);
		vmbus_channel_signal(device_channel(&s.d));
		page->to_guest[0] = 0;
		guest_fill(&s.g);
		CU_ASSERT_EQUAL(page->to_guest[0], 1u << s.relid);
		stage_end(&s);
	}
}

/* ---- rescind ---- */

static void destroyed_device_is_rescinded(void)
{
	/* what the guest does before it releases, and what the device was doing */
	for (int open = 0; open < 3; open++) {
		struct test_device again;
		union any_message m;
		struct stage s;
		uint32_t relid;

		stage_begin(&s, VMBUS_VERSION_5_3);
		relid = s.relid;
		if (open)
			guest_open(&s.g, relid, 0);
		guest_post_gpadl(&s.g, relid, 0x50, 0x300, 4);
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_GPADL_CREATED);
		s.d.late_close = open == 2;	/* the device's end is the answer */
		vmbus_device_destroy(s.d.dev);
		CU_ASSERT_EQUAL(s.d.closes, open > 0);
		CU_ASSERT_EQUAL(s.g.mapped, 0);
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
		CU_ASSERT_EQUAL(le32_get(m.relid.relid), relid);
		guest_quiet(&s.g);
		/* The same instance comes back: the guest would take the two for one, so it waits. */
		device_add(&again, &s.g, 1);
		guest_quiet(&s.g);
		/* a guest that has not read the RESCIND yet gets what it waits for */
		guest_post_gpadl(&s.g, relid, 0x51, 0x300, 30);
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_GPADL_CREATED);
		CU_ASSERT_EQUAL(le32_get(m.created.status), 0);
		guest_post_teardown(&s.g, relid, 0x50);
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_GPADL_TORNDOWN);
		CU_ASSERT_EQUAL(le32_get(m.torndown.handle), 0x50);
		guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, relid);
		CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, 0x2000 | relid, 0), VMBUS_HV_SUCCESS);
		guest_quiet(&s.g);
		guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, relid);
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
		CU_ASSERT_EQUAL(m.offer.instance[0], 1);
		guest_open(&s.g, le32_get(m.offer.relid), 0);
		vmbus_device_destroy(again.dev);
		guest_end(&s.g);		/* with a RESCIND that was never answered */
	}
}

static void ids_stay_taken_until_released(void)
{
	struct test_device other;
	union any_message m;
	struct stage s;

	stage_begin(&s, VMBUS_VERSION_5_3);
	vmbus_device_destroy(s.d.dev);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
	device_add(&other, &s.g, 2);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
	CU_ASSERT_EQUAL(le32_get(m.offer.relid), 2);
	guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, 1);
	device_add(&s.d, &s.g, 3);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
	CU_ASSERT_EQUAL(le32_get(m.offer.relid), 1);
	vmbus_device_destroy(other.dev);
	stage_end(&s);
}

/* A device that is destroyed and comes again without a connection is simply offered. */
static void destroyed_without_a_connection(void)
{
	union any_message m;
	struct stage s;
	uint32_t relid;

	stage_open(&s, VMBUS_VERSION_5_3);
	s.d.late_close = true;
	guest_post_empty(&s.g, VMBUS_MSG_UNLOAD);
	vmbus_device_destroy(s.d.dev);			/* while the bus waits for its close */
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	device_add(&s.d, &s.g, 1);
	guest_connect(&s.g, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(guest_offers(&s.g, &relid), 1);
	stage_end(&s);
}

static void rescind_answers_what_is_owed(void)
{
	union any_message m;
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	/* one in assembly, one that the device holds and the guest wants back */
	guest_gpadl(&s.g, s.relid, 0x60, 0x300, 4);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 0x60, &s.d.held), 0);
	s.d.keep_gpadl = true;
	guest_post_teardown(&s.g, s.relid, 0x60);
	struct vmbus_msg_gpadl_header h = { .h.type = to_le32(VMBUS_MSG_GPADL_HEADER), .relid = to_le32(s.relid),
					    .handle = to_le32(0x61), .range_bytes = to_le16(800), .range_count = to_le16(1) };
	guest_post(&s.g, &h, sizeof(h));
	guest_quiet(&s.g);
	vmbus_device_destroy(s.d.dev);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_GPADL_CREATED);
	CU_ASSERT_EQUAL(le32_get(m.created.status), VMBUS_STATUS_FAILED);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_GPADL_TORNDOWN);
	CU_ASSERT_EQUAL(le32_get(m.torndown.handle), 0x60);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
	guest_end(&s.g);
}

/* ---- sub-channels ---- */

static void subchannels_come_and_go(void)
{
	union any_message m;
	struct stage s;

	stage_begin(&s, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), -ENOTCONN);	/* the primary is not open */
	guest_open(&s.g, s.relid, 0);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 2047), -ENOSPC);
	guest_quiet(&s.g);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 3), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
		CU_ASSERT_EQUAL(le16_get(m.offer.sub_channel_index), i);
		CU_ASSERT_EQUAL(le32_get(m.offer.relid), 1 + i);
		CU_ASSERT_EQUAL(m.offer.instance[0], 1);
		CU_ASSERT_EQUAL(le32_get(m.offer.connection_id), 0x2001 + i);
	}
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), -EEXIST);
	guest_open(&s.g, 2, 0);
	guest_open(&s.g, 3, 2);
	/* one closes alone, the others go on */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 3);
	CU_ASSERT_TRUE(vmbus_channel_is_open(device_channel(&s.d)));
	/* The primary closes: the sub-channels are taken back. */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	CU_ASSERT_STRING_EQUAL(s.d.log, "o0o1o2c2c0c1");
	for (uint32_t i = 2; i <= 4; i++) {
		CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
		CU_ASSERT_EQUAL(le32_get(m.relid.relid), i);
		guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, i);
	}
	CU_ASSERT_EQUAL(s.d.releases, 3);
	guest_quiet(&s.g);
	guest_post_open(&s.g, 1, 0x101, 4, 0);
	CU_ASSERT_EQUAL(guest_open_result(&s.g, 1), 0);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), 0);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
	guest_open(&s.g, 2, 0);
	/* A disconnect: sub-channels first, and the device starts again with its primary alone. */
	s.d.log[0] = 0;
	guest_contact(&s.g, VMBUS_VERSION_2_4);
	CU_ASSERT_STRING_EQUAL(s.d.log, "c1x1c0");
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(guest_offers(&s.g, &s.relid), 1);
	stage_end(&s);
}

static void subchannels_go_before_their_primary(void)
{
	union any_message m;
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), 0);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
	guest_open(&s.g, 2, 0);
	vmbus_device_destroy(s.d.dev);
	CU_ASSERT_STRING_EQUAL(s.d.log, "o0o1c1c0");
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
	CU_ASSERT_EQUAL(le32_get(m.relid.relid), 2);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_RESCIND_CHANNELOFFER);
	CU_ASSERT_EQUAL(le32_get(m.relid.relid), 1);
	guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, 1);
	guest_post_relid(&s.g, VMBUS_MSG_RELID_RELEASED, 2);
	CU_ASSERT_EQUAL(s.d.releases, 0);	/* nothing is called for a device that is gone */
	guest_end(&s.g);
}

static void old_versions_have_no_subchannels(void)
{
	struct stage s;

	stage_open(&s, VMBUS_VERSION_1_1);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), -EOPNOTSUPP);
	stage_end(&s);
}

/* ---- memory ---- */

static void memory_pauses_what_uses_it(void)
{
	uint64_t ring = GUEST_RING + 8 * 4096;		/* of relid 1 */
	static const struct { const char *what; uint64_t at, bytes; bool pauses; } rows[] = {
		{ "before the ring", 7 * 4096, 4096, false },
		{ "its first byte", 7 * 4096, 4097, true },
		{ "its last page", 15 * 4096, 4096, true },
		{ "the sub-channel's", 16 * 4096, 4096, true },
		{ "behind both", 24 * 4096, 4096, false },
		{ "the buffer", 1000 * 4096 - GUEST_RING + 2 * 4096, 4096, true },
		{ "a GPADL that nobody uses", 2000 * 4096 - GUEST_RING, 4096, false },
		{ "everything", 0, (uint64_t)5000 * 4096, true },
	};
	struct vmbus_ring_in *in;
	_Alignas(8) uint8_t buf[64];
	struct vmbus_packet pkt;
	union any_message m;
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	guest_gpadl(&s.g, 1, 0x60, 1000, 4);
	guest_gpadl(&s.g, 1, 0x61, 2000, 4);
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 0x60, &s.d.held), 0);
	CU_ASSERT_EQUAL(vmbus_device_offer_subchannels(s.d.dev, 1), 0);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_OFFERCHANNEL);
	guest_open(&s.g, 2, 0);
	CU_ASSERT_EQUAL(s.g.mapped, 4);
	in = vmbus_channel_in(device_channel(&s.d));
	/* a packet before, taken but not released: private state that must survive */
	struct vmbus_ring_ctl *ctl = guest_ring(&s.g, 1, false);
	struct vmbus_ring_out guest;
	void *base = NULL;
	uint64_t pfns[7] = { ring / 4096, ring / 4096 + 1, ring / 4096 + 2, ring / 4096 + 3,
			     ring / 4096 + 1, ring / 4096 + 2, ring / 4096 + 3 };
	CU_ASSERT_EQUAL_FATAL(guest_map_pages(&s.g, pfns, 7, &base), 0);
	CU_ASSERT_EQUAL(vmbus_ring_out_init(&guest, base, 4), 0);
	CU_ASSERT_EQUAL(vmbus_ring_write(&guest, 6, false, 1, "a", 1), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(&guest));
	CU_ASSERT_EQUAL(vmbus_ring_next(in, buf, sizeof(buf), &pkt), 1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned pauses = s.d.pauses;

		guest_hole(&s.g, GUEST_RING + rows[i].at, rows[i].bytes);
		if ((s.d.pauses != pauses) != rows[i].pauses)
			printf("%s\n", rows[i].what);
		CU_ASSERT_EQUAL(s.d.pauses - pauses, rows[i].pauses ? 2 : 0);	/* the sub-channel with it */
		CU_ASSERT_EQUAL(s.g.mapped, rows[i].pauses ? 1 : 5);
		if (rows[i].pauses) {
			CU_ASSERT_PTR_NULL(vmbus_gpadl_pages(s.d.held));
			CU_ASSERT_EQUAL(vmbus_signal_event(s.g.bus, 0x2001, 0), VMBUS_HV_SUCCESS);
			vmbus_memory_came(s.g.bus, 0, 4096);		/* another range: not yet */
			CU_ASSERT_EQUAL(s.d.resumes, pauses);
			vmbus_memory_gone(s.g.bus, GUEST_RING + rows[i].at, 4096);	/* and again: paused already */
			CU_ASSERT_EQUAL(s.d.pauses - pauses, 2);
		}
		guest_fill(&s.g);
		CU_ASSERT_EQUAL(s.d.resumes, s.d.pauses);
		CU_ASSERT_EQUAL(guest_flag(&s.g, 1, 1), rows[i].pauses);	/* rung, in case the guest had waited */
		CU_ASSERT_EQUAL(s.g.mapped, 5);
		CU_ASSERT_PTR_EQUAL(vmbus_gpadl_pages(s.d.held)[3], s.g.ram + 1003 * 4096);
	}
	CU_ASSERT_EQUAL(s.d.doorbells, 0);		/* not while paused */
	ctl->read_index = 16;				/* our own index is not read back */
	CU_ASSERT_EQUAL(vmbus_ring_write(&guest, 6, false, 2, "b", 1), 0);
	CU_ASSERT_FALSE(vmbus_ring_publish(&guest));
	CU_ASSERT_EQUAL(vmbus_ring_next(in, buf, sizeof(buf), &pkt), 1);
	CU_ASSERT_EQUAL(pkt.transaction_id, 2);
	guest_unmap_pages(&s.g, base, 7);
	stage_end(&s);
}

static void paused_channels_close_and_open(void)
{
	union any_message m;
	struct stage s;

	stage_open(&s, VMBUS_VERSION_5_3);
	guest_hole(&s.g, GUEST_RING + 8 * 4096, 4096);
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	CU_ASSERT_EQUAL(s.d.closes, 1);
	guest_post_open(&s.g, 1, 0x101, 4, 0);		/* its memory is not there */
	CU_ASSERT_EQUAL(guest_open_result(&s.g, 1), VMBUS_STATUS_FAILED);
	guest_fill(&s.g);
	CU_ASSERT_EQUAL(s.d.resumes, 0);
	guest_post_open(&s.g, 1, 0x101, 4, 0);
	CU_ASSERT_EQUAL(guest_open_result(&s.g, 1), 0);
	/* in the middle of opening: the device learns of it when it has opened */
	guest_post_relid(&s.g, VMBUS_MSG_CLOSECHANNEL, 1);
	s.d.late_open = true;
	guest_post_open(&s.g, 1, 0x101, 4, 0);
	guest_hole(&s.g, GUEST_RING + 8 * 4096, 4096);
	CU_ASSERT_EQUAL(s.d.pauses, 1);
	vmbus_channel_opened(device_channel(&s.d), 0);
	CU_ASSERT_EQUAL(guest_open_result(&s.g, 1), 0);
	CU_ASSERT_EQUAL(s.d.pauses, 2);
	guest_gpadl(&s.g, 1, 0x60, 1000, 4);		/* its pages are there, but could go unnoticed */
	CU_ASSERT_EQUAL(vmbus_gpadl_get(device_channel(&s.d), 0x60, &s.d.held), -EFAULT);
	guest_fill(&s.g);
	CU_ASSERT_EQUAL(s.d.resumes, 1);
	/* a paused one whose connection ends */
	guest_hole(&s.g, GUEST_RING + 8 * 4096, 4096);
	guest_post_empty(&s.g, VMBUS_MSG_UNLOAD);
	CU_ASSERT_EQUAL(guest_next(&s.g, &m), VMBUS_MSG_UNLOAD_RESPONSE);
	CU_ASSERT_EQUAL(s.g.mapped, 0);
	guest_fill(&s.g);
	stage_end(&s);
}

static const struct hv_test tests[] = {
	{ "an offer is as on the wire", offer_is_as_on_the_wire },
	{ "devices come hot", devices_come_hot },
	{ "open checks what it is given", open_checks_what_it_is_given },
	{ "open checks the indices", open_checks_the_indices },
	{ "a device may refuse and take its time", device_may_refuse_and_take_its_time },
	{ "states take messages as the table says", states_take_messages_as_the_table_says },
	{ "unknown channels get no answers", unknown_channels_get_no_answers },
	{ "open while closing is remembered", open_while_closing_is_remembered },
	{ "close in the middle of opening", close_in_the_middle_of_opening },
	{ "modify answers from 5.3 on", modify_answers_from_5_3_on },
	{ "signals interrupt when the flag was clear", signals_interrupt_when_the_flag_was_clear },
	{ "signals without their page come later", signals_without_their_page_come_later },
	{ "the guest rings a channel", guest_rings_a_channel },
	{ "old versions ring through the interrupt page", old_versions_ring_through_the_interrupt_page },
	{ "a destroyed device is rescinded", destroyed_device_is_rescinded },
	{ "ids stay taken until released", ids_stay_taken_until_released },
	{ "a device destroyed without a connection", destroyed_without_a_connection },
	{ "a rescind answers what is owed", rescind_answers_what_is_owed },
	{ "sub-channels come and go", subchannels_come_and_go },
	{ "sub-channels go before their primary", subchannels_go_before_their_primary },
	{ "old versions have no sub-channels", old_versions_have_no_subchannels },
	{ "memory pauses what uses it", memory_pauses_what_uses_it },
	{ "paused channels close and open", paused_channels_close_and_open },
};

HV_TEST_MAIN("vmbus/channel", tests)
