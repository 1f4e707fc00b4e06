/* SPDX-License-Identifier: MIT */
/* Ports: those of port.create, which stay without a NIC; and whose a port is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/uplink.h"
#include "vswitch/vswitch.h"

/* ---- whose a port is ---- */

struct vswitch_port *port_of(const struct object *o)
{
	const struct vswitch_uplink *uplink;

	switch (o->kind) {
	case OBJECT_UPLINK:
	case OBJECT_HOSTNIC:
		uplink = hv_container_of(o, struct uplink, o)->uplink;
		return uplink ? vswitch_uplink_port((struct vswitch_uplink *)uplink) : NULL;
	case OBJECT_PORT:
		return hv_container_of(o, struct fixed_port, o)->port;
	case OBJECT_ADAPTER:
		return hv_container_of(o, struct adapter, o)->port;
	case OBJECT_SWITCH:
	case OBJECT_VM:
	case OBJECT_KINDS:
		break;
	}
	return NULL;
}

struct object *port_owner(struct hvnetd *d, const struct object *sw, const struct vswitch_port *port)
{
	static const enum object_kind kinds[] = { OBJECT_PORT, OBJECT_UPLINK, OBJECT_HOSTNIC, OBJECT_ADAPTER };
	const char *name = vswitch_port_name(port);
	char key[OBJECT_KEY_BYTES];
	struct object *o = object_find(d, OBJECT_ADAPTER, name);

	if (o && port_of(o) == port)
		return o;
	snprintf(key, sizeof(key), "%.63s/%.63s", sw->key, name);
	for (size_t i = 0; i < 3; i++) {
		o = object_find(d, kinds[i], key);
		if (o && port_of(o) == port)
			return o;
	}
	for (size_t i = 1; i < 4; i++)	/* an adapter's long name was cut; an uplink's port has its interface's name */
		OBJECT_FOREACH(o, d, kinds[i])
			if (port_of(o) == port)
				return o;
	return NULL;
}

const char *port_nic_state(const struct vswitch_port *port)
{
	struct vswitch_nic_info info;

	if (!vswitch_nic_info(port, 0, &info) || info.state == VSWITCH_NIC_DELETED)
		return "none";
	return api_nic_states[info.state];
}

struct vswitch_port *policy_port(const struct object *o)
{
	const struct adapter *a;

	if (o->kind == OBJECT_PORT && hv_container_of(o, struct fixed_port, o)->unfinished)
		return NULL;
	if (o->kind != OBJECT_ADAPTER)
		return port_of(o);
	a = hv_container_of(o, struct adapter, o);
	return a->fixed || a->unfinished || !o->config || adapter_is_moved(a) ? NULL : a->port;
}

struct object *policy_holder(struct object *o)
{
	const char *port = o->kind == OBJECT_ADAPTER ? object_string(o, "port") : NULL;
	struct object *fixed = port ? object_find(o->d, OBJECT_PORT, port) : NULL;

	return fixed ? fixed : o;
}

/* ---- ports of port.create ---- */

static const struct object *user_of(struct hvnetd *d, const char *key)
{
	const struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_ADAPTER)
		if (object_string(o, "port") && !strcmp(object_string(o, "port"), key))
			return o;
	return NULL;
}

int port_check(struct object *o, struct rpc_error *err)
{
	const struct object *user;

	if (!o->config) {
		user = user_of(o->d, o->key);
		if (!user)
			return 0;
		rpc_fail(err, RPC_IN_USE, "port", "port %s is in use by adapter %s; disconnect it first, or force it", o->key,
			 user->key);
		return rpc_detail(err, "by", "adapter %s", user->key);
	}
	if (!object_find(o->d, OBJECT_SWITCH, object_string(o, "switch")))
		return rpc_fail(err, RPC_NOT_FOUND, "switch", "there is no switch \"%s\"", object_string(o, "switch"));
	return port_name_check(o, err) || policy_check(o->d, o->config, false, err) || bandwidth_check(o, err) ? -1 : 0;
}

static void unmake(struct fixed_port *p)
{
	if (!p->port)
		return;
	diag_port_goes(p);
	if (p->user)
		adapter_leave_port(p->user);
	if (p->o.real)
		event_port(p->o.d, json_string_value(json_object_get(p->o.real, "switch")), p->port, "deleted");
	vswitch_port_destroy(p->port);
	p->port = NULL;
}

static int make(struct fixed_port *p, struct rpc_error *err)
{
	const char *friendly = object_string(&p->o, "friendly");
	struct vswitch_port_config config = { .name = object_string(&p->o, "name"), .friendly_name = friendly };
	struct object *sw = object_find(p->o.d, OBJECT_SWITCH, object_string(&p->o, "switch"));
	int ret;

	if (sw && extension_ask(hv_container_of(sw, struct hvnetd_switch, o), &config, NULL, NULL))
		return OBJECT_WAITS;
	ret = sw && switch_of(sw) ? vswitch_port_create_as(switch_of(sw), &config, &p->port) : -ENODEV;
	if (ret) {
		p->port = NULL;
		return ret == -ECANCELED ? refused_by_extension(switch_of(sw), "port", err) :
					   rpc_fail(err, ret == -EEXIST ? RPC_IN_USE : RPC_FAILED, "port",
						    "switch \"%s\": no port %s: %s", object_string(&p->o, "switch"), config.name,
						    strerror(-ret));
	}
	return 0;
}

/* Its policies, in pieces; it has no NIC before they are there. */
static int finish_making(struct fixed_port *p, struct rpc_error *err)
{
	int ret = policy_apply_step(p->port, p->o.config, NULL, false, &p->o.walk, err);

	p->unfinished = ret == OBJECT_AGAIN;
	if (ret < 0) {
		vswitch_port_destroy(p->port);
		p->port = NULL;
	}
	if (!ret) {
		event_port(p->o.d, object_string(&p->o, "switch"), p->port, "created");
		uplink_map_port(&p->o);
	}
	return ret;
}

int port_realize(struct object *o, struct rpc_error *err)
{
	struct fixed_port *p = hv_container_of(o, struct fixed_port, o);
	const char *friendly;
	int ret;

	if (!o->config) {
		unmake(p);
		return 0;
	}
	ret = p->port ? 0 : make(p, err);
	if (ret)
		return ret;
	if (!o->real || p->unfinished)
		return finish_making(p, err);
	if (policy_apply(p->port, o->config, o->real, false, err))
		return -1;
	friendly = object_string(o, "friendly");
	if (vswitch_port_updated(p->port, friendly ? friendly : object_string(o, "name")))
		hv_log(HV_LOG_WARNING, "%s: its friendly name stays as it was", o->key);
	return 0;
}
