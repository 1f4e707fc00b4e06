/* SPDX-License-Identifier: MIT */
/* The way out of a change: results, events, the store. */
#include <stdlib.h>

#include "hvnetd/change_internal.h"
#include "hvnetd/store.h"

/* ---- results ---- */

static json_t *shown(const struct shown *s)
{
	if (s->show)
		return s->o->config ? s->show(s->o) : json_object();	/* a later call may have deleted it */
	return json_incref(s->json);
}

static bool shows_nothing(const struct change *c)
{
	return c->dry_run && !(c->call && c->call->method->flags & RPC_ALONE);
}

/* The next result; false: that was the last one. */
static bool show_next(struct change *c)
{
	if (!c->result && c->transaction && !shows_nothing(c)) {
		c->results = json_array();
		c->result = json_pack("{s:o}", "results", c->results);
	}
	if (shows_nothing(c) || c->at == c->num_shown) {
		c->result = c->result ? c->result : json_object();
		return false;
	}
	if (c->results)
		json_array_append_new(c->results, shown(&c->shown[c->at++]));
	else
		c->result = shown(&c->shown[c->at++]);
	return true;
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

/* Other changes may touch it from here on. */
static void let_go(struct change *c, struct touched *t)
{
	t->o->touched = false;
	t->o->before = NULL;
	helper_decref(&c->d->helper, t->before);
	free(t->key);
	t->o->walk = (struct acl_walk){ 0 };
	object_release(t->o);
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
		change_schedule(c->d);
}

static bool is_new(const struct change *c, const struct touched *t)
{
	return t->o->config != t->before && (!t->o->config || !t->before || !json_equal(t->o->config, t->before)) && !t->o->scope &&
	       store_active(c->d);
}

static void end(struct change *c)
{
	json_t *result = c->err.code ? NULL : json_incref(c->result);

	/* The last references to large values are the reply's and the request's, which are freed by the helper. */
	json_decref(c->calls);
	helper_decref(&c->d->helper, c->walked_to);
	if (c->call && result)
		json_decref(c->result);
	else
		helper_decref(&c->d->helper, c->result);
	answer(c, result);
	if (c->done)
		c->done(c->d, c->err.code ? -1 : 0, &c->err);
	change_free_state(c);
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

/* Out of the queue; it is still to be stored, or ends. */
static void leave(struct change *c)
{
	struct hvnetd *d = c->d;

	end_jobs(c, c->good && !c->dry_run);
	leave_queue(c);
	c->phase = PHASE_STORE;
	if (c->store)
		store_change(d, stored, c);
	else
		end(c);
}

void change_finish(struct change *c, bool good)
{
	c->good = good;
	c->at = 0;
	c->phase = good ? PHASE_SHOW : PHASE_RELEASE;
}

static void next_phase(struct change *c, enum phase phase)
{
	c->at = 0;
	c->phase = phase;
}

static void step_tell(struct change *c)
{
	const struct touched *t;

	if (c->at == c->num_touched || c->dry_run) {
		next_phase(c, PHASE_RELEASE);
		return;
	}
	t = &c->touched[c->at++];
	c->store = c->store || is_new(c, t);
	event_object(c->d, t->o, t->before);
}

static void step_release(struct change *c)
{
	if (c->at < c->num_touched) {
		let_go(c, &c->touched[c->at++]);
		return;
	}
	c->num_touched = 0;
	for (size_t i = 0; i < c->num_shown; i++)
		json_decref(c->shown[i].json);
	c->num_shown = 0;
	leave(c);
}

void change_step_out(struct change *c)
{
	if (c->phase == PHASE_SHOW && !show_next(c))
		next_phase(c, PHASE_TELL);
	else if (c->phase == PHASE_TELL)
		step_tell(c);
	else if (c->phase == PHASE_RELEASE)
		step_release(c);
}

void change_answer_early(struct change *c)
{
	json_t *result;

	c->at = 0;
	while (show_next(c))
		;
	c->at = 0;
	result = c->result;
	c->result = NULL;
	c->answered = true;
	answer(c, result);
}

void change_abort(struct change *c)
{
	for (size_t i = 0; i < c->num_touched; i++)
		let_go(c, &c->touched[i]);
	for (size_t i = 0; i < c->num_shown; i++)
		json_decref(c->shown[i].json);
	c->num_touched = c->num_shown = 0;
	end(c);
}
