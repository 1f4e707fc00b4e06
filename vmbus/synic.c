/* SPDX-License-Identifier: MIT */
/*
 * The guest's synthetic interrupt controllers as VMBus sees them: one message slot and 2048 event flags per
 * virtual processor, in guest pages that the guest clears while we set.
 *
 * A message slot is handed over by its type word: we fill it when it is 0 and store the type last; the guest clears the
 * type, then looks whether "pending" is set, and if so writes EOM. So with a busy slot we set pending and look at the
 * type once more: either we see it cleared, or the guest sees pending.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bus.h"

int synic_create(struct vmbus *bus)
{
	bus->vp = calloc(bus->vps, sizeof(*bus->vp));
	if (!bus->vp)
		return -ENOMEM;
	STAILQ_INIT(&bus->held_queue);
	for (uint32_t i = 0; i < bus->vps; i++) {
		STAILQ_INIT(&bus->vp[i].queue);
		bus->vp[i].masked = true;
	}
	return 0;
}

static void flush(struct vmbus *bus, struct bus_messages *queue)
{
	while (!STAILQ_EMPTY(queue)) {
		struct bus_message *m = STAILQ_FIRST(queue);

		STAILQ_REMOVE_HEAD(queue, link);
		free(m);
		bus->queued--;
	}
}

void synic_flush(struct vmbus *bus)
{
	for (uint32_t i = 0; i < bus->vps; i++)
		flush(bus, &bus->vp[i].queue);
	flush(bus, &bus->held_queue);
	bus->held = false;
}

void synic_destroy(struct vmbus *bus)
{
	if (!bus->vp)
		return;
	synic_flush(bus);
	free(bus->vp);
	bus->vp = NULL;
}

void synic_reset(struct vmbus *bus)
{
	synic_flush(bus);
	for (uint32_t i = 0; i < bus->vps; i++) {
		bus->vp[i] = (struct bus_vp){ .masked = true };
		STAILQ_INIT(&bus->vp[i].queue);
	}
}

/* The page that a SIMP or SIEFP value names; NULL if it is disabled or not there. */
static void *synic_page(struct vmbus *bus, const struct bus_vp *v, uint64_t value)
{
	if (!v->enabled || !(value & 1))
		return NULL;
	return bus->ops->gpa(bus->opaque, value & ~0xfffull, VMBUS_PAGE_BYTES, true);
}

static void synic_interrupt(struct vmbus *bus, uint32_t vp)
{
	struct bus_vp *v = &bus->vp[vp];

	if (v->polling)
		return;
	if (v->masked) {
		v->interrupt_owed = true;
		return;
	}
	v->interrupt_owed = false;
	bus_count(bus, BUS_interrupts);
	bus->ops->interrupt(bus->opaque, vp);
}

static void fill_slot(struct vmbus_synic_slot *slot, const struct bus_message *m, bool more)
{
	memcpy(slot->payload, m->payload, m->bytes);
	slot->origin = to_le64(VMBUS_CONNECTION_MESSAGE);
	slot->payload_bytes = (uint8_t)m->bytes;
	slot->reserved = to_le16(0);
	__atomic_store_n(&slot->flags, more ? VMBUS_SYNIC_MESSAGE_PENDING : 0, __ATOMIC_RELAXED);
	/* hands the slot over; pairs with the guest's load of the type */
	__atomic_store_n(&slot->type, VMBUS_SYNIC_MESSAGE_TYPE, __ATOMIC_RELEASE);
}

static void synic_deliver(struct vmbus *bus, uint32_t vp)
{
	struct bus_vp *v = &bus->vp[vp];
	struct vmbus_synic_message_page *page;
	struct bus_message *m = STAILQ_FIRST(&v->queue);
	struct vmbus_synic_slot *slot;

	if (!m || (v->masked && !v->polling))
		return;
	page = synic_page(bus, v, v->simp);
	if (!page)
		return;
	slot = &page->sint[VMBUS_SINT];
	if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE)) {
		/* store→load: seq_cst on both, partner is the guest's clear of the type before it reads the flag */
		__atomic_fetch_or(&slot->flags, VMBUS_SYNIC_MESSAGE_PENDING, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->type, __ATOMIC_SEQ_CST))
			return;		/* EOM will come */
	}
	STAILQ_REMOVE_HEAD(&v->queue, link);
	bus->queued--;
	fill_slot(slot, m, !STAILQ_EMPTY(&v->queue));
	free(m);
	bus_count(bus, BUS_messages_out);
	synic_interrupt(bus, vp);
}

/* Event flags that could not be set when a device rang. */
static void signal_owed(struct vmbus *bus)
{
	for (uint32_t id = 1; id < VMBUS_RELIDS && bus->relids; id++)
		if (bus->relid[id] && bus->relid[id]->signal_owed)
			vmbus_channel_signal(bus->relid[id]);
}

void synic_deliver_all(struct vmbus *bus)
{
	for (uint32_t i = 0; i < bus->vps; i++)
		synic_deliver(bus, i);
	signal_owed(bus);
}

void synic_send(struct vmbus *bus, uint32_t vp, const void *payload, uint32_t bytes)
{
	struct bus_message *m = malloc(sizeof(*m) + bytes);

	if (!m) {
		bus_count(bus, BUS_messages_dropped);
		hv_log(HV_LOG_ERROR, "%s: no memory for a message to the guest", bus->name);
		return;
	}
	m->vp = vp;
	m->bytes = bytes;
	memcpy(m->payload, payload, bytes);
	STAILQ_INSERT_TAIL(bus->held ? &bus->held_queue : &bus->vp[vp].queue, m, link);
	bus->queued++;
	synic_deliver(bus, vp);
}

void synic_hold(struct vmbus *bus)
{
	bus->held = true;
}

void synic_unhold(struct vmbus *bus)
{
	bus->held = false;
	while (!STAILQ_EMPTY(&bus->held_queue)) {
		struct bus_message *m = STAILQ_FIRST(&bus->held_queue);

		STAILQ_REMOVE_HEAD(&bus->held_queue, link);
		STAILQ_INSERT_TAIL(&bus->vp[m->vp].queue, m, link);
	}
	synic_deliver_all(bus);
}

bool synic_set_flag(struct vmbus *bus, uint32_t vp, uint32_t flag)
{
	struct bus_vp *v = &bus->vp[vp];
	struct vmbus_synic_event_page *page = synic_page(bus, v, v->siefp);
	const uint32_t bit = 1u << flag % 32;

	if (!page)
		return false;
	/* A full barrier: what the flag announces is in the ring before the guest can find the flag. */
	if (!(__atomic_fetch_or(&page->sint[VMBUS_SINT][flag / 32], bit, __ATOMIC_SEQ_CST) & bit))
		synic_interrupt(bus, vp);	/* otherwise it has not looked since the last interrupt */
	return true;
}

/* Something that deliveries depend on has changed. */
static void synic_changed(struct vmbus *bus, uint32_t vp)
{
	synic_deliver(bus, vp);
	signal_owed(bus);
}

void vmbus_synic_set_scontrol(struct vmbus *bus, uint32_t vp, uint64_t value)
{
	bus->vp[vp].enabled = value & 1;
	synic_changed(bus, vp);
}

void vmbus_synic_set_sint2(struct vmbus *bus, uint32_t vp, uint64_t value)
{
	bus->vp[vp].masked = value >> 16 & 1;
	bus->vp[vp].polling = value >> 18 & 1;
	if (bus->vp[vp].interrupt_owed)
		synic_interrupt(bus, vp);
	synic_changed(bus, vp);
}

void vmbus_synic_set_simp(struct vmbus *bus, uint32_t vp, uint64_t value)
{
	bus->vp[vp].simp = value;
	synic_changed(bus, vp);
}

void vmbus_synic_set_siefp(struct vmbus *bus, uint32_t vp, uint64_t value)
{
	bus->vp[vp].siefp = value;
	synic_changed(bus, vp);
}

void vmbus_synic_eom(struct vmbus *bus, uint32_t vp)
{
	synic_deliver(bus, vp);
}
