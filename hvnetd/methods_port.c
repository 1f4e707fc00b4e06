/* SPDX-License-Identifier: MIT */
/* Methods of ports, their policies and ACLs, and of the forwarding table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
#include "vswitch/vswitch.h"

struct object *port_param(struct rpc_call *call)
{
	return object_find_port(call->opaque, rpc_string(call, "port"), &call->err);
}

/* ---- ports ---- */

json_t *method_port_create(struct rpc_call *call)
{
	static const char *const members[] = { "name", "friendly", "policy", NULL };
	const struct object *sw = switch_param(call);
	char key[OBJECT_KEY_BYTES];
	json_t *config;
	struct object *o;

	if (!sw)
		return NULL;
	config = json_pack("{s:s}", "switch", sw->key);
	copy_params(config, call, members);
	object_key(OBJECT_PORT, config, key);
	if (object_find(call->opaque, OBJECT_PORT, key)) {
		json_decref(config);
		rpc_fail(&call->err, RPC_IN_USE, "name", "there is a port %s already", key);
		return NULL;
	}
	o = change_put(call, OBJECT_PORT, key, config);
	return o ? change_show(call, o, show_port) : NULL;
}

/* One of port.create. NULL with err. */
static struct object *own_port(struct rpc_call *call)
{
	struct object *o = port_param(call);

	if (!o || o->kind == OBJECT_PORT)
		return o;
	rpc_fail(&call->err, RPC_IN_USE, "port", "port %s belongs to the %s of that name and goes with it", o->key,
		 object_classes[o->kind].name);
	rpc_detail(&call->err, "by", "%s %s", object_classes[o->kind].name, o->key);
	return NULL;
}

static int disconnect_users(struct rpc_call *call, const struct object *port)
{
	struct object *o;
	json_t *config;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER) {
		if (!object_string(o, "port") || strcmp(object_string(o, "port"), port->key) != 0)
			continue;
		config = object_copy(o);
		json_object_del(config, "switch");
		json_object_del(config, "port");
		if (!change_put(call, OBJECT_ADAPTER, o->key, config))
			return -1;
	}
	return 0;
}

json_t *method_port_delete(struct rpc_call *call)
{
	const struct object *o = own_port(call);

	if (!o || (rpc_boolean(call, "force") && disconnect_users(call, o)))
		return NULL;
	return change_put(call, OBJECT_PORT, o->key, NULL) ? json_object() : NULL;
}

json_t *method_port_set(struct rpc_call *call)
{
	struct object *o = own_port(call);
	json_t *config;

	if (!o)
		return NULL;
	config = object_copy(o);
	copy_params(config, call, (const char *const[]){ "friendly", NULL });
	return change_put(call, OBJECT_PORT, o->key, config) ? change_show(call, o, show_port) : NULL;
}

json_t *method_port_list(struct rpc_call *call)
{
	const struct object *only = NULL, *sw;
	struct vswitch_port *port;
	struct page page;

	if (rpc_has(call, "switch") && !(only = switch_param(call)))
		return NULL;
	page = page_of(call);
	OBJECT_FOREACH(sw, (struct hvnetd *)call->opaque, OBJECT_SWITCH) {
		if (only && sw != only)
			continue;
		for (port = switch_first_port(sw); port; port = vswitch_next_port(switch_of(sw), port))
			if (page_has(&page))
				page_add(&page, show_live_port(sw, port));
	}
	return page_end(&page, "ports");
}

/* The live port of what "port" names. NULL with err. */
static struct vswitch_port *live_port(struct rpc_call *call, struct object **owner)
{
	struct object *o = port_param(call);

	if (!o)
		return NULL;
	*owner = o;
	if (!port_of(o)) {
		rpc_fail(&call->err, RPC_STATE, "port", "%s %s has no port on a switch now%s", object_classes[o->kind].name, o->key,
			 o->kind == OBJECT_ADAPTER ? ": its guest does not run, or it is on no switch" : ": it is down");
		rpc_detail(&call->err, "state", "no port");
	}
	return port_of(o);
}

json_t *method_port_get(struct rpc_call *call)
{
	struct object *o;

	return live_port(call, &o) ? show_port(o) : NULL;
}

/* A port for the purpose, so that extensions are asked, too; it leaves nothing behind. */
json_t *method_port_validate(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	const char *kind = rpc_string(call, "kind");
	const bool external = kind && !strcmp(kind, "external");
	struct vswitch_port_config config = { .name = "hvnet-validation", .validation = true, .type = VSWITCH_PORT_GENERIC };
	struct vswitch_port *port = NULL;
	json_t *wanted;
	int ret;

	if (!sw || !switch_of(sw))
		return NULL;
	wanted = json_pack("{s:s, s:O*}", "switch", sw->key, "policy", json_object_get(call->params, "policy"));
	ret = policy_check(call->opaque, wanted, external, &call->err);
	if (!ret)
		ret = bandwidth_check_new(sw, wanted, &call->err);
	if (!ret) {
		ret = vswitch_port_create_as(switch_of(sw), &config, &port);
		if (ret == -ECANCELED)
			refused_by_extension(switch_of(sw), "port", &call->err);
		else if (ret)
			rpc_fail(&call->err, RPC_FAILED, "port", "no port can be made: %s", strerror(-ret));
		else
			ret = policy_apply(port, wanted, NULL, external, &call->err);
	}
	vswitch_port_destroy(port);
	json_decref(wanted);
	return ret ? NULL : json_object();
}

/* ---- policies ---- */

/* What holds where nothing is set. */
static json_t *default_policy(void)
{
	return json_pack("{s:b, s:b, s:b, s:s, s:[], s:i, s:i, s:b, s:b, s:b, s:b, s:{s:s}, s:{s:s}, s:{s:i}}", "mac_spoofing", 0,
			 "dhcp_guard", 0, "router_guard", 0, "bpdu_guard", "pass", "address_guard", "storm_limit", 0, "ip_limit", 0,
			 "priority_tag", 0, "teaming", 0, "isolated", 0, "lldp", 0, "monitor", "mode", "none", "vlan", "mode",
			 "untagged", "bandwidth", "limit_bps", 0);
}

json_t *show_policy(const struct object *o)
{
	json_t *policy = default_policy(), *set = json_array();
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(o->config, "policy"), name, v) {
		json_object_set(policy, name, v);
		json_array_append_new(set, json_string(name));
	}
	return json_pack("{s:s, s:o, s:o}", "port", o->key, "policy", policy, "set", set);
}

static struct object *holder_param(struct rpc_call *call)
{
	struct object *o = port_param(call);

	return o ? policy_holder(o) : NULL;
}

static json_t *copy_policy(const struct object *o)
{
	json_t *policy = json_object_get(o->config, "policy");

	return policy ? json_copy(policy) : json_object();
}

static json_t *put_policy(struct rpc_call *call, struct object *o, json_t *policy)
{
	json_t *config = object_copy(o);

	if (json_object_size(policy))
		json_object_set(config, "policy", policy);
	else
		json_object_del(config, "policy");
	json_decref(policy);
	return change_put(call, o->kind, o->key, config) ? change_show(call, o, show_policy) : NULL;
}

json_t *method_policy_set(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *policy;

	if (!o)
		return NULL;
	policy = copy_policy(o);
	json_object_update(policy, json_object_get(call->params, "policy"));
	return put_policy(call, o, policy);
}

json_t *method_policy_get(struct rpc_call *call)
{
	const struct object *o = holder_param(call);

	return o ? show_policy(o) : NULL;
}

json_t *method_policy_clear(struct rpc_call *call)
{
	const json_t *kinds = json_object_get(call->params, "kinds"), *v;
	struct object *o = holder_param(call);
	json_t *policy;
	size_t i;

	if (!o)
		return NULL;
	policy = copy_policy(o);
	if (!kinds)
		json_object_clear(policy);
	json_array_foreach(kinds, i, v)
		json_object_del(policy, json_string_value(v));
	return put_policy(call, o, policy);
}

json_t *method_vlan_set(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *policy, *vlan;

	if (!o)
		return NULL;
	policy = copy_policy(o);
	vlan = json_copy(call->params);
	json_object_del(vlan, "port");
	json_object_set_new(policy, "vlan", vlan);
	return put_policy(call, o, policy);
}

/* ---- ACLs ---- */

static json_t *put_acl(struct rpc_call *call, struct object *o, json_t *list)
{
	json_t *config = object_copy(o);

	if (json_array_size(list))
		json_object_set(config, "acl", list);
	else
		json_object_del(config, "acl");
	json_decref(list);
	return change_put(call, o->kind, o->key, config) ? json_object() : NULL;
}

static json_t *copy_acl(const struct object *o)
{
	json_t *list = json_object_get(o->config, "acl");

	return list ? json_copy(list) : json_array();
}

json_t *method_acl_add(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	const uint32_t id = acl_new_id(call->opaque);
	json_t *list, *entry, *done;

	if (!o)
		return NULL;
	list = copy_acl(o);
	entry = json_copy(call->params);
	json_object_del(entry, "port");
	json_object_set_new(entry, "id", json_integer(id));
	json_array_append_new(list, entry);
	done = put_acl(call, o, list);
	json_decref(done);
	return done ? json_pack("{s:I}", "id", (json_int_t)id) : NULL;
}

json_t *method_acl_del(struct rpc_call *call)
{
	const json_int_t id = rpc_integer(call, "id", 0);
	struct object *o = holder_param(call);
	const json_t *v;
	json_t *list;
	size_t i;

	if (!o)
		return NULL;
	if (!id)
		return put_acl(call, o, json_array());
	list = copy_acl(o);
	json_array_foreach(list, i, v)
		if (json_integer_value(json_object_get(v, "id")) == id) {
			json_array_remove(list, i);
			return put_acl(call, o, list);
		}
	json_decref(list);
	rpc_fail(&call->err, RPC_NOT_FOUND, "id", "port %s has no ACL entry %lld", o->key, (long long)id);
	return NULL;
}

static bool get_entry(const struct object *o, const json_t *e, struct vswitch_acl_entry *out)
{
	const struct vswitch_port *port = port_of(o);

	return port && !vswitch_acl_get(port, (uint32_t)json_integer_value(json_object_get(e, "id")), out);
}

json_t *method_acl_list(struct rpc_call *call)
{
	struct object *named = port_param(call), *o = named ? policy_holder(named) : NULL;
	struct vswitch_acl_entry live;
	const json_t *v;
	struct page page;
	size_t i;

	if (!o)
		return NULL;
	page = page_of(call);
	json_array_foreach(json_object_get(o->config, "acl"), i, v) {
		json_t *row;

		if (!page_has(&page))
			continue;
		row = json_copy((json_t *)v);
		if (get_entry(o, v, &live))
			json_object_update_new(row, json_pack("{s:I, s:I}", "frames", (json_int_t)live.frames, "bytes",
							      (json_int_t)live.bytes));
		if (get_entry(o, v, &live) && live.is_extended && live.extended.stateful)
			json_object_set_new(row, "flows", json_integer(live.flows));
		page_add(&page, row);
	}
	return page_end(&page, "entries");
}

static json_t *show_meter(const struct object *o, const json_t *e)
{
	struct vswitch_acl_entry live = { 0 };
	json_t *row = json_object();
	static const char *const names[] = { "id", "direction", "local", "remote", NULL };

	for (const char *const *n = names; *n; n++)
		if (json_object_get(e, *n))
			json_object_set(row, *n, json_object_get(e, *n));
	(void)get_entry(o, e, &live);	/* without a port: nothing counted */
	json_object_set_new(row, "frames", json_integer((json_int_t)live.frames));
	json_object_set_new(row, "bytes", json_integer((json_int_t)live.bytes));
	return row;
}

json_t *method_acl_meter(struct rpc_call *call)
{
	const struct object *o = holder_param(call);
	const json_t *v;
	struct page page;
	size_t i;

	if (!o)
		return NULL;
	page = page_of(call);
	json_array_foreach(json_object_get(o->config, "acl"), i, v)
		if (!strcmp(json_string_value(json_object_get(v, "action")), "meter") && page_has(&page))
			page_add(&page, show_meter(o, v));
	return page_end(&page, "meters");
}

/* ---- the forwarding table ---- */

struct fdb_view {
	struct page page;
	const struct vswitch_port *port;	/* NULL: any */
	json_int_t vlan;			/* -1: any */
	const uint8_t *mac;			/* NULL: any */
};

static void show_fdb_entry(void *cookie, const struct vswitch_fdb_entry *e)
{
	static const char *const kinds[VSWITCH_FDB_KINDS] = { "static", "learned", "self", "mgmt" };
	struct fdb_view *v = cookie;
	char mac[HVNETD_MAC_TEXT_BYTES];

	if ((v->port && e->port != v->port) || (v->vlan >= 0 && e->vlan != v->vlan) || (v->mac && memcmp(e->mac, v->mac, 6) != 0) ||
	    !page_has(&v->page))
		return;
	mac_format(e->mac, mac);
	page_add(&v->page, json_pack("{s:s, s:i, s:s, s:s, s:I}", "mac", mac, "vlan", (int)e->vlan, "port",
				     vswitch_port_name(e->port), "kind", kinds[e->kind], "age_s", (json_int_t)e->age_s));
}

json_t *method_fdb_list(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	struct fdb_view v = { .vlan = rpc_integer(call, "vlan", -1) };
	struct object *owner;
	uint8_t mac[6];

	if (!sw || (rpc_has(call, "port") && !(v.port = live_port(call, &owner))))
		return NULL;
	if (rpc_has(call, "mac") && mac_parse(rpc_string(call, "mac"), mac))
		v.mac = mac;
	v.page = page_of(call);
	if (switch_of(sw))
		vswitch_fdb_visit(switch_of(sw), show_fdb_entry, &v);
	return page_end(&v.page, "entries");
}

static json_t *fdb_entry(struct rpc_call *call)
{
	char text[HVNETD_MAC_TEXT_BYTES];
	uint8_t mac[6] = { 0 };

	mac_parse(rpc_string(call, "mac"), mac);
	mac_format(mac, text);
	return json_pack("{s:s, s:I}", "mac", text, "vlan", rpc_integer(call, "vlan", 0));
}

static json_t *put_fdb(struct rpc_call *call, struct object *o, json_t *list)
{
	json_t *config = object_copy(o);

	json_object_set_new(config, "fdb", list);
	if (!json_array_size(list))
		json_object_del(config, "fdb");
	return change_put(call, o->kind, o->key, config) ? json_object() : NULL;
}

static json_t *copy_fdb(const struct object *o)
{
	json_t *list = json_object_get(o->config, "fdb");

	return list ? json_copy(list) : json_array();
}

json_t *method_fdb_add(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *list;

	if (!o)
		return NULL;
	list = copy_fdb(o);
	json_array_append_new(list, fdb_entry(call));
	return put_fdb(call, o, list);
}

json_t *method_fdb_del(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *list, *wanted;
	const json_t *v;
	bool found = false;
	size_t i;

	if (!o)
		return NULL;
	list = copy_fdb(o);
	wanted = fdb_entry(call);
	json_array_foreach(list, i, v)
		if (json_equal(v, wanted)) {
			json_array_remove(list, i);
			found = true;
			break;
		}
	json_decref(wanted);
	if (found)
		return put_fdb(call, o, list);
	json_decref(list);
	rpc_fail(&call->err, RPC_NOT_FOUND, "mac", "port %s has no such entry that was added; learned ones are forgotten with fdb.flush",
		 o->key);
	return NULL;
}

json_t *method_fdb_flush(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	struct vswitch_port *port = NULL;
	struct object *owner;

	if (!sw || (rpc_has(call, "port") && !(port = live_port(call, &owner))))
		return NULL;
	if (port)
		vswitch_port_fdb_flush(port);
	else if (switch_of(sw))
		vswitch_fdb_flush(switch_of(sw));
	return json_object();
}
