// SPDX-License-Identifier: MIT OR GPL-2.0
/* What ethtool asks. */
#include <linux/ethtool.h>

#include "netvsc/linux/netvsc_nic.h"

static const struct {
	char name[ETH_GSTRING_LEN];
	u16 offset;		/* in struct nv_counters */
} nv_stats[] = {
#define NV_STAT(member) { #member, offsetof(struct nv_counters, member) }
	NV_STAT(rx_no_memory),
	NV_STAT(rx_closed),
	NV_STAT(rx_completion_lost),
	NV_STAT(tx_dropped),
	NV_STAT(tx_busy),
	NV_STAT(tx_copied),
	NV_STAT(tx_direct),
	NV_STAT(tx_wakes),
	NV_STAT(tx_ring_full),
#undef NV_STAT
};

static void nv_get_drvinfo(struct net_device *ndev, struct ethtool_drvinfo *info)
{
	struct nv_nic *nic = netdev_priv(ndev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	snprintf(info->fw_version, sizeof(info->fw_version), "NVSP %u.%u VMBus %u.%u", nic->core.version >> 16,
		 nic->core.version & 0xff, vmbus_proto_version >> 16, vmbus_proto_version & 0xff);
	strscpy(info->bus_info, dev_name(&nic->hdev->device), sizeof(info->bus_info));
}

static int nv_get_sset_count(struct net_device *ndev, int set)
{
	return set == ETH_SS_STATS ? NETVSC_STATS + ARRAY_SIZE(nv_stats) : -EOPNOTSUPP;
}

static void nv_get_strings(struct net_device *ndev, u32 set, u8 *data)
{
	unsigned int i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < NETVSC_STATS; i++, data += ETH_GSTRING_LEN)
		strscpy((char *)data, netvsc_stat_name(i), ETH_GSTRING_LEN);
	for (i = 0; i < ARRAY_SIZE(nv_stats); i++, data += ETH_GSTRING_LEN)
		strscpy((char *)data, nv_stats[i].name, ETH_GSTRING_LEN);
}

static void nv_get_stats(struct net_device *ndev, struct ethtool_stats *stats, u64 *data)
{
	struct nv_nic *nic = netdev_priv(ndev);
	struct nv_queue *q = &nic->queue[0];
	unsigned int i;

	for (i = 0; i < NETVSC_STATS; i++)
		*data++ = READ_ONCE(q->rx_stats.n[i]) + READ_ONCE(q->tx_stats.n[i]) + READ_ONCE(nic->core.stats.n[i]);
	for (i = 0; i < ARRAY_SIZE(nv_stats); i++)
		*data++ = READ_ONCE(*(u64 *)((char *)&q->counters + nv_stats[i].offset));
}

static int nv_get_link_ksettings(struct net_device *ndev, struct ethtool_link_ksettings *k)
{
	struct nv_nic *nic = netdev_priv(ndev);
	u64 mbps = div_u64(nic->core.link_bps, 1000000);

	ethtool_link_ksettings_zero_link_mode(k, supported);
	ethtool_link_ksettings_zero_link_mode(k, advertising);
	k->base.speed = mbps && mbps <= INT_MAX ? (u32)mbps : SPEED_UNKNOWN;
	k->base.duplex = DUPLEX_FULL;
	k->base.port = PORT_OTHER;
	k->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static void nv_get_channels(struct net_device *ndev, struct ethtool_channels *c)
{
	c->max_combined = NV_QUEUES;
	c->combined_count = NV_QUEUES;
}

static u32 nv_get_msglevel(struct net_device *ndev)
{
	struct nv_nic *nic = netdev_priv(ndev);

	return nic->msg_enable;
}

static void nv_set_msglevel(struct net_device *ndev, u32 value)
{
	struct nv_nic *nic = netdev_priv(ndev);

	nic->msg_enable = value;
}

const struct ethtool_ops nv_ethtool_ops = {
	.get_drvinfo = nv_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = nv_get_link_ksettings,
	.get_sset_count = nv_get_sset_count,
	.get_strings = nv_get_strings,
	.get_ethtool_stats = nv_get_stats,
	.get_channels = nv_get_channels,
	.get_msglevel = nv_get_msglevel,
	.set_msglevel = nv_set_msglevel,
	.get_ts_info = ethtool_op_get_ts_info,
};
