/* SPDX-License-Identifier: MIT */
/*
 * The policy of a port: checked, made into rules, put in place as a whole; and the order in which its rules are
 * applied to frames. What each rule does is in the files that rules.h names.
 */
#include <errno.h>
#include <stdlib.h>

#include "vswitch/rules.h"

static const struct vswitch_event_ops no_events;

int policies_create(struct vswitch *sw)
{
	struct policies *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	TAILQ_INIT(&all->mirrors);
	all->events = &no_events;
	sw->policies = all;
	return 0;
}

void policies_destroy(struct vswitch *sw)
{
	if (sw->policies)
		guard_scratch_destroy(sw->policies->scratch);
	free(sw->policies);
	sw->policies = NULL;
}

uint64_t policy_now_ns(struct vswitch *sw)
{
	if (!sw->policies->now_ns)
		sw->policies->now_ns = vswitch_now_ns(sw);
	return sw->policies->now_ns;
}

/* Checks. */

static bool check_addresses(const struct vswitch_port_policy *policy, struct vswitch_why *why)
{
	if (policy->num_addresses > VSWITCH_POLICY_ADDRESSES)
		return policy_refuse(why, "num_addresses", "%u are more than %d", policy->num_addresses,
				     VSWITCH_POLICY_ADDRESSES);
	if (policy->num_addresses && !policy->prevent_ip_spoofing)
		return policy_refuse(why, "addresses", "without prevent_ip_spoofing they have no meaning");
	for (unsigned i = 0; i < policy->num_addresses; i++) {
		const struct vswitch_address *a = &policy->addresses[i];
		static const uint8_t none[16];

		if (a->version != 4 && a->version != 6)
			return policy_refuse(why, "addresses", "version %u of the %u. is not 4 or 6", a->version, i + 1);
		if (!memcmp(a->bytes, none, a->version == 4 ? 4 : 16))
			return policy_refuse(why, "addresses", "the %u. is the unspecified address", i + 1);
		if (a->version == 4 ? a->bytes[0] >= 224 : a->bytes[0] == 0xff)
			return policy_refuse(why, "addresses", "the %u. is no station's address", i + 1);
	}
	return true;
}

static bool check_monitor(const struct vswitch_port_policy *policy, struct vswitch_why *why)
{
	if (policy->monitor_mode > VSWITCH_MONITOR_SOURCE)
		return policy_refuse(why, "monitor_mode", "there is no mode %u", policy->monitor_mode);
	if (policy->monitor_direction > VSWITCH_MONITOR_TO_NIC)
		return policy_refuse(why, "monitor_direction", "there is no direction %u", policy->monitor_direction);
	if (policy->monitor_direction && policy->monitor_mode != VSWITCH_MONITOR_SOURCE)
		return policy_refuse(why, "monitor_direction", "only a source has one");
	if (policy->monitor_session && !policy->monitor_mode)
		return policy_refuse(why, "monitor_session", "only a source and a destination have one");
	if (policy->monitor_filter[0] && !policy->monitor_mode)
		return policy_refuse(why, "monitor_filter", "only a source and a destination have one");
	if (!memchr(policy->monitor_filter, '\0', sizeof(policy->monitor_filter)))
		return policy_refuse(why, "monitor_filter", "it has no end");
	return true;
}

static bool check(const struct vswitch_port_policy *policy, struct vswitch_why *why)
{
	if (!vlan_check(&policy->vlan, why) || !check_addresses(policy, why) || !check_monitor(policy, why))
		return false;
	if (policy->bpdu_guard > VSWITCH_BPDU_BLOCK)
		return policy_refuse(why, "bpdu_guard", "there is no guard %u", policy->bpdu_guard);
	if (policy->dynamic_ip_limit > VSWITCH_POLICY_IP_LIMIT)
		return policy_refuse(why, "dynamic_ip_limit", "%u is more than %d", policy->dynamic_ip_limit,
				     VSWITCH_POLICY_IP_LIMIT);
	return true;
}

/* With the policies of the other ports. */
static bool check_others(const struct vswitch *sw, const struct vswitch_port *except,
			 const struct vswitch_port_policy *policy, uint16_t *primary_of, struct vswitch_why *why)
{
	if (!vlan_map(sw, except, policy ? &policy->vlan : NULL, primary_of, why))
		return false;
	if (policy && policy->lldp && sw->lldp && sw->lldp != except)
		return policy_refuse(why, "lldp", "port %s has it", sw->lldp->name);
	return true;
}

int vswitch_policy_check(const struct vswitch *sw, const struct vswitch_port_policy *policy, struct vswitch_why *why)
{
	uint16_t primary_of[VLAN_ID_MASK + 1];
	struct capture_filter *filter = NULL;
	int ret;

	if (!check(policy, why))
		return -EINVAL;
	ret = policy->monitor_filter[0] ? mirror_filter_create(policy->monitor_filter, &filter, why) : 0;
	mirror_filter_destroy(filter);
	if (ret)
		return ret;
	return check_others(sw, NULL, policy, primary_of, why) ? 0 : -EBUSY;
}

/* Making and putting in place. */

static void rules_free(struct port_rules *r)
{
	if (!r)
		return;
	address_table_destroy(r->addresses);
	mirror_destroy(r->mirror);
	mirror_filter_destroy(r->mirror_filter);
	free(r);
}

static bool inspects(const struct vswitch_port_policy *p)
{
	return p->dhcp_guard || p->router_guard || p->bpdu_guard || p->prevent_ip_spoofing || p->dynamic_ip_limit;
}

/* One that the port has already is not compiled again. */
static int filter_create(struct port_rules *r, const struct port_rules *old, struct vswitch_why *why)
{
	if (!r->policy.monitor_filter[0])
		return 0;
	if (!old || strcmp(old->policy.monitor_filter, r->policy.monitor_filter) != 0)
		return mirror_filter_create(r->policy.monitor_filter, &r->mirror_filter, why);
	r->mirror_filter = mirror_filter_copy(old->mirror_filter);
	return r->mirror_filter ? 0 : -ENOMEM;
}

static int rules_create(struct vswitch_port *port, const struct vswitch_port_policy *policy, struct vswitch_why *why,
			struct port_rules **out)
{
	struct policies *all = port->sw->policies;
	struct port_rules *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->policy = *policy;
	r->port = port;
	r->inspects = inspects(policy);
	if (r->inspects && !all->scratch && !(all->scratch = guard_scratch_create()))
		goto no_memory;
	if (policy->dynamic_ip_limit && !(r->addresses = address_table_create(policy->dynamic_ip_limit)))
		goto no_memory;
	if (policy->monitor_mode == VSWITCH_MONITOR_DESTINATION && !(r->mirror = mirror_create()))
		goto no_memory;
	ret = filter_create(r, port->rules, why);
	if (ret) {
		rules_free(r);
		return ret;
	}
	vlan_make_rules(&r->vlan, policy, port->external);
	*out = r;
	return 0;
no_memory:
	rules_free(r);
	return -ENOMEM;
}

/* VLANs move to or from a primary: what was learned under the one that they had is forgotten. */
static void put_map(struct vswitch *sw, const uint16_t *primary_of)
{
	struct policies *all = sw->policies;
	bool any = false;

	for (unsigned id = 1; id <= VSWITCH_VLAN_MAX; id++) {
		uint16_t old = sw->primary_of ? all->primary_of[id] : (uint16_t)id;

		if (primary_of[id] != old)
			fdb_flush_vlan(&sw->fdb, old);
		any |= primary_of[id] != id;
	}
	memcpy(all->primary_of, primary_of, sizeof(all->primary_of));
	sw->primary_of = any ? all->primary_of : NULL;
	fdb_answers_changed(&sw->fdb);
}

static void put_rules(struct vswitch_port *port, struct port_rules *r)
{
	struct policies *all = port->sw->policies;
	struct port_rules *old = port->rules;

	if (old && old->mirror)
		TAILQ_REMOVE(&all->mirrors, old, mirror_link);
	if (r && r->mirror)
		TAILQ_INSERT_TAIL(&all->mirrors, r, mirror_link);
	port->sw->mirrors = !TAILQ_EMPTY(&all->mirrors);
	if (port->sw->lldp == port)
		port->sw->lldp = NULL;
	if (r && r->policy.lldp)
		port->sw->lldp = port;
	port->rules = r;
}

static bool same_vlans(const struct port_rules *a, const struct port_rules *b)
{
	static const struct vswitch_vlan_policy none;
	const struct vswitch_vlan_policy *x = a ? &a->policy.vlan : &none, *y = b ? &b->policy.vlan : &none;

	return !a == !b && x->mode == y->mode && x->access == y->access && x->native == y->native &&
	       x->primary == y->primary && x->secondary == y->secondary &&
	       !memcmp(&x->allowed, &y->allowed, sizeof(x->allowed)) &&
	       !memcmp(&x->pruned, &y->pruned, sizeof(x->pruned)) &&
	       !memcmp(&x->secondaries, &y->secondaries, sizeof(x->secondaries));
}

int vswitch_port_set_policy(struct vswitch_port *port, const struct vswitch_port_policy *policy, struct vswitch_why *why)
{
	struct port_rules *r = NULL, *old = port->rules;
	uint16_t primary_of[VLAN_ID_MASK + 1];
	int ret;

	if (policy && !check(policy, why))
		return -EINVAL;
	if (!check_others(port->sw, port, policy, primary_of, why))
		return -EBUSY;
	if (policy) {
		ret = rules_create(port, policy, why, &r);
		if (ret)
			return ret;
	}
	put_rules(port, r);
	if (!same_vlans(old, r))
		fdb_flush(&port->sw->fdb, &port->learned);
	put_map(port->sw, primary_of);
	rules_free(old);
	vswitch_port_allow_mac_spoofing(port, policy && policy->allow_mac_spoofing);
	team_settle(port->sw);
	return 0;
}

bool vswitch_port_policy(const struct vswitch_port *port, struct vswitch_port_policy *out)
{
	if (port->rules)
		*out = port->rules->policy;
	else
		*out = (struct vswitch_port_policy){ .num_addresses = 0 };
	out->allow_mac_spoofing = port->spoofing;
	return port->rules;
}

bool vswitch_port_blocked(const struct vswitch_port *port)
{
	return port->rules && port->rules->blocked;
}

void policy_update(struct vswitch_port *p)
{
	struct port_rules *r = p->rules;

	if (r) {
		vlan_make_rules(&r->vlan, &r->policy, p->external);
		if (!p->live)
			r->blocked = false;
	}
	team_settle(p->sw);
}

void policy_port_gone(struct vswitch_port *p)
{
	uint16_t primary_of[VLAN_ID_MASK + 1];
	struct port_rules *old = p->rules;

	fdb_del_entries(&p->sw->fdb, &p->learned);
	if (!old)
		return;
	put_rules(p, NULL);
	if (vlan_map(p->sw, NULL, NULL, primary_of, NULL))
		put_map(p->sw, primary_of);
	rules_free(old);
}

/* Steps from a NIC. */

enum vswitch_drop policy_admit(struct vswitch_port *p, struct vswitch_frame *f)
{
	if (p->rules->blocked)
		return VSWITCH_DROP_BPDU_GUARD;
	return vlan_classify(&p->rules->vlan, f);
}

static bool is_lldp(const struct vswitch_frame *f)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(f->head, prefix, sizeof(prefix)) && f->head[5] < 16 && get_be16(f->head + 12) == 0x88cc;
}

enum vswitch_drop policy_link_local(struct vswitch_port *p, const struct vswitch_frame *f)
{
	const struct policies *all = p->sw->policies;

	if (p->rules && p->rules->policy.bpdu_guard && guard_is_bpdu(f)) {
		guard_bpdu_seen(p);
		return VSWITCH_DROP_BPDU_GUARD;
	}
	if (all->events->link_local)
		all->events->link_local(all->events_opaque, p, f);
	if (p->sw->lldp && p->sw->lldp->live && p->external && is_lldp(f))
		return VSWITCH_DROPS;
	return VSWITCH_DROP_LINK_LOCAL;
}

uint32_t policy_guard(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	const struct port_rules *r = p->rules;

	p->sw->policies->now_ns = 0;
	if (r->policy.storm_limit && keep)
		keep = storm_ingress(p, frames, keep);
	if (r->inspects && keep)
		keep = guard_ingress(p, frames, keep);
	return keep;
}

uint32_t policy_accept(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	const struct port_rules *r = p->rules;

	if ((r->policy.prevent_ip_spoofing || r->addresses) && keep)
		keep = guard_addresses(p, frames, keep);
	if (p->sw->mirrors && r->policy.monitor_mode == VSWITCH_MONITOR_SOURCE)
		mirror_from_nic(p, frames, keep);
	return keep;
}

/* Steps to a NIC. */

static bool isolates(const struct vswitch_port *from, const struct vswitch_port *to)
{
	return from->rules && from->rules->policy.isolated && to->rules->policy.isolated;
}

bool policy_reaches(const struct vswitch_port *from, const struct vswitch_port *to, const struct vswitch_frame *f)
{
	return vlan_may_leave(&to->rules->vlan, f) && !to->rules->blocked && !isolates(from, to);
}

uint32_t policy_leave(struct vswitch_port *to, struct vswitch_frame *const *frames, uint32_t keep)
{
	const struct port_rules *r = to->rules;
	const struct vswitch_port *from = NULL;
	enum vswitch_drop reason;

	for (uint32_t left = keep; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		reason = VSWITCH_DROPS;
		if (r->policy.isolated)
			from = port_find(to->sw, frames[i]->source);
		if (r->blocked)
			reason = VSWITCH_DROP_BPDU_GUARD;
		else if (!vlan_may_leave(&r->vlan, frames[i]) && !(r->policy.lldp && is_lldp(frames[i])))
			reason = VSWITCH_DROP_VLAN_OUT;
		else if (from && isolates(from, to))
			reason = VSWITCH_DROP_ISOLATION;
		if (reason == VSWITCH_DROPS)
			continue;
		drop_out(to, frames[i], 1, reason, NULL);
		keep &= ~(1u << i);
	}
	return keep;
}

void policy_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n)
{
	uint8_t flags[VSWITCH_BATCH];
	uint16_t tci[VSWITCH_BATCH];

	if (to->sw->mirrors)
		mirror_to_nic(to, frames, n);
	for (unsigned i = 0; i < n; i++) {
		flags[i] = frames[i]->offload.flags & VSWITCH_VLAN;
		tci[i] = frames[i]->offload.vlan_tci;
		vlan_retag(&to->rules->vlan, frames[i]);
	}
	vswitch_deliver(to, frames, n);
	/* Other receivers are to find the frames as they were, but for conversions that were done for good. */
	for (unsigned i = 0; i < n; i++) {
		struct vswitch_offload *o = &frames[i]->offload;

		o->flags = (uint8_t)((o->flags & ~VSWITCH_VLAN) | flags[i]);
		o->vlan_tci = tci[i];
	}
}

/* The table, by hand. */

static int entry_key(const struct vswitch_port *port, const uint8_t mac[6], uint16_t vlan, uint64_t *key)
{
	uint64_t address = fdb_mac(mac);

	if (mac[0] & 1 || !address || vlan > VSWITCH_VLAN_MAX)
		return -EINVAL;
	*key = fdb_key(vlan, address);
	return port->sw->primary_of && port->sw->primary_of[vlan] != vlan ? -EINVAL : 0;
}

int vswitch_fdb_add(struct vswitch_port *port, const uint8_t mac[6], uint16_t vlan)
{
	uint64_t key;
	int ret = entry_key(port, mac, vlan, &key);

	return ret ? ret : fdb_add_entry(&port->sw->fdb, &port->learned, key);
}

int vswitch_fdb_del(struct vswitch_port *port, const uint8_t mac[6], uint16_t vlan)
{
	return fdb_del_entry(&port->sw->fdb, &port->learned, fdb_key(vlan, fdb_mac(mac)));
}

void vswitch_port_fdb_flush(struct vswitch_port *port)
{
	fdb_flush(&port->sw->fdb, &port->learned);
}

/* The switch. */

static int set_snooping(struct vswitch *sw, bool on)
{
	if (!on)
		snoop_destroy(sw);
	else if (!sw->snoop)
		sw->snoop = snoop_create();
	return on && !sw->snoop ? -ENOMEM : 0;
}

int vswitch_set_options(struct vswitch *sw, const struct vswitch_options *options)
{
	uint32_t ageing_s = options->ageing_s ? options->ageing_s : DEFAULT_AGEING_S;
	uint32_t max = options->max_learned ? options->max_learned : DEFAULT_LEARNED;
	int ret;

	if (ageing_s < MIN_AGEING_S || ageing_s > MAX_AGEING_S || max > LEARNED_MAX)
		return -EINVAL;
	if (max != sw->fdb.max) {
		ret = fdb_resize(&sw->fdb, max);
		if (ret)
			return ret;
	}
	ret = set_snooping(sw, options->multicast_snooping);
	if (ret)
		return ret;
	sw->fdb.ageing_s = ageing_s;
	sw->hub = options->hub;
	return 0;
}

void vswitch_options(const struct vswitch *sw, struct vswitch_options *out)
{
	*out = (struct vswitch_options){
		.hub = sw->hub,
		.ageing_s = sw->fdb.ageing_s,
		.max_learned = sw->fdb.max,
		.multicast_snooping = sw->snoop,
	};
}

void vswitch_set_events(struct vswitch *sw, const struct vswitch_event_ops *ops, void *opaque)
{
	sw->policies->events = ops ? ops : &no_events;
	sw->policies->events_opaque = opaque;
}

void policy_capacity(struct vswitch *sw)
{
	if (sw->policies->events->capacity)
		sw->policies->events->capacity(sw->policies->events_opaque);
}

void policy_flapping(struct vswitch_port *p, const struct fdb_node *n)
{
	const struct policies *all = p->sw->policies;
	uint8_t mac[6];

	if (!all->events->flapping)
		return;
	fdb_mac_bytes(n->key, mac);
	all->events->flapping(all->events_opaque, hv_container_of(n->owner, struct vswitch_port, learned), p, mac,
			      n->is_static ? 0 : (uint16_t)(n->key >> 48));
}
