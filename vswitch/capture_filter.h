/* SPDX-License-Identifier: MIT */
/*
 * Filters of frames: BPF programs for Ethernet, perhaps from somebody else. They see frames as those of a socket on Linux do: the
 * outer VLAN tag is not in the bytes but beside them, wherever the frame has it, and a program asks for it with Linux' ancillary
 * loads (SKF_AD_VLAN_TAG_PRESENT, SKF_AD_VLAN_TAG). No state but the copy; one thread.
 */
#ifndef HVNET_VSWITCH_CAPTURE_FILTER_H
#define HVNET_VSWITCH_CAPTURE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;
struct bpf_program;

enum { CAPTURE_FILTER_NO_TAG = -1 };

struct capture_filter {
	struct bpf_insn *insns;		/* owned; NULL: every frame passes */
	uint32_t num_insns;
	uint32_t reach;			/* bytes of a frame that have to be in bytes */
	uint8_t *memory;		/* owned: the tag's words, then bytes */
	uint8_t *bytes;			/* inside it; room for so many */
};

/* Of a frame that is max_bytes long at most. -EINVAL: no valid program, or too long, or one that may loop. -ENOMEM. */
int capture_filter_init(struct capture_filter *filter, const struct bpf_program *program, uint32_t max_bytes);
/* Another one of the same program, with memory of its own. -ENOMEM. */
int capture_filter_copy(struct capture_filter *filter, const struct capture_filter *from);
void capture_filter_free(struct capture_filter *filter);
/*
 * A frame of len bytes, of which the first n are in filter->bytes: n is the smaller one of len and reach, or less if no more is
 * known. tci: of a tag that is beside its bytes, or CAPTURE_FILTER_NO_TAG. Changes filter->bytes.
 */
bool capture_filter_passes(struct capture_filter *filter, uint32_t len, uint32_t n, int tci);

#endif
