/* SPDX-License-Identifier: MIT */
/* Soft guests against the daemon itself, as a process, configured over its control socket. */
#include "hvnetd/test_daemon.h"
#include "softguest/test_guest.h"

static const uint8_t mac_b[6] = { 2, 0, 0, 0, 0, 2 };

struct lab {
	struct hvnet_client *c;
	pid_t pid;
	struct guest a, b;
};

/* A daemon with machines a and b, an adapter each on one switch. */
static void lab_start(struct lab *l)
{
	make_dir();
	l->pid = start(&l->c);
	CU_ASSERT_EQUAL_FATAL(code_of(l->c, "vm.add", "{\"name\":\"a\",\"vcpus\":2}"), 0);
	CU_ASSERT_EQUAL_FATAL(code_of(l->c, "vm.add", "{\"name\":\"b\",\"vcpus\":1}"), 0);
	CU_ASSERT_EQUAL_FATAL(code_of(l->c, "adapter.add",
				      "{\"switch\":\"lab\",\"vm\":\"a\",\"mac\":\"02:00:00:00:00:01\"}"), 0);
	CU_ASSERT_EQUAL_FATAL(code_of(l->c, "adapter.add",
				      "{\"switch\":\"lab\",\"vm\":\"b\",\"mac\":\"02:00:00:00:00:02\"}"), 0);
}

static void lab_guests(struct lab *l)
{
	guest_attach_socket(&l->a, in_dir("vm-a"), 2, 0);
	guest_attach_socket(&l->b, in_dir("vm-b"), 1, 0);
	guest_open(&l->a, NULL);
	guest_open(&l->b, NULL);
}

static void lab_end(struct lab *l)
{
	hvnet_disconnect(l->c);
	stop(l->pid);
	remove_dir();
}

static void test_traffic(void)
{
	static struct lab l;

	lab_start(&l);
	lab_guests(&l);
	CU_ASSERT_EQUAL(memcmp(softguest_nic_mac(l.b.nic), mac_b, 6), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		CU_ASSERT_TRUE(guest_send(&l.a, mac_b, 60 + i % 1455));
		softguest_flush(l.a.nic);
		CU_ASSERT_TRUE(wait_received(&l.b, &l.a, i + 1, 5000));
	}
	CU_ASSERT_EQUAL(l.b.bad + l.b.missed, 0);
	CU_ASSERT_EQUAL(softguest_nic_close(l.a.nic), 0);
	CU_ASSERT_EQUAL(softguest_nic_close(l.b.nic), 0);
	guest_down(&l.a);
	guest_down(&l.b);
	lab_end(&l);
}

static bool is_rescinded(void *cookie)
{
	return softguest_nic_is_rescinded(cookie);
}

static bool has_link(void *cookie)
{
	return softguest_nic_core(cookie)->link_up;
}

static bool has_no_link(void *cookie)
{
	return !softguest_nic_core(cookie)->link_up;
}

static void flows(struct guest *t)
{
	CU_ASSERT_TRUE(wait_received(t, NULL, t->received + 100, 5000));
	CU_ASSERT_EQUAL(t->bad, 0);
}

/* Everything that the control socket can do to an adapter, while frames flow to it. */
static void test_reconfigured(void)
{
	static struct lab l;
	struct sender s;

	lab_start(&l);
	lab_guests(&l);
	sender_start(&s, &l.a, mac_b);
	flows(&l.b);
	CU_ASSERT_EQUAL(code_of(l.c, "adapter.set", "{\"adapter\":\"b/nic0\",\"link\":\"down\"}"), 0);
	CU_ASSERT_EQUAL(softguest_run_until(l.b.g, has_no_link, l.b.nic, 12000), 0);
	CU_ASSERT_EQUAL(code_of(l.c, "adapter.set", "{\"adapter\":\"b/nic0\",\"link\":\"up\"}"), 0);
	CU_ASSERT_EQUAL(softguest_run_until(l.b.g, has_link, l.b.nic, 12000), 0);
	flows(&l.b);
	CU_ASSERT_EQUAL(code_of(l.c, "adapter.del", "{\"adapter\":\"b/nic0\"}"), 0);
	CU_ASSERT_EQUAL(softguest_run_until(l.b.g, is_rescinded, l.b.nic, 5000), 0);
	softguest_nic_release(l.b.nic);
	CU_ASSERT_EQUAL(code_of(l.c, "adapter.add",
				"{\"switch\":\"lab\",\"vm\":\"b\",\"mac\":\"02:00:00:00:00:02\"}"), 0);
	CU_ASSERT_EQUAL_FATAL(softguest_wait_nics(l.b.g, 1), 0);
	l.b.nic = softguest_nic(l.b.g, 0);
	guest_open(&l.b, NULL);
	flows(&l.b);
	sender_stop(&s);
	guest_down(&l.a);
	guest_down(&l.b);
	lab_end(&l);
}

/* The daemon goes away under its guests: they notice, and the next one takes them. */
static void test_daemon_gone(void)
{
	static struct lab l;
	int ret = 0;

	lab_start(&l);
	lab_guests(&l);
	hvnet_disconnect(l.c);
	stop(l.pid);
	for (int i = 0; i < 100 && !ret; i++)
		ret = softguest_nic_set_filter(l.a.nic, (uint32_t)i & 1);
	CU_ASSERT_TRUE(ret < 0);
	CU_ASSERT_NOT_EQUAL(softguest_nic_close(l.b.nic), 0);
	guest_down(&l.a);
	guest_down(&l.b);
	remove_dir();
	lab_start(&l);
	lab_guests(&l);
	CU_ASSERT_TRUE(guest_send(&l.a, mac_b, 60));
	softguest_flush(l.a.nic);
	CU_ASSERT_TRUE(wait_received(&l.b, &l.a, 1, 5000));
	guest_down(&l.a);
	guest_down(&l.b);
	lab_end(&l);
}

/* ---- the program ---- */

/* Starts softguest with its output to a pipe; returns the pipe. */
static FILE *run_softguest(pid_t *pid, const char *const args[])
{
	char path[PATH_MAX];
	const char *argv[16] = { "softguest" };
	int fds[2], n = 1;

	snprintf(path, sizeof(path), "%s/softguest", programs);
	while (*args && n < 15)
		argv[n++] = *args++;
	if (pipe(fds))
		abort();
	*pid = fork();
	if (!*pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execv(path, (char *const *)argv);
		_exit(97);
	}
	close(fds[1]);
	return fdopen(fds[0], "r");
}

#define RUN(pid, ...) run_softguest(pid, (const char *const[]){ __VA_ARGS__, NULL })

/* NAME=NUMBER in what the program printed; -1: not there. */
static long number(const char *text, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static void read_all(FILE *f, char *text, size_t room)
{
	size_t n = fread(text, 1, room - 1, f);

	text[n] = 0;
	fclose(f);
}

static void wait_line(FILE *f)
{
	char line[256];

	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
	CU_ASSERT_EQUAL(strncmp(line, "mac=02:00:00:00:00:02", 21), 0);
}

static void test_program(void)
{
	static char out[4096], in[4096];
	static struct lab l;
	pid_t send, sink;
	FILE *to, *from;

	lab_start(&l);
	to = RUN(&sink, "--socket", in_dir("vm-b"), "--mode", "sink");
	wait_line(to);
	from = RUN(&send, "--socket", in_dir("vm-a"), "--mode", "send", "--to", "02:00:00:00:00:02", "--seconds", "1");
	read_all(from, out, sizeof(out));
	CU_ASSERT_EQUAL(wait_exit(send), 0);
	usleep(100000);
	kill(sink, SIGTERM);
	read_all(to, in, sizeof(in));
	CU_ASSERT_EQUAL(wait_exit(sink), 0);
	CU_ASSERT_TRUE(number(out, "sent") > 1000);
	/*
	 * What is lost is lost for want of receive buffers while the sink does not run, and is
	 * known.
	 */
	CU_ASSERT_EQUAL(number(out, "sent"), number(in, "received") + number(in, "lost"));
	CU_ASSERT_EQUAL(number(in, "reordered"), 0);

	to = RUN(&sink, "--socket", in_dir("vm-b"), "--mode", "echo");
	wait_line(to);
	from = RUN(&send, "--socket", in_dir("vm-a"), "--mode", "pingpong", "--to", "02:00:00:00:00:02", "--seconds", "1",
		   "--size", "9000");
	read_all(from, out, sizeof(out));
	CU_ASSERT_EQUAL(number(out, "received"), 0);	/* too long for an MTU of 1500 */
	CU_ASSERT_EQUAL(wait_exit(send), 0);
	from = RUN(&send, "--socket", in_dir("vm-a"), "--mode", "pingpong", "--to", "02:00:00:00:00:02", "--seconds", "1",
		   "--nvsp", "4", "--vmbus", "4.0");
	read_all(from, out, sizeof(out));
	CU_ASSERT_EQUAL(wait_exit(send), 0);
	CU_ASSERT_TRUE(number(out, "received") > 10);
	kill(sink, SIGKILL);
	fclose(to);
	CU_ASSERT_EQUAL(wait_exit(sink), -SIGKILL);
	lab_end(&l);
}

static void test_usage(void)
{
	static const char *const bad[][3] = {
		{ "--mode", "juggle" }, { "--size", "37" }, { "--size", "1e3" }, { "--to", "02:00" }, { "--ip", "localhost" },
		{ "--nvsp", "3" }, { "--vmbus", "5" }, { "--seconds", "-1" }, { "--what", "ever" }, { "--batch", "9" },
	};
	pid_t pid;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fclose(RUN(&pid, "--socket", "/nonexistent", bad[i][0], bad[i][1]));
		CU_ASSERT_EQUAL(wait_exit(pid), 2);
	}
	fclose(RUN(&pid, "--mode", "echo"));
	CU_ASSERT_EQUAL(wait_exit(pid), 2);
	fclose(RUN(&pid, "--socket", "/nonexistent"));
	CU_ASSERT_EQUAL(wait_exit(pid), 1);
}

static const struct hv_test tests[] = {
	{ "moves frames through the daemon", test_traffic },
	{ "is reconfigured under traffic", test_reconfigured },
	{ "survives the daemon's end", test_daemon_gone },
	{ "the program sends, counts and echoes", test_program },
	{ "the program refuses what makes no sense", test_usage },
};

int main(void)
{
	find_programs();
	return hv_test_main("softguest_daemon", tests, sizeof(tests) / sizeof(tests[0]));
}
