/* SPDX-License-Identifier: MIT */
#include "hvnetd/rpc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rpc_fail(struct rpc_error *err, enum rpc_code code, const char *what, const char *format, ...)
{
	va_list ap;

	err->code = code;
	snprintf(err->what, sizeof(err->what), "%s", what ? what : "");
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return -1;
}

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

/* Replies. A text that is cut in the middle of a character must not make the whole reply vanish. */

static json_t *text(const char *s)
{
	json_t *t = json_string(s);

	return t ? t : json_string("(text that is not UTF-8)");
}

static json_t *error_object(const struct rpc_error *err, json_t *id)
{
	json_t *e = json_object();

	json_object_set_new(e, "code", json_integer(err->code));
	json_object_set_new(e, "message", text(err->message));
	if (err->what[0])
		json_object_set_new(e, "data", json_pack("{s:o}", "what", text(err->what)));
	return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "error", e, "id", id);
}

static json_t *refuse(enum rpc_code code, json_t *id, const char *message)
{
	struct rpc_error err;

	rpc_fail(&err, code, NULL, "%s", message);
	return error_object(&err, id);
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

/* Parameters. */

static const struct rpc_param *find_param(const struct rpc_param *p, const char *name)
{
	for (; p && p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static int check_string(const struct rpc_param *p, const json_t *v, struct rpc_error *err)
{
	json_int_t n = (json_int_t)json_string_length(v), max = p->max ? p->max : 255;

	if (!json_is_string(v))
		return rpc_fail(err, RPC_INVALID_PARAMS, p->name, "\"%s\" must be a string", p->name);
	if (n < p->min || n > max)
		return rpc_fail(err, RPC_INVALID_PARAMS, p->name,
				"\"%s\" must be %lld to %lld bytes long, not %lld", p->name,
				(long long)p->min, (long long)max, (long long)n);
	if (strlen(json_string_value(v)) != (size_t)n)
		return rpc_fail(err, RPC_INVALID_PARAMS, p->name, "\"%s\" must not hold a NUL",
				p->name);
	return 0;
}

static int check_param(const struct rpc_param *p, const json_t *v, struct rpc_error *err)
{
	switch (p->type) {
	case RPC_STRING:
		return check_string(p, v, err);
	case RPC_INTEGER:
		if (!json_is_integer(v) || json_integer_value(v) < p->min ||
		    json_integer_value(v) > p->max)
			return rpc_fail(err, RPC_INVALID_PARAMS, p->name,
					"\"%s\" must be an integer from %lld to %lld", p->name,
					(long long)p->min, (long long)p->max);
		return 0;
	case RPC_BOOLEAN:
		if (!json_is_boolean(v))
			return rpc_fail(err, RPC_INVALID_PARAMS, p->name,
					"\"%s\" must be true or false", p->name);
		return 0;
	}
	return -1;
}

static int check_params(const struct rpc_method *m, json_t *params, struct rpc_error *err)
{
	const char *name;
	json_t *v;

	json_object_foreach(params, name, v) {
		const struct rpc_param *p = find_param(m->params, name);

		if (!p)
			return rpc_fail(err, RPC_INVALID_PARAMS, name, "%s has no parameter \"%.60s\"",
					m->name, name);
		if (check_param(p, v, err))
			return -1;
	}
	for (const struct rpc_param *p = m->params; p && p->name; p++)
		if (p->required && !json_object_get(params, p->name))
			return rpc_fail(err, RPC_INVALID_PARAMS, p->name,
					"%s needs the parameter \"%s\"", m->name, p->name);
	return 0;
}

/* Requests. */

static json_t *run(const struct rpc_dispatcher *d, const struct rpc_method *m, void *caller,
		   bool may_change, json_t *params, struct rpc_error *err)
{
	struct rpc_call call = { .opaque = d->opaque, .caller = caller, .params = params };
	json_t *result = NULL;

	if (m->changes && !may_change)
		rpc_fail(&call.err, RPC_DENIED, NULL,
			 "%s is for root and the user that hvnetd runs as; you may look only", m->name);
	else if (!check_params(m, params, &call.err))
		result = m->run(&call);
	if (!result && !call.err.code)
		rpc_fail(&call.err, RPC_INTERNAL, NULL, "%s failed: out of memory?", m->name);
	*err = call.err;
	return result;
}

static json_t *run_by_name(const struct rpc_dispatcher *d, void *caller, bool may_change,
			   const char *method, json_t *params, struct rpc_error *err)
{
	json_t *none, *result;

	if (params && !json_is_object(params)) {
		rpc_fail(err, RPC_INVALID_PARAMS, "params", "\"params\" must be an object");
		return NULL;
	}
	for (size_t i = 0; i < d->num_methods; i++) {
		if (strcmp(d->methods[i].name, method) != 0)
			continue;
		none = params ? NULL : json_object();
		result = run(d, &d->methods[i], caller, may_change, params ? params : none, err);
		json_decref(none);
		return result;
	}
	rpc_fail(err, RPC_NO_METHOD, method, "there is no method \"%.60s\"", method);
	return NULL;
}

/* One request of a line. A new reference, or NULL for a notification. */
static json_t *handle_one(const struct rpc_dispatcher *d, void *caller, bool may_change, json_t *req)
{
	json_t *id = json_object_get(req, "id"), *version = json_object_get(req, "jsonrpc");
	const char *method = json_string_value(json_object_get(req, "method")), *name;
	struct rpc_error err = { 0 };
	json_t *result, *v;

	if (!json_is_object(req))
		return refuse(RPC_INVALID_REQUEST, json_null(), "a request must be a JSON object");
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return refuse(RPC_INVALID_REQUEST, json_null(),
			      "\"id\" must be a string, a number or null");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return refuse(RPC_INVALID_REQUEST, id ? id : json_null(), "\"jsonrpc\" must be \"2.0\"");
	if (!method)
		return refuse(RPC_INVALID_REQUEST, id ? id : json_null(), "\"method\" must be a string");
	json_object_foreach(req, name, v)
		if (strcmp(name, "id") != 0 && strcmp(name, "jsonrpc") != 0 &&
		    strcmp(name, "method") != 0 && strcmp(name, "params") != 0)
			return refuse(RPC_INVALID_REQUEST, id ? id : json_null(),
				      "a request has jsonrpc, method, params and id, nothing else");

	result = run_by_name(d, caller, may_change, method, json_object_get(req, "params"), &err);
	if (!id) {
		json_decref(result);
		return NULL;
	}
	if (!result)
		return error_object(&err, id);
	return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", result, "id", id);
}

static json_t *handle_batch(const struct rpc_dispatcher *d, void *caller, bool may_change,
			    json_t *batch)
{
	json_t *replies, *req;
	size_t i;

	if (!json_array_size(batch) || json_array_size(batch) > RPC_BATCH_MAX)
		return refuse(RPC_INVALID_REQUEST, json_null(), "a batch holds 1 to 64 requests");
	replies = json_array();
	json_array_foreach(batch, i, req) {
		json_t *reply = handle_one(d, caller, may_change, req);

		if (reply)
			json_array_append_new(replies, reply);
	}
	if (json_array_size(replies))
		return replies;
	json_decref(replies);
	return NULL;
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

char *rpc_handle(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line,
		 size_t n)
{
	json_error_t why;
	json_t *req, *reply;
	char message[256];

	if (too_deep(line, n))
		return rpc_error_reply(RPC_INVALID_REQUEST, "nested too deeply");
	req = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!req) {
		snprintf(message, sizeof(message), "not JSON: %s (byte %d)", why.text, why.position);
		return rpc_error_reply(RPC_PARSE_ERROR, message);
	}
	if (json_is_array(req))
		reply = handle_batch(d, caller, may_change, req);
	else
		reply = handle_one(d, caller, may_change, req);
	json_decref(req);
	return to_line(reply);
}
