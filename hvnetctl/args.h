/* SPDX-License-Identifier: MIT */
/*
 * Words of a command line, or of a line in a batch file, as the parameters of a method: what type a value has, and what may
 * be given at all, the API's table says.
 */
#ifndef HVNETCTL_ARGS_H
#define HVNETCTL_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/schema.h"

struct say {			/* where a sentence about what is wrong goes */
	char *text;
	size_t bytes;
};

/* Writes the sentence; false, for parsers' returns. */
bool say(struct say *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The field that a path names: "mtu", "policy.vlan.mode"; '-' may stand for '_'. NULL: there is none.
 */
const struct field *args_find(const struct field *fields, const char *path);
/*
 * Sets params' member at path to what value says: a number with k, M or G behind it (of 1000 where the name ends in _bps, else of
 * 1024), on/off, one of an enumeration, a list with commas, or JSON where the API wants an object. value NULL: true, for a
 * boolean alone. False, with a sentence, if there is no such member, it is there already or the value is none for it.
 */
bool args_set(json_t *params, const struct field *fields, const char *path, const char *value, struct say *error);
/* Whether the option of this field takes a word behind it. */
bool args_has_value(const struct field *f);

/*
 * Splits a line into words like a shell: blanks divide, '…' and "…" keep together, \ takes the next character as it is, # at the start of
 * a word begins a comment. Returns how many, -1 with a sentence. The words point into line, which is changed.
 */
int args_split(char *line, char **words, int max, struct say *error);

#endif
