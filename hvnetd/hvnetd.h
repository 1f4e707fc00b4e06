/* SPDX-License-Identifier: MIT */
/*
 * The daemon: switches, virtual machines, adapters and uplinks as objects with names, made on the
 * command line, over the control socket or from the state file, and what they stand on: vswitch, vmbus, netvsp, e1000.
 *
 *   hvnetd ─┬─ worker: one loop; everything below belongs to its thread
 *           ├─ switch ─┬─ uplink: its external adapter (interfaces, tap, NAT), or a stream
 *           │          ├─ host NIC: a tap that the host sees
 *           │          └─ port: one that stays without a NIC
 *           ├─ vm: one VMBus bridge on a socket ─┬─ synthetic adapter: a NetVSP
 *           │                                    └─ emulated adapter: an 8254x on a socket of its own
 *           ├─ control: JSON-RPC (rpc.h, api.h); a vm may belong to a connection and ends with it
 *           └─ store: the configuration's file
 *
 * Configuration and what is made of it are kept apart; object.h says how changes go from one to the other.
 *
 * An adapter is configuration and a device that its guest's QEMU can attach to. A port for it, with its policies, is on the
 * switch only while a QEMU has the device, and its NIC is connected only while the guest's driver is up (adapter.c).
 *
 * Forwarding, VMBus, NetVSP and the chip themselves are left to their libraries.
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
#include "hvnetd/diag.h"
#include "hvnetd/event.h"
#include "hvnetd/helper.h"
#include "hvnetd/job.h"
#include "hvnetd/names.h"
#include "hvnetd/object.h"
#include "hvnetd/options.h"
#include "hvnetd/read.h"
#include "hvnetd/rpc.h"

struct control;
struct control_client;
struct netvsp;
struct store;
struct vmbus_bridge;
struct vswitch;
struct vswitch_nic;
struct vswitch_nic_config;
struct vswitch_port;
struct vswitch_port_config;
struct vswitch_uplink;

enum {
	HVNETD_MAX_VMS = 1024,		/* our policy, each: a runaway script's limit */
	HVNETD_MAX_SYNTHETIC = 8,	/* adapters of a VM; as Hyper-V … */
	HVNETD_MAX_EMULATED = 8,	/* … which has 4 */
	HVNETD_MAX_UPLINKS = 64,	/* of a switch, streams included */
	HVNETD_MAX_HOSTNICS = 64,	/* of a switch */
	HVNETD_MAX_LIVE_SWITCHES = 256,
};

struct worker {
	unsigned index;
	struct hv_loop *loop;		/* owned */
};

struct hvnetd_switch {
	struct object o;
	struct vswitch *sw;		/* owned; NULL: not made */
	TAILQ_HEAD(, placed) extensions;	/* extension.c's */
	struct {			/* noted by the data path, reported by event.c */
		uint64_t count;
		uint8_t mac[6];
		uint16_t vlan;
	} flapping;
};

enum uplink_kind {			/* order of api_uplink_kinds */
	UPLINK_PACKET,
	UPLINK_TAP,
	UPLINK_NAT,
	UPLINK_STREAM,
};

/*
 * An uplink, or a host NIC (a tap that is the host's own).
 *
 * DOWN --opened--> UP --peer, process or interface gone--> DOWN, tried again after a growing delay.
 * One that is added has to come up; one that was stored may stay DOWN, and is tried again.
 */
struct uplink {
	struct object o;
	enum uplink_kind kind;
	struct vswitch_uplink *uplink;	/* owned; NULL while down */
	struct child *child;		/* owned; NAT's process, or NULL */
	struct uplink_listener *listener;	/* owned; NULL: it does not wait for a peer */
	struct hv_timer timer;		/* tears down, or tries again */
	bool lost;			/* what timer is for: the peer is gone */
	uint64_t up_since_ns;
	unsigned delay_s;		/* before the next try */
	uint64_t restarts;
	bool asking;			/* extensions: it is opened when they have answered */
	char why[128];			/* it is down */
};

struct fixed_port {			/* of port.create */
	struct object o;
	struct vswitch_port *port;	/* owned; NULL: not made */
	struct adapter *user;		/* borrowed: lets go before it ends; whose NIC is on it */
	bool unfinished;		/* its policies are on their way */
};

enum adapter_kind {
	ADAPTER_SYNTHETIC,
	ADAPTER_EMULATED,
};

struct adapter {
	struct object o;
	enum adapter_kind kind;
	struct vm *vm;			/* borrowed: its adapters go first; NULL: not made */
	uint8_t mac[6];
	struct netvsp *nic;		/* owned; synthetic, else NULL */
	struct e1000 *chip;		/* owned; emulated, else NULL */
	char *socket;			/* owned; the chip's, else NULL */
	bool attached;			/* as last seen: a QEMU has it */
	struct hvnetd_switch *sw;	/* borrowed while there is a port */
	struct vswitch_port *port;	/* owned, or fixed's; NULL: none */
	struct fixed_port *fixed;	/* borrowed: its port, or NULL */
	bool asking;			/* extensions: the port is made when they have answered */
	json_t *settings;		/* owned; configuration that is, or is just being, realized; NULL: not made */
	struct hv_timer look;		/* something has changed: look at it */
	bool unfinished;		/* the port's policies are on their way, by walk; there is no NIC on it yet */
	struct acl_walk walk;
	const char *nic_state;		/* as last told */
	char why[128];			/* there is no port */
};

struct vm {
	struct object o;
	char *socket;			/* owned; path of the bridge's socket; each emulated adapter has its own behind it */
	struct vmbus_bridge *bridge;	/* owned; NULL: not made */
};

struct hvnetd {
	struct worker worker;
	const struct options *options;	/* borrowed: main()'s */
	char nat_program[PATH_MAX];	/* empty: none found */
	char extension_dir[PATH_MAX];	/* where extensions are installed */
	uint8_t host[16];		/* host_id() */
	struct control *control;	/* owned */
	struct helper helper;
	struct reads reads;
	struct store *store;		/* owned; NULL: nothing is stored */
	struct hv_work stored;		/* the store's thread's message; may come when there is no store any more */
	struct child_set children;
	struct objects objects;
	struct jobs jobs;
	struct events events;
	bool restoring;			/* what cannot be realized stays, and is tried again */
	bool undoing;			/* uplinks that cannot be had again stay, and are tried again */
	const json_t *restored;		/* borrowed, while restoring: the document */
	struct rpc_error restore_error;
	bool own_made;			/* the command line's switches, or not */
	uint64_t vms_made;		/* for names that nobody gave */
	uint32_t acl_ids;		/* the highest so far */
	struct capture_list captures;
	uint64_t captures_made;
	struct diag_list diags;
	struct {			/* extension_library.c's */
		TAILQ_HEAD(, loaded) list;	/* for the change that is under way */
		json_t *wanted;		/* owned; the stack that they are for, or NULL */
		bool loading;
	} libraries;
};

/* ---- classes of objects (object.h) ---- */

int switch_check(struct object *o, struct rpc_error *err);
int switch_realize(struct object *o, struct rpc_error *err);
int uplink_check(struct object *o, struct rpc_error *err);
int uplink_realize(struct object *o, struct rpc_error *err);
void uplink_init(struct object *o);
int port_check(struct object *o, struct rpc_error *err);
int port_realize(struct object *o, struct rpc_error *err);
int vm_check(struct object *o, struct rpc_error *err);
int vm_realize(struct object *o, struct rpc_error *err);
int adapter_check(struct object *o, struct rpc_error *err);
int adapter_realize(struct object *o, struct rpc_error *err);
void adapter_init(struct object *o);

/* ---- what requests refer to (reference.c): NULL with err ---- */

enum { GUID_TEXT_BYTES = 37 };

/* By name, id or friendly name. */
struct object *switch_find(struct hvnetd *d, const char *reference, struct rpc_error *err);
/* By name or GUID. */
struct object *vm_find(struct hvnetd *d, const char *reference, struct rpc_error *err);
/* By "VM/NAME" or GUID. */
struct object *adapter_find(struct hvnetd *d, const char *reference, struct rpc_error *err);
/* By "SWITCH/PORT" or "VM/ADAPTER", or the GUID of either. */
struct object *object_find_port(struct hvnetd *d, const char *reference, struct rpc_error *err);
/* The same for the same names on the same host; a port's stays when its switch has another name. */
void port_guid(const struct object *sw, const struct vswitch_port *port, char text[GUID_TEXT_BYTES]);
/* Of a VM or adapter: a synthetic one's is what its guest sees. */
void object_guid(const struct object *o, char text[GUID_TEXT_BYTES]);

/* ---- switches ---- */

/* NULL: it was not made. */
struct vswitch *switch_of(const struct object *o);
struct vswitch_port *switch_first_port(const struct object *o);
/* What follows from the configuration of its uplinks and host NICs. */
enum switch_type switch_type_of(struct hvnetd *d, const char *name);
/* The object (uplink, host NIC, port or adapter) that a live port is of; NULL: none. */
struct object *port_owner(struct hvnetd *d, const struct object *sw, const struct vswitch_port *port);
/* The live port of such an object; NULL: none now. */
struct vswitch_port *port_of(const struct object *o);
/* Of the NIC on it: "none", "created", "connected", "disconnected". */
const char *port_nic_state(const struct vswitch_port *port);
/* The live port that has the object's own policies; NULL: none, or it is not there yet, or about to be left. */
struct vswitch_port *policy_port(const struct object *o);
/* The object whose policies count for it: itself, or the port of port.create that an adapter is on. */
struct object *policy_holder(struct object *o);

/* ---- uplinks ---- */

const char *uplink_kind_name(enum uplink_kind kind);
enum uplink_kind uplink_kind_of(const struct object *o);
/* Whether it is the switch's external adapter. */
bool uplink_is_external(const struct object *o);
/* The object's port has come to be: if it is mapped to a member of its switch's team, it is so from now on. */
void uplink_map_port(const struct object *o);
/* Where hvnet-nat is: as told, or beside this program. Empty if it cannot be run. */
void nat_find_program(const struct options *o, char *path, size_t bytes);

/* ---- virtual machines and adapters ---- */

const char *adapter_kind_name(enum adapter_kind kind);
enum adapter_kind adapter_kind_of(const struct object *o);
/* Where the guest's QEMU attaches for it: the VM's socket, or its own. */
const char *adapter_socket(const struct adapter *a);
/* n-th counter of what is behind it, false past the last. */
bool adapter_counter(const struct adapter *a, unsigned n, const char **name, uint64_t *value);
bool adapter_is_attached(const struct adapter *a);
bool adapter_driver_up(const struct adapter *a);
/* The NIC on the switch: "none", "created", "connected", "disconnected". */
const char *adapter_nic_state(const struct adapter *a);
/* It has a port that is not where its configuration wants it. */
bool adapter_is_moved(const struct adapter *a);
/* A port that it was on is going, or there again. */
void adapter_leave_port(struct adapter *a);
/* Programs outside are asked whether the adapter may be where a configuration says. 0, or OBJECT_WAITS. */
int adapter_ask(const struct adapter *a, const json_t *config) __attribute__((warn_unused_result));
/* A port of its own, whose name takes VSWITCH_PORT_NAME_BYTES, and the NIC on it, as the extensions are told. */
struct vswitch_port_config adapter_port_config(const struct adapter *a, char *name);
struct vswitch_nic_config adapter_nic_config(const struct adapter *a, const json_t *config);
/* Does what its state asks for; soon, from the loop. */
void adapter_look_soon(struct adapter *a);
/* A VM's bridge has another client, or none. cookie: the struct vm. */
void vm_changed(void *cookie);

/* ---- bandwidth.c ---- */

/*
 * Whether what is configured to be on a switch is no more than its uplink takes, if the object, something on it, is to have more than
 * before; if a port is to be beside it; if the switch is to have less.
 */
int bandwidth_check(const struct object *o, struct rpc_error *err) __attribute__((warn_unused_result));
int bandwidth_check_new(const struct object *sw, const json_t *config, struct rpc_error *err) __attribute__((warn_unused_result));
int bandwidth_check_switch(const struct object *sw, struct rpc_error *err) __attribute__((warn_unused_result));
/* For answers; a new reference. */
json_t *bandwidth_show(const struct object *sw, bool *overcommitted);
/* The switch's uplinks say so: event and log. */
void bandwidth_capacity_changed(const struct object *sw);

/* ---- policies ---- */

/* Whether the policies and bandwidth of a configuration are good for a NIC of this kind. */
int policy_check(struct hvnetd *d, const json_t *config, bool external, struct rpc_error *err)
	__attribute__((warn_unused_result));
/* err says which extension refused, and why. Returns -1. */
int refused_by_extension(const struct vswitch *sw, const char *what, struct rpc_error *err);
/* Makes the port's policies those of a configuration; before: of which they are now, or NULL. All or nothing. */
int policy_apply(struct vswitch_port *port, const json_t *config, const json_t *before, bool external, struct rpc_error *err)
	__attribute__((warn_unused_result));

/* The same in pieces: 0, -1, or OBJECT_AGAIN: call it again with the same. walk: zeroed in the beginning, and is then. */
int policy_apply_step(struct vswitch_port *port, const json_t *config, const json_t *before, bool external, struct acl_walk *walk,
		      struct rpc_error *err) __attribute__((warn_unused_result));

/* ---- ACLs (acl.c) ---- */

/* A number for a new ACL entry, unique in the daemon. */
uint32_t acl_new_id(struct hvnetd *d);
/* A piece of the check of the object's list, by its walk. 0, -1 or OBJECT_AGAIN. */
int acl_check_step(struct object *o, struct rpc_error *err) __attribute__((warn_unused_result));
/*
 * A piece of the way from one list to another, on a port that may be in use. 0: it is there. -1 with err: it stands half way;
 * go back with the lists exchanged and a new walk. OBJECT_AGAIN.
 */
int acl_step(struct vswitch_port *port, const json_t *to, const json_t *from, struct acl_walk *walk, struct rpc_error *err)
	__attribute__((warn_unused_result));
bool acl_walk_began(const struct acl_walk *walk);

/* ---- extensions on a switch (extension.c) ---- */

int extension_check(struct object *sw, struct rpc_error *err);
/* What o.config's stack needs is opened, before anything is made of it. 0, or OBJECT_WAITS. */
int extension_prepare(struct hvnetd_switch *sw) __attribute__((warn_unused_result));
/* Makes the stack what o.config says. 0, or -1 with err and all as before. */
int extension_realize(struct hvnetd_switch *sw, struct rpc_error *err);
/* Takes all off. */
void extension_clear(struct hvnetd_switch *sw);
/*
 * Before a port (or on: one that is there) and its NIC (may be NULL) are made: programs outside are asked. 0: make it now;
 * OBJECT_WAITS: change_wake() and the objects' own "asking" follow.
 */
int extension_ask(struct hvnetd_switch *sw, const struct vswitch_port_config *port, const struct vswitch_port *on,
		  const struct vswitch_nic_config *nic) __attribute__((warn_unused_result));
/* Whether the call asks for what is installed: then it is answered when a thread has looked. */
bool extension_list_start(struct hvnetd *d, struct rpc_call *call);
/* Closes what nobody has taken. The helper has ended. */
void extensions_finish(struct hvnetd *d);

/* ---- the whole ---- */

/* Start-up and stop. The sentence in err says what to do; the status is main()'s. */
enum hvnetd_exit hvnetd_start(struct hvnetd *d, const struct options *o, struct rpc_error *err);
void hvnetd_stop(struct hvnetd *d);

#endif
