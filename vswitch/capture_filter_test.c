/* SPDX-License-Identifier: MIT */
/*
 * Which frames a capture takes: BPF programs and VLANs.
 */
#include <errno.h>
#include <pcap/pcap.h>

#include "vswitch/test_capture.h"

static struct bpf_program compile(const char *expression)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;

	if (vswitch_capture_compile(expression, &program, why, sizeof(why))) {
		printf("%s: %s\n", expression, why);
		CU_FAIL_FATAL("an expression that should be taken is refused");
	}
	return program;
}

/* A tag in the bytes, of that type, in front of what is behind the addresses. */
static void put_tag(uint16_t type, uint16_t tci)
{
	uint32_t len = frame->f.len;
	struct vswitch_offload offload = frame->f.offload;

	memmove(frame->bytes + 16, frame->bytes + 12, len - 12);
	put_be16(frame->bytes + 12, type);
	put_be16(frame->bytes + 14, tci);
	test_frame_set(frame, len + 4);
	frame->f.offload = offload;
}

/* The frames that expressions are tried on, in this order. */
enum { DNS, LONG_DNS, DHCP, NO_IP, VLAN_5, VLAN_5_BYTES, VLAN_6_SERVICE, VLAN_7_INNER_5, PRIORITY, FRAMES };

static void make_for_filters(unsigned k)
{
	if (k == NO_IP)
		make(1, 2, 80);
	else
		make_udp(1, 2, k == DHCP ? 67 : 53, k == LONG_DNS ? 400 : 80);
	if (k == VLAN_5_BYTES || k == VLAN_7_INNER_5)
		put_tag(0x8100, 0x6005);
	if (k == VLAN_6_SERVICE)
		put_tag(0x88a8, 6);
	if (k == VLAN_5 || k == VLAN_7_INNER_5 || k == PRIORITY) {
		frame->f.offload.flags |= VSWITCH_VLAN;
		frame->f.offload.vlan_tci = k == VLAN_5 ? 0x2005 : k == PRIORITY ? 0x6000 : 7;
	}
}

/* Which of the frames pass, as bits. */
static unsigned passing(const char *expression)
{
	struct bpf_program program = compile(expression);
	struct vswitch_capture_config c = all();
	unsigned passed = 0;
	struct tap t;

	begin();
	c.points = VSWITCH_CAPTURE_INGRESS;
	c.filter = &program;
	c.snap_bytes = 14;	/* what is kept is not what is looked at */
	tap_start(&t, &c);
	pcap_freecode(&program);
	for (unsigned k = 0; k < FRAMES; k++) {
		uint64_t before = t.ring->head;

		make_for_filters(k);
		test_send(&nics[A], frame);
		passed |= t.ring->head != before ? 1u << k : 0;
	}
	tap_stop(&t);
	CU_ASSERT_EQUAL(shown->interfaces[0].received, FRAMES);
	CU_ASSERT_EQUAL(shown->interfaces[0].accepted, (uint64_t)__builtin_popcount(passed));
	tap_free(&t);
	end();
	return passed;
}

struct expectation {
	const char *expression;
	unsigned passing;		/* of the frames, as bits */
};

static void expect_passing(const struct expectation *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned passed = passing(rows[i].expression);

		if (passed == rows[i].passing)
			continue;
		printf("%s: %#x, not %#x\n", rows[i].expression, passed, rows[i].passing);
		CU_FAIL("other frames pass");
	}
}

#define BIT(k) (1u << (k))
#define TAGGED (BIT(VLAN_5) | BIT(VLAN_5_BYTES) | BIT(VLAN_6_SERVICE) | BIT(VLAN_7_INNER_5) | BIT(PRIORITY))
#define UNTAGGED (BIT(DNS) | BIT(LONG_DNS) | BIT(DHCP) | BIT(NO_IP))
/* Of IPv4 but for tags: all but what has two of them. */
#define IPV4 ((UNTAGGED | TAGGED) & ~(BIT(NO_IP) | BIT(VLAN_7_INNER_5)))

static void filters(void)
{
	static const struct expectation rows[] = {
		{ "", UNTAGGED | TAGGED },
		{ "udp dst port 67", BIT(DHCP) },
		{ "ether[290] == 0xee", BIT(LONG_DNS) },	/* past the head: 290 * 7 */
		{ "ether[79] >= 0", UNTAGGED | TAGGED },
		{ "ether[80] >= 0", BIT(LONG_DNS) | BIT(VLAN_7_INNER_5) },	/* the others have no such byte */
		{ "greater 300", BIT(LONG_DNS) },
		{ "less 80", (UNTAGGED | TAGGED) & ~(BIT(LONG_DNS) | BIT(VLAN_7_INNER_5)) },
		{ "ip host 10.0.0.2", IPV4 },
		{ "ip host 10.0.0.3", 0 },
		{ "ip[ip[0] & 15] == 64 or (ip[6:2] & 0x1fff == 0 and udp[2:2] == 53)", IPV4 & ~BIT(DHCP) },
		{ "ether[ip[0] - 70] >= 0", 0 },	/* -1: not what lies before the frame */
	};

	expect_passing(rows, sizeof(rows) / sizeof(rows[0]));
}

/* As tcpdump's users know it from an interface of Linux. */
static void tags_are_beside_the_bytes(void)
{
	static const struct expectation rows[] = {
		{ "udp", IPV4 }, { "udp port 53", IPV4 & ~BIT(DHCP) }, { "not ip", BIT(NO_IP) | BIT(VLAN_7_INNER_5) },
		{ "vlan", TAGGED }, { "not vlan", UNTAGGED }, { "(vlan)", TAGGED }, { "!vlan&&udp", IPV4 & ~TAGGED },
		{ "vlan 5", BIT(VLAN_5) | BIT(VLAN_5_BYTES) }, { "vlan 0", BIT(PRIORITY) }, { "vlan 0x6", BIT(VLAN_6_SERVICE) },
		{ "vlan (( 5 ) )", BIT(VLAN_5) | BIT(VLAN_5_BYTES) },
		{ "not vlan 5", (UNTAGGED | TAGGED) & ~(BIT(VLAN_5) | BIT(VLAN_5_BYTES)) },
		{ "vlan 5 and udp port 53", BIT(VLAN_5) | BIT(VLAN_5_BYTES) },
		{ "udp port 53 and vlan 5", BIT(VLAN_5) | BIT(VLAN_5_BYTES) },
		{ "udp dst port 67 or vlan 6", BIT(DHCP) | BIT(VLAN_6_SERVICE) },
		{ "vlan 5 and udp port 67", 0 }, { "vlan 9", 0 }, { "vlan and ip", TAGGED & IPV4 },
		{ "vlan 7 and vlan 5 and udp", BIT(VLAN_7_INNER_5) }, { "vlan and vlan", BIT(VLAN_7_INNER_5) },
		{ "ether proto 0x8100", BIT(VLAN_7_INNER_5) },
		/* As libpcap makes it for a device: what tcpdump -ddd prints there. */
		{ "ether[0xfffff030] = 1 and ether[0xfffff02c:2] & 0xfff = 5", BIT(VLAN_5) | BIT(VLAN_5_BYTES) },
	};

	expect_passing(rows, sizeof(rows) / sizeof(rows[0]));
}

static void bad_expressions(void)
{
	static const struct { const char *expression, *why; } rows[] = {
		{ "udp prt 5", "syntax error" }, { "vlan 4096", "4096" }, { "vlan 5.6.7", "syntax error" }, { "vlan and", "syntax error" },
		{ "and vlan", "syntax error" }, { "vlan 5 6", "syntax error" }, { "port 65536", "65536" }, { "(vlan 5", "syntax error" },
	};
	char why[PCAP_ERRBUF_SIZE];
	struct bpf_program program;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why[0] = '\0';
		CU_ASSERT_EQUAL(vswitch_capture_compile(rows[i].expression, &program, why, sizeof(why)), -EINVAL);
		if (strstr(why, rows[i].why))
			continue;
		printf("%s: %s\n", rows[i].expression, why);
		CU_FAIL("another reason");
	}
}

static void bad_programs(void)
{
	static struct bpf_insn loop[] = { BPF_STMT(BPF_LD | BPF_IMM, 7), BPF_STMT(BPF_JMP | BPF_JA, (bpf_u_int32)-2),
					  BPF_STMT(BPF_RET | BPF_K, 1) },
			       away[] = { BPF_STMT(BPF_JMP | BPF_JA, 7), BPF_STMT(BPF_RET | BPF_K, 1) },
			       no_end[] = { BPF_STMT(BPF_LD | BPF_IMM, 7) },
			       by_zero[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1) },
			       mark[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0xfffff000 + 20), BPF_STMT(BPF_RET | BPF_A, 0) },
			       memory[] = { BPF_STMT(BPF_ST, BPF_MEMWORDS), BPF_STMT(BPF_RET | BPF_K, 1) };
	static struct bpf_insn many[VSWITCH_CAPTURE_FILTER_MAX + 1];
	const struct bpf_program rows[] = {
		{ 3, loop }, { 2, away }, { 1, no_end }, { 2, by_zero }, { 2, memory }, { 2, mark }, { 0, away },
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

static const struct hv_test tests[] = {
	{ "a BPF expression chooses", filters },
	{ "a VLAN tag is beside the bytes", tags_are_beside_the_bytes },
	{ "a wrong expression is refused in libpcap's words", bad_expressions },
	{ "programs that could do harm are refused", bad_programs },
	{ "a VLAN chooses", by_vlan },
	{ "the VLAN that a port puts frames into chooses", by_the_vlan_of_the_port },
};

HV_TEST_MAIN("vswitch/capture_filter", tests)
