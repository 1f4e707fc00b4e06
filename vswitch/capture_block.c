/* SPDX-License-Identifier: MIT */
#include "vswitch/capture_block.h"

#include <string.h>

#include "base/rd.h"
#include "vswitch/pcapng_wire.h"

/* A cursor behind the block's fixed part, before its trailer. */
static bool body(const uint8_t *block, uint32_t n, uint32_t type, void *head, size_t head_bytes, struct rd *out)
{
	if (n < head_bytes + PCAPNG_TRAILER_BYTES || capture_block_type(block) != type)
		return false;
	*out = (struct rd){ block, n - PCAPNG_TRAILER_BYTES };
	return rd_copy(out, head, head_bytes);
}

/* The next option, false at the end. */
static bool next_option(struct rd *r, uint16_t *code, struct rd *value)
{
	struct pcapng_option o;
	uint32_t length;

	if (!rd_copy(r, &o, sizeof(o)))
		return false;
	*code = le16_get(o.code);
	length = le16_get(o.length);
	return *code != PCAPNG_OPT_END && rd_slice(r, 0, length, value) && rd_skip(r, (length + 3u) & ~3u);
}

uint32_t capture_block_type(const uint8_t *block)
{
	struct pcapng_block b;

	memcpy(&b, block, sizeof(b));
	return le32_get(b.type);
}

static struct capture_text text(const struct rd *value)
{
	return (struct capture_text){ (const char *)value->p, (uint32_t)value->left };
}

bool capture_read_interface(const uint8_t *block, uint32_t n, struct capture_text *name)
{
	struct pcapng_interface head;
	struct rd r, value;
	uint16_t code;

	if (!body(block, n, PCAPNG_INTERFACE, &head, sizeof(head), &r))
		return false;
	*name = (struct capture_text){ NULL, 0 };
	while (next_option(&r, &code, &value))
		if (code == PCAPNG_IF_NAME)
			*name = text(&value);
	return true;
}

bool capture_read_packet(const uint8_t *block, uint32_t n, struct capture_packet *out)
{
	struct pcapng_packet head;
	struct rd r, value;
	uint16_t code;
	le32 flags;

	if (!body(block, n, PCAPNG_PACKET, &head, sizeof(head), &r))
		return false;
	*out = (struct capture_packet){
		.interface = le32_get(head.interface),
		.time_ns = (uint64_t)le32_get(head.time_high) << 32 | le32_get(head.time_low),
		.data = r.p,
		.captured = le32_get(head.captured_bytes),
		.bytes = le32_get(head.bytes),
	};
	if (out->captured > r.left || !rd_skip(&r, ((size_t)out->captured + 3) & ~(size_t)3))
		return false;
	while (next_option(&r, &code, &value)) {
		if (code == PCAPNG_OPT_COMMENT)
			out->comment = text(&value);
		else if (code == PCAPNG_EPB_FLAGS && rd_copy(&value, &flags, sizeof(flags)))
			out->flags = le32_get(flags);
	}
	return true;
}

bool capture_read_statistics(const uint8_t *block, uint32_t n, struct capture_counts *out)
{
	struct pcapng_statistics head;
	struct rd r, value;
	uint16_t code;
	le64 v;

	if (!body(block, n, PCAPNG_STATISTICS, &head, sizeof(head), &r))
		return false;
	*out = (struct capture_counts){ 0, 0, 0 };
	while (next_option(&r, &code, &value)) {
		if (!rd_copy(&value, &v, sizeof(v)))
			continue;
		if (code == PCAPNG_ISB_IFRECV)
			out->seen = le64_get(v);
		else if (code == PCAPNG_ISB_FILTERACCEPT)
			out->accepted = le64_get(v);
		else if (code == PCAPNG_ISB_IFDROP)
			out->dropped = le64_get(v);
	}
	return true;
}
