// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The bus "vmbus": a device per primary channel, drivers that match by interface GUID, and what udev and people
 * read in sysfs. Names and formats are those of the stock bus.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

/* Signatures of bus callbacks that have gained a const. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define MATCH_DRIVER const struct device_driver
#else
#define MATCH_DRIVER struct device_driver
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define UEVENT_DEVICE const struct device
#else
#define UEVENT_DEVICE struct device
#endif

#define VENDOR_MICROSOFT	0x1414

/* ---- attributes ---- */

#define CHANNEL_ATTR(name, format, ...)							\
static ssize_t name##_show(struct device *d, struct device_attribute *attr, char *buf)	\
{											\
	struct hv_device *dev = device_to_hv_device(d);					\
											\
	return sysfs_emit(buf, format "\n", __VA_ARGS__);				\
}											\
static DEVICE_ATTR_RO(name)

CHANNEL_ATTR(id, "%u", dev->channel->offermsg.child_relid);
CHANNEL_ATTR(state, "%d", dev->channel->state);
CHANNEL_ATTR(monitor_id, "%u", dev->channel->offermsg.monitorid);
CHANNEL_ATTR(class_id, "{%pUl}", &dev->channel->offermsg.offer.if_type);
CHANNEL_ATTR(device_id, "{%pUl}", &dev->channel->offermsg.offer.if_instance);
CHANNEL_ATTR(modalias, "vmbus:%*phN", UUID_SIZE, &dev->dev_type);
CHANNEL_ATTR(vendor, "0x%x", dev->vendor_id);
CHANNEL_ATTR(device, "0x%x", dev->device_id);
CHANNEL_ATTR(numa_node, "%d", cpu_to_node(dev->channel->target_cpu));

static ssize_t channel_vp_mapping_show(struct device *d, struct device_attribute *attr, char *buf)
{
	struct vmbus_channel *channel = device_to_hv_device(d)->channel, *sub;
	int n;

	mutex_lock(&hvb.channel_mutex);
	n = sysfs_emit(buf, "%u:%u\n", channel->offermsg.child_relid, channel->target_cpu);
	list_for_each_entry(sub, &channel->sc_list, sc_list)
		n += sysfs_emit_at(buf, n, "%u:%u\n", sub->offermsg.child_relid, sub->target_cpu);
	mutex_unlock(&hvb.channel_mutex);
	return n;
}
static DEVICE_ATTR_RO(channel_vp_mapping);

/* The state of a ring of the primary channel, e.g. in_read_index. */
#define RING_ATTR(ring, name, member)								\
static ssize_t name##_show(struct device *d, struct device_attribute *attr, char *buf)	\
{											\
	struct hv_ring_buffer_debug_info info;						\
	int err = hv_ringbuffer_get_debuginfo(&device_to_hv_device(d)->channel->ring, &info); \
											\
	return err ?: sysfs_emit(buf, "%u\n", info.member);				\
}											\
static DEVICE_ATTR_RO(name)

RING_ATTR(outbound, out_intr_mask, current_interrupt_mask);
RING_ATTR(outbound, out_read_index, current_read_index);
RING_ATTR(outbound, out_write_index, current_write_index);
RING_ATTR(outbound, out_read_bytes_avail, bytes_avail_toread);
RING_ATTR(outbound, out_write_bytes_avail, bytes_avail_towrite);
RING_ATTR(inbound, in_intr_mask, current_interrupt_mask);
RING_ATTR(inbound, in_read_index, current_read_index);
RING_ATTR(inbound, in_write_index, current_write_index);
RING_ATTR(inbound, in_read_bytes_avail, bytes_avail_toread);
RING_ATTR(inbound, in_write_bytes_avail, bytes_avail_towrite);

/*
 * driver_override. Kernels from 6.12.100 or so have moved it from each bus to the driver core: hv_device has lost
 * its member, the core makes the attribute and frees the name. Kbuild looks for the member.
 */
#ifdef HVB_DEVICE_HAS_OVERRIDE
static ssize_t driver_override_show(struct device *d, struct device_attribute *attr, char *buf)
{
	struct hv_device *dev = device_to_hv_device(d);
	ssize_t n;

	device_lock(d);
	n = sysfs_emit(buf, "%s\n", dev->driver_override);
	device_unlock(d);
	return n;
}

static ssize_t driver_override_store(struct device *d, struct device_attribute *attr, const char *buf, size_t n)
{
	int err = driver_set_override(d, &device_to_hv_device(d)->driver_override, buf, n);

	return err ?: n;
}
static DEVICE_ATTR_RW(driver_override);

/* Above 0: it names this driver; 0: another; below 0: there is none. */
static int match_override(struct device *d, MATCH_DRIVER *driver)
{
	const struct hv_device *dev = device_to_hv_device(d);

	return dev->driver_override ? !strcmp(dev->driver_override, driver->name) : -1;
}

static void free_override(struct hv_device *dev)
{
	kfree(dev->driver_override);
}
#else
static int match_override(struct device *d, MATCH_DRIVER *driver)
{
	return device_match_driver_override(d, driver);
}

static void free_override(struct hv_device *dev)
{
}
#endif

static struct attribute *device_attrs[] = {
	&dev_attr_id.attr,
	&dev_attr_state.attr,
	&dev_attr_monitor_id.attr,
	&dev_attr_class_id.attr,
	&dev_attr_device_id.attr,
	&dev_attr_modalias.attr,
	&dev_attr_vendor.attr,
	&dev_attr_device.attr,
	&dev_attr_numa_node.attr,
	&dev_attr_channel_vp_mapping.attr,
	&dev_attr_out_intr_mask.attr,
	&dev_attr_out_read_index.attr,
	&dev_attr_out_write_index.attr,
	&dev_attr_out_read_bytes_avail.attr,
	&dev_attr_out_write_bytes_avail.attr,
	&dev_attr_in_intr_mask.attr,
	&dev_attr_in_read_index.attr,
	&dev_attr_in_write_index.attr,
	&dev_attr_in_read_bytes_avail.attr,
	&dev_attr_in_write_bytes_avail.attr,
#ifdef HVB_DEVICE_HAS_OVERRIDE
	&dev_attr_driver_override.attr,
#endif
	NULL
};
ATTRIBUTE_GROUPS(device);

/* ---- the bus type ---- */

static const struct hv_vmbus_device_id *find_id(const struct hv_driver *drv, const guid_t *type)
{
	const struct hv_vmbus_device_id *id;

	for (id = drv->id_table; id && !guid_is_null(&id->guid); id++) {
		if (guid_equal(&id->guid, type))
			return id;
	}
	return NULL;
}

static int bus_match(struct device *d, MATCH_DRIVER *driver)
{
	const struct hv_driver *drv = drv_to_hv_drv(driver);
	const struct hv_device *dev = device_to_hv_device(d);
	int override = match_override(d, driver);

	if (override >= 0)
		return override;
	return !drv->hvsock && find_id(drv, &dev->dev_type);
}

static int bus_uevent(UEVENT_DEVICE *d, struct kobj_uevent_env *env)
{
	const struct hv_device *dev = device_to_hv_device(d);

	return add_uevent_var(env, "MODALIAS=vmbus:%*phN", UUID_SIZE, &dev->dev_type);
}

static int bus_probe(struct device *d)
{
	struct hv_driver *drv = drv_to_hv_drv(d->driver);
	struct hv_device *dev = device_to_hv_device(d);
	/* With an override the driver may not know the type. */
	static const struct hv_vmbus_device_id any;
	const struct hv_vmbus_device_id *id = find_id(drv, &dev->dev_type) ?: &any;
	int err;

	if (!drv->probe)
		return -ENODEV;
	err = drv->probe(dev, id);
	if (err) {
		dev_err(d, "%s does not take it: error %d\n", drv->name, err);
		hvb_unbind_channel(dev->channel);
	}
	return err;
}

static void bus_remove(struct device *d)
{
	struct hv_driver *drv = drv_to_hv_drv(d->driver);
	struct hv_device *dev = device_to_hv_device(d);

	if (drv->remove)
		drv->remove(dev);
	hvb_unbind_channel(dev->channel);
}

static void bus_shutdown(struct device *d)
{
	struct hv_driver *drv;

	if (!d->driver)
		return;
	drv = drv_to_hv_drv(d->driver);
	if (drv->shutdown)
		drv->shutdown(device_to_hv_device(d));
}

static struct bus_type vmbus_bus = {
	.name = "vmbus",
	.match = bus_match,
	.uevent = bus_uevent,
	.probe = bus_probe,
	.remove = bus_remove,
	.shutdown = bus_shutdown,
	.dev_groups = device_groups,
#ifndef HVB_DEVICE_HAS_OVERRIDE
	.driver_override = true,
#endif
};

int hvb_bus_init(void)
{
	return bus_register(&vmbus_bus);
}

void hvb_bus_exit(void)
{
	/* Whoever still holds a device will call its release function, which is ours. */
	wait_event(hvb.no_devices, !atomic_read(&hvb.devices));
	bus_unregister(&vmbus_bus);
}

/* ---- devices ---- */

static void release_device(struct device *d)
{
	struct hv_device *dev = device_to_hv_device(d);

	if (dev->channel)
		hvb_free_channel(dev->channel);
	free_override(dev);
	kfree(dev);
	if (atomic_dec_and_test(&hvb.devices))
		wake_up(&hvb.no_devices);
}

struct hv_device *hvb_device_create(struct vmbus_channel *channel)
{
	struct hv_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	dev->channel = channel;
	dev->dev_type = channel->offermsg.offer.if_type;
	dev->dev_instance = channel->offermsg.offer.if_instance;
	dev->vendor_id = VENDOR_MICROSOFT;
	dev->device_id = channel->device_id;
	atomic_inc(&hvb.devices);
	device_initialize(&dev->device);
	dev->device.bus = &vmbus_bus;
	dev->device.parent = &hvb.pdev->dev;
	dev->device.release = release_device;
	set_dev_node(&dev->device, cpu_to_node(channel->target_cpu));
	return dev;
}

/* The caller puts the device on failure. */
int hvb_device_add(struct hv_device *dev)
{
	int err;

	/* No operations of its own: what is mapped is identity, so the host gets guest-physical addresses. */
	dev->device.dma_parms = &dev->dma_parms;
	dev->device.dma_mask = &dev->dma_mask;
	err = dma_set_mask_and_coherent(&dev->device, DMA_BIT_MASK(64));
	if (err)
		return err;
	dma_set_max_seg_size(&dev->device, UINT_MAX);
	dma_set_seg_boundary(&dev->device, HV_HYP_PAGE_SIZE - 1);
	err = dev_set_name(&dev->device, "%pUl", &dev->dev_instance);
	if (err)
		return err;
	return device_add(&dev->device);
}

/* ---- drivers ---- */

int __vmbus_driver_register(struct hv_driver *hv_driver, struct module *owner, const char *mod_name)
{
	hv_driver->driver.name = hv_driver->name;
	hv_driver->driver.owner = owner;
	hv_driver->driver.mod_name = mod_name;
	hv_driver->driver.bus = &vmbus_bus;
	spin_lock_init(&hv_driver->dynids.lock);
	INIT_LIST_HEAD(&hv_driver->dynids.list);
	return driver_register(&hv_driver->driver);
}

void vmbus_driver_unregister(struct hv_driver *hv_driver)
{
	driver_unregister(&hv_driver->driver);
}
