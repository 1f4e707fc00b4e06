/* SPDX-License-Identifier: MIT */
/*
 * Child processes, watched by their pidfds: started without copying our address space, told to end
 * by SIGTERM, killed if they don't, never waited for while the loop runs.
 * On the loop's thread.
 */
#ifndef HVNETD_CHILD_H
#define HVNETD_CHILD_H

#include <sys/queue.h>
#include <sys/types.h>

#include "base/loop.h"

struct child;

struct child_set {
	struct hv_loop *loop;		/* borrowed: outlives the set */
	TAILQ_HEAD(, child) children;	/* running, or told to end and not yet gone */
};

enum {
	CHILD_FD = 3,			/* the descriptor that a child gets, under this number */
};

void child_set_init(struct child_set *set, struct hv_loop *loop);
/* Ends all, waiting for at most two seconds, then by force. */
void child_set_finish(struct child_set *set);

/*
 * Starts argv[0] (a path) with standard streams as ours, fd as CHILD_FD and nothing else. exited()
 * comes once, with the status of waitpid(2), after which the child is gone. 0 or -errno.
 */
int child_start(struct child_set *set, char *const argv[], int fd,
		void (*exited)(void *cookie, int status), void *cookie, struct child **out)
	__attribute__((warn_unused_result));
/* Tells it to end and forgets it: exited() is not called any more. NULL is fine. */
void child_stop(struct child *c);
pid_t child_pid(const struct child *c);

#endif
