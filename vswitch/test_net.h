/* SPDX-License-Identifier: MIT */
/*
 * For tests against the kernel's network: a namespace of the test's own, veth pairs in it, and raw sockets at their far
 * ends that see and say virtio_net_hdrs.
 */
#ifndef HVNET_VSWITCH_TEST_NET_H
#define HVNET_VSWITCH_TEST_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vswitch/test_nic.h"

#define TEST_MS 1000000ull
#define TEST_WAIT_NS (5000 * TEST_MS)

/* A namespace of our own; false: not permitted here. */
static inline bool test_net_enter(void)
{
	return !unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

/* A shell command; its status. */
__attribute__((format(printf, 1, 2))) static inline int test_run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

/* … that must work. */
#define TEST_RUN(...) CU_ASSERT_EQUAL_FATAL(test_run(__VA_ARGS__), 0)

/* Runs the loop until the expression is true; whether it became so. */
#define TEST_UNTIL(loop, expression) ({					\
	uint64_t end_ns_ = hv_now_ns() + TEST_WAIT_NS;			\
	bool ok_ = (expression);					\
	while (!ok_ && hv_now_ns() < end_ns_) {				\
		hv_loop_run_once(loop, TEST_MS);			\
		ok_ = (expression);					\
	}								\
	ok_; })

/* A packet socket with virtio_net_hdr on an interface; it does not see what the host sends there. */
static inline int test_raw_socket(const char *interface)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex(interface) };
	struct packet_mreq promiscuous = { .mr_ifindex = addr.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, bytes = 8 << 20;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(!setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)));
	CU_ASSERT_FATAL(!setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)));
	CU_ASSERT_FATAL(!setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	CU_ASSERT_FATAL(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	CU_ASSERT_FATAL(!setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)));
	return fd;
}

static inline bool test_raw_send(int fd, const struct virtio_net_hdr *vnet, const void *bytes, size_t n)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[2] = { { (void *)(uintptr_t)(vnet ? vnet : &none), sizeof(none) }, { (void *)(uintptr_t)bytes, n } };

	return writev(fd, iov, 2) == (ssize_t)(sizeof(none) + n);
}

struct test_raw_frame {
	struct virtio_net_hdr vnet;
	int tci;			/* of a tag that the kernel took out; -1: none */
	uint16_t tpid;
	ssize_t n;
	uint8_t bytes[65536 + 64];
};

/* The next frame of a type that the kernel does not send by itself; false: there is none. */
static inline bool test_raw_receive(int fd, struct test_raw_frame *f)
{
	uint8_t beside[CMSG_SPACE(sizeof(struct tpacket_auxdata))] __attribute__((aligned(8)));
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	for (;;) {
		struct iovec iov[2] = { { &f->vnet, sizeof(f->vnet) }, { f->bytes, sizeof(f->bytes) } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = beside,
				      .msg_controllen = sizeof(beside) };

		f->n = recvmsg(fd, &msg, 0);
		if (f->n < 0)
			return false;
		f->n -= (ssize_t)sizeof(f->vnet);
		f->tci = -1;
		c = CMSG_FIRSTHDR(&msg);
		if (c) {
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			if (aux.tp_status & TP_STATUS_VLAN_VALID) {
				f->tci = aux.tp_vlan_tci;
				f->tpid = aux.tp_vlan_tpid;
			}
		}
		if (get_be16(f->bytes + 12) != ETH_P_IPV6)	/* router solicitations and their like */
			return true;
	}
}

#endif
