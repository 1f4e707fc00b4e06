/* SPDX-License-Identifier: MIT */
/* Changes to the real daemon: transactions, dry runs, refusals with their data, events, and what the profile shows. */
#include "hvnetd/test_api.h"

#include <ctype.h>

static struct hvnet_client *c;
static pid_t host;

static void begin(void)
{
	make_dir();
	host = start(&c);
}

static void end(void)
{
	hvnet_disconnect(c);
	stop(host);
	remove_dir();
}

#define CALL(method, params) "{\"method\":\"" method "\",\"params\":" params "}"

/* The last call of each cannot be: nothing of the others is left, neither configured nor made. */
static void all_or_nothing(void)
{
	static const struct {
		const char *last;
		int code;
	} rows[] = {
		{ CALL("adapter.add", "{\"vm\":\"nobody\"}"), RPC_NOT_FOUND },			/* the call */
		{ CALL("switch.destroy", "{}"), RPC_NO_METHOD },
		{ CALL("vm.list", "{}"), RPC_INVALID_PARAMS },
		{ CALL("vm.add", "{\"name\":\"a\"}"), RPC_INVALID_PARAMS },
		{ CALL("vm.add", "{\"name\":\"c\",\"vcpus\":1,\"dry_run\":true}"), RPC_INVALID_PARAMS },
		{ CALL("transaction", "{\"calls\":[]}"), RPC_INVALID_PARAMS },
		{ CALL("adapter.set", "{\"adapter\":\"a/nic0\",\"mac\":\"02:00:00:00:00:0b\"}"), RPC_IN_USE },	/* the checks */
		{ CALL("switch.delete", "{\"switch\":\"lab\"}"), RPC_IN_USE },
		{ CALL("vm.add", "{\"name\":\"b\",\"vcpus\":1}"), RPC_FAILED },			/* the making: the path is taken */
		{ CALL("uplink.bind", "{\"switch\":\"new\",\"kind\":\"stream\",\"path\":\"/nonexistent/s\"}"), RPC_FAILED },
	};
	char params[2048], *before, *after;

	begin();
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"old\",\"friendly\":\"before\"}");
	CU_ASSERT_EQUAL(mkdir(in_dir("vm-b"), 0700), 0);
	before = config_text(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(params, sizeof(params), "{\"calls\":[%s,%s,%s,%s,%s,%s]}",
			 CALL("switch.create", "{\"name\":\"new\",\"max_macs\":100}"),
			 CALL("port.create", "{\"switch\":\"new\",\"name\":\"p\"}"),
			 CALL("port.set", "{\"port\":\"lab/old\",\"friendly\":\"after\"}"),
			 CALL("vm.add", "{\"name\":\"a\",\"vcpus\":2}"),
			 CALL("adapter.add", "{\"vm\":\"a\",\"switch\":\"new\",\"kind\":\"emulated\"}") ","
			 CALL("adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\",\"mac\":\"02:00:00:00:00:0b\",\"name\":\"two\"}"),
			 rows[i].last);
		GIVES(c, rows[i].code, "transaction", params);
		after = config_text(c);
		CU_ASSERT_STRING_EQUAL(after, before);
		free(after);
		CU_ASSERT_FALSE(exists("vm-a") || exists("vm-a:nic0"));
		CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"lab/old\"}", "friendly"), "before");
		CU_ASSERT_EQUAL(count(c, "switch.list", "switches"), 1);
	}
	CU_ASSERT_EQUAL(rmdir(in_dir("vm-b")), 0);
	/* The same without the last one. */
	*strrchr(params, ',') = '\0';	/* inside of the last call … */
	*strstr(params, ",{\"method\":\"uplink.bind\"") = '\0';
	strcat(params, "]}");
	GIVES(c, 0, "transaction", params);
	CU_ASSERT_TRUE(exists("vm-a") && exists("vm-a:nic0"));
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"lab/old\"}", "friendly"), "after");
	free(before);
	GIVES(c, 0, "vm.del", "{\"vm\":\"a\"}");
	CU_ASSERT_FALSE(exists("vm-a") || exists("vm-a:nic0"));
	end();
}

static void dry_run(void)
{
	char *before, *after;

	begin();
	before = config_text(c);
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1,\"dry_run\":true}");
	GIVES(c, 0, "switch.delete", "{\"switch\":\"lab\",\"dry_run\":true}");
	GIVES(c, 0, "transaction", "{\"dry_run\":true,\"calls\":[" CALL("vm.add", "{\"name\":\"a\",\"vcpus\":1}") ","
	      CALL("adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\"}") "]}");
	GIVES(c, RPC_NOT_FOUND, "transaction", "{\"dry_run\":true,\"calls\":[" CALL("vm.add", "{\"name\":\"a\",\"vcpus\":1}") ","
	      CALL("adapter.add", "{\"vm\":\"b\",\"switch\":\"lab\"}") "]}");
	CU_ASSERT_FALSE(exists("vm-a"));
	after = config_text(c);
	CU_ASSERT_STRING_EQUAL(after, before);
	free(before);
	free(after);
	end();
}

/* Thousands of calls at once; others are answered while they are made. */
static void large(void)
{
	enum { PORTS = 1500 };
	json_t *calls = json_array(), *result;
	struct hvnet_client *other;
	char line[256];
	pid_t child;

	begin();
	for (int i = 0; i < PORTS; i++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "method", "port.create", "params", "switch", "lab",
						       "name", json_sprintf("p%d", i)));
	child = fork();
	if (!child) {
		other = connect_soon();
		for (int i = 0; i < 200; i++)
			if (count(other, "vm.list", "vms") != 0)
				_exit(1);
		_exit(0);
	}
	result = checked(c, "transaction", json_pack("{s:o}", "calls", calls));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "results")), PORTS);
	json_decref(result);
	CU_ASSERT_EQUAL(wait_exit(child), 0);
	CU_ASSERT_STRING_EQUAL(answer(c, "port.list", "{\"limit\":7,\"offset\":1490}", "total"), "1500");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.list", "{\"limit\":7,\"offset\":1490}", "next_offset"), "1497");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.list", "{\"limit\":7,\"offset\":1497}", "ports[2].name"), "p1499");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.list", "{\"limit\":7,\"offset\":1497}", "next_offset"), "");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.list", "{}", "next_offset"), "100");
	snprintf(line, sizeof(line), "{\"switch\":\"lab\",\"force\":true}");
	GIVES(c, 0, "switch.delete", line);
	CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 0);
	end();
}

/* Answers that are put together in pieces are what they would be in one. */
static void pieces(void)
{
	enum { PORTS = 300, ADDRESSES = 500 };
	json_t *calls = json_array(), *result, *params, *seen = json_object();
	const json_t *v;
	unsigned pages = 0, rows = 0;
	size_t i;

	begin();
	for (int n = 0; n < PORTS; n++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "method", "port.create", "params", "switch", "lab",
						       "name", json_sprintf("p%d", n)));
	for (int n = 0; n < ADDRESSES; n++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o, s:i}}", "method", "fdb.add", "params", "port", "lab/p7", "mac",
						       json_sprintf("02:00:00:00:%02x:%02x", n >> 8, n & 255), "vlan", n % 3));
	json_decref(checked(c, "transaction", json_pack("{s:o}", "calls", calls)));

	result = checked(c, "port.list", text_params("{\"offset\":20,\"limit\":250}"));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "ports")), 250);
	json_array_foreach(json_object_get(result, "ports"), i, v) {
		char name[16];

		snprintf(name, sizeof(name), "p%zu", 20 + i);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "name")), name);
	}
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(result, "next_offset")), 270);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(result, "total")), PORTS);
	json_decref(result);
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{\"limit\":1000}", "rows[300].balanced"), "true");
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{\"limit\":1000}", "total"), "301");

	/* By cursor: every address once. */
	params = text_params("{\"switch\":\"lab\",\"limit\":33}");
	for (json_t *next = json_true(); next && pages < 100; pages++) {
		result = checked(c, "fdb.list", json_copy(params));
		json_array_foreach(json_object_get(result, "entries"), i, v)
			json_object_set(seen, json_string_value(json_object_get(v, "mac")), json_object_get(v, "port"));
		rows += (unsigned)json_array_size(json_object_get(result, "entries"));
		next = json_object_get(result, "next_cursor");
		json_object_set(params, "cursor", next);
		json_decref(result);
	}
	CU_ASSERT_EQUAL(rows, ADDRESSES);
	CU_ASSERT_EQUAL(json_object_size(seen), ADDRESSES);
	CU_ASSERT_TRUE(pages >= (ADDRESSES + 32) / 33);
	json_decref(params);
	json_decref(seen);
	CU_ASSERT_STRING_EQUAL(answer(c, "fdb.list", "{\"switch\":\"lab\",\"mac\":\"02:00:00:00:01:02\"}", "entries[0].vlan"), "0");
	result = checked(c, "fdb.list", text_params("{\"switch\":\"lab\",\"vlan\":2,\"limit\":1000}"));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "entries")), ADDRESSES / 3);
	json_decref(result);
	GIVES(c, RPC_INVALID_PARAMS, "fdb.list", "{\"switch\":\"lab\",\"cursor\":\"next\"}");
	end();
}

/* A configuration with long ACLs: applied in pieces, and of an entry that was changed under its id the new content holds. */
static void long_acls(void)
{
	enum { ENTRIES = 1000 };
	json_t *acl = json_array(), *result, *params, *document;

	begin();
	for (int n = 0; n < ENTRIES; n++)
		json_array_append_new(acl, json_pack("{s:i, s:s, s:s, s:o}", "id", n + 1, "action", "deny", "direction", "in", "remote",
						     json_sprintf("10.%d.%d.0/24", n >> 8, n & 255)));
	document = json_pack("{s:[{s:s, s:s, s:o}]}", "ports", "switch", "lab", "name", "p", "acl", acl);
	for (int round = 0; round < 2; round++) {
		params = json_pack("{s:s, s:O}", "mode", "merge", "config", document);
		json_decref(checked(c, "config.apply", json_incref(params)));
		result = checked(c, "config.diff", params);
		CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "changes")), 0);
		json_decref(result);
		CU_ASSERT_STRING_EQUAL(answer(c, "acl.list", "{\"port\":\"lab/p\",\"offset\":5}", "entries[0].action"),
				       round ? "allow" : "deny");
		CU_ASSERT_STRING_EQUAL(answer(c, "stats.get", "{\"port\":\"lab/p\"}", "objects[0].counters.acl.entries"), "1000");
		json_object_set_new(json_array_get(acl, 5), "action", json_string("allow"));
	}
	json_decref(document);
	/* Two for the same addresses: refused as a whole. */
	GIVES(c, RPC_INCOMPATIBLE, "acl.add",
	      "{\"port\":\"lab/p\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.5.0/24\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "stats.get", "{\"port\":\"lab/p\"}", "objects[0].counters.acl.entries"), "1000");
	GIVES(c, 0, "acl.del", "{\"port\":\"lab/p\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "stats.get", "{\"port\":\"lab/p\"}", "objects[0].counters.acl.entries"), "0");
	end();
}

/* A member of an answer as the only parameter of another request, of which a member is told. */
static const char *by_guid(const char *method, const char *parameter, const char *guid, const char *path)
{
	char params[128];

	snprintf(params, sizeof(params), "{\"%s\":\"%s\"}", parameter, guid);
	return answer(c, method, params, path);
}

/* Whatever has a GUID is found by it, in any case of letters. */
static void guids(void)
{
	char guid[64];

	begin();
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\"}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	snprintf(guid, sizeof(guid), "%s", answer(c, "vm.list", "{}", "vms[0].guid"));
	CU_ASSERT_STRING_EQUAL(by_guid("vm.list", "vm", guid, "vms[0].name"), "a");
	CU_ASSERT_STRING_EQUAL(by_guid("adapter.list", "vm", guid, "total"), "2");
	snprintf(guid, sizeof(guid), "%s", answer(c, "adapter.list", "{}", "adapters[1].guid"));
	for (char *p = guid; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	CU_ASSERT_STRING_EQUAL(by_guid("adapter.get", "adapter", guid, "id"), "a/nic1");
	CU_ASSERT_STRING_EQUAL(by_guid("policy.get", "port", guid, "port"), "a/nic1");
	snprintf(guid, sizeof(guid), "%s", answer(c, "port.get", "{\"port\":\"lab/p\"}", "guid"));
	CU_ASSERT_STRING_EQUAL(by_guid("port.get", "port", guid, "name"), "p");
	snprintf(guid, sizeof(guid), "%s", answer(c, "switch.get", "{\"switch\":\"lab\"}", "id"));
	CU_ASSERT_STRING_EQUAL(by_guid("switch.get", "switch", guid, "name"), "lab");
	GIVES(c, RPC_NOT_FOUND, "switch.get", "{\"switch\":\"00000000-0000-0000-0000-000000000000\"}");
	GIVES(c, RPC_NOT_FOUND, "port.get", "{\"port\":\"00000000-0000-0000-0000-000000000000\"}");
	GIVES(c, RPC_NOT_FOUND, "adapter.get", "{\"adapter\":\"00000000-0000-0000-0000-000000000000\"}");
	GIVES(c, RPC_NOT_FOUND, "vm.del", "{\"vm\":\"00000000-0000-0000-0000-000000000000\"}");
	end();
}

/* ---- events ---- */

/* Under another name it is the same switch, with all that is on it; a change that fails leaves the old one. */
static void renamed(void)
{
	char id[64], guid[64], port[64];
	json_t *params;
	int fd;

	begin();
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\",\"policy\":{\"dhcp_guard\":true}}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\"}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"port\":\"lab/p\"}");
	GIVES(c, 0, "switch.create", "{\"name\":\"taken\"}");
	snprintf(id, sizeof(id), "%s", answer(c, "switch.get", "{\"switch\":\"lab\"}", "id"));
	snprintf(guid, sizeof(guid), "%s", answer(c, "port.get", "{\"port\":\"lab/p\"}", "guid"));
	snprintf(port, sizeof(port), "%s", answer(c, "port.get", "{\"port\":\"lab/p\"}", "id"));
	GIVES(c, RPC_INVALID_PARAMS, "switch.set", "{\"switch\":\"lab\"}");
	GIVES(c, RPC_INVALID_PARAMS, "adapter.set", "{\"adapter\":\"a/nic0\"}");
	GIVES(c, RPC_IN_USE, "switch.set", "{\"switch\":\"lab\",\"name\":\"taken\"}");
	GIVES(c, RPC_INVALID_PARAMS, "switch.set", "{\"switch\":\"lab\",\"name\":\"a/b\"}");
	GIVES(c, 0, "switch.set", "{\"switch\":\"lab\",\"name\":\"other\",\"dry_run\":true}");
	GIVES(c, RPC_NOT_FOUND, "transaction", "{\"calls\":[" CALL("switch.set", "{\"switch\":\"lab\",\"name\":\"other\"}") ","
	      CALL("port.set", "{\"port\":\"other/p\",\"friendly\":\"x\"}") "," CALL("port.delete", "{\"port\":\"lab/p\"}") "]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"lab/p\"}", "friendly"), "p");
	/* What fails last of the switch itself: it is not half another one. */
	GIVES(c, RPC_NOT_FOUND, "transaction", "{\"calls\":[" CALL("switch.set", "{\"switch\":\"lab\",\"name\":\"other\"}") ","
	      CALL("extension.enable", "{\"switch\":\"other\",\"name\":\"nonexistent\"}") "]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "stats.get", "{\"port\":\"lab/p\"}", "total"), "1");
	/* Names that have gone round go back to whom they belong. */
	GIVES(c, RPC_NOT_FOUND, "transaction", "{\"calls\":[" CALL("switch.set", "{\"switch\":\"lab\",\"name\":\"other\"}") ","
	      CALL("switch.set", "{\"switch\":\"taken\",\"name\":\"lab\"}") "," CALL("switch.create", "{\"name\":\"taken\"}") ","
	      CALL("port.create", "{\"switch\":\"lab\",\"name\":\"p\"}") ","
	      CALL("extension.enable", "{\"switch\":\"taken\",\"name\":\"nonexistent\"}") "]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"lab\"}", "id"), id);
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"lab\"}", "name"), "lab");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"lab/p\"}", "guid"), guid);
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"taken\"}", "ports"), "0");
	CU_ASSERT_EQUAL(count(c, "switch.list", "switches"), 2);

	fd = subscribe("{\"kinds\":[\"switch.changed\",\"port.state\",\"nic.state\"]}");
	json_decref(next_line(fd));
	GIVES(c, 0, "switch.set", "{\"switch\":\"lab\",\"name\":\"other\",\"notes\":\"n\"}");
	CU_ASSERT_STRING_EQUAL(next_event(fd, &params), "switch.changed");	/* and nothing of ports */
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "action")), "renamed");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(params, "was")), "lab");
	json_decref(params);
	GIVES(c, 0, "switch.delete", "{\"switch\":\"taken\"}");
	CU_ASSERT_STRING_EQUAL(next_event(fd, &params), "switch.changed");
	json_decref(params);
	close(fd);

	GIVES(c, RPC_NOT_FOUND, "switch.get", "{\"switch\":\"lab\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"other\"}", "id"), id);
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"other\"}", "adapters"), "2");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"other\"}", "notes"), "n");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"other/p\"}", "guid"), guid);
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"other/p\"}", "id"), port);
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"a/nic1\"}", "port"), "other/p");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"a/nic1\"}", "policy.dhcp_guard"), "true");
	CU_ASSERT_STRING_EQUAL(answer(c, "stats.get", "{\"port\":\"other/p\"}", "objects[0].switch"), "other");
	GIVES(c, 0, "switch.create", "{\"name\":\"lab\"}");
	GIVES(c, 0, "switch.delete", "{\"switch\":\"other\",\"force\":true}");
	end();
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4))
		abort();
	return fd;
}

static bool uplink_becomes(const char *state)
{
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		if (!strcmp(answer(c, "uplink.list", "{}", "uplinks[0].state"), state))
			return true;
		usleep(10000);
	}
	return false;
}

/* A change closed it, and failed; whoever was at the other end does not come back at once. */
static void uplink_put_back(void)
{
	char params[256];
	int fd;

	begin();
	CU_ASSERT_EQUAL(mkdir(in_dir("vm-b"), 0700), 0);
	fd = listen_on(in_dir("s"));
	snprintf(params, sizeof(params), "{\"switch\":\"lab\",\"kind\":\"stream\",\"name\":\"s\",\"path\":\"%.100s\"}", in_dir("s"));
	GIVES(c, 0, "uplink.bind", params);
	CU_ASSERT_TRUE(uplink_becomes("up"));
	unlink(in_dir("s"));
	GIVES(c, RPC_FAILED, "transaction", "{\"calls\":[" CALL("uplink.unbind", "{\"switch\":\"lab\",\"name\":\"s\"}") ","
	      CALL("vm.add", "{\"name\":\"b\",\"vcpus\":1}") "]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].state"), "down");
	close(fd);
	fd = listen_on(in_dir("s"));
	CU_ASSERT_TRUE(uplink_becomes("up"));
	close(fd);
	unlink(in_dir("s"));
	CU_ASSERT_EQUAL(rmdir(in_dir("vm-b")), 0);
	end();
}

/* Refusals, with the members of their data. */
static void refusals(void)
{
	static const struct {
		const char *method, *params, *part;
	} rows[] = {
		{ "switch.delete", "{\"switch\":\"lab\"}", "\"by\":\"adapter a/nic0\"" },
		{ "adapter.add", "{\"vm\":\"a\",\"mac\":\"02:00:00:00:00:01\"}", "\"by\":\"adapter a/nic0\"" },
		{ "hostnic.add", "{\"switch\":\"closed\"}", "\"state\":\"private\"" },
		{ "vlan.set", "{\"port\":\"a/nic0\",\"mode\":\"access\",\"id\":5,\"primary\":6}", "\"other\":\"mode access\"" },
		{ "switch.get", "{\"switch\":\"same\"}", "-32010" },
		{ "port.get", "{\"port\":\"a/nic0\"}", "\"state\":\"no port\"" },
		{ "port.connect", "{\"port\":\"lab/p\",\"adapter\":\"a/nic0\"}", "\"by\":\"switch lab\"" },
		{ "port.disconnect", "{\"port\":\"lab/p\"}", "\"state\":\"disconnected\"" },
		{ "policy.set", "{\"port\":\"lab/p\",\"policy\":{\"dhcp_guard\":true,\"bandwidth\":{\"limit_bps\":1}}}",
		  "\"what\":\"bandwidth\"" },
		{ "policy.set", "{\"port\":\"lab/p\",\"policy\":{\"dhcp_guard\":true,\"monitor\":{\"mode\":\"source\",\"filter\":"
		  "\"udp prt 5\"}}}", "monitor_filter: can't parse filter expression: syntax error" },
		/* Every host knows this one; names are not looked up. */
		{ "policy.set", "{\"port\":\"lab/p\",\"policy\":{\"monitor\":{\"mode\":\"source\",\"filter\":\"host localhost\"}}}",
		  "unknown host 'localhost'" },
		{ "port.validate", "{\"switch\":\"lab\",\"policy\":{\"monitor\":{\"mode\":\"destination\",\"filter\":\"(\"}}}",
		  "syntax error" },
		{ "policy.set", "{\"port\":\"lab/p\",\"policy\":{\"monitor\":{\"mode\":\"none\",\"filter\":\"udp\"}}}",
		  "only a source and a destination have one" },
		{ "acl.del", "{\"port\":\"lab/p\",\"id\":99}", "-32009" },
		{ "job.get", "{\"job\":\"job-1\"}", "-32009" },
		{ "uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"lo\"]}", "-32602" },
	};
	char line[512], *reply;

	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"closed\",\"type\":\"private\",\"friendly\":\"same\"}");
	GIVES(c, 0, "switch.create", "{\"name\":\"open\",\"friendly\":\"same\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\",\"mac\":\"02-00-00-00-00-01\"}");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", rows[i].method,
			 rows[i].params);
		reply = hvnet_raw_call(c, line, strlen(line), &err);
		if (!reply || !strstr(reply, "\"error\"") || !strstr(reply, rows[i].part)) {
			printf("%s %s: %s\n", rows[i].method, rows[i].params, reply ? reply : err.message);
			CU_FAIL("refused otherwise, or not");
		}
		free(reply);
	}
	/* A policy that was refused has left nothing, also of the kinds that were good. */
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.dhcp_guard"), "false");
	end();
}

static void policies(void)
{
	begin();
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\",\"policy\":{\"dhcp_guard\":true}}");
	GIVES(c, 0, "policy.set", "{\"port\":\"lab/p\",\"policy\":{\"router_guard\":true,\"storm_limit\":100,\"monitor\":"
	      "{\"mode\":\"source\",\"session\":3,\"filter\":\"host 192.0.2.1 and (port http or vlan 7)\"},"
	      "\"address_guard\":[\"192.0.2.1\",\"2001:db8::1\"],\"bpdu_guard\":\"block\"}}");
	GIVES(c, 0, "vlan.set", "{\"port\":\"lab/p\",\"mode\":\"trunk\",\"native\":1,\"allowed\":\"1-10,20\",\"pruned\":\"5\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.dhcp_guard"), "true");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.monitor.session"), "3");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.monitor.filter"),
			       "host 192.0.2.1 and (port http or vlan 7)");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.vlan.allowed"), "1-10,20");
	GIVES(c, RPC_INVALID_PARAMS, "vlan.set",
	      "{\"port\":\"lab/p\",\"mode\":\"trunk\",\"native\":5,\"allowed\":\"1-10\",\"pruned\":\"5\"}");
	GIVES(c, RPC_INVALID_PARAMS, "vlan.set", "{\"port\":\"lab/p\",\"mode\":\"access\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.vlan.native"), "1");
	GIVES(c, 0, "policy.clear", "{\"port\":\"lab/p\",\"kinds\":[\"dhcp_guard\",\"vlan\"]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.dhcp_guard"), "false");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab/p\"}", "policy.router_guard"), "true");

	GIVES(c, 0, "acl.add", "{\"port\":\"lab/p\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.0/8\"}");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab/p\",\"action\":\"allow\",\"direction\":\"out\",\"remote\":\"192.0.2.0/24\",\"protocol\":"
	      "\"tcp\",\"remote_port\":\"80-81\",\"weight\":9,\"stateful\":true}");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab/p\",\"action\":\"meter\",\"direction\":\"in\",\"remote\":\"0.0.0.0/0\"}");
	GIVES(c, RPC_INVALID_PARAMS, "acl.add",
	      "{\"port\":\"lab/p\",\"action\":\"deny\",\"direction\":\"out\",\"weight\":1,\"stateful\":true}");
	GIVES(c, RPC_INCOMPATIBLE, "acl.add",
	      "{\"port\":\"lab/p\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.0/8\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.list", "{\"port\":\"lab/p\"}", "total"), "3");
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.meter", "{\"port\":\"lab/p\"}", "meters[0].bytes"), "0");
	GIVES(c, 0, "acl.del", "{\"port\":\"lab/p\",\"id\":1}");
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.list", "{\"port\":\"lab/p\"}", "entries[0].id"), "2");
	GIVES(c, 0, "acl.del", "{\"port\":\"lab/p\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.list", "{\"port\":\"lab/p\"}", "total"), "0");

	GIVES(c, 0, "fdb.add", "{\"port\":\"lab/p\",\"mac\":\"02:00:00:00:00:77\",\"vlan\":4}");
	CU_ASSERT_STRING_EQUAL(answer(c, "fdb.list", "{\"switch\":\"lab\"}", "entries[0].kind"), "mgmt");
	GIVES(c, RPC_NOT_FOUND, "fdb.del", "{\"port\":\"lab/p\",\"mac\":\"02:00:00:00:00:77\"}");
	GIVES(c, 0, "fdb.del", "{\"port\":\"lab/p\",\"mac\":\"02:00:00:00:00:77\",\"vlan\":4}");
	CU_ASSERT_STRING_EQUAL(answer(c, "fdb.list", "{\"switch\":\"lab\"}", "entries[0].mac"), "");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.validate", "{\"switch\":\"lab\",\"policy\":{\"isolated\":true}}", ""), "");
	GIVES(c, RPC_INVALID_PARAMS, "port.validate",
	      "{\"switch\":\"lab\",\"policy\":{\"vlan\":{\"mode\":\"isolated\",\"primary\":5}}}");
	CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 1);
	end();
}

/* ---- what subscribers hear ---- */

static void events(void)
{
	json_t *reply, *params;
	int fd;

	begin();
	fd = subscribe("{\"kinds\":[\"object.*\",\"policy.changed\",\"port.state\"]}");
	reply = next_line(fd);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(json_object_get(reply, "result"), "kinds")), 3);
	json_decref(reply);
	GIVES(c, 0, "switch.create", "{\"name\":\"x\"}");
	GIVES(c, RPC_IN_USE, "switch.create", "{\"name\":\"x\"}");	/* says nothing */
	GIVES(c, 0, "port.create", "{\"switch\":\"x\",\"name\":\"p\",\"dry_run\":true}");	/* neither */
	GIVES(c, 0, "port.create", "{\"switch\":\"x\",\"name\":\"p\"}");
	GIVES(c, 0, "policy.set", "{\"port\":\"x/p\",\"policy\":{\"isolated\":true}}");
	GIVES(c, 0, "switch.delete", "{\"switch\":\"x\",\"force\":true}");
	static const char *const names[] = { "object.changed", "port.state", "object.changed", "object.changed", "policy.changed",
					     "port.state", "object.changed", "object.changed" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = next_event(fd, &params);

		CU_ASSERT_STRING_EQUAL(name, names[i]);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(params, "seq")), (json_int_t)i);
		json_decref(params);
	}
	close(fd);
	GIVES(c, RPC_INVALID_PARAMS, "event.subscribe", "{\"kinds\":[\"weather\"]}");
	end();
}

/* One that does not read is told how many it lost, and the daemon keeps nothing for it beyond a bound. */
static void slow_subscriber(void)
{
	enum { CHANGES = 6000 };
	json_int_t seen = 0, lost = 0, next = 0;
	json_t *params;
	int fd;

	begin();
	fd = subscribe("{\"kinds\":[\"object.changed\"]}");
	json_decref(next_line(fd));
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	for (int i = 1; i < CHANGES; i++) {
		char text[128];

		snprintf(text, sizeof(text), "{\"port\":\"lab/p\",\"friendly\":\"%d\"}", i);
		if (code_of(c, "port.set", text))
			CU_FAIL("port.set");
	}
	while (seen + lost < CHANGES) {
		const char *name = next_event(fd, &params);

		CU_ASSERT_TRUE(*name);
		if (!*name)
			break;
		CU_ASSERT_TRUE(json_integer_value(json_object_get(params, "seq")) >= next);
		next = json_integer_value(json_object_get(params, "seq")) + 1;
		if (!strcmp(name, "events.lost"))
			lost += json_integer_value(json_object_get(params, "count"));
		else
			seen++;
		json_decref(params);
		if (seen + lost == CHANGES - 1 || !(seen % 500)) {	/* what was lost is told with the next event */
			GIVES(c, 0, "port.set", seen % 2 ? "{\"port\":\"lab/p\",\"friendly\":\"a\"}" :
							   "{\"port\":\"lab/p\",\"friendly\":\"b\"}");
		}
	}
	CU_ASSERT_TRUE(lost > 0 && seen > 100);
	close(fd);
	end();
}

/* ---- the profile ---- */

static unsigned count_class(const json_t *list, const char *member, const char *class)
{
	const json_t *v;
	unsigned n = 0;
	size_t i;

	json_array_foreach(list, i, v)
		n += !strcmp(json_string_value(json_object_get(v, member)), class);
	return n;
}

static void profile(void)
{
	const json_t *nodes, *edges;
	json_t *t;

	begin();
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\"}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"kind\":\"emulated\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\"}");
	GIVES(c, 0, "vlan.set", "{\"port\":\"lab/p\",\"mode\":\"access\",\"id\":7}");
	t = checked(c, "topology", NULL);
	nodes = json_object_get(t, "nodes");
	edges = json_object_get(t, "edges");
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VirtualSwitchManagementService"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VirtualSwitch"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_SwitchPort"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VLANEndpoint"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VLANEndpointSettingData"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_ResourceAllocationSettingData"), 2);
	/* The VM does not run: neither NICs nor their endpoints. */
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_SyntheticEthernetPort"), 0);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VmLANEndpoint"), 0);
	/* What is configured hangs on its VM. */
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_ComputerSystem"), 1);
	CU_ASSERT_EQUAL(count_class(nodes, "class", "Msvm_VirtualSystemSettingData"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "SettingsDefineState"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "VirtualSystemSettingDataComponent"), 2);
	CU_ASSERT_EQUAL(count_class(edges, "association", "SystemDevice"), 0);
	CU_ASSERT_EQUAL(count_class(edges, "association", "HostedSwitchService"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "HostedAccessPoint"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "BindsTo"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "NetworkElementSettingData"), 1);
	CU_ASSERT_EQUAL(count_class(edges, "association", "Msvm_ActiveConnection"), 0);
	json_decref(t);
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{}", "balanced"), "true");
	end();
}

/* The daemon's pages are one drawing for hvnetctl, though switches and VMs are on each. */
static void profile_in_pages(void)
{
	enum { PORTS = 1001 };		/* a page has 1000 */
	json_t *calls = json_array();
	char line[512];
	unsigned ports = 0, rasds = 0, roots = 0;
	FILE *f;

	begin();
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"lab\"}");
	for (int i = 0; i < PORTS; i++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "method", "port.create", "params", "switch", "lab",
						       "name", json_sprintf("p%d", i)));
	json_decref(checked(c, "transaction", json_pack("{s:o}", "calls", calls)));
	CU_ASSERT_STRING_EQUAL(answer(c, "topology", "{}", "next_offset"), "1000");
	snprintf(line, sizeof(line), "%.200s/hvnetctl -s %.200s topology", programs, control);
	f = popen(line, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f)) {
		ports += strstr(line, "> Msvm_SwitchPort") != NULL;
		rasds += strstr(line, "VirtualSystemSettingDataComponent> Msvm_ResourceAllocationSettingData a/nic0") != NULL;
		roots += line[0] == 'M';
	}
	CU_ASSERT_EQUAL(pclose(f), 0);
	CU_ASSERT_EQUAL(ports, PORTS);
	CU_ASSERT_EQUAL(rasds, 1);
	CU_ASSERT_EQUAL(roots, 2);	/* the service and the VM; nothing hangs loose */
	end();
}

static const struct hv_test tests[] = {
	{ "a transaction is made whole, or leaves nothing", all_or_nothing },
	{ "a dry run checks and changes nothing", dry_run },
	{ "a large transaction does not hold up others, and lists come in pages", large },
	{ "an answer in pieces is what it would be in one", pieces },
	{ "long ACLs are applied whole", long_acls },
	{ "what has a GUID is found by it", guids },
	{ "a switch has another name, and is the same", renamed },
	{ "an uplink that cannot be put back is tried again", uplink_put_back },
	{ "a refusal says by whom, in which state, with what else", refusals },
	{ "policies are set, kept and cleared", policies },
	{ "who has subscribed is told of what happened, once and in order", events },
	{ "a slow subscriber is told how many it lost", slow_subscriber },
	{ "the profile shows what there is", profile },
	{ "a profile of several pages is drawn as one", profile_in_pages },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/change", tests, sizeof(tests) / sizeof(tests[0]));
}
