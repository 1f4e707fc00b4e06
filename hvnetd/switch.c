/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

struct vswitch *switch_of(const struct object *o)
{
	return hv_container_of(o, struct hvnetd_switch, o)->sw;
}

struct vswitch_port *switch_first_port(const struct object *o)
{
	return switch_of(o) ? vswitch_next_port(switch_of(o), NULL) : NULL;
}

static bool is_on(const struct object *o, const char *name)
{
	const char *sw = object_string(o, "switch");

	return sw && !strcmp(sw, name);
}

enum switch_type switch_type_of(struct hvnetd *d, const char *name)
{
	enum switch_type type = SWITCH_PRIVATE;
	const struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_HOSTNIC)
		if (is_on(o, name))
			type = SWITCH_INTERNAL;
	OBJECT_FOREACH(o, d, OBJECT_UPLINK)
		if (is_on(o, name) && uplink_is_external(o))
			return uplink_kind_of(o) == UPLINK_NAT ? SWITCH_NAT : SWITCH_EXTERNAL;
	return type;
}

/* An object that needs the switch, or NULL. */
static const struct object *find_user(struct hvnetd *d, const char *name)
{
	static const enum object_kind users[] = { OBJECT_ADAPTER, OBJECT_PORT, OBJECT_HOSTNIC, OBJECT_UPLINK };
	const struct object *o;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		OBJECT_FOREACH(o, d, users[i])
			if (is_on(o, name))
				return o;
	return NULL;
}

static int check_delete(struct object *o, struct rpc_error *err)
{
	const struct object *user = find_user(o->d, o->key);

	if (!user)
		return 0;
	rpc_fail(err, RPC_IN_USE, "switch", "switch \"%s\" is in use by the %s %s; move or delete what is on it first, or force it",
		 o->key, object_classes[user->kind].name, user->key);
	return rpc_detail(err, "by", "%s %s", object_classes[user->kind].name, user->key);
}

/* What a switch that is private for good may not have. */
static int check_type(struct object *o, struct rpc_error *err)
{
	const char *type = object_string(o, "type");

	if (!type || strcmp(type, "private") != 0 || switch_type_of(o->d, o->key) == SWITCH_PRIVATE)
		return 0;
	rpc_fail(err, RPC_STATE, "type", "switch \"%s\" is private: change its type first", o->key);
	return rpc_detail(err, "state", "private");
}

int switch_check(struct object *o, struct rpc_error *err)
{
	if (!o->config)
		return check_delete(o, err);
	if (!name_is_good(o->key))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a switch's name has 1 to 63 bytes of printable text, no '/' and no space at its ends");
	if (o->d->objects.num[OBJECT_SWITCH] > HVNETD_MAX_LIVE_SWITCHES)
		return rpc_fail(err, RPC_NO_RESOURCES, "switch", "there are %d switches, the limit", HVNETD_MAX_LIVE_SWITCHES);
	return check_type(o, err) || extension_check(o, err) || bandwidth_check_switch(o, err) ? -1 : 0;
}

/* ---- what the switch tells ---- */

static void on_flapping(void *opaque, struct vswitch_port *port, struct vswitch_port *other, const uint8_t mac[6],
			uint16_t vlan)
{
	struct hvnetd_switch *sw = opaque;

	(void)port, (void)other;
	sw->flapping.count++;
	sw->flapping.vlan = vlan;
	memcpy(sw->flapping.mac, mac, 6);
}

static void on_capacity(void *opaque)
{
	bandwidth_capacity_changed(&((struct hvnetd_switch *)opaque)->o);
}

static const struct vswitch_event_ops events = { .flapping = on_flapping, .capacity = on_capacity };

/* ---- realization ---- */

static uint32_t number(const json_t *config, const char *member, uint32_t fallback)
{
	const json_t *v = json_object_get(config, member);

	return v ? (uint32_t)json_integer_value(v) : fallback;
}

static uint64_t bits(const json_t *config, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(config, member));
}

static enum vswitch_bandwidth_mode bandwidth_mode(const json_t *config)
{
	return (enum vswitch_bandwidth_mode)api_index(api_bandwidth_modes, json_string_value(json_object_get(config, "bandwidth_mode")));
}

static int fail_why(struct rpc_error *err, int ret, const struct vswitch_why *why, const char *what)
{
	return rpc_fail(err, ret == -EINVAL ? RPC_INVALID_PARAMS : ret == -EBUSY ? RPC_STATE :
			ret == -ENOSPC ? RPC_NO_RESOURCES : RPC_FAILED, why->field ? why->field : what, "%s: %s", what,
			why->text[0] ? why->text : strerror(-ret));
}

static int set_options(struct hvnetd_switch *sw, const json_t *config, struct rpc_error *err)
{
	struct vswitch_options options, now;
	struct vswitch_bandwidth bandwidth = {
		.mode = bandwidth_mode(config), .default_weight = number(config, "default_weight", 0),
		.default_reservation_bits = bits(config, "default_reservation_bps"), .capacity_bits = bits(config, "capacity_bps"),
	};
	struct vswitch_why why = { 0 };
	int ret;

	vswitch_options(sw->sw, &now);
	options = (struct vswitch_options){
		.hub = json_is_true(json_object_get(config, "flood_unknown")),
		.ageing_s = number(config, "ageing_s", 300), .max_learned = number(config, "max_macs", 8192),
		.multicast_snooping = json_is_true(json_object_get(config, "multicast_snooping")),
	};
	if (options.hub != now.hub || options.ageing_s != now.ageing_s || options.max_learned != now.max_learned ||
	    options.multicast_snooping != now.multicast_snooping) {
		ret = vswitch_set_options(sw->sw, &options);
		if (ret)
			return rpc_fail(err, ret == -EINVAL ? RPC_INVALID_PARAMS : RPC_NO_RESOURCES, "switch",
					"switch \"%s\": its settings cannot be changed: %s", sw->o.key, strerror(-ret));
	}
	ret = vswitch_set_bandwidth(sw->sw, &bandwidth, &why);
	return ret ? fail_why(err, ret, &why, "bandwidth") : 0;
}

static int make(struct hvnetd_switch *sw, struct rpc_error *err)
{
	struct vswitch_config config = { .name = sw->o.key };
	int ret = vswitch_create(sw->o.d->worker.loop, &config, &sw->sw);

	if (ret) {
		sw->sw = NULL;
		return rpc_fail(err, RPC_FAILED, "switch", "cannot make switch \"%s\": %s", sw->o.key, strerror(-ret));
	}
	vswitch_set_events(sw->sw, &events, sw);
	if (set_options(sw, sw->o.config, err) || extension_realize(sw, err)) {
		extension_clear(sw);
		vswitch_destroy(sw->sw);
		sw->sw = NULL;
		return -1;
	}
	hv_log(HV_LOG_INFO, "switch \"%s\": added", sw->o.key);
	return 0;
}

/* To what it was, after a failure. */
static void put_back(struct hvnetd_switch *sw, const char *name)
{
	struct rpc_error err = { 0 };

	if (vswitch_rename(sw->sw, name))
		hv_log(HV_LOG_ERROR, "switch \"%s\": cannot be called %s again", sw->o.key, name);
	if (sw->o.real && set_options(sw, sw->o.real, &err))
		hv_log(HV_LOG_ERROR, "switch \"%s\": %s", sw->o.key, err.message);
}

static int change(struct hvnetd_switch *sw, struct rpc_error *err)
{
	char before[OBJECT_KEY_BYTES];

	snprintf(before, sizeof(before), "%s", vswitch_name(sw->sw));
	if (strcmp(before, sw->o.key) != 0 && vswitch_rename(sw->sw, sw->o.key))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name", "the switch cannot be called so");
	if (!set_options(sw, sw->o.config, err) && !extension_realize(sw, err))
		return 0;
	put_back(sw, before);
	return -1;
}

int switch_realize(struct object *o, struct rpc_error *err)
{
	struct hvnetd_switch *sw = hv_container_of(o, struct hvnetd_switch, o);
	int ret;

	if (!o->config && sw->sw) {
		captures_switch_gone(o->d, sw->sw);
		diag_switch_goes(o->d, sw->sw);
		extension_clear(sw);
		vswitch_destroy(sw->sw);
		sw->sw = NULL;
		hv_log(HV_LOG_INFO, "switch \"%s\": deleted", o->key);
		return 0;
	}
	if (!o->config)
		return 0;
	ret = extension_prepare(sw);
	if (ret)
		return ret;
	return sw->sw ? change(sw, err) : make(sw, err);
}
