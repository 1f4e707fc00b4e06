/* SPDX-License-Identifier: MIT */
/*
 * The program hvnet-nat from end to end: this test is the guest, and the host with its listeners on
 * the loopback of a network namespace of its own (where it may make one).
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "nat/nat.h"
#include "nat/test_guest.h"

#include <string.h>

#define NET 0x0a000200u
#define GATEWAY (NET + 2)
#define OWN (NET + 15)

static const uint8_t to_all[6] = { 255, 255, 255, 255, 255, 255 };
static const uint8_t own6[16] = { 0xfd, 0, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34, 0x56 };
static const uint8_t own_local[16] = { 0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34, 0x56 };
static const uint8_t host_of_net6[16] = { 0xfd, 0, [15] = 2 };
static const uint8_t gateway6[16] = { 0xfe, 0x80, [15] = 2 };
static struct guest guest;
static uint8_t gateway_mac[6];

static bool is_type(const struct guest *g, unsigned type)
{
	return g->bytes >= 14 && be16_at(g->frame + 12) == type;
}

static bool is_ipv4(const struct guest *g, unsigned protocol)
{
	return is_type(g, 0x0800) && g->frame[23] == protocol;
}

static bool is_ipv6(const struct guest *g, unsigned next)
{
	return is_type(g, 0x86dd) && g->frame[20] == next;
}

/* ---- IPv4 ---- */

static bool arp_reply(const struct guest *g, const void *cookie)
{
	return is_type(g, 0x0806) && g->frame[21] == 2 &&
	       be32_at(g->frame + 28) == *(const uint32_t *)cookie;
}

static bool find_gateway(void)
{
	uint32_t asked = GATEWAY;
	uint8_t f[64];

	guest_send(&guest, f, build_arp_request(f, &guest, OWN, GATEWAY));
	if (!guest_expect(&guest, arp_reply, &asked))
		return false;
	memcpy(gateway_mac, guest.frame + 6, 6);
	return true;
}

static bool echo_reply(const struct guest *g, const void *cookie)
{
	return is_ipv4(g, 1) && g->frame[34] == 0 && be16_at(g->frame + 40) == *(const unsigned *)cookie;
}

static bool ping4(unsigned sequence, size_t data)
{
	static uint8_t f[2048];
	size_t n = build_ipv4(f, &guest, gateway_mac, OWN, GATEWAY, 1, 8 + data);

	memset(f + 34, 0, 8);
	f[34] = 8;
	be16_put(f + 38, 77);
	be16_put(f + 40, sequence);
	for (size_t i = 0; i < data; i++)
		f[42 + i] = (uint8_t)i;
	finish_checksum(f, n, 2, false);
	guest_send(&guest, f, n);
	return guest_expect(&guest, echo_reply, &sequence) && !memcmp(guest.frame + 42, f + 42, data);
}

struct dhcp_want {
	uint32_t xid;
	unsigned type;
};

/* The DHCP option's value, or NULL. */
static const uint8_t *dhcp_option(const struct guest *g, unsigned code)
{
	size_t off = 42 + 240;

	while (off + 2 < g->bytes && g->frame[off] != 255) {
		if (g->frame[off] == code)
			return g->frame + off + 2;
		off += g->frame[off] ? 2u + g->frame[off + 1] : 1;
	}
	return NULL;
}

static bool dhcp_reply(const struct guest *g, const void *cookie)
{
	const struct dhcp_want *want = cookie;

	return is_ipv4(g, 17) && be16_at(g->frame + 36) == 68 && be32_at(g->frame + 46) == want->xid &&
	       dhcp_option(g, 53) && *dhcp_option(g, 53) == want->type;
}

static bool dhcp(unsigned type, uint32_t xid, uint32_t wanted)
{
	struct dhcp_want want = { xid, type == 1 ? 2 : 5 };
	static uint8_t f[600];
	size_t n = 240 + 16;
	uint8_t *b = f + 42;

	memset(f, 0, sizeof(f));
	n = build_ipv4(f, &guest, to_all, 0, 0xffffffff, 17, 8 + n);
	be16_put(f + 34, 68);
	be16_put(f + 36, 67);
	be16_put(f + 38, (unsigned)(n - 34));
	b[0] = 1;
	b[1] = 1;
	b[2] = 6;
	be32_put(b + 4, xid);
	memcpy(b + 28, guest.mac, 6);
	be32_put(b + 236, 0x63825363);
	b[240] = 53;
	b[241] = 1;
	b[242] = (uint8_t)type;
	b[243] = 50;
	b[244] = 4;
	be32_put(b + 245, wanted);
	b[249] = 255;
	finish_checksum(f, n, 6, true);
	guest_send(&guest, f, n);
	return guest_expect(&guest, dhcp_reply, &want);
}

static void gives_addresses_by_dhcp(void)
{
	uint32_t first;

	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(dhcp(1, 0x1001, 0));
	first = be32_at(guest.frame + 58);
	CU_ASSERT_EQUAL(first, OWN);
	CU_ASSERT_FATAL(dhcp(3, 0x1002, first));
	CU_ASSERT_EQUAL(be32_at(guest.frame + 58), first);
	CU_ASSERT_FATAL(dhcp_option(&guest, 3) && dhcp_option(&guest, 6) && dhcp_option(&guest, 1));
	CU_ASSERT_EQUAL(be32_at(dhcp_option(&guest, 1)), 0xffffff00);
	CU_ASSERT_EQUAL(be32_at(dhcp_option(&guest, 3)), GATEWAY);
	CU_ASSERT_EQUAL(be32_at(dhcp_option(&guest, 6)), NET + 3);
	/* Another guest gets another address, the first its own again. */
	guest.mac[5]++;
	CU_ASSERT_FATAL(dhcp(1, 0x1003, 0));
	CU_ASSERT_EQUAL(be32_at(guest.frame + 58), OWN + 1);
	CU_ASSERT_FATAL(dhcp(3, 0x1004, OWN + 1));
	guest.mac[5]--;
	CU_ASSERT_FATAL(dhcp(1, 0x1005, 0));
	CU_ASSERT_EQUAL(be32_at(guest.frame + 58), OWN);
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

static void gateway_answers_arp_and_echo(void)
{
	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(find_gateway());
	CU_ASSERT(ping4(1, 0));
	CU_ASSERT(ping4(2, 56));
	CU_ASSERT(ping4(3, 1472));
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

static void network_can_be_another(void)
{
	char *more[] = { (char *)(uintptr_t)"--ipv4-net", (char *)(uintptr_t)"192.168.77.0/25", NULL };
	uint32_t asked = 0xc0a84d02;
	uint8_t f[64];

	guest_start(&guest, more);
	CU_ASSERT_FATAL(dhcp(1, 0x2001, 0));
	CU_ASSERT_EQUAL(be32_at(guest.frame + 58), 0xc0a84d0f);
	guest_send(&guest, f, build_arp_request(f, &guest, 0xc0a84d0f, asked));
	CU_ASSERT(guest_expect(&guest, arp_reply, &asked));
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

/* ---- TCP, over either version ---- */

struct tcp {
	bool v6;
	unsigned port, peer_port;
	uint32_t seq, ack;
};

static bool tcp_segment(const struct guest *g, const void *cookie)
{
	const struct tcp *t = cookie;
	const uint8_t *tcp = g->frame + (t->v6 ? 54 : 34);

	return (t->v6 ? is_ipv6(g, 6) : is_ipv4(g, 6)) && be16_at(tcp) == t->peer_port &&
	       be16_at(tcp + 2) == t->port;
}

static bool tcp_with_data(const struct guest *g, const void *cookie)
{
	const struct tcp *t = cookie;
	size_t start = t->v6 ? 54 : 34;
	unsigned payload = t->v6 ? be16_at(g->frame + 18) : be16_at(g->frame + 16) - 20u;

	return tcp_segment(g, cookie) && payload > (g->frame[start + 12] >> 4) * 4u;
}

static void tcp_send(struct tcp *t, unsigned flags, const char *data)
{
	static uint8_t f[2048];
	size_t n = 20 + strlen(data), start = t->v6 ? 54 : 34;
	uint8_t *tcp = f + start;

	if (t->v6)
		n = build_ipv6(f, &guest, gateway_mac, own6, host_of_net6, 6, n);
	else
		n = build_ipv4(f, &guest, gateway_mac, OWN, GATEWAY, 6, n);
	memset(tcp, 0, 20);
	be16_put(tcp, t->port);
	be16_put(tcp + 2, t->peer_port);
	be32_put(tcp + 4, t->seq);
	be32_put(tcp + 8, flags & TCP_ACK ? t->ack : 0);
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)flags;
	be16_put(tcp + 14, 32000);
	memcpy(tcp + 20, data, strlen(data));
	finish_checksum(f, n, 16, true);
	guest_send(&guest, f, n);
	t->seq += (uint32_t)strlen(data) + !!(flags & (TCP_SYN | TCP_FIN));
}

/* A listener on the loopback; its port. */
static int listen_on_loopback(bool v6, unsigned *port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr *a = v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t n = v6 ? sizeof(a6) : sizeof(a4);
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, a, n) || listen(fd, 1) || getsockname(fd, a, &n)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*port = ntohs(v6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

static void talk_to_host(bool v6)
{
	struct tcp t = { .v6 = v6, .port = 40000, .seq = 1000 };
	int listener = listen_on_loopback(v6, &t.peer_port), fd;
	size_t start = v6 ? 54 : 34;
	char text[16] = "";

	CU_ASSERT_FATAL(listener >= 0);
	tcp_send(&t, TCP_SYN, "");
	CU_ASSERT_FATAL(guest_expect(&guest, tcp_segment, &t));
	CU_ASSERT_EQUAL(guest.frame[start + 13] & (TCP_SYN | TCP_ACK | TCP_RST), TCP_SYN | TCP_ACK);
	t.ack = be32_at(guest.frame + start + 4) + 1;
	tcp_send(&t, TCP_ACK, "");
	tcp_send(&t, TCP_ACK | TCP_PSH, "hello, host");
	fd = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(recv(fd, text, 11, MSG_WAITALL), 11);
	CU_ASSERT_STRING_EQUAL(text, "hello, host");
	CU_ASSERT_EQUAL(send(fd, "hello, guest", 12, 0), 12);
	CU_ASSERT_FATAL(guest_expect(&guest, tcp_with_data, &t));
	CU_ASSERT(!memcmp(guest.frame + start + (guest.frame[start + 12] >> 4) * 4, "hello, guest", 12));
	t.ack += 12;
	tcp_send(&t, TCP_ACK | TCP_FIN, "");
	CU_ASSERT_EQUAL(recv(fd, text, sizeof(text), 0), 0);
	close(fd);
	close(listener);
}

static void guest_reaches_the_host_over_tcp(void)
{
	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(find_gateway());
	talk_to_host(false);
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

/* A segment of the connection, or the reply to the ping that was sent after it. */
static bool tcp_or_echo(const struct guest *g, const void *cookie)
{
	return tcp_segment(g, cookie) || is_ipv4(g, 1);
}

static void host_can_be_left_out(void)
{
	char *more[] = { (char *)(uintptr_t)"--no-host", NULL };
	struct tcp t = { .port = 40001, .seq = 1 };
	int listener = listen_on_loopback(false, &t.peer_port);
	struct pollfd p = { .events = POLLIN };
	uint8_t f[64];
	size_t n;

	guest_start(&guest, more);
	CU_ASSERT_FATAL(find_gateway());
	tcp_send(&t, TCP_SYN, "");
	n = build_ipv4(f, &guest, gateway_mac, OWN, GATEWAY, 1, 8);
	memcpy(f + 34, (uint8_t[8]){ 8 }, 8);
	finish_checksum(f, n, 2, false);
	guest_send(&guest, f, n);
	/* Refused, unreachable or nothing at all, but no connection: it would be there by now. */
	CU_ASSERT_FATAL(guest_expect(&guest, tcp_or_echo, &t));
	CU_ASSERT(!is_ipv4(&guest, 6) || guest.frame[47] & TCP_RST);
	p.fd = listener;
	CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
	close(listener);
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

/* ---- IPv6 ---- */

static bool icmp6_of_type(const struct guest *g, const void *cookie)
{
	return is_ipv6(g, 58) && g->frame[54] == *(const unsigned *)cookie;
}

static void icmp6_send(const uint8_t from[16], const uint8_t to[16], const uint8_t *message, size_t n)
{
	static const uint8_t all[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t f[256];
	size_t bytes = build_ipv6(f, &guest, gateway_mac[0] ? gateway_mac : all, from, to, 58, n);

	memcpy(f + 54, message, n);
	finish_checksum(f, bytes, 2, true);
	guest_send(&guest, f, bytes);
}

static void advertises_and_answers_in_ipv6(void)
{
	static const uint8_t routers[16] = { 0xff, 2, [15] = 2 };
	const uint8_t *targets[2] = { host_of_net6, gateway6 };
	const uint8_t *own[2] = { own6, own_local };
	uint8_t m[40] = { 133 };
	unsigned type = 134;

	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(find_gateway());
	icmp6_send(own_local, routers, m, 8);
	CU_ASSERT_FATAL(guest_expect(&guest, icmp6_of_type, &type));
	CU_ASSERT(!memcmp(guest.frame + 22, gateway6, 16));
	for (int i = 0; i < 2; i++) {
		/* Neighbour solicitation, then echo. */
		memset(m, 0, sizeof(m));
		m[0] = 135;
		memcpy(m + 8, targets[i], 16);
		m[24] = m[25] = 1;
		memcpy(m + 26, guest.mac, 6);
		icmp6_send(own[i], targets[i], m, 32);
		type = 136;
		CU_ASSERT(guest_expect(&guest, icmp6_of_type, &type));
		memset(m, 0, sizeof(m));
		m[0] = 128;
		m[5] = 9;
		memcpy(m + 8, "0123456789", 10);
		icmp6_send(own[i], targets[i], m, 18);
		type = 129;
		CU_ASSERT_FATAL(guest_expect(&guest, icmp6_of_type, &type));
		CU_ASSERT(!memcmp(guest.frame + 62, "0123456789", 10));
	}
	talk_to_host(true);
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

/* ---- what must not hurt ---- */

static void survives_nonsense(void)
{
	static uint8_t f[2000];
	unsigned sequence = 100;
	size_t n;

	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(find_gateway());
	srand(7);
	for (int i = 0; i < 3000; i++) {
		n = 1 + (size_t)rand() % 120;
		for (size_t j = 0; j < sizeof(f) && j < n; j++)
			f[j] = (uint8_t)rand();
		if (n > 34 && i % 2) {
			build_ether(f, gateway_mac, guest.mac, i % 4 == 1 ? 0x0800 : 0x86dd);
			f[14] = i % 4 == 1 ? 0x45 : 0x60;
			if (i % 4 == 1)
				f[23] = (uint8_t[]){ 1, 6, 17, 2 }[rand() % 4];
		}
		guest_send(&guest, f, n);
		if (i % 250 == 0)	/* also keeps its answers from piling up */
			CU_ASSERT_FATAL(ping4(sequence++, 8));
	}
	memset(f, 0, sizeof(f));
	guest_send(&guest, f, sizeof(f));
	CU_ASSERT(ping4(sequence, 8));
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

static void ends_on_a_broken_stream(void)
{
	static const uint8_t lies[][4] = { { 0, 0, 0, 0 }, { 0, 1, 0, 0x12 }, { 255, 255, 255, 255 } };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		guest_start(&guest, NULL);
		guest_send_raw(&guest, lies[i], 4);
		CU_ASSERT_EQUAL(guest_wait(&guest), 1);
		close(guest.fd);
	}
}

static unsigned long status_field(pid_t pid, const char *name, int base)
{
	char path[64], line[256];
	unsigned long v = 0xdead;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			v = strtoul(line + strlen(name) + 1, NULL, base);
	if (f)
		fclose(f);
	return v;
}

static void gives_up_what_it_does_not_need(void)
{
	int leak = dup(1);		/* not to be found in the child */
	unsigned fds = 0;
	char path[64];
	DIR *d;

	guest_start(&guest, NULL);
	CU_ASSERT_FATAL(find_gateway());	/* it runs by now */
	CU_ASSERT_EQUAL(status_field(guest.pid, "NoNewPrivs:", 10), 1);
	CU_ASSERT_EQUAL(status_field(guest.pid, "CapEff:", 16), 0);
	CU_ASSERT_EQUAL(status_field(guest.pid, "CapPrm:", 16), 0);
	CU_ASSERT_EQUAL(status_field(guest.pid, "CapBnd:", 16), geteuid() ?
			status_field(getpid(), "CapBnd:", 16) : 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CU_ASSERT_EQUAL(status_field(guest.pid, "Seccomp:", 10), 2);
#endif
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)guest.pid);
	d = opendir(path);
	while (d && readdir(d))
		fds++;
	if (d) {
		closedir(d);
		CU_ASSERT(fds <= 2 + 4);
	}
	close(leak);
	CU_ASSERT_EQUAL(guest_end(&guest), 0);
}

static void refuses_bad_options(void)
{
	static const struct {
		const char *args[4];
		enum nat_parsed result;
	} rows[] = {
		{ { "x" }, NAT_BAD },
		{ { "x", "--fd" }, NAT_BAD },
		{ { "x", "--fd", "three" }, NAT_BAD },
		{ { "x", "--fd", "3x" }, NAT_BAD },
		{ { "x", "--fd", "-1" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.2.0" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.2.1/24" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.2.0/28" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.0.0/7" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.2/24" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv6-net", "fd00::/48" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv6-net", "fd00::1/64" }, NAT_BAD },
		{ { "x", "--fd=3", "--ipv6-net", "ff02::/64" }, NAT_BAD },
		{ { "x", "--fd=3", "--no-ipv4", "--no-ipv6" }, NAT_BAD },
		{ { "x", "--fd=3", "more" }, NAT_BAD },
		{ { "x", "--fd=3", "--unknown" }, NAT_BAD },
		{ { "x", "--help" }, NAT_HELP },
		{ { "x", "--fd", "3", "--no-ipv6" }, NAT_RUN },
		{ { "x", "--fd=3", "--ipv4-net", "10.0.0.0/8" }, NAT_RUN },
		{ { "x", "--fd=3", "--ipv6-net", "fd12:3456:789a:1::/64" }, NAT_RUN },
	};
	struct nat_options o;
	int argc;

	fprintf(stderr, "(complaints about options are expected here)\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[5] = { NULL };

		for (argc = 0; argc < 4 && rows[i].args[argc]; argc++)
			argv[argc] = (char *)(uintptr_t)rows[i].args[argc];
		if (nat_options_parse(&o, argc, argv) != rows[i].result) {
			fprintf(stderr, "row %zu\n", i);
			CU_FAIL("an option is not judged as it should be");
		}
	}
}

static const struct hv_test tests[] = {
	{ "refuses bad options", refuses_bad_options },
	{ "gives addresses by DHCP", gives_addresses_by_dhcp },
	{ "the gateway answers ARP and echo", gateway_answers_arp_and_echo },
	{ "the network can be another", network_can_be_another },
	{ "a guest reaches the host over TCP", guest_reaches_the_host_over_tcp },
	{ "the host can be left out", host_can_be_left_out },
	{ "advertises and answers in IPv6", advertises_and_answers_in_ipv6 },
	{ "survives nonsense", survives_nonsense },
	{ "ends on a broken stream", ends_on_a_broken_stream },
	{ "gives up what it does not need", gives_up_what_it_does_not_need },
};

/* A network of our own, so that the test's ports are nobody else's. */
static void leave_the_network(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		fprintf(stderr, "nat: no network namespace of its own; using the loopback as it is\n");
		return;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr))
		abort();
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		abort();
	close(fd);
}

int main(void)
{
	leave_the_network();
	return hv_test_main("nat", tests, sizeof(tests) / sizeof(tests[0]));
}
