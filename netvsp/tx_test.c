/* SPDX-License-Identifier: MIT */
/* Guest to host: the forms of a packet, batches, what is refused and how, completions, pauses. */
#include "netvsp/test_world.h"

#include "base/test.h"

static struct world *up(uint32_t ring_pages)
{
	struct world *w = world_create();

	CU_ASSERT_FATAL(guest_up(w, ring_pages));
	return w;
}

static bool last_frame_is(struct world *w, const uint8_t *frame, uint32_t bytes)
{
	const struct world_frame *f;

	if (!w->port->n)
		return false;
	f = &w->port->frame[(w->port->n - 1) % WORLD_INPUT_FRAMES];
	return f->len == bytes && !memcmp(f->bytes, frame, bytes);
}

/* Writes a message with a frame of n bytes to guest RAM or section and sends it as form A, B or C. */
static void send_frame(struct world *w, char form, uint64_t id, const uint8_t *frame, uint32_t n)
{
	static uint8_t m[16384];
	const uint32_t bytes = make_packet(m, NULL, 0, frame, n, 0), section = 5;
	const struct nvsp_rndis_packet nvsp = {
		to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(section), to_le32(44),
	};
	struct {
		struct vmbus_pkt_gpa_direct head;
		struct vmbus_gpa_range_header range;
		le64 pfn[4];
	} e = { .head.range_count = to_le32(1) };

	if (form == 'A') {
		world_write(w, 1, section * 6144, m, bytes);
		CU_ASSERT_TRUE(guest_put_section(w, id, section, bytes));
	} else if (form == 'B') {
		memcpy(w->bus.ram + WORLD_FREE_AT + 4000, m, bytes);	/* the header crosses a page inside its range */
		CU_ASSERT_TRUE(guest_put_direct(w, id, 0, guest_gpa(WORLD_FREE_AT + 4000), bytes));
	} else {
		world_write(w, 1, section * 6144, m, 44);
		memcpy(w->bus.ram + WORLD_FREE_AT + 4090, m + 44, bytes - 44);
		e.range.bytes = to_le32(bytes - 44);
		e.range.offset = to_le32(4090);
		for (unsigned i = 0; i < 4; i++)
			e.pfn[i] = to_le64(guest_gpa(WORLD_FREE_AT) / 4096 + i);
		CU_ASSERT_TRUE(guest_put(w, VMBUS_PKT_DATA_GPA_DIRECT, true, id, &e,
					 16 + (4090 + bytes - 44 + 4095) / 4096 * 8, &nvsp, sizeof(nvsp)));
	}
	guest_go(w);
}

static void every_form_carries_frames_of_every_size(void)
{
	static const uint32_t sizes[] = { 14, 15, 60, 64, 127, 128, 129, 256, 1513, 1514 };
	uint8_t frame[1514];

	for (unsigned scattered = 0; scattered < 2; scattered++) {
		struct world *w = world_create();

		world_open(w, 16);
		world_gpadl(w, 0, WORLD_RECEIVE_HANDLE, WORLD_RECEIVE_AT, 1024, scattered);
		world_gpadl(w, 1, WORLD_SEND_HANDLE, WORLD_SEND_AT, WORLD_SEND_PAGES, scattered);
		CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_6_1, 1514, true));
		for (int form = 'A'; form <= 'C'; form++)
			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
				make_frame(frame, sizes[i], world_peer, world_mac, (uint8_t)((size_t)form + i));
				send_frame(w, (char)form, 7 + i, frame, sizes[i]);
				CU_ASSERT_EQUAL(guest_sent_status(w, 7 + i), NVSP_STATUS_SUCCESS);
				CU_ASSERT_TRUE(last_frame_is(w, frame, sizes[i]));
			}
		CU_ASSERT_EQUAL(w->port->n, 30);
		CU_ASSERT_EQUAL(w->port->short_heads, 0);
		CU_ASSERT_EQUAL(world_counter(w, "to-host-frames"), 30);
		world_destroy(w);
	}
}

static void a_header_may_be_split_over_ranges(void)
{
	const struct nvsp_rndis_packet nvsp = {
		to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(NVSP_NO_SECTION), to_le32(0),
	};
	struct {
		struct vmbus_pkt_gpa_direct head;
		struct {
			struct vmbus_gpa_range_header h;
			le64 pfn;
		} range[40];
	} e = { .head.range_count = to_le32(40) };
	struct world *w = up(16);
	uint8_t frame[116], m[160];

	make_frame(frame, sizeof(frame), world_peer, world_mac, 3);
	CU_ASSERT_EQUAL(make_packet(m, NULL, 0, frame, sizeof(frame), 0), 160);
	for (unsigned i = 0; i < 40; i++) {	/* four bytes each, back to front in memory */
		const uint32_t at = WORLD_FREE_AT + 8 * (39 - i);

		memcpy(w->bus.ram + at, m + 4 * i, 4);
		e.range[i].h = (struct vmbus_gpa_range_header){ to_le32(4), to_le32(at % 4096) };
		e.range[i].pfn = to_le64(guest_gpa(at) / 4096);
	}
	guest_put(w, VMBUS_PKT_DATA_GPA_DIRECT, true, 8, &e, sizeof(e), &nvsp, sizeof(nvsp));
	guest_go(w);
	CU_ASSERT_EQUAL(guest_sent_status(w, 8), NVSP_STATUS_SUCCESS);
	CU_ASSERT_TRUE(last_frame_is(w, frame, sizeof(frame)));
	world_destroy(w);
}

/* A section with n frames, padded to 8 but for the last, and one that lies at index bad. */
static uint32_t write_batch(struct world *w, uint32_t section, unsigned n, unsigned bad)
{
	uint8_t frame[61], m[6144 + 200];
	uint32_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rndis_packet *h = (struct rndis_packet *)(m + at);

		make_frame(frame, sizeof(frame), world_peer, world_mac, (uint8_t)i);
		at += make_packet(m + at, NULL, 0, frame, sizeof(frame), i + 1 < n ? 7 : 0);
		if (i == bad)
			h->data_offset = to_le32(2000);
	}
	world_write(w, 1, section * 6144, m, at);
	return at;
}

static void a_batch_is_one_packet_with_one_completion(void)
{
	struct world *w = up(16);
	struct vmbus_packet pkt;

	guest_put_section(w, 9, 0, write_batch(w, 0, 8, 99));
	guest_put_section(w, 10, 1, write_batch(w, 1, NETVSP_TX_MESSAGES, 99));
	guest_go(w);
	CU_ASSERT_EQUAL(w->port->n, 8 + NETVSP_TX_MESSAGES);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(w->port->frame[i].bytes[14], (uint8_t)(i + 14));
	CU_ASSERT_EQUAL(guest_sent_status(w, 9), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_sent_status(w, 10), NVSP_STATUS_SUCCESS);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	world_destroy(w);
}

static void one_lie_costs_its_packet_and_no_other(void)
{
	struct world *w = up(16);

	guest_put_section(w, 1, 0, write_batch(w, 0, 3, 99));
	guest_put_section(w, 2, 1, write_batch(w, 1, 5, 4));
	guest_put_section(w, 3, 2, write_batch(w, 2, 2, 99));
	guest_go(w);
	CU_ASSERT_EQUAL(guest_sent_status(w, 1), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(guest_sent_status(w, 2), NVSP_STATUS_FAILURE);
	CU_ASSERT_EQUAL(guest_sent_status(w, 3), NVSP_STATUS_SUCCESS);
	CU_ASSERT_EQUAL(w->port->n, 5);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	CU_ASSERT_EQUAL(world_counter(w, "rndis-bad-data-range"), 1);
	CU_ASSERT_EQUAL(world_counter(w, "to-host-packets-refused"), 1);
	world_destroy(w);
}

static void every_lie_in_a_packet_has_its_counter(void)
{
	enum how { NOTHING, TYPE_2, SECOND_TYPE, SHORT, LENGTH, OOB, DATA, TINY, LONG, PPI_AREA, PPI, CSUM, LSO, MANY };
	static const struct {
		const char *counter;
		enum how how;
		uint32_t section, bytes;	/* bytes 0: those of the message */
		uint32_t status;		/* 0: the channel dies */
	} rows[] = {
		{ "section-bad", NOTHING, 170, 0, 0 },
		{ "section-bad", NOTHING, 0x80000000, 0, 0 },
		{ "section-bad", NOTHING, 0, 6145, 0 },
		{ "section-bad", NOTHING, 169, ~0u, 0 },
		{ "packet-no-data", NOTHING, NVSP_NO_SECTION, 0, NVSP_STATUS_FAILURE },
		{ "packet-bad-channel-type", TYPE_2, 0, 0, NVSP_STATUS_FAILURE },
		{ "batch-mixed", SECOND_TYPE, 0, 0, NVSP_STATUS_FAILURE },
		{ "batch-too-long", MANY, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-short-header", NOTHING, 0, 7, NVSP_STATUS_FAILURE },
		{ "rndis-short-header", NOTHING, 0, 43, NVSP_STATUS_FAILURE },
		{ "rndis-short-header", SHORT, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-bad-length", LENGTH, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-oob-data", OOB, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-bad-data-range", DATA, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-frame-too-short", TINY, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-frame-too-long", LONG, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-bad-ppi-range", PPI_AREA, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-bad-ppi-element", PPI, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-checksum-not-offered", CSUM, 0, 0, NVSP_STATUS_FAILURE },
		{ "rndis-lso-not-offered", LSO, 0, 0, NVSP_STATUS_FAILURE },
		{ "to-host-packets", NOTHING, 169, 0, NVSP_STATUS_SUCCESS },
	};
	struct world *w = world_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before;
		struct rndis_ppi_u32 p = {
			.header = { to_le32(16), to_le32(77), to_le32(12) }, .value = to_le32(RNDIS_CSUM_TCP),
		};
		uint8_t frame[1600], m[6144];
		uint32_t n = 60, bytes, frames;
		struct nvsp_rndis_packet nvsp = { to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(rows[i].section),
						  to_le32(rows[i].bytes) };
		struct rndis_packet *h = (struct rndis_packet *)m;

		CU_ASSERT_TRUE(guest_up(w, 8));
		before = world_counter(w, rows[i].counter);
		frames = w->port->n;
		if (rows[i].how == LONG)
			n = 1515;
		if (rows[i].how == PPI)
			p.header.size = to_le32(0);
		if (rows[i].how == CSUM)
			p.header.type = to_le32(RNDIS_PPI_CHECKSUM);
		if (rows[i].how == LSO)
			p.header.type = to_le32(RNDIS_PPI_LSO);
		make_frame(frame, n, world_peer, world_mac, 0);
		bytes = make_packet(m, &p, sizeof(p), frame, n, 4);
		if (rows[i].how == TYPE_2)
			nvsp.channel_type = to_le32(2);
		if (rows[i].how == SECOND_TYPE) {
			memcpy(m + bytes, m, bytes);
			((struct rndis_packet *)(m + bytes))->type = to_le32(RNDIS_KEEPALIVE);
			bytes *= 2;
		}
		if (rows[i].how == SHORT)
			bytes += 43;
		if (rows[i].how == LENGTH)
			h->length = to_le32(bytes + 1);
		if (rows[i].how == OOB)
			h->oob_count = to_le32(1);
		if (rows[i].how == DATA)
			h->data_length = to_le32(n + 5);
		if (rows[i].how == TINY)
			h->data_length = to_le32(13);
		if (rows[i].how == PPI_AREA)
			h->ppi_length = to_le32(2000);
		if (rows[i].how == MANY) {
			for (unsigned k = 1; k <= NETVSP_TX_MESSAGES; k++)
				memcpy(m + k * bytes, m, bytes);
			bytes *= NETVSP_TX_MESSAGES + 1;
		}
		if (rows[i].how == SHORT)
			memcpy(m + bytes - 43, m, 43);
		world_write(w, 1, 0, m, bytes);
		world_write(w, 1, 169 * 6144, m, bytes);
		if (!rows[i].bytes)
			nvsp.section_bytes = to_le32(bytes);
		guest_send(w, true, 6, &nvsp, sizeof(nvsp));
		if (world_counter(w, rows[i].counter) != before + 1)
			printf("row %zu: %s\n", i, rows[i].counter);
		CU_ASSERT_EQUAL(world_counter(w, rows[i].counter), before + 1);
		CU_ASSERT_EQUAL(world_state(w), rows[i].status ? NETVSP_READY : NETVSP_FAILED);
		CU_ASSERT_EQUAL(guest_sent_status(w, 6), rows[i].status);
		CU_ASSERT_EQUAL(w->port->n - frames, rows[i].status == NVSP_STATUS_SUCCESS);
		world_close(w);
	}
	world_destroy(w);
}

static void every_lie_in_ranges_has_its_counter(void)
{
	static const struct {
		const char *counter;
		uint32_t count, bytes, offset, extra_bytes;
		uint64_t pfn;
		uint32_t status;
	} rows[] = {
		{ "ranges-bad", 0, 100, 0, 24, 0, 0 },
		{ "ranges-bad", 2, 100, 0, 24, 0, 0 },
		{ "ranges-bad", ~0u, 100, 0, 24, 0, 0 },
		{ "ranges-bad", 1, 0, 0, 24, 0, 0 },
		{ "ranges-bad", 1, 100, 4096, 24, 0, 0 },
		{ "ranges-bad", 1, 100, ~0u, 24, 0, 0 },
		{ "ranges-bad", 1, 4097, 0, 24, 0, 0 },
		{ "ranges-bad", 1, 2, 4095, 24, 0, 0 },
		{ "ranges-bad", 1, 100, 0, 16, 0, 0 },
		{ "ranges-bad", 1, 100, 0, 8, 0, 0 },
		{ "ranges-no-memory", 1, 100, 0, 24, 1, NVSP_STATUS_FAILURE },
		{ "ranges-no-memory", 1, 100, 0, 24, ~0ull, NVSP_STATUS_FAILURE },
		{ "ranges-bad", 1, ~0u, 0, 24, 0, 0 },
		{ "packet-too-long", 1, 128 * 1024 + 1, 0, 16 + 33 * 8, 0, NVSP_STATUS_FAILURE },
		{ "to-host-packets", 1, 104, 0, 24, 0, NVSP_STATUS_SUCCESS },
	};
	const struct nvsp_rndis_packet nvsp = {
		to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(NVSP_NO_SECTION), to_le32(0),
	};
	struct world *w = world_create();
	uint8_t frame[60], m[104];

	make_frame(frame, 60, world_peer, world_mac, 0);
	make_packet(m, NULL, 0, frame, 60, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t good = guest_gpa(WORLD_FREE_AT) / 4096;
		struct {
			struct vmbus_pkt_gpa_direct head;
			struct vmbus_gpa_range_header range;
			le64 pfn[33];
		} e = {
			.head.range_count = to_le32(rows[i].count),
			.range = { to_le32(rows[i].bytes), to_le32(rows[i].offset) },
			.pfn[0] = to_le64(rows[i].pfn ? rows[i].pfn : good),
		};
		uint64_t before;

		CU_ASSERT_TRUE(guest_up(w, 8));
		before = world_counter(w, rows[i].counter);
		memcpy(w->bus.ram + WORLD_FREE_AT, m, sizeof(m));
		guest_put(w, VMBUS_PKT_DATA_GPA_DIRECT, true, 6, &e, rows[i].extra_bytes, &nvsp, sizeof(nvsp));
		guest_go(w);
		if (world_counter(w, rows[i].counter) != before + 1)
			printf("row %zu: %s\n", i, rows[i].counter);
		CU_ASSERT_EQUAL(world_counter(w, rows[i].counter), before + 1);
		CU_ASSERT_EQUAL(world_state(w), rows[i].status ? NETVSP_READY : NETVSP_FAILED);
		CU_ASSERT_EQUAL(guest_sent_status(w, 6), rows[i].status);
		world_close(w);
	}
	world_destroy(w);
}

static void a_section_needs_a_send_buffer(void)
{
	struct world *w = world_create();

	world_open(w, 8);
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_5, 1514, false));
	guest_put_section(w, 1, 0, 100);
	guest_go(w);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	CU_ASSERT_EQUAL(world_counter(w, "section-bad"), 1);
	world_destroy(w);
}

static void a_tag_may_be_an_element_or_in_the_frame(void)
{
	const struct rndis_ppi_u32 p = {
		.header = { to_le32(16), to_le32(RNDIS_PPI_VLAN), to_le32(12) }, .value = to_le32(5 | 0x123 << 4),
	};
	struct world *w = up(16);
	uint8_t frame[1519], m[1700];
	uint32_t n;

	make_frame(frame, 60, world_peer, world_mac, 0);
	n = make_packet(m, &p, sizeof(p), frame, 60, 0);
	world_write(w, 1, 0, m, n);
	guest_put_section(w, 1, 0, n);
	guest_go(w);
	CU_ASSERT_EQUAL(guest_sent_status(w, 1), NVSP_STATUS_SUCCESS);
	CU_ASSERT_TRUE(last_frame_is(w, frame, 60));
	CU_ASSERT_EQUAL(w->port->frame[0].offload.flags, VSWITCH_VLAN);
	CU_ASSERT_EQUAL(w->port->frame[0].offload.vlan_tci, 5 << 13 | 0x123);
	CU_ASSERT_EQUAL(world_counter(w, "to-host-vlan"), 1);

	/* a full-sized frame with its tag inside is four bytes longer; without one that is too long */
	make_frame(frame, 1518, world_peer, world_mac, 0);
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		if (tagged) {
			frame[12] = 0x81;
			frame[13] = 0x00;
		}
		n = make_packet(m, NULL, 0, frame, 1518, 0);
		world_write(w, 1, 0, m, n);
		guest_put_section(w, 2, 0, n);
		guest_go(w);
		CU_ASSERT_EQUAL(guest_sent_status(w, 2), tagged ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE);
	}
	CU_ASSERT_TRUE(last_frame_is(w, frame, 1518));
	CU_ASSERT_EQUAL(w->port->frame[1].offload.flags, 0);
	CU_ASSERT_EQUAL(w->port->n, 2);
	world_destroy(w);
}

static struct world *changing;

static void change_sections(void)
{
	memset(changing->bus.ram + WORLD_SEND_AT, 0xff, 6144);
}

/* What we have looked at is ours: the guest may rewrite its memory at any time. */
static void a_frames_head_does_not_change_under_us(void)
{
	struct world *w = up(16);
	uint8_t frame[200], m[300];
	uint32_t n;

	changing = w;
	make_frame(frame, 200, world_peer, world_mac, 0);
	n = make_packet(m, NULL, 0, frame, 200, 0);
	world_write(w, 1, 0, m, n);
	w->port->on_input = change_sections;
	guest_put_section(w, 1, 0, n);
	guest_go(w);
	CU_ASSERT_EQUAL(w->port->n, 1);
	CU_ASSERT(!memcmp(w->port->frame[0].bytes, frame, VSWITCH_HEAD_BYTES));
	CU_ASSERT_EQUAL(w->port->frame[0].bytes[VSWITCH_HEAD_BYTES], 0xff);	/* the rest is read where it is */
	world_destroy(w);
}

static void who_asked_for_no_completion_gets_none(void)
{
	struct world *w = up(16);
	const uint32_t n = write_batch(w, 0, 2, 99);
	const struct nvsp_rndis_packet nvsp = { to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(0), to_le32(0), to_le32(n) };
	struct vmbus_packet pkt;

	guest_send(w, false, 4, &nvsp, sizeof(nvsp));
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(w->port->n, 2);
	CU_ASSERT_EQUAL(world_counter(w, "nvsp-unanswerable"), 1);
	world_destroy(w);
}

static void frames_go_in_batches_and_are_answered_at_once(void)
{
	struct world *w = up(64);
	const uint32_t n = write_batch(w, 0, 1, 99);
	unsigned signals = w->bus.ch.signals;

	for (unsigned i = 0; i < 100; i++)
		guest_put_section(w, i, 0, n);
	guest_go(w);
	CU_ASSERT_EQUAL(w->port->n, 100);
	CU_ASSERT_EQUAL(w->port->inputs, 4);			/* 32, 32, 32, 4 */
	CU_ASSERT_EQUAL(w->bus.ch.signals - signals, 1);	/* the guest had not read the first ones yet */
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(guest_sent_status(w, i), NVSP_STATUS_SUCCESS);
	world_destroy(w);
}

static void a_poll_does_a_bounded_amount_of_work(void)
{
	struct world *w = up(512);
	const uint32_t n = write_batch(w, 0, 32, 99);
	unsigned polls = 0;

	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(guest_put_section(w, i, 0, n));
	CU_ASSERT_TRUE(vmbus_ring_publish(&w->bus.to_host));
	guest_ring_bell(w);
	while (w->port->n < 32000 && polls < 10000) {
		const unsigned before = w->port->n;

		w->loop.poller->poll(w->loop.poller);
		CU_ASSERT_TRUE(w->port->n - before <= 32 * VSWITCH_BATCH);
		polls++;
	}
	CU_ASSERT_TRUE(polls >= 32000 / (32 * VSWITCH_BATCH));
	CU_ASSERT_EQUAL(w->port->n, 32000);
	world_run(w);
	world_destroy(w);
}

/* The guest reads nothing: all completions must come, in order, whatever the ring holds. */
static void no_completion_is_lost_when_the_ring_is_full(void)
{
	struct world *w = up(2);
	const uint32_t n = write_batch(w, 0, 1, 99);
	uint64_t sent = 0, got = 0;

	for (unsigned round = 0; round < 400; round++) {
		while (sent < 3000 && guest_put_section(w, sent, 0, n))
			sent++;
		guest_go(w);
		if (round % 4 == 3)	/* Linux reads until there is nothing left */
			while (guest_sent_status(w, got) == NVSP_STATUS_SUCCESS)
				got++;
		if (got == 3000)
			break;
	}
	CU_ASSERT_EQUAL(sent, 3000);
	CU_ASSERT_EQUAL(got, 3000);
	CU_ASSERT_EQUAL(w->port->n, 3000);
	CU_ASSERT_TRUE(world_counter(w, "to-guest-ring-waits") > 0);
	world_destroy(w);
}

/* A reply has the same right. */
static void no_reply_is_lost_when_the_ring_is_full(void)
{
	const struct nvsp_oid_query_ex m = { .type = to_le32(NVSP_OID_QUERY_EX) };
	struct world *w = up(2);
	uint64_t sent = 0, got = 0;
	uint8_t a[64];

	while (got < 500) {
		const uint64_t before = sent + got;

		while (sent < 500 && guest_put(w, VMBUS_PKT_DATA_INBAND, true, sent, NULL, 0, &m, sizeof(m)))
			sent++;
		guest_go(w);
		while (guest_completion(w, got, a, sizeof(a)) == 40)
			got++;
		CU_ASSERT_FATAL(sent + got > before);
	}
	CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
	world_destroy(w);
}

static void a_pause_parks_frames_and_keeps_their_order(void)
{
	struct world *w = up(64);
	uint8_t frame[60], m[104];
	uint64_t id = 0;

	w->port->pause = true;
	for (unsigned i = 0; i < 500; i++) {
		make_frame(frame, 60, world_peer, world_mac, 0);
		frame[20] = (uint8_t)i;
		frame[21] = (uint8_t)(i >> 8);
		make_packet(m, NULL, 0, frame, 60, 0);
		world_write(w, 1, i % 170 * 6144, m, sizeof(m));
		CU_ASSERT_TRUE(guest_put_section(w, i, i % 170, sizeof(m)));
		if (i % 100 == 99)
			guest_go(w);
	}
	CU_ASSERT_EQUAL(w->port->n, 32);		/* the batch that was answered with "pause" */
	CU_ASSERT_EQUAL(world_counter(w, "to-host-packets-parked"), 500 - 32);
	CU_ASSERT_EQUAL(vmbus_ring_free(&w->bus.to_host), 63 * 4096 - 8);	/* the ring is empty */
	CU_ASSERT_EQUAL(w->loop.poller, NULL);		/* and nobody spins */
	while (w->port->n < 500 && id < 100) {
		w->port->nic->ops->resume(w->port->nic->opaque);
		CU_ASSERT_TRUE(world_run(w));
		id++;
	}
	CU_ASSERT_EQUAL(w->port->n, 500);
	for (id = 0; id < 500; id++)
		CU_ASSERT_EQUAL(guest_sent_status(w, id), NVSP_STATUS_SUCCESS);
	/* sections were reused, so only the last 170 are as they were when parked */
	for (unsigned i = 340; i < 500; i++)
		CU_ASSERT_EQUAL((unsigned)(w->port->frame[i].bytes[20] | w->port->frame[i].bytes[21] << 8), i);
	w->port->pause = false;
	world_destroy(w);
}

static void the_park_is_bounded_and_then_the_ring_fills(void)
{
	struct world *w = up(128);
	const uint32_t n = write_batch(w, 0, 1, 99);
	unsigned sent = 0, rounds = 0;

	w->port->pause = true;
	while (guest_put_section(w, sent, 0, n)) {
		sent++;
		guest_go(w);
		CU_ASSERT_FATAL(sent < 100000);
	}
	CU_ASSERT_TRUE(sent > 127 * 4096 / 64);
	CU_ASSERT_EQUAL(w->loop.poller, NULL);
	w->port->pause = false;
	w->port->nic->ops->resume(w->port->nic->opaque);
	for (uint64_t id = 0; id < sent; id++) {
		if (guest_sent_status(w, id) != NVSP_STATUS_SUCCESS) {
			guest_go(w);
			CU_ASSERT_FATAL(rounds++ < 100);
			id--;
		}
	}
	CU_ASSERT_EQUAL(w->port->n, sent);
	world_destroy(w);
}

/* The frames of all forms leave in the order of their packets. */
static void the_forms_keep_their_order(void)
{
	struct world *w = up(16);
	uint8_t frame[60], m[104];

	for (unsigned i = 0; i < 30; i++) {
		make_frame(frame, 60, world_peer, world_mac, 0);
		frame[20] = (uint8_t)i;
		make_packet(m, NULL, 0, frame, 60, 0);
		if (i % 3) {
			world_write(w, 1, i * 6144, m, sizeof(m));
			guest_put_section(w, i, i, sizeof(m));
		} else {
			memcpy(w->bus.ram + WORLD_FREE_AT + i * 128, m, sizeof(m));
			guest_put_direct(w, i, 0, guest_gpa(WORLD_FREE_AT + i * 128), sizeof(m));
		}
	}
	guest_go(w);
	CU_ASSERT_EQUAL(w->port->n, 30);
	for (unsigned i = 0; i < 30; i++)
		CU_ASSERT_EQUAL(w->port->frame[i].bytes[20], i);
	world_destroy(w);
}

/* Packets whose section was checked before the pause, and whose buffer went during it. */
static void a_send_buffer_may_go_while_its_packets_wait(void)
{
	struct world *w = up(64);
	const uint32_t n = write_batch(w, 0, 8, 99);
	unsigned good = 0, bad = 0;

	w->port->pause = true;
	for (unsigned i = 0; i < 60; i++)
		guest_put_section(w, i, 0, n);
	guest_go(w);
	CU_ASSERT_TRUE(w->nic->primary.tx.num_jobs > 0);
	CU_ASSERT_TRUE(w->nic->primary.park.tail > 0);
	w->bus.ops->gpadl_teardown(w->bus.opaque, &w->bus.ch, &w->bus.gpadl[1]);
	CU_ASSERT_EQUAL(w->bus.gpadl[1].refs, 0);
	w->port->nic->ops->resume(w->port->nic->opaque);
	CU_ASSERT_TRUE(world_run(w));
	for (uint64_t id = 0; id < 60; id++) {
		const uint32_t status = guest_sent_status(w, id);

		good += status == NVSP_STATUS_SUCCESS;
		bad += status == NVSP_STATUS_FAILURE;
	}
	CU_ASSERT_EQUAL(good, w->port->n / 8);
	CU_ASSERT_EQUAL(good + bad, 60);
	w->port->pause = false;
	world_destroy(w);
}

/* The port that asked for a pause is gone, and with it the resume. */
static void a_pause_ends_with_its_port(void)
{
	struct world *w = up(64);
	const uint32_t n = write_batch(w, 0, 1, 99);

	w->port->pause = true;
	for (unsigned i = 0; i < 100; i++)
		guest_put_section(w, i, 0, n);
	guest_go(w);
	CU_ASSERT_EQUAL(w->port->n, 32);
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->other_port), 0);
	CU_ASSERT_TRUE(world_run(w));
	CU_ASSERT_EQUAL(w->other_port->n, 68);
	w->port->pause = false;
	world_destroy(w);
}

static void packets_in_the_park_are_counted_when_the_channel_closes(void)
{
	struct world *w = up(64);
	const uint32_t n = write_batch(w, 0, 1, 99);

	w->port->pause = true;
	for (unsigned i = 0; i < 50; i++)
		guest_put_section(w, i, 0, n);
	guest_go(w);
	world_close(w);
	CU_ASSERT_EQUAL(w->port->n, 32);
	CU_ASSERT_EQUAL(world_counter(w, "to-host-packets-lost-at-close"), 18);
	w->port->pause = false;
	CU_ASSERT_TRUE(guest_up(w, 64));
	world_destroy(w);
}

static void without_a_port_frames_are_completed_and_counted(void)
{
	struct world *w = up(16);

	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, NULL), 0);
	guest_put_section(w, 1, 0, write_batch(w, 0, 3, 99));
	guest_go(w);
	world_run(w);
	for (struct vmbus_packet pkt; guest_next(w, &pkt);)
		CU_ASSERT_TRUE(pkt.type == VMBUS_PKT_COMPLETION || pkt.type == VMBUS_PKT_DATA_TRANSFER_PAGES);
	CU_ASSERT_EQUAL(world_counter(w, "to-host-no-port"), 3);
	CU_ASSERT_EQUAL(w->port->n, 0);
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->other_port), 0);
	guest_put_section(w, 1, 0, write_batch(w, 0, 3, 99));
	guest_go(w);
	CU_ASSERT_EQUAL(w->other_port->n, 3);
	world_destroy(w);
}

static const struct hv_test tests[] = {
	{ "every form carries frames of every size", every_form_carries_frames_of_every_size },
	{ "a header may be split over ranges", a_header_may_be_split_over_ranges },
	{ "a batch is one packet with one completion", a_batch_is_one_packet_with_one_completion },
	{ "one lie costs its packet and no other", one_lie_costs_its_packet_and_no_other },
	{ "every lie in a packet has its counter", every_lie_in_a_packet_has_its_counter },
	{ "every lie in ranges has its counter", every_lie_in_ranges_has_its_counter },
	{ "a section needs a send buffer", a_section_needs_a_send_buffer },
	{ "a tag may be an element or in the frame", a_tag_may_be_an_element_or_in_the_frame },
	{ "a frame's head does not change under us", a_frames_head_does_not_change_under_us },
	{ "who asked for no completion gets none", who_asked_for_no_completion_gets_none },
	{ "frames go in batches and are answered at once", frames_go_in_batches_and_are_answered_at_once },
	{ "a poll does a bounded amount of work", a_poll_does_a_bounded_amount_of_work },
	{ "no completion is lost when the ring is full", no_completion_is_lost_when_the_ring_is_full },
	{ "no reply is lost when the ring is full", no_reply_is_lost_when_the_ring_is_full },
	{ "a pause parks frames and keeps their order", a_pause_parks_frames_and_keeps_their_order },
	{ "the park is bounded and then the ring fills", the_park_is_bounded_and_then_the_ring_fills },
	{ "the forms keep their order", the_forms_keep_their_order },
	{ "a send buffer may go while its packets wait", a_send_buffer_may_go_while_its_packets_wait },
	{ "a pause ends with its port", a_pause_ends_with_its_port },
	{ "packets in the park are counted when the channel closes",
	  packets_in_the_park_are_counted_when_the_channel_closes },
	{ "without a port frames are completed and counted", without_a_port_frames_are_completed_and_counted },
};

int main(void)
{
	world_unused();
	return hv_test_main("netvsp/tx", tests, sizeof(tests) / sizeof(tests[0]));
}
