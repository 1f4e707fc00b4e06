/* SPDX-License-Identifier: MIT */
/*
 * The guards' parser on any frame: what it says lies inside the frame, it does not read beyond what it was given, and it says
 * the same however much of the frame it is shown at first.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/guard_parse.h"
#include "vswitch/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ensure(bool x)
{
	if (!x)
		abort();
}

/* In memory of exactly that size, so that a byte more is noticed. */
static bool parse(const uint8_t *data, uint32_t have, uint32_t len, struct guard_view *v)
{
	uint8_t *bytes = malloc(have);
	bool ok;

	memcpy(bytes, data, have);
	ok = guard_parse(bytes, have, len, v);
	free(bytes);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_view v, w;
	uint32_t len = (uint32_t)size, have = len < VSWITCH_GUARD_BYTES ? len : VSWITCH_GUARD_BYTES;

	if (size < 14 || size > 4096)
		return 0;
	if (!parse(data, have, len, &v)) {
		ensure(have < len);
		return 0;
	}
	if (!v.opaque)
		ensure(v.network_offset <= len);
	if (!v.opaque && !v.malformed && (v.network == GUARD_IPV4 || v.network == GUARD_IPV6)) {
		ensure(v.end <= len);
		if (!v.hidden)
			ensure(v.transport_offset <= v.end);
	}
	for (uint32_t n = 14; n < have; n += 7)
		if (parse(data, n, len, &w))
			ensure(w.opaque == v.opaque && w.malformed == v.malformed && w.hidden == v.hidden &&
			       w.later_fragment == v.later_fragment && w.protocol == v.protocol && w.network == v.network &&
			       w.transport_offset == v.transport_offset && w.end == v.end);
	return 0;
}
