/* SPDX-License-Identifier: MIT */
/*
 * The API as a table: every method of the control socket with its parameters, its result and a phrase for each, every
 * notification, and the fields that they share with the configuration file. The dispatcher checks requests by it;
 * `hvnetd --print-schema` and `--print-api` print it (JSON Schema, and the reference of hvnetd(8)); tests check results by it.
 *
 * Rows are in api_*.c, handlers in methods_*.c. A handler runs on the worker's loop, between batches of frames, so it does
 * a bounded amount of work: lists come in pages (limit, offset), which are put together row by row (read.h), the steps of a
 * large change are spread over rounds of the loop (object.h), files are written by a thread (store.h), and what waits for
 * somebody else is a job (job.h).
 *
 * The table is constant; any thread.
 */
#ifndef HVNET_API_H
#define HVNET_API_H

#include "api/names.h"
#include "api/error.h"
#include "api/schema.h"

enum rpc_flags {
	RPC_CHANGES = 1,		/* changes the configuration: may be part of a transaction, takes dry_run */
	RPC_ACTS = 2,			/* not the configuration, but refused to those who may only look, too */
	RPC_OUTER = 4,			/* may not be part of a transaction */
	RPC_ALONE = 8,			/* changes nothing, and nobody else may meanwhile */
	RPC_PAGED = 16,			/* its answer is put together of pieces of its page */
};

struct rpc_method {
	const char *name;
	const char *text;		/* one line */
	unsigned flags;			/* enum rpc_flags */
	const struct field *params, *result;
};

enum {
	API_PAGE = 100,			/* our policy: rows of a list unless limit says otherwise … */
	API_PAGE_MAX = 1000,		/* … and at most */
	API_MONITOR_FILTER_BYTES = 255,	/* our policy: of an expression */
	API_VLAN_LIST_BYTES = 255,
	API_ADDRESSES_MAX = 32,		/* our policy: of one port's address guard */
	API_TRANSACTION_MAX = 4096,	/* our policy: calls of one transaction */
	API_CAPTURE_BUFFER_MAX = 256 << 20,	/* our policy: bytes of a capture's ring */
	API_VCPUS_MAX = 240,		/* of a VM; the bridge's vectors */
};

/* For rows: name, whether it is needed (NEED or MAY), bounds, phrase. */
#define NEED true
#define MAY false
#define F_STRING(n, need, lo, hi, t) { .name = n, .text = t, .kind = FIELD_STRING, .required = need, .min = lo, .max = hi }
#define F_NAME(n, need, t) F_STRING(n, need, 1, HVNETD_NAME_BYTES - 1, t)
#define F_REFERENCE(n, need, t) F_STRING(n, need, 1, 2 * HVNETD_NAME_BYTES - 1, t)
#define F_INT(n, need, lo, hi, t) { .name = n, .text = t, .kind = FIELD_INTEGER, .required = need, .min = lo, .max = hi }
#define F_COUNT(n, need, t) F_INT(n, need, 0, INT64_MAX, t)
#define F_BOOL(n, need, t) { .name = n, .text = t, .kind = FIELD_BOOLEAN, .required = need }
#define F_ENUM(n, need, values, t) { .name = n, .text = t, .kind = FIELD_ENUM, .required = need, .names = values }
#define F_MAC(n, need, t) { .name = n, .text = t, .kind = FIELD_MAC, .required = need }
#define F_PREFIX(n, need, t) { .name = n, .text = t, .kind = FIELD_PREFIX, .required = need }
#define F_OBJECT(n, need, f, t) { .name = n, .text = t, .kind = FIELD_OBJECT, .required = need, .fields = f }
#define F_OBJECTS(n, need, hi, f, t) \
	{ .name = n, .text = t, .kind = FIELD_ARRAY, .required = need, .max = hi, .items = FIELD_OBJECT, .fields = f }
#define F_STRINGS(n, need, lo, hi, bytes, t) \
	{ .name = n, .text = t, .kind = FIELD_ARRAY, .required = need, .min = lo, .max = hi, .items = FIELD_STRING, \
	  .item_min = 1, .item_max = bytes }
#define F_ENUMS(n, need, values, t) \
	{ .name = n, .text = t, .kind = FIELD_ARRAY, .required = need, .min = 1, .items = FIELD_ENUM, .names = values }
#define F_INTS(n, need, hi, lo_item, hi_item, t) \
	{ .name = n, .text = t, .kind = FIELD_ARRAY, .required = need, .max = hi, .items = FIELD_INTEGER, \
	  .item_min = lo_item, .item_max = hi_item }
#define F_COUNTERS(n, need, t) { .name = n, .text = t, .kind = FIELD_COUNTERS, .required = need }
#define F_ANY(n, need, t) { .name = n, .text = t, .kind = FIELD_ANY, .required = need }
#define PAGE_PARAMS \
	F_INT("limit", MAY, 1, API_PAGE_MAX, "rows of the answer at most; 100 unless given"), \
	F_INT("offset", MAY, 0, INT32_MAX, "rows to pass over first")
#define PAGE_RESULT(list, f, t) \
	F_OBJECTS(list, NEED, API_PAGE_MAX, f, t), \
	F_COUNT("total", NEED, "rows that there are"), \
	F_COUNT("next_offset", MAY, "where the next page begins; absent on the last one")

#define API_BPS_MAX 1000000000000	/* our policy: 1 Tbit/s */

/* Enumerations that the handlers share with the rows. */
extern const char *const api_switch_types[];	/* enum switch_type's order */
extern const char *const api_uplink_kinds[];	/* enum uplink_kind's */
extern const char *const api_bandwidth_modes[];	/* these as the switch's own, vswitch.h */
extern const char *const api_team_modes[];
extern const char *const api_team_algorithms[];
extern const char *const api_vlan_modes[];
extern const char *const api_bpdu_guards[];
extern const char *const api_monitor_directions[];
extern const char *const api_extension_classes[];
extern const char *const api_port_states[];
extern const char *const api_nic_states[];
extern const char *const api_link_states[];
extern const char *const api_policy_kinds[];
extern const char *const api_job_states[];
/* Which of an enumeration's names it is; 0, too, if it is none of them or NULL. */
unsigned api_index(const char *const *names, const char *name);

/* Fields that the configuration has in common with parameters. */
extern const struct field api_switch_config[], api_uplink_config[], api_hostnic_config[], api_port_config[], api_vm_config[],
	api_adapter_config[], api_team_config[], api_policy[], api_acl_entry[], api_vlan[], api_bandwidth[], api_monitor[],
	api_remote[], api_fdb_entry[], api_bandwidth_status[];
extern const struct field api_config[];		/* the document of config.show and config.apply */

extern const struct rpc_method api_switch_methods[], api_adapter_methods[], api_port_methods[], api_system_methods[];
extern const size_t api_num_switch_methods, api_num_adapter_methods, api_num_port_methods, api_num_system_methods;

/* n-th method of the whole table in its order, NULL past the last; and by name. */
const struct rpc_method *api_method(size_t n);
const struct rpc_method *api_find_method(const char *name);

struct api_event {
	const char *name, *text;	/* name NULL ends the list */
	const struct field *fields;
};
extern const struct api_event api_events[];

/* The whole API as a JSON Schema, draft 2020-12. A new reference. */
json_t *api_schema(void);
/* The reference of hvnetd(8), in man(7) macros, to stdout. */
void api_print_manual(void);

#endif
