/* SPDX-License-Identifier: MIT */
#include "hvnetctl/draw.h"

#include <string.h>

#include "base/test.h"

typedef bool drawer(FILE *to, const json_t *topology, char *error, size_t error_bytes);

static const char *const small =
	"{\"nodes\": ["
	"{\"id\": \"service\", \"class\": \"Service\", \"name\": \"nvspwmi\"},"
	"{\"id\": \"s\", \"class\": \"Switch\", \"name\": \"lab\", \"properties\": {\"type\": \"private\", \"ports\": 2}},"
	"{\"id\": \"p1\", \"class\": \"Port\", \"name\": \"1\"},"
	"{\"id\": \"p2\", \"class\": \"Port\", \"name\": \"2\"},"
	"{\"id\": \"e\", \"class\": \"Endpoint\", \"name\": \"web/nic0\"},"
	"{\"id\": \"n\", \"class\": \"Nic\", \"name\": \"a \\\"b\\\" <c>\"}],"
	"\"edges\": ["
	"{\"from\": \"service\", \"to\": \"s\", \"association\": \"Hosted\"},"
	"{\"from\": \"s\", \"to\": \"p1\", \"association\": \"Access\"},"
	"{\"from\": \"s\", \"to\": \"p2\", \"association\": \"Access\"},"
	"{\"from\": \"p1\", \"to\": \"e\", \"association\": \"Active\"},"
	"{\"from\": \"n\", \"to\": \"e\", \"association\": \"Device\"}]}";

/* What Graphviz and fontconfig keep until the end is theirs. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfontconfig\nleak:libgvc\n";
}

static char error[256];

/* What is drawn, to be freed; NULL if it was refused. */
static char *drawn(drawer *draw, const char *text)
{
	json_t *topology = json_loads(text, 0, NULL);
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);
	bool ok;

	error[0] = '\0';
	ok = draw(f, topology, error, sizeof(error));
	fclose(f);
	json_decref(topology);
	if (!ok) {
		free(out);
		return NULL;
	}
	return out;
}

static void tree(void)
{
	char *text = drawn(draw_tree, small);

	CU_ASSERT_STRING_EQUAL(text,
			       "Service nvspwmi\n"
			       "└─ Hosted> Switch lab (type=private, ports=2)\n"
			       "   ├─ Access> Port 1\n"
			       "   │  └─ Active> Endpoint web/nic0\n"
			       "   │     └─ <Device Nic a \"b\" <c>\n"
			       "   └─ Access> Port 2\n");
	free(text);
}

/* A ring of nodes, one more that nobody is joined to, and a node joined to itself. */
static void rings(void)
{
	char *text = drawn(draw_tree,
			   "{\"nodes\": [{\"id\": \"a\"}, {\"id\": \"b\"}, {\"id\": \"c\"}, {\"id\": \"d\", \"name\": \"alone\"}],"
			   "\"edges\": [{\"from\": \"a\", \"to\": \"b\"}, {\"from\": \"b\", \"to\": \"c\"},"
			   "{\"from\": \"c\", \"to\": \"a\"}, {\"from\": \"c\", \"to\": \"c\"}]}");
	unsigned lines = 0;

	for (const char *p = text; p && *p; p++)
		lines += *p == '\n';
	CU_ASSERT_EQUAL(lines, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "alone"));
	/* The last but one child came up below its sibling: no line begins as if there were another. */
	CU_ASSERT_PTR_NULL(strstr(text, "├"));
	free(text);
}

static void graphs(void)
{
	char *dot = drawn(draw_dot, small), *mermaid = drawn(draw_mermaid, small), *svg = drawn(draw_svg, small);

	CU_ASSERT_PTR_NOT_NULL_FATAL(dot);
	CU_ASSERT_PTR_NOT_NULL(strstr(dot, "n5 [label=\"Nic\\na \\\"b\\\" <c>\"];"));
	CU_ASSERT_PTR_NOT_NULL(strstr(dot, "n5 -> n4 [label=\"Device\"];"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(mermaid);
	CU_ASSERT_PTR_NOT_NULL(strstr(mermaid, "n5[\"Nic<br/>a #34;b#34; #60;c#62;\"]"));
	CU_ASSERT_PTR_NOT_NULL(strstr(mermaid, "n0 -->|\"Hosted\"| n1"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(svg);
	CU_ASSERT_PTR_NOT_NULL(strstr(svg, "a &quot;b&quot; &lt;c&gt;</text>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(svg, "</svg>"));
	free(dot);
	free(mermaid);
	free(svg);
}

static void lies(void)
{
	static const struct {
		const char *topology, *says;
	} rows[] = {
		{ "{}", "no topology" },
		{ "{\"nodes\": []}", "no topology" },
		{ "{\"nodes\": [{\"name\": \"x\"}], \"edges\": []}", "has no id" },
		{ "{\"nodes\": [{\"id\": \"x\"}, {\"id\": \"x\"}], \"edges\": []}", "another one's" },
		{ "{\"nodes\": [{\"id\": \"x\"}], \"edges\": [{\"from\": \"x\", \"to\": \"y\"}]}", "\"x\" and \"y\"" },
	};
	static drawer *const drawers[] = { draw_tree, draw_dot, draw_mermaid, draw_svg };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t d = 0; d < 4; d++) {
			char *text = drawn(drawers[d], rows[i].topology);

			CU_ASSERT_PTR_NULL(text);
			CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[i].says));
			free(text);
		}
}

static const struct hv_test tests[] = {
	{ "the tree shows each node once, along its associations", tree },
	{ "rings end, and nodes that are joined to nothing are shown", rings },
	{ "graphs escape what users named", graphs },
	{ "what is no topology is refused", lies },
};

HV_TEST_MAIN("hvnetctl/draw", tests)
