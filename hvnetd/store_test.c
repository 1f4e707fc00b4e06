/* SPDX-License-Identifier: MIT */
/* The configuration's file: what is written is read again, and what is damaged is not. */
#include "hvnetd/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "hvnetd/hvnetd.h"

static char dir[PATH_MAX / 2], file[PATH_MAX], previous[PATH_MAX];

static void begin(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/hvnetd-store-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir))
		abort();
	snprintf(file, sizeof(file), "%s/" STORE_FILE, dir);
	snprintf(previous, sizeof(previous), "%s/" STORE_FILE ".1", dir);
}

static void end(void)
{
	unlink(file);
	unlink(previous);
	CU_ASSERT_EQUAL(rmdir(dir), 0);		/* so no temporary file was left */
}

static json_t *document(int vcpus)
{
	return json_pack("{s:[{s:s, s:s}], s:[{s:s, s:i}]}", "switches", "name", "lab \xc3\xa4", "notes", "a \"b\"\n{c}", "vms", "name",
			 "a", "vcpus", vcpus);
}

static void write_text(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f))
		abort();
}

static size_t read_text(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : -1;

	if (n < 0)
		abort();
	close(fd);
	text[n] = '\0';
	return (size_t)n;
}

static void round_trip(void)
{
	json_t *one = document(1), *two = document(2), *back;
	struct rpc_error err = { 0 };
	struct stat st;

	begin();
	CU_ASSERT_EQUAL(store_write(dir, STORE_FILE, STORE_FILE ".1", one), 0);
	CU_ASSERT_EQUAL(access(previous, F_OK), -1);
	back = store_read(file, &err);
	CU_ASSERT_TRUE(back && json_equal(back, one));
	json_decref(back);
	CU_ASSERT_TRUE(!stat(file, &st) && (st.st_mode & 0777) == 0600);

	CU_ASSERT_EQUAL(store_write(dir, STORE_FILE, STORE_FILE ".1", two), 0);
	back = store_read(file, &err);
	CU_ASSERT_TRUE(back && json_equal(back, two));
	json_decref(back);
	back = store_read(previous, &err);
	CU_ASSERT_TRUE(back && json_equal(back, one));
	json_decref(back);
	CU_ASSERT_EQUAL(store_write("/nonexistent", STORE_FILE, NULL, two), -ENOENT);
	json_decref(one);
	json_decref(two);
	end();
}

/* Cut short anywhere, or with any byte changed, it is either refused or means the same. */
static void damage(void)
{
	static char text[4096], changed[4096];
	json_t *one = document(1), *back;
	struct rpc_error err;
	size_t n, refused = 0;

	begin();
	CU_ASSERT_EQUAL(store_write(dir, STORE_FILE, NULL, one), 0);
	n = read_text(file, text, sizeof(text));
	for (size_t i = 0; i < n - 2; i++) {	/* without its last brace and newline it is cut; without the newline it is whole */
		write_text(file, text, i);
		back = store_read(file, &err);
		CU_ASSERT_PTR_NULL(back);
		json_decref(back);
	}
	for (size_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(changed, text, n);
			changed[i] = (char)(changed[i] ^ 1 << bit);
			write_text(file, changed, n);
			back = store_read(file, &err);
			refused += !back;
			CU_ASSERT_TRUE(!back || json_equal(back, one));
			json_decref(back);
		}
	CU_ASSERT_TRUE(refused > n * 6);	/* what is not is blanks, and letters of \u escapes */
	json_decref(one);
	end();
}

static void says_where(void)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "{\n\"format\": \"hvnet\",\n\"version\": 1,\n\"config\": {\"vms\": [\n  {\"name\": \"a\", \"vcpus\": 1},\n"
		  "  {\"name\": \"b\", \"vcpu\": 1}]}}", ":6:17: " },
		{ "{\n\"format\": \"hvnet\", \"version\": 2, \"config\": {}}", ":2:20: this hvnetd knows version 1" },
		{ "{\"format\": \"hvnet\", \"version\": 1, \"confg\": {}}", ":1:35: there is no parameter \"confg\"" },
		{ "{\"format\": \"hvnet\", \"version\": 1, \"config\": {\"vms\": [{\"name\": \"a\", \"vcpus\": 999}]}}", ":1:68: " },
		{ "{\"format\": \"hvnet\", \"version\": 1,\n \"config\": {]}", ":2:13: " },
		{ "{\"format\": \"other\"}", "no configuration of hvnet" },
		{ "[]", "no configuration of hvnet" },
		{ "{\"format\": \"hvnet\", \"version\": 1, \"checksum\": \"crc32:00000000\", \"config\": {}}", "checksum" },
	};
	static const char by_hand[] = "{\"format\": \"hvnet\", \"version\": 1, \"config\": {}}";
	struct rpc_error err = { 0 };
	json_t *back;

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_text(file, rows[i].text, strlen(rows[i].text));
		back = store_read(file, &err);
		if (back || !strstr(err.message, rows[i].says)) {
			printf("%s: %s\n", rows[i].text, back ? "taken" : err.message);
			CU_FAIL("another sentence");
		}
		json_decref(back);
	}
	write_text(file, by_hand, strlen(by_hand));	/* without a checksum */
	back = store_read(file, &err);
	CU_ASSERT_PTR_NOT_NULL(back);
	json_decref(back);
	end();
}

static void locate(void)
{
	static const char text[] = "{\"a\": [1, {\"b\": \"x]\\\"}\", \"c\": [[2], 3]}, null],\n \"\xc3\xa4\": true, \"d\": {}}";
	static const struct {
		const char *path;
		bool found;
		unsigned line, column;
	} rows[] = {
		{ "a", true, 1, 2 }, { "a[0]", true, 1, 8 }, { "a[1]", true, 1, 11 }, { "a[1].b", true, 1, 12 },
		{ "a[1].c", true, 1, 26 }, { "a[1].c[0][0]", true, 1, 33 }, { "a[1].c[1]", true, 1, 37 }, { "a[2]", true, 1, 42 },
		{ "\xc3\xa4", true, 2, 2 }, { "d", true, 2, 13 }, { "e", false, 0, 0 }, { "a[3]", false, 0, 0 }, { "d.x", false, 0, 0 },
		{ "a[1].b.c", false, 0, 0 },
	};
	unsigned line, column;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool found = store_locate(text, sizeof(text) - 1, rows[i].path, &line, &column);

		if (found != rows[i].found || (found && (line != rows[i].line || column != rows[i].column))) {
			printf("%s: %d %u:%u\n", rows[i].path, found, line, column);
			CU_FAIL("elsewhere");
		}
	}
}

static void done(void *cookie, const char *why)
{
	*(bool *)cookie = why;
}

/* Closed while its thread writes: who waits is told, and the thread's message finds nobody. */
static void closed_while_it_writes(void)
{
	struct hvnetd *d = calloc(1, sizeof(*d));
	struct rpc_error err = { 0 };
	bool told = false;

	begin();
	CU_ASSERT_EQUAL_FATAL(hv_loop_create(&d->worker.loop), 0);
	CU_ASSERT_EQUAL_FATAL(objects_init(d), 0);
	CU_ASSERT_EQUAL_FATAL(store_open(d, dir, &err), 0);
	store_change(d, done, &told);
	store_close(d);
	CU_ASSERT_TRUE(told);
	CU_ASSERT_EQUAL(hv_loop_run_once(d->worker.loop, 0), 0);
	objects_finish(d);
	hv_loop_destroy(d->worker.loop);
	free(d);
	end();
}

static const struct hv_test tests[] = {
	{ "what is written is read again, and the last one stays", round_trip },
	{ "no damage is taken for a configuration", damage },
	{ "what is refused is named with line and column", says_where },
	{ "it is closed while it writes", closed_while_it_writes },
	{ "a path leads to its place in the text", locate },
};

HV_TEST_MAIN("hvnetd/store", tests)
