/* SPDX-License-Identifier: MIT */
/*
 * From the user's QEMU arguments to those with hvnet's devices: guest memory that can be shared, and vfio-user devices: the VM's
 * bridge, emulated adapters. Pure: no files, no processes.
 */
#ifndef HVNET_QEMU_ARGS_H
#define HVNET_QEMU_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ARGS_MAX_VCPUS = 240,		/* the bridge's limit */
};

/* What the user's arguments say, as far as it matters here. */
struct guest {
	uint64_t memory_bytes;		/* -m; QEMU's default without */
	unsigned vcpus;			/* -smp, those that can be plugged later included */
	char name[64];			/* -name, as hvnetd takes it; empty if there is none */
	bool own_memory;		/* a memory backend that can be shared is named already */
	bool own_smp;			/* processors' places or their maximum are spelled out in -smp */
	bool kvm;			/* -enable-kvm, -accel kvm, or the machine's accel= */
	bool own_network;		/* -nic, -net, -netdev or -nodefaults: QEMU adds no adapter by itself */
};

/* False with a sentence in error: what stands in the way and what to do. */
bool args_read(char *const *args, int n, struct guest *out, char *error, size_t error_bytes);

/* hvnetd's functions for a guest, each on a socket. */
struct devices {
	const char *bridge;		/* for all synthetic adapters; NULL: there are none */
	const char *const *emulated;	/* one each, in the order in which the guest finds them */
	unsigned num_emulated;
};

/* The whole command line for execv(3), to be freed with args_free(); NULL without memory. */
char **args_build(const char *qemu, char *const *args, int n, const struct guest *guest,
		  const struct devices *devices);
void args_free(char **argv);

/* An argument as a POSIX shell wants it. To be freed; NULL without memory. */
char *args_quote(const char *arg);

#endif
