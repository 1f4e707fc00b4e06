/* SPDX-License-Identifier: MIT */
/*
 * Carrying commands out: one connection, calls, lists fetched page by page, jobs waited for; and the commands that are more
 * than one call. What goes wrong is said on standard error.
 */
#ifndef HVNETCTL_RUN_H
#define HVNETCTL_RUN_H

#include <jansson.h>
#include <stdbool.h>

#include "hvnetctl/hvnetctl.h"

struct command;
struct invocation;

enum {
	EXIT_REFUSED = 1,		/* the daemon has refused, or was not reached */
	EXIT_USAGE = 2,
};

struct session {
	struct hvnet_client *client;	/* owned */
	const char *where;		/* "FILE:LINE: " of a batch, else "" */
};

int session_open(struct session *s, const char *socket);
void session_close(struct session *s);
/* Takes params. A new reference; NULL after an error was printed. */
json_t *session_call(struct session *s, const char *method, json_t *params);
/* The same for methods whose answers come in pages: the list holds the rows of all of them. */
json_t *session_call_all(struct session *s, const char *method, json_t *params, const char *list);

/* Carries one command out. The exit status. */
int run_command(struct session *s, const struct invocation *inv);
/* The commands in a file (-: standard input) as one transaction, or (inv->each) one after the other until one fails. */
int run_batch(struct session *s, const struct invocation *inv);
/* Prints what the words but the first could go on with, a line each; the last one is begun, or empty. */
int run_complete(int argc, char *const *argv);
/* --help of a command, or of all. */
void print_help(const struct command *c);

/* Prints a result as JSON if that is wanted. */
bool print_json(const struct invocation *inv, const json_t *result);

int run_team_show(struct session *s, const struct invocation *inv);
int run_capture(struct session *s, const struct invocation *inv);
int run_stats(struct session *s, const struct invocation *inv);
int run_audit(struct session *s, const struct invocation *inv);
int run_diag_ping(struct session *s, const struct invocation *inv);
int run_monitor(struct session *s, const struct invocation *inv);
int run_topology(struct session *s, const struct invocation *inv);
int run_config_show(struct session *s, const struct invocation *inv);
int run_config_diff(struct session *s, const struct invocation *inv);
int run_config_apply(struct session *s, const struct invocation *inv);
int run_completion(struct session *s, const struct invocation *inv);

#endif
