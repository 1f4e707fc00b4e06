/* SPDX-License-Identifier: MIT */
/*
 * What a device of netvsp/ stands on, in plain memory: a bus with one channel and its rings, guest RAM, buffers, a switch
 * port that keeps what it gets, a loop with a clock of its own. It defines the functions of vmbus.h, vswitch.h and loop.h that
 * the device calls, so a test is alone with it; the rings are the real ones. And the guest's side: enough to shake
 * hands and to say anything wrong. For tests and fuzzers; included once per program.
 */
#ifndef HVNET_NETVSP_TEST_WORLD_H
#define HVNET_NETVSP_TEST_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "netvsp/internal.h"

enum {
	WORLD_RAM_BYTES = 16 << 20,
	WORLD_GPADLS = 4,
	WORLD_INPUT_FRAMES = 4096,	/* kept by the port */
	WORLD_FRAME_BYTES = 9300,
	WORLD_RECEIVE_HANDLE = 0xe1e11,
	WORLD_SEND_HANDLE = 0xe1e12,
	WORLD_SEND_PAGES = 255,		/* Linux' */
	WORLD_RECEIVE_AT = 0,		/* in guest RAM; Linux': 16 MiB, here less */
	WORLD_SEND_AT = 8 << 20,
	WORLD_FREE_AT = 12 << 20,
};
#define WORLD_GPA 0x40000000ull		/* where RAM begins for the guest */

static const uint8_t world_mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };
static const uint8_t world_peer[6] = { 0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c };
static const uint8_t world_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* ---- the loop: one poller, some timers, time stands still until told otherwise ---- */

enum { WORLD_TIMERS = 4 };

struct hv_loop {
	struct hv_poller *poller;
	struct hv_timer *timer[WORLD_TIMERS];
	unsigned kicks;
};

static uint64_t world_now = 1000000000;

uint64_t hv_now_ns(void)
{
	return world_now;
}

void hv_poller_kick(struct hv_loop *loop, struct hv_poller *p)
{
	loop->poller = p;
	loop->kicks++;
	p->loop = loop;
}

void hv_poller_stop(struct hv_poller *p)
{
	if (p->loop)
		p->loop->poller = NULL;
	p->loop = NULL;
}

void hv_timer_cancel(struct hv_timer *t)
{
	for (unsigned i = 0; t->loop && i < WORLD_TIMERS; i++)
		if (t->loop->timer[i] == t)
			t->loop->timer[i] = NULL;
	t->loop = NULL;
}

int hv_timer_arm(struct hv_loop *loop, struct hv_timer *t, uint64_t deadline_ns)
{
	unsigned i = 0;

	hv_timer_cancel(t);
	while (loop->timer[i])
		if (++i == WORLD_TIMERS)
			abort();
	t->loop = loop;
	t->deadline_ns = deadline_ns;
	loop->timer[i] = t;
	return 0;
}

/* ---- the switch: a port that keeps frames ---- */

struct world_frame {
	uint32_t len;
	struct vswitch_offload offload;
	uint8_t bytes[WORLD_FRAME_BYTES];
};

struct vswitch_port {
	const struct vswitch_nic *nic;
	bool down, congested, connected;
	unsigned connects;
	bool pause;			/* input() answers so */
	void (*on_input)(void);		/* before the frames are copied */
	unsigned congestions;
	unsigned inputs, n;		/* calls, frames */
	unsigned short_heads, segs;
	uint64_t dropped[VSWITCH_DROPS];
	struct world_frame frame[WORLD_INPUT_FRAMES];
};

void vswitch_frame_copy(const struct vswitch_frame *f, uint32_t off, void *dst, uint32_t n)
{
	uint8_t *to = dst;
	uint32_t at = f->head_bytes;

	for (; n && off < f->head_bytes; n--)
		*to++ = f->head[off++];
	for (unsigned i = 0; i < f->nsegs && n; at += (uint32_t)f->segs[i++].iov_len)
		for (; n && off < at + f->segs[i].iov_len; n--, off++)
			*to++ = ((const uint8_t *)f->segs[i].iov_base)[off - at];
	if (n)
		abort();
}

bool vswitch_port_input(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n)
{
	if (!n || n > VSWITCH_BATCH)
		abort();
	port->inputs++;
	if (port->on_input)
		port->on_input();
	for (unsigned i = 0; i < n; i++) {
		const struct vswitch_frame *f = frames[i];
		struct world_frame *to = &port->frame[port->n++ % WORLD_INPUT_FRAMES];

		if (f->head_bytes < (f->len < VSWITCH_HEAD_BYTES ? f->len : 14))
			port->short_heads++;
		port->segs += f->nsegs;
		to->len = f->len;
		to->offload = f->offload;
		if (f->len > WORLD_FRAME_BYTES)
			abort();
		vswitch_frame_copy(f, 0, to->bytes, f->len);
	}
	return port->pause;
}

void vswitch_port_drop(struct vswitch_port *port, enum vswitch_drop reason, unsigned n)
{
	port->dropped[reason] += n;
}

void vswitch_port_drop_frames(struct vswitch_port *port, enum vswitch_drop reason,
			      const struct vswitch_frame *const *frames, unsigned n)
{
	if (!frames[0])
		abort();
	vswitch_port_drop(port, reason, n);
}

void vswitch_port_set_congested(struct vswitch_port *port, bool congested)
{
	if (port->congested == congested)
		abort();
	port->congested = congested;
	port->congestions += congested;
}

int vswitch_port_connect(struct vswitch_port *port, const struct vswitch_nic *nic)
{
	if (port->nic)
		return -EBUSY;
	port->nic = nic;
	return 0;
}

int vswitch_nic_create(struct vswitch_port *port, uint8_t index, const struct vswitch_nic *device,
		       const struct vswitch_nic_config *config)
{
	if (index || !config->name)
		abort();
	return vswitch_port_connect(port, device);
}

int vswitch_nic_connect(struct vswitch_port *port, uint8_t index)
{
	if (index || !port->nic || port->connected)
		abort();
	port->connected = true;
	port->connects++;
	return 0;
}

int vswitch_nic_disconnect(struct vswitch_port *port, uint8_t index)
{
	if (index || !port->connected)
		abort();
	port->connected = false;
	return 0;
}

void vswitch_port_disconnect(struct vswitch_port *port)
{
	port->connected = false;
	if (port->congested)
		abort();
	port->nic = NULL;
}

bool vswitch_port_link(const struct vswitch_port *port)
{
	return !port->down;
}

void vswitch_port_set_link(struct vswitch_port *port, bool up)
{
	port->down = !up;
	port->nic->ops->link(port->nic->opaque, up);
}

/* ---- the bus: one device, one channel ---- */

struct vmbus_gpadl {
	uint32_t handle;		/* 0: free */
	uint32_t pages;
	uint8_t **page;			/* owned */
	int refs;
};

struct vmbus_channel {
	struct vmbus *bus;
	struct vmbus_ring_in in;
	struct vmbus_ring_out out;
	unsigned signals, errors;
	const char *last_error;
};

struct vmbus {
	const struct vmbus_device_ops *ops;
	void *opaque;
	struct vmbus_offer offer;
	struct vmbus_channel ch;
	struct vmbus_gpadl gpadl[WORLD_GPADLS];
	bool open;
	int open_status;
	uint8_t *ram;
	/* the guest's ends */
	uint32_t ring_pages;
	uint8_t *to_host_base, *to_guest_base;
	struct vmbus_ring_out to_host;
	struct vmbus_ring_in to_guest;
	uint8_t packet[16384];
};

struct vmbus_device {
	struct vmbus *bus;
};

int vmbus_device_create(struct vmbus *bus, const struct vmbus_offer *offer, const struct vmbus_device_ops *ops,
			void *opaque, struct vmbus_device **out)
{
	static struct vmbus_device dev;

	bus->offer = *offer;
	bus->ops = ops;
	bus->opaque = opaque;
	dev.bus = bus;
	*out = &dev;
	return 0;
}

void vmbus_device_destroy(struct vmbus_device *dev)
{
	if (dev && dev->bus->open)
		dev->bus->ops->close(dev->bus->opaque, &dev->bus->ch);
}

void vmbus_channel_opened(struct vmbus_channel *ch, int status)
{
	ch->bus->open = !status;
	ch->bus->open_status = status;
}

void vmbus_channel_closed(struct vmbus_channel *ch)
{
	for (unsigned i = 0; i < WORLD_GPADLS; i++)
		if (ch->bus->gpadl[i].refs)
			abort();	/* a reference that outlives its session */
	ch->bus->open = false;
}

struct vmbus_ring_in *vmbus_channel_in(struct vmbus_channel *ch)
{
	return &ch->in;
}

struct vmbus_ring_out *vmbus_channel_out(struct vmbus_channel *ch)
{
	return &ch->out;
}

void vmbus_channel_signal(struct vmbus_channel *ch)
{
	ch->signals++;
}

void vmbus_channel_note_error(struct vmbus_channel *ch, const char *what)
{
	ch->errors++;
	ch->last_error = what;
}

int vmbus_gpadl_get(struct vmbus_channel *ch, uint32_t handle, struct vmbus_gpadl **out)
{
	for (unsigned i = 0; i < WORLD_GPADLS; i++) {
		struct vmbus_gpadl *g = &ch->bus->gpadl[i];

		if (g->handle && g->handle == handle) {
			g->refs++;
			*out = g;
			return 0;
		}
	}
	return -ENOENT;
}

void vmbus_gpadl_put(struct vmbus_gpadl *gpadl)
{
	if (--gpadl->refs < 0)
		abort();
}

uint32_t vmbus_gpadl_size(const struct vmbus_gpadl *gpadl)
{
	return gpadl->pages * 4096;
}

uint8_t *const *vmbus_gpadl_pages(const struct vmbus_gpadl *gpadl)
{
	return gpadl->page;
}

void *vmbus_channel_gpa(struct vmbus_channel *ch, uint64_t gpa, uint64_t size_bytes, bool write)
{
	(void)write;
	if (gpa < WORLD_GPA || gpa - WORLD_GPA > WORLD_RAM_BYTES || size_bytes > WORLD_RAM_BYTES - (gpa - WORLD_GPA))
		return NULL;
	return ch->bus->ram + (gpa - WORLD_GPA);
}

/* ---- the world ---- */

struct world {
	struct hv_loop loop;
	struct vmbus bus;
	struct vswitch_port *port, *other_port;
	struct netvsp *nic;
	/* what the guest agreed to */
	uint32_t version;
	uint32_t slot_bytes, slots;
	uint32_t next_request;
};

/* A control page, and the data pages twice behind it. */
static uint8_t *world_map_ring(uint32_t pages)
{
	const size_t data = (size_t)(pages - 1) * 4096;
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *base = mmap(NULL, 4096 + 2 * data, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || base == MAP_FAILED || ftruncate(fd, (off_t)(4096 + data)) ||
	    mmap(base, 4096 + data, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(base + 4096 + data, data, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 4096) == MAP_FAILED)
		abort();
	close(fd);
	return base;
}

static void world_gpadl(struct world *w, unsigned i, uint32_t handle, uint32_t at, uint32_t pages, bool scattered)
{
	struct vmbus_gpadl *g = &w->bus.gpadl[i];

	free(g->page);
	*g = (struct vmbus_gpadl){ .handle = handle, .pages = pages, .page = calloc(pages, sizeof(uint8_t *)) };
	/* scattered: back to front, so no two pages follow one another */
	for (uint32_t k = 0; k < pages; k++)
		g->page[k] = w->bus.ram + at + (scattered ? pages - 1 - k : k) * 4096ull;
}

/* The byte at off of a GPADL, as the guest sees it. */
static uint8_t *world_at(struct world *w, unsigned i, uint32_t off)
{
	return w->bus.gpadl[i].page[off / 4096] + off % 4096;
}

static void world_write(struct world *w, unsigned i, uint32_t off, const void *src, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		*world_at(w, i, off + k) = ((const uint8_t *)src)[k];
}

static void world_read(struct world *w, unsigned i, uint32_t off, void *dst, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		((uint8_t *)dst)[k] = *world_at(w, i, off + k);
}

static void world_unmap_rings(struct world *w)
{
	const size_t bytes = 4096 + 2 * (size_t)(w->bus.ring_pages - 1) * 4096;

	if (w->bus.to_host_base) {
		munmap(w->bus.to_host_base, bytes);
		munmap(w->bus.to_guest_base, bytes);
	}
	w->bus.to_host_base = NULL;
}

static struct world *world_create(void)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct netvsp_desc desc = {
		.name = "vm3/nic0", .mac = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 }, .instance = { 1, 2, 3, 4 },
	};

	hv_log_set_level(0);
	w->port = calloc(1, sizeof(*w->port));
	w->other_port = calloc(1, sizeof(*w->other_port));
	w->bus.ch.bus = &w->bus;
	if (posix_memalign((void **)&w->bus.ram, 4096, WORLD_RAM_BYTES))
		abort();
	memset(w->bus.ram, 0xa5, WORLD_RAM_BYTES);
	if (netvsp_create(&w->loop, &w->bus, w->port, &desc, &w->nic))
		abort();
	return w;
}

static void world_destroy(struct world *w)
{
	netvsp_destroy(w->nic);
	if (w->loop.poller)
		abort();
	for (unsigned i = 0; i < WORLD_TIMERS; i++)
		if (w->loop.timer[i])
			abort();
	world_unmap_rings(w);
	for (unsigned i = 0; i < WORLD_GPADLS; i++)
		free(w->bus.gpadl[i].page);
	free(w->bus.ram);
	free(w->port);
	free(w->other_port);
	free(w);
}

/* Rounds of the loop until the device sleeps; true if it does so within the bound. */
static bool world_run(struct world *w)
{
	for (unsigned i = 0; i < 10000; i++) {
		struct hv_poller *p = w->loop.poller;

		if (!p)
			return true;
		w->loop.kicks = 0;
		if (!p->poll(p) && w->loop.poller == p && !w->loop.kicks && p->sleep(p) && !w->loop.kicks)
			hv_poller_stop(p);
	}
	return false;
}

static void world_advance(struct world *w, uint64_t ns)
{
	world_now += ns;
	for (unsigned i = 0; i < WORLD_TIMERS; i++) {
		struct hv_timer *t = w->loop.timer[i];

		if (t && t->deadline_ns <= world_now) {
			hv_timer_cancel(t);
			t->fire(t);
		}
	}
	world_run(w);
}

/* Opens the channel with rings of so many pages each, control page included. */
static void world_open(struct world *w, uint32_t ring_pages)
{
	struct vmbus *b = &w->bus;

	if (b->to_host_base && b->ring_pages == ring_pages) {
		memset(b->to_host_base, 0, 4096);
		memset(b->to_guest_base, 0, 4096);
	} else {
		world_unmap_rings(w);
		b->ring_pages = ring_pages;
		b->to_host_base = world_map_ring(ring_pages);
		b->to_guest_base = world_map_ring(ring_pages);
	}
	if (vmbus_ring_out_init(&b->to_host, b->to_host_base, ring_pages) ||
	    vmbus_ring_in_init(&b->ch.in, b->to_host_base, ring_pages) ||
	    vmbus_ring_out_init(&b->ch.out, b->to_guest_base, ring_pages) ||
	    vmbus_ring_in_init(&b->to_guest, b->to_guest_base, ring_pages))
		abort();
	world_gpadl(w, 0, WORLD_RECEIVE_HANDLE, WORLD_RECEIVE_AT, 1024, false);
	world_gpadl(w, 1, WORLD_SEND_HANDLE, WORLD_SEND_AT, WORLD_SEND_PAGES, false);
	b->ch.errors = 0;
	b->ops->open(b->opaque, &b->ch);
	world_run(w);
}

static void world_close(struct world *w)
{
	w->bus.ops->close(w->bus.opaque, &w->bus.ch);
}

static enum netvsp_state world_state(const struct world *w)
{
	return w->nic->session.state;
}

/* ---- the guest ---- */

static void guest_ring_bell(struct world *w)
{
	w->bus.ops->doorbell(w->bus.opaque, &w->bus.ch);
}

/* Puts a packet into the ring without a word to the host; false if it is full. */
static bool guest_put(struct world *w, uint16_t type, bool wants_completion, uint64_t id, const void *extra,
		      uint32_t extra_bytes, const void *payload, uint32_t payload_bytes)
{
	void *e, *p;

	if (vmbus_ring_reserve(&w->bus.to_host, extra_bytes, payload_bytes, &e, &p))
		return false;
	if (extra_bytes)
		memcpy(e, extra, extra_bytes);
	if (payload_bytes)
		memcpy(p, payload, payload_bytes);
	vmbus_ring_commit(&w->bus.to_host, type, wants_completion, id);
	return true;
}

/* Makes it visible, rings as a guest does, and lets the device work. */
static void guest_go(struct world *w)
{
	if (vmbus_ring_publish(&w->bus.to_host))
		guest_ring_bell(w);
	if (!world_run(w))
		abort();
}

static void guest_send(struct world *w, bool wants_completion, uint64_t id, const void *payload, uint32_t bytes)
{
	if (!guest_put(w, VMBUS_PKT_DATA_INBAND, wants_completion, id, NULL, 0, payload, bytes))
		abort();
	guest_go(w);
}

/* The next packet of the host; false: none. */
static bool guest_next(struct world *w, struct vmbus_packet *pkt)
{
	int ret = vmbus_ring_next(&w->bus.to_guest, w->bus.packet, sizeof(w->bus.packet), pkt);

	if (ret < 0)
		abort();
	if (vmbus_ring_release(&w->bus.to_guest))
		guest_ring_bell(w);
	return ret;
}

static uint32_t u32_at(const void *p, uint32_t off)
{
	le32 v;

	memcpy(&v, (const uint8_t *)p + off, sizeof(v));
	return le32_get(v);
}

/* Expects a completion; its payload goes to dst, zero-extended. Its length, or -1 if it is something else or nothing. */
static int guest_completion(struct world *w, uint64_t id, void *dst, uint32_t bytes)
{
	struct vmbus_packet pkt;

	memset(dst, 0, bytes);
	if (!guest_next(w, &pkt) || pkt.type != VMBUS_PKT_COMPLETION || pkt.transaction_id != id)
		return -1;
	memcpy(dst, pkt.payload, pkt.payload_bytes < bytes ? pkt.payload_bytes : bytes);
	return (int)pkt.payload_bytes;
}

/* The status of the 108 that is expected next; 0 if it isn't there. */
static uint32_t guest_sent_status(struct world *w, uint64_t id)
{
	struct nvsp_rndis_packet_complete m;

	if (guest_completion(w, id, &m, sizeof(m)) < (int)sizeof(m) ||
	    le32_get(m.type) != NVSP_SEND_RNDIS_PACKET_COMPLETE)
		return 0;
	return le32_get(m.status);
}

static void guest_complete(struct world *w, uint64_t id)
{
	const struct nvsp_rndis_packet_complete m = {
		.type = to_le32(NVSP_SEND_RNDIS_PACKET_COMPLETE), .status = to_le32(NVSP_STATUS_SUCCESS),
	};

	if (!guest_put(w, VMBUS_PKT_COMPLETION, false, id, NULL, 0, &m, sizeof(m)))
		abort();
	guest_go(w);
}

static void guest_init(struct world *w, uint32_t version, uint64_t id)
{
	const struct nvsp_init m = { to_le32(NVSP_INIT), to_le32(version), to_le32(version) };

	guest_send(w, true, id, &m, sizeof(m));
}

static void guest_config(struct world *w, uint32_t frame_bytes, uint64_t capabilities, bool wants_completion)
{
	const struct nvsp_ndis_config m = {
		.type = to_le32(NVSP_SEND_NDIS_CONFIG), .frame_bytes = to_le32(frame_bytes),
		.capabilities = to_le64(capabilities),
	};

	guest_send(w, wants_completion, 77, &m, sizeof(m));
}

static void guest_ndis_version(struct world *w, uint32_t major, uint32_t minor, bool wants_completion)
{
	const struct nvsp_ndis_version m = { to_le32(NVSP_SEND_NDIS_VERSION), to_le32(major), to_le32(minor) };

	guest_send(w, wants_completion, 78, &m, sizeof(m));
}

static void guest_buffer(struct world *w, uint32_t type, uint32_t handle, uint16_t id)
{
	const struct nvsp_send_buffer m = { to_le32(type), to_le32(handle), to_le16(id), to_le16(0) };

	guest_send(w, true, 79, &m, sizeof(m));
}

static void guest_revoke(struct world *w, uint32_t type, uint16_t id, bool wants_completion)
{
	const struct nvsp_revoke_buffer m = { to_le32(type), to_le16(id) };

	guest_send(w, wants_completion, 80, &m, sizeof(m));
}

/* Up to the buffers; false if the host said anything unexpected. */
static bool guest_handshake(struct world *w, uint32_t version, uint32_t frame_bytes, bool send_buffer)
{
	const bool config = version >= NVSP_VERSION_2;
	struct nvsp_init_complete init;
	struct nvsp_receive_buffer_complete receive;
	struct nvsp_send_buffer_complete send;

	guest_init(w, version, 1);
	if (guest_completion(w, 1, &init, sizeof(init)) < NVSP_MESSAGE_BYTES || le32_get(init.status) != 1)
		return false;
	if (config)
		guest_config(w, frame_bytes, NVSP_CAP_8021Q, false);
	guest_ndis_version(w, 6, version >= NVSP_VERSION_5 ? 30 : 1, false);
	guest_buffer(w, NVSP_SEND_RECEIVE_BUFFER, WORLD_RECEIVE_HANDLE, NVSP_RECEIVE_BUFFER_ID);
	if (guest_completion(w, 79, &receive, sizeof(receive)) < NVSP_MESSAGE_BYTES || le32_get(receive.status) != 1)
		return false;
	w->slot_bytes = le32_get(receive.section.sub_allocation_bytes);
	w->slots = le32_get(receive.section.sub_allocations);
	w->version = version;
	if (!send_buffer)
		return true;
	guest_buffer(w, NVSP_SEND_SEND_BUFFER, WORLD_SEND_HANDLE, NVSP_SEND_BUFFER_ID);
	return guest_completion(w, 79, &send, sizeof(send)) >= NVSP_MESSAGE_BYTES && le32_get(send.status) == 1;
}

/* SEND_RNDIS_PACKET with one range at gpa (GPA direct), without a section. */
static bool guest_put_direct(struct world *w, uint64_t id, uint32_t channel_type, uint64_t gpa, uint32_t bytes)
{
	struct {
		struct vmbus_pkt_gpa_direct head;
		struct vmbus_gpa_range_header range;
		le64 pfn[20];
	} e = { .head.range_count = to_le32(1) };
	const struct nvsp_rndis_packet m = {
		to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(channel_type), to_le32(NVSP_NO_SECTION), to_le32(0),
	};
	const uint32_t pages = (uint32_t)((gpa % 4096 + bytes + 4095) / 4096);

	e.range.bytes = to_le32(bytes);
	e.range.offset = to_le32(gpa % 4096);
	for (uint32_t i = 0; i < pages; i++)
		e.pfn[i] = to_le64(gpa / 4096 + i);
	return guest_put(w, VMBUS_PKT_DATA_GPA_DIRECT, true, id, &e, 16 + 8 * pages, &m, sizeof(m));
}

static uint64_t guest_gpa(uint32_t ram_offset)
{
	return WORLD_GPA + ram_offset;
}

/* Sends a control message out of free guest RAM; its own VMBus packet has id. */
static void guest_control(struct world *w, uint64_t id, const void *message, uint32_t bytes)
{
	memcpy(w->bus.ram + WORLD_FREE_AT, message, bytes);
	if (!guest_put_direct(w, id, NVSP_CHANNEL_CONTROL, guest_gpa(WORLD_FREE_AT), bytes))
		abort();
	guest_go(w);
}

static void guest_rndis_initialize(struct world *w, uint64_t id, uint32_t request)
{
	const struct rndis_initialize m = {
		to_le32(RNDIS_INITIALIZE), to_le32(sizeof(m)), to_le32(request), to_le32(1), to_le32(0), to_le32(0x4000),
	};

	guest_control(w, id, &m, sizeof(m));
}

/* QUERY or SET with the input directly behind the header. */
static void guest_request(struct world *w, uint64_t id, uint32_t type, uint32_t request, uint32_t oid, const void *info,
			  uint32_t bytes)
{
	struct {
		struct rndis_request h;
		uint8_t info[2048];
	} m = { .h = {
		.type = to_le32(type), .length = to_le32((uint32_t)sizeof(m.h) + bytes), .request_id = to_le32(request),
		.oid = to_le32(oid), .info_length = to_le32(bytes), .info_offset = to_le32(20),
	} };

	if (bytes)
		memcpy(m.info, info, bytes);
	guest_control(w, id, &m, (uint32_t)sizeof(m.h) + bytes);
}

/* A received packet: its id, ranges and channel type; and whether it looks as it must. */
struct guest_rx {
	uint64_t id;
	uint32_t channel_type, n;
	uint32_t bytes[64], offset[64];
};

static bool guest_parse_rx(struct world *w, const struct vmbus_packet *pkt, struct guest_rx *rx)
{
	const uint32_t set = pkt->extra_bytes >= 8 ? u32_at(pkt->extra, 0) & 0xffff : 0;
	const uint32_t payload = w->version >= NVSP_VERSION_6_1 ? 40 : 32;	/* 28 rounded up */

	if (pkt->type != VMBUS_PKT_DATA_TRANSFER_PAGES || !pkt->wants_completion || pkt->payload_bytes != payload ||
	    u32_at(pkt->payload, 0) != NVSP_SEND_RNDIS_PACKET || u32_at(pkt->payload, 8) != NVSP_NO_SECTION ||
	    u32_at(pkt->payload, 12) || set != w->nic->receive.id)
		return false;
	rx->id = pkt->transaction_id;
	rx->channel_type = u32_at(pkt->payload, 4);
	rx->n = u32_at(pkt->extra, 4);
	if (!rx->n || rx->n > NETVSP_RX_RANGES || pkt->extra_bytes != 8 + 8 * rx->n || rx->id >= w->slots)
		return false;
	for (uint32_t i = 0; i < rx->n; i++) {
		rx->bytes[i] = u32_at(pkt->extra, 8 + 8 * i);
		rx->offset[i] = u32_at(pkt->extra, 12 + 8 * i);
		if (rx->bytes[i] > w->slot_bytes || rx->offset[i] % w->slot_bytes ||
		    rx->offset[i] / w->slot_bytes >= w->slots)
			return false;
	}
	return rx->offset[0] == rx->id * w->slot_bytes;
}

/* Expects a control answer or indication; copies it out of the receive buffer and completes it. Bytes, or -1. */
static int guest_answer(struct world *w, void *dst, uint32_t bytes)
{
	struct vmbus_packet pkt;
	struct guest_rx rx;

	memset(dst, 0, bytes);
	if (!guest_next(w, &pkt) || !guest_parse_rx(w, &pkt, &rx) || rx.channel_type != NVSP_CHANNEL_CONTROL || rx.n != 1)
		return -1;
	world_read(w, 0, rx.offset[0], dst, rx.bytes[0] < bytes ? rx.bytes[0] : bytes);
	guest_complete(w, rx.id);
	return (int)rx.bytes[0];
}

/* A SET and its answer's status. */
static uint32_t guest_set(struct world *w, uint32_t oid, const void *info, uint32_t bytes)
{
	const uint32_t request = ++w->next_request;
	struct rndis_set_complete a;

	guest_request(w, 90, RNDIS_SET, request, oid, info, bytes);
	if (guest_sent_status(w, 90) != NVSP_STATUS_SUCCESS || guest_answer(w, &a, sizeof(a)) != sizeof(a) ||
	    le32_get(a.type) != RNDIS_SET_COMPLETE || le32_get(a.length) != sizeof(a) ||
	    le32_get(a.request_id) != request)
		return 0xdead;
	return le32_get(a.status);
}

static uint32_t guest_set_u32(struct world *w, uint32_t oid, uint32_t value)
{
	const le32 v = to_le32(value);

	return guest_set(w, oid, &v, sizeof(v));
}

/* A QUERY with input; its status, and the answer in dst. */
static uint32_t guest_query_with(struct world *w, uint32_t oid, const void *info, uint32_t info_bytes, void *dst,
				 uint32_t *bytes)
{
	const uint32_t request = ++w->next_request;
	struct {
		struct rndis_query_complete h;
		uint8_t info[1024];
	} a;
	int got;

	guest_request(w, 91, RNDIS_QUERY, request, oid, info, info_bytes);
	if (guest_sent_status(w, 91) != NVSP_STATUS_SUCCESS)
		return 0xdead;
	got = guest_answer(w, &a, sizeof(a));
	*bytes = le32_get(a.h.info_length);
	if (got < (int)sizeof(a.h) || (uint32_t)got != sizeof(a.h) + *bytes || le32_get(a.h.length) != (uint32_t)got ||
	    le32_get(a.h.type) != RNDIS_QUERY_COMPLETE || le32_get(a.h.request_id) != request ||
	    le32_get(a.h.info_offset) != 16)
		return 0xdead;
	memcpy(dst, a.info, *bytes);
	return le32_get(a.h.status);
}

static uint32_t guest_query(struct world *w, uint32_t oid, void *dst, uint32_t *bytes)
{
	return guest_query_with(w, oid, NULL, 0, dst, bytes);
}

/* From a closed channel to frames in both directions; version 6.1, 1514-byte frames. */
static bool guest_up(struct world *w, uint32_t ring_pages)
{
	uint8_t answer[64];

	world_open(w, ring_pages);
	if (!guest_handshake(w, NVSP_VERSION_6_1, 1514, true))
		return false;
	guest_rndis_initialize(w, 2, 1);
	if (guest_sent_status(w, 2) != NVSP_STATUS_SUCCESS || guest_answer(w, answer, sizeof(answer)) != 52)
		return false;
	return !guest_set_u32(w, OID_GEN_CURRENT_PACKET_FILTER,
			      NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST | NDIS_FILTER_ALL_MULTICAST);
}

/* ---- frames ---- */

/* A frame of n bytes from the guest to the peer whose payload counts from seed. */
static void make_frame(uint8_t *f, uint32_t n, const uint8_t to[6], const uint8_t from[6], uint8_t seed)
{
	memcpy(f, to, 6);
	memcpy(f + 6, from, 6);
	f[12] = 0x88;
	f[13] = 0xb5;		/* local experimental EtherType */
	for (uint32_t i = 14; i < n; i++)
		f[i] = (uint8_t)(seed + i);
}

/* An RNDIS PACKET with elements and a frame; its bytes. */
static uint32_t make_packet(uint8_t *dst, const void *ppis, uint32_t ppi_bytes, const uint8_t *frame, uint32_t frame_bytes,
			    uint32_t padding)
{
	const struct rndis_packet h = {
		.type = to_le32(RNDIS_PACKET),
		.length = to_le32((uint32_t)sizeof(h) + ppi_bytes + frame_bytes + padding),
		.data_offset = to_le32(36 + ppi_bytes), .data_length = to_le32(frame_bytes),
		.ppi_offset = to_le32(ppi_bytes ? 36 : 0), .ppi_length = to_le32(ppi_bytes),
	};

	memcpy(dst, &h, sizeof(h));
	if (ppi_bytes)
		memcpy(dst + sizeof(h), ppis, ppi_bytes);
	memcpy(dst + sizeof(h) + ppi_bytes, frame, frame_bytes);
	memset(dst + sizeof(h) + ppi_bytes + frame_bytes, 0, padding);
	return (uint32_t)sizeof(h) + ppi_bytes + frame_bytes + padding;
}

/* Form A: bytes of a section that were written before. */
static bool guest_put_section(struct world *w, uint64_t id, uint32_t section, uint32_t bytes)
{
	const struct nvsp_rndis_packet m = {
		to_le32(NVSP_SEND_RNDIS_PACKET), to_le32(NVSP_CHANNEL_DATA), to_le32(section), to_le32(bytes),
	};

	return guest_put(w, VMBUS_PKT_DATA_INBAND, true, id, NULL, 0, &m, sizeof(m));
}

static uint64_t world_counter(const struct world *w, const char *name)
{
	const char *each;
	uint64_t v;

	for (unsigned i = 0; netvsp_counter(w->nic, i, &each, &v); i++)
		if (!strcmp(each, name))
			return v;
	fprintf(stderr, "no counter %s\n", name);
	abort();
}

/* The switch gives the device n frames, as one batch of a sender. */
static void world_deliver(struct world *w, const struct vswitch_frame *f, unsigned n)
{
	const struct vswitch_frame *at[VSWITCH_BATCH];

	for (unsigned i = 0; i < n; i++)
		at[i] = &f[i];
	w->port->nic->ops->deliver(w->port->nic->opaque, at, n);
	w->port->nic->ops->flush(w->port->nic->opaque);
}

/* Names every helper, for programs that don't need them all. */
static inline void world_unused(void)
{
	(void)world_mac;
	(void)world_peer;
	(void)world_broadcast;
	(void)world_write;
	(void)world_advance;
	(void)world_close;
	(void)world_state;
	(void)guest_revoke;
	(void)guest_query;
	(void)guest_up;
	(void)make_frame;
	(void)make_packet;
	(void)guest_put_section;
	(void)world_counter;
	(void)world_deliver;
	(void)world_destroy;
}

#endif
