/* SPDX-License-Identifier: MIT */
#include "api/schema.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/names.h"
#include "api/error.h"

#define STRING_MAX 255		/* our policy: of a string without a bound of its own */
#define ARRAY_MAX 1024		/* our policy: of an array without one */

const char *field_kind_name(enum field_kind kind)
{
	switch (kind) {
	case FIELD_STRING:
	case FIELD_ENUM:
		return "string";
	case FIELD_INTEGER:
		return "integer";
	case FIELD_BOOLEAN:
		return "boolean";
	case FIELD_MAC:
		return "MAC address";
	case FIELD_PREFIX:
		return "IP prefix";
	case FIELD_ARRAY:
		return "array";
	case FIELD_OBJECT:
	case FIELD_MAP:
	case FIELD_COUNTERS:
		return "object";
	case FIELD_ANY:
		return "any";
	}
	return "?";
}

/* Checks. path names the value that is looked at. */

static int bad(struct rpc_error *err, const char *path, const char *must)
{
	return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be %s", path, must);
}

static int check_string(const json_t *v, json_int_t min, json_int_t max, const char *path, struct rpc_error *err)
{
	json_int_t n = (json_int_t)json_string_length(v);

	if (!json_is_string(v))
		return bad(err, path, "a string");
	max = max ? max : STRING_MAX;
	if (n < min || n > max)
		return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be %lld to %lld bytes long, not %lld", path,
				(long long)min, (long long)max, (long long)n);
	if (strlen(json_string_value(v)) != (size_t)n)
		return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must not hold a NUL", path);
	return 0;
}

static int check_integer(const json_t *v, json_int_t min, json_int_t max, const char *path, struct rpc_error *err)
{
	if (json_is_integer(v) && json_integer_value(v) >= min && json_integer_value(v) <= max)
		return 0;
	return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be an integer from %lld to %lld", path, (long long)min,
			(long long)max);
}

static int check_enum(const json_t *v, const char *const *names, const char *path, struct rpc_error *err)
{
	char list[192] = "";

	for (const char *const *n = names; *n; n++) {
		if (json_is_string(v) && !strcmp(json_string_value(v), *n))
			return 0;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", n == names ? "" : n[1] ? ", " : " or ", *n);
	}
	if (json_is_string(v))
		return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be %s, not \"%.60s\"", path, list,
				json_string_value(v));
	return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be %s", path, list);
}

static bool prefix_is_good(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	unsigned long bits = 0;
	char *end;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (slash) {
		bits = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end)
			return false;
	}
	if (inet_pton(AF_INET, address, bytes) == 1)
		return bits <= 32;
	return inet_pton(AF_INET6, address, bytes) == 1 && bits <= 128;
}

static int check_text_form(enum field_kind kind, const json_t *v, const char *path, struct rpc_error *err)
{
	const char *text = json_string_value(v);
	uint8_t mac[6];

	if (kind == FIELD_MAC && (!text || !mac_parse(text, mac)))
		return bad(err, path, "the address of a station, like 02:68:76:01:02:03");
	if (kind == FIELD_PREFIX && (!text || !prefix_is_good(text)))
		return bad(err, path, "an IP address or prefix, like 192.0.2.0/24 or 2001:db8::/32");
	return 0;
}

static int check_value(const struct field *f, enum field_kind kind, json_int_t min, json_int_t max, const json_t *v,
		       const char *path, struct rpc_error *err);

static int check_array(const struct field *f, const json_t *v, const char *path, struct rpc_error *err)
{
	json_int_t n = (json_int_t)json_array_size(v), max = f->max ? f->max : ARRAY_MAX;
	char longer[128];
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || n < f->min || n > max)
		return rpc_fail(err, RPC_INVALID_PARAMS, path, "\"%s\" must be an array of %lld to %lld", path,
				(long long)f->min, (long long)max);
	json_array_foreach(v, i, item) {
		snprintf(longer, sizeof(longer), "%.100s[%zu]", path, i);
		if (check_value(f, f->items, f->item_min, f->item_max, item, longer, err))
			return -1;
	}
	return 0;
}

static int check_map(const struct field *f, const json_t *v, const char *path, struct rpc_error *err)
{
	char longer[128];
	const char *name;
	json_t *item;

	if (!json_is_object(v))
		return bad(err, path, "an object");
	json_object_foreach((json_t *)v, name, item) {
		snprintf(longer, sizeof(longer), "%.60s.%.60s", path, name);
		if (f->kind == FIELD_COUNTERS ? !json_is_integer(item) && check_map(f, item, longer, err) :
						check_value(f, f->items, f->item_min, f->item_max, item, longer, err))
			return -1;
	}
	return 0;
}

static int check_value(const struct field *f, enum field_kind kind, json_int_t min, json_int_t max, const json_t *v,
		       const char *path, struct rpc_error *err)
{
	switch (kind) {
	case FIELD_STRING:
		return check_string(v, min, max, path, err);
	case FIELD_INTEGER:
		return check_integer(v, min, max, path, err);
	case FIELD_BOOLEAN:
		return json_is_boolean(v) ? 0 : bad(err, path, "true or false");
	case FIELD_ENUM:
		return check_enum(v, f->names, path, err);
	case FIELD_MAC:
	case FIELD_PREFIX:
		return check_text_form(kind, v, path, err);
	case FIELD_OBJECT:
		return json_is_object(v) ? field_check(f->fields, v, path, err) : bad(err, path, "an object");
	case FIELD_ARRAY:
		return check_array(f, v, path, err);
	case FIELD_MAP:
	case FIELD_COUNTERS:
		return check_map(f, v, path, err);
	case FIELD_ANY:
		return 0;
	}
	return -1;
}

static const struct field *find_field(const struct field *f, const char *name)
{
	for (; f && f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static void join(char *to, size_t bytes, const char *where, const char *name)
{
	snprintf(to, bytes, "%.80s%s%.40s", where, *where ? "." : "", name);
}

int field_check(const struct field *fields, const json_t *object, const char *where, struct rpc_error *err)
{
	char path[128];
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)object, name, v) {
		const struct field *f = find_field(fields, name);

		join(path, sizeof(path), where, name);
		if (!f)
			return rpc_fail(err, RPC_INVALID_PARAMS, path, "there is no parameter \"%s\" here", path);
		if (check_value(f, f->kind, f->min, f->max, v, path, err))
			return -1;
	}
	for (const struct field *f = fields; f && f->name; f++) {
		if (!f->required || json_object_get(object, f->name))
			continue;
		join(path, sizeof(path), where, f->name);
		return rpc_fail(err, RPC_INVALID_PARAMS, path, "the parameter \"%s\" is needed", path);
	}
	return 0;
}

/* JSON Schema. */

static json_t *bounded(const char *type, const char *low, json_int_t min, const char *high, json_int_t max)
{
	return json_pack("{s:s, s:I, s:I}", "type", type, low, min, high, max);
}

static json_t *value_schema(const struct field *f, enum field_kind kind, json_int_t min, json_int_t max)
{
	json_t *names, *o;

	switch (kind) {
	case FIELD_STRING:
		return bounded("string", "minLength", min ? 1 : 0, "maxLength", max ? max : STRING_MAX);
	case FIELD_INTEGER:
		return bounded("integer", "minimum", min, "maximum", max);
	case FIELD_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_ENUM:
		names = json_array();
		for (const char *const *n = f->names; *n; n++)
			json_array_append_new(names, json_string(*n));
		return json_pack("{s:s, s:o}", "type", "string", "enum", names);
	case FIELD_MAC:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$");
	case FIELD_PREFIX:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$");
	case FIELD_OBJECT:
		return field_schema(f->fields);
	case FIELD_ARRAY:
		o = bounded("array", "minItems", min, "maxItems", max ? max : ARRAY_MAX);
		json_object_set_new(o, "items", value_schema(f, f->items, f->item_min, f->item_max));
		return o;
	case FIELD_MAP:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties",
				 value_schema(f, f->items, f->item_min, f->item_max));
	case FIELD_COUNTERS:
		return json_pack("{s:s}", "$ref", "#/$defs/counters");
	case FIELD_ANY:
		break;
	}
	return json_object();
}

json_t *field_schema(const struct field *fields)
{
	json_t *o = json_pack("{s:s, s:b}", "type", "object", "additionalProperties", 0);
	json_t *properties = json_object(), *required = json_array();

	for (const struct field *f = fields; f && f->name; f++) {
		json_t *v = value_schema(f, f->kind, f->min, f->max);

		json_object_set_new(v, "description", json_string(f->text));
		json_object_set_new(properties, f->name, v);
		if (f->required)
			json_array_append_new(required, json_string(f->name));
	}
	json_object_set_new(o, "properties", properties);
	if (json_array_size(required))
		json_object_set(o, "required", required);
	json_decref(required);
	return o;
}
