/* SPDX-License-Identifier: MIT */
/*
 * Transmit: the ring. Descriptors are copied, worked on, and written back once the frames that they are part of were sent.
 *
 * Of a batch, first all frames go out, then the descriptors with RS get DD, then one interrupt is asked for. Descriptors of
 * a frame in assembly may be written back before it is complete, if its bytes have been copied: that happens at the end of
 * a poll and when there is no room to remember more of them.
 */
#include "e1000/internal.h"

#define WRITE_BACK_IDE (1u << 31)

static uint32_t ring_size(const struct e1000_core *c)
{
	return e1000_reg(c, E1000_TDLEN) / 16;
}

static uint64_t ring_base(const struct e1000_core *c)
{
	return (uint64_t)e1000_reg(c, E1000_TDBAH) << 32 | e1000_reg(c, E1000_TDBAL);
}

bool e1000_tx_looped(const struct e1000_core *c)
{
	/* LBM 01 is the MAC's loopback, 11 the transceiver's; one of them does what both do. */
	return e1000_reg(c, E1000_RCTL) >> E1000_RCTL_LBM_SHIFT & 1 || e1000_phy_loopback(c);
}

bool e1000_tx_has_work(const struct e1000_core *c)
{
	return e1000_reg(c, E1000_TCTL) & E1000_TCTL_EN && c->bus_master && !c->tx.paused && !c->tx.stuck &&
	       e1000_reg(c, E1000_TDH) != e1000_reg(c, E1000_TDT);
}

static void kick(struct e1000_core *c)
{
	if (e1000_tx_has_work(c))
		c->ops->kick(c->opaque);
}

static void stick(struct e1000_core *c, enum e1000_counter_id why)
{
	c->tx.stuck = true;
	e1000_count(c, why);
}

/* ---- registers ---- */

void e1000_tx_reset(struct e1000_core *c)
{
	struct e1000_tx *tx = &c->tx;

	tx->stuck = tx->partial = false;
	tx->partial_offset = 0;
	memset(&tx->partial_desc, 0, sizeof(tx->partial_desc));
	memset(&tx->checksum, 0, sizeof(tx->checksum));
	memset(&tx->tso, 0, sizeof(tx->tso));
	memset(&tx->frame, 0, sizeof(tx->frame));
}

/* The driver has moved the head: what was assembled belongs to descriptors that are none any more. */
static void abandon(struct e1000_core *c)
{
	c->tx.partial = false;
	if (c->tx.frame.kind == E1000_TX_NONE)
		return;
	e1000_count(c, E1000_C_TX_ABANDONED);
	e1000_tx_frame_drop(c);
}

void e1000_tctl_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	const uint32_t old = e1000_reg(c, offset);

	e1000_reg_store(c, offset, value & ~(uint32_t)E1000_TCTL_SWXOFF);
	if (old & ~value & E1000_TCTL_EN)
		abandon(c);
	c->tx.stuck = false;
	kick(c);
}

void e1000_tx_ring_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	c->tx.stuck = false;
	kick(c);
}

void e1000_tdh_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	abandon(c);
	c->tx.stuck = false;
	kick(c);
}

void e1000_tdt_write(struct e1000_core *c, uint32_t offset, uint32_t value)
{
	e1000_reg_store(c, offset, value);
	e1000_count(c, E1000_C_TX_DOORBELLS);
	c->tx.stuck = false;
	kick(c);
}

/* ---- write-back ---- */

static bool set_done(struct e1000_core *c, uint8_t *ring, uint32_t index)
{
	const uint32_t status = offsetof(struct e1000_tx_desc, upper);
	struct iovec at;
	unsigned used = 0;
	uint8_t *p;

	if (ring) {
		p = ring + 16ull * index + status;
	} else {
		if (!e1000_dma_pieces(c, ring_base(c) + 16ull * index + status, 1, true, &at, 1, &used))
			return false;
		p = at.iov_base;
	}
	/* The other bits are the driver's; publishes that the buffer is its own again. */
	__atomic_store_n(p, (uint8_t)(__atomic_load_n(p, __ATOMIC_RELAXED) | E1000_TXD_STA_DD), __ATOMIC_RELEASE);
	return true;
}

static void write_back(struct e1000_core *c)
{
	struct e1000_tx_batch *b = &c->tx.batch;
	/* Those of the frame in assembly wait while its bytes lie in guest memory. */
	const unsigned n = c->tx.frame.num_pieces ? b->open : b->num_write_backs;
	const uint32_t size = ring_size(c);
	bool now = false, late = false, good = true;
	struct iovec ring = { 0 };
	unsigned used = 0;

	if (n && !e1000_dma_pieces(c, ring_base(c), size * 16, true, &ring, 1, &used))
		ring.iov_base = NULL;		/* not in one piece */
	for (unsigned i = 0; i < n; i++) {
		const uint32_t index = b->write_back[i] & ~WRITE_BACK_IDE;

		good &= index < size && set_done(c, ring.iov_base, index);
		if (b->write_back[i] & WRITE_BACK_IDE)
			late = true;
		else
			now = true;
	}
	memmove(b->write_back, b->write_back + n, (b->num_write_backs - n) * sizeof(b->write_back[0]));
	b->num_write_backs -= n;
	b->open -= n < b->open ? n : b->open;
	if (!good)
		stick(c, E1000_C_TX_RING_DMA);
	if (now || late || b->delays)
		e1000_irq_transmitted(c, now, late, b->delays);
	b->delays = false;
}

void e1000_tx_flush(struct e1000_core *c)
{
	struct e1000_tx_batch *b = &c->tx.batch;

	if (b->num_frames && c->ops->send(c->opaque, b->frame_at, b->num_frames)) {
		c->tx.paused = true;
		e1000_count(c, E1000_C_TX_PAUSES);
	}
	b->num_frames = b->num_segs = 0;
	b->arena_used = b->gather_used = 0;
	write_back(c);
}

/* ---- descriptors ---- */

static void consumed(struct e1000_core *c, const struct e1000_tx_desc *d)
{
	struct e1000_tx_batch *b = &c->tx.batch;
	const uint32_t lower = le32_get(d->lower), head = e1000_reg(c, E1000_TDH);
	const uint32_t late = lower & E1000_TXD_CMD_IDE ? WRITE_BACK_IDE : 0;

	c->tx.partial = false;
	b->delays |= late;
	if (lower & E1000_TXD_CMD_RS) {
		if (b->num_write_backs == E1000_TX_WRITE_BACKS) {
			e1000_tx_frame_gather(c);
			e1000_tx_flush(c);
		}
		b->write_back[b->num_write_backs++] = head | late;
	}
	e1000_reg_set(c, E1000_TDH, head + 1 == ring_size(c) ? 0 : head + 1);
}

static void take_context(struct e1000_core *c, const struct e1000_tx_desc *d)
{
	const uint32_t lower = le32_get(d->lower), upper = le32_get(d->upper);
	const uint8_t *b = d->buffer.b;
	const struct e1000_tx_context context = {
		.ipcss = b[0], .ipcso = b[1], .ipcse = (uint16_t)(b[2] | b[3] << 8),
		.tucss = b[4], .tucso = b[5], .tucse = (uint16_t)(b[6] | b[7] << 8),
		.paylen = lower & 0xfffff, .hdrlen = upper >> 8 & 0xff, .mss = (uint16_t)(upper >> 16),
		.tcp = lower & E1000_TXD_CMD_TCP, .ip = lower & E1000_TXD_CMD_IP,
	};

	if (c->tx.frame.kind != E1000_TX_NONE)	/* it must not change the frame in assembly */
		e1000_tx_frame_bad(c, E1000_C_TX_CONTEXT);
	else if (lower & E1000_TXD_CMD_TSE)
		c->tx.tso = context;
	else
		c->tx.checksum = context;
}

/* A legacy or data descriptor. false: the rest of its bytes has to wait. */
static bool take_data(struct e1000_core *c, const struct e1000_tx_desc *d, bool legacy)
{
	const uint32_t lower = le32_get(d->lower);
	const uint32_t bytes = lower & (legacy ? 0xffff : 0xfffff);
	struct e1000_tx *tx = &c->tx;
	uint32_t offset = tx->partial ? tx->partial_offset : 0;

	if (tx->frame.kind == E1000_TX_NONE) {
		e1000_tx_frame_begin(c, d, legacy ? E1000_TX_LEGACY :
				     lower & E1000_TXD_CMD_TSE ? E1000_TX_TSO : E1000_TX_DATA);
		tx->batch.open = tx->batch.num_write_backs;
	} else if (legacy != (tx->frame.kind == E1000_TX_LEGACY)) {
		e1000_tx_frame_bad(c, E1000_C_TX_MIXED);
	}
	if (!tx->frame.bad && bytes && le64_get(d->buffer) &&
	    !e1000_tx_frame_add(c, le64_get(d->buffer), bytes, &offset)) {
		tx->partial = true;
		tx->partial_desc = *d;
		tx->partial_offset = offset;
		return false;
	}
	if (lower & E1000_TXD_CMD_EOP)
		e1000_tx_frame_end(c, d);
	return true;
}

static bool take(struct e1000_core *c, const struct e1000_tx_desc *d)
{
	const uint32_t lower = le32_get(d->lower), type = lower & E1000_TXD_DTYP_MASK;

	if (!(lower & E1000_TXD_CMD_DEXT)) {
		if (!take_data(c, d, true))
			return false;
	} else if (type == E1000_TXD_DTYP_CONTEXT) {
		take_context(c, d);
	} else if (type == E1000_TXD_DTYP_DATA) {
		if (!take_data(c, d, false))
			return false;
	} else {
		if (c->tx.frame.kind == E1000_TX_NONE)
			e1000_tx_frame_begin(c, d, E1000_TX_DATA);
		e1000_tx_frame_bad(c, E1000_C_TX_TYPE);
		if (lower & E1000_TXD_CMD_EOP)
			e1000_tx_frame_end(c, d);
	}
	consumed(c, d);
	return true;
}

/* Copies up to max descriptors from the head on, as they lie in a row; or what is left of one is taken up again. */
static unsigned fetch(struct e1000_core *c, struct e1000_tx_desc *d, unsigned max)
{
	const uint32_t size = ring_size(c), head = e1000_reg(c, E1000_TDH), tail = e1000_reg(c, E1000_TDT);
	uint32_t n;

	if (head >= size || tail >= size) {
		stick(c, E1000_C_TX_RING_BAD);
		return 0;
	}
	if (c->tx.partial) {
		*d = c->tx.partial_desc;
		return 1;
	}
	n = (tail > head ? tail : size) - head;
	if (n > max)
		n = max;
	if (!e1000_dma_read(c, ring_base(c) + 16ull * head, d, n * 16)) {
		stick(c, E1000_C_TX_RING_DMA);
		return 0;
	}
	return n;
}

/* Frames made in one poll: looped ones few, so that the FIFO is emptied in between. */
bool e1000_tx_made_enough(const struct e1000_core *c)
{
	return c->tx.made >= (e1000_tx_looped(c) ? 4 : E1000_TX_POLL_FRAMES);
}

/* The first bytes of a buffer: another processor has written them just now, and getting them takes longer than a frame's work. */
static void prefetch(const struct e1000_core *c, const struct e1000_tx_desc *d)
{
	uint32_t n = 1;
	const void *at = c->bus_master ? c->ops->dma(c->opaque, le64_get(d->buffer), &n, false) : NULL;

	if (at)
		__builtin_prefetch(at);
}

static unsigned run(struct e1000_core *c, unsigned budget)
{
	struct e1000_tx_desc d[E1000_TX_FETCH];
	const unsigned n = fetch(c, d, budget < E1000_TX_FETCH ? budget : E1000_TX_FETCH);
	unsigned done;

	for (done = 0; done < n && done < E1000_TX_PREFETCH; done++)
		prefetch(c, &d[done]);
	for (done = 0; done < n && !c->tx.paused && !e1000_tx_made_enough(c); done++) {
		if (done + E1000_TX_PREFETCH < n)
			prefetch(c, &d[done + E1000_TX_PREFETCH]);
		if (!take(c, &d[done]))
			return done + 1;
		if (c->tx.batch.num_frames == VSWITCH_BATCH)	/* now: a pause shall not find another frame */
			e1000_tx_flush(c);
	}
	return done;
}

bool e1000_tx_poll(struct e1000_core *c)
{
	struct e1000_tx *tx = &c->tx;
	unsigned left = E1000_TX_POLL_DESCS, done = 1;

	if (!e1000_tx_has_work(c))
		return false;
	tx->made = 0;
	while (left && done && e1000_tx_has_work(c) && !e1000_tx_made_enough(c)) {
		done = run(c, left);
		left -= done;
	}
	e1000_tx_frame_gather(c);
	e1000_tx_flush(c);
	if (left < E1000_TX_POLL_DESCS && e1000_reg(c, E1000_TDH) == e1000_reg(c, E1000_TDT))
		e1000_irq_cause(c, E1000_INT_TXQE);
	return left < E1000_TX_POLL_DESCS;
}
