/* SPDX-License-Identifier: MIT */
/* hvnet-qemu's own command line: what stands before "--". hvnet-qemu(1) is the manual. */
#ifndef HVNET_QEMU_OPTIONS_H
#define HVNET_QEMU_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	MAX_NICS = 8,			/* hvnetd's limit for a VM */
};

enum nic_kind {
	NIC_SYNTHETIC,
	NIC_EMULATED,
};

struct nic {
	enum nic_kind kind;
	char model[16];			/* emulated; empty: hvnetd's default */
	char switch_name[64];
	char mac[18];			/* empty: hvnetd chooses */
	char name[64];			/* empty: hvnetd chooses */
	unsigned mtu;			/* synthetic; 0: hvnetd's default */
};

struct options {
	struct nic nics[MAX_NICS];
	unsigned num_nics;		/* at least one after parsing */
	const char *vm;			/* NULL: from QEMU's -name, or the process's number */
	const char *qemu;		/* NULL: looked for */
	const char *socket;		/* NULL: the default */
	bool print, help, version;
	char *const *qemu_args;		/* borrowed from argv, ends with NULL */
	int num_qemu_args;
};

/* False with a sentence in error. */
bool options_parse(int argc, char *const *argv, struct options *out, char *error, size_t error_bytes);
void options_print_help(void);

/*
 * The next "name=value" or "name" of QEMU's comma-separated lists, where ",," is a comma in a
 * value. Moves *list on; false at its end. Texts that are too long are refused by an empty name.
 */
bool list_next(const char **list, char *name, size_t name_bytes, char *value, size_t value_bytes,
	       bool *has_value);

#endif
