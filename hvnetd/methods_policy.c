/* SPDX-License-Identifier: MIT */
/* Methods of the policies and ACLs of ports. */
#include <string.h>

#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
#include "vswitch/vswitch.h"

/* ---- policies ---- */

/* What holds where nothing is set. */
static json_t *default_policy(void)
{
	return json_pack("{s:b, s:b, s:b, s:s, s:[], s:i, s:i, s:b, s:b, s:b, s:b, s:{s:s}, s:{s:s}, s:{s:i}}", "mac_spoofing", 0,
			 "dhcp_guard", 0, "router_guard", 0, "bpdu_guard", "pass", "address_guard", "storm_limit", 0, "ip_limit", 0,
			 "priority_tag", 0, "teaming", 0, "isolated", 0, "lldp", 0, "monitor", "mode", "none", "vlan", "mode",
			 "untagged", "bandwidth", "limit_bps", 0);
}

static json_t *show_policy(const struct object *o)
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

struct object *holder_param(struct rpc_call *call)
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

/* ---- ACLs, and other lists of a port ---- */

json_t *put_list(struct rpc_call *call, struct object *o, const char *member, json_t *list)
{
	json_t *config = object_copy(o);

	json_object_set_new(config, member, list);
	if (!json_array_size(list))
		json_object_del(config, member);
	return change_put(call, o->kind, o->key, config) ? json_object() : NULL;
}

json_t *copy_list(const struct object *o, const char *member)
{
	json_t *list = json_object_get(o->config, member);

	return list ? json_copy(list) : json_array();
}

json_t *method_acl_add(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	const uint32_t id = acl_new_id(call->opaque);
	json_t *list, *entry, *done;

	if (!o)
		return NULL;
	list = copy_list(o, "acl");
	entry = json_copy(call->params);
	json_object_del(entry, "port");
	json_object_set_new(entry, "id", json_integer(id));
	json_array_append_new(list, entry);
	done = put_list(call, o, "acl", list);
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
		return put_list(call, o, "acl", json_array());
	list = copy_list(o, "acl");
	json_array_foreach(list, i, v)
		if (json_integer_value(json_object_get(v, "id")) == id) {
			json_array_remove(list, i);
			return put_list(call, o, "acl", list);
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

static json_t *show_entry(const struct object *o, json_t *e)
{
	struct vswitch_acl_entry live;
	json_t *row = json_copy(e);

	if (!get_entry(o, e, &live))
		return row;
	json_object_set_new(row, "frames", json_integer((json_int_t)live.frames));
	json_object_set_new(row, "bytes", json_integer((json_int_t)live.bytes));
	if (live.is_extended && live.extended.stateful)
		json_object_set_new(row, "flows", json_integer(live.flows));
	return row;
}

json_t *method_acl_list(struct rpc_call *call)
{
	struct object *named = port_param(call), *o = named ? policy_holder(named) : NULL;
	const json_t *list;
	struct page page;

	if (!o)
		return NULL;
	page = page_of(call);
	list = json_object_get(o->config, "acl");
	page.seen = (json_int_t)json_array_size(list);
	for (json_int_t i = page.offset; i < page.seen && i - page.offset < page.limit; i++)
		page_add(&page, show_entry(o, json_array_get(list, (size_t)i)));
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
