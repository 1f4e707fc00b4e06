/* SPDX-License-Identifier: MIT */
#include "vfio-user/dma.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "vfio-user/guard.h"
#include "vfio-user/vfio_user_wire.h"

enum { RW = VFU_MAP_READ | VFU_MAP_WRITE, RO = VFU_MAP_READ };

#define GIB (UINT64_C(1) << 30)

static int ram_fd(uint64_t bytes)
{
	int fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		abort();
	return fd;
}

static int add(struct vfu_dma *d, uint64_t address, uint64_t size, uint32_t flags, int fd,
	       uint64_t offset, enum vfu_counter *why)
{
	const struct vfu_dma_range *r;
	enum vfu_counter reason;

	return vfu_dma_add(d, address, size, flags, fd, offset, 0, &r, why ? why : &reason);
}

static void refuses_bad_ranges(void)
{
	static const struct {
		const char *what;
		uint64_t address, size;
		uint32_t flags;
		int ret;
		enum vfu_counter why;
	} rows[] = {
		{ "no size", 0x1000, 0, RW, -EINVAL, VFU_C_MAP_RANGE },
		{ "half a page", 0x1000, 0x800, RW, -EINVAL, VFU_C_MAP_RANGE },
		{ "an unaligned address", 0x800, 0x1000, RW, -EINVAL, VFU_C_MAP_RANGE },
		{ "a range that wraps", UINT64_MAX - 0xfff, 0x2000, RW, -EINVAL, VFU_C_MAP_RANGE },
		{ "the last page there is", UINT64_MAX - 0xfff, 0x1000, RW, -EINVAL,
		  VFU_C_MAP_RANGE },
		{ "an end beyond the address width", VFU_DMA_MAX_ADDRESS - 0x1000, 0x2000, RW,
		  -EINVAL, VFU_C_MAP_RANGE },
		{ "more than 8 TiB", 0, VFU_DMA_MAX_MAP + 0x1000, RW, -ENOSPC, VFU_C_MAP_LIMIT },
		{ "no right", 0x1000, 0x1000, 0, -EINVAL, VFU_C_MAP_FLAGS },
		{ "an unknown flag", 0x1000, 0x1000, RW | 4, -EINVAL, VFU_C_MAP_FLAGS },
		{ "an overlap with the end", 0x10000, 0x2000, RW, -EEXIST, VFU_C_MAP_OVERLAP },
		{ "an overlap with the start", 0xf000, 0x2000, RW, -EEXIST, VFU_C_MAP_OVERLAP },
		{ "the same again", 0x10000, 0x1000, RW, -EEXIST, VFU_C_MAP_OVERLAP },
		{ "one that encloses", 0, 0x100000, RW, -EEXIST, VFU_C_MAP_OVERLAP },
		{ "one inside", 0x21000, 0x1000, RW, -EEXIST, VFU_C_MAP_OVERLAP },
		{ "the page before", 0xf000, 0x1000, RW, 0, 0 },
		{ "the page behind", 0x11000, 0x1000, RO, 0, 0 },
		{ "the last page of all", VFU_DMA_MAX_ADDRESS - 0x1000, 0x1000, RW, 0, 0 },
	};
	struct vfu_dma d = { 0 };

	CU_ASSERT_EQUAL(add(&d, 0x10000, 0x1000, RW, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x20000, 0x4000, RW, -1, 0, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum vfu_counter why = VFU_NUM_COUNTERS;
		size_t before = d.num_maps;
		int ret = add(&d, rows[i].address, rows[i].size, rows[i].flags, -1, 0, &why);

		if (ret != rows[i].ret || (ret && why != rows[i].why))
			printf("  %s: %d\n", rows[i].what, ret);
		CU_ASSERT_EQUAL(ret, rows[i].ret);
		CU_ASSERT(!ret || why == rows[i].why);
		CU_ASSERT_EQUAL(d.num_maps, before + !ret);
	}
	for (size_t i = 1; i < d.num_maps; i++)
		CU_ASSERT(d.map[i - 1].range.address < d.map[i].range.address);
	vfu_dma_destroy(&d);
}

static void limits_the_number_of_maps(void)
{
	struct vfu_dma d = { 0 };
	enum vfu_counter why = 0;

	for (uint64_t i = 0; i < VFU_DMA_MAX_MAPS; i++)
		if (add(&d, i * 0x2000, 0x1000, RW, -1, 0, NULL))
			CU_FAIL_FATAL("a map below the limit was refused");
	CU_ASSERT_EQUAL(add(&d, 64 * GIB, 0x1000, RW, -1, 0, &why), -EINVAL);
	CU_ASSERT_EQUAL(why, VFU_C_MAP_LIMIT);
	CU_ASSERT_EQUAL(d.num_maps, VFU_DMA_MAX_MAPS);
	CU_ASSERT_PTR_NOT_NULL(vfu_dma_find(&d, 0x2000 * (VFU_DMA_MAX_MAPS - 1) + 5));
	CU_ASSERT_PTR_NULL(vfu_dma_find(&d, 0x1000));
	vfu_dma_destroy(&d);
}

/* The table against a slow model of it: one bit per page. */
static void finds_what_is_mapped(void)
{
	enum { PAGES = 256 };
	uint8_t model[PAGES] = { 0 };
	struct vfu_dma d = { 0 };
	unsigned seed = 1;

	for (int step = 0; step < 4000; step++) {
		unsigned first, n;
		bool taken = false;

		seed = seed * 1103515245 + 12345;
		first = (seed >> 8) % PAGES;
		n = 1 + (seed >> 20) % 9;
		if (first + n > PAGES)
			n = PAGES - first;
		if (seed & 0x40000000) {
			for (unsigned i = 0; i < n; i++)
				taken |= model[first + i];
			CU_ASSERT_EQUAL(add(&d, first * 0x1000, n * 0x1000, RW, -1, 0, NULL),
					taken ? -EEXIST : 0);
			if (!taken)
				memset(model + first, 1, n);
		} else {
			size_t at = vfu_dma_first_inside(&d, first * 0x1000, n * 0x1000);

			if (at < d.num_maps) {
				uint64_t a = d.map[at].range.address / 0x1000;
				uint64_t s = d.map[at].range.size_bytes / 0x1000;

				CU_ASSERT(a >= first && a + s <= first + n);
				memset(model + a, 0, s);
				vfu_dma_remove(&d, at, 0);
			}
		}
		for (unsigned i = 0; i < PAGES; i += 7) {
			const struct vfu_map *m = vfu_dma_find(&d, i * 0x1000 + 0xfff);

			if (!m != !model[i])
				CU_FAIL("the table disagrees with the model");
		}
	}
	CU_ASSERT(d.num_maps > 10);
	vfu_dma_destroy(&d);
}

static void reaches_over_adjacent_maps(void)
{
	struct vfu_dma d = { 0 };

	CU_ASSERT_EQUAL(add(&d, 0x1000, 0x1000, RW, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x2000, 0x1000, RO, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x3000, 0x1000, RW, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL(vfu_dma_reach(&d, 0x1800, 0x2000, false), 0x2000);
	CU_ASSERT_EQUAL(vfu_dma_reach(&d, 0x1800, 0x2000, true), 0x800);
	CU_ASSERT_EQUAL(vfu_dma_reach(&d, 0x1800, 0x10000, false), 0x2800);
	CU_ASSERT_EQUAL(vfu_dma_reach(&d, 0x4000, 1, false), 0);
	CU_ASSERT_EQUAL(vfu_dma_reach(&d, UINT64_MAX, 4, false), 0);
	vfu_dma_destroy(&d);
}

static void maps_a_file_once(void)
{
	struct vfu_dma a = { 0 }, b = { 0 };
	int fd = ram_fd(0x100000), copy = dup(fd);
	uint8_t *p;

	CU_ASSERT_EQUAL(add(&a, 0, 0x10000, RW, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&a, 0x80000, 0x10000, RO, copy, 0x80000, NULL), 0);
	CU_ASSERT_EQUAL(add(&b, 0x40000, 0x10000, RW, copy, 0x10000, NULL), 0);
	close(copy);
	close(fd);
	p = a.map[0].range.host;
	CU_ASSERT_PTR_EQUAL(a.map[1].range.host, p + 0x80000);
	CU_ASSERT_PTR_EQUAL(b.map[0].range.host, p + 0x10000);
	CU_ASSERT_FALSE(a.map[1].range.writable);
	CU_ASSERT_EQUAL(a.file[0].file->refs, 2);
	CU_ASSERT_EQUAL(a.file[0].maps, 2);
	p[0x10000] = 0x77;
	vfu_dma_destroy(&a);
	CU_ASSERT_EQUAL(*(uint8_t *)b.map[0].range.host, 0x77);
	vfu_dma_destroy(&b);
}

static void lets_files_linger(void)
{
	struct vfu_dma d = { 0 };
	int fd = ram_fd(0x10000);
	uint8_t *p;
	uint64_t next;

	CU_ASSERT_EQUAL(add(&d, 0, 0x10000, RW, fd, 0, NULL), 0);
	p = d.map[0].range.host;
	CU_ASSERT_EQUAL(vfu_dma_expire(&d, 10 * VFU_DMA_LINGER_NS), 0);	/* in use */
	vfu_dma_remove(&d, 0, 1000);
	next = vfu_dma_expire(&d, 1000 + VFU_DMA_LINGER_NS - 1);
	CU_ASSERT_EQUAL(next, 1000 + VFU_DMA_LINGER_NS);
	CU_ASSERT_EQUAL(add(&d, 0, 0x10000, RW, fd, 0, NULL), 0);	/* back in time */
	CU_ASSERT_PTR_EQUAL(d.map[0].range.host, p);
	vfu_dma_remove(&d, 0, 2000);
	CU_ASSERT_EQUAL(vfu_dma_expire(&d, next), 2000 + VFU_DMA_LINGER_NS);
	CU_ASSERT_EQUAL(vfu_dma_expire(&d, 2000 + VFU_DMA_LINGER_NS), 0);
	CU_ASSERT_EQUAL(d.file_bytes, 0);
	CU_ASSERT_NOT_EQUAL(msync(p, 0x1000, MS_ASYNC), 0);	/* unmapped */
	close(fd);
	vfu_dma_destroy(&d);
}

/* The thread sanitizer's shadow leaves no room for mappings of terabytes. */
static bool large_mappings(void)
{
#if defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	return false;
#endif
#endif
	return true;
}

static void limits_files(void)
{
	struct vfu_dma d = { 0 };
	enum vfu_counter why = 0;
	int fd;

	for (unsigned i = 0; i < VFU_DMA_MAX_FILES; i++) {
		fd = ram_fd(0x1000);
		CU_ASSERT_EQUAL(add(&d, i * 0x1000, 0x1000, RW, fd, 0, NULL), 0);
		close(fd);
	}
	fd = ram_fd(0x1000);
	CU_ASSERT_EQUAL(add(&d, 0x1000000, 0x1000, RW, fd, 0, &why), -ENOSPC);
	CU_ASSERT_EQUAL(why, VFU_C_MAP_LIMIT);
	vfu_dma_remove(&d, 5, 0);	/* an idle file makes place */
	CU_ASSERT_EQUAL(add(&d, 0x1000000, 0x1000, RW, fd, 0, NULL), 0);
	close(fd);
	vfu_dma_destroy(&d);

	if (!large_mappings())
		return;
	/* Sparse files cost a client nothing, our address space they do. */
	fd = ram_fd(VFU_DMA_MAX_TOTAL - 0x1000);
	CU_ASSERT_EQUAL(add(&d, 0, 0x1000, RW, fd, 0, NULL), 0);
	close(fd);
	fd = ram_fd(0x2000);
	CU_ASSERT_EQUAL(add(&d, 0x1000, 0x1000, RW, fd, 0, &why), -ENOSPC);
	vfu_dma_remove(&d, 0, 0);
	CU_ASSERT_EQUAL(add(&d, 0x1000, 0x1000, RW, fd, 0, NULL), 0);
	close(fd);
	fd = ram_fd(VFU_DMA_MAX_TOTAL + 0x1000);
	CU_ASSERT_EQUAL(add(&d, 0x4000, 0x1000, RW, fd, 0, &why), -ENOSPC);
	close(fd);
	vfu_dma_destroy(&d);
}

static void check_kind(struct vfu_dma *d, int fd, uint32_t flags, uint64_t offset, int want,
		       enum vfu_counter want_why)
{
	enum vfu_counter why = VFU_NUM_COUNTERS;
	int ret = add(d, 0x100000, 0x1000, flags, fd, offset, &why);

	CU_ASSERT_EQUAL(ret, want);
	CU_ASSERT_EQUAL(why, want_why);
	if (fd >= 0)
		close(fd);
}

static void refuses_wrong_descriptors(void)
{
	struct vfu_dma d = { 0 };
	int pair[2], fd, ro;
	char path[64];

	if (pipe(pair))
		abort();
	close(pair[1]);
	check_kind(&d, pair[0], RW, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		abort();
	close(pair[1]);
	check_kind(&d, pair[0], RW, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	check_kind(&d, eventfd(0, 0), RW, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	check_kind(&d, open("/", O_RDONLY | O_DIRECTORY), RO, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	check_kind(&d, open("/dev/zero", O_RDWR), RW, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	check_kind(&d, open("/proc/self/maps", O_RDONLY), RO, 0, -EINVAL, VFU_C_MAP_FILE_TYPE);
	fd = ram_fd(0x10000);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_kind(&d, open(path, O_PATH), RO, 0, -EACCES, VFU_C_MAP_FILE_MODE);
	check_kind(&d, open(path, O_WRONLY), RW, 0, -EACCES, VFU_C_MAP_FILE_MODE);
	check_kind(&d, open(path, O_RDONLY), RW, 0, -EACCES, VFU_C_MAP_FILE_MODE);
	check_kind(&d, dup(fd), RW, 0xf001, -EINVAL, VFU_C_MAP_RANGE);
	check_kind(&d, dup(fd), RW, 0x10000, -EINVAL, VFU_C_MAP_FILE_SIZE);
	check_kind(&d, dup(fd), RW, UINT64_MAX - 0xfff, -EINVAL, VFU_C_MAP_FILE_SIZE);
	check_kind(&d, ram_fd(0), RW, 0, -EINVAL, VFU_C_MAP_FILE_SIZE);
	ro = ram_fd(0x10000);
	fcntl(ro, F_ADD_SEALS, F_SEAL_WRITE);
	check_kind(&d, ro, RW, 0, -EPERM, VFU_C_MAP_FAILED);
	CU_ASSERT_EQUAL(d.num_maps, 0);
	check_kind(&d, open(path, O_RDONLY), RO, 0xf000, 0, VFU_NUM_COUNTERS);
	CU_ASSERT_EQUAL(d.num_maps, 1);
	close(fd);
	vfu_dma_destroy(&d);
}

/* Pages 3 4 5 of one file, 9, then 0 of another: three runs. */
static void joins_pages(void)
{
	static const uint64_t pfns[] = { 0x103, 0x104, 0x105, 0x109, 0x200 };
	struct vfu_dma d = { 0 };
	int fd = ram_fd(0x10000), other = ram_fd(0x1000);
	uint8_t *file, *p;
	void *base;

	CU_ASSERT_EQUAL(add(&d, 0x100000, 0x4000, RW, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x104000, 0xc000, RW, fd, 0x4000, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x200000, 0x1000, RW, other, 0, NULL), 0);
	file = d.map[0].range.host;
	for (unsigned i = 0; i < 16; i++)
		file[i * VFU_PAGE] = (uint8_t)i;
	*(uint8_t *)d.map[2].range.host = 0x99;
	CU_ASSERT_EQUAL_FATAL(vfu_pages_map(&d, pfns, 5, 2, &base), 0);
	p = base;
	for (unsigned copy = 0; copy < 2; copy++, p += 5 * VFU_PAGE) {
		CU_ASSERT_EQUAL(p[0], 3);
		CU_ASSERT_EQUAL(p[VFU_PAGE], 4);
		CU_ASSERT_EQUAL(p[2 * VFU_PAGE], 5);
		CU_ASSERT_EQUAL(p[3 * VFU_PAGE], 9);
		CU_ASSERT_EQUAL(p[4 * VFU_PAGE], 0x99);
	}
	CU_ASSERT_EQUAL(d.pieces, 6);
	p = base;
	p[9 * VFU_PAGE + 7] = 0x42;		/* the second copy's last page is the first's */
	CU_ASSERT_EQUAL(p[4 * VFU_PAGE + 7], 0x42);
	/* The mapping outlives ranges and files. */
	while (d.num_maps)
		vfu_dma_remove(&d, 0, 0);
	vfu_dma_expire(&d, UINT64_MAX);
	CU_ASSERT_EQUAL(p[0], 3);
	CU_ASSERT_TRUE(vfu_pages_unmap(&d, base));
	CU_ASSERT_FALSE(vfu_pages_unmap(&d, base));
	CU_ASSERT_EQUAL(d.pieces, 0);
	close(fd);
	close(other);
	vfu_dma_destroy(&d);
}

static void refuses_bad_pages(void)
{
	struct vfu_dma d = { 0 };
	static uint64_t many[VFU_DMA_MAX_PIECES + 2];
	int fd = ram_fd(0x10000), ret = 0;
	void *base = NULL, *kept[4];
	uint64_t pfn;

	CU_ASSERT_EQUAL(add(&d, 0x100000, 0x8000, RW, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x108000, 0x8000, RO, fd, 0x8000, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x200000, 0x8000, RW, -1, 0, NULL), 0);
	pfn = 0x100;
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 0, 1, &base), -EINVAL);
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 0, &base), -EINVAL);
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, VFU_DMA_MAX_COPIES + 1, &base), -EINVAL);
	pfn = 0xff;
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 1, &base), -EFAULT);
	pfn = 0x108;		/* read-only */
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 1, &base), -EFAULT);
	pfn = 0x200;		/* no descriptor */
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 1, &base), -EFAULT);
	pfn = 0x10000000000100;	/* wraps to a good one */
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 1, &base), -EFAULT);
	CU_ASSERT_PTR_NULL(base);
	CU_ASSERT_EQUAL(d.pieces, 0);
	/* Every piece costs an entry of a limit that the whole process shares. */
	for (size_t i = 0; i < VFU_DMA_MAX_PIECES + 2; i++)
		many[i] = 0x100 + (i & 1) * 2;
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(vfu_pages_map(&d, many, VFU_DMA_MAX_PIECES / 4, 1, &kept[i]), 0);
	pfn = 0x100;
	CU_ASSERT_EQUAL(vfu_pages_map(&d, &pfn, 1, 1, &base), -ENOMEM);
	CU_ASSERT_TRUE(vfu_pages_unmap(&d, kept[0]));
	CU_ASSERT_EQUAL(vfu_pages_map(&d, many, VFU_DMA_MAX_PIECES / 4, 2, &base), -ENOMEM);
	ret = vfu_pages_map(&d, &pfn, 1, 1, &base);
	CU_ASSERT_EQUAL(ret, 0);
	close(fd);
	vfu_dma_destroy(&d);	/* the rest of the mappings too */
}

static void survives_a_cut_file(void)
{
	struct vfu_dma d = { 0 };
	int fd = ram_fd(0x100000), keep = ram_fd(0x1000), wake;
	const uint64_t pfns[] = { 0x10, 0x20 };
	uint64_t n;
	uint8_t *p;
	void *pages;

	CU_ASSERT_EQUAL(vfu_guard_listen(&wake), 0);
	CU_ASSERT_EQUAL(add(&d, 0, 0x100000, RW, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0x100000, 0x1000, RW, keep, 0, NULL), 0);
	CU_ASSERT_EQUAL(vfu_pages_map(&d, pfns, 2, 1, &pages), 0);
	p = d.map[0].range.host;
	p[0x50000] = 1;
	CU_ASSERT_FALSE(vfu_dma_check_lost(&d));
	if (ftruncate(fd, 0))
		abort();
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(p + 0x50000), 0);	/* SIGBUS, but for the guard */
	CU_ASSERT_EQUAL(read(wake, &n, sizeof(n)), sizeof(n));
	CU_ASSERT_TRUE(vfu_dma_check_lost(&d));
	CU_ASSERT_FALSE(vfu_dma_check_lost(&d));		/* told once */
	CU_ASSERT_PTR_NULL(d.map[0].range.host);
	CU_ASSERT_PTR_NOT_NULL(d.map[1].range.host);
	p[0xfffff] = 1;						/* no second fault: all is replaced */
	CU_ASSERT_EQUAL(read(wake, &n, sizeof(n)), -1);
	((volatile uint8_t *)pages)[VFU_PAGE] = 1;		/* a mapping of its own */
	CU_ASSERT_TRUE(vfu_dma_check_lost(&d));
	/* The same file, grown again, is mapped anew. */
	if (ftruncate(fd, 0x100000))
		abort();
	CU_ASSERT_EQUAL(add(&d, 0x1000000, 0x1000, RW, fd, 0, NULL), 0);
	CU_ASSERT_PTR_NOT_EQUAL(d.map[2].range.host, p);
	*(uint8_t *)d.map[2].range.host = 5;
	CU_ASSERT_EQUAL(p[0], 0);
	vfu_guard_unlisten(wake);
	close(fd);
	close(keep);
	vfu_dma_destroy(&d);
}

static volatile sig_atomic_t foreign;

static void foreign_handler(int signal_number)
{
	(void)signal_number;
	foreign++;
}

/* The first test to run: the guard is not installed yet. */
static void passes_foreign_signals_on(void)
{
	struct sigaction sa = { .sa_handler = foreign_handler };
	struct vfu_dma d = { 0 };
	int fd = ram_fd(0x1000);

	CU_ASSERT_EQUAL(sigaction(SIGBUS, &sa, NULL), 0);
	CU_ASSERT_EQUAL(add(&d, 0, 0x1000, RW, fd, 0, NULL), 0);
	CU_ASSERT_EQUAL(sigaction(SIGBUS, NULL, &sa), 0);
	CU_ASSERT(sa.sa_handler != foreign_handler);
	raise(SIGBUS);
	CU_ASSERT_EQUAL(foreign, 1);
	close(fd);
	vfu_dma_destroy(&d);
}

static const struct hv_test tests[] = {
	{ "passes on a SIGBUS that is not about guest memory", passes_foreign_signals_on },
	{ "refuses bad ranges", refuses_bad_ranges },
	{ "limits the number of maps", limits_the_number_of_maps },
	{ "finds what is mapped", finds_what_is_mapped },
	{ "reaches over adjacent maps", reaches_over_adjacent_maps },
	{ "maps a file once, for all functions", maps_a_file_once },
	{ "lets idle files linger", lets_files_linger },
	{ "limits files and their size", limits_files },
	{ "refuses wrong descriptors", refuses_wrong_descriptors },
	{ "joins pages in runs and copies", joins_pages },
	{ "refuses bad pages", refuses_bad_pages },
	{ "survives a file that is cut", survives_a_cut_file },
};

HV_TEST_MAIN("vfio-user/dma", tests)
