/* SPDX-License-Identifier: MIT */
/*
 * The sequences that QEMU sends, over a real socket, as far as a driver gets: attach, reset,
 * boot.
 */
#include <sys/eventfd.h>

#include "vfio-user/test_dev.h"

static void attaches(void)
{
	struct test_dev d;
	struct vfuc_ram ram;
	struct vfuc *c;
	uint64_t v;
	uint32_t w;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(512 << 20, &ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_boot_churn(c, &ram), 0);
	CU_ASSERT_EQUAL(vfuc_enable_device(c), 0);
	CU_ASSERT_EQUAL(vfuc_bar_bytes(c, 0), REG_BYTES);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_SCRATCH, 8, 0x1122334455667788), 0);
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_SCRATCH, 8, &v), 0);
	CU_ASSERT_EQUAL(v, 0x1122334455667788);
	CU_ASSERT_EQUAL(vfuc_bar_read(c, 0, REG_SCRATCH, 4, &v), 0);
	CU_ASSERT_EQUAL(v, 0x55667788);
	CU_ASSERT_EQUAL(vfuc_config_read(c, 0, 4, &w), 0);
	CU_ASSERT_EQUAL(w, 0x11e81234);
	CU_ASSERT_EQUAL(dev_events(&d, EV_ATTACHED), 1);
	CU_ASSERT_EQUAL(dev_events(&d, EV_RESET_DEVICE), 1);
	CU_ASSERT_EQUAL(dev_events(&d, EV_MAP), 5 + 4 + 1 + 5 + 3);
	CU_ASSERT_EQUAL(dev_events(&d, EV_UNMAP), 4 + 4 + 1 + 3);
	vfuc_close(c);
	CU_ASSERT_TRUE(dev_wait_event(&d, EV_GONE, 1));
	CU_ASSERT_EQUAL(dev_events(&d, EV_RESET_LOST), 1);
	CU_ASSERT_EQUAL(dev_events(&d, EV_UNMAP), dev_events(&d, EV_MAP));
	vfuc_ram_destroy(&ram);
	dev_stop(&d);
}

static void sees_ram(struct test_dev *d, void *arg)
{
	uint8_t **p = arg;

	*p = vfu_dma_ptr(d->vfu, 0x200000, 4096, true);
}

static void obeys_rights(struct test_dev *d, void *arg)
{
	(void)arg;
	/* After a boot: [0xf0000, 0x100000) read-only, writable on both sides. */
	CU_ASSERT_PTR_NOT_NULL(vfu_dma_ptr(d->vfu, 0xf0000, 0x10000, false));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0xf0000, 1, true));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0xfffff, 2, false));	/* over the border */
	CU_ASSERT_PTR_NOT_NULL(vfu_dma_ptr(d->vfu, 0x100000, 0x3f00000, true));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0x100000, 0x3f00001, true));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0x100001, UINT64_MAX, true));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0x4000000, 1, false));
	CU_ASSERT_PTR_NULL(vfu_dma_ptr(d->vfu, 0xfffc0000, 1, false));	/* no descriptor */
}

static void reaches_memory(void)
{
	struct test_dev d;
	struct vfuc_ram ram;
	struct vfuc *c;
	uint8_t *p = NULL;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_ram_create(64 << 20, &ram), 0);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, &ram), 0);
	on_loop(&d, sees_ram, &p);
	CU_ASSERT_PTR_NULL(p);		/* bus mastering is off */
	CU_ASSERT_EQUAL(vfuc_enable_device(c), 0);
	on_loop(&d, sees_ram, &p);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	ram.base[0x200000] = 0x5a;
	CU_ASSERT_EQUAL(*p, 0x5a);
	p[1] = 0xa5;
	CU_ASSERT_EQUAL(ram.base[0x200001], 0xa5);
	CU_ASSERT_EQUAL(vfuc_boot_churn(c, &ram), 0);
	on_loop(&d, obeys_rights, NULL);
	vfuc_close(c);
	vfuc_ram_destroy(&ram);
	dev_stop(&d);
}

static void raises_msix(void)
{
	struct test_dev d;
	struct vfuc *c;

	dev_start(&d);
	CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
	CU_ASSERT_EQUAL(vfuc_attach(c, NULL), 0);
	CU_ASSERT_EQUAL(vfuc_msix_enable(c, 16), 0);
	CU_ASSERT_EQUAL(vfuc_bar_write(c, 0, REG_RAISE, 4, 8), 0);
	CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msix_fd(c, 8), 1000), 1);
	for (unsigned i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(vfuc_fd_count(vfuc_msix_fd(c, i), 0), 0);
	CU_ASSERT_EQUAL(vfuc_msix_disable(c), 0);
	CU_ASSERT_EQUAL(vfuc_reset(c), 0);
	vfuc_close(c);
	dev_stop(&d);
}

static void listens_again(void)
{
	struct test_dev d;
	struct vfuc *c;

	dev_start(&d);
	unsigned before = open_fds();

	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL_FATAL(vfuc_connect(d.path, NULL, &c), 0);
		CU_ASSERT_EQUAL(vfuc_attach(c, NULL), 0);
		CU_ASSERT_EQUAL(vfuc_msix_enable(c, 3), 0);
		vfuc_close(c);
		CU_ASSERT_TRUE(dev_wait_event(&d, EV_GONE, (unsigned)i + 1));
	}
	CU_ASSERT_EQUAL(dev_events(&d, EV_RESET_LOST), 20);
	CU_ASSERT_EQUAL(open_fds(), before);
	dev_stop(&d);
}

static const struct hv_test tests[] = {
	{ "attaches, boots and leaves like QEMU", attaches },
	{ "reaches guest memory once bus mastering is on", reaches_memory },
	{ "raises MSI-X", raises_msix },
	{ "serves one client after the other, keeping no descriptor", listens_again },
};

HV_TEST_MAIN("vfio-user/attach", tests)
