/* SPDX-License-Identifier: MIT */
#include "vfio-user/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio-user/dev.h"

static void close_fds(struct vfu_fds *f)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	f->n = 0;
}

/*
 * Has `again` run in the next round. Without memory for that the socket is hung up, which wakes
 * us too.
 */
static void call_again(struct vfu_conn *c)
{
	if (hv_timer_arm(c->loop, &c->again, 0)) {
		c->closing = true;
		shutdown(c->fd, SHUT_RDWR);
	}
}

void vfu_conn_close(struct vfu_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	call_again(c);
}

void vfu_conn_drop(struct vfu_conn *c, enum vfu_counter why)
{
	if (!c->closing)
		vfu_refuse(c->stats, why, -ECONNABORTED);
	vfu_conn_close(c);
}

bool vfu_conn_peer_left(const struct vfu_conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	return c->closing || (poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* Waits for input, unless output is stuck: a client that does not read is not served either. */
static void watch_for(struct vfu_conn *c)
{
	uint32_t events = c->out_bytes ? POLLOUT : POLLIN;

	if (c->watch.events != events && hv_watch_modify(&c->watch, events))
		vfu_conn_drop(c, VFU_C_SOCKET_ERROR);
}

/* Bytes that the socket took: 0 if it is full, -1 if the connection is closing now. */
static ssize_t send_some(struct vfu_conn *c, struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t sent = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		vfu_conn_close(c);
	else
		vfu_conn_drop(c, VFU_C_SOCKET_ERROR);
	return -1;
}

static void queue_rest(struct vfu_conn *c, const struct iovec *iov, unsigned n, size_t total,
		       size_t skip)
{
	struct vfu_out *o;
	size_t at = 0;

	if (total - skip > VFU_CONN_OUT_LIMIT - c->out_bytes) {
		vfu_conn_drop(c, VFU_C_OUT_OF_SPACE);
		return;
	}
	o = malloc(sizeof(*o) + total);
	if (!o) {
		vfu_conn_drop(c, VFU_C_OUT_OF_SPACE);
		return;
	}
	o->bytes = total;
	o->sent = skip;
	for (unsigned i = 0; i < n; at += iov[i++].iov_len)
		if (iov[i].iov_len)
			memcpy(o->data + at, iov[i].iov_base, iov[i].iov_len);
	STAILQ_INSERT_TAIL(&c->out, o, link);
	c->out_bytes += total - skip;
	watch_for(c);
}

void vfu_conn_send(struct vfu_conn *c, const struct iovec *iov, unsigned n)
{
	struct iovec copy[4];
	size_t total = 0;
	ssize_t sent = 0;

	if (c->closing || n > 4)
		return;
	for (unsigned i = 0; i < n; i++) {
		copy[i] = iov[i];
		total += iov[i].iov_len;
	}
	if (!c->out_bytes)
		sent = send_some(c, copy, n);
	if (sent >= 0 && (size_t)sent < total)
		queue_rest(c, iov, n, total, (size_t)sent);
}

/* One message per send, so that no header is ever cut. */
static void flush(struct vfu_conn *c)
{
	while (!STAILQ_EMPTY(&c->out) && !c->closing) {
		struct vfu_out *o = STAILQ_FIRST(&c->out);
		struct iovec iov = { o->data + o->sent, o->bytes - o->sent };
		ssize_t sent = send_some(c, &iov, 1);

		if (sent <= 0)
			return;
		o->sent += (size_t)sent;
		c->out_bytes -= (size_t)sent;
		if (o->sent < o->bytes)
			return;
		STAILQ_REMOVE_HEAD(&c->out, link);
		free(o);
	}
}

void vfu_conn_reply(struct vfu_conn *c, const struct vfu_message *m, int error,
		    const void *payload, size_t n)
{
	struct vfu_header h = { .message_id = to_le16(m->id), .command = to_le16(m->command) };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)payload, n } };

	if (error) {
		h.size = to_le32(sizeof(h));
		h.flags = to_le32(VFU_FLAG_REPLY | VFU_FLAG_ERROR);
		h.error = to_le32((uint32_t)-error);
	} else {
		h.size = to_le32((uint32_t)(sizeof(h) + n));
		h.flags = to_le32(VFU_FLAG_REPLY);
	}
	vfu_conn_send(c, iov, error || !n ? 1 : 2);
}

/*
 * Stream position where the last message in the buffer begins. The buffer holds at most one
 * incomplete message before new bytes are read, but new bytes may hold many.
 */
static uint64_t last_begin(const struct vfu_conn *c)
{
	size_t at = c->in_done, last = at;

	while (at < c->in_bytes) {
		struct vfu_header h;
		uint32_t size;

		last = at;
		if (c->in_bytes - at < sizeof(h))
			break;
		memcpy(&h, c->in + at, sizeof(h));
		size = le32_get(h.size);
		if (size < sizeof(h) || size > VFU_MAX_MESSAGE || size > c->in_bytes - at)
			break;
		at += size;
	}
	return c->in_position + last;
}

static void keep_fds(struct vfu_conn *c, const int *fds, unsigned n, size_t old_bytes)
{
	struct vfu_fds *f = &c->fds[c->fds[0].n ? 1 : 0];
	uint64_t owner = last_begin(c);

	if (owner < c->in_position + old_bytes || f->n || n > VFU_MAX_FDS) {
		for (unsigned i = 0; i < n; i++)
			close(fds[i]);
		vfu_conn_drop(c, VFU_C_FDS_STRAY);
		return;
	}
	memcpy(f->fd, fds, n * sizeof(*fds));
	f->n = n;
	f->owner = owner;
}

/* The descriptors of the message at in_done; none is an empty set too. */
static void take_fds(struct vfu_conn *c, struct vfu_fds *out)
{
	out->n = 0;
	if (!c->fds[0].n || c->fds[0].owner != c->in_position + c->in_done)
		return;
	*out = c->fds[0];
	c->fds[0] = c->fds[1];
	c->fds[1].n = 0;
}

/* The stream position is lost: say so if there is somebody to say it to, then close. */
static void bad_size(struct vfu_conn *c, const struct vfu_message *m)
{
	if ((m->flags & VFU_FLAG_TYPE_MASK) == VFU_FLAG_COMMAND && !(m->flags & VFU_FLAG_NO_REPLY))
		vfu_conn_reply(c, m, -EINVAL, NULL, 0);
	vfu_conn_drop(c, VFU_C_HEADER_SIZE);
}

/* Handles the next message if it is complete. */
static bool next_message(struct vfu_conn *c)
{
	struct vfu_header h;
	struct vfu_message m;
	struct vfu_fds fds;

	if (c->closing || c->in_bytes - c->in_done < sizeof(h))
		return false;
	memcpy(&h, c->in + c->in_done, sizeof(h));
	m = (struct vfu_message){ .id = le16_get(h.message_id), .command = le16_get(h.command),
				  .size = le32_get(h.size), .flags = le32_get(h.flags),
				  .error = le32_get(h.error), .fds = &fds };
	if (m.size < sizeof(h) || m.size > VFU_MAX_MESSAGE) {
		bad_size(c, &m);
		return false;
	}
	if (m.size > c->in_bytes - c->in_done)
		return false;
	take_fds(c, &fds);
	m.payload = c->in + c->in_done + sizeof(h);
	m.payload_bytes = m.size - sizeof(h);
	vfu_count(c->stats, VFU_C_MESSAGES);
	vfu_request(c, &m);
	close_fds(&fds);
	c->in_done += m.size;
	return true;
}

/* Messages that are in the buffer, as many as one call may; the rest in the next round. */
static void handle_input(struct vfu_conn *c)
{
	unsigned left = VFU_CONN_BUDGET;

	while (left && !c->out_bytes && next_message(c))
		left--;
	if (c->in_done) {
		memmove(c->in, c->in + c->in_done, c->in_bytes - c->in_done);
		c->in_bytes -= c->in_done;
		c->in_position += c->in_done;
		c->in_done = 0;
	}
	if (!left)
		call_again(c);
}

void vfu_conn_feed(struct vfu_conn *c, const uint8_t *bytes, size_t n, const int *fds,
		   unsigned num_fds)
{
	size_t old_bytes = c->in_bytes;

	if (bytes != c->in + c->in_bytes)
		memcpy(c->in + c->in_bytes, bytes, n);
	c->in_bytes += n;
	if (num_fds)
		keep_fds(c, fds, num_fds, old_bytes);
	handle_input(c);
}

static unsigned collect_fds(struct msghdr *msg, int *fds)
{
	unsigned n = 0;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		size_t bytes = m->cmsg_len - CMSG_LEN(0);

		memcpy(fds + n, CMSG_DATA(m), bytes);
		n += (unsigned)(bytes / sizeof(int));
	}
	return n;
}

static void receive(struct vfu_conn *c)
{
	union {
		char bytes[CMSG_SPACE(VFU_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { c->in + c->in_bytes, VFU_CONN_IN_BYTES - c->in_bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[VFU_MAX_FDS];
	unsigned num_fds;
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			vfu_conn_close(c);
		return;
	}
	num_fds = collect_fds(&msg, fds);
	if (msg.msg_flags & MSG_CTRUNC) {
		for (unsigned i = 0; i < num_fds; i++)
			close(fds[i]);
		vfu_conn_drop(c, VFU_C_FDS_TRUNCATED);
	} else if (!n) {
		vfu_conn_close(c);
	} else {
		vfu_conn_feed(c, c->in + c->in_bytes, (size_t)n, fds, num_fds);
	}
}

/* Is a whole message waiting in the buffer? */
static bool message_waits(const struct vfu_conn *c)
{
	struct vfu_header h;

	if (c->in_bytes < sizeof(h))
		return false;
	memcpy(&h, c->in, sizeof(h));
	return le32_get(h.size) <= c->in_bytes;
}

static void work(struct vfu_conn *c, bool readable)
{
	if (!c->closing)
		flush(c);
	if (!c->closing && !c->out_bytes) {
		if (message_waits(c))
			handle_input(c);
		else if (readable)
			receive(c);
	}
	if (!c->closing)
		watch_for(c);
	/* Last: this frees the connection. */
	if (c->closing)
		vfu_dev_conn_gone(c->dev, c);
}

static void conn_ready(struct hv_watch *w, uint32_t events)
{
	struct vfu_conn *c = (struct vfu_conn *)((char *)w - offsetof(struct vfu_conn, watch));

	/* With output stuck, a hang-up is all that can be learned; the flush will find it. */
	work(c, events & (POLLIN | POLLHUP | POLLERR));
}

static void conn_again(struct hv_timer *t)
{
	work((struct vfu_conn *)((char *)t - offsetof(struct vfu_conn, again)), false);
}

static void handshake_late(struct hv_timer *t)
{
	struct vfu_conn *c = (struct vfu_conn *)((char *)t - offsetof(struct vfu_conn, handshake));

	vfu_conn_drop(c, VFU_C_HANDSHAKE_TIMEOUT);
}

int vfu_conn_create(struct vfu_dev *dev, struct hv_loop *loop, struct vfu_stats *stats, int fd,
		    struct vfu_conn **out)
{
	struct vfu_conn *c = calloc(1, sizeof(*c));
	struct ucred cred = { .pid = 0, .uid = (uid_t)-1 };
	socklen_t n = sizeof(cred);
	int ret = -ENOMEM;

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->dev = dev;
	c->loop = loop;
	c->stats = stats;
	c->fd = fd;
	c->watch.ready = conn_ready;
	c->handshake.fire = handshake_late;
	c->again.fire = conn_again;
	STAILQ_INIT(&c->out);
	c->in = malloc(VFU_CONN_IN_BYTES);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n)) {
		c->pid = cred.pid;
		c->uid = cred.uid;
	}
	if (c->in)
		ret = hv_watch_start(loop, &c->watch, fd, POLLIN);
	if (!ret)
		ret = hv_timer_arm(loop, &c->handshake, hv_now_ns() + VFU_HANDSHAKE_NS);
	if (ret) {
		vfu_conn_destroy(c);
		return ret;
	}
	*out = c;
	return 0;
}

void vfu_conn_destroy(struct vfu_conn *c)
{
	struct vfu_out *o;

	if (!c)
		return;
	hv_timer_cancel(&c->handshake);
	hv_timer_cancel(&c->again);
	if (hv_watch_active(&c->watch))
		hv_watch_stop(&c->watch);
	while ((o = STAILQ_FIRST(&c->out))) {
		STAILQ_REMOVE_HEAD(&c->out, link);
		free(o);
	}
	close_fds(&c->fds[0]);
	close_fds(&c->fds[1]);
	close(c->fd);
	free(c->in);
	free(c);
}
