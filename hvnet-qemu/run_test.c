/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/run.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

static int run_shell(const char *script, int daemon_fd)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };

	return run_child(argv, daemon_fd);
}

static void statuses(void)
{
	char *nothing[] = { (char *)"/nonexistent/qemu", NULL };

	CU_ASSERT_EQUAL(run_shell("exit 0", -1), 0);
	CU_ASSERT_EQUAL(run_shell("exit 7", -1), 7);
	CU_ASSERT_EQUAL(run_shell("kill -SEGV $$", -1), 128 + SIGSEGV);
	CU_ASSERT_EQUAL(run_child(nothing, -1), 127);
}

/* Runs a script in a process of its own that stands for hvnet-qemu; the script says "go" when it is ready. */
static pid_t start(const char *script, int *out)
{
	int fd[2];
	pid_t pid;
	char text[3];

	if (pipe2(fd, O_CLOEXEC) || (pid = fork()) < 0)
		abort();
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		_exit(run_shell(script, -1));
	}
	close(fd[1]);
	CU_ASSERT_EQUAL(read(fd[0], text, 3), 3);
	*out = fd[0];
	return pid;
}

static void signals_pass(void)
{
	int out, status = 0;
	pid_t pid = start("trap 'exit 9' TERM; echo go; while :; do sleep 0.02; done", &out);

	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	close(out);
}

/* The pipe's end is with the child: its end of file shows that the child is gone too. */
static void killed_with_us(void)
{
	int out;
	pid_t pid = start("echo go; exec sleep 30", &out);
	char c;

	alarm(10);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_EQUAL(read(out, &c, 1), 0);
	alarm(0);
	close(out);
}

static void daemon_gone(void)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		abort();
	close(fd[1]);
	/* Readable at once; the child runs on all the same. */
	CU_ASSERT_EQUAL(run_shell("sleep 0.05; exit 3", fd[0]), 3);
	close(fd[0]);
}

static void nothing_inherited(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 3; i < 256; i++)	/* what we were started with is not the point */
		fcntl(i, F_SETFD, FD_CLOEXEC);
	CU_ASSERT_EQUAL(run_shell("set -- /proc/self/fd/*; for f; do [ ${f##*/} -lt 3 ] || [ ! -e $f ] || exit 1; done", -1), 0);
	close(fd);
}

static const struct hv_test tests[] = {
	{ "the child's status is passed on", statuses },
	{ "signals are passed on", signals_pass },
	{ "the child does not outlive us", killed_with_us },
	{ "the daemon's end does not end the guest", daemon_gone },
	{ "the child inherits no descriptor", nothing_inherited },
};

HV_TEST_MAIN("hvnet-qemu/run", tests)
