/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a capture taken apart, and frames as lines: from frames written by hand, whole and cut off everywhere.
 */
#include "hvnetctl/capture_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/test.h"
#include "vswitch/pcapng.h"

static char *line(const struct capture_packet *p)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	capture_print(f, p, "vm/nic0");
	fclose(f);
	return text;
}

/* "0102 a0": bytes; how many. */
static uint32_t hex(const char *text, uint8_t *out)
{
	uint32_t n = 0;
	unsigned v;

	for (; *text; text++)
		if (*text != ' ') {
			sscanf(text, "%2x", &v);
			out[n++] = (uint8_t)v;
			text++;
		}
	return n;
}

#define MACS "020000000002 020000000001 "
#define IP4(protocol, offset) "0800 4500 0030 0001 " offset " 40" protocol " 0000 0a000001 0a000002 "
#define IP6(next) "86dd 6000 0000 0020 " next "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define SAYS "02:00:00:00:00:01 > 02:00:00:00:00:02"

static void lines(void)
{
	static const struct { const char *bytes, *says; } rows[] = {
		{ MACS IP4("06", "4000") "04d2 0050 00000001 00000002 5012 1000 0000 0000",
		  SAYS " IPv4 10.0.0.1:1234 > 10.0.0.2:80 tcp SA" },
		{ MACS IP4("06", "4000") "04d2 0050 00000001", SAYS " IPv4 10.0.0.1:1234 > 10.0.0.2:80 tcp" },
		{ MACS IP4("11", "4000") "0035 0036", SAYS " IPv4 10.0.0.1:53 > 10.0.0.2:54 udp" },
		{ MACS IP4("01", "4000") "0800", SAYS " IPv4 10.0.0.1 > 10.0.0.2 icmp echo request" },
		{ MACS IP4("01", "4000") "2a00", SAYS " IPv4 10.0.0.1 > 10.0.0.2 icmp type 42" },
		{ MACS IP4("2f", "4000"), SAYS " IPv4 10.0.0.1 > 10.0.0.2 protocol 47" },
		{ MACS IP4("11", "2001") "0035 0036", SAYS " IPv4 10.0.0.1 > 10.0.0.2 protocol 17 fragment at 8" },
		{ MACS "0800 4f00", SAYS " IPv4 cut off or malformed" },
		{ MACS "0800 4400 0030 0001 0000 4011 0000 0a000001 0a000002", SAYS " IPv4 cut off or malformed" },
		{ MACS "0800 6500 0030 0001 0000 4011 0000 0a000001 0a000002", SAYS " IPv4 cut off or malformed" },
		{ MACS IP6("06") "04d2 0050 00000001 00000002 5002", SAYS " IPv6 [2001:db8::1]:1234 > [2001:db8::2]:80 tcp S" },
		{ MACS IP6("3a") "87", SAYS " IPv6 2001:db8::1 > 2001:db8::2 icmp neighbour solicitation" },
		{ MACS IP6("3a") "03", SAYS " IPv6 2001:db8::1 > 2001:db8::2 icmp time exceeded" },
		{ MACS IP6("00") "3a00 0502 0000 0100 8f", SAYS " IPv6 2001:db8::1 > 2001:db8::2 icmp multicast listener report" },
		{ MACS IP6("2c") "1100 0041 00000001 0035 0036", SAYS " IPv6 2001:db8::1 > 2001:db8::2 protocol 17 fragment at 64" },
		{ MACS IP6("2c") "1100 0001 00000001 0035 0036", SAYS " IPv6 [2001:db8::1]:53 > [2001:db8::2]:54 udp" },
		{ MACS IP6("00") "3a05 0502", SAYS " IPv6 2001:db8::1 > 2001:db8::2 cut off or malformed" },
		{ MACS "0806 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002",
		  SAYS " ARP who has 10.0.0.2? tell 10.0.0.1" },
		{ MACS "0806 0001 0800 0604 0002 020000000001 0a000001 020000000002 0a000002",
		  SAYS " ARP 10.0.0.1 is at 02:00:00:00:00:01" },
		{ MACS "0806 0001 0800 0604 0001 02", SAYS " ARP" },
		{ MACS "8100 6005 " IP4("11", "4000") "0035 0036", SAYS " vlan 5 priority 3 IPv4 10.0.0.1:53 > 10.0.0.2:54 udp" },
		{ MACS "88a8 0005 8100 0006 88b5", SAYS " vlan 5 vlan 6 type 0x88b5" },
		{ MACS "8100 0001 8100 0001 8100 0001 8100 0001 8100 0001 0800", SAYS " vlan 1 vlan 1 vlan 1 vlan 1 type 0x8100" },
		{ MACS "0026 4242", SAYS " 802.3, 38 bytes" },
		{ MACS "88cc", SAYS " LLDP" },
		{ MACS, SAYS },
		{ "020000000002 02000000", "cut off" },
		{ "", "cut off" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture_packet p = { .flags = PCAPNG_FLAG_INBOUND, .bytes = 99 };
		char wanted[256], *text;
		uint8_t bytes[256];

		p.captured = hex(rows[i].bytes, bytes);
		p.data = bytes;
		text = line(&p);
		snprintf(wanted, sizeof(wanted), " vm/nic0 in %s, 99 bytes\n", rows[i].says);
		if (strlen(text) < 15 || strcmp(text + 15, wanted) != 0) {
			printf("%s%s", text, wanted);
			CU_FAIL("another line");
		}
		free(text);
		/* Cut off anywhere: the sanitizers say whether anything beyond is read. */
		for (uint32_t n = 0; n < p.captured; n++) {
			struct capture_packet cut = p;
			uint8_t *copy = malloc(n + !n);

			memcpy(copy, bytes, n);
			cut.data = copy;
			cut.captured = n;
			text = line(&cut);
			CU_ASSERT_PTR_NOT_NULL(strstr(text, ", 99 bytes\n"));
			free(text);
			free(copy);
		}
	}
}

static void time_direction_comment(void)
{
	static const char comment[] = "dropped: acl (rule 7)tail that is not its";
	struct capture_packet p = { .time_ns = 1700000000123456789ull, .flags = PCAPNG_FLAG_OUTBOUND, .bytes = 60,
				    .comment = { comment, 21 } };
	char *text, *zone = getenv("TZ"), *old = zone ? strdup(zone) : NULL;

	setenv("TZ", "UTC", 1);
	tzset();
	text = line(&p);
	CU_ASSERT_STRING_EQUAL(text, "22:13:20.123456 vm/nic0 out cut off, 60 bytes [dropped: acl (rule 7)]\n");
	free(text);
	if (old)
		setenv("TZ", old, 1);
	else
		unsetenv("TZ");
	tzset();
	free(old);
}

static void blocks(void)
{
	const struct pcapng_statistics_desc d = { .interface = 1, .received = 1ull << 40, .accepted = 7, .dropped = 5 };
	const struct pcapng_packet_desc pd = { .interface = 3, .time_ns = 1700000000123456789ull, .captured_bytes = 5, .bytes = 1514,
					       .flags = PCAPNG_FLAG_INBOUND, .dropped = 1, .comment = "why" };
	struct capture_counts counts;
	struct capture_packet packet;
	struct capture_text name;
	uint8_t b[1024], *data;
	uint32_t n;

	n = (uint32_t)pcapng_write_interface(b, sizeof(b), "vm/nic0", "words", 0);
	CU_ASSERT_TRUE(capture_read_interface(b, n, &name));
	CU_ASSERT(name.n == 7 && !memcmp(name.s, "vm/nic0", 7));
	CU_ASSERT_FALSE(capture_read_packet(b, n, &packet));
	n = (uint32_t)pcapng_write_statistics(b, sizeof(b), &d);
	CU_ASSERT_TRUE(capture_read_statistics(b, n, &counts));
	CU_ASSERT(counts.seen == 1ull << 40 && counts.accepted == 7 && counts.dropped == 5);
	n = (uint32_t)pcapng_write_packet(b, sizeof(b), &pd, &data);
	memcpy(data, "hello", 5);
	CU_ASSERT_TRUE(capture_read_packet(b, n, &packet));
	CU_ASSERT(packet.interface == 3 && packet.time_ns == 1700000000123456789ull && packet.bytes == 1514);
	CU_ASSERT(packet.captured == 5 && !memcmp(packet.data, "hello", 5) && packet.flags == PCAPNG_FLAG_INBOUND);
	CU_ASSERT(packet.comment.n == 3 && !memcmp(packet.comment.s, "why", 3));
	/* Lengths that lie: nothing outside of the block is read (a sanitizer would say), and no packet comes of the data's. */
	for (uint32_t lie = 0; lie < n; lie++) {
		uint8_t *copy = malloc(lie + !lie);

		memcpy(copy, b, lie);
		if (lie >= 8 && capture_read_packet(copy, lie, &packet))
			CU_ASSERT(lie >= 28 + 8 + 4 && packet.captured == 5);
		free(copy);
	}
	b[20] = 0xff;
	CU_ASSERT_FALSE(capture_read_packet(b, n, &packet));
	memset(b + 20, 0xff, 4);
	CU_ASSERT_FALSE(capture_read_packet(b, n, &packet));
}

static const struct hv_test tests[] = {
	{ "each kind of frame as a line, and cut off anywhere", lines },
	{ "time, direction and comment", time_direction_comment },
	{ "blocks are taken apart, and lies in them refused", blocks },
};

HV_TEST_MAIN("hvnetctl/capture", tests)
