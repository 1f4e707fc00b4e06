/* SPDX-License-Identifier: MIT */
/*
 * The range lists of packets of type 7 (transfer pages) and 9 (GPA direct): written into a reserved packet, and
 * parsed from the private copy that vmbus_ring_next() made. Part of the public interface of vmbus/ (vmbus.h
 * includes it). Parsers are pure; any thread.
 */
#ifndef HVNET_VMBUS_PACKET_H
#define HVNET_VMBUS_PACKET_H

#include "vmbus/ring.h"

/* One range of a GPA-direct packet: bytes from offset on in the pages that vmbus_gpa_range_pfn() names. */
struct vmbus_gpa_range {
	uint32_t bytes;			/* ≥ 1 */
	uint32_t offset;		/* into the first page, < 4096 */
	uint32_t pages;			/* frames that the range touches */
	const uint8_t *pfns;		/* in the packet's copy, wire order */
};

/* Walks the ranges of a packet; begin, then next until it does not return 1. */
struct vmbus_gpa_walk {
	const uint8_t *p;		/* the packet's copy */
	uint32_t left_bytes;
	uint32_t left_ranges;
};

/* false: not a GPA-direct packet, or one that claims no or more ranges than its header can hold. */
bool vmbus_gpa_walk_begin(struct vmbus_gpa_walk *w, const struct vmbus_packet *pkt) __attribute__((warn_unused_result));
/* 1: *out is the next range; 0: there are no more; -EPROTO: a range is empty, starts past its page or is cut short. */
int vmbus_gpa_walk_next(struct vmbus_gpa_walk *w, struct vmbus_gpa_range *out) __attribute__((warn_unused_result));
/* n-th page frame number, n < pages. */
uint64_t vmbus_gpa_range_pfn(const struct vmbus_gpa_range *range, uint32_t n);

/* Bytes of extra header for one range over pages frames, and its writing into a reserved packet. */
static inline uint32_t vmbus_gpa_direct_extra(uint32_t pages)
{
	return 8 + 8 + 8 * pages;
}

void vmbus_gpa_direct_write(void *extra, uint32_t bytes, uint32_t offset, const uint64_t *pfns, uint32_t pages);

struct vmbus_transfer_range {
	uint32_t bytes, offset;		/* offset from the buffer's start */
};

/* Bytes of extra header for n ranges, and their writing into a reserved packet. */
static inline uint32_t vmbus_transfer_extra(uint32_t n)
{
	return 8 + 8 * n;
}

void vmbus_transfer_write(void *extra, uint16_t set_id, const struct vmbus_transfer_range *ranges, uint32_t n);
/* false: not a transfer-page packet, or its header cannot hold the ranges that it claims. */
bool vmbus_transfer_parse(const struct vmbus_packet *pkt, uint16_t *set_id, uint32_t *n)
	__attribute__((warn_unused_result));
/* i-th range of a parsed packet, i < n. The guest's numbers: not checked against any buffer. */
struct vmbus_transfer_range vmbus_transfer_range(const struct vmbus_packet *pkt, uint32_t i);

#endif
