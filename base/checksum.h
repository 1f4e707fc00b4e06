/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum's ones' complement sum (RFC 1071), over bytes in pieces. Sums are kept in memory order: the sum does
 * not care for byte order as long as the result is stored as it was read.
 */
#ifndef HVNET_BASE_CHECKSUM_H
#define HVNET_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds n bytes to a sum; odd: they begin at an odd offset of what is summed. */
uint64_t hv_sum_add(uint64_t sum, const void *data, size_t n, bool odd);
/* To 16 bits in memory order, not complemented. */
uint16_t hv_sum_fold(uint64_t sum);

#endif
