/* SPDX-License-Identifier: MIT */
/*
 * Which member of a team a frame leaves by: the algorithms, without members, wires or a clock. A member is its index, 1 … 32; a set of
 * members is a mask, bit i for index i + 1.
 */
#ifndef HVNET_VSWITCH_TEAM_SELECT_H
#define HVNET_VSWITCH_TEAM_SELECT_H

#include "vswitch/uplink.h"

enum {
	TEAM_BUCKETS = 256,		/* our policy: eight for each of 32 members */
	TEAM_FLOWS = 1024,		/* our policy */
};

static inline uint32_t team_bit(unsigned index)
{
	return 1u << (index - 1);
}

struct team_buckets {
	uint8_t member[TEAM_BUCKETS];	/* 0: there is none */
};

/* Spreads the buckets over the usable members; those that need not move stay. */
void team_buckets_spread(struct team_buckets *b, uint32_t usable);

/* What the algorithm (not PORT) sees of a frame; frames of one flow have the same. */
uint32_t team_hash(const struct vswitch_frame *f, enum vswitch_team_algorithm algorithm);

/*
 * Whether a frame of a NIC that is known behind one member may leave by another, under that one's address: unicast IP, and nothing
 * by which its receiver would learn the sender's address (neighbour discovery).
 */
bool team_may_spread(const struct vswitch_frame *f);

/* Flowlets: a flow that paused may move to the member with the least load. */
struct team_flows {
	struct team_flow {
		uint64_t last_ns, moved_ns;
		uint8_t member;		/* 0: none yet */
	} flow[TEAM_FLOWS];
	uint64_t load[VSWITCH_TEAM_MEMBERS];	/* bytes of late, halved in every TEAM_LOAD_NS */
	uint64_t halved_ns;
};

#define TEAM_FLOWLET_NS 50000000ull	/* a pause as long as this cannot reorder (spec: Dynamic) */
#define TEAM_MOVE_NS 1000000000ull	/* at most one move of a flow in this time */
#define TEAM_LOAD_NS 100000000ull	/* our policy */

/* The member of a flow's next frame of so many bytes; usable is not empty. */
unsigned team_flow_member(struct team_flows *f, uint32_t hash, uint32_t bytes, uint32_t usable, uint64_t now_ns);

#endif
