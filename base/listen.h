/* SPDX-License-Identifier: MIT */
/* Unix sockets that others connect to, by their paths. */
#ifndef HVNET_BASE_LISTEN_H
#define HVNET_BASE_LISTEN_H

#include <stdint.h>
#include <sys/types.h>

/*
 * A non-blocking listening socket at path with exactly this mode; which file it is goes to *dev
 * and *ino. A socket there that nobody listens on is replaced. -EADDRINUSE: somebody does;
 * -ENOTSOCK: it is something else; other -errno.
 */
int hv_listen(const char *path, mode_t mode, int *fd, uint64_t *dev, uint64_t *ino)
	__attribute__((warn_unused_result));
/* Removes path if it is still that file. */
void hv_unlisten(const char *path, uint64_t dev, uint64_t ino);

#endif
