/* SPDX-License-Identifier: MIT */
/*
 * UDP: an echo service for `agent ping -u`, and one-way datagrams for broadcast and multicast.
 *
 *   agent udp-echo PORT [ADDRESS]		the default is any, IPv4 and IPv6
 *   agent udp-count PORT SECONDS [GROUP%INTERFACE]	counts good datagrams for so long
 *   agent udp-send ADDRESS[%INTERFACE] PORT SIZE COUNT [INTERVAL_US]
 *
 * udp-count prints "listening" once it does, then "received=N wrong=N senders=N".
 */
#include "guest-tests/agent.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATAGRAM_MAX	65536
#define SENDERS_MAX	16

static uint8_t datagram[DATAGRAM_MAX];

static int bound_socket(const char *address, const char *port)
{
	struct sockaddr_storage at;
	socklen_t length = agent_address(address, (uint16_t)agent_number(port, 65535), &at);
	int megabyte = 1 << 20, one = 1, fd = socket(at.ss_family, SOCK_DGRAM, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &megabyte, sizeof(int));
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, length)) {
		perror("agent: udp: bind");
		exit(2);
	}
	return fd;
}

int agent_udp_echo(int argc, char **argv)
{
	int fd = bound_socket(argc > 2 ? argv[2] : "::", argc > 1 ? argv[1] : NULL);

	puts("serving");
	fflush(stdout);
	for (;;) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from,
				     &length);

		if (n >= 0)
			sendto(fd, datagram, (size_t)n, 0, (struct sockaddr *)&from, length);
	}
}

/* The contents of udp-send's datagram: its size says what it must be. */
static void fill(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(size + i * 7);
}

static void join(int fd, char *group)
{
	struct sockaddr_storage a;
	char *zone = strchr(group, '%');
	struct ip_mreqn v4 = { 0 };
	struct ipv6_mreq v6;
	int ret;

	agent_address(group, 0, &a);
	if (a.ss_family == AF_INET6) {
		v6.ipv6mr_multiaddr = ((struct sockaddr_in6 *)&a)->sin6_addr;
		v6.ipv6mr_interface = ((struct sockaddr_in6 *)&a)->sin6_scope_id;
		ret = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &v6, sizeof(v6));
	} else {
		v4.imr_multiaddr = ((struct sockaddr_in *)&a)->sin_addr;
		v4.imr_ifindex = zone ? (int)if_nametoindex(zone + 1) : 0;
		ret = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &v4, sizeof(v4));
	}
	if (ret) {
		perror("agent: udp-count: join");
		exit(2);
	}
}

struct count {
	unsigned received, wrong, n_senders;
	struct in6_addr senders[SENDERS_MAX];
};

static void count_one(struct count *c, int fd)
{
	static uint8_t want[DATAGRAM_MAX];
	struct sockaddr_in6 from;
	socklen_t length = sizeof(from);
	ssize_t n = recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &length);

	if (n < 0)
		return;
	fill(want, (size_t)n);
	if (memcmp(want, datagram, (size_t)n))
		c->wrong++;
	else
		c->received++;
	for (unsigned i = 0; i < c->n_senders; i++)
		if (!memcmp(&c->senders[i], &from.sin6_addr, sizeof(from.sin6_addr)))
			return;
	if (c->n_senders < SENDERS_MAX)
		c->senders[c->n_senders++] = from.sin6_addr;
}

int agent_udp_count(int argc, char **argv)
{
	struct count c = { 0 };
	uint64_t end;
	int fd;

	if (argc < 3)
		return 2;
	fd = bound_socket("::", argv[1]);
	if (argc > 3)
		join(fd, argv[3]);
	puts("listening");
	fflush(stdout);
	end = agent_now_us() + agent_number(argv[2], 3600) * 1000000;
	for (uint64_t now; (now = agent_now_us()) < end;)
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1,
			 (int)((end - now) / 1000 + 1)) > 0)
			count_one(&c, fd);
	printf("received=%u wrong=%u senders=%u\n", c.received, c.wrong, c.n_senders);
	return 0;
}

int agent_udp_send(int argc, char **argv)
{
	struct sockaddr_storage to;
	unsigned count, interval_us, failed = 0;
	socklen_t length;
	size_t size;
	int one = 1, fd;

	if (argc < 5)
		return 2;
	length = agent_address(argv[1], (uint16_t)agent_number(argv[2], 65535), &to);
	size = (size_t)agent_number(argv[3], 65507);
	count = (unsigned)agent_number(argv[4], 100000000);
	interval_us = argc > 5 ? (unsigned)agent_number(argv[5], 1000000) : 0;
	fd = socket(to.ss_family, SOCK_DGRAM, 0);
	if (fd < 0) {
		perror("agent: udp-send: socket");
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	fill(datagram, size);
	for (unsigned i = 0; i < count; i++) {
		failed += sendto(fd, datagram, size, 0, (struct sockaddr *)&to, length) < 0;
		if (interval_us)
			usleep(interval_us);
	}
	printf("sent=%u failed=%u\n", count - failed, failed);
	return failed == count && count > 0;
}
