/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Cursor over a private copy of what a peer wrote. Nothing is consumed by a call that fails;
 * lengths are compared by subtraction, so no sum of a peer's numbers can wrap.
 * Compiled unchanged for the kernel.
 */
#ifndef HVNET_BASE_RD_H
#define HVNET_BASE_RD_H

#include "base/le.h"
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

struct rd {
	const uint8_t *p;	/* borrowed: the private copy outlives its cursors */
	size_t left;		/* bytes from p to the end */
};

/*
 * To be called between copying from memory that a peer can write and looking at the copy: without it a compiler may read the
 * original again instead of the copy, after the check.
 */
static inline void rd_fetched(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Takes the next n bytes into dst; false if fewer are left. */
static inline bool rd_copy(struct rd *r, void *dst, size_t n)
{
	if (n > r->left)
		return false;
	memcpy(dst, r->p, n);
	r->p += n;
	r->left -= n;
	return true;
}

/* Passes over the next n bytes; false if fewer are left. */
static inline bool rd_skip(struct rd *r, size_t n)
{
	if (n > r->left)
		return false;
	r->p += n;
	r->left -= n;
	return true;
}

/* The part named by an (offset, length) pair that a peer wrote; the cursor itself stays. */
static inline bool rd_slice(const struct rd *r, uint32_t off, uint32_t len, struct rd *out)
{
	if (off > r->left || len > r->left - off)
		return false;
	*out = (struct rd){ r->p + off, len };
	return true;
}

#endif
