/* SPDX-License-Identifier: MIT */
/* Commands from a file, a line each: all or nothing, or one by one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetctl/command.h"
#include "hvnetctl/run.h"
#include "api/api.h"

struct batch {
	const char *path;
	FILE *file;			/* owned, unless it is standard input */
	char *line;			/* owned */
	size_t capacity;
	unsigned number;		/* of the line */
	char *words[COMMAND_MAX_WORDS];	/* into line */
	json_t *lines;			/* owned; of each call in the transaction */
};

static int complain(const struct batch *b, const char *sentence)
{
	fprintf(stderr, "hvnetctl: %s:%u: %s\n", b->path, b->number, sentence);
	return EXIT_USAGE;
}

/*
 * The next line that is a command. 1: there is one; 0: no more; -1: it is wrong, which was said. params are the
 * caller's in any case.
 */
static int next_command(struct batch *b, struct invocation *inv)
{
	char text[384];
	struct say error = { text, sizeof(text) };
	int n;

	*inv = (struct invocation){ 0 };
	while (getline(&b->line, &b->capacity, b->file) >= 0) {
		b->number++;
		n = args_split(b->line, b->words, COMMAND_MAX_WORDS, &error);
		if (!n)
			continue;
		if (n > 0 && command_parse(n, b->words, inv, &error)) {
			if (!inv->help && !inv->version && !inv->batch && !inv->socket)
				return 1;
			say(&error, "--help, --version, --batch and --socket have no place in a batch");
		}
		complain(b, text);
		return -1;
	}
	return 0;
}

static int open_batch(struct batch *b, const char *path)
{
	*b = (struct batch){ .path = path, .file = stdin };
	if (strcmp(path, "-") != 0)
		b->file = fopen(path, "re");
	if (b->file)
		return 0;
	fprintf(stderr, "hvnetctl: %s: %s\n", path, strerror(errno));
	return -1;
}

static void close_batch(struct batch *b)
{
	if (b->file && b->file != stdin)
		fclose(b->file);
	free(b->line);
	json_decref(b->lines);
}

static int run_each(struct session *s, const struct invocation *outer, struct batch *b)
{
	struct invocation inv;
	char where[300];
	int status = EXIT_SUCCESS, n = 0;

	s->where = where;
	while (status == EXIT_SUCCESS && (n = next_command(b, &inv)) > 0) {
		snprintf(where, sizeof(where), "%s:%u: ", b->path, b->number);
		inv.dry_run |= outer->dry_run;
		if (inv.json == JSON_FORM_NONE)
			inv.json = outer->json;
		status = run_command(s, &inv);
		json_decref(inv.params);
	}
	if (n < 0) {
		json_decref(inv.params);
		status = EXIT_USAGE;
	}
	s->where = "";
	return status;
}

/* Reads all commands into calls. False: one of them is wrong, which was said. */
static bool read_calls(struct batch *b, json_t *calls)
{
	struct invocation inv;
	int n;

	while ((n = next_command(b, &inv)) > 0) {
		const struct command *c = inv.command;

		if (!c->method || !(api_find_method(c->method)->flags & RPC_CHANGES)) {
			complain(b, "only commands that change the configuration can be all or nothing together; --each runs "
				 "one after the other");
			n = -1;
			break;
		}
		json_array_append_new(calls, json_pack("{s:s, s:o}", "method", c->method, "params", inv.params));
		json_array_append_new(b->lines, json_integer(b->number));
	}
	if (n < 0)
		json_decref(inv.params);
	return !n;
}

static int run_transaction(struct session *s, const struct invocation *outer, struct batch *b)
{
	json_t *calls = json_array(), *params = json_pack("{s:o}", "calls", calls), *result;
	struct hvnet_error err = { .call = -1 };

	b->lines = json_array();
	if (!read_calls(b, calls)) {
		json_decref(params);
		return EXIT_USAGE;
	}
	if (outer->dry_run)
		json_object_set_new(params, "dry_run", json_true());
	result = hvnet_call(s->client, "transaction", params, &err);
	if (!result) {
		const json_t *line = err.call < 0 ? NULL : json_array_get(b->lines, (size_t)err.call);

		if (line)
			fprintf(stderr, "hvnetctl: %s:%lld: %s; nothing was changed\n", b->path,
				(long long)json_integer_value(line), err.message);
		else
			fprintf(stderr, "hvnetctl: %s: %s\n", b->path, err.message);
		return EXIT_REFUSED;
	}
	print_json(outer, result);
	json_decref(result);
	return EXIT_SUCCESS;
}

int run_batch(struct session *s, const struct invocation *inv)
{
	struct batch b;
	int status;

	if (open_batch(&b, inv->batch))
		return EXIT_USAGE;
	status = inv->each ? run_each(s, inv, &b) : run_transaction(s, inv, &b);
	close_batch(&b);
	return status;
}
