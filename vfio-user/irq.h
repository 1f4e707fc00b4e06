/* SPDX-License-Identifier: MIT */
/*
 * Interrupts towards the client: eventfds per index and vector, masks, and the level machinery of
 * INTx. The function's loop runs everything.
 *
 * INTx, client's view: an eventfd asserts the line; an UNMASK (message, or the unmask eventfd
 * when KVM takes part) says that the guest is done with it. Ours: a level and a mask.
 *
 *   level high, unmasked ──► write the eventfd, set the mask
 *   UNMASK: mask off; if the level is still high: again, but a little later (VFU_INTX_REFIRE_NS)
 *
 * The delay is for handlers that read a status register and acknowledge by a write: QEMU takes the
 * read for the end of the interrupt, so at once would be one useless interrupt for each real one.
 */
#ifndef HVNET_VFIO_USER_IRQ_H
#define HVNET_VFIO_USER_IRQ_H

#include "base/loop.h"
#include "vfio-user/stats.h"
#include "vfio-user/vfio_user_wire.h"

#define VFU_INTX_REFIRE_NS UINT64_C(200000)

struct vfu_vector {
	int fd;				/* owned eventfd; -1: nobody listens */
	bool masked, pending;
};

struct vfu_irqs {
	struct vfu_stats *stats;	/* borrowed: both are parts of the function */
	struct hv_loop *loop;		/* borrowed: outlives the function */
	unsigned count[VFU_NUM_IRQS];
	struct vfu_vector *vector[VFU_NUM_IRQS];	/* owned, count long */
	bool level;			/* INTx: what the device wants */
	bool intx_off;			/* INTx disable in the command register */
	int unmask_fd;			/* owned; -1: UNMASK comes by message only */
	struct hv_watch unmask_watch;
	struct hv_timer refire;
};

int vfu_irqs_init(struct vfu_irqs *q, struct hv_loop *loop, struct vfu_stats *stats, bool intx,
		  unsigned msi, unsigned msix) __attribute__((warn_unused_result));
/* Half-built is fine. */
void vfu_irqs_destroy(struct vfu_irqs *q);
/* The device was reset: the level falls, masks and what is pending go; eventfds stay. */
void vfu_irqs_reset(struct vfu_irqs *q);
/* The client is gone: eventfds too. */
void vfu_irqs_release(struct vfu_irqs *q);

/* The reply to GET_IRQ_INFO for index; -EINVAL for one that the function does not have. */
int vfu_irqs_info(const struct vfu_irqs *q, uint32_t index, uint32_t *flags, uint32_t *count);
/*
 * SET_IRQS. bools: n bytes behind the struct. fds: those that came along; one that is taken over
 * is set to -1 there.
 */
int vfu_irqs_set(struct vfu_irqs *q, const struct vfu_wire_set_irqs *set, const uint8_t *bools,
		 size_t n, int *fds, unsigned num_fds) __attribute__((warn_unused_result));

/* As vfu_irq_raise(), vfu_irq_listening() and vfu_intx_set_level(). */
int vfu_irqs_raise(struct vfu_irqs *q, unsigned vector);
bool vfu_irqs_listening(const struct vfu_irqs *q, unsigned vector);
void vfu_irqs_set_level(struct vfu_irqs *q, bool high);
/* The guest moved the INTx disable bit. */
void vfu_irqs_set_intx_off(struct vfu_irqs *q, bool off);

#endif
