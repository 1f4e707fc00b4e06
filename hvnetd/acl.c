/* SPDX-License-Identifier: MIT */
/*
 * ACLs of ports: from configurations to what the switch takes.
 *
 * A port's list is made another one in pieces, between which frames pass; the order sees to it that none is let through meanwhile
 * that neither list lets through. Of two lists that are mixed, the entry that decides is the one that decides in one of them, for
 * it is the longest prefix or the highest weight of both. So first what denies is added, then the rest; then what allows is taken
 * out, then the rest. Where an old entry stands in the place of a new one (same addresses, or the same id) it goes in the moment
 * in which the new one comes.
 *
 * Every piece looks at what the switch has, so that a way that was left half done can be gone again, in either direction.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "hvnetd/policy.h"

enum {			/* our policy: of one piece, 100 us or so */
	PIECE = 4096,		/* times what it costs to see that an entry is in both lists */
	COST_LOOK = 8,
	COST_CHECK = 32,
	COST_CHANGE = 64,
	IN_THE_WAY_MAX = 3,	/* an entry for any address takes the places of two */
};

/* ---- entries ---- */

static int parse_address(const char *text, struct vswitch_acl_address *a, struct rpc_error *err)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	const bool six = strchr(text, ':');

	snprintf(address, sizeof(address), "%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
	a->family = six ? VSWITCH_ACL_IPV6 : VSWITCH_ACL_IPV4;
	a->prefix_bits = slash ? (uint8_t)strtoul(slash + 1, NULL, 10) : six ? 128 : 32;
	if (inet_pton(six ? AF_INET6 : AF_INET, address, a->bytes) != 1)
		return rpc_fail(err, RPC_INVALID_PARAMS, "acl", "\"%s\" is no IP prefix", text);
	return 0;
}

static int parse_mac_prefix(const char *text, struct vswitch_acl_address *a, struct rpc_error *err)
{
	a->family = VSWITCH_ACL_MAC;
	a->prefix_bits = 48;
	return mac_parse(text, a->bytes) ? 0 : rpc_fail(err, RPC_INVALID_PARAMS, "acl", "\"%s\" is no MAC address", text);
}

static int parse_ports(const char *text, struct vswitch_acl_ports *p, struct rpc_error *err)
{
	unsigned long first, last;
	char *end;

	if (!text)
		return 0;
	first = last = strtoul(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		last = strtoul(end + 1, &end, 10);
	if (*text < '0' || *text > '9' || *end || first > last || last > 65535 || !first)
		return rpc_fail(err, RPC_INVALID_PARAMS, "local_port", "\"%s\" is no port nor range of ports, like 80 or 1024-65535",
				text);
	*p = (struct vswitch_acl_ports){ (uint16_t)first, (uint16_t)last };
	return 0;
}

static int parse_protocol(const char *text, uint16_t *protocol, struct rpc_error *err)
{
	static const struct {
		const char *name;
		uint16_t number;
	} known[] = { { "any", VSWITCH_ACL_PROTOCOL_ANY }, { "icmp", 1 }, { "tcp", 6 }, { "udp", 17 }, { "icmp6", 58 },
		      { "sctp", 132 } };
	unsigned long n;
	char *end;

	*protocol = VSWITCH_ACL_PROTOCOL_ANY;
	if (!text)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, text)) {
			*protocol = known[i].number;
			return 0;
		}
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n > 255)
		return rpc_fail(err, RPC_INVALID_PARAMS, "protocol", "\"%s\" is no protocol: known are any, tcp, udp, icmp, icmp6, "
				"sctp and numbers up to 255", text);
	*protocol = (uint16_t)n;
	return 0;
}

/* What makes an entry an extended one. */
static bool is_extended(const json_t *e)
{
	static const char *const members[] = { "protocol", "local_port", "remote_port", "weight", "stateful", "timeout_s", "vlan" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_object_get(e, members[i]))
			return true;
	return string(e, "local") && string(e, "remote");
}

static enum vswitch_acl_direction direction_of(const json_t *e)
{
	return !strcmp(string(e, "direction"), "out") ? VSWITCH_ACL_OUT : VSWITCH_ACL_IN;
}

static enum vswitch_acl_action action_of(const json_t *e)
{
	static const char *const names[] = { "", "allow", "deny", "meter", NULL };

	return (enum vswitch_acl_action)api_index(names, string(e, "action"));
}

static int parse_extended(const json_t *e, struct vswitch_acl_extended *x, struct rpc_error *err)
{
	*x = (struct vswitch_acl_extended){
		.direction = direction_of(e), .action = action_of(e), .weight = (uint16_t)number(e, "weight"),
		.stateful = is_true(e, "stateful"), .idle_timeout_s = (uint32_t)number(e, "timeout_s"),
		.isolation_id = (uint16_t)number(e, "vlan"),
	};
	if (!x->weight)
		x->weight = 1;
	if (string(e, "local_mac") || string(e, "remote_mac")) {
		rpc_fail(err, RPC_INCOMPATIBLE, "local_mac", "MAC addresses go with simple entries only");
		return rpc_detail(err, "other", "weight, protocol, ports or stateful");
	}
	if (string(e, "local") && parse_address(string(e, "local"), &x->local, err))
		return -1;
	if (string(e, "remote") && parse_address(string(e, "remote"), &x->remote, err))
		return -1;
	return parse_ports(string(e, "local_port"), &x->local_ports, err) ||
	       parse_ports(string(e, "remote_port"), &x->remote_ports, err) ||
	       parse_protocol(string(e, "protocol"), &x->protocol, err) ? -1 : 0;
}

static int parse_simple(const json_t *e, struct vswitch_acl_simple *s, struct rpc_error *err)
{
	static const char *const members[] = { "local", "remote", "local_mac", "remote_mac" };
	unsigned found = 0;

	*s = (struct vswitch_acl_simple){ .direction = direction_of(e), .action = action_of(e), .side = VSWITCH_ACL_REMOTE };
	for (unsigned i = 0; i < 4; i++) {
		const char *text = string(e, members[i]);

		if (!text)
			continue;
		found++;
		s->side = i % 2 ? VSWITCH_ACL_REMOTE : VSWITCH_ACL_LOCAL;
		if (i < 2 ? parse_address(text, &s->address, err) : parse_mac_prefix(text, &s->address, err))
			return -1;
	}
	if (found > 1)
		return rpc_fail(err, RPC_INCOMPATIBLE, "local_mac", "a simple entry has one address; give \"weight\" for an "
				"extended one");
	return 0;
}

static int check_entry(const json_t *e, struct rpc_error *err)
{
	struct vswitch_acl_extended x;
	struct vswitch_acl_simple s;
	struct vswitch_why why = { 0 };
	int ret;

	if (is_extended(e)) {
		if (parse_extended(e, &x, err))
			return -1;
		ret = vswitch_acl_check_extended(&x, &why);
	} else {
		if (parse_simple(e, &s, err))
			return -1;
		ret = vswitch_acl_check_simple(&s, &why);
	}
	return ret ? policy_fail(NULL, ret, &why, "acl", err) : 0;
}

static int try_entry(struct vswitch_port *port, const json_t *e, struct vswitch_why *why, struct rpc_error *err)
{
	uint32_t id = (uint32_t)number(e, "id");
	struct vswitch_acl_extended x;
	struct vswitch_acl_simple s;

	if (is_extended(e))
		return parse_extended(e, &x, err) ? -EPROTO : vswitch_acl_add_extended(port, &x, &id, why);
	return parse_simple(e, &s, err) ? -EPROTO : vswitch_acl_add_simple(port, &s, &id, why);
}

static uint32_t id_at(const json_t *list, size_t i)
{
	return (uint32_t)number(json_array_get(list, i), "id");
}

/* Where the entry is; the list's length: nowhere. */
static size_t index_of(const json_t *list, uint32_t id)
{
	size_t low = 0, high = json_array_size(list);

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (id_at(list, middle) < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < json_array_size(list) && id_at(list, low) == id ? low : json_array_size(list);
}

/* Whether what has the id now is not to stay: it is in no list that is to be, or another one there, whose turn comes yet. */
static bool may_go(const struct acl_walk *w, const json_t *to, const json_t *from, uint32_t id)
{
	const size_t at = index_of(to, id), old = index_of(from, id);
	const json_t *e = json_array_get(to, at);
	enum acl_stage stage;

	if (!e)
		return true;
	stage = action_of(e) == VSWITCH_ACL_DENY ? ACL_ADD_DENIALS : ACL_ADD_REST;
	if (stage < w->stage || (stage == w->stage && at < w->i))
		return false;
	return !json_equal(e, json_array_get(from, old));
}

/* The entry whose turn it is, in place of those that are not to stay. */
static int put_entry(struct vswitch_port *port, const struct acl_walk *w, const json_t *to, const json_t *from, struct rpc_error *err)
{
	const json_t *e = json_array_get(to, w->i);
	struct vswitch_why why = { 0 };
	int ret;

	for (int i = 0; i < IN_THE_WAY_MAX; i++) {
		why.entry = 0;
		ret = try_entry(port, e, &why, err);
		if (ret != -EEXIST || !why.entry || !may_go(w, to, from, why.entry) || vswitch_acl_delete(port, why.entry))
			break;
	}
	if (ret == -EPROTO)
		return -1;
	return ret ? policy_fail(vswitch_port_switch(port), ret, &why, "acl", err) : 0;
}

/* ---- from one list to another ---- */

static bool is_of_stage(const json_t *e, enum acl_stage stage)
{
	switch (stage) {
	case ACL_ADD_DENIALS:
		return action_of(e) == VSWITCH_ACL_DENY;
	case ACL_ADD_REST:
		return action_of(e) != VSWITCH_ACL_DENY;
	case ACL_DELETE_PERMITS:
		return action_of(e) == VSWITCH_ACL_ALLOW;
	case ACL_DELETE_REST:
		return action_of(e) != VSWITCH_ACL_ALLOW;
	case ACL_BEGIN:
	case ACL_END:
		break;
	}
	return false;
}

/* The entry of other with the same id, or NULL; w->j goes along. */
static const json_t *other_of(struct acl_walk *w, const json_t *other, uint32_t id)
{
	while (w->j < json_array_size(other) && id_at(other, w->j) < id)
		w->j++;
	return w->j < json_array_size(other) && id_at(other, w->j) == id ? json_array_get(other, w->j) : NULL;
}

/* The next entry of the list is in the other one, too, and no more has to be known. */
static bool is_in_both(struct acl_walk *w, const json_t *list, const json_t *other)
{
	if (w->j >= json_array_size(other) || json_array_get(other, w->j) != json_array_get(list, w->i))
		return false;
	w->j++;
	return true;
}

/* One entry of the list that is to be. Its cost in *cost. */
static int look_at_new(struct vswitch_port *port, struct acl_walk *w, const json_t *to, const json_t *from, unsigned *cost,
		       struct rpc_error *err)
{
	const json_t *e = json_array_get(to, w->i), *old;
	struct vswitch_acl_entry live;
	uint32_t id;

	*cost = 1;
	if (is_in_both(w, to, from))
		return 0;
	*cost = COST_LOOK;
	if (!is_of_stage(e, w->stage))
		return 0;
	id = id_at(to, w->i);
	old = other_of(w, from, id);
	if (old && json_equal(old, e))
		return 0;
	*cost = COST_CHANGE;
	if (!vswitch_acl_get(port, id, &live)) {
		if (!old)
			return 0;
		if (vswitch_acl_delete(port, id))	/* another one, of the same id */
			return rpc_fail(err, RPC_INTERNAL, "acl", "entry %u cannot be changed", id);
	}
	return put_entry(port, w, to, from, err);
}

static void look_at_old(struct vswitch_port *port, struct acl_walk *w, const json_t *to, const json_t *from, unsigned *cost)
{
	struct vswitch_acl_entry live;
	uint32_t id;

	*cost = 1;
	if (is_in_both(w, from, to))
		return;
	*cost = COST_LOOK;
	if (!is_of_stage(json_array_get(from, w->i), w->stage))
		return;
	id = id_at(from, w->i);
	if (other_of(w, to, id))
		return;
	*cost = COST_CHANGE;
	if (!vswitch_acl_get(port, id, &live) && vswitch_acl_delete(port, id))
		hv_log(HV_LOG_ERROR, "acl: entry %u cannot be deleted", id);
}

bool acl_walk_began(const struct acl_walk *w)
{
	return w->stage != ACL_BEGIN;
}

int acl_step(struct vswitch_port *port, const json_t *to, const json_t *from, struct acl_walk *w, struct rpc_error *err)
{
	unsigned cost, spent = 0;

	if (w->stage == ACL_BEGIN)
		w->stage = to == from ? ACL_END : ACL_ADD_DENIALS;
	while (w->stage != ACL_END) {
		const bool add = w->stage == ACL_ADD_DENIALS || w->stage == ACL_ADD_REST;

		if (w->i == json_array_size(add ? to : from)) {
			*w = (struct acl_walk){ .stage = w->stage + 1 };
			continue;
		}
		if (spent >= PIECE)
			return OBJECT_AGAIN;
		if (add && look_at_new(port, w, to, from, &cost, err))
			return -1;
		if (!add)
			look_at_old(port, w, to, from, &cost);
		w->i++;
		spent += cost;
	}
	*w = (struct acl_walk){ 0 };
	return 0;
}

/* ---- numbers, and checks ---- */

uint32_t acl_new_id(struct hvnetd *d)
{
	return ++d->acl_ids;
}

int acl_check_step(struct object *o, struct rpc_error *err)
{
	const json_t *list = json_object_get(o->config, "acl"), *made = json_object_get(o->real, "acl");
	struct acl_walk *w = &o->walk;
	unsigned spent = 0;

	for (; w->i < json_array_size(list) && spent < PIECE; w->i++, spent += COST_LOOK) {
		const json_t *e = json_array_get(list, w->i);
		const uint32_t id = id_at(list, w->i), last = w->i ? id_at(list, w->i - 1) : 0;

		if (id <= last)
			return rpc_fail(err, RPC_INVALID_PARAMS, "acl", "the entries of an ACL are in the order of their ids, each "
					"once: %u comes after %u", id, last);
		if (id > o->d->acl_ids)
			o->d->acl_ids = id;
		if (is_in_both(w, list, made))	/* it has been checked */
			continue;
		spent += COST_CHECK;
		if (check_entry(e, err))
			return -1;
	}
	if (w->i < json_array_size(list))
		return OBJECT_AGAIN;
	*w = (struct acl_walk){ 0 };
	return 0;
}
