/* SPDX-License-Identifier: MIT */
/* Methods of ports. */
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

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_ADAPTER)
		if (object_string(o, "port") && !strcmp(object_string(o, "port"), port->key) && !adapter_disconnect(call, o))
			return -1;
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

struct vswitch_port *live_port(struct rpc_call *call, struct object **owner)
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
