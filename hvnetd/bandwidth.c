/* SPDX-License-Identifier: MIT */
/*
 * Reservations against the capacity of the uplink. The switch knows those of ports that exist; what counts here is what is configured, so
 * that guests that do not run yet have what they were promised. Only a request is refused: what was granted holds when a
 * link becomes slower, and bandwidth.capacity tells of it.
 */
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

static uint64_t number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static uint64_t setting_of(const json_t *config, const char *name)
{
	return number(json_object_get(json_object_get(config, "policy"), "bandwidth"), name);
}

/* An adapter on a port has the port's policy. */
static bool counts_on(const json_t *config, const char *sw)
{
	const char *name = json_string_value(json_object_get(config, "switch"));

	return name && !strcmp(name, sw) && !json_object_get(config, "port");
}

static uint64_t sum_of(const struct object *sw, const char *name)
{
	static const enum object_kind kinds[] = { OBJECT_UPLINK, OBJECT_HOSTNIC, OBJECT_PORT, OBJECT_ADAPTER };
	const struct object *o;
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		OBJECT_FOREACH(o, sw->d, kinds[i])
			if (counts_on(o->config, sw->key))
				sum += setting_of(o->config, name);
	return sum;
}

static bool is_absolute(const json_t *config)
{
	const char *mode = json_string_value(json_object_get(config, "bandwidth_mode"));

	return mode && !strcmp(mode, "absolute");
}

/* By this configuration of the switch; 0: not known. */
static uint64_t capacity_of(const struct object *sw, const json_t *config)
{
	struct vswitch_bandwidth_status st = { 0 };

	if (switch_of(sw))
		vswitch_bandwidth_status(switch_of(sw), &st);
	return number(config, "capacity_bps") ? number(config, "capacity_bps") : st.uplink_bits;
}

static uint64_t default_of(const json_t *config, uint64_t capacity, uint64_t reserved)
{
	if (number(config, "default_reservation_bps"))
		return number(config, "default_reservation_bps");
	return capacity ? capacity / 10 : reserved / 9;
}

static int fits(const struct object *sw, uint64_t more_bits, struct rpc_error *err)
{
	const uint64_t capacity = capacity_of(sw, sw->config);
	uint64_t reserved, rest;

	if (!capacity || !is_absolute(sw->config))
		return 0;
	reserved = sum_of(sw, "reservation_bps") + more_bits;
	rest = default_of(sw->config, capacity, reserved);
	if (reserved + rest <= capacity)
		return 0;
	reserved += rest;
	rpc_fail(err, RPC_NO_RESOURCES, "bandwidth", "%llu bit/s would be reserved, %llu of them for ports without a "
			"reservation; the uplink of switch \"%s\" takes %llu", (unsigned long long)reserved,
			(unsigned long long)rest, sw->key, (unsigned long long)capacity);
	if (!sw->d->restoring)
		return -1;
	hv_log(HV_LOG_WARNING, "%s", err->message);	/* it was granted once */
	memset(err, 0, sizeof(*err));
	return 0;
}

/* What it is called as long as the present change is not made. */
static const char *name_before(const struct object *sw)
{
	return sw->real ? json_string_value(json_object_get(sw->real, "name")) : sw->key;
}

int bandwidth_check(const struct object *o, struct rpc_error *err)
{
	const char *name = object_string(o, "switch");
	const struct object *sw = name ? object_find(o->d, OBJECT_SWITCH, name) : NULL;
	uint64_t before;

	if (!sw || !counts_on(o->config, name) || o->d->restoring)
		return 0;
	before = counts_on(o->real, name_before(sw)) ? setting_of(o->real, "reservation_bps") : 0;
	return setting_of(o->config, "reservation_bps") > before ? fits(sw, 0, err) : 0;
}

int bandwidth_check_new(const struct object *sw, const json_t *config, struct rpc_error *err)
{
	uint64_t wanted = setting_of(config, "reservation_bps");

	return wanted ? fits(sw, wanted, err) : 0;
}

int bandwidth_check_switch(const struct object *sw, struct rpc_error *err)
{
	const uint64_t now = capacity_of(sw, sw->config), before = capacity_of(sw, sw->real);

	if (sw->d->restoring)
		return fits(sw, 0, err);
	if (!sw->real || (is_absolute(sw->real) && now >= before && default_of(sw->config, now, 0) <= default_of(sw->real, before, 0)))
		return 0;
	return fits(sw, 0, err);
}

static bool show_absolute(const struct object *sw, json_t *o, uint64_t capacity)
{
	uint64_t reserved = sum_of(sw, "reservation_bps");

	reserved += default_of(sw->config, capacity, reserved);
	json_object_set_new(o, "reserved_bps", json_integer((json_int_t)reserved));
	if (capacity)
		json_object_set_new(o, "reserved_percent", json_integer((json_int_t)(reserved * 100 / capacity)));
	return capacity && reserved > capacity;
}

json_t *bandwidth_show(const struct object *sw, bool *overcommitted)
{
	struct vswitch_bandwidth_status st = { .mode = VSWITCH_BANDWIDTH_WEIGHT };
	struct vswitch_bandwidth setting = { .default_weight = VSWITCH_BANDWIDTH_DEFAULT_WEIGHT };
	const uint64_t capacity = capacity_of(sw, sw->config);
	json_t *o = json_object();
	json_int_t weights;

	if (switch_of(sw)) {
		vswitch_bandwidth_status(switch_of(sw), &st);
		vswitch_bandwidth(switch_of(sw), &setting);
	}
	*overcommitted = st.mode == VSWITCH_BANDWIDTH_ABSOLUTE && show_absolute(sw, o, capacity);
	if (st.mode == VSWITCH_BANDWIDTH_WEIGHT) {
		weights = (json_int_t)sum_of(sw, "weight");
		json_object_set_new(o, "weights", json_integer(weights + setting.default_weight));
	}
	if (capacity)
		json_object_set_new(o, "capacity_bps", json_integer((json_int_t)capacity));
	json_object_set_new(o, "mode", json_string(api_bandwidth_modes[st.mode]));
	json_object_set_new(o, "overcommitted", json_boolean(*overcommitted));
	return o;
}

void bandwidth_capacity_changed(const struct object *sw)
{
	bool overcommitted;
	json_t *status;

	if (!sw->config)
		return;
	status = bandwidth_show(sw, &overcommitted);
	if (overcommitted)
		hv_log(HV_LOG_WARNING, "switch \"%s\": %llu bit/s are reserved, but its uplink takes %llu", sw->key,
		       (unsigned long long)number(status, "reserved_bps"), (unsigned long long)number(status, "capacity_bps"));
	event_send(sw->d, "bandwidth.capacity", overcommitted ? EVENT_WARNING : EVENT_INFO,
		   json_pack("{s:s, s:o}", "switch", sw->key, "bandwidth", status));
}
