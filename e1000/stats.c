/* SPDX-License-Identifier: MIT */
/*
 * Statistics registers (13.7): cleared by reading, full counters stay full. A 64-bit one is cleared by reading its high
 * half; what its reader saw in the low half is what goes, so a frame between the two reads is neither lost nor counted
 * twice.
 */
#include "e1000/internal.h"

uint32_t e1000_stat_read(struct e1000_core *c, uint32_t offset)
{
	const uint32_t value = e1000_reg(c, offset);

	e1000_reg_set(c, offset, 0);
	return value;
}

void e1000_stat_add(struct e1000_core *c, uint32_t offset, uint32_t n)
{
	const uint32_t value = e1000_reg(c, offset);

	e1000_reg_set(c, offset, n > UINT32_MAX - value ? UINT32_MAX : value + n);
}

static struct e1000_pair *pair_at(struct e1000_core *c, uint32_t offset)
{
	switch (offset & ~7u) {
	case E1000_GORCL:
		return &c->pair[E1000_PAIR_GORC];
	case E1000_GOTCL:
		return &c->pair[E1000_PAIR_GOTC];
	case E1000_TORL:
		return &c->pair[E1000_PAIR_TOR];
	default:
		return &c->pair[E1000_PAIR_TOT];
	}
}

uint32_t e1000_pair_low_read(struct e1000_core *c, uint32_t offset)
{
	struct e1000_pair *p = pair_at(c, offset);

	p->latched = p->value;
	p->is_latched = true;
	return (uint32_t)p->value;
}

uint32_t e1000_pair_high_read(struct e1000_core *c, uint32_t offset)
{
	struct e1000_pair *p = pair_at(c, offset);
	const uint64_t seen = p->is_latched ? p->latched : p->value;

	p->value -= seen;
	p->latched = 0;
	p->is_latched = false;
	return (uint32_t)(seen >> 32);
}

void e1000_pair_add(struct e1000_core *c, enum e1000_pair_id id, uint64_t n)
{
	struct e1000_pair *p = &c->pair[id];

	p->value = n > UINT64_MAX - p->value ? UINT64_MAX : p->value + n;
}

void e1000_stats_reset(struct e1000_core *c)
{
	memset(c->pair, 0, sizeof(c->pair));
}

/* The registers of the size classes lie in a row, from 64 bytes with FCS up. */
static uint32_t size_class(uint32_t first, uint32_t bytes)
{
	static const uint16_t below[] = { 65, 128, 256, 512, 1024 };
	unsigned i = 0;

	while (i < 5 && bytes >= below[i])
		i++;
	return first + 4 * i;
}

static bool is_broadcast(const uint8_t *address)
{
	return (address[0] & address[1] & address[2] & address[3] & address[4] & address[5]) == 0xff;
}

void e1000_stats_sent(struct e1000_core *c, const uint8_t *head, uint32_t bytes, uint32_t n)
{
	e1000_stat_add(c, E1000_TPT, n);
	e1000_stat_add(c, E1000_GPTC, n);
	e1000_stat_add(c, size_class(E1000_PTC64, bytes), n);
	e1000_pair_add(c, E1000_PAIR_TOT, (uint64_t)bytes * n);
	e1000_pair_add(c, E1000_PAIR_GOTC, (uint64_t)bytes * n);
	if (is_broadcast(head))
		e1000_stat_add(c, E1000_BPTC, n);
	else if (head[0] & 1)
		e1000_stat_add(c, E1000_MPTC, n);
	c->counter[E1000_C_TX_FRAMES] += n;
	c->counter[E1000_C_TX_BYTES] += (uint64_t)bytes * n;
}

void e1000_stats_seen(struct e1000_core *c, uint32_t bytes)
{
	e1000_stat_add(c, E1000_TPR, 1);
	e1000_pair_add(c, E1000_PAIR_TOR, bytes);
}

void e1000_stats_received(struct e1000_core *c, const uint8_t *head, uint32_t bytes)
{
	e1000_stat_add(c, E1000_GPRC, 1);
	e1000_stat_add(c, size_class(E1000_PRC64, bytes), 1);
	e1000_pair_add(c, E1000_PAIR_GORC, bytes);
	if (is_broadcast(head)) {
		if (e1000_reg(c, E1000_RCTL) & E1000_RCTL_BAM)
			e1000_stat_add(c, E1000_BPRC, 1);
	} else if (head[0] & 1) {
		e1000_stat_add(c, E1000_MPRC, 1);
	}
	e1000_count(c, E1000_C_RX_FRAMES);
	c->counter[E1000_C_RX_BYTES] += bytes;
}
