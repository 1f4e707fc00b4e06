/* SPDX-License-Identifier: MIT */
/*
 * ACL entries as an administrator sees them: what passes, what is refused and why, what is counted.
 */
#include <errno.h>

#include "vswitch/headers.h"
#include "vswitch/test_acl.h"

#define ADDRESS(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static bool sends(uint32_t from, uint32_t to)
{
	struct test_packet t = { .from = from, .to = to, .from_port = 1000, .to_port = 2000 };

	return passes(&guest, &t);
}

static bool gets(uint32_t from, uint32_t to)
{
	struct test_packet t = { .from = from, .to = to, .from_port = 1000, .to_port = 2000 };

	return passes(&other, &t);
}

static struct vswitch_acl_address ipv4(uint32_t address, uint8_t bits)
{
	struct vswitch_acl_address a = { .family = VSWITCH_ACL_IPV4, .prefix_bits = bits };

	put_be32(a.bytes, address);
	return a;
}

static const struct vswitch_acl_address any = { .family = VSWITCH_ACL_ANY };

static uint32_t simple(enum vswitch_acl_direction d, enum vswitch_acl_action action, enum vswitch_acl_side side,
		       struct vswitch_acl_address a)
{
	struct vswitch_acl_simple s = { d, action, side, a };
	struct vswitch_why why;
	uint32_t id = 0;

	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), 0);
	return id;
}

static uint32_t drops(enum vswitch_drop reason)
{
	return (uint32_t)(test_in_dropped(&guest, reason) + test_out_dropped(&guest, reason));
}

/* ---- simple entries ---- */

static void without_entries_all_passes(void)
{
	begin();
	CU_ASSERT_TRUE(sends(1, 2));
	CU_ASSERT_TRUE(gets(1, 2));
	CU_ASSERT_PTR_NULL(vswitch_acl_next(guest.port, NULL));
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, 1), -ENOENT);
	end();
}

static void longest_prefix_decides(void)
{
	const uint32_t me = ADDRESS(10, 0, 0, 1);

	begin();
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(0, 0));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 1, 0, 0), 16));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 1, 2, 0), 24));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 1, 2, 3), 32));
	CU_ASSERT_FALSE(sends(me, ADDRESS(10, 2, 0, 1)));
	CU_ASSERT_TRUE(sends(me, ADDRESS(10, 1, 0, 1)));
	CU_ASSERT_TRUE(sends(me, ADDRESS(10, 1, 255, 255)));
	CU_ASSERT_FALSE(sends(me, ADDRESS(10, 1, 2, 2)));
	CU_ASSERT_TRUE(sends(me, ADDRESS(10, 1, 2, 3)));
	CU_ASSERT_TRUE(gets(ADDRESS(10, 2, 0, 1), me));		/* the other direction has no entries */
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_ACL_OUT), 2);
	end();
}

static void local_is_the_guests_side(void)
{
	begin();
	simple(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, ipv4(5, 32));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, ipv4(6, 32));
	CU_ASSERT_FALSE(gets(1, 5));
	CU_ASSERT_TRUE(gets(5, 1));
	CU_ASSERT_FALSE(sends(6, 1));
	CU_ASSERT_TRUE(sends(1, 6));
	CU_ASSERT_EQUAL(test_out_dropped(&guest, VSWITCH_DROP_ACL_IN), 1);
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_ACL_OUT), 1);
	end();
}

static void longest_of_both_sides_decides_and_deny_a_tie(void)
{
	begin();
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, ipv4(ADDRESS(10, 0, 0, 0), 24));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(11, 0, 0, 0), 24));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(11, 0, 0, 128), 25));
	CU_ASSERT_FALSE(sends(ADDRESS(10, 0, 0, 1), ADDRESS(11, 0, 0, 1)));
	CU_ASSERT_TRUE(sends(ADDRESS(10, 0, 0, 1), ADDRESS(11, 0, 0, 129)));
	CU_ASSERT_TRUE(sends(ADDRESS(10, 0, 1, 1), ADDRESS(11, 0, 0, 1)));
	/* The same with the sides exchanged. */
	simple(VSWITCH_ACL_IN, VSWITCH_ACL_ALLOW, VSWITCH_ACL_LOCAL, ipv4(ADDRESS(10, 0, 0, 0), 24));
	simple(VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(11, 0, 0, 0), 24));
	CU_ASSERT_FALSE(gets(ADDRESS(11, 0, 0, 1), ADDRESS(10, 0, 0, 1)));
	end();
}

static void versions_are_apart_and_any_is_both(void)
{
	struct test_packet v4 = { .to = 7 }, v6 = { .version = 6, .to = 7 };
	struct vswitch_acl_address six = { .family = VSWITCH_ACL_IPV6, .prefix_bits = 128, .bytes = { 0xfd, [15] = 7 } };
	uint32_t id;

	begin();
	id = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, any);
	CU_ASSERT_FALSE(passes(&guest, &v4));
	CU_ASSERT_FALSE(passes(&guest, &v6));
	CU_ASSERT_EQUAL(entry(id).frames, 2);
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, six);
	CU_ASSERT_FALSE(passes(&guest, &v4));
	CU_ASSERT_TRUE(passes(&guest, &v6));
	v6.to = 8;
	CU_ASSERT_FALSE(passes(&guest, &v6));
	end();
}

static void mac_entries_see_every_frame_and_come_first(void)
{
	struct vswitch_acl_address mac = { .family = VSWITCH_ACL_MAC, .prefix_bits = 48 };
	struct vswitch_acl_address vendor = { .family = VSWITCH_ACL_MAC, .prefix_bits = 24 };
	uint32_t id;

	begin();
	memcpy(mac.bytes, other.nic.mac, 6);
	memcpy(vendor.bytes, other.nic.mac, 3);
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, any);
	id = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, vendor);
	CU_ASSERT_FALSE(sends(1, 2));
	test_frame_plain(frame, other.nic.mac, guest.nic.mac, 60);
	put_be16(frame->bytes + 12, 0x0806);	/* ARP, too */
	test_frame_set(frame, 60);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(other.num_got, 0);
	CU_ASSERT_EQUAL(entry(id).frames, 2);
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, mac);	/* the longer one */
	CU_ASSERT_TRUE(sends(1, 2));
	/* Allowed by MAC, denied by IP. */
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(9, 32));
	CU_ASSERT_FALSE(sends(1, 9));
	end();
}

static void arp_passes_ip_entries(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 1,
					  .protocol = VSWITCH_ACL_PROTOCOL_ANY };

	begin();
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, any);
	extended(&x);
	test_frame_plain(frame, other.nic.mac, guest.nic.mac, 60);
	put_be16(frame->bytes + 12, 0x0806);
	test_frame_set(frame, 60);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(other.num_got, 1);
	CU_ASSERT_FALSE(sends(1, 2));
	end();
}

/* An inner tag is for whoever takes the outer one off: no way round. */
static void tags_hide_nothing(void)
{
	static const uint8_t tags[8] = { 0x81, 0, 0, 0, 0x81, 0, 0, 0 };
	struct test_packet t = { .from = 1, .to = 2 };
	uint32_t n;

	begin();
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, any);
	for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
		test_packet_set(frame, other.nic.mac, guest.nic.mac, &t);
		n = frame->f.len;
		memmove(frame->bytes + 12 + bytes, frame->bytes + 12, n - 12);
		memcpy(frame->bytes + 12, tags, bytes);
		test_frame_set(frame, n + bytes);
		test_send(&guest, frame);
	}
	CU_ASSERT_EQUAL(other.num_got, 0);
	CU_ASSERT_EQUAL(drops(VSWITCH_DROP_ACL_OUT), 2);
	end();
}

static void meters_what_passes(void)
{
	struct test_packet t = { .from = 1, .to = ADDRESS(10, 0, 0, 5), .payload = 58 };	/* 100 bytes */
	uint32_t net, host, local, in;

	begin();
	net = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_METER, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 0, 0, 0), 8));
	host = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_METER, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 0, 0, 5), 32));
	local = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_METER, VSWITCH_ACL_LOCAL, ipv4(1, 32));
	in = simple(VSWITCH_ACL_IN, VSWITCH_ACL_METER, VSWITCH_ACL_REMOTE, any);
	CU_ASSERT_TRUE(passes(&guest, &t));
	CU_ASSERT_TRUE(passes(&other, &t));
	t.to = ADDRESS(10, 0, 0, 6);
	t.from = 2;
	CU_ASSERT_TRUE(passes(&guest, &t));
	CU_ASSERT_EQUAL(entry(host).bytes, 100);
	CU_ASSERT_EQUAL(entry(local).bytes, 100);		/* as long as the remote one: both */
	CU_ASSERT_EQUAL(entry(net).bytes, 100);
	CU_ASSERT_EQUAL(entry(net).frames, 1);
	CU_ASSERT_EQUAL(entry(in).bytes, 100);
	/* A meter beside an entry of the same address that decides; what is denied is not metered. */
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(ADDRESS(10, 0, 0, 0), 8));
	CU_ASSERT_FALSE(passes(&guest, &t));
	CU_ASSERT_EQUAL(entry(net).bytes, 100);
	/* It counts until it is deleted; another one begins at zero. */
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, in), 0);
	in = simple(VSWITCH_ACL_IN, VSWITCH_ACL_METER, VSWITCH_ACL_REMOTE, any);
	CU_ASSERT_EQUAL(entry(in).bytes, 0);
	end();
}

static void checks_a_large_send_once(void)
{
	struct test_packet t = { .protocol = FLOW_TCP, .from = 1, .to = 2, .payload = 5000 };
	uint32_t id;

	begin();
	id = simple(VSWITCH_ACL_OUT, VSWITCH_ACL_METER, VSWITCH_ACL_REMOTE, any);
	memset(frame->bytes, 0, 6000);
	test_packet_set(frame, other.nic.mac, guest.nic.mac, &t);
	frame->f.offload.gso = VSWITCH_GSO_TCPV4;
	frame->f.offload.gso_size = 1000;
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(other.num_got, 5);
	CU_ASSERT_EQUAL(entry(id).frames, 1);
	CU_ASSERT_EQUAL(entry(id).bytes, 5054);
	end();
}

/* ---- extended entries ---- */

static void first_match_by_weight_decides(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .protocol = FLOW_UDP };
	struct test_packet t = { .from = 1, .to = 2, .from_port = 1000, .to_port = 53 };
	uint32_t low, middle;

	begin();
	x.action = VSWITCH_ACL_DENY;
	x.protocol = VSWITCH_ACL_PROTOCOL_ANY;
	x.weight = 1;
	low = extended(&x);
	x.action = VSWITCH_ACL_ALLOW;
	x.protocol = FLOW_UDP;
	x.remote_ports = (struct vswitch_acl_ports){ 53, 53 };
	x.weight = 10;
	middle = extended(&x);
	CU_ASSERT_TRUE(passes(&guest, &t));
	t.to_port = 54;
	CU_ASSERT_FALSE(passes(&guest, &t));
	CU_ASSERT_EQUAL(entry(low).frames, 1);
	CU_ASSERT_EQUAL(entry(middle).frames, 1);
	x.action = VSWITCH_ACL_DENY;
	x.remote_ports = (struct vswitch_acl_ports){ 50, 60 };
	x.weight = 11;
	extended(&x);
	t.to_port = 53;
	CU_ASSERT_FALSE(passes(&guest, &t));
	x.weight = 10;				/* of the same weight the older one */
	x.remote_ports = (struct vswitch_acl_ports){ 53, 53 };
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, middle + 1), 0);
	extended(&x);
	CU_ASSERT_TRUE(passes(&guest, &t));
	CU_ASSERT_EQUAL(entry(middle).frames, 2);
	end();
}

static void each_field_matters(void)
{
	static const struct test_packet match = { .protocol = FLOW_TCP, .from = ADDRESS(10, 0, 0, 1),
						  .to = ADDRESS(11, 0, 0, 1), .from_port = 1500, .to_port = 443 };
	struct vswitch_acl_extended x = {
		.direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 5, .protocol = FLOW_TCP,
		.local_ports = { 1024, 2047 }, .remote_ports = { 440, 443 },
	};
	struct test_packet t;

	begin();
	x.local = ipv4(ADDRESS(10, 0, 0, 0), 24);
	x.remote = ipv4(ADDRESS(11, 0, 0, 0), 24);
	extended(&x);
	CU_ASSERT_FALSE(passes(&guest, &match));
	CU_ASSERT_TRUE(passes(&other, &match));
	t = match, t.protocol = FLOW_UDP;
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.from = ADDRESS(10, 0, 1, 1);
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.to = ADDRESS(11, 0, 1, 1);
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.from_port = 1023;
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.from_port = 2048;
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.to_port = 439;
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.to_port = 444;
	CU_ASSERT_TRUE(passes(&guest, &t));
	t = match, t.from_port = 1024, t.to_port = 440;
	CU_ASSERT_FALSE(passes(&guest, &t));
	t = match, t.from_port = 2047;
	CU_ASSERT_FALSE(passes(&guest, &t));
	end();
}

static void simple_and_extended_both_have_a_say(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_ALLOW, .weight = 9,
					  .protocol = VSWITCH_ACL_PROTOCOL_ANY };

	begin();
	extended(&x);
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(2, 32));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, ipv4(3, 32));
	x.action = VSWITCH_ACL_DENY;
	x.weight = 10;
	x.remote = ipv4(3, 32);
	extended(&x);
	CU_ASSERT_FALSE(sends(1, 2));
	CU_ASSERT_FALSE(sends(1, 3));
	CU_ASSERT_TRUE(sends(1, 4));
	end();
}

static void isolation_id_is_a_vlan(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 9,
					  .protocol = VSWITCH_ACL_PROTOCOL_ANY, .isolation_id = 7 };
	struct test_packet t = { .from = 1, .to = 2 };
	struct vswitch_frame *f;
	uint32_t keep;

	begin();
	extended(&x);
	test_packet_set(frame, other.nic.mac, guest.nic.mac, &t);
	f = &frame->f;
	f->vlan = 8;
	keep = acl_ingress(guest.port, &f, 1);
	CU_ASSERT_EQUAL(keep, 1);
	f->vlan = 7;
	keep = acl_ingress(guest.port, &f, 1);
	CU_ASSERT_EQUAL(keep, 0);
	guest.port->stats.in_frames++;		/* the drop of a frame that never came in */
	end();
}

/* ---- fragments ---- */

static void deny_port(uint16_t port, enum vswitch_acl_action rest)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 9,
					  .protocol = FLOW_UDP, .remote_ports = { port, port } };

	extended(&x);
	x.remote_ports = (struct vswitch_acl_ports){ 0, 0 };
	x.action = rest;
	x.weight = 1;
	extended(&x);
}

static void fragments_follow_the_first(void)
{
	struct test_packet first = { .from = 1, .to = 2, .to_port = 80, .more = true, .payload = 16, .id = 5 };
	struct test_packet later = { .from = 1, .to = 2, .offset = 24, .payload = 16, .id = 5 };

	for (unsigned version = 4; version <= 6; version += 2) {
		begin();
		first.version = later.version = (uint8_t)version;
		first.to_port = 80;
		first.id = later.id = 5;
		deny_port(22, VSWITCH_ACL_ALLOW);
		CU_ASSERT_FALSE(passes(&guest, &later));	/* could be to port 22 */
		CU_ASSERT_EQUAL(drops(VSWITCH_DROP_FRAGMENT), 1);
		CU_ASSERT_TRUE(passes(&guest, &first));
		CU_ASSERT_TRUE(passes(&guest, &later));
		later.id = 6;
		CU_ASSERT_FALSE(passes(&guest, &later));	/* of another datagram */
		first.to_port = 22;
		first.id = 6;
		CU_ASSERT_FALSE(passes(&guest, &first));
		CU_ASSERT_FALSE(passes(&guest, &later));
		CU_ASSERT_EQUAL(drops(VSWITCH_DROP_ACL_OUT), 2);
		/* Not for ever. */
		later.id = 5;
		CU_ASSERT_TRUE(passes(&guest, &later));
		vswitch_tick(sw, 1000000000000 + 31 * ACL_NS_PER_S);
		CU_ASSERT_FALSE(passes(&guest, &later));
		end();
	}
}

static void fragments_do_not_overwrite_the_first(void)
{
	struct test_packet first = { .from = 1, .to = 2, .to_port = 80, .more = true, .payload = 24, .id = 5 };
	struct test_packet later = { .from = 1, .to = 2, .offset = 24, .payload = 16, .id = 5 };

	begin();
	deny_port(22, VSWITCH_ACL_ALLOW);
	CU_ASSERT_TRUE(passes(&guest, &first));
	CU_ASSERT_FALSE(passes(&guest, &later));	/* the first one went up to 32 */
	later.offset = 32;
	CU_ASSERT_TRUE(passes(&guest, &later));
	CU_ASSERT_EQUAL(drops(VSWITCH_DROP_FRAGMENT), 1);
	/* A second first one with the same name is asked like any, and is what counts from then on. */
	first.to_port = 22;
	CU_ASSERT_FALSE(passes(&guest, &first));
	CU_ASSERT_FALSE(passes(&guest, &later));
	end();
}

static void tiny_first_fragments_are_refused(void)
{
	struct test_packet t = { .protocol = FLOW_TCP, .from = 1, .to = 2, .to_port = 80, .more = true, .cut = 12 };

	begin();
	CU_ASSERT_TRUE(passes(&guest, &t));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(9, 32));
	CU_ASSERT_TRUE(passes(&guest, &t));	/* addresses are all that matters */
	deny_port(22, VSWITCH_ACL_ALLOW);
	CU_ASSERT_FALSE(passes(&guest, &t));
	t = (struct test_packet){ .protocol = FLOW_TCP, .from = 1, .to = 2, .offset = 8, .payload = 16 };
	CU_ASSERT_FALSE(passes(&guest, &t));
	CU_ASSERT_EQUAL(drops(VSWITCH_DROP_FRAGMENT), 2);
	end();
}

static void early_fragments_pass_by_entries_without_ports(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_ALLOW, .weight = 9,
					  .protocol = FLOW_UDP, .remote_ports = { 80, 80 } };
	struct test_packet later = { .from = 1, .to = 2, .offset = 24, .payload = 16, .id = 5 };

	begin();
	extended(&x);				/* an allow entry with ports decides nothing … */
	x.action = VSWITCH_ACL_DENY;
	x.remote_ports = (struct vswitch_acl_ports){ 0, 0 };
	x.weight = 5;
	extended(&x);				/* … this one does */
	CU_ASSERT_FALSE(passes(&guest, &later));
	CU_ASSERT_EQUAL(drops(VSWITCH_DROP_ACL_OUT), 1);
	x.action = VSWITCH_ACL_ALLOW;
	x.weight = 6;
	extended(&x);
	CU_ASSERT_TRUE(passes(&guest, &later));
	later.protocol = FLOW_TCP;		/* of which no entry speaks */
	CU_ASSERT_TRUE(passes(&guest, &later));
	end();
}

static void headers_that_cannot_be_followed_are_dropped(void)
{
	struct test_packet t = { .version = 6, .from = 1, .to = 2, .extensions = HEADERS_EXTENSIONS_MAX + 1 };

	begin();
	CU_ASSERT_TRUE(passes(&guest, &t));
	simple(VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, any);
	CU_ASSERT_FALSE(passes(&guest, &t));
	CU_ASSERT_EQUAL(drops(VSWITCH_DROP_BAD_HEADERS), 1);
	t.extensions--;
	CU_ASSERT_TRUE(passes(&guest, &t));
	end();
}

/* ---- administration ---- */

static void says_what_is_wrong_with_simple_ones(void)
{
	static const struct {
		struct vswitch_acl_simple s;
		const char *field;
	} rows[] = {
		{ { 0, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { .family = VSWITCH_ACL_ANY } }, "direction" },
		{ { 3, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { .family = VSWITCH_ACL_ANY } }, "direction" },
		{ { VSWITCH_ACL_IN, 0, VSWITCH_ACL_LOCAL, { .family = VSWITCH_ACL_ANY } }, "action" },
		{ { VSWITCH_ACL_IN, 4, VSWITCH_ACL_LOCAL, { .family = VSWITCH_ACL_ANY } }, "action" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, 0, { .family = VSWITCH_ACL_ANY } }, "side" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { .family = 4 } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_IPV4, 33, { 0 } } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_IPV6, 129, { 0 } } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_MAC, 49, { 0 } } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_ANY, 1, { 0 } } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_METER, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_MAC, 48, { 2 } } }, "address" },
		{ { VSWITCH_ACL_IN, VSWITCH_ACL_METER, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_IPV4, 32, { 2 } } }, NULL },
	};
	struct vswitch_why why;
	uint32_t id;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		id = 0;
		why.field = NULL;
		CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &rows[i].s, &id, &why), rows[i].field ? -EINVAL : 0);
		CU_ASSERT(rows[i].field ? why.field && !strcmp(why.field, rows[i].field) : !why.field);
		CU_ASSERT_EQUAL(vswitch_acl_check_simple(&rows[i].s, NULL), rows[i].field ? -EINVAL : 0);
		CU_ASSERT_EQUAL(id, rows[i].field ? 0 : 1);
	}
	end();
}

static void says_what_is_wrong_with_extended_ones(void)
{
	static const struct vswitch_acl_extended good = {
		.direction = VSWITCH_ACL_IN, .action = VSWITCH_ACL_ALLOW, .weight = 1, .protocol = FLOW_TCP,
		.local = { .family = VSWITCH_ACL_IPV4 }, .remote = { .family = VSWITCH_ACL_IPV4 }, .stateful = true,
		.local_ports = { 0, 100 }, .remote_ports = { 65535, 65535 }, .idle_timeout_s = 604800, .isolation_id = 4094,
	};
	struct vswitch_acl_extended x;
	struct vswitch_why why;
	uint32_t id = 0;

#define REFUSES(change, name) do { \
		x = good; \
		change; \
		why.field = ""; \
		CU_ASSERT_EQUAL(vswitch_acl_add_extended(guest.port, &x, &id, &why), -EINVAL); \
		CU_ASSERT_STRING_EQUAL(why.field, name); \
		CU_ASSERT(strlen(why.text) > 10 && strlen(why.text) < sizeof(why.text) - 1); \
	} while (0)
	begin();
	REFUSES(x.direction = 0, "direction");
	REFUSES(x.action = VSWITCH_ACL_METER, "action");
	REFUSES(x.weight = 0, "weight");
	REFUSES(x.protocol = 257, "protocol");
	REFUSES(x.protocol = FLOW_ICMP, "local_ports");
	REFUSES((x.protocol = FLOW_ICMP, x.local_ports.last = 0), "remote_ports");
	REFUSES(x.local_ports.first = 101, "local_ports");
	REFUSES(x.remote_ports.last = 5, "remote_ports");
	REFUSES(x.local.family = VSWITCH_ACL_MAC, "local");
	REFUSES(x.remote.family = VSWITCH_ACL_MAC, "remote");
	REFUSES(x.remote.family = VSWITCH_ACL_IPV6, "remote");
	REFUSES(x.remote.prefix_bits = 33, "remote");
	REFUSES(x.local.prefix_bits = 33, "local");
	REFUSES((x.action = VSWITCH_ACL_DENY, x.idle_timeout_s = 0), "stateful");
	REFUSES(x.stateful = false, "idle_timeout_s");
	REFUSES(x.idle_timeout_s = 604801, "idle_timeout_s");
	REFUSES(x.isolation_id = 4095, "isolation_id");
#undef REFUSES
	CU_ASSERT_PTR_NULL(vswitch_acl_next(guest.port, NULL));
	CU_ASSERT_EQUAL(vswitch_acl_check_extended(&good, &why), 0);
	CU_ASSERT_EQUAL(vswitch_acl_add_extended(guest.port, &good, &id, &why), 0);
	end();
}

static void refuses_the_same_address_twice(void)
{
	struct vswitch_acl_simple s = { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, ipv4(0x0a0000ff, 24) };
	struct vswitch_why why;
	uint32_t first = 0, id = 0;

	begin();
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &first, &why), 0);
	s.action = VSWITCH_ACL_ALLOW;
	s.address = ipv4(0x0a000001, 24);	/* behind the prefix nothing counts */
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), -EEXIST);
	CU_ASSERT_STRING_EQUAL(why.text, "entry 1 is for the same addresses already");
	CU_ASSERT_EQUAL(entry(first).simple.address.bytes[3], 0);
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(other.port, &s, &id, &why), 0);	/* another port */
	s.address = ipv4(0, 0);
	id = 0;
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), 0);
	s.address = any;			/* half of it is there */
	id = 0;
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), -EEXIST);
	s.direction = VSWITCH_ACL_OUT;
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), 0);
	CU_ASSERT_TRUE(gets(1, 2));
	CU_ASSERT_FALSE(gets(1, 0x0a000005));
	end();
}

static void ids_are_found_again(void)
{
	struct vswitch_acl_simple s = { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_LOCAL, { VSWITCH_ACL_IPV4, 32, { 0 } } };
	const struct vswitch_acl_entry *e = NULL;
	struct vswitch_acl_entry got;
	struct vswitch_why why;
	uint32_t ids[4] = { 0, 40, 0, 7 };
	unsigned n = 0;

	begin();
	for (unsigned i = 0; i < 4; i++) {
		s.address.bytes[3] = (uint8_t)i;
		CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &ids[i], &why), 0);
	}
	CU_ASSERT(ids[0] == 1 && ids[1] == 40 && ids[2] == 41 && ids[3] == 7);
	while ((e = vswitch_acl_next(guest.port, e)))
		CU_ASSERT_EQUAL(e->id, ids[n++]);
	CU_ASSERT_EQUAL(n, 4);
	s.address.bytes[3] = 9;
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(other.port, &s, &ids[3], &why), -EEXIST);
	CU_ASSERT_STRING_EQUAL(why.field, "id");
	CU_ASSERT_EQUAL(vswitch_acl_get(other.port, 40, &got), -ENOENT);	/* it is the other's */
	CU_ASSERT_EQUAL(vswitch_acl_delete(other.port, 40), -ENOENT);
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, 40), 0);
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, 40), -ENOENT);
	CU_ASSERT_TRUE(gets(9, 1));
	CU_ASSERT_FALSE(gets(9, 2));
	vswitch_acl_clear(guest.port);
	CU_ASSERT_PTR_NULL(vswitch_acl_next(guest.port, NULL));
	CU_ASSERT_TRUE(gets(9, 2));
	end();
}

/* What was cleared has no effect from then on, though it is taken apart only while frames pass. */
static void clearing_takes_no_time_by_entries(void)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 5,
					  .protocol = VSWITCH_ACL_PROTOCOL_ANY, .remote_ports = { 1, 65534 } };
	struct vswitch_acl_simple s = { VSWITCH_ACL_OUT, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, { VSWITCH_ACL_IPV4, 32, { 0 } } };
	struct vswitch_why why;
	uint32_t id = 3;

	begin();
	for (uint8_t i = 0; i < 100; i++) {
		s.address.bytes[3] = i;
		simple(s.direction, s.action, s.side, s.address);
		extended(&x);
	}
	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(guest.port, 77), 0);
	CU_ASSERT_FALSE(sends(1, 5));
	vswitch_acl_clear(guest.port);
	CU_ASSERT_FALSE(STAILQ_EMPTY(&sw->acl->dying));
	CU_ASSERT_PTR_NULL(vswitch_acl_next(guest.port, NULL));
	CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, 5), -ENOENT);
	CU_ASSERT(stats().entries == 0 && stats().flow_limit == 77);
	s.address.bytes[3] = 5;
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &id, &why), 0);	/* both are free again */
	CU_ASSERT_FALSE(sends(1, 5));
	CU_ASSERT_TRUE(sends(1, 6));
	for (unsigned i = 0; i < 100; i++)
		sends(1, 6);
	CU_ASSERT_TRUE(STAILQ_EMPTY(&sw->acl->dying));
	CU_ASSERT_FALSE(sends(1, 5));
	CU_ASSERT_EQUAL(entry(3).frames, 2);
	/* Left to the switch's end. */
	vswitch_acl_clear(guest.port);
	end();
}

/* What is written somewhere in what a capture of drops says. */
static bool capture_says(struct vswitch_capture_ring *ring, const char *text)
{
	uint64_t position = 0;
	const uint8_t *block;
	uint32_t n;

	while ((block = vswitch_capture_next(ring, &position, &n)))
		if (memmem(block, n, text, strlen(text)))
			return true;
	return false;
}

static void every_drop_names_its_rule(void)
{
	struct vswitch_capture_config config = {
		.points = VSWITCH_CAPTURE_DROPPED, .directions = VSWITCH_CAPTURE_IN | VSWITCH_CAPTURE_OUT,
		.vlan = VSWITCH_CAPTURE_VLAN_ANY,
	};
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 9,
					  .protocol = FLOW_UDP, .remote_ports = { 9, 9 } };
	struct vswitch_acl_simple s = { VSWITCH_ACL_IN, VSWITCH_ACL_DENY, VSWITCH_ACL_REMOTE, ipv4(2, 32) };
	struct test_packet t = { .from = 1, .to = 3, .to_port = 9 };
	uint32_t first = 4711, second = 4712;
	struct vswitch_capture *capture;
	struct vswitch_why why;

	begin();
	config.ring = aligned_alloc(64, vswitch_capture_ring_size(VSWITCH_CAPTURE_RING_MIN));
	memset(config.ring, 0, vswitch_capture_ring_size(VSWITCH_CAPTURE_RING_MIN));
	config.ring->bytes = VSWITCH_CAPTURE_RING_MIN;
	CU_ASSERT_EQUAL_FATAL(vswitch_capture_start(sw, &config, &capture), 0);
	CU_ASSERT_EQUAL(vswitch_acl_add_extended(guest.port, &x, &first, &why), 0);
	CU_ASSERT_EQUAL(vswitch_acl_add_simple(guest.port, &s, &second, &why), 0);
	CU_ASSERT_FALSE(passes(&guest, &t));
	CU_ASSERT_TRUE(capture_says(config.ring, "acl 4711"));
	CU_ASSERT_FALSE(capture_says(config.ring, "acl 4712"));
	CU_ASSERT_FALSE(gets(2, 1));
	CU_ASSERT_TRUE(capture_says(config.ring, "acl 4712"));
	vswitch_capture_stop(capture);
	free(config.ring);
	end();
}

static const struct hv_test tests[] = {
	{ "without entries all passes", without_entries_all_passes },
	{ "the longest prefix decides", longest_prefix_decides },
	{ "local is the guest's side", local_is_the_guests_side },
	{ "the longest of both sides decides, and deny a tie", longest_of_both_sides_decides_and_deny_a_tie },
	{ "IP versions are apart, and any is both", versions_are_apart_and_any_is_both },
	{ "MAC entries see every frame and come first", mac_entries_see_every_frame_and_come_first },
	{ "ARP passes IP entries", arp_passes_ip_entries },
	{ "tags hide nothing", tags_hide_nothing },
	{ "meters what passes", meters_what_passes },
	{ "checks a large send once", checks_a_large_send_once },
	{ "the first match by weight decides", first_match_by_weight_decides },
	{ "each field matters", each_field_matters },
	{ "simple and extended entries both have a say", simple_and_extended_both_have_a_say },
	{ "an isolation id is a VLAN", isolation_id_is_a_vlan },
	{ "fragments follow the first", fragments_follow_the_first },
	{ "fragments do not overwrite the first", fragments_do_not_overwrite_the_first },
	{ "tiny first fragments are refused", tiny_first_fragments_are_refused },
	{ "early fragments pass by entries without ports", early_fragments_pass_by_entries_without_ports },
	{ "headers that cannot be followed are dropped", headers_that_cannot_be_followed_are_dropped },
	{ "says what is wrong with simple ones", says_what_is_wrong_with_simple_ones },
	{ "says what is wrong with extended ones", says_what_is_wrong_with_extended_ones },
	{ "refuses the same address twice", refuses_the_same_address_twice },
	{ "ids are found again", ids_are_found_again },
	{ "clearing takes no time by entries", clearing_takes_no_time_by_entries },
	{ "every drop names its rule", every_drop_names_its_rule },
};

HV_TEST_MAIN("vswitch/acl", tests)
