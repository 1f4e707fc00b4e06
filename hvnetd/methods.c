/* SPDX-License-Identifier: MIT */
/*
 * The methods of the control socket: what a request's parameters mean, and how objects look in an
 * answer. hvnetd(8) is their manual.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "e1000/e1000.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "netvsp/netvsp.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

enum { ETHERNET_HEADER_BYTES = 14 };

#define END { NULL, RPC_STRING, false, 0, 0 }

static json_t *done(void)
{
	return json_object();
}

/* Switches. */

static json_t *show_switch(const struct hvnetd_switch *sw)
{
	const struct vswitch_port *port = NULL;
	json_int_t ports = 0;

	while ((port = vswitch_next_port(sw->sw, (struct vswitch_port *)port)))
		ports++;
	return json_pack("{s:s, s:s, s:I, s:i}", "name", sw->name, "type", switch_type_name(sw->type), "ports",
			 ports, "uplinks", (int)sw->num_uplinks);
}

static const struct rpc_param switch_add_params[] = {
	{ "name", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "type", RPC_STRING, false, 1, 16 },
	{ "interface", RPC_STRING, false, 1, 15 },
	END
};

static json_t *switch_add(struct rpc_call *call)
{
	const char *name = rpc_string(call, "name"), *type = rpc_string(call, "type");
	enum switch_type t = SWITCH_PRIVATE;
	struct hvnetd *d = call->opaque;

	while (type && strcmp(switch_type_name(t), type) != 0)
		if (t++ == SWITCH_TAP) {
			rpc_fail(&call->err, RPC_INVALID_PARAMS, "type",
				 "there is no type \"%s\"; known are private, nat and tap", type);
			return NULL;
		}
	if (hvnetd_switch_add(d, name, t, rpc_string(call, "interface"), &call->err))
		return NULL;
	return show_switch(hvnetd_switch_find(d, name, &call->err));
}

static const struct rpc_param switch_del_params[] = {
	{ "name", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "force", RPC_BOOLEAN, false, 0, 0 },
	END
};

static json_t *switch_del(struct rpc_call *call)
{
	struct hvnetd_switch *sw = hvnetd_switch_find(call->opaque, rpc_string(call, "name"), &call->err);

	if (!sw || hvnetd_switch_del(call->opaque, sw, rpc_boolean(call, "force"), &call->err))
		return NULL;
	return done();
}

static const struct rpc_param name_params[] = {
	{ "name", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *switch_show(struct rpc_call *call)
{
	const char *name = rpc_string(call, "name");
	struct hvnetd *d = call->opaque;
	const struct hvnetd_switch *sw;
	json_t *list;

	if (name && !hvnetd_switch_find(d, name, &call->err))
		return NULL;
	list = json_array();
	TAILQ_FOREACH(sw, &d->switches, link)
		if (!name || !strcmp(sw->name, name))
			json_array_append_new(list, show_switch(sw));
	return json_pack("{s:o}", "switches", list);
}

/* VMs. */

static json_t *show_vm(struct vm *vm)
{
	struct vmbus *bus = vmbus_bridge_bus(vm->bridge);
	uint32_t version = vmbus_version(bus);
	char id[2 * HVNETD_NAME_BYTES], text[16], os[24];
	json_t *adapters = json_array(), *o;
	const struct adapter *a;
	pid_t pid = 0;
	uid_t uid;

	TAILQ_FOREACH(a, &vm->adapters, link) {
		adapter_id(a, id);
		json_array_append_new(adapters, json_string(id));
	}
	o = json_pack("{s:s, s:i, s:s, s:b, s:b, s:o}", "name", vm->name, "vcpus", (int)vm->vcpus, "socket", vm->socket,
		      "scoped", vm->scope != NULL, "attached", vmbus_bridge_attached(vm->bridge), "adapters",
		      adapters);
	if (vm->scope)
		json_object_set_new(o, "owner_pid", json_integer(control_client_pid(vm->scope)));
	if (vmbus_bridge_attached(vm->bridge) && vfu_dev_peer(vmbus_bridge_function(vm->bridge), &pid, &uid))
		json_object_set_new(o, "qemu_pid", json_integer(pid));
	if (version) {
		snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xffff);
		json_object_set_new(o, "vmbus_version", json_string(text));
		snprintf(os, sizeof(os), "0x%016llx", (unsigned long long)vmbus_guest_os_id(bus));
		json_object_set_new(o, "guest_os_id", json_string(os));
	}
	return o;
}

static const struct rpc_param vm_add_params[] = {
	{ "name", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	{ "vcpus", RPC_INTEGER, true, 1, HVNETD_MAX_VCPUS },
	{ "scoped", RPC_BOOLEAN, false, 0, 0 },
	END
};

static json_t *vm_add(struct rpc_call *call)
{
	struct control_client *scope = rpc_boolean(call, "scoped") ? call->caller : NULL;
	struct vm *vm;

	if (hvnetd_vm_add(call->opaque, rpc_string(call, "name"), (uint32_t)rpc_integer(call, "vcpus", 1), scope, &vm,
			  &call->err))
		return NULL;
	return show_vm(vm);
}

static const struct rpc_param vm_del_params[] = {
	{ "name", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *vm_del(struct rpc_call *call)
{
	struct vm *vm = hvnetd_vm_find(call->opaque, rpc_string(call, "name"), &call->err);

	if (!vm)
		return NULL;
	hvnetd_vm_del(call->opaque, vm);
	return done();
}

static json_t *vm_show(struct rpc_call *call)
{
	const char *name = rpc_string(call, "name");
	struct hvnetd *d = call->opaque;
	struct vm *vm;
	json_t *list;

	if (name && !hvnetd_vm_find(d, name, &call->err))
		return NULL;
	list = json_array();
	TAILQ_FOREACH(vm, &d->vms, link)
		if (!name || !strcmp(vm->name, name))
			json_array_append_new(list, show_vm(vm));
	return json_pack("{s:o}", "vms", list);
}

/* Adapters. */

static json_t *show_negotiated(const struct netvsp_status *st)
{
	char nvsp[16], ndis[24];

	snprintf(nvsp, sizeof(nvsp), "%u.%u", st->nvsp_version >> 16, st->nvsp_version & 0xffff);
	snprintf(ndis, sizeof(ndis), "%u.%u", st->ndis_major, st->ndis_minor);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "nvsp_version", nvsp, "ndis_version", ndis, "mtu",
			 (json_int_t)st->mtu, "packet_filter", (json_int_t)st->packet_filter, "channels",
			 (json_int_t)st->channels, "receive_buffers", (json_int_t)st->receive_buffers,
			 "receive_buffers_free", (json_int_t)st->receive_buffers_free, "operational",
			 st->operational);
}

/* What the guest's driver has set up in the chip. The MTU is what it lets through. */
static json_t *show_chip(const struct e1000_status *st)
{
	char station[HVNETD_MAC_TEXT_BYTES];

	mac_format(st->station, station);
	return json_pack("{s:s, s:I, s:b, s:b, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "link", st->link_up ? "up" : "down",
			 "speed_mbps", (json_int_t)st->speed_mbps, "receiving", st->receiving, "transmitting",
			 st->transmitting, "station", station, "promiscuous", st->promiscuous, "mtu",
			 (json_int_t)(st->max_frame_bytes > ETHERNET_HEADER_BYTES ? st->max_frame_bytes - ETHERNET_HEADER_BYTES : 0),
			 "receive_ring", (json_int_t)st->receive_ring, "receive_descriptors_free", (json_int_t)st->receive_free,
			 "transmit_ring", (json_int_t)st->transmit_ring, "queued_bytes", (json_int_t)st->queued_bytes,
			 "interrupts", (json_int_t)st->interrupts);
}

/* What depends on the kind: whether a driver uses it, and how. */
static void show_guest(const struct adapter *a, json_t *o)
{
	if (a->kind == ADAPTER_EMULATED) {
		struct e1000_status st = { 0 };

		e1000_status(a->chip, &st);
		json_object_set_new(o, "open", json_boolean(st.receiving || st.transmitting));
		json_object_set_new(o, "model", json_string(e1000_model_name(st.model)));
		json_object_set_new(o, "attached", json_boolean(st.attached));
		if (st.attached)
			json_object_set_new(o, "guest", show_chip(&st));
	} else {
		struct netvsp_status st = { 0 };

		netvsp_status(a->nic, &st);
		json_object_set_new(o, "open", json_boolean(st.open));
		if (st.nvsp_version)
			json_object_set_new(o, "guest", show_negotiated(&st));
	}
}

static json_t *show_adapter(const struct adapter *a)
{
	char id[2 * HVNETD_NAME_BYTES], mac[HVNETD_MAC_TEXT_BYTES];
	json_t *o;

	adapter_id(a, id);
	mac_format(a->mac, mac);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:s}", "id", id, "vm", a->vm->name, "name", a->name, "kind",
		      adapter_kind_name(a->kind), "switch", a->sw ? a->sw->name : NULL, "mac", mac, "link",
		      a->link_up ? "up" : "down");
	if (a->port)
		json_object_set_new(o, "port", json_integer(vswitch_port_id(a->port)));
	show_guest(a, o);
	json_object_set_new(o, "socket", json_string(adapter_socket(a)));
	return o;
}

static const struct rpc_param adapter_add_params[] = {
	{ "switch", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "vm", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "kind", RPC_STRING, false, 1, 16 },
	{ "mac", RPC_STRING, false, 1, 40 },
	{ "name", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	{ "mtu", RPC_INTEGER, false, 1500, 9202 },
	{ "model", RPC_STRING, false, 1, 16 },
	END
};

/* Kind and model, and what does not go together. */
static int parse_kind(struct rpc_call *call, struct adapter_desc *desc)
{
	const char *kind = rpc_string(call, "kind"), *model = rpc_string(call, "model");
	struct rpc_error *err = &call->err;

	if (kind && !strcmp(kind, "emulated"))
		desc->kind = ADAPTER_EMULATED;
	else if (kind && strcmp(kind, "synthetic") != 0)
		return rpc_fail(err, RPC_INVALID_PARAMS, "kind", "there is no kind \"%s\"; known are synthetic and emulated",
				kind);
	if (model && desc->kind != ADAPTER_EMULATED)
		return rpc_fail(err, RPC_INVALID_PARAMS, "model", "\"model\" is for emulated adapters");
	if (model && !e1000_model_parse(model, &desc->model))
		return rpc_fail(err, RPC_INVALID_PARAMS, "model", "there is no model \"%s\"; known are 82540em, 82545em and "
				"82544gc", model);
	if (desc->mtu && desc->kind == ADAPTER_EMULATED)
		return rpc_fail(err, RPC_INVALID_PARAMS, "mtu", "\"mtu\" is for synthetic adapters; an emulated one takes what "
				"the guest's driver sets, up to 16110");
	return 0;
}

static json_t *adapter_add_method(struct rpc_call *call)
{
	struct adapter_desc desc = {
		.name = rpc_string(call, "name"),
		.mac = rpc_string(call, "mac"),
		.mtu = (uint32_t)rpc_integer(call, "mtu", 0),
	};
	struct adapter *a;

	if (parse_kind(call, &desc))
		return NULL;
	desc.sw = hvnetd_switch_find(call->opaque, rpc_string(call, "switch"), &call->err);
	if (desc.sw)
		desc.vm = hvnetd_vm_find(call->opaque, rpc_string(call, "vm"), &call->err);
	if (!desc.sw || !desc.vm || adapter_add(call->opaque, &desc, &a, &call->err))
		return NULL;
	return show_adapter(a);
}

static const struct rpc_param adapter_del_params[] = {
	{ "id", RPC_STRING, true, 1, 2 * HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *adapter_del_method(struct rpc_call *call)
{
	struct adapter *a = adapter_find(call->opaque, rpc_string(call, "id"), &call->err);

	if (!a)
		return NULL;
	adapter_del(a);
	return done();
}

static const struct rpc_param adapter_set_params[] = {
	{ "id", RPC_STRING, true, 1, 2 * HVNETD_NAME_BYTES - 1 },
	{ "link", RPC_STRING, false, 1, 8 },
	{ "switch", RPC_STRING, false, 0, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *adapter_set(struct rpc_call *call)
{
	const char *link = rpc_string(call, "link"), *name = rpc_string(call, "switch");
	struct adapter *a = adapter_find(call->opaque, rpc_string(call, "id"), &call->err);
	struct hvnetd_switch *sw = NULL;

	if (!a)
		return NULL;
	if (link && strcmp(link, "up") != 0 && strcmp(link, "down") != 0) {
		rpc_fail(&call->err, RPC_INVALID_PARAMS, "link", "\"link\" must be \"up\" or \"down\"");
		return NULL;
	}
	if (name && *name) {
		sw = hvnetd_switch_find(call->opaque, name, &call->err);
		if (!sw)
			return NULL;
	}
	if (name && adapter_move(a, sw, &call->err))
		return NULL;
	if (link)
		adapter_set_link(a, !strcmp(link, "up"));
	return show_adapter(a);
}

static const struct rpc_param adapter_show_params[] = {
	{ "id", RPC_STRING, false, 1, 2 * HVNETD_NAME_BYTES - 1 },
	{ "vm", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *adapter_show(struct rpc_call *call)
{
	const char *id = rpc_string(call, "id"), *name = rpc_string(call, "vm");
	const struct adapter *only = NULL, *a;
	struct hvnetd *d = call->opaque;
	const struct vm *vm;
	json_t *list;

	if ((id && !(only = adapter_find(d, id, &call->err))) || (name && !hvnetd_vm_find(d, name, &call->err)))
		return NULL;
	list = json_array();
	TAILQ_FOREACH(vm, &d->vms, link)
		TAILQ_FOREACH(a, &vm->adapters, link)
			if ((!only || a == only) && (!name || !strcmp(vm->name, name)))
				json_array_append_new(list, show_adapter(a));
	return json_pack("{s:o}", "adapters", list);
}

/* Ports. */

static const char *nic_kind_name(enum vswitch_nic_kind kind)
{
	switch (kind) {
	case VSWITCH_NIC_SYNTHETIC:
		return "synthetic";
	case VSWITCH_NIC_EMULATED:
		return "emulated";
	case VSWITCH_NIC_INTERNAL:
		return "internal";
	case VSWITCH_NIC_EXTERNAL:
		return "external";
	}
	return "?";
}

static const struct uplink *uplink_of(const struct hvnetd_switch *sw, const struct vswitch_port *port)
{
	const struct uplink *u;

	TAILQ_FOREACH(u, &sw->uplinks, link)
		if (u->uplink && vswitch_uplink_port(u->uplink) == port)
			return u;
	return NULL;
}

static json_t *show_port(const struct hvnetd_switch *sw, const struct vswitch_port *port)
{
	const struct vswitch_nic *nic = vswitch_port_nic(port);
	const struct uplink *u = uplink_of(sw, port);
	struct vswitch_port_stats st;
	json_t *o;

	vswitch_port_stats(port, &st);
	o = json_pack("{s:s, s:I, s:s, s:s*, s:s, s:I, s:I, s:I, s:I}", "switch", sw->name, "id",
		      (json_int_t)vswitch_port_id(port), "name", vswitch_port_name(port), "nic",
		      nic ? nic_kind_name(nic->kind) : NULL, "link", vswitch_port_link(port) ? "up" : "down",
		      "in_frames", (json_int_t)st.in_frames, "in_bytes", (json_int_t)st.in_bytes, "out_frames",
		      (json_int_t)st.out_frames, "out_bytes", (json_int_t)st.out_bytes);
	if (u) {
		json_object_set_new(o, "uplink", json_string(uplink_kind_name(u->kind)));
		json_object_set_new(o, "restarts", json_integer((json_int_t)u->restarts));
		if (u->where)
			json_object_set_new(o, u->kind == UPLINK_TAP ? "interface" : "path", json_string(u->where));
		if (u->child)
			json_object_set_new(o, "pid", json_integer(child_pid(u->child)));
	}
	return o;
}

/* An uplink that is down has no port, but is not forgotten. */
static json_t *show_down(const struct hvnetd_switch *sw, const struct uplink *u)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "switch", sw->name, "name", u->name, "uplink",
			 uplink_kind_name(u->kind), "link", "down", "why", u->why, "restarts",
			 (json_int_t)u->restarts);
}

static const struct rpc_param port_show_params[] = {
	{ "switch", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *port_show(struct rpc_call *call)
{
	const char *name = rpc_string(call, "switch");
	struct hvnetd *d = call->opaque;
	const struct hvnetd_switch *sw;
	struct vswitch_port *port;
	const struct uplink *u;
	json_t *list;

	if (name && !hvnetd_switch_find(d, name, &call->err))
		return NULL;
	list = json_array();
	TAILQ_FOREACH(sw, &d->switches, link) {
		if (name && strcmp(sw->name, name) != 0)
			continue;
		for (port = vswitch_next_port(sw->sw, NULL); port; port = vswitch_next_port(sw->sw, port))
			json_array_append_new(list, show_port(sw, port));
		TAILQ_FOREACH(u, &sw->uplinks, link)
			if (!u->uplink)
				json_array_append_new(list, show_down(sw, u));
	}
	return json_pack("{s:o}", "ports", list);
}

static const struct rpc_param port_add_params[] = {
	{ "switch", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "kind", RPC_STRING, true, 1, 16 },
	{ "name", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	{ "interface", RPC_STRING, false, 1, 15 },
	{ "path", RPC_STRING, false, 1, 107 },
	{ "role", RPC_STRING, false, 1, 16 },
	END
};

/* Which of interface, path and role belong to the kind. */
static int parse_uplink(struct rpc_call *call, struct uplink_desc *u)
{
	const char *kind = rpc_string(call, "kind"), *interface = rpc_string(call, "interface");
	const char *path = rpc_string(call, "path"), *role = rpc_string(call, "role");
	struct rpc_error *err = &call->err;

	while (strcmp(uplink_kind_name(u->kind), kind) != 0)
		if (u->kind++ == UPLINK_STREAM)
			return rpc_fail(err, RPC_INVALID_PARAMS, "kind",
					"there is no kind \"%s\"; known are nat, tap and stream", kind);
	if ((u->kind == UPLINK_TAP) != (interface != NULL))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interface", "a port of kind tap, and no other, needs "
				"\"interface\", the name of a tap interface");
	if (interface && !interface_is_good(interface))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interface", "\"%s\" cannot be the name of an interface",
				interface);
	if ((u->kind == UPLINK_STREAM) != (path != NULL))
		return rpc_fail(err, RPC_INVALID_PARAMS, "path", "a port of kind stream, and no other, needs "
				"\"path\", a Unix socket to connect to");
	if (path && path[0] != '/')
		return rpc_fail(err, RPC_INVALID_PARAMS, "path", "\"path\" must begin with /");
	if (role && (u->kind != UPLINK_TAP || (strcmp(role, "internal") != 0 && strcmp(role, "external") != 0)))
		return rpc_fail(err, RPC_INVALID_PARAMS, "role", "\"role\" is for taps: internal (the host's own "
				"adapter) or external (a network)");
	u->where = interface ? interface : path;
	u->external = role && !strcmp(role, "external");
	return 0;
}

static json_t *port_add(struct rpc_call *call)
{
	struct uplink_desc desc = { .kind = UPLINK_NAT, .name = rpc_string(call, "name") };
	struct hvnetd_switch *sw;
	struct uplink *u;

	if (parse_uplink(call, &desc))
		return NULL;
	sw = hvnetd_switch_find(call->opaque, rpc_string(call, "switch"), &call->err);
	if (!sw || uplink_add(call->opaque, sw, &desc, &u, &call->err))
		return NULL;
	return show_port(sw, vswitch_uplink_port(u->uplink));
}

static const struct rpc_param port_del_params[] = {
	{ "switch", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	{ "name", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *port_del(struct rpc_call *call)
{
	struct hvnetd_switch *sw = hvnetd_switch_find(call->opaque, rpc_string(call, "switch"), &call->err);
	const char *name = rpc_string(call, "name");
	struct vswitch_port *port;
	struct uplink *u;

	if (!sw)
		return NULL;
	TAILQ_FOREACH(u, &sw->uplinks, link)
		if (!strcmp(u->name, name)) {
			uplink_del(u);
			return done();
		}
	for (port = vswitch_next_port(sw->sw, NULL); port; port = vswitch_next_port(sw->sw, port))
		if (!strcmp(vswitch_port_name(port), name)) {
			rpc_fail(&call->err, RPC_IN_USE, "name", "port %s is an adapter's and goes with it: "
				 "`hvnetctl adapter del`", name);
			return NULL;
		}
	rpc_fail(&call->err, RPC_NOT_FOUND, "name", "switch \"%s\" has no port %s", sw->name, name);
	return NULL;
}

/* The forwarding table. */

static void show_fdb_entry(void *cookie, const struct vswitch_fdb_entry *e)
{
	char mac[HVNETD_MAC_TEXT_BYTES];

	mac_format(e->mac, mac);
	json_array_append_new(cookie, json_pack("{s:s, s:i, s:s, s:s, s:I}", "mac", mac, "vlan", (int)e->vlan, "port",
						vswitch_port_name(e->port), "kind",
						e->kind == VSWITCH_FDB_STATIC ? "static" : "learned", "age_s",
						(json_int_t)e->age_s));
}

static const struct rpc_param fdb_show_params[] = {
	{ "switch", RPC_STRING, true, 1, HVNETD_NAME_BYTES - 1 },
	END
};

static json_t *fdb_show(struct rpc_call *call)
{
	struct hvnetd_switch *sw = hvnetd_switch_find(call->opaque, rpc_string(call, "switch"), &call->err);
	json_t *list;

	if (!sw)
		return NULL;
	list = json_array();
	vswitch_fdb_visit(sw->sw, show_fdb_entry, list);
	return json_pack("{s:o}", "entries", list);
}

/* Captures. */

static const struct rpc_param capture_start_params[] = {
	{ "switch", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	{ "port", RPC_STRING, false, 1, HVNETD_NAME_BYTES - 1 },
	{ "points", RPC_STRING, false, 1, 64 },
	{ "direction", RPC_STRING, false, 1, 8 },
	{ "vlan", RPC_INTEGER, false, 0, 4094 },
	{ "snaplen", RPC_INTEGER, false, 1, 262144 },
	{ "filter", RPC_STRING, false, 1, 49152 },
	{ "count", RPC_INTEGER, false, 1, INT64_MAX },
	{ "buffer_bytes", RPC_INTEGER, false, 1, CAPTURE_BUFFER_MAX },
	END
};

static const struct rpc_param capture_stop_params[] = {
	{ "capture", RPC_STRING, true, 1, 15 },
	END
};

static const struct rpc_param capture_list_params[] = {
	{ "limit", RPC_INTEGER, false, 1, 1000 },
	{ "offset", RPC_INTEGER, false, 0, INT32_MAX },
	END
};

static json_t *version(struct rpc_call *call)
{
	const struct hvnetd *d = call->opaque;

	return json_pack("{s:s, s:s, s:i, s:s, s:b}", "program", "hvnetd", "version", HVNETD_VERSION, "pid",
			 (int)getpid(), "runtime_dir", d->options->runtime_dir, "tap", d->options->allow_tap);
}

const struct rpc_method hvnetd_methods[] = {
	{ "switch.add", true, switch_add_params, switch_add },
	{ "switch.del", true, switch_del_params, switch_del },
	{ "switch.show", false, name_params, switch_show },
	{ "vm.add", true, vm_add_params, vm_add },
	{ "vm.del", true, vm_del_params, vm_del },
	{ "vm.show", false, name_params, vm_show },
	{ "adapter.add", true, adapter_add_params, adapter_add_method },
	{ "adapter.del", true, adapter_del_params, adapter_del_method },
	{ "adapter.set", true, adapter_set_params, adapter_set },
	{ "adapter.show", false, adapter_show_params, adapter_show },
	{ "port.add", true, port_add_params, port_add },
	{ "port.del", true, port_del_params, port_del },
	{ "port.show", false, port_show_params, port_show },
	{ "fdb.show", false, fdb_show_params, fdb_show },
	{ "capture.start", true, capture_start_params, method_capture_start },
	{ "capture.stop", true, capture_stop_params, method_capture_stop },
	{ "capture.list", false, capture_list_params, method_capture_list },
	{ "stats", false, NULL, method_stats },
	{ "version", false, NULL, version },
};
const size_t hvnetd_num_methods = sizeof(hvnetd_methods) / sizeof(hvnetd_methods[0]);
