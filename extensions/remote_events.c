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

static void forget_port(struct vswitch_extension *e, uint32_t id)
{
	struct port *p = remote_find_port(e, id);

	if (!p)
		return;
	TAILQ_REMOVE(&e->ports, p, link);
	free(p);
}

static void forget_nic(struct vswitch_extension *e, uint32_t port, uint8_t index)
{
	struct nic *n = remote_find_nic(e, port, index);

	if (!n)
		return;
	TAILQ_REMOVE(&e->nics, n, link);
	free(n);
}

static void port_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];

	know_port(e, &ev->port);
	if (ev->type == REMOTE_PORT_CREATE && ops->port_create)
		(void)ops->port_create(e->instance, &ev->port, refusal);
	else if (ev->type == REMOTE_PORT_UPDATED && ops->port_updated)
		ops->port_updated(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_TEARDOWN && ops->port_teardown)
		ops->port_teardown(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_DELETE && ops->port_delete)
		ops->port_delete(e->instance, &ev->port);
	if (ev->type == REMOTE_PORT_DELETE)
		forget_port(e, ev->port.id);
}

static void nic_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];
	uint32_t mtu = ev->nic.mtu;

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
	if (ev->type == REMOTE_NIC_DELETE)
		forget_nic(e, ev->nic.port, ev->nic.index);
}

/* Questions. What was only asked about is taken back at once: if it is created, it is told as created. */

static void ask_about_nic(struct vswitch_extension *e, const struct vswitch_nic_info *nic, struct remote_answer *a)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	uint32_t mtu = nic->mtu;

	know_nic(e, nic);
	if (ops->nic_create && ops->nic_create(e->instance, nic, &mtu, a->reason) < 0)
		a->refused = REMOTE_ASK_NIC;
	else if (ops->nic_delete)
		ops->nic_delete(e->instance, nic);
	if (mtu < nic->mtu)
		a->mtu = mtu;
	forget_nic(e, nic->port, nic->index);
}

static void ask_about_port(struct vswitch_extension *e, const struct remote_ask *ask, struct remote_answer *a)
{
	const struct vswitch_ext_ops *ops = e->module->ops;

	know_port(e, &ask->port);
	if (ops->port_create && ops->port_create(e->instance, &ask->port, a->reason) < 0) {
		a->refused = REMOTE_ASK_PORT;
	} else {
		if (ask->what & REMOTE_ASK_NIC)
			ask_about_nic(e, &ask->nic, a);
		if (ops->port_delete)
			ops->port_delete(e->instance, &ask->port);
	}
	forget_port(e, ask->port.id);
}

static void answer(struct vswitch_extension *e, const struct remote_ask *ask)
{
	struct remote_answer a = { .type = REMOTE_ANSWER, .id = ask->id };

	if (ask->what & REMOTE_ASK_PORT)
		ask_about_port(e, ask, &a);
	else if (ask->what & REMOTE_ASK_NIC)
		ask_about_nic(e, &ask->nic, &a);
	(void)!send(e->fd, &a, sizeof(a), MSG_NOSIGNAL);	/* if the host is gone, read_events() finds out */
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
	} else if (ev->type == REMOTE_ASK) {
		answer(e, &ev->ask);
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
