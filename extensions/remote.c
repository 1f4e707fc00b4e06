/* SPDX-License-Identifier: MIT */
/*
 * A module in a process that only has two rings and a socket to the host: attaching, the loop, the end.
 * Services: remote_services.c; what comes from the host: remote_frames.c, remote_events.c.
 */
#include "extensions/remote.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "extensions/remote_internal.h"

enum {
	IDLE_MS = 200,			/* as the header says */
	HELLO_MS = 2000,
};

uint64_t remote_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Running. */

static int wait_ms(const struct vswitch_extension *e)
{
	uint64_t now = remote_clock_ns();

	if (!e->deadline_ns || e->deadline_ns > now + IDLE_MS * 1000000ull)
		return IDLE_MS;
	return e->deadline_ns <= now ? 0 : (int)((e->deadline_ns - now) / 1000000u) + 1;
}

static void run_timer(struct vswitch_extension *e)
{
	if (!e->deadline_ns || e->deadline_ns > remote_clock_ns())
		return;
	e->deadline_ns = 0;
	if (e->active && e->module->ops->timer)
		e->module->ops->timer(e->instance);
}

int extension_remote_run(struct extension_remote *remote, const volatile sig_atomic_t *stop)
{
	struct vswitch_extension *e = &remote->e;
	struct pollfd p[2] = { { e->fd, POLLIN, 0 }, { e->wake_fd, POLLIN, 0 } };
	eventfd_t rang;

	while (!e->broken && !(stop && *stop)) {
		/* Events first: a frame's port should be known. */
		if (!remote_read_events(e))
			return 0;
		remote_read_frames(e);
		run_timer(e);
		if (remote_ring_sleep(&e->in))
			(void)poll(p, 2, wait_ms(e));
		remote_ring_awake(&e->in);
		(void)eventfd_read(e->wake_fd, &rang);
	}
	/* What the switch has shown until now was meant to be seen. */
	if (!e->broken && remote_read_events(e))
		remote_read_frames(e);
	return e->broken ? -EPROTO : 0;
}

/* Attaching. */

static int fail(char *to, size_t n, int error, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(char *to, size_t n, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (to && n)
		vsnprintf(to, n, format, ap);
	va_end(ap);
	return error;
}

static int connect_to(struct vswitch_extension *e, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { HELLO_MS / 1000, 0 };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	e->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(e->fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

static uint32_t wants(const struct vswitch_ext_module *m)
{
	const bool in = (m->capture && m->capture->ingress) || (m->filter && m->filter->ingress) ||
			(m->forward && m->forward->ingress);
	const bool out = (m->capture && m->capture->egress) || (m->filter && m->filter->egress) ||
			 (m->forward && m->forward->egress);

	return (in ? REMOTE_WANTS_INGRESS : 0) | (out ? REMOTE_WANTS_EGRESS : 0) | (m->ops->port_create ? REMOTE_WANTS_PORTS : 0) |
	       (m->ops->nic_create ? REMOTE_WANTS_NICS : 0);
}

static int receive_welcome(struct vswitch_extension *e, struct remote_welcome *w, int fds[3])
{
	struct iovec iov = { w, sizeof(*w) };
	union { char bytes[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr aligned; } control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(e->fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (n <= 0 || !c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(3 * sizeof(int)))
		return -ECONNREFUSED;
	memcpy(fds, CMSG_DATA(c), 3 * sizeof(int));
	if (n != sizeof(*w) || w->type != REMOTE_WELCOME || w->magic != REMOTE_MAGIC || w->version != REMOTE_VERSION ||
	    w->memory_bytes != sizeof(struct remote_memory))
		return -EPROTO;
	return 0;
}

static int greet(struct vswitch_extension *e)
{
	struct remote_hello h = { REMOTE_HELLO, REMOTE_MAGIC, REMOTE_VERSION, e->module->class, wants(e->module), "" };
	int fds[3] = { -1, -1, -1 }, ret;
	struct remote_welcome w = { 0 };
	void *at;

	snprintf(h.name, sizeof(h.name), "%s", e->module->name);
	if (send(e->fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		return -ECONNREFUSED;
	ret = receive_welcome(e, &w, fds);
	e->wake_fd = fds[1];
	e->host_fd = fds[2];
	if (ret)
		return ret;
	at = mmap(NULL, sizeof(*e->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	close(fds[0]);
	if (at == MAP_FAILED)
		return -errno;
	e->memory = at;
	remote_rings(e->memory, &e->in, &e->out);
	snprintf(e->config, sizeof(e->config), "%s", w.config);
	snprintf(e->switch_name, sizeof(e->switch_name), "%s", w.switch_name);
	return 0;
}

int extension_remote_attach(const char *socket, const struct vswitch_ext_module *module, char *error, size_t error_bytes,
			    struct extension_remote **out)
{
	struct extension_remote *r = calloc(1, sizeof(*r));
	char reason[VSWITCH_REFUSAL_BYTES] = "";
	struct vswitch_extension *e;
	int ret;

	if (!r)
		return fail(error, error_bytes, -ENOMEM, "out of memory");
	e = &r->e;
	e->module = module;
	e->fd = e->wake_fd = e->host_fd = -1;
	e->v.e = e->w.e = e;
	TAILQ_INIT(&e->ports);
	TAILQ_INIT(&e->nics);
	TAILQ_INIT(&e->held);
	ret = connect_to(e, socket);
	if (ret)
		ret = fail(error, error_bytes, ret, "%s: %s", socket, strerror(-ret));
	if (!ret) {
		ret = greet(e);
		if (ret)
			ret = fail(error, error_bytes, ret, "the switch turns the program away: it has one, or wants another class");
	}
	if (!ret && module->ops->attach) {
		ret = module->ops->attach(e, &remote_services, e->config, reason, &e->instance);
		if (ret)
			ret = fail(error, error_bytes, ret, "%s: %s", module->name, reason);
	}
	e->attached = !ret;
	if (ret)
		extension_remote_detach(r);
	else
		*out = r;
	return ret;
}

void extension_remote_detach(struct extension_remote *remote)
{
	struct vswitch_extension *e;

	if (!remote)
		return;
	e = &remote->e;
	remote_deactivate(e);
	if (e->attached && e->module->ops->detach)
		e->module->ops->detach(e->instance);
	if (e->memory)
		munmap(e->memory, sizeof(*e->memory));
	for (unsigned i = 0; i < 3; i++) {
		int fd = i == 0 ? e->fd : i == 1 ? e->wake_fd : e->host_fd;

		if (fd >= 0)
			close(fd);
	}
	free(remote);
}

void extension_remote_stats(const struct extension_remote *remote, struct extension_remote_stats *out)
{
	*out = remote->e.stats;
}
