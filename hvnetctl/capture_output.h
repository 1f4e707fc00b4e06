/* SPDX-License-Identifier: MIT */
/*
 * Where a capture goes: a file, standard output, or a ring of files of which the last few are kept. Each file of a ring is whole by
 * itself: it begins with the section and the interfaces that were announced so far.
 *
 * Writes block (that is what the capture's own buffer is for), and end early when a signal comes that is not restarted.
 */
#ifndef HVNETCTL_CAPTURE_OUTPUT_H
#define HVNETCTL_CAPTURE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CAPTURE_FILES_MAX = 1000,	/* our policy: of a ring */
};

struct capture_output {
	char *path;			/* owned; as given */
	int fd;				/* owned unless it is standard output; -1: none */
	uint64_t written;		/* bytes of the file that is open */
	uint64_t max_bytes;		/* of a file; 0: one file */
	bool has_packets;		/* the file that is open; the caller's */
	char **names;			/* owned; of the ring's files, the last one at (made - 1) % num_names */
	unsigned num_names, made;
	uint8_t *preface;		/* owned; what each file begins with */
	size_t preface_bytes;
	const volatile int *interrupted;	/* borrowed; counts signals: a write that waits gives up at the second */
};

/*
 * path "-": standard output. files 0: one file, else a ring of so many, of max_bytes each at most. 0, or -errno with the name that
 * it is about in what.
 */
int capture_output_open(struct capture_output *o, const char *path, unsigned files, uint64_t max_bytes, const char **what);
/* n bytes of whole blocks as they are. -EINTR: interrupted; what is in the file then may end inside a block. */
int capture_output_write(struct capture_output *o, const void *bytes, size_t n);
/* A block that all files begin with comes next. -ENOMEM. */
int capture_output_keep(struct capture_output *o, const void *block, size_t n);
/* Whether n more bytes belong into another file, which capture_output_turn() begins: between two packets. */
bool capture_output_full(const struct capture_output *o, size_t n);
int capture_output_turn(struct capture_output *o);
/* 0, or -errno of what only shows now. */
int capture_output_close(struct capture_output *o);

#endif
