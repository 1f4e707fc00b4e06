/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC 2.0 without I/O: a line of text in, a line of text out, at once or later. Checks a request's form and its
 * parameters against the method's table row, so that a handler sees only fields that it knows, of the type it wants.
 *
 * The requests of a line are run one after the other: the next one begins when the one before is answered.
 *
 * On one thread.
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
	RPC_TIMEOUT = -32003,
	RPC_IN_USE = -32004,
	RPC_STATE = -32005,
	RPC_INCOMPATIBLE = -32006,
	RPC_REFUSED = -32007,		/* by an extension */
	RPC_NO_RESOURCES = -32008,
	RPC_NOT_FOUND = -32009,
	RPC_AMBIGUOUS = -32010,
	RPC_STOPPING = -32011,
};

enum {
	RPC_BATCH_MAX = 64,		/* our policy: requests in one line */
	RPC_DEPTH_MAX = 16,		/* our policy: nesting of a request; ours need 9 */
};

struct rpc_error {
	int code;			/* enum rpc_code; 0: none */
	char message[384];		/* what was wrong, and what to do */
	char what[128];			/* the parameter or object that is meant; may be empty */
	struct {
		const char *name;	/* of another member of the answer's data; NULL: none */
		char value[128];
	} detail[2];
};

/* Fills err; returns -1, for handlers' returns. */
int rpc_fail(struct rpc_error *err, enum rpc_code code, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds a member to the data of an error that was filled: by, state, other, extension, reason, errno. Returns -1. */
int rpc_detail(struct rpc_error *err, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The error as a JSON object. A new reference. */
json_t *rpc_error_object(const struct rpc_error *err);

struct field;
struct rpc_call;

enum rpc_flags {
	RPC_CHANGES = 1,		/* changes the configuration: may be part of a transaction, takes dry_run */
	RPC_ACTS = 2,			/* not the configuration, but refused to those who may only look, too */
	RPC_OUTER = 4,			/* may not be part of a transaction */
};

struct rpc_method {
	const char *name;
	const char *text;		/* one line */
	unsigned flags;			/* enum rpc_flags */
	const struct field *params, *result;
	json_t *(*run)(struct rpc_call *call);	/* new reference, or NULL with call->err filled */
};

struct rpc_request;

struct rpc_call {
	void *opaque;			/* of the dispatcher's owner */
	void *caller;			/* who calls, as the owner knows it; NULL: gone in the meantime */
	bool may_change;
	bool dry_run;			/* check only */
	const struct rpc_method *method;
	json_t *params;			/* object, checked against the row, without dry_run; borrowed */
	void *change;			/* the owner's, for methods that change */
	struct rpc_error err;
	struct rpc_request *request;	/* rpc.c's */
};

struct rpc_dispatcher {
	const struct rpc_method *(*find)(const char *name);
	/* Answers the call with rpc_answer(), now or later; the call lives until then. NULL: method->run() and the answer. */
	void (*run)(void *opaque, struct rpc_call *call);
	void *opaque;
};

/*
 * Handles one line of n bytes: a request, a notification or a batch. done() gets the reply, without a newline and to be
 * freed, or NULL if nothing is to be said; within this call or later, once. The request, or NULL if it is done already.
 */
struct rpc_request *rpc_start(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line, size_t n,
			      void (*done)(void *caller, char *reply));
/* The caller is gone: done() will not be called. What was begun goes on. */
void rpc_abandon(struct rpc_request *request);
/* Ends a call: with a result (taken), or with NULL and call->err. */
void rpc_answer(struct rpc_call *call, json_t *result);

/* The same for dispatchers that answer at once: the reply, to be freed, or NULL. */
char *rpc_handle(const struct rpc_dispatcher *d, void *caller, bool may_change, const char *line, size_t n);

/* A reply to what could not be read as a request at all. To be freed. */
char *rpc_error_reply(enum rpc_code code, const char *message);

/* Checks a request's parameters. Takes dry_run out of them if the method has it. 0, or -1 with err. */
int rpc_check_params(const struct rpc_method *m, json_t *params, bool *dry_run, struct rpc_error *err);

/* Parameters of a call; NULL, fallback or false where it has none. */
const char *rpc_string(const struct rpc_call *call, const char *name);
json_int_t rpc_integer(const struct rpc_call *call, const char *name, json_int_t fallback);
bool rpc_boolean(const struct rpc_call *call, const char *name);
bool rpc_has(const struct rpc_call *call, const char *name);

#endif
