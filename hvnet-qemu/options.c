/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SWITCH "Default Switch"

static bool fail(char *error, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, bytes, format, ap);
	va_end(ap);
	return false;
}

void options_print_help(void)
{
	puts("Usage: hvnet-qemu [OPTION]... [--] QEMU-ARGUMENT...\n"
	     "Runs a QEMU guest whose network adapters are hvnetd's.\n"
	     "\n"
	     "  --nic synthetic[,switch=NAME][,mac=MAC][,name=NAME][,mtu=N]\n"
	     "  --nic emulated[,model=82540em|82545em|82544gc][,switch=NAME][,mac=MAC][,name=NAME]\n"
	     "                      an adapter; may be repeated (default: a synthetic one on\n"
	     "                      \"" DEFAULT_SWITCH "\")\n"
	     "  --vm NAME           the VM's name in hvnetd (default: QEMU's -name, or qemu-PID);\n"
	     "                      the adapters' addresses follow from it\n"
	     "  --qemu PATH         the QEMU to run, version 10.1 or newer (else $HVNET_QEMU, else\n"
	     "                      qemu-system-x86_64 in $PATH, else the one that set-up fetched)\n"
	     "  --socket PATH       hvnetd's control socket (else $HVNET_SOCKET, else /run/hvnet/control)\n"
	     "  --print             only print QEMU's arguments, quoted for a shell\n"
	     "  --help, --version   print this, or the version, and exit\n"
	     "\n"
	     "Exit status: QEMU's; 128 + N if signal N ended it; 2 for wrong usage; 125 if hvnetd\n"
	     "refused or was not reached; 127 if there is no QEMU that serves.  See hvnet-qemu(1).");
}

static bool append(char *to, size_t bytes, size_t *used, char c)
{
	if (*used + 1 >= bytes)
		return false;
	to[(*used)++] = c;
	to[*used] = '\0';
	return true;
}

bool list_next(const char **list, char *name, size_t name_bytes, char *value, size_t value_bytes,
	       bool *has_value)
{
	size_t names = 0, values = 0;
	const char *p = *list;
	bool ok = true;

	name[0] = value[0] = '\0';
	*has_value = false;
	if (!*p)
		return false;
	for (; *p; p++) {
		if (*p == ',' && p[1] != ',')
			break;
		if (*p == ',')
			p++;
		if (*p == '=' && !*has_value)
			*has_value = true;
		else if (*has_value)
			ok = append(value, value_bytes, &values, *p) && ok;
		else
			ok = append(name, name_bytes, &names, *p) && ok;
	}
	*list = *p ? p + 1 : p;
	if (!ok)
		name[0] = '\0';
	return true;
}

static bool is_model(const char *name)
{
	static const char *const models[] = { "82540em", "82545em", "82544gc" };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (!strcmp(models[i], name))
			return true;
	return false;
}

static bool nic_member(struct nic *nic, const char *name, const char *value, char *error, size_t bytes)
{
	char *end;

	if (!strcmp(name, "switch")) {
		if (!*value || strlen(value) >= sizeof(nic->switch_name))
			return fail(error, bytes, "--nic: a switch's name has 1 to 63 bytes, not \"%s\"", value);
		strcpy(nic->switch_name, value);
	} else if (!strcmp(name, "mac")) {
		if (strlen(value) != sizeof(nic->mac) - 1)
			return fail(error, bytes, "--nic: \"%s\" is no MAC address like 02:68:76:01:02:03", value);
		strcpy(nic->mac, value);
	} else if (!strcmp(name, "name")) {
		if (!*value || strlen(value) >= sizeof(nic->name))
			return fail(error, bytes, "--nic: an adapter's name has 1 to 63 bytes, not \"%s\"", value);
		strcpy(nic->name, value);
	} else if (!strcmp(name, "model") && nic->kind == NIC_EMULATED) {
		if (!is_model(value))
			return fail(error, bytes, "--nic: there is no model \"%s\"; known are 82540em, 82545em and 82544gc", value);
		strcpy(nic->model, value);
	} else if (!strcmp(name, "mtu") && nic->kind == NIC_SYNTHETIC) {
		unsigned long mtu = strtoul(value, &end, 10);

		if (!*value || *end || mtu < 1500 || mtu > 9202)
			return fail(error, bytes, "--nic: an MTU is a number from 1500 to 9202, not \"%s\"", value);
		nic->mtu = (unsigned)mtu;
	} else {
		return fail(error, bytes, "--nic: unknown \"%s\"; known are switch, mac, name and %s", name,
			    nic->kind == NIC_SYNTHETIC ? "mtu" : "model");
	}
	return true;
}

static bool parse_nic(struct options *o, const char *text, char *error, size_t bytes)
{
	char name[128], value[128];
	const char *list = text;
	bool has_value;
	struct nic *nic;

	if (o->num_nics == MAX_NICS)
		return fail(error, bytes, "--nic: a VM has at most %d adapters", MAX_NICS);
	nic = &o->nics[o->num_nics];
	*nic = (struct nic){ .switch_name = DEFAULT_SWITCH };
	for (bool first = true; list_next(&list, name, sizeof(name), value, sizeof(value), &has_value); first = false) {
		if (!has_value && first && !strcmp(name, "synthetic"))
			continue;
		if (!has_value && first && !strcmp(name, "emulated")) {
			nic->kind = NIC_EMULATED;
			continue;
		}
		if (!has_value)
			return fail(error, bytes, "--nic %s: expected synthetic or emulated, then NAME=VALUE separated by "
				    "commas", text);
		if (!nic_member(nic, name, value, error, bytes))
			return false;
	}
	o->num_nics++;
	return true;
}

/* Whether argv[*i] is the option --name; its value, if it wants one, is behind '=' or the next word. */
static bool is_option(int argc, char *const *argv, int *i, const char *name, const char **value)
{
	const char *word = argv[*i];
	size_t n = strlen(name);

	if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, n) != 0)
		return false;
	if (word[2 + n] == '=') {
		*value = word + 3 + n;
		return true;
	}
	if (word[2 + n])
		return false;
	*value = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static bool parse_one(int argc, char *const *argv, int *i, struct options *o, char *error, size_t bytes)
{
	const char *word = argv[*i], *value = "";

	if (!strcmp(word, "--print"))
		o->print = true;
	else if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		o->help = true;
	else if (!strcmp(word, "--version"))
		o->version = true;
	else if (is_option(argc, argv, i, "nic", &value))
		return value ? parse_nic(o, value, error, bytes) : fail(error, bytes, "--nic needs a value");
	else if (is_option(argc, argv, i, "vm", &value))
		o->vm = value;
	else if (is_option(argc, argv, i, "qemu", &value))
		o->qemu = value;
	else if (is_option(argc, argv, i, "socket", &value))
		o->socket = value;
	else
		return fail(error, bytes, "unknown option %s; QEMU's own arguments come behind \"--\"", word);
	if (!value || (strncmp(word, "--vm", 4) == 0 && !*value))
		return fail(error, bytes, "%s needs a value", word);
	return true;
}

bool options_parse(int argc, char *const *argv, struct options *out, char *error, size_t error_bytes)
{
	int i;

	*out = (struct options){ 0 };
	for (i = 1; i < argc && strncmp(argv[i], "-", 1) == 0; i++) {
		/* QEMU's options have one dash, ours two: without "--" the first of QEMU's begins its part. */
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (strncmp(argv[i], "--", 2) != 0 && strcmp(argv[i], "-h") != 0)
			break;
		if (!parse_one(argc, argv, &i, out, error, error_bytes))
			return false;
		if (out->help || out->version)
			return true;
	}
	out->qemu_args = argv + i;
	out->num_qemu_args = argc - i;
	if (!out->num_nics)
		return parse_nic(out, "synthetic", error, error_bytes);
	return true;
}
