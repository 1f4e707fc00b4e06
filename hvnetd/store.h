/* SPDX-License-Identifier: MIT */
/*
 * The configuration in a file, DIR/hvnet.json:
 *
 *	{ "format": "hvnet", "version": 1, "checksum": "crc32:…", "config": { … } }
 *
 * It is written by a thread, from configurations that are never modified: the loop only collects references. A write goes to
 * DIR/hvnet.json.new, which is synced, and then takes the place of hvnet.json, whose last content stays as hvnet.json.1; then the
 * folder is synced. So at any moment one whole file is there. Changes that come while a write is under way wait for the next one,
 * all together; each is answered when the write that has it is done.
 *
 * The checksum is of the configuration, not of its layout. Who edits the file by hand leaves the member out.
 *
 * On the loop's thread.
 */
#ifndef HVNETD_STORE_H
#define HVNETD_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct hvnetd;
struct rpc_error;
struct store;

#define STORE_FILE "hvnet.json"
enum {
	STORE_VERSION = 1,
	STORE_MAX_BYTES = 256 << 20,	/* our policy */
	STORE_RETRY_MS = 5000,		/* our policy: after a write that failed */
};

/* Begins to serve the folder, which is made if need be, and is for one hvnetd at a time. -1 with err. */
int store_open(struct hvnetd *d, const char *dir, struct rpc_error *err) __attribute__((warn_unused_result));
/* What was stored last and can be used: a new reference, or NULL: there is none. -1 with err: there is something of no use. */
int store_load(struct hvnetd *d, json_t **document, struct rpc_error *err) __attribute__((warn_unused_result));
bool store_active(const struct hvnetd *d);
/* The file, and whether it has everything. */
const char *store_file(const struct hvnetd *d);
bool store_is_current(const struct hvnetd *d);
/* The configuration has changed: done() is called when it is stored (why NULL), or could not be (it is tried again). */
void store_change(struct hvnetd *d, void (*done)(void *cookie, const char *why), void *cookie);
/* Waits for what is under way, and writes what is not yet written. */
void store_close(struct hvnetd *d);

/*
 * Reads a file and checks form, version and checksum; err->message names line and column where it can. A new reference, or
 * NULL. For `hvnetd --check FILE`, too.
 */
json_t *store_read(const char *path, struct rpc_error *err);
/* Writes a file so that it or what was there before is there at any moment; previous: where that goes, or NULL. 0 or -errno. */
int store_write(const char *dir, const char *name, const char *previous, const json_t *document);

/* Where in a JSON text the value of this path is ("switches[2].name"); false: nowhere. Both count from 1. */
bool store_locate(const char *text, size_t n, const char *path, unsigned *line, unsigned *column);

#endif
