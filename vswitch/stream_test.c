/* SPDX-License-Identifier: MIT */
/*
 * The framing as a parser, then the uplink over a socket pair, with this test as the peer.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vswitch/stream.h"
#include "vswitch/test_nic.h"

#define MS 1000000ull

static void parses_and_refuses(void)
{
	static const struct {
		const char *what;
		uint8_t bytes[12];
		size_t n;
		enum stream_status status;
		size_t off;
		uint32_t length;
	} rows[] = {
		{ "nothing", { 0 }, 0, STREAM_MORE, 0, 0 },
		{ "half a length", { 0, 0, 0 }, 3, STREAM_MORE, 0, 0 },
		{ "zero", { 0, 0, 0, 0, 1 }, 5, STREAM_BROKEN, 0, 0 },
		{ "beyond the limit", { 0, 0, 0, 101 }, 4, STREAM_BROKEN, 0, 0 },
		{ "far beyond", { 0xff, 0xff, 0xff, 0xff }, 4, STREAM_BROKEN, 0, 0 },
		{ "little-endian", { 5, 0, 0, 0, 1, 2, 3, 4, 5 }, 9, STREAM_BROKEN, 0, 0 },
		{ "at the limit, not yet here", { 0, 0, 0, 100, 1 }, 5, STREAM_MORE, 0, 0 },
		{ "one byte missing", { 0, 0, 0, 3, 1, 2 }, 6, STREAM_MORE, 0, 0 },
		{ "whole", { 0, 0, 0, 3, 1, 2, 3 }, 7, STREAM_FRAME, 7, 3 },
		{ "whole, and more", { 0, 0, 0, 1, 9, 0, 0 }, 7, STREAM_FRAME, 5, 1 },
	};
	const uint8_t *frame;
	size_t off;
	uint32_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		off = 0;
		frame = NULL;
		n = 0;
		if (stream_next(rows[i].bytes, rows[i].n, 100, &off, &frame, &n) != rows[i].status ||
		    off != rows[i].off || n != rows[i].length ||
		    frame != (rows[i].length ? rows[i].bytes + 4 : NULL)) {
			fprintf(stderr, "%s\n", rows[i].what);
			CU_FAIL("a stream is not read as it should be");
		}
	}
}

/* ---- the uplink ---- */

static struct hv_loop *loop;
static struct vswitch *sw;
static struct vswitch_uplink *uplink;
static struct test_nic guest;
static struct test_frame *frame;
static int peer, ours;
static unsigned times_gone;
static uint8_t station[6];

static void gone(void *cookie)
{
	CU_ASSERT_PTR_EQUAL(cookie, &times_gone);
	times_gone++;
}

static void destroy_when_gone(void *cookie)
{
	gone(cookie);
	vswitch_uplink_destroy(uplink);
	uplink = NULL;
}

static void begin(void (*on_gone)(void *cookie))
{
	struct vswitch_config config = { .name = "s" };
	int fd[2];

	times_gone = 0;
	test_mac(10, station);
	CU_ASSERT_FATAL(!hv_loop_create(&loop));
	CU_ASSERT_FATAL(!vswitch_create(loop, &config, &sw));
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	CU_ASSERT_FATAL(!vswitch_uplink_stream(sw, loop, "up", fd[0], VSWITCH_NIC_EXTERNAL, on_gone,
					       &times_gone, &uplink));
	peer = fd[1];
	ours = fd[0];
	fcntl(peer, F_SETFL, O_NONBLOCK);
	test_nic_plug(sw, &guest, VSWITCH_NIC_SYNTHETIC, 1, 0);
	frame = test_frame_new();
}

static void end(void)
{
	CU_ASSERT(!uplink || test_balanced(sw));
	vswitch_uplink_destroy(uplink);
	uplink = NULL;
	if (peer >= 0)
		close(peer);
	test_nic_unplug(&guest);
	vswitch_destroy(sw);
	hv_loop_destroy(loop);
	free(frame);
}

static void run(unsigned rounds)
{
	while (rounds--)
		hv_loop_run_once(loop, MS);
}

static size_t frame_bytes(uint8_t *out, uint32_t n)
{
	test_frame_plain(frame, guest.nic.mac, station, n);
	put_be32(out, n);
	memcpy(out + 4, frame->bytes, n);
	return n + 4;
}

static void run_until_got(unsigned n)
{
	uint64_t end_ns = hv_now_ns() + 3000 * MS;

	while (guest.num_got < n && hv_now_ns() < end_ns)
		hv_loop_run_once(loop, MS);
}

static void frames_arrive_however_they_are_cut(void)
{
	static const uint32_t sizes[] = { 14, 60, 127, 128, 129, 1514, 60, 9000, 65000 };
	static uint8_t bytes[100000];
	size_t n = 0, total;

	for (size_t chunk = 1; chunk < 100000; chunk = chunk * 7 + 3) {
		begin(gone);
		guest.nic.max_frame_bytes = 65549;
		total = 0;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			if (chunk < 30 && sizes[i] > 2000)
				continue;
			total += frame_bytes(bytes + total, sizes[i]);
		}
		for (size_t off = 0; off < total;) {
			n = total - off < chunk ? total - off : chunk;
			n = (size_t)send(peer, bytes + off, n, 0);
			if (n == (size_t)-1)
				n = 0;
			off += n;
			run(1);
		}
		run_until_got(chunk < 30 ? 7 : 9);
		CU_ASSERT_EQUAL(guest.num_got, chunk < 30 ? 7 : 9);
		for (unsigned i = 0, at = 0; i < guest.num_got; i++) {
			CU_ASSERT(!memcmp(bytes + at + 4, guest.got[i].bytes, guest.got[i].len));
			at += 4 + guest.got[i].len;
		}
		end();
	}
}

static void a_burst_comes_in_batches(void)
{
	static uint8_t bytes[64 * 1000];
	size_t n = 0;

	begin(gone);
	for (unsigned i = 0; i < 1000; i++)
		n += frame_bytes(bytes + n, 60);
	CU_ASSERT_EQUAL(send(peer, bytes, n, 0), (ssize_t)n);
	run_until_got(1000);
	CU_ASSERT_EQUAL(guest.num_got, 1000);
	CU_ASSERT(guest.delivers <= 1000 / VSWITCH_BATCH + 2);
	end();
}

static void lies_end_it(void)
{
	static const uint8_t lies[][4] = { { 0, 0, 0, 0 }, { 0, 1, 0, 0x12 }, { 0xff, 0xff, 0xff, 0xff } };
	uint8_t bytes[100];
	size_t n;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		begin(i ? gone : destroy_when_gone);
		n = frame_bytes(bytes, 60);
		memcpy(bytes + n, lies[i], 4);
		send(peer, bytes, n + 4, 0);
		run(20);
		CU_ASSERT_EQUAL(guest.num_got, 1);	/* what came before was good */
		CU_ASSERT_EQUAL(times_gone, 1);
		if (i)
			CU_ASSERT_FALSE(vswitch_port_link(vswitch_uplink_port(uplink)));
		end();
	}
	/* A frame too short for Ethernet only costs itself. */
	begin(gone);
	memset(bytes, 0, sizeof(bytes));
	bytes[3] = 13;
	send(peer, bytes, 17, 0);
	n = frame_bytes(bytes, 60);
	send(peer, bytes, n, 0);
	run_until_got(1);
	CU_ASSERT_EQUAL(guest.num_got, 1);
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.in_dropped[VSWITCH_DROP_BAD_FRAME], 1);
	CU_ASSERT_EQUAL(times_gone, 0);
	end();
}

static void peer_that_leaves_is_noticed_once(void)
{
	begin(gone);
	close(peer);
	peer = -1;
	run(20);
	CU_ASSERT_EQUAL(times_gone, 1);
	test_frame_plain(frame, station, guest.nic.mac, 60);
	test_send(&guest, frame);
	run(5);
	CU_ASSERT_EQUAL(times_gone, 1);
	end();
	/* Found by sending. */
	begin(gone);
	close(peer);
	peer = -1;
	test_frame_plain(frame, station, guest.nic.mac, 60);
	test_send(&guest, frame);
	CU_ASSERT_EQUAL(times_gone, 0);		/* never from inside another call */
	run(20);
	CU_ASSERT_EQUAL(times_gone, 1);
	end();
}

/* Reads what is there, at most max bytes in all; the end of what was read before is in front of it. */
static size_t drain(uint8_t *to, size_t have, size_t max)
{
	ssize_t n;

	while (have < max && (n = recv(peer, to + have, max - have, MSG_DONTWAIT)) > 0)
		have += (size_t)n;
	return have;
}

enum { NUMBERED = 2000 };

/* Length and contents follow from the number. */
static void numbered_frame(struct test_frame *f, unsigned number)
{
	static const uint32_t sizes[] = { 60, 1514, 128, 129, 20000, 16, 9000 };

	test_frame_plain(f, station, guest.nic.mac, sizes[number % 7]);
	put_be16(f->bytes + 12, 0x88b5);
	put_be16(f->bytes + 14, number);
	for (uint32_t i = 16; i < sizes[number % 7]; i++)
		f->bytes[i] = (uint8_t)(number + i);
	test_frame_set(f, sizes[number % 7]);
}

static bool is_numbered(const uint8_t *p, uint32_t n, unsigned *number)
{
	unsigned last = *number;

	if (n < 16)
		return false;
	*number = get_be16(p + 14);
	numbered_frame(frame, *number);
	return n == frame->f.len && !memcmp(p, frame->bytes, n) && (*number > last || !last);
}

/* Batches of all sizes to a peer that reads now and then: bytes are cut anywhere, frames are lost whole. */
static void frames_leave_whole_and_in_order(void)
{
	static struct test_frame *frames[VSWITCH_BATCH];
	struct vswitch_frame *batch[VSWITCH_BATCH];
	static uint8_t bytes[10000000];
	const struct vswitch_port_stats *s;
	unsigned sent = 0, found = 0, last = 0, n, good = 0;
	size_t have = 0, off = 0;
	int kernel_bytes = 100000;
	const uint8_t *p;
	uint32_t length;

	begin(gone);
	srand(3);
	CU_ASSERT(!setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &kernel_bytes, sizeof(kernel_bytes)));
	s = &vswitch_uplink_port(uplink)->stats;
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		frames[i] = test_frame_new();
	while (sent < NUMBERED) {
		n = 1 + (unsigned)rand() % VSWITCH_BATCH;
		for (unsigned i = 0; i < n; i++) {
			numbered_frame(frames[i], 1 + sent++);
			batch[i] = &frames[i]->f;
		}
		vswitch_port_input(guest.port, batch, n);
		if (rand() % 3 == 0) {
			have = drain(bytes, have, have + (unsigned)rand() % 200000);
			hv_loop_run_once(loop, 0);
		}
	}
	CU_ASSERT(s->out_dropped[VSWITCH_DROP_UPLINK_FULL] > 0);
	CU_ASSERT_EQUAL(s->out_frames + s->out_dropped[VSWITCH_DROP_UPLINK_FULL], sent);
	for (uint64_t end_ns = hv_now_ns() + 3000 * MS; found < s->out_frames && hv_now_ns() < end_ns;) {
		have = drain(bytes, have, sizeof(bytes));
		hv_loop_run_once(loop, MS);
		while (stream_next(bytes, have, 65553, &off, &p, &length) == STREAM_FRAME) {
			good += is_numbered(p, length, &last);
			found++;
		}
	}
	CU_ASSERT_EQUAL(found, s->out_frames);
	CU_ASSERT_EQUAL(good, found);
	CU_ASSERT_EQUAL(off, have);
	for (unsigned i = 0; i < VSWITCH_BATCH; i++)
		free(frames[i]);
	end();
}

static void full_uplink_pauses_and_resumes(void)
{
	static uint8_t bytes[10000000];
	bool paused = false;
	size_t have = 0;
	unsigned sent;

	begin(gone);
	for (sent = 0; sent < 2000 && !paused; sent++) {
		test_frame_plain(frame, station, guest.nic.mac, 1514);
		/* The station has to be known: to the unknown it is flooded, which pauses nobody. */
		if (!sent) {
			uint8_t hello[100];

			send(peer, hello, frame_bytes(hello, 60), 0);
			run_until_got(1);
			test_frame_plain(frame, station, guest.nic.mac, 1514);
		}
		paused = test_send(&guest, frame);
	}
	CU_ASSERT_TRUE(paused);
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.out_dropped[VSWITCH_DROP_UPLINK_FULL], 0);
	CU_ASSERT_EQUAL(guest.resumes, 0);
	for (uint64_t end_ns = hv_now_ns() + 3000 * MS; !guest.resumes && hv_now_ns() < end_ns;) {
		have = drain(bytes, have, sizeof(bytes));
		hv_loop_run_once(loop, MS);
	}
	CU_ASSERT_EQUAL(guest.resumes, 1);
	CU_ASSERT_EQUAL(vswitch_uplink_port(uplink)->stats.stalls, 0);
	end();
}

static void congest_at_first(struct test_nic *t)
{
	if (t->num_got >= 10 && t->num_got < 100)
		vswitch_port_set_congested(t->port, true);
}

/* In the middle of what was received it stops, and goes on from there. */
static void pauses_when_told(void)
{
	static uint8_t bytes[64 * 300];
	size_t n = 0;

	begin(gone);
	guest.on_deliver = congest_at_first;
	for (unsigned i = 0; i < 300; i++)
		n += frame_bytes(bytes + n, 60);
	CU_ASSERT_EQUAL(send(peer, bytes, n, 0), (ssize_t)n);
	hv_loop_run_once(loop, MS);
	CU_ASSERT_EQUAL(guest.num_got, VSWITCH_BATCH);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(guest.num_got, VSWITCH_BATCH);
	vswitch_port_set_congested(guest.port, false);
	guest.on_deliver = NULL;
	run_until_got(300);
	CU_ASSERT_EQUAL(guest.num_got, 300);
	end();
}

static void bad_descriptor_is_refused_and_closed(void)
{
	struct vswitch_uplink *u;
	int fd[2];

	begin(gone);
	CU_ASSERT_EQUAL(vswitch_uplink_stream(sw, loop, "x", 987654, VSWITCH_NIC_EXTERNAL, NULL, NULL, &u),
			-EBADF);
	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	CU_ASSERT_EQUAL(vswitch_uplink_stream(sw, loop, "up", fd[0], VSWITCH_NIC_EXTERNAL, NULL, NULL, &u),
			-EEXIST);
	CU_ASSERT(fcntl(fd[0], F_GETFD) < 0);
	close(fd[1]);
	end();
}

static const struct hv_test tests[] = {
	{ "parses and refuses", parses_and_refuses },
	{ "frames arrive however they are cut", frames_arrive_however_they_are_cut },
	{ "a burst comes in batches", a_burst_comes_in_batches },
	{ "lies end it", lies_end_it },
	{ "a peer that leaves is noticed once", peer_that_leaves_is_noticed_once },
	{ "frames leave whole and in order", frames_leave_whole_and_in_order },
	{ "a full uplink pauses and resumes", full_uplink_pauses_and_resumes },
	{ "pauses when told", pauses_when_told },
	{ "a bad descriptor is refused and closed", bad_descriptor_is_refused_and_closed },
};

HV_TEST_MAIN("vswitch/stream", tests)
