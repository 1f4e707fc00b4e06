/* SPDX-License-Identifier: MIT */
/*
 * Echo requests whose answers are compared with what was sent, byte by byte.
 *
 *   agent ping [-c COUNT] [-s SIZE[-LAST[/STEP]]] [-i INTERVAL_MS] [-W WAIT_MS] [-u PORT]
 *              [-D] [-b] [-m] ADDRESS[%INTERFACE]
 *
 * -c counts requests of each size. -u asks a UDP echo service instead of ICMP. -D forbids
 * fragments. -b allows a broadcast address. -m listens for the whole WAIT_MS after each request
 * and tells who answered: for broadcast and multicast.
 *
 *   sent=6 received=5 wrong=0 dup=0 min_us=310 avg_us=402 max_us=640 lost=1473 from=10.0.0.2
 *
 * lost= names the sizes that got no answer (at most 16 of them). Exit status 0: each request had
 * its answer and none was wrong.
 */
#include "guest-tests/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PING_HEADER	8	/* ICMP's echo header; UDP requests carry one of the same size */
#define PING_MAX	65535
#define LOST_MAX	16
#define FROM_MAX	16

struct ping {
	struct sockaddr_storage to;
	socklen_t to_length;
	int fd;
	bool v6, udp, many;
	uint16_t id, seq;
	unsigned wait_ms, interval_ms;
	unsigned sent, received, wrong, dup;
	uint64_t min_us, max_us, sum_us;
	unsigned lost[LOST_MAX], n_lost;
	char from[FROM_MAX][INET6_ADDRSTRLEN];
	unsigned n_from;
	uint8_t request[PING_HEADER + PING_MAX + 8];
	uint8_t answer[PING_MAX + 1];
};

static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (; n > 1; n -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (n)
		sum += (uint32_t)p[0] << 8;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

static void build(struct ping *p, size_t size)
{
	struct agent_stream s;
	uint16_t sum;

	memset(p->request, 0, PING_HEADER);
	p->request[0] = p->udp ? 'P' : p->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	p->request[4] = (uint8_t)(p->id >> 8);
	p->request[5] = (uint8_t)p->id;
	p->request[6] = (uint8_t)(p->seq >> 8);
	p->request[7] = (uint8_t)p->seq;
	agent_stream_start(&s, p->seq + (uint64_t)size * 65537);
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word;

		agent_stream_fill(&s, &word, 1);
		memcpy(p->request + PING_HEADER + at, &word, 8);
	}
	if (p->v6 || p->udp)
		return;	/* the kernel fills in ICMPv6's, which covers addresses */
	sum = checksum(p->request, PING_HEADER + size);
	p->request[2] = (uint8_t)(sum >> 8);
	p->request[3] = (uint8_t)sum;
}

/* The part of what a raw socket gave that starts with the echo header; NULL: not an echo reply. */
static const uint8_t *echo_reply(const struct ping *p, size_t *length)
{
	const uint8_t *a = p->answer;
	size_t skip = 0;

	if (!p->v6 && !p->udp) {
		if (*length < 20 || (size_t)(a[0] & 15) * 4 > *length)
			return NULL;
		skip = (size_t)(a[0] & 15) * 4;
	}
	*length -= skip;
	a += skip;
	if (*length < PING_HEADER)
		return NULL;
	if (a[0] != (p->udp ? 'P' : p->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
		return NULL;
	if (memcmp(a + 4, p->request + 4, 2))
		return NULL;
	return a;
}

static void remember_sender(struct ping *p, const struct sockaddr_storage *from)
{
	char text[INET6_ADDRSTRLEN];
	const void *address = p->v6 ? (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr
				    : (const void *)&((const struct sockaddr_in *)from)->sin_addr;

	inet_ntop(p->v6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	for (unsigned i = 0; i < p->n_from; i++)
		if (!strcmp(p->from[i], text))
			return;
	if (p->n_from < FROM_MAX)
		strcpy(p->from[p->n_from++], text);
}

/* Reads one datagram; true if it is the good answer to the request under way. */
static bool take_answer(struct ping *p, size_t size)
{
	struct sockaddr_storage from = { 0 };
	socklen_t from_length = sizeof(from);
	ssize_t n = recvfrom(p->fd, p->answer, sizeof(p->answer), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_length);
	const uint8_t *a;
	size_t length;

	if (n < 0)
		return false;
	length = (size_t)n;
	a = echo_reply(p, &length);
	if (!a)
		return false;
	if (memcmp(a + 6, p->request + 6, 2)) {
		p->dup++;	/* an answer to an earlier request: late, or twice */
		return false;
	}
	if (length != PING_HEADER + size ||
	    memcmp(a + PING_HEADER, p->request + PING_HEADER, size)) {
		p->wrong++;
		return false;
	}
	remember_sender(p, &from);
	return true;
}

static void account(struct ping *p, uint64_t took_us)
{
	if (!p->received || took_us < p->min_us)
		p->min_us = took_us;
	if (took_us > p->max_us)
		p->max_us = took_us;
	p->sum_us += took_us;
	p->received++;
}

static void one_request(struct ping *p, size_t size)
{
	uint64_t start, end;
	bool answered = false;

	p->seq++;
	build(p, size);
	start = agent_now_us();
	end = start + p->wait_ms * 1000ull;
	p->sent++;
	while (sendto(p->fd, p->request, PING_HEADER + size, 0, (struct sockaddr *)&p->to,
		      p->to_length) < 0 && errno == EINTR)
		;
	for (;;) {
		uint64_t now = agent_now_us();
		struct pollfd f = { .fd = p->fd, .events = POLLIN };

		if (now >= end || (answered && !p->many))
			break;
		if (poll(&f, 1, (int)((end - now) / 1000 + 1)) > 0 && take_answer(p, size)) {
			if (!answered)
				account(p, agent_now_us() - start);
			else
				p->dup += !p->many;
			answered = true;
		}
	}
	if (!answered && p->n_lost < LOST_MAX)
		p->lost[p->n_lost++] = (unsigned)size;
	if (p->interval_ms)
		usleep(p->interval_ms * 1000);
}

static void print(const struct ping *p)
{
	printf("sent=%u received=%u wrong=%u dup=%u min_us=%llu avg_us=%llu max_us=%llu lost=",
	       p->sent, p->received, p->wrong, p->dup, (unsigned long long)p->min_us,
	       (unsigned long long)(p->received ? p->sum_us / p->received : 0),
	       (unsigned long long)p->max_us);
	for (unsigned i = 0; i < p->n_lost; i++)
		printf("%s%u", i ? "," : "", p->lost[i]);
	printf(" from=");
	for (unsigned i = 0; i < p->n_from; i++)
		printf("%s%s", i ? "," : "", p->from[i]);
	printf("\n");
}

static void open_socket(struct ping *p, bool whole, bool broadcast)
{
	int one = 1, always = IP_PMTUDISC_DO, never = IP_PMTUDISC_DONT, megabyte = 1 << 20;
	int family = p->v6 ? AF_INET6 : AF_INET;

	p->fd = p->udp ? socket(family, SOCK_DGRAM, 0)
		       : socket(family, SOCK_RAW, p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (p->fd < 0) {
		perror("agent: ping: socket");
		exit(2);
	}
	if (p->v6)
		setsockopt(p->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, whole ? &always : &never,
			   sizeof(int));
	else
		setsockopt(p->fd, IPPROTO_IP, IP_MTU_DISCOVER, whole ? &always : &never,
			   sizeof(int));
	if (broadcast)
		setsockopt(p->fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &megabyte, sizeof(int));
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &megabyte, sizeof(int));
}

/* FIRST[-LAST[/STEP]] */
static void parse_sizes(char *text, unsigned *first, unsigned *last, unsigned *step)
{
	char *dash = strchr(text, '-'), *slash = strchr(text, '/');

	*step = 1;
	if (slash) {
		*slash = 0;
		*step = (unsigned)agent_number(slash + 1, PING_MAX);
	}
	if (dash)
		*dash = 0;
	*first = (unsigned)agent_number(text, PING_MAX - PING_HEADER);
	*last = dash ? (unsigned)agent_number(dash + 1, PING_MAX - PING_HEADER) : *first;
	if (!*step)
		*step = 1;
}

int agent_ping(int argc, char **argv)
{
	static struct ping p = { .wait_ms = 2000 };
	unsigned count = 1, first = 56, last = 56, step = 1, port = 0;
	bool whole = false, broadcast = false;
	int c;

	while ((c = getopt(argc, argv, "c:s:i:W:u:Dbm")) >= 0)
		switch (c) {
		case 'c': count = (unsigned)agent_number(optarg, 1000000); break;
		case 's': parse_sizes(optarg, &first, &last, &step); break;
		case 'i': p.interval_ms = (unsigned)agent_number(optarg, 60000); break;
		case 'W': p.wait_ms = (unsigned)agent_number(optarg, 600000); break;
		case 'u': port = (unsigned)agent_number(optarg, 65535); break;
		case 'D': whole = true; break;
		case 'b': broadcast = true; break;
		case 'm': p.many = true; break;
		default: return 2;
		}
	if (optind + 1 != argc) {
		fprintf(stderr, "agent: ping: one address, please\n");
		return 2;
	}
	p.to_length = agent_address(argv[optind], (uint16_t)port, &p.to);
	p.v6 = p.to.ss_family == AF_INET6;
	p.udp = port != 0;
	p.id = (uint16_t)getpid();
	open_socket(&p, whole, broadcast);
	for (unsigned size = first; size <= last; size += step)
		for (unsigned i = 0; i < count; i++)
			one_request(&p, size);
	print(&p);
	return p.received == p.sent && !p.wrong ? 0 : 1;
}
