/* SPDX-License-Identifier: MIT */
/* Is a function's description one that no client can come to harm from? */
#ifndef HVNET_VFIO_USER_DESC_H
#define HVNET_VFIO_USER_DESC_H

#include "vfio-user/vfio_user.h"

/* NULL if it is, otherwise what is wrong, for the log. Capabilities are config.c's to check. */
const char *vfu_desc_check(const struct vfu_dev_desc *d);

/* Bytes of the MSI-X table and PBA for n vectors (PCI 3.0, 6.8.2). */
static inline uint32_t vfu_msix_table_bytes(unsigned n) { return 16 * n; }
static inline uint32_t vfu_msix_pba_bytes(unsigned n) { return (n + 63) / 64 * 8; }

#endif
