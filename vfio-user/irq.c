/* SPDX-License-Identifier: MIT */
#include "vfio-user/irq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct vfu_set {			/* a checked SET_IRQS */
	uint32_t index, start, count;
	uint32_t data, action;		/* one VFU_SET_* each */
	const uint8_t *bools;
	int *fds;
	unsigned num_fds;
};

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	/* EAGAIN: the counter is full, so the interrupt is pending already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void vector_fire(struct vfu_vector *v)
{
	if (v->masked)
		v->pending = true;
	else
		signal_fd(v->fd);
}

static void vector_unmask(struct vfu_vector *v)
{
	v->masked = false;
	if (v->pending)
		signal_fd(v->fd);
	v->pending = false;
}

static void intx_evaluate(struct vfu_irqs *q)
{
	struct vfu_vector *v = q->vector[VFU_IRQ_INTX];

	if (!q->count[VFU_IRQ_INTX] || !q->level || v->masked || q->intx_off || v->fd < 0 ||
	    q->refire.loop)
		return;
	v->masked = true;
	signal_fd(v->fd);
}

static void intx_refire(struct hv_timer *t)
{
	intx_evaluate((struct vfu_irqs *)((char *)t - offsetof(struct vfu_irqs, refire)));
}

static void intx_unmask(struct vfu_irqs *q)
{
	struct vfu_vector *v = q->vector[VFU_IRQ_INTX];

	if (!v->masked)
		return;
	v->masked = false;
	if (q->level && hv_timer_arm(q->loop, &q->refire, hv_now_ns() + VFU_INTX_REFIRE_NS))
		intx_evaluate(q);	/* no memory for the delay: at once is right too */
}

/* The guest's interrupt controller saw the end of the interrupt (KVM's resample eventfd). */
static void unmask_ready(struct hv_watch *w, uint32_t events)
{
	struct vfu_irqs *q = (struct vfu_irqs *)((char *)w - offsetof(struct vfu_irqs, unmask_watch));
	uint64_t times;
	struct iovec iov = { &times, sizeof(times) };
	ssize_t n;

	/* The client can take O_NONBLOCK off behind our back: ask for no waiting with each read. */
	n = preadv2(w->fd, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		n = read(w->fd, &times, sizeof(times));
	if (n == sizeof(times))
		intx_unmask(q);
	else if (!(events & POLLIN) || errno != EAGAIN)
		hv_watch_stop(w);
}

int vfu_irqs_init(struct vfu_irqs *q, struct hv_loop *loop, struct vfu_stats *stats, bool intx,
		  unsigned msi, unsigned msix)
{
	memset(q, 0, sizeof(*q));
	q->loop = loop;
	q->stats = stats;
	q->unmask_fd = -1;
	q->unmask_watch.ready = unmask_ready;
	q->refire.fire = intx_refire;
	q->count[VFU_IRQ_INTX] = intx;
	q->count[VFU_IRQ_MSI] = msi;
	q->count[VFU_IRQ_MSIX] = msix;
	for (unsigned i = 0; i < VFU_NUM_IRQS; i++) {
		q->vector[i] = calloc(q->count[i] + 1, sizeof(*q->vector[i]));
		if (!q->vector[i]) {
			vfu_irqs_destroy(q);
			return -ENOMEM;
		}
		for (unsigned n = 0; n < q->count[i]; n++)
			q->vector[i][n].fd = -1;
	}
	return 0;
}

static void drop_unmask_fd(struct vfu_irqs *q)
{
	if (hv_watch_active(&q->unmask_watch))
		hv_watch_stop(&q->unmask_watch);
	close_fd(&q->unmask_fd);
}

static void disable_index(struct vfu_irqs *q, uint32_t index)
{
	for (unsigned n = 0; n < q->count[index]; n++) {
		close_fd(&q->vector[index][n].fd);
		q->vector[index][n].masked = q->vector[index][n].pending = false;
	}
	if (index == VFU_IRQ_INTX) {
		hv_timer_cancel(&q->refire);
		drop_unmask_fd(q);
	}
}

void vfu_irqs_reset(struct vfu_irqs *q)
{
	q->level = q->intx_off = false;
	hv_timer_cancel(&q->refire);
	for (unsigned i = 0; i < VFU_NUM_IRQS; i++)
		for (unsigned n = 0; n < q->count[i]; n++)
			q->vector[i][n].masked = q->vector[i][n].pending = false;
}

void vfu_irqs_release(struct vfu_irqs *q)
{
	for (unsigned i = 0; i < VFU_NUM_IRQS; i++)
		disable_index(q, i);
}

void vfu_irqs_destroy(struct vfu_irqs *q)
{
	for (unsigned i = 0; i < VFU_NUM_IRQS; i++) {
		if (q->vector[i])
			disable_index(q, i);
		free(q->vector[i]);
		q->vector[i] = NULL;
		q->count[i] = 0;
	}
}

int vfu_irqs_info(const struct vfu_irqs *q, uint32_t index, uint32_t *flags, uint32_t *count)
{
	if (index >= VFU_NUM_IRQS)
		return vfu_refuse(q->stats, VFU_C_IRQ_INDEX, -EINVAL);
	/* QEMU asks for the error interrupt at every attach and takes "no" quietly, but not "0". */
	if (index > VFU_IRQ_MSIX)
		return -EINVAL;
	*count = q->count[index];
	*flags = VFU_IRQ_EVENTFD;
	if (index == VFU_IRQ_INTX)
		*flags |= VFU_IRQ_MASKABLE | VFU_IRQ_AUTOMASKED;
	return 0;
}

/* Is it an eventfd on which a write will not block? */
static bool good_eventfd(int fd)
{
	char path[40], name[32];
	int flags = fcntl(fd, F_GETFL);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	return flags >= 0 && (flags & O_NONBLOCK) && n == (ssize_t)strlen("anon_inode:[eventfd]") &&
	       !memcmp(name, "anon_inode:[eventfd]", (size_t)n);
}

static bool one_bit(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* Data of the right kind and amount for the count? */
static int check_data(struct vfu_irqs *q, const struct vfu_set *s, size_t num_bools)
{
	if (num_bools != (s->data == VFU_SET_DATA_BOOL ? s->count : 0))
		return vfu_refuse(q->stats, VFU_C_PAYLOAD_SIZE, -EINVAL);
	if (s->num_fds && (s->data != VFU_SET_DATA_EVENTFD || s->num_fds != s->count))
		return vfu_refuse(q->stats, VFU_C_FDS_COUNT, -EINVAL);
	for (unsigned i = 0; i < s->num_fds; i++)
		if (!good_eventfd(s->fds[i]))
			return vfu_refuse(q->stats, VFU_C_IRQ_FD, -EINVAL);
	return 0;
}

static int check(struct vfu_irqs *q, const struct vfu_set *s)
{
	uint32_t n;

	if (s->index >= VFU_NUM_IRQS)
		return vfu_refuse(q->stats, VFU_C_IRQ_INDEX, -EINVAL);
	if (!one_bit(s->data) || !one_bit(s->action))
		return vfu_refuse(q->stats, VFU_C_IRQ_FLAGS, -EINVAL);
	n = q->count[s->index];
	if (s->start > n || s->count > n - s->start)
		return vfu_refuse(q->stats, VFU_C_IRQ_RANGE, -EINVAL);
	if (!s->count && (s->start || s->data != VFU_SET_DATA_NONE || s->action != VFU_SET_TRIGGER))
		return vfu_refuse(q->stats, VFU_C_IRQ_RANGE, -EINVAL);
	/* An eventfd can trigger, and INTx also be unmasked by one; nothing is masked by one. */
	if (s->data == VFU_SET_DATA_EVENTFD && s->action != VFU_SET_TRIGGER &&
	    !(s->action == VFU_SET_UNMASK && s->index == VFU_IRQ_INTX))
		return vfu_refuse(q->stats, VFU_C_IRQ_FLAGS, -EINVAL);
	return 0;
}

static int set_unmask_fd(struct vfu_irqs *q, int *fd)
{
	int ret = 0;

	drop_unmask_fd(q);
	if (fd) {
		q->unmask_fd = *fd;
		*fd = -1;
		ret = hv_watch_start(q->loop, &q->unmask_watch, q->unmask_fd, POLLIN);
		if (ret)
			close_fd(&q->unmask_fd);
	}
	return ret;
}

static int set_eventfds(struct vfu_irqs *q, const struct vfu_set *s)
{
	if (s->action == VFU_SET_UNMASK)
		return set_unmask_fd(q, s->num_fds ? s->fds : NULL);
	for (uint32_t i = 0; i < s->count; i++) {
		struct vfu_vector *v = &q->vector[s->index][s->start + i];

		close_fd(&v->fd);
		if (s->num_fds) {
			v->fd = s->fds[i];
			s->fds[i] = -1;
		}
	}
	if (s->index == VFU_IRQ_INTX) {
		hv_timer_cancel(&q->refire);
		q->vector[VFU_IRQ_INTX]->masked = false;
		intx_evaluate(q);
	}
	return 0;
}

static void apply(struct vfu_irqs *q, const struct vfu_set *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct vfu_vector *v = &q->vector[s->index][s->start + i];

		if (s->data == VFU_SET_DATA_BOOL && !s->bools[i])
			continue;
		if (s->action == VFU_SET_TRIGGER)
			signal_fd(v->fd);
		else if (s->action == VFU_SET_MASK)
			v->masked = true;
		else if (s->index == VFU_IRQ_INTX)
			intx_unmask(q);
		else
			vector_unmask(v);
	}
}

int vfu_irqs_set(struct vfu_irqs *q, const struct vfu_wire_set_irqs *set, const uint8_t *bools,
		 size_t n, int *fds, unsigned num_fds)
{
	uint32_t flags = le32_get(set->flags);
	struct vfu_set s = { .index = le32_get(set->index), .start = le32_get(set->start),
			     .count = le32_get(set->count), .data = flags & VFU_SET_DATA_MASK,
			     .action = flags & VFU_SET_ACTION_MASK, .bools = bools,
			     .fds = fds, .num_fds = num_fds };
	int ret;

	if (flags & ~(uint32_t)(VFU_SET_DATA_MASK | VFU_SET_ACTION_MASK))
		return vfu_refuse(q->stats, VFU_C_IRQ_FLAGS, -EINVAL);
	ret = check(q, &s);
	if (!ret)
		ret = check_data(q, &s, n);
	if (ret)
		return ret;
	if (!s.count)
		disable_index(q, s.index);
	else if (s.data == VFU_SET_DATA_EVENTFD)
		ret = set_eventfds(q, &s);
	else
		apply(q, &s);
	return ret;
}

/* The vector of an index if it exists and somebody listens to it. */
static struct vfu_vector *listening(const struct vfu_irqs *q, uint32_t index, unsigned vector)
{
	struct vfu_vector *v = vector < q->count[index] ? &q->vector[index][vector] : NULL;

	return v && v->fd >= 0 ? v : NULL;
}

bool vfu_irqs_listening(const struct vfu_irqs *q, unsigned vector)
{
	return listening(q, VFU_IRQ_MSIX, vector) || listening(q, VFU_IRQ_MSI, vector);
}

int vfu_irqs_raise(struct vfu_irqs *q, unsigned vector)
{
	struct vfu_vector *v = listening(q, VFU_IRQ_MSIX, vector);

	if (vector >= q->count[VFU_IRQ_MSI] && vector >= q->count[VFU_IRQ_MSIX])
		return -EINVAL;
	if (!v)
		v = listening(q, VFU_IRQ_MSI, vector);
	if (!v) {
		vfu_count(q->stats, VFU_C_IRQ_LOST);
		return -ENOENT;
	}
	vector_fire(v);
	return 0;
}

void vfu_irqs_set_level(struct vfu_irqs *q, bool high)
{
	q->level = high;
	if (high)
		intx_evaluate(q);
	else
		hv_timer_cancel(&q->refire);
}

void vfu_irqs_set_intx_off(struct vfu_irqs *q, bool off)
{
	q->intx_off = off;
	if (!off)
		intx_evaluate(q);
}
