/* SPDX-License-Identifier: MIT */
/*
 * vfio-user server: one PCI function behind one Unix socket, for QEMU's vfio-user-pci (10.1 and
 * newer) and any other client. It does version negotiation, the client's DMA maps, regions,
 * configuration space, INTx, MSI and MSI-X, reset; the device gets plain callbacks.
 *
 * Left to others: what registers do (the device), event loop and threads (base/loop.h). A function
 * belongs to one loop: all calls and callbacks happen on its thread, and none of them blocks; one
 * function never waits for another's client.
 *
 * The client is not trusted: every field is checked, each way to refuse has a counter, a client's
 * mistake costs it its request, then its connection, never more. A client that goes away resets
 * the device; the function listens again.
 *
 * Everything that could make a QEMU crash during attach (sizes, capabilities, vectors) is checked
 * in vfu_dev_create(), before the socket exists.
 */
#ifndef HVNET_VFIO_USER_H
#define HVNET_VFIO_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"

struct vfu_dev;

enum {
	VFU_NUM_BARS = 6,
	VFU_MAX_MSIX = 2048,
};

enum vfu_bar_kind {
	VFU_BAR_NONE,
	VFU_BAR_MEM32,
	VFU_BAR_MEM64,		/* takes the next index too */
	VFU_BAR_IO,
};

struct vfu_bar {
	enum vfu_bar_kind kind;
	bool prefetchable;
	uint64_t size_bytes;	/* power of two, ≥ 16 (memory), ≥ 4 (I/O) */
};

struct vfu_dev_desc {
	const char *name;		/* in log lines: "vm3/bridge"; copied */
	const char *socket_path;	/* created with mode; its directory exists; copied */
	mode_t mode;			/* of the socket, set explicitly; 0 means 0600 */
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
	uint32_t class_code;		/* 24 bits: base class, subclass, interface */
	uint8_t revision_id;
	struct vfu_bar bar[VFU_NUM_BARS];
	bool intx;			/* interrupt pin A */
	unsigned msi_vectors;		/* 0, 1, 2, 4, … 32 */
	unsigned msix_vectors;		/* 0 … VFU_MAX_MSIX */
	unsigned msix_bar;		/* where table and PBA lie … */
	uint32_t msix_table_offset, msix_pba_offset;	/* … and at which offsets */
	/*
	 * Further PCI capabilities (power management, PCI Express, vendor-specific, …) in a row,
	 * as in configuration space: each begins 4-byte aligned, its "next" byte is the offset of
	 * the following one in extra_caps, 0 in the last; none with the ids of MSI and MSI-X. May
	 * be NULL; copied. PCI Express makes the space 4096 bytes long and, if it says so, the
	 * function resettable (FLR).
	 */
	const uint8_t *extra_caps;
	size_t extra_caps_bytes;
};

enum vfu_reset_reason {
	VFU_RESET_DEVICE,	/* DEVICE_RESET: machine reset or attach */
	VFU_RESET_FUNCTION,	/* function-level reset written by the guest */
	VFU_RESET_LOST,		/* the client is gone */
};

/* A DMA map of the client: a range of the guest's physical (or I/O virtual) address space. */
struct vfu_dma_range {
	uint64_t address;	/* guest physical */
	uint64_t size_bytes;
	bool readable, writable;
	/*
	 * Where it is mapped here. NULL: no descriptor came and only messages reach it, or its
	 * file was cut short (memory_lost).
	 */
	void *host;
	uint64_t file_dev, file_ino, file_offset;	/* which file; 0 without one */
};

/*
 * Callbacks of the device, all on the loop's thread. NULL where the device does not care. opaque is
 * what vfu_dev_create() got.
 */
struct vfu_dev_ops {
	/*
	 * A register access in BAR bar. size_bytes is 1, 2, 4 or 8, offset a multiple of it, and
	 * the access lies inside the BAR (others read as zero and write nothing); value is in
	 * host order. A read fills *value. Table and PBA of MSI-X never arrive here.
	 */
	void (*bar_read)(void *opaque, unsigned bar, uint64_t offset, unsigned size_bytes, uint64_t *value);
	void (*bar_write)(void *opaque, unsigned bar, uint64_t offset, unsigned size_bytes, uint64_t value);
	/*
	 * Back to the power-on state, bus mastering off, INTx low. VFU_RESET_LOST: every range
	 * went before by dma_unmap, transfers by message ended with -ECANCELED.
	 */
	void (*reset)(void *opaque, enum vfu_reset_reason reason);
	/* A range appeared. */
	void (*dma_map)(void *opaque, const struct vfu_dma_range *range);
	/* A range goes: once this returns, the device does not touch it any more. */
	void (*dma_unmap)(void *opaque, const struct vfu_dma_range *range);
	/*
	 * The guest changed one of these bits of the command register; bus_master: the device may
	 * do DMA. Or it put the function to sleep (D3hot), where neither holds. Not called for a reset,
	 * which clears both; waking up is one, unless PMCSR says No_Soft_Reset.
	 */
	void (*command_changed)(void *opaque, bool bus_master, bool memory);
	/*
	 * The client begins or ceases to listen to vectors of MSI or MSI-X (vfu_irq_listening() says
	 * which): a device whose cause is a level sends the message that it owes, or goes back to INTx.
	 */
	void (*vectors_changed)(void *opaque);
	/* A client has negotiated a version (true) or is gone (false, after reset). */
	void (*client_changed)(void *opaque, bool attached);
	/*
	 * The file behind guest memory was cut short and the device ran into it: what it has
	 * mapped of that file holds garbage from now on (but stays memory). The device is dead
	 * until reset.
	 */
	void (*memory_lost)(void *opaque);
};

/*
 * Checks desc whole, creates and listens on the socket. ops and loop outlive the function; desc
 * need not. -EINVAL with a logged reason if the description could hurt a client, -EADDRINUSE if a
 * live server is on the path (a stale socket is replaced), -ENOTSOCK if something else is, other
 * -errno.
 */
int vfu_dev_create(struct hv_loop *loop, const struct vfu_dev_desc *desc,
		   const struct vfu_dev_ops *ops, void *opaque, struct vfu_dev **out)
	__attribute__((warn_unused_result));
/*
 * Closes the client's connection, removes the socket, drops transfers. NULL is fine. No callback
 * comes from within, and it must not be called from within one of this function's.
 */
void vfu_dev_destroy(struct vfu_dev *dev);

/*
 * Host address of [address, address+size) if one map with the wanted rights holds all of it and
 * bus mastering is on; NULL otherwise. Valid until the callback dma_unmap for it.
 */
void *vfu_dma_ptr(struct vfu_dev *dev, uint64_t address, uint64_t size_bytes, bool write);

/*
 * Maps n guest pages (4096-byte frame numbers) back to back into a fresh range of our address
 * space, copies times after one another (2: a ring that never wraps). -EFAULT if a page is not in
 * a mapped, writable range with a descriptor, or bus mastering is off; -ENOMEM (also: too many
 * separate pieces); -EOPNOTSUPP in a file of huge pages, which cannot be mapped in parts. The
 * mapping stays valid memory until vfu_dma_unmap_pages(), but belongs to the guest only until
 * dma_unmap for one of its pages.
 */
int vfu_dma_map_pages(struct vfu_dev *dev, const uint64_t *pfns, size_t n, unsigned copies, void **out)
	__attribute__((warn_unused_result));
void vfu_dma_unmap_pages(struct vfu_dev *dev, void *base, size_t n, unsigned copies);

/*
 * Access by message, for ranges without a descriptor. done() comes later, on the loop, with 0 or
 * -errno (-ECANCELED if the client goes first, -ETIMEDOUT after five seconds). Never wait for it
 * inside a callback. buf stays the caller's and alive until done(). At most 32 KiB a call:
 * -E2BIG. Addresses outside the client's maps are refused (-EFAULT): a guest's number must not
 * reach the interrupt controller's range; also while bus mastering is off. -EAGAIN: too many
 * under way. Works for ranges with a descriptor too. The two directions are not ordered against
 * each other.
 */
typedef void (*vfu_dma_done)(void *cookie, int status);
int vfu_dma_read(struct vfu_dev *dev, uint64_t address, void *buf, size_t n, vfu_dma_done done, void *cookie);
int vfu_dma_write(struct vfu_dev *dev, uint64_t address, const void *buf, size_t n, vfu_dma_done done, void *cookie);

/*
 * Raises MSI or MSI-X vector; without an eventfd (guest has not enabled it) -ENOENT, and it is
 * lost.
 */
int vfu_irq_raise(struct vfu_dev *dev, unsigned vector);
/* Whether vfu_irq_raise() would reach somebody. */
bool vfu_irq_listening(const struct vfu_dev *dev, unsigned vector);
/* The level of INTx; the library does masking, auto-mask and re-fire. */
void vfu_intx_set_level(struct vfu_dev *dev, bool high);

bool vfu_dev_attached(const struct vfu_dev *dev);
/*
 * For who manages the function, beside its ops: changed() is called whenever a client has come or gone, after client_changed(); only
 * to take a note. NULL: nobody any more.
 */
void vfu_dev_watch(struct vfu_dev *dev, void (*changed)(void *cookie), void *cookie);
/* The peer's credentials while attached; false otherwise. */
bool vfu_dev_peer(const struct vfu_dev *dev, pid_t *pid, uid_t *uid);
const char *vfu_dev_name(const struct vfu_dev *dev);

/*
 * What was refused or happened, by name; n-th counter, false past the last. For `hvnetctl stats`.
 */
bool vfu_dev_counter(const struct vfu_dev *dev, unsigned n, const char **name, uint64_t *value);

#endif
