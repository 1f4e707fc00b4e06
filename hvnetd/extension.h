/* SPDX-License-Identifier: MIT */
/* What the files of extensions share. On the loop's thread. */
#ifndef HVNETD_EXTENSION_H
#define HVNETD_EXTENSION_H

#include "hvnetd/hvnetd.h"
#include "vswitch/stack.h"

enum { EXTENSION_WHY_BYTES = 256 };

/* One that is configured, on a switch or not; the library and the place for a program go with it. */
struct placed {
	TAILQ_ENTRY(placed) link;
	struct hvnetd_switch *sw;		/* borrowed: it goes last */
	struct vswitch_extension *ext;		/* owned; a remote one's: its; NULL: it could not be put there */
	struct vswitch_library *library;	/* owned; NULL: remote */
	struct vswitch_remote *remote;		/* owned, or NULL */
	json_t *config;				/* owned; as it was attached */
	char *socket;				/* owned; a remote one's */
	struct hv_timer news;			/* its program came or left */
	bool there;
	char why[EXTENSION_WHY_BYTES];		/* it is not there, or not enabled, or its program is gone */
};

/* A member of a configuration that is text, or NULL. */
const char *extension_text(const json_t *entry, const char *member);
/* The entry with the name in a stack; -1: there is none. */
int extension_find(const json_t *list, const char *name);
/* "module", or else "name". */
const char *extension_module(const json_t *entry);
struct placed *extension_find_placed(struct hvnetd_switch *sw, const char *name);

/* extension_library.c */

/* A shared object that was opened, or not. */
struct loaded {
	TAILQ_ENTRY(loaded) link;
	char module[64];
	struct vswitch_library *library;	/* owned; NULL: ret and why */
	int ret;
	char why[EXTENSION_WHY_BYTES];
};

/*
 * Begins to open those objects in a thread: names, one for each time that they are needed (taken). 0: they are opened already (also while
 * the daemon starts, when nothing waits for the loop), or OBJECT_WAITS. wanted: the configuration that they are for.
 */
int libraries_load(struct hvnetd *d, json_t *names, json_t *wanted);
/* One of them, opened now if need be. 0 or -errno with why. */
int libraries_take(struct hvnetd *d, const char *module, struct vswitch_library **out, char why[EXTENSION_WHY_BYTES])
	__attribute__((warn_unused_result));
/* It may be taken again. Without memory it is closed. */
void libraries_give_back(struct hvnetd *d, const char *module, struct vswitch_library *library);
/* Those that nobody has taken. */
void libraries_close(struct hvnetd *d);

/* methods_extension.c */
json_t *show_module(const struct vswitch_ext_module *m, const char *name);

#endif
