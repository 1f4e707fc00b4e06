/* SPDX-License-Identifier: MIT */
/* The handlers behind the API's rows (api.h): what a request's parameters mean. On the worker's loop. */
#ifndef HVNETD_METHODS_H
#define HVNETD_METHODS_H

#include <jansson.h>

#include "hvnetd/object.h"

struct rpc_call;
struct vswitch_port;

/* Calls the handler of call->method: its result, a new reference, or NULL with call->err filled. */
json_t *methods_run(struct rpc_call *call);
/* Whether the method has one. */
bool methods_have(const struct rpc_method *method);

/* Shared by handlers. */

/* Copies those of the call's parameters that it has. */
void copy_params(json_t *to, const struct rpc_call *call, const char *const *names);
/* 0 if the call has more than the name of what is to be changed, else -1 with call->err. */
int says_nothing(struct rpc_call *call, const char *examples);
/* The switch that the parameter "switch" names. NULL with call->err. */
struct object *switch_param(struct rpc_call *call);
/* The object that "port" names. */
struct object *port_param(struct rpc_call *call);
/* The live port of what "port" names, and the object that it is of. NULL with call->err. */
struct vswitch_port *live_port(struct rpc_call *call, struct object **owner);
/* The object that has the policies of what "port" names. */
struct object *holder_param(struct rpc_call *call);
/* A list of a configuration (its ACL, its addresses): a copy to change, and the changed one (taken) in its place. */
json_t *copy_list(const struct object *o, const char *member);
json_t *put_list(struct rpc_call *call, struct object *o, const char *member, json_t *list);
/* A page of the objects of a kind, of the switch that is named or of all. */
json_t *list_objects(struct rpc_call *call, enum object_kind kind, json_t *(*show)(const struct object *o), const char *list);
/* An adapter stays, without a switch. NULL with call->err. */
struct object *adapter_disconnect(struct rpc_call *call, struct object *o);
/* A host NIC's configuration; name and interface NULL: made up. shares: the interface whose settings it takes over, or NULL. */
struct object *hostnic_put(struct rpc_call *call, const char *sw, const char *name, const char *interface, const char *shares);

/* One for each row of the table. */

json_t *method_switch_create(struct rpc_call *call);
json_t *method_switch_delete(struct rpc_call *call);
json_t *method_switch_list(struct rpc_call *call);
json_t *method_switch_get(struct rpc_call *call);
json_t *method_switch_set(struct rpc_call *call);

json_t *method_uplink_bind(struct rpc_call *call);
json_t *method_uplink_unbind(struct rpc_call *call);
json_t *method_uplink_list(struct rpc_call *call);

json_t *method_hostnic_add(struct rpc_call *call);
json_t *method_hostnic_del(struct rpc_call *call);
json_t *method_hostnic_list(struct rpc_call *call);

json_t *method_interface_list(struct rpc_call *call);

json_t *method_team_set(struct rpc_call *call);
json_t *method_team_member_add(struct rpc_call *call);
json_t *method_team_member_del(struct rpc_call *call);
json_t *method_team_member_set(struct rpc_call *call);
json_t *method_team_map(struct rpc_call *call);

json_t *method_vm_add(struct rpc_call *call);
json_t *method_vm_del(struct rpc_call *call);
json_t *method_vm_list(struct rpc_call *call);

json_t *method_adapter_add(struct rpc_call *call);
json_t *method_adapter_del(struct rpc_call *call);
json_t *method_adapter_set(struct rpc_call *call);
json_t *method_adapter_connect(struct rpc_call *call);
json_t *method_adapter_disconnect(struct rpc_call *call);
json_t *method_adapter_list(struct rpc_call *call);
json_t *method_adapter_get(struct rpc_call *call);

json_t *method_port_create(struct rpc_call *call);
json_t *method_port_delete(struct rpc_call *call);
json_t *method_port_set(struct rpc_call *call);
json_t *method_port_list(struct rpc_call *call);
json_t *method_port_get(struct rpc_call *call);
json_t *method_port_validate(struct rpc_call *call);
json_t *method_port_connect(struct rpc_call *call);
json_t *method_port_disconnect(struct rpc_call *call);

json_t *method_policy_set(struct rpc_call *call);
json_t *method_policy_get(struct rpc_call *call);
json_t *method_policy_clear(struct rpc_call *call);

json_t *method_vlan_set(struct rpc_call *call);

json_t *method_acl_add(struct rpc_call *call);
json_t *method_acl_del(struct rpc_call *call);
json_t *method_acl_list(struct rpc_call *call);
json_t *method_acl_meter(struct rpc_call *call);

json_t *method_fdb_list(struct rpc_call *call);
json_t *method_fdb_add(struct rpc_call *call);
json_t *method_fdb_del(struct rpc_call *call);
json_t *method_fdb_flush(struct rpc_call *call);

json_t *method_mcast_list(struct rpc_call *call);

json_t *method_extension_list(struct rpc_call *call);
json_t *method_extension_enable(struct rpc_call *call);
json_t *method_extension_disable(struct rpc_call *call);
json_t *method_extension_remove(struct rpc_call *call);
json_t *method_extension_order(struct rpc_call *call);
json_t *method_extension_status(struct rpc_call *call);

json_t *method_capture_start(struct rpc_call *call);
json_t *method_capture_stop(struct rpc_call *call);
json_t *method_capture_list(struct rpc_call *call);

json_t *method_stats_get(struct rpc_call *call);

json_t *method_audit(struct rpc_call *call);

json_t *method_job_get(struct rpc_call *call);
json_t *method_job_list(struct rpc_call *call);
json_t *method_job_cancel(struct rpc_call *call);

json_t *method_event_subscribe(struct rpc_call *call);
json_t *method_event_unsubscribe(struct rpc_call *call);

json_t *method_config_show(struct rpc_call *call);
json_t *method_config_diff(struct rpc_call *call);
json_t *method_config_apply(struct rpc_call *call);

json_t *method_topology(struct rpc_call *call);

json_t *method_version(struct rpc_call *call);

#endif
