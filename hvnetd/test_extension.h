/* SPDX-License-Identifier: MIT */
/* For tests of the real daemon: programs for the topmost extension of switch "lab". */
#ifndef HVNETD_TEST_EXTENSION_H
#define HVNETD_TEST_EXTENSION_H

#include <spawn.h>

#include "hvnetd/test_api.h"
#include "hvnetd/test_stations.h"

extern char **environ;

static char objects[PATH_MAX];		/* where this build's are */

static inline void find_objects(void)
{
	snprintf(objects, sizeof(objects), "%.4000s/../extensions", programs);
}

#define STACK(path) answer(client, "extension.list", "{\"switch\":\"lab\"}", path)

static inline pid_t start_program(const char *module)
{
	char socket[PATH_MAX], object[PATH_MAX + 80], extension[PATH_MAX];
	char *argv[] = { extension, socket, object, NULL };
	pid_t pid;

	snprintf(socket, sizeof(socket), "%s", STACK("extensions[0].socket"));
	snprintf(object, sizeof(object), "%s/%s.so", objects, module);
	snprintf(extension, sizeof(extension), "%.4000s/hvnet-extension", programs);
	if (posix_spawn(&pid, extension, NULL, NULL, argv, environ))
		abort();
	CU_ASSERT_TRUE(becomes(client, "extension.list", "{\"switch\":\"lab\"}", "extensions[0].running", "true"));
	return pid;
}

static inline void end_program(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
