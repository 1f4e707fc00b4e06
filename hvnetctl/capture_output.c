/* SPDX-License-Identifier: MIT */
#include "hvnetctl/capture_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Others' traffic is nobody's business but the owner's. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* dir/name.pcapng -> dir/name_00001_20260102150405.pcapng, as dumpcap does. To be freed. */
static char *ring_name(const char *path, unsigned number)
{
	const char *base = strrchr(path, '/'), *dot;
	time_t now = time(NULL);
	char when[32], *name;
	struct tm tm;

	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	if (!dot || dot == base)
		dot = base + strlen(base);
	if (!localtime_r(&now, &tm) || !strftime(when, sizeof(when), "%Y%m%d%H%M%S", &tm))
		strcpy(when, "0");
	if (asprintf(&name, "%.*s_%05u_%s%s", (int)(dot - path), path, number, when, dot) < 0)
		return NULL;
	return name;
}

/* The oldest one makes room. */
static int open_next(struct capture_output *o)
{
	char **slot = &o->names[o->made % o->num_names];

	if (*slot)
		unlink(*slot);
	free(*slot);
	*slot = ring_name(o->path, ++o->made);
	if (!*slot)
		return -ENOMEM;
	o->fd = open_file(*slot);
	o->written = 0;
	o->has_packets = false;
	return o->fd < 0 ? o->fd : 0;
}

int capture_output_open(struct capture_output *o, const char *path, unsigned files, uint64_t max_bytes, const char **what)
{
	int ret = 0;

	*what = path;
	o->fd = -1;
	o->max_bytes = max_bytes;
	o->path = strdup(path);
	if (!o->path)
		return -ENOMEM;
	if (!strcmp(path, "-")) {
		o->fd = STDOUT_FILENO;
	} else if (!files) {
		o->fd = open_file(path);
		ret = o->fd < 0 ? o->fd : 0;
	} else {
		o->num_names = files;
		o->names = calloc(files, sizeof(*o->names));
		ret = o->names ? open_next(o) : -ENOMEM;
		if (o->names && o->names[0])
			*what = o->names[0];
	}
	return ret;
}

int capture_output_write(struct capture_output *o, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t done = write(o->fd, p, n);

		if (done < 0 && errno == EINTR && *o->interrupted < 2)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
		o->written += (uint64_t)done;
	}
	return 0;
}

int capture_output_keep(struct capture_output *o, const void *block, size_t n)
{
	uint8_t *longer;

	if (!o->num_names)
		return 0;
	longer = realloc(o->preface, o->preface_bytes + n);
	if (!longer)
		return -ENOMEM;
	memcpy(longer + o->preface_bytes, block, n);
	o->preface = longer;
	o->preface_bytes += n;
	return 0;
}

bool capture_output_full(const struct capture_output *o, size_t n)
{
	return o->num_names && o->has_packets && o->written + n > o->max_bytes;
}

int capture_output_turn(struct capture_output *o)
{
	int ret = close(o->fd) ? -errno : 0;

	o->fd = -1;
	if (!ret)
		ret = open_next(o);
	return ret ? ret : capture_output_write(o, o->preface, o->preface_bytes);
}

int capture_output_close(struct capture_output *o)
{
	int ret = 0;

	if (o->fd >= 0 && o->fd != STDOUT_FILENO && close(o->fd))
		ret = -errno;
	for (unsigned i = 0; i < o->num_names; i++)
		free(o->names[i]);
	free(o->names);
	free(o->preface);
	free(o->path);
	*o = (struct capture_output){ .fd = -1 };
	return ret;
}
