// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * A rescinded NIC's open requests. The host stops before it takes a channel back, so what it had not read by then will
 * never be completed, but hv_netvsc waits without limit for the completion of each frame that it sent, and of the NVSP
 * requests of its start-up, also on a rescinded channel. So once the ring is drained its reader gets, one by one,
 * a completion with a failure status for each transaction id that is still open. These packets are made in the channel's
 * private buffer: the ring stays as the host left it.
 *
 * Which completion a request wants is noted when it is sent. An id is answered once: by the driver's
 * taking it back while it reads the completion, or by the writer that finds the channel rescinded (ring.c).
 */
#include <linux/bitmap.h>
#include <linux/bottom_half.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

#define NVSP_FAILURE	2	/* status in each completion; 1 is success */

/* A completion as the host sends them; every word behind the type is the status or not looked at on failure. */
struct abort_packet {
	struct vmpacket_descriptor desc;
	u32 type;
	u32 status[9];
} __packed;

static_assert(sizeof(struct abort_packet) % 8 == 0);

/* NVSP message type of the completion, 0: none. */
static u8 completion_of(u32 request)
{
	switch (request) {
	case 1: return 2;	/* INIT */
	case 101: return 102;	/* SEND_RECEIVE_BUFFER */
	case 104: return 105;	/* SEND_SEND_BUFFER */
	case 107: return 108;	/* SEND_RNDIS_PACKET */
	case 133: return 133;	/* SUBCHANNEL */
	default: return 0;
	}
}

int hvb_abort_alloc(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);

	hc->next_abort = 0;
	hc->reading_abort = false;
	if (channel->device_id != HV_NIC || !channel->requestor.size ||
	    channel->next_request_id_callback != vmbus_next_request_id)
		return 0;
	hc->completions = kvcalloc(channel->requestor.size, 1, GFP_KERNEL);
	return hc->completions ? 0 : -ENOMEM;
}

void hvb_abort_free(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);

	kvfree(hc->completions);
	hc->completions = NULL;
}

/* Under the outbound ring's lock. */
void hvb_abort_note(struct vmbus_channel *channel, u64 id, const void *payload, size_t bytes)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	u32 request = 0;

	if (!hc->completions || id - 1 >= channel->requestor.size)
		return;
	if (bytes >= sizeof(request))
		memcpy(&request, payload, sizeof(request));
	hc->completions[id - 1] = completion_of(request);
}

/* The next completion, or NULL. The ring's only reader calls it. */
struct vmpacket_descriptor *hvb_abort_next(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	struct vmbus_requestor *requestor = &channel->requestor;
	struct abort_packet *packet = channel->inbound.pkt_buffer;
	unsigned long flags;
	u8 type = 0;
	u32 i;

	if (!hc->completions || channel->inbound.pkt_buffer_size < sizeof(*packet))
		return NULL;
	spin_lock_irqsave(&requestor->req_lock, flags);
	for (i = hc->next_abort; i < requestor->size; i++) {
		type = test_bit(i, requestor->req_bitmap) ? hc->completions[i] : 0;
		if (type)
			break;
	}
	hc->next_abort = min(i + 1, requestor->size);
	spin_unlock_irqrestore(&requestor->req_lock, flags);
	if (!type)
		return NULL;

	hc->reading_abort = true;
	packet->desc = (struct vmpacket_descriptor) {
		.type = VM_PKT_COMP,
		.offset8 = sizeof(packet->desc) / 8,
		.len8 = sizeof(*packet) / 8,
		.trans_id = i + 1,
	};
	packet->type = type;
	for (i = 0; i < ARRAY_SIZE(packet->status); i++)
		packet->status[i] = NVSP_FAILURE;
	return &packet->desc;
}

/* The channel has been marked: lets its driver read, once more, as if the host had rung. */
void hvb_abort_start(struct vmbus_channel *channel)
{
	void (*callback)(void *context);

	/* What the callback schedules runs when bottom halves are allowed again. */
	local_bh_disable();
	spin_lock_irq(&channel->sched_lock);
	callback = channel->onchannel_callback;
	if (callback && to_hvb_channel(channel)->completions) {
		if (channel->callback_mode == HV_CALL_ISR)
			callback(channel->channel_callback_context);
		else
			tasklet_schedule(&channel->callback_event);
	}
	spin_unlock_irq(&channel->sched_lock);
	local_bh_enable();
}
