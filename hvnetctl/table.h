/* SPDX-License-Identifier: MIT */
/* Results for people: tables with aligned columns, single objects, and counters. */
#ifndef HVNETCTL_TABLE_H
#define HVNETCTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

/*
 * An array of objects as a table. columns: members of a row with blanks between them, "guest.mtu" going into an object; a title is
 * a member's last name in capitals. What a row does not have is shown as "-".
 */
void table_print(FILE *to, const char *columns, const json_t *rows);
/* An object, a line for each member, those of objects in it with the object's name before theirs. */
void record_print(FILE *to, const json_t *object);
/* Of an object of counters, and of such objects in it, what is not zero. */
void counters_print(FILE *to, const json_t *object);

#endif
