/* SPDX-License-Identifier: MIT */
/*
 * The method topology: what there is, as classes and associations of the Virtual Networking Profile.
 *
 *	service --HostedSwitchService--> VirtualSwitch --HostedAccessPoint--> SwitchPort --BindsTo--> VLANEndpoint
 *	                                                                         |               |
 *	                                                              Msvm_ActiveConnection   NetworkElementSettingData
 *	                                                                         |               |
 *	           VM NIC device --DeviceSAPImplementation--> VmLANEndpoint -----+        VLANEndpointSettingData
 *	    ext., int. NIC --GlobalEthernetPortSAPImplementation--> SwitchLANEndpoint (same place)
 *	           RASD --SettingsDefineState--> VM NIC device <--SystemDevice-- ComputerSystem
 *	            ^                                                             ^
 *	            +-VirtualSystemSettingDataComponent-- VirtualSystemSettingData --SettingsDefineState
 *
 * A VM's NIC and its endpoint are there while a QEMU has the adapter; the VM, its settings and its RASDs always; a connection is
 * there while frames may flow. Nothing is remembered for this: all is looked at when it is asked for.
 *
 * It comes in pages of ports and adapters. Each page has all switches and VMs, and edges to ports of other pages.
 */
#include <stdio.h>
#include <string.h>

#include "hvnetd/methods.h"
#include "hvnetd/uplink.h"
#include "hvnetd/view.h"
#include "vmbus/vmbus.h"
#include "vswitch/vswitch.h"

enum { ID_BYTES = 320, KEY_CHARS = 200 };	/* a key is shorter: the compiler is to know */

struct picture {
	struct hvnetd *d;
	json_t *nodes, *edges;
	struct page page;		/* counts ports and adapters; its rows are not used */
};

static void node(struct picture *p, const char *id, const char *class, const char *name, json_t *properties)
{
	json_array_append_new(p->nodes, json_pack("{s:s, s:s, s:s, s:o}", "id", id, "class", class, "name", *name ? name : "-",
						  "properties", properties));
}

static void edge(struct picture *p, const char *from, const char *association, const char *to)
{
	json_array_append_new(p->edges, json_pack("{s:s, s:s, s:s}", "from", from, "to", to, "association", association));
}

static void make_id(char id[ID_BYTES], const char *kind, const char *key)
{
	snprintf(id, ID_BYTES, "%s:%s", kind, key);
}

static void port_id(char id[ID_BYTES], const struct object *sw, const struct vswitch_port *port)
{
	snprintf(id, ID_BYTES, "port:%s/%u", sw->key, vswitch_port_id(port));
}

/* Addresses are written without separators there. */
static json_t *address(const char *mac)
{
	char text[13];
	size_t n = 0;

	for (; mac && *mac && n < 12; mac++)
		if (*mac != ':')
			text[n++] = (char)(*mac >= 'a' ? *mac - 'a' + 'A' : *mac);
	text[n] = '\0';
	return json_string(text);
}

static json_t *mac_address(const uint8_t mac[6])
{
	char text[HVNETD_MAC_TEXT_BYTES];

	mac_format(mac, text);
	return address(text);
}

/* ---- switches and ports ---- */

static void add_switch(struct picture *p, const struct object *sw)
{
	const char *friendly = object_string(sw, "friendly");
	struct vswitch_options options = { 0 };
	char id[ID_BYTES];

	if (switch_of(sw))
		vswitch_options(switch_of(sw), &options);
	make_id(id, "switch", sw->key);
	node(p, id, "Msvm_VirtualSwitch", friendly ? friendly : sw->key,
	     json_pack("{s:s, s:s, s:s, s:I, s:s, s:i, s:i}", "Name", object_string(sw, "id"), "UniqueName", sw->key, "Type",
		       switch_type_name(switch_type_of(p->d, sw->key)), "NumLearnableAddresses",
		       (json_int_t)options.max_learned, "ScopeOfResidence", "", "MaxVMQOffloads", 0, "MaxChimneyOffloads", 0));
	edge(p, "service", "HostedSwitchService", id);
}

/* DesiredEndpointMode's numbers: access 2, trunk 5; private VLAN is a setting of an access port. */
static int endpoint_mode(const struct vswitch_vlan_policy *vlan, bool has_policy)
{
	return !has_policy || vlan->mode == VSWITCH_VLAN_TRUNK ? 5 : 2;
}

static json_t *vlan_settings(const struct vswitch_vlan_policy *vlan, bool has_policy)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:s}", "AccessVLAN", (int)vlan->access, "DefaultVLAN", 0, "NativeVLAN",
			 (int)vlan->native, "PrimaryVLAN", (int)vlan->primary, "SecondaryVLAN", (int)vlan->secondary,
			 "Mode", has_policy ? api_vlan_modes[vlan->mode] : "trunk");
}

static void add_vlan(struct picture *p, const char *port, const struct vswitch_port *live)
{
	struct vswitch_port_policy policy;
	const bool has_policy = vswitch_port_policy(live, &policy);
	const int mode = endpoint_mode(&policy.vlan, has_policy);
	char id[ID_BYTES], settings[ID_BYTES];

	snprintf(id, sizeof(id), "vlan:%.*s", KEY_CHARS, port + strlen("port:"));
	snprintf(settings, sizeof(settings), "vlan-settings:%.*s", KEY_CHARS, port + strlen("port:"));
	node(p, id, "Msvm_VLANEndpoint", vswitch_port_name(live),
	     json_pack("{s:i, s:i}", "DesiredEndpointMode", mode, "OperationalEndpointMode", mode));
	node(p, settings, "Msvm_VLANEndpointSettingData", vswitch_port_name(live), vlan_settings(&policy.vlan, has_policy));
	edge(p, port, "BindsTo", id);
	edge(p, id, "NetworkElementSettingData", settings);
}

static bool is_connected(const struct vswitch_port *port)
{
	struct vswitch_nic_info nic;

	return vswitch_nic_info(port, 0, &nic) && nic.state == VSWITCH_NIC_CONNECTED;
}

static json_t *endpoint(const uint8_t mac[6], bool connected)
{
	return json_pack("{s:o, s:b, s:i, s:i}", "MACAddress", mac_address(mac), "Connected", connected, "MaxDataSize", 1500,
			 "NameFormat", 3);
}

/* ---- the host's side: external and internal NICs ---- */

static json_t *ethernet_port(const char *address_text, const uint8_t mac[6], bool up, bool external)
{
	json_t *o = json_pack("{s:o, s:i}", "PermanentAddress", address_text ? address(address_text) : mac_address(mac), "EnabledState",
			      up ? 2 : 3);

	if (external)
		json_object_set_new(o, "IsBound", json_true());
	return o;
}

static void add_device(struct picture *p, const struct object *o, const char *name, const char *lan, const uint8_t mac[6], bool up)
{
	const bool external = o->kind == OBJECT_UPLINK;
	char id[ID_BYTES];

	snprintf(id, sizeof(id), "%s:%s/%s", external ? "external" : "internal", o->key, name);
	node(p, id, external ? "Msvm_ExternalEthernetPort" : "Msvm_InternalEthernetPort", name,
	     ethernet_port(object_string(o, "mac"), mac, up, external));
	edge(p, id, "GlobalEthernetPortSAPImplementation", lan);
}

static void add_host_side(struct picture *p, const struct object *o, const char *port, const struct vswitch_port *live)
{
	const json_t *members = json_object_get(o->config, "members"), *v;
	struct vswitch_nic_info nic = { 0 };
	const char *interface = object_string(o, "interface");
	char lan[ID_BYTES];
	size_t i;

	(void)vswitch_nic_info(live, 0, &nic);	/* without one: zeroes */
	make_id(lan, "endpoint", o->key);
	node(p, lan, "Msvm_SwitchLANEndpoint", object_string(o, "name"), endpoint(nic.current_mac, is_connected(live)));
	if (is_connected(live))
		edge(p, port, "Msvm_ActiveConnection", lan);
	json_array_foreach(members, i, v)
		add_device(p, o, json_string_value(json_object_get(v, "interface")), lan, nic.permanent_mac,
			   vswitch_port_link(live));
	if (!json_array_size(members))
		add_device(p, o, interface ? interface : object_string(o, "name"), lan, nic.permanent_mac, vswitch_port_link(live));
}

static void add_port(struct picture *p, const struct object *sw, const struct vswitch_port *live)
{
	const struct object *owner = port_owner(p->d, sw, live);
	char id[ID_BYTES], on[ID_BYTES], guid[GUID_TEXT_BYTES];
	struct vswitch_port_info info;

	vswitch_port_info(live, &info);
	port_guid(sw, live, guid);
	port_id(id, sw, live);
	make_id(on, "switch", sw->key);
	node(p, id, "Msvm_SwitchPort", info.friendly_name[0] ? info.friendly_name : info.name,
	     json_pack("{s:s, s:s, s:s, s:i}", "Name", guid, "UniqueName", info.name, "ScopeOfResidence", "", "EnabledState",
		       vswitch_port_link(live) ? 2 : 3));
	edge(p, on, "HostedAccessPoint", id);
	add_vlan(p, id, live);
	if (owner && (owner->kind == OBJECT_UPLINK || owner->kind == OBJECT_HOSTNIC))
		add_host_side(p, owner, id, live);
}

/* ---- the virtual machines' side ---- */

static bool is_on(const struct object *o, const struct object *only)
{
	const char *sw = object_string(o, "switch");

	return !only || (sw && !strcmp(sw, only->key));
}

static bool runs(const struct object *o)
{
	const struct vm *vm = hv_container_of(o, struct vm, o);
	const struct object *a;

	OBJECT_FOREACH(a, o->d, OBJECT_ADAPTER)
		if (!strcmp(object_string(a, "vm"), o->key) && adapter_is_attached(hv_container_of(a, struct adapter, o)))
			return true;
	return vm->bridge && vmbus_bridge_attached(vm->bridge);
}

/* One that has nothing on the only switch that is wanted is left out. */
static bool is_wanted(const struct object *vm, const struct object *only)
{
	const struct object *a;

	OBJECT_FOREACH(a, vm->d, OBJECT_ADAPTER)
		if (!strcmp(object_string(a, "vm"), vm->key) && is_on(a, only))
			return true;
	return !only;
}

static void add_vm(struct picture *p, const struct object *o)
{
	char id[ID_BYTES], settings[ID_BYTES];

	make_id(id, "vm", o->key);
	make_id(settings, "vm-settings", o->key);
	node(p, id, "Msvm_ComputerSystem", o->key, json_pack("{s:i}", "EnabledState", runs(o) ? 2 : 3));
	node(p, settings, "Msvm_VirtualSystemSettingData", o->key, json_object());
	edge(p, settings, "SettingsDefineState", id);
}

static void add_running(struct picture *p, const struct object *o, const char *rasd)
{
	const struct adapter *a = hv_container_of(o, struct adapter, o);
	const bool synthetic = a->kind == ADAPTER_SYNTHETIC;
	char nic[ID_BYTES], lan[ID_BYTES], port[ID_BYTES], vm[ID_BYTES];

	make_id(nic, "nic", o->key);
	make_id(lan, "endpoint", o->key);
	node(p, nic, synthetic ? "Msvm_SyntheticEthernetPort" : "Msvm_EmulatedEthernetPort", o->key,
	     json_pack("{s:o, s:s, s:i}", "PermanentAddress", mac_address(a->mac), "SystemName", object_string(o, "vm"),
		       "EnabledState", adapter_driver_up(a) ? 2 : 3));
	node(p, lan, "Msvm_VmLANEndpoint", o->key, endpoint(a->mac, a->port && is_connected(a->port)));
	make_id(vm, "vm", object_string(o, "vm"));
	edge(p, nic, "DeviceSAPImplementation", lan);
	edge(p, rasd, "SettingsDefineState", nic);
	edge(p, vm, "SystemDevice", nic);
	if (a->port && is_connected(a->port)) {
		port_id(port, &a->sw->o, a->port);
		edge(p, port, "Msvm_ActiveConnection", lan);
	}
}

static void add_adapter(struct picture *p, const struct object *o)
{
	const struct adapter *a = hv_container_of(o, struct adapter, o);
	const char *sw = object_string(o, "switch"), *port = object_string(o, "port");
	const char *connection = port ? port : sw ? sw : "";
	char id[ID_BYTES], settings[ID_BYTES];

	make_id(id, "rasd", o->key);
	make_id(settings, "vm-settings", object_string(o, "vm"));
	node(p, id, "Msvm_ResourceAllocationSettingData", o->key,
	     json_pack("{s:i, s:s, s:[s], s:o, s:b, s:s}", "ResourceType", 10, "ResourceSubType",
		       adapter_kind_of(o) == ADAPTER_SYNTHETIC ? "Microsoft Synthetic Ethernet Port" :
								 "Microsoft Emulated Ethernet Port",
		       "Connection", connection, "Address", address(object_string(o, "mac")), "StaticMacAddress", 1,
		       "VirtualSystem", object_string(o, "vm")));
	edge(p, settings, "VirtualSystemSettingDataComponent", id);
	if (adapter_is_attached(a))
		add_running(p, o, id);
}

/* ---- all of it ---- */

static void add_all(struct picture *p, const struct object *only)
{
	const struct vswitch_port *port;
	const struct object *o;

	node(p, "service", "Msvm_VirtualSwitchManagementService", "nvspwmi", json_pack("{s:s, s:b}", "Name", "nvspwmi", "Started", 1));
	OBJECT_FOREACH(o, p->d, OBJECT_SWITCH)
		if (!only || o == only)
			add_switch(p, o);
	OBJECT_FOREACH(o, p->d, OBJECT_SWITCH)
		for (port = !only || o == only ? switch_first_port(o) : NULL; port;
		     port = vswitch_next_port(switch_of(o), (struct vswitch_port *)port))
			if (page_has(&p->page))
				add_port(p, o, port);
	OBJECT_FOREACH(o, p->d, OBJECT_VM)
		if (is_wanted(o, only))
			add_vm(p, o);
	OBJECT_FOREACH(o, p->d, OBJECT_ADAPTER)
		if (is_on(o, only) && page_has(&p->page))
			add_adapter(p, o);
}

json_t *method_topology(struct rpc_call *call)
{
	const struct object *only = NULL;
	struct picture p = { .d = call->opaque };
	json_t *answer;

	if (rpc_has(call, "switch") && !(only = switch_param(call)))
		return NULL;
	p.nodes = json_array();
	p.edges = json_array();
	p.page = page_of(call);
	if (!rpc_has(call, "limit"))
		p.page.limit = API_PAGE_MAX;
	add_all(&p, only);
	answer = json_object();
	page_put(&p.page, "rows", answer);
	json_object_del(answer, "rows");
	json_object_set_new(answer, "nodes", p.nodes);
	json_object_set_new(answer, "edges", p.edges);
	return answer;
}
