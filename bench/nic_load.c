/* SPDX-License-Identifier: MIT */
/*
 * The load of the NIC benchmark, one static program for both ends: it moves bytes and looks at none, so that what is
 * measured is the NIC and not the program. (The guest agent's transfers prove every byte, which costs a TCG guest more than
 * the network does.)
 *
 *   nic_load serve PORT			for ever; each connection in a process of its own
 *   nic_load out|in ADDRESS PORT MS		TCP for so long, sent or received	bytes=N us=N
 *   nic_load ping ADDRESS COUNT GAP_US		ICMP echo, 56 bytes			received=N min_ns=N median_ns=N p90_ns=N
 *
 * A connection begins with a header of the client. Outward, the server says at the end how much has arrived, and that is
 * what counts, over the time up to its answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK_BYTES = 128 * 1024,	/* as iperf3 */
	PINGS_MAX = 100000,
	PING_BYTES = 64,		/* with the ICMP header, as ping(8) */
	PING_WAIT_MS = 1000,
};

struct header {
	uint64_t ms;			/* 0: the client sends */
};

static char chunk[CHUNK_BYTES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "nic_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- TCP ---- */

static void send_for(int fd, uint64_t ms)
{
	const uint64_t end = now_ns() + ms * 1000000;

	while (now_ns() < end)
		if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) <= 0)
			return;
}

static uint64_t receive_all(int fd)
{
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		bytes += (uint64_t)n;
	return bytes;
}

static void serve_one(int fd)
{
	struct header h;
	uint64_t bytes;

	if (recv(fd, &h, sizeof(h), MSG_WAITALL) != sizeof(h))
		return;
	if (h.ms) {
		send_for(fd, h.ms);
		return;
	}
	bytes = receive_all(fd);
	if (send(fd, &bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return;
}

static int serve(uint16_t port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 16))
		die("serve");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			serve_one(c);
			_exit(0);
		}
		close(c);
	}
}

static int transfer(const char *address, uint16_t port, uint64_t ms, bool out)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	const struct header h = { out ? 0 : ms };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t bytes = 0, begin;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	begin = now_ns();
	if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		die("send");
	if (out) {
		send_for(fd, ms);
		shutdown(fd, SHUT_WR);
		if (recv(fd, &bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
			die("no answer");
	} else {
		bytes = receive_all(fd);
	}
	printf("bytes=%" PRIu64 " us=%" PRIu64 "\n", bytes, (now_ns() - begin) / 1000);
	return 0;
}

/* ---- ICMP ---- */

static uint16_t checksum(const uint8_t *p, unsigned n)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Whether the answer to that request comes in time. */
static bool answered(int fd, uint16_t id, uint16_t sequence)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t packet[256];

	while (poll(&p, 1, PING_WAIT_MS) == 1) {
		const ssize_t n = recv(fd, packet, sizeof(packet), 0);
		const unsigned ip = (packet[0] & 15u) * 4;
		struct icmphdr h;

		if (n < (ssize_t)(ip + sizeof(h)))
			continue;
		memcpy(&h, packet + ip, sizeof(h));
		if (h.type == ICMP_ECHOREPLY && h.un.echo.id == id && h.un.echo.sequence == sequence)
			return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int ping(const char *address, unsigned count, unsigned gap_us)
{
	static uint64_t ns[PINGS_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET };
	const uint16_t id = (uint16_t)getpid();
	const struct timespec gap = { gap_us / 1000000, gap_us % 1000000 * 1000L };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	unsigned received = 0;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	for (unsigned i = 0; i < count && i < PINGS_MAX; i++) {
		uint8_t packet[PING_BYTES] = { 0 };
		struct icmphdr h = { .type = ICMP_ECHO, .un.echo = { .id = id, .sequence = (uint16_t)i } };
		uint64_t begin;

		memcpy(packet, &h, sizeof(h));
		h.checksum = checksum(packet, sizeof(packet));
		memcpy(packet, &h, sizeof(h));
		nanosleep(&gap, NULL);
		begin = now_ns();
		if (send(fd, packet, sizeof(packet), 0) == sizeof(packet) && answered(fd, id, (uint16_t)i))
			ns[received++] = now_ns() - begin;
	}
	qsort(ns, received, sizeof(ns[0]), compare);
	printf("sent=%u received=%u min_ns=%" PRIu64 " median_ns=%" PRIu64 " p90_ns=%" PRIu64 "\n", count, received, ns[0],
	       ns[received / 2], ns[received * 9 / 10]);
	return received ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const unsigned a = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	const unsigned b = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;

	if (argc == 3 && !strcmp(verb, "serve"))
		return serve((uint16_t)strtoul(argv[2], NULL, 10));
	if (argc == 5 && (!strcmp(verb, "out") || !strcmp(verb, "in")))
		return transfer(argv[2], (uint16_t)a, b, !strcmp(verb, "out"));
	if (argc == 5 && !strcmp(verb, "ping"))
		return ping(argv[2], a, b);
	fputs("usage: nic_load serve PORT | out|in ADDRESS PORT MS | ping ADDRESS COUNT GAP_US\n", stderr);
	return 2;
}
