/* SPDX-License-Identifier: MIT */
/*
 * Guards on what a port's NIC sends: spanning tree, routers' and DHCP servers' messages. A frame that could be one of these for some
 * receiver and cannot be seen to be none is dropped.
 */
#include "vswitch/guard.h"

#include <stdlib.h>

static const char hidden_rule[] = "hidden header";

struct guard_scratch *guard_scratch_create(void)
{
	return calloc(1, sizeof(struct guard_scratch));
}

void guard_scratch_destroy(struct guard_scratch *s)
{
	free(s);
}

/*
 * The first n bytes of the frame are g->copy from now on, and those that the frame has beyond follow it where they were.
 * False: they lie in too many pieces.
 */
static bool pin(struct guard_frame *g, struct vswitch_frame *f, uint32_t n)
{
	struct frame_cursor c = frame_cursor_at(f, 0);
	uint32_t head = n < VSWITCH_HEAD_BYTES ? n : VSWITCH_HEAD_BYTES, rest = f->len - n;
	unsigned used = 0;

	frame_cursor_copy(&c, g->copy, n);
	if (n > head)
		g->segs[used++] = (struct iovec){ g->copy + head, n - head };
	used += frame_cursor_take(&c, &rest, g->segs + used, GUARD_PIECES - used);
	if (rest != f->len - n)
		return false;
	memcpy(f->head, g->copy, head);
	f->head_bytes = (uint16_t)head;
	f->segs = g->segs;
	f->nsegs = (uint16_t)used;
	return true;
}

/* Parses the frame; what was looked at is what will be delivered. */
static void look(struct guard_frame *g, struct vswitch_frame *f)
{
	uint32_t n = f->len < VSWITCH_GUARD_BYTES ? f->len : VSWITCH_GUARD_BYTES;

	g->bytes = f->head;
	if (guard_parse(f->head, f->head_bytes, f->len, &g->view))
		return;
	g->bytes = g->copy;
	if (!pin(g, f, n) || !guard_parse(g->copy, n, f->len, &g->view))
		g->view.opaque = true;
}

/* Spanning tree. */

/* 802.1D: LLC 0x42 to a link-local group. PVST+: SNAP with Cisco's OUI, type 0x010b. */
bool guard_is_bpdu(const struct vswitch_frame *f)
{
	static const uint8_t pvst[6] = { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd };

	if (!memcmp(f->head, pvst, 6))
		return true;
	return get_be16(f->head + 12) < 1536 && f->head_bytes >= 16 && f->head[14] == 0x42 && f->head[15] == 0x42;
}

void guard_bpdu_seen(struct vswitch_port *p)
{
	const struct policies *all = p->sw->policies;

	if (p->rules->policy.bpdu_guard != VSWITCH_BPDU_BLOCK || p->rules->blocked)
		return;
	p->rules->blocked = true;
	fdb_flush(&p->sw->fdb, &p->learned);
	if (all->events->blocked)
		all->events->blocked(all->events_opaque, p);
}

/* Routers and DHCP servers: a rule's name, or NULL. */

const char *guard_router_rule(const struct guard_frame *g)
{
	const struct guard_view *v = &g->view;
	const uint8_t *type = guard_transport(g, 1);
	bool v6 = v->network == GUARD_IPV6;

	if (v->opaque || v->malformed || v->hidden)
		return hidden_rule;
	if (v->later_fragment || v->network == GUARD_OTHER || v->protocol != (v6 ? GUARD_ICMPV6 : GUARD_ICMP))
		return NULL;
	if (!type)
		return hidden_rule;
	if (*type == (v6 ? GUARD_ROUTER_ADVERTISEMENT : 9))
		return "router advertisement";
	return *type == (v6 ? GUARD_REDIRECT : 5) ? "redirect" : NULL;
}

/*
 * By the server's port and, since a client does not look at that, by the client's. (RFC 8415, 7.2 asks servers to send from any
 * port they like.)
 */
static const char *dhcp_rule(const struct guard_frame *g)
{
	const struct guard_view *v = &g->view;
	const uint8_t *udp = guard_transport(g, 4);
	bool v6 = v->network == GUARD_IPV6;

	if (v->opaque || v->malformed || v->hidden)
		return hidden_rule;
	if (v->later_fragment || v->network == GUARD_OTHER || v->protocol != GUARD_UDP)
		return NULL;
	if (!udp)
		return hidden_rule;
	if (get_be16(udp) == (v6 ? 547 : 67) || get_be16(udp + 2) == (v6 ? 546 : 68))
		return v6 ? "DHCPv6" : "DHCP";
	return NULL;
}

static enum vswitch_drop judge(struct vswitch_port *p, const struct vswitch_frame *f, const struct guard_frame *g,
			       const char **rule)
{
	const struct port_rules *r = p->rules;

	*rule = NULL;
	if (r->policy.bpdu_guard && (r->blocked || guard_is_bpdu(f))) {
		guard_bpdu_seen(p);
		return VSWITCH_DROP_BPDU_GUARD;
	}
	if (r->policy.router_guard && (*rule = guard_router_rule(g)))
		return VSWITCH_DROP_ROUTER_GUARD;
	if (r->policy.dhcp_guard && (*rule = dhcp_rule(g)))
		return VSWITCH_DROP_DHCP_GUARD;
	return VSWITCH_DROPS;
}

uint32_t guard_ingress(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	struct guard_scratch *s = p->sw->policies->scratch;
	enum vswitch_drop reason;
	const char *rule;

	for (uint32_t left = keep; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		look(&s->frames[i], frames[i]);
		reason = judge(p, frames[i], &s->frames[i], &rule);
		if (reason == VSWITCH_DROPS)
			continue;
		drop_in(p, frames[i], reason, rule);
		keep &= ~(1u << i);
	}
	return keep;
}
