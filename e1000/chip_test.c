/* SPDX-License-Identifier: MIT */
/* Registers, EEPROM, PHY, link, resets. */
#include "base/test.h"
#include "e1000/test_chip.h"

/* ---- registers ---- */

static void table_is_sound(void)
{
	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];
		uint32_t real = 0;

		CU_ASSERT(!(r->offset & 3));
		CU_ASSERT(!(r->reset & ~r->readable));
		CU_ASSERT(r->count == 0 || (r->stride && r->count > 1));
		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++) {
			const uint32_t at = r->offset + n * r->stride;

			CU_ASSERT_FATAL(at < E1000_REGISTERS_END);
			CU_ASSERT(e1000_reg_find(E1000_82540EM, at, &real) == r);	/* nobody else is there */
			CU_ASSERT(real == at);
		}
	}
}

static void every_register_has_its_reset_value(void)
{
	struct chip *chip = chip_new();

	e1000_core_power_on(&chip->core);
	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];

		if (r->offset == E1000_STATUS || r->offset == E1000_EECD)
			continue;	/* computed, below */
		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++) {
			uint32_t want = r->reset;

			if (r->offset == E1000_RAL && !n)
				want = 0x015d1500;
			if (r->offset == E1000_RAH && !n)
				want = 0x80000302;
			if (chip_read(chip, r->offset + n * r->stride) != want)
				CU_FAIL(r->name);
		}
	}
	CU_ASSERT(chip_read(chip, E1000_EECD) == 0x118);
	CU_ASSERT(chip_read(chip, E1000_STATUS) == 0x81);	/* negotiating */
	chip_pass(chip, 20000000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) == 0x83);
	chip_free(chip);
}

/* Plain registers keep what is writable, show what is readable, and nothing else. */
static void every_plain_register_obeys_its_masks(void)
{
	static const uint32_t patterns[] = { 0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff };
	struct chip *chip = chip_new();
	unsigned walked = 0;

	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];

		if (r->on_read || r->on_write)
			continue;
		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++) {
			const uint32_t at = r->offset + n * r->stride;

			for (unsigned k = 0; k < 4; k++) {
				const uint32_t fixed = r->reset & ~r->writable;

				chip_write(chip, at, patterns[k]);
				if (chip_read(chip, at) != (((patterns[k] & r->writable) | fixed) & r->readable))
					CU_FAIL(r->name);
				walked++;
			}
		}
	}
	CU_ASSERT(walked > 4 * 500);
	chip_free(chip);
}

static void other_offsets_are_nothing(void)
{
	static const uint32_t offsets[] = { 0x24, 0x34, 0x5008, 0x5818, 0x5b50, 0x8800, 0x10000, 0x1fffc, 0x3840 };
	struct chip *chip = chip_new();

	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		chip_write(chip, offsets[i], 0xffffffff);
		CU_ASSERT(chip_read(chip, offsets[i]) == 0);
	}
	CU_ASSERT(chip_count(chip, E1000_C_REG_UNKNOWN) == 2 * sizeof(offsets) / sizeof(offsets[0]));
	chip_free(chip);
}

static void old_offsets_lead_to_registers(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, 0x0200 + 4 * 5, 0x12345678);
	CU_ASSERT(chip_read(chip, E1000_MTA + 4 * 5) == 0x12345678);
	chip_write(chip, E1000_RAL + 8 * 3, 0x87654321);
	CU_ASSERT(chip_read(chip, 0x0040 + 8 * 3) == 0x87654321);
	CU_ASSERT(chip_read(chip, E1000_CTRL_DUP) == chip_read(chip, E1000_CTRL));
	chip_write(chip, 0x0438, 0x4321);
	CU_ASSERT(chip_read(chip, E1000_TDT) == 0x4321);
	chip_free(chip);
}

static void widths(void)
{
	struct chip *chip = chip_new();

	/* two at once, low first */
	e1000_core_write(&chip->core, E1000_RAL + 8, 8, 0x8000665544332211ull);
	CU_ASSERT(chip_read(chip, E1000_RAL + 8) == 0x44332211);
	CU_ASSERT(chip_read(chip, E1000_RAH + 8) == 0x80006655);
	CU_ASSERT(e1000_core_read(&chip->core, E1000_RAL + 8, 8) == 0x8000665544332211ull);
	/* parts of plain storage */
	CU_ASSERT(e1000_core_read(&chip->core, E1000_RAL + 8 + 1, 1) == 0x22);
	CU_ASSERT(e1000_core_read(&chip->core, E1000_RAL + 8 + 2, 2) == 0x4433);
	e1000_core_write(&chip->core, E1000_RAL + 8 + 2, 1, 0xaa);
	CU_ASSERT(chip_read(chip, E1000_RAL + 8) == 0x44aa2211);
	/* a read has its side effect once, a narrow write to what is more than storage none */
	chip_write(chip, E1000_ICS, 0x0204);
	CU_ASSERT(e1000_core_read(&chip->core, E1000_ICR + 1, 1) == 0x02);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	e1000_core_write(&chip->core, E1000_ICS, 1, 4);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	CU_ASSERT(chip_count(chip, E1000_C_REG_WIDTH) == 1);
	chip_free(chip);
}

static void models_differ(void)
{
	struct chip *em = chip_new_with(E1000_82545EM, 0), *gc = chip_new_with(E1000_82544GC, 0);

	CU_ASSERT(chip_read(em, E1000_STATUS) & E1000_STATUS_PCIX_MODE);
	CU_ASSERT(chip_read(gc, E1000_STATUS) & E1000_STATUS_PCIX_MODE);
	chip_write(gc, E1000_ITR, 100);
	CU_ASSERT(chip_read(gc, E1000_ITR) == 0);
	chip_write(em, E1000_ITR, 100);
	CU_ASSERT(chip_read(em, E1000_ITR) == 100);
	CU_ASSERT(chip_read(gc, E1000_LEDCTL) == 0);
	chip_write(em, E1000_EECD, E1000_EECD_REQ);
	CU_ASSERT(chip_read(em, E1000_EECD) & E1000_EECD_GNT);
	chip_write(gc, E1000_EECD, E1000_EECD_REQ);
	CU_ASSERT(!(chip_read(gc, E1000_EECD) & E1000_EECD_GNT));
	chip_free(em);
	chip_free(gc);
}

static void io_window(void)
{
	struct chip *chip = chip_new();
	struct e1000_core *c = &chip->core;

	e1000_core_io_write(c, E1000_IOADDR, 4, E1000_FCAL);
	CU_ASSERT(e1000_core_io_read(c, E1000_IOADDR, 4) == E1000_FCAL);
	CU_ASSERT(e1000_core_io_read(c, E1000_IODATA, 4) == 0xc28001);
	e1000_core_io_write(c, E1000_IODATA, 4, 0x1234);
	CU_ASSERT(chip_read(chip, E1000_FCAL) == 0x1234);
	e1000_core_io_write(c, E1000_IOADDR, 2, 0);	/* the address takes whole writes only */
	CU_ASSERT(e1000_core_io_read(c, E1000_IOADDR, 2) == E1000_FCAL);
	CU_ASSERT(e1000_core_io_read(c, 0x08, 4) == 0);
	chip_write(chip, E1000_ICS, 4);
	e1000_core_io_write(c, E1000_IOADDR, 4, E1000_ICR);
	CU_ASSERT(e1000_core_io_read(c, E1000_IODATA, 4) == 4);
	CU_ASSERT(e1000_core_io_read(c, E1000_IODATA, 4) == 0);
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t nowhere[] = { 0x20000, 0x80000, 0xfffffffc, 0x29 };

		e1000_core_io_write(c, E1000_IOADDR, 4, nowhere[i]);
		e1000_core_io_write(c, E1000_IODATA, 4, 0xffffffff);
		CU_ASSERT(e1000_core_io_read(c, E1000_IODATA, 4) == 0);
	}
	CU_ASSERT(chip_read(chip, E1000_FCAL) == 0x1234);
	/* NetBSD's reset: RST alone */
	e1000_core_io_write(c, E1000_IOADDR, 4, E1000_CTRL);
	e1000_core_io_write(c, E1000_IODATA, 4, E1000_CTRL_RST);
	CU_ASSERT(chip_read(chip, E1000_FCAL) == 0xc28001);
	CU_ASSERT(chip_read(chip, E1000_CTRL) == 0xa49);
	e1000_core_power_on(c);
	CU_ASSERT(e1000_core_io_read(c, E1000_IOADDR, 4) == 0);
	chip_free(chip);
}

/* ---- EEPROM ---- */

static void pins(struct chip *chip, uint32_t value)
{
	chip_write(chip, E1000_EECD, value | E1000_EECD_REQ);
}

/* As Linux does it: DI, then a pulse of SK. */
static void shift_out(struct chip *chip, uint32_t value, unsigned bits)
{
	while (bits--) {
		const uint32_t di = value >> bits & 1 ? E1000_EECD_DI : 0;

		pins(chip, E1000_EECD_CS | di);
		pins(chip, E1000_EECD_CS | di | E1000_EECD_SK);
		pins(chip, E1000_EECD_CS | di);
	}
}

static uint16_t shift_in(struct chip *chip)
{
	uint16_t value = 0;

	for (unsigned i = 0; i < 16; i++) {
		pins(chip, E1000_EECD_CS | E1000_EECD_SK);
		value = (uint16_t)(value << 1 | !!(chip_read(chip, E1000_EECD) & E1000_EECD_DO));
		pins(chip, E1000_EECD_CS);
	}
	return value;
}

static void deselect(struct chip *chip)
{
	pins(chip, 0);
	pins(chip, E1000_EECD_SK);
	pins(chip, 0);
}

static uint16_t eeprom_read(struct chip *chip, unsigned word, unsigned zeros)
{
	uint16_t value;

	pins(chip, E1000_EECD_CS);
	shift_out(chip, 0, zeros);
	shift_out(chip, 6, 3);
	shift_out(chip, word, 6);
	value = shift_in(chip);
	deselect(chip);
	return value;
}

static void eeprom_reads(void)
{
	struct chip *chip = chip_new();
	uint16_t sum = 0;

	pins(chip, 0);
	CU_ASSERT(chip_read(chip, E1000_EECD) & E1000_EECD_GNT);
	for (unsigned i = 0; i < 64; i++) {
		const uint16_t word = eeprom_read(chip, i, i % 3);	/* leading zeros are tolerated */

		CU_ASSERT(word == chip->core.eeprom.word[i]);
		sum = (uint16_t)(sum + word);
	}
	CU_ASSERT(sum == 0xbaba);
	CU_ASSERT(eeprom_read(chip, 0, 0) == 0x1500 && eeprom_read(chip, 1, 0) == 0x015d && eeprom_read(chip, 2, 0) == 0x0302);
	CU_ASSERT(eeprom_read(chip, 0x0d, 0) == 0x100e);
	/* one command, several words */
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 6, 3);
	shift_out(chip, 63, 6);
	CU_ASSERT(shift_in(chip) == chip->core.eeprom.word[63]);
	CU_ASSERT(shift_in(chip) == 0x1500);
	deselect(chip);
	chip_free(chip);
}

static void eeprom_write(struct chip *chip, unsigned word, uint16_t value)
{
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 5, 3);
	shift_out(chip, word, 6);
	shift_out(chip, value, 16);
	deselect(chip);
	pins(chip, E1000_EECD_CS);
	CU_ASSERT(chip_read(chip, E1000_EECD) & E1000_EECD_DO);		/* ready */
	deselect(chip);
}

static void eeprom_writes(void)
{
	struct chip *chip = chip_new();

	eeprom_write(chip, 0x30, 0x1234);
	CU_ASSERT(eeprom_read(chip, 0x30, 0) == 0xffff);	/* not enabled */
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 0x13, 5);
	shift_out(chip, 0, 4);
	deselect(chip);
	eeprom_write(chip, 0x30, 0x1234);
	CU_ASSERT(eeprom_read(chip, 0x30, 0) == 0x1234);
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 7, 3);		/* erase */
	shift_out(chip, 0x30, 6);
	deselect(chip);
	CU_ASSERT(eeprom_read(chip, 0x30, 0) == 0xffff);
	/* half a write is none */
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 5, 3);
	shift_out(chip, 0x31, 6);
	shift_out(chip, 0, 15);
	deselect(chip);
	CU_ASSERT(eeprom_read(chip, 0x31, 0) == 0xffff);
	/* a new address takes effect with a reset */
	eeprom_write(chip, 0, 0xbbaa);
	CU_ASSERT(chip_read(chip, E1000_RAL) == 0x015d1500);
	chip_write(chip, E1000_CTRL_EXT, E1000_CTRL_EXT_EE_RST);
	CU_ASSERT(chip_read(chip, E1000_RAL) == 0x015dbbaa);
	CU_ASSERT(chip_read(chip, E1000_CTRL_EXT) == 0);
	pins(chip, E1000_EECD_CS);
	shift_out(chip, 0x10, 5);	/* disable */
	shift_out(chip, 0, 4);
	deselect(chip);
	eeprom_write(chip, 0x30, 1);
	CU_ASSERT(eeprom_read(chip, 0x30, 0) == 0xffff);
	chip_free(chip);
}

static void eerd(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_EERD, 1 << 8 | E1000_EERD_START);
	CU_ASSERT((chip_read(chip, E1000_EERD) & 0xffff0010) == 0x015d0010);
	CU_ASSERT(!(chip_read(chip, E1000_EERD) & 3));	/* iPXE would take bit 1 for another chip's */
	chip_write(chip, E1000_EERD, 0x80 << 8 | E1000_EERD_START);
	CU_ASSERT((chip_read(chip, E1000_EERD) & 0xffff0010) == 0x10);
	chip_write(chip, E1000_EERD, 1 << 8);
	CU_ASSERT(!(chip_read(chip, E1000_EERD) & E1000_EERD_DONE));
	chip_free(chip);
}

/* ---- PHY and link ---- */

static uint32_t mdic(struct chip *chip, unsigned phy, unsigned op, unsigned reg, uint16_t data)
{
	chip_write(chip, E1000_MDIC, (uint32_t)data | reg << 16 | phy << 21 | op << 26);
	return chip_read(chip, E1000_MDIC);
}

static uint16_t phy_read(struct chip *chip, unsigned reg)
{
	const uint32_t v = mdic(chip, 1, 2, reg, 0);

	CU_ASSERT((v & (E1000_MDIC_READY | E1000_MDIC_ERROR)) == E1000_MDIC_READY);
	return (uint16_t)v;
}

static void phy_write(struct chip *chip, unsigned reg, uint16_t value)
{
	CU_ASSERT((mdic(chip, 1, 1, reg, value) & (E1000_MDIC_READY | E1000_MDIC_ERROR)) == E1000_MDIC_READY);
}

static void mdic_answers(void)
{
	struct chip *chip = chip_new();

	CU_ASSERT(phy_read(chip, 2) == 0x0141);
	CU_ASSERT((phy_read(chip, 3) & 0xfff0) == 0x0c20);
	for (unsigned phy = 0; phy < 32; phy++)
		if (phy != 1)
			CU_ASSERT(mdic(chip, phy, 2, 2, 0) & E1000_MDIC_ERROR);
	for (unsigned reg = 0; reg < 32; reg++)
		phy_read(chip, reg);
	phy_write(chip, 29, 0x1f);
	phy_write(chip, 30, 0x8ffc);
	CU_ASSERT(phy_read(chip, 29) == 0x1f);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	chip_write(chip, E1000_MDIC, 2u << 26 | 1u << 21 | 2u << 16 | E1000_MDIC_INT);
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_MDAC);
	CU_ASSERT(mdic(chip, 1, 3, 0, 0) & E1000_MDIC_READY);
	chip_free(chip);
}

static void link_latch_across_a_restart(void)
{
	struct chip *chip = chip_new();

	phy_read(chip, 1);
	CU_ASSERT(phy_read(chip, 1) == 0x796d);
	phy_write(chip, 0, 0x1340);	/* restart */
	CU_ASSERT(phy_read(chip, 0) == 0x1140);
	chip_pass(chip, 900000);
	CU_ASSERT(phy_read(chip, 1) == 0x7949);
	CU_ASSERT(phy_read(chip, 1) == 0x7949);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_LSC);
	chip_pass(chip, 19000000);
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_LSC);
	CU_ASSERT(phy_read(chip, 1) == 0x7969);
	CU_ASSERT(phy_read(chip, 1) == 0x796d);
	CU_ASSERT(phy_read(chip, 17) == 0xac00);
	CU_ASSERT(phy_read(chip, 10) == 0x3c00);
	chip_free(chip);
}

static void speeds(void)
{
	static const struct {
		uint16_t offers, offers_1000, bmcr;
		uint32_t speed;		/* STATUS' code */
		bool fd;
	} cases[] = {
		{ 0x01e1, 0x0200, 0x1340, 2, true },
		{ 0x01e1, 0x0100, 0x1340, 2, false },
		{ 0x0100, 0, 0x1340, 1, true },
		{ 0x0080, 0, 0x1340, 1, false },
		{ 0x0040, 0, 0x1340, 0, true },
		{ 0, 0, 0x2100, 1, true },		/* forced */
		{ 0, 0, 0x0000, 0, false },
	};
	struct chip *chip = chip_new();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t status;

		phy_write(chip, 4, cases[i].offers);
		phy_write(chip, 9, cases[i].offers_1000);
		phy_write(chip, 0, cases[i].bmcr);
		chip_pass(chip, 20000000);
		chip_write(chip, E1000_CTRL, E1000_CTRL_SLU);
		status = chip_read(chip, E1000_STATUS);
		CU_ASSERT(status & E1000_STATUS_LU);
		CU_ASSERT((status >> 6 & 3) == cases[i].speed);
		CU_ASSERT(!!(status & 1) == cases[i].fd);
		CU_ASSERT(phy_read(chip, 17) >> 14 == cases[i].speed);
	}
	/* the MAC may insist */
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX | 1 << 8 | E1000_CTRL_FD);
	CU_ASSERT((chip_read(chip, E1000_STATUS) & 0xc3) == (1 << 6 | 3));
	chip_free(chip);
}

static void link_needs_everything(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_CTRL, 0);	/* without SLU */
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_LSC);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	phy_write(chip, 0, 0x1940);		/* power down */
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	phy_write(chip, 0, 0x1140);		/* and up: negotiates anew */
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	chip_pass(chip, 20000000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	e1000_core_set_wire(&chip->core, false);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	chip_pass(chip, 20000000);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	e1000_core_set_wire(&chip->core, true);
	chip_pass(chip, 20000000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	chip_read(chip, E1000_ICR);
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU | E1000_CTRL_PHY_RST);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	chip_pass(chip, 20000000);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	chip_write(chip, E1000_CTRL, E1000_CTRL_SLU);
	chip_pass(chip, 900000);
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	chip_pass(chip, 100000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	chip_free(chip);
}

/* ---- resets ---- */

static void mac_reset(void)
{
	struct chip *chip = chip_new();

	for (unsigned i = 0; i < e1000_num_reg_rows; i++)
		if (!e1000_reg_rows[i].on_write && e1000_reg_rows[i].writable)
			chip_write(chip, e1000_reg_rows[i].offset, 0xffffffff);
	chip_write(chip, E1000_PBA, 0x20);
	chip_write(chip, E1000_IMS, 0xffff);
	chip_write(chip, E1000_ICS, 0xff);
	phy_write(chip, 16, 0x0808);
	CU_ASSERT(chip->line);
	chip_write(chip, E1000_CTRL, E1000_CTRL_RST);
	CU_ASSERT(!chip->line);
	CU_ASSERT(chip_read(chip, E1000_CTRL) == 0xa49);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0 && chip_read(chip, E1000_IMS) == 0);
	CU_ASSERT(chip_read(chip, E1000_FCAL) == 0xc28001);
	CU_ASSERT(chip_read(chip, E1000_RAL) == 0x015d1500);
	CU_ASSERT(chip_read(chip, E1000_RAH + 8) == 0);
	CU_ASSERT(chip_read(chip, E1000_PBA) == 0x00200020);	/* in force from now on */
	CU_ASSERT(chip->core.rx.fifo_limit == 0x20 * 1024);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);	/* the PHY has not noticed */
	CU_ASSERT(phy_read(chip, 16) == 0x0808);
	chip_write(chip, E1000_CTRL, E1000_CTRL_RST | E1000_CTRL_PHY_RST);	/* iPXE's way */
	CU_ASSERT(!(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU));
	CU_ASSERT(phy_read(chip, 16) == 0x0068);
	chip_pass(chip, 40000000);
	CU_ASSERT(chip_read(chip, E1000_STATUS) & E1000_STATUS_LU);
	chip_free(chip);
}

static void power_on_is_quiet(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_IMS, 0xffff);
	chip_write(chip, E1000_ICS, 4);
	chip_write(chip, E1000_WUS, 0);
	e1000_core_power_on(&chip->core);
	CU_ASSERT(!chip->line);
	CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	CU_ASSERT(!chip->core.bus_master);
	chip_pass(chip, 1000000000);
	CU_ASSERT(!chip->line);
	CU_ASSERT(chip_read(chip, E1000_ICR) == E1000_INT_LSC);
	CU_ASSERT(chip_read(chip, E1000_PBA) == 0x00100030);
	chip_free(chip);
}

/* ---- statistics ---- */

static void counters_clear_and_stick(void)
{
	struct chip *chip = chip_new();

	e1000_stat_add(&chip->core, E1000_GPRC, 5);
	chip_write(chip, E1000_GPRC, 99);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == 5);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == 0);
	e1000_stat_add(&chip->core, E1000_GPRC, 0xfffffff0);
	e1000_stat_add(&chip->core, E1000_GPRC, 0x20);
	CU_ASSERT(chip_read(chip, E1000_GPRC) == 0xffffffff);
	chip_free(chip);
}

static void pairs_lose_nothing(void)
{
	struct chip *chip = chip_new();
	struct e1000_core *c = &chip->core;

	e1000_pair_add(c, E1000_PAIR_GORC, 0xfffffff0);
	CU_ASSERT(chip_read(chip, E1000_GORCL) == 0xfffffff0);
	e1000_pair_add(c, E1000_PAIR_GORC, 0x20);		/* in between */
	CU_ASSERT(chip_read(chip, E1000_GORCH) == 0);
	CU_ASSERT(chip_read(chip, E1000_GORCL) == 0x20);
	CU_ASSERT(chip_read(chip, E1000_GORCH) == 0);
	CU_ASSERT(chip_read(chip, E1000_GORCL) == 0 && chip_read(chip, E1000_GORCH) == 0);
	e1000_pair_add(c, E1000_PAIR_TOT, 0x500000001);
	CU_ASSERT(chip_read(chip, E1000_TOTH) == 5);		/* DPDK reads only this half */
	CU_ASSERT(chip_read(chip, E1000_TOTL) == 0);
	e1000_pair_add(c, E1000_PAIR_TOR, UINT64_MAX);
	e1000_pair_add(c, E1000_PAIR_TOR, 1);
	CU_ASSERT(chip_read(chip, E1000_TORL) == 0xffffffff && chip_read(chip, E1000_TORH) == 0xffffffff);
	chip_free(chip);
}

/* ---- the FCS ---- */

static void crc(void)
{
	uint8_t data[700];

	CU_ASSERT(e1000_crc32(0, "123456789", 9) == 0xcbf43926);	/* the usual check value */
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i + i / 7);
	for (unsigned n = 0; n <= sizeof(data); n++) {
		uint32_t slow = 0xffffffff;

		for (unsigned i = 0; i < n; i++) {
			slow ^= data[i];
			for (unsigned bit = 0; bit < 8; bit++)
				slow = slow & 1 ? slow >> 1 ^ 0xedb88320 : slow >> 1;
		}
		if (e1000_crc32(0, data, n) != (uint32_t)~slow ||
		    e1000_crc32(e1000_crc32(0, data, n / 3), data + n / 3, n - n / 3) != (uint32_t)~slow)
			CU_FAIL("CRC");
	}
}

static const struct hv_test tests[] = {
	{ "the register table is sound", table_is_sound },
	{ "every register has its reset value", every_register_has_its_reset_value },
	{ "every plain register obeys its masks", every_plain_register_obeys_its_masks },
	{ "other offsets are nothing", other_offsets_are_nothing },
	{ "old offsets lead to registers", old_offsets_lead_to_registers },
	{ "accesses of other widths", widths },
	{ "models differ where they should", models_differ },
	{ "the I/O window", io_window },
	{ "the EEPROM is read through its pins", eeprom_reads },
	{ "the EEPROM is written through its pins", eeprom_writes },
	{ "EERD", eerd },
	{ "MDIC answers for one PHY", mdic_answers },
	{ "the link latch across a restart", link_latch_across_a_restart },
	{ "speeds are negotiated, forced, insisted on", speeds },
	{ "the link needs everything", link_needs_everything },
	{ "CTRL.RST", mac_reset },
	{ "power-on is quiet", power_on_is_quiet },
	{ "counters clear and stick", counters_clear_and_stick },
	{ "pairs of counters lose nothing", pairs_lose_nothing },
	{ "the FCS is CRC-32", crc },
};
HV_TEST_MAIN("e1000/chip", tests)
