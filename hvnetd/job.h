/* SPDX-License-Identifier: MIT */
/*
 * Jobs: what a change that takes long is known by. They are kept for five minutes after their end.
 * On the loop's thread.
 */
#ifndef HVNETD_JOB_H
#define HVNETD_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct hvnetd;
struct job;
struct rpc_error;

enum {
	JOBS_MAX = 1024,		/* our policy: kept or under way */
	JOB_KEPT_S = 300,		/* as Msvm_NetworkJob */
};

struct jobs {
	TAILQ_HEAD(, job) list;		/* oldest first */
	unsigned num;
	uint64_t made;
};

/* type: the method. NULL: too many, or no memory. */
struct job *job_create(struct hvnetd *d, const char *type);
/* As if it had never been. */
void job_destroy(struct job *job);
const char *job_id(const struct job *job);
void job_progress(struct job *job, unsigned percent);
/* Takes result; err NULL: it went well. */
void job_end(struct job *job, json_t *result, bool cancelled, const struct rpc_error *err);
/* All jobs, without asking. */
void jobs_finish(struct hvnetd *d);

#endif
