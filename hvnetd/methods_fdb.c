/* SPDX-License-Identifier: MIT */
/* Methods of the forwarding table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
#include "vswitch/vswitch.h"

enum { PLACES = 64 };		/* our policy: of the table that are looked at in one piece; they have some 30 addresses */

/* A page, or what of it there is. Its cursor is the place in the table and how many of its addresses were shown: in text. */
struct fdb_view {
	json_t *rows;
	json_int_t limit;
	uint32_t place, skip;		/* where the page begins, and addresses there that it does not have */
	uint32_t seen;			/* addresses of this place */
	const struct vswitch_port *port;	/* NULL: any */
	json_int_t vlan;		/* -1: any */
	uint8_t mac[6];
	bool has_mac;
};

static void free_view(void *state)
{
	json_decref(((struct fdb_view *)state)->rows);
	free(state);
}

static bool is_wanted(const struct fdb_view *v, const struct vswitch_fdb_entry *e)
{
	return (!v->port || e->port == v->port) && (v->vlan < 0 || e->vlan == v->vlan) && (!v->has_mac || !memcmp(e->mac, v->mac, 6));
}

static bool is_full(const struct fdb_view *v)
{
	return (json_int_t)json_array_size(v->rows) == v->limit;
}

static void show_fdb_entry(void *cookie, const struct vswitch_fdb_entry *e)
{
	static const char *const kinds[VSWITCH_FDB_KINDS] = { "static", "learned", "self", "mgmt" };
	struct fdb_view *v = cookie;
	char mac[HVNETD_MAC_TEXT_BYTES];

	if (v->seen++ < v->skip || is_full(v)) {
		v->seen -= is_full(v);
		return;
	}
	if (!is_wanted(v, e))
		return;
	mac_format(e->mac, mac);
	json_array_append_new(v->rows, json_pack("{s:s, s:i, s:s, s:s, s:I}", "mac", mac, "vlan", (int)e->vlan, "port",
						 vswitch_port_name(e->port), "kind", kinds[e->kind], "age_s", (json_int_t)e->age_s));
}

static struct fdb_view *make_view(struct rpc_call *call)
{
	const char *cursor = rpc_string(call, "cursor");
	struct fdb_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->rows = json_array();
	v->limit = rpc_integer(call, "limit", API_PAGE);
	v->vlan = rpc_integer(call, "vlan", -1);
	v->has_mac = rpc_has(call, "mac") && mac_parse(rpc_string(call, "mac"), v->mac);
	call->state = v;
	call->free_state = free_view;
	if (!cursor || sscanf(cursor, "%" SCNu32 ".%" SCNu32, &v->place, &v->skip) == 2)
		return v;
	rpc_fail(&call->err, RPC_INVALID_PARAMS, "cursor", "\"cursor\" is not the \"next_cursor\" of an answer");
	return NULL;
}

static json_t *end_view(const struct fdb_view *v, struct vswitch *sw, bool more)
{
	struct vswitch_fdb_stats stats = { 0 };
	json_t *answer = json_pack("{s:O}", "entries", v->rows);

	if (sw)
		vswitch_fdb_stats(sw, &stats);
	json_object_set_new(answer, "learned", json_integer(stats.entries));
	if (more)
		json_object_set_new(answer, "next_cursor", json_sprintf("%" PRIu32 ".%" PRIu32, v->place, v->seen));
	return answer;
}

json_t *method_fdb_list(struct rpc_call *call)
{
	struct fdb_view *v = call->state ? call->state : make_view(call);
	const struct object *o = switch_param(call);	/* as it is now: there may have been moments in between */
	struct object *owner;
	uint32_t next;

	if (!v || !o || (rpc_has(call, "port") && !(v->port = live_port(call, &owner))))
		return NULL;
	for (int i = 0; i < PLACES && switch_of(o); i++) {
		v->seen = 0;
		next = vswitch_fdb_walk(switch_of(o), v->place, 1, show_fdb_entry, v);
		if (is_full(v))
			return end_view(v, switch_of(o), true);
		if (!next)
			return end_view(v, switch_of(o), false);
		v->place = next;
		v->skip = 0;
	}
	call->again = switch_of(o);
	return call->again ? NULL : end_view(v, NULL, false);
}

static json_t *fdb_entry(struct rpc_call *call)
{
	char text[HVNETD_MAC_TEXT_BYTES];
	uint8_t mac[6] = { 0 };

	mac_parse(rpc_string(call, "mac"), mac);
	mac_format(mac, text);
	return json_pack("{s:s, s:I}", "mac", text, "vlan", rpc_integer(call, "vlan", 0));
}

json_t *method_fdb_add(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *list;

	if (!o)
		return NULL;
	list = copy_list(o, "fdb");
	json_array_append_new(list, fdb_entry(call));
	return put_list(call, o, "fdb", list);
}

json_t *method_fdb_del(struct rpc_call *call)
{
	struct object *o = holder_param(call);
	json_t *list, *wanted;
	const json_t *v;
	bool found = false;
	size_t i;

	if (!o)
		return NULL;
	list = copy_list(o, "fdb");
	wanted = fdb_entry(call);
	json_array_foreach(list, i, v)
		if (json_equal(v, wanted)) {
			json_array_remove(list, i);
			found = true;
			break;
		}
	json_decref(wanted);
	if (found)
		return put_list(call, o, "fdb", list);
	json_decref(list);
	rpc_fail(&call->err, RPC_NOT_FOUND, "mac", "port %s has no such entry that was added; learned ones are forgotten with fdb.flush",
		 o->key);
	return NULL;
}

json_t *method_fdb_flush(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	struct vswitch_port *port = NULL;
	struct object *owner;

	if (!sw || (rpc_has(call, "port") && !(port = live_port(call, &owner))))
		return NULL;
	if (port)
		vswitch_port_fdb_flush(port);
	else if (switch_of(sw))
		vswitch_fdb_flush(switch_of(sw));
	return json_object();
}
