/* SPDX-License-Identifier: MIT */
/*
 * A ring is a byte queue with two indices in a control page that both ends may write: we believe only what we
 * checked, once, in a local. Each end keeps its own index privately and publishes it; of the peer's it remembers the last
 * checked value, so the shared cache line is read only when that is used up.
 *
 * Sleeping needs four store→load barriers, in two pairs. A pair's ends each store one word and then load the
 * other's; with both barriers at least one of them sees the other's store, so either the sleeper stays awake or the
 * other one signals:
 *
 *   vmbus_ring_publish()         stores write_index          | loads interrupt_mask      VMBUS_FENCE_PUBLISH
 *   vmbus_ring_unmask()          stores interrupt_mask = 0   | loads write_index         VMBUS_FENCE_UNMASK
 *
 *   vmbus_ring_wait_for_space()  stores pending_send_bytes   | loads read_index          VMBUS_FENCE_WAIT_SPACE
 *   vmbus_ring_release()         stores read_index           | loads pending_send_bytes  VMBUS_FENCE_RELEASE
 *
 * Each is a macro of its own so that ring_barrier_test.c can compile this file without one and show that a wake-up
 * is then lost; the compiler's barrier stays, so it is the processor that is tested.
 */
#include "vmbus/ring_impl.h"

#ifdef VMBUS_NO_FENCE_PUBLISH
#define VMBUS_FENCE_PUBLISH() ring_compiler_fence()
#else
#define VMBUS_FENCE_PUBLISH() ring_full_fence()
#endif
#ifdef VMBUS_NO_FENCE_UNMASK
#define VMBUS_FENCE_UNMASK() ring_compiler_fence()
#else
#define VMBUS_FENCE_UNMASK() ring_full_fence()
#endif
#ifdef VMBUS_NO_FENCE_WAIT_SPACE
#define VMBUS_FENCE_WAIT_SPACE() ring_compiler_fence()
#else
#define VMBUS_FENCE_WAIT_SPACE() ring_full_fence()
#endif
#ifdef VMBUS_NO_FENCE_RELEASE
#define VMBUS_FENCE_RELEASE() ring_compiler_fence()
#else
#define VMBUS_FENCE_RELEASE() ring_full_fence()
#endif

/* ---- producer ---- */

void vmbus_ring_out_move(struct vmbus_ring_out *r, void *base)
{
	r->ctl = base;
	r->data = base ? (uint8_t *)base + VMBUS_PAGE_BYTES : NULL;
}

int vmbus_ring_out_init(struct vmbus_ring_out *r, void *base, uint32_t pages)
{
	struct vmbus_ring_ctl *ctl = base;
	uint32_t size, write, read;

	if (pages < 2 || pages > RING_MAX_PAGES)
		return -EINVAL;
	size = (pages - 1) * VMBUS_PAGE_BYTES;
	write = ring_load(&ctl->write_index);
	read = ring_load_acquire(&ctl->read_index);
	if (!ring_index_ok(write, size) || !ring_index_ok(read, size))
		return -EPROTO;
	*r = (struct vmbus_ring_out){ .size = size, .write = write, .published = write, .read_seen = read };
	vmbus_ring_out_move(r, base);
	ring_store(&ctl->pending_send_bytes, 0);
	ring_store(&ctl->features, ring_load(&ctl->features) | VMBUS_RING_PENDING_SEND);
	return 0;
}

/* Looks at the consumer's index again; false, and the ring is dead, if it is impossible. */
static inline bool ring_out_look(struct vmbus_ring_out *r)
{
	/* acquire: what was consumed may be overwritten; pairs with the store in vmbus_ring_release() */
	uint32_t read = ring_load_acquire(&r->ctl->read_index);

	if (!ring_index_ok(read, r->size)) {
		r->corrupt = true;
		return false;
	}
	r->read_seen = read;
	return true;
}

uint32_t vmbus_ring_free(struct vmbus_ring_out *r)
{
	if (r->corrupt || !ring_out_look(r))
		return 0;
	return ring_free(r->write, r->read_seen, r->size);
}

int vmbus_ring_reserve(struct vmbus_ring_out *r, uint32_t extra_bytes, uint32_t payload_bytes, void **extra,
		       void **payload)
{
	const uint64_t length = RING_DESC_BYTES + (((uint64_t)extra_bytes + payload_bytes + 7) & ~7ull);
	const uint64_t space = length + VMBUS_RING_FOOTER_BYTES;
	uint8_t *packet;

	assert(extra_bytes % 8 == 0);
	if (r->corrupt)
		return -EPROTO;
	if (space > ring_free(r->write, r->read_seen, r->size)) {
		if (length / 8 > RING_MAX_LENGTH8 || space > r->size - RING_SLACK_BYTES)
			return -EMSGSIZE;
		if (!ring_out_look(r))
			return -EPROTO;
		if (space > ring_free(r->write, r->read_seen, r->size)) {
			r->full++;
			return -EAGAIN;
		}
	} else if (length / 8 > RING_MAX_LENGTH8) {
		return -EMSGSIZE;
	}
	r->reserved_extra = extra_bytes;
	r->reserved_payload = payload_bytes;
	packet = r->data + r->write;
	if (extra)
		*extra = packet + RING_DESC_BYTES;
	*payload = packet + RING_DESC_BYTES + extra_bytes;
	return 0;
}

void vmbus_ring_commit(struct vmbus_ring_out *r, uint16_t type, bool wants_completion, uint64_t transaction_id)
{
	const uint32_t used = RING_DESC_BYTES + r->reserved_extra + r->reserved_payload;
	const uint32_t length = (used + 7) & ~7u;
	const uint64_t desc = type | (uint64_t)((RING_DESC_BYTES + r->reserved_extra) / 8) << 16 |
			      (uint64_t)(length / 8) << 32 |
			      (uint64_t)(wants_completion ? VMBUS_PKT_COMPLETION_REQUESTED : 0) << 48;
	const uint64_t footer = (uint64_t)r->write << 32;
	uint8_t *packet = r->data + r->write;

	memcpy(packet, &desc, 8);
	memcpy(packet + 8, &transaction_id, 8);
	if (length != used)
		memset(packet + used, 0, length - used);
	memcpy(packet + length, &footer, 8);
	r->write = ring_advance(r->write, length + VMBUS_RING_FOOTER_BYTES, r->size);
	r->reserved_extra = r->reserved_payload = 0;
}

int vmbus_ring_write(struct vmbus_ring_out *r, uint16_t type, bool wants_completion, uint64_t transaction_id,
		     const void *payload, uint32_t payload_bytes)
{
	void *to;
	int ret = vmbus_ring_reserve(r, 0, payload_bytes, NULL, &to);

	if (ret)
		return ret;
	memcpy(to, payload, payload_bytes);
	vmbus_ring_commit(r, type, wants_completion, transaction_id);
	return 0;
}

bool vmbus_ring_publish(struct vmbus_ring_out *r)
{
	const uint32_t old = r->published;

	if (r->corrupt || r->write == old)
		return false;
	/* publishes the packets; pairs with the acquire in vmbus_ring_next() */
	ring_store_release(&r->ctl->write_index, r->write);
	r->published = r->write;
	VMBUS_FENCE_PUBLISH();		/* partner: VMBUS_FENCE_UNMASK */
	if (ring_load(&r->ctl->interrupt_mask))
		return false;
	if (!ring_out_look(r) || r->read_seen != old)
		return false;		/* the consumer has not emptied the ring, so it cannot be asleep */
	r->signals++;
	return true;
}

bool vmbus_ring_wait_for_space(struct vmbus_ring_out *r, uint32_t need)
{
	uint32_t most = r->size - RING_SLACK_BYTES;

	if (r->corrupt)
		return true;
	assert(r->write == r->published);
	need = need > most ? most : (need + 7) & ~7u;
	ring_store(&r->ctl->pending_send_bytes, need);
	VMBUS_FENCE_WAIT_SPACE();	/* partner: VMBUS_FENCE_RELEASE */
	if (ring_out_look(r) && ring_free(r->write, r->read_seen, r->size) < need)
		return false;
	ring_store(&r->ctl->pending_send_bytes, 0);
	return true;
}

void vmbus_ring_stop_waiting(struct vmbus_ring_out *r)
{
	ring_store(&r->ctl->pending_send_bytes, 0);
}

bool vmbus_ring_neglected(struct vmbus_ring_out *r)
{
	return !r->corrupt && !ring_load(&r->ctl->interrupt_mask) && ring_out_look(r) && r->read_seen != r->published;
}

/* ---- consumer ---- */

void vmbus_ring_in_move(struct vmbus_ring_in *r, void *base)
{
	r->ctl = base;
	r->data = base ? (const uint8_t *)base + VMBUS_PAGE_BYTES : NULL;
}

int vmbus_ring_in_init(struct vmbus_ring_in *r, void *base, uint32_t pages)
{
	struct vmbus_ring_ctl *ctl = base;
	uint32_t size, write, read;

	if (pages < 2 || pages > RING_MAX_PAGES)
		return -EINVAL;
	size = (pages - 1) * VMBUS_PAGE_BYTES;
	read = ring_load(&ctl->read_index);
	write = ring_load_acquire(&ctl->write_index);
	if (!ring_index_ok(write, size) || !ring_index_ok(read, size))
		return -EPROTO;
	*r = (struct vmbus_ring_in){ .size = size, .read = read, .released = read, .write_seen = write };
	vmbus_ring_in_move(r, base);
	return 0;
}

/* Looks at the producer's index again; false, and the ring is dead, if it is impossible. */
static inline bool ring_in_look(struct vmbus_ring_in *r)
{
	/* acquire: the packets are there; pairs with the store in vmbus_ring_publish() */
	uint32_t write = ring_load_acquire(&r->ctl->write_index);

	if (!ring_index_ok(write, r->size)) {
		r->corrupt = true;
		return false;
	}
	r->write_seen = write;
	return true;
}

int vmbus_ring_next(struct vmbus_ring_in *r, void *buf, size_t cap, struct vmbus_packet *pkt)
{
	uint32_t available, offset, length;
	const uint8_t *packet;
	uint64_t desc, id;
	uint16_t type, flags;

	if (r->corrupt)
		return -EPROTO;
	if (r->read == r->write_seen) {
		if (!ring_in_look(r))
			return -EPROTO;
		if (r->read == r->write_seen)
			return 0;
	}
	available = ring_used(r->write_seen, r->read, r->size);
	packet = r->data + r->read;
	if (available < RING_DESC_BYTES + VMBUS_RING_FOOTER_BYTES)
		goto corrupt;
	/* The descriptor is fetched once: atomics cannot be fetched again behind our back. */
	desc = __atomic_load_n((const uint64_t *)packet, __ATOMIC_RELAXED);
	id = __atomic_load_n((const uint64_t *)packet + 1, __ATOMIC_RELAXED);
	offset = (desc >> 16 & 0xffff) * 8;
	length = (desc >> 32 & 0xffff) * 8;
	flags = desc >> 48;
	type = (uint16_t)desc;
	if (offset < RING_DESC_BYTES || length < offset || length + VMBUS_RING_FOOTER_BYTES > available ||
	    length - RING_DESC_BYTES > cap || (flags & ~VMBUS_PKT_COMPLETION_REQUESTED))
		goto corrupt;
	if ((type == VMBUS_PKT_DATA_TRANSFER_PAGES || type == VMBUS_PKT_DATA_GPA_DIRECT) &&
	    offset < RING_DESC_BYTES + 8)
		goto corrupt;
	memcpy(buf, packet + RING_DESC_BYTES, length - RING_DESC_BYTES);
	ring_compiler_fence();		/* whoever parses buf reads buf, not the ring again */
	pkt->type = type;
	pkt->wants_completion = flags & VMBUS_PKT_COMPLETION_REQUESTED;
	pkt->transaction_id = id;
	pkt->extra = buf;
	pkt->extra_bytes = offset - RING_DESC_BYTES;
	pkt->payload = (const uint8_t *)buf + pkt->extra_bytes;
	pkt->payload_bytes = length - offset;
	r->read = ring_advance(r->read, length + VMBUS_RING_FOOTER_BYTES, r->size);
	return 1;

corrupt:
	r->corrupt = true;
	return -EPROTO;
}

bool vmbus_ring_release(struct vmbus_ring_in *r)
{
	const uint32_t old = r->released;
	uint32_t pending;

	if (r->corrupt || r->read == old)
		return false;
	/* our copies are done; pairs with the acquire in ring_out_look() */
	ring_store_release(&r->ctl->read_index, r->read);
	r->released = r->read;
	if (!(ring_load(&r->ctl->features) & VMBUS_RING_PENDING_SEND))
		return false;
	VMBUS_FENCE_RELEASE();		/* partner: VMBUS_FENCE_WAIT_SPACE */
	/*
	 * Some producers store the ring's size - 1. acquire: the write index is loaded after it, one of before the
	 * producer began to wait could hide the transition.
	 */
	pending = ring_load_acquire(&r->ctl->pending_send_bytes) & ~7u;
	if (!pending || !ring_in_look(r))
		return false;
	if (ring_free(r->write_seen, old, r->size) >= pending ||
	    ring_free(r->write_seen, r->read, r->size) < pending)
		return false;		/* did not wait before, or not enough yet: a later release will tell */
	r->signals++;
	return true;
}

void vmbus_ring_mask(struct vmbus_ring_in *r)
{
	ring_store(&r->ctl->interrupt_mask, 1);
}

bool vmbus_ring_unmask(struct vmbus_ring_in *r)
{
	if (r->corrupt)
		return false;
	assert(r->read == r->released);
	ring_store(&r->ctl->interrupt_mask, 0);
	VMBUS_FENCE_UNMASK();		/* partner: VMBUS_FENCE_PUBLISH */
	if (ring_in_look(r) && r->write_seen == r->read)
		return true;
	ring_store(&r->ctl->interrupt_mask, 1);
	return false;
}

bool vmbus_ring_has_packet(struct vmbus_ring_in *r)
{
	return !r->corrupt && ring_in_look(r) && r->write_seen != r->read;
}
