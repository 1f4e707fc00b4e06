/* SPDX-License-Identifier: MIT */
/*
 * A chip on plain memory: RAM, a wire that keeps what is sent, a line, a clock that stands still until told otherwise; and a
 * driver's hand movements. For tests and fuzzers.
 */
#ifndef HVNET_E1000_TEST_CHIP_H
#define HVNET_E1000_TEST_CHIP_H

#include <stdio.h>
#include <stdlib.h>

#include "e1000/internal.h"

enum {
	CHIP_RAM_BYTES = 8 << 20,
	CHIP_TX_RING = 0x1000, CHIP_RX_RING = 0x201000,	/* room for a megabyte each, at offsets in RAM */
	CHIP_TX_DATA = 0x110000, CHIP_RX_DATA = 0x310000,
	CHIP_SENT_MAX = 2048,
	CHIP_HOLE = 0x700000,		/* a page that can be made to vanish, and RAM splits there */
};
#define CHIP_BASE 0x100000000ull		/* where RAM begins for the guest */
#define CHIP_NOWHERE 0xdead000000000ull

static const uint8_t chip_mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };
static const uint8_t chip_peer[6] = { 0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c };

struct chip_sent {
	uint32_t len;
	uint16_t head_bytes;
	struct vswitch_offload offload;
	uint8_t *bytes;		/* owned */
};

struct chip {
	struct e1000_core core;
	uint8_t *ram;
	uint64_t now, deadline;
	bool line;
	unsigned edges;			/* rising */
	unsigned kicks, sends, lost;
	bool pause;			/* send() answers so */
	bool hole;			/* CHIP_HOLE is not there */
	void (*on_send)(struct chip *chip);
	unsigned num_sent;
	struct chip_sent sent[CHIP_SENT_MAX];
	uint32_t tx_tail, rx_tail, tx_size, rx_size;
};

/* ---- what the core stands on ---- */

static inline uint64_t chip_now(void *opaque)
{
	return ((struct chip *)opaque)->now;
}

static inline void *chip_dma(void *opaque, uint64_t address, uint32_t *bytes, bool write)
{
	struct chip *chip = opaque;
	uint64_t off;

	(void)write;
	if (!*bytes || address < CHIP_BASE || address - CHIP_BASE >= CHIP_RAM_BYTES)
		return NULL;
	off = address - CHIP_BASE;
	if (chip->hole && off >= CHIP_HOLE && off < CHIP_HOLE + 4096)
		return NULL;
	if (*bytes > CHIP_RAM_BYTES - off)
		*bytes = (uint32_t)(CHIP_RAM_BYTES - off);
	if (off < CHIP_HOLE && *bytes > CHIP_HOLE - off)
		*bytes = (uint32_t)(CHIP_HOLE - off);
	return chip->ram + off;
}

static inline void chip_irq(void *opaque, bool high)
{
	struct chip *chip = opaque;

	chip->edges += high && !chip->line;
	chip->line = high;
}

static inline void chip_timer(void *opaque, uint64_t deadline_ns)
{
	((struct chip *)opaque)->deadline = deadline_ns;
}

static inline void chip_kick(void *opaque)
{
	((struct chip *)opaque)->kicks++;
}

static inline void chip_copy(const struct vswitch_frame *f, uint8_t *to)
{
	memcpy(to, f->head, f->head_bytes);
	to += f->head_bytes;
	for (unsigned i = 0; i < f->nsegs; i++) {
		memcpy(to, f->segs[i].iov_base, f->segs[i].iov_len);
		to += f->segs[i].iov_len;
	}
}

static inline bool chip_send(void *opaque, struct vswitch_frame *const *frames, unsigned n)
{
	struct chip *chip = opaque;

	if (!n || n > VSWITCH_BATCH)
		abort();
	chip->sends++;
	if (chip->on_send)
		chip->on_send(chip);
	for (unsigned i = 0; i < n; i++) {
		const struct vswitch_frame *f = frames[i];
		struct chip_sent *s = &chip->sent[chip->num_sent % CHIP_SENT_MAX];
		size_t len = f->head_bytes;

		for (unsigned k = 0; k < f->nsegs; k++)
			len += f->segs[k].iov_len;
		/* what vswitch.h asks for */
		if (len != f->len || f->len < 14 || f->len > VSWITCH_FRAME_MAX_BYTES ||
		    f->head_bytes > VSWITCH_HEAD_BYTES || (f->len <= VSWITCH_HEAD_BYTES && f->head_bytes != f->len))
			abort();
		free(s->bytes);
		*s = (struct chip_sent){ f->len, f->head_bytes, f->offload, malloc(f->len) };
		chip_copy(f, s->bytes);
		chip->num_sent++;
	}
	return chip->pause;
}

static inline void chip_lost(void *opaque, enum vswitch_drop reason)
{
	(void)reason;
	((struct chip *)opaque)->lost++;
}

static const struct e1000_core_ops chip_ops = {
	.now_ns = chip_now, .dma = chip_dma, .irq = chip_irq, .timer = chip_timer, .kick = chip_kick,
	.send = chip_send, .lost = chip_lost,
};

/* ---- registers and time ---- */

static inline uint32_t chip_read(struct chip *chip, uint32_t offset)
{
	return (uint32_t)e1000_core_read(&chip->core, offset, 4);
}

static inline void chip_write(struct chip *chip, uint32_t offset, uint32_t value)
{
	e1000_core_write(&chip->core, offset, 4, value);
}

/* Lets the core do what it has to. */
static inline void chip_run(struct chip *chip)
{
	for (unsigned i = 0; e1000_core_poll(&chip->core); i++)
		if (i > 1000000)
			abort();	/* work without end */
}

static inline void chip_pass(struct chip *chip, uint64_t ns)
{
	const uint64_t until = chip->now + ns;

	while (chip->deadline && chip->deadline <= until) {
		chip->now = chip->deadline;
		chip->deadline = 0;
		e1000_core_timer(&chip->core);
	}
	chip->now = until;
}

static inline uint64_t chip_count(const struct chip *chip, enum e1000_counter_id id)
{
	return chip->core.counter[id];
}

/* ---- life ---- */

/* Bus mastering on, cable in, negotiation done. */
static inline struct chip *chip_new_with(enum e1000_model model, uint32_t port_queue_bytes)
{
	struct chip *chip = calloc(1, sizeof(*chip));

	if (!chip)
		abort();
	chip->now = 1000000000;
	chip->ram = calloc(1, CHIP_RAM_BYTES);
	if (!chip->ram || e1000_core_init(&chip->core, model, chip_mac, port_queue_bytes, &chip_ops, chip))
		abort();
	e1000_core_set_bus_master(&chip->core, true);
	e1000_core_set_wire(&chip->core, true);
	chip_pass(chip, 20000000);
	chip_read(chip, E1000_ICR);
	return chip;
}

static inline struct chip *chip_new(void)
{
	return chip_new_with(E1000_82540EM, 0);
}

static inline void chip_free(struct chip *chip)
{
	for (unsigned i = 0; i < CHIP_SENT_MAX; i++)
		free(chip->sent[i].bytes);
	e1000_core_fini(&chip->core);
	free(chip->ram);
	free(chip);
}

/* ---- transmit ---- */

static inline void chip_tx_start(struct chip *chip, uint32_t size)
{
	chip->tx_size = size;
	chip->tx_tail = 0;
	chip_write(chip, E1000_TDLEN, size * 16);
	chip_write(chip, E1000_TDBAH, (uint32_t)(CHIP_BASE >> 32));
	chip_write(chip, E1000_TDBAL, (uint32_t)CHIP_BASE + CHIP_TX_RING);
	chip_write(chip, E1000_TDT, 0);
	chip_write(chip, E1000_TDH, 0);
	chip_write(chip, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static inline struct e1000_tx_desc *chip_tx_desc(struct chip *chip, uint32_t index)
{
	return (struct e1000_tx_desc *)(void *)(chip->ram + CHIP_TX_RING + 16 * index);
}

/* The next descriptor; returns its index. */
static inline uint32_t chip_tx_put(struct chip *chip, uint64_t address, uint32_t lower, uint32_t upper)
{
	const uint32_t index = chip->tx_tail;

	*chip_tx_desc(chip, index) = (struct e1000_tx_desc){ to_le64(address), to_le32(lower), to_le32(upper) };
	chip->tx_tail = (index + 1) % chip->tx_size;
	return index;
}

static inline void chip_tx_kick(struct chip *chip)
{
	chip_write(chip, E1000_TDT, chip->tx_tail);
	chip_run(chip);
}

static inline bool chip_tx_done(struct chip *chip, uint32_t index)
{
	return le32_get(chip_tx_desc(chip, index)->upper) & E1000_TXD_STA_DD;
}

static inline uint32_t chip_context(struct chip *chip, const struct e1000_tx_context *x, uint32_t command)
{
	le64 offsets = { { x->ipcss, x->ipcso, (uint8_t)x->ipcse, (uint8_t)(x->ipcse >> 8), x->tucss, x->tucso,
			   (uint8_t)x->tucse, (uint8_t)(x->tucse >> 8) } };

	return chip_tx_put(chip, le64_get(offsets),
			   E1000_TXD_CMD_DEXT | command | (x->tcp ? E1000_TXD_CMD_TCP : 0u) |
			   (x->ip ? E1000_TXD_CMD_IP : 0u) | x->paylen,
			   (uint32_t)x->hdrlen << 8 | (uint32_t)x->mss << 16);
}

enum { CHIP_LAST = E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS | E1000_TXD_CMD_RS };
#define CHIP_DATA ((uint32_t)(E1000_TXD_CMD_DEXT | E1000_TXD_DTYP_DATA | E1000_TXD_CMD_IFCS))

/* Addresses, type and a pattern into the place where frames are sent from. */
static inline uint8_t *chip_frame(struct chip *chip, uint32_t len)
{
	uint8_t *f = chip->ram + CHIP_TX_DATA;

	for (uint32_t i = 14; i < len; i++)
		f[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(f, chip_peer, 6);
	memcpy(f + 6, chip_mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
	return f;
}

/* ---- receive ---- */

static inline struct e1000_rx_desc *chip_rx_desc(struct chip *chip, uint32_t index)
{
	return (struct e1000_rx_desc *)(void *)(chip->ram + CHIP_RX_RING + 16 * index);
}

static inline uint8_t *chip_rx_buffer(struct chip *chip, uint32_t index)
{
	return chip->ram + CHIP_RX_DATA + 2048 * index;
}

/* A ring of that many descriptors with buffers 2048 bytes apart; `lent` of them are the chip's. */
static inline void chip_rx_start(struct chip *chip, uint32_t size, uint32_t lent, uint32_t rctl)
{
	chip->rx_size = size;
	for (uint32_t i = 0; i < size; i++) {
		*chip_rx_desc(chip, i) = (struct e1000_rx_desc){ .buffer = to_le64(CHIP_BASE + CHIP_RX_DATA + 2048 * i) };
		if (i < 256)
			memset(chip_rx_buffer(chip, i), 0xee, 2048);
	}
	chip_write(chip, E1000_RCTL, 0);
	chip_write(chip, E1000_RDLEN, size * 16);
	chip_write(chip, E1000_RDBAH, (uint32_t)(CHIP_BASE >> 32));
	chip_write(chip, E1000_RDBAL, (uint32_t)CHIP_BASE + CHIP_RX_RING);
	chip_write(chip, E1000_RDT, 0);
	chip_write(chip, E1000_RDH, 0);
	chip_write(chip, E1000_RCTL, rctl | E1000_RCTL_EN);
	chip_write(chip, E1000_RDT, lent);
	chip->rx_tail = lent;
}

/* A frame from the wire, cut into head and pieces as the switch may do. */
static inline enum vswitch_drop chip_receive_as(struct chip *chip, const uint8_t *bytes, uint32_t len,
						const struct vswitch_offload *offload)
{
	struct vswitch_frame f = { .len = len };
	struct iovec segs[3];
	enum vswitch_drop why;

	f.head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES);
	memcpy(f.head, bytes, f.head_bytes);
	if (len > f.head_bytes) {
		const uint32_t rest = len - f.head_bytes;
		uint8_t *at = (uint8_t *)(uintptr_t)bytes + f.head_bytes;

		segs[0] = (struct iovec){ at, rest / 3 };
		segs[1] = (struct iovec){ at + rest / 3, 0 };
		segs[2] = (struct iovec){ at + rest / 3, rest - rest / 3 };
		f.segs = segs;
		f.nsegs = 3;
	}
	if (offload)
		f.offload = *offload;
	why = e1000_core_receive(&chip->core, &f);
	e1000_core_received(&chip->core);
	return why;
}

static inline enum vswitch_drop chip_receive(struct chip *chip, const uint8_t *bytes, uint32_t len)
{
	return chip_receive_as(chip, bytes, len, NULL);
}

/* A frame to the chip's own address with a pattern. */
static inline void chip_inbound(uint8_t *f, uint32_t len)
{
	for (uint32_t i = 14; i < len; i++)
		f[i] = (uint8_t)(i * 13 + (i >> 8));
	memcpy(f, chip_mac, 6);
	memcpy(f + 6, chip_peer, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
}

#endif
