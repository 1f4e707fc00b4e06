/* SPDX-License-Identifier: MIT */
/*
 * An address that several ports may use: a guest's team of NICs (allow_teaming on both ports, one VM), and ports
 * that may both spoof. The table's entry of a NIC's address is lent to whoever used the address last, and goes back when its
 * own NIC uses it, when the borrower's link goes or when it may not have it any more. Like a learned address it does not move
 * more often than a few times a second.
 */
#include "vswitch/rules.h"

static bool same_team(const struct vswitch_port *a, const struct vswitch_port *b)
{
	const struct nic *x = nic_find(a, 0), *y = nic_find(b, 0);

	return a->rules && b->rules && a->rules->policy.allow_teaming && b->rules->policy.allow_teaming &&
	       x && y && x->info.vm_id[0] && !strcmp(x->info.vm_id, y->info.vm_id);
}

static bool may_use(const struct vswitch_port *p, const struct vswitch_port *home)
{
	if (p->external || home->external)
		return false;
	return same_team(p, home) || (p->spoofing && home->spoofing);
}

static uint64_t address_of(const struct fdb_node *n)
{
	return n->key & 0xffffffffffffull;
}

/* The entry is at its own port, or just not. The port's fast check of sources has to know. */
static void moved(struct vswitch_port *home, bool lent)
{
	if (lent == !home->mac)
		return;
	home->mac = lent ? 0 : address_of(&home->self);
	home->sw->policies->lent += lent ? 1 : -1u;
}

bool team_borrow(struct vswitch_port *p, struct fdb_node *n)
{
	struct vswitch_port *home;

	if (n->is_entry)
		return false;
	home = hv_container_of(n, struct vswitch_port, self);
	if (n->owner == &p->learned)
		return true;
	if (home != p && !may_use(p, home))
		return false;
	switch (fdb_move_static(&p->sw->fdb, n, &p->learned, vswitch_now_ns(p->sw))) {
	case FDB_MOVED:
		moved(home, home != p);
		break;
	case FDB_FLAPPING:
		policy_flapping(p, n);
		break;
	case FDB_HELD:
	case FDB_KNOWN:
	case FDB_LEARNED:
	case FDB_STATIC:
	case FDB_FULL:
		break;
	}
	return true;
}

void team_return(struct vswitch_port *home)
{
	if (!home->self.owner || home->self.owner == &home->learned)
		return;
	fdb_give_static(&home->sw->fdb, &home->self, &home->learned);
	moved(home, false);
}

void team_settle(struct vswitch *sw)
{
	struct vswitch_port *home, *at;

	if (!sw->policies->lent)
		return;
	TAILQ_FOREACH(home, &sw->ports, link) {
		if (!home->self.owner)
			continue;
		at = hv_container_of(home->self.owner, struct vswitch_port, learned);
		if (at != home && (!at->live || !may_use(at, home)))
			team_return(home);
	}
}
