/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * netvsc.ko: a Linux NIC on a VMBus channel, the core (netvsc/netvsc.h) doing the talking. It uses
 * the kernel's hv_vmbus API alone, so it runs on hvnet_vmbus.ko and on a real Hyper-V.
 *
 * A session (netvsc_session.c) is an open channel with its buffers and a core that is RUNNING. It
 * is opened by probe and lives until remove; a new MTU, a resume or a transmit timeout closes it
 * and opens another. Interface up and down only change the packet filter.
 *
 * Locks, in this order:
 *   rtnl		the network stack's, where it holds it
 *   session_lock	mutex: opens and closes sessions and runs the core's control part; held for round trips to the host
 *   queue.tx_lock	spinlock: slots, the batch under construction, the outgoing ring as far as data goes
 *   core_lock		spinlock, also taken in softirq: struct netvsc
 * NAPI runs between session's open and close only; it takes tx_lock and core_lock.
 */
#ifndef HVNET_NETVSC_NIC_H
#define HVNET_NETVSC_NIC_H

#include <linux/etherdevice.h>
#include <linux/hyperv.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>

#include "netvsc/linux/netvsc_compat.h"
#include "netvsc/netvsc.h"

enum {
	NV_QUEUES = 1,			/* the primary channel; sub-channels have their place here */
	NV_RING_BYTES = 64 * HV_HYP_PAGE_SIZE,	/* each way; half of hv_netvsc's: a NIC here has no storm to ride out */
	NV_SECTIONS_MAX = 512,
	NV_PLAIN_SLOTS = 256,		/* packets without a section that may be outstanding */
	NV_HEADER_STRIDE = 128,		/* of the headers of those; a power of two, so none crosses a page */
	NV_MAX_PACKET_BYTES = 24 + 8 * NETVSC_RANGES_MAX + 104,	/* from the host, as hv_netvsc says */
	NV_TX_RANGES = MAX_SKB_FRAGS + 2,	/* header, linear part, fragments */
	NV_TX_PFNS = 128,		/* 64 KiB in fragments that begin anywhere, and then some */
	NV_TX_STOP_PERCENT = 10,	/* free in the outgoing ring: below, stop; above the other, go on */
	NV_TX_WAKE_PERCENT = 20,
	NV_POLL_PACKETS = 1024,		/* packets of any kind in one poll, so that a host cannot keep us there */
};
static_assert((u32)NV_HEADER_STRIDE >= (u32)NETVSC_HEADER_MAX_BYTES, "a header fits");

struct nv_nic;

/*
 * A GPA-direct descriptor as vmbus_sendpacket_mpb_desc() takes it: a header, then ranges of
 * differing length.
 */
struct nv_desc {
	u8 bytes[sizeof(struct vmbus_packet_mpb_array) + NV_TX_RANGES * sizeof(struct hv_mpb_array) +
		 NV_TX_PFNS * sizeof(u64)] __aligned(8);
};

/* What the kernel counts beside the core's numbers. */
struct nv_counters {
	u64 rx_no_memory, rx_closed;	/* frames dropped: no skb; interface down */
	u64 rx_completion_lost;		/* more receive packets outstanding than a host can have */
	u64 tx_dropped;			/* skbs that could not be described */
	u64 tx_busy;			/* ring or slots full when a frame came */
	u64 tx_copied, tx_direct;	/* frames through a section; frames in place */
	u64 tx_wakes;
	u64 tx_ring_full;		/* a packet had to wait for room */
};

/* One channel. */
struct nv_queue {
	struct nv_nic *nic;
	struct vmbus_channel *channel;
	struct napi_struct napi;
	unsigned int index;

	/* NAPI's own */
	struct netvsc_stats rx_stats;
	u64 *owed;			/* receive packets whose completion found no room: a FIFO */
	u32 owed_size, owed_head, owed_count;

	spinlock_t tx_lock;
	bool tx_open;			/* a session is running */
	bool tx_stopped;		/* we stopped the stack's queue, for want of room */
	bool batch_stuck;		/* the ring had no room for the batch */
	struct netvsc_tx tx;
	struct netvsc_stats tx_stats;
	struct netvsc_slot *slots;	/* NV_SECTIONS_MAX + NV_PLAIN_SLOTS of them */
	struct netvsc_batch batch;	/* valid while batch_slot is one */
	u16 batch_slot;
	void *headers;			/* of packets without a section, NV_HEADER_STRIDE each */
	struct nv_desc desc;
	struct nv_counters counters;
};

struct nv_nic {
	struct net_device *ndev;
	struct hv_device *hdev;
	u32 msg_enable;

	struct mutex session_lock;
	bool session_open;
	bool removing;
	struct netvsc_out out;		/* session_lock */
	void *control;			/* a page for control messages */
	void *receive, *send;		/* buffers, vmalloc */
	u32 receive_bytes, send_bytes;
	struct vmbus_gpadl receive_gpadl, send_gpadl;

	spinlock_t core_lock;
	struct netvsc core;
	atomic_t events;		/* goes up whenever the host said something to the core */
	wait_queue_head_t wait;		/* for that */

	struct work_struct control_work;	/* carries out goals that were set where one cannot sleep */
	struct work_struct reset_work;
	struct delayed_work link_work;	/* ends the pause after "network changed" */

	struct nv_queue queue[NV_QUEUES];
};

/* netvsc_session.c */
int nv_session_alloc(struct nv_nic *nic);
void nv_session_free(struct nv_nic *nic);
/* session_lock held. mtu without the Ethernet header. Fails with everything closed. */
int nv_session_open(struct nv_nic *nic, u32 mtu);
void nv_session_close(struct nv_nic *nic);
/* Carries out the goals; session_lock held. 0, or why the host does not do it. */
int nv_session_settle(struct nv_nic *nic);
/* Runs the request that was just queued and returns its NDIS status; session_lock held. */
int nv_session_request(struct nv_nic *nic, u32 *status);
void nv_update_link(struct nv_nic *nic);

/* netvsc_rx.c */
void nv_channel_event(void *context);
int nv_poll(struct napi_struct *napi, int budget);

/* netvsc_tx.c */
netdev_tx_t nv_xmit(struct sk_buff *skb, struct net_device *ndev);
/* A completion with the id of a slot arrived; adds to frames and done_bytes what it was about. */
void nv_tx_complete(struct nv_queue *q, u64 id, const void *payload, u32 bytes, int budget, u32 *frames, u32 *done_bytes);
/*
 * After completions: sends what waits, wakes the stack. true: something is still stuck and nobody
 * will call.
 */
bool nv_tx_resume(struct nv_queue *q);
void nv_tx_start(struct nv_queue *q);
/* No further transmits; what is under construction is dropped. */
void nv_tx_stop(struct nv_queue *q);
/* Frees what the host still had; the channel is closed. */
void nv_tx_forget(struct nv_queue *q);

/* netvsc_ethtool.c */
extern const struct ethtool_ops nv_ethtool_ops;

#endif
