/* SPDX-License-Identifier: MIT */
/*
 * The wire that is a stream socket.
 *
 * From the peer: one large recv() per wake-up, then the whole frames in it go to the switch in
 * batches, head copied, the rest where it was received. A switch that says "pause" stops that in
 * the middle; resume() kicks the poller, which goes on.
 *
 * To the peer: one sendmsg() per batch, from where the frames lie. What the socket does not take is
 * copied into a bounded buffer, which goes first from then on. While that is more than half full
 * the wire is congested; when it is full, frames are dropped.
 *
 * The buffer begins with the rest of a frame that went out in part, and goes on with whole ones.
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
#include "vswitch/uplink_wire.h"

enum {
	IN_BYTES = 256 * 1024,		/* our policy: one wake-up's work */
	OUT_BYTES = 512 * 1024,		/* our policy: ten batches of full frames */
	OUT_HIGH_BYTES = OUT_BYTES / 2,
	OUT_LOW_BYTES = OUT_BYTES / 8,
	IOVECS = 1024,			/* the kernel's limit (UIO_MAXIOV) */
	SOCKET_BYTES = 1024 * 1024,	/* our wish for the kernel's buffer; it may give less */
};

struct stream {
	struct wire wire;
	struct hv_watch watch;
	struct hv_poller poller;	/* after a pause */
	int fd;				/* owned */
	bool paused;

	struct vswitch_frame frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	struct iovec rest[VSWITCH_BATCH];	/* of frames beyond their heads */
	size_t in_bytes, in_off;		/* received, and of that gone to the switch */

	size_t out_off, out_bytes;		/* out[out_off, out_bytes) is still to be sent */
	size_t out_rest;			/* up to here out[] is the rest of a frame */
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

/* A frame that the buffer has whole. */
static void drop_kept_frame(struct stream *s, enum vswitch_drop reason, uint8_t *bytes, uint32_t len)
{
	struct vswitch_frame f = { .len = 0 };
	const struct vswitch_frame *one = &f;
	struct iovec rest;

	frame_from_bytes(&f, bytes, len, &rest);
	wire_dropped(&s->wire, reason, &one, 1);
}

/* Counts what is still in the buffer as dropped. Of the first frame in it, only the end may be left. */
static void drop_kept(struct stream *s, enum vswitch_drop reason)
{
	size_t at = s->out_rest, next;

	if (s->out_off < s->out_rest)
		wire_dropped(&s->wire, reason, NULL, 1);
	for (; at < s->out_bytes; at = next) {
		next = at + STREAM_PREFIX_BYTES + get_be32(s->out + at);
		if (next > s->out_off)
			drop_kept_frame(s, reason, s->out + at + STREAM_PREFIX_BYTES, get_be32(s->out + at));
	}
	s->out_off = s->out_bytes = s->out_rest = 0;
}

static void die(struct stream *s, const char *why, int error)
{
	if (s->wire.gone)
		return;
	s->wire.gone = true;
	s->wire.link = false;
	hv_log(HV_LOG_NOTICE, "port %s: %s%s%s", s->wire.name, why, error ? ": " : "", error ? strerror(error) : "");
	hv_watch_stop(&s->watch);
	hv_poller_stop(&s->poller);
	drop_kept(s, VSWITCH_DROP_PORT_DOWN);
	s->wire.user->changed(s->wire.opaque);
}

/* From the peer. */

static void make_frame(struct stream *s, unsigned i, const uint8_t *bytes, uint32_t n)
{
	struct vswitch_frame *f = &s->frames[i];

	frame_from_bytes(f, bytes, n, &s->rest[i]);
	memset(&f->offload, 0, sizeof(f->offload));
	s->batch[i] = f;
}

/* Sends what was received to the switch, as far as it wants it. */
static void pass_on(struct stream *s)
{
	enum stream_status status = STREAM_FRAME;
	const uint8_t *bytes;
	unsigned n;
	uint32_t length;

	while (status == STREAM_FRAME && !s->paused && !s->wire.gone) {
		for (n = 0; n < VSWITCH_BATCH; n++) {
			status = stream_next(s->in, s->in_bytes, VSWITCH_FRAME_MAX_BYTES, &s->in_off,
					     &bytes, &length);
			if (status != STREAM_FRAME)
				break;
			make_frame(s, n, bytes, length);
		}
		if (n && s->wire.user->input(s->wire.opaque, s->batch, n))
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
	if (!s->wire.gone) {
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

static void resume(struct wire *w)
{
	struct stream *s = hv_container_of(w, struct stream, wire);

	if (!s->paused || s->wire.gone)
		return;
	s->paused = false;
	hv_poller_kick(s->wire.loop, &s->poller);
}

/* To the peer. */

static size_t out_left(const struct stream *s)
{
	return s->out_bytes - s->out_off;
}

/* Moves what is still to be sent to the buffer's beginning, without what went out of its first frame. */
static void compact(struct stream *s)
{
	size_t at = s->out_off, next = s->out_rest;

	if (at < s->out_rest) {
		s->out_rest -= at;
	} else {
		while (next + STREAM_PREFIX_BYTES + get_be32(s->out + next) <= at)
			next += STREAM_PREFIX_BYTES + get_be32(s->out + next);
		s->out_rest = next + STREAM_PREFIX_BYTES + get_be32(s->out + next) - at;
		if (at == next)
			s->out_rest = 0;
	}
	memmove(s->out, s->out + at, out_left(s));
	s->out_bytes -= at;
	s->out_off = 0;
}

/* Bytes of the framed frame from off on go to the end of the buffer; false: no room. */
static bool keep(struct stream *s, const struct vswitch_frame *f, size_t off)
{
	size_t need = STREAM_PREFIX_BYTES + f->len - off;
	uint8_t prefix[STREAM_PREFIX_BYTES];

	if (OUT_BYTES - s->out_bytes < need && s->out_off)
		compact(s);
	if (OUT_BYTES - s->out_bytes < need)
		return false;
	if (off)			/* it went out in part, so the buffer is empty */
		s->out_rest = need;
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
			wire_dropped(&s->wire, VSWITCH_DROP_UPLINK_FULL, frames + i, 1);
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
		wire_dropped(&s->wire, VSWITCH_DROP_BAD_FRAME, frames, some);
	} else {
		wire_dropped(&s->wire, VSWITCH_DROP_NOT_READY, frames, some);
		die(s, "sending", errno);
	}
	return some;
}

static void send_all(struct wire *w, const struct vswitch_frame *const *frames, unsigned n)
{
	struct stream *s = hv_container_of(w, struct stream, wire);
	unsigned done = 0;

	while (done < n && !s->wire.gone && !out_left(s))
		done += send_some(s, frames + done, n - done);
	if (s->wire.gone) {
		wire_dropped(&s->wire, VSWITCH_DROP_NOT_READY, frames + done, n - done);
		return;
	}
	keep_rest(s, frames + done, n - done, 0);
	if (out_left(s)) {
		if (out_left(s) > OUT_HIGH_BYTES)
			s->wire.user->congested(s->wire.opaque, true);
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
		s->out_off = s->out_bytes = s->out_rest = 0;
	if (out_left(s) <= OUT_LOW_BYTES)
		s->wire.user->congested(s->wire.opaque, false);
}

static void ready(struct hv_watch *w, uint32_t events)
{
	struct stream *s = hv_container_of(w, struct stream, watch);

	if (events & POLLOUT && out_left(s))
		send_kept(s);
	if (!s->wire.gone && !s->paused && events & (POLLIN | POLLHUP | POLLERR))
		receive(s);
	if (!s->wire.gone)
		set_events(s);
}

/* Making and ending it. */

static void stream_destroy(struct wire *w)
{
	struct stream *s = hv_container_of(w, struct stream, wire);

	hv_watch_stop(&s->watch);
	hv_poller_stop(&s->poller);
	drop_kept(s, VSWITCH_DROP_PORT_DOWN);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static const struct wire_ops stream_ops = {
	.send = send_all,
	.resume = resume,
	.destroy = stream_destroy,
};

static int set_up_socket(int fd)
{
	int flags = fcntl(fd, F_GETFL), bytes = SOCKET_BYTES;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	/* Only a wish: a small buffer works, too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

int wire_open_stream(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *name, int fd,
		     struct wire **out)
{
	struct stream *s = calloc(1, sizeof(*s));
	int ret;

	if (!s || strlen(name) >= sizeof(s->wire.name)) {
		close(fd);
		free(s);
		return s ? -EINVAL : -ENOMEM;
	}
	s->wire = (struct wire){
		.ops = &stream_ops,
		.user = user,
		.opaque = opaque,
		.loop = loop,
		.kind = VSWITCH_WIRE_STREAM,
		.max_frame_bytes = VSWITCH_FRAME_MAX_BYTES - VLAN_TAG_BYTES,
		.full_duplex = true,
		.link = true,
	};
	strcpy(s->wire.name, name);
	s->watch.ready = ready;
	s->poller.poll = poll_after_pause;
	s->poller.sleep = poller_sleeps;
	s->fd = fd;
	ret = set_up_socket(fd);
	if (!ret)
		ret = hv_watch_start(loop, &s->watch, fd, POLLIN);
	return wire_opened(&s->wire, ret, out);
}
