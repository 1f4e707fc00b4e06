/* SPDX-License-Identifier: MIT */
/*
 * References that extensions have to ports and NICs: a port or NIC is deleted when there are none.
 * Who may take one when: vswitch_port_state and vswitch_nic_state in extension.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "vswitch/extension_internal.h"

static struct reference *find(const struct vswitch_extension *e, const struct vswitch_port *port, int index)
{
	struct reference *r;

	TAILQ_FOREACH(r, &port->references, link)
		if (r->by == e && r->index == index)
			return r;
	return NULL;
}

int reference_take(struct vswitch_extension *e, struct vswitch_port *port, int index)
{
	struct reference *r = find(e, port, index);

	if (r) {
		r->count++;
		return 0;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->by = e;
	r->index = index;
	r->count = 1;
	TAILQ_INSERT_TAIL(&port->references, r, link);
	return 0;
}

int reference_give_back(struct vswitch_extension *e, struct vswitch_port *port, int index)
{
	struct reference *r = find(e, port, index);

	if (!r)
		return -EINVAL;
	if (--r->count)
		return 0;
	TAILQ_REMOVE(&port->references, r, link);
	free(r);
	drain_kick(e->sw);
	return 0;
}

void references_of(const struct vswitch_extension *e, uint64_t *count)
{
	const struct vswitch_port *p;
	const struct reference *r;

	*count = 0;
	TAILQ_FOREACH(p, &e->sw->ports, link)
		TAILQ_FOREACH(r, &p->references, link)
			if (r->by == e)
				*count += r->count;
}

void references_drop(struct vswitch_extension *e)
{
	struct reference *r, *next;
	struct vswitch_port *p;

	TAILQ_FOREACH(p, &e->sw->ports, link)
		for (r = TAILQ_FIRST(&p->references); r; r = next) {
			next = TAILQ_NEXT(r, link);
			if (r->by != e)
				continue;
			e->stats.lost_references += r->count;
			TAILQ_REMOVE(&p->references, r, link);
			free(r);
		}
}
