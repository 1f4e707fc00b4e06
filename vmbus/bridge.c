/* SPDX-License-Identifier: MIT */
/*
 * The VMBus bridge: a PCI function over vfio-user that stands in for the hypervisor's SynIC and hypercalls, and a bus
 * behind it. docs/bridge.md is the registers' manual; here they are one table, from which reset, reads, writes and
 * the partial accesses of 32-bit guests follow.
 *
 * Everything happens in the callbacks of the function, on its loop's thread. Nothing here waits: QEMU holds its big
 * lock while it waits for the answer of a read.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vfio-user/vfio_user.h"
#include "vmbus/bridge_wire.h"
#include "vmbus/vmbus.h"
#include "vmbus/vmbus_wire.h"

enum {
	VP_BASE = HVNET_BRIDGE_VP(0),
	VP_BYTES = HVNET_BRIDGE_VP(1) - HVNET_BRIDGE_VP(0),
	GLOBAL_REGS = 6,
	VP_REGS = 7,
	PLAIN_RANGES = 64,		/* maps without a descriptor that are remembered for an error message */
};

struct plain_range {
	uint64_t address, size_bytes;
};

struct vmbus_bridge {
	struct vfu_dev *function;	/* owned */
	struct vmbus *bus;		/* owned */
	uint32_t vps;
	bool dead;			/* its memory was cut short: silent until reset */
	uint64_t global[GLOBAL_REGS];	/* values, in the order of the table */
	uint64_t (*vp)[VP_REGS];	/* owned */
	struct plain_range plain[PLAIN_RANGES];
	unsigned plains;
	bool plain_said;
	struct hv_log_limit log_limit;
};

/* ---- registers ---- */

struct reg {
	uint16_t offset;
	uint8_t bytes;
	const char *name;
	uint64_t readable, writable;	/* bits that a read shows, and that a write changes */
	uint64_t reset;
	/* After a write; value is the register's new one. last: the write reached its last byte. */
	void (*written)(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last);
};

#define ALL32 0xffffffffull
#define ALL64 0xffffffffffffffffull

static void reset_all(struct vmbus_bridge *b);

static void guest_os_id_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)vp, (void)last;
	vmbus_set_guest_os_id(b->bus, value);
}

static void reset_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)vp, (void)value, (void)last;
	reset_all(b);
}

static void signal_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)vp, (void)last;
	vmbus_signal_event(b->bus, (uint32_t)value, 0);		/* the status has nowhere to go: it is counted */
}

static void scontrol_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)last;
	vmbus_synic_set_scontrol(b->bus, vp, value);
}

static void sint2_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)last;
	vmbus_synic_set_sint2(b->bus, vp, value);
}

static void simp_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)last;
	vmbus_synic_set_simp(b->bus, vp, value);
}

static void siefp_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)last;
	vmbus_synic_set_siefp(b->bus, vp, value);
}

static void eom_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	(void)value, (void)last;
	vmbus_synic_eom(b->bus, vp);
}

static void post_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last);

static const struct reg global_regs[] = {
	/* offset                   bytes name           readable writable reset                       written */
	{ HVNET_BRIDGE_SIGNATURE,    4, "SIGNATURE",     ALL32,   0,       HVNET_BRIDGE_SIGNATURE_VALUE, NULL },
	{ HVNET_BRIDGE_VERSION,      4, "VERSION",       ALL32,   0,       HVNET_BRIDGE_VERSION_VALUE,   NULL },
	{ HVNET_BRIDGE_VPS,          4, "VPS",           ALL32,   0,       0 /* the bridge's own */,     NULL },
	{ HVNET_BRIDGE_GUEST_OS_ID,  8, "GUEST_OS_ID",   ALL64,   ALL64,   0,                            guest_os_id_written },
	{ HVNET_BRIDGE_RESET,        4, "RESET",         0,       0,       0,                            reset_written },
	{ HVNET_BRIDGE_SIGNAL_EVENT, 4, "SIGNAL_EVENT",  0,       ALL32,   0,                            signal_written },
};
static_assert(sizeof(global_regs) / sizeof(global_regs[0]) == GLOBAL_REGS, "a value for each");
enum { GLOBAL_VPS = 2 };		/* places in the table that the code names */

static const struct reg vp_regs[] = {
	{ HVNET_BRIDGE_VP_SCONTROL,     4, "SCONTROL",     ALL32, 1,       0,                          scontrol_written },
	{ HVNET_BRIDGE_VP_SINT2,        4, "SINT2",        ALL32, ALL32,   HVNET_BRIDGE_SINT_MASKED,   sint2_written },
	{ HVNET_BRIDGE_VP_SIMP,         8, "SIMP",         ALL64, ALL64,   0,                          simp_written },
	{ HVNET_BRIDGE_VP_SIEFP,        8, "SIEFP",        ALL64, ALL64,   0,                          siefp_written },
	{ HVNET_BRIDGE_VP_EOM,          4, "EOM",          0,     0,       0,                          eom_written },
	{ HVNET_BRIDGE_VP_POST_MESSAGE, 8, "POST_MESSAGE", 0,     ALL64,   0,                          post_written },
	{ HVNET_BRIDGE_VP_POST_STATUS,  4, "POST_STATUS",  ALL32, 0,       0,                          NULL },
};
static_assert(sizeof(vp_regs) / sizeof(vp_regs[0]) == VP_REGS, "a value for each");
enum { VP_POST_STATUS = 6 };

/* Works at the last byte, so that a 32-bit guest may write low half, then high half. */
static void post_written(struct vmbus_bridge *b, uint32_t vp, uint64_t value, bool last)
{
	if (last)
		b->vp[vp][VP_POST_STATUS] = vmbus_post_message(b->bus, value);
}

static void registers_reset(struct vmbus_bridge *b)
{
	for (unsigned i = 0; i < GLOBAL_REGS; i++)
		b->global[i] = global_regs[i].reset;
	b->global[GLOBAL_VPS] = b->vps;
	for (uint32_t vp = 0; vp < b->vps; vp++)
		for (unsigned i = 0; i < VP_REGS; i++)
			b->vp[vp][i] = vp_regs[i].reset;
}

static void reset_all(struct vmbus_bridge *b)
{
	registers_reset(b);
	vmbus_reset(b->bus);
}

/*
 * The register that holds [offset, offset + size) of BAR 0, its value, its processor, and the first bit of the
 * access in it; NULL if there is none.
 */
static const struct reg *find_register(struct vmbus_bridge *b, uint64_t offset, unsigned size, uint64_t **value,
				       uint32_t *vp, unsigned *shift)
{
	const struct reg *regs = global_regs;
	uint64_t *values = b->global;
	unsigned n = GLOBAL_REGS;

	*vp = 0;
	if (offset >= VP_BASE) {
		*vp = (uint32_t)((offset - VP_BASE) / VP_BYTES);
		offset = (offset - VP_BASE) % VP_BYTES;
		if (*vp >= b->vps)
			return NULL;
		regs = vp_regs;
		values = b->vp[*vp];
		n = VP_REGS;
	}
	for (unsigned i = 0; i < n; i++)
		if (offset >= regs[i].offset && offset + size <= (uint64_t)regs[i].offset + regs[i].bytes) {
			*value = &values[i];
			*shift = (unsigned)(offset - regs[i].offset) * 8;
			return &regs[i];
		}
	return NULL;
}

static uint64_t bytes_mask(unsigned size)
{
	return size >= 8 ? ALL64 : (1ull << size * 8) - 1;
}

static void bridge_read(void *opaque, unsigned bar, uint64_t offset, unsigned size, uint64_t *value)
{
	struct vmbus_bridge *b = opaque;
	const struct reg *r;
	uint64_t *stored;
	unsigned shift;
	uint32_t vp;

	*value = 0;
	if (bar != HVNET_BRIDGE_BAR_REGS)
		return;
	r = find_register(b, offset, size, &stored, &vp, &shift);
	if (r)
		*value = (*stored & r->readable) >> shift & bytes_mask(size);
	else
		hv_log_limited(&b->log_limit, HV_LOG_NOTICE, "%s: read of %u bytes at 0x%llx, where no register is",
			       vfu_dev_name(b->function), size, (unsigned long long)offset);
}

static void bridge_write(void *opaque, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmbus_bridge *b = opaque;
	uint64_t *stored, mask;
	const struct reg *r;
	unsigned shift;
	uint32_t vp;

	if (b->dead || bar != HVNET_BRIDGE_BAR_REGS)
		return;
	if (offset == HVNET_BRIDGE_SIGNAL_EVENT && size == 4) {		/* the only one on a data path */
		vmbus_signal_event(b->bus, (uint32_t)value, 0);
		return;
	}
	r = find_register(b, offset, size, &stored, &vp, &shift);
	if (!r) {
		hv_log_limited(&b->log_limit, HV_LOG_NOTICE, "%s: write of %u bytes at 0x%llx, where no register is",
			       vfu_dev_name(b->function), size, (unsigned long long)offset);
		return;
	}
	mask = bytes_mask(size) << shift & r->writable;
	*stored = (*stored & ~mask) | (value << shift & mask);
	if (r->written)
		r->written(b, vp, *stored, shift / 8 + size == r->bytes);
}

/* ---- the bus's platform ---- */

/* A guest whose RAM cannot be shared is the commonest mistake of whoever starts it: say so, once. */
static void say_if_plain(struct vmbus_bridge *b, uint64_t gpa)
{
	for (unsigned i = 0; i < b->plains && !b->plain_said; i++)
		if (gpa - b->plain[i].address < b->plain[i].size_bytes) {
			b->plain_said = true;
			hv_log(HV_LOG_ERROR, "%s: guest memory at 0x%llx is not shared with us: start QEMU with -object "
			       "memory-backend-memfd,id=ram,size=…,share=on -machine memory-backend=ram",
			       vfu_dev_name(b->function), (unsigned long long)gpa);
		}
}

static void *bridge_gpa(void *opaque, uint64_t gpa, uint64_t size_bytes, bool write)
{
	struct vmbus_bridge *b = opaque;
	void *p = b->dead ? NULL : vfu_dma_ptr(b->function, gpa, size_bytes, write);

	if (!p)
		say_if_plain(b, gpa);
	return p;
}

static int bridge_map_pages(void *opaque, const uint64_t *pfns, size_t n, void **out)
{
	struct vmbus_bridge *b = opaque;
	int ret = b->dead ? -EFAULT : vfu_dma_map_pages(b->function, pfns, n, 1, out);

	if (ret)
		say_if_plain(b, pfns[0] * VMBUS_PAGE_BYTES);
	return ret;
}

static void bridge_unmap_pages(void *opaque, void *base, size_t n)
{
	struct vmbus_bridge *b = opaque;

	vfu_dma_unmap_pages(b->function, base, n, 1);
}

static void bridge_interrupt(void *opaque, uint32_t vp)
{
	struct vmbus_bridge *b = opaque;

	/* -ENOENT: the guest has not enabled the vector, though it is to do that before its SynIC. */
	(void)vfu_irq_raise(b->function, vp);
}

static const struct vmbus_platform_ops platform = {
	bridge_gpa, bridge_map_pages, bridge_unmap_pages, bridge_interrupt,
};

/* ---- the function's callbacks ---- */

static void bridge_reset(void *opaque, enum vfu_reset_reason reason)
{
	struct vmbus_bridge *b = opaque;

	(void)reason;
	b->dead = false;
	reset_all(b);
}

static void bridge_dma_map(void *opaque, const struct vfu_dma_range *range)
{
	struct vmbus_bridge *b = opaque;

	if (range->host)
		vmbus_memory_came(b->bus, range->address, range->size_bytes);
	else if (b->plains < PLAIN_RANGES)
		b->plain[b->plains++] = (struct plain_range){ range->address, range->size_bytes };
}

static void bridge_dma_unmap(void *opaque, const struct vfu_dma_range *range)
{
	struct vmbus_bridge *b = opaque;

	for (unsigned i = 0; i < b->plains; i++)
		if (b->plain[i].address == range->address) {
			b->plain[i] = b->plain[--b->plains];
			break;
		}
	vmbus_memory_gone(b->bus, range->address, range->size_bytes);
}

/* Without bus mastering no memory is ours, which is what a guest switches off before it changes something. */
static void bridge_command_changed(void *opaque, bool bus_master, bool memory)
{
	struct vmbus_bridge *b = opaque;

	(void)memory;
	if (bus_master)
		vmbus_memory_came(b->bus, 0, UINT64_MAX);
	else
		vmbus_memory_gone(b->bus, 0, UINT64_MAX);
}

static void bridge_client_changed(void *opaque, bool attached)
{
	struct vmbus_bridge *b = opaque;

	b->plain_said = false;
	if (!attached)
		b->plains = 0;
}

static void bridge_memory_lost(void *opaque)
{
	struct vmbus_bridge *b = opaque;

	hv_log(HV_LOG_ERROR, "%s: guest memory was cut short; the bridge is dead until the guest's reset",
	       vfu_dev_name(b->function));
	b->dead = true;
	reset_all(b);
}

static const struct vfu_dev_ops function_ops = {
	.bar_read = bridge_read,
	.bar_write = bridge_write,
	.reset = bridge_reset,
	.dma_map = bridge_dma_map,
	.dma_unmap = bridge_dma_unmap,
	.command_changed = bridge_command_changed,
	.client_changed = bridge_client_changed,
	.memory_lost = bridge_memory_lost,
};

/* ---- creation ---- */

int vmbus_bridge_create(struct hv_loop *loop, const char *name, const char *socket_path, uint32_t mode, uint32_t vps,
			struct vmbus_bridge **out)
{
	const struct vfu_dev_desc desc = {
		.name = name,
		.socket_path = socket_path,
		.mode = mode,
		.vendor_id = HVNET_BRIDGE_VENDOR_ID,
		.device_id = HVNET_BRIDGE_DEVICE_ID,
		.subsystem_vendor_id = HVNET_BRIDGE_VENDOR_ID,
		.subsystem_id = HVNET_BRIDGE_DEVICE_ID,
		.class_code = HVNET_BRIDGE_CLASS,
		.revision_id = HVNET_BRIDGE_REVISION,
		.bar = {
			[HVNET_BRIDGE_BAR_REGS] = { VFU_BAR_MEM32, false, HVNET_BRIDGE_REGS_BYTES },
			[HVNET_BRIDGE_BAR_MSIX] = { VFU_BAR_MEM32, false, HVNET_BRIDGE_MSIX_BYTES },
		},
		.msix_vectors = vps,
		.msix_bar = HVNET_BRIDGE_BAR_MSIX,
		.msix_table_offset = 0,
		.msix_pba_offset = HVNET_BRIDGE_MSIX_PBA,
	};
	struct vmbus_bridge *b;
	int ret;

	if (!vps || vps > HVNET_BRIDGE_MAX_VPS)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->vps = vps;
	b->vp = calloc(vps, sizeof(*b->vp));
	ret = b->vp ? vmbus_create(name, vps, &platform, b, &b->bus) : -ENOMEM;
	if (!ret) {
		registers_reset(b);
		ret = vfu_dev_create(loop, &desc, &function_ops, b, &b->function);
	}
	if (ret)
		vmbus_bridge_destroy(b);
	else
		*out = b;
	return ret;
}

void vmbus_bridge_destroy(struct vmbus_bridge *b)
{
	if (!b)
		return;
	if (b->bus && b->function)
		vmbus_reset(b->bus);	/* unmaps what is left, while there is a function to unmap from */
	vmbus_destroy(b->bus);
	vfu_dev_destroy(b->function);
	free(b->vp);
	free(b);
}

struct vmbus *vmbus_bridge_bus(struct vmbus_bridge *b)
{
	return b->bus;
}

bool vmbus_bridge_attached(const struct vmbus_bridge *b)
{
	return vfu_dev_attached(b->function);
}

struct vfu_dev *vmbus_bridge_function(struct vmbus_bridge *b)
{
	return b->function;
}
