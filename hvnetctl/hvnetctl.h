/* SPDX-License-Identifier: MIT */
/*
 * A client of hvnetd's control socket: one request, one reply, waiting for it for a bounded time.
 * For hvnetctl, hvnet-qemu and tests. What the methods are, hvnetd(8) says.
 *
 * Threads: a client belongs to one thread at a time.
 */
#ifndef HVNETCTL_H
#define HVNETCTL_H

#include <jansson.h>
#include <stdbool.h>

#define HVNET_DEFAULT_SOCKET "/run/hvnet/control"

enum {
	HVNET_CALL_TIMEOUT_MS = 10000,	/* our policy: a daemon that takes longer is stuck */
	HVNET_EVENTS_MAX = 4096,	/* our policy: notifications that wait; more are a broken daemon's */
	HVNET_FDS_MAX = 4,		/* our policy: descriptors that wait to be taken */
};

struct hvnet_client;

struct hvnet_error {
	int code;			/* JSON-RPC's or hvnetd's; 0: the daemon was not reached or broke off */
	char message[512];		/* what, why, and what to do */
	int call;			/* of a transaction: which call is refused, from 0; -1: none, or all together */
};

/* path, or else $HVNET_SOCKET, or else the default. */
const char *hvnet_socket_path(const char *path);
/* 0 or -errno, with err filled. */
int hvnet_connect(const char *path, struct hvnet_client **out, struct hvnet_error *err)
	__attribute__((warn_unused_result));
/* NULL is fine. What was scoped to the connection ends. */
void hvnet_disconnect(struct hvnet_client *client);
/* To poll for the daemon's end: readable then. Borrowed. */
int hvnet_client_fd(const struct hvnet_client *client);

/*
 * Takes the descriptors that came with what was read so far, at most max; how many. What is not taken is closed with the
 * connection.
 */
unsigned hvnet_take_fds(struct hvnet_client *client, int *fds, unsigned max);

/*
 * Calls method; takes params (NULL: none). The result, a new reference, or NULL with err filled. Notifications that come
 * meanwhile wait for hvnet_event().
 */
json_t *hvnet_call(struct hvnet_client *client, const char *method, json_t *params, struct hvnet_error *err);
/*
 * The next notification, waiting for it until timeout_ms have passed (-1: for ever): { "method", "params" }, a new reference.
 * NULL with err filled; its message is empty if the time passed, or a signal came.
 */
json_t *hvnet_event(struct hvnet_client *client, int timeout_ms, struct hvnet_error *err);
/*
 * Sends n bytes as they are and reads one line of reply, without its newline; for tests. NULL if
 * there is none. To be freed.
 */
char *hvnet_raw_call(struct hvnet_client *client, const char *bytes, size_t n, struct hvnet_error *err);

#endif
