/* SPDX-License-Identifier: MIT */
/*
 * Frames from the host. A batch is what lies in the ring of one port and direction; its records are
 * given back when the callback is over.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "extensions/remote_internal.h"

static void take_frame(struct vswitch_ext_verdicts *v, uint32_t i, const struct remote_frame *m, const uint8_t *bytes)
{
	struct vswitch_frame *f = &v->frames[i];

	remote_frame_get(m, bytes, f, &v->segs[i]);
	v->tokens[i] = m->token;
	v->pointers[i] = f;
	v->out[i] = (struct remote_verdict){ .token = m->token, .judgement = REMOTE_PASS };
}

/* Gathers what lies in the ring of one port and direction; the ring's place moves on in *ahead only. */
static uint32_t gather(struct vswitch_extension *e, struct remote_ring *ahead)
{
	struct vswitch_ext_verdicts *v = &e->v;
	struct remote_record header;
	struct remote_frame m;
	const uint8_t *at;
	uint32_t n = 0;

	while (n < VSWITCH_BATCH && remote_ring_next(ahead, &header, &at, &e->broken)) {
		if (header.type != REMOTE_FRAME || header.bytes < sizeof(m)) {
			e->broken = true;
			break;
		}
		memcpy(&m, at, sizeof(m));
		if (m.len > header.bytes - sizeof(m)) {
			e->broken = true;
			break;
		}
		if (n && (m.port != v->batch.port || m.egress != v->egress))
			break;
		v->batch.port = m.port;
		v->egress = m.egress;
		take_frame(v, n++, &m, at + sizeof(m));
		ahead->position += header.bytes;
	}
	return n;
}

static void call(struct vswitch_extension *e)
{
	const struct vswitch_ext_module *m = e->module;
	struct vswitch_ext_verdicts *v = &e->v;

	v->writing = true;
	switch ((enum vswitch_ext_class)m->class) {
	case VSWITCH_EXT_CAPTURE:
		if (!v->egress && m->capture->ingress)
			m->capture->ingress(e->instance, &v->batch);
		else if (v->egress && m->capture->egress)
			m->capture->egress(e->instance, &v->batch);
		break;
	case VSWITCH_EXT_FILTER:
		if (!v->egress && m->filter->ingress)
			m->filter->ingress(e->instance, &v->batch, v);
		else if (v->egress && m->filter->egress)
			m->filter->egress(e->instance, &v->batch, v);
		break;
	case VSWITCH_EXT_FORWARD:
		if (!v->egress && m->forward->ingress)
			m->forward->ingress(e->instance, &v->batch, v, &e->w);
		else if (v->egress && m->forward->egress)
			m->forward->egress(e->instance, &v->batch, v);
		break;
	}
	v->writing = false;
}

static void one_batch(struct vswitch_extension *e, uint32_t n, uint32_t bytes)
{
	struct vswitch_ext_verdicts *v = &e->v;
	bool judged = false;

	v->batch.n = n;
	v->batch.present = n < 32 ? (1u << n) - 1 : UINT32_MAX;
	v->batch.frames = v->pointers;
	v->dropped = v->held = 0;
	if (e->active)
		call(e);
	for (uint32_t i = 0; i < n; i++) {
		if (!v->tokens[i] || v->held & 1u << i)
			continue;
		remote_send_verdict(e, &v->out[i]);
		judged = true;
	}
	remote_ring_consume(&e->in, bytes);
	if (judged)
		(void)eventfd_write(e->host_fd, 1);
	e->stats.frames += n;
	e->stats.batches++;
}

void remote_read_frames(struct vswitch_extension *e)
{
	struct remote_ring ahead = e->in;
	uint32_t n;

	while (!e->broken && (n = gather(e, &ahead))) {
		one_batch(e, n, ahead.position - e->in.position);
		ahead = e->in;
	}
}
