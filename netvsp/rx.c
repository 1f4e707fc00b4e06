/* SPDX-License-Identifier: MIT */
/*
 * Host to guest: the switch's frames are copied into sub-allocations of the receive buffer, one each, and announced to the
 * guest in packets of up to 32 ranges, which deliver() fills and flush() sends.
 *
 *   byte 0 of a sub-allocation   RNDIS PACKET, checksum element, VLAN element if there is a tag: 60 or 76 bytes
 *   byte 256                     the frame
 *
 * A frame is only taken when the packet that will announce it has room in the ring, so flush() cannot fail for want of it; and
 * some room is always left for completions and control answers (netvsp_channel_reserve()).
 *
 * The port is told of congestion while there is still room for some batches, because each sender that is to pause
 * has one under way.
 */
#include "netvsp/internal.h"

enum {
	LOW_BATCHES = 4,	/* of room: congested below (our policy) … */
	GOOD_BATCHES = 8,	/* … until there is that much again */
};

/* What a sub-allocation begins with; the lengths are the frame's. */
struct header {
	struct rndis_packet packet;
	struct rndis_ppi_u32 checksum;
	struct rndis_ppi_u32 vlan;	/* only if there is a tag */
};
enum {
	HEADER_LINE_BYTES = 64,
	PLAIN_BYTES = offsetof(struct header, vlan),	/* 60 */
	TAGGED_BYTES = sizeof(struct header),		/* 76 */
};
static_assert((size_t)PLAIN_BYTES <= HEADER_LINE_BYTES, "one cache line, in one page");

/* No receive checksums are offered, so their element says: nothing known. */
static const struct header header = {
	.packet = {
		.type = { { RNDIS_PACKET } },
		.data_offset = { { NETVSP_RX_DATA_OFFSET - RNDIS_OFFSET_BASE } },
		.ppi_offset = { { RNDIS_PPI_MIN_OFFSET } },
		.ppi_length = { { sizeof(struct rndis_ppi_u32) } },
	},
	.checksum.header = {
		.size = { { sizeof(struct rndis_ppi_u32) } }, .type = { { RNDIS_PPI_CHECKSUM } },
		.data_offset = { { sizeof(struct rndis_ppi) } },
	},
	.vlan.header = {
		.size = { { sizeof(struct rndis_ppi_u32) } }, .type = { { RNDIS_PPI_VLAN } },
		.data_offset = { { sizeof(struct rndis_ppi) } },
	},
};
static_assert(NETVSP_RX_DATA_OFFSET - RNDIS_OFFSET_BASE <= UINT8_MAX, "the header's numbers are single bytes");

static uint32_t batch_room(void)
{
	return vmbus_packet_space(sizeof(struct vmbus_pkt_transfer_pages) +
				  NETVSP_RX_RANGES * sizeof(struct vmbus_pkt_transfer_range), NVSP_MESSAGE_BYTES_6_1);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

bool netvsp_rx_open(const struct netvsp *nic)
{
	return nic->session.state == NETVSP_READY && nic->session.filter.bits && !nic->primary.paused;
}

/* ---- filter ---- */

static bool multicast_wanted(const struct netvsp_filter *f, const uint8_t *address)
{
	if (f->bits & NDIS_FILTER_ALL_MULTICAST)
		return true;
	if (!(f->bits & NDIS_FILTER_MULTICAST))
		return false;
	if (!f->has_list)
		return true;	/* Hyper-V looks at no list, so guests need not name one */
	for (unsigned i = 0; i < f->n; i++)
		if (!memcmp(f->multicast[i], address, 6))
			return true;
	return false;
}

static bool wanted(const struct netvsp *nic, const uint8_t *to)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const struct netvsp_filter *f = &nic->session.filter;

	if (f->bits & NDIS_FILTER_PROMISCUOUS)
		return true;
	if (!(to[0] & 1))
		return f->bits & NDIS_FILTER_DIRECTED && !memcmp(to, nic->mac, sizeof(nic->mac));
	if (!memcmp(to, broadcast, sizeof(broadcast)))
		return f->bits & NDIS_FILTER_BROADCAST;
	return multicast_wanted(f, to);
}

/* A guest without VLAN elements gets the tag in the frame, which is longer by it. */
static bool fits(const struct netvsp *nic, const struct vswitch_frame *f)
{
	const uint32_t most = nic->session.frame_bytes;

	return f->len <= most || (f->len <= most + NETVSP_RX_TAG_BYTES && f->head[12] == 0x81 && f->head[13] == 0x00);
}

/* ---- one frame ---- */

static void put_u32(uint8_t *at, size_t off, uint32_t v)
{
	const le32 le = to_le32(v);

	memcpy(at + off, &le, sizeof(le));
}

/*
 * The template goes straight to its place and the lengths over it: put together on the stack first, it would be loaded in
 * pieces larger than they were stored, which costs more than the rest of this function.
 */
static void write_header(const struct netvsp *nic, uint32_t off, const struct vswitch_frame *f)
{
	struct rndis_ppi_u32 vlan = header.vlan;
	uint32_t room;
	uint8_t *at = netvsp_buffer_at(&nic->receive, off, &room);

	memcpy(at, &header, PLAIN_BYTES);
	put_u32(at, offsetof(struct rndis_packet, length), NETVSP_RX_DATA_OFFSET + f->len);
	put_u32(at, offsetof(struct rndis_packet, data_length), f->len);
	if (!(f->offload.flags & VSWITCH_VLAN))
		return;
	put_u32(at, offsetof(struct rndis_packet, ppi_length), TAGGED_BYTES - sizeof(struct rndis_packet));
	vlan.value = to_le32(rndis_vlan_from_tci(f->offload.vlan_tci));
	netvsp_buffer_write(&nic->receive, off + PLAIN_BYTES, &vlan, sizeof(vlan));
}

static void write_data(const struct netvsp *nic, uint32_t off, const struct vswitch_frame *f)
{
	uint32_t room, done = 0;
	uint8_t *to = netvsp_buffer_at(&nic->receive, off, &room);

	if (f->len <= f->head_bytes && f->len <= room) {
		memcpy(to, f->head, f->len);
		return;
	}
	for (;;) {
		const uint32_t n = least(room, f->len - done);

		vswitch_frame_copy(f, done, to, n);
		done += n;
		if (done == f->len)
			return;
		to = netvsp_buffer_at(&nic->receive, off + done, &room);
	}
}

/* ---- the packet that announces them ---- */

static void send_packet(struct netvsp_channel *c)
{
	struct netvsp *nic = c->nic;
	struct netvsp_rx *rx = &c->rx;

	if (netvsp_channel_send_rndis(c, NVSP_CHANNEL_DATA, rx->first, rx->range, rx->n)) {
		netvsp_slots_sent(&nic->slots, rx->first, rx->last, rx->n);
		netvsp_count(nic, NETVSP_C_RX_PACKETS);
	} else {	/* there was room, so the guest has broken the ring since */
		netvsp_slots_give_back(&nic->slots, rx->first, rx->last, rx->n);
		netvsp_fail(nic, NETVSP_C_RING_CORRUPT, "the ring to the guest is corrupt");
	}
	rx->n = 0;
}

static void add_range(struct netvsp_channel *c, uint32_t slot, uint32_t off, uint32_t bytes)
{
	struct netvsp_rx *rx = &c->rx;

	if (rx->n)
		c->nic->slots.slot[rx->last].next = slot;
	else
		rx->first = slot;
	rx->last = slot;
	rx->range[rx->n++] = (struct vmbus_pkt_transfer_range){ to_le32(bytes), to_le32(off) };
}

static void count_frame(struct netvsp *nic, const struct vswitch_frame *f)
{
	struct netvsp_traffic *t = &nic->to_guest;

	t->frames++;
	t->bytes += f->len;
	if (f->offload.flags & VSWITCH_VLAN)
		netvsp_count(nic, NETVSP_C_RX_VLAN);
	if (!(f->head[0] & 1))
		return;
	if (f->head[0] == 0xff && f->head[1] == 0xff) {	/* no multicast address begins so */
		t->broadcast_frames++;
		t->broadcast_bytes += f->len;
	} else {
		t->multicast_frames++;
		t->multicast_bytes += f->len;
	}
}

/* VSWITCH_DROPS: the frame is the guest's. */
static enum vswitch_drop take(struct netvsp_channel *c, const struct vswitch_frame *f)
{
	struct netvsp *nic = c->nic;
	uint32_t slot, off;

	if (!wanted(nic, f->head))
		return VSWITCH_DROP_FILTERED;
	if (!fits(nic, f))
		return VSWITCH_DROP_TOO_BIG;
	if (!c->rx.n && !netvsp_channel_has_room(c, batch_room() + netvsp_channel_reserve(c)))
		return VSWITCH_DROP_RING_FULL;
	slot = netvsp_slots_take(&nic->slots, NETVSP_POOL_DATA);
	if (slot == NETVSP_NO_SLOT)
		return VSWITCH_DROP_NO_BUFFER;
	off = slot * nic->slots.slot_bytes;
	write_header(nic, off, f);
	write_data(nic, off + NETVSP_RX_DATA_OFFSET, f);
	add_range(c, slot, off, NETVSP_RX_DATA_OFFSET + f->len);
	count_frame(nic, f);
	if (c->rx.n == NETVSP_RX_RANGES)
		send_packet(c);
	return VSWITCH_DROPS;
}

/* Asks for the cache lines that the next n frames will be written to. */
static void prefetch_slots(const struct netvsp *nic, unsigned n)
{
	const struct netvsp_slots *s = &nic->slots;
	uint32_t slot = s->first_free[NETVSP_POOL_DATA];

	for (n = least(n, s->free[NETVSP_POOL_DATA]); n; n--) {
		const uint32_t off = slot * s->slot_bytes;
		uint32_t room;

		__builtin_prefetch(netvsp_buffer_at(&nic->receive, off, &room), 1);
		__builtin_prefetch(netvsp_buffer_at(&nic->receive, off + NETVSP_RX_DATA_OFFSET, &room), 1);
		slot = s->slot[slot].next;
	}
}

static void drop(struct netvsp *nic, enum vswitch_drop why, const struct vswitch_frame *const *frames, unsigned n)
{
	static const enum netvsp_counter_id ours[VSWITCH_DROPS] = {
		[VSWITCH_DROP_NOT_READY] = NETVSP_C_RX_NOT_READY,
		[VSWITCH_DROP_FILTERED] = NETVSP_C_RX_FILTERED,
		[VSWITCH_DROP_TOO_BIG] = NETVSP_C_RX_TOO_BIG,
		[VSWITCH_DROP_NO_BUFFER] = NETVSP_C_RX_NO_BUFFER,
		[VSWITCH_DROP_RING_FULL] = NETVSP_C_RX_RING_FULL,
	};

	nic->counter[ours[why]] += n;
	vswitch_port_drop_frames(nic->port, why, frames, n);
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct netvsp *nic = opaque;

	if (netvsp_rx_open(nic))
		prefetch_slots(nic, n);
	for (unsigned i = 0; i < n; i++) {
		enum vswitch_drop why;

		if (!netvsp_rx_open(nic)) {	/* each time: a broken ring may close it */
			drop(nic, VSWITCH_DROP_NOT_READY, frames + i, n - i);
			return;
		}
		why = take(&nic->primary, frames[i]);
		if (why != VSWITCH_DROPS)
			drop(nic, why, frames + i, 1);
	}
}

static void flush(void *opaque)
{
	struct netvsp *nic = opaque;
	struct netvsp_channel *c = &nic->primary;

	if (!netvsp_rx_open(nic))
		return;
	if (c->rx.n)
		send_packet(c);
	if (!netvsp_rx_open(nic))
		return;
	netvsp_channel_publish(c);
	netvsp_rx_update_congestion(nic);
}

/* ---- congestion ---- */

uint32_t netvsp_rx_good_room(const struct netvsp_channel *c)
{
	return least(netvsp_channel_reserve(c) + GOOD_BATCHES * batch_room(), c->out->size / 4 * 3);
}

static bool short_of_room(struct netvsp_channel *c)
{
	const struct netvsp_slots *s = &c->nic->slots;
	const uint32_t all = s->count - NETVSP_CONTROL_SLOTS, free = s->free[NETVSP_POOL_DATA];

	if (c->nic->congested)
		return free < least(GOOD_BATCHES * VSWITCH_BATCH, all / 2) ||
		       !netvsp_channel_has_room(c, netvsp_rx_good_room(c));
	return free < least(LOW_BATCHES * VSWITCH_BATCH, all / 4) ||
	       !netvsp_channel_has_room(c, least(netvsp_channel_reserve(c) + LOW_BATCHES * batch_room(), c->out->size / 2));
}

void netvsp_rx_update_congestion(struct netvsp *nic)
{
	const bool congested = netvsp_rx_open(nic) && short_of_room(&nic->primary);

	if (congested == nic->congested)
		return;
	nic->congested = congested;
	if (congested) {
		netvsp_count(nic, NETVSP_C_RX_CONGESTED);
		netvsp_kick(nic);	/* so that it looks, or sleeps with its wish for room known */
	}
	if (nic->port)
		vswitch_port_set_congested(nic->port, congested);
}

static void resume(void *opaque)
{
	struct netvsp *nic = opaque;

	nic->primary.held = false;
	netvsp_kick(nic);
}

static void on_port_link(void *opaque, bool up)
{
	struct netvsp *nic = opaque;

	nic->link.port_up = up;
	netvsp_link_run(nic);
}

const struct vswitch_nic_ops netvsp_nic_ops = {
	.deliver = deliver,
	.flush = flush,
	.resume = resume,
	.link = on_port_link,
};
