/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs in the switch, against the size of what it has to find its way through: ports, learned addresses, ACL entries,
 * flows; and how long a control request keeps the data path waiting. No guests: NICs that take everything at no cost.
 *
 * Quote the ratios, to the first column of the same row in the same run. In most rows each frame is for another address, so that
 * nothing of the large sizes is found in the processor's caches: that is what they show beside the search. In rows that say so only 64
 * addresses are in use; what is flat stays near 1 there.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"
#include "vswitch/vswitch.h"

enum { SIZES = 4, MAC_BASE = 0x1000000, IN_USE = 64 };

#define NS_PER_S 1000000000ull

static double seconds = 1;		/* of measuring per row */
static struct vswitch *sw;
static struct vswitch_port *guest, *uplink;
static struct vswitch_frame frames[VSWITCH_BATCH];
static struct vswitch_frame *batch[VSWITCH_BATCH];
static uint32_t next_number;		/* of the frames of a row */
static uint32_t last_acl;

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "switch_bench: %s: %s\n", what, strerror(-ret));
	exit(1);
}

/* The processor's time that we had: what else runs on the machine is not the switch's. */
static uint64_t used_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- a switch ---- */

static void deliver(void *opaque, const struct vswitch_frame *const *f, unsigned n)
{
	(void)opaque;
	(void)f;
	(void)n;
}

static const struct vswitch_nic_ops ops = { .deliver = deliver };

static void mac(uint32_t number, uint8_t *m)
{
	number += MAC_BASE;
	m[0] = 0x02;
	m[1] = 0;
	for (unsigned i = 0; i < 4; i++)
		m[2 + i] = (uint8_t)(number >> (24 - 8 * i));
}

/* NICs live as long as the program: a switch may keep their addresses. */
static struct vswitch_port *plug(enum vswitch_nic_kind kind, uint32_t number)
{
	struct vswitch_nic *nic = calloc(1, sizeof(*nic));
	struct vswitch_port *port;
	char name[16];

	must(nic ? 0 : -12, "a NIC");
	*nic = (struct vswitch_nic){ .kind = kind, .caps = VSWITCH_CAN_CSUM, .max_frame_bytes = 65550, .ops = &ops };
	if (kind != VSWITCH_NIC_EXTERNAL)
		mac(number, nic->mac);
	snprintf(name, sizeof(name), "p%u", number);
	must(vswitch_port_create(sw, name, &port), "a port");
	must(vswitch_port_connect(port, nic), "its NIC");
	return port;
}

static void free_port(struct vswitch_port *port)
{
	const struct vswitch_nic *nic = vswitch_port_nic(port);

	vswitch_port_destroy(port);
	free((void *)(uintptr_t)nic);
}

/* Guests 1 … ports - 1, the first of which sends, and an uplink. */
static void open_switch(uint32_t ports)
{
	struct vswitch_config config = { .name = "bench", .max_learned = 131072, .ageing_s = 1000000 };

	must(vswitch_create(NULL, &config, &sw), "a switch");
	uplink = plug(VSWITCH_NIC_EXTERNAL, 0);
	guest = plug(VSWITCH_NIC_SYNTHETIC, 1);
	for (uint32_t i = 2; i < ports; i++)
		plug(VSWITCH_NIC_SYNTHETIC, i);
	last_acl = 0;
}

static void close_switch(void)
{
	struct vswitch_port *p;

	while ((p = vswitch_next_port(sw, NULL)))
		free_port(p);
	vswitch_destroy(sw);
}

/* ---- frames ---- */

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* A UDP packet of 60 bytes; what differs from frame to frame is written over it. */
static void make_frames(void)
{
	for (unsigned i = 0; i < VSWITCH_BATCH; i++) {
		struct vswitch_frame *f = &frames[i];

		memset(f, 0, sizeof(*f));
		f->len = f->head_bytes = 60;
		mac(1, f->head + 6);
		mac(2, f->head);
		put16(f->head + 12, 0x0800);
		f->head[14] = 0x45;
		put16(f->head + 16, 46);
		f->head[22] = 64;
		f->head[23] = 17;
		f->head[26] = f->head[30] = 10;
		put16(f->head + 36, 53);
		put16(f->head + 38, 26);
		batch[i] = f;
	}
	next_number = 0;
}

/* Spreads numbers below size (a power of two or not) without any order that a cache could like. */
static uint32_t scatter(uint32_t n, uint32_t size)
{
	return (uint32_t)((uint64_t)(n * 2654435761u) * size >> 32);
}

static void to_station(struct vswitch_frame *f, uint32_t size)
{
	mac(2 + scatter(next_number++, size), f->head);
}

static void to_learned(struct vswitch_frame *f, uint32_t size)
{
	mac(100000 + scatter(next_number++, size), f->head);
}

static void to_some_learned(struct vswitch_frame *f, uint32_t size)
{
	uint32_t some = next_number++ % (size < IN_USE ? size : IN_USE);

	mac(100000 + scatter(some * 40503, size), f->head);
}

static void from_known(struct vswitch_frame *f, uint32_t size)
{
	mac(100000 + scatter(next_number++, size), f->head + 6);
}

static void from_new(struct vswitch_frame *f, uint32_t size)
{
	(void)size;
	mac(1000000 + next_number++, f->head + 6);
}

static void to_group(struct vswitch_frame *f, uint32_t size)
{
	(void)size;
	memset(f->head, 0xff, 6);
}

static void to_remote(struct vswitch_frame *f, uint32_t size)
{
	uint32_t n = scatter(next_number++, size);

	f->head[31] = (uint8_t)(n >> 16);
	put16(f->head + 32, n);
}

static void to_some_remote(struct vswitch_frame *f, uint32_t size)
{
	uint32_t n = scatter(next_number++ % (size < IN_USE ? size : IN_USE) * 40503, size);

	f->head[31] = (uint8_t)(n >> 16);
	put16(f->head + 32, n);
}

static void from_flow(struct vswitch_frame *f, uint32_t size)
{
	uint32_t n = scatter(next_number++, size);

	put16(f->head + 32, n >> 12);
	put16(f->head + 34, 1024 + (n & 4095));
}

/* ---- rows ---- */

struct row {
	const char *name;
	const char *of;			/* what size counts */
	uint32_t sizes[SIZES];
	void (*set_up)(uint32_t size);	/* after open_switch(ports); may be NULL */
	uint32_t ports;			/* 0: size of them */
	void (*edit)(struct vswitch_frame *f, uint32_t size);
	bool inward;			/* sent by the uplink */
	bool per_copy;			/* size - 1 copies of each frame */
};

static void edit_all(const struct row *row, uint32_t size)
{
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		row->edit(batch[i], size);
	__asm__ volatile("" ::: "memory");
}

/* Nanoseconds per frame: the least of many runs, without what making the frames takes. */
static double cost(const struct row *row, uint32_t size)
{
	struct vswitch_port *from = row->inward ? uplink : guest;
	const unsigned batches = row->per_copy ? 1 + 2000 / size : 300;
	uint64_t end_ns = hv_now_ns() + (uint64_t)(seconds * (double)NS_PER_S / SIZES);
	uint64_t start_ns, edit_ns, ns, best = UINT64_MAX;

	for (unsigned run = 0; run < 10 || hv_now_ns() < end_ns; run++) {
		start_ns = used_ns();
		for (unsigned b = 0; b < batches; b++)
			edit_all(row, size);
		edit_ns = used_ns() - start_ns;
		start_ns += edit_ns;
		for (unsigned b = 0; b < batches; b++) {
			edit_all(row, size);
			vswitch_port_input(from, batch, VSWITCH_BATCH);
		}
		ns = used_ns() - start_ns;
		ns = ns > edit_ns ? ns - edit_ns : 0;
		best = ns < best ? ns : best;
	}
	return (double)best / batches / VSWITCH_BATCH / (row->per_copy ? size - 1 : 1);
}

static void set_up_learned(uint32_t size)
{
	uint8_t to[6];

	mac(1, to);
	for (uint32_t n = 0; n < size; n++) {
		mac(100000 + n, frames[0].head + 6);
		memcpy(frames[0].head, to, 6);
		vswitch_port_input(uplink, batch, 1);
	}
	make_frames();
}

/* The uplink's frames are for the guest. */
static void set_up_inward(uint32_t size)
{
	set_up_learned(size);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		mac(1, frames[i].head);
}

static struct vswitch_acl_address prefix(uint32_t n, uint8_t bits)
{
	return (struct vswitch_acl_address){ VSWITCH_ACL_IPV4, bits, { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

static void add_extended(const struct vswitch_acl_extended *x)
{
	struct vswitch_why why;
	uint32_t id = 0;

	must(vswitch_acl_add_extended(guest, x, &id, &why), "an extended entry");
	last_acl = id;
}

/* One entry per remote host, allowed and denied in turn, and some prefixes around them. */
static void set_up_simple(uint32_t size)
{
	struct vswitch_acl_simple s = { VSWITCH_ACL_OUT, VSWITCH_ACL_ALLOW, VSWITCH_ACL_REMOTE, { 0 } };
	struct vswitch_why why;
	uint32_t id;

	for (uint32_t n = 0; n < size; n++) {
		s.action = n % 2 ? VSWITCH_ACL_ALLOW : VSWITCH_ACL_DENY;
		s.address = prefix(n, 32);
		if (n % 16 == 15)
			s.address = prefix(n << 4, 24 + n / 16 % 5);
		id = 0;
		if (!vswitch_acl_add_simple(guest, &s, &id, &why))
			last_acl = id;
	}
}

/* Prefixes, ports, ranges and protocols as somebody might write them down, none of which is in the way of the others. */
static void set_up_extended(uint32_t size)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .local = prefix(0, 8) };

	for (uint32_t n = 0; n < size; n++) {
		x.action = n % 2 ? VSWITCH_ACL_ALLOW : VSWITCH_ACL_DENY;
		x.weight = (uint16_t)(1 + n % 60000);
		x.remote = prefix(n, n % 8 == 7 ? 24 : 32);
		x.protocol = n % 3 ? 17 : VSWITCH_ACL_PROTOCOL_ANY;
		x.remote_ports = (struct vswitch_acl_ports){ 0, 0 };
		if (n % 4 == 1)
			x.remote_ports = (struct vswitch_acl_ports){ 53, 53 };
		else if (n % 4 == 2)
			x.remote_ports = (struct vswitch_acl_ports){ 1, (uint16_t)(1000 + n % 5000) };
		add_extended(&x);
	}
}

/* Ranges of ports on the same addresses: the hard case. */
static void set_up_ranges(uint32_t size)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_ALLOW, .protocol = 17 };

	for (uint32_t n = 0; n < size; n++) {
		x.weight = (uint16_t)(1 + n % 60000);
		x.remote_ports.first = (uint16_t)(n * 6);
		x.remote_ports.last = (uint16_t)(n * 6 + 4 + n % 7);
		add_extended(&x);
	}
}

static void to_port(struct vswitch_frame *f, uint32_t size)
{
	put16(f->head + 36, scatter(next_number++, size * 6 < 65536 ? size * 6 : 65535));
}

static void set_up_flows(uint32_t size)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_ALLOW, .weight = 1,
					  .protocol = VSWITCH_ACL_PROTOCOL_ANY, .stateful = true };

	must(vswitch_acl_set_flow_limit(guest, VSWITCH_ACL_FLOWS_MAX), "room for flows");
	add_extended(&x);
	for (next_number = 0; next_number < 4 * size;) {
		for (unsigned i = 0; i < VSWITCH_BATCH; i++)
			from_flow(batch[i], size);
		vswitch_port_input(guest, batch, VSWITCH_BATCH);
	}
	make_frames();
}

static const struct row rows[] = {
	{ "forward to a guest", "ports", { 10, 100, 300, 1000 }, NULL, 0, to_station, false, false },
	{ "forward to a learned address", "addresses", { 100, 1000, 10000, 100000 }, set_up_learned, 3, to_learned, false, false },
	{ "…, 64 in use", "addresses", { 100, 1000, 10000, 100000 }, set_up_learned, 3, to_some_learned, false, false },
	{ "a known source on the uplink", "addresses", { 100, 1000, 10000, 100000 }, set_up_inward, 3, from_known, true, false },
	{ "a new source on the uplink", "addresses", { 100, 1000, 10000, 100000 }, set_up_inward, 3, from_new, true, false },
	{ "broadcast, each copy", "ports", { 10, 100, 300, 1000 }, NULL, 0, to_group, false, true },
	{ "simple ACL", "entries", { 10, 100, 1000, 10000 }, set_up_simple, 3, to_remote, false, false },
	{ "…, 64 in use", "entries", { 100, 300, 1000, 10000 }, set_up_simple, 3, to_some_remote, false, false },
	{ "extended ACL", "entries", { 10, 100, 1000, 10000 }, set_up_extended, 3, to_remote, false, false },
	{ "…, 64 in use", "entries", { 100, 300, 1000, 10000 }, set_up_extended, 3, to_some_remote, false, false },
	{ "extended ACL, port ranges", "entries", { 10, 100, 1000, 10000 }, set_up_ranges, 3, to_port, false, false },
	{ "flow of a stateful entry", "flows", { 10, 1000, 10000, 100000 }, set_up_flows, 3, from_flow, false, false },
};

static void print_row(const struct row *row)
{
	double first = 0, ns;

	printf("%-30s", row->name);
	for (unsigned i = 0; i < SIZES; i++) {
		uint32_t size = row->sizes[i];

		open_switch(row->ports ? row->ports : size);
		make_frames();
		if (row->set_up)
			row->set_up(size);
		if (row->edit == to_station)
			size -= 2;
		ns = cost(row, size);
		close_switch();
		first = i ? first : ns;
		printf(" %7u: %5.0f (%4.2f)", row->sizes[i], ns, ns / first);
		fflush(stdout);
	}
	printf("  %s\n", row->of);
}

/* ---- control requests ---- */

/* A whole switch of the largest size, on which requests come between two batches: what they take is what the next one waits. */
static const struct request {
	const char *name;
	void (*run)(unsigned n);
	unsigned times;
} *current;

static struct vswitch_port *made[64];
static struct vswitch_port *crowded;		/* a port that requests may ruin */

static void create_port(unsigned n)
{
	made[n] = plug(VSWITCH_NIC_SYNTHETIC, 5000 + n);
}

static void delete_port(unsigned n)
{
	free_port(made[n]);
}

static void add_entry(unsigned n)
{
	struct vswitch_acl_extended x = { .direction = VSWITCH_ACL_OUT, .action = VSWITCH_ACL_DENY, .weight = (uint16_t)(1 + n),
					  .protocol = 6, .remote = prefix(0x100000 + n, 32), .remote_ports = { 1, 65534 } };

	add_extended(&x);
}

static void delete_entry(unsigned n)
{
	(void)n;
	must(vswitch_acl_delete(guest, last_acl--), "deletion");
}

static void read_entries(unsigned n)
{
	const struct vswitch_acl_entry *e = NULL;

	(void)n;
	for (unsigned i = 0; i < 256 && (e = vswitch_acl_next(guest, e)); i++)
		;
}

static void clear_entries(unsigned n)
{
	(void)n;
	vswitch_acl_clear(guest);
}

static void set_limit(unsigned n)
{
	struct vswitch_port_bandwidth b = { .weight = 1 + n % 100 };

	must(vswitch_port_set_bandwidth(crowded, &b, NULL), "bandwidth");
}

static void set_policy(unsigned n)
{
	struct vswitch_port_policy p = { .dhcp_guard = n % 2 };
	struct vswitch_why why;

	must(vswitch_port_set_policy(crowded, &p, &why), "a policy");
}

static void change_address(unsigned n)
{
	uint8_t m[6];

	mac(9000 + n, m);
	must(vswitch_port_set_mac(crowded, m), "an address");
}

static void flush_addresses(unsigned n)
{
	(void)n;
	vswitch_fdb_flush(sw);
}

static void delete_crowded(unsigned n)
{
	(void)n;
	free_port(uplink);
}

static const struct request requests[] = {
	{ "create a port", create_port, 64 },
	{ "delete a port", delete_port, 64 },
	{ "another address for a NIC", change_address, 64 },
	{ "set bandwidth", set_limit, 64 },
	{ "set a policy", set_policy, 64 },
	{ "add an ACL entry", add_entry, 256 },
	{ "delete an ACL entry", delete_entry, 256 },
	{ "read 256 ACL entries", read_entries, 64 },
	{ "flush 100000 addresses", flush_addresses, 1 },
	{ "clear 10000 ACL entries", clear_entries, 1 },
	{ "delete the port that learned 100000", delete_crowded, 1 },
};

static void print_request(const struct request *r)
{
	uint64_t start_ns, ns, total = 0, longest = 0;

	for (unsigned n = 0; n < r->times; n++) {
		for (unsigned i = 0; i < VSWITCH_BATCH; i++)
			to_remote(batch[i], 10000);
		vswitch_port_input(guest, batch, VSWITCH_BATCH);
		start_ns = used_ns();
		r->run(n);
		ns = used_ns() - start_ns;
		total += ns;
		longest = ns > longest ? ns : longest;
	}
	printf("%-38s %10.1f %10.1f\n", r->name, (double)total / r->times / 1000, (double)longest / 1000);
}

static void print_requests(void)
{
	printf("\ncontrol requests between batches, on 1000 ports with 100000 addresses and 10000 ACL entries: µs\n"
	       "%-38s %10s %10s\n", "", "mean", "longest");
	open_switch(1000);
	make_frames();
	set_up_extended(10000);
	set_up_learned(100000);
	crowded = plug(VSWITCH_NIC_SYNTHETIC, 4000);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		current = &requests[i];
		if (current->run == delete_crowded)
			set_up_learned(100000);
		print_request(current);
	}
	close_switch();
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's' || !(seconds = atof(optarg))) {
			fprintf(stderr, "usage: switch_bench [-s SECONDS]\n");
			return 2;
		}
	}
	printf("the switch alone, 60-byte frames in batches of %d: ns per frame by size (ratio to the first)\n", VSWITCH_BATCH);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print_row(&rows[i]);
	print_requests();
	return 0;
}
