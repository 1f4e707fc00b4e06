/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const struct rpc_method *methods;
	const size_t *num;
} groups[] = {
	{ api_switch_methods, &api_num_switch_methods },
	{ api_adapter_methods, &api_num_adapter_methods },
	{ api_port_methods, &api_num_port_methods },
	{ api_system_methods, &api_num_system_methods },
};

unsigned api_index(const char *const *names, const char *name)
{
	for (unsigned i = 0; name && names[i]; i++)
		if (!strcmp(names[i], name))
			return i;
	return 0;
}

const struct rpc_method *api_method(size_t n)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (n < *groups[i].num)
			return &groups[i].methods[n];
		n -= *groups[i].num;
	}
	return NULL;
}

const struct rpc_method *api_find_method(const char *name)
{
	const struct rpc_method *m;

	for (size_t n = 0; (m = api_method(n)); n++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

/* JSON Schema. */

static json_t *request_schema(const struct rpc_method *m)
{
	json_t *params = field_schema(m->params);

	if (m->flags & RPC_CHANGES)
		json_object_set_new(json_object_get(params, "properties"), "dry_run",
				    json_pack("{s:s, s:s}", "type", "boolean", "description", "check only, change nothing"));
	return json_pack("{s:s, s:s, s:{s:{s:s}, s:o, s:{s:s}, s:{s:[s, s, s]}}, s:[s, s], s:b}",
			 "type", "object", "description", m->text,
			 "properties", "method", "const", m->name, "params", params, "jsonrpc", "const", "2.0",
			 "id", "type", "string", "number", "null",
			 "required", "jsonrpc", "method", "additionalProperties", 0);
}

static json_t *event_schema(const struct api_event *e)
{
	return json_pack("{s:s, s:s, s:{s:{s:s}, s:o, s:{s:s}}, s:[s, s, s], s:b}", "type", "object", "description", e->text,
			 "properties", "method", "const", e->name, "params", field_schema(e->fields), "jsonrpc", "const",
			 "2.0", "required", "jsonrpc", "method", "params", "additionalProperties", 0);
}

static void put_reference(json_t *list, const char *kind, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "#/$defs/%s:%s", kind, name);
	json_array_append_new(list, json_pack("{s:s}", "$ref", path));
}

static void define(json_t *defs, const char *kind, const char *name, json_t *schema)
{
	char key[96];

	snprintf(key, sizeof(key), "%s:%s", kind, name);
	json_object_set_new(defs, key, schema);
}

json_t *api_schema(void)
{
	json_t *defs = json_object(), *requests = json_array(), *events = json_array();
	const struct rpc_method *m;

	for (size_t n = 0; (m = api_method(n)); n++) {
		define(defs, "request", m->name, request_schema(m));
		define(defs, "result", m->name, field_schema(m->result));
		put_reference(requests, "request", m->name);
	}
	for (const struct api_event *e = api_events; e->name; e++) {
		define(defs, "event", e->name, event_schema(e));
		put_reference(events, "event", e->name);
	}
	json_object_set_new(defs, "config", field_schema(api_config));
	json_object_set_new(defs, "request", json_pack("{s:o}", "oneOf", requests));
	json_object_set_new(defs, "event", json_pack("{s:o}", "oneOf", events));
	json_object_set_new(defs, "counters", json_pack("{s:s, s:{s:[{s:s}, {s:s}]}}", "type", "object", "additionalProperties",
							"anyOf", "type", "integer", "$ref", "#/$defs/counters"));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
			 "hvnetd control socket", "description",
			 "a request of a client; $defs has each method's request and result, the events, and the configuration",
			 "$ref", "#/$defs/request", "$defs", defs);
}

/* The manual's reference. */

static void print_values(const struct field *f)
{
	for (const char *const *n = f->names; n && *n; n++)
		printf("%s%s", n == f->names ? " (" : ", ", *n);
	if (f->names)
		putchar(')');
}

static void print_range(const struct field *f)
{
	if (f->kind != FIELD_INTEGER || f->max == INT64_MAX)
		return;
	printf(" %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, f->min, f->max);
}

static void print_fields(const struct field *fields, const char *prefix)
{
	for (const struct field *f = fields; f && f->name; f++) {
		const bool list = f->kind == FIELD_ARRAY, plain = !list || f->items != FIELD_OBJECT;

		printf(".TP\n.IR %s%s \" (%s%s", prefix, f->name, list ? "list of " : "",
		       field_kind_name(list ? f->items : f->kind));
		print_range(f);
		printf("%s)\"\n%s", f->required ? "" : ", optional", f->text);
		print_values(f);
		printf(".\n");
		if (f->fields && (plain || f->kind == FIELD_OBJECT) && f->kind != FIELD_ARRAY)
			printf("An object as described under CONFIGURATION in\n.BR hvnetd.conf (5).\n");
	}
}

static void print_heading(const struct field *fields, const char *name)
{
	const char *space = "";

	printf(".SS %s {", name);
	for (const struct field *f = fields; f->name; f++) {
		printf("%s%s%s", space, f->name, f->required ? "" : "?");
		space = ", ";
	}
	printf("}\n");
}

void api_print_manual(void)
{
	const struct rpc_method *m;

	printf(".SH METHODS\n");
	for (size_t n = 0; (m = api_method(n)); n++) {
		print_heading(m->params, m->name);
		printf("%c%s.\n", m->text[0] & ~0x20, m->text + 1);
		print_fields(m->params, "");
	}
	printf(".SH EVENTS\n");
	for (const struct api_event *e = api_events; e->name; e++) {
		print_heading(e->fields, e->name);
		printf("%c%s.\n", e->text[0] & ~0x20, e->text + 1);
		print_fields(e->fields, "");
	}
}
