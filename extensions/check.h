/* SPDX-License-Identifier: MIT */
/*
 * Tries an extension out: on a switch of its own, in virtual time, with NICs that come and go, frames, requests and policies at random,
 * and looks whether it keeps to extension.h. What is found is written as lines that begin with "FAULT: ". For hvnet-extcheck and tests.
 */
#ifndef HVNET_EXTENSIONS_CHECK_H
#define HVNET_EXTENSIONS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/extension.h"

struct check_options {
	unsigned seed;
	unsigned steps;
	unsigned patience_s;		/* longer in one step is a hang */
	const char *config;		/* for the extension */
	bool verbose;
};

/* The number of different faults. Does not come back from a crash or a hang: it says what that is, and exits with 1. */
unsigned check_extension(const struct vswitch_ext_module *module, const struct check_options *options);

/* ---- between the parts: check_proxy.c stands between switch and extension, check_drive.c makes things happen ---- */

/* A module that does what the other does and looks on. One at a time. */
const struct vswitch_ext_module *check_proxy(const struct vswitch_ext_module *module);
/* Each text counts once. */
void check_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned check_faults(void);
/* Where the extension is, for a crash: "ingress()". NULL: outside of it. */
const char *check_where(void);
uint64_t check_frames_seen(void);

#endif
