/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses of objects: what a name may be, MAC addresses and instance GUIDs that stay
 * the same for the same names on the same host, so that a guest finds its adapters again after
 * a restart although nothing is stored. Pure; any thread.
 */
#ifndef HVNETD_NAMES_H
#define HVNETD_NAMES_H

#include <stdint.h>

#include "api/names.h"

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
