/* SPDX-License-Identifier: MIT */
/* The data path: packets from the host, completions to it, frames in sections. */
#include <errno.h>
#include <string.h>

#include "softguest/internal.h"

enum { POLL_PACKETS = 256 };	/* from one NIC in one turn */

int sg_data_start(struct softguest_nic *nic)
{
	nic->to_host = vmbus_client_out(nic->ch);
	nic->to_guest = vmbus_client_in(nic->ch);
	vmbus_ring_mask(nic->to_guest);
	nic->owed_head = nic->owed_count = 0;
	nic->batch_slot = NETVSC_NO_SLOT;
	nic->open = true;
	return 0;
}

void sg_data_stop(struct softguest_nic *nic)
{
	nic->open = false;
	nic->to_host = NULL;
	nic->to_guest = NULL;
	nic->batch_slot = NETVSC_NO_SLOT;
}

static void ring_host(struct softguest_nic *nic)
{
	nic->doorbells++;
	vmbus_client_signal(nic->ch);
}

void sg_publish(struct softguest_nic *nic)
{
	if (nic->open && nic->to_host->write != nic->to_host->published && vmbus_ring_publish(nic->to_host))
		ring_host(nic);
}

/* ---- receiving ---- */

static int complete(struct softguest_nic *nic, uint64_t id)
{
	struct nvsp_rndis_packet_complete m;

	netvsc_rx_complete(&m);
	return vmbus_ring_write(nic->to_host, VMBUS_PKT_COMPLETION, false, id, &m, sizeof(m));
}

static void pay_owed(struct softguest_nic *nic)
{
	while (!nic->hold && nic->owed_count && !complete(nic, nic->owed[nic->owed_head])) {
		nic->owed_head = nic->owed_head + 1 == nic->owed_size ? 0 : nic->owed_head + 1;
		nic->owed_count--;
	}
}

static void owe(struct softguest_nic *nic, uint64_t id)
{
	uint32_t at = nic->owed_head + nic->owed_count;

	if (nic->owed_count == nic->owed_size) {
		nic->error = -EOVERFLOW;	/* more packets than there are sub-allocations */
		return;
	}
	nic->owed[at >= nic->owed_size ? at - nic->owed_size : at] = id;
	nic->owed_count++;
	if (nic->owed_count > nic->owed_max)
		nic->owed_max = nic->owed_count;
}

static void receive(struct softguest_nic *nic, const struct vmbus_packet *pkt)
{
	struct netvsc_frame f;
	struct netvsc_rx rx;

	if (netvsc_rx_begin(&nic->core, &nic->rx_stats, pkt->extra, pkt->extra_bytes, pkt->payload, pkt->payload_bytes,
			    &rx)) {
		nic->rx_packets++;
		for (;;) {
			enum netvsc_rx_kind kind = netvsc_rx_next(&nic->core, &nic->rx_stats, &rx, &f);

			if (kind == NETVSC_RX_END)
				break;
			if (kind == NETVSC_RX_IS_FRAME && nic->opts.rx)
				nic->opts.rx(nic->opts.opaque, nic, &f);
			else if (kind == NETVSC_RX_IS_CONTROL)
				netvsc_control(&nic->core, f.data, f.bytes);
		}
	}
	if (!pkt->wants_completion)
		return;
	if (nic->hold || nic->owed_count || complete(nic, pkt->transaction_id))
		owe(nic, pkt->transaction_id);
}

static void completion(struct softguest_nic *nic, const struct vmbus_packet *pkt)
{
	struct netvsc_slot done;
	bool ok;

	if (pkt->transaction_id == NETVSC_ID_CONTROL)
		return netvsc_control_sent(&nic->core, pkt->payload, pkt->payload_bytes);
	if (pkt->transaction_id < NETVSC_ID_TX) {
		enum netvsc_state before = nic->core.state;

		netvsc_completed(&nic->core, pkt->payload, pkt->payload_bytes);
		if (before == NETVSC_RECEIVE || before == NETVSC_SEND)
			netvsc_tx_init(&nic->tx, nic->slots, nic->core.section_count,
				       nic->core.section_count + nic->opts.direct_slots, &nic->tx_stats);
		return;
	}
	if (netvsc_tx_completed(&nic->tx, pkt->transaction_id, pkt->payload, pkt->payload_bytes, &done, &ok) && done.owner)
		netvsc_tx_put(&nic->tx, (uint16_t)((struct netvsc_slot *)done.owner - nic->slots));
}

static void packet(struct softguest_nic *nic, const struct vmbus_packet *pkt)
{
	switch (pkt->type) {
	case VMBUS_PKT_DATA_TRANSFER_PAGES:
		return receive(nic, pkt);
	case VMBUS_PKT_COMPLETION:
		return completion(nic, pkt);
	case VMBUS_PKT_DATA_INBAND:
		return netvsc_inband(&nic->core, pkt->payload, pkt->payload_bytes);
	default:
		return;
	}
}

bool sg_data_poll(struct softguest_nic *nic)
{
	struct vmbus_packet pkt;
	unsigned n = 0;
	int ret = 0;

	/* A callback may close the NIC. */
	while (nic->open && n < POLL_PACKETS &&
	       (ret = vmbus_ring_next(nic->to_guest, nic->packet, sizeof(nic->packet), &pkt)) == 1) {
		packet(nic, &pkt);
		n++;
	}
	if (!nic->open)
		return n;
	if (ret < 0)
		nic->error = ret;
	if (n && vmbus_ring_release(nic->to_guest))
		ring_host(nic);
	if (nic->owed_count)
		pay_owed(nic);
	if (n || nic->core.state != NETVSC_RUNNING)
		sg_nic_drive(nic);
	else
		sg_publish(nic);
	return n;
}

bool sg_data_may_sleep(struct softguest_nic *nic)
{
	bool waits = (nic->owed_count && !nic->hold) || nic->tx_waits;

	if (!nic->open)
		return true;
	if (waits && vmbus_ring_wait_for_space(nic->to_host, nic->to_host->size / 4 & ~7u))
		return false;
	return vmbus_ring_unmask(nic->to_guest);
}

void sg_data_awake(struct softguest_nic *nic)
{
	if (!nic->open)
		return;
	vmbus_ring_stop_waiting(nic->to_host);
	nic->tx_waits = false;
	vmbus_ring_mask(nic->to_guest);
}

/* ---- transmitting ---- */

bool sg_commit_batch(struct softguest_nic *nic)
{
	void *message;

	if (nic->batch_slot == NETVSC_NO_SLOT)
		return true;
	if (vmbus_ring_reserve(nic->to_host, 0, NETVSC_MESSAGE_BYTES, NULL, &message)) {
		nic->tx_waits = true;
		return false;
	}
	netvsc_tx_message(message, nic->batch_slot, nic->batch.used);
	vmbus_ring_commit(nic->to_host, VMBUS_PKT_DATA_INBAND, true, (uint64_t)NETVSC_ID_TX + nic->batch_slot);
	netvsc_tx_sent(&nic->tx, nic->batch_slot, nic->batch.frames, nic->batch.frame_bytes);
	nic->batch_slot = NETVSC_NO_SLOT;
	return true;
}

bool sg_begin_batch(struct softguest_nic *nic)
{
	uint16_t slot = nic->core.section_count ? netvsc_tx_get_section(&nic->tx) : NETVSC_NO_SLOT;

	if (slot == NETVSC_NO_SLOT)
		return false;
	netvsc_batch_begin(&nic->batch, &nic->core, nic->send.host + (size_t)slot * nic->core.section_bytes);
	if (nic->batch_frames && nic->batch_frames < nic->batch.max_frames)
		nic->batch.max_frames = nic->batch_frames;
	nic->batch_slot = slot;
	return true;
}

uint8_t *softguest_tx(struct softguest_nic *nic, const struct netvsc_meta *meta, uint32_t bytes)
{
	uint8_t *at;

	if (!nic->open || nic->core.state != NETVSC_RUNNING)
		return NULL;
	if (nic->batch_slot != NETVSC_NO_SLOT) {
		at = netvsc_batch_add(&nic->batch, meta, bytes);
		if (at)
			return at;
	}
	if (!sg_commit_batch(nic) || !sg_begin_batch(nic)) {
		nic->tx_no_room++;
		return NULL;
	}
	at = netvsc_batch_add(&nic->batch, meta, bytes);
	if (!at) {		/* too long for any section */
		netvsc_tx_put(&nic->tx, nic->batch_slot);
		nic->batch_slot = NETVSC_NO_SLOT;
	}
	return at;
}

bool softguest_flush(struct softguest_nic *nic)
{
	bool all;

	if (!nic->open)
		return false;
	all = sg_commit_batch(nic);
	sg_publish(nic);
	return all;
}

void softguest_set_batch(struct softguest_nic *nic, unsigned frames)
{
	nic->batch_frames = frames;
}

void softguest_hold_completions(struct softguest_nic *nic, bool hold)
{
	nic->hold = hold;
	if (nic->open) {
		pay_owed(nic);
		sg_publish(nic);
	}
}

uint32_t softguest_tx_outstanding(const struct softguest_nic *nic)
{
	return nic->tx.busy;
}
