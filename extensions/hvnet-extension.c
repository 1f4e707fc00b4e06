/* SPDX-License-Identifier: MIT */
/* Runs an extension as a process of its own: hvnet-extension SOCKET MODULE.so */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "extensions/remote.h"
#include "vswitch/stack.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int run(const char *socket, const struct vswitch_ext_module *module)
{
	struct extension_remote_stats s;
	struct extension_remote *remote;
	char error[512] = "";
	int ret;

	ret = extension_remote_attach(socket, module, error, sizeof(error), &remote);
	if (ret) {
		fprintf(stderr, "hvnet-extension: %s\n", error);
		return ret;
	}
	printf("%s is attached\n", module->name);
	fflush(stdout);
	ret = extension_remote_run(remote, &stop);
	extension_remote_stats(remote, &s);
	printf("%llu frames in %llu batches, %llu verdicts, %llu dropped, %llu directed, %llu injected, %llu lost\n",
	       (unsigned long long)s.frames, (unsigned long long)s.batches, (unsigned long long)s.verdicts,
	       (unsigned long long)s.dropped, (unsigned long long)s.directed, (unsigned long long)s.injected,
	       (unsigned long long)s.lost);
	extension_remote_detach(remote);
	return ret;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct vswitch_library *library;
	char error[512] = "";
	int ret;

	if (argc != 3 || argv[1][0] == '-') {
		fprintf(stderr, "usage: hvnet-extension SOCKET MODULE.so   (its configuration comes from the switch)\n");
		return 2;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (vswitch_library_open(argv[2], error, sizeof(error), &library)) {
		fprintf(stderr, "hvnet-extension: %s\n", error);
		return 1;
	}
	ret = run(argv[1], vswitch_library_module(library));
	vswitch_library_close(library);
	return ret ? 1 : 0;
}
