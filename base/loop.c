/* SPDX-License-Identifier: MIT */
/*
 * A round of the loop:
 *
 *   arm what waits to be armed -> sleep, if nothing is pending -> descriptors -> posted work
 *   -> timers that are due -> pollers
 *
 * Watches are one-shot polls that are armed again after ready() has returned: a poll on a
 * descriptor that is ready completes as it is submitted, so this is level-triggered, and all of a
 * round's arming is one io_uring_enter(2). (A multishot poll reports edges only.)
 *
 * A watch is known to the kernel by the index of its slot and the slot's generation, which every
 * arming, change and stop moves on. So the completion of a poll that was stopped finds nobody,
 * also when its slot, its struct hv_watch or its descriptor number has a new owner.
 *
 * Polls are submitted only by the thread that runs the loop: the kernel completes them in the
 * context of the thread that submitted them.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define SQ_ENTRIES 256		/* our policy: armings in one system call */
#define CQ_ENTRIES 4096		/* our policy; more than that the kernel queues, and nothing is lost */
#define SPIN_NS 20000		/* our policy, as loop.h says */
#define CROWDED_NS 5000		/* our policy: a yield that nobody takes up is back in less than one … */
#define CROWDED_FOR_NS 10000000	/* … and for how long that is held against the processor */
#define DRAIN_NS 1000000000ull	/* our policy: patience with the kernel's cancellations */
#define GEN_BITS 40
#define NO_INDEX UINT32_MAX
#define DUE_BIT 0x80000000u	/* in heap_index: an index into due[], not heap[] */

struct slot {
	struct hv_watch *watch;	/* borrowed: active until hv_watch_stop(); NULL: free */
	uint64_t generation;	/* never 0 in a user_data, which marks what nobody waits for */
	uint32_t arm_index;	/* in to_arm[], or NO_INDEX */
	uint32_t next_free;
	bool armed;		/* the kernel has a poll of this generation */
};

struct hv_loop {
	struct io_uring ring;	/* owned */
	bool have_ring;
	uint64_t in_kernel;	/* submitted and not yet completed */

	struct slot *slots;	/* owned */
	uint32_t *to_arm;	/* owned; slots that want a poll */
	uint32_t num_slots, num_to_arm, free_slot;

	struct hv_timer **heap;	/* owned; binary heap by deadline, as long as capacity */
	struct hv_timer **due;	/* owned; taken off the heap, about to fire */
	uint32_t heap_used, heap_capacity, due_used;

	TAILQ_HEAD(, hv_poller) pollers;
	uint32_t num_pollers;
	struct hv_poller *next_poller;		/* of the walk in progress */
	struct hv_poller *current_poller;	/* inside its callback; NULL once stopped in there */
	bool current_kicked;
	uint64_t crowded_until_ns;		/* somebody else waits for this processor */
	uint64_t spin_ns;

	struct hv_watch wake;	/* on wake_fd */
	int wake_fd;		/* owned */

	/* Any thread. */
	_Atomic(struct hv_work *) posted;	/* newest first */
	atomic_bool sleeping;			/* a poster must write wake_fd */
	atomic_bool stop;

	struct hv_loop_stats stats;
};

uint64_t hv_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Submissions. */

static int submit(struct hv_loop *loop)
{
	int ret;

	if (!io_uring_sq_ready(&loop->ring))
		return 0;
	loop->stats.enters++;
	ret = io_uring_submit(&loop->ring);
	/* Short of memory or of room for completions: what is queued stays and goes next round. */
	return ret < 0 && ret != -EAGAIN && ret != -EBUSY && ret != -EINTR ? ret : 0;
}

static struct io_uring_sqe *get_sqe(struct hv_loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	if (!sqe) {
		submit(loop);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	if (sqe)
		loop->in_kernel++;
	return sqe;
}

static uint64_t slot_user_data(const struct hv_loop *loop, uint32_t index)
{
	return loop->slots[index].generation | (uint64_t)index << GEN_BITS;
}

static void next_generation(struct slot *s)
{
	s->generation = (s->generation + 1) & ((1ull << GEN_BITS) - 1);
	if (!s->generation)
		s->generation = 1;
}

/* The poll of this slot finds nobody from here on. */
static void disarm(struct hv_loop *loop, uint32_t index)
{
	struct slot *s = &loop->slots[index];
	struct io_uring_sqe *sqe;

	if (s->armed) {
		sqe = get_sqe(loop);
		/* Without room the poll stays until it completes by itself; nobody hears of it. */
		if (sqe) {
			io_uring_prep_poll_remove(sqe, slot_user_data(loop, index));
			sqe->user_data = 0;
		}
		s->armed = false;
	}
	next_generation(s);
}

static void want_arm(struct hv_loop *loop, uint32_t index)
{
	struct slot *s = &loop->slots[index];

	if (s->arm_index != NO_INDEX)
		return;
	s->arm_index = loop->num_to_arm;
	loop->to_arm[loop->num_to_arm++] = index;
}

static void unwant_arm(struct hv_loop *loop, uint32_t index)
{
	struct slot *s = &loop->slots[index];
	uint32_t last;

	if (s->arm_index == NO_INDEX)
		return;
	last = loop->to_arm[--loop->num_to_arm];
	loop->to_arm[s->arm_index] = last;
	loop->slots[last].arm_index = s->arm_index;
	s->arm_index = NO_INDEX;
}

static int arm_all(struct hv_loop *loop)
{
	while (loop->num_to_arm) {
		uint32_t index = loop->to_arm[loop->num_to_arm - 1];
		struct slot *s = &loop->slots[index];
		struct io_uring_sqe *sqe = get_sqe(loop);

		if (!sqe)
			return -EAGAIN;
		io_uring_prep_poll_add(sqe, s->watch->fd, s->watch->events);
		next_generation(s);
		sqe->user_data = slot_user_data(loop, index);
		s->armed = true;
		s->arm_index = NO_INDEX;
		loop->num_to_arm--;
	}
	return 0;
}

/* Watches. */

static int grow_slots(struct hv_loop *loop)
{
	uint32_t n = loop->num_slots ? loop->num_slots * 2 : 64;
	struct slot *slots = realloc(loop->slots, n * sizeof(*slots));
	uint32_t *to_arm;

	if (!slots)
		return -ENOMEM;
	loop->slots = slots;
	to_arm = realloc(loop->to_arm, n * sizeof(*to_arm));
	if (!to_arm)
		return -ENOMEM;
	loop->to_arm = to_arm;
	for (uint32_t i = n; i-- > loop->num_slots;) {
		slots[i] = (struct slot){ .arm_index = NO_INDEX, .next_free = loop->free_slot };
		loop->free_slot = i;
	}
	loop->num_slots = n;
	return 0;
}

int hv_watch_start(struct hv_loop *loop, struct hv_watch *w, int fd, uint32_t events)
{
	uint32_t index;
	int ret;

	assert(w->ready);
	if (w->loop)
		return -EBUSY;
	if (loop->free_slot == NO_INDEX) {
		ret = grow_slots(loop);
		if (ret)
			return ret;
	}
	index = loop->free_slot;
	loop->free_slot = loop->slots[index].next_free;
	loop->slots[index].watch = w;
	w->fd = fd;
	w->events = events;
	w->loop = loop;
	w->slot = index;
	want_arm(loop, index);
	return 0;
}

int hv_watch_modify(struct hv_watch *w, uint32_t events)
{
	struct hv_loop *loop = w->loop;

	if (!loop)
		return -EINVAL;
	if (events == w->events)
		return 0;
	w->events = events;
	if (loop->slots[w->slot].armed) {
		disarm(loop, w->slot);
		want_arm(loop, w->slot);
	}
	return 0;
}

void hv_watch_stop(struct hv_watch *w)
{
	struct hv_loop *loop = w->loop;
	struct slot *s;
	bool armed;

	if (!loop)
		return;
	s = &loop->slots[w->slot];
	armed = s->armed;
	unwant_arm(loop, w->slot);
	disarm(loop, w->slot);
	/* At once: the poll holds the file, and the owner's close() shall really close it. */
	if (armed)
		submit(loop);
	s->watch = NULL;
	s->next_free = loop->free_slot;
	loop->free_slot = w->slot;
	w->loop = NULL;
}

static void watch_completed(struct hv_loop *loop, uint64_t user_data, int32_t res)
{
	uint32_t index = (uint32_t)(user_data >> GEN_BITS);
	uint64_t generation = user_data & ((1ull << GEN_BITS) - 1);
	struct hv_watch *w;
	uint32_t events;

	if (!generation || index >= loop->num_slots)
		return;
	if (loop->slots[index].generation != generation || !loop->slots[index].armed)
		return;
	loop->slots[index].armed = false;
	w = loop->slots[index].watch;
	if (res == -ECANCELED) {	/* by the kernel: a poll that we removed finds nobody */
		want_arm(loop, index);
		return;
	}
	events = res < 0 ? POLLERR : (uint32_t)res & (w->events | POLLHUP | POLLERR | POLLNVAL);
	if (events)
		w->ready(w, events);
	/* In there w may have been stopped and freed, the table moved: only the slot can tell. */
	if (loop->slots[index].generation == generation)
		want_arm(loop, index);
}

static void run_completions(struct hv_loop *loop)
{
	/* Only what is there now: what the callbacks cause belongs to the next round. */
	for (unsigned n = io_uring_cq_ready(&loop->ring); n; n--) {
		struct io_uring_cqe *cqe;
		uint64_t user_data;
		int32_t res;

		if (io_uring_peek_cqe(&loop->ring, &cqe) || !cqe)
			return;
		user_data = cqe->user_data;
		res = cqe->res;
		io_uring_cqe_seen(&loop->ring, cqe);
		loop->in_kernel--;
		watch_completed(loop, user_data, res);
	}
}

/* Timers. */

static void heap_put(struct hv_loop *loop, uint32_t i, struct hv_timer *t)
{
	loop->heap[i] = t;
	t->heap_index = i;
}

static void heap_sift(struct hv_loop *loop, uint32_t i, struct hv_timer *t)
{
	while (i && loop->heap[(i - 1) / 2]->deadline_ns > t->deadline_ns) {
		heap_put(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < loop->heap_used &&
		    loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
			child++;
		if (child >= loop->heap_used || loop->heap[child]->deadline_ns >= t->deadline_ns)
			break;
		heap_put(loop, i, loop->heap[child]);
		i = child;
	}
	heap_put(loop, i, t);
}

static void heap_remove(struct hv_loop *loop, uint32_t i)
{
	struct hv_timer *last = loop->heap[--loop->heap_used];

	if (i < loop->heap_used)
		heap_sift(loop, i, last);
}

static int grow_heap(struct hv_loop *loop)
{
	uint32_t n = loop->heap_capacity ? loop->heap_capacity * 2 : 64;
	struct hv_timer **p = realloc(loop->heap, n * sizeof(*p));

	if (!p)
		return -ENOMEM;
	loop->heap = p;
	p = realloc(loop->due, n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	loop->due = p;
	loop->heap_capacity = n;
	return 0;
}

int hv_timer_arm(struct hv_loop *loop, struct hv_timer *t, uint64_t deadline_ns)
{
	int ret;

	assert(t->fire);
	hv_timer_cancel(t);
	if (loop->heap_used == loop->heap_capacity) {
		ret = grow_heap(loop);
		if (ret)
			return ret;
	}
	t->loop = loop;
	t->deadline_ns = deadline_ns;
	heap_sift(loop, loop->heap_used++, t);
	return 0;
}

void hv_timer_cancel(struct hv_timer *t)
{
	if (!t->loop)
		return;
	if (t->heap_index & DUE_BIT)
		t->loop->due[t->heap_index & ~DUE_BIT] = NULL;
	else
		heap_remove(t->loop, t->heap_index);
	t->loop = NULL;
}

/* Those due are taken off first, so that one that arms itself in the past waits for its turn. */
static void run_timers(struct hv_loop *loop)
{
	uint64_t now;

	if (!loop->heap_used)
		return;
	now = hv_now_ns();
	loop->due_used = 0;
	while (loop->heap_used && loop->heap[0]->deadline_ns <= now) {
		struct hv_timer *t = loop->heap[0];

		heap_remove(loop, 0);
		t->heap_index = loop->due_used | DUE_BIT;
		loop->due[loop->due_used++] = t;
	}
	for (uint32_t i = 0; i < loop->due_used; i++) {
		struct hv_timer *t = loop->due[i];

		if (!t)
			continue;
		t->loop = NULL;
		t->fire(t);
	}
}

/* Work from other threads. */

static void wake(struct hv_loop *loop)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(loop->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);	/* EAGAIN: the counter is full, so it is readable */
}

static void wake_ready(struct hv_watch *w, uint32_t events)
{
	uint64_t count;
	ssize_t ignored = read(w->fd, &count, sizeof(count));	/* only the wake-up counts */

	(void)ignored;
	(void)events;
}

void hv_loop_post(struct hv_loop *loop, struct hv_work *w)
{
	struct hv_work *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

	do
		w->next = head;
	while (!atomic_compare_exchange_weak(&loop->posted, &head, w));
	/* Sequentially consistent, as in may_sleep(): either we see it asleep or it sees the work. */
	if (atomic_load(&loop->sleeping))
		wake(loop);
}

void hv_loop_stop(struct hv_loop *loop)
{
	atomic_store(&loop->stop, true);
	if (atomic_load(&loop->sleeping))
		wake(loop);
}

static void run_posted(struct hv_loop *loop)
{
	struct hv_work *w, *next, *in_order = NULL;

	if (!atomic_load_explicit(&loop->posted, memory_order_relaxed))
		return;
	for (w = atomic_exchange(&loop->posted, NULL); w; w = next) {
		next = w->next;
		w->next = in_order;
		in_order = w;
	}
	for (w = in_order; w; w = next) {
		next = w->next;	/* from run() on, w is the poster's again */
		w->run(w);
	}
}

/* Announces the sleep, then looks once more: pairs with hv_loop_post() and hv_loop_stop(). */
static bool may_sleep(struct hv_loop *loop)
{
	atomic_store(&loop->sleeping, true);
	return !atomic_load(&loop->posted) && !atomic_load(&loop->stop);
}

/* Pollers. */

void hv_poller_kick(struct hv_loop *loop, struct hv_poller *p)
{
	if (loop->current_poller == p)
		loop->current_kicked = true;
	if (p->loop)
		return;
	p->loop = loop;
	p->idle_since_ns = 0;
	TAILQ_INSERT_TAIL(&loop->pollers, p, link);
	loop->num_pollers++;
}

void hv_poller_stop(struct hv_poller *p)
{
	struct hv_loop *loop = p->loop;

	if (!loop)
		return;
	if (loop->next_poller == p)
		loop->next_poller = TAILQ_NEXT(p, link);
	if (loop->current_poller == p)
		loop->current_poller = NULL;
	TAILQ_REMOVE(&loop->pollers, p, link);
	loop->num_pollers--;
	p->loop = NULL;
}

void hv_loop_set_spin(struct hv_loop *loop, uint64_t spin_ns)
{
	loop->spin_ns = spin_ns;
}

/*
 * Between two looks at rings in which there is nothing. Spinning on a processor that others wait for makes them late, perhaps the very
 * one who is to fill the ring, and has the scheduler put us last when there is work again.
 */
static void give_way(struct hv_loop *loop)
{
	const uint64_t before = hv_now_ns();
	uint64_t after;

	sched_yield();
	after = hv_now_ns();
	if (after - before > CROWDED_NS)
		loop->crowded_until_ns = after + CROWDED_FOR_NS;
}

static uint64_t spin_time(const struct hv_loop *loop, const struct hv_poller *p, uint64_t now)
{
	if (!p->spin_ns || (now < loop->crowded_until_ns && p->spin_ns > loop->spin_ns))
		return loop->spin_ns;
	return p->spin_ns;
}

static bool run_poller(struct hv_loop *loop, struct hv_poller *p)
{
	bool parks;
	uint64_t now;

	loop->current_poller = p;
	loop->current_kicked = false;
	if (p->poll(p)) {
		if (loop->current_poller == p)
			p->idle_since_ns = 0;
		return true;
	}
	if (loop->current_poller != p)	/* stopped, perhaps freed, in its own poll() */
		return false;
	now = hv_now_ns();
	if (!p->idle_since_ns)
		p->idle_since_ns = now;
	if (now - p->idle_since_ns < spin_time(loop, p, now))
		return false;
	loop->current_kicked = false;
	parks = p->sleep(p);
	/* Whoever kicked it in the meantime has work for it. */
	if (loop->current_poller == p && parks && !loop->current_kicked)
		hv_poller_stop(p);
	return false;
}

static void run_pollers(struct hv_loop *loop)
{
	uint32_t n = loop->num_pollers;	/* those kicked on the way have their turn next round */
	bool worked = false;
	struct hv_poller *p;

	loop->next_poller = TAILQ_FIRST(&loop->pollers);
	while (n-- && (p = loop->next_poller)) {
		loop->next_poller = TAILQ_NEXT(p, link);
		worked |= run_poller(loop, p);
		loop->current_poller = NULL;
	}
	loop->next_poller = NULL;
	if (!worked && loop->num_pollers)
		give_way(loop);
}

/* Rounds. */

static bool kernel_has_more(struct hv_loop *loop)
{
	return __atomic_load_n(loop->ring.sq.kflags, __ATOMIC_RELAXED) &
	       (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN);
}

static int enter_and_wait(struct hv_loop *loop, uint64_t wait_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(wait_ns / 1000000000u),
		.tv_nsec = (long long)(wait_ns % 1000000000u),
	};
	struct io_uring_cqe *cqe;

	loop->stats.enters++;
	loop->stats.sleeps++;
	return io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1,
						wait_ns == UINT64_MAX ? NULL : &ts, NULL);
}

static uint64_t wait_time(struct hv_loop *loop, uint64_t timeout_ns)
{
	uint64_t now;

	if (!timeout_ns || loop->num_pollers || loop->num_to_arm || io_uring_cq_ready(&loop->ring))
		return 0;
	if (!loop->heap_used)
		return timeout_ns;
	now = hv_now_ns();
	if (loop->heap[0]->deadline_ns <= now)
		return 0;
	return loop->heap[0]->deadline_ns - now < timeout_ns ? loop->heap[0]->deadline_ns - now
							      : timeout_ns;
}

/* Submits what is queued and lets the kernel post completions; sleeps only if nothing is to do. */
static int enter(struct hv_loop *loop, uint64_t timeout_ns)
{
	uint64_t wait_ns;
	int ret = arm_all(loop);

	if (ret && ret != -EAGAIN)
		return ret;
	wait_ns = wait_time(loop, timeout_ns);
	if (wait_ns && may_sleep(loop)) {
		ret = enter_and_wait(loop, wait_ns);
	} else if (kernel_has_more(loop)) {
		loop->stats.enters++;
		ret = io_uring_submit_and_get_events(&loop->ring);
	} else {
		ret = submit(loop);
	}
	atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
	if (ret == -ETIME || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY)
		return 0;
	return ret < 0 ? ret : 0;
}

int hv_loop_run_once(struct hv_loop *loop, uint64_t timeout_ns)
{
	int ret;

	loop->stats.rounds++;
	ret = enter(loop, timeout_ns);
	if (ret) {
		hv_log(HV_LOG_ERROR, "loop: io_uring_enter: %s", strerror(-ret));
		return ret;
	}
	run_completions(loop);
	run_posted(loop);
	run_timers(loop);
	if (loop->num_pollers)
		run_pollers(loop);
	return 0;
}

int hv_loop_run(struct hv_loop *loop)
{
	int ret;

	do
		ret = hv_loop_run_once(loop, UINT64_MAX);
	while (!ret && !atomic_load_explicit(&loop->stop, memory_order_relaxed));
	atomic_store(&loop->stop, false);
	return ret;
}

void hv_loop_stats(const struct hv_loop *loop, struct hv_loop_stats *out)
{
	*out = loop->stats;
}

/* Creation. */

static int ring_init(struct hv_loop *loop)
{
	struct io_uring_params p = {
		/* No interrupt to the thread for a completion that it picks up anyway (5.19). */
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		.cq_entries = CQ_ENTRIES,
	};
	int ret = io_uring_queue_init_params(SQ_ENTRIES, &loop->ring, &p);

	if (ret == -EINVAL) {
		p = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE, .cq_entries = CQ_ENTRIES };
		ret = io_uring_queue_init_params(SQ_ENTRIES, &loop->ring, &p);
	}
	if (ret)
		return ret == -EACCES ? -EPERM : ret;
	loop->have_ring = true;
	/* Both came with Linux 5.11 or before; without them completions or time-outs get lost. */
	if (!(p.features & IORING_FEAT_EXT_ARG) || !(p.features & IORING_FEAT_NODROP))
		return -ENOSYS;
	return 0;
}

int hv_loop_create(struct hv_loop **out)
{
	struct hv_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	TAILQ_INIT(&loop->pollers);
	loop->free_slot = NO_INDEX;
	loop->spin_ns = SPIN_NS;
	loop->wake.ready = wake_ready;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = loop->wake_fd < 0 ? -errno : ring_init(loop);
	if (!ret)
		ret = hv_watch_start(loop, &loop->wake, loop->wake_fd, POLLIN);
	if (ret)
		hv_loop_destroy(loop);
	else
		*out = loop;
	return ret;
}

/* The kernel lets go of files at leisure when a ring is closed; here they are free on return. */
static void drain(struct hv_loop *loop)
{
	uint64_t end = hv_now_ns() + DRAIN_NS;
	struct __kernel_timespec ts = { .tv_nsec = 10000000 };
	struct io_uring_cqe *cqe;

	submit(loop);
	while (loop->in_kernel && hv_now_ns() < end) {
		if (io_uring_wait_cqe_timeout(&loop->ring, &cqe, &ts) || !cqe)
			continue;
		io_uring_cqe_seen(&loop->ring, cqe);
		loop->in_kernel--;
	}
}

void hv_loop_destroy(struct hv_loop *loop)
{
	if (!loop)
		return;
	hv_watch_stop(&loop->wake);
	if (loop->have_ring) {
		drain(loop);
		io_uring_queue_exit(&loop->ring);
	}
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	free(loop->slots);
	free(loop->to_arm);
	free(loop->heap);
	free(loop->due);
	free(loop);
}
