/* SPDX-License-Identifier: MIT */
/*
 * The daemon's captures: each has a ring in memory that it shares with the client that asked for it, and ends with that
 * client's connection, with its switch, or when it is told to. What becomes of the frames is the client's affair: the daemon opens no file
 * for anybody.
 *
 * On the worker's thread.
 */
#ifndef HVNETD_CAPTURE_H
#define HVNETD_CAPTURE_H

#include <sys/queue.h>

struct control_client;
struct hvnetd;
struct vswitch;
struct capture;

TAILQ_HEAD(capture_list, capture);

enum {
	CAPTURES_MAX = 16,		/* our policy: at once */
	CAPTURE_BUFFER_BYTES = 8 << 20,	/* our policy: of a ring, unless told: 1 ms wakes the reader, at 10 Gbit/s 1.25 MB */
};

/* Ends those of a connection that is gone. */
void captures_client_gone(struct hvnetd *d, const struct control_client *client);
/* Ends those of a switch, before it goes; NULL: all, before the connections go, so that the clients know it for an orderly end. */
void captures_switch_gone(struct hvnetd *d, const struct vswitch *sw);

#endif
