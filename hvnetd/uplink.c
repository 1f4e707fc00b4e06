/* SPDX-License-Identifier: MIT */
/*
 * Uplinks: ports of a switch that are no guest's. NAT is the process hvnet-nat at the other end of
 * a socket pair; a stream is a Unix socket that speaks the same framing (passt, another QEMU).
 * Either may go away at any time: the port goes with it, and the uplink is tried again.
 *
 * The switch tells of a lost peer from inside its own work on the port, and a process's end may
 * come before or after that. So both only start the timer, and what is to be done is done from there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

#define STEADY_NS 60000000000ull	/* our policy: up for so long, it begins with the shortest delay again */
#define DELAY_MAX_S 30			/* our policy; doubles from 1 */

const char *uplink_kind_name(enum uplink_kind kind)
{
	switch (kind) {
	case UPLINK_NAT:
		return "nat";
	case UPLINK_TAP:
		return "tap";
	case UPLINK_STREAM:
		return "stream";
	}
	return "?";
}

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

static void tear_down_soon(struct uplink *u)
{
	u->lost = true;
	if (hv_timer_arm(u->d->worker.loop, &u->timer, 0))
		hv_log(HV_LOG_ERROR, "switch \"%s\"/%s: out of memory", u->sw->name, u->name);
}

static void peer_gone(void *cookie)
{
	struct uplink *u = cookie;

	if (!u->why[0])
		snprintf(u->why, sizeof(u->why), "the peer closed the connection");
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

/* The connected socket of the peer, or -errno with why. */
static int open_nat(struct uplink *u)
{
	char number[12];
	char *argv[] = { u->d->nat_program, (char *)"--fd", number, NULL };
	int fd[2], ret;

	if (!u->d->nat_program[0]) {
		snprintf(u->why, sizeof(u->why), "the program hvnet-nat is not there");
		return -ENOENT;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
		ret = -errno;
		snprintf(u->why, sizeof(u->why), "socketpair: %s", strerror(-ret));
		return ret;
	}
	snprintf(number, sizeof(number), "%d", CHILD_FD);
	ret = child_start(&u->d->children, argv, fd[1], nat_exited, u, &u->child);
	close(fd[1]);
	if (ret) {
		u->child = NULL;
		snprintf(u->why, sizeof(u->why), "cannot start hvnet-nat: %s", strerror(-ret));
		close(fd[0]);
		return ret;
	}
	return fd[0];
}

static int open_stream(struct uplink *u)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (!u->where || strlen(u->where) >= sizeof(addr.sun_path)) {
		snprintf(u->why, sizeof(u->why), "the socket's path has 1 to %zu bytes",
			 sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, u->where);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = -errno;
		snprintf(u->why, sizeof(u->why), "connect: %s", strerror(-ret));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	return fd;
}

static int open_tap(struct uplink *u)
{
	int ret = vswitch_uplink_tap(u->sw->sw, u->d->worker.loop, u->where,
				     u->external ? VSWITCH_NIC_EXTERNAL : VSWITCH_NIC_INTERNAL, &u->uplink);

	if (!ret)
		return 0;
	u->uplink = NULL;
	if (ret == -EPERM)
		snprintf(u->why, sizeof(u->why),
			 "CAP_NET_ADMIN is missing; start hvnetd as root with --allow-tap");
	else
		snprintf(u->why, sizeof(u->why), "%s", strerror(-ret));
	return ret;
}

static int uplink_open(struct uplink *u)
{
	int fd, ret;

	u->why[0] = '\0';
	if (u->kind == UPLINK_TAP)
		return open_tap(u);
	fd = u->kind == UPLINK_NAT ? open_nat(u) : open_stream(u);
	if (fd < 0)
		return fd;
	ret = vswitch_uplink_stream(u->sw->sw, u->d->worker.loop, u->name, fd, VSWITCH_NIC_EXTERNAL, peer_gone, u,
				    &u->uplink);
	if (ret) {	/* the descriptor went with the call */
		u->uplink = NULL;
		child_stop(u->child);
		u->child = NULL;
		snprintf(u->why, sizeof(u->why), "%s", strerror(-ret));
		return ret;
	}
	u->up_since_ns = hv_now_ns();
	return 0;
}

/* Loss and return. */

static void try_again_later(struct uplink *u)
{
	uint64_t now = hv_now_ns();

	if (u->up_since_ns && now - u->up_since_ns > STEADY_NS)
		u->delay_s = 0;
	u->up_since_ns = 0;
	u->delay_s = u->delay_s ? u->delay_s * 2 : 1;
	if (u->delay_s > DELAY_MAX_S)
		u->delay_s = DELAY_MAX_S;
	hv_log(HV_LOG_WARNING, "switch \"%s\"/%s: down: %s; next try in %u s", u->sw->name, u->name, u->why,
	       u->delay_s);
	if (hv_timer_arm(u->d->worker.loop, &u->timer, now + u->delay_s * 1000000000ull))
		hv_log(HV_LOG_ERROR, "switch \"%s\"/%s: out of memory, stays down", u->sw->name, u->name);
}

static void uplink_timer(struct hv_timer *t)
{
	struct uplink *u = hv_container_of(t, struct uplink, timer);

	if (u->lost) {
		u->lost = false;
		vswitch_uplink_destroy(u->uplink);
		u->uplink = NULL;
		child_stop(u->child);
		u->child = NULL;
		try_again_later(u);
		return;
	}
	u->restarts++;
	if (uplink_open(u))
		try_again_later(u);
	else
		hv_log(HV_LOG_NOTICE, "switch \"%s\"/%s: up again", u->sw->name, u->name);
}

/* Adding and deleting. */

static int name_uplink(struct uplink *u, const char *name, struct rpc_error *err)
{
	const struct uplink *other;
	const struct vswitch_port *port;

	if (name && !name_is_plain(name))
		return rpc_fail(err, RPC_INVALID_PARAMS, "name",
				"a port's name has 1 to 63 letters, digits and . _ + -, no dot or dash first");
	if (name)
		strcpy(u->name, name);
	else if (u->kind == UPLINK_TAP)
		snprintf(u->name, sizeof(u->name), "%s", u->where);
	else
		snprintf(u->name, sizeof(u->name), "%s", uplink_kind_name(u->kind));
	TAILQ_FOREACH(other, &u->sw->uplinks, link)
		if (!strcmp(other->name, u->name))
			return rpc_fail(err, RPC_IN_USE, "name", "switch \"%s\" has a port %s already", u->sw->name,
					u->name);
	for (port = vswitch_next_port(u->sw->sw, NULL); port;
	     port = vswitch_next_port(u->sw->sw, (struct vswitch_port *)port))
		if (!strcmp(vswitch_port_name(port), u->name))
			return rpc_fail(err, RPC_IN_USE, "name", "switch \"%s\" has a port %s already", u->sw->name,
					u->name);
	return 0;
}

int uplink_add(struct hvnetd *d, struct hvnetd_switch *sw, const struct uplink_desc *desc,
	       struct uplink **out, struct rpc_error *err)
{
	const char *where = desc->where;
	struct uplink *u;

	if (sw->num_uplinks == HVNETD_MAX_UPLINKS)
		return rpc_fail(err, RPC_NO_RESOURCES, "switch", "switch \"%s\" has %d uplinks, the limit", sw->name,
				HVNETD_MAX_UPLINKS);
	u = calloc(1, sizeof(*u));
	if (!u)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	u->d = d;
	u->sw = sw;
	u->kind = desc->kind;
	u->external = desc->external;
	u->timer.fire = uplink_timer;
	u->where = where ? strdup(where) : NULL;
	if (where && !u->where)
		rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	else if (!name_uplink(u, desc->name, err) && uplink_open(u))
		rpc_fail(err, RPC_FAILED, "uplink", "switch \"%s\": the %s uplink%s%s cannot be opened: %s", sw->name,
			 uplink_kind_name(u->kind), where ? " " : "", where ? where : "", u->why);
	if (!u->uplink) {
		free(u->where);
		free(u);
		return -1;
	}
	TAILQ_INSERT_TAIL(&sw->uplinks, u, link);
	sw->num_uplinks++;
	*out = u;
	return 0;
}

void uplink_del(struct uplink *u)
{
	hv_timer_cancel(&u->timer);
	vswitch_uplink_destroy(u->uplink);
	child_stop(u->child);
	TAILQ_REMOVE(&u->sw->uplinks, u, link);
	u->sw->num_uplinks--;
	free(u->where);
	free(u);
}
