/* SPDX-License-Identifier: MIT */
#include "vfio-user/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	GUARD_SLOTS = 16384,		/* mappings of the whole process; a quarter of the kernel's default limit */
	GUARD_LISTENERS = 4096,		/* functions of the whole process */
};

/*
 * The handler reads the slots without the lock. A slot is live while end is not 0; end is written
 * last when it comes and first when it goes. A thread that faults owns a use of the mapping, so the
 * slot that it looks for does not change under it.
 */
struct guard_slot {
	atomic_uintptr_t start, end;
	atomic_bool lost;
};

static struct guard_slot guard_slots[GUARD_SLOTS];
static atomic_uint guard_high;			/* slots at and above were never used */
static atomic_int guard_listener[GUARD_LISTENERS];	/* descriptor + 1; 0: none yet */

static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock */
static bool guard_installed;
static bool guard_listener_used[GUARD_LISTENERS];
static struct sigaction guard_previous;

static void wake_listeners(void)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < GUARD_LISTENERS; i++) {
		int fd = atomic_load_explicit(&guard_listener[i], memory_order_acquire) - 1;

		if (fd < 0)
			break;
		if (write(fd, &one, sizeof(one)) < 0)
			continue;	/* full: it is awake already */
	}
}

static bool replace_mapping(uintptr_t address)
{
	unsigned high = atomic_load_explicit(&guard_high, memory_order_acquire);

	for (unsigned i = 0; i < high; i++) {
		struct guard_slot *s = &guard_slots[i];
		uintptr_t end = atomic_load_explicit(&s->end, memory_order_acquire);
		uintptr_t start = atomic_load_explicit(&s->start, memory_order_acquire);

		if (!end || address < start || address >= end)
			continue;
		/* Another thread may have been here first; then there is nothing more to do. */
		if (!atomic_load(&s->lost) &&
		    mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
			    MAP_FAILED)
			return false;
		atomic_store(&s->lost, true);
		return true;
	}
	return false;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;

	if (info->si_code > 0 && replace_mapping((uintptr_t)info->si_addr)) {
		wake_listeners();
		errno = saved;
		return;
	}
	errno = saved;
	if (guard_previous.sa_flags & SA_SIGINFO) {
		guard_previous.sa_sigaction(signal_number, info, context);
	} else if (guard_previous.sa_handler != SIG_DFL && guard_previous.sa_handler != SIG_IGN) {
		guard_previous.sa_handler(signal_number);
	} else {
		/* Not ours: back to the default, and the same access ends the process. */
		signal(SIGBUS, SIG_DFL);
		if (info->si_code <= 0)
			raise(SIGBUS);
	}
}

static int install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	if (guard_installed)
		return 0;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &guard_previous))
		return -errno;
	guard_installed = true;
	return 0;
}

int vfu_guard_add(void *base, size_t bytes, unsigned *slot)
{
	unsigned i, high;
	int ret;

	pthread_mutex_lock(&guard_lock);
	ret = install();
	high = atomic_load(&guard_high);
	for (i = 0; i < high && atomic_load(&guard_slots[i].end); i++)
		;
	if (!ret && i == GUARD_SLOTS)
		ret = -ENOMEM;
	if (!ret) {
		struct guard_slot *s = &guard_slots[i];

		atomic_store(&s->lost, false);
		atomic_store_explicit(&s->start, (uintptr_t)base, memory_order_release);
		atomic_store_explicit(&s->end, (uintptr_t)base + bytes, memory_order_release);
		if (i == high)
			atomic_store_explicit(&guard_high, high + 1, memory_order_release);
		*slot = i;
	}
	pthread_mutex_unlock(&guard_lock);
	return ret;
}

void vfu_guard_remove(unsigned slot)
{
	pthread_mutex_lock(&guard_lock);
	atomic_store_explicit(&guard_slots[slot].end, 0, memory_order_release);
	pthread_mutex_unlock(&guard_lock);
}

bool vfu_guard_lost(unsigned slot)
{
	return atomic_load(&guard_slots[slot].lost);
}

int vfu_guard_listen(int *fd)
{
	int ret = -ENOMEM, new_fd;
	unsigned i;

	pthread_mutex_lock(&guard_lock);
	for (i = 0; i < GUARD_LISTENERS && guard_listener_used[i]; i++)
		;
	if (i < GUARD_LISTENERS) {
		*fd = atomic_load(&guard_listener[i]) - 1;
		ret = 0;
		if (*fd < 0) {
			new_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
			if (new_fd < 0) {
				ret = -errno;
			} else {
				*fd = new_fd;
				atomic_store_explicit(&guard_listener[i], new_fd + 1,
						      memory_order_release);
			}
		}
		guard_listener_used[i] = !ret;
	}
	pthread_mutex_unlock(&guard_lock);
	return ret;
}

void vfu_guard_unlisten(int fd)
{
	pthread_mutex_lock(&guard_lock);
	for (unsigned i = 0; i < GUARD_LISTENERS; i++)
		if (guard_listener_used[i] && atomic_load(&guard_listener[i]) == fd + 1)
			guard_listener_used[i] = false;
	pthread_mutex_unlock(&guard_lock);
}
