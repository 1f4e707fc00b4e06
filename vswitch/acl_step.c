/* SPDX-License-Identifier: MIT */
/*
 * A batch's frames through the lists of a port: the order is that of acl.h.
 */
#include "vswitch/acl_internal.h"

/* What is asked about one frame, and the answer. */
struct question {
	struct port_acl *acl;
	const struct acl_table *table;
	enum vswitch_acl_direction d;
	uint64_t now_ns;
	struct vswitch_frame *frame;
	struct flow flow;		/* valid from the IP lists on */
	const char *rule;		/* of what denied it */
};

static enum vswitch_drop denied(const struct question *q)
{
	return q->d == VSWITCH_ACL_IN ? VSWITCH_DROP_ACL_IN : VSWITCH_DROP_ACL_OUT;
}

static void count(struct acl_entry *e, const struct vswitch_frame *f)
{
	e->pub.frames++;
	e->pub.bytes += f->len;
}

/* VSWITCH_DROPS: the frame may pass, here and below. */
static enum vswitch_drop by_entry(struct question *q, struct acl_entry *e, enum vswitch_acl_action action)
{
	count(e, q->frame);
	if (action == VSWITCH_ACL_ALLOW)
		return VSWITCH_DROPS;
	q->rule = e->rule;
	return denied(q);
}

static enum vswitch_drop by_list(struct question *q, enum acl_list list, const uint8_t *source, const uint8_t *destination)
{
	const uint8_t *const addresses[ACL_SIDES] = {
		q->d == VSWITCH_ACL_OUT ? source : destination,
		q->d == VSWITCH_ACL_OUT ? destination : source,
	};
	struct acl_entry *found[2];

	if (!acl_match_simple(q->table, q->acl, q->d, list, addresses, found))
		return VSWITCH_DROPS;
	return by_entry(q, found[0], found[0]->pub.simple.action);
}

static enum vswitch_drop by_later_fragment(struct question *q)
{
	const struct acl_fragment *first = acl_fragment_find(q->acl, q->d, &q->flow, q->frame->vlan, q->now_ns);
	struct acl_entry *e;
	bool hidden;

	if (first) {
		if (q->flow.fragment_offset < first->first_bytes)
			return VSWITCH_DROP_FRAGMENT;
		if (first->allowed)
			return VSWITCH_DROPS;
		q->rule = first->entry ? first->entry->rule : NULL;
		return denied(q);
	}
	e = acl_match_extended(q->table, q->acl, q->d, &q->flow, q->frame->vlan, &hidden);
	if (hidden || q->flow.protocol_hidden)
		return VSWITCH_DROP_FRAGMENT;
	if (!e)
		return VSWITCH_DROPS;
	/* A segment of which nobody knows whether it opens anything. */
	if (e->pub.extended.stateful && q->flow.protocol == FLOW_TCP)
		return VSWITCH_DROP_FRAGMENT;
	return by_entry(q, e, e->pub.extended.action);
}

/* An error about a packet of a flow passes as the flow does. */
static bool is_related(struct question *q, struct acl_entry **entry)
{
	struct flow quoted;

	if (!q->flow.is_error || !q->acl->flows.buckets)
		return false;
	if (flow_quoted_by_frame(q->table->pins, q->frame, &quoted) == FLOW_IP &&
	    acl_flow_relates(q->acl, q->d, &q->flow, &quoted, q->frame->vlan, q->now_ns, entry)) {
		q->acl->stats.errors_related++;
		return true;
	}
	q->acl->stats.errors_unrelated++;
	return false;
}

static enum vswitch_drop by_entries(struct question *q, struct acl_entry **decided)
{
	const uint16_t vlan = q->frame->vlan;
	enum vswitch_drop reason;
	struct acl_entry *e;
	bool hidden;

	if (acl_flow_passes(q->acl, q->d, &q->flow, vlan, q->now_ns, decided) || is_related(q, decided)) {
		count(*decided, q->frame);
		return VSWITCH_DROPS;
	}
	e = acl_match_extended(q->table, q->acl, q->d, &q->flow, vlan, &hidden);
	if (!e)
		return VSWITCH_DROPS;
	*decided = e;
	reason = by_entry(q, e, e->pub.extended.action);
	if (reason == VSWITCH_DROPS && e->pub.extended.stateful &&
	    !acl_flow_open(q->acl, e, q->d, &q->flow, vlan, q->now_ns)) {
		q->rule = e->rule;
		return denied(q);
	}
	return reason;
}

static enum vswitch_drop by_extended(struct question *q)
{
	struct acl_entry *e = NULL;
	enum vswitch_drop reason;

	if (q->flow.fragment == FLOW_LATER)
		return by_later_fragment(q);
	reason = by_entries(q, &e);
	if (q->flow.fragment == FLOW_FIRST)
		acl_fragment_remember(q->acl, q->d, &q->flow, q->frame->vlan, q->now_ns, reason == VSWITCH_DROPS, e);
	return reason;
}

static void meter(struct question *q)
{
	bool out = q->d == VSWITCH_ACL_OUT;
	const uint8_t *const addresses[ACL_SIDES] = {
		out ? q->flow.source : q->flow.destination,
		out ? q->flow.destination : q->flow.source,
	};
	struct acl_entry *found[2];
	unsigned n;

	n = acl_match_simple(q->table, q->acl, q->d, q->flow.version == 4 ? ACL_LIST_METER4 : ACL_LIST_METER6, addresses,
			     found);
	for (unsigned i = 0; i < n; i++)
		count(found[i], q->frame);
}

static enum vswitch_drop by_ip(struct question *q)
{
	unsigned d = acl_direction(q->d);
	enum vswitch_drop reason = VSWITCH_DROPS;

	switch (flow_of_frame(q->table->pins, q->frame, &q->flow)) {
	case FLOW_NOT_IP:
		return VSWITCH_DROPS;
	case FLOW_SHORT:
	case FLOW_BAD:
		return VSWITCH_DROP_BAD_HEADERS;
	case FLOW_BAD_FRAGMENT:
		if (q->acl->num_extended[d])
			return VSWITCH_DROP_FRAGMENT;
		break;
	case FLOW_IP:
		break;
	}
	if (q->acl->num_simple[d])
		reason = by_list(q, q->flow.version == 4 ? ACL_LIST_DECIDE4 : ACL_LIST_DECIDE6, q->flow.source,
				 q->flow.destination);
	if (reason == VSWITCH_DROPS && q->acl->num_extended[d])
		reason = by_extended(q);
	if (reason == VSWITCH_DROPS && q->acl->num_meters[d])
		meter(q);
	return reason;
}

static enum vswitch_drop ask(struct question *q)
{
	unsigned d = acl_direction(q->d);
	enum vswitch_drop reason = VSWITCH_DROPS;

	if (q->acl->num_mac[d])
		reason = by_list(q, ACL_LIST_MAC, q->frame->head + 6, q->frame->head);
	if (reason == VSWITCH_DROPS && (q->acl->num_simple[d] || q->acl->num_meters[d] || q->acl->num_extended[d]))
		reason = by_ip(q);
	return reason;
}

static void drop(struct vswitch_port *port, enum vswitch_acl_direction d, const struct vswitch_frame *f, enum vswitch_drop reason,
		 const char *rule)
{
	if (d == VSWITCH_ACL_OUT)
		drop_in(port, f, reason, rule);
	else
		drop_out(port, f, 1, reason, rule);
}

static uint32_t ask_all(struct vswitch_port *port, enum vswitch_acl_direction d, struct vswitch_frame *const *frames, uint32_t keep)
{
	struct question q = {
		.acl = port->acl,
		.table = port->sw->acl,
		.d = d,
		.now_ns = port->acl->num_extended[acl_direction(d)] ? vswitch_now_ns(port->sw) : 0,
	};
	enum vswitch_drop reason;
	unsigned i;

	for (uint32_t left = keep; left; left &= left - 1) {
		i = (unsigned)__builtin_ctz(left);
		q.frame = frames[i];
		q.rule = NULL;
		reason = ask(&q);
		if (reason == VSWITCH_DROPS)
			continue;
		keep &= ~(1u << i);
		drop(port, d, frames[i], reason, q.rule);
	}
	return keep;
}

uint32_t acl_ingress(struct vswitch_port *from, struct vswitch_frame *const *frames, uint32_t keep)
{
	return ask_all(from, VSWITCH_ACL_OUT, frames, keep);
}

uint32_t acl_egress(struct vswitch_port *to, struct vswitch_frame *const *frames, uint32_t keep)
{
	return ask_all(to, VSWITCH_ACL_IN, frames, keep);
}

void acl_batch_begins(struct vswitch *sw)
{
	flow_pins_reset(sw->acl->pins);
	if (!STAILQ_EMPTY(&sw->acl->dying))
		acl_reap(sw->acl, ACL_REAP);
}
