/* SPDX-License-Identifier: MIT */
/* Results for people: tables with aligned columns, and the counters of "stats.get". */
#ifndef HVNETCTL_TABLE_H
#define HVNETCTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

struct table_column {
	const char *title;	/* NULL ends the list */
	const char *member;	/* of each row; "guest.mtu" goes into an object */
};

/* An array of objects as a table; what a row does not have is shown as "-". */
void table_print(FILE *to, const struct table_column *columns, const json_t *rows);
/* What is not zero of the method "stats.get". */
void stats_print(FILE *to, const json_t *stats);

#endif
