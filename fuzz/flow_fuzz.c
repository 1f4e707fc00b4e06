/* SPDX-License-Identifier: MIT */
/*
 * A frame's bytes: the header parser reads nothing beyond what it is given, asks for more exactly until it has what it needs, and
 * says the same of a frame in pieces as of one in a row. First byte: how the frame is cut; the rest is the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "vswitch/flow.h"
#include "vswitch/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ensure(bool x)
{
	if (!x)
		abort();
}

typedef enum flow_result flow_parser_of_frame(struct flow_pins *pins, struct vswitch_frame *f, struct flow *out);

static bool same(const struct flow *a, const struct flow *b)
{
	return a->version == b->version && a->protocol == b->protocol && a->protocol_hidden == b->protocol_hidden &&
	       a->fragment == b->fragment && a->tcp_flags == b->tcp_flags && a->has_ports == b->has_ports &&
	       a->is_echo_request == b->is_echo_request && a->is_echo_reply == b->is_echo_reply && a->is_error == b->is_error &&
	       a->source_port == b->source_port && a->destination_port == b->destination_port && a->echo_id == b->echo_id &&
	       a->fragment_offset == b->fragment_offset && a->payload_bytes == b->payload_bytes &&
	       a->header_bytes == b->header_bytes && a->fragment_id == b->fragment_id && !memcmp(a->source, b->source, 16) &&
	       !memcmp(a->destination, b->destination, 16);
}

/* Of the first have bytes, in a heap block that ends with them. */
static enum flow_result parse(flow_parser *parser, const uint8_t *p, uint32_t have, uint32_t len, struct flow *f)
{
	uint8_t *block = malloc(have ? have : 1);
	enum flow_result r;

	ensure(block);
	memcpy(block, p, have);
	r = parser(block, have, len, f);
	free(block);
	return r;
}

static void look_at(enum flow_result r, const struct flow *f, uint32_t len)
{
	if (r == FLOW_BAD_FRAGMENT)
		ensure(f->fragment != FLOW_WHOLE);
	if (r != FLOW_IP)
		return;
	ensure(f->version == 4 || f->version == 6);
	ensure(f->header_bytes <= len && f->header_bytes <= FLOW_BYTES_MAX);
	ensure(f->has_ports == (f->fragment != FLOW_LATER && flow_has_ports(f->protocol)));
	ensure(!f->protocol_hidden || (f->version == 6 && f->fragment == FLOW_LATER));
	ensure(!(f->is_echo_request && f->is_echo_reply));
	if (f->version == 4)
		for (unsigned i = 4; i < 16; i++)
			ensure(!f->source[i] && !f->destination[i]);
}

static void compare_in_pieces(bool quoted, const uint8_t *p, uint32_t len, uint8_t cut, enum flow_result expected, const struct flow *f)
{
	struct flow_pins *pins = flow_pins_create();
	struct vswitch_frame frame = { .len = len };
	flow_parser_of_frame *parser = quoted ? flow_quoted_by_frame : flow_of_frame;
	uint8_t *rest, *out = malloc(len);
	struct iovec segs[2];
	struct flow g = { 0 };
	uint32_t first;

	frame.head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : 18 + cut % (VSWITCH_HEAD_BYTES - 17));
	rest = malloc(len - frame.head_bytes + 1);
	ensure(pins && rest && out);
	memcpy(frame.head, p, frame.head_bytes);
	memcpy(rest, p + frame.head_bytes, len - frame.head_bytes);
	first = (len - frame.head_bytes) / (1 + cut % 5u);
	segs[0] = (struct iovec){ rest, first };
	segs[1] = (struct iovec){ rest + first, len - frame.head_bytes - first };
	frame.segs = segs;
	frame.nsegs = len > frame.head_bytes ? 2 : 0;
	ensure(parser(pins, &frame, &g) == expected);
	if (expected == FLOW_IP)
		ensure(same(f, &g));
	vswitch_frame_copy(&frame, 0, out, len);
	ensure(!memcmp(out, p, len));
	free(rest);
	free(out);
	flow_pins_destroy(pins);
}

/* Of the frame itself, or of what it quotes. */
static enum flow_result all_ways(bool quoted, const uint8_t *p, uint32_t len, uint8_t cut)
{
	flow_parser *parser = quoted ? flow_parse_quotation : flow_parse;
	enum flow_result whole, part;
	struct flow f, g;

	whole = parse(parser, p, len, len, &f);
	ensure(whole != FLOW_SHORT);
	look_at(whole, &f, len);
	for (uint32_t have = 0; have < len; have = have < 16 ? have + 1 : have + 1 + cut % 7) {
		part = parse(parser, p, have, len, &g);
		ensure(part == FLOW_SHORT || part == whole);
		if (part == FLOW_IP)
			ensure(same(&f, &g));
		ensure(part != FLOW_SHORT || have < FLOW_BYTES_MAX);
		if (whole == FLOW_IP)
			ensure((part == FLOW_SHORT) == (have < f.header_bytes));
	}
	compare_in_pieces(quoted, p, len, cut, whole, &f);
	return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow f;
	uint32_t len;

	if (size < 1 + ETHERNET_BYTES || size > 2048)
		return 0;
	len = (uint32_t)size - 1;
	all_ways(false, data + 1, len, data[0]);
	if (all_ways(true, data + 1, len, data[0]) == FLOW_IP)
		ensure(flow_parse(data + 1, len, len, &f) == FLOW_IP && f.is_error);
	return 0;
}
