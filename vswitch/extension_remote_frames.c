/* SPDX-License-Identifier: MIT */
/*
 * Frames to a program outside and what it says about them. Each that it has to judge is held and has a
 * deadline; whatever happens, the policy decides for those that nobody judges.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "base/rd.h"
#include "vswitch/extension_remote.h"
#include "vswitch/remote_frame.h"

enum {
	RECORDS_PER_WAKE = 256,		/* our policy */
	TOKEN_INDEX_BITS = 16,
};

/* The policy. */

static void decide(struct vswitch_remote *r, uint64_t held, const char *why)
{
	if (r->config.fail_open)
		(void)extension_services.release(r->e, held);
	else
		(void)extension_services.discard(r->e, held, why);
}

static struct waiting *next_free(struct vswitch_remote *r)
{
	struct waiting *w = TAILQ_FIRST(&r->free);

	if (w)
		TAILQ_REMOVE(&r->free, w, link);
	return w;
}

static void put_back(struct vswitch_remote *r, struct waiting *w)
{
	w->token = 0;
	TAILQ_INSERT_HEAD(&r->free, w, link);
}

static void no_wait_any_more(struct vswitch_remote *r, struct waiting *w)
{
	TAILQ_REMOVE(&r->queue, w, link);
	r->stats.waiting--;
	put_back(r, w);
}

void remote_decide_all(struct vswitch_remote *r, const char *why)
{
	struct waiting *w;

	while ((w = TAILQ_FIRST(&r->queue))) {
		decide(r, w->held, why);
		no_wait_any_more(r, w);
	}
	if (r->e->enabled)
		(void)extension_services.set_timer(r->e, 0);
}

void remote_frames_late(void *instance)
{
	struct vswitch_remote *r = instance;
	uint64_t now_ns = extension_services.now_ns(r->e);
	struct waiting *w;

	while ((w = TAILQ_FIRST(&r->queue)) && w->deadline_ns <= now_ns) {
		r->stats.timeouts++;
		decide(r, w->held, "the program is late");
		no_wait_any_more(r, w);
	}
	if (w)
		(void)extension_services.set_timer(r->e, w->deadline_ns);
}

/* Frames to the program. */

/* Puts a copy into its ring. False: there is no room, or no program any more. */
static bool show(struct vswitch_remote *r, const struct vswitch_ext_batch *b, uint32_t i, uint64_t token, bool egress)
{
	const struct remote_frame about = { .record.type = REMOTE_FRAME, .token = token, .port = b->port, .egress = egress };
	uint32_t n = remote_frame_bytes(b->frames[i]);
	bool broken;
	uint8_t *to = remote_ring_reserve(&r->out, n, &broken);

	if (broken)
		remote_breach(r, "its place in the ring is impossible");
	if (!to)
		return false;
	remote_frame_put(to, &about, b->frames[i]);
	remote_ring_commit(&r->out, n);
	return true;
}

static void wake(struct vswitch_remote *r)
{
	if (r->stats.attached && remote_ring_must_wake(&r->out))
		(void)eventfd_write(r->wake_fd, 1);
}

static void copies(struct vswitch_remote *r, const struct vswitch_ext_batch *b, bool egress)
{
	for (uint32_t left = b->present; left && r->stats.attached; left &= left - 1) {
		if (show(r, b, (uint32_t)__builtin_ctz(left), 0, egress))
			r->stats.copied++;
		else
			r->stats.unseen++;
	}
	wake(r);
}

/* One frame waits, or the policy decides at once. */
static void ask(struct vswitch_remote *r, const struct vswitch_ext_batch *b, uint32_t i, struct vswitch_ext_verdicts *v)
{
	struct waiting *w = next_free(r);
	uint64_t held;

	if (w && !extension_services.hold(v, i, &held)) {
		w->held = held;
		w->token = (uint64_t)++w->generation << TOKEN_INDEX_BITS | (uint64_t)(w - r->waiting);
		w->deadline_ns = extension_services.now_ns(r->e) + r->config.wait_ms * REMOTE_NS_PER_MS;
		if (TAILQ_EMPTY(&r->queue))
			(void)extension_services.set_timer(r->e, w->deadline_ns);
		TAILQ_INSERT_TAIL(&r->queue, w, link);
		r->stats.waiting++;
		if (show(r, b, i, w->token, false)) {
			r->stats.asked++;
			return;
		}
		r->stats.overflows++;
		if (w->token) {		/* or else it has been decided already: the program was cut off */
			decide(r, held, "the program does not keep up");
			no_wait_any_more(r, w);
		}
		return;
	}
	if (w)
		put_back(r, w);
	r->stats.overflows++;
	if (!r->config.fail_open)
		(void)extension_services.drop(v, i, "too many frames wait for the program");
}

static void judge_ingress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	struct vswitch_remote *r = instance;

	for (uint32_t left = b->present; left; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);

		if (!r->stats.attached) {
			if (!r->config.fail_open)
				(void)extension_services.drop(v, i, "there is no program");
		} else if (r->wants & REMOTE_WANTS_INGRESS) {
			ask(r, b, i, v);
		}
	}
	wake(r);
}

static void forward_ingress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			    struct vswitch_ext_writer *w)
{
	(void)w;
	judge_ingress(instance, b, v);
}

static void egress(void *instance, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v)
{
	struct vswitch_remote *r = instance;

	(void)v;
	if (r->wants & REMOTE_WANTS_EGRESS)
		copies(r, b, true);
}

static void capture_ingress(void *instance, const struct vswitch_ext_batch *b)
{
	struct vswitch_remote *r = instance;

	if (r->wants & REMOTE_WANTS_INGRESS)
		copies(r, b, false);
}

static void capture_egress(void *instance, const struct vswitch_ext_batch *b)
{
	egress(instance, b, NULL);
}

/* What the program says. */

static struct waiting *find(struct vswitch_remote *r, uint64_t token)
{
	uint64_t i = token & ((1u << TOKEN_INDEX_BITS) - 1);

	return token && i < r->config.wait_frames && r->waiting[i].token == token ? &r->waiting[i] : NULL;
}

/* A copy of a verdict. Of a frame that has been decided without it: too late, that is no breach. */
static bool judge(struct vswitch_remote *r, const struct remote_verdict *m)
{
	struct waiting *w = find(r, m->token);
	char reason[REMOTE_REASON_BYTES + 1];
	int ret = -EINVAL;

	if (m->judgement > REMOTE_DIRECT || (m->judgement == REMOTE_DIRECT &&
	    (r->config.class != VSWITCH_EXT_FORWARD || !m->num_to || m->num_to > REMOTE_DESTINATIONS)))
		return false;
	if (!w)
		return true;
	remote_text(reason, sizeof(reason), m->reason, sizeof(m->reason));
	if (m->judgement == REMOTE_DIRECT)
		ret = extension_services.release_to(r->e, w->held, m->to, m->num_to);
	else if (m->judgement == REMOTE_PASS)
		ret = extension_services.release(r->e, w->held);
	if (ret)
		(void)extension_services.discard(r->e, w->held, reason);
	no_wait_any_more(r, w);
	return true;
}

/* A copy of an injected frame's header; its bytes are still where the program can change them. */
static bool inject(struct vswitch_remote *r, const struct remote_frame *m, const uint8_t *bytes)
{
	struct vswitch_frame f;
	struct iovec rest;

	if (m->len < ETHERNET_BYTES || m->len > VSWITCH_FRAME_MAX_BYTES || m->len > m->record.bytes - sizeof(*m))
		return false;
	remote_frame_get(m, bytes, &f, &rest);
	/* The rest is copied by the switch, and never looked at before that. */
	(void)extension_services.inject(r->e, &f, m->port);
	return true;
}

static bool take_record(struct vswitch_remote *r, const struct remote_record *header, const uint8_t *at)
{
	struct remote_verdict verdict;
	struct remote_frame frame;

	switch (header->type) {
	case REMOTE_VERDICT:
		if (header->bytes != sizeof(verdict))
			return false;
		memcpy(&verdict, at, sizeof(verdict));
		rd_fetched();
		return judge(r, &verdict);
	case REMOTE_INJECT:
		if (header->bytes < sizeof(frame))
			return false;
		memcpy(&frame, at, sizeof(frame));
		rd_fetched();
		frame.record = *header;
		return inject(r, &frame, at + sizeof(frame));
	default:
		return false;
	}
}

static void read_ring(struct vswitch_remote *r)
{
	struct remote_record header;
	const uint8_t *at;
	bool broken = false;
	unsigned n = 0;

	while (r->stats.attached && n++ < RECORDS_PER_WAKE && remote_ring_next(&r->in, &header, &at, &broken)) {
		if (!take_record(r, &header, at)) {
			broken = true;
			break;
		}
		remote_ring_consume(&r->in, header.bytes);
	}
	if (broken)
		remote_breach(r, "it wrote what it may not");
	else if (n > RECORDS_PER_WAKE)
		(void)eventfd_write(r->doorbell.fd, 1);	/* the rest in the next round */
}

void remote_rang(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, doorbell);
	eventfd_t n;

	(void)events;
	(void)eventfd_read(watch->fd, &n);
	begin_call(r->e);
	read_ring(r);
	end_call(r->e);
}

const struct vswitch_ext_capture_ops remote_capture_ops = { capture_ingress, capture_egress, NULL };
const struct vswitch_ext_filter_ops remote_filter_ops = { judge_ingress, egress, NULL };
const struct vswitch_ext_forward_ops remote_forward_ops = { forward_ingress, egress, NULL };
