/* SPDX-License-Identifier: MIT */
/*
 * A device against a guest that says and does anything: the input is a list of records, each an operation, a length
 * (16 bits, little-endian) and that many bytes. The world (netvsp/test_world.h) aborts when the device breaks its
 * contracts with the bus or the switch; after each input the session is closed and nothing may be left of it.
 */
#include "netvsp/test_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum op {
	OP_INBAND,		/* payload */
	OP_DIRECT,		/* u8: bytes of the extra header / 8; it; payload */
	OP_COMPLETION,		/* u64: id; payload */
	OP_OTHER,		/* u8: packet type; payload */
	OP_MEMORY,		/* u32: where in RAM; bytes */
	OP_DELIVER,		/* u8: how many; u16: length; its first bytes */
	OP_RECEIVE,		/* reads and completes all that is there */
	OP_PORT,		/* u8: pauses from now on, resumes, or moves the NIC */
	OP_LINK,
	OP_TIME,
	OP_PAUSE,		/* guest memory goes or comes back */
	OP_TEARDOWN,		/* u8: GPADL */
	OP_REOPEN,		/* u8: pages of ring */
	OP_UP,			/* a whole handshake */
	OP_CORRUPT,		/* u8: which control page, u32: what into which word */
	OPS
};

static struct world *w;

static uint32_t take_u8(struct rd *r)
{
	uint8_t v = 0;

	(void)!rd_copy(r, &v, sizeof(v));
	return v;
}

static uint32_t take_u16(struct rd *r)
{
	le16 v = { { 0 } };

	(void)!rd_copy(r, &v, sizeof(v));
	return le16_get(v);
}

static uint32_t take_u32(struct rd *r)
{
	le32 v = { { 0 } };

	(void)!rd_copy(r, &v, sizeof(v));
	return le32_get(v);
}

static void put(uint16_t type, bool wants, uint64_t id, const void *extra, uint32_t extra_bytes, struct rd payload)
{
	if (guest_put(w, type, wants, id, extra, extra_bytes, payload.p, (uint32_t)payload.left))
		guest_go(w);
}

static void direct(struct rd r)
{
	uint32_t n = take_u8(&r) * 8;
	struct rd extra = r;

	if (n < 8 || n > r.left)
		return;		/* the ring refuses it; its own target is there for that */
	extra.left = n;
	rd_skip(&r, n);
	put(VMBUS_PKT_DATA_GPA_DIRECT, true, 3, extra.p, n, r);
}

static void completion(struct rd r)
{
	le64 id = { { 0 } };

	(void)!rd_copy(&r, &id, sizeof(id));
	put(VMBUS_PKT_COMPLETION, false, le64_get(id), NULL, 0, r);
}

static void memory(struct rd r)
{
	uint32_t at = take_u32(&r) % WORLD_RAM_BYTES;

	if (r.left > WORLD_RAM_BYTES - at)
		r.left = WORLD_RAM_BYTES - at;
	memcpy(w->bus.ram + at, r.p, r.left);
}

static void deliver(struct rd r)
{
	static struct vswitch_frame f[VSWITCH_BATCH];
	static uint8_t rest[16384];
	static const struct iovec seg = { rest, sizeof(rest) };
	unsigned n = take_u8(&r) % VSWITCH_BATCH + 1;
	uint32_t len = 14 + take_u16(&r) % 9300;

	if (!w->port->nic)
		return;
	for (unsigned i = 0; i < n; i++) {
		f[i] = (struct vswitch_frame){
			.len = len, .head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES),
			.segs = &seg, .nsegs = len > VSWITCH_HEAD_BYTES,
			.offload = { .flags = i & 1 ? VSWITCH_VLAN : 0, .vlan_tci = (uint16_t)len },
		};
		memcpy(f[i].head, i & 2 ? world_mac : world_broadcast, 6);
		memcpy(f[i].head + 6, r.p, r.left < 100 ? r.left : 100);
	}
	world_deliver(w, f, n);
	world_run(w);
}

static void receive(void)
{
	struct vmbus_packet pkt;

	for (unsigned i = 0; i < 1000; i++) {
		if (w->bus.to_guest.corrupt ||
		    vmbus_ring_next(&w->bus.to_guest, w->bus.packet, sizeof(w->bus.packet), &pkt) <= 0)
			break;
		if (pkt.type == VMBUS_PKT_DATA_TRANSFER_PAGES)
			guest_put(w, VMBUS_PKT_COMPLETION, false, pkt.transaction_id, NULL, 0, NULL, 0);
	}
	if (vmbus_ring_release(&w->bus.to_guest))
		guest_ring_bell(w);
	guest_go(w);
}

static void port(uint32_t how)
{
	w->port->pause = how & 1;
	if (how & 2 && w->port->nic)
		w->port->nic->ops->resume(w->port->nic->opaque);
	if (how & 4 && netvsp_set_port(w->nic, how & 8 ? w->port : NULL))
		abort();
	world_run(w);
}

static void pause_memory(void)
{
	if (w->bus.open)
		w->bus.ops->pause(w->bus.opaque, &w->bus.ch, !w->nic->primary.paused);
	world_run(w);
}

static void corrupt(struct rd r)
{
	uint8_t *base = take_u8(&r) & 1 ? w->bus.to_guest_base : w->bus.to_host_base;
	uint32_t word = take_u8(&r) % 17 * 4, value = take_u32(&r);

	memcpy(base + word, &value, sizeof(value));
	guest_ring_bell(w);
	world_run(w);
}

static void reopen(uint32_t pages)
{
	if (w->bus.open)
		world_close(w);
	world_open(w, 2 + pages % 7);
}

static void come_up(void)
{
	reopen(6);
	if (!guest_handshake(w, NVSP_VERSION_6_1, 1514, true))
		abort();
	guest_rndis_initialize(w, 2, 1);
	receive();
	guest_request(w, 90, RNDIS_SET, 2, OID_GEN_CURRENT_PACKET_FILTER, "\x0d\0\0\0", 4);
	receive();
}

static void teardown(uint32_t i)
{
	w->bus.ops->gpadl_teardown(w->bus.opaque, &w->bus.ch, &w->bus.gpadl[i % WORLD_GPADLS]);
	if (w->bus.gpadl[i % WORLD_GPADLS].refs)
		abort();
	w->bus.gpadl[i % WORLD_GPADLS].handle = 0;
}

static void run(enum op op, struct rd r)
{
	switch (op) {
	case OP_INBAND:
		put(VMBUS_PKT_DATA_INBAND, !(r.left & 1), 2, NULL, 0, r);
		break;
	case OP_DIRECT:
		direct(r);
		break;
	case OP_COMPLETION:
		completion(r);
		break;
	case OP_OTHER:
		op = take_u8(&r);
		if (op != VMBUS_PKT_DATA_TRANSFER_PAGES && op != VMBUS_PKT_DATA_GPA_DIRECT)
			put((uint16_t)op, false, 4, NULL, 0, r);
		break;
	case OP_MEMORY:
		memory(r);
		break;
	case OP_DELIVER:
		deliver(r);
		break;
	case OP_RECEIVE:
		receive();
		break;
	case OP_PORT:
		port(take_u8(&r));
		break;
	case OP_LINK:
		netvsp_set_link(w->nic, take_u8(&r) & 1);
		break;
	case OP_TIME:
		world_advance(w, take_u32(&r));
		break;
	case OP_PAUSE:
		pause_memory();
		break;
	case OP_TEARDOWN:
		teardown(take_u8(&r));
		break;
	case OP_REOPEN:
		reopen(take_u8(&r));
		break;
	case OP_UP:
		come_up();
		break;
	case OP_CORRUPT:
		corrupt(r);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = { data, size };

	if (!w) {
		world_unused();
		w = world_create();
	}
	world_open(w, 8);
	for (unsigned n = 0; r.left && n < 200; n++) {
		const enum op op = take_u8(&r) % OPS;
		const uint32_t bytes = take_u16(&r) % 2048;
		struct rd record = r;

		if (record.left > bytes)
			record.left = bytes;
		rd_skip(&r, record.left);
		run(op, record);
		if (w->nic->primary.tx.num_frames && world_state(w) != NETVSP_FAILED)
			abort();	/* frames point into guest memory: none may outlive a poll */
	}
	if (w->bus.open)
		world_close(w);
	if (w->port->congested || w->loop.poller || w->nic->control.queued_bytes)
		abort();
	w->port->pause = false;
	if (netvsp_set_port(w->nic, w->port))
		abort();
	netvsp_set_link(w->nic, true);
	return 0;
}
