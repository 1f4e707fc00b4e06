/* SPDX-License-Identifier: MIT */
/*
 * Flows that stateful entries have let in.
 *
 *	opened (by a frame that such an entry lets pass) -> UNANSWERED --a frame the other way--> ANSWERED
 *	TCP: FINs both ways -> CLOSING, for 10 s		any --RST, idle, no room, revoked--> gone
 *
 * Each time a flow is used after the port's extended entries have changed, the entries are asked again about what opened it: a flow
 * holds no reference to its entry that could dangle, and lives no longer than the policy that let it in. So adding and
 * removing entries costs nothing per flow.
 *
 * Idle flows go when they are looked for, or when another one needs the room: those without an answer first, so that a flood of
 * openings pushes out itself, not what is in use.
 *
 * Errors of ICMP pass with the flow of the packet that they quote. They say who sent what to whom, and anybody can write that; so a
 * wrong one must gain nothing: it reaches only the sender of a packet that a flow lets pass, and neither opens, prolongs nor ends one.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/le.h"
#include "vswitch/acl_internal.h"

#define UNANSWERED_NS (30 * ACL_NS_PER_S)	/* our policy */
#define CLOSING_NS (10 * ACL_NS_PER_S)		/* our policy: last acknowledgements and repeated FINs */

int acl_flows_init(struct acl_flows *t, uint32_t limit)
{
	uint32_t buckets = 16;

	*t = (struct acl_flows){ .limit = limit };
	while (buckets < limit)
		buckets *= 2;
	t->bucket_mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof(struct acl_flow *));
	t->flows = calloc(limit, sizeof(*t->flows));
	TAILQ_INIT(&t->answered);
	TAILQ_INIT(&t->unanswered);
	if (t->buckets && t->flows && getrandom(&t->seed, sizeof(t->seed), 0) == sizeof(t->seed))
		return 0;
	free(t->buckets);
	free(t->flows);
	*t = (struct acl_flows){ .limit = limit };
	return -ENOMEM;
}

static struct acl_flow **bucket(const struct acl_flows *t, const struct acl_flow_key *k)
{
	uint64_t w[5], h = t->seed;

	static_assert(sizeof(*k) == sizeof(w), "whole words");
	memcpy(w, k, sizeof(w));
	for (unsigned i = 0; i < 5; i++) {
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15ull;	/* 2^64 / golden ratio, odd */
		h ^= h >> 29;
		h += t->seed;
	}
	return &t->buckets[(h ^ h >> 32) & t->bucket_mask];
}

/* Questions and answers of a private VLAN are in different ones, which share their primary. */
static uint16_t shared_vlan(const struct port_acl *acl, uint16_t vlan)
{
	const uint16_t *primary_of = acl->port->sw->primary_of;

	return primary_of ? primary_of[vlan] : vlan;
}

static struct acl_flow_key key_of(const struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan)
{
	struct acl_flow_key k = { .vlan = shared_vlan(acl, vlan), .version = f->version, .protocol = f->protocol };
	bool out = d == VSWITCH_ACL_OUT;

	memcpy(k.local, out ? f->source : f->destination, 16);
	memcpy(k.remote, out ? f->destination : f->source, 16);
	if (f->is_echo_request || f->is_echo_reply) {
		k.local_port = f->echo_id;
		k.remote_port = out == f->is_echo_request;
		return k;
	}
	k.local_port = out ? f->source_port : f->destination_port;
	k.remote_port = out ? f->destination_port : f->source_port;
	return k;
}

static struct acl_flow_list *list_of(struct acl_flows *t, const struct acl_flow *s)
{
	return s->state & ACL_FLOW_ANSWERED ? &t->answered : &t->unanswered;
}

uint32_t *acl_flows_of(struct acl_entry *e)
{
	if (e->flows_generation != e->acl->generation)
		e->pub.flows = 0;
	e->flows_generation = e->acl->generation;
	return &e->pub.flows;
}

static void set_entry(struct acl_flow *s, struct acl_entry *e)
{
	s->entry = e;
	s->generation = e->acl->generation;
	++*acl_flows_of(e);
}

static bool entry_is_current(const struct port_acl *acl, const struct acl_flow *s)
{
	return s->entry && s->generation == acl->generation;
}

static void take_out(struct port_acl *acl, struct acl_flow *s)
{
	struct acl_flows *t = &acl->flows;
	struct acl_flow **at = bucket(t, &s->key);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	TAILQ_REMOVE(list_of(t, s), s, link);
	if (entry_is_current(acl, s))
		--*acl_flows_of(s->entry);
	s->entry = NULL;
	s->next = t->free;
	t->free = s;
	t->count--;
}

void acl_flows_free(struct port_acl *acl)
{
	struct acl_flows *t = &acl->flows;

	acl->stats.flows_revoked += t->count;
	acl->generation++;	/* the entries' counts were of these */
	free(t->buckets);
	free(t->flows);
	*t = (struct acl_flows){ .limit = t->limit };
}

int acl_flows_resize(struct port_acl *acl, uint32_t limit)
{
	struct acl_flows old = acl->flows;
	int ret = acl_flows_init(&acl->flows, limit);

	if (!ret) {
		free(old.buckets);
		free(old.flows);
		return 0;
	}
	acl->flows = old;
	TAILQ_INIT(&acl->flows.answered);
	TAILQ_INIT(&acl->flows.unanswered);
	return ret;
}

/* Room for one more, which there always is in the end. */
static struct acl_flow *make_room(struct port_acl *acl, uint64_t now_ns)
{
	struct acl_flows *t = &acl->flows;
	struct acl_flow *s;

	if (!t->free && t->touched < t->limit)
		return &t->flows[t->touched++];
	if (!t->free) {
		s = TAILQ_FIRST(&t->unanswered);
		if (!s)
			s = TAILQ_FIRST(&t->answered);
		if (s->expires_ns <= now_ns)
			acl->stats.flows_expired++;
		else
			acl->stats.flows_evicted++;
		take_out(acl, s);
	}
	s = t->free;
	t->free = s->next;
	return s;
}

/* What opened a flow, as if it came now. */
static struct flow opening_of(const struct acl_flow *s)
{
	const struct acl_flow_key *k = &s->key;
	bool out = s->opened == VSWITCH_ACL_OUT;
	struct flow f = { .version = k->version, .protocol = k->protocol };

	memcpy(f.source, out ? k->local : k->remote, 16);
	memcpy(f.destination, out ? k->remote : k->local, 16);
	f.source_port = out ? k->local_port : k->remote_port;
	f.destination_port = out ? k->remote_port : k->local_port;
	f.has_ports = flow_has_ports(k->protocol);
	return f;
}

/* Whether the entries, as they are now, would let it in; and what VLANs share is what they shared then. */
static bool still_allowed(struct port_acl *acl, struct acl_flow *s)
{
	struct acl_entry *e;
	struct flow f;
	bool hidden;

	if (shared_vlan(acl, s->vlan) != s->key.vlan)
		return false;
	if (entry_is_current(acl, s))
		return true;
	f = opening_of(s);
	e = acl_match_extended(acl->port->sw->acl, acl, s->opened, &f, s->vlan, &hidden);
	if (!e || !e->pub.extended.stateful)
		return false;
	set_entry(s, e);
	return true;
}

static struct acl_flow *find(const struct acl_flows *t, const struct acl_flow_key *k)
{
	struct acl_flow *s = *bucket(t, k);

	while (s && memcmp(&s->key, k, sizeof(*k)))
		s = s->next;
	return s;
}

/* A SYN without ACK asks for a connection. */
static bool is_opening(const struct flow *f)
{
	return (f->tcp_flags & (FLOW_SYN | FLOW_ACK | FLOW_RST | FLOW_FIN)) == FLOW_SYN;
}

/* ICMP messages other than echo are no flow. */
static bool is_message(const struct flow *f)
{
	return (f->protocol == FLOW_ICMP || f->protocol == FLOW_ICMPV6) && !f->is_echo_request && !f->is_echo_reply;
}

static void refresh(struct port_acl *acl, struct acl_flow *s, uint8_t state, uint64_t now_ns)
{
	uint64_t idle_ns = s->entry->idle_ns;

	if (!(state & ACL_FLOW_ANSWERED) && idle_ns > UNANSWERED_NS)
		idle_ns = UNANSWERED_NS;
	if ((state & ACL_FLOW_CLOSING) == ACL_FLOW_CLOSING && idle_ns > CLOSING_NS)
		idle_ns = CLOSING_NS;
	TAILQ_REMOVE(list_of(&acl->flows, s), s, link);
	s->state = state;
	s->expires_ns = now_ns + idle_ns;
	TAILQ_INSERT_TAIL(list_of(&acl->flows, s), s, link);
}

/* The flow that the frame belongs to, as it was before the frame; one that is over is forgotten. */
static struct acl_flow *find_live(struct port_acl *acl, const struct acl_flow_key *k, const struct flow *f, uint64_t now_ns)
{
	struct acl_flow *s = find(&acl->flows, k);

	if (!s)
		return NULL;
	if (s->expires_ns <= now_ns)
		acl->stats.flows_expired++;
	else if (!still_allowed(acl, s))
		acl->stats.flows_revoked++;
	else if ((s->state & ACL_FLOW_CLOSING) == ACL_FLOW_CLOSING && f->protocol == FLOW_TCP && is_opening(f))
		acl->stats.flows_closed++;	/* the next connection between the same ports */
	else
		return s;
	take_out(acl, s);
	return NULL;
}

bool acl_flow_passes(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan, uint64_t now_ns,
		     struct acl_entry **entry)
{
	struct acl_flow_key k;
	struct acl_flow *s;
	uint8_t state;

	if (!acl->flows.count || is_message(f))
		return false;
	k = key_of(acl, d, f, vlan);
	s = find_live(acl, &k, f, now_ns);
	if (!s)
		return false;
	state = s->state | (d == s->opened ? 0 : ACL_FLOW_ANSWERED);
	if (f->protocol == FLOW_TCP && f->tcp_flags & FLOW_FIN)
		state |= d == s->opened ? ACL_FLOW_FIN_OF_OPENER : ACL_FLOW_FIN_OF_OTHER;
	*entry = s->entry;
	if (f->protocol == FLOW_TCP && f->tcp_flags & FLOW_RST) {
		take_out(acl, s);
		acl->stats.flows_closed++;
		return true;
	}
	refresh(acl, s, state, now_ns);
	return true;
}

bool acl_flow_relates(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *error, const struct flow *quoted,
		      uint16_t vlan, uint64_t now_ns, struct acl_entry **entry)
{
	enum vswitch_acl_direction sent = d == VSWITCH_ACL_IN ? VSWITCH_ACL_OUT : VSWITCH_ACL_IN;
	struct acl_flow_key k;
	struct acl_flow *s;

	if (is_message(quoted) || memcmp(error->destination, quoted->source, sizeof(quoted->source)))
		return false;
	k = key_of(acl, sent, quoted, vlan);
	s = find(&acl->flows, &k);
	if (!s || s->expires_ns <= now_ns || (s->opened != sent && !(s->state & ACL_FLOW_ANSWERED)) || !still_allowed(acl, s))
		return false;
	*entry = s->entry;
	return true;
}

static struct acl_flow *put_in(struct port_acl *acl, const struct acl_flow_key *k, uint16_t vlan, enum vswitch_acl_direction d,
			       uint8_t state, uint64_t now_ns)
{
	struct acl_flow *s = make_room(acl, now_ns), **b = bucket(&acl->flows, k);

	*s = (struct acl_flow){ .key = *k, .vlan = vlan, .opened = (uint8_t)d, .state = state, .next = *b };
	*b = s;
	TAILQ_INSERT_TAIL(list_of(&acl->flows, s), s, link);
	acl->flows.count++;
	return s;
}

bool acl_flow_open(struct port_acl *acl, struct acl_entry *e, enum vswitch_acl_direction d, const struct flow *f,
		   uint16_t vlan, uint64_t now_ns)
{
	struct acl_flow_key k;
	struct acl_flow *s;

	if (f->protocol == FLOW_TCP && !is_opening(f))
		return false;
	if (is_message(f) || f->is_echo_reply)
		return true;
	k = key_of(acl, d, f, vlan);
	s = put_in(acl, &k, vlan, d, 0, now_ns);
	set_entry(s, e);
	acl->stats.flows_opened++;
	refresh(acl, s, 0, now_ns);
	return true;
}

void acl_flow_put_back(struct port_acl *acl, struct acl_flow_key *k, uint16_t vlan, enum vswitch_acl_direction opened,
		       uint8_t state, uint64_t left_ns, uint64_t now_ns)
{
	struct acl_flow *s;

	if (!acl->flows.buckets) {	/* no entry is stateful */
		acl->stats.flows_revoked++;
		return;
	}
	k->vlan = shared_vlan(acl, vlan);
	if (find(&acl->flows, k))
		return;
	s = put_in(acl, k, vlan, opened, state, now_ns);
	if (!still_allowed(acl, s)) {
		acl->stats.flows_revoked++;
		take_out(acl, s);
		return;
	}
	refresh(acl, s, state, now_ns);
	if (s->expires_ns - now_ns > left_ns)
		s->expires_ns = now_ns + left_ns;
}
