/* SPDX-License-Identifier: MIT */
/*
 * What happens when the file behind mapped guest memory is cut short: the kernel answers an access
 * with SIGBUS. The guard's handler puts anonymous memory in the place of the whole mapping, marks
 * it lost and wakes every listener; the access that hit the hole goes on, with zeros. The whole
 * mapping, not the page: a hostile client could otherwise have us make one map entry per page until
 * the process's limit is reached, and then nothing could be replaced any more.
 *
 * Process-wide; all calls from any thread. The handler is installed by the first guarded mapping
 * and passes on what lies outside guarded mappings to whoever handled SIGBUS before.
 */
#ifndef HVNET_VFIO_USER_GUARD_H
#define HVNET_VFIO_USER_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Guards [base, base + bytes). -ENOMEM: too many mappings at once; -errno of sigaction(). */
int vfu_guard_add(void *base, size_t bytes, unsigned *slot) __attribute__((warn_unused_result));
/* To be called before the range is unmapped. */
void vfu_guard_remove(unsigned slot);
bool vfu_guard_lost(unsigned slot);

/*
 * An eventfd that becomes readable when any mapping of the process is lost. -errno. It belongs to
 * the guard, which gives it to another listener after vfu_guard_unlisten() and never closes it: the
 * handler may still write to it.
 */
int vfu_guard_listen(int *fd) __attribute__((warn_unused_result));
void vfu_guard_unlisten(int fd);

#endif
