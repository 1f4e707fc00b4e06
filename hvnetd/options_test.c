/* SPDX-License-Identifier: MIT */
#include "hvnetd/options.h"

#include <string.h>

#include "base/test.h"
#include "hvnetd/names.h"

static struct options o;
static char error[512];

static bool parse(const char *a, const char *b, const char *c)
{
	char *argv[] = { (char *)"hvnetd", (char *)a, (char *)b, (char *)c, NULL };
	int argc = 1;

	while (argc < 4 && argv[argc])
		argc++;
	argv[argc] = NULL;
	error[0] = '\0';
	return options_parse(argc, argv, &o, error, sizeof(error));
}

static void defaults(void)
{
	CU_ASSERT_TRUE(parse(NULL, NULL, NULL));
	CU_ASSERT_EQUAL(o.action, OPTIONS_RUN);
	CU_ASSERT_STRING_EQUAL(o.runtime_dir, "/run/hvnet");
	CU_ASSERT_STRING_EQUAL(o.socket, "/run/hvnet/control");
	CU_ASSERT_TRUE(o.default_switch);
	CU_ASSERT_FALSE(o.allow_tap);
	CU_ASSERT_EQUAL(o.log_level, HV_LOG_INFO);
}

static void places(void)
{
	CU_ASSERT_TRUE(parse("--runtime-dir", "/d", NULL));
	CU_ASSERT_STRING_EQUAL(o.socket, "/d/control");
	CU_ASSERT_TRUE(parse("--runtime-dir=/d", "--socket=/s", NULL));
	CU_ASSERT_STRING_EQUAL(o.socket, "/s");
	CU_ASSERT_STRING_EQUAL(o.runtime_dir, "/d");
}

static void switches(void)
{
	CU_ASSERT_TRUE(parse("--switch=a=b=nat", "--switch=lab=private", "--no-default-switch"));
	CU_ASSERT_EQUAL(o.num_switches, 2);
	CU_ASSERT_STRING_EQUAL(o.switches[0].name, "a=b");
	CU_ASSERT_EQUAL(o.switches[0].type, SWITCH_NAT);
	CU_ASSERT_EQUAL(o.switches[1].type, SWITCH_PRIVATE);
	CU_ASSERT_FALSE(o.default_switch);
	CU_ASSERT_FALSE(o.allow_tap);

	CU_ASSERT_TRUE(parse("--switch", "lan=internal:tap0", "--check"));
	CU_ASSERT_EQUAL(o.switches[0].type, SWITCH_INTERNAL);
	CU_ASSERT_STRING_EQUAL(o.switches[0].interface, "tap0");
	CU_ASSERT_TRUE(o.allow_tap);
	CU_ASSERT_EQUAL(o.action, OPTIONS_CHECK);

	CU_ASSERT_TRUE(parse("--switch=Default Switch=private", NULL, NULL));
	CU_ASSERT_FALSE(o.default_switch);
}

static void lies(void)
{
	static char long_name[200], long_path[5000];
	static const struct {
		const char *a, *b, *says;
	} rows[] = {
		{ "--sockett", NULL, "--sockett" },
		{ "--s=x", NULL, "--s=x" },		/* --socket or --switch */
		{ "-v", NULL, "-v" },
		{ "--socket", NULL, "--socket needs a value" },
		{ "--socket=", NULL, "empty" },
		{ "--socket", long_path, "longer" },
		{ "--runtime-dir", long_name, "kernel's limit" },
		{ "--check=yes", NULL, "takes no value" },
		{ "start", NULL, "\"start\"" },
		{ "--log-level", "loud", "loud" },
		{ "--switch", "lab", "expected NAME=" },
		{ "--switch", "=nat", "name" },
		{ "--switch", " lab=nat", "name" },
		{ "--switch", "a/b=nat", "name" },
		{ "--switch", "a\nb=nat", "name" },
		{ "--switch", "\xff=nat", "name" },
		{ "--switch", long_name, "name" },
		{ "--switch", "lab=bridge", "\"bridge\"" },
		{ "--switch", "lab=internal:", "interface" },
		{ "--switch", "lab=internal:a/b", "interface" },
		{ "--switch", "lab=internal:..", "interface" },
		{ "--switch", "lab=internal:tap%d", "interface" },
		{ "--switch", "lab=internal:0123456789abcdef", "interface" },
		{ "--switch=lab=nat", "--switch=lab=private", "two switches" },
	};

	memset(long_name, 'x', sizeof(long_name) - 1);
	memcpy(long_name + 150, "=nat", 5);
	memset(long_path, 'y', sizeof(long_path) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(rows[i].a, rows[i].b, NULL) || !strstr(error, rows[i].says)) {
			printf("%s %s: %s\n", rows[i].a, rows[i].b ? rows[i].b : "", error);
			CU_FAIL("accepted, or refused for another reason");
		}
}

static void help(void)
{
	CU_ASSERT_TRUE(parse("--help", "--nonsense", NULL));
	CU_ASSERT_EQUAL(o.action, OPTIONS_HELP);
	CU_ASSERT_TRUE(parse("--version", NULL, NULL));
	CU_ASSERT_EQUAL(o.action, OPTIONS_VERSION);
}

static void macs(void)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "", false },
		{ "02:68:76:01:02", false },
		{ "02:68:76:01:02:03:04", false },
		{ "02:68:76:01:02:0g", false },
		{ "02-68:76-01:02-03", false },
		{ "02x68x76x01x02x03", false },
		{ "02687601020300000", false },
		{ "01:00:5e:00:00:01", false },		/* a group's */
		{ "ff:ff:ff:ff:ff:ff", false },
		{ "00:00:00:00:00:00", false },
		{ "02:68:76:01:02:fF", true },
		{ "00-15-5d-00-00-01", true },
	};
	uint8_t mac[6] = { 0 };
	char text[HVNETD_MAC_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mac_parse(rows[i].text, mac) != rows[i].ok)
			CU_FAIL(rows[i].text);
	mac_format(mac, text);
	CU_ASSERT_STRING_EQUAL(text, "00:15:5d:00:00:01");
}

static void stable_names(void)
{
	uint8_t h1[16] = { 1 }, h2[16] = { 2 }, a[16], b[16];

	mac_from_names(h1, "vm", "nic0", 0, a);
	mac_from_names(h1, "vm", "nic0", 0, b);
	CU_ASSERT_EQUAL(memcmp(a, b, 6), 0);
	CU_ASSERT_EQUAL(a[0] & 3, 2);
	mac_from_names(h1, "vm", "nic0", 1, b);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, 6), 0);
	mac_from_names(h2, "vm", "nic0", 0, b);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, 6), 0);
	mac_from_names(h1, "vmn", "ic0", 0, b);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, 6), 0);
	guid_from_names(h1, "vm", "nic0", a);
	guid_from_names(h1, "vm", "nic1", b);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, 16), 0);
	guid_from_names(h1, "vm", "nic0", b);
	CU_ASSERT_EQUAL(memcmp(a, b, 16), 0);
	CU_ASSERT_EQUAL(a[7] >> 4, 8);
	CU_ASSERT_EQUAL(a[8] >> 6, 2);
}

static void plain_names(void)
{
	CU_ASSERT_TRUE(name_is_plain("web-1_a.b+c"));
	CU_ASSERT_FALSE(name_is_plain(""));
	CU_ASSERT_FALSE(name_is_plain("."));
	CU_ASSERT_FALSE(name_is_plain("..x"));
	CU_ASSERT_FALSE(name_is_plain("-x"));
	CU_ASSERT_FALSE(name_is_plain("a/b"));
	CU_ASSERT_FALSE(name_is_plain("a b"));
	CU_ASSERT_FALSE(name_is_plain("0123456789012345678901234567890123456789012345678901234567890123"));
	CU_ASSERT_TRUE(name_is_plain("012345678901234567890123456789012345678901234567890123456789012"));
}

static const struct hv_test tests[] = {
	{ "without options the documented defaults hold", defaults },
	{ "the control socket follows the runtime folder", places },
	{ "switches of each type", switches },
	{ "each bad option is named", lies },
	{ "help and version end the parsing", help },
	{ "MAC addresses of stations only", macs },
	{ "addresses and GUIDs follow from names and host", stable_names },
	{ "a plain name cannot leave its folder", plain_names },
};

HV_TEST_MAIN("hvnetd/options", tests)
