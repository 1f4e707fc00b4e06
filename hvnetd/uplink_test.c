/* SPDX-License-Identifier: MIT */
/* Interfaces of the host as uplinks, teams, and an interface that the host shares, in a network namespace of the test's own. */
#include "hvnetd/test_api.h"
#include "hvnetd/test_veths.h"

#include <net/if.h>

static struct hvnet_client *c;
static pid_t host;

/* The host's own network is on e2. */
static bool make_namespace(void)
{
	if (!make_veths(3))
		return false;
	CU_ASSERT_TRUE(run("ip addr replace 192.0.2.1/24 dev e2 && ip route replace default via 192.0.2.254 dev e2"));
	return true;
}

static void again(void)
{
	host = SPAWN("--no-default-switch", "--state-dir", dir, "--allow-tap", "--allow-uplinks");
	c = connect_to(host);
}

static void begin(void)
{
	make_dir();
	again();
}

static void end(void)
{
	hvnet_disconnect(c);
	stop(host);
	remove_dir();
}

static void team(void)
{
	char job[64];

	if (!make_namespace())
		return;
	begin();
	CU_ASSERT_STRING_EQUAL(answer(c, "interface.list", "{}", "total"), "6");
	GIVES(c, 0, "switch.create", "{\"name\":\"ext\"}");
	GIVES(c, RPC_INVALID_PARAMS, "uplink.bind", "{\"switch\":\"ext\",\"interfaces\":[\"e0\",\"e0\"]}");
	GIVES(c, RPC_INVALID_PARAMS, "uplink.bind", "{\"switch\":\"ext\",\"interfaces\":[\"e9\"]}");
	CU_ASSERT_STRING_EQUAL(answer(c, "job.list", "{}", "total"), "0");	/* refused before a job began */
	snprintf(job, sizeof(job), "{\"job\":\"%.40s\"}", answer(c, "uplink.bind", "{\"switch\":\"ext\",\"interfaces\":[\"e0\",\"e1\"]}",
							  "job"));
	CU_ASSERT_TRUE(becomes(c, "job.get", job, "state", "completed"));
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"ext\"}", "type"), "external");
	CU_ASSERT_TRUE(becomes(c, "uplink.list", "{}", "uplinks[0].members[1].state", "active"));
	GIVES(c, RPC_STATE, "uplink.bind", "{\"switch\":\"ext\",\"kind\":\"tap\",\"interface\":\"t0\"}");
	GIVES(c, 0, "switch.create", "{\"name\":\"other\"}");
	GIVES(c, RPC_IN_USE, "uplink.bind", "{\"switch\":\"other\",\"interfaces\":[\"e1\"]}");
	GIVES(c, 0, "team.member.set", "{\"switch\":\"ext\",\"interface\":\"e1\",\"mode\":\"standby\"}");
	CU_ASSERT_TRUE(becomes(c, "uplink.list", "{}", "uplinks[0].members[1].state", "standby"));
	GIVES(c, RPC_INCOMPATIBLE, "team.set", "{\"switch\":\"ext\",\"mode\":\"static\"}");
	GIVES(c, RPC_INVALID_PARAMS, "team.member.add", "{\"switch\":\"ext\",\"interface\":\"e9\"}");
	CU_ASSERT_TRUE(run("ip link set p0 down"));
	CU_ASSERT_TRUE(becomes(c, "uplink.list", "{}", "uplinks[0].members[1].state", "active"));
	CU_ASSERT_TRUE(run("ip link set p0 up"));
	GIVES(c, 0, "team.member.del", "{\"switch\":\"ext\",\"interface\":\"e1\"}");
	GIVES(c, 0, "team.set", "{\"switch\":\"ext\",\"mode\":\"static\",\"algorithm\":\"ip\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].team.algorithm"), "ip");

	/* Its interface is not there at the next start: it stays, and is taken when it comes. */
	hvnet_disconnect(c);
	stop(host);
	CU_ASSERT_TRUE(run("ip link del e0"));
	again();
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].members[0].state"), "gone");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"ext\"}", "type"), "external");
	CU_ASSERT_TRUE(run("ip link add e0 type veth peer name p0 && ip link set e0 up && ip link set p0 up"));
	CU_ASSERT_TRUE(becomes(c, "uplink.list", "{}", "uplinks[0].members[0].state", "active"));
	GIVES(c, 0, "switch.set", "{\"switch\":\"ext\",\"type\":\"internal\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "switch.get", "{\"switch\":\"ext\"}", "type"), "internal");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "total"), "0");
	GIVES(c, 0, "switch.set", "{\"switch\":\"ext\",\"type\":\"private\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "hostnic.list", "{}", "total"), "0");
	GIVES(c, RPC_STATE, "hostnic.add", "{\"switch\":\"ext\"}");
	end();
}

#define ADDRESS_ON(interface) \
	run("ip -o addr show dev " interface " | grep -q 'inet 192.0.2.1/24' && " \
	    "ip route show default | grep -q 'dev " interface "'")

/* The host keeps its address and its way out: through a kill, a restart, and back to the interface. */
static void shared(void)
{
	if (!make_namespace())
		return;
	begin();
	GIVES(c, 0, "switch.create", "{\"name\":\"s\"}");
	GIVES(c, RPC_IN_USE, "uplink.bind", "{\"switch\":\"s\",\"interfaces\":[\"e2\"]}");	/* the default route */
	GIVES(c, 0, "uplink.bind", "{\"switch\":\"s\",\"interfaces\":[\"e2\"],\"share\":true}");
	CU_ASSERT_TRUE(becomes(c, "job.list", "{}", "jobs[0].state", "completed"));
	CU_ASSERT_STRING_EQUAL(answer(c, "hostnic.list", "{}", "hostnics[0].shares"), "e2");
	CU_ASSERT_TRUE(ADDRESS_ON("hv-s"));
	kill(host, SIGKILL);
	CU_ASSERT_EQUAL(wait_exit(host), -SIGKILL);
	hvnet_disconnect(c);
	again();
	CU_ASSERT_TRUE(ADDRESS_ON("hv-s"));
	GIVES(c, 0, "uplink.unbind", "{\"switch\":\"s\"}");
	CU_ASSERT_TRUE(becomes(c, "job.list", "{}", "jobs[0].state", "completed"));
	CU_ASSERT_TRUE(ADDRESS_ON("e2"));
	CU_ASSERT_STRING_EQUAL(answer(c, "hostnic.list", "{}", "total"), "0");
	GIVES(c, 0, "uplink.bind", "{\"switch\":\"s\",\"interfaces\":[\"e2\"],\"share\":true}");
	CU_ASSERT_TRUE(becomes(c, "job.list", "{}", "jobs[1].state", "completed"));
	end();
	CU_ASSERT_TRUE(ADDRESS_ON("e2"));	/* an orderly end puts it back, too */
}

static const struct hv_test tests[] = {
	{ "a team of interfaces is bound, changed, and waited for after a restart", team },
	{ "an interface that the host shares keeps the host's network", shared },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/uplink", tests, sizeof(tests) / sizeof(tests[0]));
}
