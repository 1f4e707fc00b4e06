/* SPDX-License-Identifier: MIT */
#include "vfio-user/dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio-user/vfio_user_wire.h"

static int refuse(enum vfu_counter *why, enum vfu_counter reason, int error)
{
	*why = reason;
	return error;
}

/* Index of the first map that ends behind address. */
static size_t lower_bound(const struct vfu_dma *d, uint64_t address)
{
	size_t low = 0, high = d->num_maps;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vfu_dma_range *r = &d->map[middle].range;

		if (r->address + r->size_bytes <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool map_holds(const struct vfu_map *m, uint64_t address)
{
	return address - m->range.address < m->range.size_bytes;
}

const struct vfu_map *vfu_dma_find(struct vfu_dma *d, uint64_t address)
{
	size_t i = d->last;

	if (i < d->num_maps && map_holds(&d->map[i], address))
		return &d->map[i];
	i = lower_bound(d, address);
	if (i == d->num_maps || !map_holds(&d->map[i], address))
		return NULL;
	d->last = i;
	return &d->map[i];
}

uint64_t vfu_dma_reach(struct vfu_dma *d, uint64_t address, uint64_t size, bool write)
{
	uint64_t done = 0;

	while (done < size) {
		const struct vfu_map *m = vfu_dma_find(d, address + done);
		uint64_t left;

		if (!m || (write ? !m->range.writable : !m->range.readable))
			break;
		left = m->range.size_bytes - (address + done - m->range.address);
		done += left < size - done ? left : size - done;
	}
	return done;
}

static bool range_ok(uint64_t address, uint64_t size)
{
	return size && !((address | size) & (VFU_PAGE - 1)) && address < VFU_DMA_MAX_ADDRESS &&
	       size <= VFU_DMA_MAX_ADDRESS - address;
}

static void file_release(struct vfu_dma *d, struct vfu_dma_file *slot)
{
	d->file_bytes -= slot->file->bytes;
	vfu_file_put(slot->file);
	memset(slot, 0, sizeof(*slot));
}

/* A place for one more file: a free one, else that of the file which has been idle for longest. */
static struct vfu_dma_file *file_place(struct vfu_dma *d)
{
	struct vfu_dma_file *oldest = NULL;

	for (unsigned i = 0; i < VFU_DMA_MAX_FILES; i++) {
		struct vfu_dma_file *slot = &d->file[i];

		if (!slot->file)
			return slot;
		if (!slot->maps && (!oldest || slot->idle_since_ns < oldest->idle_since_ns))
			oldest = slot;
	}
	if (oldest)
		file_release(d, oldest);
	return oldest;
}

static void release_idle_files(struct vfu_dma *d)
{
	for (unsigned i = 0; i < VFU_DMA_MAX_FILES; i++)
		if (d->file[i].file && !d->file[i].maps)
			file_release(d, &d->file[i]);
}

/* The index of the file behind fd in d->file, entered if it is new there; -errno. */
static int file_enter(struct vfu_dma *d, int fd, bool write, uint64_t offset, uint64_t size,
		      uint64_t now_ns, enum vfu_counter *why)
{
	struct vfu_dma_file *slot;
	struct vfu_file *f;
	int ret;

	if (offset & (VFU_PAGE - 1))
		return refuse(why, VFU_C_MAP_RANGE, -EINVAL);
	ret = vfu_file_get(fd, write, offset, size, VFU_DMA_MAX_TOTAL, &f, why);
	if (ret)
		return ret;
	for (int i = 0; i < VFU_DMA_MAX_FILES; i++)
		if (d->file[i].file == f) {
			vfu_file_put(f);	/* the place has a reference already */
			return i;
		}
	if (f->bytes > VFU_DMA_MAX_TOTAL - d->file_bytes)
		release_idle_files(d);
	slot = f->bytes > VFU_DMA_MAX_TOTAL - d->file_bytes ? NULL : file_place(d);
	if (!slot) {
		vfu_file_put(f);
		return refuse(why, VFU_C_MAP_LIMIT, -ENOSPC);
	}
	*slot = (struct vfu_dma_file){ .file = f, .idle_since_ns = now_ns };
	d->file_bytes += f->bytes;
	return (int)(slot - d->file);
}

static bool make_room(struct vfu_dma *d)
{
	size_t room = d->room ? 2 * d->room : 16;
	struct vfu_map *map;

	if (d->num_maps < d->room)
		return true;
	map = realloc(d->map, room * sizeof(*map));
	if (!map)
		return false;
	d->map = map;
	d->room = room;
	return true;
}

int vfu_dma_add(struct vfu_dma *d, uint64_t address, uint64_t size, uint32_t flags, int fd,
		uint64_t offset, uint64_t now_ns, const struct vfu_dma_range **out,
		enum vfu_counter *why)
{
	struct vfu_map m = { .file = -1 };
	size_t at;

	if ((flags & ~(uint32_t)(VFU_MAP_READ | VFU_MAP_WRITE)) || !flags)
		return refuse(why, VFU_C_MAP_FLAGS, -EINVAL);
	if (!range_ok(address, size))
		return refuse(why, VFU_C_MAP_RANGE, -EINVAL);
	if (size > VFU_DMA_MAX_MAP)
		return refuse(why, VFU_C_MAP_LIMIT, -ENOSPC);
	at = lower_bound(d, address);
	if (at < d->num_maps && d->map[at].range.address - address < size)
		return refuse(why, VFU_C_MAP_OVERLAP, -EEXIST);
	if (at < d->num_maps && map_holds(&d->map[at], address))
		return refuse(why, VFU_C_MAP_OVERLAP, -EEXIST);
	if (d->num_maps == VFU_DMA_MAX_MAPS)
		return refuse(why, VFU_C_MAP_LIMIT, -EINVAL);
	if (!make_room(d))
		return refuse(why, VFU_C_MAP_FAILED, -ENOMEM);
	m.range = (struct vfu_dma_range){ .address = address, .size_bytes = size,
					  .readable = flags & VFU_MAP_READ,
					  .writable = flags & VFU_MAP_WRITE };
	if (fd >= 0) {
		m.file = file_enter(d, fd, m.range.writable, offset, size, now_ns, why);
		if (m.file < 0)
			return m.file;
		const struct vfu_file *f = d->file[m.file].file;

		m.range.host = f->base + offset;
		m.range.file_dev = f->dev;
		m.range.file_ino = f->ino;
		m.range.file_offset = offset;
		d->file[m.file].maps++;
	}
	memmove(&d->map[at + 1], &d->map[at], (d->num_maps - at) * sizeof(m));
	d->map[at] = m;
	d->num_maps++;
	*out = &d->map[at].range;
	return 0;
}

void vfu_dma_remove(struct vfu_dma *d, size_t n, uint64_t now_ns)
{
	int file = d->map[n].file;

	d->num_maps--;
	memmove(&d->map[n], &d->map[n + 1], (d->num_maps - n) * sizeof(d->map[n]));
	if (file >= 0 && !--d->file[file].maps)
		d->file[file].idle_since_ns = now_ns;
}

size_t vfu_dma_first_inside(const struct vfu_dma *d, uint64_t address, uint64_t size)
{
	size_t i = lower_bound(d, address);

	if (i < d->num_maps && d->map[i].range.address < address)
		i++;	/* begins before: only partly inside */
	if (i < d->num_maps && d->map[i].range.address - address < size &&
	    d->map[i].range.size_bytes <= size - (d->map[i].range.address - address))
		return i;
	return d->num_maps;
}

uint64_t vfu_dma_expire(struct vfu_dma *d, uint64_t now_ns)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < VFU_DMA_MAX_FILES; i++) {
		struct vfu_dma_file *slot = &d->file[i];
		uint64_t due = slot->idle_since_ns + VFU_DMA_LINGER_NS;

		if (!slot->file || slot->maps)
			continue;
		if (due <= now_ns)
			file_release(d, slot);
		else if (!next || due < next)
			next = due;
	}
	return next;
}

bool vfu_dma_check_lost(struct vfu_dma *d)
{
	struct vfu_pages *p;
	bool found = false;

	for (size_t i = 0; i < d->num_maps; i++) {
		struct vfu_map *m = &d->map[i];

		if (m->file >= 0 && m->range.host && vfu_file_lost(d->file[m->file].file)) {
			m->range.host = NULL;
			found = true;
		}
	}
	LIST_FOREACH(p, &d->pages, link)
		if (vfu_pages_lost(p) && !p->lost_told) {
			p->lost_told = true;
			found = true;
		}
	return found;
}

void vfu_dma_destroy(struct vfu_dma *d)
{
	while (!LIST_EMPTY(&d->pages))
		vfu_pages_unmap(d, LIST_FIRST(&d->pages)->base);
	for (unsigned i = 0; i < VFU_DMA_MAX_FILES; i++)
		if (d->file[i].file)
			file_release(d, &d->file[i]);
	free(d->map);
	memset(d, 0, sizeof(*d));
}
