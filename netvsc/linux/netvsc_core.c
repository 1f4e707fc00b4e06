// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The driver core that the kernel shares with user space, compiled here as one unit so that its
 * objects lie with the module's.
 */
#include "netvsc/core.c"
#include "netvsc/core_rndis.c"
#include "netvsc/core_rx.c"
#include "netvsc/core_tx.c"
