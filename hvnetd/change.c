/* SPDX-License-Identifier: MIT */
/* Changes to objects: object.h says how they go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/event.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/job.h"
#include "hvnetd/object.h"
#include "hvnetd/store.h"

/*
 * QUEUED -> CALLS -> CHECKS -> REALIZE -> STORE -> gone
 * CALLS, CHECKS: a failure, or the end of a dry run -> UNDO -> gone. REALIZE: a failure -> UNDO -> gone.
 */
enum phase {
	PHASE_QUEUED,
	PHASE_CALLS,
	PHASE_CHECKS,
	PHASE_REALIZE,
	PHASE_UNDO,
	PHASE_STORE,
};

struct touched {
	struct object *o;
	json_t *before;			/* owned; configuration; NULL: none */
	unsigned rank;			/* in the order of realization */
	unsigned order;			/* in that of touching */
};

struct shown {				/* a call's result */
	json_t *json;			/* owned; NULL: what show() says */
	struct object *o;
	json_t *(*show)(const struct object *o);
};

struct change {
	STAILQ_ENTRY(change) link;
	struct hvnetd *d;
	enum phase phase;
	bool dry_run, cancelled, answered, transaction;
	bool waiting;			/* for change_continue() */
	struct rpc_call *call;		/* to be answered; NULL: the daemon's own, or answered */
	json_t *calls;			/* owned; of a transaction */
	size_t num_calls;
	size_t at;			/* call, check or step that is next */
	struct shown *shown;		/* owned; one per call */
	size_t num_shown;
	json_t *result;			/* owned; what is answered when it is stored */
	struct touched *touched;	/* owned */
	size_t num_touched, room;
	struct job **jobs;		/* owned array of borrowed: jobs outlive the changes that they belong to */
	size_t num_jobs;
	struct rpc_error err;
	/* the daemon's own */
	int (*fill)(struct rpc_call *call, uint64_t number);
	uint64_t number;
	void (*done)(struct hvnetd *d, int ret, const struct rpc_error *err);
};

static void run_slice(struct hv_timer *t);

static void schedule(struct hvnetd *d)
{
	d->objects.timer.fire = run_slice;
	if (hv_timer_arm(d->worker.loop, &d->objects.timer, 0))
		hv_log(HV_LOG_ERROR, "hvnetd: out of memory, changes stand still");
}

/* ---- for handlers ---- */

static struct touched *touch(struct change *c, struct object *o)
{
	struct touched *t;

	if (o->touched)
		return NULL;
	if (c->num_touched == c->room) {
		t = realloc(c->touched, (c->room * 2 + 8) * sizeof(*t));
		if (!t)
			return NULL;
		c->touched = t;
		c->room = c->room * 2 + 8;
	}
	t = &c->touched[c->num_touched];
	*t = (struct touched){ .o = o, .before = json_incref(o->config), .order = (unsigned)c->num_touched };
	o->touched = true;
	c->num_touched++;
	return t;
}

struct object *change_put(struct rpc_call *call, enum object_kind kind, const char *key, json_t *config)
{
	struct change *c = call->change;
	struct object *o = object_obtain(c->d, kind, key);

	if (!o || (!o->touched && !touch(c, o))) {
		json_decref(config);
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "out of memory");
		return NULL;
	}
	object_set_config(o, config);
	return o;
}

void change_set_scope(struct object *o, uint64_t scope, int pid)
{
	o->scope = scope;
	o->pid = pid;
}

json_t *change_show(struct rpc_call *call, struct object *o, json_t *(*show)(const struct object *o))
{
	struct change *c = call->change;

	c->shown[c->num_shown].o = o;
	c->shown[c->num_shown].show = show;
	return o ? json_object() : NULL;
}

const char *change_job(struct rpc_call *call)
{
	struct change *c = call->change;
	struct job **jobs, *job;

	if (call->dry_run)
		return "";
	jobs = realloc(c->jobs, (c->num_jobs + 1) * sizeof(*jobs));
	job = jobs ? job_create(c->d, call->method->name) : NULL;
	if (jobs)
		c->jobs = jobs;
	if (!job) {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "there are too many jobs, or memory is short");
		return NULL;
	}
	c->jobs[c->num_jobs++] = job;
	return job_id(job);
}

/* ---- calls ---- */

static int prepend(struct rpc_error *err, size_t at, const char *method)
{
	char text[sizeof(err->message)];

	snprintf(text, sizeof(text), "call %zu, %.40s: %.300s", at + 1, method, err->message);
	memcpy(err->message, text, sizeof(text));
	return rpc_detail(err, "call", "%zu", at);
}

static int keep_result(struct change *c, json_t *result)
{
	struct shown *s = &c->shown[c->num_shown];

	if (s->show)
		json_decref(result);
	else
		s->json = result;
	c->num_shown++;
	return 0;
}

/* The call of a transaction with number at. */
static int run_inner(struct change *c)
{
	const json_t *row = json_array_get(c->calls, c->at);
	const char *name = json_string_value(json_object_get(row, "method"));
	const struct rpc_method *m = api_find_method(name);
	json_t *params = json_object_get(row, "params"), *result, *copy;
	struct rpc_call call = {
		.opaque = c->d, .caller = c->call->caller, .may_change = true, .dry_run = c->dry_run, .method = m, .change = c,
	};
	bool dry = false;

	if (!m)
		return rpc_fail(&c->err, RPC_NO_METHOD, name, "there is no method \"%.60s\"", name) + prepend(&c->err, c->at, name);
	if (!(m->flags & RPC_CHANGES) || (m->flags & RPC_OUTER))
		return rpc_fail(&c->err, RPC_INVALID_PARAMS, "method", "it cannot be part of a transaction") +
		       prepend(&c->err, c->at, name);
	if (params && !json_is_object(params))
		return rpc_fail(&c->err, RPC_INVALID_PARAMS, "params", "\"params\" must be an object") +
		       prepend(&c->err, c->at, name);
	copy = params ? json_copy(params) : json_object();
	call.params = copy;
	if (!rpc_check_params(m, copy, &dry, &call.err) && dry)
		rpc_fail(&call.err, RPC_INVALID_PARAMS, "dry_run", "a transaction is run dry as a whole, not call by call");
	result = call.err.code ? NULL : methods_run(&call);
	json_decref(copy);
	if (result)
		return keep_result(c, result);
	c->err = call.err;
	return prepend(&c->err, c->at, name);
}

static int run_outer(struct change *c)
{
	struct rpc_call *call = c->call;
	json_t *result;

	call->change = c;
	result = methods_run(call);
	if (result)
		return keep_result(c, result);
	c->err = call->err;
	return -1;
}

static int run_own(struct change *c)
{
	static const struct rpc_method own = { .name = "hvnetd", .flags = RPC_CHANGES };
	struct rpc_call call = { .opaque = c->d, .may_change = true, .method = &own, .change = c };
	int ret;

	ret = c->fill(&call, c->number);
	c->err = call.err;
	return ret;
}

/* False: there are no more. */
static bool next_call(struct change *c, int *ret)
{
	if (c->at >= c->num_calls)
		return false;
	*ret = c->fill ? run_own(c) : c->transaction ? run_inner(c) : run_outer(c);
	c->at++;
	return true;
}

/* ---- steps ---- */

/* Lower ranks first: what only stands on others goes, all is made, what others stood on goes. */
static unsigned rank(const struct object *o)
{
	static const unsigned gone[OBJECT_KINDS] = {
		[OBJECT_ADAPTER] = 0, [OBJECT_HOSTNIC] = 1, [OBJECT_UPLINK] = 2, [OBJECT_PORT] = 20, [OBJECT_VM] = 21,
		[OBJECT_SWITCH] = 22,
	};

	return o->config ? 10 + (unsigned)o->kind : gone[o->kind];
}

static int by_rank(const void *a, const void *b)
{
	const struct touched *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : x->order < y->order ? -1 : 1;
}

static void sort_steps(struct change *c)
{
	for (size_t i = 0; i < c->num_touched; i++)
		c->touched[i].rank = rank(c->touched[i].o);
	if (c->num_touched)
		qsort(c->touched, c->num_touched, sizeof(*c->touched), by_rank);
}

/* What realize() has done holds. */
static void made(struct object *o)
{
	json_decref(o->real);
	o->real = json_incref(o->config);
}

static bool same(const json_t *a, const json_t *b)
{
	return a == b || (a && b && json_equal(a, b));
}

/* 0, -1 with err, OBJECT_LATER. */
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

static void fail(struct change *c)
{
	/* What was realized is c->touched[0 … at - 1]; before that phase nothing. */
	if (c->phase != PHASE_REALIZE)
		c->at = 0;
	for (size_t i = 0; i < c->num_touched; i++) {
		struct touched *t = &c->touched[i];

		object_set_config(t->o, json_incref(t->before));
	}
	c->phase = PHASE_UNDO;
}

/* ---- ends ---- */

static json_t *shown(const struct shown *s)
{
	if (s->show)
		return s->o->config ? s->show(s->o) : json_object();	/* a later call may have deleted it */
	return json_incref(s->json);
}

static json_t *result_of(struct change *c)
{
	json_t *list;

	if (c->dry_run)
		return json_object();
	if (!c->transaction)
		return c->num_shown ? shown(&c->shown[0]) : json_object();
	list = json_array();
	for (size_t i = 0; i < c->num_shown; i++)
		json_array_append_new(list, shown(&c->shown[i]));
	return json_pack("{s:o}", "results", list);
}

/* Takes the result; NULL: c->err. */
static void answer(struct change *c, json_t *result)
{
	struct rpc_call *call = c->call;

	c->call = NULL;
	if (!call) {
		json_decref(result);
		return;
	}
	call->err = c->err;
	rpc_answer(call, result);
}

/* Other changes may touch the objects from here on. */
static void let_go(struct change *c)
{
	for (size_t i = 0; i < c->num_touched; i++) {
		json_decref(c->touched[i].before);
		c->touched[i].o->touched = false;
		object_release(c->touched[i].o);
	}
	for (size_t i = 0; i < c->num_shown; i++)
		json_decref(c->shown[i].json);
	c->num_touched = c->num_shown = 0;
}

static void end_jobs(struct change *c, bool good)
{
	for (size_t i = 0; i < c->num_jobs; i++)
		if (!c->answered && !good && !c->transaction)
			job_destroy(c->jobs[i]);	/* the caller gets the error, and never heard of the job */
		else
			job_end(c->jobs[i], good ? json_incref(c->result) : NULL, c->cancelled, good ? NULL : &c->err);
}

static void leave_queue(struct change *c)
{
	struct objects *all = &c->d->objects;

	STAILQ_REMOVE_HEAD(&all->changes, link);
	all->num_changes--;
	if (!STAILQ_EMPTY(&all->changes))
		schedule(c->d);
}

static void tell(struct change *c)
{
	for (size_t i = 0; i < c->num_touched; i++)
		event_object(c->d, c->touched[i].o, c->touched[i].before);
}

static bool has_to_be_stored(const struct change *c)
{
	for (size_t i = 0; i < c->num_touched; i++)
		if (!c->touched[i].o->scope && !same(c->touched[i].o->config, c->touched[i].before))
			return store_active(c->d);
	return false;
}

static void end(struct change *c)
{
	answer(c, c->err.code ? NULL : json_incref(c->result));
	if (c->done)
		c->done(c->d, c->err.code ? -1 : 0, &c->err);
	json_decref(c->result);
	json_decref(c->calls);
	free(c->shown);
	free(c->touched);
	free(c->jobs);
	free(c);
}

static void stored(void *cookie, const char *why)
{
	struct change *c = cookie;

	if (why) {
		rpc_fail(&c->err, RPC_FAILED, "state-dir", "done, but not stored: %.300s; it is tried again until it is", why);
		rpc_detail(&c->err, "applied", "true");
	}
	end(c);
}

static void finish(struct change *c, bool good)
{
	const bool store = good && !c->dry_run && has_to_be_stored(c);
	struct hvnetd *d = c->d;

	if (good)
		c->result = result_of(c);
	if (good && !c->dry_run)
		tell(c);
	end_jobs(c, good && !c->dry_run);
	let_go(c);
	leave_queue(c);
	c->phase = PHASE_STORE;
	if (store)
		store_change(d, stored, c);
	else
		end(c);
}

/* ---- the machine ---- */

static void end_checks(struct change *c)
{
	c->at = 0;
	if (c->dry_run) {
		fail(c);
		return;
	}
	sort_steps(c);
	c->phase = PHASE_REALIZE;
	if (c->num_jobs && !c->transaction) {
		c->answered = true;
		answer(c, result_of(c));
	}
}

static void step_calls(struct change *c)
{
	int ret = 0;

	if (!next_call(c, &ret)) {
		c->at = 0;
		c->phase = PHASE_CHECKS;
	} else if (ret) {
		fail(c);
	}
}

/* What is to be deleted first: "in use by" says more than "is not there". */
static void step_checks(struct change *c)
{
	const size_t n = c->num_touched;
	struct object *o;

	if (c->at == 2 * n) {
		end_checks(c);
		return;
	}
	o = c->touched[c->at % n].o;
	if ((c->at++ < n) != !o->config)
		return;
	if (!same(o->config, o->real) && object_classes[o->kind].check(o, &c->err))
		fail(c);
}

static void step_realize(struct change *c)
{
	int ret;

	if (c->cancelled) {
		rpc_fail(&c->err, RPC_FAILED, NULL, "cancelled");
		fail(c);
		return;
	}
	if (c->at == c->num_touched) {
		finish(c, true);
		return;
	}
	ret = realize(c->touched[c->at].o, &c->err);
	c->waiting = ret == OBJECT_LATER;
	if (c->waiting)
		return;
	if (ret) {
		fail(c);
		return;
	}
	c->at++;
	report_progress(c);
}

static void step_undo(struct change *c)
{
	struct rpc_error err = { 0 };
	struct object *o;
	int ret;

	if (!c->at) {
		finish(c, !c->err.code);	/* a dry run ends here, too */
		return;
	}
	o = c->touched[--c->at].o;
	ret = realize(o, &err);
	c->waiting = ret == OBJECT_LATER;
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
	case PHASE_REALIZE:
		step_realize(c);
		break;
	case PHASE_UNDO:
		step_undo(c);
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
			schedule(d);
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

	if (!c || !c->waiting)
		return;
	c->waiting = false;
	if (!ret)
		made(c->touched[c->at].o);
	if (c->phase == PHASE_REALIZE && ret) {
		c->err = *err;
		fail(c);
	} else if (c->phase == PHASE_REALIZE) {
		c->at++;
		report_progress(c);
	}
	schedule(d);
}

bool change_cancel(struct hvnetd *d, const struct job *job)
{
	struct change *c;

	STAILQ_FOREACH(c, &d->objects.changes, link)
		for (size_t i = 0; i < c->num_jobs; i++)
			if (c->jobs[i] == job && c->phase == PHASE_REALIZE) {
				c->cancelled = true;
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
	c->dry_run = call->dry_run;
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
	for (int i = 0; i < 100 && (c = STAILQ_FIRST(&d->objects.changes)) && c->waiting; i++)
		hv_loop_run_once(d->worker.loop, 100000000);
	while ((c = STAILQ_FIRST(&d->objects.changes))) {
		STAILQ_REMOVE_HEAD(&d->objects.changes, link);
		d->objects.num_changes--;
		rpc_fail(&c->err, RPC_STOPPING, NULL, "hvnetd is stopping");
		let_go(c);
		end(c);
	}
}
