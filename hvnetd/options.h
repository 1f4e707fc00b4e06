/* SPDX-License-Identifier: MIT */
/*
 * hvnetd's command line. Parsing has no effects but messages in struct options_error; hvnetd(8) is the manual.
 */
#ifndef HVNETD_OPTIONS_H
#define HVNETD_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"

#define HVNETD_VERSION "0.1.0"
#define HVNETD_RUNTIME_DIR "/run/hvnet"
#define HVNETD_DEFAULT_SWITCH "Default Switch"

enum {
	HVNETD_MAX_SWITCHES = 64,	/* our policy: on the command line */
};

/* Exit statuses; hvnetd(8) lists them. */
enum hvnetd_exit {
	HVNETD_EXIT_OK = 0,
	HVNETD_EXIT_FAILED = 1,
	HVNETD_EXIT_USAGE = 2,
	HVNETD_EXIT_IN_USE = 3,		/* another hvnetd serves the control socket */
	HVNETD_EXIT_NO_URING = 4,
};

/* What a switch has follows from its ports; order of api_switch_types. */
enum switch_type {
	SWITCH_PRIVATE,			/* guests among themselves */
	SWITCH_INTERNAL,		/* and the host, by a tap interface */
	SWITCH_EXTERNAL,		/* and a network, by an interface of the host */
	SWITCH_NAT,			/* and the network by user-mode NAT */
};

struct switch_option {
	char name[64];
	enum switch_type type;
	char interface[16];		/* of SWITCH_INTERNAL and SWITCH_EXTERNAL: IFNAMSIZ with its NUL */
};

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK,
	OPTIONS_CHECK_FILE,		/* a configuration */
	OPTIONS_PRINT_SCHEMA,
	OPTIONS_PRINT_API,		/* the reference of the manual */
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

struct options {
	enum options_action action;
	char socket[PATH_MAX];
	char runtime_dir[PATH_MAX];
	char nat_program[PATH_MAX];	/* empty: looked for */
	char extension_dir[PATH_MAX];	/* empty: looked for */
	char state_dir[PATH_MAX];	/* empty: nothing is stored */
	char check_file[PATH_MAX];
	char group[64];			/* empty: CONTROL_GROUP */
	struct switch_option switches[HVNETD_MAX_SWITCHES];
	unsigned num_switches;
	bool default_switch;
	bool allow_tap;			/* keep CAP_NET_ADMIN, for taps that are added later */
	bool allow_uplinks;		/* … and CAP_NET_RAW, for interfaces */
	bool others_look;		/* users who may not change anything may look */
	enum hv_log_level log_level;
};

/* False with a sentence in error: which option is wrong and why. */
bool options_parse(int argc, char *const *argv, struct options *out, char *error, size_t error_bytes);

const char *switch_type_name(enum switch_type type);
/* Whether a name can be that of a network interface. */
bool interface_is_good(const char *name);

void options_print_help(void);

#endif
