/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/find.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "qemu-system-x86_64"
#define VERSION_MS 10000	/* our policy: a QEMU that takes longer to say its version does not serve */
#define CACHE_LEVELS 4		/* build/release/bin/hvnet-qemu lies three folders below the cache's parent */

bool qemu_parse_version(const char *text, unsigned *major, unsigned *minor)
{
	const char *p = strstr(text, "version ");

	return p && sscanf(p, "version %u.%u", major, minor) == 2;
}

bool qemu_version_serves(unsigned major, unsigned minor)
{
	return major > QEMU_MAJOR || (major == QEMU_MAJOR && minor >= QEMU_MINOR);
}

static void read_output(int fd, char *text, size_t bytes)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n = 1;

	while (used + 1 < bytes && n > 0 && poll(&p, 1, VERSION_MS) == 1) {
		n = read(fd, text + used, bytes - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
}

/* Runs it with --version; 0, or why it does not serve. */
static const char *try_qemu(const char *path, char *why, size_t bytes)
{
	unsigned major, minor;
	char text[512];
	int fd[2];
	pid_t pid;

	if (access(path, X_OK)) {
		snprintf(why, bytes, "%s", strerror(errno));
		return why;
	}
	if (pipe2(fd, O_CLOEXEC) || (pid = fork()) < 0) {
		snprintf(why, bytes, "%s", strerror(errno));
		return why;
	}
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		execl(path, path, "--version", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	read_output(fd[0], text, sizeof(text));
	close(fd[0]);
	kill(pid, SIGKILL);	/* it has said what it had to say; ours until it is waited for */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!qemu_parse_version(text, &major, &minor))
		snprintf(why, bytes, "does not say its version");
	else if (!qemu_version_serves(major, minor))
		snprintf(why, bytes, "version %u.%u, and vfio-user needs %d.%d", major, minor, QEMU_MAJOR, QEMU_MINOR);
	else
		return NULL;
	return why;
}

static char *try_path(const char *path, char *tried, size_t bytes)
{
	char why[128];
	size_t used = strlen(tried);

	if (!try_qemu(path, why, sizeof(why)))
		return strdup(path);
	if (used < bytes)
		snprintf(tried + used, bytes - used, "\n  %s: %s", path, why);
	return NULL;
}

static char *search_path(char *tried, size_t bytes)
{
	const char *dir = getenv("PATH"), *end;
	char path[PATH_MAX], *found = NULL;

	for (; dir && !found; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (end > dir && snprintf(path, sizeof(path), "%.*s/" PROGRAM, (int)(end - dir), dir) < (int)sizeof(path) &&
		    !access(path, X_OK))
			found = try_path(path, tried, bytes);
	}
	return found;
}

static char *search_cache(char *tried, size_t bytes)
{
	const char *env = getenv("HVNET_CACHE");
	char self[PATH_MAX - 64], path[PATH_MAX];
	ssize_t n;

	if (env && *env) {
		snprintf(path, sizeof(path), "%s/bin/" PROGRAM, env);
		return try_path(path, tried, bytes);
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < CACHE_LEVELS; i++) {
		char *slash = strrchr(self, '/');

		if (!slash)
			break;
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/.cache/bin/" PROGRAM, self);
		if (!access(path, X_OK))
			return try_path(path, tried, bytes);
	}
	return NULL;
}

char *qemu_find(const char *given, char *error, size_t error_bytes)
{
	const char *env = getenv("HVNET_QEMU"), *wanted = given ? given : env && *env ? env : NULL;
	char why[128], tried[1024] = "", *found;

	if (wanted) {
		if (!try_qemu(wanted, why, sizeof(why)))
			return strdup(wanted);
		snprintf(error, error_bytes, "%s (from %s) does not serve: %s", wanted, given ? "--qemu" : "HVNET_QEMU",
			 why);
		return NULL;
	}
	found = search_path(tried, sizeof(tried));
	if (!found)
		found = search_cache(tried, sizeof(tried));
	if (!found)
		snprintf(error, error_bytes, "there is no " PROGRAM " of version %d.%d or newer; name one with --qemu or "
			 "HVNET_QEMU, or let `make setup` fetch one%s%s", QEMU_MAJOR, QEMU_MINOR,
			 *tried ? ". Tried:" : "", tried);
	return found;
}
