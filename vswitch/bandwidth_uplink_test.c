/* SPDX-License-Identifier: MIT */
/*
 * What uplinks know of their speed reaches the bandwidth of the switch: an interface and teams of them, when links change and fail.
 * The interfaces are taps in a namespace of the test's own, whose speed can be set, with a carrier as long as this test holds them. Where
 * that is not permitted the tests are skipped.
 */
#include "vswitch/test_net.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#define MBIT 1000000ull

enum { LINES = 3 };

static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *uplink;
static int line[LINES];			/* descriptors of the taps t0 … */
static bool permitted;

static bool open_line(unsigned i)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "t%u", i);
	line[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	return line[i] >= 0 && !ioctl(line[i], TUNSETIFF, &ifr);
}

static void set_speed(unsigned i, uint32_t mbps)
{
	struct ethtool_cmd command = { .cmd = ETHTOOL_SSET, .duplex = DUPLEX_FULL };
	struct ifreq ifr = { .ifr_data = (void *)&command };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ethtool_cmd_speed_set(&command, mbps);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "t%u", i);
	CU_ASSERT_FATAL(fd >= 0 && !ioctl(fd, SIOCETHTOOL, &ifr));
	close(fd);
}

static void set_carrier(unsigned i, unsigned on)
{
	CU_ASSERT_FATAL(!ioctl(line[i], TUNSETCARRIER, &on));
}

static void close_lines(void)
{
	for (unsigned i = 0; i < LINES; i++)
		if (line[i] >= 0)
			close(line[i]);
}

static bool begin(void)
{
	struct vswitch_config config = { .name = "b" };
	struct vswitch_bandwidth setting = { .mode = VSWITCH_BANDWIDTH_ABSOLUTE };
	bool ok = permitted;

	memset(line, -1, sizeof(line));
	for (unsigned i = 0; ok && i < LINES; i++)
		ok = open_line(i);
	if (!ok) {
		hv_test_skip("no network namespace or tap interface here");
		close_lines();
		return false;
	}
	for (unsigned i = 0; i < LINES; i++) {
		set_speed(i, 1000);
		TEST_RUN("ip link set t%u up", i);
	}
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	CU_ASSERT_FATAL(!vswitch_set_bandwidth(sw, &setting, NULL));
	return true;
}

static void end(void)
{
	struct vswitch_bandwidth_status st;

	vswitch_uplink_destroy(uplink);
	vswitch_bandwidth_status(sw, &st);
	CU_ASSERT_EQUAL(st.capacity_bits, 0);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	close_lines();
}

static struct vswitch_bandwidth_status status(void)
{
	struct vswitch_bandwidth_status st;

	vswitch_bandwidth_status(sw, &st);
	return st;
}

#define BECOMES(mbps) CU_ASSERT(TEST_UNTIL(loop, status().capacity_bits == (mbps) * MBIT))

static void an_interface(void)
{
	struct vswitch_port_bandwidth half = { .reservation_bits = 500 * MBIT }, most = { .reservation_bits = 910 * MBIT };
	struct vswitch_port *port;

	if (!begin())
		return;
	CU_ASSERT_FATAL(!vswitch_uplink_packet(sw, loop, "t0", NULL, NULL, &uplink));
	BECOMES(1000);
	CU_ASSERT_FATAL(!vswitch_port_create(sw, "p", &port));
	CU_ASSERT_EQUAL(vswitch_port_set_bandwidth(port, &most, NULL), -ENOSPC);
	CU_ASSERT_EQUAL(vswitch_port_set_bandwidth(port, &half, NULL), 0);
	CU_ASSERT_EQUAL(status().reserved_percent, 60);
	/* It comes up slower. */
	set_carrier(0, 0);
	CU_ASSERT(TEST_UNTIL(loop, !vswitch_port_link(vswitch_uplink_port(uplink))));
	set_speed(0, 100);
	TEST_RUN("ip link set t0 mtu 1400");			/* it is looked at again */
	CU_ASSERT(TEST_UNTIL(loop, vswitch_port_nic(vswitch_uplink_port(uplink))->max_frame_bytes == 1414));
	CU_ASSERT_EQUAL(status().capacity_bits, 1000 * MBIT);	/* while it is down nobody knows better */
	set_carrier(0, 1);
	BECOMES(100);
	CU_ASSERT(status().overcommitted);
	CU_ASSERT_EQUAL(status().reserved_percent, 510);
	set_carrier(0, 0);
	set_speed(0, 10000);
	set_carrier(0, 1);
	BECOMES(10000);
	CU_ASSERT(!status().overcommitted);
	CU_ASSERT_EQUAL(vswitch_port_set_bandwidth(port, &most, NULL), 0);
	vswitch_port_destroy(port);
	end();
}

static void add(const char *name, bool standby)
{
	struct vswitch_member_config member = { .kind = VSWITCH_WIRE_PACKET, .name = name, .standby = standby };

	CU_ASSERT_FATAL(!vswitch_team_add(uplink, &member, NULL));
}

static void a_team(void)
{
	struct vswitch_team_config config = { .mode = VSWITCH_TEAM_INDEPENDENT };

	if (!begin())
		return;
	CU_ASSERT_FATAL(!vswitch_uplink_team(sw, loop, "team", &config, &uplink));
	CU_ASSERT_EQUAL(status().capacity_bits, 0);
	add("t0", false);
	add("t1", false);
	set_speed(2, 2500);
	add("t2", true);
	BECOMES(2000);				/* the standby carries nothing */
	set_carrier(0, 0);
	BECOMES(3500);
	set_carrier(1, 0);
	BECOMES(2500);
	set_carrier(2, 0);
	CU_ASSERT(TEST_UNTIL(loop, !vswitch_port_link(vswitch_uplink_port(uplink))));
	CU_ASSERT_EQUAL(status().capacity_bits, 2500 * MBIT);
	set_carrier(0, 1);
	BECOMES(1000);
	set_carrier(1, 1);
	BECOMES(2000);
	CU_ASSERT_EQUAL(vswitch_team_remove(uplink, 2), 0);
	BECOMES(1000);
	end();
}

static const struct hv_test tests[] = {
	{ "an interface, as fast as its link", an_interface },
	{ "a team, as fast as what carries traffic", a_team },
};

int main(void)
{
	permitted = test_net_enter();
	return hv_test_main("vswitch/bandwidth_uplink", tests, sizeof(tests) / sizeof(tests[0]));
}
