/* SPDX-License-Identifier: MIT */
/*
 * The uplink that is an existing interface: one end of a veth pair in a namespace of the test's own;
 * a raw socket at the other end is the network. Where that is not permitted the tests are skipped.
 */
#include "vswitch/test_net.h"

#define ALL_CAPS (VSWITCH_CAN_CSUM | VSWITCH_CAN_TSO4 | VSWITCH_CAN_TSO6 | VSWITCH_CAN_VLAN)
#define MSS 1000

static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *uplink;
static struct test_nic guest;
static struct test_frame *frame;
static struct test_raw_frame *got;
static int peer;			/* raw socket */
static unsigned gone;
static bool permitted;

static const uint8_t outside[6] = { 0x02, 0xee, 0, 0, 0, 1 };

static void on_gone(void *cookie)
{
	(void)cookie;
	gone++;
}

static bool begin(uint32_t caps)
{
	struct vswitch_config config = { .name = "t" };

	if (!permitted) {
		hv_test_skip("no network namespace here");
		return false;
	}
	TEST_RUN("ip link add pt0 type veth peer name pt1 && ip link set pt0 up && ip link set pt1 up");
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	gone = 0;
	CU_ASSERT_FATAL(!vswitch_uplink_packet(sw, loop, "pt0", on_gone, NULL, &uplink));
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, caps);
	CU_ASSERT_FATAL(TEST_UNTIL(loop, vswitch_port_link(vswitch_uplink_port(uplink))));
	peer = test_raw_socket("pt1");
	frame = test_frame_new();
	got = calloc(1, sizeof(*got));
	return got;
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	vswitch_uplink_destroy(uplink);
	test_nic_unplug(&guest);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	close(peer);
	free(frame);
	free(got);
	test_run("ip link delete pt0 2>/dev/null");
}

static bool of_type(const uint8_t *bytes, uint16_t type)
{
	return get_be16(bytes + 12) == type;
}

/* The next frame at the far end with the type of plain test frames. */
static bool peer_gets(uint16_t type)
{
	return TEST_UNTIL(loop, test_raw_receive(peer, got) && of_type(got->bytes, type));
}

static const struct got_frame *guest_gets(uint16_t type)
{
	const struct got_frame *last;

	for (uint64_t end_ns = hv_now_ns() + TEST_WAIT_NS; hv_now_ns() < end_ns;) {
		last = guest.num_got ? &guest.got[guest.num_got - 1] : NULL;
		if (last && of_type(last->bytes, type))
			return last;
		hv_loop_run_once(loop, TEST_MS);
	}
	return NULL;
}

static void frames_pass_both_ways(void)
{
	const struct got_frame *g;

	if (!begin(ALL_CAPS))
		return;
	for (uint32_t n = 60; n <= 1514; n += 727) {
		test_frame_plain(frame, outside, guest.nic.mac, n);
		test_send(&guest, frame);
		CU_ASSERT_FATAL(peer_gets(0x88b5));
		CU_ASSERT_EQUAL(got->n, n);
		CU_ASSERT(!memcmp(got->bytes, frame->bytes, n));
		test_frame_plain(frame, guest.nic.mac, outside, n);
		CU_ASSERT(test_raw_send(peer, NULL, frame->bytes, n));
		g = guest_gets(0x88b5);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g);
		CU_ASSERT_EQUAL(g->len, n);
		CU_ASSERT(!memcmp(g->bytes, frame->bytes, n));
		test_nic_clear(&guest);
	}
	CU_ASSERT_EQUAL(vswitch_uplink_lost(uplink), 0);
	end();
}

static void more_than_a_batch_comes_in_order(void)
{
	const unsigned many = 3 * VSWITCH_BATCH + 5;

	if (!begin(ALL_CAPS))
		return;
	for (unsigned i = 0; i < many; i++) {
		test_frame_plain(frame, guest.nic.mac, outside, 100);
		put_be32(frame->bytes + 20, i);
		CU_ASSERT(test_raw_send(peer, NULL, frame->bytes, 100));
	}
	CU_ASSERT(TEST_UNTIL(loop, guest.num_got == many));
	for (unsigned i = 0; i < guest.num_got; i++)
		CU_ASSERT_EQUAL(get_be32(guest.got[i].bytes + 20), i);
	end();
}

static void own_frames_do_not_come_back(void)
{
	int host = -1;

	if (!begin(ALL_CAPS))
		return;
	/* What the host itself sends by the interface is not from the wire either. */
	host = test_raw_socket("pt0");
	test_frame_plain(frame, guest.nic.mac, outside, 60);
	CU_ASSERT(test_raw_send(host, NULL, frame->bytes, 60));
	test_frame_plain(frame, outside, guest.nic.mac, 60);
	test_send(&guest, frame);
	CU_ASSERT(peer_gets(0x88b5));
	CU_ASSERT(peer_gets(0x88b5));
	for (unsigned i = 0; i < 20; i++)
		hv_loop_run_once(loop, TEST_MS);
	for (unsigned i = 0; i < guest.num_got; i++)
		CU_ASSERT_FALSE(of_type(guest.got[i].bytes, 0x88b5));
	close(host);
	end();
}

/* A TCP segment of n payload bytes, its checksum left to others. */
static uint32_t make_tcp(uint8_t *b, const uint8_t to[6], const uint8_t from[6], uint32_t n)
{
	uint16_t sum;

	memcpy(b, to, 6);
	memcpy(b + 6, from, 6);
	memset(b + 12, 0, 42);
	put_be16(b + 12, ETH_P_IP);
	b[14] = 0x45;
	put_be16(b + 16, 40 + n);
	b[22] = 64;
	b[23] = 6;
	put_be32(b + 26, 0x0a000001);
	put_be32(b + 30, 0x0a000002);
	checksum_ipv4_header(b + 14);
	put_be16(b + 34, 1000);
	put_be16(b + 36, 2000);
	b[46] = 0x50;
	b[47] = 0x10;
	sum = hv_sum_fold(checksum_pseudo(b + 14, 6, 20 + n));
	memcpy(b + 50, &sum, 2);
	for (uint32_t i = 0; i < n; i++)
		b[54 + i] = (uint8_t)(i * 31);
	return 54 + n;
}

static void offloads_survive_to_the_interface(void)
{
	uint32_t n;

	for (unsigned tag = 0; tag < 2; tag++) {
		if (!begin(ALL_CAPS))
			return;
		n = make_tcp(frame->bytes, outside, guest.nic.mac, 5 * MSS);
		test_frame_set(frame, n);
		frame->f.offload = (struct vswitch_offload){ .gso = VSWITCH_GSO_TCPV4, .gso_size = MSS,
							     .flags = tag ? VSWITCH_VLAN : 0, .vlan_tci = 7 };
		test_send(&guest, frame);
		CU_ASSERT_FATAL(TEST_UNTIL(loop, test_raw_receive(peer, got) && got->n > MSS));
		CU_ASSERT_EQUAL(got->n, n);		/* one frame, not five */
		CU_ASSERT_EQUAL(got->vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
		CU_ASSERT_EQUAL(got->vnet.gso_size, MSS);
		CU_ASSERT_EQUAL(got->vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		CU_ASSERT_EQUAL(got->tci, tag ? 7 : -1);
		CU_ASSERT(!memcmp(got->bytes + 54, frame->bytes + 54, 5 * MSS));
		end();
	}
}

static void offloads_survive_from_the_interface(void)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = MSS, .hdr_len = 54, .csum_start = 34, .csum_offset = 16 };
	const struct got_frame *g;
	uint32_t n;

	if (!begin(ALL_CAPS))
		return;
	n = make_tcp(frame->bytes, guest.nic.mac, outside, 5 * MSS);
	CU_ASSERT(test_raw_send(peer, &vnet, frame->bytes, n));
	g = guest_gets(ETH_P_IP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_EQUAL(g->len, n);
	CU_ASSERT_EQUAL(g->offload.gso, VSWITCH_GSO_TCPV4);
	CU_ASSERT_EQUAL(g->offload.gso_size, MSS);
	CU_ASSERT(g->offload.flags & VSWITCH_CSUM_PARTIAL);
	test_nic_clear(&guest);
	guest.nic.caps = 0;				/* … and are done for who cannot */
	CU_ASSERT(test_raw_send(peer, &vnet, frame->bytes, n));
	CU_ASSERT(TEST_UNTIL(loop, guest.num_got == 5));
	for (unsigned i = 0; i < guest.num_got; i++)
		CU_ASSERT_EQUAL(hv_sum_fold(hv_sum_add(checksum_pseudo(guest.got[i].bytes + 14, 6, 20 + MSS),
						       guest.got[i].bytes + 34, 20 + MSS, false)), 0xffff);
	end();
}

/* Puts a tag into the bytes of a plain frame. */
static void add_tag(struct test_frame *t, uint16_t tpid, uint16_t tci, uint32_t n)
{
	memmove(t->bytes + 16, t->bytes + 12, n - 12);
	put_be16(t->bytes + 12, tpid);
	put_be16(t->bytes + 14, tci);
}

static void tags_pass_both_ways(void)
{
	const struct got_frame *g;

	if (!begin(ALL_CAPS))
		return;
	test_frame_plain(frame, outside, guest.nic.mac, 300);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 0x6005;
	test_send(&guest, frame);
	CU_ASSERT_FATAL(peer_gets(0x88b5));		/* the kernel took the tag out on the way */
	CU_ASSERT_EQUAL(got->tci, 0x6005);
	CU_ASSERT_EQUAL(got->tpid, ETH_P_8021Q);
	CU_ASSERT_EQUAL(got->n, 300);
	test_frame_plain(frame, guest.nic.mac, outside, 300);
	add_tag(frame, ETH_P_8021Q, 0x6005, 300);
	CU_ASSERT(test_raw_send(peer, NULL, frame->bytes, 304));
	g = guest_gets(0x88b5);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_EQUAL(g->offload.flags & VSWITCH_VLAN, VSWITCH_VLAN);
	CU_ASSERT_EQUAL(g->offload.vlan_tci, 0x6005);
	CU_ASSERT_EQUAL(g->len, 300);
	end();
}

static void service_tags_go_back_into_the_frame(void)
{
	const struct got_frame *g;

	if (!begin(ALL_CAPS))
		return;
	for (uint32_t n = 60; n < 400; n += n < 140 ? 1 : 50) {	/* across the end of the head */
		test_nic_clear(&guest);
		test_frame_plain(frame, guest.nic.mac, outside, n);
		add_tag(frame, ETH_P_8021AD, 9, n);
		CU_ASSERT(test_raw_send(peer, NULL, frame->bytes, n + 4));
		g = guest_gets(ETH_P_8021AD);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g);
		CU_ASSERT_EQUAL(g->len, n + 4);
		CU_ASSERT(!memcmp(g->bytes, frame->bytes, n + 4));
	}
	end();
}

static bool is_promiscuous(void)
{
	return !test_run("ip -d link show pt0 | grep -q 'promiscuity 1'");
}

static void promiscuous_as_long_as_bound(void)
{
	struct vswitch_config config = { .name = "other" };
	struct vswitch *other;
	struct vswitch_uplink *u;

	if (!begin(ALL_CAPS))
		return;
	CU_ASSERT(is_promiscuous());
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &other));
	CU_ASSERT_EQUAL(vswitch_uplink_packet(other, loop, "pt0", NULL, NULL, &u), -EBUSY);
	vswitch_uplink_destroy(uplink);
	CU_ASSERT_FALSE(is_promiscuous());
	CU_ASSERT_EQUAL_FATAL(vswitch_uplink_packet(other, loop, "pt0", NULL, NULL, &u), 0);
	CU_ASSERT(is_promiscuous());
	vswitch_uplink_destroy(u);
	vswitch_destroy(other);
	uplink = NULL;
	end();
}

static void link_and_mtu_follow_the_interface(void)
{
	struct vswitch_port *port;

	if (!begin(ALL_CAPS))
		return;
	port = vswitch_uplink_port(uplink);
	CU_ASSERT_EQUAL(vswitch_port_nic(port)->max_frame_bytes, 1514);
	TEST_RUN("ip link set pt0 mtu 9000 && ip link set pt1 mtu 9000");
	CU_ASSERT(TEST_UNTIL(loop, vswitch_port_nic(port)->max_frame_bytes == 9014));
	TEST_RUN("ip link set pt1 down");		/* carrier */
	CU_ASSERT(TEST_UNTIL(loop, !vswitch_port_link(port)));
	TEST_RUN("ip link set pt1 up");
	CU_ASSERT(TEST_UNTIL(loop, vswitch_port_link(port)));
	TEST_RUN("ip link set pt0 down");
	CU_ASSERT(TEST_UNTIL(loop, !vswitch_port_link(port)));
	test_frame_plain(frame, outside, guest.nic.mac, 60);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(test_in_dropped(&guest, VSWITCH_DROP_NO_DESTINATION), 1);
	TEST_RUN("ip link set pt0 up");
	CU_ASSERT(TEST_UNTIL(loop, vswitch_port_link(port)));
	while (test_raw_receive(peer, got))
		;
	test_frame_plain(frame, outside, guest.nic.mac, 9014);
	guest.nic.max_frame_bytes = 9014;
	test_send(&guest, frame);
	CU_ASSERT(peer_gets(0x88b5));
	CU_ASSERT_EQUAL(got->n, 9014);
	/* The administrator's link is another matter. */
	vswitch_port_set_link(port, false);
	TEST_RUN("ip link set pt1 down && ip link set pt1 up");
	for (unsigned i = 0; i < 20; i++)
		hv_loop_run_once(loop, TEST_MS);
	CU_ASSERT_FALSE(vswitch_port_link(port));
	CU_ASSERT_EQUAL(gone, 0);
	end();
}

static void deleted_interface_is_told_once(void)
{
	if (!begin(ALL_CAPS))
		return;
	TEST_RUN("ip link delete pt0");
	CU_ASSERT(TEST_UNTIL(loop, gone));
	for (unsigned i = 0; i < 20; i++)
		hv_loop_run_once(loop, TEST_MS);
	CU_ASSERT_EQUAL(gone, 1);
	CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(uplink)));
	end();
}

static void what_cannot_be_bound_is_refused(void)
{
	static const struct {
		const char *interface;
		int error;
	} cases[] = {
		{ "", -ENODEV }, { "nothere", -ENODEV }, { "a-name-of-17-chrs", -ENODEV }, { "lo", -EINVAL },
		{ "ptbr", -EINVAL }, { "pttun", -EINVAL }, { "ptm0", -EBUSY }, { "ptd0", -ENETDOWN },
		{ "pt0", -EBUSY }, { "pttap", -EBUSY }, { "ptok", 0 },
	};
	struct vswitch_uplink *u, *tap;
	int ret;

	if (!begin(ALL_CAPS))
		return;
	TEST_RUN("ip link set lo up; ip link add ptbr type bridge && ip link set ptbr up && ip link add ptm0 type veth "
		 "peer name ptm1 && ip link set ptm0 up master ptbr && ip link add ptd0 type veth peer name ptok && "
		 "ip link set ptok up && ip tuntap add pttun mode tun && ip link set pttun up");
	CU_ASSERT_FATAL(!vswitch_uplink_tap(sw, loop, "pttap", VSWITCH_NIC_INTERNAL, &tap));
	TEST_RUN("ip link set pttap up");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ret = vswitch_uplink_check(cases[i].interface);
		if (ret != cases[i].error)
			printf("%s: %d\n", cases[i].interface, ret);
		CU_ASSERT_EQUAL(ret, cases[i].error);
		ret = vswitch_uplink_packet(sw, loop, cases[i].interface, NULL, NULL, &u);
		CU_ASSERT_EQUAL(ret, cases[i].error);
		if (!ret)
			vswitch_uplink_destroy(u);
	}
	vswitch_uplink_destroy(tap);
	TEST_RUN("ip link delete ptbr; ip link delete ptm0; ip link delete ptd0; ip link delete pttun");
	end();
}

static const struct hv_test tests[] = {
	{ "frames pass both ways", frames_pass_both_ways },
	{ "more than a batch comes in order", more_than_a_batch_comes_in_order },
	{ "own frames do not come back", own_frames_do_not_come_back },
	{ "offloads survive to the interface", offloads_survive_to_the_interface },
	{ "offloads survive from the interface", offloads_survive_from_the_interface },
	{ "tags pass both ways", tags_pass_both_ways },
	{ "service tags go back into the frame", service_tags_go_back_into_the_frame },
	{ "promiscuous as long as bound", promiscuous_as_long_as_bound },
	{ "link and MTU follow the interface", link_and_mtu_follow_the_interface },
	{ "a deleted interface is told once", deleted_interface_is_told_once },
	{ "what cannot be bound is refused", what_cannot_be_bound_is_refused },
};

int main(void)
{
	permitted = test_net_enter();
	return hv_test_main("vswitch/packet", tests, sizeof(tests) / sizeof(tests[0]));
}
