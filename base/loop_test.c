/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

#define MS 1000000ull

static struct hv_loop *new_loop(void)
{
	struct hv_loop *loop;

	if (hv_loop_create(&loop))
		abort();
	return loop;
}

/* Rounds without waiting, enough for anything that is ready to be seen. */
static void settle(struct hv_loop *loop)
{
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(hv_loop_run_once(loop, 0), 0);
}

static int event_fd(unsigned value)
{
	int fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		abort();
	return fd;
}

/* A watch that counts, and can do something to another. */
struct seen {
	struct hv_watch w;
	unsigned calls;
	uint32_t events;
	bool take;		/* read the eventfd */
	bool stop_self;
	struct seen *victim;	/* stopped by this one's first call … */
	struct seen *heir;	/* … and this one started on heir_fd at once */
	int heir_fd;
	struct hv_loop *loop;
};

static void seen_ready(struct hv_watch *w, uint32_t events)
{
	struct seen *s = (struct seen *)w;
	uint64_t v;

	s->calls++;
	s->events = events;
	if (s->take && read(w->fd, &v, sizeof(v)) != sizeof(v))
		CU_FAIL("ready() without anything to read");
	if (s->stop_self)
		hv_watch_stop(w);
	if (s->victim) {
		hv_watch_stop(&s->victim->w);
		if (s->heir)
			CU_ASSERT_EQUAL(hv_watch_start(s->loop, &s->heir->w, s->heir_fd, POLLIN), 0);
		s->victim = NULL;
	}
}

static void level_triggered(void)
{
	struct hv_loop *loop = new_loop();
	struct seen s = { .w.ready = seen_ready };
	int fd = event_fd(1);
	unsigned before;

	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd, POLLIN), 0);
	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd, POLLIN), -EBUSY);
	settle(loop);
	CU_ASSERT_TRUE(s.calls >= 3);	/* nobody read it, so it is ready each round */
	CU_ASSERT_EQUAL(s.events, POLLIN);
	s.take = true;
	before = s.calls;
	settle(loop);
	CU_ASSERT_EQUAL(s.calls, before + 1);
	hv_watch_stop(&s.w);
	CU_ASSERT_FALSE(hv_watch_active(&s.w));
	hv_watch_stop(&s.w);
	eventfd_write(fd, 1);
	settle(loop);
	CU_ASSERT_EQUAL(s.calls, before + 1);
	close(fd);
	hv_loop_destroy(loop);
}

static void modify(void)
{
	struct hv_loop *loop = new_loop();
	struct seen s = { .w.ready = seen_ready };
	int fd[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd[0], POLLIN), 0);
	settle(loop);
	CU_ASSERT_EQUAL(s.calls, 0);
	CU_ASSERT_EQUAL(hv_watch_modify(&s.w, POLLIN | POLLOUT), 0);
	settle(loop);
	CU_ASSERT_TRUE(s.calls > 0);
	CU_ASSERT_EQUAL(s.events, POLLOUT);
	CU_ASSERT_EQUAL(hv_watch_modify(&s.w, 0), 0);
	CU_ASSERT_EQUAL(write(fd[1], "x", 1), 1);
	hv_loop_run_once(loop, 0);
	s.calls = 0;
	settle(loop);
	CU_ASSERT_EQUAL(s.calls, 0);
	close(fd[1]);
	settle(loop);
	CU_ASSERT_TRUE(s.calls > 0);
	CU_ASSERT_TRUE(s.events & POLLHUP);
	hv_watch_stop(&s.w);
	close(fd[0]);
	hv_loop_destroy(loop);
}

/* Both are ready in one batch; the first one called stops the other, whose slot is used again. */
static void stopped_in_the_batch(void)
{
	struct hv_loop *loop = new_loop();
	int fd[2] = { event_fd(1), event_fd(1) }, quiet = event_fd(0);
	struct seen heir = { .w.ready = seen_ready };
	struct seen s[2] = {
		{ .w.ready = seen_ready, .victim = &s[1], .heir = &heir, .heir_fd = quiet, .loop = loop },
		{ .w.ready = seen_ready, .victim = &s[0], .heir = &heir, .heir_fd = quiet, .loop = loop },
	};

	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(hv_watch_start(loop, &s[i].w, fd[i], POLLIN), 0);
	while (!s[0].calls && !s[1].calls)
		hv_loop_run_once(loop, 10 * MS);
	CU_ASSERT_EQUAL(s[0].calls + s[1].calls, 1);
	s[0].victim = s[1].victim = NULL;
	settle(loop);
	CU_ASSERT_TRUE(s[0].calls == 0 || s[1].calls == 0);
	CU_ASSERT_EQUAL(heir.calls, 0);
	eventfd_write(quiet, 1);
	settle(loop);
	CU_ASSERT_TRUE(heir.calls > 0);
	for (int i = 0; i < 2; i++) {
		hv_watch_stop(&s[i].w);
		close(fd[i]);
	}
	hv_watch_stop(&heir.w);
	close(quiet);
	hv_loop_destroy(loop);
}

/* The completion lies in the ring already when the watch moves on to another descriptor. */
static void reused_watch(void)
{
	struct hv_loop *loop = new_loop();
	struct seen s = { .w.ready = seen_ready };
	int fd = event_fd(0), quiet = event_fd(0);

	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd, POLLIN), 0);
	settle(loop);
	eventfd_write(fd, 1);
	hv_watch_stop(&s.w);
	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, quiet, POLLIN), 0);
	settle(loop);
	CU_ASSERT_EQUAL(s.calls, 0);
	eventfd_write(quiet, 1);
	settle(loop);
	CU_ASSERT_TRUE(s.calls > 0);
	hv_watch_stop(&s.w);
	close(fd);
	close(quiet);
	hv_loop_destroy(loop);
}

static void freed_in_ready(struct hv_watch *w, uint32_t events)
{
	(void)events;
	close(w->fd);
	hv_watch_stop(w);
	free(w);
}

static void frees_itself(void)
{
	struct hv_loop *loop = new_loop();

	for (int i = 0; i < 100; i++) {
		struct hv_watch *w = calloc(1, sizeof(*w));

		CU_ASSERT_PTR_NOT_NULL_FATAL(w);
		w->ready = freed_in_ready;
		CU_ASSERT_EQUAL(hv_watch_start(loop, w, event_fd(1), POLLIN), 0);
	}
	settle(loop);
	hv_loop_destroy(loop);
}

static void stop_lets_go(void)
{
	struct hv_loop *loop = new_loop();
	struct seen s = { .w.ready = seen_ready };
	int fd[2];
	char c;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd[0], POLLIN), 0);
	settle(loop);
	hv_watch_stop(&s.w);
	close(fd[0]);
	CU_ASSERT_EQUAL(read(fd[1], &c, 1), 0);	/* end of file now, not at some later round */
	close(fd[1]);
	hv_loop_destroy(loop);
}

static void many_watches(void)
{
	enum { N = 900 };
	struct hv_loop *loop = new_loop();
	struct seen *s = calloc(N, sizeof(*s));
	unsigned once = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (int i = 0; i < N; i++) {
		s[i].w.ready = seen_ready;
		s[i].take = true;
		CU_ASSERT_EQUAL(hv_watch_start(loop, &s[i].w, event_fd(0), POLLIN), 0);
	}
	settle(loop);
	for (int i = 0; i < N; i++)
		eventfd_write(s[i].w.fd, 1);
	for (int i = 0; i < 16; i++)
		hv_loop_run_once(loop, 0);
	for (int i = 0; i < N; i++) {
		once += s[i].calls == 1;
		hv_watch_stop(&s[i].w);
		close(s[i].w.fd);
	}
	CU_ASSERT_EQUAL(once, N);
	free(s);
	hv_loop_destroy(loop);
}

/* Timers. */

struct tick {
	struct hv_timer t;
	unsigned calls, order;
	struct tick *victim;
	bool again;
	struct hv_loop *loop;
};

static unsigned tick_count;

static void tick_fire(struct hv_timer *t)
{
	struct tick *k = (struct tick *)t;

	k->calls++;
	k->order = ++tick_count;
	if (k->victim)
		hv_timer_cancel(&k->victim->t);
	if (k->again)
		CU_ASSERT_EQUAL(hv_timer_arm(k->loop, t, 0), 0);
}

static void timers_in_order(void)
{
	enum { N = 500 };
	struct hv_loop *loop = new_loop();
	static struct tick k[N];
	uint64_t start = hv_now_ns() + 2 * MS;
	unsigned seed = 1, wrong = 0;

	memset(k, 0, sizeof(k));
	tick_count = 0;
	for (int i = 0; i < N; i++) {
		k[i].t.fire = tick_fire;
		seed = seed * 1103515245 + 12345;
		CU_ASSERT_EQUAL(hv_timer_arm(loop, &k[i].t, start + (seed >> 8) % 1000 * 1000), 0);
	}
	for (int i = 0; i < N; i += 3) {	/* moved, or cancelled */
		seed = seed * 1103515245 + 12345;
		if (i % 2)
			hv_timer_cancel(&k[i].t);
		else
			CU_ASSERT_EQUAL(hv_timer_arm(loop, &k[i].t, start + (seed >> 8) % 1000 * 1000), 0);
	}
	hv_loop_run_once(loop, 0);
	CU_ASSERT_TRUE(tick_count == 0 || hv_now_ns() >= start);
	while (hv_now_ns() < start + MS)
		;
	hv_loop_run_once(loop, 0);
	for (int i = 0; i < N; i++) {
		wrong += k[i].calls != !(i % 3 == 0 && i % 2);
		for (int j = 0; j < N; j++)
			wrong += k[i].calls && k[j].calls && k[i].order < k[j].order &&
				 k[i].t.deadline_ns > k[j].t.deadline_ns;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	hv_loop_destroy(loop);
}

static void timer_wakes(void)
{
	struct hv_loop *loop = new_loop();
	struct tick k = { .t.fire = tick_fire };
	uint64_t start = hv_now_ns();

	CU_ASSERT_EQUAL(hv_timer_arm(loop, &k.t, start + 5 * MS), 0);
	while (!k.calls)
		hv_loop_run_once(loop, UINT64_MAX);
	CU_ASSERT_TRUE(hv_now_ns() - start >= 5 * MS);
	start = hv_now_ns();
	hv_loop_run_once(loop, 5 * MS);
	CU_ASSERT_TRUE(hv_now_ns() - start >= 5 * MS);
	hv_loop_destroy(loop);
}

static void timers_on_timers(void)
{
	struct hv_loop *loop = new_loop();
	struct tick b = { .t.fire = tick_fire };
	struct tick a = { .t.fire = tick_fire, .victim = &b, .again = true, .loop = loop };

	CU_ASSERT_EQUAL(hv_timer_arm(loop, &a.t, 1), 0);
	CU_ASSERT_EQUAL(hv_timer_arm(loop, &b.t, 2), 0);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(a.calls, 1);	/* armed again in the past, but a round is bounded */
	CU_ASSERT_EQUAL(b.calls, 0);	/* due as well, and cancelled on the way */
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(a.calls, 2);
	hv_timer_cancel(&a.t);
	hv_timer_cancel(&a.t);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(a.calls, 2);
	hv_loop_destroy(loop);
}

/* Other threads. */

enum { POSTERS = 4, POSTS = 5000 };

struct post {
	struct hv_work w;
	unsigned poster, number;
};

static struct {
	struct hv_loop *loop;
	unsigned next[POSTERS], wrong, total;
	struct post posts[POSTERS][POSTS];
} posting;

static void post_run(struct hv_work *w)
{
	struct post *p = (struct post *)w;

	posting.wrong += p->number != posting.next[p->poster]++;
	if (++posting.total == POSTERS * POSTS)
		hv_loop_stop(posting.loop);
}

static void *poster(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < POSTS; i++) {
		posting.posts[me][i] = (struct post){ { .run = post_run }, me, i };
		hv_loop_post(posting.loop, &posting.posts[me][i].w);
		if (i % 500 == 0)
			usleep(200);	/* so that the loop falls asleep in between */
	}
	return NULL;
}

static void posts_from_threads(void)
{
	pthread_t t[POSTERS];

	memset(&posting, 0, sizeof(posting));
	posting.loop = new_loop();
	for (unsigned i = 0; i < POSTERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, poster, (void *)(uintptr_t)i), 0);
	alarm(20);	/* a lost wake-up would hang */
	CU_ASSERT_EQUAL(hv_loop_run(posting.loop), 0);
	alarm(0);
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(posting.total, POSTERS * POSTS);
	CU_ASSERT_EQUAL(posting.wrong, 0);
	hv_loop_destroy(posting.loop);
}

struct again {
	struct hv_work w;
	struct hv_loop *loop;
	unsigned calls;
};

static void again_run(struct hv_work *w)
{
	struct again *a = (struct again *)w;

	a->calls++;
	hv_loop_post(a->loop, w);
}

static void post_in_run(void)
{
	struct hv_loop *loop = new_loop();
	struct again a = { .w.run = again_run, .loop = loop };

	hv_loop_post(loop, &a.w);
	hv_loop_run_once(loop, UINT64_MAX);
	CU_ASSERT_EQUAL(a.calls, 1);
	hv_loop_run_once(loop, UINT64_MAX);
	CU_ASSERT_EQUAL(a.calls, 2);
	hv_loop_destroy(loop);
}

static void *runner(void *arg)
{
	return (void *)(intptr_t)hv_loop_run(arg);
}

static void stop_from_thread(void)
{
	struct hv_loop *loop = new_loop();
	pthread_t t;
	void *ret;

	alarm(20);
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, runner, loop), 0);
		if (i % 2)
			usleep(1000);
		hv_loop_stop(loop);
		pthread_join(t, &ret);
		CU_ASSERT_PTR_NULL(ret);
	}
	alarm(0);
	hv_loop_destroy(loop);
}

/* A poll completes in the context of the thread that armed it, which is gone here. */
static void survives_its_thread(void)
{
	struct hv_loop *loop = new_loop();
	struct seen s = { .w.ready = seen_ready, .take = true };
	int fd = event_fd(0);
	pthread_t t;

	CU_ASSERT_EQUAL(hv_watch_start(loop, &s.w, fd, POLLIN), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, runner, loop), 0);
	usleep(20000);
	hv_loop_stop(loop);
	pthread_join(t, NULL);
	for (int i = 0; i < 5; i++)
		hv_loop_run_once(loop, 10 * MS);
	CU_ASSERT_EQUAL(s.calls, 0);
	eventfd_write(fd, 1);
	for (int i = 0; i < 100 && !s.calls; i++)	/* the kernel takes its time */
		hv_loop_run_once(loop, 10 * MS);
	CU_ASSERT_EQUAL(s.calls, 1);
	hv_watch_stop(&s.w);
	close(fd);
	hv_loop_destroy(loop);
}

/* Pollers. */

struct ring {
	struct hv_poller p;
	unsigned work, polls, sleeps;
	bool refuse_sleep, kick_in_sleep, free_self;
	struct hv_loop *loop;
};

static bool ring_poll(struct hv_poller *p)
{
	struct ring *r = (struct ring *)p;

	r->polls++;
	if (r->free_self) {
		hv_poller_stop(p);
		free(r);
		return true;
	}
	if (!r->work)
		return false;
	r->work--;
	return true;
}

static bool ring_sleep(struct hv_poller *p)
{
	struct ring *r = (struct ring *)p;

	r->sleeps++;
	if (r->kick_in_sleep)
		hv_poller_kick(r->loop, p);
	r->kick_in_sleep = false;
	return !r->refuse_sleep;
}

static void poller_parks(void)
{
	struct hv_loop *loop = new_loop();
	struct ring r = { .p = { .poll = ring_poll, .sleep = ring_sleep }, .work = 3 };
	struct hv_loop_stats a, b;

	hv_loop_set_spin(loop, MS);
	hv_poller_kick(loop, &r.p);
	hv_poller_kick(loop, &r.p);
	for (int i = 0; i < 4; i++)
		hv_loop_run_once(loop, UINT64_MAX);
	CU_ASSERT_EQUAL(r.polls, 4);
	CU_ASSERT_EQUAL(r.work, 0);
	CU_ASSERT_EQUAL(r.sleeps, 0);	/* within the spin time */
	hv_loop_stats(loop, &a);
	while (r.p.loop)
		hv_loop_run_once(loop, UINT64_MAX);
	hv_loop_stats(loop, &b);
	CU_ASSERT_EQUAL(r.sleeps, 1);
	CU_ASSERT_EQUAL(b.sleeps, a.sleeps);
	CU_ASSERT_EQUAL(b.enters, a.enters);	/* polling makes no system call */
	hv_loop_run_once(loop, 2 * MS);
	hv_loop_stats(loop, &b);
	CU_ASSERT_EQUAL(b.sleeps, a.sleeps + 1);	/* parked: the loop sleeps */

	r.work = 1;
	hv_poller_kick(loop, &r.p);
	hv_loop_run_once(loop, UINT64_MAX);
	CU_ASSERT_EQUAL(r.work, 0);
	hv_poller_stop(&r.p);
	hv_poller_stop(&r.p);
	hv_loop_destroy(loop);
}

static void poller_has_its_own_spin_time(void)
{
	struct hv_loop *loop = new_loop();
	struct ring r = { .p = { .poll = ring_poll, .sleep = ring_sleep, .spin_ns = 1 } };

	hv_loop_set_spin(loop, 3600 * 1000 * (uint64_t)MS);
	hv_poller_kick(loop, &r.p);
	for (int i = 0; i < 1000000 && r.p.loop; i++)
		hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(r.sleeps, 1);
	CU_ASSERT_PTR_NULL(r.p.loop);
	hv_poller_stop(&r.p);
	hv_loop_destroy(loop);
}

static void poller_stays(void)
{
	struct hv_loop *loop = new_loop();
	struct ring r = { .p = { .poll = ring_poll, .sleep = ring_sleep }, .loop = loop };

	hv_loop_set_spin(loop, 0);
	r.refuse_sleep = true;
	hv_poller_kick(loop, &r.p);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(r.sleeps, 1);
	CU_ASSERT_PTR_NOT_NULL(r.p.loop);
	r.refuse_sleep = false;
	r.kick_in_sleep = true;		/* the signal came in between */
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(r.sleeps, 2);
	CU_ASSERT_PTR_NOT_NULL(r.p.loop);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(r.sleeps, 3);
	CU_ASSERT_PTR_NULL(r.p.loop);
	hv_loop_destroy(loop);
}

static bool stop_other_poll(struct hv_poller *p)
{
	struct ring *r = (struct ring *)p;

	r->polls++;
	hv_poller_stop((struct hv_poller *)r->loop);	/* the neighbour, in a field that fits */
	return true;
}

static void pollers_stop_each_other(void)
{
	struct hv_loop *loop = new_loop();
	struct ring *gone = calloc(1, sizeof(*gone));
	struct ring c = { .p = { .poll = ring_poll, .sleep = ring_sleep }, .work = 9 };
	struct ring b = { .p = { .poll = ring_poll, .sleep = ring_sleep }, .work = 9 };
	struct ring a = { .p = { .poll = stop_other_poll, .sleep = ring_sleep }, .loop = (void *)&b };

	CU_ASSERT_PTR_NOT_NULL_FATAL(gone);
	*gone = (struct ring){ .p = { .poll = ring_poll, .sleep = ring_sleep }, .free_self = true };
	hv_poller_kick(loop, &gone->p);
	hv_poller_kick(loop, &a.p);
	hv_poller_kick(loop, &b.p);
	hv_poller_kick(loop, &c.p);
	hv_loop_run_once(loop, 0);
	CU_ASSERT_EQUAL(a.polls, 1);
	CU_ASSERT_EQUAL(b.polls, 0);
	CU_ASSERT_EQUAL(c.polls, 1);
	hv_poller_stop(&a.p);
	hv_poller_stop(&c.p);
	hv_loop_destroy(loop);
}

/* Where io_uring is missing or forbidden. */

static void create_with_errno(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		struct hv_loop *loop = NULL;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
			_exit(99);
		_exit(-hv_loop_create(&loop));
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == err);
}

static void no_io_uring(void)
{
	create_with_errno(ENOSYS);
	create_with_errno(EPERM);
}

static const struct hv_test tests[] = {
	{ "a watch is called while its descriptor is ready", level_triggered },
	{ "what is waited for can change; hang-up always counts", modify },
	{ "a watch stopped in the same batch is not called, nor its slot's heir", stopped_in_the_batch },
	{ "a watch on another descriptor hears nothing of the first", reused_watch },
	{ "a watch may free itself", frees_itself },
	{ "stop lets go of the file", stop_lets_go },
	{ "more watches than the ring has entries", many_watches },
	{ "timers fire in order, moved and cancelled ones too", timers_in_order },
	{ "a timer ends the sleep, a time-out too", timer_wakes },
	{ "timers cancel and re-arm each other", timers_on_timers },
	{ "posts of four threads arrive once and in order", posts_from_threads },
	{ "work that posts itself waits for the next round", post_in_run },
	{ "another thread stops the loop", stop_from_thread },
	{ "a watch outlives the thread that armed it", survives_its_thread },
	{ "a poller is polled, parked after its spin time, kicked again", poller_parks },
	{ "a poller is parked after its own spin time, if it has one", poller_has_its_own_spin_time },
	{ "a poller that is refused or kicked in sleep() stays", poller_stays },
	{ "pollers stop each other and free themselves", pollers_stop_each_other },
	{ "without io_uring creation fails with the kernel's reason", no_io_uring },
};

HV_TEST_MAIN("base/loop", tests)
