/* SPDX-License-Identifier: MIT */
#include "hvnetctl/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Characters, not bytes: names may be in any language. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static const json_t *find_member(const json_t *row, const char *path)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		row = json_object_get(row, name);
		path = dot + 1;
	}
	return json_object_get(row, path);
}

static char *join(const json_t *array)
{
	char *text = strdup(""), *longer;
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v) {
		if (!text || asprintf(&longer, "%s%s%s", text, i ? "," : "", json_string_value(v)) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	if (text && !*text) {
		free(text);
		text = strdup("-");
	}
	return text;
}

/* To be freed; NULL without memory. */
static char *cell(const json_t *row, const char *member)
{
	const json_t *v = find_member(row, member);
	char *text = NULL;

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return strdup(json_string_value(v));
	case JSON_INTEGER:
		return asprintf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(v)) < 0 ? NULL : text;
	case JSON_TRUE:
		return strdup("yes");
	case JSON_FALSE:
		return strdup("no");
	case JSON_ARRAY:
		return join(v);
	case JSON_OBJECT:
	case JSON_REAL:
	case JSON_NULL:
		break;
	}
	return strdup("-");
}

static void print_cell(FILE *to, const char *text, size_t column_width, bool last)
{
	fputs(text, to);
	for (size_t n = width(text); !last && n < column_width + 2; n++)
		fputc(' ', to);
	if (last)
		fputc('\n', to);
}

void table_print(FILE *to, const struct table_column *columns, const json_t *rows)
{
	size_t num = 0, i, widths[16] = { 0 };
	const json_t *row;

	for (; columns[num].title && num < 16; num++) {
		widths[num] = width(columns[num].title);
		json_array_foreach(rows, i, row) {
			char *text = cell(row, columns[num].member);

			if (text && width(text) > widths[num])
				widths[num] = width(text);
			free(text);
		}
	}
	for (size_t c = 0; c < num; c++)
		print_cell(to, columns[c].title, widths[c], c == num - 1);
	json_array_foreach(rows, i, row)
		for (size_t c = 0; c < num; c++) {
			char *text = cell(row, columns[c].member);

			print_cell(to, text ? text : "?", widths[c], c == num - 1);
			free(text);
		}
}

/* Counters, those of nested objects with the object's name before them. */
static void print_counters(FILE *to, const char *prefix, const json_t *object)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)object, name, v) {
		char longer[96];

		if (json_is_object(v)) {
			snprintf(longer, sizeof(longer), "%s%s.", prefix, name);
			print_counters(to, longer, v);
		} else if (json_is_integer(v) && json_integer_value(v)) {
			fprintf(to, "  %s%-*s %20" JSON_INTEGER_FORMAT "\n", prefix, 40 - (int)strlen(prefix), name,
				json_integer_value(v));
		}
	}
}

void stats_print(FILE *to, const json_t *stats)
{
	const json_t *v;
	size_t i;

	fputs("worker\n", to);
	print_counters(to, "", json_object_get(stats, "worker"));
	json_array_foreach(json_object_get(stats, "objects"), i, v) {
		const char *sw = json_string_value(json_object_get(v, "switch"));

		fprintf(to, "%s %s%s%s\n", json_string_value(json_object_get(v, "kind")),
			json_string_value(json_object_get(v, "name")), sw ? " of switch " : "", sw ? sw : "");
		print_counters(to, "", json_object_get(v, "counters"));
	}
}
