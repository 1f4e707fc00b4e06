/* SPDX-License-Identifier: MIT */
/*
 * How long a control request keeps the data path waiting: the daemon in this process, large requests from a child, and the
 * processor's time of the longest round of the loop that each of them cost. What else runs on the machine does not count.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hvnetctl/hvnetctl.h"
#include "hvnetd/hvnetd.h"
#include "vswitch/vswitch.h"

enum { PORTS = 4000, ENTRIES = 10000, ADDRESSES = 100000, ROWS_MAX = 256, NAME_BYTES = 64 };

/* Shared with the child, who says what the rounds from now on are for: a request's row is odd, none's is even. */
struct board {
	atomic_uint row;
	char names[ROWS_MAX][NAME_BYTES];
	uint64_t worst_ns[ROWS_MAX], rounds[ROWS_MAX];
};
static struct board *board;
static struct hvnet_client *client;

/* ---- the child: requests ---- */

static void begin(const char *name)
{
	const unsigned row = atomic_load(&board->row) + 1;

	if (row == ROWS_MAX)
		exit(1);
	snprintf(board->names[row], NAME_BYTES, "%s", name);
	atomic_store(&board->row, row);
}

/* Anything after it is another row's. */
static json_t *ask(const char *name, const char *method, json_t *params)
{
	struct hvnet_error err = { 0 };
	json_t *result;

	begin(name);
	result = hvnet_call(client, method, params, &err);
	if (!result) {
		fprintf(stderr, "stall_bench: %s: %s\n", method, err.message);
		exit(1);
	}
	begin("");
	return result;
}

static void tell(const char *name, const char *method, json_t *params)
{
	json_decref(ask(name, method, params));
}

static void tell_all(const char *name, const char *method, json_t *params)
{
	static const char *const cursors[] = { "offset", "cursor" }, *const nexts[] = { "next_offset", "next_cursor" };
	bool more = true;

	begin(name);
	while (more) {
		struct hvnet_error err = { 0 };
		json_t *result = hvnet_call(client, method, json_copy(params), &err);

		if (!result) {
			fprintf(stderr, "stall_bench: %s: %s\n", method, err.message);
			exit(1);
		}
		more = false;
		for (int i = 0; i < 2; i++)
			if (json_object_get(result, nexts[i])) {
				json_object_set(params, cursors[i], json_object_get(result, nexts[i]));
				more = true;
			}
		json_decref(result);
	}
	json_decref(params);
	begin("");
}

static json_t *port_calls(void)
{
	json_t *calls = json_array();

	for (int i = 0; i < PORTS; i++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "method", "port.create", "params", "switch", "lab", "name",
						       json_sprintf("p%d", i)));
	return json_pack("{s:o}", "calls", calls);
}

static json_t *entry(int i)
{
	return json_pack("{s:s, s:s, s:o}", "action", i % 2 ? "allow" : "deny", "direction", "in", "remote",
			 json_sprintf("10.%d.%d.0/24", i >> 8, i & 255));
}

static json_t *acl_calls(int first, int n)
{
	json_t *calls = json_array(), *params;

	for (int i = first; i < first + n; i++) {
		params = entry(i);
		json_object_set_new(params, "port", json_string("lab/acl"));
		json_array_append_new(calls, json_pack("{s:s, s:o}", "method", "acl.add", "params", params));
	}
	return json_pack("{s:o}", "calls", calls);
}

/* A configuration of many ports, or of one with a long ACL. */
static json_t *document(int ports, int entries, int first_id)
{
	json_t *list = json_array(), *acl = json_array(), *e;

	for (int i = 0; i < ports; i++)
		json_array_append_new(list, json_pack("{s:s, s:o, s:{s:b}}", "switch", "lab", "name", json_sprintf("q%d", i), "policy",
						      "dhcp_guard", 1));
	for (int i = 0; i < entries; i++) {
		e = entry(i + first_id / 3);
		json_object_set_new(e, "id", json_integer(first_id + i));
		json_array_append_new(acl, e);
	}
	if (entries)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "switch", "lab", "name", "long", "acl", acl));
	else
		json_decref(acl);
	return json_pack("{s:s, s:{s:o}}", "mode", "merge", "config", "ports", list);
}

static void requests(void)
{
	json_t *doc;

	tell("idle: version", "version", NULL);
	tell("transaction of 4000 port.create", "transaction", port_calls());
	tell("port.list, 1000 rows", "port.list", json_pack("{s:i, s:i}", "limit", 1000, "offset", 3000));
	tell_all("port.list, all", "port.list", json_pack("{s:i}", "limit", 1000));
	tell_all("stats.get, all", "stats.get", json_pack("{s:i}", "limit", 1000));
	tell_all("audit, all", "audit", json_pack("{s:i}", "limit", 1000));
	tell_all("topology, all", "topology", json_pack("{s:i}", "limit", 1000));
	tell_all("config.show, all", "config.show", json_pack("{s:i}", "limit", 1000));
	tell("switch.delete --force with 4000 ports, dry", "switch.delete", json_pack("{s:s, s:b, s:b}", "switch", "lab", "force", 1,
										      "dry_run", 1));
	tell("switch.delete --force with 4000 ports", "switch.delete", json_pack("{s:s, s:b}", "switch", "lab", "force", 1));
	tell("", "switch.create", json_pack("{s:s}", "name", "lab"));

	tell("", "port.create", json_pack("{s:s, s:s}", "switch", "lab", "name", "acl"));
	for (int i = 0; i < ENTRIES; i += ENTRIES / 4)
		tell("transaction of 2500 acl.add", "transaction", acl_calls(i, ENTRIES / 4));
	tell("acl.add, the 10001st", "acl.add", json_pack("{s:s, s:s, s:s, s:s}", "port", "lab/acl", "action", "deny", "direction", "in",
							 "remote", "11.0.0.0/8"));
	tell_all("acl.list, all", "acl.list", json_pack("{s:s, s:i}", "port", "lab/acl", "limit", 1000));
	tell("config.show with 10000 entries", "config.show", NULL);
	tell("acl.del of 10001", "acl.del", json_pack("{s:s}", "port", "lab/acl"));

	doc = document(PORTS, 0, 0);
	tell("config.diff, 4000 ports", "config.diff", json_incref(doc));
	tell("config.apply, 4000 ports", "config.apply", json_incref(doc));
	tell("config.diff, the same again", "config.diff", json_incref(doc));
	tell("config.apply, the same again", "config.apply", doc);
	doc = document(0, ENTRIES, 20001);
	tell("config.apply, 10000 entries", "config.apply", json_incref(doc));
	tell("config.diff, the same again", "config.diff", doc);
	tell("config.apply, 10000 others", "config.apply", document(0, ENTRIES, 40001));
	tell("port.delete with 10000 entries", "port.delete", json_pack("{s:s}", "port", "lab/long"));
	tell("", "switch.delete", json_pack("{s:s, s:b}", "switch", "lab", "force", 1));

	tell_all("fdb.list, all of 100000", "fdb.list", json_pack("{s:s, s:i}", "switch", "crowd", "limit", 1000));
	tell("fdb.list, one address", "fdb.list", json_pack("{s:s, s:s}", "switch", "crowd", "mac", "02:00:01:00:00:05"));
	tell("fdb.flush", "fdb.flush", json_pack("{s:s}", "switch", "crowd"));
}

/* ---- the parent: the daemon ---- */

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "stall_bench: %s\n", what);
	exit(1);
}

static uint64_t used_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void deliver(void *opaque, const struct vswitch_frame *const *f, unsigned n)
{
	(void)opaque, (void)f, (void)n;
}

/* The switch "crowd", with addresses that its uplink has heard of. */
static struct vswitch_port *make_crowd(struct hvnetd *d)
{
	static const struct vswitch_nic_ops ops = { .deliver = deliver };
	static const struct vswitch_nic nic = { .kind = VSWITCH_NIC_EXTERNAL, .max_frame_bytes = 1514, .ops = &ops };
	static const struct vswitch_options many = { .ageing_s = 100000, .max_learned = 131072 };
	const struct object *o = object_find(d, OBJECT_SWITCH, "crowd");
	static struct vswitch_frame frame;
	struct vswitch_frame *batch = &frame;
	struct vswitch_port *port;

	must(o && !vswitch_set_options(switch_of(o), &many), "no switch");
	must(!vswitch_port_create(switch_of(o), "net", &port) && !vswitch_port_connect(port, &nic), "no port");
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		frame = (struct vswitch_frame){ .len = 60, .head_bytes = 60 };
		memcpy(frame.head, (uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 8, 0 },
		       14);
		vswitch_port_input(port, &batch, 1);
	}
	return port;
}

static void serve(struct hvnetd *d, pid_t child)
{
	int status = 0;

	while (!waitpid(child, &status, WNOHANG)) {
		unsigned row = atomic_load(&board->row);
		const uint64_t start = used_ns();
		uint64_t used;

		must(!hv_loop_run_once(d->worker.loop, 20000000), "the loop failed");
		used = used_ns() - start;
		/* It may have begun while the round waited. */
		row = row % 2 ? row : atomic_load(&board->row);
		board->rounds[row]++;
		if (used > board->worst_ns[row])
			board->worst_ns[row] = used;
	}
	must(!status, "the client failed");
}

static void report(void)
{
	printf("%-48s %14s %8s\n", "request", "worst round us", "rounds");
	for (unsigned i = 1; i < ROWS_MAX; i++)
		if (board->names[i][0])
			printf("%-48s %14.0f %8llu\n", board->names[i], (double)board->worst_ns[i] / 1000,
			       (unsigned long long)board->rounds[i]);
}

int main(void)
{
	char dir[] = "/tmp/hvnet-stall-XXXXXX", path[64], text[512];
	static struct options options;
	static struct hvnetd d;
	struct rpc_error err = { 0 };
	struct hvnet_error why;
	struct vswitch_port *port;
	pid_t child, parent = getpid();

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(board != MAP_FAILED && mkdtemp(dir), "no folder");
	snprintf(path, sizeof(path), "%s/control", dir);
	hv_log_set_level(HV_LOG_ERROR);
	must(options_parse(8, (char *[]){ (char *)"hvnetd", (char *)"--runtime-dir", dir, (char *)"--no-default-switch",
			   (char *)"--switch", (char *)"lab=private", (char *)"--switch", (char *)"crowd=private", NULL }, &options,
			   text, sizeof(text)), text);
	must(!hvnetd_start(&d, &options, &err), err.message);
	port = make_crowd(&d);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || hvnet_connect(path, &client, &why))
			_exit(1);
		requests();
		_exit(0);
	}
	serve(&d, child);
	vswitch_port_destroy(port);
	hvnetd_stop(&d);
	rmdir(dir);
	report();
	return 0;
}
