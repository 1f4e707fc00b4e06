/* SPDX-License-Identifier: MIT */
#include "hvnetd/control_client.h"

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


#define ACCEPT_PAUSE_NS 100000000ull	/* our policy: after accept(2) failed, e.g. without descriptors */
#define ANSWER_MS 3000			/* our policy: for a daemon that may be there already */
#define LOCK_TRIES 20			/* our policy: two seconds for another start on the same folder */

/* ---- who may connect ---- */

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

/* Whether there may be one more connection. */
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

static int admit(struct control *control, int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;
	bool may_change;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -errno;
	may_change = peer_may_change(control, fd, &peer);
	if (!has_room(control, &peer, may_change))
		return -EUSERS;
	if (!may_change && !control->desc.others_look)
		return -EACCES;
	return control_client_create(control, fd, &peer, may_change);
}

/* So that whoever asks knows that a daemon is there, and what to do. */
static void say_refused(int fd, int ret)
{
	char *line = NULL;

	if (ret == -EACCES)
		line = rpc_error_reply(RPC_DENIED, "hvnetd is for root, the group " CONTROL_GROUP " and the user that it runs as");
	else if (ret == -EUSERS)
		line = rpc_error_reply(RPC_NO_RESOURCES, "hvnetd has as many connections as it takes; end some, or try again later");
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
	ret = admit(control, fd);
	if (ret) {
		say_refused(fd, ret);
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

/* ---- the listening socket ---- */

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
		control_client_close(c);
	hv_timer_cancel(&control->accept_timer);
	hv_watch_stop(&control->watch);
	if (control->ino && !lstat(control->path, &st) && st.st_dev == control->dev && st.st_ino == control->ino)
		unlink(control->path);
	if (control->fd >= 0)
		close(control->fd);
	free(control->path);
	free(control);
}

bool control_trusts(const struct control *control, int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer_may_change(control, fd, &peer);
}

unsigned control_clients(const struct control *control)
{
	return control->num_clients;
}
