/* SPDX-License-Identifier: MIT */
/*
 * diag.test against the daemon itself: guests a and b on one switch, of which b answers as hosts do, on a thread of its own; a may be
 * there or not.
 */
#include "hvnetd/test_api.h"
#include "softguest/test_guest.h"
#include "vswitch/test_net.h"

static struct hvnet_client *c;
static pid_t host;
static struct guest a, b;
static struct softguest_responder responder = {
	.mac = { 2, 0, 0, 0, 0, 2 }, .ip = { 10, 0, 0, 2 }, .ip6 = { 0xfd, [15] = 2 },
};
static bool a_runs;
static pthread_t thread;
static atomic_bool stopped;
static atomic_uint answered;		/* questions, by guest b */

#define FROM "\"adapter\":\"a/nic0\""
#define B4 FROM ",\"target\":\"10.0.0.2\""
#define PING4 B4 ",\"source\":\"10.0.0.1\""
#define B6 FROM ",\"target\":\"fd00::2\""
#define PING6 B6 ",\"source\":\"fd00::1\""
#define NOBODY FROM ",\"target\":\"10.0.0.9\""

static void respond(void *opaque, struct softguest_nic *nic, const struct netvsc_frame *f)
{
	uint8_t question[2048], reply[2048], *at;
	uint32_t n;

	(void)opaque;
	if (f->bytes > sizeof(question))
		return;
	memcpy(question, f->data, f->bytes);
	n = softguest_respond(&responder, question, f->bytes, reply, sizeof(reply));
	atomic_fetch_add(&answered, n != 0);
	at = n ? softguest_tx(nic, NULL, n) : NULL;
	if (at)
		memcpy(at, reply, n);
}

static void *run_guests(void *arg)
{
	(void)arg;
	while (!atomic_load(&stopped)) {
		bool work = softguest_poll(b.g);

		if (a_runs)
			work |= softguest_poll(a.g);
		softguest_flush(b.nic);
		if (!work)
			softguest_wait(b.g, 1);
	}
	return NULL;
}

static void run(void)
{
	atomic_store(&stopped, false);
	if (pthread_create(&thread, NULL, run_guests, NULL))
		abort();
}

static void halt(void)
{
	atomic_store(&stopped, true);
	pthread_join(thread, NULL);
}

static void begin(bool with_a)
{
	const struct softguest_nic_opts o = { .rx = respond };

	make_dir();
	host = start(&c);
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "vm.add", "{\"name\":\"b\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"mac\":\"02:00:00:00:00:01\"}");
	GIVES(c, 0, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"b\",\"mac\":\"02:00:00:00:00:02\"}");
	guest_attach_socket(&b, in_dir("vm-b"), 1, 0);
	CU_ASSERT_EQUAL_FATAL(softguest_nic_open(b.nic, &o), 0);
	CU_ASSERT_EQUAL_FATAL(softguest_nic_set_filter(b.nic, NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST |
						       NDIS_FILTER_ALL_MULTICAST), 0);
	atomic_store(&answered, 0);
	a_runs = with_a;
	if (with_a) {
		guest_attach_socket(&a, in_dir("vm-a"), 1, 0);
		guest_open(&a, NULL);
	}
	run();
}

static void end(void)
{
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{}", "balanced"), "true");
	halt();
	if (a_runs)
		guest_down(&a);
	guest_down(&b);
	hvnet_disconnect(c);
	stop(host);
	remove_dir();
}

/* Of one answer several members, each by its path: "status=reachable received=3". */
static bool says(const char *params, const char *wanted)
{
	static const char *const members[] = { "status", "mac", "question", "guest", "sent", "received", "vlan" };
	json_t *result = checked(c, "diag.test", text_params(params)), *v;
	char text[512] = "";
	size_t n = 0;

	if (!result)
		n = (size_t)snprintf(text, sizeof(text), "%s", err.message);
	for (size_t i = 0; result && i < sizeof(members) / sizeof(members[0]); i++) {
		v = json_object_get(result, members[i]);
		if (json_is_string(v))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", json_string_value(v));
		else if (json_is_integer(v))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%d ", (int)json_integer_value(v));
		else if (v)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", json_is_true(v) ? "yes" : "no");
	}
	v = json_array_get(json_object_get(result, "drops"), 0);
	if (v)
		snprintf(text + n, sizeof(text) - n, "%s%s %s %s %s %s", json_is_true(json_object_get(v, "decides")) ? "!" : "",
			 json_string_value(json_object_get(v, "frame")), json_string_value(json_object_get(v, "port")),
			 json_string_value(json_object_get(v, "direction")), json_string_value(json_object_get(v, "reason")),
			 json_is_string(json_object_get(v, "rule")) ? json_string_value(json_object_get(v, "rule")) : "");
	if (result && json_is_true(json_object_get(result, "guest")) && json_integer_value(json_object_get(result, "received")))
		CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "round_trips_us")),
				(size_t)json_integer_value(json_object_get(result, "received")));
	json_decref(result);
	if (strcmp(text, wanted) != 0)
		printf("%s: \"%s\", not \"%s\"\n", params, text, wanted);
	return !strcmp(text, wanted);
}

#define SAYS(params, wanted) CU_ASSERT_TRUE(says("{" params "}", wanted))
#define PATIENT ",\"timeout_ms\":2000"
#define MAC_B "02:00:00:00:00:02"

/* ---- answers ---- */

static void reachable(void)
{
	begin(true);
	SAYS(B4 PATIENT, "reachable " MAC_B " arp yes 3 3 ");
	SAYS(PING4 PATIENT ",\"count\":5", "reachable " MAC_B " echo yes 5 5 ");
	SAYS(B6 PATIENT ",\"count\":1", "reachable " MAC_B " solicitation yes 1 1 ");
	SAYS(PING6 PATIENT ",\"count\":2", "reachable " MAC_B " echo yes 2 2 ");
	CU_ASSERT_EQUAL(atomic_load(&answered), 3 + 6 + 1 + 3);
	SAYS(NOBODY ",\"count\":2,\"timeout_ms\":1", "no_answer arp yes 2 0 ");
	SAYS(NOBODY ",\"source\":\"10.0.0.1\",\"timeout_ms\":1", "no_answer echo yes 0 0 ");
	end();
}

static void guest_absent(void)
{
	begin(false);
	SAYS(B4 PATIENT, "reachable " MAC_B " arp no 3 3 ");
	SAYS(PING6 PATIENT, "reachable " MAC_B " echo no 3 3 ");
	CU_ASSERT_EQUAL(atomic_load(&answered), 3 + 4);
	CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 1);
	/* With its policies: those of a port of its own, then of one that stays. */
	GIVES(c, 0, "acl.add", "{\"port\":\"a/nic0\",\"action\":\"deny\",\"direction\":\"out\",\"remote\":\"10.0.0.0/24\"}");
	SAYS(PING4 PATIENT ",\"count\":1", "dropped " MAC_B " echo no 1 0 !request a/nic0 from_nic acl-out acl 1");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"stays\",\"policy\":{\"vlan\":{\"mode\":\"access\",\"id\":5}}}");
	GIVES(c, 0, "adapter.disconnect", "{\"adapter\":\"a/nic0\"}");
	GIVES(c, 0, "port.connect", "{\"port\":\"lab/stays\",\"adapter\":\"a/nic0\"}");
	SAYS(B4 PATIENT, "no_answer arp no 3 0 request stays from_nic no-destination ");
	GIVES(c, 0, "vlan.set", "{\"port\":\"b/nic0\",\"mode\":\"access\",\"id\":5}");
	SAYS(B4 PATIENT, "reachable " MAC_B " arp no 3 3 ");
	CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 2);
	end();
}

/* A stack that is not ours looks at checksums, hop limits and options, and finds its way back by what the questions have told it. */
static void the_kernel_answers(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET)) {
		hv_test_skip("no right to make a network namespace");
		return;
	}
	make_dir();
	host = SPAWN("--no-default-switch", "--switch", "lab=private", "--allow-tap");
	c = connect_to(host);
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"mac\":\"02:00:00:00:00:01\"}");
	GIVES(c, 0, "hostnic.add", "{\"switch\":\"lab\",\"name\":\"lan\",\"interface\":\"lan0\",\"mac\":\"" MAC_B "\"}");
	TEST_RUN("ip link set lan0 up && ip address add 10.0.0.2/24 dev lan0 && ip address add fd00::2/64 dev lan0 nodad");
	SAYS(B4 PATIENT, "reachable " MAC_B " arp no 3 3 ");
	SAYS(PING4 PATIENT, "reachable " MAC_B " echo no 3 3 ");
	SAYS(B6 PATIENT, "reachable " MAC_B " solicitation no 3 3 ");
	SAYS(PING6 PATIENT, "reachable " MAC_B " echo no 3 3 ");
	/* That one of two does not let the question in says nothing; that both do not says all. */
	GIVES(c, 0, "hostnic.add", "{\"switch\":\"lab\",\"name\":\"deaf\",\"interface\":\"lan1\"}");
	TEST_RUN("ip link set lan1 up");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab/deaf\",\"action\":\"deny\",\"direction\":\"in\",\"remote_mac\":\"02:00:00:00:00:01\"}");
	SAYS(NOBODY ",\"count\":2,\"timeout_ms\":1", "no_answer arp no 2 0 request lan1 to_nic acl-in acl 1");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab/lan\",\"action\":\"deny\",\"direction\":\"in\",\"remote_mac\":\"02:00:00:00:00:01\"}");
	SAYS(NOBODY ",\"count\":2,\"timeout_ms\":1", "dropped arp no 2 0 !request lan0 to_nic acl-in acl 2");
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{}", "balanced"), "true");
	hvnet_disconnect(c);
	stop(host);
	remove_dir();
}

/* ---- what is in the way ---- */

static void vlans(void)
{
	begin(true);
	GIVES(c, 0, "vlan.set", "{\"port\":\"b/nic0\",\"mode\":\"access\",\"id\":7}");
	SAYS(B4 PATIENT, "no_answer arp yes 3 0 request a/nic0 from_nic no-destination ");
	GIVES(c, 0, "vlan.set", "{\"port\":\"a/nic0\",\"mode\":\"trunk\",\"allowed\":\"7\"}");
	SAYS(PING4 ",\"vlan\":7" PATIENT, "reachable " MAC_B " echo yes 3 3 7 ");
	SAYS(PING6 ",\"vlan\":7" PATIENT, "reachable " MAC_B " echo yes 3 3 7 ");
	SAYS(B4 ",\"vlan\":8" PATIENT, "dropped arp yes 3 0 8 !request a/nic0 from_nic vlan-in ");
	end();
}

static void denied(void)
{
	begin(true);
	GIVES(c, 0, "acl.add", "{\"port\":\"a/nic0\",\"action\":\"deny\",\"direction\":\"out\",\"remote\":\"10.0.0.0/24\"}");
	SAYS(PING4 PATIENT, "dropped " MAC_B " echo yes 3 0 !request a/nic0 from_nic acl-out acl 1");
	SAYS(PING6 PATIENT, "reachable " MAC_B " echo yes 3 3 ");
	GIVES(c, 0, "acl.del", "{\"port\":\"a/nic0\"}");
	GIVES(c, 0, "acl.add", "{\"port\":\"b/nic0\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.1\"}");
	SAYS(PING4 ",\"count\":2,\"timeout_ms\":200", "dropped " MAC_B " echo yes 2 0 !request b/nic0 to_nic acl-in acl 2");
	GIVES(c, 0, "acl.del", "{\"port\":\"b/nic0\"}");
	GIVES(c, 0, "acl.add", "{\"port\":\"b/nic0\",\"action\":\"deny\",\"direction\":\"out\",\"remote_mac\":\"02:00:00:00:00:01\"}");
	SAYS(B4 ",\"count\":1,\"timeout_ms\":200", "dropped arp yes 1 0 !answer b/nic0 from_nic acl-out acl 3");
	GIVES(c, 0, "acl.del", "{\"port\":\"b/nic0\"}");
	GIVES(c, 0, "acl.add", "{\"port\":\"a/nic0\",\"action\":\"deny\",\"direction\":\"in\",\"remote_mac\":\"" MAC_B "\"}");
	SAYS(B4 ",\"count\":1,\"timeout_ms\":200", "dropped arp yes 1 0 !answer a/nic0 to_nic acl-in acl 4");
	GIVES(c, 0, "acl.del", "{\"port\":\"a/nic0\"}");
	GIVES(c, 0, "policy.set", "{\"port\":\"a/nic0\",\"policy\":{\"address_guard\":[\"10.0.0.1\"]}}");
	SAYS(PING4 PATIENT, "reachable " MAC_B " echo yes 3 3 ");
	SAYS(B4 ",\"source\":\"10.0.0.3\"" PATIENT, "dropped echo yes 0 0 !request a/nic0 from_nic ip-spoofed ARP sender");
	end();
}

/* ---- what is refused ---- */

static void refused(void)
{
	static const struct {
		const char *params;
		int code;
	} rows[] = {
		{ FROM ",\"target\":\"ten\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"255.255.255.255\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"224.0.0.1\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"0.0.0.0\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"127.0.0.1\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"::\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"ff02::1\"", RPC_INVALID_PARAMS },
		{ FROM ",\"target\":\"::ffff:10.0.0.2\"", RPC_INVALID_PARAMS },
		{ B4 ",\"source\":\"fd00::1\"", RPC_INVALID_PARAMS },
		{ B4 ",\"source\":\"10.0.0.2\"", RPC_INVALID_PARAMS },
		{ B4 ",\"vlan\":4095", RPC_INVALID_PARAMS },
		{ B4 ",\"count\":17", RPC_INVALID_PARAMS },
		{ "\"adapter\":\"c/nic0\",\"target\":\"10.0.0.2\"", RPC_NOT_FOUND },
		{ "\"adapter\":\"a/idle\",\"target\":\"10.0.0.2\"", RPC_STATE },
		{ "\"adapter\":\"a/dead\",\"target\":\"10.0.0.2\"", RPC_STATE },
		{ "\"adapter\":\"b/more\",\"target\":\"10.0.0.2\"", RPC_STATE },
	};
	char params[256];

	begin(false);
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"name\":\"idle\"}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"name\":\"dead\",\"switch\":\"lab\"}");
	GIVES(c, 0, "adapter.set", "{\"adapter\":\"a/dead\",\"link\":\"down\"}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"b\",\"name\":\"more\",\"switch\":\"lab\"}");	/* its driver is not up */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(params, sizeof(params), "{%s}", rows[i].params);
		GIVES(c, rows[i].code, "diag.test", params);
	}
	end();
}

/* ---- what ends a test ---- */

/* Whether something was sent at a port whose guest does not send anything itself. */
static bool has_asked(const char *name)
{
	json_t *result = call(c, "port.list", "{}");
	const json_t *port;
	bool asked = false;
	size_t i;

	json_array_foreach(json_object_get(result, "ports"), i, port)
		asked |= !strcmp(json_string_value(json_object_get(port, "name")), name) &&
			 json_integer_value(json_object_get(port, "in_frames"));
	json_decref(result);
	return asked;
}

/* A test from adapter a that goes on for 8 s, on a connection of its own; it has begun when this returns. */
static int begin_long(const char *port)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"diag.test\",\"params\":{" NOBODY
				   ",\"count\":16,\"timeout_ms\":2000}}\n";
	int fd = subscribe("{\"kinds\":[\"config.changed\"]}");
	bool begun = false;

	json_decref(next_line(fd));
	CU_ASSERT_EQUAL(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
	for (int i = 0; i < PATIENCE_MS / 10 && !begun; i++) {
		begun = has_asked(port);
		if (!begun)
			usleep(10000);
	}
	CU_ASSERT_TRUE(begun);
	return fd;
}

/* Another test that is over sooner tells that the first one has not ended by itself. */
static void ends_with_its_client(void)
{
	int fd;

	begin(false);
	fd = begin_long("a/nic0");
	GIVES(c, RPC_IN_USE, "diag.test", "{" B4 "}");
	close(fd);
	SAYS("\"adapter\":\"b/nic0\",\"target\":\"10.0.0.9\",\"count\":1,\"timeout_ms\":100", "no_answer arp yes 1 0 "
	     "request b/nic0 from_nic no-destination ");
	CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 1);
	SAYS(B4 PATIENT, "reachable " MAC_B " arp no 3 3 ");
	end();
}

static json_int_t code_of_line(int fd)
{
	json_t *line = next_line(fd);
	json_int_t code = json_integer_value(json_object_get(json_object_get(line, "error"), "code"));

	json_decref(line);
	return code;
}

static void ends_when_the_guest_comes(void)
{
	int fd;

	begin(false);
	fd = begin_long("a/nic0");
	guest_attach_socket(&a, in_dir("vm-a"), 1, 0);
	guest_open(&a, NULL);
	CU_ASSERT_EQUAL(code_of_line(fd), RPC_STATE);
	close(fd);
	CU_ASSERT_STRING_EQUAL(answer(c, "adapter.get", "{\"adapter\":\"a/nic0\"}", "nic"), "connected");
	fd = begin_long("a/nic0");
	GIVES(c, 0, "adapter.disconnect", "{\"adapter\":\"a/nic0\"}");
	CU_ASSERT_EQUAL(code_of_line(fd), RPC_STATE);
	close(fd);
	guest_down(&a);
	end();
}

static void ends_with_its_port_and_switch(void)
{
	int fd;

	begin(false);
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"stays\"}");
	GIVES(c, 0, "adapter.disconnect", "{\"adapter\":\"a/nic0\"}");
	GIVES(c, 0, "port.connect", "{\"port\":\"lab/stays\",\"adapter\":\"a/nic0\"}");
	fd = begin_long("stays");
	GIVES(c, RPC_IN_USE, "diag.test", "{" B4 "}");
	GIVES(c, 0, "port.delete", "{\"port\":\"lab/stays\",\"force\":true}");
	CU_ASSERT_EQUAL(code_of_line(fd), RPC_STATE);
	close(fd);
	GIVES(c, 0, "adapter.connect", "{\"adapter\":\"a/nic0\",\"switch\":\"lab\"}");
	fd = begin_long("a/nic0");
	GIVES(c, 0, "switch.delete", "{\"switch\":\"lab\",\"force\":true}");
	CU_ASSERT_EQUAL(code_of_line(fd), RPC_STATE);
	close(fd);
	end();
}

static void ends_with_the_daemon(void)
{
	int fd;

	begin(false);
	fd = begin_long("a/nic0");
	halt();
	guest_down(&b);
	hvnet_disconnect(c);
	stop(host);
	close(fd);
	remove_dir();
}

/* ---- the command ---- */

static int ping(const char *args, char *text, size_t room)
{
	char command[2 * PATH_MAX];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "'%s/hvnetctl' --socket '%s' diag ping %s 2>&1", programs, control, args);
	f = popen(command, "re");
	if (!f)
		abort();
	n = fread(text, 1, room - 1, f);
	text[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void command(void)
{
	char text[1024];

	begin(false);
	CU_ASSERT_EQUAL(ping("a/nic0 10.0.0.2 --source 10.0.0.1 --count 1 --timeout-ms 2000", text, sizeof(text)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "10.0.0.2 is reachable from a/nic0 (its guest does not run), at " MAC_B ": 1 of 1 answered"));
	GIVES(c, 0, "acl.add", "{\"port\":\"a/nic0\",\"action\":\"deny\",\"direction\":\"out\",\"remote\":\"10.0.0.0/24\"}");
	CU_ASSERT_EQUAL(ping("a/nic0 10.0.0.2 --source 10.0.0.1 --timeout-ms 2000", text, sizeof(text)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "10.0.0.2 is not reachable from a/nic0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "! the request is dropped where it enters the switch, at port a/nic0: acl-out (acl 1), "
				      "3 times\n"));
	CU_ASSERT_EQUAL(ping("a/nic0 10.0.0.9 --source 10.0.0.1 --timeout-ms 1", text, sizeof(text)), 1);
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.9 does not answer from a/nic0 (its guest does not run): nobody says where it is\n");
	CU_ASSERT_EQUAL(ping("a/nic0 everybody", text, sizeof(text)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"everybody\" is no IP address"));
	end();
}

static const struct hv_test tests[] = {
	{ "a target is asked by ARP, neighbour solicitation and echo", reachable },
	{ "a guest that does not run can reach what it could reach", guest_absent },
	{ "the kernel answers as it would answer a guest", the_kernel_answers },
	{ "VLANs are the guest's", vlans },
	{ "what is in the way is named with its rule", denied },
	{ "what cannot be tested is refused", refused },
	{ "a test ends with its client", ends_with_its_client },
	{ "a test ends when the guest comes, or its port goes", ends_when_the_guest_comes },
	{ "a test ends with a port that stays, and with the switch", ends_with_its_port_and_switch },
	{ "a test ends with the daemon", ends_with_the_daemon },
	{ "the command says it in words", command },
};

int main(void)
{
	find_programs();
	return hv_test_main("softguest/diag", tests, sizeof(tests) / sizeof(tests[0]));
}
