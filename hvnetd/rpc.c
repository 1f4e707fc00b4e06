/* SPDX-License-Identifier: MIT */
#include "hvnetd/rpc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"

struct rpc_request {
	const struct rpc_dispatcher *d;	/* borrowed: outlives all requests */
	json_t *input;			/* owned; a batch, or one request */
	json_t *replies;		/* owned; of a batch */
	json_t *reply;			/* owned; of one request */
	json_t *id;			/* borrowed from input; of the request under way; NULL: it is a notification */
	json_t *none;			/* owned; parameters of one that has none */
	size_t next;
	bool pending, advancing;
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
	rpc_answer(&r->call, r->d->handle(&r->call));
}

/* Finds the method and checks everything that can be checked without the object model. */
static int prepare(struct rpc_request *r, const char *name, json_t *params, struct rpc_error *err)
{
	const struct rpc_method *m = r->d->find(name);
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
	if (rpc_check_params(m, params ? params : r->none, &dry_run, err))
		return -1;
	r->call = (struct rpc_call){
		.opaque = r->d->opaque, .caller = r->caller, .may_change = r->may_change, .dry_run = dry_run, .method = m,
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
	if (r->d->run)
		r->d->run(r->d->opaque, &r->call);
	else
		run_now(r);
}

/* Requests. */

static void request_free(struct rpc_request *r)
{
	json_decref(r->input);
	json_decref(r->replies);
	json_decref(r->reply);
	json_decref(r->none);
	free(r);
}

static void finish(struct rpc_request *r)
{
	void (*done)(void *caller, char *reply) = r->done;
	void *caller = r->caller;
	char *line;

	if (r->replies && json_array_size(r->replies))
		line = to_line(json_incref(r->replies));
	else
		line = r->reply ? to_line(json_incref(r->reply)) : NULL;
	request_free(r);
	if (done)
		done(caller, line);
	else
		free(line);
}

/* Runs requests until one is pending. False: all are done, and r is gone. */
static bool advance(struct rpc_request *r)
{
	const size_t n = json_is_array(r->input) ? json_array_size(r->input) : 1;

	r->advancing = true;
	while (!r->pending && r->next < n) {
		json_t *req = json_is_array(r->input) ? json_array_get(r->input, r->next) : r->input;

		r->next++;
		begin(r, req);
	}
	r->advancing = false;
	if (r->pending)
		return true;
	finish(r);
	return false;
}

void rpc_answer(struct rpc_call *call, json_t *result)
{
	struct rpc_request *r = call->request;

	if (!result && !call->err.code)
		rpc_fail(&call->err, RPC_INTERNAL, NULL, "%s failed: out of memory?", call->method->name);
	if (r->id && result)
		take_reply(r, json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "result", result, "id", r->id));
	else if (r->id)
		take_reply(r, error_reply(&call->err, r->id));
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
	r->next = json_is_array(r->input) ? json_array_size(r->input) : 1;	/* what was not begun is not */
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

struct rpc_request *rpc_start(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line, size_t n,
			      void (*done)(void *caller, char *reply))
{
	char *reply = NULL;
	json_t *input = parse(line, n, &reply);
	struct rpc_request *r = input ? calloc(1, sizeof(*r)) : NULL;

	if (!r) {
		done(caller, input ? rpc_error_reply(RPC_NO_RESOURCES, "out of memory") : reply);
		json_decref(input);
		return NULL;
	}
	r->d = d;
	r->input = input;
	r->replies = json_is_array(input) ? json_array() : NULL;
	r->caller = caller;
	r->may_change = may_change;
	r->done = done;
	return advance(r) ? r : NULL;
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
