/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket that carries one JSON-RPC request and one reply per
 * line. Who is at the other end is known from its credentials: root, our own user and the group hvnet may change
 * things; others may look, or not even that.
 *
 * Requests of a connection are run one after the other: the next one begins when the one before is answered, which may take its
 * time. Beside answers, lines may be pushed.
 *
 * On the loop's thread; each connection's work per round is bounded.
 */
#ifndef HVNETD_CONTROL_H
#define HVNETD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "hvnetd/rpc.h"

#define CONTROL_GROUP "hvnet"

struct control;
struct control_client;

enum {
	CONTROL_LINE_MAX = 65536,	/* our policy: a request's bytes, newline included … */
	CONTROL_LINE_MAX_CHANGE = 1 << 20,	/* … from one who may change things: transactions and configurations are long */
	CONTROL_CLIENTS_MAX = 128,	/* our policy: connections at once … */
	CONTROL_CLIENTS_PER_USER = 16,	/* … and of one user who may only look */
	CONTROL_FDS_MAX = 4,		/* our policy: descriptors that wait to be sent, per connection */
};

struct control_desc {
	const char *path;		/* copied */
	struct rpc_dispatcher dispatcher;	/* caller is the struct control_client */
	const char *group;		/* whose members may change things; NULL: CONTROL_GROUP */
	bool others_look;		/* who may not change anything may look */
	/* A connection is gone, after its last request. opaque is the dispatcher's. */
	void (*gone)(void *opaque, struct control_client *client);
};

/*
 * Listens on desc->path, replacing what a dead server left there. -EADDRINUSE: a live one answers.
 * -ENOTSOCK: something else is there. Other -errno. A sentence for the user in why.
 */
int control_create(struct hv_loop *loop, const struct control_desc *desc, struct control **out, char *why,
		   size_t why_bytes) __attribute__((warn_unused_result));
/* Ends all connections (gone() is called for each), removes the socket. NULL is fine. */
void control_destroy(struct control *control);

/*
 * Sends descriptors (SCM_RIGHTS) with what is queued next, so that who calls it from within a request's handler sends them
 * with, or before, the reply. Takes them over. -ENOBUFS, with the descriptors closed: as many wait already.
 */
int control_client_send_fds_take(struct control_client *client, const int *fds, unsigned n) __attribute__((warn_unused_result));
/* Queues a line to the client, unless more than max_bytes wait for it already. False: it was not queued. */
bool control_push(struct control_client *client, const char *line, size_t max_bytes);
/* Never the same for two connections, never 0. */
uint64_t control_client_id(const struct control_client *client);
pid_t control_client_pid(const struct control_client *client);
unsigned control_clients(const struct control *control);
/* Whether the peer of a connected Unix socket, any, is one who may change things. */
bool control_trusts(const struct control *control, int fd);

#endif
