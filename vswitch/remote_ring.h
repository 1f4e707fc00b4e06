/* SPDX-License-Identifier: MIT */
/*
 * One end of a ring in memory that another process can write. Only this end's own position is believed.
 */
#ifndef HVNET_VSWITCH_REMOTE_RING_H
#define HVNET_VSWITCH_REMOTE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/remote_wire.h"

struct remote_ring {
	struct remote_ring_shared *shared;	/* borrowed */
	uint8_t *data;			/* borrowed */
	uint32_t bytes;			/* a power of two */
	uint32_t position;		/* the writer's head, or the reader's tail */
};

/* The writer: where a record of n bytes may be built; NULL: no room, or (*broken) the reader's position is impossible. */
void *remote_ring_reserve(struct remote_ring *r, uint32_t n, bool *broken);
/* … it is there to be read. */
void remote_ring_commit(struct remote_ring *r, uint32_t n);
/* … after all of some: whether the reader has to be woken. */
bool remote_ring_must_wake(struct remote_ring *r);

/*
 * The reader: the header of the next record, copied (pads are passed over), and where it lies. False: there is none, or (*broken) it
 * is impossible. What lies at *at is the other's to change: copy it before it is looked at.
 */
bool remote_ring_next(struct remote_ring *r, struct remote_record *header, const uint8_t **at, bool *broken);
/* … it is done with n bytes. */
void remote_ring_consume(struct remote_ring *r, uint32_t n);
/* Asks to be woken; false: there is something already. */
bool remote_ring_sleep(struct remote_ring *r);
void remote_ring_awake(struct remote_ring *r);

static inline uint32_t remote_ring_round(uint32_t n)
{
	return (n + 7) & ~7u;
}

#endif
