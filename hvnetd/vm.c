/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/vmbus.h"

static int check_delete(struct object *o, struct rpc_error *err)
{
	const struct object *a;

	OBJECT_FOREACH(a, o->d, OBJECT_ADAPTER)
		if (!strcmp(object_string(a, "vm"), o->key)) {
			rpc_fail(err, RPC_IN_USE, "vm", "VM %s has the adapter %s", o->key, a->key);
			return rpc_detail(err, "by", "adapter %s", a->key);
		}
	return 0;
}

int vm_check(struct object *o, struct rpc_error *err)
{
	if (!o->config)
		return check_delete(o, err);
	if (!name_is_plain(o->key))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a VM's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	if (o->d->objects.num[OBJECT_VM] > HVNETD_MAX_VMS)
		return rpc_fail(err, RPC_NO_RESOURCES, "vm", "there are %d VMs, the limit", HVNETD_MAX_VMS);
	return 0;
}

static int open_bridge(struct vm *vm, struct rpc_error *err)
{
	struct hvnetd *d = vm->o.d;
	int ret;

	if (asprintf(&vm->socket, "%s/vm-%s", d->options->runtime_dir, vm->o.key) < 0) {
		vm->socket = NULL;
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	}
	if (strlen(vm->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"the socket's path %s is longer than the kernel takes; give the VM a shorter name",
				vm->socket);
	ret = vmbus_bridge_create(d->worker.loop, vm->o.key, vm->socket, 0600,
				  (uint32_t)json_integer_value(json_object_get(vm->o.config, "vcpus")), &vm->bridge);
	if (!ret) {
		vfu_dev_watch(vmbus_bridge_function(vm->bridge), vm_changed, vm);
		return 0;
	}
	vm->bridge = NULL;
	if (ret == -EADDRINUSE)
		return rpc_fail(err, RPC_IN_USE, "vm", "somebody else serves %s; another hvnetd with the same "
				"--runtime-dir?", vm->socket);
	return rpc_fail(err, RPC_FAILED, "vm", "cannot make the bridge on %s: %s", vm->socket, strerror(-ret));
}

static void close_bridge(struct vm *vm)
{
	if (vm->bridge)
		vfu_dev_watch(vmbus_bridge_function(vm->bridge), NULL, NULL);
	vmbus_bridge_destroy(vm->bridge);
	vm->bridge = NULL;
	free(vm->socket);
	vm->socket = NULL;
}

int vm_realize(struct object *o, struct rpc_error *err)
{
	struct vm *vm = hv_container_of(o, struct vm, o);

	if (!o->config) {
		if (vm->bridge)
			hv_log(HV_LOG_INFO, "%s: deleted", o->key);
		close_bridge(vm);
		return 0;
	}
	if (vm->bridge) {
		rpc_fail(err, RPC_STATE, "vcpus", "VM %s is there already: delete it to give it another number of processors",
			 o->key);
		return rpc_detail(err, "state", "made");
	}
	if (open_bridge(vm, err)) {
		close_bridge(vm);
		return -1;
	}
	hv_log(HV_LOG_INFO, "%s: added, %s", o->key, vm->socket);
	return 0;
}
