/* SPDX-License-Identifier: MIT */
/*
 * Mirrors: each destination port of a session gets one copy of each frame that some source port of the session sent or got, unless it
 * sent the frame itself or gets it anyway. Copies are noted while a batch makes its way and handed over
 * when all others have got theirs, so nobody waits for a mirror, and copies of copies cannot come into being. They are no
 * concern of the destination's VLANs: they show the tag of the VLAN that they are in.
 *
 * Filters see what the copies show. A source's is asked once per frame, a destination's for what has passed that.
 */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#include "vswitch/capture_filter.h"
#include "vswitch/rules.h"

struct mirror {
	unsigned num_copies, num_own;
	struct vswitch_frame *copies[VSWITCH_BATCH];
	const struct vswitch_frame *own[VSWITCH_BATCH];	/* what the port gets in any case */
};

struct mirror *mirror_create(void)
{
	return calloc(1, sizeof(struct mirror));
}

void mirror_destroy(struct mirror *m)
{
	free(m);
}

/* Filters. */

int mirror_filter_create(const char *expression, struct capture_filter **out, struct vswitch_why *why)
{
	struct capture_filter *filter = calloc(1, sizeof(*filter));
	struct bpf_program program;
	char text[PCAP_ERRBUF_SIZE];
	int ret = filter ? vswitch_capture_compile(expression, &program, text, sizeof(text)) : -ENOMEM;

	if (ret) {
		if (ret == -EINVAL)
			policy_refuse(why, "monitor_filter", "%s", text);
		free(filter);
		return ret;
	}
	ret = capture_filter_init(filter, &program, VSWITCH_FRAME_MAX_BYTES);
	pcap_freecode(&program);
	if (ret == -EINVAL)
		policy_refuse(why, "monitor_filter", "its program is too long, or could loop (\"protochain\")");
	if (ret)
		free(filter);
	else
		*out = filter;
	return ret;
}

struct capture_filter *mirror_filter_copy(const struct capture_filter *filter)
{
	struct capture_filter *copy = calloc(1, sizeof(*copy));

	if (copy && capture_filter_copy(copy, filter)) {
		free(copy);
		return NULL;
	}
	return copy;
}

void mirror_filter_destroy(struct capture_filter *filter)
{
	if (filter)
		capture_filter_free(filter);
	free(filter);
}

static bool passes(struct capture_filter *filter, const struct vswitch_frame *f)
{
	uint32_t n;

	if (!filter)
		return true;
	n = f->len < filter->reach ? f->len : filter->reach;
	vswitch_frame_copy(f, 0, filter->bytes, n);
	return capture_filter_passes(filter, f->len, n, f->offload.flags & VSWITCH_VLAN ? f->offload.vlan_tci : CAPTURE_FILTER_NO_TAG);
}

/* Copies. */

static bool is_own(const struct mirror *m, const struct vswitch_frame *f)
{
	for (unsigned i = 0; i < m->num_own; i++)
		if (m->own[i] == f)
			return true;
	return false;
}

/* A batch has no more frames than there is room for. */
static void note(struct mirror *m, struct vswitch_frame *f)
{
	for (unsigned i = 0; i < m->num_copies; i++)
		if (m->copies[i] == f)
			return;
	if (m->num_copies < VSWITCH_BATCH)
		m->copies[m->num_copies++] = f;
}

static void note_for_session(struct port_rules *source, struct vswitch_frame *f)
{
	struct port_rules *r;

	if (!passes(source->mirror_filter, f))
		return;
	TAILQ_FOREACH(r, &source->port->sw->policies->mirrors, mirror_link)
		if (r->policy.monitor_session == source->policy.monitor_session && f->source != r->port->id &&
		    passes(r->mirror_filter, f))
			note(r->mirror, f);
}

static bool mirrors(const struct port_rules *r, enum vswitch_monitor_direction direction)
{
	return r->policy.monitor_mode == VSWITCH_MONITOR_SOURCE &&
	       (r->policy.monitor_direction == VSWITCH_MONITOR_BOTH || r->policy.monitor_direction == direction);
}

void mirror_from_nic(struct vswitch_port *p, struct vswitch_frame *const *frames, uint32_t keep)
{
	if (!mirrors(p->rules, VSWITCH_MONITOR_FROM_NIC))
		return;
	for (; keep; keep &= keep - 1)
		note_for_session(p->rules, frames[__builtin_ctz(keep)]);
}

void mirror_to_nic(struct vswitch_port *to, struct vswitch_frame *const *frames, unsigned n)
{
	struct mirror *m = to->rules->mirror;

	for (unsigned i = 0; m && i < n && m->num_own < VSWITCH_BATCH; i++)
		m->own[m->num_own++] = frames[i];
	if (!mirrors(to->rules, VSWITCH_MONITOR_TO_NIC))
		return;
	for (unsigned i = 0; i < n; i++)
		note_for_session(to->rules, frames[i]);
}

static void deliver_copies(struct vswitch_port *to, struct mirror *m, struct vswitch_port *from)
{
	struct vswitch_frame *frames[VSWITCH_BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < m->num_copies; i++) {
		if (is_own(m, m->copies[i]))
			continue;
		from->stats.copies++;
		to->stats.offered++;
		if (to->congested)
			drop_out(to, m->copies[i], 1, VSWITCH_DROP_MIRROR, NULL);
		else
			frames[n++] = m->copies[i];
	}
	if (!n)
		return;
	vswitch_deliver(to, frames, n);
	if (to->live && !to->involved && to->nic->ops->flush)
		to->nic->ops->flush(to->nic->opaque);
}

void mirror_deliver(struct vswitch_port *from)
{
	struct port_rules *r;

	TAILQ_FOREACH(r, &from->sw->policies->mirrors, mirror_link) {
		if (r->port->live && !r->blocked)
			deliver_copies(r->port, r->mirror, from);
		r->mirror->num_copies = r->mirror->num_own = 0;
	}
}
