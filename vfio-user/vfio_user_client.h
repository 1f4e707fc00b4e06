/* SPDX-License-Identifier: MIT */
/*
 * vfio-user client that behaves like QEMU 11.1's vfio-user-pci: for soft guests and tests. It sends
 * what QEMU sends in QEMU's order with QEMU's sizes, answers DMA_READ and DMA_WRITE, posts
 * writes to memory BARs, ends INTx on the next BAR access. Switches make it misbehave.
 *
 * Threads: a connection has one thread of its own that reads the socket, keeps replies for who
 * waits and answers DMA messages. All calls may come from any thread, several at a time, except
 * vfuc_close() (last) and the attach, reset and interrupt sequences (one thread). Calls block
 * until the server has answered, at most the time-out.
 *
 * Errors: -errno. What the server answers comes out as it is (-EINVAL, -EEXIST, …); -ETIMEDOUT:
 * it did not answer; -EPIPE: it closed the connection.
 */
#ifndef HVNET_VFIO_USER_CLIENT_H
#define HVNET_VFIO_USER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfuc;

struct vfuc_opts {
	unsigned timeout_ms;		/* for a reply; 0: 5000, as QEMU */
	unsigned max_data_xfer;		/* what VERSION offers; 0: 1 MiB, as QEMU */
	bool no_version;		/* connect only; vfuc_version() is the caller's */
	bool old_dma_layout;		/* DMA messages as QEMU 10.1 has them */
	/* Misbehaviour */
	bool byte_segments;		/* each byte of a message in a send of its own */
	unsigned extra_fds;		/* descriptors added to every message */
	unsigned dma_delay_ms;		/* DMA answers come late */
	int dma_error;			/* DMA messages are answered with this errno */
	unsigned dma_wrong_count;	/* added to the count that DMA_READ answers echo */
	int dma_extra_bytes;		/* DMA_READ answers are that much longer (or shorter) */
};

/* Connects, agrees on a version, starts the thread. opts NULL: all as QEMU. */
int vfuc_connect(const char *path, const struct vfuc_opts *opts, struct vfuc **out)
	__attribute__((warn_unused_result));
/* Like the death of a QEMU: closes without a word. NULL is fine. */
void vfuc_close(struct vfuc *c);
/*
 * Sends VERSION as QEMU does; json NULL: QEMU's text. The server's JSON goes to reply, may be
 * NULL.
 */
int vfuc_version(struct vfuc *c, const char *json, char *reply, size_t room);

/* Guest RAM: a memfd, sealed as QEMU's memory-backend-memfd, mapped here. */
struct vfuc_ram {
	int fd;
	uint8_t *base;
	uint64_t bytes;
};
int vfuc_ram_create(uint64_t bytes, struct vfuc_ram *out) __attribute__((warn_unused_result));
void vfuc_ram_destroy(struct vfuc_ram *ram);

/*
 * DMA_MAP. flags: VFU_MAP_*; fd -1: without one. host: where this process has the range, for
 * answers to DMA messages; NULL: they fail with ENODEV. host outlives the connection or the
 * unmap.
 */
int vfuc_map(struct vfuc *c, uint64_t address, uint64_t size, uint32_t flags, int fd,
	     uint64_t offset, void *host);
int vfuc_unmap(struct vfuc *c, uint64_t address, uint64_t size);
/* What QEMU's pc machine maps before a guest runs: RAM around the ROM holes, ROMs without fd. */
int vfuc_map_machine(struct vfuc *c, const struct vfuc_ram *ram);
/*
 * The maps and unmaps of a boot's firmware; ends with RAM whole but for the write-protected BIOS.
 */
int vfuc_boot_churn(struct vfuc *c, const struct vfuc_ram *ram);

/*
 * Attach as QEMU: maps of the machine (ram NULL: none), device, region and interrupt
 * information, configuration space, INTx armed, reset.
 */
int vfuc_attach(struct vfuc *c, const struct vfuc_ram *ram);
/* What QEMU does at a machine's reset. */
int vfuc_reset(struct vfuc *c);
/* What Linux's driver core does to make a function usable: decoding and bus mastering on. */
int vfuc_enable_device(struct vfuc *c);

/* Configuration space, size 1, 2, 4; always awaited. */
int vfuc_config_read(struct vfuc *c, uint32_t offset, unsigned size, uint32_t *value);
int vfuc_config_write(struct vfuc *c, uint32_t offset, unsigned size, uint32_t value);
/* Offset of the first capability with this id; 0 if none. After vfuc_attach(). */
unsigned vfuc_find_cap(struct vfuc *c, uint8_t id);
/* Bytes of a BAR, after vfuc_attach(). */
uint64_t vfuc_bar_bytes(const struct vfuc *c, unsigned bar);

/*
 * Register accesses, size 1, 2, 4, 8. Writes to memory BARs are posted: 0 says no more than
 * "sent".
 */
int vfuc_bar_read(struct vfuc *c, unsigned bar, uint64_t offset, unsigned size, uint64_t *value);
int vfuc_bar_write(struct vfuc *c, unsigned bar, uint64_t offset, unsigned size, uint64_t value);

/*
 * MSI-X as Linux enables it through QEMU: vectors 0 … n-1 unmasked, each with an eventfd that
 * vfuc_msix_fd() gives (non-blocking, the connection's). n at most what the function has.
 */
int vfuc_msix_enable(struct vfuc *c, unsigned n);
int vfuc_msix_disable(struct vfuc *c);
int vfuc_msix_fd(const struct vfuc *c, unsigned vector);
/* The same for MSI. */
int vfuc_msi_enable(struct vfuc *c, unsigned n);
int vfuc_msi_disable(struct vfuc *c);
int vfuc_msi_fd(const struct vfuc *c, unsigned vector);
/* Times that an eventfd was signalled since last asked; waits up to timeout_ms for the first. */
uint64_t vfuc_fd_count(int fd, int timeout_ms);

/* INTx: armed by attach and reset if the function has a pin; each arming makes a new eventfd. */
int vfuc_intx_fd(const struct vfuc *c);
/* Takes an interrupt; the next BAR access ends it by an UNMASK. False: none within timeout_ms. */
bool vfuc_intx_take(struct vfuc *c, int timeout_ms);
/* As with KVM: the end of an interrupt is a write to *unmask_fd, which the connection owns. */
int vfuc_intx_resample(struct vfuc *c, int *unmask_fd);

/* A message of the caller's making. */
struct vfuc_msg {
	uint16_t command;
	uint32_t flags;			/* VFU_FLAG_* */
	uint32_t error;
	uint32_t size;			/* in the header; 0: the right one */
	const void *payload;
	size_t bytes;
	const int *fds;
	unsigned num_fds;
};
/* Sends it; *id (may be NULL) is what the reply will carry. */
int vfuc_send(struct vfuc *c, const struct vfuc_msg *m, uint16_t *id);
/*
 * Waits for the reply with that id. Its payload goes to reply (may be NULL), its size to *got
 * (may be NULL); what does not fit is left out.
 */
int vfuc_wait(struct vfuc *c, uint16_t id, void *reply, size_t room, size_t *got);
/* Both. */
int vfuc_call(struct vfuc *c, const struct vfuc_msg *m, void *reply, size_t room, size_t *got);
/* Bytes as they are, descriptors with the first. */
int vfuc_send_bytes(struct vfuc *c, const void *bytes, size_t n, const int *fds, unsigned num_fds);
/* Waits until the server has closed the connection; -ETIMEDOUT. */
int vfuc_wait_closed(struct vfuc *c, unsigned timeout_ms);
/* Replies that nobody has asked for, so far. */
unsigned vfuc_replies_left(struct vfuc *c);

/* DMA messages answered, errors included; and their largest count. */
void vfuc_dma_seen(struct vfuc *c, unsigned *reads, unsigned *writes, uint64_t *largest);

#endif
