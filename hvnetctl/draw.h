/* SPDX-License-Identifier: MIT */
/*
 * The object model as a picture. A topology is the result of the daemon's method of that name:
 *	{ "nodes": [{ "id", "class", "name", "properties": { … } }], "edges": [{ "from", "to", "association" }] }
 * with ids that are strings, unique among the nodes.
 */
#ifndef HVNETCTL_DRAW_H
#define HVNETCTL_DRAW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Each prints the whole topology; false, with a sentence in error, if it is none or memory is short. The tree goes along
 * the associations, whatever their direction, from the first node; each node is shown once.
 */
bool draw_tree(FILE *to, const json_t *topology, char *error, size_t error_bytes);
/* Graphviz' language. */
bool draw_dot(FILE *to, const json_t *topology, char *error, size_t error_bytes);
/* A Mermaid flowchart. */
bool draw_mermaid(FILE *to, const json_t *topology, char *error, size_t error_bytes);
/* draw_dot() laid out by Graphviz. */
bool draw_svg(FILE *to, const json_t *topology, char *error, size_t error_bytes);

#endif
