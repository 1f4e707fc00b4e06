/* SPDX-License-Identifier: MIT */
#include "bench/host.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "hvnetctl/hvnetctl.h"

#define START_NS 10000000000ull		/* our policy: patience with the daemon's start */

static struct {
	char dir[64], socket[PATH_MAX];
	pid_t pid;
	int instructions_fd;
	struct hvnet_client *client;
} host = { .instructions_fd = -1 };

/* The daemon takes its sockets along when it is told to go. */
static void stop_host(void)
{
	hvnet_disconnect(host.client);
	host.client = NULL;
	if (host.pid > 0) {
		kill(host.pid, SIGTERM);
		waitpid(host.pid, NULL, 0);
	}
	host.pid = 0;
	if (host.dir[0])
		rmdir(host.dir);
}

void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	exit(1);
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Many virtual machines count none. */
static void count_instructions(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = PERF_COUNT_HW_INSTRUCTIONS,
		.inherit = 1, .exclude_kernel = 1, .exclude_hv = 1,
	};

	host.instructions_fd = (int)syscall(SYS_perf_event_open, &attr, host.pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void wait_ready(void)
{
	struct hvnet_error err;

	for (uint64_t until = hv_now_ns() + START_NS; hvnet_connect(host.socket, &host.client, &err);) {
		if (waitpid(host.pid, NULL, WNOHANG) || hv_now_ns() > until)
			bench_die("hvnetd does not start", err.message);
		usleep(10000);
	}
}

/* The daemon lies beside this program. */
void bench_start_host(void)
{
	const char *tmp = getenv("TMPDIR");
	char program[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", program, PATH_MAX);

	if (n <= 0)
		bench_die("own path", strerror(errno));
	program[n] = '\0';
	strcpy(strrchr(program, '/') + 1, "hvnetd");
	snprintf(host.dir, sizeof(host.dir), "%.40s/hvnet-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(host.dir))
		bench_die(host.dir, strerror(errno));
	snprintf(host.socket, sizeof(host.socket), "%s/control", host.dir);
	atexit(stop_host);
	host.pid = fork();
	if (!host.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_pin(0);
		execl(program, program, "--runtime-dir", host.dir, "--socket", host.socket, "--no-default-switch", "--switch",
		      "bench=private", "--log-level", "warning", (char *)NULL);
		_exit(127);
	}
	wait_ready();
	count_instructions();
}

const char *bench_runtime_dir(void)
{
	return host.dir;
}

json_t *bench_call(const char *method, json_t *params)
{
	struct hvnet_error err;
	json_t *r = hvnet_call(host.client, method, params, &err);

	if (!r)
		bench_die(method, err.message);
	return r;
}

/* The scheduler's account of the daemon's one thread. */
static uint64_t cpu_ns(void)
{
	char path[64];
	uint64_t ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)host.pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%" SCNu64, &ns) != 1)
		bench_die(path, "cannot be read");
	fclose(f);
	return ns;
}

static uint64_t instructions(void)
{
	uint64_t n;

	return host.instructions_fd >= 0 && read(host.instructions_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

void bench_cost(struct bench_cost *out)
{
	json_t *stats = bench_call("stats.get", NULL), *worker = json_object_get(stats, "worker");

	if (!worker)
		bench_die("stats", "there is no worker in the reply");
	*out = (struct bench_cost){
		.cpu_ns = cpu_ns(),
		.sleeps = (uint64_t)json_integer_value(json_object_get(worker, "sleeps")),
		.enters = (uint64_t)json_integer_value(json_object_get(worker, "enters")),
		.instructions = instructions(),
	};
	json_decref(stats);
}
