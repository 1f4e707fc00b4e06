/* SPDX-License-Identifier: MIT */
/*
 * Extensions in processes of their own: real ones (hvnet-extension with an example), and a client in this process that
 * speaks the protocol by hand, slowly, wrongly or not at all.
 */
#include "extensions/test_remote.h"

/* ---- a real program ---- */

static void a_program_judges_frames(void)
{
	struct vswitch_extension_stats s;
	pid_t pid;
	int status;

	begin(VSWITCH_EXT_FILTER, false, "drop udp port 53", 10000, 0);
	pid = start("bpf_filter");
	send_udp(53, 100);
	send_udp(54, 1000);
	UNTIL(nics[B].num_got == 1 && in_dropped() == 1);
	CU_ASSERT_EQUAL(nics[B].got[0].len, 1000);
	CU_ASSERT_EQUAL(nics[B].got[0].bytes[37], 54);
	CU_ASSERT_EQUAL(nics[B].got[0].bytes[999], (uint8_t)(999 * 7));
	vswitch_extension_stats(vswitch_remote_extension(remote), &s);
	CU_ASSERT_STRING_EQUAL(s.last_drop, "drop udp port 53");
	CU_ASSERT_EQUAL(stats().asked, 2);
	CU_ASSERT_EQUAL(stats().waiting, 0);
	status = stop(pid, SIGTERM);
	CU_ASSERT(WIFEXITED(status) && !WEXITSTATUS(status));
	UNTIL(!stats().attached);
	end();
}

/* Rings go round many times; frames keep their order and their bytes. */
static void many_frames_of_all_sizes(void)
{
	const unsigned total = 6000;
	unsigned sent = 0;
	pid_t pid;

	begin(VSWITCH_EXT_FILTER, false, "pass udp", 10000, 4096);
	pid = start("bpf_filter");
	while (sent < total) {
		for (unsigned k = 0; k < 100 && sent < total; k++, sent++)
			send_udp(sent & 0x7fff, 60 + sent % 1400);
		UNTIL(nics[B].num_got == sent);
		if (nics[B].num_got != sent)
			break;
	}
	for (unsigned i = 0; i < nics[B].num_got; i++)
		if (nics[B].got[i].len != 60 + i % 1400 || get_be16(nics[B].got[i].bytes + 36) != (i & 0x7fff) ||
		    nics[B].got[i].bytes[nics[B].got[i].len - 1] != (uint8_t)((nics[B].got[i].len - 1) * 7))
			CU_FAIL("another frame than the one that was sent");
	stop(pid, SIGKILL);
	end();
}

static void its_death_stops_nothing(void)
{
	pid_t pid;

	begin(VSWITCH_EXT_FILTER, true, "drop udp port 53", 10000, 0);
	pid = start("bpf_filter");
	kill(pid, SIGSTOP);
	for (unsigned i = 0; i < 20; i++)
		send_udp(53, 100);
	CU_ASSERT_EQUAL(nics[B].num_got, 0);
	CU_ASSERT_EQUAL(stats().waiting, 20);
	stop(pid, SIGKILL);
	UNTIL(!stats().attached);
	UNTIL(nics[B].num_got == 20);	/* open: what waited goes on */
	CU_ASSERT_EQUAL(stats().deaths, 1);
	send_udp(53, 100);
	CU_ASSERT_EQUAL(nics[B].num_got, 21);
	/* Another one may come. */
	pid = start("bpf_filter");
	send_udp(53, 100);
	UNTIL(in_dropped() == 1);
	stop(pid, SIGKILL);
	end();
}

static void a_capture_in_another_process(void)
{
	char config[128], file[96];
	uint8_t bytes[4096];
	ssize_t n;
	FILE *f;
	pid_t pid;

	snprintf(file, sizeof(file), "/tmp/hvnet-remote-%d.pcapng", (int)getpid());
	snprintf(config, sizeof(config), "file=%s", file);
	begin(VSWITCH_EXT_CAPTURE, true, config, 0, 0);
	pid = start("pcapng");
	send_udp(77, 300);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);	/* nobody waits for a capture */
	CU_ASSERT_EQUAL(stats().copied, 2);
	stop(pid, SIGTERM);
	f = fopen(file, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = (ssize_t)fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	unlink(file);
	/* The frame twice, in and out, and the ports' names. */
	CU_ASSERT(n > 600);
	CU_ASSERT_PTR_NOT_NULL(memmem(bytes, (size_t)n, "p1", 2));
	CU_ASSERT_PTR_NOT_NULL(memmem(bytes, (size_t)n, "p2", 2));
	CU_ASSERT_EQUAL(get_be32(bytes), 0x0a0d0d0a);
	UNTIL(!stats().attached);
	end();
}

static void a_forwarder_in_another_process(void)
{
	pid_t pid;

	begin(VSWITCH_EXT_FORWARD, false, "in=p1 port-dst=9 -> p3; proto=17 port-dst=10 -> drop; -> native", 10000, 0);
	pid = start("flow_table");
	send_udp(9, 100);
	send_udp(10, 100);
	send_udp(11, 100);
	UNTIL(nics[WIRE].num_got == 1 && nics[B].num_got == 1 && in_dropped() == 1);
	CU_ASSERT_EQUAL(nics[B].got[0].bytes[37], 11);
	stop(pid, SIGKILL);
	end();
}

/* ---- by hand ---- */

static uint64_t next_token(struct client *c)
{
	struct remote_record header;
	struct remote_frame m;
	const uint8_t *at;
	bool broken;

	if (!remote_ring_next(&c->in, &header, &at, &broken))
		return 0;
	memcpy(&m, at, sizeof(m));
	remote_ring_consume(&c->in, header.bytes);
	return m.token;
}

static void judge(struct client *c, uint64_t token, uint32_t judgement)
{
	const struct remote_verdict v = { .record = { sizeof(v), REMOTE_VERDICT }, .token = token, .judgement = judgement };

	put(c, &v, sizeof(v));
}

static void who_is_late_is_not_waited_for(void)
{
	struct client c;
	uint64_t late[2];

	for (unsigned open = 0; open < 2; open++) {
		begin(VSWITCH_EXT_FILTER, open, NULL, 5, 0);
		attach(&c, VSWITCH_EXT_FILTER);
		send_udp(1, 100);
		send_udp(2, 100);
		CU_ASSERT_EQUAL(stats().waiting, 2);
		late[0] = next_token(&c);
		UNTIL(stats().timeouts == 2);
		CU_ASSERT_EQUAL(nics[B].num_got, open ? 2 : 0);
		CU_ASSERT_EQUAL(in_dropped(), open ? 0 : 2);
		/* Its word comes too late, which is no crime. */
		judge(&c, late[0], REMOTE_PASS);
		some_rounds();
		CU_ASSERT(stats().attached);
		CU_ASSERT_EQUAL(nics[B].num_got, open ? 2 : 0);
		/* … nor does it count for the frame that waits in the same place now. */
		late[1] = next_token(&c);
		send_udp(3, 100);
		judge(&c, late[0], open ? REMOTE_DROP : REMOTE_PASS);
		judge(&c, late[1], open ? REMOTE_DROP : REMOTE_PASS);
		UNTIL(stats().timeouts == 3);
		CU_ASSERT_EQUAL(nics[B].num_got, open ? 3 : 0);
		CU_ASSERT_EQUAL(in_dropped(), open ? 0 : 3);
		leave(&c);
		end();
	}
}

static void only_so_many_wait(void)
{
	struct client c;

	for (unsigned open = 0; open < 2; open++) {
		begin(VSWITCH_EXT_FILTER, open, NULL, 10000, 4);
		attach(&c, VSWITCH_EXT_FILTER);
		for (unsigned i = 0; i < 10; i++)
			send_udp(i, 100);
		CU_ASSERT_EQUAL(stats().waiting, 4);
		CU_ASSERT_EQUAL(stats().overflows, 6);
		CU_ASSERT_EQUAL(nics[B].num_got, open ? 6 : 0);
		CU_ASSERT_EQUAL(in_dropped(), open ? 0 : 6);
		leave(&c);
		UNTIL(!stats().attached);
		CU_ASSERT_EQUAL(nics[B].num_got, open ? 10 : 0);
		CU_ASSERT_EQUAL(in_dropped(), open ? 0 : 10);
		CU_ASSERT_EQUAL(stats().waiting, 0);
		end();
	}
}

/* It reads nothing: its ring fills, no frame waits for room in it. */
static void a_full_ring_is_an_overflow(void)
{
	struct client c;

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 4096);
	attach(&c, VSWITCH_EXT_FILTER);
	for (unsigned i = 0; i < 4000; i++)
		send_udp(i, 1500);
	CU_ASSERT(stats().overflows > 0);
	CU_ASSERT_EQUAL(stats().overflows, nics[B].num_got);
	CU_ASSERT_EQUAL(stats().waiting + nics[B].num_got, 4000);
	leave(&c);
	UNTIL(!stats().attached);
	CU_ASSERT_EQUAL(nics[B].num_got, 4000);
	end();
}

static void programs_that_are_turned_away(void)
{
	struct client c, second;
	char byte;

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 0);
	CU_ASSERT_EQUAL(say_hello(&c, REMOTE_VERSION + 1, VSWITCH_EXT_FILTER), 0);
	UNTIL(stats().refused == 1);
	CU_ASSERT_EQUAL(recv(c.fd, &byte, 1, 0), 0);
	leave(&c);
	CU_ASSERT_EQUAL(say_hello(&c, REMOTE_VERSION, VSWITCH_EXT_FORWARD), 0);
	UNTIL(stats().refused == 2);
	leave(&c);
	attach(&c, VSWITCH_EXT_FILTER);
	(void)say_hello(&second, REMOTE_VERSION, VSWITCH_EXT_FILTER);
	UNTIL(stats().refused == 3);
	CU_ASSERT(stats().attached);
	leave(&second);
	leave(&c);
	UNTIL(!stats().attached);
	/* One that connects and says nothing is in nobody's way. */
	c.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	c.wake_fd = c.host_fd = -1;
	c.memory = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	CU_ASSERT_EQUAL(connect(c.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	some_rounds();
	attach(&second, VSWITCH_EXT_FILTER);
	leave(&second);
	leave(&c);
	end();
}

/* ---- hostile programs: each lie costs the program its place, nothing else ---- */

static void raw(struct client *c, uint32_t bytes, uint32_t type, uint32_t head)
{
	const struct remote_record r = { bytes, type };

	memcpy(c->memory->to_host_data, &r, sizeof(r));
	atomic_store(&c->memory->to_host.head, head);
	eventfd_write(c->host_fd, 1);
}

/* Records that are none. */
static const struct {
	uint32_t bytes, type, head;
} wrong_records[] = {
	{ 0, REMOTE_VERDICT, 64 },
	{ 4, REMOTE_VERDICT, 64 },
	{ 20, REMOTE_VERDICT, 64 },
	{ 72, REMOTE_VERDICT, 64 },				/* longer than what is there */
	{ UINT32_MAX & ~7u, REMOTE_PAD, 64 },
	{ 64, REMOTE_VERDICT, REMOTE_TO_HOST_BYTES + 8 },	/* more than the ring holds */
	{ 64, REMOTE_VERDICT, 61 },
	{ 64, 77, 64 },
	{ 64, REMOTE_VERDICT, 64 },				/* not a verdict's size */
	{ 16, REMOTE_INJECT, 16 },				/* no room for its header */
};

/* Of a frame in a record of 64 bytes: more than it holds, or no frame's. */
static const uint32_t wrong_lengths[] = { 65, 13, UINT32_MAX };

enum {
	WRONG_RECORDS = sizeof(wrong_records) / sizeof(wrong_records[0]),
	WRONG_LENGTHS = sizeof(wrong_lengths) / sizeof(wrong_lengths[0]),
	WRONG_JUDGEMENT = WRONG_RECORDS + WRONG_LENGTHS,
	WRONG_DIRECTION,
	WRONG_TAIL,
	SECOND_WORD,
	LIES,
};

static void lie(struct client *c, unsigned which)
{
	struct remote_verdict v = { .record = { sizeof(v), REMOTE_VERDICT }, .token = next_token(c) };
	struct remote_frame f = { .record = { sizeof(f) + 64, REMOTE_INJECT }, .len = 64 };
	uint8_t record[sizeof(f) + 64] = { 0 };

	if (which < WRONG_RECORDS) {
		raw(c, wrong_records[which].bytes, wrong_records[which].type, wrong_records[which].head);
	} else if (which < WRONG_JUDGEMENT) {
		f.len = wrong_lengths[which - WRONG_RECORDS];
		memcpy(record, &f, sizeof(f));
		put(c, record, sizeof(record));
	} else if (which == WRONG_TAIL) {
		atomic_store(&c->memory->to_program.tail, 0x80000000);
		send_udp(1, 100);
	} else if (which == SECOND_WORD) {
		(void)!send(c->fd, &f, sizeof(f), MSG_NOSIGNAL);
	} else {
		v.judgement = which == WRONG_DIRECTION ? REMOTE_DIRECT : 3;	/* by a filter, or no judgement at all */
		v.num_to = which == WRONG_DIRECTION;
		put(c, &v, sizeof(v));
	}
}

static void lies_cost_the_program_its_place(void)
{
	struct client c;

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 0);
	for (unsigned which = 0; which < LIES; which++) {
		attach(&c, VSWITCH_EXT_FILTER);
		send_udp(1, 100);
		CU_ASSERT_EQUAL(stats().waiting, 1);
		test_nic_clear(&nics[B]);
		lie(&c, which);
		UNTIL(stats().breaches == which + 1);
		CU_ASSERT_FALSE(stats().attached);
		UNTIL(nics[B].num_got >= 1);	/* what waited has gone on */
		leave(&c);
	}
	CU_ASSERT_EQUAL(stats().deaths, LIES);
	end();
}

/* What changes after it was looked at: no lie that could be caught, but nothing may come of it either. */
static void noise_in_the_ring(void)
{
	struct client c;

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 0);
	srand(1);
	for (unsigned i = 0; i < 300; i++) {
		attach(&c, VSWITCH_EXT_FILTER);
		send_udp(1, 100);
		for (unsigned k = 0; k < 4096; k++)
			c.memory->to_host_data[k] = (uint8_t)rand();
		/* Sometimes with headers that look right. */
		for (unsigned at = 0; i & 1 && at < 4096 - 256;) {
			const struct remote_record r = { rand() & 1 ? sizeof(struct remote_verdict) : 128, 1 + (uint32_t)rand() % 3 };

			memcpy(c.memory->to_host_data + at, &r, sizeof(r));
			at += r.bytes;
		}
		atomic_store(&c.memory->to_host.head, 4096);
		eventfd_write(c.host_fd, 1);
		some_rounds();
		leave(&c);
		UNTIL(!stats().attached);
		CU_ASSERT_FATAL(test_balanced(sw));
	}
	CU_ASSERT_EQUAL(stats().waiting, 0);
	end();
}

static void a_program_injects(void)
{
	struct vswitch_port_stats ps;
	struct remote_frame f = { .record = { sizeof(f) + 104, REMOTE_INJECT }, .len = 100 };
	uint8_t record[sizeof(f) + 104] = { 0 };
	struct client c;

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 0);
	attach(&c, VSWITCH_EXT_FILTER);
	memcpy(record, &f, sizeof(f));
	memcpy(record + sizeof(f), nics[B].nic.mac, 6);
	memcpy(record + sizeof(f) + 6, nics[A].nic.mac, 6);
	put(&c, record, sizeof(record));
	UNTIL(nics[B].num_got == 1);
	CU_ASSERT_EQUAL(nics[B].got[0].len, 100);
	vswitch_originated_stats(sw, &ps);
	CU_ASSERT_EQUAL(ps.injected, 1);
	leave(&c);
	end();
}

/* ---- events ---- */

static unsigned read_events(struct client *c, uint32_t type)
{
	struct remote_event ev;
	unsigned n = 0;

	while (recv(c->fd, &ev, sizeof(ev), MSG_DONTWAIT) == sizeof(ev))
		n += ev.type == type;
	return n;
}

static void a_program_learns_of_all_ports(void)
{
	struct vswitch_port *ports[700];
	unsigned seen = 0;
	struct client c;
	char name[16];

	begin(VSWITCH_EXT_FILTER, true, NULL, 10000, 0);
	for (unsigned i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "q%u", i);
		if (vswitch_port_create(sw, name, &ports[i]))
			abort();
	}
	/* More than the socket takes at once. */
	attach(&c, VSWITCH_EXT_FILTER);
	for (unsigned i = 0; i < ROUNDS && seen < 703; i++) {
		seen += read_events(&c, REMOTE_PORT_CREATE);
		hv_loop_run_once(loop, 0);
	}
	CU_ASSERT_EQUAL(seen, 703);
	CU_ASSERT(stats().attached);
	vswitch_port_disconnect(nics[B].port);
	some_rounds();
	CU_ASSERT_EQUAL(read_events(&c, REMOTE_NIC_DISCONNECT), 1);
	/* Who never reads is given up in the end. */
	for (unsigned i = 0; i < 40000 && stats().attached; i++)
		CU_ASSERT_EQUAL(vswitch_port_updated(ports[0], i & 1 ? "x" : "y"), 0);
	CU_ASSERT_FALSE(stats().attached);
	leave(&c);
	for (unsigned i = 0; i < 700; i++)
		vswitch_port_destroy(ports[i]);
	end();
}

static void disabled_it_stands_in_nobodys_way(void)
{
	struct client c;

	begin(VSWITCH_EXT_FILTER, false, NULL, 10000, 0);
	send_udp(1, 100);
	CU_ASSERT_EQUAL(in_dropped(), 1);	/* closed, and no program */
	attach(&c, VSWITCH_EXT_FILTER);
	send_udp(1, 100);
	CU_ASSERT_EQUAL(stats().waiting, 1);
	vswitch_extension_disable(vswitch_remote_extension(remote));
	CU_ASSERT_EQUAL(stats().waiting, 0);
	CU_ASSERT_EQUAL(in_dropped(), 2);
	send_udp(1, 100);
	CU_ASSERT_EQUAL(nics[B].num_got, 1);
	CU_ASSERT_EQUAL(read_events(&c, REMOTE_DEACTIVATE), 1);
	CU_ASSERT_EQUAL(vswitch_extension_enable(vswitch_remote_extension(remote)), 0);
	CU_ASSERT_EQUAL(read_events(&c, REMOTE_ACTIVATE), 1);
	leave(&c);
	end();
}

static const struct hv_test tests[] = {
	{ "a program judges frames", a_program_judges_frames },
	{ "many frames of all sizes", many_frames_of_all_sizes },
	{ "its death stops nothing", its_death_stops_nothing },
	{ "a capture in another process", a_capture_in_another_process },
	{ "a forwarder in another process", a_forwarder_in_another_process },
	{ "who is late is not waited for", who_is_late_is_not_waited_for },
	{ "only so many wait", only_so_many_wait },
	{ "a full ring is an overflow", a_full_ring_is_an_overflow },
	{ "programs that are turned away", programs_that_are_turned_away },
	{ "lies cost the program its place", lies_cost_the_program_its_place },
	{ "noise in the ring", noise_in_the_ring },
	{ "a program injects", a_program_injects },
	{ "a program learns of all ports", a_program_learns_of_all_ports },
	{ "disabled, it stands in nobody's way", disabled_it_stands_in_nobodys_way },
};

HV_TEST_MAIN("extensions/remote", tests)
