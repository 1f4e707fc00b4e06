/* SPDX-License-Identifier: MIT */
/*
 * What other servers of the protocol are tested for, over a real socket: negotiation, framing,
 * information, interrupts, maps, region accesses. Each refused message must leave the connection
 * alive, unless the position in the stream is lost with it.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "vfio-user/test_dev.h"

#define SIZE_OF(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct test_dev d;
	struct vfuc *c;
};

static void begin_opts(struct fixture *f, const struct vfuc_opts *opts)
{
	dev_start(&f->d);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f->d.path, opts, &f->c), 0);
}

static void begin(struct fixture *f)
{
	begin_opts(f, NULL);
}

static void end(struct fixture *f)
{
	vfuc_close(f->c);
	dev_stop(&f->d);
}

static int call(struct fixture *f, uint16_t command, const void *payload, size_t n)
{
	struct vfuc_msg m = { .command = command, .payload = payload, .bytes = n };

	return vfuc_call(f->c, &m, NULL, 0, NULL);
}

/* The connection is alive: a good request gets its answer, and only that. */
static bool alive(struct fixture *f)
{
	uint32_t v;

	return !vfuc_config_read(f->c, 0, 4, &v) && v == 0x11e81234 && !vfuc_replies_left(f->c);
}

static void negotiates(void)
{
	static const char *const bad[] = {
		"{", "\"", "{\"capabilities\":\"x\"}", "{\"capabilities\":{\"max_msg_fds\":\"1\"}}",
		"{\"capabilities\":{\"max_msg_fds\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":1025}}",
		"{\"capabilities\":{\"migration\":\"x\"}}",
		"{\"capabilities\":{\"migration\":{\"pgsize\":\"x\"}}}",
		"{\"capabilities\":{\"migration\":{\"pgsize\":4095}}}",
	};
	const struct vfuc_opts opts = { .no_version = true };
	char json[128];
	struct fixture f;
	uint8_t reply[64];
	size_t got;
	struct vfuc_msg m = { .command = VFU_CMD_VERSION, .payload = "\0\0\0\0{}", .bytes = 0 };

	begin_opts(&f, &opts);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_VERSION, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_VERSION, "\xe7\3\0", 4), -EINVAL);	/* 999.0 */
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_VERSION, "\0\0\0\0{}", 6), -EINVAL);	/* no NUL */
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_RESET, NULL, 0), -EINVAL);		/* too early */
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_INFO, "\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16), -EINVAL);
	for (size_t i = 0; i < SIZE_OF(bad); i++)
		CU_ASSERT_EQUAL(vfuc_version(f.c, bad[i], NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_ATTACHED), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_DEVICE), 0);
	CU_ASSERT_EQUAL(vfuc_version(f.c, "{}", json, sizeof(json)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"max_data_xfer_size\":65536"));
	CU_ASSERT_TRUE(alive(&f));
	CU_ASSERT_EQUAL(vfuc_version(f.c, "{}", NULL, 0), -EINVAL);	/* twice */
	CU_ASSERT_TRUE(alive(&f));
	end(&f);

	begin_opts(&f, &opts);		/* version bytes alone */
	m.bytes = 4;
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, reply, sizeof(reply), &got), 0);
	CU_ASSERT(got > 5 && !memcmp(reply, "\0\0\0\0{", 5));
	CU_ASSERT_TRUE(alive(&f));
	end(&f);

	begin_opts(&f, &opts);
	CU_ASSERT_EQUAL(vfuc_version(f.c, "{\"capabilities\":{\"max_msg_fds\":1024}}", NULL, 0), 0);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);

	begin_opts(&f, &opts);		/* more than the server takes */
	m.size = VFU_MAX_MESSAGE + 1;
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vfuc_wait_closed(f.c, 2000), 0);
	end(&f);
}

static void frames(void)
{
	static const uint32_t bad_sizes[] = { 15, 1, VFU_MAX_MESSAGE + 1, UINT32_MAX };
	struct fixture f;
	struct vfuc_msg m = { .command = VFU_CMD_RESET };

	for (size_t i = 0; i < SIZE_OF(bad_sizes); i++) {
		begin(&f);
		m.size = bad_sizes[i];
		CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EINVAL);
		CU_ASSERT_EQUAL(vfuc_wait_closed(f.c, 2000), 0);
		CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_RESET_LOST, 1));
		CU_ASSERT_EQUAL(dev_counter(&f.d, "bad-header-size"), 1);
		end(&f);
	}
	begin(&f);
	m = (struct vfuc_msg){ .command = VFU_CMD_DMA_READ, .flags = VFU_FLAG_REPLY };
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EINVAL);	/* nobody asked */
	CU_ASSERT_EQUAL(vfuc_wait_closed(f.c, 2000), 0);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "unexpected-reply"), 1);
	end(&f);
	begin(&f);
	m = (struct vfuc_msg){ .command = VFU_CMD_RESET, .flags = 2 };
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EPIPE);	/* neither nor */
	CU_ASSERT_EQUAL(dev_counter(&f.d, "bad-header-type"), 1);
	end(&f);
}

static void refuses_commands(void)
{
	static const uint16_t unknown[] = { 0, 14, 19, 20, 0x1000, 0xffff, VFU_CMD_DMA_READ,
					    VFU_CMD_DMA_WRITE };
	static const uint16_t unsupported[] = { VFU_CMD_DEVICE_FEATURE, VFU_CMD_MIG_DATA_READ,
						VFU_CMD_MIG_DATA_WRITE };
	static const uint16_t empty[] = { VFU_CMD_DMA_MAP, VFU_CMD_DMA_UNMAP, VFU_CMD_GET_INFO,
					  VFU_CMD_GET_REGION_INFO, VFU_CMD_GET_REGION_IO_FDS,
					  VFU_CMD_GET_IRQ_INFO, VFU_CMD_SET_IRQS,
					  VFU_CMD_REGION_READ, VFU_CMD_REGION_WRITE,
					  VFU_CMD_REGION_WRITE_MULTI };
	struct vfuc_msg m = { .command = VFU_CMD_RESET };
	struct fixture f;

	begin(&f);
	for (size_t i = 0; i < SIZE_OF(unknown); i++)
		CU_ASSERT_EQUAL(call(&f, unknown[i], "\0\0\0\0\0\0\0\0", 8), -EINVAL);
	for (size_t i = 0; i < SIZE_OF(unsupported); i++)
		CU_ASSERT_EQUAL(call(&f, unsupported[i], "\0\0\0\0\0\0\0\0", 8), -ENOTTY);
	for (size_t i = 0; i < SIZE_OF(empty); i++)
		CU_ASSERT_EQUAL(call(&f, empty[i], NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_RESET, "x", 1), -EINVAL);
	m.flags = 0x40;
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EINVAL);
	m.flags = VFU_FLAG_ERROR;
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, NULL, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "bad-header-flags"), 2);
	/* Refused without an answer where none is wanted. */
	m.flags = VFU_FLAG_NO_REPLY;
	m.command = 99;
	CU_ASSERT_EQUAL(vfuc_send(f.c, &m, NULL), 0);
	CU_ASSERT_TRUE(alive(&f));
	CU_ASSERT_EQUAL(dev_counter(&f.d, "posted-refused"), 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_DEVICE), 0);
	end(&f);
}

static void gives_device_info(void)
{
	struct vfu_wire_info info = { .argsz = to_le32(8) };
	struct vfuc_msg m = { .command = VFU_CMD_GET_INFO, .payload = &info, .bytes = sizeof(info) };
	struct vfu_wire_info reply;
	struct fixture f;
	size_t got;

	begin(&f);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_INFO, &info, 8), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_INFO, &info, 16), -EINVAL);	/* argsz 8 */
	info.argsz = to_le32(UINT32_MAX);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_INFO, &info, 16), -EINVAL);
	info.argsz = to_le32(32);
	CU_ASSERT_EQUAL(vfuc_call(f.c, &m, &reply, sizeof(reply), &got), 0);
	CU_ASSERT_EQUAL(got, 16);
	CU_ASSERT_EQUAL(le32_get(reply.argsz), 16);
	CU_ASSERT_EQUAL(le32_get(reply.flags), VFU_DEVICE_PCI | VFU_DEVICE_RESET);
	CU_ASSERT_EQUAL(le32_get(reply.num_regions), 9);
	CU_ASSERT_EQUAL(le32_get(reply.num_irqs), 5);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static void gives_region_info(void)
{
	static const uint64_t sizes[] = { REG_BYTES, 0, 0x1000, 0, 64, 0, 0, 256, 0 };
	struct vfu_wire_region_info info = { .argsz = to_le32(8) }, reply;
	struct vfuc_msg m = { .command = VFU_CMD_GET_REGION_INFO, .payload = &info,
			      .bytes = sizeof(info) };
	struct vfu_wire_region_io_fds io = { .argsz = to_le32(16) };
	struct fixture f;
	size_t got;

	begin(&f);
	CU_ASSERT_EQUAL(call(&f, m.command, &info, 16), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, m.command, &info, 32), -EINVAL);	/* argsz 8 */
	info.argsz = to_le32(64);
	info.index = to_le32(9);
	CU_ASSERT_EQUAL(call(&f, m.command, &info, 32), -EINVAL);
	for (uint32_t i = 0; i < 9; i++) {
		info.index = to_le32(i);
		CU_ASSERT_EQUAL(vfuc_call(f.c, &m, &reply, sizeof(reply), &got), 0);
		CU_ASSERT_EQUAL(got, 32);
		CU_ASSERT_EQUAL(le32_get(reply.argsz), 32);
		CU_ASSERT_EQUAL(le32_get(reply.index), i);
		CU_ASSERT_EQUAL(le64_get(reply.size), sizes[i]);
		CU_ASSERT_EQUAL(le32_get(reply.flags), sizes[i] ? 3 : 0);
		CU_ASSERT_EQUAL(le32_get(reply.cap_offset), 0);
		CU_ASSERT_EQUAL(le64_get(reply.offset), 0);
	}
	/* I/O descriptors: none, said properly. */
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_REGION_IO_FDS, &io, 16), 0);
	io.flags = to_le32(1);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_REGION_IO_FDS, &io, 16), -EINVAL);
	io = (struct vfu_wire_region_io_fds){ to_le32(16), to_le32(0), to_le32(0), to_le32(1) };
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_REGION_IO_FDS, &io, 16), -EINVAL);
	io = (struct vfu_wire_region_io_fds){ to_le32(15), to_le32(0), to_le32(0), to_le32(0) };
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_REGION_IO_FDS, &io, 16), -EINVAL);
	io = (struct vfu_wire_region_io_fds){ to_le32(16), to_le32(0), to_le32(1), to_le32(0) };
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_GET_REGION_IO_FDS, &io, 16), -EINVAL);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static void gives_irq_info(void)
{
	static const uint32_t counts[] = { 1, 4, 16 };
	struct vfu_wire_irq_info info = { .argsz = to_le32(8) }, reply;
	struct vfuc_msg m = { .command = VFU_CMD_GET_IRQ_INFO, .payload = &info,
			      .bytes = sizeof(info) };
	struct fixture f;

	begin(&f);
	CU_ASSERT_EQUAL(call(&f, m.command, &info, 8), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, m.command, &info, 16), -EINVAL);
	info.argsz = to_le32(64);
	for (uint32_t i = 0; i < 6; i++) {
		info.index = to_le32(i);
		if (i > VFU_IRQ_MSIX) {
			CU_ASSERT_EQUAL(call(&f, m.command, &info, 16), -EINVAL);
			continue;
		}
		CU_ASSERT_EQUAL(vfuc_call(f.c, &m, &reply, sizeof(reply), NULL), 0);
		CU_ASSERT_EQUAL(le32_get(reply.argsz), 16);
		CU_ASSERT_EQUAL(le32_get(reply.index), i);
		CU_ASSERT_EQUAL(le32_get(reply.count), counts[i]);
		CU_ASSERT(le32_get(reply.flags) & VFU_IRQ_EVENTFD);
		CU_ASSERT_FALSE(le32_get(reply.flags) & VFU_IRQ_NORESIZE);
	}
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static int set_irqs(struct fixture *f, uint32_t flags, uint32_t start, uint32_t count,
		    const int *fds, unsigned num_fds, const void *bools, size_t n)
{
	struct {
		struct vfu_wire_set_irqs set;
		uint8_t bools[16];
	} p = { .set = { to_le32(20), to_le32(flags), to_le32(VFU_IRQ_MSIX), to_le32(start),
			 to_le32(count) } };
	struct vfuc_msg m = { .command = VFU_CMD_SET_IRQS, .payload = &p,
			      .bytes = sizeof(p.set) + n, .fds = fds, .num_fds = num_fds };

	if (n)
		memcpy(p.bools, bools, n);
	return vfuc_call(f->c, &m, NULL, 0, NULL);
}

static void sets_irqs(void)
{
	struct vfu_wire_set_irqs short_one = { .argsz = to_le32(3) };
	struct fixture f;
	int fds[3], pair[2];

	begin(&f);
	for (int i = 0; i < 3; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_SET_IRQS, &short_one, 8), -EINVAL);
	CU_ASSERT_EQUAL(call(&f, VFU_CMD_SET_IRQS, &short_one, 20), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x24, 0, 2, fds, 2, NULL, 0), 0);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x24, 0, 2, fds, 3, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x24, 0, 2, fds, 1, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x21, 0, 2, fds, 2, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x22, 0, 2, NULL, 0, "\0\1", 2), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(fds[0], 0), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(fds[1], 0), 1);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x22, 0, 2, NULL, 0, "\0\1\1", 3), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x21, 284, UINT32_MAX, NULL, 0, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x21, 0, 0, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x21, 0, 2, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(fds[1], 0), 0);
	/* Not eventfds: refused, and never written to. */
	CU_ASSERT_EQUAL(pipe2(pair, O_NONBLOCK), 0);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x24, 0, 1, &pair[1], 1, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(set_irqs(&f, 0x21, 0, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(pair[0], 0), 0);
	CU_ASSERT_TRUE(alive(&f));
	close(pair[0]);
	close(pair[1]);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	end(&f);
}

static int unmap(struct fixture *f, uint32_t argsz, uint32_t flags, uint64_t address, uint64_t size,
		 struct vfu_wire_unmap *reply)
{
	struct vfu_wire_unmap u = { to_le32(argsz), to_le32(flags), to_le64(address),
				    to_le64(size) };
	struct vfuc_msg m = { .command = VFU_CMD_DMA_UNMAP, .payload = &u, .bytes = sizeof(u) };
	size_t got = 0;
	int ret = vfuc_call(f->c, &m, reply, sizeof(*reply), &got);

	CU_ASSERT(ret || got == sizeof(u));
	return ret;
}

static void maps_and_unmaps(void)
{
	struct vfu_wire_unmap reply;
	struct vfuc_ram ram;
	struct fixture f;

	begin(&f);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(0x10000, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0, (UINT64_C(8) << 40) + 4096, 3, -1, 0, NULL), -ENOSPC);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0, 0x10000, 3, ram.fd, 0, ram.base), 0);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0x8000, 0x10000, 3, ram.fd, 0, ram.base), -EEXIST);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0x10000, 0x11000, 3, ram.fd, 0, ram.base), -EINVAL);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0x10000, 0x8000, 1, ram.fd, 0x8000, ram.base), 0);
	CU_ASSERT_EQUAL(vfuc_map(f.c, 0x20000, 0x1000, 1, -1, 0, NULL), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_MAP), 3);

	CU_ASSERT_EQUAL(unmap(&f, 8, 0, 0, 0x10000, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, UINT32_MAX, 0, 0, 0x10000, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, 24, 4, 0, 0x10000, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, 24, 1, 0, 0x10000, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, 24, 3, 0, 0, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, 24, 2, 0, 0x10000, &reply), -EINVAL);
	CU_ASSERT_EQUAL(unmap(&f, 24, 0, 0x30000, 0x1000, &reply), -ENOENT);
	CU_ASSERT_EQUAL(unmap(&f, 24, 0, 0, 0x8000, &reply), -ENOENT);	/* a part only */
	CU_ASSERT_EQUAL(unmap(&f, 24, 0, 0x1000, UINT64_MAX, &reply), -EINVAL);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_UNMAP), 0);
	CU_ASSERT_EQUAL(unmap(&f, 24, 0, 0, 0x10000, &reply), 0);
	CU_ASSERT_EQUAL(le64_get(reply.size), 0x10000);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "unmap-inexact"), 0);
	CU_ASSERT_EQUAL(unmap(&f, 24, 0, 0, 0x100000, &reply), 0);	/* generously */
	CU_ASSERT_EQUAL(dev_counter(&f.d, "unmap-inexact"), 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_UNMAP), 3);
	CU_ASSERT_EQUAL(unmap(&f, 24, 2, 0, 0, &reply), 0);		/* all of nothing */
	for (uint64_t i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(vfuc_map(f.c, i << 16, 0x1000, 3, ram.fd, 0, ram.base), 0);
	CU_ASSERT_EQUAL(unmap(&f, 24, 2, 0, 0, &reply), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->maps, 0);
	CU_ASSERT_TRUE(alive(&f));
	vfuc_ram_destroy(&ram);
	end(&f);
}

static int region_read(struct fixture *f, uint64_t offset, uint32_t region, uint32_t count,
		       size_t payload)
{
	struct vfu_wire_access a = { to_le64(offset), to_le32(region), to_le32(count) };
	struct vfuc_msg m = { .command = VFU_CMD_REGION_READ, .payload = &a, .bytes = payload };
	static uint8_t reply[VFU_MAX_MESSAGE];
	size_t got = 0;
	int ret = vfuc_call(f->c, &m, reply, sizeof(reply), &got);

	CU_ASSERT(ret || (got == sizeof(a) + count && !memcmp(reply, &a, sizeof(a))));
	return ret;
}

static int region_write(struct fixture *f, uint64_t offset, uint32_t region, uint32_t count,
			size_t data)
{
	static uint8_t p[VFU_MAX_MESSAGE];
	struct vfu_wire_access a = { to_le64(offset), to_le32(region), to_le32(count) };
	struct vfuc_msg m = { .command = VFU_CMD_REGION_WRITE, .payload = p,
			      .bytes = sizeof(a) + data };

	memcpy(p, &a, sizeof(a));
	return vfuc_call(f->c, &m, NULL, 0, NULL);
}

static void accesses_regions(void)
{
	struct fixture f;

	begin(&f);
	CU_ASSERT_EQUAL(region_read(&f, UINT64_MAX, 0, 256, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_write(&f, UINT64_MAX, 0, 256, 256), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, 0, 0, 16), 0);
	CU_ASSERT_EQUAL(region_write(&f, 0, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(region_read(&f, 0, 0, VFU_MAX_XFER + 1, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, 0, UINT32_MAX, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, 0, 4, 8), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, 9, 4, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, UINT32_MAX, 4, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, 1, 4, 16), -EINVAL);		/* no such BAR */
	CU_ASSERT_EQUAL(region_read(&f, 0, VFU_REGION_ROM, 4, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, VFU_REGION_VGA, 4, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, REG_BYTES - 4, 0, 8, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, REG_BYTES, 0, 1, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 255, VFU_REGION_CONFIG, 2, 16), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, VFU_REGION_CONFIG, 256, 16), 0);
	CU_ASSERT_EQUAL(region_write(&f, 0, 0, 4, 3), -EINVAL);
	CU_ASSERT_EQUAL(region_write(&f, 0, 0, 4, 5), -EINVAL);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 0);
	/* Register widths reach the device as they are; others reach nobody. */
	for (uint32_t n = 1; n <= 8; n *= 2) {
		CU_ASSERT_EQUAL(region_write(&f, 0x100, 0, n, n), 0);
		CU_ASSERT_EQUAL(dev_seen(&f.d)->last_size, n);
		CU_ASSERT_EQUAL(region_read(&f, 0x108, 0, n, 16), 0);
		CU_ASSERT_EQUAL(dev_seen(&f.d)->last_offset, 0x108);
	}
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 4);
	CU_ASSERT_EQUAL(region_write(&f, 0x100, 0, 3, 3), 0);
	CU_ASSERT_EQUAL(region_write(&f, 0x101, 0, 4, 4), 0);
	CU_ASSERT_EQUAL(region_read(&f, 0x102, 0, 4, 16), 0);
	CU_ASSERT_EQUAL(region_read(&f, 0, 0, VFU_MAX_XFER, 16), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->last_size, 8);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "region-width"), 4);
	/* An I/O BAR is one like others. */
	CU_ASSERT_EQUAL(region_write(&f, 8, 4, 4, 4), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->last_bar, 4);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static void keeps_the_msix_table(void)
{
	struct fixture f;
	uint64_t v;

	begin(&f);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 2, 12, 4, &v), 0);
	CU_ASSERT_EQUAL(v, 1);			/* masked */
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 2, 0xf0, 8, 0xfee01000), 0);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 2, 0xf0, 8, &v), 0);
	CU_ASSERT_EQUAL(v, 0xfee01000);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 2, 0x800, 8, ~UINT64_C(0)), 0);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 2, 0x800, 8, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 2, 0x100, 8, 1), 0);	/* right behind the table */
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 2, 0x808, 8, 1), 0);	/* … and the PBA */
	CU_ASSERT_TRUE(alive(&f));
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 2);
	CU_ASSERT_EQUAL(vfuc_reset(f.c), 0);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 2, 0xf0, 8, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	end(&f);
}

static int multi(struct fixture *f, uint64_t n, unsigned writes, uint32_t count, uint32_t flags)
{
	static struct {
		struct vfu_wire_multi multi;
		struct vfu_wire_multi_write w[201];
	} p;
	struct vfuc_msg m = { .command = VFU_CMD_REGION_WRITE_MULTI, .payload = &p,
			      .bytes = sizeof(p.multi) + writes * sizeof(p.w[0]), .flags = flags };

	p.multi.count = to_le64(n);
	for (unsigned i = 0; i < writes; i++) {
		p.w[i].access = (struct vfu_wire_access){ to_le64(REG_SCRATCH), to_le32(0),
							  to_le32(count) };
		p.w[i].data[0] = (uint8_t)i;
	}
	return flags ? vfuc_send(f->c, &m, NULL) : vfuc_call(f->c, &m, NULL, 0, NULL);
}

static void writes_many_at_once(void)
{
	struct fixture f;
	uint64_t v;

	begin(&f);
	CU_ASSERT_EQUAL(multi(&f, 201, 201, 8, 0), -EINVAL);
	CU_ASSERT_EQUAL(multi(&f, 2, 1, 8, 0), -EINVAL);
	CU_ASSERT_EQUAL(multi(&f, 1, 2, 8, 0), -EINVAL);
	CU_ASSERT_EQUAL(multi(&f, UINT64_MAX, 1, 8, 0), -EINVAL);
	CU_ASSERT_EQUAL(multi(&f, (UINT64_C(1) << 61) + 1, 1, 8, 0), -EINVAL); /* × 24 wraps to 24 */
	CU_ASSERT_EQUAL(multi(&f, 3, 3, 9, 0), -EINVAL);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 0);
	CU_ASSERT_EQUAL(multi(&f, 0, 0, 8, 0), 0);
	CU_ASSERT_EQUAL(multi(&f, 1, 1, 0, 0), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 0);
	CU_ASSERT_EQUAL(multi(&f, 1, 1, 8, VFU_FLAG_NO_REPLY), 0);
	CU_ASSERT_EQUAL(multi(&f, 200, 200, 4, VFU_FLAG_NO_REPLY), 0);
	CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 0, REG_SCRATCH, 8, &v), 0);
	CU_ASSERT_EQUAL(v, 199);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->writes, 201);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static void writes_configuration(void)
{
	static const uint8_t caps[] = {
		0x09, 12, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9,
		0x10, 0, 2, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct vfu_dev_desc desc = dev_description();
	struct fixture f;
	unsigned vendor, pcie;
	uint32_t v;

	desc.extra_caps = caps;
	desc.extra_caps_bytes = sizeof(caps);
	dev_start_desc(&f.d, &desc);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f.d.path, NULL, &f.c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(f.c, NULL), 0);
	vendor = vfuc_find_cap(f.c, 0x09);
	pcie = vfuc_find_cap(f.c, 0x10);
	CU_ASSERT_FATAL(vendor && pcie);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, vendor, 2, 0), -EPERM);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, vendor + 4, 4, 0), -EPERM);
	CU_ASSERT_EQUAL(vfuc_config_read(f.c, vendor + 4, 4, &v), 0);
	CU_ASSERT_EQUAL(v, 0x05040302);
	CU_ASSERT_EQUAL(region_write(&f, 4, VFU_REGION_CONFIG, 3, 3), -EINVAL);
	CU_ASSERT_EQUAL(region_write(&f, 0, VFU_REGION_CONFIG, 256, 256), -EINVAL);
	CU_ASSERT_EQUAL(region_read(&f, 0, VFU_REGION_CONFIG, 4096, 16), 0);
	on_loop(&f.d, dev_forget_fn, NULL);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, 4, 2, 6), 0);
	CU_ASSERT(dev_seen(&f.d)->bus_master && dev_seen(&f.d)->memory);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, 4, 2, 0x106), 0);	/* SERR: nothing to say */
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_COMMAND), 1);
	/* Function-level reset: once, eventfds stay, the rest goes. */
	CU_ASSERT_EQUAL(vfuc_msix_enable(f.c, 2), 0);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, pcie + 9, 1, 0x80), -EINVAL);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_FUNCTION), 0);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, pcie + 8, 2, 0x8000), 0);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_FUNCTION), 1);
	CU_ASSERT_EQUAL(vfuc_config_read(f.c, pcie + 8, 2, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(vfuc_config_read(f.c, 4, 2, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 0, REG_RAISE, 4, 1), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msix_fd(f.c, 1), 1000), 1);
	CU_ASSERT_TRUE(alive(&f));
	end(&f);
}

static const struct hv_test tests[] = {
	{ "negotiates, and refuses bad offers", negotiates },
	{ "drops a connection whose framing is lost", frames },
	{ "refuses unknown, unsupported and malformed commands", refuses_commands },
	{ "gives device information", gives_device_info },
	{ "gives region information", gives_region_info },
	{ "gives interrupt information", gives_irq_info },
	{ "sets interrupts", sets_irqs },
	{ "maps and unmaps", maps_and_unmaps },
	{ "accesses regions", accesses_regions },
	{ "keeps the MSI-X table from the device", keeps_the_msix_table },
	{ "writes many registers at once", writes_many_at_once },
	{ "writes configuration space", writes_configuration },
};

HV_TEST_MAIN("vfio-user/conformance", tests)
