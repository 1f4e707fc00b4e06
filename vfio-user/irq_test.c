/* SPDX-License-Identifier: MIT */
#include "vfio-user/irq.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/test.h"

enum { NONE = VFU_SET_DATA_NONE, BOOL = VFU_SET_DATA_BOOL, FD = VFU_SET_DATA_EVENTFD,
       MASK = VFU_SET_MASK, UNMASK = VFU_SET_UNMASK, TRIGGER = VFU_SET_TRIGGER,
       INTX = VFU_IRQ_INTX, MSI = VFU_IRQ_MSI, MSIX = VFU_IRQ_MSIX };

struct bench {
	struct hv_loop *loop;
	struct vfu_stats stats;
	struct vfu_irqs q;
};

static void begin(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	hv_log_set_level(HV_LOG_ERROR);
	strcpy(b->stats.name, "test");
	if (hv_loop_create(&b->loop) || vfu_irqs_init(&b->q, b->loop, &b->stats, true, 4, 2048))
		abort();
}

static void end(struct bench *b)
{
	vfu_irqs_destroy(&b->q);
	hv_loop_destroy(b->loop);
}

/* Runs the loop for at least that long. */
static void run_us(struct bench *b, unsigned us)
{
	uint64_t until = hv_now_ns() + us * UINT64_C(1000);

	do {
		CU_ASSERT_EQUAL(hv_loop_run_once(b->loop, 20000), 0);
	} while (hv_now_ns() < until);
}

static int set(struct bench *b, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	       const void *bools, size_t n, int *fds, unsigned num_fds)
{
	struct vfu_wire_set_irqs s = { to_le32(20), to_le32(flags), to_le32(index),
				       to_le32(start), to_le32(count) };

	return vfu_irqs_set(&b->q, &s, bools, n, fds, num_fds);
}

/* Gives the vector a fresh eventfd; the result is the test's own end of it. */
static int assign(struct bench *b, uint32_t index, uint32_t vector)
{
	int ours = eventfd(0, EFD_NONBLOCK), theirs = dup(ours);

	CU_ASSERT_EQUAL(set(b, FD | TRIGGER, index, vector, 1, NULL, 0, &theirs, 1), 0);
	CU_ASSERT_EQUAL(theirs, -1);
	return ours;
}

static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void refuses_bad_requests(void)
{
	static const struct {
		const char *what;
		uint32_t flags, index, start, count;
		unsigned bools, fds;
		enum vfu_counter why;
	} rows[] = {
		{ "index 5", NONE | TRIGGER, 5, 0, 0, 0, 0, VFU_C_IRQ_INDEX },
		{ "index 2^32-1", NONE | TRIGGER, ~0u, 0, 0, 0, 0, VFU_C_IRQ_INDEX },
		{ "mask and unmask", NONE | MASK | UNMASK, MSIX, 0, 1, 0, 0, VFU_C_IRQ_FLAGS },
		{ "no action", NONE, MSIX, 0, 1, 0, 0, VFU_C_IRQ_FLAGS },
		{ "no data", TRIGGER, MSIX, 0, 1, 0, 0, VFU_C_IRQ_FLAGS },
		{ "none and bool", NONE | BOOL | TRIGGER, MSIX, 0, 1, 1, 0, VFU_C_IRQ_FLAGS },
		{ "an unknown flag", NONE | TRIGGER | 64, MSIX, 0, 1, 0, 0, VFU_C_IRQ_FLAGS },
		{ "a range over the end", NONE | TRIGGER, MSIX, 2047, 2, 0, 0, VFU_C_IRQ_RANGE },
		{ "a start beyond the end", NONE | TRIGGER, MSIX, 2049, 1, 0, 0, VFU_C_IRQ_RANGE },
		{ "a count that wraps", NONE | TRIGGER, MSIX, 284, ~0u, 0, 0, VFU_C_IRQ_RANGE },
		{ "the error interrupt masked", NONE | MASK, 3, 0, 1, 0, 0, VFU_C_IRQ_RANGE },
		{ "two request interrupts", NONE | TRIGGER, 4, 0, 2, 0, 0, VFU_C_IRQ_RANGE },
		{ "nothing, from 1 on", NONE | TRIGGER, MSIX, 1, 0, 0, 0, VFU_C_IRQ_RANGE },
		{ "nothing, masked", NONE | MASK, MSIX, 0, 0, 0, 0, VFU_C_IRQ_RANGE },
		{ "nothing, by bool", BOOL | TRIGGER, MSIX, 0, 0, 0, 0, VFU_C_IRQ_RANGE },
		{ "nothing, by eventfd", FD | TRIGGER, MSIX, 0, 0, 0, 0, VFU_C_IRQ_RANGE },
		{ "a descriptor with bool", BOOL | TRIGGER, MSIX, 0, 1, 1, 1, VFU_C_FDS_COUNT },
		{ "a descriptor with none", NONE | TRIGGER, MSIX, 0, 1, 0, 1, VFU_C_FDS_COUNT },
		{ "fewer descriptors", FD | TRIGGER, MSIX, 0, 3, 0, 2, VFU_C_FDS_COUNT },
		{ "more descriptors", FD | TRIGGER, MSIX, 0, 1, 0, 2, VFU_C_FDS_COUNT },
		{ "a bool short", BOOL | TRIGGER, MSIX, 0, 2, 1, 0, VFU_C_PAYLOAD_SIZE },
		{ "a bool long", BOOL | TRIGGER, MSIX, 0, 2, 3, 0, VFU_C_PAYLOAD_SIZE },
		{ "bytes with none", NONE | TRIGGER, MSIX, 0, 2, 1, 0, VFU_C_PAYLOAD_SIZE },
		{ "masking by eventfd", FD | MASK, INTX, 0, 1, 0, 1, VFU_C_IRQ_FLAGS },
		{ "unmasking MSI-X by eventfd", FD | UNMASK, MSIX, 0, 1, 0, 1, VFU_C_IRQ_FLAGS },
	};
	struct bench b;
	int fds[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };

	begin(&b);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = b.stats.count[rows[i].why];
		int ret = set(&b, rows[i].flags, rows[i].index, rows[i].start, rows[i].count,
			      "\1\1\1\1", rows[i].bools, fds, rows[i].fds);

		if (ret != -EINVAL || b.stats.count[rows[i].why] != before + 1)
			printf("  %s: %d\n", rows[i].what, ret);
		CU_ASSERT_EQUAL(ret, -EINVAL);
		CU_ASSERT_EQUAL(b.stats.count[rows[i].why], before + 1);
		CU_ASSERT(fds[0] >= 0 && fds[1] >= 0);	/* not taken */
	}
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, MSIX, 2047, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, 3, 0, 0, NULL, 0, NULL, 0), 0);
	close(fds[0]);
	close(fds[1]);
	end(&b);
}

static void takes_only_eventfds(void)
{
	struct bench b;
	int pair[2], fd;

	begin(&b);
	if (pipe(pair))
		abort();
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	CU_ASSERT_EQUAL(set(&b, FD | TRIGGER, MSIX, 0, 1, NULL, 0, &pair[1], 1), -EINVAL);
	fd = eventfd(0, 0);	/* a write to this one may block */
	CU_ASSERT_EQUAL(set(&b, FD | TRIGGER, MSIX, 0, 1, NULL, 0, &fd, 1), -EINVAL);
	CU_ASSERT_EQUAL(b.stats.count[VFU_C_IRQ_FD], 2);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 0), -ENOENT);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	end(&b);
}

static void signals_vectors(void)
{
	struct bench b;
	int one, two, again;

	begin(&b);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 2048), -EINVAL);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 8), -ENOENT);
	CU_ASSERT_EQUAL(b.stats.count[VFU_C_IRQ_LOST], 1);
	one = assign(&b, MSIX, 8);
	two = assign(&b, MSIX, 9);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 8), 0);
	CU_ASSERT_EQUAL(taken(one), 1);
	CU_ASSERT_EQUAL(taken(two), 0);
	/* By the client: the second of two, then by bool. */
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, MSIX, 9, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(one), 0);
	CU_ASSERT_EQUAL(taken(two), 1);
	CU_ASSERT_EQUAL(set(&b, BOOL | TRIGGER, MSIX, 8, 2, "\0\1", 2, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(one), 0);
	CU_ASSERT_EQUAL(taken(two), 1);
	/* A new eventfd takes the place of the old one. */
	again = assign(&b, MSIX, 8);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 8), 0);
	CU_ASSERT_EQUAL(taken(one), 0);
	CU_ASSERT_EQUAL(taken(again), 1);
	/* None takes it away. */
	CU_ASSERT_EQUAL(set(&b, FD | TRIGGER, MSIX, 8, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, MSIX, 8, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(again), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 8), -ENOENT);
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, MSIX, 0, 0, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 9), -ENOENT);
	close(one);
	close(two);
	close(again);
	end(&b);
}

static void falls_back_to_msi(void)
{
	struct bench b;
	int msi, msix;

	begin(&b);
	msi = assign(&b, MSI, 1);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 1), 0);
	CU_ASSERT_EQUAL(taken(msi), 1);
	msix = assign(&b, MSIX, 1);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 1), 0);
	CU_ASSERT_EQUAL(taken(msi), 0);
	CU_ASSERT_EQUAL(taken(msix), 1);
	close(msi);
	close(msix);
	end(&b);
}

static void holds_masked_vectors(void)
{
	struct bench b;
	int fd;

	begin(&b);
	fd = assign(&b, MSIX, 3);
	CU_ASSERT_EQUAL(set(&b, NONE | MASK, MSIX, 2, 4, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 3), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 3), 0);
	CU_ASSERT_EQUAL(taken(fd), 0);
	CU_ASSERT_EQUAL(set(&b, BOOL | UNMASK, MSIX, 2, 2, "\1\0", 2, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(fd), 0);
	CU_ASSERT_EQUAL(set(&b, BOOL | UNMASK, MSIX, 2, 2, "\0\1", 2, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(fd), 1);	/* both in one */
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 3), 0);
	CU_ASSERT_EQUAL(taken(fd), 1);
	/* A reset drops masks, and what they held. */
	CU_ASSERT_EQUAL(set(&b, NONE | MASK, MSIX, 3, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 3), 0);
	vfu_irqs_reset(&b.q);
	CU_ASSERT_EQUAL(set(&b, NONE | UNMASK, MSIX, 3, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(taken(fd), 0);
	CU_ASSERT_EQUAL(vfu_irqs_raise(&b.q, 3), 0);
	CU_ASSERT_EQUAL(taken(fd), 1);
	close(fd);
	end(&b);
}

static int unmask(struct bench *b)
{
	return set(b, NONE | UNMASK, INTX, 0, 1, NULL, 0, NULL, 0);
}

static void intx_follows_level_and_mask(void)
{
	struct bench b;
	int fd;

	begin(&b);
	fd = assign(&b, INTX, 0);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd), 1);
	vfu_irqs_set_level(&b.q, true);		/* no edge, and masked by the first */
	vfu_irqs_set_level(&b.q, false);
	vfu_irqs_set_level(&b.q, true);
	run_us(&b, 500);
	CU_ASSERT_EQUAL(taken(fd), 0);
	/* Unmasked with the level still high: again, but not at once. */
	CU_ASSERT_EQUAL(unmask(&b), 0);
	CU_ASSERT_EQUAL(taken(fd), 0);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd), 1);
	/* The level falls before the delay is over: no useless interrupt. */
	CU_ASSERT_EQUAL(unmask(&b), 0);
	vfu_irqs_set_level(&b.q, false);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd), 0);
	/* Unmasked and low: the next rise fires at once. */
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd), 1);
	/* Also when it falls and rises within the delay: that is a new interrupt. */
	CU_ASSERT_EQUAL(unmask(&b), 0);
	vfu_irqs_set_level(&b.q, false);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd), 1);
	/* An unmask nobody waits for does nothing. */
	vfu_irqs_set_level(&b.q, false);
	CU_ASSERT_EQUAL(unmask(&b), 0);
	CU_ASSERT_EQUAL(unmask(&b), 0);
	run_us(&b, 500);
	CU_ASSERT_EQUAL(taken(fd), 0);
	close(fd);
	end(&b);
}

static void intx_obeys_the_client_and_the_guest(void)
{
	struct bench b;
	int fd, fd2;

	begin(&b);
	vfu_irqs_set_level(&b.q, true);		/* nobody listens yet */
	fd = assign(&b, INTX, 0);
	CU_ASSERT_EQUAL(taken(fd), 1);		/* still high: said on arming */
	fd2 = assign(&b, INTX, 0);		/* arming again clears the mask */
	CU_ASSERT_EQUAL(taken(fd2), 1);
	/* Masked by the client. */
	vfu_irqs_set_level(&b.q, false);
	CU_ASSERT_EQUAL(unmask(&b), 0);
	CU_ASSERT_EQUAL(set(&b, NONE | MASK, INTX, 0, 1, NULL, 0, NULL, 0), 0);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd2), 0);
	CU_ASSERT_EQUAL(unmask(&b), 0);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd2), 1);
	/* Switched off in the command register. */
	CU_ASSERT_EQUAL(unmask(&b), 0);
	vfu_irqs_set_intx_off(&b.q, true);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd2), 0);
	vfu_irqs_set_intx_off(&b.q, false);
	CU_ASSERT_EQUAL(taken(fd2), 1);
	/* Reset: low and unmasked, but the eventfd stays. */
	vfu_irqs_reset(&b.q);
	run_us(&b, 500);
	CU_ASSERT_EQUAL(taken(fd2), 0);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd2), 1);
	/* Disabled. */
	CU_ASSERT_EQUAL(set(&b, NONE | TRIGGER, INTX, 0, 0, NULL, 0, NULL, 0), 0);
	vfu_irqs_set_level(&b.q, false);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd2), 0);
	close(fd);
	close(fd2);
	end(&b);
}

static void intx_is_unmasked_by_eventfd(void)
{
	struct bench b;
	int fd, ours = eventfd(0, EFD_NONBLOCK), theirs = dup(ours);

	begin(&b);
	fd = assign(&b, INTX, 0);
	CU_ASSERT_EQUAL(set(&b, FD | UNMASK, INTX, 0, 1, NULL, 0, &theirs, 1), 0);
	CU_ASSERT_EQUAL(theirs, -1);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd), 1);
	CU_ASSERT_EQUAL(eventfd_write(ours, 1), 0);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd), 1);		/* still high */
	vfu_irqs_set_level(&b.q, false);
	CU_ASSERT_EQUAL(eventfd_write(ours, 1), 0);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd), 0);
	vfu_irqs_set_level(&b.q, true);
	CU_ASSERT_EQUAL(taken(fd), 1);
	/* Taken away: the eventfd means nothing any more. */
	CU_ASSERT_EQUAL(set(&b, FD | UNMASK, INTX, 0, 1, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(eventfd_write(ours, 1), 0);
	run_us(&b, 1000);
	CU_ASSERT_EQUAL(taken(fd), 0);
	close(ours);
	close(fd);
	end(&b);
}

static void describes_itself(void)
{
	struct bench b;
	uint32_t flags, count;

	begin(&b);
	CU_ASSERT_EQUAL(vfu_irqs_info(&b.q, INTX, &flags, &count), 0);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(flags, VFU_IRQ_EVENTFD | VFU_IRQ_MASKABLE | VFU_IRQ_AUTOMASKED);
	CU_ASSERT_EQUAL(vfu_irqs_info(&b.q, MSI, &flags, &count), 0);
	CU_ASSERT_EQUAL(count, 4);
	CU_ASSERT_EQUAL(vfu_irqs_info(&b.q, MSIX, &flags, &count), 0);
	CU_ASSERT_EQUAL(count, 2048);
	CU_ASSERT_EQUAL(flags, VFU_IRQ_EVENTFD);
	CU_ASSERT_EQUAL(vfu_irqs_info(&b.q, 3, &flags, &count), -EINVAL);
	CU_ASSERT_EQUAL(vfu_irqs_info(&b.q, 5, &flags, &count), -EINVAL);
	end(&b);
}

static const struct hv_test tests[] = {
	{ "describes itself", describes_itself },
	{ "refuses bad requests", refuses_bad_requests },
	{ "takes only non-blocking eventfds", takes_only_eventfds },
	{ "signals the right vector", signals_vectors },
	{ "uses MSI where MSI-X is not enabled", falls_back_to_msi },
	{ "holds masked vectors", holds_masked_vectors },
	{ "INTx follows level and mask", intx_follows_level_and_mask },
	{ "INTx obeys the client and the guest", intx_obeys_the_client_and_the_guest },
	{ "INTx is unmasked by eventfd", intx_is_unmasked_by_eventfd },
};

HV_TEST_MAIN("vfio-user/irq", tests)
