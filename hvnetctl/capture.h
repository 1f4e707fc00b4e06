/* SPDX-License-Identifier: MIT */
/*
 * `hvnetctl capture`: asks hvnetd for a capture, and makes of what comes through the ring in shared memory a file, a ring of files, a
 * stream on standard output, or lines for people, until it has enough or is told to end.
 *
 * Threads: one, which takes SIGINT, SIGTERM, SIGHUP and SIGPIPE while it runs.
 */
#ifndef HVNETCTL_CAPTURE_H
#define HVNETCTL_CAPTURE_H

#include <jansson.h>

struct hvnet_client;

/*
 * params, all optional: port, switch, point, direction, vlan, snap, count, buffer (as capture.start's); filter (an expression of
 * pcap-filter(7)), write (path, or "-"; without it, lines), seconds, ring_files, ring_size (bytes). Borrowed. The program's exit status:
 * 0 also when the reader of a pipe has gone; 1 with a sentence on standard error; 2 for options that do not fit together.
 */
int capture_run(struct hvnet_client *client, const json_t *params);

#endif
