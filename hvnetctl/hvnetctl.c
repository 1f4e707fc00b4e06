/* SPDX-License-Identifier: MIT */
/* The program: one command, one request, its answer for people or as JSON. */
#include "hvnetctl/hvnetctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvnetctl/capture.h"
#include "hvnetctl/command.h"

enum {
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
};

static void show(const struct command *c, const json_t *result, bool as_json)
{
	if (as_json) {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else if (c->list) {
		table_print(stdout, c->columns, json_object_get(result, c->list));
	} else if (c->print) {
		c->print(result);
	}
}

/* Lists come in pages; the rest of the first one's are added to it. */
static json_t *call_all(struct hvnet_client *client, const struct invocation *inv, struct hvnet_error *err)
{
	json_t *result = hvnet_call(client, inv->command->method, json_incref(inv->params), err), *next, *list, *page;
	const char *name;

	while (result && (next = json_object_get(result, "next_offset"))) {
		json_object_set(inv->params, "offset", next);
		json_object_del(result, "next_offset");
		page = hvnet_call(client, inv->command->method, json_incref(inv->params), err);
		if (!page) {
			json_decref(result);
			return NULL;
		}
		json_object_foreach(page, name, list)
			if (json_is_array(list))
				json_array_extend(json_object_get(result, name), list);
		if (json_object_get(page, "next_offset"))
			json_object_set(result, "next_offset", json_object_get(page, "next_offset"));
		json_decref(page);
	}
	return result;
}

static int run(const struct invocation *inv)
{
	struct hvnet_client *client = NULL;
	struct hvnet_error err = { 0 };
	json_t *result = NULL;
	int status = EXIT_REFUSED;

	if (!hvnet_connect(inv->socket, &client, &err) && !strcmp(inv->command->method, "capture.start")) {
		status = capture_run(client, inv->params);
		hvnet_disconnect(client);
		return status;
	}
	if (client)
		result = call_all(client, inv, &err);
	if (result) {
		show(inv->command, result, inv->json);
		status = EXIT_SUCCESS;
	} else {
		fprintf(stderr, "hvnetctl: %s\n", err.message);
	}
	json_decref(result);
	hvnet_disconnect(client);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) || ferror(stdout)) {
		perror("hvnetctl: writing the answer");
		status = EXIT_REFUSED;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct invocation inv;
	char error[256];
	int status = EXIT_SUCCESS;

	if (!command_parse(argc, argv, &inv, error, sizeof(error))) {
		fprintf(stderr, "hvnetctl: %s\nTry 'hvnetctl --help'.\n", error);
		status = EXIT_USAGE;
	} else if (inv.help) {
		command_print_help();
	} else if (inv.version) {
		puts("hvnetctl 0.1.0");
	} else {
		status = run(&inv);
	}
	json_decref(inv.params);
	return status;
}
