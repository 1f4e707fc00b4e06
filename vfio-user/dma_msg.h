/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by message: DMA_READ and DMA_WRITE to the client. For ranges without a descriptor.
 *
 * Two layouts are in the field (QEMU 10.1, and the specification's, QEMU 11.1), and sending the
 * wrong one corrupts guest memory. A write of no bytes tells them apart by the length of its reply:
 * it is sent before the first transfer of each client.
 *
 *   waiting ──(layout known, a place in flight)──► in flight ──(all pieces answered)──► done(0)
 *   either ──(error reply, time-out, map gone, client gone)──► done(-errno)
 */
#ifndef HVNET_VFIO_USER_DMA_MSG_H
#define HVNET_VFIO_USER_DMA_MSG_H

#include "vfio-user/conn.h"
#include "vfio-user/dma.h"
#include "vfio-user/vfio_user.h"

enum {
	VFU_DMA_MSG_MAX = 32768,	/* QEMU cuts longer replies, and then reads garbage */
	VFU_DMA_MSG_FLIGHT = 4,		/* messages under way; so replies never fill the socket */
	VFU_DMA_MSG_QUEUE = 256,	/* transfers of one function; our policy */
};
#define VFU_DMA_MSG_TIMEOUT_NS	UINT64_C(5000000000)	/* as long as QEMU would wait for us */

enum vfu_layout {
	VFU_LAYOUT_UNKNOWN,
	VFU_LAYOUT_PROBING,
	VFU_LAYOUT_SPEC,
	VFU_LAYOUT_OLD,
};

struct vfu_transfer {
	TAILQ_ENTRY(vfu_transfer) link;
	uint64_t address;
	uint8_t *buf;			/* the caller's; NULL: timed out, its reply is still owed */
	size_t bytes, done_bytes, piece;
	bool write;
	vfu_dma_done done;
	void *cookie;
	uint16_t id;			/* of the message in flight */
	uint64_t deadline_ns;
};
TAILQ_HEAD(vfu_transfers, vfu_transfer);

struct vfu_dma_msgs {
	struct vfu_dev *dev;		/* borrowed: this is a part of it */
	enum vfu_layout layout;
	uint16_t next_id, probe_id;
	uint64_t probe_deadline_ns;
	struct vfu_transfers waiting, flying;
	unsigned num_waiting, num_flying;
	struct hv_timer timer;
};

void vfu_dma_msgs_init(struct vfu_dma_msgs *q, struct vfu_dev *dev);
/* Takes a transfer. -E2BIG, -EFAULT, -EAGAIN (queue full), -ENOMEM, -ENOTCONN. */
int vfu_dma_msgs_start(struct vfu_dma_msgs *q, uint64_t address, void *buf, size_t n, bool write,
		       vfu_dma_done done, void *cookie) __attribute__((warn_unused_result));
/* A reply came in. */
void vfu_dma_msgs_reply(struct vfu_dma_msgs *q, const struct vfu_message *m);
/* The client is gone: every transfer ends with -ECANCELED, if tell; otherwise silently. */
void vfu_dma_msgs_cancel(struct vfu_dma_msgs *q, bool tell);

#endif
