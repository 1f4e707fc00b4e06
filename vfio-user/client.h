/* SPDX-License-Identifier: MIT */
/* The client's inside, for its own files. */
#ifndef HVNET_VFIO_USER_CLIENT_INTERNAL_H
#define HVNET_VFIO_USER_CLIENT_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "vfio-user/vfio_user_client.h"
#include "vfio-user/vfio_user.h"
#include "vfio-user/vfio_user_wire.h"

struct vfuc_reply {
	STAILQ_ENTRY(vfuc_reply) link;
	struct vfu_header header;
	size_t bytes;
	uint8_t payload[];
};

struct vfuc_map {
	LIST_ENTRY(vfuc_map) link;
	uint64_t address, size;
	uint8_t *host;			/* borrowed, may be NULL */
	bool writable;
};

struct vfuc {
	struct vfuc_opts opts;
	int fd;				/* owned; blocking */
	pthread_t reader;
	bool have_reader;
	uint64_t max_data_xfer;		/* what both agreed on */

	pthread_mutex_t send_lock;
	uint16_t next_id;		/* under send_lock */

	pthread_mutex_t lock;
	pthread_cond_t news;
	/* Under lock */
	STAILQ_HEAD(, vfuc_reply) replies;
	bool closed;			/* by the server, or unreadable */
	LIST_HEAD(, vfuc_map) maps;
	bool bus_master;
	unsigned dma_reads, dma_writes;
	uint64_t dma_largest;

	/* After attach */
	uint8_t config[4096];
	uint64_t region_bytes[VFU_NUM_REGIONS];
	bool region_mapped;		/* some region has the MMAP flag: no posted writes */
	bool bar_is_memory[VFU_NUM_BARS];
	unsigned irq_count[VFU_NUM_IRQS];

	/* Interrupts: the sequences' thread */
	int intx_fd, unmask_fd;
	bool intx_pending;
	int *msix_fds, *msi_fds;
	unsigned num_msix, num_msi;
};

/* client_dma.c: answers one DMA message; on the reader's thread. */
void vfuc_answer_dma(struct vfuc *c, const struct vfu_header *h, uint8_t *payload, size_t n);
/* client_irq.c */
int vfuc_intx_arm(struct vfuc *c);
void vfuc_irqs_release(struct vfuc *c);
int vfuc_irq_disable(struct vfuc *c, uint32_t index);
/* Called after each BAR access: ends a taken INTx. */
int vfuc_intx_end(struct vfuc *c);

#endif
