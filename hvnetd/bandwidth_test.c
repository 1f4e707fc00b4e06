/* SPDX-License-Identifier: MIT */
/* Reservations of a real daemon's configuration against what the uplink takes: as configured, and as its links say. */
#include "hvnetd/test_api.h"
#include "hvnetd/test_veths.h"

static struct hvnet_client *c;
static pid_t host;

static void again(void)
{
	host = SPAWN("--no-default-switch", "--state-dir", dir, "--allow-uplinks");
	c = connect_to(host);
}

static void begin(void)
{
	make_dir();
	again();
}

static void stop_here(void)
{
	hvnet_disconnect(c);
	stop(host);
}

static void end(void)
{
	stop_here();
	remove_dir();
}

static const char *status(const char *member)
{
	char path[64];

	snprintf(path, sizeof(path), "bandwidth.%s", member);
	return answer(c, "switch.get", "{\"switch\":\"s\"}", path);
}

static const char *reserve(const char *port, unsigned mbps)
{
	static char params[256];

	snprintf(params, sizeof(params), "{\"port\":\"%s\",\"policy\":{\"bandwidth\":{\"reservation_bps\":%u000000}}}", port, mbps);
	return params;
}

#define RESERVES(code, port, mbps) GIVES(c, code, "policy.set", reserve(port, mbps))
#define ABSOLUTE(rest) "{\"name\":\"s\",\"bandwidth_mode\":\"absolute\"" rest "}"

/* What is configured counts, whether its guest runs or not. */
static void configured(void)
{
	begin();
	GIVES(c, 0, "switch.create", ABSOLUTE(",\"capacity_bps\":1000000000"));
	CU_ASSERT_STRING_EQUAL(status("mode"), "absolute");
	CU_ASSERT_STRING_EQUAL(status("capacity_bps"), "1000000000");
	CU_ASSERT_STRING_EQUAL(status("reserved_bps"), "100000000");	/* a tenth for who has none */
	CU_ASSERT_STRING_EQUAL(status("reserved_percent"), "10");
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"s\"}");
	GIVES(c, 0, "port.create", "{\"switch\":\"s\",\"name\":\"p\"}");
	RESERVES(RPC_NO_RESOURCES, "a/nic0", 901);
	CU_ASSERT_STRING_EQUAL(err.message, "1001000000 bit/s would be reserved, 100000000 of them for ports without a reservation; the "
			       "uplink of switch \"s\" takes 1000000000");
	RESERVES(0, "a/nic0", 600);
	RESERVES(RPC_NO_RESOURCES, "s/p", 301);
	RESERVES(0, "s/p", 300);
	CU_ASSERT_STRING_EQUAL(status("reserved_bps"), "1000000000");
	GIVES(c, RPC_NO_RESOURCES, "port.validate",
	      "{\"switch\":\"s\",\"policy\":{\"bandwidth\":{\"reservation_bps\":1000000}}}");
	GIVES(c, 0, "port.validate", "{\"switch\":\"s\",\"policy\":{\"bandwidth\":{\"limit_bps\":1000000}}}");
	GIVES(c, RPC_INVALID_PARAMS, "policy.set", "{\"port\":\"a/nic0\",\"policy\":{\"bandwidth\":{\"weight\":5}}}");
	GIVES(c, RPC_NO_RESOURCES, "switch.set", "{\"switch\":\"s\",\"capacity_bps\":990000000}");
	GIVES(c, RPC_NO_RESOURCES, "switch.set", "{\"switch\":\"s\",\"default_reservation_bps\":100000008}");
	GIVES(c, 0, "switch.set", "{\"switch\":\"s\",\"default_reservation_bps\":50000000}");
	RESERVES(0, "s/p", 350);
	GIVES(c, 0, "vm.del", "{\"vm\":\"a\"}");
	CU_ASSERT_STRING_EQUAL(status("reserved_bps"), "400000000");
	GIVES(c, 0, "switch.set", "{\"switch\":\"s\",\"capacity_bps\":0}");	/* no uplink that knows better */
	CU_ASSERT_STRING_EQUAL(status("capacity_bps"), "");
	CU_ASSERT_STRING_EQUAL(status("reserved_percent"), "");
	RESERVES(0, "s/p", 100000);
	end();
}

static void weights(void)
{
	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"s\",\"capacity_bps\":1000000000,\"default_weight\":5}");
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, RPC_INVALID_PARAMS, "adapter.add",
	      "{\"vm\":\"a\",\"switch\":\"s\",\"policy\":{\"bandwidth\":{\"reservation_bps\":8000}}}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"s\",\"policy\":{\"bandwidth\":{\"weight\":70}}}");
	CU_ASSERT_STRING_EQUAL(status("mode"), "weight");
	CU_ASSERT_STRING_EQUAL(status("weights"), "75");
	CU_ASSERT_STRING_EQUAL(status("capacity_bps"), "1000000000");
	CU_ASSERT_STRING_EQUAL(status("overcommitted"), "false");
	GIVES(c, RPC_INVALID_PARAMS, "switch.set", "{\"switch\":\"s\",\"default_reservation_bps\":8000}");
	end();
}

/* What was granted is no reason not to start, whatever the switch is said to take now; it is one not to grant it anew. */
#define DOCUMENT(s) "{\"mode\":\"merge\",\"config\":{\"switches\":[" s "]}}"
static void granted(void)
{
	static const char *const text =
		"{\"format\":\"hvnet\",\"version\":1,\"config\":{\"switches\":[" ABSOLUTE(",\"capacity_bps\":1000000000") "],"
		"\"ports\":[{\"switch\":\"s\",\"name\":\"p\",\"policy\":{\"bandwidth\":{\"reservation_bps\":5000000000}}}]}}";
	FILE *f;

	begin();
	GIVES(c, 0, "switch.create", ABSOLUTE(""));
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"vm\":\"a\",\"switch\":\"s\",\"policy\":{\"bandwidth\":{\"reservation_bps\":5000000000}}}");
	GIVES(c, 0, "config.apply", DOCUMENT("{\"name\":\"s\",\"bandwidth_mode\":\"weight\",\"capacity_bps\":1000000000}"));
	GIVES(c, RPC_NO_RESOURCES, "config.apply", DOCUMENT(ABSOLUTE(",\"capacity_bps\":1000000000")));
	GIVES(c, 0, "vm.del", "{\"vm\":\"a\"}");
	stop_here();

	f = fopen(in_dir("hvnet.json"), "we");
	CU_ASSERT_TRUE(f && fputs(text, f) >= 0 && !fclose(f));
	again();
	CU_ASSERT_STRING_EQUAL(status("overcommitted"), "true");
	CU_ASSERT_TRUE(output_has("the uplink of switch \"s\" takes 1000000000"));
	RESERVES(RPC_NO_RESOURCES, "s/p", 5001);
	GIVES(c, 0, "switch.set", "{\"switch\":\"s\",\"name\":\"t\"}");
	GIVES(c, 0, "switch.set", "{\"switch\":\"t\",\"name\":\"s\"}");
	RESERVES(0, "s/p", 4000);	/* less is a step in the right direction */
	end();
}

/* ---- links ---- */

static bool becomes_status(const char *member, const char *wanted)
{
	char path[64];

	snprintf(path, sizeof(path), "bandwidth.%s", member);
	return becomes(c, "switch.get", "{\"switch\":\"s\"}", path, wanted);
}

static bool told(int fd, json_int_t capacity, bool overcommitted)
{
	json_t *params, *b;
	bool ok;

	CU_ASSERT_STRING_EQUAL(next_event(fd, &params), "bandwidth.capacity");
	b = json_object_get(params, "bandwidth");
	ok = json_integer_value(json_object_get(b, "capacity_bps")) == capacity &&
	     json_is_true(json_object_get(b, "overcommitted")) == overcommitted &&
	     !strcmp(json_string_value(json_object_get(params, "severity")), overcommitted ? "warning" : "info");
	if (!ok)
		json_dumpf(params, stdout, 0);
	json_decref(params);
	return ok;
}

static void failover(void)
{
	int fd;

	if (!make_veths(2))		/* of 10 Gbit/s, as veth says of itself */
		return;
	begin();
	fd = subscribe("{\"kinds\":[\"bandwidth.capacity\"]}");
	json_decref(next_line(fd));
	GIVES(c, 0, "switch.create", ABSOLUTE(""));
	GIVES(c, 0, "port.create", "{\"switch\":\"s\",\"name\":\"p\"}");
	CU_ASSERT_STRING_EQUAL(status("capacity_bps"), "");
	GIVES(c, 0, "uplink.bind", "{\"switch\":\"s\",\"interfaces\":[\"e0\",\"e1\"]}");
	CU_ASSERT_TRUE(becomes_status("capacity_bps", "20000000000"));
	RESERVES(RPC_NO_RESOURCES, "s/p", 18001);
	RESERVES(0, "s/p", 15000);
	CU_ASSERT_STRING_EQUAL(status("reserved_percent"), "85");	/* 15 and a tenth of 20 */
	CU_ASSERT_TRUE(run("ip link set p0 down"));
	CU_ASSERT_TRUE(becomes_status("capacity_bps", "10000000000"));
	CU_ASSERT_STRING_EQUAL(status("reserved_percent"), "160");
	CU_ASSERT_STRING_EQUAL(status("overcommitted"), "true");
	/* What was granted stays; more is not to be had, and nobody is kept from anything else. */
	RESERVES(RPC_NO_RESOURCES, "s/p", 15001);
	GIVES(c, 0, "policy.set", "{\"port\":\"s/p\",\"policy\":{\"dhcp_guard\":true}}");
	GIVES(c, 0, "switch.set", "{\"switch\":\"s\",\"notes\":\"short of a link\"}");
	stop_here();
	close(fd);
	again();
	CU_ASSERT_TRUE(becomes_status("capacity_bps", "10000000000"));
	CU_ASSERT_STRING_EQUAL(answer(c, "policy.get", "{\"port\":\"s/p\"}", "policy.bandwidth.reservation_bps"), "15000000000");
	CU_ASSERT_STRING_EQUAL(answer(c, "port.get", "{\"port\":\"s/p\"}", "state"), "created");
	CU_ASSERT_STRING_EQUAL(status("reserved_bps"), "16000000000");
	fd = subscribe("{\"kinds\":[\"bandwidth.capacity\"]}");
	json_decref(next_line(fd));
	CU_ASSERT_TRUE(run("ip link set p0 up"));
	CU_ASSERT_TRUE(told(fd, 20000000000, false));
	CU_ASSERT_TRUE(run("ip link set p1 down"));
	CU_ASSERT_TRUE(told(fd, 10000000000, true));
	GIVES(c, 0, "switch.set", "{\"switch\":\"s\",\"capacity_bps\":40000000000}");	/* an administrator knows better */
	CU_ASSERT_STRING_EQUAL(status("overcommitted"), "false");
	close(fd);
	end();
}

static const struct hv_test tests[] = {
	{ "no more is reserved in the configuration than the uplink takes", configured },
	{ "what was granted is there after a restart", granted },
	{ "weights are not reservations", weights },
	{ "the capacity follows the links of a team", failover },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/bandwidth", tests, sizeof(tests) / sizeof(tests[0]));
}
