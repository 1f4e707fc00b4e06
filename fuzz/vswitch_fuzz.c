/* SPDX-License-Identifier: MIT */
/*
 * Frames and events into a small switch, with every kind of NIC and of capability. After each batch
 * the counters must add up as struct vswitch_port_stats says, and what was delivered is checked
 * against what the receiver said it takes, and read to the last byte.
 *
 * The input is a row of commands: a byte that says what, then its operands. What a frame holds
 * beyond its head lies in heap blocks that end with it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "vswitch/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS = 5, COMMANDS = 200, SEGS = 4 };

struct fuzz_nic {
	struct vswitch_nic nic;
	struct vswitch_port *port;
	uint64_t taken;
	unsigned room;			/* 0: drops all */
};

struct held {				/* a frame of the batch, and its memory */
	struct vswitch_frame frame;
	struct iovec segs[SEGS];
	void *blocks[SEGS];
};

static struct fuzz_nic nics[PORTS];
static struct held batch[VSWITCH_BATCH];
static volatile uint8_t sink;

static void ensure(bool x)
{
	if (!x)
		abort();
}

static void look_at(const struct fuzz_nic *t, const struct vswitch_frame *f)
{
	static uint8_t bytes[VSWITCH_FRAME_MAX_BYTES + VLAN_TAG_BYTES];
	const struct vswitch_offload *o = &f->offload;
	uint32_t caps = t->nic.caps;

	ensure(f->len >= ETHERNET_BYTES && f->len <= VSWITCH_FRAME_MAX_BYTES);
	ensure(f->head_bytes <= VSWITCH_HEAD_BYTES && f->head_bytes <= f->len);
	ensure(f->len > VSWITCH_HEAD_BYTES || f->head_bytes == f->len);
	ensure(!(o->flags & VSWITCH_IP_CSUM_NEEDED));
	ensure(caps & VSWITCH_CAN_VLAN || !(o->flags & VSWITCH_VLAN));
	if (o->flags & VSWITCH_CSUM_PARTIAL) {
		ensure(caps & VSWITCH_CAN_CSUM);
		ensure(o->csum_start + o->csum_offset + 2 <= f->head_bytes);
	}
	if (o->gso) {
		ensure(o->gso == VSWITCH_GSO_TCPV4 ? caps & VSWITCH_CAN_TSO4 :
		       o->gso == VSWITCH_GSO_TCPV6 && caps & VSWITCH_CAN_TSO6);
		ensure(o->gso_size && o->header_bytes <= f->head_bytes);
		ensure(f->len > (uint32_t)o->header_bytes + o->gso_size);
	} else {
		ensure(f->len <= t->nic.max_frame_bytes + VLAN_TAG_BYTES);
	}
	vswitch_frame_copy(f, 0, bytes, f->len);
	for (uint32_t i = 0; i < f->len; i += 64)
		sink ^= bytes[i];
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct fuzz_nic *t = opaque;

	ensure(n >= 1 && n <= VSWITCH_BATCH);
	for (unsigned i = 0; i < n; i++) {
		look_at(t, frames[i]);
		if (t->room)
			t->taken++;
		else
			vswitch_port_drop(t->port, VSWITCH_DROP_NO_BUFFER, 1);
	}
}

static void resume(void *opaque)
{
	ensure(((struct fuzz_nic *)opaque)->port->live);
}

static const struct vswitch_nic_ops ops = { .deliver = deliver, .resume = resume };

/* Operands; zeros at the end of the input. */

static uint8_t byte(struct rd *r)
{
	uint8_t v = 0;

	rd_copy(r, &v, 1);
	return v;
}

static uint16_t word(struct rd *r)
{
	uint8_t high = byte(r);

	return (uint16_t)(high << 8 | byte(r));
}

/* A length, the head's bytes from the input, the offload; the rest is a pattern in some pieces. */
static void make_frame(struct held *h, struct rd *r)
{
	struct vswitch_frame *f = &h->frame;
	uint8_t shape = byte(r), given;
	uint32_t left, n;

	memset(h, 0, sizeof(*h));
	f->len = word(r);
	given = byte(r) & 0x7f;
	f->head_bytes = VSWITCH_HEAD_BYTES;
	if (f->len < VSWITCH_HEAD_BYTES)
		f->head_bytes = (uint16_t)f->len;
	else if (shape & 0x80 && given >= 18 && f->len > VSWITCH_HEAD_BYTES)
		f->head_bytes = given;
	for (unsigned i = 0; i < given && i < f->head_bytes; i++)
		f->head[i] = byte(r);
	if (shape & 1) {
		f->offload.flags = byte(r);
		f->offload.gso = byte(r);
		f->offload.gso_size = word(r);
		f->offload.csum_start = byte(r);
		f->offload.csum_offset = byte(r);
		f->offload.header_bytes = byte(r);
		f->offload.vlan_tci = word(r);
	}
	f->segs = h->segs;
	for (left = f->len - f->head_bytes; left; left -= n) {
		n = f->nsegs == SEGS - 1 || !(shape & 2) ? left : 1 + left / 3;
		h->blocks[f->nsegs] = calloc(1, n);
		ensure(h->blocks[f->nsegs]);
		h->segs[f->nsegs] = (struct iovec){ h->blocks[f->nsegs], n };
		f->nsegs++;
	}
}

static void send_batch(struct fuzz_nic *t, struct rd *r)
{
	struct vswitch_frame *frames[VSWITCH_BATCH];
	unsigned n = 1 + byte(r) % VSWITCH_BATCH;

	for (unsigned i = 0; i < n; i++) {
		make_frame(&batch[i], r);
		frames[i] = &batch[i].frame;
	}
	vswitch_port_input(t->port, frames, n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < SEGS; j++)
			free(batch[i].blocks[j]);
}

static uint64_t sum(const uint64_t dropped[VSWITCH_DROPS])
{
	uint64_t s = 0;

	for (int i = 0; i < VSWITCH_DROPS; i++)
		s += dropped[i];
	return s;
}

static void check(void)
{
	uint64_t copies = 0, offered = 0;
	struct vswitch_port_stats s;

	for (unsigned i = 0; i < PORTS; i++) {
		vswitch_port_stats(nics[i].port, &s);
		ensure(s.in_frames == s.forwarded + sum(s.in_dropped));
		ensure(s.offered + s.segments == s.out_frames + sum(s.out_dropped));
		ensure(s.out_frames == nics[i].taken);
		copies += s.copies;
		offered += s.offered;
	}
	ensure(copies == offered);
}

static void reconnect(struct fuzz_nic *t, uint8_t number)
{
	uint8_t old = t->nic.mac[5];

	vswitch_port_disconnect(t->port);
	t->nic.mac[5] = number;
	if (!vswitch_port_connect(t->port, &t->nic))
		return;
	t->nic.mac[5] = old;		/* another one has it; the old one is free */
	ensure(!vswitch_port_connect(t->port, &t->nic));
}

static void command(struct vswitch *sw, struct rd *r, uint64_t *now_ns)
{
	uint8_t what = byte(r);
	struct fuzz_nic *t = &nics[what % PORTS];

	switch (what / PORTS % 10) {
	case 0:
		vswitch_port_set_link(t->port, byte(r) & 1);
		break;
	case 1:
		reconnect(t, byte(r) % 8);
		break;
	case 2:
		vswitch_port_allow_mac_spoofing(t->port, byte(r) & 1);
		break;
	case 3:
		vswitch_port_set_congested(t->port, byte(r) & 1);
		break;
	case 4:
		*now_ns += byte(r) * 1000000000ull;
		vswitch_tick(sw, *now_ns);
		break;
	case 5:
		t->room = byte(r);
		break;
	case 6:
		t->nic.caps = byte(r) & 15;
		t->nic.max_frame_bytes = 64 + word(r) % 16384;
		break;
	default:
		send_batch(t, r);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum vswitch_nic_kind kinds[PORTS] = {
		VSWITCH_NIC_SYNTHETIC, VSWITCH_NIC_EMULATED, VSWITCH_NIC_SYNTHETIC,
		VSWITCH_NIC_INTERNAL, VSWITCH_NIC_EXTERNAL,
	};
	struct vswitch_config config = { .name = "fuzz", .max_learned = 4, .ageing_s = 10 };
	struct rd r = { data, size };
	uint64_t now_ns = 1000000000000;
	struct vswitch *sw;
	char name[2] = "a";

	if (vswitch_create(NULL, &config, &sw))
		abort();
	vswitch_tick(sw, now_ns);
	for (unsigned i = 0; i < PORTS; i++, name[0]++) {
		nics[i] = (struct fuzz_nic){ .room = 1 };
		nics[i].nic = (struct vswitch_nic){ .kind = kinds[i], .mac = { 2, 0, 0, 0, 0, (uint8_t)i },
						    .max_frame_bytes = 1514, .ops = &ops,
						    .opaque = &nics[i] };
		ensure(!vswitch_port_create(sw, name, &nics[i].port));
		ensure(!vswitch_port_connect(nics[i].port, &nics[i].nic));
	}
	for (unsigned n = 0; n < COMMANDS && r.left; n++) {
		command(sw, &r, &now_ns);
		check();
	}
	for (unsigned i = 0; i < PORTS; i++)
		vswitch_port_destroy(nics[i].port);
	vswitch_destroy(sw);
	return 0;
}
