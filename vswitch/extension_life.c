/* SPDX-License-Identifier: MIT */
/*
 * What extensions are told of the life of ports and NICs, from top to bottom, and how they may say no.
 */
#include <errno.h>

#include "vswitch/extension_internal.h"

/* Calls one op of all enabled extensions that have it. */
#define TELL_ALL(stack, op, ...) \
	do { \
		struct vswitch_extension *e_; \
		FOR_EACH_ENABLED(e_, stack) { \
			if (!e_->module->ops->op) \
				continue; \
			e_->stats.requests++; \
			EXTENSION_CALL(e_, e_->module->ops->op(e_->instance, __VA_ARGS__)); \
		} \
	} while (0)

/* Whether an answer is a refusal that counts. */
static bool refuses(struct vswitch_extension *e, int answer, const char *what)
{
	e->stats.requests++;
	if (answer >= 0)
		return false;
	if (e->module->class != VSWITCH_EXT_CAPTURE)
		return true;
	misuse(e, 0, what);
	return false;
}

int extensions_port_create(struct vswitch_port *port)
{
	struct stack *s = port->sw->stack;
	char reason[VSWITCH_REFUSAL_BYTES] = "";
	struct vswitch_port_info info;
	int ret;

	vswitch_port_info(port, &info);
	for (unsigned at = 0; at < port->sw->num_enabled; at++) {
		struct vswitch_extension *e = s->enabled[at];

		if (!e->module->ops->port_create)
			continue;
		EXTENSION_CALL(e, ret = e->module->ops->port_create(e->instance, &info, reason));
		if (!refuses(e, ret, "port_create() refused by one that only captures"))
			continue;
		reason[sizeof(reason) - 1] = '\0';
		while (at--)
			if (s->enabled[at]->module->ops->port_delete)
				EXTENSION_CALL(s->enabled[at],
					       s->enabled[at]->module->ops->port_delete(s->enabled[at]->instance, &info));
		return refused(e, reason);
	}
	return 0;
}

void extensions_port_updated(struct vswitch_port *port)
{
	struct vswitch_port_info info;

	vswitch_port_info(port, &info);
	TELL_ALL(port->sw->stack, port_updated, &info);
}

void extensions_port_teardown(struct vswitch_port *port)
{
	struct vswitch_port_info info;

	vswitch_port_info(port, &info);
	TELL_ALL(port->sw->stack, port_teardown, &info);
}

void extensions_port_delete(struct vswitch_port *port)
{
	struct vswitch_port_info info;

	vswitch_port_info(port, &info);
	TELL_ALL(port->sw->stack, port_delete, &info);
}

/* NICs. */

static int ask(struct vswitch_extension *e, struct nic *nic, char *reason)
{
	const uint32_t limit = nic->info.mtu;
	uint32_t mtu = limit;
	int ret;

	EXTENSION_CALL(e, ret = e->module->ops->nic_create(e->instance, &nic->info, &mtu, reason));
	if (ret >= 0 && mtu != limit) {
		if (nic->info.initializing && mtu && mtu < limit)
			nic->info.mtu = mtu;
		else
			misuse(e, 0, "nic_create() raised an MTU, or changed one that it may not");
	}
	return ret;
}

int extensions_nic_create(struct nic *nic)
{
	struct stack *s = nic->port->sw->stack;
	char reason[VSWITCH_REFUSAL_BYTES] = "";

	for (unsigned at = 0; at < s->sw->num_enabled; at++) {
		struct vswitch_extension *e = s->enabled[at];

		if (!e->module->ops->nic_create)
			continue;
		if (!refuses(e, ask(e, nic, reason), "nic_create() refused by one that only captures"))
			continue;
		if (nic->info.index) {
			misuse(e, 0, "nic_create() of a team's member refused");
			continue;
		}
		reason[sizeof(reason) - 1] = '\0';
		while (at--)
			if (s->enabled[at]->module->ops->nic_delete)
				EXTENSION_CALL(s->enabled[at], s->enabled[at]->module->ops->nic_delete(
						       s->enabled[at]->instance, &nic->info));
		return refused(e, reason);
	}
	return 0;
}

void extensions_nic_connect(struct nic *nic)
{
	TELL_ALL(nic->port->sw->stack, nic_connect, &nic->info);
}

void extensions_nic_updated(struct nic *nic)
{
	TELL_ALL(nic->port->sw->stack, nic_updated, &nic->info);
}

void extensions_nic_disconnect(struct nic *nic)
{
	TELL_ALL(nic->port->sw->stack, nic_disconnect, &nic->info);
}

void extensions_nic_delete(struct nic *nic)
{
	TELL_ALL(nic->port->sw->stack, nic_delete, &nic->info);
}

void extensions_nic_status(struct nic *nic, uint32_t code, const void *data, uint32_t bytes)
{
	TELL_ALL(nic->port->sw->stack, nic_status, &nic->info, code, data, bytes);
}
