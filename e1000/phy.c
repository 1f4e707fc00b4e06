/* SPDX-License-Identifier: MIT */
/*
 * The PHY (an M88E1011) behind MDIC, and the link.
 *
 * The partner offers everything, so what the guest advertises decides.
 *
 * Autonegotiation takes a millisecond. Linux looks at the link a jiffy after it has opened the NIC, which may be 2 ms after it has
 * powered the PHY up. If there is none, it looks again after 2 s: a link interrupt cannot hasten work that is queued
 * already. Meanwhile it queues frames, and takes those for hung as soon as it has started the transmitter. Its interrupt test
 * would take a link change 90 to 220 ms after its reset for one that it has caused itself; iPXE looks after 40 ms.
 */
#include "e1000/internal.h"

#define AN_NS 1000000ull

static const struct {
	uint16_t reset, writable;
} registers[E1000_PHY_REGISTERS] = {
	[E1000_PHY_BMCR] = { 0x1140, 0x7dc0 },
	[E1000_PHY_BMSR] = { 0x7949, 0 },
	[E1000_PHY_ID1] = { 0x0141, 0 },
	[E1000_PHY_ID2] = { 0x0c20, 0 },
	[E1000_PHY_ANAR] = { 0x01e1, 0xffff },
	[E1000_PHY_ANNPT] = { 0x2001, 0xffff },
	[E1000_PHY_1000T_CONTROL] = { 0x0e00, 0xffff },
	[E1000_PHY_EXT_STATUS] = { 0x3000, 0 },
	[E1000_PHY_PSCR] = { 0x0068, 0xffff },
	[E1000_PHY_INT_ENABLE] = { 0, 0xffff },
	[E1000_PHY_EPSCR] = { 0x0d60, 0xffff },
	[E1000_PHY_EPSCR2] = { 0x000c, 0xffff },
	[E1000_PHY_PAGE] = { 0, 0xffff },
	[E1000_PHY_WINDOW] = { 0, 0xffff },	/* one for all pages: drivers write it and don't look */
};

uint16_t e1000_phy_writable(unsigned reg)
{
	return registers[reg].writable;
}

bool e1000_phy_loopback(const struct e1000_core *c)
{
	return c->phy.reg[E1000_PHY_BMCR] & E1000_BMCR_LOOPBACK;
}

bool e1000_phy_link(const struct e1000_core *c)
{
	const struct e1000_phy *p = &c->phy;

	if (p->held || p->reg[E1000_PHY_BMCR] & E1000_BMCR_POWER_DOWN)
		return false;
	if (e1000_phy_loopback(c))
		return true;
	return p->wire_up && (p->an_done || !(p->reg[E1000_PHY_BMCR] & E1000_BMCR_AN));
}

void e1000_phy_speed(const struct e1000_core *c, uint32_t *mbps, bool *full_duplex)
{
	const uint16_t *reg = c->phy.reg;
	const uint16_t bmcr = reg[E1000_PHY_BMCR], offers = reg[E1000_PHY_ANAR];
	const uint16_t offers_1000 = reg[E1000_PHY_1000T_CONTROL];

	if (!(bmcr & E1000_BMCR_AN) || e1000_phy_loopback(c)) {
		*mbps = bmcr & E1000_BMCR_SPEED_1000 ? 1000 : bmcr & E1000_BMCR_SPEED_100 ? 100 : 10;
		*full_duplex = bmcr & E1000_BMCR_FD;
	} else if (offers_1000 & (E1000_1000T_FD | E1000_1000T_HD)) {
		*mbps = 1000;
		*full_duplex = offers_1000 & E1000_1000T_FD;
	} else if (offers & (E1000_ANAR_100FD | E1000_ANAR_100HD)) {
		*mbps = 100;
		*full_duplex = offers & E1000_ANAR_100FD;
	} else {
		*mbps = 10;
		*full_duplex = offers & E1000_ANAR_10FD;
	}
}

/* ---- the link ---- */

void e1000_link_update(struct e1000_core *c)
{
	const bool phy = e1000_phy_link(c);
	const bool up = phy && e1000_reg(c, E1000_CTRL) & E1000_CTRL_SLU;

	if (!phy)
		c->phy.link_latch = false;
	if (up == c->link_up)
		return;
	c->link_up = up;
	e1000_count(c, E1000_C_LINK_CHANGES);
	e1000_irq_cause(c, E1000_INT_LSC);
}

static bool can_negotiate(const struct e1000_phy *p)
{
	const uint16_t bmcr = p->reg[E1000_PHY_BMCR];

	return p->wire_up && !p->held && bmcr & E1000_BMCR_AN && !(bmcr & E1000_BMCR_POWER_DOWN);
}

/* Begins to negotiate, if everything is there for it. */
static void restart(struct e1000_core *c)
{
	struct e1000_phy *p = &c->phy;

	p->an_done = false;
	p->link_latch = false;
	if (can_negotiate(p))
		e1000_timer_start(c, E1000_TIMER_AN, AN_NS);
	else
		e1000_timer_stop(c, E1000_TIMER_AN);
	e1000_link_update(c);
}

void e1000_phy_an_done(struct e1000_core *c)
{
	c->phy.an_done = true;
	c->phy.reg[E1000_PHY_ANER] |= 2;	/* a page was received; cleared by reading */
	e1000_link_update(c);
}

void e1000_core_set_wire(struct e1000_core *c, bool up)
{
	e1000_core_thaw(c);
	if (c->phy.wire_up == up)
		return;
	c->phy.wire_up = up;
	restart(c);
}

void e1000_phy_thaw(struct e1000_core *c)
{
	const struct e1000_phy *p = &c->phy;
	const bool begun = p->an_done || c->deadline_ns[E1000_TIMER_AN];

	if (p->wire_up ? can_negotiate(p) && !begun : begun)
		restart(c);
	else
		e1000_link_update(c);
}

void e1000_phy_reset(struct e1000_core *c)
{
	for (unsigned i = 0; i < E1000_PHY_REGISTERS; i++)
		c->phy.reg[i] = registers[i].reset;
	if (c->model == E1000_82544GC)
		c->phy.reg[E1000_PHY_ID2] = 0x0c30;
	restart(c);
}

void e1000_phy_hold(struct e1000_core *c, bool held)
{
	if (c->phy.held == held)
		return;
	c->phy.held = held;
	e1000_phy_reset(c);
}

/* ---- registers ---- */

static uint16_t bmsr_read(struct e1000_core *c)
{
	struct e1000_phy *p = &c->phy;
	uint16_t value = registers[E1000_PHY_BMSR].reset;

	if (p->an_done)
		value |= E1000_BMSR_AN_DONE;
	if (p->link_latch)
		value |= E1000_BMSR_LINK;
	p->link_latch = e1000_phy_link(c);
	return value;
}

static uint16_t pssr_read(const struct e1000_core *c)
{
	uint32_t mbps;
	bool fd;

	if (!e1000_phy_link(c))
		return 0;
	e1000_phy_speed(c, &mbps, &fd);
	return (uint16_t)((mbps == 1000 ? 2 : mbps == 100) << 14 | fd << 13 | 1 << 11 | 1 << 10);
}

static uint16_t phy_read(struct e1000_core *c, unsigned reg)
{
	struct e1000_phy *p = &c->phy;
	uint16_t value;

	switch (reg) {
	case E1000_PHY_BMSR:
		return bmsr_read(c);
	case E1000_PHY_ANLPAR:		/* all speeds, no PAUSE: a switch in software sends none */
		return p->an_done ? 0x41e1 : 0x01e0;
	case E1000_PHY_ANER:
		value = (uint16_t)(p->reg[reg] | p->an_done);
		p->reg[reg] = 0;
		return value;
	case E1000_PHY_1000T_STATUS:
		return p->an_done ? 0x3c00 : 0;
	case E1000_PHY_PSSR:
		return pssr_read(c);
	default:
		return p->reg[reg];
	}
}

static void bmcr_write(struct e1000_core *c, uint16_t value)
{
	uint16_t *bmcr = &c->phy.reg[E1000_PHY_BMCR];
	const uint16_t changed = *bmcr ^ value;

	*bmcr = value & registers[E1000_PHY_BMCR].writable;
	if (value & (E1000_BMCR_RESET | E1000_BMCR_RESTART) ||
	    changed & (E1000_BMCR_AN | E1000_BMCR_POWER_DOWN))
		restart(c);
	else
		e1000_link_update(c);
}

static void phy_write(struct e1000_core *c, unsigned reg, uint16_t value)
{
	const uint16_t mask = registers[reg].writable;

	if (reg == E1000_PHY_BMCR)
		bmcr_write(c, value);
	else
		c->phy.reg[reg] = (uint16_t)((c->phy.reg[reg] & ~mask) | (value & mask));
}

void e1000_mdic_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const unsigned reg = value >> E1000_MDIC_REG_SHIFT & 31, op = value >> E1000_MDIC_OP_SHIFT & 3;
	uint32_t result = (value & 0x2fffffff) | E1000_MDIC_READY;

	if (op == E1000_MDIC_OP_READ || op == E1000_MDIC_OP_WRITE) {
		/* BSDs look at every address, and know by the error that nobody is there. */
		if ((value >> E1000_MDIC_PHY_SHIFT & 31) != E1000_PHY_ADDRESS)
			result |= E1000_MDIC_ERROR;
		else if (op == E1000_MDIC_OP_READ)
			result = (result & ~0xffffu) | phy_read(c, reg);
		else
			phy_write(c, reg, (uint16_t)value);
	}
	e1000_reg_set(c, offset, result);
	if (value & E1000_MDIC_INT)
		e1000_irq_cause(c, E1000_INT_MDAC);
}
