/* SPDX-License-Identifier: MIT */
#include "hvnetctl/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static struct invocation inv;
static char error[256];

/* Words by '|', since names hold spaces. */
static bool parse(const char *line)
{
	static char copy[256];
	char *argv[16] = { (char *)"hvnetctl" }, *save = NULL;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, "|", &save); w && argc < 15; w = strtok_r(NULL, "|", &save))
		argv[argc++] = w;
	error[0] = '\0';
	return command_parse(argc, argv, &inv, error, sizeof(error));
}

static void good(void)
{
	static const struct {
		const char *line, *method, *params;
	} rows[] = {
		{ "switch|show", "switch.list", "{}" },
		{ "switch|show|Default Switch", "switch.list", "{\"switch\": \"Default Switch\"}" },
		{ "switch|add|lab|--type=nat", "switch.create", "{\"name\": \"lab\", \"type\": \"nat\"}" },
		{ "switch|add|--type|internal|--interface|tap0|lab", "switch.create",
		  "{\"interface\": \"tap0\", \"name\": \"lab\", \"type\": \"internal\"}" },
		{ "switch|del|lab|--force", "switch.delete", "{\"force\": true, \"switch\": \"lab\"}" },
		{ "switch|del|--|-lab", "switch.delete", "{\"switch\": \"-lab\"}" },
		{ "vm|add|web|--vcpus|4", "vm.add", "{\"name\": \"web\", \"vcpus\": 4}" },
		{ "adapter|add|--switch=lab|--vm=web|--mtu=9000", "adapter.add",
		  "{\"mtu\": 9000, \"switch\": \"lab\", \"vm\": \"web\"}" },
		{ "adapter|set|web/nic0|--link|down", "adapter.set", "{\"adapter\": \"web/nic0\", \"link\": \"down\"}" },
		{ "adapter|set|web/nic0|--switch=", "adapter.set", "{\"adapter\": \"web/nic0\", \"switch\": \"\"}" },
		{ "port|del|lab|tap0", "uplink.unbind", "{\"name\": \"tap0\", \"switch\": \"lab\"}" },
		{ "stats", "stats.get", "{}" },
		{ "-j|--socket|/s|version", "version", "{}" },
		{ "version|-j|-s|/s", "version", "{}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = parse(rows[i].line);
		char *params = json_dumps(inv.params, JSON_SORT_KEYS);

		if (!ok || strcmp(inv.command->method, rows[i].method) != 0 || strcmp(params, rows[i].params) != 0) {
			printf("%s: %s %s\n", rows[i].line, error, params);
			CU_FAIL("not as typed");
		}
		free(params);
		json_decref(inv.params);
	}
	CU_ASSERT_TRUE(inv.json);
	CU_ASSERT_STRING_EQUAL(inv.socket, "/s");
}

static void lies(void)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "", "what to do" },
		{ "--jsn|stats", "--jsn" },
		{ "--socket", "needs a path" },
		{ "--socket=|stats", "needs a path" },
		{ "router|show", "unknown object \"router\"" },
		{ "switch", "needs a verb: show, add, del" },
		{ "switch|destroy", "no verb \"destroy\"" },
		{ "switch|add", "needs a name" },
		{ "switch|add|lab|nat", "unexpected argument \"nat\"" },
		{ "switch|add|lab|--kind=nat", "no option --kind" },
		{ "switch|add|lab|--typ=nat", "no option --typ=nat" },
		{ "switch|add|lab|--type", "--type needs a value" },
		{ "switch|add|lab|--type=nat|--type=tap", "given twice" },
		{ "switch|del|lab|--force=yes", "--force=yes" },
		{ "vm|add|web", "needs --vcpus" },
		{ "vm|add|web|--vcpus=4x", "not a number" },
		{ "vm|add|web|--vcpus=", "not a number" },
		{ "vm|add|web|--vcpus=99999999999999999999", "not a number" },
		{ "vm|add|\xff|--vcpus=1", "not UTF-8" },
		{ "adapter|add|--switch=lab", "needs --vm" },
		{ "stats|now", "unexpected argument" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].line) || !strstr(error, rows[i].says)) {
			printf("%s: %s\n", rows[i].line, error);
			CU_FAIL("accepted, or refused for another reason");
		}
		json_decref(inv.params);
	}
}

static char *printed(const struct table_column *columns, const char *rows)
{
	json_t *json = json_loads(rows, 0, NULL);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (columns)
		table_print(f, columns, json);
	else
		stats_print(f, json);
	fclose(f);
	json_decref(json);
	return text;
}

static void tables(void)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" }, { "N", "in.n" }, { "UP", "up" }, { "LIST", "list" }, { NULL, NULL },
	};
	char *text = printed(columns, "[{\"name\":\"\\u00e4\\u00f6\\u00fc-switch\",\"in\":{\"n\":12345},\"up\":true,"
				      "\"list\":[\"a\",\"b\"]},{\"name\":\"x\",\"up\":false,\"list\":[]}]");

	CU_ASSERT_STRING_EQUAL(text, "NAME        N      UP   LIST\n"
				     "\xc3\xa4\xc3\xb6\xc3\xbc-switch  12345  yes  a,b\n"
				     "x           -      no   -\n");
	free(text);
}

static void statistics(void)
{
	char *text = printed(NULL, "{\"worker\":{\"rounds\":5,\"sleeps\":0},\"objects\":[{\"kind\":\"port\",\"switch\":\"s\",\"name\":"
				   "\"p\",\"counters\":{\"in_dropped\":{\"no-buffer\":3,\"too-big\":0}}}]}");

	CU_ASSERT_PTR_NOT_NULL(strstr(text, "rounds"));
	CU_ASSERT_PTR_NULL(strstr(text, "sleeps"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "in_dropped.no-buffer"));
	CU_ASSERT_PTR_NULL(strstr(text, "too-big"));
	free(text);
}

static const struct hv_test tests[] = {
	{ "each command becomes its request", good },
	{ "each wrong command line is explained", lies },
	{ "tables are aligned by characters", tables },
	{ "statistics leave zeros out", statistics },
};

HV_TEST_MAIN("hvnetctl/command", tests)
