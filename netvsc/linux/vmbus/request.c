// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Transaction ids: a table of what the driver wants back with a completion, so that the host gets indices and not
 * pointers. An id is index + 1, for hosts do not answer id 0. A free entry holds the index of the next free one.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "hvnet_vmbus.h"

int hvb_requestor_alloc(struct vmbus_requestor *requestor, u32 size)
{
	u32 i;

	spin_lock_init(&requestor->req_lock);
	requestor->req_arr = NULL;
	requestor->req_bitmap = NULL;
	requestor->size = 0;
	requestor->next_request_id = 0;
	if (!size)
		return 0;

	requestor->req_arr = kvmalloc_array(size, sizeof(*requestor->req_arr), GFP_KERNEL);
	requestor->req_bitmap = bitmap_zalloc(size, GFP_KERNEL);
	if (!requestor->req_arr || !requestor->req_bitmap) {
		hvb_requestor_free(requestor);
		return -ENOMEM;
	}
	for (i = 0; i < size; i++)
		requestor->req_arr[i] = i + 1;
	requestor->size = size;
	return 0;
}

void hvb_requestor_free(struct vmbus_requestor *requestor)
{
	kvfree(requestor->req_arr);
	bitmap_free(requestor->req_bitmap);
	requestor->req_arr = NULL;
	requestor->req_bitmap = NULL;
	requestor->size = 0;
}

u64 vmbus_next_request_id(struct vmbus_channel *channel, u64 rqst_addr)
{
	struct vmbus_requestor *requestor = &channel->requestor;
	unsigned long flags;
	u64 i;

	if (!requestor->size)
		return VMBUS_NO_RQSTOR;
	spin_lock_irqsave(&requestor->req_lock, flags);
	i = requestor->next_request_id;
	if (i >= requestor->size) {
		spin_unlock_irqrestore(&requestor->req_lock, flags);
		return VMBUS_RQST_ERROR;
	}
	requestor->next_request_id = requestor->req_arr[i];
	requestor->req_arr[i] = rqst_addr;
	__set_bit(i, requestor->req_bitmap);
	spin_unlock_irqrestore(&requestor->req_lock, flags);
	return i + 1;
}

/* The requestor's lock is held. The id comes from the host: it may be anything. */
u64 __vmbus_request_addr_match(struct vmbus_channel *channel, u64 trans_id, u64 rqst_addr)
{
	struct vmbus_requestor *requestor = &channel->requestor;
	u64 i = trans_id - 1, value;

	if (!requestor->size)
		return VMBUS_NO_RQSTOR;
	if (!trans_id || i >= requestor->size || !test_bit(i, requestor->req_bitmap))
		return VMBUS_RQST_ERROR;
	value = requestor->req_arr[i];
	if (rqst_addr == VMBUS_RQST_ADDR_ANY || rqst_addr == value) {
		__clear_bit(i, requestor->req_bitmap);
		requestor->req_arr[i] = requestor->next_request_id;
		requestor->next_request_id = i;
	}
	return value;
}

u64 vmbus_request_addr_match(struct vmbus_channel *channel, u64 trans_id, u64 rqst_addr)
{
	unsigned long flags;
	u64 value;

	lock_requestor(channel, flags);
	value = __vmbus_request_addr_match(channel, trans_id, rqst_addr);
	unlock_requestor(channel, flags);
	return value;
}

u64 vmbus_request_addr(struct vmbus_channel *channel, u64 trans_id)
{
	return vmbus_request_addr_match(channel, trans_id, VMBUS_RQST_ADDR_ANY);
}
