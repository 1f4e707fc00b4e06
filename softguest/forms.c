/* SPDX-License-Identifier: MIT */
/*
 * The other forms in which a frame can lie in a guest's memory: what a kernel does for frames that
 * it does not copy. Each packet has DIRECT_PAGES of guest memory of its own, which come with its
 * slot.
 */
#include <errno.h>
#include <string.h>

#include "softguest/internal.h"
#include "vmbus/vmbus_wire.h"

enum {
	RANGES = 24,
	EXTRA_BYTES = 8 + RANGES * 8 + (DIRECT_PAGES + RANGES) * 8,
	PIECE_BYTES = 999,		/* of a scattered frame: odd, so that nothing is aligned */
};

/* A list of ranges under construction. */
struct ranges {
	uint8_t bytes[EXTRA_BYTES];
	uint32_t used, count;
};

static void ranges_begin(struct ranges *r)
{
	r->used = sizeof(struct vmbus_pkt_gpa_direct);
	r->count = 0;
}

/* bytes from gpa on; pages follow one another, but for the first one if second is not 0. */
static void ranges_add(struct ranges *r, uint64_t gpa, uint32_t bytes, uint64_t second)
{
	uint32_t offset = gpa % PAGE_BYTES, pages = (offset + bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	struct vmbus_gpa_range_header h = { .bytes = to_le32(bytes), .offset = to_le32(offset) };

	memcpy(r->bytes + r->used, &h, sizeof(h));
	r->used += sizeof(h);
	for (uint32_t i = 0; i < pages; i++, r->used += 8) {
		le64 pfn = to_le64(i && second ? second / PAGE_BYTES + i - 1 : gpa / PAGE_BYTES + i);

		memcpy(r->bytes + r->used, &pfn, sizeof(pfn));
	}
	r->count++;
}

static int send_ranges(struct softguest_nic *nic, struct ranges *r, uint32_t section, uint32_t section_bytes, uint16_t slot)
{
	struct vmbus_pkt_gpa_direct head = { .range_count = to_le32(r->count) };
	uint8_t message[NETVSC_MESSAGE_BYTES];

	memcpy(r->bytes, &head, sizeof(head));
	netvsc_tx_message(message, section, section_bytes);
	return softguest_tx_raw(nic, VMBUS_PKT_DATA_GPA_DIRECT, true, (uint64_t)NETVSC_ID_TX + slot, r->bytes, r->used,
				message, sizeof(message));
}

int softguest_tx_raw(struct softguest_nic *nic, uint16_t type, bool wants_completion, uint64_t tid, const void *extra,
		     uint32_t extra_bytes, const void *payload, uint32_t payload_bytes)
{
	void *to_extra, *to_payload;
	int ret;

	if (!nic->open)
		return -ENETDOWN;
	ret = vmbus_ring_reserve(nic->to_host, extra_bytes, payload_bytes, &to_extra, &to_payload);
	if (ret) {
		nic->tx_waits = true;
		return ret;
	}
	if (extra_bytes)
		memcpy(to_extra, extra, extra_bytes);
	memcpy(to_payload, payload, payload_bytes);
	vmbus_ring_commit(nic->to_host, type, wants_completion, tid);
	return 0;
}

/* The frame in pieces, each in a page of its own and beginning somewhere in it. */
static int scatter(struct ranges *r, const struct pages *p, const uint8_t *frame, uint32_t bytes)
{
	uint32_t page = 1, done = 0;

	while (done < bytes) {
		uint32_t n = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;
		uint32_t offset = page * 211 % (PAGE_BYTES - PIECE_BYTES);

		if (page == DIRECT_PAGES || r->count == RANGES)
			return -EMSGSIZE;
		memcpy(p->host + page * PAGE_BYTES + offset, frame + done, n);
		ranges_add(r, p->gpa + page * PAGE_BYTES + offset, n, 0);
		done += n;
		page++;
	}
	return 0;
}

static void put_frame(struct ranges *r, const struct pages *p, const void *frame, uint32_t bytes)
{
	memcpy(p->host + PAGE_BYTES, frame, bytes);
	ranges_add(r, p->gpa + PAGE_BYTES, bytes, 0);
}

/* The header's second part lies in the slot's last page, far from the first: one range, two pages. */
static void put_crossing_header(struct ranges *r, const struct pages *p, const uint8_t *header, uint32_t bytes)
{
	const uint32_t first = 12;	/* the data's length is in the second part */
	uint64_t last = (DIRECT_PAGES - 1) * PAGE_BYTES;

	memcpy(p->host + PAGE_BYTES - first, header, first);
	memcpy(p->host + last, header + first, bytes - first);
	ranges_add(r, p->gpa + PAGE_BYTES - first, bytes, p->gpa + last);
}

static struct pages slot_pages(const struct softguest_nic *nic, uint16_t slot)
{
	size_t at = (size_t)(slot - nic->tx.nsections) * SOFTGUEST_DIRECT_BYTES;

	return (struct pages){ nic->direct.gpa + at, nic->direct.host + at, DIRECT_PAGES };
}

static int tx_direct(struct softguest_nic *nic, enum softguest_form form, const struct netvsc_meta *meta,
		     const void *frame, uint32_t bytes, uint16_t slot)
{
	struct pages p = slot_pages(nic, slot);
	uint8_t header[NETVSC_HEADER_MAX_BYTES];
	uint32_t n = netvsc_tx_header(header, meta, bytes);
	struct ranges r;
	int ret = 0;

	ranges_begin(&r);
	if (form == SOFTGUEST_DIRECT_CROSSING) {
		put_crossing_header(&r, &p, header, n);
	} else {
		memcpy(p.host, header, n);
		ranges_add(&r, p.gpa, n, 0);
	}
	if (form == SOFTGUEST_DIRECT_SCATTERED)
		ret = scatter(&r, &p, frame, bytes);
	else
		put_frame(&r, &p, frame, bytes);
	if (!ret)
		ret = send_ranges(nic, &r, NVSP_NO_SECTION, 0, slot);
	if (!ret)
		netvsc_tx_sent(&nic->tx, slot, 1, bytes);
	return ret;
}

/* slot lends its memory; it is given back when the section's packet is completed. */
static int tx_partial(struct softguest_nic *nic, const struct netvsc_meta *meta, const void *frame, uint32_t bytes,
		      uint16_t slot)
{
	struct pages p = slot_pages(nic, slot);
	struct ranges r;
	int ret;

	if (nic->batch_slot == NETVSC_NO_SLOT && !sg_begin_batch(nic))
		return -EAGAIN;
	ranges_begin(&r);
	put_frame(&r, &p, frame, bytes);
	/* Room first, also for the batch before: a header in the section cannot be taken back. */
	if (vmbus_ring_free(nic->to_host) <
	    vmbus_packet_space(r.used, NETVSC_MESSAGE_BYTES) + vmbus_packet_space(0, NETVSC_MESSAGE_BYTES)) {
		nic->tx_waits = true;
		return -EAGAIN;
	}
	if (!netvsc_batch_add_header(&nic->batch, meta, bytes)) {
		if (!sg_commit_batch(nic) || !sg_begin_batch(nic))
			return -EAGAIN;
		netvsc_batch_add_header(&nic->batch, meta, bytes);
	}
	ret = send_ranges(nic, &r, nic->batch_slot, nic->batch.used, nic->batch_slot);
	if (ret)
		return ret;
	nic->slots[nic->batch_slot].owner = &nic->slots[slot];
	netvsc_tx_sent(&nic->tx, nic->batch_slot, nic->batch.frames, nic->batch.frame_bytes);
	nic->batch_slot = NETVSC_NO_SLOT;
	return 0;
}

int softguest_tx_form(struct softguest_nic *nic, enum softguest_form form, const struct netvsc_meta *meta, const void *frame,
		      uint32_t bytes)
{
	uint16_t slot;
	int ret;

	if (!nic->open || nic->core.state != NETVSC_RUNNING)
		return -ENETDOWN;
	if (bytes > (DIRECT_PAGES - 2) * PAGE_BYTES)
		return -EMSGSIZE;
	/* Order: what is in the section goes first. */
	if (form != SOFTGUEST_PARTIAL && !sg_commit_batch(nic))
		return -EAGAIN;
	slot = netvsc_tx_get_plain(&nic->tx);
	if (slot == NETVSC_NO_SLOT)
		return -EAGAIN;
	ret = form == SOFTGUEST_PARTIAL ? tx_partial(nic, meta, frame, bytes, slot) :
					  tx_direct(nic, form, meta, frame, bytes, slot);
	if (ret)
		netvsc_tx_put(&nic->tx, slot);
	return ret;
}
