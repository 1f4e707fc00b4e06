/* SPDX-License-Identifier: MIT */
/*
 * Extensions of switches. What is installed are shared objects in a folder; the configuration of a switch names those that
 * are on it, from the top of the stack to its bottom. A remote one is a place for a program that attaches to a socket.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
#include "vswitch/stack.h"
#include "vswitch/vswitch.h"

/* One that is on a switch; the library and the place for a program go with it. */
struct placed {
	TAILQ_ENTRY(placed) link;
	struct vswitch_extension *ext;		/* owned; a remote one's: its */
	struct vswitch_library *library;	/* owned; NULL: remote */
	struct vswitch_remote *remote;		/* owned, or NULL */
	json_t *config;				/* owned; as it was attached */
	char *socket;				/* owned; a remote one's */
};

static const char *text_of(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static const char *module_of(const json_t *entry)
{
	const char *module = text_of(entry, "module");

	return module ? module : text_of(entry, "name");
}

static void module_path(const struct hvnetd *d, const char *module, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.3900s/%.63s.so", d->extension_dir, module);
}

/* ---- checks ---- */

int extension_check(struct object *sw, struct rpc_error *err)
{
	const json_t *list = json_object_get(sw->config, "extensions"), *v;
	size_t i, j;

	if (json_array_size(list) > VSWITCH_EXTENSIONS_MAX)
		return rpc_fail(err, RPC_NO_RESOURCES, "extensions", "a switch has %d extensions at most", VSWITCH_EXTENSIONS_MAX);
	json_array_foreach(list, i, v) {
		if (!name_is_plain(text_of(v, "name")) || !name_is_plain(module_of(v)))
			return rpc_fail(err, RPC_INVALID_PARAMS, "name", "an extension's name has letters, digits and . _ + -");
		for (j = 0; j < i; j++)
			if (!strcmp(text_of(json_array_get(list, j), "name"), text_of(v, "name")))
				return rpc_fail(err, RPC_IN_USE, "name", "switch \"%s\" has an extension %s already", sw->key,
						text_of(v, "name"));
		if (json_object_get(v, "remote") && text_of(v, "module"))
			return rpc_fail(err, RPC_INCOMPATIBLE, "module", "a remote extension has no \"module\"");
	}
	return 0;
}

/* ---- one on a switch ---- */

static struct placed *find_placed(struct hvnetd_switch *sw, const char *name)
{
	struct placed *p;

	TAILQ_FOREACH(p, &sw->extensions, link)
		if (!strcmp(text_of(p->config, "name"), name))
			return p;
	return NULL;
}

static void tell(struct hvnetd_switch *sw, const char *name, const char *action)
{
	if (event_wanted(sw->o.d, "extension.changed"))
		event_send(sw->o.d, "extension.changed", EVENT_INFO,
			   json_pack("{s:s, s:s, s:s}", "switch", sw->o.key, "name", name, "action", action));
}

static void take_off(struct hvnetd_switch *sw, struct placed *p)
{
	TAILQ_REMOVE(&sw->extensions, p, link);
	if (p->remote)
		vswitch_remote_destroy(p->remote);
	else
		vswitch_extension_detach(p->ext);
	vswitch_library_close(p->library);
	json_decref(p->config);
	free(p->socket);
	free(p);
}

static int fail_attach(const struct hvnetd_switch *sw, const char *name, int ret, const char *text, struct rpc_error *err)
{
	if (ret == -ENOENT)
		return rpc_fail(err, RPC_NOT_FOUND, "name", "there is no extension %s in %s; `hvnetctl extension show` lists those "
				"that are installed", name, sw->o.d->extension_dir);
	if (vswitch_refusal(sw->sw)->reason[0] && !*text)
		text = vswitch_refusal(sw->sw)->reason;
	rpc_fail(err, RPC_REFUSED, "name", "extension %s cannot be on switch \"%s\": %s", name, sw->o.key,
		 *text ? text : strerror(-ret));
	rpc_detail(err, "extension", "%s", name);
	return rpc_detail(err, "reason", "%s", *text ? text : strerror(-ret));
}

static int attach_library(struct hvnetd_switch *sw, struct placed *p, struct rpc_error *err)
{
	const char *name = text_of(p->config, "name"), *argument = text_of(p->config, "argument");
	const struct vswitch_extension_config config = { .name = name, .config = argument };
	char path[PATH_MAX], text[192] = "";
	int ret;

	module_path(sw->o.d, module_of(p->config), path);
	ret = vswitch_library_open(path, text, sizeof(text), &p->library);
	if (ret) {
		p->library = NULL;
		return fail_attach(sw, name, ret, text, err);
	}
	ret = vswitch_extension_attach(sw->sw, vswitch_library_module(p->library), &config, &p->ext);
	if (!ret)
		return 0;
	p->ext = NULL;
	return fail_attach(sw, name, ret, "", err);
}

static enum vswitch_ext_class class_of(const char *name)
{
	return !strcmp(name, "capture") ? VSWITCH_EXT_CAPTURE : !strcmp(name, "filter") ? VSWITCH_EXT_FILTER : VSWITCH_EXT_FORWARD;
}

/* A switch's name may hold what a path should not. */
static char *remote_socket(const struct hvnetd_switch *sw, const char *name)
{
	const char *id = object_string(&sw->o, "id");
	char *path;

	if (asprintf(&path, "%s/ext-%.8s-%s", sw->o.d->options->runtime_dir, id ? id : "", name) < 0)
		return NULL;
	return path;
}

static int attach_remote(struct hvnetd_switch *sw, struct placed *p, struct rpc_error *err)
{
	const json_t *remote = json_object_get(p->config, "remote");
	const char *name = text_of(p->config, "name");
	struct vswitch_remote_config config = {
		.name = name, .config = text_of(p->config, "argument"), .class = class_of(text_of(remote, "class")),
		.fail_open = json_is_true(json_object_get(remote, "fail_open")),
		.wait_ms = (uint32_t)json_integer_value(json_object_get(remote, "wait_ms")),
		.wait_frames = (uint32_t)json_integer_value(json_object_get(remote, "wait_frames")),
	};
	int ret = -ENOMEM;

	p->socket = remote_socket(sw, name);
	config.socket = p->socket;
	if (p->socket)
		ret = vswitch_remote_create(sw->sw, sw->o.d->worker.loop, &config, &p->remote);
	if (ret) {
		p->remote = NULL;
		return fail_attach(sw, name, ret, strerror(-ret), err);
	}
	p->ext = vswitch_remote_extension(p->remote);
	return 0;
}

static struct placed *place(struct hvnetd_switch *sw, json_t *entry, struct rpc_error *err)
{
	struct placed *p = calloc(1, sizeof(*p));

	if (!p) {
		rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
		return NULL;
	}
	p->config = json_incref(entry);
	TAILQ_INSERT_TAIL(&sw->extensions, p, link);
	if (json_object_get(entry, "remote") ? !attach_remote(sw, p, err) : !attach_library(sw, p, err))
		return p;
	take_off(sw, p);
	return NULL;
}

/* ---- the stack ---- */

static const json_t *find_entry(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(text_of(v, "name"), name))
			return v;
	return NULL;
}

static bool differs(const json_t *a, const json_t *b, const char *name)
{
	json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x != y && (!x || !y || !json_equal(x, y));
}

/* Another module or argument is another extension. */
static void remove_others(struct hvnetd_switch *sw, const json_t *list)
{
	struct placed *p, *next;

	for (p = TAILQ_FIRST(&sw->extensions); p; p = next) {
		const json_t *entry = find_entry(list, text_of(p->config, "name"));

		next = TAILQ_NEXT(p, link);
		if (!entry || differs(entry, p->config, "module") || differs(entry, p->config, "argument") ||
		    differs(entry, p->config, "remote"))
			take_off(sw, p);
	}
}

static int set_enabled(struct hvnetd_switch *sw, struct placed *p, const json_t *entry, struct rpc_error *err)
{
	const bool wanted = json_is_true(json_object_get(entry, "enabled"));
	const char *name = text_of(entry, "name");
	int ret = 0;

	if (wanted == vswitch_extension_enabled(p->ext))
		return 0;
	if (wanted)
		ret = vswitch_extension_enable(p->ext);
	else
		vswitch_extension_disable(p->ext);
	if (!ret) {
		tell(sw, name, wanted ? "enabled" : "disabled");
		return 0;
	}
	if (ret == -EBUSY) {
		rpc_fail(err, RPC_IN_USE, "name", "switch \"%s\" has another forwarding extension enabled; disable it first",
			 sw->o.key);
		return rpc_detail(err, "by", "a forwarding extension");
	}
	return ret == -ECANCELED ? refused_by_extension(sw->sw, "name", err) :
				   rpc_fail(err, RPC_FAILED, "name", "extension %s cannot be enabled: %s", name, strerror(-ret));
}

/* From the bottom up: each above the last one of its class, so at the end the list's order is the stack's. */
static void set_order(struct hvnetd_switch *sw, const json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		const struct placed *p = find_placed(sw, text_of(json_array_get(list, i), "name"));
		struct vswitch_extension *below = NULL;

		for (size_t j = i + 1; p && j < json_array_size(list) && !below; j++) {
			const struct placed *other = find_placed(sw, text_of(json_array_get(list, j), "name"));

			if (other && vswitch_extension_module(other->ext)->class == vswitch_extension_module(p->ext)->class)
				below = other->ext;
		}
		if (p && vswitch_extension_move(p->ext, below))
			hv_log(HV_LOG_WARNING, "switch \"%s\": extension %s keeps its place", sw->o.key, text_of(p->config, "name"));
	}
}

static int set_stack(struct hvnetd_switch *sw, const json_t *list, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	remove_others(sw, list);
	json_array_foreach(list, i, v)
		if (!find_placed(sw, text_of(v, "name")) && !place(sw, (json_t *)v, err) && !sw->o.d->restoring)
			return -1;
	set_order(sw, list);
	/* Those that go first: there may be one forwarding extension. */
	for (int on = 0; on < 2; on++)
		json_array_foreach(list, i, v) {
			struct placed *p = find_placed(sw, text_of(v, "name"));

			if (p && json_is_true(json_object_get(v, "enabled")) == (on == 1) && set_enabled(sw, p, v, err))
				return -1;
		}
	return 0;
}

int extension_realize(struct hvnetd_switch *sw, struct rpc_error *err)
{
	const json_t *list = json_object_get(sw->o.config, "extensions"), *before = json_object_get(sw->o.real, "extensions");
	struct rpc_error other = { 0 };

	if (!sw->extensions.tqh_last)
		TAILQ_INIT(&sw->extensions);
	if (list == before || !set_stack(sw, list, err))
		return 0;
	if (sw->o.real && set_stack(sw, before, &other))
		hv_log(HV_LOG_ERROR, "switch \"%s\": the extensions cannot be put back: %s", sw->o.key, other.message);
	return -1;
}

void extension_clear(struct hvnetd_switch *sw)
{
	while (sw->extensions.tqh_last && !TAILQ_EMPTY(&sw->extensions))
		take_off(sw, TAILQ_FIRST(&sw->extensions));
}

/* ---- answers ---- */

static const char *class_name(uint32_t class)
{
	static const char *const names[] = { "capture", "filter", "forward" };

	return class < 3 ? names[class] : "?";
}

static json_t *show_module(const struct vswitch_ext_module *m, const char *name)
{
	return json_pack("{s:s, s:s, s:s*, s:s*}", "name", name, "class", class_name(m->class), "vendor", m->vendor, "version",
			 m->version);
}

static json_t *counters(const struct vswitch_extension *ext)
{
	struct vswitch_extension_stats s;

	vswitch_extension_stats(ext, &s);
#define N(member) #member, (json_int_t)s.member
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I}",
			 N(in_frames), N(out_frames), N(in_dropped), N(out_dropped), N(passed_in), N(completed), N(in_flight),
			 N(held_total), N(held), N(held_bytes), N(released), N(discarded), N(flushed), N(injected),
			 N(inject_refused), N(directed), N(requests), N(refusals), N(references), N(misuse), N(batches),
			 N(frame_ns), N(control_ns));
#undef N
}

static json_t *show_placed(const struct placed *p, int place)
{
	json_t *o = show_module(vswitch_extension_module(p->ext), text_of(p->config, "name"));
	struct vswitch_remote_stats st;

	json_object_set_new(o, "enabled", json_boolean(vswitch_extension_enabled(p->ext)));
	json_object_set_new(o, "place", json_integer(place));
	if (text_of(p->config, "argument"))
		json_object_set(o, "argument", json_object_get(p->config, "argument"));
	if (p->socket)
		json_object_set_new(o, "socket", json_string(p->socket));
	else
		json_object_set_new(o, "module", json_string(module_of(p->config)));
	if (p->remote) {
		vswitch_remote_stats(p->remote, &st);
		json_object_set_new(o, "running", json_boolean(st.attached));
	}
	return o;
}

/* One that is configured, but could not be put on the switch. */
static json_t *show_missing(const json_t *entry)
{
	const json_t *remote = json_object_get(entry, "remote");

	return json_pack("{s:s, s:s, s:b, s:b}", "name", text_of(entry, "name"), "class",
			 remote ? text_of(remote, "class") : "filter", "enabled", 0, "running", 0);
}

static json_t *list_installed(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	struct page page = page_of(call);
	DIR *dir = opendir(d->extension_dir);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		struct vswitch_library *library;
		char path[PATH_MAX], name[64];
		size_t n = strlen(e->d_name);

		if (n < 4 || n > 63 || strcmp(e->d_name + n - 3, ".so") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 3), e->d_name);
		module_path(d, name, path);
		if (vswitch_library_open(path, NULL, 0, &library))
			continue;
		if (page_has(&page))
			page_add(&page, show_module(vswitch_library_module(library), name));
		vswitch_library_close(library);
	}
	if (dir)
		closedir(dir);
	return page_end(&page, "extensions");
}

static json_t *list_stack(struct rpc_call *call, bool with_counters)
{
	struct object *o = switch_param(call);
	struct hvnetd_switch *sw;
	struct page page;
	const json_t *v;
	size_t i;

	if (!o)
		return NULL;
	sw = hv_container_of(o, struct hvnetd_switch, o);
	page = page_of(call);
	json_array_foreach(json_object_get(o->config, "extensions"), i, v) {
		const struct placed *p = sw->extensions.tqh_last ? find_placed(sw, text_of(v, "name")) : NULL;
		struct vswitch_extension_stats s;
		json_t *row;

		if (!page_has(&page))
			continue;
		row = p ? show_placed(p, (int)i) : show_missing(v);
		if (p && with_counters) {
			vswitch_extension_stats(p->ext, &s);
			json_object_set_new(row, "counters", counters(p->ext));
			json_object_set_new(row, "last_drop", json_string(s.last_drop));
		}
		page_add(&page, row);
	}
	return page_end(&page, "extensions");
}

json_t *method_extension_list(struct rpc_call *call)
{
	return rpc_has(call, "switch") ? list_stack(call, false) : list_installed(call);
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

static int place_in(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(text_of(v, "name"), name))
			return (int)i;
	return -1;
}

static json_t *show_stack(const struct object *o)
{
	struct hvnetd_switch *sw = hv_container_of(o, struct hvnetd_switch, o);
	struct page page = { .rows = json_array(), .limit = API_PAGE_MAX };
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o->config, "extensions"), i, v) {
		const struct placed *p = find_placed(sw, text_of(v, "name"));

		if (page_has(&page))
			page_add(&page, p ? show_placed(p, (int)i) : show_missing(v));
	}
	return page_end(&page, "extensions");
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
	i = place_in(list, name);
	entry = i < 0 ? json_pack("{s:s}", "name", name) : json_copy(json_array_get(list, (size_t)i));
	copy_params(entry, call, members);
	json_object_set_new(entry, "enabled", json_true());
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
	i = place_in(*list, name);
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
		int at = place_in(list, json_string_value(v));

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
