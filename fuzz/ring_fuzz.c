/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer on both of a ring's ends: the input is the control page's words and the data area of a small ring, then
 * steps that change words, bytes and our own position. What comes out must lie in our copy, and be dead for ever once
 * it was corrupt.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/packet.h"
#include "vmbus/ring.h"
#include "vmbus/test_ring.h"

enum { PAGES = 2, SIZE = VMBUS_PAGE_BYTES, BUF = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void look_at_packet(const struct vmbus_packet *pkt, const uint8_t *buf)
{
	struct vmbus_gpa_range range;
	struct vmbus_gpa_walk walk;
	uint64_t sum = 0;
	uint16_t set;
	uint32_t n;

	must(pkt->extra == buf && pkt->payload == buf + pkt->extra_bytes);
	must(pkt->extra_bytes + pkt->payload_bytes <= BUF);
	for (uint32_t i = 0; i < pkt->extra_bytes + pkt->payload_bytes; i++)
		sum += buf[i];
	if (vmbus_gpa_walk_begin(&walk, pkt))
		while (vmbus_gpa_walk_next(&walk, &range) == 1) {
			must(range.bytes && range.offset < VMBUS_PAGE_BYTES && range.pages);
			for (uint32_t i = 0; i < range.pages; i++)
				sum += vmbus_gpa_range_pfn(&range, i);
		}
	if (vmbus_transfer_parse(pkt, &set, &n))
		for (uint32_t i = 0; i < n; i++)
			sum += vmbus_transfer_range(pkt, i).bytes;
	__asm__ volatile("" :: "r"(sum));
}

static void consume(struct vmbus_ring_in *in, unsigned most)
{
	uint8_t *buf = malloc(BUF);	/* its own allocation: the sanitizer sees one byte too many */
	struct vmbus_packet pkt;
	int ret = 1;

	while (most-- && (ret = vmbus_ring_next(in, buf, BUF, &pkt)) == 1)
		look_at_packet(&pkt, buf);
	must(ret == 1 || ret == 0 || ret == -EPROTO);
	must(in->read < SIZE && in->read % 8 == 0);
	if (ret == -EPROTO)
		must(in->corrupt && !vmbus_ring_release(in) && !vmbus_ring_unmask(in));
	free(buf);
}

static void produce(struct vmbus_ring_out *out, uint32_t bytes)
{
	void *payload;
	int ret = vmbus_ring_reserve(out, 0, bytes, NULL, &payload);

	must(ret == 0 || ret == -EAGAIN || ret == -EPROTO || ret == -EMSGSIZE);
	if (ret)
		return;
	memset(payload, 0x11, bytes);
	vmbus_ring_commit(out, VMBUS_PKT_DATA_INBAND, bytes & 1, bytes);
	must(out->write < SIZE && out->write % 8 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmbus_ring_ctl *ctl;
	struct vmbus_ring_out out;
	struct vmbus_ring_in in;
	uint32_t word;
	bool signal = false;

	if (!ctl)
		ctl = test_ring_map(PAGES);
	if (size < 20)
		return 0;
	memset(ctl, 0, PAGES * VMBUS_PAGE_BYTES);
	memcpy(ctl, data, 16);
	memcpy(&ctl->features, data + 16, 4);
	data += 20;
	size -= 20;
	if (vmbus_ring_in_init(&in, ctl, PAGES) || vmbus_ring_out_init(&out, ctl, PAGES))
		return 0;
	for (size_t n = size < SIZE ? size : SIZE, i = 0; i < n; i++)
		((uint8_t *)(ctl + 1))[(in.read + i) % SIZE] = data[i];
	for (; size >= 6; data += 6, size -= 6) {
		memcpy(&word, data + 1, 4);
		switch (data[0] % 10) {
		case 0: consume(&in, data[5]); break;
		case 1: signal |= vmbus_ring_release(&in); break;
		case 2: signal |= in.read == in.released && vmbus_ring_unmask(&in); break;
		case 3: produce(&out, word % (2 * SIZE)); break;
		case 4: signal |= vmbus_ring_publish(&out); break;
		case 5: signal |= out.write == out.published && vmbus_ring_wait_for_space(&out, word); break;
		case 6: must(vmbus_ring_free(&out) < SIZE); break;
		case 7: ((uint32_t *)(void *)ctl)[data[5] % 4] = word; break;
		case 8: ctl->features = word; break;
		case 9: memcpy((uint8_t *)(ctl + 1) + word % (SIZE - 4), &word, 4); break;
		}
	}
	__asm__ volatile("" :: "r"(signal));
	return 0;
}
