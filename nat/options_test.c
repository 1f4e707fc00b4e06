/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <string.h>

#include "base/test.h"
#include "nat/nat.h"

static bool parse(struct nat_options *o, const char *a, const char *b, const char *c, const char *d)
{
	char *argv[] = { (char *)"hvnet-nat", (char *)a, (char *)b, (char *)c, (char *)d, NULL };
	char why[NAT_LINE_BYTES] = "";
	int argc = 1 + !!a + !!b + !!c + !!d;
	bool ok = nat_options_parse(o, argc, argv, why);

	CU_ASSERT(ok == !why[0]);
	return ok;
}

static void test_good(void)
{
	struct nat_options o;

	CU_ASSERT_TRUE_FATAL(parse(&o, "--fd", "3", NULL, NULL));
	CU_ASSERT(o.fd == 3 && o.mtu == 1500 && o.host_loopback);
	CU_ASSERT(o.net.s_addr == inet_addr("10.0.2.0") && o.mask.s_addr == inet_addr("255.255.255.0"));
	CU_ASSERT_TRUE_FATAL(parse(&o, "--fd", "3", "--ipv4-net", "172.16.0.0/12"));
	CU_ASSERT(o.net.s_addr == inet_addr("172.16.0.0") && o.mask.s_addr == inet_addr("255.240.0.0"));
	CU_ASSERT_TRUE_FATAL(parse(&o, "--fd", "3", "--ipv6-net", "fd00:1::/64"));
	CU_ASSERT(o.prefix.s6_addr[0] == 0xfd && o.prefix.s6_addr[3] == 1);
	CU_ASSERT(parse(&o, "--help", NULL, NULL, NULL) && o.help);
}

static void test_bad(void)
{
	static const char *const lies[][2] = {
		{ "--mtu", "100" }, { "--mtu", "65522" }, { "--mtu", "1500x" }, { "--mtu", "" },
		{ "--ipv4-net", "10.0.2.0" }, { "--ipv4-net", "10.0.2.1/24" }, { "--ipv4-net", "10.0.2.0/25" },
		{ "--ipv4-net", "10.0.0.0/7" }, { "--ipv4-net", "/24" }, { "--ipv6-net", "fd00::/48" },
		{ "--ipv6-net", "fd00::1/64" }, { "--fd", "-1" }, { "--fd", "three" }, { "--bogus", "1" },
		{ "extra", NULL }, { "--mtu", NULL },
	};
	struct nat_options o;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		CU_ASSERT_FALSE(parse(&o, "--fd", "3", lies[i][0], lies[i][1]));
	CU_ASSERT_FALSE(parse(&o, "--mtu", "1500", NULL, NULL));	/* no --fd */
}

static const struct hv_test tests[] = {
	{ "takes what the help text says", test_good },
	{ "refuses what it does not know, and says so", test_bad },
};
HV_TEST_MAIN("nat/options", tests)
