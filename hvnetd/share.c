/* SPDX-License-Identifier: MIT */
/*
 * Sharing an interface with the host: what the host has on it goes to a host NIC. That takes blocking requests to the kernel of
 * some milliseconds, so a thread makes them; the change waits (OBJECT_LATER).
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/uplink.h"
#include "vswitch/vswitch.h"

#define RECORD_PREFIX "share-"

struct sharing {
	struct hv_work done;
	struct hvnetd *d;		/* borrowed */
	struct uplink *u;		/* borrowed: it is not closed before this is done; the host NIC */
	pthread_t thread;
	char interface[16], adapter[16];
	char record[PATH_MAX];
	int ret;
};

static void record_path(const struct hvnetd *d, const char *interface, char path[PATH_MAX])
{
	const char *dir = d->options->state_dir[0] ? d->options->state_dir : d->options->runtime_dir;

	snprintf(path, PATH_MAX, "%.4000s/" RECORD_PREFIX "%s", dir, interface);
}

static void *share_thread(void *opaque)
{
	struct sharing *s = opaque;

	s->ret = vswitch_host_share(s->interface, s->adapter, s->record);
	hv_loop_post(s->d->worker.loop, &s->done);
	return NULL;
}

static void on_shared(struct hv_work *w)
{
	struct sharing *s = hv_container_of(w, struct sharing, done);
	struct rpc_error err = { 0 };

	pthread_join(s->thread, NULL);
	if (s->ret) {
		rpc_fail(&err, RPC_FAILED, "share", "the host's settings cannot be moved from %s to %s: %s", s->interface,
			 s->adapter, strerror(-s->ret));
		rpc_detail(&err, "errno", "%d", -s->ret);
		uplink_close(s->u);
	}
	change_continue(s->d, s->ret ? -1 : 0, &err);
	free(s);
}

int share_begin(struct uplink *u, const char *interface)
{
	struct sharing *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->d = u->o.d;
	s->u = u;
	s->done.run = on_shared;
	snprintf(s->interface, sizeof(s->interface), "%s", interface);
	snprintf(s->adapter, sizeof(s->adapter), "%s", object_string(&u->o, "interface"));
	record_path(s->d, interface, s->record);
	if (s->d->restoring || !s->d->objects.running) {	/* nobody waits for a message: frames do not flow yet */
		ret = vswitch_host_share(s->interface, s->adapter, s->record);
		free(s);
		return ret;
	}
	ret = -pthread_create(&s->thread, NULL, share_thread, s);
	if (ret) {
		free(s);
		return ret;
	}
	return OBJECT_LATER;
}

void share_end(struct uplink *u)
{
	const char *interface = json_string_value(json_object_get(u->o.real, "shares"));
	char record[PATH_MAX];
	int ret;

	if (!interface)
		return;
	record_path(u->o.d, interface, record);
	ret = vswitch_host_unshare(record);
	if (ret && ret != -ENOENT)
		hv_log(HV_LOG_ERROR, "%s: the host's settings cannot be put back to %s: %s; they are in %s", u->o.key, interface,
		       strerror(-ret), record);
}

void share_recover(struct hvnetd *d)
{
	const char *dir = d->options->state_dir[0] ? d->options->state_dir : d->options->runtime_dir;
	DIR *entries = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;
	int ret;

	while (entries && (e = readdir(entries))) {
		if (strncmp(e->d_name, RECORD_PREFIX, strlen(RECORD_PREFIX)) != 0)
			continue;
		snprintf(path, sizeof(path), "%.3800s/%.255s", dir, e->d_name);
		ret = vswitch_host_unshare(path);
		if (ret)
			hv_log(HV_LOG_ERROR, "hvnetd: %s: the host's settings cannot be put back: %s", path, strerror(-ret));
		else
			hv_log(HV_LOG_NOTICE, "hvnetd: %s: the host's settings are back, after an end that was none", path);
	}
	if (entries)
		closedir(entries);
}
