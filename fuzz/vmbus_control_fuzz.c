/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest on the control path: the input is a list of steps, each an operation, a length and so many bytes. Mostly
 * they are control messages posted as they are; the others write registers, take answers, ring, make memory go and
 * come, and let the device offer, hold, refuse and go. What the device was promised is checked on the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vmbus/vmbus.h"
#include "vmbus/vmbus_wire.h"

#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 64, VPS = 2, POST = 0x1000, SIMP = 0x2000, SIEFP = 0x4000, DEVICES = 2, HELD = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

struct device {
	struct vmbus_device *dev;
	struct vmbus_gpadl *held[HELD];
	struct vmbus_channel *opening, *closing;	/* answers owed */
	bool late, refuse, paused;
};

static struct {
	int fd;
	uint8_t *ram;
	uint64_t hole;			/* first page that is not there; PAGES: none */
	unsigned mapped;
	struct vmbus *bus;
	struct device device[DEVICES];
} g;

/* ---- platform ---- */

static bool there(uint64_t gpa, uint64_t size)
{
	return gpa <= PAGES * VMBUS_PAGE_BYTES && size <= PAGES * VMBUS_PAGE_BYTES - gpa &&
	       (gpa + size <= g.hole * VMBUS_PAGE_BYTES || gpa >= (g.hole + 1) * VMBUS_PAGE_BYTES);
}

static void *gpa(void *opaque, uint64_t address, uint64_t size, bool write)
{
	(void)opaque, (void)write;
	return there(address, size) ? g.ram + address : NULL;
}

static int map_pages(void *opaque, const uint64_t *pfns, size_t n, void **out)
{
	uint8_t *p;

	(void)opaque;
	for (size_t i = 0; i < n; i++)
		if (pfns[i] >= PAGES || !there(pfns[i] * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES))
			return -EFAULT;
	p = mmap(NULL, n * VMBUS_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < n; i++)
		must(p != MAP_FAILED && mmap(p + i * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_FIXED, g.fd, (off_t)(pfns[i] * VMBUS_PAGE_BYTES)) != MAP_FAILED);
	g.mapped++;
	*out = p;
	return 0;
}

static void unmap_pages(void *opaque, void *base, size_t n)
{
	(void)opaque;
	munmap(base, n * VMBUS_PAGE_BYTES);
	g.mapped--;
}

static void interrupt(void *opaque, uint32_t vp)
{
	(void)opaque;
	must(vp < VPS);
}

static const struct vmbus_platform_ops platform = { gpa, map_pages, unmap_pages, interrupt };

/* ---- device ---- */

static void put_all(struct device *d)
{
	for (unsigned i = 0; i < HELD; i++) {
		struct vmbus_gpadl *held = d->held[i];

		d->held[i] = NULL;
		if (held)
			vmbus_gpadl_put(held);
	}
}

static void on_open(void *opaque, struct vmbus_channel *ch)
{
	struct device *d = opaque;

	must(!vmbus_channel_is_open(ch));
	if (d->late && !vmbus_channel_index(ch))
		d->opening = ch;
	else
		vmbus_channel_opened(ch, d->refuse ? -EIO : 0);
}

static void on_close(void *opaque, struct vmbus_channel *ch)
{
	struct device *d = opaque;

	if (vmbus_channel_index(ch)) {
		vmbus_channel_closed(ch);
		return;
	}
	d->opening = NULL;
	d->paused = false;
	put_all(d);
	if (d->late)
		d->closing = ch;
	else
		vmbus_channel_closed(ch);
}

static void on_doorbell(void *opaque, struct vmbus_channel *ch)
{
	_Alignas(8) static uint8_t buf[256];
	struct device *d = opaque;
	struct vmbus_packet pkt;
	bool signal;

	must(vmbus_channel_is_open(ch));
	if (!vmbus_channel_index(ch))
		must(!d->paused);
	for (unsigned n = 0; n < 16 && vmbus_ring_next(vmbus_channel_in(ch), buf, sizeof(buf), &pkt) == 1; n++)
		if (vmbus_ring_write(vmbus_channel_out(ch), 11, false, pkt.transaction_id, pkt.payload, pkt.payload_bytes))
			break;
	signal = vmbus_ring_release(vmbus_channel_in(ch));
	signal |= vmbus_ring_publish(vmbus_channel_out(ch));
	if (signal)
		vmbus_channel_signal(ch);
}

static void on_teardown(void *opaque, struct vmbus_channel *ch, struct vmbus_gpadl *gpadl)
{
	struct device *d = opaque;

	(void)ch;
	for (unsigned i = 0; i < HELD && !d->late; i++)
		if (d->held[i] == gpadl) {
			d->held[i] = NULL;
			vmbus_gpadl_put(gpadl);
		}
}

static void on_pause(void *opaque, struct vmbus_channel *ch, bool paused)
{
	struct device *d = opaque;

	if (vmbus_channel_index(ch))
		return;
	must(d->paused != paused);
	d->paused = paused;
	for (unsigned i = 0; i < HELD && !paused; i++)
		if (d->held[i])
			must(vmbus_gpadl_pages(d->held[i]) != NULL);
}

static const struct vmbus_device_ops ops = { on_open, on_close, on_doorbell, on_teardown, on_pause, NULL };

static void add_device(unsigned n)
{
	struct vmbus_offer offer = { .instance = { (uint8_t)(n + 1) } };
	struct device *d = &g.device[n];

	memset(d, 0, sizeof(*d));
	must(vmbus_device_create(g.bus, &offer, &ops, d, &d->dev) == 0);
}

static void answer(struct device *d)
{
	struct vmbus_channel *ch = d->opening;

	d->opening = NULL;
	if (ch)
		vmbus_channel_opened(ch, d->refuse ? -EIO : 0);
	ch = d->closing;
	d->closing = NULL;
	if (ch)
		vmbus_channel_closed(ch);
}

/* ---- steps ---- */

static void device_step(uint8_t what, uint32_t arg)
{
	struct device *d = &g.device[what % DEVICES];
	struct vmbus_channel *ch = vmbus_device_primary(d->dev);

	switch (what / DEVICES % 8) {
	case 0: answer(d); break;
	case 1: d->late = arg & 1; d->refuse = arg & 2; answer(d); break;
	case 2: (void)!vmbus_device_offer_subchannels(d->dev, arg % 5); break;
	case 3: vmbus_device_rescind_subchannels(d->dev); break;
	case 4: vmbus_channel_signal(ch); break;
	case 5:
		for (unsigned i = 0; i < HELD && vmbus_channel_is_open(ch); i++)
			if (!d->held[i]) {
				(void)!vmbus_gpadl_get(ch, arg, &d->held[i]);
				break;
			}
		break;
	case 6: put_all(d); break;
	case 7:
		d->late = false;
		put_all(d);
		vmbus_device_destroy(d->dev);
		add_device(what % DEVICES);
		break;
	}
}

static void take_answer(uint32_t vp)
{
	struct vmbus_synic_slot *slot = (struct vmbus_synic_slot *)(void *)(g.ram + SIMP + vp * VMBUS_PAGE_BYTES + 0x200);

	slot->type = 0;
	vmbus_synic_eom(g.bus, vp);
}

static void step(uint8_t what, const uint8_t *p, uint32_t n)
{
	struct vmbus_post_input in = { to_le32(1), to_le32(0), to_le32(1), to_le32(n), { 0 } };
	uint64_t word = 0;

	memcpy(&word, p, n < 8 ? n : 8);
	switch (what >> 4) {
	default:			/* most often: a control message, on connection 1 or 4 */
		in.connection_id = to_le32(what & 1 ? 4 : 1);
		memcpy(in.payload, p, n);
		memcpy(g.ram + POST, &in, sizeof(in));
		(void)vmbus_post_message(g.bus, POST);
		if (!(what & 2))
			take_answer(0);
		break;
	case 8: take_answer(what & 1); break;
	case 9: (void)vmbus_signal_event(g.bus, (uint32_t)word & 0x2fff, 0); break;
	case 10: device_step(what, (uint32_t)word); break;
	case 11:
		g.hole = word % PAGES;
		vmbus_memory_gone(g.bus, g.hole * VMBUS_PAGE_BYTES, VMBUS_PAGE_BYTES);
		if (what & 1)
			break;
		/* fall through */
	case 12:
		g.hole = PAGES;
		vmbus_memory_came(g.bus, 0, PAGES * VMBUS_PAGE_BYTES);
		break;
	case 13:
		if (n < 248)		/* anywhere: rings, slots, flags */
			memcpy(g.ram + word % ((PAGES - 1) * VMBUS_PAGE_BYTES), p, n);
		break;
	case 14: vmbus_synic_set_sint2(g.bus, what & 1, word); break;
	case 15:
		if (!(what & 0xe))
			vmbus_reset(g.bus);
		vmbus_set_guest_os_id(g.bus, 1);
		for (uint32_t vp = 0; vp < VPS; vp++) {
			vmbus_synic_set_simp(g.bus, vp, (SIMP + vp * VMBUS_PAGE_BYTES) | 1);
			vmbus_synic_set_siefp(g.bus, vp, (SIEFP + vp * VMBUS_PAGE_BYTES) | 1);
			vmbus_synic_set_sint2(g.bus, vp, 0);
			vmbus_synic_set_scontrol(g.bus, vp, 1);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!g.ram) {
		hv_log_set_level(HV_LOG_ERROR - 1);
		g.fd = memfd_create("guest", MFD_CLOEXEC);
		must(g.fd >= 0 && !ftruncate(g.fd, PAGES * VMBUS_PAGE_BYTES));
		g.ram = mmap(NULL, PAGES * VMBUS_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g.fd, 0);
		must(g.ram != MAP_FAILED);
	}
	memset(g.ram, 0, PAGES * VMBUS_PAGE_BYTES);
	g.hole = PAGES;
	must(vmbus_create("fuzz", VPS, &platform, NULL, &g.bus) == 0);
	for (unsigned i = 0; i < DEVICES; i++)
		add_device(i);
	step(0xff, data, 0);
	for (unsigned steps = 0; size >= 2 && steps < 400; steps++) {
		uint32_t n = data[1] <= VMBUS_MESSAGE_BYTES ? data[1] : VMBUS_MESSAGE_BYTES;

		if (n > size - 2)
			n = (uint32_t)size - 2;
		step(data[0], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
	for (unsigned i = 0; i < DEVICES; i++) {
		g.device[i].late = false;
		put_all(&g.device[i]);
		vmbus_device_destroy(g.device[i].dev);
	}
	must(g.mapped == 0);
	vmbus_destroy(g.bus);
	return 0;
}
