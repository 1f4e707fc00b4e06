// SPDX-License-Identifier: MIT OR GPL-2.0
/* GPADLs: lists of our pages, made known to the host under a handle, taken back when it has let go. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

/* The range buffer's length is a u16: 8 bytes of range header, then 8 per page. */
#define MAX_PAGES	((U16_MAX - 8) / 8)
/* What one message holds: GPADL_HEADER has 28 bytes before its page frames, GPADL_BODY 16. */
#define HEADER_PAGES	((HVB_PAYLOAD_BYTES - 28) / 8)
#define BODY_PAGES	((HVB_PAYLOAD_BYTES - 16) / 8)

/* One range, from the start of its first page on. */
struct gpadl_header {
	struct vmbus_channel_message_header header;
	u32 child_relid;
	u32 gpadl;
	u16 range_buflen;
	u16 rangecount;
	u32 byte_count;
	u32 byte_offset;
	u64 pfns[HEADER_PAGES];
} __packed;

struct gpadl_body {
	struct vmbus_channel_message_header header;
	u32 msgnumber;		/* not used by any host */
	u32 gpadl;
	u64 pfns[BODY_PAGES];
} __packed;

static_assert(offsetof(struct gpadl_header, pfns) == 28);
static_assert(offsetof(struct gpadl_body, pfns) == 16);

static int post_list(struct vmbus_channel *channel, hvb_pfn_fn pfn, const void *memory, u32 bytes, u32 handle)
{
	u32 pages = bytes / HV_HYP_PAGE_SIZE, page, n = min_t(u32, pages, HEADER_PAGES), i;
	struct gpadl_header header = {
		.header.msgtype = CHANNELMSG_GPADL_HEADER,
		.child_relid = channel->offermsg.child_relid,
		.gpadl = handle,
		.range_buflen = 8 + 8 * pages,
		.rangecount = 1,
		.byte_count = bytes,
	};
	struct gpadl_body body = {
		.header.msgtype = CHANNELMSG_GPADL_BODY,
		.gpadl = handle,
	};
	int err;

	for (i = 0; i < n; i++)
		header.pfns[i] = pfn(memory, i);
	err = hvb_post(&header, offsetof(struct gpadl_header, pfns) + 8 * n);

	for (page = n; page < pages && !err; page += n) {
		n = min_t(u32, pages - page, BODY_PAGES);
		for (i = 0; i < n; i++)
			body.pfns[i] = pfn(memory, page + i);
		err = hvb_post(&body, offsetof(struct gpadl_body, pfns) + 8 * n);
	}
	return err;
}

int hvb_gpadl_create(struct vmbus_channel *channel, hvb_pfn_fn pfn, const void *memory, u32 bytes, u32 *handle)
{
	u32 new_handle = atomic_inc_return(&hvb.next_gpadl) - 1;
	struct hvb_waiter *w;
	int err;

	if (!bytes || bytes % HV_HYP_PAGE_SIZE || bytes / HV_HYP_PAGE_SIZE > MAX_PAGES)
		return -EINVAL;
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	err = hvb_waiter_add(w, channel, CHANNELMSG_GPADL_CREATED, new_handle);
	if (err)
		goto out;
	err = post_list(channel, pfn, memory, bytes, new_handle);
	if (err) {
		hvb_waiter_cancel(w);
		goto out;
	}
	err = hvb_wait(w, 0);
	if (!err && hvb_payload_u32(w->reply, 16)) {
		pr_err("channel %u: the host refuses %u bytes of memory: status 0x%x\n",
		       channel->offermsg.child_relid, bytes, hvb_payload_u32(w->reply, 16));
		err = -EDQUOT;
	}
	if (!err)
		*handle = new_handle;
out:
	kfree(w);
	return err;
}

static u64 pfn_of_buffer(const void *memory, u32 page)
{
	const u8 *at = (const u8 *)memory + (unsigned long)page * HV_HYP_PAGE_SIZE;

	return is_vmalloc_addr(at) ? vmalloc_to_pfn(at) : virt_to_phys((void *)at) >> HV_HYP_PAGE_SHIFT;
}

int vmbus_establish_gpadl(struct vmbus_channel *channel, void *kbuffer, u32 size, struct vmbus_gpadl *gpadl)
{
	u32 handle;
	int err;

	if (!PAGE_ALIGNED((unsigned long)kbuffer))
		return -EINVAL;
	err = hvb_gpadl_create(channel, pfn_of_buffer, kbuffer, size, &handle);
	if (err)
		return err;
	gpadl->gpadl_handle = handle;
	gpadl->buffer = kbuffer;
	gpadl->size = size;
	gpadl->decrypted = false;
	return 0;
}

/* 0 once the host has let go; that it does by the rescind itself. */
int vmbus_teardown_gpadl(struct vmbus_channel *channel, struct vmbus_gpadl *gpadl)
{
	struct vmbus_channel_gpadl_teardown msg = {
		.header.msgtype = CHANNELMSG_GPADL_TEARDOWN,
		.child_relid = channel->offermsg.child_relid,
		.gpadl = gpadl->gpadl_handle,
	};
	struct hvb_waiter *w;
	int err;

	if (!gpadl->gpadl_handle)
		return 0;
	w = kmalloc(sizeof(*w), GFP_KERNEL | __GFP_NOFAIL);
	err = hvb_waiter_add(w, channel, CHANNELMSG_GPADL_TORNDOWN, gpadl->gpadl_handle);
	if (!err) {
		err = hvb_post(&msg, sizeof(msg));
		if (err)
			hvb_waiter_cancel(w);
		else
			err = hvb_wait(w, 0);
	}
	kfree(w);
	gpadl->gpadl_handle = 0;
	/* A host that is gone, or took the channel back, holds nothing any more. */
	return err == -ENODEV ? 0 : err;
}
