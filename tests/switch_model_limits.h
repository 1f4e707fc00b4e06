/* SPDX-License-Identifier: MIT */
/*
 * What the switch's model has of ACLs, with the flows of their stateful entries, and of the maximum bandwidth: lists that are gone
 * through from one end to the other, and bytes that are added up.
 */
#ifndef HVNET_TESTS_SWITCH_MODEL_LIMITS_H
#define HVNET_TESTS_SWITCH_MODEL_LIMITS_H

#include "vswitch/vswitch.h"

enum {
	MODEL_ACL = 24,			/* entries of a port; the test adds no more */
	MODEL_FLOWS = 64,		/* … and sets no higher limit */
	MODEL_PLACES = 64,		/* that the switch has for datagrams in fragments */
};

/* An IP packet as an ACL sees it. */
struct model_ip {
	unsigned version, protocol;
	bool first, later;		/* fragments */
	bool hidden;			/* later, and nobody knows its protocol */
	unsigned offset, id, payload;
	bool has_ports;
	unsigned from, to;		/* ports */
	unsigned flags;			/* of TCP */
	bool asks, answers;		/* echo */
	unsigned echo;
	bool error;
	uint32_t quotes;		/* … about what is there */
	uint32_t quotation_ends;
	uint8_t source[16], destination[16];
};

/* A flow: the packet that opened it. */
struct model_talk {
	struct model_ip first;
	enum vswitch_acl_direction opened;
	unsigned vlan, primary;
	bool answered, fin_of_opener, fin_of_other;
	uint64_t expires_ns, used;	/* used: larger if later */
};

struct model_datagram {
	bool known, allowed;
	struct model_ip first;
	enum vswitch_acl_direction d;
	unsigned vlan;
	uint64_t expires_ns;
};

struct model_acl {
	unsigned num, num_flows;
	struct vswitch_acl_entry entries[MODEL_ACL];
	bool stateful;			/* there ever was such an entry */
	uint64_t uses;
	struct model_talk flows[MODEL_FLOWS];
	struct model_datagram datagrams[MODEL_PLACES];
	struct vswitch_acl_stats stats;
};

/* A bucket in bytes; below 0 is debt. */
struct model_bucket {
	uint64_t ns_per_byte;		/* 0: no bucket */
	int64_t level, depth, debt;
};

struct model_bandwidth {
	struct model_bucket mean, peak;
	bool told;
};

struct model;

/* An entry as the switch has it, that it has taken. */
void model_acl_add(struct model_acl *a, const struct vswitch_acl_entry *entry);
void model_acl_delete(struct model_acl *a, unsigned i);
void model_acl_clear(struct model_acl *a);
/* What becomes of a frame (its addresses; from its type on, its tag taken off) in a VLAN, which has primary. */
enum vswitch_drop model_acl_ask(struct model *m, struct model_acl *a, enum vswitch_acl_direction d, const uint8_t *addresses,
				const uint8_t *body, uint32_t len, unsigned vlan);

/* Rates that a byte takes a whole number of nanoseconds at. */
void model_bandwidth_set(struct model_bandwidth *b, const struct vswitch_port_bandwidth *s);
void model_bandwidth_time(struct model_bandwidth *b, uint64_t passed_ns);
bool model_bandwidth_takes(struct model_bandwidth *b, uint32_t bytes);
/* After a batch of a port with a link. */
void model_bandwidth_tell(struct model_bandwidth *b);

#endif
