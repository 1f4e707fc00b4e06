/* SPDX-License-Identifier: MIT */
/* Running QEMU as a child that does not outlive us. */
#ifndef HVNET_QEMU_RUN_H
#define HVNET_QEMU_RUN_H

/*
 * Runs argv until it ends, passing signals on. daemon_fd becomes readable when hvnetd goes away, which is
 * reported; -1: none. The exit status for the shell: the child's, or 128 + its signal, or 127 if it did not start.
 */
int run_child(char *const argv[], int daemon_fd);

#endif
