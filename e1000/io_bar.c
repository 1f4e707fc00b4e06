/* SPDX-License-Identifier: MIT */
/*
 * The I/O BAR: a window of one register (13.2.2). Drivers reset the chip through it, because on the bus a write to memory
 * that resets its target would never end.
 */
#include "e1000/internal.h"

uint64_t e1000_core_io_read(struct e1000_core *c, uint32_t offset, unsigned size_bytes)
{
	const uint32_t at = c->io_address;
	uint64_t value;

	e1000_core_thaw(c);
	if (size_bytes == 8)
		return e1000_core_io_read(c, offset, 4) | e1000_core_io_read(c, offset + 4, 4) << 32;
	switch (offset & ~3u) {
	case E1000_IOADDR:
		value = at;
		break;
	case E1000_IODATA:
		if ((at & 3) || at >= E1000_BAR0_BYTES) {
			e1000_count(c, E1000_C_IO_REFUSED);
			return 0;
		}
		value = e1000_core_read(c, at, 4);
		break;
	default:
		return 0;
	}
	return size_bytes == 4 ? value : value >> (offset & 3) * 8 & ((1u << size_bytes * 8) - 1);
}

void e1000_core_io_write(struct e1000_core *c, uint32_t offset, unsigned size_bytes, uint64_t value)
{
	e1000_core_thaw(c);
	if (size_bytes == 8) {
		e1000_core_io_write(c, offset, 4, value & 0xffffffff);
		e1000_core_io_write(c, offset + 4, 4, value >> 32);
		return;
	}
	if (size_bytes == 4 && offset == E1000_IOADDR) {
		c->io_address = (uint32_t)value;
		return;
	}
	if (offset < E1000_IODATA || offset >= E1000_IODATA + 4 || (c->io_address & 3) ||
	    c->io_address >= E1000_BAR0_BYTES) {
		e1000_count(c, E1000_C_IO_REFUSED);
		return;
	}
	e1000_core_write(c, c->io_address + (offset & 3), size_bytes, value);
}
