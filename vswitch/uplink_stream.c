/* SPDX-License-Identifier: MIT */
/*
 * The uplink over a stream socket.
 *
 * From the peer: one large recv() per wake-up, then the whole frames in it go to the switch in
 * batches, head copied, the rest where it was received. A switch that says "pause" stops that in
 * the middle; resume() kicks the poller, which goes on.
 *
 * To the peer: one sendmsg() per batch, from where the frames lie. What the socket does not take is
 * copied into a bounded buffer, which goes first from then on. While that is more than half full
 * the port is congested; when it is full, frames are dropped.
 *
 * The end (the peer closed, an error, a bad length) is found in the middle of other work. It takes
 * the link down and starts a timer that is due at once, from which gone() is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vswitch/internal.h"
#include "vswitch/stream.h"

enum {
	IN_BYTES = 256 * 1024,		/* our policy: one wake-up's work */
	OUT_BYTES = 512 * 1024,		/* our policy: ten batches of full frames */
	OUT_HIGH_BYTES = OUT_BYTES / 2,
	OUT_LOW_BYTES = OUT_BYTES / 8,
	IOVECS = 1024,			/* the kernel's limit (UIO_MAXIOV) */
	SOCKET_BYTES = 1024 * 1024,	/* our wish for the kernel's buffer; it may give less */
};

struct stream {
	struct vswitch_uplink uplink;
	struct vswitch_nic nic;
	struct hv_loop *loop;		/* borrowed */
	struct hv_watch watch;
	struct hv_poller poller;	/* after a pause */
	struct hv_timer end;
	void (*gone)(void *cookie);
	void *cookie;
	const char *why;		/* the end's reason, for the log */
	int fd;				/* owned */
	int error;
	bool paused, dead;

	struct vswitch_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct iovec rest[VSWITCH_BATCH];	/* of frames beyond their heads */
	size_t in_bytes, in_off;		/* received, and of that gone to the switch */

	size_t out_off, out_bytes;		/* out[out_off, out_bytes) is still to be sent */
	uint8_t prefixes[VSWITCH_BATCH][STREAM_PREFIX_BYTES];
	struct iovec iov[IOVECS];
	uint8_t in[IN_BYTES];
	uint8_t out[OUT_BYTES];
};

static void set_events(struct stream *s)
{
	uint32_t events = (s->paused ? 0 : POLLIN) | (s->out_off < s->out_bytes ? POLLOUT : 0);

	if (hv_watch_active(&s->watch))
		hv_watch_modify(&s->watch, events);
}

static void die(struct stream *s, const char *why, int error)
{
	if (s->dead)
		return;
	s->dead = true;
	s->why = why;
	s->error = error;
	s->out_off = s->out_bytes = 0;
	hv_watch_stop(&s->watch);
	hv_poller_stop(&s->poller);
	vswitch_port_set_link(s->uplink.port, false);
	if (hv_timer_arm(s->loop, &s->end, 0))
		hv_log(HV_LOG_ERROR, "port %s: out of memory", vswitch_port_name(s->uplink.port));
}

static void ended(struct hv_timer *t)
{
	struct stream *s = hv_container_of(t, struct stream, end);

	hv_log(HV_LOG_NOTICE, "port %s: %s%s%s", vswitch_port_name(s->uplink.port), s->why,
	       s->error ? ": " : "", s->error ? strerror(s->error) : "");
	if (s->gone)
		s->gone(s->cookie);
}

/* From the peer. */

static void make_frame(struct stream *s, unsigned i, const uint8_t *bytes, uint32_t n)
{
	struct vswitch_frame *f = &s->frames[i];

	f->len = n;
	f->head_bytes = (uint16_t)(n < VSWITCH_HEAD_BYTES ? n : VSWITCH_HEAD_BYTES);
	memcpy(f->head, bytes, f->head_bytes);
	memset(&f->offload, 0, sizeof(f->offload));
	s->rest[i] = (struct iovec){ (void *)(uintptr_t)(bytes + f->head_bytes), n - f->head_bytes };
	f->segs = &s->rest[i];
	f->nsegs = n > f->head_bytes;
	s->batch[i] = f;
}

/* Sends what was received to the switch, as far as it wants it. */
static void pass_on(struct stream *s)
{
	enum stream_status status = STREAM_FRAME;
	const uint8_t *bytes;
	unsigned n;
	uint32_t length;

	while (status == STREAM_FRAME && !s->paused && !s->dead) {
		for (n = 0; n < VSWITCH_BATCH; n++) {
			status = stream_next(s->in, s->in_bytes, VSWITCH_FRAME_MAX_BYTES, &s->in_off,
					     &bytes, &length);
			if (status != STREAM_FRAME)
				break;
			make_frame(s, n, bytes, length);
		}
		if (n && vswitch_port_input(s->uplink.port, s->batch, n))
			s->paused = true;
	}
	if (status == STREAM_BROKEN)
		die(s, "the peer sent a frame with an impossible length", 0);
	if (status != STREAM_MORE)
		return;
	memmove(s->in, s->in + s->in_off, s->in_bytes - s->in_off);
	s->in_bytes -= s->in_off;
	s->in_off = 0;
}

static void receive(struct stream *s)
{
	ssize_t n = recv(s->fd, s->in + s->in_bytes, IN_BYTES - s->in_bytes, MSG_DONTWAIT);

	if (n > 0) {
		s->in_bytes += (size_t)n;
		pass_on(s);
	} else if (!n) {
		die(s, "the peer closed the connection", 0);
	} else if (errno != EAGAIN && errno != EINTR) {
		die(s, "receiving", errno);
	}
}

static bool poll_after_pause(struct hv_poller *p)
{
	struct stream *s = hv_container_of(p, struct stream, poller);

	if (!s->paused)
		pass_on(s);
	if (!s->dead) {
		hv_poller_stop(p);
		set_events(s);
	}
	return false;
}

static bool poller_sleeps(struct hv_poller *p)
{
	(void)p;
	return true;
}

static void resume(void *opaque)
{
	struct stream *s = opaque;

	if (!s->paused || s->dead)
		return;
	s->paused = false;
	hv_poller_kick(s->loop, &s->poller);
}

/* To the peer. */

static size_t out_left(const struct stream *s)
{
	return s->out_bytes - s->out_off;
}

/* Bytes of the framed frame from off on go to the end of the buffer; false: no room. */
static bool keep(struct stream *s, const struct vswitch_frame *f, size_t off)
{
	size_t need = STREAM_PREFIX_BYTES + f->len - off;
	uint8_t prefix[STREAM_PREFIX_BYTES];

	if (OUT_BYTES - s->out_bytes < need && s->out_off) {
		memmove(s->out, s->out + s->out_off, out_left(s));
		s->out_bytes -= s->out_off;
		s->out_off = 0;
	}
	if (OUT_BYTES - s->out_bytes < need)
		return false;
	put_be32(prefix, f->len);
	for (; off < STREAM_PREFIX_BYTES; off++)
		s->out[s->out_bytes++] = prefix[off];
	off -= STREAM_PREFIX_BYTES;
	vswitch_frame_copy(f, (uint32_t)off, s->out + s->out_bytes, f->len - (uint32_t)off);
	s->out_bytes += f->len - off;
	return true;
}

/* As many of n frames as fit into the pieces of one call; *pieces: how many those are. */
static unsigned gather(struct stream *s, const struct vswitch_frame *const *frames, unsigned n,
		       unsigned *pieces)
{
	struct frame_cursor c;
	unsigned used = 0, i;
	uint32_t length;

	for (i = 0; i < n && used < IOVECS; i++) {
		put_be32(s->prefixes[i], frames[i]->len);
		s->iov[used] = (struct iovec){ s->prefixes[i], STREAM_PREFIX_BYTES };
		c = frame_cursor_at(frames[i], 0);
		length = frames[i]->len;
		*pieces = used;
		used += 1 + frame_cursor_take(&c, &length, &s->iov[used + 1], IOVECS - used - 1);
		if (length < frames[i]->len)
			return i;
	}
	*pieces = used;
	return i;
}

/* What the socket took of n frames: the rest of them into the buffer, as far as there is room. */
static void keep_rest(struct stream *s, const struct vswitch_frame *const *frames, unsigned n,
		      size_t sent)
{
	size_t whole;

	for (unsigned i = 0; i < n; i++) {
		whole = STREAM_PREFIX_BYTES + frames[i]->len;
		if (sent >= whole) {
			sent -= whole;
			continue;
		}
		if (!keep(s, frames[i], sent))
			vswitch_port_drop(s->uplink.port, VSWITCH_DROP_UPLINK_FULL, 1);
		sent = 0;
	}
}

/* Sends some of n frames, at least one, or drops them. How many those were. */
static unsigned send_some(struct stream *s, const struct vswitch_frame *const *frames, unsigned n)
{
	struct msghdr msg = { .msg_iov = s->iov };
	unsigned pieces, some = gather(s, frames, n, &pieces);
	ssize_t sent;

	if (!some) {			/* one frame in too many pieces */
		keep_rest(s, frames, 1, 0);
		return 1;
	}
	msg.msg_iovlen = pieces;
	sent = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0) {
		keep_rest(s, frames, some, (size_t)sent);
	} else if (errno == EAGAIN || errno == EINTR) {
		keep_rest(s, frames, some, 0);
	} else if (errno == EFAULT) {	/* a guest's memory went away */
		vswitch_port_drop(s->uplink.port, VSWITCH_DROP_BAD_FRAME, some);
	} else {
		vswitch_port_drop(s->uplink.port, VSWITCH_DROP_NOT_READY, some);
		die(s, "sending", errno);
	}
	return some;
}

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	struct stream *s = opaque;
	unsigned done = 0;

	while (done < n && !s->dead && !out_left(s))
		done += send_some(s, frames + done, n - done);
	if (s->dead) {
		vswitch_port_drop(s->uplink.port, VSWITCH_DROP_NOT_READY, n - done);
		return;
	}
	keep_rest(s, frames + done, n - done, 0);
	if (out_left(s)) {
		if (out_left(s) > OUT_HIGH_BYTES)
			vswitch_port_set_congested(s->uplink.port, true);
		set_events(s);
	}
}

static void send_kept(struct stream *s)
{
	ssize_t n = send(s->fd, s->out + s->out_off, out_left(s), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			die(s, "sending", errno);
		return;
	}
	s->out_off += (size_t)n;
	if (!out_left(s))
		s->out_off = s->out_bytes = 0;
	if (out_left(s) <= OUT_LOW_BYTES)
		vswitch_port_set_congested(s->uplink.port, false);
}

static void ready(struct hv_watch *w, uint32_t events)
{
	struct stream *s = hv_container_of(w, struct stream, watch);

	if (events & POLLOUT && out_left(s))
		send_kept(s);
	if (!s->dead && !s->paused && events & (POLLIN | POLLHUP | POLLERR))
		receive(s);
	if (!s->dead)
		set_events(s);
}

/* Making and ending it. */

static const struct vswitch_nic_ops stream_ops = {
	.deliver = deliver,
	.resume = resume,
};

static void stream_destroy(struct vswitch_uplink *u)
{
	struct stream *s = hv_container_of(u, struct stream, uplink);

	hv_watch_stop(&s->watch);
	hv_poller_stop(&s->poller);
	hv_timer_cancel(&s->end);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int set_up_socket(int fd)
{
	int flags = fcntl(fd, F_GETFL), bytes = SOCKET_BYTES;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	/* Only a wish: a small buffer works, too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

static int stream_start(struct stream *s, struct vswitch *sw, const char *name)
{
	int ret = set_up_socket(s->fd);

	if (!ret)
		ret = vswitch_port_create(sw, name, &s->uplink.port);
	if (!ret)
		ret = vswitch_port_connect(s->uplink.port, &s->nic);
	if (!ret)
		ret = hv_watch_start(s->loop, &s->watch, s->fd, POLLIN);
	return ret;
}

int vswitch_uplink_stream(struct vswitch *sw, struct hv_loop *loop, const char *name, int fd,
			  enum vswitch_nic_kind kind, void (*gone)(void *cookie), void *cookie,
			  struct vswitch_uplink **out)
{
	struct stream *s = calloc(1, sizeof(*s));
	int ret;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->uplink.destroy = stream_destroy;
	s->nic = (struct vswitch_nic){
		.kind = kind,
		.max_frame_bytes = VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES,
		.ops = &stream_ops,
		.opaque = s,
	};
	s->loop = loop;
	s->watch.ready = ready;
	s->poller.poll = poll_after_pause;
	s->poller.sleep = poller_sleeps;
	s->end.fire = ended;
	s->gone = gone;
	s->cookie = cookie;
	s->fd = fd;
	ret = stream_start(s, sw, name);
	if (ret)
		vswitch_uplink_destroy(&s->uplink);
	else
		*out = &s->uplink;
	return ret;
}
