/* SPDX-License-Identifier: MIT */
/*
 * For tests: guest RAM in a memfd with holes that can be opened and closed, a platform for the bus on it, a device that
 * answers at once or when told, and a guest that posts messages by hand and takes answers from its slots.
 */
#ifndef HVNET_VMBUS_TEST_GUEST_H
#define HVNET_VMBUS_TEST_GUEST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"
#include "vmbus/vmbus.h"
#include "vmbus/vmbus_wire.h"

enum {
	GUEST_PAGES = 10000,
	GUEST_VPS = 3,
	GUEST_POST = 0x1000,		/* GPA of the input block */
	GUEST_SIMP = 0x10000,		/* … + vp * 0x1000 */
	GUEST_SIEFP = 0x20000,
	GUEST_INTERRUPT_PAGE = 0x30000,
	GUEST_RING = 0x100000,		/* GPA of the ring pages that guest_open() names */
};

struct test_device;

struct guest {
	struct vmbus *bus;
	int fd;
	uint8_t *ram;
	uint64_t hole, hole_bytes;	/* what is not there */
	unsigned interrupts[GUEST_VPS];
	unsigned mapped;		/* page ranges that the bus holds */
	uint16_t status;		/* of the last post */
};

/* ---- platform ---- */

static inline bool guest_has(const struct guest *g, uint64_t gpa, uint64_t size)
{
	const uint64_t end = (uint64_t)GUEST_PAGES * VMBUS_PAGE_BYTES;

	if (gpa > end || size > end - gpa)
		return false;
	return !g->hole_bytes || gpa + size <= g->hole || gpa >= g->hole + g->hole_bytes;
}

static inline void *guest_gpa(void *opaque, uint64_t gpa, uint64_t size, bool write)
{
	struct guest *g = opaque;

	(void)write;
	return guest_has(g, gpa, size) ? g->ram + gpa : NULL;
}

static inline int guest_map_pages(void *opaque, const uint64_t *pfns, size_t n, void **out)
{
	struct guest *g = opaque;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		if (!guest_has(g, pfns[i] * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES))
			return -EFAULT;
	p = mmap(NULL, n * VMBUS_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < n; i++)
		if (p == MAP_FAILED || mmap(p + i * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES, PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_FIXED, g->fd, (off_t)(pfns[i] * VMBUS_PAGE_BYTES)) == MAP_FAILED)
			abort();
	g->mapped++;
	*out = p;
	return 0;
}

static inline void guest_unmap_pages(void *opaque, void *base, size_t n)
{
	struct guest *g = opaque;

	munmap(base, n * VMBUS_PAGE_BYTES);
	g->mapped--;
}

static inline void guest_interrupt(void *opaque, uint32_t vp)
{
	struct guest *g = opaque;

	g->interrupts[vp]++;
}

static const struct vmbus_platform_ops guest_platform = { guest_gpa, guest_map_pages, guest_unmap_pages, guest_interrupt };

/* ---- a device that answers at once, or when told ---- */

struct test_device {
	struct guest *g;
	struct vmbus_device *dev;
	bool late_open, late_close;	/* the test answers */
	int open_status;
	bool keep_gpadl;		/* on teardown: do not put at once */
	unsigned opens, closes, doorbells, teardowns, pauses, resumes, releases;
	struct vmbus_gpadl *held;	/* a reference, put on close */
	char log[256];			/* what happened: o(pen), c(lose), with the channel's index */
};

static inline void device_note(struct test_device *d, char what, struct vmbus_channel *ch)
{
	size_t n = strlen(d->log);

	if (n + 3 < sizeof(d->log))
		snprintf(d->log + n, sizeof(d->log) - n, "%c%u", what, vmbus_channel_index(ch) % 10);
}

static inline void device_put(struct test_device *d)
{
	struct vmbus_gpadl *held = d->held;

	d->held = NULL;
	if (held)
		vmbus_gpadl_put(held);
}

static inline void device_open(void *opaque, struct vmbus_channel *ch)
{
	struct test_device *d = opaque;

	d->opens++;
	device_note(d, 'o', ch);
	if (!d->late_open)
		vmbus_channel_opened(ch, d->open_status);
}

static inline void device_close(void *opaque, struct vmbus_channel *ch)
{
	struct test_device *d = opaque;

	d->closes++;
	device_note(d, 'c', ch);
	if (d->late_close)
		return;
	if (!vmbus_channel_index(ch))
		device_put(d);
	vmbus_channel_closed(ch);
}

static inline void device_doorbell(void *opaque, struct vmbus_channel *ch)
{
	struct test_device *d = opaque;

	device_note(d, 'd', ch);
	d->doorbells++;
}

static inline void device_teardown(void *opaque, struct vmbus_channel *ch, struct vmbus_gpadl *gpadl)
{
	struct test_device *d = opaque;

	(void)ch;
	d->teardowns++;
	CU_ASSERT_PTR_EQUAL(gpadl, d->held);
	if (!d->keep_gpadl)
		device_put(d);
}

static inline void device_pause(void *opaque, struct vmbus_channel *ch, bool paused)
{
	struct test_device *d = opaque;

	device_note(d, paused ? 'p' : 'r', ch);
	paused ? d->pauses++ : d->resumes++;
}

static inline void device_released(void *opaque, struct vmbus_channel *ch)
{
	struct test_device *d = opaque;

	device_note(d, 'x', ch);
	d->releases++;
}

static const struct vmbus_device_ops device_ops = {
	device_open, device_close, device_doorbell, device_teardown, device_pause, device_released,
};

/* A device whose instance GUID is all `instance`. */
static inline void device_add(struct test_device *d, struct guest *g, uint8_t instance)
{
	struct vmbus_offer offer = { .flags = 0 };

	memset(d, 0, sizeof(*d));
	memset(offer.interface_type, 0x63, sizeof(offer.interface_type));
	memset(offer.instance, instance, sizeof(offer.instance));
	memset(offer.user_data, 0x5a, sizeof(offer.user_data));
	d->g = g;
	CU_ASSERT_EQUAL_FATAL(vmbus_device_create(g->bus, &offer, &device_ops, d, &d->dev), 0);
}

static inline struct vmbus_channel *device_channel(struct test_device *d)
{
	return vmbus_device_primary(d->dev);
}

/* ---- the guest ---- */

static inline uint32_t *slot_type(struct guest *g, uint32_t vp)
{
	return (uint32_t *)(void *)(g->ram + GUEST_SIMP + vp * VMBUS_PAGE_BYTES + 0x200);
}

/* Boots: SynIC on, nothing posted. */
static inline void guest_start(struct guest *g)
{
	hv_log_set_level(HV_LOG_ERROR);
	memset(g, 0, sizeof(*g));
	g->fd = memfd_create("guest", MFD_CLOEXEC);
	if (g->fd < 0 || ftruncate(g->fd, (off_t)GUEST_PAGES * VMBUS_PAGE_BYTES))
		abort();
	g->ram = mmap(NULL, (size_t)GUEST_PAGES * VMBUS_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
	if (g->ram == MAP_FAILED || vmbus_create("vm", GUEST_VPS, &guest_platform, g, &g->bus))
		abort();
}

static inline void guest_synic(struct guest *g)
{
	vmbus_set_guest_os_id(g->bus, 1);
	for (uint32_t vp = 0; vp < GUEST_VPS; vp++) {
		vmbus_synic_set_scontrol(g->bus, vp, 1);
		vmbus_synic_set_simp(g->bus, vp, (GUEST_SIMP + vp * VMBUS_PAGE_BYTES) | 1);
		vmbus_synic_set_siefp(g->bus, vp, (GUEST_SIEFP + vp * VMBUS_PAGE_BYTES) | 1);
		vmbus_synic_set_sint2(g->bus, vp, 0);
	}
}

static inline void guest_boot(struct guest *g)
{
	guest_start(g);
	guest_synic(g);
}

/* Every device has been destroyed. */
static inline void guest_end(struct guest *g)
{
	vmbus_destroy(g->bus);
	CU_ASSERT_EQUAL(g->mapped, 0);
	munmap(g->ram, (size_t)GUEST_PAGES * VMBUS_PAGE_BYTES);
	close(g->fd);
}

static inline uint16_t guest_post_to(struct guest *g, uint32_t connection, const void *msg, uint32_t bytes)
{
	struct vmbus_post_input in = { to_le32(connection), to_le32(0), to_le32(1), to_le32(bytes), { 0 } };

	memcpy(in.payload, msg, bytes);
	memcpy(g->ram + GUEST_POST, &in, sizeof(in));
	return g->status = vmbus_post_message(g->bus, GUEST_POST);
}

static inline void guest_post(struct guest *g, const void *msg, uint32_t bytes)
{
	CU_ASSERT_EQUAL(guest_post_to(g, VMBUS_CONNECTION_MESSAGE, msg, bytes), VMBUS_HV_SUCCESS);
}

union any_message {
	struct vmbus_msg_header h;
	struct vmbus_msg_version_response version;
	struct vmbus_msg_offer offer;
	struct vmbus_msg_relid relid;
	struct vmbus_msg_open_result opened;
	struct vmbus_msg_gpadl_created created;
	struct vmbus_msg_gpadl_torndown torndown;
	struct vmbus_msg_modify_response modified;
	struct vmbus_msg_tl_result tl;
	struct vmbus_msg_modify_connection_response modified_connection;
	uint8_t bytes[VMBUS_MESSAGE_BYTES];
};

/* Takes the message in a processor's slot as guests do: its type, 0 if there is none; *bytes may be NULL. */
static inline uint32_t guest_take(struct guest *g, uint32_t vp, union any_message *m, uint32_t *bytes)
{
	struct vmbus_synic_slot *slot = (struct vmbus_synic_slot *)(void *)slot_type(g, vp);

	if (!slot->type)
		return 0;
	memset(m, 0xee, sizeof(*m));
	memcpy(m, slot->payload, slot->payload_bytes);
	if (bytes)
		*bytes = slot->payload_bytes;
	__atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & VMBUS_SYNIC_MESSAGE_PENDING)
		vmbus_synic_eom(g->bus, vp);
	return le32_get(m->h.type);
}

static inline uint32_t guest_next(struct guest *g, union any_message *m)
{
	return guest_take(g, 0, m, NULL);
}

static inline void guest_quiet(struct guest *g)
{
	union any_message m;

	for (uint32_t vp = 0; vp < GUEST_VPS; vp++)
		CU_ASSERT_EQUAL(guest_take(g, vp, &m, NULL), 0);
}

static inline struct vmbus_msg_initiate_contact contact(uint32_t version)
{
	struct vmbus_msg_initiate_contact m = { .h.type = to_le32(VMBUS_MSG_INITIATE_CONTACT), .version = to_le32(version) };

	if (version >= VMBUS_VERSION_5_0)
		m.u.multiclient.sint = VMBUS_SINT;
	else
		m.u.interrupt_page = to_le64(GUEST_INTERRUPT_PAGE);
	return m;
}

static inline void guest_contact(struct guest *g, uint32_t version)
{
	struct vmbus_msg_initiate_contact m = contact(version);

	CU_ASSERT_EQUAL(guest_post_to(g, version >= VMBUS_VERSION_5_0 ? 4 : 1, &m, sizeof(m)), 0);
}

static inline void guest_connect(struct guest *g, uint32_t version)
{
	union any_message m;

	guest_contact(g, version);
	CU_ASSERT_EQUAL(guest_next(g, &m), VMBUS_MSG_VERSION_RESPONSE);
	CU_ASSERT_EQUAL(m.version.supported, 1);
	CU_ASSERT_EQUAL(vmbus_version(g->bus), version);
}

static inline void guest_post_empty(struct guest *g, enum vmbus_msg_type type)
{
	struct vmbus_msg_header m = { to_le32(type), to_le32(0) };

	guest_post(g, &m, sizeof(m));
}

/* Asks for the offers; the number of them, the last one's relid. */
static inline unsigned guest_offers(struct guest *g, uint32_t *relid)
{
	union any_message m;
	unsigned n = 0;

	guest_post_empty(g, VMBUS_MSG_REQUESTOFFERS);
	while (guest_next(g, &m) == VMBUS_MSG_OFFERCHANNEL) {
		*relid = le32_get(m.offer.relid);
		n++;
	}
	CU_ASSERT_EQUAL(le32_get(m.h.type), VMBUS_MSG_ALLOFFERS_DELIVERED);
	return n;
}

static inline void guest_post_relid(struct guest *g, enum vmbus_msg_type type, uint32_t relid)
{
	struct vmbus_msg_relid m = { .h.type = to_le32(type), .relid = to_le32(relid) };

	guest_post(g, &m, sizeof(m));
}

static inline void guest_post_teardown(struct guest *g, uint32_t relid, uint32_t handle)
{
	struct vmbus_msg_gpadl_teardown m = { .h.type = to_le32(VMBUS_MSG_GPADL_TEARDOWN), .relid = to_le32(relid),
					      .handle = to_le32(handle) };

	guest_post(g, &m, sizeof(m));
}

/* Posts all messages of a one-range GPADL over pages from first on. */
static inline void guest_post_gpadl(struct guest *g, uint32_t relid, uint32_t handle, uint64_t first, uint32_t pages)
{
	struct vmbus_msg_gpadl_header h = {
		.h.type = to_le32(VMBUS_MSG_GPADL_HEADER), .relid = to_le32(relid), .handle = to_le32(handle),
		.range_bytes = to_le16((uint16_t)(8 + 8 * pages)), .range_count = to_le16(1),
	};
	struct vmbus_gpa_range_header range = { to_le32(pages * VMBUS_PAGE_BYTES), to_le32(0) };
	struct vmbus_msg_gpadl_body b = { .h.type = to_le32(VMBUS_MSG_GPADL_BODY), .handle = to_le32(handle) };
	uint8_t msg[VMBUS_MESSAGE_BYTES];
	uint32_t n = 0, at = sizeof(h) + sizeof(range);

	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), &range, sizeof(range));
	do {
		for (; n < pages && at + 8 <= sizeof(msg); at += 8, n++) {
			le64 pfn = to_le64(first + n);

			memcpy(msg + at, &pfn, 8);
		}
		guest_post(g, msg, at);
		memcpy(msg, &b, sizeof(b));
		at = sizeof(b);
	} while (n < pages);
}

static inline void guest_gpadl(struct guest *g, uint32_t relid, uint32_t handle, uint64_t first, uint32_t pages)
{
	union any_message m;

	guest_post_gpadl(g, relid, handle, first, pages);
	CU_ASSERT_EQUAL(guest_next(g, &m), VMBUS_MSG_GPADL_CREATED);
	CU_ASSERT_EQUAL(le32_get(m.created.relid), relid);
	CU_ASSERT_EQUAL(le32_get(m.created.handle), handle);
	CU_ASSERT_EQUAL(le32_get(m.created.status), VMBUS_STATUS_SUCCESS);
}

static inline void guest_post_open(struct guest *g, uint32_t relid, uint32_t handle, uint32_t page, uint32_t vp)
{
	struct vmbus_msg_open m = {
		.h.type = to_le32(VMBUS_MSG_OPENCHANNEL), .relid = to_le32(relid), .open_id = to_le32(relid + 1000),
		.ring_gpadl = to_le32(handle), .target_vp = to_le32(vp), .to_guest_ring_page = to_le32(page),
	};

	guest_post(g, &m, sizeof(m));
}

static inline uint32_t guest_open_result(struct guest *g, uint32_t relid)
{
	union any_message m;

	CU_ASSERT_EQUAL(guest_next(g, &m), VMBUS_MSG_OPENCHANNEL_RESULT);
	CU_ASSERT_EQUAL(le32_get(m.opened.relid), relid);
	CU_ASSERT_EQUAL(le32_get(m.opened.open_id), relid + 1000);
	return le32_get(m.opened.status);
}

/* A GPADL of 8 pages at GUEST_RING + relid * 0x8000, handle 0x100 + relid, opened with 4 pages each way on processor vp. */
static inline void guest_open(struct guest *g, uint32_t relid, uint32_t vp)
{
	uint64_t first = GUEST_RING / VMBUS_PAGE_BYTES + relid * 8;

	memset(g->ram + first * VMBUS_PAGE_BYTES, 0, (size_t)8 * VMBUS_PAGE_BYTES);
	guest_gpadl(g, relid, 0x100 + relid, first, 8);
	guest_post_open(g, relid, 0x100 + relid, 4, vp);
	CU_ASSERT_EQUAL(guest_open_result(g, relid), VMBUS_STATUS_SUCCESS);
}

static inline struct vmbus_ring_ctl *guest_ring(struct guest *g, uint32_t relid, bool to_guest)
{
	return (struct vmbus_ring_ctl *)(void *)(g->ram + GUEST_RING + relid * 8 * VMBUS_PAGE_BYTES +
						 (to_guest ? 4 * VMBUS_PAGE_BYTES : 0));
}

static inline bool guest_flag(struct guest *g, uint32_t vp, uint32_t flag)
{
	uint32_t *words = (uint32_t *)(void *)(g->ram + GUEST_SIEFP + vp * VMBUS_PAGE_BYTES + 0x200);
	bool set = words[flag / 32] >> flag % 32 & 1;

	words[flag / 32] &= ~(1u << flag % 32);
	return set;
}

static inline uint64_t guest_count(const struct guest *g, const char *which)
{
	const char *name;
	uint64_t value;

	for (unsigned n = 0; vmbus_counter(g->bus, n, &name, &value); n++)
		if (!strcmp(name, which))
			return value;
	printf("no counter %s\n", which);
	return UINT64_MAX;
}

static inline void guest_hole(struct guest *g, uint64_t gpa, uint64_t bytes)
{
	g->hole = gpa;
	g->hole_bytes = bytes;
	vmbus_memory_gone(g->bus, gpa, bytes);
}

static inline void guest_fill(struct guest *g)
{
	uint64_t gpa = g->hole, bytes = g->hole_bytes;

	g->hole_bytes = 0;
	vmbus_memory_came(g->bus, gpa, bytes);
}

#endif
