/* SPDX-License-Identifier: MIT */
/*
 * Regions: the BARs go to the device, apart from the MSI-X table and PBA, which are kept here;
 * configuration space goes to config.c. There is no ROM and no VGA region.
 *
 * QEMU keeps the MSI-X table itself and never shows it to us. The copy here serves other clients;
 * the PBA reads as zero because whoever holds the table also knows what is pending.
 */
#include <errno.h>
#include <string.h>

#include "vfio-user/dev.h"

uint64_t vfu_region_bytes(const struct vfu_dev *dev, uint32_t index)
{
	if (index < VFU_NUM_BARS)
		return dev->bar[index].size_bytes;
	return index == VFU_REGION_CONFIG ? dev->config.size_bytes : 0;
}

int vfu_region_check(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint64_t count)
{
	uint64_t bytes;

	if (index >= VFU_NUM_REGIONS)
		return vfu_refuse(&dev->stats, VFU_C_REGION_INDEX, -EINVAL);
	bytes = vfu_region_bytes(dev, index);
	if (count > VFU_MAX_XFER || (count && (offset > bytes || count > bytes - offset)))
		return vfu_refuse(&dev->stats, VFU_C_REGION_RANGE, -EINVAL);
	return 0;
}

static bool inside(uint64_t offset, uint32_t count, uint32_t start, uint32_t bytes)
{
	return offset >= start && offset - start < bytes && count <= bytes - (offset - start);
}

/* A register access has a register's width and alignment; anything else is no access at all. */
static bool register_like(struct vfu_dev *dev, uint64_t offset, uint32_t count)
{
	if ((count == 1 || count == 2 || count == 4 || count == 8) && !(offset & (count - 1)))
		return true;
	vfu_count(&dev->stats, VFU_C_REGION_WIDTH);
	return false;
}

static void bar_read(struct vfu_dev *dev, unsigned bar, uint64_t offset, uint32_t count,
		     uint8_t *out)
{
	bool msix = dev->msix_table && bar == dev->msix_bar;
	uint64_t value = 0;

	memset(out, 0, count);
	if (!register_like(dev, offset, count))
		return;
	if (msix && inside(offset, count, dev->msix_table_offset, dev->msix_table_bytes)) {
		memcpy(out, dev->msix_table + (offset - dev->msix_table_offset), count);
		return;
	}
	if (msix && inside(offset, count, dev->msix_pba_offset, dev->msix_pba_bytes))
		return;
	if (dev->ops->bar_read)
		dev->ops->bar_read(dev->opaque, bar, offset, count, &value);
	memcpy(out, to_le64(value).b, count);
}

static void bar_write(struct vfu_dev *dev, unsigned bar, uint64_t offset, uint32_t count,
		      const uint8_t *in)
{
	bool msix = dev->msix_table && bar == dev->msix_bar;
	le64 value = { { 0 } };

	if (!register_like(dev, offset, count))
		return;
	if (msix && inside(offset, count, dev->msix_table_offset, dev->msix_table_bytes)) {
		memcpy(dev->msix_table + (offset - dev->msix_table_offset), in, count);
		return;
	}
	if (msix && inside(offset, count, dev->msix_pba_offset, dev->msix_pba_bytes))
		return;
	memcpy(value.b, in, count);
	if (dev->ops->bar_write)
		dev->ops->bar_write(dev->opaque, bar, offset, count, le64_get(value));
}

static int config_write(struct vfu_dev *dev, uint32_t offset, uint32_t count, const uint8_t *in)
{
	const bool was_master = vfu_config_bus_master(&dev->config), had_memory = vfu_config_memory(&dev->config);
	bool master, memory;
	unsigned effects = 0;
	int ret = vfu_config_write(&dev->config, offset, count, in, &effects);

	if (ret)
		return vfu_refuse(&dev->stats,
				  ret == -EINVAL ? VFU_C_CONFIG_WIDTH : VFU_C_CONFIG_READ_ONLY, ret);
	if (effects & (VFU_CONFIG_FLR | VFU_CONFIG_WOKEN)) {
		vfu_dev_reset(dev, VFU_RESET_FUNCTION);
	} else if (effects & VFU_CONFIG_COMMAND_CHANGED) {
		master = vfu_config_bus_master(&dev->config);
		memory = vfu_config_memory(&dev->config);
		vfu_irqs_set_intx_off(&dev->irqs, vfu_config_intx_off(&dev->config));
		if ((master != was_master || memory != had_memory) && dev->ops->command_changed)
			dev->ops->command_changed(dev->opaque, master, memory);
	}
	return 0;
}

int vfu_region_read(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint32_t count,
		    uint8_t *out)
{
	if (!count)
		return 0;
	if (index == VFU_REGION_CONFIG)
		vfu_config_read(&dev->config, (uint32_t)offset, count, out);
	else
		bar_read(dev, index, offset, count, out);
	return 0;
}

int vfu_region_write(struct vfu_dev *dev, uint32_t index, uint64_t offset, uint32_t count,
		     const uint8_t *in)
{
	if (!count)
		return 0;
	if (index == VFU_REGION_CONFIG)
		return config_write(dev, (uint32_t)offset, count, in);
	bar_write(dev, index, offset, count, in);
	return 0;
}
