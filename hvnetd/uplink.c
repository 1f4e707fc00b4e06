/* SPDX-License-Identifier: MIT */
/*
 * Uplinks and host NICs as objects: what they may be, and how a change goes from one configuration to the next. What opens and
 * loses them is in uplink_open.c.
 */
#include "hvnetd/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vswitch/vswitch.h"

const char *uplink_kind_name(enum uplink_kind kind)
{
	return api_uplink_kinds[kind];
}

enum uplink_kind uplink_kind_of(const struct object *o)
{
	const char *kind = object_string(o, "kind");

	return kind ? (enum uplink_kind)api_index(api_uplink_kinds, kind) : UPLINK_TAP;	/* a host NIC */
}

bool uplink_is_external(const struct object *o)
{
	return o->kind == OBJECT_UPLINK && uplink_kind_of(o) != UPLINK_STREAM;
}

/* ---- checks ---- */

static int in_use(struct rpc_error *err, const char *what, const struct object *by, const char *text)
{
	rpc_fail(err, RPC_IN_USE, what, "%s the %s %s", text, object_classes[by->kind].name, by->key);
	return rpc_detail(err, "by", "%s %s", object_classes[by->kind].name, by->key);
}

/* Ports of a switch have one space of names. */
int port_name_check(struct object *o, struct rpc_error *err)
{
	static const enum object_kind kinds[] = { OBJECT_UPLINK, OBJECT_HOSTNIC, OBJECT_PORT };
	const struct object *other;

	if (!name_is_plain(object_string(o, "name")))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a port's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		other = object_find(o->d, kinds[i], o->key);
		if (other && other != o)
			return in_use(err, "name", other, "the name is that of");
	}
	return 0;
}

static bool has_interface(const struct object *o, const char *interface)
{
	const json_t *v;
	size_t i;

	if (object_string(o, "interface") && !strcmp(object_string(o, "interface"), interface))
		return true;
	json_array_foreach(json_object_get(o->config, "members"), i, v)
		if (!strcmp(json_string_value(json_object_get(v, "interface")), interface))
			return true;
	return false;
}

const struct object *interface_user(struct hvnetd *d, const char *interface, const struct object *except)
{
	const struct object *o;

	for (int kind = OBJECT_UPLINK; kind <= OBJECT_HOSTNIC; kind++)
		OBJECT_FOREACH(o, d, (enum object_kind)kind)
			if (o != except && has_interface(o, interface))
				return o;
	return NULL;
}

static int check_interface(const struct object *o, const char *interface, const char *what, struct rpc_error *err)
{
	const struct object *user;

	if (!interface_is_good(interface))
		return rpc_fail(err, RPC_INVALID_PARAMS, what, "\"%s\" cannot be the name of an interface", interface);
	user = interface_user(o->d, interface, o);
	return user ? in_use(err, what, user, "the interface belongs to") : 0;
}

static int check_members(const struct object *o, struct rpc_error *err)
{
	const json_t *members = json_object_get(o->config, "members"), *team = json_object_get(o->config, "team"), *v;
	const char *mode = json_string_value(json_object_get(team, "mode"));
	unsigned standby = 0;
	size_t i, j;

	if (!json_array_size(members))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interfaces", "an uplink of kind packet needs \"interfaces\", one or more of "
				"those that `hvnetctl interface show` lists; other kinds are nat, tap and stream");
	json_array_foreach(members, i, v) {
		const char *name = json_string_value(json_object_get(v, "interface"));
		const char *state = json_string_value(json_object_get(v, "mode"));

		if (check_interface(o, name, "interfaces", err))
			return -1;
		for (j = 0; j < i; j++)
			if (!strcmp(json_string_value(json_object_get(json_array_get(members, j), "interface")), name))
				return rpc_fail(err, RPC_INVALID_PARAMS, "interfaces", "%s is given twice", name);
		standby += state && !strcmp(state, "standby");
	}
	if (standby > 1)
		return rpc_fail(err, RPC_INVALID_PARAMS, "mode", "a team has one standby member at most");
	if (standby && mode && strcmp(mode, "independent") != 0) {
		rpc_fail(err, RPC_INCOMPATIBLE, "mode", "only a team of mode independent has a standby member");
		return rpc_detail(err, "other", "team.mode %s", mode);
	}
	return uplink_check_mappings(o, err);
}

/* Which members belong to the kind. */
static int check_form(const struct object *o, struct rpc_error *err)
{
	const enum uplink_kind kind = uplink_kind_of(o);
	const char *path = object_string(o, "path"), *interface = object_string(o, "interface");

	if ((kind == UPLINK_TAP) != (interface != NULL))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interface", "a port of kind tap, and no other, needs \"interface\", the "
				"name of a tap interface");
	if ((kind == UPLINK_STREAM) != (path != NULL))
		return rpc_fail(err, RPC_INVALID_PARAMS, "path", "a port of kind stream, and no other, needs \"path\", a Unix "
				"socket to connect to or to listen on");
	if (uplink_listens(o) && !path)
		return rpc_fail(err, RPC_INVALID_PARAMS, "listen", "\"listen\" is for uplinks of kind stream");
	if (path && path[0] != '/')
		return rpc_fail(err, RPC_INVALID_PARAMS, "path", "\"path\" must begin with /");
	if (kind != UPLINK_PACKET && (json_object_get(o->config, "members") || json_object_get(o->config, "team") ||
				      json_object_get(o->config, "mappings")))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interfaces", "\"interfaces\" and \"team\" are for uplinks of kind packet");
	if (interface)
		return check_interface(o, interface, "interface", err);
	return kind == UPLINK_PACKET ? check_members(o, err) : 0;
}

/* One external adapter; and how many there may be at all. */
static int check_count(const struct object *o, struct rpc_error *err)
{
	const char *sw = object_string(o, "switch"), *name;
	const struct object *other, *external = NULL;
	unsigned n = 0;

	OBJECT_FOREACH(other, o->d, o->kind) {
		name = object_string(other, "switch");
		n += !strcmp(name, sw);
		if (other != o && !strcmp(name, sw) && uplink_is_external(other))
			external = other;
	}
	if (uplink_is_external(o) && external) {
		rpc_fail(err, RPC_STATE, "switch", "switch \"%s\" has the external adapter %s already; unbind it first, or add a "
			 "member to it", sw, object_string(external, "name"));
		return rpc_detail(err, "state", "external");
	}
	if (n > (o->kind == OBJECT_UPLINK ? (unsigned)HVNETD_MAX_UPLINKS : HVNETD_MAX_HOSTNICS))
		return rpc_fail(err, RPC_NO_RESOURCES, "switch", "switch \"%s\" has too many of these", sw);
	return 0;
}

int uplink_check(struct object *o, struct rpc_error *err)
{
	const struct object *sw;

	if (!o->config)
		return 0;
	sw = object_find(o->d, OBJECT_SWITCH, object_string(o, "switch"));
	if (!sw)
		return rpc_fail(err, RPC_NOT_FOUND, "switch", "there is no switch \"%s\"", object_string(o, "switch"));
	if (object_string(sw, "type") && !strcmp(object_string(sw, "type"), "private") && (o->kind == OBJECT_HOSTNIC ||
	    uplink_is_external(o))) {
		rpc_fail(err, RPC_STATE, "switch", "switch \"%s\" is to stay private: change its type first", sw->key);
		return rpc_detail(err, "state", "private");
	}
	if (port_name_check(o, err) || check_form(o, err) || check_count(o, err))
		return -1;
	return policy_check(o->d, o->config, o->kind == OBJECT_UPLINK, err) || bandwidth_check(o, err) ? -1 : 0;
}

/* ---- realization ---- */

void uplink_init(struct object *o)
{
	struct uplink *u = hv_container_of(o, struct uplink, o);

	u->timer.fire = uplink_timer;
}

static const char *const what_opens_it[] = { "kind", "interface", "path", "listen", "mac", "members", "team", "shares", NULL };

static bool has_to_reopen(const struct object *o)
{
	for (const char *const *m = what_opens_it; *m; m++) {
		json_t *a = json_object_get(o->config, *m), *b = json_object_get(o->real, *m);

		if (a != b && (!a || !b || !json_equal(a, b)))
			return true;
	}
	return false;
}

static int fail_open(struct uplink *u, int ret, struct rpc_error *err)
{
	const enum rpc_code code = ret == -EBUSY || ret == -EEXIST || ret == -EADDRINUSE ? RPC_IN_USE :
				   ret == -ENODEV || ret == -EINVAL ? RPC_INVALID_PARAMS : RPC_FAILED;

	rpc_fail(err, code, "uplink", "switch \"%s\": %s cannot be opened: %s", object_string(&u->o, "switch"),
		 object_string(&u->o, "name"), u->why);
	return rpc_detail(err, "errno", "%d", -ret);
}

static int open_new(struct uplink *u, struct rpc_error *err)
{
	int ret = uplink_open(u, err);

	if (!ret || ret == OBJECT_LATER)
		return ret;
	if (u->o.d->restoring || u->o.d->undoing) {
		memset(err, 0, sizeof(*err));
		uplink_try_later(u);
		return 0;
	}
	return err->code ? -1 : fail_open(u, ret, err);
}

/* The new one cannot be opened beside the old one: they may want the same interface. */
static int reopen(struct uplink *u, struct rpc_error *err)
{
	json_t *wanted = u->o.config;
	int ret;

	uplink_close(u);
	ret = open_new(u, err);
	if (ret >= 0)
		return ret;
	u->o.config = u->o.real;	/* for the time of the call */
	if (uplink_open(u, &(struct rpc_error){ 0 }) < 0)
		uplink_try_later(u);
	u->o.config = wanted;
	return -1;
}

/* Then its members and settings change in place. */
static bool is_team_still(const struct uplink *u)
{
	return uplink_is_team(u) && json_object_get(u->o.real, "team") && json_object_get(u->o.config, "team");
}

int uplink_realize(struct object *o, struct rpc_error *err)
{
	struct uplink *u = hv_container_of(o, struct uplink, o);
	struct vswitch_port *port = port_of(o);
	struct rpc_error other = { 0 };
	bool opens;

	if (!o->config) {
		uplink_close(u);
		return 0;
	}
	u->kind = uplink_kind_of(o);
	opens = !o->real || (!is_team_still(u) && has_to_reopen(o));
	if (opens && !uplink_listens(o) && uplink_ask(u))
		return OBJECT_WAITS;	/* before anything is changed */
	if (opens)
		return o->real ? reopen(u, err) : open_new(u, err);
	if (port && policy_apply(port, o->config, o->real, o->kind == OBJECT_UPLINK, err))
		return -1;
	if (!is_team_still(u) || !uplink_change_team(u, o->config, o->real, err))
		return 0;
	if (port && policy_apply(port, o->real, o->config, o->kind == OBJECT_UPLINK, &other))
		hv_log(HV_LOG_ERROR, "%s: its policies cannot be put back: %s", o->key, other.message);
	return -1;
}
