/* SPDX-License-Identifier: MIT */
#include "hvnetd/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "vswitch/vswitch.h"

enum {
	MAX_KINDS = 64,		/* bits of a subscriber's mask */
	KINDS_BYTES = 288,	/* of their names, in a message */
};

struct subscriber {
	TAILQ_ENTRY(subscriber) link;
	struct control_client *client;	/* borrowed: event_client_gone() */
	uint64_t kinds;			/* a bit for each row of api_events */
	json_int_t seq;
	json_int_t lost;		/* since the last that got through */
};

struct drop_row {
	const struct vswitch *sw;	/* as a name only: may be gone */
	uint32_t port;
	uint64_t in[VSWITCH_DROPS], out[VSWITCH_DROPS];
};

static int kind_of(const char *name)
{
	for (int i = 0; api_events[i].name; i++)
		if (!strcmp(api_events[i].name, name))
			return i;
	return -1;
}

bool event_wanted(struct hvnetd *d, const char *name)
{
	const struct subscriber *s;
	const int kind = kind_of(name);

	TAILQ_FOREACH(s, &d->events.subscribers, link)
		if (kind >= 0 && s->kinds >> kind & 1)
			return true;
	return false;
}

static json_int_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (json_int_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool send_to(struct subscriber *s, const char *name, enum event_severity severity, json_t *fields)
{
	static const char *const severities[] = { "info", "warning", "error" };
	json_t *params = json_pack("{s:I, s:I, s:s}", "seq", s->seq++, "time_us", now_us(), "severity", severities[severity]);
	json_t *note;
	char *line;
	bool ok;

	json_object_update(params, fields);
	note = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", name, "params", params);
	line = json_dumps(note, JSON_COMPACT);
	json_decref(note);
	ok = line && control_push(s->client, line, EVENT_QUEUE_BYTES);
	free(line);
	return ok;
}

/* Those who have lost some are told before they hear of anything else. */
static void offer(struct subscriber *s, const char *name, enum event_severity severity, json_t *fields)
{
	json_t *lost = s->lost ? json_pack("{s:I}", "count", s->lost) : NULL;

	if (!lost || send_to(s, "events.lost", EVENT_WARNING, lost))
		s->lost = 0;
	json_decref(lost);
	if (s->lost || !send_to(s, name, severity, fields))
		s->lost++;
}

void event_send(struct hvnetd *d, const char *name, enum event_severity severity, json_t *fields)
{
	const int kind = kind_of(name);
	struct subscriber *s;

	TAILQ_FOREACH(s, &d->events.subscribers, link)
		if (kind >= 0 && s->kinds >> kind & 1)
			offer(s, name, severity, fields);
	json_decref(fields);
}

/* ---- objects ---- */

static bool differs(const json_t *a, const json_t *b, const char *member)
{
	json_t *x = json_object_get(a, member), *y = json_object_get(b, member);

	return x != y && (!x || !y || !json_equal(x, y));
}

void event_object(struct hvnetd *d, const struct object *o, const json_t *before)
{
	const char *action = !before ? "added" : !o->config ? "deleted" : "changed";
	const char *kind = object_classes[o->kind].name, *was = NULL;
	char key[OBJECT_KEY_BYTES];

	if (TAILQ_EMPTY(&d->events.subscribers) || o->config == before || (o->config && before && json_equal(o->config, before)))
		return;
	object_key(o->kind, before, key);
	if (o->config && before && strcmp(key, o->key) != 0) {
		action = "renamed";
		was = key;
	}
	event_send(d, "object.changed", EVENT_INFO, json_pack("{s:s, s:s, s:s, s:s*}", "kind", kind, "name", o->key, "action", action,
							      "was", was));
	if (o->kind == OBJECT_SWITCH)
		event_send(d, "switch.changed", EVENT_INFO, json_pack("{s:s, s:s, s:s, s:s*}", "kind", kind, "name", o->key, "action",
								      action, "was", was));
	if (o->config && (differs(o->config, before, "policy") || differs(o->config, before, "acl")))
		event_send(d, "policy.changed", EVENT_INFO, json_pack("{s:s}", "port", o->key));
}

static json_t *port_fields(const char *sw, const struct vswitch_port *port, const char *state)
{
	return json_pack("{s:s, s:I, s:s, s:s}", "switch", sw, "port", (json_int_t)vswitch_port_id(port), "name",
			 vswitch_port_name(port), "state", state);
}

void event_port(struct hvnetd *d, const char *sw, const struct vswitch_port *port, const char *state)
{
	if (event_wanted(d, "port.state"))
		event_send(d, "port.state", EVENT_INFO, port_fields(sw, port, state));
}

void event_nic(struct hvnetd *d, const char *sw, const struct vswitch_port *port, const char *state)
{
	if (event_wanted(d, "nic.state"))
		event_send(d, "nic.state", EVENT_INFO, port_fields(sw, port, state));
}

/* ---- what is counted, and reported once a second ---- */

static json_t *grown(const uint64_t *now, const uint64_t *before)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < VSWITCH_DROPS; i++)
		if (now[i] > (before ? before[i] : 0))
			json_object_set_new(o, vswitch_drop_name((enum vswitch_drop)i),
					    json_integer((json_int_t)(now[i] - (before ? before[i] : 0))));
	return o;
}

static void report(struct hvnetd *d, const char *sw, const struct vswitch_port *port, const struct drop_row *now,
		   const struct drop_row *before)
{
	json_t *in = grown(now->in, before ? before->in : NULL), *out = grown(now->out, before ? before->out : NULL);

	if (json_object_size(in) || json_object_size(out))
		event_send(d, "drop.report", EVENT_WARNING,
			   json_pack("{s:s, s:I, s:s, s:O, s:O}", "switch", sw, "port", (json_int_t)now->port, "name",
				     vswitch_port_name(port), "in", in, "out", out));
	json_decref(in);
	json_decref(out);
}

static size_t count_ports(struct hvnetd *d)
{
	struct vswitch_port *port;
	const struct object *o;
	size_t n = 0;

	OBJECT_FOREACH(o, d, OBJECT_SWITCH)
		for (port = switch_first_port(o); port; port = vswitch_next_port(switch_of(o), port))
			n++;
	return n;
}

/* Both lists are in the order of switches and ids, so one walk compares them. first: nothing to compare with. */
static void compare_drops(struct hvnetd *d, bool first)
{
	const size_t n = count_ports(d);
	struct drop_row *rows = calloc(n ? n : 1, sizeof(*rows)), *r = rows;
	const struct drop_row *old = d->events.drops, *end = old ? old + d->events.num_drops : NULL;
	struct vswitch_port_stats st;
	struct vswitch_port *port;
	const struct object *o;

	if (!rows)
		return;
	OBJECT_FOREACH(o, d, OBJECT_SWITCH)
		for (port = switch_first_port(o); port; port = vswitch_next_port(switch_of(o), port), r++) {
			vswitch_port_stats(port, &st);
			r->sw = switch_of(o);
			r->port = vswitch_port_id(port);
			memcpy(r->in, st.in_dropped, sizeof(r->in));
			memcpy(r->out, st.out_dropped, sizeof(r->out));
			while (old < end && old->sw == r->sw && old->port < r->port)
				old++;
			if (!first)
				report(d, o->key, port, r, old < end && old->sw == r->sw && old->port == r->port ? old : NULL);
			if (!vswitch_next_port(switch_of(o), port))
				while (old < end && old->sw == r->sw)
					old++;
		}
	free(d->events.drops);
	d->events.drops = rows;
	d->events.num_drops = n;
}

static void report_flapping(struct hvnetd *d)
{
	struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_SWITCH) {
		struct hvnetd_switch *sw = hv_container_of(o, struct hvnetd_switch, o);
		char mac[HVNETD_MAC_TEXT_BYTES];

		if (!sw->flapping.count)
			continue;
		mac_format(sw->flapping.mac, mac);
		event_send(d, "fdb.flapping", EVENT_WARNING,
			   json_pack("{s:s, s:s, s:i, s:I}", "switch", o->key, "mac", mac, "vlan", (int)sw->flapping.vlan,
				     "count", (json_int_t)sw->flapping.count));
		sw->flapping.count = 0;
	}
}

static void start_tick(struct hvnetd *d)
{
	if (hv_timer_arm(d->worker.loop, &d->events.tick, hv_now_ns() + EVENT_TICK_MS * 1000000ull))
		hv_log(HV_LOG_ERROR, "events: out of memory, drops are not reported");
}

static void tick(struct hv_timer *t)
{
	struct hvnetd *d = hv_container_of(t, struct hvnetd, events.tick);

	if (TAILQ_EMPTY(&d->events.subscribers))
		return;
	if (event_wanted(d, "drop.report"))
		compare_drops(d, !d->events.drops);
	report_flapping(d);
	start_tick(d);
}

/* ---- subscriptions ---- */

void events_init(struct hvnetd *d)
{
	TAILQ_INIT(&d->events.subscribers);
	d->events.tick.fire = tick;
}

static void unsubscribe(struct hvnetd *d, struct subscriber *s)
{
	TAILQ_REMOVE(&d->events.subscribers, s, link);
	free(s);
}

void events_finish(struct hvnetd *d)
{
	while (!TAILQ_EMPTY(&d->events.subscribers))
		unsubscribe(d, TAILQ_FIRST(&d->events.subscribers));
	hv_timer_cancel(&d->events.tick);
	free(d->events.drops);
	d->events.drops = NULL;
}

static struct subscriber *subscriber_of(struct hvnetd *d, const struct control_client *client)
{
	struct subscriber *s;

	TAILQ_FOREACH(s, &d->events.subscribers, link)
		if (s->client == client)
			return s;
	return NULL;
}

void event_client_gone(struct hvnetd *d, const struct control_client *client)
{
	struct subscriber *s = subscriber_of(d, client);

	if (s)
		unsubscribe(d, s);
}

/* "nic.*" is every kind that begins with "nic.". */
static bool matches(const char *pattern, const char *name)
{
	const size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, name, n - 1);
	return !strcmp(pattern, name);
}

/* "job.changed, object.changed, …" */
static const char *known_kinds(char text[KINDS_BYTES])
{
	size_t n = 0;

	for (int k = 0; api_events[k].name && n < KINDS_BYTES; k++)
		n += (size_t)snprintf(text + n, KINDS_BYTES - n, "%s%s", k ? ", " : "", api_events[k].name);
	return text;
}

static int parse_kinds(struct rpc_call *call, uint64_t *kinds)
{
	char text[KINDS_BYTES];
	const json_t *list = json_object_get(call->params, "kinds"), *v;
	size_t i;

	*kinds = list ? 0 : ~0ull;
	json_array_foreach(list, i, v) {
		uint64_t found = 0;

		for (int k = 0; api_events[k].name && k < MAX_KINDS; k++)
			if (matches(json_string_value(v), api_events[k].name))
				found |= 1ull << k;
		if (!found)
			return rpc_fail(&call->err, RPC_INVALID_PARAMS, "kinds", "there is no event \"%.60s\"; there are %s",
					json_string_value(v), known_kinds(text));
		*kinds |= found;
	}
	return 0;
}

static json_t *show_kinds(uint64_t kinds)
{
	json_t *list = json_array();

	for (int k = 0; api_events[k].name && k < MAX_KINDS; k++)
		if (kinds >> k & 1)
			json_array_append_new(list, json_string(api_events[k].name));
	return json_pack("{s:o}", "kinds", list);
}

json_t *method_event_subscribe(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	struct subscriber *s = subscriber_of(d, call->caller);
	const bool first = TAILQ_EMPTY(&d->events.subscribers), drops = event_wanted(d, "drop.report");
	uint64_t kinds;

	if (parse_kinds(call, &kinds))
		return NULL;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->client = call->caller;
		TAILQ_INSERT_TAIL(&d->events.subscribers, s, link);
	}
	s->kinds |= kinds;
	if (!drops && event_wanted(d, "drop.report"))
		compare_drops(d, true);		/* what was dropped before is nobody's news */
	if (first)
		start_tick(d);
	return show_kinds(s->kinds);
}

json_t *method_event_unsubscribe(struct rpc_call *call)
{
	event_client_gone(call->opaque, call->caller);
	return json_object();
}
