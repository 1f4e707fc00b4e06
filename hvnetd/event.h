/* SPDX-License-Identifier: MIT */
/*
 * Notifications to connections that have subscribed. Each subscriber's are numbered; one that does not read gets no more than
 * EVENT_QUEUE_BYTES ahead, and is told how many it lost when it reads again.
 *
 * On the loop's thread; not from callbacks of the data path.
 */
#ifndef HVNETD_EVENT_H
#define HVNETD_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"

struct control_client;
struct hvnetd;
struct object;
struct subscriber;
struct vswitch_port;

enum {
	EVENT_QUEUE_BYTES = 131072,	/* our policy */
	EVENT_TICK_MS = 1000,		/* our policy: of what is counted and then reported */
};

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR };

struct events {
	TAILQ_HEAD(, subscriber) subscribers;
	struct hv_timer tick;		/* runs while there are subscribers */
	struct drop_row *drops;		/* owned; counters at the last tick */
	size_t num_drops;
};

void events_init(struct hvnetd *d);
void events_finish(struct hvnetd *d);

/* Whether anybody wants to hear of it. */
bool event_wanted(struct hvnetd *d, const char *name);
/* Takes fields. */
void event_send(struct hvnetd *d, const char *name, enum event_severity severity, json_t *fields);
/* An object that was another one before (NULL: none): what of it is to be told. */
void event_object(struct hvnetd *d, const struct object *o, const json_t *before);
/* States of a port, or of the NIC on it: "created". */
void event_port(struct hvnetd *d, const char *sw, const struct vswitch_port *port, const char *state);
void event_nic(struct hvnetd *d, const char *sw, const struct vswitch_port *port, const char *state);
/* A connection is gone. */
void event_client_gone(struct hvnetd *d, const struct control_client *client);

#endif
