/* SPDX-License-Identifier: MIT */
/*
 * ACL entries, from outside: validation, addition, deletion, counters. acl_internal.h says where the rest is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/acl_internal.h"

/* Validation. */

static int wrong(struct vswitch_why *why, const char *field, const char *text)
{
	if (why) {
		why->field = field;
		snprintf(why->text, sizeof(why->text), "%s", text);
	}
	return -EINVAL;
}

static int check_direction(enum vswitch_acl_direction d, struct vswitch_why *why)
{
	if (d != VSWITCH_ACL_IN && d != VSWITCH_ACL_OUT)
		return wrong(why, "direction", "an entry has one direction, in or out; for both add two");
	return 0;
}

static unsigned family_bits(enum vswitch_acl_family family)
{
	switch (family) {
	case VSWITCH_ACL_ANY:
		return 0;
	case VSWITCH_ACL_MAC:
		return 48;
	case VSWITCH_ACL_IPV4:
		return 32;
	case VSWITCH_ACL_IPV6:
		return 128;
	}
	return UINT32_MAX;
}

static int check_address(const struct vswitch_acl_address *a, const char *field, struct vswitch_why *why)
{
	unsigned bits = family_bits(a->family);
	char text[sizeof(why->text)];

	if (bits == UINT32_MAX)
		return wrong(why, field, "its family is none of any, MAC, IPv4 and IPv6");
	if (a->prefix_bits <= bits)
		return 0;
	if (!bits)
		return wrong(why, field, "\"any\" has no prefix length");
	snprintf(text, sizeof(text), "a prefix of %u bits is longer than the address, which has %u", a->prefix_bits, bits);
	return wrong(why, field, text);
}

int vswitch_acl_check_simple(const struct vswitch_acl_simple *s, struct vswitch_why *why)
{
	int ret = check_direction(s->direction, why);

	if (!ret)
		ret = check_address(&s->address, "address", why);
	if (ret)
		return ret;
	if (s->action != VSWITCH_ACL_ALLOW && s->action != VSWITCH_ACL_DENY && s->action != VSWITCH_ACL_METER)
		return wrong(why, "action", "none of allow, deny and meter");
	if (s->side != VSWITCH_ACL_LOCAL && s->side != VSWITCH_ACL_REMOTE)
		return wrong(why, "side", "the address is neither the local nor the remote one");
	if (s->action == VSWITCH_ACL_METER && s->address.family == VSWITCH_ACL_MAC)
		return wrong(why, "address", "meter counts IP traffic, by an IPv4 or IPv6 prefix or any");
	return 0;
}

static int check_ports(const struct vswitch_acl_ports *p, const char *field, unsigned protocol, struct vswitch_why *why)
{
	bool any = !p->first && (!p->last || p->last == UINT16_MAX);

	if (p->first > p->last)
		return wrong(why, field, "the range's first port is above its last");
	if (!any && protocol != VSWITCH_ACL_PROTOCOL_ANY && !flow_has_ports((uint8_t)protocol))
		return wrong(why, field, "the protocol has no ports; those of TCP (6), UDP (17), DCCP (33), SCTP (132) and "
			     "UDP-Lite (136) can be told apart");
	return 0;
}

static int check_extended_addresses(const struct vswitch_acl_extended *x, struct vswitch_why *why)
{
	int ret = check_address(&x->local, "local", why);

	if (!ret)
		ret = check_address(&x->remote, "remote", why);
	if (ret)
		return ret;
	if (x->local.family == VSWITCH_ACL_MAC)
		return wrong(why, "local", "MAC addresses belong into simple entries");
	if (x->remote.family == VSWITCH_ACL_MAC)
		return wrong(why, "remote", "MAC addresses belong into simple entries");
	if (x->local.family && x->remote.family && x->local.family != x->remote.family)
		return wrong(why, "remote", "one address is IPv4, the other IPv6: no frame has both");
	return 0;
}

static int check_state(const struct vswitch_acl_extended *x, struct vswitch_why *why)
{
	if (x->stateful && x->action != VSWITCH_ACL_ALLOW)
		return wrong(why, "stateful", "only an entry that allows can be stateful");
	if (x->idle_timeout_s && !x->stateful)
		return wrong(why, "idle_timeout_s", "only a stateful entry has flows that could be idle");
	if (x->idle_timeout_s > VSWITCH_ACL_IDLE_MAX_S)
		return wrong(why, "idle_timeout_s", "more than a week (604800 s)");
	return 0;
}

int vswitch_acl_check_extended(const struct vswitch_acl_extended *x, struct vswitch_why *why)
{
	int ret = check_direction(x->direction, why);

	if (ret)
		return ret;
	if (x->action != VSWITCH_ACL_ALLOW && x->action != VSWITCH_ACL_DENY)
		return wrong(why, "action", "neither allow nor deny; meter is an action of simple entries");
	ret = check_extended_addresses(x, why);
	if (ret)
		return ret;
	if (x->protocol > VSWITCH_ACL_PROTOCOL_ANY)
		return wrong(why, "protocol", "neither a number from 0 to 255 nor any (256)");
	if (!x->weight)
		return wrong(why, "weight", "0 is not one: from 1 to 65535, the highest first");
	if (x->isolation_id > VSWITCH_VLAN_MAX)
		return wrong(why, "isolation_id", "not a VLAN, 1 to 4094, nor 0 for any");
	ret = check_ports(&x->local_ports, "local_ports", x->protocol, why);
	if (!ret)
		ret = check_ports(&x->remote_ports, "remote_ports", x->protocol, why);
	return ret ? ret : check_state(x, why);
}

/* Addition. */

static void clear_behind_prefix(struct vswitch_acl_address *a)
{
	unsigned whole = a->prefix_bits / 8;

	if (a->prefix_bits % 8) {
		a->bytes[whole] &= (uint8_t)(0xff00 >> a->prefix_bits % 8);
		whole++;
	}
	memset(a->bytes + whole, 0, sizeof(a->bytes) - whole);
}

static void normalise(struct acl_entry *e)
{
	struct vswitch_acl_extended *x = &e->pub.extended;

	if (!e->pub.is_extended) {
		clear_behind_prefix(&e->pub.simple.address);
		return;
	}
	clear_behind_prefix(&x->local);
	clear_behind_prefix(&x->remote);
	if (!x->local_ports.last)
		x->local_ports.last = x->local_ports.first ? x->local_ports.last : UINT16_MAX;
	if (!x->remote_ports.last)
		x->remote_ports.last = x->remote_ports.first ? x->remote_ports.last : UINT16_MAX;
	if (x->stateful && !x->idle_timeout_s)
		x->idle_timeout_s = VSWITCH_ACL_IDLE_DEFAULT_S;
	e->idle_ns = x->idle_timeout_s * ACL_NS_PER_S;
}

static struct port_acl *port_acl_create(struct vswitch_port *port)
{
	struct port_acl *acl = calloc(1, sizeof(*acl));

	if (!acl)
		return NULL;
	acl->port = port;
	acl->serial = ++port->sw->acl->last_serial;
	acl->generation = 1;
	acl->flows.limit = VSWITCH_ACL_FLOWS_DEFAULT;
	TAILQ_INIT(&acl->entries);
	return acl;
}

/* What an entry needs beside itself: the table, the port's part, room for flows. */
static int prepare(struct vswitch_port *port, bool stateful)
{
	struct vswitch *sw = port->sw;
	int ret;

	if (!sw->acl) {
		ret = acl_table_create(&sw->acl);
		if (ret)
			return ret;
	}
	if (!port->acl)
		port->acl = port_acl_create(port);
	if (!port->acl)
		return -ENOMEM;
	if (stateful && !port->acl->flows.buckets)
		return acl_flows_init(&port->acl->flows, port->acl->flows.limit);
	return 0;
}

static uint32_t *counter_of(const struct acl_entry *e)
{
	const struct vswitch_acl_simple *s = &e->pub.simple;

	if (e->pub.is_extended)
		return &e->acl->num_extended[acl_direction(e->pub.extended.direction)];
	if (s->address.family == VSWITCH_ACL_MAC)
		return &e->acl->num_mac[acl_direction(s->direction)];
	if (s->action == VSWITCH_ACL_METER)
		return &e->acl->num_meters[acl_direction(s->direction)];
	return &e->acl->num_simple[acl_direction(s->direction)];
}

/* Flows and fragments are looked at anew from now on. */
static void extended_changed(struct port_acl *acl)
{
	acl->generation++;
}

static void refuse(struct vswitch_why *why, uint32_t id)
{
	if (!why)
		return;
	why->field = "address";
	why->entry = id;
	snprintf(why->text, sizeof(why->text), "entry %u is for the same addresses already", id);
}

/* An id that only an entry has whose port was cleared is free. */
static bool is_taken(struct acl_table *t, uint32_t id)
{
	struct acl_entry *e = acl_find_id(t, id);

	if (!e || e->acl->port)
		return e;
	TAILQ_REMOVE(&e->acl->entries, e, link);
	acl_remove(t, e);
	free(e);
	return false;
}

static int choose_id(struct acl_table *t, uint32_t wanted, uint32_t *id, struct vswitch_why *why)
{
	if (t->entries == VSWITCH_ACL_MAX || (!wanted && t->last_id == UINT32_MAX)) {
		wrong(why, "id", "the switch has as many entries as it can");
		return -ENOSPC;
	}
	if (wanted && is_taken(t, wanted)) {
		wrong(why, "id", "another entry has it");
		if (why)
			why->entry = wanted;
		return -EEXIST;
	}
	*id = wanted ? wanted : t->last_id + 1;
	return 0;
}

static void put_in_order(struct acl_table *t, struct acl_entry *e)
{
	TAILQ_INSERT_TAIL(&e->acl->entries, e, link);
	t->entries++;
	e->acl->stats.entries++;
	++*counter_of(e);
	if (t->last_id < e->pub.id)
		t->last_id = e->pub.id;
	if (e->pub.is_extended)
		extended_changed(e->acl);
}

static int add(struct vswitch_port *port, const struct vswitch_acl_entry *what, uint32_t *id, struct vswitch_why *why)
{
	int ret = prepare(port, what->is_extended && what->extended.stateful);
	struct acl_entry *e, *other = NULL;

	if (ret)
		return ret;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->pub = *what;
	e->acl = port->acl;
	normalise(e);
	acl_reap(port->sw->acl, ACL_REAP);
	ret = choose_id(port->sw->acl, *id, &e->pub.id, why);
	if (!ret) {
		ret = acl_insert(port->sw->acl, e, &other);
		if (ret == -EEXIST)
			refuse(why, other->pub.id);
	}
	if (ret) {
		free(e);
		return ret;
	}
	snprintf(e->rule, sizeof(e->rule), "acl %u", e->pub.id);
	put_in_order(port->sw->acl, e);
	*id = e->pub.id;
	return 0;
}

int vswitch_acl_add_simple(struct vswitch_port *port, const struct vswitch_acl_simple *entry, uint32_t *id,
			   struct vswitch_why *why)
{
	struct vswitch_acl_entry e = { .simple = *entry };
	int ret = vswitch_acl_check_simple(entry, why);

	return ret ? ret : add(port, &e, id, why);
}

int vswitch_acl_add_extended(struct vswitch_port *port, const struct vswitch_acl_extended *entry, uint32_t *id,
			     struct vswitch_why *why)
{
	struct vswitch_acl_entry e = { .is_extended = true, .extended = *entry };
	int ret = vswitch_acl_check_extended(entry, why);

	return ret ? ret : add(port, &e, id, why);
}

/* Deletion. */

static void delete_entry(struct acl_entry *e)
{
	struct acl_table *t = e->acl->port->sw->acl;

	TAILQ_REMOVE(&e->acl->entries, e, link);
	t->entries--;
	e->acl->stats.entries--;
	--*counter_of(e);
	if (e->pub.is_extended)
		extended_changed(e->acl);
	acl_remove(t, e);
	free(e);
}

static struct acl_entry *find_entry(const struct vswitch_port *port, uint32_t id)
{
	struct acl_entry *e = port->acl ? acl_find_id(port->sw->acl, id) : NULL;

	return e && e->acl == port->acl ? e : NULL;
}

int vswitch_acl_delete(struct vswitch_port *port, uint32_t id)
{
	struct acl_entry *e = find_entry(port, id);

	if (!e)
		return -ENOENT;
	delete_entry(e);
	return 0;
}

/* From here on the port has none of it; taking the entries apart is left to later batches. */
static void let_die(struct port_acl *acl)
{
	struct acl_table *t = acl->port->sw->acl;

	acl_flows_free(acl);
	t->entries -= acl->stats.entries;
	acl->port->acl = NULL;
	acl->port = NULL;
	STAILQ_INSERT_TAIL(&t->dying, acl, link);
}

void vswitch_acl_clear(struct vswitch_port *port)
{
	struct port_acl *old = port->acl, *fresh;

	if (!old)
		return;
	fresh = port_acl_create(port);
	acl_flows_free(old);
	if (fresh) {
		fresh->stats = old->stats;
		fresh->stats.entries = 0;
		fresh->flows.limit = old->flows.limit;
		let_die(old);
		port->acl = fresh;
		return;
	}
	while (!TAILQ_EMPTY(&old->entries))	/* no memory: at once, then */
		delete_entry(TAILQ_FIRST(&old->entries));
}

void acl_port_gone(struct vswitch_port *port)
{
	if (port->acl)
		let_die(port->acl);
}

/* Looking at them. */

int vswitch_acl_get(const struct vswitch_port *port, uint32_t id, struct vswitch_acl_entry *out)
{
	struct acl_entry *e = find_entry(port, id);

	if (!e)
		return -ENOENT;
	acl_flows_of(e);
	*out = e->pub;
	return 0;
}

const struct vswitch_acl_entry *vswitch_acl_next(const struct vswitch_port *port, const struct vswitch_acl_entry *prev)
{
	struct acl_entry *e;

	if (!port->acl)
		return NULL;
	e = prev ? TAILQ_NEXT(hv_container_of(prev, struct acl_entry, pub), link) : TAILQ_FIRST(&port->acl->entries);
	if (!e)
		return NULL;
	acl_flows_of(e);
	return &e->pub;
}

void vswitch_acl_stats(const struct vswitch_port *port, struct vswitch_acl_stats *out)
{
	*out = (struct vswitch_acl_stats){ .flow_limit = VSWITCH_ACL_FLOWS_DEFAULT };
	if (!port->acl)
		return;
	*out = port->acl->stats;
	out->flows = port->acl->flows.count;
	out->flow_limit = port->acl->flows.limit;
}

int vswitch_acl_set_flow_limit(struct vswitch_port *port, uint32_t limit)
{
	int ret;

	if (limit < VSWITCH_ACL_FLOWS_MIN || limit > VSWITCH_ACL_FLOWS_MAX)
		return -EINVAL;
	if (port->acl && port->acl->flows.count)
		return -EBUSY;
	ret = prepare(port, false);
	if (ret)
		return ret;
	if (port->acl->flows.buckets)
		return acl_flows_resize(port->acl, limit);
	port->acl->flows.limit = limit;
	return 0;
}
