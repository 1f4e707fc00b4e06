/* SPDX-License-Identifier: MIT */
/*
 * Frames through a team.
 *
 * INDEPENDENT mode: the physical switches know nothing of the team, and learn addresses where they see
 * them. So each NIC has one home member, behind which the network knows it: the primary for the
 * hashes, else the one of its switch port. What says who is where (ARP, neighbour discovery, group
 * frames, all that is not IP) leaves by the home; unicast IP may leave by another member, and then
 * has that one's address as its source. Group frames come in by the primary only: each member gets a copy.
 */
#include <linux/if_ether.h>

#include "vswitch/team.h"

/* To the network. */

static unsigned mapped(const struct team *t, uint32_t port_id)
{
	for (unsigned i = 0; i < t->num_mappings; i++)
		if (t->mappings[i].port_id == port_id)
			return t->mappings[i].member;
	return 0;
}

static unsigned usable_mapping(const struct team *t, const struct team_view *view, uint32_t port_id)
{
	unsigned index = t->num_mappings ? mapped(t, port_id) : 0;

	return index && view->usable & team_bit(index) ? index : 0;
}

static bool by_port(const struct team *t)
{
	return t->config.algorithm == VSWITCH_TEAM_PORT || t->config.algorithm == VSWITCH_TEAM_DYNAMIC;
}

unsigned team_home(const struct team *t, const struct team_view *view, uint32_t port_id)
{
	unsigned index = usable_mapping(t, view, port_id);

	if (index)
		return index;
	return by_port(t) ? view->buckets.member[port_id % TEAM_BUCKETS] : view->primary;
}

/* The algorithm's choice; there is a usable member. */
static unsigned spread(struct team *t, const struct vswitch_frame *f, uint64_t now_ns)
{
	const enum vswitch_team_algorithm algorithm = t->config.algorithm;

	if (algorithm == VSWITCH_TEAM_PORT)
		return t->view.buckets.member[f->source % TEAM_BUCKETS];
	if (algorithm == VSWITCH_TEAM_DYNAMIC)
		return team_flow_member(&t->flows, team_hash(f, algorithm), f->len, t->view.usable, now_ns);
	return t->view.buckets.member[team_hash(f, algorithm) % TEAM_BUCKETS];
}

/* 0: it cannot leave. *home: the member where its source is at home, if that matters. */
static unsigned choose(struct team *t, const struct vswitch_frame *f, uint64_t now_ns, unsigned *home)
{
	*home = 0;
	if (f->member)			/* an extension's choice */
		return f->member <= VSWITCH_TEAM_MEMBERS && t->view.usable & team_bit(f->member) ? f->member : 0;
	if (!t->view.usable)
		return 0;
	if (t->config.mode == VSWITCH_TEAM_INDEPENDENT) {
		*home = team_home(t, &t->view, f->source);
		return usable_mapping(t, &t->view, f->source) || !team_may_spread(f) ? *home : spread(t, f, now_ns);
	}
	if (usable_mapping(t, &t->view, f->source))
		return usable_mapping(t, &t->view, f->source);
	return spread(t, f, now_ns);
}

static void put(struct member *m, const struct vswitch_frame *f)
{
	m->stats.out_frames++;
	m->stats.out_bytes += f->len;
	m->pending[m->num_pending++] = f;
}

/* The frame with the member's address as its source. */
static const struct vswitch_frame *rewrite(struct member *m, const struct vswitch_frame *f, struct vswitch_frame *copy)
{
	*copy = *f;
	memcpy(copy->head + 6, m->mac, sizeof(m->mac));
	m->stats.rewritten++;
	return copy;
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct team *t = opaque;
	uint64_t now_ns = t->config.algorithm == VSWITCH_TEAM_DYNAMIC ? hv_now_ns() : 0;
	unsigned index, home;
	struct member *m;

	for (unsigned i = 0; i < n; i++) {
		index = choose(t, frames[i], now_ns, &home);
		m = team_member(t, index);
		if (!m)
			vswitch_port_drop_frames(t->uplink.port, VSWITCH_DROP_TEAM_INACTIVE, frames + i, 1);
		else
			put(m, home && home != index ? rewrite(m, frames[i], &t->copies[i]) : frames[i]);
	}
	TEAM_FOREACH(m, t) {
		if (!m->num_pending)
			continue;
		wire_send(m->wire, m->pending, m->num_pending);
		m->num_pending = 0;
	}
}

static void resume(void *opaque)
{
	struct team *t = opaque;
	struct member *m;

	TEAM_FOREACH(m, t) {
		if (!m->paused)
			continue;
		m->paused = false;
		wire_resume(m->wire);
	}
}

const struct vswitch_nic_ops team_nic_ops = {
	.deliver = deliver,
	.resume = resume,
};

/* From the network. */

static bool is_slow(const struct vswitch_frame *f)
{
	return f->len > ETHERNET_BYTES && !memcmp(f->head, slow_address, sizeof(slow_address)) &&
	       get_be16(f->head + 12) == SLOW_ETHERTYPE;
}

static void answer_marker(struct member *m, const struct vswitch_frame *f)
{
	uint8_t frame[ETHERNET_BYTES + sizeof(struct marker_pdu)];
	struct marker_pdu pdu;

	if (!lacp_marker_response(f->head + ETHERNET_BYTES, f->head_bytes - (size_t)ETHERNET_BYTES, &pdu))
		return;
	m->stats.marker_in++;
	m->stats.marker_out++;
	memcpy(frame, slow_address, 6);
	memcpy(frame + 6, m->mac, 6);
	put_be16(frame + 12, SLOW_ETHERTYPE);
	memcpy(frame + ETHERNET_BYTES, &pdu, sizeof(pdu));
	team_send_own(m->team, m, frame, sizeof(frame));
}

/* The team's own: true if the switch is not to see it. All that matters of an LACPDU is in the head. */
static bool take_slow(struct member *m, const struct vswitch_frame *f)
{
	struct team *t = m->team;

	if (t->config.mode != VSWITCH_TEAM_LACP || !is_slow(f))
		return false;
	switch (f->head[ETHERNET_BYTES]) {
	case SLOW_LACP:
		lacp_receive(&t->lacp, &m->lacp, f->head + ETHERNET_BYTES, f->head_bytes - (size_t)ETHERNET_BYTES,
			     hv_now_ns());
		team_kick(t);
		return true;
	case SLOW_MARKER:
		answer_marker(m, f);
		return true;
	default:
		return false;
	}
}

static uint16_t vlan_of(const struct vswitch_frame *f)
{
	if (f->offload.flags & VSWITCH_VLAN)
		return f->offload.vlan_tci & VLAN_ID_MASK;
	return get_be16(f->head + 12) == ETH_P_8021Q ? get_be16(f->head + 14) & VLAN_ID_MASK : 0;
}

static bool is_gratuitous_arp(const struct vswitch_frame *f)
{
	const uint8_t *arp = f->head + ETHERNET_BYTES + (get_be16(f->head + 12) == ETH_P_8021Q ? VLAN_TAG_BYTES : 0);

	/* Its sender and its target are the same. */
	return get_be16(arp - 2) == ETH_P_ARP && !memcmp(arp + 14, arp + 24, 4);
}

/* A group frame that one of ours has sent comes back by another member. */
static bool is_our_own(const struct team *t, const struct vswitch_frame *f)
{
	const struct fdb_node *n = fdb_find(&t->sw->fdb, fdb_key(vlan_of(f), fdb_mac(f->head + 6)));
	const struct member *m;

	TEAM_FOREACH(m, t)
		if (!memcmp(f->head + 6, m->mac, sizeof(m->mac)))
			return true;
	/* Who left us for a place outside announces itself so (Open vSwitch lets that pass, too). */
	return n && n->owner != &t->uplink.port->learned && !is_gratuitous_arp(f);
}

/* VSWITCH_DROPS: it may pass. */
static enum vswitch_drop admit(struct member *m, const struct vswitch_frame *f)
{
	const struct team *t = m->team;

	if (!m->receives) {
		m->stats.in_inactive++;
		return VSWITCH_DROP_TEAM_INACTIVE;
	}
	if (t->config.mode != VSWITCH_TEAM_INDEPENDENT || f->head_bytes < ETHERNET_BYTES || !(f->head[0] & 1))
		return VSWITCH_DROPS;
	if (t->view.primary == m->index && !is_our_own(t, f))
		return VSWITCH_DROPS;
	m->stats.in_duplicates++;
	return VSWITCH_DROP_TEAM_DUPLICATE;
}

bool team_input(void *opaque, struct vswitch_frame *const *frames, unsigned n)
{
	struct member *m = opaque;
	struct vswitch_port *port = m->team->uplink.port;
	struct vswitch_frame *kept[VSWITCH_BATCH];
	unsigned num_kept = 0;
	enum vswitch_drop why;

	for (unsigned i = 0; i < n; i++) {
		if (take_slow(m, frames[i]))
			continue;
		frames[i]->member = (uint8_t)m->index;
		why = admit(m, frames[i]);
		if (why == VSWITCH_DROPS) {
			m->stats.in_frames++;
			m->stats.in_bytes += frames[i]->len;
			kept[num_kept++] = frames[i];
			continue;
		}
		port->stats.in_frames++;
		port->stats.in_bytes += frames[i]->len;
		drop_in(port, frames[i], why, NULL);
	}
	m->paused = num_kept && vswitch_port_input(port, kept, num_kept);
	return m->paused;
}
