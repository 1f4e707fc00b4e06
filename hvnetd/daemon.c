/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/store.h"
#include "hvnetd/uplink.h"
#include "vmbus/vmbus.h"

#define DYING_MS 500	/* our policy: for the kernel to close what a killed process had open */

/* Device sockets are made here: nobody else may put something in their place. */
static int make_runtime_dir(const char *dir, struct rpc_error *err)
{
	struct stat st;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return rpc_fail(err, RPC_FAILED, "runtime-dir",
				"cannot make the runtime folder %s: %s; give one that you may make with "
				"--runtime-dir DIR", dir, strerror(errno));
	if (stat(dir, &st) || !S_ISDIR(st.st_mode))
		return rpc_fail(err, RPC_FAILED, "runtime-dir", "the runtime folder %s is no folder; give another with "
				"--runtime-dir DIR", dir);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || ((st.st_mode & 0022) && !(st.st_mode & S_ISVTX)))
		return rpc_fail(err, RPC_FAILED, "runtime-dir",
				"other users may write to the runtime folder %s; give one of your own with "
				"--runtime-dir DIR", dir);
	if (access(dir, W_OK | X_OK))
		return rpc_fail(err, RPC_FAILED, "runtime-dir",
				"you may not write to the runtime folder %s; give one of your own with "
				"--runtime-dir DIR, or run hvnetd as root", dir);
	return 0;
}

/* Whether a server listens on the socket, and not only the kernel in the place of a killed one. */
static bool socket_lives(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool lives = true;
	char byte;

	if (fd < 0)
		return true;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		lives = errno != ECONNREFUSED;
	else if (poll(&p, 1, DYING_MS) == 1 && recv(fd, &byte, 1, 0) <= 0)
		lives = false;
	close(fd);
	return lives;
}

/* A daemon that was killed leaves its VMs' sockets behind. We have the control socket, so it is gone. */
static void sweep_runtime_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		struct stat st;

		if (strncmp(e->d_name, "vm-", 3) != 0 ||
		    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, e->d_name) >= (int)sizeof(addr.sun_path))
			continue;
		if (lstat(addr.sun_path, &st) || !S_ISSOCK(st.st_mode) || socket_lives(&addr))
			continue;
		hv_log(HV_LOG_INFO, "hvnetd: removing %s, which an ended hvnetd left behind", addr.sun_path);
		unlink(addr.sun_path);
	}
	if (d)
		closedir(d);
}

static enum hvnetd_exit make_loop(struct hvnetd *d, struct rpc_error *err)
{
	int ret = hv_loop_create(&d->worker.loop);

	if (!ret)
		return HVNETD_EXIT_OK;
	d->worker.loop = NULL;
	if (ret == -ENOSYS)
		rpc_fail(err, RPC_FAILED, "io_uring", "this kernel has no io_uring that serves; hvnetd needs Linux 5.15 "
			 "or newer with CONFIG_IO_URING");
	else if (ret == -EPERM)
		rpc_fail(err, RPC_FAILED, "io_uring", "io_uring is forbidden here: see "
			 "/proc/sys/kernel/io_uring_disabled (0 allows it), or the seccomp profile of the container");
	else {
		rpc_fail(err, RPC_FAILED, "io_uring", "cannot make an io_uring: %s", strerror(-ret));
		return HVNETD_EXIT_FAILED;
	}
	return HVNETD_EXIT_NO_URING;
}

static bool wants_nat(const struct options *o)
{
	for (unsigned i = 0; i < o->num_switches; i++)
		if (o->switches[i].type == SWITCH_NAT)
			return true;
	return o->default_switch;
}

static int find_nat(struct hvnetd *d, struct rpc_error *err)
{
	nat_find_program(d->options, d->nat_program, sizeof(d->nat_program));
	if (d->nat_program[0] || !wants_nat(d->options))
		return 0;
	if (d->options->nat_program[0])
		return rpc_fail(err, RPC_FAILED, "nat-program", "--nat-program %s cannot be run: %s",
				d->options->nat_program, strerror(errno));
	return rpc_fail(err, RPC_FAILED, "nat-program",
			"the program hvnet-nat is not beside hvnetd; say where it is with --nat-program PATH, or do "
			"without NAT with --no-default-switch");
}

/* ---- switches of the command line ---- */

static int add_own(struct rpc_call *call, const struct switch_option *s)
{
	json_t *params = json_pack("{s:s}", "name", s->name), *result;
	struct rpc_call inner = *call;

	if (object_find(call->opaque, OBJECT_SWITCH, s->name)) {	/* it was stored */
		json_decref(params);
		return 0;
	}
	if (s->type != SWITCH_PRIVATE)
		json_object_set_new(params, "type", json_string(switch_type_name(s->type)));
	if (s->type == SWITCH_INTERNAL)
		json_object_set_new(params, "interface", json_string(s->interface));
	if (s->type == SWITCH_EXTERNAL)
		json_object_set_new(params, "uplink", json_pack("[s]", s->interface));
	inner.method = api_find_method("switch.create");
	inner.params = params;
	result = methods_run(&inner);
	call->err = inner.err;
	json_decref(result);
	json_decref(params);
	return result ? 0 : -1;
}

static int fill_own(struct rpc_call *call, uint64_t number)
{
	static const struct switch_option nat = { .name = HVNETD_DEFAULT_SWITCH, .type = SWITCH_NAT };
	const struct options *o = ((struct hvnetd *)call->opaque)->options;

	(void)number;
	if (o->default_switch && add_own(call, &nat))
		return -1;
	for (unsigned i = 0; i < o->num_switches; i++)
		if (add_own(call, &o->switches[i]))
			return -1;
	return 0;
}

static void own_made(struct hvnetd *d, int ret, const struct rpc_error *err)
{
	if (ret)
		d->restore_error = *err;
	d->own_made = true;
}

/* In one piece: nobody waits for the loop yet. */
static int make_own(struct hvnetd *d, struct rpc_error *err)
{
	d->restore_error.code = 0;
	if (change_internal(d, fill_own, 0, false, own_made))
		return rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	while (!d->own_made)
		if (hv_loop_run_once(d->worker.loop, 1000000000ull))
			return rpc_fail(err, RPC_FAILED, NULL, "the loop failed");
	*err = d->restore_error;
	return err->code ? -1 : 0;
}

static int restore(struct hvnetd *d, struct rpc_error *err)
{
	json_t *document;
	int ret;

	if (!d->options->state_dir[0])
		return 0;
	if (store_load(d, &document, err))
		return -1;
	share_recover(d);
	ret = document ? objects_restore(d, document, false, err) : 0;
	if (document && !ret)
		hv_log(HV_LOG_NOTICE, "hvnetd: the stored configuration is there again: %u switches, %u VMs, %u adapters",
		       d->objects.num[OBJECT_SWITCH], d->objects.num[OBJECT_VM], d->objects.num[OBJECT_ADAPTER]);
	json_decref(document);
	return ret;
}

/* ---- connections ---- */

static int fill_scope(struct rpc_call *call, uint64_t scope)
{
	static const enum object_kind kinds[] = { OBJECT_ADAPTER, OBJECT_VM };
	struct hvnetd *d = call->opaque;
	struct object *o;

	for (size_t i = 0; i < 2; i++)
		OBJECT_FOREACH(o, d, kinds[i]) {
			if (o->scope != scope)
				continue;
			if (kinds[i] == OBJECT_VM)
				hv_log(HV_LOG_INFO, "%s: process %d, which made it, is gone", o->key, o->pid);
			if (!change_put(call, kinds[i], o->key, NULL))
				return -1;
		}
	return 0;
}

static bool has_scope(struct hvnetd *d, uint64_t scope)
{
	const struct object *o;

	OBJECT_FOREACH(o, d, OBJECT_VM)
		if (o->scope == scope)
			return true;
	return d->objects.num_changes;	/* one of them may be about to make one */
}

/* Deletes what was scoped to a connection. */
static void scope_gone(struct hvnetd *d, uint64_t scope)
{
	if (has_scope(d, scope) && change_internal(d, fill_scope, scope, false, NULL))
		hv_log(HV_LOG_ERROR, "hvnetd: what process made on a connection that is gone stays: out of memory");
}

static void client_gone(void *opaque, struct control_client *client)
{
	captures_client_gone(opaque, client);
	diag_client_gone(opaque, client);
	event_client_gone(opaque, client);
	scope_gone(opaque, control_client_id(client));
}

static void run_call(void *opaque, struct rpc_call *call)
{
	if (call->method->flags & (RPC_CHANGES | RPC_ALONE))
		change_start(opaque, call);
	else if (!extension_list_start(opaque, call) && !diag_start(opaque, call))
		read_start(opaque, call);
}

static void offload(void *opaque, struct helper_task *task)
{
	helper_run(&((struct hvnetd *)opaque)->helper, task);
}

static enum hvnetd_exit make_control(struct hvnetd *d, struct rpc_error *err)
{
	struct control_desc desc = {
		.path = d->options->socket,
		.dispatcher = { .find = api_find_method, .run = run_call, .offload = offload, .opaque = d },
		.group = d->options->group[0] ? d->options->group : NULL,
		.others_look = d->options->others_look,
		.gone = client_gone,
	};
	char why[sizeof(err->message)];
	int ret = control_create(d->worker.loop, &desc, &d->control, why, sizeof(why));

	if (!ret)
		return HVNETD_EXIT_OK;
	d->control = NULL;
	rpc_fail(err, RPC_FAILED, "socket", "%s", why);
	return ret == -EADDRINUSE ? HVNETD_EXIT_IN_USE : HVNETD_EXIT_FAILED;
}

static enum hvnetd_exit check_file(struct hvnetd *d, struct rpc_error *err)
{
	json_t *document = store_read(d->options->check_file, err);
	int ret = document ? objects_restore(d, document, true, err) : -1;

	json_decref(document);
	return ret ? HVNETD_EXIT_FAILED : HVNETD_EXIT_OK;
}

/* Beside this program's folder (where it was built), or where `make install` puts them. */
static void find_extensions(struct hvnetd *d)
{
	static const char *const places[] = { "../extensions", "../libexec/hvnet/extensions" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (d->options->extension_dir[0]) {
		snprintf(d->extension_dir, sizeof(d->extension_dir), "%s", d->options->extension_dir);
		return;
	}
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(d->extension_dir, sizeof(d->extension_dir), "%.4000s/%s", self, places[i]);
		if (!access(d->extension_dir, X_OK))
			return;
	}
}

static int init(struct hvnetd *d, const struct options *o, struct rpc_error *err)
{
	memset(d, 0, sizeof(*d));
	TAILQ_INIT(&d->jobs.list);
	TAILQ_INIT(&d->captures);
	TAILQ_INIT(&d->diags);
	TAILQ_INIT(&d->libraries.list);
	d->options = o;
	events_init(d);
	reads_init(d);
	host_id(d->host);
	find_extensions(d);
	return objects_init(d) ? rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory") : 0;
}

/*
 * What is freed is joined with its neighbours at once, and given back to the kernel seldom: to do either for all the small values of
 * a large reply is a matter of ten milliseconds, which the loop would have at some free() of its own.
 */
static void spread_freeing(void)
{
	mallopt(M_MXFAST, 0);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

enum hvnetd_exit hvnetd_start(struct hvnetd *d, const struct options *o, struct rpc_error *err)
{
	enum hvnetd_exit status;

	spread_freeing();
	if (init(d, o, err))
		return HVNETD_EXIT_FAILED;
	status = make_loop(d, err);
	if (status)
		return status;
	child_set_init(&d->children, d->worker.loop);
	helper_init(&d->helper, d->worker.loop);
	if (o->action == OPTIONS_CHECK_FILE)
		return check_file(d, err);
	if (make_runtime_dir(o->runtime_dir, err) || find_nat(d, err))
		return HVNETD_EXIT_FAILED;
	if (o->action == OPTIONS_CHECK)	/* a daemon that runs already is no mistake */
		return HVNETD_EXIT_OK;
	/* First the control socket: it tells whether another daemon serves this place. */
	status = make_control(d, err);
	if (status)
		return status;
	sweep_runtime_dir(o->runtime_dir);
	if ((o->state_dir[0] && store_open(d, o->state_dir, err)) || restore(d, err) || make_own(d, err))
		return HVNETD_EXIT_FAILED;
	return HVNETD_EXIT_OK;
}

void hvnetd_stop(struct hvnetd *d)
{
	if (!d->worker.loop)
		return;
	captures_switch_gone(d, NULL);
	store_close(d);
	control_destroy(d->control);
	d->control = NULL;
	events_finish(d);
	reads_finish(d);
	changes_finish(d);
	helper_finish(&d->helper);
	extensions_finish(d);
	objects_finish(d);
	jobs_finish(d);
	child_set_finish(&d->children);
	hv_loop_destroy(d->worker.loop);
	d->worker.loop = NULL;
}
