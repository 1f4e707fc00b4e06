/* SPDX-License-Identifier: MIT */
/* What a name or GUID in a request means. */
#include <stdio.h>
#include <string.h>

#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

/* ---- GUIDs ---- */

static bool is_guid(const char *text)
{
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]) || !text[i])
			return false;
	return !text[36];
}

static void make_guid(const struct hvnetd *d, const char *owner, const char *name, char text[GUID_TEXT_BYTES])
{
	uint8_t g[16];

	guid_from_names(d->host, owner, name, g);
	snprintf(text, GUID_TEXT_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3], g[2], g[1], g[0],
		 g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

void port_guid(const struct object *sw, const struct vswitch_port *port, char text[GUID_TEXT_BYTES])
{
	const char *id = object_string(sw, "id");

	make_guid(sw->d, id ? id : sw->key, vswitch_port_name(port), text);
}

void object_guid(const struct object *o, char text[GUID_TEXT_BYTES])
{
	const char *vm = object_string(o, "vm");

	make_guid(o->d, vm ? vm : o->key, vm ? object_string(o, "name") : "", text);
}

/* A VM or adapter. */
static struct object *find_guid(struct hvnetd *d, enum object_kind kind, const char *reference)
{
	char text[GUID_TEXT_BYTES];
	struct object *o;

	if (!is_guid(reference))
		return NULL;
	OBJECT_FOREACH(o, d, kind) {
		object_guid(o, text);
		if (!strcasecmp(text, reference))
			return o;
	}
	return NULL;
}

/* Of a port that there is, or of an adapter. */
static struct object *find_port_guid(struct hvnetd *d, const char *reference)
{
	struct vswitch_port *port;
	char text[GUID_TEXT_BYTES];
	struct object *sw;

	if (!is_guid(reference))
		return NULL;
	OBJECT_FOREACH(sw, d, OBJECT_SWITCH)
		for (port = switch_first_port(sw); port; port = vswitch_next_port(switch_of(sw), port)) {
			port_guid(sw, port, text);
			if (!strcasecmp(text, reference))
				return port_owner(d, sw, port);
		}
	return find_guid(d, OBJECT_ADAPTER, reference);
}

/* ---- references ---- */

struct object *switch_find(struct hvnetd *d, const char *reference, struct rpc_error *err)
{
	struct object *o = object_find(d, OBJECT_SWITCH, reference), *found = NULL;
	const char *s;

	if (o)
		return o;
	OBJECT_FOREACH(o, d, OBJECT_SWITCH) {
		s = object_string(o, "id");
		if (s && !strcasecmp(s, reference))
			return o;
		s = object_string(o, "friendly");
		if (!s || strcmp(s, reference) != 0)
			continue;
		if (found) {
			rpc_fail(err, RPC_AMBIGUOUS, "switch", "both \"%s\" and \"%s\" have the friendly name \"%s\"; give the "
				 "unique name", found->key, o->key, reference);
			return NULL;
		}
		found = o;
	}
	if (!found)
		rpc_fail(err, RPC_NOT_FOUND, "switch", "there is no switch \"%s\"; `hvnetctl switch show` lists them", reference);
	return found;
}

struct object *vm_find(struct hvnetd *d, const char *reference, struct rpc_error *err)
{
	struct object *o = object_find(d, OBJECT_VM, reference);

	if (!o)
		o = find_guid(d, OBJECT_VM, reference);
	if (!o)
		rpc_fail(err, RPC_NOT_FOUND, "vm", "there is no VM \"%s\"; `hvnetctl vm show` lists them", reference);
	return o;
}

struct object *adapter_find(struct hvnetd *d, const char *reference, struct rpc_error *err)
{
	struct object *o = object_find(d, OBJECT_ADAPTER, reference);

	if (!o)
		o = find_guid(d, OBJECT_ADAPTER, reference);
	if (!o)
		rpc_fail(err, RPC_NOT_FOUND, "adapter", "there is no adapter \"%s\"; `hvnetctl adapter show` lists them (an id is "
			 "VM/NAME)", reference);
	return o;
}

struct object *object_find_port(struct hvnetd *d, const char *reference, struct rpc_error *err)
{
	static const enum object_kind kinds[] = { OBJECT_ADAPTER, OBJECT_PORT, OBJECT_UPLINK, OBJECT_HOSTNIC };
	struct object *found = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct object *o = object_find(d, kinds[i], reference);

		if (o && found) {
			rpc_fail(err, RPC_AMBIGUOUS, "port", "\"%s\" is the name of both an %s and a %s", reference,
				 object_classes[found->kind].name, object_classes[o->kind].name);
			return NULL;
		}
		found = o ? o : found;
	}
	if (!found)
		found = find_port_guid(d, reference);
	if (!found)
		rpc_fail(err, RPC_NOT_FOUND, "port", "there is no port \"%s\"; a port is SWITCH/NAME, or an adapter VM/NAME; "
			 "`hvnetctl port show` lists them", reference);
	return found;
}
