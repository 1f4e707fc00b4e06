/* SPDX-License-Identifier: MIT */
/*
 * Objects of the configuration, and changes to them.
 *
 * An object is a piece of configuration (a JSON object that is never modified, only replaced) and what is made of it: a switch,
 * an open interface, a device. All changes go the same way:
 *
 *	calls      handlers look at configurations and put others in their places; nothing else happens
 *	checks     each object that was touched is checked against the others
 *	realize    things are made what the configurations say: what only stands on others is deleted first, then things are made
 *	           and changed from switches to adapters, then what others stood on is deleted
 *	store      the file is written (store.h), then the answer is given
 *
 * If any of it fails, what was done is undone in reverse order, and the configurations are as before. A dry run ends after the
 * checks. One change is under way at a time, others wait. It runs in slices of CHANGE_SLICE_NS of the loop's rounds, so that a
 * transaction of thousands of calls does not hold up frames; what shows objects meanwhile shows them on their way.
 *
 * On the loop's thread.
 */
#ifndef HVNETD_OBJECT_H
#define HVNETD_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "hvnetd/rpc.h"

struct hvnetd;
struct job;

enum object_kind {		/* in the order in which they are made */
	OBJECT_SWITCH,
	OBJECT_UPLINK,
	OBJECT_HOSTNIC,
	OBJECT_PORT,
	OBJECT_VM,
	OBJECT_ADAPTER,
	OBJECT_KINDS
};

enum {
	OBJECT_KEY_BYTES = 2 * HVNETD_NAME_BYTES,
	OBJECT_BUCKETS = 4096,
	CHANGE_SLICE_NS = 500000,	/* our policy: less than a guest's ring holds at 1 Gbit/s */
	CHANGES_MAX = 256,		/* our policy: that wait */
};

/* On the way along an ACL (acl.c). Zeroed: not begun. */
enum acl_stage {
	ACL_BEGIN,
	ACL_ADD_DENIALS,
	ACL_ADD_REST,
	ACL_DELETE_PERMITS,
	ACL_DELETE_REST,
	ACL_END,
};

struct acl_walk {
	enum acl_stage stage;
	uint32_t i, j;			/* of the list that is gone along, and of the other */
};

struct object {
	TAILQ_ENTRY(object) link;	/* of its kind, in the order of making */
	struct object *next_in_bucket;
	struct hvnetd *d;		/* borrowed: outlives all objects */
	enum object_kind kind;
	char key[OBJECT_KEY_BYTES];	/* "NAME", "SWITCH/NAME" or "VM/NAME" */
	json_t *config;			/* owned; immutable; NULL: deleted, or not there yet */
	json_t *real;			/* owned; what it was made of; NULL: nothing was */
	uint64_t scope;			/* connection that it ends with, and is not stored; 0: stays */
	int pid;			/* of that connection */
	bool touched;			/* by the present change */
	const json_t *before;		/* borrowed: its configuration before that; NULL: none */
	struct acl_walk walk;		/* what a change is doing with its ACL */
};

struct object_class {
	const char *name;		/* "switch" */
	const char *list;		/* member of the configuration document */
	const char *const *key;		/* members that the key is made of; NULL ends them */
	size_t bytes;			/* of the struct that begins with struct object */
	/* Of a configuration against the others; NULL: whether it may be missing. */
	int (*check)(struct object *o, struct rpc_error *err);
	/*
	 * Makes of o->real's thing o->config's (either may be NULL). 0; -1 with err, and all as before; OBJECT_LATER, and
	 * change_continue() when it is done; or OBJECT_AGAIN: there is more to do, and it is called again, soon; OBJECT_WAITS
	 * with nothing done, and it is called again after change_wake().
	 */
	int (*realize)(struct object *o, struct rpc_error *err);
	/* The struct's own members are to be set up, or given back. May be NULL. */
	void (*init)(struct object *o);
};
extern const struct object_class object_classes[OBJECT_KINDS];

enum { OBJECT_LATER = 1, OBJECT_AGAIN = 2, OBJECT_WAITS = 3 };

struct change;
TAILQ_HEAD(object_list, object);
STAILQ_HEAD(change_list, change);

struct objects {
	struct object_list list[OBJECT_KINDS];
	struct object *bucket[OBJECT_BUCKETS];
	unsigned num[OBJECT_KINDS];	/* that have a configuration */
	json_t *macs;			/* owned; address of an adapter -> its key */
	struct change_list changes;	/* the first is under way */
	unsigned num_changes;
	struct hv_timer timer;		/* the next slice */
	bool running;
};

int objects_init(struct hvnetd *d) __attribute__((warn_unused_result));
/* Takes down whatever was made, in order; the configuration is nobody's any more. */
void objects_finish(struct hvnetd *d);

/* NULL: there is none (with a configuration). */
struct object *object_find(struct hvnetd *d, enum object_kind kind, const char *key);
/* The first with o NULL; only those that have a configuration. */
struct object *object_next(struct hvnetd *d, enum object_kind kind, const struct object *o);
#define OBJECT_FOREACH(o, d, kind) for ((o) = object_next(d, kind, NULL); (o); (o) = object_next(d, kind, o))
/* The key of a configuration. */
void object_key(enum object_kind kind, const json_t *config, char key[OBJECT_KEY_BYTES]);
/* A member that is a string, of the configuration. NULL: none. */
const char *object_string(const struct object *o, const char *member);
/* What the caller may change and put back; a new reference. */
json_t *object_copy(const struct object *o);

/* ---- for change.c ---- */

/* As object_find(), also without a configuration, and made if need be. NULL without memory. */
struct object *object_obtain(struct hvnetd *d, enum object_kind kind, const char *key);
/* It is found by another key from now on. False: another one is, and nothing has changed. */
bool object_rekey(struct object *o, const char *key) __attribute__((warn_unused_result));
/* Frees it if it is nothing any more. */
void object_release(struct object *o);
/* Takes config. */
void object_set_config(struct object *o, json_t *config);

/* ---- for handlers ---- */

/*
 * In the present change, this configuration (taken; NULL: none) is the object's. The object, or NULL without memory. A new one
 * has the scope, others keep theirs.
 */
struct object *change_put(struct rpc_call *call, enum object_kind kind, const char *key, json_t *config);
/* The same for an object that is called otherwise from now on; NULL, too, if another one has the key. */
struct object *change_rename(struct rpc_call *call, struct object *o, const char *key, json_t *config);
void change_set_scope(struct object *o, uint64_t scope, int pid);
/* The call's result: what show() says of the object when all is done. For handlers' returns. */
json_t *change_show(struct rpc_call *call, struct object *o, json_t *(*show)(const struct object *o));
/* The change takes long: it is answered when its checks have passed. The job's id, for results; NULL without memory. */
const char *change_job(struct rpc_call *call);

/* ---- for the daemon ---- */

/* Runs a call of a method that changes, and answers it. Takes the call. */
void change_start(struct hvnetd *d, struct rpc_call *call);
/* The same for the daemon's own changes: fill() puts, given number; done() (may be NULL) gets 0, or -1 and why. -ENOMEM. */
int change_internal(struct hvnetd *d, int (*fill)(struct rpc_call *call, uint64_t number), uint64_t number, bool dry_run,
		    void (*done)(struct hvnetd *d, int ret, const struct rpc_error *err)) __attribute__((warn_unused_result));
/* Ends those that wait, unanswered or refused. */
void changes_finish(struct hvnetd *d);
/* Of the realize() that has said OBJECT_LATER. */
void change_continue(struct hvnetd *d, int ret, const struct rpc_error *err);
/* What a realize() that has said OBJECT_WAITS waits for may be there. Otherwise nothing happens. */
void change_wake(struct hvnetd *d);
/* Whether what the present change has put holds, come what may. */
bool change_is_decided(const struct hvnetd *d);
/* Ends the change that the job belongs to, if it is still time. False: too late. */
bool change_cancel(struct hvnetd *d, const struct job *job);
/*
 * The document's objects, beside those that are there; before the loop runs. What cannot be made stays in the configuration, and
 * uplinks are tried again. check_only: nothing is made. -1 with err: the document contradicts itself, and nothing is there.
 */
int objects_restore(struct hvnetd *d, const json_t *document, bool check_only, struct rpc_error *err)
	__attribute__((warn_unused_result));
/*
 * What the configuration is: a new reference, by name of the kind's list; without objects that have a scope. Of a change that may
 * still fail there is nothing in it.
 */
json_t *objects_document(struct hvnetd *d);

#endif
