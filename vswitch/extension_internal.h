/* SPDX-License-Identifier: MIT */
/*
 * What the files extension*.c share. Theory of operation: extension.c.
 */
#ifndef HVNET_VSWITCH_EXTENSION_INTERNAL_H
#define HVNET_VSWITCH_EXTENSION_INTERNAL_H

#include "vswitch/internal.h"

/* A filter's and a forwarder's pen. It is the extension's own, valid while writing is set. */
struct vswitch_ext_verdicts {
	struct vswitch_extension *e;	/* borrowed: contains it */
	bool writing;
	bool ingress;
	struct vswitch_port *port;	/* source or destination */
	struct vswitch_frame *const *frames;
	unsigned n;
	uint32_t present;		/* of the batch as handed in, without those that ended since */
};

struct vswitch_extension {
	struct vswitch *sw;		/* borrowed: outlives it */
	const struct vswitch_ext_module *module;	/* borrowed until detach */
	void *instance;
	bool enabled;
	bool remote;			/* instance is a struct vswitch_remote */
	uint32_t bit;			/* its own among those on the switch */
	unsigned position;		/* among the enabled */
	uint32_t passed;		/* of the current batch, what it let pass at ingress */
	struct vswitch_ext_verdicts verdicts;
	struct vswitch_extension_limits limits;
	struct vswitch_extension_stats stats;
	struct hv_timer timer;
	uint64_t deadline_ns;		/* 0: no timer */
	struct hv_log_limit log_limit;
	TAILQ_ENTRY(vswitch_extension) link;	/* from top to bottom */
	char name[VSWITCH_NAME_BYTES];
	char rule[VSWITCH_NAME_BYTES + VSWITCH_REFUSAL_BYTES + 2];	/* for reports: name and reason of the last drop */
};
TAILQ_HEAD(extension_list, vswitch_extension);

/* What a forwarder chose for a frame of the current batch. */
struct chosen {
	struct vswitch_port *to;	/* borrowed for the batch */
	struct pending_choice choice;
	bool excluded;
	uint16_t next;			/* of the same frame: its index + 1; 0: none */
};

enum {
	CHOSEN_MAX = 4096,		/* our policy: destinations of one batch */
	INJECT_DEPTH = 4,		/* our policy: injected because of injected because of … */
};

struct vswitch_ext_writer {
	struct stack *stack;		/* borrowed: contains it */
	bool writing;
	unsigned num;
	struct chosen *list;		/* owned; CHOSEN_MAX, made when the first forwarder is enabled */
	uint16_t first[VSWITCH_BATCH], last[VSWITCH_BATCH];	/* index + 1; 0: none */
};

/* A frame that the switch keeps for an extension. */
struct held {
	uint64_t id;			/* the extension's handle */
	struct vswitch_extension *by;	/* borrowed: it is flushed before */
	struct vswitch_port *source;	/* borrowed: it is flushed before */
	uint32_t awaiting;		/* bits of the extensions above that let it pass */
	uint32_t bytes;			/* of memory */
	bool injected;
	bool going;			/* given up by its extension: on the list of deferred ones */
	bool discarded;			/* … and goes nowhere */
	uint8_t depth;			/* of injection */
	unsigned num_to;
	struct vswitch_ext_destination *to;	/* owned; committed destinations, NULL: none */
	TAILQ_ENTRY(held) link;		/* among the held or the deferred */
	struct iovec seg;
	struct vswitch_frame f;
	char rule[VSWITCH_NAME_BYTES + VSWITCH_REFUSAL_BYTES + 2];	/* why it is discarded */
	uint8_t data[];
};
TAILQ_HEAD(held_list, held);

struct handle {
	struct held *held;		/* NULL: free */
	uint32_t generation;
	uint32_t next_free;		/* index + 1 */
};

struct stack {
	struct vswitch *sw;		/* borrowed: contains it */
	struct extension_list extensions;
	struct vswitch_extension *enabled[VSWITCH_EXTENSIONS_MAX];	/* from top to bottom */
	uint32_t bits;			/* in use */
	unsigned calls;			/* callbacks that are under way */
	bool frames_under_way;		/* … are of frames */
	unsigned depth;			/* of the injected frames under way */
	uint64_t now_ns;
	struct vswitch_ext_writer writer;
	struct vswitch_refusal refusal;
	struct vswitch_port *origin;	/* owned; port 0 */
	struct properties properties;	/* owned; of the switch */
	const struct vswitch_stack_ops *ops;	/* borrowed until the next vswitch_set_stack_ops(); never NULL */
	void *ops_opaque;

	struct held_list held, deferred;
	struct handle *handles;		/* owned */
	uint32_t num_handles, free_handle;
	uint32_t held_now;		/* of the current batch: held by somebody */
	struct held *running[VSWITCH_BATCH];	/* deferred frames under way now: they are the current batch */
	unsigned num_running;

	struct drains drains;
	struct hv_timer drain_timer;
};

/* Around each callback of an extension; times it. end_call() gives the deferred frames their turn. */
void begin_call(struct vswitch_extension *e);
void end_call(struct vswitch_extension *e);
#define EXTENSION_CALL(e, call) do { begin_call(e); call; end_call(e); } while (0)

/* From top to bottom of those enabled. */
#define FOR_EACH_ENABLED(e, stack) \
	for (unsigned at_ = 0; at_ < (stack)->sw->num_enabled && ((e) = (stack)->enabled[at_], true); at_++)

/* A service that was called as it must not be: what and why, as text. Returns error. */
int misuse(struct vswitch_extension *e, int error, const char *what);

/* Whether a module of our ABI has all that it must have. */
bool module_is_sound(const struct vswitch_ext_module *m);

/* extension_held.c */
/* Copies the frame for e; NULL: its limits, or no memory. */
struct held *held_new(struct vswitch_extension *e, struct vswitch_port *source, const struct vswitch_frame *f);
/* What the extension holds by this handle; NULL: nothing, or not any more. */
struct held *held_find(struct vswitch_extension *e, uint64_t id);
/* All that e holds and has under way; to all others it does not owe a completion any more. */
void held_flush_extension(struct vswitch_extension *e);
void held_init(struct stack *stack);
void held_free(struct stack *stack);
/* It goes on (to: these destinations; 0: natively), or ends, in its turn. */
int held_release(struct held *h, const struct vswitch_ext_destination *to, unsigned n);
void held_discard(struct held *h, const char *reason);
int held_inject(struct vswitch_extension *e, const struct vswitch_frame *f, struct vswitch_port *source);
/* Tells the extensions in bits that n frames of a source are done; masks has the bits of those who let each pass. */
void complete_to(struct vswitch_port *source, const struct vswitch_frame *const *frames, unsigned n,
		 const uint32_t *masks, uint32_t delivered);

/* nic.c */
void drains_init(struct stack *s);

/* extension_frames.c */
/* The bits of the extensions that let the i-th frame of the current batch pass, earlier or now. */
uint32_t extensions_passed(const struct stack *s, unsigned i);
/* The names of what ended a frame, for reports: the extension and its reason (NULL: none). */
const char *drop_rule(struct vswitch_extension *e, const char *reason);
/* Adds a destination of the i-th frame of source. Errors of the service direct(). */
int writer_add(struct vswitch_ext_writer *w, const struct vswitch_port *source, unsigned i,
	       const struct vswitch_ext_destination *to);
void writer_clear(struct vswitch_ext_writer *w);

/* extension_services.c */
extern const struct vswitch_ext_services extension_services;

/* extension_refs.c */
void references_of(const struct vswitch_extension *e, uint64_t *count);
void references_drop(struct vswitch_extension *e);
int reference_take(struct vswitch_extension *e, struct vswitch_port *port, int index);
int reference_give_back(struct vswitch_extension *e, struct vswitch_port *port, int index);

/* extension_request.c: a request from a position in the order of extensions down to its NIC. */
int extensions_request(struct vswitch *sw, struct vswitch_request *r, unsigned from);

/* extension_property.c */
bool property_at(const struct properties *list, uint32_t i, struct vswitch_property *out);
/* Shows a forwarder all standard policies: -ECANCELED, its reason is in the refusal. */
int properties_show(struct vswitch_extension *e);

/* What the manager of the switch hears of: struct vswitch_stack_ops. */
void stack_answered(struct vswitch *sw);
void stack_program(struct vswitch_extension *e, bool there, const char *why);

/* Remembers who refused; buffer has the reason. Returns -ECANCELED. */
int refused(struct vswitch_extension *e, const char *reason);

#endif
