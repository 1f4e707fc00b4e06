/* SPDX-License-Identifier: MIT */
/* The program itself at one end of a socket pair, the test as the only guest behind the switch at the other. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/test.h"
#include "nat/nat.h"

#define PATIENCE_NS 5000000000ull

extern char **environ;

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static uint8_t gateway_mac[6];
static int fd = -1;
static pid_t pid;
static struct nat_stream s;
static uint8_t got[NAT_FRAME_MAX_BYTES];
static size_t got_bytes;
static bool (*wanted)(const uint8_t *frame, size_t bytes);

/* The program lies in ../bin from the test's own folder. */
static void program_path(char path[PATH_MAX + 32])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	if (n <= 0)
		abort();
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	strcat(path, "/../bin/hvnet-nat");
}

static void begin(void)
{
	char path[PATH_MAX + 32];
	char *argv[] = { path, (char *)"--fd", (char *)"5", NULL };
	posix_spawn_file_actions_t actions;
	int pair[2];

	program_path(path);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || nat_stream_init(&s, pair[0]))
		abort();
	fd = pair[0];
	posix_spawn_file_actions_init(&actions);
	if (posix_spawn_file_actions_adddup2(&actions, pair[1], 5))
		abort();
	CU_ASSERT_FATAL(posix_spawn(&pid, path, &actions, NULL, argv, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
}

/* Closing the stream ends the program; its exit status. */
static int end(void)
{
	int status = -1;

	close(fd);
	nat_stream_free(&s);
	for (uint64_t until = hv_now_ns() + PATIENCE_NS; hv_now_ns() < until; usleep(1000))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void send_frame(const void *frame, size_t bytes)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	CU_ASSERT_FATAL(nat_stream_put(&s, frame, bytes));
	do {
		CU_ASSERT_FATAL(poll(&p, 1, 5000) == 1 && !nat_stream_flush(&s));
	} while (nat_stream_queued(&s));
}

static void look(void *cookie, const uint8_t *frame, size_t bytes)
{
	bool *found = cookie;

	if (*found || !wanted(frame, bytes))
		return;
	*found = true;
	memcpy(got, frame, bytes);
	got_bytes = bytes;
}

/* Waits for a frame that is_it() likes. */
static bool receive(bool (*is_it)(const uint8_t *frame, size_t bytes))
{
	bool found = false;

	wanted = is_it;
	for (uint64_t until = hv_now_ns() + PATIENCE_NS; !found && hv_now_ns() < until;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 100) > 0 && nat_stream_read(&s, look, &found))
			return false;
	}
	return found;
}

static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | (i + 1 < n ? p[i + 1] : 0));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool is_arp_reply(const uint8_t *f, size_t n)
{
	return n >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 && !memcmp(f + 28, "\x0a\0\2\2", 4);
}

static void resolve_gateway(void)
{
	uint8_t f[42] = "\xff\xff\xff\xff\xff\xff";

	memcpy(f + 6, our_mac, 6);
	memcpy(f + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
	memcpy(f + 22, our_mac, 6);
	memcpy(f + 28, "\x0a\0\2\x0f", 4);
	memcpy(f + 38, "\x0a\0\2\2", 4);
	send_frame(f, sizeof(f));
	CU_ASSERT_FATAL(receive(is_arp_reply));
	memcpy(gateway_mac, got + 22, 6);
}

/* Ethernet and IPv4 headers in front of bytes of payload that lie at f + 34. */
static size_t ipv4_frame(uint8_t *f, uint8_t protocol, const char to[4], size_t bytes)
{
	const bool everyone = !memcmp(to, "\xff\xff\xff\xff", 4);

	memcpy(f, everyone ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : gateway_mac, 6);
	memcpy(f + 6, our_mac, 6);
	memset(f + 14, 0, 20);
	put16(f + 12, 0x0800);
	f[14] = 0x45;
	put16(f + 16, (uint16_t)(20 + bytes));
	f[22] = 64;
	f[23] = protocol;
	if (!everyone)
		memcpy(f + 26, "\x0a\0\2\x0f", 4);
	memcpy(f + 30, to, 4);
	put16(f + 24, checksum(f + 14, 20));
	return 34 + bytes;
}

static bool is_echo_reply(const uint8_t *f, size_t n)
{
	return n >= 42 && f[12] == 8 && !f[13] && f[23] == 1 && f[34] == 0;
}

static void test_gateway_answers(void)
{
	static const size_t sizes[] = { 0, 1, 56, 1472 };
	uint8_t f[1514];

	begin();
	resolve_gateway();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(f, 0, sizeof(f));
		f[34] = 8;
		put16(f + 38, 77);
		put16(f + 40, (uint16_t)i);
		memset(f + 42, 'a', sizes[i]);
		put16(f + 36, checksum(f + 34, 8 + sizes[i]));
		send_frame(f, ipv4_frame(f, 1, "\x0a\0\2\2", 8 + sizes[i]));
		CU_ASSERT_FATAL(receive(is_echo_reply));
		CU_ASSERT(got_bytes >= 42 + sizes[i] && !memcmp(got + 38, f + 38, 4 + sizes[i]));
	}
	CU_ASSERT(end() == 0);
}

/* What the switch floods is another guest's business. */
static void test_not_for_us(void)
{
	uint8_t f[42] = { 0 };

	begin();
	resolve_gateway();
	f[34] = 8;
	put16(f + 36, checksum(f + 34, 8));
	ipv4_frame(f, 1, "\x0a\0\2\2", 8);
	memcpy(f, "\2\0\0\0\0\2", 6);
	send_frame(f, sizeof(f));
	/* the next answer is the one to the next question */
	f[40] = 1;
	put16(f + 36, 0);
	put16(f + 36, checksum(f + 34, 8));
	memcpy(f, gateway_mac, 6);
	send_frame(f, sizeof(f));
	CU_ASSERT_FATAL(receive(is_echo_reply));
	CU_ASSERT(got[40] == 1);
	CU_ASSERT(end() == 0);
}

static bool is_dhcp(const uint8_t *f, size_t n)
{
	return n >= 34 + 8 + 240 && f[23] == 17 && f[35] == 67 && f[37] == 68;
}

static void test_dhcp(void)
{
	uint8_t f[34 + 8 + 300] = { 0 };
	uint8_t *dhcp = f + 42;

	begin();
	memcpy(dhcp, "\1\1\6\0hvnt", 8);
	memcpy(dhcp + 28, our_mac, 6);
	memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\1\1\xff", 8);	/* DHCPDISCOVER */
	put16(f + 34, 68);
	put16(f + 36, 67);
	put16(f + 38, 308);
	send_frame(f, ipv4_frame(f, 17, "\xff\xff\xff\xff", 308));
	CU_ASSERT_FATAL(receive(is_dhcp));
	CU_ASSERT(!memcmp(got + 42 + 4, "hvnt", 4));
	CU_ASSERT(!memcmp(got + 42 + 16, "\x0a\0\2\x0f", 4));	/* the first address to give away */
	CU_ASSERT(end() == 0);
}

static bool is_syn_ack(const uint8_t *f, size_t n)
{
	return n >= 54 && f[23] == 6 && f[47] == 0x12;
}

/* The gateway's address leads to the host's own loopback. */
static void test_host_side(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
	uint8_t f[54] = { 0 }, pseudo[32] = { 0 };
	socklen_t bytes = sizeof(addr);
	struct pollfd p = { .fd = listener, .events = POLLIN };

	CU_ASSERT_FATAL(!bind(listener, (void *)&addr, bytes) && !listen(listener, 1) &&
			!getsockname(listener, (void *)&addr, &bytes));
	begin();
	resolve_gateway();
	put16(f + 34, 4000);
	memcpy(f + 36, &addr.sin_port, 2);
	f[46] = 0x50;
	f[47] = 2;	/* SYN */
	put16(f + 48, 8192);
	memcpy(pseudo, "\x0a\0\2\x0f\x0a\0\2\2\0\6\0\x14", 12);
	memcpy(pseudo + 12, f + 34, 20);
	put16(f + 50, checksum(pseudo, 32));
	send_frame(f, ipv4_frame(f, 6, "\x0a\0\2\2", 20));
	CU_ASSERT(receive(is_syn_ack));
	CU_ASSERT_FATAL(poll(&p, 1, 5000) == 1);
	accepted = accept(listener, NULL, NULL);
	CU_ASSERT(accepted >= 0);
	close(accepted);
	close(listener);
	CU_ASSERT(end() == 0);
}

/* Whatever a guest sends: the process stays, or ends; it does not take its parent's word for a crash. */
static void test_garbage(void)
{
	static uint8_t f[2000];
	uint32_t seed = 1;

	begin();
	resolve_gateway();
	for (unsigned i = 0; i < 3000; i++) {
		size_t n = 14 + i % 1500;

		for (size_t k = 0; k < n; k++) {
			seed = seed * 1664525 + 1013904223;
			f[k] = (uint8_t)(seed >> 24);
		}
		memcpy(f, gateway_mac, 6);
		put16(f + 12, i % 3 == 0 ? 0x0800 : i % 3 == 1 ? 0x86dd : 0x0806);
		f[14] = i % 3 == 0 ? 0x45 : 0x60;
		send_frame(f, n);
	}
	resolve_gateway();
	CU_ASSERT(end() == 0);
}

static void test_broken_framing(void)
{
	int status = -1;

	begin();
	CU_ASSERT(send(fd, "\xff\xff\xff\xff", 4, 0) == 4);
	for (uint64_t until = hv_now_ns() + PATIENCE_NS; hv_now_ns() < until; usleep(1000))
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(fd);
	nat_stream_free(&s);
}

static const struct hv_test tests[] = {
	{ "answers pings of the gateway, of every size", test_gateway_answers },
	{ "leaves frames for others alone", test_not_for_us },
	{ "gives addresses by DHCP", test_dhcp },
	{ "leads the gateway's address to the host's loopback", test_host_side },
	{ "survives garbage", test_garbage },
	{ "ends when the framing breaks", test_broken_framing },
};
HV_TEST_MAIN("nat/nat", tests)
