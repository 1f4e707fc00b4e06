/* SPDX-License-Identifier: MIT */
/*
 * Adapters of virtual machines: the configuration, the device that QEMU attaches to, and the port on the switch.
 *
 *	no port --QEMU attaches, there is a switch--> port, policies, NIC created --driver up--> NIC connected
 *	   ^                                                                 ^                      |
 *	   |                                                                 +--driver down---------+
 *	   +------QEMU gone, or taken off the switch: disconnected, deleted, port torn down---------+
 *
 * The device connects and disconnects its NIC by itself as its driver comes and goes (netvsp, e1000). All else follows from
 * look(), which compares what is with what should be; it runs from the loop, never inside a device's own work.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "e1000/e1000.h"
#include "hvnetd/hvnetd.h"
#include "netvsp/netvsp.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

const char *adapter_kind_name(enum adapter_kind kind)
{
	switch (kind) {
	case ADAPTER_SYNTHETIC:
		return "synthetic";
	case ADAPTER_EMULATED:
		return "emulated";
	}
	return "?";
}

enum adapter_kind adapter_kind_of(const struct object *o)
{
	const char *kind = object_string(o, "kind");

	return kind && !strcmp(kind, "emulated") ? ADAPTER_EMULATED : ADAPTER_SYNTHETIC;
}

const char *adapter_socket(const struct adapter *a)
{
	return a->socket ? a->socket : a->vm ? a->vm->socket : NULL;
}

bool adapter_counter(const struct adapter *a, unsigned n, const char **name, uint64_t *value)
{
	if (a->chip)
		return e1000_counter(a->chip, n, name, value);
	return a->nic && netvsp_counter(a->nic, n, name, value);
}

bool adapter_is_attached(const struct adapter *a)
{
	struct e1000_status st = { 0 };

	if (a->chip) {
		e1000_status(a->chip, &st);
		return st.attached;
	}
	return a->nic && a->vm && a->vm->bridge && vmbus_bridge_attached(a->vm->bridge);
}

bool adapter_driver_up(const struct adapter *a)
{
	struct e1000_status chip = { 0 };
	struct netvsp_status nic = { 0 };

	if (a->chip) {
		e1000_status(a->chip, &chip);
		return chip.receiving || chip.transmitting;
	}
	if (a->nic)
		netvsp_status(a->nic, &nic);
	return nic.open;
}

const char *adapter_nic_state(const struct adapter *a)
{
	return a->port ? port_nic_state(a->port) : "none";
}

/* ---- checks ---- */

/* How many of the VM's are of this kind, and what else of the VM is wrong. */
static int check_vm(struct object *o, struct rpc_error *err)
{
	const bool emulated = adapter_kind_of(o) == ADAPTER_EMULATED;
	const struct object *other;
	int n = 0;

	if (!object_find(o->d, OBJECT_VM, object_string(o, "vm")))
		return rpc_fail(err, RPC_NOT_FOUND, "vm", "there is no VM \"%s\"; `hvnetctl vm show` lists them",
				object_string(o, "vm"));
	OBJECT_FOREACH(other, o->d, OBJECT_ADAPTER)
		n += !strcmp(object_string(other, "vm"), object_string(o, "vm")) &&
		     (adapter_kind_of(other) == ADAPTER_EMULATED) == emulated;
	if (n > (emulated ? HVNETD_MAX_EMULATED : HVNETD_MAX_SYNTHETIC))
		return rpc_fail(err, RPC_NO_RESOURCES, "vm", "%s has %d %s adapters, the limit", object_string(o, "vm"), n - 1,
				emulated ? "emulated" : "synthetic");
	return 0;
}

static int check_mac(struct object *o, struct rpc_error *err)
{
	const char *mac = object_string(o, "mac"), *owner;
	uint8_t bytes[6];

	if (!mac || !mac_parse(mac, bytes))
		return rpc_fail(err, RPC_INVALID_PARAMS, "mac", "the adapter needs an address like 02:68:76:01:02:03");
	owner = json_string_value(json_object_get(o->d->objects.macs, mac));
	if (owner && strcmp(owner, o->key) != 0) {
		rpc_fail(err, RPC_IN_USE, "mac", "adapter %s has the address %s already", owner, mac);
		return rpc_detail(err, "by", "adapter %s", owner);
	}
	return 0;
}

static int check_kind(struct object *o, struct rpc_error *err)
{
	if (object_string(o, "model") && adapter_kind_of(o) != ADAPTER_EMULATED)
		return rpc_fail(err, RPC_INVALID_PARAMS, "model", "\"model\" is for emulated adapters");
	if (json_object_get(o->config, "mtu") && adapter_kind_of(o) == ADAPTER_EMULATED)
		return rpc_fail(err, RPC_INVALID_PARAMS, "mtu", "\"mtu\" is for synthetic adapters; an emulated one takes what "
				"the guest's driver sets, up to 16110");
	return 0;
}

static int check_place(struct object *o, struct rpc_error *err)
{
	const char *sw = object_string(o, "switch"), *port = object_string(o, "port");
	const struct object *other;

	if (port) {
		if (!object_find(o->d, OBJECT_PORT, port))
			return rpc_fail(err, RPC_NOT_FOUND, "port", "there is no port \"%s\" made with port.create", port);
		OBJECT_FOREACH(other, o->d, OBJECT_ADAPTER)
			if (other != o && object_string(other, "port") && !strcmp(object_string(other, "port"), port)) {
				rpc_fail(err, RPC_IN_USE, "port", "adapter %s is on port %s already", other->key, port);
				return rpc_detail(err, "by", "adapter %s", other->key);
			}
		if (!sw || strncmp(port, sw, strlen(sw)) != 0 || port[strlen(sw)] != '/')
			return rpc_fail(err, RPC_INVALID_PARAMS, "switch", "port %s is on another switch", port);
	}
	if (sw && !object_find(o->d, OBJECT_SWITCH, sw))
		return rpc_fail(err, RPC_NOT_FOUND, "switch", "there is no switch \"%s\"; `hvnetctl switch show` lists them", sw);
	return 0;
}

int adapter_check(struct object *o, struct rpc_error *err)
{
	if (!o->config)
		return 0;
	if (!name_is_plain(object_string(o, "name")))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"an adapter's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	return check_vm(o, err) || check_kind(o, err) || check_mac(o, err) || check_place(o, err) ||
	       policy_check(o->d, o->config, false, err) || bandwidth_check(o, err) ? -1 : 0;
}

/* ---- the port ---- */

static int set_port(struct adapter *a, struct vswitch_port *port)
{
	return a->chip ? e1000_set_port(a->chip, port) : netvsp_set_port(a->nic, port);
}

static bool link_is_up(const struct adapter *a)
{
	const char *link = json_string_value(json_object_get(a->settings, "link"));

	return !link || strcmp(link, "down") != 0;
}

static void set_link(struct adapter *a)
{
	if (a->chip)
		e1000_set_link(a->chip, link_is_up(a));
	else
		netvsp_set_link(a->nic, link_is_up(a));
}

/* One that has never had the NIC. */
static void drop_port(struct adapter *a)
{
	vswitch_port_destroy(a->port);
	a->port = NULL;
	a->sw = NULL;
	a->unfinished = false;
	a->walk = (struct acl_walk){ 0 };
}

void adapter_leave_port(struct adapter *a)
{
	diag_adapter_moves(a);
	if (!a->port)
		return;
	if (a->unfinished) {
		drop_port(a);
		return;
	}
	if (!strcmp(adapter_nic_state(a), "connected"))
		event_nic(a->o.d, a->sw->o.key, a->port, "disconnected");
	if (strcmp(adapter_nic_state(a), "none") != 0)
		event_nic(a->o.d, a->sw->o.key, a->port, "deleted");
	a->nic_state = "none";
	if (set_port(a, NULL))
		hv_log(HV_LOG_ERROR, "%s: stays on its port", a->o.key);
	if (a->fixed) {
		a->fixed->user = NULL;
	} else {
		event_port(a->o.d, a->sw->o.key, a->port, "teardown");
		event_port(a->o.d, a->sw->o.key, a->port, "deleted");
		vswitch_port_destroy(a->port);
	}
	a->port = NULL;
	a->fixed = NULL;
	a->sw = NULL;
}

/* Its port is named after it as far as a port's name goes. */
struct vswitch_port_config adapter_port_config(const struct adapter *a, char *name)
{
	snprintf(name, VSWITCH_PORT_NAME_BYTES, "%.*s", VSWITCH_PORT_NAME_BYTES - 1, a->o.key);
	return (struct vswitch_port_config){
		.name = name, .friendly_name = a->o.key,
		.type = adapter_kind_of(&a->o) == ADAPTER_EMULATED ? VSWITCH_PORT_EMULATED : VSWITCH_PORT_SYNTHETIC,
	};
}

struct vswitch_nic_config adapter_nic_config(const struct adapter *a, const json_t *config)
{
	const char *vm = object_string(&a->o, "vm");
	struct vswitch_nic_config nic = {
		.name = a->o.key, .vm_name = vm, .vm_id = vm, .initializing = true,
		.kind = adapter_kind_of(&a->o) == ADAPTER_EMULATED ? VSWITCH_NIC_EMULATED : VSWITCH_NIC_SYNTHETIC,
		.mtu = (uint32_t)json_integer_value(json_object_get(config, "mtu")),
	};

	(void)!mac_parse(json_string_value(json_object_get(config, "mac")), nic.mac);
	return nic;
}

int adapter_ask(const struct adapter *a, const json_t *config)
{
	const char *port = json_string_value(json_object_get(config, "port"));
	struct object *sw = object_find(a->o.d, OBJECT_SWITCH, json_string_value(json_object_get(config, "switch")));
	const struct object *fixed = port ? object_find(a->o.d, OBJECT_PORT, port) : NULL;
	char name[VSWITCH_PORT_NAME_BYTES];
	const struct vswitch_port_config own = adapter_port_config(a, name);
	const struct vswitch_nic_config nic = adapter_nic_config(a, config);

	if (!sw || (port && (!fixed || !port_of(fixed))))
		return 0;		/* said when the port is taken */
	return extension_ask(hv_container_of(sw, struct hvnetd_switch, o), port ? NULL : &own, port ? port_of(fixed) : NULL, &nic);
}

/* A port for the adapter, with its policies. */
static int make_port(struct adapter *a, struct rpc_error *err)
{
	char name[VSWITCH_PORT_NAME_BYTES];
	const struct vswitch_port_config config = adapter_port_config(a, name);
	int ret;

	ret = vswitch_port_create_as(a->sw->sw, &config, &a->port);
	if (ret) {
		a->port = NULL;
		return ret == -ECANCELED ? refused_by_extension(a->sw->sw, "port", err) :
					   rpc_fail(err, ret == -EEXIST ? RPC_IN_USE : RPC_FAILED, "switch",
						    "switch \"%s\": no port %s: %s", a->sw->o.key, name, strerror(-ret));
	}
	return 0;
}

/* The policies of a port of its own, in pieces: the NIC is on it when all are there. */
static int apply_policies(struct adapter *a, struct rpc_error *err)
{
	int ret = a->fixed ? 0 : policy_apply_step(a->port, a->settings, NULL, false, &a->walk, err);

	a->unfinished = ret == OBJECT_AGAIN;
	if (ret < 0)
		drop_port(a);
	return ret;
}

static int find_place(struct adapter *a, struct rpc_error *err)
{
	const char *name = json_string_value(json_object_get(a->settings, "switch"));
	const char *port = json_string_value(json_object_get(a->settings, "port"));
	struct object *sw = object_find(a->o.d, OBJECT_SWITCH, name), *fixed = port ? object_find(a->o.d, OBJECT_PORT, port) : NULL;

	if (!sw || !switch_of(sw) || (port && (!fixed || !port_of(fixed))))
		return rpc_fail(err, RPC_STATE, "switch", "%s %s is not there", port ? "port" : "switch", port ? port : name);
	diag_adapter_moves(a);
	a->sw = hv_container_of(sw, struct hvnetd_switch, o);
	if (fixed) {
		a->fixed = hv_container_of(fixed, struct fixed_port, o);
		a->fixed->user = a;
		a->port = a->fixed->port;
		return 0;
	}
	return make_port(a, err);
}

static int take_port(struct adapter *a, struct rpc_error *err)
{
	int ret;

	if (!a->unfinished && find_place(a, err)) {
		a->sw = NULL;
		return -1;
	}
	ret = apply_policies(a, err);
	if (ret)
		return ret;
	if (!a->fixed) {
		event_port(a->o.d, a->sw->o.key, a->port, "created");
		uplink_map_port(&a->o);
	}
	ret = set_port(a, a->port);
	if (ret) {
		rpc_fail(err, ret == -EADDRINUSE ? RPC_IN_USE : RPC_FAILED, "switch", "adapter %s cannot be on switch \"%s\": %s",
			 a->o.key, a->sw->o.key, ret == -EADDRINUSE ? "its address is on another port" : strerror(-ret));
		if (ret == -ECANCELED)
			refused_by_extension(a->sw->sw, "nic", err);
		adapter_leave_port(a);
		return -1;
	}
	set_link(a);
	a->nic_state = adapter_nic_state(a);
	event_nic(a->o.d, a->sw->o.key, a->port, "created");
	if (strcmp(a->nic_state, "created") != 0)
		event_nic(a->o.d, a->sw->o.key, a->port, a->nic_state);
	hv_log(HV_LOG_INFO, "%s: on switch \"%s\", port %" PRIu32, a->o.key, a->sw->o.key, vswitch_port_id(a->port));
	return 0;
}

/* What there should be, from what is. 0, -1 with err, or OBJECT_AGAIN: it takes another look. */
static int look(struct adapter *a, struct rpc_error *err)
{
	const bool wanted = a->settings && (a->nic || a->chip) && json_object_get(a->settings, "switch") && adapter_is_attached(a);
	int ret;

	a->attached = adapter_is_attached(a);
	a->asking = wanted && !a->port && adapter_ask(a, a->settings);
	snprintf(a->why, sizeof(a->why), "%s", a->asking ? "extensions are asked" : "");
	if (a->asking || (wanted == (a->port != NULL) && !a->unfinished))
		return 0;
	if (!wanted) {
		adapter_leave_port(a);
		return 0;
	}
	ret = take_port(a, err);
	if (ret >= 0)
		return ret;
	snprintf(a->why, sizeof(a->why), "%.120s", err->message);
	hv_log(HV_LOG_WARNING, "%s: has no port: %s", a->o.key, err->message);
	return -1;
}

static void on_look(struct hv_timer *t)
{
	struct adapter *a = hv_container_of(t, struct adapter, look);
	struct rpc_error err = { 0 };

	if (look(a, &err) == OBJECT_AGAIN)	/* a failure is said there */
		adapter_look_soon(a);
	if (a->port && !a->unfinished && strcmp(a->nic_state, adapter_nic_state(a)) != 0) {
		a->nic_state = adapter_nic_state(a);
		event_nic(a->o.d, a->sw->o.key, a->port, a->nic_state);
	}
}

void adapter_look_soon(struct adapter *a)
{
	if (hv_timer_arm(a->o.d->worker.loop, &a->look, 0))
		hv_log(HV_LOG_ERROR, "%s: out of memory, its port may be out of date", a->o.key);
}

static void device_changed(void *cookie)
{
	adapter_look_soon(cookie);
}

void vm_changed(void *cookie)
{
	struct vm *vm = cookie;
	struct object *o;

	OBJECT_FOREACH(o, vm->o.d, OBJECT_ADAPTER) {
		struct adapter *a = hv_container_of(o, struct adapter, o);

		if (a->vm == vm && a->nic)
			adapter_look_soon(a);
	}
}

/* ---- the device ---- */

void adapter_init(struct object *o)
{
	struct adapter *a = hv_container_of(o, struct adapter, o);

	a->look.fire = on_look;
	a->nic_state = "none";
}

static int make_synthetic(struct adapter *a)
{
	struct netvsp_desc desc = {
		.name = a->o.key, .vm_name = a->vm->o.key, .vm_id = a->vm->o.key, .changed = device_changed, .cookie = a,
		.max_mtu = (uint32_t)json_integer_value(json_object_get(a->settings, "mtu")),
	};
	int ret;

	memcpy(desc.mac, a->mac, 6);
	guid_from_names(a->o.d->host, a->vm->o.key, object_string(&a->o, "name"), desc.instance);
	ret = netvsp_create(a->o.d->worker.loop, vmbus_bridge_bus(a->vm->bridge), NULL, &desc, &a->nic);
	if (ret)
		a->nic = NULL;
	return ret;
}

/* Names have no colon, so no VM's socket has such a name. */
static int make_emulated(struct adapter *a)
{
	struct e1000_desc desc = {
		.name = a->o.key, .vm_name = a->vm->o.key, .vm_id = a->vm->o.key, .changed = device_changed, .cookie = a,
	};
	const char *model = object_string(&a->o, "model");
	int ret;

	if (asprintf(&a->socket, "%s:%s", a->vm->socket, object_string(&a->o, "name")) < 0) {
		a->socket = NULL;
		return -ENOMEM;
	}
	if (strlen(a->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	if (model && !e1000_model_parse(model, &desc.model))
		return -EINVAL;
	desc.socket_path = a->socket;
	memcpy(desc.mac, a->mac, 6);
	ret = e1000_create(a->o.d->worker.loop, NULL, &desc, &a->chip);
	if (ret)
		a->chip = NULL;
	else
		vfu_dev_watch(e1000_function(a->chip), device_changed, a);
	return ret;
}

static void unmake(struct adapter *a)
{
	hv_timer_cancel(&a->look);
	adapter_leave_port(a);
	if (a->chip)
		vfu_dev_watch(e1000_function(a->chip), NULL, NULL);
	netvsp_destroy(a->nic);
	e1000_destroy(a->chip);
	free(a->socket);
	json_decref(a->settings);
	a->nic = NULL;
	a->chip = NULL;
	a->socket = NULL;
	a->settings = NULL;
	a->vm = NULL;
}

static int make_device(struct adapter *a, struct rpc_error *err)
{
	struct object *vm = object_find(a->o.d, OBJECT_VM, object_string(&a->o, "vm"));
	int ret;

	if (!vm || !hv_container_of(vm, struct vm, o)->bridge)
		return rpc_fail(err, RPC_STATE, "vm", "VM %s is not there", object_string(&a->o, "vm"));
	a->vm = hv_container_of(vm, struct vm, o);
	a->kind = adapter_kind_of(&a->o);
	a->settings = json_incref(a->o.config);
	if (!mac_parse(object_string(&a->o, "mac"), a->mac))
		return rpc_fail(err, RPC_INVALID_PARAMS, "mac", "no address");
	ret = a->kind == ADAPTER_EMULATED ? make_emulated(a) : make_synthetic(a);
	if (!ret)
		return 0;
	if (ret == -ENAMETOOLONG)
		return rpc_fail(err, RPC_INVALID_PARAMS, "name", "the socket's path %s is longer than the kernel takes; give "
				"the adapter a shorter name", a->socket);
	if (ret == -EADDRINUSE)
		return rpc_fail(err, RPC_IN_USE, "adapter", "somebody else serves %s", a->socket ? a->socket : a->o.key);
	return rpc_fail(err, RPC_FAILED, "adapter", "adapter %s: %s", a->o.key, strerror(-ret));
}

/* In pieces, too. */
static int make(struct adapter *a, struct rpc_error *err)
{
	int ret = a->nic || a->chip ? 0 : make_device(a, err);

	if (!ret)
		ret = look(a, err);
	if (ret == OBJECT_AGAIN)
		return ret;
	if (ret) {
		unmake(a);
		return -1;
	}
	set_link(a);
	hv_log(HV_LOG_INFO, "%s: added, %s, %s", a->o.key, adapter_kind_name(a->kind), object_string(&a->o, "mac"));
	return 0;
}

static const char *const what_makes_it[] = { "kind", "mac", "mtu", "model", NULL };

static bool differs(const json_t *a, const json_t *b, const char *const *members)
{
	for (; *members; members++) {
		json_t *x = json_object_get(a, *members), *y = json_object_get(b, *members);

		if (x != y && (!x || !y || !json_equal(x, y)))
			return true;
	}
	return false;
}

static void set_settings(struct adapter *a, json_t *config)
{
	json_incref(config);
	json_decref(a->settings);
	a->settings = config;
}

bool adapter_is_moved(const struct adapter *a)
{
	const char *sw = object_string(&a->o, "switch"), *port = object_string(&a->o, "port");

	if (!a->port || !sw)
		return a->port;
	/* By identity: a switch that has another name is no other place. */
	return object_find(a->o.d, OBJECT_SWITCH, sw) != &a->sw->o ||
	       (port ? object_find(a->o.d, OBJECT_PORT, port) : NULL) != (a->fixed ? &a->fixed->o : NULL);
}

/* To another place, or with other policies in the same one. The guest sees the link go down and up, or nothing. */
static int change(struct adapter *a, struct rpc_error *err)
{
	json_t *before = a->o.real;
	struct rpc_error other = { 0 };
	const bool moved = adapter_is_moved(a);
	int ret;

	if (a->unfinished && a->settings != a->o.config)	/* on its way to what it is not to be */
		adapter_leave_port(a);
	if (!moved && a->port && !a->unfinished && !a->fixed && policy_apply(a->port, a->o.config, before, false, err))
		return -1;
	json_incref(before);
	set_settings(a, a->o.config);
	if (moved)
		adapter_leave_port(a);
	ret = look(a, err);
	if (ret < 0) {
		set_settings(a, before);
		if (look(a, &other) == OBJECT_AGAIN)	/* a failure is said there */
			adapter_look_soon(a);
	}
	json_decref(before);
	if (a->nic || a->chip)
		set_link(a);
	return ret;
}

static int make_whole(struct adapter *a, struct rpc_error *err)
{
	int ret;

	while ((ret = make(a, err)) == OBJECT_AGAIN)
		;
	return ret;
}

/* Another address or model is another device: not while somebody has it. */
static int remake(struct adapter *a, struct rpc_error *err)
{
	json_t *wanted = a->o.config;

	if (adapter_is_attached(a) && !(a->nic && !adapter_driver_up(a))) {
		rpc_fail(err, RPC_STATE, "adapter", "adapter %s is in use by its guest; stop it first", a->o.key);
		return rpc_detail(err, "state", "attached");
	}
	unmake(a);
	if (!make_whole(a, err))
		return 0;
	a->o.config = a->o.real;	/* for the time of the call */
	if (make_whole(a, &(struct rpc_error){ 0 }))
		hv_log(HV_LOG_ERROR, "%s: cannot be put back", a->o.key);
	a->o.config = wanted;
	return -1;
}

/* Whether it will be on a port, and on another one than now. */
static bool takes_a_port(const struct adapter *a)
{
	const struct object *vm = object_find(a->o.d, OBJECT_VM, object_string(&a->o, "vm"));
	const struct vmbus_bridge *bridge = vm ? hv_container_of(vm, struct vm, o)->bridge : NULL;
	const bool attached = a->nic || a->chip ? adapter_is_attached(a) :
			      adapter_kind_of(&a->o) == ADAPTER_SYNTHETIC && bridge && vmbus_bridge_attached(bridge);

	return attached && object_string(&a->o, "switch") &&
	       (!a->port || adapter_is_moved(a) || differs(a->o.config, a->settings, what_makes_it));
}

int adapter_realize(struct object *o, struct rpc_error *err)
{
	struct adapter *a = hv_container_of(o, struct adapter, o);

	if (o->config && takes_a_port(a) && adapter_ask(a, o->config))
		return OBJECT_WAITS;	/* before anything is changed */
	if (!o->config) {
		if (a->vm)
			hv_log(HV_LOG_INFO, "%s: deleted", o->key);
		unmake(a);
		return 0;
	}
	if ((!a->nic && !a->chip) || !o->real)
		return make(a, err);
	return differs(o->config, a->settings, what_makes_it) ? remake(a, err) : change(a, err);
}
