/* SPDX-License-Identifier: MIT */
/* Host to guest: what lands in the receive buffer, the filter, buffers and their return, congestion. */
#include "netvsp/test_world.h"

#include "base/test.h"

static struct world *up(uint32_t ring_pages)
{
	struct world *w = world_create();

	CU_ASSERT_FATAL(guest_up(w, ring_pages));
	return w;
}

/* A frame whose bytes behind the head lie in two pieces elsewhere. */
struct test_frame {
	struct vswitch_frame f;
	struct iovec segs[2];
	uint8_t bytes[9300];
};

static void make(struct test_frame *t, const uint8_t to[6], uint32_t n, uint8_t seed)
{
	const uint32_t head = n < VSWITCH_HEAD_BYTES ? n : VSWITCH_HEAD_BYTES, cut = head + (n - head) / 3;

	make_frame(t->bytes, n, to, world_peer, seed);
	t->f = (struct vswitch_frame){ .len = n, .head_bytes = (uint16_t)head, .segs = t->segs };
	memcpy(t->f.head, t->bytes, head);
	if (n > head) {
		t->segs[0] = (struct iovec){ t->bytes + head, cut - head };
		t->segs[1] = (struct iovec){ t->bytes + cut, n - cut };
		t->f.nsegs = 2;
	}
}

/* The RNDIS message of a range: checks all a guest checks, and more; the frame goes to dst. Its bytes, or -1. */
static int guest_frame(struct world *w, const struct guest_rx *rx, unsigned i, uint8_t *dst, uint32_t *vlan)
{
	uint8_t m[10000];
	uint32_t data, bytes, ppi, ppis;

	world_read(w, 0, rx->offset[i], m, rx->bytes[i]);
	data = u32_at(m, 8);
	bytes = u32_at(m, 12);
	ppi = u32_at(m, 28);
	ppis = u32_at(m, 32);
	if (u32_at(m, 0) != RNDIS_PACKET || u32_at(m, 4) != rx->bytes[i] || data != 248 || 256 + bytes > rx->bytes[i] ||
	    u32_at(m, 16) || u32_at(m, 20) || u32_at(m, 24) || u32_at(m, 36) || u32_at(m, 40) || ppi != 36 || ppis % 16)
		return -1;
	*vlan = ~0u;
	for (uint32_t at = 8 + ppi; at < 8 + ppi + ppis; at += 16) {
		if (u32_at(m, at) != 16 || u32_at(m, at + 8) != 12)
			return -1;
		if (u32_at(m, at + 4) == RNDIS_PPI_VLAN)
			*vlan = u32_at(m, at + 12);
		else if (u32_at(m, at + 4) != RNDIS_PPI_CHECKSUM || u32_at(m, at + 12))
			return -1;
	}
	memcpy(dst, m + 256, bytes);
	return (int)bytes;
}

static void frames_of_every_size_arrive_whole(void)
{
	static const uint32_t sizes[] = { 14, 60, 64, 128, 129, 1500, 1513, 1514 };
	static struct test_frame t[8];
	uint8_t frame[10000];

	for (unsigned scattered = 0; scattered < 2; scattered++) {
		struct world *w = world_create();
		struct vmbus_packet pkt;
		struct guest_rx rx;
		uint32_t vlan;

		world_open(w, 16);
		world_gpadl(w, 0, WORLD_RECEIVE_HANDLE, WORLD_RECEIVE_AT, 1024, scattered);
		CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_6_1, 1514, true));
		guest_rndis_initialize(w, 2, 1);
		guest_sent_status(w, 2);
		guest_answer(w, frame, sizeof(frame));
		CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 9), 0);
		for (unsigned round = 0; round < 40; round++) {	/* so that slots at every place in a page are used */
			const struct vswitch_frame *at[8];

			for (unsigned i = 0; i < 8; i++) {
				make(&t[i], world_mac, sizes[i], (uint8_t)(round + i));
				at[i] = &t[i].f;
			}
			w->port->nic->ops->deliver(w->port->nic->opaque, at, 8);
			CU_ASSERT_FALSE(guest_next(w, &pkt));		/* nothing before the flush */
			w->port->nic->ops->flush(w->port->nic->opaque);
			CU_ASSERT_TRUE_FATAL(guest_next(w, &pkt));
			CU_ASSERT_TRUE_FATAL(guest_parse_rx(w, &pkt, &rx));
			CU_ASSERT_EQUAL(rx.n, 8);
			CU_ASSERT_EQUAL(rx.channel_type, NVSP_CHANNEL_DATA);
			for (unsigned i = 0; i < 8; i++) {
				CU_ASSERT_EQUAL(guest_frame(w, &rx, i, frame, &vlan), (int)sizes[i]);
				CU_ASSERT(!memcmp(frame, t[i].bytes, sizes[i]));
				CU_ASSERT_EQUAL(vlan, ~0u);
			}
			if (round % 2)		/* keep half of them */
				guest_complete(w, rx.id);
		}
		CU_ASSERT_EQUAL(w->nic->to_guest.frames, 320);
		CU_ASSERT_EQUAL(w->nic->slots.free[NETVSP_POOL_DATA], w->slots - 16 - 160);
		world_destroy(w);
	}
}

static void slots_do_not_overlap_and_their_tail_is_left_alone(void)
{
	static struct test_frame t;
	struct world *w = up(128);
	struct vmbus_packet pkt;
	struct guest_rx rx;
	unsigned n = 0;
	bool seen[4096] = { false };

	make(&t, world_mac, 1514, 1);
	memset(w->bus.ram + WORLD_RECEIVE_AT, 0xa5, 4 << 20);
	for (unsigned i = 0; i < 2000; i++)
		world_deliver(w, &t.f, 1);
	while (guest_next(w, &pkt)) {
		CU_ASSERT_TRUE_FATAL(guest_parse_rx(w, &pkt, &rx));
		CU_ASSERT_FALSE(seen[rx.id]);
		CU_ASSERT_TRUE(rx.id >= NETVSP_CONTROL_SLOTS);
		seen[rx.id] = true;
		for (unsigned k = 0; k < 36; k++)
			if (*world_at(w, 0, rx.offset[0] + w->slot_bytes - 1 - k) != 0xa5)
				CU_FAIL("the tail was written to");
		n++;
	}
	CU_ASSERT_EQUAL(n, 2000);
	world_destroy(w);
}

static void a_batch_is_one_packet_of_at_most_32_ranges(void)
{
	static struct test_frame t[VSWITCH_BATCH];
	const struct vswitch_frame *at[VSWITCH_BATCH];
	struct world *w = up(16);
	struct vmbus_packet pkt;
	struct guest_rx rx;

	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		make(&t[i], world_broadcast, 64, (uint8_t)i);
		at[i] = &t[i].f;
	}
	/* a sender's batch in several deliveries: one packet when it is full, one for the rest */
	w->port->nic->ops->deliver(w->port->nic->opaque, at, 20);
	w->port->nic->ops->deliver(w->port->nic->opaque, at, 20);
	w->port->nic->ops->flush(w->port->nic->opaque);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx) && rx.n == 32);
	guest_complete(w, rx.id);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx) && rx.n == 8);
	guest_complete(w, rx.id);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(w->nic->slots.free[NETVSP_POOL_DATA], w->slots - 16);
	CU_ASSERT_EQUAL(world_counter(w, "to-guest-packets"), 2);
	world_destroy(w);
}

static void a_tag_is_an_element_for_those_who_know_it(void)
{
	static struct test_frame t;
	struct world *w = up(16);
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint8_t frame[2000];
	uint32_t vlan;

	make(&t, world_mac, 100, 1);
	t.f.offload.flags = VSWITCH_VLAN;
	t.f.offload.vlan_tci = 3 << 13 | 1 << 12 | 0xabc;
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
	CU_ASSERT_EQUAL(guest_frame(w, &rx, 0, frame, &vlan), 100);
	CU_ASSERT_EQUAL(vlan, 3 | 8 | 0xabc << 4);
	CU_ASSERT(!memcmp(frame, t.bytes, 100));
	CU_ASSERT_EQUAL(world_counter(w, "to-guest-vlan"), 1);

	/* others get it in the frame, which may then be four bytes longer */
	make(&t, world_mac, 1518, 1);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_TOO_BIG], 1);
	t.f.head[12] = 0x81;
	t.f.head[13] = 0;
	world_deliver(w, &t.f, 1);
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_TOO_BIG], 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
	CU_ASSERT_EQUAL(guest_frame(w, &rx, 0, frame, &vlan), 1518);
	world_destroy(w);
}

/* ---- filter ---- */

static void the_filter_lets_through_what_it_names(void)
{
	static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 }, other[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const struct {
		uint32_t bits;
		bool own, foreign, listed, unlisted, broadcast;
	} rows[] = {
		{ NDIS_FILTER_DIRECTED, true, false, false, false, false },
		{ NDIS_FILTER_BROADCAST, false, false, false, false, true },
		{ NDIS_FILTER_MULTICAST, false, false, true, false, false },
		{ NDIS_FILTER_ALL_MULTICAST, false, false, true, true, false },
		{ NDIS_FILTER_PROMISCUOUS, true, true, true, true, true },
		{ NDIS_FILTER_SOURCE_ROUTING, false, false, false, false, false },
		{ 0x09, true, false, false, false, true },
		{ 0x0d, true, false, true, true, true },
	};
	static struct test_frame t;
	struct world *w = up(64);
	uint64_t filtered = 0;

	CU_ASSERT_EQUAL(guest_set(w, OID_802_3_MULTICAST_LIST, multicast, 6), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *const to[] = { world_mac, world_peer, multicast, other, world_broadcast };
		const bool pass[] = { rows[i].own, rows[i].foreign, rows[i].listed, rows[i].unlisted,
				      rows[i].broadcast };

		CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, rows[i].bits), 0);
		for (unsigned k = 0; k < 5; k++) {
			struct vmbus_packet pkt;
			struct guest_rx rx;

			make(&t, to[k], 60, 0);
			world_deliver(w, &t.f, 1);
			CU_ASSERT_EQUAL(guest_next(w, &pkt), pass[k]);
			filtered += !pass[k];
			if (pass[k] && guest_parse_rx(w, &pkt, &rx))
				guest_complete(w, rx.id);
		}
	}
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_FILTERED], filtered);
	CU_ASSERT_EQUAL(world_counter(w, "to-guest-filtered"), filtered);
	world_destroy(w);
}

/* Hyper-V enforces no list, so a guest that names none gets every multicast. */
static void without_a_list_multicast_is_all_of_it(void)
{
	static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 };
	static struct test_frame t;
	struct world *w = up(64);

	make(&t, multicast, 60, 0);
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, NDIS_FILTER_MULTICAST), 0);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_EQUAL(w->nic->to_guest.multicast_frames, 1);
	CU_ASSERT_EQUAL(guest_set(w, OID_802_3_MULTICAST_LIST, NULL, 0), 0xdead);	/* answer behind the frame */
	world_deliver(w, &t.f, 1);
	CU_ASSERT_EQUAL(w->nic->to_guest.multicast_frames, 1);	/* the list was set, and is empty */
	world_destroy(w);
}

static void nothing_is_delivered_before_a_filter_and_after_filter_0(void)
{
	static struct test_frame t;
	struct world *w = world_create();
	struct vmbus_packet pkt;
	uint8_t a[64];

	make(&t, world_mac, 60, 0);
	world_deliver(w, &t.f, 1);			/* no channel */
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_NOT_READY], 1);
	world_open(w, 16);
	world_deliver(w, &t.f, 1);			/* no version */
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_6_1, 1514, true));
	guest_rndis_initialize(w, 2, 1);
	guest_sent_status(w, 2);
	guest_answer(w, a, sizeof(a));
	world_deliver(w, &t.f, 1);			/* no filter */
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_NOT_READY], 3);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_TRUE(w->port->nic && !w->port->connected);
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 9), 0);
	CU_ASSERT_TRUE(w->port->connected);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 0), 0);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 9), 0);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt));
	guest_revoke(w, NVSP_REVOKE_RECEIVE_BUFFER, 0xcafe, false);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_FALSE(guest_next(w, &pkt));
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_NOT_READY], 5);
	CU_ASSERT_TRUE(w->port->connected);	/* neither filter 0 nor a buffer taken back is an end */
	world_close(w);
	CU_ASSERT_TRUE(w->port->nic && !w->port->connected);
	CU_ASSERT_EQUAL(w->port->connects, 1);
	world_destroy(w);
}

/* ---- completions ---- */

static void a_completion_names_what_is_out_once(void)
{
	static const uint64_t lies[] = { 17, 15, 0, 2258, 2259, 0xffffffff, 0x100000010, ~0ull };
	static struct test_frame t;
	const uint32_t wrong = NVSP_SEND_RNDIS_PACKET;

	make(&t, world_mac, 60, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]) + 2; i++) {
		struct world *w = up(16);
		struct vmbus_packet pkt;
		struct guest_rx rx;

		world_deliver(w, &t.f, 1);
		CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
		CU_ASSERT_EQUAL(rx.id, 16);
		if (i == sizeof(lies) / sizeof(lies[0])) {		/* twice */
			guest_complete(w, rx.id);
			CU_ASSERT_EQUAL(world_state(w), NETVSP_READY);
			guest_complete(w, rx.id);
		} else if (i > sizeof(lies) / sizeof(lies[0])) {	/* of the wrong type */
			guest_put(w, VMBUS_PKT_COMPLETION, false, rx.id, NULL, 0, &wrong, 4);
			guest_go(w);
		} else {
			guest_complete(w, lies[i]);
		}
		CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
		CU_ASSERT_EQUAL(world_counter(w, "completion-bad-id") + world_counter(w, "completion-bad-type"), 1);
		world_destroy(w);
	}
}

static void the_middle_of_a_chain_is_no_packet(void)
{
	static struct test_frame t[4];
	const struct vswitch_frame *at[4];
	struct world *w = up(16);
	struct vmbus_packet pkt;
	struct guest_rx rx;

	for (unsigned i = 0; i < 4; i++) {
		make(&t[i], world_mac, 60, 0);
		at[i] = &t[i].f;
	}
	w->port->nic->ops->deliver(w->port->nic->opaque, at, 4);
	w->port->nic->ops->flush(w->port->nic->opaque);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
	guest_complete(w, rx.offset[2] / w->slot_bytes);
	CU_ASSERT_EQUAL(world_state(w), NETVSP_FAILED);
	CU_ASSERT_EQUAL(w->nic->slots.free[NETVSP_POOL_DATA], w->slots - 16 - 4);
	world_destroy(w);
}

/* Slots that come back between two deliveries get between the free ones that the chain is made of. */
static void a_chain_holds_its_slots_whatever_comes_back_meanwhile(void)
{
	static struct test_frame t;
	const struct vswitch_frame *at[1] = { &t.f };
	struct world *w = up(16);
	struct vmbus_packet pkt;
	struct guest_rx rx, first;
	bool seen[4096] = { false };
	uint32_t slot, n = 0;

	make(&t, world_mac, 60, 0);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &first));
	w->port->nic->ops->deliver(w->port->nic->opaque, at, 1);
	guest_complete(w, first.id);
	w->port->nic->ops->deliver(w->port->nic->opaque, at, 1);
	w->port->nic->ops->flush(w->port->nic->opaque);
	CU_ASSERT_TRUE(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx) && rx.n == 2);
	guest_complete(w, rx.id);
	CU_ASSERT_EQUAL(w->nic->slots.free[NETVSP_POOL_DATA], w->slots - 16);
	while ((slot = netvsp_slots_take(&w->nic->slots, NETVSP_POOL_DATA)) != NETVSP_NO_SLOT) {
		CU_ASSERT_FALSE_FATAL(slot >= w->slots || seen[slot]);
		seen[slot] = true;
		n++;
	}
	CU_ASSERT_EQUAL(n, w->slots - 16);
	world_destroy(w);
}

/* ---- congestion ---- */

/* Sends batches as a well-behaved sender: only while the port is not congested. Frames sent. */
static unsigned send_while_welcome(struct world *w, struct test_frame *t, unsigned most)
{
	const struct vswitch_frame *at[VSWITCH_BATCH];
	unsigned n;

	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		at[i] = &t->f;
	for (n = 0; n < most && !w->port->congested; n += VSWITCH_BATCH) {
		w->port->nic->ops->deliver(w->port->nic->opaque, at, VSWITCH_BATCH);
		w->port->nic->ops->flush(w->port->nic->opaque);
	}
	return n;
}

static unsigned receive_all(struct world *w)
{
	struct vmbus_packet pkt;
	struct guest_rx rx;
	uint64_t id[512];
	unsigned n = 0, ids = 0;

	while (ids < 512 && guest_next(w, &pkt)) {
		CU_ASSERT_TRUE_FATAL(guest_parse_rx(w, &pkt, &rx));
		n += rx.n;
		id[ids++] = rx.id;
	}
	for (unsigned i = 0; i < ids; i++)
		guest_put(w, VMBUS_PKT_COMPLETION, false, id[i], NULL, 0, NULL, 0);
	guest_go(w);
	return n;
}

static void nothing_is_lost_between_those_who_pause(void)
{
	static const uint32_t ring_pages[] = { 2, 4, 32, 128 };
	static struct test_frame t;

	make(&t, world_mac, 64, 0);
	for (unsigned i = 0; i < 4; i++) {
		struct world *w = up(ring_pages[i]);
		unsigned sent = 0, got = 0;

		for (unsigned round = 0; round < 200 && got < 20000; round++) {
			sent += send_while_welcome(w, &t, 20000 - sent);
			CU_ASSERT_TRUE(world_run(w));		/* sleeps, though congested */
			got += receive_all(w);
			CU_ASSERT_TRUE(world_run(w));
		}
		CU_ASSERT_EQUAL(sent, 20000);
		CU_ASSERT_EQUAL(got, 20000);
		CU_ASSERT_TRUE(w->port->congestions > 0);
		CU_ASSERT_FALSE(w->port->congested);
		for (unsigned k = 0; k < VSWITCH_DROPS; k++)
			CU_ASSERT_EQUAL(w->port->dropped[k], 0);
		world_destroy(w);
	}
}

static void who_does_not_pause_loses_frames_with_a_reason(void)
{
	static struct test_frame t;
	struct world *w = up(2);
	struct vswitch_frame f[VSWITCH_BATCH];
	unsigned sent = 0, got;

	make(&t, world_mac, 64, 0);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		f[i] = t.f;
	for (unsigned i = 0; i < 100; i++, sent += VSWITCH_BATCH)
		world_deliver(w, f, VSWITCH_BATCH);
	CU_ASSERT_TRUE(w->port->dropped[VSWITCH_DROP_RING_FULL] > 0);
	CU_ASSERT_TRUE(w->port->congested);
	/* there is still room for what must not be lost */
	CU_ASSERT_TRUE(vmbus_ring_free(&w->bus.ch.out) >= netvsp_channel_reserve(&w->nic->primary));
	got = receive_all(w);
	CU_ASSERT_EQUAL(got + w->port->dropped[VSWITCH_DROP_RING_FULL], sent);
	CU_ASSERT_FALSE(w->port->congested);
	world_destroy(w);

	w = world_create();
	world_open(w, 128);
	world_gpadl(w, 0, WORLD_RECEIVE_HANDLE, WORLD_RECEIVE_AT, 32, false);
	CU_ASSERT_TRUE(guest_handshake(w, NVSP_VERSION_6_1, 1514, true));
	guest_rndis_initialize(w, 2, 1);
	guest_sent_status(w, 2);
	guest_answer(w, f[0].head, 64);
	make(&t, world_mac, 64, 0);
	f[0] = t.f;
	CU_ASSERT_EQUAL(guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER, 9), 0);
	for (unsigned i = 0; i < 4; i++)
		world_deliver(w, f, VSWITCH_BATCH);
	CU_ASSERT_EQUAL(w->port->dropped[VSWITCH_DROP_NO_BUFFER], 128 - (w->slots - 16));
	CU_ASSERT_EQUAL(world_counter(w, "to-guest-no-buffer"), 128 - (w->slots - 16));
	CU_ASSERT_EQUAL(receive_all(w), w->slots - 16);
	CU_ASSERT_FALSE(w->port->congested);
	world_destroy(w);
}

/* Buffers that come back must be seen while frames wait: two guests would otherwise stop each other. */
static void completions_are_taken_while_frames_are_parked(void)
{
	static struct test_frame t;
	struct world *w = up(16);
	uint8_t m[104], frame[60];

	make(&t, world_mac, 64, 0);
	w->port->pause = true;
	make_frame(frame, 60, world_peer, world_mac, 0);
	make_packet(m, NULL, 0, frame, 60, 0);
	world_write(w, 1, 0, m, sizeof(m));
	for (unsigned i = 0; i < 100; i++)
		guest_put_section(w, i, 0, sizeof(m));
	guest_go(w);
	CU_ASSERT_TRUE(netvsp_channel_blocked(&w->nic->primary));
	for (unsigned i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(guest_sent_status(w, i), NVSP_STATUS_SUCCESS);
	CU_ASSERT_TRUE(send_while_welcome(w, &t, 100000) > 100);
	CU_ASSERT_TRUE(w->port->congested);
	receive_all(w);
	CU_ASSERT_FALSE(w->port->congested);
	CU_ASSERT_TRUE(netvsp_channel_blocked(&w->nic->primary));
	w->port->pause = false;
	world_destroy(w);
}

static void a_closed_receiver_is_not_congested(void)
{
	static struct test_frame t;
	struct world *w = up(2);

	make(&t, world_mac, 64, 0);
	send_while_welcome(w, &t, 100000);
	CU_ASSERT_TRUE(w->port->congested);
	w->bus.ops->pause(w->bus.opaque, &w->bus.ch, true);
	CU_ASSERT_FALSE(w->port->congested);
	w->bus.ops->pause(w->bus.opaque, &w->bus.ch, false);
	world_run(w);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE(w->port->congested);
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, NULL), 0);	/* the port aborts if it is unplugged congested */
	CU_ASSERT_EQUAL(netvsp_set_port(w->nic, w->port), 0);
	CU_ASSERT_TRUE(w->port->congested);
	world_close(w);
	CU_ASSERT_FALSE(w->port->congested);
	world_destroy(w);
}

/* What a guest without barriers does: it sleeps with its doorbell on, beside a packet that nobody rang for. */
static void a_lost_doorbell_is_rung_again(void)
{
	static struct test_frame t;
	struct world *w = up(4);
	struct vmbus_ring_in *in = &w->bus.to_guest;
	unsigned signals;

	make(&t, world_mac, 64, 0);
	receive_all(w);
	for (unsigned i = 0; i < 100 && w->nic->primary.look.loop; i++)
		world_advance(w, 2000000);
	CU_ASSERT_EQUAL_FATAL(w->nic->primary.look.loop, NULL);	/* nothing left to look after */
	vmbus_ring_mask(in);
	signals = w->bus.ch.signals;
	world_deliver(w, &t.f, 1);
	CU_ASSERT_EQUAL(w->bus.ch.signals, signals);
	world_advance(w, 50000000);
	CU_ASSERT_EQUAL(w->bus.ch.signals, signals);		/* it polls: none of our business */
	in->ctl->interrupt_mask = 0;
	world_advance(w, 50000000);
	CU_ASSERT_EQUAL(w->bus.ch.signals, signals + 1);
	CU_ASSERT_EQUAL(world_counter(w, "doorbells-repeated"), 1);
	for (unsigned i = 0; i < 10; i++)
		world_advance(w, 1000000000);
	CU_ASSERT_TRUE(w->bus.ch.signals > signals + 5);	/* a guest that is stopped, say: again, but seldom */
	CU_ASSERT_TRUE(w->bus.ch.signals <= signals + 11);
	CU_ASSERT_EQUAL(receive_all(w), 1);
	signals = w->bus.ch.signals;
	for (unsigned i = 0; i < 10; i++)
		world_advance(w, 1000000000);
	CU_ASSERT_EQUAL(w->bus.ch.signals, signals);
	CU_ASSERT_EQUAL(w->nic->primary.look.loop, NULL);
	world_destroy(w);
}

/* The same in the other direction: a packet, and no doorbell. */
static void a_packet_without_a_doorbell_is_found(void)
{
	static struct test_frame t;
	struct vmbus_packet pkt;
	struct guest_rx rx;
	struct world *w = up(4);

	make(&t, world_mac, 64, 0);
	receive_all(w);
	world_deliver(w, &t.f, 1);
	CU_ASSERT_TRUE_FATAL(guest_next(w, &pkt) && guest_parse_rx(w, &pkt, &rx));
	CU_ASSERT_TRUE(world_run(w));
	CU_ASSERT_TRUE_FATAL(guest_put(w, VMBUS_PKT_COMPLETION, false, rx.id, NULL, 0, NULL, 0));
	CU_ASSERT_TRUE(vmbus_ring_publish(&w->bus.to_host));	/* and it does not ring */
	CU_ASSERT_TRUE(vmbus_ring_has_packet(&w->bus.ch.in));
	world_advance(w, 2000000);
	CU_ASSERT_FALSE(vmbus_ring_has_packet(&w->bus.ch.in));
	CU_ASSERT_EQUAL(world_counter(w, "doorbells-missed"), 1);
	world_destroy(w);
}

static const struct hv_test tests[] = {
	{ "frames of every size arrive whole", frames_of_every_size_arrive_whole },
	{ "slots do not overlap and their tail is left alone", slots_do_not_overlap_and_their_tail_is_left_alone },
	{ "a batch is one packet of at most 32 ranges", a_batch_is_one_packet_of_at_most_32_ranges },
	{ "a tag is an element for those who know it", a_tag_is_an_element_for_those_who_know_it },
	{ "the filter lets through what it names", the_filter_lets_through_what_it_names },
	{ "without a list multicast is all of it", without_a_list_multicast_is_all_of_it },
	{ "a lost doorbell is rung again", a_lost_doorbell_is_rung_again },
	{ "a packet without a doorbell is found", a_packet_without_a_doorbell_is_found },
	{ "nothing is delivered before a filter and after filter 0",
	  nothing_is_delivered_before_a_filter_and_after_filter_0 },
	{ "a completion names what is out, once", a_completion_names_what_is_out_once },
	{ "the middle of a chain is no packet", the_middle_of_a_chain_is_no_packet },
	{ "a chain holds its slots whatever comes back meanwhile",
	  a_chain_holds_its_slots_whatever_comes_back_meanwhile },
	{ "nothing is lost between those who pause", nothing_is_lost_between_those_who_pause },
	{ "who does not pause loses frames with a reason", who_does_not_pause_loses_frames_with_a_reason },
	{ "completions are taken while frames are parked", completions_are_taken_while_frames_are_parked },
	{ "a closed receiver is not congested", a_closed_receiver_is_not_congested },
};

int main(void)
{
	world_unused();
	return hv_test_main("netvsp/rx", tests, sizeof(tests) / sizeof(tests[0]));
}
