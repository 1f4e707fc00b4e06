/* SPDX-License-Identifier: MIT */
/* The methods stats.get and audit: every counter there is, by name, those that are zero included; and whether they add up. */
#include <string.h>

#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
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

static json_t *port_counters(const struct vswitch_port *port)
{
	struct vswitch_port_bandwidth_status bandwidth;
	struct vswitch_acl_stats acl;
	struct vswitch_port_stats st;
	json_t *o = json_object(), *part;

	vswitch_port_stats(port, &st);
	put(o, "in_frames", st.in_frames);
	put(o, "in_bytes", st.in_bytes);
	put(o, "out_frames", st.out_frames);
	put(o, "out_bytes", st.out_bytes);
	put(o, "forwarded", st.forwarded);
	put(o, "copies", st.copies);
	put(o, "flooded", st.flooded);
	put(o, "offered", st.offered);
	put(o, "segments", st.segments);
	put(o, "injected", st.injected);
	put(o, "held", st.held);
	put(o, "pauses", st.pauses);
	put(o, "stalls", st.stalls);
	json_object_set_new(o, "in_dropped", drops(st.in_dropped));
	json_object_set_new(o, "out_dropped", drops(st.out_dropped));
	vswitch_acl_stats(port, &acl);
	part = json_object();
	put(part, "entries", acl.entries);
	put(part, "flows", acl.flows);
	put(part, "flows_opened", acl.flows_opened);
	put(part, "flows_closed", acl.flows_closed);
	put(part, "flows_expired", acl.flows_expired);
	put(part, "flows_evicted", acl.flows_evicted);
	put(part, "flows_revoked", acl.flows_revoked);
	put(part, "errors_related", acl.errors_related);
	put(part, "errors_unrelated", acl.errors_unrelated);
	json_object_set_new(o, "acl", part);
	vswitch_port_bandwidth_status(port, &bandwidth);
	part = json_object();
	put(part, "limit_pauses", bandwidth.limit_pauses);
	put(part, "uplink_bytes", bandwidth.uplink_bytes);
	put(part, "share_percent", bandwidth.share_percent);
	json_object_set_new(o, "bandwidth", part);
	return o;
}

static json_t *snooping_counters(const struct vswitch *sw)
{
	struct vswitch_snoop_stats s;
	json_t *o = json_object();

	vswitch_snoop_stats(sw, &s);
	put(o, "groups", s.groups);
	put(o, "members", s.members);
	put(o, "routers", s.routers);
	put(o, "queriers", s.queriers);
	put(o, "queries", s.queries);
	put(o, "reports", s.reports);
	put(o, "hellos", s.hellos);
	put(o, "joined", s.joined);
	put(o, "left", s.left);
	put(o, "expired", s.expired);
	put(o, "full", s.full);
	put(o, "narrowed", s.narrowed);
	for (int i = 0; i < VSWITCH_SNOOP_FAULTS; i++)
		put(o, vswitch_snoop_fault_name((enum vswitch_snoop_fault)i), s.faults[i]);
	return o;
}

static json_t *switch_counters(const struct object *sw)
{
	struct vswitch_fdb_stats fdb;
	json_t *o = json_object();

	vswitch_fdb_stats(switch_of(sw), &fdb);
	put(o, "macs", fdb.entries);
	put(o, "max_macs", fdb.max_learned);
	put(o, "learned", fdb.learned);
	put(o, "aged", fdb.aged);
	put(o, "evicted", fdb.evicted);
	put(o, "purged", fdb.purged);
	put(o, "moved", fdb.moved);
	put(o, "flapping", fdb.flapping);
	put(o, "full", fdb.full);
	json_object_set_new(o, "snooping", snooping_counters(switch_of(sw)));
	return o;
}

static json_t *adapter_counters(const struct adapter *a)
{
	json_t *o = json_object();
	const char *name;
	uint64_t value;

	for (unsigned n = 0; adapter_counter(a, n, &name, &value); n++)
		put(o, name, value);
	return o;
}

static json_t *vm_counters(const struct vm *vm)
{
	json_t *bus = json_object(), *function = json_object();
	const char *name;
	uint64_t value;

	for (unsigned n = 0; vm->bridge && vmbus_counter(vmbus_bridge_bus(vm->bridge), n, &name, &value); n++)
		put(bus, name, value);
	for (unsigned n = 0; vm->bridge && vfu_dev_counter(vmbus_bridge_function(vm->bridge), n, &name, &value); n++)
		put(function, name, value);
	return json_pack("{s:o, s:o}", "vmbus", bus, "vfio_user", function);
}

static json_t *row(const char *kind, const char *name, json_t *counters)
{
	return json_pack("{s:s, s:s, s:o}", "kind", kind, "name", name, "counters", counters);
}

static json_t *port_row(const struct object *sw, const struct vswitch_port *port)
{
	json_t *o = row("port", vswitch_port_name(port), port_counters(port));

	json_object_set_new(o, "switch", json_string(sw->key));
	json_object_set_new(o, "id", json_integer(vswitch_port_id(port)));
	return o;
}

static void add_ports(struct page *page, const struct object *sw, const struct vswitch_port *only)
{
	struct vswitch_port *port;

	if (!only && page_has(page))
		page_add(page, row("switch", sw->key, switch_counters(sw)));
	for (port = switch_first_port(sw); port; port = vswitch_next_port(switch_of(sw), port))
		if ((!only || port == only) && page_has(page))
			page_add(page, port_row(sw, port));
}

static void add_vms(struct page *page, struct hvnetd *d, const char *only)
{
	const struct object *vm, *a;

	OBJECT_FOREACH(vm, d, OBJECT_VM)
		if ((!only || !strcmp(vm->key, only)) && page_has(page))
			page_add(page, row("vm", vm->key, vm_counters(hv_container_of(vm, struct vm, o))));
	OBJECT_FOREACH(a, d, OBJECT_ADAPTER)
		if ((!only || !strcmp(object_string(a, "vm"), only)) && page_has(page))
			page_add(page, row("adapter", a->key, adapter_counters(hv_container_of(a, struct adapter, o))));
}

/* What the call restricts itself to; -1 with err. */
static int find_subjects(struct rpc_call *call, const struct object **sw, const struct vswitch_port **port)
{
	const struct object *o;

	*sw = NULL;
	*port = NULL;
	if (rpc_has(call, "switch") && !(*sw = switch_param(call)))
		return -1;
	if (!rpc_has(call, "port"))
		return 0;
	o = port_param(call);
	if (!o)
		return -1;
	*port = port_of(o);
	if (!*port)
		return rpc_fail(&call->err, RPC_STATE, "port", "%s has no port on a switch now", o->key);
	*sw = object_find(call->opaque, OBJECT_SWITCH, vswitch_name(vswitch_port_switch((struct vswitch_port *)*port)));
	return 0;
}

json_t *method_stats_get(struct rpc_call *call)
{
	const char *vm = rpc_string(call, "vm");
	struct hvnetd *d = call->opaque;
	const struct vswitch_port *port;
	const struct object *only, *sw, *named = NULL;
	struct hv_loop_stats loop;
	json_t *answer, *worker;
	struct page page;

	if (find_subjects(call, &only, &port))
		return NULL;
	if (vm && !(named = vm_find(d, vm, &call->err)))
		return NULL;
	worker = json_object();
	hv_loop_stats(d->worker.loop, &loop);
	put(worker, "rounds", loop.rounds);
	put(worker, "sleeps", loop.sleeps);
	put(worker, "enters", loop.enters);
	page = page_of(call);
	OBJECT_FOREACH(sw, d, OBJECT_SWITCH)
		if (!vm && (!only || sw == only) && switch_of(sw))
			add_ports(&page, sw, port);
	if (!only)
		add_vms(&page, d, named ? named->key : NULL);
	answer = json_pack("{s:o, s:{s:i}}", "worker", worker, "control", "connections", (int)control_clients(d->control));
	page_put(&page, "objects", answer);
	return answer;
}

/* ---- audit ---- */

struct sums {
	uint64_t in, injected, forwarded, in_dropped, held, copies, offered, segments, out, out_dropped;
};

static struct sums sums_of(const struct vswitch_port_stats *st)
{
	struct sums s = {
		.in = st->in_frames, .injected = st->injected, .forwarded = st->forwarded, .held = st->held, .copies = st->copies,
		.offered = st->offered, .segments = st->segments, .out = st->out_frames,
	};

	for (unsigned i = 0; i < VSWITCH_DROPS; i++) {
		s.in_dropped += st->in_dropped[i];
		s.out_dropped += st->out_dropped[i];
	}
	return s;
}

/* The two equations of vswitch.h, which hold for each port on its own. */
static bool is_balanced(const struct sums *s)
{
	return s->in + s->injected == s->forwarded + s->in_dropped + s->held &&
	       s->offered + s->segments == s->out + s->out_dropped;
}

static json_t *audit_row(const struct object *sw, const char *port, const struct sums *s, bool balanced)
{
	return json_pack("{s:s, s:s*, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}}", "switch", sw->key, "port",
			 port, "balanced", balanced, "in", "frames", (json_int_t)s->in, "injected", (json_int_t)s->injected,
			 "forwarded", (json_int_t)s->forwarded, "dropped", (json_int_t)s->in_dropped, "in_flight",
			 (json_int_t)s->held, "copies", (json_int_t)s->copies, "out", "offered", (json_int_t)s->offered,
			 "segments", (json_int_t)s->segments, "frames", (json_int_t)s->out, "dropped",
			 (json_int_t)s->out_dropped);
}

static void add_audit(struct page *page, const struct object *sw, const char *port, const struct vswitch_port_stats *st, bool *all)
{
	const struct sums s = sums_of(st);
	const bool good = is_balanced(&s);

	*all = *all && good;
	page_add(page, audit_row(sw, port, &s, good));
}

static void audit_switch(struct page *page, const struct object *sw, bool *all)
{
	struct vswitch_port_stats st;
	struct vswitch_port *port;

	for (port = switch_first_port(sw); port; port = vswitch_next_port(switch_of(sw), port)) {
		if (!page_has(page))
			continue;
		vswitch_port_stats(port, &st);
		add_audit(page, sw, vswitch_port_name(port), &st, all);
	}
	if (!page_has(page))
		return;
	vswitch_originated_stats(switch_of(sw), &st);
	add_audit(page, sw, NULL, &st, all);
}

json_t *method_audit(struct rpc_call *call)
{
	const struct object *only = NULL, *sw;
	struct page page;
	bool all = true;
	json_t *answer;

	if (rpc_has(call, "switch") && !(only = switch_param(call)))
		return NULL;
	page = page_of(call);
	OBJECT_FOREACH(sw, (struct hvnetd *)call->opaque, OBJECT_SWITCH)
		if ((!only || sw == only) && switch_of(sw))
			audit_switch(&page, sw, &all);
	answer = json_pack("{s:b}", "balanced", all);
	page_put(&page, "rows", answer);
	return answer;
}
