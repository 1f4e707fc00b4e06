/* SPDX-License-Identifier: MIT */
/*
 * Who goes on next towards an uplink that could not take everything: start-time fair queueing (Goyal, Vin, Cheng 1996), with senders
 * in the place of packets.
 *
 * Each sender has a tag: what it has had of the uplink, divided by its weight. The uplink's virtual time is the tag of the one
 * that was let go on last; who had nothing for a while starts from there, so nobody saves up a right to more than its
 * part. Senders wait in order of their tags.
 *
 *	the uplink has room -> the first one goes on -> it sends until the uplink is short of room, or until it is ahead of the
 *	next one -> it waits in its place, and if there is room the next one goes on
 *
 * One that has nothing more to send does not say so. Therefore while there is room and somebody waits, one more goes on every
 * GRACE_NS; the one that was behind keeps its tag, and with it what it may catch up. Long after the last contention tags mean
 * nothing any more: then all start from the same point.
 */
#include "vswitch/bandwidth_internal.h"

#define GRACE_NS 100000			/* our policy: some rounds of the loop, and little of any uplink's queue */
#define MEMORY_NS 10000000		/* our policy: contention that ended longer ago is over */
#define TAG_SHIFT 20			/* of bytes, so that dividing by a weight leaves something */

/* Tags wrap: compared by difference. */
static bool before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return before(a, b) ? b : a;
}

bool share_applies(const struct vswitch_port *uplink)
{
	return uplink->external && uplink->sw->bandwidth.setting.mode != VSWITCH_BANDWIDTH_NONE;
}

/* The sender's tag at this uplink, or the one that it shares with all of the default flow. */
static uint64_t *tag_of(struct vswitch_port *sender, struct vswitch_port *uplink, uint64_t *weight)
{
	bool in_default;

	*weight = bandwidth_weight(sender, &in_default);
	if (in_default)
		return &uplink->share.default_tag;
	if (sender->tag_at != uplink->id) {
		sender->tag_at = uplink->id;
		sender->tag = uplink->share.virtual_time;
	}
	return &sender->tag;
}

void share_sent(struct vswitch_port *sender, struct vswitch_port *uplink, uint64_t bytes)
{
	uint64_t weight, *tag;

	sender->uplink_bytes += bytes;
	if (!share_applies(uplink))
		return;
	tag = tag_of(sender, uplink, &weight);
	*tag = later(*tag, uplink->share.virtual_time) + (bytes << TAG_SHIFT) / weight;
	uplink->share.last_tag = later(uplink->share.last_tag, *tag);
}

void share_wait(struct vswitch_port *sender, struct vswitch_port *uplink)
{
	struct uplink_share *s = &uplink->share;
	uint64_t now_ns, weight;
	struct vswitch_port *p;

	if (TAILQ_EMPTY(&uplink->waiting)) {
		now_ns = vswitch_now_ns(uplink->sw);
		if (now_ns - s->contended_ns > MEMORY_NS)
			s->virtual_time = s->last_tag;
		s->contended_ns = now_ns;
	}
	sender->wait_tag = later(*tag_of(sender, uplink, &weight), s->virtual_time);
	/* Mostly it is the last one, which has just been served. */
	TAILQ_FOREACH_REVERSE(p, &uplink->waiting, waiting_ports, waiting_link)
		if (!before(sender->wait_tag, p->wait_tag))
			break;
	sender->waits_for = uplink;
	if (p)
		TAILQ_INSERT_AFTER(&uplink->waiting, p, sender, waiting_link);
	else
		TAILQ_INSERT_HEAD(&uplink->waiting, sender, waiting_link);
}

bool share_is_ahead(struct vswitch_port *sender, struct vswitch_port *uplink)
{
	const struct vswitch_port *first = TAILQ_FIRST(&uplink->waiting);
	uint64_t weight;

	return first && first != sender && before(first->wait_tag, *tag_of(sender, uplink, &weight));
}

/* False: there is no timer, so nobody may depend on it. */
static bool arm(struct vswitch_port *uplink, uint64_t now_ns)
{
	uplink->share.grace_ns = now_ns + GRACE_NS;
	return !uplink->sw->loop || !hv_timer_arm(uplink->sw->loop, &uplink->share.timer, uplink->share.grace_ns);
}

void share_go_on(struct vswitch_port *uplink)
{
	struct vswitch_port *sender = TAILQ_FIRST(&uplink->waiting);
	struct uplink_share *s = &uplink->share;

	if (!sender)
		return;
	TAILQ_REMOVE(&uplink->waiting, sender, waiting_link);
	sender->waits_for = NULL;
	s->virtual_time = later(s->virtual_time, sender->wait_tag);
	s->contended_ns = vswitch_now_ns(uplink->sw);
	if (!TAILQ_EMPTY(&uplink->waiting) && !arm(uplink, s->contended_ns))
		congestion_resume_all(uplink);
	congestion_go_on(sender);
}

void share_tick(struct vswitch_port *uplink, uint64_t now_ns)
{
	if (TAILQ_EMPTY(&uplink->waiting) || uplink->congested || now_ns < uplink->share.grace_ns || !share_applies(uplink))
		return;
	share_go_on(uplink);
}

static void timer_fired(struct hv_timer *t)
{
	share_tick(hv_container_of(t, struct vswitch_port, share.timer), UINT64_MAX);
}

void share_init(struct vswitch_port *port)
{
	port->share.timer.fire = timer_fired;
}

void share_leave(struct vswitch_port *port)
{
	if (port->share.timer.loop)
		hv_timer_cancel(&port->share.timer);
}
