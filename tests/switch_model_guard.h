/* SPDX-License-Identifier: MIT */
/*
 * What the guards of the switch are to find, for its model. body: a frame from its type on, its outer tag taken off.
 */
#ifndef HVNET_TESTS_SWITCH_MODEL_GUARD_H
#define HVNET_TESTS_SWITCH_MODEL_GUARD_H

#include "tests/switch_model.h"

/* Behind tags and SNAP: the type, where it ends, and how many of them there were. False: too many. */
bool model_unwrap(const uint8_t *body, uint32_t len, unsigned *type, uint32_t *at, unsigned *wraps);
/* Whether the header leads to another one. */
bool model_is_extension(unsigned header, bool v6);

bool guard_model_bpdu(const uint8_t destination[6], const uint8_t *body, uint32_t len);
bool guard_model_router(const uint8_t *body, uint32_t len);
bool guard_model_dhcp(const uint8_t *body, uint32_t len);
bool guard_model_spoofs(const struct vswitch_port_policy *policy, const uint8_t source[6], const uint8_t *body, uint32_t len);
/* Up to two addresses that are claimed; -1: nobody can say. */
int guard_model_claims(const uint8_t *body, uint32_t len, struct model_address claims[2]);
/* Bytes of type, IP and transport header of a frame to be segmented. */
uint32_t model_headers(const uint8_t *body);

#endif
