/* SPDX-License-Identifier: MIT */
/*
 * The forwarding table: (VLAN, MAC) -> owner, which is a port. Static entries are made by the NICs
 * and hold on any VLAN; learned ones come from source addresses, age, move and are limited, in all
 * and per owner. Time comes in as a parameter. Nothing is allocated per address.
 *
 * No call takes time by the number of entries, but for fdb_flush_vlan() and fdb_resize(). What is flushed is dead at once and
 * taken apart later, bit by bit: fdb.c.
 */
#ifndef HVNET_VSWITCH_FDB_H
#define HVNET_VSWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	FDB_VLAN_ANY = 0x1000,		/* beyond all VLAN ids: the VLAN of static entries */
	FDB_MOVES_PER_S = 5,		/* our policy: more is flapping */
	FDB_HOLD_S = 10,		/* our policy: a flapping address stays where it is for so long */
	FDB_REAP = 4,			/* our policy: dead entries taken apart for each new one */
};

/* The 48 bits of an address and above them the VLAN; zero is no entry's key. */
static inline uint64_t fdb_mac(const uint8_t *mac)
{
	return mac[0] | (uint64_t)mac[1] << 8 | (uint64_t)mac[2] << 16 | (uint64_t)mac[3] << 24 |
	       (uint64_t)mac[4] << 32 | (uint64_t)mac[5] << 40;
}

static inline void fdb_mac_bytes(uint64_t key, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(key >> 8 * i);
}

static inline uint64_t fdb_key(uint16_t vlan, uint64_t mac)
{
	return mac | (uint64_t)vlan << 48;
}

struct fdb_owner;

struct fdb_node {
	uint64_t key;
	struct fdb_node *next;		/* in its bucket, or in the free list */
	struct fdb_owner *owner;	/* borrowed: an owner's entries go before it does */
	TAILQ_ENTRY(fdb_node) by_owner, by_age;
	LIST_ENTRY(fdb_node) by_mac;	/* learned ones, whatever their VLAN */
	uint32_t slot, born;		/* learned: dead unless the slot's generation is born */
	uint64_t moves_since_ns;	/* when the second began in which moves are counted */
	uint64_t held_until_ns;		/* flapping: no move before this */
	uint32_t seen_s;		/* coarse: within a second */
	uint8_t moves;
	bool is_static;
	bool is_entry;			/* … an administrator's, allocated for it */
};
TAILQ_HEAD(fdb_list, fdb_node);
LIST_HEAD(fdb_macs, fdb_node);

/* Of an owner that learns: outlives it, and what it has learned. */
struct fdb_slot {
	struct fdb_owner *owner;	/* NULL: free */
	uint32_t generation;		/* of the live entries */
};

struct fdb_owner {
	struct fdb_list learned;	/* the oldest first */
	struct fdb_list entries;	/* the administrator's; owned */
	uint32_t count;			/* of learned */
	bool learns;			/* has a share of the table */
	bool has_slot;			/* … without one, for lack of memory, it stays empty */
	uint32_t slot;
	TAILQ_ENTRY(fdb_owner) link;	/* among those that learn */
};
TAILQ_HEAD(fdb_owners, fdb_owner);

struct fdb_counters {
	uint64_t learned, aged, evicted, moved, flapping, held, full, purged;
};

struct fdb {
	struct fdb_node **buckets;	/* owned; a power of two */
	struct fdb_node *nodes;		/* owned; max of them, for learned entries */
	struct fdb_node *free;
	struct fdb_macs *macs;		/* owned; as many as buckets */
	struct fdb_slot *slots;		/* owned */
	uint32_t num_slots;
	struct fdb_list by_age;		/* learned ones, the oldest first; and dead ones */
	struct fdb_list dead;		/* linked as by_owner */
	struct fdb_owners owners;	/* those that learn */
	uint64_t generation;		/* changes with every change of an answer: for caches */
	uint64_t seed;
	uint32_t bucket_mask;
	uint32_t max, count;		/* of learned entries */
	uint32_t sharing;		/* owners that learn */
	uint32_t ageing_s;
	struct fdb_counters counters;
};

enum fdb_result {
	FDB_KNOWN,			/* it is there already */
	FDB_LEARNED,
	FDB_MOVED,
	FDB_HELD,			/* belongs to another owner and may not move now */
	FDB_FLAPPING,			/* the same, and this move was the one too many */
	FDB_STATIC,			/* a static entry of another owner forbids it */
	FDB_FULL,
};

int fdb_init(struct fdb *fdb, uint32_t max_learned, uint32_t ageing_s)
	__attribute__((warn_unused_result));
/* Zeroed is fine. */
void fdb_free(struct fdb *fdb);

/* Flushed, but still in the lists. */
bool fdb_is_dead(const struct fdb *fdb, const struct fdb_node *node);

void fdb_owner_init(struct fdb_owner *owner);
/* Gives the owner a share of the table, or takes it and the owner's learned entries away. */
void fdb_owner_set_learns(struct fdb *fdb, struct fdb_owner *owner, bool learns);
/* Forgets what was learned of the owner; in the VLAN. */
void fdb_flush(struct fdb *fdb, struct fdb_owner *owner);
void fdb_flush_vlan(struct fdb *fdb, uint16_t vlan);
/* Another limit. Forgets all that was learned. -ENOMEM: nothing has changed. */
int fdb_resize(struct fdb *fdb, uint32_t max_learned) __attribute__((warn_unused_result));
/* What the answers are used for has changed: caches are to ask again. */
static inline void fdb_answers_changed(struct fdb *fdb)
{
	fdb->generation++;
}

/*
 * An administrator's entry, on one VLAN: static until it is deleted. -EADDRINUSE: there is one, or mac has a static entry.
 * -ENOMEM. -ENOENT.
 */
int fdb_add_entry(struct fdb *fdb, struct fdb_owner *owner, uint64_t key) __attribute__((warn_unused_result));
int fdb_del_entry(struct fdb *fdb, struct fdb_owner *owner, uint64_t key) __attribute__((warn_unused_result));
void fdb_del_entries(struct fdb *fdb, struct fdb_owner *owner);

/*
 * node (the caller's, until it is removed) says where mac is, on any VLAN; learned entries of the
 * address go. -EADDRINUSE: it has a static entry already.
 */
int fdb_add_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *owner, uint64_t mac)
	__attribute__((warn_unused_result));
void fdb_remove_static(struct fdb *fdb, struct fdb_node *node);

/* The static entry's owner is another one from now on, unless it changes too often: as learned ones. */
enum fdb_result fdb_move_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *to, uint64_t now_ns);
/* … in any case. */
void fdb_give_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *to);

/* NULL if unknown. */
struct fdb_node *fdb_find_static(const struct fdb *fdb, uint64_t mac);
struct fdb_node *fdb_find(const struct fdb *fdb, uint64_t key);

/* The unicast source key was seen at owner, which learns. *out: its entry, unless FULL or STATIC. */
enum fdb_result fdb_learn(struct fdb *fdb, struct fdb_owner *owner, uint64_t key, uint64_t now_ns,
			  struct fdb_node **out);
/* An entry was seen again; to be called once per second of use, not per frame. */
void fdb_refresh(struct fdb *fdb, struct fdb_node *node, uint32_t now_s);
/* Removes at most budget entries that were not seen for the ageing time. True: there are more. */
bool fdb_age(struct fdb *fdb, uint32_t now_s, uint32_t budget);

#endif
