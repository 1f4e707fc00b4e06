/* SPDX-License-Identifier: MIT */
#include "vswitch/fdb.h"

#include <errno.h>

#include "base/test.h"

#define S 1000000000ull

static struct fdb fdb;
static struct fdb_owner a, b, c;
static struct fdb_node *node;

static void begin(uint32_t max, uint32_t ageing_s)
{
	CU_ASSERT_FATAL(!fdb_init(&fdb, max, ageing_s));
	fdb_owner_init(&a);
	fdb_owner_init(&b);
	fdb_owner_init(&c);
	fdb_owner_set_learns(&fdb, &a, true);
}

static struct fdb_owner *where(uint16_t vlan, uint64_t mac)
{
	struct fdb_node *n = fdb_find(&fdb, fdb_key(vlan, mac));

	return n ? n->owner : NULL;
}

static void learns_and_finds(void)
{
	uint64_t generation;

	begin(16, 300);
	generation = fdb.generation;
	CU_ASSERT_PTR_NULL(where(0, 0x22));
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, fdb_key(0, 0x22), S, &node), FDB_LEARNED);
	CU_ASSERT_PTR_EQUAL(where(0, 0x22), &a);
	CU_ASSERT_PTR_NULL(where(7, 0x22));
	CU_ASSERT(fdb.generation != generation);
	generation = fdb.generation;
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, fdb_key(0, 0x22), S, &node), FDB_KNOWN);
	CU_ASSERT_EQUAL(fdb.generation, generation);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, fdb_key(7, 0x22), S, &node), FDB_LEARNED);
	CU_ASSERT_EQUAL(fdb.count, 2);
	fdb_flush(&fdb, &a);
	CU_ASSERT_EQUAL(fdb.count, 0);
	CU_ASSERT_PTR_NULL(where(7, 0x22));
	CU_ASSERT_EQUAL(fdb.counters.purged, 2);
	fdb_free(&fdb);
}

static void ages_what_is_not_seen(void)
{
	begin(16, 10);
	fdb_learn(&fdb, &a, fdb_key(0, 2), 100 * S, &node);
	fdb_learn(&fdb, &a, fdb_key(0, 4), 100 * S, &node);
	fdb_learn(&fdb, &a, fdb_key(0, 6), 105 * S, &node);
	CU_ASSERT_FALSE(fdb_age(&fdb, 109, 100));
	CU_ASSERT_EQUAL(fdb.count, 3);
	fdb_learn(&fdb, &a, fdb_key(0, 2), 109 * S, &node);	/* seen again */
	CU_ASSERT_FALSE(fdb_age(&fdb, 110, 100));
	CU_ASSERT_PTR_NULL(where(0, 4));
	CU_ASSERT_PTR_EQUAL(where(0, 2), &a);
	CU_ASSERT_PTR_EQUAL(where(0, 6), &a);
	CU_ASSERT_FALSE(fdb_age(&fdb, 115, 100));
	CU_ASSERT_PTR_NULL(where(0, 6));
	CU_ASSERT_FALSE(fdb_age(&fdb, 119, 100));
	CU_ASSERT_EQUAL(fdb.count, 0);
	CU_ASSERT_EQUAL(fdb.counters.aged, 3);
	fdb_free(&fdb);
}

static void ages_in_bounded_steps(void)
{
	begin(64, 10);
	for (uint64_t i = 1; i <= 50; i++)
		fdb_learn(&fdb, &a, fdb_key(0, 2 * i), S, &node);
	CU_ASSERT_TRUE(fdb_age(&fdb, 100, 20));
	CU_ASSERT_EQUAL(fdb.count, 30);
	CU_ASSERT_TRUE(fdb_age(&fdb, 100, 20));
	CU_ASSERT_FALSE(fdb_age(&fdb, 100, 20));
	CU_ASSERT_EQUAL(fdb.count, 0);
	fdb_free(&fdb);
}

static void owner_beyond_its_share_loses_its_own_oldest(void)
{
	begin(8, 300);
	fdb_owner_set_learns(&fdb, &b, true);
	fdb_learn(&fdb, &b, fdb_key(0, 0x100), S, &node);
	for (uint64_t i = 1; i <= 100; i++)
		CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, fdb_key(0, 2 * i), i * S, &node), FDB_LEARNED);
	CU_ASSERT_EQUAL(a.count, 4);
	CU_ASSERT_EQUAL(b.count, 1);
	CU_ASSERT_PTR_EQUAL(where(0, 0x100), &b);
	for (uint64_t i = 97; i <= 100; i++)
		CU_ASSERT_PTR_EQUAL(where(0, 2 * i), &a);
	CU_ASSERT_PTR_NULL(where(0, 2 * 96));
	CU_ASSERT_EQUAL(fdb.counters.evicted, 96);
	fdb_free(&fdb);
}

static void who_grew_while_alone_makes_room(void)
{
	begin(8, 300);
	for (uint64_t i = 1; i <= 8; i++)
		fdb_learn(&fdb, &a, fdb_key(0, 2 * i), i * S, &node);
	CU_ASSERT_EQUAL(a.count, 8);
	fdb_owner_set_learns(&fdb, &b, true);
	for (uint64_t i = 1; i <= 6; i++)
		fdb_learn(&fdb, &b, fdb_key(0, 0x100 + 2 * i), (10 + i) * S, &node);
	CU_ASSERT_EQUAL(a.count, 4);
	CU_ASSERT_EQUAL(b.count, 4);
	CU_ASSERT_PTR_NULL(where(0, 2));
	CU_ASSERT_PTR_EQUAL(where(0, 16), &a);
	fdb_free(&fdb);
}

static void full_table_is_no_failure(void)
{
	begin(1, 300);
	fdb_owner_set_learns(&fdb, &b, true);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, fdb_key(0, 2), S, &node), FDB_LEARNED);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &b, fdb_key(0, 4), S, &node), FDB_FULL);
	CU_ASSERT_EQUAL(fdb.counters.full, 1);
	CU_ASSERT_PTR_EQUAL(where(0, 2), &a);
	CU_ASSERT_PTR_NULL(where(0, 4));
	fdb_free(&fdb);
}

static void static_entries_hold_on_every_vlan(void)
{
	struct fdb_node self, other;

	begin(8, 300);
	fdb_owner_set_learns(&fdb, &b, true);
	fdb_learn(&fdb, &b, fdb_key(5, 2), S, &node);
	fdb_learn(&fdb, &b, fdb_key(6, 2), S, &node);
	fdb_learn(&fdb, &b, fdb_key(6, 4), S, &node);
	CU_ASSERT_EQUAL(fdb_add_static(&fdb, &self, &c, 2), 0);
	CU_ASSERT_EQUAL(b.count, 1);
	CU_ASSERT_PTR_EQUAL(where(0, 2), &c);
	CU_ASSERT_PTR_EQUAL(where(5, 2), &c);
	CU_ASSERT_EQUAL(fdb_add_static(&fdb, &other, &a, 2), -EADDRINUSE);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &b, fdb_key(5, 2), 2 * S, &node), FDB_STATIC);
	CU_ASSERT_FALSE(fdb_age(&fdb, 100000, 100));
	CU_ASSERT_PTR_EQUAL(where(5, 2), &c);
	fdb_remove_static(&fdb, &self);
	CU_ASSERT_PTR_NULL(where(5, 2));
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &b, fdb_key(5, 2), 3 * S, &node), FDB_LEARNED);
	fdb_free(&fdb);
}

static void addresses_move_but_not_for_ever(void)
{
	struct fdb_owner *to[2] = { &a, &b };
	uint64_t key = fdb_key(0, 2);

	begin(8, 300);
	fdb_owner_set_learns(&fdb, &b, true);
	fdb_learn(&fdb, &a, key, 10 * S, &node);
	for (unsigned i = 1; i <= FDB_MOVES_PER_S; i++) {
		CU_ASSERT_EQUAL(fdb_learn(&fdb, to[i % 2], key, 10 * S + i, &node), FDB_MOVED);
		CU_ASSERT_PTR_EQUAL(where(0, 2), to[i % 2]);
	}
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, key, 10 * S + 100, &node), FDB_FLAPPING);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, key, 15 * S, &node), FDB_HELD);
	CU_ASSERT_PTR_EQUAL(where(0, 2), &b);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &b, key, 15 * S, &node), FDB_KNOWN);
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &a, key, 20 * S + 100, &node), FDB_MOVED);
	CU_ASSERT_EQUAL(fdb.counters.flapping, 1);
	CU_ASSERT_EQUAL(fdb.counters.moved, FDB_MOVES_PER_S + 1);
	/* Slowly it may go on and on. */
	for (unsigned i = 0; i < 40; i++)
		CU_ASSERT_EQUAL(fdb_learn(&fdb, to[1 - i % 2], key, (30 + i) * S, &node), FDB_MOVED);
	CU_ASSERT_EQUAL(a.count + b.count, 1);
	fdb_free(&fdb);
}

static void moving_does_not_exceed_a_share(void)
{
	begin(8, 300);
	fdb_owner_set_learns(&fdb, &b, true);
	for (uint64_t i = 1; i <= 4; i++) {
		fdb_learn(&fdb, &a, fdb_key(0, 2 * i), i * S, &node);
		fdb_learn(&fdb, &b, fdb_key(0, 0x100 + 2 * i), i * S, &node);
	}
	CU_ASSERT_EQUAL(fdb_learn(&fdb, &b, fdb_key(0, 2), 10 * S, &node), FDB_MOVED);
	CU_ASSERT_EQUAL(b.count, 4);
	CU_ASSERT_EQUAL(a.count, 3);
	CU_ASSERT_PTR_EQUAL(where(0, 2), &b);
	CU_ASSERT_PTR_NULL(where(0, 0x102));
	fdb_free(&fdb);
}

/* Against a plain array as the reference, with everything happening at random. */
static void agrees_with_a_plain_list(void)
{
	enum { MACS = 64 };
	struct fdb_owner *owners[3] = { &a, &b, &c }, *truth[MACS] = { NULL };
	uint32_t seen[MACS] = { 0 };
	unsigned count, m, o;

	begin(MACS * 3, 20);
	fdb_owner_set_learns(&fdb, &b, true);
	fdb_owner_set_learns(&fdb, &c, true);
	srand(1);
	for (uint32_t t = 1; t < 20000; t++) {
		m = (unsigned)rand() % MACS;
		o = (unsigned)rand() % 3;
		switch (rand() % 8) {
		case 0:
			fdb_flush(&fdb, owners[o]);
			for (unsigned i = 0; i < MACS; i++)
				truth[i] = truth[i] == owners[o] ? NULL : truth[i];
			break;
		case 1:
			fdb_age(&fdb, t, UINT32_MAX);
			for (unsigned i = 0; i < MACS; i++)
				truth[i] = t - seen[i] >= 20 ? NULL : truth[i];
			break;
		default:
			fdb_learn(&fdb, owners[o], fdb_key(3, 2 * m + 2), t * S, &node);
			truth[m] = owners[o];
			seen[m] = t;
			break;
		}
		count = 0;
		for (unsigned i = 0; i < MACS; i++) {
			count += !!truth[i];
			if (where(3, 2 * i + 2) != truth[i])
				CU_FAIL_FATAL("the table and the list differ");
		}
		CU_ASSERT_EQUAL_FATAL(fdb.count, count);
		CU_ASSERT_EQUAL_FATAL(a.count + b.count + c.count, count);
	}
	fdb_free(&fdb);
}

/* What was flushed is gone at once, and its room comes back while others learn. */
static void flushed_entries_make_room(void)
{
	begin(100, 20);
	for (unsigned round = 0; round < 50; round++) {
		struct fdb_owner *from = round % 2 ? &b : &a, *to = round % 2 ? &a : &b;

		fdb_owner_set_learns(&fdb, from, true);
		for (unsigned i = 0; i < 100; i++)
			CU_ASSERT_EQUAL(fdb_learn(&fdb, from, fdb_key(3, 2 * i + 2), S, &node), FDB_LEARNED);
		CU_ASSERT_EQUAL(fdb.count, 100);
		/* The owner ends; the next one, which may get its slot, knows nothing of that. */
		fdb_owner_set_learns(&fdb, from, false);
		fdb_owner_set_learns(&fdb, to, true);
		CU_ASSERT_EQUAL(fdb.count, 0);
		for (unsigned i = 0; i < 100; i++)
			CU_ASSERT_PTR_NULL(fdb_find(&fdb, fdb_key(3, 2 * i + 2)));
		fdb_owner_set_learns(&fdb, to, false);
	}
	CU_ASSERT_EQUAL(fdb.counters.purged, 5000);
	CU_ASSERT_EQUAL(fdb.counters.full + fdb.counters.evicted, 0);
	fdb_free(&fdb);
}

static void the_dead_neither_age_nor_count(void)
{
	struct fdb_node self;

	begin(100, 20);
	for (unsigned i = 0; i < 10; i++)
		fdb_learn(&fdb, &a, fdb_key((uint16_t)i, 2), S, &node);
	fdb_flush(&fdb, &a);
	fdb_learn(&fdb, &a, fdb_key(3, 2), S, &node);
	fdb_flush_vlan(&fdb, 4);
	CU_ASSERT_EQUAL(fdb.counters.purged, 10);
	CU_ASSERT_PTR_EQUAL(where(3, 2), &a);
	CU_ASSERT_FALSE(fdb_age(&fdb, 30, 100));
	CU_ASSERT_EQUAL(fdb.counters.aged, 1);
	CU_ASSERT_EQUAL(fdb.count, 0);
	/* A static entry takes the address on every VLAN, from the living only. */
	for (unsigned i = 0; i < 10; i++)
		fdb_learn(&fdb, &a, fdb_key((uint16_t)i, 2), 40 * S, &node);
	fdb_learn(&fdb, &a, fdb_key(3, 4), 40 * S, &node);
	CU_ASSERT_EQUAL(fdb_add_static(&fdb, &self, &b, 2), 0);
	CU_ASSERT_EQUAL(fdb.count, 1);
	CU_ASSERT_EQUAL(fdb.counters.purged, 20);
	fdb_remove_static(&fdb, &self);
	CU_ASSERT_PTR_NULL(where(3, 2));
	CU_ASSERT_PTR_EQUAL(where(3, 4), &a);
	for (unsigned i = 0; i < 10; i++)
		fdb_learn(&fdb, &a, fdb_key((uint16_t)i, 2), 40 * S, &node);
	fdb_flush(&fdb, &a);
	CU_ASSERT_EQUAL(fdb_add_static(&fdb, &self, &b, 2), 0);
	CU_ASSERT(a.count == 0 && fdb.count == 0 && fdb.counters.purged == 31);
	fdb_free(&fdb);
}

static const struct hv_test tests[] = {
	{ "learns per VLAN and finds", learns_and_finds },
	{ "ages what is not seen", ages_what_is_not_seen },
	{ "ages in bounded steps", ages_in_bounded_steps },
	{ "an owner beyond its share loses its own oldest", owner_beyond_its_share_loses_its_own_oldest },
	{ "who grew while alone makes room", who_grew_while_alone_makes_room },
	{ "a full table is no failure", full_table_is_no_failure },
	{ "static entries hold on every VLAN", static_entries_hold_on_every_vlan },
	{ "addresses move, but do not flap", addresses_move_but_not_for_ever },
	{ "moving does not exceed a share", moving_does_not_exceed_a_share },
	{ "agrees with a plain list", agrees_with_a_plain_list },
	{ "flushed entries make room", flushed_entries_make_room },
	{ "the dead neither age nor count", the_dead_neither_age_nor_count },
};

HV_TEST_MAIN("vswitch/fdb", tests)
