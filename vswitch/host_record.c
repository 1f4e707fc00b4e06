/* SPDX-License-Identifier: MIT */
/*
 * The record of what an interface had before its host adapter took it over. Lines of text; the last one is the sum of all before,
 * so that half a file is not taken for a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/host_share.h"

#define HEAD "hvnet-host-share 1"

enum {
	LINE_BYTES = 16 + 2 * HOST_SETTING_BYTES,
	PATH_BYTES = 4096,
};

void host_record_init(struct host_record *r)
{
	memset(r, 0, sizeof(*r));
	STAILQ_INIT(&r->settings);
}

void host_record_free(struct host_record *r)
{
	struct host_setting *s;

	while ((s = STAILQ_FIRST(&r->settings))) {
		STAILQ_REMOVE_HEAD(&r->settings, link);
		free(s);
	}
}

int host_record_add(struct host_settings *to, bool is_route, const void *bytes, size_t n)
{
	struct host_setting *s;

	if (n > HOST_SETTING_BYTES)
		return -E2BIG;
	s = malloc(sizeof(*s) + n);
	if (!s)
		return -ENOMEM;
	s->is_route = is_route;
	s->n = n;
	memcpy(s->bytes, bytes, n);
	STAILQ_INSERT_TAIL(to, s, link);
	return 0;
}

static uint64_t add_to_sum(uint64_t sum, const char *line)
{
	for (; *line; line++)
		sum = (sum ^ (uint8_t)*line) * 0x100000001b3;	/* FNV-1a */
	return sum;
}

#define EMPTY_SUM 0xcbf29ce484222325ull

/* Writing. */

struct writer {
	FILE *f;
	uint64_t sum;
	char line[LINE_BYTES];
};

static void put_line(struct writer *w, const char *format, const char *a)
{
	snprintf(w->line, sizeof(w->line), format, a);
	w->sum = add_to_sum(w->sum, w->line);
	fputs(w->line, w->f);
}

static void hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
	out[2 * n] = '\0';
}

static void write_all(struct writer *w, const struct host_record *r)
{
	char digits[2 * HOST_SETTING_BYTES + 1];
	const struct host_setting *s;

	put_line(w, "%s\n", HEAD);
	put_line(w, "boot %s\n", r->boot);
	put_line(w, "interface %s\n", r->interface);
	put_line(w, "adapter %s\n", r->adapter);
	hex(r->adapter_mac, sizeof(r->adapter_mac), digits);
	put_line(w, "adapter-mac %s\n", digits);
	STAILQ_FOREACH(s, &r->settings, link) {
		hex(s->bytes, s->n, digits);
		put_line(w, s->is_route ? "route %s\n" : "address %s\n", digits);
	}
	fprintf(w->f, "sum %016llx\n", (unsigned long long)w->sum);
}

/* A folder's entries are on the disk when it is. */
static int sync_folder(const char *path)
{
	char folder[PATH_BYTES];
	char *slash;
	int fd, ret;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

static int write_file(const char *path, const struct host_record *r)
{
	struct writer w = { .sum = EMPTY_SUM };
	int ret = 0;

	w.f = fopen(path, "we");
	if (!w.f)
		return -errno;
	write_all(&w, r);
	if (ferror(w.f) || fflush(w.f) || fsync(fileno(w.f)))
		ret = errno ? -errno : -EIO;
	if (fclose(w.f) && !ret)
		ret = -errno;
	return ret;
}

int host_record_write(const char *path, const struct host_record *r)
{
	char temporary[PATH_BYTES];
	int ret;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	ret = write_file(temporary, r);
	/* Not rename(): what is there already is not to be lost. */
	if (!ret && link(temporary, path))
		ret = -errno;
	unlink(temporary);
	return ret ? ret : sync_folder(path);
}

int host_record_remove(const char *path)
{
	return unlink(path) ? -errno : sync_folder(path);
}

/* Reading. */

static bool unhex(const char *digits, uint8_t *out, size_t max, size_t *n)
{
	unsigned byte;

	for (*n = 0; *digits; digits += 2, ++*n)
		if (*n == max || strspn(digits, "0123456789abcdef") < 2 || sscanf(digits, "%2x", &byte) != 1)
			return false;
		else
			out[*n] = (uint8_t)byte;
	return true;
}

static bool copy_name(char *to, size_t room, const char *from)
{
	if (!from[0] || strlen(from) >= room)
		return false;
	strcpy(to, from);
	return true;
}

/* What follows the key; NULL: the line has another. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(line, key, n) && line[n] == ' ' ? line + n + 1 : NULL;
}

static bool take_line(struct host_record *r, const char *line)
{
	uint8_t bytes[HOST_SETTING_BYTES];
	const char *v;
	size_t n;

	if (!strcmp(line, HEAD))
		return true;
	if ((v = value_of(line, "boot")))
		return copy_name(r->boot, sizeof(r->boot), v);
	if ((v = value_of(line, "interface")))
		return copy_name(r->interface, sizeof(r->interface), v);
	if ((v = value_of(line, "adapter")))
		return copy_name(r->adapter, sizeof(r->adapter), v);
	if ((v = value_of(line, "adapter-mac")))
		return unhex(v, r->adapter_mac, sizeof(r->adapter_mac), &n) && n == sizeof(r->adapter_mac);
	v = value_of(line, "address");
	if (!v)
		v = value_of(line, "route");
	return v && unhex(v, bytes, sizeof(bytes), &n) && !host_record_add(&r->settings, line[0] == 'r', bytes, n);
}

/* True: all of it, up to its sum. */
static bool read_all(FILE *f, struct host_record *r)
{
	uint64_t sum = EMPTY_SUM;
	char line[LINE_BYTES];
	unsigned long long said;
	const char *v;

	for (unsigned i = 0; i < HOST_SETTINGS + 8 && fgets(line, sizeof(line), f); i++) {
		v = value_of(line, "sum");
		if (v)
			return sscanf(v, "%16llx", &said) == 1 && said == sum && r->interface[0] && r->adapter[0];
		sum = add_to_sum(sum, line);
		if (!strchr(line, '\n'))
			return false;
		*strchr(line, '\n') = '\0';
		if ((!i && strcmp(line, HEAD) != 0) || !take_line(r, line))
			return false;
	}
	return false;
}

int host_record_read(const char *path, struct host_record *r)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return -errno;
	ok = read_all(f, r);
	fclose(f);
	return ok ? 0 : -EBADMSG;
}
