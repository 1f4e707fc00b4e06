/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Included last in each export_*.c, in the place of the stock bus's private header: brings in the types that are complete
 * there, and no others, as they count in the CRCs. No include guard of ours and no declaration here.
 */
#include <linux/version.h>

#include <linux/list.h>
#include <linux/bitops.h>
#include <asm/sync_bitops.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#include <asm/hyperv-tlfs.h>
#else
#include <hyperv/hvhdk.h>
#endif
#include <linux/atomic.h>
#include <linux/tracepoint.h>
