/* SPDX-License-Identifier: MIT */
#include "vswitch/stream.h"

#include "vswitch/internal.h"

enum stream_status stream_next(const uint8_t *buf, size_t bytes, uint32_t max_bytes, size_t *off,
			       const uint8_t **frame, uint32_t *n)
{
	size_t left = bytes - *off;
	uint32_t length;

	if (left < STREAM_PREFIX_BYTES)
		return STREAM_MORE;
	length = get_be32(buf + *off);
	if (!length || length > max_bytes)
		return STREAM_BROKEN;
	if (left - STREAM_PREFIX_BYTES < length)
		return STREAM_MORE;
	*frame = buf + *off + STREAM_PREFIX_BYTES;
	*n = length;
	*off += STREAM_PREFIX_BYTES + length;
	return STREAM_FRAME;
}
