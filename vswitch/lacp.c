/* SPDX-License-Identifier: MIT */
/*
 * The machines of 802.1AX-2014 6.4, for each port, and the selection of the LAG for all of them.
 *
 *   receive:	PORT_DISABLED --link--> EXPIRED --PDU--> CURRENT --timeout--> EXPIRED --timeout--> DEFAULTED
 *   mux:	DETACHED --selected--> WAITING --2 s--> ATTACHED --partner in sync--> COLLECTING
 *		--partner collects--> DISTRIBUTING; back as far as its condition fails, unselected: to DETACHED
 *   periodic:	each second or 30 s, as the partner wants it
 *   transmit:	what NTT asks for, at most three in a second
 *
 * Selection. Ports with the same partner system, partner key and own key could be aggregated. There is
 * one aggregator; the LAG with the greatest speed gets it, the present one when there is a tie.
 * A port without a partner is in no LAG: it carries nothing. With fallback, one of those whose partner never answered is taken
 * instead of a LAG while there is none, as a link by itself: it need not wait for others, nor for anybody's synchronization.
 *
 * lacp_run() evaluates everything anew from the variables, so events only set variables.
 */
#include "vswitch/lacp.h"

#include <string.h>

#include "vswitch/internal.h"

#define S_NS 1000000000ull
#define FAST_PERIODIC_NS (1 * S_NS)	/* 6.4.4 */
#define SLOW_PERIODIC_NS (30 * S_NS)
#define SHORT_TIMEOUT_NS (3 * S_NS)
#define LONG_TIMEOUT_NS (90 * S_NS)
#define AGGREGATE_WAIT_NS (2 * S_NS)
#define CHURN_DETECTION_NS (60 * S_NS)

enum {
	PORT_PRIORITY = 32768,		/* the usual default */
	MUX_STEPS = 5,			/* as many as there are states */
};

/* Ports of different speeds must not be aggregated: the key tells them apart. */
static uint16_t key_of(uint32_t speed_mbps, bool full_duplex)
{
	static const uint32_t speeds[] = { 10, 100, 1000, 2500, 5000, 10000, 20000, 25000, 40000, 50000, 56000,
					   100000, 200000, 400000, 800000 };
	uint16_t class = 0;

	for (unsigned i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speed_mbps >= speeds[i])
			class = (uint16_t)(i + 1);
	return (uint16_t)(1 + class * 2 + full_duplex);
}

static void set_state(struct lacp_port *p, uint8_t bits, bool on)
{
	uint8_t state = (uint8_t)(on ? p->actor.state | bits : p->actor.state & ~bits);

	if (state != p->actor.state)
		p->ntt = true;
	p->actor.state = state;
}

/* Group and ports. */

void lacp_init(struct lacp *l, void (*transmit)(struct lacp_port *p, const struct lacpdu *pdu))
{
	*l = (struct lacp){ .system_priority = 32768, .transmit = transmit };
	TAILQ_INIT(&l->ports);
}

static void tell(const struct lacp *l, struct lacp_port *p)
{
	if (p->actor.system_priority != l->system_priority || memcmp(p->actor.system, l->system, sizeof(l->system)) != 0)
		p->ntt = true;
	p->actor.system_priority = l->system_priority;
	memcpy(p->actor.system, l->system, sizeof(l->system));
	set_state(p, LACP_ACTIVITY, !l->passive);
	set_state(p, LACP_TIMEOUT, l->fast);
	set_state(p, LACP_AGGREGATION, true);
}

void lacp_configure(struct lacp *l, bool fast, bool passive, uint16_t system_priority, const uint8_t system[6])
{
	struct lacp_port *p;

	l->fast = fast;
	l->passive = passive;
	l->system_priority = system_priority;
	memcpy(l->system, system, sizeof(l->system));
	TAILQ_FOREACH(p, &l->ports, link_in_group)
		tell(l, p);
}

static void forget_partner(struct lacp_port *p)
{
	memset(&p->partner, 0, sizeof(p->partner));
	/* Whoever comes shall hear of us soon. */
	p->partner.state = LACP_TIMEOUT;
}

void lacp_add(struct lacp *l, struct lacp_port *p, uint16_t number)
{
	void *opaque = p->opaque;

	*p = (struct lacp_port){
		.opaque = opaque,
		.actor = { .port = number, .port_priority = PORT_PRIORITY, .key = key_of(0, true) },
		.current_while_ns = LACP_NEVER,
		.wait_while_ns = LACP_NEVER,
		.periodic_ns = LACP_NEVER,
		.actor_churn.due_ns = LACP_NEVER,
		.partner_churn.due_ns = LACP_NEVER,
	};
	forget_partner(p);
	set_state(p, LACP_DEFAULTED, true);
	tell(l, p);
	TAILQ_INSERT_TAIL(&l->ports, p, link_in_group);
}

void lacp_remove(struct lacp *l, struct lacp_port *p)
{
	TAILQ_REMOVE(&l->ports, p, link_in_group);
}

static void enter_expired(struct lacp_port *p, uint64_t now_ns)
{
	p->receive = LACP_RECEIVE_EXPIRED;
	p->partner.state &= (uint8_t)~LACP_SYNCHRONIZATION;
	p->partner.state |= LACP_TIMEOUT;
	p->current_while_ns = now_ns + SHORT_TIMEOUT_NS;
	set_state(p, LACP_EXPIRED, true);
}

void lacp_set_link(struct lacp *l, struct lacp_port *p, bool link, uint32_t speed_mbps, bool full_duplex, uint64_t now_ns)
{
	uint16_t key = key_of(speed_mbps, full_duplex);

	(void)l;
	if (key != p->actor.key)
		p->ntt = true;
	p->actor.key = key;
	p->speed_mbps = speed_mbps;
	if (link == p->link)
		return;
	p->link = link;
	if (link) {
		enter_expired(p, now_ns);
		return;
	}
	p->receive = LACP_RECEIVE_PORT_DISABLED;
	p->partner.state &= (uint8_t)~LACP_SYNCHRONIZATION;
	p->current_while_ns = LACP_NEVER;
	set_state(p, LACP_EXPIRED, false);
}

/* Receive. */

static bool same_port(const struct vswitch_lacp_side *a, const struct vswitch_lacp_side *b)
{
	return a->port == b->port && a->port_priority == b->port_priority && a->key == b->key &&
	       a->system_priority == b->system_priority && !memcmp(a->system, b->system, sizeof(a->system)) &&
	       !((a->state ^ b->state) & LACP_AGGREGATION);
}

/* recordPDU's rule for the partner's synchronization. us: what the partner believes to know of us. */
static bool partner_in_sync(const struct lacp_port *p, const struct vswitch_lacp_side *them,
			    const struct vswitch_lacp_side *us)
{
	bool maintained = them->state & LACP_ACTIVITY || (p->actor.state & us->state & LACP_ACTIVITY);

	return them->state & LACP_SYNCHRONIZATION && maintained &&
	       (same_port(us, &p->actor) || !(them->state & LACP_AGGREGATION));
}

bool lacp_receive(struct lacp *l, struct lacp_port *p, const uint8_t *bytes, size_t n, uint64_t now_ns)
{
	const uint8_t told = LACP_ACTIVITY | LACP_TIMEOUT | LACP_SYNCHRONIZATION | LACP_AGGREGATION;
	struct vswitch_lacp_side them, us;

	if (!lacp_parse(bytes, n, &them, &us)) {
		p->bad++;
		return false;
	}
	p->in++;
	if (!p->link)
		return true;
	if (!same_port(&them, &p->partner))	/* update_Selected: another partner is another LAG */
		p->selected = false;
	if (!same_port(&us, &p->actor) || (us.state ^ p->actor.state) & told)
		p->ntt = true;			/* update_NTT: it does not know us as we are */
	p->partner = them;
	if (!partner_in_sync(p, &them, &us))
		p->partner.state &= (uint8_t)~LACP_SYNCHRONIZATION;
	p->receive = LACP_RECEIVE_CURRENT;
	p->current_while_ns = now_ns + (l->fast ? SHORT_TIMEOUT_NS : LONG_TIMEOUT_NS);
	set_state(p, LACP_DEFAULTED | LACP_EXPIRED, false);
	return true;
}

static void expire(struct lacp_port *p, uint64_t now_ns)
{
	if (now_ns < p->current_while_ns)
		return;
	if (p->receive == LACP_RECEIVE_CURRENT) {
		enter_expired(p, now_ns);
		return;
	}
	p->receive = LACP_RECEIVE_DEFAULTED;
	p->current_while_ns = LACP_NEVER;
	p->selected = false;
	forget_partner(p);
	set_state(p, LACP_EXPIRED, false);
	set_state(p, LACP_DEFAULTED, true);
}

/* Selection. */

static bool has_partner(const struct lacp_port *p)
{
	/* Our own PDUs have come back: that is a loop, not a partner. */
	if (!memcmp(p->partner.system, p->actor.system, sizeof(p->actor.system)))
		return false;
	return p->link && (p->receive == LACP_RECEIVE_CURRENT ||
			   (p->receive == LACP_RECEIVE_EXPIRED && !(p->actor.state & LACP_DEFAULTED)));
}

static bool same_lag(const struct lacp_port *a, const struct lacp_port *b)
{
	if (a == b)
		return true;
	return a->actor.key == b->actor.key && a->partner.key == b->partner.key &&
	       a->partner.system_priority == b->partner.system_priority &&
	       !memcmp(a->partner.system, b->partner.system, sizeof(a->partner.system)) &&
	       a->partner.state & b->partner.state & LACP_AGGREGATION;
}

/* What the LAG of this port would be worth: speed first, then that it is in use. */
static uint64_t worth(const struct lacp *l, const struct lacp_port *p)
{
	const struct lacp_port *o;
	uint64_t speed = 0;
	bool used = false;

	TAILQ_FOREACH(o, &l->ports, link_in_group)
		if (has_partner(o) && same_lag(o, p)) {
			speed += o->speed_mbps ? o->speed_mbps : 1;
			used |= o->selected;
		}
	return speed << 1 | used;
}

static const struct lacp_port *best_lag(const struct lacp *l)
{
	const struct lacp_port *p, *best = NULL;
	uint64_t most = 0, w;

	TAILQ_FOREACH(p, &l->ports, link_in_group) {
		w = has_partner(p) ? worth(l, p) : 0;
		if (w > most) {
			most = w;
			best = p;
		}
	}
	return best;
}

/* The present one for as long as it can. */
static const struct lacp_port *best_alone(const struct lacp *l)
{
	const struct lacp_port *p, *best = NULL;

	TAILQ_FOREACH(p, &l->ports, link_in_group)
		if (p->link && p->receive == LACP_RECEIVE_DEFAULTED && (!best || (p->alone && !best->alone)))
			best = p;
	return best;
}

static void select_lag(struct lacp *l)
{
	const struct lacp_port *best = best_lag(l), *alone = best || !l->fallback ? NULL : best_alone(l);
	struct lacp_port *p;

	TAILQ_FOREACH(p, &l->ports, link_in_group) {
		bool selected = p == alone || (best && has_partner(p) && same_lag(p, best));

		if (!selected && p->selected)
			p->ntt = true;
		p->selected = selected;
		p->alone = p == alone;
	}
}

/* Mux. */

static enum lacp_mux_state next_mux(const struct lacp_port *p, uint64_t now_ns)
{
	const uint8_t partner = p->alone ? LACP_SYNCHRONIZATION | LACP_COLLECTING : p->partner.state;

	if (!p->selected)
		return LACP_MUX_DETACHED;
	switch (p->mux) {
	case LACP_MUX_DETACHED:
		return LACP_MUX_WAITING;
	case LACP_MUX_WAITING:
		return p->alone || now_ns >= p->wait_while_ns ? LACP_MUX_ATTACHED : LACP_MUX_WAITING;
	case LACP_MUX_ATTACHED:
		return partner & LACP_SYNCHRONIZATION ? LACP_MUX_COLLECTING : LACP_MUX_ATTACHED;
	case LACP_MUX_COLLECTING:
		if (!(partner & LACP_SYNCHRONIZATION))
			return LACP_MUX_ATTACHED;
		return partner & LACP_COLLECTING ? LACP_MUX_DISTRIBUTING : LACP_MUX_COLLECTING;
	case LACP_MUX_DISTRIBUTING:
		if (partner & LACP_SYNCHRONIZATION && partner & LACP_COLLECTING)
			return LACP_MUX_DISTRIBUTING;
		return LACP_MUX_COLLECTING;
	}
	return p->mux;
}

static void run_mux(struct lacp_port *p, uint64_t now_ns)
{
	enum lacp_mux_state next;

	for (int i = 0; i < MUX_STEPS; i++) {
		next = next_mux(p, now_ns);
		if (next == p->mux)
			break;
		p->wait_while_ns = next == LACP_MUX_WAITING ? now_ns + AGGREGATE_WAIT_NS : LACP_NEVER;
		p->mux = next;
	}
	set_state(p, LACP_SYNCHRONIZATION, p->mux >= LACP_MUX_ATTACHED);
	set_state(p, LACP_COLLECTING, p->mux >= LACP_MUX_COLLECTING);
	set_state(p, LACP_DISTRIBUTING, p->mux >= LACP_MUX_DISTRIBUTING);
}

/* Churn. */

static void follow_sync(struct lacp_churn *c, bool link, bool sync, uint64_t now_ns)
{
	if (!link) {
		c->state = VSWITCH_CHURN_MONITOR;
		c->due_ns = LACP_NEVER;
	} else if (sync) {
		c->state = VSWITCH_CHURN_NONE;
		c->due_ns = LACP_NEVER;
	} else if (c->state == VSWITCH_CHURN_NONE || (c->state == VSWITCH_CHURN_MONITOR && c->due_ns == LACP_NEVER)) {
		c->state = VSWITCH_CHURN_MONITOR;
		c->due_ns = now_ns + CHURN_DETECTION_NS;
	} else if (now_ns >= c->due_ns) {
		c->state = VSWITCH_CHURN;
		c->due_ns = LACP_NEVER;
		c->count++;
	}
}

static void run_churn(struct lacp_port *p, uint64_t now_ns)
{
	follow_sync(&p->actor_churn, p->link, p->actor.state & LACP_SYNCHRONIZATION, now_ns);
	/* Alone, it expects no partner. */
	follow_sync(&p->partner_churn, p->link, p->alone || p->partner.state & LACP_SYNCHRONIZATION, now_ns);
}

/* Periodic and transmit. */

static void run_periodic(struct lacp_port *p, uint64_t now_ns)
{
	uint64_t period_ns = p->partner.state & LACP_TIMEOUT ? FAST_PERIODIC_NS : SLOW_PERIODIC_NS;

	if (!p->link || !((p->actor.state | p->partner.state) & LACP_ACTIVITY))
		period_ns = 0;
	if (period_ns && (now_ns >= p->periodic_ns || period_ns < p->period_ns || !p->period_ns)) {
		p->ntt = true;
		p->periodic_ns = now_ns + period_ns;
	} else if (period_ns > p->period_ns) {
		p->periodic_ns = now_ns + period_ns;
	}
	if (!period_ns)
		p->periodic_ns = LACP_NEVER;
	p->period_ns = period_ns;
}

/* When the next PDU may leave: 0: now. */
static uint64_t allowed_ns(const struct lacp_port *p)
{
	return p->sent < LACP_TRANSMITS ? 0 : p->sent_ns[p->sent % LACP_TRANSMITS] + FAST_PERIODIC_NS;
}

static void run_transmit(struct lacp *l, struct lacp_port *p, uint64_t now_ns)
{
	struct lacpdu pdu;

	if (!p->ntt || !p->period_ns || now_ns < allowed_ns(p))
		return;
	p->ntt = false;
	p->sent_ns[p->sent++ % LACP_TRANSMITS] = now_ns;
	p->out++;
	lacp_build(&p->actor, &p->partner, &pdu);
	l->transmit(p, &pdu);
}

static uint64_t earliest(const struct lacp_port *p)
{
	uint64_t at = p->current_while_ns;

	if (p->wait_while_ns < at)
		at = p->wait_while_ns;
	if (p->periodic_ns < at)
		at = p->periodic_ns;
	if (p->ntt && p->period_ns && allowed_ns(p) < at)
		at = allowed_ns(p);
	if (p->actor_churn.due_ns < at)
		at = p->actor_churn.due_ns;
	if (p->partner_churn.due_ns < at)
		at = p->partner_churn.due_ns;
	return at;
}

uint64_t lacp_run(struct lacp *l, uint64_t now_ns)
{
	uint64_t next = LACP_NEVER, at;
	struct lacp_port *p;

	TAILQ_FOREACH(p, &l->ports, link_in_group) {
		/* A partner that is another one leaves the LAG first, whatever the new LAG is. */
		if (!p->selected && p->mux != LACP_MUX_DETACHED)
			run_mux(p, now_ns);
		expire(p, now_ns);
	}
	select_lag(l);
	TAILQ_FOREACH(p, &l->ports, link_in_group) {
		run_mux(p, now_ns);
		run_churn(p, now_ns);
		run_periodic(p, now_ns);
		run_transmit(l, p, now_ns);
		at = earliest(p);
		if (at < next)
			next = at;
	}
	return next;
}
