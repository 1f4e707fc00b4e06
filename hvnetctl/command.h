/* SPDX-License-Identifier: MIT */
/*
 * hvnetctl's command line: which method is meant with which parameters, and how its result is shown. What a method takes, the
 * API's table says; a row here says which of it is given by place, and which columns one wants to see.
 */
#ifndef HVNETCTL_COMMAND_H
#define HVNETCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "hvnetctl/args.h"

enum {
	COMMAND_MAX_PLACES = 4,
	COMMAND_MAX_WORDS = 256,	/* our policy: of a line in a batch file */
};

struct session;
struct invocation;

struct command {
	const char *object, *verb;	/* verb NULL: the object alone is the command */
	const char *method;		/* of the API; NULL: run does it all */
	/*
	 * What is given by place: a parameter's name; "name..." takes the words that are left as a list; "name=" takes those as
	 * MEMBER=VALUE of an object. All others are options.
	 */
	const char *places[COMMAND_MAX_PLACES + 1];
	const char *list;		/* member of the result that is an array to show as a table; or NULL */
	const char *columns;		/* … of these members, see table_print() */
	/* In place of a call of method and the showing of its result. The exit status. */
	int (*run)(struct session *s, const struct invocation *inv);
	const struct field *own;	/* parameters that are not the method's, for run; or NULL */
	const char *text;		/* one line; NULL: the method's */
};

extern const struct command commands[];
extern const size_t num_commands;

/* Parameters of the command, which are its method's or its own. */
const struct field *command_fields(const struct command *c);
const char *command_text(const struct command *c);
/* "switch add", to be written into name. */
void command_name(const struct command *c, char *name, size_t bytes);

enum json_form {
	JSON_FORM_NONE,			/* for people */
	JSON_FORM_COMPACT,
	JSON_FORM_PRETTY,
};

struct invocation {
	const char *socket;		/* NULL: the default */
	const char *batch;		/* file of commands, "-": standard input; NULL: none */
	enum json_form json;
	bool help, version, dry_run, no_wait, each;
	unsigned timeout_s;		/* to wait for a job; 0: as long as it takes */
	const struct command *command;	/* NULL with help, version or batch */
	json_t *params;			/* owned */
};

/* False with a sentence in error. Frees nothing: params are the caller's in any case. */
bool command_parse(int argc, char *const *argv, struct invocation *out, struct say *error);
/* The n-th option that goes with every command, without dashes; NULL past the last. */
const char *command_global(size_t n);

/* The parser's look at the words before the last one: what it is that the last one begins. */
struct completion {
	const struct command *command;	/* NULL: object or verb */
	const char *object;		/* with command NULL: it needs a verb; NULL: it needs an object */
	const struct field *field;	/* of the value that is begun; NULL: an option, or none */
	bool member;			/* MEMBER=VALUE of field is begun */
	bool option;			/* … may be begun */
};
void command_at_end(int argc, char *const *argv, struct completion *out);

#endif
