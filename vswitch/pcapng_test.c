/* SPDX-License-Identifier: MIT */
/*
 * What we write as pcapng, read back by a reader that shares nothing with the writer.
 */
#include "vswitch/pcapng.h"

#include "vswitch/test_pcapng.h"

static uint8_t file[65536];
static size_t used;

static void add(size_t n)
{
	CU_ASSERT_FATAL(n > 0 && n <= sizeof(file) - used);
	used += n;
}

static size_t room(void)
{
	return sizeof(file) - used;
}

static void begin(void)
{
	memset(file, 0xee, sizeof(file));
	used = 0;
	add(pcapng_write_section(file, room(), "hvnet test"));
}

static void add_interface(const char *name, const char *description)
{
	add(pcapng_write_interface(file + used, room(), name, description, 1500));
}

static void add_packet(const struct pcapng_packet_desc *d, uint8_t fill)
{
	uint8_t *data = NULL;
	size_t n = pcapng_write_packet(file + used, room(), d, &data);

	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	CU_ASSERT_PTR_EQUAL(data, file + used + 28);
	memset(data, fill, d->captured_bytes);
	add(n);
}

static void whole_file(void)
{
	const struct pcapng_offload offload = { .pen = to_le32(32473), .gso_size = to_le16(1448) };
	struct pcapng_packet_desc d = {
		.interface = 1, .time_ns = 1700000000123456789ull, .captured_bytes = 61, .bytes = 1514,
		.flags = PCAPNG_FLAG_OUTBOUND, .dropped = 5000000000ull, .comment = "dropped: acl", .offload = &offload,
	};
	struct pcapng_statistics_desc s = {
		.interface = 1, .start_ns = 1700000000000000001ull, .end_ns = 1700000001000000002ull, .received = 12,
		.accepted = 11, .dropped = 10,
	};
	struct read_capture *r;

	begin();
	add_interface("vm/nic0", "a port");
	add_interface("vm/nic1", "another");
	add_packet(&d, 0xa5);
	add_packet(&(struct pcapng_packet_desc){ .time_ns = 3, .flags = PCAPNG_FLAG_INBOUND, .bytes = 60 }, 0);
	add(pcapng_write_statistics(file + used, room(), &s));
	r = test_read_file(file, used);
	CU_ASSERT_STRING_EQUAL(r->application, "hvnet test");
	CU_ASSERT_EQUAL(r->num_interfaces, 2);
	CU_ASSERT_STRING_EQUAL(r->interfaces[1].name, "vm/nic1");
	CU_ASSERT_STRING_EQUAL(r->interfaces[0].description, "a port");
	CU_ASSERT_EQUAL(r->interfaces[0].snap, 1500);
	CU_ASSERT_EQUAL_FATAL(r->num_packets, 2);
	CU_ASSERT_EQUAL(r->packets[0].interface, 1);
	CU_ASSERT_EQUAL(r->packets[0].time_ns, 1700000000123456789ull);
	CU_ASSERT_EQUAL(r->packets[0].captured, 61);
	CU_ASSERT_EQUAL(r->packets[0].len, 1514);
	CU_ASSERT_EQUAL(r->packets[0].flags, 2);
	CU_ASSERT_EQUAL(r->packets[0].dropped, 5000000000ull);
	CU_ASSERT_STRING_EQUAL(r->packets[0].comment, "dropped: acl");
	CU_ASSERT_EQUAL(r->packets[0].data[60], 0xa5);
	CU_ASSERT(r->packets[0].has_custom && r->packets[0].custom_bytes == 24);
	CU_ASSERT_EQUAL(test_u32(r->packets[0].custom), 32473);
	CU_ASSERT_EQUAL(test_u16(r->packets[0].custom + 10), 1448);
	CU_ASSERT_EQUAL(r->packets[1].flags, 1);
	CU_ASSERT_EQUAL(r->packets[1].captured, 0);
	CU_ASSERT(!r->packets[1].has_custom && !r->packets[1].comment[0] && !r->packets[1].dropped);
	CU_ASSERT_EQUAL(r->interfaces[1].received, 12);
	CU_ASSERT_EQUAL(r->interfaces[1].accepted, 11);
	CU_ASSERT_EQUAL(r->interfaces[1].dropped, 10);
	CU_ASSERT_EQUAL(r->interfaces[1].start_ns, 1700000000000000001ull);
	CU_ASSERT_EQUAL(r->interfaces[1].end_ns, 1700000001000000002ull);
	free(r);
}

static void every_length(void)
{
	struct read_capture *r;

	for (uint32_t n = 0; n < 9; n++) {
		char text[16] = "";

		memset(text, 'x', n);
		begin();
		add_interface(n ? text : "a", n ? text : "a");
		add_packet(&(struct pcapng_packet_desc){ .captured_bytes = n, .bytes = n, .comment = text }, 0x5a);
		r = test_read_file(file, used);
		CU_ASSERT_EQUAL(r->num_packets, 1);
		CU_ASSERT_EQUAL(strlen(r->packets[0].comment), n);
		free(r);
		CU_ASSERT_EQUAL(file[used], 0xee);	/* nothing beyond */
	}
}

static void nothing_without_room(void)
{
	struct pcapng_packet_desc d = { .captured_bytes = 60, .bytes = 60, .comment = "c" };
	uint8_t *data;
	size_t n;

	begin();
	n = pcapng_write_packet(file + used, room(), &d, &data);
	memset(file, 0xee, sizeof(file));
	CU_ASSERT_EQUAL(pcapng_write_packet(file, n - 1, &d, &data), 0);
	CU_ASSERT_EQUAL(pcapng_write_section(file, 27, NULL), 0);
	CU_ASSERT_EQUAL(pcapng_write_interface(file, 19, "a", "b", 0), 0);
	CU_ASSERT_EQUAL(pcapng_write_statistics(file, PCAPNG_STATISTICS_BYTES - 1, &(struct pcapng_statistics_desc){ 0 }), 0);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(file[i], 0xee);
	CU_ASSERT_EQUAL(pcapng_write_packet(file, n, &d, &data), n);
	CU_ASSERT_EQUAL(file[n], 0xee);
	CU_ASSERT_EQUAL(pcapng_write_statistics(file, PCAPNG_STATISTICS_BYTES, &(struct pcapng_statistics_desc){ 0 }),
			PCAPNG_STATISTICS_BYTES);
}

static void long_texts_are_cut(void)
{
	static char text[2000];
	struct read_capture *r;

	/* An odd byte, then characters of two: a cut at 512 would split one. */
	text[0] = 'a';
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	begin();
	add_interface("a", "b");
	add_packet(&(struct pcapng_packet_desc){ .comment = text }, 0);
	r = test_read_file(file, used);
	CU_ASSERT_EQUAL(strlen(r->packets[0].comment), 511);
	CU_ASSERT_EQUAL(memcmp(r->packets[0].comment, text, 511), 0);
	free(r);
}

static const struct hv_test tests[] = {
	{ "all blocks and options are as the draft says", whole_file },
	{ "data and texts of every length are padded with zeros", every_length },
	{ "a block that does not fit is not written at all", nothing_without_room },
	{ "a long text ends with a whole character", long_texts_are_cut },
};

HV_TEST_MAIN("vswitch/pcapng", tests)
