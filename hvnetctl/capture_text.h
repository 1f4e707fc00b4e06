/* SPDX-License-Identifier: MIT */
/* A captured frame as one line for people. Pure; any thread. */
#ifndef HVNETCTL_CAPTURE_TEXT_H
#define HVNETCTL_CAPTURE_TEXT_H

#include <stdio.h>

#include "vswitch/capture_block.h"

/*
 * Local time, port, direction, addresses, type, what is known of the payload, length, comment. What came from the network is
 * never printed as it is, only as numbers.
 */
void capture_print(FILE *to, const struct capture_packet *p, const char *interface);

#endif
