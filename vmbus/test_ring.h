/* SPDX-License-Identifier: MIT */
/* For tests: ring memory whose data area is mapped twice, and both ends on it. */
#ifndef HVNET_VMBUS_TEST_RING_H
#define HVNET_VMBUS_TEST_RING_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmbus/ring.h"
#include "vmbus/vmbus_wire.h"

/* pages pages, zeroed: the control page, then the data area twice. Aborts without memory. */
static inline void *test_ring_map(uint32_t pages)
{
	const size_t whole = (size_t)pages * VMBUS_PAGE_BYTES, data = whole - VMBUS_PAGE_BYTES;
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, whole + data, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, (off_t)whole) ||
	    mmap(p, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(p + whole, data, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, VMBUS_PAGE_BYTES) == MAP_FAILED)
		abort();
	close(fd);
	return p;
}

static inline void test_ring_unmap(void *base, uint32_t pages)
{
	munmap(base, (2 * (size_t)pages - 1) * VMBUS_PAGE_BYTES);
}

#endif
