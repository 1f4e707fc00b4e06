/* SPDX-License-Identifier: MIT */
/*
 * The extension stack, for who manages a switch: which extensions are on it, in which order, enabled or not, what they did; and
 * the requests, policies and saved state that go through them. A chapter of vswitch.h. For authors of extensions: extension.h.
 *
 * All of it on the switch's thread, and not from callbacks of NICs or extensions.
 */
#ifndef HVNET_VSWITCH_STACK_H
#define HVNET_VSWITCH_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/extension.h"

struct vswitch;
struct vswitch_port;
struct vswitch_extension;
struct vswitch_library;			/* a loaded shared object */
struct vswitch_nic_config;
struct vswitch_port_config;

enum { VSWITCH_EXTENSIONS_MAX = 32 };	/* our policy: on one switch */

/* ---- loading ---- */

/*
 * Opens a shared object that exports VSWITCH_EXT_SYMBOL. The file must be regular, belong to root or to this process's user, and be
 * writable by nobody else. error (may be NULL): a sentence, of at most error_bytes. -EACCES: owner or mode. -ELIBBAD: not
 * loadable. -ENOENT: no file. -ENOEXEC: no module symbol. -EPROTO: another ABI, or a module that contradicts itself.
 */
int vswitch_library_open(const char *path, char *error, size_t error_bytes, struct vswitch_library **out)
	__attribute__((warn_unused_result));
/* Its extensions must have been detached. NULL is fine. */
void vswitch_library_close(struct vswitch_library *library);
const struct vswitch_ext_module *vswitch_library_module(const struct vswitch_library *library);

/* ---- the stack ---- */

struct vswitch_extension_limits {	/* 0: the default */
	uint32_t held_frames;		/* held or under way for the extension at once; 4096 */
	uint32_t held_bytes;		/* … of memory; 16 MiB */
};

struct vswitch_extension_config {
	const char *name;		/* unique on the switch; NULL: the module's. Copied */
	const char *config;		/* the extension's own; NULL: "". Copied */
	struct vswitch_extension_limits limits;
};

/*
 * Puts the extension (module: borrowed until detach) on the switch, on top of its class, disabled. -EEXIST: the name. -ENOSPC: too
 * many. -EPROTO: a module that contradicts itself. Else what its attach() says: vswitch_refusal() has the reason.
 */
int vswitch_extension_attach(struct vswitch *sw, const struct vswitch_ext_module *module,
			     const struct vswitch_extension_config *config, struct vswitch_extension **out)
	__attribute__((warn_unused_result));
/* Disables it first if need be. NULL is fine. */
void vswitch_extension_detach(struct vswitch_extension *e);
/*
 * -EBUSY: another forwarding extension is enabled. Enabled already is fine. A forwarder is shown the standard policies; if it refuses
 * one: -ECANCELED, it stays disabled.
 */
int vswitch_extension_enable(struct vswitch_extension *e) __attribute__((warn_unused_result));
/* What it still holds is dropped (VSWITCH_DROP_FLUSHED), references that it still has are given up and counted. */
void vswitch_extension_disable(struct vswitch_extension *e);
/* Puts it directly above another one of its class (NULL: lowest of its class). -EINVAL: another class or switch. */
int vswitch_extension_move(struct vswitch_extension *e, struct vswitch_extension *above) __attribute__((warn_unused_result));

/* From top to bottom: the first with prev NULL; NULL after the last. */
struct vswitch_extension *vswitch_next_extension(struct vswitch *sw, struct vswitch_extension *prev);
const char *vswitch_extension_name(const struct vswitch_extension *e);
const struct vswitch_ext_module *vswitch_extension_module(const struct vswitch_extension *e);
bool vswitch_extension_enabled(const struct vswitch_extension *e);

/* passed_in = completed + in_flight, always. */
struct vswitch_extension_stats {
	uint64_t in_frames, out_frames;	/* seen at ingress and egress */
	uint64_t in_dropped, out_dropped;
	uint64_t passed_in;		/* let through at ingress, at once or by release */
	uint64_t completed;
	uint64_t in_flight;		/* passed by it, held by one below it */
	uint64_t held_total;		/* ever held */
	uint64_t held, held_bytes;	/* now, what it injected and is under way included */
	uint64_t released, discarded;	/* of held_total */
	uint64_t flushed;		/* … taken from it: it gave them up neither in time nor when it was disabled */
	uint64_t injected, inject_refused;
	uint64_t directed;		/* frames that it gave destinations */
	uint64_t requests;		/* life cycle, policies, OIDs, save and restore: callbacks for one of these */
	uint64_t refusals;
	uint64_t references;		/* that it has now */
	uint64_t lost_references;	/* … that were taken from it */
	uint64_t misuse;		/* services called as its class, the state or the handle do not allow */
	uint64_t batches;		/* frame callbacks */
	uint64_t frame_ns, control_ns;	/* time in its callbacks */
	char last_drop[VSWITCH_REFUSAL_BYTES];	/* the reason that it gave last */
	char last_misuse[VSWITCH_REFUSAL_BYTES];	/* which service, and why not */
};
void vswitch_extension_stats(const struct vswitch_extension *e, struct vswitch_extension_stats *out);

/* What the manager is told, on the switch's thread, perhaps in the middle of its work: take a note, call nothing of the switch. */
struct vswitch_stack_ops {
	/* What vswitch_ask() has left open may be answered now. */
	void (*answered)(void *opaque);
	/* The extension's program came, or left; why: its name, or what ended it. */
	void (*program)(void *opaque, struct vswitch_extension *e, bool there, const char *why);
};
/* ops is borrowed until the next call; NULL: none. */
void vswitch_set_stack_ops(struct vswitch *sw, const struct vswitch_stack_ops *ops, void *opaque);

/* ---- policies by GUID, requests ---- */

/*
 * A policy of a port, or of the switch (port NULL). Somebody's own: the extension that knows it takes it; -EOPNOTSUPP: nobody does.
 * A standard one is shown to all, who may refuse. -ECANCELED: refused. -EEXIST, -ENOENT: the instance. -EMSGSIZE: its data. -EINVAL: state.
 */
int vswitch_property_add(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_property *p)
	__attribute__((warn_unused_result));
int vswitch_property_update(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_property *p)
	__attribute__((warn_unused_result));
int vswitch_property_delete(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_guid *feature,
			    const struct vswitch_guid *instance) __attribute__((warn_unused_result));
/* -EOPNOTSUPP: nobody knows the feature. -ENOBUFS: *bytes says how many it takes. */
int vswitch_feature_status(struct vswitch *sw, struct vswitch_port *port, const struct vswitch_guid *feature, void *out,
			   uint32_t max_bytes, uint32_t *bytes) __attribute__((warn_unused_result));
/*
 * Sends a request down the stack to the NIC that it names, or (destination_port 0) to the extensions. -EOPNOTSUPP: nobody answered.
 * -ENOENT: no such NIC, or not connected. Requests of a guest that concern the switch come the same way, with its port as the source.
 */
int vswitch_request(struct vswitch *sw, struct vswitch_request *r) __attribute__((warn_unused_result));

/* ---- save and restore ---- */

enum { VSWITCH_SAVE_MAX_BYTES = 16 << 20, VSWITCH_RECORD_MAX_BYTES = 1 << 20 };	/* our policy: of a blob, of one record */

/*
 * What the extensions know about a NIC, as one blob to free(); with index 0 also the flows of the port's stateful ACL entries (as
 * many as fit, those in use first). -EFBIG: more than a blob may be. Else what an extension says.
 */
int vswitch_nic_save(struct vswitch_port *port, uint8_t index, void **blob, size_t *bytes) __attribute__((warn_unused_result));
/*
 * Gives each record to the extension whose id it has; *unowned (may be NULL): how many had none. Flows go to the port, with the time
 * that they had left, if its entries let them live: vswitch_acl_restore_flows(). Nothing is given to anybody unless
 * the whole blob is sound (-EBADMSG; -EPROTO: another version). Else what an extension says: then the restore has failed as a whole.
 */
int vswitch_nic_restore(struct vswitch_port *port, uint8_t index, const void *blob, size_t bytes, unsigned *unowned)
	__attribute__((warn_unused_result));

/* ---- extensions in processes of their own ---- */

struct hv_loop;
struct vswitch_remote;

struct vswitch_remote_config {
	const char *name;		/* of the extension on the switch; unique. Copied */
	const char *socket;		/* path of the Unix socket where its program attaches; created, mode 0660. Copied */
	const char *config;		/* handed to the program; NULL: "". Copied */
	enum vswitch_ext_class class;	/* what it may be: a program of another class is turned away */
	bool fail_open;			/* without a program, and for frames that wait too long: they go on; else they are dropped.
					   Creations that it has a say in: they are made; else refused */
	uint32_t wait_ms;		/* a frame waits for a verdict no longer; 0: 20 (our policy), at most 10000 */
	uint32_t wait_frames;		/* … and no more than so many at once; 0: 512, at most 4096 */
	uint32_t answer_ms;		/* a creation waits for an answer no longer; 0: 1000 (our policy), at most 10000 */
};

/*
 * A place in the stack for a program (extensions/remote.h), attached disabled as any extension, on top of its class. At ingress a
 * frame waits for the program's verdict, on its own: those of other ports and those that the program is not asked about go on. At egress
 * the program only sees copies. It may refuse ports and NICs when it is asked before (vswitch_ask()). One program at a time; who may
 * connect to the socket is the file system's business and of the same user or root (peer credentials). The program's death or silence
 * costs what config says.
 */
int vswitch_remote_create(struct vswitch *sw, struct hv_loop *loop, const struct vswitch_remote_config *config,
			  struct vswitch_remote **out) __attribute__((warn_unused_result));
/* Detaches the extension too. NULL is fine. Before the switch's end. */
void vswitch_remote_destroy(struct vswitch_remote *remote);
struct vswitch_extension *vswitch_remote_extension(struct vswitch_remote *remote);

/*
 * Programs may refuse what is created, but not at once: who can wait asks before vswitch_port_create_as() (port; or NULL and on, the
 * port that is there) and before vswitch_nic_create() for its NIC 0 (nic, with kind and mac as the device will have them; NULL: the
 * port alone). 0: create it now; the answers count for some seconds, and a refusal comes from those functions. -EAGAIN: the same
 * call again after answered(), which comes in bounded time. A creation that was not asked about does not wait: the policy of the
 * program's place decides if the program, or the last one that there was, wants a say.
 */
int vswitch_ask(struct vswitch *sw, const struct vswitch_port_config *port, const struct vswitch_port *on,
		const struct vswitch_nic_config *nic) __attribute__((warn_unused_result));

struct vswitch_remote_stats {
	bool attached;			/* a program is there */
	uint64_t attaches, refused;	/* programs that came; … that were turned away */
	uint64_t deaths;		/* programs that left, were cut off for a breach of the protocol, or did not read */
	uint64_t breaches;		/* … of these for what they wrote */
	uint64_t asked;			/* frames that waited for a verdict */
	uint64_t copied;		/* frames shown without one */
	uint64_t timeouts;		/* frames that waited too long */
	uint64_t overflows;		/* … that found no room to wait */
	uint64_t unseen;		/* copies that found no room */
	uint64_t questions;		/* it was asked, before creations */
	uint64_t unanswered;		/* … in time, or at all */
	uint32_t waiting;		/* now */
};
void vswitch_remote_stats(const struct vswitch_remote *remote, struct vswitch_remote_stats *out);

#endif
