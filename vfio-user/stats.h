/* SPDX-License-Identifier: MIT */
/*
 * Counters of a function: what was refused and what happened, one per reason. The list is the
 * only place that names them; `hvnetctl stats` shows the names.
 */
#ifndef HVNET_VFIO_USER_STATS_H
#define HVNET_VFIO_USER_STATS_H

#include <stdint.h>

#include "base/log.h"

/*	id			name				what happened */
#define VFU_COUNTERS(X) \
	X(MESSAGES,		"messages")			/* well-framed messages */ \
	X(CLIENTS,		"clients")			/* versions agreed */ \
	X(CLIENTS_LOST,		"clients-lost")			/* … and gone again */ \
	X(ACCEPT_FAILED,	"accept-failed")		/* no descriptor or memory for a client */ \
	X(TOO_MANY_PEERS,	"too-many-peers")		/* unnegotiated connections at once */ \
	X(BUSY,			"busy")				/* a second client, told EBUSY */ \
	X(HANDSHAKE_TIMEOUT,	"handshake-timeout")		/* no VERSION in time */ \
	X(OUT_OF_SPACE,		"output-overflow")		/* client does not read: dropped */ \
	X(SOCKET_ERROR,		"socket-error")			/* send or receive failed */ \
	X(FDS_TRUNCATED,	"descriptors-truncated")	/* more than fit: dropped */ \
	X(FDS_STRAY,		"descriptors-stray")		/* with no message's first byte: dropped */ \
	X(HEADER_SIZE,		"bad-header-size")		/* dropped */ \
	X(HEADER_TYPE,		"bad-header-type")		/* neither command nor reply: dropped */ \
	X(HEADER_FLAGS,		"bad-header-flags") \
	X(REPLY_UNEXPECTED,	"unexpected-reply")		/* dropped */ \
	X(REPLY_MALFORMED,	"malformed-reply")		/* of a DMA message: dropped */ \
	X(COMMAND_UNKNOWN,	"unknown-command") \
	X(COMMAND_UNSUPPORTED,	"unsupported-command") \
	X(NOT_NEGOTIATED,	"before-version") \
	X(VERSION_TWICE,	"version-twice") \
	X(VERSION_MAJOR,	"version-major") \
	X(VERSION_JSON,		"version-json")			/* not a terminated JSON object */ \
	X(VERSION_CAPABILITY,	"version-capability")		/* a value of wrong type or range */ \
	X(PAYLOAD_SIZE,		"bad-payload-size") \
	X(FDS_COUNT,		"bad-descriptor-count") \
	X(ARGSZ,		"bad-argsz") \
	X(POSTED_REFUSED,	"posted-refused")		/* nobody could be told */ \
	X(MAP_FLAGS,		"map-flags") \
	X(MAP_RANGE,		"map-range")			/* empty, unaligned, wraps, out of reach */ \
	X(MAP_OVERLAP,		"map-overlap") \
	X(MAP_LIMIT,		"map-limit")			/* maps, files or bytes in total */ \
	X(MAP_FILE_TYPE,	"map-file-type")		/* not a regular file on tmpfs or hugetlbfs */ \
	X(MAP_FILE_MODE,	"map-file-mode")		/* open mode forbids what the flags ask */ \
	X(MAP_FILE_SIZE,	"map-file-size")		/* range past the file's end */ \
	X(MAP_FAILED,		"map-failed")			/* mmap said no */ \
	X(UNMAP_FLAGS,		"unmap-flags") \
	X(UNMAP_RANGE,		"unmap-range") \
	X(UNMAP_UNKNOWN,	"unmap-unknown")		/* no map in there */ \
	X(UNMAP_INEXACT,	"unmap-inexact")		/* done, but not one map's exact range */ \
	X(REGION_INDEX,		"region-index") \
	X(REGION_RANGE,		"region-range") \
	X(REGION_WIDTH,		"region-width")			/* read as zero, write ignored */ \
	X(CONFIG_READ_ONLY,	"config-read-only") \
	X(CONFIG_WIDTH,		"config-width") \
	X(MULTI_COUNT,		"multi-count") \
	X(IRQ_INDEX,		"irq-index") \
	X(IRQ_RANGE,		"irq-range") \
	X(IRQ_FLAGS,		"irq-flags") \
	X(IRQ_FD,		"irq-descriptor")		/* not a non-blocking eventfd */ \
	X(IRQ_LOST,		"irq-without-eventfd")		/* raised by the device, nobody listens */ \
	X(DMA_REFUSED,		"dma-refused")			/* the device named what the client did not map */ \
	X(DMA_FAILED,		"dma-failed")			/* the client answered with an error */ \
	X(DMA_TIMEOUT,		"dma-timeout") \
	X(MEMORY_LOST,		"memory-lost")			/* guest memory's file was cut */ \
	X(RESETS,		"resets")

enum vfu_counter {
#define X(id, name) VFU_C_##id,
	VFU_COUNTERS(X)
#undef X
	VFU_NUM_COUNTERS,
};

struct vfu_stats {
	char name[64];			/* the function's, for log lines */
	uint64_t count[VFU_NUM_COUNTERS];
	struct hv_log_limit limit;	/* refusals: the client can provoke them at will */
};

const char *vfu_counter_name(enum vfu_counter c);

static inline void vfu_count(struct vfu_stats *s, enum vfu_counter c)
{
	s->count[c]++;
}

/* Counts and logs (rate-limited) why something is refused. */
void vfu_note_refusal(struct vfu_stats *s, enum vfu_counter c, int error);

/* The same, and gives error back for the caller to pass up. */
static inline int vfu_refuse(struct vfu_stats *s, enum vfu_counter c, int error)
{
	vfu_note_refusal(s, c, error);
	return error;
}

#endif
