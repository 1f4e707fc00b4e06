/* SPDX-License-Identifier: MIT */
/*
 * Shared objects with extensions: opening one reads a file, maps it and runs its constructors. The helper's thread does that. A
 * change waits for what it needs (OBJECT_WAITS), extension.list for its answer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hvnetd/extension.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"

struct task {
	struct helper_task task;
	struct hvnetd *d;		/* borrowed: the helper is finished before it ends */
	char dir[PATH_MAX];
	TAILQ_HEAD(, loaded) list;	/* to be opened, or found; the thread's */
	struct rpc_call *call;		/* to be answered with what was found; NULL: of a change */
};

static void open_one(const char *dir, struct loaded *l)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.3900s/%.63s.so", dir, l->module);
	l->ret = vswitch_library_open(path, l->why, sizeof(l->why), &l->library);
	if (!l->ret)
		return;
	l->library = NULL;
	if (l->ret == -ENOENT)
		snprintf(l->why, sizeof(l->why), "there is no %.60s.so in %.100s; `hvnetctl extension show` lists what is installed",
			 l->module, dir);
}

static void loaded_free(struct loaded *l)
{
	vswitch_library_close(l->library);
	free(l);
}

static struct loaded *loaded_new(const char *module)
{
	struct loaded *l = calloc(1, sizeof(*l));

	if (l)
		snprintf(l->module, sizeof(l->module), "%.63s", module);
	return l;
}

/* ---- tasks of the helper ---- */

static struct task *task_new(struct hvnetd *d, void (*work)(struct helper_task *task), void (*done)(struct helper_task *task))
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->d = d;
	t->task.work = work;
	t->task.done = done;
	TAILQ_INIT(&t->list);
	snprintf(t->dir, sizeof(t->dir), "%s", d->extension_dir);
	return t;
}

static void task_free(struct task *t)
{
	struct loaded *l;

	while ((l = TAILQ_FIRST(&t->list))) {
		TAILQ_REMOVE(&t->list, l, link);
		loaded_free(l);
	}
	free(t);
}

/* ---- for changes ---- */

static void open_all(struct helper_task *task)
{
	struct task *t = hv_container_of(task, struct task, task);
	struct loaded *l;

	TAILQ_FOREACH(l, &t->list, link)
		open_one(t->dir, l);
}

static void all_opened(struct helper_task *task)
{
	struct task *t = hv_container_of(task, struct task, task);
	struct hvnetd *d = t->d;

	TAILQ_CONCAT(&d->libraries.list, &t->list, link);
	d->libraries.loading = false;
	task_free(t);
	change_wake(d);
}

int libraries_load(struct hvnetd *d, json_t *names, json_t *wanted)
{
	struct task *t;
	struct loaded *l;
	const json_t *v;
	size_t i;

	if (d->libraries.loading)
		return OBJECT_WAITS;
	if (d->libraries.wanted == wanted || !json_array_size(names) || d->restoring)
		return 0;
	libraries_close(d);
	t = task_new(d, open_all, all_opened);
	if (!t)
		return 0;		/* then they are opened when they are taken */
	json_array_foreach(names, i, v) {
		l = loaded_new(json_string_value(v));
		if (l)
			TAILQ_INSERT_TAIL(&t->list, l, link);
	}
	d->libraries.wanted = json_incref(wanted);
	d->libraries.loading = true;
	helper_run(&d->helper, &t->task);
	return d->libraries.loading ? OBJECT_WAITS : 0;
}

int libraries_take(struct hvnetd *d, const char *module, struct vswitch_library **out, char why[EXTENSION_WHY_BYTES])
{
	struct loaded *l, now = { 0 };
	int ret;

	TAILQ_FOREACH(l, &d->libraries.list, link)
		if (!strcmp(l->module, module))
			break;
	if (l)
		TAILQ_REMOVE(&d->libraries.list, l, link);
	if (!l) {
		l = &now;
		snprintf(now.module, sizeof(now.module), "%.63s", module);
		open_one(d->extension_dir, l);
	}
	*out = l->library;
	ret = l->ret;
	snprintf(why, EXTENSION_WHY_BYTES, "%s", l->why);
	if (l != &now)
		free(l);
	return ret;
}

void libraries_give_back(struct hvnetd *d, const char *module, struct vswitch_library *library)
{
	struct loaded *l = library ? loaded_new(module) : NULL;

	if (!l) {
		vswitch_library_close(library);
		return;
	}
	l->library = library;
	TAILQ_INSERT_TAIL(&d->libraries.list, l, link);
}

void libraries_close(struct hvnetd *d)
{
	struct loaded *l;

	while ((l = TAILQ_FIRST(&d->libraries.list))) {
		TAILQ_REMOVE(&d->libraries.list, l, link);
		loaded_free(l);
	}
	json_decref(d->libraries.wanted);
	d->libraries.wanted = NULL;
}

void extensions_finish(struct hvnetd *d)
{
	libraries_close(d);
}

/* ---- what is installed ---- */

static int is_object(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return n > 3 && n < 64 && !strcmp(e->d_name + n - 3, ".so");
}

static void find_all(struct helper_task *task)
{
	struct task *t = hv_container_of(task, struct task, task);
	struct dirent **entries = NULL;
	struct loaded *l;
	int n = scandir(t->dir, &entries, is_object, alphasort);

	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 3] = '\0';
		l = loaded_new(entries[i]->d_name);
		if (l) {
			open_one(t->dir, l);
			TAILQ_INSERT_TAIL(&t->list, l, link);
		}
		free(entries[i]);
	}
	free(entries);
}

static void all_found(struct helper_task *task)
{
	struct task *t = hv_container_of(task, struct task, task);
	struct page page = page_of(t->call);
	const struct loaded *l;

	TAILQ_FOREACH(l, &t->list, link)
		if (l->library && page_has(&page))
			page_add(&page, show_module(vswitch_library_module(l->library), l->module));
	rpc_answer(t->call, page_end(&page, "extensions"));
	task_free(t);
}

bool extension_list_start(struct hvnetd *d, struct rpc_call *call)
{
	struct task *t;

	if (strcmp(call->method->name, "extension.list") != 0 || rpc_has(call, "switch"))
		return false;
	t = task_new(d, find_all, all_found);
	if (t) {
		t->call = call;
		helper_run(&d->helper, &t->task);
	} else {
		rpc_fail(&call->err, RPC_NO_RESOURCES, NULL, "out of memory");
		rpc_answer(call, NULL);
	}
	return true;
}
