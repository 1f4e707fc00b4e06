/* SPDX-License-Identifier: MIT */
#include "tests/switch_model_random.h"

#include "vswitch/test_packet.h"

#define ONE_OF(...) ((const unsigned[]){ __VA_ARGS__ })[pick(sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))]

enum { HOSTS = 0x0a000001 };		/* 10.0.0.1 …, fd00::a00:1 … */

static uint32_t host(picker *pick)
{
	return HOSTS + pick(3);
}

static uint16_t port(picker *pick)
{
	return (uint16_t)ONE_OF(53, 80, 1000);
}

/* ---- entries ---- */

static struct vswitch_acl_address address(picker *pick, bool mac)
{
	struct vswitch_acl_address a = { .family = (enum vswitch_acl_family)pick(4) };

	if (a.family == VSWITCH_ACL_MAC && !mac)
		a.family = VSWITCH_ACL_IPV4;
	switch (a.family) {
	case VSWITCH_ACL_ANY:
		break;
	case VSWITCH_ACL_MAC:
		test_mac(1 + pick(12), a.bytes);
		a.prefix_bits = (uint8_t)(pick(3) ? 48 - pick(5) : pick(49));
		break;
	case VSWITCH_ACL_IPV4:
		put_be32(a.bytes, host(pick));
		a.prefix_bits = (uint8_t)(pick(2) ? 32 - pick(4) : pick(33));
		break;
	case VSWITCH_ACL_IPV6:
		a.bytes[0] = 0xfd;
		put_be32(a.bytes + 12, host(pick));
		a.prefix_bits = (uint8_t)(pick(2) ? 128 - pick(4) : pick(129));
		break;
	}
	return a;
}

static struct vswitch_acl_ports ports(picker *pick)
{
	struct vswitch_acl_ports p = { 0, 65535 };

	if (pick(3))
		return p;
	p.first = port(pick);
	p.last = (uint16_t)(p.first + ONE_OF(0, 0, 30, 2000));
	return p;
}

static struct vswitch_acl_extended extended(picker *pick)
{
	struct vswitch_acl_extended x = {
		.direction = (enum vswitch_acl_direction)(1 + pick(2)),
		.action = pick(5) < 3 ? VSWITCH_ACL_ALLOW : VSWITCH_ACL_DENY,
		.protocol = (uint16_t)ONE_OF(256, 256, 256, 6, 17, 1, 58, 47),
		.weight = (uint16_t)(1 + pick(6)),
		.isolation_id = (uint16_t)ONE_OF(0, 0, 0, 0, 7, 101),
	};

	if (!pick(3))
		x.local = address(pick, false);
	if (!pick(3))
		x.remote = address(pick, false);
	if (x.local.family && x.remote.family && x.local.family != x.remote.family)
		x.remote = (struct vswitch_acl_address){ .family = VSWITCH_ACL_ANY };
	x.local_ports = x.remote_ports = (struct vswitch_acl_ports){ 0, 65535 };
	if (x.protocol == 256 || x.protocol == 6 || x.protocol == 17) {
		x.local_ports = ports(pick);
		x.remote_ports = ports(pick);
	}
	x.stateful = x.action == VSWITCH_ACL_ALLOW && pick(4);
	if (x.stateful && pick(2))
		x.idle_timeout_s = 1 + pick(40);
	return x;
}

struct vswitch_acl_entry random_acl(picker *pick)
{
	struct vswitch_acl_entry e = { .is_extended = pick(3) };

	if (e.is_extended) {
		e.extended = extended(pick);
		return e;
	}
	e.simple.direction = (enum vswitch_acl_direction)(1 + pick(2));
	e.simple.action = (enum vswitch_acl_action)ONE_OF(1, 1, 2, 3);
	e.simple.side = (enum vswitch_acl_side)(1 + pick(2));
	e.simple.address = address(pick, e.simple.action != VSWITCH_ACL_METER);
	return e;
}

/* ---- bandwidth ---- */

struct vswitch_port_bandwidth random_bandwidth(picker *pick)
{
	struct vswitch_port_bandwidth b = { .limit_bits = 8 * ONE_OF(0, 1000, 1000, 2000, 10000, 1000000) };

	if (!b.limit_bits)
		return b;
	b.burst_limit_bits = b.limit_bits * ONE_OF(0, 0, 1, 5);
	b.burst_bytes = ONE_OF(0, 1, 1500, 20000, 200000);
	return b;
}

/* ---- packets ---- */

/* What was said last. */
static struct test_packet said[8];
static unsigned num_said;

void random_talk_begin(void)
{
	num_said = 0;
}

static void remember(const struct test_packet *t)
{
	said[num_said++ % 8] = *t;
}

static struct test_packet something(picker *pick)
{
	struct test_packet t = {
		.version = (uint8_t)(pick(3) ? 4 : 6),
		.protocol = (uint8_t)ONE_OF(FLOW_UDP, FLOW_UDP, FLOW_TCP, FLOW_TCP, FLOW_ICMP, 47),
		.from = host(pick),
		.to = host(pick),
		.from_port = port(pick),
		.to_port = port(pick),
		.tcp_flags = (uint8_t)ONE_OF(FLOW_SYN, FLOW_SYN, FLOW_SYN | FLOW_ACK, FLOW_ACK, FLOW_ACK, FLOW_FIN | FLOW_ACK, FLOW_RST),
		.id = pick(3),
		.payload = (uint16_t)pick(60),
	};

	if (t.protocol == FLOW_ICMP) {
		t.protocol = t.version == 4 ? FLOW_ICMP : FLOW_ICMPV6;
		t.from_port = (uint16_t)(t.version == 4 ? ONE_OF(8, 0, 5) : ONE_OF(128, 129, 130));
		t.to_port = (uint16_t)pick(2);
	}
	if (t.version == 6)
		t.extensions = pick(4) ? 0 : pick(10);
	if (!pick(6)) {
		t.more = pick(2);
		t.offset = (uint16_t)ONE_OF(0, 0, 8, 64, 80, 1000);
	}
	return t;
}

static struct test_packet answer(const struct test_packet *to)
{
	struct test_packet t = *to;

	t.from = to->to;
	t.to = to->from;
	if (t.protocol == FLOW_ICMP && to->from_port == 8)
		t.from_port = 0;
	else if (t.protocol == FLOW_ICMPV6 && to->from_port == 128)
		t.from_port = 129;
	if (t.protocol == FLOW_ICMP || t.protocol == FLOW_ICMPV6)
		return t;
	t.from_port = to->to_port;
	t.to_port = to->from_port;
	return t;
}

/* The same again, with other flags; an answer to it; or something new. */
static struct test_packet talk(picker *pick)
{
	struct test_packet new = something(pick), t = new;

	if (!num_said || !pick(3))
		return t;
	t = said[pick(num_said < 8 ? num_said : 8)];
	if (pick(2))
		t.tcp_flags = new.tcp_flags;
	return pick(3) ? answer(&t) : t;
}

/* About one that may have been sent, mostly to its sender. */
static uint32_t error(picker *pick, uint8_t *bytes)
{
	static uint8_t lost[2048];
	struct test_packet about = num_said && pick(8) ? said[pick(num_said < 8 ? num_said : 8)] : talk(pick);
	struct test_packet t = { .version = about.version, .from = host(pick) };
	uint32_t n, len;

	memset(lost, 0, sizeof(lost));
	n = test_packet_write(lost, &about) - 14;
	if (!pick(5))
		n = 1 + pick(n);
	t.to = pick(8) ? about.from : host(pick);
	t.protocol = t.version == 4 ? FLOW_ICMP : FLOW_ICMPV6;
	t.from_port = (uint16_t)(t.version == 4 ? ONE_OF(3, 3, 11, 12, 4) : ONE_OF(1, 2, 3, 4, 5));
	t.payload = (uint16_t)n;
	t.more = !pick(20);
	len = test_packet_write(bytes, &t);
	memcpy(bytes + len - n, lost + 14, n);
	return len;
}

uint32_t random_talk(picker *pick, uint8_t *bytes)
{
	struct test_packet t;

	memset(bytes + 12, 0, 2048 - 12);
	if (!pick(4))
		return error(pick, bytes);
	t = talk(pick);
	remember(&t);
	return test_packet_write(bytes, &t);
}
