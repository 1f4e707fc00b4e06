/* SPDX-License-Identifier: MIT */
/*
 * The program: asks hvnetd for a VM and its adapters, runs QEMU on them. The VM is scoped to our
 * connection, so it ends with us, whatever way that happens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvnet-qemu/args.h"
#include "hvnet-qemu/find.h"
#include "hvnet-qemu/options.h"
#include "hvnet-qemu/run.h"
#include "hvnetctl/hvnetctl.h"

enum {
	EXIT_USAGE = 2,
	EXIT_DAEMON = 125,
	EXIT_NO_QEMU = 127,
};

/* Where the VM's functions are. */
struct sockets {
	char *bridge;			/* owned, as all; NULL: no adapter needs it */
	char *emulated[MAX_NICS];
	unsigned num_emulated;
};

static void sockets_free(struct sockets *s)
{
	free(s->bridge);
	for (unsigned i = 0; i < s->num_emulated; i++)
		free(s->emulated[i]);
}

static char **build(const char *qemu, const struct options *o, const struct guest *guest, const struct sockets *s)
{
	struct devices devices = { s->bridge, (const char *const *)s->emulated, s->num_emulated };

	return args_build(qemu, o->qemu_args, o->num_qemu_args, guest, &devices);
}

static json_t *nic_params(const struct nic *nic, const char *vm)
{
	json_t *p = json_pack("{s:s, s:s, s:s}", "vm", vm, "switch", nic->switch_name, "kind",
			      nic->kind == NIC_EMULATED ? "emulated" : "synthetic");

	if (p && nic->mac[0])
		json_object_set_new(p, "mac", json_string(nic->mac));
	if (p && nic->name[0])
		json_object_set_new(p, "name", json_string(nic->name));
	if (p && nic->model[0])
		json_object_set_new(p, "model", json_string(nic->model));
	if (p && nic->mtu)
		json_object_set_new(p, "mtu", json_integer(nic->mtu));
	return p ? p : json_object();
}

static char *copy_socket(const json_t *object)
{
	const char *path = json_string_value(json_object_get(object, "socket"));

	return path ? strdup(path) : NULL;
}

static int make_nic(struct hvnet_client *client, const struct nic *nic, const char *vm, struct sockets *out,
		    struct hvnet_error *err)
{
	json_t *adapter = hvnet_call(client, "adapter.add", nic_params(nic, vm), err);
	char *socket = copy_socket(adapter);

	json_decref(adapter);
	if (!socket)
		return -1;
	if (nic->kind == NIC_EMULATED) {
		out->emulated[out->num_emulated++] = socket;
	} else {
		free(out->bridge);
		out->bridge = socket;	/* the VM's, for all */
	}
	return 0;
}

static int make_vm(struct hvnet_client *client, const struct options *o, const char *name, unsigned vcpus,
		   struct sockets *out, struct hvnet_error *err)
{
	json_t *vm = hvnet_call(client, "vm.add", json_pack("{s:s, s:i, s:b}", "name", name, "vcpus", (int)vcpus, "scoped", 1),
				err);

	if (!vm)
		return -1;
	json_decref(vm);
	for (unsigned i = 0; i < o->num_nics; i++)
		if (make_nic(client, &o->nics[i], name, out, err))
			return -1;
	return 0;
}

static int run_qemu(const struct options *o, const struct guest *guest, const char *name)
{
	struct hvnet_client *client = NULL;
	struct hvnet_error err = { 0 };
	struct sockets sockets = { 0 };
	char error[1536], **argv = NULL;
	char *qemu = qemu_find(o->qemu, error, sizeof(error));
	int status = EXIT_DAEMON;

	if (!qemu) {
		fprintf(stderr, "hvnet-qemu: %s\n", error);
		return EXIT_NO_QEMU;
	}
	if (hvnet_connect(o->socket, &client, &err) || make_vm(client, o, name, guest->vcpus, &sockets, &err))
		fprintf(stderr, "hvnet-qemu: %s\n", err.message);
	else if (!(argv = build(qemu, o, guest, &sockets)))
		fprintf(stderr, "hvnet-qemu: out of memory\n");
	else
		status = run_child(argv, hvnet_client_fd(client));
	args_free(argv);
	sockets_free(&sockets);
	free(qemu);
	hvnet_disconnect(client);
	return status;
}

/* Where hvnetd makes its sockets, from its own mouth if it runs. To be freed. */
static char *runtime_dir(const struct options *o)
{
	struct hvnet_client *client = NULL;
	struct hvnet_error err;
	json_t *version = NULL;
	const char *dir;
	char *copy;

	if (!hvnet_connect(o->socket, &client, &err))
		version = hvnet_call(client, "version", NULL, &err);
	dir = json_string_value(json_object_get(version, "runtime_dir"));
	copy = strdup(dir ? dir : "/run/hvnet");
	json_decref(version);
	hvnet_disconnect(client);
	return copy;
}

static bool is_taken(char names[][64], unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* The name that hvnetd gives to adapter n: its own, or the first of nic0, nic1, … that is free then. */
static void nic_name(const struct options *o, unsigned n, char names[][64])
{
	char *name = names[n];

	snprintf(name, sizeof(names[n]), "%s", o->nics[n].name);
	for (unsigned k = 0; !name[0] || (!o->nics[n].name[0] && is_taken(names, n, name)); k++)
		snprintf(name, sizeof(names[n]), "nic%u", k);
}

/* What the sockets will be called; hvnetd(8) says how. */
static bool guess_sockets(const struct options *o, const char *vm, struct sockets *out)
{
	char *dir = runtime_dir(o), names[MAX_NICS][64];
	bool ok = dir;

	for (unsigned i = 0; ok && i < o->num_nics; i++) {
		nic_name(o, i, names);
		if (o->nics[i].kind == NIC_EMULATED) {
			char **to = &out->emulated[out->num_emulated];

			ok = asprintf(to, "%s/vm-%s:%s", dir, vm, names[i]) >= 0;
			out->num_emulated += ok;
		} else if (!out->bridge) {
			ok = asprintf(&out->bridge, "%s/vm-%s", dir, vm) >= 0;
			out->bridge = ok ? out->bridge : NULL;
		}
	}
	free(dir);
	return ok;
}

/* What has to be there before the printed command is run by hand. */
static void print_preparation(const struct options *o, const struct guest *guest, const char *name)
{
	fprintf(stderr, "# before: hvnetctl vm add %s --vcpus %u\n", name, guest->vcpus);
	for (unsigned i = 0; i < o->num_nics; i++) {
		const struct nic *nic = &o->nics[i];
		char *quoted = args_quote(nic->switch_name);

		fprintf(stderr, "#         hvnetctl adapter add --vm %s --switch %s", name, quoted ? quoted : "?");
		fprintf(stderr, "%s%s%s%s%s", nic->kind == NIC_EMULATED ? " --kind emulated" : "", nic->model[0] ? " --model " : "",
			nic->model, nic->mac[0] ? " --mac " : "", nic->mac);
		fprintf(stderr, "%s%s\n", nic->name[0] ? " --name " : "", nic->name);
		free(quoted);
	}
}

static int print_command(const struct options *o, const struct guest *guest, const char *name)
{
	struct sockets sockets = { 0 };
	char error[1536], **argv = NULL;
	char *qemu = qemu_find(o->qemu, error, sizeof(error));

	if (guess_sockets(o, name, &sockets))
		argv = build(qemu ? qemu : "qemu-system-x86_64", o, guest, &sockets);
	sockets_free(&sockets);
	free(qemu);
	if (!argv) {
		fprintf(stderr, "hvnet-qemu: out of memory\n");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; argv[i]; i++) {
		char *quoted = args_quote(argv[i]);

		printf("%s%s", i ? " " : "", quoted ? quoted : "?");
		free(quoted);
	}
	putchar('\n');
	args_free(argv);
	print_preparation(o, guest, name);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options o;
	struct guest guest;
	char error[512], made_up[32];
	const char *name;

	if (!options_parse(argc, argv, &o, error, sizeof(error))) {
		fprintf(stderr, "hvnet-qemu: %s\nTry 'hvnet-qemu --help'.\n", error);
		return EXIT_USAGE;
	}
	if (o.help) {
		options_print_help();
		return EXIT_SUCCESS;
	}
	if (o.version) {
		puts("hvnet-qemu 0.1.0");
		return EXIT_SUCCESS;
	}
	if (!args_read(o.qemu_args, o.num_qemu_args, &guest, error, sizeof(error))) {
		fprintf(stderr, "hvnet-qemu: %s\n", error);
		return EXIT_USAGE;
	}
	snprintf(made_up, sizeof(made_up), "qemu-%d", (int)getpid());
	name = o.vm ? o.vm : guest.name[0] ? guest.name : made_up;
	return o.print ? print_command(&o, &guest, name) : run_qemu(&o, &guest, name);
}
