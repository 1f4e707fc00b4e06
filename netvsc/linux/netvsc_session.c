// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Sessions: opens the channel, lends the host its buffers, carries out what the core says, and
 * takes all of it back.
 */
#include <linux/delay.h>
#include <linux/vmalloc.h>

#include "netvsc/linux/netvsc_nic.h"

enum {
	NV_ANSWER_TIMEOUT_S = 10,	/* our policy: an emulated guest on a busy machine needs seconds */
	NV_DRAIN_TIMEOUT_MS = 2000,
};

int nv_session_alloc(struct nv_nic *nic)
{
	struct nv_queue *q = &nic->queue[0];

	nic->control = (void *)get_zeroed_page(GFP_KERNEL);
	nic->receive = vzalloc(nic->receive_bytes);
	nic->send = vzalloc(nic->send_bytes);
	/*
	 * A sub-allocation holds a frame of at least 1500 bytes, so this is more than can be
	 * outstanding.
	 */
	q->owed_size = nic->receive_bytes / 1024;
	q->owed = kvcalloc(q->owed_size, sizeof(*q->owed), GFP_KERNEL);
	q->slots = kvcalloc(NV_SECTIONS_MAX + NV_PLAIN_SLOTS, sizeof(*q->slots), GFP_KERNEL);
	q->headers = (void *)__get_free_pages(GFP_KERNEL, get_order(NV_PLAIN_SLOTS * NV_HEADER_STRIDE));
	if (!nic->control || !nic->receive || !nic->send || !q->owed || !q->slots || !q->headers) {
		nv_session_free(nic);
		return -ENOMEM;
	}
	return 0;
}

void nv_session_free(struct nv_nic *nic)
{
	struct nv_queue *q = &nic->queue[0];

	free_pages((unsigned long)q->headers, get_order(NV_PLAIN_SLOTS * NV_HEADER_STRIDE));
	kvfree(q->slots);
	kvfree(q->owed);
	vfree(nic->send);
	vfree(nic->receive);
	free_page((unsigned long)nic->control);
	q->headers = NULL;
	q->slots = NULL;
	q->owed = NULL;
	nic->send = NULL;
	nic->receive = NULL;
	nic->control = NULL;
}

/* ---- carrying out what the core says ---- */

/* The outgoing ring may be full of data; its owner drains it. */
static int nv_send_patiently(struct nv_nic *nic, int (*send)(struct nv_nic *nic))
{
	unsigned long deadline = jiffies + NV_ANSWER_TIMEOUT_S * HZ;
	int ret;

	while ((ret = send(nic)) == -EAGAIN && time_before(jiffies, deadline))
		usleep_range(500, 1000);
	return ret;
}

static int nv_send_message(struct nv_nic *nic)
{
	struct netvsc_out *out = &nic->out;

	return vmbus_sendpacket(nic->hdev->channel, out->message, out->message_bytes,
				out->wants_completion ? NETVSC_ID_REQUEST : VMBUS_RQST_ID_NO_RESPONSE,
				VM_PKT_DATA_INBAND,
				out->wants_completion ? VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED : 0);
}

static int nv_send_control(struct nv_nic *nic)
{
	struct {
		struct vmbus_packet_mpb_array head;
		u64 pfn;
	} __packed desc = {
		.head = {
			.rangecount = 1,
			.range = { .len = nic->out.rndis_bytes, .offset = 0 },
		},
		.pfn = virt_to_hvpfn(nic->control),
	};

	memcpy(nic->control, nic->out.rndis, nic->out.rndis_bytes);
	return vmbus_sendpacket_mpb_desc(nic->hdev->channel, &desc.head, sizeof(desc), nic->out.message,
					 nic->out.message_bytes, NETVSC_ID_CONTROL);
}

static int nv_map_receive(struct nv_nic *nic)
{
	int ret = vmbus_establish_gpadl(nic->hdev->channel, nic->receive, nic->receive_bytes, &nic->receive_gpadl);

	if (ret)
		return ret;
	spin_lock_bh(&nic->core_lock);
	netvsc_receive_mapped(&nic->core, nic->receive_gpadl.gpadl_handle, nic->receive, nic->receive_bytes);
	spin_unlock_bh(&nic->core_lock);
	return 0;
}

static int nv_map_send(struct nv_nic *nic)
{
	int ret = vmbus_establish_gpadl(nic->hdev->channel, nic->send, nic->send_bytes, &nic->send_gpadl);

	if (ret)
		return ret;
	spin_lock_bh(&nic->core_lock);
	netvsc_send_mapped(&nic->core, nic->send_gpadl.gpadl_handle, nic->send_bytes);
	spin_unlock_bh(&nic->core_lock);
	return 0;
}

static bool nv_rings_empty(struct nv_nic *nic)
{
	struct vmbus_channel *channel = nic->hdev->channel;

	return !hv_get_bytes_to_read(&channel->inbound) && !hv_get_bytes_to_read(&channel->outbound) &&
	       !READ_ONCE(nic->queue[0].tx.busy);
}

/* A host that does not come to an end is left behind. */
static void nv_drain(struct nv_nic *nic)
{
	int i;

	for (i = 0; i < NV_DRAIN_TIMEOUT_MS && !nv_rings_empty(nic) && !nic->hdev->channel->rescind; i++)
		usleep_range(1000, 1500);
	spin_lock_bh(&nic->core_lock);
	netvsc_drained(&nic->core);
	spin_unlock_bh(&nic->core_lock);
}

static enum netvsc_do nv_next(struct nv_nic *nic)
{
	enum netvsc_do what;

	spin_lock_bh(&nic->core_lock);
	what = netvsc_next(&nic->core, &nic->out);
	spin_unlock_bh(&nic->core_lock);
	return what;
}

static int nv_carry_out(struct nv_nic *nic)
{
	int ret = 0;

	while (!ret) {
		switch (nv_next(nic)) {
		case NETVSC_DO_NOTHING:
			return 0;
		case NETVSC_DO_SEND:
			ret = nv_send_patiently(nic, nv_send_message);
			break;
		case NETVSC_DO_CONTROL:
			ret = nv_send_patiently(nic, nv_send_control);
			break;
		case NETVSC_DO_MAP_RECEIVE:
			ret = nv_map_receive(nic);
			break;
		case NETVSC_DO_MAP_SEND:
			ret = nv_map_send(nic);
			break;
		case NETVSC_DO_DRAIN:
			nv_drain(nic);
			break;
		}
	}
	return ret;
}

/* Drives the core until done() holds. */
static int nv_drive(struct nv_nic *nic, bool (*done)(const struct netvsc *n))
{
	unsigned long deadline = jiffies + NV_ANSWER_TIMEOUT_S * HZ;

	lockdep_assert_held(&nic->session_lock);
	for (;;) {
		int seen = atomic_read(&nic->events);
		int ret = nv_carry_out(nic);
		bool reached, failed;

		spin_lock_bh(&nic->core_lock);
		reached = done(&nic->core);
		failed = nic->core.state == NETVSC_FAILED;
		spin_unlock_bh(&nic->core_lock);
		if (reached)
			return 0;
		if (ret)
			return ret;
		if (failed)
			return -EPROTO;
		if (nic->hdev->channel->rescind)
			return -ENODEV;
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		/* In short turns: nobody wakes us when the channel is rescinded. */
		wait_event_timeout(nic->wait, atomic_read(&nic->events) != seen, HZ / 10);
	}
}

static bool nv_is_running(const struct netvsc *n)
{
	return n->state == NETVSC_RUNNING;
}

static bool nv_is_closed(const struct netvsc *n)
{
	return n->state == NETVSC_CLOSED || n->state == NETVSC_FAILED;
}

static bool nv_is_settled(const struct netvsc *n)
{
	return n->state == NETVSC_RUNNING && n->awaited == NETVSC_AWAIT_NOTHING && n->filter == n->filter_set;
}

static bool nv_is_answered(const struct netvsc *n)
{
	return n->req_state == NETVSC_REQUEST_DONE;
}

int nv_session_settle(struct nv_nic *nic)
{
	return nic->session_open ? nv_drive(nic, nv_is_settled) : -ENETDOWN;
}

int nv_session_request(struct nv_nic *nic, u32 *status)
{
	int ret = nv_drive(nic, nv_is_answered);

	spin_lock_bh(&nic->core_lock);
	if (!ret)
		*status = nic->core.req_status;
	netvsc_request_done(&nic->core);
	spin_unlock_bh(&nic->core_lock);
	return ret;
}

/* ---- open and close ---- */

/* What of the checksum and segmentation work the stack can leave to the host. */
static u32 nv_usable_offloads(void)
{
	return NETVSC_OFF_TX_IP4 | NETVSC_OFF_TX_TCP4 | NETVSC_OFF_TX_UDP4 | NETVSC_OFF_TX_TCP6 | NETVSC_OFF_TX_UDP6 |
	       NETVSC_OFF_LSO4 | NETVSC_OFF_LSO6 | NETVSC_OFF_RX_IP4 | NETVSC_OFF_RX_TCP4 | NETVSC_OFF_RX_UDP4 |
	       NETVSC_OFF_RX_TCP6 | NETVSC_OFF_RX_UDP6;
}

static void nv_teardown_buffers(struct nv_nic *nic)
{
	if (nic->receive_gpadl.gpadl_handle)
		vmbus_teardown_gpadl(nic->hdev->channel, &nic->receive_gpadl);
	if (nic->send_gpadl.gpadl_handle)
		vmbus_teardown_gpadl(nic->hdev->channel, &nic->send_gpadl);
}

/* NAPI off, channel closed, buffers ours again: for a session in whatever state. */
static void nv_channel_close(struct nv_nic *nic)
{
	struct nv_queue *q = &nic->queue[0];

	napi_disable(&q->napi);
	/* Hosts before version 4.0 want the buffers back while the channel is open. */
	if (vmbus_proto_version < VERSION_WIN10)
		nv_teardown_buffers(nic);
	vmbus_close(nic->hdev->channel);
	nv_teardown_buffers(nic);
	spin_lock_bh(&nic->core_lock);
	netvsc_abort(&nic->core);
	spin_unlock_bh(&nic->core_lock);
	nv_tx_forget(q);
	q->owed_head = 0;
	q->owed_count = 0;
}

static int nv_channel_open(struct nv_nic *nic)
{
	struct nv_queue *q = &nic->queue[0];
	struct vmbus_channel *channel = nic->hdev->channel;
	int ret;

	q->channel = channel;
	set_channel_read_mode(channel, HV_CALL_ISR);
	channel->max_pkt_size = NV_MAX_PACKET_BYTES;
	/* Our transaction ids are numbers that the core checks, so no table of the bus' is needed. */
	channel->rqstor_size = 0;
	channel->next_request_id_callback = NULL;
	channel->request_addr_callback = NULL;
	napi_enable(&q->napi);
	ret = vmbus_open(channel, NV_RING_BYTES, NV_RING_BYTES, NULL, 0, nv_channel_event, q);
	if (ret)
		napi_disable(&q->napi);
	return ret;
}

int nv_session_open(struct nv_nic *nic, u32 mtu)
{
	struct netvsc_config config = { .mtu = mtu, .offload = nv_usable_offloads() };
	int ret;

	lockdep_assert_held(&nic->session_lock);
	spin_lock_bh(&nic->core_lock);
	netvsc_start(&nic->core, &config);
	spin_unlock_bh(&nic->core_lock);
	ret = nv_channel_open(nic);
	if (ret)
		return ret;
	ret = nv_drive(nic, nv_is_running);
	if (ret) {
		netdev_err(nic->ndev, "no session with the host: %d, %s, in state %s\n", ret,
			   netvsc_error_name(nic->core.error), netvsc_state_name(nic->core.state));
		nv_channel_close(nic);
		return ret;
	}
	nic->session_open = true;
	nv_tx_start(&nic->queue[0]);
	return 0;
}

void nv_session_close(struct nv_nic *nic)
{
	lockdep_assert_held(&nic->session_lock);
	if (!nic->session_open)
		return;
	nic->session_open = false;
	nv_tx_stop(&nic->queue[0]);
	if (!nic->hdev->channel->rescind) {
		spin_lock_bh(&nic->core_lock);
		netvsc_stop(&nic->core);
		spin_unlock_bh(&nic->core_lock);
		/* Whether the host goes along or not: the channel is closed next. */
		if (nv_drive(nic, nv_is_closed))
			netdev_dbg(nic->ndev, "the host did not take part in closing\n");
	}
	nv_channel_close(nic);
}

void nv_update_link(struct nv_nic *nic)
{
	bool up;

	spin_lock_bh(&nic->core_lock);
	up = nic->core.state == NETVSC_RUNNING && nic->core.link_up;
	spin_unlock_bh(&nic->core_lock);
	if (up)
		netif_carrier_on(nic->ndev);
	else
		netif_carrier_off(nic->ndev);
}
