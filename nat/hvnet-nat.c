/* SPDX-License-Identifier: MIT */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "nat/nat.h"

/* The address sanitizer's leak check stops its threads by ptrace(2). */
#if defined(__SANITIZE_ADDRESS__)
#define HVNET_LEAK_CHECK
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HVNET_LEAK_CHECK
#endif
#endif

/*
 * Guests' bytes are parsed in here: this process can open sockets and talk to the switch, but start nothing, trace nobody
 * and become nobody else. It ends with the daemon.
 */
static int confine(int fd)
{
	static const int refused[] = {
		SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
#ifndef HVNET_LEAK_CHECK
		SCMP_SYS(ptrace),
#endif
		SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(mount), SCMP_SYS(umount2),
		SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf), SCMP_SYS(keyctl), SCMP_SYS(add_key),
		SCMP_SYS(request_key), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open), SCMP_SYS(io_uring_setup),
		SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat2), SCMP_SYS(mkdir),
		SCMP_SYS(mkdirat), SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchownat),
	};
	scmp_filter_ctx filter;
	int ret;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (fd > 3)
		close_range(3, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, ~0u, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS))	/* the bounding set needs a privilege that we may not have */
		return -EPERM;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	ret = 0;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && !ret; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

static void take_frame(void *cookie, const uint8_t *frame, size_t bytes)
{
	nat_network_input(cookie, frame, bytes);
}

/* Until the switch closes the stream; 0 then. */
static int serve(struct nat_network *network, struct nat_stream *stream)
{
	for (;;) {
		short events;
		int ret = nat_network_wait(network, &events);

		if (!ret && (events & (POLLIN | POLLHUP | POLLERR)))
			ret = nat_stream_read(stream, take_frame, network);
		if (!ret)
			ret = nat_stream_flush(stream);
		if (ret)
			return ret == -EPIPE ? 0 : ret;
	}
}

int main(int argc, char **argv)
{
	struct nat_options o;
	struct nat_stream stream;
	struct nat_network *network;
	char why[NAT_LINE_BYTES];
	int type, ret;
	socklen_t bytes = sizeof(type);

	if (!nat_options_parse(&o, argc, argv, why)) {
		fprintf(stderr, "hvnet-nat: %s; see hvnet-nat --help\n", why);
		return 2;
	}
	if (o.help) {
		fputs(nat_usage, stdout);
		return 0;
	}
	if (getsockopt(o.fd, SOL_SOCKET, SO_TYPE, &type, &bytes) || type != SOCK_STREAM) {
		fprintf(stderr, "hvnet-nat: descriptor %d is not a stream socket\n", o.fd);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	ret = confine(o.fd);
	if (ret) {
		hv_log(HV_LOG_ERROR, "nat: cannot confine itself: %s", strerror(-ret));
		return 1;
	}
	ret = nat_stream_init(&stream, o.fd);
	network = ret ? NULL : nat_network_create(&o, &stream);
	if (!network) {
		hv_log(HV_LOG_ERROR, "nat: %s", ret ? strerror(-ret) : "libslirp refuses the configuration");
		return 1;
	}
	ret = serve(network, &stream);
	if (ret)
		hv_log(HV_LOG_ERROR, "nat: the stream to the switch: %s", strerror(-ret));
	nat_network_destroy(network);
	nat_stream_free(&stream);
	return ret ? 1 : 0;
}
