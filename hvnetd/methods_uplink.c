/* SPDX-License-Identifier: MIT */
/* Methods of uplinks, their teams, and the host's interfaces. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hvnetd/methods.h"
#include "hvnetd/uplink.h"
#include "hvnetd/view.h"
#include "vswitch/vswitch.h"

/* ---- bind ---- */

static json_t *members_of(const json_t *names)
{
	json_t *members = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
		json_array_append_new(members, json_pack("{s:O}", "interface", v));
	return members;
}

/* Whether the default route of the host, IPv4's, goes by the interface. */
static bool has_default_route(const char *interface)
{
	char line[256], name[32], destination[16];
	FILE *f = fopen("/proc/net/route", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%31s %15s", name, destination) == 2 && !strcmp(destination, "00000000") &&
			!strcmp(name, interface);
	if (f)
		fclose(f);
	return found;
}

/* What binding would do to the host, and whether it is wanted. */
static int check_host(struct rpc_call *call, const json_t *members)
{
	const json_t *v;
	size_t i;
	int ret;

	json_array_foreach(members, i, v) {
		const char *name = json_string_value(json_object_get(v, "interface"));

		if (interface_user(call->opaque, name, NULL) || !interface_is_good(name))
			continue;	/* said by the object's own checks */
		ret = vswitch_uplink_check(name);
		if (ret)
			return rpc_fail(&call->err, ret == -EBUSY ? RPC_IN_USE : ret == -EPERM ? RPC_FAILED : RPC_INVALID_PARAMS,
					"interfaces", "%s cannot be bound: %s", name,
					ret == -EINVAL ? "it is no Ethernet interface of its own" :
					ret == -EBUSY ? "it is a member of a bridge or bond" :
					ret == -ENODEV ? "there is no such interface; `hvnetctl interface show` lists them" :
					ret == -EPERM ? "CAP_NET_RAW is missing; start hvnetd as root with --allow-uplinks" :
					strerror(-ret));
		if (!rpc_boolean(call, "share") && !rpc_boolean(call, "force") && has_default_route(name)) {
			rpc_fail(&call->err, RPC_IN_USE, "interfaces", "the host's default route goes by %s, and would end; share the "
				 "interface with the host, or force it", name);
			return rpc_detail(&call->err, "by", "the host's default route");
		}
	}
	return 0;
}

/* The configuration that is asked for. NULL with err. */
static json_t *make_config(struct rpc_call *call, const struct object *sw)
{
	const char *kind = rpc_string(call, "kind"), *name = rpc_string(call, "name");
	const json_t *names = json_object_get(call->params, "interfaces");
	json_t *config = json_pack("{s:s}", "switch", sw->key);

	if (!kind)
		kind = rpc_has(call, "path") ? "stream" : rpc_has(call, "interface") ? "tap" : "packet";
	if (!name)
		name = names ? json_string_value(json_array_get(names, 0)) : rpc_string(call, "interface");
	json_object_set_new(config, "name", json_string(name ? name : kind));
	json_object_set_new(config, "kind", json_string(kind));
	copy_params(config, call, (const char *const[]){ "interface", "path", "listen", "team", NULL });
	if (names)
		json_object_set_new(config, "members", members_of(names));
	if (json_array_size(names) > 1 && !rpc_has(call, "team"))
		json_object_set_new(config, "team", json_object());
	return config;
}

static json_t *show_bound(const struct object *o)
{
	return json_pack("{s:o}", "uplink", show_uplink(o));
}

/* What changes the host's network is a job. */
json_t *method_uplink_bind(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	const json_t *names = json_object_get(call->params, "interfaces");
	char key[OBJECT_KEY_BYTES];
	json_t *config, *members;
	const char *job;

	if (!sw)
		return NULL;
	config = make_config(call, sw);
	members = json_object_get(config, "members");
	object_key(OBJECT_UPLINK, config, key);
	if (object_find(call->opaque, OBJECT_UPLINK, key))
		rpc_fail(&call->err, RPC_IN_USE, "name", "there is an uplink %s already", key);
	else if (rpc_boolean(call, "share") && json_array_size(names) != 1)
		rpc_fail(&call->err, RPC_INVALID_PARAMS, "share", "\"share\" is for one interface");
	else
		check_host(call, members);
	if (call->err.code) {
		json_decref(config);
		return NULL;
	}
	if (!change_put(call, OBJECT_UPLINK, key, config) ||
	    (rpc_boolean(call, "share") &&
	     !hostnic_put(call, sw->key, NULL, NULL, json_string_value(json_array_get(names, 0)))))
		return NULL;
	if (!names)
		return change_show(call, object_find(call->opaque, OBJECT_UPLINK, key), show_bound);
	job = change_job(call);
	return job ? json_pack("{s:s*}", "job", *job ? job : NULL) : NULL;
}

/* The uplink that is meant. NULL with err. */
static struct object *find_uplink(struct rpc_call *call, const struct object *sw)
{
	const char *name = rpc_string(call, "name");
	struct object *o, *found = NULL;
	unsigned n = 0;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_UPLINK) {
		if (strcmp(object_string(o, "switch"), sw->key) != 0 || (name && strcmp(object_string(o, "name"), name) != 0))
			continue;
		if (!found || uplink_is_external(o))
			found = o;
		n++;
	}
	if (!n)
		rpc_fail(&call->err, RPC_NOT_FOUND, "switch", name ? "switch \"%s\" has no uplink %s" : "switch \"%s\" has no uplink%s",
			 sw->key, name ? name : "");
	else if (n > 1 && !uplink_is_external(found)) {
		rpc_fail(&call->err, RPC_AMBIGUOUS, "name", "switch \"%s\" has %u uplinks; say which with \"name\"", sw->key, n);
		found = NULL;
	}
	return found;
}

/* A host NIC that has taken over an interface's settings gives them back before the interface is let go. */
static int drop_sharing(struct rpc_call *call, const struct object *uplink)
{
	const json_t *v;
	struct object *o;
	size_t i;

	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_HOSTNIC)
		json_array_foreach(json_object_get(uplink->config, "members"), i, v)
			if (object_string(o, "shares") &&
			    !strcmp(object_string(o, "shares"), json_string_value(json_object_get(v, "interface"))) &&
			    !change_put(call, OBJECT_HOSTNIC, o->key, NULL))
				return -1;
	return 0;
}

json_t *method_uplink_unbind(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	const struct object *o = sw ? find_uplink(call, sw) : NULL;
	const char *job;
	bool packet;

	if (!o)
		return NULL;
	packet = uplink_kind_of(o) == UPLINK_PACKET;
	if (drop_sharing(call, o) || !change_put(call, OBJECT_UPLINK, o->key, NULL))
		return NULL;
	if (!packet)
		return json_object();
	job = change_job(call);
	return job ? json_pack("{s:s*}", "job", *job ? job : NULL) : NULL;
}

json_t *method_uplink_list(struct rpc_call *call)
{
	return list_objects(call, OBJECT_UPLINK, show_uplink, "uplinks");
}

/* ---- teams ---- */

/* The switch's uplink of kind packet. NULL with err. */
static struct object *find_team(struct rpc_call *call)
{
	const struct object *sw = switch_param(call);
	struct object *o;

	if (!sw)
		return NULL;
	OBJECT_FOREACH(o, (struct hvnetd *)call->opaque, OBJECT_UPLINK)
		if (!strcmp(object_string(o, "switch"), sw->key) && uplink_kind_of(o) == UPLINK_PACKET)
			return o;
	rpc_fail(&call->err, RPC_NOT_FOUND, "switch", "switch \"%s\" has no uplink of interfaces", sw->key);
	return NULL;
}

static json_t *put_team(struct rpc_call *call, struct object *o, json_t *config)
{
	if (!json_object_get(config, "team"))
		json_object_set_new(config, "team", json_object());
	return change_put(call, OBJECT_UPLINK, o->key, config) ? change_show(call, o, show_uplink) : NULL;
}

json_t *method_team_set(struct rpc_call *call)
{
	static const char *const names[] = { "mode", "algorithm", "lacp_rate", "lacp_fallback", "updelay_ms", "downdelay_ms",
					     NULL };
	struct object *o = find_team(call);
	json_t *config, *team;

	if (!o)
		return NULL;
	config = object_copy(o);
	team = json_object_get(config, "team") ? json_copy(json_object_get(config, "team")) : json_object();
	copy_params(team, call, names);
	json_object_set_new(config, "team", team);
	return put_team(call, o, config);
}

static json_t *copy_members(const struct object *o)
{
	return json_copy(json_object_get(o->config, "members"));
}

/* Place of the interface among the members; their number: it is none. */
static size_t place_of(const json_t *members, const char *interface)
{
	const json_t *v;
	size_t i;

	json_array_foreach(members, i, v)
		if (!strcmp(json_string_value(json_object_get(v, "interface")), interface))
			return i;
	return json_array_size(members);
}

static json_t *put_members(struct rpc_call *call, struct object *o, json_t *members)
{
	json_t *config = object_copy(o);

	json_object_set_new(config, "members", members);
	return put_team(call, o, config);
}

json_t *method_team_member_add(struct rpc_call *call)
{
	const char *interface = rpc_string(call, "interface"), *mode = rpc_string(call, "mode");
	struct object *o = find_team(call);
	json_t *members, *row;

	if (!o)
		return NULL;
	members = copy_members(o);
	if (place_of(members, interface) < json_array_size(members)) {
		json_decref(members);
		rpc_fail(&call->err, RPC_IN_USE, "interface", "%s is a member already", interface);
		return NULL;
	}
	row = json_pack("{s:s, s:s*}", "interface", interface, "mode", mode);
	json_array_append_new(members, row);
	return put_members(call, o, members);
}

static json_t *not_a_member(struct rpc_call *call, json_t *members)
{
	json_decref(members);
	rpc_fail(&call->err, RPC_NOT_FOUND, "interface", "%s is no member", rpc_string(call, "interface"));
	return NULL;
}

/* A copy of a list without the rows that have this value. */
static json_t *rows_without(const json_t *rows, const char *name, const char *value)
{
	json_t *left = json_array(), *v;
	size_t i;

	json_array_foreach(rows, i, v)
		if (strcmp(json_string_value(json_object_get(v, name)), value) != 0)
			json_array_append(left, v);
	return left;
}

/* Takes mappings. */
static void put_mappings(json_t *config, json_t *mappings)
{
	if (json_array_size(mappings)) {
		json_object_set_new(config, "mappings", mappings);
		return;
	}
	json_decref(mappings);
	json_object_del(config, "mappings");
}

json_t *method_team_member_del(struct rpc_call *call)
{
	const char *interface = rpc_string(call, "interface");
	struct object *o = find_team(call);
	json_t *config, *members;

	if (!o)
		return NULL;
	members = rows_without(json_object_get(o->config, "members"), "interface", interface);
	if (json_array_size(members) == json_array_size(json_object_get(o->config, "members")))
		return not_a_member(call, members);
	config = object_copy(o);
	json_object_set_new(config, "members", members);
	put_mappings(config, rows_without(json_object_get(config, "mappings"), "interface", interface));
	return put_team(call, o, config);
}

json_t *method_team_member_set(struct rpc_call *call)
{
	const char *interface = rpc_string(call, "interface"), *mode = rpc_string(call, "mode");
	struct object *o = find_team(call);
	json_t *members;
	size_t i;

	if (!o)
		return NULL;
	members = copy_members(o);
	i = place_of(members, interface);
	if (i == json_array_size(members))
		return not_a_member(call, members);
	json_array_set_new(members, i, json_pack("{s:s, s:s*}", "interface", interface, "mode", mode));
	return put_members(call, o, members);
}

static bool is_mapped(const struct object *o, const char *port)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o->config, "mappings"), i, v)
		if (!strcmp(json_string_value(json_object_get(v, "port")), port))
			return true;
	return false;
}

/* What the mappings call the port that is meant; NULL with err. A mapping outlives its port, and can be taken away then, too. */
static const char *mapped_name(struct rpc_call *call, const struct object *o)
{
	const char *name = rpc_string(call, "port"), *sw;
	struct object *port;

	if (!rpc_has(call, "interface") && is_mapped(o, name))
		return name;
	port = port_param(call);
	if (!port)
		return NULL;
	port = policy_holder(port);
	sw = object_string(port, "switch");
	if (port != o && (!sw || !strcmp(sw, object_string(o, "switch"))))
		return port->key;
	rpc_fail(&call->err, RPC_INVALID_PARAMS, "port", "%s is no port that sends by this uplink", port->key);
	return NULL;
}

json_t *method_team_map(struct rpc_call *call)
{
	const char *interface = rpc_string(call, "interface");
	struct object *o = find_team(call);
	const char *name = o ? mapped_name(call, o) : NULL;
	json_t *config, *mappings;

	if (!name)
		return NULL;
	config = object_copy(o);
	mappings = rows_without(json_object_get(config, "mappings"), "port", name);
	if (interface)
		json_array_append_new(mappings, json_pack("{s:s, s:s}", "port", name, "interface", interface));
	put_mappings(config, mappings);
	return put_team(call, o, config);
}

/* ---- interfaces of the host ---- */

static bool ask(int fd, unsigned long what, const char *name, struct ifreq *request)
{
	snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", name);
	return !ioctl(fd, what, request);
}

static int speed_of(int fd, const char *name)
{
	struct ethtool_cmd command = { .cmd = ETHTOOL_GSET };
	struct ifreq request = { .ifr_data = (void *)&command };
	const uint32_t unknown = (uint32_t)-1;

	if (!ask(fd, SIOCETHTOOL, name, &request) || ethtool_cmd_speed(&command) == unknown)
		return 0;
	return (int)ethtool_cmd_speed(&command);
}

/* By ioctl(2): what sysfs shows may be another network namespace's. */
static json_t *show_interface(struct hvnetd *d, const char *name)
{
	const struct object *user = interface_user(d, name, NULL);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq flags = { 0 }, mtu = { 0 }, address = { 0 };
	char mac[HVNETD_MAC_TEXT_BYTES];
	json_t *o;
	int speed;

	ask(fd, SIOCGIFFLAGS, name, &flags);
	ask(fd, SIOCGIFMTU, name, &mtu);
	ask(fd, SIOCGIFHWADDR, name, &address);
	mac_format((const uint8_t *)address.ifr_hwaddr.sa_data, mac);
	o = json_pack("{s:s, s:s, s:s, s:i}", "name", name, "mac", mac, "state",
		      (flags.ifr_flags & IFF_UP) && (flags.ifr_flags & IFF_RUNNING) ? "up" : "down", "mtu", mtu.ifr_mtu);
	speed = speed_of(fd, name);
	if (speed)
		json_object_set_new(o, "speed_mbps", json_integer(speed));
	if (user)
		json_object_set_new(o, "bound_to", json_string(object_string(user, "switch")));
	if (fd >= 0)
		close(fd);
	return o;
}

/* Ethernet, and either bound by us or free to be bound. */
static bool is_candidate(struct hvnetd *d, const char *name)
{
	const int ret = vswitch_uplink_check(name);

	return interface_user(d, name, NULL) || !ret || ret == -EPERM || ret == -ENETDOWN;
}

json_t *method_interface_list(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	const struct object *only = NULL, *user;
	struct if_nameindex *all;
	struct page page;

	if (rpc_has(call, "switch") && !(only = switch_param(call)))
		return NULL;
	page = page_of(call);
	all = if_nameindex();
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		if (!interface_is_good(i->if_name) || !is_candidate(d, i->if_name))
			continue;
		user = interface_user(d, i->if_name, NULL);
		if (only && (!user || strcmp(object_string(user, "switch"), only->key) != 0))
			continue;
		if (page_has(&page))
			page_add(&page, show_interface(d, i->if_name));
	}
	if (all)
		if_freenameindex(all);
	return page_end(&page, "interfaces");
}
