/* SPDX-License-Identifier: MIT */
/*
 * What the files of changes share. change.c: the queue and the machine. change_calls.c: what handlers put, and the running of
 * calls. change_end.c: answers, events, and the way out. object.h says how changes go.
 */
#ifndef HVNETD_CHANGE_INTERNAL_H
#define HVNETD_CHANGE_INTERNAL_H

#include "hvnetd/hvnetd.h"

/*
 * QUEUED -> CALLS -> CHECKS -> RANKS -> REALIZE -> SHOW -> TELL -> RELEASE -> STORE -> gone
 * CALLS, CHECKS, REALIZE: a failure, or CHECKS: the end of a dry run -> REVERT -> UNDO -> RELEASE -> gone
 *
 * A step of any of them is a bounded piece of work: a call, an object, a piece of an ACL.
 */
enum phase {
	PHASE_QUEUED,
	PHASE_CALLS,			/* handlers put configurations */
	PHASE_CHECKS,			/* of each object, twice: those that go, those that stay */
	PHASE_RANKS,			/* in which order they are realized */
	PHASE_REALIZE,
	PHASE_REVERT,			/* configurations are as before */
	PHASE_UNDO,			/* what was realized is made of them again */
	PHASE_SHOW,			/* results of calls */
	PHASE_TELL,			/* events */
	PHASE_RELEASE,			/* objects are free for the next change */
	PHASE_STORE,
};

struct touched {
	struct object *o;
	json_t *before;			/* owned; configuration; NULL: none */
	char *key;			/* owned; its key before; NULL: as it is */
	unsigned rank;			/* in the order of realization */
	unsigned order;			/* in that of touching */
};

struct shown {				/* a call's result */
	json_t *json;			/* owned; NULL: what show() says */
	struct object *o;
	json_t *(*show)(const struct object *o);
};

struct change {
	STAILQ_ENTRY(change) link;
	struct hvnetd *d;
	enum phase phase;
	bool dry_run, cancelled, answered, transaction;
	bool waiting;			/* for change_continue(), or … */
	bool asleep;			/* … change_wake() */
	bool partly;			/* the object whose turn it is: realize() said OBJECT_AGAIN */
	bool walked;			/* its ACL is on its way, ahead of realize() */
	bool good;			/* how it ends */
	bool store;			/* there is something to be stored */
	json_t *walked_to;			/* owned; after a failure: the ACL that was on its way */
	struct rpc_call *call;		/* to be answered; NULL: the daemon's own, or answered */
	json_t *calls;			/* owned; of a transaction */
	size_t num_calls;
	size_t at;			/* call, check, object or result that is next */
	size_t realized;		/* objects, in their order */
	void *state;			/* of the call that is to be called again */
	void (*free_state)(void *state);
	struct shown *shown;		/* owned; one per call */
	size_t num_shown;
	json_t *result, *results;	/* owned; what is answered when it is stored; its list, if it is a transaction */
	struct touched *touched;	/* owned */
	size_t num_touched, room;
	struct job **jobs;		/* owned array of borrowed: jobs outlive the changes that they belong to */
	size_t num_jobs;
	struct rpc_error err;
	/* the daemon's own */
	int (*fill)(struct rpc_call *call, uint64_t number);
	uint64_t number;
	void (*done)(struct hvnetd *d, int ret, const struct rpc_error *err);
};

/* The first change goes on, soon. */
void change_schedule(struct hvnetd *d);

/* ---- change_calls.c ---- */

/* Runs the call whose turn it is, or a piece of it. 0, -1 with c->err, or OBJECT_AGAIN. */
int change_run_call(struct change *c);
/* Of a call that will not be called again after all. */
void change_free_state(struct change *c);

/* ---- change_end.c ---- */

/* The changes are made, or undone (good false): the way out begins. */
void change_finish(struct change *c, bool good);
/* A step of PHASE_SHOW, PHASE_TELL and PHASE_RELEASE; after the last, c is out of the queue and may be gone. */
void change_step_out(struct change *c);
/* Answers a job's call while the rest goes on. */
void change_answer_early(struct change *c);
/* It ends now, with c->err. */
void change_abort(struct change *c);

#endif
