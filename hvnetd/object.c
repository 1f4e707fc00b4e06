/* SPDX-License-Identifier: MIT */
#include "hvnetd/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"

static const char *const key_name[] = { "name", NULL };
static const char *const key_switch[] = { "switch", "name", NULL };
static const char *const key_vm[] = { "vm", "name", NULL };

const struct object_class object_classes[OBJECT_KINDS] = {
	[OBJECT_SWITCH] = { "switch", "switches", key_name, sizeof(struct hvnetd_switch), switch_check, switch_realize, NULL },
	[OBJECT_UPLINK] = { "uplink", "uplinks", key_switch, sizeof(struct uplink), uplink_check, uplink_realize, uplink_init },
	[OBJECT_HOSTNIC] = { "hostnic", "hostnics", key_switch, sizeof(struct uplink), uplink_check, uplink_realize, uplink_init },
	[OBJECT_PORT] = { "port", "ports", key_switch, sizeof(struct fixed_port), port_check, port_realize, NULL },
	[OBJECT_VM] = { "vm", "vms", key_name, sizeof(struct vm), vm_check, vm_realize, NULL },
	[OBJECT_ADAPTER] = { "adapter", "adapters", key_vm, sizeof(struct adapter), adapter_check, adapter_realize, adapter_init },
};

int objects_init(struct hvnetd *d)
{
	struct objects *all = &d->objects;

	memset(all, 0, sizeof(*all));
	for (int kind = 0; kind < OBJECT_KINDS; kind++)
		TAILQ_INIT(&all->list[kind]);
	STAILQ_INIT(&all->changes);
	all->macs = json_object();
	return all->macs ? 0 : -ENOMEM;
}

static uint32_t hash(enum object_kind kind, const char *key)
{
	uint32_t h = 0x811c9dc5u + (uint32_t)kind;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 0x01000193u;	/* FNV-1a */
	return (h ^ h >> 16) % OBJECT_BUCKETS;
}

static struct object *lookup(struct hvnetd *d, enum object_kind kind, const char *key)
{
	struct object *o = d->objects.bucket[hash(kind, key)];

	while (o && (o->kind != kind || strcmp(o->key, key) != 0))
		o = o->next_in_bucket;
	return o;
}

struct object *object_find(struct hvnetd *d, enum object_kind kind, const char *key)
{
	struct object *o = lookup(d, kind, key);

	return o && o->config ? o : NULL;
}

struct object *object_next(struct hvnetd *d, enum object_kind kind, const struct object *o)
{
	struct object *next = o ? TAILQ_NEXT(o, link) : TAILQ_FIRST(&d->objects.list[kind]);

	while (next && !next->config)
		next = TAILQ_NEXT(next, link);
	return next;
}

struct object *object_obtain(struct hvnetd *d, enum object_kind kind, const char *key)
{
	struct object *o = lookup(d, kind, key), **bucket = &d->objects.bucket[hash(kind, key)];

	if (o)
		return o;
	o = calloc(1, object_classes[kind].bytes);
	if (!o)
		return NULL;
	o->d = d;
	o->kind = kind;
	snprintf(o->key, sizeof(o->key), "%s", key);
	o->next_in_bucket = *bucket;
	*bucket = o;
	TAILQ_INSERT_TAIL(&d->objects.list[kind], o, link);
	if (object_classes[kind].init)
		object_classes[kind].init(o);
	return o;
}

static void leave_bucket(struct object *o)
{
	struct object **at = &o->d->objects.bucket[hash(o->kind, o->key)];

	while (*at != o)
		at = &(*at)->next_in_bucket;
	*at = o->next_in_bucket;
}

bool object_rekey(struct object *o, const char *key)
{
	struct object **bucket = &o->d->objects.bucket[hash(o->kind, key)];

	if (lookup(o->d, o->kind, key))
		return false;
	leave_bucket(o);
	snprintf(o->key, sizeof(o->key), "%s", key);
	o->next_in_bucket = *bucket;
	*bucket = o;
	return true;
}

void object_release(struct object *o)
{
	if (o->config || o->real || o->touched)
		return;
	leave_bucket(o);
	TAILQ_REMOVE(&o->d->objects.list[o->kind], o, link);
	free(o);
}

/* The addresses of adapters are found by address. */
static void index_mac(struct object *o, bool add)
{
	const char *mac = o->kind == OBJECT_ADAPTER && o->config ? object_string(o, "mac") : NULL;
	const char *owner = mac ? json_string_value(json_object_get(o->d->objects.macs, mac)) : NULL;

	if (mac && add && !owner)
		json_object_set_new(o->d->objects.macs, mac, json_string(o->key));
	else if (owner && !add && !strcmp(owner, o->key))
		json_object_del(o->d->objects.macs, mac);
}

void object_set_config(struct object *o, json_t *config)
{
	index_mac(o, false);
	o->d->objects.num[o->kind] += (config != NULL) - (o->config != NULL);
	json_decref(o->config);
	o->config = config;
	index_mac(o, true);
}

void object_key(enum object_kind kind, const json_t *config, char key[OBJECT_KEY_BYTES])
{
	const char *const *member = object_classes[kind].key;
	size_t n = 0;

	for (key[0] = '\0'; *member && n < OBJECT_KEY_BYTES; member++) {
		const char *s = json_string_value(json_object_get(config, *member));

		n += (size_t)snprintf(key + n, OBJECT_KEY_BYTES - n, "%s%s", n ? "/" : "", s ? s : "");
	}
}

const char *object_string(const struct object *o, const char *member)
{
	return json_string_value(json_object_get(o->config, member));
}

json_t *object_copy(const struct object *o)
{
	return json_copy(o->config);
}

json_t *objects_document(struct hvnetd *d)
{
	const bool decided = change_is_decided(d);
	json_t *document = json_object();
	const struct object *o;

	for (int kind = 0; kind < OBJECT_KINDS; kind++) {
		json_t *list = json_array();

		TAILQ_FOREACH(o, &d->objects.list[kind], link)
			if (!o->scope)
				json_array_append(list, o->touched && !decided ? (json_t *)o->before : o->config);
		json_object_set_new(document, object_classes[kind].list, list);
	}
	return document;
}

/* What others stand on goes last. */
static const enum object_kind down[] = {
	OBJECT_ADAPTER, OBJECT_HOSTNIC, OBJECT_UPLINK, OBJECT_PORT, OBJECT_VM, OBJECT_SWITCH
};

void objects_finish(struct hvnetd *d)
{
	struct rpc_error err;
	struct object *o, *next;

	for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++)
		for (o = TAILQ_FIRST(&d->objects.list[down[i]]); o; o = next) {
			next = TAILQ_NEXT(o, link);
			object_set_config(o, NULL);
			if (o->real && object_classes[o->kind].realize(o, &err))
				hv_log(HV_LOG_WARNING, "%s %s: %s", object_classes[o->kind].name, o->key, err.message);
			json_decref(o->real);
			o->real = NULL;
			o->touched = false;
			object_release(o);
		}
	json_decref(d->objects.macs);
	d->objects.macs = NULL;
	hv_timer_cancel(&d->objects.timer);
}
