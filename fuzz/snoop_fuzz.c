/* SPDX-License-Identifier: MIT */
/*
 * Multicast into a switch that snoops. The parser reads nothing that it was not given, and says the same however much of the frame it
 * is shown; what the switch has learned is what it counts, stays in its bounds, and goes with the ports.
 *
 * Each record: port, seconds that pass and whether checksums are made right (1 byte), the number of bytes of a frame (1 byte), the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "vswitch/headers.h"
#include "vswitch/internal.h"
#include "vswitch/snoop_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS = 4, RECORDS = 200 };

#define NS_PER_S 1000000000ull

struct seen {
	uint32_t listeners, routers, queriers;
};

static void ensure(bool x)
{
	if (!x)
		abort();
}

/* In memory of exactly that size, so that a byte more is noticed. */
static bool parse(const uint8_t *p, uint32_t have, uint32_t len, struct snoop_message *m, uint32_t *records)
{
	uint8_t *block = malloc(have ? have : 1);
	struct snoop_record r;
	bool ok;

	if (!block)
		abort();
	memcpy(block, p, have);
	ok = snoop_parse(block, have, len, false, m);
	*records = 0;
	while (ok && m->kind == SNOOP_REPORT && snoop_next_record(m, &r)) {
		ensure(m->version == 4 ? r.group[0] >> 4 == 14 : r.group[0] == 0xff);
		++*records;
	}
	free(block);
	return ok;
}

static void try_parser(const uint8_t *p, uint32_t len)
{
	struct snoop_message whole, part;
	uint32_t records, part_records;

	ensure(parse(p, len, len, &whole, &records));
	ensure(whole.kind != SNOOP_DATA || !snoop_is_local(whole.version, whole.group));
	for (uint32_t have = 0; have < len; have += 5)
		if (parse(p, have, len, &part, &part_records))
			ensure(part.kind == whole.kind && part.fault == whole.fault && part.version == whole.version &&
			       !memcmp(part.group, whole.group, 16) && part_records == records);
}

/* Random bytes hardly ever have a good sum. */
static void make_sums(uint8_t *p, uint32_t len)
{
	struct headers h;
	uint32_t at;
	uint16_t sum;

	if (headers_of_frame(p, len, len, HEADERS_SOBER, &h) != HEADERS_FOUND || !h.version)
		return;
	if (h.version == 4)
		checksum_ipv4_header(p + h.network);
	at = h.transport + 2;
	if (h.fragment_offset || h.end - h.transport < 4)
		return;
	memset(p + at, 0, 2);
	sum = (uint16_t)~hv_sum_fold(hv_sum_add(h.version == 4 ? 0 : checksum_pseudo(p + h.network, h.protocol, h.end - h.transport),
						p + h.transport, h.end - h.transport, false));
	memcpy(p + at, &sum, 2);
}

/* The switch. */

static void deliver(void *opaque, const struct vswitch_frame *const *frames, unsigned n)
{
	(void)opaque, (void)frames, (void)n;
}

static const struct vswitch_nic_ops ops = { .deliver = deliver };
static struct vswitch_nic nics[PORTS];
static struct vswitch_port *ports[PORTS];

static struct vswitch *make_switch(void)
{
	const struct vswitch_config config = { .name = "fuzz" };
	const struct vswitch_options options = { .multicast_snooping = true };
	struct vswitch *sw;
	char name[] = "p0";

	ensure(!vswitch_create(NULL, &config, &sw) && !vswitch_set_options(sw, &options));
	for (int i = 0; i < PORTS; i++) {
		nics[i] = (struct vswitch_nic){
			.kind = VSWITCH_NIC_EXTERNAL, .max_frame_bytes = 1514, .ops = &ops,
		};
		name[1] = (char)('0' + i);
		ensure(!vswitch_port_create(sw, name, &ports[i]));
	}
	return sw;
}

static void plug(void)
{
	for (int i = 0; i < PORTS; i++)
		ensure(!vswitch_port_connect(ports[i], &nics[i]));
}

static void count(void *cookie, const struct vswitch_snoop_entry *e)
{
	static const uint8_t nobody[16];
	struct seen *seen = cookie;

	ensure(e->version == 4 || e->version == 6);
	ensure(!e->is_querier || (e->is_router && memcmp(e->address, nobody, 16) != 0));
	ensure(e->is_router || !snoop_is_local(e->version, e->group));
	seen->listeners += !e->is_router;
	seen->routers += e->is_router;
	seen->queriers += e->is_querier;
}

static void check(const struct vswitch *sw)
{
	struct vswitch_snoop_stats s;
	struct seen seen = { 0 };

	vswitch_snoop_stats(sw, &s);
	vswitch_snoop_visit(sw, count, &seen);
	ensure(s.members == seen.listeners && s.routers == seen.routers && s.queriers == seen.queriers);
	ensure(s.groups <= s.members && s.groups <= VSWITCH_SNOOP_GROUPS && s.members + s.routers <= VSWITCH_SNOOP_MEMBERS);
}

/* Making a switch takes long, for a fuzzer; nothing of what was learned is left for the next input. */
static void unplug(const struct vswitch *sw)
{
	struct vswitch_snoop_stats s;

	for (int i = 0; i < PORTS; i++)
		vswitch_port_disconnect(ports[i]);
	vswitch_snoop_stats(sw, &s);
	ensure(!s.members && !s.routers && !s.groups && !s.queriers);
}

static void input(unsigned port, const uint8_t *p, uint32_t len)
{
	struct vswitch_frame f = { .len = len, .head_bytes = (uint16_t)(len < VSWITCH_HEAD_BYTES ? len : VSWITCH_HEAD_BYTES) };
	struct vswitch_frame *batch = &f;
	struct iovec seg = { (void *)(uintptr_t)(p + f.head_bytes), len - f.head_bytes };

	memcpy(f.head, p, f.head_bytes);
	f.segs = &seg;
	f.nsegs = len > f.head_bytes;
	vswitch_port_input(ports[port], &batch, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t now_ns = 1000 * NS_PER_S;
	struct rd r = { data, size };
	static struct vswitch *sw;
	uint8_t record[2], bytes[256] = { 0 };

	if (!sw)
		sw = make_switch();
	plug();
	for (unsigned n = 0; n < RECORDS && rd_copy(&r, record, 2); n++) {
		if (!rd_copy(&r, bytes, record[1]))
			break;
		now_ns += (record[0] >> 3) * NS_PER_S;
		if (record[0] >> 3)
			vswitch_tick(sw, now_ns);
		if (record[0] & 4)
			make_sums(bytes, record[1]);
		try_parser(bytes, record[1]);
		input(record[0] & 3, bytes, record[1]);
		check(sw);
	}
	unplug(sw);
	return 0;
}
