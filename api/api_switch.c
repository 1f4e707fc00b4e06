/* SPDX-License-Identifier: MIT */
/* Rows of the API: switches, uplinks and teams, host NICs, the host's interfaces. */
#include "api/api.h"

const char *const api_switch_types[] = { "private", "internal", "external", "nat", NULL };
const char *const api_uplink_kinds[] = { "packet", "tap", "nat", "stream", NULL };
const char *const api_bandwidth_modes[] = { "default", "weight", "absolute", "none", NULL };
const char *const api_team_modes[] = { "independent", "static", "lacp", NULL };
const char *const api_team_algorithms[] = { "dynamic", "transport", "ip", "mac", "port", NULL };
static const char *const lacp_rates[] = { "slow", "fast", NULL };
static const char *const churn_states[] = { "monitor", "none", "churn", NULL };
static const char *const member_modes[] = { "active", "standby", NULL };
const char *const api_link_states[] = { "up", "down", NULL };

#define SWITCH_REFERENCE F_REFERENCE("switch", NEED, "the switch: its name, its id, or its friendly name where only one has it")
#define INTERFACE(name, need, text) F_STRING(name, need, 1, 15, text)
#define SWITCH_SETTINGS \
	F_STRING("friendly", MAY, 1, 255, "friendly name; need not be unique"), \
	F_STRING("notes", MAY, 0, 4096, "free text"), \
	F_INT("max_macs", MAY, 1, 1048576, "addresses that it learns at most; 8192 unless given"), \
	F_INT("ageing_s", MAY, 10, 1000000, "seconds after which an address that is not seen is forgotten; 300 unless given"), \
	F_BOOL("flood_unknown", MAY, "send frames for unknown addresses to all ports, as the first product did; else only to the " \
	       "uplink and to ports that may have any address"), \
	F_BOOL("multicast_snooping", MAY, "send multicast only to who has asked for it by IGMP or MLD and to routers, where there is a " \
	       "querier; else, and unless given, to all ports"), \
	F_INT("default_weight", MAY, 1, 100, "share of ports without a bandwidth policy, in mode weight"), \
	F_INT("default_reservation_bps", MAY, 0, API_BPS_MAX, "minimum of those ports together, in mode absolute; 0, the default: a " \
	      "tenth of the capacity"), \
	F_INT("capacity_bps", MAY, 0, API_BPS_MAX, "what its uplink takes; 0, the default: as its links say")

#define TEAM_SETTINGS \
	F_ENUM("mode", MAY, api_team_modes, "independent of the neighbour switch (the default), static, or LACP"), \
	F_ENUM("algorithm", MAY, api_team_algorithms, "what chooses the member: flowlets (the default), a hash of addresses and ports, " \
	       "of IP addresses, of MAC addresses, or the source port"), \
	F_ENUM("lacp_rate", MAY, lacp_rates, "how often the neighbour is asked to speak"), \
	F_BOOL("lacp_fallback", MAY, "of mode lacp: while no neighbour answers at any member, one carries traffic all the same; else " \
	       "none does"), \
	F_INT("updelay_ms", MAY, 0, 60000, "a member whose link returned waits for so long"), \
	F_INT("downdelay_ms", MAY, 0, 60000, "a member whose link went is kept for so long")

static const struct field extension_config[] = {
	F_STRING("name", NEED, 1, 63, "the extension on the switch"),
	F_STRING("module", MAY, 1, 63, "the extension as installed; of the same name unless given"),
	F_BOOL("enabled", NEED, "whether it takes part"),
	F_STRING("argument", MAY, 0, 1024, "what it is told when it is attached"),
	F_OBJECT("remote", MAY, api_remote, "it is a program of its own"),
	FIELD_END
};

const char *const api_extension_classes[] = { "capture", "filter", "forward", NULL };
const struct field api_remote[] = {
	F_ENUM("class", NEED, api_extension_classes, "what it may do"),
	F_BOOL("fail_open", MAY, "without the program frames pass, and creations that it has a say in; else they are dropped and refused"),
	F_INT("wait_ms", MAY, 1, 10000, "a frame waits for a verdict no longer; 20 unless given"),
	F_INT("wait_frames", MAY, 1, 4096, "so many wait at most; 512 unless given"),
	F_INT("answer_ms", MAY, 1, 10000, "a port or NIC that is created waits for its answer no longer; 1000 unless given"),
	FIELD_END
};

static const struct field mapping_config[] = {
	F_STRING("port", NEED, 1, 255, "the port: SWITCH/PORT, or an adapter: VM/NAME"),
	INTERFACE("interface", NEED, "the member"),
	FIELD_END
};

static const struct field member_config[] = {
	INTERFACE("interface", NEED, "the interface"),
	F_ENUM("mode", MAY, member_modes, "standby: carries traffic only while an active member is down; at most one"),
	FIELD_END
};

const struct field api_team_config[] = { TEAM_SETTINGS, FIELD_END };

const struct field api_switch_config[] = {
	F_NAME("name", NEED, "unique name"),
	F_STRING("id", MAY, 36, 36, "unique id, a GUID; made unless given"),
	F_ENUM("type", MAY, api_switch_types, "private: it stays without host NIC and uplink"),
	SWITCH_SETTINGS,
	F_ENUM("bandwidth_mode", MAY, api_bandwidth_modes, "what minimum bandwidth is counted in; fixed at creation"),
	F_OBJECTS("extensions", MAY, 64, extension_config, "from the top of the stack to its bottom"),
	FIELD_END
};

const struct field api_uplink_config[] = {
	SWITCH_REFERENCE,
	F_NAME("name", NEED, "name of its port"),
	F_ENUM("kind", NEED, api_uplink_kinds, "an interface of the host, a tap, user-mode NAT, or a stream socket"),
	F_OBJECTS("members", MAY, 32, member_config, "of kind packet: the interfaces"),
	INTERFACE("interface", MAY, "of kind tap: the tap interface"),
	F_STRING("path", MAY, 1, 107, "of kind stream: the Unix socket to connect to, or to listen on"),
	F_BOOL("listen", MAY, "of kind stream: make the socket, and wait for a peer"),
	F_OBJECT("team", MAY, api_team_config, "how several members act as one"),
	F_OBJECTS("mappings", MAY, 1024, mapping_config, "ports whose frames leave by a certain member while it is usable"),
	F_OBJECT("policy", MAY, api_policy, "policies of its port; without it all VLANs pass"),
	F_OBJECTS("acl", MAY, 65536, api_acl_entry, "ACL of its port"),
	F_OBJECTS("fdb", MAY, 1024, api_fdb_entry, "addresses that stay behind its port"),
	FIELD_END
};

const struct field api_hostnic_config[] = {
	SWITCH_REFERENCE,
	F_NAME("name", NEED, "name of its port"),
	INTERFACE("interface", NEED, "the tap interface that the host sees"),
	F_MAC("mac", MAY, "the interface's address; by the kernel unless given"),
	INTERFACE("shares", MAY, "uplink of the switch whose addresses and routes it has taken over"),
	F_OBJECT("policy", MAY, api_policy, "policies of its port"),
	F_OBJECTS("acl", MAY, 65536, api_acl_entry, "ACL of its port"),
	F_OBJECTS("fdb", MAY, 1024, api_fdb_entry, "addresses that stay behind its port"),
	FIELD_END
};

/* Parameters. */

static const struct field switch_create_params[] = {
	F_NAME("name", NEED, "unique name"),
	F_ENUM("type", MAY, api_switch_types, "what it is to have: nothing (private, the default), a host NIC, an uplink, or NAT"),
	SWITCH_SETTINGS,
	F_ENUM("bandwidth_mode", MAY, api_bandwidth_modes, "what minimum bandwidth is counted in; cannot be changed later"),
	F_STRINGS("uplink", MAY, 1, 32, 15, "interfaces to bind as its uplink; makes it external"),
	F_BOOL("host_nic", MAY, "give the host a NIC on it; with an uplink, the host shares it"),
	INTERFACE("interface", MAY, "name of the host NIC's interface; from the switch's name unless given"),
	F_STRINGS("extensions", MAY, 0, 32, 63, "installed extensions to enable, from top to bottom"),
	FIELD_END
};

static const struct field switch_delete_params[] = {
	SWITCH_REFERENCE,
	F_BOOL("force", MAY, "disconnect what is connected to it first"),
	FIELD_END
};

static const struct field switch_params[] = { SWITCH_REFERENCE, FIELD_END };

static const struct field maybe_switch_params[] = {
	F_REFERENCE("switch", MAY, "only those of this switch"),
	PAGE_PARAMS,
	FIELD_END
};

static const struct field switch_set_params[] = {
	SWITCH_REFERENCE,
	F_NAME("name", MAY, "another unique name; all that is on it stays, and runs on"),
	F_ENUM("type", MAY, api_switch_types, "private or internal: also lets go of the uplink; private: also of the host NICs"),
	SWITCH_SETTINGS,
	F_BOOL("host_nic", MAY, "true gives the host a NIC on it, false takes all host NICs off"),
	FIELD_END
};

static const struct field uplink_bind_params[] = {
	SWITCH_REFERENCE,
	F_ENUM("kind", MAY, api_uplink_kinds, "packet unless given"),
	F_NAME("name", MAY, "name of the port; that of the interface, or the kind, unless given"),
	F_STRINGS("interfaces", MAY, 1, 32, 15, "of kind packet: the interface, or the members of a team"),
	INTERFACE("interface", MAY, "of kind tap: a tap interface, created if it is not there"),
	F_STRING("path", MAY, 1, 107, "of kind stream: a Unix socket with the framing of QEMU's -netdev stream"),
	F_BOOL("listen", MAY, "of kind stream: make that socket and wait for a peer, one at a time, instead of connecting to one"),
	F_OBJECT("team", MAY, api_team_config, "how several interfaces act as one"),
	F_BOOL("share", MAY, "of kind packet: the host goes on to use the network, through a host NIC that takes over the "
	       "interface's addresses and routes"),
	F_BOOL("force", MAY, "bind the interface that carries the default route, too, without sharing it"),
	FIELD_END
};

static const struct field uplink_unbind_params[] = {
	SWITCH_REFERENCE,
	F_NAME("name", MAY, "which uplink, if there are several (NAT beside an interface)"),
	FIELD_END
};

static const struct field hostnic_add_params[] = {
	SWITCH_REFERENCE,
	F_NAME("name", MAY, "name of the port; that of the interface unless given"),
	INTERFACE("interface", MAY, "name of the tap interface; from the switch's name unless given"),
	F_MAC("mac", MAY, "its address"),
	F_OBJECT("policy", MAY, api_policy, "policies of its port"),
	FIELD_END
};

static const struct field hostnic_params[] = {
	SWITCH_REFERENCE,
	F_NAME("name", NEED, "name of the host NIC"),
	FIELD_END
};

static const struct field team_set_params[] = { SWITCH_REFERENCE, TEAM_SETTINGS, FIELD_END };

static const struct field team_member_params[] = {
	SWITCH_REFERENCE,
	INTERFACE("interface", NEED, "the member"),
	FIELD_END
};

static const struct field team_member_set_params[] = {
	SWITCH_REFERENCE,
	INTERFACE("interface", NEED, "the member"),
	F_ENUM("mode", MAY, member_modes, "active (the default) or standby"),
	FIELD_END
};

static const struct field team_map_params[] = {
	SWITCH_REFERENCE,
	F_REFERENCE("port", NEED, "the port: SWITCH/PORT, or an adapter: VM/NAME"),
	INTERFACE("interface", MAY, "the member by which its frames leave while that is usable; without it, as the algorithm says"),
	FIELD_END
};

/* Results. */

const struct field api_bandwidth_status[] = {
	F_ENUM("mode", NEED, api_bandwidth_modes, "what minimum bandwidth is counted in"),
	F_COUNT("capacity_bps", MAY, "of its uplink; absent: not known"),
	F_COUNT("reserved_bps", MAY, "in mode absolute: by all that is configured to be on the switch, and for ports "
		"without a reservation"),
	F_COUNT("weights", MAY, "in mode weight: the same sum"),
	F_COUNT("reserved_percent", MAY, "of the capacity"),
	F_BOOL("overcommitted", NEED, "more is reserved than there is: the capacity became less"),
	FIELD_END
};

static const struct field switch_result[] = {
	F_NAME("name", NEED, "unique name"),
	F_STRING("id", NEED, 36, 36, "unique id"),
	F_STRING("friendly", NEED, 1, 255, "friendly name"),
	F_STRING("notes", MAY, 0, 4096, "free text"),
	F_ENUM("type", NEED, api_switch_types, "what follows from its ports"),
	F_BOOL("host_shares", NEED, "whether it has a host NIC"),
	F_COUNT("ports", NEED, "ports that exist"),
	F_COUNT("uplinks", NEED, "uplinks that are configured"),
	F_COUNT("host_nics", NEED, "host NICs that are configured"),
	F_COUNT("adapters", NEED, "adapters of VMs that are configured to be on it"),
	F_COUNT("max_macs", NEED, "addresses that it learns at most"),
	F_COUNT("macs", NEED, "addresses that it has learned"),
	F_COUNT("ageing_s", NEED, "seconds after which an address is forgotten"),
	F_BOOL("flood_unknown", NEED, "whether frames for unknown addresses go to all ports"),
	F_BOOL("multicast_snooping", NEED, "whether multicast goes only to who has asked for it"),
	F_ENUM("bandwidth_mode", NEED, api_bandwidth_modes, "what minimum bandwidth is counted in"),
	F_INT("default_weight", MAY, 0, 100, "share of ports without a policy"),
	F_COUNT("default_reservation_bps", MAY, "their minimum together, as configured"),
	F_COUNT("capacity_bps", MAY, "of its uplink, as configured"),
	F_OBJECT("bandwidth", NEED, api_bandwidth_status, "what is reserved of the uplink"),
	F_STRINGS("extensions", NEED, 0, 64, 63, "enabled extensions, from top to bottom"),
	F_STRING("job", MAY, 1, 64, "job that binds its uplink"),
	FIELD_END
};

static const struct field switches_result[] = { PAGE_RESULT("switches", switch_result, "the switches"), FIELD_END };

static const struct field member_result[] = {
	INTERFACE("interface", NEED, "the interface"),
	F_ENUM("mode", NEED, member_modes, "as configured"),
	F_STRING("state", NEED, 1, 32, "down, up, standby, active"),
	F_COUNTERS("lacp", MAY, "what LACP has agreed and counted"),
	F_ENUM("actor_churn", MAY, churn_states, "of mode lacp, whether this end gets into sync: none: it is; monitor: not yet; churn: "
	       "not within a minute"),
	F_ENUM("partner_churn", MAY, churn_states, "whether the other end does"),
	F_COUNTERS("counters", MAY, "frames and bytes"),
	FIELD_END
};

static const struct field uplink_result[] = {
	F_NAME("switch", NEED, "the switch"),
	F_NAME("name", NEED, "name of its port"),
	F_ENUM("kind", NEED, api_uplink_kinds, "what it is"),
	F_ENUM("state", NEED, api_link_states, "whether it works"),
	F_STRING("why", MAY, 0, 255, "why it is down"),
	F_INT("port", MAY, 0, UINT32_MAX, "number of its port while it is up"),
	F_OBJECTS("members", MAY, 32, member_result, "of kind packet"),
	F_OBJECT("team", MAY, api_team_config, "as configured"),
	F_OBJECTS("mappings", MAY, 1024, mapping_config, "ports whose frames leave by a certain member"),
	INTERFACE("interface", MAY, "of kind tap"),
	F_STRING("path", MAY, 1, 107, "of kind stream"),
	F_BOOL("listen", MAY, "of kind stream: it waits for its peer, rather than connect to it"),
	F_COUNT("pid", MAY, "of kind nat: its process"),
	F_COUNT("restarts", NEED, "times that it was opened again"),
	FIELD_END
};

static const struct field uplinks_result[] = { PAGE_RESULT("uplinks", uplink_result, "the uplinks"), FIELD_END };

static const struct field hostnic_result[] = {
	F_NAME("switch", NEED, "the switch"),
	F_NAME("name", NEED, "name of its port"),
	INTERFACE("interface", NEED, "the interface that the host sees"),
	F_STRING("mac", MAY, 17, 17, "its address"),
	INTERFACE("shares", MAY, "uplink whose addresses and routes it has taken over"),
	F_ENUM("state", NEED, api_link_states, "whether it works"),
	F_STRING("why", MAY, 0, 255, "why it is down"),
	F_INT("port", MAY, 0, UINT32_MAX, "number of its port while it is up"),
	FIELD_END
};

static const struct field hostnics_result[] = { PAGE_RESULT("hostnics", hostnic_result, "the host NICs"), FIELD_END };

static const struct field interface_result[] = {
	INTERFACE("name", NEED, "the interface"),
	F_STRING("mac", NEED, 17, 17, "its address"),
	F_ENUM("state", NEED, api_link_states, "its link"),
	F_COUNT("mtu", NEED, "its MTU"),
	F_COUNT("speed_mbps", MAY, "its speed, if it says so"),
	F_NAME("bound_to", MAY, "switch that it is an uplink of"),
	FIELD_END
};

static const struct field interfaces_result[] = {
	PAGE_RESULT("interfaces", interface_result, "the host's Ethernet interfaces"),
	FIELD_END
};

static const struct field bind_result[] = {
	F_STRING("job", MAY, 1, 64, "the job, of kind packet; see job.get"),
	F_OBJECT("uplink", MAY, uplink_result, "the uplink, of other kinds"),
	FIELD_END
};
static const struct field unbind_result[] = { F_STRING("job", MAY, 1, 64, "the job, of kind packet; see job.get"), FIELD_END };
static const struct field nothing[] = { FIELD_END };

const struct rpc_method api_switch_methods[] = {
	{ "switch.create", "make a switch", RPC_CHANGES, switch_create_params, switch_result },
	{ "switch.delete", "delete a switch", RPC_CHANGES, switch_delete_params, nothing },
	{ "switch.list", "the switches", RPC_PAGED, maybe_switch_params, switches_result },
	{ "switch.get", "one switch", 0, switch_params, switch_result },
	{ "switch.set", "change a switch", RPC_CHANGES, switch_set_params, switch_result },
	{ "uplink.bind", "give a switch an uplink", RPC_CHANGES, uplink_bind_params, bind_result },
	{ "uplink.unbind", "take it away", RPC_CHANGES, uplink_unbind_params, unbind_result },
	{ "uplink.list", "the uplinks", RPC_PAGED, maybe_switch_params, uplinks_result },
	{ "hostnic.add", "give the host a NIC on a switch", RPC_CHANGES, hostnic_add_params, hostnic_result },
	{ "hostnic.del", "take it away", RPC_CHANGES, hostnic_params, nothing },
	{ "hostnic.list", "the host's NICs", RPC_PAGED, maybe_switch_params, hostnics_result },
	{ "interface.list", "interfaces of the host that could be uplinks", 0, maybe_switch_params, interfaces_result },
	{ "team.set", "how the members of an uplink act as one", RPC_CHANGES, team_set_params, uplink_result },
	{ "team.member.add", "add a member to an uplink", RPC_CHANGES, team_member_set_params, uplink_result },
	{ "team.member.del", "take a member out", RPC_CHANGES, team_member_params, uplink_result },
	{ "team.member.set", "make a member active or standby", RPC_CHANGES, team_member_set_params, uplink_result },
	{ "team.map", "have a port's frames leave by a certain member", RPC_CHANGES, team_map_params, uplink_result },
};
const size_t api_num_switch_methods = sizeof(api_switch_methods) / sizeof(api_switch_methods[0]);
