/* SPDX-License-Identifier: MIT */
/* hvnetctl's command line: which method with which parameters, and how its result is shown. */
#ifndef HVNETCTL_COMMAND_H
#define HVNETCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "hvnetctl/table.h"

enum {
	COMMAND_MAX_ARGS = 16,
	COMMAND_MAX_COLUMNS = 12,
};

enum arg_type {
	ARG_STRING,
	ARG_INTEGER,
	ARG_FLAG,		/* has no value */
};

struct command_arg {
	const char *name;	/* of the parameter, and of the option "--name"; NULL ends the list */
	enum arg_type type;
	bool positional;	/* given by place, in this order, without its name */
	bool required;
};

struct command {
	const char *object, *verb;	/* verb NULL: the object alone is the command */
	const char *method;
	struct command_arg args[COMMAND_MAX_ARGS];
	const char *help;		/* one line */
	const char *list;		/* member of the result that is an array to show as a table; or NULL */
	struct table_column columns[COMMAND_MAX_COLUMNS];
	void (*print)(const json_t *result);	/* instead of list; NULL: nothing is printed */
};

extern const struct command commands[];
extern const size_t num_commands;

struct invocation {
	const char *socket;		/* NULL: the default */
	bool json, help, version;
	const struct command *command;	/* NULL with help or version */
	json_t *params;			/* owned */
};

/* False with a sentence in error. Frees nothing: params are the caller's in any case. */
bool command_parse(int argc, char *const *argv, struct invocation *out, char *error, size_t error_bytes);
void command_print_help(void);

#endif
