/* SPDX-License-Identifier: MIT */
/*
 * The device: what the bus, the switch and the rest of the files see of each other.
 *
 *   guest's ring --> channel.c --> nvsp.c     version, buffers: the session's states
 *                        |   \---> tx.c       frames --> vswitch_port_input()
 *                        |           \-----> control.c --> oid.c, offload.c     requests and answers
 *                        \-------> rxbuf.c    receive buffers that come back
 *   deliver() --> rx.c --> receive buffer and ring --> the guest
 *   link.c: what the guest is told of the port
 *
 * All runs on the thread of the bus and the switch. A poll of the channel does a bounded amount of work; no allocation,
 * lock or system call happens per frame. Frames' bytes are read from guest memory once, by the switch or by
 * the receiver.
 *
 * What may fail: a frame's message costs its VMBus packet, which is completed with a failure. An OID costs its
 * request. A broken NVSP message or ring stops the channel (FAILED) until the guest opens it again. When guest memory is gone
 * (paused) nothing is touched, and frames for the guest are dropped. Each way has a counter.
 *
 * The state that a successor would need is in struct netvsp_session, netvsp_slots, netvsp_control, netvsp_link and the buffers'
 * GPADL handles; all of it is plain data between two polls.
 */
#include "netvsp/netvsp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "netvsp/internal.h"

static const char *const state_names[] = {
	[NETVSP_CLOSED] = "closed",
	[NETVSP_VERSION] = "version",
	[NETVSP_INIT] = "init",
	[NETVSP_READY] = "ready",
	[NETVSP_REVOKED] = "revoked",
	[NETVSP_FAILED] = "failed",
};

static bool move_ok(enum netvsp_state from, enum netvsp_state to)
{
	switch (to) {
	case NETVSP_CLOSED:
		return true;
	case NETVSP_VERSION:
		return from == NETVSP_CLOSED;
	case NETVSP_INIT:
		return from == NETVSP_VERSION;
	case NETVSP_READY:
		return from == NETVSP_INIT;
	case NETVSP_REVOKED:
		return from == NETVSP_INIT || from == NETVSP_READY;
	case NETVSP_FAILED:
		return from != NETVSP_CLOSED && from != NETVSP_FAILED;
	}
	return false;
}

void netvsp_set_state(struct netvsp *nic, enum netvsp_state state)
{
	const enum netvsp_state from = nic->session.state;

	assert(move_ok(from, state));
	hv_log(HV_LOG_DEBUG, "%s: %s -> %s", nic->name, state_names[from], state_names[state]);
	nic->session.state = state;
	netvsp_rx_update_congestion(nic);
}

void netvsp_fail(struct netvsp *nic, enum netvsp_counter_id c, const char *what)
{
	netvsp_count(nic, c);
	if (nic->session.state == NETVSP_FAILED || nic->session.state == NETVSP_CLOSED)
		return;
	vmbus_channel_note_error(nic->primary.ch, what);
	hv_log_limited(&nic->log_limit, HV_LOG_WARNING, "%s: the channel is stopped: %s", nic->name, what);
	netvsp_set_state(nic, NETVSP_FAILED);
}

void netvsp_kick(struct netvsp *nic)
{
	if (netvsp_channel_live(&nic->primary))
		hv_poller_kick(nic->loop, &nic->primary.poller);
}

/* A buffer goes: from here on neither is of use. */
static void leave_ready(struct netvsp *nic)
{
	if (nic->session.state == NETVSP_INIT || nic->session.state == NETVSP_READY)
		netvsp_set_state(nic, NETVSP_REVOKED);
}

void netvsp_revoke_receive(struct netvsp *nic)
{
	leave_ready(nic);
	netvsp_buffer_put(&nic->receive);	/* the slots' table stays: what is out is still completed */
}

void netvsp_revoke_send(struct netvsp *nic)
{
	leave_ready(nic);
	netvsp_buffer_put(&nic->send);
}

/* ---- the NIC on its port ---- */

static void tell_changed(struct netvsp *nic)
{
	if (nic->changed)
		nic->changed(nic->cookie);
}

void netvsp_driver_up(struct netvsp *nic)
{
	int ret;

	if (!nic->port || nic->connected || !nic->session.filter.bits)
		return;
	ret = vswitch_nic_connect(nic->port, 0);
	if (ret) {
		hv_log_limited(&nic->log_limit, HV_LOG_WARNING, "%s: cannot be connected: %s", nic->name, strerror(-ret));
		return;
	}
	nic->connected = true;
	tell_changed(nic);
}

/* The NIC stays on its port: the guest may come back. Its link is the cable's again. */
static void driver_down(struct netvsp *nic)
{
	if (!nic->connected)
		return;
	nic->connected = false;
	if (vswitch_nic_disconnect(nic->port, 0))
		hv_log(HV_LOG_ERROR, "%s: was not connected", nic->name);
	nic->link.port_up = vswitch_port_link(nic->port);
	tell_changed(nic);
}

/* ---- what the bus calls ---- */

static void end_session(struct netvsp *nic)
{
	netvsp_channel_close(&nic->primary);
	netvsp_set_state(nic, NETVSP_CLOSED);
	driver_down(nic);
	netvsp_link_stop(nic);
	netvsp_control_reset(nic);
	netvsp_buffer_put(&nic->receive);
	netvsp_buffer_put(&nic->send);
	netvsp_slots_destroy(&nic->slots);
	nic->session = (struct netvsp_session){ .state = NETVSP_CLOSED };
}

static void on_open(void *opaque, struct vmbus_channel *ch)
{
	struct netvsp *nic = opaque;

	nic->session = (struct netvsp_session){ .frame_bytes = NVSP_FRAME_MIN_BYTES };
	nic->nic.max_frame_bytes = NVSP_FRAME_MIN_BYTES;
	nic->nic.caps = 0;
	netvsp_count(nic, NETVSP_C_OPENS);
	netvsp_set_state(nic, NETVSP_VERSION);
	vmbus_channel_opened(ch, 0);
	netvsp_channel_open(&nic->primary, ch);
}

static void on_close(void *opaque, struct vmbus_channel *ch)
{
	struct netvsp *nic = opaque;

	end_session(nic);
	vmbus_channel_closed(ch);
}

static void on_doorbell(void *opaque, struct vmbus_channel *ch)
{
	(void)ch;
	netvsp_kick(opaque);
}

static void on_gpadl_teardown(void *opaque, struct vmbus_channel *ch, struct vmbus_gpadl *gpadl)
{
	struct netvsp *nic = opaque;

	(void)ch;
	if (gpadl != nic->receive.gpadl && gpadl != nic->send.gpadl)
		return;
	netvsp_count(nic, NETVSP_C_BUFFER_TAKEN_BACK);
	if (gpadl == nic->receive.gpadl)
		netvsp_revoke_receive(nic);
	if (gpadl == nic->send.gpadl)	/* the same one may serve as both */
		netvsp_revoke_send(nic);
}

static void on_pause(void *opaque, struct vmbus_channel *ch, bool paused)
{
	struct netvsp *nic = opaque;

	(void)ch;
	if (!paused) {
		netvsp_buffer_moved(&nic->receive);
		netvsp_buffer_moved(&nic->send);
	}
	netvsp_channel_pause(&nic->primary, paused);
	netvsp_rx_update_congestion(nic);
	netvsp_link_run(nic);
}

static const struct vmbus_device_ops device_ops = {
	.open = on_open,
	.close = on_close,
	.doorbell = on_doorbell,
	.gpadl_teardown = on_gpadl_teardown,
	.pause = on_pause,
};

/* ---- ports ---- */

static void unplug(struct netvsp *nic)
{
	if (!nic->port)
		return;
	if (nic->congested)
		vswitch_port_set_congested(nic->port, false);
	nic->congested = false;
	vswitch_port_disconnect(nic->port);
	nic->connected = false;
	nic->port = NULL;
	nic->link.port_up = false;
	nic->primary.held = false;	/* the resume() will not come */
	netvsp_kick(nic);
}

static int plug(struct netvsp *nic, struct vswitch_port *port)
{
	const struct vswitch_nic_config config = {
		.name = nic->name, .friendly_name = nic->name, .vm_name = nic->vm_name, .vm_id = nic->vm_id,
		.mtu = nic->max_frame_bytes - 14, .initializing = !nic->created,
	};
	int ret;

	if (!port)
		return 0;
	ret = vswitch_nic_create(port, 0, &nic->nic, &config);
	if (ret)
		return ret;
	nic->created = true;
	nic->port = port;
	nic->link.port_up = vswitch_port_link(port);
	netvsp_driver_up(nic);
	netvsp_rx_update_congestion(nic);
	return 0;
}

int netvsp_set_port(struct netvsp *nic, struct vswitch_port *port)
{
	int ret;

	if (port == nic->port)
		return 0;
	unplug(nic);
	ret = plug(nic, port);
	netvsp_link_toggle(nic);
	return ret;
}

void netvsp_set_link(struct netvsp *nic, bool up)
{
	nic->link.admin_up = up;
	if (nic->port)
		vswitch_port_set_link(nic->port, up);
	netvsp_link_run(nic);
}

/* ---- life ---- */

static int configure(struct netvsp *nic, const struct netvsp_desc *desc)
{
	const uint32_t max_mtu = desc->max_mtu ? desc->max_mtu : NETVSP_MAX_MTU;

	if (max_mtu < NVSP_FRAME_MIN_BYTES - 14 || max_mtu > NETVSP_MAX_MTU)
		return -EINVAL;
	nic->max_frame_bytes = max_mtu + 14;
	memcpy(nic->mac, desc->mac, sizeof(nic->mac));
	nic->link_bps = desc->link_bps ? desc->link_bps : NETVSP_DEFAULT_LINK_MBPS * 1000000ull;
	nic->nic = (struct vswitch_nic){
		.kind = VSWITCH_NIC_SYNTHETIC, .max_frame_bytes = NVSP_FRAME_MIN_BYTES,
		.ops = &netvsp_nic_ops, .opaque = nic,
	};
	memcpy(nic->nic.mac, desc->mac, sizeof(nic->nic.mac));
	nic->changed = desc->changed;
	nic->cookie = desc->cookie;
	nic->name = strdup(desc->name);
	nic->vm_name = desc->vm_name ? strdup(desc->vm_name) : NULL;
	nic->vm_id = desc->vm_id ? strdup(desc->vm_id) : NULL;
	return nic->name && !nic->vm_name == !desc->vm_name && !nic->vm_id == !desc->vm_id ? 0 : -ENOMEM;
}

static int offer(struct netvsp *nic, struct vmbus *bus, const struct netvsp_desc *desc)
{
	struct vmbus_offer o = { .interface_type = NVSP_INTERFACE_TYPE };

	memcpy(o.instance, desc->instance, sizeof(o.instance));
	return vmbus_device_create(bus, &o, &device_ops, nic, &nic->dev);
}

int netvsp_create(struct hv_loop *loop, struct vmbus *bus, struct vswitch_port *port, const struct netvsp_desc *desc,
		  struct netvsp **out)
{
	struct netvsp *nic = calloc(1, sizeof(*nic));
	int ret;

	if (!nic)
		return -ENOMEM;
	nic->loop = loop;
	netvsp_control_init(nic);
	netvsp_link_init(nic);
	ret = configure(nic, desc);
	if (!ret)
		ret = netvsp_channel_create(&nic->primary, nic);
	if (!ret)
		ret = plug(nic, port);
	if (!ret)
		ret = offer(nic, bus, desc);
	if (ret)
		netvsp_destroy(nic);
	else
		*out = nic;
	return ret;
}

void netvsp_destroy(struct netvsp *nic)
{
	if (!nic)
		return;
	unplug(nic);
	vmbus_device_destroy(nic->dev);		/* closes the channel if it is open */
	netvsp_channel_destroy(&nic->primary);
	free(nic->name);
	free(nic->vm_name);
	free(nic->vm_id);
	free(nic);
}

/* ---- what the management sees ---- */

void netvsp_status(const struct netvsp *nic, struct netvsp_status *out)
{
	const struct netvsp_session *s = &nic->session;

	*out = (struct netvsp_status){
		.nvsp_version = s->version, .ndis_major = s->ndis_major, .ndis_minor = s->ndis_minor,
		.mtu = s->frame_bytes ? s->frame_bytes - 14 : 0,
		.packet_filter = s->filter.bits, .channels = s->state == NETVSP_CLOSED ? 0 : 1,
		.receive_buffers = nic->slots.count,
		.receive_buffers_free = nic->slots.free[NETVSP_POOL_CONTROL] + nic->slots.free[NETVSP_POOL_DATA],
		.open = s->state != NETVSP_CLOSED, .operational = nic->control.operational,
		.link_up = netvsp_link_up(nic),
	};
}

/* Traffic, events, and the reasons for which frames' messages were refused. */
bool netvsp_counter(const struct netvsp *nic, unsigned n, const char **name, uint64_t *value)
{
	static const char *const names[] = {
#define NETVSP_TEXT(id, text) text,
		NETVSP_COUNTERS(NETVSP_TEXT)
#undef NETVSP_TEXT
	};
	static const struct {
		const char *name;
		size_t offset;
	} traffic[] = {
		{ "to-host-frames", offsetof(struct netvsp, to_host.frames) },
		{ "to-host-bytes", offsetof(struct netvsp, to_host.bytes) },
		{ "to-host-multicast", offsetof(struct netvsp, to_host.multicast_frames) },
		{ "to-host-broadcast", offsetof(struct netvsp, to_host.broadcast_frames) },
		{ "to-guest-frames", offsetof(struct netvsp, to_guest.frames) },
		{ "to-guest-bytes", offsetof(struct netvsp, to_guest.bytes) },
		{ "to-guest-multicast", offsetof(struct netvsp, to_guest.multicast_frames) },
		{ "to-guest-broadcast", offsetof(struct netvsp, to_guest.broadcast_frames) },
	};
	const unsigned num_traffic = sizeof(traffic) / sizeof(traffic[0]);

	if (n < num_traffic) {
		*name = traffic[n].name;
		memcpy(value, (const uint8_t *)nic + traffic[n].offset, sizeof(*value));
		return true;
	}
	n -= num_traffic;
	if (n < NETVSP_NUM_COUNTERS) {
		*name = names[n];
		*value = nic->counter[n];
		return true;
	}
	n -= NETVSP_NUM_COUNTERS - 1;	/* RNDIS_OK is no refusal */
	if (n < RNDIS_NUM_REFUSALS) {
		*name = rndis_refusal_name((enum rndis_refusal)n);
		*value = nic->refused[n];
		return true;
	}
	return false;
}
