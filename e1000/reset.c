/* SPDX-License-Identifier: MIT */
/*
 * Resets, and the general registers that have to do with them or with what the chip is.
 *
 * When the write that resets is answered, nothing of the old configuration is under way: everything happens on one thread,
 * and no work outlives its call.
 */
#include "e1000/internal.h"

static void reset_mac(struct e1000_core *c, bool power_on)
{
	e1000_regs_reset(c, power_on);
	e1000_tx_reset(c);
	e1000_rx_reset(c);
	e1000_stats_reset(c);
	e1000_irq_reset(c);
	e1000_eeprom_idle(&c->eeprom);
	e1000_eeprom_load(c);
	/* The PHY keeps its link; that it shows again is no change. */
	c->link_up = e1000_phy_link(c) && e1000_reg(c, E1000_CTRL) & E1000_CTRL_SLU;
}

void e1000_core_power_on(struct e1000_core *c)
{
	c->frozen = false;
	c->io_address = 0;
	c->bus_master = false;
	c->eeprom.writable = false;
	e1000_timer_stop(c, E1000_TIMER_AN);
	c->phy.held = false;
	reset_mac(c, true);
	e1000_phy_reset(c);
	/* What the PHY's reset has caused, nobody has to know. */
	e1000_reg_set(c, E1000_ICR, 0);
	e1000_irq_update(c);
	e1000_count(c, E1000_C_RESETS);
}

void e1000_ctrl_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	if (value & E1000_CTRL_RST) {	/* whatever the other bits say: NetBSD sets none */
		reset_mac(c, false);
		e1000_phy_hold(c, false);
		if (value & E1000_CTRL_PHY_RST)
			e1000_phy_reset(c);
		e1000_count(c, E1000_C_RESETS);
		return;
	}
	e1000_reg_store(c, offset, value);
	e1000_phy_hold(c, value & E1000_CTRL_PHY_RST);
	e1000_link_update(c);
}

void e1000_ctrl_ext_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	if (value & E1000_CTRL_EXT_EE_RST) {
		e1000_eeprom_idle(&c->eeprom);
		e1000_eeprom_load(c);
	}
}

/* What the MAC runs at: forced, or as the PHY resolved it. */
static void mac_speed(const struct e1000_core *c, uint32_t *code, bool *full_duplex)
{
	const uint32_t ctrl = e1000_reg(c, E1000_CTRL);
	uint32_t mbps;

	e1000_phy_speed(c, &mbps, full_duplex);
	*code = mbps == 1000 ? 2 : mbps == 100;
	if (ctrl & E1000_CTRL_FRCSPD)
		*code = (ctrl & E1000_CTRL_SPEED_MASK) >> E1000_CTRL_SPEED_SHIFT;
	if (ctrl & E1000_CTRL_FRCDPX)
		*full_duplex = ctrl & E1000_CTRL_FD;
}

uint32_t e1000_status_read(struct e1000_core *c, uint32_t offset)
{
	uint32_t value = 0, code;
	bool full_duplex;

	(void)offset;
	mac_speed(c, &code, &full_duplex);
	if (full_duplex)
		value |= E1000_STATUS_FD;
	if (c->link_up)
		value |= E1000_STATUS_LU;
	value |= code << E1000_STATUS_SPEED_SHIFT;
	/* Linux sets a 64-bit DMA mask only on PCI-X. */
	if (c->model != E1000_82540EM)
		value |= E1000_STATUS_BUS64 | E1000_STATUS_PCIX_MODE | E1000_STATUS_PCIX_133;
	return value;
}

/* In force from the next reset on (13.4.38). */
void e1000_pba_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t receive = value & 0x7f;
	const uint32_t transmit = receive < E1000_PACKET_BUFFER_KIB ? E1000_PACKET_BUFFER_KIB - receive : 0;

	e1000_reg_set(c, offset, receive | transmit << 16);
}

void e1000_wuc_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t status = e1000_reg(c, offset) & ~value & E1000_WUC_PME_STATUS;

	e1000_reg_set(c, offset, (value & 0x8000000b) | status);
}

void e1000_wus_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_set(c, offset, e1000_reg(c, offset) & ~value);
}
