/* SPDX-License-Identifier: MIT */
/*
 * diag.test: whether a target answers as the guest of an adapter would reach it, asked from the adapter's port, without the guest.
 *
 * Bounded in number and time; ends with its client's connection, and when the adapter's port or the switch goes or, of a test for a
 * guest that does not run, when the guest comes. On the worker's thread; nothing here waits.
 */
#ifndef HVNETD_DIAG_H
#define HVNETD_DIAG_H

#include <stdbool.h>
#include <sys/queue.h>

struct adapter;
struct control_client;
struct diag;
struct fixed_port;
struct hvnetd;
struct rpc_call;
struct vswitch;

TAILQ_HEAD(diag_list, diag);

enum {
	DIAGS_MAX = 16,			/* our policy: at once */
	DIAG_COUNT_MAX = 16,		/* our policy: questions of one test */
	DIAG_WHOLE_MS = 8000,		/* our policy: of one test; its client waits for 10 s */
};

/* Whether the call is one for a test: then it is answered later. */
bool diag_start(struct hvnetd *d, struct rpc_call *call);
/* Ends those of a connection that is gone. */
void diag_client_gone(struct hvnetd *d, const struct control_client *client);
/* Before the adapter leaves its port, or takes one. */
void diag_adapter_moves(const struct adapter *a);
/* Before a port of port.create goes. */
void diag_port_goes(const struct fixed_port *p);
/* Before the switch goes. */
void diag_switch_goes(struct hvnetd *d, const struct vswitch *sw);

#endif
