/* SPDX-License-Identifier: MIT */
/*
 * What an uplink was handed and then drops is shown by a capture, with the frame and the reason, as long as the uplink has it. Where
 * network namespaces are not permitted, those with interfaces are skipped.
 */
#include "vswitch/test_net.h"

#include "vswitch/test_capture.h"	/* last: its variables have short names */

enum { OUTSIDE = 9, LEN = 1000 };

static struct hv_loop *loop;
static struct vswitch_uplink *uplink;
static struct tap tap;
static bool permitted;

static void begin_with(void)
{
	struct vswitch_config config = { .name = "u" };

	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	test_nic_plug(sw, &nics[A], VSWITCH_NIC_SYNTHETIC, 1, 0);
	frame = test_frame_new();
}

static void start_capture(void)
{
	struct vswitch_capture_config c = all();

	c.points = VSWITCH_CAPTURE_DROPPED;
	CU_ASSERT_EQUAL_FATAL(tap_start_bytes(&tap, &c, VSWITCH_CAPTURE_RING_MAX / 256), 0);
}

static void end_with(void)
{
	tap_free(&tap);
	CU_ASSERT(test_balanced(sw));
	vswitch_uplink_destroy(uplink);
	test_nic_unplug(&nics[A]);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	free(frame);
}

static const struct vswitch_port_stats *stats(void)
{
	return &vswitch_uplink_port(uplink)->stats;
}

static void run(unsigned rounds)
{
	while (rounds--)
		hv_loop_run_once(loop, TEST_MS);
}

/* A frame that says which one it is, also where a head does not reach. */
static void send_numbered(uint32_t number)
{
	make(1, OUTSIDE, LEN);
	put_be16(frame->bytes + 12, 0x88b5);
	put_be32(frame->bytes + 14, number);
	put_be32(frame->bytes + LEN - 4, number);
	test_frame_set(frame, LEN);
	test_send(&nics[A], frame);
}

/* How many were shown with that reason: whole, and in order. */
static unsigned shown_for(const char *comment)
{
	uint32_t last = 0, number;
	unsigned n = 0;

	for (unsigned i = 0; i < shown->num_packets; i++) {
		const struct read_packet *p = &shown->packets[i];

		if (strcmp(p->comment, comment) != 0)
			continue;
		n++;
		CU_ASSERT_EQUAL(p->flags, 2);
		CU_ASSERT_EQUAL_FATAL(p->captured, LEN);
		number = get_be32(p->data + 14);
		CU_ASSERT(number > last);
		CU_ASSERT_EQUAL(get_be32(p->data + LEN - 4), number);
		last = number;
	}
	return n;
}

/* ---- a stream that nobody reads ---- */

enum { MANY = 4000 };

static void check_full_and_gone(void)
{
	const uint64_t full = stats()->out_dropped[VSWITCH_DROP_UPLINK_FULL], kept = stats()->out_dropped[VSWITCH_DROP_PORT_DOWN];

	tap_stop(&tap);
	CU_ASSERT(full > 100);
	CU_ASSERT(kept > 100);
	CU_ASSERT_EQUAL(shown_for("dropped: uplink-full"), full);
	/* Of the first one, the beginning may have gone out. */
	CU_ASSERT(shown_for("dropped: port-down") == kept || shown_for("dropped: port-down") == kept - 1);
	CU_ASSERT_EQUAL(shown->interfaces[test_find_interface(shown, "net0 dropped")].dropped, 0);
}

static void a_full_stream_and_its_end(void)
{
	int fd[2];

	begin_with();
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	CU_ASSERT_FATAL(!vswitch_uplink_stream(sw, loop, "net0", fd[0], VSWITCH_NIC_EXTERNAL, NULL, NULL, &uplink));
	start_capture();
	for (uint32_t i = 1; i <= MANY; i++)
		send_numbered(i);
	close(fd[1]);
	run(4);
	check_full_and_gone();
	end_with();
}

/* A team with one member; the member's far end. */
static int begin_team(void)
{
	struct vswitch_team_config config = { .mode = VSWITCH_TEAM_STATIC, .algorithm = VSWITCH_TEAM_MAC };
	struct vswitch_member_config member = { .kind = VSWITCH_WIRE_STREAM, .name = "m" };
	int fd[2];

	begin_with();
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	member.fd = fd[0];
	CU_ASSERT_FATAL(!vswitch_uplink_team(sw, loop, "net0", &config, &uplink));
	CU_ASSERT_FATAL(!vswitch_team_add(uplink, &member, NULL));
	run(4);
	start_capture();
	return fd[1];
}

static void a_full_member_and_its_end(void)
{
	int peer = begin_team();

	for (uint32_t i = 1; i <= MANY; i++)
		send_numbered(i);
	CU_ASSERT_EQUAL(vswitch_team_remove(uplink, 1), 0);
	check_full_and_gone();
	close(peer);
	end_with();
}

/* A forwarding extension may choose it. */
static void a_member_that_is_not_there(void)
{
	int peer = begin_team();
	const struct vswitch_frame *f = &frame->f;

	make(1, OUTSIDE, LEN);
	frame->f.member = 3;
	f = &frame->f;
	vswitch_uplink_port(uplink)->stats.offered++;		/* what the switch would have counted */
	nics[A].port->stats.in_frames++;
	nics[A].port->stats.forwarded++;
	nics[A].port->stats.copies++;
	vswitch_hand_over(vswitch_uplink_port(uplink), &f, 1);
	tap_stop(&tap);
	CU_ASSERT_EQUAL(shown->num_packets, 1);
	expect(0, "net0 dropped", 2, LEN, "dropped: team-inactive");
	close(peer);
	end_with();
}

/* ---- interfaces ---- */

static bool begin_interface(void)
{
	if (!permitted) {
		hv_test_skip("no network namespace here");
		return false;
	}
	begin_with();
	return true;
}

static void a_tap_that_is_not_up(void)
{
	if (!begin_interface())
		return;
	if (vswitch_uplink_tap(sw, loop, "net0", VSWITCH_NIC_EXTERNAL, &uplink)) {
		hv_test_skip("no tap interface here");
		uplink = NULL;
		memset(&tap, 0, sizeof(tap));
		end_with();
		return;
	}
	start_capture();
	send_numbered(1);
	send_numbered(2);
	tap_stop(&tap);
	CU_ASSERT_EQUAL(stats()->out_dropped[VSWITCH_DROP_NOT_READY], 2);
	CU_ASSERT_EQUAL(shown_for("dropped: not-ready"), 2);
	end_with();
}

/* The loop has not yet heard of what has become of the interface. */
static void an_interface_that_has_changed(void)
{
	if (!begin_interface())
		return;
	TEST_RUN("ip link add net0 type veth peer name far && ip link set net0 up && ip link set far up");
	CU_ASSERT_FATAL(!vswitch_uplink_packet(sw, loop, "net0", NULL, NULL, &uplink));
	CU_ASSERT_FATAL(TEST_UNTIL(loop, vswitch_port_link(vswitch_uplink_port(uplink))));
	start_capture();
	TEST_RUN("ip link set net0 mtu 900");
	send_numbered(1);
	TEST_RUN("ip link set net0 mtu 1500 && ip link set net0 down");
	send_numbered(2);
	tap_stop(&tap);
	CU_ASSERT_EQUAL(stats()->out_dropped[VSWITCH_DROP_TOO_BIG], 1);
	CU_ASSERT_EQUAL(shown_for("dropped: too-big"), 1);
	CU_ASSERT_EQUAL(stats()->out_dropped[VSWITCH_DROP_PORT_DOWN], 1);
	CU_ASSERT_EQUAL(shown_for("dropped: port-down"), 1);
	TEST_RUN("ip link delete net0");
	end_with();
}

static const struct hv_test tests[] = {
	{ "a stream that is full, and what it held at its end", a_full_stream_and_its_end },
	{ "a team's member that is full, and what it held at its end", a_full_member_and_its_end },
	{ "a member that is not there", a_member_that_is_not_there },
	{ "a tap that is not up", a_tap_that_is_not_up },
	{ "an interface that is down, or takes less, all of a sudden", an_interface_that_has_changed },
};

int main(void)
{
	permitted = test_net_enter();
	return hv_test_main("vswitch/capture_uplink", tests, sizeof(tests) / sizeof(tests[0]));
}
