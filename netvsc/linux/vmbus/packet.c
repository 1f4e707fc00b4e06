// SPDX-License-Identifier: MIT OR GPL-2.0
/* Packets: from a driver's buffers into the ring, and from the ring into a driver's buffer. */
#include <linux/uio.h>

#include "hvnet_vmbus.h"

static const u8 zeros[8];

/* Descriptor (with the ranges behind it), payload, zeros up to a multiple of 8. */
static int send(struct vmbus_channel *channel, void *desc, u32 desc_bytes, void *buffer, u32 bytes, u64 id,
		u64 *transaction_id)
{
	u32 total = desc_bytes + bytes, padded = ALIGN(total, 8);
	struct kvec parts[] = {
		{ .iov_base = desc, .iov_len = desc_bytes },
		{ .iov_base = buffer, .iov_len = bytes },
		{ .iov_base = (void *)zeros, .iov_len = padded - total },
	};
	struct vmpacket_descriptor *d = desc;

	if (padded / 8 > U16_MAX)
		return -EMSGSIZE;
	d->len8 = padded / 8;
	return hvb_ring_write(channel, parts, ARRAY_SIZE(parts), id, transaction_id);
}

int vmbus_sendpacket_getid(struct vmbus_channel *channel, void *buffer, u32 bufferlen, u64 requestid,
			   u64 *trans_id, enum vmbus_packet_type type, u32 flags)
{
	struct vmpacket_descriptor desc = {
		.type = type,
		.offset8 = sizeof(desc) / 8,
		.flags = flags,
		.trans_id = VMBUS_RQST_ERROR,	/* the ring's writer sets it */
	};

	return send(channel, &desc, sizeof(desc), buffer, bufferlen, requestid, trans_id);
}

int vmbus_sendpacket(struct vmbus_channel *channel, void *buffer, u32 bufferlen, u64 requestid,
		     enum vmbus_packet_type type, u32 flags)
{
	return vmbus_sendpacket_getid(channel, buffer, bufferlen, requestid, NULL, type, flags);
}

/* The caller has filled in the ranges and their count. */
int vmbus_sendpacket_mpb_desc(struct vmbus_channel *channel, struct vmbus_packet_mpb_array *desc, u32 desc_size,
			      void *buffer, u32 bufferlen, u64 requestid)
{
	if (desc_size < sizeof(*desc) || desc_size % 8)
		return -EINVAL;
	desc->type = VM_PKT_DATA_USING_GPA_DIRECT;
	desc->flags = VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED;
	desc->dataoffset8 = desc_size / 8;
	desc->transactionid = VMBUS_RQST_ERROR;
	desc->reserved = 0;
	return send(channel, desc, desc_size, buffer, bufferlen, requestid, NULL);
}

/* One packet, or none (length 0). -ENOBUFS leaves it in the ring and tells its length. */
static int receive(struct vmbus_channel *channel, void *buffer, u32 bufferlen, u32 *actual, u64 *requestid, bool raw)
{
	const struct vmpacket_descriptor *desc;
	u32 skip, bytes;

	*actual = 0;
	*requestid = 0;
	if (!bufferlen)
		return -EINVAL;
	desc = hv_pkt_iter_first(channel);
	if (!desc)
		return 0;
	skip = raw ? 0 : desc->offset8 * 8;
	bytes = desc->len8 * 8 - skip;
	*actual = bytes;
	*requestid = desc->trans_id;
	if (bytes > bufferlen)
		return -ENOBUFS;
	memcpy(buffer, (const u8 *)desc + skip, bytes);
	__hv_pkt_iter_next(channel, desc);
	hv_pkt_iter_close(channel);
	return 0;
}

int vmbus_recvpacket(struct vmbus_channel *channel, void *buffer, u32 bufferlen, u32 *buffer_actual_len,
		     u64 *requestid)
{
	return receive(channel, buffer, bufferlen, buffer_actual_len, requestid, false);
}

int vmbus_recvpacket_raw(struct vmbus_channel *channel, void *buffer, u32 bufferlen, u32 *buffer_actual_len,
			 u64 *requestid)
{
	return receive(channel, buffer, bufferlen, buffer_actual_len, requestid, true);
}
