/* SPDX-License-Identifier: MIT */
/*
 * Receive: a frame passes the filters, then it is written to the buffers of as many descriptors as it takes, or waits in the
 * FIFO until the driver lends more. One interrupt follows a batch.
 *
 * All that could fail (descriptors, their buffers) is looked at before the first byte is written.
 */
#include "e1000/internal.h"

enum {
	ETHERNET_MIN_BYTES = 60,	/* without FCS */
	TYPE_VLAN = 0x8100, TYPE_MAC_CONTROL = 0x8808, OPCODE_PAUSE = 1,
};

/* The descriptors of one frame. */
struct taken {
	unsigned n, need;		/* looked at; with buffers */
	uint32_t head;			/* ring index of the first */
	struct e1000_rx_desc desc[E1000_RX_DESCS];
	uint8_t *at[E1000_RX_DESCS];	/* where they lie */
	unsigned pieces;
	struct iovec piece[E1000_RX_PIECES];
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- the ring ---- */

uint32_t e1000_rx_ring_size(const struct e1000_core *c)
{
	return e1000_reg(c, E1000_RDLEN) / 16;
}

uint32_t e1000_rx_buffer_bytes(const struct e1000_core *c)
{
	static const uint16_t bytes[2][4] = { { 2048, 1024, 512, 256 }, { 2048, 16384, 8192, 4096 } };
	const uint32_t rctl = e1000_reg(c, E1000_RCTL);

	return bytes[!!(rctl & E1000_RCTL_BSEX)][rctl >> E1000_RCTL_BSIZE_SHIFT & 3];
}

/* From head up to, not including, tail. */
static uint32_t between(const struct e1000_core *c)
{
	const uint32_t size = e1000_rx_ring_size(c), head = e1000_reg(c, E1000_RDH), tail = e1000_reg(c, E1000_RDT);

	if (head >= size || tail >= size)
		return 0;
	return tail >= head ? tail - head : size - head + tail;
}

uint32_t e1000_rx_free(const struct e1000_core *c)
{
	const uint32_t size = e1000_rx_ring_size(c);

	if (size > E1000_RX_CACHE)
		return between(c);
	return e1000_reg(c, E1000_RDH) < size && e1000_reg(c, E1000_RDT) < size ? c->rx.fetched : 0;
}

static uint32_t threshold(const struct e1000_core *c)
{
	return e1000_rx_ring_size(c) >> (1 + (e1000_reg(c, E1000_RCTL) >> E1000_RCTL_RDMTS_SHIFT & 3));
}

/* After head, tail or size were written. */
static void lend(struct e1000_core *c, uint32_t fetched)
{
	c->rx.fetched = fetched;
	c->rx.above = e1000_rx_free(c) > threshold(c);
	if (e1000_rx_can_drain(c))
		c->ops->kick(c->opaque);
}

void e1000_rx_ring_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	lend(c, between(c));
}

void e1000_rdh_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	lend(c, between(c));
}

/*
 * The chip fetches descriptors into a cache when the tail moves on, so on a ring that fits into it the tail may come round to
 * the head without taking back what was lent. Old drivers with rings of eight live on that.
 */
void e1000_rdt_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t size = e1000_rx_ring_size(c), old = e1000_reg(c, offset);
	uint32_t fetched = c->rx.fetched;

	value &= 0xffff;
	e1000_reg_set(c, offset, value);
	if (!(e1000_reg(c, E1000_RCTL) & E1000_RCTL_EN) || old >= size || value >= size) {
		fetched = between(c);
	} else {
		fetched += value >= old ? value - old : size - old + value;
		if (fetched > size)
			fetched = size;
	}
	lend(c, fetched);
}

void e1000_rctl_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t old = e1000_reg(c, offset);

	e1000_reg_store(c, offset, value);
	if (value & ~old & E1000_RCTL_EN)
		lend(c, between(c));
	else if (old & ~value & E1000_RCTL_EN)
		e1000_fifo_clear(c, VSWITCH_DROP_NOT_READY);
}

void e1000_rx_reset(struct e1000_core *c)
{
	e1000_fifo_clear(c, VSWITCH_DROP_NOT_READY);
	c->rx.fetched = 0;
	c->rx.above = c->rx.delivered = c->rx.small = c->rx.low = c->rx.overrun = false;
}

/* Descriptor i of those that were taken is given back. The status comes last: the driver polls it. */
static void write_back(const struct taken *t, unsigned i, const struct e1000_rx_desc *d)
{
	const uint8_t *from = (const uint8_t *)d;
	const size_t status = offsetof(struct e1000_rx_desc, status);
	uint8_t *to = t->at[i];

	memcpy(to + 8, from + 8, status - 8);
	memcpy(to + status + 1, from + status + 1, 15 - status);
	__atomic_store_n(to + status, d->status, __ATOMIC_RELEASE);
}

/* n ≤ size steps on from index < size: no division, one for each frame costs as much as its copy. */
static uint32_t onward(uint32_t index, uint32_t n, uint32_t size)
{
	return index + n >= size ? index + n - size : index + n;
}

static void advance(struct e1000_core *c, uint32_t n)
{
	e1000_reg_set(c, E1000_RDH, onward(e1000_reg(c, E1000_RDH), n, e1000_rx_ring_size(c)));
	c->rx.fetched -= n < c->rx.fetched ? n : c->rx.fetched;
	if (c->rx.above && e1000_rx_free(c) <= threshold(c)) {
		c->rx.above = false;
		c->rx.low = true;
	}
}

/* Gives n descriptors from t on back without data; the last one's status and errors as said. */
static void give_back(struct e1000_core *c, const struct taken *t, unsigned n, uint8_t status, uint8_t errors)
{
	for (unsigned i = 0; i < n; i++) {
		struct e1000_rx_desc d = t->desc[i];

		d.length = d.checksum = d.special = to_le16(0);
		d.status = E1000_RXD_DD;
		d.errors = 0;
		if (i == n - 1) {
			d.status |= status;
			d.errors = errors;
		}
		write_back(t, i, &d);
	}
	advance(c, n);
}

/* ---- delivery ---- */

enum placed { PLACED, NO_ROOM, LOST };

static bool fetch(struct e1000_core *c, struct taken *t, uint32_t index)
{
	const uint64_t base = (uint64_t)e1000_reg(c, E1000_RDBAH) << 32 | e1000_reg(c, E1000_RDBAL);
	struct iovec at;
	unsigned used = 0;

	if (!c->bus_master || !e1000_dma_pieces(c, base + 16ull * index, 16, true, &at, 1, &used))
		return false;
	t->at[t->n] = at.iov_base;
	memcpy(&t->desc[t->n++], at.iov_base, 16);
	return true;
}

/* Copies descriptors until `need` have buffers. Those at the front that have none are given back at once. */
static enum placed take_descriptors(struct e1000_core *c, struct taken *t, unsigned need)
{
	const uint32_t size = e1000_rx_ring_size(c);
	uint32_t left = e1000_rx_free(c);
	unsigned leading = 0;

	t->head = e1000_reg(c, E1000_RDH);
	for (t->n = t->need = 0; left && t->need < need && t->n < E1000_RX_DESCS; left--) {
		if (!fetch(c, t, onward(t->head, t->n, size))) {
			e1000_count(c, E1000_C_RX_RING_DMA);
			return LOST;
		}
		if (le64_get(t->desc[t->n - 1].buffer))
			t->need++;
		leading += !t->need;
	}
	if (t->need == need)
		return PLACED;
	if (t->n == E1000_RX_DESCS)
		leading = t->n;
	if (leading)
		give_back(c, t, leading, 0, 0);
	if (leading < E1000_RX_DESCS)
		return NO_ROOM;
	e1000_count(c, E1000_C_RX_EMPTY_BUFFERS);
	return LOST;
}

/* Where the frame's bytes go. */
static bool map_buffers(struct e1000_core *c, struct taken *t, uint32_t total, uint32_t buffer_bytes)
{
	for (unsigned i = t->pieces = 0; i < t->n; i++) {
		const uint64_t address = le64_get(t->desc[i].buffer);
		const uint32_t n = total < buffer_bytes ? total : buffer_bytes;

		if (!address)
			continue;
		if (!e1000_dma_pieces(c, address, n, true, t->piece, E1000_RX_PIECES, &t->pieces)) {
			e1000_count(c, E1000_C_RX_DMA);
			give_back(c, t, i + 1, E1000_RXD_EOP | E1000_RXD_IXSM, E1000_RXD_RXE);
			return false;
		}
		total -= n;
	}
	return true;
}

struct writer {
	const struct iovec *piece, *end;
	uint32_t at;		/* in it */
	uint32_t crc;
	bool with_crc;
};

static void put(struct writer *w, const void *src, uint32_t n)
{
	const uint8_t *from = src;

	if (w->with_crc)
		w->crc = e1000_crc32(w->crc, src, n);
	while (n && w->piece < w->end) {	/* they hold all that is written */
		const uint32_t room = (uint32_t)w->piece->iov_len - w->at, part = n < room ? n : room;

		memcpy((uint8_t *)w->piece->iov_base + w->at, from, part);
		from += part;
		n -= part;
		w->at += part;
		if (w->at == w->piece->iov_len) {
			w->piece++;
			w->at = 0;
		}
	}
}

/* What of a tag the guest sees. */
struct tag {
	bool is_vlan;		/* 802.1Q, as VET says */
	uint16_t tci;
	bool insert;		/* from metadata into the bytes */
	bool strip;		/* out of the bytes */
};

/* Inline: returned through memory, its bytes are read as a word before they are there. */
static inline __attribute__((always_inline)) struct tag look_at_tag(const struct e1000_core *c, const struct e1000_rx_frame *f)
{
	const bool strips = e1000_reg(c, E1000_CTRL) & E1000_CTRL_VME;
	const uint32_t vet = e1000_reg(c, E1000_VET);
	struct tag t = { .tci = f->tci };

	if (f->flags & E1000_RX_TAGGED) {
		t.is_vlan = vet == TYPE_VLAN;
		t.insert = !(t.is_vlan && strips);
	} else if (be16(f->head + 12) == vet && f->head_bytes >= 18) {
		t.is_vlan = true;
		t.tci = be16(f->head + 14);
		t.strip = strips;
	}
	return t;
}

static uint32_t padding(const struct e1000_rx_frame *f)
{
	const uint32_t len = f->len + (f->flags & E1000_RX_TAGGED ? 4 : 0);

	return len < ETHERNET_MIN_BYTES ? ETHERNET_MIN_BYTES - len : 0;
}

/* Bytes on the wire, FCS included. */
static uint32_t wire_bytes(const struct e1000_rx_frame *f)
{
	return f->len + (f->flags & E1000_RX_TAGGED ? 4 : 0) + padding(f) + E1000_FCS_BYTES;
}

static void write_frame(const struct e1000_core *c, const struct taken *t, const struct e1000_rx_frame *f,
			const struct tag *tag)
{
	static const uint8_t zeros[ETHERNET_MIN_BYTES];
	struct writer w = { .piece = t->piece, .end = t->piece + t->pieces,
			    .with_crc = !(e1000_reg(c, E1000_RCTL) & E1000_RCTL_SECRC) };
	uint32_t head = 0;

	if (tag->insert || tag->strip) {
		const uint8_t bytes[4] = { TYPE_VLAN >> 8, TYPE_VLAN & 0xff, (uint8_t)(tag->tci >> 8), (uint8_t)tag->tci };

		put(&w, f->head, 12);
		if (tag->insert)
			put(&w, bytes, 4);
		head = tag->strip ? 16 : 12;
	}
	put(&w, f->head + head, f->head_bytes - head);
	for (unsigned i = 0; i < f->nsegs; i++)
		put(&w, f->segs[i].iov_base, (uint32_t)f->segs[i].iov_len);
	put(&w, zeros, padding(f));
	if (w.with_crc) {
		const le32 fcs = to_le32(w.crc);

		w.with_crc = false;
		put(&w, &fcs, 4);
	}
}

static void finish_descriptors(struct e1000_core *c, struct taken *t, const struct e1000_rx_frame *f,
			       const struct tag *tag, uint32_t total, uint32_t buffer_bytes)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct e1000_rx_desc *d = &t->desc[i];
		const uint32_t n = !le64_get(d->buffer) ? 0 : total < buffer_bytes ? total : buffer_bytes;

		total -= n;
		d->length = to_le16((uint16_t)n);
		d->checksum = d->special = to_le16(0);
		d->status = E1000_RXD_DD;
		d->errors = 0;
		if (i == t->n - 1) {
			e1000_rx_checksum(c, f, &d->status, &d->errors);
			d->status |= E1000_RXD_DD | E1000_RXD_EOP;
			if (f->flags & E1000_RX_PIF)
				d->status |= E1000_RXD_PIF;
			if (tag->is_vlan && e1000_reg(c, E1000_CTRL) & E1000_CTRL_VME) {
				d->status |= E1000_RXD_VP;
				d->special = to_le16(tag->tci);
			}
		}
		write_back(t, i, d);
	}
	advance(c, t->n);
}

static enum placed place(struct e1000_core *c, const struct e1000_rx_frame *f)
{
	const uint32_t buffer_bytes = e1000_rx_buffer_bytes(c);
	const struct tag tag = look_at_tag(c, f);
	const bool keeps_fcs = !(e1000_reg(c, E1000_RCTL) & E1000_RCTL_SECRC);
	const uint32_t total = f->len + padding(f) + (tag.insert ? 4 : 0) - (tag.strip ? 4 : 0) +
			       (keeps_fcs ? E1000_FCS_BYTES : 0);
	struct taken t;
	enum placed ret;

	ret = take_descriptors(c, &t, total <= buffer_bytes ? 1 : (total + buffer_bytes - 1) / buffer_bytes);
	if (ret != PLACED)
		return ret;
	if (!map_buffers(c, &t, total, buffer_bytes))
		return LOST;
	write_frame(c, &t, f, &tag);
	finish_descriptors(c, &t, f, &tag, total, buffer_bytes);
	e1000_stats_received(c, f->head, wire_bytes(f));
	c->rx.delivered = true;
	c->rx.small |= total <= e1000_reg(c, E1000_RSRPD);	/* never, if that is 0 */
	return PLACED;
}

/* ---- what comes from the wire ---- */

static bool enabled(const struct e1000_core *c)
{
	return e1000_reg(c, E1000_RCTL) & E1000_RCTL_EN && c->bus_master;
}

/* 802.3x (3.7.3). A software switch has no use for it, and a neighbour must not be able to stall the port. */
static bool swallow_pause(struct e1000_core *c, const struct e1000_rx_frame *f)
{
	static const uint8_t group[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x01 };

	if (be16(f->head + 12) != TYPE_MAC_CONTROL || f->head_bytes < 18 || be16(f->head + 14) != OPCODE_PAUSE ||
	    !(e1000_reg(c, E1000_CTRL) & E1000_CTRL_RFCE) ||
	    (memcmp(f->head, group, 6) && !e1000_filter_is_station(c, f->head)))
		return false;
	e1000_count(c, E1000_C_RX_PAUSE_FRAMES);
	e1000_stat_add(c, be16(f->head + 16) ? E1000_XOFFRXC : E1000_XONRXC, 1);
	return e1000_reg(c, E1000_RCTL) & E1000_RCTL_DPF;
}

/* Filters and limits. VSWITCH_DROPS: it is for us. */
static enum vswitch_drop admit(struct e1000_core *c, struct e1000_rx_frame *f)
{
	const uint32_t rctl = e1000_reg(c, E1000_RCTL), bytes = wire_bytes(f);
	const struct tag tag = look_at_tag(c, f);
	enum e1000_filter filter;

	e1000_stats_seen(c, bytes);
	if (bytes > E1000_FRAME_MAX_BYTES ||
	    (bytes > E1000_FRAME_NORMAL_BYTES && !(rctl & (E1000_RCTL_LPE | E1000_RCTL_SBP)))) {
		e1000_stat_add(c, E1000_ROC, 1);
		e1000_count(c, E1000_C_RX_TOO_LONG);
		return VSWITCH_DROP_TOO_BIG;
	}
	if (swallow_pause(c, f))
		return VSWITCH_DROP_FILTERED;
	filter = e1000_filter_address(c, f->head);
	if (filter == E1000_FILTER_DROP || (tag.is_vlan && !e1000_filter_vlan(c, tag.tci))) {
		e1000_count(c, E1000_C_RX_FILTERED);
		return VSWITCH_DROP_FILTERED;
	}
	if (filter == E1000_FILTER_IMPERFECT)
		f->flags |= E1000_RX_PIF;
	return VSWITCH_DROPS;
}

static bool keep(struct e1000_core *c, const struct e1000_rx_frame *f)
{
	if (e1000_fifo_put(c, f)) {
		e1000_count(c, E1000_C_RX_QUEUED);
		return true;
	}
	e1000_stat_add(c, E1000_MPC, 1);
	e1000_count(c, E1000_C_RX_MISSED);
	c->rx.overrun = true;
	return false;
}

enum vswitch_drop e1000_core_receive(struct e1000_core *c, const struct vswitch_frame *v)
{
	struct e1000_rx_frame f = {
		.len = v->len, .head = v->head, .head_bytes = v->head_bytes, .segs = v->segs, .nsegs = v->nsegs,
	};
	enum vswitch_drop why;

	e1000_core_thaw(c);
	if (!enabled(c)) {
		e1000_count(c, E1000_C_RX_DISABLED);
		return VSWITCH_DROP_NOT_READY;
	}
	if (e1000_tx_looped(c)) {
		e1000_count(c, E1000_C_RX_LOOPBACK);
		return VSWITCH_DROP_NOT_READY;
	}
	if (!c->link_up) {
		e1000_count(c, E1000_C_RX_NO_LINK);
		return VSWITCH_DROP_NOT_READY;
	}
	if (v->offload.flags & VSWITCH_VLAN) {
		f.flags |= E1000_RX_TAGGED;
		f.tci = v->offload.vlan_tci;
	}
	if (v->offload.flags & VSWITCH_CSUM_VALID)
		f.flags |= E1000_RX_CSUM_VALID;
	why = admit(c, &f);
	if (why != VSWITCH_DROPS)
		return why;
	if (e1000_rx_can_drain(c))
		e1000_rx_drain(c);
	if (!c->rx.fifo_frames) {
		switch (place(c, &f)) {
		case PLACED:
			return VSWITCH_DROPS;
		case LOST:
			return VSWITCH_DROP_NO_BUFFER;
		case NO_ROOM:
			break;
		}
	}
	e1000_stat_add(c, E1000_RNBC, 1);
	if (e1000_reg(c, E1000_RDH) >= e1000_rx_ring_size(c) || e1000_reg(c, E1000_RDT) >= e1000_rx_ring_size(c))
		e1000_count(c, E1000_C_RX_RING_BAD);
	return keep(c, &f) ? VSWITCH_DROPS : VSWITCH_DROP_NO_BUFFER;
}

void e1000_core_received(struct e1000_core *c)
{
	struct e1000_rx *rx = &c->rx;
	const uint32_t causes = (rx->low ? E1000_INT_RXDMT0 : 0u) | (rx->overrun ? E1000_INT_RXO : 0u);

	rx->low = rx->overrun = false;
	if (causes)
		e1000_irq_cause(c, causes);
	if (rx->delivered)
		e1000_irq_received(c, rx->small);
	rx->delivered = rx->small = false;
}

void e1000_rx_loop(struct e1000_core *c, const uint8_t *bytes, uint32_t len)
{
	struct iovec rest;
	struct e1000_rx_frame f = { .len = len, .flags = E1000_RX_LOOPED, .head = bytes, .segs = &rest };

	f.head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	rest = (struct iovec){ (void *)(uintptr_t)(bytes + f.head_bytes), len - f.head_bytes };
	f.nsegs = len > f.head_bytes;
	e1000_count(c, E1000_C_LOOPED);
	if (!enabled(c) || admit(c, &f) != VSWITCH_DROPS || !keep(c, &f))
		e1000_count(c, E1000_C_LOOP_LOST);
}

bool e1000_rx_can_drain(const struct e1000_core *c)
{
	return c->rx.fifo_frames && enabled(c) && e1000_rx_free(c);
}

bool e1000_rx_drain(struct e1000_core *c)
{
	uint8_t head[VSWITCH_HEAD_BYTES];
	struct iovec segs[2];
	struct e1000_rx_frame f;
	unsigned n;

	for (n = 0; n < E1000_RX_DRAIN_FRAMES && e1000_fifo_peek(c, &f, segs, head); n++) {
		const enum placed placed = place(c, &f);

		if (placed == NO_ROOM)
			break;
		e1000_fifo_pop(c, placed == LOST ? VSWITCH_DROP_NO_BUFFER : VSWITCH_DROPS);
	}
	e1000_core_received(c);
	return n;
}
