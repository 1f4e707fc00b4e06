/* SPDX-License-Identifier: MIT */
/*
 * After a failover the physical switches still send what is for a NIC to the member where they saw it
 * last. A frame from its address on its new member tells them better: a reverse ARP
 * request, which no host answers or learns from (as QEMU announces a migrated guest).
 */
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <stdlib.h>

#include "vswitch/rules.h"
#include "vswitch/team.h"

enum {
	RARP_REQUEST = 3,		/* RFC 903 */
	FRAME_BYTES = 60,
	BURST = 64,			/* our policy: announcements per wake-up … */
	BURST_NS = 1000000,		/* … and this often: 64,000 a second */
};

/* To all: this address is here. */
static uint32_t make_rarp(uint8_t *b, const uint8_t mac[6], uint16_t vlan)
{
	uint8_t *p = b + 12;

	memset(b, 0, FRAME_BYTES + VLAN_TAG_BYTES);
	memset(b, 0xff, 6);
	memcpy(b + 6, mac, 6);
	if (vlan) {
		put_be16(p, ETH_P_8021Q);
		put_be16(p + 2, vlan);
		p += VLAN_TAG_BYTES;
	}
	put_be16(p, ETH_P_RARP);
	put_be16(p + 2, ARPHRD_ETHER);
	put_be16(p + 4, ETH_P_IP);
	p[6] = 6;
	p[7] = 4;
	put_be16(p + 8, RARP_REQUEST);
	memcpy(p + 10, mac, 6);
	memcpy(p + 20, mac, 6);
	return FRAME_BYTES + (vlan ? VLAN_TAG_BYTES : 0);
}

struct gathering {
	struct team *team;
	const struct team_view *before;	/* NULL: any other */
	uint32_t port_id;		/* 0: all */
	struct announcement *list;	/* room for TEAM_ANNOUNCEMENTS */
	unsigned n;
};

static void add(struct gathering *g, const uint8_t mac[6], uint16_t vlan, uint32_t port_id)
{
	struct announcement *a = &g->list[g->n];

	if (g->n == TEAM_ANNOUNCEMENTS)
		return;
	memcpy(a->mac, mac, sizeof(a->mac));
	a->vlan = vlan;
	a->port_id = port_id;
	g->n++;
}

/* In the VLANs that the network sees the address in. */
static void add_in_vlans(struct gathering *g, const struct vswitch_fdb_entry *e, uint32_t port_id)
{
	static const struct vswitch_vlan_policy untagged = { .mode = VSWITCH_VLAN_UNTAGGED };
	const struct vswitch_vlan_policy *v = e->port->rules ? &e->port->rules->policy.vlan : &untagged;

	switch (v->mode) {
	case VSWITCH_VLAN_ACCESS:
		add(g, e->mac, v->access, port_id);
		return;
	case VSWITCH_VLAN_ISOLATED:
	case VSWITCH_VLAN_COMMUNITY:
		add(g, e->mac, v->secondary, port_id);
		return;
	case VSWITCH_VLAN_PROMISCUOUS:
		add(g, e->mac, v->primary, port_id);
		return;
	case VSWITCH_VLAN_UNTAGGED:
		add(g, e->mac, e->vlan, port_id);
		return;
	case VSWITCH_VLAN_TRUNK:
		break;
	}
	if (e->kind == VSWITCH_FDB_LEARNED) {
		add(g, e->mac, e->vlan, port_id);
		return;
	}
	for (unsigned vlan = 0; vlan < VLAN_ID_RESERVED; vlan++)
		if (vlan == v->native || (vswitch_vlan_set_has(&v->allowed, vlan) && !vswitch_vlan_set_has(&v->pruned, vlan)))
			add(g, e->mac, (uint16_t)vlan, port_id);
}

static void gather(void *cookie, const struct vswitch_fdb_entry *e)
{
	struct gathering *g = cookie;
	struct team *t = g->team;
	uint32_t port_id = vswitch_port_id(e->port);
	unsigned home;

	if (e->port == t->uplink.port || (g->port_id && g->port_id != port_id))
		return;
	home = team_home(t, &t->view, port_id);
	if (!home || (g->before && home == team_home(t, g->before, port_id)))
		return;
	add_in_vlans(g, e, port_id);
}

void team_announce(struct team *t, const struct team_view *before, uint32_t port_id)
{
	struct gathering g = { .team = t, .before = before, .port_id = port_id };

	g.list = malloc(TEAM_ANNOUNCEMENTS * sizeof(*g.list));
	if (!g.list) {
		hv_log(HV_LOG_WARNING, "port %s: out of memory, moved addresses are not announced",
		       vswitch_port_name(t->uplink.port));
		return;
	}
	/* What still waits comes after; each goes out where its home then is. */
	vswitch_fdb_visit(t->sw, gather, &g);
	while (t->announced < t->num_announcements && g.n < TEAM_ANNOUNCEMENTS)
		g.list[g.n++] = t->announcements[t->announced++];
	free(t->announcements);
	t->announcements = g.list;
	t->num_announcements = g.n;
	t->announced = 0;
	t->announce_due_ns = 0;
}

static void announce(struct team *t, const struct announcement *a)
{
	struct member *m = team_member(t, team_home(t, &t->view, a->port_id));
	uint8_t frame[FRAME_BYTES + VLAN_TAG_BYTES];

	if (m)
		team_send_own(t, m, frame, make_rarp(frame, a->mac, a->vlan));
}

uint64_t team_announce_some(struct team *t, uint64_t now_ns)
{
	if (now_ns >= t->announce_due_ns) {
		for (unsigned i = 0; i < BURST && t->announced < t->num_announcements; i++)
			announce(t, &t->announcements[t->announced++]);
		t->announce_due_ns = now_ns + BURST_NS;
	}
	if (t->announced < t->num_announcements)
		return t->announce_due_ns;
	free(t->announcements);
	t->announcements = NULL;
	t->num_announcements = t->announced = 0;
	return LACP_NEVER;
}
