/* SPDX-License-Identifier: MIT */
/*
 * The wire: a NIC on a port of the switch.
 *
 * It takes tags in metadata, since it strips or inserts them anyway. It takes neither unfinished checksums (the guest may
 * forward what it receives, and would then send it unfinished) nor frames to be cut: a driver with an MTU of 1500 has no
 * buffers for them. How long a frame may be depends on RCTL, and rx.c counts those that are too long.
 */
#include "e1000/device.h"

#define MOVE_NS 2500000000ull	/* our policy: Linux looks at its link every 2 s */

static void update_wire(struct e1000 *nic)
{
	e1000_core_set_wire(&nic->core, nic->admin_up && nic->port && nic->port_up && !nic->moving);
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct e1000 *nic = opaque;

	for (unsigned i = 0; i < n; i++) {
		const enum vswitch_drop why = e1000_core_receive(&nic->core, frames[i]);

		if (why != VSWITCH_DROPS)
			vswitch_port_drop_frames(nic->port, why, frames + i, 1);
	}
}

static void flush(void *opaque)
{
	struct e1000 *nic = opaque;

	e1000_core_received(&nic->core);
	e1000_nic_update_congestion(nic);
}

static void resume(void *opaque)
{
	struct e1000 *nic = opaque;

	e1000_core_resume(&nic->core);
}

static void on_link(void *opaque, bool up)
{
	struct e1000 *nic = opaque;

	if (nic->stepping)
		return;
	nic->port_up = up;
	update_wire(nic);
	/* A port that goes down waits for nobody any more, and is not told when there is room. */
	e1000_core_resume(&nic->core);
}

static const struct vswitch_nic_ops ops = {
	.deliver = deliver,
	.flush = flush,
	.resume = resume,
	.link = on_link,
};

bool e1000_nic_send(struct e1000 *nic, struct vswitch_frame *const *frames, unsigned n)
{
	return nic->port && vswitch_port_input(nic->port, frames, n);
}

void e1000_nic_lost(struct e1000 *nic, enum vswitch_drop reason)
{
	if (nic->port)
		vswitch_port_drop(nic->port, reason, 1);
}

/* Congested below a quarter of the ring (or two batches), good again above half of it. */
static bool short_of_room(const struct e1000 *nic)
{
	const struct e1000_core *c = &nic->core;
	const uint32_t size = e1000_rx_ring_size(c), free = e1000_rx_free(c);
	const uint32_t low = size / 4 < 2 * VSWITCH_BATCH ? size / 4 : 2 * VSWITCH_BATCH;
	const uint32_t good = size / 2 < 4 * VSWITCH_BATCH ? size / 2 : 4 * VSWITCH_BATCH;

	if (!(e1000_reg(c, E1000_RCTL) & E1000_RCTL_EN) || !c->link_up)
		return false;
	return c->rx.fifo_frames || free < (nic->congested ? good : low);
}

/* ---- the NIC on its port ---- */

static void set_connected(struct e1000 *nic, bool connected)
{
	int ret;

	if (!nic->port || nic->connected == connected)
		return;
	nic->stepping = true;
	ret = connected ? vswitch_nic_connect(nic->port, 0) : vswitch_nic_disconnect(nic->port, 0);
	nic->stepping = false;
	if (ret) {
		hv_log(HV_LOG_WARNING, "%s: cannot be %s: %s", nic->name, connected ? "connected" : "disconnected", strerror(-ret));
		return;
	}
	nic->connected = connected;
	if (nic->changed)
		nic->changed(nic->cookie);
}

static void look_at_driver(struct e1000 *nic)
{
	if (!(e1000_reg(&nic->core, E1000_RCTL) & E1000_RCTL_EN))
		return;
	nic->driver_up = true;
	set_connected(nic, true);
}

void e1000_nic_power_on(struct e1000 *nic)
{
	nic->driver_up = false;
	set_connected(nic, false);
}

void e1000_nic_update_congestion(struct e1000 *nic)
{
	const bool congested = nic->port && short_of_room(nic);

	look_at_driver(nic);
	if (congested == nic->congested)
		return;
	nic->congested = congested;
	if (congested)
		e1000_count(&nic->core, E1000_C_RX_CONGESTED);
	if (nic->port)
		vswitch_port_set_congested(nic->port, congested);
}

static void moved(struct hv_timer *t)
{
	struct e1000 *nic = hv_container_of(t, struct e1000, move_timer);

	nic->moving = false;
	update_wire(nic);
}

void e1000_nic_init(struct e1000 *nic, const uint8_t mac[6])
{
	nic->admin_up = true;
	nic->move_timer.fire = moved;
	nic->nic = (struct vswitch_nic){
		.kind = VSWITCH_NIC_EMULATED,
		.caps = VSWITCH_CAN_VLAN,
		.max_frame_bytes = E1000_FRAME_MAX_BYTES - E1000_FCS_BYTES,
		.ops = &ops,
		.opaque = nic,
	};
	memcpy(nic->nic.mac, mac, 6);
}

int e1000_nic_plug(struct e1000 *nic, struct vswitch_port *port)
{
	const struct vswitch_nic_config config = {
		.name = nic->name, .friendly_name = nic->name, .vm_name = nic->vm_name, .vm_id = nic->vm_id,
	};
	int ret;

	if (!port)
		return 0;
	ret = vswitch_nic_create(port, 0, &nic->nic, &config);
	nic->port = ret ? NULL : port;
	nic->port_up = !ret && vswitch_port_link(port);
	set_connected(nic, nic->driver_up);
	update_wire(nic);
	return ret;
}

void e1000_nic_unplug(struct e1000 *nic)
{
	struct vswitch_port *port = nic->port;

	if (!port)
		return;
	e1000_fifo_clear(&nic->core, VSWITCH_DROP_NOT_READY);	/* while the port knows them */
	nic->port = NULL;
	nic->congested = false;
	vswitch_port_disconnect(port);
	nic->connected = false;
	nic->port_up = false;
	update_wire(nic);
	e1000_core_resume(&nic->core);		/* nobody will say so any more */
}

int e1000_set_port(struct e1000 *nic, struct vswitch_port *port)
{
	if (port == nic->port)
		return 0;
	e1000_nic_unplug(nic);
	/* A driver that has not come up yet has nothing to see. */
	nic->moving = port && nic->driver_up && !hv_timer_arm(nic->loop, &nic->move_timer, hv_now_ns() + MOVE_NS);
	if (!port)
		hv_timer_cancel(&nic->move_timer);
	return e1000_nic_plug(nic, port);
}

struct vfu_dev *e1000_function(struct e1000 *nic)
{
	return nic->vfu;
}

void e1000_set_link(struct e1000 *nic, bool up)
{
	nic->admin_up = up;
	update_wire(nic);
	e1000_nic_update_congestion(nic);
}
