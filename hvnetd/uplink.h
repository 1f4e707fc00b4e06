/* SPDX-License-Identifier: MIT */
/* What the files of uplinks share. On the loop's thread. */
#ifndef HVNETD_UPLINK_H
#define HVNETD_UPLINK_H

#include "hvnetd/hvnetd.h"

/* uplink_open.c */

/* By o.config. 0; -errno with u->why, and perhaps err; OBJECT_LATER. */
int uplink_open(struct uplink *u, struct rpc_error *err);
void uplink_close(struct uplink *u);
/* It is down (u->why), and tried again after a while. */
void uplink_try_later(struct uplink *u);
void uplink_timer(struct hv_timer *t);

/* Extensions are asked before it is opened. 0: open it; OBJECT_WAITS: change_wake(), or … */
int uplink_ask(const struct uplink *u) __attribute__((warn_unused_result));
/* … they have answered one that was "asking". */
void uplink_answered(struct uplink *u);

/* What connected to its socket is its peer from now on. Takes fd over; false: it cannot be. */
bool uplink_connected_take(struct uplink *u, int fd);

/* uplink_listen.c */

bool uplink_listens(const struct object *o);
/* Makes the socket, and waits for the first peer. 0; -errno with u->why. */
int uplink_listen(struct uplink *u);
/* The peer is gone: waits for the next one. */
void uplink_listen_again(struct uplink *u);
/* Extensions have answered: the one who knocked is let in. */
void uplink_listen_answered(struct uplink *u);
/* Removes the socket. */
void uplink_listen_end(struct uplink *u);

/* team.c */

bool uplink_is_team(const struct uplink *u);
int uplink_open_team(struct uplink *u);
int uplink_change_team(struct uplink *u, const json_t *config, const json_t *before, struct rpc_error *err);
/* Members that are configured and not there are tried. False: some are still missing. */
bool uplink_add_members(struct uplink *u);
/* Of an uplink that is to be: each mapping is onto a member, and one of its port. */
int uplink_check_mappings(const struct object *o, struct rpc_error *err);
/* States of the members, for answers. */
json_t *uplink_show_members(const struct uplink *u);

/* uplink.c */

/* The object that has the interface, other than except; NULL: none. */
const struct object *interface_user(struct hvnetd *d, const char *interface, const struct object *except);
/* Of an object that is a port of a switch. */
int port_name_check(struct object *o, struct rpc_error *err);

/* share.c */

/* The host's settings of an interface go to a host NIC, in a thread: OBJECT_LATER, or -errno. */
int share_begin(struct uplink *u, const char *interface);
/* Puts them back, waiting for it. */
void share_end(struct uplink *u);
/* Puts back what a daemon that was killed has left. */
void share_recover(struct hvnetd *d);

#endif
