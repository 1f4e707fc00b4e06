/* SPDX-License-Identifier: MIT */
/* Guest memory by message, in both layouts, and what a client can do wrong there. */
#include "vfio-user/test_dev.h"

struct fixture {
	struct test_dev d;
	struct vfuc *c;
	struct vfuc_ram ram;
};

/* 64 KiB of RAM at 0, known to the server without a descriptor; 4 KiB of it read-only. */
static void begin(struct fixture *f, const struct vfuc_opts *opts)
{
	dev_start(&f->d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(0x20000, &f->ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(f->d.path, opts, &f->c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(f->c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(f->c), 0);
	CU_ASSERT_EQUAL(vfuc_map(f->c, 0, 0x8000, 3, -1, 0, f->ram.base), 0);
	CU_ASSERT_EQUAL(vfuc_map(f->c, 0x8000, 0x8000, 3, -1, 0, f->ram.base + 0x8000), 0);
	CU_ASSERT_EQUAL(vfuc_map(f->c, 0x10000, 0x1000, 1, -1, 0, f->ram.base + 0x10000), 0);
	for (unsigned i = 0; i < f->ram.bytes; i++)
		f->ram.base[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void end(struct fixture *f)
{
	vfuc_close(f->c);
	vfuc_ram_destroy(&f->ram);
	dev_stop(&f->d);
}

struct request {
	size_t bytes;
	uint8_t fill;
};

static void prepare(struct test_dev *d, void *arg)
{
	const struct request *r = arg;

	d->dma_bytes = r->bytes;
	d->num_events = 0;
	memset(d->dma_buf, r->fill, sizeof(d->dma_buf));
}

/* Has the device start a transfer; the status that it ends with, or that refused it. */
static int transfer(struct fixture *f, bool write, uint64_t address, size_t bytes, uint8_t fill)
{
	struct request r = { bytes, fill };
	uint64_t v;

	on_loop(&f->d, prepare, &r);
	CU_ASSERT_EQUAL(vfuc_bar_write(f->c, 0, write ? REG_DMA_WRITE : REG_DMA_READ, 8, address), 0);
	if (vfuc_bar_read(f->c, 0, REG_SCRATCH, 8, &v) == 0 && dev_seen(&f->d)->raise_status)
		return dev_seen(&f->d)->raise_status;
	if (!dev_wait_event(&f->d, EV_DMA_DONE, 1))
		return -EINPROGRESS;
	CU_ASSERT_EQUAL(dev_events(&f->d, EV_DMA_DONE), 1);
	return dev_seen(&f->d)->dma_status;
}

static void moves_bytes(bool old_layout)
{
	const struct vfuc_opts opts = { .old_dma_layout = old_layout };
	struct fixture f;
	unsigned reads, writes;
	uint64_t largest;

	begin(&f, &opts);
	CU_ASSERT_EQUAL(transfer(&f, false, 0x123, 1000, 0), 0);
	CU_ASSERT_EQUAL(memcmp(dev_seen(&f.d)->dma_buf, f.ram.base + 0x123, 1000), 0);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->dma_buf[1000], 0);
	CU_ASSERT_EQUAL(transfer(&f, true, 0x2001, 77, 0xee), 0);
	for (unsigned i = 0; i < 77; i++)
		CU_ASSERT_EQUAL(f.ram.base[0x2001 + i], 0xee);
	CU_ASSERT_EQUAL(f.ram.base[0x2000], (uint8_t)(0x2000 * 7 + 0x20));
	CU_ASSERT_EQUAL(f.ram.base[0x204e], (uint8_t)(0x204e * 7 + 0x20));
	/* Over the border of two maps, as long as it may be. */
	CU_ASSERT_EQUAL(transfer(&f, false, 0x7000, 32768, 0), 0);
	CU_ASSERT_EQUAL(memcmp(dev_seen(&f.d)->dma_buf, f.ram.base + 0x7000, 32768), 0);
	/* The layout was found out once, by a write of nothing. */
	vfuc_dma_seen(f.c, &reads, &writes, &largest);
	CU_ASSERT_EQUAL(reads, 2);
	CU_ASSERT_EQUAL(writes, 2);
	CU_ASSERT_EQUAL(largest, 32768);
	end(&f);
}

static void moves_bytes_as_specified(void)
{
	moves_bytes(false);
}

static void moves_bytes_in_the_old_layout(void)
{
	moves_bytes(true);
}

static void cuts_to_the_clients_limit(void)
{
	const struct vfuc_opts opts = { .max_data_xfer = 4096 };
	struct fixture f;
	unsigned reads, writes;
	uint64_t largest;

	begin(&f, &opts);
	CU_ASSERT_EQUAL(transfer(&f, false, 0x100, 10000, 0), 0);
	CU_ASSERT_EQUAL(memcmp(dev_seen(&f.d)->dma_buf, f.ram.base + 0x100, 10000), 0);
	vfuc_dma_seen(f.c, &reads, &writes, &largest);
	CU_ASSERT_EQUAL(reads, 3);
	CU_ASSERT_EQUAL(largest, 4096);
	end(&f);
}

static void refuses_foreign_addresses(void)
{
	struct fixture f;
	unsigned reads, writes;
	uint64_t largest;

	begin(&f, NULL);
	CU_ASSERT_EQUAL(transfer(&f, true, 0xfee00000, 4, 0x55), -EFAULT);	/* an interrupt */
	CU_ASSERT_EQUAL(transfer(&f, false, 0x10fff, 2, 0), -EFAULT);
	CU_ASSERT_EQUAL(transfer(&f, true, 0xfff0, 32, 0), -EFAULT);		/* into the read-only part */
	CU_ASSERT_EQUAL(transfer(&f, false, 0xfff0, 32, 0), 0);
	CU_ASSERT_EQUAL(transfer(&f, false, UINT64_MAX, 2, 0), -EFAULT);
	CU_ASSERT_EQUAL(transfer(&f, false, 0, 32769, 0), -E2BIG);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "dma-refused"), 4);
	CU_ASSERT_EQUAL(vfuc_config_write(f.c, 4, 2, 2), 0);	/* no bus mastering */
	CU_ASSERT_EQUAL(transfer(&f, false, 0, 4, 0), -EFAULT);
	vfuc_dma_seen(f.c, &reads, &writes, &largest);
	CU_ASSERT_EQUAL(reads, 1);
	CU_ASSERT_EQUAL(writes, 1);	/* the probe */
	end(&f);
}

static void still_attached(struct test_dev *d, void *arg)
{
	(void)arg;
	CU_ASSERT_TRUE(vfu_dev_attached(d->vfu));
}

static void passes_errors_on(void)
{
	const struct vfuc_opts opts = { .dma_error = ENODEV };
	struct fixture f;

	begin(&f, &opts);
	CU_ASSERT_EQUAL(transfer(&f, false, 0, 64, 0), -ENODEV);
	CU_ASSERT_EQUAL(transfer(&f, true, 0, 64, 0), -ENODEV);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "dma-failed"), 2);
	on_loop(&f.d, still_attached, NULL);
	end(&f);
}

static void drops_malformed_answers(void)
{
	static const struct vfuc_opts lies[] = {
		{ .dma_extra_bytes = 1 }, { .dma_extra_bytes = -1 }, { .dma_extra_bytes = 16 },
		{ .dma_wrong_count = 1 }, { .dma_wrong_count = 1, .old_dma_layout = true },
		{ .dma_extra_bytes = -4, .old_dma_layout = true },
	};

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fixture f;

		begin(&f, &lies[i]);
		CU_ASSERT_EQUAL(transfer(&f, false, 0, 64, 0), -ECANCELED);
		CU_ASSERT_EQUAL(vfuc_wait_closed(f.c, 2000), 0);
		CU_ASSERT_EQUAL(dev_counter(&f.d, "malformed-reply"), 1);
		CU_ASSERT_EQUAL(dev_events(&f.d, EV_RESET_LOST), 1);
		end(&f);
	}
}

static void serves_while_it_waits(void)
{
	const struct vfuc_opts opts = { .dma_delay_ms = 300 };
	struct request r = { 64, 0 };
	struct fixture f;
	uint64_t v;

	begin(&f, &opts);
	on_loop(&f.d, prepare, &r);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 0, REG_DMA_READ, 8, 0), 0);
	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(vfuc_bar_read(f.c, 0, REG_SCRATCH, 8, &v), 0);
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_DMA_DONE, 1));
	CU_ASSERT_EQUAL(dev_seen(&f.d)->dma_status, 0);
	end(&f);
}

static void cancels_when_the_client_leaves(void)
{
	const struct vfuc_opts opts = { .dma_delay_ms = 200 };
	struct request r = { 64, 0 };
	struct fixture f;
	const struct test_dev *d;

	begin(&f, &opts);
	on_loop(&f.d, prepare, &r);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 0, REG_DMA_READ, 8, 0), 0);
	usleep(50000);
	vfuc_close(f.c);
	f.c = NULL;
	CU_ASSERT_TRUE(dev_wait_event(&f.d, EV_GONE, 1));
	d = dev_seen(&f.d);
	CU_ASSERT_EQUAL(d->dma_done, 10);
	CU_ASSERT_EQUAL(d->dma_status, -ECANCELED);
	CU_ASSERT_EQUAL(d->event[0], EV_DMA_DONE);	/* before the reset */
	end(&f);
}

static void gives_up_on_late_answers(void)
{
	const struct vfuc_opts opts = { .dma_delay_ms = 5600 };
	struct request r = { 64, 0x33 };
	struct fixture f;
	bool done = false;

	begin(&f, &opts);
	on_loop(&f.d, prepare, &r);
	CU_ASSERT_EQUAL(vfuc_bar_write(f.c, 0, REG_DMA_READ, 8, 0), 0);
	for (int i = 0; i < 56 && !done; i++) {
		usleep(100000);
		done = dev_events(&f.d, EV_DMA_DONE) == 1;
	}
	CU_ASSERT_TRUE(done);
	CU_ASSERT_EQUAL(dev_seen(&f.d)->dma_status, -ETIMEDOUT);
	usleep(500000);		/* the answer comes, and goes nowhere */
	CU_ASSERT_EQUAL(dev_seen(&f.d)->dma_buf[0], 0x33);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_DMA_DONE), 1);
	CU_ASSERT_EQUAL(dev_counter(&f.d, "dma-timeout"), 1);
	CU_ASSERT_EQUAL(dev_events(&f.d, EV_GONE), 0);
	end(&f);
}

static const struct hv_test tests[] = {
	{ "moves bytes as specified", moves_bytes_as_specified },
	{ "moves bytes in QEMU 10.1's layout", moves_bytes_in_the_old_layout },
	{ "cuts transfers to the client's limit", cuts_to_the_clients_limit },
	{ "refuses addresses that the client did not map", refuses_foreign_addresses },
	{ "passes errors on", passes_errors_on },
	{ "drops a client that answers wrongly", drops_malformed_answers },
	{ "serves requests while it waits", serves_while_it_waits },
	{ "cancels when the client leaves", cancels_when_the_client_leaves },
	{ "gives up on late answers", gives_up_on_late_answers },
};

HV_TEST_MAIN("vfio-user/dma-messages", tests)
