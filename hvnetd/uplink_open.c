/* SPDX-License-Identifier: MIT */
/*
 * Opening and losing uplinks. NAT is the process hvnet-nat at the other end of a socket pair; a stream is a Unix socket that
 * speaks the same framing (passt, another QEMU); interfaces may be deleted. Each may go away at any time: the port goes with it,
 * and the uplink is tried again, or, where the peer is the one that connects, waited for (uplink_listen.c).
 *
 * The switch tells of a lost peer from inside its own work on the port, and a process's end may come before or after that. So
 * both only start the timer, and what is to be done is done from there.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/uplink.h"
#include "vswitch/vswitch.h"

#define STEADY_NS 60000000000ull	/* our policy: up for so long, it begins with the shortest delay again */
#define DELAY_MAX_S 30			/* our policy; doubles from 1 */

/* NAT's program. */

static bool is_program(const char *path)
{
	return !access(path, X_OK);
}

void nat_find_program(const struct options *o, char *path, size_t bytes)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (o->nat_program[0]) {
		snprintf(path, bytes, "%s", o->nat_program);
		if (!is_program(path))
			path[0] = '\0';
		return;
	}
	path[0] = '\0';
	if (n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	if (snprintf(path, bytes, "%s/hvnet-nat", self) < (int)bytes && is_program(path))
		return;
	/* Installed: PREFIX/sbin/hvnetd and PREFIX/libexec/hvnet/hvnet-nat. */
	if (snprintf(path, bytes, "%s/../libexec/hvnet/hvnet-nat", self) < (int)bytes && is_program(path))
		return;
	path[0] = '\0';
}

/* Opening. */

static const char *where(const struct uplink *u)
{
	const char *path = object_string(&u->o, "path");

	return path ? path : object_string(&u->o, "interface");
}

static void tear_down_soon(struct uplink *u)
{
	u->lost = true;
	if (hv_timer_arm(u->o.d->worker.loop, &u->timer, 0))
		hv_log(HV_LOG_ERROR, "%s: out of memory", u->o.key);
}

static void peer_gone(void *cookie)
{
	struct uplink *u = cookie;

	if (!u->why[0])
		snprintf(u->why, sizeof(u->why), u->kind == UPLINK_PACKET ? "the interface is gone" :
									    "the peer closed the connection");
	tear_down_soon(u);
}

static void nat_exited(void *cookie, int status)
{
	struct uplink *u = cookie;

	u->child = NULL;
	if (WIFSIGNALED(status))
		snprintf(u->why, sizeof(u->why), "hvnet-nat was ended by signal %d", WTERMSIG(status));
	else
		snprintf(u->why, sizeof(u->why), "hvnet-nat ended with status %d", WEXITSTATUS(status));
	tear_down_soon(u);
}

static int explain(struct uplink *u, int ret, const char *what)
{
	snprintf(u->why, sizeof(u->why), "%s%s%s", what, *what ? ": " : "", strerror(-ret));
	return ret;
}

/* The connected socket of the peer, or -errno with why. */
static int open_nat(struct uplink *u)
{
	char number[12];
	char *argv[] = { u->o.d->nat_program, (char *)"--fd", number, NULL };
	int fd[2], ret;

	if (!u->o.d->nat_program[0]) {
		snprintf(u->why, sizeof(u->why), "the program hvnet-nat is not there");
		return -ENOENT;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return explain(u, -errno, "socketpair");
	snprintf(number, sizeof(number), "%d", CHILD_FD);
	ret = child_start(&u->o.d->children, argv, fd[1], nat_exited, u, &u->child);
	close(fd[1]);
	if (ret) {
		u->child = NULL;
		close(fd[0]);
		return explain(u, ret, "cannot start hvnet-nat");
	}
	return fd[0];
}

static int open_stream(struct uplink *u)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = where(u);
	int fd, ret;

	if (!path || strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(u->why, sizeof(u->why), "the socket's path has 1 to %zu bytes", sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = explain(u, -errno, "connect");
		if (fd >= 0)
			close(fd);
		return ret;
	}
	return fd;
}

static struct vswitch *switch_for(const struct uplink *u)
{
	const struct object *sw = object_find(u->o.d, OBJECT_SWITCH, object_string(&u->o, "switch"));

	return sw ? switch_of(sw) : NULL;
}

/* The interface's own address, set before anybody uses it. */
static int set_mac(struct uplink *u, const char *mac)
{
	struct ifreq request = { .ifr_hwaddr.sa_family = 1 };	/* ARPHRD_ETHER */
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;
	uint8_t bytes[6];

	if (fd < 0 || !mac_parse(mac, bytes))
		return explain(u, fd < 0 ? -errno : -EINVAL, "address");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", where(u));
	memcpy(request.ifr_hwaddr.sa_data, bytes, 6);
	if (ioctl(fd, SIOCSIFHWADDR, &request))
		ret = explain(u, -errno, "cannot set the address");
	close(fd);
	return ret ? ret : vswitch_port_set_mac(vswitch_uplink_port(u->uplink), bytes);
}

static int open_tap(struct uplink *u, struct vswitch *sw)
{
	const char *mac = object_string(&u->o, "mac");
	int ret = vswitch_uplink_tap(sw, u->o.d->worker.loop, where(u),
				     u->o.kind == OBJECT_HOSTNIC ? VSWITCH_NIC_INTERNAL : VSWITCH_NIC_EXTERNAL, &u->uplink);

	if (ret == -EPERM) {
		snprintf(u->why, sizeof(u->why), "CAP_NET_ADMIN is missing; start hvnetd as root with --allow-tap");
		return ret;
	}
	if (ret)
		return explain(u, ret, where(u));
	return mac ? set_mac(u, mac) : 0;
}

static int open_packet(struct uplink *u, struct vswitch *sw)
{
	const char *interface = json_string_value(json_object_get(json_array_get(json_object_get(u->o.config, "members"), 0),
								  "interface"));
	int ret = vswitch_uplink_packet(sw, u->o.d->worker.loop, interface, peer_gone, u, &u->uplink);

	if (ret == -EPERM)
		snprintf(u->why, sizeof(u->why), "CAP_NET_RAW is missing; start hvnetd as root with --allow-uplinks");
	else if (ret == -EINVAL)
		snprintf(u->why, sizeof(u->why), "%s is not an Ethernet interface that can be bound", interface);
	else if (ret == -EBUSY)
		snprintf(u->why, sizeof(u->why), "%s is a member of a bridge or bond, or bound already", interface);
	else if (ret)
		explain(u, ret, interface);
	return ret;
}

/* The descriptor goes with the call. */
static int plug_stream(struct uplink *u, struct vswitch *sw, int fd)
{
	int ret = vswitch_uplink_stream(sw, u->o.d->worker.loop, object_string(&u->o, "name"), fd, VSWITCH_NIC_EXTERNAL, peer_gone,
					u, &u->uplink);

	return ret ? explain(u, ret, "") : 0;
}

static int open_socket(struct uplink *u, struct vswitch *sw)
{
	int fd = u->kind == UPLINK_NAT ? open_nat(u) : open_stream(u);

	return fd < 0 ? fd : plug_stream(u, sw, fd);
}

static int open_wire(struct uplink *u, struct vswitch *sw)
{
	switch (u->kind) {
	case UPLINK_TAP:
		return open_tap(u, sw);
	case UPLINK_PACKET:
		return uplink_is_team(u) ? uplink_open_team(u) : open_packet(u, sw);
	case UPLINK_NAT:
	case UPLINK_STREAM:
		return open_socket(u, sw);
	}
	return -EINVAL;
}

/* The switch's name for its port. */
static const char *port_name(const struct uplink *u)
{
	const json_t *first = json_array_get(json_object_get(u->o.config, "members"), 0);

	if (u->kind == UPLINK_TAP)
		return where(u);
	if (u->kind == UPLINK_PACKET && !uplink_is_team(u))
		return json_string_value(json_object_get(first, "interface"));
	return object_string(&u->o, "name");
}

int uplink_ask(const struct uplink *u)
{
	const bool internal = u->o.kind == OBJECT_HOSTNIC;
	const struct vswitch_port_config port = {
		.name = port_name(u), .type = internal ? VSWITCH_PORT_INTERNAL : VSWITCH_PORT_EXTERNAL,
	};
	const struct vswitch_nic_config nic = { .kind = internal ? VSWITCH_NIC_INTERNAL : VSWITCH_NIC_EXTERNAL };
	struct object *sw = object_find(u->o.d, OBJECT_SWITCH, object_string(&u->o, "switch"));

	return sw ? extension_ask(hv_container_of(sw, struct hvnetd_switch, o), &port, NULL, &nic) : 0;
}

void uplink_answered(struct uplink *u)
{
	u->asking = false;
	if (u->listener)
		uplink_listen_answered(u);
	else if (hv_timer_arm(u->o.d->worker.loop, &u->timer, 0))
		hv_log(HV_LOG_ERROR, "%s: out of memory, stays down", u->o.key);
}

static void report(struct uplink *u, const char *state)
{
	if (event_wanted(u->o.d, "uplink.state"))
		event_send(u->o.d, "uplink.state", u->why[0] ? EVENT_WARNING : EVENT_INFO,
			   json_pack("{s:s, s:s, s:s, s:s*}", "switch", object_string(&u->o, "switch"), "name",
				     object_string(&u->o, "name"), "state", state, "why", u->why[0] ? u->why : NULL));
}

static void shut(struct uplink *u)
{
	vswitch_uplink_destroy(u->uplink);
	u->uplink = NULL;
	child_stop(u->child);
	u->child = NULL;
}

/* What an uplink with its wire needs to be up. As uplink_open(). */
static int set_up(struct uplink *u, struct rpc_error *err)
{
	const char *shares = object_string(&u->o, "shares");
	int ret;

	if (policy_apply(vswitch_uplink_port(u->uplink), u->o.config, NULL, u->o.kind == OBJECT_UPLINK, err)) {
		snprintf(u->why, sizeof(u->why), "%.120s", err->message);
		return -EINVAL;
	}
	ret = shares ? share_begin(u, shares) : 0;
	if (ret < 0)
		return explain(u, ret, shares);
	u->up_since_ns = hv_now_ns();
	event_port(u->o.d, object_string(&u->o, "switch"), vswitch_uplink_port(u->uplink), "created");
	uplink_map_port(&u->o);
	report(u, "up");
	return ret;
}

/* Says of what a switch has refused by whom. */
static int refused(struct uplink *u, const struct vswitch *sw, int ret, struct rpc_error *err)
{
	if (ret != -ECANCELED)
		return ret;
	refused_by_extension(sw, "uplink", err);
	snprintf(u->why, sizeof(u->why), "%.120s", err->message);
	return ret;
}

int uplink_open(struct uplink *u, struct rpc_error *err)
{
	struct vswitch *sw = switch_for(u);
	int ret;

	u->why[0] = '\0';
	if (!sw) {
		snprintf(u->why, sizeof(u->why), "its switch is not there");
		return -ENODEV;
	}
	if (uplink_listens(&u->o))
		return uplink_listen(u);
	ret = refused(u, sw, open_wire(u, sw), err);
	if (!ret)
		ret = set_up(u, err);
	if (ret < 0)
		shut(u);
	return ret;
}

bool uplink_connected_take(struct uplink *u, int fd)
{
	struct vswitch *sw = switch_for(u);
	struct rpc_error err = { 0 };
	int ret = -ENODEV;

	u->why[0] = '\0';
	if (sw)
		ret = refused(u, sw, plug_stream(u, sw, fd), &err);
	else
		close(fd);
	if (!ret)
		ret = set_up(u, &err);
	if (ret < 0)
		shut(u);
	return ret >= 0;
}

void uplink_close(struct uplink *u)
{
	hv_timer_cancel(&u->timer);
	u->lost = false;
	u->asking = false;
	uplink_listen_end(u);
	share_end(u);
	if (u->uplink && u->o.real)
		event_port(u->o.d, json_string_value(json_object_get(u->o.real, "switch")), vswitch_uplink_port(u->uplink),
			   "deleted");
	shut(u);
}

/* Loss and return. */

void uplink_try_later(struct uplink *u)
{
	uint64_t now = hv_now_ns();

	if (u->up_since_ns && now - u->up_since_ns > STEADY_NS)
		u->delay_s = 0;
	u->up_since_ns = 0;
	u->delay_s = u->delay_s ? u->delay_s * 2 : 1;
	if (u->delay_s > DELAY_MAX_S)
		u->delay_s = DELAY_MAX_S;
	hv_log(HV_LOG_WARNING, "%s: down: %s; next try in %u s", u->o.key, u->why, u->delay_s);
	report(u, "down");
	if (hv_timer_arm(u->o.d->worker.loop, &u->timer, now + u->delay_s * 1000000000ull))
		hv_log(HV_LOG_ERROR, "%s: out of memory, stays down", u->o.key);
}

void uplink_timer(struct hv_timer *t)
{
	struct uplink *u = hv_container_of(t, struct uplink, timer);
	struct rpc_error err = { 0 };

	if (u->lost) {
		u->lost = false;
		shut(u);
		if (u->listener) {
			report(u, "down");
			uplink_listen_again(u);
		} else {
			uplink_try_later(u);
		}
		return;
	}
	if (u->uplink) {	/* a team that lacks members */
		if (!uplink_add_members(u))
			uplink_try_later(u);
		return;
	}
	u->asking = uplink_ask(u);
	if (u->asking)
		return;
	u->restarts++;
	if (uplink_open(u, &err) < 0)
		uplink_try_later(u);
	else if (u->uplink)
		hv_log(HV_LOG_NOTICE, "%s: up again", u->o.key);
}
