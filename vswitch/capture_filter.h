/* SPDX-License-Identifier: MIT */
/* The filter of a capture: a BPF program for Ethernet, from somebody else. No state but the copy; one thread. */
#ifndef HVNET_VSWITCH_CAPTURE_FILTER_H
#define HVNET_VSWITCH_CAPTURE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_insn;
struct bpf_program;

struct capture_filter {
	struct bpf_insn *insns;		/* owned; NULL: every frame passes */
	uint32_t reach;			/* bytes of a frame that the program may look at */
	uint8_t *bytes;			/* owned; room for so many */
};

/* Of a frame that is max_bytes long at most. -EINVAL: no valid program, or too long, or one that may loop. -ENOMEM. */
int capture_filter_init(struct capture_filter *filter, const struct bpf_program *program, uint32_t max_bytes);
void capture_filter_free(struct capture_filter *filter);
/* A frame of len bytes, of which the first n are in filter->bytes: n is the smaller one of len and reach. */
bool capture_filter_passes(const struct capture_filter *filter, uint32_t len, uint32_t n);

#endif
