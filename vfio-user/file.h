/* SPDX-License-Identifier: MIT */
/*
 * Files that hold guest memory. Each is mapped once, whole, however many ranges of however many
 * functions lie in it: QEMU sends every range with a descriptor of its own, for every device again.
 * Shared by all threads of the process; counted references.
 */
#ifndef HVNET_VFIO_USER_FILE_H
#define HVNET_VFIO_USER_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "vfio-user/stats.h"

struct vfu_file {
	LIST_ENTRY(vfu_file) link;
	uint64_t dev, ino;		/* which file */
	uint64_t bytes;			/* mapped from its beginning */
	uint32_t page_bytes;		/* granularity of mappings: more than 4096 on hugetlbfs */
	bool writable;			/* mapped for writing too */
	int fd;				/* owned; for further mappings of single pages */
	uint8_t *base;			/* owned mapping */
	unsigned guard;
	unsigned refs;
};

/*
 * The mapping of the file behind fd, which stays the caller's. It must be a regular file on tmpfs
 * or hugetlbfs (anything else could make a page fault wait for somebody), hold [offset, offset +
 * size) and be open for what is wanted. On failure *why names the reason. A file that was lost is
 * mapped anew.
 */
int vfu_file_get(int fd, bool write, uint64_t offset, uint64_t size, uint64_t max_bytes,
		 struct vfu_file **out, enum vfu_counter *why) __attribute__((warn_unused_result));
void vfu_file_put(struct vfu_file *f);
bool vfu_file_lost(const struct vfu_file *f);

#endif
