/* SPDX-License-Identifier: MIT */
/*
 * The switch's side of the ring of a capture (struct vswitch_capture_ring). One thread.
 */
#ifndef HVNET_VSWITCH_CAPTURE_RING_H
#define HVNET_VSWITCH_CAPTURE_RING_H

#include "vswitch/capture.h"

struct capture_writer {
	struct vswitch_capture_ring *ring;	/* borrowed */
	uint32_t bytes;			/* of data, which the reader could change in the ring's own field */
	uint64_t head;			/* ours; the ring's is for the reader */
	uint64_t tail;			/* as last seen; at most head, at least head - bytes */
};

/* Writes one block to to, if it fits into room, and returns its length, else 0. */
typedef size_t (*capture_block)(void *to, size_t room, void *arg);

void capture_writer_init(struct capture_writer *w, struct vswitch_capture_ring *ring);
/* Appends a block and shows it to the reader. False if it does not fit with keep bytes still free after it. */
bool capture_writer_add(struct capture_writer *w, size_t keep, capture_block block, void *arg);

#endif
