/* SPDX-License-Identifier: MIT */
/*
 * Conversion for receivers that lack something, against a slow, obvious reference: every frame that
 * arrives is parsed from its bytes, its checksums are computed anew one 16-bit word after the
 * other, and the payloads put together must be what was sent.
 */
#include "vswitch/test_nic.h"

#define ALL_CAPS (VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6 | VSWITCH_CAN_VLAN)

static struct vswitch *sw;
static struct test_nic from, to, other;
static struct test_frame *frame;

static void begin(uint32_t caps)
{
	sw = test_switch();
	test_nic_plug(sw, &from, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &to, VSWITCH_NIC_EMULATED, 2, caps);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&from);
	test_nic_unplug(&to);
	test_nic_unplug(&other);
	vswitch_destroy(sw);
	free(frame);
}

/* ---- the reference ---- */

static uint32_t slow_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t slow_pseudo(const uint8_t *ip, unsigned protocol, uint32_t n)
{
	uint32_t sum = ip[0] >> 4 == 4 ? slow_sum(ip + 12, 8, 0) : slow_sum(ip + 8, 32, 0);

	return slow_sum(NULL, 0, sum + protocol + n);
}

struct recipe {
	bool v6, udp;
	unsigned ip_options, tcp_options;	/* bytes */
	uint32_t payload;
	uint16_t mss;
	uint8_t flags;				/* of TCP */
};

static uint32_t l4_of(const struct recipe *r)
{
	return 14 + (r->v6 ? 40 : 20) + r->ip_options;
}

static uint32_t headers_of(const struct recipe *r)
{
	return l4_of(r) + (r->udp ? 8 : 20 + r->tcp_options);
}

/* An IP frame without any checksum and with lengths of zero, as a sender with offloads may give it. */
static void build(const struct recipe *r)
{
	uint32_t l4 = l4_of(r), headers = headers_of(r);
	uint8_t *b = frame->bytes, *ip = b + 14;

	memset(b, 0, headers);
	memcpy(b, to.nic.mac, 6);
	memcpy(b + 6, from.nic.mac, 6);
	put_be16(b + 12, r->v6 ? 0x86dd : 0x0800);
	if (r->v6) {
		ip[0] = 0x60;
		ip[6] = r->ip_options ? 60 : r->udp ? 17 : 6;
		if (r->ip_options) {
			ip[40] = r->udp ? 17 : 6;
			ip[41] = (uint8_t)(r->ip_options / 8 - 1);
		}
	} else {
		ip[0] = (uint8_t)(0x40 | (5 + r->ip_options / 4));
		put_be16(ip + 4, 0xfffe);	/* the identification wraps */
		ip[8] = 64;
		ip[9] = r->udp ? 17 : 6;
	}
	for (unsigned i = 0; i < (r->v6 ? 32u : 8u); i++)
		ip[(r->v6 ? 8 : 12) + i] = (uint8_t)(0x11 * i + 3);
	put_be16(b + l4, 0x1234);
	put_be16(b + l4 + 2, 0x5678);
	if (!r->udp) {
		put_be32(b + l4 + 4, 0xfffffff0);	/* so does the sequence number */
		b[l4 + 12] = (uint8_t)((20 + r->tcp_options) / 4 << 4);
		b[l4 + 13] = r->flags;
	}
	for (uint32_t i = 0; i < r->payload; i++)
		b[headers + i] = (uint8_t)(i * 31 + (i >> 8));
	test_frame_set(frame, headers + r->payload);
}

static void set_gso(const struct recipe *r)
{
	frame->f.offload.gso = r->udp ? VSWITCH_GSO_UDP : r->v6 ? VSWITCH_GSO_TCPV6 : VSWITCH_GSO_TCPV4;
	frame->f.offload.gso_size = r->mss;
}

/* Whether the frame on the wire is right in itself: lengths and checksums. */
static bool is_right(const uint8_t *b, uint32_t len, const struct recipe *r)
{
	uint32_t l4 = l4_of(r), n = len - l4;
	const uint8_t *ip = b + 14;
	bool ok;

	if (r->v6) {
		ok = get_be16(ip + 4) == len - 54;
	} else {
		ok = get_be16(ip + 2) == len - 14;
		ok &= slow_sum(ip, 20 + r->ip_options, 0) == 0xffff;
	}
	if (r->udp)
		ok &= get_be16(b + l4 + 4) == n && get_be16(b + l4 + 6);
	return ok && slow_sum(b + l4, n, slow_pseudo(ip, r->udp ? 17 : 6, n)) == 0xffff;
}

/* What came of the frame, when to takes plain frames only. tagged: bytes that a tag adds. */
static void check_segments(const struct recipe *r, unsigned tagged)
{
	uint32_t headers = headers_of(r), l4 = l4_of(r), n, off = 0;
	unsigned count = (r->payload + r->mss - 1) / r->mss;
	const struct got_frame *g;
	static uint8_t b[70000];
	uint8_t flags;

	CU_ASSERT_EQUAL_FATAL(to.num_got, count);
	for (unsigned i = 0; i < count; i++) {
		g = &to.got[i];
		n = r->payload - off < r->mss ? r->payload - off : r->mss;
		CU_ASSERT_EQUAL_FATAL(g->len, headers + n + tagged);
		memcpy(b, g->bytes, 12);
		memcpy(b + 12, g->bytes + 12 + tagged, g->len - 12 - tagged);
		CU_ASSERT(is_right(b, g->len - tagged, r));
		CU_ASSERT(!memcmp(b + headers, frame->bytes + headers + off, n));
		CU_ASSERT_EQUAL(g->offload.gso, VSWITCH_GSO_NONE);
		CU_ASSERT_EQUAL(g->offload.flags, VSWITCH_CSUM_VALID);
		if (!r->v6)
			CU_ASSERT_EQUAL(get_be16(b + 18), (uint16_t)(0xfffe + i));
		if (!r->udp) {
			flags = r->flags;
			if (i)
				flags &= 0x7f;		/* CWR: on the first */
			if (i + 1 < count)
				flags &= 0xf6;		/* FIN and PSH: on the last */
			CU_ASSERT_EQUAL(b[l4 + 13], flags);
			CU_ASSERT_EQUAL(get_be32(b + l4 + 4), (uint32_t)(0xfffffff0 + off));
		}
		off += n;
	}
}

static const struct recipe recipes[] = {
	{ false, false, 0, 0, 2920, 1460, 0x18 },
	{ false, false, 0, 12, 2897, 1448, 0x99 },	/* a last segment of one byte; CWR, FIN, PSH */
	{ false, false, 0, 12, 64000, 1448, 0x59 },
	{ false, false, 8, 12, 5001, 333, 0x11 },
	{ false, false, 40, 24, 3000, 1301, 0x10 },
	{ false, false, 0, 0, 500, 37, 0x18 },		/* segments that fit into a head */
	{ true, false, 0, 0, 2880, 1440, 0x18 },
	{ true, false, 0, 12, 64001, 1428, 0x99 },
	{ true, false, 8, 20, 4000, 1001, 0x18 },
	{ true, false, 0, 0, 200, 1, 0x18 },
	{ false, true, 0, 0, 5000, 1472, 0 },
	{ true, true, 0, 0, 3001, 1001, 0 },
};
#define RECIPES (sizeof(recipes) / sizeof(recipes[0]))

static void segments_are_right(void)
{
	for (size_t i = 0; i < RECIPES; i++) {
		begin(0);
		build(&recipes[i]);
		set_gso(&recipes[i]);
		test_send(&from, frame);
		check_segments(&recipes[i], 0);
		CU_ASSERT_EQUAL(to.flushes, 1);
		end();
	}
}

static void segments_get_their_tag(void)
{
	for (size_t i = 0; i < RECIPES; i++) {
		begin(0);
		build(&recipes[i]);
		set_gso(&recipes[i]);
		frame->f.offload.flags = VSWITCH_VLAN;
		frame->f.offload.vlan_tci = 0x6123;
		test_send(&from, frame);
		check_segments(&recipes[i], 4);
		for (unsigned j = 0; j < to.num_got; j++)
			CU_ASSERT_EQUAL(get_be32(to.got[j].bytes + 12), 0x81006123);
		end();
	}
}

/* A receiver that computes checksums, but does not segment. */
static void segments_may_stay_partial(void)
{
	for (size_t i = 0; i < RECIPES; i++) {
		uint32_t l4 = l4_of(&recipes[i]), field = l4 + (recipes[i].udp ? 6 : 16), sum;

		begin(VSWITCH_CAN_CSUM);
		build(&recipes[i]);
		set_gso(&recipes[i]);
		test_send(&from, frame);
		for (unsigned j = 0; j < to.num_got; j++) {
			struct got_frame *g = &to.got[j];

			CU_ASSERT_EQUAL(g->offload.flags, VSWITCH_CSUM_PARTIAL);
			CU_ASSERT_EQUAL(g->offload.csum_start, l4);
			CU_ASSERT_EQUAL(g->offload.csum_start + g->offload.csum_offset, field);
			sum = slow_sum(g->bytes + l4, g->len - l4, 0);
			put_be16(g->bytes + field, ~sum);
			CU_ASSERT(is_right(g->bytes, g->len, &recipes[i]));
		}
		CU_ASSERT(to.num_got > 1);
		end();
	}
}

static void large_frames_pass_to_who_takes_them(void)
{
	for (size_t i = 0; i < RECIPES; i++) {
		const struct recipe *r = &recipes[i];
		uint32_t l4 = l4_of(r);
		const struct got_frame *g;

		begin(ALL_CAPS);
		build(r);
		set_gso(r);
		test_send(&from, frame);
		if (r->udp) {
			CU_ASSERT(to.num_got > 1);
			end();
			continue;
		}
		CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
		g = &to.got[0];
		CU_ASSERT_EQUAL(g->len, headers_of(r) + r->payload);
		CU_ASSERT_EQUAL(g->offload.gso_size, r->mss);
		CU_ASSERT_EQUAL(g->offload.header_bytes, headers_of(r));
		CU_ASSERT_EQUAL(g->offload.csum_start, l4);
		CU_ASSERT_EQUAL(g->offload.csum_offset, 16);
		CU_ASSERT_EQUAL(g->offload.flags, VSWITCH_CSUM_PARTIAL);
		CU_ASSERT_EQUAL(get_be16(g->bytes + l4 + 16), slow_pseudo(g->bytes + 14, 6, g->len - l4));
		CU_ASSERT_EQUAL(get_be16(g->bytes + (r->v6 ? 18 : 16)), g->len - (r->v6 ? 54 : 14));
		end();
	}
}

/* A tap: large frames, but tags in the bytes. */
static void large_frames_with_a_tag(void)
{
	static const struct recipe r = { false, false, 0, 12, 5000, 1448, 0x18 };
	const struct got_frame *g;

	begin(ALL_CAPS & ~VSWITCH_CAN_VLAN);
	build(&r);
	set_gso(&r);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 0x2008;
	test_send(&from, frame);
	CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
	g = &to.got[0];
	CU_ASSERT_EQUAL(g->len, 66 + 5000 + 4);
	CU_ASSERT_EQUAL(get_be32(g->bytes + 12), 0x81002008);
	CU_ASSERT_EQUAL(g->offload.csum_start, 34 + 4);
	CU_ASSERT_EQUAL(g->offload.header_bytes, 66 + 4);
	CU_ASSERT_EQUAL(g->offload.flags, VSWITCH_CSUM_PARTIAL);
	CU_ASSERT_EQUAL(g->offload.gso_size, 1448);
	CU_ASSERT(!memcmp(g->bytes + 70, frame->bytes + 66, 5000));
	end();
}

/* What one segment takes needs no segmentation, but still its checksum. */
static void small_payload_is_not_segmented(void)
{
	static const struct recipe r = { false, false, 0, 0, 1460, 1460, 0x18 };

	begin(0);
	build(&r);
	set_gso(&r);
	test_send(&from, frame);
	check_segments(&r, 0);
	CU_ASSERT_EQUAL(to.port->stats.segments, 0);
	end();
}

static void checksums_of_all_sizes(void)
{
	struct recipe r = { .mss = 1 };

	for (unsigned kind = 0; kind < 4; kind++) {
		r.v6 = kind & 1;
		r.udp = kind & 2;
		for (r.payload = 0; r.payload < 1400; r.payload += r.payload < 140 ? 1 : 97) {
			uint32_t l4 = l4_of(&r), n = headers_of(&r) + r.payload - l4;
			uint8_t *b = frame ? frame->bytes : NULL;

			begin(0);
			build(&r);
			b = frame->bytes;
			put_be16(b + (r.v6 ? 18 : 16), r.v6 ? n : n + 20);
			if (r.udp)
				put_be16(b + l4 + 4, n);
			put_be16(b + l4 + (r.udp ? 6 : 16), slow_pseudo(b + 14, r.udp ? 17 : 6, n));
			test_frame_set(frame, l4 + n);
			frame->f.offload.flags = VSWITCH_CSUM_PARTIAL | (r.v6 ? 0 : VSWITCH_IP_CSUM_NEEDED);
			frame->f.offload.csum_start = (uint16_t)l4;
			frame->f.offload.csum_offset = r.udp ? 6 : 16;
			test_send(&from, frame);
			CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
			CU_ASSERT(is_right(to.got[0].bytes, to.got[0].len, &r));
			CU_ASSERT_EQUAL(to.got[0].offload.flags, VSWITCH_CSUM_VALID);
			end();
		}
	}
}

/* In UDP a checksum of zero means that there is none. */
static void checksum_is_never_zero(void)
{
	struct recipe r = { .udp = true, .payload = 100, .mss = 50 };
	uint32_t n = 8 + 50, sum;

	begin(0);
	build(&r);
	memcpy(frame->bytes + 42 + 50, frame->bytes + 42, 50);
	memset(frame->bytes + 42 + 48, 0, 2);
	memset(frame->bytes + 42 + 98, 0, 2);
	put_be16(frame->bytes + 38, n);
	sum = slow_sum(frame->bytes + 34, n, slow_pseudo(frame->bytes + 14, 17, n));
	put_be16(frame->bytes + 42 + 48, 0xffff - sum);
	put_be16(frame->bytes + 42 + 98, 0xffff - sum);
	test_frame_set(frame, 42 + 100);
	set_gso(&r);
	test_send(&from, frame);
	CU_ASSERT_EQUAL(to.num_got, 2);
	for (unsigned i = 0; i < to.num_got; i++)
		CU_ASSERT_EQUAL(get_be16(to.got[i].bytes + 40), 0xffff);
	end();
}

/* More than the switch can copy together at once. */
static void many_scattered_frames_in_one_batch(void)
{
	static struct iovec segs[400];
	static struct vswitch_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	unsigned used = 0;

	begin(0);
	to.nic.max_frame_bytes = 9014;
	test_frame_plain(frame, to.nic.mac, from.nic.mac, 9014);
	for (uint32_t off = frame->f.head_bytes; off < 9014; off += 50)
		segs[used++] = (struct iovec){ frame->bytes + off, 9014 - off < 50 ? 9014 - off : 50 };
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		frames[i] = frame->f;
		frames[i].segs = segs;
		frames[i].nsegs = (uint16_t)used;
		frames[i].offload.flags = VSWITCH_VLAN;
		frames[i].offload.vlan_tci = (uint16_t)(i + 1);
		batch[i] = &frames[i];
	}
	vswitch_port_input(from.port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(to.num_got, VSWITCH_BATCH);
	for (unsigned i = 0; i < to.num_got; i++) {
		CU_ASSERT_EQUAL(to.got[i].len, 9018);
		CU_ASSERT_EQUAL(get_be16(to.got[i].bytes + 14), i + 1);
		CU_ASSERT(!memcmp(to.got[i].bytes + 16, frame->bytes + 12, 9014 - 12));
	}
	end();
}

/* Payload in pieces of all kinds: empty, odd, and so many that they are copied together. */
static void scattered_payload_is_the_same(void)
{
	static const struct recipe r = { false, false, 0, 12, 20000, 1448, 0x18 };
	static struct iovec segs[30000];
	static const unsigned widths[] = { 1, 3, 7, 100, 1447, 4096 };

	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		uint32_t off, n;
		unsigned used = 0;

		begin(0);
		build(&r);
		set_gso(&r);
		for (off = frame->f.head_bytes; off < frame->f.len; off += n) {
			n = frame->f.len - off < widths[w] ? frame->f.len - off : widths[w];
			segs[used++] = (struct iovec){ frame->bytes + off, n };
			if (used % 5 == 0)
				segs[used++] = (struct iovec){ NULL, 0 };
		}
		frame->f.segs = segs;
		frame->f.nsegs = (uint16_t)used;
		test_send(&from, frame);
		check_segments(&r, 0);
		end();
	}
}

static void copies_agree_whoever_is_first(void)
{
	static const struct recipe r = { false, false, 0, 0, 2921, 1460, 0x18 };

	begin(ALL_CAPS);
	test_nic_plug(sw, &other, VSWITCH_NIC_EMULATED, 3, 0);
	build(&r);
	memset(frame->f.head, 0xff, 6);
	set_gso(&r);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 5;
	test_send(&from, frame);
	CU_ASSERT_EQUAL(to.num_got, 1);
	CU_ASSERT_EQUAL(to.got[0].offload.vlan_tci, 5);
	CU_ASSERT_EQUAL(to.got[0].len, 54 + 2921);
	CU_ASSERT_EQUAL(other.num_got, 3);
	CU_ASSERT_EQUAL(other.port->stats.segments, 2);
	CU_ASSERT_EQUAL(other.got[0].len, 58 + 1460);
	end();
}

/* ---- tags ---- */

static void tags_move_out_and_in(void)
{
	/* Lengths around the head's size; bytes with the tag. */
	for (uint32_t len = 18; len < 300; len++) {
		for (int can = 0; can < 2; can++) {
			const struct got_frame *g;

			begin(can ? VSWITCH_CAN_VLAN : 0);
			test_frame_plain(frame, to.nic.mac, from.nic.mac, len);
			put_be32(frame->bytes + 12, 0x8100a007);
			test_frame_set(frame, len);
			test_send(&from, frame);
			CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
			g = &to.got[0];
			if (can) {
				CU_ASSERT_EQUAL(g->len, len - 4);
				CU_ASSERT_EQUAL(g->offload.flags, VSWITCH_VLAN);
				CU_ASSERT_EQUAL(g->offload.vlan_tci, 0xa007);
				CU_ASSERT(!memcmp(g->bytes, frame->bytes, 12));
				CU_ASSERT(!memcmp(g->bytes + 12, frame->bytes + 16, len - 16));
			} else {
				CU_ASSERT_EQUAL(g->len, len);
				CU_ASSERT_EQUAL(g->offload.flags, 0);
				CU_ASSERT(!memcmp(g->bytes, frame->bytes, len));
			}
			end();
		}
	}
}

static void tagged_frame_with_checksum(void)
{
	struct recipe r = { .payload = 200, .mss = 1 };
	uint8_t tagged[400];
	uint32_t n;

	begin(0);
	build(&r);
	n = frame->f.len;
	put_be16(frame->bytes + 16, n - 14);
	put_be16(frame->bytes + 34 + 16, slow_pseudo(frame->bytes + 14, 6, n - 34));
	memcpy(tagged, frame->bytes, 12);
	put_be32(tagged + 12, 0x81000009);
	memcpy(tagged + 16, frame->bytes + 12, n - 12);
	memcpy(frame->bytes, tagged, n + 4);
	test_frame_set(frame, n + 4);
	frame->f.offload.flags = VSWITCH_CSUM_PARTIAL | VSWITCH_IP_CSUM_NEEDED;
	frame->f.offload.csum_start = 34 + 4;
	frame->f.offload.csum_offset = 16;
	test_send(&from, frame);
	CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
	CU_ASSERT_EQUAL(to.got[0].len, n + 4);
	memmove(to.got[0].bytes + 12, to.got[0].bytes + 16, n - 12);
	CU_ASSERT(is_right(to.got[0].bytes, n, &r));
	end();
}

static void second_tag_stays(void)
{
	begin(VSWITCH_CAN_VLAN);
	test_frame_plain(frame, to.nic.mac, from.nic.mac, 100);
	put_be32(frame->f.head + 12, 0x81000007);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 9;
	test_send(&from, frame);
	CU_ASSERT_EQUAL_FATAL(to.num_got, 1);
	CU_ASSERT_EQUAL(to.got[0].len, 100);
	CU_ASSERT_EQUAL(to.got[0].offload.vlan_tci, 9);
	CU_ASSERT_EQUAL(get_be32(to.got[0].bytes + 12), 0x81000007);
	end();
}

/* ---- lies ---- */

static void refuses_lies_about_offloads(void)
{
	static const struct recipe tcp4 = { false, false, 0, 0, 3000, 1000, 0x18 };
	static const struct recipe tcp6 = { true, false, 0, 0, 3000, 1000, 0x18 };
	static const struct {
		const char *what;
		bool v6;
		int at;			/* byte of the head to change, or -1 */
		uint8_t value;
		uint8_t gso, flags;
		uint16_t size, start, offset, head_bytes;
	} rows[] = {
		{ "csum in Ethernet's header", false, -1, 0, 0, 1, 0, 13, 0, 128 },
		{ "csum beyond the head", false, -1, 0, 0, 1, 0, 128, 0, 128 },
		{ "csum field over the head's end", false, -1, 0, 0, 1, 0, 100, 27, 128 },
		{ "csum offset that wraps", false, -1, 0, 0, 1, 0, 100, 65535, 128 },
		{ "IP csum of something else", true, -1, 0, 0, 4, 0, 0, 0, 128 },
		{ "IP csum, header too short", false, 14, 0x44, 0, 4, 0, 0, 0, 128 },
		{ "IP csum, header beyond the head", false, 14, 0x4f, 0, 4, 0, 0, 0, 60 },
		{ "unknown gso", false, -1, 0, 9, 0, 1000, 0, 0, 128 },
		{ "gso without size", false, -1, 0, 1, 0, 0, 0, 0, 128 },
		{ "gso of version 6 in 4", false, -1, 0, 2, 0, 1000, 0, 0, 128 },
		{ "gso of version 4 in 6", true, -1, 0, 1, 0, 1000, 0, 0, 128 },
		{ "gso of UDP in TCP", false, -1, 0, 3, 0, 1000, 0, 0, 128 },
		{ "gso of TCP in UDP", false, 23, 17, 1, 0, 1000, 0, 0, 128 },
		{ "gso of no IP", false, 12, 0x12, 1, 0, 1000, 0, 0, 128 },
		{ "gso of a fragment", false, 21, 8, 1, 0, 1000, 0, 0, 128 },
		{ "gso of a first fragment", false, 20, 0x20, 1, 0, 1000, 0, 0, 128 },
		{ "gso, IP version", false, 14, 0x65, 1, 0, 1000, 0, 0, 128 },
		{ "gso, IP header too short", false, 14, 0x44, 1, 0, 1000, 0, 0, 128 },
		{ "gso, TCP header too short", false, 46, 0x40, 1, 0, 1000, 0, 0, 128 },
		{ "gso, TCP header beyond the head", false, 46, 0xf0, 1, 0, 1000, 0, 0, 90 },
		{ "gso, head without TCP", false, -1, 0, 1, 0, 1000, 0, 0, 50 },
		{ "gso, head without IP", false, -1, 0, 1, 0, 1000, 0, 0, 20 },
		{ "gso, head without IPv6", true, -1, 0, 2, 0, 1000, 0, 0, 50 },
		{ "gso behind a fragment header", true, 20, 44, 2, 0, 1000, 0, 0, 128 },
		{ "gso behind endless options", true, 20, 60, 2, 0, 1000, 0, 0, 128 },
		{ "too many segments", false, -1, 0, 1, 0, 1, 0, 0, 128 },
		{ "reserved VLAN id", false, -1, 0, 0, 8, 0, 0, 0, 128 },
	};
	uint64_t lies;

	begin(0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_offload *o = &frame->f.offload;
		uint64_t before = test_in_dropped(&from, VSWITCH_DROP_BAD_FRAME);

		build(rows[i].v6 ? &tcp6 : &tcp4);
		frame->f.head_bytes = rows[i].head_bytes;
		frame->seg = (struct iovec){ frame->bytes + rows[i].head_bytes,
					     frame->f.len - rows[i].head_bytes };
		if (rows[i].at >= 0)
			frame->f.head[rows[i].at] = rows[i].value;
		*o = (struct vswitch_offload){ rows[i].flags, rows[i].gso, rows[i].size, 0,
					       rows[i].start, rows[i].offset, 0xffff, 0 };
		test_send(&from, frame);
		if (test_in_dropped(&from, VSWITCH_DROP_BAD_FRAME) != before + 1) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("a lie is believed");
		}
		if (to.num_got > 1)
			test_nic_clear(&to);
	}
	CU_ASSERT_EQUAL(to.num_got, 0);
	/* Headers that leave no room for a tag, by two bytes. */
	build(&(struct recipe){ false, false, 40, 32, 3000, 1000, 0x18 });
	frame->f.offload = (struct vswitch_offload){ .gso = VSWITCH_GSO_TCPV4, .gso_size = 1000 };
	test_send(&from, frame);
	CU_ASSERT_EQUAL(to.num_got, 0);
	lies = test_in_dropped(&from, VSWITCH_DROP_BAD_FRAME);
	CU_ASSERT_EQUAL(lies, sizeof(rows) / sizeof(rows[0]) + 1);
	/* 3000 segments would be too many, 1500 are not; and a tag must be whole. */
	build(&tcp4);
	set_gso(&tcp4);
	frame->f.offload.gso_size = 2;
	test_send(&from, frame);
	CU_ASSERT_EQUAL(to.num_got, 1500);
	test_frame_plain(frame, to.nic.mac, from.nic.mac, 17);
	put_be16(frame->f.head + 12, 0x8100);
	test_send(&from, frame);
	CU_ASSERT_EQUAL(test_in_dropped(&from, VSWITCH_DROP_BAD_FRAME), lies + 1);
	end();
}

static void segments_must_fit_the_receiver(void)
{
	struct recipe r = { false, false, 0, 0, 9000, 1460, 0x18 };

	for (int can = 0; can < 2; can++) {
		begin(can ? ALL_CAPS : 0);
		build(&r);
		set_gso(&r);
		test_send(&from, frame);
		CU_ASSERT_EQUAL(to.num_got, can ? 1 : 7);
		frame->f.offload.gso_size = 1461;
		test_send(&from, frame);
		CU_ASSERT_EQUAL(test_out_dropped(&to, VSWITCH_DROP_TOO_BIG), 1);
		end();
	}
}

/* A receiver without room costs the sender no more work than finding that out. */
static void refused_segments_are_not_made(void)
{
	static const struct recipe r = { false, false, 0, 0, 60000, 100, 0x18 };

	begin(0);
	to.room = 40;
	to.reason = VSWITCH_DROP_RING_FULL;
	build(&r);
	set_gso(&r);
	test_send(&from, frame);
	CU_ASSERT_EQUAL(to.num_got, 40);
	CU_ASSERT_EQUAL(to.port->stats.segments, 599);
	CU_ASSERT_EQUAL(test_out_dropped(&to, VSWITCH_DROP_RING_FULL), 560);
	CU_ASSERT(to.delivers <= 4);
	end();
}

static void order_is_kept_around_conversions(void)
{
	static const struct recipe r = { false, false, 0, 0, 300, 100, 0x18 };
	static struct test_frame *frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	unsigned expected = 0;

	begin(0);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		build(&r);
		if (i % 3)
			test_frame_plain(frame, to.nic.mac, from.nic.mac, 200);
		else
			set_gso(&r);
		frames[i] = test_frame_new();
		*frames[i] = *frame;
		frames[i]->seg.iov_base = frames[i]->bytes + frames[i]->f.head_bytes;
		frames[i]->f.segs = &frames[i]->seg;
		frames[i]->f.head[i % 3 ? 20 : 26] = (uint8_t)i;
		frames[i]->f.offload.flags = i % 2 ? VSWITCH_VLAN : 0;
		batch[i] = &frames[i]->f;
	}
	vswitch_port_input(from.port, batch, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(to.num_got, 11 * 3 + 21);
	for (unsigned i = 0; i < to.num_got; i++) {
		const uint8_t *b = to.got[i].bytes + (get_be16(to.got[i].bytes + 12) == 0x8100 ? 4 : 0);
		bool tcp = get_be16(b + 12) == 0x0800;
		unsigned number = tcp ? b[26] : b[20];

		if (number != expected)
			expected++;
		CU_ASSERT_EQUAL(number, expected);
	}
	CU_ASSERT_EQUAL(expected, VSWITCH_BATCH - 1);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
	end();
}

static const struct hv_test tests[] = {
	{ "segments are right", segments_are_right },
	{ "segments get their tag", segments_get_their_tag },
	{ "segments may stay partial", segments_may_stay_partial },
	{ "large frames pass to who takes them", large_frames_pass_to_who_takes_them },
	{ "large frames with a tag", large_frames_with_a_tag },
	{ "a checksum is never zero", checksum_is_never_zero },
	{ "many scattered frames in one batch", many_scattered_frames_in_one_batch },
	{ "a small payload is not segmented", small_payload_is_not_segmented },
	{ "checksums of all sizes", checksums_of_all_sizes },
	{ "scattered payload is the same", scattered_payload_is_the_same },
	{ "copies agree, whoever is first", copies_agree_whoever_is_first },
	{ "tags move out and in", tags_move_out_and_in },
	{ "a tagged frame with checksum", tagged_frame_with_checksum },
	{ "a second tag stays", second_tag_stays },
	{ "refuses lies about offloads", refuses_lies_about_offloads },
	{ "segments must fit the receiver", segments_must_fit_the_receiver },
	{ "refused segments are not made", refused_segments_are_not_made },
	{ "order is kept around conversions", order_is_kept_around_conversions },
};

HV_TEST_MAIN("vswitch/offload", tests)
