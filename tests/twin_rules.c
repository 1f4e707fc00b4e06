/* SPDX-License-Identifier: MIT */
/* What QEMU's e1000 is known to do in another way; docs/e1000-twin.md has the manual's sections and the reasons. */
#include "tests/twin.h"

static const char *const texts[TWIN_RULES] = {
	[TWIN_RULE_MASKS] = "reserved bits of registers, which QEMU keeps as written",
	[TWIN_RULE_RXDMT0] = "RXDMT0 with every frame below the threshold",
	[TWIN_RULE_TXQE] = "TXQE whenever the ring is found empty",
	[TWIN_RULE_FCS] = "the FCS in a buffer, which QEMU leaves as it was",
	[TWIN_RULE_PIF] = "PIF, which QEMU never sets",
	[TWIN_RULE_RX_CHECKSUM] = "packet checksum, which QEMU leaves as it was",
	[TWIN_RULE_RX_MIDDLE] = "VP and the tag in descriptors that do not end a frame",
	[TWIN_RULE_MTA] = "unicast addresses, for which QEMU asks the multicast table too",
	[TWIN_RULE_BROADCAST] = "broadcasts with MPE and without BAM",
	[TWIN_RULE_TSO6] = "IPv6 payload length of large sends, 40 too long in QEMU",
	[TWIN_RULE_IP_SUM_ZERO] = "an IP checksum of 0, which QEMU sends as FFFF",
	[TWIN_RULE_EEPROM] = "EEPROM words beyond the address",
	[TWIN_RULE_PHY] = "MDIC's data after an access to no PHY",
	[TWIN_RULE_COUNT_TAGS] = "octets and sizes of frames whose tag is in a descriptor",
	[TWIN_RULE_COUNT_SEEN] = "TPR and TOR of frames that were filtered out",
	[TWIN_RULE_COUNT_MORE] = "counters that QEMU 11 has switched off",
	[TWIN_RULE_RESET] = "STATUS beyond link and duplex",
	[TWIN_RULE_82544] = "registers that the 82544 does not have, and its EECD.GNT",
};

const char *twin_rule_text(enum twin_rule rule)
{
	return texts[rule];
}
