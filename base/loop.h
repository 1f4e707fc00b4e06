/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a worker: one thread, one io_uring (liburing). It watches descriptors, runs
 * timers, takes work from other threads, and polls rings while there is something in them.
 *
 * Threads: all calls belong to the thread that runs the loop (before the first run: to the
 * creator), except hv_loop_post() and hv_loop_stop(), which any thread may call. Callbacks run on
 * the loop's thread, never nested in another callback. A callback may stop, free or re-arm its own
 * object or any other: nothing is called for an object after its stop/cancel call has returned.
 *
 * Bounded work: a callback does a bounded amount of work and returns; what is left it does on
 * the next round (level-triggered watches and pollers are called again).
 */
#ifndef HVNET_BASE_LOOP_H
#define HVNET_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct hv_loop;

/* The object that embeds the watch, timer, work or poller that a callback gets. */
#define hv_container_of(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

/* Creates a loop. -ENOSYS or -EPERM where the kernel has no io_uring or forbids it. */
int hv_loop_create(struct hv_loop **out) __attribute__((warn_unused_result));
/* NULL is fine. Every watch, timer and poller must have been stopped. */
void hv_loop_destroy(struct hv_loop *loop);
/* Runs until hv_loop_stop(). 0, or -errno if the ring itself fails. */
int hv_loop_run(struct hv_loop *loop);
/* One round: runs what is ready, waiting at most timeout_ns for it (0: not at all). For tests. */
int hv_loop_run_once(struct hv_loop *loop, uint64_t timeout_ns);
/* Makes hv_loop_run() return after the current round. Any thread. */
void hv_loop_stop(struct hv_loop *loop);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t hv_now_ns(void);

/* A descriptor to watch, level-triggered. Embedded in the object that owns it; zeroed is stopped. */
struct hv_watch {
	void (*ready)(struct hv_watch *w, uint32_t events);	/* events: POLLIN, POLLOUT, POLLHUP, POLLERR */
	int fd;				/* borrowed: the owner stops the watch, then closes */
	uint32_t events;		/* what is waited for; POLLHUP and POLLERR always */
	struct hv_loop *loop;		/* the loop's from here on */
	uint32_t slot;
};

/* Begins to call ready() while any of events holds on fd. w->ready must be set. -ENOMEM, -EBUSY. */
int hv_watch_start(struct hv_loop *loop, struct hv_watch *w, int fd, uint32_t events)
	__attribute__((warn_unused_result));
/* Changes what is waited for (0: only hang-up and errors). */
int hv_watch_modify(struct hv_watch *w, uint32_t events);
void hv_watch_stop(struct hv_watch *w);
static inline bool hv_watch_active(const struct hv_watch *w) { return w->loop; }

/* A one-shot timer. Zeroed, with fire set, is idle. */
struct hv_timer {
	void (*fire)(struct hv_timer *t);
	struct hv_loop *loop;		/* the loop's from here on; NULL: idle */
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC */
	uint32_t heap_index;
};

/* (Re-)arms: fire() runs once, not before deadline_ns. -ENOMEM. */
int hv_timer_arm(struct hv_loop *loop, struct hv_timer *t, uint64_t deadline_ns);
void hv_timer_cancel(struct hv_timer *t);

/* Work that another thread hands in. The poster owns it until run() is called, once per post. */
struct hv_work {
	void (*run)(struct hv_work *w);
	struct hv_work *next;		/* the loop's */
};

/* Queues w; in order per poster. w must not be queued already. Any thread. */
void hv_loop_post(struct hv_loop *loop, struct hv_work *w);

/*
 * A ring that may hold work without anybody saying so. From a kick on the loop calls poll() each
 * round and does not sleep. When poll() has done no work for the loop's spin time, it calls
 * sleep(), which switches the peer's doorbell on and looks again (the store→load barrier between
 * the two is the callee's): true parks the poller until the next kick, false goes on polling. So
 * an idle ring costs nothing, however many there are.
 */
struct hv_poller {
	bool (*poll)(struct hv_poller *p);	/* true: did some work */
	bool (*sleep)(struct hv_poller *p);	/* true: nothing there, the peer will signal */
	uint64_t spin_ns;			/* in place of the loop's spin time; 0: the loop's */
	struct hv_loop *loop;			/* the loop's from here on; NULL: parked or stopped */
	uint64_t idle_since_ns;
	TAILQ_ENTRY(hv_poller) link;
};

/* Begins to poll; nothing happens if it is polled already. The peer's doorbell ends up here. */
void hv_poller_kick(struct hv_loop *loop, struct hv_poller *p);
void hv_poller_stop(struct hv_poller *p);

/*
 * How long a ring is polled after its last work before it is parked. Default 20 µs (our policy). A poller that asks for
 * more gets that only while nobody else wants the processor.
 */
void hv_loop_set_spin(struct hv_loop *loop, uint64_t spin_ns);

struct hv_loop_stats {
	uint64_t rounds;	/* times round the loop */
	uint64_t sleeps;	/* times that it waited in the kernel */
	uint64_t enters;	/* io_uring_enter(2) calls */
};
void hv_loop_stats(const struct hv_loop *loop, struct hv_loop_stats *out);

#endif
