/* SPDX-License-Identifier: MIT */
/*
 * The maximum of a port: two buckets, one for the mean rate with a burst's depth, one for the rate within a burst. What a frame
 * costs moves the time at which its bucket is even; so nothing has to be filled up, and the time to go on is known.
 *
 *	even in the past (tokens) --frames--> even in the future (debt): the sender is told --that time comes--> it goes on
 */
#include "vswitch/bandwidth_internal.h"

enum {
	BURST_MIN_BYTES = 65536,	/* as the header says */
	PEAK_DEPTH_NS = 1000000,	/* our policy: what a late timer may catch up */
	BURST_DEFAULT_DIVISOR = 100,	/* 10 ms of the limit */
};

static uint64_t ns_of(uint64_t bytes, uint64_t rate_bytes)
{
	return (uint64_t)((double)bytes * (double)BANDWIDTH_NS_PER_S / (double)rate_bytes);
}

static void set_bucket(struct bucket *b, uint64_t bits, uint64_t burst_bytes, uint64_t now_ns)
{
	uint64_t debt_bytes = burst_bytes < VSWITCH_BANDWIDTH_DEBT_BYTES ? VSWITCH_BANDWIDTH_DEBT_BYTES : burst_bytes;

	*b = (struct bucket){ .rate_bytes = bits / 8 };
	if (!bits)
		return;
	b->depth_ns = ns_of(burst_bytes, b->rate_bytes);
	b->debt_ns = ns_of(debt_bytes, b->rate_bytes);
	/* Full, as far as the clock's beginning allows. */
	b->even_ns = now_ns > b->depth_ns ? now_ns - b->depth_ns : 0;
}

static uint64_t burst_bytes(const struct vswitch_port_bandwidth *s)
{
	uint64_t bytes = s->limit_bits / 8 / BURST_DEFAULT_DIVISOR;

	if (s->burst_bytes)
		return s->burst_bytes;
	return bytes < BURST_MIN_BYTES ? BURST_MIN_BYTES : bytes;
}

static void go_on(struct port_bandwidth *b)
{
	if (!b->told)
		return;
	b->told = false;
	if (b->timer.loop)
		hv_timer_cancel(&b->timer);
	congestion_go_on(b->port);
}

static void timer_fired(struct hv_timer *t)
{
	go_on(hv_container_of(t, struct port_bandwidth, timer));
}

void bandwidth_limit_changed(struct port_bandwidth *b)
{
	uint64_t now_ns = vswitch_now_ns(b->port->sw);

	b->timer.fire = timer_fired;
	set_bucket(&b->mean, b->setting.limit_bits, burst_bytes(&b->setting), now_ns);
	set_bucket(&b->peak, b->setting.burst_limit_bits, 0, now_ns);
	if (b->peak.rate_bytes)
		b->peak.depth_ns = PEAK_DEPTH_NS;
	go_on(b);
}

static void begin(struct bucket *b, uint64_t now_ns)
{
	if (b->even_ns + b->depth_ns < now_ns)
		b->even_ns = now_ns - b->depth_ns;
}

static void charge(struct bucket *b, uint32_t bytes)
{
	uint64_t cost;

	if (!b->rate_bytes)
		return;
	cost = bytes * BANDWIDTH_NS_PER_S + b->remainder;
	b->even_ns += cost / b->rate_bytes;
	b->remainder = cost % b->rate_bytes;
}

static bool in_debt(const struct bucket *b, uint64_t now_ns, uint64_t beyond_ns)
{
	return b->rate_bytes && b->even_ns > now_ns + beyond_ns;
}

uint32_t bandwidth_ingress(struct vswitch_port *from, struct vswitch_frame *const *frames, uint32_t keep)
{
	uint64_t now_ns = vswitch_now_ns(from->sw);
	struct port_bandwidth *b = from->bandwidth;
	unsigned i;

	if (!b->mean.rate_bytes)
		return keep;
	if (b->told && from->sw->loop && !b->timer.loop)	/* there was no timer */
		b->told = in_debt(&b->mean, now_ns, 0) || in_debt(&b->peak, now_ns, 0);
	begin(&b->mean, now_ns);
	begin(&b->peak, now_ns);
	for (uint32_t left = keep; left; left &= left - 1) {
		i = (unsigned)__builtin_ctz(left);
		if (b->told && (in_debt(&b->mean, now_ns, b->mean.debt_ns) || in_debt(&b->peak, now_ns, b->peak.debt_ns))) {
			drop_in(from, frames[i], VSWITCH_DROP_RATE_LIMIT, NULL);
			keep &= ~(1u << i);
			continue;
		}
		charge(&b->mean, frames[i]->len);
		charge(&b->peak, frames[i]->len);
	}
	return keep;
}

static uint64_t time_to_go_on(const struct port_bandwidth *b)
{
	return b->mean.even_ns > b->peak.even_ns ? b->mean.even_ns : b->peak.even_ns;
}

bool bandwidth_pause(struct vswitch_port *from)
{
	uint64_t now_ns = vswitch_now_ns(from->sw);
	struct port_bandwidth *b = from->bandwidth;

	if (!b->mean.rate_bytes || !from->live || (!in_debt(&b->mean, now_ns, 0) && !in_debt(&b->peak, now_ns, 0)))
		return false;
	/* Without a timer nobody would say when to go on. Then what is too much is dropped. */
	b->pauses += !b->told;
	b->told = true;
	return !from->sw->loop || !hv_timer_arm(from->sw->loop, &b->timer, time_to_go_on(b));
}

bool bandwidth_holds(const struct vswitch_port *sender)
{
	return sender->bandwidth && sender->bandwidth->told;
}

void bandwidth_tick(struct vswitch_port *port, uint64_t now_ns)
{
	if (port->bandwidth && port->bandwidth->told && time_to_go_on(port->bandwidth) <= now_ns)
		go_on(port->bandwidth);
}

void bandwidth_leave(struct vswitch_port *port)
{
	struct port_bandwidth *b = port->bandwidth;

	if (!b)
		return;
	b->told = false;
	if (b->timer.loop)
		hv_timer_cancel(&b->timer);
}
