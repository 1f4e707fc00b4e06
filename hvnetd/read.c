/* SPDX-License-Identifier: MIT */
#include "hvnetd/read.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"

enum {
	SLICE_NS = CHANGE_SLICE_NS,
	PIECE_ROWS_MAX = 64,		/* our policy */
};

struct read {
	STAILQ_ENTRY(read) link;
	struct hvnetd *d;		/* borrowed */
	struct rpc_call *call;		/* until it is answered */
	const char *list;		/* member of the result that is put together; NULL: there is none */
	json_t *params;			/* owned; the call's, for the next piece */
	json_t *asked;			/* borrowed: the call's own */
	json_t *answer;			/* owned; so far */
	json_int_t offset, left;	/* rows */
	json_int_t piece;		/* rows of the next one */
};

static const char *list_of(const struct rpc_method *m)
{
	const struct field *f = m->result;

	while (f && f->name && f->kind != FIELD_ARRAY)
		f++;
	return m->flags & RPC_PAGED && f ? f->name : NULL;
}

/* The rows of a piece go behind those that are there, its other members in their places; what is said of all is true of all. */
static void join(struct read *r, json_t *piece)
{
	const char *name;
	json_t *v;

	if (!r->answer) {
		r->answer = piece;
		return;
	}
	json_array_extend(json_object_get(r->answer, r->list), json_object_get(piece, r->list));
	json_object_del(r->answer, "next_offset");
	json_object_foreach(piece, name, v)
		if (strcmp(name, r->list) != 0 && !json_is_false(json_object_get(r->answer, name)))
			json_object_set(r->answer, name, v);
	json_decref(piece);
}

/* A moment's work. True: the answer is there, or call->err. */
static bool step_page(struct read *r)
{
	const json_int_t rows = r->piece < r->left ? r->piece : r->left;
	const uint64_t start = hv_now_ns();
	uint64_t took;
	json_t *piece;

	json_object_set_new(r->params, "limit", json_integer(rows));
	json_object_set_new(r->params, "offset", json_integer(r->offset));
	r->call->params = r->params;
	piece = methods_run(r->call);
	r->call->params = r->asked;
	if (!piece) {
		json_decref(r->answer);
		r->answer = NULL;
		return true;
	}
	join(r, piece);
	r->offset += rows;
	r->left -= rows;
	/* As many rows as fit a part of a slice. */
	took = hv_now_ns() - start;
	if (took > SLICE_NS / 2)
		r->piece = r->piece > 1 ? r->piece / 2 : 1;
	else if (took < SLICE_NS / 4 && r->piece < PIECE_ROWS_MAX)
		r->piece *= 2;
	return !r->left || !json_object_get(r->answer, "next_offset");
}

static bool step(struct read *r)
{
	if (r->list)
		return step_page(r);
	r->call->again = false;
	r->answer = methods_run(r->call);
	return !r->call->again;
}

static void end(struct read *r)
{
	struct rpc_call *call = r->call;
	json_t *answer = r->answer;

	if (call->free_state)
		call->free_state(call->state);
	call->state = NULL;
	call->free_state = NULL;
	json_decref(r->params);
	free(r);
	rpc_answer(call, answer);
}

static bool run_until(struct read *r, uint64_t until)
{
	while (!step(r))
		if (hv_now_ns() > until)
			return false;
	return true;
}

static void schedule(struct hvnetd *d)
{
	if (hv_timer_arm(d->worker.loop, &d->reads.timer, 0))
		hv_log(HV_LOG_ERROR, "hvnetd: out of memory, answers stand still");
}

/* Each in its turn. */
static void run_slice(struct hv_timer *t)
{
	struct hvnetd *d = hv_container_of(t, struct hvnetd, reads.timer);
	const uint64_t until = hv_now_ns() + SLICE_NS;
	struct read *r = STAILQ_FIRST(&d->reads.list);

	if (!r)
		return;
	STAILQ_REMOVE_HEAD(&d->reads.list, link);
	if (run_until(r, until))
		end(r);
	else
		STAILQ_INSERT_TAIL(&d->reads.list, r, link);
	if (!STAILQ_EMPTY(&d->reads.list))
		schedule(d);
}

void reads_init(struct hvnetd *d)
{
	STAILQ_INIT(&d->reads.list);
	d->reads.timer.fire = run_slice;
}

void read_start(struct hvnetd *d, struct rpc_call *call)
{
	struct read *r = calloc(1, sizeof(*r));

	if (!r) {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "out of memory");
		rpc_answer(call, NULL);
		return;
	}
	r->d = d;
	r->call = call;
	r->asked = call->params;
	r->list = list_of(call->method);
	if (r->list) {
		r->params = json_copy(call->params);
		r->left = rpc_integer(call, "limit", API_PAGE);
		r->offset = rpc_integer(call, "offset", 0);
		r->piece = 1;
	}
	if (run_until(r, hv_now_ns() + SLICE_NS)) {
		end(r);
		return;
	}
	if (STAILQ_EMPTY(&d->reads.list))
		schedule(d);
	STAILQ_INSERT_TAIL(&d->reads.list, r, link);
}

void reads_finish(struct hvnetd *d)
{
	struct read *r;

	hv_timer_cancel(&d->reads.timer);
	while ((r = STAILQ_FIRST(&d->reads.list))) {
		STAILQ_REMOVE_HEAD(&d->reads.list, link);
		json_decref(r->answer);
		r->answer = NULL;
		rpc_fail(&r->call->err, RPC_STOPPING, NULL, "hvnetd is stopping");
		end(r);
	}
}
