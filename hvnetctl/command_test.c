/* SPDX-License-Identifier: MIT */
#include "hvnetctl/command.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/test.h"
#include "hvnetctl/table.h"

static struct invocation inv;
static char text[512];
static struct say error = { text, sizeof(text) };
static char line_copy[512];
static char *words[32];

/* Words by '|', since names hold spaces. */
static int split(const char *line)
{
	char *save = NULL;
	int n = 0;

	snprintf(line_copy, sizeof(line_copy), "%s", line);
	for (char *w = strtok_r(line_copy, "|", &save); w && n < 31; w = strtok_r(NULL, "|", &save))
		words[n++] = w;
	return n;
}

static bool parse(const char *line)
{
	text[0] = '\0';
	return command_parse(split(line), words, &inv, &error);
}

static void good(void)
{
	static const struct {
		const char *line, *method, *params;
	} rows[] = {
		{ "switch|show", "switch.list", "{}" },
		{ "switch|show|Default Switch", "switch.list", "{\"switch\": \"Default Switch\"}" },
		{ "switch|add|lab|--type=nat", "switch.create", "{\"name\": \"lab\", \"type\": \"nat\"}" },
		{ "switch|add|--type|external|--uplink|eth1,eth2|--host-nic|lab", "switch.create",
		  "{\"host_nic\": true, \"name\": \"lab\", \"type\": \"external\", \"uplink\": [\"eth1\", \"eth2\"]}" },
		{ "switch|del|lab|--force", "switch.delete", "{\"force\": true, \"switch\": \"lab\"}" },
		{ "switch|del|lab|--force=off", "switch.delete", "{\"force\": false, \"switch\": \"lab\"}" },
		{ "switch|del|--|-lab", "switch.delete", "{\"switch\": \"-lab\"}" },
		{ "switch|del|--switch=lab", "switch.delete", "{\"switch\": \"lab\"}" },
		{ "uplink|bind|lab|eth1|eth2|--team.mode=lacp|--team.lacp-rate|fast", "uplink.bind",
		  "{\"interfaces\": [\"eth1\", \"eth2\"], \"switch\": \"lab\", "
		  "\"team\": {\"lacp_rate\": \"fast\", \"mode\": \"lacp\"}}" },
		{ "vm|add|web|--vcpus|4", "vm.add", "{\"name\": \"web\", \"vcpus\": 4}" },
		{ "adapter|add|web|--switch=lab|--mtu=9000", "adapter.add",
		  "{\"mtu\": 9000, \"switch\": \"lab\", \"vm\": \"web\"}" },
		{ "adapter|set|web/nic0|--link|down", "adapter.set", "{\"adapter\": \"web/nic0\", \"link\": \"down\"}" },
		{ "adapter|set|web/nic0|--switch=", "adapter.set", "{\"adapter\": \"web/nic0\", \"switch\": \"\"}" },
		{ "policy|set|web/nic0|dhcp-guard=on|vlan.mode=access|vlan.id=7|bandwidth.limit_bps=10M", "policy.set",
		  "{\"policy\": {\"bandwidth\": {\"limit_bps\": 10000000}, \"dhcp_guard\": true, "
		  "\"vlan\": {\"id\": 7, \"mode\": \"access\"}}, \"port\": \"web/nic0\"}" },
		{ "policy|set|p|bandwidth.burst_bytes=64K|address_guard=10.0.0.1,fe80::1", "policy.set",
		  "{\"policy\": {\"address_guard\": [\"10.0.0.1\", \"fe80::1\"], \"bandwidth\": {\"burst_bytes\": 65536}}, "
		  "\"port\": \"p\"}" },
		{ "policy|set|p|monitor.mode=source|monitor.filter=ip[8] = 64 and (port 53, or not vlan)", "policy.set",
		  "{\"policy\": {\"monitor\": {\"filter\": \"ip[8] = 64 and (port 53, or not vlan)\", \"mode\": \"source\"}}, "
		  "\"port\": \"p\"}" },
		{ "policy|set|p|dhcp-guard", "policy.set", "{\"policy\": {\"dhcp_guard\": true}, \"port\": \"p\"}" },
		{ "policy|set|p|--policy={\"isolated\": true}", "policy.set",
		  "{\"policy\": {\"isolated\": true}, \"port\": \"p\"}" },
		{ "policy|clear|p|vlan|monitor,isolated", "policy.clear",
		  "{\"kinds\": [\"vlan\", \"monitor\", \"isolated\"], \"port\": \"p\"}" },
		{ "vlan|set|web/nic0|access|7", "vlan.set", "{\"id\": 7, \"mode\": \"access\", \"port\": \"web/nic0\"}" },
		{ "acl|add|web/nic0|deny|in|--remote|10.0.0.0/8", "acl.add",
		  "{\"action\": \"deny\", \"direction\": \"in\", \"port\": \"web/nic0\", \"remote\": \"10.0.0.0/8\"}" },
		{ "version|-j|-s|/s", "version", "{}" },
		{ "-n|--timeout=5|--no-wait|-p|-s|/s|stats", "stats.get", "{}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = parse(rows[i].line);
		char *params = json_dumps(inv.params, JSON_SORT_KEYS);

		if (!ok || strcmp(inv.command->method, rows[i].method) != 0 || strcmp(params, rows[i].params) != 0) {
			printf("%s: %s %s\n", rows[i].line, text, params);
			CU_FAIL("not as typed");
		}
		free(params);
		json_decref(inv.params);
	}
	CU_ASSERT_EQUAL(inv.json, JSON_FORM_PRETTY);
	CU_ASSERT_TRUE(inv.dry_run);
	CU_ASSERT_TRUE(inv.no_wait);
	CU_ASSERT_EQUAL(inv.timeout_s, 5);
	CU_ASSERT_STRING_EQUAL(inv.socket, "/s");
}

/* What people see when they are wrong: word for word. */
static void lies(void)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "", "say what to do, for instance: hvnetctl switch show" },
		{ "--jsn|stats", "unknown option --jsn" },
		{ "--socket", "--socket needs a value" },
		{ "--socket=|stats", "--socket= needs a value" },
		{ "--timeout=0|stats", "--timeout: \"0\" is no number of seconds, 1 to 86400" },
		{ "--timeout=-3|stats", "--timeout: \"-3\" is no number of seconds, 1 to 86400" },
		{ "--batch=f|stats", "--batch takes its commands from the file, and none beside it" },
		{ "switch", "switch needs a verb: show, get, add, set, rename, del" },
		{ "switch|destroy", "switch has no verb \"destroy\"; it has show, get, add, set, rename, del" },
		{ "switch|add", "switch add needs a name (unique name)" },
		{ "switch|add|lab|nat", "unexpected argument \"nat\"" },
		{ "switch|add|lab|--kind=nat", "switch add has no option --kind=nat; `hvnetctl switch add --help` lists them" },
		{ "switch|add|lab|--dry_run", "switch add has no option --dry_run; `hvnetctl switch add --help` lists them" },
		{ "switch|add|lab|--type", "--type needs a value" },
		{ "switch|add|lab|--type=router", "--type: there is no \"router\"; it may be private, internal, external or nat" },
		{ "switch|add|lab|--type=nat|--type=nat", "--type is given twice" },
		{ "switch|del|lab|--force=maybe", "--force: \"maybe\" is neither on nor off" },
		{ "vm|add|web", "vm add needs --vcpus (virtual processors of its guest at most)" },
		{ "vm|add|web|--vcpus=4x", "--vcpus: \"4x\" is not a number (k, M or G may follow one)" },
		{ "vm|add|web|--vcpus=", "--vcpus: \"\" is not a number (k, M or G may follow one)" },
		{ "vm|add|web|--vcpus=99999999999999999999",
		  "--vcpus: \"99999999999999999999\" is not a number (k, M or G may follow one)" },
		{ "vm|add|web|--vcpus=9999999999999G", "--vcpus: \"9999999999999G\" is not a number (k, M or G may follow one)" },
		{ "vm|add|\xff|--vcpus=1", "name: \"\xff\" is not UTF-8" },
		{ "policy|set|p|speed=9", "policy has no speed; `hvnetctl policy set --help` lists its members" },
		{ "policy|set|p|vlan.mode", "policy.vlan.mode needs a value" },
		{ "policy|set|p|vlan=7", "policy.vlan: \"7\" is not JSON; or name its members: policy.vlan.MEMBER" },
		{ "policy|set|p|vlan={}|vlan.mode=trunk|vlan.mode=trunk", "policy.vlan.mode is given twice" },
		{ "policy|clear|p|speed", "kinds: \"speed\" is no list, with commas, of mac_spoofing, dhcp_guard, router_guard, "
		  "bpdu_guard, address_guard, storm_limit, ip_limit, priority_tag, teaming, isolated, lldp, monitor, vlan or bandwidth" },
		{ "acl|add|p", "acl add needs an action (allow, deny, or meter: count bytes without deciding)" },
		{ "acl|add|p|deny", "acl add needs a direction (in: to the NIC; out: from it)" },
		{ "stats|now", "unexpected argument \"now\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].line) || strcmp(text, rows[i].says) != 0) {
			printf("%s: %s\n", rows[i].line, text);
			CU_FAIL("accepted, or refused in other words");
		}
		json_decref(inv.params);
	}
	CU_ASSERT_FALSE(parse("router|show"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "unknown object \"router\"; known are switch, uplink, "));
	json_decref(inv.params);
}

/* Every row can be carried out: its method is there, and so is each of its places. */
static void rows_fit(void)
{
	char name[64];

	for (size_t i = 0; i < num_commands; i++) {
		const struct command *c = &commands[i];

		CU_ASSERT_TRUE(c->method ? api_find_method(c->method) != NULL : c->run && c->own);
		CU_ASSERT_PTR_NOT_NULL(command_text(c));
		for (const char *const *p = c->places; *p; p++) {
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(*p, ".="), *p);
			if (!args_find(command_fields(c), name)) {
				printf("%s %s: %s\n", c->object, c->verb, *p);
				CU_FAIL("a place without a parameter");
			}
		}
	}
	/* … and every method but those that commands use in their own way has a row. */
	for (size_t n = 0; api_method(n); n++) {
		static const char *const others[] = { "transaction", "event.", "capture.", "topology", "config." };
		const char *method = api_method(n)->name;
		bool found = false;

		for (size_t i = 0; i < num_commands; i++)
			found |= commands[i].method && !strcmp(commands[i].method, method);
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			found |= !strncmp(method, others[i], strlen(others[i]));
		if (!found) {
			printf("%s\n", method);
			CU_FAIL("a method without a command");
		}
	}
}

static void completions(void)
{
	static const struct {
		const char *line, *object, *verb, *field;
		bool member, option;
	} rows[] = {
		{ "", NULL, NULL, NULL, false, false },
		{ "switch", "switch", NULL, NULL, false, false },
		{ "-j|switch", "switch", NULL, NULL, false, false },
		{ "switch|add", "switch", "add", "name", false, true },
		{ "switch|add|lab", "switch", "add", NULL, false, true },
		{ "switch|add|lab|--type", "switch", "add", "type", false, true },
		{ "switch|add|lab|--type=nat", "switch", "add", NULL, false, true },
		{ "switch|add|--type|nat", "switch", "add", "name", false, true },
		{ "switch|del|--force", "switch", "del", "switch", false, true },
		{ "switch|del|--", "switch", "del", "switch", false, false },
		{ "policy|set|p", "policy", "set", "policy", true, true },
		{ "policy|set|p|vlan.mode=trunk", "policy", "set", "policy", true, true },
		{ "uplink|bind|s|eth1", "uplink", "bind", "interfaces", false, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct completion at;

		command_at_end(split(rows[i].line), words, &at);
		CU_ASSERT_EQUAL(!at.object, !rows[i].object);
		CU_ASSERT_EQUAL(!at.command, !rows[i].verb);
		if (at.command)
			CU_ASSERT_STRING_EQUAL(at.command->verb, rows[i].verb);
		CU_ASSERT_EQUAL(!at.field, !rows[i].field);
		if (at.field && rows[i].field)
			CU_ASSERT_STRING_EQUAL(at.field->name, rows[i].field);
		CU_ASSERT_EQUAL(at.member, rows[i].member);
		if (at.command && strcmp(rows[i].line, "switch|add|lab|--type") != 0)
			CU_ASSERT_EQUAL(at.option, rows[i].option);
	}
}

static void batch_lines(void)
{
	static const struct {
		const char *line;
		int n;
		const char *words;	/* joined by '|' */
	} rows[] = {
		{ "", 0, "" },
		{ "  # nothing\n", 0, "" },
		{ "switch add lab # a comment\n", 3, "switch|add|lab" },
		{ "switch add \"Default Switch\"\t--notes='a \"b\" # c'\n", 4, "switch|add|Default Switch|--notes=a \"b\" # c" },
		{ "a\\ b \\#c d#e", 3, "a b|#c|d#e" },
		{ "\"\" x", 2, "|x" },
		{ "\"a\\\"b\" 'c\\d'", 2, "a\"b|c\\d" },
		{ "1 2 3 4 5 6", -1, "more than 5 words" },
		{ "say 'so", -1, "a ' is not closed" },
		{ "say \"so", -1, "a \" is not closed" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[128], joined[128] = "";
		char *w[5];
		int n;

		snprintf(line, sizeof(line), "%s", rows[i].line);
		n = args_split(line, w, 5, &error);
		CU_ASSERT_EQUAL(n, rows[i].n);
		for (int k = 0; k < n; k++)
			strcat(strcat(joined, k ? "|" : ""), w[k]);
		CU_ASSERT_STRING_EQUAL(n < 0 ? text : joined, rows[i].words);
	}
}

static char *printed(void (*print)(FILE *to, const json_t *json), const char *columns, const char *rows)
{
	json_t *json = json_loads(rows, 0, NULL);
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	if (columns)
		table_print(f, columns, json);
	else
		print(f, json);
	fclose(f);
	json_decref(json);
	return out;
}

static void tables(void)
{
	char *out = printed(NULL, "name in.n host_nics list",
			    "[{\"name\":\"\\u00e4\\u00f6\\u00fc-switch\",\"in\":{\"n\":12345},\"host_nics\":true,"
			    "\"list\":[\"a\",7]},{\"name\":\"x\",\"host_nics\":false,\"list\":[]}]");

	CU_ASSERT_STRING_EQUAL(out, "NAME        N      HOST-NICS  LIST\n"
				    "\xc3\xa4\xc3\xb6\xc3\xbc-switch  12345  yes        a,7\n"
				    "x           -      no         -\n");
	free(out);
}

static void records(void)
{
	char *out = printed(record_print, NULL, "{\"name\":\"lab\",\"team\":{\"mode\":\"lacp\",\"empty\":{}},\"members\":"
			    "[{\"interface\":\"eth1\"},{\"interface\":\"eth2\"}],\"list\":[1,2]}");

	CU_ASSERT_STRING_EQUAL(out, "name                  lab\n"
				    "team.mode             lacp\n"
				    "team.empty            -\n"
				    "members[0].interface  eth1\n"
				    "members[1].interface  eth2\n"
				    "list                  1,2\n");
	free(out);
	out = printed(counters_print, NULL, "{\"in_dropped\":{\"no-buffer\":3,\"too-big\":0},\"in_frames\":12}");
	CU_ASSERT_STRING_EQUAL(out, "  in_dropped.no-buffer  3\n"
				    "  in_frames             12\n");
	free(out);
}

static const struct hv_test tests[] = {
	{ "each command becomes its request", good },
	{ "each wrong command line is explained, word for word", lies },
	{ "each row fits the API, and each method has one", rows_fit },
	{ "what the word at the end of a line may become", completions },
	{ "lines of a batch are split like a shell's", batch_lines },
	{ "tables are aligned by characters", tables },
	{ "objects are shown a line a member, counters without zeros", records },
};

HV_TEST_MAIN("hvnetctl/command", tests)
