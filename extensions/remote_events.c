/* SPDX-License-Identifier: MIT */
/*
 * What the host tells of ports and NICs, kept for the module's questions and handed to its callbacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "extensions/remote_internal.h"

static void forget_all(struct vswitch_extension *e)
{
	struct held *h;
	struct port *p;
	struct nic *n;

	while ((h = TAILQ_FIRST(&e->held))) {
		TAILQ_REMOVE(&e->held, h, link);
		free(h);
	}
	while ((p = TAILQ_FIRST(&e->ports))) {
		TAILQ_REMOVE(&e->ports, p, link);
		free(p);
	}
	while ((n = TAILQ_FIRST(&e->nics))) {
		TAILQ_REMOVE(&e->nics, n, link);
		free(n);
	}
}

static void know_port(struct vswitch_extension *e, const struct vswitch_port_info *info)
{
	struct port *p = remote_find_port(e, info->id);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		TAILQ_INSERT_TAIL(&e->ports, p, link);
	}
	p->info = *info;
}

static void know_nic(struct vswitch_extension *e, const struct vswitch_nic_info *info)
{
	struct nic *n = remote_find_nic(e, info->port, info->index);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return;
		TAILQ_INSERT_TAIL(&e->nics, n, link);
	}
	n->info = *info;
}

static void port_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];
	struct port *p;

	know_port(e, &ev->port);
	if (ev->type == REMOTE_PORT_CREATE && ops->port_create)
		(void)ops->port_create(e->instance, &ev->port, refusal);
	else if (ev->type == REMOTE_PORT_UPDATED && ops->port_updated)
		ops->port_updated(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_TEARDOWN && ops->port_teardown)
		ops->port_teardown(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_DELETE && ops->port_delete)
		ops->port_delete(e->instance, &ev->port);
	p = ev->type == REMOTE_PORT_DELETE ? remote_find_port(e, ev->port.id) : NULL;
	if (p) {
		TAILQ_REMOVE(&e->ports, p, link);
		free(p);
	}
}

static void nic_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];
	uint32_t mtu = ev->nic.mtu;
	struct nic *n;

	know_nic(e, &ev->nic);
	if (ev->type == REMOTE_NIC_CREATE && ops->nic_create)
		(void)ops->nic_create(e->instance, &ev->nic, &mtu, refusal);
	else if (ev->type == REMOTE_NIC_CONNECT && ops->nic_connect)
		ops->nic_connect(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_UPDATED && ops->nic_updated)
		ops->nic_updated(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_DISCONNECT && ops->nic_disconnect)
		ops->nic_disconnect(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_DELETE && ops->nic_delete)
		ops->nic_delete(e->instance, &ev->nic);
	n = ev->type == REMOTE_NIC_DELETE ? remote_find_nic(e, ev->nic.port, ev->nic.index) : NULL;
	if (n) {
		TAILQ_REMOVE(&e->nics, n, link);
		free(n);
	}
}

void remote_deactivate(struct vswitch_extension *e)
{
	if (e->active && e->module->ops->deactivate)
		e->module->ops->deactivate(e->instance);
	e->active = false;
	e->deadline_ns = 0;
	forget_all(e);
}

static void take_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	if (ev->type == REMOTE_ACTIVATE) {
		e->active = true;
		if (e->module->ops->activate)
			e->module->ops->activate(e->instance);
	} else if (ev->type == REMOTE_DEACTIVATE) {
		remote_deactivate(e);
	} else if (ev->type >= REMOTE_PORT_CREATE && ev->type <= REMOTE_PORT_DELETE) {
		port_event(e, ev);
	} else if (ev->type >= REMOTE_NIC_CREATE && ev->type <= REMOTE_NIC_DELETE) {
		nic_event(e, ev);
	}
}

/* False: the host is gone. */
bool remote_read_events(struct vswitch_extension *e)
{
	struct remote_event ev;
	ssize_t n;

	while ((n = recv(e->fd, &ev, sizeof(ev), MSG_DONTWAIT)) > 0)
		if (n == sizeof(ev))
			take_event(e, &ev);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}
