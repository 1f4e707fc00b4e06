/* SPDX-License-Identifier: MIT */
/*
 * Answers to requests that change nothing, put together in pieces: pages of lists row by row (RPC_PAGED), and handlers that ask
 * to be called again. They share slices of half a millisecond; most are done within the first, before read_start() returns.
 *
 * Between two pieces things may change: an object that comes or goes may move a row into the next piece, or out of it, as it
 * does with pages.
 *
 * On the loop's thread.
 */
#ifndef HVNETD_READ_H
#define HVNETD_READ_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/loop.h"

struct hvnetd;
struct read;
struct rpc_call;

struct reads {
	STAILQ_HEAD(, read) list;
	struct hv_timer timer;		/* the next slice */
};

void reads_init(struct hvnetd *d);
/* Answers the call, now or later. Takes it. */
void read_start(struct hvnetd *d, struct rpc_call *call);
/* Refuses those that are under way. */
void reads_finish(struct hvnetd *d);

#endif
