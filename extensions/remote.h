/* SPDX-License-Identifier: MIT */
/*
 * Runs an extension (vswitch/extension.h) in a process of its own: attaches to the place that the switch keeps for it
 * (vswitch_remote_create() in vswitch/stack.h) and calls the same module's callbacks with frames that come
 * through shared memory. What is not the same as inside the switch's process:
 *
 *	- it is asked about ports and NICs before they are created: port_create() (and nic_create()) is called, for a port with a
 *	  number of its own; what it lets pass is taken back at once by nic_delete() and port_delete(), and told as created when it
 *	  is; what is answered then does not count. It has a bounded time to answer. Policies it cannot refuse
 *	- at ingress a frame waits for the callback's verdict, for some milliseconds; what comes later counts for nothing. A frame that is
 *	  held waits in the same way
 *	- at egress it only sees copies: drop() there does nothing (-EOPNOTSUPP)
 *	- no completions, references, policies, requests, save and restore (services: -EOPNOTSUPP)
 *	- no two callbacks at once, as there, but time that it takes is only its own
 *
 * Not thread-safe. The library allocates when it attaches, and for frames that are held; none per frame otherwise.
 */
#ifndef HVNET_EXTENSIONS_REMOTE_H
#define HVNET_EXTENSIONS_REMOTE_H

#include <signal.h>
#include <stddef.h>

#include "vswitch/extension.h"

struct extension_remote;

/*
 * Connects to the socket and attaches module (borrowed until the end), with the configuration that the switch has for it; then calls
 * its attach(). error (may be NULL): a sentence. -ECONNREFUSED: nobody there, or turned away (another program is there, another class
 * is wanted). -EPROTO: another version. Else what attach() says.
 */
int extension_remote_attach(const char *socket, const struct vswitch_ext_module *module, char *error, size_t error_bytes,
			    struct extension_remote **out) __attribute__((warn_unused_result));
/* Works until *stop is set (checked at least every 200 ms; NULL: never) or the switch ends it. 0: stopped or ended; -EPROTO: nonsense. */
int extension_remote_run(struct extension_remote *remote, const volatile sig_atomic_t *stop);
/* Calls deactivate() and detach(). NULL is fine. */
void extension_remote_detach(struct extension_remote *remote);

struct extension_remote_stats {
	uint64_t frames, batches;	/* that the callbacks saw */
	uint64_t verdicts, dropped, directed, injected;
	uint64_t lost;			/* verdicts and injected frames for which there was no room */
};
void extension_remote_stats(const struct extension_remote *remote, struct extension_remote_stats *out);

#endif
