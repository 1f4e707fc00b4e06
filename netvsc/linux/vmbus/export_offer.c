// SPDX-License-Identifier: MIT OR GPL-2.0
/* Exports of offers; see export_channel.c. */
#include <linux/kernel.h>
#include <linux/interrupt.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/cpu.h>
#include <linux/hyperv.h>
#include <asm/mshyperv.h>
#include <linux/sched/isolation.h>
#include "export.h"

EXPORT_SYMBOL_GPL(vmbus_set_sc_create_callback);
EXPORT_SYMBOL_GPL(vmbus_set_chn_rescind_callback);
