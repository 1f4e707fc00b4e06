/* SPDX-License-Identifier: MIT */
/*
 * Which entry decides, at a cost that does not depend on how many there are.
 *
 * One hash table per switch holds everything. Its size is fixed, for VSWITCH_ACL_MAX entries, so that no insertion has to
 * rebuild it: adding and removing an entry touches a few buckets, whatever else is in it.
 *
 * Simple entries are prefixes. For each list (direction, side, kind) a bit set says which lengths occur; a lookup
 * masks the address with each of them, the longest first, until it finds one. So it takes at most as many probes as there
 * are lengths in use, which is a handful.
 *
 * Extended entries match on two prefixes, a protocol and two ranges of ports. Tuple space search would probe
 * one table per combination of lengths; with the five fields independent there may be thousands of combinations. So first each
 * address is looked up alone, in all lengths in use: what matches is a few prefixes, nested in each other. Only the
 * pairs of those are probed. Mostly a pair has few entries: up to PAIR_RULES are in a list of its own, and compared. Of a pair with
 * more, the others are found by protocol (and "any"), and by prefixes of ports: a range is the row of prefixes that it consists of
 * (30 at most), so a probe per length in use finds all ranges that a port is in. Of an entry with two ranges the one that
 * takes fewer prefixes is looked up, the other one compared.
 *
 * What is found is lists in order of weight. Prefixes and pairs know a weight that nothing below exceeds, so most are
 * not looked into once something was found. (That bound is not lowered by removals while others remain.)
 *
 * The cost grows with nesting (of prefixes) and with entries that differ in nothing but weight, VLAN or a second range, because
 * these share a list. No entry set of an administrator's need has many of either.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vswitch/acl_internal.h"

enum {
	BUCKETS = 65536,		/* one per entry, if there are VSWITCH_ACL_MAX of them */

	PAIR_RULES = 8,			/* our policy: comparing so many is faster than probing for them */

	KIND_PREFIX = 1,
	KIND_PAIR,
	KIND_PROTOCOL,
	KIND_PORTS,
	KIND_ID,
};

int acl_table_create(struct acl_table **out)
{
	struct acl_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	STAILQ_INIT(&t->dying);
	t->buckets = calloc(BUCKETS, sizeof(struct acl_node *));
	t->pins = flow_pins_create();
	if (!t->buckets || !t->pins || getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		acl_table_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void acl_table_destroy(struct acl_table *t)
{
	if (!t)
		return;
	acl_reap(t, UINT_MAX);
	flow_pins_destroy(t->pins);
	free(t->buckets);
	free(t);
}

/* Nodes. */

static struct acl_node **bucket(const struct acl_table *t, const struct acl_key *k)
{
	uint64_t h = t->seed;

	for (unsigned i = 0; i < 4; i++) {
		h = (h ^ k->words[i]) * 0x9e3779b97f4a7c15ull;	/* 2^64 / golden ratio, odd */
		h ^= h >> 32;
	}
	return &t->buckets[h % BUCKETS];
}

static struct acl_node *find(const struct acl_table *t, const struct acl_key *k)
{
	struct acl_node *n = *bucket(t, k);

	while (n && memcmp(&n->key, k, sizeof(*k)))
		n = n->next;
	return n;
}

/* A reference to the node of that key, which is made if there is none. */
static struct acl_node *take(struct acl_table *t, const struct acl_key *k)
{
	struct acl_node **b, *n = find(t, k);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return NULL;
		n->key = *k;
		b = bucket(t, k);
		n->next = *b;
		*b = n;
	}
	n->refs++;
	return n;
}

static void give(struct acl_table *t, struct acl_node *n)
{
	struct acl_node **at;

	if (!n || --n->refs)
		return;
	for (at = bucket(t, &n->key); *at != n; at = &(*at)->next)
		;
	*at = n->next;
	free(n);
}

/* Keys. */

static struct acl_key prefix_key(const struct port_acl *acl, unsigned d, unsigned side, enum acl_list list, unsigned bits,
				 const uint8_t *address)
{
	struct acl_key k = { { acl->serial | (uint64_t)list << 32 | (uint64_t)d << 40 | (uint64_t)side << 41 |
			       (uint64_t)bits << 48 | (uint64_t)KIND_PREFIX << 56 } };
	unsigned whole = bits / 8;
	uint8_t *p = (uint8_t *)&k.words[1];

	memcpy(p, address, whole);
	if (bits % 8)
		p[whole] = (uint8_t)(address[whole] & 0xff00 >> bits % 8);
	return k;
}

static struct acl_key pair_key(const struct acl_node *local, const struct acl_node *remote)
{
	return (struct acl_key){ { (uint64_t)KIND_PAIR << 56, (uintptr_t)local, (uintptr_t)remote } };
}

static struct acl_key protocol_key(const struct acl_node *pair, unsigned protocol)
{
	return (struct acl_key){ { (uint64_t)KIND_PROTOCOL << 56 | protocol, (uintptr_t)pair } };
}

static struct acl_key ports_key(const struct acl_node *protocol, unsigned side, unsigned bits, unsigned port)
{
	return (struct acl_key){ { (uint64_t)KIND_PORTS << 56 | side << 16 | bits, (uintptr_t)protocol,
				   port >> (ACL_PORT_BITS - bits) } };
}

static struct acl_key id_key(uint32_t id)
{
	return (struct acl_key){ { (uint64_t)KIND_ID << 56 | id } };
}

struct acl_entry *acl_find_id(const struct acl_table *t, uint32_t id)
{
	struct acl_key k = id_key(id);
	struct acl_node *n = find(t, &k);

	return n ? n->entry : NULL;
}

/* Prefixes. */

static struct acl_node *take_prefix(struct acl_table *t, struct port_acl *acl, unsigned d, unsigned side,
				    enum acl_list list, const struct vswitch_acl_address *a)
{
	struct acl_key k = prefix_key(acl, d, side, list, a->prefix_bits, a->bytes);
	struct acl_lengths *l = &acl->lengths[d][side][list];
	struct acl_node *n = take(t, &k);

	if (n && !l->count[a->prefix_bits]++)
		l->present[a->prefix_bits / 64] |= 1ull << a->prefix_bits % 64;
	return n;
}

static void give_prefix(struct acl_table *t, struct port_acl *acl, struct acl_node *n)
{
	uint64_t w = n->key.words[0];
	unsigned bits = w >> 48 & 255;
	struct acl_lengths *l = &acl->lengths[w >> 40 & 1][w >> 41 & 1][w >> 32 & 255];

	if (!--l->count[bits])
		l->present[bits / 64] &= ~(1ull << bits % 64);
	give(t, n);
}

static enum acl_list list_of(enum vswitch_acl_family family, enum vswitch_acl_action action)
{
	if (family == VSWITCH_ACL_MAC)
		return ACL_LIST_MAC;
	if (action == VSWITCH_ACL_METER)
		return family == VSWITCH_ACL_IPV4 ? ACL_LIST_METER4 : ACL_LIST_METER6;
	return family == VSWITCH_ACL_IPV4 ? ACL_LIST_DECIDE4 : ACL_LIST_DECIDE6;
}

static int insert_prefix(struct acl_table *t, struct acl_entry *e, unsigned i, enum acl_list list, struct acl_entry **other)
{
	const struct vswitch_acl_simple *s = &e->pub.simple;
	struct acl_node *n;

	n = take_prefix(t, e->acl, acl_direction(s->direction), s->side - 1u, list, &s->address);
	if (!n)
		return -ENOMEM;
	e->prefixes[i] = n;
	if (n->entry) {
		*other = n->entry;
		return -EEXIST;
	}
	n->entry = e;
	return 0;
}

static int insert_simple(struct acl_table *t, struct acl_entry *e, struct acl_entry **other)
{
	const struct vswitch_acl_simple *s = &e->pub.simple;
	int ret;

	if (s->address.family != VSWITCH_ACL_ANY)
		return insert_prefix(t, e, 0, list_of(s->address.family, s->action), other);
	ret = insert_prefix(t, e, 0, list_of(VSWITCH_ACL_IPV4, s->action), other);
	return ret ? ret : insert_prefix(t, e, 1, list_of(VSWITCH_ACL_IPV6, s->action), other);
}

/* Extended entries. */

/* Whether a comes before b in a list. */
static bool precedes(const struct acl_entry *a, const struct acl_entry *b)
{
	if (a->pub.extended.weight != b->pub.extended.weight)
		return a->pub.extended.weight > b->pub.extended.weight;
	return a->pub.id < b->pub.id;
}

static void raise(struct acl_node *n, uint32_t weight)
{
	if (n->top_weight < weight)
		n->top_weight = weight;
}

/* node, which holds a reference for this, lists the entry. */
static void list_entry(struct acl_entry *e, struct acl_node *node)
{
	struct acl_ref *r = &e->refs[e->num_refs++], **at = &node->rules;

	while (*at && precedes((*at)->entry, e))
		at = &(*at)->next;
	*r = (struct acl_ref){ *at, e, node };
	*at = r;
	raise(node, e->pub.extended.weight);
}

static void unlist(struct acl_table *t, struct acl_ref *r)
{
	struct acl_ref **at = &r->node->rules;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	give(t, r->node);
}

static bool any_port(const struct vswitch_acl_ports *p)
{
	return !p->first && p->last == UINT16_MAX;
}

struct port_prefix { uint16_t port; uint8_t bits; };

/* The prefixes that a range consists of; how many, at least one. */
static unsigned split_range(const struct vswitch_acl_ports *p, struct port_prefix out[ACL_PORT_PREFIXES_MAX])
{
	uint32_t at = p->first, size;
	unsigned n = 0, bits;

	do {
		for (bits = ACL_PORT_BITS, size = 1; bits; bits--, size *= 2)
			if (at & size || at + size * 2 - 1 > p->last)
				break;
		out[n++] = (struct port_prefix){ (uint16_t)at, (uint8_t)bits };
		at += size;
	} while (at <= p->last);
	return n;
}

static int make_refs(struct acl_entry *e, unsigned n)
{
	e->refs = n <= 1 ? &e->one_ref : calloc(n, sizeof(*e->refs));
	return e->refs ? 0 : -ENOMEM;
}

static int list_ports(struct acl_table *t, struct acl_entry *e)
{
	const struct vswitch_acl_extended *x = &e->pub.extended;
	struct port_prefix local[ACL_PORT_PREFIXES_MAX], remote[ACL_PORT_PREFIXES_MAX], *p;
	unsigned n[ACL_SIDES] = { split_range(&x->local_ports, local), split_range(&x->remote_ports, remote) };
	unsigned side = any_port(&x->remote_ports) || (!any_port(&x->local_ports) && n[0] < n[1]) ? 0 : 1;
	struct acl_node *node;
	struct acl_key k;

	if (make_refs(e, n[side]))
		return -ENOMEM;
	for (unsigned i = 0; i < n[side]; i++) {
		p = side ? &remote[i] : &local[i];
		k = ports_key(e->protocol, side, p->bits, p->port);
		node = take(t, &k);
		if (!node)
			return -ENOMEM;
		list_entry(e, node);
		e->protocol->port_lengths[side] |= 1u << p->bits;
	}
	return 0;
}

/* In the node's own list, which holds a reference. */
static int list_in(struct acl_entry *e, struct acl_node *n)
{
	if (make_refs(e, 1))
		return -ENOMEM;
	n->refs++;
	list_entry(e, n);
	return 0;
}

static bool denies_ports(const struct acl_entry *e)
{
	return e->has_ports && e->pub.extended.action == VSWITCH_ACL_DENY;
}

static int list_below(struct acl_table *t, struct acl_entry *e)
{
	struct acl_key k = protocol_key(e->pair, e->pub.extended.protocol);

	e->protocol = take(t, &k);
	if (!e->protocol)
		return -ENOMEM;
	e->pair->below++;
	raise(e->protocol, e->pub.extended.weight);
	e->protocol->denies_ports += denies_ports(e);
	return e->has_ports ? list_ports(t, e) : list_in(e, e->protocol);
}

static enum acl_list extended_list(const struct vswitch_acl_address *a)
{
	switch (a->family) {
	case VSWITCH_ACL_IPV4:
		return ACL_LIST_EXTENDED4;
	case VSWITCH_ACL_IPV6:
		return ACL_LIST_EXTENDED6;
	case VSWITCH_ACL_ANY:
	case VSWITCH_ACL_MAC:
		break;
	}
	return ACL_LIST_EXTENDED_ANY;
}

static int insert_extended(struct acl_table *t, struct acl_entry *e)
{
	const struct vswitch_acl_extended *x = &e->pub.extended;
	const struct vswitch_acl_address *sides[ACL_SIDES] = { &x->local, &x->remote };
	struct acl_key k;

	for (unsigned i = 0; i < ACL_SIDES; i++) {
		e->prefixes[i] = take_prefix(t, e->acl, acl_direction(x->direction), i, extended_list(sides[i]), sides[i]);
		if (!e->prefixes[i])
			return -ENOMEM;
		raise(e->prefixes[i], x->weight);
	}
	k = pair_key(e->prefixes[0], e->prefixes[1]);
	e->pair = take(t, &k);
	if (!e->pair)
		return -ENOMEM;
	raise(e->pair, x->weight);
	e->has_ports = !any_port(&x->local_ports) || !any_port(&x->remote_ports);
	if (e->pair->num_rules == PAIR_RULES)
		return list_below(t, e);
	e->pair->num_rules++;
	return list_in(e, e->pair);
}

int acl_insert(struct acl_table *t, struct acl_entry *e, struct acl_entry **other)
{
	struct acl_key k = id_key(e->pub.id);
	int ret;

	e->id_node = take(t, &k);
	if (!e->id_node)
		return -ENOMEM;
	e->id_node->entry = e;
	ret = e->pub.is_extended ? insert_extended(t, e) : insert_simple(t, e, other);
	if (ret)
		acl_remove(t, e);
	return ret;
}

void acl_remove(struct acl_table *t, struct acl_entry *e)
{
	for (unsigned i = 0; i < e->num_refs; i++)
		unlist(t, &e->refs[i]);
	if (e->protocol) {
		e->pair->below--;
		e->protocol->denies_ports -= denies_ports(e);
		give(t, e->protocol);
	} else if (e->num_refs) {
		e->pair->num_rules--;
	}
	give(t, e->pair);
	for (unsigned i = 0; i < 2; i++) {
		if (!e->prefixes[i])
			continue;
		if (e->prefixes[i]->entry == e)
			e->prefixes[i]->entry = NULL;
		give_prefix(t, e->acl, e->prefixes[i]);
	}
	give(t, e->id_node);
	if (e->refs != &e->one_ref)
		free(e->refs);
	e->refs = NULL;
	e->num_refs = 0;
	e->id_node = e->pair = e->protocol = e->prefixes[0] = e->prefixes[1] = NULL;
}

/* Dying. */

void acl_reap(struct acl_table *t, unsigned budget)
{
	struct port_acl *acl;
	struct acl_entry *e;

	while (budget-- && (acl = STAILQ_FIRST(&t->dying))) {
		e = TAILQ_FIRST(&acl->entries);
		if (!e) {
			STAILQ_REMOVE_HEAD(&t->dying, link);
			free(acl);
			continue;
		}
		TAILQ_REMOVE(&acl->entries, e, link);
		acl_remove(t, e);
		free(e);
	}
}

/* Lookup. */

/* The longest length in use below below; -1: none. */
static int next_length(const struct acl_lengths *l, int below)
{
	for (int w = (below - 1) >> 6; below > 0 && w >= 0; w--) {
		uint64_t bits = l->present[w];

		if (below - w * 64 < 64)
			bits &= (1ull << (below - w * 64)) - 1;
		if (bits)
			return w * 64 + 63 - __builtin_clzll(bits);
	}
	return -1;
}

static struct acl_entry *longest(const struct acl_table *t, const struct port_acl *acl, unsigned d, unsigned side,
				 enum acl_list list, const uint8_t *address, int *length)
{
	const struct acl_lengths *l = &acl->lengths[d][side][list];
	struct acl_node *n;
	struct acl_key k;

	for (*length = next_length(l, ACL_LENGTHS); *length >= 0; *length = next_length(l, *length)) {
		k = prefix_key(acl, d, side, list, (unsigned)*length, address);
		n = find(t, &k);
		if (n)
			return n->entry;
	}
	return NULL;
}

unsigned acl_match_simple(const struct acl_table *t, const struct port_acl *acl, enum vswitch_acl_direction direction,
			  enum acl_list list, const uint8_t *const addresses[ACL_SIDES], struct acl_entry *found[2])
{
	unsigned d = acl_direction(direction);
	int local, remote;
	struct acl_entry *l = longest(t, acl, d, 0, list, addresses[0], &local);
	struct acl_entry *r = longest(t, acl, d, 1, list, addresses[1], &remote);
	bool local_first = local != remote ? local > remote : l && l->pub.simple.action == VSWITCH_ACL_DENY;

	if (!l && !r)
		return 0;
	found[0] = local_first ? l : r;
	found[1] = local_first ? r : l;
	return local == remote ? 2 : 1;
}

/* Prefixes of extended entries that an address has; at most as many as lengths, and "any". */
struct candidates {
	struct acl_node *nodes[ACL_LENGTHS + 1];
	unsigned n;
};

static void add_candidates(const struct acl_table *t, const struct port_acl *acl, unsigned d, unsigned side,
			   enum acl_list list, const uint8_t *address, struct candidates *c)
{
	const struct acl_lengths *l = &acl->lengths[d][side][list];
	struct acl_node *n;
	struct acl_key k;

	for (int i = next_length(l, ACL_LENGTHS); i >= 0; i = next_length(l, i)) {
		k = prefix_key(acl, d, side, list, (unsigned)i, address);
		n = find(t, &k);
		if (n)
			c->nodes[c->n++] = n;
	}
}

static bool in_range(const struct vswitch_acl_ports *p, uint16_t port)
{
	return p->first <= port && port <= p->last;
}

struct search {
	const struct acl_table *t;
	uint16_t ports[ACL_SIDES];	/* local, remote */
	uint16_t vlan;
	const struct flow *f;
	struct acl_entry *best;
	bool hidden;
};

static bool matches(struct search *s, const struct acl_entry *e)
{
	const struct vswitch_acl_extended *x = &e->pub.extended;

	if (x->protocol != VSWITCH_ACL_PROTOCOL_ANY && x->protocol != s->f->protocol)
		return false;
	if (e->has_ports && !s->f->has_ports) {
		s->hidden |= s->f->fragment == FLOW_LATER && denies_ports(e);
		return false;
	}
	if (x->isolation_id && x->isolation_id != s->vlan)
		return false;
	return !e->has_ports || (in_range(&x->local_ports, s->ports[0]) && in_range(&x->remote_ports, s->ports[1]));
}

/* What hides from a later fragment is to be found whatever its weight. */
static void look_through(struct search *s, const struct acl_node *n)
{
	for (const struct acl_ref *r = n->rules; r; r = r->next) {
		if (s->best && !precedes(r->entry, s->best)) {
			if (s->f->fragment != FLOW_LATER)
				return;
			matches(s, r->entry);
		} else if (matches(s, r->entry)) {
			s->best = r->entry;
		}
	}
}

/* Nothing below can come before what was found. (Of the same weight, an older one could.) */
static bool out_of_reach(const struct search *s, const struct acl_node *n)
{
	return s->best && n->top_weight < s->best->pub.extended.weight;
}

static void look_into_protocol(struct search *s, const struct acl_node *protocol)
{
	struct acl_node *n;
	struct acl_key k;

	s->hidden |= s->f->fragment == FLOW_LATER && protocol->denies_ports;
	if (out_of_reach(s, protocol))
		return;
	look_through(s, protocol);
	if (!s->f->has_ports)
		return;
	for (unsigned side = 0; side < ACL_SIDES; side++) {
		for (uint32_t bits = protocol->port_lengths[side]; bits; bits &= bits - 1) {
			k = ports_key(protocol, side, (unsigned)__builtin_ctz(bits), s->ports[side]);
			n = find(s->t, &k);
			if (n)
				look_through(s, n);
		}
	}
}

static void look_into(struct search *s, const struct acl_node *local, const struct acl_node *remote)
{
	const unsigned protocols[2] = { s->f->protocol, VSWITCH_ACL_PROTOCOL_ANY };
	struct acl_key k = pair_key(local, remote);
	struct acl_node *pair = find(s->t, &k), *n;

	if (!pair)
		return;
	look_through(s, pair);
	for (unsigned i = 0; pair->below && i < 2; i++) {
		k = protocol_key(pair, protocols[i]);
		n = find(s->t, &k);
		if (n)
			look_into_protocol(s, n);
	}
}

struct acl_entry *acl_match_extended(const struct acl_table *t, const struct port_acl *acl, enum vswitch_acl_direction direction,
				     const struct flow *f, uint16_t vlan, bool *hidden)
{
	bool out = direction == VSWITCH_ACL_OUT, later = f->fragment == FLOW_LATER;
	enum acl_list list = f->version == 4 ? ACL_LIST_EXTENDED4 : ACL_LIST_EXTENDED6;
	const uint8_t *addresses[ACL_SIDES] = { out ? f->source : f->destination, out ? f->destination : f->source };
	struct search s = {
		.t = t,
		.ports = { out ? f->source_port : f->destination_port, out ? f->destination_port : f->source_port },
		.vlan = vlan,
		.f = f,
	};
	struct candidates c[ACL_SIDES];

	for (unsigned side = 0; side < ACL_SIDES; side++) {
		c[side].n = 0;
		add_candidates(t, acl, out, side, list, addresses[side], &c[side]);
		add_candidates(t, acl, out, side, ACL_LIST_EXTENDED_ANY, addresses[side], &c[side]);
	}
	for (unsigned i = 0; i < c[0].n; i++)
		for (unsigned j = 0; j < c[1].n && (later || !out_of_reach(&s, c[0].nodes[i])); j++)
			if (later || !out_of_reach(&s, c[1].nodes[j]))
				look_into(&s, c[0].nodes[i], c[1].nodes[j]);
	*hidden = s.hidden;
	return s.best;
}
