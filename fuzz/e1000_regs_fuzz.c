/* SPDX-License-Identifier: MIT */
/*
 * A script of register accesses, with DMA on: writes and reads of any width, the I/O window, time, frames from the wire, guest
 * memory, the cable. Afterwards the device is saved and restored, and must say the same again.
 *
 * A step is an operation (1 byte) and its operands, little-endian; see step().
 */
#include "base/log.h"
#include "base/rd.h"
#include "e1000/test_chip.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 400, USED_RAM = 1 << 16 };

static struct chip *chip, *twin;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	hv_log_set_level(HV_LOG_ERROR - 1);
	chip = chip_new();
	twin = chip_new();
	return 0;
}

static uint32_t take(struct rd *r, unsigned bytes)
{
	uint8_t b[4] = { 0 };

	if (!rd_copy(r, b, bytes))
		r->left = 0;
	return le32_get((le32){ { b[0], b[1], b[2], b[3] } });
}

static void receive(struct rd *r)
{
	static uint8_t f[20000];
	const uint32_t len = 14 + take(r, 2) % 17000;
	const struct vswitch_offload o = { .flags = take(r, 1) & (VSWITCH_VLAN | VSWITCH_CSUM_VALID),
					   .vlan_tci = (uint16_t)take(r, 2) };
	uint32_t kind = take(r, 1);

	chip_inbound(f, len);
	if (kind & 1)
		memset(f, 0xff, 6);
	if (kind & 2) {		/* something with checksums to look at */
		f[12] = kind & 4 ? 0x86 : 0x08;
		f[13] = kind & 4 ? 0xdd : 0x00;
		f[14] = kind & 4 ? 0x60 : 0x45;
	}
	chip_receive_as(chip, f, len, &o);
}

static void step(struct rd *r)
{
	const uint32_t op = take(r, 1);
	uint32_t a, b;
	size_t n;

	switch (op & 15) {
	case 0:
	case 1:
	case 2:
		a = take(r, 2) * 4 % E1000_BAR0_BYTES;
		chip_write(chip, a, take(r, 4));
		return;
	case 3:
		chip_read(chip, take(r, 2) * 4 % E1000_BAR0_BYTES);
		return;
	case 4:
		b = 1u << (op >> 4 & 3);
		a = take(r, 4) % E1000_BAR0_BYTES & ~(b - 1);
		e1000_core_write(&chip->core, a, b, (uint64_t)take(r, 4) << 32 | take(r, 4));
		e1000_core_read(&chip->core, a, b);
		return;
	case 5:
		e1000_core_io_write(&chip->core, 0, 4, take(r, 4));
		e1000_core_io_write(&chip->core, 4, 4, take(r, 4));
		e1000_core_io_read(&chip->core, 4, 1u << (op >> 4 & 1));
		return;
	case 6:
	case 7:
		e1000_core_poll(&chip->core);
		return;
	case 8:
		chip_pass(chip, take(r, 2) * 1024);
		return;
	case 9:
		receive(r);
		return;
	case 10:
		chip->pause = op & 16;
		chip->hole = op & 32;
		e1000_core_set_wire(&chip->core, op & 64);
		e1000_core_set_bus_master(&chip->core, op & 128);
		e1000_core_resume(&chip->core);
		return;
	default:
		a = take(r, 2) % (USED_RAM - 64);
		n = op >> 4 & 3 ? 16 : 64;
		rd_copy(r, chip->ram + CHIP_TX_RING + a, n < r->left ? n : r->left);
		return;
	}
}

static void save_and_compare(void)
{
	uint8_t *a, *b;
	size_t n, m;

	if (e1000_core_save(&chip->core, &a, &n) || e1000_core_restore(&twin->core, a, n) ||
	    e1000_core_save(&twin->core, &b, &m) || n != m || memcmp(a, b, n))
		abort();
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = { data, size };

	memset(chip->ram + CHIP_TX_RING, 0, USED_RAM);
	chip->pause = chip->hole = false;
	e1000_core_resume(&chip->core);
	e1000_core_power_on(&chip->core);
	e1000_core_set_bus_master(&chip->core, true);
	e1000_core_set_wire(&chip->core, true);
	chip_pass(chip, 20000000);
	for (unsigned i = 0; i < STEPS && r.left; i++)
		step(&r);
	save_and_compare();
	return 0;
}
