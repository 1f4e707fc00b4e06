// SPDX-License-Identifier: MIT OR GPL-2.0
/* Exports of the rings; see export_channel.c. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/hyperv.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/slab.h>
#include <linux/prefetch.h>
#include <linux/io.h>
#include <asm/mshyperv.h>
#include <linux/export.h>
#include "export.h"

EXPORT_SYMBOL_GPL(hv_pkt_iter_first);
EXPORT_SYMBOL_GPL(__hv_pkt_iter_next);
EXPORT_SYMBOL_GPL(hv_pkt_iter_close);
EXPORT_SYMBOL_GPL(hv_ringbuffer_get_debuginfo);
EXPORT_SYMBOL_GPL(hv_ringbuffer_spinlock_busy);
