/* SPDX-License-Identifier: MIT */
/*
 * A thread for what takes long and needs nothing of the daemon: reading, writing and freeing large JSON values. Such values are
 * either the task's own, or never modified; references are counted atomically.
 *
 * The thread begins with the first task. All calls on the loop's thread.
 */
#ifndef HVNETD_HELPER_H
#define HVNETD_HELPER_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/loop.h"

struct helper_task {
	STAILQ_ENTRY(helper_task) link;
	void (*work)(struct helper_task *task);	/* on the thread */
	void (*done)(struct helper_task *task);	/* afterwards, on the loop's; may free the task */
};
STAILQ_HEAD(helper_list, helper_task);

struct helper {
	struct hv_loop *loop;		/* borrowed: the helper is finished before it is destroyed */
	bool started;
	pthread_t thread;
	struct hv_work back;
	pthread_mutex_t lock;		/* for what follows */
	pthread_cond_t more;
	struct helper_list todo, ready;
	bool posted;			/* back */
	bool stopping;
};

void helper_init(struct helper *h, struct hv_loop *loop);
/* Does it later; at once, done() included, if there can be no thread. The task is the helper's until done(). */
void helper_run(struct helper *h, struct helper_task *task);
/* Waits for the thread, and calls done() of all tasks. Those that come later are done at once. */
void helper_finish(struct helper *h);
/* Gives a reference back that may be the last one to a large value. NULL is fine. */
void helper_decref(struct helper *h, json_t *value);
/* Whether a value has more parts than this; looks at no more of them. */
bool helper_is_large(const json_t *value, unsigned parts);

#endif
