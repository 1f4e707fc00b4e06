/* SPDX-License-Identifier: MIT */
/*
 * Clients that do what no QEMU does, and accidents: odd segments, foreign descriptors, silence,
 * floods, deaths at every byte. The function must come out as it went in: no descriptor, no mapping
 * kept, one reset for each client lost, and neighbours untouched.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vfio-user/test_dev.h"

struct fixture {
	struct test_dev d;
	struct vfuc *c;
};

static void begin(struct fixture *f, const struct vfuc_opts *opts)
{
	dev_start(&f->d);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f->d.path, opts, &f->c), 0);
}

static void end(struct fixture *f)
{
	vfuc_close(f->c);
	dev_stop(&f->d);
}

static bool alive(struct vfuc *c)
{
	uint32_t v;

	return !vfuc_config_read(c, 0, 4, &v) && v == 0x11e81234 && !vfuc_replies_left(c);
}

/* Mappings of memfds in this process. */
static unsigned memfd_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, "memfd:") != NULL;
	fclose(f);
	return n;
}

static void reads_single_bytes(void)
{
	const struct vfuc_opts opts = { .byte_segments = true };
	struct fixture f;
	struct vfuc_ram ram;
	uint64_t v;

	begin(&f, &opts);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(64 << 20, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_attach(f.c, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_msix_enable(f.c, 4), 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 0, REG_RAISE, 4, 2), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msix_fd(f.c, 2), 1000), 1);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 0, 0, 4, &v), 0);
	vfuc_ram_destroy(&ram);
	end(&f);
}

struct stream {
	uint8_t bytes[4096];
	size_t n;
};

static void put(struct stream *s, uint16_t id, uint16_t command, const void *payload, size_t n)
{
	struct vfu_header h = { to_le16(id), to_le16(command),
				to_le32((uint32_t)(sizeof(h) + n)), to_le32(0), to_le32(0) };

	memcpy(s->bytes + s->n, &h, sizeof(h));
	if (n)
		memcpy(s->bytes + s->n + sizeof(h), payload, n);
	s->n += sizeof(h) + n;
}

static void put_map(struct stream *s, uint16_t id, uint64_t address)
{
	struct vfu_wire_map map = { to_le32(32), to_le32(3), to_le64(0), to_le64(address),
				    to_le64(0x1000) };

	put(s, id, VFU_CMD_DMA_MAP, &map, sizeof(map));
}

/*
 * Descriptors in a piece of the stream belong to the last message that begins in it. All of these
 * are in the socket before the server looks, so it reads as much as it gets.
 */
static void gives_descriptors_to_their_message(void)
{
	struct vfu_wire_info info = { .argsz = to_le32(16) };
	struct stream first = { .n = 0 }, second = { .n = 0 }, third = { .n = 0 };
	struct fixture f;
	struct vfuc_ram ram[2];
	int one, two;

	begin(&f, NULL);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(0x1000, &ram[0]), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(0x1000, &ram[1]), 0);
	one = ram[0].fd;
	two = ram[1].fd;
	put(&first, 100, VFU_CMD_GET_INFO, &info, sizeof(info));	/* two messages, no descriptor */
	put(&first, 101, VFU_CMD_GET_INFO, &info, sizeof(info));
	put_map(&second, 102, 0x1000);					/* with `one` */
	put_map(&third, 103, 0x2000);					/* with `two` */
	put(&third, 104, VFU_CMD_GET_INFO, &info, sizeof(info));
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, first.bytes, first.n, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, second.bytes, 5, &one, 1), 0);	/* not even a header */
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, second.bytes + 5, second.n - 5, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, third.bytes, third.n - 32, &two, 1), 0);
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, third.bytes + third.n - 32, 32, NULL, 0), 0);
	for (uint16_t id = 100; id <= 104; id++)
		CU_ASSERT_EQUAL(vfuc_wait(f.c, id, NULL, 0, NULL), 0);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "bad-descriptor-count"), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_MAP), 2);
	CU_ASSERT_TRUE(alive(f.c));
	/* In the middle of a message they belong to nothing. */
	first.n = 0;
	put(&first, 105, VFU_CMD_GET_INFO, &info, sizeof(info));
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, first.bytes, 10, NULL, 0), 0);
	usleep(20000);
	CU_ASSERT_EQUAL(vfuc_send_bytes(f.c, first.bytes + 10, 4, &one, 1), 0);
	CU_ASSERT_EQUAL(vfuc_wait_closed(f.c, 2000), 0);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "descriptors-stray"), 1);
	vfuc_ram_destroy(&ram[0]);
	vfuc_ram_destroy(&ram[1]);
	end(&f);
}

static void closes_every_descriptor(void)
{
	struct fixture f;
	struct vfuc_opts opts = { .extra_fds = 2 };
	struct vfu_wire_map map = { to_le32(32), to_le32(3), to_le64(0), to_le64(0), to_le64(0) };
	struct vfuc_msg m = { .payload = &map, .bytes = sizeof(map) };
	unsigned before, with_client;
	int many[17], fds[] = { 1, 2 };
	struct vfuc *c;

	begin(&f, NULL);
	with_client = open_fds();
	vfuc_close(f.c);
	f.c = NULL;
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_GONE, 1));
	before = open_fds();
	opts.no_version = true;
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f.d.path, &opts, &c), 0);
	CU_ASSERT_EQUAL(vfuc_version(c, NULL, NULL, 0), -EINVAL);	/* with descriptors */
	vfuc_close(c);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f.d.path, NULL, &c), 0);
	for (uint16_t command = 0; command < 24; command++) {
		m.command = command;
		m.fds = fds;
		m.num_fds = command == VFU_CMD_DMA_MAP ? 1 : 2;
		CU_ASSERT_NOT_EQUAL(vfuc_call(c, &m, NULL, 0, NULL), 0);
	}
	m.flags = VFU_FLAG_NO_REPLY;
	CU_ASSERT_EQUAL(vfuc_send(c, &m, NULL), 0);
	CU_ASSERT_TRUE(alive(c));
	CU_ASSERT_EQUAL(open_fds(), with_client);
	/* More than fit: the connection goes. */
	for (unsigned i = 0; i < 17; i++)
		many[i] = 2;
	m = (struct vfuc_msg){ .command = VFU_CMD_RESET, .fds = many, .num_fds = 17 };
	CU_ASSERT_EQUAL(vfuc_call(c, &m, NULL, 0, NULL), -EPIPE);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "descriptors-truncated"), 1);
	vfuc_close(c);
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_GONE, 2));
	CU_ASSERT_EQUAL(open_fds(), before);
	end(&f);
}

static void consumes_posted_writes_in_order(void)
{
	struct fixture f;
	uint64_t v;

	begin(&f, NULL);
	CU_ASSERT_EQUAL(vfuc_attach(f.c, NULL), 0);
	for (unsigned i = 1; i <= 10000; i++)
		if (vfuc_bar_write(f.c, 0, REG_SCRATCH, 4, i))
			CU_FAIL("a posted write could not be sent");
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 0, REG_SCRATCH, 4, &v), 0);
	CU_ASSERT_EQUAL(v, 10000);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 10000);
	end(&f);
}

enum { BURST = 1000 };	/* posted writes: more than the loop takes in one go */

/* Writes 0 to BURST - 1 to the scratch register, and what `s` holds, in one piece. */
static void send_burst(struct vfuc *c, const struct stream *s)
{
	struct {
		struct vfu_header h;
		struct vfu_wire_access a;
		uint8_t data[4];
	} w;
	uint8_t *all = malloc(BURST * sizeof(w) + s->n);

	for (unsigned i = 0; i < BURST; i++) {
		w.h = (struct vfu_header){ to_le16(1), to_le16(VFU_CMD_REGION_WRITE), to_le32(sizeof(w)),
					   to_le32(VFU_FLAG_NO_REPLY), to_le32(0) };
		w.a = (struct vfu_wire_access){ to_le64(REG_SCRATCH), to_le32(0), to_le32(4) };
		memcpy(w.data, to_le32(i).b, 4);
		memcpy(all + i * sizeof(w), &w, sizeof(w));
	}
	memcpy(all + BURST * sizeof(w), s->bytes, s->n);
	CU_ASSERT_EQUAL(vfuc_send_bytes(c, all, BURST * sizeof(w) + s->n, NULL, 0), 0);
	free(all);
}

/* The rest of a burst must not wait for more input. */
static void handles_a_burst_to_its_end(void)
{
	struct vfu_wire_access read = { to_le64(REG_SCRATCH), to_le32(0), to_le32(4) };
	struct stream s = { .n = 0 };
	struct fixture f;

	begin(&f, NULL);
	put(&s, 7777, VFU_CMD_REGION_READ, &read, sizeof(read));
	send_burst(f.c, &s);
	CU_ASSERT_EQUAL(vfuc_wait(f.c, 7777, NULL, 0, NULL), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, BURST);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->scratch, BURST - 1);
	end(&f);
}

static void tells_a_second_client_that_it_is_busy(void)
{
	struct fixture f;
	struct vfuc *second = NULL;

	begin(&f, NULL);
	CU_ASSERT_EQUAL(vfuc_connect(f.d.path, NULL, &second), -EBUSY);
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_TRUE(alive(f.c));
	CU_ASSERT_EQUAL(dev_counter(&f.d, "busy"), 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_ATTACHED), 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_GONE), 0);
	end(&f);
}

/*
 * A QEMU that is started again at once must not be refused for the sake of the one that was killed,
 * whose last messages are not read yet.
 */
static void takes_the_next_client_at_once(void)
{
	enum { TIMES = 50 };
	const struct stream none = { .n = 0 };
	struct fixture f;

	begin(&f, NULL);
	for (unsigned i = 0; i < TIMES; i++) {
		send_burst(f.c, &none);
		vfuc_close(f.c);
		CU_ASSERT_EQUAL_FATAL(vfuc_connect(f.d.path, NULL, &f.c), 0);
		CU_ASSERT_TRUE(alive(f.c));
	}
	CU_ASSERT_EQUAL(dev_counter(&f.d, "busy"), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_ATTACHED), TIMES + 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_GONE), TIMES);
	end(&f);
}

static int raw_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)))
		abort();
	return fd;
}

/* Silence costs the silent one its connection, after a while, and no one else theirs. */
static void forgets_silent_clients(void)
{
	struct fixture f;
	int silent[8];
	char byte;

	dev_start(&f.d);
	for (unsigned i = 0; i < 7; i++)
		silent[i] = raw_connect(f.d.path);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f.d.path, NULL, &f.c), 0);	/* all the same */
	silent[7] = raw_connect(f.d.path);
	CU_ASSERT_EQUAL(recv(silent[7], &byte, 1, 0), 0);	/* one too many */
	CU_ASSERT_EQUAL(dev_counter(&f.d, "too-many-peers"), 1);
	for (unsigned i = 0; i < 7; i++)
		CU_ASSERT_EQUAL(recv(silent[i], &byte, 1, 0), 0);	/* after the time-out */
	CU_ASSERT_EQUAL(dev_counter(&f.d, "handshake-timeout"), 7);
	CU_ASSERT_TRUE(alive(f.c));
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_LOST), 0);	/* they were no clients */
	for (unsigned i = 0; i < 8; i++)
		close(silent[i]);
	end(&f);
}

static size_t version_bytes(uint8_t *out)
{
	struct stream s = { .n = 0 };

	put(&s, 1, VFU_CMD_VERSION, "\0\0\0", 4);
	memcpy(out, s.bytes, s.n);
	return s.n;
}

static void count_rounds(struct test_dev *d, void *arg)
{
	struct hv_loop_stats stats;

	hv_loop_stats(d->loop, &stats);
	*(uint64_t *)arg = stats.rounds;
}

/* A client that asks and never reads the answers is served no more, and costs little. */
static void stops_serving_who_does_not_read(void)
{
	struct vfu_wire_access a = { to_le64(0), to_le32(VFU_REGION_CONFIG), to_le32(256) };
	struct stream s = { .n = 0 };
	struct fixture f, neighbour;
	uint8_t version[64];
	size_t n = version_bytes(version), sent = 0;
	uint64_t before, after;
	int fd;

	dev_start(&f.d);
	begin(&neighbour, NULL);
	fd = raw_connect(f.d.path);
	CU_ASSERT_EQUAL(send(fd, version, n, 0), (ssize_t)n);
	for (uint16_t id = 0; id < 100; id++)
		put(&s, id, VFU_CMD_REGION_READ, &a, sizeof(a));
	for (int i = 0; i < 5000 && sent < (64u << 20); i++) {
		ssize_t got = send(fd, s.bytes, s.n, MSG_DONTWAIT);

		if (got < 0) {
			CU_ASSERT_EQUAL(errno, EAGAIN);
			break;
		}
		sent += (size_t)got;
		if ((size_t)got < s.n)
			break;		/* cut: good enough, nobody will look at the rest */
	}
	CU_ASSERT(sent < (16u << 20));	/* the server has stopped reading */
	usleep(50000);
	on_loop(&f.d, count_rounds, &before);
	usleep(50000);
	on_loop(&f.d, count_rounds, &after);
	CU_ASSERT(after - before < 20);		/* … and sleeps */
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_GONE), 0);
	CU_ASSERT_TRUE(alive(neighbour.c));
	close(fd);
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_GONE, 1));
	CU_ASSERT_EQUAL(vfuc_connect(f.d.path, NULL, &f.c), 0);
	CU_ASSERT_TRUE(alive(f.c));
	end(&f);
	end(&neighbour);
}

/* An attach, as bytes; RAM's descriptor comes with the map. */
static void attach_stream(struct stream *s, size_t *map_at)
{
	struct vfu_wire_info info = { .argsz = to_le32(16) };
	struct vfu_wire_access a = { to_le64(0), to_le32(VFU_REGION_CONFIG), to_le32(256) };

	put(s, 1, VFU_CMD_VERSION, "\0\0\0", 4);
	*map_at = s->n;
	put_map(s, 2, 0);
	put(s, 3, VFU_CMD_GET_INFO, &info, sizeof(info));
	put(s, 4, VFU_CMD_REGION_READ, &a, sizeof(a));
	put(s, 5, VFU_CMD_RESET, NULL, 0);
}

static void send_with_fd(int to, const uint8_t *p, size_t n, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	CU_ASSERT_EQUAL(sendmsg(to, &msg, MSG_NOSIGNAL), (ssize_t)n);
}

static void survives_death_at_every_byte(void)
{
	struct stream s = { .n = 0 };
	struct fixture f = { .c = NULL };
	struct vfuc_ram ram;
	unsigned fds, maps, clients = 0;
	size_t map_at;

	dev_start(&f.d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(0x1000, &ram), 0);
	attach_stream(&s, &map_at);
	fds = open_fds();
	maps = memfd_mappings();
	for (size_t n = 0; n <= s.n; n++) {
		int fd = raw_connect(f.d.path);

		CU_ASSERT_EQUAL(send(fd, s.bytes, n < map_at ? n : map_at, 0),
				(ssize_t)(n < map_at ? n : map_at));
		if (n > map_at)
			send_with_fd(fd, s.bytes + map_at, n - map_at, ram.fd);
		close(fd);
		clients += n >= map_at;		/* it got as far as a whole VERSION */
		for (int i = 0; i < 1000 && dev_counter(&f.d, "clients-lost") < clients; i++)
			usleep(1000);
		CU_ASSERT_EQUAL(dev_counter(&f.d, "clients-lost"), clients);
		CU_ASSERT_EQUAL(dev_seen(&f.d)->maps, 0);
	}
	CU_ASSERT_EQUAL(dev_counter(&f.d, "clients"), clients);
	for (int i = 0; i < 100 && (open_fds() != fds || memfd_mappings() != maps); i++)
		usleep(10000);		/* the file lingers a little */
	CU_ASSERT_EQUAL(open_fds(), fds);
	CU_ASSERT_EQUAL(memfd_mappings(), maps);
	vfuc_ram_destroy(&ram);
	end(&f);
}

static void touch_ram(struct test_dev *d, void *arg)
{
	volatile uint8_t *p = vfu_dma_ptr(d->vfu, 0x5000, 8, true);

	*(bool *)arg = p;
	if (p)
		*p = 1;
}

static void survives_vanished_memory(void)
{
	struct fixture f, neighbour;
	int fd = memfd_create("loose", MFD_CLOEXEC);
	bool reached = false;

	begin(&f, NULL);
	begin(&neighbour, NULL);
	CU_ASSERT_EQUAL(ftruncate(fd, 0x10000), 0);
	CU_ASSERT_EQUAL(vfuc_attach(f.c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(f.c), 0);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0, 0x10000, 3, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
	on_loop(&f.d, touch_ram, &reached);
	CU_ASSERT_TRUE(reached);
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_LOST_MEMORY, 1));
	on_loop(&f.d, touch_ram, &reached);
	CU_ASSERT_FALSE(reached);
	CU_ASSERT_TRUE(alive(f.c));
	CU_ASSERT_EQUAL(vfuc_reset(f.c), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_LOST_MEMORY), 1);
	CU_ASSERT_EQUAL(dev_events(&neighbour.d, EV_LOST_MEMORY), 0);
	CU_ASSERT_TRUE(alive(neighbour.c));
	close(fd);
	end(&neighbour);
	end(&f);
}

static void waits_for_descriptors(void)
{
	struct fixture f;
	struct rlimit old, low;
	int fd, hold[64], n = 0;

	dev_start(&f.d);
	fd = raw_connect(f.d.path);	/* so that the loop has been through accept once */
	close(fd);
	getrlimit(RLIMIT_NOFILE, &old);
	/* Room for the client's socket, none for the server's. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	usleep(20000);
	low = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &low);
	while (n < 64 && (hold[n] = dup(0)) >= 0)
		n++;
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", f.d.path);
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	usleep(100000);
	setrlimit(RLIMIT_NOFILE, &old);
	while (n)
		close(hold[--n]);
	CU_ASSERT(dev_counter(&f.d, "accept-failed") >= 1);
	CU_ASSERT(dev_counter(&f.d, "accept-failed") <= 2);	/* no spinning */
	close(fd);
	CU_ASSERT_EQUAL(vfuc_connect(f.d.path, NULL, &f.c), 0);	/* a second later */
	CU_ASSERT_TRUE(alive(f.c));
	end(&f);
}

static const struct hv_test tests[] = {
	{ "reads single bytes", reads_single_bytes },
	{ "gives descriptors to their message", gives_descriptors_to_their_message },
	{ "closes every descriptor", closes_every_descriptor },
	{ "consumes 10000 posted writes in order", consumes_posted_writes_in_order },
	{ "handles a burst to its end", handles_a_burst_to_its_end },
	{ "tells a second client that it is busy", tells_a_second_client_that_it_is_busy },
	{ "takes the next client at once", takes_the_next_client_at_once },
	{ "forgets silent clients", forgets_silent_clients },
	{ "stops serving who does not read", stops_serving_who_does_not_read },
	{ "survives a client's death at every byte", survives_death_at_every_byte },
	{ "survives vanished guest memory", survives_vanished_memory },
	{ "waits when descriptors have run out", waits_for_descriptors },
};

HV_TEST_MAIN("vfio-user/hostile", tests)
