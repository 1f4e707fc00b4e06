/* SPDX-License-Identifier: MIT */
/*
 * What a capture shows of the frames that pass a switch, read back by the tests' own reader of pcapng.
 */
#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <sched.h>

#include "vswitch/test_extension.h"
#include "vswitch/test_nic.h"
#include "vswitch/test_pcapng.h"

enum who { A, B, NET, NICS };			/* ports p1, p2, p9 */

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static struct read_capture *shown;

/* A capture with a reader that takes all it can get, as blocks one after the other. */
struct tap {
	struct vswitch_capture_ring *ring;
	struct vswitch_capture *capture;
	uint64_t position;
	uint8_t *file;
	size_t used, room;
	unsigned wakes;
};

static void on_wake(void *cookie)
{
	((struct tap *)cookie)->wakes++;
}

static struct vswitch_capture_config all(void)
{
	return (struct vswitch_capture_config){
		.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED | VSWITCH_CAPTURE_EGRESS | VSWITCH_CAPTURE_DROPPED,
		.directions = VSWITCH_CAPTURE_IN | VSWITCH_CAPTURE_OUT,
		.vlan = VSWITCH_CAPTURE_VLAN_ANY,
	};
}

static int tap_start_bytes(struct tap *t, const struct vswitch_capture_config *config, uint32_t bytes)
{
	struct vswitch_capture_config c = *config;
	int ret;

	*t = (struct tap){ .ring = aligned_alloc(64, vswitch_capture_ring_size(bytes)) };
	memset(t->ring, 0, vswitch_capture_ring_size(bytes));
	t->ring->bytes = bytes;
	c.ring = t->ring;
	c.wake = on_wake;
	c.cookie = t;
	ret = vswitch_capture_start(sw, &c, &t->capture);
	if (ret)
		free(t->ring);
	return ret;
}

static void tap_start(struct tap *t, const struct vswitch_capture_config *config)
{
	CU_ASSERT_EQUAL_FATAL(tap_start_bytes(t, config, VSWITCH_CAPTURE_RING_MIN), 0);
}

static void tap_drain(struct tap *t)
{
	const uint8_t *block;
	uint32_t n;

	while ((block = vswitch_capture_next(t->ring, &t->position, &n))) {
		if (t->room - t->used < n) {
			t->room = 2 * t->room + n;
			t->file = realloc(t->file, t->room);
		}
		memcpy(t->file + t->used, block, n);
		t->used += n;
	}
	vswitch_capture_release(t->ring, t->position);
}

/* Ends it; what it saw is in shown. */
static void tap_stop(struct tap *t)
{
	struct vswitch_capture_stats st;

	vswitch_capture_end(t->capture);
	vswitch_capture_stats(t->capture, &st);
	tap_drain(t);
	CU_ASSERT_EQUAL(t->ring->ended, 1);
	vswitch_capture_stop(t->capture);
	free(shown);
	shown = test_read_file(t->file, t->used);
	CU_ASSERT_EQUAL(shown->sections, 1);
	CU_ASSERT_EQUAL(shown->num_packets, st.captured);
	for (unsigned i = 0; i < shown->num_interfaces; i++) {
		CU_ASSERT(shown->interfaces[i].has_statistics);
		CU_ASSERT_EQUAL(shown->interfaces[i].packets + shown->interfaces[i].dropped, shown->interfaces[i].accepted);
		st.seen -= shown->interfaces[i].received;
		st.dropped -= shown->interfaces[i].dropped;
	}
	CU_ASSERT_EQUAL(st.seen, 0);
	CU_ASSERT_EQUAL(st.dropped, 0);
	free(t->ring);
}

/* The bytes that shown points into. */
static void tap_free(struct tap *t)
{
	free(t->file);
	free(shown);
	shown = NULL;
}

static void begin(void)
{
	sw = test_switch();
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_EMULATED, 2, 0);
	test_nic_plug(sw, &nics[NET], VSWITCH_NIC_EXTERNAL, 9, 0);
	frame = test_frame_new();
}

static void end_anyhow(void)
{
	for (int i = 0; i < NICS; i++) {
		CU_ASSERT_EQUAL(nics[i].port->watch, 0);
		test_nic_unplug(&nics[i]);
	}
	vswitch_destroy(sw);
	free(frame);
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	end_anyhow();
}

static void make(unsigned from, unsigned to, uint32_t len)
{
	uint8_t source[6], destination[6];

	test_mac(from, source);
	test_mac(to, destination);
	test_frame_plain(frame, destination, source, len);
}

static void send_plain(enum who through, unsigned from, unsigned to, uint32_t len)
{
	make(from, to, len);
	test_send(&nics[through], frame);
}

/* A UDP datagram for port; the test NICs look at nothing but addresses. */
static void make_udp(unsigned from, unsigned to, uint16_t port, uint32_t len)
{
	make(from, to, len);
	memset(frame->bytes + 12, 0, 30);
	put_be16(frame->bytes + 12, 0x0800);
	frame->bytes[14] = 0x45;
	put_be16(frame->bytes + 16, len - 14);
	frame->bytes[22] = 64;
	frame->bytes[23] = 17;
	put_be32(frame->bytes + 26, 0x0a000001);
	put_be32(frame->bytes + 30, 0x0a000002);
	put_be16(frame->bytes + 36, port);
	put_be16(frame->bytes + 38, len - 34);
	test_frame_set(frame, len);
}

static void expect(unsigned n, const char *name, uint32_t flags, uint32_t len, const char *comment)
{
	const struct read_packet *p = &shown->packets[n];

	CU_ASSERT_FATAL(n < shown->num_packets);
	CU_ASSERT_STRING_EQUAL(shown->interfaces[p->interface].name, name);
	CU_ASSERT_EQUAL(p->flags, flags);
	CU_ASSERT_EQUAL(p->len, len);
	CU_ASSERT_STRING_EQUAL(p->comment, comment);
}

static void points_and_directions(void)
{
	static const struct {
		const char *port;
		unsigned points, directions, n;
		const char *names[3];
		uint32_t flags[3];
	} rows[] = {
		{ "p1", VSWITCH_CAPTURE_INGRESS, 3, 1, { "p1" }, { 1 } },
		{ "p1", VSWITCH_CAPTURE_ACCEPTED, 3, 1, { "p1 accepted" }, { 1 } },
		{ "p1", VSWITCH_CAPTURE_EGRESS, 3, 0, { "p1" }, { 0 } },
		{ "p2", VSWITCH_CAPTURE_EGRESS, 3, 1, { "p2" }, { 2 } },
		{ "p2", VSWITCH_CAPTURE_EGRESS, VSWITCH_CAPTURE_IN, 0, { NULL }, { 0 } },
		{ "p9", 15, 3, 0, { NULL }, { 0 } },
		{ NULL, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS, 3, 2, { "p1", "p2" }, { 1, 2 } },
		{ NULL, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS, VSWITCH_CAPTURE_OUT, 1, { "p2" }, { 2 } },
		{ NULL, 15, 3, 3, { "p1", "p1 accepted", "p2" }, { 1, 1, 2 } },
		{ NULL, 15, VSWITCH_CAPTURE_IN, 2, { "p1", "p1 accepted" }, { 1, 1 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_capture_config c = all();
		struct tap t;

		begin();
		c.port = rows[i].port;
		c.points = rows[i].points;
		c.directions = rows[i].directions;
		c.application = "test";
		tap_start(&t, &c);
		send_plain(A, 1, 2, 300);
		CU_ASSERT_EQUAL(nics[B].num_got, 1);
		tap_stop(&t);
		CU_ASSERT_STRING_EQUAL(shown->application, "test");
		if (shown->num_packets != rows[i].n)
			printf("row %zu: %u packets\n", i, shown->num_packets);
		CU_ASSERT_EQUAL(shown->num_packets, rows[i].n);
		for (unsigned p = 0; p < rows[i].n; p++) {
			expect(p, rows[i].names[p], rows[i].flags[p], 300, "");
			CU_ASSERT_EQUAL(shown->packets[p].captured, 300);
			CU_ASSERT_EQUAL(memcmp(shown->packets[p].data, frame->bytes, 300), 0);
		}
		tap_free(&t);
		end();
	}
}

static void drop_in_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			struct vswitch_ext_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < b->n; i++)
		CU_ASSERT_EQUAL(r->s->drop(v, i, "not today"), 0);
}

static void drop_out_all(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	drop_in_all(r, b, v, NULL);
}

static void drops_say_why(void)
{
	struct vswitch_capture_config c = all();
	struct recorder guard;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	tap_start(&t, &c);
	send_plain(A, 7, 2, 60);				/* 0 */
	send_plain(A, 1, 1, 60);				/* 1 */
	make(1, 2, 60);
	frame->f.len = 13;				/* 2 */
	test_send(&nics[A], frame);
	send_plain(A, 1, 2, 1515);				/* 3: at B */
	recorder_put(sw, &guard, "guard", VSWITCH_EXT_FILTER);
	guard.on_ingress = drop_in_all;
	send_plain(B, 2, 1, 60);				/* 4 */
	guard.on_ingress = NULL;
	guard.on_egress = drop_out_all;
	send_plain(B, 2, 1, 60);				/* 5: at A */
	vswitch_extension_detach(guard.e);
	vswitch_port_set_link(nics[A].port, false);
	send_plain(A, 1, 2, 60);				/* 6 */
	vswitch_port_set_link(nics[A].port, true);
	nics[B].room = 0;
	send_plain(A, 1, 2, 62);				/* 7: B's NIC has no buffer for it */
	nics[B].room = 1;
	send_plain(A, 1, 2, 60);				/* passes */
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 8);
	expect(0, "p1 dropped", 1, 60, "dropped: spoofed-source");
	expect(1, "p1 dropped", 1, 60, "dropped: same-port");
	expect(2, "p1 dropped", 1, 13, "dropped: bad-frame");
	expect(3, "p2 dropped", 2, 1515, "dropped: too-big");
	expect(4, "p2 dropped", 1, 60, "dropped: extension (guard: not today)");
	expect(5, "p1 dropped", 2, 60, "dropped: extension (guard: not today)");
	expect(6, "p1 dropped", 1, 60, "dropped: port-down");
	expect(7, "p2 dropped", 2, 62, "dropped: no-buffer");
	tap_free(&t);
	end();
}

static void drops_by_direction(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	c.directions = VSWITCH_CAPTURE_OUT;
	tap_start(&t, &c);
	send_plain(A, 7, 2, 60);
	send_plain(A, 1, 2, 1515);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p2 dropped", 2, 1515, "dropped: too-big");
	tap_free(&t);
	end();
}

static void mad_frames(void)
{
	struct tap t;
	struct vswitch_capture_config c = all();

	begin();
	tap_start(&t, &c);
	make(1, 2, 300);
	frame->f.head_bytes = 3;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.head_bytes = 60000;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.len = UINT32_MAX;
	test_send(&nics[A], frame);
	make(1, 2, 300);
	frame->f.nsegs = 0;		/* promises more than it has */
	frame->f.offload.flags = 0;
	test_nic_clear(&nics[B]);
	vswitch_port_set_link(nics[A].port, false);
	test_send(&nics[A], frame);
	vswitch_port_set_link(nics[A].port, true);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 7);
	CU_ASSERT_EQUAL(shown->packets[0].captured, 3);
	CU_ASSERT_EQUAL(shown->packets[2].captured, VSWITCH_HEAD_BYTES);
	CU_ASSERT_EQUAL(shown->packets[4].len, UINT32_MAX);
	CU_ASSERT_EQUAL(shown->packets[4].captured, VSWITCH_HEAD_BYTES);
	expect(6, "p1 dropped", 1, 300, "dropped: port-down");
	CU_ASSERT_EQUAL(shown->packets[6].data[299], 0);
	tap_free(&t);
	end();
}

/* The program of an expression, as a client would compile it. */
static struct bpf_program compile(const char *expression)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program program;

	CU_ASSERT_EQUAL_FATAL(pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN), 0);
	pcap_close(p);
	return program;
}

static void make_tagged(uint16_t tci)
{
	make_udp(1, 2, 53, 80);
	frame->f.offload.flags |= VSWITCH_VLAN;
	frame->f.offload.vlan_tci = tci;
}

static void filters(void)
{
	static const struct {
		const char *expression;
		unsigned passing;	/* of five frames, as bits of their order */
	} rows[] = {
		{ "udp", 0x07 }, { "udp port 53", 0x03 }, { "udp dst port 67", 0x04 }, { "not ip", 0x18 },
		{ "ether[290] == 0xee", 0x02 },		/* past the head: 290 * 7 */
		{ "greater 300", 0x02 }, { "vlan 5 and udp port 53", 0x10 }, { "vlan 6", 0 }, { "ip host 10.0.0.2", 0x07 },
		{ "ip host 10.0.0.3", 0 },
		{ "ip[ip[0] & 15] == 64 or (ip[6:2] & 0x1fff == 0 and udp[2:2] == 53)", 0x03 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bpf_program program = compile(rows[i].expression);
		struct vswitch_capture_config c = all();
		unsigned passed = 0, k = 0;
		struct tap t;

		begin();
		c.points = VSWITCH_CAPTURE_INGRESS;
		c.filter = &program;
		c.snap_bytes = 14;	/* what is kept is not what is looked at */
		tap_start(&t, &c);
		pcap_freecode(&program);
		for (uint64_t before = 0; k < 5; k++, before = t.ring->head) {
			make_udp(1, 2, 53, 80);
			if (k == 1)
				make_udp(1, 2, 53, 400);
			else if (k == 2)
				make_udp(1, 2, 67, 80);
			else if (k == 3)
				make(1, 2, 80);
			else if (k == 4)
				make_tagged(0x2005);
			if (!k)
				before = t.ring->head;
			test_send(&nics[A], frame);
			passed |= t.ring->head != before ? 1u << k : 0;
		}
		/* A tagged frame's bytes are not where "udp" looks without "vlan": libpcap's rule for all captures. */
		if (passed != rows[i].passing) {
			printf("%s: %x\n", rows[i].expression, passed);
			CU_FAIL("other frames pass");
		}
		tap_stop(&t);
		CU_ASSERT_EQUAL(shown->interfaces[0].received, 5);
		CU_ASSERT_EQUAL(shown->interfaces[0].accepted, (uint64_t)__builtin_popcount(passed));
		tap_free(&t);
		end();
	}
}

static void bad_programs(void)
{
	static struct bpf_insn loop[] = { BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_JMP | BPF_JA, (bpf_u_int32)-2),
					  BPF_STMT(BPF_RET | BPF_K, 1) },
			       away[] = { BPF_STMT(BPF_JMP | BPF_JA, 7), BPF_STMT(BPF_RET | BPF_K, 1) },
			       no_end[] = { BPF_STMT(BPF_LD | BPF_IMM, 7) },
			       by_zero[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1) },
			       memory[] = { BPF_STMT(BPF_ST, BPF_MEMWORDS), BPF_STMT(BPF_RET | BPF_K, 1) };
	static struct bpf_insn many[VSWITCH_CAPTURE_FILTER_MAX + 1];
	const struct bpf_program rows[] = {
		{ 3, loop }, { 2, away }, { 1, no_end }, { 2, by_zero }, { 2, memory }, { 0, away },
		{ VSWITCH_CAPTURE_FILTER_MAX + 1, many },
	};
	struct vswitch_capture_config c = all();
	struct bpf_program longest = { VSWITCH_CAPTURE_FILTER_MAX, many };
	struct tap t;

	begin();
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c.filter = &rows[i];
		CU_ASSERT_EQUAL(tap_start_bytes(&t, &c, VSWITCH_CAPTURE_RING_MIN), -EINVAL);
	}
	c.filter = &longest;
	tap_start(&t, &c);
	tap_stop(&t);
	tap_free(&t);
	end();
}

static void bad_configurations(void)
{
	struct vswitch_capture_config good = all(), c;
	struct tap t;

	begin();
#define REFUSED(field, value) do { \
		c = good; \
		c.field = value; \
		CU_ASSERT_EQUAL(tap_start_bytes(&t, &c, VSWITCH_CAPTURE_RING_MIN), -EINVAL); \
	} while (0)
	REFUSED(points, 0);
	REFUSED(points, 16);
	REFUSED(directions, 0);
	REFUSED(directions, 4);
	REFUSED(vlan, -2);
	REFUSED(vlan, 4095);
	REFUSED(port, "0123456789012345678901234567890123456789012345678901234567890123");
	CU_ASSERT_EQUAL(tap_start_bytes(&t, &good, VSWITCH_CAPTURE_RING_MIN / 2), -EINVAL);
	CU_ASSERT_EQUAL(tap_start_bytes(&t, &good, VSWITCH_CAPTURE_RING_MIN + 4096), -EINVAL);
	end();
}

static void by_vlan(void)
{
	static const struct { int vlan; unsigned lens[3], n; } rows[] = {
		{ VSWITCH_CAPTURE_VLAN_ANY, { 80, 84, 84 }, 3 }, { VSWITCH_CAPTURE_VLAN_NONE, { 80 }, 1 }, { 5, { 84 }, 1 },
		{ 6, { 84 }, 1 }, { 7, { 0 }, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vswitch_capture_config c = all();
		struct tap t;

		begin();
		c.points = VSWITCH_CAPTURE_INGRESS;
		c.vlan = rows[i].vlan;
		tap_start(&t, &c);
		make_udp(1, 2, 53, 80);
		test_send(&nics[A], frame);
		make_tagged(0x2005);
		test_send(&nics[A], frame);
		make_udp(1, 2, 53, 84);		/* the tag in the bytes */
		memmove(frame->bytes + 16, frame->bytes + 12, 68);
		put_be16(frame->bytes + 12, 0x8100);
		put_be16(frame->bytes + 14, 6);
		test_frame_set(frame, 84);
		test_send(&nics[A], frame);
		tap_stop(&t);
		CU_ASSERT_EQUAL(shown->num_packets, rows[i].n);
		for (unsigned p = 0; p < rows[i].n; p++)
			expect(p, "p1", 1, rows[i].lens[p], "");
		tap_free(&t);
		end();
	}
}

/* A policy puts untagged frames into a VLAN; before it nothing is known of that. */
static void by_the_vlan_of_the_port(void)
{
	const struct vswitch_port_policy access = { .vlan = { .mode = VSWITCH_VLAN_ACCESS, .access = 100 } };
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.vlan = 100;
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[A].port, &access, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_port_set_policy(nics[B].port, &access, NULL), 0);
	tap_start(&t, &c);
	make(1, 2, 60);
	frame->f.vlan = 100;		/* a sender's leftover */
	test_send(&nics[A], frame);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 2);
	expect(0, "p1 accepted", 1, 64, "");	/* inside the switch it has the VLAN's tag … */
	expect(1, "p2", 2, 60, "");		/* … which it leaves at an access port */
	CU_ASSERT_EQUAL_FATAL(shown->packets[0].custom_bytes, 24);
	CU_ASSERT_EQUAL(test_u16(shown->packets[0].custom + 18), 100);
	tap_free(&t);
	end();
}

static void tags_are_in_the_bytes(void)
{
	static const uint8_t tag[6] = { 0x81, 0x00, 0x20, 0x05, 0x08, 0x00 };
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_ACCEPTED | VSWITCH_CAPTURE_EGRESS;
	nics[B].nic.caps = VSWITCH_CAN_VLAN;
	tap_start(&t, &c);
	make_tagged(0x2005);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(nics[B].got[0].len, 80);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	for (unsigned p = 0; p < 3; p++) {
		CU_ASSERT_EQUAL(shown->packets[p].len, 84);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data, frame->bytes, 12), 0);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data + 12, tag, 6), 0);
		CU_ASSERT_EQUAL(memcmp(shown->packets[p].data + 18, frame->bytes + 14, 66), 0);
	}
	tap_free(&t);
	end();
}

static void snaps(void)
{
	static const uint32_t snap[] = { 1, 13, 15, 16, 17, 128, 300, 400, 0 };

	for (size_t i = 0; i < sizeof(snap) / sizeof(snap[0]); i++) {
		uint32_t kept = snap[i] && snap[i] < 304 ? snap[i] : 304;
		struct vswitch_capture_config c = all();
		uint8_t wire[304];
		struct tap t;

		begin();
		c.points = VSWITCH_CAPTURE_INGRESS;
		c.snap_bytes = snap[i];
		tap_start(&t, &c);
		make(1, 2, 300);
		frame->f.offload.flags |= VSWITCH_VLAN;
		frame->f.offload.vlan_tci = 9;
		memcpy(wire, frame->bytes, 12);
		memcpy(wire + 12, "\x81\x00\x00\x09", 4);
		memcpy(wire + 16, frame->bytes + 12, 288);
		test_send(&nics[A], frame);
		tap_stop(&t);
		CU_ASSERT_EQUAL_FATAL(shown->num_packets, 1);
		CU_ASSERT_EQUAL(shown->packets[0].len, 304);
		CU_ASSERT_EQUAL(shown->packets[0].captured, kept);
		CU_ASSERT_EQUAL(memcmp(shown->packets[0].data, wire, kept), 0);
		CU_ASSERT_EQUAL(shown->interfaces[0].snap, snap[i]);
		tap_free(&t);
		end();
	}
}

/* A TCP segment of 3000 bytes for a NIC that takes none. */
static void make_gso(void)
{
	make_udp(1, 2, 80, 3054);
	frame->bytes[23] = 6;
	frame->bytes[46] = 5 << 4;
	test_frame_set(frame, 3054);
	frame->f.offload = (struct vswitch_offload){ .flags = VSWITCH_CSUM_PARTIAL | VSWITCH_HASH, .gso = VSWITCH_GSO_TCPV4,
						    .gso_size = 1400, .csum_start = 34, .csum_offset = 16,
						    .header_bytes = 54, .hash = 0x12345678 };
}

static void offloads_are_described(void)
{
	struct vswitch_capture_config c = all();
	const struct read_packet *p;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS;
	tap_start(&t, &c);
	make_gso();
	test_send(&nics[A], frame);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 4);
	expect(0, "p1", 1, 3054, "transport checksum to be filled in; to be cut into TCP segments of 1400 bytes");
	expect(1, "p2", 2, 1454, "");
	expect(3, "p2", 2, 254, "");
	p = &shown->packets[0];
	CU_ASSERT_FATAL(p->has_custom && p->custom_bytes == 24);
	CU_ASSERT_EQUAL(test_u32(p->custom), 32473);
	CU_ASSERT_EQUAL(memcmp(p->custom + 4, "hvnv", 4), 0);
	CU_ASSERT_EQUAL(p->custom[8], VSWITCH_CSUM_PARTIAL | VSWITCH_HASH);
	CU_ASSERT_EQUAL(p->custom[9], VSWITCH_GSO_TCPV4);
	CU_ASSERT_EQUAL(test_u16(p->custom + 10), 1400);
	CU_ASSERT_EQUAL(test_u16(p->custom + 12), 34);
	CU_ASSERT_EQUAL(test_u16(p->custom + 14), 16);
	CU_ASSERT_EQUAL(test_u16(p->custom + 16), 54);
	CU_ASSERT_EQUAL(test_u32(p->custom + 20), 0x12345678);
	tap_free(&t);
	end();
}

static void segments_that_are_dropped(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_DROPPED;
	nics[B].nic.max_frame_bytes = 1000;
	tap_start(&t, &c);
	make_gso();
	test_send(&nics[A], frame);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p2 dropped", 2, 3054, "dropped: too-big; transport checksum to be filled in; to be cut into TCP segments of "
	       "1400 bytes");
	tap_free(&t);
	end();
}

static void full_ring(void)
{
	const unsigned total = 2000;
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	unsigned before, after = 0;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned i = 0; i < total; i++)
		send_plain(A, 1, 2, 1514);
	vswitch_capture_stats(t.capture, &st);
	before = (unsigned)st.captured;
	CU_ASSERT(st.captured > VSWITCH_CAPTURE_RING_MIN / 1600 && st.captured < VSWITCH_CAPTURE_RING_MIN / 1514);
	CU_ASSERT_EQUAL(st.captured + st.dropped, total);
	CU_ASSERT_EQUAL(nics[B].num_got, total);
	tap_drain(&t);
	for (; after < 10; after++)
		send_plain(A, 1, 2, 100);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, before + after);
	CU_ASSERT_EQUAL(shown->packets[before - 1].dropped, 0);
	CU_ASSERT_EQUAL(shown->packets[before].dropped, total - before);
	CU_ASSERT_EQUAL(shown->packets[before + 1].dropped, 0);
	CU_ASSERT_EQUAL(shown->interfaces[0].dropped, total - before);
	tap_free(&t);
	end();
}

/* A port that comes when there is no room to announce it. */
static void late_announcement(void)
{
	struct vswitch_capture_config c = all();
	struct test_nic late;
	struct tap t;
	int i;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned k = 0; k < 20000; k++)	/* more than fit */
		send_plain(A, 1, 2, 60);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 61);
	test_send(&late, frame);
	tap_drain(&t);
	make(5, 2, 62);
	test_send(&late, frame);
	tap_stop(&t);
	i = test_find_interface(shown, "p5");
	CU_ASSERT_FATAL(i > 0);
	CU_ASSERT_EQUAL(shown->interfaces[i].received, 2);
	CU_ASSERT_EQUAL(shown->interfaces[i].packets, 1);
	expect(shown->num_packets - 1, "p5", 1, 62, "");
	CU_ASSERT_EQUAL(shown->packets[shown->num_packets - 1].dropped, 1);
	tap_free(&t);
	test_nic_unplug(&late);
	end_anyhow();
}

/* A reader that is always a little behind, over many times the ring's length: nothing is lost, torn or out of order. */
static void round_and_round(void)
{
	struct vswitch_capture_config c = all();
	unsigned n = 0;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	while (t.ring->head < 5 * VSWITCH_CAPTURE_RING_MIN) {
		make(1, 2, 60 + n % 1455);
		put_be32(frame->f.head + 14, n);
		test_send(&nics[A], frame);
		test_nic_clear(&nics[B]);
		if (++n % 100 == 0)
			tap_drain(&t);
	}
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, n);
	CU_ASSERT_EQUAL(shown->interfaces[0].dropped, 0);
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(get_be32(shown->packets[i].data + 14), i);
		CU_ASSERT_EQUAL(shown->packets[i].len, 60 + i % 1455);
		CU_ASSERT(!i || shown->packets[i].time_ns >= shown->packets[i - 1].time_ns);
	}
	tap_free(&t);
	end();
}

static void *read_all(void *opaque)
{
	struct tap *t = opaque;
	bool ended;

	do {
		ended = atomic_load(&t->ring->ended);
		tap_drain(t);
		sched_yield();
	} while (!ended);
	return NULL;
}

/* As it is in truth: the reader runs by itself (ThreadSanitizer watches the order of memory). */
static void reader_of_its_own(void)
{
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	uint32_t last = 0, n = 0;
	pthread_t thread;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_all, &t), 0);
	for (; n < 10000; n++) {
		make(1, 2, 60 + n % 1455);
		put_be32(frame->f.head + 14, n + 1);
		test_send(&nics[A], frame);
		test_nic_clear(&nics[B]);
	}
	vswitch_capture_end(t.capture);
	pthread_join(thread, NULL);
	vswitch_capture_stats(t.capture, &st);
	vswitch_capture_stop(t.capture);
	shown = test_read_file(t.file, t.used);
	CU_ASSERT_EQUAL(shown->num_packets, st.captured);
	CU_ASSERT_EQUAL(st.captured + st.dropped, n);
	for (unsigned i = 0; i < shown->num_packets; i++) {
		uint32_t number = get_be32(shown->packets[i].data + 14);

		CU_ASSERT_EQUAL(number, last + 1 + shown->packets[i].dropped);
		CU_ASSERT_EQUAL(shown->packets[i].len, 60 + (number - 1) % 1455);
		last = number;
	}
	free(t.ring);
	tap_free(&t);
	end();
}

/* Lies in the reader's field cost frames, and nothing is written outside of the ring (a sanitizer would say). */
static void lying_reader(void)
{
	static const uint64_t lies[] = { UINT64_MAX, 1ull << 63, 1 << 20, 3, 0 };
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	struct tap t;

	begin();
	tap_start(&t, &c);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		atomic_store(&t.ring->tail, lies[i]);
		t.ring->bytes = 12;
		for (unsigned k = 0; k < 500; k++)
			send_plain(A, 1, 2, 1514);
		test_nic_clear(&nics[B]);
	}
	vswitch_capture_stats(t.capture, &st);
	CU_ASSERT(st.dropped > 0);
	CU_ASSERT(st.captured <= VSWITCH_CAPTURE_RING_MIN / 1514);
	vswitch_capture_stop(t.capture);
	free(t.ring);
	end();
}

static void two_at_once(void)
{
	struct vswitch_capture_config one = all(), two = all();
	struct tap t1, t2;

	begin();
	one.port = "p1";
	one.points = VSWITCH_CAPTURE_INGRESS;
	two.points = VSWITCH_CAPTURE_EGRESS;
	two.snap_bytes = 20;
	tap_start(&t1, &one);
	tap_start(&t2, &two);
	CU_ASSERT_EQUAL(nics[A].port->watch, VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS);
	CU_ASSERT_EQUAL(nics[B].port->watch, VSWITCH_CAPTURE_EGRESS);
	send_plain(A, 1, 2, 60);
	send_plain(B, 2, 1, 70);
	tap_stop(&t1);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "p1", 1, 60, "");
	tap_free(&t1);
	CU_ASSERT_EQUAL(nics[A].port->watch, VSWITCH_CAPTURE_EGRESS);
	send_plain(A, 1, 2, 80);
	tap_stop(&t2);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	expect(0, "p2", 2, 60, "");
	expect(1, "p1", 2, 70, "");
	expect(2, "p2", 2, 80, "");
	CU_ASSERT_EQUAL(shown->packets[2].captured, 20);
	tap_free(&t2);
	end();
}

static void so_many_frames(void)
{
	struct vswitch_capture_config c = all();
	struct vswitch_capture_stats st;
	struct vswitch_frame *batch[4];
	struct test_frame *f[4];
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS | VSWITCH_CAPTURE_EGRESS;
	c.max_frames = 3;
	tap_start(&t, &c);
	for (unsigned i = 0; i < 4; i++) {	/* it ends in the middle of a batch */
		f[i] = test_frame_new();
		memcpy(f[i]->bytes, nics[B].nic.mac, 6);
		memcpy(f[i]->bytes + 6, nics[A].nic.mac, 6);
		test_frame_set(f[i], 60);
		batch[i] = &f[i]->f;
	}
	vswitch_port_input(nics[A].port, batch, 4);
	CU_ASSERT_EQUAL(nics[B].num_got, 4);
	CU_ASSERT_EQUAL(t.wakes, 1);
	CU_ASSERT_EQUAL(t.ring->ended, 1);
	CU_ASSERT_EQUAL(nics[A].port->watch, 0);
	vswitch_capture_stats(t.capture, &st);
	CU_ASSERT_TRUE(st.ended);
	CU_ASSERT_EQUAL(st.captured, 3);
	CU_ASSERT_EQUAL(st.captured_bytes, 180);
	send_plain(A, 1, 2, 60);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_packets, 3);
	tap_free(&t);
	for (unsigned i = 0; i < 4; i++)
		free(f[i]);
	end();
}

static void ports_that_come_and_go(void)
{
	struct vswitch_capture_config c = all();
	struct test_nic late;
	struct tap t, by_name;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	c.port = "p5";
	tap_start(&by_name, &c);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 61);
	test_send(&late, frame);
	test_nic_unplug(&late);
	test_nic_plug(sw, &late, VSWITCH_NIC_SYNTHETIC, 5, 0);
	make(5, 2, 62);
	test_send(&late, frame);
	test_nic_unplug(&late);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_interfaces, 4);	/* p5 once */
	CU_ASSERT_EQUAL(shown->num_packets, 2);
	expect(0, "p5", 1, 61, "");
	expect(1, "p5", 1, 62, "");
	tap_free(&t);
	tap_stop(&by_name);
	CU_ASSERT_EQUAL(shown->num_interfaces, 1);
	CU_ASSERT_EQUAL(shown->num_packets, 2);
	tap_free(&by_name);
	end_anyhow();		/* without the counters of the port that is gone */
}

static void interfaces_are_there_from_the_start(void)
{
	struct vswitch_capture_config c = all();
	struct tap t;
	int i;

	begin();
	tap_start(&t, &c);
	tap_drain(&t);
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->num_interfaces, 9);
	i = test_find_interface(shown, "p9 dropped");
	CU_ASSERT_FATAL(i >= 0);
	CU_ASSERT_STRING_EQUAL(shown->interfaces[i].description,
			       "switch \"test\", port p9: dropped, from its NIC or on the way to it");
	CU_ASSERT(shown->interfaces[i].end_ns >= shown->interfaces[i].start_ns);
	tap_free(&t);
	end();
}

/* On a loop the reader is woken once for many frames. */
static void wakes_on_the_loop(void)
{
	struct vswitch_config config = { .name = "timed" };
	struct vswitch_capture_config c = all();
	struct hv_loop *loop;
	struct tap t;
	uint32_t n;

	CU_ASSERT_EQUAL_FATAL(hv_loop_create(&loop), 0);
	CU_ASSERT_EQUAL_FATAL(vswitch_create(loop, &config, &sw), 0);
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_plug(sw, &nics[NET], VSWITCH_NIC_EXTERNAL, 9, 0);
	frame = test_frame_new();
	c.points = VSWITCH_CAPTURE_INGRESS;
	tap_start(&t, &c);
	for (unsigned i = 0; i < 5; i++)
		send_plain(A, 1, 2, 60);
	CU_ASSERT_EQUAL(t.wakes, 0);
	for (unsigned i = 0; i < 100 && !t.wakes; i++)
		CU_ASSERT_EQUAL(hv_loop_run_once(loop, 10000000), 0);
	CU_ASSERT_EQUAL(t.wakes, 1);
	for (uint64_t until = hv_now_ns() + 10000000000ull; t.wakes < 2 && hv_now_ns() < until;) {
		send_plain(A, 1, 2, 60);	/* traffic that never ends does not put it off */
		test_nic_clear(&nics[B]);
		while (vswitch_capture_next(t.ring, &t.position, &n))
			;
		vswitch_capture_release(t.ring, t.position);
		CU_ASSERT_EQUAL(hv_loop_run_once(loop, 0), 0);
	}
	CU_ASSERT_EQUAL(t.wakes, 2);
	send_plain(A, 1, 2, 60);		/* armed again; stop takes it away */
	vswitch_capture_stop(t.capture);
	free(t.ring);
	tap_free(&t);
	end();
	hv_loop_destroy(loop);
}

static const struct hv_test tests[] = {
	{ "each point and direction shows its frames", points_and_directions },
	{ "dropped frames come with reason and rule", drops_say_why },
	{ "drops have a direction too", drops_by_direction },
	{ "frames that nobody checked yet do no harm", mad_frames },
	{ "a BPF expression chooses", filters },
	{ "programs that could do harm are refused", bad_programs },
	{ "configurations out of range are refused", bad_configurations },
	{ "a VLAN chooses", by_vlan },
	{ "the VLAN that a port puts frames into chooses", by_the_vlan_of_the_port },
	{ "a tag is in the bytes as on the wire", tags_are_in_the_bytes },
	{ "no more than the snap length is kept", snaps },
	{ "large frames are shown whole, what is beside them in words and as an option", offloads_are_described },
	{ "a large frame that is dropped", segments_that_are_dropped },
	{ "what finds no room is counted and said", full_ring },
	{ "a port that comes when the ring is full is announced later", late_announcement },
	{ "blocks are whole and in order, round and round", round_and_round },
	{ "a reader in another thread", reader_of_its_own },
	{ "a reader that lies hurts nobody", lying_reader },
	{ "two captures at once", two_at_once },
	{ "it ends after so many frames, in the middle of a batch", so_many_frames },
	{ "ports that come and go keep their interface", ports_that_come_and_go },
	{ "all interfaces are announced at the start", interfaces_are_there_from_the_start },
	{ "the reader is woken by the loop, once for many frames", wakes_on_the_loop },
};

HV_TEST_MAIN("vswitch/capture", tests)
