/* SPDX-License-Identifier: MIT */
#include "hvnetctl/draw.h"

#include <graphviz/gvc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct drawing {
	size_t num_nodes, num_edges;
	const json_t **nodes;		/* owned array of borrowed objects */
	struct edge {
		size_t from, to;
		const json_t *object;	/* borrowed */
	} *edges;			/* owned */
	json_t *index;			/* owned; id -> place in nodes */
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

static void explain(char *error, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void explain(char *error, size_t bytes, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, bytes, format, ap);
	va_end(ap);
}

static void drawing_end(struct drawing *d)
{
	free(d->nodes);
	free(d->edges);
	json_decref(d->index);
}

static bool read_edges(struct drawing *d, const json_t *edges, char *error, size_t error_bytes)
{
	const json_t *e, *from, *to;
	size_t i;

	json_array_foreach(edges, i, e) {
		from = json_object_get(d->index, text_of(e, "from"));
		to = json_object_get(d->index, text_of(e, "to"));
		if (!from || !to)
			return explain(error, error_bytes, "edge %zu of the topology joins \"%s\" and \"%s\", which are not "
				    "both among its nodes", i, text_of(e, "from"), text_of(e, "to")), false;
		d->edges[i] = (struct edge){ (size_t)json_integer_value(from), (size_t)json_integer_value(to),
					     e };
	}
	return true;
}

static bool drawing_begin(struct drawing *d, const json_t *topology, char *error, size_t error_bytes)
{
	const json_t *nodes = json_object_get(topology, "nodes"), *edges = json_object_get(topology, "edges"), *n;
	size_t i;

	*d = (struct drawing){ .num_nodes = json_array_size(nodes), .num_edges = json_array_size(edges) };
	if (!json_is_array(nodes) || !json_is_array(edges))
		return explain(error, error_bytes, "the daemon's answer is no topology: it has no nodes or no edges"), false;
	d->nodes = calloc(d->num_nodes + 1, sizeof(*d->nodes));
	d->edges = calloc(d->num_edges + 1, sizeof(*d->edges));
	d->index = json_object();
	if (!d->nodes || !d->edges || !d->index)
		return explain(error, error_bytes, "out of memory"), false;
	json_array_foreach(nodes, i, n) {
		d->nodes[i] = n;
		if (!*text_of(n, "id") || json_object_get(d->index, text_of(n, "id")))
			return explain(error, error_bytes, "node %zu of the topology has no id, or another one's", i), false;
		if (json_object_set_new(d->index, text_of(n, "id"), json_integer((json_int_t)i)))
			return explain(error, error_bytes, "out of memory"), false;
	}
	return read_edges(d, edges, error, error_bytes);
}

/* The tree. */

static void print_value(FILE *to, const json_t *v)
{
	if (json_is_string(v))
		fputs(json_string_value(v), to);
	else
		json_dumpf(v, to, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* "Msvm_SwitchPort web/nic0 (state=connected, vlan=7)" */
static void print_node(FILE *to, const json_t *node)
{
	const json_t *properties = json_object_get(node, "properties");
	const char *key, *before = " (";
	const json_t *v;

	fprintf(to, "%s %s", text_of(node, "class"), text_of(node, "name"));
	json_object_foreach((json_t *)properties, key, v) {
		fprintf(to, "%s%s=", before, key);
		print_value(to, v);
		before = ", ";
	}
	fputs(json_object_size(properties) ? ")\n" : "\n", to);
}

struct walk {
	FILE *to;
	const struct drawing *d;
	bool *seen;
	size_t *first;			/* of a node, in by_node */
	size_t *by_node;		/* edges, those of one node together */
	size_t *parent;			/* of a node: the edge that it hangs on */
	char prefix[512];		/* of the current line */
};

static size_t other_end(const struct edge *e, size_t node)
{
	return e->from == node ? e->to : e->from;
}

/* Hangs all that can be reached from the node below it. */
static void grow(struct walk *w, size_t node)
{
	w->seen[node] = true;
	for (size_t at = w->first[node]; at < w->first[node + 1]; at++) {
		size_t child = other_end(&w->d->edges[w->by_node[at]], node);

		if (!w->seen[child]) {
			w->parent[child] = w->by_node[at];
			grow(w, child);
		}
	}
}

/* The place in by_node, from at on, of the next edge of the node that something hangs on. */
static size_t next_branch(const struct walk *w, size_t node, size_t at)
{
	for (; at < w->first[node + 1]; at++) {
		size_t edge = w->by_node[at], child = other_end(&w->d->edges[edge], node);

		if (child != node && w->parent[child] == edge && w->parent[node] != edge)
			break;
	}
	return at;
}

static void print_branches(struct walk *w, size_t node)
{
	size_t at = next_branch(w, node, w->first[node]), end = w->first[node + 1], length = strlen(w->prefix), next;

	for (; at < end; at = next) {
		const struct edge *e = &w->d->edges[w->by_node[at]];
		size_t child = other_end(e, node);

		next = next_branch(w, node, at + 1);
		fprintf(w->to, "%s%s %s%s%s ", w->prefix, next < end ? "├─" : "└─", e->from == node ? "" : "<",
			text_of(e->object, "association"), e->from == node ? ">" : "");
		print_node(w->to, w->d->nodes[child]);
		/* Wider than a page nothing could be read. */
		if (length + 8 < sizeof(w->prefix)) {
			strcpy(w->prefix + length, next < end ? "│  " : "   ");
			print_branches(w, child);
			w->prefix[length] = '\0';
		}
	}
}

/* Edges sorted by their ends, by counting. */
static void sort_edges(struct walk *w)
{
	const struct drawing *d = w->d;
	size_t *fill = w->first;

	for (size_t i = 0; i < d->num_edges; i++) {
		fill[d->edges[i].from + 2]++;
		fill[d->edges[i].to + 2]++;
	}
	for (size_t i = 2; i < d->num_nodes + 2; i++)
		fill[i] += fill[i - 1];
	for (size_t i = 0; i < d->num_edges; i++) {
		w->by_node[fill[d->edges[i].from + 1]++] = i;
		w->by_node[fill[d->edges[i].to + 1]++] = i;
	}
}

static bool walk_begin(struct walk *w)
{
	const struct drawing *d = w->d;

	w->seen = calloc(d->num_nodes + 1, sizeof(*w->seen));
	w->first = calloc(d->num_nodes + 3, sizeof(*w->first));
	w->by_node = calloc(2 * d->num_edges + 1, sizeof(*w->by_node));
	w->parent = calloc(d->num_nodes + 1, sizeof(*w->parent));
	if (!w->seen || !w->first || !w->by_node || !w->parent)
		return false;
	sort_edges(w);
	return true;
}

static void print_trees(struct walk *w)
{
	for (size_t i = 0; i < w->d->num_nodes; i++)
		if (!w->seen[i]) {
			w->parent[i] = w->d->num_edges;
			grow(w, i);
			print_node(w->to, w->d->nodes[i]);
			print_branches(w, i);
		}
}

bool draw_tree(FILE *to, const json_t *topology, char *error, size_t error_bytes)
{
	struct drawing d;
	struct walk w = { .to = to, .d = &d };
	bool ok = drawing_begin(&d, topology, error, error_bytes);

	if (ok && walk_begin(&w))
		print_trees(&w);
	else if (ok)
		ok = (explain(error, error_bytes, "out of memory"), false);
	free(w.seen);
	free(w.first);
	free(w.by_node);
	free(w.parent);
	drawing_end(&d);
	return ok;
}

/* Graphs. */

/* Names come from users: a quote, backslash or angle bracket in them stays a character. */
static void print_quoted(FILE *to, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', to);
		if ((unsigned char)*s >= ' ')
			fputc(*s, to);
	}
}

bool draw_dot(FILE *to, const json_t *topology, char *error, size_t error_bytes)
{
	struct drawing d;
	bool ok = drawing_begin(&d, topology, error, error_bytes);

	if (ok) {
		fputs("digraph hvnet {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"Helvetica\", fontsize=10];\n"
		      "\tedge [fontname=\"Helvetica\", fontsize=8];\n", to);
		for (size_t i = 0; i < d.num_nodes; i++) {
			fprintf(to, "\tn%zu [label=\"", i);
			print_quoted(to, text_of(d.nodes[i], "class"));
			fputs("\\n", to);
			print_quoted(to, text_of(d.nodes[i], "name"));
			fputs("\"];\n", to);
		}
		for (size_t i = 0; i < d.num_edges; i++) {
			fprintf(to, "\tn%zu -> n%zu [label=\"", d.edges[i].from, d.edges[i].to);
			print_quoted(to, text_of(d.edges[i].object, "association"));
			fputs("\"];\n", to);
		}
		fputs("}\n", to);
	}
	drawing_end(&d);
	return ok;
}

/* Mermaid has no backslash in labels, but HTML's entities. */
static void print_entities(FILE *to, const char *s)
{
	for (; *s; s++)
		if (strchr("\"<>&#;`|[]{}()\\", *s))
			fprintf(to, "#%d;", *s);
		else if ((unsigned char)*s >= ' ')
			fputc(*s, to);
}

bool draw_mermaid(FILE *to, const json_t *topology, char *error, size_t error_bytes)
{
	struct drawing d;
	bool ok = drawing_begin(&d, topology, error, error_bytes);

	if (ok) {
		fputs("flowchart LR\n", to);
		for (size_t i = 0; i < d.num_nodes; i++) {
			fprintf(to, "\tn%zu[\"", i);
			print_entities(to, text_of(d.nodes[i], "class"));
			fputs("<br/>", to);
			print_entities(to, text_of(d.nodes[i], "name"));
			fputs("\"]\n", to);
		}
		for (size_t i = 0; i < d.num_edges; i++) {
			fprintf(to, "\tn%zu -->|\"", d.edges[i].from);
			print_entities(to, text_of(d.edges[i].object, "association"));
			fprintf(to, "\"| n%zu\n", d.edges[i].to);
		}
	}
	drawing_end(&d);
	return ok;
}

static bool render(FILE *to, const char *dot, char *error, size_t error_bytes)
{
	GVC_t *gvc = gvContext();
	graph_t *g = gvc ? agmemread(dot) : NULL;
	bool ok = false;

	if (!g)
		explain(error, error_bytes, "Graphviz cannot read the drawing");
	else if (gvLayout(gvc, g, "dot"))
		explain(error, error_bytes, "Graphviz cannot lay the drawing out; are its plug-ins there? (package libgvc6)");
	else if (gvRender(gvc, g, "svg", to))
		explain(error, error_bytes, "Graphviz cannot draw SVG");
	else
		ok = true;
	if (g) {
		gvFreeLayout(gvc, g);
		agclose(g);
	}
	if (gvc)
		gvFreeContext(gvc);
	return ok;
}

bool draw_svg(FILE *to, const json_t *topology, char *error, size_t error_bytes)
{
	char *dot = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&dot, &n);
	bool ok;

	if (!f)
		return explain(error, error_bytes, "out of memory"), false;
	ok = draw_dot(f, topology, error, error_bytes);
	if (fclose(f))
		ok = (explain(error, error_bytes, "out of memory"), false);
	ok = ok && render(to, dot, error, error_bytes);
	free(dot);
	return ok;
}
