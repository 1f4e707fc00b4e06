/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a capture's ring. The two processes share nothing but two positions, each written by one of them, so neither
 * can do the other more harm than to give it nonsense to read or no room to write.
 */
#include "vswitch/capture_ring.h"

#include <string.h>

#include "vswitch/pcapng_wire.h"

/* The writer. */

void capture_writer_init(struct capture_writer *w, struct vswitch_capture_ring *ring)
{
	*w = (struct capture_writer){ .ring = ring, .bytes = ring->bytes };
}

static uint64_t room_of(const struct capture_writer *w)
{
	return w->bytes - (w->head - w->tail);
}

static void look_at_tail(struct capture_writer *w)
{
	/* The reader is done with what lies before; pairs with the release in vswitch_capture_release(). */
	uint64_t tail = atomic_load_explicit(&w->ring->tail, memory_order_acquire);

	if (tail - w->tail <= w->head - w->tail)	/* else a reader that lies: no more room than before */
		w->tail = tail;
}

static bool add(struct capture_writer *w, size_t keep, capture_block block, void *arg)
{
	uint32_t at = (uint32_t)(w->head % w->bytes), to_end = w->bytes - at;
	uint64_t room = room_of(w);
	static const le32 nothing;
	uint32_t skipped = 0;
	size_t n;

	if (room < keep)
		return false;
	room -= keep;
	n = block(w->ring->data + at, room < to_end ? room : to_end, arg);
	if (!n && room > to_end) {
		n = block(w->ring->data, room - to_end, arg);
		skipped = to_end;
	}
	if (!n)
		return false;
	if (skipped)
		memcpy(w->ring->data + at, &nothing, sizeof(nothing));
	w->head += skipped + n;
	/* The blocks before are whole; pairs with the acquire in vswitch_capture_next(). */
	atomic_store_explicit(&w->ring->head, w->head, memory_order_release);
	return true;
}

bool capture_writer_add(struct capture_writer *w, size_t keep, capture_block block, void *arg)
{
	if (add(w, keep, block, arg))
		return true;
	look_at_tail(w);
	return add(w, keep, block, arg);
}

/* The reader. */

const uint8_t *vswitch_capture_next(struct vswitch_capture_ring *ring, uint64_t *position, uint32_t *n)
{
	uint64_t left = atomic_load_explicit(&ring->head, memory_order_acquire) - *position;
	uint32_t at = (uint32_t)(*position % ring->bytes), to_end = ring->bytes - at;
	struct pcapng_block block;

	if (left >= sizeof(le32)) {
		memcpy(&block.type, ring->data + at, sizeof(block.type));
		if (!le32_get(block.type)) {
			*position += to_end;
			left = left > to_end ? left - to_end : 0;
			at = 0;
			to_end = ring->bytes;
		}
	}
	if (left < sizeof(block) || to_end < sizeof(block))
		return NULL;
	memcpy(&block, ring->data + at, sizeof(block));
	*n = le32_get(block.length);
	/* A switch that is not ours, or memory that another has written to. */
	if (*n < sizeof(block) || *n % 4 || *n > left || *n > to_end)
		return NULL;
	*position += *n;
	return ring->data + at;
}

void vswitch_capture_release(struct vswitch_capture_ring *ring, uint64_t position)
{
	/* What lies before was read; pairs with the acquire in look_at_tail(). */
	atomic_store_explicit(&ring->tail, position, memory_order_release);
}
