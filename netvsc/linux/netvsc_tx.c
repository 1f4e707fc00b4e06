// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Transmitting. A short frame is copied into a section of the send buffer; as long as the stack has
 * more of them at once they share a section and a packet. A longer one stays where it is: the host
 * gets its pages, and the skb lives until the completion.
 *
 * Room runs out in two ways: no slot is free, or the ring is full. Either way the stack's queue is
 * stopped and nv_tx_resume() goes on from NAPI, which runs when completions arrive, and is
 * scheduled by hand where none is to be expected.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/moduleparam.h>
#include <linux/tcp.h>
#include <net/ip6_checksum.h>

#include "netvsc/linux/netvsc_nic.h"

static unsigned int copy_bytes = 2048;
module_param(copy_bytes, uint, 0644);
MODULE_PARM_DESC(copy_bytes, "longest frame that is copied into the send buffer (default 2048, 0: none)");

static struct netdev_queue *nv_txq(const struct nv_queue *q)
{
	return netdev_get_tx_queue(q->nic->ndev, q->index);
}

/* ---- what the host shall do for the frame ---- */

/*
 * The host fills in lengths per segment, so they are left out here, also in the pseudo-header's
 * sum.
 */
static int nv_meta_gso(struct sk_buff *skb, struct netvsc_meta *meta)
{
	if (skb_cow_head(skb, 0))
		return -ENOMEM;
	meta->flags |= NETVSC_META_LSO | NETVSC_META_TCP;
	meta->mss = skb_shinfo(skb)->gso_size;
	meta->transport_offset = (u16)skb_transport_offset(skb);
	if (skb_is_gso_v6(skb)) {
		struct ipv6hdr *ip = ipv6_hdr(skb);

		meta->flags |= NETVSC_META_IP6;
		ip->payload_len = 0;
		tcp_hdr(skb)->check = ~csum_ipv6_magic(&ip->saddr, &ip->daddr, 0, IPPROTO_TCP, 0);
	} else {
		struct iphdr *ip = ip_hdr(skb);

		meta->flags |= NETVSC_META_IP4 | NETVSC_META_IP_CSUM;
		ip->tot_len = 0;
		ip->check = 0;
		tcp_hdr(skb)->check = ~csum_tcpudp_magic(ip->saddr, ip->daddr, 0, IPPROTO_TCP, 0);
	}
	return 0;
}

/* The NETVSC_META_* for the frame's checksum if the host can do it, else 0. */
static u16 nv_checksum_flags(struct sk_buff *skb, u32 offload)
{
	bool v6 = vlan_get_protocol(skb) == htons(ETH_P_IPV6);
	u16 family = v6 ? NETVSC_META_IP6 : NETVSC_META_IP4;
	u8 protocol;

	if (!v6 && vlan_get_protocol(skb) != htons(ETH_P_IP))
		return 0;
	protocol = v6 ? ipv6_hdr(skb)->nexthdr : ip_hdr(skb)->protocol;
	if (protocol == IPPROTO_TCP && offload & (v6 ? NETVSC_OFF_TX_TCP6 : NETVSC_OFF_TX_TCP4))
		return family | NETVSC_META_TCP;
	if (protocol == IPPROTO_UDP && offload & (v6 ? NETVSC_OFF_TX_UDP6 : NETVSC_OFF_TX_UDP4))
		return family | NETVSC_META_UDP;
	return 0;
}

static int nv_meta(struct nv_nic *nic, struct sk_buff *skb, struct netvsc_meta *meta)
{
	*meta = (struct netvsc_meta){ 0 };
	if (skb_vlan_tag_present(skb)) {
		meta->flags = NETVSC_META_VLAN;
		meta->vlan_tci = skb_vlan_tag_get(skb);
	}
	if (skb_is_gso(skb))
		return nv_meta_gso(skb, meta);
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		u16 flags = nv_checksum_flags(skb, nic->core.offload);

		if (!flags)
			return skb_checksum_help(skb);
		meta->flags |= flags;
		meta->transport_offset = (u16)skb_checksum_start_offset(skb);
	}
	return 0;
}

/* ---- sending; tx_lock held ---- */

/* Sends the batch, if there is one. -EAGAIN: no room in the ring, it stays. */
static int nv_flush(struct nv_queue *q)
{
	u8 message[NETVSC_MESSAGE_BYTES];
	int ret;

	if (q->batch_slot == NETVSC_NO_SLOT)
		return 0;
	netvsc_tx_message(message, q->batch_slot, q->batch.used);
	ret = vmbus_sendpacket(q->channel, message, sizeof(message), NETVSC_ID_TX + q->batch_slot, VM_PKT_DATA_INBAND,
			       VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED);
	if (ret == -EAGAIN) {
		q->batch_stuck = true;
		q->counters.tx_ring_full++;
		return ret;
	}
	if (!ret) {
		netvsc_tx_sent(&q->tx, q->batch_slot, q->batch.frames, q->batch.frame_bytes);
	} else {
		/* The channel is gone; what was in the batch is lost with it. */
		q->counters.tx_dropped += q->batch.frames;
		netvsc_tx_put(&q->tx, q->batch_slot);
	}
	q->batch_slot = NETVSC_NO_SLOT;
	q->batch_stuck = false;
	return 0;
}

/* Copies the frame into the batch. 0: the skb is no longer needed; -EAGAIN: no room. */
static int nv_send_copy(struct nv_queue *q, struct sk_buff *skb, const struct netvsc_meta *meta)
{
	struct nv_nic *nic = q->nic;
	u8 *to = NULL;

	if (q->batch_slot != NETVSC_NO_SLOT) {
		to = netvsc_batch_add(&q->batch, meta, skb->len);
		if (!to && nv_flush(q))
			return -EAGAIN;
	}
	if (!to) {
		u16 slot = netvsc_tx_get_section(&q->tx);

		if (slot == NETVSC_NO_SLOT)
			return -EAGAIN;
		netvsc_batch_begin(&q->batch, &nic->core, (u8 *)nic->send + (size_t)slot * nic->core.section_bytes);
		q->batch_slot = slot;
		to = netvsc_batch_add(&q->batch, meta, skb->len);	/* has room: nv_copies() looked */
	}
	skb_copy_bits(skb, 0, to, skb->len);
	q->counters.tx_copied++;
	return 0;
}

static bool nv_add_range(struct nv_desc *desc, u32 *size, u32 *pfns, phys_addr_t address, u32 len)
{
	struct hv_mpb_array *range = (struct hv_mpb_array *)(desc->bytes + *size);
	u32 offset = address & ~HV_HYP_PAGE_MASK;
	u32 n = HVPFN_UP(offset + len), i;

	if (n > NV_TX_PFNS - *pfns)
		return false;
	range->len = len;
	range->offset = offset;
	for (i = 0; i < n; i++)
		range->pfn_array[i] = HVPFN_DOWN(address) + i;
	*size += sizeof(*range) + n * sizeof(u64);
	*pfns += n;
	return true;
}

/*
 * Ranges for header, linear part and fragments, each physically contiguous. Returns the
 * descriptor's bytes, 0: too many pages.
 */
static u32 nv_describe(struct nv_desc *desc, void *header, u32 header_bytes, const struct sk_buff *skb)
{
	struct vmbus_packet_mpb_array *head = (struct vmbus_packet_mpb_array *)desc->bytes;
	u32 size = offsetof(struct vmbus_packet_mpb_array, range), pfns = 0;
	int i;

	head->rangecount = 2 + skb_shinfo(skb)->nr_frags;
	if (!nv_add_range(desc, &size, &pfns, virt_to_phys(header), header_bytes) ||
	    !nv_add_range(desc, &size, &pfns, virt_to_phys(skb->data), skb_headlen(skb)))
		return 0;
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		if (!nv_add_range(desc, &size, &pfns, page_to_phys(skb_frag_page(frag)) + skb_frag_off(frag),
				  skb_frag_size(frag)))
			return 0;
	}
	return size;
}

/*
 * Sends the frame where it lies. 0: the skb is the slot's now; -EAGAIN: no room; else it cannot be
 * sent.
 */
static int nv_send_direct(struct nv_queue *q, struct sk_buff *skb, const struct netvsc_meta *meta)
{
	u8 message[NETVSC_MESSAGE_BYTES];
	void *header;
	u32 size;
	u16 slot;
	int ret;

	if (nv_flush(q))	/* order */
		return -EAGAIN;
	slot = netvsc_tx_get_plain(&q->tx);
	if (slot == NETVSC_NO_SLOT)
		return -EAGAIN;
	header = q->headers + (slot - q->tx.nsections) * NV_HEADER_STRIDE;
	size = nv_describe(&q->desc, header, netvsc_tx_header(header, meta, skb->len), skb);
	ret = size ? 0 : -EMSGSIZE;
	if (!ret) {
		netvsc_tx_message(message, NVSP_NO_SECTION, 0);
		ret = vmbus_sendpacket_mpb_desc(q->channel, (struct vmbus_packet_mpb_array *)q->desc.bytes, size,
						message, sizeof(message), NETVSC_ID_TX + slot);
	}
	if (ret) {
		if (ret == -EAGAIN)
			q->counters.tx_ring_full++;
		netvsc_tx_put(&q->tx, slot);
		return ret;
	}
	q->slots[slot].owner = skb;
	netvsc_tx_sent(&q->tx, slot, 1, skb->len);
	q->counters.tx_direct++;
	return 0;
}

static bool nv_room(const struct nv_queue *q, u32 percent)
{
	return hv_get_avail_to_write_percent(&q->channel->outbound) >= percent &&
	       q->tx.free_plain != NETVSC_NO_SLOT && (!q->tx.nsections || q->tx.free_section != NETVSC_NO_SLOT);
}

static void nv_stop_queue(struct nv_queue *q)
{
	netif_tx_stop_queue(nv_txq(q));
	q->tx_stopped = true;
	/* NAPI looks after it; if nothing is outstanding, no completion would call it. */
	napi_schedule(&q->napi);
}

static bool nv_copies(const struct nv_queue *q, const struct sk_buff *skb)
{
	return q->tx.nsections && skb->len <= copy_bytes && !skb_is_gso(skb) &&
	       skb->len + NETVSC_HEADER_MAX_BYTES <= q->nic->core.section_bytes;
}

/* The frame is on its way or in the batch: accounts for it and flushes unless more is coming. */
static void nv_sent(struct nv_queue *q, u32 bytes)
{
	if (!nv_room(q, NV_TX_STOP_PERCENT))
		nv_stop_queue(q);
	if (__netdev_tx_sent_queue(nv_txq(q), bytes, netdev_xmit_more()) && nv_flush(q) && !q->tx_stopped)
		nv_stop_queue(q);
}

static int nv_send(struct nv_queue *q, struct sk_buff *skb, const struct netvsc_meta *meta, bool *copied)
{
	u32 bytes = skb->len;
	int ret;

	if (!q->tx_open)
		return -ENETDOWN;
	*copied = nv_copies(q, skb);
	ret = *copied ? nv_send_copy(q, skb, meta) : nv_send_direct(q, skb, meta);
	if (!ret) {
		nv_sent(q, bytes);
	} else if (ret == -EAGAIN) {
		q->counters.tx_busy++;
		nv_flush(q);
		nv_stop_queue(q);
	} else {
		q->counters.tx_dropped++;
		nv_flush(q);	/* the stack may have said "more" before */
	}
	return ret;
}

netdev_tx_t nv_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct nv_nic *nic = netdev_priv(ndev);
	struct nv_queue *q = &nic->queue[0];
	struct netvsc_meta meta;
	bool copied = false;
	int ret;

	ret = nv_meta(nic, skb, &meta);
	/*
	 * Shorter than an Ethernet header, or fragments on a list of their own: not what we can
	 * describe.
	 */
	if (!ret && (skb->len < ETH_HLEN || (skb_has_frag_list(skb) && skb_linearize(skb))))
		ret = -EINVAL;
	spin_lock(&q->tx_lock);
	if (!ret) {
		ret = nv_send(q, skb, &meta, &copied);
	} else {
		q->counters.tx_dropped++;
		nv_flush(q);
	}
	spin_unlock(&q->tx_lock);
	if (ret == -EAGAIN)
		return NETDEV_TX_BUSY;
	if (ret)
		dev_kfree_skb_any(skb);
	else if (copied)
		dev_consume_skb_any(skb);
	return NETDEV_TX_OK;
}

/* ---- from NAPI ---- */

void nv_tx_complete(struct nv_queue *q, u64 id, const void *payload, u32 bytes, int budget, u32 *frames, u32 *done_bytes)
{
	struct netvsc_slot done;
	bool found, ok;

	spin_lock(&q->tx_lock);
	found = netvsc_tx_completed(&q->tx, id, payload, bytes, &done, &ok);
	spin_unlock(&q->tx_lock);
	if (!found)
		return;
	if (done.owner)
		napi_consume_skb(done.owner, budget);
	*frames += done.frames;
	*done_bytes += done.bytes;
}

bool nv_tx_resume(struct nv_queue *q)
{
	bool stuck = false;

	spin_lock(&q->tx_lock);
	if (q->tx_open && q->batch_stuck)
		stuck = nv_flush(q) != 0;
	if (q->tx_open && q->tx_stopped && !stuck) {
		if (nv_room(q, NV_TX_WAKE_PERCENT)) {
			q->tx_stopped = false;
			q->counters.tx_wakes++;
			netif_tx_wake_queue(nv_txq(q));
		} else {
			/*
			 * With nothing outstanding it is the host that has not read yet, and it
			 * will not tell us.
			 */
			stuck = !q->tx.busy;
		}
	}
	spin_unlock(&q->tx_lock);
	return stuck;
}

/* ---- sessions ---- */

void nv_tx_start(struct nv_queue *q)
{
	struct netvsc *n = &q->nic->core;

	spin_lock_bh(&q->tx_lock);
	netvsc_tx_init(&q->tx, q->slots, min_t(u32, n->section_count, NV_SECTIONS_MAX),
		       min_t(u32, n->section_count, NV_SECTIONS_MAX) + NV_PLAIN_SLOTS, &q->tx_stats);
	q->batch_slot = NETVSC_NO_SLOT;
	q->batch_stuck = false;
	q->tx_stopped = false;
	q->tx_open = true;
	netdev_tx_reset_queue(nv_txq(q));
	spin_unlock_bh(&q->tx_lock);
}

void nv_tx_stop(struct nv_queue *q)
{
	spin_lock_bh(&q->tx_lock);
	q->tx_open = false;
	if (q->batch_slot != NETVSC_NO_SLOT) {
		q->counters.tx_dropped += q->batch.frames;
		netvsc_tx_put(&q->tx, q->batch_slot);
		q->batch_slot = NETVSC_NO_SLOT;
	}
	spin_unlock_bh(&q->tx_lock);
}

void nv_tx_forget(struct nv_queue *q)
{
	u32 i;

	spin_lock_bh(&q->tx_lock);
	for (i = 0; i < q->tx.nslots; i++) {
		if (q->slots[i].frames && q->slots[i].owner)
			dev_kfree_skb_any(q->slots[i].owner);
		q->slots[i].owner = NULL;
		q->slots[i].frames = 0;
	}
	q->tx.nslots = 0;
	q->tx.busy = 0;
	spin_unlock_bh(&q->tx_lock);
}
