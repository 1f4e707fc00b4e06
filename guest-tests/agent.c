/* SPDX-License-Identifier: MIT */
/* The guest agent's main program and what its parts share; see agent.h. */
#include "guest-tests/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t agent_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t agent_number(const char *text, uint64_t max)
{
	char *end = NULL;
	unsigned long long n;

	errno = 0;
	n = text ? strtoull(text, &end, 10) : 0;
	if (!text || end == text || *end || errno || n > max || *text == '-') {
		fprintf(stderr, "agent: '%s' is no number in 0..%llu\n", text ? text : "(nothing)",
			(unsigned long long)max);
		exit(2);
	}
	return n;
}

static socklen_t bad_address(const char *text)
{
	fprintf(stderr, "agent: '%s' is no numeric address\n", text);
	exit(2);
}

socklen_t agent_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char host[INET6_ADDRSTRLEN + 1];
	const char *zone = strchr(text, '%');
	size_t n = zone ? (size_t)(zone - text) : strlen(text);

	if (n >= sizeof(host))
		return bad_address(text);
	memcpy(host, text, n);
	host[n] = 0;
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return bad_address(text);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	if (zone)
		v6->sin6_scope_id = if_nametoindex(zone + 1);
	if (zone && !v6->sin6_scope_id)
		return bad_address(text);
	return sizeof(*v6);
}

void agent_stream_start(struct agent_stream *s, uint64_t seed)
{
	/* Any non-zero state will do; neighbouring seeds must not start alike (splitmix64). */
	uint64_t z = seed + 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	s->state = (z ^ (z >> 31)) | 1;
}

/* xorshift64: period 2^64 - 1, three shifts for eight bytes. */
void agent_stream_fill(struct agent_stream *s, uint64_t *words, size_t n)
{
	uint64_t x = s->state;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	s->state = x;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} tools[] = {
		{ "ping", agent_ping },
		{ "tcp", agent_tcp },
		{ "tcp-serve", agent_tcp_serve },
		{ "udp-count", agent_udp_count },
		{ "udp-echo", agent_udp_echo },
		{ "udp-send", agent_udp_send },
	};

	if (argc < 2)
		return agent_service();
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(argv[1], tools[i].name))
			return tools[i].run(argc - 1, argv + 1);
	fprintf(stderr, "agent: unknown tool '%s'\n", argv[1]);
	return 2;
}
