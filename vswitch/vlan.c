/* SPDX-License-Identifier: MIT */
/*
 * VLANs of ports. Inside the switch a frame looks as a trunk with native VLAN 0 shows it: vlan is the one that it is in, and there is
 * a tag in the metadata if that is not 0 or the frame has a priority. A port without policy gets it like that; for any
 * other the tag is set anew when the frame is its turn, and set back after it.
 *
 * A private VLAN's frames keep the id that they entered with (the secondary, from isolated and community ports), as the network
 * outside expects. So who hears whom is only a matter of which ids a port carries; what is common to all of them is the
 * table: addresses are learned under the primary.
 */
#include <stdarg.h>
#include <stdio.h>

#include "vswitch/rules.h"

enum {
	ETHERTYPE_VLAN = 0x8100,
	PRIORITY_MASK = 0xf000,		/* with the DEI */
};

bool policy_refuse(struct vswitch_why *why, const char *field, const char *format, ...)
{
	va_list args;

	if (!why)
		return false;
	why->field = field;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return false;
}

/* What may be set. */

static bool is_empty(const struct vswitch_vlan_set *set)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < 64; i++)
		any |= set->bits[i];
	return !any;
}

static bool only_vlans(const struct vswitch_vlan_set *set)
{
	return !vswitch_vlan_set_has(set, 0) && !vswitch_vlan_set_has(set, VLAN_ID_RESERVED);
}

static bool is_vlan(unsigned id)
{
	return id >= 1 && id <= VSWITCH_VLAN_MAX;
}

static bool is_private(enum vswitch_vlan_mode mode)
{
	return mode == VSWITCH_VLAN_ISOLATED || mode == VSWITCH_VLAN_COMMUNITY || mode == VSWITCH_VLAN_PROMISCUOUS;
}

static bool check_trunk(const struct vswitch_vlan_policy *v, struct vswitch_why *why)
{
	if (is_empty(&v->allowed))
		return policy_refuse(why, "vlan.allowed", "a trunk needs at least one VLAN");
	if (!only_vlans(&v->allowed))
		return policy_refuse(why, "vlan.allowed", "VLANs are 1 to %d", VSWITCH_VLAN_MAX);
	if (!only_vlans(&v->pruned))
		return policy_refuse(why, "vlan.pruned", "VLANs are 1 to %d", VSWITCH_VLAN_MAX);
	if (v->native > VSWITCH_VLAN_MAX)
		return policy_refuse(why, "vlan.native", "%u is not 0 to %d", v->native, VSWITCH_VLAN_MAX);
	if (vswitch_vlan_set_has(&v->pruned, v->native))
		return policy_refuse(why, "vlan.native", "%u is pruned", v->native);
	return true;
}

static bool check_private(const struct vswitch_vlan_policy *v, struct vswitch_why *why)
{
	if (!is_vlan(v->primary))
		return policy_refuse(why, "vlan.primary", "%u is not 1 to %d", v->primary, VSWITCH_VLAN_MAX);
	if (v->mode != VSWITCH_VLAN_PROMISCUOUS) {
		if (!is_vlan(v->secondary))
			return policy_refuse(why, "vlan.secondary", "%u is not 1 to %d", v->secondary, VSWITCH_VLAN_MAX);
		if (v->secondary == v->primary)
			return policy_refuse(why, "vlan.secondary", "%u is the primary", v->secondary);
		return true;
	}
	if (!only_vlans(&v->secondaries))
		return policy_refuse(why, "vlan.secondaries", "VLANs are 1 to %d", VSWITCH_VLAN_MAX);
	if (vswitch_vlan_set_has(&v->secondaries, v->primary))
		return policy_refuse(why, "vlan.secondaries", "%u is the primary", v->primary);
	return true;
}

/* The first field that belongs to another mode; NULL: none. */
static const char *foreign_field(const struct vswitch_vlan_policy *v)
{
	bool trunk = v->mode == VSWITCH_VLAN_TRUNK, promiscuous = v->mode == VSWITCH_VLAN_PROMISCUOUS;

	if (v->access && v->mode != VSWITCH_VLAN_ACCESS)
		return "vlan.access";
	if (v->native && !trunk)
		return "vlan.native";
	if (!is_empty(&v->allowed) && !trunk)
		return "vlan.allowed";
	if (!is_empty(&v->pruned) && !trunk)
		return "vlan.pruned";
	if (v->primary && !is_private(v->mode))
		return "vlan.primary";
	if (v->secondary && (!is_private(v->mode) || promiscuous))
		return "vlan.secondary";
	if (!is_empty(&v->secondaries) && !promiscuous)
		return "vlan.secondaries";
	return NULL;
}

bool vlan_check(const struct vswitch_vlan_policy *v, struct vswitch_why *why)
{
	const char *foreign;

	if (v->mode > VSWITCH_VLAN_PROMISCUOUS)
		return policy_refuse(why, "vlan.mode", "there is no mode %u", v->mode);
	foreign = foreign_field(v);
	if (foreign)
		return policy_refuse(why, foreign, "does not belong to this mode");
	if (v->mode == VSWITCH_VLAN_ACCESS && !is_vlan(v->access))
		return policy_refuse(why, "vlan.access", "%u is not 1 to %d", v->access, VSWITCH_VLAN_MAX);
	if (v->mode == VSWITCH_VLAN_TRUNK)
		return check_trunk(v, why);
	return !is_private(v->mode) || check_private(v, why);
}

/* Whose secondary is which. */

static bool map_pair(uint16_t *primary_of, uint64_t *primaries, unsigned primary, unsigned secondary,
		     struct vswitch_why *why)
{
	if (primary_of[secondary] != secondary && primary_of[secondary] != primary)
		return policy_refuse(why, "vlan.secondary", "%u is a secondary of %u on another port", secondary,
				     primary_of[secondary]);
	if (primaries[secondary / 64] >> secondary % 64 & 1)
		return policy_refuse(why, "vlan.secondary", "%u is a primary on another port", secondary);
	if (primary_of[primary] != primary)
		return policy_refuse(why, "vlan.primary", "%u is a secondary on another port", primary);
	primary_of[secondary] = (uint16_t)primary;
	primaries[primary / 64] |= 1ull << primary % 64;
	return true;
}

static bool map_policy(uint16_t *primary_of, uint64_t *primaries, const struct vswitch_vlan_policy *v,
		       struct vswitch_why *why)
{
	if (!is_private(v->mode))
		return true;
	if (v->mode != VSWITCH_VLAN_PROMISCUOUS)
		return map_pair(primary_of, primaries, v->primary, v->secondary, why);
	for (unsigned id = 1; id <= VSWITCH_VLAN_MAX; id++)
		if (vswitch_vlan_set_has(&v->secondaries, id) && !map_pair(primary_of, primaries, v->primary, id, why))
			return false;
	return true;
}

bool vlan_map(const struct vswitch *sw, const struct vswitch_port *except, const struct vswitch_vlan_policy *extra,
	      uint16_t *primary_of, struct vswitch_why *why)
{
	uint64_t primaries[64] = { 0 };
	const struct vswitch_port *p;

	for (unsigned id = 0; id <= VLAN_ID_MASK; id++)
		primary_of[id] = (uint16_t)id;
	TAILQ_FOREACH(p, &sw->ports, link)
		if (p != except && p->rules && !map_policy(primary_of, primaries, &p->rules->policy.vlan, why))
			return false;
	return !extra || map_policy(primary_of, primaries, extra, why);
}

/* Rules. */

static void add_all(struct vswitch_vlan_set *set, const struct vswitch_vlan_set *other)
{
	for (unsigned i = 0; i < 64; i++)
		set->bits[i] |= other->bits[i];
}

static void make_trunk(struct vlan_rules *r, const struct vswitch_vlan_policy *v)
{
	r->tags = true;
	r->native = v->native;
	for (unsigned i = 0; i < 64; i++)
		r->accepts.bits[i] = v->allowed.bits[i] & ~v->pruned.bits[i];
	r->carries = r->accepts;
}

/* What an external NIC has unless it is told otherwise: all VLANs. */
static void make_open(struct vlan_rules *r)
{
	r->tags = true;
	for (unsigned id = 1; id <= VSWITCH_VLAN_MAX; id++)
		vswitch_vlan_set_add(&r->accepts, id);
	r->carries = r->accepts;
}

void vlan_make_rules(struct vlan_rules *r, const struct vswitch_port_policy *policy, bool external)
{
	const struct vswitch_vlan_policy *v = &policy->vlan;

	*r = (struct vlan_rules){ .keeps_priority = policy->allow_priority_tag || external };
	switch (v->mode) {
	case VSWITCH_VLAN_UNTAGGED:
		if (external)
			make_open(r);
		break;
	case VSWITCH_VLAN_ACCESS:
		r->native = v->access;
		break;
	case VSWITCH_VLAN_TRUNK:
		make_trunk(r, v);
		break;
	case VSWITCH_VLAN_ISOLATED:
	case VSWITCH_VLAN_COMMUNITY:
		r->native = v->secondary;
		vswitch_vlan_set_add(&r->carries, v->primary);
		break;
	case VSWITCH_VLAN_PROMISCUOUS:
		r->native = v->primary;
		add_all(&r->carries, &v->secondaries);
		break;
	}
	/* A port hears the VLAN that it speaks in, and may say so in a tag. */
	if (v->mode != VSWITCH_VLAN_ISOLATED)
		vswitch_vlan_set_add(&r->carries, r->native);
	if (!r->tags && r->native)
		vswitch_vlan_set_add(&r->accepts, r->native);
}

/* Frames. */

static bool is_service_tag(uint16_t type)
{
	return type == 0x88a8 || type == 0x9100 || type == 0x9200;	/* 802.1ad, and what came before it */
}

/* Whether a frame may be without the tag that we know of: what follows in the bytes must not be one, too. */
static bool may_be_bare(const struct vlan_rules *r, const struct vswitch_frame *f)
{
	uint16_t type = get_be16(f->head + 12);

	return type != ETHERTYPE_VLAN && (r->tags || !is_service_tag(type));
}

static void set_tag(struct vswitch_frame *f, uint16_t tci)
{
	f->offload.vlan_tci = tci;
	if (tci)
		f->offload.flags |= VSWITCH_VLAN;
	else
		f->offload.flags &= (uint8_t)~VSWITCH_VLAN;
}

static uint16_t priority_of(const struct vlan_rules *r, const struct vswitch_frame *f)
{
	return r->keeps_priority && f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci & PRIORITY_MASK : 0;
}

enum vswitch_drop vlan_classify(const struct vlan_rules *r, struct vswitch_frame *f)
{
	uint16_t id = f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci & VLAN_ID_MASK : 0;

	if (id && !vswitch_vlan_set_has(&r->accepts, id))
		return VSWITCH_DROP_VLAN_IN;
	if (!id)
		id = r->native;
	if ((id == r->native || !r->tags) && !may_be_bare(r, f))
		return VSWITCH_DROP_VLAN_IN;
	f->vlan = id;
	set_tag(f, priority_of(r, f) | id);
	return VSWITCH_DROPS;
}

static bool shows_tag(const struct vlan_rules *r, const struct vswitch_frame *f)
{
	return (r->tags && f->vlan != r->native) || (f->vlan && f->preserve & VSWITCH_PRESERVE_VLAN);
}

bool vlan_may_leave(const struct vlan_rules *r, const struct vswitch_frame *f)
{
	return vswitch_vlan_set_has(&r->carries, f->vlan) && (shows_tag(r, f) || may_be_bare(r, f));
}

void vlan_retag(const struct vlan_rules *r, struct vswitch_frame *f)
{
	uint16_t tci = shows_tag(r, f) ? f->vlan : 0;

	if (r->keeps_priority || f->preserve & VSWITCH_PRESERVE_PRIORITY)
		tci |= f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci & PRIORITY_MASK : 0;
	set_tag(f, tci);
}
