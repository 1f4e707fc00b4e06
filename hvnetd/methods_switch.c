/* SPDX-License-Identifier: MIT */
/* Methods of switches and of the host's NICs on them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "hvnetd/methods.h"
#include "hvnetd/uplink.h"
#include "hvnetd/view.h"

static const char *const settings[] = {
	"friendly", "notes", "max_macs", "ageing_s", "flood_unknown", "multicast_snooping", "default_weight", "default_reservation_bps",
	"capacity_bps", "bandwidth_mode", NULL
};

void copy_params(json_t *to, const struct rpc_call *call, const char *const *names)
{
	for (; *names; names++)
		if (rpc_has(call, *names))
			json_object_set(to, *names, json_object_get(call->params, *names));
}

int says_nothing(struct rpc_call *call, const char *examples)
{
	if (json_object_size(call->params) > 1)
		return 0;
	return rpc_fail(&call->err, RPC_INVALID_PARAMS, "params", "say what is to be changed: %s", examples);
}

struct object *switch_param(struct rpc_call *call)
{
	return switch_find(call->opaque, rpc_string(call, "switch"), &call->err);
}

static const char *switch_of_object(const struct object *o)
{
	const char *name = object_string(o, "switch");

	return name ? name : "";
}

/* ---- making ---- */

static json_t *new_id(void)
{
	char text[SD_ID128_UUID_STRING_MAX];
	sd_id128_t id;

	if (sd_id128_randomize(&id) < 0)
		return NULL;
	return json_string(sd_id128_to_uuid_string(id, text));
}

/* A name for an interface from what people call the switch: "hv-" and what of it the kernel takes. */
static void make_interface_name(struct hvnetd *d, const char *sw, char name[16])
{
	size_t n = (size_t)snprintf(name, 16, "hv-");

	for (; *sw && n < 13; sw++)
		if (isalnum((unsigned char)*sw) && !(*sw & 0x80))
			name[n++] = (char)tolower((unsigned char)*sw);
	name[n] = '\0';
	for (unsigned i = 1; interface_user(d, name, NULL) && i < 100; i++)
		snprintf(name + n, 16 - n, "%u", i);
}

struct object *hostnic_put(struct rpc_call *call, const char *sw, const char *name, const char *interface, const char *shares)
{
	char made[16], key[OBJECT_KEY_BYTES];
	json_t *config;

	if (!interface) {
		make_interface_name(call->opaque, sw, made);
		interface = made;
	}
	config = json_pack("{s:s, s:s, s:s, s:s*}", "switch", sw, "name", name ? name : interface, "interface", interface, "shares",
			   shares);
	if (!config)
		return NULL;
	object_key(OBJECT_HOSTNIC, config, key);
	if (object_find(call->opaque, OBJECT_HOSTNIC, key)) {
		json_decref(config);
		rpc_fail(&call->err, RPC_IN_USE, "name", "there is a host NIC %s already", key);
		return NULL;
	}
	return change_put(call, OBJECT_HOSTNIC, key, config);
}

static int put_nat(struct rpc_call *call, const char *sw)
{
	char key[OBJECT_KEY_BYTES];
	json_t *config = json_pack("{s:s, s:s, s:s}", "switch", sw, "name", "nat", "kind", "nat");

	object_key(OBJECT_UPLINK, config, key);
	return change_put(call, OBJECT_UPLINK, key, config) ? 0 : -1;
}

static int put_interfaces(struct rpc_call *call, const char *sw, const json_t *names)
{
	char key[OBJECT_KEY_BYTES];
	json_t *members = json_array(), *config;
	const json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
		json_array_append_new(members, json_pack("{s:O}", "interface", v));
	config = json_pack("{s:s, s:O, s:s, s:o}", "switch", sw, "name", json_array_get(names, 0), "kind", "packet", "members",
			   members);
	if (json_array_size(members) > 1)
		json_object_set_new(config, "team", json_object());
	object_key(OBJECT_UPLINK, config, key);
	return change_put(call, OBJECT_UPLINK, key, config) ? 0 : -1;
}

static json_t *named_extensions(const json_t *names)
{
	json_t *list = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
		json_array_append_new(list, json_pack("{s:O, s:b}", "name", v, "enabled", 1));
	return list;
}

/* What the type asks for beside the switch itself. */
static int put_endpoints(struct rpc_call *call, const char *sw)
{
	const char *type = rpc_string(call, "type"), *interface = rpc_string(call, "interface");
	const json_t *uplink = json_object_get(call->params, "uplink");
	const bool internal = type && !strcmp(type, "internal"), external = type && !strcmp(type, "external");

	if (external && !uplink)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "uplink", "an external switch needs \"uplink\", the interfaces to bind");
	if (uplink && type && !external)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "uplink", "only an external switch has \"uplink\"");
	if (interface && !internal && !rpc_boolean(call, "host_nic"))
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "interface", "\"interface\" is of the host NIC: give \"host_nic\" or "
				"the type internal, too");
	if (type && !strcmp(type, "nat") && put_nat(call, sw))
		return -1;
	if (uplink && put_interfaces(call, sw, uplink))
		return -1;
	if ((internal || rpc_boolean(call, "host_nic")) &&
	    !hostnic_put(call, sw, NULL, interface, uplink && rpc_boolean(call, "host_nic") ?
			 json_string_value(json_array_get(uplink, 0)) : NULL))
		return -1;
	if (!uplink)
		return 0;
	return change_job(call) ? 0 : -1;
}

json_t *method_switch_create(struct rpc_call *call)
{
	const char *name = rpc_string(call, "name"), *type = rpc_string(call, "type");
	json_t *config = json_object();
	struct object *o;

	if (object_find(call->opaque, OBJECT_SWITCH, name)) {
		json_decref(config);
		rpc_fail(&call->err, RPC_IN_USE, "name", "there is a switch \"%s\" already", name);
		return NULL;
	}
	json_object_set(config, "name", json_object_get(call->params, "name"));
	json_object_set_new(config, "id", new_id());
	copy_params(config, call, settings);
	if (type && !strcmp(type, "private"))	/* said, not only so: it is to stay so */
		json_object_set_new(config, "type", json_string("private"));
	if (rpc_has(call, "extensions"))
		json_object_set_new(config, "extensions", named_extensions(json_object_get(call->params, "extensions")));
	o = change_put(call, OBJECT_SWITCH, name, config);
	if (!o || put_endpoints(call, name))
		return NULL;
	return change_show(call, o, show_switch);
}

/* ---- changing ---- */

/* Takes off the switch what is of this kind and satisfies the rest. */
static int take_off(struct rpc_call *call, const char *sw, enum object_kind kind, bool external_only)
{
	struct object *o;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, kind)
		if (!strcmp(switch_of_object(o), sw) && (!external_only || uplink_is_external(o)) &&
		    !change_put(call, kind, o->key, NULL))
			return -1;
	return 0;
}

static int disconnect_all(struct rpc_call *call, const char *sw)
{
	struct object *o;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER)
		if (!strcmp(switch_of_object(o), sw) && !adapter_disconnect(call, o))
			return -1;
	return 0;
}

/* What a switch was made with goes with it; what was added to it has to go first. */
static bool is_own(struct hvnetd *d, const struct object *sw)
{
	unsigned uplinks = 0;
	const struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_UPLINK)
		uplinks += !strcmp(switch_of_object(o), sw->key) && uplink_kind_of(o) != UPLINK_NAT;
	return !uplinks;
}

json_t *method_switch_delete(struct rpc_call *call)
{
	struct object *sw = switch_param(call);
	const bool force = rpc_boolean(call, "force");

	if (!sw)
		return NULL;
	if (force && (disconnect_all(call, sw->key) || take_off(call, sw->key, OBJECT_PORT, false)))
		return NULL;
	if ((force || is_own(call->opaque, sw)) &&
	    (take_off(call, sw->key, OBJECT_HOSTNIC, false) || take_off(call, sw->key, OBJECT_UPLINK, false)))
		return NULL;
	return change_put(call, OBJECT_SWITCH, sw->key, NULL) ? json_object() : NULL;
}

static int set_type(struct rpc_call *call, const char *sw, json_t *config)
{
	const char *type = rpc_string(call, "type");

	if (!type)
		return 0;
	json_object_del(config, "type");
	if (!strcmp(type, "private")) {
		json_object_set_new(config, "type", json_string(type));
		return take_off(call, sw, OBJECT_HOSTNIC, false) || take_off(call, sw, OBJECT_UPLINK, true) ? -1 : 0;
	}
	if (!strcmp(type, "internal"))
		return take_off(call, sw, OBJECT_UPLINK, true);
	if (!strcmp(type, "nat") && switch_type_of(call->opaque, sw) != SWITCH_NAT)
		return take_off(call, sw, OBJECT_UPLINK, true) || put_nat(call, sw) ? -1 : 0;
	if (!strcmp(type, "external") && switch_type_of(call->opaque, sw) != SWITCH_EXTERNAL)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "type", "a switch becomes external with uplink.bind");
	return 0;
}

static bool has_hostnic(struct hvnetd *d, const char *sw)
{
	const struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_HOSTNIC)
		if (!strcmp(switch_of_object(o), sw))
			return true;
	return false;
}

static int set_hostnic(struct rpc_call *call, const char *sw)
{
	const char *type = rpc_string(call, "type");
	const bool wanted = rpc_boolean(call, "host_nic") || (type && !strcmp(type, "internal"));

	if (wanted && !has_hostnic(call->opaque, sw))
		return hostnic_put(call, sw, NULL, NULL, NULL) ? 0 : -1;
	if (rpc_has(call, "host_nic") && !wanted)
		return take_off(call, sw, OBJECT_HOSTNIC, false);
	return 0;
}

/* A team's mappings name ports of the switch, and adapters, whose names have nothing to do with it. */
static void follow_mappings(struct hvnetd *d, json_t *config, const char *old, const char *name)
{
	json_t *rows = json_deep_copy(json_object_get(config, "mappings")), *v;
	const size_t n = strlen(old);
	size_t i;

	json_array_foreach(rows, i, v) {
		const char *port = json_string_value(json_object_get(v, "port"));

		if (!strncmp(port, old, n) && port[n] == '/' && !object_find(d, OBJECT_ADAPTER, port))
			json_object_set_new(v, "port", json_sprintf("%s%s", name, port + n));
	}
	if (rows)
		json_object_set_new(config, "mappings", rows);
}

/* What is on the switch, of one kind, says so by its new name. */
static int follow_switch(struct rpc_call *call, enum object_kind kind, const char *old, const char *name)
{
	char key[OBJECT_KEY_BYTES];
	struct object *o;
	const char *port;
	json_t *config;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, kind) {
		if (strcmp(switch_of_object(o), old) != 0)
			continue;
		config = object_copy(o);
		json_object_set_new(config, "switch", json_string(name));
		follow_mappings(call->opaque, config, old, name);
		port = object_string(o, "port");
		if (port)
			json_object_set_new(config, "port", json_sprintf("%s/%s", name, port + strlen(old) + 1));
		object_key(kind, config, key);
		if (kind == OBJECT_ADAPTER ? !change_put(call, kind, key, config) : !change_rename(call, o, key, config))
			return -1;
	}
	return 0;
}

/* Everything keeps running, and its GUIDs: it is only called otherwise. */
static int rename_switch(struct rpc_call *call, struct object *o, const char *name)
{
	static const enum object_kind kinds[] = { OBJECT_UPLINK, OBJECT_HOSTNIC, OBJECT_PORT, OBJECT_ADAPTER };
	char old[OBJECT_KEY_BYTES];
	json_t *config;

	if (!name || !strcmp(name, o->key))
		return 0;
	snprintf(old, sizeof(old), "%s", o->key);
	config = object_copy(o);
	json_object_set_new(config, "name", json_string(name));
	if (!change_rename(call, o, name, config))
		return -1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (follow_switch(call, kinds[i], old, name))
			return -1;
	return 0;
}

json_t *method_switch_set(struct rpc_call *call)
{
	struct object *o = switch_param(call);
	json_t *config;

	if (!o || says_nothing(call, "name, type, friendly, ageing_s, …"))
		return NULL;
	config = object_copy(o);
	copy_params(config, call, settings);
	if (set_type(call, o->key, config)) {
		json_decref(config);
		return NULL;
	}
	o = change_put(call, OBJECT_SWITCH, o->key, config);
	if (!o || set_hostnic(call, o->key) || rename_switch(call, o, rpc_string(call, "name")))
		return NULL;
	return change_show(call, o, show_switch);
}

/* ---- showing ---- */

json_t *method_switch_get(struct rpc_call *call)
{
	const struct object *o = switch_param(call);

	return o ? show_switch(o) : NULL;
}

/* A page of the objects of a kind, of one switch or all. */
json_t *list_objects(struct rpc_call *call, enum object_kind kind, json_t *(*show)(const struct object *o), const char *list)
{
	const struct object *only = NULL, *o;
	struct page page;

	if (rpc_has(call, "switch") && !(only = switch_param(call)))
		return NULL;
	page = page_of(call);
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, kind) {
		if (only && o != only && strcmp(switch_of_object(o), only->key) != 0)
			continue;
		if (page_has(&page))
			page_add(&page, show(o));
	}
	return page_end(&page, list);
}

json_t *method_switch_list(struct rpc_call *call)
{
	return list_objects(call, OBJECT_SWITCH, show_switch, "switches");
}

/* ---- host NICs ---- */

json_t *method_hostnic_add(struct rpc_call *call)
{
	static const char *const more[] = { "mac", "policy", NULL };
	const struct object *sw = switch_param(call);
	struct object *o;
	json_t *config;

	if (!sw)
		return NULL;
	o = hostnic_put(call, sw->key, rpc_string(call, "name"), rpc_string(call, "interface"), NULL);
	if (!o)
		return NULL;
	config = object_copy(o);
	copy_params(config, call, more);
	return change_put(call, OBJECT_HOSTNIC, o->key, config) ? change_show(call, o, show_hostnic) : NULL;
}

json_t *method_hostnic_del(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	char key[OBJECT_KEY_BYTES];

	if (!sw)
		return NULL;
	snprintf(key, sizeof(key), "%.63s/%.63s", sw->key, rpc_string(call, "name"));
	if (!object_find(call->opaque, OBJECT_HOSTNIC, key)) {
		rpc_fail(&call->err, RPC_NOT_FOUND, "name", "there is no host NIC %s; `hvnetctl hostnic show` lists them", key);
		return NULL;
	}
	return change_put(call, OBJECT_HOSTNIC, key, NULL) ? json_object() : NULL;
}

json_t *method_hostnic_list(struct rpc_call *call)
{
	return list_objects(call, OBJECT_HOSTNIC, show_hostnic, "hostnics");
}
