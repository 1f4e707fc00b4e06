/* SPDX-License-Identifier: MIT */
/*
 * A batch's way through the switch; the steps are in switch.c. Whatever happens to a frame is
 * counted here: dropped at its source, or offered to receivers and there taken or dropped.
 */
#include <assert.h>

#include "vswitch/internal.h"

#define MAC_MASK 0xffffffffffffull
#define GROUP_BIT 1ull			/* of an address as fdb_mac(): the first byte's lowest bit */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/*
 * The way of a batch is one function, made twice: for switches with extensions and for those without, which pay one test per batch.
 * (Measured: two callers of a step make gcc call it, at 20 more instructions per frame.)
 */
#define hot inline __attribute__((always_inline))
#define apart __attribute__((noinline))

/* Eight bytes of the head at once: there are always VSWITCH_HEAD_BYTES. */
static inline uint64_t mac_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v & MAC_MASK;
}

static inline uint16_t vlan_of(const struct vswitch_frame *f)
{
	return f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci & VLAN_ID_MASK : 0;
}

/* What an address is looked up under: all of a private VLAN are one. */
static inline uint64_t key_of(const struct vswitch *sw, const struct vswitch_frame *f, uint64_t mac)
{
	if (likely(!f->vlan))
		return mac;
	return fdb_key(sw->primary_of ? sw->primary_of[f->vlan] : f->vlan, mac);
}

/* The bits of the first n ≤ VSWITCH_BATCH frames of a batch. */
static inline uint32_t all_of(unsigned n)
{
	return n < 32 ? (1u << n) - 1 : UINT32_MAX;
}

static inline unsigned way(uint64_t key)
{
	return (unsigned)((key >> 40) ^ (key >> 43)) % CACHE_WAYS;
}

/* Admission: sanity and source address. VSWITCH_DROPS: the frame may pass. */

static hot bool sane(struct vswitch_frame *f)
{
	if (unlikely(f->len < ETHERNET_BYTES || f->len > VSWITCH_FRAME_MAX_BYTES))
		return false;
	if (unlikely(f->head_bytes < ETHERNET_BYTES || f->head_bytes > VSWITCH_HEAD_BYTES ||
		     f->head_bytes > f->len))
		return false;
	if (likely(!offload_wants_ingress(f))) {
		f->vlan = 0;
		f->preserve = 0;
		return true;
	}
	if (!offload_ingress(f))
		return false;
	f->vlan = vlan_of(f);
	f->preserve = 0;
	return true;
}

static struct cached_source *cached_source(struct vswitch_port *p, uint64_t key)
{
	return &p->sources[way(key)];
}

static inline bool source_known(const struct vswitch_port *p, const struct cached_source *c,
				uint64_t key)
{
	return c->key == key && c->generation == p->sw->fdb.generation;
}

static enum vswitch_drop admit_source(struct vswitch_port *p, uint64_t mac, uint64_t key)
{
	struct fdb_node *n;

	if (mac & GROUP_BIT || !mac)
		return VSWITCH_DROP_GROUP_SOURCE;
	if (source_known(p, cached_source(p, key), key))
		return VSWITCH_DROPS;
	n = fdb_find(&p->sw->fdb, key);
	if (n && n->is_static && team_borrow(p, n)) {
		if (n->owner == &p->learned)
			*cached_source(p, key) = (struct cached_source){ key, p->sw->fdb.generation, n };
		return VSWITCH_DROPS;
	}
	if (!p->learned.learns)
		return VSWITCH_DROP_SPOOFED_SOURCE;
	if (!n || !n->is_static || n->owner == &p->learned)
		return VSWITCH_DROPS;
	return p->external ? VSWITCH_DROP_OWN_SOURCE : VSWITCH_DROP_SPOOFED_SOURCE;
}

static inline bool is_link_local(const struct vswitch_frame *f)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(f->head, prefix, 5) && !(f->head[5] & 0xf0);
}

static hot
enum vswitch_drop admit(struct vswitch_port *p, struct vswitch_frame *f, bool has_rules)
{
	enum vswitch_drop reason, policy = VSWITCH_DROPS;
	uint64_t source;

	if (!sane(f))
		return VSWITCH_DROP_BAD_FRAME;
	if (has_rules)		/* before the source is looked at, because it depends on the VLAN where that is known */
		policy = policy_admit(p, f);
	source = mac_at(f->head + 6);
	if (unlikely(source != p->mac || !source)) {
		reason = admit_source(p, source, key_of(p->sw, f, source));
		if (reason != VSWITCH_DROPS)
			return reason;
	}
	if (unlikely(f->head[0] & 1) && is_link_local(f) && policy == VSWITCH_DROPS)
		return policy_link_local(p, f);
	return policy;
}

static hot
uint32_t admit_each(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n, bool has_rules)
{
	enum vswitch_drop reason;
	uint32_t keep = 0;

	for (unsigned i = 0; i < n; i++) {
		p->stats.in_bytes += frames[i]->len;
		frames[i]->source = p->id;
		if (!p->external)
			frames[i]->member = 0;
		reason = admit(p, frames[i], has_rules);
		if (likely(reason == VSWITCH_DROPS))
			keep |= 1u << i;
		else
			drop_in(p, frames[i], reason, NULL);
	}
	p->stats.in_frames += n;
	return keep;
}

/* Compiled twice, so that a port without policy does not ask for one per frame. */
static uint32_t admit_all(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n)
{
	return unlikely(p->rules) ? admit_each(p, frames, n, true) : admit_each(p, frames, n, false);
}

/* Learning. */

static void learn_slowly(struct vswitch_port *p, struct cached_source *c, uint64_t key)
{
	struct vswitch *sw = p->sw;
	struct fdb_node *n = NULL;
	enum fdb_result result;

	result = fdb_learn(&sw->fdb, &p->learned, key, vswitch_now_ns(sw), &n);
	switch (result) {
	case FDB_LEARNED:
	case FDB_MOVED:
		vswitch_start_clock(sw);
		/* fall through */
	case FDB_KNOWN:
		*c = (struct cached_source){ key, sw->fdb.generation, n };
		break;
	case FDB_FLAPPING:
		hv_log_limited(&sw->flapping_log, HV_LOG_WARNING,
			       "switch \"%s\"/%s: an address moves between ports more than %d times "
			       "a second; held for %d s", sw->name, p->name, FDB_MOVES_PER_S, FDB_HOLD_S);
		policy_flapping(p, n);
		break;
	case FDB_HELD:
	case FDB_STATIC:
	case FDB_FULL:
		break;
	}
}

static void learn(struct vswitch_port *p, const struct vswitch_frame *f)
{
	uint64_t mac = mac_at(f->head + 6);
	uint64_t key = key_of(p->sw, f, mac);
	struct cached_source *c = cached_source(p, key);

	if (mac == p->mac)
		return;
	if (likely(source_known(p, c, key))) {
		if (c->node && !c->node->is_static && c->node->seen_s != p->sw->now_s)
			fdb_refresh(&p->sw->fdb, c->node, p->sw->now_s);
		return;
	}
	/* An extension may have put another address in. */
	if (mac & GROUP_BIT || !mac)
		return;
	learn_slowly(p, c, key);
}

/* Decision. */

static hot void put_on(struct vswitch_port *to, struct vswitch_frame *f)
{
	struct vswitch *sw = to->sw;

	if (!to->involved) {
		to->involved = true;
		to->next_involved = NULL;
		*sw->involved_tail = to;
		sw->involved_tail = &to->next_involved;
	}
	to->pending[to->num_pending++] = f;
}

static void count_copies(struct vswitch_port *p, const struct vswitch_frame *f, unsigned copies, const char *rule)
{
	if (!copies) {
		drop_in(p, f, VSWITCH_DROP_NO_DESTINATION, rule);
		return;
	}
	p->stats.forwarded++;
	p->stats.copies += copies;
	p->stats.flooded += copies > 1;
}

/* To all ports but the source, or (unknown unicast) to those that learn. */
static void flood(struct vswitch_port *p, struct vswitch_frame *f, bool to_all)
{
	struct vswitch_port *to;
	unsigned copies = 0;

	TAILQ_FOREACH(to, &p->sw->ports, link) {
		if (to == p || !to->live || (!to_all && !to->learned.learns))
			continue;
		if (unlikely(to->rules) && !policy_reaches(p, to, f))
			continue;
		put_on(to, f);
		copies++;
	}
	count_copies(p, f, copies, NULL);
}

/* To those that have asked for its group, if there is a way to know them. */
static apart void flood_snooped(struct vswitch_port *p, struct vswitch_frame *f)
{
	const uint64_t mark = snoop_choose(p, f);
	struct vswitch_port *to;
	unsigned copies = 0;

	if (!mark) {
		flood(p, f, true);
		return;
	}
	TAILQ_FOREACH(to, &p->sw->ports, link) {
		if (to->snoop.mark != mark || to == p || !to->live || (to->rules && !policy_reaches(p, to, f)))
			continue;
		put_on(to, f);
		copies++;
	}
	count_copies(p, f, copies, "nobody listens");
}

static hot struct vswitch_port *look_up(struct vswitch_port *p, uint64_t key)
{
	struct cached_destination *c = &p->destinations[way(key)];
	struct vswitch *sw = p->sw;
	struct fdb_node *n;

	if (likely(c->key == key && c->generation == sw->fdb.generation))
		return c->port;
	n = fdb_find(&sw->fdb, key);
	*c = (struct cached_destination){ key, sw->fdb.generation, NULL };
	if (n)
		c->port = hv_container_of(n->owner, struct vswitch_port, learned);
	return c->port;
}

struct vswitch_port *vswitch_look_up(struct vswitch_port *from, const struct vswitch_frame *f)
{
	return look_up(from, key_of(from->sw, f, mac_at(f->head)));
}

static hot void decide(struct vswitch_port *p, struct vswitch_frame *f)
{
	uint64_t mac = mac_at(f->head);
	struct vswitch_port *to;

	if (unlikely(mac & GROUP_BIT)) {
		if (likely(!p->sw->lldp || !is_link_local(f))) {
			if (unlikely(p->sw->snoop))
				flood_snooped(p, f);
			else
				flood(p, f, true);
			return;
		}
		to = p->sw->lldp;	/* that admission let it through says so */
	} else {
		to = look_up(p, key_of(p->sw, f, mac));
	}
	if (unlikely(!to)) {
		flood(p, f, p->sw->hub);
		return;
	}
	if (unlikely(to == p)) {
		drop_in(p, f, VSWITCH_DROP_SAME_PORT, NULL);
		return;
	}
	p->stats.forwarded++;
	p->stats.copies++;
	to->pending_unicast = true;
	put_on(to, f);
}

static apart void deliver_early(struct vswitch_port *to);

/*
 * With a destination's choices. A port can be chosen for one frame by several members: then it is served early, so each frame of the
 * batch is on its list once at most.
 */
static void put_on_directed(struct vswitch_port *to, struct vswitch_frame *f, struct pending_choice choice)
{
	if (to->num_pending && to->pending[to->num_pending - 1] == f)
		deliver_early(to);
	to->choices[to->num_pending] = choice;
	to->directed |= 1u << to->num_pending;
	put_on(to, f);
}

/* To where the forwarding extension wants it. */
static void decide_directed(struct vswitch_port *p, struct vswitch_frame *f, unsigned i)
{
	struct vswitch_port *to, *first = NULL;
	struct pending_choice choice;
	unsigned copies = 0;
	uint32_t cursor = 0;

	while ((to = extensions_destination(p->sw, i, &cursor, &choice))) {
		first = copies++ ? NULL : to;
		put_on_directed(to, f, choice);
	}
	if (!copies) {
		drop_in(p, f, VSWITCH_DROP_NO_DESTINATION, extensions_forwarder_name(p->sw));
		return;
	}
	if (first)
		first->pending_unicast = true;
	p->stats.forwarded++;
	p->stats.copies += copies;
	p->stats.flooded += copies > 1;
}

/* With extensions on the switch, who want to know what became of the frames: the bits of those that were sent somewhere. */
static apart uint32_t decide_all(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	const uint32_t directed = p->sw->directed;
	uint32_t delivered = 0;
	uint64_t before;

	for (; keep; keep &= keep - 1) {
		unsigned i = (unsigned)__builtin_ctz(keep);

		before = p->stats.forwarded;
		if (directed & 1u << i)
			decide_directed(p, frames[i], i);
		else
			decide(p, frames[i]);
		delivered |= (uint32_t)(p->stats.forwarded - before) << i;
	}
	p->sw->directed = 0;
	return delivered;
}

/* Delivery. */

void vswitch_hand_over(struct vswitch_port *to, const struct vswitch_frame *const *frames, unsigned n)
{
	uint64_t bytes = 0;

	if (unlikely(!to->live)) {	/* it left while it was served in parts */
		for (unsigned i = 0; i < n; i++)
			drop_out(to, frames[i], 1, VSWITCH_DROP_PORT_DOWN, NULL);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		bytes += frames[i]->len;
	to->stats.out_frames += n;
	to->stats.out_bytes += bytes;
	if (unlikely(to->watch & VSWITCH_CAPTURE_EGRESS))
		capture_frames(to, VSWITCH_CAPTURE_EGRESS, frames, all_of(n));
	to->nic->ops->deliver(to->nic->opaque, frames, n);
}

/* What the receiver may have: each step clears the bits of what it drops. */
static hot uint32_t steps_egress(struct vswitch_port *to, unsigned n, const bool extended)
{
	uint32_t keep = all_of(n);

	if (extended && to->sw->forwarder)
		keep = extensions_egress_forward(to, to->pending, n, keep);
	if (unlikely(to->rules))
		keep = policy_leave(to, to->pending, keep);
	if (unlikely(to->acl))
		keep = acl_egress(to, to->pending, keep);
	if (extended)
		keep = extensions_egress(to, to->pending, n, keep);
	return keep;
}

static unsigned compact(struct vswitch_frame **frames, unsigned n, uint32_t keep)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		if (keep & 1u << i)
			frames[kept++] = frames[i];
	return kept;
}

static apart void apply_choices(struct vswitch_port *to)
{
	for (; to->directed; to->directed &= to->directed - 1) {
		unsigned i = (unsigned)__builtin_ctz(to->directed);

		to->pending[i]->member = to->choices[i].member;
		to->pending[i]->preserve = to->choices[i].preserve;
	}
}

static inline void convert_and_hand_over(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n)
{
	bool as_it_is = true;

	for (unsigned i = 0; i < n; i++)
		as_it_is &= !offload_wants_egress(to, frames[i]);
	if (likely(as_it_is))
		vswitch_hand_over(to, (const struct vswitch_frame *const *)frames, n);
	else
		offload_deliver(to, frames, n);
}

void vswitch_deliver(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n)
{
	convert_and_hand_over(to, frames, n);
}

static hot void deliver(struct vswitch_port *to, const bool extended)
{
	unsigned n = to->num_pending;
	uint32_t keep;

	to->num_pending = 0;
	to->stats.offered += n;
	if (extended && to->directed)
		apply_choices(to);
	if (unlikely(!to->live)) {	/* down, or another one's deliver() took its NIC away */
		for (unsigned i = 0; i < n; i++)
			drop_out(to, to->pending[i], 1, VSWITCH_DROP_PORT_DOWN, NULL);
		return;
	}
	keep = steps_egress(to, n, extended);
	if (unlikely(keep != all_of(n)))
		n = compact(to->pending, n, keep);
	if (!n)
		return;
	if (unlikely(to->rules))
		policy_deliver(to, to->pending, n);
	else
		convert_and_hand_over(to, to->pending, n);
}

static apart void deliver_early(struct vswitch_port *to)
{
	deliver(to, true);
}

/* Ends the batch; whether its sender has to pause. */
static hot bool finish(struct vswitch_port *p, const bool extended)
{
	struct vswitch_port *to;
	bool pause = false;
	uint64_t before;

	for (to = p->sw->involved; to; to = to->next_involved) {
		before = to->stats.out_bytes;
		deliver(to, extended);
		if (to->external)
			share_sent(p, to, to->stats.out_bytes - before);
	}
	if (unlikely(p->sw->mirrors))
		mirror_deliver(p);
	for (to = p->sw->involved; to; to = to->next_involved)
		if (to->live && to->nic->ops->flush)
			to->nic->ops->flush(to->nic->opaque);
	for (to = p->sw->involved; to; to = to->next_involved) {
		if (to->pending_unicast)
			pause |= congestion_pause(p, to);
		to->pending_unicast = false;
		to->involved = false;
	}
	return pause;
}

/*
 * What of the batch goes on to the decision, from a position in the order of extensions on: each step clears the bits of what it drops.
 */
static hot uint32_t steps_below(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n,
				uint32_t keep, unsigned position, const bool extended)
{
	const struct vswitch *sw = p->sw;
	const bool above_policies = !extended || position <= sw->num_enabled - sw->forwarder;

	if (extended)
		keep = extensions_ingress(p, frames, n, keep, position);
	if (unlikely(p->rules) && above_policies)
		keep = policy_guard(p, frames, keep);
	if (unlikely(p->acl) && above_policies)
		keep = acl_ingress(p, frames, keep);
	if (unlikely(p->rules) && above_policies)
		keep = policy_accept(p, frames, keep);
	if (unlikely(p->bandwidth) && above_policies)
		keep = bandwidth_ingress(p, frames, keep);
	if (extended && sw->forwarder && above_policies && keep)
		keep = extensions_forward(p, frames, n, keep);
	if (unlikely(p->watch & VSWITCH_CAPTURE_ACCEPTED))
		capture_frames(p, VSWITCH_CAPTURE_ACCEPTED, (const struct vswitch_frame *const *)frames, keep);
	return keep;
}

static hot uint32_t steps_ingress(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n,
				  const bool extended)
{
	uint32_t keep;

	if (unlikely(p->watch & VSWITCH_CAPTURE_INGRESS))
		capture_frames(p, VSWITCH_CAPTURE_INGRESS, (const struct vswitch_frame *const *)frames, all_of(n));
	keep = admit_all(p, frames, n);
	return steps_below(p, frames, n, keep, 0, extended);
}

/* Learning, decision and delivery of those in keep; *delivered: the bits of what was sent somewhere, if there are extensions. */
static hot bool conclude(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n, uint32_t keep,
			 uint32_t learned, const bool extended, uint32_t *delivered)
{
	if (p->learned.learns)
		for (unsigned i = 0; i < n; i++)
			if (learned & 1u << i)
				learn(p, frames[i]);
	if (extended)
		*delivered = decide_all(p, frames, keep);
	else
		for (; keep; keep &= keep - 1)
			decide(p, frames[__builtin_ctz(keep)]);
	return finish(p, extended);
}

static inline void begin(struct vswitch *sw)
{
	sw->busy = true;
	sw->involved = NULL;
	sw->involved_tail = &sw->involved;
	if (unlikely(sw->acl))
		acl_batch_begins(sw);
}

static hot bool input(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n, const bool extended)
{
	struct vswitch *sw = port->sw;
	uint32_t keep, delivered = 0;
	bool pause;

	begin(sw);
	keep = steps_ingress(port, frames, n, extended);
	pause = conclude(port, frames, n, keep, keep, extended, &delivered);
	if (unlikely(port->bandwidth))
		pause |= bandwidth_pause(port);
	if (extended)
		extensions_complete(port, frames, n, delivered);
	sw->busy = false;
	if (extended && sw->deferred)
		extensions_run_deferred(sw);
	return pause;
}

static apart bool input_extended(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n)
{
	return input(port, frames, n, true);
}

bool vswitch_port_input(struct vswitch_port *port, struct vswitch_frame *const *frames, unsigned n)
{
	assert(n <= VSWITCH_BATCH && !port->sw->busy);
	if (unlikely(!port->live)) {
		port->stats.in_frames += n;
		for (unsigned i = 0; i < n; i++)
			drop_in(port, frames[i], VSWITCH_DROP_PORT_DOWN, NULL);
		return false;
	}
	if (unlikely(port->sw->num_enabled))
		return input_extended(port, frames, n);
	return input(port, frames, n, false);
}

uint32_t vswitch_run_from(struct vswitch_port *p, struct vswitch_frame *const *frames, unsigned n, unsigned position,
			  uint32_t learned)
{
	uint32_t keep, delivered = 0;

	assert(!p->sw->busy);
	begin(p->sw);
	keep = steps_below(p, frames, n, all_of(n), position, true);
	conclude(p, frames, n, keep, keep & learned, true, &delivered);
	extensions_complete(p, frames, n, delivered);
	p->sw->busy = false;
	return delivered;
}
