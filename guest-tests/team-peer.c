/* SPDX-License-Identifier: MIT */
/*
 * team-peer MODE FOLDER: a switch with a team of two members for a guest's bonding driver. Listens at FOLDER/line1 and FOLDER/line2 for
 * QEMU's `-netdev stream`; the host's adapter is the tap tphost, in the namespace that it is started in. SIGUSR1: the first member is
 * taken away. MODE: lacp, or standby (switch independent, the second member stands by). Its log says what the members do.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "vswitch/vswitch.h"

enum { LINES = 2 };

static struct hv_loop *loop;
static struct vswitch_uplink *team;
static bool standby;

static struct line {
	struct hv_watch watch;
	unsigned number;		/* from 1 */
} lines[LINES];
static struct hv_watch signals;

static void die(const char *what, int error)
{
	fprintf(stderr, "team-peer: %s: %s\n", what, strerror(error));
	exit(1);
}

static void came(struct hv_watch *w, uint32_t events)
{
	struct line *l = hv_container_of(w, struct line, watch);
	struct vswitch_member_config m = { .kind = VSWITCH_WIRE_STREAM, .standby = standby && l->number == LINES };
	char name[8];
	int ret;

	(void)events;
	snprintf(name, sizeof(name), "line%u", l->number);
	m.name = name;
	m.fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	if (m.fd < 0)
		return;
	ret = vswitch_team_add(team, &m, NULL);
	if (ret)
		die("a member", -ret);
	hv_watch_stop(w);
}

static void told(struct hv_watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) == sizeof(info) && vswitch_team_remove(team, 1))
		die("taking the first member away", ENOENT);
}

static void listen_at(const char *folder, struct line *l)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/line%u", folder, l->number);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		die(addr.sun_path, errno);
	l->watch.ready = came;
	ret = hv_watch_start(loop, &l->watch, fd, POLLIN);
	if (ret)
		die("the loop", -ret);
}

int main(int argc, char **argv)
{
	struct vswitch_config config = { .name = "peer" };
	struct vswitch_team_config t = { .algorithm = VSWITCH_TEAM_TRANSPORT, .lacp_fast = true };
	struct vswitch_uplink *adapter;
	struct vswitch *sw;
	sigset_t set;
	int ret;

	if (argc != 3 || (strcmp(argv[1], "lacp") != 0 && strcmp(argv[1], "standby") != 0)) {
		fprintf(stderr, "usage: team-peer lacp|standby FOLDER\n");
		return 2;
	}
	standby = argv[1][0] == 's';
	t.mode = standby ? VSWITCH_TEAM_INDEPENDENT : VSWITCH_TEAM_LACP;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ret = hv_loop_create(&loop);
	if (!ret)
		ret = vswitch_create(loop, &config, &sw);
	if (!ret)
		ret = vswitch_uplink_tap(sw, loop, "tphost", VSWITCH_NIC_INTERNAL, &adapter);
	if (!ret)
		ret = vswitch_uplink_team(sw, loop, "team", &t, &team);
	signals.ready = told;
	if (!ret)
		ret = hv_watch_start(loop, &signals, signalfd(-1, &set, SFD_CLOEXEC), POLLIN);
	if (ret)
		die("starting", -ret);
	for (unsigned i = 0; i < LINES; i++) {
		lines[i].number = i + 1;
		listen_at(argv[2], &lines[i]);
	}
	fprintf(stderr, "team-peer: ready\n");
	return hv_loop_run(loop) ? 1 : 0;
}
