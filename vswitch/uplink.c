/* SPDX-License-Identifier: MIT */
/*
 * The plain uplink: one wire on a port of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/internal.h"
#include "vswitch/uplink_link.h"
#include "vswitch/uplink_wire.h"

struct plain {
	struct vswitch_uplink uplink;
	struct vswitch_nic nic;
	struct wire *wire;		/* owned */
	struct hv_timer end;		/* gone() comes from the loop only */
	void (*gone)(void *cookie);
	void *cookie;
	bool ended;			/* the timer was armed */
	struct hv_log_limit errors;
};

/* From the wire. */

static bool input(void *opaque, struct vswitch_frame *const *frames, unsigned n)
{
	struct plain *p = opaque;

	return vswitch_port_input(p->uplink.port, frames, n);
}

static void dropped(void *opaque, enum vswitch_drop reason, const struct vswitch_frame *const *frames, unsigned n)
{
	struct plain *p = opaque;

	vswitch_port_drop_frames(p->uplink.port, reason, frames, n);
}

static void congested(void *opaque, bool congested)
{
	struct plain *p = opaque;

	vswitch_port_set_congested(p->uplink.port, congested);
}

static void end(struct plain *p)
{
	if (p->ended)
		return;
	p->ended = true;
	if (p->gone && hv_timer_arm(p->wire->loop, &p->end, 0))
		hv_log(HV_LOG_ERROR, "port %s: out of memory", vswitch_port_name(p->uplink.port));
}

static void ended(struct hv_timer *t)
{
	struct plain *p = hv_container_of(t, struct plain, end);

	p->gone(p->cookie);
}

static void take_mac(struct plain *p)
{
	int ret = vswitch_port_set_mac(p->uplink.port, p->wire->mac);

	if (ret)
		hv_log_limited(&p->errors, HV_LOG_WARNING, "port %s: its new address: %s",
			       vswitch_port_name(p->uplink.port), strerror(-ret));
}

static void follow_link(struct plain *p)
{
	vswitch_port_set_carrier(p->uplink.port, p->wire->link);
	/* Without a link, what it is when it has one. */
	if (p->wire->link && p->nic.kind == VSWITCH_NIC_EXTERNAL)
		vswitch_port_set_capacity(p->uplink.port, wire_bits(p->wire));
}

static void changed(void *opaque)
{
	struct plain *p = opaque;

	p->nic.max_frame_bytes = p->wire->max_frame_bytes;
	follow_link(p);
	if (p->nic.kind == VSWITCH_NIC_INTERNAL)
		take_mac(p);
	if (p->wire->gone)
		end(p);
}

static const struct wire_user plain_user = {
	.input = input,
	.dropped = dropped,
	.congested = congested,
	.changed = changed,
};

/* From the switch. */

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct plain *p = opaque;

	wire_send(p->wire, frames, n);
}

static void resume(void *opaque)
{
	struct plain *p = opaque;

	wire_resume(p->wire);
}

static const struct vswitch_nic_ops plain_ops = {
	.deliver = deliver,
	.resume = resume,
};

/* Making and ending it. */

static void plain_destroy(struct vswitch_uplink *u)
{
	struct plain *p = hv_container_of(u, struct plain, uplink);

	hv_timer_cancel(&p->end);
	wire_destroy(p->wire);
	vswitch_port_destroy(u->port);
	free(p);
}

static uint64_t plain_lost(struct vswitch_uplink *u)
{
	return wire_lost(hv_container_of(u, struct plain, uplink)->wire);
}

static int plain_create(enum vswitch_nic_kind kind, void (*gone)(void *cookie), void *cookie, struct plain **out)
{
	struct plain *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->uplink.lost = plain_lost;
	p->uplink.destroy = plain_destroy;
	p->end.fire = ended;
	p->gone = gone;
	p->cookie = cookie;
	p->nic = (struct vswitch_nic){ .kind = kind, .ops = &plain_ops, .opaque = p };
	*out = p;
	return 0;
}

/* The wire is there, unless ret says otherwise: its port. */
static int plain_start(struct plain *p, struct vswitch *sw, const char *name, int ret, struct vswitch_uplink **out)
{
	struct vswitch_port_config port = {
		.name = name,
		.type = p->nic.kind == VSWITCH_NIC_INTERNAL ? VSWITCH_PORT_INTERNAL : VSWITCH_PORT_EXTERNAL,
	};

	if (!ret) {
		p->nic.caps = p->wire->caps;
		p->nic.max_frame_bytes = p->wire->max_frame_bytes;
		if (p->nic.kind == VSWITCH_NIC_INTERNAL)
			memcpy(p->nic.mac, p->wire->mac, sizeof(p->nic.mac));
		ret = vswitch_port_create_as(sw, &port, &p->uplink.port);
	}
	if (!ret)
		ret = vswitch_port_connect(p->uplink.port, &p->nic);
	if (ret) {
		vswitch_uplink_destroy(&p->uplink);
		return ret;
	}
	follow_link(p);
	*out = &p->uplink;
	return 0;
}

int vswitch_uplink_tap(struct vswitch *sw, struct hv_loop *loop, const char *interface, enum vswitch_nic_kind kind,
		       struct vswitch_uplink **out)
{
	struct plain *p;
	int ret = plain_create(kind, NULL, NULL, &p);

	if (ret)
		return ret;
	ret = wire_open_tap(loop, &plain_user, p, interface, false, &p->wire);
	return plain_start(p, sw, interface, ret, out);
}

int vswitch_uplink_packet(struct vswitch *sw, struct hv_loop *loop, const char *interface, void (*gone)(void *cookie),
			  void *cookie, struct vswitch_uplink **out)
{
	struct plain *p;
	int ret = plain_create(VSWITCH_NIC_EXTERNAL, gone, cookie, &p);

	if (ret)
		return ret;
	ret = wire_open_packet(loop, &plain_user, p, interface, &p->wire);
	return plain_start(p, sw, interface, ret, out);
}

int vswitch_uplink_stream(struct vswitch *sw, struct hv_loop *loop, const char *name, int fd,
			  enum vswitch_nic_kind kind, void (*gone)(void *cookie), void *cookie,
			  struct vswitch_uplink **out)
{
	struct plain *p;
	int ret = plain_create(kind, gone, cookie, &p);

	if (ret) {
		close(fd);
		return ret;
	}
	ret = wire_open_stream(loop, &plain_user, p, name, fd, &p->wire);
	return plain_start(p, sw, name, ret, out);
}

int vswitch_uplink_check(const char *interface)
{
	struct link_state s = { 0 };
	int ret = link_query(interface, &s);

	if (!ret)
		ret = link_check(&s);
	return ret ? ret : wire_is_claimed(s.ifindex) ? -EBUSY : 0;
}

/* Of any kind. */

void vswitch_uplink_destroy(struct vswitch_uplink *uplink)
{
	if (!uplink)
		return;
	/* What a wire still holds is counted on the port, so that goes last, unplugged first. */
	if (uplink->port)
		vswitch_port_disconnect(uplink->port);
	uplink->destroy(uplink);
}

struct vswitch_port *vswitch_uplink_port(struct vswitch_uplink *uplink)
{
	return uplink->port;
}

uint64_t vswitch_uplink_lost(struct vswitch_uplink *uplink)
{
	return uplink->lost(uplink);
}
