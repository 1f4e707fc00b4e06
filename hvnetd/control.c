/* SPDX-License-Identifier: MIT */
#include "hvnetd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define READ_BYTES 16384		/* our policy: per connection and round */
#define OUT_PAUSE_BYTES 262144		/* our policy: who does not read replies is not read from */
#define ACCEPT_PAUSE_NS 100000000ull	/* our policy: after accept(2) failed, e.g. without descriptors */
#define ANSWER_MS 3000			/* our policy: for a daemon that may be there already */
#define LOCK_TRIES 20			/* our policy: two seconds for another start on the same folder */

struct control_client {
	TAILQ_ENTRY(control_client) link;
	struct control *control;	/* borrowed: its clients go first */
	struct hv_watch watch;
	struct hv_timer later;		/* client_update() */
	int fd;				/* owned */
	struct ucred peer;
	uint64_t id;
	bool may_change;
	bool closing;			/* no more requests; goes when its replies are sent */
	bool broken;			/* out of memory */
	bool serving;			/* in client_handle_lines() */
	struct rpc_request *request;	/* under way; NULL: none */
	char *in;			/* owned */
	size_t in_used, in_capacity;
	char *out;			/* owned */
	size_t out_used, out_sent, out_capacity;
	int fds[CONTROL_FDS_MAX];	/* owned; go with the byte of out at fds_at */
	unsigned num_fds;
	size_t fds_at;
};

struct control {
	struct hv_loop *loop;		/* borrowed */
	struct control_desc desc;
	char *path;			/* owned */
	dev_t dev;			/* of the socket we made, so that we remove no other */
	ino_t ino;
	int fd;				/* owned */
	struct hv_watch watch;
	struct hv_timer accept_timer;
	struct hv_log_limit limit;
	TAILQ_HEAD(, control_client) clients;
	unsigned num_clients;
	uint64_t made;
	bool has_group;			/* looked up once: that may take its time */
	gid_t group;
};

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void client_close(struct control_client *c)
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
	close_fds(c->fds, c->num_fds);
	free(c->in);
	free(c->out);
	free(c);
}

/* Replies. */

static bool client_queue(struct control_client *c, const char *line)
{
	size_t n = strlen(line) + 1;	/* with its newline */
	char *p;

	if (c->out_capacity - c->out_used < n) {
		p = realloc(c->out, c->out_used + n + 4096);
		if (!p)
			return false;
		c->out = p;
		c->out_capacity = c->out_used + n + 4096;
	}
	memcpy(c->out + c->out_used, line, n - 1);
	c->out[c->out_used + n - 1] = '\n';
	c->out_used += n;
	return true;
}

int control_client_send_fds_take(struct control_client *c, const int *fds, unsigned n)
{
	if (c->num_fds || n > CONTROL_FDS_MAX) {
		close_fds(fds, n);
		return -ENOBUFS;
	}
	memcpy(c->fds, fds, n * sizeof(*fds));
	c->num_fds = n;
	c->fds_at = c->out_used;
	return 0;
}

/* As send(2). Descriptors go with the first byte that was queued after them. */
static ssize_t send_some(struct control_client *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(c->fds))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { c->out + c->out_sent, c->out_used - c->out_sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t bytes = c->num_fds * sizeof(c->fds[0]);
	struct cmsghdr *head;
	ssize_t n;

	if (!c->num_fds || c->out_sent < c->fds_at) {
		if (c->num_fds)
			iov.iov_len = c->fds_at - c->out_sent;
		return sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	msg.msg_control = control.bytes;
	msg.msg_controllen = CMSG_SPACE(bytes);
	head = CMSG_FIRSTHDR(&msg);
	*head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes) };
	memcpy(CMSG_DATA(head), c->fds, bytes);
	n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		close_fds(c->fds, c->num_fds);
		c->num_fds = 0;
	}
	return n;
}

/* False: the connection is broken. */
static bool client_send(struct control_client *c)
{
	while (c->out_sent < c->out_used) {
		ssize_t n = send_some(c);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_sent += (size_t)n;
	}
	c->out_sent = c->out_used = 0;
	return true;
}

/* Takes the line. False: out of memory. */
static bool client_reply(struct control_client *c, char *line)
{
	bool ok = !line || client_queue(c, line);

	free(line);
	return ok;
}

/* Requests. */

static bool client_paused(const struct control_client *c)
{
	return c->request || c->out_used - c->out_sent > OUT_PAUSE_BYTES;
}

static size_t line_max(const struct control_client *c)
{
	return c->may_change ? CONTROL_LINE_MAX_CHANGE : CONTROL_LINE_MAX;
}

static void request_done(void *caller, char *reply);

/* False: out of memory. */
static bool client_handle_lines(struct control_client *c)
{
	size_t start = 0, n;
	char *end;

	c->serving = true;
	while (!c->broken && !client_paused(c)) {
		end = memchr(c->in + start, '\n', c->in_used - start);
		if (!end)
			break;
		n = (size_t)(end - c->in) - start;
		if (n > 0 && !(n == 1 && c->in[start] == '\r'))
			c->request = rpc_start(&c->control->desc.dispatcher, c, c->may_change, c->in + start, n, request_done);
		start += n + 1;
	}
	c->serving = false;
	memmove(c->in, c->in + start, c->in_used - start);
	c->in_used -= start;
	if (c->in_used >= line_max(c) && !memchr(c->in, '\n', c->in_used)) {
		c->broken = c->broken || !client_reply(c, rpc_error_reply(RPC_INVALID_REQUEST, c->may_change ?
									  "a request is one line of less than 1 MiB" :
									  "a request is one line of less than 64 KiB"));
		c->in_used = 0;
		c->closing = true;
	}
	return !c->broken;
}

/* Handles lines until none is left or the replies pile up. False: the connection is broken. */
static bool client_serve(struct control_client *c)
{
	bool paused;

	do {
		if (!client_handle_lines(c))
			return false;
		paused = client_paused(c);
		if (!client_send(c))
			return false;
	} while (paused && !client_paused(c));
	return true;
}

static bool client_read(struct control_client *c)
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
static void client_update(struct control_client *c, bool ok)
{
	bool pending;

	ok = ok && client_serve(c);
	pending = c->out_used > c->out_sent;
	if (!ok || (c->closing && !pending && !c->request)) {
		client_close(c);
		return;
	}
	/* Lines that wait for the replies to drain are handled when the socket takes more. */
	hv_watch_modify(&c->watch, (uint32_t)((pending ? POLLOUT : 0) |
					      (c->closing || client_paused(c) ? 0 : POLLIN)));
}

static void client_ready(struct hv_watch *w, uint32_t events)
{
	struct control_client *c = hv_container_of(w, struct control_client, watch);
	bool ok = true;

	if ((events & POLLIN) && !c->closing && !client_paused(c))
		ok = client_read(c);
	else if (events & (POLLERR | POLLHUP | POLLNVAL))
		ok = false;
	client_update(c, ok);
}

/* An answer that came later: what waits behind it is handled from the loop, not from within somebody's change. */
static void request_done(void *caller, char *reply)
{
	struct control_client *c = caller;

	c->request = NULL;
	if (!client_reply(c, reply))
		c->broken = true;
	if (!c->serving && hv_timer_arm(c->control->loop, &c->later, 0))
		c->broken = true;
}

static void client_later(struct hv_timer *t)
{
	client_update(hv_container_of(t, struct control_client, later), true);
}

bool control_push(struct control_client *c, const char *line, size_t max_bytes)
{
	if (c->out_used - c->out_sent + strlen(line) > max_bytes || c->closing || !client_queue(c, line))
		return false;
	if (hv_timer_arm(c->control->loop, &c->later, 0))
		c->broken = true;
	return true;
}

/* Connections. */

enum { GROUPS_MAX = 256 };		/* our policy: of a peer that are looked at */

/* The peer's groups as they were when it connected. */
static bool peer_in_group(const struct control *control, int fd, const struct ucred *peer)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (!control->has_group)
		return false;
	if (peer->gid == control->group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == control->group)
			return true;
	return false;
}

static bool peer_may_change(const struct control *control, int fd, const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() || peer_in_group(control, fd, peer);
}

static bool has_room(const struct control *control, const struct ucred *peer, bool may_change)
{
	const struct control_client *c;
	unsigned same = 0;

	if (control->num_clients >= CONTROL_CLIENTS_MAX)
		return false;
	if (may_change)
		return true;
	TAILQ_FOREACH(c, &control->clients, link)
		same += c->peer.uid == peer->uid;
	/* A quarter is kept for those who may change things. */
	return same < CONTROL_CLIENTS_PER_USER && control->num_clients < CONTROL_CLIENTS_MAX / 4 * 3;
}

static int client_create(struct control *control, int fd)
{
	struct control_client *c = calloc(1, sizeof(*c));
	socklen_t len = sizeof(c->peer);
	int ret = -ENOMEM;

	if (!c)
		return -ENOMEM;
	c->control = control;
	c->fd = fd;
	c->watch.ready = client_ready;
	c->later.fire = client_later;
	c->id = ++control->made;
	c->in_capacity = READ_BYTES;
	c->in = malloc(READ_BYTES);
	if (c->in)
		ret = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) ? -errno : 0;
	if (!ret)
		c->may_change = peer_may_change(control, fd, &c->peer);
	if (!ret && !has_room(control, &c->peer, c->may_change))
		ret = -EUSERS;
	if (!ret && !c->may_change && !control->desc.others_look)
		ret = -EACCES;
	if (!ret)
		ret = hv_watch_start(control->loop, &c->watch, fd, POLLIN);
	if (ret) {
		free(c->in);
		free(c);
		return ret;
	}
	TAILQ_INSERT_TAIL(&control->clients, c, link);
	control->num_clients++;
	return 0;
}

/* So that whoever asks knows that a daemon is there. */
static void say_denied(int fd)
{
	char *line = rpc_error_reply(RPC_DENIED, "hvnetd is for root, the group " CONTROL_GROUP " and the user that it runs as");

	if (line && send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		(void)!send(fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(line);
}

/* One connection per round: others have their turn in between. */
static void listen_ready(struct hv_watch *w, uint32_t events)
{
	struct control *control = hv_container_of(w, struct control, watch);
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), ret;

	(void)events;
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		hv_log_limited(&control->limit, HV_LOG_WARNING, "control: accept: %s", strerror(errno));
		hv_watch_stop(w);
		if (hv_timer_arm(control->loop, &control->accept_timer, hv_now_ns() + ACCEPT_PAUSE_NS))
			hv_log(HV_LOG_ERROR, "control: out of memory, no further connections");
		return;
	}
	ret = client_create(control, fd);
	if (ret) {
		if (ret == -EACCES)
			say_denied(fd);
		hv_log_limited(&control->limit, HV_LOG_WARNING, "control: connection refused: %s", strerror(-ret));
		close(fd);
	}
}

static void accept_again(struct hv_timer *t)
{
	struct control *control = hv_container_of(t, struct control, accept_timer);

	if (hv_watch_start(control->loop, &control->watch, control->fd, POLLIN))
		hv_log(HV_LOG_ERROR, "control: out of memory, no further connections");
}

/* The listening socket. */

static int explain(char *why, size_t bytes, int ret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int explain(char *why, size_t bytes, int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, bytes, format, ap);
	va_end(ap);
	return ret;
}

/* One start at a time in a folder, so that none removes the socket that another has just made. */
static int lock_folder(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	int fd = -1;

	if (slash) {
		slash[slash == folder] = '\0';
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (folder) {
		fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	free(folder);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); i++)
		usleep(100000);
	return fd;
}

enum answer {
	ANSWER_NONE,		/* nobody is there any more */
	ANSWER_SOME,
	ANSWER_SILENCE,		/* somebody listens, and says nothing in time */
	ANSWER_DENIED,
};

/*
 * Whether a daemon serves the socket. A connection alone does not show it: after a process was
 * killed the kernel goes on to accept for a moment, because io_uring's polls hold the socket.
 */
static enum answer ask(const struct sockaddr_un *addr)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\n";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	enum answer answer = ANSWER_SILENCE;
	char byte;

	if (fd < 0)
		return ANSWER_SILENCE;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		answer = errno == ECONNREFUSED ? ANSWER_NONE : errno == EACCES ? ANSWER_DENIED : ANSWER_SILENCE;
	else if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		answer = ANSWER_NONE;
	else if (poll(&p, 1, ANSWER_MS) == 1)
		answer = recv(fd, &byte, 1, 0) == 1 ? ANSWER_SOME : ANSWER_NONE;
	close(fd);
	return answer;
}

/* What is on the path already: nothing, a dead server's socket (removed), or a reason to refuse. */
static int clear_path(const struct sockaddr_un *addr, char *why, size_t bytes)
{
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : explain(why, bytes, -errno, "cannot look at %s: %s",
						     addr->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return explain(why, bytes, -ENOTSOCK,
			       "%s exists and is no socket; remove it, or give another path with --socket",
			       addr->sun_path);
	switch (ask(addr)) {
	case ANSWER_DENIED:
		return explain(why, bytes, -EACCES,
			       "%s belongs to another user; give another path with --socket", addr->sun_path);
	case ANSWER_SILENCE:
		return explain(why, bytes, -EADDRINUSE,
			       "somebody listens on %s without answering; end it, or give other places with "
			       "--socket and --runtime-dir", addr->sun_path);
	case ANSWER_SOME:
		return explain(why, bytes, -EADDRINUSE,
			       "another hvnetd answers on %s; stop it, or give other places with --socket "
			       "and --runtime-dir", addr->sun_path);
	case ANSWER_NONE:
		break;
	}
	hv_log(HV_LOG_NOTICE, "control: replacing %s, which an ended hvnetd left behind", addr->sun_path);
	if (unlink(addr->sun_path))
		return explain(why, bytes, -errno, "cannot remove %s: %s", addr->sun_path, strerror(errno));
	return 0;
}

static int bind_socket(struct control *control, const struct sockaddr_un *addr, char *why, size_t bytes)
{
	struct stat st;

	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0)
		return explain(why, bytes, -errno, "socket: %s", strerror(errno));
	if (bind(control->fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return explain(why, bytes, -errno, "cannot make the control socket %s: %s; does the folder exist, and "
			       "may you write to it? (--socket, --runtime-dir)", addr->sun_path, strerror(errno));
	/* Everybody may knock; credentials decide. */
	if (stat(addr->sun_path, &st) || chmod(addr->sun_path, 0666) || listen(control->fd, 64))
		return explain(why, bytes, -errno, "cannot set up the control socket %s: %s", addr->sun_path,
			       strerror(errno));
	control->dev = st.st_dev;
	control->ino = st.st_ino;
	return 0;
}

static int listen_on(struct control *control, char *why, size_t bytes)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int lock, ret;

	if (strlen(control->path) >= sizeof(addr.sun_path))
		return explain(why, bytes, -ENAMETOOLONG, "the control socket's path is too long: %s", control->path);
	strcpy(addr.sun_path, control->path);
	lock = lock_folder(control->path);
	ret = clear_path(&addr, why, bytes);
	if (!ret)
		ret = bind_socket(control, &addr, why, bytes);
	if (lock >= 0)
		close(lock);
	return ret;
}

int control_create(struct hv_loop *loop, const struct control_desc *desc, struct control **out, char *why,
		   size_t why_bytes)
{
	struct control *control = calloc(1, sizeof(*control));
	const struct group *group;
	int ret;

	if (!control)
		return explain(why, why_bytes, -ENOMEM, "out of memory");
	TAILQ_INIT(&control->clients);
	control->loop = loop;
	control->desc = *desc;
	control->fd = -1;
	control->watch.ready = listen_ready;
	control->accept_timer.fire = accept_again;
	group = getgrnam(desc->group ? desc->group : CONTROL_GROUP);
	control->has_group = group;
	control->group = group ? group->gr_gid : 0;
	control->path = strdup(desc->path);
	ret = control->path ? listen_on(control, why, why_bytes) : explain(why, why_bytes, -ENOMEM, "out of memory");
	if (!ret && hv_watch_start(loop, &control->watch, control->fd, POLLIN))
		ret = explain(why, why_bytes, -ENOMEM, "out of memory");
	if (ret)
		control_destroy(control);
	else
		*out = control;
	return ret;
}

void control_destroy(struct control *control)
{
	struct control_client *c;
	struct stat st;

	if (!control)
		return;
	while ((c = TAILQ_FIRST(&control->clients)))
		client_close(c);
	hv_timer_cancel(&control->accept_timer);
	hv_watch_stop(&control->watch);
	if (control->ino && !lstat(control->path, &st) && st.st_dev == control->dev && st.st_ino == control->ino)
		unlink(control->path);
	if (control->fd >= 0)
		close(control->fd);
	free(control->path);
	free(control);
}

uint64_t control_client_id(const struct control_client *client)
{
	return client->id;
}

pid_t control_client_pid(const struct control_client *client)
{
	return client->peer.pid;
}

unsigned control_clients(const struct control *control)
{
	return control->num_clients;
}
