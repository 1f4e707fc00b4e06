/* SPDX-License-Identifier: MIT */
/*
 * The VERSION message: a pure parser of what the client offers, and our answer to it.
 */
#ifndef HVNET_VFIO_USER_VERSION_H
#define HVNET_VFIO_USER_VERSION_H

#include <stddef.h>
#include <stdint.h>

#include "vfio-user/stats.h"

struct vfu_offer {
	uint16_t major, minor;
	unsigned max_msg_fds;		/* most descriptors that the client takes in a message */
	uint64_t max_data_xfer_size;	/* most bytes in a DMA message to it */
};

enum { VFU_VERSION_REPLY_MAX = 128 };	/* QEMU's receive buffer holds 198 bytes of payload */

/*
 * Reads a VERSION payload. 0, or -EINVAL with *why set to the counter that names the reason; *out
 * untouched then.
 */
int vfu_version_parse(const uint8_t *payload, size_t n, struct vfu_offer *out,
		      enum vfu_counter *why) __attribute__((warn_unused_result));

/* Writes our answer, what we can take in one message, JSON and NUL included; returns its length. */
size_t vfu_version_reply(uint8_t out[VFU_VERSION_REPLY_MAX]);

#endif
