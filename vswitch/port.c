/* SPDX-License-Identifier: MIT */
/*
 * Ports: their life, the NIC that is plugged in, their link and counters.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/internal.h"

/* Finding. */

static struct vswitch_port **bucket(const struct vswitch *sw, uint32_t id)
{
	struct vswitch *w = (struct vswitch *)(uintptr_t)sw;

	return &w->ports_by_id[id % (sizeof(sw->ports_by_id) / sizeof(sw->ports_by_id[0]))];
}

struct vswitch_port *port_find(const struct vswitch *sw, uint32_t id)
{
	struct vswitch_port *p = *bucket(sw, id);

	while (p && p->id != id)
		p = p->next_by_id;
	return p;
}

static void put_on_lists(struct vswitch_port *p)
{
	struct vswitch_port **at = bucket(p->sw, p->id);

	p->next_by_id = *at;
	*at = p;
	TAILQ_INSERT_TAIL(&p->sw->ports, p, link);
}

static void take_off_lists(struct vswitch_port *p)
{
	struct vswitch_port **at = bucket(p->sw, p->id);

	while (*at != p)
		at = &(*at)->next_by_id;
	*at = p->next_by_id;
	TAILQ_REMOVE(&p->sw->ports, p, link);
}

/* Life. */

static void set_state(struct vswitch_port *p, enum vswitch_port_state state)
{
	static const char *const names[] = { "unknown", "created", "teardown", "deleted" };

	/* The picture in extension.h is a line. */
	assert(state == p->state + 1u);
	hv_log(HV_LOG_DEBUG, "switch \"%s\"/%s: %s -> %s", p->sw->name, p->name, names[p->state], names[state]);
	p->state = state;
}

static bool idle(struct drain *d)
{
	return !extensions_refer(hv_container_of(d, struct vswitch_port, drain), REFERENCE_PORT);
}

static void flush(struct drain *d)
{
	extensions_flush(hv_container_of(d, struct vswitch_port, drain), REFERENCE_PORT);
}

static void port_gone(struct drain *d)
{
	struct vswitch_port *p = hv_container_of(d, struct vswitch_port, drain);

	set_state(p, VSWITCH_PORT_DELETED);
	extensions_port_delete(p);
	policy_port_gone(p);
	acl_port_gone(p);
	bandwidth_port_gone(p);
	capture_port_gone(p);
	take_off_lists(p);
	port_free(p);
}

static struct vswitch_port *port_new(struct vswitch *sw, const char *name)
{
	struct vswitch_port *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	strcpy(p->name, name);
	p->sw = sw;
	p->up = true;
	p->drain = (struct drain){ .idle = idle, .flush = flush, .end = port_gone };
	TAILQ_INIT(&p->nics);
	TAILQ_INIT(&p->references);
	TAILQ_INIT(&p->properties);
	fdb_owner_init(&p->learned);
	congestion_init(p);
	share_init(p);
	return p;
}

struct vswitch_port *port_new_hidden(struct vswitch *sw)
{
	return port_new(sw, "(extensions)");
}

void port_free(struct vswitch_port *p)
{
	properties_free(&p->properties);
	free(p);
}

static int check_new(const struct vswitch *sw, const char *name)
{
	const struct vswitch_port *p;

	if (!name[0] || strlen(name) >= sizeof(p->name))
		return -EINVAL;
	TAILQ_FOREACH(p, &sw->ports, link)
		if (!strcmp(p->name, name))
			return -EEXIST;
	return sw->last_port_id == UINT32_MAX ? -ENOSPC : 0;
}

int vswitch_port_create_as(struct vswitch *sw, const struct vswitch_port_config *config, struct vswitch_port **out)
{
	const char *friendly = config->friendly_name ? config->friendly_name : config->name;
	int ret = check_new(sw, config->name);
	struct vswitch_port *p;

	if (ret)
		return ret;
	p = port_new(sw, config->name);
	if (!p)
		return -ENOMEM;
	snprintf(p->friendly_name, sizeof(p->friendly_name), "%s", friendly);
	p->id = ++sw->last_port_id;
	p->type = config->type;
	p->validation = config->validation;
	ret = extensions_port_create(p);
	if (ret) {
		port_free(p);
		return ret;
	}
	set_state(p, VSWITCH_PORT_CREATED);
	put_on_lists(p);
	capture_port_created(p);
	*out = p;
	return 0;
}

int vswitch_port_create(struct vswitch *sw, const char *name, struct vswitch_port **out)
{
	const struct vswitch_port_config config = { .name = name, .type = VSWITCH_PORT_GENERIC };

	return vswitch_port_create_as(sw, &config, out);
}

int vswitch_port_updated(struct vswitch_port *port, const char *friendly_name)
{
	if (port->state != VSWITCH_PORT_CREATED || strlen(friendly_name) >= sizeof(port->friendly_name))
		return -EINVAL;
	strcpy(port->friendly_name, friendly_name);
	extensions_port_updated(port);
	return 0;
}

int vswitch_port_delete(struct vswitch_port *port, void (*deleted)(void *cookie), void *cookie)
{
	assert(!port->sw->busy);
	if (!TAILQ_EMPTY(&port->nics))
		return -EBUSY;
	if (port->state != VSWITCH_PORT_CREATED)
		return -EINVAL;
	set_state(port, VSWITCH_PORT_TEARDOWN);
	extensions_port_teardown(port);
	return drain_begin(port->sw, &port->drain, deleted, cookie);
}

void vswitch_port_destroy(struct vswitch_port *port)
{
	if (!port)
		return;
	assert(!port->sw->busy);
	nics_away(port);
	if (port->state == VSWITCH_PORT_CREATED) {
		set_state(port, VSWITCH_PORT_TEARDOWN);
		extensions_port_teardown(port);
	}
	drain_now(port->sw, &port->drain);
}

void vswitch_port_info(const struct vswitch_port *port, struct vswitch_port_info *out)
{
	*out = (struct vswitch_port_info){
		.id = port->id,
		.type = (uint8_t)port->type,
		.state = (uint8_t)port->state,
		.validation = port->validation,
	};
	strcpy(out->name, port->name);
	strcpy(out->friendly_name, port->friendly_name);
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

void port_update(struct vswitch_port *p)
{
	p->live = p->nic && p->up && !p->no_carrier;
	p->external = p->nic && p->nic->kind == VSWITCH_NIC_EXTERNAL;
	fdb_owner_set_learns(&p->sw->fdb, &p->learned, p->live && (p->external || p->spoofing));
	policy_update(p);
	if (!p->live)
		congestion_leave(p);
	if (!p->nic)
		snoop_leave(p);
}

int port_add_self(struct vswitch_port *p, const uint8_t mac[6], enum vswitch_nic_kind kind)
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

int vswitch_port_set_mac(struct vswitch_port *port, const uint8_t mac[6])
{
	uint8_t old[6];
	int ret;

	if (!port->nic)
		return -ENOTCONN;
	team_return(port);
	if (fdb_mac(mac) == port->mac)
		return 0;
	fdb_mac_bytes(port->mac, old);
	fdb_remove_static(&port->sw->fdb, &port->self);
	ret = port_add_self(port, mac, port->nic->kind);
	/* The old one was there a moment ago, so it can be there again. */
	if (ret && port_add_self(port, old, port->nic->kind))
		abort();
	if (!ret) {
		memcpy(nic_find(port, 0)->info.current_mac, mac, 6);
		extensions_nic_updated(nic_find(port, 0));
	}
	return ret;
}

void vswitch_port_allow_mac_spoofing(struct vswitch_port *port, bool allow)
{
	port->spoofing = allow;
	port_update(port);
}

static void report_link(struct vswitch_port *port)
{
	uint8_t up = vswitch_port_link(port);

	vswitch_nic_status(port, 0, VSWITCH_STATUS_LINK, &up, sizeof(up));
}

void vswitch_port_set_link(struct vswitch_port *port, bool up)
{
	const struct vswitch_nic *nic = port->nic;

	if (port->up == up)
		return;
	port->up = up;
	port_update(port);
	if (nic && nic->ops->link)
		nic->ops->link(nic->opaque, up);
	report_link(port);
}

void vswitch_port_set_carrier(struct vswitch_port *port, bool carrier)
{
	if (port->no_carrier == !carrier)
		return;
	port->no_carrier = !carrier;
	port_update(port);
	report_link(port);
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
	[VSWITCH_DROP_TEAM_DUPLICATE] = "team-duplicate",
	[VSWITCH_DROP_TEAM_INACTIVE] = "team-inactive",
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
