/* SPDX-License-Identifier: MIT */
/*
 * How many frames pass from a soft guest through the real daemon to another: guest's ring, netvsp, switch, netvsp, guest's ring, with
 * the daemon on one processor and both guests, driven by one thread, on the other. Beside the rate it prints what the
 * daemon asked of the kernel meanwhile, per million frames: the data path's claim is that it asks for nothing.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "bench/host.h"
#include "netvsp/rndis_wire.h"
#include "softguest/softguest.h"

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
	json_decref(bench_call("vm.add", json_pack("{s:s, s:i, s:b}", "name", name, "vcpus", 1, "scoped", 1)));
	json_decref(bench_call("adapter.add", json_pack("{s:s, s:s, s:s}", "vm", name, "switch", "bench", "kind", "synthetic")));
	snprintf(path, sizeof(path), "%s/vm-%s", bench_runtime_dir(), name);
	ret = softguest_create(path, NULL, &end[i].guest);
	if (!ret)
		ret = softguest_wait_nics(end[i].guest, 1);
	if (ret)
		bench_die(name, strerror(-ret));
	end[i].nic = softguest_nic(end[i].guest, 0);
	ret = softguest_nic_open(end[i].nic, &opts);
	if (!ret)
		ret = softguest_nic_set_filter(end[i].nic, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST);
	if (ret)
		bench_die(name, strerror(-ret));
}

/* ---- runs ---- */

struct run {
	const char *name;
	uint32_t bytes;			/* of a frame, without FCS */
	unsigned batch;			/* frames in a packet, 0: as many as the host takes */
	bool both;			/* both guests send */
};

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
	struct bench_cost before, after;
	uint64_t sent = 0, begin, until;

	for (unsigned i = 0; i < 2; i++) {
		softguest_set_batch(end[i].nic, run->batch);
		end[i].received = end[i].received_bytes = 0;
	}
	bench_cost(&before);
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

	bench_cost(&after);
	/* what is still on its way */
	for (uint64_t drain = hv_now_ns() + 200000000; hv_now_ns() < drain;)
		for (unsigned i = 0; i < 2; i++)
			softguest_poll(end[i].guest);
	uint64_t lost = sent - (end[0].received + end[1].received);
	double million = (double)received / 1e6;

	printf("%-34s %8.2f %7.2f %6llu %9.1f %9.1f ", run->name, million / took, (double)bytes * 8 / took / 1e9,
	       (unsigned long long)lost, (double)(after.enters - before.enters) / million,
	       (double)(after.sleeps - before.sleeps) / million);
	if (after.instructions)
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
	bench_start_host();
	for (unsigned i = 0; i < 2; i++)
		start_guest(i);
	bench_pin(1);
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
