/* SPDX-License-Identifier: MIT */
/*
 * Devices and their offers. A primary channel is offered when the guest asks for offers, or at once if it has asked
 * already; sub-channels when the device says so. Relids are given in the order of the devices (interface type, instance), lowest
 * free one first, so a reconnecting guest finds the same ones.
 *
 * An id stays taken until the guest has released it. A new device with the instance of one whose channel the guest
 * has not released yet waits for that: for a guest the two would be the same one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bus.h"

static void send_offer(struct vmbus_channel *ch)
{
	const struct vmbus_offer *offer = &ch->dev->offer;
	struct vmbus_msg_offer m = {
		.h = vmbus_msg(VMBUS_MSG_OFFERCHANNEL),
		.flags = to_le16(offer->flags),
		.sub_channel_index = to_le16(ch->index),
		.relid = to_le32(ch->relid),
		/* Monitor pages would make the guest wait for us to poll: a doorbell is cheaper here. */
		.monitor_id = VMBUS_OFFER_NO_MONITOR,
	};

	memcpy(m.interface_type, offer->interface_type, sizeof(m.interface_type));
	memcpy(m.instance, offer->instance, sizeof(m.instance));
	memcpy(m.user_data, offer->user_data, sizeof(m.user_data));
	if (ch->bus->version >= VMBUS_VERSION_1_1) {
		m.interrupt_flags = to_le16(VMBUS_OFFER_DEDICATED_INTERRUPT);
		m.connection_id = to_le32(BUS_EVENT_CONNECTION | ch->relid);
	}
	channel_set_state(ch, VMBUS_CHANNEL_OFFERED);
	bus_note(ch->bus, "%s: offered%s", ch->name, ch->index ? " as a sub-channel" : "");
	vmbus_send(ch->bus, &m, sizeof(m));
}

static bool instance_lingers(const struct vmbus *bus, const uint8_t *instance)
{
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)
		if (bus->relid[id] && !bus->relid[id]->dev && !memcmp(bus->relid[id]->instance, instance, 16))
			return true;
	return false;
}

void offer_device(struct vmbus_device *dev)
{
	struct vmbus *bus = dev->bus;

	if (bus->state != BUS_CONNECTED || !bus->offers_requested || dev->primary->state != VMBUS_CHANNEL_UNOFFERED ||
	    instance_lingers(bus, dev->offer.instance))
		return;
	if (channel_assign_relid(dev->primary)) {
		hv_log(HV_LOG_ERROR, "%s: no channel id left for another device", bus->name);
		return;
	}
	send_offer(dev->primary);
}

void offer_request(struct vmbus *bus)
{
	const struct vmbus_msg_header delivered = vmbus_msg(VMBUS_MSG_ALLOFFERS_DELIVERED);
	struct vmbus_device *dev;

	if (bus->offers_requested) {
		bus_refuse(bus, offers_requested_twice, "%s: REQUESTOFFERS twice", bus->name);
		return;
	}
	bus->offers_requested = true;
	TAILQ_FOREACH(dev, &bus->devices, link)
		offer_device(dev);
	vmbus_send(bus, &delivered, sizeof(delivered));
}

static int order(const struct vmbus_offer *a, const struct vmbus_offer *b)
{
	int ret = memcmp(a->interface_type, b->interface_type, sizeof(a->interface_type));

	return ret ? ret : memcmp(a->instance, b->instance, sizeof(a->instance));
}

int vmbus_device_create(struct vmbus *bus, const struct vmbus_offer *offer, const struct vmbus_device_ops *ops, void *opaque,
			struct vmbus_device **out)
{
	struct vmbus_device *dev, *other;
	unsigned devices = 0;
	int ret;

	TAILQ_FOREACH(other, &bus->devices, link) {
		if (!memcmp(other->offer.instance, offer->instance, sizeof(offer->instance)))
			return -EEXIST;
		devices++;
	}
	if (devices >= VMBUS_MAX_CHANNEL_ID || bus->relids >= VMBUS_MAX_CHANNEL_ID)
		return -ENOSPC;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->bus = bus;
	dev->offer = *offer;
	dev->ops = ops;
	dev->opaque = opaque;
	ret = channel_create(bus, dev, 0, &dev->primary);
	if (ret) {
		free(dev);
		return ret;
	}
	TAILQ_FOREACH(other, &bus->devices, link)
		if (order(offer, &other->offer) < 0)
			break;
	if (other)
		TAILQ_INSERT_BEFORE(other, dev, link);
	else
		TAILQ_INSERT_TAIL(&bus->devices, dev, link);
	*out = dev;
	offer_device(dev);
	return 0;
}

struct vmbus_channel *vmbus_device_primary(struct vmbus_device *dev)
{
	return dev->primary;
}

/* ---- sub-channels ---- */

static struct vmbus_channel *subchannel(struct vmbus_device *dev, uint32_t id)
{
	struct vmbus_channel *ch = dev->bus->relid[id];

	return ch && ch->dev == dev && ch->index ? ch : NULL;
}

static bool taken_back(const struct vmbus_channel *ch)
{
	return ch->state == VMBUS_CHANNEL_RESCINDED || ch->state == VMBUS_CHANNEL_RESCINDED_CLOSING ||
	       ch->state == VMBUS_CHANNEL_RELEASING;
}

int vmbus_device_offer_subchannels(struct vmbus_device *dev, unsigned n)
{
	struct vmbus *bus = dev->bus;
	struct vmbus_channel *new[VMBUS_MAX_CHANNEL_ID];
	unsigned made = 0;
	int ret = 0;

	if (bus->state != BUS_CONNECTED || dev->primary->state != VMBUS_CHANNEL_OPEN)
		return -ENOTCONN;
	if (bus->version < VMBUS_VERSION_2_4)
		return -EOPNOTSUPP;
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)
		if (subchannel(dev, id) && !taken_back(subchannel(dev, id)))
			return -EEXIST;
	if (n > VMBUS_MAX_CHANNEL_ID - bus->relids)
		return -ENOSPC;
	while (!ret && made < n) {
		ret = channel_create(bus, dev, (uint16_t)(made + 1), &new[made]);
		made += !ret;
	}
	for (unsigned i = 0; i < made; i++)
		if (ret)
			channel_free(new[i]);
		else if (!channel_assign_relid(new[i]))		/* there are enough: counted above */
			send_offer(new[i]);
	return ret;
}

void vmbus_device_rescind_subchannels(struct vmbus_device *dev)
{
	if (dev->bus->state != BUS_CONNECTED)
		return;			/* they go with the connection */
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)
		if (subchannel(dev, id))
			offer_rescind(subchannel(dev, id));
}

/* ---- taking back ---- */

static void send_rescind(struct vmbus_channel *ch)
{
	struct vmbus_msg_relid m = { .h = vmbus_msg(VMBUS_MSG_RESCIND_CHANNELOFFER), .relid = to_le32(ch->relid) };

	bus_note(ch->bus, "%s: rescinded", ch->name);
	vmbus_send(ch->bus, &m, sizeof(m));
}

void offer_rescind(struct vmbus_channel *ch)
{
	if (ch->bus->state != BUS_CONNECTED)
		return;
	switch (ch->state) {
	case VMBUS_CHANNEL_OFFERED:
		gpadl_rescind(ch);
		gpadl_drop_all(ch);
		channel_set_state(ch, VMBUS_CHANNEL_RESCINDED);
		send_rescind(ch);
		break;
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_OPEN:
		/* The device stops before the guest is told, so memory that it gets back is its own. */
		gpadl_rescind(ch);
		channel_stop(ch, VMBUS_CHANNEL_RESCINDED_CLOSING);
		send_rescind(ch);
		break;
	case VMBUS_CHANNEL_CLOSING:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
		gpadl_rescind(ch);
		channel_set_state(ch, VMBUS_CHANNEL_RESCINDED_CLOSING);
		send_rescind(ch);
		break;
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_RESCINDED:
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
	case VMBUS_CHANNEL_RELEASING:
	case VMBUS_CHANNEL_STATES:
		break;
	}
}

/* The device is going: what it has not answered counts as answered. */
static void detach(struct vmbus_channel *ch)
{
	offer_rescind(ch);
	ch->dev = NULL;
	if (channel_in_session(ch))
		vmbus_channel_closed(ch);	/* frees a channel that only waited for this */
}

void vmbus_device_destroy(struct vmbus_device *dev)
{
	struct vmbus *bus;

	if (!dev)
		return;
	bus = dev->bus;
	TAILQ_REMOVE(&bus->devices, dev, link);
	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)
		if (subchannel(dev, id))
			detach(bus->relid[id]);
	if (dev->primary->state == VMBUS_CHANNEL_UNOFFERED)
		channel_free(dev->primary);
	else
		detach(dev->primary);
	free(dev);
}
