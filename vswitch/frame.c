/* SPDX-License-Identifier: MIT */
/*
 * Walking through the pieces of a frame: the head, then the segs.
 */
#include <assert.h>

#include "vswitch/internal.h"

static struct iovec piece(const struct vswitch_frame *f, uint32_t seg)
{
	if (!seg)
		return (struct iovec){ (void *)(uintptr_t)f->head, f->head_bytes };
	return f->segs[seg - 1];
}

struct frame_cursor frame_cursor_at(const struct vswitch_frame *f, uint32_t off)
{
	struct frame_cursor c = { .f = f, .off = off };
	struct iovec p;

	while (c.seg <= f->nsegs) {
		p = piece(f, c.seg);
		if (c.off < p.iov_len)
			break;
		c.off -= p.iov_len;
		c.seg++;
	}
	return c;
}

unsigned frame_cursor_take(struct frame_cursor *c, uint32_t *n, struct iovec *iov, unsigned max)
{
	uint32_t left = *n;
	unsigned used = 0;
	struct iovec p;
	size_t have;

	while (left && c->seg <= c->f->nsegs) {
		p = piece(c->f, c->seg);
		have = p.iov_len - c->off;
		if (!have) {		/* an empty piece, or the end of one */
			c->seg++;
			c->off = 0;
			continue;
		}
		if (used == max)
			break;
		if (have > left)
			have = left;
		iov[used++] = (struct iovec){ (uint8_t *)p.iov_base + c->off, have };
		c->off += have;
		left -= (uint32_t)have;
	}
	*n -= left;
	return used;
}

void frame_cursor_copy(struct frame_cursor *c, void *dst, uint32_t n)
{
	uint8_t *to = dst;
	struct iovec iov;
	uint32_t got;

	while (n) {
		got = n;
		if (!frame_cursor_take(c, &got, &iov, 1))
			break;
		memcpy(to, iov.iov_base, iov.iov_len);
		to += got;
		n -= got;
	}
	assert(!n);		/* a sender's promise: the pieces hold len bytes */
}

void vswitch_frame_copy(const struct vswitch_frame *f, uint32_t off, void *dst, uint32_t n)
{
	struct frame_cursor c = frame_cursor_at(f, off);

	frame_cursor_copy(&c, dst, n);
}
