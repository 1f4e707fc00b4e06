/* SPDX-License-Identifier: MIT */
/* The bridge over real vfio-user: registers, and a guest that drives its VMBus through them. */
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"
#include "vfio-user/vfio_user_client.h"
#include "vfio-user/vfio_user_wire.h"
#include "vmbus/bridge_wire.h"
#include "vmbus/vmbus.h"
#include "vmbus/vmbus_client.h"
#include "vmbus/vmbus_wire.h"

enum { VPS = 2, RAM_BYTES = 64 << 20, FIRST_PAGE = 0x1000 /* 16 MiB: above the holes of the PC */ };

/* ---- the host: a loop in a thread, with an echoing device ---- */

struct host {
	char dir[64], path[96];
	struct hv_loop *loop;
	pthread_t thread;
	struct vmbus_bridge *bridge;
	struct vmbus_device *dev;
	/* the loop's thread writes, the test reads */
	int open, paused, pauses, doorbells;
};

static void host_open(void *opaque, struct vmbus_channel *ch)
{
	struct host *h = opaque;

	vmbus_channel_opened(ch, 0);
	__atomic_store_n(&h->open, 1, __ATOMIC_SEQ_CST);
}

static void host_close(void *opaque, struct vmbus_channel *ch)
{
	struct host *h = opaque;

	__atomic_store_n(&h->open, 0, __ATOMIC_SEQ_CST);
	vmbus_channel_closed(ch);
}

/* Sends every packet back. */
static void host_doorbell(void *opaque, struct vmbus_channel *ch)
{
	struct vmbus_ring_out *out = vmbus_channel_out(ch);
	struct vmbus_ring_in *in = vmbus_channel_in(ch);
	_Alignas(8) uint8_t buf[4096];
	struct vmbus_packet pkt;
	struct host *h = opaque;
	bool signal;

	__atomic_fetch_add(&h->doorbells, 1, __ATOMIC_SEQ_CST);
	while (vmbus_ring_next(in, buf, sizeof(buf), &pkt) == 1)
		if (vmbus_ring_write(out, VMBUS_PKT_COMPLETION, false, pkt.transaction_id, pkt.payload, pkt.payload_bytes))
			break;
	signal = vmbus_ring_release(in);
	signal |= vmbus_ring_publish(out);
	if (signal)
		vmbus_channel_signal(ch);
}

static void host_teardown(void *opaque, struct vmbus_channel *ch, struct vmbus_gpadl *gpadl)
{
	(void)opaque, (void)ch, (void)gpadl;
}

static void host_pause(void *opaque, struct vmbus_channel *ch, bool paused)
{
	struct host *h = opaque;

	__atomic_store_n(&h->paused, paused, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&h->pauses, paused, __ATOMIC_SEQ_CST);
	if (!paused)
		host_doorbell(h, ch);		/* doorbells may have fallen into the gap */
}

static const struct vmbus_device_ops host_ops = { host_open, host_close, host_doorbell, host_teardown, host_pause, NULL };

static void *host_run(void *arg)
{
	struct host *h = arg;

	hv_loop_run(h->loop);
	return NULL;
}

static void host_start(struct host *h)
{
	const char *tmp = getenv("TMPDIR");
	struct vmbus_offer offer = { .interface_type = { 1 }, .instance = { 2 } };

	memset(h, 0, sizeof(*h));
	snprintf(h->dir, sizeof(h->dir), "%.40s/bridgeXXXXXX", tmp ? tmp : "/tmp");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(h->dir));
	snprintf(h->path, sizeof(h->path), "%s/socket", h->dir);
	hv_log_set_level(HV_LOG_ERROR);
	CU_ASSERT_EQUAL_FATAL(hv_loop_create(&h->loop), 0);
	CU_ASSERT_EQUAL_FATAL(vmbus_bridge_create(h->loop, "vm", h->path, 0600, VPS, &h->bridge), 0);
	CU_ASSERT_EQUAL_FATAL(vmbus_device_create(vmbus_bridge_bus(h->bridge), &offer, &host_ops, h, &h->dev), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&h->thread, NULL, host_run, h), 0);
}

static void host_end(struct host *h)
{
	hv_loop_stop(h->loop);
	pthread_join(h->thread, NULL);
	vmbus_device_destroy(h->dev);
	vmbus_bridge_destroy(h->bridge);
	hv_loop_destroy(h->loop);
	CU_ASSERT_EQUAL(rmdir(h->dir), 0);	/* the socket is gone */
}

/* Waits up to two seconds for the host's thread to have set *what. */
static bool wait_for(const int *what, int value)
{
	for (int i = 0; i < 2000; i++) {
		if (__atomic_load_n(what, __ATOMIC_SEQ_CST) == value)
			return true;
		usleep(1000);
	}
	return false;
}

/* ---- the guest ---- */

struct soft {
	struct vfuc *vfuc;
	struct vfuc_ram ram;
	struct vmbus_client *c;
	uint64_t next_page;
	struct vmbus_client_channel *ch;
	uint32_t version;
	int offered, opened, events, unloaded;
};

static int soft_alloc(void *opaque, size_t n, uint64_t *gpa, void **host)
{
	struct soft *s = opaque;

	*gpa = s->next_page * VMBUS_PAGE_BYTES;
	*host = s->ram.base + *gpa;
	memset(*host, 0, n * VMBUS_PAGE_BYTES);
	s->next_page += n;
	return 0;
}

static void soft_free(void *opaque, uint64_t gpa, void *host, size_t n)
{
	(void)opaque, (void)gpa, (void)host, (void)n;
}

static int soft_map_ring(void *opaque, uint64_t gpa, uint32_t pages, void **base)
{
	struct soft *s = opaque;
	const size_t whole = (size_t)pages * VMBUS_PAGE_BYTES, data = whole - VMBUS_PAGE_BYTES;
	uint8_t *p = mmap(NULL, whole + data, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED ||
	    mmap(p, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->ram.fd, (off_t)gpa) == MAP_FAILED ||
	    mmap(p + whole, data, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->ram.fd,
		 (off_t)gpa + VMBUS_PAGE_BYTES) == MAP_FAILED)
		return -ENOMEM;
	*base = p;
	return 0;
}

static void soft_unmap_ring(void *opaque, void *base, uint32_t pages)
{
	(void)opaque;
	munmap(base, (2 * (size_t)pages - 1) * VMBUS_PAGE_BYTES);
}

static void soft_write(struct soft *s, uint64_t offset, unsigned size, uint64_t value)
{
	if (!s->vfuc)
		return;		/* the machine is dead, its driver does not know yet */
	CU_ASSERT_EQUAL(vfuc_bar_write(s->vfuc, HVNET_BRIDGE_BAR_REGS, offset, size, value), 0);
}

static uint64_t soft_read(struct soft *s, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	CU_ASSERT_EQUAL(vfuc_bar_read(s->vfuc, HVNET_BRIDGE_BAR_REGS, offset, size, &value), 0);
	return value;
}

static void soft_write_vp(void *opaque, uint32_t vp, uint32_t reg, uint64_t value)
{
	const bool wide = reg == HVNET_BRIDGE_VP_SIMP || reg == HVNET_BRIDGE_VP_SIEFP;

	soft_write(opaque, HVNET_BRIDGE_VP(vp) + reg, wide ? 8 : 4, value);
}

static uint16_t soft_post(void *opaque, uint64_t gpa)
{
	soft_write(opaque, HVNET_BRIDGE_VP(1) + HVNET_BRIDGE_VP_POST_MESSAGE, 8, gpa);
	return (uint16_t)soft_read(opaque, HVNET_BRIDGE_VP(1) + HVNET_BRIDGE_VP_POST_STATUS, 4);
}

static void soft_signal(void *opaque, uint32_t connection_id)
{
	soft_write(opaque, HVNET_BRIDGE_SIGNAL_EVENT, 4, connection_id);
}

static void on_connected(void *opaque, uint32_t version)
{
	struct soft *s = opaque;

	s->version = version;
	vmbus_client_request_offers(s->c);
}

static void on_offered(void *opaque, struct vmbus_client_channel *ch)
{
	struct soft *s = opaque;

	s->ch = ch;
	s->offered++;
}

static void on_opened(void *opaque, struct vmbus_client_channel *ch, uint32_t status)
{
	(void)ch;
	CU_ASSERT_EQUAL(status, 0);
	((struct soft *)opaque)->opened++;
}

static void on_unloaded(void *opaque)
{
	((struct soft *)opaque)->unloaded++;
}

static void on_event(void *opaque, struct vmbus_client_channel *ch)
{
	(void)ch;
	((struct soft *)opaque)->events++;
}

static const struct vmbus_client_ops soft_ops = {
	.alloc_pages = soft_alloc, .free_pages = soft_free, .map_ring = soft_map_ring, .unmap_ring = soft_unmap_ring,
	.write_vp = soft_write_vp, .post_message = soft_post, .signal_event = soft_signal, .connected = on_connected,
	.offered = on_offered, .opened = on_opened, .unloaded = on_unloaded, .event = on_event,
};

/* Takes interrupts until *what is value, for up to two seconds. */
static bool pump(struct soft *s, const int *what, int value)
{
	for (int i = 0; i < 400 && *what < value; i++)
		for (uint32_t vp = 0; vp < VPS; vp++)
			if (vfuc_fd_count(vfuc_msix_fd(s->vfuc, vp), 5))
				vmbus_client_interrupt(s->c, vp);
	return *what >= value;
}

static void soft_attach(struct soft *s, struct host *h)
{
	memset(s, 0, sizeof(*s));
	s->next_page = FIRST_PAGE;
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(RAM_BYTES, &s->ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(h->path, NULL, &s->vfuc), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_attach(s->vfuc, &s->ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_enable_device(s->vfuc), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_msix_enable(s->vfuc, VPS), 0);
}

static void soft_detach(struct soft *s)
{
	vmbus_client_destroy(s->c);
	vfuc_close(s->vfuc);
	vfuc_ram_destroy(&s->ram);
}

/* Boots, connects and opens the channel, interrupts on processor 1. */
static void soft_open(struct soft *s)
{
	static const uint32_t version = VMBUS_VERSION_5_3;

	soft_write(s, HVNET_BRIDGE_GUEST_OS_ID, 8, 1);
	CU_ASSERT_EQUAL_FATAL(vmbus_client_create(VPS, &soft_ops, s, &s->c), 0);
	vmbus_client_connect(s->c, &version, 1);
	CU_ASSERT_TRUE_FATAL(pump(s, &s->offered, 1));
	CU_ASSERT_EQUAL(s->version, version);
	CU_ASSERT_EQUAL_FATAL(vmbus_client_open(s->ch, 4, 4, 1), 0);
	CU_ASSERT_TRUE_FATAL(pump(s, &s->opened, 1));
}

/* A message there and back. */
static void soft_echo(struct soft *s, uint64_t id)
{
	_Alignas(8) uint8_t buf[256];
	struct vmbus_packet pkt;
	int events = s->events;

	CU_ASSERT_EQUAL(vmbus_ring_write(vmbus_client_out(s->ch), 6, true, id, "to the host and back", 20), 0);
	if (vmbus_ring_publish(vmbus_client_out(s->ch)))
		vmbus_client_signal(s->ch);
	CU_ASSERT_TRUE(pump(s, &s->events, events + 1));
	CU_ASSERT_EQUAL(vmbus_ring_next(vmbus_client_in(s->ch), buf, sizeof(buf), &pkt), 1);
	CU_ASSERT_EQUAL(pkt.transaction_id, id);
	CU_ASSERT_EQUAL(memcmp(pkt.payload, "to the host and back", 20), 0);
	CU_ASSERT_FALSE(vmbus_ring_release(vmbus_client_in(s->ch)));
}

/* ---- tests ---- */

/* The manual's table once more: what each register is after reset and what sticks of all ones. */
static const struct { uint64_t offset; unsigned size; uint64_t reset, ones; } manual[] = {
	{ 0x0000, 4, 0x424e5648, 0x424e5648 },
	{ 0x0004, 4, 0x00010000, 0x00010000 },
	{ 0x0008, 4, VPS, VPS },
	{ 0x0010, 8, 0, 0xffffffffffffffff },
	{ 0x0020, 4, 0, 0 },
	{ 0x1000, 4, 0, 1 },
	{ 0x1004, 4, 0x10000, 0xffffffff },
	{ 0x1008, 8, 0, 0xffffffffffffffff },
	{ 0x1010, 8, 0, 0xffffffffffffffff },
	{ 0x1018, 4, 0, 0 },
	{ 0x1020, 8, 0, 0 },
	{ 0x1028, 4, 0, 4 /* of the post that the row above made: unaligned */ },
	{ 0x1040, 4, 0, 1 },		/* processor 1 */
	{ 0x1044, 4, 0x10000, 0xffffffff },
	{ 0x1080, 4, 0, 0 },		/* there is no processor 2 */
	{ 0x000c, 4, 0, 0 },		/* holes */
	{ 0x0028, 4, 0, 0 },
	{ 0x1030, 8, 0, 0 },
	{ 0xfff8, 8, 0, 0 },
};

static void check_reset_values(struct soft *s)
{
	for (size_t i = 0; i < sizeof(manual) / sizeof(manual[0]); i++)
		CU_ASSERT_EQUAL(soft_read(s, manual[i].offset, manual[i].size), manual[i].reset);
}

static void registers_are_the_manuals(void)
{
	struct host h;
	struct soft s;
	uint32_t id;

	host_start(&h);
	soft_attach(&s, &h);
	CU_ASSERT_EQUAL(vfuc_config_read(s.vfuc, 0, 4, &id), 0);
	CU_ASSERT_EQUAL(id, 0x48561234);
	check_reset_values(&s);
	for (size_t i = 0; i < sizeof(manual) / sizeof(manual[0]); i++) {
		soft_write(&s, manual[i].offset, manual[i].size, UINT64_MAX >> (64 - 8 * manual[i].size));
		uint64_t value = soft_read(&s, manual[i].offset, manual[i].size);
		if (value != manual[i].ones)
			printf("register 0x%llx: 0x%llx\n", (unsigned long long)manual[i].offset, (unsigned long long)value);
		CU_ASSERT_EQUAL(value, manual[i].ones);
	}
	soft_write(&s, 0x0018, 4, 0);		/* RESET */
	check_reset_values(&s);
	soft_write(&s, 0x0010, 8, 7);
	CU_ASSERT_EQUAL(vfuc_reset(s.vfuc), 0);
	check_reset_values(&s);
	soft_detach(&s);
	host_end(&h);
}

/* A 32-bit guest writes halves, a careless one bytes. */
static void registers_take_parts(void)
{
	struct host h;
	struct soft s;

	host_start(&h);
	soft_attach(&s, &h);
	soft_write(&s, 0x100c, 4, 0x11223344);
	soft_write(&s, 0x1008, 4, 0x55667788);
	CU_ASSERT_EQUAL(soft_read(&s, 0x1008, 8), 0x1122334455667788);
	soft_write(&s, 0x100a, 2, 0xabcd);
	soft_write(&s, 0x100f, 1, 0xee);
	CU_ASSERT_EQUAL(soft_read(&s, 0x1008, 8), 0xee223344abcd7788);
	CU_ASSERT_EQUAL(soft_read(&s, 0x100c, 4), 0xee223344);
	CU_ASSERT_EQUAL(soft_read(&s, 0x100b, 1), 0xab);
	/* POST_MESSAGE works at the high half: an unaligned address, then one beyond memory */
	soft_write(&s, 0x10, 8, 1);
	soft_write(&s, 0x1020, 4, 0x1004);
	CU_ASSERT_EQUAL(soft_read(&s, 0x1028, 4), 0);
	soft_write(&s, 0x1024, 4, 0);
	CU_ASSERT_EQUAL(soft_read(&s, 0x1028, 4), VMBUS_HV_INVALID_ALIGNMENT);
	soft_write(&s, 0x1020, 4, 0x1000);
	soft_write(&s, 0x1024, 4, 0x1000);
	CU_ASSERT_EQUAL(soft_read(&s, 0x1028, 4), VMBUS_HV_INVALID_PARAMETER);
	soft_detach(&s);
	host_end(&h);
}

static void guest_opens_talks_and_unloads(void)
{
	struct host h;
	struct soft s;

	host_start(&h);
	for (int client = 0; client < 2; client++) {	/* the bridge serves the next client as it did the first */
		soft_attach(&s, &h);
		soft_open(&s);
		CU_ASSERT_TRUE(h.open);
		for (unsigned i = 0; i < 100; i++)
			soft_echo(&s, i);
		vmbus_client_unload(s.c);
		CU_ASSERT_TRUE(pump(&s, &s.unloaded, 1));
		CU_ASSERT_FALSE(h.open);
		soft_detach(&s);
	}
	host_end(&h);
}

static void memory_goes_and_comes_under_an_open_channel(void)
{
	struct host h;
	struct soft s;

	host_start(&h);
	soft_attach(&s, &h);
	soft_open(&s);
	soft_echo(&s, 1);
	CU_ASSERT_EQUAL(vfuc_boot_churn(s.vfuc, &s.ram), 0);
	soft_echo(&s, 2);
	/* bus mastering off and on: everything goes and comes */
	uint32_t command = 0;
	CU_ASSERT_EQUAL(vfuc_config_read(s.vfuc, 4, 2, &command), 0);
	int pauses = h.pauses;
	CU_ASSERT_EQUAL(vfuc_config_write(s.vfuc, 4, 2, command & ~4u), 0);
	CU_ASSERT_TRUE(h.paused);
	CU_ASSERT_EQUAL(h.pauses, pauses + 1);
	CU_ASSERT_EQUAL(vmbus_ring_write(vmbus_client_out(s.ch), 6, true, 3, "while nobody looks", 18), 0);
	CU_ASSERT_TRUE(vmbus_ring_publish(vmbus_client_out(s.ch)));
	int doorbells = h.doorbells, events = s.events;
	vmbus_client_signal(s.ch);
	CU_ASSERT_EQUAL(soft_read(&s, HVNET_BRIDGE_VPS, 4), VPS);	/* behind the doorbell */
	CU_ASSERT_EQUAL(h.doorbells, doorbells);
	CU_ASSERT_EQUAL(vfuc_config_write(s.vfuc, 4, 2, command), 0);
	CU_ASSERT_FALSE(h.paused);
	CU_ASSERT_TRUE(pump(&s, &s.events, events + 1));
	_Alignas(8) uint8_t buf[256];
	struct vmbus_packet pkt;
	CU_ASSERT_EQUAL(vmbus_ring_next(vmbus_client_in(s.ch), buf, sizeof(buf), &pkt), 1);
	CU_ASSERT_EQUAL(pkt.transaction_id, 3);
	CU_ASSERT_FALSE(vmbus_ring_release(vmbus_client_in(s.ch)));
	soft_echo(&s, 4);
	soft_detach(&s);
	host_end(&h);
}

static void reset_and_death_close_everything(void)
{
	struct host h;
	struct soft s;

	host_start(&h);
	soft_attach(&s, &h);
	soft_open(&s);
	soft_echo(&s, 1);
	CU_ASSERT_EQUAL(vfuc_reset(s.vfuc), 0);
	CU_ASSERT_TRUE(wait_for(&h.open, 0));
	vmbus_client_destroy(s.c);
	/* the next boot of the same machine */
	s.offered = s.opened = 0;
	CU_ASSERT_EQUAL(vfuc_enable_device(s.vfuc), 0);
	CU_ASSERT_EQUAL(vfuc_msix_enable(s.vfuc, VPS), 0);
	soft_open(&s);
	soft_echo(&s, 2);
	vfuc_close(s.vfuc);			/* killed */
	CU_ASSERT_TRUE(wait_for(&h.open, 0));
	s.vfuc = NULL;
	vmbus_client_destroy(s.c);
	vfuc_ram_destroy(&s.ram);
	host_end(&h);
}

/* QEMU started without memory-backend-memfd: refused, and said (once) instead of hanging. */
static void unshared_memory_is_refused(void)
{
	struct host h;
	struct soft s;

	host_start(&h);
	memset(&s, 0, sizeof(s));
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(h.path, NULL, &s.vfuc), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_attach(s.vfuc, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_map(s.vfuc, 0, 16 << 20, VFU_MAP_READ | VFU_MAP_WRITE, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_enable_device(s.vfuc), 0);
	soft_write(&s, HVNET_BRIDGE_GUEST_OS_ID, 8, 1);
	hv_log_set_level(HV_LOG_ERROR - 1);	/* the line itself is for people */
	CU_ASSERT_EQUAL(soft_post(&s, 0x1000), VMBUS_HV_INVALID_PARAMETER);
	CU_ASSERT_EQUAL(soft_post(&s, 0x1000), VMBUS_HV_INVALID_PARAMETER);
	vfuc_close(s.vfuc);
	host_end(&h);
}

static void creation_checks_its_processors(void)
{
	struct vmbus_bridge *b = NULL;
	struct hv_loop *loop;

	CU_ASSERT_EQUAL_FATAL(hv_loop_create(&loop), 0);
	CU_ASSERT_EQUAL(vmbus_bridge_create(loop, "vm", "/nowhere/socket", 0600, 0, &b), -EINVAL);
	CU_ASSERT_EQUAL(vmbus_bridge_create(loop, "vm", "/nowhere/socket", 0600, HVNET_BRIDGE_MAX_VPS + 1, &b), -EINVAL);
	CU_ASSERT_NOT_EQUAL(vmbus_bridge_create(loop, "vm", "/nowhere/socket", 0600, HVNET_BRIDGE_MAX_VPS, &b), 0);
	CU_ASSERT_PTR_NULL(b);
	vmbus_bridge_destroy(NULL);
	hv_loop_destroy(loop);
}

static const struct hv_test tests[] = {
	{ "registers are the manual's", registers_are_the_manuals },
	{ "registers take parts", registers_take_parts },
	{ "guest opens, talks and unloads", guest_opens_talks_and_unloads },
	{ "memory goes and comes under an open channel", memory_goes_and_comes_under_an_open_channel },
	{ "reset and death close everything", reset_and_death_close_everything },
	{ "unshared memory is refused", unshared_memory_is_refused },
	{ "creation checks its processors", creation_checks_its_processors },
};

HV_TEST_MAIN("vmbus/bridge", tests)
