/* SPDX-License-Identifier: MIT */
#include "hvnetd/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/event.h"
#include "hvnetd/hvnetd.h"

struct waiter {
	STAILQ_ENTRY(waiter) link;
	void (*done)(void *cookie, const char *why);
	void *cookie;
};
STAILQ_HEAD(waiters, waiter);

/*
 * IDLE --change--> WRITING (the thread) --written, nothing new--> IDLE
 * WRITING --written, changes came meanwhile--> WRITING; --failed--> IDLE, dirty, and the timer runs
 */
struct store {
	struct hvnetd *d;		/* borrowed */
	char *dir, *file;		/* owned */
	int lock;			/* owned; a descriptor */
	bool dirty;			/* changes that are in no write yet */
	bool writing;
	struct waiters next, now;	/* of changes for the next write, and in the one under way */
	struct hv_timer retry;
	pthread_t thread;
	json_t *document;		/* owned; the thread's while writing */
	int result;			/* the thread's */
};

static void begin(struct store *s);

/* ---- the thread ---- */

static void *write_file(void *opaque)
{
	struct store *s = opaque;

	s->result = store_write(s->dir, STORE_FILE, STORE_FILE ".1", s->document);
	hv_loop_post(s->d->worker.loop, &s->d->stored);
	return NULL;
}

/* ---- the loop ---- */

static void tell(struct waiters *list, const char *why)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		w->done(w->cookie, why);
		free(w);
	}
}

static void failed(struct store *s, int ret)
{
	char why[256];

	snprintf(why, sizeof(why), "%.200s: %s", s->file, strerror(-ret));
	hv_log(HV_LOG_ERROR, "store: cannot write %s; tried again in %d s", why, STORE_RETRY_MS / 1000);
	s->dirty = true;
	if (hv_timer_arm(s->d->worker.loop, &s->retry, hv_now_ns() + STORE_RETRY_MS * 1000000ull))
		hv_log(HV_LOG_ERROR, "store: out of memory, tried again with the next change");
	event_send(s->d, "store.failed", EVENT_ERROR, json_pack("{s:s, s:s}", "file", s->file, "why", strerror(-ret)));
	tell(&s->now, why);
}

/* Joins the thread, and takes what it has to say. */
static void take_result(struct store *s)
{
	int ret;

	pthread_join(s->thread, NULL);
	ret = s->result;
	s->writing = false;
	json_decref(s->document);
	s->document = NULL;
	if (ret)
		failed(s, ret);
	else
		tell(&s->now, NULL);
}

static void on_written(struct hv_work *w)
{
	struct store *s = hv_container_of(w, struct hvnetd, stored)->store;

	if (!s)		/* store_close() has waited for the thread itself */
		return;
	take_result(s);
	if (s->dirty && !s->retry.loop)
		begin(s);
}

static void begin(struct store *s)
{
	int ret;

	s->document = objects_document(s->d);
	STAILQ_CONCAT(&s->now, &s->next);
	s->dirty = false;
	s->writing = true;
	hv_timer_cancel(&s->retry);
	ret = pthread_create(&s->thread, NULL, write_file, s);
	if (!ret)
		return;
	s->writing = false;
	json_decref(s->document);
	s->document = NULL;
	failed(s, -ret);
}

static void on_retry(struct hv_timer *t)
{
	struct store *s = hv_container_of(t, struct store, retry);

	if (s->dirty && !s->writing)
		begin(s);
}

void store_change(struct hvnetd *d, void (*done)(void *cookie, const char *why), void *cookie)
{
	struct store *s = d->store;
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		done(cookie, "out of memory");
	} else {
		w->done = done;
		w->cookie = cookie;
		STAILQ_INSERT_TAIL(&s->next, w, link);
	}
	s->dirty = true;
	if (!s->writing)
		begin(s);
}

bool store_active(const struct hvnetd *d)
{
	return d->store;
}

const char *store_file(const struct hvnetd *d)
{
	return d->store ? d->store->file : NULL;
}

bool store_is_current(const struct hvnetd *d)
{
	return d->store && !d->store->dirty && !d->store->writing;
}

/* ---- open, load, close ---- */

static int lock_dir(struct store *s, struct rpc_error *err)
{
	struct stat st;

	if (mkdir(s->dir, 0700) && errno != EEXIST)
		return rpc_fail(err, RPC_FAILED, "state-dir", "cannot make the state folder %s: %s", s->dir, strerror(errno));
	s->lock = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0 || fstat(s->lock, &st))
		return rpc_fail(err, RPC_FAILED, "state-dir", "cannot open the state folder %s: %s", s->dir, strerror(errno));
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 0022))
		return rpc_fail(err, RPC_FAILED, "state-dir", "other users may write to the state folder %s; give one of your own "
				"with --state-dir DIR", s->dir);
	if (flock(s->lock, LOCK_EX | LOCK_NB))
		return rpc_fail(err, RPC_IN_USE, "state-dir", "another hvnetd uses the state folder %s", s->dir);
	return 0;
}

static void store_free(struct store *s)
{
	if (s->lock >= 0)
		close(s->lock);
	free(s->dir);
	free(s->file);
	free(s);
}

int store_open(struct hvnetd *d, const char *dir, struct rpc_error *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	s->d = d;
	s->lock = -1;
	STAILQ_INIT(&s->next);
	STAILQ_INIT(&s->now);
	d->stored.run = on_written;
	s->retry.fire = on_retry;
	s->dir = strdup(dir);
	if (!s->dir || asprintf(&s->file, "%s/%s", dir, STORE_FILE) < 0) {
		s->file = NULL;
		store_free(s);
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	}
	if (lock_dir(s, err)) {
		store_free(s);
		return -1;
	}
	/* What a killed one was about to write. */
	unlinkat(s->lock, STORE_FILE ".new", 0);
	unlinkat(s->lock, STORE_FILE ".1.tmp", 0);
	d->store = s;
	return 0;
}

/* A file of no use is kept for whoever wants to look at it. */
static void put_aside(const char *path)
{
	char aside[PATH_MAX];

	snprintf(aside, sizeof(aside), "%.4000s.damaged-%lld", path, (long long)time(NULL));
	if (rename(path, aside))
		hv_log(HV_LOG_ERROR, "store: cannot rename %s: %s", path, strerror(errno));
	else
		hv_log(HV_LOG_ERROR, "store: it is kept as %s", aside);
}

int store_load(struct hvnetd *d, json_t **document, struct rpc_error *err)
{
	static const char *const suffixes[] = { "", ".1" };
	char path[PATH_MAX];
	bool damaged = false;

	*document = NULL;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%.4000s%s", d->store->file, suffixes[i]);
		if (access(path, F_OK))
			continue;
		*document = store_read(path, err);
		if (*document) {
			if (i)
				hv_log(HV_LOG_WARNING, "store: the last good configuration is used: %s", path);
			return 0;
		}
		if (err->code == RPC_NOT_FOUND || err->code == RPC_NO_RESOURCES || !strcmp(err->what, "version"))
			return -1;	/* it may be good, but cannot be read now, or not by us */
		hv_log(HV_LOG_ERROR, "store: %s", err->message);
		damaged = true;
		put_aside(path);
	}
	if (damaged)
		hv_log(HV_LOG_ERROR, "store: no good configuration is left; it begins without one");
	return 0;
}

void store_close(struct hvnetd *d)
{
	struct store *s = d->store;

	if (!s)
		return;
	if (s->writing) {
		pthread_join(s->thread, NULL);
		json_decref(s->document);
		s->dirty |= s->result != 0;
	}
	if (s->dirty) {
		json_t *last = objects_document(d);
		int ret = store_write(s->dir, STORE_FILE, STORE_FILE ".1", last);

		if (ret)
			hv_log(HV_LOG_ERROR, "store: cannot write %s: %s; the last changes are lost", s->file, strerror(-ret));
		json_decref(last);
	}
	hv_timer_cancel(&s->retry);
	tell(&s->now, "hvnetd is stopping");
	tell(&s->next, "hvnetd is stopping");
	store_free(s);
	d->store = NULL;
}
