/* SPDX-License-Identifier: MIT */
/*
 * The tap uplink against the kernel, in a network namespace of its own. Where that is not permitted
 * the tests are skipped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vswitch/test_nic.h"

#define MS 1000000ull
#define ALL_CAPS (VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6 | VSWITCH_CAN_VLAN)
#define HOST_IP 0x0a090801u
#define GUEST_IP 0x0a090802u

static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *uplink;
static struct test_nic guest;
static struct test_frame *frame;
static uint8_t host_mac[6];
static int control;			/* for ioctls */
static bool permitted;

static void interface_ioctl(unsigned long request, struct ifreq *ifr)
{
	strcpy(ifr->ifr_name, "hvtest0");
	if (ioctl(control, request, ifr))
		perror("ioctl");
}

static void set_up(bool up)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	interface_ioctl(SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	interface_ioctl(SIOCSIFFLAGS, &ifr);
}

static struct sockaddr_in ipv4(uint32_t ip, unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip),
				     .sin_port = htons((uint16_t)port) };
}

/* Address, neighbour, up: the host can send to the guest and take from it. */
static void configure(void)
{
	struct sockaddr_in own = ipv4(HOST_IP, 0), mask = ipv4(0xffffff00, 0), other = ipv4(GUEST_IP, 0);
	struct ifreq ifr = { .ifr_flags = 0 };
	struct arpreq arp = { .arp_flags = ATF_COM | ATF_PERM, .arp_dev = "hvtest0" };

	memcpy(&ifr.ifr_addr, &own, sizeof(own));
	interface_ioctl(SIOCSIFADDR, &ifr);
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	interface_ioctl(SIOCSIFNETMASK, &ifr);
	set_up(true);
	memcpy(&arp.arp_pa, &other, sizeof(other));
	memcpy(arp.arp_ha.sa_data, guest.nic.mac, 6);
	arp.arp_ha.sa_family = ARPHRD_ETHER;
	if (ioctl(control, SIOCSARP, &arp))
		perror("SIOCSARP");
}

static bool begin(uint32_t caps)
{
	struct vswitch_config config = { .name = "t" };
	struct ifreq ifr = { .ifr_flags = 0 };
	int ret;

	if (!permitted) {
		hv_test_skip("no network namespace or tap interface here");
		return false;
	}
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	ret = vswitch_uplink_tap(sw, loop, "hvtest0", VSWITCH_NIC_INTERNAL, &uplink);
	if (ret) {
		vswitch_destroy(sw);
		hv_loop_destroy(loop);
		permitted = false;
		/* what a machine may refuse; anything else is ours */
		CU_ASSERT_TRUE(ret == -EPERM || ret == -EACCES || ret == -ENOENT || ret == -ENODEV);
		hv_test_skip(strerror(-ret));
		return false;
	}
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, caps);
	guest.nic.max_frame_bytes = 1514;
	interface_ioctl(SIOCGIFHWADDR, &ifr);
	memcpy(host_mac, ifr.ifr_hwaddr.sa_data, 6);
	configure();
	frame = test_frame_new();
	return true;
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_uplink_destroy(uplink);
	test_nic_unplug(&guest);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	free(frame);
}

static const struct got_frame *wait_for(bool (*match)(const struct got_frame *g))
{
	uint64_t end_ns = hv_now_ns() + 3000 * MS;
	unsigned seen = 0;

	for (;;) {
		for (; seen < guest.num_got; seen++)
			if (match(&guest.got[seen]))
				return &guest.got[seen];
		if (hv_now_ns() > end_ns)
			return NULL;
		hv_loop_run_once(loop, MS);
	}
}

static bool is_udp(const struct got_frame *g)
{
	return g->len > 42 && get_be16(g->bytes + 12) == 0x0800 && g->bytes[23] == 17 &&
	       get_be16(g->bytes + 36) == 7777;
}

/* The guest's frame with UDP from port 5555 to 6666, checksum left to others. */
static void udp_to_host(const char *text)
{
	uint32_t n = (uint32_t)strlen(text), len = 42 + n;
	uint8_t *b = frame->bytes;
	uint16_t sum;

	memcpy(b, host_mac, 6);
	memcpy(b + 6, guest.nic.mac, 6);
	memset(b + 12, 0, 30);
	put_be16(b + 12, 0x0800);
	b[14] = 0x45;
	put_be16(b + 16, len - 14);
	b[22] = 64;
	b[23] = 17;
	put_be32(b + 26, GUEST_IP);
	put_be32(b + 30, HOST_IP);
	checksum_ipv4_header(b + 14);
	put_be16(b + 34, 5555);
	put_be16(b + 36, 6666);
	put_be16(b + 38, 8 + n);
	sum = hv_sum_fold(checksum_pseudo(b + 14, 17, 8 + n));
	memcpy(b + 40, &sum, 2);
	memcpy(b + 42, text, n);
	test_frame_set(frame, len);
	frame->f.offload.flags = VSWITCH_CSUM_PARTIAL;
	frame->f.offload.csum_start = 34;
	frame->f.offload.csum_offset = 6;
}

static int udp_socket(void)
{
	struct sockaddr_in own = ipv4(HOST_IP, 6666);
	struct timeval patience = { .tv_sec = 3 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_FATAL(fd >= 0 && !bind(fd, (struct sockaddr *)&own, sizeof(own)));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void datagrams_pass_both_ways(void)
{
	struct sockaddr_in to = ipv4(GUEST_IP, 7777);
	char text[600], got[700] = "";
	const struct got_frame *g;
	int fd;

	for (int can = 0; can < 2; can++) {
		if (!begin(can ? ALL_CAPS : 0))
			return;
		fd = udp_socket();
		memset(text, 'x', sizeof(text));
		text[599] = '\0';
		udp_to_host(text);
		test_send(&guest, frame);
		CU_ASSERT_EQUAL(recv(fd, got, sizeof(got), 0), 599);
		CU_ASSERT(!memcmp(got, text, 599));
		CU_ASSERT_EQUAL(sendto(fd, text, 599, 0, (struct sockaddr *)&to, sizeof(to)), 599);
		g = wait_for(is_udp);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g);
		CU_ASSERT(!memcmp(g->bytes + 42, text, 599));
		/* The host leaves the checksum to us; the guest that cannot gets it done. */
		CU_ASSERT_EQUAL(g->offload.flags, can ? VSWITCH_CSUM_PARTIAL : VSWITCH_CSUM_VALID);
		if (!can)
			CU_ASSERT_EQUAL(hv_sum_fold(hv_sum_add(checksum_pseudo(g->bytes + 14, 17, 607),
					g->bytes + 34, 607, false)), 0xffff);
		close(fd);
		end();
	}
}

/* ---- TCP: enough of it to have the host send large segments, and to send one ---- */

static uint32_t our_seq, our_ack;
static uint16_t tcp_port;

static bool is_tcp(const struct got_frame *g)
{
	return g->len >= 54 && get_be16(g->bytes + 12) == 0x0800 && g->bytes[23] == 6 &&
	       get_be16(g->bytes + 36) == 5555;
}

static uint32_t tcp_data_bytes(const struct got_frame *g)
{
	return g->len - 34 - (g->bytes[46] >> 4) * 4u;
}

static bool is_large_tcp(const struct got_frame *g)
{
	return is_tcp(g) && g->offload.gso == VSWITCH_GSO_TCPV4;
}

static void tcp_to_host(uint8_t flags, const void *data, uint32_t n, uint16_t mss)
{
	uint8_t *b = frame->bytes;

	memcpy(b, host_mac, 6);
	memcpy(b + 6, guest.nic.mac, 6);
	memset(b + 12, 0, 60);
	put_be16(b + 12, 0x0800);
	b[14] = 0x45;
	b[22] = 64;
	b[23] = 6;
	put_be32(b + 26, GUEST_IP);
	put_be32(b + 30, HOST_IP);
	put_be16(b + 34, 5555);
	put_be16(b + 36, tcp_port);
	put_be32(b + 38, our_seq);
	put_be32(b + 42, our_ack);
	b[46] = 0x50;
	b[47] = flags;
	put_be16(b + 48, 65535);
	if (n)
		memcpy(b + 54, data, n);
	test_frame_set(frame, 54 + n);
	frame->f.offload.gso = VSWITCH_GSO_TCPV4;
	frame->f.offload.gso_size = mss;
	our_seq += n + !!(flags & 2);
	test_send(&guest, frame);
}

/* A connection from the guest to a socket of the host. */
static int tcp_connect(void)
{
	struct sockaddr_in own = ipv4(HOST_IP, 0);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct timeval patience = { .tv_sec = 3 };
	socklen_t bytes = sizeof(own);
	const struct got_frame *g;

	CU_ASSERT_FATAL(!bind(listener, (struct sockaddr *)&own, bytes) && !listen(listener, 1));
	CU_ASSERT_FATAL(!getsockname(listener, (struct sockaddr *)&own, &bytes));
	tcp_port = ntohs(own.sin_port);
	our_seq = 1000;
	our_ack = 0;
	tcp_to_host(2, NULL, 0, 1460);
	g = wait_for(is_tcp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	our_ack = get_be32(g->bytes + 38) + 1;
	tcp_to_host(16, NULL, 0, 1460);
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	fd = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	close(listener);
	return fd;
}

static void large_tcp_passes_both_ways(void)
{
	static uint8_t data[30000], got[30000];
	const struct got_frame *g;
	int fd, mss = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13 + (i >> 8));
	for (int can = 0; can < 2; can++) {
		if (!begin(can ? ALL_CAPS : 0))
			return;
		fd = tcp_connect();
		/* To the host in one piece: without an MSS option from us it takes 536. */
		tcp_to_host(16 | 8, data, 30000, 536);
		CU_ASSERT_EQUAL(recv(fd, got, 30000, MSG_WAITALL), 30000);
		CU_ASSERT(!memcmp(got, data, 30000));
		CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.segments, 0);
		CU_ASSERT_EQUAL(test_sum(vswitch_uplink_port(uplink)->stats.out_dropped), 0);
		/* To the guest: large where it can, small and complete where it cannot. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		CU_ASSERT_EQUAL(send(fd, data, 5000, 0), 5000);
		g = wait_for(can ? is_large_tcp : is_tcp);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g);
		if (can)
			CU_ASSERT(tcp_data_bytes(g) > g->offload.gso_size);
		for (unsigned i = 0; i < 50; i++)	/* moves got[] */
			hv_loop_run_once(loop, MS);
		for (unsigned i = 0; !can && i < guest.num_got; i++) {
			g = &guest.got[i];
			if (!is_tcp(g) || tcp_data_bytes(g) == 0)
				continue;
			mss = (int)tcp_data_bytes(g) > mss ? (int)tcp_data_bytes(g) : mss;
			CU_ASSERT_EQUAL(hv_sum_fold(hv_sum_add(checksum_pseudo(g->bytes + 14, 6,
					g->len - 34), g->bytes + 34, g->len - 34, false)), 0xffff);
		}
		if (!can) {
			CU_ASSERT(mss > 0 && mss <= 1460);
			CU_ASSERT(guest.port->stats.segments > 0);
		}
		close(fd);
		end();
	}
}

static void tagged_frames_pass_with_their_tag(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	uint8_t b[100] = { 0 };
	uint64_t end_ns;
	int fd;

	if (!begin(VSWITCH_CAN_VLAN))
		return;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	CU_ASSERT_FATAL(fd >= 0);
	to.sll_ifindex = (int)if_nametoindex("hvtest0");
	CU_ASSERT_FATAL(!bind(fd, (struct sockaddr *)&to, sizeof(to)));
	memcpy(b, guest.nic.mac, 6);
	memcpy(b + 6, host_mac, 6);
	put_be32(b + 12, 0x81006005);
	put_be16(b + 16, 0x88b5);
	CU_ASSERT_EQUAL(send(fd, b, sizeof(b), 0), sizeof(b));
	end_ns = hv_now_ns() + 3000 * MS;
	while (hv_now_ns() < end_ns && !(guest.num_got && guest.got[guest.num_got - 1].offload.vlan_tci))
		hv_loop_run_once(loop, MS);
	CU_ASSERT_FATAL(guest.num_got > 0);
	CU_ASSERT_EQUAL(guest.got[guest.num_got - 1].len, 96);
	CU_ASSERT_EQUAL(guest.got[guest.num_got - 1].offload.vlan_tci, 0x6005);
	close(fd);
	end();
}

static void interface_that_is_not_up_takes_nothing(void)
{
	if (!begin(0))
		return;
	set_up(false);
	udp_to_host("hello");
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.out_dropped[VSWITCH_DROP_NOT_READY], 1);
	CU_ASSERT_TRUE(vswitch_port_link(vswitch_uplink_port(uplink)));
	end();
}

static void host_may_change_its_address(void)
{
	struct sockaddr_in to = ipv4(GUEST_IP, 7777);
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	uint8_t other[6];
	int fd;

	if (!begin(0))
		return;
	fd = udp_socket();
	test_mac(99, other);
	memcpy(ifr.ifr_hwaddr.sa_data, other, 6);
	interface_ioctl(SIOCSIFHWADDR, &ifr);
	configure();
	sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	CU_ASSERT_PTR_NOT_NULL(wait_for(is_udp));
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->mac, fdb_mac(other));
	close(fd);
	end();
}

static void deleted_interface_takes_its_port_down(void)
{
	char command[] = "ip link delete hvtest0";

	if (!begin(0))
		return;
	if (system(command)) {
		fprintf(stderr, "vswitch/tap: \"%s\" does not work here: not tested\n", command);
		end();
		return;
	}
	for (unsigned i = 0; i < 20; i++)
		hv_loop_run_once(loop, MS);
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(uplink)));
	udp_to_host("hello");
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.out_dropped[VSWITCH_DROP_PORT_DOWN], 1);
	end();
	/* Found by sending, too. */
	if (!begin(0))
		return;
	CU_ASSERT_EQUAL(system(command), 0);
	udp_to_host("hello");
	test_send(&guest, frame);
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(uplink)));
	end();
}

/* A process that holds a namespace of its own. */
static pid_t make_namespace(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	CU_ASSERT_FATAL(!pipe2(ready, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = unshare(CLONE_NEWNET) ? 'n' : 'y';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	CU_ASSERT_FATAL(read(ready[0], &byte, 1) == 1 && byte == 'y');
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static bool run_there(pid_t there, const char *what)
{
	char command[300];

	snprintf(command, sizeof(command), "nsenter -t %d -n bash -c '%s'", (int)there, what);
	return !system(command);
}

static void interface_that_moves_to_another_namespace_stays(void)
{
	const uint8_t *mac = guest.nic.mac;
	char command[100];
	pid_t there;

	if (!begin(0))
		return;
	there = make_namespace();
	snprintf(command, sizeof(command), "ip link set hvtest0 netns %d", (int)there);
	CU_ASSERT_EQUAL(system(command), 0);
	for (unsigned i = 0; i < 20; i++)
		hv_loop_run_once(loop, MS);
	CU_ASSERT_TRUE(vswitch_port_link(vswitch_uplink_port(uplink)));
	snprintf(command, sizeof(command), "ip neigh add 10.9.8.2 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev hvtest0", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	CU_ASSERT_TRUE(run_there(there, "ip addr add 10.9.8.1/24 dev hvtest0; ip link set hvtest0 up"));
	CU_ASSERT_TRUE(run_there(there, command));
	CU_ASSERT_TRUE(run_there(there, "echo x >/dev/udp/10.9.8.2/7777"));
	CU_ASSERT_PTR_NOT_NULL(wait_for(is_udp));
	udp_to_host("hello");
	test_send(&guest, frame);
	/* Its first counter is bytes that came to it. */
	CU_ASSERT_TRUE(run_there(there, "grep -q \"hvtest0: *[1-9]\" /proc/net/dev"));
	CU_ASSERT_TRUE(run_there(there, "ip link del hvtest0"));
	test_send(&guest, frame);	/* found by sending: nobody tells */
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(uplink)));
	kill(there, SIGKILL);
	waitpid(there, NULL, 0);
	end();
}

static void what_cannot_be_a_tap_is_refused(void)
{
	struct vswitch_uplink *u;

	if (!begin(0))
		return;
	CU_ASSERT_EQUAL(vswitch_uplink_tap(sw, loop, "lo", VSWITCH_NIC_INTERNAL, &u), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_uplink_tap(sw, loop, "hvtest0", VSWITCH_NIC_INTERNAL, &u), -EBUSY);
	CU_ASSERT_EQUAL(vswitch_uplink_tap(sw, loop, "", VSWITCH_NIC_INTERNAL, &u), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_uplink_tap(sw, loop, "sixteen-letters-", VSWITCH_NIC_INTERNAL, &u),
			-EINVAL);
	end();
}

static const struct hv_test tests[] = {
	{ "datagrams pass both ways", datagrams_pass_both_ways },
	{ "large TCP passes both ways", large_tcp_passes_both_ways },
	{ "tagged frames pass with their tag", tagged_frames_pass_with_their_tag },
	{ "an interface that is not up takes nothing", interface_that_is_not_up_takes_nothing },
	{ "the host may change its address", host_may_change_its_address },
	{ "a deleted interface takes its port down", deleted_interface_takes_its_port_down },
	{ "an interface that moves to another namespace stays", interface_that_moves_to_another_namespace_stays },
	{ "what cannot be a tap is refused", what_cannot_be_a_tap_is_refused },
};

int main(void)
{
	permitted = !unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return hv_test_main("vswitch/tap", tests, sizeof(tests) / sizeof(tests[0]));
}
