/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"

#define LINE_BYTES 1024			/* our policy: longer lines are cut */
#define BURST 10			/* lines at once, as log.h says */
#define REFILL_NS 1000000000ull		/* then one a second */

static atomic_int max_level = HV_LOG_INFO;

void hv_log_set_level(enum hv_log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

enum hv_log_level hv_log_level(void)
{
	return (enum hv_log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

static bool to_journal;

/* systemd names the journal's socket as "device:inode"; standard error may have been moved since. */
static void find_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	if (env && sscanf(env, "%ju:%ju", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st))
		to_journal = st.st_dev == dev && st.st_ino == ino;
}

static const char *prefix(enum hv_log_level level)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_journal);
	switch (level) {
	case HV_LOG_ERROR:
		return to_journal ? "<3>" : "error: ";
	case HV_LOG_WARNING:
		return to_journal ? "<4>" : "warning: ";
	case HV_LOG_NOTICE:
		return to_journal ? "<5>" : "";
	case HV_LOG_INFO:
		return to_journal ? "<6>" : "";
	case HV_LOG_DEBUG:
		return to_journal ? "<7>" : "debug: ";
	}
	return "";
}

/* One write per line, so that lines of several threads do not mix. */
static void write_line(enum hv_log_level level, uint32_t left_out, const char *format, va_list ap)
{
	char line[LINE_BYTES];
	size_t room = sizeof(line) - 1;	/* for the newline */
	size_t start, n;
	int saved = errno;
	ssize_t ignored;

	start = n = (size_t)snprintf(line, room, "%s", prefix(level));
	n += (size_t)vsnprintf(line + n, room - n, format, ap);
	if (n < room && left_out)
		n += (size_t)snprintf(line + n, room - n, " (%" PRIu32 " such lines left out)", left_out);
	if (n >= room)
		n = room - 1;
	/* Names come from outside: no line may forge another or move a terminal's cursor. */
	for (size_t i = start; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	ignored = write(STDERR_FILENO, line, n);	/* nowhere to report a failure to */
	(void)ignored;
	errno = saved;
}

void hv_log(enum hv_log_level level, const char *format, ...)
{
	va_list ap;

	if (level > hv_log_level())
		return;
	va_start(ap, format);
	write_line(level, 0, format, ap);
	va_end(ap);
}

/*
 * The bucket as one time: next_ns is when it would be full but for one token more each line. A
 * line may be written while that lies less than BURST refills ahead.
 */
void hv_log_limited(struct hv_log_limit *limit, enum hv_log_level level, const char *format, ...)
{
	uint64_t now, full_at;
	va_list ap;

	if (level > hv_log_level())
		return;
	now = hv_now_ns();
	full_at = limit->next_ns > now ? limit->next_ns : now;
	if (full_at - now > (BURST - 1) * REFILL_NS) {
		limit->left_out += limit->left_out < UINT32_MAX;
		return;
	}
	limit->next_ns = full_at + REFILL_NS;
	va_start(ap, format);
	write_line(level, limit->left_out, format, ap);
	va_end(ap);
	limit->left_out = 0;
}
