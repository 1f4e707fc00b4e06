/* SPDX-License-Identifier: MIT */
/*
 * The machine: guest RAM with a page allocator, the bridge function through the vfio-user client,
 * the VMBus connection. Whatever the transport reports first (a server that is gone or does not
 * answer) is kept in error and ends every waiting call.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/loop.h"
#include "softguest/internal.h"
#include "vmbus/bridge_wire.h"

/* An id as Linux reports it: open source, Linux, version 6.1. */
static const uint64_t guest_os_id = 1ull << 63 | 1ull << 56 | 0x60100ull << 16;

/* ---- guest RAM ---- */

static bool run_is_free(const struct softguest *g, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (g->used[at + i])
			return false;
	return true;
}

int sg_pages_alloc(struct softguest *g, size_t n, struct pages *out)
{
	size_t at = g->next_page;

	/* Next fit, once round. */
	for (size_t tries = 0; tries <= g->npages; tries++, at++) {
		if (at + n > g->npages)
			at = FIRST_FREE_PAGE;
		if (n > g->npages - FIRST_FREE_PAGE || !run_is_free(g, at, n))
			continue;
		memset(g->used + at, 1, n);
		g->next_page = at + n;
		*out = (struct pages){ at * PAGE_BYTES, g->ram.base + at * PAGE_BYTES, n };
		memset(out->host, 0, n * PAGE_BYTES);
		return 0;
	}
	return -ENOMEM;
}

void sg_pages_free(struct softguest *g, struct pages *p)
{
	if (p->n)
		memset(g->used + p->gpa / PAGE_BYTES, 0, p->n);
	*p = (struct pages){ 0 };
}

static int alloc_pages(void *opaque, size_t n, uint64_t *gpa, void **host)
{
	struct pages p;
	int ret = sg_pages_alloc(opaque, n, &p);

	if (ret)
		return ret;
	*gpa = p.gpa;
	*host = p.host;
	return 0;
}

static void free_pages(void *opaque, uint64_t gpa, void *host, size_t n)
{
	struct pages p = { gpa, host, n };

	sg_pages_free(opaque, &p);
}

static size_t ring_span(uint32_t pages)
{
	return (1 + 2 * ((size_t)pages - 1)) * PAGE_BYTES;
}

static int map_ring(void *opaque, uint64_t gpa, uint32_t pages, void **base)
{
	struct softguest *g = opaque;
	const size_t data = ((size_t)pages - 1) * PAGE_BYTES;
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
	uint8_t *at = mmap(NULL, ring_span(pages), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -ENOMEM;
	if (mmap(at, PAGE_BYTES + data, prot, flags, g->ram.fd, (off_t)gpa) == MAP_FAILED ||
	    mmap(at + PAGE_BYTES + data, data, prot, flags, g->ram.fd, (off_t)(gpa + PAGE_BYTES)) == MAP_FAILED) {
		munmap(at, ring_span(pages));
		return -ENOMEM;
	}
	*base = at;
	return 0;
}

static void unmap_ring(void *opaque, void *base, uint32_t pages)
{
	(void)opaque;
	munmap(base, ring_span(pages));
}

/* ---- registers and hypercalls ---- */

static int note(struct softguest *g, int ret)
{
	if (ret && !g->error)
		g->error = ret;
	return ret;
}

static void write_vp(void *opaque, uint32_t vp, uint32_t reg, uint64_t value)
{
	struct softguest *g = opaque;
	const unsigned size = reg == HVNET_BRIDGE_VP_SIMP || reg == HVNET_BRIDGE_VP_SIEFP ? 8 : 4;

	if (g->vfuc)	/* else it is being taken apart */
		note(g, vfuc_bar_write(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_VP(vp) + reg, size, value));
}

static uint16_t post_message(void *opaque, uint64_t gpa)
{
	struct softguest *g = opaque;
	uint64_t status = 0;

	if (!note(g, vfuc_bar_write(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_VP(0) + HVNET_BRIDGE_VP_POST_MESSAGE, 8,
				    gpa)))
		note(g, vfuc_bar_read(g->vfuc, HVNET_BRIDGE_BAR_REGS,
				      HVNET_BRIDGE_VP(0) + HVNET_BRIDGE_VP_POST_STATUS, 4, &status));
	return (uint16_t)status;
}

static void signal_event(void *opaque, uint32_t connection_id)
{
	struct softguest *g = opaque;

	note(g, vfuc_bar_write(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_SIGNAL_EVENT, 4, connection_id));
}

/* ---- what the bus says ---- */

static void connected(void *opaque, uint32_t version)
{
	struct softguest *g = opaque;

	g->answered = true;
	if (!version)
		note(g, -EPROTONOSUPPORT);
}

static void offered(void *opaque, struct vmbus_client_channel *ch)
{
	static const uint8_t nic_type[16] = NVSP_INTERFACE_TYPE;
	struct softguest *g = opaque;
	struct softguest_nic *nic;

	/* Others, and sub-channels, which nobody asked for, stay closed. */
	if (memcmp(vmbus_client_channel_type(ch), nic_type, sizeof(nic_type)) || vmbus_client_channel_index(ch) ||
	    g->nnics == SOFTGUEST_NICS)
		return;
	nic = sg_nic_create(g, ch);
	if (!nic) {
		note(g, -ENOMEM);
		return;
	}
	vmbus_client_channel_set_user(ch, nic);
	g->nics[g->nnics++] = nic;
}

static void offers_delivered(void *opaque)
{
	struct softguest *g = opaque;

	g->delivered = true;
}

static void rescinded(void *opaque, struct vmbus_client_channel *ch)
{
	struct softguest_nic *nic = vmbus_client_channel_user(ch);

	(void)opaque;
	if (!nic) {
		vmbus_client_release(ch);
		return;
	}
	nic->rescinded = true;
	nic->error = -ENODEV;
	sg_data_stop(nic);
	netvsc_abort(&nic->core);
}

static void opened(void *opaque, struct vmbus_client_channel *ch, uint32_t status)
{
	struct softguest_nic *nic = vmbus_client_channel_user(ch);

	(void)opaque;
	if (nic)
		sg_nic_opened(nic, status);
}

static void closed(void *opaque, struct vmbus_client_channel *ch)
{
	struct softguest_nic *nic = vmbus_client_channel_user(ch);

	(void)opaque;
	if (nic)
		sg_nic_closed(nic);
}

static void gpadl_created(void *opaque, struct vmbus_client_channel *ch, uint32_t handle, uint32_t status)
{
	struct softguest_nic *nic = vmbus_client_channel_user(ch);

	(void)opaque;
	if (nic)
		sg_nic_gpadl_created(nic, handle, status);
}

static void gpadl_torndown(void *opaque, struct vmbus_client_channel *ch, uint32_t handle)
{
	struct softguest_nic *nic = vmbus_client_channel_user(ch);

	(void)opaque;
	if (nic)
		sg_nic_gpadl_torndown(nic, handle);
}

static void unloaded(void *opaque)
{
	struct softguest *g = opaque;

	g->unloaded = true;
}

static const struct vmbus_client_ops client_ops = {
	.alloc_pages = alloc_pages,
	.free_pages = free_pages,
	.map_ring = map_ring,
	.unmap_ring = unmap_ring,
	.write_vp = write_vp,
	.post_message = post_message,
	.signal_event = signal_event,
	.connected = connected,
	.offered = offered,
	.offers_delivered = offers_delivered,
	.rescinded = rescinded,
	.opened = opened,
	.closed = closed,
	.gpadl_created = gpadl_created,
	.gpadl_torndown = gpadl_torndown,
	.unloaded = unloaded,
};

/* ---- running ---- */

static void take_interrupts(struct softguest *g)
{
	for (uint32_t vp = 0; vp < g->vps; vp++)
		vmbus_client_interrupt(g->bus, vp);
}

bool softguest_poll(struct softguest *g)
{
	bool work = false;

	/*
	 * Messages are rare: their page need not be looked at each time. After a sleep it is
	 * (softguest_wait()).
	 */
	if (!(g->round++ & 63))
		take_interrupts(g);
	for (unsigned i = 0; i < g->nnics; i++)
		work |= sg_data_poll(g->nics[i]);
	return work;
}

void softguest_wait(struct softguest *g, int timeout_ms)
{
	struct pollfd fds[MAX_VPS];
	bool sleep = true;
	uint64_t n;

	for (unsigned i = 0; i < g->nnics; i++)
		sleep &= sg_data_may_sleep(g->nics[i]);
	for (uint32_t vp = 0; vp < g->vps; vp++)
		fds[vp] = (struct pollfd){ .fd = vfuc_msix_fd(g->vfuc, vp), .events = POLLIN };
	if (poll(fds, g->vps, sleep ? timeout_ms : 0) > 0) {
		g->interrupts++;
		for (uint32_t vp = 0; vp < g->vps; vp++)
			if (fds[vp].revents && read(fds[vp].fd, &n, sizeof(n)) != sizeof(n))
				note(g, -EPIPE);
	}
	for (unsigned i = 0; i < g->nnics; i++)
		sg_data_awake(g->nics[i]);
	take_interrupts(g);
}

int softguest_run_until(struct softguest *g, bool (*done)(void *cookie), void *cookie, unsigned timeout_ms)
{
	uint64_t deadline = hv_now_ns() + (uint64_t)timeout_ms * 1000000;

	while (!done(cookie)) {
		if (g->error)
			return g->error;
		if (hv_now_ns() > deadline)
			return -ETIMEDOUT;
		/* In short turns: the end of the connection rings nothing. */
		if (!softguest_poll(g) && !done(cookie))
			softguest_wait(g, 20);
	}
	return 0;
}

/* ---- connection ---- */

static bool is_answered(void *cookie)
{
	return ((struct softguest *)cookie)->answered;
}

static bool is_delivered(void *cookie)
{
	return ((struct softguest *)cookie)->delivered;
}

static bool is_unloaded(void *cookie)
{
	return ((struct softguest *)cookie)->unloaded;
}

/*
 * The connection that the NICs belonged to is over: their memory is ours once the host has answered
 * the next one.
 */
static void forget_nics(struct softguest *g)
{
	while (g->nnics)
		sg_nic_destroy(g->nics[--g->nnics]);
}

static void detach_nics(struct softguest *g)
{
	for (unsigned i = 0; i < g->nnics; i++) {
		sg_data_stop(g->nics[i]);
		g->nics[i]->ch = NULL;
	}
}

static int connect_bus(struct softguest *g)
{
	struct softguest_nic *old[SOFTGUEST_NICS];
	unsigned nold = g->nnics;
	int ret;

	/*
	 * Pages of the old connection stay allocated until the answer: the host may write to them
	 * until then.
	 */
	memcpy(old, g->nics, sizeof(old));
	detach_nics(g);
	g->nnics = 0;
	g->answered = g->delivered = false;
	vmbus_client_connect(g->bus, g->vmbus_version ? &g->vmbus_version : NULL, g->vmbus_version ? 1 : 0);
	ret = softguest_run_until(g, is_answered, g, g->timeout_ms);
	while (nold)
		sg_nic_destroy(old[--nold]);
	if (ret || g->error)
		return ret ? ret : g->error;
	vmbus_client_request_offers(g->bus);
	return softguest_run_until(g, is_delivered, g, g->timeout_ms);
}

int softguest_reconnect(struct softguest *g)
{
	return connect_bus(g);
}

int softguest_unload(struct softguest *g)
{
	int ret;

	detach_nics(g);
	g->unloaded = false;
	vmbus_client_unload(g->bus);
	ret = softguest_run_until(g, is_unloaded, g, g->timeout_ms);
	forget_nics(g);
	return ret;
}

/* From the function's reset state to a bus with offers. */
static int start(struct softguest *g)
{
	uint64_t signature = 0, version = 0;
	int ret = vfuc_enable_device(g->vfuc);

	if (!ret)
		ret = vfuc_bar_read(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_SIGNATURE, 4, &signature);
	if (!ret)
		ret = vfuc_bar_read(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_VERSION, 4, &version);
	if (!ret && (signature != HVNET_BRIDGE_SIGNATURE_VALUE ||
		     version >> 16 != HVNET_BRIDGE_VERSION_VALUE >> 16))
		ret = -EPROTO;
	if (!ret)
		ret = vfuc_msix_enable(g->vfuc, g->vps);
	if (!ret)
		ret = vfuc_bar_write(g->vfuc, HVNET_BRIDGE_BAR_REGS, HVNET_BRIDGE_GUEST_OS_ID, 8, guest_os_id);
	if (!ret)
		ret = vmbus_client_create(g->vps, &client_ops, g, &g->bus);
	return ret ? ret : connect_bus(g);
}

int softguest_reset(struct softguest *g)
{
	int ret;

	detach_nics(g);
	ret = vfuc_msix_disable(g->vfuc);
	if (!ret)
		ret = vfuc_reset(g->vfuc);
	forget_nics(g);
	vmbus_client_destroy(g->bus);
	g->bus = NULL;
	return ret ? ret : start(g);
}

/* Who starts again at once may be faster than the host, which still takes the one before for alive. */
static int connect_socket(struct softguest *g, const char *socket_path)
{
	int ret;

	for (unsigned tries = 0; (ret = vfuc_connect(socket_path, NULL, &g->vfuc)) == -EBUSY && tries < 100; tries++)
		usleep(10000);
	return ret;
}

static int attach(struct softguest *g, const char *socket_path, uint64_t ram_bytes)
{
	int ret = vfuc_ram_create(ram_bytes, &g->ram);

	if (!ret)
		ret = connect_socket(g, socket_path);
	if (!ret)
		ret = vfuc_attach(g->vfuc, &g->ram);
	if (!ret)
		ret = vfuc_boot_churn(g->vfuc, &g->ram);
	return ret ? ret : start(g);
}

int softguest_create(const char *socket_path, const struct softguest_opts *opts, struct softguest **out)
{
	static const struct softguest_opts defaults;
	struct softguest *g = calloc(1, sizeof(*g));
	uint64_t ram_bytes;
	int ret;

	if (!g)
		return -ENOMEM;
	g->ram.fd = -1;
	opts = opts ? opts : &defaults;
	g->vps = opts->vps ? opts->vps : 1;
	g->timeout_ms = opts->timeout_ms ? opts->timeout_ms : 5000;
	g->vmbus_version = opts->vmbus_version;
	ram_bytes = opts->ram_bytes ? opts->ram_bytes : 256 << 20;
	g->npages = ram_bytes / PAGE_BYTES;
	g->next_page = FIRST_FREE_PAGE;
	g->used = calloc(1, g->npages);
	ret = g->vps > MAX_VPS || g->npages <= FIRST_FREE_PAGE ? -EINVAL : g->used ? 0 : -ENOMEM;
	if (!ret)
		ret = attach(g, socket_path, ram_bytes);
	if (ret)
		softguest_destroy(g);
	else
		*out = g;
	return ret;
}

void softguest_destroy(struct softguest *g)
{
	if (!g)
		return;
	detach_nics(g);
	/* First the transport: from then on the host cannot reach what is freed. */
	vfuc_close(g->vfuc);
	g->vfuc = NULL;
	forget_nics(g);
	vmbus_client_destroy(g->bus);
	free(g->used);
	vfuc_ram_destroy(&g->ram);
	free(g);
}

uint32_t softguest_vmbus_version(const struct softguest *g)
{
	return vmbus_client_version(g->bus);
}

struct wait_nics { struct softguest *g; unsigned n; };

static bool has_nics(void *cookie)
{
	struct wait_nics *w = cookie;

	return w->g->nnics >= w->n;
}

int softguest_wait_nics(struct softguest *g, unsigned n)
{
	struct wait_nics w = { g, n };

	return softguest_run_until(g, has_nics, &w, g->timeout_ms);
}

struct softguest_nic *softguest_nic(struct softguest *g, unsigned n)
{
	return n < g->nnics ? g->nics[n] : NULL;
}
