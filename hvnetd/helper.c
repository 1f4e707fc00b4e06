/* SPDX-License-Identifier: MIT */
#include "hvnetd/helper.h"

#include <stdlib.h>

enum { FREE_PARTS = 256 };		/* our policy: about 20 us */

/* ---- the thread ---- */

static void *serve(void *opaque)
{
	struct helper *h = opaque;
	struct helper_task *task;

	pthread_mutex_lock(&h->lock);
	while (!h->stopping || !STAILQ_EMPTY(&h->todo)) {
		task = STAILQ_FIRST(&h->todo);
		if (!task) {
			pthread_cond_wait(&h->more, &h->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&h->todo, link);
		pthread_mutex_unlock(&h->lock);
		task->work(task);
		pthread_mutex_lock(&h->lock);
		STAILQ_INSERT_TAIL(&h->ready, task, link);
		if (!h->posted)
			hv_loop_post(h->loop, &h->back);
		h->posted = true;
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* ---- the loop ---- */

static void end_tasks(struct helper *h)
{
	struct helper_list ready = STAILQ_HEAD_INITIALIZER(ready);
	struct helper_task *task;

	pthread_mutex_lock(&h->lock);
	STAILQ_CONCAT(&ready, &h->ready);
	h->posted = false;
	pthread_mutex_unlock(&h->lock);
	while ((task = STAILQ_FIRST(&ready))) {
		STAILQ_REMOVE_HEAD(&ready, link);
		task->done(task);
	}
}

static void come_back(struct hv_work *w)
{
	end_tasks(hv_container_of(w, struct helper, back));
}

void helper_init(struct helper *h, struct hv_loop *loop)
{
	*h = (struct helper){ .loop = loop, .back.run = come_back };
	STAILQ_INIT(&h->todo);
	STAILQ_INIT(&h->ready);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
}

void helper_run(struct helper *h, struct helper_task *task)
{
	if (!h->started && !h->stopping)
		h->started = !pthread_create(&h->thread, NULL, serve, h);
	if (!h->started) {
		task->work(task);
		task->done(task);
		return;
	}
	pthread_mutex_lock(&h->lock);
	STAILQ_INSERT_TAIL(&h->todo, task, link);
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
}

void helper_finish(struct helper *h)
{
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
	if (h->started)
		pthread_join(h->thread, NULL);
	h->started = false;
	end_tasks(h);
}

/* ---- values ---- */

static void count(const json_t *value, unsigned *left)
{
	const char *name;
	json_t *v;
	size_t i;

	if (!*left)
		return;
	--*left;
	json_object_foreach((json_t *)value, name, v) {
		count(v, left);
		if (!*left)
			return;
	}
	json_array_foreach(value, i, v) {
		count(v, left);
		if (!*left)
			return;
	}
}

bool helper_is_large(const json_t *value, unsigned parts)
{
	unsigned left = parts + 1;

	if (value)
		count(value, &left);
	return !left;
}

struct garbage {
	struct helper_task task;
	json_t *value;			/* owned; the thread's */
};

static void drop(struct helper_task *t)
{
	json_decref(hv_container_of(t, struct garbage, task)->value);
}

static void dropped(struct helper_task *t)
{
	free(hv_container_of(t, struct garbage, task));
}

void helper_decref(struct helper *h, json_t *value)
{
	struct garbage *g = helper_is_large(value, FREE_PARTS) ? calloc(1, sizeof(*g)) : NULL;

	if (!g) {
		json_decref(value);
		return;
	}
	g->task = (struct helper_task){ .work = drop, .done = dropped };
	g->value = value;
	helper_run(h, &g->task);
}
