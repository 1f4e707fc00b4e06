/* SPDX-License-Identifier: MIT */
/*
 * Policies that extensions enforce or have a say in, by GUID. The switch keeps them, so that an
 * extension that is enabled later finds them.
 */
#include <errno.h>
#include <stdlib.h>

#include "vswitch/extension_internal.h"

struct property {
	struct vswitch_property p;	/* data: behind this */
	TAILQ_ENTRY(property) link;
	uint8_t data[];
};

typedef int (*property_op)(void *instance, uint32_t port, const struct vswitch_property *p, char *refusal);

static struct property *property_new(const struct vswitch_property *p)
{
	struct property *q = malloc(sizeof(*q) + p->bytes);

	if (!q)
		return NULL;
	q->p = *p;
	if (p->bytes)
		memcpy(q->data, p->data, p->bytes);
	q->p.data = q->data;
	return q;
}

void properties_free(struct properties *list)
{
	struct property *q;

	while ((q = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, q, link);
		free(q);
	}
}

bool property_at(const struct properties *list, uint32_t i, struct vswitch_property *out)
{
	const struct property *q;

	TAILQ_FOREACH(q, list, link)
		if (!i--) {
			*out = q->p;
			return true;
		}
	return false;
}

static struct properties *list_of(struct vswitch *sw, struct vswitch_port *port)
{
	return port ? &port->properties : &sw->stack->properties;
}

static struct property *find(const struct properties *list, const struct vswitch_guid *feature,
			     const struct vswitch_guid *instance)
{
	struct property *q;

	TAILQ_FOREACH(q, list, link)
		if (!memcmp(&q->p.feature, feature, sizeof(*feature)) &&
		    !memcmp(&q->p.instance, instance, sizeof(*instance)))
			return q;
	return NULL;
}

static void tell_deleted(struct vswitch_extension *e, uint32_t port, const struct vswitch_property *p)
{
	if (!e->module->ops->property_delete)
		return;
	e->stats.requests++;
	EXTENSION_CALL(e, e->module->ops->property_delete(e->instance, port, p));
}

/* One extension's answer: PASS, DONE or -ECANCELED. */
static int ask(struct vswitch_extension *e, bool update, uint32_t port, const struct vswitch_property *p)
{
	property_op op = update ? e->module->ops->property_update : e->module->ops->property_add;
	char reason[VSWITCH_REFUSAL_BYTES] = "";
	int ret;

	if (!op)
		return VSWITCH_EXT_PASS;
	e->stats.requests++;
	EXTENSION_CALL(e, ret = op(e->instance, port, p, reason));
	if (ret != VSWITCH_EXT_PASS && e->module->class == VSWITCH_EXT_CAPTURE)
		return misuse(e, VSWITCH_EXT_PASS, "a policy answered by one that only captures");
	reason[sizeof(reason) - 1] = '\0';
	return ret < 0 ? refused(e, reason) : ret;
}

/* Shows it to all from the top until one takes a policy of its own. -EOPNOTSUPP: nobody did. */
static int ask_all(struct vswitch *sw, struct vswitch_port *port, bool update, const struct vswitch_property *p,
		   const struct vswitch_property *old)
{
	struct stack *s = sw->stack;
	uint32_t id = port ? port->id : 0;
	int ret = VSWITCH_EXT_PASS;
	unsigned at;

	for (at = 0; at < sw->num_enabled; at++) {
		ret = ask(s->enabled[at], update, id, p);
		if (ret < 0 || (ret == VSWITCH_EXT_DONE && !p->standard))
			break;
	}
	if (ret >= 0)
		return ret == VSWITCH_EXT_DONE || p->standard ? 0 : -EOPNOTSUPP;
	/* What those above have done is taken back. */
	while (at--)
		if (old)
			(void)ask(s->enabled[at], true, id, old);
		else
			tell_deleted(s->enabled[at], id, p);
	return ret;
}

static int check(const struct vswitch_port *port, const struct vswitch_property *p)
{
	if (port && port->state != VSWITCH_PORT_CREATED)
		return -EINVAL;
	return p->bytes > VSWITCH_PROPERTY_MAX_BYTES ? -EMSGSIZE : 0;
}

int vswitch_property_add(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_property *p)
{
	struct properties *list = list_of(sw, port);
	int ret = check(port, p);
	struct property *q;

	if (ret)
		return ret;
	if (find(list, &p->feature, &p->instance))
		return -EEXIST;
	q = property_new(p);
	if (!q)
		return -ENOMEM;
	ret = ask_all(sw, port, false, &q->p, NULL);
	if (ret)
		free(q);
	else
		TAILQ_INSERT_TAIL(list, q, link);
	return ret;
}

int vswitch_property_update(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_property *p)
{
	struct properties *list = list_of(sw, port);
	struct property *old = find(list, &p->feature, &p->instance), *q;
	int ret = check(port, p);

	if (ret)
		return ret;
	if (!old)
		return -ENOENT;
	q = property_new(p);
	if (!q)
		return -ENOMEM;
	ret = ask_all(sw, port, true, &q->p, &old->p);
	if (ret) {
		free(q);
		return ret;
	}
	TAILQ_INSERT_AFTER(list, old, q, link);
	TAILQ_REMOVE(list, old, link);
	free(old);
	return 0;
}

int vswitch_property_delete(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_guid *feature,
			    const struct vswitch_guid *instance)
{
	struct properties *list = list_of(sw, port);
	struct property *q = find(list, feature, instance);
	struct vswitch_extension *e;

	if (!q)
		return -ENOENT;
	TAILQ_REMOVE(list, q, link);
	FOR_EACH_ENABLED(e, sw->stack)
		tell_deleted(e, port ? port->id : 0, &q->p);
	free(q);
	return 0;
}

static int show_list(struct vswitch_extension *e, uint32_t port, const struct properties *list)
{
	const struct property *q;
	int ret = 0;

	TAILQ_FOREACH(q, list, link)
		if (q->p.standard && !ret)
			ret = ask(e, false, port, &q->p);
	return ret < 0 ? ret : 0;
}

int properties_show(struct vswitch_extension *e)
{
	int ret = show_list(e, 0, &e->sw->stack->properties);
	struct vswitch_port *p;

	TAILQ_FOREACH(p, &e->sw->ports, link)
		if (!ret)
			ret = show_list(e, p->id, &p->properties);
	return ret;
}
