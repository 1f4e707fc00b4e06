// SPDX-License-Identifier: MIT OR GPL-2.0
/* The module: binds to synthetic NICs, and the network stack's calls that are not about frames. */
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "netvsc/linux/netvsc_nic.h"

static unsigned int receive_mb = 8;
module_param(receive_mb, uint, 0444);
MODULE_PARM_DESC(receive_mb, "receive buffer in MiB (default 8, 1 to 31)");

enum {
	NV_SEND_BYTES = 255 * HV_HYP_PAGE_SIZE,		/* 170 sections of 6144 bytes, as hv_netvsc */
	NV_RECEIVE_MB_MAX = 31,				/* Hyper-V's limit below 32 MiB, with old hosts 16 */
	NV_MTU_MAX_V1 = 1500,				/* without NDIS_CONFIG the host does not learn of more */
};

/* ---- network stack ---- */

static int nv_open(struct net_device *ndev)
{
	struct nv_nic *nic = netdev_priv(ndev);
	int ret;

	mutex_lock(&nic->session_lock);
	spin_lock_bh(&nic->core_lock);
	netvsc_set_filter(&nic->core, NDIS_FILTER_DIRECTED | NDIS_FILTER_ALL_MULTICAST | NDIS_FILTER_BROADCAST);
	spin_unlock_bh(&nic->core_lock);
	ret = nv_session_settle(nic);
	if (!ret)
		netif_tx_start_all_queues(ndev);
	mutex_unlock(&nic->session_lock);
	nv_update_link(nic);
	return ret;
}

static int nv_stop(struct net_device *ndev)
{
	struct nv_nic *nic = netdev_priv(ndev);

	netif_tx_disable(ndev);
	mutex_lock(&nic->session_lock);
	spin_lock_bh(&nic->core_lock);
	netvsc_set_filter(&nic->core, 0);
	spin_unlock_bh(&nic->core_lock);
	/* A host that does not answer does not keep the interface up. */
	nv_session_settle(nic);
	mutex_unlock(&nic->session_lock);
	return 0;
}

/* Called where one cannot sleep. */
static void nv_set_rx_mode(struct net_device *ndev)
{
	struct nv_nic *nic = netdev_priv(ndev);
	u32 filter = NDIS_FILTER_DIRECTED;

	if (ndev->flags & IFF_PROMISC)
		filter = NDIS_FILTER_PROMISCUOUS;
	else if (ndev->flags & IFF_ALLMULTI || !netdev_mc_empty(ndev))
		filter |= NDIS_FILTER_ALL_MULTICAST;
	if (ndev->flags & IFF_BROADCAST && !(ndev->flags & IFF_PROMISC))
		filter |= NDIS_FILTER_BROADCAST;
	spin_lock_bh(&nic->core_lock);
	netvsc_set_filter(&nic->core, filter);
	spin_unlock_bh(&nic->core_lock);
	schedule_work(&nic->control_work);
}

static void nv_control_work(struct work_struct *work)
{
	struct nv_nic *nic = container_of(work, struct nv_nic, control_work);
	int ret;

	mutex_lock(&nic->session_lock);
	ret = nv_session_settle(nic);
	mutex_unlock(&nic->session_lock);
	if (ret && ret != -ENETDOWN && ret != -ENODEV)
		netif_warn(nic, drv, nic->ndev, "the host did not take the packet filter: %d\n", ret);
}

static void nv_link_work(struct work_struct *work)
{
	nv_update_link(container_of(to_delayed_work(work), struct nv_nic, link_work));
}

/*
 * Closes the session and opens one with another MTU, or the same; back to the old one if that
 * fails. rtnl held.
 */
static int nv_reopen(struct nv_nic *nic, u32 mtu)
{
	struct net_device *ndev = nic->ndev;
	int ret;

	netif_device_detach(ndev);
	netif_tx_disable(ndev);
	mutex_lock(&nic->session_lock);
	nv_session_close(nic);
	ret = nv_session_open(nic, mtu);
	if (!ret && nic->core.mtu < mtu) {
		nv_session_close(nic);
		ret = -EINVAL;		/* the host serves less */
	}
	if (!ret)
		WRITE_ONCE(ndev->mtu, mtu);
	else if (nv_session_open(nic, ndev->mtu))
		netdev_err(ndev, "the NIC is lost until it is bound anew\n");
	/* The filter was given back with the session; the goal is still known. */
	if (nic->session_open && nv_session_settle(nic))
		netdev_warn(ndev, "the host did not take the packet filter\n");
	mutex_unlock(&nic->session_lock);
	netif_device_attach(ndev);
	nv_update_link(nic);
	return ret;
}

static int nv_change_mtu(struct net_device *ndev, int mtu)
{
	return nv_reopen(netdev_priv(ndev), mtu);
}

static void nv_tx_timeout(struct net_device *ndev, unsigned int queue)
{
	struct nv_nic *nic = netdev_priv(ndev);

	netdev_warn(ndev, "queue %u: the host completes nothing (%u packets out, %u bytes free in the ring)\n", queue,
		    READ_ONCE(nic->queue[0].tx.busy), hv_get_bytes_to_write(&nic->hdev->channel->outbound));
	schedule_work(&nic->reset_work);
}

static void nv_reset_work(struct work_struct *work)
{
	struct nv_nic *nic = container_of(work, struct nv_nic, reset_work);

	rtnl_lock();
	if (!nic->removing && netif_running(nic->ndev))
		nv_reopen(nic, nic->ndev->mtu);
	rtnl_unlock();
}

/* NDIS status of a refused MAC address, as ip-link(8) will show it. */
static int nv_mac_error(u32 status)
{
	switch (status) {
	case RNDIS_STATUS_SUCCESS:
		return 0;
	case RNDIS_STATUS_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case RNDIS_STATUS_INVALID_DATA:
		return -EADDRNOTAVAIL;
	default:
		return -EIO;
	}
}

static int nv_set_mac(struct net_device *ndev, void *p)
{
	struct nv_nic *nic = netdev_priv(ndev);
	struct sockaddr *address = p;
	int ret = eth_prepare_mac_addr_change(ndev, p);
	u32 status;
	bool queued;

	if (ret)
		return ret;
	mutex_lock(&nic->session_lock);
	spin_lock_bh(&nic->core_lock);
	queued = netvsc_request_mac(&nic->core, (u8 *)address->sa_data);
	spin_unlock_bh(&nic->core_lock);
	ret = queued ? nv_session_request(nic, &status) : -EBUSY;
	mutex_unlock(&nic->session_lock);
	if (!ret)
		ret = nv_mac_error(status);
	if (!ret)
		eth_commit_mac_addr_change(ndev, p);
	return ret;
}

static void nv_get_stats64(struct net_device *ndev, struct rtnl_link_stats64 *s)
{
	struct nv_nic *nic = netdev_priv(ndev);
	const struct nv_queue *q = &nic->queue[0];
	const u64 *rx = q->rx_stats.n, *tx = q->tx_stats.n;

	s->rx_packets = READ_ONCE(rx[NETVSC_RX_FRAMES]);
	s->rx_bytes = READ_ONCE(rx[NETVSC_RX_BYTES]);
	s->rx_length_errors = READ_ONCE(rx[NETVSC_RX_BAD_SIZE]);
	s->rx_errors = READ_ONCE(rx[NETVSC_RX_BAD_PACKET]) + READ_ONCE(rx[NETVSC_RX_BAD_RANGE]) +
		       READ_ONCE(rx[NETVSC_RX_BAD_MESSAGE]) + READ_ONCE(rx[NETVSC_RX_BAD_INFO]) + s->rx_length_errors;
	s->rx_dropped = READ_ONCE(q->counters.rx_no_memory) + READ_ONCE(q->counters.rx_closed);
	s->tx_packets = READ_ONCE(tx[NETVSC_TX_FRAMES]);
	s->tx_bytes = READ_ONCE(tx[NETVSC_TX_BYTES]);
	s->tx_errors = READ_ONCE(tx[NETVSC_TX_FAILED]);
	s->tx_dropped = READ_ONCE(q->counters.tx_dropped);
}

static const struct net_device_ops nv_netdev_ops = {
	.ndo_open = nv_open,
	.ndo_stop = nv_stop,
	.ndo_start_xmit = nv_xmit,
	.ndo_set_rx_mode = nv_set_rx_mode,
	.ndo_change_mtu = nv_change_mtu,
	.ndo_set_mac_address = nv_set_mac,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = nv_get_stats64,
	.ndo_tx_timeout = nv_tx_timeout,
};

static void nv_set_features(struct nv_nic *nic)
{
	struct net_device *ndev = nic->ndev;
	u32 offload = nic->core.offload, lso = GSO_MAX_SIZE;

	ndev->features = NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX;
	ndev->hw_features = NETIF_F_SG;
	if (offload & NETVSC_OFF_TX_TCP4)
		ndev->hw_features |= NETIF_F_IP_CSUM;
	if (offload & NETVSC_OFF_TX_TCP6)
		ndev->hw_features |= NETIF_F_IPV6_CSUM;
	if (offload & NETVSC_OFF_LSO4) {
		ndev->hw_features |= NETIF_F_TSO;
		lso = min(lso, nic->core.lso_max_bytes[0]);
	}
	if (offload & NETVSC_OFF_LSO6) {
		ndev->hw_features |= NETIF_F_TSO6;
		lso = min(lso, nic->core.lso_max_bytes[1]);
	}
	if (offload & (NETVSC_OFF_RX_TCP4 | NETVSC_OFF_RX_TCP6))
		ndev->hw_features |= NETIF_F_RXCSUM;
	ndev->features |= ndev->hw_features;
	ndev->vlan_features = ndev->features & ~(NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX);
	netif_set_tso_max_size(ndev, lso);
}

/* ---- the bus ---- */

static void nv_init(struct nv_nic *nic, struct net_device *ndev, struct hv_device *hdev)
{
	struct nv_queue *q = &nic->queue[0];

	nic->ndev = ndev;
	nic->hdev = hdev;
	nic->msg_enable = NETIF_MSG_DRV | NETIF_MSG_PROBE | NETIF_MSG_LINK;
	nic->receive_bytes = clamp(receive_mb, 1u, (unsigned int)NV_RECEIVE_MB_MAX) << 20;
	nic->send_bytes = NV_SEND_BYTES;
	mutex_init(&nic->session_lock);
	spin_lock_init(&nic->core_lock);
	init_waitqueue_head(&nic->wait);
	INIT_WORK(&nic->control_work, nv_control_work);
	INIT_WORK(&nic->reset_work, nv_reset_work);
	INIT_DELAYED_WORK(&nic->link_work, nv_link_work);
	q->nic = nic;
	q->channel = hdev->channel;
	spin_lock_init(&q->tx_lock);
	q->batch_slot = NETVSC_NO_SLOT;
	netif_napi_add(ndev, &q->napi, nv_poll);
}

static int nv_register(struct nv_nic *nic)
{
	struct net_device *ndev = nic->ndev;

	eth_hw_addr_set(ndev, nic->core.mac);
	ndev->netdev_ops = &nv_netdev_ops;
	ndev->ethtool_ops = &nv_ethtool_ops;
	ndev->watchdog_timeo = 10 * HZ;		/* our policy: an emulated guest on a busy machine */
	ndev->priv_flags |= IFF_LIVE_ADDR_CHANGE;	/* the host decides, up or down */
	ndev->min_mtu = NETVSC_MTU_MIN;
	ndev->max_mtu = nic->core.version >= NVSP_VERSION_2 ? NETVSC_MTU_MAX : NV_MTU_MAX_V1;
	ndev->mtu = nic->core.mtu;
	nv_set_features(nic);
	netif_carrier_off(ndev);
	return register_netdev(ndev);
}

static int nv_probe(struct hv_device *hdev, const struct hv_vmbus_device_id *id)
{
	struct net_device *ndev = alloc_etherdev_mq(sizeof(struct nv_nic), NV_QUEUES);
	struct nv_nic *nic;
	int ret;

	if (!ndev)
		return -ENOMEM;
	SET_NETDEV_DEV(ndev, &hdev->device);
	nic = netdev_priv(ndev);
	nv_init(nic, ndev, hdev);
	hv_set_drvdata(hdev, nic);
	ret = nv_session_alloc(nic);
	if (ret)
		goto no_memory;
	mutex_lock(&nic->session_lock);
	ret = nv_session_open(nic, NETVSC_MTU_DEFAULT);
	mutex_unlock(&nic->session_lock);
	if (ret)
		goto no_session;
	ret = nv_register(nic);
	if (ret)
		goto not_registered;
	nv_update_link(nic);
	netif_info(nic, probe, ndev, "NVSP %u.%u, %u receive buffers of %u bytes, %u send sections\n",
		   nic->core.version >> 16, nic->core.version & 0xffff, nic->core.sub_count, nic->core.sub_bytes,
		   nic->core.section_count);
	return 0;

not_registered:
	mutex_lock(&nic->session_lock);
	nv_session_close(nic);
	mutex_unlock(&nic->session_lock);
no_session:
	nv_session_free(nic);
no_memory:
	hv_set_drvdata(hdev, NULL);
	free_netdev(ndev);
	return ret;
}

static NV_REMOVE_TYPE nv_remove(struct hv_device *hdev)
{
	struct nv_nic *nic = hv_get_drvdata(hdev);

	rtnl_lock();
	nic->removing = true;
	rtnl_unlock();
	cancel_work_sync(&nic->reset_work);
	unregister_netdev(nic->ndev);
	/* From here on nobody sets goals any more. */
	cancel_work_sync(&nic->reset_work);
	cancel_work_sync(&nic->control_work);
	mutex_lock(&nic->session_lock);
	nv_session_close(nic);
	mutex_unlock(&nic->session_lock);
	/* NAPI is off: no indication arms it again. */
	cancel_delayed_work_sync(&nic->link_work);
	hv_set_drvdata(hdev, NULL);
	nv_session_free(nic);
	free_netdev(nic->ndev);
	NV_REMOVE_RETURN;
}

static int nv_suspend(struct hv_device *hdev)
{
	struct nv_nic *nic = hv_get_drvdata(hdev);

	rtnl_lock();
	netif_device_detach(nic->ndev);
	netif_tx_disable(nic->ndev);
	mutex_lock(&nic->session_lock);
	nv_session_close(nic);
	mutex_unlock(&nic->session_lock);
	rtnl_unlock();
	return 0;
}

static int nv_resume(struct hv_device *hdev)
{
	struct nv_nic *nic = hv_get_drvdata(hdev);
	int ret;

	rtnl_lock();
	mutex_lock(&nic->session_lock);
	ret = nv_session_open(nic, nic->ndev->mtu);
	if (!ret)
		ret = nv_session_settle(nic);
	mutex_unlock(&nic->session_lock);
	if (!ret)
		netif_device_attach(nic->ndev);
	rtnl_unlock();
	nv_update_link(nic);
	return ret;
}

static const struct hv_vmbus_device_id nv_ids[] = {
	{ HV_NIC_GUID },
	{ },
};
MODULE_DEVICE_TABLE(vmbus, nv_ids);

static struct hv_driver nv_driver = {
	.name = KBUILD_MODNAME,
	.id_table = nv_ids,
	.probe = nv_probe,
	.remove = nv_remove,
	.suspend = nv_suspend,
	.resume = nv_resume,
};

static int __init nv_module_init(void)
{
	return vmbus_driver_register(&nv_driver);
}

static void __exit nv_module_exit(void)
{
	vmbus_driver_unregister(&nv_driver);
}

module_init(nv_module_init);
module_exit(nv_module_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Network driver for Hyper-V's synthetic NIC");
