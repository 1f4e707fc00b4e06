/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by its bus addresses, in contiguous pieces. Nothing while bus mastering is off.
 */
#include "e1000/internal.h"

static void *piece_at(struct e1000_core *c, uint64_t address, uint32_t *n, bool write)
{
	if (!c->bus_master || *n > UINT64_MAX - address)
		return NULL;
	return c->ops->dma(c->opaque, address, n, write);
}

bool e1000_dma_read(struct e1000_core *c, uint64_t address, void *dst, uint32_t n)
{
	uint8_t *to = dst;

	while (n) {
		uint32_t got = n;
		const void *from = piece_at(c, address, &got, false);

		if (!from)
			return false;
		memcpy(to, from, got);
		to += got;
		address += got;
		n -= got;
	}
	return true;
}

bool e1000_dma_pieces(struct e1000_core *c, uint64_t address, uint32_t n, bool write, struct iovec *piece,
		      unsigned max, unsigned *used)
{
	while (n) {
		uint32_t got = n;
		void *at = piece_at(c, address, &got, write);

		if (!at || *used == max)
			return false;
		piece[(*used)++] = (struct iovec){ at, got };
		address += got;
		n -= got;
	}
	return true;
}
