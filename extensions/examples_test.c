/* SPDX-License-Identifier: MIT */
/*
 * The examples, loaded as a user would load them, and what the loader turns away.
 */
#include <errno.h>
#include <sys/stat.h>

#include "extensions/test_paths.h"
#include "vswitch/test_nic.h"

enum { A, B, WIRE, NICS };

static struct vswitch *sw;
static struct test_nic nics[NICS];
static struct test_frame *frame;
static struct vswitch_library *library;
static struct vswitch_extension *e;

static void plug(unsigned i, const char *name, enum vswitch_nic_kind kind, uint32_t caps)
{
	test_nic_init(&nics[i], kind, i + 1, caps);
	if (vswitch_port_create(sw, name, &nics[i].port) || vswitch_port_connect(nics[i].port, &nics[i].nic))
		abort();
}

static int load(const char *so, const char *config)
{
	const struct vswitch_extension_config c = { .config = config };
	char error[512];

	if (vswitch_library_open(object(so), error, sizeof(error), &library)) {
		printf("%s\n", error);
		abort();
	}
	return vswitch_extension_attach(sw, vswitch_library_module(library), &c, &e);
}

static void begin(const char *so, const char *config)
{
	hv_log_set_level(HV_LOG_ERROR);
	sw = test_switch();
	frame = test_frame_new();
	plug(A, "a", VSWITCH_NIC_SYNTHETIC, VSWITCH_CAN_VLAN);
	plug(B, "b", VSWITCH_NIC_SYNTHETIC, VSWITCH_CAN_VLAN);
	plug(WIRE, "wire", VSWITCH_NIC_EXTERNAL, VSWITCH_CAN_VLAN);
	CU_ASSERT_EQUAL_FATAL(load(so, config), 0);
	CU_ASSERT_EQUAL(vswitch_extension_enable(e), 0);
}

static void finish(void)
{
	struct vswitch_extension_stats s;

	vswitch_extension_stats(e, &s);
	CU_ASSERT_EQUAL(s.misuse, 0);
	for (unsigned i = 0; i < NICS; i++)
		if (nics[i].port)
			test_nic_unplug(&nics[i]);
	vswitch_destroy(sw);
	vswitch_library_close(library);
	free(frame);
}

static void end(void)
{
	CU_ASSERT(test_balanced(sw));
	finish();
}

/* From A to B: IPv4 with so many bytes of options, or IPv6; UDP or TCP with ports. */
static void make_ip(bool v6, unsigned options, uint8_t proto, unsigned from_port, unsigned to_port)
{
	uint32_t l4 = v6 ? 54 : 34 + options;
	uint8_t *p = frame->bytes;

	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 200);
	put_be16(p + 12, v6 ? 0x86dd : 0x0800);
	memset(p + 14, 0, l4 - 14);
	if (v6) {
		p[14] = 0x60;
		put_be16(p + 18, 200 - 54);
		p[20] = proto;
		p[22] = 0xfd;
		p[38] = 0xfe;
	} else {
		p[14] = (uint8_t)(0x45 + options / 4);
		put_be16(p + 16, 200 - 14);
		p[23] = proto;
		p[26] = p[30] = 10;
		p[29] = 1;
		p[33] = 2;
	}
	put_be16(p + l4, from_port);
	put_be16(p + l4 + 2, to_port);
	test_frame_set(frame, 200);
}

static void send(void)
{
	test_nic_clear(&nics[B]);
	test_nic_clear(&nics[WIRE]);
	test_send(&nics[A], frame);
}

static void send_ip(bool v6, unsigned options, uint8_t proto, unsigned from_port, unsigned to_port)
{
	make_ip(v6, options, proto, from_port, to_port);
	send();
}

/* ---- bpf ---- */

static void expressions_drop_what_they_match(void)
{
	begin("bpf_filter", "drop udp dst port 53");
	send_ip(false, 0, 17, 1, 53);
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	send_ip(false, 40, 17, 1, 53);	/* the expression follows the header's length */
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	send_ip(true, 0, 17, 1, 53);
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	send_ip(false, 0, 17, 53, 1);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	send_ip(false, 0, 6, 1, 53);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 3);
	end();
}

static void expressions_pass_only_what_they_match(void)
{
	begin("bpf_filter", "egress pass ip6 or arp");
	send_ip(true, 0, 17, 1, 53);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	send_ip(false, 0, 17, 1, 53);
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	CU_ASSERT_EQUAL(test_out_dropped(&nics[B], VSWITCH_DROP_EXTENSION), 1);
	end();
}

static void expressions_see_tags_and_bytes_far_in(void)
{
	begin("bpf_filter", "drop vlan 7 or ether[190] = 0x55");
	make_ip(false, 0, 17, 1, 2);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 7;
	send();
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	make_ip(false, 0, 17, 1, 2);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 8;
	send();
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	make_ip(false, 0, 17, 1, 2);
	frame->bytes[190] = 0x55;
	send();
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	end();
}

static void wrong_configurations_are_explained(void)
{
	static const struct { const char *so, *config, *says; } rows[] = {
		{ "bpf_filter", "", "drop EXPRESSION" },
		{ "bpf_filter", "drop", "no expression" },
		{ "bpf_filter", "drop tcp prt 5", "syntax error" },
		{ "pcapng", "", "file=PATH is missing" },
		{ "pcapng", "file=/nonexistent/x", "No such file" },
		{ "pcapng", "file=/dev/null snap=3", "snap= takes" },
		{ "pcapng", "file=/dev/null bla", "\"bla\"" },
		{ "flow_table", "in=a", "ACTION" },
		{ "flow_table", "in=a -> ", "ACTION" },
		{ "flow_table", "inn=a -> b", "\"inn=a\"" },
		{ "flow_table", "ip-src=10.0.0.0/33 -> b", "\"ip-src=10.0.0.0/33\"" },
		{ "flow_table", "vlan=4095 -> b", "\"vlan=4095\"" },
		{ "flow_table", "-> b/33", "\"b/33\"" },
		{ "flow_table", "file=/nonexistent/x", "No such file" },
	};

	hv_log_set_level(HV_LOG_ERROR);
	sw = test_switch();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT(load(rows[i].so, rows[i].config) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(vswitch_refusal(sw)->reason, rows[i].says));
		if (!strstr(vswitch_refusal(sw)->reason, rows[i].says))
			printf("\n%s: %s\n", rows[i].config, vswitch_refusal(sw)->reason);
		vswitch_library_close(library);
	}
	vswitch_destroy(sw);
}

/* ---- flow table ---- */

static void the_first_row_that_matches_counts(void)
{
	begin("flow_table", "in=a proto=17 port-dst=53 -> wire   # names go outside\n"
			    "ip-dst=10.0.0.2 port-dst=80 -> drop\n"
			    "ip-src=fd00::/8 -> b wire\n"
			    "ip-dst=10.0.0.0/8 port-dst=81 -> nobody\n"
			    "dst=02:00:00:00:00:02 type=0x88b5 -> wire; in=b -> drop");
	send_ip(false, 0, 17, 1, 53);
	CU_ASSERT(nics[B].num_got == 0 && nics[WIRE].num_got == 1);
	send_ip(false, 0, 6, 1, 53);
	CU_ASSERT(nics[B].num_got == 1 && nics[WIRE].num_got == 0);	/* no row: natively */
	send_ip(false, 0, 6, 1, 80);
	CU_ASSERT(nics[B].num_got == 0 && nics[WIRE].num_got == 0);
	send_ip(true, 0, 6, 1, 80);
	CU_ASSERT(nics[B].num_got == 1 && nics[WIRE].num_got == 1);
	send_ip(false, 0, 6, 1, 81);		/* to one who is not there */
	CU_ASSERT(nics[B].num_got == 0 && nics[WIRE].num_got == 0);
	test_frame_plain(frame, nics[B].nic.mac, nics[A].nic.mac, 60);
	send();
	CU_ASSERT(nics[B].num_got == 0 && nics[WIRE].num_got == 1);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 2);
	/* A fragment that is not the first has no ports. */
	make_ip(false, 0, 17, 1, 53);
	put_be16(frame->f.head + 20, 100);
	send();
	CU_ASSERT(nics[B].num_got == 1 && nics[WIRE].num_got == 0);
	end();
}

static void rows_follow_their_ports(void)
{
	begin("flow_table", "in=a -> late");
	send_ip(false, 0, 17, 1, 1);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 1);
	test_nic_unplug(&nics[WIRE]);
	plug(WIRE, "late", VSWITCH_NIC_EXTERNAL, 0);
	send_ip(false, 0, 17, 1, 1);
	CU_ASSERT_EQUAL(nics[WIRE].num_got, 1);
	CU_ASSERT(test_balanced(sw));
	test_nic_unplug(&nics[WIRE]);	/* and with it what it got from the sums */
	make_ip(false, 0, 17, 1, 1);
	test_send(&nics[A], frame);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 2);
	finish();
}

static void members_are_rows_business_too(void)
{
	begin("flow_table", "port-dst=1 -> wire/1; port-dst=2 -> wire/2; port-dst=3 -> wire/3");
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[WIRE].port, 1, NULL, NULL), 0);
	CU_ASSERT_EQUAL(vswitch_nic_create(nics[WIRE].port, 2, NULL, NULL), 0);
	send_ip(false, 0, 17, 1, 1);
	CU_ASSERT_EQUAL(nics[WIRE].num_got, 1);
	send_ip(false, 0, 17, 1, 3);
	CU_ASSERT_EQUAL(nics[WIRE].num_got, 0);
	CU_ASSERT_EQUAL(test_in_dropped(&nics[A], VSWITCH_DROP_EXTENSION), 1);
	end();
}

static void rows_know_the_member_that_a_frame_came_by(void)
{
	begin("flow_table", "in=wire/2 -> a; in=wire/0 port-dst=9 -> b; in=wire -> drop");
	for (uint8_t member = 1; member <= 3; member++) {
		make_ip(false, 0, 17, 1, member == 3 ? 9 : 1);
		memcpy(frame->f.head + 6, (const uint8_t[]){ 2, 0xee, 0, 0, 0, 1 }, 6);
		frame->f.member = member;
		test_send(&nics[WIRE], frame);
		CU_ASSERT_EQUAL(nics[A].num_got, member >= 2);
		CU_ASSERT_EQUAL(nics[B].num_got, member == 3);
	}
	end();
}

static void names_of_adapters_are_no_members(void)
{
	begin("flow_table", "in=vm/nic -> wire; in=a -> vm/nic");
	test_nic_unplug(&nics[B]);
	plug(B, "vm/nic", VSWITCH_NIC_SYNTHETIC, 0);
	send_ip(false, 0, 17, 1, 1);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	memcpy(frame->f.head + 6, nics[B].nic.mac, 6);
	test_send(&nics[B], frame);
	CU_ASSERT_EQUAL(nics[WIRE].num_got, 1);
	end();
}

/* ---- pcapng ---- */

static size_t read_file(const char *path, uint8_t *to, size_t room)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return 0;
	n = fread(to, 1, room, f);
	fclose(f);
	return n;
}

static void a_capture_is_a_file_with_the_frames(void)
{
	char config[160], path[64];
	uint8_t *bytes = malloc(65536);
	struct stat st;
	size_t n;

	snprintf(path, sizeof(path), "/tmp/hvnet-examples-%d.pcapng", (int)getpid());
	snprintf(config, sizeof(config), "file=%s ingress snap=100", path);
	begin("pcapng", config);
	make_ip(false, 0, 17, 0x1234, 0x5678);
	frame->f.offload.flags = VSWITCH_VLAN;
	frame->f.offload.vlan_tci = 0x2007;
	send();
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	vswitch_extension_disable(e);		/* writes what it has */
	n = read_file(path, bytes, 65536);
	CU_ASSERT(n > 200 && n < 700);
	CU_ASSERT_EQUAL(get_be32(bytes), 0x0a0d0d0a);
	CU_ASSERT_PTR_NOT_NULL(memmem(bytes, n, "\x81\x00\x20\x07\x08\x00\x45\x00", 8));
	CU_ASSERT_PTR_NOT_NULL(memmem(bytes, n, "\x12\x34\x56\x78", 4));
	CU_ASSERT(!stat(path, &st) && (st.st_mode & 0777) == 0600);
	end();
	unlink(path);
	free(bytes);
}

/* ---- the loader ---- */

static void refuse(const char *path, int error, const char *says)
{
	struct vswitch_library *l;
	char text[512] = "";

	CU_ASSERT_EQUAL(vswitch_library_open(path, text, sizeof(text), &l), error);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, says));
	if (!strstr(text, says))
		printf("\n%s: %s\n", path, text);
}

static void the_loader_is_careful(void)
{
	char dir[] = "/tmp/hvnet-loader-XXXXXX", path[64], command[3 * PATH_MAX];
	struct vswitch_library *one, *two;

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/x.so", dir);
	refuse(path, -ENOENT, "No such file");
	refuse(dir, -EACCES, "not a regular file");
	refuse(object("bad_symbol"), -ENOEXEC, "exports no symbol");
	refuse(object("bad_abi"), -EPROTO, "version 2 of the interface");
	refuse(object("bad_module"), -EPROTO, "not well-formed");
	snprintf(command, sizeof(command), "cp '%s' %s", object("pcapng"), path);
	CU_ASSERT_EQUAL(system(command), 0);
	chmod(path, 0755);
	CU_ASSERT_EQUAL(vswitch_library_open(path, NULL, 0, &one), 0);
	/* Two at once are two, though they may be opened by one descriptor number. */
	CU_ASSERT_EQUAL(vswitch_library_open(object("flow_table"), NULL, 0, &two), 0);
	CU_ASSERT_STRING_EQUAL(vswitch_library_module(one)->name, "pcapng");
	CU_ASSERT_STRING_EQUAL(vswitch_library_module(two)->name, "flow-table");
	vswitch_library_close(one);
	vswitch_library_close(two);
	chmod(path, 0775);
	refuse(path, -EACCES, "can be written by others");
	chmod(path, 0757);
	refuse(path, -EACCES, "can be written by others");
	if (!geteuid()) {
		chmod(path, 0755);
		CU_ASSERT_EQUAL(chown(path, 12345, 0), 0);
		refuse(path, -EACCES, "belongs to user 12345");
	}
	if (truncate(path, 5000))
		abort();
	chmod(path, 0755);
	if (chown(path, geteuid(), (gid_t)-1))
		abort();
	refuse(path, -ELIBBAD, "cannot be loaded");
	unlink(path);
	rmdir(dir);
}

static const struct hv_test tests[] = {
	{ "expressions drop what they match", expressions_drop_what_they_match },
	{ "expressions pass only what they match", expressions_pass_only_what_they_match },
	{ "expressions see tags and bytes far in", expressions_see_tags_and_bytes_far_in },
	{ "wrong configurations are explained", wrong_configurations_are_explained },
	{ "the first row that matches counts", the_first_row_that_matches_counts },
	{ "rows follow their ports", rows_follow_their_ports },
	{ "members are rows' business too", members_are_rows_business_too },
	{ "rows know the member that a frame came by", rows_know_the_member_that_a_frame_came_by },
	{ "names of adapters are no members", names_of_adapters_are_no_members },
	{ "a capture is a file with the frames", a_capture_is_a_file_with_the_frames },
	{ "the loader is careful", the_loader_is_careful },
};

HV_TEST_MAIN("extensions/examples", tests)
