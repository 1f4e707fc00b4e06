/* SPDX-License-Identifier: MIT */
/*
 * The services that extensions call: each checks class, state and handle, then leaves the work to
 * others. An extension that is not enabled may ask for little.
 */
#include <errno.h>
#include <stdio.h>

#include "vswitch/extension_internal.h"

static bool quiet(struct vswitch_extension *e, const char *service)
{
	if (e->enabled)
		return false;
	misuse(e, 0, service);
	return true;
}

/* Queries. */

static void switch_info(struct vswitch_extension *e, struct vswitch_switch_info *out)
{
	const struct vswitch_port *p;

	*out = (struct vswitch_switch_info){ .active = e->enabled };
	snprintf(out->name, sizeof(out->name), "%s", e->sw->name);
	TAILQ_FOREACH(p, &e->sw->ports, link)
		out->ports++;
}

static uint32_t next_port(struct vswitch_extension *e, uint32_t after)
{
	struct vswitch_port *p = NULL;

	if (quiet(e, "next_port() while it is disabled"))
		return 0;
	if (after)
		p = port_find(e->sw, after);
	/* One that left while the list was walked: go on behind where it was. */
	if (after && !p) {
		TAILQ_FOREACH(p, &e->sw->ports, link)
			if (p->id > after)
				return p->id;
		return 0;
	}
	p = vswitch_next_port(e->sw, p);
	return p ? p->id : 0;
}

static bool port_info(struct vswitch_extension *e, uint32_t id, struct vswitch_port_info *out)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (quiet(e, "port_info() while it is disabled") || !p)
		return false;
	vswitch_port_info(p, out);
	return true;
}

static bool nic_info(struct vswitch_extension *e, uint32_t id, uint8_t index, struct vswitch_nic_info *out)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (quiet(e, "nic_info() while it is disabled") || !p)
		return false;
	return vswitch_nic_info(p, index, out);
}

static bool property(struct vswitch_extension *e, uint32_t id, uint32_t i, struct vswitch_property *out)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (quiet(e, "property() while it is disabled") || (id && !p))
		return false;
	return property_at(p ? &p->properties : &e->sw->stack->properties, i, out);
}

/* References. */

static int port_ref(struct vswitch_extension *e, uint32_t id)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (!e->enabled || !p || p->state != VSWITCH_PORT_CREATED)
		return misuse(e, -EINVAL, "port_ref() of a port that is not there");
	return reference_take(e, p, REFERENCE_PORT);
}

static int port_unref(struct vswitch_extension *e, uint32_t id)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (!p || reference_give_back(e, p, REFERENCE_PORT))
		return misuse(e, -EINVAL, "port_unref() without a reference");
	return 0;
}

static int nic_ref(struct vswitch_extension *e, uint32_t id, uint8_t index)
{
	struct vswitch_port *p = port_find(e->sw, id);
	struct nic *nic = p ? nic_find(p, index) : NULL;

	if (!e->enabled || !nic || nic->info.state != VSWITCH_NIC_CONNECTED)
		return misuse(e, -EINVAL, "nic_ref() of a NIC that is not connected");
	return reference_take(e, p, index);
}

static int nic_unref(struct vswitch_extension *e, uint32_t id, uint8_t index)
{
	struct vswitch_port *p = port_find(e->sw, id);

	if (!p || reference_give_back(e, p, index))
		return misuse(e, -EINVAL, "nic_unref() without a reference");
	return 0;
}

/* Frames. */

/* Whether the pen may be used for the i-th frame. */
static int pen(struct vswitch_ext_verdicts *v, uint32_t i, const char *service)
{
	struct vswitch_extension *e = v->e;

	if (e->module->class == VSWITCH_EXT_CAPTURE)
		return misuse(e, -EPERM, service);
	if (!v->writing || i >= v->n || !(v->present & 1u << i))
		return misuse(e, -EINVAL, service);
	return 0;
}

static int drop(struct vswitch_ext_verdicts *v, uint32_t i, const char *reason)
{
	struct vswitch_extension *e = v->e;
	int ret = pen(v, i, "drop() of a frame that is not its own to drop");
	const char *rule;

	if (ret)
		return ret;
	v->present &= ~(1u << i);
	rule = drop_rule(e, reason);
	if (v->ingress) {
		e->stats.in_dropped++;
		drop_in(v->port, v->frames[i], VSWITCH_DROP_EXTENSION, rule);
	} else {
		e->stats.out_dropped++;
		drop_out(v->port, v->frames[i], 1, VSWITCH_DROP_EXTENSION, rule);
	}
	return 0;
}

static int hold(struct vswitch_ext_verdicts *v, uint32_t i, uint64_t *held)
{
	struct vswitch_extension *e = v->e;
	struct stack *s = e->sw->stack;
	int ret = pen(v, i, "hold() of a frame that is not its own to hold");
	struct held *h;

	if (ret)
		return ret;
	if (!v->ingress)
		return misuse(e, -EINVAL, "hold() at egress");
	h = held_new(e, v->port, v->frames[i]);
	if (!h)
		return -ENOBUFS;
	h->awaiting = extensions_passed(s, i);
	if (i < s->num_running)
		h->depth = s->running[i]->depth;
	v->present &= ~(1u << i);
	s->held_now |= 1u << i;
	e->stats.held_total++;
	*held = h->id;
	return 0;
}

static const struct vswitch_frame *held_frame(struct vswitch_extension *e, uint64_t held)
{
	struct held *h = held_find(e, held);

	if (!h)
		misuse(e, 0, "held_frame() of a frame that it does not hold");
	return h ? &h->f : NULL;
}

static int release(struct vswitch_extension *e, uint64_t held)
{
	struct held *h = held_find(e, held);

	if (!h)
		return misuse(e, -EINVAL, "release() of a frame that it does not hold");
	return held_release(h, NULL, 0);
}

static int discard(struct vswitch_extension *e, uint64_t held, const char *reason)
{
	struct held *h = held_find(e, held);

	if (!h)
		return misuse(e, -EINVAL, "discard() of a frame that it does not hold");
	held_discard(h, reason);
	return 0;
}

static int release_to(struct vswitch_extension *e, uint64_t held, const struct vswitch_ext_destination *to, uint32_t n)
{
	struct held *h = held_find(e, held);

	if (e->module->class != VSWITCH_EXT_FORWARD)
		return misuse(e, -EPERM, "release_to() by one that is no forwarder");
	if (!h || !n || n > CHOSEN_MAX / VSWITCH_BATCH)
		return misuse(e, -EINVAL, "release_to() of a frame that it does not hold, or to nobody");
	e->stats.directed++;
	return held_release(h, to, n);
}

static int direct(struct vswitch_ext_writer *w, uint32_t i, const struct vswitch_ext_destination *to)
{
	struct vswitch *sw = w->stack->sw;
	struct vswitch_extension *e = w->stack->enabled[sw->num_enabled ? sw->num_enabled - 1 : 0];
	bool first;
	int ret;

	/* Whoever kept a writer beyond its callback: there is nobody to blame it on if no forwarder is left. */
	if (!sw->forwarder)
		return -EINVAL;
	if (!w->writing)
		return misuse(e, -EINVAL, "direct() outside of ingress()");
	ret = pen(&e->verdicts, i, "direct() of a frame that is not there");
	if (ret)
		return ret;
	first = !(sw->directed & 1u << i);
	ret = writer_add(w, e->verdicts.port, i, to);
	e->stats.directed += !ret && first;
	return ret;
}

static int inject(struct vswitch_extension *e, const struct vswitch_frame *f, uint32_t source_port)
{
	struct vswitch_port *source = source_port ? port_find(e->sw, source_port) : e->sw->stack->origin;

	if (!e->enabled)
		return misuse(e, -EINVAL, "inject() while it is disabled");
	if (source_port && e->module->class == VSWITCH_EXT_CAPTURE)
		return misuse(e, -EPERM, "inject() for a port by one that only captures");
	if (!source)
		return misuse(e, -EINVAL, "inject() for a port that is not there");
	if (source_port && !source->nic)
		return -ENOTCONN;
	return held_inject(e, f, source);
}

/* The rest. */

static int request(struct vswitch_extension *e, struct vswitch_request *r)
{
	if (!e->enabled)
		return misuse(e, -EINVAL, "request() while it is disabled");
	if (e->sw->stack->frames_under_way)
		return misuse(e, -EINVAL, "request() from a frame callback");
	return extensions_request(e->sw, r, e->position + 1);
}

static uint64_t now_ns(struct vswitch_extension *e)
{
	return e->sw->stack->now_ns;
}

static int set_timer(struct vswitch_extension *e, uint64_t deadline_ns)
{
	int ret = 0;

	if (!e->enabled)
		return misuse(e, -EINVAL, "set_timer() while it is disabled");
	if (!deadline_ns && e->timer.loop)
		hv_timer_cancel(&e->timer);
	if (deadline_ns && e->sw->loop)
		ret = hv_timer_arm(e->sw->loop, &e->timer, deadline_ns);
	e->deadline_ns = ret ? 0 : deadline_ns;
	return ret;
}

static void log_text(struct vswitch_extension *e, int level, const char *text)
{
	if (level < HV_LOG_ERROR || level > HV_LOG_DEBUG)
		level = HV_LOG_NOTICE;
	hv_log_limited(&e->log_limit, (enum hv_log_level)level, "switch \"%s\": extension %s: %.200s", e->sw->name,
		       e->name, text);
}

const struct vswitch_ext_services extension_services = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(extension_services),
	.switch_info = switch_info,
	.next_port = next_port,
	.port_info = port_info,
	.nic_info = nic_info,
	.property = property,
	.port_ref = port_ref,
	.port_unref = port_unref,
	.nic_ref = nic_ref,
	.nic_unref = nic_unref,
	.frame_copy = vswitch_frame_copy,
	.drop = drop,
	.hold = hold,
	.held_frame = held_frame,
	.release = release,
	.discard = discard,
	.release_to = release_to,
	.direct = direct,
	.inject = inject,
	.request = request,
	.now_ns = now_ns,
	.set_timer = set_timer,
	.log = log_text,
};
