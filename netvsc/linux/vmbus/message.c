// SPDX-License-Identifier: MIT OR GPL-2.0
/* Control messages: posting them, taking them from the message slot, waiting for the host's answers. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/sched.h>

#include "hvnet_vmbus.h"

/* Our policy: a host that takes nothing for some 10 s will not take the message. */
#define POST_TRIES		300
#define POST_DELAY_MAX_US	50000

#define LIVENESS_SECONDS	5	/* between looks whether the bridge is still there */

/* ---- to the host ---- */

static int post(u32 connection_id, const void *message, size_t bytes, bool contact)
{
	struct hvb_post_message *block = hvb.post_block;
	unsigned int try, delay_us = 20;
	int err = -EAGAIN;
	u32 status = 0;

	if (WARN_ON(bytes > sizeof(block->payload)))
		return -EINVAL;
	mutex_lock(&hvb.post_mutex);
	memset(block, 0, sizeof(*block));
	block->connection_id = connection_id;
	block->message_type = HVB_MESSAGE_TYPE_VMBUS;
	block->payload_bytes = bytes;
	memcpy(block->payload, message, bytes);

	for (try = 0; try < POST_TRIES; try++) {
		if (READ_ONCE(hvb.dead) || !hvb.synic_on) {
			err = -ENODEV;
			break;
		}
		status = hvb_post_once(block);
		if (status == HVB_STATUS_SUCCESS) {
			err = 0;
			break;
		}
		if (status == HVB_STATUS_INVALID_CONNECTION && contact) {
			err = -ENXIO;
			break;
		}
		if (status != HVB_STATUS_INSUFFICIENT_BUFFERS && status != HVB_STATUS_INSUFFICIENT_MEMORY &&
		    status != HVB_STATUS_INVALID_CONNECTION) {
			err = hvb_alive() ? -EIO : -ENODEV;
			break;
		}
		usleep_range(delay_us, 2 * delay_us);
		delay_us = min_t(unsigned int, 2 * delay_us, POST_DELAY_MAX_US);
	}
	if (err && err != -ENXIO && err != -ENODEV)
		pr_err_ratelimited("message %u to connection %u was not accepted: error %d, status 0x%x\n",
				   *(const u32 *)message, connection_id, err, status);
	mutex_unlock(&hvb.post_mutex);
	return err;
}

int hvb_post(const void *message, size_t bytes)
{
	return post(hvb.message_connection, message, bytes, false);
}

int hvb_post_contact(u32 connection_id, const void *message, size_t bytes)
{
	return post(connection_id, message, bytes, true);
}

/* ---- answers ---- */

u32 hvb_payload_u32(const u8 *payload, unsigned int offset)
{
	u32 value;

	memcpy(&value, payload + offset, sizeof(value));
	return value;
}

int hvb_waiter_add(struct hvb_waiter *w, struct vmbus_channel *channel, u32 answer, u32 key)
{
	unsigned long flags;
	int err = 0;

	init_completion(&w->done);
	w->channel = channel;
	w->answer = answer;
	w->key = key;
	w->err = 0;
	spin_lock_irqsave(&hvb.lock, flags);
	if (channel && channel->rescind)
		err = -ENODEV;
	else
		list_add_tail(&w->node, &hvb.waiters);
	spin_unlock_irqrestore(&hvb.lock, flags);
	return err;
}

void hvb_waiter_cancel(struct hvb_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&hvb.lock, flags);
	list_del(&w->node);
	spin_unlock_irqrestore(&hvb.lock, flags);
}

int hvb_wait(struct hvb_waiter *w, unsigned int limit_s)
{
	unsigned int waited_s = 0;
	int err = 0;

	while (!wait_for_completion_timeout(&w->done, LIVENESS_SECONDS * HZ)) {
		waited_s += LIVENESS_SECONDS;
		if (!hvb_alive()) {
			err = -ENODEV;
			break;
		}
		if (limit_s && waited_s >= limit_s) {
			err = -ETIMEDOUT;
			break;
		}
		pr_warn_ratelimited("still waiting for message %u (%u) of the host after %u s\n", w->answer,
				    w->key, waited_s);
	}
	hvb_waiter_cancel(w);
	/* An answer may have come between the last look and the cancelling. */
	return completion_done(&w->done) || !err ? w->err : err;
}

void hvb_wake_waiters(struct vmbus_channel *channel)
{
	struct hvb_waiter *w;

	list_for_each_entry(w, &hvb.waiters, node) {
		if ((channel && w->channel != channel) || completion_done(&w->done))
			continue;
		w->err = -ENODEV;
		complete(&w->done);
	}
}

/* Where an answer says whose it is; 0: it belongs to the connection. */
static unsigned int key_offset(u32 type)
{
	switch (type) {
	case CHANNELMSG_OPENCHANNEL_RESULT:
	case CHANNELMSG_MODIFYCHANNEL_RESPONSE:
	case CHANNELMSG_GPADL_TORNDOWN:
		return 8;
	case CHANNELMSG_GPADL_CREATED:
		return 12;
	default:
		return 0;
	}
}

static void answer(u32 type, const struct hvb_message *m)
{
	unsigned int offset = key_offset(type);
	u32 key = offset ? hvb_payload_u32(m->payload, offset) : 0;
	struct hvb_waiter *w;

	list_for_each_entry(w, &hvb.waiters, node) {
		if (w->answer != type || w->key != key || completion_done(&w->done))
			continue;
		memset(w->reply, 0, sizeof(w->reply));
		memcpy(w->reply, m->payload, m->payload_bytes);
		complete(&w->done);
		return;
	}
}

/* ---- from the host ---- */

/* Smallest message of each type that we take; 0: none is taken. */
static unsigned int smallest(u32 type)
{
	switch (type) {
	case CHANNELMSG_OFFERCHANNEL:
		return sizeof(struct vmbus_channel_offer_channel);
	case CHANNELMSG_RESCIND_CHANNELOFFER:
	case CHANNELMSG_GPADL_TORNDOWN:
		return 12;
	case CHANNELMSG_ALLOFFERS_DELIVERED:
	case CHANNELMSG_UNLOAD_RESPONSE:
		return 8;
	case CHANNELMSG_OPENCHANNEL_RESULT:
	case CHANNELMSG_GPADL_CREATED:
		return 20;
	case CHANNELMSG_VERSION_RESPONSE:
	case CHANNELMSG_MODIFYCHANNEL_RESPONSE:
		return 16;
	default:
		return 0;
	}
}

/* hvb.lock held. false: no room, the message has to stay where it is. */
static bool queue_control(const struct hvb_message *m)
{
	unsigned int slot = hvb.fifo_in % HVB_FIFO_MESSAGES;

	if (!READ_ONCE(hvb.synic_on))
		return true;	/* nobody is to hear of it any more */
	if (hvb.fifo_in - hvb.fifo_out == HVB_FIFO_MESSAGES)
		return false;
	hvb.fifo[slot].bytes = m->payload_bytes;
	memcpy(hvb.fifo[slot].payload, m->payload, m->payload_bytes);
	hvb.fifo_in++;
	queue_work(hvb.control_wq, &hvb.control_work);
	return true;
}

/* false: not now. */
static bool dispatch(const struct hvb_message *m)
{
	u32 type = m->payload_bytes >= 8 ? hvb_payload_u32(m->payload, 0) : 0;
	unsigned int least = smallest(type);
	unsigned long flags;
	bool taken = true;

	if (m->type != HVB_MESSAGE_TYPE_VMBUS || !least || m->payload_bytes < least) {
		pr_warn_ratelimited("dropped a message: type 0x%x, message %u, %u bytes\n", m->type, type,
				    m->payload_bytes);
		return true;
	}
	spin_lock_irqsave(&hvb.lock, flags);
	switch (type) {
	case CHANNELMSG_RESCIND_CHANNELOFFER:
		taken = queue_control(m);
		if (taken)
			hvb_rescind_mark(hvb_payload_u32(m->payload, 8));
		break;
	case CHANNELMSG_OFFERCHANNEL:
		taken = queue_control(m);
		break;
	default:
		answer(type, m);
		break;
	}
	spin_unlock_irqrestore(&hvb.lock, flags);
	return taken;
}

/*
 * Takes the message in the VP's slot, if one is there. Frees the slot before it looks whether another message waits:
 * the host marks the waiting one before it looks whether the slot is free, so that one of both sees the other.
 */
void hvb_take_message(struct hvb_vp *vp)
{
	struct hvb_message *slot = &vp->message_page[HVB_VMBUS_SINT];
	struct hvb_message copy;
	unsigned long flags;

	if (!READ_ONCE(slot->type))
		return;
	spin_lock_irqsave(&vp->message_lock, flags);
	copy.type = smp_load_acquire(&slot->type);	/* pairs with the host's release of the type */
	if (copy.type) {
		copy.payload_bytes = min_t(u8, READ_ONCE(slot->payload_bytes), HVB_PAYLOAD_BYTES);
		memcpy(copy.payload, slot->payload, sizeof(copy.payload));
		if (dispatch(&copy)) {
			xchg(&slot->type, 0);		/* full barrier before the flag is read */
			if (READ_ONCE(slot->flags) & HVB_MESSAGE_PENDING)
				hvb_end_of_message(vp);
		}
	}
	spin_unlock_irqrestore(&vp->message_lock, flags);
}

/* Offers and rescinds, in their order. */
void hvb_control_work(struct work_struct *work)
{
	u8 payload[HVB_PAYLOAD_BYTES];
	unsigned int i, slot;

	spin_lock_irq(&hvb.lock);
	while (hvb.fifo_in != hvb.fifo_out) {
		slot = hvb.fifo_out % HVB_FIFO_MESSAGES;
		memcpy(payload, hvb.fifo[slot].payload, hvb.fifo[slot].bytes);
		hvb.fifo_out++;
		spin_unlock_irq(&hvb.lock);

		if (hvb_payload_u32(payload, 0) == CHANNELMSG_OFFERCHANNEL)
			hvb_offer(payload);
		else
			hvb_rescind(hvb_payload_u32(payload, 8));
		/* The message that found the FIFO full still lies in its slot. */
		for (i = 0; i < hvb.nr_vps; i++)
			hvb_take_message(&hvb.vps[i]);

		spin_lock_irq(&hvb.lock);
	}
	spin_unlock_irq(&hvb.lock);
}
