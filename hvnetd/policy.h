/* SPDX-License-Identifier: MIT */
/* What policy.c and acl.c share: members of configurations, and what the switch says of them. On the loop's thread. */
#ifndef HVNETD_POLICY_H
#define HVNETD_POLICY_H

#include <string.h>

#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

static inline bool is_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

static inline json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static inline const char *string(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

/* What the switch has refused, as an error. Returns -1. */
int policy_fail(const struct vswitch *sw, int ret, const struct vswitch_why *why, const char *what, struct rpc_error *err);

#endif
