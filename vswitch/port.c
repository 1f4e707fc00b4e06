/* SPDX-License-Identifier: MIT */
/*
 * Ports: their life, the NIC that is plugged in, their link and counters.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/internal.h"

int vswitch_port_create(struct vswitch *sw, const char *name, struct vswitch_port **out)
{
	struct vswitch_port *p;

	if (!name[0] || strlen(name) >= sizeof(p->name))
		return -EINVAL;
	TAILQ_FOREACH(p, &sw->ports, link)
		if (!strcmp(p->name, name))
			return -EEXIST;
	if (sw->last_port_id == UINT32_MAX)
		return -ENOSPC;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	strcpy(p->name, name);
	p->sw = sw;
	p->id = ++sw->last_port_id;
	p->up = true;
	fdb_owner_init(&p->learned);
	congestion_init(p);
	TAILQ_INSERT_TAIL(&sw->ports, p, link);
	capture_port_created(p);
	*out = p;
	return 0;
}

void vswitch_port_destroy(struct vswitch_port *port)
{
	if (!port)
		return;
	assert(!port->sw->busy);
	vswitch_port_disconnect(port);
	acl_port_gone(port);
	capture_port_gone(port);
	TAILQ_REMOVE(&port->sw->ports, port, link);
	free(port);
}

uint32_t vswitch_port_id(const struct vswitch_port *port)
{
	return port->id;
}

const char *vswitch_port_name(const struct vswitch_port *port)
{
	return port->name;
}

struct vswitch *vswitch_port_switch(struct vswitch_port *port)
{
	return port->sw;
}

const struct vswitch_nic *vswitch_port_nic(const struct vswitch_port *port)
{
	return port->nic;
}

struct vswitch_port *vswitch_next_port(struct vswitch *sw, struct vswitch_port *prev)
{
	return prev ? TAILQ_NEXT(prev, link) : TAILQ_FIRST(&sw->ports);
}

/* After any change of nic, up or spoofing: the one place that says what follows from them. */
static void update(struct vswitch_port *p)
{
	p->live = p->nic && p->up && !p->no_carrier;
	p->external = p->nic && p->nic->kind == VSWITCH_NIC_EXTERNAL;
	fdb_owner_set_learns(&p->sw->fdb, &p->learned, p->live && (p->external || p->spoofing));
	if (!p->live)
		congestion_leave(p);
}

static int add_self(struct vswitch_port *p, const uint8_t mac[6], enum vswitch_nic_kind kind)
{
	uint64_t key = fdb_mac(mac);
	int ret;

	if (mac[0] & 1 || (!key && kind != VSWITCH_NIC_EXTERNAL))
		return -EINVAL;
	if (key) {
		ret = fdb_add_static(&p->sw->fdb, &p->self, &p->learned, key);
		if (ret)
			return ret;
	}
	p->mac = key;
	return 0;
}

int vswitch_port_connect(struct vswitch_port *port, const struct vswitch_nic *nic)
{
	int ret;

	if (port->nic)
		return -EBUSY;
	ret = add_self(port, nic->mac, nic->kind);
	if (ret)
		return ret;
	port->nic = nic;
	update(port);
	if (port->live && nic->ops->link)
		nic->ops->link(nic->opaque, true);
	return 0;
}

void vswitch_port_disconnect(struct vswitch_port *port)
{
	const struct vswitch_nic *nic = port->nic;
	bool was_live = port->live;

	if (!nic)
		return;
	port->nic = NULL;
	port->no_carrier = false;
	port->mac = 0;
	fdb_remove_static(&port->sw->fdb, &port->self);
	update(port);
	if (was_live && nic->ops->link)
		nic->ops->link(nic->opaque, false);
}

int vswitch_port_set_mac(struct vswitch_port *port, const uint8_t mac[6])
{
	uint8_t old[6];
	int ret;

	if (!port->nic)
		return -ENOTCONN;
	if (fdb_mac(mac) == port->mac)
		return 0;
	fdb_mac_bytes(port->mac, old);
	fdb_remove_static(&port->sw->fdb, &port->self);
	ret = add_self(port, mac, port->nic->kind);
	/* The old one was there a moment ago, so it can be there again. */
	if (ret && add_self(port, old, port->nic->kind))
		abort();
	return ret;
}

void vswitch_port_allow_mac_spoofing(struct vswitch_port *port, bool allow)
{
	port->spoofing = allow;
	update(port);
}

void vswitch_port_set_link(struct vswitch_port *port, bool up)
{
	const struct vswitch_nic *nic = port->nic;

	if (port->up == up)
		return;
	port->up = up;
	update(port);
	if (nic && nic->ops->link)
		nic->ops->link(nic->opaque, up);
}

void vswitch_port_set_carrier(struct vswitch_port *port, bool carrier)
{
	if (port->no_carrier == !carrier)
		return;
	port->no_carrier = !carrier;
	update(port);
}

bool vswitch_port_link(const struct vswitch_port *port)
{
	return port->up && !port->no_carrier;
}

/* Counters. */

static const char *const drop_names[VSWITCH_DROPS] = {
	[VSWITCH_DROP_BAD_FRAME] = "bad-frame",
	[VSWITCH_DROP_SPOOFED_SOURCE] = "spoofed-source",
	[VSWITCH_DROP_GROUP_SOURCE] = "group-source",
	[VSWITCH_DROP_SAME_PORT] = "same-port",
	[VSWITCH_DROP_NO_DESTINATION] = "no-destination",
	[VSWITCH_DROP_LINK_LOCAL] = "link-local",
	[VSWITCH_DROP_PORT_DOWN] = "port-down",
	[VSWITCH_DROP_OWN_SOURCE] = "own-source",
	[VSWITCH_DROP_TOO_BIG] = "too-big",
	[VSWITCH_DROP_NOT_READY] = "not-ready",
	[VSWITCH_DROP_FILTERED] = "filtered",
	[VSWITCH_DROP_NO_BUFFER] = "no-buffer",
	[VSWITCH_DROP_RING_FULL] = "ring-full",
	[VSWITCH_DROP_UPLINK_FULL] = "uplink-full",
	[VSWITCH_DROP_EXTENSION] = "extension",
	[VSWITCH_DROP_FLUSHED] = "flushed",
	[VSWITCH_DROP_VLAN_IN] = "vlan-in",
	[VSWITCH_DROP_VLAN_OUT] = "vlan-out",
	[VSWITCH_DROP_ISOLATION] = "isolation",
	[VSWITCH_DROP_STORM] = "storm",
	[VSWITCH_DROP_BPDU_GUARD] = "bpdu-guard",
	[VSWITCH_DROP_ROUTER_GUARD] = "router-guard",
	[VSWITCH_DROP_DHCP_GUARD] = "dhcp-guard",
	[VSWITCH_DROP_ACL_IN] = "acl-in",
	[VSWITCH_DROP_ACL_OUT] = "acl-out",
	[VSWITCH_DROP_IP_SPOOFED] = "ip-spoofed",
	[VSWITCH_DROP_IP_LIMIT] = "ip-limit",
	[VSWITCH_DROP_MIRROR] = "mirror",
	[VSWITCH_DROP_RATE_LIMIT] = "rate-limit",
	[VSWITCH_DROP_FRAGMENT] = "fragment",
	[VSWITCH_DROP_BAD_HEADERS] = "bad-headers",
};

const char *vswitch_drop_name(enum vswitch_drop reason)
{
	return reason < VSWITCH_DROPS ? drop_names[reason] : "?";
}

void vswitch_port_drop(struct vswitch_port *port, enum vswitch_drop reason, unsigned n)
{
	port->stats.out_frames -= n;
	port->stats.out_dropped[reason] += n;
	port->last_drop = reason;
}

void vswitch_port_stats(const struct vswitch_port *port, struct vswitch_port_stats *out)
{
	*out = port->stats;
}
