/* SPDX-License-Identifier: MIT */
/*
 * Requests in envelopes, on their way through the stack to a NIC, and questions about features. Each
 * extension may answer a request; the answer goes back up to those that let it pass.
 */
#include <errno.h>

#include "vswitch/extension_internal.h"

/* The edge below the stack: the NIC itself. */
static int at_the_edge(struct vswitch *sw, struct vswitch_request *r)
{
	struct vswitch_port *p = port_find(sw, r->destination_port);
	struct nic *nic = p ? nic_find(p, r->destination_nic) : NULL;

	if (!r->destination_port)
		return -EOPNOTSUPP;
	if (!nic || nic->info.state != VSWITCH_NIC_CONNECTED)
		return -ENOENT;
	/* A member has no device of its own: the port's knows it by its index. */
	if (!p->nic || !p->nic->ops->request)
		return -EOPNOTSUPP;
	return p->nic->ops->request(p->nic->opaque, r);
}

/* Whom it passed hears of the result, the lowest first. */
static void tell_result(struct stack *s, const struct vswitch_request *r, unsigned from, unsigned to, int result)
{
	while (to-- > from) {
		struct vswitch_extension *e = s->enabled[to];

		if (e->module->ops->request_complete)
			EXTENSION_CALL(e, e->module->ops->request_complete(e->instance, r, result));
	}
}

int extensions_request(struct vswitch *sw, struct vswitch_request *r, unsigned from)
{
	struct stack *s = sw->stack;
	unsigned at;
	int ret = 0;

	for (at = from; at < sw->num_enabled && !ret; at++) {
		struct vswitch_extension *e = s->enabled[at];

		if (!e->module->ops->request)
			continue;
		e->stats.requests++;
		EXTENSION_CALL(e, ret = e->module->ops->request(e->instance, r));
		if (ret && e->module->class == VSWITCH_EXT_CAPTURE)
			ret = misuse(e, 0, "request() answered by one that only captures");
		e->stats.refusals += ret < 0;
	}
	if (!ret)
		ret = at_the_edge(sw, r);
	else
		at--;			/* who answered knows */
	if (ret > 0)
		ret = 0;
	tell_result(s, r, from, at, ret);
	return ret;
}

int vswitch_request(struct vswitch *sw, struct vswitch_request *r)
{
	return extensions_request(sw, r, 0);
}

int vswitch_feature_status(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_guid *feature, void *out,
			   uint32_t max_bytes, uint32_t *bytes)
{
	struct vswitch_extension *e;
	uint32_t got;
	int ret;

	FOR_EACH_ENABLED(e, sw->stack) {
		if (!e->module->ops->feature_status)
			continue;
		e->stats.requests++;
		got = 0;
		EXTENSION_CALL(e, ret = e->module->ops->feature_status(e->instance, port ? port->id : 0, feature, out,
								       max_bytes, &got));
		if (ret == VSWITCH_EXT_PASS)
			continue;
		if (ret > 0 && got > max_bytes)
			return misuse(e, -EPROTO, "feature_status() longer than there was room");
		*bytes = got;
		return ret < 0 ? ret : 0;
	}
	return -EOPNOTSUPP;
}
