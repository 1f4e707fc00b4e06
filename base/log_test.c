/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/test.h"

static int saved_stderr, capture[2];

static void capture_start(void)
{
	saved_stderr = dup(STDERR_FILENO);
	if (saved_stderr < 0 || pipe2(capture, O_NONBLOCK | O_CLOEXEC) ||
	    dup2(capture[1], STDERR_FILENO) < 0)
		abort();
}

static const char *capture_end(void)
{
	static char text[8192];
	ssize_t n = read(capture[0], text, sizeof(text) - 1);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture[0]);
	close(capture[1]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void levels(void)
{
	capture_start();
	hv_log_set_level(HV_LOG_WARNING);
	hv_log(HV_LOG_ERROR, "vm%d: broken", 3);
	hv_log(HV_LOG_WARNING, "vm3: odd");
	hv_log(HV_LOG_NOTICE, "vm3: dull");
	CU_ASSERT_EQUAL(hv_log_level(), HV_LOG_WARNING);
	hv_log_set_level(HV_LOG_INFO);
	CU_ASSERT_STRING_EQUAL(capture_end(), "error: vm3: broken\nwarning: vm3: odd\n");
}

static void no_forged_lines(void)
{
	capture_start();
	hv_log(HV_LOG_INFO, "vm \"%s\"", "a\nerror: b\033[2J\x7f");
	CU_ASSERT_STRING_EQUAL(capture_end(), "vm \"a?error: b?[2J?\"\n");
}

static void long_lines(void)
{
	char name[3000];
	const char *text;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	capture_start();
	hv_log(HV_LOG_INFO, "%s", name);
	text = capture_end();
	CU_ASSERT_EQUAL(count_lines(text), 1);
	CU_ASSERT_TRUE(strlen(text) > 1000 && strlen(text) <= 1024);
	CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
}

static void limited(void)
{
	struct hv_log_limit limit = { 0 };
	const char *text;

	capture_start();
	for (unsigned i = 0; i < 100; i++)
		hv_log_limited(&limit, HV_LOG_INFO, "line %u", i);
	CU_ASSERT_EQUAL(limit.left_out, 90);
	text = capture_end();
	CU_ASSERT_EQUAL(count_lines(text), 10);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "line 9\n"));

	limit.next_ns -= 1000000000u;	/* as if a second had passed */
	capture_start();
	hv_log_limited(&limit, HV_LOG_INFO, "a");
	hv_log_limited(&limit, HV_LOG_INFO, "b");
	text = capture_end();
	CU_ASSERT_STRING_EQUAL(text, "a (90 such lines left out)\n");
	CU_ASSERT_EQUAL(limit.left_out, 1);
}

static void silent_costs_no_token(void)
{
	struct hv_log_limit limit = { 0 };

	hv_log_limited(&limit, HV_LOG_DEBUG, "not written");
	CU_ASSERT_EQUAL(limit.next_ns, 0);
	CU_ASSERT_EQUAL(limit.left_out, 0);
}

static const struct hv_test tests[] = {
	{ "lines above the level are not written", levels },
	{ "a name cannot forge a line", no_forged_lines },
	{ "a long line is cut, and ends", long_lines },
	{ "ten lines at once, then one a second, the rest counted", limited },
	{ "a line that is not written takes no token", silent_costs_no_token },
};

HV_TEST_MAIN("base/log", tests)
