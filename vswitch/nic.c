/* SPDX-License-Identifier: MIT */
/*
 * The life of NICs on their ports, and the waiting for what refers to them. The pictures of the
 * states are in extension.h. What is being deleted has a drain on the switch's list: it ends when it
 * is idle or when its time is over, from the loop, so that nobody is deleted in the middle of
 * somebody's call.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/extension_internal.h"

enum { DEFAULT_MTU = 1500 };

/* Drains. */

static void arm(struct vswitch *sw)
{
	struct stack *s = sw->stack;
	uint64_t first_ns = UINT64_MAX;
	struct drain *d;

	TAILQ_FOREACH(d, &s->drains, link)
		if (d->deadline_ns < first_ns)
			first_ns = d->deadline_ns;
	if (!sw->loop || TAILQ_EMPTY(&s->drains))
		return;
	if (hv_timer_arm(sw->loop, &s->drain_timer, first_ns))
		hv_log(HV_LOG_ERROR, "switch \"%s\": out of memory, what is to be deleted stays until the next is", sw->name);
}

static void drain_end(struct vswitch *sw, struct drain *d)
{
	void (*deleted)(void *cookie) = d->deleted;
	void *cookie = d->cookie;

	if (d->deadline_ns)
		TAILQ_REMOVE(&sw->stack->drains, d, link);
	d->deadline_ns = 0;
	d->flush(d);
	d->end(d);
	if (deleted)
		deleted(cookie);
}

void drains_tick(struct vswitch *sw, uint64_t now_ns)
{
	struct stack *s = sw->stack;
	struct drain *d;
	bool again;

	/* deleted() may change the list: from the start after each. */
	do {
		again = false;
		TAILQ_FOREACH(d, &s->drains, link)
			if (d->deadline_ns <= now_ns || d->idle(d)) {
				drain_end(sw, d);
				again = true;
				break;
			}
	} while (again);
	arm(sw);
}

static void drain_timer_fired(struct hv_timer *t)
{
	struct stack *s = hv_container_of(t, struct stack, drain_timer);

	drains_tick(s->sw, hv_now_ns());
}

void drains_init(struct stack *s)
{
	TAILQ_INIT(&s->drains);
	s->drain_timer.fire = drain_timer_fired;
}

void drain_kick(struct vswitch *sw)
{
	struct stack *s = sw->stack;
	struct drain *d;

	if (!sw->loop)
		return;
	TAILQ_FOREACH(d, &s->drains, link)
		if (d->idle(d)) {
			(void)hv_timer_arm(sw->loop, &s->drain_timer, hv_now_ns());
			return;
		}
}

int drain_begin(struct vswitch *sw, struct drain *d, void (*deleted)(void *cookie), void *cookie)
{
	struct stack *s = sw->stack;

	if (d->deadline_ns)
		return -EINVAL;
	if (d->idle(d)) {
		drain_end(sw, d);
		return 0;
	}
	d->deleted = deleted;
	d->cookie = cookie;
	d->deadline_ns = vswitch_now_ns(sw) + VSWITCH_DRAIN_MS * 1000000ull;
	TAILQ_INSERT_TAIL(&s->drains, d, link);
	arm(sw);
	return -EINPROGRESS;
}

void drain_now(struct vswitch *sw, struct drain *d)
{
	drain_end(sw, d);
}

void drains_stop(struct vswitch *sw)
{
	struct drain *d;

	while ((d = TAILQ_FIRST(&sw->stack->drains)))
		drain_end(sw, d);
	if (sw->stack->drain_timer.loop)
		hv_timer_cancel(&sw->stack->drain_timer);
}

/* States: the one writer. */

static bool may_move(enum vswitch_nic_state from, enum vswitch_nic_state to)
{
	switch (to) {
	case VSWITCH_NIC_UNKNOWN:
		return false;
	case VSWITCH_NIC_CREATED:
		return from == VSWITCH_NIC_UNKNOWN;
	case VSWITCH_NIC_CONNECTED:
		return from == VSWITCH_NIC_CREATED || from == VSWITCH_NIC_DISCONNECTED;
	case VSWITCH_NIC_DISCONNECTED:
		return from == VSWITCH_NIC_CONNECTED;
	case VSWITCH_NIC_DELETED:
		return from == VSWITCH_NIC_CREATED || from == VSWITCH_NIC_DISCONNECTED;
	}
	return false;
}

static void set_state(struct nic *nic, enum vswitch_nic_state state)
{
	static const char *const names[] = { "unknown", "created", "connected", "disconnected", "deleted" };
	const struct vswitch_port *p = nic->port;

	assert(may_move(nic->info.state, state));
	hv_log(HV_LOG_DEBUG, "switch \"%s\"/%s: nic %u: %s -> %s", p->sw->name, p->name, nic->info.index,
	       names[nic->info.state], names[state]);
	nic->info.state = (uint8_t)state;
}

struct nic *nic_find(const struct vswitch_port *port, uint8_t index)
{
	struct nic *nic;

	TAILQ_FOREACH(nic, &port->nics, link)
		if (nic->info.index == index)
			return nic;
	return NULL;
}

bool vswitch_nic_info(const struct vswitch_port *port, uint8_t index, struct vswitch_nic_info *out)
{
	const struct nic *nic = nic_find(port, index);

	if (nic)
		*out = nic->info;
	return nic;
}

/* Creating. */

static void text(char to[VSWITCH_NAME_BYTES], const char *from)
{
	if (from)
		snprintf(to, VSWITCH_NAME_BYTES, "%s", from);
}

/* What is said about a NIC in words and numbers; zero and NULL leave it as it is. */
static void describe(struct vswitch_nic_info *info, const struct vswitch_nic_config *c)
{
	text(info->name, c->name);
	text(info->friendly_name, c->friendly_name);
	text(info->vm_name, c->vm_name);
	text(info->vm_id, c->vm_id);
	if (c->mtu)
		info->mtu = c->mtu;
	if (c->interface)
		info->interface = c->interface;
	if (c->numa_node)
		info->numa_node = c->numa_node;
}

static uint32_t mtu_of(const struct vswitch_nic *device)
{
	if (!device || device->max_frame_bytes <= ETHERNET_BYTES)
		return DEFAULT_MTU;
	return device->max_frame_bytes - ETHERNET_BYTES;
}

static bool idle(struct drain *d)
{
	const struct nic *nic = hv_container_of(d, struct nic, drain);

	return !extensions_refer(nic->port, nic->info.index);
}

static void flush(struct drain *d)
{
	const struct nic *nic = hv_container_of(d, struct nic, drain);

	extensions_flush(nic->port, nic->info.index);
}

static void nic_free(struct drain *d)
{
	struct nic *nic = hv_container_of(d, struct nic, drain);

	set_state(nic, VSWITCH_NIC_DELETED);
	extensions_nic_delete(nic);
	TAILQ_REMOVE(&nic->port->nics, nic, link);
	free(nic);
}

static struct nic *nic_new(struct vswitch_port *port, uint8_t index, const struct vswitch_nic *device,
			   const struct vswitch_nic_config *c)
{
	const uint8_t *mac = device ? device->mac : c->mac;
	struct nic *nic = calloc(1, sizeof(*nic)), *after;

	if (!nic)
		return NULL;
	nic->port = port;
	nic->device = device;
	nic->drain = (struct drain){ .idle = idle, .flush = flush, .end = nic_free };
	nic->info.port = port->id;
	nic->info.index = index;
	nic->info.kind = (uint8_t)(device ? device->kind : c->kind);
	nic->info.initializing = c->initializing;
	nic->info.mtu = mtu_of(device);
	memcpy(nic->info.permanent_mac, mac, 6);
	memcpy(nic->info.vm_mac, mac, 6);
	memcpy(nic->info.current_mac, mac, 6);
	text(nic->info.name, port->name);
	text(nic->info.friendly_name, port->friendly_name);
	describe(&nic->info, c);
	TAILQ_FOREACH(after, &port->nics, link)
		if (after->info.index > index)
			break;
	if (after)
		TAILQ_INSERT_BEFORE(after, nic, link);
	else
		TAILQ_INSERT_TAIL(&port->nics, nic, link);
	return nic;
}

/* What would be wrong with the device's address. */
static int check_address(const struct vswitch_port *port, const struct vswitch_nic *device)
{
	uint64_t mac = fdb_mac(device->mac);

	if (device->mac[0] & 1 || (!mac && device->kind != VSWITCH_NIC_EXTERNAL))
		return -EINVAL;
	return mac && fdb_find_static(&port->sw->fdb, mac) ? -EADDRINUSE : 0;
}

int vswitch_nic_create(struct vswitch_port *port, uint8_t index, const struct vswitch_nic *device,
		       const struct vswitch_nic_config *config)
{
	static const struct vswitch_nic_config nothing;
	struct nic *nic;
	int ret;

	if (port->state != VSWITCH_PORT_CREATED || port->validation || index > VSWITCH_MEMBERS || !device != !!index)
		return -EINVAL;
	if (nic_find(port, index))
		return -EBUSY;
	ret = device ? check_address(port, device) : 0;
	if (ret)
		return ret;
	nic = nic_new(port, index, device, config ? config : &nothing);
	if (!nic)
		return -ENOMEM;
	ret = extensions_nic_create(nic);
	if (ret) {
		TAILQ_REMOVE(&port->nics, nic, link);
		free(nic);
		return ret;
	}
	set_state(nic, VSWITCH_NIC_CREATED);
	return 0;
}

/* Connecting and disconnecting. */

static int plug(struct nic *nic)
{
	struct vswitch_port *port = nic->port;
	int ret = port_add_self(port, nic->info.current_mac, (enum vswitch_nic_kind)nic->info.kind);

	if (ret)
		return ret;
	port->nic = nic->device;
	port_update(port);
	return 0;
}

static void unplug(struct nic *nic)
{
	struct vswitch_port *port = nic->port;

	team_return(port);
	port->nic = NULL;
	port->no_carrier = false;
	port->mac = 0;
	fdb_remove_static(&port->sw->fdb, &port->self);
	port_update(port);
}

int vswitch_nic_connect(struct vswitch_port *port, uint8_t index)
{
	struct nic *nic = nic_find(port, index);
	int ret = 0;

	if (!nic || nic->drain.deadline_ns || !may_move(nic->info.state, VSWITCH_NIC_CONNECTED))
		return -EINVAL;
	if (nic->device)
		ret = plug(nic);
	if (ret)
		return ret;
	set_state(nic, VSWITCH_NIC_CONNECTED);
	extensions_nic_connect(nic);
	if (nic->device && port->live && nic->device->ops->link)
		nic->device->ops->link(nic->device->opaque, true);
	return 0;
}

int vswitch_nic_disconnect(struct vswitch_port *port, uint8_t index)
{
	struct nic *nic = nic_find(port, index);
	bool was_live = port->live;

	if (!nic || nic->info.state != VSWITCH_NIC_CONNECTED)
		return -EINVAL;
	if (nic->device)
		unplug(nic);
	set_state(nic, VSWITCH_NIC_DISCONNECTED);
	extensions_nic_disconnect(nic);
	if (nic->device && was_live && nic->device->ops->link)
		nic->device->ops->link(nic->device->opaque, false);
	return 0;
}

int vswitch_nic_delete(struct vswitch_port *port, uint8_t index, void (*deleted)(void *cookie), void *cookie)
{
	struct nic *nic = nic_find(port, index);

	if (!nic || !may_move(nic->info.state, VSWITCH_NIC_DELETED))
		return -EINVAL;
	return drain_begin(port->sw, &nic->drain, deleted, cookie);
}

/* News of a NIC. */

int vswitch_nic_updated(struct vswitch_port *port, uint8_t index, const struct vswitch_nic_config *config,
			bool vf_assigned)
{
	struct nic *nic = nic_find(port, index);

	if (!nic || nic->info.state != VSWITCH_NIC_CONNECTED)
		return -EINVAL;
	describe(&nic->info, config);
	nic->info.vf_assigned = vf_assigned;
	extensions_nic_updated(nic);
	return 0;
}

void vswitch_nic_status(struct vswitch_port *port, uint8_t index, uint32_t code, const void *data, uint32_t bytes)
{
	struct nic *nic = nic_find(port, index);

	if (nic && nic->info.state == VSWITCH_NIC_CONNECTED)
		extensions_nic_status(nic, code, data, bytes);
}

/* The convenient pair. */

int vswitch_port_connect(struct vswitch_port *port, const struct vswitch_nic *device)
{
	int ret = vswitch_nic_create(port, 0, device, NULL);

	if (ret)
		return ret;
	ret = vswitch_nic_connect(port, 0);
	if (ret)
		drain_now(port->sw, &nic_find(port, 0)->drain);
	return ret;
}

static void away(struct nic *nic)
{
	struct vswitch_port *port = nic->port;
	uint8_t index = nic->info.index;

	if (nic->info.state == VSWITCH_NIC_CONNECTED)
		(void)vswitch_nic_disconnect(port, index);
	/* Its own link() may have been the last straw. */
	nic = nic_find(port, index);
	if (nic)
		drain_now(port->sw, &nic->drain);
}

void vswitch_port_disconnect(struct vswitch_port *port)
{
	struct nic *nic = nic_find(port, 0);

	if (nic)
		away(nic);
}

void nics_away(struct vswitch_port *port)
{
	while (!TAILQ_EMPTY(&port->nics))
		away(TAILQ_LAST(&port->nics, nics));
}
