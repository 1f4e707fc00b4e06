/* SPDX-License-Identifier: MIT */
/*
 * Stream uplinks whose peer is the one that connects: QEMU's -netdev stream,server=off, passt, another switch.
 *
 *	uplink_listen() --> waits --a peer--> its port is up, nobody else is accepted --the peer is gone--> waits
 *
 * Who comes while there is a peer waits in the kernel's queue, so that one who comes back is not turned away because his old
 * connection is still seen. Everybody may knock; who may change things on the control socket is let in.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/listen.h"
#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/uplink.h"

struct uplink_listener {
	struct uplink *u;		/* borrowed: it owns this */
	struct hv_watch watch;		/* active while there is no peer */
	struct hv_log_limit limit;
	int fd;				/* owned */
	uint64_t dev, ino;		/* of the socket we made, so that we remove no other */
	bool had_peer;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

bool uplink_listens(const struct object *o)
{
	return json_is_true(json_object_get(o->config, "listen"));
}

static void wait_for_peer(struct uplink_listener *l)
{
	if (hv_watch_start(l->u->o.d->worker.loop, &l->watch, l->fd, POLLIN))
		hv_log(HV_LOG_ERROR, "%s: out of memory, waits for no peer", l->u->o.key);
}

/* Somebody who only looked whether anybody listens. */
static bool has_left(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void take_peer(struct uplink_listener *l, int fd)
{
	struct uplink *u = l->u;

	hv_watch_stop(&l->watch);
	if (!uplink_connected_take(u, fd)) {
		hv_log_limited(&l->limit, HV_LOG_WARNING, "%s: a peer of %s cannot be taken: %s", u->o.key, l->path, u->why);
		wait_for_peer(l);
		return;
	}
	u->restarts += l->had_peer;
	l->had_peer = true;
	hv_log(HV_LOG_INFO, "%s: a peer has connected to %s", u->o.key, l->path);
}

static void knocked(struct hv_watch *w, uint32_t events)
{
	struct uplink_listener *l = hv_container_of(w, struct uplink_listener, watch);
	struct uplink *u = l->u;
	int fd;

	(void)events;
	if (uplink_ask(u)) {
		u->asking = true;
		hv_watch_stop(&l->watch);
		return;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && !control_trusts(u->o.d->control, fd)) {
		hv_log_limited(&l->limit, HV_LOG_WARNING, "%s: somebody who may not connected to %s", u->o.key, l->path);
		close(fd);
	} else if (fd >= 0 && has_left(fd)) {
		close(fd);
	} else if (fd >= 0) {
		take_peer(l, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		snprintf(u->why, sizeof(u->why), "accept: %s", strerror(errno));
		uplink_listen_end(u);
		uplink_try_later(u);
	}
}

int uplink_listen(struct uplink *u)
{
	const char *path = object_string(&u->o, "path");
	struct uplink_listener *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->u = u;
	l->watch.ready = knocked;
	ret = hv_listen(path, 0666, &l->fd, &l->dev, &l->ino);
	if (ret) {
		free(l);
		snprintf(u->why, sizeof(u->why), "%s", ret == -EADDRINUSE ? "somebody listens on the socket already" :
			 ret == -ENOTSOCK ? "the path exists, and is no socket" : strerror(-ret));
		return ret;
	}
	snprintf(l->path, sizeof(l->path), "%s", path);	/* it was not too long for hv_listen() */
	snprintf(u->why, sizeof(u->why), "no peer has connected yet");
	u->listener = l;
	wait_for_peer(l);
	hv_log(HV_LOG_INFO, "%s: listens on %s", u->o.key, path);
	return 0;
}

void uplink_listen_again(struct uplink *u)
{
	hv_log(HV_LOG_NOTICE, "%s: down: %s; waits for another peer", u->o.key, u->why);
	wait_for_peer(u->listener);
}

void uplink_listen_answered(struct uplink *u)
{
	wait_for_peer(u->listener);
}

void uplink_listen_end(struct uplink *u)
{
	struct uplink_listener *l = u->listener;

	if (!l)
		return;
	u->listener = NULL;
	hv_watch_stop(&l->watch);
	close(l->fd);
	hv_unlisten(l->path, l->dev, l->ino);
	free(l);
}
