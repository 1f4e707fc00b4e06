/* SPDX-License-Identifier: MIT */
/*
 * Causes, mask, the level of the interrupt, and the timers that hold it back.
 *
 * The level is high while a cause is set that the mask lets through, except that ITR keeps rising edges apart. Reading ICR
 * clears it whatever the mask says (13.4.17): the conditional rule is that of later chips, and QNX spins on it.
 */
#include "e1000/internal.h"

static uint32_t active(const struct e1000_core *c)
{
	return e1000_reg(c, E1000_ICR) & e1000_reg(c, E1000_IMS);
}

static void set_level(struct e1000_core *c, bool high)
{
	if (c->irq_level == high)
		return;
	c->irq_level = high;
	if (high)
		e1000_count(c, E1000_C_INTERRUPTS);
	c->ops->irq(c->opaque, high);
}

void e1000_irq_update(struct e1000_core *c)
{
	const uint64_t interval = (uint64_t)e1000_reg(c, E1000_ITR) * E1000_ITR_UNIT_NS;
	uint64_t now;

	if (!active(c)) {
		e1000_timer_stop(c, E1000_TIMER_ITR);
		set_level(c, false);
		return;
	}
	if (c->irq_level)
		return;
	now = c->ops->now_ns(c->opaque);
	if (c->irq_ever && now - c->last_irq_ns < interval) {
		e1000_timer_start(c, E1000_TIMER_ITR, c->last_irq_ns + interval - now);
		return;
	}
	e1000_timer_stop(c, E1000_TIMER_ITR);
	c->irq_ever = true;
	c->last_irq_ns = now;
	set_level(c, true);
}

void e1000_irq_cause(struct e1000_core *c, uint32_t causes)
{
	e1000_reg_set(c, E1000_ICR, e1000_reg(c, E1000_ICR) | causes);
	e1000_irq_update(c);
}

/* Causes and mask are gone already, with the registers. */
void e1000_irq_reset(struct e1000_core *c)
{
	for (unsigned t = 0; t < E1000_TIMERS; t++)
		if (t != E1000_TIMER_AN)	/* the PHY's */
			e1000_timer_stop(c, (enum e1000_timer)t);
	c->irq_ever = false;
	c->last_irq_ns = 0;
	set_level(c, false);
}

uint32_t e1000_icr_read(struct e1000_core *c, uint32_t offset)
{
	const uint32_t value = e1000_reg(c, offset);

	e1000_reg_set(c, offset, 0);
	e1000_irq_update(c);	/* before the answer: a guest that has it may unmask the line at once */
	return value;
}

void e1000_icr_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_set(c, offset, e1000_reg(c, offset) & ~value);
	e1000_irq_update(c);
}

uint32_t e1000_ics_read(struct e1000_core *c, uint32_t offset)
{
	(void)offset;
	return e1000_reg(c, E1000_ICR);		/* undocumented; VxWorks uses it */
}

void e1000_ics_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_irq_cause(c, value & 0x1ffff);
}

void e1000_ims_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_set(c, offset, e1000_reg(c, offset) | (value & 0x1ffff));
	e1000_irq_update(c);
}

void e1000_imc_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_reg_set(c, E1000_IMS, e1000_reg(c, E1000_IMS) & ~value);
	e1000_irq_update(c);
}

void e1000_itr_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	e1000_irq_update(c);
}

/* ---- delays of transmit and receive interrupts (3.2.7, 3.4.3) ---- */

static void start_delay(struct e1000_core *c, enum e1000_timer t, uint32_t reg)
{
	e1000_timer_start(c, t, (uint64_t)e1000_reg(c, reg) * E1000_DELAY_UNIT_NS);
}

static void start_absolute(struct e1000_core *c, enum e1000_timer t, uint32_t reg)
{
	if (e1000_reg(c, reg) && !c->deadline_ns[t])
		start_delay(c, t, reg);
}

static void transmitted(struct e1000_core *c)
{
	e1000_timer_stop(c, E1000_TIMER_TIDV);
	e1000_timer_stop(c, E1000_TIMER_TADV);
	e1000_irq_cause(c, E1000_INT_TXDW);
}

void e1000_irq_transmitted(struct e1000_core *c, bool now, bool late, bool reload)
{
	const bool delay = e1000_reg(c, E1000_TIDV);

	if (now || (late && !delay)) {
		transmitted(c);
	} else if (late || (reload && c->deadline_ns[E1000_TIMER_TIDV])) {
		start_delay(c, E1000_TIMER_TIDV, E1000_TIDV);
		start_absolute(c, E1000_TIMER_TADV, E1000_TADV);
	}
}

static void received(struct e1000_core *c, uint32_t more)
{
	e1000_timer_stop(c, E1000_TIMER_RDTR);
	e1000_timer_stop(c, E1000_TIMER_RADV);
	e1000_irq_cause(c, E1000_INT_RXT0 | more);
}

void e1000_irq_received(struct e1000_core *c, bool small)
{
	if (small || !e1000_reg(c, E1000_RDTR)) {
		received(c, small ? E1000_INT_SRPD : 0);
		return;
	}
	/* The 82544's one timer is absolute. */
	if (c->model == E1000_82544GC)
		start_absolute(c, E1000_TIMER_RDTR, E1000_RDTR);
	else
		start_delay(c, E1000_TIMER_RDTR, E1000_RDTR);
	start_absolute(c, E1000_TIMER_RADV, E1000_RADV);
}

void e1000_rdtr_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	if (value & E1000_RDTR_FPD)
		received(c, 0);
}

/* ---- timers ---- */

void e1000_timers_tell(struct e1000_core *c)
{
	uint64_t first = 0;

	for (unsigned t = 0; t < E1000_TIMERS; t++)
		if (c->deadline_ns[t] && (!first || c->deadline_ns[t] < first))
			first = c->deadline_ns[t];
	if (first == c->told_deadline_ns)
		return;
	c->told_deadline_ns = first;
	c->ops->timer(c->opaque, first);
}

void e1000_timer_start(struct e1000_core *c, enum e1000_timer t, uint64_t delay_ns)
{
	c->deadline_ns[t] = c->ops->now_ns(c->opaque) + delay_ns;
	e1000_timers_tell(c);
}

void e1000_timer_stop(struct e1000_core *c, enum e1000_timer t)
{
	if (!c->deadline_ns[t])
		return;
	c->deadline_ns[t] = 0;
	e1000_timers_tell(c);
}

static void fire(struct e1000_core *c, enum e1000_timer t)
{
	switch (t) {
	case E1000_TIMER_ITR:
		e1000_irq_update(c);
		break;
	case E1000_TIMER_TIDV:
	case E1000_TIMER_TADV:
		transmitted(c);
		break;
	case E1000_TIMER_RDTR:
	case E1000_TIMER_RADV:
		received(c, 0);
		break;
	case E1000_TIMER_AN:
		e1000_phy_an_done(c);
		break;
	case E1000_TIMERS:
		break;
	}
}

void e1000_core_timer(struct e1000_core *c)
{
	const uint64_t now = c->ops->now_ns(c->opaque);

	e1000_core_thaw(c);
	c->told_deadline_ns = 0;	/* the owner's timer has fired */
	for (unsigned t = 0; t < E1000_TIMERS; t++) {
		if (!c->deadline_ns[t] || c->deadline_ns[t] > now)
			continue;
		c->deadline_ns[t] = 0;
		fire(c, (enum e1000_timer)t);
	}
	e1000_timers_tell(c);
}
