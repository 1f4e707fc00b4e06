/* SPDX-License-Identifier: MIT */
/*
 * Guards on the IP addresses that a port's NIC uses: the list of those that it may, and the limit of how many it may. Where
 * addresses are claimed: sender of ARP, source of IP, target of a neighbour advertisement.
 */
#include <stdlib.h>

#include "vswitch/guard.h"

enum {
	DHCP_CLIENT = 68,
	DHCP_SERVER = 67,
	OPTION_SOURCE = 1,		/* of neighbour discovery: link-layer addresses */
	OPTION_TARGET = 2,
	MLD_REPORT = 131,
	MLD_DONE = 132,
	MLD2_REPORT = 143,
};

static const uint8_t unspecified[16];

/* A claim of an address by a frame. */
struct claim {
	uint8_t version;		/* 0: none */
	const uint8_t *bytes;
};

static unsigned address_bytes(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static bool is_unspecified(struct claim c)
{
	return !memcmp(c.bytes, unspecified, address_bytes(c.version));
}

/* Up to two: what the IP header or ARP says, and what neighbour discovery does. */
static unsigned find_claims(const struct guard_frame *g, struct claim claims[2])
{
	const uint8_t *ip = g->bytes + g->view.network_offset, *icmp = guard_transport(g, 24);

	switch (g->view.network) {
	case GUARD_OTHER:
		return 0;
	case GUARD_ARP:
	case GUARD_RARP:
		claims[0] = (struct claim){ 4, ip + 14 };
		return 1;
	case GUARD_IPV4:
		claims[0] = (struct claim){ 4, ip + 12 };
		return 1;
	case GUARD_IPV6:
		break;
	}
	claims[0] = (struct claim){ 6, ip + 8 };
	if (!icmp || g->view.protocol != GUARD_ICMPV6 || icmp[0] != GUARD_NEIGHBOUR_ADVERTISEMENT)
		return 1;
	claims[1] = (struct claim){ 6, icmp + 8 };
	return 2;
}

/* The address guard: a rule's name, or NULL. */

static bool is_listed(const struct vswitch_port_policy *policy, struct claim c)
{
	for (unsigned i = 0; i < policy->num_addresses; i++)
		if (policy->addresses[i].version == c.version &&
		    !memcmp(policy->addresses[i].bytes, c.bytes, address_bytes(c.version)))
			return true;
	return false;
}

static const char *arp_rule(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	static const uint8_t ipv4_over_48_bits[4] = { 0x08, 0x00, 6, 4 };
	const uint8_t *arp = g->bytes + g->view.network_offset;
	struct claim sender = { 4, arp + 14 };
	uint16_t operation = get_be16(arp + 6);
	bool rarp = g->view.network == GUARD_RARP;

	if (memcmp(arp + 2, ipv4_over_48_bits, 4))
		return "ARP of another kind";
	if (memcmp(arp + 8, g->bytes + 6, 6))
		return "ARP sender's hardware address";
	/* A probe (RFC 5227) or a request for one's own address. */
	if (is_unspecified(sender) && operation == (rarp ? 3 : 1))
		return NULL;
	return is_listed(policy, sender) && (!rarp || operation == 3) ? NULL : "ARP sender";
}

static const char *ipv4_rule(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	struct claim source = { 4, g->bytes + g->view.network_offset + 12 };
	const uint8_t *udp = guard_transport(g, 4);

	if (is_listed(policy, source))
		return NULL;
	if (is_unspecified(source) && udp && g->view.protocol == GUARD_UDP && get_be16(udp) == DHCP_CLIENT &&
	    get_be16(udp + 2) == DHCP_SERVER)
		return NULL;
	return "IPv4 source";
}

/* All link-layer addresses in the options are the sender's own. Options of length 0 make the message void (RFC 4861, 4.6). */
static bool options_are_own(const struct guard_frame *g, uint32_t from)
{
	uint32_t off = g->view.transport_offset + from;
	const uint8_t *o;

	while (off < g->view.end) {
		o = g->bytes + off;
		if (g->view.end - off < 8 || !o[1] || o[1] * 8u > g->view.end - off)
			return false;
		if ((o[0] == OPTION_SOURCE || o[0] == OPTION_TARGET) && (o[1] != 1 || memcmp(o + 2, g->bytes + 6, 6)))
			return false;
		off += o[1] * 8u;
	}
	return true;
}

/* Messages that may come from nowhere. */
static bool may_be_unspecified(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	const uint8_t *icmp = guard_transport(g, 8);

	if (!icmp || g->view.protocol != GUARD_ICMPV6)
		return false;
	switch (icmp[0]) {
	case GUARD_NEIGHBOUR_SOLICITATION:	/* duplicate address detection: only of what it may have */
		return guard_transport(g, 24) && is_listed(policy, (struct claim){ 6, icmp + 8 });
	case GUARD_ROUTER_SOLICITATION:
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return true;
	}
	return false;
}

static const char *discovery_rule(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	const uint8_t *icmp = guard_transport(g, 8);

	if (!icmp)
		return "hidden header";
	if (icmp[0] < GUARD_ND_FIRST || icmp[0] > GUARD_ND_LAST)
		return NULL;
	if (icmp[0] == GUARD_ROUTER_SOLICITATION)
		return options_are_own(g, 8) ? NULL : "ND link-layer address";
	if (!guard_transport(g, 24))
		return "hidden header";
	if (icmp[0] == GUARD_NEIGHBOUR_ADVERTISEMENT && !is_listed(policy, (struct claim){ 6, icmp + 8 }))
		return "ND target";
	return options_are_own(g, 24) ? NULL : "ND link-layer address";
}

static const char *ipv6_rule(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	struct claim source = { 6, g->bytes + g->view.network_offset + 8 };
	bool is_icmp = g->view.protocol == GUARD_ICMPV6 && !g->view.later_fragment;

	if (!is_listed(policy, source) && !(is_unspecified(source) && may_be_unspecified(policy, g)))
		return "IPv6 source";
	return is_icmp ? discovery_rule(policy, g) : NULL;
}

static const char *address_rule(const struct vswitch_port_policy *policy, const struct guard_frame *g)
{
	const char *rule = guard_router_rule(g);

	if (rule)
		return rule;
	switch (g->view.network) {
	case GUARD_OTHER:
		break;
	case GUARD_ARP:
	case GUARD_RARP:
		return arp_rule(policy, g);
	case GUARD_IPV4:
		return ipv4_rule(policy, g);
	case GUARD_IPV6:
		return ipv6_rule(policy, g);
	}
	return NULL;
}

/* The limit. */

struct address_entry {
	uint8_t version, bytes[16];
	uint32_t seen_s;
	struct address_entry *next;	/* in its bucket */
	TAILQ_ENTRY(address_entry) by_age;
};

struct address_table {
	uint32_t limit, used, bucket_mask;
	struct address_entry **buckets;	/* owned */
	TAILQ_HEAD(, address_entry) by_age;	/* the one that was not seen for longest first */
	struct address_entry entries[];
};

struct address_table *address_table_create(uint32_t limit)
{
	struct address_table *t = calloc(1, sizeof(*t) + limit * sizeof(t->entries[0]));
	uint32_t buckets = 16;

	if (!t)
		return NULL;
	while (buckets < limit)
		buckets *= 2;
	t->buckets = calloc(buckets, sizeof(struct address_entry *));
	if (!t->buckets) {
		free(t);
		return NULL;
	}
	t->limit = limit;
	t->bucket_mask = buckets - 1;
	TAILQ_INIT(&t->by_age);
	return t;
}

void address_table_destroy(struct address_table *t)
{
	if (t)
		free(t->buckets);
	free(t);
}

/* FNV-1a; what a guest could gain by collisions is a walk through its own 1024 entries. */
static struct address_entry **bucket_of(struct address_table *t, uint8_t version, const uint8_t *bytes)
{
	uint32_t h = 2166136261u ^ version;

	for (unsigned i = 0; i < address_bytes(version); i++)
		h = (h ^ bytes[i]) * 16777619u;
	return &t->buckets[(h ^ h >> 16) & t->bucket_mask];
}

static void seen(struct address_table *t, struct address_entry *e, uint32_t now_s)
{
	e->seen_s = now_s;
	TAILQ_REMOVE(&t->by_age, e, by_age);
	TAILQ_INSERT_TAIL(&t->by_age, e, by_age);
}

/* An entry that nobody needs, in the list of ages but in no bucket; NULL: there is none. */
static struct address_entry *take_entry(struct address_table *t, uint32_t now_s, uint32_t ageing_s)
{
	struct address_entry *e, **at;

	if (t->used < t->limit) {
		e = &t->entries[t->used++];
		TAILQ_INSERT_TAIL(&t->by_age, e, by_age);
		return e;
	}
	e = TAILQ_FIRST(&t->by_age);
	if (now_s - e->seen_s < ageing_s)
		return NULL;
	for (at = bucket_of(t, e->version, e->bytes); *at != e; at = &(*at)->next)
		;
	*at = e->next;
	return e;
}

static bool may_have(struct address_table *t, struct claim c, uint32_t now_s, uint32_t ageing_s)
{
	struct address_entry **bucket = bucket_of(t, c.version, c.bytes), *e;

	for (e = *bucket; e; e = e->next) {
		if (e->version == c.version && !memcmp(e->bytes, c.bytes, address_bytes(c.version))) {
			if (e->seen_s != now_s)
				seen(t, e, now_s);
			return true;
		}
	}
	e = take_entry(t, now_s, ageing_s);
	if (!e)
		return false;
	e->version = c.version;
	memcpy(e->bytes, c.bytes, address_bytes(c.version));
	e->next = *bucket;
	*bucket = e;
	seen(t, e, now_s);
	return true;
}

static bool within_limit(struct vswitch_port *p, const struct guard_frame *g)
{
	uint32_t now_s = (uint32_t)(policy_now_ns(p->sw) / 1000000000ull);
	struct claim claims[2];
	unsigned n;

	if (g->view.opaque || g->view.malformed)
		return false;
	n = find_claims(g, claims);
	for (unsigned i = 0; i < n; i++)
		if (!is_unspecified(claims[i]) &&
		    !may_have(p->rules->addresses, claims[i], now_s, p->sw->fdb.ageing_s))
			return false;
	return true;
}

uint32_t guard_addresses(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	const struct port_rules *r = p->rules;
	const char *rule;

	for (uint32_t left = keep; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct guard_frame *g = &p->sw->policies->scratch->frames[i];

		rule = r->policy.prevent_ip_spoofing ? address_rule(&r->policy, g) : NULL;
		if (rule)
			drop_in(p, frames[i], VSWITCH_DROP_IP_SPOOFED, rule);
		else if (r->addresses && !within_limit(p, g))
			drop_in(p, frames[i], VSWITCH_DROP_IP_LIMIT, NULL);
		else
			continue;
		keep &= ~(1u << i);
	}
	return keep;
}
