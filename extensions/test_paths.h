/* SPDX-License-Identifier: MIT */
/*
 * For tests: where the programs and objects of this build are, seen from the test itself.
 */
#ifndef HVNET_EXTENSIONS_TEST_PATHS_H
#define HVNET_EXTENSIONS_TEST_PATHS_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* BUILD/extensions, where the test lies. */
static inline const char *objects_dir(void)
{
	static char dir[PATH_MAX];
	ssize_t n;

	if (!dir[0]) {
		n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
		if (n <= 0 || !strrchr(dir, '/'))
			abort();
		*strrchr(dir, '/') = '\0';
	}
	return dir;
}

static inline const char *object(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.so", objects_dir(), name);
	return path;
}

static inline const char *program(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/../bin/%s", objects_dir(), name);
	return path;
}

#endif
