/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses of objects: what a name may be, MAC addresses and instance GUIDs that stay
 * the same for the same names on the same host, so that a guest finds its adapters again after
 * a restart although nothing is stored. Pure; any thread.
 */
#ifndef HVNETD_NAMES_H
#define HVNETD_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HVNETD_NAME_BYTES = 64,		/* with its NUL; as the ports' names in the switch */
	HVNETD_MAC_TEXT_BYTES = 18,
};

/* A switch's name: 1 to 63 bytes of printable UTF-8 without '/', no space at either end. */
bool name_is_good(const char *name);
/* A VM's or adapter's name, which becomes part of a path: letters, digits and . _ + - only, no dot or dash first. */
bool name_is_plain(const char *name);

/* "02:68:76:01:02:03", also with dashes. False if it is not one, or not that of a single station. */
bool mac_parse(const char *text, uint8_t mac[6]);
void mac_format(const uint8_t mac[6], char text[HVNETD_MAC_TEXT_BYTES]);

/*
 * A locally administered address from host, VM and adapter; attempt > 0 gives others, for the case
 * that an address is taken.
 */
void mac_from_names(const uint8_t host[16], const char *vm, const char *adapter, unsigned attempt,
		    uint8_t mac[6]);
/* An instance GUID in the same manner; RFC 4122 version 8, bytes as on the VMBus. */
void guid_from_names(const uint8_t host[16], const char *vm, const char *adapter, uint8_t guid[16]);

/* 16 bytes that stay the same on this host and say nothing about it; zeroes if it has no machine id. */
void host_id(uint8_t id[16]);

#endif
