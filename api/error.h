/* SPDX-License-Identifier: MIT */
/* What a request is refused with: a code for programs, a sentence for people, and what is meant. Any thread. */
#ifndef HVNET_API_ERROR_H
#define HVNET_API_ERROR_H

#include <jansson.h>

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

#endif
