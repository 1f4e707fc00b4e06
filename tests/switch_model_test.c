/* SPDX-License-Identifier: MIT */
/*
 * The real switch beside its model: random ports, policies, frames and events; after each batch every port must have got what
 * the model gives it, byte by byte as on a wire, and every counter of drops must agree.
 *
 *	switch_model_test [SEED [RUNS [STEPS]]]		without arguments a few short runs of fixed seeds
 */
#include "tests/switch_model.h"

#include <errno.h>

#include "tests/switch_model_random.h"
#include "vswitch/test_attack.h"
#include "vswitch/test_extension.h"

enum { SEEDS = 60, STEPS = 600, SEGMENTS = 64, STATIONS = 18 };

#define NS_PER_S 1000000000ull

static struct vswitch *sw;
static struct model model;
static struct test_nic nics[MODEL_PORTS];
static struct test_frame *frames[MODEL_BATCH];
static struct test_pieces pieces[MODEL_BATCH];
static struct model_frame wire[MODEL_BATCH];
static struct packet packet;
static uint64_t now_ns, state;
static unsigned step, ports;
static uint64_t seed;

static unsigned pick(unsigned n)
{
	state ^= state << 13;		/* xorshift64: Marsaglia 2003 */
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 32) % n;
}

#define ONE_OF(...) ((const int[]){ __VA_ARGS__ })[pick(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))]

/* Policies. */

static struct vswitch_vlan_set some_vlans(void)
{
	struct vswitch_vlan_set set = { .bits = { 0 } };

	for (unsigned n = 1 + pick(5); n; n--)
		vswitch_vlan_set_add(&set, (unsigned)ONE_OF(5, 7, 8, 100, 101, 102, 103, 110));
	return set;
}

static void random_vlan(struct vswitch_vlan_policy *v)
{
	v->mode = (enum vswitch_vlan_mode)pick(6);
	switch (v->mode) {
	case VSWITCH_VLAN_UNTAGGED:
		break;
	case VSWITCH_VLAN_ACCESS:
		v->access = (uint16_t)ONE_OF(5, 7, 8, 101);
		break;
	case VSWITCH_VLAN_TRUNK:
		v->native = (uint16_t)ONE_OF(0, 0, 5, 7, 100);
		v->allowed = some_vlans();
		if (!pick(3))
			v->pruned = some_vlans();
		v->pruned.bits[v->native / 64] &= ~(1ull << v->native % 64);
		break;
	case VSWITCH_VLAN_ISOLATED:
	case VSWITCH_VLAN_COMMUNITY:
		v->primary = (uint16_t)ONE_OF(100, 100, 100, 110);
		v->secondary = (uint16_t)ONE_OF(101, 102, 103);
		break;
	case VSWITCH_VLAN_PROMISCUOUS:
		v->primary = (uint16_t)ONE_OF(100, 100, 100, 110);
		for (unsigned id = 101; id < 104; id++)
			if (pick(2))
				vswitch_vlan_set_add(&v->secondaries, id);
		break;
	}
}

static void address(unsigned version, uint8_t bytes[16])
{
	memset(bytes, 0, 16);
	if (version == 4)
		put_be32(bytes, pick(6) ? 0x0a000001 + pick(6) : 0);
	else if (pick(6)) {
		bytes[0] = 0xfe;
		bytes[1] = 0x80;
		bytes[15] = (uint8_t)(1 + pick(6));
	}
}

static void random_guards(struct vswitch_port_policy *p)
{
	p->dhcp_guard = !pick(3);
	p->router_guard = !pick(3);
	p->bpdu_guard = pick(3) ? VSWITCH_BPDU_PASS : (enum vswitch_bpdu_guard)pick(3);
	if (!pick(5))
		p->dynamic_ip_limit = 1 + pick(4);
	if (pick(5))
		return;
	p->prevent_ip_spoofing = true;
	for (unsigned n = pick(4); n; n--) {
		struct vswitch_address *a = &p->addresses[p->num_addresses++];

		a->version = pick(2) ? 4 : 6;
		address(a->version, a->bytes);
		if (!(a->version == 4 ? a->bytes[0] : a->bytes[15]))
			p->num_addresses--;
	}
	memset(&p->addresses[p->num_addresses], 0, sizeof(p->addresses[0]));
}

static struct vswitch_port_policy random_policy(void)
{
	static const char *const filters[] = { "", "", "ether broadcast", "vlan 100", "not vlan 100" };
	struct vswitch_port_policy p = { .num_addresses = 0 };

	if (pick(4))
		random_vlan(&p.vlan);
	if (pick(3))
		p.vlan = (struct vswitch_vlan_policy){ .mode = VSWITCH_VLAN_UNTAGGED };
	p.allow_mac_spoofing = !pick(3);
	p.allow_teaming = !pick(3);
	p.allow_priority_tag = pick(2);
	p.isolated = !pick(4);
	if (!pick(6))
		p.storm_limit = 1 + pick(6);
	if (!pick(3))
		random_guards(&p);
	p.monitor_mode = pick(3) ? VSWITCH_MONITOR_NONE : (enum vswitch_monitor_mode)pick(3);
	if (p.monitor_mode) {
		p.monitor_session = (uint8_t)pick(2);
		strcpy(p.monitor_filter, filters[pick(5)]);
	}
	if (p.monitor_mode == VSWITCH_MONITOR_SOURCE)
		p.monitor_direction = (enum vswitch_monitor_direction)pick(3);
	p.lldp = !pick(12);
	return p;
}

static void change_policy(unsigned port)
{
	struct vswitch_port_policy policy = random_policy();
	struct vswitch_why why = { .field = "" };
	bool none = !pick(4);
	int ret = vswitch_port_set_policy(nics[port].port, none ? NULL : &policy, &why);

	if (ret == -EBUSY)
		return;
	if (ret)
		fprintf(stderr, "%s: %s\n", why.field, why.text);
	CU_ASSERT_EQUAL_FATAL(ret, 0);
	model_policy(&model, (int)port, none ? NULL : &policy);
}

/* Limits. */

static void add_acl(unsigned port)
{
	struct vswitch_acl_entry e = random_acl(pick);
	struct model_acl *a = &model.ports[port].acl;
	uint32_t id = 0;
	int ret;

	if (a->num == MODEL_ACL)
		return;
	if (e.is_extended)
		ret = vswitch_acl_add_extended(nics[port].port, &e.extended, &id, NULL);
	else
		ret = vswitch_acl_add_simple(nics[port].port, &e.simple, &id, NULL);
	if (ret == -EEXIST)
		return;
	CU_ASSERT_EQUAL_FATAL(ret, 0);
	CU_ASSERT_EQUAL_FATAL(vswitch_acl_get(nics[port].port, id, &e), 0);
	model_acl_add(a, &e);
}

/* Ports whose flows would be more than the model can hold have no entries. */
static void change_acl(unsigned port)
{
	struct model_acl *a = &model.ports[port].acl;
	unsigned i;

	if (a->stats.flow_limit > MODEL_FLOWS)
		return;
	if (!pick(30)) {
		vswitch_acl_clear(nics[port].port);
		model_acl_clear(a);
	} else if (pick(12) < a->num) {
		i = pick(a->num);
		CU_ASSERT_EQUAL(vswitch_acl_delete(nics[port].port, a->entries[i].id), 0);
		model_acl_delete(a, i);
	} else {
		add_acl(port);
	}
}

static void limit_flows(unsigned port)
{
	uint32_t limit = VSWITCH_ACL_FLOWS_MIN + pick(8);

	CU_ASSERT_EQUAL(vswitch_acl_set_flow_limit(nics[port].port, limit), 0);
	model.ports[port].acl.stats.flow_limit = limit;
}

static void change_bandwidth(unsigned port)
{
	struct vswitch_port_bandwidth b = random_bandwidth(pick);

	CU_ASSERT_EQUAL(vswitch_port_set_bandwidth(nics[port].port, &b, NULL), 0);
	model_bandwidth_set(&model.ports[port].bandwidth, &b);
}

/* Extensions. */

static struct recorder filter, forwarder;

static unsigned index_of(uint32_t id)
{
	for (unsigned i = 0; i < ports; i++)
		if (vswitch_port_id(nics[i].port) == id)
			return i;
	abort();
}

typedef bool rule(const uint8_t *addresses, unsigned port);

static void apply(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v, rule *drops)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->present & 1u << i && drops(b->frames[i]->head, index_of(b->port)))
			CU_ASSERT_EQUAL(r->s->drop(v, i, "rule"), 0);
}

static void filter_in(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
		      struct vswitch_ext_writer *w)
{
	(void)w;
	apply(r, b, v, model_filter_drops_in);
}

static void filter_out(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	apply(r, b, v, model_filter_drops_out);
}

static void forwarder_in(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			 struct vswitch_ext_writer *w)
{
	struct vswitch_ext_destination to = { .port = 0 };
	int port;

	for (unsigned i = 0; i < b->n; i++) {
		if (!(b->present & 1u << i) || model_forwarder_drops_in(b->frames[i]->head, index_of(b->port)))
			continue;
		for (unsigned k = 0; (port = model_forwarder_directs(b->frames[i]->head, k)) >= 0; k++) {
			if ((unsigned)port >= ports)
				continue;
			to.port = vswitch_port_id(nics[port].port);
			/* Not there, or where it comes from: the model knows. */
			(void)!r->s->direct(w, i, &to);
		}
	}
	apply(r, b, v, model_forwarder_drops_in);
}

static void forwarder_out(struct recorder *r, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	apply(r, b, v, model_forwarder_drops_out);
}

/* In half of the runs most ports stay up and without policies, so that there are conversations. */
static bool calm;

static void put_extensions(void)
{
	recorder_init(&filter, "filter", VSWITCH_EXT_FILTER);
	filter.on_ingress = filter_in;
	filter.on_egress = filter_out;
	recorder_init(&forwarder, "forwarder", VSWITCH_EXT_FORWARD);
	forwarder.on_ingress = forwarder_in;
	forwarder.on_egress = forwarder_out;
	filter.quiet = forwarder.quiet = true;
	if (recorder_try(sw, &filter) || recorder_try(sw, &forwarder))
		abort();
}

static void change_extension(struct recorder *r, bool *enabled)
{
	int ret = 0;

	*enabled = !*enabled;
	if (*enabled)
		ret = vswitch_extension_enable(r->e);
	else
		vswitch_extension_disable(r->e);
	CU_ASSERT_EQUAL_FATAL(ret, 0);
	record_clear();
}

/* Frames. */

static uint16_t random_ipv4(void)
{
	uint8_t source[16];

	address(4, source);
	packet_begin(&packet, pick(60));
	switch (pick(4)) {
	case 0:
		packet_icmp(&packet, (uint8_t)ONE_OF(5, 8, 9, 0));
		packet_ipv4(&packet, 1, get_be32(source), (uint16_t)ONE_OF(0, 0, 0x2000, 3), 4 * pick(3));
		break;
	case 1:
		packet_ipv4(&packet, (uint8_t)ONE_OF(1, 6, 17, 51, 58), get_be32(source), (uint16_t)ONE_OF(0, 0x2000), 0);
		break;
	default:
		packet_udp(&packet, (uint16_t)ONE_OF(67, 68, 53), (uint16_t)ONE_OF(67, 68, 53));
		packet_ipv4(&packet, 17, get_be32(source), (uint16_t)ONE_OF(0, 0, 0x2000, 9), 4 * pick(11));
		break;
	}
	return 0x0800;
}

static uint8_t random_icmp6(void)
{
	uint8_t *option;

	if (pick(2)) {
		packet_begin(&packet, 0);
		option = packet_push(&packet, 8);
		option[0] = (uint8_t)(1 + pick(3));
		option[1] = (uint8_t)pick(3);
		test_mac(1 + pick(ports), option + 2);
	}
	if (pick(4))
		address(6, packet_push(&packet, 16));
	packet_icmp(&packet, (uint8_t)ONE_OF(128, 131, 133, 134, 135, 136, 136, 137, 143));
	return 58;
}

static uint16_t random_ipv6(void)
{
	uint8_t next = 17, source[16];

	packet_begin(&packet, pick(30));
	if (pick(2))
		next = random_icmp6();
	else if (pick(4))
		packet_udp(&packet, (uint16_t)ONE_OF(546, 547, 53), (uint16_t)ONE_OF(546, 547, 53));
	for (unsigned n = pick(3) ? pick(3) : pick(11); n; n--) {
		int kind = ONE_OF(0, 43, 44, 51, 60, 60, 135, 140);

		if (packet.at < 800)
			break;
		if (kind == 44)
			packet_fragment6(&packet, next, (uint16_t)ONE_OF(0, 0, 3), pick(2));
		else
			packet_extension(&packet, next, 8 * pick(pick(4) ? 3 : 20));
		next = (uint8_t)kind;
	}
	address(6, source);
	packet_ipv6(&packet, next, source);
	return 0x86dd;
}

static uint16_t random_arp(void)
{
	uint8_t *a, sender[16];

	packet_begin(&packet, 0);
	a = packet_push(&packet, 28);
	a[1] = 1;
	put_be16(a + 2, 0x0800);
	a[4] = 6;
	a[5] = pick(10) ? 4 : 16;
	a[7] = (uint8_t)ONE_OF(1, 1, 2, 3, 4);
	test_mac(1 + pick(ports), a + 8);
	address(4, sender);
	memcpy(a + 14, sender, 4);
	return pick(8) ? 0x0806 : 0x8035;
}

static uint16_t random_packet(void)
{
	switch (pick(6)) {
	case 0:
	case 1:
		return random_ipv4();
	case 2:
	case 3:
		return random_ipv6();
	case 4:
		return random_arp();
	}
	packet_begin(&packet, pick(200));
	return (uint16_t)ONE_OF(0x88b5, 0x88b5, 0x88cc, 0x8809, 40);
}

static void random_addresses(uint8_t *bytes, unsigned through)
{
	static const uint8_t groups[][6] = {
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x33, 0x33, 0, 0, 0, 1 }, { 0x01, 0x80, 0xc2, 0, 0, 0x0e },
		{ 0x01, 0x80, 0xc2, 0, 0, 0x00 }, { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd }, { 0x01, 0x80, 0xc2, 0, 0, 0x10 },
	};

	if (pick(3))
		test_mac(1 + pick(STATIONS), bytes);
	else
		memcpy(bytes, groups[pick(3) ? 0 : pick(6)], 6);
	if (pick(4) && !(model.ports[through].kind == VSWITCH_NIC_EXTERNAL))
		test_mac(through + 1, bytes + 6);
	else
		test_mac(1 + pick(STATIONS), bytes + 6);
	if (!pick(60))
		memset(bytes + 6, pick(2) ? 0xff : 0, 6);
}

/* TCP or UDP with more than one segment, mostly. */
static void random_large(struct test_frame *t, struct model_frame *m, uint32_t longest)
{
	bool v6 = pick(2), udp = !pick(3);
	uint32_t payload = 1 + pick(longest);
	uint8_t source[16], *l4;

	packet_begin(&packet, 0);
	l4 = packet_push(&packet, udp ? 8 : 20);
	if (udp) {
		put_be16(l4, (uint16_t)ONE_OF(53, 67));
		put_be16(l4 + 2, 1000);
	} else {
		put_be32(l4 + 4, 0xfffffff0u + pick(32));
		l4[12] = 0x50;
		l4[13] = (uint8_t)pick(256);
	}
	address(v6 ? 6 : 4, source);
	if (v6)
		packet_ipv6(&packet, udp ? 17 : 6, source);
	else
		packet_ipv4(&packet, udp ? 17 : 6, get_be32(source), 0, 0);
	packet_frame(t, &packet, v6 ? 0x86dd : 0x0800, t->bytes + 6, WAY_PLAIN);
	for (uint32_t i = 0; i < payload; i++)
		t->bytes[14 + packet.len + i] = (uint8_t)pick(256);
	test_frame_set(t, 14 + packet.len + payload);
	t->f.offload.gso = udp ? VSWITCH_GSO_UDP : v6 ? VSWITCH_GSO_TCPV6 : VSWITCH_GSO_TCPV4;
	t->f.offload.gso_size = (uint16_t)(200 + pick(1300));
	m->gso_size = t->f.offload.gso_size;
}

static void random_conversation(struct test_frame *t)
{
	test_frame_set(t, random_talk(pick, t->bytes));
}

static void random_plain(struct test_frame *t, uint8_t from[6])
{
	uint16_t type = random_packet();
	uint32_t len;

	packet_frame(t, &packet, type, from, pick(8) ? WAY_PLAIN : (enum way)ONE_OF(WAY_SNAP, WAY_BRIDGE_SNAP));
	len = t->f.len;
	if (!pick(10))			/* cut off; the minimum of 60 is no rule of the switch */
		len = 18 + pick(len - 17);
	if (type == 40 && pick(2))
		put_be16(t->bytes + 14, 0x4242);
	test_frame_set(t, len);
}

static void random_tags(struct test_frame *t)
{
	struct vswitch_offload offload = t->f.offload;

	if (!offload.gso && !pick(8))
		test_tag_bytes(t, (uint16_t)ONE_OF(0x8100, 0x8100, 0x88a8, 0x9100), (uint16_t)pick(16));
	if (!offload.gso && !pick(40))
		for (unsigned n = pick(5); n; n--)
			test_tag_bytes(t, 0x8100, 7);
	if (pick(2))
		test_tag_bytes(t, 0x8100, (uint16_t)(ONE_OF(0, 0, 5, 7, 7, 8, 100, 101, 102, 103, 4095) |
						    (pick(3) ? 0 : pick(16) << 12)));
	t->f.offload = offload;
}

/* The outer tag goes to the metadata, or stays; the memory is cut somehow. */
static void choose_representation(struct test_frame *t, struct test_pieces *p)
{
	struct vswitch_offload offload = t->f.offload;

	if (get_be16(t->bytes + 12) == 0x8100 && t->f.len >= 18 && pick(2)) {
		offload.flags |= VSWITCH_VLAN;
		offload.vlan_tci = get_be16(t->bytes + 14);
		memmove(t->bytes + 12, t->bytes + 16, t->f.len - 16);
		test_frame_set(t, t->f.len - 4);
	}
	t->f.offload = offload;
	if (!offload.gso && pick(2))
		packet_scatter(t, p, (uint16_t)(18 + pick(111)), 20 + pick(200));
}

static void make_frame(unsigned i, unsigned through)
{
	struct test_frame *t = frames[i];
	struct model_frame *m = &wire[i];
	uint8_t addresses[12];

	random_addresses(addresses, through);
	memcpy(t->bytes, addresses, 12);
	m->gso_size = 0;
	if (model.ports[through].bandwidth.mean.ns_per_byte && pick(3))
		random_large(t, m, 10500);
	else if (!pick(10))
		random_large(t, m, pick(3) ? 3000 : 8000);
	else if (model.ports[through].acl.stats.flow_limit <= MODEL_FLOWS && pick(4))
		random_conversation(t);
	else
		random_plain(t, addresses + 6);
	memcpy(t->bytes, addresses, 12);
	memcpy(t->f.head, addresses, 12);
	random_tags(t);
	memcpy(t->bytes, addresses, 12);
	memcpy(t->f.head, addresses, 12);
	if (!pick(200))
		test_frame_set(t, pick(14));
	m->len = t->f.len;
	memcpy(m->bytes, t->bytes, t->f.len);
	choose_representation(t, &pieces[i]);
}

/* Comparison. */

/* What a NIC got, as on a wire. */
static void to_wire(const struct got_frame *g, struct model_frame *out)
{
	uint32_t off = 12;

	memcpy(out->bytes, g->bytes, 12);
	if (g->offload.flags & VSWITCH_VLAN) {
		put_be16(out->bytes + 12, 0x8100);
		put_be16(out->bytes + 14, g->offload.vlan_tci);
		off = 16;
	}
	memcpy(out->bytes + off, g->bytes + 12, g->len - 12);
	out->len = g->len - 12 + off;
	out->gso_size = g->offload.gso ? g->offload.gso_size : 0;
	/* Of one segment: what is to be completed is the same. */
	if (!out->gso_size && g->offload.flags & VSWITCH_CSUM_PARTIAL)
		out->gso_size = UINT16_MAX;
}

static unsigned all_on_the_wire(const struct model_frame *f, unsigned n, struct model_frame *out)
{
	unsigned total = 0;

	for (unsigned i = 0; i < n; i++)
		total += model_segments(&f[i], out + total, SEGMENTS * MODEL_GOT - total);
	return total;
}

static bool same(const struct model_frame *a, const struct model_frame *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* In any order: copies for mirrors come last in the one, where they arise in the other. */
static bool same_frames(struct model_frame *a, unsigned n, struct model_frame *b, unsigned m)
{
	if (n != m)
		return false;
	for (unsigned i = 0; i < n; i++) {
		unsigned k = 0;

		while (k < m && !same(&a[i], &b[k]))
			k++;
		if (k == m)
			return false;
		b[k].len = 0;
	}
	return true;
}

static void show(const char *who, const struct model_frame *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fprintf(stderr, "  %s, %u bytes:", who, f[i].len);
		for (uint32_t k = 0; k < f[i].len && k < 80; k++)
			fprintf(stderr, "%s%02x", k == 6 || k == 12 || k == 14 || k == 16 ? " " : "", f[i].bytes[k]);
		fputc('\n', stderr);
	}
}

static void complain(unsigned port, unsigned through, unsigned batch)
{
	fprintf(stderr, "seed %llu, step %u: port %u, batch of %u from port %u\n", (unsigned long long)seed, step, port, batch,
		through);
	show("sent", wire, batch);
}

static bool same_counters(unsigned port)
{
	const struct vswitch_port_stats *s = &nics[port].port->stats;
	const struct model_port *p = &model.ports[port];
	bool ok = true;

	for (int i = 0; i < VSWITCH_DROPS; i++) {
		if (s->in_dropped[i] == p->in_dropped[i] && s->out_dropped[i] == p->out_dropped[i])
			continue;
		fprintf(stderr, "  %s: in %llu (model %llu), out %llu (model %llu)\n", vswitch_drop_name((enum vswitch_drop)i),
			(unsigned long long)s->in_dropped[i], (unsigned long long)p->in_dropped[i],
			(unsigned long long)s->out_dropped[i], (unsigned long long)p->out_dropped[i]);
		ok = false;
	}
	return ok;
}

static bool same_acl(unsigned port)
{
	const struct vswitch_acl_entry *e = NULL;
	const struct model_acl *a = &model.ports[port].acl;
	struct vswitch_acl_stats real;
	bool ok = true;

	for (unsigned i = 0; i < a->num; i++) {
		e = vswitch_acl_next(nics[port].port, e);
		if (!e || e->id != a->entries[i].id)
			return false;
		if (e->frames == a->entries[i].frames && e->bytes == a->entries[i].bytes)
			continue;
		fprintf(stderr, "  acl %u: %llu frames (model %llu)\n", e->id, (unsigned long long)e->frames,
			(unsigned long long)a->entries[i].frames);
		ok = false;
	}
	vswitch_acl_stats(nics[port].port, &real);
	if (real.entries == a->num && real.flows == a->num_flows && real.flows_opened == a->stats.flows_opened &&
	    real.flows_closed == a->stats.flows_closed && real.flows_expired == a->stats.flows_expired &&
	    real.flows_evicted == a->stats.flows_evicted && real.flows_revoked == a->stats.flows_revoked &&
	    real.errors_related == a->stats.errors_related && real.errors_unrelated == a->stats.errors_unrelated)
		return ok;
	fprintf(stderr, "  flows %u (model %u), errors %llu + %llu (model %llu + %llu)\n", real.flows, a->num_flows,
		(unsigned long long)real.errors_related, (unsigned long long)real.errors_unrelated,
		(unsigned long long)a->stats.errors_related, (unsigned long long)a->stats.errors_unrelated);
	return false;
}

static bool check_port(unsigned port, unsigned through, unsigned batch)
{
	static struct model_frame real[MODEL_GOT * SEGMENTS], wanted[MODEL_GOT * SEGMENTS], got[MODEL_GOT * SEGMENTS];
	struct model_port *p = &model.ports[port];
	unsigned n = nics[port].num_got, m;
	bool ok = n <= MODEL_GOT * SEGMENTS;

	for (unsigned i = 0; ok && i < n; i++)
		to_wire(&nics[port].got[i], &got[i]);
	n = ok ? all_on_the_wire(got, n, real) : 0;
	m = all_on_the_wire(p->got, p->num_got, wanted);
	ok = ok && same_frames(real, n, wanted, m);
	if (!ok) {
		complain(port, through, batch);
		show("got", real, n);
		all_on_the_wire(p->got, p->num_got, wanted);
		show("model", wanted, m);
	}
	if (!same_counters(port) || !same_acl(port)) {
		complain(port, through, batch);
		ok = false;
	}
	test_nic_clear(&nics[port]);
	return ok;
}

static bool send_batch(unsigned through)
{
	struct vswitch_frame *batch[MODEL_BATCH];
	unsigned n = 1 + pick(MODEL_BATCH);
	bool ok = true;

	for (unsigned i = 0; i < n; i++) {
		make_frame(i, through);
		batch[i] = &frames[i]->f;
	}
	model_input(&model, (int)through, wire, n);
	vswitch_port_input(nics[through].port, batch, n);
	for (unsigned i = 0; i < ports; i++)
		ok &= check_port(i, through, n);
	return ok && test_balanced(sw);
}

/* The world. */

static void plug(unsigned i)
{
	static const char *const vms[] = { "", "vm1", "vm2" };
	struct vswitch_nic_config config = { .vm_id = vms[pick(3)] };
	uint8_t mac[6];
	char name[16];

	test_nic_init(&nics[i], !i && pick(4) ? VSWITCH_NIC_EXTERNAL : (enum vswitch_nic_kind)pick(3), i + 1, pick(16));
	nics[i].nic.max_frame_bytes = pick(3) ? 1514 : 9014;
	snprintf(name, sizeof(name), "p%u", i);
	test_mac(i + 1, mac);
	if (vswitch_port_create(sw, name, &nics[i].port) || vswitch_nic_create(nics[i].port, 0, &nics[i].nic, &config) ||
	    vswitch_nic_connect(nics[i].port, 0))
		abort();
	model_plug(&model, (int)i, nics[i].nic.kind, mac, config.vm_id[0] ? (unsigned)(config.vm_id[2] - '0') : 0,
		   nics[i].nic.max_frame_bytes);
}

static void replug(unsigned i)
{
	if (model.ports[i].plugged) {
		CU_ASSERT_EQUAL(vswitch_nic_disconnect(nics[i].port, 0), 0);
		model_unplug(&model, (int)i);
	} else {
		CU_ASSERT_EQUAL_FATAL(vswitch_nic_connect(nics[i].port, 0), 0);
		model_replug(&model, (int)i);
	}
}

static bool send_some(unsigned through)
{
	bool ok = true;

	for (unsigned n = calm ? 1 + pick(6) : 1; n && ok; n--)
		ok = send_batch(calm && pick(2) ? pick(ports) : through);
	return ok;
}

static bool random_event(void)
{
	struct vswitch_options options = { .ageing_s = 20 };
	unsigned i = pick(ports);
	bool up;

	switch (pick(46)) {
	case 0:
	case 1:
	case 2:
		if (!calm || !pick(10))
			change_policy(i);
		return true;
	case 3:
		up = pick(3) || calm;
		vswitch_port_set_link(nics[i].port, up);
		model_link(&model, (int)i, up);
		return true;
	case 4:
		if (!model.ports[i].plugged || !pick(calm ? 20 : 3))
			replug(i);
		return true;
	case 5:
		options.hub = model.hub = !pick(3);
		return !vswitch_set_options(sw, &options);
	case 6:
	case 7:
		now_ns += pick(2) ? pick(3) * NS_PER_S / 2 : pick(12) * NS_PER_S;
		vswitch_tick(sw, now_ns);
		model_time(&model, now_ns);
		return true;
	case 8:
	case 9:
	case 10:
		change_acl(i);
		return true;
	case 11:
		change_bandwidth(i);
		return true;
	case 12:
		if (calm && pick(4))
			return true;
		change_extension(&filter, &model.filter);
		return true;
	case 13:
		if (calm && pick(4))
			return true;
		change_extension(&forwarder, &model.forwarder);
		return true;
	}
	return send_some(i);
}

/* How often each thing came about, in all runs: what never does is not tested. */
static uint64_t drops_seen[VSWITCH_DROPS];
static struct vswitch_acl_stats acl_seen;
static uint64_t delivered_seen;

static void note_what_was_seen(void)
{
	for (unsigned i = 0; i < ports; i++) {
		const struct vswitch_acl_stats *a = &model.ports[i].acl.stats;

		for (int d = 0; d < VSWITCH_DROPS; d++)
			drops_seen[d] += model.ports[i].in_dropped[d] + model.ports[i].out_dropped[d];
		delivered_seen += nics[i].port->stats.out_frames;
		acl_seen.flows_opened += a->flows_opened;
		acl_seen.flows_closed += a->flows_closed;
		acl_seen.flows_expired += a->flows_expired;
		acl_seen.flows_evicted += a->flows_evicted;
		acl_seen.flows_revoked += a->flows_revoked;
		acl_seen.errors_related += a->errors_related;
		acl_seen.errors_unrelated += a->errors_unrelated;
	}
}

static void show_what_was_seen(void)
{
	printf("%llu frames delivered; dropped:", (unsigned long long)delivered_seen);
	for (int d = 0; d < VSWITCH_DROPS; d++)
		if (drops_seen[d])
			printf(" %s %llu", vswitch_drop_name((enum vswitch_drop)d), (unsigned long long)drops_seen[d]);
	printf("\nflows opened %llu, closed %llu, expired %llu, evicted %llu, revoked %llu; errors related %llu, unrelated %llu\n",
	       (unsigned long long)acl_seen.flows_opened, (unsigned long long)acl_seen.flows_closed,
	       (unsigned long long)acl_seen.flows_expired, (unsigned long long)acl_seen.flows_evicted,
	       (unsigned long long)acl_seen.flows_revoked, (unsigned long long)acl_seen.errors_related,
	       (unsigned long long)acl_seen.errors_unrelated);
}

static bool run(unsigned steps)
{
	struct vswitch_config config = { .name = "model", .ageing_s = 20 };
	bool ok = true;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	now_ns = 1000 * NS_PER_S;
	if (vswitch_create(NULL, &config, &sw))
		abort();
	vswitch_tick(sw, now_ns);
	model_init(&model, now_ns, config.ageing_s);
	ports = 2 + pick(MODEL_PORTS - 1);
	calm = pick(2);
	random_talk_begin();
	for (unsigned i = 0; i < ports; i++)
		plug(i);
	put_extensions();
	for (unsigned i = 0; i < ports; i++) {
		if (!calm && pick(4))
			change_policy(i);
		if (calm || pick(2))
			limit_flows(i);
	}
	for (step = 0; step < steps && ok; step++)
		ok = random_event();
	note_what_was_seen();
	for (unsigned i = 0; i < ports; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	return ok;
}

static uint64_t first_seed = 1, num_runs = SEEDS;
static unsigned num_steps = STEPS;

static void both_do_the_same(void)
{
	uint64_t failed = 0;

	for (unsigned i = 0; i < MODEL_BATCH; i++)
		frames[i] = test_frame_new();
	for (seed = first_seed; seed < first_seed + num_runs && failed < 3; seed++)
		failed += !run(num_steps);
	CU_ASSERT_EQUAL(failed, 0);
	show_what_was_seen();
	for (unsigned i = 0; i < MODEL_BATCH; i++)
		free(frames[i]);
}

static const struct hv_test tests[] = {
	{ "the switch and its model do the same", both_do_the_same },
};

int main(int argc, char **argv)
{
	hv_log_set_level(HV_LOG_WARNING);	/* extensions come and go all the time */
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		num_runs = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		num_steps = (unsigned)strtoul(argv[3], NULL, 0);
	if (argc > 1)
		printf("seeds %llu to %llu, %u steps each\n", (unsigned long long)first_seed,
		       (unsigned long long)(first_seed + num_runs - 1), num_steps);
	return hv_test_main("tests/switch_model", tests, sizeof(tests) / sizeof(tests[0]));
}
