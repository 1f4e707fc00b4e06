/* SPDX-License-Identifier: MIT */
/* Snooping as users see it: the switch's setting, what it does to frames, the list and the counters. */
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>

#include "hvnetd/test_api.h"
#include "hvnetd/test_stations.h"
#include "vswitch/test_snoop.h"

static pid_t host;

static void begin(void)
{
	make_dir();
	host = SPAWN("--no-default-switch");
	client = connect_to(host);
	GIVES(client, 0, "switch.create", "{\"name\":\"lab\"}");
	plug(A, "a");
	plug(B, "b");
}

static void end(void)
{
	close(peer[A]);
	close(peer[B]);
	CU_ASSERT_STRING_EQUAL(answer(client, "audit", "{}", "balanced"), "true");
	hvnet_disconnect(client);
	stop(host);
	remove_dir();
}

static void send_message(int through, const struct test_message *m)
{
	uint8_t f[2048];

	test_mac((unsigned)through + 1, f + 6);
	send_frame(through, f, test_message_write(f, m));
}

/* A datagram to a group, then one to all, which everybody gets: whether the one to the group came first. */
static bool gets(int from, int to, const struct test_message *data)
{
	uint8_t f[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x88, 0xb5 };
	bool first;

	test_mac((unsigned)from + 1, f + 6);
	send_message(from, data);
	send_frame(from, f, sizeof(f));
	CU_ASSERT_TRUE_FATAL(receive(to, 1));
	first = received[0] == 0x01;
	if (first)
		CU_ASSERT_TRUE(receive(to, 1));
	return first;
}

static struct test_message data(uint32_t group)
{
	struct test_message m = test_message(4, 0, 40);

	m.protocol = 17;
	m.alert = false;
	test_group(m.to, 4, group);
	return m;
}

/* The querier's first answers are waited for, a second and the switch's tick; the rest is at once. */
static void narrows(void)
{
	const struct test_message query = test_query(4, 3, 0, 9), join = test_join(4, 1), one = data(1), two = data(2);

	begin();
	CU_ASSERT_TRUE(gets(A, B, &one));
	CU_ASSERT_STRING_EQUAL(answer(client, "switch.get", "{\"switch\":\"lab\"}", "multicast_snooping"), "false");
	GIVES(client, 0, "switch.set", "{\"switch\":\"lab\",\"multicast_snooping\":true}");
	CU_ASSERT_STRING_EQUAL(answer(client, "switch.get", "{\"switch\":\"lab\"}", "multicast_snooping"), "true");
	send_message(A, &query);
	CU_ASSERT_TRUE(receive(B, 1));
	for (unsigned i = 0; i < 100 && gets(A, B, &two); i++)
		usleep(100000);
	CU_ASSERT_FALSE(gets(A, B, &one));
	send_message(B, &join);
	CU_ASSERT_TRUE(receive(A, 1));
	CU_ASSERT_TRUE(gets(A, B, &one));
	CU_ASSERT_FALSE(gets(A, B, &two));
	CU_ASSERT_TRUE(gets(B, A, &two));
	GIVES(client, 0, "switch.set", "{\"switch\":\"lab\",\"multicast_snooping\":false}");
	CU_ASSERT_TRUE(gets(A, B, &two));
	CU_ASSERT_STRING_EQUAL(answer(client, "mcast.list", "{\"switch\":\"lab\"}", "total"), "0");
	end();
}

/* The listing has the rows in no order. */
static bool is_listed(const char *member, const char *value)
{
	json_t *result = checked(client, "mcast.list", text_params("{\"switch\":\"lab\"}"));
	const json_t *row;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(result, "entries"), i, row) {
		const char *v = json_string_value(json_object_get(row, member));

		found |= v && !strcmp(v, value);
	}
	json_decref(result);
	return found;
}

static bool is_printed(const char *wanted)
{
	char command[PATH_MAX + 256], line[256];
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "exec %.400s/hvnetctl --socket %.400s mcast show lab", programs, control);
	f = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, wanted, strlen(wanted));
	CU_ASSERT_EQUAL(pclose(f), 0);
	return found;
}

static void lists(void)
{
	const struct test_message query = test_query(6, 2, 0, 9), join = test_join(4, 1), hello = test_hello(4, 0xffff);
	struct test_message bad = join;

	begin();
	GIVES(client, 0, "switch.set", "{\"switch\":\"lab\",\"multicast_snooping\":true}");
	send_message(A, &query);
	CU_ASSERT_TRUE(receive(B, 1));
	send_message(A, &hello);
	CU_ASSERT_TRUE(receive(B, 1));
	send_message(B, &join);
	CU_ASSERT_TRUE(receive(A, 1));
	CU_ASSERT_STRING_EQUAL(answer(client, "mcast.list", "{\"switch\":\"lab\"}", "total"), "3");
	CU_ASSERT_TRUE(is_listed("group", "239.0.0.1") && is_listed("address", "fe80::9"));
	CU_ASSERT_TRUE(is_listed("kind", "router") && is_listed("kind", "querier") && is_listed("kind", "listener"));
	CU_ASSERT_TRUE(is_printed("0     239.0.0.1  b     listener  -        "));
	CU_ASSERT_TRUE(is_printed("0     -          a     querier   fe80::9  "));
	CU_ASSERT_TRUE(is_printed("0     -          a     router    -        -"));
	CU_ASSERT_STRING_EQUAL(answer(client, "mcast.list", "{\"switch\":\"lab\",\"limit\":1,\"offset\":2}", "entries[0].vlan"), "0");
	GIVES(client, RPC_NOT_FOUND, "mcast.list", "{\"switch\":\"none\"}");
	bad.bad_sum = 1;
	send_message(B, &bad);
	CU_ASSERT_TRUE(receive(A, 1));
	CU_ASSERT_STRING_EQUAL(answer(client, "stats.get", "{\"switch\":\"lab\"}", "objects[0].counters.snooping.checksum"), "1");
	CU_ASSERT_STRING_EQUAL(answer(client, "stats.get", "{\"switch\":\"lab\"}", "objects[0].counters.snooping.members"), "1");
	CU_ASSERT_STRING_EQUAL(answer(client, "stats.get", "{\"switch\":\"lab\"}", "objects[0].counters.snooping.routers"), "2");
	end();
}

/* An uplink to a bridge of the kernel that asks, every second at first. */
static bool make_namespace(void)
{
	const bool made = geteuid() == 0 && !unshare(CLONE_NEWNET) &&
		!system("ip link add u0 type veth peer name u1 && ip link set u0 up && "
			"ip link add br0 type bridge mcast_querier 1 mcast_query_use_ifaddr 1 mcast_startup_query_interval 100 "
			"mcast_startup_query_count 30 && ip address add 10.9.0.1/24 dev br0 && ip link set u1 master br0 && "
			"ip link set u1 up && ip link set br0 up");

	if (!made)
		hv_test_skip("no right to make a network namespace, or no ip(8)");
	return made;
}

static bool becomes_listed(const char *member, const char *value)
{
	bool found = false;

	for (unsigned i = 0; i < PATIENCE_MS / 20 && !(found = is_listed(member, value)); i++)
		usleep(20000);
	return found;
}

/* Messages as others make them: the bridge's queries, and the reports of the host's own NIC, of IGMPv3 and MLDv2. */
static void of_the_kernel(void)
{
	struct ip_mreqn group = { .imr_multiaddr.s_addr = inet_addr("239.7.7.7") };
	struct ipv6_mreq group6 = { .ipv6mr_multiaddr.s6_addr = { 0xff, 0x1e, [15] = 0x77 } };
	int fd, fd6;

	if (!make_namespace())
		return;
	make_dir();
	host = SPAWN("--no-default-switch", "--allow-tap", "--allow-uplinks");
	client = connect_to(host);
	GIVES(client, 0, "switch.create", "{\"name\":\"lab\",\"multicast_snooping\":true}");
	GIVES(client, 0, "hostnic.add", "{\"switch\":\"lab\",\"interface\":\"hv1\"}");
	CU_ASSERT_EQUAL(system("ip address add 10.9.0.2/24 dev hv1 && ip link set hv1 up"), 0);
	GIVES(client, 0, "uplink.bind", "{\"switch\":\"lab\",\"interfaces\":[\"u0\"]}");
	group.imr_ifindex = (int)if_nametoindex("hv1");
	group6.ipv6mr_interface = if_nametoindex("hv1");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
	CU_ASSERT_EQUAL(setsockopt(fd6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group6, sizeof(group6)), 0);
	CU_ASSERT_TRUE(becomes_listed("address", "10.9.0.1"));
	CU_ASSERT_TRUE(becomes_listed("group", "239.7.7.7"));
	CU_ASSERT_TRUE(becomes_listed("group", "ff1e::77"));
	CU_ASSERT_STRING_EQUAL(answer(client, "stats.get", "{\"switch\":\"lab\"}", "objects[0].counters.snooping.checksum"), "0");
	CU_ASSERT_STRING_EQUAL(answer(client, "stats.get", "{\"switch\":\"lab\"}", "objects[0].counters.snooping.router_alert"), "0");
	close(fd);
	close(fd6);
	hvnet_disconnect(client);
	stop(host);
	remove_dir();
}

static const struct hv_test tests[] = {
	{ "a switch that is set to narrows multicast, and one that is not does not", narrows },
	{ "listeners, routers and what was refused can be seen", lists },
	{ "a bridge of the kernel asks, and its IP answers", of_the_kernel },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/mcast", tests, sizeof(tests) / sizeof(tests[0]));
}
