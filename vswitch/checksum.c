/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071). Sums are kept in memory order: the ones' complement sum does
 * not care for byte order as long as the result is stored as it was read.
 */
#include "vswitch/internal.h"

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
		sum = hv_sum_add(sum, iov.iov_base, iov.iov_len, odd);
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
		sum = hv_sum_add(0, ip + 12, 8, false);
	else
		sum = hv_sum_add(0, ip + 8, 32, false);
	return hv_sum_add(sum, tail, sizeof(tail), false);
}

void checksum_ipv4_header(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~hv_sum_fold(hv_sum_add(0, ip, (size_t)(ip[0] & 15) * 4, false));
	memcpy(ip + 10, &sum, 2);
}
