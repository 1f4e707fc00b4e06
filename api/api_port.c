/* SPDX-License-Identifier: MIT */
/* Rows of the API: ports, their policies, ACLs, and the forwarding table. */
#include "api/api.h"

const char *const api_vlan_modes[] = { "untagged", "access", "trunk", "isolated", "community", "promiscuous", NULL };
static const char *const monitor_modes[] = { "none", "source", "destination", NULL };
const char *const api_monitor_directions[] = { "both", "from_nic", "to_nic", NULL };
const char *const api_bpdu_guards[] = { "pass", "drop", "block", NULL };
static const char *const directions[] = { "in", "out", "both", NULL };
static const char *const actions[] = { "allow", "deny", "meter", NULL };
static const char *const nic_kinds[] = { "synthetic", "emulated", "internal", "external", NULL };
const char *const api_port_states[] = { "unknown", "created", "teardown", "deleted", NULL };
const char *const api_nic_states[] = { "none", "created", "connected", "disconnected", NULL };
static const char *const mcast_kinds[] = { "listener", "router", "querier", NULL };
static const char *const fdb_kinds[] = { "learned", "static", "self", "mgmt", NULL };
const char *const api_policy_kinds[] = {
	"mac_spoofing", "dhcp_guard", "router_guard", "bpdu_guard", "address_guard", "storm_limit", "ip_limit", "priority_tag",
	"teaming", "isolated", "lldp", "monitor", "vlan", "bandwidth", NULL
};

#define SWITCH F_REFERENCE("switch", NEED, "the switch")
#define PORT F_REFERENCE("port", NEED, "the port: SWITCH/PORT, an adapter: VM/NAME, or the GUID of either")

#define VLAN_ID(name, text) F_INT(name, MAY, 1, 4094, text)
#define VLAN_SETTINGS \
	F_ENUM("mode", NEED, api_vlan_modes, "untagged: no VLAN; access: one; trunk: several; the other three: private VLAN"), \
	VLAN_ID("id", "of mode access"), \
	F_INT("native", MAY, 0, 4094, "of mode trunk: VLAN of untagged frames; 0: none"), \
	F_STRING("allowed", MAY, 1, API_VLAN_LIST_BYTES, "of mode trunk: VLANs, as \"10,20-29\""), \
	F_STRING("pruned", MAY, 1, API_VLAN_LIST_BYTES, "of mode trunk: VLANs that are not allowed after all"), \
	VLAN_ID("primary", "of private VLANs"), \
	VLAN_ID("secondary", "of modes isolated and community"), \
	F_STRING("secondaries", MAY, 1, API_VLAN_LIST_BYTES, "of mode promiscuous: VLANs that it hears")

const struct field api_vlan[] = { VLAN_SETTINGS, FIELD_END };

const struct field api_bandwidth[] = {
	F_INT("weight", MAY, 1, 100, "share of the uplink under contention, in mode weight"),
	F_INT("reservation_bps", MAY, 0, API_BPS_MAX, "minimum on the uplink, in mode absolute; of all "
	      "ports no more than its capacity"),
	F_INT("limit_bps", MAY, 0, API_BPS_MAX, "maximum from the NIC; 0: none"),
	F_INT("burst_bps", MAY, 0, API_BPS_MAX, "maximum while a burst lasts; 0: none"),
	F_INT("burst_bytes", MAY, 0, 1 << 30, "what may exceed the maximum at once"),
	FIELD_END
};

const struct field api_monitor[] = {
	F_ENUM("mode", NEED, monitor_modes, "source: copies of its traffic go to the destinations of the same session"),
	F_INT("session", MAY, 0, 255, "session; 0 unless given"),
	F_ENUM("direction", MAY, api_monitor_directions, "of a source: which of its traffic; both unless given"),
	F_STRING("filter", MAY, 1, API_MONITOR_FILTER_BYTES, "of a source: which of its frames are copied; of a destination: which "
		 "copies it gets; an expression of pcap-filter(7), with addresses for hosts"),
	FIELD_END
};

const struct field api_policy[] = {
	F_BOOL("mac_spoofing", MAY, "any source address is accepted from it, and learned"),
	F_BOOL("dhcp_guard", MAY, "its DHCP server messages are dropped"),
	F_BOOL("router_guard", MAY, "its router advertisements and redirects are dropped"),
	F_ENUM("bpdu_guard", MAY, api_bpdu_guards, "its spanning tree frames pass, are dropped, or also block the port"),
	F_STRINGS("address_guard", MAY, 0, API_ADDRESSES_MAX, 45, "only these IP addresses may be its; others in IP, ARP and "
		  "neighbour discovery are dropped. Empty: no guard"),
	F_INT("storm_limit", MAY, 0, 10000000, "broadcasts, multicasts and floods from it in each second; 0: no limit"),
	F_INT("ip_limit", MAY, 0, 1024, "IP addresses that it may be seen with; 0: no limit"),
	F_BOOL("priority_tag", MAY, "priority bits from it are kept"),
	F_BOOL("teaming", MAY, "may use the address of another adapter of its VM"),
	F_BOOL("isolated", MAY, "no frames to or from other isolated ports"),
	F_BOOL("lldp", MAY, "it gets the LLDP frames of the uplink; one port of a switch"),
	F_OBJECT("monitor", MAY, api_monitor, "port mirroring"),
	F_OBJECT("vlan", MAY, api_vlan, "VLAN"),
	F_OBJECT("bandwidth", MAY, api_bandwidth, "bandwidth"),
	FIELD_END
};

#define ACL_SETTINGS \
	F_ENUM("action", NEED, actions, "allow, deny, or meter: count bytes without deciding"), \
	F_ENUM("direction", NEED, directions, "in: to the NIC; out: from it"), \
	F_MAC("local_mac", MAY, "the NIC's side; makes it a MAC entry"), \
	F_MAC("remote_mac", MAY, "the other side; makes it a MAC entry"), \
	F_PREFIX("local", MAY, "IP prefix of the NIC's side"), \
	F_PREFIX("remote", MAY, "IP prefix of the other side"), \
	F_STRING("protocol", MAY, 1, 8, "any, tcp, udp, icmp, icmp6, sctp or a number: an extended entry"), \
	F_STRING("local_port", MAY, 1, 11, "\"80\" or \"1024-65535\": an extended entry"), \
	F_STRING("remote_port", MAY, 1, 11, "the other side's"), \
	F_INT("weight", MAY, 1, 65535, "an extended entry: the highest that matches decides; without it the longest prefix does"), \
	F_BOOL("stateful", MAY, "an extended entry that allows: answers pass, too"), \
	F_INT("timeout_s", MAY, 1, 604800, "of a stateful entry: a flow that is idle for so long is forgotten; 255 unless given"), \
	F_INT("vlan", MAY, 1, 4094, "an extended entry: only frames in this VLAN")

const struct field api_acl_entry[] = {
	F_INT("id", NEED, 1, UINT32_MAX, "number, unique on the port"),
	ACL_SETTINGS,
	FIELD_END
};

const struct field api_fdb_entry[] = {
	F_MAC("mac", NEED, "the address"),
	F_INT("vlan", MAY, 0, 4094, "its VLAN"),
	FIELD_END
};

const struct field api_port_config[] = {
	SWITCH,
	F_NAME("name", NEED, "unique name in the switch"),
	F_STRING("friendly", MAY, 1, 255, "friendly name"),
	F_OBJECT("policy", MAY, api_policy, "policies"),
	F_OBJECTS("acl", MAY, 65536, api_acl_entry, "ACL"),
	F_OBJECTS("fdb", MAY, 1024, api_fdb_entry, "addresses that stay behind it"),
	FIELD_END
};

/* Parameters. */

static const struct field port_create_params[] = {
	SWITCH,
	F_NAME("name", NEED, "unique name in the switch"),
	F_STRING("friendly", MAY, 1, 255, "friendly name"),
	F_OBJECT("policy", MAY, api_policy, "policies"),
	FIELD_END
};
static const struct field port_params[] = { PORT, FIELD_END };
static const struct field port_delete_params[] = {
	PORT,
	F_BOOL("force", MAY, "disconnect its adapter first"),
	FIELD_END
};
static const struct field port_set_params[] = {
	PORT,
	F_STRING("friendly", NEED, 1, 255, "friendly name"),
	FIELD_END
};
static const struct field port_list_params[] = {
	F_REFERENCE("switch", MAY, "only those of this switch"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field port_validate_params[] = {
	SWITCH,
	F_ENUM("kind", MAY, nic_kinds, "what is to be connected; synthetic unless given"),
	F_OBJECT("policy", MAY, api_policy, "policies to check"),
	FIELD_END
};
static const struct field port_connect_params[] = {
	PORT,
	F_REFERENCE("adapter", NEED, "the adapter to put on it: VM/NAME"),
	FIELD_END
};
static const struct field policy_set_params[] = {
	PORT,
	F_OBJECT("policy", NEED, api_policy, "kinds to set, all or none of them; others stay"),
	FIELD_END
};
static const struct field policy_clear_params[] = {
	PORT,
	F_ENUMS("kinds", MAY, api_policy_kinds, "kinds to set back to their defaults; all unless given"),
	FIELD_END
};
static const struct field vlan_set_params[] = { PORT, VLAN_SETTINGS, FIELD_END };
static const struct field acl_add_params[] = {
	PORT,
	ACL_SETTINGS,
	FIELD_END
};
static const struct field acl_del_params[] = {
	PORT,
	F_INT("id", MAY, 1, UINT32_MAX, "which entry; all unless given"),
	FIELD_END
};
static const struct field acl_list_params[] = { PORT, PAGE_PARAMS, FIELD_END };
static const struct field fdb_list_params[] = {
	SWITCH,
	F_REFERENCE("port", MAY, "only those behind this port"),
	F_INT("vlan", MAY, 0, 4094, "only those of this VLAN"),
	F_MAC("mac", MAY, "only this address"),
	F_INT("limit", MAY, 1, API_PAGE_MAX, "rows of the answer at most; 100 unless given"),
	F_STRING("cursor", MAY, 3, 32, "where the page begins: next_cursor of the answer before"),
	FIELD_END
};
static const struct field fdb_entry_params[] = {
	PORT,
	F_MAC("mac", NEED, "the address"),
	F_INT("vlan", MAY, 0, 4094, "the VLAN; 0 unless given"),
	FIELD_END
};
static const struct field mcast_list_params[] = { SWITCH, PAGE_PARAMS, FIELD_END };
static const struct field fdb_flush_params[] = {
	SWITCH,
	F_REFERENCE("port", MAY, "only what was learned on this port"),
	FIELD_END
};

/* Results. */

static const struct field port_result[] = {
	F_NAME("switch", NEED, "the switch"),
	F_INT("id", NEED, 0, UINT32_MAX, "number, unique in the switch"),
	F_STRING("guid", NEED, 36, 36, "unique id"),
	F_NAME("name", NEED, "name"),
	F_STRING("friendly", NEED, 1, 255, "friendly name"),
	F_ENUM("state", NEED, api_port_states, "state of the port"),
	F_ENUM("nic", MAY, nic_kinds, "what is on it"),
	F_ENUM("nic_state", NEED, api_nic_states, "state of that"),
	F_STRING("adapter", MAY, 1, 2 * HVNETD_NAME_BYTES, "adapter that it is for"),
	F_STRING("mac", MAY, 17, 17, "current address of the NIC"),
	F_ENUM("link", NEED, api_link_states, "whether frames flow"),
	F_STRING("uplink", MAY, 1, 16, "kind of the uplink that it is"),
	F_NAME("uplink_name", MAY, "name of that uplink"),
	F_BOOL("static", NEED, "made with port.create: stays without a NIC"),
	F_COUNT("in_frames", NEED, "frames from its NIC"),
	F_COUNT("in_bytes", NEED, "their bytes"),
	F_COUNT("out_frames", NEED, "frames to its NIC"),
	F_COUNT("out_bytes", NEED, "their bytes"),
	FIELD_END
};
static const struct field ports_result[] = { PAGE_RESULT("ports", port_result, "the ports"), FIELD_END };
static const struct field policy_result[] = {
	F_STRING("port", NEED, 1, 2 * HVNETD_NAME_BYTES, "the port"),
	F_OBJECT("policy", NEED, api_policy, "every kind, with its default where none is set"),
	F_STRINGS("set", NEED, 0, 64, 32, "kinds that are set"),
	FIELD_END
};
static const struct field acl_result[] = {
	F_INT("id", NEED, 1, UINT32_MAX, "number, unique on the port"),
	ACL_SETTINGS,
	F_COUNT("frames", MAY, "that it has decided, or metered, while the port exists"),
	F_COUNT("bytes", MAY, "their bytes"),
	F_COUNT("flows", MAY, "of a stateful entry: open now"),
	FIELD_END
};
static const struct field acls_result[] = { PAGE_RESULT("entries", acl_result, "the entries"), FIELD_END };
static const struct field meter_row[] = {
	F_INT("id", NEED, 1, UINT32_MAX, "the entry"),
	F_ENUM("direction", NEED, directions, "its direction"),
	F_STRING("local", MAY, 1, 64, "its prefix"),
	F_STRING("remote", MAY, 1, 64, "its prefix"),
	F_COUNT("frames", NEED, "frames counted"),
	F_COUNT("bytes", NEED, "bytes counted"),
	FIELD_END
};
static const struct field meter_result[] = { PAGE_RESULT("meters", meter_row, "entries that meter"), FIELD_END };
static const struct field fdb_row[] = {
	F_STRING("mac", NEED, 17, 17, "the address"),
	F_INT("vlan", NEED, 0, 4095, "its VLAN"),
	F_NAME("port", NEED, "the port that it is behind"),
	F_ENUM("kind", NEED, fdb_kinds, "who has put it there"),
	F_COUNT("age_s", NEED, "seconds since it was seen"),
	FIELD_END
};
static const struct field fdb_result[] = {
	F_OBJECTS("entries", NEED, API_PAGE_MAX, fdb_row, "the entries, in no order"),
	F_COUNT("learned", NEED, "addresses that the switch has learned, whatever was asked for"),
	F_STRING("next_cursor", MAY, 3, 32, "where the next page begins; absent on the last one"),
	FIELD_END
};
static const struct field mcast_row[] = {
	F_INT("vlan", NEED, 0, 4095, "the VLAN; of private ones the primary"),
	F_STRING("group", MAY, 2, 45, "of a listener: the IP group"),
	F_NAME("port", NEED, "the port that it is behind"),
	F_ENUM("kind", NEED, mcast_kinds, "what there is; the querier is a router, too"),
	F_INT("version", NEED, 4, 6, "of IP"),
	F_STRING("address", MAY, 2, 45, "of the querier"),
	F_COUNT("left_s", MAY, "seconds until it is forgotten; absent: when the port goes"),
	FIELD_END
};
static const struct field mcast_result[] = {
	PAGE_RESULT("entries", mcast_row, "groups and routers, in no order"),
	FIELD_END
};
static const struct field id_result[] = {
	F_INT("id", NEED, 1, UINT32_MAX, "number of the new entry"),
	FIELD_END
};
static const struct field nothing[] = { FIELD_END };

const struct rpc_method api_port_methods[] = {
	{ "port.create", "make a port that stays without a NIC", RPC_CHANGES, port_create_params, port_result },
	{ "port.delete", "delete it", RPC_CHANGES, port_delete_params, nothing },
	{ "port.set", "change its friendly name", RPC_CHANGES, port_set_params, port_result },
	{ "port.list", "the ports that exist", RPC_PAGED, port_list_params, ports_result },
	{ "port.get", "one port", 0, port_params, port_result },
	{ "port.validate", "check policies on a port made for that alone", 0, port_validate_params, nothing },
	{ "port.connect", "put an adapter on a port", RPC_CHANGES, port_connect_params, port_result },
	{ "port.disconnect", "take the adapter off", RPC_CHANGES, port_params, nothing },
	{ "policy.set", "set policies of a port, all or none", RPC_CHANGES, policy_set_params, policy_result },
	{ "policy.get", "policies of a port", 0, port_params, policy_result },
	{ "policy.clear", "set policies back", RPC_CHANGES, policy_clear_params, policy_result },
	{ "vlan.set", "the VLAN policy of a port", RPC_CHANGES, vlan_set_params, policy_result },
	{ "acl.add", "add an entry to a port's ACL", RPC_CHANGES, acl_add_params, id_result },
	{ "acl.del", "delete it", RPC_CHANGES, acl_del_params, nothing },
	{ "acl.list", "the entries of a port's ACL", RPC_PAGED, acl_list_params, acls_result },
	{ "acl.meter", "what metering entries have counted", RPC_PAGED, acl_list_params, meter_result },
	{ "fdb.list", "where a switch sends which address", 0, fdb_list_params, fdb_result },
	{ "fdb.add", "an address that stays", RPC_CHANGES, fdb_entry_params, nothing },
	{ "fdb.del", "forget an address", RPC_CHANGES, fdb_entry_params, nothing },
	{ "fdb.flush", "forget what was learned", RPC_ACTS, fdb_flush_params, nothing },
	{ "mcast.list", "who listens to which group, and where routers are", RPC_PAGED, mcast_list_params, mcast_result },
};
const size_t api_num_port_methods = sizeof(api_port_methods) / sizeof(api_port_methods[0]);
