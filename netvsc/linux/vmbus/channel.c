// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Opening, closing and the callback of channels.
 *
 * CHANNEL_OPEN_STATE (the API's word for "offered, not open") --vmbus_open--> OPENING --> OPENED --vmbus_close--> OPEN_STATE
 *
 * hvb_channel.busy is set while a state is being left; only who set it may touch rings and state.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

/* A batch reader gives its processor back after this time; our policy. */
#define BATCH_JIFFIES	msecs_to_jiffies(10)

/* ---- callbacks ---- */

static void channel_tasklet(unsigned long data)
{
	struct vmbus_channel *channel = (struct vmbus_channel *)data;
	struct hv_ring_buffer_info *ring = &channel->inbound;
	unsigned long end = jiffies + BATCH_JIFFIES;

	for (;;) {
		void (*callback)(void *context) = READ_ONCE(channel->onchannel_callback);

		if (!callback)
			return;
		callback(channel->channel_callback_context);
		if (channel->callback_mode != HV_CALL_BATCHED || !hv_end_read(ring))
			return;
		hv_begin_read(ring);
		if (time_after(jiffies, end))
			break;
	}
	tasklet_schedule(&channel->callback_event);
}

void hvb_channel_init(struct vmbus_channel *channel)
{
	spin_lock_init(&channel->sched_lock);
	spin_lock_init(&channel->requestor.req_lock);
	mutex_init(&channel->inbound.ring_buffer_mutex);
	mutex_init(&channel->outbound.ring_buffer_mutex);
	tasklet_init(&channel->callback_event, channel_tasklet, (unsigned long)channel);
}

/* The host rang. In the interrupt, under RCU. */
void hvb_channel_event(struct vmbus_channel *channel)
{
	void (*callback)(void *context);

	if (READ_ONCE(channel->rescind))
		return;
	spin_lock(&channel->sched_lock);
	callback = channel->onchannel_callback;
	if (callback) {
		++channel->interrupts;
		switch (channel->callback_mode) {
		case HV_CALL_ISR:
			callback(channel->channel_callback_context);
			break;
		case HV_CALL_BATCHED:
			hv_begin_read(&channel->inbound);
			fallthrough;
		case HV_CALL_DIRECT:
			tasklet_schedule(&channel->callback_event);
			break;
		}
	}
	spin_unlock(&channel->sched_lock);
}

static void set_callback(struct vmbus_channel *channel, void (*callback)(void *context), void *context)
{
	unsigned long flags;

	spin_lock_irqsave(&channel->sched_lock, flags);
	channel->channel_callback_context = context;
	channel->onchannel_callback = callback;
	spin_unlock_irqrestore(&channel->sched_lock, flags);
}

/* Once it returns the driver's callback neither runs nor will. */
static void stop_callback(struct vmbus_channel *channel)
{
	tasklet_disable(&channel->callback_event);
	set_callback(channel, NULL, NULL);
	tasklet_enable(&channel->callback_event);
}

/* ---- state ---- */

static int leave_state(struct vmbus_channel *channel, enum vmbus_channel_state from)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	int err = 0;

	mutex_lock(&hvb.channel_mutex);
	if (channel->state != from || hc->busy)
		err = -EINVAL;
	else
		hc->busy = true;
	mutex_unlock(&hvb.channel_mutex);
	return err;
}

static void enter_state(struct vmbus_channel *channel, enum vmbus_channel_state to)
{
	mutex_lock(&hvb.channel_mutex);
	channel->state = to;
	to_hvb_channel(channel)->busy = false;
	/* A rescinded sub-channel has waited for this; it may be gone as soon as the lock is. */
	if (to == CHANNEL_OPEN_STATE && is_sub_channel(channel) && channel->rescind)
		hvb_queue_removal(channel);
	mutex_unlock(&hvb.channel_mutex);
}

/* ---- open ---- */

int vmbus_alloc_ring(struct vmbus_channel *channel, u32 send_size, u32 recv_size)
{
	if (send_size % PAGE_SIZE || recv_size % PAGE_SIZE || send_size < 2 * PAGE_SIZE ||
	    recv_size < 2 * PAGE_SIZE || send_size > SZ_1G || recv_size > SZ_1G ||
	    to_hvb_channel(channel)->ring_pages)
		return -EINVAL;
	return hvb_ring_alloc(channel, send_size >> PAGE_SHIFT, recv_size >> PAGE_SHIFT);
}

void vmbus_free_ring(struct vmbus_channel *channel)
{
	hvb_ring_free(channel);
}

static u64 pfn_of_ring(const void *memory, u32 page)
{
	const struct hvb_channel *hc = memory;

	return page_to_hvpfn(hc->ring_pages[page]);
}

/* 0: the host has let go. Otherwise it may write to the pages for ever: they are lost. */
static int take_ring_back(struct vmbus_channel *channel)
{
	int err = vmbus_teardown_gpadl(channel, &channel->ringbuffer_gpadlhandle);

	if (err) {
		pr_err("channel %u: its ring cannot be taken back: error %d\n", channel->offermsg.child_relid, err);
		to_hvb_channel(channel)->ring_pages = NULL;
	}
	return err;
}

static int post_open(struct vmbus_channel *channel, const void *userdata, u32 userdatalen)
{
	struct vmbus_channel_open_channel msg = {
		.header.msgtype = CHANNELMSG_OPENCHANNEL,
		.child_relid = channel->offermsg.child_relid,
		.openid = channel->offermsg.child_relid,
		.ringbuffer_gpadlhandle = channel->ringbuffer_gpadlhandle.gpadl_handle,
		.target_vp = to_hvb_channel(channel)->vp->index,
		.downstream_ringbuffer_pageoffset = channel->ringbuffer_send_offset,
	};
	struct hvb_waiter *w;
	int err;

	if (userdatalen)
		memcpy(msg.userdata, userdata, userdatalen);
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	err = hvb_waiter_add(w, channel, CHANNELMSG_OPENCHANNEL_RESULT, msg.child_relid);
	if (!err) {
		err = hvb_post(&msg, sizeof(msg));
		if (err)
			hvb_waiter_cancel(w);
		else
			err = hvb_wait(w, 0);
	}
	if (!err && hvb_payload_u32(w->reply, 16)) {
		pr_err("channel %u: the host does not open it: status 0x%x\n", msg.child_relid,
		       hvb_payload_u32(w->reply, 16));
		err = -EAGAIN;
	}
	kfree(w);
	return err;
}

/* Over rings that are allocated; the caller has made the channel busy. */
static int open_busy(struct vmbus_channel *channel, const void *userdata, u32 userdatalen,
		     void (*callback)(void *context), void *context)
{
	struct vmbus_gpadl *ring = &channel->ringbuffer_gpadlhandle;
	int err;

	if (userdatalen > MAX_USER_DEFINED_BYTES || !to_hvb_channel(channel)->ring_pages)
		return -EINVAL;
	channel->state = CHANNEL_OPENING_STATE;
	err = hvb_requestor_alloc(&channel->requestor, channel->rqstor_size);
	if (err)
		return err;
	err = hvb_abort_alloc(channel);
	if (err)
		goto out;
	ring->buffer = NULL;
	ring->size = channel->ringbuffer_pagecount << PAGE_SHIFT;
	err = hvb_gpadl_create(channel, pfn_of_ring, to_hvb_channel(channel), ring->size, &ring->gpadl_handle);
	if (err)
		goto out;

	/* Before the host may ring. */
	set_callback(channel, callback, context);
	err = post_open(channel, userdata, userdatalen);
	if (!err)
		return 0;
	stop_callback(channel);
	take_ring_back(channel);
out:
	hvb_abort_free(channel);
	hvb_requestor_free(&channel->requestor);
	return err;
}

int vmbus_connect_ring(struct vmbus_channel *channel, void (*onchannel_callback)(void *context), void *context)
{
	int err;

	err = leave_state(channel, CHANNEL_OPEN_STATE);
	if (err)
		return err;
	err = open_busy(channel, NULL, 0, onchannel_callback, context);
	enter_state(channel, err ? CHANNEL_OPEN_STATE : CHANNEL_OPENED_STATE);
	return err;
}

int vmbus_open(struct vmbus_channel *channel, u32 send_ringbuffersize, u32 recv_ringbuffersize, void *userdata,
	       u32 userdatalen, void (*onchannel_callback)(void *context), void *context)
{
	int err;

	err = leave_state(channel, CHANNEL_OPEN_STATE);
	if (err)
		return err;
	err = vmbus_alloc_ring(channel, send_ringbuffersize, recv_ringbuffersize);
	if (!err) {
		err = open_busy(channel, userdata, userdatalen, onchannel_callback, context);
		if (err)
			hvb_ring_free(channel);
	}
	enter_state(channel, err ? CHANNEL_OPEN_STATE : CHANNEL_OPENED_STATE);
	return err;
}

/* ---- close ---- */

/* The caller has made it busy. 0: the host has let go of the rings. */
static int close_busy(struct vmbus_channel *channel)
{
	struct vmbus_channel_close_channel msg = {
		.header.msgtype = CHANNELMSG_CLOSECHANNEL,
		.child_relid = channel->offermsg.child_relid,
	};
	int err;

	stop_callback(channel);
	WRITE_ONCE(channel->sc_creation_callback, NULL);
	hvb_post(&msg, sizeof(msg));	/* there is no answer */
	err = take_ring_back(channel);
	hvb_abort_free(channel);
	hvb_requestor_free(&channel->requestor);
	return err;
}

/* An open sub-channel of the primary, made busy. */
static struct vmbus_channel *next_open_sub(struct vmbus_channel *primary)
{
	struct vmbus_channel *sub;

	list_for_each_entry(sub, &primary->sc_list, sc_list) {
		if (sub->state == CHANNEL_OPENED_STATE && !to_hvb_channel(sub)->busy) {
			to_hvb_channel(sub)->busy = true;
			return sub;
		}
	}
	return NULL;
}

static void close_subs(struct vmbus_channel *primary)
{
	struct vmbus_channel *sub;

	for (;;) {
		mutex_lock(&hvb.channel_mutex);
		sub = next_open_sub(primary);
		mutex_unlock(&hvb.channel_mutex);
		if (!sub)
			return;
		close_busy(sub);
		hvb_ring_free(sub);
		enter_state(sub, CHANNEL_OPEN_STATE);
	}
}

int vmbus_disconnect_ring(struct vmbus_channel *channel)
{
	int err;

	if (is_sub_channel(channel))
		return -EINVAL;		/* they are closed with their primary */
	close_subs(channel);
	err = leave_state(channel, CHANNEL_OPENED_STATE);
	if (err)
		return err;
	err = close_busy(channel);
	enter_state(channel, CHANNEL_OPEN_STATE);
	return err;
}

void vmbus_close(struct vmbus_channel *channel)
{
	/* -EINVAL: it was not open. After another error there is a mapping to be freed, without pages. */
	if (vmbus_disconnect_ring(channel) != -EINVAL)
		hvb_ring_free(channel);
}

void hvb_unbind_channel(struct vmbus_channel *channel)
{
	vmbus_set_sc_create_callback(channel, NULL);
	/* The old callback may be running, and it opens sub-channels with the driver's functions in them. */
	flush_workqueue(hvb.sub_wq);
	close_subs(channel);
	if (READ_ONCE(channel->state) == CHANNEL_OPENED_STATE)
		vmbus_close(channel);
	set_channel_read_mode(channel, HV_CALL_BATCHED);
	channel->next_request_id_callback = NULL;
	channel->request_addr_callback = NULL;
	channel->rqstor_size = 0;
	channel->max_pkt_size = 0;
	channel->chn_rescind_callback = NULL;
	channel->change_target_cpu_callback = NULL;
}

/* ---- target ---- */

int vmbus_send_modifychannel(struct vmbus_channel *channel, u32 target_vp)
{
	struct vmbus_channel_modifychannel msg = {
		.header.msgtype = CHANNELMSG_MODIFYCHANNEL,
		.child_relid = channel->offermsg.child_relid,
		.target_vp = target_vp,
	};
	struct hvb_waiter *w;
	int err;

	if (hvb.version < VERSION_WIN10_V4_1)
		return -EOPNOTSUPP;
	if (hvb.version < VERSION_WIN10_V5_3)
		return hvb_post(&msg, sizeof(msg));
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	err = hvb_waiter_add(w, channel, CHANNELMSG_MODIFYCHANNEL_RESPONSE, msg.child_relid);
	if (!err) {
		err = hvb_post(&msg, sizeof(msg));
		if (err)
			hvb_waiter_cancel(w);
		else
			err = hvb_wait(w, 0);
	}
	if (!err && hvb_payload_u32(w->reply, 12))
		err = -EAGAIN;
	kfree(w);
	return err;
}
