/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a VMBus ring, over plain memory: either side may be host or guest. A ring is a control page
 * and a data area that is mapped twice back to back, so that no packet is ever split. Part of the public interface
 * of vmbus/ (vmbus.h includes it).
 *
 * The peer is not trusted: its index is read once per decision and checked, our own index is kept privately, a
 * packet is copied out before it is looked at. A corrupt ring is reported (-EPROTO) for ever after, and never signalled.
 *
 * Signalling follows vmbus.md §10; the four store→load barriers are marked in ring.c and ring.h, and each has
 * a test that fails without it.
 *
 * Threads: each end belongs to one thread.
 */
#ifndef HVNET_VMBUS_RING_H
#define HVNET_VMBUS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vmbus_packet_type {
	VMBUS_PKT_DATA_INBAND = 6,
	VMBUS_PKT_DATA_TRANSFER_PAGES = 7,
	VMBUS_PKT_DATA_GPA_DIRECT = 9,
	VMBUS_PKT_CANCEL = 10,
	VMBUS_PKT_COMPLETION = 11,
};

enum {
	VMBUS_PKT_COMPLETION_REQUESTED = 1,	/* flag bit 0 of the descriptor */
	VMBUS_RING_FOOTER_BYTES = 8,
};

struct vmbus_ring_ctl;		/* control page, vmbus_wire.h */

/* Producer's end. */
struct vmbus_ring_out {
	struct vmbus_ring_ctl *ctl;	/* borrowed, shared with the peer; data follows it, twice */
	uint8_t *data;
	uint32_t size;			/* bytes of the data area */
	uint32_t write;			/* ours, private: where the next packet goes */
	uint32_t published;		/* what the peer was told last */
	uint32_t read_seen;		/* the peer's index when last read; only says less room than there is */
	uint32_t reserved_extra, reserved_payload;	/* bytes of the packet between reserve and commit */
	bool corrupt;
	uint64_t signals, full;		/* counters */
};

/* Consumer's end. */
struct vmbus_ring_in {
	struct vmbus_ring_ctl *ctl;
	const uint8_t *data;
	uint32_t size;
	uint32_t read;			/* ours, private: the next packet */
	uint32_t released;		/* what the peer was told last */
	uint32_t write_seen;		/* the peer's index when last read */
	bool corrupt;
	uint64_t signals;
};

/* A packet, copied out of the ring: what follows the descriptor, its extra header (ranges), then the payload. */
struct vmbus_packet {
	uint16_t type;			/* enum vmbus_packet_type, or what the peer wrote */
	bool wants_completion;
	uint64_t transaction_id;
	const uint8_t *extra;		/* bytes between the descriptor and the payload (types 7 and 9) */
	uint32_t extra_bytes;
	const uint8_t *payload;
	uint32_t payload_bytes;		/* multiple of 8 */
};

/*
 * Attaches an end to a ring of pages pages (control page first, data area mapped twice behind it): 2 … 524288, else
 * -EINVAL. Takes over the indices found there (0 for a new ring) and checks them: -EPROTO. The producer sets
 * feature bit 0 (pending send size) and clears the pending size.
 */
int vmbus_ring_out_init(struct vmbus_ring_out *r, void *base, uint32_t pages) __attribute__((warn_unused_result));
int vmbus_ring_in_init(struct vmbus_ring_in *r, void *base, uint32_t pages) __attribute__((warn_unused_result));
/* The same ring is mapped elsewhere now: our private state goes on. NULL: nowhere, do not touch the end. */
void vmbus_ring_out_move(struct vmbus_ring_out *r, void *base);
void vmbus_ring_in_move(struct vmbus_ring_in *r, void *base);

/* Bytes that a packet of this shape takes in the ring, footer included. */
static inline uint32_t vmbus_packet_space(uint32_t extra_bytes, uint32_t payload_bytes)
{
	return 16 + ((extra_bytes + payload_bytes + 7) & ~7u) + VMBUS_RING_FOOTER_BYTES;
}

/*
 * Room for one packet; *extra and *payload point into the ring (extra may be NULL if extra_bytes is 0, which must be a
 * multiple of 8). -EAGAIN: full. -EMSGSIZE: no packet of that size fits this ring or its descriptor, ever. -EPROTO: the
 * peer corrupted the ring. What is reserved is written, then committed; a second reserve before that
 * replaces the first. An -EAGAIN leaves the earlier, uncommitted reservation void.
 */
int vmbus_ring_reserve(struct vmbus_ring_out *r, uint32_t extra_bytes, uint32_t payload_bytes,
		       void **extra, void **payload) __attribute__((warn_unused_result));
/* Completes the reserved packet: descriptor, zero padding, footer. Not visible to the peer before publish. */
void vmbus_ring_commit(struct vmbus_ring_out *r, uint16_t type, bool wants_completion, uint64_t transaction_id);
/* Reserve, copy, commit. */
int vmbus_ring_write(struct vmbus_ring_out *r, uint16_t type, bool wants_completion, uint64_t transaction_id,
		     const void *payload, uint32_t payload_bytes) __attribute__((warn_unused_result));
/*
 * Makes all committed packets visible. true: the peer must be signalled (§10.1), with the channel's doorbell; it is
 * said once, so the result must not be dropped.
 */
bool vmbus_ring_publish(struct vmbus_ring_out *r) __attribute__((warn_unused_result));
/*
 * Asks the peer to signal when need bytes are free (§10.3; cut to what the ring can hold). true: they are free already
 * (or the ring is corrupt, as the next reserve will say), go on and write. false: sleep until the doorbell. Everything
 * committed has been published before.
 */
bool vmbus_ring_wait_for_space(struct vmbus_ring_out *r, uint32_t need) __attribute__((warn_unused_result));
/* No longer waiting (pending send size 0). */
void vmbus_ring_stop_waiting(struct vmbus_ring_out *r);
/* Free bytes now, footer slack taken off; re-reads the peer's index. 0 if corrupt. */
uint32_t vmbus_ring_free(struct vmbus_ring_out *r);
/*
 * Whether published packets wait for a consumer that asked to be signalled: a moment after publishing that is a lost
 * doorbell, which a correct peer cannot cause. A peer without atomic instructions or barriers can: a QEMU that
 * emulates a single processor translates the guest's to plain ones.
 */
bool vmbus_ring_neglected(struct vmbus_ring_out *r);

/*
 * The next packet, copied into buf (cap bytes for what follows the descriptor, 8-byte aligned; a larger packet is
 * corruption). 1: *pkt is valid while buf is; 0: empty; -EPROTO: corrupt. A type that is not in enum vmbus_packet_type is
 * passed on: whether it is an error is the device protocol's decision. A type 7 or 9 whose extra header is missing, or
 * a flag other than the completion's, is corruption.
 */
int vmbus_ring_next(struct vmbus_ring_in *r, void *buf, size_t cap, struct vmbus_packet *pkt)
	__attribute__((warn_unused_result));
/* Whether there is a packet; for a second look some time after vmbus_ring_unmask(), as vmbus_ring_neglected() says. */
bool vmbus_ring_has_packet(struct vmbus_ring_in *r);
/* Gives the space of all packets taken back. true: the producer waits for it and must be signalled (§10.4). */
bool vmbus_ring_release(struct vmbus_ring_in *r) __attribute__((warn_unused_result));
/* "Do not signal, I poll" (§10.2). */
void vmbus_ring_mask(struct vmbus_ring_in *r);
/*
 * Unmasks and looks again: true if the ring is empty, so the consumer may sleep; false: masked again, go on (also if the
 * ring is corrupt, as the next vmbus_ring_next() will say). Everything taken has been released before: a
 * producer that sees packets left does not signal.
 */
bool vmbus_ring_unmask(struct vmbus_ring_in *r) __attribute__((warn_unused_result));

#endif
