/* SPDX-License-Identifier: MIT */
/* What handlers do in a change, and the running of its calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetd/change_internal.h"
#include "hvnetd/methods.h"

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
	o->before = o->config;
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

/* It is there; most often it is the last one. */
static struct touched *touched_of(struct change *c, const struct object *o)
{
	size_t i = c->num_touched - 1;

	while (c->touched[i].o != o)
		i--;
	return &c->touched[i];
}

struct object *change_rename(struct rpc_call *call, struct object *o, const char *key, json_t *config)
{
	struct change *c = call->change;
	struct touched *t;

	if (!change_put(call, o->kind, o->key, config))
		return NULL;
	t = touched_of(c, o);
	t->key = t->key ? t->key : strdup(o->key);
	if (t->key && object_rekey(o, key))
		return o;
	rpc_fail(&call->err, RPC_IN_USE, "name", "there is a %s %s already", object_classes[o->kind].name, key);
	return NULL;
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

/* The handler, or a piece of it: its result, or NULL. */
static json_t *run_piece(struct change *c, struct rpc_call *call)
{
	json_t *result;

	call->change = c;
	call->again = false;
	call->state = c->state;
	call->free_state = c->free_state;
	result = methods_run(call);
	c->state = call->state;
	c->free_state = call->free_state;
	call->state = NULL;
	call->free_state = NULL;
	if (!call->again)
		change_free_state(c);
	return result;
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
	result = call.err.code ? NULL : run_piece(c, &call);
	json_decref(copy);
	if (call.again)
		return OBJECT_AGAIN;
	if (result)
		return keep_result(c, result);
	c->err = call.err;
	return prepend(&c->err, c->at, name);
}

static int run_outer(struct change *c)
{
	struct rpc_call *call = c->call;
	json_t *result;

	result = run_piece(c, call);
	if (call->again)
		return OBJECT_AGAIN;
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

	call.state = c->state;
	call.free_state = c->free_state;
	ret = c->fill(&call, c->number);
	c->state = call.state;
	c->free_state = call.free_state;
	if (call.again)
		return OBJECT_AGAIN;
	change_free_state(c);
	c->err = call.err;
	return ret;
}

int change_run_call(struct change *c)
{
	return c->fill ? run_own(c) : c->transaction ? run_inner(c) : run_outer(c);
}

void change_free_state(struct change *c)
{
	if (c->free_state)
		c->free_state(c->state);
	c->state = NULL;
	c->free_state = NULL;
}
