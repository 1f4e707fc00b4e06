/* SPDX-License-Identifier: MIT */
/*
 * Settings and status of bandwidth: checks, sums, percentages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/bandwidth_internal.h"

#define RATE_MAX_BITS 1000000000000ull	/* as the header says */
#define BURST_MAX_BYTES (1ull << 30)
#define SHARE_UNIT_BITS 65536		/* our policy: what weight 1 stands for in mode ABSOLUTE */

static int wrong(struct vswitch_why *why, int ret, const char *field, const char *text)
{
	if (why) {
		why->field = field;
		snprintf(why->text, sizeof(why->text), "%s", text);
	}
	return ret;
}

static uint64_t rounded(uint64_t bits)
{
	return bits & ~7ull;
}

/* What the switch's setting amounts to. */

static uint64_t default_weight(const struct switch_bandwidth *b)
{
	return b->setting.default_weight ? b->setting.default_weight : VSWITCH_BANDWIDTH_DEFAULT_WEIGHT;
}

static uint64_t capacity(const struct switch_bandwidth *b)
{
	return b->setting.capacity_bits ? b->setting.capacity_bits : b->uplink_bits;
}

/* A tenth: of the capacity, or while that is not known, of what is reserved with it. */
static uint64_t default_bits(const struct switch_bandwidth *b)
{
	if (b->setting.default_reservation_bits)
		return b->setting.default_reservation_bits;
	return capacity(b) ? capacity(b) / 10 : b->reserved_bits / 9;
}

static bool too_much(const struct switch_bandwidth *b, uint64_t reserved_bits)
{
	uint64_t all = capacity(b), rest = default_bits(b);

	return all && (reserved_bits > all || rest > all - reserved_bits);
}

uint64_t bandwidth_weight(const struct vswitch_port *sender, bool *in_default)
{
	const struct switch_bandwidth *b = &sender->sw->bandwidth;
	const struct vswitch_port_bandwidth *s = sender->bandwidth ? &sender->bandwidth->setting : NULL;
	uint64_t weight;

	if (b->setting.mode == VSWITCH_BANDWIDTH_ABSOLUTE) {
		*in_default = !s || !s->reservation_bits;
		weight = (*in_default ? default_bits(b) : s->reservation_bits) / SHARE_UNIT_BITS;
	} else {
		*in_default = !s || !s->weight;
		weight = *in_default ? default_weight(b) : s->weight;
	}
	return weight ? weight : 1;
}

/* A port's setting. */

static int check_rate(uint64_t bits, const char *field, struct vswitch_why *why)
{
	if (bits > RATE_MAX_BITS)
		return wrong(why, -EINVAL, field, "more than 1 Tbit/s");
	if (bits && bits < 8)
		return wrong(why, -EINVAL, field, "less than 8 bit/s; 0 means none");
	return 0;
}

static int check_limit(const struct vswitch_port_bandwidth *s, struct vswitch_why *why)
{
	int ret = check_rate(s->limit_bits, "limit_bits", why);

	if (!ret)
		ret = check_rate(s->burst_limit_bits, "burst_limit_bits", why);
	if (ret)
		return ret;
	if (s->burst_limit_bits && !s->limit_bits)
		return wrong(why, -EINVAL, "burst_limit_bits", "without a limit there are no bursts to be limited");
	if (s->burst_limit_bits && s->burst_limit_bits < s->limit_bits)
		return wrong(why, -EINVAL, "burst_limit_bits", "below the limit, which it would replace");
	if (s->burst_bytes && !s->limit_bits)
		return wrong(why, -EINVAL, "burst_bytes", "without a limit everything is a burst");
	if (s->burst_bytes > BURST_MAX_BYTES)
		return wrong(why, -EINVAL, "burst_bytes", "more than 1 GiB");
	return 0;
}

static int check_minimum(const struct switch_bandwidth *b, const struct vswitch_port_bandwidth *s, uint64_t old,
			 struct vswitch_why *why)
{
	enum vswitch_bandwidth_mode mode = b->setting.mode;
	char text[sizeof(why->text)];
	uint64_t left;

	if (s->weight && mode != VSWITCH_BANDWIDTH_WEIGHT)
		return wrong(why, -EINVAL, "weight", mode == VSWITCH_BANDWIDTH_NONE ? "the switch has no minimum bandwidth" :
			     "the switch reserves absolute bandwidth, not weights");
	if (s->weight > VSWITCH_BANDWIDTH_WEIGHT_MAX)
		return wrong(why, -EINVAL, "weight", "not from 1 to 100; 0 means that of the default flow");
	if (s->reservation_bits && mode != VSWITCH_BANDWIDTH_ABSOLUTE)
		return wrong(why, -EINVAL, "reservation_bits", mode == VSWITCH_BANDWIDTH_NONE ?
			     "the switch has no minimum bandwidth" : "the switch reserves by weights, not absolute bandwidth");
	if (s->overcommit || s->reservation_bits <= old ||
	    !too_much(b, b->reserved_bits - old + rounded(s->reservation_bits)))
		return check_rate(s->reservation_bits, "reservation_bits", why);
	left = b->reserved_bits - old + default_bits(b);
	left = left < capacity(b) ? capacity(b) - left : 0;
	snprintf(text, sizeof(text), "%llu bit/s are left of the uplink's %llu", (unsigned long long)left,
		 (unsigned long long)capacity(b));
	return wrong(why, -ENOSPC, "reservation_bits", text);
}

int vswitch_port_check_bandwidth(const struct vswitch_port *port, const struct vswitch_port_bandwidth *setting,
				 struct vswitch_why *why)
{
	uint64_t old = port->bandwidth ? port->bandwidth->setting.reservation_bits : 0;
	int ret = check_limit(setting, why);

	return ret ? ret : check_minimum(&port->sw->bandwidth, setting, old, why);
}

int vswitch_bandwidth_check(const struct vswitch *sw, const struct vswitch_port_bandwidth *setting, struct vswitch_why *why)
{
	int ret = check_limit(setting, why);

	return ret ? ret : check_minimum(&sw->bandwidth, setting, 0, why);
}

static void add_up(struct vswitch_port *port, const struct vswitch_port_bandwidth *old,
		   const struct vswitch_port_bandwidth *fresh)
{
	struct switch_bandwidth *b = &port->sw->bandwidth;

	b->reserved_bits += fresh->reservation_bits - old->reservation_bits;
	b->weights += fresh->weight - old->weight;
}

int vswitch_port_set_bandwidth(struct vswitch_port *port, const struct vswitch_port_bandwidth *setting,
			       struct vswitch_why *why)
{
	int ret = vswitch_port_check_bandwidth(port, setting, why);
	struct vswitch_port_bandwidth s = *setting;

	if (ret)
		return ret;
	if (!port->bandwidth) {
		port->bandwidth = calloc(1, sizeof(*port->bandwidth));
		if (!port->bandwidth)
			return -ENOMEM;
		port->bandwidth->port = port;
	}
	s.limit_bits = rounded(s.limit_bits);
	s.burst_limit_bits = rounded(s.burst_limit_bits);
	s.reservation_bits = rounded(s.reservation_bits);
	add_up(port, &port->bandwidth->setting, &s);
	port->bandwidth->setting = s;
	bandwidth_limit_changed(port->bandwidth);
	return 0;
}

void vswitch_port_bandwidth(const struct vswitch_port *port, struct vswitch_port_bandwidth *out)
{
	*out = port->bandwidth ? port->bandwidth->setting : (struct vswitch_port_bandwidth){ 0 };
}

void vswitch_port_set_capacity(struct vswitch_port *port, uint64_t bits)
{
	if (bits == port->capacity_bits)
		return;
	port->sw->bandwidth.uplink_bits += bits - port->capacity_bits;
	port->capacity_bits = bits;
	policy_capacity(port->sw);
}

void bandwidth_port_gone(struct vswitch_port *port)
{
	const struct vswitch_port_bandwidth none = { 0 };

	vswitch_port_set_capacity(port, 0);
	if (!port->bandwidth)
		return;
	bandwidth_leave(port);
	add_up(port, &port->bandwidth->setting, &none);
	free(port->bandwidth);
	port->bandwidth = NULL;
}

/* The switch's setting. */

void bandwidth_init(struct vswitch *sw)
{
	sw->bandwidth = (struct switch_bandwidth){ .setting = { .mode = VSWITCH_BANDWIDTH_WEIGHT } };
}

static int check_switch(const struct vswitch *sw, const struct vswitch_bandwidth *s, struct vswitch_why *why)
{
	if (s->mode > VSWITCH_BANDWIDTH_NONE)
		return wrong(why, -EINVAL, "mode", "none of default, weight, absolute and none");
	if (s->mode != sw->bandwidth.setting.mode && !TAILQ_EMPTY(&sw->ports))
		return wrong(why, -EBUSY, "mode", "it is fixed once the switch has a port");
	if (s->default_weight && s->mode != VSWITCH_BANDWIDTH_WEIGHT)
		return wrong(why, -EINVAL, "default_weight", "the switch does not reserve by weights");
	if (s->default_weight > VSWITCH_BANDWIDTH_WEIGHT_MAX)
		return wrong(why, -EINVAL, "default_weight", "not from 1 to 100");
	if (s->default_reservation_bits && s->mode != VSWITCH_BANDWIDTH_ABSOLUTE)
		return wrong(why, -EINVAL, "default_reservation_bits", "the switch does not reserve absolute bandwidth");
	return check_rate(s->default_reservation_bits, "default_reservation_bits", why);
}

int vswitch_set_bandwidth(struct vswitch *sw, const struct vswitch_bandwidth *setting, struct vswitch_why *why)
{
	struct switch_bandwidth b = sw->bandwidth;
	struct vswitch_bandwidth s = *setting;
	int ret;

	if (!s.mode)
		s.mode = VSWITCH_BANDWIDTH_WEIGHT;
	s.default_reservation_bits = rounded(s.default_reservation_bits);
	ret = check_switch(sw, &s, why);
	if (ret)
		return ret;
	b.setting = s;
	if (s.default_reservation_bits > default_bits(&sw->bandwidth) && too_much(&b, b.reserved_bits))
		return wrong(why, -ENOSPC, "default_reservation_bits", "together with the ports' it is more than the uplink has");
	sw->bandwidth = b;
	return 0;
}

void vswitch_bandwidth(const struct vswitch *sw, struct vswitch_bandwidth *out)
{
	*out = sw->bandwidth.setting;
	if (out->mode == VSWITCH_BANDWIDTH_WEIGHT)
		out->default_weight = (uint32_t)default_weight(&sw->bandwidth);
	if (out->mode == VSWITCH_BANDWIDTH_ABSOLUTE)
		out->default_reservation_bits = default_bits(&sw->bandwidth);
}

/* Status. */

static uint32_t percent(uint64_t part, uint64_t whole)
{
	return whole ? (uint32_t)(part * 100 / whole) : 0;
}

void vswitch_bandwidth_status(const struct vswitch *sw, struct vswitch_bandwidth_status *out)
{
	const struct switch_bandwidth *b = &sw->bandwidth;

	*out = (struct vswitch_bandwidth_status){ .mode = b->setting.mode, .capacity_bits = capacity(b),
						  .uplink_bits = b->uplink_bits };
	if (out->mode == VSWITCH_BANDWIDTH_WEIGHT) {
		out->weights = b->weights + (uint32_t)default_weight(b);
		out->reserved_percent = 100;
	} else if (out->mode == VSWITCH_BANDWIDTH_ABSOLUTE) {
		out->reserved_bits = b->reserved_bits + default_bits(b);
		out->reserved_percent = percent(out->reserved_bits, out->capacity_bits);
		out->overcommitted = too_much(b, b->reserved_bits);
	}
}

void vswitch_port_bandwidth_status(const struct vswitch_port *port, struct vswitch_port_bandwidth_status *out)
{
	const struct switch_bandwidth *b = &port->sw->bandwidth;
	struct vswitch_bandwidth_status all;
	uint64_t part, whole;
	bool in_default;

	vswitch_bandwidth_status(port->sw, &all);
	*out = (struct vswitch_port_bandwidth_status){ .uplink_bytes = port->uplink_bytes };
	if (port->bandwidth) {
		out->limit_pauses = port->bandwidth->pauses;
		out->paused = port->bandwidth->told;
	}
	if (all.mode == VSWITCH_BANDWIDTH_NONE)
		return;
	part = bandwidth_weight(port, &in_default);
	whole = all.weights;
	if (all.mode == VSWITCH_BANDWIDTH_ABSOLUTE) {
		part = in_default || !port->bandwidth ? default_bits(b) : port->bandwidth->setting.reservation_bits;
		whole = all.reserved_bits;
	}
	out->share_percent = percent(part, whole);
	out->share_bits = whole ? (uint64_t)((double)all.capacity_bits * (double)part / (double)whole) : 0;
}
