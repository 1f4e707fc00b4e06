/* SPDX-License-Identifier: MIT */
#include "hvnetctl/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool say(struct say *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(to->text, to->bytes, format, ap);
	va_end(ap);
	return false;
}

/* Whether the first n characters of word are the name, '-' for '_'. */
static bool same_name(const char *name, const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!name[i] || (name[i] != word[i] && !(name[i] == '_' && word[i] == '-')))
			return false;
	return !name[n];
}

static const struct field *find_here(const struct field *fields, const char *word, size_t n)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (same_name(f->name, word, n))
			return f;
	return NULL;
}

const struct field *args_find(const struct field *fields, const char *path)
{
	const char *dot = strchr(path, '.');
	const struct field *f = find_here(fields, path, dot ? (size_t)(dot - path) : strlen(path));

	if (!f || !dot)
		return f;
	return f->kind == FIELD_OBJECT ? args_find(f->fields, dot + 1) : NULL;
}

bool args_has_value(const struct field *f)
{
	return f->kind != FIELD_BOOLEAN;
}

/* Values. */

static bool is_one_of(const char *value, const char *const *words)
{
	for (; *words; words++)
		if (!strcasecmp(value, *words))
			return true;
	return false;
}

static json_t *read_boolean(const char *value)
{
	static const char *const yes[] = { "on", "yes", "true", "1", NULL };
	static const char *const no[] = { "off", "no", "false", "0", NULL };

	if (is_one_of(value, yes))
		return json_true();
	return is_one_of(value, no) ? json_false() : NULL;
}

static json_t *read_integer(const struct field *f, const char *value)
{
	static const char units[] = "kmg";
	size_t length = strlen(f->name);
	bool decimal = length > 4 && !strcmp(f->name + length - 4, "_bps");
	const char *unit;
	long long n;
	char *end;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno || end == value)
		return NULL;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit || end[1])
			return NULL;
		for (long power = unit - units; power >= 0; power--)
			if (__builtin_mul_overflow(n, decimal ? 1000ll : 1024ll, &n))
				return NULL;
	}
	return json_integer(n);
}

static json_t *read_enum(const char *const *names, const char *value)
{
	for (; names && *names; names++)
		if (!strcmp(*names, value))
			return json_string(value);
	return NULL;
}

static json_t *read_value(const struct field *f, const char *value);

static json_t *read_list(const struct field *f, const char *value)
{
	const struct field one = { .name = f->name, .kind = f->items, .names = f->names };
	json_t *list = json_array(), *item;
	char *copy = strdup(value), *rest = copy, *word;

	while (list && rest && *value && (word = strsep(&rest, ","))) {
		item = read_value(&one, word);
		if (!item) {
			json_decref(list);
			list = NULL;
		} else {
			json_array_append_new(list, item);
		}
	}
	free(copy);
	return list;
}

static json_t *read_value(const struct field *f, const char *value)
{
	switch (f->kind) {
	case FIELD_STRING:
	case FIELD_MAC:
	case FIELD_PREFIX:
		return json_string(value);
	case FIELD_INTEGER:
		return read_integer(f, value);
	case FIELD_BOOLEAN:
		return read_boolean(value);
	case FIELD_ENUM:
		return read_enum(f->names, value);
	case FIELD_ARRAY:
		if (*value != '[' && f->items != FIELD_OBJECT)
			return read_list(f, value);
		return json_loads(value, 0, NULL);
	case FIELD_OBJECT:
	case FIELD_MAP:
	case FIELD_COUNTERS:
		return *value == '{' ? json_loads(value, 0, NULL) : NULL;
	case FIELD_ANY:
		return json_loads(value, JSON_DECODE_ANY, NULL);
	}
	return NULL;
}

/* "weight or absolute" */
static void list_names(const char *const *names, char *text, size_t bytes)
{
	size_t used = 0;

	*text = '\0';
	for (; names && *names && used < bytes; names++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", !used ? "" : names[1] ? ", " : " or ", *names);
}

static bool refuse_value(const struct field *f, const char *path, const char *value, struct say *error)
{
	char names[192];

	switch (f->kind) {
	case FIELD_INTEGER:
		return say(error, "%s: \"%s\" is not a number (k, M or G may follow one)", path, value);
	case FIELD_BOOLEAN:
		return say(error, "%s: \"%s\" is neither on nor off", path, value);
	case FIELD_ENUM:
		list_names(f->names, names, sizeof(names));
		return say(error, "%s: there is no \"%s\"; it may be %s", path, value, names);
	case FIELD_ARRAY:
		if (f->items == FIELD_ENUM) {
			list_names(f->names, names, sizeof(names));
			return say(error, "%s: \"%s\" is no list, with commas, of %s", path, value, names);
		}
		return say(error, "%s: \"%s\" is no list", path, value);
	case FIELD_STRING:
	case FIELD_MAC:
	case FIELD_PREFIX:
		return say(error, "%s: \"%s\" is not UTF-8", path, value);
	case FIELD_OBJECT:
	case FIELD_MAP:
	case FIELD_COUNTERS:
	case FIELD_ANY:
		break;
	}
	return say(error, "%s: \"%s\" is not JSON; or name its members: %s.MEMBER", path, value, path);
}

/* The object that a path's last step goes into; made on the way. NULL: something else is there. */
static json_t *walk_to(json_t *params, const struct field **fields, const char **path)
{
	const struct field *f;
	const char *dot;
	json_t *inner;

	while ((dot = strchr(*path, '.'))) {
		f = find_here(*fields, *path, (size_t)(dot - *path));
		inner = json_object_get(params, f->name);
		if (!inner) {
			inner = json_object();
			json_object_set_new(params, f->name, inner);
		}
		if (!json_is_object(inner))
			return NULL;
		params = inner;
		*fields = f->fields;
		*path = dot + 1;
	}
	return params;
}

bool args_set(json_t *params, const struct field *fields, const char *path, const char *value, struct say *error)
{
	const struct field *f = args_find(fields, path);
	const char *last = path;
	json_t *v, *into;

	if (!f)
		return say(error, "there is no %s", path);
	if (!value && f->kind != FIELD_BOOLEAN)
		return say(error, "%s needs a value", path);
	v = value ? read_value(f, value) : json_true();
	if (!v)
		return refuse_value(f, path, value, error);
	into = walk_to(params, &fields, &last);
	if (!into || json_object_get(into, f->name)) {
		json_decref(v);
		return say(error, "%s is given twice", path);
	}
	json_object_set_new(into, f->name, v);
	return true;
}

/* Lines. */

/* Takes one word at *from, writes it to *to without its quotes. */
static bool take_word(char **from, char **to, struct say *error)
{
	char *in = *from, *out = *to, quote = '\0';

	for (; *in && (quote || !isspace((unsigned char)*in)); in++) {
		if (quote && *in == quote)
			quote = '\0';
		else if (!quote && (*in == '"' || *in == '\''))
			quote = *in;
		else if (*in == '\\' && quote != '\'' && in[1])
			*out++ = *++in;
		else
			*out++ = *in;
	}
	if (quote)
		return say(error, "a %c is not closed", quote);
	*from = *in ? in + 1 : in;
	*out++ = '\0';
	*to = out;
	return true;
}

int args_split(char *line, char **words, int max, struct say *error)
{
	char *in = line, *out = line;
	int n = 0;

	for (;;) {
		while (isspace((unsigned char)*in))
			in++;
		if (!*in || *in == '#')
			return n;
		if (n == max) {
			say(error, "more than %d words", max);
			return -1;
		}
		words[n] = out;
		if (!take_word(&in, &out, error))
			return -1;
		n++;
	}
}
