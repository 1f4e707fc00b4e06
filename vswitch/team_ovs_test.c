/* SPDX-License-Identifier: MIT */
/*
 * A team and Open vSwitch with an LACP bond: its datapath in user space, with a database of its own. Where namespaces are not
 * permitted, or there is no Open vSwitch, the test is skipped.
 */
#include "vswitch/test_team.h"

static struct vswitch_team_config settings = {
	.mode = VSWITCH_TEAM_LACP, .algorithm = VSWITCH_TEAM_TRANSPORT, .lacp_fast = true,
};

static char schema[4096] = "/usr/share/openvswitch/vswitch.ovsschema";

/* Where the system has none, scripts/setup has unpacked one. Its own is not in everybody's PATH. */
static void find_ovs(void)
{
	const char *cache = getenv("CACHE"), *path = getenv("PATH");
	char longer[8192];

	if (!path)
		return;
	if (access(schema, R_OK) && cache) {
		snprintf(schema, sizeof(schema), "%s/openvswitch/usr/share/openvswitch/vswitch.ovsschema", cache);
		snprintf(longer, sizeof(longer), "%s/openvswitch/usr/bin:%s/openvswitch/usr/sbin:"
			 "%s/openvswitch/usr/lib/openvswitch-switch:%s", cache, cache, cache, path);
	} else {
		snprintf(longer, sizeof(longer), "%s:/usr/sbin", path);
	}
	setenv("PATH", longer, 1);
}

static bool have_ovs(void)
{
	/* Unpacked, not installed, it may lack a library. */
	if (!access(schema, R_OK) &&
	    !test_run("for i in ovs-vswitchd ovsdb-server ovsdb-tool ovs-vsctl ovs-appctl; do $i --version || exit 1; done "
		      ">/dev/null 2>&1"))
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

/* Twenty pings in a row, at last: what has happened at one end the other one follows on its own time. */
static bool pings_pass(void)
{
	for (unsigned i = 0; i < 20; i++)
		if (!lost_pings(20, 56, NULL))
			return true;
	return false;
}

/* Both ends say that all is well, and it is so: one that was stopped for longer than LACP's timeout says what was. */
static void wait_for_ovs(void)
{
	bool ok = false;

	for (unsigned i = 0; i < 100 && !ok; i++) {
		TEST_UNTIL(loop, active() == MEMBERS);
		for (unsigned j = 0; j < 100; j++)
			hv_loop_run_once(loop, TEST_MS);
		ok = active() == MEMBERS && !ovs_says("bond/show bond0", "member far.: disabled");
	}
	CU_ASSERT_FATAL(ok && pings_pass());
}

/* One way or the other: each end hears the other, and frames pass. */
static void works(void)
{
	CU_ASSERT(ovs_says("lacp/show bond0", "status: active negotiated"));
	CU_ASSERT_FALSE(ovs_says("lacp/show bond0", "attached.*defaulted\\|detached"));
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
	CU_ASSERT_EQUAL(lost_pings(20, 4000, NULL), 0);		/* fragments */
}

static void lose_a_member(void)
{
	struct vswitch_member_status a = status(1), b = status(2);

	victim = a.stats.out_frames > b.stats.out_frames ? 1 : 2;	/* the one that they go by */
	cut();
	CU_ASSERT(TEST_UNTIL(loop, active() == 1));
	CU_ASSERT(pings_pass());
	CU_ASSERT_EQUAL(status(victim).stats.failures, 1);
	TEST_RUN("ip link set tm%u up", victim);
	wait_for_ovs();
	CU_ASSERT_EQUAL(lost_pings(50, 56, NULL), 0);
}

/* Passive now: it speaks because Open vSwitch does. */
static void miss_the_partner(void)
{
	settings.lacp_passive = true;
	CU_ASSERT(!vswitch_team_set(team, &settings));
	wait_for_ovs();
	CU_ASSERT_EQUAL(status(1).actor.state, 0x3e);
	CU_ASSERT_FATAL(!kill(vswitchd, SIGSTOP));
	CU_ASSERT(TEST_UNTIL(loop, active() == 0));		/* three seconds after its last word */
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(team)));
	CU_ASSERT_FATAL(!kill(vswitchd, SIGCONT));
	wait_for_ovs();
	CU_ASSERT_EQUAL(lost_pings(20, 56, NULL), 0);
}

/* One test: to agree takes LACP two seconds each time. */
static void lacp_with_open_vswitch(void)
{
	if (!have_ovs() || !begin(&settings, 0))
		return;
	start_ovs("lacp=active bond_mode=balance-tcp -- set port bond0 other_config:lacp-time=fast");
	wait_for_ovs();
	CU_ASSERT_EQUAL(status(1).actor.state, 0x3f);
	CU_ASSERT_EQUAL(status(1).partner.state & 0x3c, 0x3c);
	works();
	lose_a_member();
	miss_the_partner();
	stop_ovs();
	end();
}

static const struct hv_test tests[] = {
	{ "LACP with Open vSwitch", lacp_with_open_vswitch },
};

int main(void)
{
	find_ovs();
	signal(SIGPIPE, SIG_IGN);
	permitted = test_net_enter();
	return hv_test_main("vswitch/team_ovs", tests, sizeof(tests) / sizeof(tests[0]));
}
