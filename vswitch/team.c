/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. A team is a port whose NIC has up to 32 wires below it.
 *
 *	wire --link, with delays--> member: link --LACP--> distributing --not standby--> usable
 *
 * The set of usable members is all that the decision about a frame (team_path.c, team_select.c) looks
 * at. Wires and LACPDUs tell their news in the middle of other work, so they only start the timer, due at
 * once; evaluate() then works out anew what follows: the states, the set, the buckets, the primary
 * member, the port's carrier, announcements, events. Nothing else changes them.
 *
 * A wire that fails while frames are being sent drops those; the next batch has another member.
 */
#include "vswitch/team.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define MS_NS 1000000ull

enum {
	MAX_DELAY_MS = 60000,		/* as the header says */
	EMPTY_FRAME_BYTES = 1514,	/* largest frame of a team without members */
	DEFAULT_SYSTEM_PRIORITY = 32768,
};

static struct team *team_of(const struct vswitch_uplink *u)
{
	return hv_container_of(u, struct team, uplink);
}

/* Names. */

const char *vswitch_member_state_name(enum vswitch_member_state state)
{
	switch (state) {
	case VSWITCH_MEMBER_DOWN:
		return "down";
	case VSWITCH_MEMBER_STANDBY:
		return "standby";
	case VSWITCH_MEMBER_NEGOTIATING:
		return "negotiating";
	case VSWITCH_MEMBER_ACTIVE:
		return "active";
	case VSWITCH_MEMBER_GONE:
		return "gone";
	}
	return "?";
}

const char *vswitch_lacp_churn_name(enum vswitch_lacp_churn churn)
{
	switch (churn) {
	case VSWITCH_CHURN_MONITOR:
		return "monitor";
	case VSWITCH_CHURN_NONE:
		return "none";
	case VSWITCH_CHURN:
		return "churn";
	}
	return "?";
}

/* Frames of the team's own. */

void team_send_own(struct team *t, struct member *m, const uint8_t *bytes, uint32_t n)
{
	struct vswitch_frame f = { .len = 0 };
	const struct vswitch_frame *one = &f;
	struct iovec rest;

	frame_from_bytes(&f, bytes, n, &rest);
	t->sending_own = true;
	wire_send(m->wire, &one, 1);
	t->sending_own = false;
}

static void send_lacpdu(struct lacp_port *p, const struct lacpdu *pdu)
{
	struct member *m = p->opaque;
	uint8_t frame[ETHERNET_BYTES + sizeof(*pdu)];

	memcpy(frame, slow_address, 6);
	memcpy(frame + 6, m->mac, 6);
	put_be16(frame + 12, SLOW_ETHERTYPE);
	memcpy(frame + ETHERNET_BYTES, pdu, sizeof(*pdu));
	team_send_own(m->team, m, frame, sizeof(frame));
}

/* From the members' wires. */

static void dropped(void *opaque, enum vswitch_drop reason, const struct vswitch_frame *const *frames, unsigned n)
{
	struct member *m = opaque;
	struct team *t = m->team;

	if (t->sending_own)
		return;
	m->stats.out_dropped += n;
	/* Some may be the team's own, from a buffer. */
	if (n > t->uplink.port->stats.out_frames)
		n = (unsigned)t->uplink.port->stats.out_frames;
	vswitch_port_drop_frames(t->uplink.port, reason, frames, n);
}

static void update_congestion(struct team *t)
{
	bool congested = false;
	const struct member *m;

	TEAM_FOREACH(m, t)
		congested |= m->congested && t->view.usable & team_bit(m->index);
	if (congested == t->congested)
		return;
	t->congested = congested;
	vswitch_port_set_congested(t->uplink.port, congested);
}

static void congested(void *opaque, bool congested)
{
	struct member *m = opaque;

	m->congested = congested;
	update_congestion(m->team);
}

static void changed(void *opaque)
{
	struct member *m = opaque;

	team_kick(m->team);
}

static const struct wire_user member_user = {
	.input = team_input,
	.dropped = dropped,
	.congested = congested,
	.changed = changed,
};

/* Evaluation. */

void team_kick(struct team *t)
{
	t->kicked = true;
	if (hv_timer_arm(t->loop, &t->timer, 0))
		hv_log(HV_LOG_ERROR, "port %s: out of memory", vswitch_port_name(t->uplink.port));
}

/* The link that counts follows the wire's after a delay; when the next one is due. */
static uint64_t follow_link(struct team *t, struct member *m, uint64_t now_ns)
{
	uint64_t delay_ns = (m->wire->link ? t->config.updelay_ms : t->config.downdelay_ms) * MS_NS;

	if (m->link == m->wire->link) {
		m->link_due_ns = 0;
		return LACP_NEVER;
	}
	/* What is gone does not come back. */
	if (m->wire->gone)
		m->link_due_ns = now_ns;
	else if (!m->link_due_ns)
		m->link_due_ns = now_ns + delay_ns;
	if (now_ns < m->link_due_ns)
		return m->link_due_ns;
	m->link = m->wire->link;
	m->link_due_ns = 0;
	return LACP_NEVER;
}

static void follow_mac(struct member *m)
{
	static const uint8_t none[6];

	if (memcmp(m->wire->mac, none, sizeof(none)) != 0) {
		memcpy(m->mac, m->wire->mac, sizeof(m->mac));
	} else if (!memcmp(m->mac, none, sizeof(none))) {
		if (getrandom(m->mac, sizeof(m->mac), 0) != sizeof(m->mac))
			put_be32(m->mac + 2, m->index);
		m->mac[0] = (uint8_t)((m->mac[0] & 0xfc) | 2);	/* locally administered, of one station */
	}
}

static void configure_lacp(struct team *t)
{
	const struct vswitch_team_config *c = &t->config;
	static const uint8_t none[6];
	const struct member *m;
	uint8_t system[6];

	memcpy(system, c->lacp_system, sizeof(system));
	/* The first member's address, and then it stays. */
	if (!memcmp(system, none, sizeof(none)))
		memcpy(system, t->lacp.system, sizeof(system));
	TEAM_FOREACH(m, t)
		if (!memcmp(system, none, sizeof(none)))
			memcpy(system, m->mac, sizeof(system));
	lacp_configure(&t->lacp, c->lacp_fast, c->lacp_passive,
		       c->lacp_system_priority ? c->lacp_system_priority : DEFAULT_SYSTEM_PRIORITY, system);
	t->lacp.fallback = c->lacp_fallback;
}

static void note_churn(const struct team *t, const struct member *m, const struct lacp_churn *c, uint64_t *told, const char *who)
{
	const bool more = c->count > *told;	/* fewer: it begins anew */

	*told = c->count;
	if (more)
		hv_log(HV_LOG_WARNING, "port %s: member %u (%s): %s does not get into sync (LACP churn)",
		       vswitch_port_name(t->uplink.port), m->index, m->wire->name, who);
}

static uint64_t run_lacp(struct team *t, uint64_t now_ns)
{
	uint64_t next;
	struct member *m;

	configure_lacp(t);
	next = lacp_run(&t->lacp, now_ns);
	TEAM_FOREACH(m, t) {
		note_churn(t, m, &m->lacp.actor_churn, &m->stats.actor_churns, "this end");
		note_churn(t, m, &m->lacp.partner_churn, &m->stats.partner_churns, "the other end");
	}
	return next;
}

static bool some_active_failed(const struct team *t)
{
	const struct member *m;
	bool any = false, failed = false;

	TEAM_FOREACH(m, t)
		if (!m->standby) {
			any = true;
			failed |= !m->link;
		}
	return failed || !any;
}

static enum vswitch_member_state state_of(const struct team *t, const struct member *m)
{
	if (m->wire->gone)
		return VSWITCH_MEMBER_GONE;
	if (!m->link)
		return VSWITCH_MEMBER_DOWN;
	if (m->standby && !some_active_failed(t))
		return VSWITCH_MEMBER_STANDBY;
	if (t->config.mode == VSWITCH_TEAM_LACP && !lacp_distributes(&m->lacp))
		return VSWITCH_MEMBER_NEGOTIATING;
	return VSWITCH_MEMBER_ACTIVE;
}

static uint32_t update_states(struct team *t)
{
	enum vswitch_member_state before;
	uint32_t usable = 0;
	struct member *m;

	TEAM_FOREACH(m, t) {
		before = m->state;
		m->state = state_of(t, m);
		m->stats.failures += before == VSWITCH_MEMBER_ACTIVE && m->state != before;
		m->receives = m->link && (t->config.mode != VSWITCH_TEAM_LACP || lacp_collects(&m->lacp));
		if (m->state == VSWITCH_MEMBER_ACTIVE)
			usable |= team_bit(m->index);
		if (before != m->state)
			hv_log(HV_LOG_NOTICE, "port %s: member %u (%s) is %s", vswitch_port_name(t->uplink.port),
			       m->index, m->wire->name, vswitch_member_state_name(m->state));
	}
	return usable;
}

/* What the NIC as a whole can: what each member can. */
static void update_nic(struct team *t)
{
	const struct member *m;
	bool any = false;

	t->nic.caps = VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6 | VSWITCH_CAN_VLAN;
	t->nic.max_frame_bytes = VSWITCH_FRAME_MAX_BYTES;
	TEAM_FOREACH(m, t) {
		any = true;
		t->nic.caps &= m->wire->caps;
		if (m->wire->max_frame_bytes < t->nic.max_frame_bytes)
			t->nic.max_frame_bytes = m->wire->max_frame_bytes;
	}
	if (!any) {
		t->nic.caps = 0;
		t->nic.max_frame_bytes = EMPTY_FRAME_BYTES;
	}
}

static void update_view(struct team *t, uint32_t usable)
{
	struct team_view before = t->view;

	t->view.usable = usable;
	/* It stays who it is for as long as it can: each change is a move in the network. */
	if (!t->view.primary || !(usable & team_bit(t->view.primary)))
		t->view.primary = usable ? (unsigned)__builtin_ctz(usable) + 1 : 0;
	team_buckets_spread(&t->view.buckets, usable);
	update_congestion(t);
	vswitch_port_set_carrier(t->uplink.port, usable != 0);
	if (t->config.mode == VSWITCH_TEAM_INDEPENDENT && usable)
		team_announce(t, &before, 0);
}

/* The sum of what carries traffic, if all of them know; while nothing does, what it was. */
static void update_capacity(struct team *t)
{
	uint64_t bits = 0, some;
	const struct member *m;

	TEAM_FOREACH(m, t) {
		if (!(t->view.usable & team_bit(m->index)))
			continue;
		some = wire_bits(m->wire);
		bits += some;
		if (!some) {
			bits = 0;
			break;
		}
	}
	if (t->view.usable)
		vswitch_port_set_capacity(t->uplink.port, bits);
}

static void tell_extensions(const struct team *t, const struct member *m)
{
	uint8_t up = m->state == VSWITCH_MEMBER_ACTIVE;

	if (up != (m->told == VSWITCH_MEMBER_ACTIVE))
		vswitch_nic_status(t->uplink.port, (uint8_t)m->index, VSWITCH_STATUS_LINK, &up, sizeof(up));
}

/* The last step: there may be no team any more afterwards. */
static void tell(struct team *t)
{
	struct vswitch_team_event e = { .team = &t->uplink };
	struct member *m;

	for (unsigned i = 1; i <= VSWITCH_TEAM_MEMBERS; i++) {
		m = team_member(t, i);
		if (!m || m->told == m->state)
			continue;
		tell_extensions(t, m);
		m->told = m->state;
		if (!t->config.event)
			continue;
		e.index = i;
		e.name = m->wire->name;
		e.state = m->state;
		t->telling = true;
		t->config.event(t->config.cookie, &e);
		t->telling = false;
		if (t->destroyed) {
			free(t);
			return;
		}
	}
}

static void evaluate(struct hv_timer *timer)
{
	struct team *t = hv_container_of(timer, struct team, timer);
	uint64_t now_ns = hv_now_ns(), next = LACP_NEVER, at;
	struct member *m;
	uint32_t usable;

	t->kicked = false;
	TEAM_FOREACH(m, t) {
		at = follow_link(t, m, now_ns);
		next = at < next ? at : next;
		follow_mac(m);
		if (t->config.mode == VSWITCH_TEAM_LACP)
			lacp_set_link(&t->lacp, &m->lacp, m->link, m->wire->speed_mbps, m->wire->full_duplex, now_ns);
	}
	if (t->config.mode == VSWITCH_TEAM_LACP) {
		at = run_lacp(t, now_ns);
		next = at < next ? at : next;
	}
	update_nic(t);
	usable = update_states(t);
	if (usable != t->view.usable)
		update_view(t, usable);
	update_capacity(t);
	at = team_announce_some(t, now_ns);
	next = t->kicked ? 0 : at < next ? at : next;
	if (next != LACP_NEVER && hv_timer_arm(t->loop, &t->timer, next))
		hv_log(HV_LOG_ERROR, "port %s: out of memory", vswitch_port_name(t->uplink.port));
	tell(t);
}

/* Members. */

static struct member *standby_of(const struct team *t)
{
	struct member *m;

	TEAM_FOREACH(m, t)
		if (m->standby)
			return m;
	return NULL;
}

static int check_member(const struct team *t, const struct vswitch_member_config *c)
{
	const struct member *m;

	if (c->standby && (t->config.mode != VSWITCH_TEAM_INDEPENDENT || standby_of(t)))
		return -EINVAL;
	if (!c->name || !c->name[0] || strlen(c->name) >= VSWITCH_WIRE_NAME_BYTES)
		return -EINVAL;
	TEAM_FOREACH(m, t)
		if (!strcmp(m->wire->name, c->name))
			return -EEXIST;
	for (unsigned i = 0; i < VSWITCH_TEAM_MEMBERS; i++)
		if (!t->members[i])
			return 0;
	return -ENOSPC;
}

static int open_wire(struct team *t, struct member *m, const struct vswitch_member_config *c)
{
	switch (c->kind) {
	case VSWITCH_WIRE_TAP:
		return wire_open_tap(t->loop, &member_user, m, c->name, true, &m->wire);
	case VSWITCH_WIRE_PACKET:
		return wire_open_packet(t->loop, &member_user, m, c->name, &m->wire);
	case VSWITCH_WIRE_STREAM:
		return wire_open_stream(t->loop, &member_user, m, c->name, c->fd, &m->wire);
	}
	return -EINVAL;
}

static void close_fd(const struct vswitch_member_config *c)
{
	if (c->kind == VSWITCH_WIRE_STREAM && c->fd >= 0)
		close(c->fd);
}

/* The NIC of a member, as extensions see it, at the lowest index that is free: one that is being deleted may still be in use. */
static int create_nic(struct team *t, struct member *m)
{
	struct vswitch_nic_config config = { .name = m->wire->name, .kind = VSWITCH_NIC_EXTERNAL,
					     .mtu = m->wire->max_frame_bytes - ETHERNET_BYTES };
	int ret = -ENOSPC;

	memcpy(config.mac, m->mac, sizeof(config.mac));
	for (m->index = 1; m->index <= VSWITCH_TEAM_MEMBERS; m->index++) {
		ret = t->members[m->index - 1] ? -EBUSY :
			vswitch_nic_create(t->uplink.port, (uint8_t)m->index, NULL, &config);
		if (ret != -EBUSY)
			break;
	}
	return ret ? ret : vswitch_nic_connect(t->uplink.port, (uint8_t)m->index);
}

int vswitch_team_add(struct vswitch_uplink *team, const struct vswitch_member_config *member, unsigned *index)
{
	struct team *t = team_of(team);
	int ret = check_member(t, member);
	struct member *m = ret ? NULL : calloc(1, sizeof(*m));

	if (!m) {
		close_fd(member);
		return ret ? ret : -ENOMEM;
	}
	m->team = t;
	m->standby = member->standby;
	m->lacp.opaque = m;
	ret = open_wire(t, m, member);
	if (!ret) {
		follow_mac(m);
		ret = create_nic(t, m);
	}
	if (ret) {
		wire_destroy(m->wire);
		free(m);
		return ret;
	}
	t->members[m->index - 1] = m;
	lacp_add(&t->lacp, &m->lacp, (uint16_t)m->index);
	team_kick(t);
	if (index)
		*index = m->index;
	return 0;
}

static void member_free(struct team *t, struct member *m)
{
	t->view.usable &= ~team_bit(m->index);
	lacp_remove(&t->lacp, &m->lacp);
	wire_destroy(m->wire);
	t->members[m->index - 1] = NULL;
	free(m);
}

int vswitch_team_remove(struct vswitch_uplink *team, unsigned index)
{
	struct team *t = team_of(team);
	struct member *m = team_member(t, index);
	uint32_t usable;

	if (!m)
		return -ENOENT;
	for (unsigned i = 0; i < t->num_mappings; i++)
		if (t->mappings[i].member == index)
			t->mappings[i--] = t->mappings[--t->num_mappings];
	usable = t->view.usable & ~team_bit(index);
	if (usable != t->view.usable)
		update_view(t, usable);
	member_free(t, m);
	(void)vswitch_nic_disconnect(t->uplink.port, (uint8_t)index);
	(void)vswitch_nic_delete(t->uplink.port, (uint8_t)index, NULL, NULL);
	team_kick(t);
	return 0;
}

int vswitch_team_set_standby(struct vswitch_uplink *team, unsigned index, bool standby)
{
	struct team *t = team_of(team);
	struct member *m = team_member(t, index), *other = standby_of(t);

	if (!m)
		return -ENOENT;
	if (standby && (t->config.mode != VSWITCH_TEAM_INDEPENDENT || (other && other != m)))
		return -EINVAL;
	m->standby = standby;
	team_kick(t);
	return 0;
}

/* Numbers of ports are not used again, so those of ports that are gone are only in the way. */
static void forget_gone_ports(struct team *t)
{
	for (unsigned i = 0; i < t->num_mappings; i++)
		if (!port_find(t->sw, t->mappings[i].port_id))
			t->mappings[i--] = t->mappings[--t->num_mappings];
}

int vswitch_team_map(struct vswitch_uplink *team, uint32_t port_id, unsigned index)
{
	struct team *t = team_of(team);
	unsigned i;

	if (index && !team_member(t, index))
		return -ENOENT;
	forget_gone_ports(t);
	for (i = 0; i < t->num_mappings && t->mappings[i].port_id != port_id; i++)
		;
	if (index && i == TEAM_MAPPINGS)
		return -ENOSPC;
	if (i < t->num_mappings ? t->mappings[i].member == index : !index)
		return 0;
	if (index) {
		t->mappings[i] = (struct mapping){ port_id, (uint8_t)index };
		if (i == t->num_mappings)
			t->num_mappings++;
	} else if (i < t->num_mappings) {
		t->mappings[i] = t->mappings[--t->num_mappings];
	}
	if (t->config.mode == VSWITCH_TEAM_INDEPENDENT && t->view.usable) {
		team_announce(t, NULL, port_id);
		team_kick(t);
	}
	return 0;
}

int vswitch_team_next(const struct vswitch_uplink *team, unsigned after, struct vswitch_member_status *out)
{
	const struct team *t = team_of(team);
	const struct member *m = NULL;

	for (unsigned i = after + 1; i <= VSWITCH_TEAM_MEMBERS && !m; i++)
		m = team_member(t, i);
	if (!m)
		return -ENOENT;
	*out = (struct vswitch_member_status){
		.index = m->index,
		.kind = m->wire->kind,
		.state = m->state,
		.link = m->wire->link,
		.standby = m->standby,
		.primary = t->config.mode == VSWITCH_TEAM_INDEPENDENT && t->view.primary == m->index,
		.speed_mbps = m->wire->speed_mbps,
		.stats = m->stats,
	};
	strcpy(out->name, m->wire->name);
	memcpy(out->mac, m->mac, sizeof(out->mac));
	out->stats.in_lost = wire_lost(m->wire);
	out->stats.lacp_in = m->lacp.in;
	out->stats.lacp_out = m->lacp.out;
	out->stats.lacp_bad = m->lacp.bad;
	if (t->config.mode == VSWITCH_TEAM_LACP) {
		out->actor = m->lacp.actor;
		out->partner = m->lacp.partner;
		out->actor_churn = m->lacp.actor_churn.state;
		out->partner_churn = m->lacp.partner_churn.state;
	}
	return 0;
}

/* The team. */

static bool config_is_good(const struct vswitch_team_config *c)
{
	return (unsigned)c->mode <= VSWITCH_TEAM_LACP && (unsigned)c->algorithm <= VSWITCH_TEAM_PORT &&
	       c->updelay_ms <= MAX_DELAY_MS && c->downdelay_ms <= MAX_DELAY_MS && !(c->lacp_system[0] & 1);
}

static uint64_t team_lost(struct vswitch_uplink *u)
{
	const struct team *t = team_of(u);
	const struct member *m;
	uint64_t lost = 0;

	TEAM_FOREACH(m, t)
		lost += wire_lost(m->wire);
	return lost;
}

static void team_destroy(struct vswitch_uplink *u)
{
	struct team *t = team_of(u);
	struct member *m;

	hv_timer_cancel(&t->timer);
	TEAM_FOREACH(m, t)
		member_free(t, m);
	vswitch_port_destroy(u->port);
	free(t->announcements);
	t->destroyed = true;
	if (!t->telling)
		free(t);
}

int vswitch_uplink_team(struct vswitch *sw, struct hv_loop *loop, const char *name, const struct vswitch_team_config *config,
			struct vswitch_uplink **out)
{
	struct vswitch_port_config port = { .type = VSWITCH_PORT_EXTERNAL };
	struct team *t;
	int ret;

	if (!config_is_good(config))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->uplink.destroy = team_destroy;
	t->uplink.lost = team_lost;
	t->sw = sw;
	t->loop = loop;
	t->config = *config;
	t->timer.fire = evaluate;
	port.name = name;
	t->nic = (struct vswitch_nic){ .kind = VSWITCH_NIC_EXTERNAL, .ops = &team_nic_ops, .opaque = t };
	lacp_init(&t->lacp, send_lacpdu);
	update_nic(t);
	ret = vswitch_port_create_as(sw, &port, &t->uplink.port);
	if (!ret)
		ret = vswitch_port_connect(t->uplink.port, &t->nic);
	if (ret) {
		vswitch_uplink_destroy(&t->uplink);
		return ret;
	}
	vswitch_port_set_carrier(t->uplink.port, false);
	*out = &t->uplink;
	return 0;
}

/* LACP begins anew: as if each member had been plugged in now. */
static void restart_lacp(struct team *t)
{
	struct member *m;

	TEAM_FOREACH(m, t) {
		lacp_remove(&t->lacp, &m->lacp);
		lacp_add(&t->lacp, &m->lacp, (uint16_t)m->index);
	}
}

int vswitch_team_set(struct vswitch_uplink *team, const struct vswitch_team_config *config)
{
	struct team *t = team_of(team);

	if (!config_is_good(config) || (config->mode != VSWITCH_TEAM_INDEPENDENT && standby_of(t)))
		return -EINVAL;
	if (config->mode != t->config.mode)
		restart_lacp(t);
	t->config = *config;
	memset(&t->flows, 0, sizeof(t->flows));
	team_kick(t);
	return 0;
}

void vswitch_team_config(const struct vswitch_uplink *team, struct vswitch_team_config *out)
{
	*out = team_of(team)->config;
}
