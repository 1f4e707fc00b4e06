/* SPDX-License-Identifier: MIT */
/* The queue of changes, and the machine: object.h says how they go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/change_internal.h"

enum { ACL_SHORT = 64 };		/* our policy: entries, old and new, that are changed in one piece */

static void run_slice(struct hv_timer *t);

void change_schedule(struct hvnetd *d)
{
	d->objects.timer.fire = run_slice;
	if (hv_timer_arm(d->worker.loop, &d->objects.timer, 0))
		hv_log(HV_LOG_ERROR, "hvnetd: out of memory, changes stand still");
}

/* ---- steps ---- */

enum { RANKS = 23 };

/* Lower ranks first: what only stands on others goes, all is made, what others stood on goes. */
static unsigned rank(const struct object *o)
{
	static const unsigned gone[OBJECT_KINDS] = {
		[OBJECT_ADAPTER] = 0, [OBJECT_HOSTNIC] = 1, [OBJECT_UPLINK] = 2, [OBJECT_PORT] = 20, [OBJECT_VM] = 21,
		[OBJECT_SWITCH] = 22,
	};

	return o->config ? 10 + (unsigned)o->kind : gone[o->kind];
}

/* Those of a rank stay in the order of touching. */
static int sort_steps(struct change *c)
{
	struct touched *sorted = c->num_touched ? calloc(c->num_touched, sizeof(*sorted)) : NULL;
	size_t first[RANKS + 1] = { 0 };

	if (c->num_touched && !sorted)
		return rpc_fail(&c->err, RPC_NO_RESOURCES, NULL, "out of memory");
	for (size_t i = 0; i < c->num_touched; i++)
		first[c->touched[i].rank + 1]++;
	for (size_t r = 0; r < RANKS; r++)
		first[r + 1] += first[r];
	for (size_t i = 0; i < c->num_touched; i++)
		sorted[first[c->touched[i].rank]++] = c->touched[i];
	free(c->touched);
	c->touched = sorted;
	c->room = c->num_touched;
	return 0;
}

/* What realize() has done holds. */
static void made(struct object *o)
{
	helper_decref(&o->d->helper, o->real);
	o->real = json_incref(o->config);
}

static bool same(const json_t *a, const json_t *b)
{
	return a == b || (a && b && json_equal(a, b));
}

/* 0, -1 with err, OBJECT_LATER, OBJECT_AGAIN, OBJECT_WAITS. */
static int realize(struct object *o, struct rpc_error *err)
{
	int ret = same(o->config, o->real) ? 0 : object_classes[o->kind].realize(o, err);

	if (!ret)
		made(o);
	if (ret < 0 && o->d->restoring) {	/* the rest is worth having without it */
		hv_log(HV_LOG_ERROR, "%s %s: not there: %s", object_classes[o->kind].name, o->key, err->message);
		memset(err, 0, sizeof(*err));
		ret = 0;
	}
	return ret;
}

static void report_progress(struct change *c)
{
	for (size_t i = 0; i < c->num_jobs; i++)
		job_progress(c->jobs[i], c->num_touched ? (unsigned)(c->at * 100 / c->num_touched) : 100);
}

static void next_phase(struct change *c, enum phase phase)
{
	c->at = 0;
	c->phase = phase;
}

/* What was realized is c->touched[0 … c->realized - 1]; before that phase nothing. */
static void fail(struct change *c)
{
	change_free_state(c);
	c->asleep = false;
	if (c->walked)
		c->walked_to = json_incref(json_object_get(c->touched[c->realized].o->config, "acl"));
	next_phase(c, PHASE_REVERT);
}

/*
 * A long ACL of a port that may be in use goes its way in pieces, and is real before the rest of the object is. 0, -1 with err,
 * or OBJECT_AGAIN.
 */
static int walk_acl(struct object *o, json_t *to, const json_t *from, struct rpc_error *err)
{
	struct vswitch_port *port = policy_port(o);
	json_t *real;
	int ret;

	if (!port || to == from || json_array_size(to) + json_array_size(from) < ACL_SHORT)
		return 0;
	ret = acl_step(port, to, from, &o->walk, err);
	if (ret)
		return ret;
	real = json_copy(o->real);
	if (to)
		json_object_set(real, "acl", to);
	else
		json_object_del(real, "acl");
	helper_decref(&o->d->helper, o->real);
	o->real = real;
	return 0;
}

/* ---- the machine ---- */

static void step_calls(struct change *c)
{
	int ret;

	if (c->at == c->num_calls) {
		next_phase(c, PHASE_CHECKS);
		return;
	}
	ret = change_run_call(c);
	if (ret < 0)
		fail(c);
	else if (ret != OBJECT_AGAIN)
		c->at++;
}

/* What is to be deleted first: "in use by" says more than "is not there". */
static void step_checks(struct change *c)
{
	const size_t n = c->num_touched;
	struct object *o;
	int ret = 0;

	if (c->at == 2 * n && c->dry_run) {
		fail(c);
		return;
	}
	if (c->at == 2 * n) {
		next_phase(c, PHASE_RANKS);
		return;
	}
	o = c->touched[c->at % n].o;
	if ((c->at < n) == !o->config && !same(o->config, o->real))
		ret = acl_check_step(o, &c->err);
	if (ret == OBJECT_AGAIN)
		return;
	if ((c->at++ < n) == !o->config && !same(o->config, o->real) && !ret)
		ret = object_classes[o->kind].check(o, &c->err);
	if (ret)
		fail(c);
}

static void step_ranks(struct change *c)
{
	if (c->at < c->num_touched) {
		c->touched[c->at].rank = rank(c->touched[c->at].o);
		c->at++;
		return;
	}
	if (sort_steps(c)) {
		fail(c);
		return;
	}
	next_phase(c, PHASE_REALIZE);
	if (c->num_jobs && !c->transaction)
		change_answer_early(c);
}

/* The object whose turn it is, or a piece of it. */
static int realize_next(struct change *c)
{
	struct object *o = c->touched[c->at].o;
	int ret = 0;

	if (!c->partly && !c->asleep && o->config && o->real && !same(o->config, o->real)) {
		c->walked = true;
		ret = walk_acl(o, json_object_get(o->config, "acl"), json_object_get(o->real, "acl"), &c->err);
	}
	if (ret)
		return ret;
	ret = realize(o, &c->err);
	c->partly = ret == OBJECT_AGAIN;
	return ret;
}

static void realized(struct change *c)
{
	c->walked = c->partly = false;
	c->realized = ++c->at;
	report_progress(c);
}

/* Whether it goes on only when somebody says so. */
static bool waits(struct change *c, int ret)
{
	c->asleep = ret == OBJECT_WAITS;
	c->waiting = c->asleep || ret == OBJECT_LATER;
	return c->waiting;
}

static void step_realize(struct change *c)
{
	int ret;

	if (c->cancelled && !c->partly) {
		rpc_fail(&c->err, RPC_FAILED, NULL, "cancelled");
		fail(c);
		return;
	}
	if (c->at == c->num_touched) {
		change_finish(c, true);
		return;
	}
	ret = realize_next(c);
	(void)waits(c, ret);
	if (ret < 0)
		fail(c);
	else if (!ret)
		realized(c);
}

/* A key that nothing else has, until the object has its own again or is gone. */
static void give_up_key(struct object *o, unsigned order)
{
	char key[OBJECT_KEY_BYTES];

	snprintf(key, sizeof(key), "/%u", order);
	if (!object_rekey(o, key))
		hv_log(HV_LOG_ERROR, "%s %s: keeps its name", object_classes[o->kind].name, o->key);
}

/* Nobody who was renamed has a key of this change any more; who was made in this change gives way. */
static void take_key_back(const struct change *c, const struct touched *t)
{
	struct object *other;

	if (object_rekey(t->o, t->key))
		return;
	other = object_obtain(c->d, t->o->kind, t->key);	/* it is there */
	give_up_key(other, (unsigned)c->num_touched + t->order);
	if (!object_rekey(t->o, t->key))
		hv_log(HV_LOG_ERROR, "%s %s: cannot be called %s again", object_classes[t->o->kind].name, t->o->key, t->key);
}

/* Names first are nobody's, so that they can go back to whom they belonged in any order. */
static void step_revert(struct change *c)
{
	const size_t n = c->num_touched;
	struct touched *t;

	if (c->at < n) {
		t = &c->touched[c->at++];
		if (t->key)
			give_up_key(t->o, t->order);
		return;
	}
	if (c->at < 2 * n) {
		t = &c->touched[c->at++ - n];
		t->o->walk = (struct acl_walk){ 0 };
		if (t->key)
			take_key_back(c, t);
		object_set_config(t->o, json_incref(t->before));
		return;
	}
	next_phase(c, PHASE_UNDO);
	c->at = c->realized;
}

/* The ACL that was on its way when the object failed goes back. */
static int walk_back(struct change *c)
{
	struct object *o = c->touched[c->realized].o;
	struct rpc_error err = { 0 };
	int ret = walk_acl(o, json_object_get(o->config, "acl"), c->walked_to, &err);

	if (ret == OBJECT_AGAIN)
		return ret;
	if (ret)
		hv_log(HV_LOG_ERROR, "%s %s: its ACL cannot be put back: %s", object_classes[o->kind].name, o->key, err.message);
	c->walked = false;
	return 0;
}

static void step_undo(struct change *c)
{
	struct rpc_error err = { 0 };
	struct object *o;
	int ret;

	if (c->walked && walk_back(c))
		return;
	if (!c->at) {
		change_finish(c, !c->err.code);	/* a dry run ends here, too */
		return;
	}
	o = c->touched[c->at - 1].o;
	ret = c->asleep ? 0 : walk_acl(o, json_object_get(o->config, "acl"), json_object_get(o->real, "acl"), &err);
	c->d->undoing = true;
	if (ret != OBJECT_AGAIN)
		ret = realize(o, &err);
	c->d->undoing = false;
	if (ret == OBJECT_AGAIN || (waits(c, ret) && c->asleep))
		return;
	c->at--;
	if (ret < 0)
		hv_log(HV_LOG_ERROR, "%s %s: cannot be put back: %s", object_classes[o->kind].name, o->key, err.message);
}

/* One bounded piece of work; c may be gone then, or wait. */
static void step(struct change *c)
{
	switch (c->phase) {
	case PHASE_QUEUED:
		c->phase = PHASE_CALLS;
		break;
	case PHASE_CALLS:
		step_calls(c);
		break;
	case PHASE_CHECKS:
		step_checks(c);
		break;
	case PHASE_RANKS:
		step_ranks(c);
		break;
	case PHASE_REALIZE:
		step_realize(c);
		break;
	case PHASE_REVERT:
		step_revert(c);
		break;
	case PHASE_UNDO:
		step_undo(c);
		break;
	case PHASE_SHOW:
	case PHASE_TELL:
	case PHASE_RELEASE:
		change_step_out(c);
		break;
	case PHASE_STORE:
		break;
	}
}

static void run_first(struct hvnetd *d)
{
	const uint64_t end = d->restoring ? UINT64_MAX : hv_now_ns() + CHANGE_SLICE_NS;
	struct change *c;

	if (d->objects.running)
		return;
	d->objects.running = true;
	while ((c = STAILQ_FIRST(&d->objects.changes)) && !c->waiting) {
		step(c);
		if (hv_now_ns() > end) {
			change_schedule(d);
			break;
		}
	}
	d->objects.running = false;
}

static void run_slice(struct hv_timer *t)
{
	run_first(hv_container_of(t, struct hvnetd, objects.timer));
}

void change_continue(struct hvnetd *d, int ret, const struct rpc_error *err)
{
	struct change *c = STAILQ_FIRST(&d->objects.changes);

	if (!c || !c->waiting || c->asleep)
		return;
	c->waiting = false;
	if (!ret)
		made(c->touched[c->at].o);
	if (c->phase == PHASE_REALIZE && ret) {
		c->err = *err;
		fail(c);
	} else if (c->phase == PHASE_REALIZE) {
		realized(c);
	}
	change_schedule(d);
}

void change_wake(struct hvnetd *d)
{
	struct change *c = STAILQ_FIRST(&d->objects.changes);

	if (!c || !c->asleep || !c->waiting)
		return;
	c->waiting = false;
	change_schedule(d);
}

bool change_is_decided(const struct hvnetd *d)
{
	const struct change *c = STAILQ_FIRST(&d->objects.changes);

	return c && c->good && !c->dry_run;
}

bool change_cancel(struct hvnetd *d, const struct job *job)
{
	struct change *c;

	STAILQ_FOREACH(c, &d->objects.changes, link)
		for (size_t i = 0; i < c->num_jobs; i++)
			if (c->jobs[i] == job && c->phase == PHASE_REALIZE) {
				c->cancelled = true;
				change_wake(d);
				return true;
			}
	return false;
}

/* ---- beginnings ---- */

static struct change *change_create(struct hvnetd *d, size_t calls)
{
	struct change *c = d->objects.num_changes < CHANGES_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->shown = calloc(calls + 1, sizeof(*c->shown));
	if (!c->shown) {
		free(c);
		return NULL;
	}
	c->d = d;
	c->num_calls = calls;
	return c;
}

/* A change alone is run at once, so that most are done when this returns. */
static void enqueue(struct change *c)
{
	struct objects *all = &c->d->objects;

	STAILQ_INSERT_TAIL(&all->changes, c, link);
	all->num_changes++;
	if (all->num_changes == 1 && !all->running)
		run_first(c->d);
}

void change_start(struct hvnetd *d, struct rpc_call *call)
{
	json_t *calls = call->method->flags & RPC_OUTER ? json_object_get(call->params, "calls") : NULL;
	struct change *c = change_create(d, calls ? json_array_size(calls) : 1);

	if (!c) {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "there are %d changes to be made before this one, or memory is short",
			 CHANGES_MAX);
		rpc_answer(call, NULL);
		return;
	}
	c->call = call;
	c->dry_run = call->dry_run || call->method->flags & RPC_ALONE;
	c->transaction = calls;
	c->calls = json_incref(calls);
	enqueue(c);
}

int change_internal(struct hvnetd *d, int (*fill)(struct rpc_call *call, uint64_t number), uint64_t number, bool dry_run,
		    void (*done)(struct hvnetd *d, int ret, const struct rpc_error *err))
{
	struct change *c = change_create(d, 1);

	if (!c)
		return -ENOMEM;
	c->fill = fill;
	c->number = number;
	c->dry_run = dry_run;
	c->done = done;
	enqueue(c);
	return 0;
}

void changes_finish(struct hvnetd *d)
{
	struct change *c;

	/* A thread that works for one is waited for. */
	for (int i = 0; i < 100 && (c = STAILQ_FIRST(&d->objects.changes)) && c->waiting && !c->asleep; i++)
		hv_loop_run_once(d->worker.loop, 100000000);
	/* What is half made is made whole: it is taken down as such. */
	while ((c = STAILQ_FIRST(&d->objects.changes)) && c->partly)
		step(c);
	while ((c = STAILQ_FIRST(&d->objects.changes))) {
		STAILQ_REMOVE_HEAD(&d->objects.changes, link);
		d->objects.num_changes--;
		rpc_fail(&c->err, RPC_STOPPING, NULL, "hvnetd is stopping");
		change_abort(c);
	}
}
