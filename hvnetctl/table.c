/* SPDX-License-Identifier: MIT */
#include "hvnetctl/table.h"

#include <ctype.h>
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

static char *text_of(const json_t *v);

static char *join(const json_t *array)
{
	char *text = strdup(json_array_size(array) ? "" : "-"), *longer, *item;
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v) {
		item = text_of(v);
		if (!text || !item || asprintf(&longer, "%s%s%s", text, i ? "," : "", item) < 0)
			longer = NULL;
		free(item);
		free(text);
		text = longer;
	}
	return text;
}

/* To be freed; NULL without memory. */
static char *text_of(const json_t *v)
{
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
	case JSON_REAL:
		return asprintf(&text, "%g", json_real_value(v)) < 0 ? NULL : text;
	case JSON_OBJECT:
	case JSON_NULL:
		break;
	}
	return strdup("-");
}

static char *cell(const json_t *row, const char *member)
{
	return text_of(find_member(row, member));
}

static void print_cell(FILE *to, const char *text, size_t column_width, bool last)
{
	fputs(text, to);
	for (size_t n = width(text); !last && n < column_width + 2; n++)
		fputc(' ', to);
	if (last)
		fputc('\n', to);
}

struct column {
	char member[64], title[64];
	size_t width;
};

enum { MAX_COLUMNS = 16 };

static void set_title(struct column *c)
{
	const char *dot = strrchr(c->member, '.');
	size_t i;

	for (i = 0; (dot ? dot + 1 : c->member)[i]; i++) {
		char ch = (dot ? dot + 1 : c->member)[i];

		c->title[i] = (char)(ch == '_' ? '-' : toupper((unsigned char)ch));
	}
	c->title[i] = '\0';
	c->width = width(c->title);
}

static size_t read_columns(const char *list, struct column *columns)
{
	size_t num = 0, n;

	while (num < MAX_COLUMNS && *(list += strspn(list, " "))) {
		n = strcspn(list, " ");
		snprintf(columns[num].member, sizeof(columns[num].member), "%.*s", (int)n, list);
		set_title(&columns[num++]);
		list += n;
	}
	return num;
}

void table_print(FILE *to, const char *list, const json_t *rows)
{
	struct column columns[MAX_COLUMNS];
	size_t num = read_columns(list, columns), i, c;
	const json_t *row;
	char *text;

	json_array_foreach(rows, i, row)
		for (c = 0; c < num; c++) {
			text = cell(row, columns[c].member);
			if (text && width(text) > columns[c].width)
				columns[c].width = width(text);
			free(text);
		}
	for (c = 0; c < num; c++)
		print_cell(to, columns[c].title, columns[c].width, c == num - 1);
	json_array_foreach(rows, i, row)
		for (c = 0; c < num; c++) {
			text = cell(row, columns[c].member);
			print_cell(to, text ? text : "?", columns[c].width, c == num - 1);
			free(text);
		}
}

/* Single objects. Each is flattened first: names of members of members have the path before them. */

static void flatten(json_t *into, const char *prefix, const json_t *v)
{
	const char *key;
	char path[256];
	json_t *inner;
	size_t i;

	if (json_is_object(v) && json_object_size(v)) {
		json_object_foreach((json_t *)v, key, inner) {
			snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
			flatten(into, path, inner);
		}
	} else if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
		json_array_foreach(v, i, inner) {
			snprintf(path, sizeof(path), "%s[%zu]", prefix, i);
			flatten(into, path, inner);
		}
	} else {
		json_object_set(into, prefix, (json_t *)v);
	}
}

static void print_flat(FILE *to, const json_t *object, const char *indent, bool zeros)
{
	json_t *flat = json_object(), *v;
	size_t longest = 0;
	const char *key;
	char *text;

	flatten(flat, "", object);
	json_object_foreach(flat, key, v)
		if ((zeros || json_integer_value(v)) && width(key) > longest)
			longest = width(key);
	json_object_foreach(flat, key, v) {
		if (!zeros && !json_integer_value(v))
			continue;
		text = text_of(v);
		fputs(indent, to);
		print_cell(to, key, longest, false);
		print_cell(to, text ? text : "?", 0, true);
		free(text);
	}
	json_decref(flat);
}

void record_print(FILE *to, const json_t *object)
{
	print_flat(to, object, "", true);
}

void counters_print(FILE *to, const json_t *object)
{
	print_flat(to, object, "  ", false);
}
