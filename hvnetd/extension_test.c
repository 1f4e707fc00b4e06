/* SPDX-License-Identifier: MIT */
/*
 * Extensions of the real daemon by its API: the shared objects that are shipped, programs outside, and what is wrong with either; with
 * frames between two stations, and a guest's device for NICs.
 */
#include "hvnetd/test_extension.h"

#include "vfio-user/vfio_user_client.h"

static pid_t host;

static void spawn_daemon(const char *extensions)
{
	host = SPAWN("--no-default-switch", "--state-dir", dir, "--extension-dir", extensions);
	client = connect_to(host);
}

static void begin(void)
{
	find_objects();
	make_dir();
	spawn_daemon(objects);
	GIVES(client, 0, "switch.create", "{\"name\":\"lab\"}");
}

static void begin_with_stations(void)
{
	begin();
	plug_both();
}

static void end(void)
{
	CU_ASSERT_STRING_EQUAL(answer(client, "audit", "{}", "balanced"), "true");
	hvnet_disconnect(client);
	stop(host);
	remove_dir();
}

static void end_with_stations(void)
{
	unplug_both();
	end();
}

/* Whether the error says so; the code has been looked at. */
static bool says(const char *text)
{
	if (!strstr(err.message, text))
		printf("no \"%s\" in: %s\n", text, err.message);
	return strstr(err.message, text);
}

#define REFUSED(code, method, params, text) \
	do { \
		GIVES(client, code, method, params); \
		CU_ASSERT_TRUE(says(text)); \
	} while (0)

#define STATUS(path) answer(client, "extension.status", "{\"switch\":\"lab\"}", path)

/* Only what arrives counts: the second frame shows that the first did not. */
static bool passes(uint16_t port)
{
	send_udp(A, 1, 2, port, 100);
	send_udp(A, 1, 2, 9999, 100);
	if (!receive(B, 1))
		return false;
	if (received[36] == 9999 >> 8 && received[37] == (9999 & 255))
		return false;
	CU_ASSERT_EQUAL(received[37], port & 255);
	return receive(B, 1);
}

/* ---- shared objects ---- */

static void what_is_installed(void)
{
	static const char *const names[] = { "bad_capture", "bad_filter", "bad_forward", "bpf_filter", "flow_table", "pcapng", "veto" };
	static const char *const classes[] = { "capture", "filter", "forward", "filter", "forward", "capture", "filter" };
	char path[64];

	begin();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "extensions[%zu].name", i);
		CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", path), names[i]);
		snprintf(path, sizeof(path), "extensions[%zu].class", i);
		CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", path), classes[i]);
	}
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", "total"), "7");
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{\"offset\":3,\"limit\":1}", "extensions[0].name"), "bpf_filter");
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{\"offset\":3,\"limit\":1}", "next_offset"), "4");
	/* Asked, and gone: the answer is nobody's. */
	hvnet_disconnect(client);
	client = connect_to(host);
	CU_ASSERT_STRING_EQUAL(STACK("total"), "0");
	end();
	/* Beside the build's programs it is found without being told. */
	make_dir();
	host = start(&client);
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", "extensions[3].name"), "bpf_filter");
	hvnet_disconnect(client);
	stop(host);
	remove_dir();
}

static void a_filter(void)
{
	begin_with_stations();
	CU_ASSERT_TRUE(passes(53));
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\",\"argument\":\"drop udp port 53\"}");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "bpf_filter");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].class"), "filter");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].enabled"), "true");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].argument"), "drop udp port 53");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].module"), "bpf_filter");
	CU_ASSERT_STRING_EQUAL(answer(client, "switch.get", "{\"switch\":\"lab\"}", "extensions[0]"), "bpf_filter");
	CU_ASSERT_FALSE(passes(53));
	CU_ASSERT_TRUE(passes(54));
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.in_frames"), "4");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.in_dropped"), "1");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.completed"), "3");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].last_drop"), "drop udp port 53");
	CU_ASSERT_NOT_EQUAL(atoi(STATUS("extensions[0].counters.frame_ns")), 0);
	CU_ASSERT_NOT_EQUAL(atoi(STATUS("extensions[0].counters.batches")), 0);
	/* Another argument makes it another one. */
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\",\"argument\":\"drop udp port 54\"}");
	CU_ASSERT_FALSE(passes(54));
	CU_ASSERT_TRUE(passes(53));
	/* One that cannot be leaves the one that was. */
	REFUSED(RPC_REFUSED, "extension.enable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\","
	      "\"argument\":\"drop nonsense\"}", "bpf_filter");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].argument"), "drop udp port 54");
	CU_ASSERT_FALSE(passes(54));
	GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\"}");
	CU_ASSERT_TRUE(passes(54));
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].enabled"), "false");
	GIVES(client, 0, "extension.remove", "{\"switch\":\"lab\",\"name\":\"bpf_filter\"}");
	CU_ASSERT_STRING_EQUAL(STACK("total"), "0");
	REFUSED(RPC_NOT_FOUND, "extension.remove", "{\"switch\":\"lab\",\"name\":\"bpf_filter\"}", "no extension bpf_filter");
	end_with_stations();
}

static void a_capture_and_a_forwarder(void)
{
	char params[PATH_MAX];
	static uint8_t bytes[65536];
	size_t n;
	FILE *f;

	begin_with_stations();
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"name\":\"pcapng\",\"argument\":\"file=%s\"}", in_dir("frames"));
	GIVES(client, 0, "extension.enable", params);
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"table\",\"module\":\"flow_table\",\"argument\":"
	      "\"in=a port-dst=53 -> drop; -> native\"}");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "table");
	CU_ASSERT_FALSE(passes(53));
	CU_ASSERT_TRUE(passes(54));
	REFUSED(RPC_IN_USE, "extension.enable", "{\"switch\":\"lab\",\"name\":\"other\",\"module\":\"flow_table\","
	      "\"argument\":\"-> native\"}",
		"another forwarding extension");
	CU_ASSERT_STRING_EQUAL(STACK("total"), "2");
	/* In one transaction the other may take its place. */
	GIVES(client, 0, "transaction", "{\"calls\":[{\"method\":\"extension.disable\",\"params\":{\"switch\":\"lab\",\"name\":\"table\"}},"
	      "{\"method\":\"extension.enable\",\"params\":{\"switch\":\"lab\",\"name\":\"other\",\"module\":\"flow_table\",\"argument\":"
	      "\"-> native\"}}]}");
	CU_ASSERT_TRUE(passes(53));
	GIVES(client, 0, "extension.remove", "{\"switch\":\"lab\",\"name\":\"pcapng\"}");
	f = fopen(in_dir("frames"), "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	CU_ASSERT(n > 700 && bytes[0] == 0x0a && bytes[1] == 0x0d);
	unlink(in_dir("frames"));
	end_with_stations();
}

/* A child plays ping-pong between the stations; each frame that it sends has to arrive, in order. */
static pid_t begin_traffic(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint16_t round = 0; round < 4000; round++) {
		for (uint16_t i = 0; i < 4; i++)
			send_udp(A, 1, 2, (uint16_t)(round * 4 + i), 200);
		for (uint16_t i = 0; i < 4; i++)
			if (!receive(B, 1) || (received[36] << 8 | received[37]) != (uint16_t)(round * 4 + i))
				_exit(1);
	}
	_exit(0);
}

static void changes_under_traffic(void)
{
	unsigned changes = 0;
	int status = 0;
	pid_t pid;

	begin_with_stations();
	pid = begin_traffic();
	for (; changes < 20000 && !waitpid(pid, &status, WNOHANG); changes++) {
		GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"x\",\"module\":\"bpf_filter\","
		      "\"argument\":\"pass ip\"}");
		GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"y\",\"module\":\"bpf_filter\","
		      "\"argument\":\"pass udp\"}");
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "y");
		GIVES(client, 0, "extension.order", "{\"switch\":\"lab\",\"order\":[\"x\",\"y\"]}");
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "x");
		GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"y\"}");
		GIVES(client, 0, "extension.remove", "{\"switch\":\"lab\",\"name\":\"x\"}");
		GIVES(client, 0, "extension.remove", "{\"switch\":\"lab\",\"name\":\"y\"}");
	}
	CU_ASSERT_TRUE(changes > 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
	REFUSED(RPC_NOT_FOUND, "extension.order", "{\"switch\":\"lab\",\"order\":[\"z\"]}", "no extension z");
	end_with_stations();
}

/* The stack's order is what frames meet: only the first that drops counts it. */
static void the_order_is_the_stack(void)
{
	begin_with_stations();
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"x\",\"module\":\"bpf_filter\","
	      "\"argument\":\"drop udp port 53\"}");
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"y\",\"module\":\"bpf_filter\","
	      "\"argument\":\"drop udp port 53\"}");
	CU_ASSERT_FALSE(passes(53));
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].name"), "y");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.in_dropped"), "1");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[1].counters.in_dropped"), "0");
	GIVES(client, 0, "extension.order", "{\"switch\":\"lab\",\"order\":[\"x\"]}");
	CU_ASSERT_FALSE(passes(53));
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].name"), "x");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.in_dropped"), "1");
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[1].counters.in_dropped"), "1");
	end_with_stations();
}

/* ---- wrong ones ---- */

static void copy_object(const char *from, const char *to, size_t bytes, mode_t mode)
{
	static uint8_t content[1 << 20];
	char path[PATH_MAX + 64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", objects, from);
	f = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(content, 1, bytes < sizeof(content) ? bytes : sizeof(content), f);
	fclose(f);
	f = fopen(in_dir(to), "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(content, 1, n, f), n);
	fclose(f);
	chmod(in_dir(to), mode);
}

static const char *const whole[] = { "pcapng.so", "bpf_filter.so", "veto.so", "bad_abi.so", "bad_module.so", "bad_symbol.so" };

/* A folder with extensions, whole and broken ones, is where the daemon looks. */
static void begin_with_wrong_objects(void)
{
	begin();
	hvnet_disconnect(client);
	stop(host);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		copy_object(whole[i], whole[i], SIZE_MAX, 0644);
	copy_object("veto.so", "short.so", 2000, 0644);
	copy_object("veto.so", "text.so", 3, 0644);
	copy_object("veto.so", "open.so", SIZE_MAX, 0666);
	mkdir(in_dir("folder.so"), 0755);
	spawn_daemon(dir);
}

static void end_with_wrong_objects(void)
{
	static const char *const broken[] = { "short.so", "text.so", "open.so" };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		unlink(in_dir(whole[i]));
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		unlink(in_dir(broken[i]));
	rmdir(in_dir("folder.so"));
	end();
}

static void wrong_objects(void)
{
	static const struct {
		const char *params;
		int code;
		const char *text;
	} rows[] = {
		{ "\"name\":\"nothing\"", RPC_NOT_FOUND, "there is no nothing.so in" },
		{ "\"name\":\"x\",\"module\":\"nothing\"", RPC_NOT_FOUND, "there is no nothing.so in" },
		{ "\"name\":\"../x\"", RPC_INVALID_PARAMS, "letters" },
		{ "\"name\":\"x\",\"module\":\"../x\"", RPC_INVALID_PARAMS, "letters" },
		{ "\"name\":\"bad_abi\"", RPC_REFUSED, "is built for version" },
		{ "\"name\":\"bad_module\"", RPC_REFUSED, "not well-formed" },
		{ "\"name\":\"bad_symbol\"", RPC_REFUSED, "exports no symbol" },
		{ "\"name\":\"short\"", RPC_REFUSED, "no shared object of 64 bits, or not all of one" },
		{ "\"name\":\"text\"", RPC_REFUSED, "no shared object of 64 bits, or not all of one" },
		{ "\"name\":\"open\"", RPC_REFUSED, "can be written by others" },
		{ "\"name\":\"folder\"", RPC_REFUSED, "not a regular file" },
		{ "\"name\":\"pcapng\",\"argument\":\"file=/nonexistent/x\"", RPC_REFUSED, "/nonexistent/x" },
		{ "\"name\":\"bpf_filter\"", RPC_REFUSED, "bpf_filter" },
		{ "\"name\":\"veto\",\"argument\":\"flowers\"", RPC_REFUSED, "there is no word \"flowers\"" },
		{ "\"name\":\"x\",\"module\":\"y\",\"remote\":{\"class\":\"filter\"}", RPC_INCOMPATIBLE, "no \"module\"" },
		{ "\"name\":\"x\",\"remote\":{\"class\":\"magic\"}", RPC_INVALID_PARAMS, "class" },
		{ "\"name\":\"x\",\"remote\":{}", RPC_INVALID_PARAMS, "class" },
	};
	char params[PATH_MAX], long_text[1024], *before, *after;

	begin_with_wrong_objects();
	before = config_text(client);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(params, sizeof(params), "{\"switch\":\"lab\",%s}", rows[i].params);
		REFUSED(rows[i].code, "extension.enable", params, rows[i].text);
		CU_ASSERT_STRING_EQUAL(STACK("total"), "0");
	}
	memset(long_text, 'x', 600);
	long_text[600] = '\0';
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"name\":\"r\",\"remote\":{\"class\":\"filter\"},"
	      "\"argument\":\"%s\"}", long_text);
	REFUSED(RPC_INVALID_PARAMS, "extension.enable", params, "511 bytes");
	after = config_text(client);
	CU_ASSERT_STRING_EQUAL(before, after);
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", "total"), "3");
	free(before);
	free(after);
	end_with_wrong_objects();
}

/* ---- refusals ---- */

static void a_veto_leaves_nothing(void)
{
	char *before, *after;

	begin();
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"guardian\",\"module\":\"veto\","
	      "\"argument\":\"port=bad nic=3\"}");
	before = config_text(client);
	REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}", "guardian");
	CU_ASSERT_TRUE(says("nobody wants a port bad"));
	REFUSED(RPC_REFUSED, "transaction", "{\"calls\":[{\"method\":\"port.create\",\"params\":{\"switch\":\"lab\",\"name\":\"good\"}},"
		"{\"method\":\"port.create\",\"params\":{\"switch\":\"lab\",\"name\":\"bad\"}}]}", "nobody wants a port bad");
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "0");
	after = config_text(client);
	CU_ASSERT_STRING_EQUAL(before, after);
	CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.refusals"), "2");
	GIVES(client, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"good\"}");
	free(before);
	free(after);
	end();
}

/* ---- programs outside ---- */

static void listen_for_news(void)
{
	json_decref(call(client, "event.subscribe", "{\"kinds\":[\"extension.changed\"]}"));
}

/* The next event says that this has become of the extension. */
static bool told(const char *name, const char *action)
{
	json_t *ev = hvnet_event(client, PATIENCE_MS, &err), *params = json_object_get(ev, "params");
	const char *who = json_string_value(json_object_get(params, "name"));
	const char *what = json_string_value(json_object_get(params, "action"));
	bool good = who && what && !strcmp(who, name) && !strcmp(what, action);

	if (!good)
		printf("%s %s, not %s %s\n", who ? who : "-", what ? what : "-", name, action);
	if (good && !strcmp(action, "failed"))
		good = json_string_value(json_object_get(params, "why"));
	json_decref(ev);
	return good;
}

static void a_program_comes_and_goes(void)
{
	pid_t pid;

	begin_with_stations();
	listen_for_news();
	for (int open = 0; open < 2; open++) {
		GIVES(client, 0, "extension.enable", open ? "{\"switch\":\"lab\",\"name\":\"out\","
		      "\"argument\":\"drop udp port 53\",\"remote\":"
		      "{\"class\":\"filter\",\"wait_ms\":10000,\"fail_open\":true}}" : "{\"switch\":\"lab\",\"name\":\"out\",\"argument\":"
		      "\"drop udp port 53\",\"remote\":{\"class\":\"filter\",\"wait_ms\":10000}}");
		CU_ASSERT_TRUE(told("out", "enabled"));
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].running"), "false");
		if (open)
			CU_ASSERT_TRUE(passes(53));
		pid = start_program("bpf_filter");
		CU_ASSERT_TRUE(told("out", "attached"));
		CU_ASSERT_TRUE(passes(54));
		CU_ASSERT_FALSE(passes(53));
		CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].last_drop"), "drop udp port 53");
		CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.program_asked"), "4");
		end_program(pid);
		CU_ASSERT_TRUE(told("out", "failed"));
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].running"), "false");
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].why"), "it left");
		if (open) {
			CU_ASSERT_TRUE(passes(53));
		} else {
			send_udp(A, 1, 2, 54, 100);
			CU_ASSERT_TRUE(becomes(client, "extension.status", "{\"switch\":\"lab\"}", "extensions[0].counters.in_dropped",
					       "1"));
			CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].last_drop"), "there is no program");
		}
		/* Another one takes its place. */
		pid = start_program("bpf_filter");
		CU_ASSERT_TRUE(told("out", "attached"));
		CU_ASSERT_STRING_EQUAL(STACK("extensions[0].why"), "");
		CU_ASSERT_TRUE(passes(54));
		CU_ASSERT_FALSE(passes(53));
		GIVES(client, 0, "extension.remove", "{\"switch\":\"lab\",\"name\":\"out\"}");
		CU_ASSERT_TRUE(told("out", "disabled"));
		CU_ASSERT_EQUAL(wait_exit(pid), 0);	/* the switch has ended it */
		CU_ASSERT_TRUE(passes(53));
	}
	end_with_stations();
}

/* Another connection, whose reply is read when it is wanted. */
static int ask_without_waiting(const char *line)
{
	int fd = connect_unix(control);

	CU_ASSERT_EQUAL(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
	return fd;
}

/* The reply's error, or 0; text: its message. */
static int reply_of(int fd, char *text, size_t bytes)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char line[8192] = "";
	json_t *reply, *error;
	size_t n = 0;
	int code;

	while (!strchr(line, '\n') && n < sizeof(line) - 1 && poll(&p, 1, PATIENCE_MS) == 1) {
		ssize_t m = recv(fd, line + n, sizeof(line) - 1 - n, 0);

		if (m <= 0)
			break;
		n += (size_t)m;
	}
	close(fd);
	reply = json_loads(line, 0, NULL);
	error = json_object_get(reply, "error");
	code = reply ? (int)json_integer_value(json_object_get(error, "code")) : -1;
	snprintf(text, bytes, "%s|%s|%s", json_string_value(json_object_get(error, "message")) ?: "",
		 json_string_value(json_object_get(json_object_get(error, "data"), "extension")) ?: "",
		 json_string_value(json_object_get(json_object_get(error, "data"), "reason")) ?: "");
	json_decref(reply);
	return code;
}

#define CREATE(name) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.create\",\"params\":{\"switch\":\"lab\",\"name\":\"" name "\"}}\n"
#define VETO "{\"switch\":\"lab\",\"name\":\"out\",\"argument\":\"port=bad nic=1\",\"remote\":{\"class\":\"filter\",\"answer_ms\":"

static void a_program_has_a_veto(void)
{
	char text[512], *before, *after;
	pid_t pid;
	int fd;

	begin_with_stations();
	GIVES(client, 0, "extension.enable", VETO "10000}}");
	pid = start_program("veto");
	before = config_text(client);
	REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}", "nobody wants a port bad");
	fd = ask_without_waiting(CREATE("bad"));
	CU_ASSERT_EQUAL(reply_of(fd, text, sizeof(text)), RPC_REFUSED);
	CU_ASSERT_STRING_EQUAL(text, "the extension out refuses it: nobody wants a port bad|out|nobody wants a port bad");
	after = config_text(client);
	CU_ASSERT_STRING_EQUAL(before, after);
	free(before);
	free(after);

	/* While it thinks, frames pass and others are answered; the change comes when it has answered. */
	kill(pid, SIGSTOP);
	fd = ask_without_waiting(CREATE("good"));
	CU_ASSERT_TRUE(becomes(client, "extension.status", "{\"switch\":\"lab\"}", "extensions[0].counters.program_questions", "3"));
	for (int i = 0; i < 50; i++)
		CU_ASSERT_TRUE(passes(53));
	CU_ASSERT_STRING_EQUAL(answer(client, "extension.list", "{}", "total"), "7");
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "2");	/* the stations' */
	kill(pid, SIGCONT);
	CU_ASSERT_EQUAL(reply_of(fd, text, sizeof(text)), 0);
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "3");

	/* It dies while it thinks: closed. */
	kill(pid, SIGSTOP);
	fd = ask_without_waiting(CREATE("good2"));
	CU_ASSERT_TRUE(becomes(client, "extension.status", "{\"switch\":\"lab\"}", "extensions[0].counters.program_questions", "4"));
	end_program(pid);
	CU_ASSERT_EQUAL(reply_of(fd, text, sizeof(text)), RPC_REFUSED);
	CU_ASSERT_STRING_EQUAL(text, "the extension out refuses it: its program is gone|out|its program is gone");
	REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"good2\"}", "its program is not there");
	end_with_stations();
}

/* A wire: refused before anything is opened, and later when its peer comes. */
static void an_uplink_that_is_not_wanted(void)
{
	char params[PATH_MAX];
	struct pollfd p;
	pid_t pid;
	int fd;

	begin();
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"out\",\"argument\":\"nic=3\",\"remote\":"
	      "{\"class\":\"filter\",\"answer_ms\":10000}}");
	pid = start_program("veto");
	fd = listen_on(in_dir("s"));
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"kind\":\"stream\",\"name\":\"s\",\"path\":\"%s\"}", in_dir("s"));
	REFUSED(RPC_REFUSED, "uplink.bind", params, "NICs of kind 3 have to stay outside");
	CU_ASSERT_STRING_EQUAL(answer(client, "uplink.list", "{}", "total"), "0");
	close(fd);
	unlink(in_dir("s"));
	/* Its port is made when its peer comes. */
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"kind\":\"stream\",\"name\":\"s\",\"listen\":true,"
	      "\"path\":\"%s\"}", in_dir("s"));
	GIVES(client, 0, "uplink.bind", params);
	fd = connect_unix(in_dir("s"));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	CU_ASSERT_EQUAL(poll(&p, 1, PATIENCE_MS), 1);
	CU_ASSERT_EQUAL(recv(fd, params, 1, 0), 0);
	close(fd);
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "0");
	/* Without the extension the next one is taken. */
	GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"out\"}");
	fd = connect_unix(in_dir("s"));
	CU_ASSERT_TRUE(becomes(client, "port.list", "{}", "total", "1"));
	end_program(pid);
	close(fd);
	end();
}

static void a_program_that_is_silent(void)
{
	pid_t pid;

	begin();
	for (int open = 0; open < 2; open++) {
		GIVES(client, 0, "extension.enable", open ? VETO "20,\"fail_open\":true}}" : VETO "20}}");
		pid = start_program("veto");
		kill(pid, SIGSTOP);
		if (open) {
			GIVES(client, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}");
		} else {
			REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}", "did not answer in time");
		}
		CU_ASSERT_STRING_EQUAL(STATUS("extensions[0].counters.program_unanswered"), "1");
		end_program(pid);
	}
	end();
}

/* The guest's device looks for its port by itself, when a QEMU comes. */
static void a_guest_that_is_not_wanted(void)
{
	struct vfuc_ram ram;
	struct vfuc *c;
	pid_t pid;

	begin();
	GIVES(client, 0, "extension.enable", VETO "10000}}");
	pid = start_program("veto");
	GIVES(client, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(client, 0, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\"}");
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(64 << 20, &ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(in_dir("vm-a:nic0"), NULL, &c), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_attach(c, &ram), 0);
	CU_ASSERT_TRUE(becomes(client, "adapter.list", "{}", "adapters[0].why",
		"the extension out refuses it: NICs of kind 1 have to stay outside"));
	CU_ASSERT_STRING_EQUAL(answer(client, "adapter.list", "{}", "adapters[0].nic"), "none");
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "0");
	/* Where nobody minds it is taken; and it stays there when it is refused elsewhere. */
	GIVES(client, 0, "switch.create", "{\"name\":\"free\"}");
	GIVES(client, 0, "adapter.connect", "{\"adapter\":\"a/nic0\",\"switch\":\"free\"}");
	CU_ASSERT_STRING_EQUAL(answer(client, "adapter.list", "{}", "adapters[0].nic"), "created");
	REFUSED(RPC_REFUSED, "adapter.connect", "{\"adapter\":\"a/nic0\",\"switch\":\"lab\"}", "NICs of kind 1 have to stay outside");
	CU_ASSERT_STRING_EQUAL(answer(client, "adapter.list", "{}", "adapters[0].switch"), "free");
	CU_ASSERT_STRING_EQUAL(answer(client, "adapter.list", "{}", "adapters[0].nic"), "created");
	end_program(pid);
	vfuc_close(c);
	vfuc_ram_destroy(&ram);
	GIVES(client, 0, "vm.del", "{\"vm\":\"a\"}");
	end();
}

/* ---- restarts ---- */

static void restart(const char *extensions)
{
	hvnet_disconnect(client);
	stop(host);
	spawn_daemon(extensions);
}

static void a_restart_keeps_all(void)
{
	char *before, *after;
	pid_t pid;

	begin();
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"y\",\"module\":\"bpf_filter\",\"argument\":\"pass ip\"}");
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"x\",\"module\":\"bpf_filter\",\"argument\":\"pass udp\"}");
	GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"y\"}");
	GIVES(client, 0, "extension.enable", VETO "10000,\"fail_open\":true}}");
	GIVES(client, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	before = config_text(client);
	restart(objects);
	after = config_text(client);
	CU_ASSERT_STRING_EQUAL(before, after);
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "out");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].running"), "false");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[1].name"), "x");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[1].enabled"), "true");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[2].enabled"), "false");
	pid = start_program("veto");
	REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}", "nobody wants");
	end_program(pid);
	free(before);
	free(after);
	end();
}

/* Its object is gone: all else is there, the reason is shown, and it comes back when it is mended. */
static void a_restart_without_an_object(void)
{
	begin();
	hvnet_disconnect(client);
	stop(host);
	copy_object("veto.so", "veto.so", SIZE_MAX, 0644);
	copy_object("bpf_filter.so", "bpf_filter.so", SIZE_MAX, 0644);
	spawn_daemon(dir);
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\",\"argument\":\"pass ip\"}");
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"veto\",\"argument\":\"port=bad\"}");
	GIVES(client, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	unlink(in_dir("veto.so"));
	restart(dir);
	CU_ASSERT_STRING_EQUAL(answer(client, "port.list", "{}", "total"), "1");
	CU_ASSERT_STRING_EQUAL(STACK("total"), "2");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].name"), "veto");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[0].enabled"), "false");
	CU_ASSERT_TRUE(!strncmp(STACK("extensions[0].why"), "there is no veto.so in", 22));
	CU_ASSERT_STRING_EQUAL(STACK("extensions[1].enabled"), "true");
	/* Others can be changed as before. */
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\",\"argument\":\"pass udp\"}");
	GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"bpf_filter\"}");
	GIVES(client, 0, "extension.order", "{\"switch\":\"lab\",\"order\":[\"bpf_filter\",\"veto\"]}");
	REFUSED(RPC_STATE, "extension.enable", "{\"switch\":\"lab\",\"name\":\"veto\"}", "there is no veto.so in");
	GIVES(client, 0, "extension.disable", "{\"switch\":\"lab\",\"name\":\"veto\"}");
	REFUSED(RPC_NOT_FOUND, "extension.enable", "{\"switch\":\"lab\",\"name\":\"veto\"}", "there is no veto.so in");
	copy_object("veto.so", "veto.so", SIZE_MAX, 0644);
	GIVES(client, 0, "extension.enable", "{\"switch\":\"lab\",\"name\":\"veto\"}");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[1].enabled"), "true");
	CU_ASSERT_STRING_EQUAL(STACK("extensions[1].why"), "");
	REFUSED(RPC_REFUSED, "port.create", "{\"switch\":\"lab\",\"name\":\"bad\"}", "nobody wants");
	unlink(in_dir("veto.so"));
	unlink(in_dir("bpf_filter.so"));
	end();
}

static const struct hv_test tests[] = {
	{ "what is installed is listed", what_is_installed },
	{ "a filter is put on, told other things, taken off", a_filter },
	{ "a capture and a forwarder", a_capture_and_a_forwarder },
	{ "changes under traffic lose nothing", changes_under_traffic },
	{ "the order is the stack", the_order_is_the_stack },
	{ "wrong objects, each with what is wrong", wrong_objects },
	{ "a veto reaches the client and leaves nothing", a_veto_leaves_nothing },
	{ "a program comes and goes", a_program_comes_and_goes },
	{ "a program has a veto, and nobody waits but the change", a_program_has_a_veto },
	{ "an uplink that is not wanted", an_uplink_that_is_not_wanted },
	{ "a program that is silent is answered for", a_program_that_is_silent },
	{ "a guest that is not wanted", a_guest_that_is_not_wanted },
	{ "a restart keeps all", a_restart_keeps_all },
	{ "a restart without an object", a_restart_without_an_object },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/extension", tests, sizeof(tests) / sizeof(tests[0]));
}
