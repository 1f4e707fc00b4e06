/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Little-endian wire types. A wire struct is made of these alone, so it has no padding and no
 * alignment, and a field that was not converted does not compile as a number.
 * Compiled unchanged for the kernel.
 *
 * Where the machine's order is the wire's, reading and writing is copying: gcc does not put bytes
 * that were taken apart together again, which made parsing a frame's header three times as slow.
 */
#ifndef HVNET_BASE_LE_H
#define HVNET_BASE_LE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

typedef struct { uint8_t b[2]; } le16;
typedef struct { uint8_t b[4]; } le32;
typedef struct { uint8_t b[8]; } le64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

static inline uint16_t le16_get(le16 v)
{
	uint16_t r;

	__builtin_memcpy(&r, v.b, sizeof(r));
	return r;
}

static inline le16 to_le16(uint16_t v)
{
	le16 r;

	__builtin_memcpy(r.b, &v, sizeof(r));
	return r;
}

static inline uint32_t le32_get(le32 v)
{
	uint32_t r;

	__builtin_memcpy(&r, v.b, sizeof(r));
	return r;
}

static inline le32 to_le32(uint32_t v)
{
	le32 r;

	__builtin_memcpy(r.b, &v, sizeof(r));
	return r;
}

static inline uint64_t le64_get(le64 v)
{
	uint64_t r;

	__builtin_memcpy(&r, v.b, sizeof(r));
	return r;
}

static inline le64 to_le64(uint64_t v)
{
	le64 r;

	__builtin_memcpy(r.b, &v, sizeof(r));
	return r;
}

#else

static inline uint16_t le16_get(le16 v)
{
	return (uint16_t)(v.b[0] | v.b[1] << 8);
}

static inline uint32_t le32_get(le32 v)
{
	return (uint32_t)v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16 |
	       (uint32_t)v.b[3] << 24;
}

static inline uint64_t le64_get(le64 v)
{
	return (uint64_t)v.b[0] | (uint64_t)v.b[1] << 8 | (uint64_t)v.b[2] << 16 |
	       (uint64_t)v.b[3] << 24 | (uint64_t)v.b[4] << 32 | (uint64_t)v.b[5] << 40 |
	       (uint64_t)v.b[6] << 48 | (uint64_t)v.b[7] << 56;
}

/* The masks say what the casts do: sparse asks for them where a constant is cut. */
static inline le16 to_le16(uint16_t v)
{
	return (le16){ { (uint8_t)(v & 0xff), (uint8_t)(v >> 8 & 0xff) } };
}

static inline le32 to_le32(uint32_t v)
{
	return (le32){ { (uint8_t)(v & 0xff), (uint8_t)(v >> 8 & 0xff), (uint8_t)(v >> 16 & 0xff),
			 (uint8_t)(v >> 24 & 0xff) } };
}

static inline le64 to_le64(uint64_t v)
{
	return (le64){ { (uint8_t)(v & 0xff), (uint8_t)(v >> 8 & 0xff), (uint8_t)(v >> 16 & 0xff),
			 (uint8_t)(v >> 24 & 0xff), (uint8_t)(v >> 32 & 0xff), (uint8_t)(v >> 40 & 0xff),
			 (uint8_t)(v >> 48 & 0xff), (uint8_t)(v >> 56 & 0xff) } };
}

#endif

#endif
