/* SPDX-License-Identifier: MIT */
/* Rows of the API: virtual machines and their adapters. */
#include "api/api.h"

static const char *const kinds[] = { "synthetic", "emulated", NULL };
static const char *const models[] = { "82540em", "82545em", "82544gc", NULL };

#define VM F_NAME("vm", NEED, "the virtual machine, by name or GUID")
#define ADAPTER F_REFERENCE("adapter", NEED, "the adapter: VM/NAME or GUID")
#define PLACE \
	F_STRING("switch", MAY, 0, 2 * HVNETD_NAME_BYTES - 1, "the switch that it is on; \"\": none"), \
	F_REFERENCE("port", MAY, "a port made with port.create to be on, SWITCH/PORT, instead of one of its own")
#define ADAPTER_FORM \
	F_ENUM("kind", MAY, kinds, "synthetic (NetVSP; the default) or emulated (Intel 8254x)"), \
	F_MAC("mac", MAY, "permanent address; follows from the host and the names unless given"), \
	F_INT("mtu", MAY, 1500, 9202, "synthetic: the largest that the guest may set"), \
	F_ENUM("model", MAY, models, "emulated: 82540em unless given"), \
	F_ENUM("link", MAY, api_link_states, "the cable, as administered")

const struct field api_vm_config[] = {
	F_NAME("name", NEED, "name"),
	F_INT("vcpus", NEED, 1, API_VCPUS_MAX, "virtual processors of its guest at most"),
	FIELD_END
};

const struct field api_adapter_config[] = {
	F_NAME("vm", NEED, "the virtual machine"),
	F_NAME("name", NEED, "name, unique in the VM"),
	ADAPTER_FORM,
	F_REFERENCE("switch", MAY, "the switch that it is on"),
	F_REFERENCE("port", MAY, "the port of port.create that it is on, SWITCH/PORT"),
	F_OBJECT("policy", MAY, api_policy, "policies of its port"),
	F_OBJECTS("acl", MAY, 65536, api_acl_entry, "ACL of its port"),
	F_OBJECTS("fdb", MAY, 1024, api_fdb_entry, "addresses that stay behind its port"),
	FIELD_END
};

static const struct field vm_add_params[] = {
	F_NAME("name", MAY, "letters, digits and . _ + -; made up unless given"),
	F_INT("vcpus", NEED, 1, API_VCPUS_MAX, "virtual processors of its guest at most"),
	F_BOOL("scoped", MAY, "it ends with this connection, and is not stored"),
	FIELD_END
};

static const struct field vm_params[] = { VM, FIELD_END };
static const struct field maybe_vm_params[] = { F_NAME("vm", MAY, "only this one"), PAGE_PARAMS, FIELD_END };

static const struct field adapter_add_params[] = {
	VM,
	F_NAME("name", MAY, "nic0, nic1, … unless given"),
	ADAPTER_FORM,
	PLACE,
	F_OBJECT("policy", MAY, api_policy, "policies of its port"),
	FIELD_END
};

static const struct field adapter_params[] = { ADAPTER, FIELD_END };

static const struct field adapter_set_params[] = {
	ADAPTER,
	F_ENUM("link", MAY, api_link_states, "pull the cable out, or put it in"),
	F_MAC("mac", MAY, "another permanent address, while no guest has the adapter"),
	PLACE,
	FIELD_END
};

static const struct field adapter_connect_params[] = { ADAPTER, PLACE, FIELD_END };

static const struct field adapter_list_params[] = {
	F_REFERENCE("adapter", MAY, "only this one"),
	F_NAME("vm", MAY, "only those of this VM"),
	F_REFERENCE("switch", MAY, "only those on this switch"),
	PAGE_PARAMS,
	FIELD_END
};

/* Results. */

static const struct field vm_result[] = {
	F_NAME("name", NEED, "name"),
	F_STRING("guid", NEED, 36, 36, "unique id"),
	F_INT("vcpus", NEED, 1, API_VCPUS_MAX, "virtual processors at most"),
	F_STRING("socket", NEED, 1, 4096, "where its QEMU attaches for synthetic adapters"),
	F_BOOL("scoped", NEED, "whether it ends with a connection"),
	F_COUNT("owner_pid", MAY, "process at the other end of that connection"),
	F_BOOL("attached", NEED, "whether a QEMU has its VMBus bridge"),
	F_COUNT("qemu_pid", MAY, "that QEMU's process"),
	F_STRING("vmbus_version", MAY, 1, 16, "that the guest has negotiated"),
	F_STRING("guest_os_id", MAY, 1, 24, "what the guest says it is"),
	F_STRINGS("adapters", NEED, 0, 16, 2 * HVNETD_NAME_BYTES, "their ids"),
	FIELD_END
};

static const struct field vms_result[] = { PAGE_RESULT("vms", vm_result, "the virtual machines"), FIELD_END };

static const struct field adapter_result[] = {
	F_STRING("id", NEED, 1, 2 * HVNETD_NAME_BYTES, "VM/NAME"),
	F_STRING("guid", NEED, 36, 36, "unique id; of a synthetic adapter its VMBus instance in the guest"),
	F_NAME("vm", NEED, "the virtual machine"),
	F_NAME("name", NEED, "name"),
	F_ENUM("kind", NEED, kinds, "synthetic or emulated"),
	F_ENUM("model", MAY, models, "of an emulated one"),
	F_NAME("switch", MAY, "the switch that it is configured to be on"),
	F_STRING("mac", NEED, 17, 17, "permanent address"),
	F_ENUM("link", NEED, api_link_states, "the cable, as administered"),
	F_BOOL("attached", NEED, "whether a QEMU has it"),
	F_BOOL("open", NEED, "whether the guest's driver uses it"),
	F_INT("port", MAY, 0, UINT32_MAX, "number of its port while it has one"),
	F_STRING("port_name", MAY, 1, 2 * HVNETD_NAME_BYTES, "and the port's name"),
	F_ENUM("nic", NEED, api_nic_states, "the NIC on the switch"),
	F_BOOL("active", NEED, "there is an active connection: frames may flow"),
	F_STRING("why", MAY, 0, 255, "why it has no port, although it should"),
	F_ANY("guest", MAY, "what was negotiated with the guest's driver, or what the driver has set up"),
	F_STRING("socket", NEED, 1, 4096, "where the guest's QEMU attaches for it"),
	FIELD_END
};

static const struct field adapters_result[] = { PAGE_RESULT("adapters", adapter_result, "the adapters"), FIELD_END };
static const struct field nothing[] = { FIELD_END };

const struct rpc_method api_adapter_methods[] = {
	{ "vm.add", "make a virtual machine's socket", RPC_CHANGES, vm_add_params, vm_result },
	{ "vm.del", "delete it and its adapters", RPC_CHANGES, vm_params, nothing },
	{ "vm.list", "the virtual machines", RPC_PAGED, maybe_vm_params, vms_result },
	{ "adapter.add", "give a virtual machine an adapter", RPC_CHANGES, adapter_add_params, adapter_result },
	{ "adapter.del", "take it away, while the guest runs", RPC_CHANGES, adapter_params, nothing },
	{ "adapter.set", "change an adapter", RPC_CHANGES, adapter_set_params, adapter_result },
	{ "adapter.connect", "put it on a switch or port", RPC_CHANGES, adapter_connect_params, adapter_result },
	{ "adapter.disconnect", "take it off its switch", RPC_CHANGES, adapter_params, adapter_result },
	{ "adapter.list", "the adapters", RPC_PAGED, adapter_list_params, adapters_result },
	{ "adapter.get", "one adapter", 0, adapter_params, adapter_result },
};
const size_t api_num_adapter_methods = sizeof(api_adapter_methods) / sizeof(api_adapter_methods[0]);
