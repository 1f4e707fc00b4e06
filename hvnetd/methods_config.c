/* SPDX-License-Identifier: MIT */
/* Methods of the configuration as a whole, and of the daemon itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/store.h"
#include "hvnetd/view.h"

enum { ACL_PIECE = 64 };		/* our policy: entries that are compared in one piece */

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

/*
 * Compares a document with what there is, object by object: those of the document, kind by kind, and then, if it is to replace
 * all, those that it does not have. Every step is a bounded piece of work.
 */
struct difference {
	const json_t *document;		/* borrowed: the call's */
	json_t *rows;			/* owned; for answers; NULL: not wanted */
	json_t *seen;			/* owned; keys of this kind */
	bool put, replace;		/* into the call's change; and delete what is not there */
	int kind;
	size_t at;			/* in the document's list */
	const struct object *o;		/* of those that the document may not have; NULL: not begun */
	bool listed;			/* the document's list is done */
	json_t *to, *acl;		/* owned; the object that is looked at, and what its ACL will be; NULL: none */
	size_t entry, other;		/* in the ACL, and in that which it was */
};

static void difference_free(void *state)
{
	struct difference *diff = state;

	json_decref(diff->rows);
	json_decref(diff->seen);
	json_decref(diff->to);
	json_decref(diff->acl);
	free(diff);
}

static int found(struct rpc_call *call, struct difference *diff, const char *key, json_t *from, json_t *to)
{
	const enum object_kind kind = (enum object_kind)diff->kind;

	if (diff->rows)
		json_array_append_new(diff->rows, json_pack("{s:s, s:s, s:s, s:O*, s:O*}", "action",
							    !from ? "add" : !to ? "delete" : "change", "kind",
							    object_classes[kind].name, "name", key, "from", from, "to", to));
	return diff->put && !change_put(call, kind, key, json_incref(to)) ? -1 : 0;
}

static json_int_t id_of(const json_t *entry)
{
	return json_integer_value(json_object_get(entry, "id"));
}

/* Entries that are as they were are the same values from here on, so that nobody compares them again. False: there are more. */
static bool share_acl(struct difference *diff, const json_t *list, const json_t *made)
{
	const size_t end = diff->entry + ACL_PIECE;

	for (; diff->entry < json_array_size(list) && diff->entry < end; diff->entry++) {
		json_t *e = json_array_get(list, diff->entry), *old;

		while (diff->other < json_array_size(made) && id_of(json_array_get(made, diff->other)) < id_of(e))
			diff->other++;
		old = json_array_get(made, diff->other);
		json_array_append(diff->acl, old && json_equal(old, e) ? old : e);
	}
	return diff->entry == json_array_size(list);
}

/* The object of the document whose turn it is. 0, -1, or OBJECT_AGAIN. */
static int compare_object(struct rpc_call *call, struct difference *diff, const json_t *list)
{
	const enum object_kind kind = (enum object_kind)diff->kind;
	char key[OBJECT_KEY_BYTES];
	const struct object *o;
	json_t *from, *acl;
	int ret = 0;

	if (!diff->to)
		diff->to = normalized(call->opaque, kind, json_array_get(list, diff->at));
	object_key(kind, diff->to, key);
	if (json_object_get(diff->seen, key))
		return rpc_fail(&call->err, RPC_INVALID_PARAMS, object_classes[kind].list, "there are two of %s %s",
				object_classes[kind].name, key);
	o = object_find(call->opaque, kind, key);
	from = o ? o->config : NULL;
	acl = json_object_get(diff->to, "acl");
	if (acl && from) {
		diff->acl = diff->acl ? diff->acl : json_array();
		if (!share_acl(diff, acl, json_object_get(from, "acl")))
			return OBJECT_AGAIN;
		json_object_set_new(diff->to, "acl", diff->acl);
		diff->acl = NULL;
	}
	if (!from || !json_equal(from, diff->to))
		ret = found(call, diff, key, from, diff->to);
	json_object_set_new(diff->seen, key, json_true());
	json_decref(diff->to);
	diff->to = NULL;
	diff->entry = diff->other = 0;
	diff->at++;
	return ret;
}

/* The next object that there is. */
static int compare_rest(struct rpc_call *call, struct difference *diff)
{
	diff->o = object_next(call->opaque, (enum object_kind)diff->kind, diff->o);
	if (!diff->o || diff->o->scope || json_object_get(diff->seen, diff->o->key))
		return 0;
	return found(call, diff, diff->o->key, diff->o->config, NULL);
}

static void next_kind(struct difference *diff)
{
	diff->kind++;
	diff->at = 0;
	diff->o = NULL;
	diff->listed = false;
	json_object_clear(diff->seen);
}

/* 0: that was the last one; -1; or OBJECT_AGAIN. */
static int compare_next(struct rpc_call *call, struct difference *diff)
{
	const json_t *list = json_object_get(diff->document, object_classes[diff->kind].list);
	int ret = 0;

	if (diff->at < json_array_size(list)) {
		ret = compare_object(call, diff, list);
	} else {
		if (diff->replace)
			ret = compare_rest(call, diff);
		if (!diff->replace || !diff->o)
			next_kind(diff);
	}
	return ret < 0 ? ret : diff->kind == OBJECT_KINDS ? 0 : OBJECT_AGAIN;
}

static struct difference *difference_of(struct rpc_call *call, const json_t *document, bool replace, bool put, bool rows)
{
	struct difference *diff = call->state ? call->state : calloc(1, sizeof(*diff));

	if (!diff || call->state)
		return diff;
	*diff = (struct difference){
		.document = document, .rows = rows ? json_array() : NULL, .seen = json_object(), .put = put, .replace = replace,
	};
	call->state = diff;
	call->free_state = difference_free;
	return diff;
}

static bool replaces(const struct rpc_call *call)
{
	const char *mode = rpc_string(call, "mode");

	return !mode || !strcmp(mode, "replace");
}

static json_t *diff_or_apply(struct rpc_call *call, bool apply)
{
	const json_t *document = json_object_get(call->params, "config");
	struct difference *diff = difference_of(call, document, replaces(call), apply, true);
	int ret = diff ? compare_next(call, diff) : -1;

	call->again = ret == OBJECT_AGAIN;
	return ret ? NULL : json_pack("{s:O}", "changes", diff->rows);
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
	const struct hvnetd *d = call->opaque;
	struct difference *diff = difference_of(call, d->restored, false, true, false);
	int ret = diff ? compare_next(call, diff) : rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "out of memory");

	(void)number;
	call->again = ret == OBJECT_AGAIN;
	return ret < 0 ? ret : 0;
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
