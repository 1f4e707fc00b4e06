/* SPDX-License-Identifier: MIT */
#include "base/checksum.h"

#include <string.h>

uint16_t hv_sum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

static inline uint64_t add_carry(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

uint64_t hv_sum_add(uint64_t sum, const void *data, size_t n, bool odd)
{
	const uint8_t *p = data;
	uint64_t s = 0, v;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		s = add_carry(s, v);
	}
	if (n) {
		v = 0;
		memcpy(&v, p, n);	/* the missing bytes are zeros behind it, in memory order */
		s = add_carry(s, v);
	}
	s = hv_sum_fold(s);
	if (odd)
		s = (s >> 8 | s << 8) & 0xffff;
	return add_carry(sum, s);
}
