/* SPDX-License-Identifier: MIT */
/*
 * A batch's way through the extensions: down at ingress, up at egress, and the completions. What an
 * extension drops is counted where drops are counted; time is taken once between two extensions.
 */
#include <errno.h>
#include <stdio.h>

#include "vswitch/extension_internal.h"

static struct vswitch_ext_batch batch_of(const struct vswitch_port *port, struct vswitch_frame *const *frames,
					 unsigned n, uint32_t present)
{
	return (struct vswitch_ext_batch){
		.port = port->id,
		.present = present,
		.n = n,
		.frames = (const struct vswitch_frame *const *)frames,
	};
}

static unsigned count(uint32_t bits)
{
	return (unsigned)__builtin_popcount(bits);
}

/* The pen for one callback. */
static struct vswitch_ext_verdicts *lend(struct vswitch_extension *e, struct vswitch_port *port,
					 struct vswitch_frame *const *frames, unsigned n, uint32_t present,
					 bool ingress)
{
	struct vswitch_ext_verdicts *v = &e->verdicts;

	v->writing = true;
	v->ingress = ingress;
	v->port = port;
	v->frames = frames;
	v->n = n;
	v->present = present;
	return v;
}

/* Time since the last extension was done goes to this one. */
static void clock_in(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;
	uint64_t now_ns = vswitch_now_ns(e->sw);

	e->stats.frame_ns += now_ns - s->now_ns;
	s->now_ns = now_ns;
	e->stats.batches++;
}

/* Frames that it has let pass before it was moved, and that come to it a second time, are not counted twice. */
static uint32_t seen_before(const struct vswitch_extension *e, struct vswitch_frame *const *frames)
{
	const struct stack *s = e->sw->stack;
	uint32_t seen = 0;

	for (unsigned i = 0; i < s->num_running; i++)
		if (&s->running[i]->f == frames[i] && s->running[i]->awaiting & e->bit)
			seen |= 1u << i;
	return seen;
}

static void call_ingress(struct vswitch_extension *e, const struct vswitch_ext_batch *b)
{
	const struct vswitch_ext_module *m = e->module;
	struct vswitch_ext_writer *w = &e->sw->stack->writer;

	switch ((enum vswitch_ext_class)m->class) {
	case VSWITCH_EXT_CAPTURE:
		if (m->capture->ingress)
			m->capture->ingress(e->instance, b);
		break;
	case VSWITCH_EXT_FILTER:
		if (m->filter->ingress)
			m->filter->ingress(e->instance, b, &e->verdicts);
		break;
	case VSWITCH_EXT_FORWARD:
		w->writing = true;
		if (m->forward->ingress)
			m->forward->ingress(e->instance, b, &e->verdicts, w);
		w->writing = false;
		break;
	}
}

static uint32_t ingress(struct vswitch_extension *e, struct vswitch_port *source, struct vswitch_frame *const *frames,
			unsigned n, uint32_t keep)
{
	struct vswitch_ext_batch b = batch_of(source, frames, n, keep);
	struct vswitch_ext_verdicts *v = lend(e, source, frames, n, keep, true);
	struct stack *s = e->sw->stack;

	s->frames_under_way = true;
	s->calls++;
	call_ingress(e, &b);
	s->calls--;
	s->frames_under_way = false;
	v->writing = false;
	if (e->module->class == VSWITCH_EXT_CAPTURE)
		v->present = keep;
	e->passed = v->present;
	e->stats.in_frames += count(keep);
	e->stats.passed_in += count(e->passed & ~seen_before(e, frames));
	clock_in(e);
	return v->present;
}

uint32_t extensions_ingress(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep, unsigned position)
{
	struct vswitch *sw = source->sw;
	struct stack *s = sw->stack;
	unsigned upper = sw->num_enabled - sw->forwarder;

	s->now_ns = vswitch_now_ns(sw);
	s->held_now = 0;
	for (unsigned i = 0; i < sw->num_enabled; i++)
		s->enabled[i]->passed = 0;
	for (unsigned i = position; i < upper && keep; i++)
		keep = ingress(s->enabled[i], source, frames, n, keep);
	return keep;
}

uint32_t extensions_forward(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			    uint32_t keep)
{
	struct stack *s = source->sw->stack;

	writer_clear(&s->writer);
	s->now_ns = vswitch_now_ns(source->sw);
	keep = ingress(s->enabled[source->sw->num_enabled - 1], source, frames, n, keep);
	source->sw->directed &= keep;
	return keep;
}

static void call_egress(struct vswitch_extension *e, const struct vswitch_ext_batch *b)
{
	const struct vswitch_ext_module *m = e->module;

	switch ((enum vswitch_ext_class)m->class) {
	case VSWITCH_EXT_CAPTURE:
		if (m->capture->egress)
			m->capture->egress(e->instance, b);
		break;
	case VSWITCH_EXT_FILTER:
		if (m->filter->egress)
			m->filter->egress(e->instance, b, &e->verdicts);
		break;
	case VSWITCH_EXT_FORWARD:
		if (m->forward->egress)
			m->forward->egress(e->instance, b, &e->verdicts);
		break;
	}
}

static uint32_t egress(struct vswitch_extension *e, struct vswitch_port *to, struct vswitch_frame *const *frames,
		       unsigned n, uint32_t keep)
{
	struct vswitch_ext_batch b = batch_of(to, frames, n, keep);
	struct vswitch_ext_verdicts *v = lend(e, to, frames, n, keep, false);
	struct stack *s = e->sw->stack;

	s->frames_under_way = true;
	s->calls++;
	call_egress(e, &b);
	s->calls--;
	s->frames_under_way = false;
	v->writing = false;
	if (e->module->class == VSWITCH_EXT_CAPTURE)
		v->present = keep;
	e->stats.out_frames += count(keep);
	clock_in(e);
	return v->present;
}

uint32_t extensions_egress_forward(struct vswitch_port *destination, struct vswitch_frame *const *frames, unsigned n,
				   uint32_t keep)
{
	struct stack *s = destination->sw->stack;

	s->now_ns = vswitch_now_ns(destination->sw);
	return egress(s->enabled[destination->sw->num_enabled - 1], destination, frames, n, keep);
}

uint32_t extensions_egress(struct vswitch_port *destination, struct vswitch_frame *const *frames, unsigned n,
			   uint32_t keep)
{
	struct vswitch *sw = destination->sw;
	struct stack *s = sw->stack;

	s->now_ns = vswitch_now_ns(sw);
	for (unsigned i = sw->num_enabled - sw->forwarder; i-- && keep;)
		keep = egress(s->enabled[i], destination, frames, n, keep);
	return keep;
}

/* Completions. */

static void call_complete(struct vswitch_extension *e, const struct vswitch_ext_batch *b)
{
	const struct vswitch_ext_module *m = e->module;
	void (*complete)(void *instance, const struct vswitch_ext_batch *b) = NULL;

	switch ((enum vswitch_ext_class)m->class) {
	case VSWITCH_EXT_CAPTURE:
		complete = m->capture->complete;
		break;
	case VSWITCH_EXT_FILTER:
		complete = m->filter->complete;
		break;
	case VSWITCH_EXT_FORWARD:
		complete = m->forward->complete;
		break;
	}
	if (!complete)
		return;
	e->sw->stack->frames_under_way = true;
	e->sw->stack->calls++;
	complete(e->instance, b);
	e->sw->stack->calls--;
	e->sw->stack->frames_under_way = false;
}

void complete_to(struct vswitch_port *source, const struct vswitch_frame *const *frames, unsigned n,
		 const uint32_t *masks, uint32_t delivered)
{
	struct stack *s = source->sw->stack;
	struct vswitch_ext_batch b = { .port = source->id, .delivered = delivered, .n = n, .frames = frames };
	struct vswitch_extension *e;

	s->now_ns = vswitch_now_ns(source->sw);
	for (unsigned at = source->sw->num_enabled; at--;) {
		e = s->enabled[at];
		b.present = 0;
		for (unsigned i = 0; i < n; i++)
			b.present |= (masks[i] & e->bit ? 1u : 0u) << i;
		if (!b.present)
			continue;
		e->stats.completed += count(b.present);
		call_complete(e, &b);
		clock_in(e);
	}
}

void extensions_complete(struct vswitch_port *source, struct vswitch_frame *const *frames, unsigned n,
			 uint32_t delivered)
{
	struct stack *s = source->sw->stack;
	uint32_t masks[VSWITCH_BATCH];

	for (unsigned i = 0; i < n; i++)
		masks[i] = s->held_now & 1u << i ? 0 : extensions_passed(s, i);
	complete_to(source, (const struct vswitch_frame *const *)frames, n, masks, delivered);
}

uint32_t extensions_passed(const struct stack *s, unsigned i)
{
	uint32_t mask = i < s->num_running ? s->running[i]->awaiting : 0;

	for (unsigned at = 0; at < s->sw->num_enabled; at++)
		if (s->enabled[at]->passed & 1u << i)
			mask |= s->enabled[at]->bit;
	return mask;
}

const char *drop_rule(struct vswitch_extension *e, const char *reason)
{
	if (!reason || !reason[0])
		return e->name;
	snprintf(e->stats.last_drop, sizeof(e->stats.last_drop), "%s", reason);
	snprintf(e->rule, sizeof(e->rule), "%s: %s", e->name, e->stats.last_drop);
	return e->rule;
}

/* The forwarder's choices. */

void writer_clear(struct vswitch_ext_writer *w)
{
	w->num = 0;
	w->stack->sw->directed = 0;
	memset(w->first, 0, sizeof(w->first));
}

static struct chosen *chosen_for(struct vswitch_ext_writer *w, unsigned i, const struct vswitch_port *to, uint8_t member)
{
	struct chosen *c;

	for (uint16_t at = w->first[i]; at; at = c->next) {
		c = &w->list[at - 1];
		if (c->to == to && c->choice.member == member)
			return c;
	}
	return NULL;
}

static int append(struct vswitch_ext_writer *w, unsigned i, const struct chosen *c)
{
	if (w->num == CHOSEN_MAX)
		return -ENOBUFS;
	w->list[w->num++] = *c;
	if (w->first[i])
		w->list[w->last[i] - 1].next = (uint16_t)w->num;
	else
		w->first[i] = (uint16_t)w->num;
	w->last[i] = (uint16_t)w->num;
	w->stack->sw->directed |= 1u << i;
	return 0;
}

int writer_add(struct vswitch_ext_writer *w, const struct vswitch_port *source, unsigned i,
	       const struct vswitch_ext_destination *d)
{
	struct vswitch_port *to = port_find(w->stack->sw, d->port);
	struct chosen *c;

	if (!to || !to->nic)
		return -ENOENT;
	if (to == source)
		return -ELOOP;
	if (d->index > VSWITCH_MEMBERS || (d->index && !nic_find(to, d->index)))
		return -ENOENT;
	c = chosen_for(w, i, to, d->index);
	if (c) {
		c->excluded |= d->excluded;
		return 0;
	}
	if (d->excluded)
		return -ENOENT;
	return append(w, i, &(struct chosen){ .to = to, .choice = { d->index, d->preserve } });
}

struct vswitch_port *extensions_destination(struct vswitch *sw, unsigned i, uint32_t *cursor,
					    struct pending_choice *choice)
{
	const struct vswitch_ext_writer *w = &sw->stack->writer;
	const struct chosen *c = NULL;

	do {
		uint32_t at = c ? c->next : *cursor ? w->list[*cursor - 1].next : w->first[i];

		if (!at)
			return NULL;
		*cursor = at;
		c = &w->list[at - 1];
	} while (c->excluded);
	*choice = c->choice;
	return c->to;
}

const char *extensions_forwarder_name(const struct vswitch *sw)
{
	return sw->forwarder ? sw->stack->enabled[sw->num_enabled - 1]->name : NULL;
}
