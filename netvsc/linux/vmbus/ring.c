// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * A channel's rings: memory, and the rules of writing, reading and signalling. The host may write anything into
 * the shared pages at any time: our own indices are kept privately, its are read once per decision and
 * checked. Drivers read indices with <linux/hyperv.h>'s inline functions too, so the shared copies are kept true.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "hvnet_vmbus.h"

#define FOOTER_BYTES	8	/* behind each packet: where it starts, in the upper half */

/* ---- memory ---- */

/* Control page, data area, and the data area again, so that no packet is ever split. */
static struct hv_ring_buffer *map_twice(struct page **pages, u32 n)
{
	struct page **twice = kvmalloc_array(2 * n - 1, sizeof(*twice), GFP_KERNEL);
	void *base;

	if (!twice)
		return NULL;
	memcpy(twice, pages, n * sizeof(*twice));
	memcpy(twice + n, pages + 1, (n - 1) * sizeof(*twice));
	base = vmap(twice, 2 * n - 1, VM_MAP, PAGE_KERNEL);
	kvfree(twice);
	return base;
}

static int init_ring(struct hv_ring_buffer_info *ring, struct page **pages, u32 n)
{
	ring->ring_buffer = map_twice(pages, n);
	if (!ring->ring_buffer)
		return -ENOMEM;
	/* The pages are zero, so are the indices. We know how to wait for room and to be waited for. */
	ring->ring_buffer->feature_bits.value = 1;
	ring->ring_size = n * PAGE_SIZE;
	ring->ring_size_div10_reciprocal = reciprocal_value(ring->ring_size / 10);
	ring->ring_datasize = ring->ring_size - PAGE_SIZE;
	ring->priv_read_index = 0;
	spin_lock_init(&ring->ring_lock);
	return 0;
}

static void exit_ring(struct hv_ring_buffer_info *ring)
{
	/* Against a reader of sysfs. */
	mutex_lock(&ring->ring_buffer_mutex);
	vunmap(ring->ring_buffer);
	ring->ring_buffer = NULL;
	mutex_unlock(&ring->ring_buffer_mutex);
	kfree(ring->pkt_buffer);
	ring->pkt_buffer = NULL;
	ring->pkt_buffer_size = 0;
}

void hvb_ring_free(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	u32 i;

	exit_ring(&channel->outbound);
	exit_ring(&channel->inbound);
	for (i = 0; i < channel->ringbuffer_pagecount && hc->ring_pages; i++) {
		if (hc->ring_pages[i])
			__free_page(hc->ring_pages[i]);
	}
	kvfree(hc->ring_pages);
	hc->ring_pages = NULL;
	channel->ringbuffer_pagecount = 0;
}

int hvb_ring_alloc(struct vmbus_channel *channel, u32 send_pages, u32 receive_pages)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	u32 n = send_pages + receive_pages, i;
	int node = cpu_to_node(channel->target_cpu);
	int err = -ENOMEM;

	hc->write_index = 0;
	hc->released_index = 0;
	hc->inbound_corrupt = false;
	channel->ringbuffer_send_offset = send_pages;
	channel->ringbuffer_pagecount = n;
	hc->ring_pages = kvcalloc(n, sizeof(*hc->ring_pages), GFP_KERNEL);
	if (!hc->ring_pages)
		goto failed;
	for (i = 0; i < n; i++) {
		hc->ring_pages[i] = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
		if (!hc->ring_pages[i])
			goto failed;
	}
	channel->inbound.pkt_buffer_size = channel->max_pkt_size ?: VMBUS_DEFAULT_MAX_PKT_SIZE;
	channel->inbound.pkt_buffer = kzalloc(channel->inbound.pkt_buffer_size, GFP_KERNEL);
	if (!channel->inbound.pkt_buffer)
		goto failed;
	err = init_ring(&channel->outbound, hc->ring_pages, send_pages);
	if (!err)
		err = init_ring(&channel->inbound, hc->ring_pages + send_pages, receive_pages);
	if (!err)
		return 0;
failed:
	hvb_ring_free(channel);
	return err;
}

/* ---- signals ---- */

void vmbus_setevent(struct vmbus_channel *channel)
{
	++channel->sig_events;
	if (!channel->is_dedicated_interrupt)
		set_bit(channel->offermsg.child_relid,
			(unsigned long *)(hvb.interrupt_page + PAGE_SIZE / 2));
	hvb_signal(channel->sig_event);
}

/* ---- writing ---- */

/* Bytes from index a forward to index b. */
static u32 distance(u32 a, u32 b, u32 size)
{
	return b >= a ? b - a : size - a + b;
}

/* The ring's lock is held. Never fills the last 8 bytes: a full ring would look like an empty one. */
static int room_for(struct vmbus_channel *channel, u32 bytes)
{
	struct hv_ring_buffer_info *ring = &channel->outbound;
	u32 write = to_hvb_channel(channel)->write_index;
	u32 read = virt_load_acquire(&ring->ring_buffer->read_index);
	u32 used;

	if (read >= ring->ring_datasize || read % 8)
		return -EIO;
	used = distance(read, write, ring->ring_datasize);
	if (bytes < ring->ring_datasize - used) {
		channel->out_full_flag = false;
		return 0;
	}
	++channel->out_full_total;
	if (!channel->out_full_flag) {
		++channel->out_full_first;
		channel->out_full_flag = true;
	}
	return -EAGAIN;
}

/*
 * The packet is visible. The host is signalled if the ring was empty for it, unless it polls: a host that sleeps
 * unmasks, passes a full barrier, and looks at our index again, so either it sees the packet or we see the mask off.
 */
static void signal_written(struct vmbus_channel *channel, u32 old_write)
{
	struct hv_ring_buffer *ring = channel->outbound.ring_buffer;

	virt_mb();	/* index before mask */
	if (READ_ONCE(ring->interrupt_mask))
		return;
	virt_rmb();	/* mask before the host's index */
	if (READ_ONCE(ring->read_index) == old_write) {
		++channel->intr_out_empty;
		vmbus_setevent(channel);
	}
}

static u64 take_id(struct vmbus_channel *channel, const struct vmpacket_descriptor *desc, u64 id)
{
	if (!(desc->flags & VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED) || !channel->next_request_id_callback)
		return VMBUS_NO_RQSTOR;
	return channel->next_request_id_callback(channel, id);
}

/*
 * What a writer gets on a channel that was taken back. A completion counts as sent, since nobody waits for it: hv_netvsc
 * would try it again for ever, in its NAPI poll.
 */
static int rescinded_result(const struct vmpacket_descriptor *desc)
{
	return desc->type == VM_PKT_COMP ? 0 : -ENODEV;
}

int hvb_ring_write(struct vmbus_channel *channel, const struct kvec *parts, unsigned int n, u64 id,
		   u64 *transaction_id)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	struct hv_ring_buffer_info *ring = &channel->outbound;
	u32 total = FOOTER_BYTES, start, size = ring->ring_datasize;
	u64 table_id, footer;
	unsigned long flags;
	unsigned int i;
	u8 *to;
	int err;

	if (READ_ONCE(channel->rescind))
		return rescinded_result(parts[0].iov_base);
	for (i = 0; i < n; i++)
		total += parts[i].iov_len;

	spin_lock_irqsave(&ring->ring_lock, flags);
	err = room_for(channel, total);
	if (err)
		goto out;
	table_id = take_id(channel, parts[0].iov_base, id);
	if (table_id == VMBUS_RQST_ERROR) {
		err = -EAGAIN;
		goto out;
	}

	start = hc->write_index;
	to = ring->ring_buffer->buffer + start;
	for (i = 0; i < n; i++) {
		memcpy(to, parts[i].iov_base, parts[i].iov_len);
		to += parts[i].iov_len;
	}
	footer = (u64)start << 32;
	memcpy(to, &footer, sizeof(footer));
	if (table_id != VMBUS_NO_RQSTOR) {
		hvb_abort_note(channel, table_id, parts[1].iov_base, parts[1].iov_len);
		id = table_id;
	}
	((struct vmpacket_descriptor *)(ring->ring_buffer->buffer + start))->trans_id = id;
	if (transaction_id)
		*transaction_id = id;

	hc->write_index = start + total < size ? start + total : start + total - size;
	virt_store_release(&ring->ring_buffer->write_index, hc->write_index);	/* publishes the packet */
	spin_unlock_irqrestore(&ring->ring_lock, flags);

	signal_written(channel, start);
	/*
	 * The host will not complete it: it was not sent. Unless its id is free already, for then its completion
	 * has been read, the host's or abort.c's, and the caller must not free what went with it again.
	 */
	if (!READ_ONCE(channel->rescind))
		return 0;
	if (table_id != VMBUS_NO_RQSTOR && channel->request_addr_callback &&
	    channel->request_addr_callback(channel, table_id) == VMBUS_RQST_ERROR)
		return 0;
	return rescinded_result(parts[0].iov_base);
out:
	spin_unlock_irqrestore(&ring->ring_lock, flags);
	return err;
}

/* ---- reading ---- */

/*
 * The host broke the ring. All of it is thrown away, now and ever after, and the shared read index follows the
 * write index, whatever that is: so the ring looks empty to a driver that polls it.
 */
static void discard_all(struct vmbus_channel *channel, u32 write)
{
	struct hvb_channel *hc = to_hvb_channel(channel);

	if (!hc->inbound_corrupt)
		pr_err("channel %u: the host's ring is corrupt (read %u, write %u of %u); it is read no more\n",
		       channel->offermsg.child_relid, channel->inbound.priv_read_index, write,
		       channel->inbound.ring_datasize);
	hc->inbound_corrupt = true;
	WRITE_ONCE(channel->inbound.ring_buffer->read_index, write);
}

struct vmpacket_descriptor *hv_pkt_iter_first(struct vmbus_channel *channel)
{
	struct hv_ring_buffer_info *ring = &channel->inbound;
	const struct vmpacket_descriptor *shared;
	struct vmpacket_descriptor *copy = ring->pkt_buffer;
	u32 read = ring->priv_read_index, write, available, bytes, offset;

	write = virt_load_acquire(&ring->ring_buffer->write_index);	/* pairs with the host's publishing */
	if (to_hvb_channel(channel)->inbound_corrupt || write >= ring->ring_datasize || write % 8)
		goto corrupt;
	available = distance(read, write, ring->ring_datasize);
	if (!available)
		return READ_ONCE(channel->rescind) ? hvb_abort_next(channel) : NULL;
	if (available < sizeof(*shared) + FOOTER_BYTES)
		goto corrupt;

	shared = (const void *)(ring->ring_buffer->buffer + read);
	bytes = READ_ONCE(shared->len8) * 8;
	offset = READ_ONCE(shared->offset8) * 8;
	if (offset < sizeof(*shared) || offset > bytes || bytes > available - FOOTER_BYTES ||
	    bytes > ring->pkt_buffer_size)
		goto corrupt;
	/* From here on only the copy counts; its lengths are those that were checked. */
	memcpy(copy, shared, bytes);
	copy->len8 = bytes / 8;
	copy->offset8 = offset / 8;
	return copy;
corrupt:
	discard_all(channel, write);
	return READ_ONCE(channel->rescind) ? hvb_abort_next(channel) : NULL;
}

struct vmpacket_descriptor *__hv_pkt_iter_next(struct vmbus_channel *channel, const struct vmpacket_descriptor *pkt)
{
	struct hv_ring_buffer_info *ring = &channel->inbound;
	u32 next = ring->priv_read_index + pkt->len8 * 8 + FOOTER_BYTES;

	if (to_hvb_channel(channel)->reading_abort)
		to_hvb_channel(channel)->reading_abort = false;
	else
		ring->priv_read_index = next < ring->ring_datasize ? next : next - ring->ring_datasize;
	return hv_pkt_iter_first(channel);
}

/*
 * Gives the room of what was read back, and wakes a host that waits for as much. It stores how much it needs, passes a
 * full barrier and looks at our index again: either it sees the room or we see the need. Signalled once, when the room
 * passes the need.
 */
void hv_pkt_iter_close(struct vmbus_channel *channel)
{
	struct hvb_channel *hc = to_hvb_channel(channel);
	struct hv_ring_buffer_info *ring = &channel->inbound;
	u32 size = ring->ring_datasize, read = ring->priv_read_index, pending, write, free_old, free_new;

	if (hc->inbound_corrupt)
		return;
	virt_store_release(&ring->ring_buffer->read_index, read);
	if (hc->released_index == read)
		return;
	free_old = hc->released_index;
	hc->released_index = read;
	if (!(READ_ONCE(ring->ring_buffer->feature_bits.value) & 1))
		return;

	virt_mb();	/* our index before the host's need */
	pending = READ_ONCE(ring->ring_buffer->pending_send_sz);
	if (!pending)
		return;
	virt_rmb();	/* the need before the host's index */
	write = READ_ONCE(ring->ring_buffer->write_index);
	if (write >= size)
		return;
	/* Both without the 8 bytes that are never filled. */
	free_old = size - distance(free_old, write, size) - 8;
	free_new = size - distance(read, write, size) - 8;
	if (free_old < pending && free_new >= pending) {
		++channel->intr_in_full;
		vmbus_setevent(channel);
	}
}

/* ---- state, for sysfs ---- */

int hv_ringbuffer_get_debuginfo(struct hv_ring_buffer_info *ring_info, struct hv_ring_buffer_debug_info *debug_info)
{
	struct hv_ring_buffer *ring;
	int err = -EINVAL;
	u32 used;

	mutex_lock(&ring_info->ring_buffer_mutex);
	ring = ring_info->ring_buffer;
	if (ring) {
		debug_info->current_interrupt_mask = READ_ONCE(ring->interrupt_mask);
		debug_info->current_read_index = READ_ONCE(ring->read_index);
		debug_info->current_write_index = READ_ONCE(ring->write_index);
		used = distance(debug_info->current_read_index, debug_info->current_write_index,
				ring_info->ring_datasize);
		debug_info->bytes_avail_toread = used;
		debug_info->bytes_avail_towrite = ring_info->ring_datasize - used;
		err = 0;
	}
	mutex_unlock(&ring_info->ring_buffer_mutex);
	return err;
}

bool hv_ringbuffer_spinlock_busy(struct vmbus_channel *channel)
{
	return spin_is_locked(&channel->outbound.ring_lock);
}
