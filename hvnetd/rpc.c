/* SPDX-License-Identifier: MIT */
#include "hvnetd/rpc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"

/* What could be said of a request's parameters before it was its turn. */
struct ahead {
	bool checked, dry_run;
	int ret;
	struct rpc_error err;
};

/*
 * READING (long lines: elsewhere) -> requests, one after the other -> WRITING (long replies: elsewhere) -> done(), gone
 */
struct rpc_request {
	struct rpc_dispatcher d;	/* a copy: a request may outlive the control socket */
	struct helper_task task;
	char *line;			/* owned; the task's: what is read, or was written; NULL: nothing */
	size_t line_bytes;
	struct ahead *ahead;		/* owned; one for each request; NULL: nothing was done before */
	bool is_long;			/* was read elsewhere: is freed there, too */
	json_t *input;			/* owned; a batch, or one request */
	json_t *replies;		/* owned; of a batch */
	json_t *reply;			/* owned; of one request */
	json_t *id;			/* borrowed from input; of the request under way; NULL: it is a notification */
	json_t *none;			/* owned; parameters of one that has none */
	size_t next;
	bool pending, advancing;
	bool *gone;			/* set when this is freed; rpc_start()'s, while it runs */
	char *refusal;			/* owned; the reply to what could not be read */
	struct rpc_call call;
	bool may_change;
	void *caller;
	void (*done)(void *caller, char *reply);	/* NULL: abandoned */
};

const char *rpc_string(const struct rpc_call *call, const char *name)
{
	return json_string_value(json_object_get(call->params, name));
}

json_int_t rpc_integer(const struct rpc_call *call, const char *name, json_int_t fallback)
{
	const json_t *v = json_object_get(call->params, name);

	return v ? json_integer_value(v) : fallback;
}

bool rpc_boolean(const struct rpc_call *call, const char *name)
{
	return json_is_true(json_object_get(call->params, name));
}

bool rpc_has(const struct rpc_call *call, const char *name)
{
	return json_object_get(call->params, name);
}

static json_t *error_reply(const struct rpc_error *err, json_t *id)
{
	return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "error", rpc_error_object(err), "id", id);
}

static json_t *refuse(enum rpc_code code, json_t *id, const char *message)
{
	struct rpc_error err;

	rpc_fail(&err, code, NULL, "%s", message);
	return error_reply(&err, id);
}

static char *to_line(json_t *reply)
{
	char *line = reply ? json_dumps(reply, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	json_decref(reply);
	return line;
}

char *rpc_error_reply(enum rpc_code code, const char *message)
{
	return to_line(refuse(code, json_null(), message));
}

/* Calls. */

int rpc_check_params(const struct rpc_method *m, json_t *params, bool *dry_run, struct rpc_error *err)
{
	json_t *dry = m->flags & RPC_CHANGES ? json_object_get(params, "dry_run") : NULL;

	*dry_run = json_is_true(dry);
	if (dry && !json_is_boolean(dry))
		return rpc_fail(err, RPC_INVALID_PARAMS, "dry_run", "\"dry_run\" must be true or false");
	if (dry)
		json_object_del(params, "dry_run");
	return field_check(m->params, params, "", err);
}

static void run_now(struct rpc_request *r)
{
	rpc_answer(&r->call, r->d.handle(&r->call));
}

/* Of the request whose turn it is. */
static int check_params(struct rpc_request *r, const struct rpc_method *m, json_t *params, bool *dry_run, struct rpc_error *err)
{
	const struct ahead *a = r->ahead ? &r->ahead[r->next - 1] : NULL;

	if (!a || !a->checked)
		return rpc_check_params(m, params, dry_run, err);
	*dry_run = a->dry_run;
	if (a->ret)
		*err = a->err;
	return a->ret;
}

/* Finds the method and checks everything that can be checked without the object model. */
static int prepare(struct rpc_request *r, const char *name, json_t *params, struct rpc_error *err)
{
	const struct rpc_method *m = r->d.find(name);
	bool dry_run;

	if (params && !json_is_object(params))
		return rpc_fail(err, RPC_INVALID_PARAMS, "params", "\"params\" must be an object");
	if (!m)
		return rpc_fail(err, RPC_NO_METHOD, name, "there is no method \"%.60s\"", name);
	if ((m->flags & (RPC_CHANGES | RPC_ACTS)) && !r->may_change)
		return rpc_fail(err, RPC_DENIED, NULL, "%s is for root, the group hvnet and the user that hvnetd runs as; you may "
				"look only", m->name);
	json_decref(r->none);
	r->none = params ? NULL : json_object();
	if (check_params(r, m, params ? params : r->none, &dry_run, err))
		return -1;
	r->call = (struct rpc_call){
		.opaque = r->d.opaque, .caller = r->caller, .may_change = r->may_change, .dry_run = dry_run, .method = m,
		.params = params ? params : r->none, .request = r,
	};
	return 0;
}

static void take_reply(struct rpc_request *r, json_t *reply)
{
	if (!reply)
		return;
	if (r->replies)
		json_array_append_new(r->replies, reply);
	else
		r->reply = reply;
}

/* Begins one request of a line; it is pending until rpc_answer(). */
static void begin(struct rpc_request *r, json_t *req)
{
	json_t *version = json_object_get(req, "jsonrpc"), *id = json_object_get(req, "id"), *v;
	const char *method = json_string_value(json_object_get(req, "method")), *name;
	json_t *shown = id ? id : json_null();
	struct rpc_error err = { 0 };

	r->id = id;
	if (!json_is_object(req)) {
		take_reply(r, refuse(RPC_INVALID_REQUEST, json_null(), "a request must be a JSON object"));
		return;
	}
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
		take_reply(r, refuse(RPC_INVALID_REQUEST, json_null(), "\"id\" must be a string, a number or null"));
		return;
	}
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
		take_reply(r, refuse(RPC_INVALID_REQUEST, shown, "\"jsonrpc\" must be \"2.0\""));
		return;
	}
	if (!method) {
		take_reply(r, refuse(RPC_INVALID_REQUEST, shown, "\"method\" must be a string"));
		return;
	}
	json_object_foreach(req, name, v)
		if (strcmp(name, "id") != 0 && strcmp(name, "jsonrpc") != 0 && strcmp(name, "method") != 0 &&
		    strcmp(name, "params") != 0) {
			take_reply(r, refuse(RPC_INVALID_REQUEST, shown,
					     "a request has jsonrpc, method, params and id, nothing else"));
			return;
		}
	if (prepare(r, method, json_object_get(req, "params"), &err)) {
		take_reply(r, id ? error_reply(&err, id) : NULL);
		return;
	}
	r->pending = true;
	if (r->d.run)
		r->d.run(r->d.opaque, &r->call);
	else
		run_now(r);
}

/* Requests. */

static size_t num_requests(const struct rpc_request *r)
{
	return json_is_array(r->input) ? json_array_size(r->input) : 1;
}

static json_t *request_at(const struct rpc_request *r, size_t i)
{
	return json_is_array(r->input) ? json_array_get(r->input, i) : r->input;
}

static void drop_values(struct rpc_request *r)
{
	json_decref(r->input);
	json_decref(r->replies);
	json_decref(r->reply);
	json_decref(r->none);
	r->input = r->replies = r->reply = r->none = NULL;
}

static void request_free(struct rpc_request *r)
{
	if (r->gone)
		*r->gone = true;
	drop_values(r);
	free(r->ahead);
	free(r->line);
	free(r);
}

static void write_reply(struct helper_task *t)
{
	struct rpc_request *r = hv_container_of(t, struct rpc_request, task);
	json_t *reply = json_array_size(r->replies) ? r->replies : r->reply;

	r->line = reply ? to_line(json_incref(reply)) : NULL;
	drop_values(r);
}

static void reply_written(struct helper_task *t)
{
	struct rpc_request *r = hv_container_of(t, struct rpc_request, task);
	void (*done)(void *caller, char *reply) = r->done;
	void *caller = r->caller;
	char *line = r->line;

	r->line = NULL;
	request_free(r);
	if (done)
		done(caller, line);
	else
		free(line);
}

static void finish(struct rpc_request *r)
{
	const bool is_long = r->is_long || helper_is_large(r->replies ? r->replies : r->reply, RPC_AT_ONCE_PARTS);

	r->task = (struct helper_task){ .work = write_reply, .done = reply_written };
	if (is_long && r->d.offload) {
		r->d.offload(r->d.opaque, &r->task);
		return;
	}
	write_reply(&r->task);
	reply_written(&r->task);
}

/* Runs requests until one is pending, or all are done: then r is gone, or soon. */
static void advance(struct rpc_request *r)
{
	r->advancing = true;
	while (!r->pending && r->next < num_requests(r))
		begin(r, request_at(r, r->next++));
	r->advancing = false;
	if (!r->pending)
		finish(r);
}

void rpc_answer(struct rpc_call *call, json_t *result)
{
	struct rpc_request *r = call->request;

	if (!result && !call->err.code)
		rpc_fail(&call->err, RPC_INTERNAL, NULL, "%s failed: out of memory?", call->method->name);
	if (r->id && result)
		take_reply(r, json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", result, "id", r->id));
	else if (r->id)
		take_reply(r, error_reply(&call->err, r->id));
	else
		json_decref(result);
	r->pending = false;
	if (!r->advancing)
		advance(r);
}

void rpc_abandon(struct rpc_request *r)
{
	r->done = NULL;
	r->caller = NULL;
	r->call.caller = NULL;
	r->next = SIZE_MAX;		/* what was not begun is not */
}

/* The nesting of a text, strings left out, so that the parser never recurses deeply. */
static bool too_deep(const char *line, size_t n)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && (line[i] == '{' || line[i] == '['))
			depth++;
		else if (!quoted && depth && (line[i] == '}' || line[i] == ']'))
			depth--;
		if (depth > RPC_DEPTH_MAX)
			return true;
	}
	return false;
}

/* The line as a value, or NULL with the reply that says why not. */
static json_t *parse(const char *line, size_t n, char **reply)
{
	json_error_t why;
	char message[256];
	json_t *v;

	if (too_deep(line, n)) {
		*reply = rpc_error_reply(RPC_INVALID_REQUEST, "nested too deeply");
		return NULL;
	}
	v = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!v) {
		snprintf(message, sizeof(message), "not JSON: %s (byte %d)", why.text, why.position);
		*reply = rpc_error_reply(RPC_PARSE_ERROR, message);
	} else if (json_is_array(v) && (!json_array_size(v) || json_array_size(v) > RPC_BATCH_MAX)) {
		json_decref(v);
		v = NULL;
		*reply = rpc_error_reply(RPC_INVALID_REQUEST, "a batch holds 1 to 64 requests");
	}
	return v;
}

static void read_now(struct rpc_request *r, const char *line, size_t n)
{
	r->input = parse(line, n, &r->refusal);
	r->replies = json_is_array(r->input) ? json_array() : NULL;
}

static void check_ahead(struct rpc_request *r, const json_t *request, struct ahead *a)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct rpc_method *m = name ? r->d.find(name) : NULL;
	json_t *params = json_object_get(request, "params");

	if (!m || !json_is_object(params))
		return;
	a->ret = rpc_check_params(m, params, &a->dry_run, &a->err);
	a->checked = true;
}

static void read_line(struct helper_task *t)
{
	struct rpc_request *r = hv_container_of(t, struct rpc_request, task);

	read_now(r, r->line, r->line_bytes);
	free(r->line);
	r->line = NULL;
	r->ahead = r->input ? calloc(num_requests(r), sizeof(*r->ahead)) : NULL;
	for (size_t i = 0; r->ahead && i < num_requests(r); i++)
		check_ahead(r, request_at(r, i), &r->ahead[i]);
}

/* Runs what was read, or says that it could not be. */
static void begin_requests(struct rpc_request *r)
{
	if (r->input) {
		advance(r);
		return;
	}
	r->line = r->refusal;
	r->refusal = NULL;
	reply_written(&r->task);
}

static void line_read(struct helper_task *t)
{
	begin_requests(hv_container_of(t, struct rpc_request, task));
}

struct rpc_request *rpc_start(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line, size_t n,
			      void (*done)(void *caller, char *reply))
{
	const bool elsewhere = n > RPC_AT_ONCE_BYTES && d->offload;
	struct rpc_request *r = calloc(1, sizeof(*r));
	bool gone = false;

	if (r && elsewhere)
		r->line = malloc(n);
	if (!r || (elsewhere && !r->line)) {
		free(r);
		done(caller, rpc_error_reply(RPC_NO_RESOURCES, "out of memory"));
		return NULL;
	}
	r->d = *d;
	r->caller = caller;
	r->may_change = may_change;
	r->done = done;
	r->gone = &gone;
	if (elsewhere) {
		memcpy(r->line, line, n);
		r->line_bytes = n;
		r->is_long = true;
		r->task = (struct helper_task){ .work = read_line, .done = line_read };
		d->offload(d->opaque, &r->task);
	} else {
		read_now(r, line, n);
		begin_requests(r);
	}
	if (gone)
		return NULL;
	r->gone = NULL;
	return r;
}

static void keep(void *caller, char *reply)
{
	*(char **)caller = reply;
}

char *rpc_handle(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line, size_t n)
{
	char *reply = NULL;

	(void)caller;
	if (rpc_start(d, &reply, may_change, line, n, keep))
		reply = NULL;	/* a dispatcher that does not answer at once is no business of this */
	return reply;
}
