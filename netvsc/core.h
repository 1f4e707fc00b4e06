/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the core's files share among themselves; see netvsc.h for the whole. */
#ifndef HVNET_NETVSC_CORE_H
#define HVNET_NETVSC_CORE_H

#include "netvsc/netvsc.h"

/* The only writer of n->state; checks nothing: the picture in netvsc.h is kept by the callers. */
void netvsc_set_state(struct netvsc *n, enum netvsc_state state);
void netvsc_fail(struct netvsc *n, enum netvsc_error error);

/* core_rndis.c: the control messages of one state, into out; false: the state has none to send now */
void netvsc_build_initialize(struct netvsc *n, struct netvsc_out *out);
void netvsc_build_start_query(struct netvsc *n, struct netvsc_out *out);
void netvsc_build_filter(struct netvsc *n, struct netvsc_out *out, uint32_t filter);
void netvsc_build_request(struct netvsc *n, struct netvsc_out *out);
void netvsc_build_halt(struct netvsc *n, struct netvsc_out *out);
/* Moves past the start-up queries that this version does not have; false when there is none left. */
bool netvsc_more_queries(struct netvsc *n);

#endif
