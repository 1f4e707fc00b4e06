/* SPDX-License-Identifier: MIT */
#include "nat/test_guest.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void exec_nat(int fd, char *const *more)
{
	char self[PATH_MAX], path[PATH_MAX + 32], number[12];
	char *argv[16] = { path, (char *)(uintptr_t)"--fd", number };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int argc = 3;

	if (n < 0)
		_exit(126);
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/../bin/hvnet-nat", dirname(self));
	snprintf(number, sizeof(number), "%d", fd);
	while (more && *more && argc < 15)
		argv[argc++] = *more++;
	execv(path, argv);
	_exit(127);
}

void guest_start(struct guest *g, char *const *more)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	int fd[2];

	memset(g, 0, offsetof(struct guest, frame));
	g->bytes = g->in_bytes = 0;
	memcpy(g->mac, mac, 6);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		abort();
	g->pid = fork();
	if (g->pid < 0)
		abort();
	if (!g->pid) {
		close(fd[0]);
		exec_nat(fd[1], more);
	}
	close(fd[1]);
	g->fd = fd[0];
}

int guest_wait(struct guest *g)
{
	long end = now_ms() + PATIENCE_MS;
	int status;

	while (waitpid(g->pid, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			kill(g->pid, SIGKILL);
			waitpid(g->pid, &status, 0);
			return -1;
		}
		usleep(2000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int guest_end(struct guest *g)
{
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
	return guest_wait(g);
}

void guest_send_raw(struct guest *g, const void *p, size_t n)
{
	const uint8_t *b = p;
	ssize_t sent;

	while (n) {
		sent = send(g->fd, b, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		b += sent;
		n -= (size_t)sent;
	}
}

void guest_send(struct guest *g, const uint8_t *frame, size_t n)
{
	uint8_t prefix[4];

	be32_put(prefix, (uint32_t)n);
	guest_send_raw(g, prefix, 4);
	guest_send_raw(g, frame, n);
}

static bool next_frame(struct guest *g)
{
	size_t n;

	if (g->in_bytes < 4)
		return false;
	n = be32_at(g->in);
	if (n > GUEST_FRAME_BYTES)
		abort();
	if (g->in_bytes - 4 < n)
		return false;
	memcpy(g->frame, g->in + 4, n);
	memset(g->frame + n, 0, GUEST_FRAME_BYTES - n);
	g->bytes = n;
	g->in_bytes -= 4 + n;
	memmove(g->in, g->in + 4 + n, g->in_bytes);
	return true;
}

bool guest_expect(struct guest *g, bool (*match)(const struct guest *g, const void *cookie),
		  const void *cookie)
{
	long end = now_ms() + PATIENCE_MS, left;
	struct pollfd p = { .fd = g->fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		while (next_frame(g))
			if (match(g, cookie))
				return true;
		left = end - now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		n = recv(g->fd, g->in + g->in_bytes, sizeof(g->in) - g->in_bytes, 0);
		if (n <= 0)
			return false;
		g->in_bytes += (size_t)n;
	}
}

uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t be32_at(const uint8_t *p)
{
	return (uint32_t)be16_at(p) << 16 | be16_at(p + 2);
}

void be16_put(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void be32_put(uint8_t *p, uint32_t v)
{
	be16_put(p, v >> 16);
	be16_put(p + 2, v & 0xffff);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += be16_at(p);
	return n ? sum + (uint32_t)(p[0] << 8) : sum;
}

static unsigned fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

size_t build_ether(uint8_t *f, const uint8_t to[6], const uint8_t from[6], unsigned type)
{
	memcpy(f, to, 6);
	memcpy(f + 6, from, 6);
	be16_put(f + 12, type);
	return 14;
}

size_t build_arp_request(uint8_t *f, const struct guest *g, uint32_t own, uint32_t asked)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(f, 0, 60);
	build_ether(f, all, g->mac, 0x0806);
	memcpy(f + 14, head, 8);
	memcpy(f + 22, g->mac, 6);
	be32_put(f + 28, own);
	be32_put(f + 38, asked);
	return 60;
}

size_t build_ipv4(uint8_t *f, const struct guest *g, const uint8_t to[6], uint32_t from, uint32_t dst,
		  unsigned protocol, size_t payload)
{
	uint8_t *ip = f + 14;

	build_ether(f, to, g->mac, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	be16_put(ip + 2, (unsigned)(20 + payload));
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	be32_put(ip + 12, from);
	be32_put(ip + 16, dst);
	be16_put(ip + 10, fold(sum16(0, ip, 20)));
	return 34 + payload;
}

size_t build_ipv6(uint8_t *f, const struct guest *g, const uint8_t to[6], const uint8_t from[16],
		  const uint8_t dst[16], unsigned next, size_t payload)
{
	uint8_t *ip = f + 14;

	build_ether(f, to, g->mac, 0x86dd);
	memset(ip, 0, 40);
	ip[0] = 0x60;
	be16_put(ip + 4, (unsigned)payload);
	ip[6] = (uint8_t)next;
	ip[7] = 255;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, dst, 16);
	return 54 + payload;
}

void finish_checksum(uint8_t *f, size_t bytes, size_t field, bool with_pseudo)
{
	bool v4 = be16_at(f + 12) == 0x0800;
	size_t start = v4 ? 34 : 54, n = bytes - start;
	uint32_t sum = 0;

	if (with_pseudo) {
		sum = v4 ? sum16(0, f + 26, 8) : sum16(0, f + 22, 32);
		sum += (uint32_t)n + (v4 ? f[23] : f[20]);
	}
	be16_put(f + start + field, 0);
	be16_put(f + start + field, fold(sum16(sum, f + start, n)));
}
