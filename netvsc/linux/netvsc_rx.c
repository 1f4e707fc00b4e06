// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * NAPI: takes packets from the incoming ring, gives frames to the stack, completions to the
 * transmit side, control messages to the core. Every receive packet is completed at once, since its
 * frames have been copied; where the outgoing ring has no room the completion is owed and sent
 * later, never lost: the host would miss its buffers for good.
 */
#include <linux/skbuff.h>

#include "netvsc/linux/netvsc_nic.h"

/* In interrupt context. */
void nv_channel_event(void *context)
{
	struct nv_queue *q = context;

	if (napi_schedule_prep(&q->napi)) {
		hv_begin_read(&q->channel->inbound);
		__napi_schedule(&q->napi);
	}
}

static void nv_wake_control(struct nv_nic *nic)
{
	atomic_inc(&nic->events);
	wake_up(&nic->wait);
}

/* ---- completions of receive packets ---- */

static int nv_complete(struct nv_queue *q, u64 id)
{
	struct nvsp_rndis_packet_complete m;

	netvsc_rx_complete(&m);
	return vmbus_sendpacket(q->channel, &m, sizeof(m), id, VM_PKT_COMP, 0);
}

/* true: all owed completions are sent, or nobody is there any more to get them. */
static bool nv_pay_owed(struct nv_queue *q)
{
	while (q->owed_count) {
		if (nv_complete(q, q->owed[q->owed_head]) == -EAGAIN)
			return false;
		q->owed_head = (q->owed_head + 1) % q->owed_size;
		q->owed_count--;
	}
	return true;
}

static void nv_complete_or_owe(struct nv_queue *q, u64 id)
{
	if (nv_pay_owed(q) && nv_complete(q, id) != -EAGAIN)
		return;
	if (q->owed_count == q->owed_size) {
		q->counters.rx_completion_lost++;
		return;
	}
	q->owed[(q->owed_head + q->owed_count++) % q->owed_size] = id;
}

/* ---- frames ---- */

static void nv_offloads(const struct net_device *ndev, struct sk_buff *skb, const struct netvsc_frame *f)
{
	if (f->flags & NETVSC_RX_CSUM_OK && ndev->features & NETIF_F_RXCSUM)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (f->flags & NETVSC_RX_HASH && ndev->features & NETIF_F_RXHASH)
		skb_set_hash(skb, f->hash, PKT_HASH_TYPE_L4);
	if (f->flags & NETVSC_RX_VLAN)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), f->vlan_tci);
}

static void nv_frame(struct nv_queue *q, const struct netvsc_frame *f)
{
	struct net_device *ndev = q->nic->ndev;
	struct sk_buff *skb;

	if (!netif_running(ndev)) {
		q->counters.rx_closed++;
		return;
	}
	skb = napi_alloc_skb(&q->napi, f->bytes);
	if (!skb) {
		q->counters.rx_no_memory++;
		return;
	}
	/* The one look at the host's memory; from here on it is ours. */
	skb_put_data(skb, f->data, f->bytes);
	skb->protocol = eth_type_trans(skb, ndev);
	skb_record_rx_queue(skb, q->index);
	nv_offloads(ndev, skb, f);
	napi_gro_receive(&q->napi, skb);
}

static void nv_control(struct nv_nic *nic, const struct netvsc_frame *f)
{
	u32 events;

	spin_lock(&nic->core_lock);
	events = netvsc_control(&nic->core, f->data, f->bytes);
	spin_unlock(&nic->core_lock);
	if (events & NETVSC_EVENT_LINK)
		nv_update_link(nic);
	if (events & NETVSC_EVENT_RENEW) {
		/*
		 * The stack renews addresses when the carrier was away; 2 s, as hv_netvsc, so that
		 * userspace sees it.
		 */
		netif_carrier_off(nic->ndev);
		schedule_delayed_work(&nic->link_work, 2 * HZ);
	}
	if (events & NETVSC_EVENT_PROGRESS)
		nv_wake_control(nic);
}

/* Frames of one receive packet; returns how many. */
static int nv_receive(struct nv_queue *q, const struct vmpacket_descriptor *desc)
{
	u32 extra = (desc->offset8 << 3) - sizeof(*desc);
	struct netvsc_frame f;
	struct netvsc_rx rx;
	int frames = 0;

	if (netvsc_rx_begin(&q->nic->core, &q->rx_stats, desc + 1, extra, hv_pkt_data(desc), hv_pkt_datalen(desc), &rx)) {
		for (;;) {
			enum netvsc_rx_kind kind = netvsc_rx_next(&q->nic->core, &q->rx_stats, &rx, &f);

			if (kind == NETVSC_RX_END)
				break;
			if (kind == NETVSC_RX_IS_FRAME) {
				nv_frame(q, &f);
				frames++;
			} else if (kind == NETVSC_RX_IS_CONTROL) {
				nv_control(q->nic, &f);
			}
		}
	}
	if (desc->flags & VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED)
		nv_complete_or_owe(q, desc->trans_id);
	return frames;
}

/* ---- the ring ---- */

struct nv_done {
	u32 frames, bytes;	/* transmits that completed in this poll, for BQL */
};

static void nv_completion(struct nv_queue *q, const struct vmpacket_descriptor *desc, int budget, struct nv_done *done)
{
	struct nv_nic *nic = q->nic;

	if (desc->trans_id >= NETVSC_ID_TX) {
		nv_tx_complete(q, desc->trans_id, hv_pkt_data(desc), hv_pkt_datalen(desc), budget, &done->frames,
			       &done->bytes);
		return;
	}
	spin_lock(&nic->core_lock);
	if (desc->trans_id == NETVSC_ID_CONTROL)
		netvsc_control_sent(&nic->core, hv_pkt_data(desc), hv_pkt_datalen(desc));
	else
		netvsc_completed(&nic->core, hv_pkt_data(desc), hv_pkt_datalen(desc));
	spin_unlock(&nic->core_lock);
	nv_wake_control(nic);
}

static int nv_packet(struct nv_queue *q, const struct vmpacket_descriptor *desc, int budget, struct nv_done *done)
{
	/* The bus clamped these; what it let through would make us read before the packet. */
	if (desc->offset8 << 3 < sizeof(*desc) || desc->len8 < desc->offset8)
		return 0;
	switch (desc->type) {
	case VM_PKT_DATA_USING_XFER_PAGES:
		return nv_receive(q, desc);
	case VM_PKT_COMP:
		nv_completion(q, desc, budget, done);
		return 0;
	case VM_PKT_DATA_INBAND:
		spin_lock(&q->nic->core_lock);
		netvsc_inband(&q->nic->core, hv_pkt_data(desc), hv_pkt_datalen(desc));
		spin_unlock(&q->nic->core_lock);
		return 0;
	default:
		return 0;
	}
}

int nv_poll(struct napi_struct *napi, int budget)
{
	struct nv_queue *q = container_of(napi, struct nv_queue, napi);
	struct vmbus_channel *channel = q->channel;
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->ndev, q->index);
	struct nv_done done = { 0 };
	struct vmpacket_descriptor *desc;
	int work = 0, packets = 0;
	bool stuck;

	for (desc = hv_pkt_iter_first(channel); desc; desc = __hv_pkt_iter_next(channel, desc)) {
		work += nv_packet(q, desc, budget, &done);
		if (++packets == NV_POLL_PACKETS)
			work = budget;
		if (work >= budget) {
			__hv_pkt_iter_next(channel, desc);
			break;
		}
	}
	/*
	 * Gives the space back now, also when the ring is not empty: the host must not starve while
	 * we are polled.
	 */
	hv_pkt_iter_close(channel);
	if (done.frames)
		netdev_tx_completed_queue(txq, done.frames, done.bytes);
	stuck = nv_tx_resume(q);
	if (!nv_pay_owed(q))
		stuck = true;
	if (work >= budget || stuck)
		return budget;
	if (napi_complete_done(napi, work) && hv_end_read(&channel->inbound) && napi_schedule_prep(napi)) {
		hv_begin_read(&channel->inbound);
		__napi_schedule(napi);
	}
	return work;
}
