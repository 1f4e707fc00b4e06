/* SPDX-License-Identifier: MIT */
/*
 * A table of chains. Learned nodes come from an array that is as long as the limit, so a full
 * table is an empty free list; static nodes lie in the ports. The hash has a secret seed: a guest
 * that may use any source address still cannot aim at one bucket.
 *
 * Shares: each owner that learns may hold max / (number of such owners) entries. Beyond it a new
 * address takes the place of that owner's own oldest one, so nobody can push out another's. An
 * owner that grew while it was alone is cut down when others need the room.
 *
 * Flushing takes no time by the number of entries: an entry is alive while its generation is that of its owner's slot, so
 * that one increment kills all. The dead stay in their chains, where lookups pass them, until new entries need
 * room, each of which takes some of them apart.
 */
#include "vswitch/fdb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NS_PER_S 1000000000ull
#define MAC_MASK 0xffffffffffffull

static uint32_t bucket_of(const struct fdb *fdb, uint64_t key)
{
	uint64_t h = (key ^ fdb->seed) * 0x9e3779b97f4a7c15ull;	/* 2^64 / golden ratio, odd */

	h ^= h >> 32;
	h = (h + (fdb->seed >> 7)) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) & fdb->bucket_mask;
}

/* Room for the static ones, too, and short chains. */
static uint32_t buckets_for(uint32_t max_learned)
{
	uint32_t buckets = 64;

	while (buckets < max_learned && buckets < 1u << 24)
		buckets *= 2;
	return buckets * 2;
}

/* All nodes are free. */
static void free_all(struct fdb *fdb)
{
	fdb->free = NULL;
	for (uint32_t i = fdb->max; i-- > 0;) {
		fdb->nodes[i].next = fdb->free;
		fdb->free = &fdb->nodes[i];
	}
}

int fdb_init(struct fdb *fdb, uint32_t max_learned, uint32_t ageing_s)
{
	uint32_t buckets = buckets_for(max_learned);

	*fdb = (struct fdb){ .max = max_learned, .ageing_s = ageing_s, .generation = 1 };
	TAILQ_INIT(&fdb->by_age);
	TAILQ_INIT(&fdb->owners);
	TAILQ_INIT(&fdb->dead);
	fdb->bucket_mask = buckets - 1;
	if (getrandom(&fdb->seed, sizeof(fdb->seed), 0) != sizeof(fdb->seed))
		return -EIO;
	fdb->buckets = calloc(buckets, sizeof(struct fdb_node *));
	fdb->nodes = calloc(max_learned ? max_learned : 1, sizeof(struct fdb_node));
	fdb->macs = calloc(buckets, sizeof(struct fdb_macs));
	if (!fdb->buckets || !fdb->nodes || !fdb->macs) {
		fdb_free(fdb);
		return -ENOMEM;
	}
	free_all(fdb);
	return 0;
}

void fdb_free(struct fdb *fdb)
{
	free(fdb->buckets);
	free(fdb->nodes);
	free(fdb->macs);
	free(fdb->slots);
	fdb->buckets = NULL;
	fdb->nodes = NULL;
	fdb->macs = NULL;
	fdb->slots = NULL;
}

/* Nodes and buckets. */

bool fdb_is_dead(const struct fdb *fdb, const struct fdb_node *n)
{
	return !n->is_static && fdb->slots[n->slot].generation != n->born;
}

static struct fdb_node *find_exact(const struct fdb *fdb, uint64_t key)
{
	struct fdb_node *n = fdb->buckets[bucket_of(fdb, key)];

	while (n && (n->key != key || fdb_is_dead(fdb, n)))
		n = n->next;
	return n;
}

static void link_node(struct fdb *fdb, struct fdb_node *n)
{
	struct fdb_node **b = &fdb->buckets[bucket_of(fdb, n->key)];

	n->next = *b;
	*b = n;
	fdb->generation++;
}

static void unlink_node(struct fdb *fdb, struct fdb_node *n)
{
	struct fdb_node **at = &fdb->buckets[bucket_of(fdb, n->key)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	fdb->generation++;
}

static struct fdb_macs *macs_of(const struct fdb *fdb, uint64_t mac)
{
	return &fdb->macs[bucket_of(fdb, mac & MAC_MASK)];
}

static void attach(struct fdb *fdb, struct fdb_node *n, struct fdb_owner *owner)
{
	n->owner = owner;
	n->slot = owner->slot;
	n->born = fdb->slots[owner->slot].generation;
	owner->count++;
	TAILQ_INSERT_TAIL(&owner->learned, n, by_owner);
}

static void detach(struct fdb_node *n)
{
	struct fdb_owner *owner = n->owner;

	assert(owner);
	TAILQ_REMOVE(&owner->learned, n, by_owner);
	owner->count--;
	n->owner = NULL;
}

static void take_apart(struct fdb *fdb, struct fdb_node *n)
{
	unlink_node(fdb, n);
	LIST_REMOVE(n, by_mac);
	TAILQ_REMOVE(&fdb->by_age, n, by_age);
	n->next = fdb->free;
	fdb->free = n;
}

static void forget(struct fdb *fdb, struct fdb_node *n)
{
	detach(n);
	take_apart(fdb, n);
	fdb->count--;
}

static void reap(struct fdb *fdb, unsigned budget)
{
	struct fdb_node *n;

	while (budget-- && (n = TAILQ_FIRST(&fdb->dead))) {
		TAILQ_REMOVE(&fdb->dead, n, by_owner);
		take_apart(fdb, n);
	}
}

/* Owners. */

void fdb_owner_init(struct fdb_owner *owner)
{
	*owner = (struct fdb_owner){ .count = 0 };
	TAILQ_INIT(&owner->learned);
	TAILQ_INIT(&owner->entries);
}

/* All at once, whatever their number. Who holds such an entry has it by the table's generation. */
void fdb_flush(struct fdb *fdb, struct fdb_owner *owner)
{
	if (!owner->count)
		return;
	fdb->slots[owner->slot].generation++;
	fdb->generation++;
	fdb->counters.purged += owner->count;
	fdb->count -= owner->count;
	owner->count = 0;
	TAILQ_CONCAT(&fdb->dead, &owner->learned, by_owner);
}

void fdb_flush_vlan(struct fdb *fdb, uint16_t vlan)
{
	struct fdb_node *n, *next;

	for (n = TAILQ_FIRST(&fdb->by_age); n; n = next) {
		next = TAILQ_NEXT(n, by_age);
		if (n->key >> 48 == vlan && !fdb_is_dead(fdb, n)) {
			forget(fdb, n);
			fdb->counters.purged++;
		}
	}
}

int fdb_resize(struct fdb *fdb, uint32_t max_learned)
{
	uint32_t buckets = buckets_for(max_learned), old_buckets = fdb->bucket_mask + 1;
	struct fdb_node **old = fdb->buckets, *n, *next;
	struct fdb_node **fresh = calloc(buckets, sizeof(struct fdb_node *));
	struct fdb_node *nodes = calloc(max_learned ? max_learned : 1, sizeof(*nodes));
	struct fdb_macs *macs = calloc(buckets, sizeof(*macs));
	struct fdb_owner *o;

	if (!fresh || !nodes || !macs) {
		free(fresh);
		free(nodes);
		free(macs);
		return -ENOMEM;
	}
	TAILQ_FOREACH(o, &fdb->owners, link)
		fdb_flush(fdb, o);
	reap(fdb, UINT32_MAX);
	free(fdb->nodes);
	free(fdb->macs);
	fdb->nodes = nodes;
	fdb->macs = macs;
	fdb->max = max_learned;
	free_all(fdb);
	fdb->buckets = fresh;
	fdb->bucket_mask = buckets - 1;
	for (uint32_t i = 0; i < old_buckets; i++) {	/* the static ones */
		for (n = old[i]; n; n = next) {
			next = n->next;
			link_node(fdb, n);
		}
	}
	free(old);
	return 0;
}

static bool take_slot(struct fdb *fdb, struct fdb_owner *owner)
{
	uint32_t i = 0, more = 2 * fdb->num_slots + 8;
	struct fdb_slot *slots;

	while (i < fdb->num_slots && fdb->slots[i].owner)
		i++;
	if (i == fdb->num_slots) {
		slots = realloc(fdb->slots, more * sizeof(*slots));
		if (!slots)
			return false;
		memset(slots + i, 0, (more - i) * sizeof(*slots));
		fdb->slots = slots;
		fdb->num_slots = more;
	}
	fdb->slots[i].owner = owner;
	owner->slot = i;
	return true;
}

static void give_slot(struct fdb *fdb, struct fdb_owner *owner)
{
	if (owner->has_slot)
		fdb->slots[owner->slot].owner = NULL;
	owner->has_slot = false;
}

void fdb_owner_set_learns(struct fdb *fdb, struct fdb_owner *owner, bool learns)
{
	if (owner->learns == learns)
		return;
	owner->learns = learns;
	fdb->generation++;
	if (learns) {
		TAILQ_INSERT_TAIL(&fdb->owners, owner, link);
		fdb->sharing++;
		owner->has_slot = take_slot(fdb, owner);
	} else {
		TAILQ_REMOVE(&fdb->owners, owner, link);
		fdb->sharing--;
		fdb_flush(fdb, owner);
		give_slot(fdb, owner);
	}
}

/* Static entries. */

static void forget_address(struct fdb *fdb, uint64_t mac)
{
	struct fdb_node *n, *next;

	for (n = LIST_FIRST(macs_of(fdb, mac)); n; n = next) {
		next = LIST_NEXT(n, by_mac);
		if ((n->key & MAC_MASK) == mac && !fdb_is_dead(fdb, n)) {
			forget(fdb, n);
			fdb->counters.purged++;
		}
	}
}

int fdb_add_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *owner, uint64_t mac)
{
	if (fdb_find_static(fdb, mac))
		return -EADDRINUSE;
	forget_address(fdb, mac);
	*node = (struct fdb_node){
		.key = fdb_key(FDB_VLAN_ANY, mac),
		.owner = owner,
		.is_static = true,
	};
	link_node(fdb, node);
	return 0;
}

void fdb_remove_static(struct fdb *fdb, struct fdb_node *node)
{
	if (!node->owner)
		return;
	unlink_node(fdb, node);
	node->owner = NULL;
}

int fdb_add_entry(struct fdb *fdb, struct fdb_owner *owner, uint64_t key)
{
	struct fdb_node *n = fdb_find(fdb, key);

	if (n && n->is_static)
		return -EADDRINUSE;
	if (n) {
		forget(fdb, n);
		fdb->counters.purged++;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	*n = (struct fdb_node){ .key = key, .owner = owner, .is_static = true, .is_entry = true };
	link_node(fdb, n);
	TAILQ_INSERT_TAIL(&owner->entries, n, by_owner);
	return 0;
}

static void del_entry(struct fdb *fdb, struct fdb_node *n)
{
	unlink_node(fdb, n);
	TAILQ_REMOVE(&n->owner->entries, n, by_owner);
	free(n);
}

int fdb_del_entry(struct fdb *fdb, struct fdb_owner *owner, uint64_t key)
{
	struct fdb_node *n = find_exact(fdb, key);

	if (!n || !n->is_entry || n->owner != owner)
		return -ENOENT;
	del_entry(fdb, n);
	return 0;
}

void fdb_del_entries(struct fdb *fdb, struct fdb_owner *owner)
{
	struct fdb_node *n;

	while ((n = TAILQ_FIRST(&owner->entries)))
		del_entry(fdb, n);
}

struct fdb_node *fdb_find_static(const struct fdb *fdb, uint64_t mac)
{
	return find_exact(fdb, fdb_key(FDB_VLAN_ANY, mac));
}

struct fdb_node *fdb_find(const struct fdb *fdb, uint64_t key)
{
	struct fdb_node *n = fdb_find_static(fdb, key & MAC_MASK);

	return n ? n : find_exact(fdb, key);
}

/* Learning. */

static uint32_t share(const struct fdb *fdb)
{
	uint32_t s = fdb->sharing ? fdb->max / fdb->sharing : fdb->max;

	return s ? s : 1;
}

static struct fdb_owner *largest(struct fdb *fdb)
{
	struct fdb_owner *o, *most = NULL;

	TAILQ_FOREACH(o, &fdb->owners, link)
		if (!most || o->count > most->count)
			most = o;
	return most;
}

static void evict_oldest(struct fdb *fdb, struct fdb_owner *owner)
{
	forget(fdb, TAILQ_FIRST(&owner->learned));
	fdb->counters.evicted++;
}

/* Room for one more entry of owner. */
static bool make_room(struct fdb *fdb, struct fdb_owner *owner)
{
	struct fdb_owner *most;

	if (owner->count >= share(fdb)) {
		evict_oldest(fdb, owner);
		return true;
	}
	reap(fdb, FDB_REAP);
	if (fdb->free)
		return true;
	most = largest(fdb);
	if (!most || most->count <= share(fdb))
		return false;
	evict_oldest(fdb, most);
	return true;
}

static enum fdb_result learn_new(struct fdb *fdb, struct fdb_owner *owner, uint64_t key,
				 uint64_t now_ns, struct fdb_node **out)
{
	struct fdb_node *n;

	if (!make_room(fdb, owner) || !fdb->free) {
		fdb->counters.full++;
		return FDB_FULL;
	}
	n = fdb->free;
	fdb->free = n->next;
	*n = (struct fdb_node){ .key = key, .seen_s = (uint32_t)(now_ns / NS_PER_S) };
	attach(fdb, n, owner);
	link_node(fdb, n);
	LIST_INSERT_HEAD(macs_of(fdb, key), n, by_mac);
	TAILQ_INSERT_TAIL(&fdb->by_age, n, by_age);
	fdb->count++;
	fdb->counters.learned++;
	*out = n;
	return FDB_LEARNED;
}

/* Whether a move now would be one too many. */
static bool flaps(struct fdb_node *n, uint64_t now_ns)
{
	if (now_ns - n->moves_since_ns >= NS_PER_S) {
		n->moves_since_ns = now_ns;
		n->moves = 0;
	}
	if (n->moves < FDB_MOVES_PER_S) {
		n->moves++;
		return false;
	}
	n->held_until_ns = now_ns + FDB_HOLD_S * NS_PER_S;
	return true;
}

/* FDB_MOVED, if it may. */
static enum fdb_result may_move(struct fdb *fdb, struct fdb_node *n, uint64_t now_ns)
{
	if (now_ns < n->held_until_ns) {
		fdb->counters.held++;
		return FDB_HELD;
	}
	if (flaps(n, now_ns)) {
		fdb->counters.flapping++;
		return FDB_FLAPPING;
	}
	return FDB_MOVED;
}

void fdb_give_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *to)
{
	node->owner = to;
	fdb->generation++;
}

enum fdb_result fdb_move_static(struct fdb *fdb, struct fdb_node *node, struct fdb_owner *to, uint64_t now_ns)
{
	enum fdb_result result = may_move(fdb, node, now_ns);

	if (result == FDB_MOVED) {
		fdb_give_static(fdb, node, to);
		fdb->counters.moved++;
	}
	return result;
}

static enum fdb_result move(struct fdb *fdb, struct fdb_node *n, struct fdb_owner *to,
			    uint64_t now_ns)
{
	enum fdb_result result = may_move(fdb, n, now_ns);

	if (result != FDB_MOVED)
		return result;
	detach(n);
	if (to->count >= share(fdb))
		evict_oldest(fdb, to);
	attach(fdb, n, to);
	fdb->generation++;
	fdb->counters.moved++;
	fdb_refresh(fdb, n, (uint32_t)(now_ns / NS_PER_S));
	return FDB_MOVED;
}

enum fdb_result fdb_learn(struct fdb *fdb, struct fdb_owner *owner, uint64_t key, uint64_t now_ns,
			  struct fdb_node **out)
{
	struct fdb_node *n = fdb_find(fdb, key);
	uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);

	if (!owner->has_slot) {
		fdb->counters.full++;
		return FDB_FULL;
	}
	if (!n)
		return learn_new(fdb, owner, key, now_ns, out);
	if (n->is_static && n->owner != owner)
		return FDB_STATIC;
	*out = n;
	if (n->owner != owner)
		return move(fdb, n, owner, now_ns);
	if (!n->is_static && n->seen_s != now_s)
		fdb_refresh(fdb, n, now_s);
	return FDB_KNOWN;
}

void fdb_refresh(struct fdb *fdb, struct fdb_node *n, uint32_t now_s)
{
	n->seen_s = now_s;
	TAILQ_REMOVE(&n->owner->learned, n, by_owner);
	TAILQ_INSERT_TAIL(&n->owner->learned, n, by_owner);
	TAILQ_REMOVE(&fdb->by_age, n, by_age);
	TAILQ_INSERT_TAIL(&fdb->by_age, n, by_age);
}

bool fdb_age(struct fdb *fdb, uint32_t now_s, uint32_t budget)
{
	struct fdb_node *n;

	while ((n = TAILQ_FIRST(&fdb->by_age)) && now_s - n->seen_s >= fdb->ageing_s &&
	       now_s >= n->seen_s) {
		if (!budget--)
			return true;
		if (fdb_is_dead(fdb, n)) {
			TAILQ_REMOVE(&fdb->dead, n, by_owner);
			take_apart(fdb, n);
			continue;
		}
		forget(fdb, n);
		fdb->counters.aged++;
	}
	return false;
}
