/* SPDX-License-Identifier: MIT */
/*
 * For tests of a team at a real switch, which lives in a second namespace, has the far ends of the members and the address
 * 10.66.0.2. The host's adapter on our switch has 10.66.0.1 and pings.
 */
#ifndef HVNET_VSWITCH_TEST_TEAM_H
#define HVNET_VSWITCH_TEST_TEAM_H

#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/checksum.h"
#include "vswitch/test_net.h"

enum {
	MEMBERS = 2,
	MOST_PINGS = 200,
	MOST_BYTES = 4000,
	CUT_AFTER = 70,
	MOST_LOST = 100,		/* of 200 pings that a link is lost among: had nothing followed from it, 130 were */
};

static bool permitted;			/* whether begin() can */
static char folder[64];
static pid_t there;			/* keeps the second namespace */
static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *team, *adapter;

static inline void make_there(void)
{
	int ready[2];
	char c;

	CU_ASSERT_FATAL(!pipe(ready));
	there = fork();
	if (!there) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	CU_ASSERT_FATAL(read(ready[0], &c, 1) == 1);
	close(ready[0]);
}

static inline unsigned active(void)
{
	struct vswitch_member_status s;
	unsigned n = 0, at = 0;

	while (!vswitch_team_next(team, at, &s)) {
		n += s.state == VSWITCH_MEMBER_ACTIVE;
		at = s.index;
	}
	return n;
}

static inline struct vswitch_member_status status(unsigned index)
{
	struct vswitch_member_status s = { .index = 0 };

	CU_ASSERT(!vswitch_team_next(team, index - 1, &s) && s.index == index);
	return s;
}

static inline bool begin(const struct vswitch_team_config *config, unsigned standby)
{
	struct vswitch_config c = { .name = "t" };
	struct vswitch_member_config m = { .kind = VSWITCH_WIRE_PACKET };
	char name[8];

	if (!permitted) {
		hv_test_skip("no network namespace here");
		return false;
	}
	strcpy(folder, "/tmp/hvnet-team-test.XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
	make_there();
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &c, &sw));
	CU_ASSERT_FATAL(!vswitch_uplink_tap(sw, loop, "tmhost", VSWITCH_NIC_INTERNAL, &adapter));
	CU_ASSERT_FATAL(!vswitch_uplink_team(sw, loop, "team", config, &team));
	TEST_RUN("ip addr add 10.66.0.1/24 dev tmhost && ip link set tmhost up");
	for (unsigned i = 1; i <= MEMBERS; i++) {
		TEST_RUN("ip link add tm%u type veth peer name far%u && ip link set far%u netns %d && ip link set tm%u up && "
			 "nsenter -t %d -n ip link set far%u up", i, i, i, there, i, there, i);
		snprintf(name, sizeof(name), "tm%u", i);
		m.name = name;
		m.standby = i == standby;
		CU_ASSERT_FATAL(!vswitch_team_add(team, &m, NULL));
	}
	return true;
}

static inline void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_uplink_destroy(team);
	vswitch_uplink_destroy(adapter);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	kill(there, SIGKILL);
	waitpid(there, NULL, 0);
	for (unsigned i = 1; i <= MEMBERS; i++)
		test_run("ip link delete tm%u 2>/dev/null", i);
	test_run("rm -rf %s", folder);
}

struct pings {
	int fd;
	unsigned n, bytes, sent, received;
	bool came[MOST_PINGS];
};

static inline void send_ping(struct pings *p)
{
	static uint8_t bytes[sizeof(struct icmphdr) + MOST_BYTES];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a420002) };
	struct icmphdr h = { .type = ICMP_ECHO, .un.echo = { htons((uint16_t)getpid()), htons((uint16_t)p->sent) } };
	size_t n = sizeof(h) + p->bytes;

	memcpy(bytes, &h, sizeof(h));
	h.checksum = (uint16_t)~hv_sum_fold(hv_sum_add(0, bytes, n, false));
	memcpy(bytes, &h, sizeof(h));
	/* Without a link the kernel may refuse: it is lost, too. */
	(void)!sendto(p->fd, bytes, n, 0, (struct sockaddr *)&to, sizeof(to));
	p->sent++;
}

/* What has come; false: nothing. */
static inline bool receive_pings(struct pings *p)
{
	uint8_t bytes[sizeof(struct iphdr) + sizeof(struct icmphdr)];
	bool any = false;
	struct icmphdr h;
	unsigned at;

	while (recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes)) {
		memcpy(&h, bytes + sizeof(struct iphdr), sizeof(h));
		at = ntohs(h.un.echo.sequence);
		if (h.type != ICMP_ECHOREPLY || h.un.echo.id != htons((uint16_t)getpid()) || at >= p->sent)
			continue;
		CU_ASSERT_FALSE(p->came[at]);	/* none may come twice */
		p->came[at] = true;
		p->received++;
		any = true;
	}
	return any;
}

/*
 * n pings, 10 ms apart: how many were lost. A reply is lost when for a second nothing has come: ping(8) waits for twice the longest
 * time, which a busy machine exceeds. After CUT_AFTER of them meanwhile() is called, unless it is NULL.
 */
static inline unsigned lost_pings(unsigned n, unsigned bytes, void (*meanwhile)(void))
{
	struct pings p = { .n = n, .bytes = bytes };
	uint64_t send_ns = hv_now_ns(), end_ns = 0;

	CU_ASSERT_FATAL(n <= MOST_PINGS && bytes <= MOST_BYTES);
	p.fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	CU_ASSERT_FATAL(p.fd >= 0);
	while (p.sent < n || (p.received < n && hv_now_ns() < end_ns)) {
		if (p.sent < n && hv_now_ns() >= send_ns) {
			send_ping(&p);
			send_ns += 10 * TEST_MS;
			end_ns = hv_now_ns() + 1000 * TEST_MS;
			if (meanwhile && p.sent == CUT_AFTER)
				meanwhile();
		}
		hv_loop_run_once(loop, TEST_MS);
		if (receive_pings(&p))
			end_ns = hv_now_ns() + 1000 * TEST_MS;
	}
	close(p.fd);
	if (p.received != n && n > 1)
		printf("(%u of %u pings lost) ", n - p.received, n);
	return n - p.received;
}

static unsigned victim;

/* In the background: the loop goes on. */
static inline void cut(void)
{
	TEST_RUN("ip link set tm%u down &", victim);
}

#endif
