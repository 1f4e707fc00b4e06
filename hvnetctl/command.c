/* SPDX-License-Identifier: MIT */
/* From words to a request. */
#include "hvnetctl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

const struct field *command_fields(const struct command *c)
{
	static const struct field none[] = { FIELD_END };

	if (c->own)
		return c->own;
	return c->method ? api_find_method(c->method)->params : none;
}

const char *command_text(const struct command *c)
{
	return c->text ? c->text : api_find_method(c->method)->text;
}

void command_name(const struct command *c, char *name, size_t bytes)
{
	snprintf(name, bytes, "%s%s%s", c->object, c->verb ? " " : "", c->verb ? c->verb : "");
}

struct words {			/* the command line, word by word */
	int argc, at;
	char *const *argv;
	struct say *error;
};

static const char *next_word(struct words *w)
{
	return w->at < w->argc ? w->argv[w->at++] : NULL;
}

/* Options that go before or behind any command. */
static const struct {
	const char *name;
	char letter;
	bool has_value;
} globals[] = {
	{ "socket", 's', true }, { "json", 'j', false }, { "pretty", 'p', false }, { "batch", 'b', true },
	{ "each", 0, false }, { "dry-run", 'n', false }, { "wait", 0, false }, { "no-wait", 0, false },
	{ "timeout", 0, true }, { "help", 'h', false }, { "version", 0, false },
};

enum { NUM_GLOBALS = sizeof(globals) / sizeof(globals[0]) };

const char *command_global(size_t n)
{
	return n < NUM_GLOBALS ? globals[n].name : NULL;
}

static bool read_timeout(struct invocation *out, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end || *value == '-' || !n || n > 86400)
		return false;
	out->timeout_s = (unsigned)n;
	return true;
}

/* Takes the global option: false with a sentence if its value is none. */
static bool set_global(const char *name, const char *value, struct invocation *out, struct say *error)
{
	if (!strcmp(name, "socket"))
		out->socket = value;
	else if (!strcmp(name, "batch"))
		out->batch = value;
	else if (!strcmp(name, "json") && out->json == JSON_FORM_NONE)
		out->json = JSON_FORM_COMPACT;
	else if (!strcmp(name, "pretty"))
		out->json = JSON_FORM_PRETTY;
	else if (!strcmp(name, "timeout") && (!value || !read_timeout(out, value)))
		return say(error, "--timeout: \"%s\" is no number of seconds, 1 to 86400", value ? value : "");
	out->help |= !strcmp(name, "help");
	out->version |= !strcmp(name, "version");
	out->dry_run |= !strcmp(name, "dry-run");
	out->each |= !strcmp(name, "each");
	out->no_wait = (out->no_wait || !strcmp(name, "no-wait")) && strcmp(name, "wait") != 0;
	return true;
}

/* The n-th global option if word is it, with the value behind '=', or NULL. */
static bool is_global(const char *word, size_t n, const char **value)
{
	size_t length = strlen(globals[n].name);

	*value = NULL;
	if (globals[n].letter && word[1] == globals[n].letter && !word[2])
		return true;
	if (word[1] != '-' || strncmp(word + 2, globals[n].name, length) != 0)
		return false;
	if (word[2 + length] == '=' && globals[n].has_value)
		*value = word + 3 + length;
	return *value || !word[2 + length];
}

/* 1: word was a global option; 0: it was not; -1: with a sentence. */
static int take_global(struct words *w, const char *word, struct invocation *out)
{
	const char *value;

	for (size_t i = 0; i < NUM_GLOBALS; i++) {
		if (!is_global(word, i, &value))
			continue;
		if (globals[i].has_value && !value)
			value = next_word(w);
		if (globals[i].has_value && (!value || !*value)) {
			say(w->error, "%s needs a value", word);
			return -1;
		}
		return set_global(globals[i].name, value, out, w->error) ? 1 : -1;
	}
	return 0;
}

static bool take_option(struct words *w, const char *word, struct invocation *out)
{
	const struct field *fields = command_fields(out->command), *f;
	char name[128], command[64];
	const char *equals, *value;

	/* What tcpdump and tshark call a file to write to. */
	if (!strcmp(word, "-w") && args_find(fields, "write"))
		word = "--write";
	equals = strchr(word, '=');
	value = equals ? equals + 1 : NULL;
	snprintf(name, sizeof(name), "%.*s", equals ? (int)(equals - word - 2) : 100, word + 2);
	f = word[1] == '-' ? args_find(fields, name) : NULL;
	if (!f || !strcmp(name, "dry_run")) {
		command_name(out->command, command, sizeof(command));
		return say(w->error, "%s has no option %s; `hvnetctl %s --help` lists them", command, word, command);
	}
	if (!value && args_has_value(f))
		value = next_word(w);
	snprintf(name, sizeof(name), "--%.*s", equals ? (int)(equals - word - 2) : 100, word + 2);
	if (!value && args_has_value(f))
		return say(w->error, "%s needs a value", name);
	if (!args_set(out->params, fields, name + 2, value, w->error)) {
		char sentence[256];

		snprintf(sentence, sizeof(sentence), "%s", w->error->text);
		return say(w->error, "--%s", sentence);
	}
	return true;
}

/* A place's name without what is behind it. */
static void place_name(const char *place, char *name, size_t bytes)
{
	snprintf(name, bytes, "%.*s", (int)strcspn(place, ".="), place);
}

static bool is_rest(const char *place)
{
	return strchr(place, '.') || strchr(place, '=');
}

/* MEMBER=VALUE into the object. */
static bool set_member(struct invocation *out, const char *object, const char *word, struct say *error)
{
	const char *equals = strchr(word, '=');
	char path[176];	/* a place and a word of 100 bytes */

	snprintf(path, sizeof(path), "%s.%.*s", object, equals ? (int)(equals - word) : 100, word);
	if (!args_find(command_fields(out->command), path)) {
		char name[64];

		command_name(out->command, name, sizeof(name));
		return say(error, "%s has no %s; `hvnetctl %s --help` lists its members", object, path + strlen(object) + 1, name);
	}
	return args_set(out->params, command_fields(out->command), path, equals ? equals + 1 : NULL, error);
}

static bool add_to_list(struct invocation *out, const char *name, const char *word, struct say *error)
{
	json_t *list = json_object_get(out->params, name), *more = json_object();
	bool ok = args_set(more, command_fields(out->command), name, word, error);

	if (ok && list)
		ok = !json_array_extend(list, json_object_get(more, name));
	else if (ok)
		ok = !json_object_set(out->params, name, json_object_get(more, name));
	json_decref(more);
	return ok;
}

/* The place that the next word without a dash belongs to, or NULL. */
static const char *next_place(const struct invocation *inv)
{
	char name[64];

	for (const char *const *p = inv->command->places; *p; p++) {
		place_name(*p, name, sizeof(name));
		if (is_rest(*p) || !json_object_get(inv->params, name))
			return *p;
	}
	return NULL;
}

static bool take_place(struct words *w, const char *word, struct invocation *out)
{
	const char *place = next_place(out);
	char name[64];

	if (!place)
		return say(w->error, "unexpected argument \"%s\"", word);
	place_name(place, name, sizeof(name));
	if (strchr(place, '='))
		return set_member(out, name, word, w->error);
	if (strchr(place, '.'))
		return add_to_list(out, name, word, w->error);
	return args_set(out->params, command_fields(out->command), name, word, w->error);
}

/* Which command. */

static bool unknown_verb(const char *object, const char *verb, struct say *error)
{
	char verbs[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < num_commands; i++)
		if (!strcmp(commands[i].object, object) && commands[i].verb && used < sizeof(verbs))
			used += (size_t)snprintf(verbs + used, sizeof(verbs) - used, "%s%s", used ? ", " : "",
						 commands[i].verb);
	if (verb)
		return say(error, "%s has no verb \"%s\"; it has %s", object, verb, verbs);
	return say(error, "%s needs a verb: %s", object, verbs);
}

static bool unknown_object(const char *object, struct say *error)
{
	char objects[256] = "";
	const char *last = "";
	size_t used = 0;

	for (size_t i = 0; i < num_commands && used < sizeof(objects); i++) {
		if (strcmp(commands[i].object, last) != 0)
			used += (size_t)snprintf(objects + used, sizeof(objects) - used, "%s%s", used ? ", " : "",
						 commands[i].object);
		last = commands[i].object;
	}
	return say(error, "unknown object \"%s\"; known are %s", object, objects);
}

/* The command, or NULL. verb NULL: one that needs none. known: the object is one. */
static const struct command *find_command(const char *object, const char *verb, bool *known)
{
	*known = false;
	for (size_t i = 0; i < num_commands; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->object, object) != 0)
			continue;
		*known = true;
		if (!c->verb || (verb && !strcmp(c->verb, verb)))
			return c;
	}
	return NULL;
}

static bool check_complete(const struct invocation *inv, struct say *error)
{
	const struct field *f;
	char name[64], command[64];
	const char *const *p;

	command_name(inv->command, command, sizeof(command));
	for (f = command_fields(inv->command); f->name; f++) {
		if (!f->required || json_object_get(inv->params, f->name))
			continue;
		for (p = inv->command->places; *p; p++) {
			place_name(*p, name, sizeof(name));
			if (!strcmp(name, f->name))
				break;
		}
		return say(error, "%s needs %s%s (%s)", command, !*p ? "--" : strchr("aeiou", f->name[0]) ? "an " : "a ", f->name, f->text);
	}
	return true;
}

/* The state of the parser between two words. */
struct parser {
	struct words w;
	const char *object;
	bool options;			/* no "--" yet */
	struct invocation *out;
};

static bool take_command(struct parser *p, const char *word)
{
	bool known;

	if (!p->object) {
		p->object = word;
		p->out->command = find_command(word, NULL, &known);
		return known || unknown_object(word, p->w.error);
	}
	p->out->command = find_command(p->object, word, &known);
	return p->out->command || unknown_verb(p->object, word, p->w.error);
}

static bool take_word(struct parser *p, const char *word)
{
	int global;

	if (p->options && !strcmp(word, "--")) {
		p->options = false;
		return true;
	}
	/* "-" alone is a file's name. */
	if (p->options && word[0] == '-' && word[1]) {
		global = take_global(&p->w, word, p->out);
		if (global)
			return global > 0;
		if (!p->out->command)
			return say(p->w.error, "unknown option %s", word);
		return take_option(&p->w, word, p->out);
	}
	return p->out->command ? take_place(&p->w, word, p->out) : take_command(p, word);
}

bool command_parse(int argc, char *const *argv, struct invocation *out, struct say *error)
{
	struct parser p = { { argc, 0, argv, error }, NULL, true, out };
	const char *word;

	*out = (struct invocation){ .params = json_object() };
	while ((word = next_word(&p.w)))
		if (!take_word(&p, word))
			return false;
	if (out->help || out->version)
		return true;
	if (out->batch)
		return !p.object || say(error, "--batch takes its commands from the file, and none beside it");
	if (!p.object)
		return say(error, "say what to do, for instance: hvnetctl switch show");
	if (!out->command)
		return unknown_verb(p.object, NULL, error);
	return check_complete(out, error);
}

/* Completion. */

/* The field of an option that has its value still to come. */
static const struct field *waiting_option(const struct invocation *inv, const char *word)
{
	const struct field *f;

	if (!inv->command || strncmp(word, "--", 2) != 0 || strchr(word, '='))
		return NULL;
	f = args_find(command_fields(inv->command), word + 2);
	return f && args_has_value(f) ? f : NULL;
}

void command_at_end(int argc, char *const *argv, struct completion *out)
{
	char text[256];
	struct say error = { text, sizeof(text) };
	struct invocation inv = { .params = json_object() };
	struct parser p = { { argc, 0, argv, &error }, NULL, true, &inv };
	const char *word, *place;
	char name[64];

	*out = (struct completion){ 0 };
	while ((word = next_word(&p.w))) {
		out->field = p.w.at == argc ? waiting_option(&inv, word) : NULL;
		if (out->field)
			break;
		/* What is wrong so far may be put right later: the words behind it still mean something. */
		(void)take_word(&p, word);
	}
	out->command = inv.command;
	out->object = p.object;
	if (inv.command && !out->field) {
		out->option = p.options;
		place = next_place(&inv);
		if (place) {
			place_name(place, name, sizeof(name));
			out->field = args_find(command_fields(inv.command), name);
			out->member = strchr(place, '=') != NULL;
		}
	}
	json_decref(inv.params);
}
