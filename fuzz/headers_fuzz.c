/* SPDX-License-Identifier: MIT */
/*
 * The parser of headers on any frame, and those who build on it: it reads nothing that it was not given, says the same however much
 * of the frame it is shown, and guards and ACLs do not contradict each other about a frame. First byte: how the frame is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "vswitch/flow.h"
#include "vswitch/guard_parse.h"
#include "vswitch/headers.h"
#include "vswitch/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ensure(bool x)
{
	if (!x)
		abort();
}

/* In memory of exactly that size, so that a byte more is noticed. */
static enum headers_result parse(const uint8_t *p, uint32_t have, uint32_t len, enum headers_reader reader, struct headers *h)
{
	uint8_t *block = malloc(have ? have : 1);
	enum headers_result r;

	if (!block)
		abort();
	memcpy(block, p, have);
	r = headers_of_frame(block, have, len, reader, h);
	free(block);
	return r;
}

static bool same(const struct headers *a, const struct headers *b)
{
	return a->type == b->type && a->wraps == b->wraps && a->version == b->version && a->protocol == b->protocol &&
	       a->more_fragments == b->more_fragments && a->fragment_offset == b->fragment_offset &&
	       a->fragment_id == b->fragment_id && a->network == b->network && a->transport == b->transport && a->end == b->end;
}

static void look_at(enum headers_result r, const struct headers *h, uint32_t len)
{
	ensure(r != HEADERS_MORE);
	ensure(h->wraps <= HEADERS_WRAPS_MAX && h->end <= len && h->network <= len);
	if (r != HEADERS_FOUND || !h->version)
		return;
	ensure(h->version == (h->type == HEADERS_TYPE_IPV4 ? 4 : 6));
	ensure(h->network < h->transport && h->transport <= h->end);
}

static void by_reader(const uint8_t *p, uint32_t len, uint8_t step, enum headers_reader reader)
{
	struct headers whole, part;
	enum headers_result r = parse(p, len, len, reader, &whole), s;

	look_at(r, &whole, len);
	for (uint32_t have = 0; have < len; have += 1 + step % 9) {
		s = parse(p, have, len, reader, &part);
		ensure(s == r || s == HEADERS_MORE);
		ensure(s == HEADERS_MORE || same(&whole, &part));
	}
}

/* What is a whole packet for the ACLs is the same for the guards. */
static void compare_users(const uint8_t *p, uint32_t len)
{
	uint32_t have = len < VSWITCH_GUARD_BYTES ? len : VSWITCH_GUARD_BYTES;
	struct guard_view v;
	struct flow f;

	if (flow_parse(p, len, len, &f) != FLOW_IP || !guard_parse(p, have, len, &v))
		return;
	ensure(v.network == (f.version == 4 ? GUARD_IPV4 : GUARD_IPV6));
	ensure(!v.opaque && !v.malformed);
	if (f.protocol != 51)
		ensure(!v.hidden && v.protocol == f.protocol && v.later_fragment == (f.fragment == FLOW_LATER));
}

static void quotation(const uint8_t *p, uint32_t len, uint8_t version)
{
	struct headers h;
	uint8_t *block = malloc(len);
	enum headers_result r;

	if (!block)
		abort();
	memcpy(block, p, len);
	r = headers_of_quotation(block, 14, len, len, version, &h);
	ensure(r != HEADERS_MORE && r != HEADERS_TOO_WRAPPED && h.end <= len);
	ensure(r != HEADERS_FOUND || (h.version == version && h.transport <= h.end));
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t len;

	if (size < 2 || size > 2048)
		return 0;
	len = (uint32_t)size - 1;
	by_reader(data + 1, len, data[0], HEADERS_SOBER);
	by_reader(data + 1, len, data[0], HEADERS_CREDULOUS);
	if (len < 14)
		return 0;
	compare_users(data + 1, len);
	quotation(data + 1, len, 4);
	quotation(data + 1, len, 6);
	return 0;
}
