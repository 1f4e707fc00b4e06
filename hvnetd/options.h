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

enum switch_type {
	SWITCH_PRIVATE,			/* guests among themselves */
	SWITCH_NAT,			/* and the network by user-mode NAT */
	SWITCH_TAP,			/* and a tap interface: the host's own NIC */
};

struct switch_option {
	char name[64];
	enum switch_type type;
	char interface[16];		/* SWITCH_TAP: IFNAMSIZ with its NUL */
};

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK,
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

struct options {
	enum options_action action;
	char socket[PATH_MAX];
	char runtime_dir[PATH_MAX];
	char nat_program[PATH_MAX];	/* empty: looked for */
	struct switch_option switches[HVNETD_MAX_SWITCHES];
	unsigned num_switches;
	bool default_switch;
	bool allow_tap;			/* keep CAP_NET_ADMIN, for taps that are added later */
	enum hv_log_level log_level;
};

/* False with a sentence in error: which option is wrong and why. */
bool options_parse(int argc, char *const *argv, struct options *out, char *error, size_t error_bytes);

const char *switch_type_name(enum switch_type type);
/* Whether a name can be that of a network interface. */
bool interface_is_good(const char *name);

void options_print_help(void);

#endif
