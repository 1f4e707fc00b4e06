/* SPDX-License-Identifier: MIT */
/*
 * A team and real switches: Open vSwitch with an LACP bond (its datapath in user space, with a database of its own), and the
 * kernel's bridge, which knows nothing of teams. They live in a second namespace and have address 10.66.0.2; the host's adapter on
 * our switch has 10.66.0.1 and pings. Where that is not permitted, or there is no Open vSwitch, the tests are skipped.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "vswitch/test_net.h"

enum {
	MEMBERS = 2,
	WORDS = 65536,
	MOST_LOST = 100,		/* of 200 pings that a link is lost among: had nothing followed from it, 130 were */
};

static bool permitted;
static char folder[64];
static pid_t there;			/* keeps the second namespace */
static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *team, *adapter;

static void make_there(void)
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

static unsigned active(void)
{
	struct vswitch_member_status s;
	unsigned n = 0, at = 0;

	while (!vswitch_team_next(team, at, &s)) {
		n += s.state == VSWITCH_MEMBER_ACTIVE;
		at = s.index;
	}
	return n;
}

static struct vswitch_member_status status(unsigned index)
{
	struct vswitch_member_status s = { .index = 0 };

	CU_ASSERT(!vswitch_team_next(team, index - 1, &s) && s.index == index);
	return s;
}

static bool begin(const struct vswitch_team_config *config, unsigned standby)
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

static void end(void)
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

/* A command while the loop goes on; its output. */
static const char *run_beside(const char *command, void (*meanwhile)(void))
{
	static char words[WORDS];
	int out[2];
	pid_t pid;
	size_t have = 0;
	ssize_t n = 1;
	uint64_t end_ns = hv_now_ns() + 30000 * TEST_MS, half_ns = hv_now_ns() + 700 * TEST_MS;

	CU_ASSERT_FATAL(!pipe2(out, O_NONBLOCK | O_CLOEXEC));
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	while (n && hv_now_ns() < end_ns) {
		hv_loop_run_once(loop, TEST_MS);
		if (meanwhile && hv_now_ns() > half_ns) {
			meanwhile();
			meanwhile = NULL;
		}
		n = read(out[0], words + have, WORDS - 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	words[have] = '\0';
	close(out[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return words;
}

/* n pings, 10 ms apart: how many were lost; none may come twice. */
static unsigned lost_pings(unsigned n, unsigned bytes, void (*meanwhile)(void))
{
	unsigned sent = 0, received = 0;
	const char *words, *sum;
	char command[128];

	snprintf(command, sizeof(command), "exec ping -q -c %u -i 0.01 -W 1 -s %u 10.66.0.2", n, bytes);
	words = run_beside(command, meanwhile);
	sum = strstr(words, "packets transmitted");
	while (sum && sum > words && sum[-1] != '\n')
		sum--;
	if (!sum || sscanf(sum, "%u packets transmitted, %u received", &sent, &received) != 2 || sent != n) {
		printf("%s", words);
		CU_FAIL("no word of ping");
		return n;
	}
	if (strstr(words, "duplicates")) {
		printf("%s", words);
		CU_FAIL("pings came twice");
	}
	if (sent != received && n > 1)
		printf("(%u of %u pings lost) ", sent - received, sent);
	return sent - received;
}

/* ---- Open vSwitch ---- */

static char schema[4096] = "/usr/share/openvswitch/vswitch.ovsschema";

/* Where the system has none, scripts/setup has unpacked one. */
static void find_ovs(void)
{
	const char *cache = getenv("CACHE"), *path = getenv("PATH");
	char longer[8192];

	if (!access(schema, R_OK) || !cache || !path)
		return;
	snprintf(schema, sizeof(schema), "%s/openvswitch/usr/share/openvswitch/vswitch.ovsschema", cache);
	snprintf(longer, sizeof(longer), "%s:%s/openvswitch/usr/bin:%s/openvswitch/usr/sbin:%s/openvswitch/usr/lib/openvswitch-switch",
		 path, cache, cache, cache);
	setenv("PATH", longer, 1);
}

static bool have_ovs(void)
{
	if (!test_run("command -v ovs-vswitchd ovsdb-server ovsdb-tool ovs-vsctl ovs-appctl >/dev/null"))
		return true;
	hv_test_skip("no Open vSwitch here");
	return false;
}

static pid_t ovsdb, vswitchd;

/* A program in the second namespace, until it is stopped or we end. */
static pid_t spawn(const char *program)
{
	char command[512];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(command, sizeof(command), "cd %s && export OVS_RUNDIR=$PWD OVS_LOGDIR=$PWD OVS_DBDIR=$PWD && "
		 "exec nsenter -t %d -n %s >log 2>&1 </dev/null", folder, there, program);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/*
 * Its datapath in user space hears the members through packet sockets, and so does the namespace's own stack, which would answer
 * ARP requests for the bridge's address with a member's: then the bridge gets frames that are not for it.
 */
static void make_members_deaf(void)
{
	TEST_RUN("nsenter -t %d -n sh -c 'for i in 1 2; do ip link set far$i arp off; done'", there);
}

static void start_ovs(const char *bond)
{
	make_members_deaf();
	TEST_RUN("cd %s && ovsdb-tool create conf.db %s", folder, schema);
	ovsdb = spawn("ovsdb-server conf.db --remote=punix:$PWD/db.sock --unixctl=$PWD/db.ctl");
	TEST_RUN("cd %s && for i in $(seq 100); do [ -e db.sock ] && break; sleep 0.1; done; "
		 "timeout 10 ovs-vsctl --db=unix:$PWD/db.sock --no-wait init", folder);
	vswitchd = spawn("ovs-vswitchd unix:$PWD/db.sock --disable-system --unixctl=$PWD/vs.ctl");
	TEST_RUN("cd %s && timeout 30 ovs-vsctl --db=unix:$PWD/db.sock add-br br0 -- set bridge br0 datapath_type=netdev -- "
		 "add-bond br0 bond0 far1 far2 %s", folder, bond);
	TEST_RUN("nsenter -t %d -n sh -c 'ip addr add 10.66.0.2/24 dev br0 && ip link set br0 up'", there);
}

static void stop_one(pid_t pid)
{
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	waitpid(pid, NULL, 0);
}

static void stop_ovs(void)
{
	stop_one(vswitchd);
	stop_one(ovsdb);
}

static bool ovs_says(const char *command, const char *what)
{
	return !test_run("cd %s && ovs-appctl -t $PWD/vs.ctl %s | grep -q '%s'", folder, command, what);
}

static unsigned victim;

/* In the background: the loop goes on. */
static void cut(void)
{
	TEST_RUN("ip link set tm%u down &", victim);
}

/* Both ends say that all is well, and the bridge, which starts on its own time, answers. */
static void wait_for_ovs(void)
{
	bool ok = false;

	for (unsigned i = 0; i < 100 && !ok; i++) {
		TEST_UNTIL(loop, active() == MEMBERS);
		for (unsigned j = 0; j < 100; j++)
			hv_loop_run_once(loop, TEST_MS);
		ok = active() == MEMBERS && !ovs_says("bond/show bond0", "member far.: disabled");
	}
	for (unsigned i = 0; i < 20 && lost_pings(1, 56, NULL); i++)
		;
	CU_ASSERT_FATAL(ok);
}

static void lacp_with_open_vswitch(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_LACP, .algorithm = VSWITCH_TEAM_TRANSPORT, .lacp_fast = true };
	struct vswitch_member_status a, b;
	unsigned lost;

	if (!have_ovs() || !begin(&c, 0))
		return;
	start_ovs("lacp=active bond_mode=balance-tcp -- set port bond0 other_config:lacp-time=fast");
	wait_for_ovs();
	CU_ASSERT(ovs_says("lacp/show bond0", "status: active negotiated"));
	CU_ASSERT_FALSE(ovs_says("lacp/show bond0", "attached.*defaulted\\|detached"));
	a = status(1);
	CU_ASSERT_EQUAL(a.actor.state, 0x3f);
	CU_ASSERT_EQUAL(a.partner.state & 0x3c, 0x3c);
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
	CU_ASSERT_EQUAL(lost_pings(20, 4000, NULL), 0);		/* fragments */
	a = status(1);
	b = status(2);
	victim = a.stats.out_frames > b.stats.out_frames ? 1 : 2;
	lost = lost_pings(200, 56, cut);			/* the one that they go by */
	CU_ASSERT(lost < MOST_LOST);
	CU_ASSERT_EQUAL(active(), 1);
	CU_ASSERT_EQUAL(status(victim).stats.failures, 1);
	TEST_RUN("ip link set tm%u up", victim);
	wait_for_ovs();
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
	stop_ovs();
	end();
}

static void partner_that_falls_silent_is_noticed(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_LACP, .algorithm = VSWITCH_TEAM_TRANSPORT, .lacp_fast = true,
					 .lacp_passive = true };
	uint64_t since;

	if (!have_ovs() || !begin(&c, 0))
		return;
	start_ovs("lacp=active bond_mode=balance-tcp");
	wait_for_ovs();
	since = hv_now_ns();
	CU_ASSERT_FATAL(!kill(vswitchd, SIGSTOP));
	CU_ASSERT(TEST_UNTIL(loop, active() == 0));
	CU_ASSERT(hv_now_ns() - since < 4500 * TEST_MS);	/* three seconds after its last word */
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	CU_ASSERT_FATAL(!kill(vswitchd, SIGCONT));
	wait_for_ovs();
	CU_ASSERT_EQUAL(lost_pings(20, 56, NULL), 0);
	stop_ovs();
	end();
}

/* ---- the kernel's bridge ---- */

static void start_bridge(void)
{
	TEST_RUN("nsenter -t %d -n sh -c 'ip link add br0 type bridge && ip link set far1 master br0 && ip link set far2 master br0 && "
		 "ip addr add 10.66.0.2/24 dev br0 && ip link set br0 up'", there);
}

static void independent_team_at_a_bridge(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT };
	unsigned lost;

	for (c.algorithm = VSWITCH_TEAM_DYNAMIC; c.algorithm <= VSWITCH_TEAM_PORT; c.algorithm++) {
		if (!begin(&c, 0))
			return;
		start_bridge();
		CU_ASSERT(TEST_UNTIL(loop, active() == 2));
		CU_ASSERT_EQUAL(lost_pings(20, 56, NULL), 0);
		CU_ASSERT_EQUAL(lost_pings(20, 4000, NULL), 0);
		victim = c.algorithm == VSWITCH_TEAM_PORT && !status(1).stats.out_frames ? 2 : 1;
		lost = lost_pings(200, 56, cut);
		CU_ASSERT(lost < MOST_LOST);
		CU_ASSERT_EQUAL(active(), 1);
		TEST_RUN("ip link set tm%u up", victim);
		CU_ASSERT(TEST_UNTIL(loop, active() == 2));
		CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
		end();
	}
}

static void standby_at_a_bridge(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT, .algorithm = VSWITCH_TEAM_TRANSPORT };
	unsigned lost;

	if (!begin(&c, 2))
		return;
	start_bridge();
	CU_ASSERT(TEST_UNTIL(loop, active() == 1 && status(2).state == VSWITCH_MEMBER_STANDBY));
	victim = 1;
	lost = lost_pings(200, 56, cut);
	CU_ASSERT(lost < MOST_LOST);
	CU_ASSERT_EQUAL(status(2).state, VSWITCH_MEMBER_ACTIVE);
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, status(2).state == VSWITCH_MEMBER_STANDBY && status(1).state == VSWITCH_MEMBER_ACTIVE));
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
	end();
}

static void delays_are_kept(void)
{
	struct vswitch_team_config c = { .mode = VSWITCH_TEAM_INDEPENDENT, .updelay_ms = 300, .downdelay_ms = 200 };
	uint64_t since;

	if (!begin(&c, 0))
		return;
	since = hv_now_ns();
	CU_ASSERT(TEST_UNTIL(loop, active() == 2));
	CU_ASSERT(hv_now_ns() - since >= 250 * TEST_MS);
	since = hv_now_ns();
	TEST_RUN("ip link set tm1 down");
	CU_ASSERT(TEST_UNTIL(loop, active() == 1));
	CU_ASSERT(hv_now_ns() - since >= 200 * TEST_MS);
	since = hv_now_ns();
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, active() == 2));
	CU_ASSERT(hv_now_ns() - since >= 300 * TEST_MS);
	/* Shorter than the delay: nothing happens. */
	TEST_RUN("ip link set tm1 down");
	CU_ASSERT(TEST_UNTIL(loop, !status(1).link));
	TEST_RUN("ip link set tm1 up");
	CU_ASSERT(TEST_UNTIL(loop, status(1).link));
	for (unsigned i = 0; i < 300; i++)
		hv_loop_run_once(loop, TEST_MS);
	CU_ASSERT_EQUAL(status(1).stats.failures, 1);
	end();
}

static const struct hv_test tests[] = {
	{ "LACP with Open vSwitch", lacp_with_open_vswitch },
	{ "a partner that falls silent is noticed", partner_that_falls_silent_is_noticed },
	{ "an independent team at a bridge", independent_team_at_a_bridge },
	{ "standby at a bridge", standby_at_a_bridge },
	{ "delays are kept", delays_are_kept },
};

int main(void)
{
	find_ovs();
	signal(SIGPIPE, SIG_IGN);
	permitted = test_net_enter();
	return hv_test_main("vswitch/team_peers", tests, sizeof(tests) / sizeof(tests[0]));
}
