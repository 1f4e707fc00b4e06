/* SPDX-License-Identifier: MIT */
/*
 * The framing of QEMU's `-netdev stream`: the length as four bytes, big-endian, then the frame.
 */
#ifndef HVNET_VSWITCH_STREAM_H
#define HVNET_VSWITCH_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum {
	STREAM_PREFIX_BYTES = 4,
};

enum stream_status {
	STREAM_FRAME,			/* there is one */
	STREAM_MORE,			/* the rest is the beginning of one, or nothing */
	STREAM_BROKEN,			/* a length of zero, or beyond max_bytes */
};

/*
 * The frame at buf + *off of the bytes received: *frame and *n, and *off moves past it. With MORE
 * and BROKEN nothing changes.
 */
enum stream_status stream_next(const uint8_t *buf, size_t bytes, uint32_t max_bytes, size_t *off,
			       const uint8_t **frame, uint32_t *n);

#endif
