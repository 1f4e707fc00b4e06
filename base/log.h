/* SPDX-License-Identifier: MIT */
/*
 * Log lines on standard error, with the priority prefixes that systemd's journal reads when the
 * daemon runs under it. A line names its object first: "vm3/ch7: opened, gpadl 0x18, 34 pages".
 * Any thread may log. What a peer can provoke goes through hv_log_limited().
 */
#ifndef HVNET_BASE_LOG_H
#define HVNET_BASE_LOG_H

#include <stdint.h>

enum hv_log_level {		/* values as in syslog(3) */
	HV_LOG_ERROR = 3,
	HV_LOG_WARNING = 4,
	HV_LOG_NOTICE = 5,
	HV_LOG_INFO = 6,
	HV_LOG_DEBUG = 7,
};

/* Lines above this level are not written. Default HV_LOG_INFO; set at start-up. */
void hv_log_set_level(enum hv_log_level level);
enum hv_log_level hv_log_level(void);

void hv_log(enum hv_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A token bucket for lines that a guest, a client or the wire can provoke: 10 lines at once,
 * then one a second; what was left out is said with the next line that is written. Zeroed is
 * ready to use; one per object and kind of line; used by one thread.
 */
struct hv_log_limit {
	uint64_t next_ns;	/* when the bucket holds a token again, CLOCK_MONOTONIC */
	uint32_t left_out;	/* lines suppressed since the last one written */
};

void hv_log_limited(struct hv_log_limit *limit, enum hv_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
