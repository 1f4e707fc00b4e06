/* SPDX-License-Identifier: MIT */
/*
 * The guest's buffers, and the receive buffer's sub-allocations ("slots"): who holds which. Our table is the only
 * truth; nothing in the guest's memory is ever asked.
 *
 * Free slots are a stack, so the one that came back last, and is in a cache, goes out first.
 */
#include <errno.h>
#include <stdlib.h>

#include "netvsp/internal.h"

static_assert((NETVSP_PAGE_BYTES & 63) == 0, "a slot's first cache line lies in one page");

int netvsp_buffer_get(struct netvsp_buffer *b, struct vmbus_channel *ch, uint32_t handle, uint16_t id)
{
	struct vmbus_gpadl *gpadl;
	int ret = vmbus_gpadl_get(ch, handle, &gpadl);

	if (ret)
		return ret;
	*b = (struct netvsp_buffer){ .gpadl = gpadl, .bytes = vmbus_gpadl_size(gpadl), .id = id };
	netvsp_buffer_moved(b);
	return 0;
}

void netvsp_buffer_put(struct netvsp_buffer *b)
{
	struct vmbus_gpadl *gpadl = b->gpadl;

	*b = (struct netvsp_buffer){ 0 };
	if (gpadl)
		vmbus_gpadl_put(gpadl);
}

void netvsp_buffer_moved(struct netvsp_buffer *b)
{
	uint32_t pages = b->bytes / NETVSP_PAGE_BYTES;

	if (!b->gpadl)
		return;
	b->pages = vmbus_gpadl_pages(b->gpadl);
	b->flat = pages ? b->pages[0] : NULL;
	for (uint32_t i = 1; i < pages && b->flat; i++)
		if (b->pages[i] != b->pages[i - 1] + NETVSP_PAGE_BYTES)
			b->flat = NULL;
}

void netvsp_buffer_write(const struct netvsp_buffer *b, uint32_t off, const void *src, uint32_t n)
{
	const uint8_t *from = src;

	while (n) {
		uint32_t room;
		uint8_t *to = netvsp_buffer_at(b, off, &room);

		if (room > n)
			room = n;
		memcpy(to, from, room);
		from += room;
		off += room;
		n -= room;
	}
}

uint32_t netvsp_slot_bytes(uint32_t frame_bytes)
{
	return (NETVSP_RX_DATA_OFFSET + frame_bytes + NETVSP_RX_TAG_BYTES + NETVSP_RX_TAIL_BYTES + 63) & ~63u;
}

static void push(struct netvsp_slots *s, enum netvsp_pool pool, uint32_t first, uint32_t last, uint32_t n)
{
	s->slot[last].next = s->first_free[pool];
	s->first_free[pool] = first;
	s->free[pool] += n;
}

static enum netvsp_pool pool_of(uint32_t slot)
{
	return slot < NETVSP_CONTROL_SLOTS ? NETVSP_POOL_CONTROL : NETVSP_POOL_DATA;
}

int netvsp_slots_create(struct netvsp_slots *s, uint32_t buffer_bytes, uint32_t frame_bytes)
{
	const uint32_t slot_bytes = netvsp_slot_bytes(frame_bytes);
	uint32_t count = buffer_bytes / slot_bytes;
	struct netvsp_slot *slot;

	if (count > NETVSP_RX_MAX_SLOTS)
		count = NETVSP_RX_MAX_SLOTS;
	if (count < NETVSP_CONTROL_SLOTS + NETVSP_QUEUES)
		return -ENOSPC;
	slot = calloc(count, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*s = (struct netvsp_slots){ .slot = slot, .count = count, .slot_bytes = slot_bytes,
				    .first_free = { NETVSP_NO_SLOT, NETVSP_NO_SLOT } };
	while (count--)
		push(s, pool_of(count), count, count, 1);
	return 0;
}

void netvsp_slots_destroy(struct netvsp_slots *s)
{
	free(s->slot);
	*s = (struct netvsp_slots){ 0 };
}

uint32_t netvsp_slots_take(struct netvsp_slots *s, enum netvsp_pool pool)
{
	const uint32_t i = s->first_free[pool];

	if (!s->free[pool])
		return NETVSP_NO_SLOT;
	s->first_free[pool] = s->slot[i].next;
	s->free[pool]--;
	return i;
}

void netvsp_slots_sent(struct netvsp_slots *s, uint32_t first, uint32_t last, uint32_t n)
{
	s->slot[first].chain_last = last;
	s->slot[first].chain_slots = n;
}

bool netvsp_slots_complete(struct netvsp_slots *s, uint64_t transaction_id)
{
	struct netvsp_slot *first;
	uint32_t n;

	if (transaction_id >= s->count)
		return false;
	first = &s->slot[transaction_id];
	n = first->chain_slots;
	if (!n)
		return false;
	first->chain_slots = 0;
	netvsp_slots_give_back(s, (uint32_t)transaction_id, first->chain_last, n);
	return true;
}

void netvsp_slots_give_back(struct netvsp_slots *s, uint32_t first, uint32_t last, uint32_t n)
{
	push(s, pool_of(first), first, last, n);
}
