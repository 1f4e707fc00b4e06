/* SPDX-License-Identifier: MIT */
/*
 * Congestion, seen from a receiver:
 *
 *	free --says so--> CONGESTED --a sender is told to pause--> the bound runs --passes--> STALLED
 *	any --says that it has room, or leaves--> free: who waits goes on
 *
 * Who waits for an uplink goes on one by one, by weight: bandwidth_share.c. Who waits for any other goes on with all the others.
 *
 * A sender waits for one receiver at a time, the last that it was told of. If that one recovers and
 * another is still short, the next batch says so again.
 *
 * Only frames for a receiver's own address pause their sender: by broadcasts, a guest that takes
 * nothing could hold up everybody.
 */
#include "vswitch/internal.h"

void congestion_go_on(struct vswitch_port *sender)
{
	if (sender->live && !sender->waits_for && !bandwidth_holds(sender) && sender->nic->ops->resume)
		sender->nic->ops->resume(sender->nic->opaque);
}

void congestion_resume_all(struct vswitch_port *receiver)
{
	struct vswitch_port *sender;
	unsigned n = 0;

	/* Who pauses again from within resume() waits for the next time. */
	TAILQ_FOREACH(sender, &receiver->waiting, waiting_link)
		n++;
	while (n-- && (sender = TAILQ_FIRST(&receiver->waiting))) {
		TAILQ_REMOVE(&receiver->waiting, sender, waiting_link);
		sender->waits_for = NULL;
		congestion_go_on(sender);
	}
}

static void end_bound(struct vswitch_port *receiver)
{
	receiver->pause_deadline_ns = 0;
	if (receiver->pause_timer.loop)
		hv_timer_cancel(&receiver->pause_timer);
}

static void end_pause(struct vswitch_port *receiver)
{
	end_bound(receiver);
	congestion_resume_all(receiver);
}

static void pause_timer_fired(struct hv_timer *t)
{
	congestion_expire(hv_container_of(t, struct vswitch_port, pause_timer), UINT64_MAX);
}

void congestion_init(struct vswitch_port *port)
{
	TAILQ_INIT(&port->waiting);
	port->pause_timer.fire = pause_timer_fired;
}

/* The bound of this congestion begins to run, if it does not yet. */
static bool start_bound(struct vswitch_port *receiver)
{
	struct vswitch *sw = receiver->sw;

	if (receiver->pause_deadline_ns)
		return true;
	receiver->pause_deadline_ns = vswitch_now_ns(sw) + sw->pause_ns;
	/* Without a timer there is no bound, so there is no pause either. */
	if (sw->loop && hv_timer_arm(sw->loop, &receiver->pause_timer, receiver->pause_deadline_ns)) {
		receiver->pause_deadline_ns = 0;
		return false;
	}
	return true;
}

static void stop_waiting(struct vswitch_port *sender)
{
	if (sender->waits_for)
		TAILQ_REMOVE(&sender->waits_for->waiting, sender, waiting_link);
	sender->waits_for = NULL;
}

static void wait_for(struct vswitch_port *sender, struct vswitch_port *receiver)
{
	receiver->stats.pauses += sender->waits_for != receiver;
	stop_waiting(sender);
	if (share_applies(receiver)) {
		share_wait(sender, receiver);
		return;
	}
	sender->waits_for = receiver;
	TAILQ_INSERT_TAIL(&receiver->waiting, sender, waiting_link);
}

bool congestion_pause(struct vswitch_port *sender, struct vswitch_port *receiver)
{
	if (receiver->stalled || !receiver->live || !sender->live)
		return false;
	if (!receiver->congested) {
		if (!share_applies(receiver) || !share_is_ahead(sender, receiver))
			return false;
		wait_for(sender, receiver);
		share_go_on(receiver);
		return true;
	}
	if (!start_bound(receiver))
		return false;
	wait_for(sender, receiver);
	return true;
}

void congestion_expire(struct vswitch_port *receiver, uint64_t now_ns)
{
	if (!receiver->pause_deadline_ns || now_ns < receiver->pause_deadline_ns)
		return;
	receiver->stalled = true;
	receiver->stats.stalls++;
	end_pause(receiver);
}

void vswitch_port_set_congested(struct vswitch_port *port, bool congested)
{
	if (port->congested == congested || (congested && !port->live))
		return;
	port->congested = congested;
	port->stalled = false;
	if (congested)
		return;
	end_bound(port);
	if (share_applies(port))
		share_go_on(port);
	else
		congestion_resume_all(port);
}

void congestion_leave(struct vswitch_port *port)
{
	port->congested = false;
	port->stalled = false;
	end_pause(port);
	stop_waiting(port);
	share_leave(port);
	bandwidth_leave(port);
}
