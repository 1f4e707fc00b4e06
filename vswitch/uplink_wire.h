/* SPDX-License-Identifier: MIT */
/*
 * A wire moves frames between the switch and something outside it: a tap, an interface of the host, a stream socket. It
 * knows no port: what is above it (the NIC of a plain uplink, a member of a team) is its user.
 *
 * A wire reads from its loop only. What it finds out about itself (link, address, largest frame, the end) it writes into
 * struct wire and says so with changed(), which may be called from inside send().
 */
#ifndef HVNET_VSWITCH_UPLINK_WIRE_H
#define HVNET_VSWITCH_UPLINK_WIRE_H

#include "vswitch/vswitch.h"

struct wire;

struct wire_user {		/* opaque: as given to wire_open_…() */
	/* 1 … VSWITCH_BATCH frames came in; true: no more of them until wire_resume(). */
	bool (*input)(void *opaque, struct vswitch_frame *const *frames, unsigned n);
	/* So many frames that it was given to send, now or earlier, do not go out. frames NULL: they are not there any more. */
	void (*dropped)(void *opaque, enum vswitch_drop reason, const struct vswitch_frame *const *frames, unsigned n);
	void (*congested)(void *opaque, bool congested);
	/* A field of struct wire is another than before. May be called from within any call but destroy(). */
	void (*changed)(void *opaque);
};

struct wire_ops {
	/* As struct vswitch_nic_ops.deliver. */
	void (*send)(struct wire *w, const struct vswitch_frame *const *frames, unsigned n);
	/* After an input that said "pause"; may be called from within other calls. */
	void (*resume)(struct wire *w);
	/* How many frames came from outside and were lost before the switch saw them. May be NULL: none are. */
	uint64_t (*lost)(struct wire *w);
	/* Drops what it holds, and says so. */
	void (*destroy)(struct wire *w);
};

struct wire {
	const struct wire_ops *ops;
	const struct wire_user *user;	/* borrowed */
	void *opaque;			/* the user's */
	struct hv_loop *loop;		/* borrowed */
	enum vswitch_wire_kind kind;
	uint32_t caps;			/* enum vswitch_nic_caps */
	uint32_t max_frame_bytes;	/* as struct vswitch_nic's */
	uint32_t speed_mbps;		/* 0: not known */
	bool full_duplex;
	bool link;			/* frames may pass */
	bool gone;			/* for ever: then without link */
	uint8_t mac[6];			/* zero: it has none */
	char name[VSWITCH_WIRE_NAME_BYTES];
};

static inline void wire_send(struct wire *w, const struct vswitch_frame *const *frames, unsigned n)
{
	w->ops->send(w, frames, n);
}

static inline void wire_dropped(const struct wire *w, enum vswitch_drop reason, const struct vswitch_frame *const *frames,
				unsigned n)
{
	w->user->dropped(w->opaque, reason, frames, n);
}

static inline void wire_resume(struct wire *w)
{
	w->ops->resume(w);
}

/* Speed in bit/s; 0: not known. */
static inline uint64_t wire_bits(const struct wire *w)
{
	return w->speed_mbps * 1000000ull;
}

static inline uint64_t wire_lost(struct wire *w)
{
	return w->ops->lost ? w->ops->lost(w) : 0;
}

/* NULL is fine. */
void wire_destroy(struct wire *w);
/* The end of a wire_open_…(), where ret is how it went: returns it, with the wire in *out or destroyed. */
int wire_opened(struct wire *w, int ret, struct wire **out) __attribute__((warn_unused_result));

/* follow: the wire's link is the interface's being up; else it is up as long as there is an interface. Errors: uplink.h. */
int wire_open_tap(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *interface, bool follow,
		  struct wire **out)
	__attribute__((warn_unused_result));
int wire_open_packet(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *interface,
		     struct wire **out)
	__attribute__((warn_unused_result));
/* Takes fd over, also on failure. */
int wire_open_stream(struct hv_loop *loop, const struct wire_user *user, void *opaque, const char *name, int fd,
		     struct wire **out)
	__attribute__((warn_unused_result));

/*
 * Interfaces that a wire of this process holds, in any namespace and on any thread. claim: -EBUSY; release() of what was not
 * claimed (ifindex 0) is fine.
 */
struct wire_claim {
	TAILQ_ENTRY(wire_claim) link;
	uint64_t namespace;
	unsigned ifindex;		/* 0: none */
};
int wire_claim(struct wire_claim *claim, unsigned ifindex) __attribute__((warn_unused_result));
void wire_release(struct wire_claim *claim);
/* Whether an interface of the calling thread's namespace is claimed. */
bool wire_is_claimed(unsigned ifindex);

#endif
