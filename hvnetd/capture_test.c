/* SPDX-License-Identifier: MIT */
/*
 * Captures of the real daemon by the real hvnetctl, with two stations on stream ports, and read by our tests' own reader, by
 * capinfos and by tshark: who is right about pcapng is not for us to say.
 */
#include "hvnetd/test_stations.h"

#include "vswitch/test_pcapng.h"

static pid_t host;
static char command[4096], output[65536];

static void begin(void)
{
	make_dir();
	host = start(&client);
	plug_both();
}

static void end(void)
{
	hvnet_disconnect(client);
	unplug_both();
	stop(host);
	remove_dir();
}

/* hvnetctl. */

static pid_t run_shell(const char *line)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(98);
	setenv("HVNET_SOCKET", control, 1);
	setenv("D", dir, 1);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(97);
}

/* The arguments behind "hvnetctl capture"; $D is the test's folder. The shell makes way for it, so signals reach it. */
static pid_t run_capture(const char *arguments)
{
	snprintf(command, sizeof(command), "exec %s/hvnetctl capture %s 2>\"$D/errors\"", programs, arguments);
	return run_shell(command);
}

static json_int_t captures(const char *member_name)
{
	json_t *result = call(client, "capture.list", "{}"), *row = json_array_get(json_object_get(result, "captures"), 0);
	json_int_t n = member_name ? json_integer_value(json_object_get(row, member_name)) :
				     (json_int_t)json_array_size(json_object_get(result, "captures"));

	json_decref(result);
	return n;
}

/* Waits until it is so many. */
static bool await(const char *member_name, json_int_t n)
{
	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (captures(member_name) == n)
			return true;
		usleep(5000);
	}
	printf("%s: %lld instead of %lld\n", member_name ? member_name : "captures", (long long)captures(member_name), (long long)n);
	return false;
}

static const char *content(const char *name)
{
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, output, sizeof(output) - 1) : 0;

	if (fd >= 0)
		close(fd);
	output[n > 0 ? n : 0] = '\0';
	return output;
}

/* What a command prints on standard output. */
static const char *printed_by(const char *line)
{
	pid_t pid;

	snprintf(command, sizeof(command), "exec >\"$D/printed\"; %s", line);
	pid = run_shell(command);
	wait_exit(pid);
	content("printed");
	unlink(in_dir("printed"));
	return output;
}

static bool have(const char *program_name)
{
	char line[64];

	snprintf(line, sizeof(line), "command -v %s", program_name);
	return *printed_by(line);
}

static bool says(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		printf("no \"%s\" in: %s\n", wanted, text);
	return strstr(text, wanted);
}

/* Whether the command prints just this. */
static bool prints(const char *line, const char *wanted)
{
	bool same = !strcmp(printed_by(line), wanted);

	if (!same)
		printf("%s\nprints:\n%sinstead of:\n%s", line, output, wanted);
	return same;
}

static struct read_capture *read_file(const char *name, uint8_t **bytes)
{
	struct read_capture *r;
	struct stat st = { 0 };
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && !fstat(fd, &st));
	*bytes = malloc((size_t)st.st_size + 1);
	CU_ASSERT_EQUAL(read(fd, *bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	r = test_read_file(*bytes, (size_t)st.st_size);
	return r;
}

/* Tests. */

/* Three frames that pass, one of which is sent by A as if it were from a group: seven sights at most. */
static void send_some(void)
{
	uint8_t f[128];

	send_udp(A, 1, 2, 1001, 100);
	send_udp(A, 1, 2, 1002, 200);
	make(f, 1, 2, 1003, 100);
	f[6] |= 1;
	send_frame(A, f, 100);
	send_udp(B, 2, 1, 1004, 300);
	CU_ASSERT_TRUE(receive(B, 2));
	CU_ASSERT_TRUE(receive(A, 1));
}

static void into_a_file(void)
{
	struct read_capture *r;
	uint8_t *bytes;
	pid_t pid;
	int i;

	begin();
	pid = run_capture("--point ingress,accepted,egress,dropped -w \"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	send_some();
	CU_ASSERT_TRUE(await("frames", 11));	/* 4 in, 3 accepted, 3 out, 1 dropped */
	kill(pid, SIGINT);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	CU_ASSERT_TRUE(says(content("errors"), "11 frames captured, 11 seen, 0 lost"));
	CU_ASSERT_TRUE(await(NULL, 0));
	r = read_file("file", &bytes);
	CU_ASSERT_EQUAL(r->num_packets, 11);
	i = test_find_interface(r, "a dropped");
	CU_ASSERT_FATAL(i >= 0);
	CU_ASSERT_EQUAL(r->interfaces[i].packets, 1);
	CU_ASSERT_EQUAL(r->interfaces[i].received, 1);
	CU_ASSERT_TRUE(says(r->application, "hvnetd"));
	free(r);
	free(bytes);
	if (have("capinfos") && have("tshark")) {
		CU_ASSERT_TRUE(prints("capinfos -Tmrc \"$D/file\" | cut -d, -f2", "11\n"));
		CU_ASSERT_TRUE(prints("capinfos -Tmro \"$D/file\" | cut -d, -f2", "True\n"));
		CU_ASSERT_TRUE(prints("capinfos -I \"$D/file\" | sed -n 's/^Number of interfaces in file: //p'", "6\n"));
		CU_ASSERT_TRUE(prints("tshark -r \"$D/file\" -T fields -E separator=, -e frame.interface_name -e "
						  "frame.packet_flags_direction -e frame.len -e udp.srcport 2>/dev/null | sort",
				       "a accepted,0x00000001,100,1001\n"
				       "a accepted,0x00000001,200,1002\n"
				       "a dropped,0x00000001,100,1003\n"
				       "a,0x00000001,100,1001\n"
				       "a,0x00000001,100,1003\n"
				       "a,0x00000001,200,1002\n"
				       "a,0x00000002,300,1004\n"
				       "b accepted,0x00000001,300,1004\n"
				       "b,0x00000001,300,1004\n"
				       "b,0x00000002,100,1001\n"
				       "b,0x00000002,200,1002\n"));
		CU_ASSERT_TRUE(prints("tshark -r \"$D/file\" -Y frame.comment -T fields -E separator=, -e "
						  "frame.interface_name -e frame.comment 2>/dev/null",
				       "a dropped,dropped: group-source\n"));
		CU_ASSERT_TRUE(prints("tshark -r \"$D/file\" -T fields -e frame.time_delta 2>/dev/null | grep -c '^-'",
				       "0\n"));
	} else {
		hv_test_skip("tshark's verdict, for it is not there");
	}
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

static void one_port_one_filter(void)
{
	pid_t pid;

	begin();
	pid = run_capture("b --point ingress,egress --direction out --filter 'udp port 1002 or udp port 1004' --snap 60 -w \"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	send_some();
	CU_ASSERT_TRUE(await("seen", 2));
	CU_ASSERT_EQUAL(captures("frames"), 1);
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	CU_ASSERT_TRUE(says(content("errors"), "1 frames captured, 2 seen, 0 lost"));
	if (have("tshark"))
		CU_ASSERT_TRUE(prints("tshark -r \"$D/file\" -T fields -E separator=, -e frame.interface_name -e frame.len -e "
						  "frame.cap_len -e udp.srcport 2>/dev/null", "b,200,60,1002\n"));
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

static void stop_captures(void)
{
	json_t *list = call(client, "capture.list", "{}"), *v;
	size_t i;

	json_array_foreach(json_object_get(list, "captures"), i, v)
		json_decref(hvnet_call(client, "capture.stop", json_pack("{s:O}", "capture", json_object_get(v, "capture")), &err));
	json_decref(list);
}

/* As on an interface of Linux: "udp and vlan 7" in any order, and "udp" alone, too. */
static void tagged_frames(void)
{
	static const char *const filters[] = { "udp port 1001 and vlan 7", "udp port 1001", "not vlan" };
	pid_t pids[3];
	uint8_t f[104];

	begin();
	for (int i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "exec %s/hvnetctl capture a --point ingress --direction in --filter '%s' 2>/dev/null "
			 ">\"$D/out%d\"", programs, filters[i], i);
		pids[i] = run_shell(command);
		CU_ASSERT_TRUE(await(NULL, i + 1));
	}
	make(f, 1, 2, 1001, 100);
	memmove(f + 16, f + 12, 88);
	memcpy(f + 12, "\x81\x00\x60\x07", 4);
	send_frame(A, f, 104);
	send_udp(A, 1, 2, 1002, 200);
	CU_ASSERT_TRUE(receive(B, 2));
	stop_captures();
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(wait_exit(pids[i]), 0);
	CU_ASSERT_TRUE(prints("cat \"$D/out0\" \"$D/out1\" | grep -c ', 104 bytes'; cat \"$D/out0\" \"$D/out1\" | wc -l; "
			      "grep -c ', 200 bytes' \"$D/out2\"; cat \"$D/out2\" | wc -l; rm \"$D\"/out?", "2\n2\n1\n1\n"));
	end();
}

static void live_into_tshark(void)
{
	pid_t pid;

	begin();
	if (!have("tshark")) {
		hv_test_skip("tshark is not there");
		end();
		return;
	}
	snprintf(command, sizeof(command), "%s/hvnetctl capture a --count 3 -w - 2>\"$D/errors\" | tshark -l -r - -T fields -E "
		 "separator=, -e frame.interface_name -e udp.srcport >\"$D/file\" 2>/dev/null", programs);
	pid = run_shell(command);
	CU_ASSERT_TRUE(await(NULL, 1));
	send_some();
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	CU_ASSERT_STRING_EQUAL(content("file"), "a,1001\na,1002\na,1003\n");
	CU_ASSERT_TRUE(says(content("errors"), "3 frames captured"));
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

/* Each point that the manual names in each direction, all at once: what tshark makes of the pipe is just that. */
static void live_at_each_point(void)
{
	static const struct {
		const char *point, *direction, *shows;
	} rows[] = {
		{ "ingress", "in", "a,1,1001,\na,1,1002,\na,1,1003,\na,1,1005,\nb,1,1004,\n" },
		{ "ingress", "out", "" },
		{ "accepted", "in", "a accepted,1,1001,\na accepted,1,1002,\na accepted,1,1005,\nb accepted,1,1004,\n" },
		{ "accepted", "out", "" },
		{ "egress", "in", "" },
		{ "egress", "out", "a,2,1004,\nb,2,1001,\nb,2,1002,\n" },
		{ "dropped", "in", "a dropped,1,1003,dropped: group-source\n" },
		{ "dropped", "out", "b dropped,2,1005,dropped: acl-in (acl 1)\n" },
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	pid_t pids[ROWS];
	char name[64];

	begin();
	if (!have("tshark")) {
		hv_test_skip("tshark is not there");
		end();
		return;
	}
	json_decref(call(client, "acl.add", "{\"port\":\"lab/b\",\"action\":\"deny\",\"direction\":\"in\",\"protocol\":\"udp\","
					    "\"remote_port\":\"1005\"}"));
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(command, sizeof(command), "%s/hvnetctl capture --switch lab --point %s --direction %s -w - 2>\"$D/errors\" | "
			 "tshark -l -r - -T fields -E separator=, -e frame.interface_name -e frame.packet_flags_direction -e "
			 "udp.srcport -e frame.comment 2>/dev/null | sed s/0x0000000// >\"$D/out%zu\"", programs, rows[i].point,
			 rows[i].direction, i);
		pids[i] = run_shell(command);
	}
	CU_ASSERT_TRUE(await(NULL, ROWS));
	send_udp(A, 1, 2, 1005, 100);
	send_some();
	stop_captures();
	for (size_t i = 0; i < ROWS; i++) {
		CU_ASSERT_EQUAL(wait_exit(pids[i]), 0);
		snprintf(name, sizeof(name), "sort \"$D/out%zu\"", i);
		CU_ASSERT_TRUE(prints(name, rows[i].shows));
		snprintf(name, sizeof(name), "out%zu", i);
		unlink(in_dir(name));
	}
	unlink(in_dir("errors"));
	end();
}

static void reader_goes_away(void)
{
	pid_t pid;

	begin();
	/* With nothing that passes: what head reads is the section and the interfaces. */
	snprintf(command, sizeof(command), "{ %s/hvnetctl capture -w - 2>\"$D/errors\"; echo $? >\"$D/status\"; } | head -c 50 >/dev/null",
		 programs);
	pid = run_shell(command);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	CU_ASSERT_STRING_EQUAL(content("status"), "0\n");
	CU_ASSERT_TRUE(says(content("errors"), "the reader of the pipe has gone"));
	CU_ASSERT_TRUE(await(NULL, 0));
	unlink(in_dir("status"));
	unlink(in_dir("errors"));
	end();
}

static void lines_for_people(void)
{
	const char *text;
	pid_t pid;

	begin();
	pid = run_capture("a --point ingress,dropped --count 4 >\"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	send_some();
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	text = content("file");
	CU_ASSERT_TRUE(says(text, " a in 02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1:1001 > 10.0.0.2:1001 udp, 100 bytes\n"));
	CU_ASSERT_TRUE(says(text, " a dropped in 03:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1:1003 > 10.0.0.2:1003 udp, 100 bytes "
			    "[dropped: group-source]\n"));
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

static void ring_of_files(void)
{
	const unsigned total = 100;
	pid_t pid;

	begin();
	pid = run_capture("a --direction in -w \"$D/ring.pcapng\" --ring-files 3 --ring-size 4096");
	CU_ASSERT_TRUE(await(NULL, 1));
	for (unsigned i = 0; i < total; i++)
		send_udp(A, 1, 2, (uint16_t)(2000 + i), 400);
	CU_ASSERT_TRUE(receive(B, total));
	CU_ASSERT_TRUE(await("frames", total));
	kill(pid, SIGINT);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	/* A packet takes 444 bytes here, and a file begins with some 200. */
	CU_ASSERT_TRUE(prints("ls \"$D\" | grep -c '^ring_000[0-9][0-9]_[0-9]*.pcapng$'", "3\n"));
	CU_ASSERT_TRUE(prints("find \"$D\" -name 'ring_*' -size +4096c | wc -l", "0\n"));
	if (have("tshark")) {
		CU_ASSERT_TRUE(prints("for f in \"$D\"/ring_*; do capinfos \"$f\" >/dev/null || echo bad; done", ""));
		CU_ASSERT_TRUE(prints("for f in \"$D\"/ring_*; do tshark -r \"$f\" -T fields -e udp.srcport -e "
						  "frame.interface_name 2>/dev/null; done | tail -n 10 | tr '\\t\\n' '/ '",
				       "2090/a 2091/a 2092/a 2093/a 2094/a 2095/a 2096/a 2097/a 2098/a 2099/a "));
	}
	printed_by("rm -f \"$D\"/ring_*");
	unlink(in_dir("errors"));
	end();
}

/* A reader that stands still loses frames, which it is told; the stations notice nothing. */
static void slow_reader(void)
{
	const unsigned total = 2000;
	struct read_capture *r;
	uint8_t *bytes;
	uint64_t lost;
	pid_t pid;

	begin();
	pid = run_capture("a --direction in --buffer 1 -w \"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	kill(pid, SIGSTOP);
	for (unsigned i = 0; i < total; i++) {
		send_udp(A, 1, 2, 1, 1500);
		CU_ASSERT_TRUE_FATAL(receive(B, 1));
	}
	CU_ASSERT_TRUE(await("seen", total));
	CU_ASSERT(captures("lost") > 0);
	kill(pid, SIGCONT);
	kill(pid, SIGINT);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	r = read_file("file", &bytes);
	lost = r->interfaces[0].dropped;
	CU_ASSERT(lost > 0);
	CU_ASSERT_EQUAL(r->num_packets + lost, total);
	CU_ASSERT_EQUAL(r->interfaces[0].received, total);
	free(r);
	free(bytes);
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

static void ends_with_its_client(void)
{
	pid_t pid;

	begin();
	pid = run_capture("-w \"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	kill(pid, SIGKILL);
	wait_exit(pid);
	CU_ASSERT_TRUE(await(NULL, 0));
	send_some();
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

static void ends_with_its_switch(void)
{
	struct read_capture *r;
	uint8_t *bytes;
	pid_t pid;

	begin();
	pid = run_capture("-w \"$D/file\"");
	CU_ASSERT_TRUE(await(NULL, 1));
	send_some();
	CU_ASSERT_TRUE(await("frames", 7));
	CU_ASSERT_EQUAL(code_of(client, "switch.delete", "{\"switch\":\"lab\",\"force\":true}"), 0);
	CU_ASSERT_EQUAL(wait_exit(pid), 0);
	r = read_file("file", &bytes);
	CU_ASSERT_EQUAL(r->num_packets, 7);
	CU_ASSERT_TRUE(r->interfaces[0].has_statistics);
	free(r);
	free(bytes);
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

/* In an orderly way, and not. Either way what was captured is there. */
static void ends_with_its_daemon(void)
{
	for (int violently = 0; violently < 2; violently++) {
		struct read_capture *r;
		uint8_t *bytes;
		pid_t pid;

		begin();
		pid = run_capture("-w \"$D/file\"");
		CU_ASSERT_TRUE(await(NULL, 1));
		send_some();
		CU_ASSERT_TRUE(await("frames", 7));
		hvnet_disconnect(client);
		kill(host, violently ? SIGKILL : SIGTERM);
		CU_ASSERT_EQUAL(wait_exit(host), violently ? -SIGKILL : 0);
		CU_ASSERT_EQUAL(wait_exit(pid), violently);
		r = read_file("file", &bytes);
		CU_ASSERT_EQUAL(r->num_packets, 7);
		CU_ASSERT_EQUAL(r->interfaces[0].has_statistics, !violently);
		free(r);
		free(bytes);
		close(peer[A]);
		close(peer[B]);
		unlink(in_dir("file"));
		unlink(in_dir("errors"));
		remove_dir();
	}
}

static void refusals(void)
{
	static const struct { const char *arguments, *sentence; int status; } rows[] = {
		{ "c", "no switch has a port c", 1 },
		{ "--switch c", "no switch \"c\"", 1 },
		{ "c --switch lab", "switch \"lab\" has no port c", 1 },
		{ "--point ingres", "has no \"ingres\"", 1 },
		{ "--direction up", "it may be in, out or both", 2 },
		{ "--filter 'udp prot 5'", "--filter: ", 2 },
		{ "--filter 'ip6 protochain 17'", "could loop", 1 },
		{ "--ring-files 3 -w \"$D/file\"", "go together", 2 },
		{ "--ring-files 3 --ring-size 5000", "needs --write FILE", 2 },
		{ "-w \"$D/nowhere/file\"", "cannot write to", 1 },
		{ "-w /dev/full --seconds 1", "No space left", 1 },
		{ "--seconds 1 >/dev/full --point ingress", "", 0 },
	};
	static const struct { const char *params; int code; } raw[] = {
		{ "{\"filter\":\"0\"}", RPC_INVALID_PARAMS }, { "{\"filter\":\"1,6 0 0\"}", RPC_INVALID_PARAMS },
		{ "{\"filter\":\"1,6 0 0 1,\"}", RPC_INVALID_PARAMS }, { "{\"filter\":\"2,6 0 0 1\"}", RPC_INVALID_PARAMS },
		{ "{\"filter\":\"1,65536 0 0 1\"}", RPC_INVALID_PARAMS }, { "{\"filter\":\"1,6 0 0 4294967296\"}", RPC_INVALID_PARAMS },
		{ "{\"filter\":\"1,5 0 0 4294967295\"}", RPC_INVALID_PARAMS }, { "{\"filter\":\"1, 6 0 0 1\"}", RPC_INVALID_PARAMS },
		{ "{\"vlan\":4095}", RPC_INVALID_PARAMS }, { "{\"points\":\"ingress,\"}", RPC_INVALID_PARAMS },
	};
	int fds[HVNET_FDS_MAX];

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pid_t pid = run_capture(rows[i].arguments);
		int status = wait_exit(pid);

		if (status != rows[i].status || !says(content("errors"), rows[i].sentence)) {
			printf("%s: %d, %s\n", rows[i].arguments, status, output);
			CU_FAIL("another status or sentence");
		}
	}
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
		CU_ASSERT_EQUAL(code_of(client, "capture.start", raw[i].params), raw[i].code);
	CU_ASSERT_EQUAL(code_of(client, "capture.stop", "{\"capture\":\"77\"}"), RPC_NOT_FOUND);
	CU_ASSERT_EQUAL(captures(NULL), 0);
	CU_ASSERT_EQUAL(hvnet_take_fds(client, fds, HVNET_FDS_MAX), 0);
	unlink(in_dir("file"));
	unlink(in_dir("errors"));
	end();
}

/* The descriptors belong to one answer each, also when two requests come in one line; the limit holds. */
static void many_at_once(void)
{
	static const char two[] = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"capture.start\"},"
				  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"capture.start\"}]\n";
	int fds[HVNET_FDS_MAX];
	char *line;

	begin();
	line = hvnet_raw_call(client, two, sizeof(two) - 1, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_TRUE(says(line, "one capture at a time"));
	free(line);
	CU_ASSERT_EQUAL(captures(NULL), 1);
	CU_ASSERT_EQUAL_FATAL(hvnet_take_fds(client, fds, HVNET_FDS_MAX), 2);
	CU_ASSERT_NOT_EQUAL(ftruncate(fds[0], 0), 0);	/* sealed */
	close(fds[0]);
	close(fds[1]);
	for (int i = 1; i < 16; i++) {
		CU_ASSERT_EQUAL(code_of(client, "capture.start", "{\"buffer_bytes\":1}"), 0);
		CU_ASSERT_EQUAL_FATAL(hvnet_take_fds(client, fds, HVNET_FDS_MAX), 2);
		close(fds[0]);
		close(fds[1]);
	}
	CU_ASSERT_EQUAL(code_of(client, "capture.start", "{}"), RPC_NO_RESOURCES);
	CU_ASSERT_EQUAL(captures(NULL), 16);
	CU_ASSERT_EQUAL(code_of(client, "capture.stop", "{\"capture\":\"1\"}"), 0);
	CU_ASSERT_EQUAL(captures(NULL), 15);
	end();
}

static const struct hv_test tests[] = {
	{ "into a file, at every point, as tshark and capinfos read it", into_a_file },
	{ "of one port, one direction, with a filter and a snap length", one_port_one_filter },
	{ "filters find tagged frames, by their tag or without", tagged_frames },
	{ "live into tshark", live_into_tshark },
	{ "live into tshark, from each point in each direction", live_at_each_point },
	{ "ends when the pipe's reader goes, although nothing passes", reader_goes_away },
	{ "as lines for people", lines_for_people },
	{ "into a ring of files", ring_of_files },
	{ "a reader that stands still holds up nobody", slow_reader },
	{ "ends with its client", ends_with_its_client },
	{ "ends with its switch", ends_with_its_switch },
	{ "ends with its daemon", ends_with_its_daemon },
	{ "what is wrong is refused with a sentence", refusals },
	{ "descriptors and limits", many_at_once },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/capture", tests, sizeof(tests) / sizeof(tests[0]));
}
