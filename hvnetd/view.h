/* SPDX-License-Identifier: MIT */
/* How objects look in answers, and answers that come in pages. On the loop's thread. */
#ifndef HVNETD_VIEW_H
#define HVNETD_VIEW_H

#include <jansson.h>
#include <stdbool.h>

struct object;
struct rpc_call;
struct vswitch_port;

struct page {
	json_t *rows;
	json_int_t limit, offset, seen;
};

/* By the call's limit and offset. */
struct page page_of(const struct rpc_call *call);
/* One more row is there: whether this page has it. */
bool page_has(struct page *page);
/* Takes row. */
void page_add(struct page *page, json_t *row);
/* The answer: the rows as list, total, next_offset. */
json_t *page_end(struct page *page, const char *list);
/* The same two into an answer that has more. */
void page_put(struct page *page, const char *list, json_t *answer);

json_t *show_switch(const struct object *o);
json_t *show_uplink(const struct object *o);
json_t *show_hostnic(const struct object *o);
json_t *show_port(const struct object *o);	/* of an object that has a port */
json_t *show_live_port(const struct object *sw, const struct vswitch_port *port);
json_t *show_vm(const struct object *o);
json_t *show_adapter(const struct object *o);

#endif
