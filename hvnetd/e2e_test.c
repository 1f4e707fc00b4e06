/* SPDX-License-Identifier: MIT */
/* The daemon as a process, driven over its control socket by good and bad clients. */
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "hvnetd/test_daemon.h"

static void starts_and_stops(void)
{
	struct hvnet_client *c;
	struct stat st;
	json_t *v;
	pid_t pid;

	make_dir();
	pid = start(&c);
	CU_ASSERT_EQUAL(stat(control, &st), 0);
	CU_ASSERT_TRUE(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0666);
	v = call(c, "version", "{}");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "pid")), pid);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "runtime_dir")), dir);
	json_decref(v);
	v = call(c, "stats.get", "{}");
	CU_ASSERT_TRUE(json_integer_value(json_object_get(json_object_get(v, "worker"), "rounds")) > 0);
	json_decref(v);
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	CU_ASSERT_TRUE(exists("vm-a"));
	stop(pid);
	CU_ASSERT_FALSE(exists("vm-a"));
	hvnet_disconnect(c);
	pid = start(&c);
	kill(pid, SIGINT);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	hvnet_disconnect(c);
	remove_dir();
}

static void objects(void)
{
	static const struct {
		const char *method, *params;
		int code;
	} rows[] = {
		{ "switch.create", "{\"name\":\"lab\"}", RPC_IN_USE },
		{ "switch.create", "{\"name\":\"a/b\"}", RPC_INVALID_PARAMS },
		{ "switch.create", "{\"name\":\"x\",\"type\":\"bridge\"}", RPC_INVALID_PARAMS },
		{ "switch.create", "{\"name\":\"x\",\"type\":\"tap\"}", RPC_INVALID_PARAMS },
		{ "switch.create", "{\"name\":\"x\",\"interface\":\"tap0\"}", RPC_INVALID_PARAMS },
		{ "switch.create", "{\"name\":\"x\",\"colour\":1}", RPC_INVALID_PARAMS },
		{ "switch.list", "{\"switch\":\"x\"}", RPC_NOT_FOUND },
		{ "switch.create", "{\"name\":\"x\"}", 0 },
		{ "vm.add", "{\"name\":\"a\"}", RPC_INVALID_PARAMS },
		{ "vm.add", "{\"name\":\"a\",\"vcpus\":0}", RPC_INVALID_PARAMS },
		{ "vm.add", "{\"name\":\"a\",\"vcpus\":241}", RPC_INVALID_PARAMS },
		{ "vm.add", "{\"name\":\"../a\",\"vcpus\":1}", RPC_INVALID_PARAMS },
		{ "vm.add", "{\"name\":\"a\",\"vcpus\":4}", 0 },
		{ "vm.add", "{\"name\":\"a\",\"vcpus\":4}", RPC_IN_USE },
		{ "vm.add", "{\"name\":\"b\",\"vcpus\":1}", 0 },
		{ "adapter.add", "{\"switch\":\"nope\",\"vm\":\"a\"}", RPC_NOT_FOUND },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"nope\"}", RPC_NOT_FOUND },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"name\":\"old\",\"model\":\"82545em\"}", 0 },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"name\":\"old\"}", RPC_IN_USE },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"model\":\"ne2000\"}", RPC_INVALID_PARAMS },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"mtu\":9000}", RPC_INVALID_PARAMS },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"model\":\"82540em\"}", RPC_INVALID_PARAMS },
		{ "adapter.set", "{\"adapter\":\"a/old\",\"link\":\"down\"}", 0 },
		{ "adapter.set", "{\"adapter\":\"a/old\",\"switch\":\"\"}", 0 },
		{ "adapter.set", "{\"adapter\":\"a/old\",\"switch\":\"lab\"}", 0 },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"virtio\"}", RPC_INVALID_PARAMS },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"mac\":\"01:00:5e:00:00:01\"}", RPC_INVALID_PARAMS },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"mtu\":100}", RPC_INVALID_PARAMS },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"mac\":\"02:00:00:00:00:01\"}", 0 },
		{ "adapter.add", "{\"switch\":\"x\",\"vm\":\"b\",\"mac\":\"02-00-00-00-00-01\"}", RPC_IN_USE },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"name\":\"nic0\"}", RPC_IN_USE },
		{ "adapter.add", "{\"switch\":\"lab\",\"vm\":\"b\",\"name\":\"lan\"}", 0 },
		{ "adapter.set", "{\"adapter\":\"b/lan\",\"link\":\"sideways\"}", RPC_INVALID_PARAMS },
		{ "adapter.set", "{\"adapter\":\"b/lan\",\"link\":\"down\"}", 0 },
		{ "adapter.set", "{\"adapter\":\"b/lan\",\"switch\":\"x\"}", 0 },
		{ "adapter.set", "{\"adapter\":\"b/wan\",\"link\":\"up\"}", RPC_NOT_FOUND },
		{ "switch.delete", "{\"switch\":\"x\"}", RPC_IN_USE },
		{ "uplink.unbind", "{\"switch\":\"x\",\"name\":\"b/lan\"}", RPC_NOT_FOUND },
		{ "uplink.unbind", "{\"switch\":\"x\",\"name\":\"y\"}", RPC_NOT_FOUND },
		{ "uplink.bind", "{\"switch\":\"x\",\"kind\":\"wire\"}", RPC_INVALID_PARAMS },
		{ "uplink.bind", "{\"switch\":\"x\",\"kind\":\"tap\"}", RPC_INVALID_PARAMS },
		{ "uplink.bind", "{\"switch\":\"x\",\"kind\":\"nat\",\"path\":\"/p\"}", RPC_INVALID_PARAMS },
		{ "uplink.bind", "{\"switch\":\"x\",\"kind\":\"stream\",\"path\":\"p\"}", RPC_INVALID_PARAMS },
		{ "uplink.bind", "{\"switch\":\"x\",\"kind\":\"stream\",\"path\":\"/nonexistent/p\"}", RPC_FAILED },
		{ "adapter.set", "{\"adapter\":\"b/lan\",\"switch\":\"\"}", 0 },
		{ "switch.delete", "{\"switch\":\"x\"}", 0 },
		{ "switch.delete", "{\"switch\":\"lab\",\"force\":true}", 0 },
		{ "adapter.del", "{\"adapter\":\"b/lan\"}", 0 },
		{ "adapter.del", "{\"adapter\":\"b/lan\"}", RPC_NOT_FOUND },
		{ "vm.del", "{\"vm\":\"a\"}", 0 },
		{ "vm.del", "{\"vm\":\"a\"}", RPC_NOT_FOUND },
		{ "fdb.list", "{\"switch\":\"lab\"}", RPC_NOT_FOUND },
	};
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	pid = start(&c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code = code_of(c, rows[i].method, rows[i].params);

		if (code == rows[i].code)
			continue;
		printf("%s %s: %d %s\n", rows[i].method, rows[i].params, code, err.message);
		CU_FAIL("another code");
	}
	CU_ASSERT_EQUAL(count(c, "vm.list", "vms"), 1);
	CU_ASSERT_EQUAL(count(c, "adapter.list", "adapters"), 0);
	CU_ASSERT_EQUAL(count(c, "switch.list", "switches"), 0);
	CU_ASSERT_FALSE(exists("vm-a"));
	CU_ASSERT_FALSE(exists("vm-a:old"));
	CU_ASSERT_TRUE(exists("vm-b"));
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static void same_address_again(void)
{
	char mac[256];
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	for (int i = 0; i < 2; i++) {
		pid = start(&c);
		CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
		CU_ASSERT_EQUAL(code_of(c, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\"}"), 0);
		if (i)
			CU_ASSERT_STRING_EQUAL(mac, member(c, "adapter.list", "adapters", "mac"));
		snprintf(mac, sizeof(mac), "%s", member(c, "adapter.list", "adapters", "mac"));
		CU_ASSERT_EQUAL(strlen(mac), 17);
		hvnet_disconnect(c);
		stop(pid);
	}
	remove_dir();
}

static void scoped(void)
{
	struct hvnet_client *c, *other;
	pid_t pid, client;

	make_dir();
	pid = start(&c);
	other = connect_soon();
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	CU_ASSERT_EQUAL(code_of(other, "vm.add", "{\"name\":\"b\",\"vcpus\":1,\"scoped\":true}"), 0);
	CU_ASSERT_EQUAL(code_of(other, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"b\"}"), 0);
	CU_ASSERT_TRUE(exists("vm-b"));
	hvnet_disconnect(other);
	CU_ASSERT_TRUE(vms_become(c, 1));
	CU_ASSERT_EQUAL(count(c, "adapter.list", "adapters"), 0);
	CU_ASSERT_FALSE(exists("vm-b"));

	client = fork();
	if (!client) {
		other = connect_soon();
		code_of(other, "vm.add", "{\"name\":\"c\",\"vcpus\":1,\"scoped\":true}");
		pause();
		_exit(0);
	}
	CU_ASSERT_TRUE(vms_become(c, 2));
	kill(client, SIGKILL);
	CU_ASSERT_EQUAL(wait_exit(client), -SIGKILL);
	CU_ASSERT_TRUE(vms_become(c, 1));
	CU_ASSERT_STRING_EQUAL(member(c, "vm.list", "vms", "name"), "a");
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static void second_daemon(void)
{
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	pid = start(&c);
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-default-switch")), 3);
	CU_ASSERT_TRUE(output_has("another hvnetd answers"));
	CU_ASSERT_EQUAL(code_of(c, "version", "{}"), 0);
	CU_ASSERT_TRUE(exists("control"));
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

/* Somebody else on the control socket's path: one that hangs up, as a dying daemon's socket does, or one that is mute. */
static pid_t squat(bool hang_up)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	strcpy(addr.sun_path, control);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8) || (pid = fork()) < 0)
		abort();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int c; hang_up && (c = accept(fd, NULL, NULL)) >= 0;)
			close(c);
		pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

static void squatters(void)
{
	struct hvnet_client *c;
	pid_t pid, other;

	make_dir();
	other = squat(false);
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-default-switch")), 3);
	CU_ASSERT_TRUE(output_has("without answering"));
	kill(other, SIGKILL);
	wait_exit(other);
	unlink(control);
	other = squat(true);
	pid = SPAWN("--no-default-switch");
	usleep(100000);
	kill(other, SIGKILL);
	wait_exit(other);
	c = connect_to(pid);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static void killed_daemon(void)
{
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	pid = start(&c);
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(wait_exit(pid), -SIGKILL);
	CU_ASSERT_TRUE(exists("control") && exists("vm-a"));
	CU_ASSERT_EQUAL(code_of(c, "version", "{}"), 0);	/* no code: not reached */
	CU_ASSERT_TRUE(strstr(err.message, "broke off") != NULL);
	hvnet_disconnect(c);
	pid = start(&c);
	CU_ASSERT_TRUE(output_has("replacing"));
	CU_ASSERT_FALSE(exists("vm-a"));
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	hvnet_disconnect(c);
	stop(pid);
	CU_ASSERT_FALSE(exists("vm-a"));
	remove_dir();
}

static void refuse_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(96);
}

static void start_up_errors(void)
{
	static const char *const none[] = { "--no-default-switch", NULL };
	FILE *f;

	make_dir();
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-such-option")), 2);
	CU_ASSERT_TRUE(output_has("--no-such-option") && output_has("hvnetd --help"));
	CU_ASSERT_EQUAL(wait_exit(spawn_as(0, refuse_io_uring, none)), 4);
	CU_ASSERT_TRUE(output_has("io_uring is forbidden"));
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--log-level=info")), 1);	/* there is no NAT program */
	CU_ASSERT_TRUE(output_has("nat cannot be run"));
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--runtime-dir=/proc/nothing", "--no-default-switch")), 1);
	CU_ASSERT_TRUE(output_has("--runtime-dir"));
	f = fopen(control, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fclose(f);
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-default-switch")), 1);
	CU_ASSERT_TRUE(output_has("is no socket"));
	CU_ASSERT_TRUE(exists("control"));	/* somebody's file */
	unlink(control);
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-default-switch", "--check")), 0);
	CU_ASSERT_TRUE(output_has("fine"));
	CU_ASSERT_FALSE(exists("control"));
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--help")), 0);
	CU_ASSERT_TRUE(output_has("Usage: hvnetd"));
	remove_dir();
}

static void nat_comes_back(void)
{
	struct hvnet_client *c;
	char first[256];
	pid_t pid;
	bool back = false;

	make_dir();
	make_nat(LIVING_NAT);
	pid = SPAWN("--log-level=info");
	c = connect_soon();
	CU_ASSERT_STRING_EQUAL(member(c, "switch.list", "switches", "name"), "Default Switch");
	CU_ASSERT_STRING_EQUAL(member(c, "uplink.list", "uplinks", "kind"), "nat");
	snprintf(first, sizeof(first), "%s", member(c, "uplink.list", "uplinks", "pid"));
	CU_ASSERT_TRUE_FATAL(atoi(first) > 1);
	kill(atoi(first), SIGKILL);
	for (int i = 0; i < PATIENCE_MS / 10 && !back; i++) {
		const char *now = member(c, "uplink.list", "uplinks", "pid");

		back = *now && strcmp(now, first) != 0;
		usleep(10000);
	}
	CU_ASSERT_TRUE(back);
	CU_ASSERT_STRING_EQUAL(member(c, "uplink.list", "uplinks", "restarts"), "1");
	CU_ASSERT_TRUE(output_has("next try in 1 s"));
	snprintf(first, sizeof(first), "%s", member(c, "uplink.list", "uplinks", "pid"));
	hvnet_disconnect(c);
	stop(pid);
	CU_ASSERT_TRUE(kill(atoi(first), 0) < 0 && errno == ESRCH);	/* it ended with the daemon */
	remove_dir();
}

/* Clients that behave badly. */

static const char stats_request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats.get\"}\n";

static int raw_connect(void)
{
	int fd = connect_unix(control);

	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
		abort();
	return fd;
}

static bool closed_soon(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096];

	while (poll(&p, 1, PATIENCE_MS) == 1) {
		ssize_t n = read(fd, text, sizeof(text));

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
	}
	return false;
}

static char *raw(struct hvnet_client *c, const char *text)
{
	return hvnet_raw_call(c, text, strlen(text), &err);
}

static void bad_clients(void)
{
	static char big[(1 << 20) + 65536];
	struct hvnet_client *c, *other;
	int fd[140], slow, stuck = 0;
	char *line;
	pid_t pid;

	make_dir();
	pid = start(&c);
	/* Neither line ends nor sense: a short line is answered, one too long costs the connection. */
	other = connect_soon();
	line = raw(other, "rubbish\n");
	CU_ASSERT_TRUE(line && strstr(line, "-32700"));
	free(line);
	line = raw(other, "\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n");
	CU_ASSERT_TRUE(line && strstr(line, "-32601"));
	free(line);
	memset(big, 'x', sizeof(big));
	line = hvnet_raw_call(other, big, sizeof(big), &err);
	CU_ASSERT_TRUE(!line || strstr(line, "-32600"));
	free(line);
	CU_ASSERT_TRUE(closed_soon(hvnet_client_fd(other)));
	hvnet_disconnect(other);

	/* One that never reads its answers is no longer read from, and others are served. */
	slow = raw_connect();
	for (int i = 0; i < 100000 && stuck < 100; i++) {
		bool full = send(slow, stats_request, sizeof(stats_request) - 1, MSG_NOSIGNAL) < 0;

		stuck = full && errno == EAGAIN ? stuck + 1 : 0;
		usleep(stuck ? 1000 : 0);
	}
	CU_ASSERT_EQUAL(stuck, 100);
	CU_ASSERT_EQUAL(code_of(c, "version", "{}"), 0);
	close(slow);

	/* More connections than there is room for. */
	for (int i = 0; i < 140; i++)
		fd[i] = raw_connect();
	CU_ASSERT_EQUAL(code_of(c, "version", "{}"), 0);
	CU_ASSERT_TRUE(closed_soon(fd[139]));
	for (int i = 0; i < 140; i++)
		close(fd[i]);
	other = connect_soon();
	for (int i = 0; i < 100 && code_of(other, "version", "{}"); i++)
		usleep(1000);
	CU_ASSERT_EQUAL(code_of(other, "version", "{}"), 0);
	hvnet_disconnect(other);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

/*
 * What is asked before the sending side is closed is answered, all of it, although the answers are far
 * more than fits into a socket and stop the daemon's reading again and again.
 */
static void half_close(void)
{
	enum { REQUESTS = 3000 };
	struct hvnet_client *c;
	char text[65536];
	unsigned lines = 0;
	ssize_t n;
	pid_t pid, sender;
	int fd;

	make_dir();
	pid = start(&c);
	fd = raw_connect();
	fcntl(fd, F_SETFL, 0);
	sender = fork();
	if (!sender) {
		for (int i = 0; i < REQUESTS; i++)
			if (send(fd, stats_request, sizeof(stats_request) - 1, MSG_NOSIGNAL) < 0)
				_exit(1);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	usleep(200000);		/* the answers pile up meanwhile */
	alarm(60);
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	alarm(0);
	CU_ASSERT_EQUAL(wait_exit(sender), 0);
	CU_ASSERT_EQUAL(lines, REQUESTS);
	close(fd);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

/* A stranger, one whose first group is the group, one who has it among others. 0: as it should be. */
static int try_as(int who)
{
	const struct group *group = getgrnam("users");
	struct hvnet_client *mine;
	gid_t gid = group ? group->gr_gid : 0;
	int code;

	if (!group || setgroups(who == 2 ? 1 : 0, &gid) || setgid(who == 1 ? gid : 65534) || setuid(65534) ||
	    hvnet_connect(control, &mine, &err))
		return 1;
	code = code_of(mine, "vm.add", who == 1 ? "{\"name\":\"a\",\"vcpus\":1}" : "{\"name\":\"b\",\"vcpus\":1}");
	if (who)
		return code ? 2 : 0;
	return code == RPC_DENIED ? 0 : 3;
}

/* Another user: only root can try that. */
static void other_users(void)
{
	static const char *const args[] = { "--no-default-switch", "--switch=lab=private", NULL };
	struct hvnet_client *c;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	make_dir();
	pid = start(&c);
	if (!(status = fork())) {
		struct hvnet_client *mine;

		if (setgid(65534) || setuid(65534) || hvnet_connect(control, &mine, &err))
			_exit(1);
		if (code_of(mine, "vm.add", "{\"name\":\"a\",\"vcpus\":1}") != RPC_DENIED)
			_exit(2);
		if (code_of(mine, "switch.list", "{}"))
			_exit(3);
		_exit(0);
	}
	CU_ASSERT_EQUAL(wait_exit(status), 0);
	CU_ASSERT_EQUAL(count(c, "vm.list", "vms"), 0);
	hvnet_disconnect(c);
	stop(pid);

	/* Unless told so, others may not even look; the group's members may do all, whichever of their groups it is. */
	pid = SPAWN("--no-default-switch", "--switch=lab=private", "--group=users");
	c = connect_to(pid);
	for (int i = 0; i < 3; i++) {
		status = fork();
		if (!status)
			_exit(try_as(i));
		CU_ASSERT_EQUAL(wait_exit(status), 0);
	}
	CU_ASSERT_EQUAL(count(c, "vm.list", "vms"), 2);
	hvnet_disconnect(c);
	stop(pid);

	/* The daemon without privileges, in a folder of its own; root may change things there too. */
	CU_ASSERT_EQUAL(chown(dir, 65534, 65534), 0);
	unlink(in_dir("output"));
	pid = spawn_as(65534, NULL, args);
	c = connect_soon();
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	CU_ASSERT_EQUAL(code_of(c, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\"}"), 0);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

/* After the start there is nothing left that could be misused. */
static void no_capabilities(void)
{
	char path[64], line[256];
	unsigned long long caps = 1;
	struct hvnet_client *c;
	unsigned seen = 0;
	pid_t pid;
	FILE *f;

	make_dir();
	pid = start(&c);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1 || sscanf(line, "CapPrm: %llx", &caps) == 1 ||
		    sscanf(line, "CapInh: %llx", &caps) == 1) {
			CU_ASSERT_EQUAL(caps, 0);
			seen++;
		}
	CU_ASSERT_EQUAL(seen, 3);
	fclose(f);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static const struct hv_test tests[] = {
	{ "starts, answers, stops and leaves nothing behind", starts_and_stops },
	{ "objects come and go, mistakes are named", objects },
	{ "an adapter has the same address after a restart", same_address_again },
	{ "what is scoped to a connection ends with it", scoped },
	{ "a second daemon leaves the first alone", second_daemon },
	{ "only who answers is a daemon", squatters },
	{ "a killed daemon's sockets are replaced", killed_daemon },
	{ "what hinders the start is said, with its own status", start_up_errors },
	{ "a NAT process that dies comes back", nat_comes_back },
	{ "bad clients hurt only themselves", bad_clients },
	{ "a half-closed connection gets all its answers", half_close },
	{ "other users may look; a daemon needs no privileges", other_users },
	{ "no capability is kept", no_capabilities },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/e2e", tests, sizeof(tests) / sizeof(tests[0]));
}
