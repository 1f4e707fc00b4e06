/* SPDX-License-Identifier: MIT */
/*
 * Descriptor rings: the input is a ring of transmit descriptors and one of receive descriptors, worked off with the registers
 * around them set by the input's head. Whatever goes out must be a frame as the switch wants it (chip_send() looks).
 *
 *   head (16 bytes): flags, VET (2), CTRL and TCTL bits, RCTL (4), RXCSUM (2), frame length (2), number of transmit descriptors
 *   then descriptors of 16 bytes; addresses are kept inside RAM unless bit 63 is set
 */
#include "base/log.h"
#include "base/rd.h"
#include "e1000/test_chip.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RING = 256 };

static struct chip *chip;

struct head {
	uint8_t flags;		/* 1 VME, 2 PSP off, 4 loopback, 8 a pause each time, 16 a hole, 32 kicks in between */
	uint8_t vet[2];
	uint8_t num_tx;
	le32 rctl;
	le16 rxcsum;
	le16 frame_bytes;
	uint8_t frames;
	uint8_t unused[3];
};
static_assert(sizeof(struct head) == 16, "as above");

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	hv_log_set_level(HV_LOG_ERROR - 1);
	chip = chip_new_with(E1000_82545EM, 0);
	for (uint32_t i = 0; i < CHIP_RAM_BYTES; i++)
		chip->ram[i] = (uint8_t)(i * 7 + (i >> 8) * 3);
	return 0;
}

static uint64_t address(le64 raw)
{
	const uint64_t v = le64_get(raw);

	return v >> 63 || !v ? v : CHIP_BASE + v % CHIP_RAM_BYTES;
}

static void set_up(const struct head *h)
{
	e1000_core_resume(&chip->core);
	e1000_core_power_on(&chip->core);
	e1000_core_set_bus_master(&chip->core, true);
	chip_pass(chip, 20000000);
	chip->pause = h->flags & 8;
	chip->hole = h->flags & 16;
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | (h->flags & 1 ? E1000_CTRL_VME : 0));
	chip_write(chip, E1000_VET, (uint32_t)(h->vet[0] << 8 | h->vet[1]));
	chip_write(chip, E1000_RXCSUM, le16_get(h->rxcsum));
	chip_rx_start(chip, RING, 0, (le32_get(h->rctl) & ~(uint32_t)(3u << E1000_RCTL_LBM_SHIFT)) |
		      (h->flags & 4 ? 3u << E1000_RCTL_LBM_SHIFT : 0));
	chip_tx_start(chip, RING);
	if (h->flags & 2)
		chip_write(chip, E1000_TCTL, E1000_TCTL_EN);
}

static void transmit(const struct head *h, struct rd *r)
{
	struct e1000_tx_desc d;

	for (unsigned i = 0; i < h->num_tx && rd_copy(r, &d, sizeof(d)); i++) {
		const uint32_t lower = le32_get(d.lower);
		const bool context = lower & E1000_TXD_CMD_DEXT && !(lower & E1000_TXD_DTYP_MASK);

		chip_tx_put(chip, context ? le64_get(d.buffer) : address(d.buffer), lower, le32_get(d.upper));
		if (h->flags & 32)
			chip_write(chip, E1000_TDT, chip->tx_tail);
		if (h->flags & 32 && i % 3 == 0)
			e1000_core_poll(&chip->core);
	}
	chip_write(chip, E1000_TDT, chip->tx_tail);
	for (unsigned i = 0; i < 200 && (e1000_core_poll(&chip->core) || chip->core.tx.paused); i++)
		e1000_core_resume(&chip->core);
}

static void receive(const struct head *h, struct rd *r)
{
	static uint8_t f[17000];
	const uint32_t len = 14 + le16_get(h->frame_bytes) % 16900;
	struct e1000_rx_desc d;
	uint32_t n;

	for (n = 0; n < RING - 1 && rd_copy(r, &d, sizeof(d)); n++)
		chip_rx_desc(chip, n)->buffer = to_le64(address(d.buffer));
	chip_write(chip, E1000_RDT, n);
	chip_inbound(f, len);
	for (unsigned i = 0; i < h->frames % 64u; i++) {
		const struct vswitch_offload o = { .flags = i & 1 ? VSWITCH_VLAN : 0, .vlan_tci = (uint16_t)i };

		chip_receive_as(chip, f, 14 + (len - 14) * (i + 1) / 64, &o);
	}
	for (unsigned i = 0; i < 200 && e1000_core_poll(&chip->core); i++)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = { data, size };
	struct head h;

	if (!rd_copy(&r, &h, sizeof(h)))
		return 0;
	set_up(&h);
	transmit(&h, &r);
	receive(&h, &r);
	if (chip_read(chip, E1000_RDH) >= RING || chip_read(chip, E1000_TDH) >= RING)
		abort();
	return 0;
}
