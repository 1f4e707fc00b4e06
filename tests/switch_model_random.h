/* SPDX-License-Identifier: MIT */
/*
 * For the test of the switch and its model: random entries, limits, and packets of few hosts that talk with each other.
 */
#ifndef HVNET_TESTS_SWITCH_MODEL_RANDOM_H
#define HVNET_TESTS_SWITCH_MODEL_RANDOM_H

#include "vswitch/vswitch.h"

typedef unsigned picker(unsigned n);	/* 0 … n - 1 */

struct vswitch_acl_entry random_acl(picker *pick);
/* At rates that the model can add up in bytes. */
struct vswitch_port_bandwidth random_bandwidth(picker *pick);
/*
 * Something that one of the hosts says, often an answer to what another one said before. From the Ethernet header on, whose
 * addresses stay; bytes has room for 2048. Gives the length.
 */
uint32_t random_talk(picker *pick, uint8_t *bytes);

/* They have said nothing yet. */
void random_talk_begin(void);

#endif
