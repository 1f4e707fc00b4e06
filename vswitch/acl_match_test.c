/* SPDX-License-Identifier: MIT */
/*
 * The ACLs against a model that goes through all entries of a port one after the other: random entries come and go, random
 * frames must have the same fate with both. Addresses and ports are drawn from a few, so that prefixes nest and much collides.
 */
#include <errno.h>

#include "vswitch/acl_internal.h"
#include "vswitch/test_packet.h"

enum { ENTRIES = 400, ROUNDS = 400, FRAMES = 60 };

static struct vswitch *sw;
static struct test_nic guest, other;
static struct test_frame *frame;
static struct vswitch_acl_entry model[ENTRIES];	/* id 0: none */
static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

/* Addresses that share their first bits, in any number. */
static uint32_t draw_address(void)
{
	return 0x0a000000 | draw(4) << 16 | draw(4) << 14 | draw(4) << 6 | draw(4);
}

static uint16_t draw_port(void)
{
	return (uint16_t)(draw(2) ? draw(8) : 1000 + draw(1000));
}

/* ---- the model ---- */

static bool prefix_matches(const struct vswitch_acl_address *a, const uint8_t *address)
{
	for (unsigned i = 0; i < a->prefix_bits; i++)
		if ((a->bytes[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool address_matches(const struct vswitch_acl_address *a, const struct flow *f, const uint8_t *address)
{
	switch (a->family) {
	case VSWITCH_ACL_ANY:
		return true;
	case VSWITCH_ACL_IPV4:
		return f->version == 4 && prefix_matches(a, address);
	case VSWITCH_ACL_IPV6:
		return f->version == 6 && prefix_matches(a, address);
	case VSWITCH_ACL_MAC:
		break;
	}
	return false;
}

static bool port_matches(const struct vswitch_acl_ports *p, const struct flow *f, uint16_t port)
{
	if (!p->first && p->last == UINT16_MAX)
		return true;
	return f->has_ports && p->first <= port && port <= p->last;
}

static bool unlimited(const struct vswitch_acl_ports *p)
{
	return !p->first && p->last == UINT16_MAX;
}

static bool entry_has_ports(const struct vswitch_acl_extended *x)
{
	return !unlimited(&x->local_ports) || !unlimited(&x->remote_ports);
}

/* But for the ports. */
static bool extended_may_match(const struct vswitch_acl_extended *x, const struct flow *f, const uint8_t *local,
			       const uint8_t *remote)
{
	if (x->protocol != VSWITCH_ACL_PROTOCOL_ANY && x->protocol != f->protocol)
		return false;
	return address_matches(&x->local, f, local) && address_matches(&x->remote, f, remote);
}

static enum vswitch_drop model_extended(enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan)
{
	bool out = d == VSWITCH_ACL_OUT, hidden = false;
	const uint8_t *local = out ? f->source : f->destination, *remote = out ? f->destination : f->source;
	const struct vswitch_acl_entry *best = NULL;
	const struct vswitch_acl_extended *x;

	for (unsigned i = 0; i < ENTRIES; i++) {
		x = &model[i].extended;
		if (!model[i].id || !model[i].is_extended || x->direction != d || !extended_may_match(x, f, local, remote))
			continue;
		if (f->fragment == FLOW_LATER && entry_has_ports(x)) {
			hidden |= x->action == VSWITCH_ACL_DENY;
			continue;
		}
		if (!port_matches(&x->local_ports, f, out ? f->source_port : f->destination_port) ||
		    !port_matches(&x->remote_ports, f, out ? f->destination_port : f->source_port) ||
		    (x->isolation_id && x->isolation_id != vlan))
			continue;
		if (!best || best->extended.weight < x->weight ||
		    (best->extended.weight == x->weight && model[i].id < best->id))
			best = &model[i];
	}
	if (hidden)
		return VSWITCH_DROP_FRAGMENT;
	if (!best || best->extended.action == VSWITCH_ACL_ALLOW)
		return VSWITCH_DROPS;
	return out ? VSWITCH_DROP_ACL_OUT : VSWITCH_DROP_ACL_IN;
}

/* By the longest prefix among those of a list; a tie denies. */
static bool model_simple_denies(enum vswitch_acl_direction d, bool mac, const struct flow *f, const uint8_t *source,
				const uint8_t *destination)
{
	const struct vswitch_acl_simple *s;
	bool denies = false;
	int longest = -1;

	for (unsigned i = 0; i < ENTRIES; i++) {
		s = &model[i].simple;
		if (!model[i].id || model[i].is_extended || s->direction != d || s->action == VSWITCH_ACL_METER ||
		    (s->address.family == VSWITCH_ACL_MAC) != mac)
			continue;
		const uint8_t *a = (s->side == VSWITCH_ACL_LOCAL) == (d == VSWITCH_ACL_OUT) ? source : destination;

		if (mac ? !prefix_matches(&s->address, a) : !address_matches(&s->address, f, a))
			continue;
		if (s->address.prefix_bits < longest)
			continue;
		denies = s->action == VSWITCH_ACL_DENY || (denies && s->address.prefix_bits == longest);
		longest = s->address.prefix_bits;
	}
	return denies;
}

static enum vswitch_drop model_ask(enum vswitch_acl_direction d, const uint8_t *ethernet, const struct flow *f, uint16_t vlan)
{
	enum vswitch_drop denied = d == VSWITCH_ACL_OUT ? VSWITCH_DROP_ACL_OUT : VSWITCH_DROP_ACL_IN;

	if (model_simple_denies(d, true, f, ethernet + 6, ethernet))
		return denied;
	if (model_simple_denies(d, false, f, f->source, f->destination))
		return denied;
	return model_extended(d, f, vlan);
}

/* ---- the same for both ---- */

static struct vswitch_acl_address draw_prefix(bool extended)
{
	struct vswitch_acl_address a = { .family = draw(3 + !extended) };

	if (extended && a.family == VSWITCH_ACL_MAC)
		a.family = VSWITCH_ACL_IPV6;
	switch (a.family) {
	case VSWITCH_ACL_ANY:
		break;
	case VSWITCH_ACL_MAC:
		test_mac(1 + draw(2), a.bytes);
		a.prefix_bits = (uint8_t)draw(49);
		break;
	case VSWITCH_ACL_IPV4:
		put_be32(a.bytes, draw_address());
		a.prefix_bits = (uint8_t)(draw(4) ? 6 + draw(27) : draw(33));
		break;
	case VSWITCH_ACL_IPV6:
		a.bytes[0] = 0xfd;
		put_be32(a.bytes + 12, draw_address());
		a.prefix_bits = (uint8_t)(draw(4) ? 102 + draw(27) : draw(129));
		break;
	}
	return a;
}

static struct vswitch_acl_ports draw_ports(void)
{
	struct vswitch_acl_ports p = { draw_port(), draw_port() };

	switch (draw(4)) {
	case 0:
		p.last = p.first;
		break;
	case 1:
		if (p.first > p.last)
			p = (struct vswitch_acl_ports){ p.last, p.first };
		break;
	default:
		p = (struct vswitch_acl_ports){ 0, 0 };
	}
	return p;
}

static int add_extended(uint32_t *id)
{
	static const uint16_t protocols[] = { FLOW_TCP, FLOW_UDP, FLOW_UDP, VSWITCH_ACL_PROTOCOL_ANY, FLOW_ICMP };
	struct vswitch_acl_extended x = {
		.direction = 1 + draw(2),
		.action = 1 + draw(2),
		.local = draw_prefix(true),
		.remote = draw_prefix(true),
		.protocol = protocols[draw(5)],
		.weight = (uint16_t)(1 + draw(50)),
		.isolation_id = (uint16_t)(draw(4) ? 0 : 1 + draw(2)),
	};

	if (x.protocol != FLOW_ICMP) {
		x.local_ports = draw_ports();
		x.remote_ports = draw_ports();
	}
	return vswitch_acl_add_extended(guest.port, &x, id, NULL);
}

static int add_simple(uint32_t *id)
{
	struct vswitch_acl_simple s = { 1 + draw(2), draw(5) ? 1 + draw(2) : VSWITCH_ACL_METER, 1 + draw(2), draw_prefix(false) };

	return vswitch_acl_add_simple(guest.port, &s, id, NULL);
}

static void change(unsigned extended_of_10)
{
	unsigned at = draw(ENTRIES);
	uint32_t id = 0;
	int ret;

	if (model[at].id) {
		CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, model[at].id), 0);
		model[at].id = 0;
		return;
	}
	ret = draw(10) < extended_of_10 ? add_extended(&id) : add_simple(&id);
	if (!ret)
		CU_ASSERT_EQUAL(vswitch_acl_get(guest.port, id, &model[at]), 0);
}

static struct test_packet draw_packet(void)
{
	static const uint8_t protocols[] = { FLOW_TCP, FLOW_UDP, FLOW_UDP, FLOW_ICMP, 50 };
	struct test_packet t = {
		.version = draw(2) ? 4 : 6,
		.protocol = protocols[draw(5)],
		.from = draw_address(),
		.to = draw_address(),
		.from_port = draw_port(),
		.to_port = draw_port(),
		.payload = 8,
	};

	if (!draw(8)) {
		t.offset = 1000;
		seed++;
		t.id = seed;		/* a datagram whose first fragment nobody saw */
	}
	return t;
}

static void compare_one(void)
{
	enum vswitch_acl_direction d = 1 + draw(2);
	bool out = d == VSWITCH_ACL_OUT;
	struct test_packet t = draw_packet();
	struct test_nic *from = out ? &guest : &other, *to = out ? &other : &guest;
	struct vswitch_frame *f = &frame->f;
	enum vswitch_drop expected;
	uint64_t before, *drops;
	struct flow flow;
	uint32_t keep;

	test_packet_set(frame, to->nic.mac, from->nic.mac, &t);
	f->vlan = (uint16_t)draw(3);
	CU_ASSERT_EQUAL(flow_parse(f->head, f->head_bytes, f->len, &flow), FLOW_IP);
	expected = model_ask(d, f->head, &flow, f->vlan);
	drops = out ? guest.port->stats.in_dropped : guest.port->stats.out_dropped;
	before = expected == VSWITCH_DROPS ? 0 : drops[expected];
	keep = out ? acl_ingress(guest.port, &f, 1) : acl_egress(guest.port, &f, 1);
	if (keep != (expected == VSWITCH_DROPS) || (expected != VSWITCH_DROPS && drops[expected] != before + 1))
		CU_FAIL("entries and model do not agree");
}

static void agree(unsigned extended_of_10, unsigned most)
{
	unsigned passed = 0;

	sw = test_switch();
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &other, VSWITCH_NIC_SYNTHETIC, 2, 0);
	frame = test_frame_new();
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < 1 + round % most; i++)
			change(extended_of_10);
		if (!guest.port->acl)
			continue;
		for (unsigned i = 0; i < FRAMES; i++)
			compare_one();
		passed++;
	}
	CU_ASSERT(passed > ROUNDS / 2);
	test_nic_unplug(&guest);
	/* With the port all is gone: what is left would be a leak of the table. */
	CU_ASSERT_EQUAL(sw->acl->entries, 0);
	test_nic_unplug(&other);
	vswitch_destroy(sw);
	free(frame);
}

static void extended_agree_with_the_model(void)
{
	for (seed = 1; seed < 4; seed++)
		agree(10, 20);
}

static void simple_agree_with_the_model(void)
{
	for (seed = 10; seed < 14; seed++)
		agree(0, 20);
}

static void both_agree_with_the_model(void)
{
	for (seed = 20; seed < 23; seed++)
		agree(7, 40);
}

static void ranges_end_where_they_should(void)
{
	static const struct vswitch_acl_ports ranges[] = {
		{ 1, 65534 }, { 0, 65534 }, { 1, 65535 }, { 32767, 32768 }, { 1023, 1025 }, { 0, 1 }, { 65535, 65535 }, { 7, 4096 },
	};
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = 1,
					  .protocol = FLOW_UDP };
	const struct acl_entry *e;
	struct flow f = { .version = 4, .protocol = FLOW_UDP, .has_ports = true };
	bool hidden;
	uint32_t id;

	sw = test_switch();
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	for (unsigned i = 0; i < 2 * sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct vswitch_acl_ports *r = &ranges[i / 2];

		*(i % 2 ? &x.local_ports : &x.remote_ports) = *r;
		*(i % 2 ? &x.remote_ports : &x.local_ports) = (struct vswitch_acl_ports){ 0, 65535 };
		id = 0;
		CU_ASSERT_EQUAL(vswitch_acl_add_extended(guest.port, &x, &id, NULL), 0);
		for (uint32_t port = 0; port < 65536; port++) {
			f.source_port = i % 2 ? (uint16_t)port : 9;
			f.destination_port = i % 2 ? 9 : (uint16_t)port;
			e = acl_match_extended(sw->acl, guest.port->acl, VSWITCH_ACL_OUT, &f, 0, &hidden);
			if (!e != (port < r->first || port > r->last))
				CU_FAIL("a range ends elsewhere");
		}
		CU_ASSERT_EQUAL(vswitch_acl_delete(guest.port, id), 0);
	}
	test_nic_unplug(&guest);
	vswitch_destroy(sw);
}

static const struct hv_test tests[] = {
	{ "extended entries agree with the model", extended_agree_with_the_model },
	{ "simple entries agree with the model", simple_agree_with_the_model },
	{ "both agree with the model", both_agree_with_the_model },
	{ "ranges end where they should", ranges_end_where_they_should },
};

HV_TEST_MAIN("vswitch/acl_match", tests)
