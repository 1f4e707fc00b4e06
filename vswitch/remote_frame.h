/* SPDX-License-Identifier: MIT */
/*
 * Frames as records, and the memory as two rings: what the switch and a program outside do in the same way.
 */
#ifndef HVNET_VSWITCH_REMOTE_FRAME_H
#define HVNET_VSWITCH_REMOTE_FRAME_H

#include "vswitch/remote_ring.h"

/* Both rings from their start. */
void remote_rings(struct remote_memory *memory, struct remote_ring *to_program, struct remote_ring *to_host);

/* Bytes of the record that a frame makes. */
uint32_t remote_frame_bytes(const struct vswitch_frame *f);
/* Builds it at to, which has that room. Of about only token, port, egress and the record's type count. */
void remote_frame_put(uint8_t *to, const struct remote_frame *about, const struct vswitch_frame *f);
/*
 * The frame of a record: m is a copy of its header, whose len has been checked; its head is copied, the rest stays where it is, as *rest.
 */
void remote_frame_get(const struct remote_frame *m, const uint8_t *bytes, struct vswitch_frame *f, struct iovec *rest);

#endif
