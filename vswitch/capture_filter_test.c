/* SPDX-License-Identifier: MIT */
/*
 * Which frames a capture takes: BPF programs and VLANs.
 */
#include <errno.h>
#include <pcap/pcap.h>

#include "vswitch/test_capture.h"

/* The program of an expression, as a client would compile it. */
static struct bpf_program compile(const char *expression)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program program;

	CU_ASSERT_EQUAL_FATAL(pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN), 0);
	pcap_close(p);
	return program;
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
	{ "programs that could do harm are refused", bad_programs },
	{ "a VLAN chooses", by_vlan },
	{ "the VLAN that a port puts frames into chooses", by_the_vlan_of_the_port },
};

HV_TEST_MAIN("vswitch/capture_filter", tests)
