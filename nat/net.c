/* SPDX-License-Identifier: MIT */
/*
 * libslirp and the loop around it. A round: ask libslirp which sockets it waits for, poll them and
 * the switch's socket, hand libslirp what happened and what the guests sent, run its timer, send
 * what came of it. While the switch takes nothing, libslirp's sockets are not looked at: TCP then
 * holds the senders back, and nothing is lost.
 */
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "nat/nat.h"

#define NEVER UINT64_MAX
#define NS_PER_MS 1000000ull

struct timer {
	struct nat_net *net;		/* borrowed: frees its timers */
	struct timer *next;
	SlirpTimerId id;
	void *cookie;
	uint64_t due_ms;
};

struct nat_net {
	Slirp *slirp;			/* owned */
	struct nat_stream *stream;	/* borrowed: outlives the network */
	struct timer *timers;		/* owned */
	struct pollfd *fds;		/* owned; the first is the stream's */
	size_t num_fds, max_fds;
	struct hv_log_limit guest_errors;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What libslirp asks of us. */

static ssize_t send_packet(const void *frame, size_t n, void *opaque)
{
	struct nat_net *net = opaque;

	nat_stream_send(net->stream, frame, n);
	return (ssize_t)n;
}

static void guest_error(const char *msg, void *opaque)
{
	struct nat_net *net = opaque;

	hv_log_limited(&net->guest_errors, HV_LOG_DEBUG, "nat: %s", msg);
}

static int64_t clock_get_ns(void *opaque)
{
	(void)opaque;
	return (int64_t)now_ns();
}

static void *timer_new_opaque(SlirpTimerId id, void *cookie, void *opaque)
{
	struct nat_net *net = opaque;
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort();		/* libslirp has no way to be told; only at its creation */
	*t = (struct timer){ .net = net, .next = net->timers, .id = id, .cookie = cookie,
			     .due_ms = NEVER };
	net->timers = t;
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	struct nat_net *net = opaque;
	struct timer **at = &net->timers;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	free(timer);
}

static void timer_mod(void *timer, int64_t due_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->due_ms = due_ms < 0 ? 0 : (uint64_t)due_ms;
}

static void ignore_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;			/* one thread: nobody sleeps meanwhile */
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = notify,
	.timer_new_opaque = timer_new_opaque,
};

/* Polling. */

static int add_fd(struct nat_net *net, int fd, short events)
{
	size_t max = net->max_fds ? net->max_fds * 2 : 64;
	struct pollfd *fds;

	if (net->num_fds == net->max_fds) {
		fds = realloc(net->fds, max * sizeof(*fds));
		if (!fds)
			return -1;	/* not watched in this round */
		net->fds = fds;
		net->max_fds = max;
	}
	net->fds[net->num_fds] = (struct pollfd){ .fd = fd, .events = events };
	return (int)net->num_fds++;
}

static int add_slirp_fd(int fd, int events, void *opaque)
{
	short e = 0;

	if (events & SLIRP_POLL_IN)
		e |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		e |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		e |= POLLPRI;
	return add_fd(opaque, fd, e);
}

static int get_slirp_events(int index, void *opaque)
{
	struct nat_net *net = opaque;
	int events = 0;
	short e;

	if (index < 0 || (size_t)index >= net->num_fds)
		return 0;
	e = net->fds[index].revents;
	if (e & POLLIN)
		events |= SLIRP_POLL_IN;
	if (e & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (e & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (e & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (e & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

static void fill(struct nat_net *net, uint32_t *timeout_ms)
{
#if SLIRP_CHECK_VERSION(4, 9, 0)
	slirp_pollfds_fill_socket(net->slirp, timeout_ms, add_slirp_fd, net);
#else
	slirp_pollfds_fill(net->slirp, timeout_ms, add_slirp_fd, net);
#endif
}

static void run_timers(struct nat_net *net)
{
	uint64_t now_ms = now_ns() / NS_PER_MS;
	struct timer *t, *next;

	for (t = net->timers; t; t = next) {
		next = t->next;
		if (t->due_ms > now_ms)
			continue;
		t->due_ms = NEVER;
		slirp_handle_timer(net->slirp, t->id, t->cookie);
	}
}

/* Milliseconds for poll(): at most timeout_ms, and not beyond a timer. */
static int sleep_ms(const struct nat_net *net, uint32_t timeout_ms)
{
	uint64_t now_ms = now_ns() / NS_PER_MS, left = timeout_ms;

	for (const struct timer *t = net->timers; t; t = t->next) {
		if (t->due_ms == NEVER)
			continue;
		if (t->due_ms <= now_ms)
			return 0;
		if (t->due_ms - now_ms < left)
			left = t->due_ms - now_ms;
	}
	return timeout_ms == UINT32_MAX && left == UINT32_MAX ? -1 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void from_guest(void *cookie, const uint8_t *frame, size_t n)
{
	struct nat_net *net = cookie;

	slirp_input(net->slirp, frame, (int)n);
}

static int run_round(struct nat_net *net)
{
	bool full = nat_stream_full(net->stream);
	uint32_t timeout_ms = UINT32_MAX;
	int n, ret = 0;

	net->num_fds = 0;
	if (add_fd(net, nat_stream_fd(net->stream),
		   (short)(POLLIN | (nat_stream_pending(net->stream) ? POLLOUT : 0))) < 0)
		return -ENOMEM;
	if (!full)
		fill(net, &timeout_ms);
	n = poll(net->fds, net->num_fds, sleep_ms(net, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	if (!full)
		slirp_pollfds_poll(net->slirp, n < 0, get_slirp_events, net);
	if (n > 0 && net->fds[0].revents & ~POLLOUT)
		ret = nat_stream_receive(net->stream, from_guest, net);
	run_timers(net);
	return ret ? ret : nat_stream_flush(net->stream);
}

int nat_net_run(struct nat_net *net)
{
	int ret;

	do
		ret = run_round(net);
	while (!ret);
	return ret;
}

/* Making and ending it. */

static struct in_addr host4(const struct nat_options *o, uint32_t n)
{
	return (struct in_addr){ .s_addr = htonl(ntohl(o->net4.s_addr) + n) };
}

static struct in6_addr host6(const struct nat_options *o, uint8_t n)
{
	struct in6_addr a = o->net6;

	a.s6_addr[15] = n;
	return a;
}

int nat_net_create(const struct nat_options *o, struct nat_stream *stream, struct nat_net **out)
{
	SlirpConfig config = {
		.version = 4,		/* what we use; every libslirp from 4.7 on knows it */
		.in_enabled = o->ipv4,
		.vnetwork = o->net4,
		.vnetmask = { .s_addr = htonl(~0u << (32 - o->prefix4)) },
		.vhost = host4(o, 2),
		.vnameserver = host4(o, 3),
		.vdhcp_start = host4(o, 15),
		.in6_enabled = o->ipv6,
		.vprefix_addr6 = o->net6,
		.vprefix_len = 64,
		.vhost6 = host6(o, 2),
		.vnameserver6 = host6(o, 3),
		.vhostname = "hvnet",
		.if_mtu = NAT_MTU,
		.if_mru = NAT_MTU,
		.disable_host_loopback = !o->host,
	};
	struct nat_net *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	net->stream = stream;
	net->slirp = slirp_new(&config, &callbacks, net);
	if (!net->slirp) {
		nat_net_destroy(net);
		return -EINVAL;
	}
	*out = net;
	return 0;
}

void nat_net_destroy(struct nat_net *net)
{
	struct timer *t;

	if (!net)
		return;
	if (net->slirp)
		slirp_cleanup(net->slirp);
	while ((t = net->timers)) {
		net->timers = t->next;
		free(t);
	}
	free(net->fds);
	free(net);
}
