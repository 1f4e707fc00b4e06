/* SPDX-License-Identifier: MIT */
#include "vswitch/capture_filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/capture.h"

/* libpcap's own check lets jumps wrap backwards, as its "protochain" needs: such a program might never end. */
static bool goes_forward(const struct bpf_insn *insns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (insns[i].code == (BPF_JMP | BPF_JA) && insns[i].k >= n)
			return false;
	return true;
}

static uint32_t load_bytes(const struct bpf_insn *insn)
{
	return BPF_SIZE(insn->code) == BPF_W ? 4 : BPF_SIZE(insn->code) == BPF_H ? 2 : 1;
}

/* The largest value of the index register that a load can see; UINT32_MAX: not known. */
static uint64_t largest_index(const struct bpf_insn *insns, unsigned n)
{
	uint64_t largest = 0;

	for (const struct bpf_insn *i = insns; i < insns + n; i++) {
		uint64_t x = 0;

		if (i->code == (BPF_LDX | BPF_MSH | BPF_B))
			x = 60;		/* four times a nibble: the length of an IPv4 header */
		else if (i->code == (BPF_LDX | BPF_IMM))
			x = i->k;
		else if (BPF_CLASS(i->code) == BPF_LDX || i->code == (BPF_MISC | BPF_TAX))
			x = UINT32_MAX;
		largest = x > largest ? x : largest;
	}
	return largest;
}

/* How far into a frame the program may look, so that no more of it than this has to be copied for it. */
static uint32_t reach_of(const struct bpf_insn *insns, unsigned n, uint32_t max_bytes)
{
	uint64_t index = largest_index(insns, n), reach = 1, end;

	for (const struct bpf_insn *i = insns; i < insns + n; i++) {
		if (i->code == (BPF_LDX | BPF_MSH | BPF_B))
			end = (uint64_t)i->k + 1;
		else if (BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_ABS)
			end = (uint64_t)i->k + load_bytes(i);
		else if (BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_IND)
			end = index + i->k + load_bytes(i);
		else
			continue;
		reach = end > reach ? end : reach;
	}
	return reach < max_bytes ? (uint32_t)reach : max_bytes;
}

int capture_filter_init(struct capture_filter *filter, const struct bpf_program *program, uint32_t max_bytes)
{
	*filter = (struct capture_filter){ 0 };
	if (!program)
		return 0;
	if (!program->bf_len || program->bf_len > VSWITCH_CAPTURE_FILTER_MAX ||
	    !bpf_validate(program->bf_insns, (int)program->bf_len) || !goes_forward(program->bf_insns, program->bf_len))
		return -EINVAL;
	filter->reach = reach_of(program->bf_insns, program->bf_len, max_bytes);
	filter->bytes = malloc(filter->reach);
	filter->insns = calloc(program->bf_len, sizeof(*filter->insns));
	if (!filter->bytes || !filter->insns) {
		capture_filter_free(filter);
		return -ENOMEM;
	}
	memcpy(filter->insns, program->bf_insns, program->bf_len * sizeof(*filter->insns));
	return 0;
}

void capture_filter_free(struct capture_filter *filter)
{
	free(filter->insns);
	free(filter->bytes);
	*filter = (struct capture_filter){ 0 };
}

bool capture_filter_passes(const struct capture_filter *filter, uint32_t len, uint32_t n)
{
	return bpf_filter(filter->insns, filter->bytes, len, n) != 0;
}
