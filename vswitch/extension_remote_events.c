/* SPDX-License-Identifier: MIT */
/*
 * What a program outside is told of the life of ports and NICs. What its socket does not take waits
 * here; who does not read that either is given up.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "vswitch/extension_remote.h"

enum { BACKLOG_MAX = 16384 };		/* our policy: events that the program has still to read */

static bool send_now(struct vswitch_remote *r, const struct remote_event *ev)
{
	return send(r->control.fd, ev, sizeof(*ev), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*ev);
}

static bool keep_for_later(struct vswitch_remote *r, const struct remote_event *ev)
{
	uint32_t room = r->backlog_room ? 2 * r->backlog_room : 64;
	struct remote_event *more;

	if (r->num_backlog == r->backlog_room) {
		if (room > BACKLOG_MAX)
			return false;
		more = realloc(r->backlog, room * sizeof(*more));
		if (!more)
			return false;
		r->backlog = more;
		r->backlog_room = room;
	}
	r->backlog[r->num_backlog++] = *ev;
	return !hv_watch_modify(&r->control, POLLIN | POLLOUT);
}

void remote_send_event(struct vswitch_remote *r, const struct remote_event *ev)
{
	if (!r->stats.attached || (!r->num_backlog && send_now(r, ev)))
		return;
	if ((!r->num_backlog && errno != EAGAIN) || !keep_for_later(r, ev))
		remote_part(r, "it does not read what it is told");
}

/* The socket takes more. */
void remote_send_backlog(struct vswitch_remote *r)
{
	while (r->backlog_sent < r->num_backlog) {
		if (!send_now(r, &r->backlog[r->backlog_sent]))
			return;
		r->backlog_sent++;
	}
	r->num_backlog = r->backlog_sent = 0;
	(void)hv_watch_modify(&r->control, POLLIN);
}

static void tell_port(struct vswitch_remote *r, uint32_t type, const struct vswitch_port_info *port)
{
	struct remote_event ev = { .type = type };

	ev.port = *port;
	remote_send_event(r, &ev);
}

static void tell_nic(struct vswitch_remote *r, uint32_t type, const struct vswitch_nic_info *nic)
{
	struct remote_event ev = { .type = type };

	ev.nic = *nic;
	remote_send_event(r, &ev);
}

static void tell_all_nics(struct vswitch_remote *r, const struct vswitch_port *p)
{
	const struct nic *nic;

	TAILQ_FOREACH(nic, &p->nics, link) {
		tell_nic(r, REMOTE_NIC_CREATE, &nic->info);
		if (nic->info.state >= VSWITCH_NIC_CONNECTED)
			tell_nic(r, REMOTE_NIC_CONNECT, &nic->info);
		if (nic->info.state >= VSWITCH_NIC_DISCONNECTED)
			tell_nic(r, REMOTE_NIC_DISCONNECT, &nic->info);
	}
}

/* The program begins with what is there. */
void remote_tell_all(struct vswitch_remote *r)
{
	const struct remote_event ev = { .type = REMOTE_ACTIVATE };
	struct vswitch_port_info info;
	const struct vswitch_port *p;

	remote_send_event(r, &ev);
	TAILQ_FOREACH(p, &r->e->sw->ports, link) {
		vswitch_port_info(p, &info);
		tell_port(r, REMOTE_PORT_CREATE, &info);
		tell_all_nics(r, p);
		if (info.state >= VSWITCH_PORT_TEARDOWN)
			tell_port(r, REMOTE_PORT_TEARDOWN, &info);
	}
}

static void activate(void *instance)
{
	remote_tell_all(instance);
}

static void deactivate(void *instance)
{
	const struct remote_event ev = { .type = REMOTE_DEACTIVATE };

	remote_decide_all(instance, "the extension is disabled");
	remote_forget_all(instance);
	remote_send_event(instance, &ev);
}

static int port_create(void *instance, const struct vswitch_port_info *port, char *refusal)
{
	struct vswitch_remote *r = instance;

	if (!port->validation && remote_refuses(r, REMOTE_ASK_PORT, port->name, NULL, refusal))
		return -EPERM;
	tell_port(r, REMOTE_PORT_CREATE, port);
	return VSWITCH_EXT_PASS;
}

static void port_updated(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_UPDATED, port);
}

static void port_teardown(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_TEARDOWN, port);
}

static void port_delete(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_DELETE, port);
}

/* A member of a team is nobody's to refuse. */
static int nic_create(void *instance, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal)
{
	struct vswitch_remote *r = instance;
	const struct vswitch_port *port = port_find(r->e->sw, nic->port);

	if (!nic->index && port && remote_refuses(r, REMOTE_ASK_NIC, port->name, nic->initializing ? mtu : NULL, refusal))
		return -EPERM;
	tell_nic(r, REMOTE_NIC_CREATE, nic);
	return VSWITCH_EXT_PASS;
}

static void nic_connect(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_CONNECT, nic);
}

static void nic_updated(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_UPDATED, nic);
}

static void nic_disconnect(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_DISCONNECT, nic);
}

static void nic_delete(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_DELETE, nic);
}

const struct vswitch_ext_ops remote_ops = {
	.activate = activate,
	.deactivate = deactivate,
	.port_create = port_create,
	.port_updated = port_updated,
	.port_teardown = port_teardown,
	.port_delete = port_delete,
	.nic_create = nic_create,
	.nic_connect = nic_connect,
	.nic_updated = nic_updated,
	.nic_disconnect = nic_disconnect,
	.nic_delete = nic_delete,
	.timer = remote_frames_late,
};
