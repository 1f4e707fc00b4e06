/* SPDX-License-Identifier: MIT */
/* A function's life: its socket, its end, and interrupts over the wire as a driver meets them. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vfio-user/test_dev.h"

/* Without a thread: only creating and destroying. */
struct bare {
	struct test_dev d;
};

static void bare_begin(struct bare *b)
{
	memset(b, 0, sizeof(*b));
	hv_log_set_level(HV_LOG_ERROR - 1);	/* refused descriptions are logged: not here */
	dev_make_dir(&b->d);
	b->d.desc = dev_description();
	b->d.desc.socket_path = b->d.path;
	if (hv_loop_create(&b->d.loop))
		abort();
}

static int bare_create(struct bare *b, struct vfu_dev **out)
{
	return vfu_dev_create(b->d.loop, &b->d.desc, &test_dev_ops, &b->d, out);
}

static void bare_end(struct bare *b)
{
	hv_loop_destroy(b->d.loop);
	CU_ASSERT_EQUAL(rmdir(b->d.dir), 0);
}

static void makes_its_socket(void)
{
	static const mode_t modes[] = { 0600, 0660, 0777 };
	struct vfu_dev *dev;
	struct stat st;
	struct bare b;
	mode_t old;

	bare_begin(&b);
	old = umask(077);
	for (unsigned i = 0; i < 3; i++) {
		b.d.desc.mode = modes[i];
		CU_ASSERT_EQUAL_FATAL(bare_create(&b, &dev), 0);
		CU_ASSERT_EQUAL(stat(b.d.path, &st), 0);
		CU_ASSERT_EQUAL(st.st_mode, S_IFSOCK | modes[i]);
		vfu_dev_destroy(dev);
		CU_ASSERT_NOT_EQUAL(access(b.d.path, F_OK), 0);
		umask(0);
	}
	b.d.desc.mode = 0;
	CU_ASSERT_EQUAL_FATAL(bare_create(&b, &dev), 0);
	CU_ASSERT_EQUAL(stat(b.d.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode, S_IFSOCK | 0600);
	vfu_dev_destroy(dev);
	umask(old);
	vfu_dev_destroy(NULL);
	bare_end(&b);
}

static void respects_what_is_at_its_path(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct vfu_dev *dev = NULL, *other;
	struct stat st;
	struct bare b;
	int fd;

	bare_begin(&b);
	CU_ASSERT_EQUAL_FATAL(bare_create(&b, &dev), 0);
	CU_ASSERT_EQUAL(bare_create(&b, &other), -EADDRINUSE);
	CU_ASSERT_EQUAL(access(b.d.path, F_OK), 0);
	/* Somebody takes our path away and puts his own there: not ours to remove. */
	unlink(b.d.path);
	fd = open(b.d.path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	vfu_dev_destroy(dev);
	CU_ASSERT_EQUAL(stat(b.d.path, &st), 0);
	CU_ASSERT_EQUAL(bare_create(&b, &dev), -ENOTSOCK);
	CU_ASSERT_EQUAL(stat(b.d.path, &st), 0);
	close(fd);
	unlink(b.d.path);
	/* The same with a socket of somebody else. */
	CU_ASSERT_EQUAL_FATAL(bare_create(&b, &dev), 0);
	unlink(b.d.path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", b.d.path);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	vfu_dev_destroy(dev);
	CU_ASSERT_EQUAL(stat(b.d.path, &st), 0);
	/* What a dead server left is replaced. */
	close(fd);
	CU_ASSERT_EQUAL_FATAL(bare_create(&b, &dev), 0);
	vfu_dev_destroy(dev);
	b.d.desc.socket_path = "/nonexistent/socket";
	CU_ASSERT_EQUAL(bare_create(&b, &dev), -ENOENT);
	bare_end(&b);
}

static void refuses_bad_descriptions(void)
{
	struct vfu_dev *dev = NULL;
	struct bare b;
	unsigned before;

	bare_begin(&b);
	before = open_fds();
	b.d.desc.msix_pba_offset = 0x1000;
	CU_ASSERT_EQUAL(bare_create(&b, &dev), -EINVAL);
	b.d.desc = dev_description();
	b.d.desc.socket_path = b.d.path;
	b.d.desc.extra_caps = (const uint8_t *)"\5\0\0\0";
	b.d.desc.extra_caps_bytes = 4;
	CU_ASSERT_EQUAL(bare_create(&b, &dev), -EINVAL);
	CU_ASSERT_PTR_NULL(dev);
	CU_ASSERT_NOT_EQUAL(access(b.d.path, F_OK), 0);	/* no socket was there for a moment */
	CU_ASSERT_EQUAL(open_fds(), before);
	bare_end(&b);
}

static void ends_with_a_client_attached(void)
{
	struct test_dev d;
	struct vfuc_ram ram;
	struct vfuc *c;
	unsigned before;
	uint64_t v;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(1 << 20, &ram), 0);
	before = open_fds();
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(c), 0);
	CU_ASSERT_EQUAL(vfuc_map(c, 0, 1 << 20, 3, ram.fd, 0, ram.base), 0);
	CU_ASSERT_EQUAL(vfuc_msix_enable(c, 4), 0);
	on_loop(&d, dev_forget_fn, NULL);
	dev_stop(&d);
	CU_ASSERT_EQUAL(d.num_events, 0);	/* no callback from within */
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, 0, 4, &v), -EPIPE);
	vfuc_close(c);
	CU_ASSERT(open_fds() < before);		/* the loop's are gone too */
	vfuc_ram_destroy(&ram);
}

static void knows_its_peer(struct test_dev *d, void *arg)
{
	pid_t pid = 0;
	uid_t uid = (uid_t)-1;
	bool attached = *(bool *)arg;

	CU_ASSERT_EQUAL(vfu_dev_attached(d->vfu), attached);
	CU_ASSERT_EQUAL(vfu_dev_peer(d->vfu, &pid, &uid), attached);
	CU_ASSERT_EQUAL(pid, attached ? getpid() : 0);
	CU_ASSERT_EQUAL(uid, attached ? getuid() : (uid_t)-1);
	CU_ASSERT_STRING_EQUAL(vfu_dev_name(d->vfu), "test/fn");
}

static void tells_who_is_attached(void)
{
	struct test_dev d;
	struct vfuc *c;
	bool attached = false;

	dev_start(&d);
	on_loop(&d, knows_its_peer, &attached);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	attached = true;
	on_loop(&d, knows_its_peer, &attached);
	vfuc_close(c);
	CU_ASSERT_TRUE(dev_wait_event(&d, EV_GONE, 1));
	attached = false;
	on_loop(&d, knows_its_peer, &attached);
	dev_stop(&d);
}

static void intx_as_a_driver_meets_it(void)
{
	struct test_dev d;
	struct vfuc *c;
	uint64_t v;
	uint32_t w;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(c), 0);
	CU_ASSERT_FALSE(vfuc_intx_take(c, 0));
	/* A read-to-clear cause: each interrupt once. */
	for (int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_LEVEL, 4, 1), 0);
		CU_ASSERT_TRUE(vfuc_intx_take(c, 1000));
		CU_ASSERT_EQUAL(vfuc_config_read(c, 6, 2, &w), 0);
		CU_ASSERT_EQUAL(w & 8, 8);
		CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_CAUSE, 4, &v), 0);
		CU_ASSERT_EQUAL(vfuc_config_read(c, 6, 2, &w), 0);
		CU_ASSERT_EQUAL(w & 8, 0);
		CU_ASSERT_FALSE(vfuc_intx_take(c, 0));
	}
	/* Not acknowledged: it comes again. */
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_LEVEL, 4, 1), 0);
	CU_ASSERT_TRUE(vfuc_intx_take(c, 1000));
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_SCRATCH, 4, &v), 0);
	CU_ASSERT_TRUE(vfuc_intx_take(c, 1000));
	/* Reset: level and mask are gone, the eventfd of the re-armed INTx works. */
	CU_ASSERT_EQUAL(vfuc_reset(c), 0);
	CU_ASSERT_FALSE(vfuc_intx_take(c, 5));
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_LEVEL, 4, 1), 0);
	CU_ASSERT_TRUE(vfuc_intx_take(c, 1000));
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_CAUSE, 4, &v), 0);
	/* As KVM does it: the end of an interrupt is an eventfd. */
	int unmask;
	const uint64_t one = 1;

	CU_ASSERT_EQUAL(vfuc_intx_resample(c, &unmask), 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_LEVEL, 4, 1), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_intx_fd(c), 1000), 1);
	CU_ASSERT_EQUAL(write(unmask, &one, sizeof(one)), sizeof(one));
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_intx_fd(c), 1000), 1);
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_CAUSE, 4, &v), 0);
	CU_ASSERT_EQUAL(write(unmask, &one, sizeof(one)), sizeof(one));
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_intx_fd(c), 10), 0);
	vfuc_close(c);
	dev_stop(&d);
}

static void msi_as_a_driver_meets_it(void)
{
	struct vfu_dev_desc desc = dev_description();
	struct test_dev d;
	struct vfuc *c;

	desc.msix_vectors = 0;
	dev_start_desc(&d, &desc);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_msi_enable(c, 1), 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_RAISE, 4, 0), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msi_fd(c, 0), 1000), 1);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_RAISE, 4, 1), 0);	/* not granted */
	CU_ASSERT_EQUAL(vfuc_msi_disable(c), 0);
	CU_ASSERT_EQUAL(dev_seen(&d)->raise_status, -ENOENT);
	CU_ASSERT_EQUAL(vfuc_msi_enable(c, 4), 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_RAISE, 4, 3), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msi_fd(c, 3), 1000), 1);
	vfuc_close(c);
	dev_stop(&d);
}

static void maps_guest_rings(struct test_dev *d, void *arg)
{
	const struct vfuc_ram *ram = arg;
	static const uint64_t pfns[] = { 0x200, 0x201, 0x205 };
	uint8_t *ring;
	void *p = NULL;

	CU_ASSERT_EQUAL_FATAL(vfu_dma_map_pages(d->vfu, pfns, 3, 2, &p), 0);
	ring = p;
	ram->base[0x205000] = 0xab;
	CU_ASSERT_EQUAL(ring[2 * 4096], 0xab);
	CU_ASSERT_EQUAL(ring[5 * 4096], 0xab);
	ring[3 * 4096 - 1] = 1;
	memset(ring + 3 * 4096 - 1, 0xcd, 2);	/* over the end */
	CU_ASSERT_EQUAL(ram->base[0x200000], 0xcd);
	vfu_dma_unmap_pages(d->vfu, p, 3, 2);
	vfu_dma_unmap_pages(d->vfu, NULL, 3, 2);
}

static void gives_rings_that_do_not_wrap(void)
{
	struct test_dev d;
	struct vfuc_ram ram;
	struct vfuc *c;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(64 << 20, &ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(c), 0);
	on_loop(&d, maps_guest_rings, &ram);
	vfuc_close(c);
	vfuc_ram_destroy(&ram);
	dev_stop(&d);
}

static const struct hv_test tests[] = {
	{ "makes its socket with the mode that was asked for", makes_its_socket },
	{ "respects what is at its path", respects_what_is_at_its_path },
	{ "refuses bad descriptions before there is a socket", refuses_bad_descriptions },
	{ "ends with a client attached", ends_with_a_client_attached },
	{ "tells who is attached", tells_who_is_attached },
	{ "INTx as a driver meets it", intx_as_a_driver_meets_it },
	{ "MSI as a driver meets it", msi_as_a_driver_meets_it },
	{ "gives rings that do not wrap", gives_rings_that_do_not_wrap },
};

HV_TEST_MAIN("vfio-user/life", tests)
