/* SPDX-License-Identifier: MIT */
/* What --help prints, from the same tables as the parser. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "hvnetctl/command.h"
#include "hvnetctl/run.h"

/* The word that stands for a value: a parameter's name in capitals. */
static int print_capitals(const char *name)
{
	int n = 0;

	for (; *name && *name != '.' && *name != '='; name++, n++)
		putchar(*name == '_' ? '-' : toupper((unsigned char)*name));
	return n;
}

static bool is_place(const struct command *c, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *p = c->places; *p; p++)
		if (!strncmp(*p, name, n) && (!(*p)[n] || (*p)[n] == '.' || (*p)[n] == '='))
			return true;
	return false;
}

static bool is_needed(const struct command *c, const char *place)
{
	char name[64];
	const struct field *f;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(place, ".="), place);
	f = args_find(command_fields(c), name);
	return f && f->required;
}

/* "switch add NAME [OPTION]..." */
static int print_usage(const struct command *c)
{
	int n = printf("%s%s%s", c->object, c->verb ? " " : "", c->verb ? c->verb : "");
	bool needed, options = false;

	for (const char *const *p = c->places; *p; p++) {
		needed = is_needed(c, *p);
		n += printf(needed ? " " : " [");
		if (strchr(*p, '='))
			n += printf("MEMBER=VALUE...");
		else
			n += print_capitals(*p) + printf("%s", strchr(*p, '.') ? "..." : "");
		n += needed ? 0 : printf("]");
	}
	for (const struct field *f = command_fields(c); f->name; f++)
		if (f->required && !is_place(c, f->name)) {
			n += printf(" --%s ", f->name);
			n += print_capitals(f->name);
		} else {
			options |= !is_place(c, f->name);
		}
	return n + (options ? printf(" [OPTION]...") : 0);
}

static void print_range(const struct field *f)
{
	if (f->names) {
		for (const char *const *name = f->names; *name; name++)
			printf("%s%s", name == f->names ? " (" : ", ", *name);
		putchar(')');
	} else if (f->kind == FIELD_INTEGER && f->max < INT32_MAX) {
		printf(" (%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT ")", f->min, f->max);
	}
}

static void print_fields(const struct field *fields, const char *before)
{
	char name[160], option[200];

	for (const struct field *f = fields; f && f->name; f++) {
		snprintf(name, sizeof(name), "%s%s", before, f->name);
		for (char *p = name; *p; p++)
			*p = *p == '_' ? '-' : *p;
		if (f->kind == FIELD_OBJECT && f->fields) {
			strncat(name, ".", sizeof(name) - strlen(name) - 1);
			print_fields(f->fields, name);
			continue;
		}
		snprintf(option, sizeof(option), "--%s", name);
		printf("  %-28s %s", option, f->text);
		print_range(f);
		putchar('\n');
	}
}

static void print_one(const struct command *c)
{
	printf("Usage: hvnetctl ");
	print_usage(c);
	printf("\n%c%s.\n", toupper((unsigned char)command_text(c)[0]), command_text(c) + 1);
	if (command_fields(c)->name) {
		puts("\nWhat has a place may be given as an option, too; --name=VALUE and --name VALUE are the same:");
		print_fields(command_fields(c), "");
	}
}

void print_help(const struct command *c)
{
	const char *last = "";

	if (c) {
		print_one(c);
		return;
	}
	puts("Usage: hvnetctl [OPTION]... OBJECT VERB [ARGUMENT]...\n"
	     "Shows and changes what hvnetd has. `hvnetctl OBJECT VERB --help` tells what a command takes.");
	for (size_t i = 0; i < num_commands; i++) {
		int n;

		if (strcmp(commands[i].object, last) != 0)
			putchar('\n');
		last = commands[i].object;
		fputs("  ", stdout);
		n = print_usage(&commands[i]);
		printf("%*s%s\n", n < 48 ? 50 - n : 2, "", command_text(&commands[i]));
	}
	puts("\n"
	     "  -s, --socket PATH   hvnetd's control socket (else $HVNET_SOCKET, else /run/hvnet/control)\n"
	     "  -j, --json          the daemon's answer as JSON, in one line\n"
	     "  -p, --pretty        … indented\n"
	     "  -n, --dry-run       only check whether it could be done\n"
	     "  -b, --batch FILE    commands from a file (-: standard input), a line each: all of them or nothing\n"
	     "      --each          with --batch: one after the other, until one fails\n"
	     "      --wait          wait for what takes long (the default); --no-wait: print its job and go\n"
	     "      --timeout N     wait N seconds at most; the job goes on\n"
	     "  -h, --help          print this, or what a command takes, and exit\n"
	     "      --version       print the version of hvnetctl and exit\n"
	     "\n"
	     "Exit status: 0 done, 1 the daemon refused or was not reached, 2 wrong usage.");
}
