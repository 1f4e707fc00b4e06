/* SPDX-License-Identifier: MIT */
/*
 * Receive filters: addresses (3.2.1, 13.4.22, 13.5.1 … 3) and VLANs (13.5.4). Pure functions of the registers.
 */
#include "e1000/internal.h"

static bool matches(const struct e1000_core *c, unsigned n, const uint8_t *address)
{
	const uint32_t low = (uint32_t)address[0] | (uint32_t)address[1] << 8 | (uint32_t)address[2] << 16 |
			     (uint32_t)address[3] << 24;
	const uint32_t high = (uint32_t)address[4] | (uint32_t)address[5] << 8;
	const uint32_t rah = e1000_reg(c, E1000_RAH + 8 * n);

	/* An entry for source addresses is none that we know how to honour. */
	return rah & E1000_RAH_AV && !(rah & E1000_RAH_AS_MASK) && (rah & 0xffff) == high &&
	       e1000_reg(c, E1000_RAL + 8 * n) == low;
}

bool e1000_filter_is_station(const struct e1000_core *c, const uint8_t *address)
{
	return matches(c, 0, address);
}

static bool in_table(const struct e1000_core *c, const uint8_t *address)
{
	static const uint8_t shift[4] = { 4, 3, 2, 0 };
	const uint32_t v = (uint32_t)address[5] << 8 | address[4];
	const uint32_t index = v >> shift[e1000_reg(c, E1000_RCTL) >> E1000_RCTL_MO_SHIFT & 3] & 0xfff;

	return e1000_reg(c, E1000_MTA + 4 * (index >> 5)) >> (index & 31) & 1;
}

enum e1000_filter e1000_filter_address(const struct e1000_core *c, const uint8_t *destination)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint32_t rctl = e1000_reg(c, E1000_RCTL);

	if (!(destination[0] & 1)) {
		if (rctl & E1000_RCTL_UPE)
			return E1000_FILTER_EXACT;
	} else if (rctl & E1000_RCTL_MPE ||
		   (rctl & E1000_RCTL_BAM && !memcmp(destination, broadcast, 6))) {
		return E1000_FILTER_EXACT;
	}
	for (unsigned n = 0; n < E1000_NUM_RA; n++)
		if (matches(c, n, destination))
			return E1000_FILTER_EXACT;
	/* The table is for multicast alone. */
	if (destination[0] & 1 && in_table(c, destination))
		return E1000_FILTER_IMPERFECT;
	return E1000_FILTER_DROP;
}

bool e1000_filter_vlan(const struct e1000_core *c, uint16_t tci)
{
	const uint32_t rctl = e1000_reg(c, E1000_RCTL), id = tci & 0xfff;

	if (!(rctl & E1000_RCTL_VFE))
		return true;
	if (!(e1000_reg(c, E1000_VFTA + 4 * (id >> 5)) >> (id & 31) & 1))
		return false;
	return !(rctl & E1000_RCTL_CFIEN) || !!(rctl & E1000_RCTL_CFI) == (tci >> 12 & 1);
}
