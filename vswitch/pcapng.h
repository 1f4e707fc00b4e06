/* SPDX-License-Identifier: MIT */
/*
 * Writes blocks of a pcapng file into memory. No state, no I/O; any thread. What is read of them elsewhere is in pcapng_wire.h.
 *
 * Each function writes one whole block, if it fits into room bytes, and returns the block's length; it returns 0 and leaves
 * the memory as it is if it does not.
 */
#ifndef HVNET_VSWITCH_PCAPNG_H
#define HVNET_VSWITCH_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#include "vswitch/pcapng_wire.h"

enum {
	PCAPNG_TEXT_MAX = 512,		/* our policy: longer texts are cut, at the end of a character */
};

struct pcapng_packet_desc {
	uint32_t interface;
	uint64_t time_ns;		/* since 1970 */
	uint32_t captured_bytes;
	uint32_t bytes;			/* on the wire, at least captured_bytes */
	uint32_t flags;			/* PCAPNG_FLAG_… */
	uint64_t dropped;		/* of this interface since its packet before; 0: none, left out */
	const char *comment;		/* NULL: none */
	const struct pcapng_offload *offload;	/* NULL: none */
};

struct pcapng_statistics_desc {
	uint32_t interface;
	uint64_t start_ns, end_ns;	/* since 1970 */
	uint64_t received;		/* frames that the interface saw */
	uint64_t accepted;		/* … that passed the filters */
	uint64_t dropped;		/* … that were lost for lack of room */
};

/* application: NULL: none. */
size_t pcapng_write_section(void *to, size_t room, const char *application);
/* snap_bytes 0: no limit. */
size_t pcapng_write_interface(void *to, size_t room, const char *name, const char *description, uint32_t snap_bytes);
/* All but the captured bytes themselves, which the caller puts to *data. */
size_t pcapng_write_packet(void *to, size_t room, const struct pcapng_packet_desc *d, uint8_t **data);
size_t pcapng_write_statistics(void *to, size_t room, const struct pcapng_statistics_desc *d);

/* The length of a statistics block, which is always the same. */
#define PCAPNG_STATISTICS_BYTES (sizeof(struct pcapng_statistics) + 5 * (sizeof(struct pcapng_option) + 8) + \
				 sizeof(struct pcapng_option) + PCAPNG_TRAILER_BYTES)

#endif
