/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user protocol on the wire, version 0.0: constants, structs, asserts. Names follow the
 * protocol specification (docs/interop/vfio-user.rst of QEMU). Fields are host byte order on the
 * wire; both ends live on one machine and hvnet runs on little-endian ones, so they are le types.
 *
 * "request" and "reply" tell which of the two carries the struct; C is the client (QEMU), S the
 * server (us).
 */
#ifndef HVNET_VFIO_USER_WIRE_H
#define HVNET_VFIO_USER_WIRE_H

#include <assert.h>
#include <stddef.h>

#include "base/le.h"

enum {
	VFU_CMD_VERSION = 1,
	VFU_CMD_DMA_MAP = 2,
	VFU_CMD_DMA_UNMAP = 3,
	VFU_CMD_GET_INFO = 4,
	VFU_CMD_GET_REGION_INFO = 5,
	VFU_CMD_GET_REGION_IO_FDS = 6,
	VFU_CMD_GET_IRQ_INFO = 7,
	VFU_CMD_SET_IRQS = 8,
	VFU_CMD_REGION_READ = 9,
	VFU_CMD_REGION_WRITE = 10,
	VFU_CMD_DMA_READ = 11,		/* server to client */
	VFU_CMD_DMA_WRITE = 12,		/* server to client */
	VFU_CMD_RESET = 13,
	VFU_CMD_REGION_WRITE_MULTI = 15,
	VFU_CMD_DEVICE_FEATURE = 16,
	VFU_CMD_MIG_DATA_READ = 17,
	VFU_CMD_MIG_DATA_WRITE = 18,
	VFU_NUM_COMMANDS = 19,
};

enum {
	VFU_FLAG_TYPE_MASK = 0xf,
	VFU_FLAG_COMMAND = 0,
	VFU_FLAG_REPLY = 1,
	VFU_FLAG_NO_REPLY = 0x10,
	VFU_FLAG_ERROR = 0x20,
};

struct vfu_header {			/* before every message, both ways */
	le16 message_id;		/* the sender's choice; echoed in the reply */
	le16 command;			/* VFU_CMD_* */
	le32 size;			/* whole message, this header included */
	le32 flags;			/* VFU_FLAG_* */
	le32 error;			/* errno, in a reply with VFU_FLAG_ERROR */
};
static_assert(sizeof(struct vfu_header) == 16, "as on the wire");

struct vfu_wire_version {		/* VERSION, request and reply; JSON with its NUL may follow */
	le16 major, minor;
};
static_assert(sizeof(struct vfu_wire_version) == 4, "as on the wire");

enum {
	VFU_MAP_READ = 1,
	VFU_MAP_WRITE = 2,
};

struct vfu_wire_map {			/* DMA_MAP, request; the reply is the header alone */
	le32 argsz;
	le32 flags;			/* VFU_MAP_* */
	le64 offset;			/* in the file that comes along */
	le64 address;			/* guest physical */
	le64 size;			/* bytes */
};
static_assert(sizeof(struct vfu_wire_map) == 32, "as on the wire");

enum {
	VFU_UNMAP_DIRTY_BITMAP = 1,
	VFU_UNMAP_ALL = 2,		/* address and size are 0 */
};

struct vfu_wire_unmap {			/* DMA_UNMAP, request and reply */
	le32 argsz;
	le32 flags;			/* VFU_UNMAP_* */
	le64 address;
	le64 size;
};
static_assert(sizeof(struct vfu_wire_unmap) == 24, "as on the wire");

enum {
	VFU_DEVICE_RESET = 1,		/* DEVICE_RESET is understood */
	VFU_DEVICE_PCI = 2,
};

struct vfu_wire_info {			/* DEVICE_GET_INFO, request and reply */
	le32 argsz;
	le32 flags;			/* VFU_DEVICE_* */
	le32 num_regions;
	le32 num_irqs;
};
static_assert(sizeof(struct vfu_wire_info) == 16, "as on the wire");

enum {
	VFU_REGION_READ = 1,
	VFU_REGION_WRITE = 2,
	VFU_REGION_MMAP = 4,
	VFU_REGION_CAPS = 8,
};

enum {					/* region indices */
	VFU_REGION_BAR0 = 0,
	VFU_REGION_ROM = 6,
	VFU_REGION_CONFIG = 7,
	VFU_REGION_VGA = 8,
	VFU_NUM_REGIONS = 9,
};

struct vfu_wire_region_info {		/* DEVICE_GET_REGION_INFO, request and reply */
	le32 argsz;			/* request: room for the reply's payload; reply: room needed */
	le32 flags;			/* VFU_REGION_* */
	le32 index;			/* VFU_REGION_* */
	le32 cap_offset;
	le64 size;
	le64 offset;			/* for mmap() of the region's descriptor */
};
static_assert(sizeof(struct vfu_wire_region_info) == 32, "as on the wire");
static_assert(offsetof(struct vfu_wire_region_info, size) == 16, "as on the wire");

struct vfu_wire_region_io_fds {		/* DEVICE_GET_REGION_IO_FDS, request and reply */
	le32 argsz;
	le32 flags;
	le32 index;
	le32 count;
};
static_assert(sizeof(struct vfu_wire_region_io_fds) == 16, "as on the wire");

enum {					/* interrupt indices */
	VFU_IRQ_INTX,
	VFU_IRQ_MSI,
	VFU_IRQ_MSIX,
	VFU_IRQ_ERROR,
	VFU_IRQ_REQUEST,
	VFU_NUM_IRQS,
};

enum {
	VFU_IRQ_EVENTFD = 1,
	VFU_IRQ_MASKABLE = 2,
	VFU_IRQ_AUTOMASKED = 4,
	VFU_IRQ_NORESIZE = 8,
};

struct vfu_wire_irq_info {		/* DEVICE_GET_IRQ_INFO, request and reply */
	le32 argsz;
	le32 flags;			/* VFU_IRQ_* */
	le32 index;			/* VFU_IRQ_INTX … */
	le32 count;
};
static_assert(sizeof(struct vfu_wire_irq_info) == 16, "as on the wire");

enum {
	VFU_SET_DATA_NONE = 1,
	VFU_SET_DATA_BOOL = 2,
	VFU_SET_DATA_EVENTFD = 4,
	VFU_SET_DATA_MASK = 7,
	VFU_SET_MASK = 8,
	VFU_SET_UNMASK = 16,
	VFU_SET_TRIGGER = 32,
	VFU_SET_ACTION_MASK = 56,
};

struct vfu_wire_set_irqs {		/* DEVICE_SET_IRQS, request; bytes may follow (data BOOL) */
	le32 argsz;
	le32 flags;			/* one VFU_SET_DATA_* and one action */
	le32 index;
	le32 start;
	le32 count;
};
static_assert(sizeof(struct vfu_wire_set_irqs) == 20, "as on the wire");

struct vfu_wire_access {		/* REGION_READ, REGION_WRITE; data follows in read replies and write requests */
	le64 offset;
	le32 region;
	le32 count;
};
static_assert(sizeof(struct vfu_wire_access) == 16, "as on the wire");

struct vfu_wire_multi {			/* REGION_WRITE_MULTI, request, before the writes */
	le64 count;
};
static_assert(sizeof(struct vfu_wire_multi) == 8, "as on the wire");

struct vfu_wire_multi_write {
	struct vfu_wire_access access;	/* count at most 8 */
	uint8_t data[8];
};
static_assert(sizeof(struct vfu_wire_multi_write) == 24, "as on the wire");

struct vfu_wire_dma {			/* DMA_READ, DMA_WRITE, request and reply, as specified */
	le64 address;
	le64 count;
};
static_assert(sizeof(struct vfu_wire_dma) == 16, "as on the wire");

/*
 * The same as QEMU 10.1 has it: the count is 32 bits wide and data begins at 12, but the message
 * is as long as with the specified form, so 4 unused bytes end it.
 */
struct vfu_wire_dma_old {
	le64 address;
	le32 count;
};
static_assert(sizeof(struct vfu_wire_dma_old) == 12, "as on the wire");

enum {
	VFU_MAX_MULTI_WRITES = 200,
	/* What one region or DMA message may carry; our policy: registers need 8, QEMU ≥ 4096. */
	VFU_MAX_XFER = 65536,
	VFU_MAX_MESSAGE = sizeof(struct vfu_header) + sizeof(struct vfu_wire_access) + VFU_MAX_XFER,
	/* Descriptors that one message may carry; what QEMU offers, and it must not be exceeded. */
	VFU_MAX_FDS = 16,
};

#endif
