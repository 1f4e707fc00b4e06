/* SPDX-License-Identifier: MIT */
/*
 * The host's services, in a process that only has two rings and a socket to the host. A batch is what
 * lies in the ring of one port and direction; its records are given back when the callback is over.
 */
#include "extensions/remote.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vswitch/remote_ring.h"

enum {
	ROOM_TRIES = 50,		/* our policy: milliseconds to wait for room for a verdict */
	IDLE_MS = 200,			/* as the header says */
	HELLO_MS = 2000,
};

struct port {
	struct vswitch_port_info info;
	TAILQ_ENTRY(port) link;
};

struct nic {
	struct vswitch_nic_info info;
	TAILQ_ENTRY(nic) link;
};

struct held {
	uint64_t token;
	TAILQ_ENTRY(held) link;
	struct iovec seg;
	struct vswitch_frame f;
	uint8_t data[];
};

/* One batch and what became of it; also the pens that its callbacks get. */
struct vswitch_ext_verdicts {
	struct vswitch_extension *e;
	bool writing, egress;
	struct vswitch_ext_batch batch;
	uint32_t dropped, held;
	uint64_t tokens[VSWITCH_BATCH];
	struct iovec segs[VSWITCH_BATCH];
	struct vswitch_frame frames[VSWITCH_BATCH];
	const struct vswitch_frame *pointers[VSWITCH_BATCH];
	struct remote_verdict out[VSWITCH_BATCH];
};

struct vswitch_ext_writer {
	struct vswitch_extension *e;
};

struct vswitch_extension {
	const struct vswitch_ext_module *module;	/* borrowed */
	void *instance;
	bool attached, active;
	int fd, wake_fd, host_fd;	/* owned; -1: none */
	struct remote_memory *memory;	/* owned */
	struct remote_ring in, out;
	bool broken;
	struct vswitch_ext_verdicts v;
	struct vswitch_ext_writer w;
	uint64_t deadline_ns;
	TAILQ_HEAD(, port) ports;	/* by id */
	TAILQ_HEAD(, nic) nics;
	TAILQ_HEAD(, held) held;
	struct extension_remote_stats stats;
	char switch_name[VSWITCH_NAME_BYTES];
	char config[REMOTE_TEXT_BYTES];
};

struct extension_remote {
	struct vswitch_extension e;
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

static void send_verdict(struct vswitch_extension *e, struct remote_verdict *verdict)
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

static struct port *find_port(struct vswitch_extension *e, uint32_t id)
{
	struct port *p;

	TAILQ_FOREACH(p, &e->ports, link)
		if (p->info.id == id)
			return p;
	return NULL;
}

static struct nic *find_nic(struct vswitch_extension *e, uint32_t port, uint8_t index)
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
	const struct port *p = find_port(e, id);

	if (p)
		*out = p->info;
	return p;
}

static bool nic_info(struct vswitch_extension *e, uint32_t port, uint8_t index, struct vswitch_nic_info *out)
{
	const struct nic *n = find_nic(e, port, index);

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

static void copy(void *to, uint32_t *off, uint32_t *n, uint8_t **dst, const void *from, size_t have)
{
	uint32_t m;

	(void)to;
	if (*off >= have) {
		*off -= (uint32_t)have;
		return;
	}
	m = *n < have - *off ? *n : (uint32_t)(have - *off);
	memcpy(*dst, (const uint8_t *)from + *off, m);
	*dst += m;
	*n -= m;
	*off = 0;
}

static void frame_copy(const struct vswitch_frame *f, uint32_t off, void *to, uint32_t n)
{
	uint8_t *dst = to;

	copy(to, &off, &n, &dst, f->head, f->head_bytes);
	for (unsigned i = 0; i < f->nsegs && n; i++)
		copy(to, &off, &n, &dst, f->segs[i].iov_base, f->segs[i].iov_len);
}

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
	frame_copy(f, f->head_bytes, h->data, f->len - f->head_bytes);
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
	send_verdict(e, verdict);
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
	if (!find_port(w->e, to->port))
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
	uint32_t n = remote_ring_round((uint32_t)sizeof(struct remote_frame) + f->len);
	struct remote_frame header = {
		.record = { n, REMOTE_INJECT },
		.port = source_port,
		.len = f->len,
		.vlan = f->vlan,
		.member = f->member,
		.offload = f->offload,
	};
	uint8_t *to;

	if (source_port && e->module->class == VSWITCH_EXT_CAPTURE)
		return -EPERM;
	if (f->len > VSWITCH_FRAME_MAX_BYTES)
		return -EBADMSG;
	to = reserve(e, n);
	if (!to)
		return -ENOBUFS;
	memcpy(to, &header, sizeof(header));
	frame_copy(f, 0, to + sizeof(header), f->len);
	remote_ring_commit(&e->out, n);
	e->stats.injected++;
	(void)eventfd_write(e->host_fd, 1);
	return 0;
}

static uint64_t now_ns(struct vswitch_extension *e)
{
	(void)e;
	return clock_ns();
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

static const struct vswitch_ext_services services = {
	.abi = VSWITCH_EXT_ABI,
	.size = sizeof(services),
	.switch_info = switch_info,
	.next_port = next_port,
	.port_info = port_info,
	.nic_info = nic_info,
	.property = property,
	.port_ref = no_port_reference,
	.port_unref = no_port_reference,
	.nic_ref = no_nic_reference,
	.nic_unref = no_nic_reference,
	.frame_copy = frame_copy,
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

/* Frames from the host. */

static void take_frame(struct vswitch_ext_verdicts *v, uint32_t i, const struct remote_frame *m, const uint8_t *bytes)
{
	struct vswitch_frame *f = &v->frames[i];

	*f = (struct vswitch_frame){
		.len = m->len,
		.head_bytes = (uint16_t)(m->len < VSWITCH_HEAD_BYTES ? m->len : VSWITCH_HEAD_BYTES),
		.source = m->source,
		.vlan = m->vlan,
		.member = m->member,
		.offload = m->offload,
	};
	memcpy(f->head, bytes, f->head_bytes);
	v->segs[i] = (struct iovec){ (void *)(uintptr_t)(bytes + f->head_bytes), m->len - f->head_bytes };
	f->segs = &v->segs[i];
	f->nsegs = v->segs[i].iov_len > 0;
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
		send_verdict(e, &v->out[i]);
		judged = true;
	}
	remote_ring_consume(&e->in, bytes);
	if (judged)
		(void)eventfd_write(e->host_fd, 1);
	e->stats.frames += n;
	e->stats.batches++;
}

static void read_frames(struct vswitch_extension *e)
{
	struct remote_ring ahead = e->in;
	uint32_t n;

	while (!e->broken && (n = gather(e, &ahead))) {
		one_batch(e, n, ahead.position - e->in.position);
		ahead = e->in;
	}
}

/* Events. */

static void forget_all(struct vswitch_extension *e)
{
	struct held *h;
	struct port *p;
	struct nic *n;

	while ((h = TAILQ_FIRST(&e->held))) {
		TAILQ_REMOVE(&e->held, h, link);
		free(h);
	}
	while ((p = TAILQ_FIRST(&e->ports))) {
		TAILQ_REMOVE(&e->ports, p, link);
		free(p);
	}
	while ((n = TAILQ_FIRST(&e->nics))) {
		TAILQ_REMOVE(&e->nics, n, link);
		free(n);
	}
}

static void know_port(struct vswitch_extension *e, const struct vswitch_port_info *info)
{
	struct port *p = find_port(e, info->id);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		TAILQ_INSERT_TAIL(&e->ports, p, link);
	}
	p->info = *info;
}

static void know_nic(struct vswitch_extension *e, const struct vswitch_nic_info *info)
{
	struct nic *n = find_nic(e, info->port, info->index);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return;
		TAILQ_INSERT_TAIL(&e->nics, n, link);
	}
	n->info = *info;
}

static void port_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];
	struct port *p;

	know_port(e, &ev->port);
	if (ev->type == REMOTE_PORT_CREATE && ops->port_create)
		(void)ops->port_create(e->instance, &ev->port, refusal);
	else if (ev->type == REMOTE_PORT_UPDATED && ops->port_updated)
		ops->port_updated(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_TEARDOWN && ops->port_teardown)
		ops->port_teardown(e->instance, &ev->port);
	else if (ev->type == REMOTE_PORT_DELETE && ops->port_delete)
		ops->port_delete(e->instance, &ev->port);
	p = ev->type == REMOTE_PORT_DELETE ? find_port(e, ev->port.id) : NULL;
	if (p) {
		TAILQ_REMOVE(&e->ports, p, link);
		free(p);
	}
}

static void nic_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	const struct vswitch_ext_ops *ops = e->module->ops;
	char refusal[VSWITCH_REFUSAL_BYTES];
	uint32_t mtu = ev->nic.mtu;
	struct nic *n;

	know_nic(e, &ev->nic);
	if (ev->type == REMOTE_NIC_CREATE && ops->nic_create)
		(void)ops->nic_create(e->instance, &ev->nic, &mtu, refusal);
	else if (ev->type == REMOTE_NIC_CONNECT && ops->nic_connect)
		ops->nic_connect(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_UPDATED && ops->nic_updated)
		ops->nic_updated(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_DISCONNECT && ops->nic_disconnect)
		ops->nic_disconnect(e->instance, &ev->nic);
	else if (ev->type == REMOTE_NIC_DELETE && ops->nic_delete)
		ops->nic_delete(e->instance, &ev->nic);
	n = ev->type == REMOTE_NIC_DELETE ? find_nic(e, ev->nic.port, ev->nic.index) : NULL;
	if (n) {
		TAILQ_REMOVE(&e->nics, n, link);
		free(n);
	}
}

static void deactivate(struct vswitch_extension *e)
{
	if (e->active && e->module->ops->deactivate)
		e->module->ops->deactivate(e->instance);
	e->active = false;
	e->deadline_ns = 0;
	forget_all(e);
}

static void take_event(struct vswitch_extension *e, const struct remote_event *ev)
{
	if (ev->type == REMOTE_ACTIVATE) {
		e->active = true;
		if (e->module->ops->activate)
			e->module->ops->activate(e->instance);
	} else if (ev->type == REMOTE_DEACTIVATE) {
		deactivate(e);
	} else if (ev->type >= REMOTE_PORT_CREATE && ev->type <= REMOTE_PORT_DELETE) {
		port_event(e, ev);
	} else if (ev->type >= REMOTE_NIC_CREATE && ev->type <= REMOTE_NIC_DELETE) {
		nic_event(e, ev);
	}
}

/* False: the host is gone. */
static bool read_events(struct vswitch_extension *e)
{
	struct remote_event ev;
	ssize_t n;

	while ((n = recv(e->fd, &ev, sizeof(ev), MSG_DONTWAIT)) > 0)
		if (n == sizeof(ev))
			take_event(e, &ev);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Running. */

static int wait_ms(const struct vswitch_extension *e)
{
	uint64_t now = clock_ns();

	if (!e->deadline_ns || e->deadline_ns > now + IDLE_MS * 1000000ull)
		return IDLE_MS;
	return e->deadline_ns <= now ? 0 : (int)((e->deadline_ns - now) / 1000000u) + 1;
}

static void run_timer(struct vswitch_extension *e)
{
	if (!e->deadline_ns || e->deadline_ns > clock_ns())
		return;
	e->deadline_ns = 0;
	if (e->active && e->module->ops->timer)
		e->module->ops->timer(e->instance);
}

int extension_remote_run(struct extension_remote *remote, const volatile sig_atomic_t *stop)
{
	struct vswitch_extension *e = &remote->e;
	struct pollfd p[2] = { { e->fd, POLLIN, 0 }, { e->wake_fd, POLLIN, 0 } };
	eventfd_t rang;

	while (!e->broken && !(stop && *stop)) {
		/* Events first: a frame's port should be known. */
		if (!read_events(e))
			return 0;
		read_frames(e);
		run_timer(e);
		if (remote_ring_sleep(&e->in))
			(void)poll(p, 2, wait_ms(e));
		remote_ring_awake(&e->in);
		(void)eventfd_read(e->wake_fd, &rang);
	}
	/* What the switch has shown until now was meant to be seen. */
	if (!e->broken && read_events(e))
		read_frames(e);
	return e->broken ? -EPROTO : 0;
}

/* Attaching. */

static int fail(char *to, size_t n, int error, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(char *to, size_t n, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (to && n)
		vsnprintf(to, n, format, ap);
	va_end(ap);
	return error;
}

static int connect_to(struct vswitch_extension *e, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { HELLO_MS / 1000, 0 };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	e->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(e->fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

static uint32_t wants(const struct vswitch_ext_module *m)
{
	const bool in = (m->capture && m->capture->ingress) || (m->filter && m->filter->ingress) ||
			(m->forward && m->forward->ingress);
	const bool out = (m->capture && m->capture->egress) || (m->filter && m->filter->egress) ||
			 (m->forward && m->forward->egress);

	return (in ? REMOTE_WANTS_INGRESS : 0) | (out ? REMOTE_WANTS_EGRESS : 0);
}

static int receive_welcome(struct vswitch_extension *e, struct remote_welcome *w, int fds[3])
{
	struct iovec iov = { w, sizeof(*w) };
	union { char bytes[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr aligned; } control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(e->fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (n <= 0 || !c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(3 * sizeof(int)))
		return -ECONNREFUSED;
	memcpy(fds, CMSG_DATA(c), 3 * sizeof(int));
	if (n != sizeof(*w) || w->type != REMOTE_WELCOME || w->magic != REMOTE_MAGIC || w->version != REMOTE_VERSION ||
	    w->memory_bytes != sizeof(struct remote_memory))
		return -EPROTO;
	return 0;
}

static int greet(struct vswitch_extension *e)
{
	struct remote_hello h = { REMOTE_HELLO, REMOTE_MAGIC, REMOTE_VERSION, e->module->class, wants(e->module), "" };
	int fds[3] = { -1, -1, -1 }, ret;
	struct remote_welcome w = { 0 };
	void *at;

	snprintf(h.name, sizeof(h.name), "%s", e->module->name);
	if (send(e->fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		return -ECONNREFUSED;
	ret = receive_welcome(e, &w, fds);
	e->wake_fd = fds[1];
	e->host_fd = fds[2];
	if (ret)
		return ret;
	at = mmap(NULL, sizeof(*e->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	close(fds[0]);
	if (at == MAP_FAILED)
		return -errno;
	e->memory = at;
	e->in = (struct remote_ring){ &e->memory->to_program, e->memory->to_program_data, REMOTE_TO_PROGRAM_BYTES, 0 };
	e->out = (struct remote_ring){ &e->memory->to_host, e->memory->to_host_data, REMOTE_TO_HOST_BYTES, 0 };
	snprintf(e->config, sizeof(e->config), "%s", w.config);
	snprintf(e->switch_name, sizeof(e->switch_name), "%s", w.switch_name);
	return 0;
}

int extension_remote_attach(const char *socket, const struct vswitch_ext_module *module, char *error, size_t error_bytes,
			    struct extension_remote **out)
{
	struct extension_remote *r = calloc(1, sizeof(*r));
	char reason[VSWITCH_REFUSAL_BYTES] = "";
	struct vswitch_extension *e;
	int ret;

	if (!r)
		return fail(error, error_bytes, -ENOMEM, "out of memory");
	e = &r->e;
	e->module = module;
	e->fd = e->wake_fd = e->host_fd = -1;
	e->v.e = e->w.e = e;
	TAILQ_INIT(&e->ports);
	TAILQ_INIT(&e->nics);
	TAILQ_INIT(&e->held);
	ret = connect_to(e, socket);
	if (ret)
		ret = fail(error, error_bytes, ret, "%s: %s", socket, strerror(-ret));
	if (!ret) {
		ret = greet(e);
		if (ret)
			ret = fail(error, error_bytes, ret, "the switch turns the program away: it has one, or wants another class");
	}
	if (!ret && module->ops->attach) {
		ret = module->ops->attach(e, &services, e->config, reason, &e->instance);
		if (ret)
			ret = fail(error, error_bytes, ret, "%s: %s", module->name, reason);
	}
	e->attached = !ret;
	if (ret)
		extension_remote_detach(r);
	else
		*out = r;
	return ret;
}

void extension_remote_detach(struct extension_remote *remote)
{
	struct vswitch_extension *e;

	if (!remote)
		return;
	e = &remote->e;
	deactivate(e);
	if (e->attached && e->module->ops->detach)
		e->module->ops->detach(e->instance);
	if (e->memory)
		munmap(e->memory, sizeof(*e->memory));
	for (unsigned i = 0; i < 3; i++) {
		int fd = i == 0 ? e->fd : i == 1 ? e->wake_fd : e->host_fd;

		if (fd >= 0)
			close(fd);
	}
	free(remote);
}

void extension_remote_stats(const struct extension_remote *remote, struct extension_remote_stats *out)
{
	*out = remote->e.stats;
}
