/* SPDX-License-Identifier: MIT */
/*
 * Frames for a NIC that does not take them as they are: checksums are completed, TCP and UDP
 * segmented, tags put into the bytes. New heads are made in memory of the switch; payload stays
 * where it is and is named by pieces, unless it lies in very many of them.
 *
 * The scratch holds what one deliver() needs. It is handed over when it is full and at the end, in
 * order with the frames that pass unchanged.
 */
#include <stdlib.h>

#include "vswitch/internal.h"

enum {
	PIECES_MAX = 16,		/* our policy: of one segment; scattered wider, it is copied */
	BOUNCE_BYTES = 2 * 65536,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
};

struct scratch {
	unsigned num_out, num_frames, num_iov;
	size_t bounced;
	bool refused;			/* the last deliver() took nothing */
	const struct vswitch_frame *out[VSWITCH_BATCH];
	struct vswitch_frame frames[VSWITCH_BATCH];
	struct iovec iov[VSWITCH_BATCH * PIECES_MAX];
	uint8_t bounce[BOUNCE_BYTES];
};

struct scratch *scratch_create(void)
{
	return calloc(1, sizeof(struct scratch));
}

void scratch_destroy(struct scratch *s)
{
	free(s);
}

static void send_out(struct vswitch_port *to)
{
	struct scratch *s = to->sw->scratch;
	uint64_t before = to->stats.out_frames;

	if (s->num_out) {
		vswitch_hand_over(to, s->out, s->num_out);
		s->refused = to->stats.out_frames == before;
	}
	s->num_out = s->num_frames = s->num_iov = 0;
	s->bounced = 0;
}

static void emit(struct vswitch_port *to, const struct vswitch_frame *f)
{
	struct scratch *s = to->sw->scratch;

	s->out[s->num_out++] = f;
	if (s->num_out == VSWITCH_BATCH)
		send_out(to);
}

/* A frame of our own with the first head_bytes of f; payload bytes will follow them. */
static struct vswitch_frame *private_frame(struct vswitch_port *to, const struct vswitch_frame *f,
					   uint32_t head_bytes, uint32_t payload)
{
	struct scratch *s = to->sw->scratch;
	struct vswitch_frame *g;

	if (s->num_frames == VSWITCH_BATCH || s->bounced + payload > BOUNCE_BYTES)
		send_out(to);
	g = &s->frames[s->num_frames++];
	g->len = head_bytes + payload;
	g->head_bytes = (uint16_t)head_bytes;
	g->nsegs = 0;
	g->segs = NULL;
	g->source = f->source;
	g->vlan = f->vlan;
	g->member = f->member;
	g->offload = f->offload;
	memcpy(g->head, f->head, head_bytes);
	return g;
}

/* The n bytes at the cursor follow the head of g, the last frame that was made. */
static void append_payload(struct scratch *s, struct vswitch_frame *g, struct frame_cursor *c,
			   uint32_t n)
{
	struct iovec *iov = &s->iov[s->num_iov];
	struct frame_cursor start = *c;
	uint32_t got = n;
	unsigned used;

	if (g->head_bytes + n <= VSWITCH_HEAD_BYTES) {
		frame_cursor_copy(c, g->head + g->head_bytes, n);
		g->head_bytes += (uint16_t)n;
		return;
	}
	used = frame_cursor_take(c, &got, iov, PIECES_MAX);
	if (got < n) {
		*c = start;
		frame_cursor_copy(c, s->bounce + s->bounced, n);
		*iov = (struct iovec){ s->bounce + s->bounced, n };
		s->bounced += n;
		used = 1;
	}
	s->num_iov += used;
	g->segs = iov;
	g->nsegs = (uint16_t)used;
}

static void put_tag_in(struct vswitch_frame *g)
{
	struct vswitch_offload *o = &g->offload;

	memmove(g->head + 16, g->head + 12, g->head_bytes - 12u);
	put_be16(g->head + 12, 0x8100);
	put_be16(g->head + 14, o->vlan_tci);
	g->head_bytes += VLAN_TAG_BYTES;
	g->len += VLAN_TAG_BYTES;
	o->csum_start += VLAN_TAG_BYTES;
	o->header_bytes += VLAN_TAG_BYTES;
	o->flags &= (uint8_t)~VSWITCH_VLAN;
}

static void complete_checksum(struct vswitch_frame *f)
{
	struct vswitch_offload *o = &f->offload;
	uint16_t sum = (uint16_t)~hv_sum_fold(checksum_frame(f, o->csum_start));

	if (!sum)			/* in UDP zero means "none"; the two are the same number */
		sum = 0xffff;
	memcpy(f->head + o->csum_start + o->csum_offset, &sum, 2);
	o->flags = (uint8_t)((o->flags & ~VSWITCH_CSUM_PARTIAL) | VSWITCH_CSUM_VALID);
}

static void deliver_tagged(struct vswitch_port *to, const struct vswitch_frame *f)
{
	uint32_t head_bytes = f->head_bytes;
	struct frame_cursor c;
	struct vswitch_frame *g;

	if (head_bytes > VSWITCH_HEAD_BYTES - VLAN_TAG_BYTES)
		head_bytes = VSWITCH_HEAD_BYTES - VLAN_TAG_BYTES;
	g = private_frame(to, f, head_bytes, f->len - head_bytes);
	put_tag_in(g);
	c = frame_cursor_at(f, head_bytes);
	append_payload(to->sw->scratch, g, &c, f->len - head_bytes);
	emit(to, g);
}

/* The headers of the i-th of count segments, whose head is a copy of the whole frame's. */
static void edit_headers(struct vswitch_frame *g, uint32_t i, uint32_t count)
{
	struct vswitch_offload *o = &g->offload;
	uint8_t *ip = g->head + ETHERNET_BYTES;
	uint8_t *transport = g->head + o->csum_start;

	if (ip[0] >> 4 == 4)
		put_be16(ip + 4, get_be16(ip + 4) + i);
	if (o->gso != VSWITCH_GSO_UDP) {
		put_be32(transport + 4, get_be32(transport + 4) + i * o->gso_size);
		if (i + 1 < count)
			transport[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i)			/* RFC 3168: once per window reduction */
			transport[13] &= (uint8_t)~TCP_CWR;
	}
	offload_set_lengths(g);
	o->gso = VSWITCH_GSO_NONE;
	o->gso_size = 0;
}

static void segment(struct vswitch_port *to, const struct vswitch_frame *f)
{
	uint32_t headers = f->offload.header_bytes, size = f->offload.gso_size;
	const uint8_t converts = offload_converts(to->nic);
	uint32_t left = f->len - headers, count = (left + size - 1) / size, n;
	struct scratch *s = to->sw->scratch;
	struct frame_cursor c = frame_cursor_at(f, headers);
	struct vswitch_frame *g;

	to->stats.segments += count - 1;
	s->refused = false;
	for (uint32_t i = 0; i < count; i++, left -= n) {
		n = left < size ? left : size;
		g = private_frame(to, f, headers, n);
		if (s->refused) {	/* the rest would have the same fate, only slower */
			s->num_frames = 0;
			drop_out(to, f, count - i, to->last_drop, NULL);
			return;
		}
		edit_headers(g, i, count);
		if (converts & VSWITCH_VLAN & g->offload.flags)
			put_tag_in(g);
		append_payload(s, g, &c, n);
		if (converts & VSWITCH_CSUM_PARTIAL)
			complete_checksum(g);
		emit(to, g);
	}
}

static bool takes_gso(const struct vswitch_port *to, uint8_t gso)
{
	uint32_t caps = to->nic->caps;

	if (!(caps & VSWITCH_CAN_CSUM))
		return false;
	return (gso == VSWITCH_GSO_TCPV4 && caps & VSWITCH_CAN_TSO4) ||
	       (gso == VSWITCH_GSO_TCPV6 && caps & VSWITCH_CAN_TSO6);
}

static void convert(struct vswitch_port *to, struct vswitch_frame *f)
{
	const struct vswitch_offload *o = &f->offload;
	const uint8_t converts = offload_converts(to->nic);
	uint32_t longest = o->gso ? (uint32_t)o->header_bytes + o->gso_size : f->len;

	if (longest > to->nic->max_frame_bytes) {
		drop_out(to, f, 1, VSWITCH_DROP_TOO_BIG, NULL);
		return;
	}
	if (o->gso && !takes_gso(to, o->gso)) {
		segment(to, f);
		return;
	}
	/* In place: whoever gets the frame after this one gets it complete. */
	if (o->flags & converts & VSWITCH_CSUM_PARTIAL)
		complete_checksum(f);
	if (o->flags & converts & VSWITCH_VLAN)
		deliver_tagged(to, f);
	else
		emit(to, f);
}

void offload_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!to->live)
			drop_out(to, frames[i], 1, VSWITCH_DROP_PORT_DOWN, NULL);
		else if (offload_wants_egress(to, frames[i]))
			convert(to, frames[i]);
		else
			emit(to, frames[i]);
	}
	send_out(to);
}
