/* SPDX-License-Identifier: MIT */
/*
 * What the files of the ACLs share. acl.c: entries, as the public header has them. acl_match.c: which entry decides.
 * acl_flows.c: the state of stateful entries. acl_fragments.c: verdicts of first fragments. acl_step.c: a batch's frames.
 */
#ifndef HVNET_VSWITCH_ACL_INTERNAL_H
#define HVNET_VSWITCH_ACL_INTERNAL_H

#include "vswitch/flow.h"
#include "vswitch/internal.h"

enum {
	ACL_RULE_BYTES = 20,		/* "acl 4294967295" */
	ACL_LENGTHS = 129,		/* of prefixes: 0 … 128 */
	ACL_PORT_BITS = 16,
	ACL_PORT_PREFIXES_MAX = 2 * ACL_PORT_BITS - 2,	/* that make up any range of ports */
	ACL_DIRECTIONS = 2,
	ACL_SIDES = 2,
	ACL_REAP = 4,			/* our policy: entries of dying ports taken apart per batch, and for a new one */
	ACL_FRAGMENTS = 64,		/* our policy: datagrams whose first fragment is remembered, per port */
};

#define ACL_NS_PER_S 1000000000ull

/* Prefixes of one kind, direction and side; every family has lists of its own. */
enum acl_list {
	ACL_LIST_MAC,
	ACL_LIST_DECIDE4,
	ACL_LIST_DECIDE6,
	ACL_LIST_METER4,
	ACL_LIST_METER6,
	ACL_LIST_EXTENDED4,
	ACL_LIST_EXTENDED6,
	ACL_LIST_EXTENDED_ANY,		/* the address is not looked at */
	ACL_LISTS
};

/* Which prefix lengths a list has. */
struct acl_lengths {
	uint64_t present[3];		/* a bit for each */
	uint32_t count[ACL_LENGTHS];
};

struct acl_key { uint64_t words[4]; };

/*
 * An item of the table:
 *	a prefix of a list
 *	a pair of prefixes of extended entries (local, remote)
 *	a protocol, or any, below a pair that has many entries
 *	a prefix of ports below such a protocol
 *	the id of an entry
 */
struct acl_node {
	struct acl_node *next;		/* in its bucket */
	struct acl_key key;
	struct acl_entry *entry;	/* simple prefix, id: borrowed, the entry takes its nodes along */
	struct acl_ref *rules;		/* pair, protocol, ports: the highest weight first, then the oldest */
	uint32_t refs;
	uint32_t top_weight;		/* of extended entries below: none is higher */
	uint32_t num_rules;		/* pair: of rules */
	uint32_t below;			/* pair: entries that are not in rules, but with their protocol */
	uint32_t port_lengths[ACL_SIDES];	/* protocol: bits of the prefix lengths that ports below have, or had */
	uint32_t denies_ports;		/* protocol: deny entries with ports */
};

struct acl_ref {
	struct acl_ref *next;
	struct acl_entry *entry;	/* whose array this is */
	struct acl_node *node;
};

struct acl_entry {
	struct vswitch_acl_entry pub;
	struct port_acl *acl;		/* borrowed: outlives its entries */
	TAILQ_ENTRY(acl_entry) link;
	uint64_t idle_ns;
	uint64_t flows_generation;	/* in which pub.flows was right */
	struct acl_node *id_node;
	struct acl_node *prefixes[2];	/* extended: local, remote. Simple: one, or those of both versions */
	struct acl_node *pair;		/* extended */
	struct acl_node *protocol;	/* … NULL: the entry is in the pair's own list */
	struct acl_ref *refs;		/* num_refs, one per list that the entry is in; owned, unless it is one_ref */
	struct acl_ref one_ref;
	unsigned num_refs;
	bool has_ports;
	char rule[ACL_RULE_BYTES];
};
TAILQ_HEAD(acl_entries, acl_entry);

/* One per switch, made with the first entry. */
struct acl_table {
	struct acl_node **buckets;	/* owned */
	uint64_t seed;
	uint32_t entries;
	uint32_t last_id, last_serial;
	struct flow_pins *pins;		/* owned */
	STAILQ_HEAD(, port_acl) dying;	/* owned: cleared, their entries still to be taken apart */
};

struct acl_fragment {
	uint8_t source[16], destination[16];
	uint64_t generation;		/* of the port's extended entries, when it was made; 0: unused */
	uint64_t expires_ns;
	uint32_t id;
	uint16_t vlan;
	uint16_t first_bytes;		/* payload of the first fragment */
	uint8_t version, protocol, direction;
	bool allowed;
	struct acl_entry *entry;	/* that denied it: valid in its generation; NULL: none */
};

enum {					/* state of a flow */
	ACL_FLOW_FIN_OF_OPENER = 1,
	ACL_FLOW_FIN_OF_OTHER = 2,
	ACL_FLOW_ANSWERED = 4,
	ACL_FLOW_CLOSING = ACL_FLOW_FIN_OF_OPENER | ACL_FLOW_FIN_OF_OTHER,
};

struct acl_flow_key {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;	/* ICMP echo: identifier, direction of the requests */
	uint16_t vlan;			/* of a private VLAN's the primary */
	uint8_t version, protocol;
};

struct acl_flow {
	struct acl_flow_key key;
	uint16_t vlan;			/* of its first frame */
	uint8_t opened;			/* direction of its first frame */
	uint8_t state;
	struct acl_flow *next;		/* in its bucket, or free */
	TAILQ_ENTRY(acl_flow) link;
	struct acl_entry *entry;	/* that lets it pass; valid while generation is the port's */
	uint64_t generation;
	uint64_t expires_ns;
};
TAILQ_HEAD(acl_flow_list, acl_flow);

struct acl_flows {
	struct acl_flow **buckets;	/* owned; NULL: no stateful entry was ever added */
	struct acl_flow *flows;		/* owned; limit of them */
	struct acl_flow *free;
	struct acl_flow_list answered, unanswered;	/* idle for longest first */
	uint64_t seed;
	uint32_t bucket_mask, limit, count;
	uint32_t touched;		/* of flows, how many were ever used */
};

/* What a port has as long as it has entries or flows. */
struct port_acl {
	struct vswitch_port *port;	/* borrowed: owns this; NULL: dying, the table owns it */
	uint32_t serial;		/* unique in the table: part of the keys of all that is found by it */
	STAILQ_ENTRY(port_acl) link;	/* among the dying */
	struct acl_entries entries;	/* in order of addition */
	struct acl_lengths lengths[ACL_DIRECTIONS][ACL_SIDES][ACL_LISTS];
	uint32_t num_mac[ACL_DIRECTIONS];	/* entries by kind: what need not be looked at */
	uint32_t num_simple[ACL_DIRECTIONS], num_meters[ACL_DIRECTIONS], num_extended[ACL_DIRECTIONS];
	uint64_t generation;		/* of the extended entries; changes with them, never 0 */
	struct acl_flows flows;
	struct vswitch_acl_stats stats;	/* what is counted as it happens */
	struct acl_fragment fragments[ACL_FRAGMENTS];
};

static inline unsigned acl_direction(enum vswitch_acl_direction d)
{
	return d == VSWITCH_ACL_OUT;
}

/* acl_match.c */
int acl_table_create(struct acl_table **out) __attribute__((warn_unused_result));
struct acl_entry *acl_find_id(const struct acl_table *t, uint32_t id);
/* Puts an entry whose pub is set and valid where lookups find it. -EEXIST: *other decides or meters the same. -ENOMEM. */
int acl_insert(struct acl_table *t, struct acl_entry *e, struct acl_entry **other) __attribute__((warn_unused_result));
/* Takes it out again; also if only half of it is in. */
void acl_remove(struct acl_table *t, struct acl_entry *e);
/* Takes the entries of dying ports apart, budget of them. */
void acl_reap(struct acl_table *t, unsigned budget);
/* The entries of up to two equally long prefixes, the deciding one first; how many. addresses: local, remote. */
unsigned acl_match_simple(const struct acl_table *t, const struct port_acl *acl, enum vswitch_acl_direction d,
			  enum acl_list list, const uint8_t *const addresses[ACL_SIDES], struct acl_entry *found[2]);
/*
 * The extended entry that decides, or NULL. Of a LATER fragment only entries without ports are looked at; *hidden: it might match
 * a deny entry with ports.
 */
struct acl_entry *acl_match_extended(const struct acl_table *t, const struct port_acl *acl, enum vswitch_acl_direction d,
				     const struct flow *f, uint16_t vlan, bool *hidden);

/* acl_flows.c */
/* Room for limit flows. -ENOMEM: *t has none. */
int acl_flows_init(struct acl_flows *t, uint32_t limit) __attribute__((warn_unused_result));
/* Ends all flows and gives their room back. The generation is another one afterwards. */
void acl_flows_free(struct port_acl *acl);
/*
 * Whether the frame belongs to a flow; the flow then is as it is after the frame. *entry: that lets it pass. f is no LATER
 * fragment.
 */
bool acl_flow_passes(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan, uint64_t now_ns,
		     struct acl_entry **entry);
/*
 * Whether an error that travels in direction d is about a packet of a flow: it goes to the sender of what it quotes, and the flow had
 * packets in that direction. The flow stays as it is. *entry: that lets the flow pass.
 */
bool acl_flow_relates(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *error, const struct flow *quoted,
		      uint16_t vlan, uint64_t now_ns, struct acl_entry **entry);
/* The stateful entry lets a frame pass that belongs to no flow. False: it may not, because it opens none. */
bool acl_flow_open(struct port_acl *acl, struct acl_entry *e, enum vswitch_acl_direction d, const struct flow *f,
		   uint16_t vlan, uint64_t now_ns);
/* Room for another number of flows; there are none now. -ENOMEM: nothing has changed. */
int acl_flows_resize(struct port_acl *acl, uint32_t limit) __attribute__((warn_unused_result));
/* A flow as it was saved, if the entries would still let it in. vlan: of its first frame; the key's is set here. */
void acl_flow_put_back(struct port_acl *acl, struct acl_flow_key *k, uint16_t vlan, enum vswitch_acl_direction opened,
		       uint8_t state, uint64_t left_ns, uint64_t now_ns);
/* The entry's count of flows, brought up to date. */
uint32_t *acl_flows_of(struct acl_entry *e);

/* acl_fragments.c */
/* Which of ACL_FRAGMENTS places a datagram has: those of the same place push each other out. */
unsigned acl_fragment_place(const uint8_t source[16], const uint8_t destination[16], uint32_t id);
void acl_fragment_remember(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f, uint16_t vlan,
			   uint64_t now_ns, bool allowed, struct acl_entry *entry);
/* What was remembered of the datagram's first fragment, or NULL. */
const struct acl_fragment *acl_fragment_find(struct port_acl *acl, enum vswitch_acl_direction d, const struct flow *f,
					     uint16_t vlan, uint64_t now_ns);

#endif
