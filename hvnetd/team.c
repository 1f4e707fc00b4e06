/* SPDX-License-Identifier: MIT */
/* Uplinks that are teams: members that come and go, settings that change in place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/uplink.h"
#include "vswitch/vswitch.h"

/* A team is what has a "team", or several members. */
bool uplink_is_team(const struct uplink *u)
{
	return u->kind == UPLINK_PACKET &&
	       (json_object_get(u->o.config, "team") || json_array_size(json_object_get(u->o.config, "members")) > 1);
}

static void on_event(void *cookie, const struct vswitch_team_event *event)
{
	struct uplink *u = cookie;

	if (event_wanted(u->o.d, "team.member"))
		event_send(u->o.d, "team.member", event->state == VSWITCH_MEMBER_ACTIVE ? EVENT_INFO : EVENT_WARNING,
			   json_pack("{s:s, s:s, s:s}", "switch", object_string(&u->o, "switch"), "interface", event->name,
				     "state", vswitch_member_state_name(event->state)));
	/* Its interface may come back: it is added again by the timer. */
	if (event->state == VSWITCH_MEMBER_GONE && u->uplink) {
		snprintf(u->why, sizeof(u->why), "member %.60s is gone", event->name);
		uplink_try_later(u);
	}
}

static struct vswitch_team_config settings(struct uplink *u, const json_t *team)
{
	const char *mode = json_string_value(json_object_get(team, "mode"));
	const char *algorithm = json_string_value(json_object_get(team, "algorithm"));
	const char *rate = json_string_value(json_object_get(team, "lacp_rate"));

	return (struct vswitch_team_config){
		.mode = (enum vswitch_team_mode)api_index(api_team_modes, mode),
		.algorithm = (enum vswitch_team_algorithm)api_index(api_team_algorithms, algorithm),
		.updelay_ms = (uint32_t)json_integer_value(json_object_get(team, "updelay_ms")),
		.downdelay_ms = (uint32_t)json_integer_value(json_object_get(team, "downdelay_ms")),
		.lacp_fast = rate && !strcmp(rate, "fast"),
		.lacp_fallback = json_is_true(json_object_get(team, "lacp_fallback")),
		.event = on_event, .cookie = u,
	};
}

static const char *interface_of(const json_t *member)
{
	return json_string_value(json_object_get(member, "interface"));
}

static bool is_standby(const json_t *member)
{
	const char *mode = json_string_value(json_object_get(member, "mode"));

	return mode && !strcmp(mode, "standby");
}

static const json_t *find_member(const json_t *config, const char *interface)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(config, "members"), i, v)
		if (!strcmp(interface_of(v), interface))
			return v;
	return NULL;
}

/* The member as it is in the team; false: it is not. */
static bool live_member(const struct uplink *u, const char *interface, struct vswitch_member_status *st)
{
	for (unsigned i = 0; u->uplink && !vswitch_team_next(u->uplink, i, st); i = st->index)
		if (!strcmp(st->name, interface))
			return true;
	return false;
}

static int add_member(struct uplink *u, const json_t *member)
{
	struct vswitch_member_config config = {
		.kind = VSWITCH_WIRE_PACKET, .name = interface_of(member), .fd = -1, .standby = is_standby(member),
	};
	int ret = vswitch_team_add(u->uplink, &config, NULL);

	if (ret)
		snprintf(u->why, sizeof(u->why), "%s: %s", config.name, strerror(-ret));
	return ret;
}

/* ---- mappings ---- */

static const char *mapped_to(const json_t *config, const char *port)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(config, "mappings"), i, v)
		if (!strcmp(json_string_value(json_object_get(v, "port")), port))
			return interface_of(v);
	return NULL;
}

int uplink_check_mappings(const struct object *o, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o->config, "mappings"), i, v) {
		const char *port = json_string_value(json_object_get(v, "port"));

		if (!find_member(o->config, interface_of(v)))
			return rpc_fail(err, RPC_INVALID_PARAMS, "interface", "%s is no member", interface_of(v));
		if (mapped_to(o->config, port) != interface_of(v))
			return rpc_fail(err, RPC_INVALID_PARAMS, "port", "%s is mapped twice", port);
	}
	return 0;
}

/* interface NULL: to none. What is not there is mapped when it comes. */
static void map(struct uplink *u, const char *key, const char *interface)
{
	const struct object *o = object_find_port(u->o.d, key, &(struct rpc_error){ 0 });
	struct vswitch_port *port = o ? port_of(o) : NULL;
	struct vswitch_member_status st = { .index = 0 };
	int ret;

	if (!port || vswitch_port_switch(port) != vswitch_port_switch(vswitch_uplink_port(u->uplink)))
		return;
	if (interface && !live_member(u, interface, &st))
		return;
	ret = vswitch_team_map(u->uplink, vswitch_port_id(port), st.index);
	if (ret)
		hv_log(HV_LOG_ERROR, "%s: %s cannot be mapped: %s", u->o.key, key, strerror(-ret));
}

static void map_all(struct uplink *u, const json_t *config, const json_t *before)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(before, "mappings"), i, v)
		if (!mapped_to(config, json_string_value(json_object_get(v, "port"))))
			map(u, json_string_value(json_object_get(v, "port")), NULL);
	json_array_foreach(json_object_get(config, "mappings"), i, v)
		map(u, json_string_value(json_object_get(v, "port")), interface_of(v));
}

void uplink_map_port(const struct object *o)
{
	struct object *t;

	OBJECT_FOREACH(t, o->d, OBJECT_UPLINK) {
		struct uplink *u = hv_container_of(t, struct uplink, o);
		const char *interface = uplink_is_team(u) && u->uplink ? mapped_to(t->config, o->key) : NULL;

		if (interface)
			map(u, o->key, interface);
	}
}

/* ---- members and settings ---- */

bool uplink_add_members(struct uplink *u)
{
	struct vswitch_member_status st;
	bool all = true;
	const json_t *v;
	size_t i;

	u->why[0] = '\0';
	json_array_foreach(json_object_get(u->o.config, "members"), i, v) {
		if (live_member(u, interface_of(v), &st)) {
			if (st.state != VSWITCH_MEMBER_GONE)
				continue;
			if (vswitch_team_remove(u->uplink, st.index))
				continue;
		}
		all = !add_member(u, v) && all;
	}
	map_all(u, u->o.config, NULL);
	return all;
}

int uplink_open_team(struct uplink *u)
{
	const struct object *sw = object_find(u->o.d, OBJECT_SWITCH, object_string(&u->o, "switch"));
	const struct vswitch_team_config config = settings(u, json_object_get(u->o.config, "team"));
	const json_t *v;
	size_t i;
	int ret = vswitch_uplink_team(switch_of(sw), u->o.d->worker.loop, object_string(&u->o, "name"), &config, &u->uplink);

	if (ret) {
		u->uplink = NULL;
		snprintf(u->why, sizeof(u->why), "%s", strerror(-ret));
		return ret;
	}
	if (u->o.d->restoring || u->o.d->undoing) {	/* with those that are there */
		if (!uplink_add_members(u))
			uplink_try_later(u);
		return 0;
	}
	json_array_foreach(json_object_get(u->o.config, "members"), i, v) {
		ret = add_member(u, v);
		if (ret)
			return ret;
	}
	map_all(u, u->o.config, NULL);
	return 0;
}

/* Members that the configuration does not have any more go, others change. */
static void prune(struct uplink *u, const json_t *config)
{
	struct vswitch_member_status st;
	unsigned at = 0;

	while (!vswitch_team_next(u->uplink, at, &st)) {
		const json_t *member = find_member(config, st.name);

		at = st.index;
		if (!member && vswitch_team_remove(u->uplink, st.index))
			hv_log(HV_LOG_WARNING, "%s: %s cannot be removed", u->o.key, st.name);
		else if (member && !is_standby(member) && st.standby && vswitch_team_set_standby(u->uplink, st.index, false))
			hv_log(HV_LOG_WARNING, "%s: %s stays standby", u->o.key, st.name);
	}
}

static int add_and_set(struct uplink *u, const json_t *config, struct rpc_error *err)
{
	struct vswitch_member_status st;
	const json_t *v;
	size_t i;
	int ret;

	json_array_foreach(json_object_get(config, "members"), i, v) {
		if (live_member(u, interface_of(v), &st))
			ret = is_standby(v) == st.standby ? 0 : vswitch_team_set_standby(u->uplink, st.index, is_standby(v));
		else
			ret = add_member(u, v);
		if (!ret)
			continue;
		rpc_fail(err, ret == -EBUSY ? RPC_IN_USE : ret == -ENODEV || ret == -EINVAL ? RPC_INVALID_PARAMS : RPC_FAILED,
			 "interface", "member %s: %s", interface_of(v), strerror(-ret));
		return rpc_detail(err, "errno", "%d", -ret);
	}
	return 0;
}

static int change(struct uplink *u, const json_t *config, struct rpc_error *err)
{
	const struct vswitch_team_config wanted = settings(u, json_object_get(config, "team"));
	int ret;

	prune(u, config);	/* first: a mode may not have what goes */
	ret = vswitch_team_set(u->uplink, &wanted);
	if (ret)
		return rpc_fail(err, RPC_INVALID_PARAMS, "team", "the team's settings cannot be so: %s", strerror(-ret));
	return add_and_set(u, config, err);
}

int uplink_change_team(struct uplink *u, const json_t *config, const json_t *before, struct rpc_error *err)
{
	struct rpc_error other = { 0 };

	if (!u->uplink)
		return 0;	/* tried again as it is to be */
	if (!change(u, config, err)) {
		map_all(u, config, before);
		return 0;
	}
	if (change(u, before, &other))
		hv_log(HV_LOG_ERROR, "%s: cannot be put back: %s", u->o.key, other.message);
	map_all(u, before, NULL);
	return -1;
}

/* ---- answers ---- */

static json_t *side(const struct vswitch_lacp_side *s)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i}", "system_priority", (int)s->system_priority, "key", (int)s->key,
			 "port_priority", (int)s->port_priority, "port", (int)s->port, "state", (int)s->state);
}

static json_t *counters(const struct vswitch_member_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "in_frames", (json_int_t)s->in_frames, "in_bytes",
			 (json_int_t)s->in_bytes, "out_frames", (json_int_t)s->out_frames, "out_bytes", (json_int_t)s->out_bytes,
			 "out_dropped", (json_int_t)s->out_dropped, "in_duplicates", (json_int_t)s->in_duplicates,
			 "in_inactive", (json_int_t)s->in_inactive, "rewritten", (json_int_t)s->rewritten, "failures",
			 (json_int_t)s->failures);
}

static void put_lacp(json_t *o, const struct vswitch_member_status *st)
{
	json_object_set_new(o, "lacp", json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "actor", side(&st->actor), "partner",
						 side(&st->partner), "in", (json_int_t)st->stats.lacp_in, "out",
						 (json_int_t)st->stats.lacp_out, "bad", (json_int_t)st->stats.lacp_bad, "actor_churns",
						 (json_int_t)st->stats.actor_churns, "partner_churns",
						 (json_int_t)st->stats.partner_churns));
	json_object_set_new(o, "actor_churn", json_string(vswitch_lacp_churn_name(st->actor_churn)));
	json_object_set_new(o, "partner_churn", json_string(vswitch_lacp_churn_name(st->partner_churn)));
}

static json_t *show_member(const struct uplink *u, const json_t *member)
{
	struct vswitch_member_status st;
	json_t *o = json_pack("{s:s, s:s, s:s}", "interface", interface_of(member), "mode",
			      is_standby(member) ? "standby" : "active", "state", "gone");

	if (!uplink_is_team(u)) {
		json_object_set_new(o, "state", json_string(u->uplink && vswitch_port_link(vswitch_uplink_port(u->uplink)) ?
							    "active" : "down"));
		return o;
	}
	if (!live_member(u, interface_of(member), &st))
		return o;
	json_object_set_new(o, "state", json_string(vswitch_member_state_name(st.state)));
	json_object_set_new(o, "counters", counters(&st.stats));
	if (st.actor.state || st.partner.state)
		put_lacp(o, &st);
	return o;
}

json_t *uplink_show_members(const struct uplink *u)
{
	json_t *list = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(u->o.config, "members"), i, v)
		json_array_append_new(list, show_member(u, v));
	return list;
}
