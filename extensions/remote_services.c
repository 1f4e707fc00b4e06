/* SPDX-License-Identifier: MIT */
/*
 * The host's services, as far as a program outside has them: answered from what it was told, or sent as
 * records.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "extensions/remote_internal.h"
#include "vswitch/vswitch.h"

enum { ROOM_TRIES = 50 };		/* our policy: milliseconds to wait for room for a verdict */

/* Records to the host. */

static void *reserve(struct vswitch_extension *e, uint32_t n)
{
	bool broken = false;
	void *to = NULL;

	for (unsigned i = 0; i < ROOM_TRIES && !broken; i++) {
		to = remote_ring_reserve(&e->out, n, &broken);
		if (to)
			return to;
		(void)eventfd_write(e->host_fd, 1);
		poll(NULL, 0, 1);
	}
	e->stats.lost++;
	return NULL;
}

void remote_send_verdict(struct vswitch_extension *e, struct remote_verdict *verdict)
{
	void *to = reserve(e, sizeof(*verdict));

	if (!to)
		return;
	verdict->record = (struct remote_record){ sizeof(*verdict), REMOTE_VERDICT };
	memcpy(to, verdict, sizeof(*verdict));
	remote_ring_commit(&e->out, sizeof(*verdict));
	e->stats.verdicts++;
	e->stats.dropped += verdict->judgement == REMOTE_DROP;
	e->stats.directed += verdict->judgement == REMOTE_DIRECT;
}

/* Services: queries. */

struct port *remote_find_port(struct vswitch_extension *e, uint32_t id)
{
	struct port *p;

	TAILQ_FOREACH(p, &e->ports, link)
		if (p->info.id == id)
			return p;
	return NULL;
}

struct nic *remote_find_nic(struct vswitch_extension *e, uint32_t port, uint8_t index)
{
	struct nic *n;

	TAILQ_FOREACH(n, &e->nics, link)
		if (n->info.port == port && n->info.index == index)
			return n;
	return NULL;
}

static void switch_info(struct vswitch_extension *e, struct vswitch_switch_info *out)
{
	struct port *p;

	*out = (struct vswitch_switch_info){ .active = e->active };
	snprintf(out->name, sizeof(out->name), "%s", e->switch_name);
	TAILQ_FOREACH(p, &e->ports, link)
		out->ports++;
}

static uint32_t next_port(struct vswitch_extension *e, uint32_t after)
{
	struct port *p;

	TAILQ_FOREACH(p, &e->ports, link)
		if (p->info.id > after)
			return p->info.id;
	return 0;
}

static bool port_info(struct vswitch_extension *e, uint32_t id, struct vswitch_port_info *out)
{
	const struct port *p = remote_find_port(e, id);

	if (p)
		*out = p->info;
	return p;
}

static bool nic_info(struct vswitch_extension *e, uint32_t port, uint8_t index, struct vswitch_nic_info *out)
{
	const struct nic *n = remote_find_nic(e, port, index);

	if (n)
		*out = n->info;
	return n;
}

static bool property(struct vswitch_extension *e, uint32_t port, uint32_t i, struct vswitch_property *out)
{
	(void)e;
	(void)port;
	(void)i;
	(void)out;
	return false;
}

static int no_port_reference(struct vswitch_extension *e, uint32_t port)
{
	(void)e;
	(void)port;
	return -EOPNOTSUPP;
}

static int no_nic_reference(struct vswitch_extension *e, uint32_t port, uint8_t index)
{
	(void)e;
	(void)port;
	(void)index;
	return -EOPNOTSUPP;
}

static int no_request(struct vswitch_extension *e, struct vswitch_request *r)
{
	(void)e;
	(void)r;
	return -EOPNOTSUPP;
}

/* Services: frames. */

static int pen(const struct vswitch_ext_verdicts *v, uint32_t i)
{
	if (v->e->module->class == VSWITCH_EXT_CAPTURE)
		return -EPERM;
	if (!v->writing || i >= v->batch.n || !(v->batch.present & 1u << i) || (v->dropped | v->held) & 1u << i)
		return -EINVAL;
	return v->egress ? -EOPNOTSUPP : 0;
}

static void set_drop(struct remote_verdict *out, const char *reason)
{
	out->judgement = REMOTE_DROP;
	snprintf(out->reason, sizeof(out->reason), "%s", reason ? reason : "");
}

static int drop(struct vswitch_ext_verdicts *v, uint32_t i, const char *reason)
{
	int ret = pen(v, i);

	if (ret)
		return ret;
	v->dropped |= 1u << i;
	set_drop(&v->out[i], reason);
	return 0;
}

static int hold(struct vswitch_ext_verdicts *v, uint32_t i, uint64_t *handle)
{
	const struct vswitch_frame *f = &v->frames[i];
	int ret = pen(v, i);
	struct held *h;

	if (ret)
		return ret;
	h = malloc(sizeof(*h) + f->len - f->head_bytes);
	if (!h)
		return -ENOBUFS;
	h->token = v->tokens[i];
	h->f = *f;
	vswitch_frame_copy(f, f->head_bytes, h->data, f->len - f->head_bytes);
	h->seg = (struct iovec){ h->data, f->len - f->head_bytes };
	h->f.segs = &h->seg;
	TAILQ_INSERT_TAIL(&v->e->held, h, link);
	v->held |= 1u << i;
	*handle = h->token;
	return 0;
}

static struct held *find_held(struct vswitch_extension *e, uint64_t handle)
{
	struct held *h;

	TAILQ_FOREACH(h, &e->held, link)
		if (h->token == handle)
			return h;
	return NULL;
}

static const struct vswitch_frame *held_frame(struct vswitch_extension *e, uint64_t handle)
{
	struct held *h = find_held(e, handle);

	return h ? &h->f : NULL;
}

static int settle(struct vswitch_extension *e, uint64_t handle, struct remote_verdict *verdict)
{
	struct held *h = find_held(e, handle);

	if (!h)
		return -EINVAL;
	verdict->token = h->token;
	remote_send_verdict(e, verdict);
	TAILQ_REMOVE(&e->held, h, link);
	free(h);
	(void)eventfd_write(e->host_fd, 1);
	return 0;
}

static int release(struct vswitch_extension *e, uint64_t handle)
{
	struct remote_verdict verdict = { .judgement = REMOTE_PASS };

	return settle(e, handle, &verdict);
}

static int discard(struct vswitch_extension *e, uint64_t handle, const char *reason)
{
	struct remote_verdict verdict = { 0 };

	set_drop(&verdict, reason);
	return settle(e, handle, &verdict);
}

static int release_to(struct vswitch_extension *e, uint64_t handle, const struct vswitch_ext_destination *to, uint32_t n)
{
	struct remote_verdict verdict = { .judgement = REMOTE_DIRECT, .num_to = n };

	if (e->module->class != VSWITCH_EXT_FORWARD)
		return -EPERM;
	if (!n || n > REMOTE_DESTINATIONS)
		return -EINVAL;
	memcpy(verdict.to, to, n * sizeof(*to));
	return settle(e, handle, &verdict);
}

static int direct(struct vswitch_ext_writer *w, uint32_t i, const struct vswitch_ext_destination *to)
{
	struct vswitch_ext_verdicts *v = &w->e->v;
	struct remote_verdict *out = &v->out[i < VSWITCH_BATCH ? i : 0];
	int ret = pen(v, i);

	if (ret)
		return ret;
	if (!remote_find_port(w->e, to->port))
		return -ENOENT;
	if (to->port == v->batch.port)
		return -ELOOP;
	if (out->num_to == REMOTE_DESTINATIONS)
		return -ENOBUFS;
	out->judgement = REMOTE_DIRECT;
	out->to[out->num_to++] = *to;
	return 0;
}

static int inject(struct vswitch_extension *e, const struct vswitch_frame *f, uint32_t source_port)
{
	const struct remote_frame about = { .record.type = REMOTE_INJECT, .port = source_port };
	uint32_t n = remote_frame_bytes(f);
	uint8_t *to;

	if (source_port && e->module->class == VSWITCH_EXT_CAPTURE)
		return -EPERM;
	if (f->len > VSWITCH_FRAME_MAX_BYTES)
		return -EBADMSG;
	to = reserve(e, n);
	if (!to)
		return -ENOBUFS;
	remote_frame_put(to, &about, f);
	remote_ring_commit(&e->out, n);
	e->stats.injected++;
	(void)eventfd_write(e->host_fd, 1);
	return 0;
}

static uint64_t now_ns(struct vswitch_extension *e)
{
	(void)e;
	return remote_clock_ns();
}

static int set_timer(struct vswitch_extension *e, uint64_t deadline_ns)
{
	e->deadline_ns = deadline_ns;
	return 0;
}

static void log_text(struct vswitch_extension *e, int level, const char *text)
{
	fprintf(stderr, "<%d>%s: %s\n", level, e->module->name, text);
}

const struct vswitch_ext_services remote_services = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(remote_services),
	.switch_info = switch_info,
	.next_port = next_port,
	.port_info = port_info,
	.nic_info = nic_info,
	.property = property,
	.port_ref = no_port_reference,
	.port_unref = no_port_reference,
	.nic_ref = no_nic_reference,
	.nic_unref = no_nic_reference,
	.frame_copy = vswitch_frame_copy,
	.drop = drop,
	.hold = hold,
	.held_frame = held_frame,
	.release = release,
	.discard = discard,
	.release_to = release_to,
	.direct = direct,
	.inject = inject,
	.request = no_request,
	.now_ns = now_ns,
	.set_timer = set_timer,
	.log = log_text,
};
