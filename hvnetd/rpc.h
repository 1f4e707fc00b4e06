/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC 2.0 without I/O: one line of text in, one line of text out. Checks a request's form and
 * its parameters against the method's table row, so that a handler sees only fields that it
 * knows, of the type it wants.
 *
 * No state; any thread.
 */
#ifndef HVNETD_RPC_H
#define HVNETD_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum rpc_code {
	RPC_PARSE_ERROR = -32700,	/* the first five are JSON-RPC's */
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_FAILED = -32000,		/* the rest is ours; hvnetd(8) lists them */
	RPC_DENIED = -32001,
	RPC_UNSUPPORTED = -32002,
	RPC_IN_USE = -32004,
	RPC_STATE = -32005,
	RPC_NO_RESOURCES = -32008,
	RPC_NOT_FOUND = -32009,
};

enum {
	RPC_BATCH_MAX = 64,		/* our policy: requests in one line */
	RPC_DEPTH_MAX = 16,		/* our policy: nesting of a request; ours need 3 */
};

struct rpc_error {
	int code;			/* enum rpc_code; 0: none */
	char message[384];		/* what was wrong, and what to do */
	char what[64];			/* the parameter or object that is meant; may be empty */
};

/* Fills err; returns -1, for handlers' returns. */
int rpc_fail(struct rpc_error *err, enum rpc_code code, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

enum rpc_type {
	RPC_STRING,
	RPC_INTEGER,
	RPC_BOOLEAN,
};

struct rpc_param {
	const char *name;		/* NULL ends a list */
	enum rpc_type type;
	bool required;
	json_int_t min, max;		/* RPC_INTEGER: range. RPC_STRING: bytes, max 0 means 255 */
};

struct rpc_call {
	void *opaque;			/* of the dispatcher's owner */
	void *caller;			/* who calls, as the owner knows it */
	const json_t *params;		/* object, checked against the row; borrowed */
	struct rpc_error err;
};

struct rpc_method {
	const char *name;
	bool changes;			/* refused unless the caller may change things */
	const struct rpc_param *params;
	json_t *(*run)(struct rpc_call *call);	/* new reference, or NULL with call->err filled */
};

struct rpc_dispatcher {
	const struct rpc_method *methods;
	size_t num_methods;
	void *opaque;
};

/*
 * Answers one line of n bytes: a request, a notification or a batch. The reply, without a newline
 * and to be freed, or NULL if nothing is to be said.
 */
char *rpc_handle(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line,
		 size_t n);

/* A reply to what could not be read as a request at all. To be freed. */
char *rpc_error_reply(enum rpc_code code, const char *message);

/* Parameters of a call; NULL, fallback or false where it has none. */
const char *rpc_string(const struct rpc_call *call, const char *name);
json_int_t rpc_integer(const struct rpc_call *call, const char *name, json_int_t fallback);
bool rpc_boolean(const struct rpc_call *call, const char *name);

#endif
