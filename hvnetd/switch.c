/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

struct hvnetd_switch *hvnetd_switch_find(struct hvnetd *d, const char *name, struct rpc_error *err)
{
	struct hvnetd_switch *sw;

	TAILQ_FOREACH(sw, &d->switches, link)
		if (!strcmp(sw->name, name))
			return sw;
	rpc_fail(err, RPC_NOT_FOUND, "switch",
		 "there is no switch \"%s\"; `hvnetctl switch show` lists them", name);
	return NULL;
}

static bool switch_has_adapters(struct hvnetd *d, const struct hvnetd_switch *sw, char id[2 * HVNETD_NAME_BYTES])
{
	struct adapter *a;
	struct vm *vm;

	TAILQ_FOREACH(vm, &d->vms, link)
		TAILQ_FOREACH(a, &vm->adapters, link)
			if (a->sw == sw) {
				adapter_id(a, id);
				return true;
			}
	return false;
}

static void switch_free(struct hvnetd *d, struct hvnetd_switch *sw)
{
	struct uplink *u;

	while ((u = TAILQ_FIRST(&sw->uplinks)))
		uplink_del(u);
	if (sw->sw)
		captures_switch_gone(d, sw->sw);
	vswitch_destroy(sw->sw);
	TAILQ_REMOVE(&d->switches, sw, link);
	d->num_switches--;
	free(sw);
}

static int check_new(struct hvnetd *d, const char *name, enum switch_type type, const char *interface,
		     struct rpc_error *err)
{
	const struct hvnetd_switch *sw;

	if (!name_is_good(name))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a switch's name has 1 to 63 bytes of printable text, no '/' and no space at its ends");
	TAILQ_FOREACH(sw, &d->switches, link)
		if (!strcmp(sw->name, name))
			return rpc_fail(err, RPC_IN_USE, "name", "there is a switch \"%s\" already", name);
	if (d->num_switches == HVNETD_MAX_SWITCHES)
		return rpc_fail(err, RPC_NO_RESOURCES, "switch", "there are %d switches, the limit",
				HVNETD_MAX_SWITCHES);
	if (type == SWITCH_TAP && (!interface || !interface_is_good(interface)))
		return rpc_fail(err, RPC_INVALID_PARAMS, "interface",
				"a switch of type tap needs \"interface\", the name of a tap interface");
	if (type != SWITCH_TAP && interface)
		return rpc_fail(err, RPC_INVALID_PARAMS, "interface",
				"only a switch of type tap has an interface");
	return 0;
}

int hvnetd_switch_add(struct hvnetd *d, const char *name, enum switch_type type, const char *interface,
		      struct rpc_error *err)
{
	struct vswitch_config config = { .name = name };
	struct hvnetd_switch *sw;
	struct uplink_desc uplink = { .kind = type == SWITCH_NAT ? UPLINK_NAT : UPLINK_TAP, .where = interface };
	struct uplink *u = NULL;
	int ret;

	if (check_new(d, name, type, interface, err))
		return -1;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return rpc_fail(err, RPC_NO_RESOURCES, "switch", "out of memory");
	TAILQ_INIT(&sw->uplinks);
	strcpy(sw->name, name);
	sw->type = type;
	TAILQ_INSERT_TAIL(&d->switches, sw, link);
	d->num_switches++;
	ret = vswitch_create(d->worker.loop, &config, &sw->sw);
	if (ret) {
		sw->sw = NULL;
		ret = rpc_fail(err, RPC_FAILED, "switch", "cannot make switch \"%s\": %s", name, strerror(-ret));
	} else if (type != SWITCH_PRIVATE) {
		ret = uplink_add(d, sw, &uplink, &u, err);
	}
	if (ret) {
		switch_free(d, sw);
		return -1;
	}
	if (u)
		u->builtin = true;
	hv_log(HV_LOG_INFO, "switch \"%s\": added, type %s", name, switch_type_name(type));
	return 0;
}

int hvnetd_switch_del(struct hvnetd *d, struct hvnetd_switch *sw, bool force, struct rpc_error *err)
{
	char id[2 * HVNETD_NAME_BYTES];
	struct adapter *a;
	struct uplink *u;
	struct vm *vm;

	if (!force && switch_has_adapters(d, sw, id))
		return rpc_fail(err, RPC_IN_USE, "switch",
				"switch \"%s\" is in use by adapter %s; move or delete its adapters first, or "
				"force it", sw->name, id);
	TAILQ_FOREACH(u, &sw->uplinks, link)
		if (!force && !u->builtin)
			return rpc_fail(err, RPC_IN_USE, "switch",
					"switch \"%s\" has the uplink %s; delete its ports first, or force it",
					sw->name, u->name);
	TAILQ_FOREACH(vm, &d->vms, link)
		TAILQ_FOREACH(a, &vm->adapters, link)
			if (a->sw == sw && adapter_move(a, NULL, err))
				return -1;
	hv_log(HV_LOG_INFO, "switch \"%s\": deleted", sw->name);
	switch_free(d, sw);
	return 0;
}
