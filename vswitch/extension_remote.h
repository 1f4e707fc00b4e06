/* SPDX-License-Identifier: MIT */
/*
 * What the files extension_remote*.c share. Theory of operation: extension_remote.c.
 */
#ifndef HVNET_VSWITCH_EXTENSION_REMOTE_H
#define HVNET_VSWITCH_EXTENSION_REMOTE_H

#include <sys/un.h>

#include "vswitch/extension_internal.h"
#include "vswitch/remote_ring.h"

#define REMOTE_NS_PER_MS 1000000ull

/* A frame that waits for its verdict. */
struct waiting {
	uint64_t held;			/* the switch's handle */
	uint64_t token;			/* generation and index + 1; 0: free */
	uint64_t deadline_ns;
	uint32_t generation;
	TAILQ_ENTRY(waiting) link;	/* by deadline, or free */
};
TAILQ_HEAD(waiting_list, waiting);

struct vswitch_remote {
	struct vswitch_extension *e;	/* owned */
	struct vswitch_ext_module module;
	struct hv_loop *loop;		/* borrowed: outlives it */
	struct hv_watch listener, control, doorbell;	/* their descriptors are owned; -1: none */
	bool greeted;			/* somebody is connected; attached: … and has said hello */
	int wake_fd;			/* owned; wakes the program */
	struct remote_memory *memory;	/* owned; NULL: no program */
	struct remote_ring out, in;
	uint32_t wants;			/* of the program, or the last one that there was */
	struct remote_event *backlog;	/* owned; what the socket did not take yet */
	uint32_t num_backlog, backlog_room, backlog_sent;
	struct waiting *waiting;	/* owned; wait_frames of them */
	struct waiting_list queue, free;
	TAILQ_HEAD(, question) questions;	/* owned; in the order of asking */
	uint32_t num_questions, last_question;
	struct hv_timer ask_timer;
	struct vswitch_remote_config config;	/* its texts are the fields below */
	struct vswitch_remote_stats stats;
	char program[VSWITCH_NAME_BYTES];
	char name[VSWITCH_NAME_BYTES];
	char text[REMOTE_TEXT_BYTES];
	struct sockaddr_un address;
};

/* extension_remote_frames.c */
extern const struct vswitch_ext_capture_ops remote_capture_ops;
extern const struct vswitch_ext_filter_ops remote_filter_ops;
extern const struct vswitch_ext_forward_ops remote_forward_ops;
/* The policy decides for all frames that wait. */
void remote_decide_all(struct vswitch_remote *r, const char *why);
/* The extension's timer: of frames that have waited too long. */
void remote_frames_late(void *instance);
/* The program has rung. */
void remote_rang(struct hv_watch *watch, uint32_t events);

/* extension_remote_events.c */
extern const struct vswitch_ext_ops remote_ops;
/* To the program, now or when its socket takes it. */
void remote_send_event(struct vswitch_remote *r, const struct remote_event *ev);
/* The program begins with what is there. */
void remote_tell_all(struct vswitch_remote *r);
/* The socket takes more. */
void remote_send_backlog(struct vswitch_remote *r);

/* extension_remote_ask.c */
/*
 * Whether the creation that is under way is refused: as the program has answered, or by the place's policy. mtu (may be NULL): of the
 * NIC, perhaps lowered. refusal: why.
 */
bool remote_refuses(struct vswitch_remote *r, enum remote_ask_what what, const char *port, uint32_t *mtu, char *refusal);
/* A copy of what the program said. False: it may not say that. */
bool remote_take_answer(struct vswitch_remote *r, const struct remote_answer *a);
/* The program is not asked any more; the policy answers. */
void remote_answer_all(struct vswitch_remote *r, const char *why);
void remote_forget_all(struct vswitch_remote *r);
void remote_ask_timer(struct hv_timer *t);

/* extension_remote_attach.c */
/* Text from a program, for logs and messages: printable ASCII, ends with a zero. */
void remote_text(char *to, size_t room, const char *from, size_t n);
/* Somebody knocks. */
void remote_connected(struct hv_watch *watch, uint32_t events);
/* The program, or who has not said hello yet, has something to say. */
void remote_said(struct hv_watch *watch, uint32_t events);
/* It is gone, whoever's fault that is; nothing waits for it any more. */
void remote_part(struct vswitch_remote *r, const char *why);
/* … it broke the rules. */
void remote_breach(struct vswitch_remote *r, const char *what);
void remote_stop_watch(struct hv_watch *w);

#endif
