/* SPDX-License-Identifier: MIT */
/*
 * The sequences that QEMU 11.1 sends to a function: attach, reset, register and configuration
 * accesses.
 */
#include <errno.h>
#include <string.h>

#include "vfio-user/client.h"
#include "vfio-user/config.h"

enum { MAX_ACCESS = 4096 };

static int region_read(struct vfuc *c, uint32_t region, uint64_t offset, uint32_t count, void *out)
{
	struct vfu_wire_access a = { to_le64(offset), to_le32(region), to_le32(count) };
	struct vfuc_msg m = { .command = VFU_CMD_REGION_READ, .payload = &a, .bytes = sizeof(a) };
	uint8_t reply[sizeof(a) + MAX_ACCESS];
	size_t got;
	int ret = vfuc_call(c, &m, reply, sizeof(reply), &got);

	if (ret)
		return ret;
	if (got != sizeof(a) + count || memcmp(reply, &a, sizeof(a)))
		return -EBADMSG;
	memcpy(out, reply + sizeof(a), count);
	return 0;
}

static int region_write(struct vfuc *c, uint32_t region, uint64_t offset, uint32_t count,
			const void *in, bool posted)
{
	struct {
		struct vfu_wire_access a;
		uint8_t data[8];
	} w = { .a = { to_le64(offset), to_le32(region), to_le32(count) } };
	struct vfuc_msg m = { .command = VFU_CMD_REGION_WRITE, .payload = &w,
			      .bytes = sizeof(w.a) + count,
			      .flags = posted ? VFU_FLAG_NO_REPLY : 0 };

	if (count > sizeof(w.data))
		return -EINVAL;
	memcpy(w.data, in, count);
	return posted ? vfuc_send(c, &m, NULL) : vfuc_call(c, &m, NULL, 0, NULL);
}

int vfuc_config_read(struct vfuc *c, uint32_t offset, unsigned size, uint32_t *value)
{
	le32 v = { { 0 } };
	int ret;

	if (size > sizeof(v))
		return -EINVAL;
	ret = region_read(c, VFU_REGION_CONFIG, offset, size, v.b);
	if (!ret)
		*value = le32_get(v);
	return ret;
}

int vfuc_config_write(struct vfuc *c, uint32_t offset, unsigned size, uint32_t value)
{
	int ret = region_write(c, VFU_REGION_CONFIG, offset, size, to_le32(value).b, false);

	if (!ret && offset == VFU_PCI_COMMAND) {
		pthread_mutex_lock(&c->lock);
		c->bus_master = value & VFU_PCI_COMMAND_MASTER;
		pthread_mutex_unlock(&c->lock);
	}
	return ret;
}

unsigned vfuc_find_cap(struct vfuc *c, uint8_t id)
{
	unsigned at = c->config[VFU_PCI_CAP_POINTER];

	for (unsigned left = 48; at >= VFU_PCI_FIRST_CAP && left; left--) {
		if (c->config[at] == id)
			return at;
		at = c->config[at + 1];
	}
	return 0;
}

uint64_t vfuc_bar_bytes(const struct vfuc *c, unsigned bar)
{
	return bar < VFU_NUM_BARS ? c->region_bytes[bar] : 0;
}

int vfuc_bar_read(struct vfuc *c, unsigned bar, uint64_t offset, unsigned size, uint64_t *value)
{
	le64 v = { { 0 } };
	int ret;

	if (size > sizeof(v))
		return -EINVAL;
	ret = region_read(c, bar, offset, size, v.b);
	if (!ret)
		*value = le64_get(v);
	return ret ? ret : vfuc_intx_end(c);
}

int vfuc_bar_write(struct vfuc *c, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	bool posted = bar < VFU_NUM_BARS && c->bar_is_memory[bar] && !c->region_mapped;
	int ret = region_write(c, bar, offset, size, to_le64(value).b, posted);

	return ret ? ret : vfuc_intx_end(c);
}

static int get_info(struct vfuc *c)
{
	struct vfu_wire_info info = { .argsz = to_le32(sizeof(info)) };
	struct vfuc_msg m = { .command = VFU_CMD_GET_INFO, .payload = &info, .bytes = sizeof(info) };
	size_t got;
	int ret = vfuc_call(c, &m, &info, sizeof(info), &got);

	if (ret)
		return ret;
	if (got != sizeof(info) || !(le32_get(info.flags) & VFU_DEVICE_PCI) ||
	    le32_get(info.num_regions) < 8 || le32_get(info.num_irqs) < 3)
		return -EBADMSG;
	return 0;
}

static int get_region(struct vfuc *c, uint32_t index)
{
	struct vfu_wire_region_info info = { .argsz = to_le32(sizeof(info)),
					     .index = to_le32(index) };
	struct vfuc_msg m = { .command = VFU_CMD_GET_REGION_INFO, .payload = &info,
			      .bytes = sizeof(info) };
	struct vfu_wire_region_info reply;
	size_t got;
	int ret = vfuc_call(c, &m, &reply, sizeof(reply), &got);

	if (ret)
		return ret;
	if (got != sizeof(reply) || le32_get(reply.argsz) != sizeof(reply) ||
	    le32_get(reply.index) != index)
		return -EBADMSG;
	c->region_bytes[index] = le64_get(reply.size);
	if (le32_get(reply.flags) & VFU_REGION_MMAP)
		c->region_mapped = true;
	return 0;
}

static int get_irq(struct vfuc *c, uint32_t index)
{
	struct vfu_wire_irq_info info = { .argsz = to_le32(sizeof(info)),
					  .index = to_le32(index) };
	struct vfuc_msg m = { .command = VFU_CMD_GET_IRQ_INFO, .payload = &info,
			      .bytes = sizeof(info) };
	size_t got;
	int ret = vfuc_call(c, &m, &info, sizeof(info), &got);

	if (ret)
		return ret;
	if (got != sizeof(info) || !(le32_get(info.flags) & VFU_IRQ_EVENTFD))
		return -EBADMSG;
	c->irq_count[index] = le32_get(info.count);
	return 0;
}

/* QEMU learns each BAR's type from its register; the size is the region's. */
static int probe_bars(struct vfuc *c)
{
	for (unsigned i = 0; i < VFU_NUM_BARS; i++) {
		uint32_t v;
		int ret;

		if (!c->region_bytes[i])
			continue;
		ret = vfuc_config_read(c, VFU_PCI_BAR0 + 4 * i, 4, &v);
		if (ret)
			return ret;
		c->bar_is_memory[i] = !(v & 1);
	}
	return 0;
}

static int probe_rom(struct vfuc *c)
{
	uint32_t old, mask;
	int ret = vfuc_config_read(c, VFU_PCI_ROM, 4, &old);

	if (!ret)
		ret = vfuc_config_write(c, VFU_PCI_ROM, 4, 0xfffff800);
	if (!ret)
		ret = vfuc_config_read(c, VFU_PCI_ROM, 4, &mask);
	if (!ret)
		ret = vfuc_config_write(c, VFU_PCI_ROM, 4, old);
	return ret;
}

static int probe_message_interrupts(struct vfuc *c)
{
	unsigned msix = vfuc_find_cap(c, VFU_CAP_MSIX), msi = vfuc_find_cap(c, VFU_CAP_MSI);
	uint32_t control, table, pba;
	int ret = 0;

	if (msix) {
		ret = vfuc_config_read(c, msix + 2, 2, &control);
		if (!ret)
			ret = vfuc_config_read(c, msix + 4, 4, &table);
		if (!ret)
			ret = vfuc_config_read(c, msix + 8, 4, &pba);
		if (!ret)
			ret = get_irq(c, VFU_IRQ_MSIX);
		if (!ret && c->irq_count[VFU_IRQ_MSIX] != (control & 0x7ff) + 1)
			ret = -EBADMSG;
	}
	if (!ret && msi) {
		ret = vfuc_config_read(c, msi + 2, 2, &control);
		c->irq_count[VFU_IRQ_MSI] = ret ? 0 : 1u << (control >> 1 & 7);
	}
	return ret;
}

static int learn(struct vfuc *c)
{
	static const uint32_t regions[] = { 0, 1, 2, 3, 4, 5, VFU_REGION_CONFIG };
	int ret = get_info(c);

	for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]) && !ret; i++)
		ret = get_region(c, regions[i]);
	if (ret)
		return ret;
	(void)get_irq(c, VFU_IRQ_ERROR);	/* QEMU asks, and takes a refusal */
	if (c->region_bytes[VFU_REGION_CONFIG] > sizeof(c->config))
		return -EBADMSG;
	ret = region_read(c, VFU_REGION_CONFIG, 0, (uint32_t)c->region_bytes[VFU_REGION_CONFIG],
			  c->config);
	if (!ret)
		ret = probe_rom(c);
	if (!ret)
		ret = probe_bars(c);
	if (!ret)
		ret = probe_message_interrupts(c);
	return ret;
}

int vfuc_attach(struct vfuc *c, const struct vfuc_ram *ram)
{
	uint32_t pin;
	int ret = ram ? vfuc_map_machine(c, ram) : 0;

	if (!ret)
		ret = learn(c);
	for (int i = 0; i < 2 && !ret; i++)
		ret = vfuc_config_read(c, VFU_PCI_IRQ_PIN, 1, &pin);
	if (!ret)
		ret = vfuc_intx_arm(c);
	return ret ? ret : vfuc_reset(c);
}

int vfuc_reset(struct vfuc *c)
{
	struct vfuc_msg reset = { .command = VFU_CMD_RESET };
	uint32_t v;
	int ret = 0;

	if (vfuc_find_cap(c, VFU_CAP_MSIX))
		ret = vfuc_irq_disable(c, VFU_IRQ_MSIX);
	if (!ret)
		ret = vfuc_intx_arm(c);
	if (!ret && c->config[VFU_PCI_IRQ_PIN])
		ret = vfuc_irq_disable(c, VFU_IRQ_INTX);
	if (!ret)
		ret = vfuc_config_read(c, VFU_PCI_COMMAND, 2, &v);
	if (!ret)
		ret = vfuc_config_write(c, VFU_PCI_COMMAND, 2,
					v & ~(uint32_t)(VFU_PCI_COMMAND_IO | VFU_PCI_COMMAND_MEMORY |
							VFU_PCI_COMMAND_MASTER |
							VFU_PCI_COMMAND_INTX_OFF));
	if (!ret)
		ret = vfuc_call(c, &reset, NULL, 0, NULL);
	if (!ret)
		ret = vfuc_config_read(c, VFU_PCI_IRQ_PIN, 1, &v);
	if (!ret)
		ret = vfuc_intx_arm(c);
	for (unsigned i = 0; i < VFU_NUM_BARS && !ret; i++)
		ret = vfuc_config_write(c, VFU_PCI_BAR0 + 4 * i, 4, 0);
	return ret;
}

int vfuc_enable_device(struct vfuc *c)
{
	return vfuc_config_write(c, VFU_PCI_COMMAND, 2, VFU_PCI_COMMAND_IO | VFU_PCI_COMMAND_MEMORY |
							VFU_PCI_COMMAND_MASTER);
}
