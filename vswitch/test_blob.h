/* SPDX-License-Identifier: MIT */
/*
 * For tests and fuzzers of what is saved: whoever can write a blob can write its checksum.
 */
#ifndef HVNET_VSWITCH_TEST_BLOB_H
#define HVNET_VSWITCH_TEST_BLOB_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	TEST_NIC_BLOB_HEADER = 20,	/* of what is saved of a NIC */
	TEST_NIC_BLOB_RECORD = 100,	/* of one of its records */
};

/* Of flows: the last 8 of n bytes. */
static inline void test_sign_flows(uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n - 8; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	for (unsigned i = 0; i < 8; i++)
		p[n - 8 + i] = (uint8_t)(h >> 8 * i);
}

/* Of a NIC: in the header. */
static inline void test_sign_nic(uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	memset(p + 16, 0, 4);
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	for (unsigned i = 0; i < 4; i++)
		p[16 + i] = (uint8_t)(~crc >> 8 * i);
}

#endif
