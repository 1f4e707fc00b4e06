/* SPDX-License-Identifier: MIT */
/*
 * For tests of extensions in processes of their own: a switch with three NICs and a place for a program, real programs, and a
 * client in this process that speaks the protocol by hand.
 */
#ifndef HVNET_EXTENSIONS_TEST_REMOTE_H
#define HVNET_EXTENSIONS_TEST_REMOTE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "extensions/test_paths.h"
#include "vswitch/remote_frame.h"
#include "vswitch/test_nic.h"

extern char **environ;

enum { A, B, WIRE, NICS, ROUNDS = 4000 };

#define ROUND_NS 5000000ull

static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_remote *remote;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static char dir[64], path[80];
static uint32_t answer_ms, wants = REMOTE_WANTS_INGRESS;

static inline struct vswitch_remote_stats stats(void)
{
	struct vswitch_remote_stats s;

	vswitch_remote_stats(remote, &s);
	return s;
}

static inline uint64_t in_dropped(void)
{
	return test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION);
}

/* Runs the loop until what is wanted holds, for a bounded number of rounds. */
#define UNTIL(what) \
	do { \
		for (unsigned round_ = 0; round_ < ROUNDS && !(what); round_++) \
			hv_loop_run_once(loop, ROUND_NS); \
		CU_ASSERT(what); \
	} while (0)

static inline void some_rounds(void)
{
	for (unsigned i = 0; i < 5; i++)
		hv_loop_run_once(loop, 0);
}

static inline void begin(enum vswitch_ext_class class, bool fail_open, const char *config, uint32_t wait_ms, uint32_t wait_frames)
{
	const struct vswitch_config sc = { .name = "test" };
	const struct vswitch_remote_config rc = {
		.name = "outside", .socket = path, .config = config, .class = class, .fail_open = fail_open,
		.wait_ms = wait_ms, .wait_frames = wait_frames, .answer_ms = answer_ms,
	};

	hv_log_set_level(HV_LOG_ERROR);
	strcpy(dir, "/tmp/hvnet-remote-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/socket", dir);
	frame = test_frame_new();
	if (hv_loop_create(&loop) || vswitch_create(loop, &sc, &sw) || vswitch_remote_create(sw, loop, &rc, &remote))
		abort();
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	test_nic_plug(sw, &nics[B], VSWITCH_NIC_SYNTHETIC, 2, 0);
	test_nic_plug(sw, &nics[WIRE], VSWITCH_NIC_EXTERNAL, 3, 0);
	CU_ASSERT_EQUAL(vswitch_extension_enable(vswitch_remote_extension(remote)), 0);
}

static inline void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_remote_destroy(remote);
	for (unsigned i = 0; i < NICS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	free(frame);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
	rmdir(dir);
}

/* A UDP datagram from A to B. */
static inline void send_udp(unsigned port, uint32_t len)
{
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, len);
	put_be16(frame->bytes + 12, 0x0800);
	memset(frame->bytes + 14, 0, 28);
	frame->bytes[14] = 0x45;
	put_be16(frame->bytes + 16, len - 14);
	frame->bytes[23] = 17;
	put_be16(frame->bytes + 36, port);
	test_frame_set(frame, len);
	test_send(&nics[A], frame);
	memset(frame->bytes, 0xee, len);
}

/* ---- a real program ---- */

static inline pid_t start(const char *so)
{
	char *argv[4];
	posix_spawn_file_actions_t actions;
	pid_t pid;

	argv[0] = strdup(program("hvnet-extension"));
	argv[1] = path;
	argv[2] = strdup(object(so));
	argv[3] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
		abort();
	posix_spawn_file_actions_destroy(&actions);
	free(argv[0]);
	free(argv[2]);
	UNTIL(stats().attached);
	return pid;
}

static inline int stop(pid_t pid, int number)
{
	int status;

	kill(pid, number);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

/* ---- by hand ---- */

struct client {
	int fd, wake_fd, host_fd;
	struct remote_memory *memory;
	struct remote_ring in, out;
};

static inline int say_hello(struct client *c, uint32_t version, uint32_t class)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct remote_hello h = { REMOTE_HELLO, REMOTE_MAGIC, version, class, wants, "by hand" };

	*c = (struct client){ .fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), -1, -1 };
	strcpy(address.sun_path, path);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return send(c->fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h) ? 0 : -errno;
}

static inline void attach(struct client *c, enum vswitch_ext_class class)
{
	union { char bytes[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr aligned; } control;
	struct remote_welcome w;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fds[3];

	CU_ASSERT_EQUAL_FATAL(say_hello(c, REMOTE_VERSION, class), 0);
	UNTIL(stats().attached);
	CU_ASSERT_EQUAL_FATAL(recvmsg(c->fd, &m, 0), sizeof(w));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fds));
	c->memory = mmap(NULL, sizeof(*c->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(c->memory, MAP_FAILED);
	CU_ASSERT_EQUAL(ftruncate(fds[0], 4096), -1);	/* sealed */
	close(fds[0]);
	c->wake_fd = fds[1];
	c->host_fd = fds[2];
	remote_rings(c->memory, &c->in, &c->out);
}

static inline void leave(struct client *c)
{
	if (c->memory)
		munmap(c->memory, sizeof(*c->memory));
	close(c->fd);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	if (c->host_fd >= 0)
		close(c->host_fd);
}

static inline void put(struct client *c, const void *record, uint32_t n)
{
	bool broken;
	void *to = remote_ring_reserve(&c->out, n, &broken);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	memcpy(to, record, n);
	remote_ring_commit(&c->out, n);
	eventfd_write(c->host_fd, 1);
}

#endif
