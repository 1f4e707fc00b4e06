/* SPDX-License-Identifier: MIT */
/*
 * Stands between a switch and an extension that is tried out. Each callback is passed on with its name
 * noted, each service is passed on if it comes from inside a callback and from the right thread; frames
 * are compared before and after. What a service refuses the switch counts as misuse itself.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extensions/check.h"

enum { MAX_FAULTS = 64 };

static struct {
	const struct vswitch_ext_module *module;
	struct vswitch_ext_module proxy;
	struct vswitch_ext_ops ops;
	const struct vswitch_ext_services *services;	/* the host's */
	struct vswitch_ext_services offered;
	const char *where;
	pid_t thread;
	char *faults[MAX_FAULTS];
	unsigned num_faults;
	uint64_t frames;
	/* The batch before the callback, and its bytes. */
	struct vswitch_frame before[VSWITCH_BATCH];
	uint64_t sums[VSWITCH_BATCH];
} ck;

void check_fault(const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (unsigned i = 0; i < ck.num_faults; i++)
		if (!strcmp(ck.faults[i], text))
			return;
	if (ck.num_faults == MAX_FAULTS)
		return;
	ck.faults[ck.num_faults++] = strdup(text);
	printf("FAULT: %s\n", text);
	fflush(stdout);
}

unsigned check_faults(void)
{
	return ck.num_faults;
}

const char *check_where(void)
{
	return ck.where;
}

uint64_t check_frames_seen(void)
{
	return ck.frames;
}

/* Services. */

static bool may_call(const char *service)
{
	if (gettid() != ck.thread) {
		check_fault("%s() is called from a thread of the extension's own", service);
		return false;
	}
	if (!ck.where)
		check_fault("%s() is called from outside of callbacks", service);
	return true;
}

#define SERVICE(name, bad, params, args) \
	static int s_##name params \
	{ \
		return may_call(#name) ? ck.services->name args : (bad); \
	}

SERVICE(port_ref, -1, (struct vswitch_extension *e, uint32_t port), (e, port))
SERVICE(port_unref, -1, (struct vswitch_extension *e, uint32_t port), (e, port))
SERVICE(nic_ref, -1, (struct vswitch_extension *e, uint32_t port, uint8_t index), (e, port, index))
SERVICE(nic_unref, -1, (struct vswitch_extension *e, uint32_t port, uint8_t index), (e, port, index))
SERVICE(drop, -1, (struct vswitch_ext_verdicts *v, uint32_t i, const char *reason), (v, i, reason))
SERVICE(hold, -1, (struct vswitch_ext_verdicts *v, uint32_t i, uint64_t *held), (v, i, held))
SERVICE(release, -1, (struct vswitch_extension *e, uint64_t held), (e, held))
SERVICE(discard, -1, (struct vswitch_extension *e, uint64_t held, const char *reason), (e, held, reason))
SERVICE(release_to, -1, (struct vswitch_extension *e, uint64_t held, const struct vswitch_ext_destination *to, uint32_t n),
	(e, held, to, n))
SERVICE(direct, -1, (struct vswitch_ext_writer *w, uint32_t i, const struct vswitch_ext_destination *to), (w, i, to))
SERVICE(inject, -1, (struct vswitch_extension *e, const struct vswitch_frame *f, uint32_t port), (e, f, port))
SERVICE(request, -1, (struct vswitch_extension *e, struct vswitch_request *r), (e, r))
SERVICE(set_timer, -1, (struct vswitch_extension *e, uint64_t deadline_ns), (e, deadline_ns))

static uint32_t s_next_port(struct vswitch_extension *e, uint32_t after)
{
	return may_call("next_port") ? ck.services->next_port(e, after) : 0;
}

static const struct vswitch_frame *s_held_frame(struct vswitch_extension *e, uint64_t held)
{
	return may_call("held_frame") ? ck.services->held_frame(e, held) : NULL;
}

static void offer_services(const struct vswitch_ext_services *s)
{
	ck.services = s;
	ck.offered = *s;
	ck.offered.port_ref = s_port_ref;
	ck.offered.port_unref = s_port_unref;
	ck.offered.nic_ref = s_nic_ref;
	ck.offered.nic_unref = s_nic_unref;
	ck.offered.drop = s_drop;
	ck.offered.hold = s_hold;
	ck.offered.release = s_release;
	ck.offered.discard = s_discard;
	ck.offered.release_to = s_release_to;
	ck.offered.direct = s_direct;
	ck.offered.inject = s_inject;
	ck.offered.request = s_request;
	ck.offered.set_timer = s_set_timer;
	ck.offered.next_port = s_next_port;
	ck.offered.held_frame = s_held_frame;
}

/* Callbacks. */

#define ENTER(name) const char *outer_ = ck.where; ck.where = name "()"
#define LEAVE() ck.where = outer_

#define TELL(op, params, args) \
	static void p_##op params \
	{ \
		ENTER(#op); \
		ck.module->ops->op args; \
		LEAVE(); \
	}
#define ASK(op, params, args) \
	static int p_##op params \
	{ \
		int ret; \
		ENTER(#op); \
		ret = ck.module->ops->op args; \
		LEAVE(); \
		return ret; \
	}

TELL(detach, (void *o), (o))
TELL(activate, (void *o), (o))
TELL(deactivate, (void *o), (o))
ASK(port_create, (void *o, const struct vswitch_port_info *p, char *refusal), (o, p, refusal))
TELL(port_updated, (void *o, const struct vswitch_port_info *p), (o, p))
TELL(port_teardown, (void *o, const struct vswitch_port_info *p), (o, p))
TELL(port_delete, (void *o, const struct vswitch_port_info *p), (o, p))
ASK(nic_create, (void *o, const struct vswitch_nic_info *n, uint32_t *mtu, char *refusal), (o, n, mtu, refusal))
TELL(nic_connect, (void *o, const struct vswitch_nic_info *n), (o, n))
TELL(nic_updated, (void *o, const struct vswitch_nic_info *n), (o, n))
TELL(nic_disconnect, (void *o, const struct vswitch_nic_info *n), (o, n))
TELL(nic_delete, (void *o, const struct vswitch_nic_info *n), (o, n))
TELL(nic_status, (void *o, const struct vswitch_nic_info *n, uint32_t code, const void *data, uint32_t bytes),
     (o, n, code, data, bytes))
ASK(property_add, (void *o, uint32_t port, const struct vswitch_property *p, char *refusal), (o, port, p, refusal))
ASK(property_update, (void *o, uint32_t port, const struct vswitch_property *p, char *refusal), (o, port, p, refusal))
TELL(property_delete, (void *o, uint32_t port, const struct vswitch_property *p), (o, port, p))
ASK(feature_status, (void *o, uint32_t port, const struct vswitch_guid *f, void *out, uint32_t max, uint32_t *bytes),
    (o, port, f, out, max, bytes))
ASK(request, (void *o, struct vswitch_request *r), (o, r))
TELL(request_complete, (void *o, const struct vswitch_request *r, int result), (o, r, result))
ASK(save, (void *o, const struct vswitch_nic_info *n, struct vswitch_ext_writer_out *out), (o, n, out))
TELL(save_complete, (void *o, const struct vswitch_nic_info *n), (o, n))
ASK(restore, (void *o, const struct vswitch_nic_info *n, const struct vswitch_guid *f, const void *data, uint32_t bytes),
    (o, n, f, data, bytes))
TELL(restore_complete, (void *o, const struct vswitch_nic_info *n), (o, n))
TELL(timer, (void *o), (o))

static int p_attach(struct vswitch_extension *e, const struct vswitch_ext_services *s, const char *config, char *refusal,
		    void **instance)
{
	int ret;

	ENTER("attach");
	offer_services(s);
	ret = ck.module->ops->attach(e, &ck.offered, config, refusal, instance);
	LEAVE();
	return ret;
}

/* Frames. */

static uint64_t sum_of(const struct vswitch_frame *f)
{
	uint64_t h = 0xcbf29ce484222325;

	for (unsigned i = 0; i < f->nsegs; i++)
		for (size_t k = 0; k < f->segs[i].iov_len; k++)
			h = (h ^ ((const uint8_t *)f->segs[i].iov_base)[k]) * 0x100000001b3;
	return h;
}

static void remember(const struct vswitch_ext_batch *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->present & 1u << i) {
			ck.before[i] = *b->frames[i];
			ck.sums[i] = sum_of(b->frames[i]);
			ck.frames++;
		}
}

static void compare(const struct vswitch_ext_batch *b, uint32_t present)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (present & 1u << i && (memcmp(&ck.before[i], b->frames[i], sizeof(ck.before[i])) ||
					  ck.sums[i] != sum_of(b->frames[i])))
			check_fault("%s writes into a frame", ck.where);
	if (b->present != present)
		check_fault("%s writes into its batch", ck.where);
}

#define FRAMES(class, op, params, args) \
	static void c_##class##_##op params \
	{ \
		const uint32_t present = b->present; \
		ENTER(#op); \
		remember(b); \
		ck.module->class->op args; \
		compare(b, present); \
		LEAVE(); \
	}

FRAMES(capture, ingress, (void *o, const struct vswitch_ext_batch *b), (o, b))
FRAMES(capture, egress, (void *o, const struct vswitch_ext_batch *b), (o, b))
FRAMES(capture, complete, (void *o, const struct vswitch_ext_batch *b), (o, b))
FRAMES(filter, ingress, (void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v), (o, b, v))
FRAMES(filter, egress, (void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v), (o, b, v))
FRAMES(filter, complete, (void *o, const struct vswitch_ext_batch *b), (o, b))
FRAMES(forward, ingress, (void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v,
			  struct vswitch_ext_writer *w), (o, b, v, w))
FRAMES(forward, egress, (void *o, const struct vswitch_ext_batch *b, struct vswitch_ext_verdicts *v), (o, b, v))
FRAMES(forward, complete, (void *o, const struct vswitch_ext_batch *b), (o, b))

/* Putting it together: what the extension does not have the proxy has not either. */

static struct vswitch_ext_capture_ops capture;
static struct vswitch_ext_filter_ops filter;
static struct vswitch_ext_forward_ops forward;

static void put_frames(const struct vswitch_ext_module *m)
{
	if (m->capture)
		capture = (struct vswitch_ext_capture_ops){
			m->capture->ingress ? c_capture_ingress : NULL,
			m->capture->egress ? c_capture_egress : NULL,
			m->capture->complete ? c_capture_complete : NULL,
		};
	if (m->filter)
		filter = (struct vswitch_ext_filter_ops){
			m->filter->ingress ? c_filter_ingress : NULL,
			m->filter->egress ? c_filter_egress : NULL,
			m->filter->complete ? c_filter_complete : NULL,
		};
	if (m->forward)
		forward = (struct vswitch_ext_forward_ops){
			m->forward->ingress ? c_forward_ingress : NULL,
			m->forward->egress ? c_forward_egress : NULL,
			m->forward->complete ? c_forward_complete : NULL,
		};
	ck.proxy.capture = m->capture ? &capture : NULL;
	ck.proxy.filter = m->filter ? &filter : NULL;
	ck.proxy.forward = m->forward ? &forward : NULL;
}

const struct vswitch_ext_module *check_proxy(const struct vswitch_ext_module *module)
{
	const struct vswitch_ext_ops *o = module->ops;

	ck.module = module;
	ck.thread = gettid();
	ck.proxy = *module;
	ck.proxy.ops = &ck.ops;
#define PUT(op) ck.ops.op = o->op ? p_##op : NULL
	PUT(attach);
	PUT(detach);
	PUT(activate);
	PUT(deactivate);
	PUT(port_create);
	PUT(port_updated);
	PUT(port_teardown);
	PUT(port_delete);
	PUT(nic_create);
	PUT(nic_connect);
	PUT(nic_updated);
	PUT(nic_disconnect);
	PUT(nic_delete);
	PUT(nic_status);
	PUT(property_add);
	PUT(property_update);
	PUT(property_delete);
	PUT(feature_status);
	PUT(request);
	PUT(request_complete);
	PUT(save);
	PUT(save_complete);
	PUT(restore);
	PUT(restore_complete);
	PUT(timer);
#undef PUT
	put_frames(module);
	return &ck.proxy;
}
