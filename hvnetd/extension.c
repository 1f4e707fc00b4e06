/* SPDX-License-Identifier: MIT */
/*
 * Extensions of switches. What is installed are shared objects in a folder; the configuration of a switch names those that
 * are on it, from the top of the stack to its bottom. A remote one is a place for a program that attaches to a socket.
 *
 * One that cannot be put on its switch when the daemon starts stays in the configuration, with the reason; nothing else depends on it.
 */
#include "hvnetd/extension.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "hvnetd/uplink.h"
#include "vswitch/vswitch.h"

enum { REMOTE_ARGUMENT_MAX = 511 };	/* bytes of remote_welcome's text */

const char *extension_text(const json_t *entry, const char *member)
{
	return json_string_value(json_object_get(entry, member));
}

const char *extension_module(const json_t *entry)
{
	const char *module = extension_text(entry, "module");

	return module ? module : extension_text(entry, "name");
}

int extension_find(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(extension_text(v, "name"), name))
			return (int)i;
	return -1;
}

static bool is_remote(const json_t *entry)
{
	return json_object_get(entry, "remote");
}

/* A switch's name may hold what a path should not. */
static int remote_socket(const struct object *sw, const char *name, char path[PATH_MAX])
{
	const char *id = object_string(sw, "id");

	return snprintf(path, PATH_MAX, "%.3900s/ext-%.8s-%.63s", sw->d->options->runtime_dir, id ? id : "", name);
}

/* ---- checks ---- */

static int check_remote(const struct object *sw, const json_t *entry, struct rpc_error *err)
{
	const char *argument = extension_text(entry, "argument");
	char path[PATH_MAX];

	if (extension_text(entry, "module")) {
		rpc_fail(err, RPC_INCOMPATIBLE, "module", "a remote extension is a program; it has no \"module\"");
		return rpc_detail(err, "other", "remote");
	}
	if (argument && strlen(argument) > REMOTE_ARGUMENT_MAX)
		return rpc_fail(err, RPC_INVALID_PARAMS, "argument", "the argument of a remote extension has %d bytes at most",
				REMOTE_ARGUMENT_MAX);
	if (remote_socket(sw, extension_text(entry, "name"), path) >= (int)sizeof(((struct sockaddr_un *)0)->sun_path))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name", "the socket's path %s is longer than the kernel takes; give the "
				"extension a shorter name", path);
	return 0;
}

int extension_check(struct object *sw, struct rpc_error *err)
{
	const json_t *list = json_object_get(sw->config, "extensions"), *v;
	size_t i;

	if (json_array_size(list) > VSWITCH_EXTENSIONS_MAX)
		return rpc_fail(err, RPC_NO_RESOURCES, "extensions", "a switch has %d extensions at most", VSWITCH_EXTENSIONS_MAX);
	json_array_foreach(list, i, v) {
		if (!name_is_plain(extension_text(v, "name")) || !name_is_plain(extension_module(v)))
			return rpc_fail(err, RPC_INVALID_PARAMS, "name", "an extension's name has letters, digits and . _ + -");
		if (extension_find(list, extension_text(v, "name")) != (int)i) {
			rpc_fail(err, RPC_IN_USE, "name", "switch \"%s\" has an extension %s already", sw->key, extension_text(v, "name"));
			return rpc_detail(err, "by", "extension %s", extension_text(v, "name"));
		}
		if (is_remote(v) && check_remote(sw, v, err))
			return -1;
	}
	return 0;
}

/* ---- events ---- */

static void tell(struct hvnetd_switch *sw, const char *name, const char *action, const char *why)
{
	if (event_wanted(sw->o.d, "extension.changed"))
		event_send(sw->o.d, "extension.changed", why ? EVENT_WARNING : EVENT_INFO,
			   json_pack("{s:s, s:s, s:s, s:s*}", "switch", sw->o.key, "name", name, "action", action, "why", why));
}

struct placed *extension_find_placed(struct hvnetd_switch *sw, const char *name)
{
	struct placed *p;

	if (sw->extensions.tqh_last)
		TAILQ_FOREACH(p, &sw->extensions, link)
			if (!strcmp(extension_text(p->config, "name"), name))
				return p;
	return NULL;
}

/* The program came or left, perhaps in the middle of the switch's work. */
static void on_program(void *opaque, struct vswitch_extension *e, bool there, const char *why)
{
	struct hvnetd_switch *sw = opaque;
	struct placed *p = extension_find_placed(sw, vswitch_extension_name(e));

	if (!p)
		return;
	p->there = there;
	snprintf(p->why, sizeof(p->why), "%s", there ? "" : why);
	(void)hv_timer_arm(sw->o.d->worker.loop, &p->news, 0);	/* without memory nobody is told */
}

static void on_news(struct hv_timer *t)
{
	struct placed *p = hv_container_of(t, struct placed, news);

	tell(p->sw, extension_text(p->config, "name"), p->there ? "attached" : "failed", p->there ? NULL : p->why);
}

/* Those whose creation waits for an answer look again. */
static void on_answered(void *opaque)
{
	const struct hvnetd_switch *sw = opaque;
	struct hvnetd *d = sw->o.d;
	struct object *o;

	change_wake(d);
	for (int kind = OBJECT_UPLINK; kind <= OBJECT_HOSTNIC; kind++)
		OBJECT_FOREACH(o, d, (enum object_kind)kind)
			if (hv_container_of(o, struct uplink, o)->asking)
				uplink_answered(hv_container_of(o, struct uplink, o));
	OBJECT_FOREACH(o, d, OBJECT_ADAPTER) {
		struct adapter *a = hv_container_of(o, struct adapter, o);

		if (a->asking)
			adapter_look_soon(a);
	}
}

static const struct vswitch_stack_ops stack_ops = { .answered = on_answered, .program = on_program };

int extension_ask(struct hvnetd_switch *sw, const struct vswitch_port_config *port, const struct vswitch_port *on,
		  const struct vswitch_nic_config *nic)
{
	return sw->sw && vswitch_ask(sw->sw, port, on, nic) ? OBJECT_WAITS : 0;
}

/* ---- one on a switch ---- */

static int fail_attach(const struct placed *p, const char *reason, struct rpc_error *err)
{
	const char *name = extension_text(p->config, "name");

	rpc_fail(err, RPC_REFUSED, "name", "extension %s cannot be on switch \"%s\": %s", name, p->sw->o.key, reason);
	rpc_detail(err, "extension", "%s", name);
	return rpc_detail(err, "reason", "%s", reason);
}

static int attach_library(struct placed *p, struct rpc_error *err)
{
	const char *name = extension_text(p->config, "name"), *reason;
	const struct vswitch_extension_config config = { .name = name, .config = extension_text(p->config, "argument") };
	char why[EXTENSION_WHY_BYTES];
	int ret;

	ret = libraries_take(p->sw->o.d, extension_module(p->config), &p->library, why);
	if (ret == -ENOENT)
		return rpc_fail(err, RPC_NOT_FOUND, "name", "%s", why);
	if (ret)
		return fail_attach(p, why, err);
	ret = vswitch_extension_attach(p->sw->sw, vswitch_library_module(p->library), &config, &p->ext);
	if (!ret)
		return 0;
	p->ext = NULL;
	reason = vswitch_refusal(p->sw->sw)->reason;	/* its own attach() has refused: the switch has checked the rest */
	return fail_attach(p, *reason ? reason : strerror(-ret), err);
}

static enum vswitch_ext_class class_of(const char *name)
{
	return !strcmp(name, "capture") ? VSWITCH_EXT_CAPTURE : !strcmp(name, "filter") ? VSWITCH_EXT_FILTER : VSWITCH_EXT_FORWARD;
}

static uint32_t number(const json_t *o, const char *member)
{
	return (uint32_t)json_integer_value(json_object_get(o, member));
}

static int attach_remote(struct placed *p, struct rpc_error *err)
{
	const json_t *remote = json_object_get(p->config, "remote");
	struct vswitch_remote_config config = {
		.name = extension_text(p->config, "name"), .config = extension_text(p->config, "argument"),
		.class = class_of(extension_text(remote, "class")), .fail_open = json_is_true(json_object_get(remote, "fail_open")),
		.wait_ms = number(remote, "wait_ms"), .wait_frames = number(remote, "wait_frames"),
		.answer_ms = number(remote, "answer_ms"),
	};
	char path[PATH_MAX];
	int ret = -ENOMEM;

	remote_socket(&p->sw->o, config.name, path);
	p->socket = strdup(path);
	config.socket = p->socket;
	if (p->socket)
		ret = vswitch_remote_create(p->sw->sw, p->sw->o.d->worker.loop, &config, &p->remote);
	if (ret) {
		p->remote = NULL;
		return fail_attach(p, strerror(-ret), err);
	}
	p->ext = vswitch_remote_extension(p->remote);
	return 0;
}

/* Of p nothing is on the switch any more; its library may be needed again. */
static void detach(struct placed *p)
{
	if (p->remote)
		vswitch_remote_destroy(p->remote);
	else
		vswitch_extension_detach(p->ext);
	libraries_give_back(p->sw->o.d, extension_module(p->config), p->library);
	free(p->socket);
	p->ext = NULL;
	p->remote = NULL;
	p->library = NULL;
	p->socket = NULL;
}

static void take_off(struct placed *p)
{
	TAILQ_REMOVE(&p->sw->extensions, p, link);	/* it hears no news of its end */
	if (p->ext && vswitch_extension_enabled(p->ext))
		tell(p->sw, extension_text(p->config, "name"), "disabled", NULL);
	detach(p);
	hv_timer_cancel(&p->news);
	json_decref(p->config);
	free(p);
}

/* keep: it stays in its place, with the reason, if it cannot be put there. */
static int place(struct hvnetd_switch *sw, json_t *entry, bool keep, struct rpc_error *err)
{
	struct placed *p = calloc(1, sizeof(*p));

	if (!p)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	p->sw = sw;
	p->config = json_incref(entry);
	p->news.fire = on_news;
	TAILQ_INSERT_TAIL(&sw->extensions, p, link);
	if (is_remote(entry) ? !attach_remote(p, err) : !attach_library(p, err))
		return 0;
	if (!keep) {
		take_off(p);
		return -1;
	}
	detach(p);
	snprintf(p->why, sizeof(p->why), "%.250s", err->message);
	hv_log(HV_LOG_ERROR, "switch \"%s\": extension %s: %s", sw->o.key, extension_text(entry, "name"), p->why);
	tell(sw, extension_text(entry, "name"), "failed", p->why);
	memset(err, 0, sizeof(*err));
	return 0;
}

/* ---- the stack ---- */

static bool differs(const json_t *a, const json_t *b, const char *name)
{
	json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x != y && (!x || !y || !json_equal(x, y));
}

/* Another module or argument is another extension. */
static bool is_another(const json_t *a, const json_t *b)
{
	return differs(a, b, "module") || differs(a, b, "argument") || differs(a, b, "remote");
}

static json_t *entry_of(const json_t *list, const char *name)
{
	int i = extension_find(list, name);

	return i < 0 ? NULL : json_array_get(list, (size_t)i);
}

/* One that could not be put there is tried again when something is said about it. */
static bool has_to_go(const struct placed *p, const json_t *entry, const json_t *before)
{
	if (!entry || is_another(entry, p->config))
		return true;
	return !p->ext && differs(entry, before, "enabled");
}

static void remove_others(struct hvnetd_switch *sw, const json_t *list)
{
	const json_t *before = json_object_get(sw->o.real, "extensions");
	struct placed *p, *next;

	for (p = TAILQ_FIRST(&sw->extensions); p; p = next) {
		const char *name = extension_text(p->config, "name");

		next = TAILQ_NEXT(p, link);
		if (has_to_go(p, entry_of(list, name), entry_of(before, name)))
			take_off(p);
	}
}

static int set_enabled(struct placed *p, bool wanted, struct rpc_error *err)
{
	const char *name = extension_text(p->config, "name");
	struct hvnetd_switch *sw = p->sw;
	int ret = 0;

	if (!p->ext || wanted == vswitch_extension_enabled(p->ext))
		return 0;
	if (wanted)
		ret = vswitch_extension_enable(p->ext);
	else
		vswitch_extension_disable(p->ext);
	if (!ret) {
		p->why[0] = '\0';
		tell(sw, name, wanted ? "enabled" : "disabled", NULL);
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

/* Those that go first: there may be one forwarding extension. keep: those that cannot be enabled stay as they are, with the reason. */
static int set_all_enabled(struct hvnetd_switch *sw, const json_t *list, bool keep, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	for (int on = 0; on < 2; on++)
		json_array_foreach(list, i, v) {
			struct placed *p = extension_find_placed(sw, extension_text(v, "name"));

			if (!p || json_is_true(json_object_get(v, "enabled")) != (on == 1) || !set_enabled(p, on, err))
				continue;
			if (!keep)
				return -1;
			snprintf(p->why, sizeof(p->why), "%.250s", err->message);
			hv_log(HV_LOG_ERROR, "switch \"%s\": extension %s: %s", sw->o.key, extension_text(v, "name"), p->why);
			tell(sw, extension_text(v, "name"), "failed", p->why);
			memset(err, 0, sizeof(*err));
		}
	return 0;
}

/* From the bottom up: each above the last one of its class, so at the end the list's order is the stack's. */
static void set_order(struct hvnetd_switch *sw, const json_t *list)
{
	struct vswitch_extension *below[VSWITCH_EXT_FORWARD + 1] = { NULL };

	for (size_t i = json_array_size(list); i-- > 0;) {
		struct placed *p = extension_find_placed(sw, extension_text(json_array_get(list, i), "name"));
		uint32_t class;

		if (!p || !p->ext)
			continue;
		class = vswitch_extension_module(p->ext)->class;
		if (vswitch_extension_move(p->ext, below[class]))
			hv_log(HV_LOG_WARNING, "switch \"%s\": extension %s keeps its place", sw->o.key,
			       extension_text(p->config, "name"));
		below[class] = p->ext;
	}
}

/* keep: what cannot be done is left, with its reason. */
static int set_stack(struct hvnetd_switch *sw, const json_t *list, bool keep, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	remove_others(sw, list);
	json_array_foreach(list, i, v) {
		/* Whether one that is not to take part can be had is not urgent. */
		const bool may_fail = keep || !json_is_true(json_object_get(v, "enabled"));

		if (!extension_find_placed(sw, extension_text(v, "name")) && place(sw, (json_t *)v, may_fail, err))
			return -1;
	}
	set_order(sw, list);
	return set_all_enabled(sw, list, keep, err);
}

/* Who has changed places among those that were there before. */
static void tell_order(struct hvnetd_switch *sw, const json_t *list, const json_t *before)
{
	const json_t *v;
	size_t i, at = 0;

	json_array_foreach(before, i, v) {
		const char *name = extension_text(v, "name"), *now = NULL;

		if (extension_find(list, name) < 0)
			continue;
		while (!now && at < json_array_size(list)) {
			now = extension_text(json_array_get(list, at++), "name");
			if (extension_find(before, now) < 0)
				now = NULL;
		}
		if (now && strcmp(now, name) != 0)
			tell(sw, now, "ordered", NULL);
	}
}

int extension_prepare(struct hvnetd_switch *sw)
{
	const json_t *list = json_object_get(sw->o.config, "extensions"), *before = json_object_get(sw->o.real, "extensions");
	const json_t *v;
	json_t *names;
	size_t i;
	int ret;

	if (list == before)
		return 0;
	names = json_array();
	json_array_foreach(list, i, v) {
		const struct placed *p = extension_find_placed(sw, extension_text(v, "name"));

		if (!is_remote(v) && (!p || has_to_go(p, v, entry_of(before, extension_text(v, "name")))))
			json_array_append_new(names, json_string(extension_module(v)));
	}
	ret = libraries_load(sw->o.d, names, sw->o.config);
	json_decref(names);
	return ret;
}

int extension_realize(struct hvnetd_switch *sw, struct rpc_error *err)
{
	const json_t *list = json_object_get(sw->o.config, "extensions"), *before = json_object_get(sw->o.real, "extensions");
	int ret = 0;

	if (!sw->extensions.tqh_last)
		TAILQ_INIT(&sw->extensions);
	vswitch_set_stack_ops(sw->sw, &stack_ops, sw);
	if (list != before) {
		ret = set_stack(sw, list, sw->o.d->restoring, err);
		if (!ret)
			tell_order(sw, list, before);
		else if (sw->o.real)
			(void)set_stack(sw, before, true, &(struct rpc_error){ 0 });	/* what fails is said there */
		libraries_close(sw->o.d);
	}
	return ret;
}

void extension_clear(struct hvnetd_switch *sw)
{
	while (sw->extensions.tqh_last && !TAILQ_EMPTY(&sw->extensions))
		take_off(TAILQ_FIRST(&sw->extensions));
	libraries_close(sw->o.d);
}
