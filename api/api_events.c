/* SPDX-License-Identifier: MIT */
/* Rows of the API: notifications to those who have subscribed. */
#include "api/api.h"

static const char *const changes[] = { "added", "changed", "renamed", "deleted", NULL };
static const char *const port_states[] = { "created", "teardown", "deleted", NULL };
static const char *const nic_states[] = { "created", "connected", "disconnected", "deleted", NULL };
static const char *const extension_actions[] = { "enabled", "disabled", "ordered", "attached", "failed", NULL };
static const char *const severities[] = { "info", "warning", "error", NULL };

#define COMMON \
	F_COUNT("seq", NEED, "number of the event; a gap is what this subscriber was too slow for"), \
	F_COUNT("time_us", NEED, "microseconds since 1970"), \
	F_ENUM("severity", NEED, severities, "how bad it is")
#define SWITCH F_NAME("switch", NEED, "the switch")
#define PORT \
	SWITCH, \
	F_INT("port", NEED, 0, UINT32_MAX, "number of the port"), \
	F_STRING("name", NEED, 1, 2 * HVNETD_NAME_BYTES, "its name")

static const struct field job_fields[] = {
	COMMON,
	F_STRING("job", NEED, 1, 64, "the job"),
	F_STRING("type", NEED, 1, 32, "the method that has started it"),
	F_ENUM("state", NEED, api_job_states, "its state"),
	F_INT("percent", NEED, 0, 100, "progress"),
	F_ANY("error", MAY, "why it failed"),
	FIELD_END
};
static const struct field object_fields[] = {
	COMMON,
	F_STRING("kind", NEED, 1, 16, "switch, uplink, hostnic, port, vm or adapter"),
	F_STRING("name", NEED, 1, 2 * HVNETD_NAME_BYTES, "which"),
	F_ENUM("action", NEED, changes, "what has become of it"),
	F_STRING("was", MAY, 1, 2 * HVNETD_NAME_BYTES, "what it was called, if it was renamed"),
	FIELD_END
};
static const struct field port_fields[] = {
	COMMON,
	PORT,
	F_ENUM("state", NEED, port_states, "its state"),
	FIELD_END
};
static const struct field nic_fields[] = {
	COMMON,
	PORT,
	F_ENUM("state", NEED, nic_states, "state of the NIC on it"),
	FIELD_END
};
static const struct field policy_fields[] = {
	COMMON,
	F_STRING("port", NEED, 1, 2 * HVNETD_NAME_BYTES, "the port, or adapter"),
	FIELD_END
};
static const struct field flapping_fields[] = {
	COMMON,
	SWITCH,
	F_STRING("mac", NEED, 17, 17, "the address that moved last"),
	F_INT("vlan", NEED, 0, 4095, "its VLAN"),
	F_COUNT("count", NEED, "times that an address was held in its place since the last such event"),
	FIELD_END
};
static const struct field member_fields[] = {
	COMMON,
	SWITCH,
	F_STRING("interface", NEED, 1, 15, "the member"),
	F_STRING("state", NEED, 1, 32, "its state"),
	FIELD_END
};
static const struct field uplink_fields[] = {
	COMMON,
	SWITCH,
	F_NAME("name", NEED, "the uplink, or host NIC"),
	F_STRING("state", NEED, 1, 16, "up or down"),
	F_STRING("why", MAY, 0, 255, "why it is down"),
	FIELD_END
};
static const struct field bandwidth_fields[] = {
	COMMON,
	SWITCH,
	F_OBJECT("bandwidth", NEED, api_bandwidth_status, "what is reserved of it"),
	FIELD_END
};
static const struct field drop_fields[] = {
	COMMON,
	PORT,
	F_COUNTERS("in", NEED, "frames of its NIC dropped since the last report, by reason"),
	F_COUNTERS("out", NEED, "frames for its NIC"),
	FIELD_END
};
static const struct field extension_fields[] = {
	COMMON,
	SWITCH,
	F_STRING("name", NEED, 1, 63, "the extension"),
	F_ENUM("action", NEED, extension_actions, "what has become of it"),
	F_STRING("why", MAY, 0, 255, "why it failed"),
	FIELD_END
};
static const struct field lost_fields[] = {
	COMMON,
	F_COUNT("count", NEED, "events"),
	FIELD_END
};
static const struct field store_fields[] = {
	COMMON,
	F_STRING("file", NEED, 1, 4095, "the file"),
	F_STRING("why", MAY, 0, 383, "why it could not be written"),
	FIELD_END
};
const struct api_event api_events[] = {
	{ "job.changed", "a job began, went on or ended", job_fields },
	{ "object.changed", "an object of the configuration was added, changed or deleted", object_fields },
	{ "switch.changed", "a switch was added, changed or deleted", object_fields },
	{ "port.state", "a port was created, torn down or deleted", port_fields },
	{ "nic.state", "a NIC was created, connected, disconnected or deleted", nic_fields },
	{ "policy.changed", "policies or the ACL of a port have changed", policy_fields },
	{ "fdb.flapping", "an address moves between ports too often", flapping_fields },
	{ "team.member", "a member of a team has another state", member_fields },
	{ "uplink.state", "an uplink or host NIC went up or down", uplink_fields },
	{ "bandwidth.capacity", "what a switch's uplink takes is another: a link changed, a team's member failed", bandwidth_fields },
	{ "drop.report", "a port has dropped frames; once a second at most", drop_fields },
	{ "extension.changed", "an extension was enabled, disabled or moved in the stack, its program came, or it failed",
	  extension_fields },
	{ "store.failed", "the configuration could not be stored; it is tried again", store_fields },
	{ "events.lost", "this subscriber was too slow for so many events", lost_fields },
	{ NULL, NULL, NULL },
};
