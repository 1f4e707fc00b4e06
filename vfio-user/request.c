/* SPDX-License-Identifier: MIT */
/*
 * Messages of the client: one table says what each command's message must look like, one function
 * handles each. A handler checks everything before it changes anything, and returns 0 with the
 * reply's payload in dev->reply, or -errno; so a refused message leaves no trace but its counter.
 */
#include <errno.h>
#include <string.h>

#include "vfio-user/dev.h"
#include "vfio-user/version.h"

struct vfu_call {
	struct vfu_dev *dev;
	struct vfu_conn *conn;
	const struct vfu_message *m;
	size_t reply_bytes;		/* in dev->reply */
};

static void reply_with(struct vfu_call *call, const void *payload, size_t n)
{
	memcpy(call->dev->reply, payload, n);
	call->reply_bytes = n;
}

/* argsz: the room that the client has for the structure; at least that of its fixed part. */
static int check_argsz(struct vfu_call *call, le32 argsz, size_t fixed)
{
	if (le32_get(argsz) < fixed || le32_get(argsz) > VFU_MAX_XFER)
		return vfu_refuse(&call->dev->stats, VFU_C_ARGSZ, -EINVAL);
	return 0;
}

static int do_version(struct vfu_call *call)
{
	struct vfu_dev *dev = call->dev;
	struct vfu_offer offer;
	enum vfu_counter why;
	int ret;

	if (call->conn->negotiated)
		return vfu_refuse(&dev->stats, VFU_C_VERSION_TWICE, -EINVAL);
	ret = vfu_version_parse(call->m->payload, call->m->payload_bytes, &offer, &why);
	if (ret)
		return vfu_refuse(&dev->stats, why, ret);
	/* One that comes right behind the end of the last need not wait until that is noticed. */
	if (dev->client && vfu_conn_peer_left(dev->client))
		vfu_dev_conn_gone(dev, dev->client);
	if (dev->client) {
		/* Said now, the peer fails at once instead of after its time-out. */
		vfu_conn_reply(call->conn, call->m, -EBUSY, NULL, 0);
		vfu_conn_drop(call->conn, VFU_C_BUSY);
		return 0;
	}
	call->reply_bytes = vfu_version_reply(dev->reply);
	return vfu_dev_attach(dev, call->conn, offer.max_data_xfer_size);
}

static int do_dma_map(struct vfu_call *call)
{
	struct vfu_dev *dev = call->dev;
	const struct vfu_dma_range *range;
	struct vfu_wire_map map;
	enum vfu_counter why;
	int ret, fd = call->m->fds->n ? call->m->fds->fd[0] : -1;

	memcpy(&map, call->m->payload, sizeof(map));
	ret = check_argsz(call, map.argsz, sizeof(map));
	if (ret)
		return ret;
	ret = vfu_dma_add(&dev->dma, le64_get(map.address), le64_get(map.size),
			  le32_get(map.flags), fd, le64_get(map.offset), hv_now_ns(), &range, &why);
	if (ret)
		return vfu_refuse(&dev->stats, why, ret);
	if (dev->ops->dma_map)
		dev->ops->dma_map(dev->opaque, range);
	return 0;
}

/*
 * QEMU names exactly what it mapped; others are met half-way: whatever lies inside the given
 * range goes.
 */
static int unmap_range(struct vfu_dev *dev, uint64_t address, uint64_t size)
{
	size_t n, removed = 0;
	bool exact = false;

	if (!size || size > UINT64_MAX - address)
		return vfu_refuse(&dev->stats, VFU_C_UNMAP_RANGE, -EINVAL);
	while ((n = vfu_dma_first_inside(&dev->dma, address, size)) < dev->dma.num_maps) {
		exact = dev->dma.map[n].range.address == address &&
			dev->dma.map[n].range.size_bytes == size;
		vfu_dev_unmap(dev, n);
		removed++;
	}
	if (!removed)
		return vfu_refuse(&dev->stats, VFU_C_UNMAP_UNKNOWN, -ENOENT);
	if (!exact)
		vfu_count(&dev->stats, VFU_C_UNMAP_INEXACT);
	return 0;
}

static int do_dma_unmap(struct vfu_call *call)
{
	struct vfu_dev *dev = call->dev;
	struct vfu_wire_unmap unmap;
	uint32_t flags;
	int ret;

	memcpy(&unmap, call->m->payload, sizeof(unmap));
	ret = check_argsz(call, unmap.argsz, sizeof(unmap));
	if (ret)
		return ret;
	flags = le32_get(unmap.flags);
	/* Dirty pages are not tracked, so there is no bitmap to return. */
	if (flags & ~(uint32_t)VFU_UNMAP_ALL)
		return vfu_refuse(&dev->stats, VFU_C_UNMAP_FLAGS, -EINVAL);
	if (!flags) {
		ret = unmap_range(dev, le64_get(unmap.address), le64_get(unmap.size));
	} else if (le64_get(unmap.address) || le64_get(unmap.size)) {
		ret = vfu_refuse(&dev->stats, VFU_C_UNMAP_RANGE, -EINVAL);
	} else {
		while (dev->dma.num_maps)
			vfu_dev_unmap(dev, dev->dma.num_maps - 1);
	}
	if (!ret)
		reply_with(call, &unmap, sizeof(unmap));
	return ret;
}

static int do_get_info(struct vfu_call *call)
{
	struct vfu_wire_info info;
	int ret;

	memcpy(&info, call->m->payload, sizeof(info));
	ret = check_argsz(call, info.argsz, sizeof(info));
	if (ret)
		return ret;
	info.argsz = to_le32(sizeof(info));
	info.flags = to_le32(VFU_DEVICE_RESET | VFU_DEVICE_PCI);
	info.num_regions = to_le32(VFU_NUM_REGIONS);
	info.num_irqs = to_le32(VFU_NUM_IRQS);
	reply_with(call, &info, sizeof(info));
	return 0;
}

/* No region is ever mappable: with one that is, QEMU waits for a reply to each register write. */
static int do_region_info(struct vfu_call *call)
{
	struct vfu_wire_region_info info;
	struct vfu_wire_region_info reply = { .argsz = to_le32(sizeof(reply)) };
	uint64_t bytes;
	int ret;

	memcpy(&info, call->m->payload, sizeof(info));
	ret = check_argsz(call, info.argsz, sizeof(info));
	if (ret)
		return ret;
	if (le32_get(info.index) >= VFU_NUM_REGIONS)
		return vfu_refuse(&call->dev->stats, VFU_C_REGION_INDEX, -EINVAL);
	bytes = vfu_region_bytes(call->dev, le32_get(info.index));
	reply.flags = to_le32(bytes ? VFU_REGION_READ | VFU_REGION_WRITE : 0);
	reply.index = info.index;
	reply.size = to_le64(bytes);
	reply_with(call, &reply, sizeof(reply));
	return 0;
}

/* Success with no descriptors: every access comes as a message. */
static int do_region_io_fds(struct vfu_call *call)
{
	struct vfu_wire_region_io_fds q;
	struct vfu_stats *stats = &call->dev->stats;
	int ret;

	memcpy(&q, call->m->payload, sizeof(q));
	ret = check_argsz(call, q.argsz, sizeof(q));
	if (ret)
		return ret;
	if (le32_get(q.flags) || le32_get(q.count))
		return vfu_refuse(stats, VFU_C_PAYLOAD_SIZE, -EINVAL);
	if (le32_get(q.index) >= VFU_NUM_REGIONS ||
	    !vfu_region_bytes(call->dev, le32_get(q.index)))
		return vfu_refuse(stats, VFU_C_REGION_INDEX, -EINVAL);
	q.argsz = to_le32(sizeof(q));
	reply_with(call, &q, sizeof(q));
	return 0;
}

static int do_irq_info(struct vfu_call *call)
{
	struct vfu_wire_irq_info info;
	uint32_t flags, count;
	int ret;

	memcpy(&info, call->m->payload, sizeof(info));
	ret = check_argsz(call, info.argsz, sizeof(info));
	if (!ret)
		ret = vfu_irqs_info(&call->dev->irqs, le32_get(info.index), &flags, &count);
	if (ret)
		return ret;
	info.argsz = to_le32(sizeof(info));
	info.flags = to_le32(flags);
	info.count = to_le32(count);
	reply_with(call, &info, sizeof(info));
	return 0;
}

/* Eventfds of MSI or MSI-X vectors come or go. */
static bool changes_listeners(const struct vfu_wire_set_irqs *set)
{
	const uint32_t index = le32_get(set->index), flags = le32_get(set->flags);

	return (index == VFU_IRQ_MSI || index == VFU_IRQ_MSIX) && (flags & VFU_SET_DATA_EVENTFD || !le32_get(set->count));
}

static int do_set_irqs(struct vfu_call *call)
{
	struct vfu_wire_set_irqs set;
	int ret;

	memcpy(&set, call->m->payload, sizeof(set));
	ret = check_argsz(call, set.argsz, sizeof(set));
	if (ret)
		return ret;
	ret = vfu_irqs_set(&call->dev->irqs, &set, call->m->payload + sizeof(set),
			   call->m->payload_bytes - sizeof(set), call->m->fds->fd,
			   call->m->fds->n);
	if (!ret && changes_listeners(&set) && call->dev->ops->vectors_changed)
		call->dev->ops->vectors_changed(call->dev->opaque);
	return ret;
}

static int do_region_read(struct vfu_call *call)
{
	struct vfu_wire_access a;
	int ret;

	memcpy(&a, call->m->payload, sizeof(a));
	ret = vfu_region_check(call->dev, le32_get(a.region), le64_get(a.offset),
			       le32_get(a.count));
	if (!ret)
		ret = vfu_region_read(call->dev, le32_get(a.region), le64_get(a.offset),
				      le32_get(a.count), call->dev->reply + sizeof(a));
	if (ret)
		return ret;
	memcpy(call->dev->reply, &a, sizeof(a));
	call->reply_bytes = sizeof(a) + le32_get(a.count);
	return 0;
}

static int do_region_write(struct vfu_call *call)
{
	struct vfu_wire_access a;
	int ret;

	memcpy(&a, call->m->payload, sizeof(a));
	ret = vfu_region_check(call->dev, le32_get(a.region), le64_get(a.offset),
			       le32_get(a.count));
	if (ret)
		return ret;
	if (call->m->payload_bytes - sizeof(a) != le32_get(a.count))
		return vfu_refuse(&call->dev->stats, VFU_C_PAYLOAD_SIZE, -EINVAL);
	ret = vfu_region_write(call->dev, le32_get(a.region), le64_get(a.offset),
			       le32_get(a.count), call->m->payload + sizeof(a));
	if (!ret)
		reply_with(call, &a, sizeof(a));
	return ret;
}

static int check_multi(struct vfu_dev *dev, const uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++, p += sizeof(struct vfu_wire_multi_write)) {
		struct vfu_wire_multi_write w;
		int ret;

		memcpy(&w, p, sizeof(w));
		if (le32_get(w.access.count) > sizeof(w.data))
			return vfu_refuse(&dev->stats, VFU_C_MULTI_COUNT, -EINVAL);
		ret = vfu_region_check(dev, le32_get(w.access.region), le64_get(w.access.offset),
				       le32_get(w.access.count));
		if (ret)
			return ret;
	}
	return 0;
}

static int do_region_write_multi(struct vfu_call *call)
{
	const uint8_t *p = call->m->payload + sizeof(struct vfu_wire_multi);
	size_t left = call->m->payload_bytes - sizeof(struct vfu_wire_multi);
	struct vfu_wire_multi multi;
	uint64_t n;
	int ret;

	memcpy(&multi, call->m->payload, sizeof(multi));
	n = le64_get(multi.count);
	if (n > VFU_MAX_MULTI_WRITES)
		return vfu_refuse(&call->dev->stats, VFU_C_MULTI_COUNT, -EINVAL);
	if (left % sizeof(struct vfu_wire_multi_write) ||
	    left / sizeof(struct vfu_wire_multi_write) != n)
		return vfu_refuse(&call->dev->stats, VFU_C_PAYLOAD_SIZE, -EINVAL);
	ret = check_multi(call->dev, p, n);
	for (; n && !ret; n--, p += sizeof(struct vfu_wire_multi_write)) {
		struct vfu_wire_multi_write w;

		memcpy(&w, p, sizeof(w));
		ret = vfu_region_write(call->dev, le32_get(w.access.region),
				       le64_get(w.access.offset), le32_get(w.access.count), w.data);
	}
	return ret;
}

static int do_reset(struct vfu_call *call)
{
	vfu_dev_reset(call->dev, VFU_RESET_DEVICE);
	return 0;
}

static int do_unsupported(struct vfu_call *call)
{
	return vfu_refuse(&call->dev->stats, VFU_C_COMMAND_UNSUPPORTED, -ENOTTY);
}

static int do_server_only(struct vfu_call *call)
{
	return vfu_refuse(&call->dev->stats, VFU_C_COMMAND_UNKNOWN, -EINVAL);
}

static const struct vfu_command {
	size_t fixed_bytes;		/* least payload */
	bool exact;			/* … and most */
	unsigned max_fds;
	int (*handle)(struct vfu_call *call);
} vfu_commands[VFU_NUM_COMMANDS] = {
	[VFU_CMD_VERSION] = { sizeof(struct vfu_wire_version), false, 0, do_version },
	[VFU_CMD_DMA_MAP] = { sizeof(struct vfu_wire_map), true, 1, do_dma_map },
	[VFU_CMD_DMA_UNMAP] = { sizeof(struct vfu_wire_unmap), false, 0, do_dma_unmap },
	[VFU_CMD_GET_INFO] = { sizeof(struct vfu_wire_info), false, 0, do_get_info },
	[VFU_CMD_GET_REGION_INFO] = { sizeof(struct vfu_wire_region_info), false, 0,
				      do_region_info },
	[VFU_CMD_GET_REGION_IO_FDS] = { sizeof(struct vfu_wire_region_io_fds), false, 0,
					do_region_io_fds },
	[VFU_CMD_GET_IRQ_INFO] = { sizeof(struct vfu_wire_irq_info), false, 0, do_irq_info },
	[VFU_CMD_SET_IRQS] = { sizeof(struct vfu_wire_set_irqs), false, VFU_MAX_FDS, do_set_irqs },
	[VFU_CMD_REGION_READ] = { sizeof(struct vfu_wire_access), true, 0, do_region_read },
	[VFU_CMD_REGION_WRITE] = { sizeof(struct vfu_wire_access), false, 0, do_region_write },
	[VFU_CMD_DMA_READ] = { 0, false, 0, do_server_only },
	[VFU_CMD_DMA_WRITE] = { 0, false, 0, do_server_only },
	[VFU_CMD_RESET] = { 0, true, 0, do_reset },
	[VFU_CMD_REGION_WRITE_MULTI] = { sizeof(struct vfu_wire_multi), false, 0,
					 do_region_write_multi },
	[VFU_CMD_DEVICE_FEATURE] = { 0, false, 0, do_unsupported },
	[VFU_CMD_MIG_DATA_READ] = { 0, false, 0, do_unsupported },
	[VFU_CMD_MIG_DATA_WRITE] = { 0, false, 0, do_unsupported },
};

/* The checks that need no look into the payload. */
static int check_message(struct vfu_call *call, const struct vfu_command **out)
{
	const struct vfu_message *m = call->m;
	struct vfu_stats *stats = &call->dev->stats;
	const struct vfu_command *cmd = m->command < VFU_NUM_COMMANDS ? &vfu_commands[m->command] : NULL;

	if (m->flags & ~(uint32_t)(VFU_FLAG_TYPE_MASK | VFU_FLAG_NO_REPLY))
		return vfu_refuse(stats, VFU_C_HEADER_FLAGS, -EINVAL);
	if (!call->conn->negotiated && m->command != VFU_CMD_VERSION)
		return vfu_refuse(stats, VFU_C_NOT_NEGOTIATED, -EINVAL);
	if (!cmd || !cmd->handle)
		return vfu_refuse(stats, VFU_C_COMMAND_UNKNOWN, -EINVAL);
	if (m->payload_bytes < cmd->fixed_bytes ||
	    (cmd->exact && m->payload_bytes != cmd->fixed_bytes))
		return vfu_refuse(stats, VFU_C_PAYLOAD_SIZE, -EINVAL);
	if (m->fds->n > cmd->max_fds)
		return vfu_refuse(stats, VFU_C_FDS_COUNT, -EINVAL);
	*out = cmd;
	return 0;
}

static void handle_reply(struct vfu_conn *c, const struct vfu_message *m)
{
	if (c->negotiated && !m->fds->n &&
	    !(m->flags & ~(uint32_t)(VFU_FLAG_TYPE_MASK | VFU_FLAG_ERROR))) {
		vfu_dma_msgs_reply(&c->dev->msgs, m);
		return;
	}
	vfu_conn_reply(c, m, -EINVAL, NULL, 0);
	vfu_conn_drop(c, VFU_C_REPLY_UNEXPECTED);
}

void vfu_request(struct vfu_conn *c, const struct vfu_message *m)
{
	struct vfu_call call = { .dev = c->dev, .conn = c, .m = m };
	const struct vfu_command *cmd = NULL;
	int ret;

	switch (m->flags & VFU_FLAG_TYPE_MASK) {
	case VFU_FLAG_COMMAND:
		break;
	case VFU_FLAG_REPLY:
		handle_reply(c, m);
		return;
	default:
		vfu_conn_drop(c, VFU_C_HEADER_TYPE);
		return;
	}
	ret = check_message(&call, &cmd);
	if (!ret)
		ret = cmd->handle(&call);
	if (!(m->flags & VFU_FLAG_NO_REPLY))
		vfu_conn_reply(c, m, ret, c->dev->reply, call.reply_bytes);
	else if (ret)
		vfu_count(&c->dev->stats, VFU_C_POSTED_REFUSED);
}
