/* SPDX-License-Identifier: MIT */
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
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

void adapter_id(const struct adapter *a, char id[2 * HVNETD_NAME_BYTES])
{
	snprintf(id, 2 * HVNETD_NAME_BYTES, "%s/%s", a->vm->name, a->name);
}

static struct adapter *adapter_lookup(const struct vm *vm, const char *name)
{
	struct adapter *a;

	TAILQ_FOREACH(a, &vm->adapters, link)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

struct adapter *adapter_find(struct hvnetd *d, const char *id, struct rpc_error *err)
{
	char have[2 * HVNETD_NAME_BYTES];
	struct adapter *a;
	struct vm *vm;

	TAILQ_FOREACH(vm, &d->vms, link)
		TAILQ_FOREACH(a, &vm->adapters, link) {
			adapter_id(a, have);
			if (!strcmp(have, id))
				return a;
		}
	rpc_fail(err, RPC_NOT_FOUND, "id",
		 "there is no adapter \"%s\"; `hvnetctl adapter show` lists them (an id is VM/NAME)", id);
	return NULL;
}

/* The adapter that has this address, on whatever switch. */
static const struct adapter *mac_owner(struct hvnetd *d, const uint8_t mac[6])
{
	const struct adapter *a;
	const struct vm *vm;

	TAILQ_FOREACH(vm, &d->vms, link)
		TAILQ_FOREACH(a, &vm->adapters, link)
			if (!memcmp(a->mac, mac, 6))
				return a;
	return NULL;
}

static int choose_mac(struct hvnetd *d, const struct adapter *a, const char *text, uint8_t mac[6],
		      struct rpc_error *err)
{
	const struct adapter *owner;

	if (text && !mac_parse(text, mac))
		return rpc_fail(err, RPC_INVALID_PARAMS, "mac",
				"\"%.40s\" is not the address of a station, like 02:68:76:01:02:03", text);
	for (unsigned i = 0; !text; i++) {	/* ends: there are more addresses than adapters */
		mac_from_names(d->host, a->vm->name, a->name, i, mac);
		if (!mac_owner(d, mac))
			return 0;
	}
	owner = mac_owner(d, mac);
	if (owner)
		return rpc_fail(err, RPC_IN_USE, "mac", "adapter %s/%s has the address %s already",
				owner->vm->name, owner->name, text);
	return 0;
}

static int choose_name(struct adapter *a, const char *name, struct rpc_error *err)
{
	if (!name) {
		for (unsigned i = 0; i <= HVNETD_MAX_ADAPTERS; i++) {
			snprintf(a->name, sizeof(a->name), "nic%u", i);
			if (!adapter_lookup(a->vm, a->name))
				return 0;
		}
		return rpc_fail(err, RPC_NO_RESOURCES, "name", "%s has no free adapter name", a->vm->name);
	}
	if (!name_is_plain(name))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"an adapter's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	if (adapter_lookup(a->vm, name))
		return rpc_fail(err, RPC_IN_USE, "name", "%s has an adapter %s already", a->vm->name, name);
	strcpy(a->name, name);
	return 0;
}

/* A port for the adapter on sw, named after it as far as a port's name goes. */
static int make_port(const struct adapter *a, struct hvnetd_switch *sw, struct vswitch_port **out,
		     struct rpc_error *err)
{
	char name[2 * HVNETD_NAME_BYTES];
	int ret;

	adapter_id(a, name);
	name[VSWITCH_PORT_NAME_BYTES - 1] = '\0';
	ret = vswitch_port_create(sw->sw, name, out);
	if (ret == -EEXIST)
		return rpc_fail(err, RPC_IN_USE, "switch", "switch \"%s\" has a port %s already", sw->name, name);
	if (ret)
		return rpc_fail(err, RPC_FAILED, "switch", "switch \"%s\": no port: %s", sw->name, strerror(-ret));
	return 0;
}

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

const char *adapter_socket(const struct adapter *a)
{
	return a->socket ? a->socket : a->vm->socket;
}

bool adapter_counter(const struct adapter *a, unsigned n, const char **name, uint64_t *value)
{
	return a->chip ? e1000_counter(a->chip, n, name, value) : netvsp_counter(a->nic, n, name, value);
}

static int make_synthetic(struct hvnetd *d, struct adapter *a, const char *id)
{
	struct netvsp_desc desc = { .name = id, .max_mtu = a->mtu };
	int ret;

	memcpy(desc.mac, a->mac, 6);
	guid_from_names(d->host, a->vm->name, a->name, desc.instance);
	ret = netvsp_create(d->worker.loop, vmbus_bridge_bus(a->vm->bridge), a->port, &desc, &a->nic);
	if (ret)
		a->nic = NULL;
	return ret;
}

/* Names have no colon, so no VM's socket has such a name. */
static int make_emulated(struct hvnetd *d, struct adapter *a, const char *id, enum e1000_model model)
{
	struct e1000_desc desc = { .name = id };
	int ret;

	if (asprintf(&a->socket, "%s:%s", a->vm->socket, a->name) < 0) {
		a->socket = NULL;
		return -ENOMEM;
	}
	if (strlen(a->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	desc.socket_path = a->socket;
	desc.model = model;
	memcpy(desc.mac, a->mac, 6);
	ret = e1000_create(d->worker.loop, a->port, &desc, &a->chip);
	if (ret)
		a->chip = NULL;
	return ret;
}

static int make_nic(struct hvnetd *d, struct adapter *a, enum e1000_model model, struct rpc_error *err)
{
	char id[2 * HVNETD_NAME_BYTES];
	int ret;

	adapter_id(a, id);
	ret = a->kind == ADAPTER_EMULATED ? make_emulated(d, a, id, model) : make_synthetic(d, a, id);
	if (!ret)
		return 0;
	if (ret == -ENAMETOOLONG)
		return rpc_fail(err, RPC_INVALID_PARAMS, "name", "the socket's path %s is longer than the kernel takes; give "
				"the adapter a shorter name", a->socket);
	if (ret == -EADDRINUSE)
		return rpc_fail(err, RPC_IN_USE, "mac", "another port of switch \"%s\" has this MAC address%s%s",
				a->sw->name, a->socket ? ", or somebody else serves " : "", a->socket ? a->socket : "");
	return rpc_fail(err, RPC_FAILED, "adapter", "adapter %s: %s", id, strerror(-ret));
}

static void adapter_free(struct adapter *a)
{
	netvsp_destroy(a->nic);
	e1000_destroy(a->chip);
	vswitch_port_destroy(a->port);
	free(a->socket);
	free(a);
}

int adapter_add(struct hvnetd *d, const struct adapter_desc *desc, struct adapter **out, struct rpc_error *err)
{
	char mac[HVNETD_MAC_TEXT_BYTES];
	struct adapter *a;

	if (desc->vm->num_adapters == HVNETD_MAX_ADAPTERS)
		return rpc_fail(err, RPC_NO_RESOURCES, "vm", "%s has %d adapters, the limit", desc->vm->name,
				HVNETD_MAX_ADAPTERS);
	a = calloc(1, sizeof(*a));
	if (!a)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	a->vm = desc->vm;
	a->sw = desc->sw;
	a->kind = desc->kind;
	a->mtu = desc->mtu;
	a->link_up = true;
	if (choose_name(a, desc->name, err) || choose_mac(d, a, desc->mac, a->mac, err) ||
	    make_port(a, a->sw, &a->port, err) || make_nic(d, a, desc->model, err)) {
		adapter_free(a);
		return -1;
	}
	TAILQ_INSERT_TAIL(&a->vm->adapters, a, link);
	a->vm->num_adapters++;
	mac_format(a->mac, mac);
	hv_log(HV_LOG_INFO, "%s/%s: added, %s, %s, on switch \"%s\"", a->vm->name, a->name, adapter_kind_name(a->kind), mac,
	       a->sw->name);
	*out = a;
	return 0;
}

void adapter_del(struct adapter *a)
{
	hv_log(HV_LOG_INFO, "%s/%s: deleted", a->vm->name, a->name);
	TAILQ_REMOVE(&a->vm->adapters, a, link);
	a->vm->num_adapters--;
	adapter_free(a);
}

static int set_port(struct adapter *a, struct vswitch_port *port)
{
	return a->chip ? e1000_set_port(a->chip, port) : netvsp_set_port(a->nic, port);
}

static void set_link(struct adapter *a, bool up)
{
	if (a->chip)
		e1000_set_link(a->chip, up);
	else
		netvsp_set_link(a->nic, up);
}

int adapter_move(struct adapter *a, struct hvnetd_switch *sw, struct rpc_error *err)
{
	struct vswitch_port *port = NULL;
	int ret;

	if (a->sw == sw)
		return 0;
	if (sw && make_port(a, sw, &port, err))
		return -1;
	ret = set_port(a, port);
	if (ret) {
		vswitch_port_destroy(port);
		return rpc_fail(err, ret == -EADDRINUSE ? RPC_IN_USE : RPC_FAILED, "switch",
				"%s/%s stays where it is: %s", a->vm->name, a->name, strerror(-ret));
	}
	vswitch_port_destroy(a->port);
	a->port = port;
	a->sw = sw;
	set_link(a, a->link_up);
	hv_log(HV_LOG_INFO, "%s/%s: now on %s%s", a->vm->name, a->name, sw ? "switch " : "no switch",
	       sw ? sw->name : "");
	return 0;
}

void adapter_set_link(struct adapter *a, bool up)
{
	if (a->link_up == up)
		return;
	a->link_up = up;
	set_link(a, up);
	hv_log(HV_LOG_INFO, "%s/%s: link %s", a->vm->name, a->name, up ? "up" : "down");
}
