/* SPDX-License-Identifier: MIT */
/*
 * A team below the switch of the daemon itself, with a soft guest on it: which member its frames leave by, as told over the control
 * socket or by a forwarding extension, which sees each member. In a network namespace of the test's own, without root skipped.
 */
#include "hvnetd/test_api.h"
#include "hvnetd/test_veths.h"
#include "softguest/test_guest.h"
#include "vswitch/test_net.h"

enum { BURST = 10, BYTES = 100 };

static struct hvnet_client *c;
static pid_t host;
static struct guest guest;
static int wire[2];			/* the far ends of e0 and e1 */
static const uint8_t outside[6] = { 2, 0xee, 0, 0, 0, 1 }, mac[6] = { 2, 0, 0, 0, 0, 1 };

static void start_daemon(void)
{
	char extensions[PATH_MAX];

	snprintf(extensions, sizeof(extensions), "%.4000s/../extensions", programs);
	host = SPAWN("--no-default-switch", "--state-dir", dir, "--allow-uplinks", "--extension-dir", extensions);
	c = connect_to(host);
}

static bool member_becomes(unsigned i, const char *what, const char *wanted)
{
	char path[64];

	snprintf(path, sizeof(path), "uplinks[0].members[%u].%s", i, what);
	return becomes(c, "uplink.list", "{}", path, wanted);
}

static bool begin(const char *team)
{
	char params[256];

	if (!make_veths(2))
		return false;
	make_dir();
	start_daemon();
	for (unsigned i = 0; i < 2; i++)
		wire[i] = test_raw_socket(i ? "p1" : "p0");
	GIVES(c, 0, "switch.create", "{\"name\":\"ext\"}");
	snprintf(params, sizeof(params), "{\"switch\":\"ext\",\"name\":\"up\",\"interfaces\":[\"e0\",\"e1\"],\"team\":%s}", team);
	GIVES(c, 0, "uplink.bind", params);
	CU_ASSERT_TRUE(becomes(c, "job.list", "{}", "jobs[0].state", "completed"));
	GIVES(c, 0, "vm.add", "{\"name\":\"a\",\"vcpus\":1}");
	GIVES(c, 0, "adapter.add", "{\"switch\":\"ext\",\"vm\":\"a\",\"mac\":\"02:00:00:00:00:01\"}");
	return true;
}

static void plug_in(void)
{
	CU_ASSERT_TRUE(member_becomes(0, "state", "active") && member_becomes(1, "state", "active"));
	guest_attach_socket(&guest, in_dir("vm-a"), 1, 0);
	guest_open(&guest, NULL);
}

static void end(void)
{
	CU_ASSERT_STRING_EQUAL(answer(c, "audit", "{}", "rows[0].balanced"), "true");
	hvnet_disconnect(c);
	stop(host);
	remove_dir();
	for (unsigned i = 0; i < 2; i++)
		close(wire[i]);
}

/* The guest's frames that have come to the far end of a member. */
static unsigned count_at(unsigned i)
{
	static struct test_raw_frame f;
	unsigned n = 0;

	while (test_raw_receive(wire[i], &f))
		n += get_be16(f.bytes + 12) == TEST_TYPE && !memcmp(f.bytes + 6, mac, sizeof(mac));
	return n;
}

/* The guest sends a burst: all of it leaves by this member. */
static void leaves_by(unsigned i)
{
	unsigned n = 0;

	count_at(0);
	count_at(1);
	for (unsigned k = 0; k < BURST; k++)
		CU_ASSERT_TRUE(guest_send(&guest, outside, BYTES));
	softguest_flush(guest.nic);
	for (unsigned k = 0; k < PATIENCE_MS && n < BURST; k++) {
		softguest_poll(guest.g);
		softguest_wait(guest.g, 1);
		n += count_at(i);
	}
	CU_ASSERT_EQUAL(n, BURST);
	CU_ASSERT_EQUAL(count_at(1 - i), 0);
}

static void a_port_is_mapped_to_a_member(void)
{
	if (!begin("{\"algorithm\":\"port\"}"))
		return;
	GIVES(c, RPC_NOT_FOUND, "team.map", "{\"switch\":\"ext\",\"port\":\"b/nic0\",\"interface\":\"e1\"}");
	GIVES(c, RPC_INVALID_PARAMS, "team.map", "{\"switch\":\"ext\",\"port\":\"a/nic0\",\"interface\":\"e9\"}");
	GIVES(c, RPC_INVALID_PARAMS, "team.map", "{\"switch\":\"ext\",\"port\":\"ext/up\",\"interface\":\"e1\"}");
	/* Before there is a port, and while it is used. */
	GIVES(c, 0, "team.map", "{\"switch\":\"ext\",\"port\":\"a/nic0\",\"interface\":\"e1\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[0].port"), "a/nic0");
	plug_in();
	leaves_by(1);
	GIVES(c, 0, "team.map", "{\"switch\":\"ext\",\"port\":\"a/nic0\",\"interface\":\"e0\"}");
	leaves_by(0);
	/* While the member is not usable, by another; then again. */
	TEST_RUN("ip link set p0 down");
	CU_ASSERT_TRUE(member_becomes(0, "state", "down"));
	leaves_by(1);
	TEST_RUN("ip link set p0 up");
	CU_ASSERT_TRUE(member_becomes(0, "state", "active"));
	leaves_by(0);
	/* It comes back with the daemon, to a port that is another one. */
	guest_down(&guest);
	hvnet_disconnect(c);
	stop(host);
	start_daemon();
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[0].interface"), "e0");
	plug_in();
	leaves_by(0);
	GIVES(c, 0, "team.map", "{\"switch\":\"ext\",\"port\":\"a/nic0\",\"interface\":\"e1\"}");
	leaves_by(1);
	/* The switch has another name: nothing of the guest's frames changes, nor with the next start. */
	GIVES(c, 0, "port.create", "{\"switch\":\"ext\",\"name\":\"p\"}");
	GIVES(c, 0, "team.map", "{\"switch\":\"ext\",\"port\":\"ext/p\",\"interface\":\"e0\"}");
	GIVES(c, 0, "switch.set", "{\"switch\":\"ext\",\"name\":\"out\"}");
	leaves_by(1);
	CU_ASSERT_STRING_EQUAL(answer(c, "adapter.get", "{\"adapter\":\"a/nic0\"}", "nic"), "connected");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[1].port"), "out/p");
	guest_down(&guest);
	hvnet_disconnect(c);
	stop(host);
	start_daemon();
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].switch"), "out");
	plug_in();
	leaves_by(1);
	GIVES(c, 0, "switch.set", "{\"switch\":\"out\",\"name\":\"ext\"}");
	/* It outlives its port, and goes when it is said, or with its member. */
	GIVES(c, 0, "port.delete", "{\"port\":\"ext/p\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[1].port"), "ext/p");
	GIVES(c, RPC_NOT_FOUND, "team.map", "{\"switch\":\"ext\",\"port\":\"ext/p\",\"interface\":\"e1\"}");
	GIVES(c, 0, "team.map", "{\"switch\":\"ext\",\"port\":\"ext/p\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[1].port"), "");
	GIVES(c, 0, "team.member.del", "{\"switch\":\"ext\",\"interface\":\"e1\"}");
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].mappings[0].port"), "");
	leaves_by(0);
	guest_down(&guest);
	end();
}

static void send_in(unsigned i)
{
	uint8_t f[BYTES];

	fill_frame(f, BYTES, mac, outside, guest.expected);
	CU_ASSERT_TRUE(test_raw_send(wire[i], NULL, f, BYTES));
}

/* The extension is the team's provider: it sees which member a frame came by, and says which one it leaves by. */
static void an_extension_sees_each_member(void)
{
	if (!begin("{\"mode\":\"static\",\"algorithm\":\"mac\"}"))
		return;
	plug_in();
	GIVES(c, 0, "extension.enable", "{\"switch\":\"ext\",\"name\":\"flow_table\",\"argument\":"
	      "\"in=a/nic0 -> up/2; in=up/1 type=34997 -> drop\"}");
	leaves_by(1);
	send_in(0);			/* dropped … */
	send_in(1);			/* … before this one comes */
	CU_ASSERT_TRUE(wait_received(&guest, NULL, 1, PATIENCE_MS));
	send_in(1);
	CU_ASSERT_TRUE(wait_received(&guest, NULL, 2, PATIENCE_MS));
	CU_ASSERT_EQUAL(guest.received, 2);
	CU_ASSERT_TRUE(becomes(c, "extension.status", "{\"switch\":\"ext\"}", "extensions[0].counters.in_dropped", "1"));
	GIVES(c, 0, "extension.remove", "{\"switch\":\"ext\",\"name\":\"flow_table\"}");
	GIVES(c, 0, "extension.enable", "{\"switch\":\"ext\",\"name\":\"flow_table\",\"argument\":\"in=a/nic0 -> up/1\"}");
	leaves_by(0);
	guest_down(&guest);
	end();
}

static void without_a_partner_one_member_is_enough_if_so_configured(void)
{
	if (!begin("{\"mode\":\"lacp\",\"lacp_rate\":\"fast\",\"lacp_fallback\":true}"))
		return;
	CU_ASSERT_TRUE(member_becomes(0, "state", "active"));
	CU_ASSERT_TRUE(member_becomes(0, "actor_churn", "none"));
	CU_ASSERT_TRUE(member_becomes(1, "state", "negotiating"));
	CU_ASSERT_TRUE(member_becomes(1, "actor_churn", "monitor"));
	CU_ASSERT_STRING_EQUAL(answer(c, "uplink.list", "{}", "uplinks[0].members[1].lacp.partner_churns"), "0");
	GIVES(c, 0, "team.set", "{\"switch\":\"ext\",\"lacp_fallback\":false}");
	CU_ASSERT_TRUE(member_becomes(0, "state", "negotiating"));
	end();
}

static const struct hv_test tests[] = {
	{ "a port is mapped to a member", a_port_is_mapped_to_a_member },
	{ "an extension sees each member", an_extension_sees_each_member },
	{ "without a partner one member is enough, if so configured", without_a_partner_one_member_is_enough_if_so_configured },
};

int main(void)
{
	find_programs();
	return hv_test_main("softguest/team", tests, sizeof(tests) / sizeof(tests[0]));
}
