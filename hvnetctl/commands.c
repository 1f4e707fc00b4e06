/* SPDX-License-Identifier: MIT */
/* The commands: a row each. */
#include "hvnetctl/command.h"

#include "hvnetctl/run.h"
#include "api/api.h"

static const char *const drawings[] = { "tree", "dot", "mermaid", "svg", NULL };
static const char *const capture_directions[] = { "in", "out", "both", NULL };
static const char *const shells[] = { "bash", NULL };

static const struct field topology_fields[] = {
	F_REFERENCE("switch", MAY, "only this switch and what is on it"),
	F_ENUM("format", MAY, drawings, "what to draw; tree unless given"),
	FIELD_END
};

static const struct field config_file_fields[] = {
	F_STRING("file", NEED, 1, 4095, "a file of JSON, as `hvnetctl config show` prints; -: standard input"),
	F_BOOL("merge", MAY, "what the file does not have stays"),
	FIELD_END
};

static const struct field monitor_fields[] = {
	F_STRINGS("kinds", MAY, 1, 64, 32, "names of events, or \"nic.*\" for a group; all unless given"),
	F_INT("count", MAY, 1, INT32_MAX, "ends after so many"),
	F_INT("seconds", MAY, 1, 86400, "ends after so long"),
	FIELD_END
};

static const struct field capture_fields[] = {
	F_REFERENCE("port", MAY, "only at this port; all ports unless given"),
	F_REFERENCE("switch", MAY, "only at the ports of this switch"),
	F_STRING("write", MAY, 1, 4095, "the pcapng file, -: standard output; without it, a line for each frame. Also -w"),
	F_STRING("filter", MAY, 1, 1024, "an expression of pcap-filter(7)"),
	F_STRING("point", MAY, 1, 64, "where in the pipeline, by commas: ingress, accepted, egress, dropped; ingress,egress unless given"),
	F_ENUM("direction", MAY, capture_directions, "from the port's NIC (in), to it (out), or both, the default"),
	F_INT("vlan", MAY, 0, 4094, "only frames in this VLAN; 0: only those in none"),
	F_INT("snap", MAY, 14, 262144, "bytes of each frame; all unless given"),
	F_INT("count", MAY, 1, INT64_MAX, "ends after so many frames"),
	F_INT("seconds", MAY, 1, INT32_MAX, "ends after so long"),
	F_INT("ring_files", MAY, 1, 1000, "keeps so many files, and begins another"),
	F_INT("ring_size", MAY, 4096, INT64_MAX, "… after so many bytes"),
	F_INT("buffer", MAY, 1, API_CAPTURE_BUFFER_MAX, "bytes of memory between switch and file; 8 MiB unless given"),
	FIELD_END
};

static const struct field completion_fields[] = {
	F_ENUM("shell", NEED, shells, "the shell"),
	FIELD_END
};

/* A call whose answer is shown as it is, or as a table of the columns. */
#define CALL(o, v, m, ...) { .object = o, .verb = v, .method = m, .places = { __VA_ARGS__ } }
#define LIST(o, v, m, place, l, c) { .object = o, .verb = v, .method = m, .places = { place }, .list = l, .columns = c }
#define RUN(o, v, m, r, t, ...) { .object = o, .verb = v, .method = m, .run = r, .text = t, .places = { __VA_ARGS__ } }
#define OWN(o, v, f, r, t, ...) { .object = o, .verb = v, .own = f, .run = r, .text = t, .places = { __VA_ARGS__ } }

const struct command commands[] = {
	LIST("switch", "show", "switch.list", "switch", "switches",
	     "name type ports uplinks host_nics adapters macs extensions"),
	CALL("switch", "get", "switch.get", "switch"),
	CALL("switch", "add", "switch.create", "name"),
	CALL("switch", "set", "switch.set", "switch"),
	CALL("switch", "rename", "switch.set", "switch", "name"),
	CALL("switch", "del", "switch.delete", "switch"),

	LIST("uplink", "show", "uplink.list", "switch", "uplinks",
	     "switch name kind state why interface path team.mode restarts"),
	CALL("uplink", "bind", "uplink.bind", "switch", "interfaces..."),
	CALL("uplink", "unbind", "uplink.unbind", "switch", "name"),

	LIST("hostnic", "show", "hostnic.list", "switch", "hostnics",
	     "switch name interface mac state why"),
	CALL("hostnic", "add", "hostnic.add", "switch", "name"),
	CALL("hostnic", "del", "hostnic.del", "switch", "name"),

	LIST("interface", "show", "interface.list", NULL, "interfaces",
	     "name mac state mtu speed_mbps bound_to"),

	RUN("team", "show", "uplink.list", run_team_show, "the members of teams", "switch"),
	CALL("team", "set", "team.set", "switch"),
	CALL("team", "add", "team.member.add", "switch", "interface"),
	CALL("team", "del", "team.member.del", "switch", "interface"),
	CALL("team", "member", "team.member.set", "switch", "interface", "mode"),
	CALL("team", "map", "team.map", "switch", "port", "interface"),

	LIST("port", "show", "port.list", "switch", "ports",
	     "switch id name nic nic_state link mac in_frames in_bytes out_frames out_bytes"),
	CALL("port", "get", "port.get", "port"),
	CALL("port", "add", "port.create", "switch", "name"),
	CALL("port", "set", "port.set", "port"),
	CALL("port", "del", "port.delete", "port"),
	CALL("port", "check", "port.validate", "switch", "policy="),
	CALL("port", "connect", "port.connect", "port", "adapter"),
	CALL("port", "disconnect", "port.disconnect", "port"),

	CALL("policy", "show", "policy.get", "port"),
	CALL("policy", "set", "policy.set", "port", "policy="),
	CALL("policy", "clear", "policy.clear", "port", "kinds..."),
	CALL("vlan", "set", "vlan.set", "port", "mode", "id"),

	LIST("acl", "show", "acl.list", "port", "entries",
	     "id action direction weight protocol local local_port remote remote_port stateful frames bytes"),
	CALL("acl", "add", "acl.add", "port", "action", "direction"),
	CALL("acl", "del", "acl.del", "port", "id"),
	LIST("acl", "meter", "acl.meter", "port", "meters",
	     "id direction local remote frames bytes"),

	LIST("fdb", "show", "fdb.list", "switch", "entries",
	     "mac vlan port kind age_s"),
	CALL("fdb", "add", "fdb.add", "port", "mac"),
	CALL("fdb", "del", "fdb.del", "port", "mac"),
	CALL("fdb", "flush", "fdb.flush", "switch"),
	LIST("mcast", "show", "mcast.list", "switch", "entries",
	     "vlan group port kind address left_s"),

	LIST("vm", "show", "vm.list", "vm", "vms",
	     "name vcpus attached qemu_pid vmbus_version scoped adapters socket"),
	CALL("vm", "add", "vm.add", "name"),
	CALL("vm", "del", "vm.del", "vm"),

	LIST("adapter", "show", "adapter.list", "adapter", "adapters",
	     "id kind switch mac link attached open nic guest.nvsp_version guest.mtu guest.channels"),
	CALL("adapter", "get", "adapter.get", "adapter"),
	CALL("adapter", "add", "adapter.add", "vm", "name"),
	CALL("adapter", "set", "adapter.set", "adapter"),
	CALL("adapter", "del", "adapter.del", "adapter"),
	CALL("adapter", "connect", "adapter.connect", "adapter", "switch"),
	CALL("adapter", "disconnect", "adapter.disconnect", "adapter"),

	LIST("extension", "show", "extension.list", "switch", "extensions",
	     "place name class enabled running version argument text"),
	CALL("extension", "enable", "extension.enable", "switch", "name", "argument"),
	CALL("extension", "disable", "extension.disable", "switch", "name"),
	CALL("extension", "remove", "extension.remove", "switch", "name"),
	CALL("extension", "order", "extension.order", "switch", "order..."),
	CALL("extension", "status", "extension.status", "switch"),

	OWN("capture", NULL, capture_fields, run_capture, "frames as they pass, to a file, to tshark (-w -), or as lines", "port"),
	LIST("captures", NULL, "capture.list", NULL, "captures",
	     "capture switch port pid seen frames lost"),

	RUN("stats", NULL, "stats.get", run_stats, "all counters that are not zero", NULL),
	RUN("audit", NULL, "audit", run_audit, NULL, "switch"),
	RUN("diag", "ping", "diag.test", run_diag_ping, NULL, "adapter", "target"),

	LIST("job", "show", "job.list", NULL, "jobs",
	     "job type state percent error.message"),
	CALL("job", "get", "job.get", "job"),
	CALL("job", "cancel", "job.cancel", "job"),

	OWN("monitor", NULL, monitor_fields, run_monitor, "what happens, as it happens", "kinds..."),
	OWN("topology", NULL, topology_fields, run_topology,
	    "the objects and associations of the Virtual Networking Profile, drawn", "switch"),
	RUN("config", "show", "config.show", run_config_show, NULL, NULL),
	OWN("config", "diff", config_file_fields, run_config_diff, "what `config apply` would do", "file"),
	OWN("config", "apply", config_file_fields, run_config_apply, "make the configuration as the file says", "file"),
	CALL("version", NULL, "version", NULL),
	OWN("completion", NULL, completion_fields, run_completion,
	    "print the shell's completion, for: source <(hvnetctl completion bash)", "shell"),
};
const size_t num_commands = sizeof(commands) / sizeof(commands[0]);
