/* SPDX-License-Identifier: MIT */
/*
 * For tests of the real daemon: a folder of its own, the process in it, calls to it. Bounded in time:
 * each wait has an end, and the daemon dies with the test.
 */
#ifndef HVNETD_TEST_DAEMON_H
#define HVNETD_TEST_DAEMON_H

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "hvnetctl/hvnetctl.h"
#include "hvnetd/rpc.h"

#define PATIENCE_MS 10000	/* for what must happen, on a busy machine under a sanitizer */

static char dir[PATH_MAX / 4], programs[PATH_MAX / 2], program[PATH_MAX], control[PATH_MAX / 2];
static struct hvnet_error err;

/* Files. */

static char *in_dir(const char *name)
{
	static char path[4][PATH_MAX / 2];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static inline bool exists(const char *name)
{
	return !access(in_dir(name), F_OK);
}

static void make_dir(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/hvnetd-test-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir) || chmod(dir, 0755))
		abort();
	snprintf(control, sizeof(control), "%s/control", dir);
}

static void remove_dir(void)
{
	static const char *const names[] = { "hvnet.json", "hvnet.json.1", "hvnet.json.new", "control", "nat",
					      "vm-a", "vm-b", "vm-c", "vm-a:nic0", "output", "arguments" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	CU_ASSERT_EQUAL(rmdir(dir), 0);	/* so nothing else was left behind */
}

/* Stands for hvnet-nat: lives until its socket is closed. */
static inline void make_nat(const char *script)
{
	FILE *f = fopen(in_dir("nat"), "we");

	if (!f)
		abort();
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	if (chmod(in_dir("nat"), 0755))
		abort();
}

#define LIVING_NAT "exec cat <&3 >/dev/null"

/* Processes. */

static pid_t spawn_as(uid_t uid, void (*prepare)(void), const char *const args[])
{
	const char *argv[24] = { program, "--runtime-dir", dir, "--nat-program", in_dir("nat") };
	pid_t pid, parent = getpid();
	int fd, n = 5;

	while (*args && n < 23)
		argv[n++] = *args++;
	argv[n] = NULL;
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || (uid && (setgid(uid) || setuid(uid))))
		_exit(98);
	fd = open(in_dir("output"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (prepare)
		prepare();
	execv(program, (char *const *)argv);
	_exit(97);
}

#define SPAWN(...) spawn_as(0, NULL, (const char *const[]){ __VA_ARGS__, NULL })

/* The exit status, or -signal, or -1000 if it does not end. */
static int wait_exit(pid_t pid)
{
	int status;

	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		usleep(5000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1000;
}

static inline bool output_has(const char *text)
{
	static char buf[65536];
	int fd = open(in_dir("output"), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : 0;

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	if (!strstr(buf, text))
		printf("no \"%s\" in: %s\n", text, buf);
	return strstr(buf, text);
}

/* A connection without our library; -1: nobody listens there. */
static inline int connect_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -1;
}

static struct hvnet_client *connect_soon(void)
{
	struct hvnet_client *c = NULL;

	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (!hvnet_connect(control, &c, &err))
			return c;
		usleep(5000);
	}
	output_has("(ready)");
	printf("%s\n", err.message);
	abort();
}

/* Connected to this very process: a killed one's socket goes on to take connections for a moment. */
static struct hvnet_client *connect_to(pid_t pid)
{
	for (int i = 0; i < 100; i++) {
		struct hvnet_client *c = connect_soon();
		json_t *version = hvnet_call(c, "version", NULL, &err);
		bool good = json_integer_value(json_object_get(version, "pid")) == pid;

		json_decref(version);
		if (good)
			return c;
		hvnet_disconnect(c);
		usleep(10000);
	}
	printf("process %d does not answer: %s\n", (int)pid, err.message);
	abort();
}

static inline pid_t start(struct hvnet_client **client)
{
	pid_t pid = SPAWN("--no-default-switch", "--switch", "lab=private", "--allow-others=look");

	*client = connect_to(pid);
	return pid;
}

static inline void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	CU_ASSERT_FALSE(exists("control"));
}

/* Calls. */

static inline json_t *call(struct hvnet_client *c, const char *method, const char *params)
{
	json_t *p = json_loads(params, 0, NULL), *result;

	if (!p)
		abort();
	err.code = 0;
	result = hvnet_call(c, method, p, &err);
	return result;
}

/* 0, or the error's code. */
static inline int code_of(struct hvnet_client *c, const char *method, const char *params)
{
	json_t *result = call(c, method, params);

	json_decref(result);
	return result ? 0 : err.code;
}

static inline json_int_t count(struct hvnet_client *c, const char *method, const char *list)
{
	json_t *result = call(c, method, "{}");
	json_int_t n = (json_int_t)json_array_size(json_object_get(result, list));

	if (!result)
		n = -1;
	json_decref(result);
	return n;
}

static inline bool vms_become(struct hvnet_client *c, json_int_t n)
{
	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (count(c, "vm.list", "vms") == n)
			return true;
		usleep(5000);
	}
	return false;
}

/* A member of the first row of a list; a copy in a static buffer. */
static inline const char *member(struct hvnet_client *c, const char *method, const char *list, const char *name)
{
	static char text[256];
	json_t *result = call(c, method, "{}");
	const json_t *v = json_object_get(json_array_get(json_object_get(result, list), 0), name);

	if (json_is_integer(v))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		snprintf(text, sizeof(text), "%s", json_is_string(v) ? json_string_value(v) : "");
	json_decref(result);
	return text;
}

/* build/VARIANT/hvnetd/x_test and build/VARIANT/bin/hvnetd */
static void find_programs(void)
{
	char self[PATH_MAX / 4];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	snprintf(programs, sizeof(programs), "%s/bin", dirname(dirname(self)));
	snprintf(program, sizeof(program), "%s/hvnetd", programs);
	if (getenv("HVNETD"))
		snprintf(program, sizeof(program), "%s", getenv("HVNETD"));
}

#endif
