/* SPDX-License-Identifier: MIT */
/* Rows of the API: extensions, capture, counters, jobs, events, configuration, topology, transactions. */
#include "api/api.h"

const char *const api_job_states[] = { "new", "running", "completed", "killed", "exception", NULL };
static const char *const actions[] = { "add", "change", "delete", NULL };
static const char *const object_kinds[] = { "switch", "uplink", "hostnic", "port", "vm", "adapter", NULL };
static const char *const diag_states[] = { "reachable", "dropped", "no_answer", NULL };
static const char *const diag_questions[] = { "arp", "solicitation", "echo", NULL };
static const char *const diag_frames[] = { "request", "answer", NULL };
static const char *const diag_directions[] = { "from_nic", "to_nic", NULL };
static const char *const config_modes[] = { "replace", "merge", NULL };

#define SWITCH F_REFERENCE("switch", NEED, "the switch")
#define JOB F_STRING("job", NEED, 1, 64, "the job")

const struct field api_config[] = {
	F_OBJECTS("switches", MAY, 1024, api_switch_config, "switches"),
	F_OBJECTS("uplinks", MAY, 4096, api_uplink_config, "uplinks and teams"),
	F_OBJECTS("hostnics", MAY, 4096, api_hostnic_config, "NICs of the host"),
	F_OBJECTS("ports", MAY, 65536, api_port_config, "ports that stay without a NIC"),
	F_OBJECTS("vms", MAY, 4096, api_vm_config, "virtual machines"),
	F_OBJECTS("adapters", MAY, 65536, api_adapter_config, "their adapters"),
	FIELD_END
};

/* Parameters. */

static const struct field switch_params[] = { SWITCH, PAGE_PARAMS, FIELD_END };
static const struct field extension_list_params[] = {
	F_REFERENCE("switch", MAY, "the switch; without it, what is installed"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field extension_params[] = {
	SWITCH,
	F_STRING("name", NEED, 1, 63, "the extension"),
	FIELD_END
};
static const struct field extension_enable_params[] = {
	SWITCH,
	F_STRING("name", NEED, 1, 63, "the extension on the switch"),
	F_STRING("module", MAY, 1, 63, "the extension as installed; of the same name unless given"),
	F_STRING("argument", MAY, 0, 1024, "what it is told, e.g. a filter's expression"),
	F_OBJECT("remote", MAY, api_remote, "it is a program of its own, which attaches to the socket of the answer"),
	FIELD_END
};
static const struct field extension_order_params[] = {
	SWITCH,
	F_STRINGS("order", NEED, 0, 64, 63, "all enabled extensions, from the top of the stack to its bottom"),
	FIELD_END
};
static const struct field capture_start_params[] = {
	F_REFERENCE("switch", MAY, "the switch; may be left out if the port, or that there is only one, tells it"),
	F_STRING("port", MAY, 1, HVNETD_NAME_BYTES - 1, "name of a port, also of one that comes later; all unless given"),
	F_STRING("points", MAY, 1, 64, "where in the pipeline, by commas: ingress, accepted, egress, dropped; ingress,egress unless "
		 "given"),
	F_STRING("direction", MAY, 1, 8, "from the port's NIC (in), to it (out), or both, the default"),
	F_INT("vlan", MAY, 0, 4094, "only frames in this VLAN; 0: only those in none"),
	F_INT("snaplen", MAY, 1, 262144, "bytes of each frame; all unless given"),
	F_STRING("filter", MAY, 1, 49152, "program of the Berkeley packet filter as tcpdump -ddd prints it, with commas for newlines"),
	F_INT("count", MAY, 1, INT64_MAX, "it ends after so many frames"),
	F_INT("buffer_bytes", MAY, 1, API_CAPTURE_BUFFER_MAX, "size of the ring, rounded up to a power of two; 8 MiB unless given"),
	FIELD_END
};
static const struct field capture_params[] = { F_STRING("capture", NEED, 1, 64, "the capture"), FIELD_END };
static const struct field page_params[] = { PAGE_PARAMS, FIELD_END };
static const struct field stats_params[] = {
	F_REFERENCE("switch", MAY, "only the ports of this switch"),
	F_REFERENCE("port", MAY, "only this port"),
	F_NAME("vm", MAY, "only this VM and its adapters"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field audit_params[] = {
	F_REFERENCE("switch", MAY, "only this switch"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field diag_params[] = {
	F_REFERENCE("adapter", NEED, "in whose guest's name: VM/NAME; the guest need not run"),
	F_STRING("target", NEED, 2, 45, "IPv4 or IPv6 address of a station in the same network"),
	F_STRING("source", MAY, 2, 45, "the guest's address: then the target is pinged; without it, it is only asked for its MAC"),
	F_INT("vlan", MAY, 1, 4094, "the VLAN that the guest would tag its frames with; untagged unless given"),
	F_INT("count", MAY, 1, 16, "questions; 3 unless given"),
	F_INT("timeout_ms", MAY, 1, 2000, "to wait for each answer; 500 unless given. The whole takes 8 s at most"),
	FIELD_END
};
static const struct field job_params[] = { JOB, FIELD_END };
static const struct field subscribe_params[] = {
	F_STRINGS("kinds", MAY, 1, 64, 32, "names, or \"nic.*\" for a group; all unless given"),
	FIELD_END
};
static const struct field config_show_params[] = {
	F_ENUM("kind", MAY, object_kinds, "only objects of this kind"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field config_diff_params[] = {
	F_OBJECT("config", NEED, api_config, "the configuration to compare with"),
	F_ENUM("mode", MAY, config_modes, "replace (the default): what it does not have would be deleted; merge: would stay"),
	FIELD_END
};
static const struct field topology_params[] = {
	F_REFERENCE("switch", MAY, "only this switch and what is on it"),
	PAGE_PARAMS,
	FIELD_END
};
static const struct field call_fields[] = {
	F_STRING("method", NEED, 1, 64, "the method"),
	F_ANY("params", MAY, "its parameters, an object"),
	FIELD_END
};
static const struct field transaction_params[] = {
	F_OBJECTS("calls", NEED, API_TRANSACTION_MAX, call_fields, "methods that change, in this order"),
	FIELD_END
};
static const struct field no_params[] = { FIELD_END };

/* Results. */

static const struct field nothing[] = { FIELD_END };
static const struct field extension_result[] = {
	F_STRING("name", NEED, 1, 63, "the extension on the switch, or as installed"),
	F_ENUM("class", MAY, api_extension_classes, "what it may do; not known of one that cannot be loaded"),
	F_STRING("vendor", MAY, 0, 63, "who wrote it"),
	F_STRING("version", MAY, 0, 31, "its version"),
	F_STRING("text", MAY, 0, 255, "what it does"),
	F_BOOL("enabled", MAY, "whether it takes part in the switch"),
	F_BOOL("running", MAY, "whether its program is there"),
	F_STRING("why", MAY, 0, 255, "why it is not on the switch, or not enabled, or its program is not there any more"),
	F_INT("place", MAY, 0, 64, "in the stack, from the top"),
	F_STRING("argument", MAY, 0, 1024, "what it was told"),
	F_STRING("module", MAY, 1, 63, "the extension as installed"),
	F_STRING("socket", MAY, 1, 4095, "of one that is a program: where it attaches"),
	F_COUNTERS("counters", MAY, "frames, drops and time"),
	F_STRING("last_drop", MAY, 0, 255, "reason that it gave for its last drop"),
	FIELD_END
};
static const struct field extensions_result[] = {
	PAGE_RESULT("extensions", extension_result, "the extensions, from the top of the stack to its bottom"),
	FIELD_END
};
static const struct field capture_result[] = {
	F_STRING("capture", NEED, 1, 64, "the capture"),
	F_NAME("switch", NEED, "the switch"),
	F_STRING("port", MAY, 1, HVNETD_NAME_BYTES - 1, "the port"),
	F_COUNT("pid", NEED, "process that captures"),
	F_COUNT("seen", NEED, "frames at its points"),
	F_COUNT("frames", NEED, "frames in the stream"),
	F_COUNT("bytes", NEED, "their bytes, as captured"),
	F_COUNT("lost", NEED, "frames that found no room in the ring"),
	F_BOOL("ended", NEED, "whether it has ended by itself"),
	FIELD_END
};
static const struct field captures_result[] = { PAGE_RESULT("captures", capture_result, "the captures"), FIELD_END };
static const struct field stats_row[] = {
	F_STRING("kind", NEED, 1, 16, "switch, port, vm or adapter"),
	F_STRING("name", NEED, 1, 2 * HVNETD_NAME_BYTES, "which"),
	F_NAME("switch", MAY, "of a port: its switch"),
	F_INT("id", MAY, 0, UINT32_MAX, "of a port: its number"),
	F_COUNTERS("counters", NEED, "every counter, those that are zero included"),
	FIELD_END
};
static const struct field stats_result[] = {
	F_COUNTERS("worker", NEED, "the loop's counters"),
	F_COUNTERS("control", NEED, "the control socket's"),
	PAGE_RESULT("objects", stats_row, "the objects"),
	FIELD_END
};
static const struct field audit_row[] = {
	F_NAME("switch", NEED, "the switch"),
	F_NAME("port", MAY, "the port; absent: what extensions originated"),
	F_BOOL("balanced", NEED, "whether in = out + dropped + in flight"),
	F_COUNTERS("in", NEED, "what came from the NIC, and where it went"),
	F_COUNTERS("out", NEED, "what was for the NIC, and what became of it"),
	FIELD_END
};
static const struct field audit_result[] = {
	F_BOOL("balanced", NEED, "whether all rows of this page are"),
	PAGE_RESULT("rows", audit_row, "ports and switches"),
	FIELD_END
};
static const struct field diag_drop[] = {
	F_ENUM("frame", NEED, diag_frames, "what was dropped"),
	F_NAME("port", NEED, "where"),
	F_ENUM("direction", NEED, diag_directions, "from that port's NIC, or on the way to it"),
	F_STRING("reason", NEED, 1, 31, "why, as counters and captures call it"),
	F_STRING("rule", MAY, 1, 159, "by which rule, as captures say it"),
	F_COUNT("count", NEED, "how often"),
	F_BOOL("decides", NEED, "whether it is why there is no answer"),
	FIELD_END
};
static const struct field diag_result[] = {
	F_STRING("adapter", NEED, 3, 2 * HVNETD_NAME_BYTES, "from where"),
	F_STRING("target", NEED, 2, 45, "the target"),
	F_ENUM("status", NEED, diag_states, "reachable: it has answered; dropped: something on this switch is in the way; no_answer"),
	F_STRING("mac", MAY, 17, 17, "where the target is, if it has said so"),
	F_ENUM("question", NEED, diag_questions, "what the target was asked: ARP, neighbour solicitation, or echo"),
	F_INT("vlan", MAY, 1, 4094, "the VLAN of the frames' tags"),
	F_BOOL("guest", NEED, "whether the guest runs; false: something stood in for it"),
	F_COUNT("sent", NEED, "questions"),
	F_COUNT("received", NEED, "answers"),
	F_INTS("round_trips_us", NEED, 16, 0, INT64_MAX, "time from question to answer, in microseconds"),
	F_OBJECTS("drops", NEED, 16, diag_drop, "what was dropped of questions and answers; first what decides"),
	FIELD_END
};
static const struct field job_result[] = {
	F_STRING("job", NEED, 1, 64, "the job"),
	F_STRING("type", NEED, 1, 32, "the method that has started it"),
	F_ENUM("state", NEED, api_job_states, "new, running, completed, killed (cancelled) or exception (failed)"),
	F_INT("percent", NEED, 0, 100, "progress"),
	F_ANY("error", MAY, "as in an answer: code, message, data"),
	F_ANY("result", MAY, "what it has made"),
	FIELD_END
};
static const struct field jobs_result[] = { PAGE_RESULT("jobs", job_result, "the jobs of the last 5 minutes"), FIELD_END };
static const struct field subscribe_result[] = {
	F_STRINGS("kinds", NEED, 0, 64, 32, "what is subscribed to on this connection"),
	FIELD_END
};
static const struct field config_result[] = {
	F_OBJECT("config", NEED, api_config, "the objects"),
	F_BOOL("stored", NEED, "whether the file has it all"),
	F_STRING("file", MAY, 1, 4095, "the file; absent: none, nothing is stored"),
	F_COUNT("total", NEED, "objects that there are"),
	F_COUNT("next_offset", MAY, "where the next page begins"),
	FIELD_END
};
static const struct field diff_row[] = {
	F_ENUM("action", NEED, actions, "what would be done"),
	F_ENUM("kind", NEED, object_kinds, "to what"),
	F_STRING("name", NEED, 1, 160, "which"),
	F_ANY("from", MAY, "as it is"),
	F_ANY("to", MAY, "as it would be"),
	FIELD_END
};
static const struct field diff_result[] = { F_OBJECTS("changes", NEED, 131072, diff_row, "the differences"), FIELD_END };
static const struct field node_fields[] = {
	F_STRING("id", NEED, 1, 255, "unique in the answer"),
	F_STRING("class", NEED, 1, 64, "class of the profile, as Msvm_SwitchPort"),
	F_STRING("name", NEED, 1, 255, "ElementName"),
	F_ANY("properties", NEED, "properties of the class"),
	FIELD_END
};
static const struct field edge_fields[] = {
	F_STRING("from", NEED, 1, 255, "antecedent"),
	F_STRING("to", NEED, 1, 255, "dependent"),
	F_STRING("association", NEED, 1, 64, "its class, as HostedAccessPoint"),
	FIELD_END
};
static const struct field topology_result[] = {
	F_OBJECTS("nodes", NEED, 16384, node_fields, "objects"),
	F_OBJECTS("edges", NEED, 65536, edge_fields, "associations"),
	F_COUNT("total", NEED, "ports and adapters that there are: a page has some of them, all switches and VMs, and "
		"edges to what is on other pages"),
	F_COUNT("next_offset", MAY, "where the next page begins"),
	FIELD_END
};
static const struct field transaction_result[] = {
	{ .name = "results", .text = "one result per call", .kind = FIELD_ARRAY, .required = true, .max = API_TRANSACTION_MAX,
	  .items = FIELD_ANY },
	FIELD_END
};
static const struct field version_result[] = {
	F_STRING("program", NEED, 1, 16, "hvnetd"),
	F_STRING("version", NEED, 1, 16, "its version"),
	F_COUNT("pid", NEED, "its process"),
	F_STRING("runtime_dir", NEED, 1, 4096, "where sockets are"),
	F_STRING("state_dir", MAY, 1, 4096, "where the configuration is stored"),
	F_BOOL("tap", NEED, "whether it kept the right to make interfaces"),
	F_BOOL("may_change", NEED, "whether you may change things"),
	FIELD_END
};

const struct rpc_method api_system_methods[] = {
	{ "extension.list", "extensions that are installed, or those of a switch", 0, extension_list_params, extensions_result },
	{ "extension.enable", "put an extension on a switch, and let it take part", RPC_CHANGES, extension_enable_params,
	  extensions_result },
	{ "extension.disable", "no longer; it keeps its place", RPC_CHANGES, extension_params, nothing },
	{ "extension.remove", "take it off the switch", RPC_CHANGES, extension_params, nothing },
	{ "extension.order", "their order in the stack", RPC_CHANGES, extension_order_params, extensions_result },
	{ "extension.status", "counters of a switch's extensions", 0, switch_params, extensions_result },
	{ "capture.start", "capture frames into a ring of pcapng blocks, shared with this connection", RPC_ACTS, capture_start_params,
	  capture_result },
	{ "capture.stop", "end a capture", RPC_ACTS, capture_params, capture_result },
	{ "capture.list", "captures that run", RPC_PAGED, page_params, captures_result },
	{ "stats.get", "every counter", RPC_PAGED, stats_params, stats_result },
	{ "audit", "whether in = out + dropped + in flight, port by port", RPC_PAGED, audit_params, audit_result },
	{ "diag.test", "whether a target answers as an adapter's guest would reach it", RPC_ACTS, diag_params, diag_result },
	{ "job.get", "one job", 0, job_params, job_result },
	{ "job.list", "the jobs", RPC_PAGED, page_params, jobs_result },
	{ "job.cancel", "end a job, and undo what it has done", RPC_ACTS, job_params, job_result },
	{ "event.subscribe", "be told of what happens, on this connection", 0, subscribe_params, subscribe_result },
	{ "event.unsubscribe", "no longer", 0, no_params, nothing },
	{ "config.show", "the configuration", 0, config_show_params, config_result },
	{ "config.diff", "what config.apply would do", RPC_ALONE, config_diff_params, diff_result },
	{ "config.apply", "make the configuration so", RPC_CHANGES, config_diff_params, diff_result },
	{ "topology", "objects and associations of the Virtual Networking Profile", 0, topology_params, topology_result },
	{ "transaction", "several changes, all or none", RPC_CHANGES | RPC_OUTER, transaction_params, transaction_result },
	{ "version", "the daemon's version", 0, no_params, version_result },
};
const size_t api_num_system_methods = sizeof(api_system_methods) / sizeof(api_system_methods[0]);
