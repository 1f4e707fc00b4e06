/* SPDX-License-Identifier: MIT */
/*
 * QEMU trusts what a server says while it attaches: a BAR whose size is no power of two aborts it,
 * an MSI-X table outside its BAR is a segmentation fault, a VM with it. So nothing of that kind may
 * ever be said.
 */
#include "vfio-user/desc.h"

#include <string.h>
#include <sys/un.h>

static bool power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

static const char *check_bar(const struct vfu_bar *bar, unsigned i)
{
	const struct vfu_bar *b = &bar[i];

	switch (b->kind) {
	case VFU_BAR_NONE:
		return b->size_bytes ? "a BAR has a size but no kind" : NULL;
	case VFU_BAR_IO:
		if (!power_of_two(b->size_bytes) || b->size_bytes < 4 || b->size_bytes > 256)
			return "an I/O BAR's size is not 4, 8, … 256";	/* PCI 3.0, 6.2.5.1 */
		return b->prefetchable ? "an I/O BAR cannot be prefetchable" : NULL;
	case VFU_BAR_MEM32:
		if (!power_of_two(b->size_bytes) || b->size_bytes < 16 ||
		    b->size_bytes > UINT64_C(1) << 31)
			return "a 32-bit BAR's size is no power of two in 16 … 2 GiB";
		return NULL;
	case VFU_BAR_MEM64:
		if (!power_of_two(b->size_bytes) || b->size_bytes < 16 ||
		    b->size_bytes > UINT64_C(1) << 46)
			return "a 64-bit BAR's size is no power of two in 16 … 64 TiB";
		if (i & 1)
			return "a 64-bit BAR has an odd index";
		if (bar[i + 1].kind != VFU_BAR_NONE)
			return "a 64-bit BAR's upper half is used twice";
		return NULL;
	}
	return "a BAR is of no known kind";
}

static const char *check_msix(const struct vfu_dev_desc *d)
{
	uint64_t table = d->msix_table_offset, pba = d->msix_pba_offset;
	uint64_t table_bytes = vfu_msix_table_bytes(d->msix_vectors);
	uint64_t pba_bytes = vfu_msix_pba_bytes(d->msix_vectors);
	const struct vfu_bar *b;

	if (!d->msix_vectors)
		return NULL;
	if (d->msix_vectors > VFU_MAX_MSIX)
		return "more MSI-X vectors than there can be";
	if (d->msix_bar >= VFU_NUM_BARS)
		return "the MSI-X table's BAR does not exist";
	b = &d->bar[d->msix_bar];
	if (b->kind != VFU_BAR_MEM32 && b->kind != VFU_BAR_MEM64)
		return "the MSI-X table's BAR is no memory BAR";
	if ((table | pba) & 7)
		return "MSI-X table and PBA must be aligned to 8 bytes";
	if (table + table_bytes > b->size_bytes || pba + pba_bytes > b->size_bytes)
		return "MSI-X table or PBA leave their BAR";
	if (table < pba + pba_bytes && pba < table + table_bytes)
		return "MSI-X table and PBA overlap";
	return NULL;
}

const char *vfu_desc_check(const struct vfu_dev_desc *d)
{
	const struct sockaddr_un *un = NULL;
	const char *why = NULL;

	if (!d->name || !*d->name)
		return "no name";
	if (!d->socket_path || !*d->socket_path)
		return "no socket path";
	if (strlen(d->socket_path) >= sizeof(un->sun_path))
		return "the socket path is too long";
	if (d->mode & ~(mode_t)0777)
		return "the socket's mode has bits beyond 0777";
	if (d->class_code >> 24)
		return "the class code has more than 24 bits";
	for (unsigned i = 0; i < VFU_NUM_BARS && !why; i++)
		why = check_bar(d->bar, i);
	if (why)
		return why;
	if (d->msi_vectors && (!power_of_two(d->msi_vectors) || d->msi_vectors > 32))
		return "MSI vectors are not 1, 2, 4, … 32";
	return check_msix(d);
}
