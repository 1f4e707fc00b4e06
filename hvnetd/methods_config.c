/* SPDX-License-Identifier: MIT */
/* Methods of the configuration as a whole, and of the daemon itself. */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/store.h"
#include "hvnetd/view.h"

static int kind_of(const char *name)
{
	for (int kind = 0; name && kind < OBJECT_KINDS; kind++)
		if (!strcmp(object_classes[kind].name, name))
			return kind;
	return -1;
}

json_t *method_config_show(struct rpc_call *call)
{
	const int only = kind_of(rpc_string(call, "kind"));
	struct hvnetd *d = call->opaque;
	struct page page = page_of(call);
	json_t *config = json_object(), *answer;
	const struct object *o;

	for (int kind = 0; kind < OBJECT_KINDS; kind++) {
		json_t *list = json_array();

		OBJECT_FOREACH(o, d, (enum object_kind)kind)
			if (!o->scope && (only < 0 || kind == only) && page_has(&page))
				json_array_append(list, o->config);
		json_object_set_new(config, object_classes[kind].list, list);
	}
	answer = json_pack("{s:o, s:b, s:s*}", "config", config, "stored", store_is_current(d), "file", store_file(d));
	page_put(&page, "rows", answer);
	json_object_del(answer, "rows");
	return answer;
}

/* ---- differences ---- */

/* As it would be stored: addresses in one way of writing, a switch with its id. A new reference. */
static json_t *normalized(struct hvnetd *d, enum object_kind kind, const json_t *config)
{
	json_t *copy = json_copy((json_t *)config);
	const char *mac = json_string_value(json_object_get(copy, "mac"));
	char text[HVNETD_MAC_TEXT_BYTES], id[SD_ID128_UUID_STRING_MAX];
	const struct object *o;
	sd_id128_t fresh;
	uint8_t bytes[6];

	if (mac && mac_parse(mac, bytes)) {
		mac_format(bytes, text);
		json_object_set_new(copy, "mac", json_string(text));
	}
	if (kind != OBJECT_SWITCH || json_object_get(copy, "id"))
		return copy;
	o = object_find(d, kind, json_string_value(json_object_get(copy, "name")));
	if (o)
		json_object_set(copy, "id", json_object_get(o->config, "id"));
	else if (sd_id128_randomize(&fresh) >= 0)
		json_object_set_new(copy, "id", json_string(sd_id128_to_uuid_string(fresh, id)));
	return copy;
}

struct difference {
	json_t *rows;			/* for answers; NULL: not wanted */
	struct rpc_call *put;		/* puts it into the call's change; NULL: only looks */
};

static int found(struct difference *diff, enum object_kind kind, const char *key, json_t *from, json_t *to)
{
	if (diff->rows)
		json_array_append_new(diff->rows, json_pack("{s:s, s:s, s:s, s:O*, s:O*}", "action",
							    !from ? "add" : !to ? "delete" : "change", "kind",
							    object_classes[kind].name, "name", key, "from", from, "to", to));
	return diff->put && !change_put(diff->put, kind, key, json_incref(to)) ? -1 : 0;
}

/* One list of a document; seen collects the keys. */
static int compare_list(struct hvnetd *d, struct difference *diff, enum object_kind kind, const json_t *list, json_t *seen,
			struct rpc_error *err)
{
	char key[OBJECT_KEY_BYTES];
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		json_t *to = normalized(d, kind, v), *from;
		const struct object *o;
		int ret = 0;

		object_key(kind, to, key);
		o = object_find(d, kind, key);
		from = o ? o->config : NULL;
		if (json_object_get(seen, key))
			ret = rpc_fail(err, RPC_INVALID_PARAMS, object_classes[kind].list, "there are two of %s %s",
				       object_classes[kind].name, key);
		else if (!from || !json_equal(from, to))
			ret = found(diff, kind, key, from, to);
		json_object_set_new(seen, key, json_true());
		json_decref(to);
		if (ret)
			return -1;
	}
	return 0;
}

static int compare(struct hvnetd *d, struct difference *diff, const json_t *document, bool replace, struct rpc_error *err)
{
	for (int kind = 0; kind < OBJECT_KINDS; kind++) {
		json_t *seen = json_object();
		const struct object *o;
		int ret = compare_list(d, diff, (enum object_kind)kind, json_object_get(document, object_classes[kind].list), seen,
				       err);

		if (!ret && replace)
			OBJECT_FOREACH(o, d, (enum object_kind)kind)
				if (!o->scope && !json_object_get(seen, o->key))
					ret = ret ? ret : found(diff, (enum object_kind)kind, o->key, o->config, NULL);
		json_decref(seen);
		if (ret)
			return -1;
	}
	return 0;
}

static bool replaces(const struct rpc_call *call)
{
	const char *mode = rpc_string(call, "mode");

	return !mode || !strcmp(mode, "replace");
}

static json_t *diff_or_apply(struct rpc_call *call, bool apply)
{
	struct difference diff = { .rows = json_array(), .put = apply ? call : NULL };

	if (!compare(call->opaque, &diff, json_object_get(call->params, "config"), replaces(call), &call->err))
		return json_pack("{s:o}", "changes", diff.rows);
	json_decref(diff.rows);
	return NULL;
}

json_t *method_config_diff(struct rpc_call *call)
{
	return diff_or_apply(call, false);
}

json_t *method_config_apply(struct rpc_call *call)
{
	return diff_or_apply(call, true);
}

/* ---- restoring ---- */

static int fill_restored(struct rpc_call *call, uint64_t number)
{
	struct difference diff = { .put = call };
	struct hvnetd *d = call->opaque;

	(void)number;
	return compare(d, &diff, d->restored, false, &call->err);
}

static void note_restored(struct hvnetd *d, int ret, const struct rpc_error *err)
{
	if (ret)
		d->restore_error = *err;
}

int objects_restore(struct hvnetd *d, const json_t *document, bool check_only, struct rpc_error *err)
{
	int ret;

	d->restored = document;
	d->restore_error.code = 0;
	d->restoring = true;
	ret = change_internal(d, fill_restored, 0, check_only, note_restored);
	d->restoring = false;
	d->restored = NULL;
	if (ret)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	*err = d->restore_error;
	return err->code ? -1 : 0;
}

/* ---- the daemon ---- */

json_t *method_version(struct rpc_call *call)
{
	const struct hvnetd *d = call->opaque;
	const struct options *o = d->options;

	return json_pack("{s:s, s:s, s:i, s:s, s:s*, s:b, s:b}", "program", "hvnetd", "version", HVNETD_VERSION, "pid",
			 (int)getpid(), "runtime_dir", o->runtime_dir, "state_dir", o->state_dir[0] ? o->state_dir : NULL, "tap",
			 o->allow_tap || o->allow_uplinks, "may_change", call->may_change);
}
