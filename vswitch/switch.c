/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. A switch is a list of ports, a forwarding table and a stack of extensions.
 * A batch of frames goes through forward.c in steps, each over the whole batch:
 *
 *   admit (sanity, source address, offload normalisation) -> extensions' ingress
 *   -> guards -> ACL -> what else the port's policies refuse -> limit -> the forwarding extension -> learn
 *   -> decide: each frame is put on the pending list of its receiver, or of several
 *   -> per receiver: policies -> ACL -> extensions' egress -> conversion (offload.c) -> deliver()
 *   -> copies to mirrors -> per receiver: flush(), once -> does the sender have to pause?
 *
 * A port's pending list is as long as a batch, so it cannot overflow, and all frames of a batch
 * for one receiver make one deliver(), in order, however they alternate.
 *
 * State of a port: it is live while it is up and has a NIC. Only then frames pass, its NIC's
 * address is in the table and it may be congested.
 *
 * Time: the table's entries carry seconds. While there are learned ones, a timer moves the coarse
 * clock on and ages, and so it does for what was snooped; nothing asks for the time per frame. Pauses have timers of their own.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/internal.h"

enum { AGE_BUDGET = 1024 };		/* our policy: entries per second and tick, a bounded wake-up */

#define NS_PER_S 1000000000ull

uint64_t vswitch_now_ns(const struct vswitch *sw)
{
	return sw->loop ? hv_now_ns() : sw->manual_now_ns;
}

/* True: there is something that will have aged later. */
static bool age(struct vswitch *sw, uint64_t now_ns)
{
	sw->now_s = (uint32_t)(now_ns / NS_PER_S);
	fdb_age(&sw->fdb, sw->now_s, AGE_BUDGET);
	return (sw->snoop && snoop_age(sw, now_ns)) || sw->fdb.count;
}

static void arm_tick(struct vswitch *sw, uint64_t now_ns)
{
	if (hv_timer_arm(sw->loop, &sw->tick, now_ns + NS_PER_S))
		hv_log(HV_LOG_ERROR, "switch \"%s\": out of memory, addresses do not age", sw->name);
}

static void tick(struct hv_timer *t)
{
	struct vswitch *sw = hv_container_of(t, struct vswitch, tick);
	uint64_t now_ns = hv_now_ns();

	if (age(sw, now_ns))
		arm_tick(sw, now_ns);
}

void vswitch_start_clock(struct vswitch *sw)
{
	uint64_t now_ns;

	if (!sw->loop || sw->tick.loop)
		return;
	now_ns = hv_now_ns();
	sw->now_s = (uint32_t)(now_ns / NS_PER_S);
	arm_tick(sw, now_ns);
}

void vswitch_tick(struct vswitch *sw, uint64_t now_ns)
{
	struct vswitch_port *p;

	sw->manual_now_ns = now_ns;
	age(sw, now_ns);
	TAILQ_FOREACH(p, &sw->ports, link)
		congestion_expire(p, now_ns);
	TAILQ_FOREACH(p, &sw->ports, link) {
		bandwidth_tick(p, now_ns);
		share_tick(p, now_ns);
	}
	stack_tick(sw, now_ns);
}

int vswitch_create(struct hv_loop *loop, const struct vswitch_config *config, struct vswitch **out)
{
	uint32_t ageing_s = config->ageing_s ? config->ageing_s : DEFAULT_AGEING_S;
	struct vswitch *sw;
	int ret;

	if (ageing_s < MIN_AGEING_S || ageing_s > MAX_AGEING_S)
		return -EINVAL;
	if (!config->name || strlen(config->name) >= sizeof(sw->name))
		return -EINVAL;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return -ENOMEM;
	strcpy(sw->name, config->name);
	sw->loop = loop;
	sw->pause_ns = (config->pause_ms ? config->pause_ms : DEFAULT_PAUSE_MS) * UINT64_C(1000000);
	sw->tick.fire = tick;
	TAILQ_INIT(&sw->ports);
	TAILQ_INIT(&sw->captures);
	bandwidth_init(sw);
	ret = fdb_init(&sw->fdb, config->max_learned ? config->max_learned : DEFAULT_LEARNED, ageing_s);
	if (!ret)
		ret = policies_create(sw);
	if (!ret) {
		sw->scratch = scratch_create();
		sw->stack = stack_create(sw);
		if (!sw->scratch || !sw->stack)
			ret = -ENOMEM;
	}
	if (ret)
		vswitch_destroy(sw);
	else
		*out = sw;
	return ret;
}

void vswitch_destroy(struct vswitch *sw)
{
	if (!sw)
		return;
	if (sw->stack)
		drains_stop(sw);
	assert(TAILQ_EMPTY(&sw->ports) && TAILQ_EMPTY(&sw->captures));
	stack_destroy(sw);
	snoop_destroy(sw);
	if (sw->tick.loop)
		hv_timer_cancel(&sw->tick);
	acl_table_destroy(sw->acl);
	scratch_destroy(sw->scratch);
	policies_destroy(sw);
	fdb_free(&sw->fdb);
	free(sw);
}

const char *vswitch_name(const struct vswitch *sw)
{
	return sw->name;
}

int vswitch_rename(struct vswitch *sw, const char *name)
{
	if (strlen(name) >= sizeof(sw->name))
		return -EINVAL;
	strcpy(sw->name, name);
	return 0;
}

/* The forwarding table, seen from outside. */

void vswitch_fdb_stats(const struct vswitch *sw, struct vswitch_fdb_stats *out)
{
	const struct fdb_counters *c = &sw->fdb.counters;

	*out = (struct vswitch_fdb_stats){
		.entries = sw->fdb.count,
		.max_learned = sw->fdb.max,
		.learned = c->learned,
		.aged = c->aged,
		.evicted = c->evicted,
		.purged = c->purged,
		.moved = c->moved,
		.flapping = c->flapping,
		.full = c->full,
	};
}

void vswitch_fdb_flush(struct vswitch *sw)
{
	struct vswitch_port *p;

	TAILQ_FOREACH(p, &sw->ports, link)
		fdb_flush(&sw->fdb, &p->learned);
}

static enum vswitch_fdb_kind kind_of(const struct fdb_node *n)
{
	const struct vswitch_port *home;

	if (!n->is_static)
		return VSWITCH_FDB_LEARNED;
	if (n->is_entry)
		return VSWITCH_FDB_MGMT;
	home = hv_container_of(n, struct vswitch_port, self);
	return home->nic->kind == VSWITCH_NIC_INTERNAL ? VSWITCH_FDB_SELF : VSWITCH_FDB_STATIC;
}

static void show(const struct fdb_node *n, uint32_t now_s,
		 void (*visit)(void *cookie, const struct vswitch_fdb_entry *e), void *cookie)
{
	struct vswitch_fdb_entry e = {
		.vlan = n->is_static && !n->is_entry ? 0 : (uint16_t)(n->key >> 48),
		.kind = kind_of(n),
		.port = hv_container_of(n->owner, struct vswitch_port, learned),
		.age_s = n->is_static || now_s < n->seen_s ? 0 : now_s - n->seen_s,
	};

	fdb_mac_bytes(n->key, e.mac);
	visit(cookie, &e);
}

uint32_t vswitch_fdb_walk(struct vswitch *sw, uint32_t cursor, uint32_t places,
			  void (*visit)(void *cookie, const struct vswitch_fdb_entry *e), void *cookie)
{
	const uint32_t now_s = (uint32_t)(vswitch_now_ns(sw) / NS_PER_S), buckets = sw->fdb.bucket_mask + 1;
	const struct fdb_node *n;

	for (; places && cursor < buckets; places--, cursor++)
		for (n = sw->fdb.buckets[cursor]; n; n = n->next)
			if (!fdb_is_dead(&sw->fdb, n))
				show(n, now_s, visit, cookie);
	return cursor < buckets ? cursor : 0;
}

void vswitch_fdb_visit(struct vswitch *sw,
		       void (*visit)(void *cookie, const struct vswitch_fdb_entry *e), void *cookie)
{
	uint32_t now_s = (uint32_t)(vswitch_now_ns(sw) / NS_PER_S);
	struct vswitch_port *p;
	struct fdb_node *n;

	TAILQ_FOREACH(p, &sw->ports, link) {
		if (p->self.owner)
			show(&p->self, now_s, visit, cookie);
		TAILQ_FOREACH(n, &p->learned.entries, by_owner)
			show(n, now_s, visit, cookie);
		TAILQ_FOREACH(n, &p->learned.learned, by_owner)
			show(n, now_s, visit, cookie);
	}
}
