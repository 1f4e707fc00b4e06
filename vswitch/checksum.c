/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071). Sums are kept in memory order: the ones' complement sum does
 * not care for byte order as long as the result is stored as it was read.
 */
#include "vswitch/internal.h"

uint16_t checksum_fold(uint64_t sum)
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

uint64_t checksum_add(uint64_t sum, const void *data, size_t n, bool odd)
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
	s = checksum_fold(s);
	if (odd)
		s = (s >> 8 | s << 8) & 0xffff;
	return add_carry(sum, s);
}

uint64_t checksum_frame(const struct vswitch_frame *f, uint32_t from)
{
	struct frame_cursor c = frame_cursor_at(f, from);
	uint32_t left = f->len - from, n;
	bool odd = false;
	struct iovec iov;
	uint64_t sum = 0;

	while (left) {
		n = left;
		if (!frame_cursor_take(&c, &n, &iov, 1))
			break;
		sum = checksum_add(sum, iov.iov_base, iov.iov_len, odd);
		odd ^= iov.iov_len & 1;
		left -= n;
	}
	return sum;
}

uint64_t checksum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t transport_bytes)
{
	uint8_t tail[8] = { 0 };
	uint64_t sum;

	put_be32(tail, transport_bytes);
	tail[7] = protocol;
	if (ip[0] >> 4 == 4)
		sum = checksum_add(0, ip + 12, 8, false);
	else
		sum = checksum_add(0, ip + 8, 32, false);
	return checksum_add(sum, tail, sizeof(tail), false);
}

void checksum_ipv4_header(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, (size_t)(ip[0] & 15) * 4, false));
	memcpy(ip + 10, &sum, 2);
}
