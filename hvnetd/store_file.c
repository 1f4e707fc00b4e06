/* SPDX-License-Identifier: MIT */
/* The configuration file itself: reading, checking, writing. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "hvnetd/object.h"
#include "hvnetd/store.h"

/* ---- places in a text ---- */

struct scan {
	const char *at, *end;
};

static void skip_blank(struct scan *s)
{
	while (s->at < s->end && strchr(" \t\r\n,:", *s->at) && *s->at)
		s->at++;
}

static void skip_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\')
			s->at++;
	s->at += s->at < s->end;
}

/* Past one value; the text is known to be JSON. */
static void skip_value(struct scan *s)
{
	unsigned depth = 0;

	skip_blank(s);
	do {
		skip_blank(s);
		if (s->at >= s->end)
			return;
		if (*s->at == '"') {
			skip_string(s);
			continue;
		}
		if (*s->at == '{' || *s->at == '[')
			depth++;
		else if (*s->at == '}' || *s->at == ']')
			depth -= depth > 0;
		else
			while (s->at + 1 < s->end && !strchr(",:]}{[ \t\r\n", s->at[1]))
				s->at++;
		s->at++;
	} while (depth);
}

/* From an object to the value of its member; *name_at: where the name stands. */
static bool enter_member(struct scan *s, const char *name, size_t n, const char **name_at)
{
	skip_blank(s);
	if (s->at >= s->end || *s->at != '{')
		return false;
	for (s->at++;;) {
		const char *key;

		skip_blank(s);
		if (s->at >= s->end || *s->at != '"')
			return false;
		key = s->at;
		skip_string(s);
		*name_at = key;
		if ((size_t)(s->at - key) == n + 2 && !memcmp(key + 1, name, n)) {
			skip_blank(s);
			return true;
		}
		skip_value(s);
	}
}

static bool enter_item(struct scan *s, unsigned long index)
{
	skip_blank(s);
	if (s->at >= s->end || *s->at != '[')
		return false;
	s->at++;
	for (skip_blank(s); index; index--, skip_blank(s)) {
		if (s->at >= s->end || *s->at == ']')
			return false;
		skip_value(s);
	}
	return s->at < s->end && *s->at != ']';
}

bool store_locate(const char *text, size_t n, const char *path, unsigned *line, unsigned *column)
{
	struct scan s = { text, text + n };
	const char *place = text;

	while (*path) {
		size_t len = strcspn(path, ".[");

		if (*path == '[') {
			if (!enter_item(&s, strtoul(path + 1, NULL, 10)))
				return false;
			place = s.at;
			path = strchr(path, ']');
			path += path ? 1 : 0;
			if (!path)
				return false;
		} else if (*path == '.') {
			path++;
		} else {
			if (!enter_member(&s, path, len, &place))
				return false;
			path += len;
		}
	}
	*line = *column = 1;
	for (const char *p = text; p < place; p++) {
		*line += *p == '\n';
		*column = *p == '\n' ? 1 : *column + ((*p & 0xc0) != 0x80);
	}
	return true;
}

/* ---- checksum ---- */

/* CRC-32 of IEEE 802.3. */
static uint32_t crc32_bytes(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static int add_bytes(const char *buffer, size_t n, void *crc)
{
	*(uint32_t *)crc = crc32_bytes(*(uint32_t *)crc, (const uint8_t *)buffer, n);
	return 0;
}

static bool checksum(const json_t *config, char text[16])
{
	uint32_t crc = 0;

	if (json_dump_callback(config, add_bytes, &crc, JSON_COMPACT | JSON_SORT_KEYS))
		return false;
	snprintf(text, 16, "crc32:%08x", crc);
	return true;
}

/* ---- reading ---- */

static char *read_all(const char *path, size_t *n, struct rpc_error *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	struct stat st;

	if (!f || fstat(fileno(f), &st)) {
		rpc_fail(err, RPC_NOT_FOUND, "file", "cannot read %s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > STORE_MAX_BYTES) {
		rpc_fail(err, RPC_INVALID_PARAMS, "file", "%s is no file, or larger than %d MiB", path, STORE_MAX_BYTES >> 20);
	} else if (!(text = malloc((size_t)st.st_size + 1))) {
		rpc_fail(err, RPC_NO_RESOURCES, NULL, "out of memory");
	} else {
		*n = fread(text, 1, (size_t)st.st_size, f);
		text[*n] = '\0';
		if (ferror(f)) {
			rpc_fail(err, RPC_FAILED, "file", "cannot read %s: %s", path, strerror(errno));
			free(text);
			text = NULL;
		}
	}
	if (f)
		fclose(f);
	return text;
}

/* Adds to an error where in the file it is. */
static void add_place(const char *path, const char *text, size_t n, struct rpc_error *err)
{
	char message[sizeof(err->message)], what[sizeof(err->what)];
	unsigned line, column;

	snprintf(what, sizeof(what), "%s", err->what);
	snprintf(message, sizeof(message), "%s", err->message);
	if (store_locate(text, n, what, &line, &column))
		snprintf(err->message, sizeof(err->message), "%.120s:%u:%u: %.220s", path, line, column, message);
	else
		snprintf(err->message, sizeof(err->message), "%.120s: %.240s", path, message);
}

static const struct field file_fields[] = {
	F_STRING("format", NEED, 5, 5, "hvnet"),
	F_INT("version", NEED, STORE_VERSION, STORE_VERSION, "of the format"),
	F_STRING("checksum", MAY, 14, 14, "of the configuration"),
	F_OBJECT("config", NEED, api_config, "the configuration"),
	FIELD_END
};

static int check_file(const json_t *file, struct rpc_error *err)
{
	const json_t *version = json_object_get(file, "version");
	const char *sum = json_string_value(json_object_get(file, "checksum"));
	char want[16];

	if (!json_is_object(file) || strcmp(json_is_string(json_object_get(file, "format")) ?
					     json_string_value(json_object_get(file, "format")) : "", "hvnet") != 0)
		return rpc_fail(err, RPC_INVALID_PARAMS, "format", "this is no configuration of hvnet");
	if (!json_is_integer(version) || json_integer_value(version) != STORE_VERSION)
		return rpc_fail(err, RPC_INVALID_PARAMS, "version", "this hvnetd knows version %d of the format only",
				STORE_VERSION);
	if (field_check(file_fields, file, "", err))
		return -1;
	if (sum && (!checksum(json_object_get(file, "config"), want) || strcmp(sum, want) != 0))
		return rpc_fail(err, RPC_INVALID_PARAMS, "checksum", "the checksum does not match; if you have edited the file, "
				"take the member \"checksum\" out");
	return 0;
}

json_t *store_read(const char *path, struct rpc_error *err)
{
	json_t *file = NULL, *config = NULL;
	json_error_t why;
	size_t n = 0;
	char *text = read_all(path, &n, err);

	if (!text)
		return NULL;
	file = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	if (!file)
		rpc_fail(err, RPC_PARSE_ERROR, "file", "%s:%d:%d: %s", path, why.line, why.column, why.text);
	else if (check_file(file, err))
		add_place(path, text, n, err);
	else
		config = json_incref(json_object_get(file, "config"));
	json_decref(file);
	free(text);
	return config;
}

/* ---- writing ---- */

static int sync_and_close(FILE *f)
{
	int ret = fflush(f) || ferror(f) || fsync(fileno(f)) ? -errno : 0;

	if (fclose(f) && !ret)
		ret = -errno;
	return ret;
}

static int write_new(int dir, const char *name, const json_t *document)
{
	char sum[16];
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool good;

	if (!f) {
		int ret = -errno;

		if (fd >= 0)
			close(fd);
		return ret;
	}
	errno = ENOMEM;
	good = checksum(document, sum) &&
	       fprintf(f, "{\n\"format\": \"hvnet\",\n\"version\": %d,\n\"checksum\": \"%s\",\n\"config\": ", STORE_VERSION,
		       sum) > 0 &&
	       !json_dumpf(document, f, JSON_INDENT(2) | JSON_PRESERVE_ORDER) && fputs("\n}\n", f) >= 0;
	if (!good) {
		int ret = errno ? -errno : -EIO;

		fclose(f);
		return ret;
	}
	return sync_and_close(f);
}

/* The last file stays under another name; a link, so that there is a file at any moment. */
static int keep_previous(int dir, const char *name, const char *previous)
{
	char temporary[64];

	snprintf(temporary, sizeof(temporary), "%.50s.tmp", previous);
	unlinkat(dir, temporary, 0);
	if (linkat(dir, name, dir, temporary, 0))
		return errno == ENOENT ? 0 : -errno;
	if (renameat(dir, temporary, dir, previous))
		return -errno;
	unlinkat(dir, temporary, 0);	/* rename(2) leaves both if they are one file, as after an end in the middle of this */
	return 0;
}

int store_write(const char *path, const char *name, const char *previous, const json_t *document)
{
	char fresh[64];
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	if (dir < 0)
		return -errno;
	snprintf(fresh, sizeof(fresh), "%.50s.new", name);
	ret = write_new(dir, fresh, document);
	if (!ret && previous)
		ret = keep_previous(dir, name, previous);
	if (!ret && (renameat(dir, fresh, dir, name) || fsync(dir)))
		ret = -errno;
	close(dir);
	return ret;
}
