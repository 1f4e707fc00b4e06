/* SPDX-License-Identifier: MIT */
/*
 * Random traffic between random NICs that do random things: whatever happens, each frame is
 * accounted for, and what was counted as taken is what arrived. Fixed seeds.
 */
#include "vswitch/test_nic.h"

enum { PORTS = 6, STEPS = 1500 };

static struct vswitch *sw;
static struct test_nic nics[PORTS];
static bool plugged[PORTS];
static struct test_frame *frames[VSWITCH_BATCH];
static uint64_t taken[PORTS];
static uint64_t now_ns;

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

static void random_moods(struct test_nic *t)
{
	if (!pick(20))
		vswitch_port_set_congested(t->port, pick(2));
	if (!pick(200))
		vswitch_port_set_link(t->port, false);
	if (!pick(10))
		t->room = pick(3) ? UINT32_MAX : pick(40);
	t->reason = VSWITCH_DROP_NOT_READY + pick(4);
}

static void plug(unsigned i)
{
	static const enum vswitch_nic_kind kinds[] = { VSWITCH_NIC_SYNTHETIC, VSWITCH_NIC_EMULATED,
						       VSWITCH_NIC_INTERNAL, VSWITCH_NIC_EXTERNAL };

	test_nic_plug(sw, &nics[i], kinds[pick(4)], i + 1, pick(16));
	nics[i].nic.max_frame_bytes = pick(2) ? 1514 : 9014;
	nics[i].on_deliver = random_moods;
	vswitch_port_allow_mac_spoofing(nics[i].port, !pick(3));
	plugged[i] = true;
	taken[i] = 0;
}

static void random_tcp(struct test_frame *f, bool v6)
{
	uint32_t l4 = v6 ? 54 : 34;

	put_be16(f->bytes + 12, v6 ? 0x86dd : 0x0800);
	memset(f->bytes + 14, 0, 60);
	f->bytes[14] = v6 ? 0x60 : 0x45;
	f->bytes[v6 ? 20 : 23] = 6;
	f->bytes[l4 + 12] = 0x50;
	test_frame_set(f, l4 + 20 + 1 + pick(pick(4) ? 9000 : 65000));
	f->f.offload.gso = v6 ? VSWITCH_GSO_TCPV6 : VSWITCH_GSO_TCPV4;
	f->f.offload.gso_size = (uint16_t)(pick(8) ? 100 + pick(1400) : pick(65536));
}

static void random_frame(struct test_frame *f, unsigned through)
{
	uint8_t to[6], from[6];

	test_mac(pick(12), to);
	test_mac(pick(8) ? through + 1 : pick(40), from);
	if (!pick(6))
		to[0] = pick(2) ? 0xff : 1;
	test_frame_plain(f, to, from, pick(50) ? 14 + pick(1600) : pick(70));
	switch (pick(6)) {
	case 0:
		random_tcp(f, pick(2));
		break;
	case 1:
		put_be16(f->f.head + 12, 0x8100);
		break;
	case 2:
		f->f.offload.flags = (uint8_t)pick(32);
		f->f.offload.vlan_tci = (uint16_t)pick(5);
		f->f.offload.csum_start = (uint16_t)pick(140);
		f->f.offload.csum_offset = (uint16_t)pick(20);
		break;
	default:
		break;
	}
}

static void send_batch(unsigned through)
{
	struct vswitch_frame *batch[VSWITCH_BATCH];
	unsigned n = 1 + pick(VSWITCH_BATCH);

	for (unsigned i = 0; i < n; i++) {
		random_frame(frames[i], through);
		batch[i] = &frames[i]->f;
	}
	vswitch_port_input(nics[through].port, batch, n);
}

static void check(void)
{
	struct vswitch_port_stats s;

	CU_ASSERT_FATAL(test_balanced(sw));
	for (unsigned i = 0; i < PORTS; i++) {
		taken[i] += nics[i].num_got;
		test_nic_clear(&nics[i]);
		vswitch_port_stats(nics[i].port, &s);
		CU_ASSERT_EQUAL_FATAL(s.out_frames, taken[i]);
	}
}

static void random_event(void)
{
	unsigned i = pick(PORTS);

	switch (pick(12)) {
	case 0:
		vswitch_port_set_link(nics[i].port, pick(3));
		break;
	case 1:
		vswitch_port_disconnect(nics[i].port);
		if (vswitch_port_connect(nics[i].port, &nics[i].nic))
			abort();
		break;
	case 2:
		now_ns += pick(100) * 1000000000ull;
		vswitch_tick(sw, now_ns);
		break;
	case 3:
		vswitch_port_allow_mac_spoofing(nics[i].port, pick(2));
		break;
	default:
		send_batch(i);
		break;
	}
}

static void run(unsigned seed)
{
	struct vswitch_config config = { .name = "random", .max_learned = 8, .ageing_s = 10 };

	srand(seed);
	CU_ASSERT_FATAL(!vswitch_create(NULL, &config, &sw));
	now_ns = 1000000000000;
	vswitch_tick(sw, now_ns);
	for (unsigned i = 0; i < PORTS; i++)
		plug(i);
	for (unsigned step = 0; step < STEPS; step++) {
		random_event();
		check();
		for (unsigned i = 0; i < PORTS; i++)
			if (!pick(30))
				vswitch_port_set_link(nics[i].port, true);
	}
	for (unsigned i = 0; i < PORTS; i++)
		test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
}

static void every_frame_is_accounted_for(void)
{
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		frames[i] = test_frame_new();
	for (unsigned seed = 1; seed <= 4; seed++)
		run(seed);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
}

static const struct hv_test tests[] = {
	{ "every frame is accounted for", every_frame_is_accounted_for },
};

HV_TEST_MAIN("vswitch/invariant", tests)
