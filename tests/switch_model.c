/* SPDX-License-Identifier: MIT */
/*
 * The model's ports, its table and the way of a frame; guards are in switch_model_guard.c, ACLs and bandwidth in
 * switch_model_limits.c. Written from the tables, in their order.
 */
#include "tests/switch_model.h"

#include <stdlib.h>
#include <string.h>

#include "tests/switch_model_guard.h"

#define NS_PER_S 1000000000ull
#define MAX_VLAN 4094

void model_init(struct model *m, uint64_t now_ns, uint32_t ageing_s)
{
	memset(m, 0, sizeof(*m));
	m->now_ns = now_ns;
	m->ageing_s = ageing_s;
}

static bool is_external(const struct model_port *p)
{
	return p->kind == VSWITCH_NIC_EXTERNAL;
}

static bool is_live(const struct model_port *p)
{
	return p->exists && p->plugged && p->up;
}

static bool learns(const struct model_port *p)
{
	return is_live(p) && (is_external(p) || p->spoofing);
}

/* Private VLANs: the primary of a VLAN, by any port's policy. */
unsigned model_primary(const struct model *m, unsigned vlan)
{
	for (int i = 0; i < MODEL_PORTS; i++) {
		const struct vswitch_vlan_policy *v = &m->ports[i].policy.vlan;

		if (!m->ports[i].exists || !m->ports[i].has_policy)
			continue;
		if ((v->mode == VSWITCH_VLAN_ISOLATED || v->mode == VSWITCH_VLAN_COMMUNITY) && v->secondary == vlan)
			return v->primary;
		if (v->mode == VSWITCH_VLAN_PROMISCUOUS && vlan && vswitch_vlan_set_has(&v->secondaries, vlan))
			return v->primary;
	}
	return vlan;
}

/* The table. */

static struct model_entry *find(struct model *m, unsigned vlan, const uint8_t mac[6])
{
	for (int i = 0; i < MODEL_ENTRIES; i++)
		if (m->table[i].used && m->table[i].vlan == vlan && !memcmp(m->table[i].mac, mac, 6))
			return &m->table[i];
	return NULL;
}

static void forget_port(struct model *m, int port)
{
	for (int i = 0; i < MODEL_ENTRIES; i++)
		if (m->table[i].at.port == port)
			m->table[i].used = false;
}

/* Whose NIC's address it is; -1: nobody's. */
static int home_of(const struct model *m, const uint8_t mac[6])
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->ports[i].exists && m->ports[i].plugged && !is_external(&m->ports[i]) &&
		    !memcmp(m->ports[i].mac, mac, 6))
			return i;
	return -1;
}

/* Five times in a second, then not for ten. */
static bool move(struct model *m, struct model_place *place, int to)
{
	if (m->now_ns < place->held_until_ns)
		return false;
	if (m->now_ns - place->moves_since_ns >= NS_PER_S) {
		place->moves_since_ns = m->now_ns;
		place->moves = 0;
	}
	if (place->moves == 5) {
		place->held_until_ns = m->now_ns + 10 * NS_PER_S;
		return false;
	}
	place->moves++;
	place->port = to;
	return true;
}

static bool may_share(const struct model_port *a, const struct model_port *b)
{
	if (is_external(a) || is_external(b))
		return false;
	if (a->spoofing && b->spoofing)
		return true;
	return a->has_policy && b->has_policy && a->policy.allow_teaming && b->policy.allow_teaming && a->vm && a->vm == b->vm;
}

/* Whoever has another's address without right, any more, has it no longer. */
static void settle(struct model *m)
{
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *home = &m->ports[i];

		if (!home->exists || !home->plugged || home->self.port == i || home->self.port < 0)
			continue;
		if (!is_live(&m->ports[home->self.port]) || !may_share(&m->ports[home->self.port], home))
			home->self.port = i;
	}
}

static void after_change(struct model *m)
{
	for (int i = 0; i < MODEL_PORTS; i++) {
		if (!m->ports[i].exists)
			continue;
		if (!learns(&m->ports[i]))
			forget_port(m, i);
		if (!is_live(&m->ports[i]))
			m->ports[i].blocked = m->ports[i].bandwidth.told = false;
	}
	settle(m);
}

/* Changes. */

void model_replug(struct model *m, int port)
{
	struct model_port *p = &m->ports[port];

	p->plugged = true;
	p->self = (struct model_place){ .port = port };
	for (int i = 0; i < MODEL_ENTRIES; i++)
		if (m->table[i].used && !is_external(p) && !memcmp(m->table[i].mac, p->mac, 6))
			m->table[i].used = false;
	after_change(m);
}

void model_plug(struct model *m, int port, enum vswitch_nic_kind kind, const uint8_t mac[6], unsigned vm, uint32_t max_bytes)
{
	m->ports[port] = (struct model_port){ .exists = true, .up = true, .kind = kind, .vm = vm, .max_bytes = max_bytes };
	m->ports[port].acl.stats.flow_limit = VSWITCH_ACL_FLOWS_DEFAULT;
	memcpy(m->ports[port].mac, mac, 6);
	model_replug(m, port);
}

void model_unplug(struct model *m, int port)
{
	m->ports[port].plugged = false;
	m->ports[port].self.port = -1;
	after_change(m);
}

void model_link(struct model *m, int port, bool up)
{
	m->ports[port].up = up;
	after_change(m);
}

static bool same_vlan(const struct vswitch_vlan_policy *a, const struct vswitch_vlan_policy *b)
{
	return a->mode == b->mode && a->access == b->access && a->native == b->native && a->primary == b->primary &&
	       a->secondary == b->secondary && !memcmp(&a->allowed, &b->allowed, sizeof(a->allowed)) &&
	       !memcmp(&a->pruned, &b->pruned, sizeof(a->pruned)) &&
	       !memcmp(&a->secondaries, &b->secondaries, sizeof(a->secondaries));
}

void model_policy(struct model *m, int port, const struct vswitch_port_policy *policy)
{
	struct model_port *p = &m->ports[port], old = *p;
	unsigned before[MAX_VLAN + 1];

	for (unsigned v = 0; v <= MAX_VLAN; v++)
		before[v] = model_primary(m, v);
	p->has_policy = policy;
	p->policy = policy ? *policy : (struct vswitch_port_policy){ .num_addresses = 0 };
	p->spoofing = policy && policy->allow_mac_spoofing;
	p->blocked = false;
	p->storm = 0;
	p->storm_since_ns = 0;
	p->num_addresses = 0;
	if (old.has_policy != p->has_policy || !same_vlan(&old.policy.vlan, &p->policy.vlan))
		forget_port(m, port);
	for (unsigned v = 0; v <= MAX_VLAN; v++)
		for (int i = 0; model_primary(m, v) != before[v] && i < MODEL_ENTRIES; i++)
			if (m->table[i].vlan == before[v])
				m->table[i].used = false;
	after_change(m);
}

void model_time(struct model *m, uint64_t now_ns)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		model_bandwidth_time(&m->ports[i].bandwidth, now_ns - m->now_ns);
	m->now_ns = now_ns;
	for (int i = 0; i < MODEL_ENTRIES; i++)
		if (now_ns / NS_PER_S - m->table[i].seen_s >= m->ageing_s)
			m->table[i].used = false;
}

/* A frame on its way: what is behind its addresses and its tag, and the tag apart. */
struct way {
	const struct model_frame *f;
	const uint8_t *body;		/* from the type on */
	uint32_t body_len;
	int tag;			/* as a trunk would show it; -1: none */
	unsigned vlan;
	enum vswitch_drop fate;		/* VSWITCH_DROPS: still under way */
	bool accepted;			/* by all policies but the bandwidth's */
	int to[MODEL_PORTS];		/* 1: gets it; 2: a mirror's copy */
	int only;			/* LLDP: the port that listens; -1 */
};

static unsigned type_of(const struct way *w)
{
	return (unsigned)w->body[0] << 8 | w->body[1];
}

static bool service_tagged(const struct way *w)
{
	return type_of(w) == 0x88a8 || type_of(w) == 0x9100 || type_of(w) == 0x9200;
}

static bool has(const struct vswitch_vlan_set *set, unsigned vlan)
{
	return vlan && vswitch_vlan_set_has(set, vlan);
}

static bool passes_trunk(const struct vswitch_vlan_policy *v, unsigned vlan)
{
	return has(&v->allowed, vlan) && !has(&v->pruned, vlan);
}

static bool is_trunk(const struct model_port *p)
{
	return p->policy.vlan.mode == VSWITCH_VLAN_TRUNK || (p->policy.vlan.mode == VSWITCH_VLAN_UNTAGGED && is_external(p));
}

/* "From the VM": the VLAN of a frame with this id in its tag, 0 if there is none; -1: dropped. */
static int from_vm(const struct model_port *p, unsigned id)
{
	const struct vswitch_vlan_policy *v = &p->policy.vlan;
	unsigned own = 0;

	switch (v->mode) {
	case VSWITCH_VLAN_UNTAGGED:
		if (is_external(p))
			return (int)id;
		return id ? -1 : 0;
	case VSWITCH_VLAN_TRUNK:
		if (!id)
			return v->native;
		return passes_trunk(v, id) ? (int)id : -1;
	case VSWITCH_VLAN_ACCESS:
		own = v->access;
		break;
	case VSWITCH_VLAN_ISOLATED:
	case VSWITCH_VLAN_COMMUNITY:
		own = v->secondary;
		break;
	case VSWITCH_VLAN_PROMISCUOUS:
		own = v->primary;
		break;
	}
	return !id || id == own ? (int)own : -1;
}

/* "To the VM": whether frames of the VLAN go there. */
static bool to_vm(const struct model_port *p, unsigned vlan)
{
	const struct vswitch_vlan_policy *v = &p->policy.vlan;

	switch (v->mode) {
	case VSWITCH_VLAN_UNTAGGED:
		return is_external(p) || !vlan;
	case VSWITCH_VLAN_ACCESS:
		return vlan == v->access;
	case VSWITCH_VLAN_TRUNK:
		return vlan == v->native || passes_trunk(v, vlan);
	case VSWITCH_VLAN_ISOLATED:
		return vlan == v->primary;
	case VSWITCH_VLAN_COMMUNITY:
		return vlan == v->primary || vlan == v->secondary;
	case VSWITCH_VLAN_PROMISCUOUS:
		return vlan == v->primary || has(&v->secondaries, vlan);
	}
	return false;
}

static bool shows_tag(const struct model_port *p, unsigned vlan)
{
	return is_trunk(p) && vlan != p->policy.vlan.native;
}

/* A frame may be bare of its tag if no other comes to light that somebody takes for one. */
static bool may_be_bare(const struct model_port *p, const struct way *w)
{
	return type_of(w) != 0x8100 && (is_trunk(p) || !service_tagged(w));
}

static bool reaches(const struct model_port *from, const struct model_port *to, const struct way *w)
{
	if (!to->has_policy)
		return true;
	if (to->blocked || (from->has_policy && from->policy.isolated && to->policy.isolated))
		return false;
	return to_vm(to, w->vlan) && (shows_tag(to, w->vlan) || may_be_bare(to, w));
}

/* Admission. */

static enum vswitch_drop check_source(struct model *m, int port, const uint8_t mac[6])
{
	static const uint8_t zero[6];
	struct model_port *p = &m->ports[port];
	int home = home_of(m, mac);

	if (mac[0] & 1 || !memcmp(mac, zero, 6))
		return VSWITCH_DROP_GROUP_SOURCE;
	if (home >= 0 && m->ports[home].self.port == port)
		return VSWITCH_DROPS;
	if (home >= 0 && (home == port || may_share(p, &m->ports[home]))) {
		move(m, &m->ports[home].self, port);
		return VSWITCH_DROPS;
	}
	if (!learns(p))
		return VSWITCH_DROP_SPOOFED_SOURCE;
	if (home < 0)
		return VSWITCH_DROPS;
	return is_external(p) ? VSWITCH_DROP_OWN_SOURCE : VSWITCH_DROP_SPOOFED_SOURCE;
}

static enum vswitch_drop classify(const struct model_port *p, struct way *w)
{
	unsigned id = w->tag < 0 ? 0 : (unsigned)w->tag & 0xfff;
	unsigned priority = w->tag < 0 ? 0 : (unsigned)w->tag & 0xf000;
	int vlan;

	w->vlan = id;
	if (!p->has_policy)
		return VSWITCH_DROPS;
	if (p->blocked)
		return VSWITCH_DROP_BPDU_GUARD;
	vlan = from_vm(p, id);
	if (vlan < 0 || (!shows_tag(p, (unsigned)vlan) && !may_be_bare(p, w)))
		return VSWITCH_DROP_VLAN_IN;
	w->vlan = (unsigned)vlan;
	if (!p->policy.allow_priority_tag && !is_external(p))
		priority = 0;
	w->tag = (int)(priority | w->vlan);
	if (!w->tag)
		w->tag = -1;
	return VSWITCH_DROPS;
}

static bool is_link_local(const uint8_t *mac)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0, 0 };

	return !memcmp(mac, prefix, 5) && mac[5] < 16;
}

static int lldp_listener(const struct model *m)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->ports[i].exists && m->ports[i].has_policy && m->ports[i].policy.lldp)
			return i;
	return -1;
}

static void bpdu_seen(struct model_port *p, int port, struct model *m)
{
	if (p->policy.bpdu_guard != VSWITCH_BPDU_BLOCK || p->blocked)
		return;
	p->blocked = true;
	forget_port(m, port);
}

static enum vswitch_drop link_local(struct model *m, int port, struct way *w)
{
	struct model_port *p = &m->ports[port];
	int listener = lldp_listener(m);

	if (p->has_policy && p->policy.bpdu_guard && guard_model_bpdu(w->f->bytes, w->body, w->body_len)) {
		bpdu_seen(p, port, m);
		return VSWITCH_DROP_BPDU_GUARD;
	}
	if (listener < 0 || !is_live(&m->ports[listener]) || !is_external(p) || type_of(w) != 0x88cc)
		return VSWITCH_DROP_LINK_LOCAL;
	w->only = listener;
	return VSWITCH_DROPS;
}

static enum vswitch_drop admit(struct model *m, int port, struct way *w)
{
	enum vswitch_drop source, vlan;

	if (w->f->len < 14 || (w->tag < 0 && type_of(w) == 0x8100) || (w->tag >= 0 && (w->tag & 0xfff) == 0xfff))
		return VSWITCH_DROP_BAD_FRAME;
	vlan = classify(&m->ports[port], w);
	source = check_source(m, port, w->f->bytes + 6);
	if (source != VSWITCH_DROPS)
		return source;
	if (vlan != VSWITCH_DROPS)
		return vlan;
	return is_link_local(w->f->bytes) ? link_local(m, port, w) : VSWITCH_DROPS;
}

/* Storms. */

static int where(struct model *m, const struct way *w)
{
	int home = home_of(m, w->f->bytes);
	struct model_entry *e;

	if (home >= 0)
		return m->ports[home].self.port;
	e = find(m, model_primary(m, w->vlan), w->f->bytes);
	return e ? e->at.port : -1;
}

static enum vswitch_drop storm(struct model *m, int port, const struct way *w)
{
	static struct model_frame segments[64];
	struct model_port *p = &m->ports[port];
	unsigned n;

	if (!p->policy.storm_limit || (!(w->f->bytes[0] & 1) && where(m, w) >= 0))
		return VSWITCH_DROPS;
	n = w->f->gso_size ? model_segments(w->f, segments, 64) : 1;
	if (!p->storm_since_ns || m->now_ns - p->storm_since_ns >= NS_PER_S) {
		p->storm_since_ns = m->now_ns;
		p->storm = 0;
	}
	if (p->storm + n > p->policy.storm_limit)
		return VSWITCH_DROP_STORM;
	p->storm += n;
	return VSWITCH_DROPS;
}

/* Guards. */

static enum vswitch_drop guards(struct model *m, int port, const struct way *w)
{
	struct model_port *p = &m->ports[port];

	if (p->policy.bpdu_guard && (p->blocked || guard_model_bpdu(w->f->bytes, w->body, w->body_len))) {
		bpdu_seen(p, port, m);
		return VSWITCH_DROP_BPDU_GUARD;
	}
	if (p->policy.router_guard && guard_model_router(w->body, w->body_len))
		return VSWITCH_DROP_ROUTER_GUARD;
	if (p->policy.dhcp_guard && guard_model_dhcp(w->body, w->body_len))
		return VSWITCH_DROP_DHCP_GUARD;
	return VSWITCH_DROPS;
}

/* One more address, or one that is known; false: beyond the limit. */
static bool may_have(struct model *m, struct model_port *p, const struct model_address *a)
{
	uint32_t now_s = (uint32_t)(m->now_ns / NS_PER_S);
	struct model_address *oldest = NULL;
	unsigned bytes = a->version == 4 ? 4 : 16;

	for (unsigned i = 0; i < p->num_addresses; i++) {
		if (p->addresses[i].version == a->version && !memcmp(p->addresses[i].bytes, a->bytes, bytes)) {
			p->addresses[i].seen_s = now_s;
			return true;
		}
		if (!oldest || p->addresses[i].seen_s < oldest->seen_s)
			oldest = &p->addresses[i];
	}
	if (p->num_addresses < p->policy.dynamic_ip_limit)
		oldest = &p->addresses[p->num_addresses++];
	else if (!oldest || now_s - oldest->seen_s < m->ageing_s)
		return false;
	*oldest = *a;
	oldest->seen_s = now_s;
	return true;
}

static enum vswitch_drop addresses(struct model *m, int port, const struct way *w)
{
	struct model_port *p = &m->ports[port];
	struct model_address claims[2];
	int n;

	if (p->policy.prevent_ip_spoofing && guard_model_spoofs(&p->policy, w->f->bytes + 6, w->body, w->body_len))
		return VSWITCH_DROP_IP_SPOOFED;
	if (!p->policy.dynamic_ip_limit)
		return VSWITCH_DROPS;
	n = guard_model_claims(w->body, w->body_len, claims);
	for (int i = 0; i < n; i++)
		if (!may_have(m, p, &claims[i]))
			return VSWITCH_DROP_IP_LIMIT;
	return n < 0 ? VSWITCH_DROP_IP_LIMIT : VSWITCH_DROPS;
}

/* Limits. */

static enum vswitch_drop acl(struct model *m, int port, const struct way *w)
{
	return model_acl_ask(m, &m->ports[port].acl, VSWITCH_ACL_OUT, w->f->bytes, w->body, w->body_len, w->vlan);
}

static enum vswitch_drop bandwidth(struct model *m, int port, const struct way *w)
{
	struct model_bandwidth *b = &m->ports[port].bandwidth;

	if (!b->mean.ns_per_byte || model_bandwidth_takes(b, 12 + w->body_len))
		return VSWITCH_DROPS;
	return VSWITCH_DROP_RATE_LIMIT;
}

/* Extensions. */

bool model_filter_drops_in(const uint8_t *addresses, unsigned port)
{
	return (addresses[5] + addresses[11] + port) % 9 == 4;
}

bool model_filter_drops_out(const uint8_t *addresses, unsigned port)
{
	return (addresses[11] + 3 * port) % 11 == 5;
}

bool model_forwarder_drops_in(const uint8_t *addresses, unsigned port)
{
	return (2u * addresses[5] + addresses[11] + port) % 17 == 3;
}

bool model_forwarder_drops_out(const uint8_t *addresses, unsigned port)
{
	return (addresses[5] + port) % 13 == 6;
}

int model_forwarder_directs(const uint8_t *addresses, unsigned i)
{
	if (addresses[11] % 3 != 1 || i > addresses[5] % 3u)
		return -1;
	return (int)((addresses[5] + i * (1u + addresses[11])) % MODEL_PORTS);
}

static enum vswitch_drop filter(struct model *m, int port, const struct way *w)
{
	return m->filter && model_filter_drops_in(w->f->bytes, (unsigned)port) ? VSWITCH_DROP_EXTENSION : VSWITCH_DROPS;
}

static enum vswitch_drop forwarder(struct model *m, int port, const struct way *w)
{
	return m->forwarder && model_forwarder_drops_in(w->f->bytes, (unsigned)port) ? VSWITCH_DROP_EXTENSION : VSWITCH_DROPS;
}

/* Whether the forwarder has said where to: to ports with a NIC, but the one it came from. */
static bool directed(const struct model *m, int port, struct way *w)
{
	bool any = false;
	int to;

	for (unsigned i = 0; m->forwarder && (to = model_forwarder_directs(w->f->bytes, i)) >= 0; i++) {
		if (to == port || !m->ports[to].exists || !m->ports[to].plugged)
			continue;
		w->to[to] = 1;
		any = true;
	}
	return any;
}

/* Learning and decision. */

static void learn(struct model *m, int port, const struct way *w)
{
	const uint8_t *mac = w->f->bytes + 6;
	unsigned vlan = model_primary(m, w->vlan);
	uint32_t now_s = (uint32_t)(m->now_ns / NS_PER_S);
	struct model_entry *e = find(m, vlan, mac);

	if (!learns(&m->ports[port]) || home_of(m, mac) >= 0)
		return;
	if (e) {
		if (e->at.port == port || move(m, &e->at, port))
			e->seen_s = now_s;
		return;
	}
	for (int i = 0; i < MODEL_ENTRIES; i++) {
		if (m->table[i].used)
			continue;
		m->table[i] = (struct model_entry){ true, { 0 }, vlan, now_s, { .port = port } };
		memcpy(m->table[i].mac, mac, 6);
		return;
	}
	abort();			/* the test has fewer addresses */
}

/* Marks receivers. Drops at receivers are counted here. */
static enum vswitch_drop decide(struct model *m, int port, struct way *w)
{
	bool group = w->f->bytes[0] & 1;
	int at = w->only >= 0 ? w->only : group ? -1 : where(m, w);
	bool any = false;

	if (directed(m, port, w))
		return VSWITCH_DROPS;
	if (at == port)
		return VSWITCH_DROP_SAME_PORT;
	if (at >= 0) {
		w->to[at] = 1;
		return VSWITCH_DROPS;
	}
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *to = &m->ports[i];

		if (i == port || !is_live(to) || (!group && !m->hub && !learns(to)) || !reaches(&m->ports[port], to, w))
			continue;
		w->to[i] = 1;
		any = true;
	}
	return any ? VSWITCH_DROPS : VSWITCH_DROP_NO_DESTINATION;
}

/* Whether a receiver of known address gets it after all. */
static bool leaves(struct model *m, int port, int at, const struct way *w)
{
	struct model_port *to = &m->ports[at];
	const struct model_port *from = &m->ports[port];
	enum vswitch_drop reason = VSWITCH_DROPS;

	if (!is_live(to))
		reason = VSWITCH_DROP_PORT_DOWN;
	else if (m->forwarder && model_forwarder_drops_out(w->f->bytes, (unsigned)at))
		reason = VSWITCH_DROP_EXTENSION;
	else if (to->has_policy && to->blocked)
		reason = VSWITCH_DROP_BPDU_GUARD;
	else if (to->has_policy && w->only != at && !(to_vm(to, w->vlan) && (shows_tag(to, w->vlan) || may_be_bare(to, w))))
		reason = VSWITCH_DROP_VLAN_OUT;
	else if (to->has_policy && from->has_policy && from->policy.isolated && to->policy.isolated)
		reason = VSWITCH_DROP_ISOLATION;
	else
		reason = model_acl_ask(m, &to->acl, VSWITCH_ACL_IN, w->f->bytes, w->body, w->body_len, w->vlan);
	if (reason == VSWITCH_DROPS && m->filter && model_filter_drops_out(w->f->bytes, (unsigned)at))
		reason = VSWITCH_DROP_EXTENSION;
	if (reason == VSWITCH_DROPS)
		return true;
	to->out_dropped[reason]++;
	return false;
}

/* Mirrors. */

static bool mirrors(const struct model_port *p, enum vswitch_monitor_direction direction)
{
	return p->has_policy && p->policy.monitor_mode == VSWITCH_MONITOR_SOURCE &&
	       (p->policy.monitor_direction == VSWITCH_MONITOR_BOTH || p->policy.monitor_direction == direction);
}

/* The filters that the tests set are these few. */
static bool shows(const struct model_port *p, const struct way *w)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const char *filter = p->policy.monitor_filter;

	if (!strcmp(filter, "ether broadcast"))
		return !memcmp(w->f->bytes, broadcast, 6);
	if (!strcmp(filter, "vlan 100"))
		return w->vlan == 100;
	return strcmp(filter, "not vlan 100") != 0 || w->vlan != 100;
}

/* sent: the frame got past the policies of its port. */
static bool wants_copy(const struct model *m, int port, int mirror, const struct way *w, bool sent)
{
	const struct model_port *d = &m->ports[mirror];

	if (mirror == port || !is_live(d) || !d->has_policy || d->blocked ||
	    d->policy.monitor_mode != VSWITCH_MONITOR_DESTINATION || w->to[mirror] || !shows(d, w))
		return false;
	if (sent && mirrors(&m->ports[port], VSWITCH_MONITOR_FROM_NIC) && shows(&m->ports[port], w) &&
	    m->ports[port].policy.monitor_session == d->policy.monitor_session)
		return true;
	for (int i = 0; i < MODEL_PORTS; i++)
		if (w->to[i] == 1 && mirrors(&m->ports[i], VSWITCH_MONITOR_TO_NIC) && shows(&m->ports[i], w) &&
		    m->ports[i].policy.monitor_session == d->policy.monitor_session)
			return true;
	return false;
}

/* Delivery. */

/* The frame as the port sees it; tag -1: without. */
static void give(struct model_port *p, const struct way *w, int tag)
{
	struct model_frame *g = &p->got[p->num_got];
	uint32_t longest = 12 + w->body_len, headers;

	if (w->f->gso_size) {
		headers = model_headers(w->body) + 12;
		if (longest > headers + w->f->gso_size)
			longest = headers + w->f->gso_size;
	}
	if (longest > p->max_bytes) {
		p->out_dropped[VSWITCH_DROP_TOO_BIG]++;
		return;
	}
	p->num_got++;
	g->gso_size = w->f->gso_size;
	memcpy(g->bytes, w->f->bytes, 12);
	g->len = 12;
	if (tag >= 0) {
		g->bytes[12] = 0x81;
		g->bytes[13] = 0x00;
		g->bytes[14] = (uint8_t)(tag >> 8);
		g->bytes[15] = (uint8_t)tag;
		g->len = 16;
	}
	memcpy(g->bytes + g->len, w->body, w->body_len);
	g->len += w->body_len;
}

static int tag_for(const struct model_port *p, const struct way *w)
{
	unsigned priority = w->tag < 0 ? 0 : (unsigned)w->tag & 0xf000, tag = 0;

	if (!p->has_policy)
		return w->tag;
	if (p->policy.allow_priority_tag || is_external(p))
		tag = priority;
	if (shows_tag(p, w->vlan))
		tag |= w->vlan;
	return tag ? (int)tag : -1;
}

static void open_frame(struct way *w, const struct model_frame *f)
{
	*w = (struct way){ .f = f, .body = f->bytes + 12, .body_len = f->len - 12, .tag = -1, .fate = VSWITCH_DROPS, .only = -1 };
	if (f->len >= 18 && f->bytes[12] == 0x81 && f->bytes[13] == 0x00) {
		w->tag = f->bytes[14] << 8 | f->bytes[15];
		w->body += 4;
		w->body_len -= 4;
	}
}

static void conclude(struct model *m, int port, struct way *w)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (w->to[i])
			w->to[i] = leaves(m, port, i, w);
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->ports[i].exists && wants_copy(m, port, i, w, w->accepted))
			w->to[i] = 2;
	for (int i = 0; i < MODEL_PORTS; i++)
		if (w->to[i])
			give(&m->ports[i], w, w->to[i] == 2 ? w->tag : tag_for(&m->ports[i], w));
}

typedef enum vswitch_drop policy_step(struct model *m, int port, const struct way *w);

static void all_through(struct model *m, int port, struct way *ways, unsigned n, bool applies,
			policy_step *step)
{
	for (unsigned i = 0; applies && i < n; i++)
		if (ways[i].fate == VSWITCH_DROPS)
			ways[i].fate = step(m, port, &ways[i]);
}

/* In the order of policy.h. */
static void ingress(struct model *m, int port, struct way *ways, unsigned n)
{
	bool has_policy = m->ports[port].has_policy;

	all_through(m, port, ways, n, true, filter);
	all_through(m, port, ways, n, has_policy, storm);
	all_through(m, port, ways, n, has_policy, guards);
	all_through(m, port, ways, n, true, acl);
	all_through(m, port, ways, n, has_policy, addresses);
	for (unsigned i = 0; i < n; i++)
		ways[i].accepted = ways[i].fate == VSWITCH_DROPS;
	all_through(m, port, ways, n, true, bandwidth);
	all_through(m, port, ways, n, true, forwarder);
}

void model_input(struct model *m, int port, const struct model_frame *frames, unsigned n)
{
	struct model_port *p = &m->ports[port];
	struct way ways[MODEL_BATCH];

	for (int i = 0; i < MODEL_PORTS; i++)
		m->ports[i].num_got = 0;
	for (unsigned i = 0; i < n; i++) {
		open_frame(&ways[i], &frames[i]);
		ways[i].fate = is_live(p) ? admit(m, port, &ways[i]) : VSWITCH_DROP_PORT_DOWN;
	}
	ingress(m, port, ways, n);
	for (unsigned i = 0; i < n; i++)
		if (ways[i].fate == VSWITCH_DROPS)
			learn(m, port, &ways[i]);
	for (unsigned i = 0; i < n; i++) {
		if (ways[i].fate == VSWITCH_DROPS)
			ways[i].fate = decide(m, port, &ways[i]);
		if (ways[i].fate != VSWITCH_DROPS)
			p->in_dropped[ways[i].fate]++;
		conclude(m, port, &ways[i]);
	}
	if (is_live(p))
		model_bandwidth_tell(&p->bandwidth);
}
