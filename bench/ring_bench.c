/* SPDX-License-Identifier: MIT */
/*
 * How fast messages pass a VMBus ring between two threads, against a bare ring that copies the same bytes with
 * no descriptors, checks, barriers or signalling: the distance between the two is what the protocol costs. Quote the
 * ratios: they are of one run on one machine.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/loop.h"
#include "vmbus/ring.h"

enum {
	PAGE = 4096,
	RING_PAGES = 1 + 256,
	DRAIN = 64,		/* messages that a consumer takes before it gives their space back */
	IDLE_PAUSES = 32,	/* of a consumer that found nothing: looking costs the producer its cache line */
	LARGEST = 16384,
};

/* What one run is: messages of payload_bytes, published batch at a time. */
struct run {
	const char *name;
	uint32_t payload_bytes;
	unsigned batch;
	bool bare;
};

struct lane {
	const struct run *run;
	struct vmbus_ring_out out;
	struct vmbus_ring_in in;
	uint8_t *bare;				/* the bare ring's bytes */
	_Alignas(64) atomic_uint_fast64_t put;	/* bytes written into the bare ring */
	_Alignas(64) atomic_uint_fast64_t got;
	_Alignas(64) atomic_bool stop;
	uint64_t messages;			/* the consumer's count */
	uint64_t doorbells, signals;		/* the producer's and the consumer's: a polled ring has none */
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *produce(void *arg)
{
	struct lane *l = arg;
	const struct run *run = l->run;
	uint8_t *payload = calloc(1, run->payload_bytes);
	uint64_t published = 0;

	pin(1);
	while (payload && !atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		unsigned n = 0;

		while (n < run->batch && !vmbus_ring_write(&l->out, VMBUS_PKT_DATA_INBAND, false, 0, payload,
							   run->payload_bytes))
			n++;
		if (n)
			published += vmbus_ring_publish(&l->out);
		else
			__builtin_ia32_pause();
	}
	l->doorbells = published;
	free(payload);
	return NULL;
}

static void idle(void)
{
	for (unsigned i = 0; i < IDLE_PAUSES; i++)
		__builtin_ia32_pause();
}

static void consume(struct lane *l, uint64_t until_ns)
{
	static uint8_t buf[LARGEST];
	uint64_t messages = 0;

	vmbus_ring_mask(&l->in);
	while (hv_now_ns() < until_ns) {
		for (unsigned round = 0; round < 256; round++) {
			struct vmbus_packet pkt;
			unsigned n = 0;

			while (n < DRAIN && vmbus_ring_next(&l->in, buf, sizeof(buf), &pkt) == 1)
				n++;
			if (!n)
				idle();
			else if (vmbus_ring_release(&l->in))
				l->signals++;
			messages += n;
		}
	}
	l->messages = messages;
}

/* The bare ring: fixed slots, two counters. */
static void *produce_bare(void *arg)
{
	struct lane *l = arg;
	const uint32_t n = l->run->payload_bytes, slots = (RING_PAGES - 1) * PAGE / n;
	uint8_t *payload = calloc(1, n);
	uint64_t put = 0;

	pin(1);
	while (payload && !atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		uint64_t got = atomic_load_explicit(&l->got, memory_order_acquire);
		unsigned i;

		for (i = 0; i < l->run->batch && put - got < slots; i++, put++)
			memcpy(l->bare + put % slots * n, payload, n);
		if (i)
			atomic_store_explicit(&l->put, put, memory_order_release);
		else
			__builtin_ia32_pause();
	}
	free(payload);
	return NULL;
}

static void consume_bare(struct lane *l, uint64_t until_ns)
{
	const uint32_t n = l->run->payload_bytes, slots = (RING_PAGES - 1) * PAGE / n;
	static uint8_t buf[LARGEST];
	uint64_t got = 0;

	while (hv_now_ns() < until_ns) {
		for (unsigned round = 0; round < 256; round++) {
			uint64_t put = atomic_load_explicit(&l->put, memory_order_acquire);
			unsigned i;

			for (i = 0; i < DRAIN && got < put; i++, got++) {
				memcpy(buf, l->bare + got % slots * n, n);
				__asm__ volatile("" ::"r"(buf) : "memory");	/* the copy counts */
			}
			if (i)
				atomic_store_explicit(&l->got, got, memory_order_release);
			else
				idle();
		}
	}
	l->messages = got;
}

/* A ring's pages, data area mapped twice. */
static void *map_ring(void)
{
	const size_t data = (size_t)(RING_PAGES - 1) * PAGE, whole = PAGE + data;
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, whole + data, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, (off_t)whole) ||
	    mmap(p, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED ||
	    mmap(p + whole, data, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, PAGE) == MAP_FAILED) {
		perror("ring_bench: ring memory");
		exit(1);
	}
	close(fd);
	return p;
}

static double measure(const struct run *run, double seconds)
{
	static struct lane l;
	void *base = map_ring();
	pthread_t producer;

	memset(&l, 0, sizeof(l));
	l.run = run;
	l.bare = (uint8_t *)base + PAGE;
	if (vmbus_ring_out_init(&l.out, base, RING_PAGES) || vmbus_ring_in_init(&l.in, base, RING_PAGES))
		abort();
	pin(0);
	if (pthread_create(&producer, NULL, run->bare ? produce_bare : produce, &l))
		abort();

	uint64_t begin = hv_now_ns(), until = begin + (uint64_t)(seconds * 1e9);

	(run->bare ? consume_bare : consume)(&l, until);
	double took = (double)(hv_now_ns() - begin) / 1e9;

	atomic_store(&l.stop, true);
	pthread_join(producer, NULL);
	munmap(base, PAGE + 2 * (size_t)(RING_PAGES - 1) * PAGE);
	return (double)l.messages / took;
}

int main(int argc, char **argv)
{
	static const struct run runs[] = {
		{ "64 bytes, one by one", 64, 1, false },
		{ "64 bytes, one by one, bare", 64, 1, true },
		{ "64 bytes, batches of 32", 64, 32, false },
		{ "64 bytes, batches of 32, bare", 64, 32, true },
		{ "16 KiB, one by one", 16384, 1, false },
		{ "16 KiB, one by one, bare", 16384, 1, true },
	};
	double seconds = 2, rate[sizeof(runs) / sizeof(runs[0])];
	int c;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		seconds = c == 's' ? atof(optarg) : 0;
		if (!(seconds > 0 && seconds <= 60)) {
			fprintf(stderr, "usage: ring_bench [-s SECONDS]   (each run, up to 60; default 2)\n");
			return 2;
		}
	}
	printf("%-32s %12s %10s %12s\n", "ring, two threads", "M messages/s", "GB/s", "of the bare");
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		rate[i] = measure(&runs[i], seconds);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		printf("%-32s %12.1f %10.1f %11.0f%%\n", runs[i].name, rate[i] / 1e6, rate[i] * runs[i].payload_bytes / 1e9,
		       100 * rate[i] / rate[i | 1]);
	return 0;
}
