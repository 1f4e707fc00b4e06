/* SPDX-License-Identifier: MIT */
/*
 * TCP transfers that prove every byte: both ends compute the stream of a seed.
 *
 *   agent tcp-serve PORT [ADDRESS]	serves for ever, each connection in a process of its own; the
 *					default is any address, IPv4 and IPv6
 *   agent tcp [-n CONNECTIONS] [-r] [-t SECONDS] ADDRESS PORT BYTES [SEED]
 *
 * A connection starts with a header of the client: which way, how many bytes, which seed. The
 * receiver compares, the client learns the verdict of either end, and prints one line for all its
 * connections, which run at the same time, each with a seed of its own:
 *
 *   ok connections=4 bytes=67108864 ms=5120 sum=5f0c...
 *   failed connections=4 bytes=... first wrong byte at 4096 (or what else was wrong)
 *
 * sum= is a checksum over what arrived; the two directions of one seed have the same.
 * -r: the server sends. -t: a time limit for all of it (60 s).
 */
#include "guest-tests/agent.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK_WORDS	8192
#define MAGIC		0x31706374766e7668u	/* "hvnvtcp1" */
#define CONNECTIONS_MAX	64
#define GOOD		UINT64_MAX		/* where is the first wrong byte: nowhere */

struct header {
	uint64_t magic, bytes, seed, server_sends;
};

struct verdict {
	uint64_t wrong_at;	/* GOOD, or the first byte that differs or is missing */
	uint64_t sum;
};

static bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* Reads up to n bytes, less only at the stream's end. */
static size_t read_all(int fd, void *data, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t done = read(fd, (char *)data + have, n - have);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			break;
		have += (size_t)done;
	}
	return have;
}

static bool stream_send(int fd, uint64_t bytes, uint64_t seed)
{
	static uint64_t words[CHUNK_WORDS];
	struct agent_stream s;

	agent_stream_start(&s, seed);
	while (bytes) {
		size_t n = bytes < sizeof(words) ? (size_t)bytes : sizeof(words);

		agent_stream_fill(&s, words, CHUNK_WORDS);
		if (!write_all(fd, words, n))
			return false;
		bytes -= n;
	}
	return true;
}

static uint64_t first_difference(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (i < n && x[i] == y[i])
		i++;
	return i;
}

static struct verdict stream_receive(int fd, uint64_t bytes, uint64_t seed)
{
	static uint64_t want[CHUNK_WORDS], got[CHUNK_WORDS];
	struct verdict v = { .wrong_at = GOOD };
	struct agent_stream s;
	uint64_t at = 0;

	agent_stream_start(&s, seed);
	while (at < bytes) {
		size_t n = bytes - at < sizeof(got) ? (size_t)(bytes - at) : sizeof(got);
		size_t have;

		memset(got, 0, sizeof(got));
		have = read_all(fd, got, n);
		agent_stream_fill(&s, want, CHUNK_WORDS);
		if (have < n || memcmp(want, got, n)) {
			v.wrong_at = at + first_difference(want, got, have);
			return v;
		}
		for (size_t i = 0; i < CHUNK_WORDS; i++)
			v.sum = v.sum * 0x100000001b3u + got[i];
		at += n;
	}
	return v;
}

static int serve_one(int fd)
{
	struct header h;
	struct verdict v;
	char end;

	if (read_all(fd, &h, sizeof(h)) != sizeof(h) || h.magic != MAGIC)
		return 1;
	if (h.server_sends) {
		if (!stream_send(fd, h.bytes, h.seed))
			return 1;
		shutdown(fd, SHUT_WR);
		return read_all(fd, &end, 1) != 0;
	}
	v = stream_receive(fd, h.bytes, h.seed);
	if (v.wrong_at == GOOD && read_all(fd, &end, 1) != 0)
		v.wrong_at = h.bytes;	/* more came than was announced */
	return !write_all(fd, &v, sizeof(v));
}

int agent_tcp_serve(int argc, char **argv)
{
	uint16_t port = (uint16_t)agent_number(argc > 1 ? argv[1] : NULL, 65535);
	struct sockaddr_storage at;
	socklen_t length = agent_address(argc > 2 ? argv[2] : "::", port, &at);
	int one = 1, listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener >= 0)
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, length) || listen(listener, 128)) {
		perror("agent: tcp-serve");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);	/* children are reaped by the kernel */
	puts("serving");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (fork() == 0) {
			alarm(600);
			_exit(serve_one(fd));
		}
		close(fd);
	}
}

struct transfer {
	struct sockaddr_storage to;
	socklen_t to_length;
	uint64_t bytes, seed;
	bool server_sends;
};

/* One connection of the client; what says why it failed where the verdict cannot. */
static struct verdict transfer_run(const struct transfer *t, uint64_t seed, const char **what)
{
	struct header h = { MAGIC, t->bytes, seed, t->server_sends };
	struct verdict v = { 0 };
	int fd = socket(t->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*what = "could not connect";
	if (fd < 0 || connect(fd, (const struct sockaddr *)&t->to, t->to_length))
		return v;
	*what = "could not send";
	if (!write_all(fd, &h, sizeof(h)))
		return v;
	if (t->server_sends) {
		*what = NULL;
		v = stream_receive(fd, t->bytes, seed);
		return v;
	}
	if (!stream_send(fd, t->bytes, seed))
		return v;
	shutdown(fd, SHUT_WR);
	*what = "no verdict from the receiver";
	if (read_all(fd, &v, sizeof(v)) == sizeof(v))
		*what = NULL;
	return v;
}

static int transfer_child(const struct transfer *t, unsigned i, struct verdict *out)
{
	const char *what;

	*out = transfer_run(t, t->seed + i, &what);
	if (!what && out->wrong_at == GOOD)
		return 0;
	if (what)
		printf("connection %u: %s: %s\n", i, what, strerror(errno));
	else
		printf("connection %u: first wrong or missing byte at %llu of %llu\n", i,
		       (unsigned long long)out->wrong_at, (unsigned long long)t->bytes);
	fflush(stdout);
	return 1;
}

static int transfer_all(const struct transfer *t, unsigned connections, unsigned seconds)
{
	struct verdict *v = mmap(NULL, sizeof(*v) * CONNECTIONS_MAX, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start = agent_now_us(), sum = 0;
	unsigned bad = 0, late = 0;
	int status;

	if (v == MAP_FAILED)
		return 2;
	for (unsigned i = 0; i < connections; i++)
		if (fork() == 0) {
			alarm(seconds);
			_exit(transfer_child(t, i, &v[i]));
		}
	while (wait(&status) > 0) {
		bad += !WIFEXITED(status) || WEXITSTATUS(status);
		late += WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
	}
	for (unsigned i = 0; i < connections; i++)
		sum += v[i].sum;
	if (late)
		printf("%u connections did not end within %u s\n", late, seconds);
	printf("%s connections=%u bytes=%llu ms=%llu sum=%016llx\n", bad ? "failed" : "ok",
	       connections, (unsigned long long)t->bytes * connections,
	       (unsigned long long)(agent_now_us() - start) / 1000, (unsigned long long)sum);
	return bad != 0;
}

int agent_tcp(int argc, char **argv)
{
	unsigned connections = 1, seconds = 60;
	struct transfer t = { .seed = 1 };
	int c;

	while ((c = getopt(argc, argv, "n:rt:")) >= 0)
		switch (c) {
		case 'n': connections = (unsigned)agent_number(optarg, CONNECTIONS_MAX); break;
		case 'r': t.server_sends = true; break;
		case 't': seconds = (unsigned)agent_number(optarg, 3600); break;
		default: return 2;
		}
	if (argc - optind < 3) {
		fprintf(stderr, "agent: tcp: ADDRESS PORT BYTES [SEED]\n");
		return 2;
	}
	t.to_length = agent_address(argv[optind], (uint16_t)agent_number(argv[optind + 1], 65535),
				    &t.to);
	t.bytes = agent_number(argv[optind + 2], 1ull << 40);
	if (argc - optind > 3)
		t.seed = agent_number(argv[optind + 3], UINT64_MAX - CONNECTIONS_MAX);
	return transfer_all(&t, connections, seconds);
}
