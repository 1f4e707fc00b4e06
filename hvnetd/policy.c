/* SPDX-License-Identifier: MIT */
/* Policies and bandwidth of ports, and addresses by hand: from configurations to what the switch takes. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <pcap/pcap.h>
#include <pcap/namedb.h>	/* wants the above */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "hvnetd/policy.h"
#include "vswitch/vswitch.h"

int refused_by_extension(const struct vswitch *sw, const char *what, struct rpc_error *err)
{
	const struct vswitch_refusal *r = vswitch_refusal(sw);

	rpc_fail(err, RPC_REFUSED, what, "the extension %s refuses it%s%s", r->extension, r->reason[0] ? ": " : "", r->reason);
	rpc_detail(err, "extension", "%s", r->extension);
	return rpc_detail(err, "reason", "%s", r->reason);
}

int policy_fail(const struct vswitch *sw, int ret, const struct vswitch_why *why, const char *what, struct rpc_error *err)
{
	const char *field = why->field ? why->field : what;

	switch (ret) {
	case -ECANCELED:
		return refused_by_extension(sw, what, err);
	case -EINVAL:
		return rpc_fail(err, RPC_INVALID_PARAMS, what, "%s: %s", field, why->text);
	case -EBUSY:
	case -EEXIST:
		return rpc_fail(err, RPC_INCOMPATIBLE, what, "%s: %s", field, why->text);
	case -ENOSPC:
		return rpc_fail(err, RPC_NO_RESOURCES, what, "%s: %s", field, why->text);
	default:
		return rpc_fail(err, ret == -ENOMEM ? RPC_NO_RESOURCES : RPC_FAILED, what, "%s: %s", what, strerror(-ret));
	}
}

static int bad(struct rpc_error *err, const char *what, const char *text)
{
	return rpc_fail(err, RPC_INVALID_PARAMS, what, "\"%s\" %s", what, text);
}

/* ---- VLAN ---- */

/* A set of VLANs as "1,5-7". False: not one. */
static bool parse_vlan_list(const char *text, struct vswitch_vlan_set *set)
{
	memset(set, 0, sizeof(*set));
	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*text < '0' || *text > '9')
			return false;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (*text < '0' || *text > '9')
				return false;
		}
		if (!first || first > last || last > VSWITCH_VLAN_MAX || (*end && (*end != ',' || !end[1])))
			return false;
		for (; first <= last; first++)
			vswitch_vlan_set_add(set, (unsigned)first);
		text = *end ? end + 1 : end;
	}
	return true;
}

/* Which members a mode has; others are refused. */
static int check_members(const json_t *vlan, const char *mode, const char *const *members, struct rpc_error *err)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)vlan, name, v) {
		const char *const *m = members;

		while (*m && strcmp(*m, name) != 0)
			m++;
		if (*m || !strcmp(name, "mode"))
			continue;
		rpc_fail(err, RPC_INCOMPATIBLE, name, "\"%s\" does not go with VLAN mode %s", name, mode);
		return rpc_detail(err, "other", "mode %s", mode);
	}
	return 0;
}

static int take_set(const json_t *vlan, const char *name, struct vswitch_vlan_set *set, struct rpc_error *err)
{
	const char *text = string(vlan, name);

	if (text && !parse_vlan_list(text, set))
		return bad(err, name, "must list VLANs from 1 to 4094, as \"10,20-29\"");
	return 0;
}

static int need(const json_t *vlan, const char *name, const char *mode, struct rpc_error *err)
{
	if (json_object_get(vlan, name))
		return 0;
	return rpc_fail(err, RPC_INVALID_PARAMS, name, "VLAN mode %s needs \"%s\"", mode, name);
}

static int parse_vlan(const json_t *vlan, struct vswitch_vlan_policy *out, struct rpc_error *err)
{
	static const char *const members[][4] = {
		{ NULL }, { "id", NULL }, { "native", "allowed", "pruned", NULL }, { "primary", "secondary", NULL },
		{ "primary", "secondary", NULL }, { "primary", "secondaries", NULL },
	};
	const char *mode = string(vlan, "mode");

	out->mode = (enum vswitch_vlan_mode)api_index(api_vlan_modes, mode);
	if (check_members(vlan, mode, members[out->mode], err))
		return -1;
	if (out->mode == VSWITCH_VLAN_ACCESS && need(vlan, "id", mode, err))
		return -1;
	if (out->mode >= VSWITCH_VLAN_ISOLATED && need(vlan, "primary", mode, err))
		return -1;
	if ((out->mode == VSWITCH_VLAN_ISOLATED || out->mode == VSWITCH_VLAN_COMMUNITY) && need(vlan, "secondary", mode, err))
		return -1;
	out->access = (uint16_t)number(vlan, "id");
	out->native = (uint16_t)number(vlan, "native");
	out->primary = (uint16_t)number(vlan, "primary");
	out->secondary = (uint16_t)number(vlan, "secondary");
	if (out->mode == VSWITCH_VLAN_TRUNK && !json_object_get(vlan, "allowed"))
		parse_vlan_list("1-4094", &out->allowed);
	return take_set(vlan, "allowed", &out->allowed, err) || take_set(vlan, "pruned", &out->pruned, err) ||
	       take_set(vlan, "secondaries", &out->secondaries, err) ? -1 : 0;
}

/* ---- policies ---- */

static_assert((int)API_MONITOR_FILTER_BYTES < (int)VSWITCH_MONITOR_FILTER_BYTES, "with its end");

/*
 * In the place of libpcap's own: a name in a filter would be asked for over the network, and all wait for the answer. Whoever
 * compiles in another process (hvnetctl capture) may use names.
 */
struct addrinfo *pcap_nametoaddrinfo(const char *name)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *out;

	return getaddrinfo(name, NULL, &hints, &out) ? NULL : out;
}

static int parse_addresses(const json_t *list, struct vswitch_port_policy *p, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		struct vswitch_address *a = &p->addresses[p->num_addresses++];
		const char *text = json_string_value(v);

		a->version = strchr(text, ':') ? 6 : 4;
		if (inet_pton(a->version == 6 ? AF_INET6 : AF_INET, text, a->bytes) != 1)
			return rpc_fail(err, RPC_INVALID_PARAMS, "address_guard", "\"%s\" is no IP address", text);
	}
	p->prevent_ip_spoofing = p->num_addresses;
	return 0;
}

static int parse_policy(const json_t *o, struct vswitch_port_policy *p, struct rpc_error *err)
{
	static const char *const monitor_modes[] = { "none", "destination", "source", NULL };
	const json_t *monitor = json_object_get(o, "monitor"), *vlan = json_object_get(o, "vlan");

	*p = (struct vswitch_port_policy){
		.allow_mac_spoofing = is_true(o, "mac_spoofing"),
		.allow_teaming = is_true(o, "teaming"),
		.allow_priority_tag = is_true(o, "priority_tag"),
		.dhcp_guard = is_true(o, "dhcp_guard"),
		.router_guard = is_true(o, "router_guard"),
		.bpdu_guard = (enum vswitch_bpdu_guard)api_index(api_bpdu_guards, string(o, "bpdu_guard")),
		.isolated = is_true(o, "isolated"),
		.storm_limit = (uint32_t)number(o, "storm_limit"),
		.dynamic_ip_limit = (uint32_t)number(o, "ip_limit"),
		.monitor_mode = (enum vswitch_monitor_mode)api_index(monitor_modes, string(monitor, "mode")),
		.monitor_direction = (enum vswitch_monitor_direction)api_index(api_monitor_directions, string(monitor, "direction")),
		.monitor_session = (uint8_t)number(monitor, "session"),
		.lldp = is_true(o, "lldp"),
	};
	snprintf(p->monitor_filter, sizeof(p->monitor_filter), "%s", string(monitor, "filter") ? string(monitor, "filter") : "");
	if (vlan && parse_vlan(vlan, &p->vlan, err))
		return -1;
	return parse_addresses(json_object_get(o, "address_guard"), p, err);
}

/* Whether the uplink has as much is asked when something is configured (bandwidth.c), not when it comes to be. */
static struct vswitch_port_bandwidth parse_bandwidth(const json_t *config)
{
	const json_t *b = json_object_get(json_object_get(config, "policy"), "bandwidth");

	return (struct vswitch_port_bandwidth){
		.limit_bits = (uint64_t)number(b, "limit_bps"), .burst_limit_bits = (uint64_t)number(b, "burst_bps"),
		.burst_bytes = (uint64_t)number(b, "burst_bytes"), .weight = (uint32_t)number(b, "weight"),
		.reservation_bits = (uint64_t)number(b, "reservation_bps"), .overcommit = true,
	};
}

/* ---- addresses by hand ---- */

static bool has_entry(const json_t *list, const json_t *entry)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_equal(v, entry))
			return true;
	return false;
}

static int change_entry(struct vswitch_port *port, const json_t *e, bool add, struct rpc_error *err)
{
	uint8_t mac[6];
	int ret = mac_parse(string(e, "mac"), mac) ? 0 : -EINVAL;

	if (!ret)
		ret = add ? vswitch_fdb_add(port, mac, (uint16_t)number(e, "vlan")) :
			    vswitch_fdb_del(port, mac, (uint16_t)number(e, "vlan"));
	if (!ret)
		return 0;
	return rpc_fail(err, ret == -EADDRINUSE ? RPC_IN_USE : ret == -EINVAL ? RPC_INVALID_PARAMS : RPC_FAILED, "fdb",
			"%s: %s", string(e, "mac"), ret == -EADDRINUSE ? "it is another port's, or a NIC's own" : strerror(-ret));
}

/* Those of a that b does not have are added, or deleted. */
static int change_entries(struct vswitch_port *port, const json_t *a, const json_t *b, bool add, struct rpc_error *err)
{
	const json_t *v;
	size_t i;

	json_array_foreach(a, i, v)
		if (!has_entry(b, v) && change_entry(port, v, add, err))
			return -1;
	return 0;
}

static int apply_fdb(struct vswitch_port *port, const json_t *to, const json_t *from, struct rpc_error *err)
{
	struct rpc_error other = { 0 };
	const json_t *v;
	size_t i;

	if (to == from)
		return 0;
	if (!change_entries(port, to, from, true, err)) {
		(void)change_entries(port, from, to, false, &other);	/* one that is not there is as good as deleted */
		return 0;
	}
	json_array_foreach(to, i, v) {
		if (has_entry(from, v))
			continue;
		if (change_entry(port, v, false, &other))
			break;		/* the one that failed */
	}
	return -1;
}

/* ---- all of it ---- */

int policy_check(struct hvnetd *d, const json_t *config, bool external, struct rpc_error *err)
{
	const json_t *policy = json_object_get(config, "policy");
	const struct vswitch_port_bandwidth bandwidth = parse_bandwidth(config);
	struct vswitch_port_policy p;
	struct vswitch_why why = { 0 };
	const struct object *sw = string(config, "switch") ? object_find(d, OBJECT_SWITCH, string(config, "switch")) : NULL;
	int ret;

	if (external && !policy)
		return 0;
	if (parse_policy(policy, &p, err))
		return -1;
	if (!sw || !switch_of(sw))
		return 0;
	ret = vswitch_bandwidth_check(switch_of(sw), &bandwidth, &why);
	if (ret)
		return policy_fail(switch_of(sw), ret, &why, "bandwidth", err);
	ret = vswitch_policy_check(switch_of(sw), &p, &why);
	return ret == -EBUSY || !ret ? 0 : policy_fail(switch_of(sw), ret, &why, "policy", err);
}

static int set_policy(struct vswitch_port *port, const json_t *config, bool external, struct rpc_error *err)
{
	const json_t *policy = json_object_get(config, "policy");
	const struct vswitch_port_bandwidth bandwidth = parse_bandwidth(config);
	struct vswitch_port_policy p;
	struct vswitch_why why = { 0 };
	int ret;

	if (parse_policy(policy, &p, err))
		return -1;
	ret = vswitch_port_check_bandwidth(port, &bandwidth, &why);
	if (ret)
		return policy_fail(vswitch_port_switch(port), ret, &why, "bandwidth", err);
	ret = vswitch_port_set_policy(port, external && !policy ? NULL : &p, &why);
	if (!ret)
		ret = vswitch_port_set_bandwidth(port, &bandwidth, &why);
	return ret ? policy_fail(vswitch_port_switch(port), ret, &why, "policy", err) : 0;
}

int policy_apply(struct vswitch_port *port, const json_t *config, const json_t *before, bool external, struct rpc_error *err)
{
	struct acl_walk walk = { 0 };
	int ret;

	do
		ret = policy_apply_step(port, config, before, external, &walk, err);
	while (ret == OBJECT_AGAIN);
	return ret;
}

int policy_apply_step(struct vswitch_port *port, const json_t *config, const json_t *before, bool external, struct acl_walk *walk,
		      struct rpc_error *err)
{
	const json_t *acl = json_object_get(config, "acl"), *old_acl = json_object_get(before, "acl");
	struct rpc_error other = { 0 };
	int ret;

	if (!acl_walk_began(walk) && set_policy(port, config, external, err))
		return -1;
	ret = acl_step(port, acl, old_acl, walk, err);
	if (ret == OBJECT_AGAIN)
		return ret;
	if (!ret && !apply_fdb(port, json_object_get(config, "fdb"), json_object_get(before, "fdb"), err))
		return 0;
	*walk = (struct acl_walk){ 0 };
	while ((ret = acl_step(port, old_acl, acl, walk, &other)) == OBJECT_AGAIN)
		;
	if (ret)
		hv_log(HV_LOG_ERROR, "acl: cannot be put back: %s", other.message);
	if (before && set_policy(port, before, external, &other))
		hv_log(HV_LOG_ERROR, "policy: cannot be put back: %s", other.message);
	return -1;
}
