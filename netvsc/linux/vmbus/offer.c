// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The life of channels.
 *
 *  OFFERCHANNEL --control_work--> in the table --primary_wq--> device registered, driver probes
 *                                              --sub_wq-----> the driver's sub-channel callback
 *  RESCIND --interrupt--> channel->rescind, waiters woken
 *          --control_work, removal_wq--> device unregistered / sub-channel closed by its driver --> RELID_RELEASED, freed
 *
 * A sub-channel that its driver has open stays until the driver closes it; then its rescind_work runs again. A primary
 * takes its closed sub-channels with it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "hvnet_vmbus.h"

static void rescind_work(struct work_struct *work);

static struct vmbus_channel *channel_by_id(u32 id)
{
	return id < HVB_CHANNELS ? rcu_dereference_protected(hvb.table[id], 1) : NULL;
}

/* ---- targets ---- */

static bool vp_serves_device(const struct hvb_vp *vp, struct vmbus_channel *primary)
{
	struct vmbus_channel *sub;

	if (to_hvb_channel(primary)->vp == vp)
		return true;
	list_for_each_entry(sub, &primary->sc_list, sc_list) {
		if (to_hvb_channel(sub)->vp == vp)
			return true;
	}
	return false;
}

/*
 * The processor with the fewest channels; one that serves no channel of the same device goes first, so that
 * a device's channels are spread over all. channel_mutex held.
 */
static struct hvb_vp *choose_vp(struct vmbus_channel *primary)
{
	struct hvb_vp *best = NULL, *best_free = NULL;
	unsigned int i;

	for (i = 0; i < hvb.nr_vps; i++) {
		struct hvb_vp *vp = &hvb.vps[i];

		if (!cpu_online(vp->cpu))
			continue;
		if (!best || vp->channels < best->channels)
			best = vp;
		if (primary && !vp_serves_device(vp, primary) &&
		    (!best_free || vp->channels < best_free->channels))
			best_free = vp;
	}
	if (!best)
		best = &hvb.vps[0];
	return best_free ?: best;
}

static void set_target(struct vmbus_channel *channel, struct vmbus_channel *primary)
{
	struct hvb_vp *vp = choose_vp(primary);

	vp->channels++;
	to_hvb_channel(channel)->vp = vp;
	channel->target_cpu = vp->cpu;
}

/* ---- offers ---- */

static u16 device_type(const struct vmbus_channel *channel)
{
	static const struct hv_vmbus_device_id nic = { HV_NIC_GUID };

	return guid_equal(&channel->offermsg.offer.if_type, &nic.guid) ? HV_NIC : HV_UNKNOWN;
}

/* channel_mutex held. */
static struct vmbus_channel *find_primary(const struct vmbus_channel_offer *offer)
{
	struct vmbus_channel *channel;

	list_for_each_entry(channel, &hvb.primaries, listentry) {
		if (guid_equal(&channel->offermsg.offer.if_type, &offer->if_type) &&
		    guid_equal(&channel->offermsg.offer.if_instance, &offer->if_instance))
			return channel;
	}
	return NULL;
}

static void release_id(u32 id)
{
	struct vmbus_channel_relid_released msg = {
		.header.msgtype = CHANNELMSG_RELID_RELEASED,
		.child_relid = id,
	};

	if (hvb.version)
		hvb_post(&msg, sizeof(msg));
}

/*
 * Out of the table: after it no interrupt and no rescind knows the channel. Called on removal_wq, where no other removal
 * runs, so that one that was queued meanwhile (perhaps this very work, again) can be taken back.
 */
static void forget(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	u32 id = channel->offermsg.child_relid;
	unsigned long flags;

	spin_lock_irqsave(&hvb.lock, flags);
	RCU_INIT_POINTER(hvb.table[id], NULL);
	clear_bit(id, hvb.early_rescind);
	spin_unlock_irqrestore(&hvb.lock, flags);
	synchronize_rcu();
	cancel_work(&hc->rescind_work);
	tasklet_kill(&channel->callback_event);
	mutex_lock(&hvb.channel_mutex);
	hc->vp->channels--;
	mutex_unlock(&hvb.channel_mutex);
	release_id(id);
}

void hvb_free_channel(struct vmbus_channel *channel)
{
	kfree(to_hvb_channel(channel));
}

static void add_primary(struct work_struct *work)
{
	struct vmbus_channel *channel = container_of(work, struct vmbus_channel, add_channel_work);
	struct hv_device *dev;
	int err;

	if (READ_ONCE(channel->rescind))
		return;
	dev = hvb_device_create(channel);
	if (!dev)
		return;
	channel->device_obj = dev;
	err = hvb_device_add(dev);
	if (err) {
		pr_err("channel %u: no device: error %d\n", channel->offermsg.child_relid, err);
		channel->device_obj = NULL;
		dev->channel = NULL;	/* stays with us, until the host takes it back */
		put_device(&dev->device);
	}
	channel->probe_done = true;
}

static void add_sub(struct work_struct *work)
{
	struct vmbus_channel *channel = container_of(work, struct vmbus_channel, add_channel_work);
	void (*created)(struct vmbus_channel *sub) = NULL;
	struct vmbus_channel *primary;

	mutex_lock(&hvb.channel_mutex);
	primary = channel->primary_channel;
	if (primary)
		created = READ_ONCE(primary->sc_creation_callback);
	mutex_unlock(&hvb.channel_mutex);
	/* Also when it is rescinded already: the driver counts its sub-channels, and opening this one will fail. */
	if (created)
		created(channel);
	channel->probe_done = true;
}

static struct vmbus_channel *alloc_channel(const u8 *payload)
{
	struct hvb_channel *hc = kzalloc(sizeof(*hc), GFP_KERNEL);
	struct vmbus_channel *channel;

	if (!hc)
		return NULL;
	channel = &hc->ch;
	memcpy(&channel->offermsg, payload, sizeof(channel->offermsg));
	channel->state = CHANNEL_OPEN_STATE;	/* the API's word for "offered, not open" */
	channel->is_dedicated_interrupt = channel->offermsg.is_dedicated_interrupt;
	channel->sig_event = channel->offermsg.connection_id;
	channel->device_id = device_type(channel);
	INIT_LIST_HEAD(&channel->listentry);
	INIT_LIST_HEAD(&channel->sc_list);
	init_completion(&channel->rescind_event);
	INIT_WORK(&hc->rescind_work, rescind_work);
	hvb_channel_init(channel);
	return channel;
}

/* Publishes the channel. A rescind that came before is found here, a later one finds the channel. */
static void enter_table(struct vmbus_channel *channel)
{
	u32 id = channel->offermsg.child_relid;

	spin_lock_irq(&hvb.lock);
	channel->rescind = test_and_clear_bit(id, hvb.early_rescind);
	rcu_assign_pointer(hvb.table[id], channel);
	spin_unlock_irq(&hvb.lock);
}

/* The host's offer cannot be used: gives it back. */
static void refuse_offer(struct vmbus_channel *channel, const char *why)
{
	pr_warn_ratelimited("offer of channel %u, index %u refused: %s\n", channel->offermsg.child_relid,
		channel->offermsg.offer.sub_channel_index, why);
	release_id(channel->offermsg.child_relid);
	hvb_free_channel(channel);
}

void hvb_offer(const u8 *payload)
{
	struct vmbus_channel *channel = alloc_channel(payload), *primary;
	u32 id;

	if (!channel) {
		pr_err("no memory for an offered channel\n");
		return;
	}
	id = channel->offermsg.child_relid;
	if (!id || id >= HVB_CHANNELS || channel_by_id(id)) {
		pr_warn_ratelimited("offer with the bad or used channel id %u dropped\n", id);
		hvb_free_channel(channel);
		return;
	}

	mutex_lock(&hvb.channel_mutex);
	primary = find_primary(&channel->offermsg.offer);
	if (is_sub_channel(channel) != !!primary) {
		mutex_unlock(&hvb.channel_mutex);
		refuse_offer(channel, primary ? "its device is there already" : "a sub-channel without device");
		return;
	}
	set_target(channel, primary);
	if (primary) {
		channel->primary_channel = primary;
		list_add_tail(&channel->sc_list, &primary->sc_list);
		INIT_WORK(&channel->add_channel_work, add_sub);
	} else {
		list_add_tail(&channel->listentry, &hvb.primaries);
		INIT_WORK(&channel->add_channel_work, add_primary);
	}
	enter_table(channel);
	mutex_unlock(&hvb.channel_mutex);

	queue_work(primary ? hvb.sub_wq : hvb.primary_wq, &channel->add_channel_work);
}

/* ---- rescinds and removal ---- */

void hvb_rescind_mark(u32 id)
{
	struct vmbus_channel *channel;

	if (id >= HVB_CHANNELS)
		return;
	channel = channel_by_id(id);
	if (!channel) {
		set_bit(id, hvb.early_rescind);
		return;
	}
	WRITE_ONCE(channel->rescind, true);
	hvb_wake_waiters(channel);
}

/* hvb.lock held: while it is, a channel in the table is not freed. */
static void queue_removal(u32 id)
{
	struct vmbus_channel *channel = channel_by_id(id);

	if (channel)
		queue_work(hvb.removal_wq, &to_hvb_channel(channel)->rescind_work);
}

void hvb_rescind(u32 id)
{
	struct vmbus_channel *channel;

	if (id >= HVB_CHANNELS)
		return;
	spin_lock_irq(&hvb.lock);
	/* Again: the mark may have been taken for one of an earlier channel of that id. */
	hvb_rescind_mark(id);
	if (!channel_by_id(id))
		clear_bit(id, hvb.early_rescind);	/* we gave the channel back before the host asked */
	spin_unlock_irq(&hvb.lock);

	/* Before the removal, which waits for the driver. */
	rcu_read_lock();
	channel = rcu_dereference(hvb.table[id]);
	if (channel)
		hvb_abort_start(channel);
	rcu_read_unlock();

	spin_lock_irq(&hvb.lock);
	queue_removal(id);
	spin_unlock_irq(&hvb.lock);
}

/* The caller knows that the channel is there still. */
void hvb_queue_removal(struct vmbus_channel *channel)
{
	queue_work(hvb.removal_wq, &to_hvb_channel(channel)->rescind_work);
}

/* channel_mutex held. The sub-channel loses its primary. */
static void detach_sub(struct vmbus_channel *sub)
{
	list_del_init(&sub->sc_list);
	WRITE_ONCE(sub->primary_channel, NULL);
}

static void remove_sub(struct vmbus_channel *sub)
{
	bool closed;

	mutex_lock(&hvb.channel_mutex);
	closed = sub->state == CHANNEL_OPEN_STATE && !to_hvb_channel(sub)->busy;
	if (closed && sub->primary_channel)
		detach_sub(sub);
	mutex_unlock(&hvb.channel_mutex);
	if (!closed)
		return;		/* closing it queues the work again */
	forget(sub);
	hvb_free_channel(sub);
}

static void remove_subs_of(struct vmbus_channel *primary)
{
	struct vmbus_channel *sub;

	for (;;) {
		mutex_lock(&hvb.channel_mutex);
		sub = list_first_entry_or_null(&primary->sc_list, struct vmbus_channel, sc_list);
		if (sub)
			detach_sub(sub);
		mutex_unlock(&hvb.channel_mutex);
		if (!sub)
			return;
		flush_work(&sub->add_channel_work);
		forget(sub);
		hvb_free_channel(sub);
	}
}

static void remove_primary(struct vmbus_channel *primary)
{
	struct hv_device *dev = primary->device_obj;

	/* The driver closes everything, sub-channels first. The channel lives as long as the device. */
	if (dev) {
		get_device(&dev->device);
		device_unregister(&dev->device);
	}

	mutex_lock(&hvb.channel_mutex);
	list_del_init(&primary->listentry);
	mutex_unlock(&hvb.channel_mutex);
	remove_subs_of(primary);
	forget(primary);
	if (dev)
		put_device(&dev->device);	/* its release frees the channel, see device.c */
	else
		hvb_free_channel(primary);
}

static void rescind_work(struct work_struct *work)
{
	struct vmbus_channel *channel = &container_of(work, struct hvb_channel, rescind_work)->ch;

	flush_work(&channel->add_channel_work);
	if (channel->rescind && channel->chn_rescind_callback)
		channel->chn_rescind_callback(channel);
	if (is_sub_channel(channel))
		remove_sub(channel);
	else
		remove_primary(channel);
}

/*
 * All devices go; the bridge is leaving. On the way their drivers still talk to the host, if it is there. It goes through
 * removal_wq, where the host's rescinds and ours are in one order.
 */
void hvb_remove_all_channels(void)
{
	struct vmbus_channel *channel;
	u32 id;

	do {
		flush_workqueue(hvb.control_wq);
		mutex_lock(&hvb.channel_mutex);
		channel = list_first_entry_or_null(&hvb.primaries, struct vmbus_channel, listentry);
		if (channel)
			hvb_queue_removal(channel);
		mutex_unlock(&hvb.channel_mutex);
		flush_workqueue(hvb.removal_wq);
	} while (channel);

	/* None should be left: a device takes its sub-channels with it. */
	for (id = 1; id < HVB_CHANNELS; id++) {
		spin_lock_irq(&hvb.lock);
		queue_removal(id);
		spin_unlock_irq(&hvb.lock);
	}
	flush_workqueue(hvb.removal_wq);
}

/* ---- the API's callbacks ---- */

void vmbus_set_sc_create_callback(struct vmbus_channel *primary_channel, void (*sc_cr_cb)(struct vmbus_channel *new_sc))
{
	WRITE_ONCE(primary_channel->sc_creation_callback, sc_cr_cb);
}

void vmbus_set_chn_rescind_callback(struct vmbus_channel *channel, void (*chn_rescind_cb)(struct vmbus_channel *))
{
	WRITE_ONCE(channel->chn_rescind_callback, chn_rescind_cb);
}
