/* SPDX-License-Identifier: MIT */
#include "hvnetd/view.h"

#include <stdio.h>
#include <string.h>

#include "e1000/e1000.h"
#include "hvnetd/uplink.h"
#include "netvsp/netvsp.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

enum { ETHERNET_HEADER_BYTES = 14 };

/* ---- pages ---- */

struct page page_of(const struct rpc_call *call)
{
	return (struct page){
		.rows = json_array(), .limit = rpc_integer(call, "limit", API_PAGE), .offset = rpc_integer(call, "offset", 0),
	};
}

bool page_has(struct page *page)
{
	const json_int_t at = page->seen++;

	return at >= page->offset && at - page->offset < page->limit;
}

void page_add(struct page *page, json_t *row)
{
	json_array_append_new(page->rows, row);
}

void page_put(struct page *page, const char *list, json_t *answer)
{
	json_object_set_new(answer, list, page->rows);
	json_object_set_new(answer, "total", json_integer(page->seen));
	if (page->offset < page->seen && page->seen - page->offset > page->limit)
		json_object_set_new(answer, "next_offset", json_integer(page->offset + page->limit));
}

json_t *page_end(struct page *page, const char *list)
{
	json_t *answer = json_object();

	page_put(page, list, answer);
	return answer;
}

/* ---- switches ---- */

static json_int_t count_on(const struct object *sw, enum object_kind kind)
{
	const struct object *o;
	const char *name;
	json_int_t n = 0;

	OBJECT_FOREACH(o, sw->d, kind) {
		name = object_string(o, "switch");
		n += name && !strcmp(name, sw->key);
	}
	return n;
}

static void copy_members(json_t *to, const struct object *o, const char *const *names)
{
	for (; *names; names++)
		if (json_object_get(o->config, *names))
			json_object_set(to, *names, json_object_get(o->config, *names));
}

static json_t *enabled_extensions(const struct object *o)
{
	json_t *list = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o->config, "extensions"), i, v)
		if (json_is_true(json_object_get(v, "enabled")))
			json_array_append(list, json_object_get(v, "name"));
	return list;
}

json_t *show_switch(const struct object *o)
{
	static const char *const members[] = { "name", "id", "notes", "default_weight", "default_reservation_bps", "capacity_bps", NULL };
	struct vswitch_fdb_stats fdb = { 0 };
	struct vswitch_options options = { 0 };
	const char *friendly = object_string(o, "friendly"), *mode = object_string(o, "bandwidth_mode");
	const struct vswitch_port *port;
	json_t *s = json_object();
	json_int_t ports = 0;
	bool overcommitted;

	for (port = switch_first_port(o); port; port = vswitch_next_port(switch_of(o), (struct vswitch_port *)port))
		ports++;
	if (switch_of(o)) {
		vswitch_fdb_stats(switch_of(o), &fdb);
		vswitch_options(switch_of(o), &options);
	}
	copy_members(s, o, members);
	json_object_update_new(s, json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:o}",
		"friendly", friendly ? friendly : o->key, "type", switch_type_name(switch_type_of(o->d, o->key)), "host_shares",
		count_on(o, OBJECT_HOSTNIC) > 0, "ports", ports, "uplinks", count_on(o, OBJECT_UPLINK), "host_nics",
		count_on(o, OBJECT_HOSTNIC), "adapters", count_on(o, OBJECT_ADAPTER), "max_macs",
		(json_int_t)options.max_learned, "macs", (json_int_t)fdb.entries, "ageing_s", (json_int_t)options.ageing_s,
		"flood_unknown", (int)options.hub, "multicast_snooping", (int)options.multicast_snooping, "bandwidth_mode",
		mode ? mode : "default", "extensions", enabled_extensions(o)));
	json_object_set_new(s, "bandwidth", bandwidth_show(o, &overcommitted));
	return s;
}

/* ---- uplinks ---- */

static void put_state(json_t *s, const struct uplink *u)
{
	const struct vswitch_port *port = u->uplink ? vswitch_uplink_port(u->uplink) : NULL;
	const bool up = port && vswitch_port_link(port);

	json_object_set_new(s, "state", json_string(up ? "up" : "down"));
	if (!up)
		json_object_set_new(s, "why", json_string(u->why[0] ? u->why : "its link is down"));
	if (port)
		json_object_set_new(s, "port", json_integer(vswitch_port_id(port)));
}

json_t *show_uplink(const struct object *o)
{
	static const char *const members[] = {
		"switch", "name", "kind", "team", "mappings", "interface", "path", "listen", NULL
	};
	const struct uplink *u = hv_container_of(o, struct uplink, o);
	json_t *s = json_object();

	copy_members(s, o, members);
	put_state(s, u);
	if (u->kind == UPLINK_PACKET)
		json_object_set_new(s, "members", uplink_show_members(u));
	if (u->child)
		json_object_set_new(s, "pid", json_integer(child_pid(u->child)));
	json_object_set_new(s, "restarts", json_integer((json_int_t)u->restarts));
	return s;
}

json_t *show_hostnic(const struct object *o)
{
	static const char *const members[] = { "switch", "name", "interface", "mac", "shares", NULL };
	const struct uplink *u = hv_container_of(o, struct uplink, o);
	const struct vswitch_nic *nic = u->uplink ? vswitch_port_nic(vswitch_uplink_port(u->uplink)) : NULL;
	char mac[HVNETD_MAC_TEXT_BYTES];
	json_t *s = json_object();

	copy_members(s, o, members);
	put_state(s, u);
	if (nic && !json_object_get(s, "mac")) {
		mac_format(nic->mac, mac);
		json_object_set_new(s, "mac", json_string(mac));
	}
	return s;
}

/* ---- ports ---- */

static const char *nic_kind_name(enum vswitch_nic_kind kind)
{
	switch (kind) {
	case VSWITCH_NIC_SYNTHETIC:
		return "synthetic";
	case VSWITCH_NIC_EMULATED:
		return "emulated";
	case VSWITCH_NIC_INTERNAL:
		return "internal";
	case VSWITCH_NIC_EXTERNAL:
		return "external";
	}
	return "?";
}

static void put_nic(json_t *s, const struct vswitch_port *port)
{
	char mac[HVNETD_MAC_TEXT_BYTES];
	static const uint8_t none[6];
	struct vswitch_nic_info nic;

	json_object_set_new(s, "nic_state", json_string(port_nic_state(port)));
	if (!vswitch_nic_info(port, 0, &nic))
		return;
	json_object_set_new(s, "nic", json_string(nic_kind_name((enum vswitch_nic_kind)nic.kind)));
	if (memcmp(nic.current_mac, none, 6) != 0) {
		mac_format(nic.current_mac, mac);
		json_object_set_new(s, "mac", json_string(mac));
	}
}

json_t *show_live_port(const struct object *sw, const struct vswitch_port *port)
{
	const struct object *owner = port_owner(sw->d, sw, port);
	struct vswitch_port_info info;
	struct vswitch_port_stats st;
	char guid[GUID_TEXT_BYTES];
	json_t *s;

	vswitch_port_info(port, &info);
	vswitch_port_stats(port, &st);
	port_guid(sw, port, guid);
	s = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "switch", sw->key, "id", (json_int_t)info.id,
		      "guid", guid, "name", info.name, "friendly", info.friendly_name[0] ? info.friendly_name : info.name, "state",
		      api_port_states[info.state], "link", vswitch_port_link(port) ? "up" : "down", "static",
		      owner && (owner->kind == OBJECT_PORT), "in_frames", (json_int_t)st.in_frames, "in_bytes",
		      (json_int_t)st.in_bytes, "out_frames", (json_int_t)st.out_frames, "out_bytes", (json_int_t)st.out_bytes);
	put_nic(s, port);
	if (owner && owner->kind == OBJECT_PORT && hv_container_of(owner, struct fixed_port, o)->user)
		owner = &hv_container_of(owner, struct fixed_port, o)->user->o;
	if (owner && owner->kind == OBJECT_ADAPTER)
		json_object_set_new(s, "adapter", json_string(owner->key));
	if (owner && owner->kind == OBJECT_UPLINK) {
		json_object_set_new(s, "uplink", json_string(uplink_kind_name(uplink_kind_of(owner))));
		json_object_set_new(s, "uplink_name", json_string(object_string(owner, "name")));
	}
	return s;
}

json_t *show_port(const struct object *o)
{
	const struct object *sw = object_find(o->d, OBJECT_SWITCH, object_string(o, "switch"));
	const struct vswitch_port *port = port_of(o);

	return sw && port ? show_live_port(sw, port) : json_object();
}

/* ---- virtual machines ---- */

static void put_bus(json_t *s, struct vm *vm)
{
	struct vmbus *bus = vmbus_bridge_bus(vm->bridge);
	const uint32_t version = vmbus_version(bus);
	char text[16], os[24];
	pid_t pid = 0;
	uid_t uid;

	if (vmbus_bridge_attached(vm->bridge) && vfu_dev_peer(vmbus_bridge_function(vm->bridge), &pid, &uid))
		json_object_set_new(s, "qemu_pid", json_integer(pid));
	if (!version)
		return;
	snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xffff);
	json_object_set_new(s, "vmbus_version", json_string(text));
	snprintf(os, sizeof(os), "0x%016llx", (unsigned long long)vmbus_guest_os_id(bus));
	json_object_set_new(s, "guest_os_id", json_string(os));
}

json_t *show_vm(const struct object *o)
{
	char guid[GUID_TEXT_BYTES];
	struct vm *vm = hv_container_of(o, struct vm, o);
	json_t *adapters = json_array(), *s;
	const struct object *a;

	OBJECT_FOREACH(a, o->d, OBJECT_ADAPTER)
		if (!strcmp(object_string(a, "vm"), o->key))
			json_array_append_new(adapters, json_string(a->key));
	s = json_pack("{s:s, s:O, s:s, s:b, s:b, s:o}", "name", o->key, "vcpus", json_object_get(o->config, "vcpus"), "socket",
		      vm->socket ? vm->socket : "-", "scoped", o->scope != 0, "attached",
		      vm->bridge && vmbus_bridge_attached(vm->bridge), "adapters", adapters);
	object_guid(o, guid);
	json_object_set_new(s, "guid", json_string(guid));
	if (o->scope)
		json_object_set_new(s, "owner_pid", json_integer(o->pid));
	if (vm->bridge)
		put_bus(s, vm);
	return s;
}

/* ---- adapters ---- */

static json_t *show_negotiated(const struct netvsp_status *st)
{
	char nvsp[16], ndis[16];

	snprintf(nvsp, sizeof(nvsp), "%u.%u", st->nvsp_version >> 16, st->nvsp_version & 0xffff);
	snprintf(ndis, sizeof(ndis), "%u.%u", st->ndis_major, st->ndis_minor);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "nvsp_version", nvsp, "ndis_version", ndis, "mtu",
			 (json_int_t)st->mtu, "packet_filter", (json_int_t)st->packet_filter, "channels",
			 (json_int_t)st->channels, "receive_buffers", (json_int_t)st->receive_buffers,
			 "receive_buffers_free", (json_int_t)st->receive_buffers_free, "operational",
			 st->operational);
}

/* What the guest's driver has set up in the chip. The MTU is what it lets through. */
static json_t *show_chip(const struct e1000_status *st)
{
	char station[HVNETD_MAC_TEXT_BYTES];

	mac_format(st->station, station);
	return json_pack("{s:s, s:I, s:b, s:b, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "link", st->link_up ? "up" : "down",
			 "speed_mbps", (json_int_t)st->speed_mbps, "receiving", st->receiving, "transmitting",
			 st->transmitting, "station", station, "promiscuous", st->promiscuous, "mtu",
			 (json_int_t)(st->max_frame_bytes > ETHERNET_HEADER_BYTES ? st->max_frame_bytes - ETHERNET_HEADER_BYTES : 0),
			 "receive_ring", (json_int_t)st->receive_ring, "receive_descriptors_free", (json_int_t)st->receive_free,
			 "transmit_ring", (json_int_t)st->transmit_ring, "queued_bytes", (json_int_t)st->queued_bytes,
			 "interrupts", (json_int_t)st->interrupts);
}

static void put_guest(json_t *s, const struct adapter *a)
{
	struct e1000_status chip = { 0 };
	struct netvsp_status nic = { 0 };

	if (a->chip) {
		e1000_status(a->chip, &chip);
		json_object_set_new(s, "model", json_string(e1000_model_name(chip.model)));
		if (chip.attached)
			json_object_set_new(s, "guest", show_chip(&chip));
	} else if (a->nic) {
		netvsp_status(a->nic, &nic);
		if (nic.nvsp_version)
			json_object_set_new(s, "guest", show_negotiated(&nic));
	}
}

json_t *show_adapter(const struct object *o)
{
	char guid[GUID_TEXT_BYTES];
	const struct adapter *a = hv_container_of(o, struct adapter, o);
	const char *link = object_string(o, "link"), *state = adapter_nic_state(a);
	json_t *s = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:b, s:s}", "id", o->key, "vm", object_string(o, "vm"),
			      "name", object_string(o, "name"), "kind", adapter_kind_name(adapter_kind_of(o)), "mac",
			      object_string(o, "mac"), "link", link ? link : "up", "attached", adapter_is_attached(a), "open",
			      adapter_driver_up(a), "nic", state, "active", !strcmp(state, "connected"), "socket",
			      adapter_socket(a) ? adapter_socket(a) : "-");

	object_guid(o, guid);
	json_object_set_new(s, "guid", json_string(guid));
	if (object_string(o, "switch"))
		json_object_set(s, "switch", json_object_get(o->config, "switch"));
	if (a->port) {
		json_object_set_new(s, "port", json_integer(vswitch_port_id(a->port)));
		json_object_set_new(s, "port_name", json_string(vswitch_port_name(a->port)));
	}
	if (a->why[0])
		json_object_set_new(s, "why", json_string(a->why));
	put_guest(s, a);
	return s;
}
