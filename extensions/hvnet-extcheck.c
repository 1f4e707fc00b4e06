/* SPDX-License-Identifier: MIT */
/*
 * Tries out whether an extension keeps to vswitch/extension.h:
 * hvnet-extcheck [-v] [-s SEED] [-n STEPS] [-t SECONDS] [-c CONFIG] MODULE.so
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "extensions/check.h"
#include "vswitch/stack.h"

static int usage(void)
{
	fprintf(stderr, "usage: hvnet-extcheck [-v] [-s SEED] [-n STEPS] [-t SECONDS] [-c CONFIG] MODULE.so\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct check_options options = { .seed = 1, .steps = 20000, .patience_s = 20 };
	struct vswitch_library *library;
	char error[512] = "";
	unsigned faults;
	int c;

	while ((c = getopt(argc, argv, "vs:n:t:c:")) != -1) {
		switch (c) {
		case 'v':
			options.verbose = true;
			break;
		case 's':
			options.seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			options.steps = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			options.patience_s = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			options.config = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc - 1)
		return usage();
	if (vswitch_library_open(argv[optind], error, sizeof(error), &library)) {
		printf("FAULT: %s\n", error);
		return 1;
	}
	faults = check_extension(vswitch_library_module(library), &options);
	printf("%s: %u faults in %u steps, seed %u; it saw %llu frames\n", vswitch_library_module(library)->name, faults,
	       options.steps, options.seed, (unsigned long long)check_frames_seen());
	vswitch_library_close(library);
	return faults != 0;
}
