/* SPDX-License-Identifier: MIT */
/* What the process may do: taken before the first byte of a guest's is read. Called once, at start-up. */
#ifndef HVNETD_PRIVILEGES_H
#define HVNETD_PRIVILEGES_H

#include <stdbool.h>

/* As many descriptors as the hard limit permits: a guest needs one per vector and DMA map. */
void raise_descriptor_limit(void);
/*
 * Gives up all capabilities, also for programs that are started, but CAP_NET_ADMIN if taps or uplinks are wanted
 * and CAP_NET_RAW if uplinks are, and the right to gain new ones. -errno.
 */
int drop_privileges(bool taps, bool uplinks) __attribute__((warn_unused_result));

#endif
