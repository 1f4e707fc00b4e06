/* SPDX-License-Identifier: MIT */
/* hvnet-qemu against the daemon, with a script in QEMU's place: whatever ends, nothing is left over. */
#include "hvnetd/test_daemon.h"

static char launcher[PATH_MAX];

/* Says its version; else writes down its process and arguments, and goes on as rest says. */
static void make_qemu(const char *version, const char *rest)
{
	FILE *f = fopen(in_dir("qemu"), "we");

	if (!f)
		abort();
	fprintf(f, "#!/bin/sh\n"
		   "[ \"$1\" != --version ] || { echo 'QEMU emulator version %s'; exit; }\n"
		   "echo $$ >%s/arguments.new; for a; do echo \"$a\"; done >>%s/arguments.new; mv %s/arguments.new %s/arguments\n%s\n",
		version, dir, dir, dir, dir, rest);
	fclose(f);
	if (chmod(in_dir("qemu"), 0755))
		abort();
}

static pid_t launch(const char *const args[])
{
	const char *argv[24] = { launcher, "--socket", control, "--qemu", in_dir("qemu") };
	pid_t pid;
	int n = 5, fd;

	while (*args && n < 23)
		argv[n++] = *args++;
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(in_dir("output"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dup2(fd, STDERR_FILENO);
	execv(launcher, (char *const *)argv);
	_exit(97);
}

#define LAUNCH(...) launch((const char *const[]){ __VA_ARGS__, NULL })

/* What the script wrote down, one per line, once it has been started. */
static const char *arguments(void)
{
	static char text[8192];

	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		int fd = open(in_dir("arguments"), O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (n > 0)
			return text;
		usleep(5000);
	}
	return "";
}

static void clean(void)
{
	unlink(in_dir("qemu"));
	remove_dir();
}

static void guest_runs(void)
{
	struct hvnet_client *c;
	char socket[PATH_MAX];
	const char *text;
	pid_t pid, qemu;

	make_dir();
	pid = start(&c);
	make_qemu("11.1.3 (test)", "exec sleep 60");
	qemu = LAUNCH("--vm", "a", "--nic", "synthetic,switch=lab,mac=02:00:00:00:00:07", "--nic", "switch=lab", "--",
		      "-m", "64", "-smp", "2,maxcpus=3");
	text = arguments();
	snprintf(socket, sizeof(socket), "\"path\":\"%s/vm-a\"", dir);
	CU_ASSERT_TRUE(strstr(text, socket) != NULL);
	CU_ASSERT_TRUE(strstr(text, "memory-backend-memfd,id=hvnet-ram,size=67108864,share=on\n") != NULL);
	CU_ASSERT_EQUAL(count(c, "adapter.list", "adapters"), 2);
	CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "mac"), "02:00:00:00:00:07");
	CU_ASSERT_STRING_EQUAL(member(c, "vm.list", "vms", "vcpus"), "3");
	CU_ASSERT_TRUE(exists("vm-a"));
	kill(qemu, SIGTERM);
	CU_ASSERT_EQUAL(wait_exit(qemu), 128 + SIGTERM);
	CU_ASSERT_TRUE(vms_become(c, 0));
	CU_ASSERT_FALSE(exists("vm-a"));
	hvnet_disconnect(c);
	stop(pid);
	clean();
}

/* No synthetic one: the guest gets the adapters' functions, and no bridge. */
static void emulated_only(void)
{
	char bridge[PATH_MAX], first[PATH_MAX], second[PATH_MAX];
	struct hvnet_client *c;
	const char *text;
	pid_t pid, qemu;

	make_dir();
	pid = start(&c);
	make_qemu("11.1.3 (test)", "exec sleep 60");
	qemu = LAUNCH("--vm", "a", "--nic", "emulated,switch=lab,model=82545em", "--nic", "emulated,switch=lab,name=x", "--", "-m",
		      "64");
	text = arguments();
	snprintf(bridge, sizeof(bridge), "\"path\":\"%s/vm-a\"", dir);
	snprintf(first, sizeof(first), "\"path\":\"%s/vm-a:nic0\"", dir);
	snprintf(second, sizeof(second), "\"path\":\"%s/vm-a:x\"", dir);
	CU_ASSERT_TRUE(!strstr(text, bridge) && strstr(text, first) && strstr(text, second));
	CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "kind"), "emulated");
	CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "model"), "82545em");
	CU_ASSERT_TRUE(exists("vm-a:nic0") && exists("vm-a:x"));
	kill(qemu, SIGTERM);
	CU_ASSERT_EQUAL(wait_exit(qemu), 128 + SIGTERM);
	CU_ASSERT_TRUE(vms_become(c, 0));
	CU_ASSERT_FALSE(exists("vm-a:nic0") || exists("vm-a:x"));
	hvnet_disconnect(c);
	stop(pid);
	clean();
}

static void killed(void)
{
	struct hvnet_client *c;
	pid_t pid, qemu, script;
	bool gone = false;

	make_dir();
	pid = start(&c);
	make_qemu("10.1.0", "exec sleep 60");
	qemu = LAUNCH("--vm", "a", "--nic", "switch=lab", "--", "-m", "64");
	script = atoi(arguments());
	CU_ASSERT_TRUE_FATAL(script > 1);
	CU_ASSERT_TRUE(vms_become(c, 1));
	kill(qemu, SIGKILL);
	CU_ASSERT_EQUAL(wait_exit(qemu), -SIGKILL);
	CU_ASSERT_TRUE(vms_become(c, 0));
	for (int i = 0; i < PATIENCE_MS / 5 && !gone; i++) {
		gone = kill(script, 0) < 0 && errno == ESRCH;
		usleep(5000);
	}
	CU_ASSERT_TRUE(gone);
	hvnet_disconnect(c);
	stop(pid);
	clean();
}

static void statuses(void)
{
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	make_qemu("10.1.0", "exit 7");
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("-m", "64")), 125);	/* no daemon */
	CU_ASSERT_TRUE(output_has("hvnetd does not run"));
	pid = start(&c);
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--nic", "switch=nope", "--", "-m", "64")), 125);
	CU_ASSERT_TRUE(output_has("there is no switch \"nope\""));
	CU_ASSERT_TRUE(vms_become(c, 0));
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--nic", "switch=lab", "--", "-m", "64")), 7);
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--nic", "emulated,model=ne2000")), 2);
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--", "-m", "lots")), 2);
	make_qemu("10.0.9", "exit 7");
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--nic", "switch=lab", "--", "-m", "64")), 127);
	CU_ASSERT_TRUE(output_has("version 10.0"));
	hvnet_disconnect(c);
	stop(pid);
	clean();
}

static void prints_only(void)
{
	struct hvnet_client *c;
	pid_t pid;

	make_dir();
	pid = start(&c);
	make_qemu("10.1.0", "exit 7");
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--print", "--vm", "a", "--", "-m", "64")), 0);
	CU_ASSERT_TRUE(output_has("hvnetctl vm add a --vcpus 1"));
	CU_ASSERT_TRUE(output_has("hvnetctl adapter add --vm a --switch 'Default Switch'\n"));
	CU_ASSERT_EQUAL(wait_exit(LAUNCH("--print", "--vm", "a", "--nic", "emulated,name=nic0,switch=lab", "--nic", "emulated")), 0);
	CU_ASSERT_TRUE(output_has("--switch lab --kind emulated --name nic0\n"));
	CU_ASSERT_EQUAL(count(c, "vm.list", "vms"), 0);
	CU_ASSERT_FALSE(exists("arguments"));
	hvnet_disconnect(c);
	stop(pid);
	clean();
}

static const struct hv_test tests[] = {
	{ "a guest's VM and adapters live as long as it", guest_runs },
	{ "emulated adapters need no bridge", emulated_only },
	{ "they end with a killed launcher", killed },
	{ "each failure has its status and its sentence", statuses },
	{ "printing makes nothing", prints_only },
};

int main(void)
{
	find_programs();
	snprintf(launcher, sizeof(launcher), "%s/hvnet-qemu", programs);
	if (getenv("HVNET_LAUNCHER"))
		snprintf(launcher, sizeof(launcher), "%s", getenv("HVNET_LAUNCHER"));
	return hv_test_main("hvnetd/launch", tests, sizeof(tests) / sizeof(tests[0]));
}
