/* SPDX-License-Identifier: MIT */
/* Causes, mask, level, moderation, delays. */
#include "base/test.h"
#include "e1000/test_chip.h"

enum { PLAIN = E1000_RCTL_BAM | E1000_RCTL_SECRC };

static void level_follows_cause_and_mask(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_ICS, E1000_INT_LSC);
	CU_ASSERT(!chip->line && chip_read(chip, E1000_ICS) == E1000_INT_LSC);
	chip_write(chip, E1000_IMS, E1000_INT_LSC);	/* already set: rises now */
	CU_ASSERT(chip->line);
	chip_write(chip, E1000_IMS, 0);
	CU_ASSERT(chip->line && chip_read(chip, E1000_IMS) == E1000_INT_LSC);
	chip_write(chip, E1000_IMC, E1000_INT_LSC);
	CU_ASSERT(!chip->line && chip_read(chip, E1000_IMC) == 0);
	chip_write(chip, E1000_IMS, 0xffffffff);
	CU_ASSERT(chip->line && chip_read(chip, E1000_IMS) == 0x1ffff);
	chip_write(chip, E1000_ICR, E1000_INT_RXT0);	/* not that one */
	CU_ASSERT(chip->line);
	chip_write(chip, E1000_ICR, 0xffffffff);	/* xv6' way */
	CU_ASSERT(!chip->line && chip_read(chip, E1000_ICR) == 0);
	chip_write(chip, E1000_ICS, 0xffffffff);
	CU_ASSERT(chip->line && chip_read(chip, E1000_ICR) == 0x1ffff);
	CU_ASSERT(!chip->line && chip_read(chip, E1000_ICR) == 0);
	chip_free(chip);
}

static void reading_clears_whatever_the_mask(void)
{
	struct chip *chip = chip_new();

	for (unsigned bit = 0; bit < 17; bit++) {	/* reserved ones, too */
		chip_write(chip, E1000_ICS, 1u << bit);
		CU_ASSERT(chip_read(chip, E1000_ICR) == 1u << bit);
		CU_ASSERT(chip_read(chip, E1000_ICR) == 0);
	}
	CU_ASSERT(!chip->edges);
	chip_free(chip);
}

static void itr_keeps_edges_apart(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_ITR, 195);		/* 49.92 µs */
	chip_write(chip, E1000_IMS, 0xff);
	chip_write(chip, E1000_ICS, E1000_INT_RXT0);
	CU_ASSERT(chip->line && chip->edges == 1);	/* the first at once */
	chip_read(chip, E1000_ICR);
	CU_ASSERT(!chip->line);
	chip_write(chip, E1000_ICS, E1000_INT_LSC);	/* all causes alike */
	CU_ASSERT(!chip->line);
	chip_pass(chip, 49919);
	CU_ASSERT(!chip->line);
	chip_pass(chip, 1);
	CU_ASSERT(chip->line && chip->edges == 2);
	chip_read(chip, E1000_ICR);
	/* a cause that goes before its time leaves nothing */
	chip_write(chip, E1000_ICS, E1000_INT_RXT0);
	chip_read(chip, E1000_ICR);
	chip_pass(chip, 1000000);
	CU_ASSERT(chip->edges == 2);
	/* 0 releases what is held */
	chip_write(chip, E1000_ICS, E1000_INT_RXT0);
	CU_ASSERT(chip->edges == 3);
	chip_read(chip, E1000_ICR);
	chip_write(chip, E1000_ICS, E1000_INT_RXT0);
	CU_ASSERT(chip->edges == 3);
	chip_write(chip, E1000_ITR, 0);
	CU_ASSERT(chip->edges == 4);
	/* and means no delay at all */
	for (unsigned i = 0; i < 10; i++) {
		chip_read(chip, E1000_ICR);
		chip_write(chip, E1000_ICS, E1000_INT_RXT0);
	}
	CU_ASSERT(chip->edges == 14);
	chip_free(chip);
}

static void rates(void)
{
	static const struct {
		uint32_t itr, per_second;
	} cases[] = { { 195, 20032 }, { 976, 4002 }, { 55, 71022 }, { 500, 7812 } };

	for (unsigned i = 0; i < 4; i++) {
		struct chip *chip = chip_new();

		chip_write(chip, E1000_ITR, cases[i].itr);
		chip_write(chip, E1000_IMS, 0xff);
		for (unsigned us = 0; us < 100000; us++) {
			chip_write(chip, E1000_ICS, E1000_INT_RXT0);
			if (chip->line)
				chip_read(chip, E1000_ICR);
			chip_pass(chip, 1000);
		}
		CU_ASSERT(chip->edges >= cases[i].per_second / 10 * 97 / 100);
		CU_ASSERT(chip->edges <= cases[i].per_second / 10 + 1);
		chip_free(chip);
	}
}

/* ---- transmit delays ---- */

static void transmit(struct chip *chip, uint32_t command)
{
	chip_frame(chip, 64);
	chip_tx_put(chip, CHIP_BASE + CHIP_TX_DATA, E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS | command | 64, 0);
	chip_tx_kick(chip);
}

static bool txdw(struct chip *chip)
{
	return chip_read(chip, E1000_ICR) & E1000_INT_TXDW;
}

static void transmit_delays(void)
{
	enum { RS = E1000_TXD_CMD_RS };
	const uint32_t late = E1000_TXD_CMD_IDE | RS;
	struct chip *chip = chip_new();

	chip_tx_start(chip, 64);
	transmit(chip, late);			/* TIDV is 0 */
	CU_ASSERT(txdw(chip));
	chip_write(chip, E1000_TIDV, 8);
	chip_write(chip, E1000_TADV, 32);
	transmit(chip, RS);			/* no IDE */
	CU_ASSERT(txdw(chip));
	transmit(chip, late);
	CU_ASSERT(chip_tx_done(chip, 2));	/* the write-back is not delayed */
	CU_ASSERT(!txdw(chip));
	chip_pass(chip, 8 * 1024 - 1);
	CU_ASSERT(!txdw(chip));
	chip_pass(chip, 1);
	CU_ASSERT(txdw(chip));
	/* reloaded each time, up to the absolute one */
	for (unsigned i = 0; i < 6; i++) {
		transmit(chip, late);
		CU_ASSERT(!txdw(chip));
		chip_pass(chip, 5 * 1024);
	}
	CU_ASSERT(!txdw(chip));
	chip_pass(chip, 2 * 1024);
	CU_ASSERT(txdw(chip));
	chip_pass(chip, 100000);
	CU_ASSERT(!txdw(chip));			/* the other one was stopped */
	/* IDE without RS reloads what runs, and starts nothing */
	transmit(chip, E1000_TXD_CMD_IDE);
	chip_pass(chip, 100000);
	CU_ASSERT(!txdw(chip));
	transmit(chip, late);
	chip_pass(chip, 6 * 1024);
	transmit(chip, E1000_TXD_CMD_IDE);
	chip_pass(chip, 6 * 1024);
	CU_ASSERT(!txdw(chip));
	chip_pass(chip, 2 * 1024);
	CU_ASSERT(txdw(chip));
	/* one without delay ends the delay of others */
	transmit(chip, late);
	transmit(chip, RS);
	CU_ASSERT(txdw(chip));
	chip_pass(chip, 100000);
	CU_ASSERT(!txdw(chip));
	chip_free(chip);
}

/* ---- receive delays ---- */

static void receive(struct chip *chip, uint32_t len)
{
	uint8_t f[1000];

	chip_inbound(f, sizeof(f));
	CU_ASSERT(chip_receive(chip, f, len) == VSWITCH_DROPS);
}

static uint32_t causes(struct chip *chip)
{
	return chip_read(chip, E1000_ICR) & (E1000_INT_RXT0 | E1000_INT_SRPD);
}

static void receive_delays(void)
{
	struct chip *chip = chip_new();

	chip_rx_start(chip, 256, 255, PLAIN);
	chip_write(chip, E1000_RADV, 8);
	receive(chip, 100);
	CU_ASSERT(causes(chip) == E1000_INT_RXT0);	/* RADV is nothing without RDTR */
	chip_pass(chip, 100000);
	CU_ASSERT(!causes(chip));
	chip_write(chip, E1000_RDTR, 10);
	chip_write(chip, E1000_RADV, 0);
	for (unsigned i = 0; i < 20; i++) {
		receive(chip, 100);
		chip_pass(chip, 9 * 1024);
		CU_ASSERT(!causes(chip));
	}
	chip_pass(chip, 1024);
	CU_ASSERT(causes(chip) == E1000_INT_RXT0);
	chip_write(chip, E1000_RADV, 25);
	for (unsigned i = 0; i < 3; i++) {
		receive(chip, 100);
		CU_ASSERT(!causes(chip));
		chip_pass(chip, 8 * 1024);
	}
	CU_ASSERT(!causes(chip));
	chip_pass(chip, 1024);
	CU_ASSERT(causes(chip) == E1000_INT_RXT0);
	chip_pass(chip, 100000);
	CU_ASSERT(!causes(chip));
	/* flushed by command, which reads as 0 */
	receive(chip, 100);
	CU_ASSERT(!causes(chip));
	chip_write(chip, E1000_RDTR, 10 | E1000_RDTR_FPD);
	CU_ASSERT(causes(chip) == E1000_INT_RXT0 && chip_read(chip, E1000_RDTR) == 10);
	chip_pass(chip, 100000);
	CU_ASSERT(!causes(chip));
	/* small packets don't wait */
	chip_write(chip, E1000_RSRPD, 128);
	receive(chip, 128);
	CU_ASSERT(causes(chip) == (E1000_INT_RXT0 | E1000_INT_SRPD));
	receive(chip, 129);
	CU_ASSERT(!causes(chip));
	chip_free(chip);
}

static void the_82544_has_absolute_timers(void)
{
	struct chip *chip = chip_new_with(E1000_82544GC, 0);

	chip_rx_start(chip, 256, 255, PLAIN);
	chip_write(chip, E1000_RDTR, 10);
	receive(chip, 100);
	chip_pass(chip, 9 * 1024);
	receive(chip, 100);
	chip_pass(chip, 1024);
	CU_ASSERT(causes(chip) == E1000_INT_RXT0);
	chip_free(chip);
}

static void one_interrupt_for_a_batch(void)
{
	struct chip *chip = chip_new();
	struct vswitch_frame f = { .len = 64, .head_bytes = 64 };

	chip_rx_start(chip, 256, 255, PLAIN);
	chip_inbound(f.head, 64);
	chip_write(chip, E1000_IMS, 0xff);
	for (unsigned i = 0; i < 32; i++)
		CU_ASSERT(e1000_core_receive(&chip->core, &f) == VSWITCH_DROPS && !chip->line);
	e1000_core_received(&chip->core);
	CU_ASSERT(chip->line && chip->edges == 1 && chip_read(chip, E1000_RDH) == 32);
	chip_free(chip);
}

/* A storm costs no more than its writes: edges come as fast as the guest makes them, and nothing else happens. */
static void a_storm_is_only_writes(void)
{
	struct chip *chip = chip_new();

	chip_write(chip, E1000_IMS, 0xffffffff);
	for (unsigned i = 0; i < 100000; i++)
		chip_write(chip, E1000_ICS, 0xffffffff);
	CU_ASSERT(chip->edges == 1 && !chip->deadline && !e1000_core_poll(&chip->core));
	chip_free(chip);
}

static const struct hv_test tests[] = {
	{ "the level follows causes and mask", level_follows_cause_and_mask },
	{ "reading clears whatever the mask says", reading_clears_whatever_the_mask },
	{ "ITR keeps edges apart", itr_keeps_edges_apart },
	{ "rates", rates },
	{ "transmit delays", transmit_delays },
	{ "receive delays", receive_delays },
	{ "the 82544's timer is absolute", the_82544_has_absolute_timers },
	{ "one interrupt for a batch", one_interrupt_for_a_batch },
	{ "a storm is only writes", a_storm_is_only_writes },
};
HV_TEST_MAIN("e1000/interrupts", tests)
