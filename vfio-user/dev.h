/* SPDX-License-Identifier: MIT */
/*
 * The function: what the library's files share, never seen outside.
 *
 * LISTENING ──VERSION agreed──► ATTACHED ──connection ends──► (reset, maps gone) ──► LISTENING
 *
 * Connections that have not agreed on a version exist beside the client; the first to agree becomes
 * it, later ones are told EBUSY. `client` is the whole state.
 */
#ifndef HVNET_VFIO_USER_DEV_H
#define HVNET_VFIO_USER_DEV_H

#include "vfio-user/config.h"
#include "vfio-user/conn.h"
#include "vfio-user/dma.h"
#include "vfio-user/dma_msg.h"
#include "vfio-user/irq.h"
#include "vfio-user/vfio_user.h"

enum {
	VFU_MAX_PEERS = 8,		/* connections, the client included; our policy */
};
#define VFU_ACCEPT_PAUSE_NS UINT64_C(1000000000)	/* after running out of descriptors */

struct vfu_dev {
	struct hv_loop *loop;		/* borrowed: outlives the function */
	const struct vfu_dev_ops *ops;	/* borrowed: the creator keeps it as long as the function */
	void *opaque;
	void (*changed)(void *cookie);	/* vfu_dev_watch(); NULL: nobody */
	void *changed_cookie;
	struct vfu_stats stats;

	struct vfu_bar bar[VFU_NUM_BARS];
	unsigned msix_bar;
	uint32_t msix_table_offset, msix_table_bytes, msix_pba_offset, msix_pba_bytes;
	uint8_t *msix_table;		/* owned; clients other than QEMU may use it */
	struct vfu_config config;
	struct vfu_irqs irqs;
	struct vfu_dma dma;
	struct vfu_dma_msgs msgs;
	struct hv_timer linger;		/* for vfu_dma_expire() */

	char *socket_path;		/* owned; NULL until the socket is ours to remove */
	uint64_t socket_dev, socket_ino;
	int listen_fd;			/* owned */
	struct hv_watch listen_watch;
	struct hv_timer accept_pause;
	TAILQ_HEAD(, vfu_conn) conns;
	unsigned num_conns;
	struct vfu_conn *client;	/* one of conns; NULL: nobody has agreed on a version */
	size_t client_xfer_max;		/* bytes in one DMA message to it */

	int lost_fd;			/* the guard's; -1: not listening */
	struct hv_watch lost_watch;

	uint8_t reply[sizeof(struct vfu_wire_access) + VFU_MAX_XFER];	/* under construction */
};

/* request.c: handles one message of c, replies. */
void vfu_request(struct vfu_conn *c, const struct vfu_message *m);

/* region.c. Bytes of the region, 0 if the function does not have it. */
uint64_t vfu_region_bytes(const struct vfu_dev *dev, uint32_t index);
/* Accesses; refused ones return -errno. The range has been checked by vfu_region_check(). */
int vfu_region_check(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint64_t count);
int vfu_region_read(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint32_t count,
		    uint8_t *out);
int vfu_region_write(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint32_t count,
		     const uint8_t *in);

/* dev.c */
/* c agreed on a version; -EBUSY if another one has. */
int vfu_dev_attach(struct vfu_dev *dev, struct vfu_conn *c, size_t xfer_max);
/* c has ended: frees it, and if it was the client, the function falls back to LISTENING. */
void vfu_dev_conn_gone(struct vfu_dev *dev, struct vfu_conn *c);
void vfu_dev_reset(struct vfu_dev *dev, enum vfu_reset_reason reason);
/* Tells the device, then takes the n-th map out. */
void vfu_dev_unmap(struct vfu_dev *dev, size_t n);

#endif
