/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. What was heard is a table of groups, each with the ports behind which somebody listens. A VLAN's routers, of one
 * IP version, are the members of the group that is all zero; that group also knows the querier, the router with the lowest address
 * (RFC 3376, 6.6.2), whose values say how long a listener is believed.
 *
 * It only narrows what it understands. Without a querier nobody repeats what he listens to, so everything goes everywhere; likewise
 * until the first query that was heard has had its answers. A port with more groups than there is room for, or with a report
 * that is too long to be looked at, gets everything: the guest that does so harms nobody else. What hosts and routers need to find
 * each other (224.0.0.x, link-local scope) is never narrowed.
 *
 * Reports go to routers alone as soon as one is known, before anything is narrowed: a host of IGMPv1, v2 or MLDv1 that heard
 * another's would keep silent, and we would miss it.
 *
 * A leave only passes: another host behind the port may go on listening. The querier asks (a query of the group), and who does not
 * answer that in time is forgotten, as by routers that are not the querier.
 *
 * Time: messages are rare, so they ask for it; data frames do not, since what is due is removed by the switch's tick. What is late
 * by less than a second has frames delivered that nobody needs.
 */
#include "vswitch/snoop.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vswitch/rules.h"
#include "vswitch/snoop_parse.h"

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

enum {
	BUCKETS = 2 * VSWITCH_SNOOP_GROUPS,	/* a power of two */
	COPY_BYTES = 2048,		/* our policy: of a message; 250 records of a report, whatever the MTU is */
	ANSWER_MIN_MS = 1000,		/* our policy: so long a query of a group has to be answered at least */
	ALL_S = 260,			/* for how long a port gets everything: RFC 3376, 8.4 with its defaults */
};

struct snoop_key {
	uint8_t group[16];		/* zero: the routers */
	uint16_t vlan;
	uint16_t version;
};
static_assert(sizeof(struct snoop_key) == 20, "hashed and compared as bytes");

struct snoop_group {
	struct snoop_key key;
	LIST_HEAD(, snoop_member) members;	/* never empty */
	LIST_ENTRY(snoop_group) link;	/* in its bucket, or among the free */
	/* Of routers. */
	uint8_t querier[16];
	const struct vswitch_port *querier_port;	/* a member's; NULL: there is none */
	uint64_t querier_until_ns;
	uint64_t ready_ns;		/* its first query will have been answered */
	uint64_t listener_ns;		/* how long a report counts, by the querier's values */
	bool narrows;			/* there is a querier, and it was answered */
};

struct snoop_member {
	struct snoop_group *group;
	struct vswitch_port *port;	/* borrowed: leaves before it goes */
	uint64_t until_ns;
	bool asked;			/* until_ns is what a query of the group has left it */
	LIST_ENTRY(snoop_member) by_group, by_port;	/* by_group also among the free */
};

struct snoop {
	uint64_t mark;			/* of the last choice */
	uint64_t seed;
	LIST_HEAD(snoop_bucket, snoop_group) buckets[BUCKETS];
	struct snoop_bucket free_groups;
	LIST_HEAD(, snoop_member) free_members;
	LIST_HEAD(, vswitch_port) all;	/* those that get everything */
	uint32_t num_members, num_groups, num_routers;	/* without each other */
	struct vswitch_snoop_stats stats;	/* the counters of */
	struct snoop_group groups[VSWITCH_SNOOP_GROUPS];
	struct snoop_member members[VSWITCH_SNOOP_MEMBERS];
	uint8_t copy[COPY_BYTES];
};

static const uint8_t routers_group[16];

/* The table. */

struct snoop *snoop_create(void)
{
	struct snoop *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed)) {
		free(s);
		return NULL;
	}
	for (unsigned i = 0; i < VSWITCH_SNOOP_GROUPS; i++)
		LIST_INSERT_HEAD(&s->free_groups, &s->groups[i], link);
	for (unsigned i = 0; i < VSWITCH_SNOOP_MEMBERS; i++)
		LIST_INSERT_HEAD(&s->free_members, &s->members[i], by_group);
	return s;
}

static bool is_routers(const struct snoop_group *g)
{
	return !memcmp(g->key.group, routers_group, sizeof(routers_group));
}

static struct snoop_bucket *bucket_of(struct snoop *s, const struct snoop_key *key)
{
	uint64_t parts[3] = { 0 }, h = s->seed;

	memcpy(parts, key, sizeof(*key));
	for (unsigned i = 0; i < 3; i++) {
		h = (h ^ parts[i]) * 0x9e3779b97f4a7c15ull;	/* 2^64 / golden ratio, odd */
		h ^= h >> 32;
	}
	return &s->buckets[h % BUCKETS];
}

static struct snoop_group *find(struct snoop *s, const struct snoop_key *key)
{
	struct snoop_group *g;

	LIST_FOREACH(g, bucket_of(s, key), link)
		if (!memcmp(&g->key, key, sizeof(*key)))
			return g;
	return NULL;
}

static struct snoop_group *find_routers(struct snoop *s, uint16_t vlan, uint8_t version)
{
	const struct snoop_key key = { .vlan = vlan, .version = version };

	return find(s, &key);
}

static struct snoop_group *find_or_make(struct snoop *s, const struct snoop_key *key)
{
	struct snoop_group *g = find(s, key);

	if (g)
		return g;
	g = LIST_FIRST(&s->free_groups);
	if (!g)
		return NULL;
	LIST_REMOVE(g, link);
	*g = (struct snoop_group){ .key = *key };
	LIST_INSERT_HEAD(bucket_of(s, key), g, link);
	s->num_groups += !is_routers(g);
	return g;
}

static void free_if_empty(struct snoop *s, struct snoop_group *g)
{
	if (!LIST_EMPTY(&g->members))
		return;
	s->num_groups -= !is_routers(g);
	LIST_REMOVE(g, link);
	LIST_INSERT_HEAD(&s->free_groups, g, link);
}

static void end_querier(struct snoop_group *g)
{
	g->querier_port = NULL;
	g->narrows = false;
}

static void forget(struct snoop *s, struct snoop_member *m)
{
	struct snoop_group *g = m->group;
	struct vswitch_port *p = m->port;

	assert(g && p);
	if (g->querier_port == p)
		end_querier(g);
	*(is_routers(g) ? &s->num_routers : &s->num_members) -= 1;
	p->snoop.num_members--;
	LIST_REMOVE(m, by_group);
	LIST_REMOVE(m, by_port);
	LIST_INSERT_HEAD(&s->free_members, m, by_group);
	free_if_empty(s, g);
}

static struct snoop_member *find_member(const struct snoop_group *g, const struct vswitch_port *p)
{
	struct snoop_member *m;

	LIST_FOREACH(m, &g->members, by_group)
		if (m->port == p)
			return m;
	return NULL;
}

static struct snoop_member *make_member(struct snoop *s, struct snoop_group *g, struct vswitch_port *p)
{
	struct snoop_member *m = LIST_FIRST(&s->free_members);

	if (!m || p->snoop.num_members == VSWITCH_SNOOP_PORT_MEMBERS)
		return NULL;
	LIST_REMOVE(m, by_group);
	*m = (struct snoop_member){ .group = g, .port = p };
	LIST_INSERT_HEAD(&g->members, m, by_group);
	LIST_INSERT_HEAD(&p->snoop.members, m, by_port);
	p->snoop.num_members++;
	*(is_routers(g) ? &s->num_routers : &s->num_members) += 1;
	return m;
}

/* The port is a member of the group; NULL: there is no room for that. */
static struct snoop_member *put(struct vswitch_port *p, const struct snoop_key *key)
{
	struct snoop *s = p->sw->snoop;
	struct snoop_group *g = find_or_make(s, key);
	struct snoop_member *m;

	if (!g)
		return NULL;
	m = find_member(g, p);
	if (m)
		return m;
	m = make_member(s, g, p);
	if (!m)
		free_if_empty(s, g);
	else if (!is_routers(g))
		s->stats.joined++;
	return m;
}

/* We do not know all that it listens to. */
static void give_all(struct vswitch_port *p, uint64_t now_ns)
{
	if (!p->snoop.all_until_ns)
		LIST_INSERT_HEAD(&p->sw->snoop->all, p, snoop.all_link);
	p->snoop.all_until_ns = now_ns + ALL_S * NS_PER_S;
	vswitch_start_clock(p->sw);
}

static void end_all(struct vswitch_port *p)
{
	if (p->snoop.all_until_ns)
		LIST_REMOVE(p, snoop.all_link);
	p->snoop.all_until_ns = 0;
}

void snoop_leave(struct vswitch_port *port)
{
	struct snoop *s = port->sw->snoop;
	struct snoop_member *m;

	if (!s)
		return;
	while ((m = LIST_FIRST(&port->snoop.members)))
		forget(s, m);
	end_all(port);
}

void snoop_destroy(struct vswitch *sw)
{
	struct vswitch_port *p;

	if (!sw->snoop)
		return;
	TAILQ_FOREACH(p, &sw->ports, link) {
		snoop_leave(p);
		p->snoop.mark = 0;	/* another table will count from the beginning */
	}
	free(sw->snoop);
	sw->snoop = NULL;
}

/* Ageing. */

static void look_at_querier(struct snoop_group *g, uint64_t now_ns)
{
	if (g->querier_until_ns <= now_ns)
		end_querier(g);
	g->narrows = g->querier_port && g->ready_ns <= now_ns;
}

static void age_port(struct vswitch_port *p, uint64_t now_ns)
{
	struct snoop *s = p->sw->snoop;
	struct snoop_member *m, *next;

	for (m = LIST_FIRST(&p->snoop.members); m; m = next) {
		next = LIST_NEXT(m, by_port);
		if (is_routers(m->group))
			look_at_querier(m->group, now_ns);
		if (m->until_ns > now_ns)
			continue;
		if (!is_routers(m->group))
			*(m->asked ? &s->stats.left : &s->stats.expired) += 1;
		forget(s, m);
	}
	if (p->snoop.all_until_ns <= now_ns)
		end_all(p);
}

bool snoop_age(struct vswitch *sw, uint64_t now_ns)
{
	const struct snoop *s = sw->snoop;
	struct vswitch_port *p;

	TAILQ_FOREACH(p, &sw->ports, link)
		age_port(p, now_ns);
	return s->num_members || s->num_routers || !LIST_EMPTY(&s->all);
}

/* Learning. */

/* The port is a member at least so long. NULL: there is no room, so it gets everything for a while. */
static struct snoop_member *put_until(struct vswitch_port *p, const struct snoop_key *key, uint64_t until_ns, uint64_t now_ns)
{
	struct snoop_member *m = put(p, key);

	if (!m) {
		p->sw->snoop->stats.full++;
		give_all(p, now_ns);
	} else if (m->until_ns < until_ns) {
		m->until_ns = until_ns;
	}
	return m;
}

static void learn_router(struct vswitch_port *p, uint16_t vlan, uint8_t version, uint64_t until_ns, uint64_t now_ns)
{
	const struct snoop_key key = { .vlan = vlan, .version = version };

	if (put_until(p, &key, until_ns, now_ns))
		vswitch_start_clock(p->sw);
}

static uint64_t response_ns(const struct snoop_message *m)
{
	return m->response_ms * NS_PER_MS;
}

/* RFC 3376, 8.5. */
static uint64_t querier_ns(const struct snoop_message *m)
{
	return m->robustness * m->interval_s * NS_PER_S + response_ns(m) / 2;
}

/* A general query, from a router. */
static void elect(struct snoop_group *g, const struct vswitch_port *p, const struct snoop_message *m, uint64_t now_ns)
{
	const bool is_new = !g->querier_port || g->querier_until_ns <= now_ns;

	if (!is_new && memcmp(m->source, g->querier, sizeof(g->querier)) > 0)
		return;
	if (is_new)
		g->ready_ns = now_ns + response_ns(m);
	memcpy(g->querier, m->source, sizeof(g->querier));
	g->querier_port = p;
	g->querier_until_ns = now_ns + querier_ns(m);
	g->listener_ns = m->robustness * m->interval_s * NS_PER_S + response_ns(m);	/* RFC 3376, 8.4 */
	look_at_querier(g, now_ns);
}

/* A query of one group: who still listens will say so before this. */
static void ask(struct snoop *s, uint16_t vlan, const struct snoop_message *m, uint64_t now_ns)
{
	struct snoop_key key = { .vlan = vlan, .version = m->version };
	uint64_t until_ns = now_ns + m->robustness * (m->response_ms > ANSWER_MIN_MS ? response_ns(m) : ANSWER_MIN_MS * NS_PER_MS);
	struct snoop_member *member;
	const struct snoop_group *g;

	memcpy(key.group, m->group, sizeof(key.group));
	g = find(s, &key);
	if (!g)
		return;
	LIST_FOREACH(member, &g->members, by_group)
		if (member->until_ns > until_ns) {
			member->until_ns = until_ns;
			member->asked = true;
		}
}

static void learn_query(struct vswitch_port *p, uint16_t vlan, const struct snoop_message *m, uint64_t now_ns)
{
	static const uint8_t nobody[16];
	struct snoop *s = p->sw->snoop;
	const bool is_general = !memcmp(m->group, nobody, sizeof(nobody));
	struct snoop_group *g;

	s->stats.queries++;
	if (!is_general && !m->keeps_timers && !m->names_sources)
		ask(s, vlan, m, now_ns);
	if (!memcmp(m->source, nobody, sizeof(nobody)))
		return;
	learn_router(p, vlan, m->version, now_ns + querier_ns(m), now_ns);
	g = find_routers(s, vlan, m->version);
	if (g && is_general && find_member(g, p))
		elect(g, p, m, now_ns);
}

/* A goodbye is not believed: it says nothing of other routers behind the port. */
static void learn_hello(struct vswitch_port *p, uint16_t vlan, const struct snoop_message *m, uint64_t now_ns)
{
	p->sw->snoop->stats.hellos++;
	if (m->hold_s)
		learn_router(p, vlan, m->version, m->hold_s == UINT32_MAX ? UINT64_MAX : now_ns + m->hold_s * NS_PER_S, now_ns);
}

static void learn_join(struct vswitch_port *p, const struct snoop_key *key, uint64_t until_ns, uint64_t now_ns)
{
	struct snoop_member *m = put_until(p, key, until_ns, now_ns);

	if (m)
		m->asked = false;
}

static void learn_report(struct vswitch_port *p, uint16_t vlan, struct snoop_message *m, uint64_t now_ns)
{
	const struct snoop_group *routers = find_routers(p->sw->snoop, vlan, m->version);
	const uint64_t until_ns = now_ns + (routers && routers->listener_ns ? routers->listener_ns : ALL_S * NS_PER_S);
	struct snoop_key key = { .vlan = vlan, .version = m->version };
	struct snoop_record record;

	p->sw->snoop->stats.reports++;
	while (snoop_next_record(m, &record)) {
		if (record.change != SNOOP_JOINS || snoop_is_local(m->version, record.group))
			continue;
		memcpy(key.group, record.group, sizeof(key.group));
		learn_join(p, &key, until_ns, now_ns);
	}
	vswitch_start_clock(p->sw);
}

/* Choosing. */

static void mark_members(const struct snoop_group *g, uint64_t mark)
{
	struct snoop_member *m;

	if (g)
		LIST_FOREACH(m, &g->members, by_group)
			m->port->snoop.mark = mark;
}

/* Of a report: to routers, if there are some. */
static uint64_t choose_routers(struct snoop *s, uint16_t vlan, uint8_t version)
{
	const struct snoop_group *routers = find_routers(s, vlan, version);

	if (!routers)
		return 0;
	mark_members(routers, ++s->mark);
	s->stats.narrowed++;
	return s->mark;
}

static uint64_t choose_listeners(struct snoop *s, uint16_t vlan, const struct snoop_message *m)
{
	const struct snoop_group *routers = find_routers(s, vlan, m->version);
	struct snoop_key key = { .vlan = vlan, .version = m->version };
	struct vswitch_port *p;

	if (!routers || !routers->narrows)
		return 0;
	memcpy(key.group, m->group, sizeof(key.group));
	mark_members(routers, ++s->mark);
	mark_members(find(s, &key), s->mark);
	LIST_FOREACH(p, &s->all, snoop.all_link)
		p->snoop.mark = s->mark;
	s->stats.narrowed++;
	return s->mark;
}

/* What the frame is, by its head or, where it takes more, a copy of it. */
static void look(struct snoop *s, const struct vswitch_frame *f, struct snoop_message *m)
{
	const bool summed = f->offload.flags & VSWITCH_CSUM_PARTIAL;
	const uint32_t n = f->len < COPY_BYTES ? f->len : COPY_BYTES;

	if (snoop_parse(f->head, f->head_bytes, f->len, summed, m))
		return;
	vswitch_frame_copy(f, 0, s->copy, n);
	rd_fetched();
	if (snoop_parse(s->copy, n, f->len, summed, m))
		return;
	m->kind = SNOOP_FAULTY;
	m->fault = VSWITCH_SNOOP_TOO_LONG;
}

/* A router's word from where there is to be none is not believed, but passes: the router guard knows what it drops. */
static bool is_guarded(const struct vswitch_port *p, const struct snoop_message *m)
{
	return (m->kind == SNOOP_QUERY || m->kind == SNOOP_HELLO) && p->rules && p->rules->policy.router_guard;
}

/* What extensions originate has no port that anybody could listen at. */
static bool is_port(const struct vswitch_port *p)
{
	return p->id;
}

static void learn(struct vswitch_port *p, uint16_t vlan, struct snoop_message *m)
{
	struct snoop *s = p->sw->snoop;
	const uint64_t now_ns = vswitch_now_ns(p->sw);

	if (is_guarded(p, m)) {
		m->kind = SNOOP_FAULTY;
		m->fault = VSWITCH_SNOOP_GUARDED;
	}
	switch (m->kind) {
	case SNOOP_QUERY:
		learn_query(p, vlan, m, now_ns);
		return;
	case SNOOP_REPORT:
		learn_report(p, vlan, m, now_ns);
		return;
	case SNOOP_HELLO:
		learn_hello(p, vlan, m, now_ns);
		return;
	case SNOOP_FAULTY:
		s->stats.faults[m->fault]++;
		if (m->fault == VSWITCH_SNOOP_TOO_LONG)
			give_all(p, now_ns);
		return;
	case SNOOP_ELSE:
	case SNOOP_DATA:
		return;
	}
}

uint64_t snoop_choose(struct vswitch_port *from, const struct vswitch_frame *f)
{
	const struct vswitch *sw = from->sw;
	const uint16_t vlan = sw->primary_of ? sw->primary_of[f->vlan] : f->vlan;
	struct snoop_message m;

	if (f->head[0] != 0x01 && f->head[0] != 0x33)
		return 0;
	look(sw->snoop, f, &m);
	if (m.kind == SNOOP_DATA)
		return choose_listeners(sw->snoop, vlan, &m);
	if (m.kind != SNOOP_ELSE && is_port(from))
		learn(from, vlan, &m);
	return m.kind == SNOOP_REPORT ? choose_routers(sw->snoop, vlan, m.version) : 0;
}

/* Seen from outside. */

static const char *const fault_names[VSWITCH_SNOOP_FAULTS] = {
	[VSWITCH_SNOOP_HEADERS] = "headers",
	[VSWITCH_SNOOP_LENGTH] = "length",
	[VSWITCH_SNOOP_CHECKSUM] = "checksum",
	[VSWITCH_SNOOP_HOP_LIMIT] = "hop_limit",
	[VSWITCH_SNOOP_ROUTER_ALERT] = "router_alert",
	[VSWITCH_SNOOP_ADDRESS] = "address",
	[VSWITCH_SNOOP_TOO_LONG] = "too_long",
	[VSWITCH_SNOOP_GUARDED] = "guarded",
};

const char *vswitch_snoop_fault_name(enum vswitch_snoop_fault fault)
{
	return fault < VSWITCH_SNOOP_FAULTS ? fault_names[fault] : "?";
}

void vswitch_snoop_stats(const struct vswitch *sw, struct vswitch_snoop_stats *out)
{
	const struct snoop *s = sw->snoop;
	const struct snoop_member *m;
	const struct vswitch_port *p;

	*out = (struct vswitch_snoop_stats){ 0 };
	if (!s)
		return;
	*out = s->stats;
	out->groups = s->num_groups;
	out->members = s->num_members;
	out->routers = s->num_routers;
	TAILQ_FOREACH(p, &sw->ports, link)
		LIST_FOREACH(m, &p->snoop.members, by_port)
			out->queriers += m->group->querier_port == p;
}

static uint32_t seconds_left(uint64_t until_ns, uint64_t now_ns)
{
	if (until_ns == UINT64_MAX)
		return UINT32_MAX;
	return until_ns <= now_ns ? 0 : (uint32_t)((until_ns - now_ns) / NS_PER_S);
}

static void show(const struct snoop_member *m, uint64_t now_ns, struct vswitch_snoop_entry *e)
{
	const struct snoop_group *g = m->group;

	*e = (struct vswitch_snoop_entry){
		.vlan = g->key.vlan, .version = (uint8_t)g->key.version, .port = m->port, .is_router = is_routers(g),
		.is_querier = g->querier_port == m->port, .left_s = seconds_left(m->until_ns, now_ns),
	};
	memcpy(e->group, g->key.group, sizeof(e->group));
	if (e->is_querier)
		memcpy(e->address, g->querier, sizeof(e->address));
}

void vswitch_snoop_visit(const struct vswitch *sw, void (*visit)(void *cookie, const struct vswitch_snoop_entry *e), void *cookie)
{
	const uint64_t now_ns = vswitch_now_ns(sw);
	const struct snoop_member *m;
	const struct vswitch_port *p;
	struct vswitch_snoop_entry e;

	TAILQ_FOREACH(p, &sw->ports, link)
		LIST_FOREACH(m, &p->snoop.members, by_port) {
			show(m, now_ns, &e);
			visit(cookie, &e);
		}
}
