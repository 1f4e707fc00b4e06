/* SPDX-License-Identifier: MIT */
#include "hvnetd/methods.h"
#include "hvnetd/rpc.h"

#include <string.h>

#include "base/test.h"
#include "api/api.h"

static unsigned runs;

static json_t *echo(struct rpc_call *call)
{
	runs++;
	if (rpc_string(call, "fail")) {
		rpc_fail(&call->err, RPC_IN_USE, "thing", "thing is in use by %s", rpc_string(call, "fail"));
		return NULL;
	}
	return json_pack("{s:I, s:b}", "n", rpc_integer(call, "n", -1), "flag", rpc_boolean(call, "flag"));
}

static const struct field echo_params[] = {
	F_INT("n", NEED, 0, 10, "a number"),
	F_BOOL("flag", MAY, "a flag"),
	F_STRING("fail", MAY, 1, 8, "who has it"),
	FIELD_END
};

static const struct rpc_method methods[] = {
	{ "echo", "say it again", 0, echo_params, NULL },
	{ "change", "change it", RPC_CHANGES, echo_params, NULL },
	{ "act", "do it", RPC_ACTS, echo_params, NULL },
};

static const struct rpc_method *find(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

static const struct rpc_dispatcher dispatcher = { .find = find, .handle = echo };

static char *handle(const char *line, bool may_change)
{
	return rpc_handle(&dispatcher, NULL, may_change, line, strlen(line));
}

#define REQ(rest) "{\"jsonrpc\":\"2.0\",\"id\":7," rest "}"
#define ECHO(params) REQ("\"method\":\"echo\",\"params\":" params)

static const struct {
	const char *lie, *line;
	int code;		/* 0: a result */
	const char *part;	/* what the reply holds */
} rows[] = {
	{ "nothing", "", RPC_PARSE_ERROR, "\"id\":null" },
	{ "half an object", "{\"jsonrpc\":\"2.0\"", RPC_PARSE_ERROR, "\"id\":null" },
	{ "two objects", "{} {}", RPC_PARSE_ERROR, "\"id\":null" },
	{ "a member twice", "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"echo\"}", RPC_PARSE_ERROR, "duplicate" },
	{ "not UTF-8", REQ("\"method\":\"\xff\""), RPC_PARSE_ERROR, "\"id\":null" },
	{ "a number", "5", RPC_INVALID_REQUEST, "must be a JSON object" },
	{ "a string", "\"echo\"", RPC_INVALID_REQUEST, "must be a JSON object" },
	{ "an empty batch", "[]", RPC_INVALID_REQUEST, "1 to 64" },
	{ "an empty object", "{}", RPC_INVALID_REQUEST, "jsonrpc" },
	{ "no version", "{\"id\":1,\"method\":\"echo\"}", RPC_INVALID_REQUEST, "\"id\":1" },
	{ "another version", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", RPC_INVALID_REQUEST, "\"id\":1" },
	{ "a version as a number", "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"echo\"}", RPC_INVALID_REQUEST, "\"id\":1" },
	{ "an id that is an object", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", RPC_INVALID_REQUEST, "\"id\":null" },
	{ "an id that is true", "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"echo\"}", RPC_INVALID_REQUEST, "\"id\":null" },
	{ "no method", REQ("\"params\":{}"), RPC_INVALID_REQUEST, "method" },
	{ "a method that is a number", REQ("\"method\":1"), RPC_INVALID_REQUEST, "method" },
	{ "a foreign member", REQ("\"method\":\"echo\",\"parms\":{}"), RPC_INVALID_REQUEST, "nothing else" },
	{ "an unknown method", REQ("\"method\":\"ech\""), RPC_NO_METHOD, "\\\"ech\\\"" },
	{ "params as an array", ECHO("[1]"), RPC_INVALID_PARAMS, "must be an object" },
	{ "params as null", ECHO("null"), RPC_INVALID_PARAMS, "must be an object" },
	{ "a required one missing", ECHO("{}"), RPC_INVALID_PARAMS, "\"what\":\"n\"" },
	{ "all missing", REQ("\"method\":\"echo\""), RPC_INVALID_PARAMS, "\"what\":\"n\"" },
	{ "an unknown one", ECHO("{\"n\":1,\"m\":2}"), RPC_INVALID_PARAMS, "\"what\":\"m\"" },
	{ "an integer as a string", ECHO("{\"n\":\"1\"}"), RPC_INVALID_PARAMS, "\"what\":\"n\"" },
	{ "an integer as a real", ECHO("{\"n\":1.0}"), RPC_INVALID_PARAMS, "0 to 10" },
	{ "an integer below", ECHO("{\"n\":-1}"), RPC_INVALID_PARAMS, "0 to 10" },
	{ "an integer above", ECHO("{\"n\":11}"), RPC_INVALID_PARAMS, "0 to 10" },
	{ "an integer beyond 64 bits", ECHO("{\"n\":99999999999999999999}"), RPC_PARSE_ERROR, "too big" },
	{ "a flag as a number", ECHO("{\"n\":1,\"flag\":1}"), RPC_INVALID_PARAMS, "\"what\":\"flag\"" },
	{ "a string as null", ECHO("{\"n\":1,\"fail\":null}"), RPC_INVALID_PARAMS, "\"what\":\"fail\"" },
	{ "a string too short", ECHO("{\"n\":1,\"fail\":\"\"}"), RPC_INVALID_PARAMS, "1 to 8" },
	{ "a string too long", ECHO("{\"n\":1,\"fail\":\"123456789\"}"), RPC_INVALID_PARAMS, "1 to 8" },
	{ "a string with a NUL", ECHO("{\"n\":1,\"fail\":\"a\\u0000b\"}"), RPC_INVALID_PARAMS, "NUL" },
	{ "nested too deeply", REQ("\"params\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), RPC_INVALID_REQUEST, "deeply" },
	{ "the handler's refusal", ECHO("{\"n\":1,\"fail\":\"me\"}"), RPC_IN_USE, "in use by me" },
	{ "brackets in a string do not nest", REQ("\"method\":\"[[[[[[[[[[[[[[[[[[[[\\\"\""), RPC_NO_METHOD, "[[" },
	{ "good, all given", ECHO("{\"n\":10,\"flag\":true}"), 0, "{\"n\":10,\"flag\":true}" },
	{ "good, smallest", ECHO("{\"n\":0}"), 0, "\"id\":7" },
};

static void lies(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *line = handle(rows[i].line, true);
		json_t *reply = line ? json_loads(line, 0, NULL) : NULL, *err = json_object_get(reply, "error");
		bool good = reply && !strcmp(json_string_value(json_object_get(reply, "jsonrpc")), "2.0") &&
			    json_object_get(reply, "id") && json_object_size(reply) == 3 && strstr(line, rows[i].part);

		if (rows[i].code)
			good = good && json_integer_value(json_object_get(err, "code")) == rows[i].code &&
			       json_string_length(json_object_get(err, "message"));
		else
			good = good && json_object_get(reply, "result");
		if (!good) {
			printf("%s: %s\n", rows[i].lie, line);
			CU_FAIL(rows[i].lie);
		}
		json_decref(reply);
		free(line);
	}
}

static void notification(void)
{
	runs = 0;
	CU_ASSERT_PTR_NULL(handle("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"n\":1}}", true));
	CU_ASSERT_EQUAL(runs, 1);
	CU_ASSERT_PTR_NULL(handle("{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}", true));
	CU_ASSERT_EQUAL(runs, 1);
}

static void batch(void)
{
	char *line = handle("[" ECHO("{\"n\":1}") ",{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"n\":2}},"
			    "3," REQ("\"method\":\"x\"") "]", true);
	json_t *reply = json_loads(line ? line : "", 0, NULL);
	char many[300] = "[0";

	CU_ASSERT_EQUAL(json_array_size(reply), 3);
	CU_ASSERT_PTR_NOT_NULL(json_object_get(json_array_get(reply, 0), "result"));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(json_array_get(reply, 1), "error"));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(json_array_get(reply, 2), "error"));
	json_decref(reply);
	free(line);
	CU_ASSERT_PTR_NULL(handle("[{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"n\":2}}]", true));
	for (int i = 0; i < RPC_BATCH_MAX; i++)
		strcat(many, ",0");
	strcat(many, "]");
	line = handle(many, true);
	CU_ASSERT_TRUE(line && line[0] == '{' && strstr(line, "-32600"));
	free(line);
}

static void looking_only(void)
{
	char *line;

	runs = 0;
	line = handle(REQ("\"method\":\"change\",\"params\":{\"n\":1}"), false);
	CU_ASSERT_TRUE(line && strstr(line, "-32001"));
	free(line);
	CU_ASSERT_EQUAL(runs, 0);
	line = handle(REQ("\"method\":\"change\",\"params\":{\"n\":1}"), true);
	CU_ASSERT_TRUE(line && strstr(line, "\"result\""));
	free(line);
	line = handle(ECHO("{\"n\":1}"), false);
	CU_ASSERT_TRUE(line && strstr(line, "\"result\""));
	free(line);
	CU_ASSERT_EQUAL(runs, 2);
	line = handle(REQ("\"method\":\"act\",\"params\":{\"n\":1}"), false);
	CU_ASSERT_TRUE(line && strstr(line, "-32001"));
	free(line);
	CU_ASSERT_EQUAL(runs, 2);
}

static void names_in_messages(void)
{
	char *line = handle(REQ("\"method\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				"\xc3\xa4x\xc3\xa4\xc3\xa4\xc3\xa4\""), true);

	/* Cut inside a character, the name must not spoil the reply. */
	CU_ASSERT_TRUE(line && strstr(line, "-32601"));
	free(line);
}

/* Answers that come later. */

static struct rpc_call *waiting[4];
static unsigned num_waiting;
static char *answered;
static unsigned answers;

static void wait_for_it(void *opaque, struct rpc_call *call)
{
	(void)opaque;
	waiting[num_waiting++] = call;
}

static const struct rpc_dispatcher slow = { .find = find, .run = wait_for_it };

static void note(void *caller, char *reply)
{
	(void)caller;
	free(answered);
	answered = reply;
	answers++;
}

static struct rpc_request *begin(const char *line)
{
	num_waiting = answers = 0;
	free(answered);
	answered = NULL;
	return rpc_start(&slow, &runs, true, line, strlen(line), note);
}

static void later(void)
{
	struct rpc_request *r = begin("[" ECHO("{\"n\":1}") "," REQ("\"method\":\"x\"") "," ECHO("{\"n\":2}") "]");

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL(num_waiting, 1);	/* the next one begins when this one is answered */
	rpc_answer(waiting[0], json_integer(5));
	CU_ASSERT_EQUAL_FATAL(num_waiting, 2);
	CU_ASSERT_EQUAL(answers, 0);
	rpc_fail(&waiting[1]->err, RPC_STATE, "thing", "not now");
	rpc_detail(&waiting[1]->err, "state", "%s", "running");
	rpc_answer(waiting[1], NULL);
	CU_ASSERT_EQUAL_FATAL(answers, 1);
	CU_ASSERT_TRUE(strstr(answered, "\"result\":5") && strstr(answered, "-32601") && strstr(answered, "\"state\":\"running\""));

	r = begin("[" ECHO("{\"n\":1}") "," ECHO("{\"n\":2}") "]");
	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	rpc_abandon(r);
	CU_ASSERT_PTR_NULL(waiting[0]->caller);
	rpc_answer(waiting[0], json_integer(5));
	CU_ASSERT_EQUAL(num_waiting, 1);	/* what was not begun is not */
	CU_ASSERT_EQUAL(answers, 0);
	free(answered);
	answered = NULL;
}

static void dry_run(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(begin(REQ("\"method\":\"change\",\"params\":{\"n\":1,\"dry_run\":true}")));
	CU_ASSERT_TRUE(waiting[0]->dry_run);
	CU_ASSERT_PTR_NULL(json_object_get(waiting[0]->params, "dry_run"));
	rpc_answer(waiting[0], json_object());
	CU_ASSERT_PTR_NOT_NULL_FATAL(begin(REQ("\"method\":\"change\",\"params\":{\"n\":1,\"dry_run\":false}")));
	CU_ASSERT_FALSE(waiting[0]->dry_run);
	rpc_answer(waiting[0], json_object());
	CU_ASSERT_PTR_NULL(begin(REQ("\"method\":\"change\",\"params\":{\"n\":1,\"dry_run\":1}")));
	CU_ASSERT_PTR_NOT_NULL(strstr(answered, "\"what\":\"dry_run\""));
	/* One that changes nothing has no such parameter. */
	CU_ASSERT_PTR_NULL(begin(ECHO("{\"n\":1,\"dry_run\":true}")));
	CU_ASSERT_PTR_NOT_NULL(strstr(answered, "-32602"));
	free(answered);
	answered = NULL;
}

static void rows_have_handlers(void)
{
	const struct rpc_method *m;
	size_t n;

	for (n = 0; (m = api_method(n)); n++)
		/* change.c and diag.c have these two; other tests call them. */
		if (!methods_have(m) && strcmp(m->name, "transaction") != 0 && strcmp(m->name, "diag.test") != 0) {
			printf("%s\n", m->name);
			CU_FAIL("a row without a handler");
		}
	CU_ASSERT_TRUE(n > 50);
}

static const struct hv_test tests[] = {
	{ "each lie gets its error, a good request its result", lies },
	{ "a notification is run and not answered", notification },
	{ "a batch is answered as one, and bounded", batch },
	{ "who may only look changes nothing", looking_only },
	{ "an answer may come later, in order, or never be wanted", later },
	{ "a dry run is a parameter of all that changes", dry_run },
	{ "each method of the API has a handler", rows_have_handlers },
	{ "a long name is cut without spoiling the reply", names_in_messages },
};

HV_TEST_MAIN("hvnetd/rpc", tests)
