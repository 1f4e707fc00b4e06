/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nat/nat.h"

#define LENGTH_BYTES 4
#define IN_BYTES (4 * (LENGTH_BYTES + NAT_FRAME_MAX_BYTES))	/* our policy: what one read may bring */

int nat_stream_init(struct nat_stream *s, int fd)
{
	*s = (struct nat_stream){ .fd = fd, .in = malloc(IN_BYTES), .out = malloc(NAT_QUEUE_BYTES) };
	if (s->in && s->out)
		return 0;
	nat_stream_free(s);
	return -ENOMEM;
}

void nat_stream_free(struct nat_stream *s)
{
	free(s->in);
	free(s->out);
	s->in = s->out = NULL;
}

static uint32_t length_at(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, sizeof(be));
	return ntohl(be);
}

int nat_stream_read(struct nat_stream *s, void (*take)(void *cookie, const uint8_t *frame, size_t bytes), void *cookie)
{
	size_t done = 0;
	ssize_t n = recv(s->fd, s->in + s->in_used, IN_BYTES - s->in_used, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	s->in_used += (size_t)n;
	while (s->in_used - done >= LENGTH_BYTES) {
		uint32_t bytes = length_at(s->in + done);

		if (!bytes || bytes > NAT_FRAME_MAX_BYTES)
			return -EPROTO;
		if (s->in_used - done - LENGTH_BYTES < bytes)
			break;
		take(cookie, s->in + done + LENGTH_BYTES, bytes);
		done += LENGTH_BYTES + bytes;
	}
	s->in_used -= done;
	memmove(s->in, s->in + done, s->in_used);
	return 0;
}

bool nat_stream_put(struct nat_stream *s, const void *frame, size_t bytes)
{
	uint32_t be = htonl((uint32_t)bytes);

	if (LENGTH_BYTES + bytes > NAT_QUEUE_BYTES - s->out_end && s->out_begin) {
		memmove(s->out, s->out + s->out_begin, nat_stream_queued(s));
		s->out_end -= s->out_begin;
		s->out_begin = 0;
	}
	if (LENGTH_BYTES + bytes > NAT_QUEUE_BYTES - s->out_end) {
		s->dropped++;
		return false;
	}
	memcpy(s->out + s->out_end, &be, LENGTH_BYTES);
	memcpy(s->out + s->out_end + LENGTH_BYTES, frame, bytes);
	s->out_end += LENGTH_BYTES + bytes;
	return true;
}

int nat_stream_flush(struct nat_stream *s)
{
	while (nat_stream_queued(s)) {
		ssize_t n = send(s->fd, s->out + s->out_begin, nat_stream_queued(s), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		s->out_begin += (size_t)n;
	}
	s->out_begin = s->out_end = 0;
	return 0;
}
