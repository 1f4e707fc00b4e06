/* SPDX-License-Identifier: MIT */
/* The handlers of extensions: what there is, and the configuration of a switch's stack. */
#include <string.h>

#include "hvnetd/extension.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"

/* ---- answers ---- */

static const char *class_name(uint32_t class)
{
	return class <= VSWITCH_EXT_FORWARD ? api_extension_classes[class] : "?";
}

json_t *show_module(const struct vswitch_ext_module *m, const char *name)
{
	return json_pack("{s:s, s:s, s:s*, s:s*}", "name", name, "class", class_name(m->class), "vendor", m->vendor, "version",
			 m->version);
}

static void add_program_counters(json_t *o, const struct vswitch_remote *remote)
{
	struct vswitch_remote_stats s;

	vswitch_remote_stats(remote, &s);
#define N(member) "program_" #member, (json_int_t)s.member
	json_object_update_new(o, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", N(attaches), N(refused),
					    N(deaths), N(breaches), N(asked), N(copied), N(timeouts), N(overflows), N(unseen),
					    N(waiting), N(questions), N(unanswered)));
#undef N
}

static json_t *counters(const struct placed *p)
{
	struct vswitch_extension_stats s;
	json_t *o;

	vswitch_extension_stats(p->ext, &s);
#define N(member) #member, (json_int_t)s.member
	o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		      "s:I}",
		      N(in_frames), N(out_frames), N(in_dropped), N(out_dropped), N(passed_in), N(completed), N(in_flight), N(held_total),
		      N(held), N(held_bytes), N(released), N(discarded), N(flushed), N(injected), N(inject_refused), N(directed),
		      N(requests), N(refusals), N(references), N(lost_references), N(misuse), N(batches), N(frame_ns), N(control_ns));
#undef N
	if (p->remote)
		add_program_counters(o, p->remote);
	return o;
}

/* One that could not be put on the switch has no module to ask. */
static json_t *show_missing(const json_t *entry)
{
	const json_t *remote = json_object_get(entry, "remote");

	return json_pack("{s:s, s:s*, s:b}", "name", extension_text(entry, "name"), "class", extension_text(remote, "class"), "running", 0);
}

static json_t *show_placed(const struct placed *p, const json_t *entry, size_t place)
{
	json_t *o = p && p->ext ? show_module(vswitch_extension_module(p->ext), extension_text(entry, "name")) : show_missing(entry);

	json_object_set_new(o, "enabled", json_boolean(p && p->ext && vswitch_extension_enabled(p->ext)));
	json_object_set_new(o, "place", json_integer((json_int_t)place));
	if (extension_text(entry, "argument"))
		json_object_set(o, "argument", json_object_get(entry, "argument"));
	if (p && p->socket)
		json_object_set_new(o, "socket", json_string(p->socket));
	else if (!json_object_get(entry, "remote"))
		json_object_set_new(o, "module", json_string(extension_module(entry)));
	if (p && p->remote)
		json_object_set_new(o, "running", json_boolean(p->there));
	if (p && p->why[0])
		json_object_set_new(o, "why", json_string(p->why));
	return o;
}

static void add_stack(const struct object *o, bool with_counters, struct page *page)
{
	struct hvnetd_switch *sw = hv_container_of(o, struct hvnetd_switch, o);
	struct vswitch_extension_stats s;
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o->config, "extensions"), i, v) {
		const struct placed *p = extension_find_placed(sw, extension_text(v, "name"));
		json_t *row;

		if (!page_has(page))
			continue;
		row = show_placed(p, v, i);
		if (p && p->ext && with_counters) {
			vswitch_extension_stats(p->ext, &s);
			json_object_set_new(row, "counters", counters(p));
			json_object_set_new(row, "last_drop", json_string(s.last_drop));
		}
		page_add(page, row);
	}
}

static json_t *list_stack(struct rpc_call *call, bool with_counters)
{
	const struct object *o = switch_param(call);
	struct page page;

	if (!o)
		return NULL;
	page = page_of(call);
	add_stack(o, with_counters, &page);
	return page_end(&page, "extensions");
}

static json_t *show_stack(const struct object *o)
{
	struct page page = { .rows = json_array(), .limit = API_PAGE_MAX };

	add_stack(o, false, &page);
	return page_end(&page, "extensions");
}

json_t *method_extension_list(struct rpc_call *call)
{
	return list_stack(call, false);	/* what is installed: extension_list_start() */
}

json_t *method_extension_status(struct rpc_call *call)
{
	return list_stack(call, true);
}

/* ---- changes ---- */

static json_t *copy_stack(const struct object *sw)
{
	json_t *list = json_object_get(sw->config, "extensions");

	return list ? json_copy(list) : json_array();
}

static struct object *put_stack(struct rpc_call *call, struct object *sw, json_t *list)
{
	json_t *config = object_copy(sw);

	json_object_set_new(config, "extensions", list);
	return change_put(call, OBJECT_SWITCH, sw->key, config);
}

/* What is asked for is configured already, but was not to be had: saying yes again would be no answer. */
static int check_missing(struct rpc_call *call, struct object *sw, const json_t *entry)
{
	const char *name = extension_text(entry, "name");
	const struct placed *p = extension_find_placed(hv_container_of(sw, struct hvnetd_switch, o), name);
	const json_t *now = json_object_get(sw->config, "extensions");

	now = json_array_get(now, (size_t)extension_find(now, name));
	if (!p || (p->ext && vswitch_extension_enabled(p->ext)) || !json_equal((json_t *)entry, (json_t *)now))
		return 0;
	rpc_fail(&call->err, RPC_STATE, "name", "extension %s is on switch \"%s\", but does not work: %s; when that is mended, disable or "
		 "remove it, then enable it", name, sw->key, p->why);
	return rpc_detail(&call->err, "state", "failed");
}

/* A new one is on top; the stack keeps the classes apart. */
json_t *method_extension_enable(struct rpc_call *call)
{
	static const char *const members[] = { "module", "argument", "remote", NULL };
	struct object *sw = switch_param(call);
	const char *name = rpc_string(call, "name");
	json_t *list, *entry;
	int i;

	if (!sw)
		return NULL;
	list = copy_stack(sw);
	i = extension_find(list, name);
	entry = i < 0 ? json_pack("{s:s}", "name", name) : json_copy(json_array_get(list, (size_t)i));
	copy_params(entry, call, members);
	json_object_set_new(entry, "enabled", json_true());
	if (i >= 0 && check_missing(call, sw, entry)) {
		json_decref(entry);
		json_decref(list);
		return NULL;
	}
	if (i < 0)
		json_array_insert_new(list, 0, entry);
	else
		json_array_set_new(list, (size_t)i, entry);
	sw = put_stack(call, sw, list);
	return sw ? change_show(call, sw, show_stack) : NULL;
}

/* The place of the one that is meant in a copy of the stack; -1 with err, and no copy. */
static int find_named(struct rpc_call *call, const struct object *sw, json_t **list)
{
	const char *name = rpc_string(call, "name");
	int i;

	*list = copy_stack(sw);
	i = extension_find(*list, name);
	if (i >= 0)
		return i;
	json_decref(*list);
	return rpc_fail(&call->err, RPC_NOT_FOUND, "name", "switch \"%s\" has no extension %s", sw->key, name);
}

json_t *method_extension_disable(struct rpc_call *call)
{
	struct object *sw = switch_param(call);
	json_t *list, *entry;
	int i = sw ? find_named(call, sw, &list) : -1;

	if (i < 0)
		return NULL;
	entry = json_copy(json_array_get(list, (size_t)i));
	json_object_set_new(entry, "enabled", json_false());
	json_array_set_new(list, (size_t)i, entry);
	return put_stack(call, sw, list) ? json_object() : NULL;
}

json_t *method_extension_remove(struct rpc_call *call)
{
	struct object *sw = switch_param(call);
	json_t *list;
	int i = sw ? find_named(call, sw, &list) : -1;

	if (i < 0)
		return NULL;
	json_array_remove(list, (size_t)i);
	return put_stack(call, sw, list) ? json_object() : NULL;
}

json_t *method_extension_order(struct rpc_call *call)
{
	const json_t *order = json_object_get(call->params, "order"), *v;
	struct object *sw = switch_param(call);
	json_t *list, *sorted;
	size_t i;

	if (!sw)
		return NULL;
	list = copy_stack(sw);
	sorted = json_array();
	json_array_foreach(order, i, v) {
		int at = extension_find(list, json_string_value(v));

		if (at < 0) {
			rpc_fail(&call->err, RPC_NOT_FOUND, "order", "switch \"%s\" has no extension %s, or it is given twice", sw->key,
				 json_string_value(v));
			json_decref(list);
			json_decref(sorted);
			return NULL;
		}
		json_array_append(sorted, json_array_get(list, (size_t)at));
		json_array_remove(list, (size_t)at);
	}
	json_array_extend(sorted, list);	/* those that were not named keep their order, below the others */
	json_decref(list);
	sw = put_stack(call, sw, sorted);
	return sw ? change_show(call, sw, show_stack) : NULL;
}
