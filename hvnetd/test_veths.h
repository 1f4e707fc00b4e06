/* SPDX-License-Identifier: MIT */
/* For tests of the real daemon with interfaces: veth pairs in a network namespace of the test's own. */
#ifndef HVNETD_TEST_VETHS_H
#define HVNETD_TEST_VETHS_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"

/* A shell command; whether it worked. */
static inline bool run(const char *command)
{
	return system(command) == 0;
}

/*
 * So many pairs, up: e0, e1, … are for the daemon, p0, p1, … stand for the wires. They stay for the program's later tests. False, and
 * the test counts as skipped: not permitted here.
 */
static inline bool make_veths(unsigned pairs)
{
	char command[160];
	static bool made;

	snprintf(command, sizeof(command), "for i in $(seq 0 %u); do ip link add e$i type veth peer name p$i && ip link set e$i up && "
		 "ip link set p$i up || exit 1; done", pairs - 1);
	made = made || (geteuid() == 0 && !unshare(CLONE_NEWNET) && run(command));
	if (!made)
		hv_test_skip("no right to make a network namespace, or no ip(8)");
	return made;
}

#endif
