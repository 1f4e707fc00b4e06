/* SPDX-License-Identifier: MIT */
/*
 * Extensions that do what they must not, to try the checker with: compiled once for each class (BAD_CLASS), the configuration
 * says which fault. "none" is a good one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/extension.h"

#if !defined(BAD_SYMBOL)

#define CAPTURE 0
#define FILTER 1
#define FORWARD 2
#if !defined(BAD_CLASS)
#define BAD_CLASS FILTER
#endif

struct bad {
	struct vswitch_extension *self;
	const struct vswitch_ext_services *s;
	char fault[32];
	struct vswitch_ext_verdicts *pen;	/* as lent, or kept */
	struct vswitch_ext_writer *writer;
	const struct vswitch_frame *frame;
	uint64_t held;
	pthread_t thread;
	volatile bool stop;
	uint32_t port;
};

static bool is(const struct bad *b, const char *fault)
{
	return !strcmp(b->fault, fault);
}

static void *thread_of_its_own(void *arg)
{
	struct bad *b = arg;

	while (!b->stop) {
		b->s->next_port(b->self, 0);
		usleep(1000);
	}
	return NULL;
}

static int attach(struct vswitch_extension *self, const struct vswitch_ext_services *s, const char *config, char *refusal,
		  void **instance)
{
	struct bad *b = calloc(1, sizeof(*b));

	(void)refusal;
	if (!b || strlen(config) >= sizeof(b->fault))
		return -EINVAL;
	b->self = self;
	b->s = s;
	strcpy(b->fault, config);
	if (is(b, "early"))
		s->port_ref(self, 1);
	if (is(b, "thread") && pthread_create(&b->thread, NULL, thread_of_its_own, b))
		return -EAGAIN;
	*instance = b;
	return 0;
}

static void detach(void *instance)
{
	struct bad *b = instance;

	if (is(b, "descriptor") && dup(0) < 0)
		abort();
	if (is(b, "thread"))
		return;			/* it goes on, and so must its memory */
	free(b);
}

static void activate(void *instance)
{
	struct bad *b = instance;

	b->s->set_timer(b->self, b->s->now_ns(b->self) + 1000000);
}

static void deactivate(void *instance)
{
	struct bad *b = instance;

	if (b->held && !is(b, "keeps-held"))
		b->s->release(b->self, b->held);
	b->held = 0;
	b->frame = NULL;
}

static int port_create(void *instance, const struct vswitch_port_info *port, char *refusal)
{
	const struct bad *b = instance;

	(void)port;
	(void)refusal;
	return is(b, "refuses") ? -EPERM : 0;
}

static int nic_create(void *instance, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal)
{
	const struct bad *b = instance;

	(void)refusal;
	if (is(b, "mtu"))
		*mtu = nic->mtu + 100;
	return 0;
}

static void nic_connect(void *instance, const struct vswitch_nic_info *nic)
{
	struct bad *b = instance;

	if (is(b, "reference"))
		b->s->nic_ref(b->self, nic->port, nic->index);
	if (is(b, "unref"))
		b->s->nic_unref(b->self, nic->port, nic->index);
	if (nic->kind != VSWITCH_NIC_EXTERNAL)
		b->port = nic->port;
}

static void nic_disconnect(void *instance, const struct vswitch_nic_info *nic)
{
	const struct bad *b = instance;

	if (is(b, "crash"))
		*(volatile int *)(uintptr_t)(nic->index + 8) = 0;
}

static int save(void *instance, const struct vswitch_nic_info *nic, struct vswitch_ext_writer_out *out)
{
	static uint32_t last;
	const struct bad *b = instance;

	last = last == nic->port ? 0 : nic->port;
	if (!last)
		return VSWITCH_EXT_PASS;
	out->bytes = is(b, "oversize") ? out->max_bytes + 1 : 4;
	if (!is(b, "oversize"))
		memcpy(out->data, "mine", 4);
	return VSWITCH_EXT_DONE;
}

static int restore(void *instance, const struct vswitch_nic_info *nic, const struct vswitch_guid *feature, const void *data,
		   uint32_t bytes)
{
	const struct bad *b = instance;

	(void)nic;
	(void)feature;
	return is(b, "restore") || bytes != 4 || memcmp(data, "mine", 4) ? -EINVAL : 0;
}

static void timer(void *instance)
{
	struct bad *b = instance;
	volatile uint8_t byte;

	if (is(b, "late-frame") && b->frame) {
		byte = b->frame->head[0];
		(void)byte;
	}
	if (is(b, "late-pen") && b->pen)
		b->s->drop(b->pen, 0, NULL);
	if (is(b, "late-writer") && b->writer)
		b->s->direct(b->writer, 0, &(struct vswitch_ext_destination){ .port = b->port });
	if (is(b, "twice") && b->held) {
		b->s->release(b->self, b->held);
		b->s->release(b->self, b->held);
		b->held = 0;
	}
	b->s->set_timer(b->self, b->s->now_ns(b->self) + 5000000);
}

static void ask_from_here(struct bad *b)
{
	struct vswitch_request r = { .code = 1, .destination_port = b->port };

	b->s->request(b->self, &r);
}

/* What can go wrong with the i-th frame; v and w may be NULL. */
static void frame(struct bad *b, const struct vswitch_ext_batch *batch, uint32_t i, struct vswitch_ext_verdicts *v,
		  struct vswitch_ext_writer *w)
{
	b->frame = batch->frames[i];
	b->pen = v;
	b->writer = w;
	if (is(b, "scribbles"))
		((struct vswitch_frame *)(uintptr_t)batch->frames[i])->head[20] ^= 1;
	if (is(b, "batch"))
		((struct vswitch_ext_batch *)(uintptr_t)batch)->present = 0;
	if (is(b, "hangs"))
		for (;;)
			usleep(1000);
	if (is(b, "request"))
		ask_from_here(b);
	if (is(b, "inject"))
		b->s->inject(b->self, batch->frames[i], batch->port);
	if (v && is(b, "drops-twice")) {
		b->s->drop(v, i, NULL);
		b->s->drop(v, i, NULL);
	}
	if (v && is(b, "drops-nothing"))
		b->s->drop(v, batch->n, NULL);
	if (v && (is(b, "keeps-held") || is(b, "twice")) && !b->held)
		b->s->hold(v, i, &b->held);
}

static void some(struct bad *b, const struct vswitch_ext_batch *batch, struct vswitch_ext_verdicts *v,
		 struct vswitch_ext_writer *w)
{
	if (batch->present)
		frame(b, batch, (uint32_t)__builtin_ctz(batch->present), v, w);
}

#if BAD_CLASS == CAPTURE
static void ingress(void *instance, const struct vswitch_ext_batch *batch)
{
	some(instance, batch, NULL, NULL);
}
static const struct vswitch_ext_capture_ops frames = { .ingress = ingress };
#elif BAD_CLASS == FILTER
static void ingress(void *instance, const struct vswitch_ext_batch *batch, struct vswitch_ext_verdicts *v)
{
	some(instance, batch, v, NULL);
}
static void egress(void *instance, const struct vswitch_ext_batch *batch, struct vswitch_ext_verdicts *v)
{
	struct bad *b = instance;
	uint64_t held;

	if (is(b, "holds-at-egress") && batch->present)
		b->s->hold(v, (uint32_t)__builtin_ctz(batch->present), &held);
}
static const struct vswitch_ext_filter_ops frames = { .ingress = ingress, .egress = egress };
#else
static void ingress(void *instance, const struct vswitch_ext_batch *batch, struct vswitch_ext_verdicts *v,
		    struct vswitch_ext_writer *w)
{
	some(instance, batch, v, w);
}
static const struct vswitch_ext_forward_ops frames = { .ingress = ingress };
#endif

static const struct vswitch_ext_ops ops = {
	.attach = attach,
	.detach = detach,
	.activate = activate,
	.deactivate = deactivate,
	.port_create = port_create,
	.nic_create = nic_create,
	.nic_connect = nic_connect,
	.nic_disconnect = nic_disconnect,
	.save = save,
	.restore = restore,
	.timer = timer,
};

const struct vswitch_ext_module vswitch_ext_module = {
#if defined(BAD_ABI)
	.abi = VSWITCH_EXT_ABI + 1,
#else
	.abi = VSWITCH_EXT_ABI,
#endif
	.size = sizeof(struct vswitch_ext_module),
	.ops_size = sizeof(struct vswitch_ext_ops),
#if defined(BAD_MODULE)
	.class = VSWITCH_EXT_FORWARD,
#else
	.class = BAD_CLASS,
#endif
	.name = "bad",
	.ops = &ops,
#if BAD_CLASS == CAPTURE
	.capture = &frames,
#elif BAD_CLASS == FILTER
	.filter = &frames,
#else
	.forward = &frames,
#endif
};

#endif
