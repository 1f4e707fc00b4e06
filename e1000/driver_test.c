/* SPDX-License-Identifier: MIT */
/*
 * What stock drivers do, access by access: Linux' bring-up and its offline self-test, iPXE's and xv6' shorter ways.
 */
#include "base/test.h"
#include "e1000/test_chip.h"

/* ---- the self-test ---- */

static void pattern(struct chip *chip, uint32_t reg, uint32_t mask, uint32_t write)
{
	static const uint32_t patterns[] = { 0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff };

	for (unsigned i = 0; i < 4; i++) {
		chip_write(chip, reg, patterns[i] & write);
		if (chip_read(chip, reg) != (patterns[i] & write & mask)) {
			char what[64];

			snprintf(what, sizeof(what), "register %#x, pattern %#x", reg, patterns[i]);
			CU_FAIL(what);
			fprintf(stderr, "%s reads %#x\n", what, chip_read(chip, reg));
		}
	}
}

static void set(struct chip *chip, uint32_t reg, uint32_t mask, uint32_t write)
{
	chip_write(chip, reg, write & mask);
	CU_ASSERT((chip_read(chip, reg) & mask) == (write & mask));
}

static void register_test(void)
{
	static const struct {
		uint32_t reg, mask, write;
	} steps[] = {
		{ E1000_FCAL, 0xffffffff, 0xffffffff }, { E1000_FCAH, 0xffff, 0xffffffff }, { E1000_FCT, 0xffff, 0xffffffff },
		{ E1000_VET, 0xffff, 0xffffffff }, { E1000_RDTR, 0xffff, 0xffffffff }, { E1000_RDBAH, 0xffffffff, 0xffffffff },
		{ E1000_RDLEN, 0xfff80, 0xfffff }, { E1000_RDH, 0xffff, 0xffff }, { E1000_RDT, 0xffff, 0xffff },
		{ E1000_FCRTH, 0xfff8, 0xfff8 }, { E1000_FCTTV, 0xffff, 0xffff }, { E1000_TIPG, 0x3fffffff, 0x3fffffff },
		{ E1000_TDBAH, 0xffffffff, 0xffffffff }, { E1000_TDLEN, 0xfff80, 0xfffff },
	}, later[] = {
		{ E1000_RDBAL, 0xfffffff0, 0xffffffff }, { E1000_TXCW, 0xc000ffff, 0xffff },
		{ E1000_TDBAL, 0xfffffff0, 0xffffffff }, { E1000_TIDV, 0xffff, 0xffff },
	};
	struct chip *chip = chip_new();
	const uint32_t before = chip_read(chip, E1000_STATUS);
	uint8_t f[100];

	chip_write(chip, E1000_STATUS, 0xfffff833);
	CU_ASSERT((chip_read(chip, E1000_STATUS) & 0xfffff833) == (before & 0xfffff833));
	chip_write(chip, E1000_STATUS, before);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		pattern(chip, steps[i].reg, steps[i].mask, steps[i].write);
	set(chip, E1000_RCTL, 0xffffffff, 0);
	set(chip, E1000_RCTL, 0x06dfb3fe, 0x003ffffb);	/* on, in loopback, with garbage for rings */
	set(chip, E1000_TCTL, 0xffffffff, 0);
	set(chip, E1000_RCTL, 0x06dfb3fe, 0xffffffff);
	chip_inbound(f, sizeof(f));
	chip_receive(chip, f, sizeof(f));
	chip_run(chip);
	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		pattern(chip, later[i].reg, later[i].mask, later[i].write);
	for (unsigned i = 0; i < 15; i++)
		pattern(chip, E1000_RAH + 8 * i, 0x8003ffff, 0xffffffff);
	for (unsigned i = 0; i < 128; i++)
		pattern(chip, E1000_MTA + 4 * i, 0xffffffff, 0xffffffff);
	CU_ASSERT(!chip_count(chip, E1000_C_RX_RING_DMA) && !chip_count(chip, E1000_C_RX_DMA));
	chip_free(chip);
}

/* The handler: reads ICR while the line is high. */
static uint32_t handle(struct chip *chip, uint64_t ns)
{
	uint32_t got = 0;

	for (uint64_t passed = 0; passed < ns; passed += 100000) {
		if (chip->line)
			got |= chip_read(chip, E1000_ICR);
		chip_pass(chip, 100000);
	}
	return got;
}

static void interrupt_test(void)
{
	struct chip *chip = chip_new();

	/* it follows a reset that restarts the PHY, at whatever distance */
	for (unsigned delay = 0; delay < 50; delay += 7) {
		chip_write(chip, E1000_MDIC, 0x1340 | 1u << 21 | 1u << 26);
		chip_pass(chip, delay * 1000000ull + 20000000);
		chip_write(chip, E1000_IMC, 0xffffffff);
		chip_pass(chip, 10000000);
		for (unsigned i = 0; i < 10; i++) {
			const uint32_t m = 1u << i;

			chip_write(chip, E1000_IMC, m);
			chip_write(chip, E1000_ICS, m);
			CU_ASSERT(!(handle(chip, 10000000) & m));
			chip_write(chip, E1000_IMS, m);
			chip_write(chip, E1000_ICS, m);
			CU_ASSERT(handle(chip, 10000000) & m);
			chip_write(chip, E1000_IMC, ~m & 0x7fff);
			chip_write(chip, E1000_ICS, ~m & 0x7fff);
			CU_ASSERT(!handle(chip, 10000000));
		}
		chip_write(chip, E1000_IMC, 0xffffffff);
		chip_read(chip, E1000_ICR);
	}
	chip_free(chip);
}

static void phy_write(struct chip *chip, unsigned reg, uint16_t value)
{
	chip_write(chip, E1000_MDIC, (uint32_t)value | reg << 16 | 1u << 21 | 1u << 26);
	CU_ASSERT(chip_read(chip, E1000_MDIC) & E1000_MDIC_READY && !(chip_read(chip, E1000_MDIC) & E1000_MDIC_ERROR));
}

static uint16_t phy_read(struct chip *chip, unsigned reg)
{
	chip_write(chip, E1000_MDIC, reg << 16 | 1u << 21 | 2u << 26);
	return (uint16_t)chip_read(chip, E1000_MDIC);
}

static void phy_loopback(struct chip *chip)
{
	static const uint16_t steps[][2] = {
		{ 16, 0x0808 }, { 0, 0x9140 }, { 0, 0x8140 }, { 0, 0x4140 },
		{ 29, 0x001f }, { 30, 0x8ffc }, { 29, 0x001a }, { 30, 0x8ff0 },
	};

	for (unsigned i = 0; i < 8; i++)
		phy_write(chip, steps[i][0], steps[i][1]);
	chip_write(chip, E1000_CTRL, (chip_read(chip, E1000_CTRL) & ~(uint32_t)E1000_CTRL_SPEED_MASK) | E1000_CTRL_ILOS |
		   E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX | 2u << 8 | E1000_CTRL_FD);
	CU_ASSERT(phy_read(chip, 0) == 0x4140);
}

static void loopback_test(void)
{
	struct chip *chip = chip_new();
	uint32_t next = 0;

	for (unsigned i = 0; i < 256; i++) {
		uint8_t *b = chip->ram + CHIP_TX_DATA + 2048 * i;

		if (i >= 64)
			continue;	/* uninitialised in the driver, too */
		memset(b, 0xff, 1024);
		memset(b + 512, 0xaa, 511);
		b[512 + 10] = 0xbe;
		b[512 + 12] = 0xaf;
	}
	chip_tx_start(chip, 256);
	for (unsigned i = 0; i < 256; i++)
		chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA + 2048 * i,
			    E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS | E1000_TXD_CMD_RPS | 1024, 0);
	chip_write(chip, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP | 0x0f0 | 0x40000);
	chip_rx_start(chip, 256, 255, E1000_RCTL_BAM);
	phy_loopback(chip);
	for (unsigned round = 0; round < 10; round++) {
		next = (next + 64) % 256;
		chip_write(chip, E1000_TDT, next);
		chip_read(chip, E1000_STATUS);
		chip_run(chip);
		chip_pass(chip, 200000000);
		for (unsigned i = 0; i < 64; i++) {
			const uint8_t *b = chip_rx_buffer(chip, i);

			CU_ASSERT(b[3] == 0xff && b[522] == 0xbe && b[524] == 0xaf);
		}
	}
	CU_ASSERT(!chip->num_sent);
	for (unsigned i = 0; i < 256; i++)
		CU_ASSERT(!chip_tx_done(chip, i));	/* RPS asks for nothing */
	chip_free(chip);
}

/* ---- Linux' bring-up ---- */

static void linux_reset(struct chip *chip)
{
	struct e1000_core *c = &chip->core;

	chip_write(chip, E1000_PBA, 0x30);
	chip_write(chip, E1000_IMC, 0xffffffff);
	chip_write(chip, E1000_RCTL, 0);
	chip_write(chip, E1000_TCTL, E1000_TCTL_PSP);
	chip_read(chip, E1000_STATUS);
	chip_pass(chip, 10000000);
	e1000_core_io_write(c, E1000_IOADDR, 4, E1000_CTRL);
	e1000_core_io_write(c, E1000_IODATA, 4, chip_read(chip, E1000_CTRL) | E1000_CTRL_RST);
	CU_ASSERT(!(chip_read(chip, E1000_CTRL) & E1000_CTRL_RST));
	chip_pass(chip, 5000000);
	chip_write(chip, E1000_MANC, chip_read(chip, E1000_MANC) & ~0x2000u);
	chip_write(chip, E1000_IMC, 0xffffffff);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	chip_write(chip, E1000_WUC, 0);
	chip_read(chip, E1000_LEDCTL);
	chip_write(chip, E1000_VET, 0);
	for (unsigned i = 0; i < 128; i++)
		chip_write(chip, E1000_VFTA + 4 * i, 0);
	chip_write(chip, E1000_RAL, 0x015d1500);
	chip_write(chip, E1000_RAH, 0x80000302);
	for (unsigned i = 1; i < 15; i++) {
		chip_write(chip, E1000_RAL + 8 * i, 0);
		chip_write(chip, E1000_RAH + 8 * i, 0);
	}
	for (unsigned i = 0; i < 128; i++)
		chip_write(chip, E1000_MTA + 4 * i, 0);
	chip_write(chip, E1000_CTRL, (chip_read(chip, E1000_CTRL) | E1000_CTRL_SLU) &
		   ~(uint32_t)(E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX));
	CU_ASSERT(phy_read(chip, 2) == 0x141 && (phy_read(chip, 3) & 0xfff0) == 0xc20);
	phy_write(chip, 16, phy_read(chip, 16) | 0x0860);
	phy_write(chip, 0, phy_read(chip, 0) | 0x8000);
	phy_write(chip, 4, phy_read(chip, 4) | 0x0c00);
	phy_write(chip, 9, phy_read(chip, 9) | 0x0200);
	phy_write(chip, 0, phy_read(chip, 0) | 0x1200);
	chip_write(chip, E1000_FCT, 0x8808);
	chip_write(chip, E1000_FCAH, 0x100);
	chip_write(chip, E1000_FCAL, 0xc28001);
	chip_write(chip, E1000_FCTTV, 0xffff);
	chip_write(chip, E1000_FCRTL, 0x8000a000);
	chip_write(chip, E1000_FCRTH, 0xb000);
	chip_write(chip, E1000_TXDCTL, (chip_read(chip, E1000_TXDCTL) & ~0x3f0000u) | 0x1010000);
	for (uint32_t stat = 0x4000; stat <= 0x40fc; stat += 4)
		chip_read(chip, stat);
	chip_write(chip, E1000_VET, 0x8100);
	chip_write(chip, E1000_AIT, 0);
}

/* After the PHY has been powered up, which restarts it. */
static void linux_open(struct chip *chip)
{
	phy_write(chip, 0, phy_read(chip, 0) & 0xf7ff);
	chip_write(chip, E1000_RCTL, E1000_RCTL_BAM);
	chip_tx_start(chip, 256);
	chip_write(chip, E1000_TIPG, 0x602008);
	chip_write(chip, E1000_TIDV, 8);
	chip_write(chip, E1000_TADV, 32);
	chip_write(chip, E1000_TCTL, E1000_TCTL_PSP | 0x0f0 | 0x40000);		/* without EN */
	chip_write(chip, E1000_RADV, 8);
	chip_write(chip, E1000_ITR, 195);
	chip_rx_start(chip, 256, 0, E1000_RCTL_BAM);
	chip_write(chip, E1000_RXCSUM, chip_read(chip, E1000_RXCSUM) | E1000_RXCSUM_TUOFL);
	chip_write(chip, E1000_RDT, 254);
	chip_write(chip, E1000_IMS, 0x9d);
	chip_read(chip, E1000_STATUS);
	chip_write(chip, E1000_ICS, E1000_INT_LSC);
}

static void linux_comes_up(void)
{
	struct chip *chip = chip_new();
	uint8_t f[60];

	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & 0x20));	/* copper */
	linux_reset(chip);
	phy_write(chip, 0, phy_read(chip, 0) | 0x0800);		/* closed: the PHY sleeps */
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	linux_open(chip);
	CU_ASSERT(chip->line && chip_read(chip, E1000_ICR) & E1000_INT_LSC);
	/* its watchdog comes a jiffy later, and once it has seen no link not again for 2 s, interrupt or not */
	chip_pass(chip, 1000000);
	CU_ASSERT(chip->line && chip_read(chip, E1000_ICR) & E1000_INT_LSC);
	phy_read(chip, 1);
	CU_ASSERT((phy_read(chip, 1) & 0x24) == 0x24);
	CU_ASSERT((chip_read(chip, E1000_STATUS) & 0xc3) == 0x83);
	/* a frame that the stack has queued meanwhile */
	chip_frame(chip, 60);
	chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_LAST | E1000_TXD_CMD_IDE | 60, 0);
	chip_tx_kick(chip);
	CU_ASSERT(!chip->num_sent);
	chip_write(chip, E1000_TCTL, chip_read(chip, E1000_TCTL) | E1000_TCTL_EN);
	chip_run(chip);
	CU_ASSERT(chip->num_sent == 1);
	chip_pass(chip, 100000);
	CU_ASSERT(chip->line);
	/* one interrupt: ICR, IMC, STATUS, poll, IMS, STATUS */
	CU_ASSERT(chip_read(chip, E1000_ICR) & E1000_INT_TXDW && !chip->line);
	chip_write(chip, E1000_IMC, 0xffffffff);
	chip_inbound(f, 60);
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROPS && !chip->line);
	CU_ASSERT(le16_get(chip_rx_desc(chip, 0)->length) == 64);
	chip_write(chip, E1000_IMS, 0x9d);
	chip_pass(chip, 50000);
	CU_ASSERT(chip->line);
	/* the watchdog's own interrupt, every 2 s */
	chip_read(chip, E1000_ICR);
	chip_pass(chip, 2000000000);
	chip_write(chip, E1000_ICS, E1000_INT_RXDMT0);
	CU_ASSERT(chip->line && chip_read(chip, E1000_ICR) == E1000_INT_RXDMT0);
	chip_free(chip);
}

static void closing_is_quiet(void)
{
	struct chip *chip = chip_new();
	uint8_t f[60];

	linux_reset(chip);
	linux_open(chip);
	chip_pass(chip, 20000000);
	chip_write(chip, E1000_RCTL, 0);
	chip_write(chip, E1000_TCTL, 0);
	chip_write(chip, E1000_IMC, 0xffffffff);
	CU_ASSERT(!chip->line);
	memset(chip->ram, 0x5a, CHIP_RAM_BYTES);
	chip_inbound(f, 60);
	CU_ASSERT(chip_receive(chip, f, 60) == VSWITCH_DROP_NOT_READY);
	chip_run(chip);
	linux_reset(chip);
	for (uint32_t i = 0; i < CHIP_RAM_BYTES; i++)
		if (chip->ram[i] != 0x5a) {
			CU_FAIL("memory was written");
			break;
		}
	chip_free(chip);
}

/* ---- others ---- */

static void ipxe(void)
{
	struct chip *chip = chip_new();
	uint8_t f[60];

	chip_write(chip, E1000_CTRL, E1000_CTRL_RST | E1000_CTRL_PHY_RST);
	chip_pass(chip, 20000000);
	CU_ASSERT(chip_read(chip, E1000_RAL) == 0x015d1500 && chip_read(chip, E1000_RAH) == 0x80000302);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU);
	chip_pass(chip, 20000000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	chip_read(chip, E1000_ICR);
	chip_write(chip, E1000_RXDCTL, 1u << 25);
	CU_ASSERT(!(chip_read(chip, E1000_RXDCTL) & 1u << 25));	/* it waits for that */
	chip_rx_start(chip, 16, 8, E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_SECRC);
	chip_tx_start(chip, 16);
	chip_write(chip, E1000_TXDCTL, 1u << 25);
	chip_frame(chip, 60);
	chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_LAST | 60, 0);
	chip_tx_kick(chip);
	/* ICR is of use without a mask, and holds nothing that it takes for an error */
	CU_ASSERT(chip_read(chip, E1000_ICR) == (E1000_INT_TXDW | E1000_INT_TXQE));
	chip_inbound(f, 60);
	chip_receive(chip, f, 60);
	CU_ASSERT(chip_read(chip, E1000_ICR) & E1000_INT_RXT0);
	CU_ASSERT(!chip->edges);
	chip_free(chip);
}

/* No SLU, no EEPROM, a ring of 16, ICR acknowledged by writing. */
static void xv6(void)
{
	struct chip *chip = chip_new();
	uint8_t f[60];

	chip_write(chip, E1000_IMS, 0);
	chip_write(chip, E1000_CTRL, chip_read(chip, E1000_CTRL) | E1000_CTRL_RST);
	chip_write(chip, E1000_IMS, 0);
	chip_tx_start(chip, 16);
	chip_rx_start(chip, 16, 15, E1000_RCTL_BAM | E1000_RCTL_SECRC);
	chip_write(chip, E1000_RDTR, 0);
	chip_write(chip, E1000_RADV, 0);
	chip_write(chip, E1000_IMS, 1u << 7);
	chip_frame(chip, 60);
	chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, CHIP_LAST | 60, 0);
	chip_tx_kick(chip);
	CU_ASSERT(chip->num_sent == 1);
	chip_inbound(f, 60);
	chip_receive(chip, f, 60);
	CU_ASSERT(chip->line);
	chip_write(chip, E1000_ICR, 0xffffffff);
	CU_ASSERT(!chip->line);
	CU_ASSERT(chip_read(chip, E1000_RDT) == 15 && chip_read(chip, E1000_TDT) == 1);
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "Linux' register test", register_test },
	{ "Linux' interrupt test", interrupt_test },
	{ "Linux' loopback test", loopback_test },
	{ "Linux comes up", linux_comes_up },
	{ "closing is quiet", closing_is_quiet },
	{ "iPXE", ipxe },
	{ "xv6", xv6 },
};
HV_TEST_MAIN("e1000/drivers", tests)
