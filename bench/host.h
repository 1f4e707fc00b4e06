/* SPDX-License-Identifier: MIT */
/*
 * The daemon of a benchmark: an hvnetd of its own with one private switch, "bench", on processor 0, in a folder that goes with it.
 * What fails ends the program with a sentence. One thread.
 */
#ifndef HVNET_BENCH_HOST_H
#define HVNET_BENCH_HOST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

void bench_start_host(void);
/* Where the daemon puts a virtual machine's or an adapter's socket. */
const char *bench_runtime_dir(void);
/* A method's result; owned by the caller. */
json_t *bench_call(const char *method, json_t *params);
void bench_die(const char *what, const char *why) __attribute__((noreturn));
/* Binds this thread to a processor, modulo those that there are. */
void bench_pin(int cpu);

struct bench_cost {			/* of the daemon, since its start */
	uint64_t cpu_ns;
	uint64_t sleeps, enters;	/* of its event loop */
	uint64_t instructions;		/* in user mode; 0 where the machine counts none */
};
void bench_cost(struct bench_cost *out);

#endif
