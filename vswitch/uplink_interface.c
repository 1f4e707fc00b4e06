/* SPDX-License-Identifier: MIT */
#include "vswitch/uplink_interface.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

static void set_events(struct interface_wire *i)
{
	uint32_t events = (i->paused ? 0 : POLLIN) | (i->full ? POLLOUT : 0);

	if (hv_watch_active(&i->watch))
		hv_watch_modify(&i->watch, events);
}

static void ready(struct hv_watch *w, uint32_t events)
{
	struct interface_wire *i = hv_container_of(w, struct interface_wire, watch);

	if (i->full && events & POLLOUT) {
		i->full = false;
		i->wire.user->congested(i->wire.opaque, false);
	}
	/* With an error, reading says which, or clears it. */
	if (events & (POLLIN | POLLERR | POLLHUP))
		i->receive(i);
	if (!i->wire.gone)
		set_events(i);
}

void interface_init(struct interface_wire *i, const char *name)
{
	i->fd = -1;
	i->watch.ready = ready;
	strcpy(i->wire.name, name);
}

int interface_start(struct interface_wire *i, unsigned ifindex)
{
	int ret = link_monitor_start(i->wire.loop, &i->monitor, ifindex);

	return ret ? ret : hv_watch_start(i->wire.loop, &i->watch, i->fd, POLLIN);
}

static void stop(struct interface_wire *i)
{
	hv_watch_stop(&i->watch);
	link_monitor_stop(&i->monitor);
}

void interface_close(struct interface_wire *i)
{
	stop(i);
	wire_release(&i->claim);
	if (i->fd >= 0)
		close(i->fd);
}

void interface_resume(struct wire *w)
{
	struct interface_wire *i = hv_container_of(w, struct interface_wire, wire);

	i->paused = false;
	set_events(i);
}

void interface_input(struct interface_wire *i, struct vswitch_frame *const *frames, unsigned n)
{
	if (n && i->wire.user->input(i->wire.opaque, frames, n))
		i->paused = true;
}

void interface_sent(struct interface_wire *i)
{
	if (!i->full || i->wire.gone)
		return;
	i->wire.user->congested(i->wire.opaque, true);
	set_events(i);
}

void interface_gone(struct interface_wire *i)
{
	i->wire.gone = true;
	i->wire.link = false;
	stop(i);
	i->wire.user->changed(i->wire.opaque);
}
