/* SPDX-License-Identifier: MIT */
/*
 * The guest agent's service: process 1 of a test guest.
 *
 * It talks over the virtio-serial port named "hvnet.agent". Lines end in '\n':
 *
 *   host:   run ID TIME_MS LENGTH	followed by LENGTH bytes: a command for /bin/sh
 *           stop ID			ends a command early: its "done" follows
 *   guest:  hello RELEASE		the kernel's release; first thing after each boot
 *           done ID STATUS LENGTH	followed by LENGTH bytes of output, stdout and stderr
 *
 * Commands run beside each other, each as a process group of its own. STATUS is the exit status,
 * minus the number of the signal that ended it, or -1000 if its time ran out; then it is reported
 * at once, dead or not, because a command that hangs in the kernel outlives even SIGKILL. Output
 * beyond OUTPUT_MAX is dropped. One thread; everything is in one poll().
 */
#include "guest-tests/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX	32
#define OUTPUT_MAX	(1024 * 1024)
#define HEAD_ROOM	96
#define COMMAND_MAX	(64 * 1024)
#define STATUS_TIMEOUT	(-1000)

struct job {
	bool used;
	bool exited;
	unsigned id;
	pid_t pid;		/* also its process group */
	int fd;			/* owned: the reading end of its output */
	int status;
	uint64_t end_us;
	char *output;		/* owned; HEAD_ROOM bytes before it are its answer's first line */
	size_t length;
};

static struct job jobs[JOBS_MAX];
static int port = -1;
static char input[COMMAND_MAX + 128];
static size_t input_length;

/* The host may read slowly: the port blocks, and the guest's commands run on meanwhile. */
static void port_write(const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(port, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = port, .events = POLLOUT }, 1, 100);
			continue;
		}
		if (done <= 0)
			return;	/* the host has gone: nobody is left to tell */
		p += done;
		n -= (size_t)done;
	}
}

static void job_report(struct job *j)
{
	char line[HEAD_ROOM + 1];
	int n = snprintf(line, sizeof(line), "done %u %d %zu\n", j->id, j->status, j->length);

	/* In one piece: a guest that crashes between two would leave half an answer behind. */
	memcpy(j->output - n, line, (size_t)n);
	port_write(j->output - n, (size_t)n + j->length);
	close(j->fd);
	free(j->output - HEAD_ROOM);
	memset(j, 0, sizeof(*j));
}

static void job_read(struct job *j)
{
	static char waste[4096];
	ssize_t n;

	do {
		size_t room = OUTPUT_MAX - j->length;

		n = read(j->fd, room ? j->output + j->length : waste, room ? room : sizeof(waste));
		if (n > 0 && room)
			j->length += (size_t)n;
	} while (n > 0);
}

static void job_child(const char *command, int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void job_start(unsigned id, unsigned time_ms, const char *command)
{
	struct job *j = NULL;
	int fds[2];

	for (size_t i = 0; i < JOBS_MAX && !j; i++)
		if (!jobs[i].used)
			j = &jobs[i];
	if (!j || pipe2(fds, O_CLOEXEC) < 0) {
		char line[64];
		int n = snprintf(line, sizeof(line), "done %u 126 0\n", id);

		port_write(line, (size_t)n);
		return;
	}
	*j = (struct job){ .used = true, .id = id, .fd = fds[0],
			   .end_us = agent_now_us() + time_ms * 1000ull,
			   .output = malloc(HEAD_ROOM + OUTPUT_MAX) };
	if (!j->output)
		abort();
	j->output += HEAD_ROOM;
	fcntl(j->fd, F_SETFL, O_NONBLOCK);
	j->pid = fork();
	if (j->pid == 0)
		job_child(command, fds[1]);
	close(fds[1]);
	if (j->pid < 0) {
		j->status = 126;
		job_report(j);
		return;
	}
	setpgid(j->pid, j->pid);	/* both sides do: whoever comes first */
}

static void job_stop(unsigned id)
{
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (jobs[i].used && jobs[i].id == id)
			kill(-jobs[i].pid, SIGTERM);
}

/* Process 1 inherits every orphan: those are reaped and forgotten. */
static void reap(int sigfd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(sigfd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < JOBS_MAX; i++)
			if (jobs[i].used && jobs[i].pid == pid) {
				jobs[i].exited = true;
				jobs[i].status = WIFEXITED(status) ? WEXITSTATUS(status)
								   : -WTERMSIG(status);
			}
}

static void jobs_finish(void)
{
	uint64_t now = agent_now_us();

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &jobs[i];

		if (!j->used)
			continue;
		if (!j->exited && now < j->end_us)
			continue;
		if (!j->exited) {
			kill(-j->pid, SIGKILL);
			j->status = STATUS_TIMEOUT;
		}
		job_read(j);
		job_report(j);
	}
}

/* Takes one whole request off the input; false if there is none yet. */
static bool request(void)
{
	char *eol = memchr(input, '\n', input_length);
	unsigned id, time_ms, length = 0;
	size_t head;

	if (!eol)
		return false;
	*eol = 0;
	head = (size_t)(eol - input) + 1;
	if (sscanf(input, "run %u %u %u", &id, &time_ms, &length) == 3 && length <= COMMAND_MAX) {
		char *command;

		if (input_length - head < length) {
			*eol = '\n';
			return false;
		}
		command = strndup(input + head, length);
		if (!command)
			abort();
		job_start(id, time_ms, command);
		free(command);
	} else if (sscanf(input, "stop %u", &id) == 1) {
		length = 0;
		job_stop(id);
	} else {
		length = 0;	/* noise: skip the line */
	}
	memmove(input, input + head + length, input_length - head - length);
	input_length -= head + length;
	return true;
}

static void port_read(void)
{
	ssize_t n = read(port, input + input_length, sizeof(input) - input_length);

	if (n > 0)
		input_length += (size_t)n;
	else if (n == 0)
		usleep(100000);	/* no host at the other end at the moment */
	while (request())
		;
	if (input_length == sizeof(input))
		input_length = 0;
}

/* Finds the port by its name: the number in /dev depends on the order of devices. */
static int port_open(void)
{
	const char *dir = "/sys/class/virtio-ports";
	char path[512], name[64];
	struct dirent *e;
	DIR *d = opendir(dir);
	int found = -1;

	while (d && found < 0 && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s/name", dir, e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, "hvnet.agent\n")) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			found = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

static void service_round(int sigfd)
{
	struct pollfd p[2 + JOBS_MAX] = { { .fd = port, .events = POLLIN },
					  { .fd = sigfd, .events = POLLIN } };
	struct job *of[JOBS_MAX];
	nfds_t n = 2;

	for (size_t i = 0; i < JOBS_MAX; i++)
		if (jobs[i].used) {
			of[n - 2] = &jobs[i];
			p[n++] = (struct pollfd){ .fd = jobs[i].fd, .events = POLLIN };
		}
	/* Time limits are coarse: a quarter of a second is enough for them. */
	poll(p, n, n > 2 ? 250 : 5000);
	for (nfds_t i = 2; i < n; i++) {
		if (p[i].revents & POLLIN)
			job_read(of[i - 2]);
		else if (p[i].revents & POLLHUP)
			usleep(1000);	/* it closed its output and has not ended yet */
	}
	if (p[1].revents)
		reap(sigfd);
	if (p[0].revents)
		port_read();
	jobs_finish();
}

int agent_service(void)
{
	struct utsname u;
	sigset_t child;
	char hello[128];
	int sigfd, n;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigfd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	for (int tries = 0; (port = port_open()) < 0; tries++) {
		if (tries == 100)
			fprintf(stderr, "agent: no virtio-serial port named hvnet.agent\n");
		usleep(50000);
	}
	uname(&u);
	n = snprintf(hello, sizeof(hello), "hello %s\n", u.release);
	port_write(hello, (size_t)n);
	for (;;)
		service_round(sigfd);
}
