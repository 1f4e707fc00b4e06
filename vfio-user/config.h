/* SPDX-License-Identifier: MIT */
/*
 * Configuration space of a function: header, BARs, capabilities. Pure bytes; what a write means
 * for the rest of the function comes out as effects.
 */
#ifndef HVNET_VFIO_USER_CONFIG_H
#define HVNET_VFIO_USER_CONFIG_H

#include "vfio-user/vfio_user.h"

enum {
	VFU_PCI_COMMAND = 0x04,
	VFU_PCI_COMMAND_IO = 0x1,
	VFU_PCI_COMMAND_MEMORY = 0x2,
	VFU_PCI_COMMAND_MASTER = 0x4,
	VFU_PCI_COMMAND_INTX_OFF = 0x400,
	VFU_PCI_STATUS = 0x06,
	VFU_PCI_STATUS_INTX = 0x8,
	VFU_PCI_STATUS_CAPS = 0x10,
	VFU_PCI_BAR0 = 0x10,
	VFU_PCI_ROM = 0x30,
	VFU_PCI_CAP_POINTER = 0x34,
	VFU_PCI_IRQ_LINE = 0x3c,
	VFU_PCI_IRQ_PIN = 0x3d,
	VFU_PCI_FIRST_CAP = 0x40,
	VFU_PCI_D3HOT = 3,		/* power state */

	VFU_CAP_PM = 0x01,
	VFU_CAP_MSI = 0x05,
	VFU_CAP_VENDOR = 0x09,
	VFU_CAP_PCIE = 0x10,
	VFU_CAP_MSIX = 0x11,

	VFU_CONFIG_BYTES = 256,
	VFU_CONFIG_BYTES_PCIE = 4096,	/* once a PCI Express capability is there */
	VFU_MAX_CAPS = 48,		/* 192 bytes, 4 each at least */
};

struct vfu_cap {
	uint8_t id, offset, bytes;
};

struct vfu_config {
	uint32_t size_bytes;
	uint8_t data[VFU_CONFIG_BYTES_PCIE];
	uint8_t initial[VFU_CONFIG_BYTES];	/* what a reset restores; 0 beyond */
	uint8_t writable[VFU_CONFIG_BYTES];	/* bits that a write changes; 0 beyond */
	struct vfu_cap cap[VFU_MAX_CAPS];	/* in the order of the list */
	unsigned num_caps;
	uint8_t power_state;		/* 0 (D0) … 3 (D3hot), as the guest wrote it */
};

/* What a write asks the owner to do. */
enum {
	VFU_CONFIG_COMMAND_CHANGED = 1,	/* or what the power state lets through of it */
	VFU_CONFIG_FLR = 2,		/* function-level reset */
	VFU_CONFIG_WOKEN = 4,		/* from D3hot, which this function does by a reset */
};

/* Lays out desc. -EINVAL: *reason says why its capabilities do not fit or are malformed. */
int vfu_config_init(struct vfu_config *c, const struct vfu_dev_desc *desc, const char **reason)
	__attribute__((warn_unused_result));
/* Back to the state after init. */
void vfu_config_reset(struct vfu_config *c);

/* The caller has checked that [offset, offset + n) lies inside size_bytes. */
void vfu_config_read(const struct vfu_config *c, uint32_t offset, uint32_t n, uint8_t *out);
/*
 * -EINVAL: not a legal way to write these bytes; -EPERM: a capability that is read-only; -ENOTSUP:
 * read-only part of power management. Nothing is changed then.
 */
int vfu_config_write(struct vfu_config *c, uint32_t offset, uint32_t n, const uint8_t *in,
		     unsigned *effects) __attribute__((warn_unused_result));

uint16_t vfu_config_command(const struct vfu_config *c);
/* The command register's bits as they count: asleep, a function does no DMA, has no memory and interrupts nobody. */
bool vfu_config_bus_master(const struct vfu_config *c);
bool vfu_config_memory(const struct vfu_config *c);
bool vfu_config_intx_off(const struct vfu_config *c);
/* Shows the level of INTx in the status register. */
void vfu_config_set_intx_status(struct vfu_config *c, bool high);
/* First capability with this id at or after list position from; NULL if none. */
const struct vfu_cap *vfu_config_find_cap(const struct vfu_config *c, uint8_t id, unsigned from);

#endif
