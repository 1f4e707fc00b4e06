/* SPDX-License-Identifier: MIT */
#include "hvnetd/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetd/event.h"
#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"

/* NEW --> RUNNING --> COMPLETED, KILLED or EXCEPTION; names and numbers of Msvm_NetworkJob's JobState */
enum job_state {
	JOB_NEW = 2,
	JOB_RUNNING = 4,
	JOB_COMPLETED = 7,
	JOB_KILLED = 9,
	JOB_EXCEPTION = 10,
};

struct job {
	TAILQ_ENTRY(job) link;
	struct hvnetd *d;		/* borrowed */
	char id[32];
	char type[32];
	enum job_state state;
	unsigned percent;
	json_t *result, *error;		/* owned */
	uint64_t ended_ns;
};

static const char *state_name(enum job_state state)
{
	switch (state) {
	case JOB_NEW:
		return "new";
	case JOB_RUNNING:
		return "running";
	case JOB_COMPLETED:
		return "completed";
	case JOB_KILLED:
		return "killed";
	case JOB_EXCEPTION:
		return "exception";
	}
	return "?";
}

void job_destroy(struct job *job)
{
	TAILQ_REMOVE(&job->d->jobs.list, job, link);
	job->d->jobs.num--;
	json_decref(job->result);
	json_decref(job->error);
	free(job);
}

static void forget_old(struct hvnetd *d)
{
	const uint64_t now = hv_now_ns();
	struct job *job, *next;

	for (job = TAILQ_FIRST(&d->jobs.list); job; job = next) {
		next = TAILQ_NEXT(job, link);
		if (job->ended_ns && now - job->ended_ns > JOB_KEPT_S * 1000000000ull)
			job_destroy(job);
	}
}

static json_t *show_job(const struct job *job)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:O*, s:O*}", "job", job->id, "type", job->type, "state", state_name(job->state),
			 "percent", (int)job->percent, "result", job->result, "error", job->error);
}

static void tell(const struct job *job)
{
	if (event_wanted(job->d, "job.changed"))
		event_send(job->d, "job.changed", job->state == JOB_EXCEPTION ? EVENT_WARNING : EVENT_INFO,
			   json_pack("{s:s, s:s, s:s, s:i, s:O*}", "job", job->id, "type", job->type, "state",
				     state_name(job->state), "percent", (int)job->percent, "error", job->error));
}

struct job *job_create(struct hvnetd *d, const char *type)
{
	struct job *job;

	forget_old(d);
	job = d->jobs.num < JOBS_MAX ? calloc(1, sizeof(*job)) : NULL;
	if (!job)
		return NULL;
	job->d = d;
	job->state = JOB_NEW;
	snprintf(job->id, sizeof(job->id), "job-%" PRIu64, ++d->jobs.made);
	snprintf(job->type, sizeof(job->type), "%s", type);
	TAILQ_INSERT_TAIL(&d->jobs.list, job, link);
	d->jobs.num++;
	return job;
}

const char *job_id(const struct job *job)
{
	return job->id;
}

void job_progress(struct job *job, unsigned percent)
{
	if (job->state == JOB_RUNNING && job->percent == percent)
		return;
	job->state = JOB_RUNNING;
	job->percent = percent;
	tell(job);
}

void job_end(struct job *job, json_t *result, bool cancelled, const struct rpc_error *err)
{
	job->state = cancelled ? JOB_KILLED : err ? JOB_EXCEPTION : JOB_COMPLETED;
	job->percent = err ? job->percent : 100;
	job->result = result;
	job->error = err && !cancelled ? rpc_error_object(err) : NULL;
	job->ended_ns = hv_now_ns();
	tell(job);
}

void jobs_finish(struct hvnetd *d)
{
	while (!TAILQ_EMPTY(&d->jobs.list))
		job_destroy(TAILQ_FIRST(&d->jobs.list));
}

/* Methods. */

static struct job *find(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	const char *id = rpc_string(call, "job");
	struct job *job;

	forget_old(d);
	TAILQ_FOREACH(job, &d->jobs.list, link)
		if (!strcmp(job->id, id))
			return job;
	rpc_fail(&call->err, RPC_NOT_FOUND, "job", "there is no job \"%s\"; jobs are forgotten 5 minutes after their end", id);
	return NULL;
}

json_t *method_job_get(struct rpc_call *call)
{
	const struct job *job = find(call);

	return job ? show_job(job) : NULL;
}

json_t *method_job_list(struct rpc_call *call)
{
	struct hvnetd *d = call->opaque;
	struct page page = page_of(call);
	const struct job *job;

	forget_old(d);
	TAILQ_FOREACH(job, &d->jobs.list, link)
		if (page_has(&page))
			page_add(&page, show_job(job));
	return page_end(&page, "jobs");
}

json_t *method_job_cancel(struct rpc_call *call)
{
	const struct job *job = find(call);

	if (!job)
		return NULL;
	if (!change_cancel(call->opaque, job)) {
		rpc_fail(&call->err, RPC_STATE, "job", "%s cannot be cancelled any more", job->id);
		rpc_detail(&call->err, "state", "%s", state_name(job->state));
		return NULL;
	}
	return show_job(job);
}
