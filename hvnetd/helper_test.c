/* SPDX-License-Identifier: MIT */
#include "hvnetd/helper.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"
#include "hvnetd/rpc.h"

enum { TASKS = 100, ROUNDS_MAX = 1000 };

static struct hv_loop *loop;
static struct helper helper;
static pthread_t loops_thread;
static unsigned ended;

struct task {
	struct helper_task t;
	unsigned number;
	bool worked, elsewhere;
};

static void work(struct helper_task *t)
{
	struct task *task = hv_container_of(t, struct task, t);

	task->worked = true;
	task->elsewhere = !pthread_equal(pthread_self(), loops_thread);
}

static void done(struct helper_task *t)
{
	struct task *task = hv_container_of(t, struct task, t);

	CU_ASSERT_TRUE(task->worked && pthread_equal(pthread_self(), loops_thread));
	CU_ASSERT_EQUAL(task->number, ended);
	ended++;
}

static void begin(void)
{
	if (hv_loop_create(&loop))
		abort();
	helper_init(&helper, loop);
	loops_thread = pthread_self();
	ended = 0;
}

static void run_until(unsigned wanted)
{
	for (int i = 0; i < ROUNDS_MAX && ended < wanted; i++)
		if (hv_loop_run_once(loop, 100000000))
			abort();
}

/* In their order; those that nobody has waited for are ended, too. */
static void tasks(void)
{
	static struct task list[TASKS + 1];

	begin();
	for (unsigned i = 0; i < TASKS; i++) {
		list[i] = (struct task){ .t = { .work = work, .done = done }, .number = i };
		helper_run(&helper, &list[i].t);
		if (i == TASKS / 2)
			run_until(TASKS / 2);
	}
	CU_ASSERT_TRUE(ended >= TASKS / 2);
	helper_finish(&helper);
	CU_ASSERT_EQUAL(ended, TASKS);
	for (unsigned i = 0; i < TASKS; i++)
		CU_ASSERT_TRUE(list[i].elsewhere);
	list[TASKS] = (struct task){ .t = { .work = work, .done = done }, .number = TASKS };
	helper_run(&helper, &list[TASKS].t);
	CU_ASSERT_TRUE(list[TASKS].worked && !list[TASKS].elsewhere);
	CU_ASSERT_EQUAL(ended, TASKS + 1);
	hv_loop_destroy(loop);
}

static void sizes(void)
{
	json_t *v = json_pack("{s:[i,i,{s:i}], s:s}", "a", 1, 2, "b", 3, "c", "text");

	CU_ASSERT_TRUE(helper_is_large(v, 6));
	CU_ASSERT_FALSE(helper_is_large(v, 7));
	CU_ASSERT_FALSE(helper_is_large(NULL, 0));
	json_decref(v);
}

/* ---- long lines and replies ---- */

static char *said;
static unsigned offloaded;

static void offload(void *opaque, struct helper_task *task)
{
	(void)opaque;
	offloaded++;
	helper_run(&helper, task);
}

static json_t *echo(struct rpc_call *call)
{
	CU_ASSERT_TRUE(pthread_equal(pthread_self(), loops_thread));
	return json_incref(call->params);
}

static const struct field fields[] = {
	F_OBJECTS("list", MAY, 65536, NULL, "anything"),
	F_INTS("numbers", MAY, 65536, 0, 9, "digits"),
	FIELD_END
};
static const struct rpc_method method = { "echo", "says it again", 0, fields, fields };

static const struct rpc_method *find(const char *name)
{
	return !strcmp(name, "echo") ? &method : NULL;
}

static void keep(void *caller, char *reply)
{
	(void)caller;
	said = reply;
	ended++;
}

/* A request with n numbers, the last of which is given. */
static char *request_of(unsigned n, int last)
{
	json_t *numbers = json_array(), *request;
	char *line;

	for (unsigned i = 1; i < n; i++)
		json_array_append_new(numbers, json_integer(7));
	json_array_append_new(numbers, json_integer(last));
	request = json_pack("{s:s, s:i, s:s, s:{s:o}}", "jsonrpc", "2.0", "id", 1, "method", "echo", "params", "numbers", numbers);
	line = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return line;
}

/* The reply to a line, which took so many tasks. */
static json_t *reply_to(const char *line, unsigned tasks_wanted)
{
	const struct rpc_dispatcher d = { .find = find, .handle = echo, .offload = offload };
	json_t *reply;

	ended = offloaded = 0;
	said = NULL;
	rpc_start(&d, NULL, true, line, strlen(line), keep);
	run_until(1);
	CU_ASSERT_EQUAL(offloaded, tasks_wanted);
	CU_ASSERT_PTR_NOT_NULL_FATAL(said);
	reply = json_loads(said, 0, NULL);
	free(said);
	return reply;
}

static json_int_t code_of_reply(const json_t *reply)
{
	return json_integer_value(json_object_get(json_object_get(reply, "error"), "code"));
}

static void long_lines(void)
{
	static const struct {
		unsigned n, tasks;
		int last;
	} rows[] = {
		{ 10, 0, 7 }, { 10, 0, 10 },
		{ 1000, 1, 7 },			/* a short line, a long reply */
		{ 1000, 0, 10 },
		{ 60000, 2, 7 }, { 60000, 2, 10 },	/* what was read elsewhere is freed there */
	};
	char *line;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *reply;

		line = request_of(rows[i].n, rows[i].last);
		reply = reply_to(line, rows[i].tasks);
		free(line);
		if (rows[i].last > 9)
			CU_ASSERT_EQUAL(code_of_reply(reply), RPC_INVALID_PARAMS);
		if (rows[i].last <= 9)
			CU_ASSERT_EQUAL(json_array_size(json_object_get(json_object_get(reply, "result"), "numbers")), rows[i].n);
		json_decref(reply);
	}
	/* A batch: each with its own mistake, or none. */
	line = request_of(5000, 7);
	for (int bad = 0; bad < 2; bad++) {
		char *other = request_of(5000, bad ? 10 : 8), *batch;
		json_t *reply;

		if (asprintf(&batch, "[%s,%s,{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"none\"}]", line, other) < 0)
			abort();
		reply = reply_to(batch, 2);
		CU_ASSERT_EQUAL(json_array_size(reply), 3);
		CU_ASSERT_EQUAL(code_of_reply(json_array_get(reply, 0)), 0);
		CU_ASSERT_EQUAL(code_of_reply(json_array_get(reply, 1)), bad ? RPC_INVALID_PARAMS : 0);
		CU_ASSERT_EQUAL(code_of_reply(json_array_get(reply, 2)), RPC_NO_METHOD);
		json_decref(reply);
		free(batch);
		free(other);
	}
	line[strlen(line) - 1] = '!';
	json_t *reply = reply_to(line, 1);
	CU_ASSERT_EQUAL(code_of_reply(reply), RPC_PARSE_ERROR);
	json_decref(reply);
	free(line);
	helper_finish(&helper);
	hv_loop_destroy(loop);
}

/* Who has gone before the line was read is not answered, and nothing is run. */
static void abandoned(void)
{
	const struct rpc_dispatcher d = { .find = find, .handle = echo, .offload = offload };
	char *line = request_of(60000, 7);
	struct rpc_request *r;

	begin();
	offloaded = 0;
	r = rpc_start(&d, NULL, true, line, strlen(line), keep);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	rpc_abandon(r);
	helper_finish(&helper);
	CU_ASSERT_EQUAL(ended, 0);
	CU_ASSERT_EQUAL(offloaded, 2);
	free(line);
	hv_loop_destroy(loop);
}

static const struct hv_test tests[] = {
	{ "tasks are done elsewhere, and end on the loop in their order", tasks },
	{ "a value's size is known without looking at all of it", sizes },
	{ "long lines are read, and long replies written, elsewhere", long_lines },
	{ "who has gone is not answered", abandoned },
};

int main(void)
{
	return hv_test_main("hvnetd/helper", tests, sizeof(tests) / sizeof(tests[0]));
}
