/* SPDX-License-Identifier: MIT */
/*
 * One connection of the control socket: lines in, lines out. control.c makes them, and knows who may connect.
 *
 * A round of the loop reads, handles and sends so much for a connection at most; what is left is for the next round.
 */
#ifndef HVNETD_CONTROL_CLIENT_H
#define HVNETD_CONTROL_CLIENT_H

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "hvnetd/control.h"

struct control_line {			/* that is to be sent */
	STAILQ_ENTRY(control_line) link;
	char *text;			/* owned; bytes of it, with its newline */
	size_t bytes;
	int fds[CONTROL_FDS_MAX];	/* owned; go with its first byte */
	unsigned num_fds;
};

struct control_client {
	TAILQ_ENTRY(control_client) link;
	struct control *control;	/* borrowed: its clients go first */
	struct hv_watch watch;
	struct hv_timer later;		/* what was left, or came from within somebody else's work */
	int fd;				/* owned */
	struct ucred peer;
	uint64_t id;
	bool may_change;
	bool closing;			/* no more requests; goes when its replies are sent */
	bool broken;			/* out of memory */
	bool serving;			/* in handle_lines() */
	bool behind;			/* lines that came are left for the next round */
	struct rpc_request *request;	/* under way; NULL: none */
	char *in;			/* owned */
	size_t in_used, in_capacity;
	STAILQ_HEAD(, control_line) out;
	size_t out_bytes;		/* of all lines, what is sent of the first one left out */
	size_t sent;			/* of the first line */
	unsigned fds_waiting;		/* descriptors in lines */
	int fds[CONTROL_FDS_MAX];	/* owned; for the line that is queued next */
	unsigned num_fds;
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

/* Takes fd over, unless it fails. -ENOMEM. */
int control_client_create(struct control *control, int fd, const struct ucred *peer, bool may_change)
	__attribute__((warn_unused_result));
void control_client_close(struct control_client *c);

#endif
