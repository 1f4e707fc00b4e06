/* SPDX-License-Identifier: MIT */
/* Commands whose answers are neither a table nor one object: counters, events, drawings, configuration files. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hvnetctl/capture.h"
#include "hvnetctl/command.h"
#include "hvnetctl/draw.h"
#include "hvnetctl/run.h"
#include "hvnetctl/table.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

int run_team_show(struct session *s, const struct invocation *inv)
{
	json_t *result = session_call_all(s, "uplink.list", json_incref(inv->params), "uplinks"), *rows, *u, *m, *row;
	size_t i, j;

	if (!result)
		return EXIT_REFUSED;
	if (!print_json(inv, result)) {
		rows = json_array();
		json_array_foreach(json_object_get(result, "uplinks"), i, u)
			json_array_foreach(json_object_get(u, "members"), j, m) {
				row = json_copy(m);
				json_object_set(row, "switch", json_object_get(u, "switch"));
				json_object_set(row, "uplink", json_object_get(u, "name"));
				json_array_append_new(rows, row);
			}
		table_print(stdout, "switch uplink interface mode state actor_churn partner_churn counters.in_frames "
			    "counters.out_frames", rows);
		json_decref(rows);
	}
	json_decref(result);
	return EXIT_SUCCESS;
}

int run_capture(struct session *s, const struct invocation *inv)
{
	return capture_run(s->client, inv->params);
}

int run_stats(struct session *s, const struct invocation *inv)
{
	json_t *result = session_call_all(s, "stats.get", json_incref(inv->params), "objects"), *o;
	size_t i;

	if (!result)
		return EXIT_REFUSED;
	if (!print_json(inv, result)) {
		puts("worker");
		counters_print(stdout, json_object_get(result, "worker"));
		puts("control");
		counters_print(stdout, json_object_get(result, "control"));
		json_array_foreach(json_object_get(result, "objects"), i, o) {
			printf("%s %s\n", text_of(o, "kind"), text_of(o, "name"));
			counters_print(stdout, json_object_get(o, "counters"));
		}
	}
	json_decref(result);
	return EXIT_SUCCESS;
}

/* Says which books do not balance; that they all do is one line. */
int run_audit(struct session *s, const struct invocation *inv)
{
	json_t *result = session_call_all(s, "audit", json_incref(inv->params), "rows"), *row;
	size_t i, bad = 0;

	if (!result)
		return EXIT_REFUSED;
	json_array_foreach(json_object_get(result, "rows"), i, row)
		bad += !json_is_true(json_object_get(row, "balanced"));
	if (!print_json(inv, result)) {
		json_array_foreach(json_object_get(result, "rows"), i, row)
			if (!json_is_true(json_object_get(row, "balanced"))) {
				printf("switch %s%s%s does not balance:\n", text_of(row, "switch"),
				       *text_of(row, "port") ? ", port " : "", text_of(row, "port"));
				record_print(stdout, row);
			}
		printf("%zu of %zu rows balance: in = out + dropped + in flight\n",
		       json_array_size(json_object_get(result, "rows")) - bad,
		       json_array_size(json_object_get(result, "rows")));
	}
	json_decref(result);
	return bad ? EXIT_REFUSED : EXIT_SUCCESS;
}

/* Reachability. */

static void print_drop(const json_t *drop)
{
	const char *rule = text_of(drop, "rule");
	const json_int_t count = json_integer_value(json_object_get(drop, "count"));

	printf("%s the %s is dropped %s port %s: %s%s%s%s", json_is_true(json_object_get(drop, "decides")) ? "!" : " ",
	       text_of(drop, "frame"), !strcmp(text_of(drop, "direction"), "from_nic") ? "where it enters the switch, at" :
	       "on the way to", text_of(drop, "port"), text_of(drop, "reason"), *rule ? " (" : "", rule, *rule ? ")" : "");
	if (count > 1)
		printf(", %" JSON_INTEGER_FORMAT " times", count);
	putchar('\n');
}

static void print_trips(const json_t *trips)
{
	const json_t *trip;
	size_t i;

	json_array_foreach(trips, i, trip)
		printf("%s %" JSON_INTEGER_FORMAT, i ? "," : ", round trips", json_integer_value(trip));
	puts(json_array_size(trips) ? " us" : "");
}

static void print_verdict(const json_t *result)
{
	const char *status = text_of(result, "status"), *mac = text_of(result, "mac");
	const json_int_t sent = json_integer_value(json_object_get(result, "sent"));

	printf("%s %s from %s%s", text_of(result, "target"), !strcmp(status, "reachable") ? "is reachable" :
	       !strcmp(status, "dropped") ? "is not reachable" : "does not answer", text_of(result, "adapter"),
	       json_is_true(json_object_get(result, "guest")) ? "" : " (its guest does not run)");
	if (*mac)
		printf(", at %s", mac);
	if (sent)
		printf(": %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " answered",
		       json_integer_value(json_object_get(result, "received")), sent);
	else
		printf(": nobody says where it is");
	print_trips(json_object_get(result, "round_trips_us"));
}

/* A line with the verdict, one for each rule that was in the way. The exit status says whether there is an answer. */
int run_diag_ping(struct session *s, const struct invocation *inv)
{
	json_t *result = session_call(s, "diag.test", json_incref(inv->params)), *drop;
	const bool reachable = !strcmp(text_of(result, "status"), "reachable");
	size_t i;

	if (!result)
		return EXIT_REFUSED;
	if (!print_json(inv, result)) {
		print_verdict(result);
		json_array_foreach(json_object_get(result, "drops"), i, drop)
			print_drop(drop);
	}
	json_decref(result);
	return reachable ? EXIT_SUCCESS : EXIT_REFUSED;
}

/* Events. */

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void print_event(const struct invocation *inv, const json_t *event)
{
	struct timespec now;
	struct tm tm;
	char when[16];

	if (!print_json(inv, event)) {
		clock_gettime(CLOCK_REALTIME, &now);
		strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now.tv_sec, &tm));
		printf("%s.%03ld %-16s ", when, now.tv_nsec / 1000000, text_of(event, "method"));
		json_dumpf(json_object_get(event, "params"), stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
		putchar('\n');
	}
	fflush(stdout);
}

static int show_events(struct session *s, const struct invocation *inv)
{
	json_int_t count = json_integer_value(json_object_get(inv->params, "count"));
	json_int_t seconds = json_integer_value(json_object_get(inv->params, "seconds"));
	time_t end = seconds ? time(NULL) + (time_t)seconds : 0, now;
	struct hvnet_error err;
	json_t *event;

	while (!stopped && !ferror(stdout) && (!end || (now = time(NULL)) < end)) {
		event = hvnet_event(s->client, end ? (int)(end - now) * 1000 : -1, &err);
		if (!event && err.message[0]) {
			fprintf(stderr, "hvnetctl: %s\n", err.message);
			return EXIT_REFUSED;
		}
		if (event)
			print_event(inv, event);
		json_decref(event);
		if (event && count && !--count)
			break;
	}
	return EXIT_SUCCESS;
}

int run_monitor(struct session *s, const struct invocation *inv)
{
	struct sigaction action = { .sa_handler = stop };
	json_t *kinds = json_object_get(inv->params, "kinds"), *params = json_object(), *result;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (kinds)
		json_object_set(params, "kinds", kinds);
	result = session_call(s, "event.subscribe", params);
	if (!result)
		return EXIT_REFUSED;
	json_decref(result);
	return show_events(s, inv);
}

/* Drawings. */

/* Rows of a page that are not in the list yet: switches and VMs are on every page. seen: what is, by its key. */
static void add_rows(json_t *to, const json_t *rows, json_t *seen, bool edges)
{
	const json_t *v;
	char *key;
	size_t i;

	json_array_foreach(rows, i, v) {
		key = edges ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS) : strdup(text_of(v, "id"));
		if (key && !json_object_get(seen, key)) {
			json_object_set_new(seen, key, json_true());
			json_array_append(to, (json_t *)v);
		}
		free(key);
	}
}

/* What was deleted between two pages may have left an edge. */
static json_t *without_loose_ends(const json_t *edges, const json_t *nodes_seen)
{
	json_t *kept = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(edges, i, v)
		if (json_object_get(nodes_seen, text_of(v, "from")) && json_object_get(nodes_seen, text_of(v, "to")))
			json_array_append(kept, (json_t *)v);
	return kept;
}

/* The pages of a topology as one. */
static json_t *whole_topology(struct session *s, const json_t *wanted)
{
	json_t *params = json_object(), *nodes = json_array(), *edges = json_array(), *seen = json_object(), *seen_edges = json_object();
	json_t *page, *next, *all = NULL;

	if (wanted)
		json_object_set(params, "switch", (json_t *)wanted);
	for (;;) {
		page = session_call(s, "topology", json_deep_copy(params));
		add_rows(nodes, json_object_get(page, "nodes"), seen, false);
		add_rows(edges, json_object_get(page, "edges"), seen_edges, true);
		next = json_object_get(page, "next_offset");
		if (!next)
			break;
		json_object_set(params, "offset", next);
		json_decref(page);
	}
	if (page)
		all = json_pack("{s:O, s:o, s:O}", "nodes", nodes, "edges", without_loose_ends(edges, seen), "total",
				json_object_get(page, "total"));
	json_decref(page);
	json_decref(params);
	json_decref(nodes);
	json_decref(edges);
	json_decref(seen);
	json_decref(seen_edges);
	return all;
}

int run_topology(struct session *s, const struct invocation *inv)
{
	static const struct {
		const char *name;
		bool (*draw)(FILE *to, const json_t *topology, char *error, size_t error_bytes);
	} formats[] = { { "tree", draw_tree }, { "dot", draw_dot }, { "mermaid", draw_mermaid }, { "svg", draw_svg } };
	const char *format = text_of(inv->params, "format");
	json_t *topology = whole_topology(s, json_object_get(inv->params, "switch"));
	char error[256];
	bool ok = true;
	size_t i = 0;

	if (!topology)
		return EXIT_REFUSED;
	if (!print_json(inv, topology)) {
		while (i < 3 && strcmp(formats[i].name, *format ? format : "tree") != 0)
			i++;
		ok = formats[i].draw(stdout, topology, error, sizeof(error));
		if (!ok)
			fprintf(stderr, "hvnetctl: %s\n", error);
	}
	json_decref(topology);
	return ok ? EXIT_SUCCESS : EXIT_REFUSED;
}

/* Configuration files. */

static void add_page(json_t *all, const json_t *page)
{
	const char *kind;
	json_t *list;

	json_object_foreach((json_t *)page, kind, list) {
		json_t *there = json_object_get(all, kind);

		if (there)
			json_array_extend(there, list);
		else
			json_object_set(all, kind, list);
	}
}

int run_config_show(struct session *s, const struct invocation *inv)
{
	json_t *params = json_deep_copy(inv->params), *all = json_object(), *page, *next;

	for (;;) {
		page = session_call(s, "config.show", json_deep_copy(params));
		add_page(all, json_object_get(page, "config"));
		next = json_object_get(page, "next_offset");
		if (!page || !next || json_object_get(inv->params, "offset"))
			break;
		json_object_set(params, "offset", next);
		json_decref(page);
	}
	if (page && !print_json(inv, all)) {
		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	}
	json_decref(params);
	json_decref(all);
	json_decref(page);
	return page ? EXIT_SUCCESS : EXIT_REFUSED;
}

/* The document in the file, NULL after an error was printed. */
static json_t *load(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	json_error_t error;
	json_t *config;

	if (!f) {
		fprintf(stderr, "hvnetctl: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	config = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	if (!config)
		fprintf(stderr, "hvnetctl: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
	if (f != stdin)
		fclose(f);
	return config;
}

static int with_config(struct session *s, const struct invocation *inv, const char *method)
{
	json_t *config = load(text_of(inv->params, "file")), *params, *result;

	if (!config)
		return EXIT_REFUSED;
	params = json_pack("{s:o, s:s}", "config", config, "mode",
			   json_is_true(json_object_get(inv->params, "merge")) ? "merge" : "replace");
	result = session_call(s, method, params);
	if (!result)
		return EXIT_REFUSED;
	if (!print_json(inv, result))
		table_print(stdout, "action kind name", json_object_get(result, "changes"));
	json_decref(result);
	return EXIT_SUCCESS;
}

int run_config_diff(struct session *s, const struct invocation *inv)
{
	return with_config(s, inv, "config.diff");
}

int run_config_apply(struct session *s, const struct invocation *inv)
{
	return with_config(s, inv, inv->dry_run ? "config.diff" : "config.apply");
}
