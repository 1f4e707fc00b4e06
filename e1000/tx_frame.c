/* SPDX-License-Identifier: MIT */
/*
 * Transmit: the frame in assembly, from its first descriptor to its way out.
 *
 * The common frame is sent from where it lies: its first bytes copied, the rest as pieces of guest memory, a checksum that
 * is still to be made as metadata. What can't be said so (odd ranges, other tags than 802.1Q, loopback) is made
 * in memory of our own first, exactly as the chip would.
 */
#include "e1000/internal.h"

enum {
	ETHERNET_BYTES = 14, ETHERNET_MIN_BYTES = 60,
	TYPE_VLAN = 0x8100,
};

void e1000_tx_frame_begin(struct e1000_core *c, const struct e1000_tx_desc *d, enum e1000_tx_kind kind)
{
	const uint32_t lower = le32_get(d->lower), upper = le32_get(d->upper);
	struct e1000_tx_frame *f = &c->tx.frame;

	memset(f, 0, offsetof(struct e1000_tx_frame, header));
	f->kind = kind;
	f->gather_at = c->tx.batch.gather_used;
	if (kind == E1000_TX_LEGACY)
		return;
	f->ixsm = upper & E1000_TXD_POPTS_IXSM;
	f->txsm = upper & E1000_TXD_POPTS_TXSM;
	if (kind != E1000_TX_TSO)
		return;
	f->vle = lower & E1000_TXD_CMD_VLE;
	f->ifcs = lower & E1000_TXD_CMD_IFCS;
	f->tci = (uint16_t)(upper >> 16);
	f->tso = c->tx.tso;
	memset(f->header, 0, sizeof(f->header));
	if (!e1000_tso_valid(c, f)) {
		e1000_tx_frame_bad(c, E1000_C_TX_TSO_BAD);
		e1000_stat_add(c, E1000_TSCTFC, 1);
	}
}

void e1000_tx_frame_drop(struct e1000_core *c)
{
	memset(&c->tx.frame, 0, sizeof(c->tx.frame));
}

/* Forgets what it has; its descriptors go on being consumed. */
void e1000_tx_frame_bad(struct e1000_core *c, enum e1000_counter_id why)
{
	struct e1000_tx_frame *f = &c->tx.frame;

	if (f->bad)
		return;
	e1000_count(c, why);
	f->bad = true;
	f->bytes = f->gathered = 0;
	f->first_piece = f->num_pieces = 0;
}

/* ---- its bytes ---- */

void e1000_tx_frame_gather(struct e1000_core *c)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	uint8_t *gather = c->tx.gather;
	uint32_t need = f->bytes - f->gathered;

	if (!f->num_pieces)
		return;
	if (need > E1000_TX_GATHER_BYTES - f->gather_at - f->gathered) {
		if (c->tx.batch.gather_used)
			e1000_tx_flush(c);	/* frames that were sent from here */
		memmove(gather, gather + f->gather_at, f->gathered);
		f->gather_at = 0;
	}
	for (unsigned i = f->first_piece; i < f->num_pieces; i++) {
		memcpy(gather + f->gather_at + f->gathered, f->piece[i].iov_base, f->piece[i].iov_len);
		f->gathered += (uint32_t)f->piece[i].iov_len;
	}
	f->first_piece = f->num_pieces = 0;
}

/* n more bytes of the frame, at that address. false: they are not in memory. */
static bool add_bytes(struct e1000_core *c, uint64_t address, uint32_t n)
{
	struct e1000_tx_frame *f = &c->tx.frame;

	while (n) {
		uint32_t got = n;
		void *at;

		if (f->num_pieces == E1000_TX_PIECES)
			e1000_tx_frame_gather(c);
		if (!c->bus_master || n > UINT64_MAX - address)
			return false;
		at = c->ops->dma(c->opaque, address, &got, false);
		if (!at)
			return false;
		f->piece[f->num_pieces++] = (struct iovec){ at, got };
		f->bytes += got;
		address += got;
		n -= got;
	}
	return true;
}

bool e1000_tx_frame_add(struct e1000_core *c, uint64_t address, uint32_t bytes, uint32_t *offset)
{
	struct e1000_tx_frame *f = &c->tx.frame;

	if (f->kind == E1000_TX_TSO)
		return e1000_tso_add(c, address, bytes, offset);
	if (bytes > E1000_FRAME_MAX_BYTES + E1000_FCS_BYTES - f->bytes)
		e1000_tx_frame_bad(c, E1000_C_TX_TOO_LONG);
	else
		e1000_tx_add_bytes(c, address, bytes);
	return true;
}

void e1000_tx_add_bytes(struct e1000_core *c, uint64_t address, uint32_t n)
{
	if (!add_bytes(c, address, n))
		e1000_tx_frame_bad(c, E1000_C_TX_DMA);
}

unsigned e1000_tx_take_pieces(struct e1000_core *c, uint32_t n, struct iovec *out)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	unsigned used = 0;

	f->bytes -= n;
	if (n && f->gathered) {
		const uint32_t part = n < f->gathered ? n : f->gathered;

		out[used++] = (struct iovec){ c->tx.gather + f->gather_at, part };
		f->gather_at += part;
		f->gathered -= part;
		c->tx.batch.gather_used = f->gather_at;
		n -= part;
	}
	while (n) {
		struct iovec *p = &f->piece[f->first_piece];
		const size_t part = n < p->iov_len ? n : p->iov_len;

		out[used++] = (struct iovec){ p->iov_base, part };
		p->iov_base = (uint8_t *)p->iov_base + part;
		p->iov_len -= part;
		n -= (uint32_t)part;
		if (!p->iov_len)
			f->first_piece++;
	}
	if (f->first_piece == f->num_pieces)
		f->first_piece = f->num_pieces = 0;
	return used;
}

void e1000_tx_take_copy(struct e1000_core *c, uint8_t *dst, uint32_t n)
{
	struct iovec piece[E1000_TX_PIECES + 1];
	const uint32_t gather_used = c->tx.batch.gather_used;
	const unsigned used = e1000_tx_take_pieces(c, n, piece);

	for (unsigned i = 0; i < used; i++) {
		memcpy(dst, piece[i].iov_base, piece[i].iov_len);
		dst += piece[i].iov_len;
	}
	c->tx.batch.gather_used = gather_used;	/* nobody names them */
}

/* ---- frames of the batch ---- */

static bool batch_has_room(const struct e1000_tx_batch *b, unsigned segs)
{
	return b->num_frames < VSWITCH_BATCH && segs <= E1000_TX_SEGS - b->num_segs;
}

struct vswitch_frame *e1000_tx_new_frame(struct e1000_core *c, unsigned segs)
{
	struct e1000_tx_batch *b = &c->tx.batch;
	struct vswitch_frame *v;

	if (!batch_has_room(b, segs))
		e1000_tx_flush(c);
	v = &b->frame[b->num_frames++];
	v->segs = &b->seg[b->num_segs];
	v->nsegs = 0;
	v->offload = (struct vswitch_offload){ 0 };
	return v;
}

uint8_t *e1000_tx_arena(struct e1000_core *c, uint32_t n)
{
	struct e1000_tx_batch *b = &c->tx.batch;
	uint8_t *at;

	if (n > E1000_TX_ARENA_BYTES - b->arena_used || !batch_has_room(b, 1))
		e1000_tx_flush(c);
	at = c->tx.arena + b->arena_used;
	b->arena_used += n;
	return at;
}

static void put_tag_in(const struct e1000_core *c, uint8_t *frame, uint32_t len, uint16_t tci)
{
	const uint32_t vet = e1000_reg(c, E1000_VET);

	memmove(frame + 16, frame + 12, len - 12);
	frame[12] = (uint8_t)(vet >> 8);
	frame[13] = (uint8_t)vet;
	frame[14] = (uint8_t)(tci >> 8);
	frame[15] = (uint8_t)tci;
}

static uint32_t padded(const struct e1000_core *c, uint32_t len)
{
	return e1000_reg(c, E1000_TCTL) & E1000_TCTL_PSP && len < ETHERNET_MIN_BYTES ? ETHERNET_MIN_BYTES : len;
}

void e1000_tx_emit_made(struct e1000_core *c, uint8_t *bytes, uint32_t len, bool tagged, uint16_t tci)
{
	const bool looped = e1000_tx_looped(c);
	const bool in_bytes = tagged && (looped || e1000_reg(c, E1000_VET) != TYPE_VLAN);
	struct vswitch_frame *v;

	memset(bytes + len, 0, padded(c, len) - len);
	len = padded(c, len);
	e1000_stats_sent(c, bytes, len + (tagged ? 4 : 0) + E1000_FCS_BYTES, 1);
	c->tx.made++;
	if (in_bytes) {
		put_tag_in(c, bytes, len, tci);
		len += 4;
	}
	if (looped) {
		e1000_rx_loop(c, bytes, len);
		return;
	}
	v = e1000_tx_new_frame(c, 1);	/* the arena has seen to it that there is room */
	v->len = len;
	v->head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	memcpy(v->head, bytes, v->head_bytes);
	if (len > v->head_bytes) {
		c->tx.batch.seg[c->tx.batch.num_segs++] = (struct iovec){ bytes + v->head_bytes, len - v->head_bytes };
		v->nsegs = 1;
	}
	if (tagged && !in_bytes) {
		v->offload.flags |= VSWITCH_VLAN;
		v->offload.vlan_tci = tci;
	}
}

/* ---- a frame without TSO ---- */

struct range {			/* of a checksum */
	bool wanted;
	uint32_t start, end, at;	/* end 0: the last byte */
};

/* What the frame's last descriptor says, and the context. */
struct orders {
	uint32_t len;
	bool tagged;
	uint16_t tci;
	struct range transport, ip;
};

static bool read_orders(struct e1000_core *c, const struct e1000_tx_desc *last, struct orders *o)
{
	const uint32_t lower = le32_get(last->lower), upper = le32_get(last->upper);
	const struct e1000_tx_context *x = &c->tx.checksum;
	const struct e1000_tx_frame *f = &c->tx.frame;

	*o = (struct orders){ .len = f->bytes, .tci = (uint16_t)(upper >> 16) };
	o->tagged = lower & E1000_TXD_CMD_VLE && e1000_reg(c, E1000_CTRL) & E1000_CTRL_VME;
	if (!(lower & E1000_TXD_CMD_IFCS) && !o->tagged) {	/* the driver's own FCS; a tag implies a new one */
		if (o->len < E1000_FCS_BYTES)
			o->len = 0;
		else
			o->len -= E1000_FCS_BYTES;
	}
	if (o->len < ETHERNET_BYTES || o->len > E1000_FRAME_MAX_BYTES) {
		e1000_count(c, o->len < ETHERNET_BYTES ? E1000_C_TX_TOO_SHORT : E1000_C_TX_TOO_LONG);
		return false;
	}
	if (f->kind == E1000_TX_LEGACY) {
		if (lower & E1000_TXD_CMD_IC)
			o->transport = (struct range){ true, upper >> 8 & 0xff, 0, lower >> 16 & 0xff };
		return true;
	}
	if (f->txsm)
		o->transport = (struct range){ true, x->tucss, x->tucse, x->tucso };
	if (f->ixsm)
		o->ip = (struct range){ true, x->ipcss, x->ipcse, x->ipcso };
	return true;
}

/* Whether the switch can make the transport checksum later, from bytes that it copies. */
static bool can_be_partial(const struct orders *o, const uint8_t *head, uint32_t head_bytes)
{
	const struct range *t = &o->transport;
	const uint32_t headers = head[12] == TYPE_VLAN >> 8 && head[13] == (TYPE_VLAN & 0xff) ? 18 : 14;

	return !t->end && t->start >= headers && t->start < head_bytes && t->at >= t->start && t->at < head_bytes &&
	       head_bytes - t->at >= 2;
}

/* Whether the IP header's can be made in the copy of the frame's first bytes, before the transport's. */
static bool can_be_made_in_head(const struct orders *o, uint32_t head_bytes)
{
	const struct range *ip = &o->ip;

	if (!ip->end || ip->start > ip->end || ip->end >= head_bytes || ip->at >= head_bytes || head_bytes - ip->at < 2)
		return false;
	return !o->transport.wanted || (ip->end < o->transport.start && ip->at + 2 <= o->transport.start);
}

static void insert(struct e1000_core *c, uint8_t *frame, uint32_t len, const struct range *r, bool never_zero)
{
	if (r->wanted && !e1000_insert_checksum(frame, len, r->start, r->end, r->at, never_zero))
		e1000_count(c, E1000_C_TX_CSUM_SKIPPED);
}

static void make_plain(struct e1000_core *c, const struct orders *o)
{
	uint8_t *bytes = e1000_tx_arena(c, o->len + ETHERNET_MIN_BYTES + 4);

	e1000_count(c, E1000_C_TX_COPIED);
	e1000_tx_take_copy(c, bytes, o->len);
	insert(c, bytes, o->len, &o->transport, true);
	insert(c, bytes, o->len, &o->ip, false);
	e1000_tx_emit_made(c, bytes, o->len, o->tagged, o->tci);
}

static void peek(const struct e1000_core *c, uint8_t *dst, uint32_t n)
{
	const struct e1000_tx_frame *f = &c->tx.frame;
	uint32_t part = n < f->gathered ? n : f->gathered;

	memcpy(dst, c->tx.gather + f->gather_at, part);
	for (unsigned i = f->first_piece; part < n; i++) {
		const uint32_t have = (uint32_t)f->piece[i].iov_len, m = n - part < have ? n - part : have;

		memcpy(dst + part, f->piece[i].iov_base, m);
		part += m;
	}
}

static void send_plain(struct e1000_core *c, const struct orders *o)
{
	const uint32_t head_bytes = o->len < VSWITCH_HEAD_BYTES ? o->len : VSWITCH_HEAD_BYTES;
	struct e1000_tx_frame *f = &c->tx.frame;
	const unsigned segs = f->num_pieces - f->first_piece + !!f->gathered;
	struct iovec skipped[E1000_TX_PIECES + 1];
	struct vswitch_frame *v;

	if (e1000_tx_looped(c) || (o->tagged && e1000_reg(c, E1000_VET) != TYPE_VLAN)) {
		make_plain(c, o);
		return;
	}
	v = e1000_tx_new_frame(c, segs);
	peek(c, v->head, head_bytes);
	if ((o->transport.wanted && !can_be_partial(o, v->head, head_bytes)) ||
	    (o->ip.wanted && !can_be_made_in_head(o, head_bytes))) {
		c->tx.batch.num_frames--;
		make_plain(c, o);
		return;
	}
	e1000_tx_take_pieces(c, head_bytes, skipped);
	v->head_bytes = (uint16_t)head_bytes;
	v->len = o->len;
	v->nsegs = (uint16_t)e1000_tx_take_pieces(c, o->len - head_bytes, &c->tx.batch.seg[c->tx.batch.num_segs]);
	c->tx.batch.num_segs += v->nsegs;
	if (padded(c, v->len) > v->len) {
		memset(v->head + v->len, 0, padded(c, v->len) - v->len);
		v->len = padded(c, v->len);
		v->head_bytes = (uint16_t)v->len;
	}
	insert(c, v->head, head_bytes, &o->ip, false);
	if (o->transport.wanted) {
		v->offload.flags |= VSWITCH_CSUM_PARTIAL;
		v->offload.csum_start = (uint16_t)o->transport.start;
		v->offload.csum_offset = (uint16_t)(o->transport.at - o->transport.start);
	}
	if (o->tagged) {
		v->offload.flags |= VSWITCH_VLAN;
		v->offload.vlan_tci = o->tci;
	}
	e1000_stats_sent(c, v->head, v->len + (o->tagged ? 4 : 0) + E1000_FCS_BYTES, 1);
	c->tx.made++;
}

bool e1000_tx_may_send(struct e1000_core *c)
{
	if (c->link_up || e1000_tx_looped(c))
		return true;
	e1000_count(c, E1000_C_TX_NO_LINK);
	return false;
}

void e1000_tx_frame_end(struct e1000_core *c, const struct e1000_tx_desc *last)
{
	struct e1000_tx_frame *f = &c->tx.frame;
	struct orders o;

	if (f->kind == E1000_TX_TSO)
		e1000_tso_end(c);
	else if (!f->bad && read_orders(c, last, &o) && e1000_tx_may_send(c))
		send_plain(c, &o);
	f->kind = E1000_TX_NONE;
	f->bytes = f->gathered = 0;
	f->first_piece = f->num_pieces = 0;
}
