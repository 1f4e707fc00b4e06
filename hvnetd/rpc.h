/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC 2.0 without I/O: a line of text in, a line of text out, at once or later. Checks a request's form and its
 * parameters against the method's table row, so that a handler sees only fields that it knows, of the type it wants.
 *
 * The requests of a line are run one after the other: the next one begins when the one before is answered.
 *
 * On one thread, but for what offload() gives to another.
 */
#ifndef HVNETD_RPC_H
#define HVNETD_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "hvnetd/helper.h"

enum {
	RPC_BATCH_MAX = 64,		/* our policy: requests in one line */
	RPC_DEPTH_MAX = 16,		/* our policy: nesting of a request; ours need 9 */
	RPC_AT_ONCE_BYTES = 8192,	/* our policy: of a line that is read at once … */
	RPC_AT_ONCE_PARTS = 256,	/* … and values of a reply that is written at once: 100 us, or less */
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
	/*
	 * A handler that has more to do than fits a moment says so, returns NULL, and is called again from the loop until it does
	 * not. What it needs for that it keeps in state, for which free_state() is called in the end.
	 */
	bool again;
	void *state;
	void (*free_state)(void *state);
	struct rpc_error err;
	struct rpc_request *request;	/* rpc.c's */
};

struct rpc_dispatcher {
	const struct rpc_method *(*find)(const char *name);
	/* Answers the call with rpc_answer(), now or later; the call lives until then. NULL: handle() and the answer. */
	void (*run)(void *opaque, struct rpc_call *call);
	/* Carries call->method out: its result, a new reference, or NULL with call->err filled. May be NULL if there is run(). */
	json_t *(*handle)(struct rpc_call *call);
	/* Runs a task elsewhere: long lines are read, and long replies written, without the caller's thread. NULL: all is done at once. */
	void (*offload)(void *opaque, struct helper_task *task);
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
