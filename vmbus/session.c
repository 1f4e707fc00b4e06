/* SPDX-License-Identifier: MIT */
/*
 * An open channel's memory: its rings, mapped from the guest's pages for as long as the device is not done with them,
 * its doorbells, and what happens when guest memory goes away under it.
 *
 * Guest RAM comes and goes while firmware and kernels move PCI windows about. When a page of a device's session goes
 * (a ring's, or one of a GPADL that the device holds), all its channels are paused: told so, rings unmapped, buffer
 * addresses dropped. When all pages are there again they are mapped again, maybe elsewhere; our private ring indices
 * go on, so nothing that the guest wrote meanwhile is believed.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmbus/bus.h"

/* One ring: its n pages, then its data pages again. */
static int map_one(struct vmbus *bus, const uint64_t *pfns, uint32_t n, void **out)
{
	uint64_t *twice = malloc((2 * (size_t)n - 1) * sizeof(*twice));
	int ret = 0;

	if (!twice)
		return -ENOMEM;
	for (uint32_t i = 0; i < 2 * n - 1; i++) {
		twice[i] = pfns[i < n ? i : i - n + 1];
		if (twice[i] >= 1ull << 52)
			ret = -EFAULT;
	}
	if (!ret)
		ret = bus->ops->map_pages(bus->opaque, twice, 2 * (size_t)n - 1, out);
	free(twice);
	return ret;
}

static uint32_t in_pages(const struct vmbus_channel *ch)
{
	return ch->open.to_guest_page;
}

static uint32_t out_pages(const struct vmbus_channel *ch)
{
	return ch->ring->pages - ch->open.to_guest_page;
}

static void unmap_rings(struct vmbus_channel *ch)
{
	struct vmbus *bus = ch->bus;

	if (ch->in_base)
		bus->ops->unmap_pages(bus->opaque, ch->in_base, 2 * (size_t)in_pages(ch) - 1);
	if (ch->out_base)
		bus->ops->unmap_pages(bus->opaque, ch->out_base, 2 * (size_t)out_pages(ch) - 1);
	ch->in_base = ch->out_base = NULL;
	vmbus_ring_in_move(&ch->in, NULL);
	vmbus_ring_out_move(&ch->out, NULL);
}

static int map_rings(struct vmbus_channel *ch)
{
	const uint64_t *pfns = ch->ring->pfns;
	int ret = map_one(ch->bus, pfns, in_pages(ch), &ch->in_base);

	if (!ret)
		ret = map_one(ch->bus, pfns + in_pages(ch), out_pages(ch), &ch->out_base);
	if (ret)
		unmap_rings(ch);
	return ret;
}

int session_map(struct vmbus_channel *ch, const struct bus_open *open)
{
	struct vmbus_gpadl *g = gpadl_find(ch, open->ring_gpadl);
	int ret;

	if (!g || g->state != GPADL_CREATED)
		return -ENOENT;
	/* Both rings have a control page and some data. */
	if (!g->pfns || open->to_guest_page < 2 || g->pages < 4 || open->to_guest_page > g->pages - 2)
		return -EINVAL;
	ch->open = *open;
	ch->ring = g;
	ch->paused = ch->signal_owed = false;
	g->is_ring = true;
	ret = map_rings(ch);
	if (!ret)
		ret = vmbus_ring_in_init(&ch->in, ch->in_base, in_pages(ch));
	if (!ret)
		ret = vmbus_ring_out_init(&ch->out, ch->out_base, out_pages(ch));
	if (ret)
		session_unmap(ch);
	return ret;
}

void session_unmap(struct vmbus_channel *ch)
{
	struct vmbus_gpadl *g = ch->ring;

	unmap_rings(ch);
	ch->ring = NULL;
	ch->paused = ch->signal_owed = false;
	g->is_ring = false;
	gpadl_unused(g);		/* the guest may be waiting for the pages */
}

struct vmbus_ring_in *vmbus_channel_in(struct vmbus_channel *ch)
{
	return &ch->in;
}

struct vmbus_ring_out *vmbus_channel_out(struct vmbus_channel *ch)
{
	return &ch->out;
}

void *vmbus_channel_gpa(struct vmbus_channel *ch, uint64_t gpa, uint64_t size_bytes, bool write)
{
	return ch->bus->ops->gpa(ch->bus->opaque, gpa, size_bytes, write);
}

/* ---- doorbells ---- */

void session_doorbell(struct vmbus_channel *ch)
{
	if (ch->state == VMBUS_CHANNEL_OPEN && !ch->paused)
		ch->dev->ops->doorbell(ch->dev->opaque, ch);
}

/* Versions before 2.4: the channel's bit in the interrupt page, then flag 0 of processor 0 says "look there". */
static bool signal_by_page(struct vmbus_channel *ch)
{
	struct vmbus *bus = ch->bus;
	struct vmbus_interrupt_page *page = bus->ops->gpa(bus->opaque, bus->interrupt_page, sizeof(*page), true);

	if (!page)
		return false;
	__atomic_fetch_or(&page->to_guest[ch->relid / 32], 1u << ch->relid % 32, __ATOMIC_SEQ_CST);
	return synic_set_flag(bus, 0, 0);
}

void vmbus_channel_signal(struct vmbus_channel *ch)
{
	struct vmbus *bus = ch->bus;

	if (ch->state != VMBUS_CHANNEL_OPEN && ch->state != VMBUS_CHANNEL_CLOSING &&
	    ch->state != VMBUS_CHANNEL_CLOSING_REOPEN)
		return;			/* the guest does not listen, or its pages are its own again */
	if (ch->open.target_vp == VMBUS_VP_NO_INTERRUPT)
		return;
	bus_count(bus, BUS_signals_out);
	if (bus->version < VMBUS_VERSION_2_4 && bus->interrupt_page)
		ch->signal_owed = !signal_by_page(ch);
	else
		ch->signal_owed = !synic_set_flag(bus, ch->open.target_vp, ch->relid);
	if (ch->signal_owed)
		bus_count(bus, BUS_signals_postponed);
}

/* ---- guest memory goes and comes ---- */

/* Has the device been told that the channel is open, and not yet that it is closed? */
static bool device_knows(const struct vmbus_channel *ch)
{
	return ch->state == VMBUS_CHANNEL_OPEN || ch->state == VMBUS_CHANNEL_CLOSING ||
	       ch->state == VMBUS_CHANNEL_CLOSING_REOPEN;
}

static bool session_touches(const struct vmbus_channel *ch, uint64_t gpa, uint64_t size_bytes)
{
	const struct vmbus_gpadl *g;

	TAILQ_FOREACH(g, &ch->gpadls, link)
		if (gpadl_used(g) && gpadl_touches(g, gpa, size_bytes))
			return true;
	return false;
}

static void session_pause(struct vmbus_channel *ch)
{
	struct vmbus_gpadl *g;

	ch->paused = true;
	bus_count(ch->bus, BUS_pauses);
	if (device_knows(ch))
		ch->dev->ops->pause(ch->dev->opaque, ch, true);
	unmap_rings(ch);
	TAILQ_FOREACH(g, &ch->gpadls, link)
		gpadl_unresolve(g);
}

/* Maps again what session_pause() unmapped; false, with nothing mapped, if a page is still missing. */
static bool session_remap(struct vmbus_channel *ch)
{
	struct vmbus_gpadl *g;

	if (map_rings(ch))
		return false;
	TAILQ_FOREACH(g, &ch->gpadls, link)
		if (g->device_refs && gpadl_resolve(g)) {
			unmap_rings(ch);
			return false;
		}
	vmbus_ring_in_move(&ch->in, ch->in_base);
	vmbus_ring_out_move(&ch->out, ch->out_base);
	return true;
}

/* The bus's channels of a device that are in session, by relid; NULL when there are no more. */
static struct vmbus_channel *next_session(struct vmbus_device *dev, uint32_t *id)
{
	while (++*id < VMBUS_RELIDS) {
		struct vmbus_channel *ch = dev->bus->relid[*id];

		if (ch && ch->dev == dev && channel_in_session(ch))
			return ch;
	}
	return NULL;
}

void vmbus_memory_gone(struct vmbus *bus, uint64_t gpa, uint64_t size_bytes)
{
	struct vmbus_device *dev;
	struct vmbus_channel *ch;

	TAILQ_FOREACH(dev, &bus->devices, link) {
		bool touched = false;

		for (uint32_t id = 0; !touched && bus->relids && (ch = next_session(dev, &id));)
			touched = !ch->paused && session_touches(ch, gpa, size_bytes);
		/* Channels of a device share its buffers, so they stop together. */
		for (uint32_t id = 0; touched && (ch = next_session(dev, &id));)
			if (!ch->paused)
				session_pause(ch);
	}
}

static void resume_device(struct vmbus_device *dev)
{
	struct vmbus_channel *ch;
	bool all = true, any = false;

	for (uint32_t id = 0; all && (ch = next_session(dev, &id));)
		if (ch->paused && !ch->in_base) {
			all = session_remap(ch);
			any = true;
		}
	if (!any)
		return;
	for (uint32_t id = 0; !all && (ch = next_session(dev, &id));)
		if (ch->paused)
			unmap_rings(ch);
	for (uint32_t id = 0; all && (ch = next_session(dev, &id));)
		if (ch->paused) {
			ch->paused = false;
			if (!device_knows(ch))
				continue;
			ch->dev->ops->pause(ch->dev->opaque, ch, false);
			vmbus_channel_signal(ch);	/* for the doorbells that fell into the gap */
		}
}

void vmbus_memory_came(struct vmbus *bus, uint64_t gpa, uint64_t size_bytes)
{
	struct vmbus_device *dev;

	(void)gpa, (void)size_bytes;		/* whether it was the missing page is what mapping tells */
	TAILQ_FOREACH(dev, &bus->devices, link)
		if (bus->relids)
			resume_device(dev);
	synic_deliver_all(bus);
}
