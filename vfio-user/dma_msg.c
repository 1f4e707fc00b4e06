/* SPDX-License-Identifier: MIT */
#include "vfio-user/dma_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio-user/dev.h"

/* A fresh message id: one that no outstanding message has. */
static uint16_t new_id(struct vfu_dma_msgs *q)
{
	struct vfu_transfer *t;
	uint16_t id;

	do {
		id = ++q->next_id;
		TAILQ_FOREACH(t, &q->flying, link)
			if (t->id == id)
				break;
	} while (t || (q->layout == VFU_LAYOUT_PROBING && id == q->probe_id));
	return id;
}

static bool can_send(const struct vfu_dma_msgs *q)
{
	return q->num_waiting && q->dev->client &&
	       (q->layout == VFU_LAYOUT_UNKNOWN ||
		(q->layout >= VFU_LAYOUT_SPEC && q->num_flying < VFU_DMA_MSG_FLIGHT));
}

/*
 * The timer drives everything that is not a reply: sending, so that no start has side effects on
 * others, and time-outs.
 */
static void set_timer(struct vfu_dma_msgs *q)
{
	uint64_t due = q->layout == VFU_LAYOUT_PROBING ? q->probe_deadline_ns : UINT64_MAX;
	struct vfu_transfer *t;

	if (can_send(q))
		due = 0;
	TAILQ_FOREACH(t, &q->flying, link)
		if (t->buf && t->deadline_ns < due)
			due = t->deadline_ns;
	if (due == UINT64_MAX)
		hv_timer_cancel(&q->timer);
	else if (hv_timer_arm(q->dev->loop, &q->timer, due) && q->dev->client)
		vfu_conn_drop(q->dev->client, VFU_C_OUT_OF_SPACE);
}

static void send_message(struct vfu_dma_msgs *q, uint16_t id, bool write, uint64_t address,
			 const uint8_t *data, size_t n)
{
	static const uint8_t zero[4];
	bool old = q->layout == VFU_LAYOUT_OLD;
	size_t fixed = old ? sizeof(struct vfu_wire_dma_old) : sizeof(struct vfu_wire_dma);
	size_t data_bytes = write ? n : 0;
	/* Either way the message is as long as a specified one. */
	size_t pad = sizeof(struct vfu_wire_dma) - fixed;
	struct vfu_wire_dma d = { to_le64(address), to_le64(n) };
	struct vfu_header h = {
		.message_id = to_le16(id),
		.command = to_le16(write ? VFU_CMD_DMA_WRITE : VFU_CMD_DMA_READ),
		.size = to_le32((uint32_t)(sizeof(h) + fixed + data_bytes + pad)),
		.flags = to_le32(VFU_FLAG_COMMAND),
	};
	struct iovec iov[4] = { { &h, sizeof(h) }, { &d, fixed }, { (void *)data, data_bytes },
				{ (void *)zero, pad } };

	vfu_conn_send(q->dev->client, iov, 4);
}

static void send_piece(struct vfu_dma_msgs *q, struct vfu_transfer *t)
{
	size_t left = t->bytes - t->done_bytes;

	t->piece = left < q->dev->client_xfer_max ? left : q->dev->client_xfer_max;
	t->id = new_id(q);
	t->deadline_ns = hv_now_ns() + VFU_DMA_MSG_TIMEOUT_NS;
	send_message(q, t->id, t->write, t->address + t->done_bytes, t->buf + t->done_bytes,
		     t->piece);
}

/* Is all of it still mapped by the client, and may the device do DMA at all? */
static bool allowed(struct vfu_dma_msgs *q, uint64_t address, size_t n, bool write)
{
	return vfu_config_bus_master(&q->dev->config) &&
	       vfu_dma_reach(&q->dev->dma, address, n, write) == n;
}

static void finish(struct vfu_dma_msgs *q, struct vfu_transfer *t, int status)
{
	vfu_dma_done done = t->buf ? t->done : NULL;
	void *cookie = t->cookie;

	TAILQ_REMOVE(&q->flying, t, link);
	q->num_flying--;
	free(t);
	if (done)
		done(cookie, status);
}

static void probe(struct vfu_dma_msgs *q)
{
	q->probe_id = new_id(q);
	q->layout = VFU_LAYOUT_PROBING;
	q->probe_deadline_ns = hv_now_ns() + VFU_DMA_MSG_TIMEOUT_NS;
	send_message(q, q->probe_id, true, 0, NULL, 0);
}

/* Moves transfers from waiting to in flight. */
static void pump(struct vfu_dma_msgs *q)
{
	struct vfu_transfer *t;

	if (can_send(q) && q->layout == VFU_LAYOUT_UNKNOWN)
		probe(q);
	while (can_send(q)) {
		t = TAILQ_FIRST(&q->waiting);
		TAILQ_REMOVE(&q->waiting, t, link);
		q->num_waiting--;
		TAILQ_INSERT_TAIL(&q->flying, t, link);
		q->num_flying++;
		if (allowed(q, t->address, t->bytes, t->write))
			send_piece(q, t);
		else
			finish(q, t, vfu_refuse(&q->dev->stats, VFU_C_DMA_REFUSED, -EFAULT));
	}
	set_timer(q);
}

/* Without a layout nothing can be sent: what waits ends like what is in flight. */
static void probe_timed_out(struct vfu_dma_msgs *q)
{
	struct vfu_transfer *t;

	vfu_refuse(&q->dev->stats, VFU_C_DMA_TIMEOUT, -ETIMEDOUT);
	q->probe_deadline_ns = UINT64_MAX;
	while ((t = TAILQ_FIRST(&q->waiting))) {
		TAILQ_REMOVE(&q->waiting, t, link);
		q->num_waiting--;
		t->done(t->cookie, -ETIMEDOUT);
		free(t);
	}
}

/* Callers hear of a late answer now; the reply itself may still come, and is dropped then. */
static void timer_fired(struct hv_timer *timer)
{
	struct vfu_dma_msgs *q =
		(struct vfu_dma_msgs *)((char *)timer - offsetof(struct vfu_dma_msgs, timer));
	uint64_t now = hv_now_ns();
	struct vfu_transfer *t;

	if (q->layout == VFU_LAYOUT_PROBING && q->probe_deadline_ns <= now)
		probe_timed_out(q);
	TAILQ_FOREACH(t, &q->flying, link)
		if (t->buf && t->deadline_ns <= now) {
			vfu_refuse(&q->dev->stats, VFU_C_DMA_TIMEOUT, -ETIMEDOUT);
			t->buf = NULL;
			t->done(t->cookie, -ETIMEDOUT);
		}
	pump(q);
}

void vfu_dma_msgs_init(struct vfu_dma_msgs *q, struct vfu_dev *dev)
{
	memset(q, 0, sizeof(*q));
	q->dev = dev;
	q->timer.fire = timer_fired;
	TAILQ_INIT(&q->waiting);
	TAILQ_INIT(&q->flying);
}

int vfu_dma_msgs_start(struct vfu_dma_msgs *q, uint64_t address, void *buf, size_t n, bool write,
		       vfu_dma_done done, void *cookie)
{
	struct vfu_transfer *t;

	if (!q->dev->client)
		return -ENOTCONN;
	if (n > VFU_DMA_MSG_MAX)
		return -E2BIG;
	if (!n || !allowed(q, address, n, write))
		return vfu_refuse(&q->dev->stats, VFU_C_DMA_REFUSED, -EFAULT);
	if (q->layout == VFU_LAYOUT_PROBING && q->probe_deadline_ns == UINT64_MAX)
		return -ETIMEDOUT;
	if (q->num_waiting == VFU_DMA_MSG_QUEUE)
		return -EAGAIN;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct vfu_transfer){ .address = address, .buf = buf, .bytes = n, .write = write,
				    .done = done, .cookie = cookie };
	TAILQ_INSERT_TAIL(&q->waiting, t, link);
	q->num_waiting++;
	set_timer(q);
	return 0;
}

static void malformed(struct vfu_dma_msgs *q)
{
	vfu_conn_drop(q->dev->client, VFU_C_REPLY_MALFORMED);
}

static void probe_reply(struct vfu_dma_msgs *q, const struct vfu_message *m)
{
	if (m->flags & VFU_FLAG_ERROR || (m->payload_bytes && m->payload_bytes !=
					  sizeof(struct vfu_wire_dma))) {
		malformed(q);
		return;
	}
	q->layout = m->payload_bytes ? VFU_LAYOUT_SPEC : VFU_LAYOUT_OLD;
	pump(q);
}

/*
 * Where a read's data lies in a good reply, NULL if the reply is not good. A write has none, so
 * any.
 */
static const uint8_t *check_reply(const struct vfu_dma_msgs *q, const struct vfu_transfer *t,
				  const struct vfu_message *m)
{
	struct vfu_wire_dma d;
	uint64_t count;
	bool old = q->layout == VFU_LAYOUT_OLD;

	if (old && t->write)
		return m->payload_bytes ? NULL : m->payload;
	if (m->payload_bytes != sizeof(d) + (t->write ? 0 : t->piece))
		return NULL;
	memcpy(&d, m->payload, sizeof(d));
	count = le64_get(d.count);
	if (old)
		count &= UINT32_MAX;
	if (le64_get(d.address) != t->address + t->done_bytes || count != t->piece)
		return NULL;
	return m->payload + (old ? sizeof(struct vfu_wire_dma_old) : sizeof(d));
}

static void transfer_reply(struct vfu_dma_msgs *q, struct vfu_transfer *t,
			   const struct vfu_message *m)
{
	const uint8_t *data;

	if (m->flags & VFU_FLAG_ERROR) {
		vfu_count(&q->dev->stats, VFU_C_DMA_FAILED);
		finish(q, t, m->error && m->error < 4096 ? -(int)m->error : -EIO);
		return;
	}
	data = check_reply(q, t, m);
	if (!data) {
		malformed(q);
		return;
	}
	if (t->buf && !t->write)
		memcpy(t->buf + t->done_bytes, data, t->piece);
	t->done_bytes += t->piece;
	if (!t->buf || t->done_bytes == t->bytes)
		finish(q, t, 0);
	else if (allowed(q, t->address + t->done_bytes, t->bytes - t->done_bytes, t->write))
		send_piece(q, t);
	else
		finish(q, t, vfu_refuse(&q->dev->stats, VFU_C_DMA_REFUSED, -EFAULT));
}

void vfu_dma_msgs_reply(struct vfu_dma_msgs *q, const struct vfu_message *m)
{
	struct vfu_transfer *t;

	if (q->layout == VFU_LAYOUT_PROBING && m->id == q->probe_id &&
	    m->command == VFU_CMD_DMA_WRITE) {
		probe_reply(q, m);
		return;
	}
	TAILQ_FOREACH(t, &q->flying, link)
		if (t->id == m->id &&
		    m->command == (t->write ? VFU_CMD_DMA_WRITE : VFU_CMD_DMA_READ))
			break;
	if (!t) {
		vfu_conn_reply(q->dev->client, m, -EINVAL, NULL, 0);
		vfu_conn_drop(q->dev->client, VFU_C_REPLY_UNEXPECTED);
		return;
	}
	transfer_reply(q, t, m);
	pump(q);
}

void vfu_dma_msgs_cancel(struct vfu_dma_msgs *q, bool tell)
{
	struct vfu_transfers all = TAILQ_HEAD_INITIALIZER(all);
	struct vfu_transfer *t;

	hv_timer_cancel(&q->timer);
	TAILQ_CONCAT(&all, &q->flying, link);
	TAILQ_CONCAT(&all, &q->waiting, link);
	q->num_flying = q->num_waiting = 0;
	q->layout = VFU_LAYOUT_UNKNOWN;
	q->next_id = 0;
	while ((t = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, t, link);
		if (tell && t->buf)
			t->done(t->cookie, -ECANCELED);
		free(t);
	}
}
