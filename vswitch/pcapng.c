/* SPDX-License-Identifier: MIT */
/*
 * A block is laid out by going over its parts twice with the same code: first without memory, which gives its length, then with it.
 */
#include "vswitch/pcapng.h"

#include <stdbool.h>
#include <string.h>

#include "base/le.h"

struct out {
	uint8_t *p;			/* NULL: only lengths are wanted */
	size_t n;
};

static uint32_t padded(uint32_t n)
{
	return (n + 3) & ~3u;
}

/* n bytes and zeros up to a multiple of 4; where they are, or NULL. */
static uint8_t *put(struct out *o, const void *from, uint32_t n)
{
	uint8_t *at = o->p ? o->p + o->n : NULL;

	o->n += padded(n);
	if (!at)
		return NULL;
	if (padded(n) > n)
		memset(at + padded(n) - 4, 0, 4);
	if (from)
		memcpy(at, from, n);
	return at;
}

static void option(struct out *o, uint16_t code, const void *value, uint32_t n)
{
	const struct pcapng_option head = { to_le16(code), to_le16((uint16_t)n) };

	put(o, &head, sizeof(head));
	put(o, value, n);
}

static void option_text(struct out *o, uint16_t code, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n > PCAPNG_TEXT_MAX)
		for (n = PCAPNG_TEXT_MAX; n && ((uint8_t)text[n] & 0xc0) == 0x80; n--)
			;
	if (n)
		option(o, code, text, (uint32_t)n);
}

static void option_64(struct out *o, uint16_t code, uint64_t value)
{
	const le64 v = to_le64(value);

	option(o, code, &v, sizeof(v));
}

/* A time, which an option has as the blocks have it: the high half first. */
static void option_time(struct out *o, uint16_t code, uint64_t ns)
{
	const le32 v[2] = { to_le32((uint32_t)(ns >> 32)), to_le32((uint32_t)ns) };

	option(o, code, v, sizeof(v));
}

static void end_of_options(struct out *o)
{
	option(o, PCAPNG_OPT_END, NULL, 0);
}

/* Ends a block that begins at to; what was only measured stays that. */
static size_t finish(struct out *o, uint32_t type)
{
	const size_t n = o->n + PCAPNG_TRAILER_BYTES;
	const struct pcapng_block head = { to_le32(type), to_le32((uint32_t)n) };

	if (o->p) {
		memcpy(o->p, &head, sizeof(head));
		memcpy(o->p + o->n, &head.length, sizeof(head.length));
	}
	return n;
}

static size_t section(struct out *o, const char *application)
{
	const struct pcapng_section s = {
		.byte_order = to_le32(PCAPNG_BYTE_ORDER),
		.major = to_le16(1),
		.section_length = to_le64(UINT64_MAX),
	};

	put(o, &s, sizeof(s));
	option_text(o, PCAPNG_SHB_OS, "Linux");
	option_text(o, PCAPNG_SHB_APPLICATION, application);
	end_of_options(o);
	return finish(o, PCAPNG_SECTION);
}

size_t pcapng_write_section(void *to, size_t room, const char *application)
{
	size_t n = section(&(struct out){ 0 }, application);

	return n <= room ? section(&(struct out){ to, 0 }, application) : 0;
}

static size_t interface(struct out *o, const char *name, const char *description, uint32_t snap_bytes)
{
	const struct pcapng_interface i = {
		.link_type = to_le16(PCAPNG_LINKTYPE_ETHERNET),
		.snap_bytes = to_le32(snap_bytes),
	};
	const uint8_t resolution = PCAPNG_TSRESOL_NS;

	put(o, &i, sizeof(i));
	option_text(o, PCAPNG_IF_NAME, name);
	option_text(o, PCAPNG_IF_DESCRIPTION, description);
	option(o, PCAPNG_IF_TSRESOL, &resolution, sizeof(resolution));
	end_of_options(o);
	return finish(o, PCAPNG_INTERFACE);
}

size_t pcapng_write_interface(void *to, size_t room, const char *name, const char *description, uint32_t snap_bytes)
{
	size_t n = interface(&(struct out){ 0 }, name, description, snap_bytes);

	return n <= room ? interface(&(struct out){ to, 0 }, name, description, snap_bytes) : 0;
}

static size_t packet(struct out *o, const struct pcapng_packet_desc *d, uint8_t **data)
{
	const struct pcapng_packet p = {
		.interface = to_le32(d->interface),
		.time_high = to_le32((uint32_t)(d->time_ns >> 32)),
		.time_low = to_le32((uint32_t)d->time_ns),
		.captured_bytes = to_le32(d->captured_bytes),
		.bytes = to_le32(d->bytes),
	};
	const le32 flags = to_le32(d->flags);

	put(o, &p, sizeof(p));
	*data = put(o, NULL, d->captured_bytes);
	option(o, PCAPNG_EPB_FLAGS, &flags, sizeof(flags));
	if (d->dropped)
		option_64(o, PCAPNG_EPB_DROPCOUNT, d->dropped);
	option_text(o, PCAPNG_OPT_COMMENT, d->comment);
	if (d->offload)
		option(o, PCAPNG_OPT_CUSTOM, d->offload, sizeof(*d->offload));
	end_of_options(o);
	return finish(o, PCAPNG_PACKET);
}

size_t pcapng_write_packet(void *to, size_t room, const struct pcapng_packet_desc *d, uint8_t **data)
{
	uint8_t *none;
	size_t n = packet(&(struct out){ 0 }, d, &none);

	return n <= room ? packet(&(struct out){ to, 0 }, d, data) : 0;
}

static size_t statistics(struct out *o, const struct pcapng_statistics_desc *d)
{
	const struct pcapng_statistics s = {
		.interface = to_le32(d->interface),
		.time_high = to_le32((uint32_t)(d->end_ns >> 32)),
		.time_low = to_le32((uint32_t)d->end_ns),
	};

	put(o, &s, sizeof(s));
	option_time(o, PCAPNG_ISB_STARTTIME, d->start_ns);
	option_time(o, PCAPNG_ISB_ENDTIME, d->end_ns);
	option_64(o, PCAPNG_ISB_IFRECV, d->received);
	option_64(o, PCAPNG_ISB_FILTERACCEPT, d->accepted);
	option_64(o, PCAPNG_ISB_IFDROP, d->dropped);
	end_of_options(o);
	return finish(o, PCAPNG_STATISTICS);
}

size_t pcapng_write_statistics(void *to, size_t room, const struct pcapng_statistics_desc *d)
{
	size_t n = statistics(&(struct out){ 0 }, d);

	return n <= room ? statistics(&(struct out){ to, 0 }, d) : 0;
}
