/* SPDX-License-Identifier: MIT */
/*
 * Packet capture: a chapter of vswitch.h. A capture copies frames that pass a switch, at the ports, points and directions that it is
 * asked for, as blocks of a pcapng file into a ring in memory that another process may share, read and write to a file or pipe: so
 * whatever a disk or a pipe does, the data path never waits for it and makes no system call per frame. What does
 * not fit into the ring is lost to the capture, counted, and said in the stream (epb_dropcount, interface statistics).
 *
 * What a frame looks like: its bytes as on a wire, with its 802.1Q tag, before segmentation at the sender's side and after it at the
 * receiver's, so longer than the MTU where a NIC sends or takes such. What is beside the bytes is in an option of the packet
 * (struct pcapng_offload in pcapng_wire.h) and as words in its comment. Directions are the port's: inbound is from
 * its NIC into the switch.
 *
 * Interfaces in the stream: per port one with the port's name for what passed between NIC and switch (the points INGRESS and EGRESS),
 * "NAME accepted" for ACCEPTED, "NAME dropped" for DROPPED; if_description says it in words.
 *
 * Cost: a port that no capture watches tests one byte per batch. Nothing is allocated per frame in any case.
 *
 * Threads: all calls on the switch's thread; the ring's reader is any one thread or process.
 */
#ifndef HVNET_VSWITCH_CAPTURE_H
#define HVNET_VSWITCH_CAPTURE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_program;			/* libpcap's */
struct vswitch;
struct vswitch_capture;

enum vswitch_capture_point {
	VSWITCH_CAPTURE_INGRESS = 1,	/* as the NIC gave it, before any check or policy */
	VSWITCH_CAPTURE_ACCEPTED = 2,	/* … after all of them, about to be forwarded */
	VSWITCH_CAPTURE_EGRESS = 4,	/* after policy and conversion, as handed to the NIC */
	VSWITCH_CAPTURE_DROPPED = 8,	/* dropped, on its way in or out; reason and rule in the comment */
};

enum vswitch_capture_direction {
	VSWITCH_CAPTURE_IN = 1,		/* from the port's NIC */
	VSWITCH_CAPTURE_OUT = 2,	/* to it */
};

enum {
	VSWITCH_CAPTURE_RING_MIN = 1 << 20,	/* bytes of a ring's data: a power of two, many times the largest block */
	VSWITCH_CAPTURE_RING_MAX = 1 << 30,
	VSWITCH_CAPTURE_FILTER_MAX = 2048,	/* our policy: instructions of a filter */
	VSWITCH_CAPTURE_VLAN_ANY = -1,
	VSWITCH_CAPTURE_VLAN_NONE = 0,		/* frames in no VLAN */
};

/* ---- the ring ---- */

/*
 * Shared memory: this header, then data. Positions are counts of bytes since the start, their place is position % bytes. From tail
 * to head lie whole pcapng blocks; a block never wraps: a zero where a block's type would be says that the rest up to
 * the end of the data is empty. The first block is a section header.
 * Of the reader's field the switch believes nothing: a wrong tail costs only frames of this capture.
 */
struct vswitch_capture_ring {
	uint32_t bytes;			/* of data */
	_Atomic uint32_t ended;		/* not 0: nothing comes after the head that is read after this */
	alignas(64) _Atomic uint64_t head;	/* the switch's */
	alignas(64) _Atomic uint64_t tail;	/* the reader's */
	alignas(64) uint8_t data[];
};

/* Memory for a ring with so many bytes of data. */
static inline size_t vswitch_capture_ring_size(uint32_t bytes)
{
	return sizeof(struct vswitch_capture_ring) + bytes;
}

/* The reader's side: the next block (NULL: none now), of *n bytes, a multiple of 4; *position starts at 0. */
const uint8_t *vswitch_capture_next(struct vswitch_capture_ring *ring, uint64_t *position, uint32_t *n);
/* … gives back all before position. */
void vswitch_capture_release(struct vswitch_capture_ring *ring, uint64_t position);

/* ---- filters ---- */

/*
 * Compiles an expression of pcap-filter(7) with libpcap, so that it means what it does to tcpdump on a Linux interface: "icmp" finds
 * tagged frames, too, and "vlan 10 and icmp", "icmp and vlan 10" those of one VLAN. pcap_freecode() frees *out. Host names are looked
 * up, which may take its time. -EINVAL, -ENOMEM: why, of room bytes (libpcap's are PCAP_ERRBUF_SIZE at most), says what is wrong.
 */
int vswitch_capture_compile(const char *expression, struct bpf_program *out, char *why, size_t room)
	__attribute__((warn_unused_result));

/* ---- captures ---- */

struct vswitch_capture_config {
	const char *port;		/* name; NULL: all ports. Ports that come later by this name count too. Copied */
	unsigned points;		/* enum vswitch_capture_point, or-ed; not 0 */
	unsigned directions;		/* enum vswitch_capture_direction, or-ed; not 0 */
	int vlan;			/* VSWITCH_CAPTURE_VLAN_…, or 1 … 4094: as the switch sees it, at INGRESS as tagged */
	uint32_t snap_bytes;		/* of each frame at most; 0: all */
	uint64_t max_frames;		/* the capture ends after so many; 0: never */
	/*
	 * For DLT_EN10MB, run on the whole frame, but for its outer VLAN tag, as programs for sockets on Linux are: the tag is beside the
	 * bytes (ancillary loads SKF_AD_VLAN_TAG_PRESENT and SKF_AD_VLAN_TAG). NULL: all frames. Copied.
	 */
	const struct bpf_program *filter;
	struct vswitch_capture_ring *ring;	/* borrowed until stop; zeroed but for bytes; aligned to 64 */
	const char *application;	/* for the section header, e.g. "hvnetd 1.0"; copied to the ring. NULL: none */
	/*
	 * There is something to read: on the loop, not per frame but some time (our policy: 1 ms) after the first of many; and when the
	 * capture ends by itself, perhaps inside another call into the switch: must only signal. May be NULL.
	 */
	void (*wake)(void *cookie);
	void *cookie;
};

struct vswitch_capture_stats {
	uint64_t seen;			/* frames at the points, before the filters */
	uint64_t captured;		/* … that are in the stream */
	uint64_t captured_bytes;	/* of these, as captured */
	uint64_t dropped;		/* … that passed the filters and found no room in the ring */
	bool ended;			/* by max_frames or stop */
};

/* -EINVAL: a field is out of range, or the filter is no valid program. -ENOMEM. */
int vswitch_capture_start(struct vswitch *sw, const struct vswitch_capture_config *config, struct vswitch_capture **out)
	__attribute__((warn_unused_result));
/* Writes the statistics of each interface (there is always room) and marks the ring ended. Idempotent. */
void vswitch_capture_end(struct vswitch_capture *capture);
void vswitch_capture_stats(const struct vswitch_capture *capture, struct vswitch_capture_stats *out);
/* Ends it and frees it; wakes nobody. NULL is fine. Must come before the switch's end. */
void vswitch_capture_stop(struct vswitch_capture *capture);

#endif
