/* SPDX-License-Identifier: MIT */
/*
 * The state of a device as bytes. One description serves both directions, so what is written is what is read.
 *
 * A blob is hostile input: a check sum finds damage, and after that every value is checked as if the guest had written
 * it. It is read into a copy of the device, which takes the device's place only if all is well.
 *
 * Left out is what does not belong to the device (the switch's pause, bus mastering) or follows from the rest. Times are
 * saved as what is left of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "e1000/internal.h"

#define MAGIC "hvE1000"		/* and its NUL: 8 bytes */

enum {
	VERSION = 1,
	REMAINING_MAX_NS = 1000000000,	/* the longest timer runs for 68 ms */
	FIXED_BYTES = 8192,		/* all but registers and frames is less */
	FRAME_MIN_BYTES = 14,
};

struct archive {
	bool saving, bad;
	uint8_t *p;
	size_t left;
};

static void bytes(struct archive *a, void *data, size_t n)
{
	if (a->bad || n > a->left) {
		a->bad = true;
		return;
	}
	if (a->saving)
		memcpy(a->p, data, n);
	else
		memcpy(data, a->p, n);
	a->p += n;
	a->left -= n;
}

static void u32(struct archive *a, uint32_t *v)
{
	le32 raw = to_le32(*v);

	bytes(a, &raw, sizeof(raw));
	if (!a->bad)
		*v = le32_get(raw);
}

static void u64(struct archive *a, uint64_t *v)
{
	le64 raw = to_le64(*v);

	bytes(a, &raw, sizeof(raw));
	if (!a->bad)
		*v = le64_get(raw);
}

static void u16(struct archive *a, uint16_t *v)
{
	uint32_t wide = *v;

	u32(a, &wide);
	a->bad |= wide > UINT16_MAX;
	*v = (uint16_t)wide;
}

static void u8(struct archive *a, uint8_t *v, uint8_t max)
{
	bytes(a, v, 1);
	a->bad |= *v > max;
}

static void flag(struct archive *a, bool *v)
{
	uint8_t raw = *v;

	u8(a, &raw, 1);
	*v = raw & 1;
}

static void check(struct archive *a, bool good)
{
	a->bad |= !good;
}

/* ---- the parts ---- */

static void header(struct archive *a, const struct e1000_core *c)
{
	char magic[sizeof(MAGIC)] = MAGIC;
	uint32_t version = VERSION, model = c->model;

	bytes(a, magic, sizeof(magic));
	u32(a, &version);
	u32(a, &model);
	check(a, !memcmp(magic, MAGIC, sizeof(magic)) && version == VERSION && model == c->model);
}

static void registers(struct archive *a, struct e1000_core *c)
{
	for (unsigned i = 0; i < e1000_num_reg_rows; i++) {
		const struct e1000_reg_row *r = &e1000_reg_rows[i];

		for (unsigned n = 0; n < (r->count ? r->count : 1u); n++) {
			uint32_t *v = &c->reg[(r->offset + n * r->stride) / 4];

			u32(a, v);
			check(a, !(*v & ~(r->readable | r->writable)));
		}
	}
	for (unsigned i = 0; i < E1000_PAIRS; i++) {
		u64(a, &c->pair[i].value);
		u64(a, &c->pair[i].latched);
		flag(a, &c->pair[i].is_latched);
		check(a, c->pair[i].latched <= c->pair[i].value);
	}
	u32(a, &c->io_address);
}

static void eeprom(struct archive *a, struct e1000_eeprom *e)
{
	for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++)
		u16(a, &e->word[i]);
	flag(a, &e->writable);
	u8(a, &e->state, E1000_EEPROM_STATES - 1);
	u8(a, &e->opcode, 3);
	u8(a, &e->address, E1000_EEPROM_WORDS - 1);
	u8(a, &e->bits, 16);
	flag(a, &e->commit);
	u16(a, &e->shift);
	flag(a, &e->out);
}

/* The cable is not the device's. */
static void phy(struct archive *a, struct e1000_phy *p)
{
	for (unsigned i = 0; i < E1000_PHY_REGISTERS; i++)
		u16(a, &p->reg[i]);
	check(a, !(p->reg[E1000_PHY_BMCR] & ~e1000_phy_writable(E1000_PHY_BMCR)));
	flag(a, &p->an_done);
	flag(a, &p->link_latch);
	flag(a, &p->held);
}

static uint64_t remaining(const struct e1000_core *c, uint64_t now, uint64_t deadline)
{
	if (c->frozen || !deadline)
		return deadline;
	return deadline > now ? deadline - now : 1;
}

static void times(struct archive *a, struct e1000_core *c)
{
	const uint64_t now = c->ops->now_ns(c->opaque);
	uint64_t age = c->frozen ? c->last_irq_ns : now - c->last_irq_ns;

	for (unsigned t = 0; t < E1000_TIMERS; t++) {
		uint64_t left = remaining(c, now, c->deadline_ns[t]);

		u64(a, &left);
		check(a, left <= REMAINING_MAX_NS);
		if (!a->saving)
			c->deadline_ns[t] = left;
	}
	flag(a, &c->irq_ever);
	if (!c->irq_ever)
		age = 0;
	else if (age > REMAINING_MAX_NS)
		age = REMAINING_MAX_NS;
	u64(a, &age);
	check(a, age <= REMAINING_MAX_NS);
	if (!a->saving)
		c->last_irq_ns = age;
	flag(a, &c->irq_level);
	flag(a, &c->link_up);
}

static void context(struct archive *a, struct e1000_tx_context *x)
{
	u8(a, &x->ipcss, UINT8_MAX);
	u8(a, &x->ipcso, UINT8_MAX);
	u16(a, &x->ipcse);
	u8(a, &x->tucss, UINT8_MAX);
	u8(a, &x->tucso, UINT8_MAX);
	u16(a, &x->tucse);
	u8(a, &x->hdrlen, UINT8_MAX);
	u16(a, &x->mss);
	u32(a, &x->paylen);
	flag(a, &x->tcp);
	flag(a, &x->ip);
	check(a, x->paylen <= 0xfffff);
}

/* What tso.c relies on between two descriptors. */
static bool tso_sane(const struct e1000_core *c, const struct e1000_tx_frame *f)
{
	const bool complete = f->header_bytes == f->tso.hdrlen;

	if (f->bad)
		return !f->bytes;
	if (!e1000_tso_valid(c, f) || f->header_bytes > f->tso.hdrlen || f->sent_bytes > f->tso.paylen)
		return false;
	if (!complete)
		return !f->bytes && !f->sent_bytes && !f->soft;
	return (f->soft || f->tso.hdrlen <= E1000_TSO_WHOLE_HEADER_MAX) && f->bytes <= f->tso.paylen - f->sent_bytes &&
	       f->bytes < e1000_tso_portion_bytes(f);
}

static void tx_frame(struct archive *a, struct e1000_core *c)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	uint8_t kind = (uint8_t)f->kind;

	u8(a, &kind, E1000_TX_TSO);
	f->kind = (enum e1000_tx_kind)(a->bad ? E1000_TX_NONE : kind);
	if (f->kind == E1000_TX_NONE) {
		if (!a->saving)
			memset(f, 0, sizeof(*f));
		return;
	}
	flag(a, &f->bad);
	flag(a, &f->ixsm);
	flag(a, &f->txsm);
	flag(a, &f->vle);
	flag(a, &f->ifcs);
	u16(a, &f->tci);
	context(a, &f->tso);
	flag(a, &f->soft);
	flag(a, &f->surplus);
	u8(a, &f->header_bytes, E1000_TSO_HEADER_MAX);
	bytes(a, f->header, sizeof(f->header));
	u32(a, &f->sent_bytes);
	u32(a, &f->sent_segments);
	u32(a, &f->bytes);
	check(a, f->kind == E1000_TX_TSO ? tso_sane(c, f) : f->bytes <= E1000_FRAME_MAX_BYTES + E1000_FCS_BYTES);
	if (a->bad)
		return;
	if (!a->saving) {	/* between polls there are no pieces */
		f->gathered = f->bytes;
		f->gather_at = 0;
		f->first_piece = f->num_pieces = 0;
	}
	bytes(a, c->tx.gather + f->gather_at, f->bytes);
}

static bool partial_sane(const struct e1000_tx *tx)
{
	const uint32_t lower = le32_get(tx->partial_desc.lower);

	return tx->frame.kind == E1000_TX_TSO && !tx->frame.bad && tx->frame.header_bytes == tx->frame.tso.hdrlen &&
	       lower & E1000_TXD_CMD_DEXT && (lower & E1000_TXD_DTYP_MASK) == E1000_TXD_DTYP_DATA &&
	       tx->partial_offset < (lower & 0xfffff);
}

static void transmit(struct archive *a, struct e1000_core *c)
{
	struct e1000_tx *tx = &c->tx;

	context(a, &tx->checksum);
	context(a, &tx->tso);
	tx_frame(a, c);
	flag(a, &tx->partial);
	if (tx->partial) {
		u32(a, &tx->partial_offset);
		bytes(a, &tx->partial_desc, sizeof(tx->partial_desc));
		check(a, partial_sane(tx));
	}
	if (!a->saving)
		tx->stuck = tx->paused = false;
}

static void save_frame(struct archive *a, const struct e1000_rx_frame *f)
{
	struct e1000_rx_frame copy = *f;

	u32(a, &copy.len);
	u16(a, &copy.tci);
	u8(a, &copy.flags, E1000_RX_FLAGS);
	bytes(a, (void *)(uintptr_t)f->head, f->head_bytes);
	for (unsigned i = 0; i < f->nsegs; i++)
		bytes(a, f->segs[i].iov_base, f->segs[i].iov_len);
}

/* Walks through the FIFO by a copy of its indices. */
static void save_frames(struct archive *a, struct e1000_core *c)
{
	const struct e1000_rx rx = c->rx;
	uint8_t head[VSWITCH_HEAD_BYTES];
	struct e1000_rx_frame f;
	struct iovec segs[2];

	while (e1000_fifo_peek(c, &f, segs, head)) {
		save_frame(a, &f);
		e1000_fifo_pop(c, VSWITCH_DROPS);
	}
	c->rx = rx;
}

static void load_frames(struct archive *a, struct e1000_core *c, uint32_t n)
{
	for (; n && !a->bad; n--) {
		struct e1000_rx_frame f = { 0 };
		struct iovec rest;

		u32(a, &f.len);
		u16(a, &f.tci);
		u8(a, &f.flags, E1000_RX_FLAGS);
		check(a, f.len >= FRAME_MIN_BYTES && f.len <= E1000_FRAME_MAX_BYTES && f.len <= a->left);
		if (a->bad)
			return;
		f.head = a->p;
		f.head_bytes = (uint16_t)(f.len < VSWITCH_HEAD_BYTES ? f.len : VSWITCH_HEAD_BYTES);
		rest = (struct iovec){ a->p + f.head_bytes, f.len - f.head_bytes };
		f.segs = &rest;
		f.nsegs = 1;
		check(a, e1000_fifo_put(c, &f));
		a->p += f.len;
		a->left -= f.len;
	}
}

static void receive(struct archive *a, struct e1000_core *c)
{
	struct e1000_rx *rx = &c->rx;
	uint32_t frames = rx->fifo_frames, limit = rx->fifo_limit - c->port_queue_bytes;

	u32(a, &rx->fetched);
	check(a, rx->fetched <= UINT16_MAX);
	flag(a, &rx->above);
	flag(a, &rx->delivered);
	flag(a, &rx->small);
	flag(a, &rx->low);
	flag(a, &rx->overrun);
	u32(a, &limit);
	check(a, limit <= E1000_PACKET_BUFFER_KIB * 1024);
	u32(a, &frames);
	if (a->bad)
		return;
	if (a->saving) {
		save_frames(a, c);
		return;
	}
	rx->fifo_limit = limit + c->port_queue_bytes;
	rx->fifo_head = rx->fifo_used = rx->fifo_frames = 0;
	load_frames(a, c, frames);
	rx->fifo_orphans = rx->fifo_frames;
}

static void all(struct archive *a, struct e1000_core *c)
{
	header(a, c);
	registers(a, c);
	eeprom(a, &c->eeprom);
	phy(a, &c->phy);
	times(a, c);
	transmit(a, c);
	receive(a, c);
}

/* ---- both directions ---- */

int e1000_core_save(struct e1000_core *c, uint8_t **blob, size_t *n)
{
	const size_t room = FIXED_BYTES + sizeof(c->reg) + E1000_TX_GATHER_BYTES + 2 * (size_t)c->rx.fifo_size;
	struct archive a = { .saving = true, .left = room };
	uint8_t *base = malloc(room), *shrunk;
	le32 crc;

	if (!base)
		return -ENOMEM;
	a.p = base;
	all(&a, c);
	crc = to_le32(e1000_crc32(0, base, room - a.left));
	bytes(&a, &crc, sizeof(crc));
	if (a.bad) {		/* our own state is not what it should be */
		free(base);
		return -EIO;
	}
	*n = room - a.left;
	shrunk = realloc(base, *n);
	if (shrunk)
		base = shrunk;
	*blob = base;
	return 0;
}

static bool load(struct e1000_core *c, const uint8_t *blob, size_t n)
{
	struct archive a = { .p = (uint8_t *)(uintptr_t)blob };	/* only read */
	le32 crc;

	if (n < sizeof(crc))
		return false;
	a.left = n - sizeof(crc);
	memcpy(&crc, blob + a.left, sizeof(crc));
	if (le32_get(crc) != e1000_crc32(0, blob, a.left))
		return false;
	all(&a, c);
	return !a.bad && !a.left;
}

/* The copy is good: it is the device from now on. */
static void replace(struct e1000_core *c, struct e1000_core *copy)
{
	e1000_fifo_clear(c, VSWITCH_DROP_NOT_READY);
	free(c->rx.fifo);
	free(c->tx.gather);
	memcpy(copy->counter, c->counter, sizeof(c->counter));
	*c = *copy;		/* its frame_at are ours: it was a copy */
	c->frozen = true;
	c->told_deadline_ns = 0;
	c->ops->timer(c->opaque, 0);
	c->ops->irq(c->opaque, false);	/* told anew when time goes on */
}

int e1000_core_restore(struct e1000_core *c, const uint8_t *blob, size_t n)
{
	struct e1000_core *copy = malloc(sizeof(*copy));
	int ret = -ENOMEM;

	if (!copy)
		return ret;
	*copy = *c;
	copy->frozen = false;
	copy->rx.fifo = malloc(c->rx.fifo_size);
	copy->tx.gather = malloc(E1000_TX_GATHER_BYTES);
	if (copy->rx.fifo && copy->tx.gather) {
		ret = load(copy, blob, n) ? 0 : -EBADMSG;
		if (!ret) {
			replace(c, copy);
			free(copy);
			return 0;
		}
		e1000_count(c, E1000_C_RESTORE_REFUSED);
	}
	free(copy->rx.fifo);
	free(copy->tx.gather);
	free(copy);
	return ret;
}
