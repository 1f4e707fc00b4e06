/* SPDX-License-Identifier: MIT */
/*
 * What the files remote*.c share: one module, and what it knows of a switch in another process.
 */
#ifndef HVNET_EXTENSIONS_REMOTE_INTERNAL_H
#define HVNET_EXTENSIONS_REMOTE_INTERNAL_H

#include <sys/queue.h>

#include "extensions/remote.h"
#include "vswitch/remote_frame.h"

struct port {
	struct vswitch_port_info info;
	TAILQ_ENTRY(port) link;
};

struct nic {
	struct vswitch_nic_info info;
	TAILQ_ENTRY(nic) link;
};

struct held {
	uint64_t token;
	TAILQ_ENTRY(held) link;
	struct iovec seg;
	struct vswitch_frame f;
	uint8_t data[];
};

/* One batch and what became of it; also the pens that its callbacks get. */
struct vswitch_ext_verdicts {
	struct vswitch_extension *e;
	bool writing, egress;
	struct vswitch_ext_batch batch;
	uint32_t dropped, held;
	uint64_t tokens[VSWITCH_BATCH];
	struct iovec segs[VSWITCH_BATCH];
	struct vswitch_frame frames[VSWITCH_BATCH];
	const struct vswitch_frame *pointers[VSWITCH_BATCH];
	struct remote_verdict out[VSWITCH_BATCH];
};

struct vswitch_ext_writer {
	struct vswitch_extension *e;
};

struct vswitch_extension {
	const struct vswitch_ext_module *module;	/* borrowed */
	void *instance;
	bool attached, active;
	int fd, wake_fd, host_fd;	/* owned; -1: none */
	struct remote_memory *memory;	/* owned */
	struct remote_ring in, out;
	bool broken;
	struct vswitch_ext_verdicts v;
	struct vswitch_ext_writer w;
	uint64_t deadline_ns;
	TAILQ_HEAD(, port) ports;	/* by id */
	TAILQ_HEAD(, nic) nics;
	TAILQ_HEAD(, held) held;
	struct extension_remote_stats stats;
	char switch_name[VSWITCH_NAME_BYTES];
	char config[REMOTE_TEXT_BYTES];
};

struct extension_remote {
	struct vswitch_extension e;
};

uint64_t remote_clock_ns(void);

/* remote_services.c */
extern const struct vswitch_ext_services remote_services;
struct port *remote_find_port(struct vswitch_extension *e, uint32_t id);
struct nic *remote_find_nic(struct vswitch_extension *e, uint32_t port, uint8_t index);
void remote_send_verdict(struct vswitch_extension *e, struct remote_verdict *verdict);

/* remote_frames.c */
/* Calls the module with all that lies in the ring. */
void remote_read_frames(struct vswitch_extension *e);

/* remote_events.c */
/* Calls the module with what the host tells. False: the host is gone. */
bool remote_read_events(struct vswitch_extension *e);
/* The last callback but detach(). */
void remote_deactivate(struct vswitch_extension *e);

#endif
