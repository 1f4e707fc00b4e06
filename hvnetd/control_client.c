/* SPDX-License-Identifier: MIT */
#include "hvnetd/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {				/* our policy, each: of a connection in one round */
	READ_BYTES = 16384,
	SEND_BYTES = 131072,
	SLICE_NS = 500000,	/* as a change's */
	SEND_LINES = 16,	/* in one call */
	OUT_PAUSE_BYTES = 262144,	/* who does not read replies is not read from */
};

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* ---- replies ---- */

/* Takes the text. False: out of memory. */
static bool queue_take(struct control_client *c, char *text)
{
	struct control_line *line = text ? calloc(1, sizeof(*line)) : NULL;

	if (!line) {
		free(text);
		return false;
	}
	line->text = text;
	line->bytes = strlen(text) + 1;
	text[line->bytes - 1] = '\n';	/* in place of its NUL: from here on it is bytes */
	memcpy(line->fds, c->fds, sizeof(c->fds));
	line->num_fds = c->num_fds;
	c->fds_waiting += c->num_fds;
	c->num_fds = 0;
	STAILQ_INSERT_TAIL(&c->out, line, link);
	c->out_bytes += line->bytes;
	return true;
}

static void drop_first(struct control_client *c)
{
	struct control_line *line = STAILQ_FIRST(&c->out);

	STAILQ_REMOVE_HEAD(&c->out, link);
	c->out_bytes -= line->bytes - c->sent;
	c->fds_waiting -= line->num_fds;
	c->sent = 0;
	close_fds(line->fds, line->num_fds);
	free(line->text);
	free(line);
}

int control_client_send_fds_take(struct control_client *c, const int *fds, unsigned n)
{
	if (c->num_fds || c->fds_waiting || n > CONTROL_FDS_MAX) {
		close_fds(fds, n);
		return -ENOBUFS;
	}
	memcpy(c->fds, fds, n * sizeof(*fds));
	c->num_fds = n;
	return 0;
}

/* What one sendmsg(2) takes: lines up to the next one that has descriptors. */
static int gather(const struct control_client *c, struct iovec iov[SEND_LINES], size_t room)
{
	const struct control_line *line;
	size_t skip = c->sent, n;
	int lines = 0;

	STAILQ_FOREACH(line, &c->out, link) {
		if (lines == SEND_LINES || !room || (lines && line->num_fds))
			break;
		n = line->bytes - skip < room ? line->bytes - skip : room;
		iov[lines++] = (struct iovec){ line->text + skip, n };
		room -= n;
		skip = 0;
	}
	return lines;
}

/* As send(2). */
static ssize_t send_some(struct control_client *c, size_t room)
{
	union {
		char bytes[CMSG_SPACE(sizeof(c->fds))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct control_line *first = STAILQ_FIRST(&c->out);
	const size_t bytes = first->num_fds * sizeof(first->fds[0]);
	struct iovec iov[SEND_LINES];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)gather(c, iov, room) };
	struct cmsghdr *head;
	ssize_t n;

	if (bytes) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(bytes);
		head = CMSG_FIRSTHDR(&msg);
		*head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes) };
		memcpy(CMSG_DATA(head), first->fds, bytes);
	}
	n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		close_fds(first->fds, first->num_fds);
		c->fds_waiting -= first->num_fds;
		first->num_fds = 0;
	}
	return n;
}

/* False: the connection is broken. What is left is sent when the socket takes more. */
static bool send_lines(struct control_client *c)
{
	size_t room = SEND_BYTES;

	while (room && !STAILQ_EMPTY(&c->out)) {
		ssize_t n = send_some(c, room);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		room -= (size_t)n;
		for (size_t left = (size_t)n; left;) {
			const size_t rest = STAILQ_FIRST(&c->out)->bytes - c->sent;

			c->sent += left < rest ? left : rest;
			c->out_bytes -= left < rest ? left : rest;
			if (left < rest)
				break;
			left -= rest;
			drop_first(c);
		}
	}
	return true;
}

/* ---- requests ---- */

static bool is_paused(const struct control_client *c)
{
	return c->request || c->out_bytes > OUT_PAUSE_BYTES;
}

static size_t line_max(const struct control_client *c)
{
	return c->may_change ? CONTROL_LINE_MAX_CHANGE : CONTROL_LINE_MAX;
}

/* An answer that came later: what waits behind it is handled from the loop, not from within somebody's change. */
static void request_done(void *caller, char *reply)
{
	struct control_client *c = caller;

	c->request = NULL;
	if (reply && !queue_take(c, reply))
		c->broken = true;
	if (!c->serving && hv_timer_arm(c->control->loop, &c->later, 0))
		c->broken = true;
}

static void refuse_long_line(struct control_client *c)
{
	c->broken = c->broken || !queue_take(c, rpc_error_reply(RPC_INVALID_REQUEST, c->may_change ?
								"a request is one line of less than 1 MiB" :
								"a request is one line of less than 64 KiB"));
	c->in_used = 0;
	c->closing = true;
}

/* False: out of memory. */
static bool handle_lines(struct control_client *c)
{
	const uint64_t until = hv_now_ns() + SLICE_NS;
	size_t start = 0, n;
	char *end = NULL;

	c->serving = true;
	c->behind = false;
	while (!c->broken && !is_paused(c) && !c->behind) {
		end = memchr(c->in + start, '\n', c->in_used - start);
		if (!end)
			break;
		n = (size_t)(end - c->in) - start;
		if (n > 0 && !(n == 1 && c->in[start] == '\r'))
			c->request = rpc_start(&c->control->desc.dispatcher, c, c->may_change, c->in + start, n, request_done);
		start += n + 1;
		c->behind = hv_now_ns() > until;
	}
	c->serving = false;
	memmove(c->in, c->in + start, c->in_used - start);
	c->in_used -= start;
	if (c->in_used >= line_max(c) && !memchr(c->in, '\n', c->in_used))
		refuse_long_line(c);
	return !c->broken;
}

/* Handles lines until none is left, the replies pile up or it has been long enough. False: the connection is broken. */
static bool serve(struct control_client *c)
{
	bool paused;

	do {
		if (!handle_lines(c))
			return false;
		paused = is_paused(c);
		if (!send_lines(c))
			return false;
	} while (paused && !is_paused(c) && !c->behind);
	return !c->behind || !hv_timer_arm(c->control->loop, &c->later, 0);
}

static bool read_some(struct control_client *c)
{
	size_t room, wanted = c->in_used + READ_BYTES > line_max(c) ? line_max(c) : c->in_used + READ_BYTES;
	ssize_t n;
	char *p;

	if (wanted > c->in_capacity) {
		p = realloc(c->in, wanted * 2);
		if (!p)
			return false;
		c->in = p;
		c->in_capacity = wanted * 2;
	}
	room = wanted - c->in_used;
	n = recv(c->fd, c->in + c->in_used, room < READ_BYTES ? room : READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		c->closing = true;	/* it may have closed its sending side only */
	c->in_used += (size_t)n;
	return true;
}

/* After anything that may have changed what is waited for. c may be gone then. */
static void update(struct control_client *c, bool ok)
{
	ok = ok && serve(c);
	if (!ok || (c->closing && !c->out_bytes && !c->request && !c->behind)) {
		control_client_close(c);
		return;
	}
	/* Lines that wait for the replies to drain are handled when the socket takes more. */
	hv_watch_modify(&c->watch, (uint32_t)((c->out_bytes ? POLLOUT : 0) |
					      (c->closing || c->behind || is_paused(c) ? 0 : POLLIN)));
}

static void client_ready(struct hv_watch *w, uint32_t events)
{
	struct control_client *c = hv_container_of(w, struct control_client, watch);
	bool ok = true;

	if ((events & POLLIN) && !c->closing && !c->behind && !is_paused(c))
		ok = read_some(c);
	else if (events & (POLLERR | POLLHUP | POLLNVAL))
		ok = false;
	update(c, ok);
}

static void client_later(struct hv_timer *t)
{
	update(hv_container_of(t, struct control_client, later), true);
}

bool control_push(struct control_client *c, const char *line, size_t max_bytes)
{
	if (c->out_bytes + strlen(line) > max_bytes || c->closing || !queue_take(c, strdup(line)))
		return false;
	if (hv_timer_arm(c->control->loop, &c->later, 0))
		c->broken = true;
	return true;
}

/* ---- its life ---- */

int control_client_create(struct control *control, int fd, const struct ucred *peer, bool may_change)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->control = control;
	c->peer = *peer;
	c->may_change = may_change;
	c->fd = fd;
	c->watch.ready = client_ready;
	c->later.fire = client_later;
	c->id = ++control->made;
	c->in_capacity = READ_BYTES;
	c->in = malloc(READ_BYTES);
	STAILQ_INIT(&c->out);
	if (!c->in || hv_watch_start(control->loop, &c->watch, fd, POLLIN)) {
		free(c->in);
		free(c);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&control->clients, c, link);
	control->num_clients++;
	return 0;
}

void control_client_close(struct control_client *c)
{
	struct control *control = c->control;

	if (c->request)
		rpc_abandon(c->request);
	hv_watch_stop(&c->watch);
	hv_timer_cancel(&c->later);
	close(c->fd);
	TAILQ_REMOVE(&control->clients, c, link);
	control->num_clients--;
	if (control->desc.gone)
		control->desc.gone(control->desc.dispatcher.opaque, c);
	while (!STAILQ_EMPTY(&c->out))
		drop_first(c);
	close_fds(c->fds, c->num_fds);
	free(c->in);
	free(c);
}

uint64_t control_client_id(const struct control_client *client)
{
	return client->id;
}

pid_t control_client_pid(const struct control_client *client)
{
	return client->peer.pid;
}
