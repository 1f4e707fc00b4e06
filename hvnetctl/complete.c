/* SPDX-License-Identifier: MIT */
/*
 * Completion: the shell asks, at each TAB, what the word at the end of the line could become. Objects, verbs, options and
 * enumerations come from the tables, names of objects from the daemon, if it answers.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "hvnetctl/command.h"
#include "hvnetctl/run.h"

int run_completion(struct session *s, const struct invocation *inv)
{
	(void)s;
	(void)inv;
	puts("_hvnetctl() {\n"
	     "\tlocal IFS=$'\\n'\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]}\n"
	     "\t# What readline takes for ends of words, ours have within: VM/NAME is one, and so is MEMBER=VALUE.\n"
	     "\tlocal line=${COMP_LINE:0:COMP_POINT} words=()\n"
	     "\tIFS=$' \\t' read -ra words <<<\"$line\"\n"
	     "\t[[ $line == *[[:blank:]] ]] && words+=('')\n"
	     "\tlocal whole=${words[-1]}\n"
	     "\tCOMPREPLY=($(hvnetctl --complete \"${words[@]:1}\" 2>/dev/null))\n"
	     "\tif ((${#COMPREPLY[@]} == 0)); then\n"
	     "\t\tcompopt -o default\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\t# Readline replaces only what is behind its last end of a word.\n"
	     "\tCOMPREPLY=(\"${COMPREPLY[@]#\"${whole%\"$word\"}\"}\")\n"
	     "\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	     "}\n"
	     "complete -F _hvnetctl hvnetctl");
	return EXIT_SUCCESS;
}

/* Prints prefix and candidate if the word begins so. Blanks in names are shown as the shell wants them. */
static void offer(const char *word, const char *prefix, const char *candidate)
{
	size_t n = strlen(prefix);

	if (strncmp(word, prefix, n) != 0 || strncmp(word + n, candidate, strlen(word + n)) != 0)
		return;
	fputs(prefix, stdout);
	for (; *candidate; candidate++) {
		if (strchr(" \t'\"\\$`&|;<>()*?[#~!", *candidate))
			putchar('\\');
		putchar(*candidate);
	}
	putchar('\n');
}

static void offer_objects(const char *word)
{
	const char *last = "";

	for (size_t i = 0; i < num_commands; i++) {
		if (strcmp(commands[i].object, last) != 0)
			offer(word, "", commands[i].object);
		last = commands[i].object;
	}
}

static void offer_verbs(const char *word, const char *object)
{
	for (size_t i = 0; i < num_commands; i++)
		if (!strcmp(commands[i].object, object) && commands[i].verb)
			offer(word, "", commands[i].verb);
}

/* --name, and --object.member for each of an object's. */
static void offer_options(const char *word, const char *prefix, const struct field *fields, const char *end)
{
	char name[160];

	for (const struct field *f = fields; f && f->name; f++) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, f->name, f->kind == FIELD_OBJECT ? "." : "");
		for (char *p = name; *p && *prefix == '-'; p++)
			*p = *p == '_' ? '-' : *p;
		if (f->kind == FIELD_OBJECT) {
			offer_options(word, name, f->fields, end);
		} else {
			strncat(name, end, sizeof(name) - strlen(name) - 1);
			offer(word, "", name);
		}
	}
}

static void offer_globals(const char *word)
{
	char name[32];

	for (size_t i = 0; command_global(i); i++) {
		snprintf(name, sizeof(name), "--%s", command_global(i));
		offer(word, "", name);
	}
}

/* Names of what is there, from one of the daemon's lists; member2 NULL: member's value is the name, else "member/member2". */
static void offer_live(const char *word, const char *prefix, const char *method, const char *list, const char *member,
		       const char *member2)
{
	struct hvnet_client *client;
	struct hvnet_error err;
	json_t *result, *row;
	char name[256];
	size_t i;

	if (hvnet_connect(NULL, &client, &err))
		return;
	result = hvnet_call(client, method, json_pack("{s:i}", "limit", 1000), &err);
	json_array_foreach(json_object_get(result, list), i, row) {
		const char *first = json_string_value(json_object_get(row, member));
		const char *second = member2 ? json_string_value(json_object_get(row, member2)) : NULL;

		if (first)
			snprintf(name, sizeof(name), "%s%s%s", first, second ? "/" : "", second ? second : "");
		if (first)
			offer(word, prefix, name);
	}
	json_decref(result);
	hvnet_disconnect(client);
}

static void offer_interfaces(const char *word, const char *prefix)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			offer(word, prefix, e->d_name);
	if (dir)
		closedir(dir);
}

static void offer_enum(const char *word, const char *prefix, const char *const *names)
{
	for (; names && *names; names++)
		offer(word, prefix, *names);
}

/* What a parameter of this name holds: the API names what it refers to the same everywhere. */
static void offer_values(const char *word, const char *prefix, const struct command *c, const struct field *f)
{
	if (f->names)
		offer_enum(word, prefix, f->names);
	else if (f->kind == FIELD_BOOLEAN)
		offer_enum(word, prefix, (const char *const[]){ "on", "off", NULL });
	else if (!strcmp(f->name, "switch"))
		offer_live(word, prefix, "switch.list", "switches", "name", NULL);
	else if (!strcmp(f->name, "vm"))
		offer_live(word, prefix, "vm.list", "vms", "name", NULL);
	else if (!strcmp(f->name, "adapter"))
		offer_live(word, prefix, "adapter.list", "adapters", "id", NULL);
	else if (!strcmp(f->name, "job"))
		offer_live(word, prefix, "job.list", "jobs", "job", NULL);
	else if (!strcmp(f->name, "interface") || !strcmp(f->name, "interfaces"))
		offer_interfaces(word, prefix);
	else if (!strcmp(c->object, "extension") && (!strcmp(f->name, "name") || !strcmp(f->name, "order")))
		offer_live(word, prefix, "extension.list", "extensions", "name", NULL);
	else if (!strcmp(c->object, "hostnic") && !strcmp(f->name, "name") && c->verb && !strcmp(c->verb, "del"))
		offer_live(word, prefix, "hostnic.list", "hostnics", "name", NULL);
	else if (!strcmp(f->name, "port")) {
		offer_live(word, prefix, "port.list", "ports", "switch", "name");
		offer_live(word, prefix, "adapter.list", "adapters", "id", NULL);
	}
}

/* MEMBER=VALUE of an object. */
static void offer_members(const char *word, const struct command *c, const struct field *object)
{
	const char *equals = strchr(word, '=');
	const struct field *f;
	char prefix[160];

	if (!equals) {
		offer_options(word, "", object->fields, "=");
		return;
	}
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(equals - word), word);
	f = args_find(object->fields, prefix);
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(equals + 1 - word), word);
	if (f)
		offer_values(word, prefix, c, f);
}

int run_complete(int argc, char *const *argv)
{
	const char *word = argc ? argv[argc - 1] : "", *equals = strchr(word, '=');
	struct completion at;
	char name[160];
	const struct field *f;

	command_at_end(argc ? argc - 1 : 0, argv, &at);
	if (!at.command && word[0] == '-') {
		offer_globals(word);
	} else if (!at.command && !at.object) {
		offer_objects(word);
	} else if (!at.command) {
		offer_verbs(word, at.object);
	} else if (at.option && word[0] == '-' && equals) {
		snprintf(name, sizeof(name), "%.*s", (int)(equals - word - 2), word + 2);
		f = args_find(command_fields(at.command), name);
		snprintf(name, sizeof(name), "%.*s", (int)(equals + 1 - word), word);
		if (f)
			offer_values(word, name, at.command, f);
	} else if (at.option && word[0] == '-') {
		offer_options(word, "--", command_fields(at.command), "");
		offer_globals(word);
	} else if (at.member) {
		offer_members(word, at.command, at.field);
	} else if (at.field) {
		offer_values(word, "", at.command, at.field);
	}
	return EXIT_SUCCESS;
}
