/* SPDX-License-Identifier: MIT */
#include "hvnetd/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "api/api.h"
#include "hvnetd/names.h"

enum {
	OPT_SOCKET = 256,
	OPT_RUNTIME_DIR,
	OPT_SWITCH,
	OPT_NO_DEFAULT_SWITCH,
	OPT_ALLOW_TAP,
	OPT_ALLOW_UPLINKS,
	OPT_ALLOW_OTHERS,
	OPT_GROUP,
	OPT_STATE_DIR,
	OPT_EXTENSION_DIR,
	OPT_PRINT_SCHEMA,
	OPT_PRINT_API,
	OPT_NAT_PROGRAM,
	OPT_LOG_LEVEL,
	OPT_FOREGROUND,
	OPT_CHECK,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "runtime-dir", required_argument, NULL, OPT_RUNTIME_DIR },
	{ "switch", required_argument, NULL, OPT_SWITCH },
	{ "no-default-switch", no_argument, NULL, OPT_NO_DEFAULT_SWITCH },
	{ "allow-tap", no_argument, NULL, OPT_ALLOW_TAP },
	{ "allow-uplinks", no_argument, NULL, OPT_ALLOW_UPLINKS },
	{ "allow-others", required_argument, NULL, OPT_ALLOW_OTHERS },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "extension-dir", required_argument, NULL, OPT_EXTENSION_DIR },
	{ "print-schema", no_argument, NULL, OPT_PRINT_SCHEMA },
	{ "print-api", no_argument, NULL, OPT_PRINT_API },
	{ "nat-program", required_argument, NULL, OPT_NAT_PROGRAM },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct parser {
	struct options *out;
	char *error;
	size_t error_bytes;
};

static bool fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct parser *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->error, p->error_bytes, format, ap);
	va_end(ap);
	return false;
}

void options_print_help(void)
{
	fputs("Usage: hvnetd [OPTION]...\n"
	      "Gives QEMU guests synthetic and emulated network adapters on virtual switches.\n"
	      "\n"
	      "  --socket PATH            control socket (default: control in the runtime folder)\n"
	      "  --runtime-dir DIR        where device sockets are made (default: " HVNETD_RUNTIME_DIR ")\n"
	      "  --switch NAME=private    a switch of guests among themselves\n"
	      "  --switch NAME=nat        the same with user-mode NAT to the network\n"
	      "  --switch NAME=internal:IF  the same with tap interface IF as the host's own adapter\n"
	      "  --switch NAME=external:IF  the same with interface IF of the host as uplink\n"
	      "  --no-default-switch      no NAT switch \"" HVNETD_DEFAULT_SWITCH "\"\n"
	      "  --state-dir DIR          store the configuration there, and start with what is stored\n"
	      "  --allow-tap              keep the right to add tap interfaces later (CAP_NET_ADMIN)\n"
	      "  --allow-uplinks          keep the right to bind interfaces later (CAP_NET_RAW, too)\n"
	      "  --allow-others=look      users who may not change anything may look\n"
	      "  --group GROUP            whose members may change things (default: hvnet)\n"
	      "  --extension-dir DIR      where extensions of switches are installed\n"
	      "  --nat-program PATH       the program hvnet-nat, if it is not beside this one\n"
	      "  --log-level LEVEL        error, warning, notice, info (default) or debug\n"
	      "  --foreground             stay in the foreground (this is the default)\n"
	      "  --check [FILE]           check options and surroundings, or a configuration, and exit\n"
	      "  --print-schema           print the control socket's JSON Schema, and exit\n"
	      "  --print-api              print its reference as for man(1), and exit\n"
	      "  --help, --version        print this, or the version, and exit\n"
	      "\n"
	      "Exit status: 0 stopped on request, 1 failed, 2 wrong usage, 3 another hvnetd serves\n"
	      "the control socket, 4 the kernel has or permits no io_uring.  See hvnetd(8).\n",
	      stdout);
}

static bool take_path(struct parser *p, const char *option, const char *path, char *to, size_t bytes)
{
	if (!*path)
		return fail(p, "%s: the path is empty", option);
	if (strlen(path) >= bytes)
		return fail(p, "%s: the path is longer than %zu bytes", option, bytes - 1);
	memcpy(to, path, strlen(path) + 1);
	return true;
}

bool interface_is_good(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 15 || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (size_t i = 0; i < n; i++)	/* as the kernel's dev_valid_name() has it; % would make a pattern */
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("/:%", name[i]))
			return false;
	return true;
}

const char *switch_type_name(enum switch_type type)
{
	return api_switch_types[type];
}

static bool parse_switch_type(struct parser *p, const char *arg, const char *type, struct switch_option *s)
{
	if (!strcmp(type, "private")) {
		s->type = SWITCH_PRIVATE;
	} else if (!strcmp(type, "nat")) {
		s->type = SWITCH_NAT;
	} else if (!strncmp(type, "internal:", 9) || !strncmp(type, "external:", 9)) {
		s->type = type[0] == 'i' ? SWITCH_INTERNAL : SWITCH_EXTERNAL;
		if (!interface_is_good(type + 9))
			return fail(p, "--switch %s: \"%s\" cannot be the name of an interface (1 to 15 "
				    "characters, no space, '/', ':' or '%%')", arg, type + 9);
		strcpy(s->interface, type + 9);
	} else {
		return fail(p, "--switch %s: unknown type \"%s\"; known are private, nat, internal:INTERFACE and external:INTERFACE",
			    arg, type);
	}
	return true;
}

static bool parse_switch(struct parser *p, const char *arg)
{
	struct options *o = p->out;
	const char *equals = strrchr(arg, '=');
	struct switch_option *s;

	if (o->num_switches == HVNETD_MAX_SWITCHES)
		return fail(p, "--switch: more than %d switches", HVNETD_MAX_SWITCHES);
	s = &o->switches[o->num_switches];
	*s = (struct switch_option){ .type = SWITCH_PRIVATE };
	if (!equals)
		return fail(p, "--switch %s: expected NAME=private, NAME=nat or NAME=tap:INTERFACE", arg);
	if ((size_t)(equals - arg) < sizeof(s->name))
		memcpy(s->name, arg, (size_t)(equals - arg));
	if (!name_is_good(s->name))
		return fail(p, "--switch %s: a switch's name has 1 to 63 bytes of printable UTF-8, no "
			    "'/' and no space at its ends", arg);
	for (unsigned i = 0; i < o->num_switches; i++)
		if (!strcmp(o->switches[i].name, s->name))
			return fail(p, "--switch %s: there are two switches of this name", arg);
	if (!parse_switch_type(p, arg, equals + 1, s))
		return false;
	o->num_switches++;
	return true;
}

static bool parse_level(struct parser *p, const char *arg)
{
	static const struct { const char *name; enum hv_log_level level; } levels[] = {
		{ "error", HV_LOG_ERROR }, { "warning", HV_LOG_WARNING }, { "notice", HV_LOG_NOTICE },
		{ "info", HV_LOG_INFO }, { "debug", HV_LOG_DEBUG },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(levels[i].name, arg)) {
			p->out->log_level = levels[i].level;
			return true;
		}
	return fail(p, "--log-level %s: known are error, warning, notice, info and debug", arg);
}

static bool take_option(struct parser *p, int option)
{
	struct options *o = p->out;

	switch (option) {
	case OPT_SOCKET:
		return take_path(p, "--socket", optarg, o->socket, sizeof(o->socket));
	case OPT_RUNTIME_DIR:
		return take_path(p, "--runtime-dir", optarg, o->runtime_dir, sizeof(o->runtime_dir));
	case OPT_NAT_PROGRAM:
		return take_path(p, "--nat-program", optarg, o->nat_program, sizeof(o->nat_program));
	case OPT_SWITCH:
		return parse_switch(p, optarg);
	case OPT_LOG_LEVEL:
		return parse_level(p, optarg);
	case OPT_NO_DEFAULT_SWITCH:
		o->default_switch = false;
		return true;
	case OPT_ALLOW_TAP:
		o->allow_tap = true;
		return true;
	case OPT_ALLOW_UPLINKS:
		o->allow_uplinks = true;
		return true;
	case OPT_ALLOW_OTHERS:
		o->others_look = !strcmp(optarg, "look");
		return o->others_look || fail(p, "--allow-others %s: known is look", optarg);
	case OPT_GROUP:
		return take_path(p, "--group", optarg, o->group, sizeof(o->group));
	case OPT_STATE_DIR:
		return take_path(p, "--state-dir", optarg, o->state_dir, sizeof(o->state_dir));
	case OPT_EXTENSION_DIR:
		return take_path(p, "--extension-dir", optarg, o->extension_dir, sizeof(o->extension_dir));
	case OPT_PRINT_SCHEMA:
		o->action = OPTIONS_PRINT_SCHEMA;
		return true;
	case OPT_PRINT_API:
		o->action = OPTIONS_PRINT_API;
		return true;
	case OPT_FOREGROUND:
		return true;
	case OPT_CHECK:
		o->action = OPTIONS_CHECK;
		return true;
	case OPT_HELP:
		o->action = OPTIONS_HELP;
		return true;
	case OPT_VERSION:
		o->action = OPTIONS_VERSION;
		return true;
	}
	return false;
}

static bool finish(struct parser *p)
{
	struct options *o = p->out;
	size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (!o->socket[0] &&
	    snprintf(o->socket, sizeof(o->socket), "%s/control", o->runtime_dir) >= (int)sizeof(o->socket))
		return fail(p, "--runtime-dir: the path is too long");
	if (strlen(o->socket) > limit)
		return fail(p, "the control socket's path has more than %zu bytes, the kernel's limit: %s",
			    limit, o->socket);
	for (unsigned i = 0; i < o->num_switches; i++) {
		/* Given by hand, it replaces the one that would be made. */
		if (!strcmp(o->switches[i].name, HVNETD_DEFAULT_SWITCH))
			o->default_switch = false;
		if (o->switches[i].type == SWITCH_INTERNAL)
			o->allow_tap = true;
		if (o->switches[i].type == SWITCH_EXTERNAL)
			o->allow_uplinks = true;
	}
	return true;
}

bool options_parse(int argc, char *const *argv, struct options *out, char *error, size_t error_bytes)
{
	struct parser p = { out, error, error_bytes };
	int option;

	memset(out, 0, sizeof(*out));
	strcpy(out->runtime_dir, HVNETD_RUNTIME_DIR);
	out->default_switch = true;
	out->log_level = HV_LOG_INFO;
	optind = 0;	/* the C library's way to start afresh */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == ':')
			return fail(&p, "%s needs a value", argv[optind - 1]);
		if (option == '?' && optopt >= OPT_SOCKET)
			return fail(&p, "%s takes no value", argv[optind - 1]);
		if (option == '?' && optopt)
			return fail(&p, "unknown option -%c", optopt);
		if (option == '?')
			return fail(&p, "unknown or ambiguous option %s", argv[optind - 1]);
		if (!take_option(&p, option))
			return false;
		if (out->action == OPTIONS_HELP || out->action == OPTIONS_VERSION)
			return true;
	}
	if (optind < argc && out->action == OPTIONS_CHECK) {
		out->action = OPTIONS_CHECK_FILE;
		if (!take_path(&p, "--check", argv[optind++], out->check_file, sizeof(out->check_file)))
			return false;
	}
	if (optind < argc)
		return fail(&p, "unexpected argument \"%s\"", argv[optind]);
	return finish(&p);
}
