/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071) as the chip's inserter uses it, and the FCS (802.3, CRC-32).
 *
 * Sums are kept in memory order: the ones' complement sum does not care for byte order if it is stored as it was read.
 */
#include "e1000/internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <pthread.h>

bool e1000_insert_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t end, uint32_t at, bool never_zero)
{
	uint16_t sum;

	if (!end)
		end = len - 1;
	if (start > end || end >= len || at >= len || len - at < 2)
		return false;
	sum = (uint16_t)~hv_sum_fold(hv_sum_add(0, frame + start, end - start + 1, false));
	if (!sum && never_zero)
		sum = 0xffff;
	memcpy(frame + at, &sum, 2);
	return true;
}

/* ---- CRC-32 ---- */

#define CRC_POLYNOMIAL 0xedb88320u	/* reflected */

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;
static bool have_clmul;

static void crc_init(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint32_t v = i;

		for (unsigned bit = 0; bit < 8; bit++)
			v = v & 1 ? v >> 1 ^ CRC_POLYNOMIAL : v >> 1;
		crc_table[0][i] = v;
	}
	for (unsigned t = 1; t < 8; t++)
		for (unsigned i = 0; i < 256; i++)
			crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 0xff];
#if defined(__x86_64__)
	__builtin_cpu_init();
	have_clmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

/* Eight bytes a step, by eight tables. */
static uint32_t crc_tables(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		le32 low, high;
		uint32_t a, b;

		memcpy(&low, p, 4);
		memcpy(&high, p + 4, 4);
		a = le32_get(low) ^ crc;
		b = le32_get(high);
		crc = crc_table[7][a & 0xff] ^ crc_table[6][a >> 8 & 0xff] ^ crc_table[5][a >> 16 & 0xff] ^
		      crc_table[4][a >> 24] ^ crc_table[3][b & 0xff] ^ crc_table[2][b >> 8 & 0xff] ^
		      crc_table[1][b >> 16 & 0xff] ^ crc_table[0][b >> 24];
	}
	for (; n; p++, n--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xff];
	return crc;
}

#if defined(__x86_64__)
/*
 * Folds 64 bytes a step by carry-less multiplication (Gopal et al., "Fast CRC Computation Using PCLMULQDQ", Intel 2009,
 * whose names the constants have: x^n mod P, bit-reflected), and leaves the last 16 bytes to the tables. n ≥ 64, a multiple of 16.
 */
__attribute__((target("pclmul,sse4.1")))
static uint32_t crc_fold(uint32_t crc, const uint8_t *p, size_t n)
{
	const __m128i k1k2 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);	/* 64 bytes on */
	const __m128i k3k4 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);	/* 16 bytes on */
	uint8_t rest[16];
	__m128i x[4], low;

	for (unsigned i = 0; i < 4; i++)
		x[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
	x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
	for (p += 64, n -= 64; n >= 64; p += 64, n -= 64)
		for (unsigned i = 0; i < 4; i++) {
			low = _mm_clmulepi64_si128(x[i], k1k2, 0x00);
			x[i] = _mm_xor_si128(_mm_clmulepi64_si128(x[i], k1k2, 0x11), low);
			x[i] = _mm_xor_si128(x[i], _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
		}
	for (unsigned i = 1; i < 4; i++) {
		low = _mm_clmulepi64_si128(x[0], k3k4, 0x00);
		x[0] = _mm_xor_si128(_mm_clmulepi64_si128(x[0], k3k4, 0x11), low);
		x[0] = _mm_xor_si128(x[0], x[i]);
	}
	for (; n >= 16; p += 16, n -= 16) {
		low = _mm_clmulepi64_si128(x[0], k3k4, 0x00);
		x[0] = _mm_xor_si128(_mm_clmulepi64_si128(x[0], k3k4, 0x11), low);
		x[0] = _mm_xor_si128(x[0], _mm_loadu_si128((const __m128i *)(const void *)p));
	}
	_mm_storeu_si128((__m128i *)(void *)rest, x[0]);
	return crc_tables(0, rest, sizeof(rest));
}
#endif

uint32_t e1000_crc32(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	pthread_once(&crc_once, crc_init);
	crc = ~crc;
#if defined(__x86_64__)
	if (have_clmul && n >= 64) {
		const size_t folded = n & ~(size_t)15;

		crc = crc_fold(crc, p, folded);
		p += folded;
		n -= folded;
	}
#endif
	return ~crc_tables(crc, p, n);
}
