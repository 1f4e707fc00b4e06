/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "vmbus/packet.h"
#include "vmbus/vmbus_wire.h"

bool vmbus_gpa_walk_begin(struct vmbus_gpa_walk *w, const struct vmbus_packet *pkt)
{
	struct vmbus_pkt_gpa_direct head;
	uint32_t n;

	if (pkt->type != VMBUS_PKT_DATA_GPA_DIRECT || pkt->extra_bytes < sizeof(head))
		return false;
	memcpy(&head, pkt->extra, sizeof(head));
	n = le32_get(head.range_count);
	if (!n || n > (pkt->extra_bytes - sizeof(head)) / sizeof(struct vmbus_gpa_range_header))
		return false;
	*w = (struct vmbus_gpa_walk){ pkt->extra + sizeof(head), pkt->extra_bytes - (uint32_t)sizeof(head), n };
	return true;
}

int vmbus_gpa_walk_next(struct vmbus_gpa_walk *w, struct vmbus_gpa_range *out)
{
	struct vmbus_gpa_range_header head;
	struct vmbus_gpa_range r;
	uint64_t pages;

	if (!w->left_ranges)
		return 0;
	if (w->left_bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, w->p, sizeof(head));
	r.bytes = le32_get(head.bytes);
	r.offset = le32_get(head.offset);
	if (!r.bytes || r.offset >= VMBUS_PAGE_BYTES)
		return -EPROTO;
	pages = ((uint64_t)r.bytes + r.offset + VMBUS_PAGE_BYTES - 1) / VMBUS_PAGE_BYTES;
	if (pages > (w->left_bytes - sizeof(head)) / sizeof(le64))
		return -EPROTO;
	r.pages = (uint32_t)pages;
	r.pfns = w->p + sizeof(head);
	w->p += sizeof(head) + pages * sizeof(le64);
	w->left_bytes -= (uint32_t)(sizeof(head) + pages * sizeof(le64));
	w->left_ranges--;
	*out = r;
	return 1;
}

uint64_t vmbus_gpa_range_pfn(const struct vmbus_gpa_range *range, uint32_t n)
{
	le64 pfn;

	memcpy(&pfn, range->pfns + (size_t)n * sizeof(pfn), sizeof(pfn));
	return le64_get(pfn);
}

void vmbus_gpa_direct_write(void *extra, uint32_t bytes, uint32_t offset, const uint64_t *pfns, uint32_t pages)
{
	struct vmbus_pkt_gpa_direct head = { .range_count = to_le32(1) };
	struct vmbus_gpa_range_header range = { to_le32(bytes), to_le32(offset) };
	uint8_t *p = extra;

	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), &range, sizeof(range));
	p += sizeof(head) + sizeof(range);
	for (uint32_t i = 0; i < pages; i++) {
		le64 pfn = to_le64(pfns[i]);

		memcpy(p + (size_t)i * sizeof(pfn), &pfn, sizeof(pfn));
	}
}

void vmbus_transfer_write(void *extra, uint16_t set_id, const struct vmbus_transfer_range *ranges, uint32_t n)
{
	struct vmbus_pkt_transfer_pages head = { .set_id = to_le16(set_id), .range_count = to_le32(n) };
	uint8_t *p = extra;

	memcpy(p, &head, sizeof(head));
	for (uint32_t i = 0; i < n; i++) {
		struct vmbus_pkt_transfer_range r = { to_le32(ranges[i].bytes), to_le32(ranges[i].offset) };

		memcpy(p + sizeof(head) + (size_t)i * sizeof(r), &r, sizeof(r));
	}
}

bool vmbus_transfer_parse(const struct vmbus_packet *pkt, uint16_t *set_id, uint32_t *n)
{
	struct vmbus_pkt_transfer_pages head;
	uint32_t count;

	if (pkt->type != VMBUS_PKT_DATA_TRANSFER_PAGES || pkt->extra_bytes < sizeof(head))
		return false;
	memcpy(&head, pkt->extra, sizeof(head));
	count = le32_get(head.range_count);
	if (count > (pkt->extra_bytes - sizeof(head)) / sizeof(struct vmbus_pkt_transfer_range))
		return false;
	*set_id = le16_get(head.set_id);
	*n = count;
	return true;
}

struct vmbus_transfer_range vmbus_transfer_range(const struct vmbus_packet *pkt, uint32_t i)
{
	struct vmbus_pkt_transfer_range r;

	memcpy(&r, pkt->extra + sizeof(struct vmbus_pkt_transfer_pages) + (size_t)i * sizeof(r), sizeof(r));
	return (struct vmbus_transfer_range){ le32_get(r.bytes), le32_get(r.offset) };
}
