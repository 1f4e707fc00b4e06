/* SPDX-License-Identifier: MIT */
/*
 * Scattered guest pages made contiguous in our address space: rings and buffers that a guest
 * describes by frame numbers. One kernel mapping per run of pages that follow each other in the
 * same file, so the usual guest allocation costs a few; several copies behind each other let a
 * ring's reader or writer run over the end without looking.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vfio-user/dma.h"
#include "vfio-user/guard.h"

struct run {
	const struct vfu_file *file;
	uint64_t offset;		/* in the file */
	size_t pages;
};

/* The longest run at pfns[0]; 0 pages if that one is not in a writable range with a file. */
static struct run run_at(struct vfu_dma *d, const uint64_t *pfns, size_t n)
{
	struct run run = { 0 };

	for (; run.pages < n; run.pages++) {
		const struct vfu_map *m = NULL;
		uint64_t address = pfns[run.pages] * VFU_PAGE, offset;
		const struct vfu_file *file;

		if (pfns[run.pages] < VFU_DMA_MAX_ADDRESS / VFU_PAGE)
			m = vfu_dma_find(d, address);
		if (!m || !m->range.host || !m->range.writable || !m->range.readable)
			break;
		file = d->file[m->file].file;
		offset = m->range.file_offset + (address - m->range.address);
		if (run.pages && (file != run.file || offset != run.offset + run.pages * VFU_PAGE))
			break;
		if (!run.pages) {
			run.file = file;
			run.offset = offset;
		}
	}
	return run;
}

/* Maps the pages once at place; the number of pieces, or -errno. */
static int map_once(struct vfu_dma *d, const uint64_t *pfns, size_t n, uint8_t *place,
		    unsigned room)
{
	unsigned pieces = 0;

	while (n) {
		struct run run = run_at(d, pfns, n);

		if (!run.pages)
			return -EFAULT;
		if (run.file->page_bytes != VFU_PAGE)
			return -EOPNOTSUPP;	/* a huge page cannot be mapped in parts */
		if (pieces++ == room)
			return -ENOMEM;
		if (mmap(place, run.pages * VFU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 run.file->fd, (off_t)run.offset) == MAP_FAILED)
			return -errno;
		place += run.pages * VFU_PAGE;
		pfns += run.pages;
		n -= run.pages;
	}
	return (int)pieces;
}

int vfu_pages_map(struct vfu_dma *d, const uint64_t *pfns, size_t n, unsigned copies, void **out)
{
	struct vfu_pages *p;
	int ret = 0;

	if (!n || n > UINT32_MAX || !copies || copies > VFU_DMA_MAX_COPIES)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->bytes = n * copies * VFU_PAGE;
	p->base = mmap(NULL, p->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	if (p->base == MAP_FAILED) {
		free(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < copies && ret >= 0; i++) {
		ret = map_once(d, pfns, n, (uint8_t *)p->base + i * n * VFU_PAGE,
			       VFU_DMA_MAX_PIECES - d->pieces - p->pieces);
		if (ret > 0)
			p->pieces += (unsigned)ret;
	}
	if (ret >= 0)
		ret = vfu_guard_add(p->base, p->bytes, &p->guard);
	if (ret < 0) {
		munmap(p->base, p->bytes);
		free(p);
		return ret;
	}
	madvise(p->base, p->bytes, MADV_DONTDUMP);
	madvise(p->base, p->bytes, MADV_DONTFORK);
	d->pieces += p->pieces;
	LIST_INSERT_HEAD(&d->pages, p, link);
	*out = p->base;
	return 0;
}

bool vfu_pages_unmap(struct vfu_dma *d, void *base)
{
	struct vfu_pages *p;

	LIST_FOREACH(p, &d->pages, link)
		if (p->base == base)
			break;
	if (!p)
		return false;
	LIST_REMOVE(p, link);
	d->pieces -= p->pieces;
	vfu_guard_remove(p->guard);
	munmap(p->base, p->bytes);
	free(p);
	return true;
}

bool vfu_pages_lost(const struct vfu_pages *p)
{
	return vfu_guard_lost(p->guard);
}
