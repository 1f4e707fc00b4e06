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

static json_t *nic_params(const struct nic *nic, const char *vm)
{
	json_t *p = json_pack("{s:s, s:s, s:s}", "vm", vm, "switch", nic->switch_name, "kind", "synthetic");

	if (p && nic->mac[0])
		json_object_set_new(p, "mac", json_string(nic->mac));
	if (p && nic->name[0])
		json_object_set_new(p, "name", json_string(nic->name));
	if (p && nic->mtu)
		json_object_set_new(p, "mtu", json_integer(nic->mtu));
	return p ? p : json_object();
}

/* The VM's socket, to be freed; NULL with err. */
static char *make_vm(struct hvnet_client *client, const struct options *o, const char *name, unsigned vcpus,
		     struct hvnet_error *err)
{
	json_t *vm = hvnet_call(client, "vm.add", json_pack("{s:s, s:i, s:b}", "name", name, "vcpus", (int)vcpus, "scoped", 1),
				err);
	const char *path = json_string_value(json_object_get(vm, "socket"));
	char *socket = path ? strdup(path) : NULL;

	json_decref(vm);
	for (unsigned i = 0; socket && i < o->num_nics; i++) {
		json_t *adapter = hvnet_call(client, "adapter.add", nic_params(&o->nics[i], name), err);

		if (!adapter) {
			free(socket);
			return NULL;
		}
		json_decref(adapter);
	}
	return socket;
}

static int run_qemu(const struct options *o, const struct guest *guest, const char *name)
{
	struct hvnet_client *client = NULL;
	struct hvnet_error err = { 0 };
	char error[1536], *socket = NULL, **argv = NULL;
	char *qemu = qemu_find(o->qemu, error, sizeof(error));
	int status = EXIT_DAEMON;

	if (!qemu) {
		fprintf(stderr, "hvnet-qemu: %s\n", error);
		return EXIT_NO_QEMU;
	}
	if (!hvnet_connect(o->socket, &client, &err))
		socket = make_vm(client, o, name, guest->vcpus, &err);
	if (!socket)
		fprintf(stderr, "hvnet-qemu: %s\n", err.message);
	else if (!(argv = args_build(qemu, o->qemu_args, o->num_qemu_args, guest, socket)))
		fprintf(stderr, "hvnet-qemu: out of memory\n");
	else
		status = run_child(argv, hvnet_client_fd(client));
	args_free(argv);
	free(socket);
	free(qemu);
	hvnet_disconnect(client);
	return status;
}

/* Where hvnetd makes the VM's socket, from its own mouth if it runs. */
static void guess_socket(const struct options *o, const char *name, char *path, size_t bytes)
{
	struct hvnet_client *client = NULL;
	struct hvnet_error err;
	json_t *version = NULL;
	const char *dir;

	if (!hvnet_connect(o->socket, &client, &err))
		version = hvnet_call(client, "version", NULL, &err);
	dir = json_string_value(json_object_get(version, "runtime_dir"));
	snprintf(path, bytes, "%s/vm-%s", dir ? dir : "/run/hvnet", name);
	json_decref(version);
	hvnet_disconnect(client);
}

static int print_command(const struct options *o, const struct guest *guest, const char *name)
{
	char path[512], error[1536];
	char *qemu = qemu_find(o->qemu, error, sizeof(error)), **argv;

	guess_socket(o, name, path, sizeof(path));
	argv = args_build(qemu ? qemu : "qemu-system-x86_64", o->qemu_args, o->num_qemu_args, guest, path);
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
	fprintf(stderr, "# before: hvnetctl vm add %s --vcpus %u, and for each adapter\n"
			"#         hvnetctl adapter add --vm %s --switch NAME\n", name, guest->vcpus, name);
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
