/* SPDX-License-Identifier: MIT */
/*
 * Guards against messages of routers, DHCP servers and bridges: whatever way they take, and however they are cut, none gets through; and
 * what only looks a little like them does.
 */
#include "vswitch/test_attack.h"

static const uint8_t link_local[16] = { 0xfe, 0x80, [15] = 1 };

enum { TCP = 6, MF = 0x2000, HOST_A = 0x0a000001 };

/* The guest's port carries all VLANs; beside it one that has no policy. */
static struct vswitch *sw;
static struct test_nic guest, other, net;
static struct test_frame *frame;
static struct packet packet;

static void begin(bool dhcp, bool router)
{
	struct vswitch_port_policy policy = {
		.vlan = { .mode = VSWITCH_VLAN_TRUNK, .allowed = test_vlans(8, 0) },
		.dhcp_guard = dhcp, .router_guard = router,
	};

	sw = test_switch();
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &other, VSWITCH_NIC_SYNTHETIC, 2, VSWITCH_CAN_VLAN);
	test_nic_plug(sw, &net, VSWITCH_NIC_EXTERNAL, 3, VSWITCH_CAN_VLAN);
	test_policy(&guest, &policy);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&guest);
	test_nic_unplug(&other);
	test_nic_unplug(&net);
	vswitch_destroy(sw);
	free(frame);
}

/* Packets. Each gives the type. */

static uint16_t udp4(uint16_t from, uint16_t to, uint16_t fragment, unsigned options)
{
	packet_begin(&packet, 40);
	packet_udp(&packet, from, to);
	packet_ipv4(&packet, 17, HOST_A, fragment, options);
	return 0x0800;
}

static uint16_t offer(void) { return udp4(67, 68, 0, 0); }
static uint16_t offer_by_client_port(void) { return udp4(1234, 68, 0, 0); }
static uint16_t offer_to_relay(void) { return udp4(67, 67, 0, 0); }
static uint16_t offer_elsewhere(void) { return udp4(67, 1234, 0, 0); }
static uint16_t offer_with_options(void) { return udp4(67, 68, 0, 40); }
static uint16_t offer_fragmented(void) { return udp4(67, 68, MF, 0); }
static uint16_t offer_reserved_bit(void) { return udp4(67, 68, 0x8000, 0); }

/* The first fragment ends in the UDP header; what is behind the packet looks innocent. */
static uint16_t offer_tiny(void)
{
	static const uint8_t innocent[4] = { 0, 68, 0, 67 };

	packet_begin(&packet, 0);
	packet_ipv4(&packet, 17, HOST_A, MF, 0);
	packet_pad(&packet, innocent, 4);
	return 0x0800;
}

static uint16_t offer_authenticated(void)
{
	uint8_t *h;

	packet_begin(&packet, 40);
	packet_udp(&packet, 67, 68);
	h = packet_push(&packet, 24);
	h[0] = 17;
	h[1] = 4;
	packet_ipv4(&packet, 51, HOST_A, 0, 0);
	return 0x0800;
}

static uint16_t udp6(uint16_t from, uint16_t to)
{
	packet_begin(&packet, 40);
	packet_udp(&packet, from, to);
	packet_ipv6(&packet, 17, link_local);
	return 0x86dd;
}

static uint16_t reply6(void) { return udp6(547, 546); }
static uint16_t reply6_by_client_port(void) { return udp6(40000, 546); }
static uint16_t reply6_elsewhere(void) { return udp6(547, 40000); }

/* Behind n extension headers of kind, of 8 + more bytes each. */
static uint16_t behind(uint8_t protocol, uint8_t kind, unsigned n, uint32_t more)
{
	packet_begin(&packet, 40);
	if (protocol == 17)
		packet_udp(&packet, 547, 546);
	else
		packet_icmp(&packet, 134);
	for (unsigned i = 0; i < n; i++)
		packet_extension(&packet, i ? kind : protocol, more);
	packet_ipv6(&packet, n ? kind : protocol, link_local);
	return 0x86dd;
}

static uint16_t reply6_behind_options(void) { return behind(17, 60, 1, 0); }
static uint16_t reply6_behind_hop_by_hop(void) { return behind(17, 0, 1, 64); }
static uint16_t reply6_behind_routing(void) { return behind(17, 43, 2, 16); }
static uint16_t reply6_behind_mobility(void) { return behind(17, 135, 1, 0); }
static uint16_t reply6_behind_8(void) { return behind(17, 60, 8, 8); }
static uint16_t reply6_behind_9(void) { return behind(17, 60, 9, 0); }
static uint16_t reply6_behind_448(void) { return behind(17, 60, 2, 200); }
static uint16_t reply6_behind_600(void) { return behind(17, 60, 3, 192); }

/* The packet ends within the UDP header, and where it begins is not in the head. */
static uint16_t reply6_cut_far_behind(void)
{
	packet_begin(&packet, 0);
	put_be16(packet_push(&packet, 5), 547);
	packet_extension(&packet, 17, 80);
	packet_ipv6(&packet, 60, link_local);
	return 0x86dd;
}

static uint16_t advertisement(void) { return behind(58, 0, 0, 0); }
static uint16_t advertisement_behind_hop_by_hop(void) { return behind(58, 0, 1, 0); }
static uint16_t advertisement_behind_options(void) { return behind(58, 60, 3, 40); }
static uint16_t advertisement_behind_8(void) { return behind(58, 60, 8, 40); }
static uint16_t advertisement_behind_9(void) { return behind(58, 60, 9, 0); }
static uint16_t advertisement_behind_shim(void) { return behind(58, 140, 1, 0); }

static uint16_t fragment6(uint8_t protocol, uint16_t offset, bool more)
{
	packet_begin(&packet, 40);
	if (protocol == 17)
		packet_udp(&packet, 547, 546);
	else
		packet_icmp(&packet, 134);
	packet_fragment6(&packet, protocol, offset, more);
	packet_ipv6(&packet, 44, link_local);
	return 0x86dd;
}

static uint16_t reply6_fragmented(void) { return fragment6(17, 0, true); }
static uint16_t reply6_atomic(void) { return fragment6(17, 0, false); }
static uint16_t advertisement_fragmented(void) { return fragment6(58, 0, true); }
static uint16_t advertisement_atomic(void) { return fragment6(58, 0, false); }
static uint16_t fragment6_later(void) { return fragment6(17, 185, true); }
static uint16_t fragment6_last(void) { return fragment6(58, 1, false); }

/* The first fragment ends in its extension headers; behind it there is a header that nobody will read. */
static uint16_t first6_without_transport(void)
{
	static const uint8_t innocent[8] = { 0, 9, 0, 9, 0, 8 };

	packet_begin(&packet, 0);
	packet_extension(&packet, 17, 16);
	packet_fragment6(&packet, 60, 0, true);
	packet_ipv6(&packet, 44, link_local);
	packet_pad(&packet, innocent, 8);
	return 0x86dd;
}

/* … and this one in the middle of them. */
static uint16_t first6_in_options(void)
{
	first6_without_transport();
	packet.room[packet.at + 49]++;
	return 0x86dd;
}

/* An options header that says to be longer than the packet. */
static uint16_t chain6_beyond_the_end(void)
{
	behind(17, 60, 1, 0);
	packet.room[packet.at + 41] = 200;
	return 0x86dd;
}

static uint16_t empty_udp6(void)
{
	packet_begin(&packet, 0);
	packet_ipv6(&packet, 17, link_local);
	return 0x86dd;
}

static uint16_t empty_icmp6(void)
{
	packet_begin(&packet, 0);
	packet_ipv6(&packet, 58, link_local);
	return 0x86dd;
}

static uint16_t icmp6(uint8_t type)
{
	packet_begin(&packet, 40);
	packet_icmp(&packet, type);
	packet_ipv6(&packet, 58, link_local);
	return 0x86dd;
}

static uint16_t redirect6(void) { return icmp6(137); }
static uint16_t solicitation(void) { return icmp6(133); }
static uint16_t neighbour_solicitation(void) { return icmp6(135); }
static uint16_t neighbour_advertisement(void) { return icmp6(136); }
static uint16_t ping6(void) { return icmp6(128); }

static uint16_t icmp4(uint8_t type, uint16_t fragment)
{
	packet_begin(&packet, 40);
	packet_icmp(&packet, type);
	packet_ipv4(&packet, 1, HOST_A, fragment, 0);
	return 0x0800;
}

static uint16_t redirect4(void) { return icmp4(5, 0); }
static uint16_t advertisement4(void) { return icmp4(9, 0); }
static uint16_t redirect4_fragmented(void) { return icmp4(5, MF); }
static uint16_t solicitation4(void) { return icmp4(10, 0); }
static uint16_t ping4(void) { return icmp4(8, 0); }
static uint16_t icmp4_later(void) { return icmp4(5, 3); }

static uint16_t empty_icmp4(void)
{
	packet_begin(&packet, 0);
	packet_ipv4(&packet, 1, HOST_A, MF, 0);
	return 0x0800;
}

static uint16_t cut_ipv4(void)
{
	udp4(67, 68, 0, 0);
	put_be16(packet.room + packet.at + 2, 500);
	return 0x0800;
}

static uint16_t cut_ipv6(void)
{
	udp6(547, 546);
	put_be16(packet.room + packet.at + 4, 500);
	return 0x86dd;
}

static uint16_t short_header4(void)
{
	udp4(67, 68, 0, 0);
	packet.room[packet.at] = 0x44;
	return 0x0800;
}

static uint16_t discover(void) { return udp4(68, 67, 0, 0); }
static uint16_t solicit6(void) { return udp6(546, 547); }
static uint16_t dns(void) { return udp4(40000, 53, 0, 0); }
static uint16_t udp4_first(void) { return udp4(1, 2, MF, 0); }
static uint16_t udp4_later(void) { return udp4(67, 68, 185, 0); }

static uint16_t tcp4(void)
{
	packet_begin(&packet, 20);
	put_be16(packet_push(&packet, 20), 67);
	packet_ipv4(&packet, TCP, HOST_A, 0, 0);
	return 0x0800;
}

static uint16_t esp6(void)
{
	packet_begin(&packet, 64);
	packet_ipv6(&packet, 50, link_local);
	return 0x86dd;
}

static uint16_t listener_report(void)
{
	packet_begin(&packet, 20);
	packet_icmp(&packet, 143);
	packet_extension(&packet, 58, 0);
	packet_ipv6(&packet, 0, link_local);
	return 0x86dd;
}

static uint16_t arp(void)
{
	packet_begin(&packet, 28);
	return 0x0806;
}

static uint16_t experiment(void)
{
	packet_begin(&packet, 100);
	return 0x88b5;
}

enum { PASS = 0, DHCP = 1, ROUTER = 2, EITHER = 3 };

static const struct {
	uint16_t (*make)(void);
	const char *name;
	unsigned guards;			/* which of them drop it */
} attacks[] = {
#define ROW(make, guards) { make, #make, guards }
	ROW(offer, DHCP), ROW(offer_by_client_port, DHCP), ROW(offer_to_relay, DHCP), ROW(offer_elsewhere, DHCP),
	ROW(offer_with_options, DHCP), ROW(offer_fragmented, DHCP), ROW(offer_reserved_bit, DHCP), ROW(offer_tiny, DHCP),
	ROW(offer_authenticated, DHCP), ROW(reply6, DHCP), ROW(reply6_by_client_port, DHCP), ROW(reply6_elsewhere, DHCP),
	ROW(reply6_behind_options, DHCP), ROW(reply6_behind_hop_by_hop, DHCP), ROW(reply6_behind_routing, DHCP),
	ROW(reply6_behind_mobility, DHCP), ROW(reply6_behind_8, DHCP), ROW(reply6_behind_9, EITHER),
	ROW(reply6_behind_448, DHCP), ROW(reply6_behind_600, EITHER), ROW(reply6_fragmented, DHCP), ROW(reply6_atomic, DHCP),
	ROW(advertisement, ROUTER), ROW(advertisement_behind_hop_by_hop, ROUTER), ROW(advertisement_behind_options, ROUTER),
	ROW(advertisement_behind_8, ROUTER), ROW(advertisement_behind_9, EITHER), ROW(advertisement_behind_shim, ROUTER),
	ROW(advertisement_fragmented, ROUTER), ROW(advertisement_atomic, ROUTER), ROW(redirect6, ROUTER),
	ROW(redirect4, ROUTER), ROW(advertisement4, ROUTER), ROW(redirect4_fragmented, ROUTER),
	ROW(first6_without_transport, DHCP), ROW(first6_in_options, EITHER), ROW(chain6_beyond_the_end, EITHER), ROW(empty_udp6, DHCP),
	ROW(reply6_cut_far_behind, DHCP),
	ROW(empty_icmp6, ROUTER), ROW(empty_icmp4, ROUTER), ROW(cut_ipv4, EITHER), ROW(cut_ipv6, EITHER),
	ROW(short_header4, EITHER),
	ROW(discover, PASS), ROW(solicit6, PASS), ROW(dns, PASS), ROW(udp4_first, PASS), ROW(udp4_later, PASS),
	ROW(tcp4, PASS), ROW(esp6, PASS), ROW(listener_report, PASS), ROW(arp, PASS), ROW(experiment, PASS),
	ROW(solicitation, PASS), ROW(solicitation4, PASS), ROW(neighbour_solicitation, PASS),
	ROW(neighbour_advertisement, PASS), ROW(ping6, PASS), ROW(ping4, PASS), ROW(icmp4_later, PASS),
	ROW(fragment6_later, PASS), ROW(fragment6_last, PASS),
#undef ROW
};

static bool got_as_sent(const struct test_nic *t)
{
	/* The outer tag is in the metadata there. */
	uint32_t off = get_be16(frame->bytes + 12) == 0x8100 ? 16 : 12;
	uint32_t len = (uint32_t)(frame->seg.iov_len + (size_t)((uint8_t *)frame->seg.iov_base - frame->bytes));

	return t->num_got == 1 && t->got[0].len == len - off + 12 && !memcmp(t->got[0].bytes, frame->bytes, 12) &&
	       !memcmp(t->got[0].bytes + 12, frame->bytes + off, len - off);
}

/* How the frame's memory is cut. */
static const struct { uint16_t head; uint32_t size; } cuts[] = { { 128, 65536 }, { 18, 65536 }, { 60, 10 } };

static void try_one(size_t row, enum way way, unsigned cut, unsigned guards)
{
	static struct test_pieces pieces;
	uint64_t dhcp = test_in_dropped(&guest, VSWITCH_DROP_DHCP_GUARD);
	uint64_t router = test_in_dropped(&guest, VSWITCH_DROP_ROUTER_GUARD);
	unsigned drops = attacks[row].guards & guards;
	bool ok;

	packet_frame(frame, &packet, attacks[row].make(), guest.nic.mac, way);
	packet_scatter(frame, &pieces, cuts[cut].head, cuts[cut].size);
	test_send(&guest, frame);
	dhcp = test_in_dropped(&guest, VSWITCH_DROP_DHCP_GUARD) - dhcp;
	router = test_in_dropped(&guest, VSWITCH_DROP_ROUTER_GUARD) - router;
	if (drops)	/* the router guard is asked first */
		ok = !other.num_got && !net.num_got && router == !!(drops & ROUTER) && dhcp == !(drops & ROUTER);
	else
		ok = got_as_sent(&other) && net.num_got == 1 && !dhcp && !router;
	if (!ok) {
		fprintf(stderr, "%s, way %d, cut %u, guards %u: %u got it, dhcp %d, router %d\n", attacks[row].name, way, cut,
			guards, other.num_got, (int)dhcp, (int)router);
		CU_FAIL("a guard is wrong");
	}
	test_nic_clear(&other);
	test_nic_clear(&net);
}

static void none_gets_through(void)
{
	for (unsigned guards = PASS; guards <= EITHER; guards++) {
		begin(guards & DHCP, guards & ROUTER);
		for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
			for (unsigned way = 0; way < WAYS; way++)
				for (unsigned cut = 0; cut < sizeof(cuts) / sizeof(cuts[0]); cut++)
					try_one(i, (enum way)way, cut, guards);
		end();
	}
}

static void tags_without_end_are_anything(void)
{
	begin(true, false);
	for (unsigned tags = 4; tags < 8; tags++) {
		packet_frame(frame, &packet, experiment(), guest.nic.mac, WAY_PLAIN);
		for (unsigned i = 0; i < tags; i++)
			test_tag_bytes(frame, 0x8100, 8);
		test_send(&guest, frame);
		CU_ASSERT_EQUAL(other.num_got, tags <= 5);	/* the outer one is not in the bytes any more */
		test_nic_clear(&other);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_DHCP_GUARD), 2);
	end();
}

/* No receiver takes a frame with fewer bytes than its headers for one of these; but a guard need not find out. */
static void cut_off_anywhere(void)
{
	begin(true, true);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		uint32_t whole;

		packet_frame(frame, &packet, attacks[i].make(), guest.nic.mac, WAY_TAG_AND_SNAP);
		whole = frame->f.len;
		for (uint32_t len = 18; len < whole; len++) {
			test_frame_set(frame, len);
			test_send(&guest, frame);
		}
	}
	test_nic_clear(&other);
	test_nic_clear(&net);
	end();
}

/* A guest that changes its memory between the judgement and the delivery to the last receiver. */
static void change_headers(struct test_nic *t)
{
	(void)t;
	memset(frame->bytes + 14 + 40, 0xff, 400);
}

static void what_was_judged_is_delivered(void)
{
	static const struct { uint32_t more; uint16_t head; } rows[] = { { 0, 18 }, { 0, 60 }, { 120, 128 }, { 200, 128 }, { 400, 40 } };
	static struct test_pieces pieces;
	uint8_t sent[600];

	begin(true, true);
	other.on_deliver = change_headers;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		packet_begin(&packet, 100);
		packet_udp(&packet, 1, 2);
		packet_extension(&packet, 17, rows[i].more);
		packet_ipv6(&packet, 60, link_local);
		packet_frame(frame, &packet, 0x86dd, guest.nic.mac, WAY_PLAIN);
		packet_scatter(frame, &pieces, rows[i].head, 50);
		memcpy(sent, frame->bytes, 14 + 40 + 8 + rows[i].more + 8);
		test_send(&guest, frame);
		CU_ASSERT_EQUAL(other.num_got, 1);
		CU_ASSERT_EQUAL_FATAL(net.num_got, 1);
		/* All headers, up to the ports. */
		CU_ASSERT(!memcmp(net.got[0].bytes, sent, 14 + 40 + 8 + rows[i].more + 8));
		test_nic_clear(&other);
		test_nic_clear(&net);
	}
	end();
}

/* In more pieces than can be followed: dropped, and nothing else goes wrong. */
static void too_many_pieces(void)
{
	static struct test_pieces pieces;

	begin(true, false);
	packet_begin(&packet, 1200);
	packet_udp(&packet, 1, 2);
	packet_ipv6(&packet, 17, link_local);
	packet_frame(frame, &packet, 0x86dd, guest.nic.mac, WAY_PLAIN);
	packet_scatter(frame, &pieces, 20, 3);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_DHCP_GUARD), 1);
	packet_frame(frame, &packet, 0x86dd, guest.nic.mac, WAY_PLAIN);
	packet_scatter(frame, &pieces, 64, 3);	/* all that matters is in the head */
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(other.num_got, 1);
	test_nic_clear(&other);
	test_nic_clear(&net);
	end();
}

/* Segments of a large frame have the same ports. */
static void large_frames_are_judged_once(void)
{
	begin(true, true);
	for (int server = 0; server < 2; server++) {
		packet_begin(&packet, 1500);
		packet_udp(&packet, server ? 67 : 68, server ? 68 : 67);
		packet_ipv4(&packet, 17, HOST_A, 0, 0);
		packet_frame(frame, &packet, 0x0800, guest.nic.mac, WAY_METADATA);
		frame->f.offload.gso = VSWITCH_GSO_UDP;
		frame->f.offload.gso_size = 500;
		test_send(&guest, frame);
		CU_ASSERT_EQUAL(other.num_got, server ? 0 : 3);
		test_nic_clear(&other);
		test_nic_clear(&net);
	}
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_DHCP_GUARD), 1);
	end();
}

/* A server on a port that may be one. */
static void guards_are_the_senders(void)
{
	begin(true, true);
	packet_frame(frame, &packet, offer(), other.nic.mac, WAY_PLAIN);
	test_send(&other, frame);
	packet_frame(frame, &packet, advertisement(), other.nic.mac, WAY_PLAIN);
	test_send(&other, frame);
	CU_ASSERT_EQUAL(guest.num_got, 2);
	test_nic_clear(&guest);
	test_nic_clear(&net);
	end();
}

/* Spanning tree. */

static struct vswitch_port *blocked_port;
static unsigned link_locals;

static void blocked(void *opaque, struct vswitch_port *port)
{
	(void)opaque;
	blocked_port = port;
}

static void link_local_seen(void *opaque, struct vswitch_port *port, const struct vswitch_frame *f)
{
	(void)opaque;
	(void)port;
	CU_ASSERT_EQUAL(f->head[0], 0x01);
	link_locals++;
}

static const struct vswitch_event_ops events = { .blocked = blocked, .link_local = link_local_seen };

static void bpdu(enum vswitch_bpdu_guard guard, bool pvst, int tci)
{
	static const uint8_t group[2][6] = { { 0x01, 0x80, 0xc2, 0, 0, 0 }, { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd } };
	static const uint8_t llc[2][8] = { { 0x42, 0x42, 3 }, { 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x01, 0x0b } };
	struct vswitch_port_policy policy = { .vlan = { .mode = VSWITCH_VLAN_TRUNK, .allowed = test_vlans(8, 0) },
					      .bpdu_guard = guard };

	test_policy(&guest, &policy);
	test_frame_plain(frame, group[pvst], guest.nic.mac, 60);
	put_be16(frame->bytes + 12, 46);
	memcpy(frame->bytes + 14, llc[pvst], 8);
	test_frame_set(frame, 60);
	test_tag(frame, tci, true);
	test_send(&guest, frame);
}

static unsigned heard(void)
{
	unsigned n = other.num_got + net.num_got;

	test_nic_clear(&other);
	test_nic_clear(&net);
	return n;
}

static void speak(void)
{
	test_frame_plain(frame, test_broadcast, guest.nic.mac, 60);
	test_send(&guest, frame);
}

static void bridges_in_guests_are_held_off(void)
{
	struct vswitch_port_policy policy;

	begin(false, false);
	vswitch_set_events(sw, &events, NULL);
	link_locals = 0;
	bpdu(VSWITCH_BPDU_PASS, false, NO_TAG);
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_LINK_LOCAL), 1);
	CU_ASSERT_EQUAL(link_locals, 1);
	bpdu(VSWITCH_BPDU_PASS, true, 8);
	CU_ASSERT_EQUAL(heard(), 2);
	for (int pvst = 0; pvst < 2; pvst++)
		for (int tci = NO_TAG; tci <= 8; tci += 9)
			bpdu(VSWITCH_BPDU_DROP, pvst, tci);
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_BPDU_GUARD), 4);
	CU_ASSERT_EQUAL(heard(), 0);
	CU_ASSERT_EQUAL(link_locals, 1);
	speak();
	CU_ASSERT_EQUAL(heard(), 2);
	for (int pvst = 0; pvst < 2; pvst++) {
		blocked_port = NULL;
		bpdu(VSWITCH_BPDU_BLOCK, pvst, NO_TAG);
		CU_ASSERT_PTR_EQUAL(blocked_port, guest.port);
		CU_ASSERT(vswitch_port_blocked(guest.port));
		speak();
		CU_ASSERT_EQUAL(heard(), 0);
		test_frame_plain(frame, guest.nic.mac, other.nic.mac, 60);
		test_send(&other, frame);
		test_frame_plain(frame, test_broadcast, other.nic.mac, 60);
		test_send(&other, frame);
		CU_ASSERT_EQUAL(guest.num_got, 0);
		CU_ASSERT_EQUAL(test_out_dropped(&guest, VSWITCH_DROP_BPDU_GUARD), pvst + 1u);
		heard();
		vswitch_port_set_link(guest.port, false);
		vswitch_port_set_link(guest.port, true);
		CU_ASSERT(!vswitch_port_blocked(guest.port));
		speak();
		CU_ASSERT_EQUAL(heard(), 2);
	}
	/* A new policy is a new beginning. */
	bpdu(VSWITCH_BPDU_BLOCK, true, NO_TAG);
	CU_ASSERT(vswitch_port_policy(guest.port, &policy));
	test_policy(&guest, &policy);
	speak();
	CU_ASSERT_EQUAL(heard(), 2);
	/* With all frames of a batch behind it. */
	{
		struct test_frame *second = test_frame_new();
		struct vswitch_frame *batch[2] = { &frame->f, &second->f };

		test_frame_plain(second, test_broadcast, guest.nic.mac, 60);
		frame->f.len = 0;
		bpdu(VSWITCH_BPDU_BLOCK, true, NO_TAG);
		test_policy(&guest, &policy);
		test_frame_set(frame, 60);
		vswitch_port_input(guest.port, batch, 2);
		CU_ASSERT_EQUAL(heard(), 0);
		free(second);
	}
	end();
}

static const struct hv_test tests[] = {
	{ "none gets through", none_gets_through },
	{ "tags without end are anything", tags_without_end_are_anything },
	{ "cut off anywhere", cut_off_anywhere },
	{ "what was judged is delivered", what_was_judged_is_delivered },
	{ "too many pieces", too_many_pieces },
	{ "large frames are judged once", large_frames_are_judged_once },
	{ "guards are the senders'", guards_are_the_senders },
	{ "bridges in guests are held off", bridges_in_guests_are_held_off },
};

HV_TEST_MAIN("vswitch/guard", tests)
