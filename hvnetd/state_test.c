/* SPDX-License-Identifier: MIT */
/* What is stored is there again: after a stop, after a kill at any moment, after damage to the file. */
#include "hvnetd/test_api.h"

#include <dirent.h>

#include "hvnetd/store.h"

static struct hvnet_client *c;
static pid_t host;

static void begin(void)
{
	make_dir();
	host = SPAWN("--no-default-switch", "--state-dir", dir);
	c = connect_to(host);
}

static void stop_here(void)
{
	hvnet_disconnect(c);
	stop(host);
}

static void again(void)
{
	host = SPAWN("--no-default-switch", "--state-dir", dir);
	c = connect_to(host);
}

/* Files that were put aside; how many. */
static unsigned sweep_damaged(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d)))
		if (strstr(e->d_name, ".damaged-")) {
			unlink(in_dir(e->d_name));
			n++;
		}
	closedir(d);
	return n;
}

static void fill(void)
{
	GIVES(c, 0, "switch.create", "{\"name\":\"lab \\u00e4\",\"friendly\":\"Lab\",\"notes\":\"mine\",\"max_macs\":100,"
	      "\"multicast_snooping\":true}");
	GIVES(c, 0, "port.create", "{\"switch\":\"Lab\",\"name\":\"p\",\"policy\":{\"dhcp_guard\":true,\"monitor\":{\"mode\":"
	      "\"source\",\"filter\":\"icmp or arp\"}}}");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab \\u00e4/p\",\"action\":\"deny\",\"direction\":\"in\",\"remote\":\"10.0.0.0/8\"}");
	GIVES(c, 0, "acl.add", "{\"port\":\"lab \\u00e4/p\",\"action\":\"allow\",\"direction\":\"in\",\"remote\":\"10.0.0.1\"}");
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":3}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"Lab\",\"mac\":\"02:00:00:00:00:0A\",\"policy\":{\"vlan\":{\"mode\":"
	      "\"access\",\"id\":9}}}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"port\":\"lab \\u00e4/p\",\"kind\":\"emulated\",\"link\":\"down\",\"name\":\"x\"}");
	GIVES(c, 0, "fdb.add", "{\"port\":\"lab \\u00e4/p\",\"mac\":\"02:00:00:00:00:77\"}");
}

static void restart(void)
{
	char *before, *after;

	begin();
	fill();
	GIVES(c, 0, "vm.add", "{\"name\":\"b\",\"vcpus\":1,\"scoped\":true}");	/* not stored */
	before = config_text(c);
	CU_ASSERT_STRING_EQUAL(answer(c, "config.show", "{}", "stored"), "true");	/* what was answered is stored */
	stop_here();
	CU_ASSERT_FALSE(exists("vm-a"));
	again();
	after = config_text(c);
	CU_ASSERT_STRING_EQUAL(after, before);
	CU_ASSERT_TRUE(exists("vm-a") && !exists("vm-b"));
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"lab \\u00e4/p\"}", "state"), "created");
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"lab \\u00e4/p\"}", "policy.monitor.filter"), "icmp or arp");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"Lab\"}", "max_macs"), "100");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"Lab\"}", "multicast_snooping"), "true");
	CU_ASSERT_STRING_EQUAL(answer(c, "fdb.list", "{\"switch\":\"Lab\"}", "entries[0].kind"), "mgmt");
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.list", "{\"port\":\"lab \\u00e4/p\"}", "entries[1].bytes"), "0");
	/* Numbers go on. */
	CU_ASSERT_STRING_EQUAL(answer(c, "acl.add", "{\"port\":\"a/nic0\",\"action\":\"deny\",\"direction\":\"out\"}", "id"), "3");
	free(before);
	free(after);
	GIVES(c, 0, "vm.del", "{\"vm\":\"a\"}");
	stop_here();
	remove_dir();
}

/*
 * Killed at any moment while it writes. What was answered is there afterwards, and of what was asked for last either all or
 * nothing: each change renames a port twice, in one transaction.
 */
static void killed(void)
{
	enum { KILLS = 60 };
	unsigned seed = 1, window_us = 30000;	/* a few writes long, as long as they take; the moment does not matter */
	json_int_t answered = 0, before;

	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"lab\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"p\",\"friendly\":\"0\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"lab\",\"name\":\"q\",\"friendly\":\"0\"}");
	for (int i = 0; i < KILLS; i++) {
		char params[512], p[32];
		pid_t killer = fork();
		json_int_t n;
		json_t *done;

		if (!killer) {
			usleep((useconds_t)((unsigned)rand_r(&seed) % window_us));
			kill(host, SIGKILL);
			_exit(0);
		}
		rand_r(&seed);
		before = answered;
		for (n = answered + 1;; n++) {
			snprintf(params, sizeof(params), "{\"calls\":["
				 "{\"method\":\"port.set\",\"params\":{\"port\":\"lab/p\",\"friendly\":\"%lld\"}},"
				 "{\"method\":\"port.set\",\"params\":{\"port\":\"lab/q\",\"friendly\":\"%lld\"}}]}", (long long)n,
				 (long long)n);
			done = checked(c, "transaction", text_params(params));
			if (!done)
				break;
			json_decref(done);
			answered = n;
		}
		if (answered == before && window_us < 1000000)
			window_us *= 2;
		else if (answered > before + 2 && window_us > 30000)
			window_us /= 2;
		CU_ASSERT_EQUAL(err.code, 0);	/* not refused: broken off */
		wait_exit(killer);
		CU_ASSERT_EQUAL(wait_exit(host), -SIGKILL);
		hvnet_disconnect(c);
		again();
		snprintf(p, sizeof(p), "%s", answer(c, "port.get", "{\"port\":\"lab/p\"}", "friendly"));
		CU_ASSERT_STRING_EQUAL(p, answer(c, "port.get", "{\"port\":\"lab/q\"}", "friendly"));
		CU_ASSERT_TRUE(atoll(p) == answered || atoll(p) == answered + 1);
		answered = atoll(p);
	}
	CU_ASSERT_TRUE(answered > KILLS / 4);	/* there was something to interrupt */
	stop_here();
	CU_ASSERT_EQUAL(sweep_damaged(), 0);
	remove_dir();
}

/* Of a change that does not come to be nothing is in the file, also if it is written in the middle of it. */
static void undecided(void)
{
	enum { PORTS = 1500, ROUNDS = 4, DRY_RUNS = 4 };
	static const char del[] = "{\"switch\":\"lab\",\"force\":true,\"dry_run\":true}";
	json_t *calls = json_array(), *stored;
	struct rpc_error why;
	int fds[2], dry[DRY_RUNS];
	char params[64];

	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"lab\"}");
	for (int i = 0; i < PORTS; i++)
		json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "method", "port.create", "params", "switch", "lab",
						       "name", json_sprintf("p%d", i)));
	json_decref(checked(c, "transaction", json_pack("{s:o}", "calls", calls)));
	for (int round = 0; round < ROUNDS; round++) {
		/* The second of these is written after the first; until then every port goes and comes back several times. */
		for (int i = 0; i < 2; i++) {
			snprintf(params, sizeof(params), "{\"port\":\"lab/p%d\",\"friendly\":\"%d\"}", i, round);
			fds[i] = send_call("port.set", params);
		}
		for (int i = 0; i < DRY_RUNS; i++)
			dry[i] = send_call("switch.delete", del);
		for (int i = 0; i < 2; i++)
			json_decref(next_line(fds[i]));
		stored = store_read(in_dir("hvnet.json"), &why);
		CU_ASSERT_EQUAL(json_array_size(json_object_get(stored, "switches")), 1);
		CU_ASSERT_EQUAL(json_array_size(json_object_get(stored, "ports")), PORTS);
		json_decref(stored);
		for (int i = 0; i < DRY_RUNS; i++) {
			json_decref(next_line(dry[i]));
			close(dry[i]);
		}
		close(fds[0]);
		close(fds[1]);
	}
	stop_here();
	remove_dir();
}

static void overwrite(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void damaged(void)
{
	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"one\"}");
	GIVES(c, 0, "switch.create", "{\"name\":\"two\"}");
	stop_here();
	overwrite("hvnet.json", "{\"format\": \"hvnet\", \"version\": 1, \"checksum\": \"crc32:12345678\", \"config\": {}}");
	again();
	CU_ASSERT_TRUE(output_has("checksum") && output_has("last good"));
	CU_ASSERT_EQUAL(count(c, "switch.list", "switches"), 1);	/* the one before the last change */
	CU_ASSERT_EQUAL(sweep_damaged(), 1);
	stop_here();

	overwrite("hvnet.json", "{");
	overwrite("hvnet.json.1", "{");
	again();
	CU_ASSERT_TRUE(output_has("no good configuration"));
	CU_ASSERT_EQUAL(count(c, "switch.list", "switches"), 0);
	CU_ASSERT_TRUE(sweep_damaged() >= 1);
	stop_here();

	/* Of a later version: not damage. Nothing is touched. */
	overwrite("hvnet.json", "{\"format\": \"hvnet\", \"version\": 2, \"config\": {}}");
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--no-default-switch", "--state-dir", dir)), 1);
	CU_ASSERT_TRUE(output_has("version 1"));
	CU_ASSERT_TRUE(exists("hvnet.json"));
	remove_dir();
}

static void check(void)
{
	make_dir();
	overwrite("output2", "{\"format\": \"hvnet\", \"version\": 1, \"config\": {\"switches\": [{\"name\": \"lab\"}],\n"
		  "\"adapters\": [{\"vm\": \"a\", \"name\": \"n\", \"mac\": \"02:00:00:00:00:01\"}]}}");
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--check", in_dir("output2"))), 1);
	CU_ASSERT_TRUE(output_has("there is no VM \"a\""));
	overwrite("output2", "{\"format\": \"hvnet\", \"version\": 1, \"config\": {\"switches\": [{\"name\": \"lab\"}],\n"
		  "\"vms\": [{\"name\": \"a\", \"vcpus\": 1}],\n"
		  "\"adapters\": [{\"vm\": \"a\", \"name\": \"n\", \"mac\": \"02:00:00:00:00:01\", \"colour\": 3}]}}");
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--check", in_dir("output2"))), 1);
	CU_ASSERT_TRUE(output_has(":3:67: there is no parameter"));
	overwrite("output2", "{\"format\": \"hvnet\", \"version\": 1, \"config\": {\"switches\": [{\"name\": \"lab\"}],\n"
		  "\"vms\": [{\"name\": \"a\", \"vcpus\": 1}],\n"
		  "\"adapters\": [{\"vm\": \"a\", \"name\": \"n\", \"mac\": \"02:00:00:00:00:01\", \"switch\": \"lab\"}]}}");
	CU_ASSERT_EQUAL(wait_exit(SPAWN("--check", in_dir("output2"))), 0);
	CU_ASSERT_TRUE(output_has("is fine"));
	CU_ASSERT_FALSE(exists("vm-a") || exists("control"));
	unlink(in_dir("output2"));
	remove_dir();
}

/* config.diff tells what config.apply does, and applying the configuration that is does nothing. */
static void diff_and_apply(void)
{
	json_t *config, *wanted, *result;
	char *before, *after;

	begin();
	fill();
	before = config_text(c);
	config = json_loads(before, 0, NULL);
	wanted = json_deep_copy(config);
	json_array_remove(json_object_get(wanted, "adapters"), 0);
	json_object_set_new(json_array_get(json_object_get(wanted, "switches"), 0), "notes", json_string("yours"));
	json_array_append_new(json_object_get(wanted, "vms"), json_pack("{s:s, s:i}", "name", "b", "vcpus", 2));
	result = checked(c, "config.diff", json_pack("{s:O}", "config", wanted));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "changes")), 3);
	json_decref(result);
	result = checked(c, "config.apply", json_pack("{s:O}", "config", wanted));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "changes")), 3);
	json_decref(result);
	CU_ASSERT_TRUE(exists("vm-b"));
	result = checked(c, "config.diff", json_pack("{s:O}", "config", wanted));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "changes")), 0);
	json_decref(result);
	/* One mistake: nothing of it. */
	json_array_append_new(json_object_get(config, "adapters"),
			      json_pack("{s:s, s:s, s:s}", "vm", "z", "name", "n", "mac", "02:00:00:00:00:99"));
	CU_ASSERT_PTR_NULL(checked(c, "config.apply", json_pack("{s:O}", "config", config)));
	CU_ASSERT_TRUE(exists("vm-b"));
	json_array_remove(json_object_get(config, "adapters"), 2);
	result = checked(c, "config.apply", json_pack("{s:O}", "config", config));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "changes")), 3);
	json_decref(result);
	after = config_text(c);
	json_decref(wanted);
	wanted = json_loads(after, 0, NULL);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(wanted, "adapters")), 2);
	CU_ASSERT_FALSE(exists("vm-b"));
	free(before);
	free(after);
	json_decref(config);
	json_decref(wanted);
	GIVES(c, 0, "vm.del", "{\"vm\":\"a\"}");
	stop_here();
	remove_dir();
}

/* A second daemon keeps its hands off. */
static void one_at_a_time(void)
{
	char other[PATH_MAX];

	begin();
	snprintf(other, sizeof(other), "--socket=%s", in_dir("nat"));
	CU_ASSERT_EQUAL(wait_exit(SPAWN(other, "--no-default-switch", "--state-dir", dir)), 1);
	CU_ASSERT_TRUE(output_has("another hvnetd uses the state folder"));
	stop_here();
	remove_dir();
}

static const struct hv_test tests[] = {
	{ "all is there again after a restart", restart },
	{ "all is there again, whole, after a kill at any moment", killed },
	{ "of a change that does not come to be nothing is stored", undecided },
	{ "a damaged file is put aside and the last good one used", damaged },
	{ "a file can be checked without a daemon", check },
	{ "a configuration is compared, and applied whole", diff_and_apply },
	{ "a state folder is for one daemon", one_at_a_time },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/state", tests, sizeof(tests) / sizeof(tests[0]));
}
