/* SPDX-License-Identifier: MIT */
/*
 * Headers that reach beyond a frame's head lie in memory that the sender may change between our look and the delivery. So
 * they are copied out once, and the frame gets the copy as its first piece behind the head.
 */
#include <stdlib.h>

#include "base/rd.h"
#include "vswitch/flow.h"
#include "vswitch/internal.h"

enum {
	PIECES_MAX = 64,		/* our policy: of a frame with such headers */
	PINS = 2 * VSWITCH_BATCH,	/* a batch, and what extensions add to it */
};

struct pin {
	uint8_t bytes[FLOW_BYTES_MAX];
	struct iovec pieces[PIECES_MAX];
};

struct flow_pins {
	unsigned used;
	struct pin pins[PINS];
};

struct flow_pins *flow_pins_create(void)
{
	return calloc(1, sizeof(struct flow_pins));
}

void flow_pins_destroy(struct flow_pins *pins)
{
	free(pins);
}

void flow_pins_reset(struct flow_pins *pins)
{
	pins->used = 0;
}

static struct pin *pin_of(struct flow_pins *pins, const struct vswitch_frame *f)
{
	for (unsigned i = 0; i < pins->used; i++)
		if (f->segs == pins->pins[i].pieces)
			return &pins->pins[i];
	return NULL;
}

/* The bytes from the head's end to FLOW_BYTES_MAX become ours. */
static struct pin *pin(struct flow_pins *pins, struct vswitch_frame *f)
{
	uint32_t end = f->len < FLOW_BYTES_MAX ? f->len : FLOW_BYTES_MAX;
	uint32_t n = end - f->head_bytes, left = f->len - end, rest = left;
	struct frame_cursor c = frame_cursor_at(f, f->head_bytes);
	unsigned used;
	struct pin *p;

	if (pins->used == PINS)
		return NULL;
	p = &pins->pins[pins->used];
	memcpy(p->bytes, f->head, f->head_bytes);
	frame_cursor_copy(&c, p->bytes + f->head_bytes, n);
	rd_fetched();
	p->pieces[0] = (struct iovec){ p->bytes + f->head_bytes, n };
	used = frame_cursor_take(&c, &rest, p->pieces + 1, PIECES_MAX - 1);
	if (rest < left)
		return NULL;
	pins->used++;
	f->segs = p->pieces;
	f->nsegs = (uint16_t)(used + 1);
	return p;
}

static enum flow_result look(struct flow_pins *pins, struct vswitch_frame *f, flow_parser *parse, struct flow *out)
{
	enum flow_result r = parse(f->head, f->head_bytes, f->len, out);
	struct pin *p;

	if (r != FLOW_SHORT)
		return r;
	p = pin_of(pins, f);
	if (!p)
		p = pin(pins, f);
	if (!p)
		return FLOW_BAD;
	memcpy(p->bytes, f->head, f->head_bytes);	/* which may have been edited since */
	return parse(p->bytes, f->len < FLOW_BYTES_MAX ? f->len : FLOW_BYTES_MAX, f->len, out);
}

enum flow_result flow_of_frame(struct flow_pins *pins, struct vswitch_frame *f, struct flow *out)
{
	return look(pins, f, flow_parse, out);
}

enum flow_result flow_quoted_by_frame(struct flow_pins *pins, struct vswitch_frame *f, struct flow *out)
{
	return look(pins, f, flow_parse_quotation, out);
}
