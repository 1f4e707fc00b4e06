/* SPDX-License-Identifier: MIT */
/*
 * Sharing an interface with the host: the test's namespace is the host, another one is a neighbour, which is pinged
 * all the time. The switch lives in a process of its own, which can be killed. Where that is not permitted the tests are skipped.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "vswitch/test_net.h"

static bool permitted;
static char folder[64], record[96];
static pid_t neighbour, switch_pid, ping_pid;
static int orders[2] = { -1, -1 };	/* to the switch's process: socket pair */

/* A process that only keeps a namespace. */
static pid_t make_neighbour(void)
{
	int ready[2];
	char c;
	pid_t pid;

	CU_ASSERT_FATAL(!pipe(ready));
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET))
			_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[0]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	CU_ASSERT_FATAL(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

static void end_process(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* The switch's process: does what it is told by letters, answers with a result. */
static void switch_main(int fd)
{
	struct vswitch_config config = { .name = "t" };
	struct vswitch_uplink *uplink, *adapter;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct hv_loop *loop;
	struct vswitch *sw;
	int ret;
	char c;

	if (hv_loop_create(&loop) || vswitch_create(loop, &config, &sw) ||
	    vswitch_uplink_packet(sw, loop, "hs0", NULL, NULL, &uplink) ||
	    vswitch_uplink_tap(sw, loop, "hshost", VSWITCH_NIC_INTERNAL, &adapter))
		_exit(1);
	if (write(fd, "", 1) != 1)
		_exit(1);
	for (;;) {
		hv_loop_run_once(loop, TEST_MS);
		if (poll(&p, 1, 0) <= 0)
			continue;
		if (read(fd, &c, 1) != 1)
			_exit(0);
		ret = c == 's' ? vswitch_host_share("hs0", "hshost", record) : vswitch_host_unshare(record);
		if (write(fd, &ret, sizeof(ret)) != sizeof(ret))
			_exit(1);
	}
}

static void start_switch(void)
{
	char ready;

	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM, 0, orders));
	switch_pid = fork();
	if (!switch_pid) {
		close(orders[0]);
		switch_main(orders[1]);
	}
	close(orders[1]);
	CU_ASSERT_FATAL(read(orders[0], &ready, 1) == 1);
}

static int order(char c)
{
	int ret = -1;

	CU_ASSERT_FATAL(write(orders[0], &c, 1) == 1);
	CU_ASSERT_FATAL(read(orders[0], &ret, sizeof(ret)) == sizeof(ret));
	return ret;
}

static bool begin(void)
{
	if (!permitted) {
		hv_test_skip("no network namespace here");
		return false;
	}
	strcpy(folder, "/tmp/hvnet-host-test.XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
	snprintf(record, sizeof(record), "%s/share", folder);
	neighbour = make_neighbour();
	TEST_RUN("ip link add hs0 type veth peer name hs1 && ip link set hs1 netns %d && ip link set lo up", neighbour);
	TEST_RUN("nsenter -t %d -n sh -c 'ip addr add 10.77.0.2/24 dev hs1; ip addr add fd77::2/64 dev hs1 nodad; "
		 "ip addr add 10.88.0.1/32 dev lo; ip link set lo up; ip link set hs1 up'", neighbour);
	TEST_RUN("ip link set hs0 mtu 1400 && ip addr add 10.77.0.1/24 dev hs0 && ip addr add fd77::1/64 dev hs0 nodad && "
		 "ip addr add 10.77.0.9/24 dev hs0 && ip link set hs0 up && ip route add default via 10.77.0.2 metric 5 && "
		 "ip route add 10.99.0.0/16 via 10.88.0.1 dev hs0 onlink table 77 && ip -6 route add fd99::/64 via fd77::2 dev hs0");
	start_switch();
	return true;
}

static void end(void)
{
	end_process(&ping_pid);
	end_process(&switch_pid);
	close(orders[0]);
	end_process(&neighbour);
	test_run("ip link delete hs0 2>/dev/null; rm -rf %s", folder);
}

static bool has(const char *interface, const char *what)
{
	return !test_run("(ip addr show dev %s; ip -6 addr show dev %s; ip route show table all dev %s; "
			 "ip -6 route show dev %s) | grep -q '%s'", interface, interface, interface, interface, what);
}

static const char *const settings[] = {
	"inet 10.77.0.1/24", "inet 10.77.0.9/24", "inet6 fd77::1/64", "default via 10.77.0.2 .*metric 5",
	"10.99.0.0/16 via 10.88.0.1.* table 77", "fd99::/64 via fd77::2",
};

/* All settings are on this interface, and none on that. */
static void all_on(const char *here, const char *not_there)
{
	for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!has(here, settings[i]) || (not_there && has(not_there, settings[i])))
			printf("%s: %s\n", here, settings[i]);
		CU_ASSERT(has(here, settings[i]));
		if (not_there)
			CU_ASSERT_FALSE(has(not_there, settings[i]));
	}
}

static bool pings(const char *address)
{
	return !test_run("ping -q -c 3 -i 0.05 -W 2 %s >/dev/null", address);
}

/* Pings every 10 ms until it is ended; its words go to a file. */
static void start_ping(void)
{
	ping_pid = fork();
	if (!ping_pid) {
		char out[128];

		snprintf(out, sizeof(out), "%s/ping", folder);
		if (!freopen(out, "w", stdout))
			_exit(1);
		execlp("ping", "ping", "-i", "0.01", "-O", "10.77.0.2", (char *)NULL);
		_exit(1);
	}
	usleep(200000);
}

static void stop_ping(unsigned most_lost)
{
	char file[128], line[256];
	unsigned sent = 0, received = 0;
	bool duplicates = false;
	FILE *f;

	kill(ping_pid, SIGINT);
	waitpid(ping_pid, NULL, 0);
	ping_pid = 0;
	snprintf(file, sizeof(file), "%s/ping", folder);
	f = fopen(file, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f)) {
		duplicates |= strstr(line, "DUP!") || strstr(line, "duplicates");
		sscanf(line, "%u packets transmitted, %u received", &sent, &received);
	}
	fclose(f);
	printf("(%u of %u pings lost) ", sent - received, sent);
	CU_ASSERT(sent > 30);
	CU_ASSERT(sent - received <= most_lost);
	CU_ASSERT_FALSE(duplicates);
}

static void host_keeps_its_network(void)
{
	char mac[64] = "";
	FILE *f;

	if (!begin())
		return;
	CU_ASSERT(pings("10.77.0.2"));
	start_ping();
	CU_ASSERT_EQUAL(order('s'), 0);
	usleep(200000);
	all_on("hshost", "hs0");
	CU_ASSERT(pings("10.77.0.2"));
	CU_ASSERT(pings("fd77::2"));
	CU_ASSERT(pings("10.88.0.1"));			/* by the default route */
	CU_ASSERT_EQUAL(test_run("nsenter -t %d -n ping -q -c 3 -i 0.05 -W 2 10.77.0.9 >/dev/null", neighbour), 0);
	f = popen("ip -br link show hs0 | tr -s ' ' | cut -d' ' -f3", "r");
	CU_ASSERT(f && fgets(mac, sizeof(mac), f));
	if (f)
		pclose(f);
	mac[strcspn(mac, "\n")] = '\0';
	CU_ASSERT_EQUAL(test_run("ip link show hshost | grep -q 'ether %s'", mac), 0);
	CU_ASSERT(has("hshost", "mtu 1400"));
	CU_ASSERT_EQUAL(order('s'), -EEXIST);
	CU_ASSERT_EQUAL(order('u'), 0);
	usleep(200000);
	all_on("hs0", "hshost");
	CU_ASSERT(pings("10.77.0.2"));
	CU_ASSERT_NOT_EQUAL(test_run("ip link show hshost | grep -q 'ether %s'", mac), 0);
	CU_ASSERT_EQUAL(order('u'), -ENOENT);
	stop_ping(5);
	end();
}

static void record_puts_back_after_a_kill(void)
{
	if (!begin())
		return;
	CU_ASSERT_EQUAL(order('s'), 0);
	CU_ASSERT(pings("10.77.0.2"));
	end_process(&switch_pid);			/* the tap goes with it */
	CU_ASSERT_FALSE(pings("10.77.0.2"));
	CU_ASSERT_EQUAL(vswitch_host_unshare(record), 0);
	all_on("hs0", NULL);
	CU_ASSERT(pings("10.77.0.2"));
	CU_ASSERT(pings("fd77::2"));
	CU_ASSERT_EQUAL(vswitch_host_unshare(record), -ENOENT);
	end();
}

static void what_changed_meanwhile_comes_back(void)
{
	if (!begin())
		return;
	CU_ASSERT_EQUAL(order('s'), 0);
	TEST_RUN("ip addr del 10.77.0.9/24 dev hshost && ip addr add 10.77.0.10/24 dev hshost");
	CU_ASSERT_EQUAL(order('u'), 0);
	CU_ASSERT(has("hs0", "inet 10.77.0.10/24"));
	CU_ASSERT_FALSE(has("hs0", "inet 10.77.0.9/24"));
	CU_ASSERT(pings("10.77.0.2"));
	end();
}

static void failures_leave_all_as_it_was(void)
{
	if (!begin())
		return;
	CU_ASSERT_EQUAL(vswitch_host_share("nothere", "hshost", record), -ENODEV);
	CU_ASSERT_EQUAL(vswitch_host_share("hs0", "nothere", record), -ENODEV);
	CU_ASSERT(access(record, F_OK));
	CU_ASSERT_EQUAL(vswitch_host_share("hs0", "lo", record), -EINVAL);
	CU_ASSERT_EQUAL(vswitch_host_share("hs0", "hs0", record), -EINVAL);
	CU_ASSERT(access(record, F_OK));
	TEST_RUN("ip link set hs0 mtu 65535");		/* more than a tap can: fails half way */
	CU_ASSERT_EQUAL(vswitch_host_share("hs0", "hshost", record), -EINVAL);
	CU_ASSERT(access(record, F_OK));
	CU_ASSERT(!has("hshost", "10.77"));
	TEST_RUN("ip link set hs0 mtu 1400");
	all_on("hs0", NULL);
	CU_ASSERT(pings("10.77.0.2"));
	snprintf(record, sizeof(record), "%s/no/such", folder);
	CU_ASSERT_EQUAL(vswitch_host_share("hs0", "hshost", record), -ENOENT);
	all_on("hs0", NULL);
	end();
}

static void damaged_records_are_refused(void)
{
	FILE *f;
	long size;

	if (!begin())
		return;
	CU_ASSERT_EQUAL(order('s'), 0);
	CU_ASSERT_EQUAL(order('u'), 0);
	CU_ASSERT_EQUAL(order('s'), 0);
	f = fopen(record, "r+");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	TEST_RUN("cp %s %s.whole", record, record);
	fseek(f, size / 2, SEEK_SET);
	fputc('z', f);
	fclose(f);
	CU_ASSERT_EQUAL(order('u'), -EBADMSG);
	for (long n = 0; n < size; n += 37) {		/* half of it */
		TEST_RUN("head -c %ld %s.whole >%s", n, record, record);
		CU_ASSERT_EQUAL(vswitch_host_unshare(record), -EBADMSG);
	}
	CU_ASSERT(pings("10.77.0.2"));			/* nothing was changed */
	all_on("hshost", "hs0");
	/* One from before a reboot is only removed. */
	TEST_RUN("sed -e 's/^boot .*/boot 00000000-0000-0000-0000-000000000000/' -e '/^sum/d' %s.whole >%s", record, record);
	CU_ASSERT_EQUAL(vswitch_host_unshare(record), -EBADMSG);
	TEST_RUN("cp %s.whole %s", record, record);
	CU_ASSERT_EQUAL(order('u'), 0);
	all_on("hs0", "hshost");
	end();
}

static const struct hv_test tests[] = {
	{ "the host keeps its network", host_keeps_its_network },
	{ "the record puts back after a kill", record_puts_back_after_a_kill },
	{ "what changed meanwhile comes back", what_changed_meanwhile_comes_back },
	{ "failures leave all as it was", failures_leave_all_as_it_was },
	{ "damaged records are refused", damaged_records_are_refused },
};

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	permitted = test_net_enter();
	return hv_test_main("vswitch/host", tests, sizeof(tests) / sizeof(tests[0]));
}
