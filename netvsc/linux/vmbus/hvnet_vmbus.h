/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * hvnet_vmbus.ko: VMBus over the bridge, the PCI function of docs/bridge.md, with the kernel API of the stock
 * hv_vmbus (<linux/hyperv.h>), so that drivers of VMBus devices bind to it as they are.
 *
 *   bridge.c      the PCI function: registers, virtual processors (VPs), interrupts, event flags
 *   message.c     control messages: post with back-pressure, the message slot, waiting for answers
 *   connection.c  contact, offers' request, unload (also in a panic)
 *   offer.c       offers and rescinds, the life of channels
 *   channel.c     open, close, callbacks; gpadl.c: memory shared with the host
 *   ring.c        the two rings; packet.c: packets written to and read from them; request.c: transaction ids
 *   abort.c       the open requests of a NIC that was taken back
 *   device.c      the bus type, its devices and drivers, sysfs
 *   export_*.c    EXPORT_SYMBOL lines only, with the includes that give the kernel's own CRCs
 *
 * Contexts. A VP's interrupt takes its event flags (channel callbacks run there) and its message slot. Answers
 * wake their waiter at once; OFFERCHANNEL and RESCIND go, in order, through a FIFO to control_work, which never waits
 * for a driver or for the host. What may wait has ordered queues of its own: probing of primary channels, opening of
 * sub-channels, removal. Sub-channels apart from primaries, because a driver may hold the RTNL while it waits for its
 * sub-channels, and another's probe may wait for the RTNL. The interrupt marks a rescinded channel and wakes
 * its waiters, since whoever is to remove it may be waiting for them.
 *
 * Locks, outermost first: hvb.channel_mutex (channels' lists and state); a VP's message_lock; hvb.lock (table of
 * channels by id, waiters, FIFO). Apart from these: channel.sched_lock (callback); ring_lock, then req_lock.
 */
#ifndef HVNET_VMBUS_MODULE_H
#define HVNET_VMBUS_MODULE_H

#include <linux/completion.h>
#include <linux/hyperv.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include "vmbus/bridge_wire.h"

#define HVB_CHANNELS		2048	/* event flags of a SINT: channel ids 1 ... 2047 */
#define HVB_PAYLOAD_BYTES	240	/* of a SynIC message */
#define HVB_VMBUS_SINT		2
#define HVB_FIFO_MESSAGES	32	/* our policy; a full FIFO holds the message slot, so the host waits */

/* HV_STATUS, the part that we tell apart */
#define HVB_STATUS_SUCCESS		0
#define HVB_STATUS_INSUFFICIENT_MEMORY	11
#define HVB_STATUS_INVALID_CONNECTION	18
#define HVB_STATUS_INSUFFICIENT_BUFFERS	19

/* Connection ids of the host's fixed ports */
#define HVB_CONNECTION_MESSAGE		1
#define HVB_CONNECTION_MULTICLIENT	4	/* INITIATE_CONTACT from version 5.0 on */

/* One slot of the message page [TLFS HV_MESSAGE]. */
struct hvb_message {
	u32 type;		/* 0: the slot is free; 1: VMBus */
	u8 payload_bytes;
	u8 flags;		/* bit 0: another message waits, tell by EOM */
	u16 reserved;
	u64 origin;
	u8 payload[HVB_PAYLOAD_BYTES];
};

#define HVB_MESSAGE_TYPE_VMBUS	1
#define HVB_MESSAGE_PENDING	1

/* HvPostMessage's input block [TLFS]. */
struct hvb_post_message {
	u32 connection_id;
	u32 reserved;
	u32 message_type;
	u32 payload_bytes;
	u8 payload[HVB_PAYLOAD_BYTES];
};

/* A virtual processor: vector and register block of the same number, served by one CPU. */
struct hvb_vp {
	unsigned int index;
	unsigned int cpu;
	unsigned int channels;		/* that have it as target; hvb.channel_mutex */
	int irq;
	bool has_irq;
	struct hvb_message *message_page; /* owned */
	u64 *event_page;		/* owned */
	spinlock_t message_lock;	/* one taker of the message slot at a time */
	char name[32];
};

/* What drivers see of a channel, and what they don't. */
struct hvb_channel {
	struct vmbus_channel ch;
	struct hvb_vp *vp;		/* target; borrowed: VPs outlive channels */

	struct page **ring_pages;	/* owned; ch.ringbuffer_pagecount of them, outbound ring first */
	u32 write_index;		/* ours, of the outbound ring: the host can only spoil the shared copy */
	u32 released_index;		/* ours: what the inbound ring's read index was last set to */
	bool inbound_corrupt;		/* everything in it is thrown away from now on */

	u8 *completions;		/* owned; by transaction id - 1: see abort.c. NULL: not a NIC with a table */
	u32 next_abort;			/* index of the id to look at next */
	bool reading_abort;		/* what the reader has now did not come from the ring */

	bool busy;			/* being opened or closed; hvb.channel_mutex */
	struct work_struct rescind_work;
};

/* Waits for one answer of the host. */
struct hvb_waiter {
	struct list_head node;
	struct completion done;
	struct vmbus_channel *channel;	/* whose rescind ends the wait; NULL: none */
	u32 answer;			/* message type ... */
	u32 key;			/* ... and channel id or GPADL handle in it */
	int err;			/* 0 answered; -ENODEV will never be */
	u8 reply[HVB_PAYLOAD_BYTES];	/* zero past the message's end */
};

struct hvb {
	struct pci_dev *pdev;		/* NULL while no bridge is there */
	void __iomem *regs;
	struct hvb_vp *vps;
	unsigned int nr_vps;
	bool synic_on;			/* every VP's pages and interrupt are set up */
	bool dead;			/* the function does not answer any more */

	struct mutex post_mutex;
	struct hvb_post_message *post_block, *panic_block;

	u32 version;			/* negotiated; 0 while there is no connection */
	u32 message_connection;
	u8 *interrupt_page;		/* second half: flags to the host, for channels without their own doorbell */
	atomic_t next_gpadl;

	spinlock_t lock;
	struct list_head waiters;
	struct vmbus_channel __rcu *table[HVB_CHANNELS];
	DECLARE_BITMAP(early_rescind, HVB_CHANNELS); /* rescinded before control_work saw the offer */
	struct {
		u32 bytes;
		u8 payload[HVB_PAYLOAD_BYTES];
	} fifo[HVB_FIFO_MESSAGES];
	unsigned int fifo_in, fifo_out;	/* free-running; hvb.lock */

	struct mutex channel_mutex;
	struct list_head primaries;	/* of vmbus_channel.listentry */

	struct workqueue_struct *control_wq, *primary_wq, *sub_wq, *removal_wq;
	struct work_struct control_work;

	atomic_t devices;		/* hv_devices not yet released */
	wait_queue_head_t no_devices;
};

extern struct hvb hvb;			/* there is one VMBus per machine: the API has no word for a second */

static inline struct hvb_channel *to_hvb_channel(struct vmbus_channel *ch)
{
	return container_of(ch, struct hvb_channel, ch);
}

/* bridge.c */
u32 hvb_post_once(struct hvb_post_message *block);	/* HV_STATUS */
bool hvb_alive(void);			/* asks the function itself; sets hvb.dead */
void hvb_end_of_message(struct hvb_vp *vp);
void hvb_signal(u32 connection_id);
void hvb_synic_stop(void);

/* message.c */
/* -EAGAIN: not accepted in spite of retries; -ENXIO: no such connection (only for contact); -ENODEV: bridge gone. */
int hvb_post(const void *message, size_t bytes);
int hvb_post_contact(u32 connection_id, const void *message, size_t bytes);
void hvb_take_message(struct hvb_vp *vp);
void hvb_control_work(struct work_struct *work);
/* -ENODEV if channel is rescinded already. After success hvb_wait() or hvb_waiter_cancel() must follow. */
int hvb_waiter_add(struct hvb_waiter *w, struct vmbus_channel *channel, u32 answer, u32 key);
void hvb_waiter_cancel(struct hvb_waiter *w);
/* limit_s 0: as long as the bridge lives. 0, -ENODEV, -ETIMEDOUT. */
int hvb_wait(struct hvb_waiter *w, unsigned int limit_s);
void hvb_wake_waiters(struct vmbus_channel *channel);	/* NULL: all; hvb.lock held */
u32 hvb_payload_u32(const u8 *payload, unsigned int offset);

/* connection.c */
int hvb_connect(void);
int hvb_request_offers(void);
void hvb_disconnect(void);
void hvb_panic_init(void);
void hvb_panic_exit(void);

/* offer.c */
void hvb_offer(const u8 *payload);
void hvb_rescind_mark(u32 id);		/* in the interrupt; hvb.lock held */
void hvb_rescind(u32 id);
void hvb_remove_all_channels(void);
void hvb_free_channel(struct vmbus_channel *channel);
void hvb_queue_removal(struct vmbus_channel *channel);

/* channel.c */
void hvb_channel_init(struct vmbus_channel *channel);
void hvb_channel_event(struct vmbus_channel *channel);
void hvb_unbind_channel(struct vmbus_channel *channel);	/* its driver is gone */

/* gpadl.c */
typedef u64 (*hvb_pfn_fn)(const void *memory, u32 page);
int hvb_gpadl_create(struct vmbus_channel *channel, hvb_pfn_fn pfn, const void *memory, u32 bytes, u32 *handle);

/* ring.c */
void hvb_ring_free(struct vmbus_channel *channel);
int hvb_ring_alloc(struct vmbus_channel *channel, u32 send_pages, u32 receive_pages);
int hvb_ring_write(struct vmbus_channel *channel, const struct kvec *parts, unsigned int n, u64 id,
		   u64 *transaction_id);

/* request.c */
int hvb_requestor_alloc(struct vmbus_requestor *requestor, u32 size);
void hvb_requestor_free(struct vmbus_requestor *requestor);

/* abort.c */
int hvb_abort_alloc(struct vmbus_channel *channel);
void hvb_abort_free(struct vmbus_channel *channel);
void hvb_abort_note(struct vmbus_channel *channel, u64 id, const void *payload, size_t bytes);
struct vmpacket_descriptor *hvb_abort_next(struct vmbus_channel *channel);
void hvb_abort_start(struct vmbus_channel *channel);

/* device.c */
int hvb_bus_init(void);
void hvb_bus_exit(void);
struct hv_device *hvb_device_create(struct vmbus_channel *channel);
int hvb_device_add(struct hv_device *dev);

#endif
