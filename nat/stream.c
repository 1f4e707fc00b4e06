/* SPDX-License-Identifier: MIT */
/*
 * The socket to the switch: four bytes of length, big-endian, then the frame. Reads are large, and
 * what goes out is collected during a round of the main loop and sent at its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "nat/nat.h"

enum {
	PREFIX_BYTES = 4,
	IN_BYTES = 256 * 1024,		/* our policy: one round's work */
	OUT_BYTES = 1024 * 1024,
	OUT_HIGH_BYTES = 512 * 1024,
};

struct nat_stream {
	int fd;				/* owned */
	size_t in_bytes;
	size_t out_off, out_bytes;	/* out[out_off, out_bytes) is still to be sent */
	struct hv_log_limit lost;
	uint8_t in[IN_BYTES];
	uint8_t out[OUT_BYTES];
};

int nat_stream_create(int fd, struct nat_stream **out)
{
	struct nat_stream *s;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = fd;
	*out = s;
	return 0;
}

void nat_stream_destroy(struct nat_stream *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

int nat_stream_fd(const struct nat_stream *s)
{
	return s->fd;
}

bool nat_stream_pending(const struct nat_stream *s)
{
	return s->out_off < s->out_bytes;
}

bool nat_stream_full(const struct nat_stream *s)
{
	return s->out_bytes - s->out_off > OUT_HIGH_BYTES;
}

void nat_stream_send(struct nat_stream *s, const void *frame, size_t n)
{
	uint8_t prefix[PREFIX_BYTES] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
					 (uint8_t)n };

	if (OUT_BYTES - s->out_bytes < PREFIX_BYTES + n && s->out_off) {
		memmove(s->out, s->out + s->out_off, s->out_bytes - s->out_off);
		s->out_bytes -= s->out_off;
		s->out_off = 0;
	}
	if (!n || n > NAT_FRAME_MAX_BYTES || OUT_BYTES - s->out_bytes < PREFIX_BYTES + n) {
		hv_log_limited(&s->lost, HV_LOG_DEBUG, "nat: the switch takes no more, a frame is lost");
		return;
	}
	memcpy(s->out + s->out_bytes, prefix, PREFIX_BYTES);
	memcpy(s->out + s->out_bytes + PREFIX_BYTES, frame, n);
	s->out_bytes += PREFIX_BYTES + n;
}

int nat_stream_flush(struct nat_stream *s)
{
	ssize_t n;

	while (nat_stream_pending(s)) {
		n = send(s->fd, s->out + s->out_off, s->out_bytes - s->out_off,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		s->out_off += (size_t)n;
	}
	s->out_off = s->out_bytes = 0;
	return 0;
}

/* 0 or -EPROTO. */
static int hand_over(struct nat_stream *s, void (*frame)(void *cookie, const uint8_t *p, size_t n),
		     void *cookie)
{
	size_t off = 0, n;
	const uint8_t *p;

	while (s->in_bytes - off >= PREFIX_BYTES) {
		p = s->in + off;
		n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
		if (!n || n > NAT_FRAME_MAX_BYTES)
			return -EPROTO;
		if (s->in_bytes - off - PREFIX_BYTES < n)
			break;
		frame(cookie, p + PREFIX_BYTES, n);
		off += PREFIX_BYTES + n;
	}
	memmove(s->in, s->in + off, s->in_bytes - off);
	s->in_bytes -= off;
	return 0;
}

int nat_stream_receive(struct nat_stream *s, void (*frame)(void *cookie, const uint8_t *p, size_t n),
		       void *cookie)
{
	ssize_t n = recv(s->fd, s->in + s->in_bytes, IN_BYTES - s->in_bytes, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	s->in_bytes += (size_t)n;
	return hand_over(s, frame, cookie);
}
