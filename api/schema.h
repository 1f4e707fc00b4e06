/* SPDX-License-Identifier: MIT */
/*
 * What JSON objects look like: one description of a field serves the check of a request, of the configuration file and (in
 * tests) of results, and is printed as JSON Schema and as a manual page. Pure; any thread.
 */
#ifndef HVNET_API_SCHEMA_H
#define HVNET_API_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rpc_error;

enum field_kind {
	FIELD_STRING,		/* min … max bytes; max 0: 255 */
	FIELD_INTEGER,		/* min … max */
	FIELD_BOOLEAN,
	FIELD_ENUM,		/* one of names */
	FIELD_MAC,		/* a station's address: "02:68:76:01:02:03" */
	FIELD_PREFIX,		/* "192.0.2.0/24", "2001:db8::/32", or an address alone */
	FIELD_OBJECT,		/* of fields */
	FIELD_ARRAY,		/* of items (with names, fields as they need them); min … max of them; max 0: 1024 */
	FIELD_MAP,		/* an object with any names, of values as items says */
	FIELD_COUNTERS,		/* an object of integers and of such objects */
	FIELD_ANY,
};

struct field {
	const char *name;		/* NULL ends a list */
	const char *text;		/* what it means: a phrase */
	enum field_kind kind;
	bool required;
	json_int_t min, max;
	const char *const *names;	/* NULL ends it */
	const struct field *fields;	/* NULL: none */
	enum field_kind items;
	json_int_t item_min, item_max;	/* of FIELD_ARRAY's strings and integers */
};

#define FIELD_END { NULL, NULL, FIELD_ANY, false, 0, 0, NULL, NULL, FIELD_ANY, 0, 0 }

/*
 * 0 if object has all fields that are required and no others, each as described. Else -1 with err filled, err->what being
 * the path of the culprit ("policy.vlan.id"), prefixed with where (may be empty).
 */
int field_check(const struct field *fields, const json_t *object, const char *where, struct rpc_error *err);

/* How a kind is called in messages and manuals: "integer", "string". */
const char *field_kind_name(enum field_kind kind);

/* A JSON Schema of an object with these fields. A new reference. */
json_t *field_schema(const struct field *fields);

#endif
