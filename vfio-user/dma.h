/* SPDX-License-Identifier: MIT */
/*
 * The client's DMA maps: a table sorted by guest address, and the files behind it. One thread, the
 * function's loop; time comes in as an argument.
 *
 * A file's mapping outlives its last range a little (VFU_DMA_LINGER_NS): during boot, QEMU takes
 * all of RAM away and brings it back several times within a millisecond.
 */
#ifndef HVNET_VFIO_USER_DMA_H
#define HVNET_VFIO_USER_DMA_H

#include "vfio-user/file.h"
#include "vfio-user/vfio_user.h"

enum {
	VFU_DMA_MAX_MAPS = 65535,	/* what QEMU assumes unless told less */
	VFU_DMA_MAX_FILES = 64,		/* our policy: memory backends and DIMMs of one machine */
	/*
	 * Separate kernel mappings by vfu_dma_map_pages(); a quarter of vm.max_map_count's
	 * default.
	 */
	VFU_DMA_MAX_PIECES = 16384,
	VFU_DMA_MAX_COPIES = 4,
	VFU_PAGE = 4096,
};
#define VFU_DMA_MAX_ADDRESS	(UINT64_C(1) << 57)	/* x86's widest (five-level) I/O virtual address */
#define VFU_DMA_MAX_MAP		(UINT64_C(8) << 40)	/* bytes of one range */
#define VFU_DMA_MAX_TOTAL	(UINT64_C(8) << 40)	/* bytes of all files of a client; our policy */
#define VFU_DMA_LINGER_NS	UINT64_C(200000000)

struct vfu_map {
	struct vfu_dma_range range;
	int file;			/* index of dma->file; -1: without a descriptor */
};

struct vfu_dma_file {
	struct vfu_file *file;		/* referenced; NULL: free place */
	size_t maps;			/* ranges that lie in it */
	uint64_t idle_since_ns;		/* while maps is 0 */
};

struct vfu_pages {			/* one vfu_dma_map_pages() */
	LIST_ENTRY(vfu_pages) link;
	void *base;
	size_t bytes;
	unsigned pieces;
	unsigned guard;
	bool lost_told;
};

struct vfu_dma {
	struct vfu_map *map;		/* sorted by address, never overlapping */
	size_t num_maps, room;
	size_t last;			/* the map that vfu_dma_find() found last */
	struct vfu_dma_file file[VFU_DMA_MAX_FILES];
	uint64_t file_bytes;		/* of all files */
	LIST_HEAD(, vfu_pages) pages;
	unsigned pieces;
};

/*
 * Enters a range; fd may be -1 and stays the caller's. flags: VFU_MAP_*. 0 and the new range, valid
 * until the table changes, or -errno: -EEXIST (overlap), -ENOSPC (too big), -EINVAL, …; *why then
 * names the reason.
 */
int vfu_dma_add(struct vfu_dma *d, uint64_t address, uint64_t size, uint32_t flags, int fd,
		uint64_t offset, uint64_t now_ns, const struct vfu_dma_range **out,
		enum vfu_counter *why) __attribute__((warn_unused_result));
/* Takes the n-th range out. */
void vfu_dma_remove(struct vfu_dma *d, size_t n, uint64_t now_ns);
/* Index of the first map that lies wholly in [address, address + size); num_maps if none. */
size_t vfu_dma_first_inside(const struct vfu_dma *d, uint64_t address, uint64_t size);
/* The map that holds address, NULL if none. */
const struct vfu_map *vfu_dma_find(struct vfu_dma *d, uint64_t address);
/* Bytes from address on that follow each other in maps with the wanted right, at most size. */
uint64_t vfu_dma_reach(struct vfu_dma *d, uint64_t address, uint64_t size, bool write);

/*
 * Lets go of files that have been idle long enough; when the next one will be, 0 if none is idle.
 */
uint64_t vfu_dma_expire(struct vfu_dma *d, uint64_t now_ns);
/* Unlinks lost files from their ranges (host becomes NULL); true if a new loss was found. */
bool vfu_dma_check_lost(struct vfu_dma *d);

/* As vfu_dma_map_pages() and vfu_dma_unmap_pages(), without the bus-master check. */
int vfu_pages_map(struct vfu_dma *d, const uint64_t *pfns, size_t n, unsigned copies, void **out)
	__attribute__((warn_unused_result));
bool vfu_pages_lost(const struct vfu_pages *p);
/* False if there is no such mapping. */
bool vfu_pages_unmap(struct vfu_dma *d, void *base);

/* Everything goes, files at once. */
void vfu_dma_destroy(struct vfu_dma *d);

#endif
