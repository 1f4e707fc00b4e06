/* SPDX-License-Identifier: MIT */
/* Stream uplinks that wait for their peer: two of them on a switch, this test dials in. */
#include "hvnetd/test_api.h"

#include <arpa/inet.h>

static struct hvnet_client *c;
static pid_t host;

static void again(void)
{
	host = SPAWN("--no-default-switch", "--state-dir", dir);
	c = connect_to(host);
}

static void begin(void)
{
	make_dir();
	again();
	GIVES(c, 0, "switch.create", "{\"name\":\"lab\"}");
}

static void end(void)
{
	hvnet_disconnect(c);
	stop(host);
	CU_ASSERT_FALSE(exists("vm-a"));
	CU_ASSERT_FALSE(exists("vm-b"));
	remove_dir();
}

/* An uplink NAME that listens on the file of that name. */
static int bind_one(const char *name)
{
	char params[PATH_MAX];

	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"name\":\"%s\",\"kind\":\"stream\",\"listen\":true,\"path\":\"%s\"}",
		 name, in_dir(name));
	return code_of(c, "uplink.bind", params);
}

static void unbind(const char *name)
{
	char params[100];

	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"name\":\"%s\"}", name);
	GIVES(c, 0, "uplink.unbind", params);
	CU_ASSERT_FALSE(exists(name));
}

static int dial(const char *name)
{
	return connect_unix(in_dir(name));
}

/* The first uplink's by name is row 0. */
static bool shows(const char *path, const char *wanted)
{
	return becomes(c, "uplink.list", "{}", path, wanted);
}

static void say(int fd, const char *text)
{
	uint8_t bytes[4 + 60] = { 0, 0, 0, 60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };

	strcpy((char *)bytes + 18, text);
	CU_ASSERT_EQUAL(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

/* The next frame that comes is that one. */
static bool hears(int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t bytes[64] = { 0 };

	return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, bytes, 64, MSG_WAITALL) == 64 && bytes[3] == 60 &&
	       !strcmp((char *)bytes + 18, text);
}

static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, 0) == 0;
}

static void peers_come_and_go(void)
{
	int a, b, next;

	begin();
	CU_ASSERT_EQUAL(bind_one("vm-a"), 0);
	CU_ASSERT_EQUAL(bind_one("vm-b"), 0);
	CU_ASSERT_TRUE(shows("uplinks[0].state", "down"));
	CU_ASSERT_TRUE(shows("uplinks[0].why", "no peer has connected yet"));
	CU_ASSERT_TRUE(shows("uplinks[0].listen", "true"));
	a = dial("vm-a");
	b = dial("vm-b");
	CU_ASSERT_TRUE(shows("uplinks[0].state", "up"));
	CU_ASSERT_TRUE(shows("uplinks[1].state", "up"));
	say(a, "one");
	CU_ASSERT_TRUE(hears(b, "one"));
	/* The next one waits for its turn. */
	next = dial("vm-a");
	say(next, "three");
	say(a, "two");
	CU_ASSERT_TRUE(hears(b, "two"));
	CU_ASSERT_TRUE(shows("uplinks[0].restarts", "0"));
	close(a);
	CU_ASSERT_TRUE(hears(b, "three"));
	CU_ASSERT_TRUE(shows("uplinks[0].restarts", "1"));
	/* Who breaks the framing is cut off, and another is welcome. */
	CU_ASSERT_EQUAL(send(next, "\377\377\377\377", 4, MSG_NOSIGNAL), 4);
	CU_ASSERT_TRUE(is_closed(next));
	close(next);
	CU_ASSERT_TRUE(shows("uplinks[0].state", "down"));
	/* One who only looks whether anybody listens keeps nobody away. */
	close(dial("vm-a"));
	next = dial("vm-a");
	CU_ASSERT_TRUE(shows("uplinks[0].state", "up"));
	say(next, "four");
	CU_ASSERT_TRUE(hears(b, "four"));
	unbind("vm-a");
	CU_ASSERT_TRUE(is_closed(next));
	close(next);
	close(b);
	end();
}

/* What is set while nobody is there holds for who comes. */
static void policies_wait_for_the_peer(void)
{
	static const char *const names[] = { "vm-a", "vm-b", "vm-c" };
	char params[100];
	int fd[3];

	begin();
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(bind_one(names[i]), 0);
		snprintf(params, sizeof(params), "{\"port\":\"lab/%s\",\"mode\":\"access\",\"id\":%d}", names[i], i == 1 ? 8 : 7);
		GIVES(c, 0, "vlan.set", params);
	}
	for (int i = 0; i < 3; i++) {
		fd[i] = dial(names[i]);
		snprintf(params, sizeof(params), "uplinks[%d].state", i);
		CU_ASSERT_TRUE(shows(params, "up"));
	}
	say(fd[0], "into VLAN 7");
	CU_ASSERT_TRUE(hears(fd[2], "into VLAN 7"));
	GIVES(c, 0, "vlan.set", "{\"port\":\"lab/vm-b\",\"mode\":\"access\",\"id\":7}");
	say(fd[0], "again");
	CU_ASSERT_TRUE(hears(fd[1], "again"));	/* and not what came before */
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	end();
}

static void places_that_are_taken(void)
{
	char params[PATH_MAX];

	begin();
	GIVES(c, RPC_INVALID_PARAMS, "uplink.bind", "{\"switch\":\"lab\",\"kind\":\"nat\",\"listen\":true}");
	GIVES(c, RPC_INVALID_PARAMS, "uplink.bind", "{\"switch\":\"lab\",\"kind\":\"stream\",\"listen\":true}");
	CU_ASSERT_EQUAL(mkdir(in_dir("vm-a"), 0700), 0);
	CU_ASSERT_EQUAL(bind_one("vm-a"), RPC_FAILED);
	CU_ASSERT_EQUAL(rmdir(in_dir("vm-a")), 0);	/* it is as it was */
	CU_ASSERT_EQUAL(bind_one("vm-a"), 0);
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"name\":\"x\",\"kind\":\"stream\",\"listen\":true,\"path\":\"%s\"}",
		 in_dir("vm-a"));
	GIVES(c, RPC_IN_USE, "uplink.bind", params);
	CU_ASSERT_EQUAL(count(c, "uplink.list", "uplinks"), 1);
	end();
}

static void a_killed_daemon_comes_back_to_its_socket(void)
{
	int a;

	begin();
	CU_ASSERT_EQUAL(bind_one("vm-a"), 0);
	a = dial("vm-a");
	CU_ASSERT_TRUE(shows("uplinks[0].state", "up"));
	hvnet_disconnect(c);
	kill(host, SIGKILL);
	CU_ASSERT_EQUAL(wait_exit(host), -SIGKILL);
	CU_ASSERT_TRUE(is_closed(a));
	close(a);
	CU_ASSERT_TRUE(exists("vm-a"));
	again();
	/* The kernel may go on to take connections to the killed one's socket for a moment: dialled until it is the new one. */
	for (int i = 0; i < PATIENCE_MS / 50; i++) {
		a = dial("vm-a");
		if (a >= 0)
			usleep(50000);
		if (!strcmp(answer(c, "uplink.list", "{}", "uplinks[0].state"), "up"))
			break;
		close(a);
		usleep(50000);
	}
	CU_ASSERT_TRUE(shows("uplinks[0].state", "up"));
	unbind("vm-a");
	CU_ASSERT_TRUE(is_closed(a));
	close(a);
	end();
}

static void strangers_are_not_let_in(void)
{
	int status = -1;
	pid_t pid;

	if (geteuid()) {
		hv_test_skip("this needs root, to be somebody else");
		return;
	}
	begin();
	CU_ASSERT_EQUAL(bind_one("vm-a"), 0);
	pid = fork();
	if (!pid) {
		int fd;

		if (setgid(65534) || setuid(65534))
			_exit(9);
		fd = dial("vm-a");
		_exit(fd < 0 ? 8 : is_closed(fd) ? 0 : 7);
	}
	CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT_TRUE(shows("uplinks[0].why", "no peer has connected yet"));
	CU_ASSERT_TRUE(output_has("somebody who may not"));
	end();
}

static const struct hv_test tests[] = {
	{ "peers come and go", peers_come_and_go },
	{ "policies wait for the peer", policies_wait_for_the_peer },
	{ "places that are taken are refused", places_that_are_taken },
	{ "a killed daemon comes back to its socket", a_killed_daemon_comes_back_to_its_socket },
	{ "strangers are not let in", strangers_are_not_let_in },
};

int main(void)
{
	find_programs();
	signal(SIGPIPE, SIG_IGN);
	return hv_test_main("hvnetd/listen", tests, sizeof(tests) / sizeof(tests[0]));
}
