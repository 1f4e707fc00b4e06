/* SPDX-License-Identifier: MIT */
/*
 * What is believed of which message, and why others are not: one lie per row.
 */
#include "vswitch/snoop_parse.h"

#include "vswitch/test_snoop.h"

static struct test_frame *frame;

static struct snoop_message parse(const struct test_message *m)
{
	struct snoop_message out;

	frame = test_frame_new();
	test_message_set(frame, 1, m);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, frame->f.len, frame->f.len, false, &out));
	return out;
}

/* The records of a report point into the frame, so it goes after they were looked at. */
static void done(void)
{
	free(frame);
}

static enum snoop_kind kind_of(const struct test_message *m)
{
	struct snoop_message out = parse(m);

	done();
	return out.kind;
}

static int fault_of(const struct test_message *m)
{
	struct snoop_message out = parse(m);

	done();
	return out.kind == SNOOP_FAULTY ? (int)out.fault : -1;
}

/* Queries. */

static void queries_say_how_often(void)
{
	static const struct {
		uint8_t version;
		unsigned generation;
		uint32_t response_ms, interval_s;
	} rows[] = {
		{ 4, 1, 10000, 125 }, { 4, 2, 1000, 125 }, { 4, 3, 1000, 20 }, { 6, 1, 1000, 125 }, { 6, 2, 1000, 20 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_message q = test_query(rows[i].version, rows[i].generation, 0, 9);
		struct snoop_message m = parse(&q);

		CU_ASSERT_EQUAL(m.kind, SNOOP_QUERY);
		CU_ASSERT_EQUAL(m.version, rows[i].version);
		CU_ASSERT_EQUAL(m.response_ms, rows[i].response_ms);
		CU_ASSERT_EQUAL(m.interval_s, rows[i].interval_s);
		CU_ASSERT_EQUAL(m.robustness, 2);
		CU_ASSERT_EQUAL(memcmp(m.source, q.from, 16), 0);
		CU_ASSERT_FALSE(m.keeps_timers || m.names_sources);
		done();
	}
}

/* RFC 3376, 4.1.1 and 4.1.7; RFC 3810, 5.1.3. */
static void long_times_have_an_exponent(void)
{
	struct test_message q = test_query(4, 3, 0, 9);
	struct snoop_message m;

	q.bytes[1] = 0xff;		/* (15 + 16) << (7 + 3) */
	q.bytes[8] = 0x0f;		/* suppress, robustness 7 */
	q.bytes[9] = 0x80;		/* 16 << 3 */
	m = parse(&q);
	CU_ASSERT_EQUAL(m.response_ms, 3174400);
	CU_ASSERT_EQUAL(m.interval_s, 128);
	CU_ASSERT_EQUAL(m.robustness, 7);
	CU_ASSERT_TRUE(m.keeps_timers);
	done();
	q = test_query(6, 2, 0, 9);
	put_be16(q.bytes + 4, 0x8000);	/* 4096 << 3 */
	q.bytes[24] = q.bytes[25] = 0;	/* says nothing: RFC 3810, 9.1 and 9.2 */
	m = parse(&q);
	CU_ASSERT_EQUAL(m.response_ms, 32768);
	CU_ASSERT_EQUAL(m.interval_s, 125);
	CU_ASSERT_EQUAL(m.robustness, 2);
	done();
	/* The codes of the versions before have none. */
	q = test_query(4, 2, 0, 9);
	q.bytes[1] = 0xff;
	m = parse(&q);
	CU_ASSERT_EQUAL(m.response_ms, 25500);
	done();
}

static void queries_of_a_group(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_message q = test_query(version, version == 4 ? 3 : 2, 5, 9);
		struct snoop_message m = parse(&q);
		uint8_t group[16];

		test_group(group, version, 5);
		CU_ASSERT_EQUAL(m.kind, SNOOP_QUERY);
		CU_ASSERT_EQUAL(memcmp(m.group, group, 16), 0);
		done();
		put_be16(q.bytes + q.n - 2, 3);
		q.n += 3 * (version == 4 ? 4 : 16);
		m = parse(&q);
		CU_ASSERT_EQUAL(m.kind, SNOOP_QUERY);
		CU_ASSERT_TRUE(m.names_sources);
		done();
		q.n--;
		CU_ASSERT_EQUAL(fault_of(&q), VSWITCH_SNOOP_LENGTH);
	}
}

/* Reports. */

static void single_reports(void)
{
	static const struct {
		uint8_t version, type;
		enum snoop_change change;
	} rows[] = {
		{ 4, 0x12, SNOOP_JOINS }, { 4, 0x16, SNOOP_JOINS }, { 4, 0x17, SNOOP_LEAVES },
		{ 6, 131, SNOOP_JOINS }, { 6, 132, SNOOP_LEAVES },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_message t = test_report(rows[i].version, rows[i].type, 77);
		struct snoop_message m;
		struct snoop_record r;

		t.alert = rows[i].type != 0x12;
		m = parse(&t);
		CU_ASSERT_EQUAL(m.kind, SNOOP_REPORT);
		CU_ASSERT_TRUE_FATAL(snoop_next_record(&m, &r));
		CU_ASSERT_EQUAL(r.change, rows[i].change);
		CU_ASSERT_EQUAL(memcmp(r.group, t.to, 16), 0);
		CU_ASSERT_FALSE(snoop_next_record(&m, &r));
		done();
	}
}

static void records(void)
{
	static const struct {
		uint8_t type;
		uint16_t sources;
		enum snoop_change change;
	} rows[] = {
		{ 1, 2, SNOOP_JOINS }, { 1, 0, SNOOP_STAYS }, { 2, 0, SNOOP_JOINS }, { 2, 3, SNOOP_JOINS },
		{ 3, 1, SNOOP_JOINS }, { 3, 0, SNOOP_LEAVES }, { 4, 0, SNOOP_JOINS }, { 5, 1, SNOOP_JOINS }, { 5, 0, SNOOP_STAYS },
		{ 6, 1, SNOOP_STAYS }, { 9, 1, SNOOP_STAYS },
	};
	const unsigned n = sizeof(rows) / sizeof(rows[0]);

	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_message t = test_records(version);
		struct snoop_message m;
		struct snoop_record r;
		uint8_t group[16];

		for (unsigned i = 0; i < n; i++)
			test_add_record(&t, rows[i].type, i + 1, rows[i].sources);
		m = parse(&t);
		CU_ASSERT_EQUAL(m.kind, SNOOP_REPORT);
		for (unsigned i = 0; i < n; i++) {
			test_group(group, version, i + 1);
			CU_ASSERT_TRUE_FATAL(snoop_next_record(&m, &r));
			CU_ASSERT_EQUAL(r.change, rows[i].change);
			CU_ASSERT_EQUAL(memcmp(r.group, group, 16), 0);
		}
		CU_ASSERT_FALSE(snoop_next_record(&m, &r));
		done();
	}
}

/* Auxiliary data is passed over (RFC 3376, 4.2.6), and what follows the last record, too (4.2.11). */
static void records_with_more(void)
{
	struct test_message t = test_records(4);
	struct snoop_message m;
	struct snoop_record r;

	test_add_record(&t, 4, 1, 0);
	t.bytes[9] = 2;
	t.n += 8;
	test_add_record(&t, 3, 2, 0);
	t.n += 12;
	m = parse(&t);
	CU_ASSERT_EQUAL(m.kind, SNOOP_REPORT);
	CU_ASSERT_TRUE(snoop_next_record(&m, &r) && r.change == SNOOP_JOINS);
	CU_ASSERT_TRUE(snoop_next_record(&m, &r) && r.change == SNOOP_LEAVES && r.group[3] == 2);
	done();
}

/* Hellos. */

static void hellos(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_message t = test_hello(version, 30);
		struct snoop_message m = parse(&t);

		CU_ASSERT_EQUAL(m.kind, SNOOP_HELLO);
		CU_ASSERT_EQUAL(m.hold_s, 30);
		done();
		t = test_hello(version, 0xffff);
		m = parse(&t);
		CU_ASSERT_EQUAL(m.hold_s, UINT32_MAX);
		done();
		t.n = 4;			/* without options */
		m = parse(&t);
		CU_ASSERT_EQUAL(m.kind, SNOOP_HELLO);
		CU_ASSERT_EQUAL(m.hold_s, 105);
		done();
		t.n = 9;
		CU_ASSERT_EQUAL(fault_of(&t), VSWITCH_SNOOP_LENGTH);
		t = test_hello(version, 30);
		t.bytes[0] = 0x23;		/* Join/Prune */
		CU_ASSERT_EQUAL(kind_of(&t), SNOOP_ELSE);
	}
}

/* What is not believed. */

enum base { QUERY1, QUERY, JOIN, LEAVE, RECORDS, HELLO, BASES };

static struct test_message base_message(uint8_t version, enum base base)
{
	struct test_message m;

	switch (base) {
	case QUERY1:
		return test_query(version, 1, 0, 9);
	case QUERY:
		return test_query(version, version == 4 ? 3 : 2, 0, 9);
	case JOIN:
		return test_join(version, 3);
	case LEAVE:
		return test_leave(version, 3);
	case HELLO:
		return test_hello(version, 30);
	case RECORDS:
	case BASES:
		break;
	}
	m = test_records(version);
	test_add_record(&m, 4, 3, 1);
	return m;
}

/* Each kind, with what is wrong for all of them. */
static void lies_for_all(void)
{
	for (uint8_t version = 4; version <= 6; version += 2)
		for (enum base b = 0; b < BASES; b++) {
			const struct test_message good = base_message(version, b);
			struct test_message m = good;

			CU_ASSERT_EQUAL(fault_of(&good), -1);
			m.bad_sum = 1;
			CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_CHECKSUM);
			m = good;
			m.bad_header_sum = version == 4;
			CU_ASSERT_EQUAL(fault_of(&m), version == 4 ? VSWITCH_SNOOP_CHECKSUM : -1);
			m = good;
			m.hops = 2;
			CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_HOP_LIMIT);
			m = good;
			m.alert = false;
			CU_ASSERT_EQUAL(fault_of(&m), b == HELLO || (b == QUERY1 && version == 4) ? -1 : VSWITCH_SNOOP_ROUTER_ALERT);
			m = good;
			m.cut = m.n - 3;
			CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_LENGTH);
			m = good;
			m.fragment = 0x2000;
			CU_ASSERT_EQUAL(fault_of(&m), version == 4 ? VSWITCH_SNOOP_HEADERS : -1);
		}
}

static void lies_about_length(void)
{
	static const struct {
		const char *what;
		uint8_t version;
		enum base base;
		uint32_t cut;
	} rows[] = {
		{ "a query of 11 bytes", 4, QUERY, 1 }, { "… of 9", 4, QUERY, 3 },
		{ "a query of 27 bytes", 6, QUERY, 1 }, { "… of 23", 6, QUERY1, 1 },
		{ "a join of 7", 4, JOIN, 1 }, { "… of 23", 6, JOIN, 1 }, { "a leave of 7", 4, LEAVE, 1 }, { "… of 23", 6, LEAVE, 1 },
		{ "a record without its source", 4, RECORDS, 4 }, { "… a byte of it", 6, RECORDS, 1 },
		{ "a record without its group", 4, RECORDS, 8 }, { "… without anything", 6, RECORDS, 36 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_message m = base_message(rows[i].version, rows[i].base);

		m.cut = rows[i].cut;
		if (fault_of(&m) != VSWITCH_SNOOP_LENGTH) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("a length is believed");
		}
	}
}

static void lies_about_addresses(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_message m = base_message(version, QUERY);

		test_group(m.to, version, 3);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);	/* general, but not to all */
		m = base_message(version, QUERY);
		test_source(test_message_group(&m), version, 1);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);	/* of a station */
		m = base_message(version, JOIN);
		test_group(m.to, version, 4);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);	/* to another group */
		m = base_message(version, LEAVE);
		test_source(test_message_group(&m), version, 1);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);
		m = base_message(version, RECORDS);
		test_source(m.bytes + 12, version, 1);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);
		m = base_message(version, HELLO);
		test_local(m.to, version, 1);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);
		m = base_message(version, HELLO);
		test_source(m.from, version, 0);
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);
	}
}

/* Reports may come from nobody (RFC 4541, 2.1.1 and 3); of IPv6, from nobody or a link-local address, and queries only from that. */
static void sources(void)
{
	struct test_message m;

	for (uint8_t version = 4; version <= 6; version += 2) {
		m = base_message(version, JOIN);
		test_source(m.from, version, 0);
		CU_ASSERT_EQUAL(fault_of(&m), -1);
		m = base_message(version, QUERY);
		test_source(m.from, version, 0);
		CU_ASSERT_EQUAL(fault_of(&m), version == 4 ? -1 : VSWITCH_SNOOP_ADDRESS);
	}
	for (enum base b = 0; b < BASES; b++) {
		m = base_message(6, b);
		m.from[0] = 0x20;
		CU_ASSERT_EQUAL(fault_of(&m), VSWITCH_SNOOP_ADDRESS);
	}
}

/* What is no message. */

static struct test_message data(uint8_t version, uint32_t group)
{
	struct test_message m = test_message(version, 0, 40);

	m.protocol = 17;
	m.alert = false;
	m.hops = 64;
	test_group(m.to, version, group);
	return m;
}

static void data_has_a_group(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct test_message t = data(version, 0x010203);
		struct snoop_message m = parse(&t);

		CU_ASSERT_EQUAL(m.kind, SNOOP_DATA);
		CU_ASSERT_EQUAL(memcmp(m.group, t.to, 16), 0);
		done();
		t.fragment = 0x2000;
		CU_ASSERT_EQUAL(kind_of(&t), SNOOP_DATA);
		t.fragment = 8;
		CU_ASSERT_EQUAL(kind_of(&t), SNOOP_DATA);
		test_local(t.to, version, 251);
		CU_ASSERT_EQUAL(kind_of(&t), SNOOP_ELSE);
		test_local(t.to, version, 1);
		CU_ASSERT_EQUAL(kind_of(&t), SNOOP_ELSE);
	}
}

/* Solicited nodes are to be found even if they do not report. 224.0.1.x and 225.0.0.x are no local ones. */
static void what_is_local(void)
{
	static const uint8_t solicited[16] = { 0xff, 2, [11] = 1, 0xff, 1, 2, 3 }, interface[16] = { 0xff, 1, [15] = 9 },
			     transient[16] = { 0xff, 0x12, [15] = 9 }, site[16] = { 0xff, 5, [15] = 9 },
			     beyond[4] = { 224, 0, 1, 1 }, other[4] = { 225, 0, 0, 1 }, eighth[4] = { 224, 128, 0, 1 };

	CU_ASSERT_TRUE(snoop_is_local(6, solicited) && snoop_is_local(6, interface) && snoop_is_local(6, transient));
	CU_ASSERT_FALSE(snoop_is_local(6, site));
	CU_ASSERT_FALSE(snoop_is_local(4, beyond) || snoop_is_local(4, other) || snoop_is_local(4, eighth));
}

static void the_rest_goes_everywhere(void)
{
	struct snoop_message out;
	struct test_message m = test_message(4, 0x13, 8);	/* DVMRP */

	test_group(m.to, 4, 3);
	CU_ASSERT_EQUAL(kind_of(&m), SNOOP_ELSE);
	m.bad_sum = 1;
	CU_ASSERT_EQUAL(kind_of(&m), SNOOP_ELSE);
	/* Its IP group is another than its frame's: who listens to which? */
	m = data(4, 3);
	frame = test_frame_new();
	test_message_set(frame, 1, &m);
	frame->bytes[5]++;
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, frame->f.len, frame->f.len, false, &out));
	CU_ASSERT_EQUAL(out.kind, SNOOP_ELSE);
	/* A second tag, that the switch does not know. */
	frame->bytes[5]--;
	memmove(frame->bytes + 16, frame->bytes + 12, frame->f.len);
	put_be16(frame->bytes + 12, 0x88a8);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, frame->f.len + 4, frame->f.len + 4, false, &out));
	CU_ASSERT_EQUAL(out.kind, SNOOP_ELSE);
	done();
	/* Not IP. */
	frame = test_frame_new();
	test_frame_plain(frame, m.bytes, m.bytes, 60);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, 60, 60, false, &out));
	CU_ASSERT_EQUAL(out.kind, SNOOP_ELSE);
	done();
}

/* However little is shown at first: it asks for more, or says the same. */
static void asks_for_more(void)
{
	for (uint8_t version = 4; version <= 6; version += 2)
		for (enum base b = 0; b < BASES; b++) {
			struct test_message m = base_message(version, b);
			struct snoop_message whole = parse(&m), part;

			for (uint32_t n = 14; n < frame->f.len; n++)
				CU_ASSERT_FALSE(snoop_parse(frame->bytes, n, frame->f.len, false, &part));
			CU_ASSERT_NOT_EQUAL(whole.kind, SNOOP_ELSE);
			done();
		}
}

/* A guest may leave the sum to the switch. */
static void sums_to_come(void)
{
	struct test_message m = base_message(6, JOIN);
	struct snoop_message out;

	m.bad_sum = 9;
	parse(&m);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, frame->f.len, frame->f.len, true, &out));
	CU_ASSERT_EQUAL(out.kind, SNOOP_REPORT);
	done();
}

static void alert_among_options(void)
{
	struct test_message m = base_message(4, JOIN);
	struct snoop_message out;
	uint8_t *ip;

	parse(&m);
	ip = frame->bytes + 14;
	memmove(ip + 28, ip + 24, 8);
	ip[0] = 0x47;
	put_be16(ip + 2, 36);
	put_be32(ip + 20, 0x01019404);	/* two paddings, the alert, an end */
	put_be32(ip + 24, 0x00000000);
	checksum_ipv4_header(ip);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, 50, 50, false, &out));
	CU_ASSERT_EQUAL(out.kind, SNOOP_REPORT);
	put_be32(ip + 20, 0x00019404);	/* behind the end */
	checksum_ipv4_header(ip);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, 50, 50, false, &out));
	CU_ASSERT_TRUE(out.kind == SNOOP_FAULTY && out.fault == VSWITCH_SNOOP_ROUTER_ALERT);
	put_be32(ip + 20, 0x44019404);	/* behind an option that is too short */
	checksum_ipv4_header(ip);
	CU_ASSERT_TRUE(snoop_parse(frame->bytes, 50, 50, false, &out));
	CU_ASSERT_TRUE(out.kind == SNOOP_FAULTY && out.fault == VSWITCH_SNOOP_ROUTER_ALERT);
	done();
}

static const struct hv_test tests[] = {
	{ "queries of every version say how often and how fast", queries_say_how_often },
	{ "long times have an exponent", long_times_have_an_exponent },
	{ "a query of one group, and of sources", queries_of_a_group },
	{ "reports and leaves of one group", single_reports },
	{ "each type of record", records },
	{ "records with auxiliary data, and more behind them", records_with_more },
	{ "PIM hellos", hellos },
	{ "checksums, hop limits, router alerts and fragments count", lies_for_all },
	{ "lengths count", lies_about_length },
	{ "addresses count", lies_about_addresses },
	{ "who may speak without an address", sources },
	{ "data has a group, unless it is a local one", data_has_a_group },
	{ "what is local", what_is_local },
	{ "what it does not know goes everywhere", the_rest_goes_everywhere },
	{ "it asks for more bytes where it takes more", asks_for_more },
	{ "a checksum that is still to be computed", sums_to_come },
	{ "the router alert among other options", alert_among_options },
};

int main(void)
{
	return hv_test_main("vswitch/snoop_parse", tests, sizeof(tests) / sizeof(tests[0]));
}
