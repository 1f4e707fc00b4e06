/* SPDX-License-Identifier: MIT */
/*
 * GPADLs: lists of guest pages that the guest describes over several messages and names by a handle.
 *
 * ASSEMBLING --all words there, ranges valid--> CREATED --GPADL_TEARDOWN--> TEARDOWN --last user gone--> freed, TORNDOWN
 *      +--ranges invalid--> freed, CREATED with a failure          (at once if there is no user)
 *
 * Users are the channel's mapped rings and a device's references. A disconnect or a rescind drops them all
 * without messages, once the device has closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/bus.h"

static void send_created(struct vmbus *bus, uint32_t relid, uint32_t handle, uint32_t status)
{
	struct vmbus_msg_gpadl_created r = { .h = vmbus_msg(VMBUS_MSG_GPADL_CREATED), .relid = to_le32(relid),
					     .handle = to_le32(handle), .status = to_le32(status) };

	vmbus_send(bus, &r, sizeof(r));
}

static void send_torndown(struct vmbus *bus, uint32_t handle)
{
	struct vmbus_msg_gpadl_torndown r = { .h = vmbus_msg(VMBUS_MSG_GPADL_TORNDOWN), .handle = to_le32(handle) };

	vmbus_send(bus, &r, sizeof(r));
}

struct vmbus_gpadl *gpadl_find(struct vmbus_channel *ch, uint32_t handle)
{
	struct vmbus_gpadl *g;

	TAILQ_FOREACH(g, &ch->gpadls, link)
		if (g->handle == handle)
			return g;
	return NULL;
}

static struct vmbus_gpadl *find_assembly(struct vmbus *bus, uint32_t handle)
{
	struct vmbus_gpadl *g;

	TAILQ_FOREACH(g, &bus->assemblies, assembly)
		if (g->handle == handle)
			return g;
	return NULL;
}

static void end_assembly(struct vmbus_gpadl *g)
{
	struct vmbus *bus = g->ch->bus;

	TAILQ_REMOVE(&bus->assemblies, g, assembly);
	bus->assembling--;
}

static void gpadl_free(struct vmbus_gpadl *g)
{
	struct vmbus *bus = g->ch->bus;

	assert(!gpadl_used(g));
	if (g->state == GPADL_ASSEMBLING)
		end_assembly(g);
	TAILQ_REMOVE(&g->ch->gpadls, g, link);
	bus->gpadl_words -= g->words;
	gpadl_unresolve(g);
	free(g->range_buffer);
	free(g);
}

/* ---- assembly ---- */

static unsigned count_gpadls(const struct vmbus_channel *ch)
{
	const struct vmbus_gpadl *g;
	unsigned n = 0;

	TAILQ_FOREACH(g, &ch->gpadls, link)
		n++;
	return n;
}

/* Walks the ranges of a complete buffer; words left over behind the last one are none of our business. */
static bool ranges_valid(const uint64_t *words, uint32_t n, uint32_t count)
{
	while (count--) {
		uint32_t bytes, offset;
		uint64_t pages;

		if (!n)
			return false;
		bytes = (uint32_t)*words;
		offset = (uint32_t)(*words >> 32);
		if (!bytes || offset >= VMBUS_PAGE_BYTES)
			return false;
		pages = ((uint64_t)bytes + offset + VMBUS_PAGE_BYTES - 1) / VMBUS_PAGE_BYTES;
		if (pages > n - 1)
			return false;
		words += 1 + pages;
		n -= 1 + (uint32_t)pages;
	}
	return true;
}

/* Rings and buffers are one range of whole pages; anything else exists for the guest, but cannot be used. */
static void find_pages(struct vmbus_gpadl *g)
{
	uint32_t bytes, offset;

	if (g->range_count != 1)
		return;
	bytes = (uint32_t)g->range_buffer[0];
	offset = (uint32_t)(g->range_buffer[0] >> 32);
	if (offset || bytes % VMBUS_PAGE_BYTES)
		return;
	g->pfns = g->range_buffer + 1;
	g->pages = bytes / VMBUS_PAGE_BYTES;
}

/* Takes what fits of the words behind a message's header; padding behind the declared size is normal (UEFI). */
static void append(struct vmbus_gpadl *g, const uint8_t *p, uint32_t bytes)
{
	for (; bytes >= sizeof(le64) && g->words_have < g->words; p += sizeof(le64), bytes -= (uint32_t)sizeof(le64)) {
		le64 word;

		memcpy(&word, p, sizeof(word));
		g->range_buffer[g->words_have++] = le64_get(word);
	}
}

static void complete(struct vmbus_gpadl *g)
{
	struct vmbus_channel *ch = g->ch;
	struct vmbus *bus = ch->bus;

	if (g->words_have < g->words)
		return;
	if (!ranges_valid(g->range_buffer, g->words, g->range_count)) {
		bus_refuse(bus, gpadl_bad_ranges, "%s: gpadl 0x%x has bad ranges", ch->name, g->handle);
		send_created(bus, ch->relid, g->handle, VMBUS_STATUS_FAILED);
		gpadl_free(g);
		return;
	}
	end_assembly(g);
	g->state = GPADL_CREATED;
	find_pages(g);
	send_created(bus, ch->relid, g->handle, VMBUS_STATUS_SUCCESS);
	/* A channel that was taken back: the guest is humoured, nothing is kept. */
	if (ch->state == VMBUS_CHANNEL_RESCINDED || ch->state == VMBUS_CHANNEL_RESCINDED_CLOSING)
		gpadl_free(g);
}

static struct vmbus_gpadl *gpadl_create(struct vmbus_channel *ch, uint32_t handle, uint32_t words, uint32_t ranges)
{
	struct vmbus_gpadl *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->range_buffer = calloc(words ? words : 1, sizeof(*g->range_buffer));
	if (!g->range_buffer) {
		free(g);
		return NULL;
	}
	g->ch = ch;
	g->handle = handle;
	g->words = words;
	g->range_count = ranges;
	TAILQ_INSERT_TAIL(&ch->gpadls, g, link);
	TAILQ_INSERT_TAIL(&ch->bus->assemblies, g, assembly);
	ch->bus->assembling++;
	ch->bus->gpadl_words += words;
	return g;
}

void gpadl_header(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_gpadl_header m;
	uint32_t relid, handle, words;
	struct vmbus_gpadl *g = NULL;
	struct vmbus_channel *ch;

	memcpy(&m, msg, sizeof(m));
	relid = le32_get(m.relid);
	handle = le32_get(m.handle);
	words = le16_get(m.range_bytes) / sizeof(le64);
	ch = relid < VMBUS_RELIDS ? bus->relid[relid] : NULL;
	if (!ch || ch->state == VMBUS_CHANNEL_RELEASING)
		bus_refuse(bus, gpadl_unknown_channel, "%s: gpadl 0x%x for channel %u, which is not offered", bus->name,
			   handle, relid);
	else if (gpadl_find(ch, handle) || find_assembly(bus, handle))
		bus_refuse(bus, gpadl_duplicate, "%s: gpadl 0x%x exists already", ch->name, handle);
	else if (count_gpadls(ch) >= BUS_CHANNEL_GPADLS || bus->assembling >= BUS_ASSEMBLIES ||
		 words > BUS_GPADL_WORDS - bus->gpadl_words)
		bus_refuse(bus, gpadl_quota, "%s: gpadl 0x%x is one too many", ch->name, handle);
	else
		g = gpadl_create(ch, handle, words, le16_get(m.range_count));
	if (!g) {
		send_created(bus, relid, handle, VMBUS_STATUS_FAILED);
		return;
	}
	append(g, msg + sizeof(m), bytes - (uint32_t)sizeof(m));
	complete(g);
}

void gpadl_body(struct vmbus *bus, const uint8_t *msg, uint32_t bytes)
{
	struct vmbus_msg_gpadl_body m;
	struct vmbus_gpadl *g;

	memcpy(&m, msg, sizeof(m));
	g = find_assembly(bus, le32_get(m.handle));
	if (!g) {		/* no relid in it, so nobody to answer */
		bus_refuse(bus, gpadl_body_unknown, "%s: body of gpadl 0x%x, which is not being assembled", bus->name,
			   le32_get(m.handle));
		return;
	}
	append(g, msg + sizeof(m), bytes - (uint32_t)sizeof(m));
	complete(g);
}

/* ---- end ---- */

/* Tells the guest and forgets, if nobody uses it any more. */
void gpadl_unused(struct vmbus_gpadl *g)
{
	if (gpadl_used(g) || g->state != GPADL_TEARDOWN)
		return;
	send_torndown(g->ch->bus, g->handle);
	gpadl_free(g);
}

void gpadl_teardown(struct vmbus *bus, uint32_t relid, uint32_t handle)
{
	struct vmbus_channel *ch = relid < VMBUS_RELIDS ? bus->relid[relid] : NULL;
	struct vmbus_gpadl *g;

	if (ch && ch->state == VMBUS_CHANNEL_RESCINDED) {
		send_torndown(bus, handle);		/* everything was dropped with the rescind */
		return;
	}
	g = ch && ch->state != VMBUS_CHANNEL_RELEASING ? gpadl_find(ch, handle) : NULL;
	if (!g && ch && ch->state == VMBUS_CHANNEL_RESCINDED_CLOSING) {
		send_torndown(bus, handle);
		return;
	}
	if (!g || g->state != GPADL_CREATED) {
		bus_refuse(bus, gpadl_teardown_refused, "%s: teardown of gpadl 0x%x on channel %u, which there is not",
			   bus->name, handle, relid);
		return;
	}
	g->state = GPADL_TEARDOWN;
	if (g->device_refs && ch->dev)
		ch->dev->ops->gpadl_teardown(ch->dev->opaque, ch, g);	/* may put, so g may be gone */
	else
		gpadl_unused(g);
}

/*
 * Before a RESCIND the guest gets the answers that it waits for. TORNDOWN for what the device still uses goes out
 * when it lets go; what nobody uses has none pending.
 */
void gpadl_rescind(struct vmbus_channel *ch)
{
	struct vmbus_gpadl *g, *next;

	for (g = TAILQ_FIRST(&ch->gpadls); g; g = next) {
		next = TAILQ_NEXT(g, link);
		if (g->state != GPADL_ASSEMBLING)
			continue;
		send_created(ch->bus, ch->relid, g->handle, VMBUS_STATUS_FAILED);
		gpadl_free(g);
	}
}

void gpadl_drop_all(struct vmbus_channel *ch)
{
	while (!TAILQ_EMPTY(&ch->gpadls))
		gpadl_free(TAILQ_FIRST(&ch->gpadls));
}

/* ---- as buffers ---- */

void gpadl_unresolve(struct vmbus_gpadl *g)
{
	free(g->hosts);
	g->hosts = NULL;
}

int gpadl_resolve(struct vmbus_gpadl *g)
{
	struct vmbus *bus = g->ch->bus;
	uint8_t **hosts;

	if (g->hosts)
		return 0;
	hosts = calloc(g->pages, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->pages; i++) {
		/* A frame number beyond the address space must not wrap into it. */
		if (g->pfns[i] < 1ull << 52)
			hosts[i] = bus->ops->gpa(bus->opaque, g->pfns[i] * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES, true);
		if (!hosts[i]) {
			free(hosts);
			return -EFAULT;
		}
	}
	g->hosts = hosts;
	return 0;
}

bool gpadl_touches(const struct vmbus_gpadl *g, uint64_t gpa, uint64_t size_bytes)
{
	const uint64_t first = gpa / VMBUS_PAGE_BYTES;
	const uint64_t last = size_bytes ? (gpa + (size_bytes - 1)) / VMBUS_PAGE_BYTES : first;

	for (uint32_t i = 0; i < g->pages; i++)
		if (g->pfns[i] >= first && g->pfns[i] <= last)
			return true;
	return false;
}

int vmbus_gpadl_get(struct vmbus_channel *ch, uint32_t handle, struct vmbus_gpadl **out)
{
	struct vmbus_gpadl *g = gpadl_find(ch, handle);
	int ret;

	if (!channel_in_session(ch) || !g || g->state != GPADL_CREATED)
		return -ENOENT;
	if (!g->pfns)
		return -EINVAL;
	if (ch->paused)
		return -EFAULT;
	ret = gpadl_resolve(g);
	if (ret)
		return ret;
	g->device_refs++;
	*out = g;
	return 0;
}

void vmbus_gpadl_put(struct vmbus_gpadl *g)
{
	assert(g->device_refs);
	if (!--g->device_refs)
		gpadl_unresolve(g);
	gpadl_unused(g);
}

uint32_t vmbus_gpadl_size(const struct vmbus_gpadl *g)
{
	return g->pages * VMBUS_PAGE_BYTES;
}

uint8_t *const *vmbus_gpadl_pages(const struct vmbus_gpadl *g)
{
	return g->hosts;
}
