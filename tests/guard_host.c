/* SPDX-License-Identifier: MIT */
/*
 * guard_host ATTACKER VICTIM [guarded]: a switch between two tap interfaces, for tests/attackers. The attacker's port has every
 * guard if the third word is there. Prints "ready", runs until its input ends, then prints what was dropped: "REASON N" per line.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/vswitch.h"

/* Its own addresses are those that the script's attacker may use. */
static const struct vswitch_port_policy guarded = {
	.dhcp_guard = true, .router_guard = true, .bpdu_guard = VSWITCH_BPDU_DROP, .prevent_ip_spoofing = true,
	.num_addresses = 2,
	.addresses = {
		{ 4, { 198, 18, 0, 66 } },
		{ 6, { 0xfd, 0x00, [15] = 0x66 } },
	},
};
static const struct vswitch_port_policy open_policy = { .allow_mac_spoofing = true };

static bool input_ended(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char buf[64];

	return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, buf, sizeof(buf)) <= 0;
}

static int run(struct hv_loop *loop, struct vswitch *sw, char **taps, const struct vswitch_port_policy *policy)
{
	struct vswitch_uplink *uplinks[2] = { NULL, NULL };
	struct vswitch_port_stats s;
	int ret = 0;

	for (int i = 0; i < 2 && !ret; i++)
		ret = vswitch_uplink_tap(sw, loop, taps[i], VSWITCH_NIC_INTERNAL, &uplinks[i]);
	if (!ret)
		ret = vswitch_port_set_policy(vswitch_uplink_port(uplinks[0]), policy, NULL);
	if (!ret) {
		puts("ready");
		fflush(stdout);
		while (!input_ended())
			hv_loop_run_once(loop, 10000000);
		vswitch_port_stats(vswitch_uplink_port(uplinks[0]), &s);
		for (int i = 0; i < VSWITCH_DROPS; i++)
			if (s.in_dropped[i])
				printf("%s %llu\n", vswitch_drop_name((enum vswitch_drop)i),
				       (unsigned long long)s.in_dropped[i]);
		printf("in %llu\n", (unsigned long long)s.in_frames);
	}
	vswitch_uplink_destroy(uplinks[0]);
	vswitch_uplink_destroy(uplinks[1]);
	return ret;
}

int main(int argc, char **argv)
{
	const struct vswitch_config config = { .name = "guards" };
	struct hv_loop *loop = NULL;
	struct vswitch *sw = NULL;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: guard_host ATTACKER VICTIM [guarded]\n");
		return 2;
	}
	ret = hv_loop_create(&loop);
	if (!ret)
		ret = vswitch_create(loop, &config, &sw);
	if (!ret)
		ret = run(loop, sw, argv + 1, argc > 3 ? &guarded : &open_policy);
	if (ret)
		fprintf(stderr, "guard_host: %s\n", strerror(-ret));
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	return ret != 0;
}
