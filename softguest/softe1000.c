/* SPDX-License-Identifier: MIT */
/*
 * The soft e1000 driver as a program: attaches to an emulated adapter's socket, and sends or counts frames as fast as they go, with
 * the numbers at the end. For benchmarks of the device.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "softguest/e1000_driver.h"

enum { BURST = 32, TYPE = 0x88b5, SMALLEST = 60, IDLE_POLLS = 2000 };

struct options {
	const char *socket;
	bool sink, wait;
	uint32_t bytes, seconds, ring, burst;
	uint8_t to[6];
};

static void usage(void)
{
	puts("usage: softe1000 --socket PATH [--mode send|sink] [options]\n"
	     "  --size N      bytes of a frame without FCS (default 60)     --seconds S  how long (default 5)\n"
	     "  --to MAC      destination (default: broadcast)              --ring N     descriptors (default 256)\n"
	     "  --burst N     frames for one doorbell (default 32)          --wait       sleep on the interrupt when idle");
}

static bool number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (uint32_t)v;
	return end != text && !*end && v >= low && v <= high;
}

static bool take(struct options *o, int c, const char *arg)
{
	uint8_t *t = o->to;

	switch (c) {
	case 's':
		o->socket = arg;
		return true;
	case 'm':
		o->sink = !strcmp(arg, "sink");
		return o->sink || !strcmp(arg, "send");
	case 'z':
		return number(arg, SMALLEST, 1514, &o->bytes);
	case 't':
		return number(arg, 1, 3600, &o->seconds);
	case 'r':
		return number(arg, 8, 4096, &o->ring);
	case 'b':
		return number(arg, 1, 4096, &o->burst);
	case 'w':
		return o->wait = true;
	case 'd':
		return sscanf(arg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5]) == 6;
	default:
		return false;
	}
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "socket", 1, NULL, 's' }, { "mode", 1, NULL, 'm' }, { "size", 1, NULL, 'z' }, { "seconds", 1, NULL, 't' },
		{ "ring", 1, NULL, 'r' }, { "burst", 1, NULL, 'b' }, { "to", 1, NULL, 'd' }, { "wait", 0, NULL, 'w' }, { 0 },
	};
	int c;

	*o = (struct options){ .bytes = SMALLEST, .seconds = 5, .ring = 256, .burst = BURST };
	memset(o->to, 0xff, 6);
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!take(o, c, optarg))
			return false;
	return o->socket && optind == argc;
}

static void send_burst(const struct options *o, struct soft_e1000 *n)
{
	for (uint32_t i = 0; i < o->burst; i++) {
		uint8_t *at = soft_e1000_tx(n, o->bytes);

		if (!at)
			break;
		memcpy(at, o->to, 6);
		memcpy(at + 6, soft_e1000_mac(n), 6);
		at[12] = TYPE >> 8;
		at[13] = TYPE & 0xff;
	}
	soft_e1000_flush(n);
}

static void run(const struct options *o, struct soft_e1000 *n)
{
	const uint64_t end = hv_now_ns() + o->seconds * 1000000000ull;
	unsigned idle = 0;

	for (unsigned round = 0; round % 16 || hv_now_ns() < end; round++) {
		if (!o->sink)
			send_burst(o, n);
		idle = soft_e1000_poll(n) ? 0 : idle + 1;
		if (o->sink && o->wait && idle > IDLE_POLLS) {
			soft_e1000_wait(n, 100);
			idle = 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct soft_e1000_opts opts = { 0 };
	struct soft_e1000_stats st;
	struct soft_e1000 *n;
	struct options o;
	uint64_t begin;
	double seconds;
	int ret;

	if (!parse(argc, argv, &o)) {
		usage();
		return 2;
	}
	opts.ring = o.ring;
	ret = soft_e1000_create(o.socket, &opts, &n);
	if (ret) {
		fprintf(stderr, "softe1000: %s: %s\n", o.socket, strerror(-ret));
		return 1;
	}
	begin = hv_now_ns();
	run(&o, n);
	seconds = (double)(hv_now_ns() - begin) / 1e9;
	soft_e1000_stats(n, &st);
	printf("sent %" PRIu64 " (%.0f/s), received %" PRIu64 " (%.0f/s, %.1f Mbit/s), doorbells %" PRIu64 "\n", st.sent,
	       (double)st.sent / seconds, st.received, (double)st.received / seconds,
	       (double)st.received_bytes * 8 / seconds / 1e6, st.doorbells);
	soft_e1000_destroy(n);
	return 0;
}
