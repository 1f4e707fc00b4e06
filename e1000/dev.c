/* SPDX-License-Identifier: MIT */
/*
 * The PCI function: BAR 0 registers, BAR 1 the I/O window (at the place where QEMU's has it; drivers look for the first
 * I/O BAR), INTx, and what of the core needs a bus.
 *
 * No BAR is shared memory: that would make every register write wait for an answer, and INTx undoes it anyway.
 */
#include <errno.h>
#include <stdlib.h>

#include "e1000/device.h"

/*
 * Our policy. Linux makes four round trips for an interrupt, some of them after up to 50 µs of work, and waits for each: whoever is awake
 * when the request comes answers it earlier than whoever must be woken.
 */
#define AWAKE_NS 100000

enum { BAR_REGISTERS = 0, BAR_IO = 1, PAGE_BYTES = 4096 };

static const char *const model_names[E1000_MODELS] = {
	[E1000_82540EM] = "82540em",
	[E1000_82545EM] = "82545em",
	[E1000_82544GC] = "82544gc",
};

const char *e1000_model_name(enum e1000_model model)
{
	return model < E1000_MODELS ? model_names[model] : "?";
}

bool e1000_model_parse(const char *name, enum e1000_model *out)
{
	for (unsigned i = 0; i < E1000_MODELS; i++)
		if (!strcmp(name, model_names[i])) {
			*out = (enum e1000_model)i;
			return true;
		}
	return false;
}

/* ---- what the core stands on ---- */

static uint64_t core_now(void *opaque)
{
	(void)opaque;
	return hv_now_ns();
}

static void *core_dma(void *opaque, uint64_t address, uint32_t *n, bool write)
{
	struct e1000 *nic = opaque;
	void *at = vfu_dma_ptr(nic->vfu, address, *n, write);
	const uint32_t in_page = PAGE_BYTES - address % PAGE_BYTES;

	if (at || *n <= in_page)
		return at;
	/* It may go on in another map, and those begin at page boundaries. */
	*n = in_page;
	return vfu_dma_ptr(nic->vfu, address, in_page, write);
}

/* One message for each rising edge, which waits for bus mastering; INTx stays low while MSI is enabled. */
static void core_irq(void *opaque, bool high)
{
	struct e1000 *nic = opaque;
	const bool msi = nic->msi && vfu_irq_listening(nic->vfu, 0);

	vfu_intx_set_level(nic->vfu, high && !msi);
	if (high && msi && nic->core.bus_master)
		vfu_irq_raise(nic->vfu, 0);
}

static void core_timer(void *opaque, uint64_t deadline_ns)
{
	struct e1000 *nic = opaque;

	if (!deadline_ns)
		hv_timer_cancel(&nic->timer);
	else if (hv_timer_arm(nic->loop, &nic->timer, deadline_ns))
		hv_log(HV_LOG_ERROR, "%s: no memory for a timer", nic->name);
}

static void core_kick(void *opaque)
{
	struct e1000 *nic = opaque;

	hv_poller_kick(nic->loop, &nic->poller);
}

static bool core_send(void *opaque, struct vswitch_frame *const *frames, unsigned n)
{
	return e1000_nic_send(opaque, frames, n);
}

static void core_lost(void *opaque, enum vswitch_drop reason)
{
	e1000_nic_lost(opaque, reason);
}

static const struct e1000_core_ops core_ops = {
	.now_ns = core_now,
	.dma = core_dma,
	.irq = core_irq,
	.timer = core_timer,
	.kick = core_kick,
	.send = core_send,
	.lost = core_lost,
};

static void on_timer(struct hv_timer *t)
{
	e1000_core_timer(&hv_container_of(t, struct e1000, timer)->core);
}

static bool on_poll(struct hv_poller *p)
{
	struct e1000 *nic = hv_container_of(p, struct e1000, poller);
	const bool did = e1000_core_poll(&nic->core) || nic->accessed;

	nic->accessed = false;
	e1000_nic_update_congestion(nic);
	return did;
}

/* All work begins with a register write, so there is no doorbell to switch on. */
static bool on_sleep(struct hv_poller *p)
{
	(void)p;
	return true;
}

/* ---- the function ---- */

/* An access is work for the poller, which so begins to spin anew. */
static void stay_awake(struct e1000 *nic)
{
	nic->accessed = true;
	hv_poller_kick(nic->loop, &nic->poller);
}

static void bar_read(void *opaque, unsigned bar, uint64_t offset, unsigned size_bytes, uint64_t *value)
{
	struct e1000 *nic = opaque;

	stay_awake(nic);
	if (bar == BAR_REGISTERS)
		*value = e1000_core_read(&nic->core, (uint32_t)offset, size_bytes);
	else
		*value = e1000_core_io_read(&nic->core, (uint32_t)offset, size_bytes);
}

static void bar_write(void *opaque, unsigned bar, uint64_t offset, unsigned size_bytes, uint64_t value)
{
	struct e1000 *nic = opaque;

	stay_awake(nic);
	if (bar == BAR_REGISTERS)
		e1000_core_write(&nic->core, (uint32_t)offset, size_bytes, value);
	else
		e1000_core_io_write(&nic->core, (uint32_t)offset, size_bytes, value);
	e1000_nic_update_congestion(nic);
}

static void on_reset(void *opaque, enum vfu_reset_reason reason)
{
	struct e1000 *nic = opaque;

	(void)reason;
	e1000_core_power_on(&nic->core);
	e1000_nic_power_on(nic);
	e1000_nic_update_congestion(nic);
}

static void on_dma_map(void *opaque, const struct vfu_dma_range *range)
{
	struct e1000 *nic = opaque;

	(void)range;
	e1000_core_memory_changed(&nic->core);
}

static void on_command(void *opaque, bool bus_master, bool memory)
{
	struct e1000 *nic = opaque;
	const bool was = nic->core.bus_master;

	(void)memory;
	e1000_core_set_bus_master(&nic->core, bus_master);
	if (bus_master && !was)
		core_irq(nic, nic->core.irq_level);	/* the message that had to wait */
}

/* MSI was enabled or disabled: what is asserted goes the other way now. */
static void on_vectors(void *opaque)
{
	struct e1000 *nic = opaque;

	core_irq(nic, nic->core.irq_level);
}

static void on_memory_lost(void *opaque)
{
	struct e1000 *nic = opaque;

	e1000_core_set_bus_master(&nic->core, false);	/* until a reset, which the client owes us */
	hv_log(HV_LOG_ERROR, "%s: guest memory is gone", nic->name);
}

static const struct vfu_dev_ops vfu_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.reset = on_reset,
	.dma_map = on_dma_map,
	.command_changed = on_command,
	.vectors_changed = on_vectors,
	.memory_lost = on_memory_lost,
};

/* ---- capabilities ---- */

enum {
	CAP_PM = 0x01, CAP_PCIX = 0x07,
	CAPS_AT = 0x40, MSI_CAP_BYTES = 24,	/* as vfio-user lays them out */
	PCIX_AT = 0xe4,		/* Intel's drivers know its place, and don't look for it */
	PM_BYTES = 8, PCIX_BYTES = 8,
};

/*
 * Power management without PME; waking up from D3hot is a reset, as on the chip. PCI-X where STATUS says so. Returns the
 * length.
 */
static size_t make_caps(uint8_t caps[256 - CAPS_AT], enum e1000_model model, bool msi)
{
	static const uint8_t pm[PM_BYTES] = { CAP_PM, 0, 0x22, 0x00, 0x00, 0x00, 0, 0 };
	/* command: no relaxed ordering, 512-byte reads, one split; status: 64-bit, 133 MHz, bus 255, device 31 */
	static const uint8_t pcix[PCIX_BYTES] = { CAP_PCIX, 0, 0x00, 0x00, 0xf8, 0xff, 0x03, 0x00 };
	const size_t at = PCIX_AT - CAPS_AT - (msi ? MSI_CAP_BYTES : 0);

	memset(caps, 0, 256 - CAPS_AT);
	memcpy(caps, pm, sizeof(pm));
	if (model == E1000_82540EM)
		return sizeof(pm);
	caps[1] = (uint8_t)at;
	memcpy(caps + at, pcix, sizeof(pcix));
	return at + sizeof(pcix);
}

int e1000_dev_create(struct e1000 *nic, const struct e1000_desc *desc)
{
	static const uint8_t revision[E1000_MODELS] = { 2, 1, 2 };
	uint8_t caps[256 - CAPS_AT];
	const struct vfu_dev_desc d = {
		.name = desc->name, .socket_path = desc->socket_path, .mode = desc->socket_mode,
		.vendor_id = 0x8086, .device_id = e1000_device_id(desc->model),
		.subsystem_vendor_id = 0x8086, .subsystem_id = e1000_subsystem_id(desc->model),
		.class_code = 0x020000, .revision_id = revision[desc->model],
		.bar = {
			[BAR_REGISTERS] = { .kind = VFU_BAR_MEM32, .size_bytes = E1000_BAR0_BYTES },
			[BAR_IO] = { .kind = VFU_BAR_IO, .size_bytes = E1000_IO_BYTES },
		},
		.intx = true, .msi_vectors = desc->msi,
		.extra_caps = caps, .extra_caps_bytes = make_caps(caps, desc->model, desc->msi),
	};

	return vfu_dev_create(nic->loop, &d, &vfu_ops, nic, &nic->vfu);
}

void e1000_dev_destroy(struct e1000 *nic)
{
	vfu_dev_destroy(nic->vfu);
}

/* ---- the object ---- */

int e1000_create(struct hv_loop *loop, struct vswitch_port *port, const struct e1000_desc *desc, struct e1000 **out)
{
	struct e1000 *nic;
	int ret;

	if (desc->model >= E1000_MODELS)
		return -EINVAL;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return -ENOMEM;
	nic->loop = loop;
	nic->msi = desc->msi;
	nic->timer.fire = on_timer;
	nic->poller.poll = on_poll;
	nic->poller.sleep = on_sleep;
	nic->poller.spin_ns = AWAKE_NS;
	nic->changed = desc->changed;
	nic->cookie = desc->cookie;
	nic->name = strdup(desc->name);
	nic->vm_name = desc->vm_name ? strdup(desc->vm_name) : NULL;
	nic->vm_id = desc->vm_id ? strdup(desc->vm_id) : NULL;
	e1000_nic_init(nic, desc->mac);
	/* the function first: the core tells it of its interrupt from the start on */
	ret = nic->name ? e1000_dev_create(nic, desc) : -ENOMEM;
	if (!ret)
		ret = e1000_core_init(&nic->core, desc->model, desc->mac, E1000_PORT_QUEUE_BYTES, &core_ops, nic);
	if (!ret)
		ret = e1000_nic_plug(nic, port);
	if (ret)
		e1000_destroy(nic);
	else
		*out = nic;
	return ret;
}

void e1000_destroy(struct e1000 *nic)
{
	if (!nic)
		return;
	if (nic->core.ops)
		e1000_nic_unplug(nic);
	e1000_dev_destroy(nic);
	hv_poller_stop(&nic->poller);
	hv_timer_cancel(&nic->timer);
	hv_timer_cancel(&nic->move_timer);
	if (nic->core.ops)
		e1000_core_fini(&nic->core);
	free(nic->name);
	free(nic->vm_name);
	free(nic->vm_id);
	free(nic);
}

void e1000_status(const struct e1000 *nic, struct e1000_status *out)
{
	const struct e1000_core *c = &nic->core;
	const uint32_t rctl = e1000_reg(c, E1000_RCTL), low = e1000_reg(c, E1000_RAL), high = e1000_reg(c, E1000_RAH);
	bool full_duplex;

	*out = (struct e1000_status){
		.model = c->model,
		.attached = vfu_dev_attached(nic->vfu),
		.link_up = c->link_up,
		.receiving = rctl & E1000_RCTL_EN,
		.transmitting = e1000_reg(c, E1000_TCTL) & E1000_TCTL_EN,
		.station = { (uint8_t)low, (uint8_t)(low >> 8), (uint8_t)(low >> 16), (uint8_t)(low >> 24),
			     (uint8_t)high, (uint8_t)(high >> 8) },
		.promiscuous = rctl & E1000_RCTL_UPE,
		.max_frame_bytes = (rctl & E1000_RCTL_LPE ? E1000_FRAME_MAX_BYTES : E1000_FRAME_NORMAL_BYTES) -
				   E1000_FCS_BYTES,
		.receive_ring = e1000_rx_ring_size(c),
		.transmit_ring = e1000_reg(c, E1000_TDLEN) / 16,
		.receive_free = e1000_rx_free(c),
		.queued_bytes = c->rx.fifo_used,
		.interrupts = c->counter[E1000_C_INTERRUPTS],
	};
	if (c->link_up)
		e1000_phy_speed(c, &out->speed_mbps, &full_duplex);
}

bool e1000_counter(const struct e1000 *nic, unsigned n, const char **name, uint64_t *value)
{
	if (n < E1000_NUM_COUNTERS) {
		*name = e1000_counter_name((enum e1000_counter_id)n);
		*value = nic->core.counter[n];
		return true;
	}
	return vfu_dev_counter(nic->vfu, n - E1000_NUM_COUNTERS, name, value);
}

int e1000_save(struct e1000 *nic, uint8_t **blob, size_t *bytes)
{
	return e1000_core_save(&nic->core, blob, bytes);
}

int e1000_restore(struct e1000 *nic, const uint8_t *blob, size_t bytes)
{
	return e1000_core_restore(&nic->core, blob, bytes);
}
