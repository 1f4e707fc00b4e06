/* SPDX-License-Identifier: MIT */
/* One command: its call, the job that it starts, and its result for people or as JSON. */
#include "hvnetctl/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hvnetctl/command.h"
#include "hvnetctl/table.h"
#include "api/api.h"

enum {
	POLL_MS = 100,			/* our policy: how often a job is asked how far it is */
	ROWS_MAX = 1000000,		/* our policy: of a list that is fetched whole */
};

int session_open(struct session *s, const char *socket)
{
	struct hvnet_error err = { 0 };

	*s = (struct session){ .where = "" };
	if (!hvnet_connect(socket, &s->client, &err))
		return 0;
	fprintf(stderr, "hvnetctl: %s\n", err.message);
	s->client = NULL;
	return -1;
}

void session_close(struct session *s)
{
	hvnet_disconnect(s->client);
	s->client = NULL;
}

json_t *session_call(struct session *s, const char *method, json_t *params)
{
	struct hvnet_error err = { 0 };
	json_t *result = hvnet_call(s->client, method, params, &err);

	if (!result)
		fprintf(stderr, "hvnetctl: %s%s\n", s->where, err.message);
	return result;
}

/* What is said of all rows of a page is true of all rows if it is so on every page. */
static void join_members(json_t *all, const json_t *page)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)page, name, v)
		if (json_is_false(v))
			json_object_set(all, name, v);
}

/* Puts the rows of one page behind those of the pages before. False: that was the last one. */
static bool join_pages(json_t *all, json_t *page, const char *list, json_t *params)
{
	json_t *offset = json_object_get(page, "next_offset"), *cursor = json_object_get(page, "next_cursor");
	json_t *rows = json_object_get(all, list);

	if (all != page) {
		json_array_extend(rows, json_object_get(page, list));
		join_members(all, page);
	}
	if ((!offset && !cursor) || json_array_size(rows) >= ROWS_MAX)
		return false;
	json_object_set(params, offset ? "offset" : "cursor", offset ? offset : cursor);
	return true;
}

json_t *session_call_all(struct session *s, const char *method, json_t *params, const char *list)
{
	json_t *all = session_call(s, method, json_incref(params)), *page = all;

	/* Who asks for a page gets that page. */
	if (all && !json_object_get(params, "offset") && !json_object_get(params, "cursor") && !json_object_get(params, "limit")) {
		json_object_set_new(params, "limit", json_integer(API_PAGE_MAX));
		while (join_pages(all, page, list, params)) {
			if (page != all)
				json_decref(page);
			page = session_call(s, method, json_deep_copy(params));
			if (!page)
				break;
		}
		if (page != all)
			json_decref(page);
		if (!page) {
			json_decref(all);
			all = NULL;
		}
		json_object_del(all, "next_offset");
		json_object_del(all, "next_cursor");
	}
	json_decref(params);
	return all;
}

bool print_json(const struct invocation *inv, const json_t *result)
{
	if (inv->json == JSON_FORM_NONE)
		return false;
	json_dumpf(result, stdout, JSON_PRESERVE_ORDER | (inv->json == JSON_FORM_PRETTY ? JSON_INDENT(2) : JSON_COMPACT));
	putchar('\n');
	return true;
}

/* Of what was changed, people know what they said; of what was made, they want to know how it came out. */
static bool says_nothing(const struct command *c)
{
	return !c->list && api_find_method(c->method)->flags & RPC_CHANGES && strcmp(c->verb, "add") != 0;
}

static void show(const struct invocation *inv, const json_t *result)
{
	const struct command *c = inv->command;

	if (print_json(inv, result))
		return;
	if (inv->dry_run) {
		puts("it could be done; nothing was changed");
		return;
	}
	if (says_nothing(c))
		return;
	if (c->list)
		table_print(stdout, c->columns, json_object_get(result, c->list));
	else
		record_print(stdout, result);
}

/* Jobs. */

static bool job_ended(const char *state)
{
	return !strcmp(state, "completed") || !strcmp(state, "killed") || !strcmp(state, "exception");
}

static void show_progress(const json_t *job, json_int_t *last)
{
	json_int_t percent = json_integer_value(json_object_get(job, "percent"));

	if (percent == *last || !isatty(STDERR_FILENO))
		return;
	*last = percent;
	fprintf(stderr, "\r%s: %3" JSON_INTEGER_FORMAT " %%", json_string_value(json_object_get(job, "type")), percent);
}

static int report_job(struct session *s, const struct invocation *inv, const json_t *job)
{
	const char *state = json_string_value(json_object_get(job, "state")), *message;

	if (!strcmp(state, "completed")) {
		if (json_object_size(json_object_get(job, "result")))
			show(inv, json_object_get(job, "result"));
		else if (inv->json != JSON_FORM_NONE)
			puts("{}");
		return EXIT_SUCCESS;
	}
	message = json_string_value(json_object_get(json_object_get(job, "error"), "message"));
	fprintf(stderr, "hvnetctl: %s%s\n", s->where,
		message ? message : !strcmp(state, "killed") ? "the job was cancelled" : "the job failed");
	return EXIT_REFUSED;
}

/* Waits for the job that a call has started, and shows what it has made. */
static int wait_for_job(struct session *s, const struct invocation *inv, const char *id)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	unsigned long rounds = inv->timeout_s ? inv->timeout_s * (1000ul / POLL_MS) : ~0ul;
	json_int_t last = -1;
	json_t *job;
	int status;

	while (rounds--) {
		job = session_call(s, "job.get", json_pack("{s:s}", "job", id));
		if (!job)
			return EXIT_REFUSED;
		show_progress(job, &last);
		if (job_ended(json_string_value(json_object_get(job, "state")))) {
			if (last >= 0)
				fputc('\n', stderr);
			status = report_job(s, inv, job);
			json_decref(job);
			return status;
		}
		json_decref(job);
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "hvnetctl: %sjob %s is not done after %u s; it goes on: `hvnetctl job get %s`\n", s->where, id,
		inv->timeout_s, id);
	return EXIT_REFUSED;
}

int run_command(struct session *s, const struct invocation *inv)
{
	const struct command *c = inv->command;
	json_t *params = json_incref(inv->params), *result;
	const char *job;
	int status = EXIT_SUCCESS;

	if (c->run) {
		json_decref(params);
		return c->run(s, inv);
	}
	if (inv->dry_run && !(api_find_method(c->method)->flags & RPC_CHANGES)) {
		fprintf(stderr, "hvnetctl: %s--dry-run is for commands that change the configuration\n", s->where);
		json_decref(params);
		return EXIT_USAGE;
	}
	if (inv->dry_run)
		json_object_set_new(params, "dry_run", json_true());
	if (c->list)
		result = session_call_all(s, c->method, params, c->list);
	else
		result = session_call(s, c->method, params);
	if (!result)
		return EXIT_REFUSED;
	/* A job's own members are no news of a job that was started. */
	job = json_object_size(result) == 1 ? json_string_value(json_object_get(result, "job")) : NULL;
	if (job && !inv->no_wait)
		status = wait_for_job(s, inv, job);
	else if (json_object_size(result) || inv->json != JSON_FORM_NONE || inv->dry_run)
		show(inv, result);
	json_decref(result);
	return status;
}
