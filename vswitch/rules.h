/* SPDX-License-Identifier: MIT */
/*
 * What the policies of ports amount to, per frame. policy.c makes it of a struct vswitch_port_policy and runs the steps in their
 * order; each kind of policy has a file: vlan.c, storm.c, guard.c (with guard_parse.c, guard_address.c), mirror.c, policy_team.c.
 */
#ifndef HVNET_VSWITCH_RULES_H
#define HVNET_VSWITCH_RULES_H

#include "vswitch/internal.h"

struct vlan_rules {
	bool tags;			/* a trunk: frames to the NIC have a tag, but for the native VLAN's */
	bool keeps_priority;
	uint16_t native;		/* VLAN of frames without a tag from the NIC */
	struct vswitch_vlan_set accepts;	/* ids that a tag from the NIC may have */
	struct vswitch_vlan_set carries;	/* VLANs whose frames go to the NIC; 0, too */
};

struct address_table;			/* guard_address.c */
struct mirror;				/* mirror.c */
struct capture_filter;

struct port_rules {
	struct vlan_rules vlan;
	bool inspects;			/* some guard has to look at headers */
	bool blocked;			/* by the BPDU guard */
	uint32_t storm_used;		/* of the limit, in the second that began then */
	uint64_t storm_since_ns;
	struct address_table *addresses;	/* owned; of dynamic_ip_limit */
	struct mirror *mirror;		/* owned; of a destination */
	TAILQ_ENTRY(port_rules) mirror_link;	/* … among those of the switch */
	struct capture_filter *mirror_filter;	/* owned; of a source or destination; NULL: all frames */
	struct vswitch_port *port;	/* borrowed: it owns the rules */
	struct vswitch_port_policy policy;
};
TAILQ_HEAD(rules_list, port_rules);

/* Of a switch. */
struct policies {
	uint16_t primary_of[VLAN_ID_MASK + 1];	/* of each VLAN: itself, unless it is a secondary */
	struct rules_list mirrors;	/* destinations */
	struct guard_scratch *scratch;	/* owned; NULL until some port inspects */
	unsigned lent;			/* NICs' addresses that another port has */
	uint64_t now_ns;		/* 0: nobody has asked for it in this batch */
	const struct vswitch_event_ops *events;	/* borrowed until the next vswitch_set_events(); never NULL */
	void *events_opaque;
};

/* The time, asked for once per batch. */
uint64_t policy_now_ns(struct vswitch *sw);

/* vlan.c */
/* Says why, if somebody wants to know; false. */
bool policy_refuse(struct vswitch_why *why, const char *field, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What is wrong with the settings, looked at alone: a field and a text, or true. */
bool vlan_check(const struct vswitch_vlan_policy *v, struct vswitch_why *why);
void vlan_make_rules(struct vlan_rules *r, const struct vswitch_port_policy *policy, bool external);
/* The VLAN that the frame is in: sets vlan, and the tag to what a trunk would show. VSWITCH_DROPS: it may pass. */
enum vswitch_drop vlan_classify(const struct vlan_rules *r, struct vswitch_frame *f);
/* Whether the tag can be made what the port's NIC shall see, and making it so. */
bool vlan_may_leave(const struct vlan_rules *r, const struct vswitch_frame *f);
void vlan_retag(const struct vlan_rules *r, struct vswitch_frame *f);
/*
 * Whose secondary each VLAN is, by the policies of all ports but except and by extra (may be NULL). False: they disagree.
 */
bool vlan_map(const struct vswitch *sw, const struct vswitch_port *except, const struct vswitch_vlan_policy *extra,
	      uint16_t *primary_of, struct vswitch_why *why);

/* guard.c, with guard_address.c: what they have to see is in guard_parse.h */
struct guard_scratch *guard_scratch_create(void);
void guard_scratch_destroy(struct guard_scratch *s);
bool guard_is_bpdu(const struct vswitch_frame *f);
/* The port has sent one. */
void guard_bpdu_seen(struct vswitch_port *p);
uint32_t guard_ingress(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);
/* The address guard and the limit of addresses, of frames that guard_ingress() has let pass in this batch. */
uint32_t guard_addresses(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);
struct address_table *address_table_create(uint32_t limit);
void address_table_destroy(struct address_table *t);

/* storm.c */
uint32_t storm_ingress(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);

/* mirror.c */
struct mirror *mirror_create(void);
void mirror_destroy(struct mirror *m);
/* The filter of a mirror. -EINVAL: why (may be NULL) says what is wrong with it. -ENOMEM. */
int mirror_filter_create(const char *expression, struct capture_filter **out, struct vswitch_why *why)
	__attribute__((warn_unused_result));
/* Another one of the same. NULL: out of memory. */
struct capture_filter *mirror_filter_copy(const struct capture_filter *filter);
/* NULL is fine. */
void mirror_filter_destroy(struct capture_filter *filter);
/* Notes frames that a source port sent, or that any port with rules is about to get. */
void mirror_from_nic(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep);
void mirror_to_nic(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n);

#endif
