/* SPDX-License-Identifier: MIT */
/* The method "stats": every counter there is, by name, those that are zero included. */
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

static void put(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

static json_t *drops(const uint64_t n[VSWITCH_DROPS])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < VSWITCH_DROPS; i++)
		put(o, vswitch_drop_name((enum vswitch_drop)i), n[i]);
	return o;
}

static json_t *port_stats(const struct hvnetd_switch *sw, const struct vswitch_port *port)
{
	struct vswitch_port_stats st;
	json_t *o = json_object();

	vswitch_port_stats(port, &st);
	json_object_set_new(o, "switch", json_string(sw->name));
	json_object_set_new(o, "port", json_string(vswitch_port_name(port)));
	put(o, "id", vswitch_port_id(port));
	put(o, "in_frames", st.in_frames);
	put(o, "in_bytes", st.in_bytes);
	put(o, "out_frames", st.out_frames);
	put(o, "out_bytes", st.out_bytes);
	put(o, "flooded", st.flooded);
	put(o, "pauses", st.pauses);
	json_object_set_new(o, "in_dropped", drops(st.in_dropped));
	json_object_set_new(o, "out_dropped", drops(st.out_dropped));
	return o;
}

static json_t *all_ports(const struct hvnetd *d)
{
	const struct hvnetd_switch *sw;
	struct vswitch_port *port;
	json_t *list = json_array();

	TAILQ_FOREACH(sw, &d->switches, link)
		for (port = vswitch_next_port(sw->sw, NULL); port; port = vswitch_next_port(sw->sw, port))
			json_array_append_new(list, port_stats(sw, port));
	return list;
}

static json_t *adapter_stats(const struct adapter *a)
{
	char id[2 * HVNETD_NAME_BYTES];
	json_t *counters = json_object();
	const char *name;
	uint64_t value;

	for (unsigned n = 0; adapter_counter(a, n, &name, &value); n++)
		put(counters, name, value);
	adapter_id(a, id);
	return json_pack("{s:s, s:o}", "id", id, "counters", counters);
}

static json_t *vm_stats(struct vm *vm)
{
	json_t *bus = json_object(), *function = json_object(), *adapters = json_array();
	const struct adapter *a;
	const char *name;
	uint64_t value;

	for (unsigned n = 0; vmbus_counter(vmbus_bridge_bus(vm->bridge), n, &name, &value); n++)
		put(bus, name, value);
	for (unsigned n = 0; vfu_dev_counter(vmbus_bridge_function(vm->bridge), n, &name, &value); n++)
		put(function, name, value);
	TAILQ_FOREACH(a, &vm->adapters, link)
		json_array_append_new(adapters, adapter_stats(a));
	return json_pack("{s:s, s:o, s:o, s:o}", "name", vm->name, "vmbus", bus, "vfio_user", function, "adapters",
			 adapters);
}

json_t *method_stats(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	struct hv_loop_stats loop;
	json_t *vms = json_array(), *worker = json_object();
	struct vm *vm;

	hv_loop_stats(d->worker.loop, &loop);
	put(worker, "index", d->worker.index);
	put(worker, "rounds", loop.rounds);
	put(worker, "sleeps", loop.sleeps);
	put(worker, "enters", loop.enters);
	TAILQ_FOREACH(vm, &d->vms, link)
		json_array_append_new(vms, vm_stats(vm));
	return json_pack("{s:[o], s:o, s:o, s:{s:i}}", "workers", worker, "ports", all_ports(d), "vms", vms, "control",
			 "connections", (int)control_clients(d->control));
}
