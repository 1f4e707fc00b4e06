/* SPDX-License-Identifier: MIT */
/*
 * What the header parser finds, and where it refuses to look on.
 */
#include "vswitch/headers.h"
#include "vswitch/test_packet.h"

static uint8_t bytes[2048];

static enum flow_result parse(uint32_t len, struct flow *f)
{
	uint8_t *copy = malloc(len ? len : 1);	/* so that a sanitizer sees what is read beyond it */
	enum flow_result r;

	memcpy(copy, bytes, len);
	r = flow_parse(copy, len, len, f);
	free(copy);
	return r;
}

static uint32_t write(const struct test_packet *t)
{
	memset(bytes, 0, sizeof(bytes));
	return test_packet_write(bytes, t);
}

static void finds_five_fields(void)
{
	static const struct test_packet packets[] = {
		{ .protocol = FLOW_TCP, .tcp_flags = 0x12 },
		{ .protocol = FLOW_UDP, .payload = 100 },
		{ .version = 6, .protocol = FLOW_TCP, .tcp_flags = 0x12 },
		{ .version = 6, .protocol = FLOW_UDP, .extensions = 3 },
		{ .version = 6, .protocol = FLOW_UDP, .extensions = HEADERS_EXTENSIONS_MAX },
	};
	struct test_packet t;
	struct flow f;

	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		t = packets[i];
		t.from = 0x0a000001;
		t.to = 0x0a000002;
		t.from_port = 1234;
		t.to_port = 80;
		CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
		CU_ASSERT_EQUAL(f.version, t.version ? 6 : 4);
		CU_ASSERT_EQUAL(f.protocol, t.protocol);
		CU_ASSERT_TRUE(f.has_ports);
		CU_ASSERT_EQUAL(f.source_port, 1234);
		CU_ASSERT_EQUAL(f.destination_port, 80);
		CU_ASSERT_EQUAL(f.tcp_flags, t.tcp_flags);
		CU_ASSERT_EQUAL(get_be32(f.source + (t.version ? 12 : 0)), t.from);
		CU_ASSERT_EQUAL(get_be32(f.destination + (t.version ? 12 : 0)), t.to);
		CU_ASSERT_EQUAL(f.fragment, FLOW_WHOLE);
	}
}

static void finds_echoes(void)
{
	struct test_packet t = { .protocol = FLOW_ICMP, .from_port = 8, .to_port = 77 };
	struct flow f;

	CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
	CU_ASSERT(f.is_echo_request && !f.is_echo_reply && !f.has_ports);
	CU_ASSERT_EQUAL(f.echo_id, 77);
	t.from_port = 0;
	CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
	CU_ASSERT(!f.is_echo_request && f.is_echo_reply);
	t = (struct test_packet){ .version = 6, .protocol = FLOW_ICMPV6, .from_port = 128, .to_port = 78 };
	CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
	CU_ASSERT(f.is_echo_request && !f.is_echo_reply && f.echo_id == 78);
	t.from_port = 134;
	CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
	CU_ASSERT(!f.is_echo_request && !f.is_echo_reply);
	/* Each version has its own ICMP. */
	t = (struct test_packet){ .version = 6, .protocol = FLOW_ICMP, .from_port = 8, .to_port = 77 };
	CU_ASSERT_EQUAL(parse(write(&t), &f), FLOW_IP);
	CU_ASSERT(!f.is_echo_request);
}

/* ---- quotations ---- */

/* An error of the version's ICMP around the first n bytes of a packet. */
static uint32_t write_error(uint8_t version, uint8_t type, const struct test_packet *lost, uint32_t n)
{
	struct test_packet t = { .version = version, .protocol = version == 6 ? FLOW_ICMPV6 : FLOW_ICMP, .from = 9, .to = 1,
				 .from_port = type, .payload = (uint16_t)n };
	uint8_t quoted[2048] = { 0 };
	uint32_t len;

	test_packet_write(quoted, lost);
	len = write(&t);
	memcpy(bytes + len - n, quoted + 14, n);
	return len;
}

static enum flow_result parse_quotation(uint32_t len, struct flow *f)
{
	uint8_t *copy = malloc(len);
	enum flow_result r;

	memcpy(copy, bytes, len);
	r = flow_parse_quotation(copy, len, len, f);
	free(copy);
	return r;
}

static void knows_errors(void)
{
	static const uint8_t errors[2][5] = { { 3, 11, 12 }, { 1, 2, 3, 4 } };
	struct test_packet lost = { .from = 1, .to = 2 };
	struct flow f;
	bool is_error;

	for (unsigned v = 0; v < 2; v++) {
		for (unsigned type = 0; type < 256; type++) {
			lost.version = v ? 6 : 4;
			CU_ASSERT_EQUAL(parse(write_error(lost.version, (uint8_t)type, &lost, 48), &f), FLOW_IP);
			is_error = f.is_error;
			CU_ASSERT_EQUAL(is_error, type && memchr(errors[v], (int)type, 4));
			CU_ASSERT_EQUAL(parse_quotation(write_error(lost.version, (uint8_t)type, &lost, 48), &f),
					is_error ? FLOW_IP : FLOW_NOT_IP);
		}
	}
}

static void reads_what_is_quoted(void)
{
	static const struct {
		const char *what;
		struct test_packet lost;
		uint32_t n;
		enum flow_result result;
	} rows[] = {
		{ "TCP, 8 bytes of it", { .protocol = FLOW_TCP, .payload = 900 }, 28, FLOW_IP },
		{ "UDP, all", { .payload = 20 }, 48, FLOW_IP },
		{ "UDP, 7 bytes of it", { .payload = 20 }, 27, FLOW_BAD },
		{ "UDP, shorter than it should be", { .cut = 1 }, 27, FLOW_BAD },
		{ "what has no ports", { .protocol = 47, .payload = 20 }, 20, FLOW_IP },
		{ "an echo", { .protocol = FLOW_ICMP }, 28, FLOW_IP },
		{ "a first fragment", { .more = true, .payload = 8 }, 36, FLOW_IP },
		{ "a later one", { .offset = 8, .payload = 24 }, 44, FLOW_BAD },
		{ "IPv6 behind options", { .version = 6, .extensions = 8 }, 112, FLOW_IP },
		{ "IPv6, cut off in the options", { .version = 6, .extensions = 8 }, 100, FLOW_BAD },
		{ "IPv6, too many options", { .version = 6, .extensions = 9 }, 120, FLOW_BAD },
	};
	struct test_packet lost;
	struct flow f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lost = rows[i].lost;
		lost.from = 1;
		lost.to = 2;
		lost.from_port = 8;
		lost.to_port = 80;
		if (parse_quotation(write_error(lost.version, 3, &lost, rows[i].n), &f) != rows[i].result) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("a quotation is read wrongly");
		}
		if (rows[i].result != FLOW_IP)
			continue;
		CU_ASSERT(f.source[lost.version ? 15 : 3] == 1 && f.destination[lost.version ? 15 : 3] == 2);
		CU_ASSERT_EQUAL(f.protocol, lost.protocol ? lost.protocol : FLOW_UDP);
		if (f.has_ports)
			CU_ASSERT(f.source_port == 8 && f.destination_port == 80);
		CU_ASSERT_EQUAL(f.is_echo_request ? f.echo_id : 80, 80);
	}
}

/* The bytes of a packet, from the type on, move back to let something in. */
static uint32_t put_in(uint32_t len, const void *what, uint32_t n)
{
	memmove(bytes + 12 + n, bytes + 12, len - 12);
	memcpy(bytes + 12, what, n);
	return len + n;
}

static void looks_behind_tags_and_snap(void)
{
	static const uint8_t tag[4] = { 0x81, 0, 0, 5 }, service[4] = { 0x88, 0xa8, 0, 5 };
	static const uint8_t snap[8] = { 0, 60, 0xaa, 0xaa, 3, 0, 0, 0 }, llc[8] = { 0, 60, 0x42, 0x42, 3, 0, 0, 0 };
	struct test_packet t = { .to_port = 53 };
	struct flow f;
	uint32_t len;

	len = put_in(write(&t), tag, 4);
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_IP);
	CU_ASSERT_EQUAL(f.destination_port, 53);
	len = put_in(len, service, 4);
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_IP);
	len = put_in(len, snap, 8);
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_IP);
	CU_ASSERT_EQUAL(f.destination_port, 53);
	len = put_in(len, tag, 4);
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_BAD);	/* one too many */
	len = put_in(write(&t), llc, 8);
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_NOT_IP);
	CU_ASSERT_EQUAL(parse(put_in(write(&t), "\x08\x06", 2), &f), FLOW_NOT_IP);
	CU_ASSERT_EQUAL(parse(13, &f), FLOW_NOT_IP);
	write(&t);
	CU_ASSERT_EQUAL(parse(put_in(14, tag, 4) - 2, &f), FLOW_NOT_IP);	/* ends within the tag */
}

static void refuses_what_contradicts_itself(void)
{
	static const struct {
		const char *what;
		struct test_packet packet;
		unsigned at;			/* of this byte … */
		uint8_t value;			/* … this is what it is */
		int longer;			/* than the frame really is */
		enum flow_result result;
	} rows[] = {
		{ "IPv4: version 5", { .to_port = 1 }, 14, 0x55, 0, FLOW_BAD },
		{ "IPv4: header of 16 bytes", { .to_port = 1 }, 14, 0x44, 0, FLOW_BAD },
		{ "IPv4: header beyond the packet", { .to_port = 1 }, 14, 0x4f, 0, FLOW_BAD },
		{ "IPv4: longer than the frame", { .to_port = 1 }, 17, 29, 0, FLOW_BAD },
		{ "IPv4: shorter than its header", { .to_port = 1 }, 17, 19, 0, FLOW_BAD },
		{ "IPv4: padding behind it", { .to_port = 1 }, 17, 28, 20, FLOW_IP },
		{ "IPv4: transport header in the padding", { .to_port = 1 }, 17, 27, 20, FLOW_BAD },
		{ "IPv6: version 4", { .version = 6 }, 14, 0x40, 0, FLOW_BAD },
		{ "IPv6: longer than the frame", { .version = 6 }, 19, 9, 0, FLOW_BAD },
		{ "IPv6: extension beyond the packet", { .version = 6, .extensions = 1 }, 55, 1, 0, FLOW_BAD },
		{ "IPv6: an extension too many", { .version = 6, .extensions = 9 }, 21, 64, 0, FLOW_BAD },
		{ "IPv6: fragment of a fragment", { .version = 6, .more = true, .payload = 8 }, 54, 44, 0, FLOW_BAD_FRAGMENT },
		{ "IPv6: no next header", { .version = 6, .protocol = 59 }, 21, 64, 0, FLOW_IP },
		{ "TCP: 19 bytes of it", { .protocol = FLOW_TCP, .cut = 1 }, 22, 64, 0, FLOW_BAD },
		{ "UDP: 7 bytes of it", { .protocol = FLOW_UDP, .cut = 1 }, 22, 64, 0, FLOW_BAD },
		{ "ICMP: 7 bytes of it", { .protocol = FLOW_ICMP, .cut = 1 }, 22, 64, 0, FLOW_BAD },
		{ "what we do not know has no header", { .protocol = 50 }, 22, 64, 0, FLOW_IP },
	};
	struct flow f;
	uint32_t len;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = write(&rows[i].packet) + (uint32_t)rows[i].longer;
		bytes[rows[i].at] = rows[i].value;
		if (parse(len, &f) != rows[i].result) {
			fprintf(stderr, "%s: %d\n", rows[i].what, parse(len, &f));
			CU_FAIL("a lie is believed, or the truth is not");
		}
	}
}

static void tells_fragments_apart(void)
{
	static const struct {
		struct test_packet packet;
		enum flow_result result;
		enum flow_fragment fragment;
	} rows[] = {
		{ { .protocol = FLOW_TCP, .more = true }, FLOW_IP, FLOW_FIRST },
		{ { .protocol = FLOW_TCP, .more = true, .cut = 4 }, FLOW_BAD_FRAGMENT, FLOW_FIRST },
		{ { .protocol = FLOW_UDP, .more = true, .cut = 1 }, FLOW_BAD_FRAGMENT, FLOW_FIRST },
		{ { .protocol = FLOW_TCP, .offset = 24, .payload = 8 }, FLOW_IP, FLOW_LATER },
		{ { .protocol = FLOW_TCP, .offset = 16, .payload = 8 }, FLOW_BAD_FRAGMENT, FLOW_LATER },
		{ { .protocol = FLOW_TCP, .offset = 8, .more = true, .payload = 8 }, FLOW_BAD_FRAGMENT, FLOW_LATER },
		{ { .protocol = FLOW_UDP, .offset = 8, .payload = 8 }, FLOW_IP, FLOW_LATER },
		{ { .version = 6, .protocol = FLOW_TCP, .more = true }, FLOW_IP, FLOW_FIRST },
		{ { .version = 6, .protocol = FLOW_TCP, .more = true, .cut = 4 }, FLOW_BAD_FRAGMENT, FLOW_FIRST },
		{ { .version = 6, .protocol = FLOW_TCP, .offset = 1440, .payload = 8 }, FLOW_IP, FLOW_LATER },
		{ { .version = 6, .protocol = FLOW_TCP, .offset = 8, .payload = 8 }, FLOW_BAD_FRAGMENT, FLOW_LATER },
		{ { .version = 6, .protocol = 60, .offset = 8, .payload = 8 }, FLOW_IP, FLOW_LATER },
	};
	struct test_packet t;
	struct flow f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t = rows[i].packet;
		t.id = 0x1234;
		CU_ASSERT_EQUAL(parse(write(&t), &f), rows[i].result);
		CU_ASSERT_EQUAL(f.fragment, rows[i].fragment);
		CU_ASSERT_EQUAL(f.fragment_id, 0x1234);
		CU_ASSERT_EQUAL(f.protocol_hidden, t.version == 6 && t.protocol == 60);
		if (rows[i].fragment == FLOW_LATER)
			CU_ASSERT_FALSE(f.has_ports);
	}
}

/* RFC 6946: a fragment header that says "all of it" makes no fragment. */
static void takes_atomic_fragments_as_whole(void)
{
	struct test_packet t = { .version = 6, .more = true, .to_port = 53 };
	uint32_t len = write(&t);
	struct flow f;

	bytes[14 + 40 + 3] = 0;
	CU_ASSERT_EQUAL(parse(len, &f), FLOW_IP);
	CU_ASSERT_EQUAL(f.fragment, FLOW_WHOLE);
	CU_ASSERT_EQUAL(f.destination_port, 53);
}

/* It asks for more exactly while there is more that it needs; what it says in the end does not depend on that. */
static void asks_for_what_it_needs(void)
{
	struct test_packet t = { .version = 6, .protocol = FLOW_TCP, .extensions = 8, .to_port = 80, .payload = 900 };
	uint32_t len = write(&t);
	struct flow f;

	for (uint32_t have = 0; have < 14 + 40 + 64 + 20; have++)
		CU_ASSERT_EQUAL(flow_parse(bytes, have, len, &f), FLOW_SHORT);
	CU_ASSERT_EQUAL(flow_parse(bytes, 14 + 40 + 64 + 20, len, &f), FLOW_IP);
	CU_ASSERT_EQUAL(f.header_bytes, 14 + 40 + 64 + 20);
	/* Two of 248 bytes: TCP would begin beyond FLOW_BYTES_MAX. */
	bytes[14 + 41] = 30;
	bytes[14 + 40 + 248] = 60;
	bytes[14 + 40 + 249] = 30;
	bytes[14 + 40 + 496] = FLOW_TCP;
	CU_ASSERT_EQUAL(flow_parse(bytes, FLOW_BYTES_MAX, len, &f), FLOW_BAD);
}

/* Frames whose headers reach beyond the head. */

static struct flow_pins *pins;
static struct test_frame *frame;

static void begin(uint16_t payload)
{
	static const uint8_t mac[6] = { 2 };
	struct test_packet t = { .version = 6, .protocol = FLOW_TCP, .extensions = 8, .to_port = 80, .payload = payload };

	pins = flow_pins_create();
	frame = test_frame_new();
	test_packet_set(frame, mac, mac, &t);
}

static void end(void)
{
	free(frame);
	flow_pins_destroy(pins);
}

static void delivers_what_was_checked(void)
{
	struct flow f;
	uint8_t out[2048];

	for (unsigned payload = 10; payload < 1500; payload += 1370) {
		begin((uint16_t)payload);
		frame->f.head_bytes = 60;
		frame->seg = (struct iovec){ frame->bytes + 60, frame->f.len - 60 };
		frame->f.segs = &frame->seg;
		frame->f.nsegs = 1;
		CU_ASSERT_EQUAL(flow_of_frame(pins, &frame->f, &f), FLOW_IP);
		CU_ASSERT_EQUAL(f.destination_port, 80);
		frame->bytes[14 + 40 + 64 + 3] = 22;	/* the guest has another port in mind */
		frame->bytes[frame->f.len - 1] = 99;	/* the payload is its own affair */
		vswitch_frame_copy(&frame->f, 0, out, frame->f.len);
		CU_ASSERT_EQUAL(out[14 + 40 + 64 + 3], 80);
		CU_ASSERT_EQUAL(out[frame->f.len - 1], frame->f.len > FLOW_BYTES_MAX ? 99 : 0);
		CU_ASSERT_EQUAL(flow_of_frame(pins, &frame->f, &f), FLOW_IP);	/* again, of the copy */
		CU_ASSERT_EQUAL(f.destination_port, 80);
		end();
	}
}

static void leaves_short_headers_alone(void)
{
	static const uint8_t mac[6] = { 2 };
	struct test_packet t = { .to_port = 80, .payload = 1000 };
	struct flow f;

	begin(0);
	test_packet_set(frame, mac, mac, &t);
	CU_ASSERT_EQUAL(flow_of_frame(pins, &frame->f, &f), FLOW_IP);
	CU_ASSERT_PTR_EQUAL(frame->f.segs, &frame->seg);
	end();
}

static void bounds_pieces_and_copies(void)
{
	struct iovec pieces[200];
	struct vswitch_frame f;
	struct flow flow;
	unsigned ok = 0;

	begin(1000);
	for (unsigned i = 0; i < 100; i++) {
		f = frame->f;
		ok += flow_of_frame(pins, &f, &flow) == FLOW_IP;
	}
	CU_ASSERT_EQUAL(ok, 2 * VSWITCH_BATCH);
	flow_pins_reset(pins);
	/* Beyond FLOW_BYTES_MAX in pieces of 4 bytes: too many. */
	f = frame->f;
	for (unsigned i = 0; i < 200; i++)
		pieces[i] = (struct iovec){ frame->bytes + VSWITCH_HEAD_BYTES + 4 * i, 4 };
	pieces[199].iov_len = f.len - VSWITCH_HEAD_BYTES - 4 * 199;
	f.segs = pieces;
	f.nsegs = 200;
	CU_ASSERT_EQUAL(flow_of_frame(pins, &f, &flow), FLOW_BAD);
	CU_ASSERT_PTR_EQUAL(f.segs, pieces);
	end();
}

static const struct hv_test tests[] = {
	{ "finds addresses, protocol and ports", finds_five_fields },
	{ "finds echoes", finds_echoes },
	{ "knows errors", knows_errors },
	{ "reads what is quoted", reads_what_is_quoted },
	{ "looks behind tags and SNAP", looks_behind_tags_and_snap },
	{ "refuses what contradicts itself", refuses_what_contradicts_itself },
	{ "tells fragments apart", tells_fragments_apart },
	{ "takes atomic fragments as whole", takes_atomic_fragments_as_whole },
	{ "asks for the bytes that it needs", asks_for_what_it_needs },
	{ "delivers what was checked", delivers_what_was_checked },
	{ "leaves short headers alone", leaves_short_headers_alone },
	{ "bounds pieces and copies", bounds_pieces_and_copies },
};

HV_TEST_MAIN("vswitch/flow", tests)
