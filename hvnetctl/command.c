/* SPDX-License-Identifier: MIT */
#include "hvnetctl/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITION(name) { name, ARG_STRING, true, true }
#define MAYBE(name) { name, ARG_STRING, true, false }
#define OPTION(name) { name, ARG_STRING, false, false }
#define NEEDED(name) { name, ARG_STRING, false, true }
#define NUMBER(name) { name, ARG_INTEGER, false, false }
#define FLAG(name) { name, ARG_FLAG, false, false }

static void print_adapter(const json_t *a)
{
	printf("%s: %s on switch %s; the VM's QEMU attaches to %s\n", json_string_value(json_object_get(a, "id")),
	       json_string_value(json_object_get(a, "mac")), json_string_value(json_object_get(a, "switch")),
	       json_string_value(json_object_get(a, "socket")));
}

static void print_vm(const json_t *vm)
{
	printf("%s: QEMU attaches to %s\n", json_string_value(json_object_get(vm, "name")),
	       json_string_value(json_object_get(vm, "socket")));
}

static void print_version(const json_t *v)
{
	printf("hvnetd %s, process %" JSON_INTEGER_FORMAT ", runtime folder %s\n",
	       json_string_value(json_object_get(v, "version")), json_integer_value(json_object_get(v, "pid")),
	       json_string_value(json_object_get(v, "runtime_dir")));
}

static void print_stats(const json_t *stats)
{
	stats_print(stdout, stats);
}

const struct command commands[] = {
	{ "switch", "show", "switch.list", { MAYBE("switch") }, "the switches", "switches",
	  { { "NAME", "name" }, { "TYPE", "type" }, { "PORTS", "ports" }, { "UPLINKS", "uplinks" } }, NULL },
	{ "switch", "add", "switch.create", { POSITION("name"), OPTION("type"), OPTION("interface") },
	  "make a switch; types: private, internal, nat", NULL, { { NULL, NULL } }, NULL },
	{ "switch", "del", "switch.delete", { POSITION("switch"), FLAG("force") },
	  "delete a switch; --force takes its adapters off first", NULL, { { NULL, NULL } }, NULL },
	{ "vm", "show", "vm.list", { MAYBE("vm") }, "the virtual machines", "vms",
	  { { "NAME", "name" }, { "VCPUS", "vcpus" }, { "ATTACHED", "attached" }, { "QEMU", "qemu_pid" },
	    { "VMBUS", "vmbus_version" }, { "SCOPED", "scoped" }, { "ADAPTERS", "adapters" }, { "SOCKET", "socket" } },
	  NULL },
	{ "vm", "add", "vm.add", { POSITION("name"), { "vcpus", ARG_INTEGER, false, true } },
	  "make a virtual machine's socket", NULL, { { NULL, NULL } }, print_vm },
	{ "vm", "del", "vm.del", { POSITION("vm") }, "delete it and its adapters", NULL, { { NULL, NULL } }, NULL },
	{ "adapter", "show", "adapter.list", { MAYBE("adapter"), OPTION("vm") }, "the adapters", "adapters",
	  { { "ID", "id" }, { "KIND", "kind" }, { "SWITCH", "switch" }, { "MAC", "mac" }, { "LINK", "link" }, { "OPEN", "open" },
	    { "NVSP", "guest.nvsp_version" }, { "NDIS", "guest.ndis_version" }, { "MTU", "guest.mtu" },
	    { "CHANNELS", "guest.channels" } }, NULL },
	{ "adapter", "add", "adapter.add",
	  { NEEDED("switch"), NEEDED("vm"), OPTION("kind"), OPTION("model"), OPTION("mac"), OPTION("name"), NUMBER("mtu") },
	  "give a virtual machine an adapter; kinds: synthetic, emulated", NULL, { { NULL, NULL } }, print_adapter },
	{ "adapter", "del", "adapter.del", { POSITION("adapter") }, "take it away, while the guest runs", NULL,
	  { { NULL, NULL } }, NULL },
	{ "adapter", "set", "adapter.set", { POSITION("adapter"), OPTION("link"), OPTION("switch") },
	  "--link up|down; --switch NAME (\"\": none)", NULL, { { NULL, NULL } }, NULL },
	{ "port", "show", "port.list", { MAYBE("switch") }, "the ports of all switches, or of one", "ports",
	  { { "SWITCH", "switch" }, { "ID", "id" }, { "NAME", "name" }, { "NIC", "nic" }, { "LINK", "link" },
	    { "IN-FRAMES", "in_frames" }, { "IN-BYTES", "in_bytes" }, { "OUT-FRAMES", "out_frames" },
	    { "OUT-BYTES", "out_bytes" } }, NULL },
	{ "port", "add", "uplink.bind",
	  { POSITION("switch"), NEEDED("kind"), OPTION("name"), OPTION("interface"), OPTION("path") },
	  "an uplink; kinds: nat, tap, stream", NULL, { { NULL, NULL } }, NULL },
	{ "port", "del", "uplink.unbind", { POSITION("switch"), POSITION("name") }, "delete an uplink", NULL,
	  { { NULL, NULL } }, NULL },
	{ "fdb", "show", "fdb.list", { POSITION("switch") }, "where a switch sends which address", "entries",
	  { { "MAC", "mac" }, { "VLAN", "vlan" }, { "PORT", "port" }, { "KIND", "kind" }, { "AGE", "age_s" } }, NULL },
	{ "capture", NULL, "capture.start",
	  { MAYBE("port"), OPTION("write"), OPTION("filter"), OPTION("points"), OPTION("direction"), OPTION("switch"), NUMBER("vlan"),
	    NUMBER("snap"), NUMBER("count"), NUMBER("seconds"), NUMBER("ring_files"), NUMBER("ring_size"), NUMBER("buffer") },
	  "frames as they pass, to a file, to tshark (-w -), or as lines", NULL, { { NULL, NULL } }, NULL },
	{ "captures", NULL, "capture.list", { { NULL, ARG_STRING, false, false } }, "the captures that run", "captures",
	  { { "ID", "capture" }, { "SWITCH", "switch" }, { "PORT", "port" }, { "PROCESS", "pid" }, { "SEEN", "seen" },
	    { "FRAMES", "frames" }, { "LOST", "lost" } }, NULL },
	{ "stats", NULL, "stats.get", { { NULL, ARG_STRING, false, false } }, "all counters that are not zero", NULL,
	  { { NULL, NULL } }, print_stats },
	{ "version", NULL, "version", { { NULL, ARG_STRING, false, false } }, "the daemon's version", NULL,
	  { { NULL, NULL } }, print_version },
};
const size_t num_commands = sizeof(commands) / sizeof(commands[0]);

static void print_synopsis(const struct command *c)
{
	int n = printf("  %s%s%s", c->object, c->verb ? " " : "", c->verb ? c->verb : "");

	for (const struct command_arg *a = c->args; a->name; a++) {
		n += printf(" %s", a->required ? "" : "[");
		n += a->positional ? 0 : printf("--");
		for (const char *p = a->name; !a->positional && *p; p++)
			n += printf("%c", *p == '_' ? '-' : *p);
		n += a->positional || a->type == ARG_FLAG ? 0 : printf(" ");
		for (const char *p = a->name; a->type != ARG_FLAG && *p; p++)
			n += printf("%c", *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
		n += printf("%s", a->required ? "" : "]");
	}
	if (n > 38)
		n = printf("\n") - 1;
	printf("%*s%s\n", 40 - n, "", c->help);
}

void command_print_help(void)
{
	puts("Usage: hvnetctl [--socket PATH] [--json] OBJECT VERB [ARGUMENT]...\n"
	     "Shows and changes what hvnetd has.\n");
	for (size_t i = 0; i < num_commands; i++)
		print_synopsis(&commands[i]);
	puts("\n"
	     "  -s, --socket PATH   hvnetd's control socket (else $HVNET_SOCKET, else /run/hvnet/control)\n"
	     "  -j, --json          the daemon's answer as JSON\n"
	     "  -h, --help          print this and exit\n"
	     "      --version       print the version of hvnetctl and exit\n"
	     "\n"
	     "Exit status: 0 done, 1 the daemon refused or was not reached, 2 wrong usage.");
}

static bool fail(char *error, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, bytes, format, ap);
	va_end(ap);
	return false;
}

struct words {			/* the command line, word by word */
	int argc, at;
	char *const *argv;
	char *error;
	size_t error_bytes;
};

static const char *next_word(struct words *w)
{
	return w->at < w->argc ? w->argv[w->at++] : NULL;
}

/* Whether word is the option --name, alone (then the value is the next word) or as --name=value. */
static bool is_option(struct words *w, const char *word, const char *name, bool has_value, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(word, "--", 2) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (word[2 + i] != (name[i] == '_' ? '-' : name[i]))
			return false;
	*value = NULL;
	if (word[2 + n] == '=' && has_value)
		*value = word + 3 + n;
	else if (word[2 + n])
		return false;
	else if (has_value)
		*value = next_word(w);
	return true;
}

/* Options that go before or behind any command. True if word was one. */
static bool take_global(struct words *w, const char *word, struct invocation *out, bool *bad)
{
	const char *value = NULL;

	if (!strcmp(word, "-j") || !strcmp(word, "--json")) {
		out->json = true;
	} else if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		out->help = true;
	} else if (!strcmp(word, "--version")) {
		out->version = true;
	} else if (!strcmp(word, "-s") || is_option(w, word, "socket", true, &value)) {
		out->socket = strcmp(word, "-s") ? value : next_word(w);
		if (!out->socket || !*out->socket)
			*bad = !fail(w->error, w->error_bytes, "%s needs a path", word);
	} else {
		return false;
	}
	return true;
}

static bool set_param(struct words *w, struct invocation *out, const struct command_arg *a, const char *value)
{
	json_t *v;
	char *end;

	if (json_object_get(out->params, a->name))
		return fail(w->error, w->error_bytes, "--%s is given twice", a->name);
	if (a->type == ARG_FLAG) {
		v = json_true();
	} else if (!value) {
		return fail(w->error, w->error_bytes, "--%s needs a value", a->name);
	} else if (a->type == ARG_INTEGER) {
		errno = 0;
		long long n = strtoll(value, &end, 10);

		if (errno || end == value || *end)
			return fail(w->error, w->error_bytes, "--%s: \"%s\" is not a number", a->name, value);
		v = json_integer(n);
	} else {
		v = json_string(value);
		if (!v)
			return fail(w->error, w->error_bytes, "--%s: \"%s\" is not UTF-8", a->name, value);
	}
	json_object_set_new(out->params, a->name, v);
	return true;
}

static bool take_option(struct words *w, const char *word, struct invocation *out)
{
	const struct command_arg *a;
	const char *value;

	if (!strcmp(word, "-w"))
		word = "--write";
	for (a = out->command->args; a->name; a++)
		if (!a->positional && is_option(w, word, a->name, a->type != ARG_FLAG, &value))
			return set_param(w, out, a, value);
	return fail(w->error, w->error_bytes, "%s%s%s has no option %s", out->command->object,
		    out->command->verb ? " " : "", out->command->verb ? out->command->verb : "", word);
}

static bool take_position(struct words *w, const char *word, struct invocation *out)
{
	const struct command_arg *a;

	for (a = out->command->args; a->name; a++)
		if (a->positional && !json_object_get(out->params, a->name))
			return set_param(w, out, a, word);
	return fail(w->error, w->error_bytes, "unexpected argument \"%s\"", word);
}

static const struct command *find_command(struct words *w, const char *object, const char *verb)
{
	bool known = false;
	char verbs[80] = "";

	for (size_t i = 0; i < num_commands; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->object, object) != 0)
			continue;
		if (!c->verb || (verb && !strcmp(c->verb, verb)))
			return c;
		known = true;
		if (strlen(verbs) + strlen(c->verb) + 3 < sizeof(verbs))
			strcat(strcat(verbs, *verbs ? ", " : ""), c->verb);
	}
	if (!known)
		fail(w->error, w->error_bytes, "unknown object \"%s\"; known are switch, vm, adapter, port, fdb, "
		     "capture, captures, stats and version", object);
	else if (verb)
		fail(w->error, w->error_bytes, "%s has no verb \"%s\"; it has %s", object, verb, verbs);
	else
		fail(w->error, w->error_bytes, "%s needs a verb: %s", object, verbs);
	return NULL;
}

static bool check_complete(struct words *w, const struct invocation *out)
{
	const struct command_arg *a;

	for (a = out->command->args; a->name; a++)
		if (a->required && !json_object_get(out->params, a->name))
			return fail(w->error, w->error_bytes, "%s %s needs %s%s", out->command->object,
				    out->command->verb ? out->command->verb : "", a->positional ? "a " : "--", a->name);
	return true;
}

bool command_parse(int argc, char *const *argv, struct invocation *out, char *error, size_t error_bytes)
{
	struct words w = { argc, 1, argv, error, error_bytes };
	const char *object = NULL, *word;
	bool bad = false, options = true;

	*out = (struct invocation){ .params = json_object() };
	while ((word = next_word(&w))) {
		if (options && !strcmp(word, "--")) {
			options = false;
		} else if (options && word[0] == '-' && take_global(&w, word, out, &bad)) {
			if (bad)
				return false;
			if (out->help || out->version)
				return true;
		} else if (options && word[0] == '-' && out->command) {
			if (!take_option(&w, word, out))
				return false;
		} else if (options && word[0] == '-') {
			return fail(error, error_bytes, "unknown option %s", word);
		} else if (!out->command) {
			/* An object that is a command by itself needs no verb. */
			const char *verb = object ? word : NULL;

			if (!object)
				object = word;
			for (size_t i = 0; i < num_commands && !verb; i++)
				if (!commands[i].verb && !strcmp(commands[i].object, object))
					out->command = &commands[i];
			if (verb && !(out->command = find_command(&w, object, verb)))
				return false;
		} else if (!take_position(&w, word, out)) {
			return false;
		}
	}
	if (!object)
		return fail(error, error_bytes, "say what to do, for instance: hvnetctl switch show");
	if (!out->command) {
		find_command(&w, object, NULL);
		return false;
	}
	return check_complete(&w, out);
}
