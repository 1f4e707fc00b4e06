/* SPDX-License-Identifier: MIT */
/* The program. */
#include "hvnetctl/hvnetctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetctl/command.h"
#include "hvnetctl/run.h"

/* Commands that need no daemon. */
static bool is_local(const struct invocation *inv)
{
	return inv->command && inv->command->run == run_completion;
}

static int run(const struct invocation *inv)
{
	struct session s = { .where = "" };
	int status;

	if (!is_local(inv) && session_open(&s, inv->socket))
		return EXIT_REFUSED;
	status = inv->batch ? run_batch(&s, inv) : run_command(&s, inv);
	session_close(&s);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) || ferror(stdout)) {
		perror("hvnetctl: writing the answer");
		status = EXIT_REFUSED;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct invocation inv;
	char text[512];
	struct say error = { text, sizeof(text) };
	int status = EXIT_SUCCESS;

	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return run_complete(argc - 2, argv + 2);
	if (!command_parse(argc - 1, argv + 1, &inv, &error)) {
		fprintf(stderr, "hvnetctl: %s\nTry 'hvnetctl --help'.\n", text);
		status = EXIT_USAGE;
	} else if (inv.help) {
		print_help(inv.command);
	} else if (inv.version) {
		puts("hvnetctl 0.1.0");
	} else {
		status = run(&inv);
	}
	json_decref(inv.params);
	return status;
}
