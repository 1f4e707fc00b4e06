/* SPDX-License-Identifier: MIT */
/* Steps that need no descriptors: registers that only store, interrupts, counters, EEPROM, PHY, reset. */
#include <string.h>

#include "e1000/e1000_hw.h"
#include "tests/twin.h"

#define MS 1000000ull

enum { EEPROM_ADDRESS_BITS = 6, LINK_MS = 5000 };

/*
 * A register, or a row of them, that both keep; QEMU 11 has switched off the first ones of some rows. bits: those that exist;
 * QEMU keeps all, or other ones (TWIN_RULE_MASKS).
 */
struct stored {
	uint32_t offset, bits;
	uint16_t count, stride;
	bool not_on_82544;
};
static const struct stored stored[] = {
	{ E1000_PBA, 0x0000007f, 1, 0, false },
	{ E1000_LEDCTL, 0xcfcfcfcf, 1, 0, true },
	{ E1000_ITR, 0x0000ffff, 1, 0, true },
	{ E1000_RDTR, 0x0000ffff, 1, 0, false },
	{ E1000_RADV, 0x0000ffff, 1, 0, true },
	{ E1000_TADV, 0x0000ffff, 1, 0, true },
	{ E1000_TXDCTL, 0xff3f3f3f, 1, 0, false },
	{ E1000_WUFC, 0x000f80ff, 1, 0, false },
	{ E1000_IP4AT + 8, 0xffffffff, 3, 8, false },
	{ E1000_IP6AT + 4, 0xffffffff, 3, 4, false },
	{ E1000_FFLT + 8, 0x000007ff, 3, 8, false },
	{ E1000_FFMT + 8, 0x0000000f, 127, 8, false },
	{ E1000_FFVT + 8, 0xffffffff, 127, 8, false },
};

/* Neither has anything there: they read 0. */
static const uint32_t nothing[] = { 0x24, 0x34, 0x1008, 0x2404, 0x2900, 0x3900, 0x5818, 0x5b00, 0x5c00, 0x8800, 0xf000 };

void twin_known_state(struct twin_run *r)
{
	memset(&r->tx, 0, sizeof(r->tx));
	memset(&r->rx, 0, sizeof(r->rx));
	memset(r->mta, 0, sizeof(r->mta));
	memset(r->station_valid, 0, sizeof(r->station_valid));
	memcpy(r->station[0], twin_mac, 6);
	r->station_valid[0] = true;
	r->rctl = r->ims = r->ctrl = 0;
	r->vet = 0x8100;
	memset(&r->in, 0, sizeof(r->in));
	memset(&r->out, 0, sizeof(r->out));
	r->tags_in = r->tags_out = r->odd_broadcasts = r->looped = false;
	r->sent_to_it = r->large_sends = 0;
	/* What autonegotiation has caused; the same CTRL for both, with the link up. */
	twin_write(r, E1000_IMC, 0xffffffff);
	twin_write(r, E1000_ICR, 0xffffffff);
	r->ctrl = E1000_CTRL_SLU | E1000_CTRL_FD;
	twin_write(r, E1000_CTRL, r->ctrl);
	twin_settle(r);
	twin_wire_clear(&r->ours->wire);
	twin_wire_clear(&r->other->wire);
}

/* After a reset; registers whose defaults come from an EEPROM or are undefined differ, TWIN_RULE_RESET. */
void twin_step_reset_values(struct twin_run *r)
{
	static const uint32_t zero_or_equal[] = {
		E1000_ICR, E1000_ITR, E1000_IMS, E1000_RCTL, E1000_TCTL, E1000_AIT, E1000_PBA, E1000_RDBAL, E1000_RDBAH,
		E1000_RDLEN, E1000_RDH, E1000_RDT, E1000_RDTR, E1000_RADV, E1000_TDBAL, E1000_TDBAH, E1000_TDLEN, E1000_TDH,
		E1000_TDT, E1000_TXDCTL, E1000_TADV, E1000_VET, E1000_WUC, E1000_WUFC, E1000_WUS, E1000_IPAV, E1000_FFLT,
		E1000_RAL, E1000_RAH, E1000_RAL + 8, E1000_RAH + 8, E1000_RAL + 8 * 15, E1000_RAH + 8 * 15, E1000_MTA,
		E1000_MTA + 4 * 127, E1000_VFTA, E1000_VFTA + 4 * 127, E1000_GPRC, E1000_GPTC,
	};

	for (size_t i = 0; i < sizeof(zero_or_equal) / sizeof(zero_or_equal[0]); i++)
		twin_read(r, zero_or_equal[i], 0xffffffff);
	twin_read_but(r, E1000_STATUS, ~(uint32_t)(E1000_STATUS_LU | E1000_STATUS_FD), TWIN_RULE_RESET);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		twin_read(r, nothing[i], 0xffffffff);
	twin_step_counters(r);
}

void twin_step_reset(struct twin_run *r)
{
	r->ours->ops->reset(r->ours);
	r->other->ops->reset(r->other);
	twin_pass(r, LINK_MS * MS);
	twin_settle(r);
	twin_known_state(r);
	twin_step_reset_values(r);
}

/* QEMU's 82544 has them all the same. */
static void not_there(struct twin_run *r, uint32_t offset, uint32_t value)
{
	r->used[TWIN_RULE_82544] += r->rules;
	r->ours->ops->write(r->ours, offset, value);
	if (r->ours->ops->read(r->ours, offset))
		twin_differ(r, "register %04x is not there on an 82544, and reads %#x", offset, r->ours->ops->read(r->ours, offset));
}

void twin_step_registers(struct twin_run *r)
{
	unsigned n = twin_between(&r->random, 1, 20);

	for (unsigned i = 0; i < n; i++) {
		const struct stored *s = &stored[twin_between(&r->random, 0, sizeof(stored) / sizeof(stored[0]) - 1)];
		uint32_t offset = s->offset + s->stride * twin_between(&r->random, 0, s->count - 1u);
		uint32_t value = (uint32_t)twin_random(&r->random);

		if (s->not_on_82544 && r->model == E1000_82544GC) {
			not_there(r, offset, value);
			continue;
		}
		/* RDTR.FPD is a command (3.2.7.1.1). */
		twin_write(r, offset, offset == E1000_RDTR ? value & 0xffff : value);
		twin_read_but(r, offset, ~s->bits, TWIN_RULE_MASKS);
	}
	twin_write(r, nothing[twin_between(&r->random, 0, 10)], 0xffffffff);
	twin_read(r, nothing[twin_between(&r->random, 0, 10)], 0xffffffff);
	/* Frames are not to wait for the delays that random numbers make, but some of them shall. */
	if (twin_chance(&r->random, 70)) {
		twin_write(r, E1000_RDTR, 0);
		twin_write(r, E1000_RADV, 0);
		twin_write(r, E1000_TADV, 0);
	}
}

void twin_step_interrupts(struct twin_run *r)
{
	unsigned n = twin_between(&r->random, 1, 12);

	for (unsigned i = 0; i < n; i++) {
		uint32_t bits = (uint32_t)twin_random(&r->random) & 0x1ffff;

		if (twin_chance(&r->random, 50))
			bits &= (uint32_t)twin_random(&r->random);
		switch (twin_between(&r->random, 0, 7)) {
		case 0:
		case 1:
			twin_write(r, E1000_ICS, bits);
			break;
		case 2:
			twin_write(r, E1000_IMS, bits);
			r->ims |= bits;
			break;
		case 3:
			twin_write(r, E1000_IMC, bits);
			r->ims &= ~bits;
			break;
		case 4:
			twin_write(r, E1000_ICR, bits);
			break;
		case 5:
			twin_read(r, E1000_ICR, 0xffffffff);
			break;
		case 6:
			twin_read(r, E1000_ICS, 0xffffffff);
			twin_read(r, E1000_IMS, 0xffffffff);
			twin_read(r, E1000_IMC, 0xffffffff);
			break;
		default:
			twin_pass(r, twin_between(&r->random, 0, 20000000));
			break;
		}
	}
	twin_same_interrupts(r, 0);
}

/* ---- counters ---- */

/* QEMU has one that is not what it should be, and there is a rule for it. */
static bool counter_hidden(struct twin_run *r, uint32_t offset, bool all_accepted)
{
	enum twin_rule rule;

	if (!r->rules)
		return false;
	if ((offset == E1000_TOTL && r->tags_out) || (offset == E1000_TORL && r->tags_in))
		rule = TWIN_RULE_COUNT_TAGS;
	else if ((offset == E1000_TORL || offset == E1000_TPR) && !all_accepted)
		rule = TWIN_RULE_COUNT_SEEN;
	else if (offset != E1000_TOTL && offset != E1000_TORL && offset != E1000_TPR && offset != E1000_TPT &&
		 offset != E1000_GPTC && offset != E1000_GPRC)
		rule = TWIN_RULE_COUNT_MORE;
	else
		return false;
	r->used[rule]++;
	return true;
}

/* A counter, and what it should be by the frames that the script has seen. */
static void counter(struct twin_run *r, uint32_t offset, uint32_t expected, bool all_accepted)
{
	uint32_t value = twin_read(r, offset, counter_hidden(r, offset, all_accepted) ? 0 : 0xffffffff);

	if (value != expected && !r->looped)
		twin_differ(r, "counter %04x is %u, and %u were seen", offset, value, expected);
	if (twin_chance(&r->random, 10) && r->ours->ops->read(r->ours, offset))
		twin_differ(r, "counter %04x is not cleared by reading it", offset);
}

static void count_traffic(struct twin_run *r, const struct twin_traffic *t, uint32_t sizes, uint32_t octets, bool all_accepted)
{
	uint32_t mask = counter_hidden(r, octets, all_accepted) ? 0 : 0xffffffff, low, high;

	for (unsigned k = 0; k < 6; k++)
		counter(r, sizes + 4 * k, t->sizes[k], all_accepted);
	low = twin_read(r, octets, mask);
	high = twin_read(r, octets + 4, mask);
	if ((low != (uint32_t)t->octets || high != t->octets >> 32) && !r->looped)
		twin_differ(r, "octets at %04x are %u:%u, and %llu were seen", octets, high, low, (unsigned long long)t->octets);
}

/* What is seen of the wire, and no frame of the script shows. */
static void compare_pair(struct twin_run *r, uint32_t low, bool all_accepted)
{
	uint32_t mask = counter_hidden(r, low, all_accepted) ? 0 : 0xffffffff;

	twin_read(r, low, mask);
	twin_read(r, low + 4, mask);
}

/* QEMU's others do not count, or are not cleared by reading. */
void twin_step_counters(struct twin_run *r)
{
	bool all_accepted = twin_read(r, E1000_GPRC, 0xffffffff) == r->sent_to_it;

	count_traffic(r, &r->in, E1000_PRC64, E1000_GORCL, all_accepted);
	count_traffic(r, &r->out, E1000_PTC64, E1000_GOTCL, all_accepted);
	if (!r->odd_broadcasts)
		counter(r, E1000_BPRC, r->in.broadcasts, all_accepted);
	else
		twin_read(r, E1000_BPRC, r->rules ? 0 : 0xffffffff);
	counter(r, E1000_MPRC, r->in.multicasts, all_accepted);
	counter(r, E1000_BPTC, r->out.broadcasts, all_accepted);
	counter(r, E1000_MPTC, r->out.multicasts, all_accepted);
	counter(r, E1000_GPTC, r->out.frames, all_accepted);
	counter(r, E1000_TPT, r->out.frames, all_accepted);
	counter(r, E1000_TSCTC, r->large_sends, all_accepted);
	twin_read(r, E1000_TPR, counter_hidden(r, E1000_TPR, all_accepted) ? 0 : 0xffffffff);
	compare_pair(r, E1000_TORL, all_accepted);
	compare_pair(r, E1000_TOTL, all_accepted);
	memset(&r->in, 0, sizeof(r->in));
	memset(&r->out, 0, sizeof(r->out));
	r->tags_in = r->tags_out = r->odd_broadcasts = r->looped = false;
	r->sent_to_it = r->large_sends = 0;
}

/* ---- EEPROM ---- */

static void eecd(struct twin_run *r, uint32_t bits)
{
	twin_write(r, E1000_EECD, bits | E1000_EECD_CS | E1000_EECD_REQ);
}

static void clock_out(struct twin_run *r, uint32_t value, unsigned bits)
{
	while (bits--) {
		uint32_t di = value >> bits & 1 ? E1000_EECD_DI : 0;

		eecd(r, di);
		eecd(r, di | E1000_EECD_SK);
		eecd(r, di);
	}
}

/* A word as a driver reads it: DO after each rising edge. Words beyond the address have contents of our own. */
static void read_microwire(struct twin_run *r, uint32_t word)
{
	uint32_t mask = r->rules && word > 2 ? 0 : E1000_EECD_DO;

	r->used[TWIN_RULE_EEPROM] += r->rules && !mask;
	twin_write(r, E1000_EECD, E1000_EECD_REQ);
	/* FWE and GNT without REQ: TWIN_RULE_EECD. An 82544 has no GNT. */
	r->used[TWIN_RULE_82544] += r->rules && r->model == E1000_82544GC;
	twin_read(r, E1000_EECD, E1000_EECD_REQ | E1000_EECD_PRES |
		  (r->rules && r->model == E1000_82544GC ? 0 : E1000_EECD_GNT));
	eecd(r, 0);
	clock_out(r, 6, 3);		/* start bit, READ */
	clock_out(r, word, EEPROM_ADDRESS_BITS);
	for (unsigned bit = 0; bit < 16; bit++) {
		eecd(r, E1000_EECD_SK);
		twin_read(r, E1000_EECD, mask | E1000_EECD_SK | E1000_EECD_CS);
		eecd(r, 0);
	}
	twin_write(r, E1000_EECD, E1000_EECD_REQ);
	twin_write(r, E1000_EECD, 0);
}

void twin_step_eeprom(struct twin_run *r)
{
	unsigned n = twin_between(&r->random, 1, 4);

	for (unsigned i = 0; i < n; i++) {
		uint32_t word = twin_chance(&r->random, 70) ? twin_between(&r->random, 0, 2) : twin_between(&r->random, 0, 63);

		if (twin_chance(&r->random, 50)) {
			read_microwire(r, word);
			continue;
		}
		twin_write(r, E1000_EERD, word << 8 | E1000_EERD_START);
		if (word <= 2)
			twin_read(r, E1000_EERD, 0xffffffff);
		else
			twin_read_but(r, E1000_EERD, 0xffff0000, TWIN_RULE_EEPROM);
	}
}

/* ---- PHY ---- */

static uint32_t mdic(struct twin_run *r, uint32_t op, uint32_t phy, uint32_t reg, uint32_t data, uint32_t mask)
{
	twin_write(r, E1000_MDIC, op << E1000_MDIC_OP_SHIFT | phy << E1000_MDIC_PHY_SHIFT | reg << E1000_MDIC_REG_SHIFT | data);
	return twin_read(r, E1000_MDIC, mask) & 0xffff;
}

void twin_step_phy(struct twin_run *r)
{
	static const struct { uint8_t reg; uint16_t same; bool writable; } rows[] = {
		{ E1000_PHY_BMCR, 0xffff, false }, { E1000_PHY_ID1, 0xffff, false }, { E1000_PHY_ID2, 0xffff, false },
		{ E1000_PHY_ANAR, 0xffff, true }, { E1000_PHY_1000T_CONTROL, 0xffff, true },
		{ E1000_PHY_PSCR, 0xffff, true }, { E1000_PHY_EPSCR, 0xffff, true },
	};
	unsigned n = twin_between(&r->random, 1, 8);

	for (unsigned i = 0; i < n; i++) {
		const uint32_t k = twin_between(&r->random, 0, sizeof(rows) / sizeof(rows[0]) - 1);
		const uint32_t interrupt = twin_chance(&r->random, 20) ? E1000_MDIC_INT : 0;
		const uint32_t error = E1000_MDIC_READY | E1000_MDIC_ERROR;

		if (twin_chance(&r->random, 15)) {	/* nobody has that address; what the data is then: TWIN_RULE_PHY */
			uint32_t phy = twin_between(&r->random, 2, 31);

			/* QEMU does again what the last access asked for: let that be no interrupt. */
			mdic(r, E1000_MDIC_OP_READ, E1000_PHY_ADDRESS, E1000_PHY_ID1, 0, 0xffff | error);
			r->used[TWIN_RULE_PHY] += r->rules;
			mdic(r, E1000_MDIC_OP_READ, phy, rows[k].reg, 0, r->rules ? error : 0xffffffff);
			continue;
		}
		if (rows[k].writable) {
			uint32_t value = (uint32_t)twin_random(&r->random) & 0xffff;

			mdic(r, E1000_MDIC_OP_WRITE, E1000_PHY_ADDRESS, rows[k].reg, value | interrupt, 0xffffffff);
		}
		mdic(r, E1000_MDIC_OP_READ, E1000_PHY_ADDRESS, rows[k].reg, interrupt, 0xffff | error);
	}
	if (twin_chance(&r->random, 20)) {	/* autonegotiation again: the link goes down, and comes back */
		mdic(r, E1000_MDIC_OP_WRITE, E1000_PHY_ADDRESS, E1000_PHY_BMCR, E1000_BMCR_AN | E1000_BMCR_RESTART |
		     E1000_BMCR_FD | E1000_BMCR_SPEED_1000, 0);
		twin_read(r, E1000_STATUS, E1000_STATUS_LU);
		twin_pass(r, LINK_MS * MS);
		twin_read(r, E1000_STATUS, E1000_STATUS_LU);
	}
	twin_same_interrupts(r, 0);
}

/* The cable is pulled out and put back; what is sent or comes meanwhile is lost in different ways. */
void twin_step_link(struct twin_run *r)
{
	for (unsigned up = 0; up < 2; up++) {
		r->ours->ops->link(r->ours, up);
		r->other->ops->link(r->other, up);
		twin_pass(r, LINK_MS * MS);
		twin_read(r, E1000_STATUS, E1000_STATUS_LU);
		twin_same_interrupts(r, 0);
	}
}
