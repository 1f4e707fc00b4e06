/* SPDX-License-Identifier: MIT */
/*
 * Rings of records in shared memory, both ends. Doorbells are not lost: a writer publishes, then looks
 * whether the reader sleeps; a reader says that it sleeps, then looks whether there is something;
 * the two fences pair with each other.
 */
#include <string.h>

#include "base/rd.h"
#include "vswitch/remote_ring.h"

static uint32_t offset(const struct remote_ring *r)
{
	return r->position & (r->bytes - 1);
}

void *remote_ring_reserve(struct remote_ring *r, uint32_t n, bool *broken)
{
	uint32_t used = r->position - atomic_load_explicit(&r->shared->tail, memory_order_acquire);
	uint32_t to_end = r->bytes - offset(r), pad = n > to_end ? to_end : 0;
	struct remote_record header = { pad, REMOTE_PAD };

	*broken = used > r->bytes;
	if (*broken || n > r->bytes / 2 || pad + n > r->bytes - used)
		return NULL;
	if (pad) {
		memcpy(r->data + offset(r), &header, sizeof(header));
		r->position += pad;
	}
	return r->data + offset(r);
}

void remote_ring_commit(struct remote_ring *r, uint32_t n)
{
	r->position += n;
	/* Publishes the record; pairs with the acquire in remote_ring_next(). */
	atomic_store_explicit(&r->shared->head, r->position, memory_order_release);
}

bool remote_ring_must_wake(struct remote_ring *r)
{
	/* Pairs with the fence in remote_ring_sleep(). */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&r->shared->sleeps, memory_order_relaxed);
}

/* A header that lies inside what was published, in one piece. */
static bool sound(const struct remote_ring *r, const struct remote_record *h, uint32_t there)
{
	return h->bytes >= sizeof(*h) && !(h->bytes & 7) && h->bytes <= there && h->bytes <= r->bytes - offset(r);
}

bool remote_ring_next(struct remote_ring *r, struct remote_record *header, const uint8_t **at, bool *broken)
{
	uint32_t there = atomic_load_explicit(&r->shared->head, memory_order_acquire) - r->position;

	*broken = there > r->bytes || there & 7;
	while (there && !*broken) {
		memcpy(header, r->data + offset(r), sizeof(*header));
		rd_fetched();
		*broken = !sound(r, header, there);
		if (*broken)
			return false;
		if (header->type != REMOTE_PAD) {
			*at = r->data + offset(r);
			return true;
		}
		remote_ring_consume(r, header->bytes);
		there -= header->bytes;
	}
	return false;
}

void remote_ring_consume(struct remote_ring *r, uint32_t n)
{
	r->position += n;
	/* Gives the room back; pairs with the acquire in remote_ring_reserve(). */
	atomic_store_explicit(&r->shared->tail, r->position, memory_order_release);
}

bool remote_ring_sleep(struct remote_ring *r)
{
	atomic_store_explicit(&r->shared->sleeps, 1, memory_order_relaxed);
	/* Pairs with the fence in remote_ring_must_wake(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&r->shared->head, memory_order_relaxed) == r->position)
		return true;
	remote_ring_awake(r);
	return false;
}

void remote_ring_awake(struct remote_ring *r)
{
	atomic_store_explicit(&r->shared->sleeps, 0, memory_order_relaxed);
}
