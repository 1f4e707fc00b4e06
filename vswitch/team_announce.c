/* SPDX-License-Identifier: MIT */
/*
 * After a failover the physical switches still send what is for a NIC to the member where they saw it
 * last. A frame from its address on its new member tells them better: a reverse ARP
 * request, which no host answers or learns from (as QEMU announces a migrated guest).
 */
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <stdlib.h>

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

static void gather(void *cookie, const struct vswitch_fdb_entry *e)
{
	struct gathering *g = cookie;
	struct team *t = g->team;
	uint32_t port_id = vswitch_port_id(e->port);
	unsigned home;

	if (e->port == t->uplink.port || g->n == TEAM_ANNOUNCEMENTS || (g->port_id && g->port_id != port_id))
		return;
	home = team_home(t, &t->view, port_id);
	if (!home || (g->before && home == team_home(t, g->before, port_id)))
		return;
	memcpy(g->list[g->n].mac, e->mac, sizeof(e->mac));
	g->list[g->n].vlan = e->vlan;
	g->list[g->n++].port_id = port_id;
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
