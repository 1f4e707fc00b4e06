/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/args.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnet-qemu/options.h"

#define DEFAULT_MEMORY (128ull << 20)	/* QEMU's, for a PC */
#define RAM_ID "hvnet-ram"
#define MAX_BACKENDS 64

struct reader {
	char *const *args;
	int n;
	struct guest *out;
	char *error;
	size_t error_bytes;
	const char *machine_backend;		/* memory-backend= of -machine; the last one counts */
	char machine_backend_text[64];
	const char *node_backends[MAX_BACKENDS];	/* memdev= of -numa */
	char node_backend_text[MAX_BACKENDS][64];
	unsigned num_node_backends;
};

static bool fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct reader *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->error, r->error_bytes, format, ap);
	va_end(ap);
	return false;
}

/* QEMU takes its options with one dash or two. */
static bool is(const char *arg, const char *name)
{
	if (arg[0] != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	return !strcmp(arg, name);
}

/* A size as QEMU's -m has it: a number, perhaps with a fraction, and a suffix; MiB without one. */
static bool parse_size(const char *text, uint64_t *out)
{
	double value, scale;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	if (errno || end == text || strchr("+-nNiI", text[0]) || value <= 0)
		return false;
	switch (*end) {
	case 'b': case 'B': scale = 1; break;
	case 'k': case 'K': scale = 1024.0; break;
	case '\0':
	case 'm': case 'M': scale = 1024.0 * 1024; break;
	case 'g': case 'G': scale = 1024.0 * 1024 * 1024; break;
	case 't': case 'T': scale = 1024.0 * 1024 * 1024 * 1024; break;
	default: return false;
	}
	if ((*end && end[1]) || value * scale > (double)(1ull << 52))
		return false;
	/* As QEMU does it, up to whole 8 KiB. */
	*out = ((uint64_t)(value * scale) + 8191) & ~8191ull;
	return *out > 0;
}

static bool read_memory(struct reader *r, const char *arg)
{
	char name[64], value[64];
	const char *list = arg;
	bool has_value, first = true;

	for (; list_next(&list, name, sizeof(name), value, sizeof(value), &has_value); first = false) {
		const char *size = has_value ? value : name;

		if ((has_value && strcmp(name, "size") != 0) || (!has_value && !first))
			continue;
		if (!parse_size(size, &r->out->memory_bytes))
			return fail(r, "-m %s: \"%s\" is not a size", arg, size);
	}
	return true;
}

static bool read_smp(struct reader *r, const char *arg)
{
	unsigned long cpus = 0, max = 0, product = 1;
	char name[64], value[64], *end;
	const char *list = arg;
	bool has_value, first = true;

	for (; list_next(&list, name, sizeof(name), value, sizeof(value), &has_value); first = false) {
		const char *text = has_value ? value : name;
		unsigned long v = strtoul(text, &end, 10);

		if (end == text || *end || v > 65535 || (!has_value && !first))
			return fail(r, "-smp %s: \"%s\" is not a number of processors", arg, text);
		if (!has_value || !strcmp(name, "cpus"))
			cpus = v;
		else if (!strcmp(name, "maxcpus"))
			max = v;
		else if (v && product <= 65535)	/* sockets, dies, clusters, cores, threads … */
			product *= v;
		r->out->own_smp |= has_value && strcmp(name, "cpus") != 0;
	}
	if (!max)
		max = cpus > product || product == 1 ? cpus : product;
	if (!max)
		max = product;
	if (cpus > max)
		max = cpus;
	if (max > ARGS_MAX_VCPUS)
		return fail(r, "-smp %s: %lu processors; hvnet serves up to %d", arg, max, ARGS_MAX_VCPUS);
	r->out->vcpus = (unsigned)max;
	return true;
}

/* The guest's name with what hvnetd's names do not have replaced. */
static void read_name(struct reader *r, const char *arg)
{
	char name[64], value[128];
	bool has_value, first = true;
	const char *list = arg;

	for (; list_next(&list, name, sizeof(name), value, sizeof(value), &has_value); first = false) {
		char *to = r->out->name;

		if (!(!has_value && first) && !(has_value && !strcmp(name, "guest")))
			continue;
		snprintf(to, sizeof(r->out->name), "%.63s", has_value ? value : name);
		for (char *p = to; *p; p++)
			if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-", *p))
				*p = '_';
		if (*to == '.' || *to == '-')
			*to = '_';
	}
}

static void read_machine(struct reader *r, const char *arg)
{
	char name[64], value[64];
	const char *list = arg;
	bool has_value;

	while (list_next(&list, name, sizeof(name), value, sizeof(value), &has_value)) {
		if (has_value && !strcmp(name, "memory-backend")) {
			strcpy(r->machine_backend_text, value);
			r->machine_backend = r->machine_backend_text;
		}
		r->out->kvm |= has_value && !strcmp(name, "accel") && !strncmp(value, "kvm", 3);
	}
}

static bool read_numa(struct reader *r, const char *arg)
{
	char name[64], value[64];
	const char *list = arg;
	bool has_value;

	while (list_next(&list, name, sizeof(name), value, sizeof(value), &has_value)) {
		if (!has_value || strcmp(name, "memdev") != 0)
			continue;
		if (r->num_node_backends == MAX_BACKENDS)
			return fail(r, "more than %d -numa nodes with memdev", MAX_BACKENDS);
		strcpy(r->node_backend_text[r->num_node_backends], value);
		r->node_backends[r->num_node_backends] = r->node_backend_text[r->num_node_backends];
		r->num_node_backends++;
	}
	return true;
}

/* Memory backends. */

struct backend {
	char type[64], id[64];
	int share;			/* -1: not said */
};

static void read_object_json(const char *arg, struct backend *b)
{
	json_t *o = json_loads(arg, 0, NULL), *share = json_object_get(o, "share");
	const char *type = json_string_value(json_object_get(o, "qom-type"));
	const char *id = json_string_value(json_object_get(o, "id"));

	snprintf(b->type, sizeof(b->type), "%s", type ? type : "");
	snprintf(b->id, sizeof(b->id), "%s", id ? id : "");
	if (json_is_boolean(share))
		b->share = json_is_true(share);
	json_decref(o);
}

static void read_object(const char *arg, struct backend *b)
{
	char name[64], value[1024];
	bool has_value, first = true;

	*b = (struct backend){ .share = -1 };
	if (arg[0] == '{') {
		read_object_json(arg, b);
		return;
	}
	for (; list_next(&arg, name, sizeof(name), value, sizeof(value), &has_value); first = false) {
		if ((!has_value && first) || (has_value && !strcmp(name, "qom-type")))
			snprintf(b->type, sizeof(b->type), "%.63s", has_value ? value : name);
		else if (has_value && !strcmp(name, "id"))
			snprintf(b->id, sizeof(b->id), "%.63s", value);
		else if (has_value && !strcmp(name, "share"))
			b->share = !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true") ||
				   !strcmp(value, "y");
	}
}

/* Guest memory that is private here would be other memory in hvnetd, and QEMU does not notice. */
static bool check_backend(struct reader *r, const char *id)
{
	for (int i = 0; i + 1 < r->n; i++) {
		struct backend b;

		if (!is(r->args[i], "object"))
			continue;
		read_object(r->args[++i], &b);
		if (strcmp(b.id, id) != 0 || strncmp(b.type, "memory-backend-", 15) != 0)
			continue;
		if (b.share < 0)	/* QEMU's defaults */
			b.share = !strcmp(b.type, "memory-backend-memfd") || !strcmp(b.type, "memory-backend-shm");
		if (!strcmp(b.type, "memory-backend-ram"))
			return fail(r, "the guest's memory %s is a memory-backend-ram, which has no file to share; "
				    "make it a memory-backend-memfd,share=on", id);
		if (!b.share)
			return fail(r, "the guest's memory %s is not shared, so hvnetd would see other memory than the "
				    "guest; add share=on to -object %s,id=%s", id, b.type, id);
		return true;
	}
	return fail(r, "no -object memory-backend-... among the arguments has the id %s", id);
}

static bool check_memory(struct reader *r)
{
	for (unsigned i = 0; i < r->num_node_backends; i++)
		if (!check_backend(r, r->node_backends[i]))
			return false;
	if (r->machine_backend && !check_backend(r, r->machine_backend))
		return false;
	r->out->own_memory = r->machine_backend || r->num_node_backends;
	return true;
}

/* The options with a value that matter here. */
static bool read_one(struct reader *r, const char *option, const char *value)
{
	if (is(option, "m"))
		return read_memory(r, value);
	if (is(option, "smp"))
		return read_smp(r, value);
	if (is(option, "name"))
		read_name(r, value);
	else if (is(option, "machine") || is(option, "M"))
		read_machine(r, value);
	else if (is(option, "accel"))
		r->out->kvm |= !strncmp(value, "kvm", 3);
	else if (is(option, "numa"))
		return read_numa(r, value);
	else if (is(option, "nic") || is(option, "net") || is(option, "netdev"))
		r->out->own_network = true;
	else if (is(option, "mem-path"))
		return fail(r, "-mem-path makes memory that is not shared; use -object "
			    "memory-backend-file,id=ram,size=...,mem-path=%s,share=on -machine memory-backend=ram", value);
	return true;
}

bool args_read(char *const *args, int n, struct guest *out, char *error, size_t error_bytes)
{
	static const char *const with_value[] = { "m", "smp", "name", "machine", "M", "numa", "nic", "net", "netdev",
						  "mem-path", "accel", "object", "device", "drive", "append", "kernel",
						  "initrd" };
	struct reader r = { .args = args, .n = n, .out = out, .error = error, .error_bytes = error_bytes };

	*out = (struct guest){ .memory_bytes = DEFAULT_MEMORY, .vcpus = 1 };
	for (int i = 0; i < n; i++) {
		bool value = false;

		if (is(args[i], "daemonize"))
			return fail(&r, "-daemonize: hvnet-qemu must stay with QEMU, because the adapters end with it; run "
				    "hvnet-qemu itself in the background");
		if (is(args[i], "nodefaults"))
			out->own_network = true;
		out->kvm |= is(args[i], "enable-kvm");
		for (size_t k = 0; k < sizeof(with_value) / sizeof(with_value[0]); k++)
			value |= is(args[i], with_value[k]);
		if (!value)
			continue;
		if (i + 1 == n)
			return fail(&r, "%s needs a value", args[i]);
		i++;	/* a value may look like an option */
		if (!read_one(&r, args[i - 1], args[i]))
			return false;
	}
	return check_memory(&r);
}

/* Building. */

struct builder {
	char **argv;
	size_t used, capacity;
	bool failed;
};

static void add(struct builder *b, const char *text)
{
	if (b->used + 1 >= b->capacity) {
		size_t capacity = b->capacity ? b->capacity * 2 : 64;
		char **p = realloc(b->argv, capacity * sizeof(*p));

		if (!p) {
			b->failed = true;
			return;
		}
		b->argv = p;
		b->capacity = capacity;
	}
	b->argv[b->used] = strdup(text);
	b->failed |= !b->argv[b->used];
	b->argv[++b->used] = NULL;
}

static void add_device(struct builder *b, const char *id, const char *path)
{
	json_t *device = json_pack("{s:s, s:s, s:{s:s, s:s}}", "driver", "vfio-user-pci", "id", id, "socket", "type", "unix",
				   "path", path);
	char *text = json_dumps(device, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(device);
	add(b, "-device");
	if (text)
		add(b, text);
	b->failed |= !text;
	free(text);
}

char **args_build(const char *qemu, char *const *args, int n, const struct guest *guest,
		  const struct devices *devices)
{
	struct builder b = { 0 };
	char text[128];

	add(&b, qemu);
	if (!guest->own_memory) {
		snprintf(text, sizeof(text), "memory-backend-memfd,id=" RAM_ID ",size=%" PRIu64 ",share=on",
			 guest->memory_bytes);
		add(&b, "-object");
		add(&b, text);
		add(&b, "-machine");	/* QEMU puts all -machine together */
		add(&b, "memory-backend=" RAM_ID);
	}
	if (!guest->own_network) {	/* the adapter that QEMU gives every guest without being asked */
		add(&b, "-nic");
		add(&b, "none");
	}
	for (int i = 0; i < n; i++)
		add(&b, args[i]);
	/*
	 * With one processor and no place for another, TCG takes the guest to be alone with its memory: its locked
	 * instructions are not atomic then and its barriers nothing (QEMU's accel/tcg: CF_PARALLEL). The rings are shared with us.
	 */
	if (guest->vcpus == 1 && !guest->own_smp && !guest->kvm) {
		add(&b, "-smp");	/* QEMU puts all -smp together */
		add(&b, "cpus=1,maxcpus=2");
	}
	if (devices->bridge)
		add_device(&b, "hvnet-bridge", devices->bridge);
	for (unsigned i = 0; i < devices->num_emulated; i++) {
		snprintf(text, sizeof(text), "hvnet-nic%u", i);
		add_device(&b, text, devices->emulated[i]);
	}
	if (!b.failed)
		return b.argv;
	args_free(b.argv);
	return NULL;
}

void args_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}

char *args_quote(const char *arg)
{
	size_t n = strlen(arg);
	size_t used = 0;
	char *text;

	if (n && strspn(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-") == n)
		return strdup(arg);
	text = calloc(4, n + 1);	/* each quote becomes '\'', and two are around */
	if (!text)
		return NULL;
	text[used++] = '\'';
	for (; *arg; arg++) {
		if (*arg == '\'')
			used += (size_t)sprintf(text + used, "'\\''");
		else
			text[used++] = *arg;
	}
	text[used] = '\'';
	return text;
}
