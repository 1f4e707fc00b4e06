/* SPDX-License-Identifier: MIT */
/*
 * A stream peer's bytes, cut into reads: the first byte says how. However it is cut, the same frames
 * come out, they lie inside of what was received, and they are read to the last byte, from a heap
 * block that ends there.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 1600 };

struct seen {
	uint64_t hash;			/* of all frames with their lengths */
	unsigned frames;
	bool broken;
};

static void ensure(bool x)
{
	if (!x)
		abort();
}

static void add(struct seen *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->hash = (s->hash ^ p[i]) * 0x100000001b3;	/* FNV-1a */
}

/* Takes the frames out of the first have bytes, from *off on. */
static void take(struct seen *s, const uint8_t *buf, size_t have, size_t *off)
{
	enum stream_status status = STREAM_FRAME;
	const uint8_t *frame;
	size_t before;
	uint32_t n;

	while (status == STREAM_FRAME) {
		before = *off;
		status = stream_next(buf, have, MAX_BYTES, off, &frame, &n);
		if (status != STREAM_FRAME) {
			ensure(*off == before);
			break;
		}
		ensure(n && n <= MAX_BYTES && frame == buf + before + STREAM_PREFIX_BYTES);
		ensure(*off == before + STREAM_PREFIX_BYTES + n && *off <= have);
		add(s, (const uint8_t *)&n, sizeof(n));
		add(s, frame, n);
		s->frames++;
	}
	s->broken = status == STREAM_BROKEN;
}

/* Bytes arrive step at a time, each read in a block that ends with it. */
static struct seen run(const uint8_t *data, size_t size, size_t step)
{
	struct seen s = { .hash = 0xcbf29ce484222325 };
	size_t off = 0, have = 0;
	uint8_t *block;

	do {
		have = size - have < step ? size : have + step;
		block = malloc(have ? have : 1);
		if (!block)
			abort();
		memcpy(block, data, have);
		take(&s, block, have, &off);
		free(block);
	} while (have < size && !s.broken);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;

	if (!size || size > 4096)
		return 0;
	whole = run(data + 1, size - 1, size);
	cut = run(data + 1, size - 1, 1 + data[0]);
	ensure(whole.hash == cut.hash && whole.frames == cut.frames && whole.broken == cut.broken);
	return 0;
}
