/* SPDX-License-Identifier: MIT */
#include "hvnetd/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define PATIENCE_NS 2000000000ull	/* our policy: from SIGTERM to SIGKILL */

extern char **environ;

struct child {
	TAILQ_ENTRY(child) link;
	struct child_set *set;		/* borrowed */
	pid_t pid;			/* ours until waitpid(), so the number is never another's */
	int pidfd;			/* owned */
	struct hv_watch watch;		/* on pidfd */
	struct hv_timer kill_timer;
	void (*exited)(void *cookie, int status);	/* NULL once stopped */
	void *cookie;
};

void child_set_init(struct child_set *set, struct hv_loop *loop)
{
	set->loop = loop;
	TAILQ_INIT(&set->children);
}

static void child_free(struct child *c)
{
	hv_watch_stop(&c->watch);
	hv_timer_cancel(&c->kill_timer);
	close(c->pidfd);
	TAILQ_REMOVE(&c->set->children, c, link);
	free(c);
}

static void child_ended(struct hv_watch *w, uint32_t events)
{
	struct child *c = hv_container_of(w, struct child, watch);
	void (*exited)(void *, int) = c->exited;
	void *cookie = c->cookie;
	int status = 0;

	(void)events;
	if (waitpid(c->pid, &status, WNOHANG) == 0)
		return;
	child_free(c);
	if (exited)
		exited(cookie, status);
}

static void child_kill(struct hv_timer *t)
{
	struct child *c = hv_container_of(t, struct child, kill_timer);

	hv_log(HV_LOG_WARNING, "process %d: does not end, killed", (int)c->pid);
	kill(c->pid, SIGKILL);
}

/* A fresh process: default signals, none blocked, and only the descriptors it is given. */
static int spawn(char *const argv[], int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	ret = posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
	if (!ret)
		ret = posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_FD + 1);
	if (!ret)
		ret = posix_spawn(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -ret;
}

int child_start(struct child_set *set, char *const argv[], int fd,
		void (*exited)(void *cookie, int status), void *cookie, struct child **out)
{
	struct child *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->set = set;
	c->exited = exited;
	c->cookie = cookie;
	c->watch.ready = child_ended;
	c->kill_timer.fire = child_kill;
	ret = spawn(argv, fd, &c->pid);
	if (ret) {
		free(c);
		return ret;
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);	/* close-on-exec by itself */
	ret = c->pidfd < 0 ? -errno : hv_watch_start(set->loop, &c->watch, c->pidfd, POLLIN);
	TAILQ_INSERT_TAIL(&set->children, c, link);
	if (ret) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		child_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void child_stop(struct child *c)
{
	if (!c)
		return;
	c->exited = NULL;
	kill(c->pid, SIGTERM);
	if (hv_timer_arm(c->set->loop, &c->kill_timer, hv_now_ns() + PATIENCE_NS))
		kill(c->pid, SIGKILL);
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

void child_set_finish(struct child_set *set)
{
	uint64_t end = hv_now_ns() + PATIENCE_NS;
	struct child *c;

	if (!set->loop)
		return;
	TAILQ_FOREACH(c, &set->children, link)
		kill(c->pid, SIGTERM);
	while ((c = TAILQ_FIRST(&set->children))) {
		struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
		uint64_t now = hv_now_ns();

		if (poll(&p, 1, now < end ? (int)((end - now) / 1000000) + 1 : 0) == 0)
			kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		child_free(c);
	}
}
