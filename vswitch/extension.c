/* SPDX-License-Identifier: MIT */
/*
 * The extension stack of a switch. Theory of operation.
 *
 * A stack is a list of extensions, captures above filters above forwarders, and an array of those of
 * them that are enabled, in the same order. Without an enabled extension a batch pays for a few tests.
 *
 * Frames: extension_frames.c leads a batch down and up; forward.c calls it between its own steps.
 * extension_held.c keeps copies: of frames that an extension holds, and of frames that it injected
 * or released and that wait for their turn, which comes when the present batch, or the present
 * callback, is over: so callbacks do not nest. A frame that was let pass by an extension owes it one
 * completion, now or when whoever holds it further down has let it go; bits say to whom.
 *
 * Control: extension_life.c tells of ports and NICs, extension_property.c of policies and requests,
 * extension_save.c saves and restores, all from top to bottom. A refusal is taken back from those
 * above with the delete of the same thing.
 *
 * Trust: a shared object runs with the host's rights, so what it does with memory cannot be checked.
 * What it does with services is: handles are looked up, never followed; a pen works only during the
 * callback that lent it; all of it is counted as misuse. What does not deserve as much trust
 * runs in a process of its own (extension_remote.c), which only sees copies.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/extension_internal.h"

enum {
	DEFAULT_HELD_FRAMES = 4096,	/* as the header says */
	DEFAULT_HELD_BYTES = 16 << 20,
};

static const struct vswitch_stack_ops no_ops;

struct stack *stack_create(struct vswitch *sw)
{
	struct stack *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sw = sw;
	TAILQ_INIT(&s->extensions);
	TAILQ_INIT(&s->properties);
	drains_init(s);
	held_init(s);
	s->writer.stack = s;
	s->ops = &no_ops;
	s->origin = port_new_hidden(sw);
	if (!s->origin) {
		free(s);
		return NULL;
	}
	return s;
}

void stack_destroy(struct vswitch *sw)
{
	struct stack *s = sw->stack;

	if (!s)
		return;
	while (!TAILQ_EMPTY(&s->extensions))
		vswitch_extension_detach(TAILQ_FIRST(&s->extensions));
	properties_free(&s->properties);
	held_free(s);
	port_free(s->origin);
	free(s->writer.list);
	free(s);
	sw->stack = NULL;
}

/* News for the manager. */

void vswitch_set_stack_ops(struct vswitch *sw, const struct vswitch_stack_ops *ops, void *opaque)
{
	sw->stack->ops = ops ? ops : &no_ops;
	sw->stack->ops_opaque = opaque;
}

void stack_answered(struct vswitch *sw)
{
	if (sw->stack->ops->answered)
		sw->stack->ops->answered(sw->stack->ops_opaque);
}

void stack_program(struct vswitch_extension *e, bool there, const char *why)
{
	const struct stack *s = e->sw->stack;

	if (s->ops->program)
		s->ops->program(s->ops_opaque, e, there, why);
}

/* Calls. */

void begin_call(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;

	s->calls++;
	s->now_ns = vswitch_now_ns(e->sw);
}

void end_call(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;
	uint64_t now_ns = vswitch_now_ns(e->sw);

	e->stats.control_ns += now_ns - s->now_ns;
	s->now_ns = now_ns;
	if (!--s->calls && e->sw->deferred && !e->sw->busy)
		extensions_run_deferred(e->sw);
}

int misuse(struct vswitch_extension *e, int error, const char *what)
{
	e->stats.misuse++;
	snprintf(e->stats.last_misuse, sizeof(e->stats.last_misuse), "%s", what);
	hv_log_limited(&e->log_limit, HV_LOG_WARNING, "switch \"%s\": extension %s: %s: refused", e->sw->name,
		       e->name, what);
	return error;
}

int refused(struct vswitch_extension *e, const char *reason)
{
	struct vswitch_refusal *r = &e->sw->stack->refusal;

	e->stats.refusals++;
	snprintf(r->extension, sizeof(r->extension), "%s", e->name);
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	return -ECANCELED;
}

const struct vswitch_refusal *vswitch_refusal(const struct vswitch *sw)
{
	return &sw->stack->refusal;
}

static void timer_fired(struct hv_timer *t)
{
	struct vswitch_extension *e = hv_container_of(t, struct vswitch_extension, timer);

	e->deadline_ns = 0;
	if (e->enabled && e->module->ops->timer)
		EXTENSION_CALL(e, e->module->ops->timer(e->instance));
}

void stack_tick(struct vswitch *sw, uint64_t now_ns)
{
	struct vswitch_extension *e;

	TAILQ_FOREACH(e, &sw->stack->extensions, link)
		if (e->deadline_ns && e->deadline_ns <= now_ns)
			timer_fired(&e->timer);
	drains_tick(sw, now_ns);
}

/* The list and the array. */

static void renumber(struct stack *s)
{
	struct vswitch *sw = s->sw;
	struct vswitch_extension *e;

	sw->num_enabled = 0;
	sw->forwarder = false;
	TAILQ_FOREACH(e, &s->extensions, link) {
		if (!e->enabled)
			continue;
		e->position = sw->num_enabled;
		s->enabled[sw->num_enabled++] = e;
		sw->forwarder = e->module->class == VSWITCH_EXT_FORWARD;
	}
}

/* Above all of its class, below the higher ones. */
static void put_on_top_of_class(struct stack *s, struct vswitch_extension *e)
{
	struct vswitch_extension *other;

	TAILQ_FOREACH(other, &s->extensions, link)
		if (other->module->class >= e->module->class) {
			TAILQ_INSERT_BEFORE(other, e, link);
			return;
		}
	TAILQ_INSERT_TAIL(&s->extensions, e, link);
}

bool module_is_sound(const struct vswitch_ext_module *m)
{
	if (m->abi != VSWITCH_EXT_ABI || m->size != sizeof(*m) || m->ops_size != sizeof(*m->ops) || !m->ops)
		return false;
	if (!m->name || !m->name[0] || strlen(m->name) >= VSWITCH_NAME_BYTES || m->class > VSWITCH_EXT_FORWARD)
		return false;
	return !m->capture == (m->class != VSWITCH_EXT_CAPTURE) && !m->filter == (m->class != VSWITCH_EXT_FILTER) &&
	       !m->forward == (m->class != VSWITCH_EXT_FORWARD);
}

static bool is_taken(const struct stack *s, const char *name)
{
	const struct vswitch_extension *e;

	TAILQ_FOREACH(e, &s->extensions, link)
		if (!strcmp(e->name, name))
			return true;
	return false;
}

static int extension_new(struct vswitch *sw, const struct vswitch_ext_module *module, const char *name,
			 const struct vswitch_extension_limits *limits, struct vswitch_extension **out)
{
	struct stack *s = sw->stack;
	struct vswitch_extension *e;

	if (strlen(name) >= sizeof(e->name) || !name[0])
		return -EINVAL;
	if (is_taken(s, name))
		return -EEXIST;
	if (!~s->bits)
		return -ENOSPC;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->sw = sw;
	e->module = module;
	strcpy(e->name, name);
	e->bit = ~s->bits & (s->bits + 1);
	e->limits.held_frames = limits->held_frames ? limits->held_frames : DEFAULT_HELD_FRAMES;
	e->limits.held_bytes = limits->held_bytes ? limits->held_bytes : DEFAULT_HELD_BYTES;
	e->verdicts.e = e;
	e->timer.fire = timer_fired;
	s->bits |= e->bit;
	put_on_top_of_class(s, e);
	*out = e;
	return 0;
}

static void extension_free(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;

	if (e->timer.loop)
		hv_timer_cancel(&e->timer);
	TAILQ_REMOVE(&s->extensions, e, link);
	s->bits &= ~e->bit;
	free(e);
}

int vswitch_extension_attach(struct vswitch *sw, const struct vswitch_ext_module *module,
			     const struct vswitch_extension_config *config, struct vswitch_extension **out)
{
	char reason[VSWITCH_REFUSAL_BYTES] = "";
	struct vswitch_extension *e;
	int ret;

	if (!module_is_sound(module))
		return -EPROTO;
	ret = extension_new(sw, module, config->name ? config->name : module->name, &config->limits, &e);
	if (ret)
		return ret;
	if (module->ops->attach)
		EXTENSION_CALL(e, ret = module->ops->attach(e, &extension_services,
							    config->config ? config->config : "", reason,
							    &e->instance));
	if (ret) {
		reason[sizeof(reason) - 1] = '\0';
		refused(e, reason);
		extension_free(e);
		return ret < 0 ? ret : -EINVAL;
	}
	*out = e;
	return 0;
}

void vswitch_extension_detach(struct vswitch_extension *e)
{
	if (!e)
		return;
	assert(!e->sw->busy && !e->sw->stack->calls);
	vswitch_extension_disable(e);
	if (e->module->ops->detach)
		EXTENSION_CALL(e, e->module->ops->detach(e->instance));
	extension_free(e);
}

/* On and off. */

static int make_writer(struct stack *s)
{
	if (!s->writer.list)
		s->writer.list = calloc(CHOSEN_MAX, sizeof(*s->writer.list));
	return s->writer.list ? 0 : -ENOMEM;
}

int vswitch_extension_enable(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;
	int ret = 0;

	assert(!e->sw->busy && !s->calls);
	if (e->enabled)
		return 0;
	if (e->module->class == VSWITCH_EXT_FORWARD) {
		if (e->sw->forwarder)
			return -EBUSY;
		ret = make_writer(s);
		if (ret)
			return ret;
	}
	e->enabled = true;
	renumber(s);
	if (e->module->ops->activate)
		EXTENSION_CALL(e, e->module->ops->activate(e->instance));
	if (e->module->class == VSWITCH_EXT_FORWARD)
		ret = properties_show(e);
	if (ret)
		vswitch_extension_disable(e);
	else
		hv_log(HV_LOG_INFO, "switch \"%s\": extension %s: enabled", e->sw->name, e->name);
	return ret;
}

void vswitch_extension_disable(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;

	if (!e->enabled)
		return;
	assert(!e->sw->busy && !s->calls);
	if (e->module->ops->deactivate)
		EXTENSION_CALL(e, e->module->ops->deactivate(e->instance));
	e->enabled = false;
	if (e->timer.loop)
		hv_timer_cancel(&e->timer);
	e->deadline_ns = 0;
	renumber(s);
	held_flush_extension(e);
	references_drop(e);
	drain_kick(e->sw);
	hv_log(HV_LOG_INFO, "switch \"%s\": extension %s: disabled", e->sw->name, e->name);
}

int vswitch_extension_move(struct vswitch_extension *e, struct vswitch_extension *above)
{
	struct stack *s = e->sw->stack;
	struct vswitch_extension *other;

	assert(!e->sw->busy && !s->calls);
	if (above && (above->sw != e->sw || above->module->class != e->module->class))
		return -EINVAL;
	if (above == e)
		return 0;
	TAILQ_REMOVE(&s->extensions, e, link);
	if (!above)
		TAILQ_FOREACH(other, &s->extensions, link)
			if (other->module->class > e->module->class) {
				above = other;
				break;
			}
	if (above)
		TAILQ_INSERT_BEFORE(above, e, link);
	else
		TAILQ_INSERT_TAIL(&s->extensions, e, link);
	renumber(s);
	return 0;
}

/* Looking at them. */

struct vswitch_extension *vswitch_next_extension(struct vswitch *sw, struct vswitch_extension *prev)
{
	return prev ? TAILQ_NEXT(prev, link) : TAILQ_FIRST(&sw->stack->extensions);
}

const char *vswitch_extension_name(const struct vswitch_extension *e)
{
	return e->name;
}

const struct vswitch_ext_module *vswitch_extension_module(const struct vswitch_extension *e)
{
	return e->module;
}

bool vswitch_extension_enabled(const struct vswitch_extension *e)
{
	return e->enabled;
}

void vswitch_extension_stats(const struct vswitch_extension *e, struct vswitch_extension_stats *out)
{
	*out = e->stats;
	out->in_flight = out->passed_in - out->completed;
	references_of(e, &out->references);
}

void vswitch_originated_stats(const struct vswitch *sw, struct vswitch_port_stats *out)
{
	*out = sw->stack->origin->stats;
}
