/* SPDX-License-Identifier: MIT */
/*
 * What ring.c is made of and the litmus test compiles once, while it compiles ring.c several times: access to the
 * shared words, index arithmetic, the full barrier. Private to vmbus/.
 */
#ifndef HVNET_VMBUS_RING_IMPL_H
#define HVNET_VMBUS_RING_IMPL_H

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vmbus/ring.h"
#include "vmbus/vmbus_wire.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the shared words are accessed as native integers");

enum {
	RING_DESC_BYTES = sizeof(struct vmbus_pkt_desc),
	RING_SLACK_BYTES = 8,		/* never filled, so that full and empty differ */
	RING_MAX_PAGES = 1 << 19,	/* the data area stays below 2 GiB */
	RING_MAX_LENGTH8 = 0xffff,
};

/*
 * Store→load barrier. A locked operation on the stack is x86's cheapest one (half of mfence, measured), and every
 * compiler's thread sanitizer accepts it.
 */
static inline void ring_full_fence(void)
{
#if defined(__x86_64__)
	__asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Keeps the compiler, and only the compiler, from moving memory accesses across. */
static inline void ring_compiler_fence(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline uint32_t ring_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint32_t ring_load_acquire(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void ring_store(uint32_t *word, uint32_t v)
{
	__atomic_store_n(word, v, __ATOMIC_RELAXED);
}

static inline void ring_store_release(uint32_t *word, uint32_t v)
{
	__atomic_store_n(word, v, __ATOMIC_RELEASE);
}

static inline bool ring_index_ok(uint32_t index, uint32_t size)
{
	return index < size && index % 8 == 0;
}

/* Both indices were checked: < size. */
static inline uint32_t ring_used(uint32_t write, uint32_t read, uint32_t size)
{
	return write >= read ? write - read : size - read + write;
}

static inline uint32_t ring_free(uint32_t write, uint32_t read, uint32_t size)
{
	return size - RING_SLACK_BYTES - ring_used(write, read, size);
}

static inline uint32_t ring_advance(uint32_t index, uint32_t bytes, uint32_t size)
{
	index += bytes;
	return index >= size ? index - size : index;
}

#endif
