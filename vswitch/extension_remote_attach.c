/* SPDX-License-Identifier: MIT */
/*
 * A program outside comes and goes: who may, what it is handed, and what is left when it is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vswitch/extension_remote.h"
#include "vswitch/remote_frame.h"

enum { ANSWERS_PER_WAKE = 64 };		/* our policy */

void remote_text(char *to, size_t room, const char *from, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < room && i < n && from[i]; i++)
		to[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	to[i] = '\0';
}

/* Its end. */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void remote_stop_watch(struct hv_watch *w)
{
	hv_watch_stop(w);
	close_fd(&w->fd);
}

void remote_part(struct vswitch_remote *r, const char *why)
{
	if (!r->greeted)
		return;
	remote_stop_watch(&r->control);
	r->greeted = false;
	if (!r->stats.attached)
		return;
	r->stats.attached = false;
	r->stats.deaths++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: program %s: %s; frames %s", r->e->sw->name, r->e->name,
	       r->program, why, r->config.fail_open ? "pass" : "are dropped");
	remote_stop_watch(&r->doorbell);
	close_fd(&r->wake_fd);
	munmap(r->memory, sizeof(*r->memory));
	r->memory = NULL;
	r->num_backlog = r->backlog_sent = 0;
	remote_decide_all(r, "the program is gone");
	remote_answer_all(r, "its program is gone");
	stack_program(r->e, false, why);
}

void remote_breach(struct vswitch_remote *r, const char *what)
{
	r->stats.breaches++;
	remote_part(r, what);
}

/* Attaching. */

static int make_memory(struct vswitch_remote *r, int *memory_fd)
{
	void *at;
	int fd = memfd_create("hvnet-extension", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* It can neither shrink under us nor grow. */
	if (ftruncate(fd, sizeof(*r->memory)) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		close(fd);
		return -errno;
	}
	at = mmap(NULL, sizeof(*r->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		close(fd);
		return -errno;
	}
	r->memory = at;
	remote_rings(r->memory, &r->out, &r->in);
	*memory_fd = fd;
	return 0;
}

static int send_welcome(struct vswitch_remote *r, const int fds[3])
{
	struct remote_welcome w = { REMOTE_WELCOME, REMOTE_MAGIC, REMOTE_VERSION, sizeof(*r->memory), "", "", "" };
	struct iovec iov = { &w, sizeof(w) };
	union { char bytes[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr aligned; } control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	snprintf(w.name, sizeof(w.name), "%s", r->name);
	snprintf(w.switch_name, sizeof(w.switch_name), "%s", r->e->sw->name);
	snprintf(w.config, sizeof(w.config), "%s", r->text);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
	return sendmsg(r->control.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(w) ? 0 : -EIO;
}

static int set_up(struct vswitch_remote *r)
{
	int fds[3] = { -1, -1, -1 }, ret = make_memory(r, &fds[0]);

	if (ret)
		return ret;
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = fds[1] < 0 || fds[2] < 0 ? -errno : send_welcome(r, fds);
	if (!ret)
		ret = hv_watch_start(r->loop, &r->doorbell, fds[2], POLLIN);
	close(fds[0]);
	if (ret) {
		close_fd(&fds[1]);
		close_fd(&fds[2]);
		munmap(r->memory, sizeof(*r->memory));
		r->memory = NULL;
		return ret;
	}
	r->wake_fd = fds[1];
	return 0;
}

static void turn_away(struct vswitch_remote *r, const char *why)
{
	r->stats.refused++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: a program is turned away: %s", r->e->sw->name, r->e->name, why);
	remote_part(r, why);
}

static void hello(struct vswitch_remote *r, const struct remote_hello *h)
{
	if (h->type != REMOTE_HELLO || h->magic != REMOTE_MAGIC || h->version != REMOTE_VERSION) {
		turn_away(r, "it speaks another protocol");
		return;
	}
	if (h->class != r->config.class) {
		turn_away(r, "its module is of another class");
		return;
	}
	if (set_up(r)) {
		turn_away(r, "what it needs cannot be had");
		return;
	}
	remote_text(r->program, sizeof(r->program), h->name, sizeof(h->name));
	r->wants = h->class == VSWITCH_EXT_CAPTURE ? h->wants & ~(uint32_t)(REMOTE_WANTS_PORTS | REMOTE_WANTS_NICS) : h->wants;
	r->stats.attached = true;
	r->stats.attaches++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: program %s attached", r->e->sw->name, r->e->name, r->program);
	stack_program(r->e, true, r->program);
	if (r->e->enabled)
		remote_tell_all(r);
}

static void take_message(struct vswitch_remote *r, const void *message, size_t n)
{
	struct remote_answer answer;
	struct remote_hello h;

	if (r->stats.attached && n == sizeof(answer)) {
		memcpy(&answer, message, sizeof(answer));
		if (remote_take_answer(r, &answer))
			return;
	} else if (!r->stats.attached && n == sizeof(h)) {
		memcpy(&h, message, sizeof(h));
		hello(r, &h);
		return;
	}
	remote_breach(r, "it said what it may not");
}

void remote_said(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, control);
	union { struct remote_hello hello; struct remote_answer answer; char more[256]; } message;
	ssize_t n;

	if (events & POLLOUT)
		remote_send_backlog(r);
	begin_call(r->e);
	for (unsigned i = 0; i < ANSWERS_PER_WAKE && r->greeted; i++) {
		n = recv(watch->fd, &message, sizeof(message), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0)
			remote_part(r, "it left");
		else
			take_message(r, &message, (size_t)n);
	}
	end_call(r->e);
}

/* The user that runs this process, or root. */
static bool may_attach(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) && (!peer.uid || peer.uid == geteuid());
}

void remote_connected(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, listener);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (r->stats.attached || !may_attach(fd)) {
		r->stats.refused++;
		close(fd);
		return;
	}
	remote_part(r, "another came before it said hello");
	if (hv_watch_start(r->loop, &r->control, fd, POLLIN)) {
		close(fd);
		return;
	}
	r->greeted = true;
}
