/* SPDX-License-Identifier: MIT */
/* Rings over plain memory, both ends here, in one thread and in two. Barriers: ring_barrier_test.c. */
#include "vmbus/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/test.h"
#include "vmbus/packet.h"
#include "vmbus/test_ring.h"

enum { PAGES = 3, SIZE = (PAGES - 1) * VMBUS_PAGE_BYTES };

/* A ring with both ends, beginning at any index. */
struct pair {
	struct vmbus_ring_ctl *ctl;
	uint8_t *data;
	struct vmbus_ring_out out;
	struct vmbus_ring_in in;
	_Alignas(8) uint8_t buf[2 * SIZE];
	struct vmbus_packet pkt;
};

static void pair_open_at(struct pair *p, uint32_t index)
{
	p->ctl = test_ring_map(PAGES);
	p->data = (uint8_t *)(p->ctl + 1);
	p->ctl->write_index = p->ctl->read_index = index;
	p->ctl->pending_send_bytes = 77;
	CU_ASSERT_EQUAL(vmbus_ring_out_init(&p->out, p->ctl, PAGES), 0);
	CU_ASSERT_EQUAL(vmbus_ring_in_init(&p->in, p->ctl, PAGES), 0);
}

static void pair_open(struct pair *p)
{
	pair_open_at(p, 0);
}

static void pair_close(struct pair *p)
{
	test_ring_unmap(p->ctl, PAGES);
}

static int next(struct pair *p)
{
	return vmbus_ring_next(&p->in, p->buf, sizeof(p->buf), &p->pkt);
}

static int put(struct pair *p, uint32_t payload_bytes)
{
	static const uint8_t zero[SIZE];

	return vmbus_ring_write(&p->out, VMBUS_PKT_DATA_INBAND, false, 0, zero, payload_bytes);
}

/* Writes a descriptor by hand where the consumer will look, and makes the ring end after available bytes. */
static void forge(struct pair *p, uint16_t type, uint16_t offset8, uint16_t length8, uint16_t flags, uint32_t available)
{
	struct vmbus_pkt_desc d = { to_le16(type), to_le16(offset8), to_le16(length8), to_le16(flags), to_le64(9) };

	memcpy(p->data + p->in.read, &d, sizeof(d));
	p->ctl->write_index = (p->in.read + available) % SIZE;
}

static void init_checks_what_it_finds(void)
{
	static const struct { const char *lie; uint32_t pages, write, read; int ret; } rows[] = {
		{ "no data page", 1, 0, 0, -EINVAL },
		{ "2 GiB and more", (1 << 19) + 1, 0, 0, -EINVAL },
		{ "write index at the end", PAGES, SIZE, 0, -EPROTO },
		{ "write index unaligned", PAGES, 4, 0, -EPROTO },
		{ "read index at the end", PAGES, 0, SIZE, -EPROTO },
		{ "read index unaligned", PAGES, 0, SIZE - 4, -EPROTO },
		{ "read index huge", PAGES, 0, 0xfffffff8, -EPROTO },
		{ "good", PAGES, SIZE - 8, 16, 0 },
	};
	struct vmbus_ring_ctl *ctl = test_ring_map(PAGES);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_ring_out out = { .size = 1 };
		struct vmbus_ring_in in = { .size = 1 };

		ctl->write_index = rows[i].write;
		ctl->read_index = rows[i].read;
		CU_ASSERT_EQUAL(vmbus_ring_out_init(&out, ctl, rows[i].pages), rows[i].ret);
		CU_ASSERT_EQUAL(vmbus_ring_in_init(&in, ctl, rows[i].pages), rows[i].ret);
		CU_ASSERT_EQUAL(out.size, rows[i].ret ? 1 : SIZE);	/* untouched on failure */
		CU_ASSERT_EQUAL(in.size, rows[i].ret ? 1 : SIZE);
		if (!rows[i].ret) {
			CU_ASSERT_EQUAL(out.write, SIZE - 8);
			CU_ASSERT_EQUAL(in.read, 16);
			CU_ASSERT_EQUAL(ctl->features & 1, 1);
			CU_ASSERT_EQUAL(ctl->pending_send_bytes, 0);
		}
	}
	test_ring_unmap(ctl, PAGES);
}

static void packet_is_as_on_the_wire(void)
{
	struct pair p;
	const uint8_t want[40] = { 6, 0, 2, 0, 4, 0, 1, 0, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12,
				   'h', 'e', 'l', 'l', 'o', ' ', 'v', 'm', 'b', 'u', 's', 0, 0, 0, 0, 0,
				   0, 0, 0, 0, 0x40, 0, 0, 0 };

	pair_open_at(&p, 0x40);
	memset(p.data, 0xee, 0x100);
	CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, VMBUS_PKT_DATA_INBAND, true, 0x123456789abcdef0, "hello vmbus", 11), 0);
	CU_ASSERT_EQUAL(p.ctl->write_index, 0x40);	/* not published yet */
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(memcmp(p.data + 0x40, want, sizeof(want)), 0);
	CU_ASSERT_EQUAL(p.ctl->write_index, 0x40 + 40);
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(p.pkt.type, VMBUS_PKT_DATA_INBAND);
	CU_ASSERT_TRUE(p.pkt.wants_completion);
	CU_ASSERT_EQUAL(p.pkt.transaction_id, 0x123456789abcdef0);
	CU_ASSERT_EQUAL(p.pkt.extra_bytes, 0);
	CU_ASSERT_EQUAL(p.pkt.payload_bytes, 16);	/* what the peer sees is padded */
	CU_ASSERT_EQUAL(memcmp(p.pkt.payload, "hello vmbus\0\0\0\0\0", 16), 0);
	CU_ASSERT_EQUAL(p.ctl->read_index, 0x40);	/* not released yet */
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_EQUAL(p.ctl->read_index, 0x40 + 40);
	CU_ASSERT_EQUAL(next(&p), 0);
	pair_close(&p);
}

static void packets_wrap_at_every_boundary(void)
{
	uint8_t payload[200];
	struct pair p;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t at = SIZE - 256; at < SIZE; at += 8) {
		pair_open_at(&p, at);
		for (uint32_t n = 0; n < 8; n++) {
			CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, VMBUS_PKT_COMPLETION, false, n, payload, 193 + n), 0);
			CU_ASSERT_EQUAL(vmbus_ring_publish(&p.out), n == 0);
		}
		for (uint32_t n = 0; n < 8; n++) {
			CU_ASSERT_EQUAL(next(&p), 1);
			CU_ASSERT_EQUAL(p.pkt.type, VMBUS_PKT_COMPLETION);
			CU_ASSERT_EQUAL(p.pkt.transaction_id, n);
			CU_ASSERT_EQUAL(p.pkt.payload_bytes, 200);
			CU_ASSERT_EQUAL(memcmp(p.pkt.payload, payload, 193 + n), 0);
		}
		CU_ASSERT_EQUAL(next(&p), 0);
		CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
		CU_ASSERT_EQUAL(p.ctl->read_index, p.ctl->write_index);
		pair_close(&p);
	}
}

static void last_eight_bytes_stay_free(void)
{
	struct pair p;
	void *payload;

	pair_open_at(&p, 4096);
	CU_ASSERT_EQUAL(vmbus_ring_free(&p.out), SIZE - 8);
	CU_ASSERT_EQUAL(put(&p, SIZE - 8 - 24 + 8), -EMSGSIZE);
	CU_ASSERT_EQUAL(put(&p, SIZE - 8 - 24), 0);
	CU_ASSERT_EQUAL(vmbus_ring_free(&p.out), 0);
	CU_ASSERT_EQUAL(put(&p, 0), -EAGAIN);
	CU_ASSERT_EQUAL(p.out.full, 1);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(put(&p, 0), -EAGAIN);	/* taken is not released */
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_EQUAL(put(&p, 0), 0);
	/* sizes that no descriptor can say, and sums that wrap */
	CU_ASSERT_EQUAL(vmbus_ring_reserve(&p.out, 8, 0xfffffff8, NULL, &payload), -EMSGSIZE);
	CU_ASSERT_EQUAL(vmbus_ring_reserve(&p.out, 0xfffffff8, 8, NULL, &payload), -EMSGSIZE);
	pair_close(&p);
}

static void length_is_limited_by_the_descriptor(void)
{
	enum { BIG = 200 };	/* pages: more than a descriptor can name */
	struct vmbus_ring_out out;
	void *base = test_ring_map(BIG), *payload;

	CU_ASSERT_EQUAL(vmbus_ring_out_init(&out, base, BIG), 0);
	CU_ASSERT_EQUAL(vmbus_ring_reserve(&out, 0, 0xffff * 8 - 16, NULL, &payload), 0);
	CU_ASSERT_EQUAL(vmbus_ring_reserve(&out, 0, 0xffff * 8 - 16 + 1, NULL, &payload), -EMSGSIZE);
	test_ring_unmap(base, BIG);
}

static void signals_only_from_empty_and_unmasked(void)
{
	struct pair p;

	pair_open(&p);
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));	/* nothing to tell */
	CU_ASSERT_EQUAL(put(&p, 8), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));	/* once */
	CU_ASSERT_EQUAL(put(&p, 8), 0);
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));	/* was not empty */
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	vmbus_ring_mask(&p.in);
	CU_ASSERT_EQUAL(put(&p, 8), 0);
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));	/* masked */
	CU_ASSERT_FALSE(vmbus_ring_unmask(&p.in));	/* looks again: there is one */
	CU_ASSERT_EQUAL(p.ctl->interrupt_mask, 1);
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_TRUE(vmbus_ring_unmask(&p.in));
	CU_ASSERT_EQUAL(p.ctl->interrupt_mask, 0);
	CU_ASSERT_EQUAL(put(&p, 8), 0);
	CU_ASSERT_EQUAL(put(&p, 8), 0);			/* several packets, one store, one signal */
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(p.out.signals, 2);
	pair_close(&p);
}

/* 10.3, 10.4: the only doorbell is the one of the release that crosses the line, and it comes once. */
static void waiting_producer_is_signalled_once(void)
{
	struct pair p;
	const uint32_t space = vmbus_packet_space(0, 1000);
	unsigned n = 0;

	pair_open(&p);
	while (put(&p, 1000) == 0)
		n++;
	CU_ASSERT_EQUAL(n, (SIZE - 8) / space);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_FALSE(vmbus_ring_wait_for_space(&p.out, 2 * space));
	CU_ASSERT_EQUAL(p.ctl->pending_send_bytes, 2 * space);
	vmbus_ring_mask(&p.in);				/* plays no part here */
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));	/* one is not enough */
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_TRUE(vmbus_ring_release(&p.in));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));	/* said already */
	CU_ASSERT_EQUAL(p.in.signals, 1);
	CU_ASSERT_EQUAL(put(&p, 1000), 0);
	vmbus_ring_stop_waiting(&p.out);
	CU_ASSERT_EQUAL(p.ctl->pending_send_bytes, 0);
	pair_close(&p);
}

/* The release came between "full" and "wait": nobody will signal, so waiting must look again. */
static void waiting_looks_again(void)
{
	struct pair p;

	pair_open(&p);
	CU_ASSERT_EQUAL(put(&p, SIZE - 8 - 24), 0);
	CU_ASSERT_EQUAL(put(&p, 0), -EAGAIN);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_TRUE(vmbus_ring_wait_for_space(&p.out, 24));
	CU_ASSERT_EQUAL(p.ctl->pending_send_bytes, 0);	/* or a later release would signal for nothing */
	pair_close(&p);
}

/* The 8 bytes of slack are on both sides of the comparison: exactly fitting packets wake, 8 bytes short do not. */
static void exact_fit_wakes(void)
{
	struct pair p;

	for (int less = 0; less < 2; less++) {
		pair_open(&p);
		CU_ASSERT_EQUAL(put(&p, 1000), 0);
		CU_ASSERT_EQUAL(put(&p, SIZE - 8 - 2 * 24 - 1000), 0);	/* the ring is full to the last byte */
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		CU_ASSERT_EQUAL(vmbus_ring_free(&p.out), 0);
		CU_ASSERT_FALSE(vmbus_ring_wait_for_space(&p.out, 1024 + 8 * (uint32_t)less));
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_EQUAL(vmbus_ring_release(&p.in), !less);
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_EQUAL(vmbus_ring_release(&p.in), less);
		pair_close(&p);
	}
	/* The other side of the line: free space is already what is asked for when the batch begins. */
	pair_open(&p);
	CU_ASSERT_EQUAL(put(&p, 1000), 0);
	CU_ASSERT_EQUAL(put(&p, 1000), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	p.ctl->pending_send_bytes = SIZE - 8 - 2 * 1024;
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	pair_close(&p);
}

static void pending_size_of_a_strange_producer(void)
{
	static const struct { uint32_t pending, features; bool signal; } rows[] = {
		{ SIZE - 1, 1, true },		/* some producers mean "all of it": low bits are cut */
		{ SIZE - 8, 1, true },
		{ SIZE, 1, false },		/* never triggers */
		{ 0xffffffff, 1, false },
		{ 7, 1, false },		/* nothing, after the cut */
		{ SIZE - 8, 0, false },		/* without the feature the producer polls */
		{ SIZE - 8, 0xfffffffe, false },
	};
	struct pair p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pair_open(&p);
		CU_ASSERT_EQUAL(put(&p, 8), 0);
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		p.ctl->pending_send_bytes = rows[i].pending;
		p.ctl->features = rows[i].features;
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_EQUAL(vmbus_ring_release(&p.in), rows[i].signal);
		CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
		pair_close(&p);
	}
}

/* R3, R4, R5, R15: one lie per row over `available` bytes; the smallest good packets end it. */
static void refuses_lying_descriptors(void)
{
	static const struct { const char *lie; uint16_t type, offset8, length8, flags; uint32_t available; int ret; } rows[] = {
		{ "8 bytes are no packet", 6, 2, 2, 0, 8, -EPROTO },
		{ "a descriptor without footer", 6, 2, 2, 0, 16, -EPROTO },
		{ "length 0", 6, 2, 0, 0, 4096, -EPROTO },
		{ "length below the descriptor", 6, 1, 1, 0, 4096, -EPROTO },
		{ "payload begins in the descriptor", 6, 1, 3, 0, 4096, -EPROTO },
		{ "payload begins past the end", 6, 4, 3, 0, 4096, -EPROTO },
		{ "the footer is not there", 6, 2, 4, 0, 32, -EPROTO },
		{ "longer than the ring holds", 6, 2, 0xffff, 0, 4096, -EPROTO },
		{ "larger than the buffer", 6, 2, 2 + 65, 0, 4096, -EPROTO },
		{ "unknown flag", 6, 2, 2, 2, 4096, -EPROTO },
		{ "GPA direct without ranges", 9, 2, 4, 0, 4096, -EPROTO },
		{ "transfer pages without ranges", 7, 2, 4, 0, 4096, -EPROTO },
		{ "GPA direct, header only", 9, 3, 3, 0, 4096, 1 },
		{ "a type of its own", 77, 2, 2, 0, 24, 1 },
		{ "as large as the buffer", 6, 2, 2 + 64, 1, 4096, 1 },
		{ "smallest", 6, 2, 2, 0, 24, 1 },
	};
	struct pair p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pair_open_at(&p, SIZE - 16);
		forge(&p, rows[i].type, rows[i].offset8, rows[i].length8, rows[i].flags, rows[i].available);
		int ret = vmbus_ring_next(&p.in, p.buf, 64 * 8, &p.pkt);
		if (ret != rows[i].ret)
			printf("%s: %d\n", rows[i].lie, ret);
		CU_ASSERT_EQUAL(ret, rows[i].ret);
		if (ret < 0) {
			p.ctl->write_index = p.in.read;	/* mending it does not help */
			CU_ASSERT_EQUAL(next(&p), -EPROTO);
			CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
			CU_ASSERT_FALSE(vmbus_ring_unmask(&p.in));
			CU_ASSERT_EQUAL(p.ctl->read_index, SIZE - 16);
		} else {
			CU_ASSERT_EQUAL(p.pkt.payload_bytes, (rows[i].length8 - rows[i].offset8) * 8);
			CU_ASSERT_EQUAL(p.pkt.extra_bytes, (rows[i].offset8 - 2) * 8);
			CU_ASSERT_EQUAL(p.pkt.transaction_id, 9);
		}
		pair_close(&p);
	}
}

/* R1: the peer's index is checked at every look, and a dead ring is never signalled. */
static void refuses_impossible_indices(void)
{
	static const uint32_t bad[] = { 4, SIZE, SIZE + 8, 0x80000000, 0xffffffff };
	struct pair p;
	void *payload;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pair_open(&p);
		p.ctl->write_index = bad[i];
		CU_ASSERT_EQUAL(next(&p), -EPROTO);
		pair_close(&p);

		pair_open(&p);
		p.ctl->write_index = bad[i];
		CU_ASSERT_FALSE(vmbus_ring_unmask(&p.in));
		CU_ASSERT_TRUE(p.in.corrupt);
		CU_ASSERT_EQUAL(next(&p), -EPROTO);
		pair_close(&p);

		pair_open(&p);				/* seen by the release, for whose signal it matters */
		CU_ASSERT_EQUAL(put(&p, 0), 0);
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		CU_ASSERT_EQUAL(next(&p), 1);
		p.ctl->pending_send_bytes = SIZE - 8;
		p.ctl->write_index = bad[i];
		CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
		CU_ASSERT_TRUE(p.in.corrupt);
		pair_close(&p);

		pair_open(&p);				/* the publisher looks for whether to signal */
		CU_ASSERT_EQUAL(put(&p, 0), 0);
		p.ctl->read_index = bad[i];
		CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));
		CU_ASSERT_TRUE(p.out.corrupt);
		CU_ASSERT_EQUAL(put(&p, 0), -EPROTO);
		CU_ASSERT_EQUAL(vmbus_ring_free(&p.out), 0);
		CU_ASSERT_TRUE(vmbus_ring_wait_for_space(&p.out, 24));
		pair_close(&p);

		pair_open(&p);				/* the writer looks when its knowledge is used up */
		CU_ASSERT_EQUAL(put(&p, SIZE - 8 - 24), 0);
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		p.ctl->read_index = bad[i];
		CU_ASSERT_EQUAL(vmbus_ring_reserve(&p.out, 0, 8, NULL, &payload), -EPROTO);
		pair_close(&p);
	}
}

/* R2: what the peer does to our index changes nothing. */
static void own_indices_are_private(void)
{
	struct pair p;

	pair_open(&p);
	for (uint32_t n = 0; n < 1000; n++) {
		CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, 6, false, n, &n, sizeof(n)), 0);
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		uint32_t written = p.ctl->write_index;
		p.ctl->read_index = 8;			/* on the consumer, by the producer … */
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_EQUAL(p.pkt.transaction_id, n);
		CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
		CU_ASSERT_EQUAL(p.ctl->read_index, written);
		p.ctl->write_index = 16;		/* … and the other way round */
	}
	pair_close(&p);
}

/* R6, R9: after next() the ring may change; the copy does not. */
static void packet_is_a_private_copy(void)
{
	struct pair p;

	pair_open(&p);
	CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, 6, true, 5, "payload", 8), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	memset(p.data, 0xff, SIZE);
	CU_ASSERT_EQUAL(memcmp(p.pkt.payload, "payload", 8), 0);
	CU_ASSERT_TRUE(p.pkt.payload >= p.buf && p.pkt.payload + p.pkt.payload_bytes <= p.buf + sizeof(p.buf));
	CU_ASSERT_EQUAL(p.pkt.payload_bytes, 8);
	pair_close(&p);
}

/* R11: each call does one packet, so the caller's bound holds against a peer that keeps the ring full. */
static void endless_producer_is_taken_in_steps(void)
{
	struct pair p;

	pair_open(&p);
	for (unsigned n = 0; n < 10000; n++) {
		p.ctl->write_index = (p.in.read + 24) % SIZE;
		forge(&p, 6, 2, 2, 0, SIZE - 8);
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
		CU_ASSERT_FALSE(vmbus_ring_unmask(&p.in));
	}
	pair_close(&p);
}

static void moves_keep_the_private_state(void)
{
	struct pair p;
	struct vmbus_ring_ctl *other = test_ring_map(PAGES);

	pair_open(&p);
	CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, 6, false, 1, "a", 1), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	memcpy(other, p.ctl, PAGES * VMBUS_PAGE_BYTES);
	vmbus_ring_out_move(&p.out, other);
	vmbus_ring_in_move(&p.in, other);
	CU_ASSERT_EQUAL(vmbus_ring_write(&p.out, 6, false, 2, "b", 1), 0);
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(p.pkt.transaction_id, 1);
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(p.pkt.transaction_id, 2);
	CU_ASSERT_EQUAL(next(&p), 0);
	test_ring_unmap(other, PAGES);
	pair_close(&p);
}

/* ---- range lists ---- */

static void gpa_direct_round_trip(void)
{
	const uint64_t pfns[3] = { 7, 0xfffffffffffff, 7 };
	struct vmbus_gpa_range range;
	struct vmbus_gpa_walk w;
	void *extra, *payload;
	struct pair p;

	pair_open_at(&p, SIZE - 40);		/* the list wraps the ring's end */
	CU_ASSERT_EQUAL(vmbus_ring_reserve(&p.out, vmbus_gpa_direct_extra(3), 4, &extra, &payload), 0);
	vmbus_gpa_direct_write(extra, 8193, 4095, pfns, 3);
	memcpy(payload, "rndis", 4);
	vmbus_ring_commit(&p.out, VMBUS_PKT_DATA_GPA_DIRECT, true, 3);
	CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_EQUAL(memcmp(p.pkt.payload, "rndi", 4), 0);
	CU_ASSERT_EQUAL(vmbus_gpa_walk_begin(&w, &p.pkt), true);
	CU_ASSERT_EQUAL(vmbus_gpa_walk_next(&w, &range), 1);
	CU_ASSERT_EQUAL(range.bytes, 8193);
	CU_ASSERT_EQUAL(range.offset, 4095);
	CU_ASSERT_EQUAL(range.pages, 3);
	for (uint32_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(vmbus_gpa_range_pfn(&range, i), pfns[i]);
	CU_ASSERT_EQUAL(vmbus_gpa_walk_next(&w, &range), 0);
	pair_close(&p);
}

/* R7, R8: words are the u64s behind the 8-byte header. ret: −1 begin fails, else what the walk ends with. */
static void refuses_lying_gpa_ranges(void)
{
	static const struct { const char *lie; uint32_t count; unsigned words; uint64_t w[4]; int begin, end, ranges; } rows[] = {
		{ "no range", 0, 2, { 1, 5 }, 0, 0, 0 },
		{ "more ranges than words", 3, 2, { 1, 5 }, 0, 0, 0 },
		{ "count times size wraps", 0x20000001, 2, { 1, 5 }, 0, 0, 0 },
		{ "empty range", 1, 2, { 0, 5 }, 1, -EPROTO, 0 },
		{ "offset past the page", 1, 2, { 1 | 0x1000ull << 32, 5 }, 1, -EPROTO, 0 },
		{ "page missing", 1, 1, { 1 }, 1, -EPROTO, 0 },
		{ "second page missing", 1, 2, { 2 | 0xfffull << 32, 5 }, 1, -EPROTO, 0 },
		{ "count + offset wraps", 1, 3, { 0xffffffff | 0xfffull << 32, 5, 6 }, 1, -EPROTO, 0 },
		{ "second range missing", 2, 2, { 1, 5 }, 1, -EPROTO, 1 },
		{ "two ranges", 2, 4, { 4096, 5, 1 | 0xfffull << 32, 6 }, 1, 0, 2 },
		{ "smallest", 1, 2, { 1, 5 }, 1, 0, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmbus_pkt_gpa_direct head = { .reserved = to_le32(0xdead), .range_count = to_le32(rows[i].count) };
		uint8_t copy[8 + 4 * 8];
		struct vmbus_packet pkt = { .type = 9, .extra = copy, .extra_bytes = 8 + 8 * rows[i].words };
		struct vmbus_gpa_range range;
		struct vmbus_gpa_walk w;
		int n = 0, ret;

		memcpy(copy, &head, 8);
		memcpy(copy + 8, rows[i].w, 32);
		CU_ASSERT_EQUAL(vmbus_gpa_walk_begin(&w, &pkt), rows[i].begin);
		if (!rows[i].begin)
			continue;
		while ((ret = vmbus_gpa_walk_next(&w, &range)) == 1)
			n++;
		CU_ASSERT_EQUAL(ret, rows[i].end);
		CU_ASSERT_EQUAL(n, rows[i].ranges);
		pkt.type = 6;
		CU_ASSERT_FALSE(vmbus_gpa_walk_begin(&w, &pkt));
		pkt.type = 9;
		pkt.extra_bytes = 0;
		CU_ASSERT_FALSE(vmbus_gpa_walk_begin(&w, &pkt));
	}
}

static void transfer_pages_round_trip(void)
{
	const struct vmbus_transfer_range ranges[2] = { { 100, 0 }, { 1500, 0xfffff000 } };
	void *extra, *payload;
	struct pair p;
	uint16_t id = 0;
	uint32_t n = 0;

	for (uint32_t at = SIZE - 64; at < SIZE; at += 8) {
		pair_open_at(&p, at);
		CU_ASSERT_EQUAL(vmbus_ring_reserve(&p.out, vmbus_transfer_extra(2), 8, &extra, &payload), 0);
		vmbus_transfer_write(extra, 0xcafe, ranges, 2);
		memset(payload, 1, 8);
		vmbus_ring_commit(&p.out, VMBUS_PKT_DATA_TRANSFER_PAGES, true, 3);
		CU_ASSERT_TRUE(vmbus_ring_publish(&p.out));
		CU_ASSERT_EQUAL(next(&p), 1);
		CU_ASSERT_TRUE(vmbus_transfer_parse(&p.pkt, &id, &n));
		CU_ASSERT_EQUAL(id, 0xcafe);
		CU_ASSERT_EQUAL(n, 2);
		for (uint32_t i = 0; i < n; i++) {
			CU_ASSERT_EQUAL(vmbus_transfer_range(&p.pkt, i).bytes, ranges[i].bytes);
			CU_ASSERT_EQUAL(vmbus_transfer_range(&p.pkt, i).offset, ranges[i].offset);
		}
		p.buf[4] = 3;			/* claims one more than its header holds */
		CU_ASSERT_FALSE(vmbus_transfer_parse(&p.pkt, &id, &n));
		p.buf[7] = 0x20;		/* and so many that the product wraps */
		CU_ASSERT_FALSE(vmbus_transfer_parse(&p.pkt, &id, &n));
		pair_close(&p);
	}
}

/* ---- two threads ---- */

enum { TRANSFERS = 200000 };

struct lane {
	struct pair p;
	int to_consumer, to_producer;	/* doorbells, counted up; futex-free: sleepers yield */
	int failed;			/* any end gave up */
};

static void ring_bell(int *bell)
{
	__atomic_fetch_add(bell, 1, __ATOMIC_SEQ_CST);
}

/* Sleeps until the bell moves on from *heard. false: nobody rang for seconds, so a wake-up is lost. */
static bool hear_bell(const int *bell, int *heard)
{
	time_t until = time(NULL) + 20;

	while (__atomic_load_n(bell, __ATOMIC_SEQ_CST) == *heard) {
		if (time(NULL) > until)
			return false;
		sched_yield();
	}
	*heard = __atomic_load_n(bell, __ATOMIC_SEQ_CST);
	return true;
}

static uint32_t size_of_nth(uint32_t n)
{
	return n * 2654435761u % 700;
}

static void *produce(void *arg)
{
	struct lane *l = arg;
	int heard = 0;

	for (uint32_t n = 0; n < TRANSFERS; n++) {
		const uint32_t bytes = size_of_nth(n);
		void *payload;

		while (vmbus_ring_reserve(&l->p.out, 0, bytes, NULL, &payload) == -EAGAIN) {
			if (vmbus_ring_publish(&l->p.out))
				ring_bell(&l->to_consumer);
			if (vmbus_ring_wait_for_space(&l->p.out, vmbus_packet_space(0, bytes)))
				continue;
			if (!hear_bell(&l->to_producer, &heard)) {
				__atomic_store_n(&l->failed, 1, __ATOMIC_SEQ_CST);
				return NULL;
			}
			vmbus_ring_stop_waiting(&l->p.out);
		}
		memset(payload, (int)(n & 0xff), bytes);
		vmbus_ring_commit(&l->p.out, VMBUS_PKT_DATA_INBAND, n & 1, n);
		if (n % 3 == 0 || n + 1 == TRANSFERS)
			if (vmbus_ring_publish(&l->p.out))
				ring_bell(&l->to_consumer);
	}
	return NULL;
}

static void nothing_is_lost_between_two_threads(void)
{
	static struct lane l;
	pthread_t producer;
	uint32_t n = 0;
	int heard = 0;
	bool good = true;

	memset(&l, 0, sizeof(l));
	pair_open(&l.p);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, produce, &l), 0);
	while (n < TRANSFERS && good) {
		int ret = next(&l.p);

		if (ret == 1) {
			good = l.p.pkt.transaction_id == n && l.p.pkt.wants_completion == (n & 1) &&
			       l.p.pkt.payload_bytes == ((size_of_nth(n) + 7) & ~7u);
			for (uint32_t i = 0; i < size_of_nth(n) && good; i++)
				good = l.p.pkt.payload[i] == (n & 0xff);
			n++;
			if (n % 5 == 0 && vmbus_ring_release(&l.p.in))
				ring_bell(&l.to_producer);
			continue;
		}
		if (vmbus_ring_release(&l.p.in))
			ring_bell(&l.to_producer);
		if (ret < 0 || (vmbus_ring_unmask(&l.p.in) && !hear_bell(&l.to_consumer, &heard)))
			break;
		vmbus_ring_mask(&l.p.in);
	}
	CU_ASSERT_EQUAL(n, TRANSFERS);
	CU_ASSERT_TRUE(good);
	pthread_join(producer, NULL);
	CU_ASSERT_FALSE(l.failed);
	CU_ASSERT_TRUE(l.p.out.full > 0);	/* the handshake was used */
	pair_close(&l.p);
}

/* What a second look finds, after a doorbell that was lost. */
static void second_looks(void)
{
	struct pair p;

	pair_open(&p);
	CU_ASSERT_FALSE(vmbus_ring_neglected(&p.out));
	CU_ASSERT_FALSE(vmbus_ring_has_packet(&p.in));
	vmbus_ring_mask(&p.in);
	CU_ASSERT_EQUAL_FATAL(vmbus_ring_write(&p.out, VMBUS_PKT_DATA_INBAND, false, 1, "12345678", 8), 0);
	CU_ASSERT_FALSE(vmbus_ring_has_packet(&p.in));		/* not published */
	CU_ASSERT_FALSE(vmbus_ring_publish(&p.out));
	CU_ASSERT_TRUE(vmbus_ring_has_packet(&p.in));
	CU_ASSERT_FALSE(vmbus_ring_neglected(&p.out));		/* the consumer polls */
	__atomic_store_n(&p.in.ctl->interrupt_mask, 0, __ATOMIC_RELAXED);	/* unmasked without looking */
	CU_ASSERT_TRUE(vmbus_ring_neglected(&p.out));
	CU_ASSERT_EQUAL(next(&p), 1);
	CU_ASSERT_FALSE(vmbus_ring_release(&p.in));
	CU_ASSERT_FALSE(vmbus_ring_neglected(&p.out));
	CU_ASSERT_FALSE(vmbus_ring_has_packet(&p.in));
	__atomic_store_n(&p.in.ctl->write_index, 3, __ATOMIC_RELAXED);
	CU_ASSERT_FALSE(vmbus_ring_has_packet(&p.in));
	CU_ASSERT_TRUE(p.in.corrupt);
	pair_close(&p);
}

static const struct hv_test tests[] = {
	{ "init checks pages and both indices", init_checks_what_it_finds },
	{ "packet is as on the wire", packet_is_as_on_the_wire },
	{ "packets wrap at every 8-byte boundary", packets_wrap_at_every_boundary },
	{ "last eight bytes stay free", last_eight_bytes_stay_free },
	{ "length is limited by the descriptor", length_is_limited_by_the_descriptor },
	{ "signals only from empty and unmasked", signals_only_from_empty_and_unmasked },
	{ "waiting producer is signalled once", waiting_producer_is_signalled_once },
	{ "waiting for space looks again", waiting_looks_again },
	{ "exactly fitting space wakes", exact_fit_wakes },
	{ "pending size of a strange producer", pending_size_of_a_strange_producer },
	{ "refuses lying descriptors", refuses_lying_descriptors },
	{ "refuses impossible indices", refuses_impossible_indices },
	{ "own indices are private", own_indices_are_private },
	{ "packet is a private copy", packet_is_a_private_copy },
	{ "endless producer is taken in steps", endless_producer_is_taken_in_steps },
	{ "moves keep the private state", moves_keep_the_private_state },
	{ "second looks find what a doorbell did not tell", second_looks },
	{ "GPA-direct ranges round trip", gpa_direct_round_trip },
	{ "refuses lying GPA ranges", refuses_lying_gpa_ranges },
	{ "transfer-page ranges round trip", transfer_pages_round_trip },
	{ "nothing is lost between two threads", nothing_is_lost_between_two_threads },
};

HV_TEST_MAIN("vmbus/ring", tests)
