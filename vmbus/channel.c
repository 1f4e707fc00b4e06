/* SPDX-License-Identifier: MIT */
/*
 * A channel's life: the picture is with enum vmbus_channel_state in bus.h. Here is what the guest's messages and the
 * device's answers do in each state; session.c has the rings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bus.h"

enum { NAME_ROOM = sizeof("/ch2047") };

#define TO(state) (1u << VMBUS_CHANNEL_##state)

/* The moves of the picture. */
static const unsigned moves[VMBUS_CHANNEL_STATES] = {
	[VMBUS_CHANNEL_UNOFFERED] = TO(OFFERED),
	[VMBUS_CHANNEL_OFFERED] = TO(OPENING) | TO(RESCINDED) | TO(UNOFFERED),
	[VMBUS_CHANNEL_OPENING] = TO(OPEN) | TO(OFFERED) | TO(RESCINDED_CLOSING) | TO(RELEASING),
	[VMBUS_CHANNEL_OPEN] = TO(CLOSING) | TO(RESCINDED_CLOSING) | TO(RELEASING),
	[VMBUS_CHANNEL_CLOSING] = TO(OFFERED) | TO(CLOSING_REOPEN) | TO(RESCINDED_CLOSING) | TO(RELEASING),
	[VMBUS_CHANNEL_CLOSING_REOPEN] = TO(OFFERED) | TO(RESCINDED_CLOSING) | TO(RELEASING),
	[VMBUS_CHANNEL_RESCINDED] = TO(UNOFFERED),
	[VMBUS_CHANNEL_RESCINDED_CLOSING] = TO(RESCINDED) | TO(RELEASING),
	[VMBUS_CHANNEL_RELEASING] = TO(UNOFFERED),
};

static const char *state_name(enum vmbus_channel_state state)
{
	switch (state) {
	case VMBUS_CHANNEL_UNOFFERED: return "unoffered";
	case VMBUS_CHANNEL_OFFERED: return "offered";
	case VMBUS_CHANNEL_OPENING: return "opening";
	case VMBUS_CHANNEL_OPEN: return "open";
	case VMBUS_CHANNEL_CLOSING: return "closing";
	case VMBUS_CHANNEL_CLOSING_REOPEN: return "closing, to be opened again";
	case VMBUS_CHANNEL_RESCINDED: return "rescinded";
	case VMBUS_CHANNEL_RESCINDED_CLOSING: return "rescinded, closing";
	case VMBUS_CHANNEL_RELEASING: return "releasing";
	case VMBUS_CHANNEL_STATES: break;
	}
	return "?";
}

void channel_set_state(struct vmbus_channel *ch, enum vmbus_channel_state state)
{
	assert(moves[ch->state] & 1u << state);
	hv_log(HV_LOG_DEBUG, "%s: %s -> %s", ch->name, state_name(ch->state), state_name(state));
	ch->state = state;
}

bool channel_in_session(const struct vmbus_channel *ch)
{
	return ch->ring;
}

int channel_create(struct vmbus *bus, struct vmbus_device *dev, uint16_t index, struct vmbus_channel **out)
{
	struct vmbus_channel *ch = calloc(1, sizeof(*ch));
	size_t room = strlen(bus->name) + NAME_ROOM;

	if (!ch)
		return -ENOMEM;
	ch->name = malloc(room);
	if (!ch->name) {
		free(ch);
		return -ENOMEM;
	}
	snprintf(ch->name, room, "%s/ch-", bus->name);
	ch->bus = bus;
	ch->dev = dev;
	ch->index = index;
	memcpy(ch->instance, dev->offer.instance, sizeof(ch->instance));
	TAILQ_INIT(&ch->gpadls);
	*out = ch;
	return 0;
}

void channel_free(struct vmbus_channel *ch)
{
	if (!ch)
		return;
	assert(!ch->relid && !ch->ring);
	free(ch->name);
	free(ch);
}

int channel_assign_relid(struct vmbus_channel *ch)
{
	struct vmbus *bus = ch->bus;

	for (uint32_t id = 1; id < VMBUS_RELIDS; id++)
		if (!bus->relid[id]) {
			bus->relid[id] = ch;
			bus->relids++;
			ch->relid = id;
			snprintf(ch->name, strlen(bus->name) + NAME_ROOM, "%s/ch%u", bus->name, id);
			return 0;
		}
	return -ENOSPC;
}

void channel_forget(struct vmbus_channel *ch)
{
	struct vmbus *bus = ch->bus;
	struct vmbus_device *dev = ch->dev, *other, *next;
	uint8_t instance[16];

	memcpy(instance, ch->instance, sizeof(instance));
	gpadl_drop_all(ch);
	bus->relid[ch->relid] = NULL;
	bus->relids--;
	ch->relid = 0;
	channel_set_state(ch, VMBUS_CHANNEL_UNOFFERED);
	if (ch->index || !dev) {
		if (dev && dev->ops->released)
			dev->ops->released(dev->opaque, ch);
		channel_free(ch);
	}
	if (!dev)		/* its successor, if there is one, was waiting for the guest to forget this one */
		for (other = TAILQ_FIRST(&bus->devices); other; other = next) {
			next = TAILQ_NEXT(other, link);
			if (!memcmp(other->offer.instance, instance, sizeof(instance)))
				offer_device(other);
		}
	connection_check(bus);
}

/* ---- open ---- */

static void send_open_result(struct vmbus_channel *ch, uint32_t open_id, bool good)
{
	struct vmbus_msg_open_result r = {
		.h = vmbus_msg(VMBUS_MSG_OPENCHANNEL_RESULT), .relid = to_le32(ch->relid), .open_id = to_le32(open_id),
		.status = to_le32(good ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_FAILED),
	};

	vmbus_send(ch->bus, &r, sizeof(r));
}

static void start_open(struct vmbus_channel *ch, const struct bus_open *open)
{
	struct bus_open o = *open;
	struct vmbus *bus = ch->bus;
	int ret = 0;

	if (bus->version < VMBUS_VERSION_2_4)
		o.target_vp = 0;	/* the field says nothing yet */
	if (o.target_vp >= bus->vps && o.target_vp != VMBUS_VP_NO_INTERRUPT)
		ret = -EINVAL;
	if (!ret)
		ret = session_map(ch, &o);
	if (ret) {
		bus_refuse(bus, open_refused, "%s: not opened, gpadl 0x%x, second ring at page %u, processor %u: %s", ch->name,
			   o.ring_gpadl, o.to_guest_page, o.target_vp, strerror(-ret));
		send_open_result(ch, o.open_id, false);
		return;
	}
	channel_set_state(ch, VMBUS_CHANNEL_OPENING);
	ch->dev->ops->open(ch->dev->opaque, ch);
}

void channel_open(struct vmbus_channel *ch, const struct bus_open *open)
{
	switch (ch->state) {
	case VMBUS_CHANNEL_OFFERED:
		start_open(ch, open);
		break;
	case VMBUS_CHANNEL_CLOSING:	/* a close has no answer, so the guest need not wait for one */
		ch->reopen = *open;
		channel_set_state(ch, VMBUS_CHANNEL_CLOSING_REOPEN);
		break;
	case VMBUS_CHANNEL_RESCINDED:
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
		break;			/* crossed our RESCIND, which is the answer */
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_OPEN:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
	case VMBUS_CHANNEL_RELEASING:
	case VMBUS_CHANNEL_STATES:
		bus_refuse(ch->bus, open_wrong_state, "%s: OPENCHANNEL while %s", ch->name, state_name(ch->state));
		break;
	}
}

void vmbus_channel_opened(struct vmbus_channel *ch, int status)
{
	if (ch->state != VMBUS_CHANNEL_OPENING)
		return;			/* close() came first; its answer is the one that counts */
	if (status) {
		bus_refuse(ch->bus, open_refused, "%s: the device does not open: %s", ch->name, strerror(-status));
		session_unmap(ch);
		channel_set_state(ch, VMBUS_CHANNEL_OFFERED);
		send_open_result(ch, ch->open.open_id, false);
		return;
	}
	bus_note(ch->bus, "%s: opened, gpadl 0x%x, %u pages, processor %d", ch->name, ch->open.ring_gpadl,
		 ch->ring->pages, (int)ch->open.target_vp);
	channel_set_state(ch, VMBUS_CHANNEL_OPEN);
	send_open_result(ch, ch->open.open_id, true);
	if (ch->paused)
		ch->dev->ops->pause(ch->dev->opaque, ch, true);
}

/* ---- close ---- */

void channel_stop(struct vmbus_channel *ch, enum vmbus_channel_state state)
{
	channel_set_state(ch, state);
	ch->dev->ops->close(ch->dev->opaque, ch);
}

void channel_close(struct vmbus_channel *ch)
{
	switch (ch->state) {
	case VMBUS_CHANNEL_OPEN:
		channel_stop(ch, VMBUS_CHANNEL_CLOSING);
		break;
	case VMBUS_CHANNEL_RESCINDED:
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
		break;
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_OFFERED:
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_CLOSING:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
	case VMBUS_CHANNEL_RELEASING:
	case VMBUS_CHANNEL_STATES:
		bus_refuse(ch->bus, close_wrong_state, "%s: CLOSECHANNEL while %s", ch->name, state_name(ch->state));
		break;
	}
}

void vmbus_channel_closed(struct vmbus_channel *ch)
{
	const enum vmbus_channel_state was = ch->state;
	const struct vmbus_gpadl *g;

	TAILQ_FOREACH(g, &ch->gpadls, link)
		assert(!g->device_refs);	/* the device's contract: put before closed */
	switch (was) {
	case VMBUS_CHANNEL_CLOSING:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
		session_unmap(ch);
		bus_note(ch->bus, "%s: closed", ch->name);
		channel_set_state(ch, VMBUS_CHANNEL_OFFERED);
		/* The device begins anew with its primary alone. */
		if (!ch->index)
			vmbus_device_rescind_subchannels(ch->dev);
		if (was == VMBUS_CHANNEL_CLOSING_REOPEN)
			start_open(ch, &ch->reopen);
		break;
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
		session_unmap(ch);
		gpadl_drop_all(ch);
		channel_set_state(ch, VMBUS_CHANNEL_RESCINDED);
		break;
	case VMBUS_CHANNEL_RELEASING:
		session_unmap(ch);
		channel_forget(ch);
		break;
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_OFFERED:
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_OPEN:
	case VMBUS_CHANNEL_RESCINDED:
	case VMBUS_CHANNEL_STATES:
		break;			/* answered already, or nobody asked */
	}
}

void channel_released(struct vmbus_channel *ch)
{
	switch (ch->state) {
	case VMBUS_CHANNEL_OFFERED:
	case VMBUS_CHANNEL_RESCINDED:
		channel_forget(ch);
		break;
	case VMBUS_CHANNEL_CLOSING:
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
		channel_set_state(ch, VMBUS_CHANNEL_RELEASING);
		break;
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_OPEN:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
	case VMBUS_CHANNEL_RELEASING:
	case VMBUS_CHANNEL_STATES:
		bus_refuse(ch->bus, release_wrong_state, "%s: RELID_RELEASED while %s", ch->name, state_name(ch->state));
		break;
	}
}

void channel_disconnect(struct vmbus_channel *ch)
{
	switch (ch->state) {
	case VMBUS_CHANNEL_OFFERED:
	case VMBUS_CHANNEL_RESCINDED:
		channel_forget(ch);
		break;
	case VMBUS_CHANNEL_OPENING:
	case VMBUS_CHANNEL_OPEN:
		channel_stop(ch, VMBUS_CHANNEL_RELEASING);
		break;
	case VMBUS_CHANNEL_CLOSING:
	case VMBUS_CHANNEL_CLOSING_REOPEN:
	case VMBUS_CHANNEL_RESCINDED_CLOSING:
		channel_set_state(ch, VMBUS_CHANNEL_RELEASING);
		break;
	case VMBUS_CHANNEL_RELEASING:
	case VMBUS_CHANNEL_UNOFFERED:
	case VMBUS_CHANNEL_STATES:
		break;
	}
}

/* ---- modify ---- */

void channel_modify(struct vmbus_channel *ch, uint32_t target_vp)
{
	struct vmbus_msg_modify_response r = { .h = vmbus_msg(VMBUS_MSG_MODIFYCHANNEL_RESPONSE),
					       .relid = to_le32(ch->relid) };
	const bool good = ch->state == VMBUS_CHANNEL_OPEN && ch->open.target_vp != VMBUS_VP_NO_INTERRUPT &&
			  target_vp < ch->bus->vps;

	if (good) {
		ch->open.target_vp = target_vp;
	} else {
		bus_refuse(ch->bus, modify_refused, "%s: MODIFYCHANNEL to processor %u while %s", ch->name, target_vp,
			   state_name(ch->state));
		r.status = to_le32(VMBUS_STATUS_FAILED);
	}
	if (ch->bus->version >= VMBUS_VERSION_5_3)
		vmbus_send(ch->bus, &r, sizeof(r));
}

/* ---- what devices ask ---- */

uint32_t vmbus_channel_id(const struct vmbus_channel *ch)
{
	return ch->relid;
}

unsigned vmbus_channel_index(const struct vmbus_channel *ch)
{
	return ch->index;
}

const char *vmbus_channel_name(const struct vmbus_channel *ch)
{
	return ch->name;
}

bool vmbus_channel_is_open(const struct vmbus_channel *ch)
{
	return ch->state == VMBUS_CHANNEL_OPEN;
}

struct vmbus *vmbus_channel_bus(struct vmbus_channel *ch)
{
	return ch->bus;
}

void vmbus_channel_note_error(struct vmbus_channel *ch, const char *what)
{
	bus_refuse(ch->bus, device_errors, "%s: %s", ch->name, what);
}
