/* SPDX-License-Identifier: MIT */
/* By the words of vswitch/acl.h and vswitch/bandwidth.h. */
#include "tests/switch_model_limits.h"

#include <stdlib.h>
#include <string.h>

#include "tests/switch_model_guard.h"
#include "vswitch/acl_internal.h"

enum { READ_MAX = FLOW_BYTES_MAX - 12 };	/* what ACLs look at, of a body */

/* ---- packets ---- */

enum reading { NO_IP, FINE, BAD, BAD_FRAGMENT };

static unsigned two(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct reader {
	const uint8_t *b;
	uint32_t at, end;
	unsigned next;
};

static bool has(const struct reader *r, uint32_t n)
{
	return r->at + n <= r->end && r->at + n <= READ_MAX;
}

static unsigned transport_bytes(const struct model_ip *p)
{
	switch (p->protocol) {
	case 6:
		return 20;
	case 17:
	case 136:
		return 8;
	case 33:
	case 132:
		return 12;
	case 1:
		return p->version == 4 ? 8 : 0;
	case 58:
		return p->version == 6 ? 8 : 0;
	}
	return 0;
}

static bool read_ipv4(struct reader *r, struct model_ip *p, bool quoted)
{
	const uint8_t *ip = r->b + r->at;
	uint32_t header, total;

	if (!has(r, 20))
		return false;
	header = (ip[0] & 15u) * 4;
	total = two(ip + 2);
	if (ip[0] >> 4 != 4 || header < 20 || total < header || !has(r, header) || (!quoted && r->at + total > r->end))
		return false;
	p->version = 4;
	memcpy(p->source, ip + 12, 4);
	memcpy(p->destination, ip + 16, 4);
	p->id = two(ip + 4);
	p->offset = (two(ip + 6) & 0x1fff) * 8;
	p->first = !p->offset && ip[6] & 0x20;
	r->next = ip[9];
	if (r->at + total < r->end)
		r->end = r->at + total;
	r->at += header;
	return true;
}

static bool read_ipv6(struct reader *r, struct model_ip *p, bool quoted)
{
	const uint8_t *ip = r->b + r->at;
	uint32_t payload;

	if (!has(r, 40))
		return false;
	payload = two(ip + 4);
	if (ip[0] >> 4 != 6 || (!quoted && r->at + 40 + payload > r->end))
		return false;
	p->version = 6;
	memcpy(p->source, ip + 8, 16);
	memcpy(p->destination, ip + 24, 16);
	r->next = ip[6];
	r->at += 40;
	if (r->at + payload < r->end)
		r->end = r->at + payload;
	return true;
}

static enum reading read_extensions(struct reader *r, struct model_ip *p)
{
	bool fragment_seen = false;

	for (int n = 0; p->version == 6 && model_is_extension(r->next, true) && !p->offset; n++) {
		const uint8_t *h = r->b + r->at;
		uint32_t bytes;

		if (n == 8)
			return BAD;
		if (!has(r, 8) || (r->next == 44 && fragment_seen))
			return p->first ? BAD_FRAGMENT : BAD;
		bytes = r->next == 44 ? 8 : r->next == 51 ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		if (!has(r, bytes))
			return p->first ? BAD_FRAGMENT : BAD;
		if (r->next == 44) {
			fragment_seen = true;
			p->offset = two(h + 2) & 0xfff8;
			p->first = !p->offset && h[3] & 1;
			p->id = two(h + 4) << 16 | two(h + 6);
		}
		r->next = h[0];
		r->at += bytes;
	}
	return FINE;
}

static void read_icmp(const struct reader *r, struct model_ip *p)
{
	const uint8_t *t = r->b + r->at;
	bool v4 = p->version == 4;

	p->asks = t[0] == (v4 ? 8 : 128);
	p->answers = t[0] == (v4 ? 0 : 129);
	p->echo = two(t + 4);
	p->error = !p->first && (v4 ? t[0] == 3 || t[0] == 11 || t[0] == 12 : t[0] >= 1 && t[0] <= 4);
	p->quotes = r->at + 8;
	p->quotation_ends = r->end;
}

/* quoted: the beginning of a packet, of which 8 bytes of transport are enough. */
static enum reading read_transport(struct reader *r, struct model_ip *p, bool quoted)
{
	unsigned need;

	p->protocol = r->next;
	p->payload = r->end - r->at;
	p->later = p->offset;
	need = transport_bytes(p);
	if (p->later) {
		p->hidden = p->version == 6 && model_is_extension(r->next, true);
		return p->offset < need ? BAD_FRAGMENT : FINE;
	}
	if (quoted && need)
		need = 8;
	if (!has(r, need))
		return p->first ? BAD_FRAGMENT : BAD;
	if (!need)
		return FINE;
	if (p->protocol == 1 || p->protocol == 58) {
		read_icmp(r, p);
		return FINE;
	}
	p->has_ports = true;
	p->from = two(r->b + r->at);
	p->to = two(r->b + r->at + 2);
	if (p->protocol == 6 && !quoted)
		p->flags = r->b[r->at + 13];
	return FINE;
}

static enum reading read_packet(struct reader *r, struct model_ip *p, bool v4, bool quoted)
{
	enum reading how;

	if (!(v4 ? read_ipv4 : read_ipv6)(r, p, quoted))
		return BAD;
	how = read_extensions(r, p);
	return how == FINE ? read_transport(r, p, quoted) : how;
}

static enum reading read_frame(const uint8_t *body, uint32_t len, struct model_ip *p)
{
	struct reader r = { .b = body, .end = len };
	unsigned type, wraps;

	*p = (struct model_ip){ .version = 0 };
	if (!model_unwrap(body, len, &type, &r.at, &wraps) || wraps > 3)
		return BAD;
	if (type != 0x0800 && type != 0x86dd)
		return NO_IP;
	return read_packet(&r, p, type == 0x0800, false);
}

static bool read_quotation(const uint8_t *body, const struct model_ip *error, struct model_ip *p)
{
	struct reader r = { .b = body, .at = error->quotes, .end = error->quotation_ends };

	*p = (struct model_ip){ .version = 0 };
	return read_packet(&r, p, error->version == 4, true) == FINE && !p->later;
}

/* ---- entries ---- */

static bool prefix_has(const struct vswitch_acl_address *a, const uint8_t *address)
{
	for (unsigned i = 0; i < a->prefix_bits; i++)
		if ((a->bytes[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool address_is(const struct vswitch_acl_address *a, unsigned version, const uint8_t *address)
{
	if (a->family == VSWITCH_ACL_ANY)
		return true;
	return version == (a->family == VSWITCH_ACL_IPV4 ? 4 : 6) && prefix_has(a, address);
}

static bool any_port(const struct vswitch_acl_ports *p)
{
	return !p->first && p->last == UINT16_MAX;
}

static bool port_is(const struct vswitch_acl_ports *p, unsigned port)
{
	return p->first <= port && port <= p->last;
}

static bool names_ports(const struct vswitch_acl_extended *x)
{
	return !any_port(&x->local_ports) || !any_port(&x->remote_ports);
}

/* But for the ports, and the VLAN. */
static bool could_match(const struct vswitch_acl_extended *x, enum vswitch_acl_direction d, const struct model_ip *p)
{
	bool out = d == VSWITCH_ACL_OUT;

	return x->direction == d && (x->protocol == VSWITCH_ACL_PROTOCOL_ANY || x->protocol == p->protocol) &&
	       address_is(&x->local, p->version, out ? p->source : p->destination) &&
	       address_is(&x->remote, p->version, out ? p->destination : p->source);
}

static bool matches(const struct vswitch_acl_extended *x, enum vswitch_acl_direction d, const struct model_ip *p, unsigned vlan)
{
	bool out = d == VSWITCH_ACL_OUT;

	if (!could_match(x, d, p) || (x->isolation_id && x->isolation_id != vlan))
		return false;
	if (!names_ports(x))
		return true;
	return p->has_ports && port_is(&x->local_ports, out ? p->from : p->to) &&
	       port_is(&x->remote_ports, out ? p->to : p->from);
}

/* By weight, then age. */
static struct vswitch_acl_entry *decides(struct model_acl *a, enum vswitch_acl_direction d, const struct model_ip *p, unsigned vlan)
{
	struct vswitch_acl_entry *best = NULL;

	for (unsigned i = 0; i < a->num; i++) {
		struct vswitch_acl_entry *e = &a->entries[i];

		if (e->is_extended && matches(&e->extended, d, p, vlan) && (!best || e->extended.weight > best->extended.weight))
			best = e;
	}
	return best;
}

static bool hides(const struct model_acl *a, enum vswitch_acl_direction d, const struct model_ip *p)
{
	for (unsigned i = 0; i < a->num; i++) {
		const struct vswitch_acl_entry *e = &a->entries[i];

		if (e->is_extended && e->extended.action == VSWITCH_ACL_DENY && names_ports(&e->extended) &&
		    could_match(&e->extended, d, p))
			return true;
	}
	return false;
}

static enum vswitch_drop denied(enum vswitch_acl_direction d)
{
	return d == VSWITCH_ACL_OUT ? VSWITCH_DROP_ACL_OUT : VSWITCH_DROP_ACL_IN;
}

static void count(struct vswitch_acl_entry *e, uint32_t bytes)
{
	e->frames++;
	e->bytes += bytes;
}

/* ---- simple entries ---- */

enum kind { BY_MAC, BY_IP, METER };

static enum kind kind_of(const struct vswitch_acl_simple *s)
{
	if (s->address.family == VSWITCH_ACL_MAC)
		return BY_MAC;
	return s->action == VSWITCH_ACL_METER ? METER : BY_IP;
}

/* The longest one of a side. version 0: of MAC addresses. */
static struct vswitch_acl_entry *longest(struct model_acl *a, enum vswitch_acl_direction d, enum kind kind,
					 enum vswitch_acl_side side, unsigned version, const uint8_t *address)
{
	struct vswitch_acl_entry *best = NULL;

	for (unsigned i = 0; i < a->num; i++) {
		struct vswitch_acl_entry *e = &a->entries[i];
		const struct vswitch_acl_simple *s = &e->simple;

		if (e->is_extended || s->direction != d || s->side != side || kind_of(s) != kind)
			continue;
		if (kind == BY_MAC ? !prefix_has(&s->address, address) : !address_is(&s->address, version, address))
			continue;
		if (!best || s->address.prefix_bits > best->simple.address.prefix_bits)
			best = e;
	}
	return best;
}

static int length(const struct vswitch_acl_entry *e)
{
	return e ? e->simple.address.prefix_bits : -1;
}

static enum vswitch_drop by_simple(struct model_acl *a, enum vswitch_acl_direction d, enum kind kind, unsigned version,
				   const uint8_t *source, const uint8_t *destination, uint32_t bytes)
{
	bool out = d == VSWITCH_ACL_OUT;
	struct vswitch_acl_entry *l = longest(a, d, kind, VSWITCH_ACL_LOCAL, version, out ? source : destination);
	struct vswitch_acl_entry *r = longest(a, d, kind, VSWITCH_ACL_REMOTE, version, out ? destination : source);

	if (kind == METER) {
		if (l && length(l) >= length(r))
			count(l, bytes);
		if (r && length(r) >= length(l))
			count(r, bytes);
		return VSWITCH_DROPS;
	}
	if (!l && !r)
		return VSWITCH_DROPS;
	if (length(l) < length(r) || (length(l) == length(r) && l->simple.action != VSWITCH_ACL_DENY))
		l = r;
	count(l, bytes);
	return l->simple.action == VSWITCH_ACL_DENY ? denied(d) : VSWITCH_DROPS;
}

/* ---- flows ---- */

struct asked {
	struct model *m;
	struct model_acl *a;
	enum vswitch_acl_direction d;
	const uint8_t *body;
	uint32_t bytes;
	unsigned vlan;
	struct model_ip ip;
};

static bool same_address(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, 16);
}

/* Whether a packet is one of the flow's. */
static bool belongs(struct model *m, const struct model_talk *t, enum vswitch_acl_direction d, const struct model_ip *p, unsigned vlan)
{
	const struct model_ip *f = &t->first;
	bool forth = d == t->opened;

	if (f->version != p->version || f->protocol != p->protocol || t->primary != model_primary(m, vlan))
		return false;
	if (!same_address(f->source, forth ? p->source : p->destination) ||
	    !same_address(f->destination, forth ? p->destination : p->source))
		return false;
	if (f->asks)
		return (forth ? p->asks : p->answers) && f->echo == p->echo;
	return f->from == (forth ? p->from : p->to) && f->to == (forth ? p->to : p->from);
}

static bool is_message(const struct model_ip *p)
{
	return (p->protocol == 1 || p->protocol == 58) && !p->asks && !p->answers;
}

static int find_talk(const struct asked *q, enum vswitch_acl_direction d, const struct model_ip *p)
{
	for (unsigned i = 0; !is_message(p) && i < q->a->num_flows; i++)
		if (belongs(q->m, &q->a->flows[i], d, p, q->vlan))
			return (int)i;
	return -1;
}

static void forget(struct model_acl *a, int i)
{
	a->flows[i] = a->flows[--a->num_flows];
}

/* Which entry would let it in now. */
static struct vswitch_acl_entry *opener(struct model *m, struct model_acl *a, const struct model_talk *t)
{
	struct vswitch_acl_entry *e = decides(a, t->opened, &t->first, t->vlan);

	return e && e->extended.stateful && model_primary(m, t->vlan) == t->primary ? e : NULL;
}

static bool opens_tcp(const struct model_ip *p)
{
	return (p->flags & 0x17) == 0x02;	/* of SYN, FIN, RST, ACK the first alone */
}

static void use(struct asked *q, struct model_talk *t, const struct vswitch_acl_entry *e)
{
	uint64_t idle_s = e->extended.idle_timeout_s;

	if (!t->answered && idle_s > 30)
		idle_s = 30;
	if (t->fin_of_opener && t->fin_of_other && idle_s > 10)
		idle_s = 10;
	t->expires_ns = q->m->now_ns + idle_s * 1000000000;
	t->used = ++q->a->uses;
}

/* The one that lets the packet pass with its flow. */
static struct vswitch_acl_entry *by_flow(struct asked *q)
{
	int i = find_talk(q, q->d, &q->ip);
	struct model_talk *t = i < 0 ? NULL : &q->a->flows[i];
	struct vswitch_acl_entry *e;

	if (!t)
		return NULL;
	e = opener(q->m, q->a, t);
	if (t->expires_ns <= q->m->now_ns) {
		q->a->stats.flows_expired++;
	} else if (!e) {
		q->a->stats.flows_revoked++;
	} else if (t->fin_of_opener && t->fin_of_other && q->ip.protocol == 6 && opens_tcp(&q->ip)) {
		q->a->stats.flows_closed++;
	} else if (q->ip.protocol == 6 && q->ip.flags & 4) {
		q->a->stats.flows_closed++;
		forget(q->a, i);
		return e;
	} else {
		t->answered |= q->d != t->opened;
		if (q->ip.protocol == 6 && q->ip.flags & 1)
			*(q->d == t->opened ? &t->fin_of_opener : &t->fin_of_other) = true;
		use(q, t, e);
		return e;
	}
	forget(q->a, i);
	return NULL;
}

static struct vswitch_acl_entry *by_quotation(struct asked *q)
{
	enum vswitch_acl_direction sent = q->d == VSWITCH_ACL_IN ? VSWITCH_ACL_OUT : VSWITCH_ACL_IN;
	struct vswitch_acl_entry *e;
	struct model_ip lost;
	int i = -1;

	if (!q->ip.error || !q->a->stateful)
		return NULL;
	if (read_quotation(q->body, &q->ip, &lost) && same_address(lost.source, q->ip.destination))
		i = find_talk(q, sent, &lost);
	if (i >= 0 && q->a->flows[i].expires_ns > q->m->now_ns && (q->a->flows[i].opened == sent || q->a->flows[i].answered)) {
		e = opener(q->m, q->a, &q->a->flows[i]);
		if (e) {
			q->a->stats.errors_related++;
			return e;
		}
	}
	q->a->stats.errors_unrelated++;
	return NULL;
}

/* Who was not used for longest, of those without an answer if there are some. */
static int least(const struct model_acl *a)
{
	int best = 0;

	for (unsigned i = 1; i < a->num_flows; i++) {
		const struct model_talk *t = &a->flows[i], *b = &a->flows[best];

		if (t->answered != b->answered ? b->answered : t->used < b->used)
			best = (int)i;
	}
	return best;
}

static void open_flow(struct asked *q, const struct vswitch_acl_entry *e)
{
	struct model_acl *a = q->a;
	struct model_talk *t;
	int old;

	if (a->num_flows == a->stats.flow_limit) {
		old = least(a);
		if (a->flows[old].expires_ns <= q->m->now_ns)
			a->stats.flows_expired++;
		else
			a->stats.flows_evicted++;
		forget(a, old);
	}
	t = &a->flows[a->num_flows++];
	*t = (struct model_talk){ .first = q->ip, .opened = q->d, .vlan = q->vlan };
	t->primary = model_primary(q->m, q->vlan);
	t->first.first = false;		/* what a fragment opens is a flow like others */
	a->stats.flows_opened++;
	use(q, t, e);
}

/* ---- extended entries ---- */

static struct model_datagram *place_of(struct asked *q)
{
	return &q->a->datagrams[acl_fragment_place(q->ip.source, q->ip.destination, q->ip.id)];
}

static bool same_datagram(const struct asked *q, const struct model_datagram *g)
{
	return g->known && g->expires_ns > q->m->now_ns && g->d == q->d && g->vlan == q->vlan && g->first.id == q->ip.id &&
	       g->first.version == q->ip.version && (q->ip.version == 6 || g->first.protocol == q->ip.protocol) &&
	       same_address(g->first.source, q->ip.source) && same_address(g->first.destination, q->ip.destination);
}

static enum vswitch_drop by_later_fragment(struct asked *q)
{
	const struct model_datagram *g = place_of(q);
	struct vswitch_acl_entry *e;

	if (same_datagram(q, g)) {
		if (q->ip.offset < g->first.payload)
			return VSWITCH_DROP_FRAGMENT;
		return g->allowed ? VSWITCH_DROPS : denied(q->d);
	}
	if (q->ip.hidden || hides(q->a, q->d, &q->ip))
		return VSWITCH_DROP_FRAGMENT;
	e = decides(q->a, q->d, &q->ip, q->vlan);
	if (!e)
		return VSWITCH_DROPS;
	if (e->extended.stateful && q->ip.protocol == 6)
		return VSWITCH_DROP_FRAGMENT;
	count(e, q->bytes);
	return e->extended.action == VSWITCH_ACL_ALLOW ? VSWITCH_DROPS : denied(q->d);
}

static enum vswitch_drop by_whole(struct asked *q)
{
	struct vswitch_acl_entry *e = by_flow(q);

	if (!e)
		e = by_quotation(q);
	if (e) {
		count(e, q->bytes);
		return VSWITCH_DROPS;
	}
	e = decides(q->a, q->d, &q->ip, q->vlan);
	if (!e)
		return VSWITCH_DROPS;
	count(e, q->bytes);
	if (e->extended.action == VSWITCH_ACL_DENY)
		return denied(q->d);
	if (!e->extended.stateful)
		return VSWITCH_DROPS;
	if (q->ip.protocol == 6 && !opens_tcp(&q->ip))
		return denied(q->d);
	if (!is_message(&q->ip) && !q->ip.answers)
		open_flow(q, e);
	return VSWITCH_DROPS;
}

static enum vswitch_drop by_extended(struct asked *q)
{
	enum vswitch_drop fate;

	if (q->ip.later)
		return by_later_fragment(q);
	fate = by_whole(q);
	if (q->ip.first)
		*place_of(q) = (struct model_datagram){ true, fate == VSWITCH_DROPS, q->ip, q->d, q->vlan,
							q->m->now_ns + 30000000000 };
	return fate;
}

/* ---- all of it ---- */

static bool any_for(const struct model_acl *a, enum vswitch_acl_direction d, bool extended)
{
	for (unsigned i = 0; i < a->num; i++) {
		const struct vswitch_acl_entry *e = &a->entries[i];

		if (e->is_extended ? e->extended.direction == d :
		    !extended && e->simple.direction == d && kind_of(&e->simple) != BY_MAC)
			return true;
	}
	return false;
}

enum vswitch_drop model_acl_ask(struct model *m, struct model_acl *a, enum vswitch_acl_direction d, const uint8_t *addresses,
				const uint8_t *body, uint32_t len, unsigned vlan)
{
	struct asked q = { .m = m, .a = a, .d = d, .body = body, .bytes = 12 + len, .vlan = vlan };
	enum vswitch_drop fate = by_simple(a, d, BY_MAC, 0, addresses + 6, addresses, q.bytes);
	enum reading how;

	if (fate != VSWITCH_DROPS || !any_for(a, d, false))
		return fate;
	how = read_frame(body, len, &q.ip);
	if (how == NO_IP)
		return VSWITCH_DROPS;
	if (how == BAD)
		return VSWITCH_DROP_BAD_HEADERS;
	if (how == BAD_FRAGMENT && any_for(a, d, true))
		return VSWITCH_DROP_FRAGMENT;
	fate = by_simple(a, d, BY_IP, q.ip.version, q.ip.source, q.ip.destination, q.bytes);
	if (fate == VSWITCH_DROPS && any_for(a, d, true))
		fate = by_extended(&q);
	if (fate == VSWITCH_DROPS)
		by_simple(a, d, METER, q.ip.version, q.ip.source, q.ip.destination, q.bytes);
	return fate;
}

static void extended_changed(struct model_acl *a)
{
	for (int i = 0; i < MODEL_PLACES; i++)
		a->datagrams[i].known = false;
}

void model_acl_add(struct model_acl *a, const struct vswitch_acl_entry *entry)
{
	a->entries[a->num++] = *entry;
	a->stats.entries++;
	if (entry->is_extended)
		extended_changed(a);
	a->stateful |= entry->is_extended && entry->extended.stateful;
}

void model_acl_delete(struct model_acl *a, unsigned i)
{
	if (a->entries[i].is_extended)
		extended_changed(a);
	a->num--;
	a->stats.entries--;
	memmove(&a->entries[i], &a->entries[i + 1], (a->num - i) * sizeof(a->entries[0]));
}

void model_acl_clear(struct model_acl *a)
{
	a->stats.flows_revoked += a->num_flows;
	a->stats.entries = a->num = a->num_flows = 0;
	a->stateful = false;
	extended_changed(a);
}

/* ---- bandwidth ---- */

static struct model_bucket bucket(uint64_t bits, uint64_t depth, uint64_t debt)
{
	struct model_bucket b = { .ns_per_byte = bits ? 8000000000 / bits : 0, .level = (int64_t)depth };

	b.depth = (int64_t)depth;
	b.debt = (int64_t)(debt < VSWITCH_BANDWIDTH_DEBT_BYTES ? VSWITCH_BANDWIDTH_DEBT_BYTES : debt);
	return b;
}

void model_bandwidth_set(struct model_bandwidth *b, const struct vswitch_port_bandwidth *s)
{
	uint64_t burst = s->burst_bytes ? s->burst_bytes : s->limit_bits / 800 < 65536 ? 65536 : s->limit_bits / 800;

	b->mean = bucket(s->limit_bits, burst, burst);
	b->peak = bucket(s->burst_limit_bits, s->burst_limit_bits / 8000, 0);	/* a millisecond's, and empty at first */
	b->peak.level = 0;
	b->told = false;
}

static void fill(struct model_bucket *b, uint64_t ns)
{
	if (!b->ns_per_byte)
		return;
	b->level += (int64_t)(ns / b->ns_per_byte);
	if (b->level > b->depth)
		b->level = b->depth;
}

static bool owes(const struct model_bucket *b, int64_t more_than)
{
	return b->ns_per_byte && -b->level > more_than;
}

void model_bandwidth_time(struct model_bandwidth *b, uint64_t passed_ns)
{
	fill(&b->mean, passed_ns);
	fill(&b->peak, passed_ns);
	if (!owes(&b->mean, 0) && !owes(&b->peak, 0))
		b->told = false;
}

bool model_bandwidth_takes(struct model_bandwidth *b, uint32_t bytes)
{
	if (b->told && (owes(&b->mean, b->mean.debt) || owes(&b->peak, b->peak.debt)))
		return false;
	b->mean.level -= bytes;
	b->peak.level -= bytes;
	return true;
}

void model_bandwidth_tell(struct model_bandwidth *b)
{
	b->told |= owes(&b->mean, 0) || owes(&b->peak, 0);
}
