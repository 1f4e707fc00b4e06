/* SPDX-License-Identifier: MIT */
/*
 * Copies of frames that the switch keeps for extensions.
 *
 *	HELD --release, discard--> DEFERRED --its turn--> under way, or dropped -> completed -> freed
 *	inject --> DEFERRED          HELD, DEFERRED --its port or extension leaves--> flushed -> completed -> freed
 *
 * All of them count as held in their source port's balance until they are under way. Handles are an
 * index into a table and the generation of the entry, so an old one is only a wrong one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/extension_internal.h"

enum { HANDLE_INDEX_BITS = 20 };	/* 32 extensions, each with far less than 32768 handles of the table's entries */

void held_init(struct stack *s)
{
	TAILQ_INIT(&s->held);
	TAILQ_INIT(&s->deferred);
}

/* Handles. */

static bool more_handles(struct stack *s)
{
	uint32_t n = s->num_handles ? 2 * s->num_handles : 256;
	struct handle *more;

	if (n > 1u << HANDLE_INDEX_BITS)
		return false;
	more = realloc(s->handles, n * sizeof(*more));
	if (!more)
		return false;
	memset(more + s->num_handles, 0, (n - s->num_handles) * sizeof(*more));
	for (uint32_t i = s->num_handles; i < n; i++)
		more[i].next_free = i + 1 < n ? i + 2 : 0;
	s->free_handle = s->num_handles + 1;
	s->handles = more;
	s->num_handles = n;
	return true;
}

static bool handle_new(struct stack *s, struct held *held)
{
	struct handle *a;

	if (!s->free_handle && !more_handles(s))
		return false;
	a = &s->handles[s->free_handle - 1];
	held->id = (uint64_t)++a->generation << HANDLE_INDEX_BITS | (s->free_handle - 1);
	a->held = held;
	s->free_handle = a->next_free;
	return true;
}

static void handle_free(struct stack *s, const struct held *held)
{
	uint32_t i = (uint32_t)(held->id & ((1u << HANDLE_INDEX_BITS) - 1));

	s->handles[i].held = NULL;
	s->handles[i].next_free = s->free_handle;
	s->free_handle = i + 1;
}

struct held *held_find(struct vswitch_extension *e, uint64_t id)
{
	struct stack *s = e->sw->stack;
	uint32_t i = (uint32_t)(id & ((1u << HANDLE_INDEX_BITS) - 1));
	struct held *h = i < s->num_handles ? s->handles[i].held : NULL;

	return h && h->id == id && h->by == e && !h->going ? h : NULL;
}

/* Making and ending. */

static void copy_frame(struct held *h, const struct vswitch_frame *f)
{
	uint32_t rest = f->len - f->head_bytes;

	h->f = *f;
	vswitch_frame_copy(f, f->head_bytes, h->data, rest);
	h->seg = (struct iovec){ h->data, rest };
	h->f.segs = &h->seg;
	h->f.nsegs = rest > 0;
	h->f.preserve = 0;
}

struct held *held_new(struct vswitch_extension *e, struct vswitch_port *source, const struct vswitch_frame *f)
{
	uint32_t bytes = (uint32_t)sizeof(struct held) + f->len - f->head_bytes;
	struct vswitch_extension_stats *st = &e->stats;
	struct held *h;

	if (st->held >= e->limits.held_frames || st->held_bytes + bytes > e->limits.held_bytes)
		return NULL;
	h = malloc(bytes);
	if (!h)
		return NULL;
	memset(h, 0, offsetof(struct held, f));
	if (!handle_new(e->sw->stack, h)) {
		free(h);
		return NULL;
	}
	copy_frame(h, f);
	h->by = e;
	h->source = source;
	h->bytes = bytes;
	st->held++;
	st->held_bytes += bytes;
	source->stats.held++;
	TAILQ_INSERT_TAIL(&e->sw->stack->held, h, link);
	return h;
}

/* It is not on any list, nor in anybody's balance, any more. */
static void leave(struct held *h)
{
	struct stack *s = h->by->sw->stack;

	TAILQ_REMOVE(h->going ? &s->deferred : &s->held, h, link);
	s->sw->deferred = !TAILQ_EMPTY(&s->deferred);
	handle_free(s, h);
	h->by->stats.held--;
	h->by->stats.held_bytes -= h->bytes;
	h->source->stats.held--;
}

static void held_destroy(struct held *h)
{
	free(h->to);
	free(h);
}

/* What has left ends as dropped at its source; those above hear of it. */
static void end(struct held *h, enum vswitch_drop reason, const char *rule)
{
	struct vswitch_port *source = h->source;
	const struct vswitch_frame *f = &h->f;

	drop_in(source, f, reason, rule);
	complete_to(source, &f, 1, &h->awaiting, 0);
	if (!source->stats.held)
		drain_kick(source->sw);
	held_destroy(h);
}

/* Takes what matches off a list, before anybody is told: that may change the list. */
static void take_matching(struct held_list *from, const struct vswitch_extension *by, const struct vswitch_port *source,
			  struct held_list *to)
{
	struct held *h, *next;

	for (h = TAILQ_FIRST(from); h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (!(by && h->by == by) && !(source && h->source == source))
			continue;
		leave(h);
		TAILQ_INSERT_TAIL(to, h, link);
	}
}

static void flush(struct stack *s, const struct vswitch_extension *by, const struct vswitch_port *source)
{
	struct held_list list = TAILQ_HEAD_INITIALIZER(list);
	struct held *h;

	take_matching(&s->deferred, by, source, &list);
	take_matching(&s->held, by, source, &list);
	while ((h = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, h, link);
		h->by->stats.flushed++;
		end(h, VSWITCH_DROP_FLUSHED, h->by->name);
	}
}

static void forget(struct held_list *list, uint32_t bit)
{
	struct held *h;

	TAILQ_FOREACH(h, list, link)
		h->awaiting &= ~bit;
}

void held_flush_extension(struct vswitch_extension *e)
{
	struct stack *s = e->sw->stack;

	flush(s, e, NULL);
	forget(&s->deferred, e->bit);
	forget(&s->held, e->bit);
	e->stats.completed = e->stats.passed_in;
}

void extensions_flush(struct vswitch_port *port, int index)
{
	struct stack *s = port->sw->stack;
	struct reference *r, *next;

	if (index == 0)
		flush(s, NULL, port);
	for (r = TAILQ_FIRST(&port->references); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->index != index)
			continue;
		r->by->stats.lost_references += r->count;
		hv_log_limited(&r->by->log_limit, HV_LOG_WARNING, "switch \"%s\"/%s: extension %s did not return %u references",
			       port->sw->name, port->name, r->by->name, r->count);
		TAILQ_REMOVE(&port->references, r, link);
		free(r);
	}
}

bool extensions_refer(const struct vswitch_port *port, int index)
{
	const struct reference *r;

	if (index == 0 && port->stats.held)
		return true;
	TAILQ_FOREACH(r, &port->references, link)
		if (r->index == index)
			return true;
	return false;
}

void held_free(struct stack *s)
{
	free(s->handles);
}

/* Going on. */

static void defer(struct held *h)
{
	struct stack *s = h->by->sw->stack;

	TAILQ_REMOVE(&s->held, h, link);
	TAILQ_INSERT_TAIL(&s->deferred, h, link);
	h->going = true;
	s->sw->deferred = true;
}

int held_release(struct held *h, const struct vswitch_ext_destination *to, unsigned n)
{
	if (n) {
		h->to = malloc(n * sizeof(*to));
		if (!h->to)
			return -ENOMEM;
		memcpy(h->to, to, n * sizeof(*to));
		h->num_to = n;
	}
	h->by->stats.released++;
	defer(h);
	return 0;
}

void held_discard(struct held *h, const char *reason)
{
	snprintf(h->rule, sizeof(h->rule), "%s", drop_rule(h->by, reason));
	h->by->stats.discarded++;
	h->discarded = true;
	defer(h);
}

/* Pieces that hold len bytes, and what a NIC's frame must be. */
static bool whole(const struct vswitch_frame *f)
{
	uint64_t have = f->head_bytes;

	if (f->len < ETHERNET_BYTES || f->len > VSWITCH_FRAME_MAX_BYTES || f->head_bytes < ETHERNET_BYTES ||
	    f->head_bytes > VSWITCH_HEAD_BYTES || f->head_bytes > f->len || (f->nsegs && !f->segs) ||
	    f->vlan > VSWITCH_VLAN_MAX || f->member > VSWITCH_MEMBERS)
		return false;
	for (unsigned i = 0; i < f->nsegs; i++)
		have += f->segs[i].iov_len;
	return have >= f->len;
}

static int make_injected(struct vswitch_extension *e, const struct vswitch_frame *f, struct vswitch_port *source)
{
	struct stack *s = e->sw->stack;
	uint8_t depth = (uint8_t)(e->sw->busy ? s->depth + 1 : 0);
	struct held *h;

	if (!whole(f))
		return -EBADMSG;
	if (depth > INJECT_DEPTH)
		return -ELOOP;
	h = held_new(e, source, f);
	if (!h)
		return -ENOBUFS;
	if (offload_wants_ingress(&h->f) && !offload_ingress(&h->f)) {
		leave(h);
		held_destroy(h);
		return -EBADMSG;
	}
	if (!h->f.vlan && h->f.offload.flags & VSWITCH_VLAN)
		h->f.vlan = h->f.offload.vlan_tci & VLAN_ID_MASK;
	h->f.source = source->id;
	/* As a trunk shows it, whatever the port's own policy: so a clone stays in its VLAN. */
	h->f.vlan = h->f.offload.flags & VSWITCH_VLAN ? h->f.offload.vlan_tci & VLAN_ID_MASK : 0;
	h->injected = true;
	h->depth = depth;
	defer(h);
	return 0;
}

int held_inject(struct vswitch_extension *e, const struct vswitch_frame *f, struct vswitch_port *source)
{
	int ret = make_injected(e, f, source);

	if (ret) {
		e->stats.inject_refused++;
	} else {
		e->stats.injected++;
		source->stats.injected++;
	}
	return ret;
}

/* Their turn. */

static bool goes_with(const struct held *first, const struct held *h)
{
	return h->source == first->source && h->by == first->by && h->depth == first->depth && !h->discarded &&
	       !first->discarded;
}

/* Takes the next that can go together off the list: those of one source from one place. */
static unsigned next_batch(struct stack *s)
{
	struct held *first = TAILQ_FIRST(&s->deferred), *h;
	unsigned n = 0;

	while (n < VSWITCH_BATCH && (h = TAILQ_FIRST(&s->deferred)) && (!n || goes_with(first, h))) {
		s->running[n++] = h;
		leave(h);
	}
	return n;
}

static void choose_destinations(struct stack *s, unsigned n)
{
	writer_clear(&s->writer);
	for (unsigned i = 0; i < n; i++) {
		if (!s->running[i]->num_to)
			continue;
		s->sw->directed |= 1u << i;
		/* What has left meanwhile gets nothing. */
		for (unsigned k = 0; k < s->running[i]->num_to; k++)
			(void)writer_add(&s->writer, s->running[i]->source, i, &s->running[i]->to[k]);
	}
}

static void run(struct stack *s, unsigned n)
{
	struct vswitch_frame *frames[VSWITCH_BATCH];
	struct held *first = s->running[0];
	uint32_t learn = 0;

	for (unsigned i = 0; i < n; i++) {
		frames[i] = &s->running[i]->f;
		learn |= (s->running[i]->injected ? 0u : 1u) << i;
	}
	choose_destinations(s, n);
	s->num_running = n;
	s->depth = first->depth;
	vswitch_run_from(first->source, frames, n, first->by->position + 1, learn);
	s->num_running = 0;
	s->depth = 0;
	if (!first->source->stats.held)
		drain_kick(s->sw);
	for (unsigned i = 0; i < n; i++)
		held_destroy(s->running[i]);
}

void extensions_run_deferred(struct vswitch *sw)
{
	struct stack *s = sw->stack;
	struct held *h;

	while ((h = TAILQ_FIRST(&s->deferred))) {
		if (h->discarded) {
			leave(h);
			end(h, VSWITCH_DROP_EXTENSION, h->rule);
		} else {
			run(s, next_batch(s));
		}
	}
}
