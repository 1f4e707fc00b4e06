/* SPDX-License-Identifier: MIT */
/*
 * libslirp's callbacks: its timers are a short list, its descriptors are asked for anew before each poll(). While the
 * switch does not read what we have for it, the host's sockets are left alone: their peers slow down
 * by TCP's own means, and nothing is lost.
 */
#include <errno.h>
#include <libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nat/nat.h"

#define POLLFDS_MAX 4096	/* our policy: connections at a time */

struct timer {
	struct timer *next;
	struct nat_network *network;
	SlirpTimerCb callback;
	void *opaque;
	int64_t deadline_ms;	/* -1: idle */
};

struct nat_network {
	Slirp *slirp;			/* owned */
	struct nat_stream *stream;	/* borrowed */
	struct timer *timers;		/* owned */
	struct pollfd fds[POLLFDS_MAX];	/* [0] is the stream's */
	int num_fds;
};

static int64_t now_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t now_ms(void)
{
	return now_ns(NULL) / 1000000;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct nat_network *n = opaque;

	/* A frame that finds no room is lost as on any wire; what sent it sends again. */
	nat_stream_put(n->stream, buf, len);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)opaque;
	(void)msg;	/* a guest could fill a log with these */
}

static void *timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
	struct nat_network *n = opaque;
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort();	/* libslirp knows no failure here */
	*t = (struct timer){ n->timers, n, cb, cb_opaque, -1 };
	n->timers = t;
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	struct nat_network *n = opaque;

	for (struct timer **p = &n->timers; *p; p = &(*p)->next) {
		if (*p == timer) {
			*p = (*p)->next;
			free(timer);
			return;
		}
	}
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->deadline_ms = expire_ms;
}

static void no_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = no_fd,
	.unregister_poll_fd = no_fd,
	.notify = notify,
};

static struct in_addr host(const struct nat_options *o, uint32_t number)
{
	return (struct in_addr){ htonl(ntohl(o->net.s_addr) | number) };
}

static struct in6_addr host6(const struct nat_options *o, uint8_t number)
{
	struct in6_addr a = o->prefix;

	a.s6_addr[15] = number;
	return a;
}

struct nat_network *nat_network_create(const struct nat_options *o, struct nat_stream *stream)
{
	const SlirpConfig config = {
		.version = 3,		/* of Debian 12's libslirp and newer */
		.in_enabled = true,
		.vnetwork = o->net,
		.vnetmask = o->mask,
		.vhost = host(o, 2),
		.vnameserver = host(o, 3),
		.vdhcp_start = host(o, 15),
		.in6_enabled = true,
		.vprefix_addr6 = o->prefix,
		.vprefix_len = 64,
		.vhost6 = host6(o, 2),
		.vnameserver6 = host6(o, 3),
		.if_mtu = o->mtu,
		.if_mru = o->mtu,
		.disable_host_loopback = !o->host_loopback,
	};
	struct nat_network *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->stream = stream;
	n->slirp = slirp_new(&config, &callbacks, n);
	if (!n->slirp) {
		free(n);
		return NULL;
	}
	return n;
}

void nat_network_destroy(struct nat_network *n)
{
	if (!n)
		return;
	slirp_cleanup(n->slirp);
	while (n->timers)
		timer_free(n->timers, n);
	free(n);
}

/*
 * libslirp takes any frame for its own, and answers a TCP segment between two guests, flooded because the switch does not know the
 * receiver yet, with a reset. Its addresses are 52:55 and the IPv4 address, and 52:56 for IPv6.
 */
static bool for_us(const uint8_t *frame, size_t bytes)
{
	return bytes >= 14 && (frame[0] & 1 || (frame[0] == 0x52 && (frame[1] == 0x55 || frame[1] == 0x56)));
}

void nat_network_input(struct nat_network *n, const uint8_t *frame, size_t bytes)
{
	if (for_us(frame, bytes))
		slirp_input(n->slirp, frame, (int)bytes);
}

static short to_poll(int events)
{
	return (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
		       (events & SLIRP_POLL_PRI ? POLLPRI : 0) | (events & SLIRP_POLL_ERR ? POLLERR : 0) |
		       (events & SLIRP_POLL_HUP ? POLLHUP : 0));
}

static int add_poll(int fd, int events, void *opaque)
{
	struct nat_network *n = opaque;

	if (n->num_fds == POLLFDS_MAX)
		return -1;
	n->fds[n->num_fds] = (struct pollfd){ .fd = fd, .events = to_poll(events) };
	return n->num_fds++;
}

static int get_revents(int index, void *opaque)
{
	struct nat_network *n = opaque;
	short r;

	if (index < 1 || index >= n->num_fds)
		return 0;
	r = n->fds[index].revents;
	return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) | (r & POLLPRI ? SLIRP_POLL_PRI : 0) |
	       (r & POLLERR ? SLIRP_POLL_ERR : 0) | (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static uint32_t until_next_timer(const struct nat_network *n, uint32_t timeout_ms)
{
	int64_t now = now_ms();

	for (const struct timer *t = n->timers; t; t = t->next) {
		if (t->deadline_ms < 0)
			continue;
		if (t->deadline_ms <= now)
			return 0;
		if (t->deadline_ms - now < timeout_ms)
			timeout_ms = (uint32_t)(t->deadline_ms - now);
	}
	return timeout_ms;
}

/* A callback may arm its own timer again, or free any: begin anew after each. */
static void run_timers(struct nat_network *n)
{
	int64_t now = now_ms();
	struct timer *t = n->timers;

	while (t) {
		if (t->deadline_ms < 0 || t->deadline_ms > now) {
			t = t->next;
			continue;
		}
		t->deadline_ms = -1;
		t->callback(t->opaque);
		t = n->timers;
	}
}

int nat_network_wait(struct nat_network *n, short *stream_events)
{
	const bool backed_up = nat_stream_queued(n->stream) > NAT_QUEUE_HIGH_BYTES;
	uint32_t timeout_ms = 1000;
	int ready;

	n->fds[0] = (struct pollfd){ .fd = n->stream->fd,
				     .events = (short)(POLLIN | (nat_stream_queued(n->stream) ? POLLOUT : 0)) };
	n->num_fds = 1;
	if (!backed_up)
		slirp_pollfds_fill(n->slirp, &timeout_ms, add_poll, n);
	ready = poll(n->fds, (nfds_t)n->num_fds, (int)until_next_timer(n, timeout_ms));
	if (ready < 0 && errno != EINTR)
		return -errno;
	*stream_events = ready > 0 ? n->fds[0].revents : 0;
	if (!backed_up)
		slirp_pollfds_poll(n->slirp, ready < 0, get_revents, n);
	run_timers(n);
	return 0;
}
