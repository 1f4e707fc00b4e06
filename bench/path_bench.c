/* SPDX-License-Identifier: MIT */
/*
 * How many frames pass from a soft guest through the real daemon to another: guest's ring, netvsp, switch, netvsp, guest's ring, with
 * the daemon on one processor and both guests, driven by one thread, on the other. Beside the rate it prints what the
 * daemon asked of the kernel meanwhile, per million frames: the data path's claim is that it asks for nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
#include "netvsp/rndis_wire.h"
#include "softguest/softguest.h"

#define START_NS 10000000000ull		/* our policy: patience with the daemon's start */

static struct {
	char dir[64], socket[PATH_MAX];
	pid_t pid;
	struct hvnet_client *client;
} host;

static void stop_host(void)
{
	char vm[128];

	hvnet_disconnect(host.client);
	host.client = NULL;
	if (host.pid > 0) {
		kill(host.pid, SIGTERM);
		waitpid(host.pid, NULL, 0);
	}
	host.pid = 0;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(vm, sizeof(vm), "%s/vm-bench%u", host.dir, i);
		unlink(vm);
	}
	if (host.dir[0])
		rmdir(host.dir);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "path_bench: %s: %s\n", what, why);
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* The daemon lies beside this program. */
static void start_host(void)
{
	const char *tmp = getenv("TMPDIR");
	char program[PATH_MAX + 16];
	struct hvnet_error err;
	ssize_t n = readlink("/proc/self/exe", program, PATH_MAX);

	if (n <= 0)
		die("own path", strerror(errno));
	program[n] = '\0';
	strcpy(strrchr(program, '/') + 1, "hvnetd");
	snprintf(host.dir, sizeof(host.dir), "%.40s/hvnet-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(host.dir))
		die(host.dir, strerror(errno));
	snprintf(host.socket, sizeof(host.socket), "%s/control", host.dir);
	atexit(stop_host);
	host.pid = fork();
	if (!host.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		execl(program, program, "--runtime-dir", host.dir, "--socket", host.socket, "--no-default-switch", "--switch",
		      "bench=private", "--log-level", "warning", (char *)NULL);
		_exit(127);
	}
	for (uint64_t until = hv_now_ns() + START_NS;;) {
		if (!hvnet_connect(host.socket, &host.client, &err))
			return;
		if (waitpid(host.pid, NULL, WNOHANG) || hv_now_ns() > until)
			die("hvnetd does not start", err.message);
		usleep(10000);
	}
}

static json_t *call(const char *method, json_t *params)
{
	struct hvnet_error err;
	json_t *r = hvnet_call(host.client, method, params, &err);

	if (!r)
		die(method, err.message);
	return r;
}

/* ---- the daemon's instructions ---- */

static int instructions_fd = -1;

/* Many virtual machines count none; then the column stays empty. */
static void count_instructions(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = PERF_COUNT_HW_INSTRUCTIONS,
		.inherit = 1, .exclude_kernel = 1, .exclude_hv = 1,
	};

	instructions_fd = (int)syscall(SYS_perf_event_open, &attr, host.pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t instructions(void)
{
	uint64_t n;

	return instructions_fd >= 0 && read(instructions_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* ---- guests ---- */

struct end {
	struct softguest *guest;
	struct softguest_nic *nic;
	uint64_t received, received_bytes;
};

static struct end end[2];

static void on_frame(void *opaque, struct softguest_nic *nic, const struct netvsc_frame *frame)
{
	struct end *e = opaque;

	(void)nic;
	e->received++;
	e->received_bytes += frame->bytes;
}

static void start_guest(unsigned i)
{
	const struct softguest_nic_opts opts = { .rx = on_frame, .opaque = &end[i], .receive_bytes = 8 << 20 };
	char name[16], path[PATH_MAX];
	int ret;

	snprintf(name, sizeof(name), "bench%u", i);
	json_decref(call("vm.add", json_pack("{s:s, s:i, s:b}", "name", name, "vcpus", 1, "scoped", 1)));
	json_decref(call("adapter.add", json_pack("{s:s, s:s, s:s}", "vm", name, "switch", "bench", "kind", "synthetic")));
	snprintf(path, sizeof(path), "%s/vm-%s", host.dir, name);
	ret = softguest_create(path, NULL, &end[i].guest);
	if (!ret)
		ret = softguest_wait_nics(end[i].guest, 1);
	if (ret)
		die(name, strerror(-ret));
	end[i].nic = softguest_nic(end[i].guest, 0);
	ret = softguest_nic_open(end[i].nic, &opts);
	if (!ret)
		ret = softguest_nic_set_filter(end[i].nic, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST);
	if (ret)
		die(name, strerror(-ret));
}

/* ---- runs ---- */

struct run {
	const char *name;
	uint32_t bytes;			/* of a frame, without FCS */
	unsigned batch;			/* frames in a packet, 0: as many as the host takes */
	bool both;			/* both guests send */
};

struct counts {
	uint64_t sleeps, enters, instructions;
};

static struct counts daemon_counts(void)
{
	json_t *stats = call("stats", NULL), *worker = json_array_get(json_object_get(stats, "workers"), 0);
	struct counts c = {
		.sleeps = (uint64_t)json_integer_value(json_object_get(worker, "sleeps")),
		.enters = (uint64_t)json_integer_value(json_object_get(worker, "enters")),
		.instructions = instructions(),
	};

	if (!worker)
		die("stats", "there is no worker in the reply");
	json_decref(stats);
	return c;
}

static unsigned send_some(struct end *from, const struct end *to, const struct run *run)
{
	unsigned n = 0;

	for (; n < 64; n++) {
		uint8_t *frame = softguest_tx(from->nic, NULL, run->bytes);

		if (!frame)
			break;
		memcpy(frame, softguest_nic_mac(to->nic), 6);
		memcpy(frame + 6, softguest_nic_mac(from->nic), 6);
		frame[12] = 0x88;	/* local experimental EtherType */
		frame[13] = 0xb5;
	}
	softguest_flush(from->nic);
	return n;
}

static void measure(const struct run *run, double seconds)
{
	struct counts before, after;
	uint64_t sent = 0, begin, until;

	for (unsigned i = 0; i < 2; i++) {
		softguest_set_batch(end[i].nic, run->batch);
		end[i].received = end[i].received_bytes = 0;
	}
	before = daemon_counts();
	begin = hv_now_ns();
	until = begin + (uint64_t)(seconds * 1e9);
	while (hv_now_ns() < until) {
		for (unsigned k = 0; k < 32; k++) {
			sent += send_some(&end[0], &end[1], run);
			softguest_poll(end[1].guest);
			if (run->both)
				sent += send_some(&end[1], &end[0], run);
			softguest_poll(end[0].guest);
		}
	}
	double took = (double)(hv_now_ns() - begin) / 1e9;
	uint64_t received = end[0].received + end[1].received, bytes = end[0].received_bytes + end[1].received_bytes;

	after = daemon_counts();
	/* what is still on its way */
	for (uint64_t drain = hv_now_ns() + 200000000; hv_now_ns() < drain;)
		for (unsigned i = 0; i < 2; i++)
			softguest_poll(end[i].guest);
	uint64_t lost = sent - (end[0].received + end[1].received);
	double million = (double)received / 1e6;

	printf("%-34s %8.2f %7.2f %6llu %9.1f %9.1f ", run->name, million / took, (double)bytes * 8 / took / 1e9,
	       (unsigned long long)lost, (double)(after.enters - before.enters) / million,
	       (double)(after.sleeps - before.sleeps) / million);
	if (instructions_fd >= 0)
		printf("%9.0f\n", (double)(after.instructions - before.instructions) / (double)received);
	else
		printf("%9s\n", "-");
}

int main(int argc, char **argv)
{
	static const struct run runs[] = {
		{ "64 bytes, batches of 8", 64, 0, false },
		{ "64 bytes, one by one", 64, 1, false },
		{ "64 bytes, batches of 8, both ways", 64, 0, true },
		{ "512 bytes, batches", 512, 0, false },
		{ "1514 bytes, batches", 1514, 0, false },
		{ "1514 bytes, both ways", 1514, 0, true },
	};
	double seconds = 2;
	int c;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		seconds = c == 's' ? atof(optarg) : 0;
		if (!(seconds > 0 && seconds <= 60)) {
			fprintf(stderr, "usage: path_bench [-s SECONDS]   (each run, up to 60; default 2)\n");
			return 2;
		}
	}
	start_host();
	for (unsigned i = 0; i < 2; i++)
		start_guest(i);
	pin(1);
	count_instructions();
	printf("%-34s %8s %7s %6s %9s %9s %9s\n", "soft guest to soft guest;", "M", "", "", "syscalls", "sleeps",
	       "instruct.");
	printf("%-34s %8s %7s %6s %9s %9s %9s\n", "the daemon's cost on the right", "frames/s", "Gbit/s", "lost",
	       "per M fr.", "per M fr.", "per frame");
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		measure(&runs[i], seconds);
	for (unsigned i = 0; i < 2; i++)
		softguest_destroy(end[i].guest);
	return 0;
}
