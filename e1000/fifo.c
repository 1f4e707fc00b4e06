/* SPDX-License-Identifier: MIT */
/*
 * Frames that wait for descriptors: the chip's receive FIFO (PBA, 48 KiB after power-on), and behind it, as its extension,
 * the queue that a switch has for the port. Records follow each other in a circle of bytes.
 */
#include "e1000/internal.h"

struct record {
	uint32_t len;
	uint16_t tci;
	uint8_t flags;
	uint8_t unused;
};

static uint32_t wrap(const struct e1000_rx *rx, uint32_t at)
{
	return at >= rx->fifo_size ? at - rx->fifo_size : at;
}

static uint32_t put(struct e1000_rx *rx, uint32_t at, const void *src, uint32_t n)
{
	const uint32_t first = n < rx->fifo_size - at ? n : rx->fifo_size - at;

	memcpy(rx->fifo + at, src, first);
	memcpy(rx->fifo, (const uint8_t *)src + first, n - first);
	return wrap(rx, at + n);
}

static uint32_t get(const struct e1000_rx *rx, uint32_t at, void *dst, uint32_t n)
{
	const uint32_t first = n < rx->fifo_size - at ? n : rx->fifo_size - at;

	memcpy(dst, rx->fifo + at, first);
	memcpy((uint8_t *)dst + first, rx->fifo, n - first);
	return wrap(rx, at + n);
}

bool e1000_fifo_put(struct e1000_core *c, const struct e1000_rx_frame *f)
{
	struct e1000_rx *rx = &c->rx;
	const struct record r = { .len = f->len, .tci = f->tci, .flags = f->flags };
	uint32_t at;

	if (rx->fifo_used > rx->fifo_limit || sizeof(r) + f->len > rx->fifo_limit - rx->fifo_used)
		return false;
	at = put(rx, wrap(rx, rx->fifo_head + rx->fifo_used), &r, sizeof(r));
	at = put(rx, at, f->head, f->head_bytes);
	for (unsigned i = 0; i < f->nsegs; i++)
		at = put(rx, at, f->segs[i].iov_base, (uint32_t)f->segs[i].iov_len);
	rx->fifo_used += (uint32_t)sizeof(r) + f->len;
	rx->fifo_frames++;
	return true;
}

bool e1000_fifo_peek(struct e1000_core *c, struct e1000_rx_frame *f, struct iovec segs[2], uint8_t head[VSWITCH_HEAD_BYTES])
{
	const struct e1000_rx *rx = &c->rx;
	struct record r;
	uint32_t at, left;

	if (!rx->fifo_frames)
		return false;
	at = get(rx, rx->fifo_head, &r, sizeof(r));
	*f = (struct e1000_rx_frame){ .len = r.len, .tci = r.tci, .flags = r.flags, .head = head, .segs = segs };
	f->head_bytes = (uint16_t)(r.len < VSWITCH_HEAD_BYTES ? r.len : VSWITCH_HEAD_BYTES);
	at = get(rx, at, head, f->head_bytes);
	left = r.len - f->head_bytes;
	while (left) {
		const uint32_t n = left < rx->fifo_size - at ? left : rx->fifo_size - at;

		segs[f->nsegs++] = (struct iovec){ rx->fifo + at, n };
		at = wrap(rx, at + n);
		left -= n;
	}
	return true;
}

void e1000_fifo_pop(struct e1000_core *c, enum vswitch_drop why)
{
	struct e1000_rx *rx = &c->rx;
	const bool orphan = rx->fifo_orphans;
	struct record r;
	uint32_t n;

	get(rx, rx->fifo_head, &r, sizeof(r));
	n = (uint32_t)sizeof(r) + r.len;
	rx->fifo_head = wrap(rx, rx->fifo_head + n);
	rx->fifo_used -= n;
	rx->fifo_frames--;
	rx->fifo_orphans -= orphan;
	if (why == VSWITCH_DROPS)
		return;
	if (r.flags & E1000_RX_LOOPED)
		e1000_count(c, E1000_C_LOOP_LOST);
	else if (!orphan)
		c->ops->lost(c->opaque, why);
}

void e1000_fifo_clear(struct e1000_core *c, enum vswitch_drop why)
{
	const uint32_t kib = e1000_reg(c, E1000_PBA) & 0x7f;
	struct e1000_rx *rx = &c->rx;

	while (rx->fifo_frames)
		e1000_fifo_pop(c, why);
	rx->fifo_head = 0;
	rx->fifo_limit = (kib < E1000_PACKET_BUFFER_KIB ? kib : E1000_PACKET_BUFFER_KIB) * 1024 + c->port_queue_bytes;
}
