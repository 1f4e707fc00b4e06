/* SPDX-License-Identifier: MIT */
/*
 * The core: a chip without a bus. Registers are read and written, frames come from the wire, time passes; memory is
 * reached, interrupts and frames go out through struct e1000_core_ops.
 *
 *    registers ──> regs.c ──┬─> reset.c, phy.c, eeprom.c, irq.c: at once
 *                           ├─> TDT: kick ──> poll: tx.c ─ descriptors ─> tx_frame.c, tso.c ─ batch ─> send()
 *                           └─> RDT: kick, if frames wait ──> poll: rx.c delivers from fifo.c
 *    wire ──> rx.c: filter.c ─┬─ descriptors there ──> guest memory ──> irq.c, once per batch
 *                             └─ none ──> fifo.c
 *    loopback: tx ──> fifo.c ──> poll: rx.c; never the one inside the other
 *
 * A frame that is sent lies in guest memory until send() returns; then its descriptors are written back. What a poll can't
 * finish (a frame whose last descriptor is still to come) is copied before descriptors are written back.
 *
 * Guest memory is read once, descriptors and headers into copies, and only those are looked at; payload is moved. Every
 * index is checked against its ring when it is used: the registers hold whatever the guest wrote. Work per call is
 * bounded by the constants in internal.h.
 *
 * Errors. A bad frame: its descriptors are consumed, nothing is sent, a counter says why. A bad ring (index beyond it, not in
 * memory): stuck until one of its registers is written or memory changes. Nothing else can fail.
 */
#include <errno.h>
#include <stdlib.h>

#include "e1000/internal.h"

static const char *const counter_names[E1000_NUM_COUNTERS] = {
#define E1000_NAME(name, text) [name] = text,
	E1000_COUNTERS(E1000_NAME)
#undef E1000_NAME
};

const char *e1000_counter_name(enum e1000_counter_id id)
{
	return counter_names[id];
}

int e1000_core_init(struct e1000_core *c, enum e1000_model model, const uint8_t mac[6], uint32_t port_queue_bytes,
		    const struct e1000_core_ops *ops, void *opaque)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->opaque = opaque;
	c->model = model;
	memcpy(c->mac_address, mac, 6);
	c->port_queue_bytes = port_queue_bytes;
	c->rx.fifo_size = E1000_PACKET_BUFFER_KIB * 1024 + port_queue_bytes;
	c->rx.fifo = malloc(c->rx.fifo_size);
	c->tx.gather = malloc(E1000_TX_GATHER_BYTES);
	c->tx.arena = malloc(E1000_TX_ARENA_BYTES);
	if (!c->rx.fifo || !c->tx.gather || !c->tx.arena) {
		e1000_core_fini(c);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		c->tx.batch.frame_at[i] = &c->tx.batch.frame[i];
	e1000_eeprom_init(c);
	e1000_core_power_on(c);
	c->counter[E1000_C_RESETS] = 0;
	return 0;
}

void e1000_core_fini(struct e1000_core *c)
{
	free(c->rx.fifo);
	free(c->tx.gather);
	free(c->tx.arena);
	memset(c, 0, sizeof(*c));
}

void e1000_core_thaw(struct e1000_core *c)
{
	uint64_t now;

	if (!c->frozen)
		return;
	c->frozen = false;
	now = c->ops->now_ns(c->opaque);
	for (unsigned t = 0; t < E1000_TIMERS; t++)
		if (c->deadline_ns[t])
			c->deadline_ns[t] += now;
	c->last_irq_ns = now - c->last_irq_ns;
	e1000_phy_thaw(c);
	e1000_timers_tell(c);
	if (c->irq_level)
		c->ops->irq(c->opaque, true);
	c->ops->kick(c->opaque);
}

bool e1000_core_poll(struct e1000_core *c)
{
	bool did;

	e1000_core_thaw(c);
	did = e1000_tx_poll(c);
	if (e1000_rx_can_drain(c))
		did |= e1000_rx_drain(c);
	return did;
}

void e1000_core_resume(struct e1000_core *c)
{
	if (!c->tx.paused)
		return;
	c->tx.paused = false;
	c->ops->kick(c->opaque);
}

static void try_again(struct e1000_core *c)
{
	c->tx.stuck = false;
	if (e1000_tx_has_work(c) || e1000_rx_can_drain(c))
		c->ops->kick(c->opaque);
}

void e1000_core_set_bus_master(struct e1000_core *c, bool on)
{
	e1000_core_thaw(c);
	c->bus_master = on;
	if (on)
		try_again(c);
}

void e1000_core_memory_changed(struct e1000_core *c)
{
	if (c->frozen)
		return;
	try_again(c);
}
