/* SPDX-License-Identifier: MIT */
/* Which QEMU to run. */
#ifndef HVNET_QEMU_FIND_H
#define HVNET_QEMU_FIND_H

#include <stdbool.h>
#include <stddef.h>

enum {
	QEMU_MAJOR = 10, QEMU_MINOR = 1,	/* the first release with vfio-user-pci */
};

/* The version in the output of `qemu --version`; false if there is none. */
bool qemu_parse_version(const char *text, unsigned *major, unsigned *minor);
bool qemu_version_serves(unsigned major, unsigned minor);

/*
 * given, or $HVNET_QEMU, or the first that serves of: qemu-system-x86_64 in $PATH, the one in the cache folder that
 * set-up fills ($HVNET_CACHE, or .cache above this program's folder). The path, to be freed;
 * NULL with a sentence in error.
 */
char *qemu_find(const char *given, char *error, size_t error_bytes);

#endif
