/* SPDX-License-Identifier: MIT */
/*
 * How many frames pass through the model of the 8254x: soft drivers at native speed on processor 1, the daemon with the model on
 * processor 0. The last columns are the daemon's own: frames per second of its processor time, which others on the machine
 * change little, and what it asked of the kernel.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "bench/host.h"
#include "softguest/e1000_driver.h"

enum {
	NICS = 2,
	BURST = 64,			/* frames for one doorbell */
	RING = 1024,
	DRAIN_MS = 200,
};

static struct end {
	struct soft_e1000 *nic;
	char vm[16];
} end[NICS];

struct run {
	const char *name;
	uint32_t bytes;			/* of a frame, without FCS */
	bool to_nobody;			/* an address that has no port: the switch drops what the model has sent */
	bool both;			/* both send */
};

static void start_nic(unsigned i)
{
	const struct soft_e1000_opts opts = { .ring = RING };
	json_t *adapter;
	int ret;

	snprintf(end[i].vm, sizeof(end[i].vm), "bench%u", i);
	json_decref(bench_call("vm.add", json_pack("{s:s, s:i, s:b}", "name", end[i].vm, "vcpus", 1, "scoped", 1)));
	adapter = bench_call("adapter.add", json_pack("{s:s, s:s, s:s}", "vm", end[i].vm, "switch", "bench", "kind",
						      "emulated"));
	ret = soft_e1000_create(json_string_value(json_object_get(adapter, "socket")), &opts, &end[i].nic);
	json_decref(adapter);
	if (ret)
		bench_die(end[i].vm, strerror(-ret));
}

static void send_burst(const struct run *run, struct end *from, const struct end *to)
{
	static const uint8_t nobody[6] = { 0x02, 0, 0, 0, 0, 0x99 };

	for (unsigned i = 0; i < BURST; i++) {
		uint8_t *at = soft_e1000_tx(from->nic, run->bytes);

		if (!at)
			break;
		memcpy(at, run->to_nobody ? nobody : soft_e1000_mac(to->nic), 6);
		memcpy(at + 6, soft_e1000_mac(from->nic), 6);
		at[12] = 0x88;		/* local experimental EtherType */
		at[13] = 0xb5;
	}
	soft_e1000_flush(from->nic);
}

struct totals {
	uint64_t sent, received, reads, writes;
};

static struct totals totals(void)
{
	struct totals t = { 0 };

	for (unsigned i = 0; i < NICS; i++) {
		struct soft_e1000_stats st;

		soft_e1000_stats(end[i].nic, &st);
		t.sent += st.sent;
		t.received += st.received;
		t.reads += st.reads;
		t.writes += st.writes;
	}
	return t;
}

static void poll_all(void)
{
	for (unsigned i = 0; i < NICS; i++)
		soft_e1000_poll(end[i].nic);
}

static void measure(const struct run *run, double seconds)
{
	const struct totals first = totals();
	const uint64_t begin = hv_now_ns(), until = begin + (uint64_t)(seconds * 1e9);
	struct bench_cost before, after;
	struct totals last;
	double took, million;
	uint64_t lost;

	bench_cost(&before);
	while (hv_now_ns() < until) {
		for (unsigned k = 0; k < 16; k++) {
			send_burst(run, &end[0], &end[1]);
			if (run->both)
				send_burst(run, &end[1], &end[0]);
			poll_all();
		}
	}
	took = (double)(hv_now_ns() - begin) / 1e9;
	bench_cost(&after);
	last = totals();
	million = (double)(run->to_nobody ? last.sent - first.sent : last.received - first.received) / 1e6;
	for (uint64_t drain = hv_now_ns() + DRAIN_MS * 1000000ull; hv_now_ns() < drain;)
		poll_all();
	lost = run->to_nobody ? 0 : last.sent - first.sent - (totals().received - first.received);
	printf("%-34s %8.2f %7.2f %6" PRIu64 " %9.2f %9.0f %9.0f ", run->name, million / took,
	       million * run->bytes * 8e-3 / took, lost, million * 1e9 / (double)(after.cpu_ns - before.cpu_ns),
	       (double)(after.enters - before.enters) / million, (double)(last.writes - first.writes) / million);
	if (after.instructions)
		printf("%9.0f\n", (double)(after.instructions - before.instructions) / million / 1e6);
	else
		printf("%9s\n", "-");
}

int main(int argc, char **argv)
{
	static const struct run runs[] = {
		{ "64 bytes, sent", 60, true, false },
		{ "64 bytes, sent and received", 60, false, false },
		{ "64 bytes, both ways", 60, false, true },
		{ "1518 bytes, sent", 1514, true, false },
		{ "1518 bytes, sent and received", 1514, false, false },
	};
	double seconds = 2;
	int c;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		seconds = c == 's' ? atof(optarg) : 0;
		if (!(seconds > 0 && seconds <= 60)) {
			fprintf(stderr, "usage: e1000_bench [-s SECONDS]   (each run, up to 60; default 2)\n");
			return 2;
		}
	}
	bench_start_host();
	bench_pin(1);
	for (unsigned i = 0; i < NICS; i++)
		start_nic(i);
	printf("%-34s %8s %7s %6s %9s %9s %9s %9s\n", "soft e1000 driver (sizes with FCS);", "M", "", "", "M frames/", "enters",
	       "doorbells", "instruct.");
	printf("%-34s %8s %7s %6s %9s %9s %9s %9s\n", "the daemon's cost on the right", "frames/s", "Gbit/s", "lost", "s of CPU",
	       "per M fr.", "per M fr.", "per frame");
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		measure(&runs[i], seconds);
	for (unsigned i = 0; i < NICS; i++)
		soft_e1000_destroy(end[i].nic);
	return 0;
}
