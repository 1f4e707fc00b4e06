/* SPDX-License-Identifier: MIT */
/*
 * Which handler is whose: a method's name with '_' for '.'. Every row of the API has one but "transaction", which change.c runs, and
 * "diag.test", which diag.c does.
 */
#include "hvnetd/methods.h"

#include <assert.h>
#include <string.h>

#include "hvnetd/rpc.h"

#define HANDLER(name) { #name, method_##name }

static const struct {
	const char *name;
	json_t *(*run)(struct rpc_call *call);
} handlers[] = {
	HANDLER(switch_create),
	HANDLER(switch_delete),
	HANDLER(switch_list),
	HANDLER(switch_get),
	HANDLER(switch_set),
	HANDLER(uplink_bind),
	HANDLER(uplink_unbind),
	HANDLER(uplink_list),
	HANDLER(hostnic_add),
	HANDLER(hostnic_del),
	HANDLER(hostnic_list),
	HANDLER(interface_list),
	HANDLER(team_set),
	HANDLER(team_member_add),
	HANDLER(team_member_del),
	HANDLER(team_member_set),
	HANDLER(team_map),
	HANDLER(vm_add),
	HANDLER(vm_del),
	HANDLER(vm_list),
	HANDLER(adapter_add),
	HANDLER(adapter_del),
	HANDLER(adapter_set),
	HANDLER(adapter_connect),
	HANDLER(adapter_disconnect),
	HANDLER(adapter_list),
	HANDLER(adapter_get),
	HANDLER(port_create),
	HANDLER(port_delete),
	HANDLER(port_set),
	HANDLER(port_list),
	HANDLER(port_get),
	HANDLER(port_validate),
	HANDLER(port_connect),
	HANDLER(port_disconnect),
	HANDLER(policy_set),
	HANDLER(policy_get),
	HANDLER(policy_clear),
	HANDLER(vlan_set),
	HANDLER(acl_add),
	HANDLER(acl_del),
	HANDLER(acl_list),
	HANDLER(acl_meter),
	HANDLER(fdb_list),
	HANDLER(fdb_add),
	HANDLER(fdb_del),
	HANDLER(fdb_flush),
	HANDLER(mcast_list),
	HANDLER(extension_list),
	HANDLER(extension_enable),
	HANDLER(extension_disable),
	HANDLER(extension_remove),
	HANDLER(extension_order),
	HANDLER(extension_status),
	HANDLER(capture_start),
	HANDLER(capture_stop),
	HANDLER(capture_list),
	HANDLER(stats_get),
	HANDLER(audit),
	HANDLER(job_get),
	HANDLER(job_list),
	HANDLER(job_cancel),
	HANDLER(event_subscribe),
	HANDLER(event_unsubscribe),
	HANDLER(config_show),
	HANDLER(config_diff),
	HANDLER(config_apply),
	HANDLER(topology),
	HANDLER(version),
};

enum { NUM_HANDLERS = sizeof(handlers) / sizeof(handlers[0]) };

static bool is_for(const char *handler, const char *method)
{
	for (; *handler && (*handler == *method || (*handler == '_' && *method == '.')); handler++)
		method++;
	return *handler == *method;
}

static size_t find(const char *method)
{
	size_t i = 0;

	while (i < NUM_HANDLERS && !is_for(handlers[i].name, method))
		i++;
	return i;
}

bool methods_have(const struct rpc_method *method)
{
	return find(method->name) < NUM_HANDLERS;
}

json_t *methods_run(struct rpc_call *call)
{
	size_t i = find(call->method->name);

	assert(i < NUM_HANDLERS);
	return handlers[i].run(call);
}
