/* SPDX-License-Identifier: MIT */
/*
 * What the files of the team share. Theory of operation: team.c.
 */
#ifndef HVNET_VSWITCH_TEAM_H
#define HVNET_VSWITCH_TEAM_H

#include "vswitch/internal.h"
#include "vswitch/lacp.h"
#include "vswitch/team_select.h"
#include "vswitch/uplink_wire.h"

enum {
	TEAM_MAPPINGS = 1024,		/* as uplink.h says */
	TEAM_ANNOUNCEMENTS = 16384,	/* waiting, at most: our policy, twice what a switch learns */
};

struct team;

struct member {
	struct team *team;		/* borrowed */
	struct wire *wire;		/* owned */
	unsigned index;			/* 1 … VSWITCH_TEAM_MEMBERS */
	bool standby;			/* as configured */
	bool paused;			/* its wire was told to */
	bool congested;
	bool link;			/* after the delays */
	bool receives;
	uint64_t link_due_ns;		/* when link becomes what the wire says; 0: it is so */
	uint8_t mac[6];			/* the wire's, or one of ours if it has none */
	enum vswitch_member_state state, told;	/* now, and what event() was told last */
	struct lacp_port lacp;		/* in LACP mode: among the team's ports */
	struct vswitch_member_stats stats;

	unsigned num_pending;		/* of the frames that are being delivered */
	const struct vswitch_frame *pending[VSWITCH_BATCH];
};

struct announcement {
	uint8_t mac[6];
	uint16_t vlan;
	uint32_t port_id;
};

struct mapping {
	uint32_t port_id;
	uint8_t member;
};

/* What decides where frames leave. */
struct team_view {
	uint32_t usable;		/* members that they may leave by */
	unsigned primary;		/* INDEPENDENT: index; 0: none */
	struct team_buckets buckets;
};

struct team {
	struct vswitch_uplink uplink;
	struct vswitch_nic nic;
	struct vswitch *sw;		/* borrowed */
	struct hv_loop *loop;		/* borrowed */
	struct vswitch_team_config config;
	struct member *members[VSWITCH_TEAM_MEMBERS];	/* owned; by index - 1 */
	struct hv_timer timer;		/* whatever is due next */
	bool telling;			/* inside event() … */
	bool destroyed;			/* … which has taken the team away: tell() frees it */
	bool congested;
	bool kicked;			/* something has changed since evaluation began */
	bool sending_own;		/* a frame that is not the switch's */

	/* Decision. */
	struct team_view view;
	struct team_flows flows;
	struct mapping mappings[TEAM_MAPPINGS];
	unsigned num_mappings;
	struct vswitch_frame copies[VSWITCH_BATCH];	/* with another source address */

	struct lacp lacp;

	struct announcement *announcements;	/* owned; a queue that starts at announced */
	unsigned num_announcements, announced;
	uint64_t announce_due_ns;	/* 0: there are none */
};

static inline struct member *team_member(const struct team *t, unsigned index)
{
	return index >= 1 && index <= VSWITCH_TEAM_MEMBERS ? t->members[index - 1] : NULL;
}

/* The members in order of index. */
#define TEAM_FOREACH(m, t)						\
	for (unsigned i_ = 0; i_ < VSWITCH_TEAM_MEMBERS; i_++)		\
		if (!((m) = (t)->members[i_]))				\
			continue;					\
		else

/* team.c: do soon what follows from what has changed. */
void team_kick(struct team *t);
/* A frame of the team's own leaves by a member. */
void team_send_own(struct team *t, struct member *m, const uint8_t *bytes, uint32_t n);

/* team_path.c */
/* The member behind which the network knows the NICs of this port; 0: none is usable. */
unsigned team_home(const struct team *t, const struct team_view *view, uint32_t port_id);
extern const struct vswitch_nic_ops team_nic_ops;
/* Frames came in by a member. As struct wire_user's. */
bool team_input(void *opaque, struct vswitch_frame *const *frames, unsigned n);

/* team_announce.c */
/*
 * Addresses whose home is not what it was before (NULL: whatever it was) are announced there, soon; those of one
 * switch port only, if port_id is not 0.
 */
void team_announce(struct team *t, const struct team_view *before, uint32_t port_id);
/* Sends what is due; when it wants to be called again, or LACP_NEVER. */
uint64_t team_announce_some(struct team *t, uint64_t now_ns);

#endif
