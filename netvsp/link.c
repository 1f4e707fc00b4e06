/* SPDX-License-Identifier: MIT */
/*
 * The link as the guest is told of it. The link is up when the administrator says so and the port is on a live switch.
 *
 * Linux acts on one change per 2 s and may take two quick ones for none, so indications keep a distance; in between only the
 * newest state counts. A guest whose NIC has moved to another port must see the link go away once, so that it asks for
 * its address anew: that is a toggle.
 */
#include "netvsp/internal.h"

#define SPACING_NS 2500000000ull	/* our policy: Linux' 2 s and some */

bool netvsp_link_up(const struct netvsp *nic)
{
	return nic->link.admin_up && nic->port && nic->link.port_up;
}

static bool something_to_say(const struct netvsp *nic)
{
	return nic->control.operational && nic->session.state == NETVSP_READY &&
	       (nic->link.toggle || nic->link.reported_up != netvsp_link_up(nic));
}

bool netvsp_link_waits(const struct netvsp *nic)
{
	return something_to_say(nic) && !nic->link.timer.loop;
}

void netvsp_link_run(struct netvsp *nic)
{
	struct netvsp_link *l = &nic->link;
	uint64_t now;
	bool up;

	if (!something_to_say(nic) || l->timer.loop || !netvsp_channel_live(&nic->primary))
		return;
	now = hv_now_ns();
	if (now < l->next_ns) {
		if (hv_timer_arm(nic->loop, &l->timer, l->next_ns))
			l->next_ns = 0;		/* no timer: better too early than never */
		else
			return;
	}
	/* what is true; if the guest knows that already, this is a toggle, which the truth will follow */
	up = netvsp_link_up(nic);
	if (l->reported_up == up)
		up = !up;
	if (!netvsp_control_indicate(nic, up ? RNDIS_STATUS_MEDIA_CONNECT : RNDIS_STATUS_MEDIA_DISCONNECT, NULL, 0))
		return;		/* netvsp_control_run() comes back when there is room */
	l->reported_up = up;
	l->toggle = false;
	l->next_ns = now + SPACING_NS;
	if (something_to_say(nic) && hv_timer_arm(nic->loop, &l->timer, l->next_ns))
		l->next_ns = 0;
}

static void on_timer(struct hv_timer *t)
{
	netvsp_link_run(hv_container_of(t, struct netvsp, link.timer));
}

void netvsp_link_init(struct netvsp *nic)
{
	nic->link.admin_up = true;
	nic->link.timer.fire = on_timer;
}

void netvsp_link_told(struct netvsp *nic)
{
	nic->link.reported_up = netvsp_link_up(nic);
	nic->link.toggle = false;
}

void netvsp_link_toggle(struct netvsp *nic)
{
	nic->link.toggle = true;
	netvsp_link_run(nic);
}

void netvsp_link_stop(struct netvsp *nic)
{
	hv_timer_cancel(&nic->link.timer);
	nic->link.toggle = false;
	nic->link.next_ns = 0;
}
