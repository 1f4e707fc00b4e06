/* SPDX-License-Identifier: MIT */
/* An emulated adapter of the real daemon, and a client in QEMU's place that looks at it from the guest's side. */
#include "e1000/e1000_hw.h"
#include "hvnetd/test_daemon.h"
#include "vfio-user/vfio_user_client.h"

enum { RAM_BYTES = 64 << 20, VENDOR_AND_DEVICE = 0 };

struct guest {
	struct vfuc *c;
	struct vfuc_ram ram;
};

static void attach(struct guest *g, const char *socket)
{
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(RAM_BYTES, &g->ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(in_dir(socket), NULL, &g->c), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_attach(g->c, &g->ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_enable_device(g->c), 0);
}

static void detach(struct guest *g)
{
	vfuc_close(g->c);
	vfuc_ram_destroy(&g->ram);
}

static uint32_t reg(struct guest *g, uint32_t offset)
{
	uint64_t v = 0;

	CU_ASSERT_EQUAL(vfuc_bar_read(g->c, 0, offset, 4, &v), 0);
	return (uint32_t)v;
}

static bool link_becomes(struct guest *g, bool up)
{
	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (!!(reg(g, E1000_STATUS) & E1000_STATUS_LU) == up)
			return true;
		usleep(5000);
	}
	return false;
}

/* Member of a member of the first adapter, as text. */
static const char *of_guest(struct hvnet_client *c, const char *name)
{
	static char text[64];
	json_t *result = call(c, "adapter.list", "{}");
	const json_t *a = json_array_get(json_object_get(result, "adapters"), 0);
	const json_t *v = json_object_get(json_object_get(a, "guest"), name);

	snprintf(text, sizeof(text), "%s", v ? "?" : "");
	if (json_is_integer(v))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_string(v))
		snprintf(text, sizeof(text), "%s", json_string_value(v));
	json_decref(result);
	return text;
}

static void seen_by_a_guest(void)
{
	static const char add[] = "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\",\"mac\":\"02:68:76:00:00:09\"}";
	struct hvnet_client *c;
	struct guest g;
	uint32_t id;
	pid_t pid;

	make_dir();
	pid = start(&c);
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	CU_ASSERT_EQUAL(code_of(c, "adapter.add", add), 0);
	CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "socket"), in_dir("vm-a:nic0"));
	CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "model"), "82540em");
	CU_ASSERT_STRING_EQUAL(of_guest(c, "link"), "");
	attach(&g, "vm-a:nic0");
	CU_ASSERT_EQUAL(vfuc_config_read(g.c, VENDOR_AND_DEVICE, 4, &id), 0);
	CU_ASSERT_EQUAL(id, 0x100e8086);
	CU_ASSERT_EQUAL(reg(&g, E1000_RAL), 0x00766802);
	CU_ASSERT_EQUAL(reg(&g, E1000_RAH), 0x80000900);
	CU_ASSERT_TRUE(link_becomes(&g, true));
	CU_ASSERT_STRING_EQUAL(of_guest(c, "speed_mbps"), "1000");
	CU_ASSERT_STRING_EQUAL(of_guest(c, "station"), "02:68:76:00:00:09");
	CU_ASSERT_EQUAL(code_of(c, "adapter.set", "{\"adapter\":\"a/nic0\",\"link\":\"down\"}"), 0);
	CU_ASSERT_TRUE(link_becomes(&g, false));
	CU_ASSERT_STRING_EQUAL(of_guest(c, "link"), "down");
	CU_ASSERT_EQUAL(code_of(c, "adapter.set", "{\"adapter\":\"a/nic0\",\"switch\":\"\",\"link\":\"up\"}"), 0);
	CU_ASSERT_FALSE(reg(&g, E1000_STATUS) & E1000_STATUS_LU);	/* on no switch */
	CU_ASSERT_EQUAL(code_of(c, "adapter.set", "{\"adapter\":\"a/nic0\",\"switch\":\"lab\"}"), 0);
	CU_ASSERT_TRUE(link_becomes(&g, true));
	CU_ASSERT_EQUAL(code_of(c, "adapter.del", "{\"adapter\":\"a/nic0\"}"), 0);
	CU_ASSERT_EQUAL(vfuc_wait_closed(g.c, PATIENCE_MS), 0);
	CU_ASSERT_FALSE(exists("vm-a:nic0"));
	detach(&g);
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static bool nic_becomes(struct hvnet_client *c, const char *state)
{
	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (!strcmp(member(c, "adapter.list", "adapters", "nic"), state))
			return true;
		usleep(5000);
	}
	printf("the NIC is %s, not %s\n", member(c, "adapter.list", "adapters", "nic"), state);
	return false;
}

/*
 * A QEMU that dies costs the adapter nothing: the next one finds it as new. The port is there with the QEMU, the connection
 * with the driver.
 */
static void outlives_its_guest(void)
{
	struct hvnet_client *c;
	struct guest g;
	pid_t pid;

	make_dir();
	pid = start(&c);
	CU_ASSERT_EQUAL(code_of(c, "vm.add", "{\"name\":\"a\",\"vcpus\":1}"), 0);
	CU_ASSERT_EQUAL(code_of(c, "adapter.add", "{\"switch\":\"lab\",\"vm\":\"a\",\"kind\":\"emulated\"}"), 0);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(nic_becomes(c, "none"));
		CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 0);
		attach(&g, "vm-a:nic0");
		CU_ASSERT_TRUE(nic_becomes(c, "created"));
		CU_ASSERT_EQUAL(count(c, "port.list", "ports"), 1);
		CU_ASSERT_EQUAL(reg(&g, E1000_RDTR), 0);
		CU_ASSERT_EQUAL(vfuc_bar_write(g.c, 0, E1000_RDTR, 4, 0x1234), 0);
		CU_ASSERT_EQUAL(vfuc_bar_write(g.c, 0, E1000_RCTL, 4, E1000_RCTL_EN | E1000_RCTL_UPE), 0);
		CU_ASSERT_EQUAL(reg(&g, E1000_RDTR), 0x1234);
		CU_ASSERT_TRUE(nic_becomes(c, "connected"));
		CU_ASSERT_EQUAL(vfuc_bar_write(g.c, 0, E1000_RCTL, 4, 0), 0);	/* no end */
		CU_ASSERT_EQUAL(reg(&g, E1000_RCTL), 0);
		CU_ASSERT_STRING_EQUAL(member(c, "adapter.list", "adapters", "nic"), "connected");
		detach(&g);
	}
	CU_ASSERT_TRUE(nic_becomes(c, "none"));
	hvnet_disconnect(c);
	stop(pid);
	remove_dir();
}

static const struct hv_test tests[] = {
	{ "a guest sees the chip, its address and the link as administered", seen_by_a_guest },
	{ "an adapter is as new for the next guest", outlives_its_guest },
};

int main(void)
{
	find_programs();
	return hv_test_main("hvnetd/emulated", tests, sizeof(tests) / sizeof(tests[0]));
}
