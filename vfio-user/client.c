/* SPDX-License-Identifier: MIT */
#include "vfio-user/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	CLIENT_MAX_MESSAGE = (1 << 20) + 64,
	CLIENT_MAX_FDS = 64,
};

static const char vfuc_qemu_json[] =
	"{\"capabilities\": {\"max_msg_fds\": 16, \"max_data_xfer_size\": %u, "
	"\"pgsizes\": 4096, \"max_dma_maps\": 65535, \"migration\": {\"pgsize\": 4096, "
	"\"max_bitmap_size\": 268435456}, \"write_multiple\": true}}";

static int send_all(struct vfuc *c, const uint8_t *p, size_t n, const int *fds, unsigned num_fds)
{
	union {
		char bytes[CMSG_SPACE(CLIENT_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;

	while (n) {
		struct iovec iov = { (void *)p, c->opts.byte_segments ? 1 : n };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t sent;

		if (num_fds) {
			struct cmsghdr *m = &control.align;

			memset(&control, 0, sizeof(control));
			msg.msg_control = &control;
			msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
			m->cmsg_level = SOL_SOCKET;
			m->cmsg_type = SCM_RIGHTS;
			m->cmsg_len = CMSG_LEN(num_fds * sizeof(int));
			memcpy(CMSG_DATA(m), fds, num_fds * sizeof(int));
		}
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		num_fds = 0;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

int vfuc_send_bytes(struct vfuc *c, const void *bytes, size_t n, const int *fds, unsigned num_fds)
{
	int ret;

	if (num_fds > CLIENT_MAX_FDS)
		return -E2BIG;
	pthread_mutex_lock(&c->send_lock);
	ret = send_all(c, bytes, n, fds, num_fds);
	pthread_mutex_unlock(&c->send_lock);
	return ret;
}

int vfuc_send(struct vfuc *c, const struct vfuc_msg *m, uint16_t *id)
{
	uint8_t small[512], *buf = small;
	struct vfu_header h = { .command = to_le16(m->command), .flags = to_le32(m->flags),
				.error = to_le32(m->error) };
	size_t total = sizeof(h) + m->bytes;
	unsigned num_fds = m->num_fds + c->opts.extra_fds;
	int fds[CLIENT_MAX_FDS], ret;

	if (num_fds > CLIENT_MAX_FDS)
		return -E2BIG;
	for (unsigned i = 0; i < num_fds; i++)
		fds[i] = i < m->num_fds ? m->fds[i] : c->fd;
	if (total > sizeof(small))
		buf = malloc(total);
	if (!buf)
		return -ENOMEM;
	h.size = to_le32(m->size ? m->size : (uint32_t)total);
	pthread_mutex_lock(&c->send_lock);
	h.message_id = to_le16(++c->next_id);
	if (id)
		*id = c->next_id;
	memcpy(buf, &h, sizeof(h));
	if (m->bytes)
		memcpy(buf + sizeof(h), m->payload, m->bytes);
	ret = send_all(c, buf, total, fds, num_fds);
	pthread_mutex_unlock(&c->send_lock);
	if (buf != small)
		free(buf);
	return ret;
}

static void deadline_in(struct timespec *ts, unsigned ms)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
}

/* Takes the reply with that id out of the list; under the lock. */
static struct vfuc_reply *take_reply(struct vfuc *c, uint16_t id)
{
	struct vfuc_reply *r;

	STAILQ_FOREACH(r, &c->replies, link)
		if (le16_get(r->header.message_id) == id)
			break;
	if (r)
		STAILQ_REMOVE(&c->replies, r, vfuc_reply, link);
	return r;
}

int vfuc_wait(struct vfuc *c, uint16_t id, void *reply, size_t room, size_t *got)
{
	struct vfuc_reply *r;
	struct timespec until;
	int ret = 0;

	deadline_in(&until, c->opts.timeout_ms);
	pthread_mutex_lock(&c->lock);
	while (!(r = take_reply(c, id)) && !c->closed && !ret)
		ret = pthread_cond_timedwait(&c->news, &c->lock, &until);
	pthread_mutex_unlock(&c->lock);
	if (!r)
		return ret ? -ETIMEDOUT : -EPIPE;
	ret = le32_get(r->header.flags) & VFU_FLAG_ERROR ? -(int)le32_get(r->header.error) : 0;
	if (reply)
		memcpy(reply, r->payload, r->bytes < room ? r->bytes : room);
	if (got)
		*got = r->bytes;
	free(r);
	return ret;
}

int vfuc_call(struct vfuc *c, const struct vfuc_msg *m, void *reply, size_t room, size_t *got)
{
	uint16_t id;
	int ret = vfuc_send(c, m, &id);

	return ret ? ret : vfuc_wait(c, id, reply, room, got);
}

int vfuc_wait_closed(struct vfuc *c, unsigned timeout_ms)
{
	struct timespec until;
	int ret = 0;

	deadline_in(&until, timeout_ms);
	pthread_mutex_lock(&c->lock);
	while (!c->closed && !ret)
		ret = pthread_cond_timedwait(&c->news, &c->lock, &until);
	ret = c->closed ? 0 : -ETIMEDOUT;
	pthread_mutex_unlock(&c->lock);
	return ret;
}

unsigned vfuc_replies_left(struct vfuc *c)
{
	struct vfuc_reply *r;
	unsigned n = 0;

	pthread_mutex_lock(&c->lock);
	STAILQ_FOREACH(r, &c->replies, link)
		n++;
	pthread_mutex_unlock(&c->lock);
	return n;
}

static bool read_all(int fd, void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n) {
		ssize_t got = recv(fd, p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

/* One message from the server; false at the end of the connection, or if it makes no sense. */
static bool read_message(struct vfuc *c)
{
	struct vfuc_reply *r;
	struct vfu_header h;
	size_t n;

	if (!read_all(c->fd, &h, sizeof(h)))
		return false;
	n = le32_get(h.size);
	if (n < sizeof(h) || n > CLIENT_MAX_MESSAGE)
		return false;
	n -= sizeof(h);
	r = malloc(sizeof(*r) + n);
	if (!r || !read_all(c->fd, r->payload, n)) {
		free(r);
		return false;
	}
	if ((le32_get(h.flags) & VFU_FLAG_TYPE_MASK) != VFU_FLAG_REPLY) {
		vfuc_answer_dma(c, &h, r->payload, n);
		free(r);
		return true;
	}
	r->header = h;
	r->bytes = n;
	pthread_mutex_lock(&c->lock);
	STAILQ_INSERT_TAIL(&c->replies, r, link);
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
	return true;
}

static void *reader_main(void *opaque)
{
	struct vfuc *c = opaque;

	while (read_message(c))
		;
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int vfuc_version(struct vfuc *c, const char *json, char *reply, size_t room)
{
	uint8_t buf[1024] = { 0 }, answer[1024] = { 0 };
	struct vfuc_msg m = { .command = VFU_CMD_VERSION, .payload = buf };
	size_t got;
	int ret, n;

	if (json)
		n = snprintf((char *)buf + 4, sizeof(buf) - 4, "%s", json);
	else
		n = snprintf((char *)buf + 4, sizeof(buf) - 4, vfuc_qemu_json,
			     c->opts.max_data_xfer);
	m.bytes = 4 + (size_t)n + 1;
	ret = vfuc_call(c, &m, answer, sizeof(answer) - 1, &got);
	if (!ret && reply)
		snprintf(reply, room, "%s", (char *)answer + 4);
	return ret;
}

static int open_socket(struct vfuc *c, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&un, sizeof(un)))
		return -errno;
	return 0;
}

static struct vfuc *new_client(const struct vfuc_opts *opts)
{
	struct vfuc *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return NULL;
	if (opts)
		c->opts = *opts;
	if (!c->opts.timeout_ms)
		c->opts.timeout_ms = 5000;
	if (!c->opts.max_data_xfer)
		c->opts.max_data_xfer = 1 << 20;
	c->max_data_xfer = c->opts.max_data_xfer;
	c->fd = c->intx_fd = c->unmask_fd = -1;
	STAILQ_INIT(&c->replies);
	LIST_INIT(&c->maps);
	pthread_mutex_init(&c->send_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->news, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

int vfuc_connect(const char *path, const struct vfuc_opts *opts, struct vfuc **out)
{
	struct vfuc *c = new_client(opts);
	int ret;

	if (!c)
		return -ENOMEM;
	ret = open_socket(c, path);
	if (!ret)
		ret = -pthread_create(&c->reader, NULL, reader_main, c);
	c->have_reader = !ret;
	if (!ret && !c->opts.no_version)
		ret = vfuc_version(c, NULL, NULL, 0);
	if (ret)
		vfuc_close(c);
	else
		*out = c;
	return ret;
}

void vfuc_close(struct vfuc *c)
{
	struct vfuc_reply *r;
	struct vfuc_map *m;

	if (!c)
		return;
	if (c->have_reader) {
		shutdown(c->fd, SHUT_RDWR);
		pthread_join(c->reader, NULL);
	}
	if (c->fd >= 0)
		close(c->fd);
	while ((r = STAILQ_FIRST(&c->replies))) {
		STAILQ_REMOVE_HEAD(&c->replies, link);
		free(r);
	}
	while ((m = LIST_FIRST(&c->maps))) {
		LIST_REMOVE(m, link);
		free(m);
	}
	vfuc_irqs_release(c);
	pthread_cond_destroy(&c->news);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->send_lock);
	free(c);
}
