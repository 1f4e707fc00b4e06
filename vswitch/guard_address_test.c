/* SPDX-License-Identifier: MIT */
/*
 * Which addresses a port may claim, in IP, ARP and neighbour discovery, and how many.
 */
#include <errno.h>

#include "vswitch/test_attack.h"

enum { MINE = 0x0a000001, OTHERS = 0x0a000002, UDP = 17, MF = 0x2000 };

static const uint8_t mine[16] = { 0xfe, 0x80, [15] = 1 }, others[16] = { 0xfe, 0x80, [15] = 2 }, nowhere[16];

static struct vswitch *sw;
static struct test_nic guest, net;
static struct test_frame *frame;
static struct packet packet;

static void begin(const struct vswitch_port_policy *policy)
{
	sw = test_switch();
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &net, VSWITCH_NIC_EXTERNAL, 3, VSWITCH_CAN_VLAN);
	test_policy(&guest, policy);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&guest);
	test_nic_unplug(&net);
	vswitch_destroy(sw);
	free(frame);
}

/* Packets. Each gives the type. */

static uint16_t udp4(uint32_t source, uint16_t from, uint16_t to, uint16_t fragment)
{
	packet_begin(&packet, 40);
	packet_udp(&packet, from, to);
	packet_ipv4(&packet, UDP, source, fragment, 0);
	return 0x0800;
}

static uint16_t ip4_mine(void) { return udp4(MINE, 1, 2, 0); }
static uint16_t ip4_others(void) { return udp4(OTHERS, 1, 2, 0); }
static uint16_t ip4_later_mine(void) { return udp4(MINE, 1, 2, 99); }
static uint16_t ip4_later_others(void) { return udp4(OTHERS, 1, 2, 99); }
static uint16_t ip4_multicast(void) { return udp4(0xe0000001, 1, 2, 0); }
static uint16_t dhcp_request(void) { return udp4(0, 68, 67, 0); }
static uint16_t nowhere_else(void) { return udp4(0, 68, 53, 0); }
static uint16_t nowhere_later(void) { return udp4(0, 68, 67, 99); }

static uint16_t nowhere_tcp(void)
{
	uint8_t *t;

	packet_begin(&packet, 20);
	t = packet_push(&packet, 20);
	put_be16(t, 68);
	put_be16(t + 2, 67);
	packet_ipv4(&packet, 6, 0, 0, 0);
	return 0x0800;
}

static uint16_t redirect4(void)
{
	packet_begin(&packet, 40);
	packet_icmp(&packet, 5);
	packet_ipv4(&packet, 1, MINE, 0, 0);
	return 0x0800;
}

static uint16_t bad4(void)
{
	udp4(MINE, 1, 2, 0);
	packet.room[packet.at] = 0x65;
	return 0x0800;
}

static uint8_t *arp(uint16_t operation, uint32_t sender, uint8_t hardware)
{
	uint8_t *a;

	packet_begin(&packet, 0);
	a = packet_push(&packet, 28);
	a[1] = 1;
	a[2] = 8;
	a[4] = 6;
	a[5] = 4;
	a[7] = (uint8_t)operation;
	test_mac(hardware, a + 8);
	put_be32(a + 14, sender);
	put_be32(a + 24, OTHERS);
	return a;
}

static uint16_t arp_request(void) { arp(1, MINE, 1); return 0x0806; }
static uint16_t arp_reply(void) { arp(2, MINE, 1); return 0x0806; }
static uint16_t arp_request_others(void) { arp(1, OTHERS, 1); return 0x0806; }
static uint16_t arp_reply_others(void) { arp(2, OTHERS, 1); return 0x0806; }
static uint16_t arp_other_hardware(void) { arp(2, MINE, 2); return 0x0806; }
static uint16_t arp_probe(void) { arp(1, 0, 1); return 0x0806; }
static uint16_t arp_reply_nobody(void) { arp(2, 0, 1); return 0x0806; }
static uint16_t arp_inverse(void) { arp(8, OTHERS, 1); return 0x0806; }
static uint16_t rarp_request(void) { arp(3, 0, 1); return 0x8035; }
static uint16_t rarp_reply(void) { arp(4, MINE, 1); return 0x8035; }
static uint16_t rarp_others(void) { arp(3, OTHERS, 1); return 0x8035; }
static uint16_t arp_long_addresses(void) { arp(2, MINE, 1)[4] = 8; return 0x0806; }
static uint16_t arp_other_protocol(void) { arp(2, MINE, 1)[3] = 6; return 0x0806; }
static uint16_t arp_short_protocol(void) { arp(2, MINE, 1)[5] = 3; return 0x0806; }
/* IEEE 802 networks: Linux takes that on Ethernet, too. */
static uint16_t arp_ieee802(void) { arp(2, OTHERS, 1)[1] = 6; return 0x0806; }

static uint16_t udp6(const uint8_t source[16])
{
	packet_begin(&packet, 40);
	packet_udp(&packet, 1, 2);
	packet_ipv6(&packet, UDP, source);
	return 0x86dd;
}

static uint16_t ip6_mine(void) { return udp6(mine); }
static uint16_t ip6_others(void) { return udp6(others); }
static uint16_t ip6_nowhere(void) { return udp6(nowhere); }

/* option: 0 none, else its type; with the hardware address. */
static uint16_t discovery(uint8_t type, const uint8_t source[16], const uint8_t target[16], uint8_t option, uint8_t hardware,
			  uint8_t before)
{
	uint8_t *n;

	packet_begin(&packet, 0);
	if (option) {
		n = packet_push(&packet, 8);
		n[0] = option;
		n[1] = 1;
		test_mac(hardware, n + 2);
	}
	if (before)			/* an option that nobody knows */
		packet_push(&packet, before)[1] = before / 8;
	if (target)
		memcpy(packet_push(&packet, 16), target, 16);
	packet_icmp(&packet, type);
	packet_ipv6(&packet, 58, source);
	return 0x86dd;
}

static uint16_t ns_mine(void) { return discovery(135, mine, others, 1, 1, 0); }
static uint16_t ns_others(void) { return discovery(135, others, mine, 1, 1, 0); }
static uint16_t ns_other_hardware(void) { return discovery(135, mine, others, 1, 2, 0); }
static uint16_t ns_detection(void) { return discovery(135, nowhere, mine, 0, 0, 0); }
static uint16_t ns_detection_others(void) { return discovery(135, nowhere, others, 0, 0, 0); }
static uint16_t na_mine(void) { return discovery(136, mine, mine, 2, 1, 0); }
static uint16_t na_others(void) { return discovery(136, mine, others, 2, 1, 0); }
static uint16_t na_other_hardware(void) { return discovery(136, mine, mine, 2, 2, 0); }
static uint16_t na_hidden_hardware(void) { return discovery(136, mine, mine, 2, 2, 120); }
static uint16_t na_long(void) { return discovery(136, mine, mine, 2, 1, 120); }
static uint16_t na_nowhere(void) { return discovery(136, nowhere, mine, 2, 1, 0); }
static uint16_t na_cut(void) { return discovery(136, mine, NULL, 0, 0, 0); }
static uint16_t rs_nowhere(void) { return discovery(133, nowhere, NULL, 0, 0, 0); }
static uint16_t rs_mine(void) { return discovery(133, mine, NULL, 1, 1, 0); }
static uint16_t rs_other_hardware(void) { return discovery(133, mine, NULL, 1, 2, 0); }
static uint16_t ra_mine(void) { return discovery(134, mine, mine, 0, 0, 0); }
static uint16_t redirect6(void) { return discovery(137, mine, mine, 0, 0, 0); }
static uint16_t report_nowhere(void) { return discovery(143, nowhere, NULL, 0, 0, 0); }
static uint16_t ping_nowhere(void) { return discovery(128, nowhere, NULL, 0, 0, 0); }

static uint16_t na_no_option_length(void)
{
	na_mine();
	packet.room[packet.at + 40 + 24] = 99;	/* a type that nobody knows: who skips it goes nowhere */
	packet.room[packet.at + 40 + 24 + 1] = 0;
	return 0x86dd;
}

static uint16_t na_behind_options(void)
{
	packet_begin(&packet, 0);
	memcpy(packet_push(&packet, 16), others, 16);
	packet_icmp(&packet, 136);
	packet_extension(&packet, 58, 120);
	packet_ipv6(&packet, 60, mine);
	return 0x86dd;
}

static uint16_t na_first_fragment(void)
{
	packet_begin(&packet, 0);
	memcpy(packet_push(&packet, 16), others, 16);
	packet_icmp(&packet, 136);
	packet_fragment6(&packet, 58, 0, true);
	packet_ipv6(&packet, 44, mine);
	return 0x86dd;
}

static uint16_t experiment(void)
{
	packet_begin(&packet, 50);
	return 0x88b5;
}

static const struct {
	uint16_t (*make)(void);
	const char *name;
	bool passes;
} claims[] = {
#define ROW(make, passes) { make, #make, passes }
	ROW(ip4_mine, true), ROW(ip4_others, false), ROW(ip4_later_mine, true), ROW(ip4_later_others, false),
	ROW(ip4_multicast, false), ROW(dhcp_request, true), ROW(nowhere_else, false), ROW(nowhere_later, false),
	ROW(nowhere_tcp, false), ROW(redirect4, false), ROW(bad4, false),
	ROW(arp_request, true), ROW(arp_reply, true), ROW(arp_request_others, false), ROW(arp_reply_others, false),
	ROW(arp_other_hardware, false), ROW(arp_probe, true), ROW(arp_reply_nobody, false), ROW(arp_inverse, false),
	ROW(rarp_request, true), ROW(rarp_reply, false), ROW(rarp_others, false), ROW(arp_long_addresses, false),
	ROW(arp_other_protocol, false), ROW(arp_short_protocol, false), ROW(arp_ieee802, false),
	ROW(ip6_mine, true), ROW(ip6_others, false), ROW(ip6_nowhere, false),
	ROW(ns_mine, true), ROW(ns_others, false), ROW(ns_other_hardware, false), ROW(ns_detection, true),
	ROW(ns_detection_others, false), ROW(na_mine, true), ROW(na_others, false), ROW(na_other_hardware, false),
	ROW(na_hidden_hardware, false), ROW(na_long, true), ROW(na_nowhere, false), ROW(na_cut, false),
	ROW(rs_nowhere, true), ROW(rs_mine, true), ROW(rs_other_hardware, false), ROW(ra_mine, false),
	ROW(redirect6, false), ROW(report_nowhere, true), ROW(ping_nowhere, false), ROW(na_no_option_length, false),
	ROW(na_behind_options, false), ROW(na_first_fragment, false), ROW(experiment, true),
#undef ROW
};

static struct vswitch_port_policy guarded(void)
{
	struct vswitch_port_policy policy = {
		.vlan = { .mode = VSWITCH_VLAN_TRUNK, .allowed = test_vlans(8, 0) },
		.prevent_ip_spoofing = true, .num_addresses = 2,
		.addresses = { { .version = 4, .bytes = { 10, 0, 0, 1 } }, { .version = 6 } },
	};

	memcpy(policy.addresses[1].bytes, mine, 16);
	return policy;
}

static void only_its_own(void)
{
	static const struct { uint16_t head; uint32_t size; } cuts[] = { { 128, 65536 }, { 18, 7 } };
	static struct test_pieces pieces;
	struct vswitch_port_policy policy = guarded();
	uint64_t before;

	begin(&policy);
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		for (unsigned way = 0; way < WAYS * 2; way++) {
			before = test_in_dropped(&guest, VSWITCH_DROP_IP_SPOOFED);
			packet_frame(frame, &packet, claims[i].make(), guest.nic.mac, (enum way)(way / 2));
			packet_scatter(frame, &pieces, cuts[way % 2].head, cuts[way % 2].size);
			test_send(&guest, frame);
			before = test_in_dropped(&guest, VSWITCH_DROP_IP_SPOOFED) - before;
			if (net.num_got != claims[i].passes || before == claims[i].passes) {
				fprintf(stderr, "%s, way %u: %u\n", claims[i].name, way, net.num_got);
				CU_FAIL("the address guard is wrong");
			}
			test_nic_clear(&net);
		}
	}
	end();
}

/* With an empty list, the guest has no addresses: only what needs none passes. */
static void none_at_all(void)
{
	struct vswitch_port_policy policy = { .prevent_ip_spoofing = true };
	static uint16_t (*const pass[])(void) = { dhcp_request, arp_probe, rs_nowhere, experiment };
	static uint16_t (*const drop[])(void) = { ip4_mine, arp_request, ip6_mine, ns_detection, na_mine };

	begin(&policy);
	for (size_t i = 0; i < sizeof(pass) / sizeof(pass[0]); i++) {
		packet_frame(frame, &packet, pass[i](), guest.nic.mac, WAY_PLAIN);
		test_send(&guest, frame);
	}
	CU_ASSERT_EQUAL(net.num_got, sizeof(pass) / sizeof(pass[0]));
	for (size_t i = 0; i < sizeof(drop) / sizeof(drop[0]); i++) {
		packet_frame(frame, &packet, drop[i](), guest.nic.mac, WAY_PLAIN);
		test_send(&guest, frame);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_IP_SPOOFED), sizeof(drop) / sizeof(drop[0]));
	test_nic_clear(&net);
	end();
}

/* The limit. */

static bool claims_address(uint32_t number, unsigned kind)
{
	uint8_t address[16] = { 0x20, 0x01 };
	uint64_t before = test_in_dropped(&guest, VSWITCH_DROP_IP_LIMIT);
	uint16_t type;

	put_be32(address + 12, number);
	switch (kind) {
	case 0:
		type = udp4(number, 1, 2, 0);
		break;
	case 1:
		arp(1, number, 1);
		type = 0x0806;
		break;
	case 2:
		type = udp6(address);
		break;
	default:
		type = discovery(136, nowhere, address, 0, 0, 0);
		break;
	}
	packet_frame(frame, &packet, type, guest.nic.mac, WAY_PLAIN);
	test_send(&guest, frame);
	test_nic_clear(&net);
	return test_in_dropped(&guest, VSWITCH_DROP_IP_LIMIT) == before;
}

static void as_many_as_allowed(void)
{
	struct vswitch_port_policy policy = { .dynamic_ip_limit = 4 };
	uint64_t now_ns = 1000000000000;

	begin(&policy);
	for (unsigned round = 0; round < 3; round++) {
		CU_ASSERT(claims_address(1, 0));	/* the same in IP and ARP */
		CU_ASSERT(claims_address(1, 1));
		CU_ASSERT(claims_address(2, 1));
		CU_ASSERT(claims_address(1, 2));	/* another one in IPv6; the same in neighbour discovery */
		CU_ASSERT(claims_address(1, 3));
		CU_ASSERT(claims_address(3, 3));
		for (unsigned kind = 0; kind < 4; kind++)
			CU_ASSERT(!claims_address(9, kind));
		CU_ASSERT(claims_address(0, 1));	/* a probe claims nothing */
	}
	/* Those that are not used make room after the ageing time. */
	vswitch_tick(sw, now_ns += 200000000000);
	CU_ASSERT(claims_address(1, 0));
	CU_ASSERT(claims_address(2, 0));
	CU_ASSERT(claims_address(3, 2));
	CU_ASSERT(!claims_address(9, 0));
	vswitch_tick(sw, now_ns += 100000000000);
	CU_ASSERT(claims_address(9, 0));
	CU_ASSERT(!claims_address(10, 0));
	CU_ASSERT(!claims_address(1, 2));
	CU_ASSERT(claims_address(1, 0));
	/* What cannot be followed may claim anything. */
	CU_ASSERT(claims_address(1, 0));
	udp4(1, 1, 2, 0);
	packet.room[packet.at] = 0x65;
	packet_frame(frame, &packet, 0x0800, guest.nic.mac, WAY_PLAIN);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(net.num_got, 0);
	end();
}

static void many_addresses(void)
{
	struct vswitch_port_policy policy = { .dynamic_ip_limit = VSWITCH_POLICY_IP_LIMIT };
	struct vswitch_why why = { .field = "" };
	uint64_t now_ns = 1000000000000;

	begin(&policy);
	for (unsigned round = 0; round < 4; round++) {
		for (uint32_t i = 1; i <= VSWITCH_POLICY_IP_LIMIT; i++)
			CU_ASSERT(claims_address(round << 24 | i, i % 3));
		CU_ASSERT(!claims_address(0x0fffffff, 0));
		vswitch_tick(sw, now_ns += 300000000000);
	}
	policy.dynamic_ip_limit++;
	CU_ASSERT_EQUAL(vswitch_port_set_policy(guest.port, &policy, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.field, "dynamic_ip_limit");
	end();
}

static const struct hv_test tests[] = {
	{ "only its own", only_its_own },
	{ "none at all", none_at_all },
	{ "as many as allowed", as_many_as_allowed },
	{ "many addresses", many_addresses },
};

HV_TEST_MAIN("vswitch/guard_address", tests)
