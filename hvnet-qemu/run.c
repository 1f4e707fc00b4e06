/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EXIT_NO_START = 127,		/* as shells do it */
};

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(set, passed_on[i]);
	sigaddset(set, SIGCHLD);
}

static void exec_child(char *const argv[], pid_t parent, const sigset_t *mask)
{
	/* Should we be killed, QEMU is asked to end: its adapters are gone then. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_NO_START);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execv(argv[0], argv);
	fprintf(stderr, "hvnet-qemu: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_NO_START);
}

/*
 * What the terminal sends goes to the whole foreground group, QEMU included; only what was sent to us
 * alone must be passed on.
 */
static void pass_on(pid_t pid, const struct signalfd_siginfo *info)
{
	if (info->ssi_signo != SIGCHLD && info->ssi_code != SI_KERNEL)
		kill(pid, (int)info->ssi_signo);
}

static bool child_ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

static int wait_child(pid_t pid, int signals, int daemon_fd)
{
	struct pollfd p[2] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = daemon_fd, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int status = 0;

	while (!child_ended(pid, &status)) {
		if (poll(p, 2, -1) < 0 && errno != EINTR) {
			waitpid(pid, &status, 0);
			break;
		}
		if (p[1].revents) {
			fprintf(stderr, "hvnet-qemu: hvnetd is gone; the guest runs on without its adapters until "
					"it is started anew\n");
			p[1].fd = -1;
			p[1].revents = 0;
		}
		while (read(signals, &info, sizeof(info)) == sizeof(info))
			pass_on(pid, &info);
	}
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

int run_child(char *const argv[], int daemon_fd)
{
	sigset_t set, old;
	pid_t parent = getpid(), pid;
	int signals, status;

	signal_set(&set);
	signal(SIGCHLD, SIG_DFL);	/* a parent that ignores it passes that on, and statuses are lost */
	sigprocmask(SIG_BLOCK, &set, &old);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	pid = signals < 0 ? -1 : fork();
	if (!pid)
		exec_child(argv, parent, &old);
	if (pid < 0) {
		fprintf(stderr, "hvnet-qemu: cannot start QEMU: %s\n", strerror(errno));
		status = EXIT_NO_START;
	} else {
		status = wait_child(pid, signals, daemon_fd);
	}
	if (signals >= 0)
		close(signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}
