/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/control.h"
#include "hvnetd/hvnetd.h"
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

static int make_switches(struct hvnetd *d, struct rpc_error *err)
{
	const struct options *o = d->options;

	if (o->default_switch && hvnetd_switch_add(d, HVNETD_DEFAULT_SWITCH, SWITCH_NAT, NULL, err))
		return -1;
	for (unsigned i = 0; i < o->num_switches; i++) {
		const struct switch_option *s = &o->switches[i];

		if (hvnetd_switch_add(d, s->name, s->type, s->type == SWITCH_TAP ? s->interface : NULL, err))
			return -1;
	}
	return 0;
}

static void client_gone(void *opaque, struct control_client *client)
{
	captures_client_gone(opaque, client);
	hvnetd_scope_gone(opaque, client);
}

static enum hvnetd_exit make_control(struct hvnetd *d, struct rpc_error *err)
{
	struct control_desc desc = {
		.path = d->options->socket,
		.dispatcher = { hvnetd_methods, hvnetd_num_methods, d },
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

enum hvnetd_exit hvnetd_start(struct hvnetd *d, const struct options *o, struct rpc_error *err)
{
	enum hvnetd_exit status;

	memset(d, 0, sizeof(*d));
	TAILQ_INIT(&d->switches);
	TAILQ_INIT(&d->vms);
	TAILQ_INIT(&d->captures);
	d->options = o;
	host_id(d->host);
	status = make_loop(d, err);
	if (status)
		return status;
	child_set_init(&d->children, d->worker.loop);
	if (make_runtime_dir(o->runtime_dir, err) || find_nat(d, err))
		return HVNETD_EXIT_FAILED;
	if (o->action == OPTIONS_CHECK)	/* a daemon that runs already is no mistake */
		return HVNETD_EXIT_OK;
	/* First the control socket: it tells whether another daemon serves this place. */
	status = make_control(d, err);
	if (status)
		return status;
	sweep_runtime_dir(o->runtime_dir);
	return make_switches(d, err) ? HVNETD_EXIT_FAILED : HVNETD_EXIT_OK;
}

void hvnetd_stop(struct hvnetd *d)
{
	struct rpc_error err;
	struct vm *vm;

	captures_switch_gone(d, NULL);
	control_destroy(d->control);
	d->control = NULL;
	while ((vm = TAILQ_FIRST(&d->vms)))
		hvnetd_vm_del(d, vm);
	while (!TAILQ_EMPTY(&d->switches))
		if (hvnetd_switch_del(d, TAILQ_FIRST(&d->switches), true, &err))
			break;
	child_set_finish(&d->children);
	hv_loop_destroy(d->worker.loop);
	d->worker.loop = NULL;
}
