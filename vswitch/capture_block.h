/* SPDX-License-Identifier: MIT */
/*
 * For readers of a capture's ring: takes the blocks apart that the switch wrote. Pure; any thread. Texts and data point into the
 * block. False: it is no such block, or not a whole one.
 */
#ifndef HVNET_VSWITCH_CAPTURE_BLOCK_H
#define HVNET_VSWITCH_CAPTURE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct capture_text {
	const char *s;			/* no NUL at its end; NULL: none */
	uint32_t n;
};

struct capture_packet {
	uint32_t interface;
	uint64_t time_ns;		/* since 1970 */
	const uint8_t *data;
	uint32_t captured, bytes;
	uint32_t flags;			/* PCAPNG_FLAG_… */
	struct capture_text comment;
};

struct capture_counts {
	uint64_t seen, accepted, dropped;
};

uint32_t capture_block_type(const uint8_t *block);
bool capture_read_interface(const uint8_t *block, uint32_t n, struct capture_text *name);
bool capture_read_packet(const uint8_t *block, uint32_t n, struct capture_packet *out);
bool capture_read_statistics(const uint8_t *block, uint32_t n, struct capture_counts *out);

#endif
