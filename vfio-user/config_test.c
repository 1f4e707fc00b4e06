/* SPDX-License-Identifier: MIT */
#include "vfio-user/config.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"
#include "base/test.h"
#include "vfio-user/desc.h"

static struct vfu_dev_desc good(void)
{
	return (struct vfu_dev_desc){
		.name = "x", .socket_path = "x", .vendor_id = 0x1234, .device_id = 0x5678,
		.class_code = 0x020000, .revision_id = 9, .subsystem_vendor_id = 1,
		.subsystem_id = 2,
		.bar = { [0] = { VFU_BAR_MEM32, false, 0x10000 },
			 [1] = { VFU_BAR_IO, false, 64 },
			 [2] = { VFU_BAR_MEM64, true, UINT64_C(1) << 33 } },
		.intx = true, .msi_vectors = 4, .msix_vectors = 16, .msix_bar = 0,
		.msix_table_offset = 0x8000, .msix_pba_offset = 0x9000,
	};
}

static uint32_t read32(const struct vfu_config *c, uint32_t at)
{
	le32 v = { { 0 } };

	vfu_config_read(c, at, 4, v.b);
	return le32_get(v);
}

static int write_n(struct vfu_config *c, uint32_t at, uint32_t n, uint32_t value, unsigned *effects)
{
	unsigned none;

	return vfu_config_write(c, at, n, to_le32(value).b, effects ? effects : &none);
}

static void init(struct vfu_config *c, const struct vfu_dev_desc *d)
{
	const char *why = NULL;

	CU_ASSERT_PTR_NULL(vfu_desc_check(d));
	CU_ASSERT_EQUAL_FATAL(vfu_config_init(c, d, &why), 0);
}

static void lays_out_the_header(void)
{
	struct vfu_dev_desc d = good();
	struct vfu_config c;

	init(&c, &d);
	CU_ASSERT_EQUAL(c.size_bytes, 256);
	CU_ASSERT_EQUAL(read32(&c, 0), 0x56781234);
	CU_ASSERT_EQUAL(read32(&c, 8), 0x02000009);
	CU_ASSERT_EQUAL(read32(&c, 0x2c), 0x00020001);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_IRQ_PIN], 1);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_STATUS] & VFU_PCI_STATUS_CAPS, VFU_PCI_STATUS_CAPS);
	CU_ASSERT_EQUAL(c.data[0x0e], 0);
	CU_ASSERT_EQUAL(read32(&c, VFU_PCI_ROM), 0);
	d.intx = false;
	d.msi_vectors = d.msix_vectors = 0;
	init(&c, &d);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_IRQ_PIN], 0);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_STATUS] & VFU_PCI_STATUS_CAPS, 0);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_CAP_POINTER], 0);
}

/* Sizing as firmware does it: all ones in, size mask and type out. */
static uint64_t sized(struct vfu_config *c, unsigned bar, bool wide)
{
	uint64_t v;

	CU_ASSERT_EQUAL(write_n(c, VFU_PCI_BAR0 + 4 * bar, 4, ~0u, NULL), 0);
	v = read32(c, VFU_PCI_BAR0 + 4 * bar);
	if (wide) {
		CU_ASSERT_EQUAL(write_n(c, VFU_PCI_BAR0 + 4 * bar + 4, 4, ~0u, NULL), 0);
		v |= (uint64_t)read32(c, VFU_PCI_BAR0 + 4 * bar + 4) << 32;
	}
	return v;
}

static void sizes_bars(void)
{
	struct vfu_dev_desc d = good();
	struct vfu_config c;

	init(&c, &d);
	CU_ASSERT_EQUAL(sized(&c, 0, false), 0xffff0000);
	CU_ASSERT_EQUAL(sized(&c, 1, false), 0xffffffc1);
	CU_ASSERT_EQUAL(sized(&c, 4, false), 0);
	CU_ASSERT_EQUAL(write_n(&c, VFU_PCI_ROM, 4, 0xfffff800, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, VFU_PCI_ROM), 0);
	for (unsigned log2 = 4; log2 <= 34; log2++) {
		d.bar[2].size_bytes = UINT64_C(1) << log2;
		init(&c, &d);
		CU_ASSERT_EQUAL(sized(&c, 2, true), ~(d.bar[2].size_bytes - 1) | 0xc);
	}
	/* An address sticks, its low bits do not. */
	CU_ASSERT_EQUAL(write_n(&c, VFU_PCI_BAR0, 4, 0xfebc1234, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, VFU_PCI_BAR0), 0xfebc0000);
	vfu_config_reset(&c);
	CU_ASSERT_EQUAL(read32(&c, VFU_PCI_BAR0), 0);
	CU_ASSERT_EQUAL(read32(&c, VFU_PCI_BAR0 + 8), 0xc);
}

static void keeps_what_is_read_only(void)
{
	struct vfu_dev_desc d = good();
	struct vfu_config c, before;
	unsigned effects;

	init(&c, &d);
	before = c;
	for (unsigned at = 0; at < 0x40; at += 4) {
		if (at == 0x04 || at == 0x0c || (at >= 0x10 && at < 0x28) || at == 0x3c)
			continue;
		CU_ASSERT_EQUAL(write_n(&c, at, 4, ~0u, &effects), 0);
		CU_ASSERT_EQUAL(effects, 0);
	}
	CU_ASSERT_EQUAL(memcmp(c.data, before.data, sizeof(c.data)), 0);
	CU_ASSERT_EQUAL(write_n(&c, 0x3c, 4, ~0u, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, 0x3c), 0x000001ff);
	CU_ASSERT_EQUAL(write_n(&c, 0x04, 4, ~0u, &effects), 0);
	CU_ASSERT_EQUAL(effects, VFU_CONFIG_COMMAND_CHANGED);
	CU_ASSERT_EQUAL(vfu_config_command(&c), 0x0547);
	CU_ASSERT_EQUAL(c.data[VFU_PCI_STATUS], before.data[VFU_PCI_STATUS]);
	CU_ASSERT_EQUAL(write_n(&c, 0x04, 2, 0x0547, &effects), 0);
	CU_ASSERT_EQUAL(effects, 0);	/* nothing changed */
	CU_ASSERT_EQUAL(write_n(&c, 0x04, 3, 0, NULL), -EINVAL);
}

static void links_capabilities(void)
{
	static const uint8_t extra[] = {
		VFU_CAP_PM, 8, 3, 0, 8, 0, 0, 0,
		VFU_CAP_VENDOR, 20, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9,
		VFU_CAP_VENDOR, 0, 4, 0xaa,
	};
	struct vfu_dev_desc d = good();
	const struct vfu_cap *cap;
	struct vfu_config c;
	unsigned at, n = 0;
	const uint8_t want[] = { VFU_CAP_MSIX, VFU_CAP_MSI, VFU_CAP_PM, VFU_CAP_VENDOR,
				 VFU_CAP_VENDOR };

	d.extra_caps = extra;
	d.extra_caps_bytes = sizeof(extra);
	init(&c, &d);
	for (at = c.data[VFU_PCI_CAP_POINTER]; at && n < 10; at = c.data[at + 1]) {
		CU_ASSERT(n < sizeof(want) && c.data[at] == want[n]);
		CU_ASSERT_EQUAL(at & 3, 0);
		n++;
	}
	CU_ASSERT_EQUAL(n, sizeof(want));
	cap = vfu_config_find_cap(&c, VFU_CAP_VENDOR, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cap);
	CU_ASSERT_EQUAL(c.data[cap->offset + 3], 1);
	cap = vfu_config_find_cap(&c, VFU_CAP_VENDOR, (unsigned)(cap - c.cap) + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cap);
	CU_ASSERT_EQUAL(c.data[cap->offset + 3], 0xaa);
	CU_ASSERT_PTR_NULL(vfu_config_find_cap(&c, VFU_CAP_VENDOR, (unsigned)(cap - c.cap) + 1));
	CU_ASSERT_PTR_NULL(vfu_config_find_cap(&c, VFU_CAP_PCIE, 0));
	/* A header and a read-only capability refuse to be written. */
	CU_ASSERT_EQUAL(write_n(&c, cap->offset, 2, 0, NULL), -EPERM);
	CU_ASSERT_EQUAL(write_n(&c, cap->offset + 3u, 1, 0, NULL), -EPERM);
	CU_ASSERT_EQUAL(c.data[cap->offset + 3], 0xaa);
	cap = vfu_config_find_cap(&c, VFU_CAP_MSIX, 0);
	CU_ASSERT_EQUAL(write_n(&c, cap->offset, 2, 0, NULL), -EPERM);
	CU_ASSERT_EQUAL(write_n(&c, cap->offset + 1u, 1, 0, NULL), -EPERM);
}

static void refuses_bad_capabilities(void)
{
	static const struct {
		const char *what;
		uint8_t bytes[8];
		size_t n;
	} rows[] = {
		{ "shorter than 4 bytes", { 9, 0, 0 }, 3 },
		{ "no id", { 0, 0, 0, 0 }, 4 },
		{ "MSI", { VFU_CAP_MSI, 0, 0, 0 }, 4 },
		{ "MSI-X", { VFU_CAP_MSIX, 0, 0, 0 }, 4 },
		{ "a loop to itself", { 9, 4, 4, 0, 9, 4, 4, 0 }, 8 },
		{ "a loop backwards", { 9, 4, 4, 0, 9, 2, 4, 0 }, 8 },
		{ "a next beyond the end", { 9, 8, 4, 0, 9, 0, 4 }, 7 },
		{ "a next that is not aligned", { 9, 5, 4, 0, 0, 9, 0, 0 }, 8 },
		{ "power management of 4 bytes", { VFU_CAP_PM, 0, 0, 0 }, 4 },
		{ "PCI Express of 8 bytes", { VFU_CAP_PCIE, 0, 2, 0, 0, 0, 0, 0 }, 8 },
	};
	static uint8_t big[192] = { 9, 0, 192 };
	struct vfu_dev_desc d = good();
	struct vfu_config c;
	const char *why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d.extra_caps = rows[i].bytes;
		d.extra_caps_bytes = rows[i].n;
		why = NULL;
		if (vfu_config_init(&c, &d, &why) != -EINVAL)
			printf("  %s was accepted\n", rows[i].what);
		CU_ASSERT_PTR_NOT_NULL(why);
	}
	d.extra_caps = big;
	d.extra_caps_bytes = sizeof(big);
	CU_ASSERT_EQUAL(vfu_config_init(&c, &d, &why), -EINVAL);	/* no room beside MSI */
	d.msi_vectors = d.msix_vectors = 0;
	CU_ASSERT_EQUAL(vfu_config_init(&c, &d, &why), 0);
	d.extra_caps_bytes++;
	CU_ASSERT_EQUAL(vfu_config_init(&c, &d, &why), -EINVAL);
}

static void checks_message_interrupts(void)
{
	struct vfu_dev_desc d = good();
	struct vfu_config c;
	unsigned msi, msix;

	init(&c, &d);
	msi = vfu_config_find_cap(&c, VFU_CAP_MSI, 0)->offset;
	msix = vfu_config_find_cap(&c, VFU_CAP_MSIX, 0)->offset;
	CU_ASSERT_EQUAL(read32(&c, msix) >> 16, 15);
	CU_ASSERT_EQUAL(read32(&c, msix + 4), 0x8000);
	CU_ASSERT_EQUAL(read32(&c, msix + 8), 0x9000);
	/* Only enable and mask-all, and only where they are. */
	CU_ASSERT_EQUAL(write_n(&c, msix + 2, 2, 0xffff, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msix) >> 16, 0xc00f);
	CU_ASSERT_EQUAL(write_n(&c, msix + 3, 2, 0xff40, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msix) >> 16, 0x400f);
	CU_ASSERT_EQUAL(read32(&c, msix + 4), 0x8000);
	CU_ASSERT_EQUAL(write_n(&c, msix + 4, 4, ~0u, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msix + 4), 0x8000);
	/* MSI: four messages offered, eight asked for. */
	CU_ASSERT_EQUAL(read32(&c, msi) >> 16, 0x0184);
	CU_ASSERT_EQUAL(write_n(&c, msi + 2, 2, 0x31, NULL), -EINVAL);
	CU_ASSERT_EQUAL(read32(&c, msi) >> 16, 0x0184);
	CU_ASSERT_EQUAL(write_n(&c, msi + 2, 2, 0x21, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msi) >> 16, 0x01a5);
	CU_ASSERT_EQUAL(write_n(&c, msi, 4, 0x00310000, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, msi + 4, 4, ~0u, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msi + 4), ~3u);
	CU_ASSERT_EQUAL(write_n(&c, msi + 16, 4, ~0u, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, msi + 16), 15);
	vfu_config_reset(&c);
	CU_ASSERT_EQUAL(read32(&c, msi) >> 16, 0x0184);
	CU_ASSERT_EQUAL(read32(&c, msix) >> 16, 15);
}

static void checks_power_management(void)
{
	static const uint8_t pm[] = { VFU_CAP_PM, 0, 3, 0, 8, 0, 0, 0 };
	struct vfu_dev_desc d = good();
	struct vfu_config c;
	unsigned at;

	d.extra_caps = pm;
	d.extra_caps_bytes = sizeof(pm);
	init(&c, &d);
	at = vfu_config_find_cap(&c, VFU_CAP_PM, 0)->offset;
	CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 0x3, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, at + 4), 0xb);
	CU_ASSERT_EQUAL(write_n(&c, at + 4, 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 4, 4, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 5, 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 3, 2, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 2, 2, 0, NULL), -ENOTSUP);
	CU_ASSERT_EQUAL(write_n(&c, at + 6, 2, 0, NULL), -ENOTSUP);
	CU_ASSERT_EQUAL(read32(&c, at + 4), 0xb);
}

static void follows_the_power_state(void)
{
	uint8_t pm[] = { VFU_CAP_PM, 0, 2, 0, 0, 0, 0, 0 };
	struct vfu_dev_desc d = good();
	struct vfu_config c;
	unsigned at, effects;

	d.extra_caps = pm;
	d.extra_caps_bytes = sizeof(pm);
	for (unsigned no_soft_reset = 0; no_soft_reset < 2; no_soft_reset++) {
		pm[4] = no_soft_reset ? 8 : 0;
		init(&c, &d);
		at = vfu_config_find_cap(&c, VFU_CAP_PM, 0)->offset;
		CU_ASSERT_EQUAL(write_n(&c, 4, 2, 6, NULL), 0);
		CU_ASSERT(vfu_config_bus_master(&c) && vfu_config_memory(&c) && !vfu_config_intx_off(&c));
		CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 1, &effects), 0);	/* D1 and D2 are not there */
		CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 2, &effects), 0);
		CU_ASSERT(!effects && !(read32(&c, at + 4) & 3) && vfu_config_bus_master(&c));
		CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 3, &effects), 0);
		CU_ASSERT(effects == VFU_CONFIG_COMMAND_CHANGED && (read32(&c, at + 4) & 3) == 3);
		CU_ASSERT(!vfu_config_bus_master(&c) && !vfu_config_memory(&c) && vfu_config_intx_off(&c));
		CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 0, &effects), 0);
		CU_ASSERT_EQUAL(effects, no_soft_reset ? VFU_CONFIG_COMMAND_CHANGED : VFU_CONFIG_WOKEN);
		CU_ASSERT(vfu_config_bus_master(&c));
	}
	pm[3] = 2;	/* D1 */
	init(&c, &d);
	CU_ASSERT_EQUAL(write_n(&c, at + 4, 2, 1, &effects), 0);
	CU_ASSERT_EQUAL(effects, VFU_CONFIG_COMMAND_CHANGED);
	vfu_config_reset(&c);
	CU_ASSERT_EQUAL(write_n(&c, 4, 2, 6, NULL), 0);
	CU_ASSERT(vfu_config_bus_master(&c));
}

static void resets_by_function(void)
{
	uint8_t pcie[0x3c] = { VFU_CAP_PCIE, 0, 2, 0, 0, 0, 0, 0x10 };
	struct vfu_dev_desc d = good();
	struct vfu_config c;
	unsigned at, effects;

	d.extra_caps = pcie;
	d.extra_caps_bytes = sizeof(pcie);
	init(&c, &d);
	CU_ASSERT_EQUAL(c.size_bytes, 4096);
	at = vfu_config_find_cap(&c, VFU_CAP_PCIE, 0)->offset;
	CU_ASSERT_EQUAL(write_n(&c, at + 8, 2, 0x8010, &effects), 0);
	CU_ASSERT_EQUAL(effects, VFU_CONFIG_FLR);
	CU_ASSERT_EQUAL(read32(&c, at + 8), 0x10);	/* bit 15 reads as 0 */
	CU_ASSERT_EQUAL(write_n(&c, at + 8, 4, 0x0020, &effects), 0);
	CU_ASSERT_EQUAL(effects, 0);
	CU_ASSERT_EQUAL(write_n(&c, at + 8, 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 9, 1, 0x80, NULL), -EINVAL);
	CU_ASSERT_EQUAL(write_n(&c, at + 7, 2, 0x8000, NULL), -EINVAL);
	CU_ASSERT_EQUAL(read32(&c, at + 8), 0x20);
	CU_ASSERT_EQUAL(write_n(&c, at + 0x28, 2, 0x1234, NULL), 0);
	CU_ASSERT_EQUAL(write_n(&c, at + 0x30, 2, 0x4321, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, at + 0x28), 0x1234);
	CU_ASSERT_EQUAL(read32(&c, at + 0x30), 0x4321);
	/* Extended space: there, empty, not writable. */
	CU_ASSERT_EQUAL(write_n(&c, 0x100, 4, ~0u, NULL), 0);
	CU_ASSERT_EQUAL(read32(&c, 0x100), 0);
	CU_ASSERT_EQUAL(write_n(&c, 0xffc, 4, ~0u, NULL), 0);
	/* Without the capability's word for it there is no such reset. */
	pcie[7] = 0;
	init(&c, &d);
	CU_ASSERT_EQUAL(write_n(&c, at + 8, 2, 0x8000, &effects), 0);
	CU_ASSERT_EQUAL(effects, 0);
}

static void refuses_bad_descriptions(void)
{
	struct vfu_dev_desc d;
	char path[200];

#define REFUSED(change)                                         \
	do {                                                    \
		d = good();                                     \
		change;                                         \
		if (!vfu_desc_check(&d))                        \
			printf("  accepted: %s\n", #change);    \
		CU_ASSERT_PTR_NOT_NULL(vfu_desc_check(&d));     \
	} while (0)

	memset(path, 'x', sizeof(path));
	path[199] = 0;
	d = good();
	CU_ASSERT_PTR_NULL(vfu_desc_check(&d));
	REFUSED(d.name = NULL);
	REFUSED(d.name = "");
	REFUSED(d.socket_path = NULL);
	REFUSED(d.socket_path = path);
	REFUSED(d.mode = 010600);
	REFUSED(d.class_code = 0x1000000);
	REFUSED(d.bar[0].size_bytes = 0);
	REFUSED(d.bar[0].size_bytes = 8);
	REFUSED(d.bar[0].size_bytes = 0x18000);
	REFUSED(d.bar[0].size_bytes = UINT64_C(1) << 32);
	REFUSED(d.bar[1].size_bytes = 2);
	REFUSED(d.bar[1].size_bytes = 512);
	REFUSED(d.bar[1].prefetchable = true);
	REFUSED(d.bar[4].size_bytes = 16);
	REFUSED(d.bar[4].kind = (enum vfu_bar_kind)9);
	REFUSED(d.bar[3] = ((struct vfu_bar){ VFU_BAR_MEM32, false, 16 }));
	REFUSED(d.bar[5] = ((struct vfu_bar){ VFU_BAR_MEM64, false, 16 }));
	REFUSED(d.bar[2].size_bytes = UINT64_C(1) << 47);
	REFUSED(d.msi_vectors = 3);
	REFUSED(d.msi_vectors = 64);
	REFUSED(d.msix_vectors = 2049);
	REFUSED(d.msix_bar = 6);
	REFUSED(d.msix_bar = 5);
	REFUSED(d.msix_bar = 1);
	REFUSED(d.msix_table_offset = 0x8004);
	REFUSED(d.msix_pba_offset = 0x9001);
	REFUSED(d.msix_table_offset = 0xff08);
	REFUSED(d.msix_pba_offset = 0x10000);
	REFUSED(d.msix_pba_offset = 0xfffffff8);
	REFUSED(d.msix_pba_offset = 0x80f8);
	d = good();
	d.msix_pba_offset = 0x8100;	/* right behind the table */
	CU_ASSERT_PTR_NULL(vfu_desc_check(&d));
#undef REFUSED
}

static const struct hv_test tests[] = {
	{ "lays out the header", lays_out_the_header },
	{ "answers BAR sizing", sizes_bars },
	{ "keeps what is read-only", keeps_what_is_read_only },
	{ "links capabilities in order", links_capabilities },
	{ "refuses bad capabilities", refuses_bad_capabilities },
	{ "checks writes to MSI and MSI-X", checks_message_interrupts },
	{ "checks writes to power management", checks_power_management },
	{ "follows the power state", follows_the_power_state },
	{ "resets by function where PCI Express says so", resets_by_function },
	{ "refuses descriptions that could hurt a client", refuses_bad_descriptions },
};

HV_TEST_MAIN("vfio-user/config", tests)
