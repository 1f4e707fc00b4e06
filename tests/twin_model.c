/* SPDX-License-Identifier: MIT */
/*
 * Our 8254x as a twin: e1000's core over plain memory, its wire a port of a switch whose other port keeps what comes. The
 * internal header is used because the core takes time as an argument; through vfio-user it would be the clock's.
 */
#include <stdlib.h>
#include <string.h>

#include "e1000/internal.h"
#include "tests/twin.h"

enum {
	PORT_QUEUE_BYTES = 1 << 20,
	POLL_LIMIT = 100000,		/* far beyond any script's work: a poll that never ends */
};

struct model {
	struct twin twin;
	enum e1000_model kind;
	struct e1000_core cores[2];	/* a restored one takes the other place */
	struct e1000_core *core;	/* NULL: none made yet */
	struct vswitch *sw;
	struct vswitch_port *nic_port, *wire_port;
	struct vswitch_nic nic, wire;
	uint64_t now_ns, deadline_ns;
	bool line, kicked;
};

static struct model *model_of(struct twin *t)
{
	return (struct model *)t;	/* its first member */
}

/* ---- what the core stands on ---- */

static uint64_t core_now(void *opaque)
{
	return ((struct model *)opaque)->now_ns;
}

static void *core_dma(void *opaque, uint64_t address, uint32_t *bytes, bool write)
{
	struct model *m = opaque;

	(void)write;
	if (address >= TWIN_RAM_BYTES)
		return NULL;
	if (*bytes > TWIN_RAM_BYTES - address)
		*bytes = (uint32_t)(TWIN_RAM_BYTES - address);
	return m->twin.ram + address;
}

static void core_irq(void *opaque, bool high)
{
	((struct model *)opaque)->line = high;
}

static void core_timer(void *opaque, uint64_t deadline_ns)
{
	((struct model *)opaque)->deadline_ns = deadline_ns;
}

static void core_kick(void *opaque)
{
	((struct model *)opaque)->kicked = true;
}

static bool core_send(void *opaque, struct vswitch_frame *const *frames, unsigned n)
{
	return vswitch_port_input(((struct model *)opaque)->nic_port, frames, n);
}

static void core_lost(void *opaque, enum vswitch_drop reason)
{
	vswitch_port_drop(((struct model *)opaque)->nic_port, reason, 1);
}

static const struct e1000_core_ops core_ops = {
	.now_ns = core_now, .dma = core_dma, .irq = core_irq, .timer = core_timer, .kick = core_kick, .send = core_send,
	.lost = core_lost,
};

/* ---- the switch ---- */

static void nic_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct model *m = opaque;

	for (unsigned i = 0; i < n; i++) {
		enum vswitch_drop drop = e1000_core_receive(m->core, frames[i]);

		if (drop != VSWITCH_DROPS)
			vswitch_port_drop(m->nic_port, drop, 1);
	}
}

static void nic_flush(void *opaque)
{
	e1000_core_received(((struct model *)opaque)->core);
}

static void nic_resume(void *opaque)
{
	e1000_core_resume(((struct model *)opaque)->core);
}

static const struct vswitch_nic_ops nic_ops = { .deliver = nic_deliver, .flush = nic_flush, .resume = nic_resume };

static void wire_deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct model *m = opaque;
	static uint8_t bytes[VSWITCH_FRAME_MAX_BYTES + 4];

	for (unsigned i = 0; i < n; i++) {
		vswitch_frame_copy(frames[i], 0, bytes, frames[i]->len);
		twin_wire_add(&m->twin.wire, bytes, frames[i]->len);
	}
}

static const struct vswitch_nic_ops wire_ops = { .deliver = wire_deliver };

static int make_switch(struct model *m)
{
	struct vswitch_config config = { .name = "twin" };

	m->nic = (struct vswitch_nic){ .kind = VSWITCH_NIC_EMULATED, .caps = VSWITCH_CAN_VLAN,
				       .max_frame_bytes = VSWITCH_FRAME_MAX_BYTES, .ops = &nic_ops, .opaque = m };
	m->wire = (struct vswitch_nic){ .kind = VSWITCH_NIC_EXTERNAL, .max_frame_bytes = VSWITCH_FRAME_MAX_BYTES,
					.ops = &wire_ops, .opaque = m };
	memcpy(m->nic.mac, twin_mac, 6);
	if (vswitch_create(NULL, &config, &m->sw) || vswitch_port_create(m->sw, "nic", &m->nic_port) ||
	    vswitch_port_create(m->sw, "wire", &m->wire_port) || vswitch_port_connect(m->nic_port, &m->nic) ||
	    vswitch_port_connect(m->wire_port, &m->wire))
		return -1;
	vswitch_port_allow_mac_spoofing(m->nic_port, true);
	return 0;
}

/* ---- the twin ---- */

static void work(struct model *m)
{
	unsigned polls = 0;

	while (m->kicked && !m->twin.dead) {
		m->kicked = false;
		while (e1000_core_poll(m->core) && !m->twin.dead)
			m->twin.dead = ++polls == POLL_LIMIT;
	}
}

static uint32_t model_read(struct twin *t, uint32_t offset)
{
	uint32_t v = (uint32_t)e1000_core_read(model_of(t)->core, offset, 4);

	work(model_of(t));
	return v;
}

static void model_write(struct twin *t, uint32_t offset, uint32_t value)
{
	e1000_core_write(model_of(t)->core, offset, 4, value);
	work(model_of(t));
}

static void model_send(struct twin *t, const uint8_t *frame, uint32_t len)
{
	struct model *m = model_of(t);
	uint32_t head = len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES;
	struct iovec rest = { (void *)(frame + head), len - head };
	struct vswitch_frame f = { .len = len, .head_bytes = (uint16_t)head, .nsegs = len > head, .segs = &rest };
	struct vswitch_frame *batch[1] = { &f };

	memcpy(f.head, frame, head);
	vswitch_port_input(m->wire_port, batch, 1);
	work(m);
}

static void model_step(struct twin *t, uint64_t ns)
{
	struct model *m = model_of(t);
	uint64_t end = m->now_ns + ns;

	work(m);
	while (m->deadline_ns && m->deadline_ns <= end && !t->dead) {
		uint64_t due = m->deadline_ns;

		if (due > m->now_ns)
			m->now_ns = due;
		m->deadline_ns = 0;
		e1000_core_timer(m->core);
		work(m);
	}
	m->now_ns = end;
}

static int make_core(struct model *m, struct e1000_core *core)
{
	int ret = e1000_core_init(core, m->kind, twin_mac, PORT_QUEUE_BYTES, &core_ops, m);

	if (ret)
		return ret;
	m->core = core;
	e1000_core_power_on(core);
	e1000_core_set_bus_master(core, true);
	e1000_core_set_wire(core, true);
	return 0;
}

/* The state goes out, and into a new chip: what follows must not notice. */
static void save_and_restore(struct model *m)
{
	struct e1000_core *old = m->core, *fresh = &m->cores[old == m->cores];
	uint8_t *blob = NULL, *again = NULL;
	size_t bytes = 0, bytes_again = 0;

	if (e1000_core_save(old, &blob, &bytes)) {
		m->twin.dead = true;
		return;
	}
	e1000_core_fini(old);
	m->core = NULL;
	m->kicked = false;
	if (make_core(m, fresh) || e1000_core_restore(fresh, blob, bytes) || e1000_core_save(fresh, &again, &bytes_again) ||
	    bytes != bytes_again || memcmp(blob, again, bytes) != 0)
		m->twin.dead = true;
	else
		e1000_core_thaw(fresh);		/* time goes on, as with any access */
	free(blob);
	free(again);
}

static void model_settle(struct twin *t)
{
	work(model_of(t));
	if (t->saves)
		save_and_restore(model_of(t));
	work(model_of(t));
}

static bool model_irq(struct twin *t)
{
	return model_of(t)->line;
}

static void model_link(struct twin *t, bool up)
{
	e1000_core_set_wire(model_of(t)->core, up);
	work(model_of(t));
}

static void model_reset(struct twin *t)
{
	e1000_core_power_on(model_of(t)->core);
	e1000_core_set_bus_master(model_of(t)->core, true);
	work(model_of(t));
}

static void model_destroy(struct twin *t)
{
	struct model *m = model_of(t);

	if (m->core)
		e1000_core_fini(m->core);
	vswitch_port_destroy(m->nic_port);
	vswitch_port_destroy(m->wire_port);
	vswitch_destroy(m->sw);
	free(t->ram);
	free(m);
}

static const struct twin_ops model_ops = {
	.read = model_read, .write = model_write, .send = model_send, .step = model_step, .settle = model_settle,
	.irq = model_irq, .link = model_link, .reset = model_reset, .destroy = model_destroy,
};

struct twin *twin_model_create(enum e1000_model model, bool saves)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->twin = (struct twin){ .ops = &model_ops, .name = saves ? "ours, restored" : "ours", .saves = saves };
	m->kind = model;
	m->twin.ram = calloc(1, TWIN_RAM_BYTES);
	m->now_ns = 1000000000;
	if (!m->twin.ram || make_core(m, m->cores) || make_switch(m)) {
		model_destroy(&m->twin);
		return NULL;
	}
	work(m);
	return &m->twin;
}
