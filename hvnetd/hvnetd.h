/* SPDX-License-Identifier: MIT */
/*
 * The daemon: switches, virtual machines, adapters and uplinks as objects with names, made on the
 * command line or over the control socket, and what they stand on: vswitch, vmbus, netvsp, e1000.
 *
 *   hvnetd ─┬─ worker: one loop; everything below belongs to its thread
 *           ├─ switch ── uplink: a port that is no guest's (tap, nat, stream)
 *           ├─ vm: one VMBus bridge on a socket ─┬─ synthetic adapter: a NetVSP on a port of a switch
 *           │                                    └─ emulated adapter: an 8254x on a socket of its own, on a port
 *           └─ control: JSON-RPC; a vm may belong to a connection and ends with it
 *
 * Forwarding, VMBus, NetVSP and the chip themselves are left to their libraries; what the command line and
 * the control socket say is parsed in options.c and rpc.c.
 *
 * Threads: all calls on the worker's thread. There is one worker; objects reach their loop through
 * it, so that there can be more.
 */
#ifndef HVNETD_H
#define HVNETD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "e1000/e1000.h"
#include "hvnetd/capture.h"
#include "hvnetd/child.h"
#include "hvnetd/names.h"
#include "hvnetd/options.h"
#include "hvnetd/rpc.h"

struct control;
struct control_client;
struct netvsp;
struct vmbus_bridge;
struct vswitch;
struct vswitch_port;
struct vswitch_uplink;

enum {
	HVNETD_MAX_VMS = 1024,		/* our policy, each of the four: a runaway script's limit */
	HVNETD_MAX_ADAPTERS = 8,	/* of a VM; as Hyper-V */
	HVNETD_MAX_VCPUS = 240,		/* of a VM; the bridge's vectors */
	HVNETD_MAX_UPLINKS = 64,	/* of a switch */
};

struct worker {
	unsigned index;
	struct hv_loop *loop;		/* owned */
};

enum uplink_kind {
	UPLINK_NAT,
	UPLINK_TAP,
	UPLINK_STREAM,
};

/*
 * DOWN --opened--> UP --peer or process gone--> DOWN, tried again after a growing delay.
 * A tap is never DOWN: it fails at creation or stays.
 */
struct uplink {
	TAILQ_ENTRY(uplink) link;
	struct hvnetd *d;		/* borrowed: outlives all objects */
	struct hvnetd_switch *sw;	/* borrowed: its uplinks go first */
	enum uplink_kind kind;
	bool builtin;			/* came with the switch and goes with it */
	bool external;			/* behind a tap is a network, not the host alone */
	char name[HVNETD_NAME_BYTES];	/* of the port */
	char *where;			/* owned; interface or path; NULL for NAT */
	struct vswitch_uplink *uplink;	/* owned; NULL while down */
	struct child *child;		/* owned; NAT's process, or NULL */
	struct hv_timer timer;		/* tears down, or tries again */
	bool lost;			/* what timer is for: the peer is gone */
	uint64_t up_since_ns;
	unsigned delay_s;		/* before the next try */
	uint64_t restarts;
	char why[128];			/* it is down */
};

struct hvnetd_switch {
	TAILQ_ENTRY(hvnetd_switch) link;
	char name[HVNETD_NAME_BYTES];
	enum switch_type type;
	struct vswitch *sw;		/* owned */
	TAILQ_HEAD(, uplink) uplinks;
	unsigned num_uplinks;
};

enum adapter_kind {
	ADAPTER_SYNTHETIC,
	ADAPTER_EMULATED,
};

struct adapter {
	TAILQ_ENTRY(adapter) link;
	enum adapter_kind kind;
	struct vm *vm;			/* borrowed: its adapters go first */
	struct hvnetd_switch *sw;	/* borrowed: a switch with adapters stays, or lets go of them; may be NULL */
	char name[HVNETD_NAME_BYTES];	/* unique in the VM */
	uint8_t mac[6];
	uint32_t mtu;			/* synthetic: the largest that the guest may set */
	bool link_up;			/* as administered */
	struct vswitch_port *port;	/* owned; NULL without a switch */
	struct netvsp *nic;		/* owned; synthetic, else NULL */
	struct e1000 *chip;		/* owned; emulated, else NULL */
	char *socket;			/* owned; the chip's, else NULL */
};

struct vm {
	TAILQ_ENTRY(vm) link;
	char name[HVNETD_NAME_BYTES];
	uint32_t vcpus;
	char *socket;			/* owned; path of the bridge's socket; each emulated adapter has its own behind it */
	struct control_client *scope;	/* borrowed: the VM goes with it; NULL: stays */
	struct vmbus_bridge *bridge;	/* owned */
	TAILQ_HEAD(, adapter) adapters;
	unsigned num_adapters;
};

struct hvnetd {
	struct worker worker;
	const struct options *options;	/* borrowed: main()'s */
	char nat_program[PATH_MAX];	/* empty: none found */
	uint8_t host[16];		/* host_id() */
	struct control *control;	/* owned */
	struct child_set children;
	TAILQ_HEAD(, hvnetd_switch) switches;
	TAILQ_HEAD(, vm) vms;
	unsigned num_vms, num_switches;
	uint64_t vms_made;		/* for names that nobody gave */
	struct capture_list captures;
	uint64_t captures_made;
};

/* All return 0, or -1 with err filled. */

int hvnetd_switch_add(struct hvnetd *d, const char *name, enum switch_type type, const char *interface,
		      struct rpc_error *err) __attribute__((warn_unused_result));
/* force: takes its adapters and uplinks off first. */
int hvnetd_switch_del(struct hvnetd *d, struct hvnetd_switch *sw, bool force, struct rpc_error *err);
struct hvnetd_switch *hvnetd_switch_find(struct hvnetd *d, const char *name, struct rpc_error *err);

struct uplink_desc {
	enum uplink_kind kind;
	const char *name;		/* of the port; NULL: by kind */
	const char *where;		/* interface or path; NULL for NAT */
	bool external;			/* tap only */
};
int uplink_add(struct hvnetd *d, struct hvnetd_switch *sw, const struct uplink_desc *desc,
	       struct uplink **out, struct rpc_error *err) __attribute__((warn_unused_result));
void uplink_del(struct uplink *u);
const char *uplink_kind_name(enum uplink_kind kind);
/* Where hvnet-nat is: as told, or beside this program. Empty if it cannot be run. */
void nat_find_program(const struct options *o, char *path, size_t bytes);

/* name NULL: one is made up. scope NULL: not scoped. */
int hvnetd_vm_add(struct hvnetd *d, const char *name, uint32_t vcpus, struct control_client *scope,
		  struct vm **out, struct rpc_error *err) __attribute__((warn_unused_result));
void hvnetd_vm_del(struct hvnetd *d, struct vm *vm);
struct vm *hvnetd_vm_find(struct hvnetd *d, const char *name, struct rpc_error *err);
/* Deletes what was scoped to a connection. */
void hvnetd_scope_gone(struct hvnetd *d, struct control_client *scope);

struct adapter_desc {
	struct hvnetd_switch *sw;
	struct vm *vm;
	const char *name;		/* NULL: nic0, nic1, … */
	const char *mac;		/* NULL: from the names */
	enum adapter_kind kind;
	uint32_t mtu;			/* synthetic; 0: the largest */
	enum e1000_model model;		/* emulated */
};
int adapter_add(struct hvnetd *d, const struct adapter_desc *desc, struct adapter **out,
		struct rpc_error *err) __attribute__((warn_unused_result));
void adapter_del(struct adapter *a);
/* sw NULL: off its switch. */
int adapter_move(struct adapter *a, struct hvnetd_switch *sw, struct rpc_error *err)
	__attribute__((warn_unused_result));
void adapter_set_link(struct adapter *a, bool up);
const char *adapter_kind_name(enum adapter_kind kind);
/* Where the guest's QEMU attaches for it: the VM's socket, or its own. */
const char *adapter_socket(const struct adapter *a);
/* n-th counter of what is behind it, false past the last. */
bool adapter_counter(const struct adapter *a, unsigned n, const char **name, uint64_t *value);
/* "vm/adapter". */
void adapter_id(const struct adapter *a, char id[2 * HVNETD_NAME_BYTES]);
struct adapter *adapter_find(struct hvnetd *d, const char *id, struct rpc_error *err);

/* The methods of the control socket; opaque is the struct hvnetd, caller the control_client. */
extern const struct rpc_method hvnetd_methods[];
extern const size_t hvnetd_num_methods;
json_t *method_stats(struct rpc_call *call);

/* Start-up and stop. The sentence in err says what to do; the status is main()'s. */
enum hvnetd_exit hvnetd_start(struct hvnetd *d, const struct options *o, struct rpc_error *err);
void hvnetd_stop(struct hvnetd *d);

#endif
