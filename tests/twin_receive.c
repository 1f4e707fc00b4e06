/* SPDX-License-Identifier: MIT */
/* Steps that receive: rings and modes, filters, frames over one or several descriptors, VLAN, loopback. */
#include <string.h>

#include "e1000/e1000_hw.h"
#include "tests/twin.h"

#define MS 1000000ull

enum {
	QEMU_PAUSE_MS = 1100,	/* it takes no frame for a second after each write to RCTL */
	GUARD_BYTES = 64,	/* behind a buffer; nothing is written there */
	MAX_BURST = 8,
	ETHERNET_MAX = 1514,
};

static uint32_t desc_address(const struct twin_run *r, uint32_t i)
{
	return r->rx.base + i * (uint32_t)sizeof(struct e1000_rx_desc);
}

static uint32_t buffer_address(uint32_t i)
{
	return TWIN_RX_DATA + i * TWIN_RX_STRIDE + 32 + i % 16;
}

/* A descriptor as a driver lends it; the buffer has a pattern that frames do not. */
static void lend(struct twin_run *r, uint32_t i)
{
	struct e1000_rx_desc d = { .buffer = to_le64(buffer_address(i)) };

	memset(r->ours->ram + buffer_address(i), 0x5a, r->rx.buffer_bytes + GUARD_BYTES);
	memset(r->other->ram + buffer_address(i), 0x5a, r->rx.buffer_bytes + GUARD_BYTES);
	twin_store(r, desc_address(r, i), &d, sizeof(d));
}

static uint32_t lent(const struct twin_run *r)
{
	return (r->rx.tail + r->rx.size - r->rx.head) % r->rx.size;
}

/* Lends until there are n, or the ring is full. */
static void lend_up_to(struct twin_run *r, uint32_t n)
{
	while (lent(r) < n && lent(r) + 1 < r->rx.size) {
		lend(r, r->rx.tail);
		r->rx.tail = (r->rx.tail + 1) % r->rx.size;
	}
	twin_write(r, E1000_RDT, r->rx.tail);
}

static void set_rctl(struct twin_run *r, uint32_t rctl)
{
	r->rctl = rctl;
	twin_write(r, E1000_RCTL, rctl);
	twin_read(r, E1000_RCTL, 0xffffffff);
	twin_pass(r, QEMU_PAUSE_MS * MS);
}

static uint32_t random_modes(struct twin_run *r)
{
	static const uint32_t some[] = { E1000_RCTL_UPE, E1000_RCTL_MPE, E1000_RCTL_LPE, E1000_RCTL_VFE, E1000_RCTL_SECRC };
	uint32_t rctl = twin_between(&r->random, 0, 3) << E1000_RCTL_MO_SHIFT | twin_between(&r->random, 0, 2) << E1000_RCTL_RDMTS_SHIFT;

	if (twin_chance(&r->random, 80))
		rctl |= E1000_RCTL_BAM;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (twin_chance(&r->random, i == 3 ? 15 : 40))
			rctl |= some[i];
	return rctl;
}

/* With nothing lent yet. */
static void empty_ring(struct twin_run *r, uint32_t modes)
{
	static const struct { uint32_t bits, bytes; } sizes[] = {
		{ 0, 2048 }, { 1 << E1000_RCTL_BSIZE_SHIFT, 1024 }, { 2 << E1000_RCTL_BSIZE_SHIFT, 512 },
		{ 3 << E1000_RCTL_BSIZE_SHIFT, 256 }, { E1000_RCTL_BSEX | 1 << E1000_RCTL_BSIZE_SHIFT, 16384 },
		{ E1000_RCTL_BSEX | 2 << E1000_RCTL_BSIZE_SHIFT, 8192 }, { E1000_RCTL_BSEX | 3 << E1000_RCTL_BSIZE_SHIFT, 4096 },
	};
	uint32_t k = twin_chance(&r->random, 50) ? 0 : twin_between(&r->random, 0, 6);

	r->rx.base = TWIN_RX_RING + 16 * twin_between(&r->random, 0, 255);
	r->rx.size = 8 * twin_between(&r->random, sizes[k].bytes < 1024 ? 16 : 4, TWIN_MAX_RING / 8);
	r->rx.head = r->rx.tail = twin_between(&r->random, 0, r->rx.size - 1);
	r->rx.buffer_bytes = sizes[k].bytes;
	twin_write(r, E1000_RCTL, 0);
	twin_write(r, E1000_RDBAL, r->rx.base);
	twin_write(r, E1000_RDBAH, 0);
	twin_write(r, E1000_RDLEN, r->rx.size * (uint32_t)sizeof(struct e1000_rx_desc));
	twin_write(r, E1000_RDH, r->rx.head);
	twin_write(r, E1000_RDT, r->rx.head);
	twin_read(r, E1000_RDBAL, 0xffffffff);
	twin_read(r, E1000_RDLEN, 0xffffffff);
	set_rctl(r, E1000_RCTL_EN | sizes[k].bits | modes);
}

static void rx_setup(struct twin_run *r, uint32_t modes)
{
	empty_ring(r, modes);
	lend_up_to(r, twin_between(&r->random, 1, r->rx.size));
	twin_same_interrupts(r, 0);
}

void twin_step_rx_setup(struct twin_run *r)
{
	rx_setup(r, random_modes(r));
}

/* ---- filters ---- */

static void random_station(struct twin_run *r, uint32_t n)
{
	uint8_t *a = r->station[n];

	twin_fill(&r->random, a, 6);
	a[0] = (uint8_t)(twin_chance(&r->random, 25) ? 0x33 : 0x06);
	r->station_valid[n] = twin_chance(&r->random, 70);
	twin_write(r, E1000_RAL + 8 * n, a[0] | (uint32_t)a[1] << 8 | (uint32_t)a[2] << 16 | (uint32_t)a[3] << 24);
	twin_write(r, E1000_RAH + 8 * n, a[4] | (uint32_t)a[5] << 8 | (r->station_valid[n] ? E1000_RAH_AV : 0));
}

void twin_step_rx_filters(struct twin_run *r)
{
	unsigned n = twin_between(&r->random, 1, 24);

	for (unsigned i = 0; i < n; i++) {
		uint32_t row = twin_between(&r->random, 0, 127), value = (uint32_t)twin_random(&r->random);

		switch (twin_between(&r->random, 0, 3)) {
		case 0:
			r->mta[row] = twin_chance(&r->random, 50) ? 0 : value;
			twin_write(r, E1000_MTA + 4 * row, r->mta[row]);
			twin_read(r, E1000_MTA + 4 * row, 0xffffffff);
			break;
		case 1:
			/* small numbers, which tags have more often */
			row = twin_chance(&r->random, 70) ? row % 4 : row;
			twin_write(r, E1000_VFTA + 4 * row, value);
			twin_read(r, E1000_VFTA + 4 * row, 0xffffffff);
			break;
		default:
			random_station(r, row % 16);
			twin_read(r, E1000_RAL + 8 * (row % 16), 0xffffffff);
			twin_read_but(r, E1000_RAH + 8 * (row % 16), ~0x8003ffffu, TWIN_RULE_MASKS);
		}
	}
	if (r->rx.size && twin_chance(&r->random, 30))
		set_rctl(r, (r->rctl & ~(uint32_t)(E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_VFE |
						   E1000_RCTL_LPE | E1000_RCTL_SECRC)) | random_modes(r));
}

void twin_step_vlan(struct twin_run *r)
{
	static const uint16_t types[] = { 0x8100, 0x8100, 0x88a8, 0x9100 };

	r->ctrl ^= twin_chance(&r->random, 60) ? E1000_CTRL_VME : 0;
	r->vet = types[twin_between(&r->random, 0, 3)];
	twin_write(r, E1000_CTRL, r->ctrl);
	twin_write(r, E1000_VET, r->vet);
	twin_read(r, E1000_VET, 0xffffffff);
	twin_read_but(r, E1000_CTRL, ~0xdbfc1be9u, TWIN_RULE_MASKS);
}

/* ---- frames ---- */

static bool hash_bit(const struct twin_run *r, const uint8_t *a)
{
	static const unsigned shift[] = { 4, 3, 2, 0 };
	uint32_t v = (uint32_t)(a[5] << 8 | a[4]) >> shift[r->rctl >> E1000_RCTL_MO_SHIFT & 3] & 0xfff;

	return r->mta[v >> 5] >> (v & 31) & 1;
}

static void choose_destination(struct twin_run *r, uint8_t *to)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	twin_fill(&r->random, to, 6);
	to[0] = 0x06;
	switch (twin_between(&r->random, 0, 5)) {
	case 0:
		memcpy(to, broadcast, 6);
		r->odd_broadcasts |= !(r->rctl & E1000_RCTL_BAM);
		break;
	case 1:
		to[0] = 0x33;
		break;
	case 2:		/* somebody else's */
		break;
	default:
		memcpy(to, r->station[twin_between(&r->random, 0, twin_chance(&r->random, 50) ? 0 : 15)], 6);
		if (!to[0])
			memcpy(to, twin_mac, 6);
	}
	if (!r->rules)
		return;
	/* A unicast address that only the hash lets through (MTA), and broadcasts of which only MPE would (BROADCAST). */
	if (!(to[0] & 1) && hash_bit(r, to)) {
		memcpy(to, broadcast, 6);
		r->odd_broadcasts |= !(r->rctl & E1000_RCTL_BAM);
		r->used[TWIN_RULE_MTA]++;
	}
	if (to[0] == 0xff && !(r->rctl & E1000_RCTL_BAM) && r->rctl & E1000_RCTL_MPE) {
		to[0] = 0x33;
		r->used[TWIN_RULE_BROADCAST]++;
	}
}

static uint32_t choose_bytes(struct twin_run *r)
{
	switch (twin_between(&r->random, 0, 5)) {
	case 0:
		return twin_between(&r->random, ETHERNET_MAX - 3, ETHERNET_MAX + 6);	/* around the limit */
	case 1:
		return twin_between(&r->random, 60, 9014);
	case 2:
		return twin_between(&r->random, 1, 4) * r->rx.buffer_bytes - twin_between(&r->random, 0, 8);
	default:
		return twin_between(&r->random, 60, ETHERNET_MAX);
	}
}

/* From outside; type by chance. */
static uint32_t make_received(struct twin_run *r, uint8_t *frame)
{
	static const uint8_t outside[5] = { 0x02, 0xbb, 0, 0, 0 };
	static const uint16_t tags[] = { 0x8100, 0x8100, 0x88a8, 0x9100 };
	uint32_t len = choose_bytes(r);

	len = len < 60 ? 60 : len > 16000 ? 16000 : len;
	twin_fill(&r->random, frame, len);
	choose_destination(r, frame);
	memcpy(frame + 6, outside, 5);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	if (twin_chance(&r->random, 35)) {
		uint16_t type = tags[twin_between(&r->random, 0, 3)];

		frame[12] = (uint8_t)(type >> 8);
		frame[13] = (uint8_t)type;
		frame[14] &= twin_chance(&r->random, 60) ? 0xe0 : 0xff;
		frame[15] &= 0xfe;	/* no VLAN 4095, which our switch drops */
		frame[16] = 0x88;	/* one tag is enough for the switch */
		frame[17] = 0xb5;
		r->tags_in |= type == r->vet && r->ctrl & E1000_CTRL_VME;
	}
	return len;
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* What of a descriptor the rules hide, is made equal. */
static void hide(struct twin_run *r, uint32_t at, bool last)
{
	struct e1000_rx_desc *a = (void *)(r->ours->ram + at), *b = (void *)(r->other->ram + at);

	if (!r->rules)
		return;
	r->used[TWIN_RULE_PIF] += a->status & E1000_RXD_PIF;
	b->status |= a->status & E1000_RXD_PIF;
	b->checksum = a->checksum;
	r->used[TWIN_RULE_RX_CHECKSUM]++;
	if (!last) {
		r->used[TWIN_RULE_RX_MIDDLE] += b->status != a->status;
		b->status &= (uint8_t)~E1000_RXD_VP;
		b->special = a->special;
	}
}

/*
 * The last bytes of a frame of n bytes over descriptors first … (not n): the FCS, which QEMU leaves as it was. Ours is the
 * right one.
 */
static void check_fcs(struct twin_run *r, uint32_t first, uint32_t n)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	uint32_t got = 0, fcs;

	for (uint32_t i = first; got < n; i = (i + 1) % r->rx.size) {
		uint32_t take = n - got < r->rx.buffer_bytes ? n - got : r->rx.buffer_bytes;
		uint8_t *a = r->ours->ram + buffer_address(i), *b = r->other->ram + buffer_address(i);

		memcpy(frame + got, a, take);
		for (uint32_t k = 0; r->rules && k < take; k++)
			if (got + k >= n - 4)
				b[k] = a[k];
		got += take;
	}
	r->used[TWIN_RULE_FCS] += r->rules;
	fcs = crc32_of(frame, n - 4);
	if (memcmp(frame + n - 4, &(le32){ { (uint8_t)fcs, (uint8_t)(fcs >> 8), (uint8_t)(fcs >> 16), (uint8_t)(fcs >> 24) } }, 4))
		twin_differ(r, "the FCS in descriptor %u and on is wrong", first);
}

/* All descriptors that were used since the last look. */
static void same_received(struct twin_run *r)
{
	uint32_t head = twin_read(r, E1000_RDH, 0xffffffff), first = r->rx.head, bytes = 0, tag = 0;

	for (uint32_t i = r->rx.head; i != head && !r->failed && head < r->rx.size; i = (i + 1) % r->rx.size) {
		const struct e1000_rx_desc *d = (const void *)(r->ours->ram + desc_address(r, i));
		bool last = d->status & E1000_RXD_EOP;

		hide(r, desc_address(r, i), last);
		twin_same_memory(r, desc_address(r, i), sizeof(*d), "receive descriptor");
		bytes += le16_get(d->length);
		tag |= d->status & E1000_RXD_VP ? 4 : 0;
		if (!last || r->failed)
			continue;
		twin_count(&r->in, r->ours->ram + buffer_address(first), bytes + tag + (r->rctl & E1000_RCTL_SECRC ? 4 : 0));
		if (!(r->rctl & E1000_RCTL_SECRC) && bytes > 4 && bytes <= TWIN_MAX_FRAME)
			check_fcs(r, first, bytes);
		for (uint32_t k = first; k != (i + 1) % r->rx.size; k = (k + 1) % r->rx.size)
			twin_same_memory(r, buffer_address(k), r->rx.buffer_bytes + GUARD_BYTES, "receive buffer");
		first = (i + 1) % r->rx.size;
		bytes = tag = 0;
		r->frames_received++;
	}
	if (!r->failed && (first != head || bytes))
		twin_differ(r, "the last descriptor that was used ends no frame");
	twin_same_memory(r, r->rx.base, r->rx.size * sizeof(struct e1000_rx_desc), "receive ring");
	r->rx.head = head;
}

static uint32_t descriptors_for(const struct twin_run *r, uint32_t len)
{
	return (len + 4 + r->rx.buffer_bytes - 1) / r->rx.buffer_bytes;
}

void twin_step_rx_frames(struct twin_run *r)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	unsigned frames = twin_between(&r->random, 1, MAX_BURST);

	if (!r->rx.size)
		rx_setup(r, random_modes(r));
	while (frames-- && !r->failed) {
		uint32_t len = make_received(r, frame);

		if (descriptors_for(r, len) >= r->rx.size)
			continue;
		/* QEMU drops what it has no descriptors for; a frame that waits is a step of its own. */
		if (lent(r) < descriptors_for(r, len) + 1) {
			twin_settle(r);
			same_received(r);
			lend_up_to(r, twin_between(&r->random, descriptors_for(r, len), r->rx.size));
		}
		twin_send(r, frame, len);
		twin_settle(r);
		same_received(r);
	}
	twin_same_interrupts(r, 0);
	twin_same_wire(r, &(struct twin_sent){ 0 });
}

/* No descriptor is lent when it comes. */
void twin_step_rx_wait(struct twin_run *r)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	uint32_t len;

	empty_ring(r, random_modes(r));
	do
		len = make_received(r, frame);
	while (descriptors_for(r, len) > 1 && r->rx.buffer_bytes > 1024);
	if (descriptors_for(r, len) > 1)
		return;
	twin_send(r, frame, len);
	twin_settle(r);
	same_received(r);
	lend_up_to(r, r->rx.size);
	twin_settle(r);
	same_received(r);
	twin_same_interrupts(r, 0);
}

/* ---- loopback, by the PHY ---- */

static void set_bmcr(struct twin_run *r, uint32_t value)
{
	twin_write(r, E1000_MDIC, E1000_MDIC_OP_WRITE << E1000_MDIC_OP_SHIFT | E1000_PHY_ADDRESS << E1000_MDIC_PHY_SHIFT |
		   E1000_PHY_BMCR << E1000_MDIC_REG_SHIFT | value);
}

void twin_step_loopback(struct twin_run *r)
{
	static uint8_t frame[TWIN_MAX_FRAME];
	const uint32_t normal = E1000_BMCR_AN | E1000_BMCR_FD | E1000_BMCR_SPEED_1000;
	unsigned frames = twin_between(&r->random, 1, 4);

	if (!r->rx.size)
		rx_setup(r, random_modes(r));
	twin_tx_ready(r, 8);
	set_bmcr(r, normal | E1000_BMCR_LOOPBACK);
	r->looped = true;
	while (frames-- && !r->failed) {
		uint32_t len = make_received(r, frame), lower = 0, upper = 0;

		if (descriptors_for(r, len + 4) >= r->rx.size)
			continue;
		if (lent(r) < descriptors_for(r, len + 4) + 1)
			lend_up_to(r, r->rx.size);
		twin_tx_split(r, frame, len, 2, lower, E1000_TXD_CMD_RS, upper);
		r->sent_to_it++;
		twin_tx_go(r, &(struct twin_sent){ 0 });	/* nothing on the wire */
		same_received(r);
	}
	set_bmcr(r, normal);
	twin_same_interrupts(r, 0);
}
