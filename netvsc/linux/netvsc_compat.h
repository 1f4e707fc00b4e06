/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * All that differs between the kernels that netvsc.ko is built for: 6.1 (Debian 12), 6.12 (Debian
 * 13 and Debian 12's backports). A newer kernel is a change here and nowhere else.
 */
#ifndef HVNET_NETVSC_COMPAT_H
#define HVNET_NETVSC_COMPAT_H

#include <linux/hyperv.h>
#include <linux/version.h>

/* 6.7: struct hv_driver's remove() returns nothing. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define NV_REMOVE_TYPE void
#define NV_REMOVE_RETURN do { } while (0)
#else
#define NV_REMOVE_TYPE int
#define NV_REMOVE_RETURN return 0
#endif

#endif
