/* SPDX-License-Identifier: MIT */
/* The table itself, the checks by it, and the schema that is printed from it. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "api/api.h"
#include "hvnetd/rpc.h"

static void check_fields(const char *where, const struct field *fields)
{
	for (const struct field *f = fields; f && f->name; f++) {
		bool good = f->text && *f->text && f->min <= (f->max || f->kind == FIELD_INTEGER ? f->max : INT64_MAX);

		good = good && (f->kind != FIELD_ENUM || (f->names && f->names[0]));
		good = good && (f->kind != FIELD_OBJECT || f->fields);
		good = good && (f->kind != FIELD_ARRAY || f->items != FIELD_OBJECT || f->fields);
		for (const struct field *g = fields; g != f; g++)
			good = good && strcmp(f->name, g->name) != 0;
		if (!good) {
			printf("%s: %s\n", where, f->name);
			CU_FAIL("a field without a meaning");
		}
		if (f->kind == FIELD_OBJECT || f->kind == FIELD_ARRAY)
			check_fields(where, f->fields);
	}
}

static void table(void)
{
	const struct rpc_method *m;
	size_t n;

	for (n = 0; (m = api_method(n)); n++) {
		CU_ASSERT_PTR_EQUAL(api_find_method(m->name), m);	/* so none is there twice */
		CU_ASSERT_TRUE(m->text && *m->text && m->params && m->result);
		CU_ASSERT_FALSE((m->flags & RPC_ACTS) && (m->flags & RPC_CHANGES));
		check_fields(m->name, m->params);
		check_fields(m->name, m->result);
	}
	CU_ASSERT_TRUE(n > 60);
	CU_ASSERT_PTR_NULL(api_find_method("switch.destroy"));
	for (const struct api_event *e = api_events; e->name; e++)
		check_fields(e->name, e->fields);
	check_fields("config", api_config);
}

/* Each row with one lie, and what is named. */
static void lies(void)
{
	static const struct {
		const char *method, *params, *what;
	} rows[] = {
		{ "switch.create", "{}", "name" },
		{ "switch.create", "{\"name\":\"\"}", "name" },
		{ "switch.create", "{\"name\":5}", "name" },
		{ "switch.create", "{\"name\":\"x\",\"max_macs\":0}", "max_macs" },
		{ "switch.create", "{\"name\":\"x\",\"type\":\"bridge\"}", "type" },
		{ "switch.create", "{\"name\":\"x\",\"host_nic\":1}", "host_nic" },
		{ "switch.create", "{\"name\":\"x\",\"uplink\":\"eth0\"}", "uplink" },
		{ "switch.create", "{\"name\":\"x\",\"uplink\":[]}", "uplink" },
		{ "switch.create", "{\"name\":\"x\",\"uplink\":[\"0123456789abcdef\"]}", "uplink[0]" },
		{ "adapter.add", "{\"vm\":\"a\",\"mac\":\"ff:ff:ff:ff:ff:ff\"}", "mac" },
		{ "adapter.add", "{\"vm\":\"a\",\"policy\":{\"dhcp_gard\":true}}", "policy.dhcp_gard" },
		{ "adapter.add", "{\"vm\":\"a\",\"policy\":{\"vlan\":{\"id\":7}}}", "policy.vlan.mode" },
		{ "adapter.add", "{\"vm\":\"a\",\"policy\":{\"vlan\":{\"mode\":\"access\",\"id\":4095}}}", "policy.vlan.id" },
		{ "acl.add", "{\"port\":\"a/b\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.0/33\"}", "remote" },
		{ "acl.add", "{\"port\":\"a/b\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"::/129\"}", "remote" },
		{ "acl.add", "{\"port\":\"a/b\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.0/\"}", "remote" },
		{ "acl.add", "{\"port\":\"a/b\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"ten\"}", "remote" },
		{ "transaction", "{\"calls\":[{\"method\":\"x\"},{\"methud\":\"x\"}]}", "calls[1].methud" },
		{ "config.apply", "{\"config\":{\"vms\":[{\"name\":\"a\",\"vcpus\":0}]}}", "config.vms[0].vcpus" },
		{ "acl.add", "{\"port\":\"a/b\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"2001:db8::/32\"}", NULL },
		{ "adapter.add", "{\"vm\":\"a\",\"policy\":{\"vlan\":{\"mode\":\"access\",\"id\":4094}}}", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *params = json_loads(rows[i].params, 0, NULL);
		struct rpc_error err = { 0 };
		bool dry = false, good = !rpc_check_params(api_find_method(rows[i].method), params, &dry, &err);

		if (good != !rows[i].what || (rows[i].what && (err.code != RPC_INVALID_PARAMS || strcmp(err.what, rows[i].what) != 0))) {
			printf("%s %s: %s %s\n", rows[i].method, rows[i].params, err.what, err.message);
			CU_FAIL("not what was meant");
		}
		json_decref(params);
	}
}

/* Every reference leads somewhere. */
static void follow(const json_t *schema, const json_t *v)
{
	const char *name;
	json_t *item;
	size_t i;

	if (json_is_array(v))
		json_array_foreach(v, i, item)
			follow(schema, item);
	json_object_foreach((json_t *)v, name, item) {
		const char *ref = strcmp(name, "$ref") ? NULL : json_string_value(item);

		if (ref && (strncmp(ref, "#/$defs/", 8) != 0 || !json_object_get(json_object_get(schema, "$defs"), ref + 8))) {
			printf("%s\n", ref);
			CU_FAIL("leads nowhere");
		}
		follow(schema, item);
	}
}

static void schema_is_closed(void)
{
	json_t *schema = api_schema(), *defs = json_object_get(schema, "$defs");
	const struct rpc_method *m;
	char key[96];

	follow(schema, schema);
	for (size_t n = 0; (m = api_method(n)); n++) {
		snprintf(key, sizeof(key), "request:%s", m->name);
		CU_ASSERT_PTR_NOT_NULL(json_object_get(defs, key));
		snprintf(key, sizeof(key), "result:%s", m->name);
		CU_ASSERT_PTR_NOT_NULL(json_object_get(defs, key));
	}
	json_decref(schema);
}

/* By somebody else's validator: the schema is one, takes a good request, and refuses a bad one. */
static const char judge[] =
	"import json, sys\n"
	"try:\n"
	"    from jsonschema import Draft202012Validator as V\n"
	"except ImportError:\n"
	"    sys.exit(77)\n"
	"s = json.load(sys.stdin)\n"
	"V.check_schema(s)\n"
	"v = V(s)\n"
	"good = {'jsonrpc': '2.0', 'id': 1, 'method': 'vlan.set', 'params': {'port': 'a/b', 'mode': 'access', 'id': 7}}\n"
	"assert v.is_valid(good)\n"
	"for change in ({'method': 'vlan.sett'}, {'extra': 1}, {'params': {'port': 'a/b', 'mode': 'access', 'id': 4095}},\n"
	"               {'params': {'port': 'a/b', 'mode': 'accesss'}}, {'params': {'mode': 'access'}}):\n"
	"    assert not v.is_valid(dict(good, **change)), change\n"
	"e = V({'$ref': '#/$defs/event', '$defs': s['$defs']})\n"
	"assert e.is_valid({'jsonrpc': '2.0', 'method': 'events.lost', 'params': {'seq': 1, 'time_us': 2, 'severity': 'info',\n"
	"                   'count': 3}})\n";

static void schema_is_one(void)
{
	json_t *schema = api_schema();
	int pipes[2], status = -1;
	FILE *to;
	pid_t pid;

	if (pipe(pipes) || (pid = fork()) < 0)
		abort();
	if (!pid) {
		dup2(pipes[0], STDIN_FILENO);
		close(pipes[1]);
		execlp("python3", "python3", "-c", judge, NULL);
		_exit(77);
	}
	close(pipes[0]);
	to = fdopen(pipes[1], "w");
	json_dumpf(schema, to, 0);
	fclose(to);
	json_decref(schema);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		hv_test_skip("there is no python3-jsonschema");
		return;
	}
	CU_ASSERT_EQUAL(status, 0);
}

static const struct hv_test tests[] = {
	{ "every row is whole and there once", table },
	{ "a parameter that is wrong is named by its path", lies },
	{ "the schema has every method, and refers to nothing else", schema_is_closed },
	{ "another validator agrees with the schema", schema_is_one },
};

HV_TEST_MAIN("hvnetd/api", tests)
