/* SPDX-License-Identifier: MIT */
/*
 * An extension in a process of its own, seen from the switch: an ordinary extension that holds each
 * frame, puts a copy into a ring and waits for a verdict, for a bounded time.
 *
 *	LISTENING --connects--> GREETED --says hello--> ATTACHED --leaves, breaks the rules, does not read--> LISTENING
 *
 * Without a program, and for what it does not judge in time, the policy decides: open lets frames go
 * on, closed drops them. Of what the program writes, remote_ring.c and judge() believe nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/rd.h"
#include "vswitch/extension_internal.h"
#include "vswitch/remote_ring.h"

enum {
	DEFAULT_WAIT_MS = 20,		/* as the header says */
	MAX_WAIT_MS = 10000,
	DEFAULT_WAIT_FRAMES = 512,
	MAX_WAIT_FRAMES = 4096,
	RECORDS_PER_WAKE = 256,		/* our policy */
	TOKEN_INDEX_BITS = 16,
	BACKLOG_MAX = 16384,		/* our policy: events that the program has still to read */
};

#define NS_PER_MS 1000000ull

/* A frame that waits for its verdict. */
struct waiting {
	uint64_t held;			/* the switch's handle */
	uint64_t token;			/* generation and index + 1; 0: free */
	uint64_t deadline_ns;
	uint32_t generation;
	TAILQ_ENTRY(waiting) link;	/* by deadline, or free */
};
TAILQ_HEAD(waiting_list, waiting);

struct vswitch_remote {
	struct vswitch_extension *e;	/* owned */
	struct vswitch_ext_module module;
	struct hv_loop *loop;		/* borrowed: outlives it */
	struct hv_watch listener, control, doorbell;	/* their descriptors are owned; -1: none */
	bool greeted;			/* somebody is connected; attached: … and has said hello */
	int wake_fd;			/* owned; wakes the program */
	struct remote_memory *memory;	/* owned; NULL: no program */
	struct remote_ring out, in;
	uint32_t wants;
	struct remote_event *backlog;	/* owned; what the socket did not take yet */
	uint32_t num_backlog, backlog_room, backlog_sent;
	struct waiting *waiting;	/* owned; wait_frames of them */
	struct waiting_list queue, free;
	struct vswitch_remote_config config;	/* its texts are the fields below */
	struct vswitch_remote_stats stats;
	char program[VSWITCH_NAME_BYTES];
	char name[VSWITCH_NAME_BYTES];
	char text[REMOTE_TEXT_BYTES];
	struct sockaddr_un address;
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

static void decide_all(struct vswitch_remote *r, const char *why)
{
	struct waiting *w;

	while ((w = TAILQ_FIRST(&r->queue))) {
		decide(r, w->held, why);
		no_wait_any_more(r, w);
	}
	if (r->e->enabled)
		(void)extension_services.set_timer(r->e, 0);
}

static void timer(void *instance)
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

/* The end of a program. */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void stop_watch(struct hv_watch *w)
{
	hv_watch_stop(w);
	close_fd(&w->fd);
}

/* It is gone, whoever's fault that is; nothing waits for it any more. */
static void part(struct vswitch_remote *r, const char *why)
{
	if (!r->greeted)
		return;
	stop_watch(&r->control);
	r->greeted = false;
	if (!r->stats.attached)
		return;
	r->stats.attached = false;
	r->stats.deaths++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: program %s: %s; frames %s", r->e->sw->name, r->e->name,
	       r->program, why, r->config.fail_open ? "pass" : "are dropped");
	stop_watch(&r->doorbell);
	close_fd(&r->wake_fd);
	munmap(r->memory, sizeof(*r->memory));
	r->memory = NULL;
	r->num_backlog = r->backlog_sent = 0;
	decide_all(r, "the program is gone");
}

static void breach(struct vswitch_remote *r, const char *what)
{
	r->stats.breaches++;
	part(r, what);
}

/* Control messages. */

static bool send_now(struct vswitch_remote *r, const struct remote_event *ev)
{
	return send(r->control.fd, ev, sizeof(*ev), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*ev);
}

static bool keep_for_later(struct vswitch_remote *r, const struct remote_event *ev)
{
	uint32_t room = r->backlog_room ? 2 * r->backlog_room : 64;
	struct remote_event *more;

	if (r->num_backlog == r->backlog_room) {
		if (room > BACKLOG_MAX)
			return false;
		more = realloc(r->backlog, room * sizeof(*more));
		if (!more)
			return false;
		r->backlog = more;
		r->backlog_room = room;
	}
	r->backlog[r->num_backlog++] = *ev;
	return !hv_watch_modify(&r->control, POLLIN | POLLOUT);
}

static void send_event(struct vswitch_remote *r, const struct remote_event *ev)
{
	if (!r->stats.attached || (!r->num_backlog && send_now(r, ev)))
		return;
	if ((!r->num_backlog && errno != EAGAIN) || !keep_for_later(r, ev))
		part(r, "it does not read what it is told");
}

/* The socket takes more. */
static void send_backlog(struct vswitch_remote *r)
{
	while (r->backlog_sent < r->num_backlog) {
		if (!send_now(r, &r->backlog[r->backlog_sent]))
			return;
		r->backlog_sent++;
	}
	r->num_backlog = r->backlog_sent = 0;
	(void)hv_watch_modify(&r->control, POLLIN);
}

static void tell_port(struct vswitch_remote *r, uint32_t type, const struct vswitch_port_info *port)
{
	struct remote_event ev = { .type = type };

	ev.port = *port;
	send_event(r, &ev);
}

static void tell_nic(struct vswitch_remote *r, uint32_t type, const struct vswitch_nic_info *nic)
{
	struct remote_event ev = { .type = type };

	ev.nic = *nic;
	send_event(r, &ev);
}

static void tell_all_nics(struct vswitch_remote *r, const struct vswitch_port *p)
{
	const struct nic *nic;

	TAILQ_FOREACH(nic, &p->nics, link) {
		tell_nic(r, REMOTE_NIC_CREATE, &nic->info);
		if (nic->info.state >= VSWITCH_NIC_CONNECTED)
			tell_nic(r, REMOTE_NIC_CONNECT, &nic->info);
		if (nic->info.state >= VSWITCH_NIC_DISCONNECTED)
			tell_nic(r, REMOTE_NIC_DISCONNECT, &nic->info);
	}
}

/* The program begins with what is there. */
static void tell_all(struct vswitch_remote *r)
{
	const struct remote_event ev = { .type = REMOTE_ACTIVATE };
	struct vswitch_port_info info;
	const struct vswitch_port *p;

	send_event(r, &ev);
	TAILQ_FOREACH(p, &r->e->sw->ports, link) {
		vswitch_port_info(p, &info);
		tell_port(r, REMOTE_PORT_CREATE, &info);
		tell_all_nics(r, p);
		if (info.state >= VSWITCH_PORT_TEARDOWN)
			tell_port(r, REMOTE_PORT_TEARDOWN, &info);
	}
}

static void activate(void *instance)
{
	tell_all(instance);
}

static void deactivate(void *instance)
{
	const struct remote_event ev = { .type = REMOTE_DEACTIVATE };

	decide_all(instance, "the extension is disabled");
	send_event(instance, &ev);
}

static int port_create(void *instance, const struct vswitch_port_info *port, char *refusal)
{
	(void)refusal;
	tell_port(instance, REMOTE_PORT_CREATE, port);
	return VSWITCH_EXT_PASS;
}

static void port_updated(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_UPDATED, port);
}

static void port_teardown(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_TEARDOWN, port);
}

static void port_delete(void *instance, const struct vswitch_port_info *port)
{
	tell_port(instance, REMOTE_PORT_DELETE, port);
}

static int nic_create(void *instance, const struct vswitch_nic_info *nic, uint32_t *mtu, char *refusal)
{
	(void)mtu;
	(void)refusal;
	tell_nic(instance, REMOTE_NIC_CREATE, nic);
	return VSWITCH_EXT_PASS;
}

static void nic_connect(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_CONNECT, nic);
}

static void nic_updated(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_UPDATED, nic);
}

static void nic_disconnect(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_DISCONNECT, nic);
}

static void nic_delete(void *instance, const struct vswitch_nic_info *nic)
{
	tell_nic(instance, REMOTE_NIC_DELETE, nic);
}

/* Frames to the program. */

/* Puts a copy into its ring. False: there is no room, or no program any more. */
static bool show(struct vswitch_remote *r, const struct vswitch_ext_batch *b, uint32_t i, uint64_t token, bool egress)
{
	const struct vswitch_frame *f = b->frames[i];
	uint32_t n = remote_ring_round((uint32_t)sizeof(struct remote_frame) + f->len);
	struct remote_frame header = {
		.record = { n, REMOTE_FRAME },
		.token = token,
		.port = b->port,
		.len = f->len,
		.source = f->source,
		.vlan = f->vlan,
		.member = f->member,
		.egress = egress,
		.offload = f->offload,
	};
	bool broken;
	uint8_t *to = remote_ring_reserve(&r->out, n, &broken);

	if (broken)
		breach(r, "its place in the ring is impossible");
	if (!to)
		return false;
	memcpy(to, &header, sizeof(header));
	vswitch_frame_copy(f, 0, to + sizeof(header), f->len);
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
		w->deadline_ns = extension_services.now_ns(r->e) + r->config.wait_ms * NS_PER_MS;
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
	char reason[REMOTE_REASON_BYTES + 1] = "";
	int ret = -EINVAL;

	if (m->judgement > REMOTE_DIRECT || (m->judgement == REMOTE_DIRECT &&
	    (r->config.class != VSWITCH_EXT_FORWARD || !m->num_to || m->num_to > REMOTE_DESTINATIONS)))
		return false;
	if (!w)
		return true;
	memcpy(reason, m->reason, REMOTE_REASON_BYTES);
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
	struct vswitch_frame f = {
		.len = m->len,
		.vlan = m->vlan,
		.member = m->member,
		.offload = m->offload,
	};
	struct iovec rest;

	if (m->len < ETHERNET_BYTES || m->len > VSWITCH_FRAME_MAX_BYTES || m->len > m->record.bytes - sizeof(*m))
		return false;
	f.head_bytes = (uint16_t)(m->len < VSWITCH_HEAD_BYTES ? m->len : VSWITCH_HEAD_BYTES);
	memcpy(f.head, bytes, f.head_bytes);
	rd_fetched();
	rest = (struct iovec){ (void *)(uintptr_t)(bytes + f.head_bytes), m->len - f.head_bytes };
	f.segs = &rest;
	f.nsegs = rest.iov_len > 0;
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
		breach(r, "it wrote what it may not");
	else if (n > RECORDS_PER_WAKE)
		(void)eventfd_write(r->doorbell.fd, 1);	/* the rest in the next round */
}

static void rang(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, doorbell);
	eventfd_t n;

	(void)events;
	(void)eventfd_read(watch->fd, &n);
	begin_call(r->e);
	read_ring(r);
	end_call(r->e);
}

/* Attaching. */

static int make_memory(struct vswitch_remote *r, int *memory_fd)
{
	void *at;
	int fd = memfd_create("hvnet-extension", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* It can neither shrink under us nor grow. */
	if (ftruncate(fd, sizeof(*r->memory)) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		close(fd);
		return -errno;
	}
	at = mmap(NULL, sizeof(*r->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		close(fd);
		return -errno;
	}
	r->memory = at;
	r->out = (struct remote_ring){ &r->memory->to_program, r->memory->to_program_data, REMOTE_TO_PROGRAM_BYTES, 0 };
	r->in = (struct remote_ring){ &r->memory->to_host, r->memory->to_host_data, REMOTE_TO_HOST_BYTES, 0 };
	*memory_fd = fd;
	return 0;
}

static int send_welcome(struct vswitch_remote *r, const int fds[3])
{
	struct remote_welcome w = { REMOTE_WELCOME, REMOTE_MAGIC, REMOTE_VERSION, sizeof(*r->memory), "", "", "" };
	struct iovec iov = { &w, sizeof(w) };
	union { char bytes[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr aligned; } control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	snprintf(w.name, sizeof(w.name), "%s", r->name);
	snprintf(w.switch_name, sizeof(w.switch_name), "%s", r->e->sw->name);
	snprintf(w.config, sizeof(w.config), "%s", r->text);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
	return sendmsg(r->control.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(w) ? 0 : -EIO;
}

static int set_up(struct vswitch_remote *r)
{
	int fds[3] = { -1, -1, -1 }, ret = make_memory(r, &fds[0]);

	if (ret)
		return ret;
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = fds[1] < 0 || fds[2] < 0 ? -errno : send_welcome(r, fds);
	if (!ret)
		ret = hv_watch_start(r->loop, &r->doorbell, fds[2], POLLIN);
	close(fds[0]);
	if (ret) {
		close_fd(&fds[1]);
		close_fd(&fds[2]);
		munmap(r->memory, sizeof(*r->memory));
		r->memory = NULL;
		return ret;
	}
	r->wake_fd = fds[1];
	return 0;
}

static void turn_away(struct vswitch_remote *r, const char *why)
{
	r->stats.refused++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: a program is turned away: %s", r->e->sw->name, r->e->name, why);
	part(r, why);
}

static void hello(struct vswitch_remote *r, const struct remote_hello *h)
{
	if (h->type != REMOTE_HELLO || h->magic != REMOTE_MAGIC || h->version != REMOTE_VERSION) {
		turn_away(r, "it speaks another protocol");
		return;
	}
	if (h->class != r->config.class) {
		turn_away(r, "its module is of another class");
		return;
	}
	if (set_up(r)) {
		turn_away(r, "what it needs cannot be had");
		return;
	}
	snprintf(r->program, sizeof(r->program), "%.*s", (int)sizeof(h->name) - 1, h->name);
	r->wants = h->wants;
	r->stats.attached = true;
	r->stats.attaches++;
	hv_log(HV_LOG_NOTICE, "switch \"%s\": extension %s: program %s attached", r->e->sw->name, r->e->name, r->program);
	if (r->e->enabled)
		tell_all(r);
}

static void said(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, control);
	struct remote_hello h;
	ssize_t n;

	if (events & POLLOUT)
		send_backlog(r);
	n = recv(watch->fd, &h, sizeof(h), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	begin_call(r->e);
	if (n <= 0)
		part(r, "it left");
	else if (r->stats.attached || n != sizeof(h))
		breach(r, "it said what it may not");
	else
		hello(r, &h);
	end_call(r->e);
}

/* The user that runs this process, or root. */
static bool may_attach(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) && (!peer.uid || peer.uid == geteuid());
}

static void connected(struct hv_watch *watch, uint32_t events)
{
	struct vswitch_remote *r = hv_container_of(watch, struct vswitch_remote, listener);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (r->stats.attached || !may_attach(fd)) {
		r->stats.refused++;
		close(fd);
		return;
	}
	part(r, "another came before it said hello");
	if (hv_watch_start(r->loop, &r->control, fd, POLLIN)) {
		close(fd);
		return;
	}
	r->greeted = true;
}

/* Creating. */

static const struct vswitch_ext_ops remote_ops = {
	.activate = activate,
	.deactivate = deactivate,
	.port_create = port_create,
	.port_updated = port_updated,
	.port_teardown = port_teardown,
	.port_delete = port_delete,
	.nic_create = nic_create,
	.nic_connect = nic_connect,
	.nic_updated = nic_updated,
	.nic_disconnect = nic_disconnect,
	.nic_delete = nic_delete,
	.timer = timer,
};
static const struct vswitch_ext_capture_ops capture_ops = { capture_ingress, capture_egress, NULL };
static const struct vswitch_ext_filter_ops filter_ops = { judge_ingress, egress, NULL };
static const struct vswitch_ext_forward_ops forward_ops = { forward_ingress, egress, NULL };

static int listen_at(struct vswitch_remote *r)
{
	const struct sockaddr *address = (const struct sockaddr *)&r->address;
	struct stat st;
	int fd, ret = 0;

	/* What an earlier run has left. */
	if (!lstat(r->address.sun_path, &st) && S_ISSOCK(st.st_mode))
		unlink(r->address.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, address, sizeof(r->address)) || chmod(r->address.sun_path, 0660) || listen(fd, 4))
		ret = -errno;
	if (!ret)
		ret = hv_watch_start(r->loop, &r->listener, fd, POLLIN);
	if (ret)
		close(fd);
	return ret;
}

static int put_on_stack(struct vswitch_remote *r, struct vswitch *sw)
{
	const struct vswitch_extension_config config = {
		.name = r->name,
		.limits = { .held_frames = r->config.wait_frames + VSWITCH_BATCH },
	};
	int ret;

	r->module = (struct vswitch_ext_module){
		.abi = VSWITCH_EXT_ABI,
		.size = sizeof(r->module),
		.ops_size = sizeof(remote_ops),
		.class = r->config.class,
		.name = "remote",
		.ops = &remote_ops,
		.capture = r->config.class == VSWITCH_EXT_CAPTURE ? &capture_ops : NULL,
		.filter = r->config.class == VSWITCH_EXT_FILTER ? &filter_ops : NULL,
		.forward = r->config.class == VSWITCH_EXT_FORWARD ? &forward_ops : NULL,
	};
	ret = vswitch_extension_attach(sw, &r->module, &config, &r->e);
	if (!ret)
		r->e->instance = r;
	return ret;
}

static int take_config(struct vswitch_remote *r, const struct vswitch_remote_config *c)
{
	const char *text = c->config ? c->config : "";

	r->config = *c;
	r->config.wait_ms = c->wait_ms ? c->wait_ms : DEFAULT_WAIT_MS;
	r->config.wait_frames = c->wait_frames ? c->wait_frames : DEFAULT_WAIT_FRAMES;
	if (r->config.wait_ms > MAX_WAIT_MS || r->config.wait_frames > MAX_WAIT_FRAMES ||
	    strlen(c->name) >= sizeof(r->name) || strlen(c->socket) >= sizeof(r->address.sun_path) ||
	    strlen(text) >= sizeof(r->text))
		return -EINVAL;
	strcpy(r->name, c->name);
	strcpy(r->text, text);
	r->address.sun_family = AF_UNIX;
	strcpy(r->address.sun_path, c->socket);
	r->waiting = calloc(r->config.wait_frames, sizeof(*r->waiting));
	if (!r->waiting)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->config.wait_frames; i++)
		TAILQ_INSERT_TAIL(&r->free, &r->waiting[i], link);
	return 0;
}

int vswitch_remote_create(struct vswitch *sw, struct hv_loop *loop, const struct vswitch_remote_config *config,
			  struct vswitch_remote **out)
{
	struct vswitch_remote *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->listener = (struct hv_watch){ .ready = connected, .fd = -1 };
	r->control = (struct hv_watch){ .ready = said, .fd = -1 };
	r->doorbell = (struct hv_watch){ .ready = rang, .fd = -1 };
	r->wake_fd = -1;
	TAILQ_INIT(&r->queue);
	TAILQ_INIT(&r->free);
	ret = take_config(r, config);
	if (!ret)
		ret = put_on_stack(r, sw);
	if (!ret)
		ret = listen_at(r);
	if (ret)
		vswitch_remote_destroy(r);
	else
		*out = r;
	return ret;
}

void vswitch_remote_destroy(struct vswitch_remote *remote)
{
	if (!remote)
		return;
	if (remote->listener.fd >= 0)
		unlink(remote->address.sun_path);
	stop_watch(&remote->listener);
	if (remote->e) {
		EXTENSION_CALL(remote->e, part(remote, "the extension goes"));
		vswitch_extension_detach(remote->e);
	}
	free(remote->waiting);
	free(remote->backlog);
	free(remote);
}

struct vswitch_extension *vswitch_remote_extension(struct vswitch_remote *remote)
{
	return remote->e;
}

void vswitch_remote_stats(const struct vswitch_remote *remote, struct vswitch_remote_stats *out)
{
	*out = remote->stats;
}
