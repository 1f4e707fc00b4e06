/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "vmbus/vmbus.h"

static struct vm *vm_lookup(struct hvnetd *d, const char *name)
{
	struct vm *vm;

	TAILQ_FOREACH(vm, &d->vms, link)
		if (!strcmp(vm->name, name))
			return vm;
	return NULL;
}

struct vm *hvnetd_vm_find(struct hvnetd *d, const char *name, struct rpc_error *err)
{
	struct vm *vm = vm_lookup(d, name);

	if (!vm)
		rpc_fail(err, RPC_NOT_FOUND, "vm", "there is no VM \"%s\"; `hvnetctl vm show` lists them", name);
	return vm;
}

static void make_up_name(struct hvnetd *d, char name[HVNETD_NAME_BYTES])
{
	do
		snprintf(name, HVNETD_NAME_BYTES, "vm%" PRIu64, ++d->vms_made);
	while (vm_lookup(d, name));
}

static void vm_free(struct hvnetd *d, struct vm *vm)
{
	struct adapter *a;

	while ((a = TAILQ_FIRST(&vm->adapters)))
		adapter_del(a);
	vmbus_bridge_destroy(vm->bridge);
	TAILQ_REMOVE(&d->vms, vm, link);
	d->num_vms--;
	free(vm->socket);
	free(vm);
}

static int vm_open(struct hvnetd *d, struct vm *vm, struct rpc_error *err)
{
	int ret;

	if (asprintf(&vm->socket, "%s/vm-%s", d->options->runtime_dir, vm->name) < 0) {
		vm->socket = NULL;
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	}
	if (strlen(vm->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"the socket's path %s is longer than the kernel takes; give the VM a shorter name",
				vm->socket);
	ret = vmbus_bridge_create(d->worker.loop, vm->name, vm->socket, 0600, vm->vcpus, &vm->bridge);
	if (!ret)
		return 0;
	vm->bridge = NULL;
	if (ret == -EADDRINUSE)
		return rpc_fail(err, RPC_IN_USE, "vm", "somebody else serves %s; another hvnetd with the same "
				"--runtime-dir?", vm->socket);
	return rpc_fail(err, RPC_FAILED, "vm", "cannot make the bridge on %s: %s", vm->socket, strerror(-ret));
}

int hvnetd_vm_add(struct hvnetd *d, const char *name, uint32_t vcpus, struct control_client *scope,
		  struct vm **out, struct rpc_error *err)
{
	struct vm *vm;

	if (name && !name_is_plain(name))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a VM's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	if (name && (vm = vm_lookup(d, name)))
		return rpc_fail(err, RPC_IN_USE, "name", "there is a VM \"%s\" already%s", name,
				vm->scope ? "; it ends with the hvnet-qemu that made it" : "");
	if (d->num_vms == HVNETD_MAX_VMS)
		return rpc_fail(err, RPC_NO_RESOURCES, "vm", "there are %d VMs, the limit", HVNETD_MAX_VMS);
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	TAILQ_INIT(&vm->adapters);
	vm->vcpus = vcpus;
	vm->scope = scope;
	if (name)
		strcpy(vm->name, name);
	else
		make_up_name(d, vm->name);
	TAILQ_INSERT_TAIL(&d->vms, vm, link);
	d->num_vms++;
	if (vm_open(d, vm, err)) {
		vm_free(d, vm);
		return -1;
	}
	hv_log(HV_LOG_INFO, "%s: added, %" PRIu32 " vCPUs, %s", vm->name, vcpus, vm->socket);
	*out = vm;
	return 0;
}

void hvnetd_vm_del(struct hvnetd *d, struct vm *vm)
{
	hv_log(HV_LOG_INFO, "%s: deleted", vm->name);
	vm_free(d, vm);
}

void hvnetd_scope_gone(struct hvnetd *d, struct control_client *scope)
{
	struct vm *vm, *next;

	for (vm = TAILQ_FIRST(&d->vms); vm; vm = next) {
		next = TAILQ_NEXT(vm, link);
		if (vm->scope != scope)
			continue;
		hv_log(HV_LOG_INFO, "%s: process %d, which made it, is gone", vm->name,
		       (int)control_client_pid(scope));
		hvnetd_vm_del(d, vm);
	}
}
