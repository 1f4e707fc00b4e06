/* SPDX-License-Identifier: MIT */
#include "hvnet-qemu/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "hvnet-qemu/find.h"
#include "hvnet-qemu/options.h"

static struct guest guest;
static char error[512];
static char *argv[32];
static int argc;

/* Words by '|', since values hold spaces. */
static void split(const char *line)
{
	static char copy[1024];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", line);
	argc = 0;
	for (char *w = strtok_r(copy, "|", &save); w && argc < 31; w = strtok_r(NULL, "|", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	error[0] = '\0';
}

static bool read_args(const char *line)
{
	split(line);
	return args_read(argv, argc, &guest, error, sizeof(error));
}

#define MIB (1ull << 20)

static void sizes(void)
{
	static const struct {
		const char *args;
		uint64_t bytes;		/* 0: refused */
	} rows[] = {
		{ "-nographic", 128 * MIB },
		{ "-m|512", 512 * MIB },
		{ "-m|2G", 2048 * MIB },
		{ "--m|2g", 2048 * MIB },
		{ "-m|1.5G", 1536 * MIB },
		{ "-m|size=256M", 256 * MIB },
		{ "-m|slots=2,size=256,maxmem=4G", 256 * MIB },
		{ "-m|512,slots=2,maxmem=4G", 512 * MIB },
		{ "-m|64|-m|96", 96 * MIB },
		{ "-m|1048577k", 1024 * MIB + 8192 },
		{ "-append|-m|-m|32", 32 * MIB },	/* a value that looks like an option */
		{ "-m|lots", 0 },
		{ "-m|0", 0 },
		{ "-m|-5", 0 },
		{ "-m|5X", 0 },
		{ "-m|5MM", 0 },
		{ "-m|nan", 0 },
		{ "-m|inf", 0 },
		{ "-m|99999999T", 0 },
		{ "-m", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = read_args(rows[i].args);

		if (ok != (rows[i].bytes != 0) || (ok && guest.memory_bytes != rows[i].bytes) || (!ok && !error[0])) {
			printf("%s: %llu %s\n", rows[i].args, (unsigned long long)guest.memory_bytes, error);
			CU_FAIL("another size");
		}
	}
}

static void processors(void)
{
	static const struct {
		const char *args;
		unsigned vcpus;		/* 0: refused */
	} rows[] = {
		{ "-m|64", 1 },
		{ "-smp|4", 4 },
		{ "-smp|cpus=3", 3 },
		{ "-smp|2,maxcpus=8", 8 },
		{ "-smp|sockets=2,cores=3,threads=2", 12 },
		{ "-smp|4,sockets=1,cores=2,threads=2", 4 },
		{ "-smp|1,sockets=2", 2 },
		{ "-smp|240", 240 },
		{ "-smp|241", 0 },
		{ "-smp|sockets=1000,cores=1000,threads=1000", 0 },
		{ "-smp|many", 0 },
		{ "-smp|", 0 },
		{ "-smp|99999999999999999999", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = read_args(rows[i].args);

		if (ok != (rows[i].vcpus != 0) || (ok && guest.vcpus != rows[i].vcpus)) {
			printf("%s: %u %s\n", rows[i].args, guest.vcpus, error);
			CU_FAIL("another number");
		}
	}
}

static void memory(void)
{
	static const struct {
		const char *args, *says;	/* says NULL: accepted */
	} rows[] = {
		{ "-machine|q35,memory-backend=ram", "has the id ram" },
		{ "-object|memory-backend-file,id=ram,size=1G,mem-path=/f|-machine|memory-backend=ram", "add share=on" },
		{ "-object|memory-backend-memfd,id=ram,size=1G,share=off|-M|pc,memory-backend=ram", "add share=on" },
		{ "-object|memory-backend-ram,id=ram,size=1G,share=on|-M|pc,memory-backend=ram", "memory-backend-ram" },
		{ "-object|iothread,id=ram|-M|pc,memory-backend=ram", "has the id ram" },
		{ "-object|{\"qom-type\":\"memory-backend-file\",\"id\":\"ram\"}|-M|memory-backend=ram", "add share=on" },
		{ "-object|{\"qom-type\"|-M|memory-backend=ram", "has the id ram" },
		{ "-object|memory-backend-file,id=n,share=off|-numa|node,memdev=n", "add share=on" },
		{ "-mem-path|/dev/hugepages", "memory-backend-file" },
		{ "-daemonize", "background" },
		{ "-M|pc,memory-backend=ram|-object|memory-backend-file,id=ram,size=1G,mem-path=/a,,b,share=on", NULL },
		{ "-object|memory-backend-memfd,id=ram,size=1G|-M|pc,memory-backend=ram", NULL },
		{ "-object|{\"qom-type\":\"memory-backend-file\",\"id\":\"ram\",\"share\":true}|-M|memory-backend=ram", NULL },
		{ "-object|memory-backend-file,id=n,share=on|-numa|node,memdev=n", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = read_args(rows[i].args);

		if (ok != !rows[i].says || (!ok && !strstr(error, rows[i].says)) || (ok && !guest.own_memory)) {
			printf("%s: %s\n", rows[i].args, error);
			CU_FAIL("accepted, or refused for another reason");
		}
	}
}

static void names(void)
{
	CU_ASSERT_TRUE(read_args("-name|web"));
	CU_ASSERT_STRING_EQUAL(guest.name, "web");
	CU_ASSERT_TRUE(read_args("-name|guest=my web/1,debug-threads=on"));
	CU_ASSERT_STRING_EQUAL(guest.name, "my_web_1");
	CU_ASSERT_TRUE(read_args("-name|debug-threads=on"));
	CU_ASSERT_STRING_EQUAL(guest.name, "");
	CU_ASSERT_TRUE(read_args("-name|../x"));
	CU_ASSERT_STRING_EQUAL(guest.name, "_._x");
}

static bool built_with(const struct devices *devices, const char *line, const char *expected)
{
	char text[2048] = "", **out;
	bool ok = read_args(line);

	if (!ok)
		return false;
	out = args_build("qemu", argv, argc, &guest, devices);
	for (size_t i = 0; out && out[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "|" : "", out[i]);
	args_free(out);
	if (strcmp(text, expected) != 0)
		printf("%s\n  is: %s\n", line, text);
	return !strcmp(text, expected);
}

static bool built(const char *line, const char *expected)
{
	return built_with(&(struct devices){ .bridge = "/run/hvnet/vm-web" }, line, expected);
}

#define NIC(n, name) "-device|{\"driver\":\"vfio-user-pci\",\"id\":\"hvnet-nic" n "\",\"socket\":" \
		     "{\"type\":\"unix\",\"path\":\"/run/hvnet/vm-web:" name "\"}}"
#define DEVICE "-device|{\"driver\":\"vfio-user-pci\",\"id\":\"hvnet-bridge\",\"socket\":" \
	       "{\"type\":\"unix\",\"path\":\"/run/hvnet/vm-web\"}}"
#define ONE "-smp|cpus=1,maxcpus=2|"
#define RAM(size) "-object|memory-backend-memfd,id=hvnet-ram,size=" size ",share=on|-machine|memory-backend=hvnet-ram"

static void build(void)
{
	CU_ASSERT_TRUE(built("", "qemu|" RAM("134217728") "|-nic|none|" ONE DEVICE));
	CU_ASSERT_TRUE(built("-M|q35|-m|1G|-kernel|/k", "qemu|" RAM("1073741824") "|-nic|none|-M|q35|-m|1G|-kernel|/k|" ONE DEVICE));
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|" ONE DEVICE));
	CU_ASSERT_TRUE(built("-nic|user|-m|1M", "qemu|" RAM("1048576") "|-nic|user|-m|1M|" ONE DEVICE));
	CU_ASSERT_TRUE(built("-object|memory-backend-memfd,id=r,size=1M|-M|pc,memory-backend=r",
			     "qemu|-nic|none|-object|memory-backend-memfd,id=r,size=1M|-M|pc,memory-backend=r|" ONE DEVICE));
	/* more than one, or the user's own business, or not TCG */
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M|-smp|2", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|-smp|2|" DEVICE));
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M|-smp|1", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|-smp|1|" ONE DEVICE));
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M|-smp|1,maxcpus=1", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|-smp|1,maxcpus=1|" DEVICE));
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M|-enable-kvm", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|-enable-kvm|" DEVICE));
	CU_ASSERT_TRUE(built("-nodefaults|-m|1M|-accel|kvm", "qemu|" RAM("1048576") "|-nodefaults|-m|1M|-accel|kvm|" DEVICE));
}

/* An emulated adapter is a device of its own; without synthetic ones there is no bridge. */
static void emulated(void)
{
	static const char *const sockets[] = { "/run/hvnet/vm-web:nic0", "/run/hvnet/vm-web:lan" };
	struct devices one = { .emulated = sockets, .num_emulated = 1 };
	struct devices mixed = { "/run/hvnet/vm-web", sockets, 2 };

	CU_ASSERT_TRUE(built_with(&one, "-m|1M|-smp|2", "qemu|" RAM("1048576") "|-nic|none|-m|1M|-smp|2|" NIC("0", "nic0")));
	CU_ASSERT_TRUE(built_with(&mixed, "-m|1M", "qemu|" RAM("1048576") "|-nic|none|-m|1M|" ONE DEVICE "|" NIC("0", "nic0") "|"
				  NIC("1", "lan")));
}

static void quoting(void)
{
	static const struct {
		const char *arg, *quoted;
	} rows[] = {
		{ "-m", "-m" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "$HOME", "'$HOME'" },
		{ "{\"a\":1}", "'{\"a\":1}'" },
		{ "~", "'~'" },
		{ "x=/y,z", "x=/y,z" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *q = args_quote(rows[i].arg);

		CU_ASSERT_STRING_EQUAL(q, rows[i].quoted);
		free(q);
	}
}

static struct options o;

static bool parse_options(const char *line)
{
	char *words[34] = { (char *)"hvnet-qemu" };

	split(line);
	memcpy(words + 1, argv, sizeof(argv[0]) * (size_t)(argc + 1));
	return options_parse(argc + 1, words, &o, error, sizeof(error));
}

static void own_options(void)
{
	CU_ASSERT_TRUE(parse_options("--nic|synthetic,switch=a,,b,mac=02:68:76:00:00:01|--nic|mtu=9000,name=n|--vm|web|--|-m|64"));
	CU_ASSERT_EQUAL(o.num_nics, 2);
	CU_ASSERT_STRING_EQUAL(o.nics[0].switch_name, "a,b");
	CU_ASSERT_STRING_EQUAL(o.nics[0].mac, "02:68:76:00:00:01");
	CU_ASSERT_STRING_EQUAL(o.nics[1].switch_name, "Default Switch");
	CU_ASSERT_STRING_EQUAL(o.nics[1].name, "n");
	CU_ASSERT_EQUAL(o.nics[1].mtu, 9000);
	CU_ASSERT_STRING_EQUAL(o.vm, "web");
	CU_ASSERT_EQUAL(o.num_qemu_args, 2);
	CU_ASSERT_EQUAL(o.nics[1].kind, NIC_SYNTHETIC);
	CU_ASSERT_TRUE(parse_options("--nic|emulated|--nic|emulated,model=82545em,switch=lab,name=e,mac=02:68:76:00:00:02|-m|64"));
	CU_ASSERT_EQUAL(o.num_nics, 2);
	CU_ASSERT_EQUAL(o.nics[0].kind, NIC_EMULATED);
	CU_ASSERT_STRING_EQUAL(o.nics[0].model, "");
	CU_ASSERT_STRING_EQUAL(o.nics[0].switch_name, "Default Switch");
	CU_ASSERT_EQUAL(o.nics[1].kind, NIC_EMULATED);
	CU_ASSERT_STRING_EQUAL(o.nics[1].model, "82545em");
	CU_ASSERT_STRING_EQUAL(o.nics[1].switch_name, "lab");
	CU_ASSERT_TRUE(parse_options("--print|-m|64"));
	CU_ASSERT_TRUE(o.print);
	CU_ASSERT_EQUAL(o.num_nics, 1);
	CU_ASSERT_EQUAL(o.num_qemu_args, 2);
}

static void option_lies(void)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "--nic|emulated,model=82574l", "no model" },
		{ "--nic|emulated,model=", "no model" },
		{ "--nic|emulated,mtu=9000", "unknown \"mtu\"" },
		{ "--nic|synthetic,model=82540em", "unknown \"model\"" },
		{ "--nic|model=82540em,emulated", "unknown \"model\"" },
		{ "--nic|emulated,synthetic", "expected synthetic" },
		{ "--nic|virtio", "expected synthetic" },
		{ "--nic|switch=x,synthetic", "expected synthetic" },
		{ "--nic|synthetic,vlan=4", "unknown \"vlan\"" },
		{ "--nic|synthetic,switch=", "switch's name" },
		{ "--nic|synthetic,mac=02:68", "MAC address" },
		{ "--nic|synthetic,mtu=100", "MTU" },
		{ "--nic|synthetic,mtu=1500x", "MTU" },
		{ "--nic", "needs a value" },
		{ "--vm", "needs a value" },
		{ "--vm=", "needs a value" },
		{ "--nick=synthetic", "unknown option" },
		{ "--nic=m|--nic=mtu=1500", "expected synthetic" },
		{ "--nic=synthetic|--nic=synthetic|--nic=synthetic|--nic=synthetic|--nic=synthetic|--nic=synthetic|"
		  "--nic=synthetic|--nic=synthetic|--nic=synthetic", "at most 8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse_options(rows[i].line) || !strstr(error, rows[i].says)) {
			printf("%s: %s\n", rows[i].line, error);
			CU_FAIL("accepted, or refused for another reason");
		}
}

static void versions(void)
{
	unsigned major = 0, minor = 0;

	CU_ASSERT_TRUE(qemu_parse_version("QEMU emulator version 11.1.3 (Debian 1:11.1.3)\nCopyright\n", &major, &minor));
	CU_ASSERT_EQUAL(major, 11);
	CU_ASSERT_EQUAL(minor, 1);
	CU_ASSERT_FALSE(qemu_parse_version("", &major, &minor));
	CU_ASSERT_FALSE(qemu_parse_version("QEMU emulator version ten\n", &major, &minor));
	CU_ASSERT_FALSE(qemu_version_serves(7, 2));
	CU_ASSERT_FALSE(qemu_version_serves(10, 0));
	CU_ASSERT_TRUE(qemu_version_serves(10, 1));
	CU_ASSERT_TRUE(qemu_version_serves(11, 0));
}

static const struct hv_test tests[] = {
	{ "memory sizes are QEMU's", sizes },
	{ "all processors that can ever be there count", processors },
	{ "memory that is not shared is refused", memory },
	{ "the guest's name becomes one that hvnetd takes", names },
	{ "what is missing is added, what is there stays", build },
	{ "emulated adapters are devices of their own", emulated },
	{ "arguments are quoted for a shell", quoting },
	{ "own options end where QEMU's begin", own_options },
	{ "wrong options are explained", option_lies },
	{ "QEMU's version decides whether it serves", versions },
};

HV_TEST_MAIN("hvnet-qemu/args", tests)
