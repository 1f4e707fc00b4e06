/* SPDX-License-Identifier: MIT */
/*
 * Events that come from the data path and from the host: drops, addresses that move, members of a team; and jobs that are cancelled.
 * Interfaces are in a network namespace of the test's own.
 */
#include "hvnetd/test_extension.h"
#include "hvnetd/test_veths.h"

static pid_t host;

static void begin(void)
{
	find_objects();
	make_dir();
	host = SPAWN("--no-default-switch", "--extension-dir", objects, "--allow-uplinks");
	client = connect_to(host);
	GIVES(client, 0, "switch.create", "{\"name\":\"lab\"}");
}

static void end(void)
{
	CU_ASSERT_STRING_EQUAL(answer(client, "audit", "{}", "balanced"), "true");
	hvnet_disconnect(client);
	stop(host);
	remove_dir();
}

static void begin_with_stations(void)
{
	begin();
	plug_both();
}

static void end_with_stations(void)
{
	unplug_both();
	end();
}

/* ---- drops ---- */

/* So many datagrams that the ACL does not let pass; they have been counted when this returns. */
static void drop(unsigned n)
{
	static unsigned total;
	char wanted[16];

	if (!n) {
		total = 0;
		GIVES(client, 0, "acl.add", "{\"port\":\"lab/a\",\"action\":\"deny\",\"direction\":\"out\",\"protocol\":\"udp\"}");
		return;
	}
	for (unsigned i = 0; i < n; i++)
		send_udp(A, 1, 2, 7, 100);
	total += n;
	snprintf(wanted, sizeof(wanted), "%u", total);
	CU_ASSERT_TRUE(becomes(client, "stats.get", "{\"port\":\"lab/a\"}", "objects[0].counters.in_dropped.acl-out", wanted));
}

/* Reports until there are n drops in all, whatever the ticks between them. */
static json_int_t reported(int fd, json_int_t n)
{
	json_int_t sum = 0;
	json_t *params;

	while (sum < n && !strcmp(next_event(fd, &params), "drop.report")) {
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "switch")), "lab");
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "name")), "a");
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "severity")), "warning");
		CU_ASSERT_EQUAL(json_object_size(json_object_get(params, "out")), 0);
		sum += json_integer_value(json_object_get(json_object_get(params, "in"), "acl-out"));
		json_decref(params);
	}
	return sum;
}

static void drops_are_reported(void)
{
	int other, fd;

	begin_with_stations();
	drop(0);
	other = subscribe("{\"kinds\":[\"object.changed\"]}");
	json_decref(next_line(other));
	drop(5);
	/* What was dropped before is not reported, though somebody listened to other things. */
	fd = subscribe("{\"kinds\":[\"drop.*\"]}");
	json_decref(next_line(fd));
	drop(3);
	CU_ASSERT_EQUAL(reported(fd, 3), 3);
	/* Nobody listens for a while; then somebody does. */
	close(fd);
	drop(4);
	fd = subscribe("{\"kinds\":[\"drop.report\"]}");
	json_decref(next_line(fd));
	drop(1);
	CU_ASSERT_EQUAL(reported(fd, 1), 1);
	close(fd);
	close(other);
	end_with_stations();
}

/* By the command line, which cannot say when it listens: so there are drops until it has seen some. */
static void drops_on_the_monitor(void)
{
	char command[PATH_MAX + 256], line[1024] = "";
	unsigned rounds = 0;
	FILE *f;

	begin_with_stations();
	drop(0);
	snprintf(command, sizeof(command), "exec %.400s/hvnetctl --socket %.400s monitor drop.report --count 1", programs, control);
	f = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (struct pollfd p = { .fd = fileno(f), .events = POLLIN }; rounds < PATIENCE_MS / 50 && poll(&p, 1, 50) == 0; rounds++)
		drop(1);
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "drop.report"));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"acl-out\":"));
	CU_ASSERT_EQUAL(pclose(f), 0);
	end_with_stations();
}

/* ---- addresses ---- */

static void addresses_that_move(void)
{
	char seen[64] = "";
	json_t *params;
	int fd;

	begin_with_stations();
	fd = subscribe("{\"kinds\":[\"fdb.flapping\"]}");
	json_decref(next_line(fd));
	/* On a machine that is slow enough it may not be often enough at first. */
	for (unsigned round = 0; round < 500 && !seen[0]; round++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		send_udp(A, 7, 2, 9, 60);
		CU_ASSERT_TRUE_FATAL(receive(B, 1));
		send_udp(B, 7, 1, 9, 60);
		CU_ASSERT_TRUE_FATAL(receive(A, 1));
		if (poll(&p, 1, round < 20 ? 0 : 20) != 1)
			continue;
		CU_ASSERT_STRING_EQUAL(next_event(fd, &params), "fdb.flapping");
		snprintf(seen, sizeof(seen), "%s", json_string_value(json_object_get(params, "mac")));
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "switch")), "lab");
		CU_ASSERT_TRUE(json_integer_value(json_object_get(params, "count")) > 0);
		json_decref(params);
	}
	CU_ASSERT_STRING_EQUAL(seen, "02:00:00:00:00:07");
	close(fd);
	end_with_stations();
}

/* ---- teams and jobs ---- */

/* Whether the next event that is about the member says so; others are about the other one. */
static bool member_becomes(int fd, const char *interface, const char *state)
{
	const char *who, *what;
	json_t *params;
	bool good = false;

	for (unsigned i = 0; i < 20 && !good && !strcmp(next_event(fd, &params), "team.member"); i++) {
		who = json_string_value(json_object_get(params, "interface"));
		what = json_string_value(json_object_get(params, "state"));
		good = !strcmp(who, interface) && !strcmp(what, state);
		json_decref(params);
	}
	return good;
}

static void members_come_and_go(void)
{
	int fd;

	if (!make_veths(2))
		return;
	begin();
	fd = subscribe("{\"kinds\":[\"team.member\"]}");
	json_decref(next_line(fd));
	GIVES(client, 0, "uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"e0\",\"e1\"]}");
	CU_ASSERT_TRUE(member_becomes(fd, "e1", "active"));
	CU_ASSERT_TRUE(run("ip link set p0 down"));
	CU_ASSERT_TRUE(member_becomes(fd, "e0", "down"));
	CU_ASSERT_TRUE(run("ip link set p0 up"));
	CU_ASSERT_TRUE(member_becomes(fd, "e0", "active"));
	CU_ASSERT_TRUE(run("ip link del e1"));
	CU_ASSERT_TRUE(member_becomes(fd, "e1", "gone"));
	CU_ASSERT_TRUE(run("ip link add e1 type veth peer name p1 && ip link set e1 up && ip link set p1 up"));
	CU_ASSERT_TRUE(member_becomes(fd, "e1", "active"));
	close(fd);
	end();
}

static const char *job_of(const char *method, const char *params)
{
	static char job[96];

	snprintf(job, sizeof(job), "{\"job\":\"%.40s\"}", answer(client, method, params, "job"));
	return job;
}

/* A program that does not answer keeps the job at work for as long as it takes. */
static void a_job_is_cancelled(void)
{
	const char *job;
	pid_t pid;

	if (!make_veths(2))
		return;
	begin();
	GIVES(client, RPC_NOT_FOUND, "job.cancel", "{\"job\":\"nobody's\"}");
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"out\",\"remote\":{\"class\":\"filter\",\"answer_ms\":10000}}");
	pid = start_program("veto");
	kill(pid, SIGSTOP);
	job = job_of("uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"e0\"]}");
	CU_ASSERT_TRUE(becomes(client, "extension.status", "{\"switch\":\"lab\"}", "extensions[0].counters.program_questions", "1"));
	CU_ASSERT_NOT_EQUAL(strcmp(answer(client, "job.get", job, "state"), "completed"), 0);
	GIVES(client, 0, "job.cancel", job);
	CU_ASSERT_TRUE(becomes(client, "job.get", job, "state", "killed"));
	/* It is undone, and there is nothing to cancel any more. */
	CU_ASSERT_STRING_EQUAL(answer(client, "uplink.list", "{}", "total"), "0");
	GIVES(client, RPC_STATE, "job.cancel", job);
	/* The next one goes through when the program says so. */
	kill(pid, SIGCONT);
	job = job_of("uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"e0\"]}");
	CU_ASSERT_TRUE(becomes(client, "job.get", job, "state", "completed"));
	CU_ASSERT_STRING_EQUAL(answer(client, "job.get", job, "percent"), "100");
	GIVES(client, RPC_STATE, "job.cancel", job);
	CU_ASSERT_STRING_EQUAL(answer(client, "uplink.list", "{}", "total"), "1");
	/* And one that it refuses has failed, with its reason. */
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"out\",\"argument\":\"nic=3\"}");
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	pid = start_program("veto");
	GIVES(client, 0, "switch.set", "{\"switch\":\"lab\",\"type\":\"internal\"}");
	job = job_of("uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"e0\"]}");
	CU_ASSERT_TRUE(becomes(client, "job.get", job, "state", "exception"));
	CU_ASSERT_STRING_EQUAL(answer(client, "job.get", job, "error.data.reason"), "NICs of kind 3 have to stay outside");
	CU_ASSERT_STRING_EQUAL(answer(client, "uplink.list", "{}", "total"), "0");
	end_program(pid);
	end();
}

static const struct hv_test tests[] = {
	{ "drops are reported, those that somebody listened for", drops_are_reported },
	{ "drops on the monitor", drops_on_the_monitor },
	{ "addresses that move", addresses_that_move },
	{ "members of a team come and go", members_come_and_go },
	{ "a job is cancelled, and leaves nothing", a_job_is_cancelled },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/event", tests, sizeof(tests) / sizeof(tests[0]));
}
