/* SPDX-License-Identifier: MIT */
/* Methods of virtual machines and their adapters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hvnetd/control.h"
#include "hvnetd/methods.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/view.h"

/* ---- virtual machines ---- */

static struct object *find_vm(struct rpc_call *call)
{
	return vm_find(call->opaque, rpc_string(call, "vm"), &call->err);
}

static void make_up_name(struct hvnetd *d, char name[HVNETD_NAME_BYTES])
{
	do
		snprintf(name, HVNETD_NAME_BYTES, "vm%" PRIu64, ++d->vms_made);
	while (object_find(d, OBJECT_VM, name));
}

json_t *method_vm_add(struct rpc_call *call)
{
	const char *name = rpc_string(call, "name");
	char made[HVNETD_NAME_BYTES];
	struct object *o;

	if (!name) {
		make_up_name(call->opaque, made);
		name = made;
	}
	o = object_find(call->opaque, OBJECT_VM, name);
	if (o) {
		rpc_fail(&call->err, RPC_IN_USE, "name", "there is a VM \"%s\" already%s", name,
			 o->scope ? "; it ends with the hvnet-qemu that made it" : "");
		return NULL;
	}
	if (rpc_boolean(call, "scoped") && !call->caller) {
		rpc_fail(&call->err, RPC_STATE, "scoped", "the connection is gone");
		return NULL;
	}
	o = change_put(call, OBJECT_VM, name, json_pack("{s:s, s:O}", "name", name, "vcpus",
							json_object_get(call->params, "vcpus")));
	if (!o)
		return NULL;
	if (rpc_boolean(call, "scoped"))
		change_set_scope(o, control_client_id(call->caller), (int)control_client_pid(call->caller));
	else
		change_set_scope(o, 0, 0);
	return change_show(call, o, show_vm);
}

json_t *method_vm_del(struct rpc_call *call)
{
	struct object *vm = find_vm(call), *o;

	if (!vm)
		return NULL;
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER)
		if (!strcmp(object_string(o, "vm"), vm->key) && !change_put(call, OBJECT_ADAPTER, o->key, NULL))
			return NULL;
	return change_put(call, OBJECT_VM, vm->key, NULL) ? json_object() : NULL;
}

json_t *method_vm_list(struct rpc_call *call)
{
	const struct object *only = NULL, *o;
	struct page page;

	if (rpc_has(call, "vm") && !(only = find_vm(call)))
		return NULL;
	page = page_of(call);
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_VM)
		if ((!only || o == only) && page_has(&page))
			page_add(&page, show_vm(o));
	return page_end(&page, "vms");
}

/* ---- adapters ---- */

static struct object *find_adapter(struct rpc_call *call)
{
	return adapter_find(call->opaque, rpc_string(call, "adapter"), &call->err);
}

static bool is_taken(struct hvnetd *d, const char *vm, const char *name)
{
	char key[OBJECT_KEY_BYTES];

	snprintf(key, sizeof(key), "%.63s/%.63s", vm, name);
	return object_find(d, OBJECT_ADAPTER, key);
}

static int choose_name(struct rpc_call *call, const char *vm, json_t *config)
{
	const char *name = rpc_string(call, "name");
	char made[16];

	for (unsigned i = 0; !name && i <= HVNETD_MAX_SYNTHETIC + HVNETD_MAX_EMULATED; i++) {
		snprintf(made, sizeof(made), "nic%u", i);
		if (!is_taken(call->opaque, vm, made))
			name = made;
	}
	if (!name)
		return rpc_fail(&call->err, RPC_NO_RESOURCES, "name", "%s has no free adapter name", vm);
	if (is_taken(call->opaque, vm, name))
		return rpc_fail(&call->err, RPC_IN_USE, "name", "%s has an adapter %s already", vm, name);
	json_object_set_new(config, "name", json_string(name));
	return 0;
}

/* As it is written in the configuration, so that it can be compared. */
static void set_mac(json_t *config, const uint8_t mac[6])
{
	char text[HVNETD_MAC_TEXT_BYTES];

	mac_format(mac, text);
	json_object_set_new(config, "mac", json_string(text));
}

static int choose_mac(struct rpc_call *call, const char *vm, json_t *config)
{
	const char *given = rpc_string(call, "mac"), *name = json_string_value(json_object_get(config, "name"));
	struct hvnetd *d = call->opaque;
	char text[HVNETD_MAC_TEXT_BYTES];
	uint8_t mac[6];

	if (given && !mac_parse(given, mac))
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "mac", "\"%s\" is not the address of a station", given);
	for (unsigned i = 0; !given; i++) {	/* ends: there are more addresses than adapters */
		mac_from_names(d->host, vm, name, i, mac);
		mac_format(mac, text);
		if (!json_object_get(d->objects.macs, text))
			break;
	}
	set_mac(config, mac);
	return 0;
}

/* Where the call says it is to be. changed: whether it says anything. */
static int set_place(struct rpc_call *call, json_t *config, bool *changed)
{
	const char *sw = rpc_string(call, "switch"), *port = rpc_string(call, "port");
	const struct object *o;

	*changed = sw || port;
	if (sw && port)
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, "port", "give either \"switch\" or \"port\": a port has its switch");
	if (!*changed)
		return 0;
	json_object_del(config, "switch");
	json_object_del(config, "port");
	if (port) {
		o = object_find_port(call->opaque, port, &call->err);
		if (!o)
			return -1;
		if (o->kind != OBJECT_PORT)
			return rpc_fail(&call->err, RPC_NOT_FOUND, "port", "there is no port \"%s\" made with port.create", port);
		json_object_set(config, "switch", json_object_get(o->config, "switch"));
		json_object_set_new(config, "port", json_string(o->key));
	} else if (*sw) {
		o = switch_find(call->opaque, sw, &call->err);
		if (!o)
			return -1;
		json_object_set_new(config, "switch", json_string(o->key));
	}
	return 0;
}

json_t *method_adapter_add(struct rpc_call *call)
{
	static const char *const members[] = { "kind", "mtu", "model", "link", "policy", NULL };
	const struct object *vm = find_vm(call);
	json_t *config = json_object();
	char key[OBJECT_KEY_BYTES];
	struct object *o;
	bool placed;

	if (!vm || choose_name(call, vm->key, config) || choose_mac(call, vm->key, config) || set_place(call, config, &placed)) {
		json_decref(config);
		return NULL;
	}
	json_object_set_new(config, "vm", json_string(vm->key));
	copy_params(config, call, members);
	object_key(OBJECT_ADAPTER, config, key);
	o = change_put(call, OBJECT_ADAPTER, key, config);
	if (!o)
		return NULL;
	change_set_scope(o, vm->scope, vm->pid);
	return change_show(call, o, show_adapter);
}

json_t *method_adapter_del(struct rpc_call *call)
{
	const struct object *o = find_adapter(call);

	return o && change_put(call, OBJECT_ADAPTER, o->key, NULL) ? json_object() : NULL;
}

json_t *method_adapter_set(struct rpc_call *call)
{
	struct object *o = find_adapter(call);
	uint8_t mac[6];
	json_t *config;
	bool placed;

	if (!o || says_nothing(call, "link, mac, switch or port"))
		return NULL;
	config = object_copy(o);
	if (set_place(call, config, &placed)) {
		json_decref(config);
		return NULL;
	}
	copy_params(config, call, (const char *const[]){ "link", NULL });
	if (rpc_has(call, "mac") && mac_parse(rpc_string(call, "mac"), mac))
		set_mac(config, mac);
	return change_put(call, OBJECT_ADAPTER, o->key, config) ? change_show(call, o, show_adapter) : NULL;
}

json_t *method_adapter_connect(struct rpc_call *call)
{
	const char *sw = rpc_string(call, "switch");

	if ((!sw || !*sw) && !rpc_has(call, "port")) {
		rpc_fail(&call->err, RPC_INVALID_PARAMS, "switch", "give \"switch\" or \"port\", where it is to be");
		return NULL;
	}
	return method_adapter_set(call);
}

struct object *adapter_disconnect(struct rpc_call *call, struct object *o)
{
	json_t *config = object_copy(o);

	json_object_del(config, "switch");
	json_object_del(config, "port");
	return change_put(call, OBJECT_ADAPTER, o->key, config);
}

json_t *method_adapter_disconnect(struct rpc_call *call)
{
	struct object *o = find_adapter(call);

	return o && adapter_disconnect(call, o) ? change_show(call, o, show_adapter) : NULL;
}

static bool is_on(const struct object *o, const struct object *sw)
{
	return object_string(o, "switch") && !strcmp(object_string(o, "switch"), sw->key);
}

json_t *method_adapter_list(struct rpc_call *call)
{
	const struct object *only = NULL, *vm = NULL, *sw = NULL, *o;
	struct page page;

	if ((rpc_has(call, "adapter") && !(only = find_adapter(call))) || (rpc_has(call, "vm") && !(vm = find_vm(call))) ||
	    (rpc_has(call, "switch") && !(sw = switch_param(call))))
		return NULL;
	page = page_of(call);
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER) {
		if ((only && o != only) || (vm && strcmp(object_string(o, "vm"), vm->key) != 0) || (sw && !is_on(o, sw)))
			continue;
		if (page_has(&page))
			page_add(&page, show_adapter(o));
	}
	return page_end(&page, "adapters");
}

json_t *method_adapter_get(struct rpc_call *call)
{
	const struct object *o = find_adapter(call);

	return o ? show_adapter(o) : NULL;
}

/* ---- a port's side of it ---- */

json_t *method_port_connect(struct rpc_call *call)
{
	struct object *port = port_param(call), *o = port ? find_adapter(call) : NULL;
	json_t *config;

	if (!o)
		return NULL;
	if (port->kind != OBJECT_PORT) {
		rpc_fail(&call->err, RPC_STATE, "port", "%s has a NIC of its own; only a port of port.create takes an adapter",
			 port->key);
		rpc_detail(&call->err, "state", "%s", object_classes[port->kind].name);
		return NULL;
	}
	if (object_string(o, "switch")) {
		rpc_fail(&call->err, RPC_IN_USE, "adapter", "adapter %s is on switch \"%s\"; disconnect it first, or move it with "
			 "adapter.connect", o->key, object_string(o, "switch"));
		rpc_detail(&call->err, "by", "switch %s", object_string(o, "switch"));
		return NULL;
	}
	config = object_copy(o);
	json_object_set(config, "switch", json_object_get(port->config, "switch"));
	json_object_set_new(config, "port", json_string(port->key));
	return change_put(call, OBJECT_ADAPTER, o->key, config) ? change_show(call, port, show_port) : NULL;
}

json_t *method_port_disconnect(struct rpc_call *call)
{
	const struct object *port = port_param(call);
	struct object *o;

	if (!port)
		return NULL;
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER) {
		const char *on = object_string(o, "port");

		if (o != port && (!on || strcmp(on, port->key) != 0))
			continue;
		if (!object_string(o, "switch"))
			break;
		return adapter_disconnect(call, o) ? json_object() : NULL;
	}
	rpc_fail(&call->err, RPC_STATE, "port", "no adapter is on %s", port->key);
	rpc_detail(&call->err, "state", "disconnected");
	return NULL;
}
